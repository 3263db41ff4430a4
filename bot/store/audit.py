"""Who did what, when; refusals too. Append-only."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple


class Deed(NamedTuple):
    """One line of the audit."""

    at: float
    person: str
    """Their id in Telegram; ``cli:…`` for the command line; empty for an anonymous admin or a channel."""
    place: str
    command: str
    outcome: str


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

    def last(self, n: int, *, within: str | None = None) -> Sequence[Deed]:
        """The newest lines, newest first; ``within``: of this place and what is in it."""
        where = (
            "" if within is None else "WHERE place = :within OR substr(place, 1, length(:within) + 1) = :within || '/'"
        )
        rows = self._db.execute(
            f"SELECT at, person, place, command, outcome FROM audit {where} ORDER BY id DESC LIMIT :n",
            {"within": within, "n": n},
        )
        return [Deed(*row) for row in rows]

    def all(self, *, since: float = 0.0, person: str | None = None) -> Sequence[Deed]:
        """All lines, oldest first."""
        rows = self._db.execute(
            "SELECT at, person, place, command, outcome FROM audit"
            " WHERE at >= :since AND (:person IS NULL OR person = :person) ORDER BY id",
            {"since": since, "person": person},
        )
        return [Deed(*row) for row in rows]
