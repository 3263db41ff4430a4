"""What was removed goes from the file too: SQLite leaves it in free pages, in the log and in the search index."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path

from bot.store import AlreadyRunning
from bot.store.sqlite import _of_the_file, _take_lock, connect

BESIDE_MOST = 256_000_000
"""Bytes of a database that is written anew while a bot runs on it, which has to wait meanwhile."""
_PAGES = 200
_CHECKPOINT_S = 5.0


def scrub(path: Path) -> bool:
    """Remove every trace of what was removed; False if the file is too large for that while a bot runs on it.

    May be stopped and done again at any time. Raises ``Damaged`` or ``StoreUnavailable``.
    """
    whole = path.stat().st_size <= BESIDE_MOST or not is_running(path)
    db = connect(path)
    try:
        _merge(db)
        if whole:
            db.execute("VACUUM")
        end = time.monotonic() + _CHECKPOINT_S
        # Whoever reads just now keeps the log from being emptied.
        while db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] and time.monotonic() < end:
            time.sleep(0.05)
    except sqlite3.Error as error:
        raise _of_the_file(error, path) from error
    finally:
        db.close()
    return whole


def _merge(db: sqlite3.Connection) -> None:
    """Bring the index into one piece, some pages at a time: what was removed is only marked in the older pieces.

    https://sqlite.org/fts5.html#the_merge_command, 2026-11.
    """
    pages = -_PAGES
    while True:
        before = db.total_changes
        db.execute("INSERT INTO messages_words (messages_words, rank) VALUES ('merge', ?)", (pages,))
        if db.total_changes - before < 2:
            return
        pages = _PAGES


def is_running(path: Path) -> bool:
    """Whether a bot runs on this database."""
    try:
        os.close(_take_lock(path))
    except AlreadyRunning:
        return True
    return False
