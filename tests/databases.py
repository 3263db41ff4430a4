"""Databases as they are when they were just made: tests that are not about making one copy it, which takes no time."""

from __future__ import annotations

import os
import tempfile
from functools import cache
from pathlib import Path

from sqlite_utils import Database

from bot.store.migrations import migrations
from bot.store.sqlite import connect


@cache
def _made() -> bytes:
    """What the file of a new database holds."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "new.sqlite3"
        db = connect(path)
        migrations.apply(Database(db))
        db.close()  # moves what was written into the file
        return path.read_bytes()


def new_database(path: Path) -> Path:
    """Make a database where there is none; returns its path."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(_made())
    return path
