"""Texts that are sent as files, because a route wants long ones in one message."""

from __future__ import annotations

import sqlite3


class Texts:
    """One row for each; kept as long as messages are."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def keep(self, text: str, *, now: float) -> int:
        """Keep a text; returns its number. What was kept at the same moment for another target is the same."""
        row = self._db.execute("SELECT id FROM texts WHERE at = ? AND text = ?", (now, text)).fetchone()
        if row is not None:
            return int(row[0])
        added = self._db.execute("INSERT INTO texts (text, at) VALUES (?, ?)", (text, now))
        assert added.lastrowid is not None
        return added.lastrowid

    def get(self, id: int) -> str | None:
        """The text of a number; None if there is none, or no longer."""
        row = self._db.execute("SELECT text FROM texts WHERE id = ?", (id,)).fetchone()
        return None if row is None else str(row[0])

    def prune(self, *, before: float, limit: int) -> int:
        """Forget those of before; returns how many."""
        return self._db.execute(
            "DELETE FROM texts WHERE id IN (SELECT id FROM texts WHERE at < ? LIMIT ?)", (before, limit)
        ).rowcount
