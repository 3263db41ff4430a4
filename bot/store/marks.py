"""What a person sees of a delivery on the message that caused it, and the cards that ask for a decision."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mark:
    """The state to show on a message, the one shown, and the status line that stands in for a reaction."""

    message: int
    want: str
    shown: str
    line: str
    attempts: int


class Marks:
    """One row for each message whose delivery state is shown; showing it is idempotent."""

    def __init__(self, db: sqlite3.Connection, woken: set[str]) -> None:
        self._db = db
        self._woken = woken

    def want(self, message: int, state: str, *, now: float) -> None:
        """Ask for a state to be shown."""
        self._db.execute(
            "INSERT INTO marks (message, want, due_at) VALUES (?, ?, ?) ON CONFLICT (message) DO UPDATE SET"
            " want = excluded.want, due_at = excluded.due_at, attempts = 0 WHERE want != excluded.want",
            (message, state, now),
        )
        self._woken.add("marks")

    def get(self, message: int) -> Mark | None:
        """The mark of a message, if it has one."""
        row = self._db.execute(
            "SELECT message, want, shown, line, attempts FROM marks WHERE message = ?", (message,)
        ).fetchone()
        return Mark(*row) if row else None

    def due(self, *, now: float, limit: int) -> Sequence[Mark]:
        """Those whose shown state is not the wanted one."""
        rows = self._db.execute(
            "SELECT message, want, shown, line, attempts FROM marks WHERE want != shown AND due_at <= ?"
            " ORDER BY due_at LIMIT ?",
            (now, limit),
        )
        return [Mark(*row) for row in rows]

    def next_due(self) -> float | None:
        """When the earliest is due."""
        row = self._db.execute("SELECT MIN(due_at) FROM marks WHERE want != shown").fetchone()
        return None if row[0] is None else float(row[0])

    def showing(self, message: int, state: str, *, line: str = "") -> None:
        """This state is shown now (``line``: the id of the status line, where there is one)."""
        self._db.execute(
            "UPDATE marks SET shown = ?, attempts = 0, line = CASE WHEN ? = '' THEN line ELSE ? END WHERE message = ?",
            (state, line, line, message),
        )

    def later(self, message: int, *, due_at: float) -> None:
        """It could not be shown; try again then."""
        self._db.execute("UPDATE marks SET due_at = ?, attempts = attempts + 1 WHERE message = ?", (due_at, message))

    def drop(self, message: int) -> None:
        """It can never be shown (the message is gone): stop trying."""
        self._db.execute("UPDATE marks SET shown = want WHERE message = ?", (message,))


class Cards:
    """Single-use buttons, by nonce."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def add(self, nonce: str, *, kind: str, subject: int, chat: str, now: float) -> None:
        """Keep a card that asks for a decision on ``subject``."""
        self._db.execute(
            "INSERT INTO cards (nonce, kind, subject, chat, created_at) VALUES (?, ?, ?, ?, ?)",
            (nonce, kind, subject, chat, now),
        )

    def subject(self, nonce: str, *, kind: str) -> int | None:
        """What a card is about, or None if there is no such card."""
        row = self._db.execute("SELECT subject FROM cards WHERE nonce = ? AND kind = ?", (nonce, kind)).fetchone()
        return int(row[0]) if row else None

    def use(self, nonce: str, *, now: float) -> bool:
        """Use it up; False if it was used before."""
        return (
            self._db.execute("UPDATE cards SET used_at = ? WHERE nonce = ? AND used_at IS NULL", (now, nonce)).rowcount
            > 0
        )
