"""What arrived, raw, before anything else is done with it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from bot.store.meta import Counters

OUTCOMES = ("relayed", "commands", "filtered", "unrouted", "echoes", "duplicates", "unsupported", "failed")


@dataclass(frozen=True, slots=True)
class Arrived:
    """A raw item: a provider's webhook or a Telegram update. ``id`` is 0 until it is stored."""

    account: str
    body: bytes
    received_at: float
    path: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    key: str | None = None
    """Unique within the account where the transport gives such a thing (Telegram's update_id)."""
    id: int = 0


class Inbox:
    """The table of arrivals."""

    def __init__(self, db: sqlite3.Connection, counters: Counters) -> None:
        self._db = db
        self._counters = counters

    def put(self, item: Arrived) -> int | None:
        """Store one arrival; returns its id, or None if its key was seen before (counted as a duplicate)."""
        self._counters.add(item.account, "accepted")
        cursor = self._db.execute(
            "INSERT OR IGNORE INTO inbox (account, key, path, headers, body, received_at, state)"
            " VALUES (?, ?, ?, ?, ?, ?, 'pending')",
            (item.account, item.key, item.path, json.dumps(item.headers), item.body, item.received_at),
        )
        if cursor.rowcount == 0:
            self._counters.add(item.account, "duplicates")
            return None
        return cursor.lastrowid

    def pending(self, *, after: int = 0, limit: int = 1000) -> Sequence[Arrived]:
        """Arrivals not yet worked on, oldest first."""
        rows = self._db.execute(
            "SELECT id, account, key, path, headers, body, received_at FROM inbox"
            " WHERE state = 'pending' AND state != 'done' AND id > ? ORDER BY id LIMIT ?",
            (after, limit),
        )
        return [
            Arrived(
                account=account, body=body, received_at=at, path=path, key=key, id=id,
                headers=tuple((k, v) for k, v in json.loads(headers)),
            )
            for id, account, key, path, headers, body, at in rows
        ]  # fmt: skip

    def is_pending(self, id: int) -> bool:
        """Whether an arrival still waits: guards against doing it twice."""
        row = self._db.execute("SELECT state FROM inbox WHERE id = ?", (id,)).fetchone()
        return row is not None and row[0] == "pending"

    def done(self, item: Arrived, outcomes: Sequence[str]) -> None:
        """It is dealt with; one outcome for each event that was in it (none: it is ``unsupported``)."""
        self._db.execute("UPDATE inbox SET state = 'done' WHERE id = ?", (item.id,))
        names = outcomes or ("unsupported",)
        self._counters.add(item.account, "accepted", len(names) - 1)
        for name in names:
            if name not in OUTCOMES:
                raise ValueError(f"{name!r} is not an outcome")
            self._counters.add(item.account, name)

    def failed(self, item: Arrived, error: str) -> None:
        """Our code could not deal with it: kept for a replay, counted."""
        self._db.execute("UPDATE inbox SET state = 'failed', error = ? WHERE id = ?", (error, item.id))
        self._counters.add(item.account, "failed")

    def count_pending(self) -> dict[str, int]:
        """How many wait, by account."""
        rows = self._db.execute(
            "SELECT account, COUNT(*) FROM inbox WHERE state = 'pending' AND state != 'done' GROUP BY account"
        )
        return {account: int(n) for account, n in rows}

    def seen(self, account: str, key: str, *, now: float) -> bool:
        """Remember an event's key; True if it had been seen before."""
        return (
            self._db.execute(
                "INSERT OR IGNORE INTO seen (account, key, at) VALUES (?, ?, ?)", (account, key, now)
            ).rowcount
            == 0
        )
