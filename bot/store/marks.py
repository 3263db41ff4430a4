"""What a person sees of a delivery on the message that caused it, and the cards that ask for a decision."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from bot.store.topics import move_addresses


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


@dataclass(frozen=True, slots=True)
class Card:
    """Buttons that can be used once."""

    nonce: str
    kind: str
    subject: int
    """What it is about: a row of some table."""
    chat: str
    used_at: float | None
    created_at: float
    person: str
    """The only one who may press; empty: whoever has the role."""
    expires_at: float | None
    shown: str
    """A digest of what was shown."""
    payload: str
    """What it is to do, as JSON."""
    offered: str
    """Its buttons' choices, as a JSON array; empty for one of an earlier version."""

    def offers(self, choice: str) -> bool:
        """Whether one of its buttons has this choice. Clients can send whatever they like."""
        return choice in json.loads(self.offered) if self.offered else "=" not in choice


class Cards:
    """Single-use buttons, by nonce."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def add(
        self,
        nonce: str,
        *,
        kind: str,
        subject: int,
        chat: str,
        now: float,
        person: str = "",
        expires_at: float | None = None,
        shown: str = "",
        payload: str = "{}",
        offered: Sequence[str] = (),
    ) -> None:
        """Keep a card that asks for a decision on ``subject``."""
        self._db.execute(
            "INSERT INTO cards (nonce, kind, subject, chat, created_at, person, expires_at, shown, payload,"
            " offered) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                nonce, kind, subject, chat, now, person, expires_at, shown, payload,
                json.dumps(list(offered)) if offered else "",
            ),
        )  # fmt: skip

    def get(self, nonce: str, *, kind: str) -> Card | None:
        """A card, or None if there is none of this kind."""
        row = self._db.execute(
            "SELECT nonce, kind, subject, chat, used_at, created_at, person, expires_at, shown, payload, offered"
            " FROM cards"
            " WHERE nonce = ? AND kind = ?",
            (nonce, kind),
        ).fetchone()
        return Card(*row) if row else None

    def use(self, nonce: str, *, now: float) -> bool:
        """Use it up; False if it was used before."""
        return (
            self._db.execute("UPDATE cards SET used_at = ? WHERE nonce = ? AND used_at IS NULL", (now, nonce)).rowcount
            > 0
        )

    def move(self, old: str, new: str) -> None:
        """Their chat, or topic, is another one from now on: they can be pressed there."""
        move_addresses(self._db, "cards", "chat", old=old, new=new)

    def prune(self, *, before: float, limit: int) -> int:
        """Forget those made before then: whoever presses one is told that it is not known any more."""
        return self._db.execute(
            "DELETE FROM cards WHERE nonce IN (SELECT nonce FROM cards WHERE created_at < ? LIMIT ?)", (before, limit)
        ).rowcount
