"""Who did what, when; refusals too. Append-only."""

from __future__ import annotations

import sqlite3


class Audit:
    """The table of deeds."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def add(self, *, person: str, place: str, command: str, outcome: str, now: float) -> None:
        """Append one line. ``command`` is its name and never holds a message's text."""
        self._db.execute(
            "INSERT INTO audit (at, person, place, command, outcome) VALUES (?, ?, ?, ?, ?)",
            (now, person, place, command, outcome),
        )

    def last(self, n: int) -> list[tuple[float, str, str, str, str]]:
        """The newest lines, newest first: time, person, place, command, outcome."""
        return self._db.execute(
            "SELECT at, person, place, command, outcome FROM audit ORDER BY id DESC LIMIT ?", (n,)
        ).fetchall()
