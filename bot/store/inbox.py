"""What arrived, raw, before anything else is done with it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field

from bot.store.meta import Counters
from bridges.model import TWIN_S

SEEN_LEAST_S = 7 * 86_400.0
SEEN_LONGER_S = 86_400.0
"""How long an event's key is kept in any case, and beyond the arrivals that it could come with."""
OUTCOMES = ("relayed", "commands", "filtered", "unrouted", "echoes", "duplicates", "unsupported", "failed")


@dataclass(frozen=True, slots=True)
class Arrived:
    """A raw item: a provider's webhook or a Telegram update. ``id`` is 0 until it is stored."""

    account: str
    body: bytes = field(repr=False)
    received_at: float
    path: str = field(default="", repr=False)
    """Of the request; it may end in a secret."""
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    key: str | None = None
    """Unique within the account where the transport gives such a thing (Telegram's update_id)."""
    id: int = 0


class Inbox:
    """The table of arrivals."""

    def __init__(self, db: sqlite3.Connection, counters: Counters, woken: set[str]) -> None:
        self._db = db
        self._counters = counters
        self._woken = woken

    def put(self, item: Arrived) -> int | None:
        """Store one arrival; returns its id, or None if its key was seen before (counted as a duplicate)."""
        self._counters.add(item.account, "accepted")
        cursor = self._db.execute(
            # Not OR IGNORE, which takes any broken constraint for a duplicate.
            "INSERT INTO inbox (account, key, path, headers, body, received_at, state)"
            " VALUES (?, ?, ?, ?, ?, ?, 'pending') ON CONFLICT (account, key) WHERE key IS NOT NULL DO NOTHING",
            (item.account, item.key, item.path, json.dumps(item.headers), item.body, item.received_at),
        )
        if cursor.rowcount == 0:
            self._counters.add(item.account, "duplicates")
            return None
        self._woken.add("inbox")
        return cursor.lastrowid

    def put_decided(self, item: Arrived, outcomes: Sequence[str]) -> None:
        """Store an arrival whose events are decided on in this same transaction; outcomes as for :meth:`done`."""
        names = _known(outcomes)
        self._put_as(item, state="done", error=None)
        self._counters.add(item.account, "accepted", len(names))
        for name in names:
            self._counters.add(item.account, name)

    def put_failed(self, item: Arrived, error: str) -> None:
        """Store an arrival that our code could not deal with, for a replay."""
        self._put_as(item, state="failed", error=error)
        self._counters.add(item.account, "accepted")
        self._counters.add(item.account, "failed")

    def _put_as(self, item: Arrived, *, state: str, error: str | None) -> None:
        self._db.execute(
            "INSERT INTO inbox (account, key, path, headers, body, received_at, state, error)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (item.account, item.key, item.path, json.dumps(item.headers), item.body, item.received_at, state, error),
        )

    def pending(self, *, after: int = 0, limit: int = 1000) -> Sequence[Arrived]:
        """Arrivals not yet worked on, oldest first."""
        rows = self._db.execute(
            "SELECT id, account, key, path, headers, body, received_at FROM inbox"
            " WHERE state = 'pending' AND id > ? ORDER BY id LIMIT ?",
            (after, limit),
        )
        return [
            Arrived(
                account=account, body=body, received_at=at, path=path, key=key, id=id,
                headers=tuple((k, v) for k, v in json.loads(headers)),
            )
            for id, account, key, path, headers, body, at in rows
        ]  # fmt: skip

    def last_id(self) -> int:
        """The newest arrival's id, 0 where there is none."""
        return int(self._db.execute("SELECT COALESCE(MAX(id), 0) FROM inbox").fetchone()[0])

    def is_pending(self, id: int) -> bool:
        """Whether an arrival still waits: guards against doing it twice."""
        row = self._db.execute("SELECT state FROM inbox WHERE id = ?", (id,)).fetchone()
        return row is not None and row[0] == "pending"

    def done(self, item: Arrived, outcomes: Sequence[str]) -> None:
        """It is dealt with; one outcome for each event that was in it (none: it is ``unsupported``).

        One that had failed may be done later. Raises ``ValueError`` if it is done already: it would count twice.
        """
        names = _known(outcomes)
        if self._open(item) == "failed":
            self._counters.add(item.account, "failed", -1)
        self._db.execute("UPDATE inbox SET state = 'done', error = NULL WHERE id = ?", (item.id,))
        self._counters.add(item.account, "accepted", len(names) - 1)
        for name in names:
            self._counters.add(item.account, name)

    def failed(self, item: Arrived, error: str) -> None:
        """Our code could not deal with it: kept for a replay, counted once. Raises ``ValueError`` if it is done."""
        if self._open(item) == "pending":
            self._counters.add(item.account, "failed")
        self._db.execute("UPDATE inbox SET state = 'failed', error = ? WHERE id = ?", (error, item.id))

    def _open(self, item: Arrived) -> str:
        row = self._db.execute("SELECT state FROM inbox WHERE id = ?", (item.id,)).fetchone()
        if row is None or row[0] == "done":
            raise ValueError(f"arrival {item.id} of {item.account} is not open; ask is_pending() first")
        return str(row[0])

    def count_pending(self) -> dict[str, int]:
        """How many wait, by account."""
        rows = self._db.execute("SELECT account, COUNT(*) FROM inbox WHERE state = 'pending' GROUP BY account")
        return {account: int(n) for account, n in rows}

    def count_failed(self) -> dict[str, int]:
        """How many are kept for a replay, by account."""
        rows = self._db.execute("SELECT account, COUNT(*) FROM inbox WHERE state = 'failed' GROUP BY account")
        return {account: int(n) for account, n in rows}

    def seen(self, account: str, key: str, *, now: float) -> bool:
        """Remember an event's key; True if it had been seen before."""
        return (
            self._db.execute(
                "INSERT INTO seen (account, key, at) VALUES (?, ?, ?) ON CONFLICT (account, key) DO NOTHING",
                (account, key, now),
            ).rowcount
            == 0
        )

    def is_twin(self, account: str, twin: str, *, firm: bool, at: float) -> bool:
        """Remember a report of a message by its twin; True if another report of the same message was seen.

        Two firm ones are two messages. A report without an id is the same as any within ``TWIN_S``; a firm one is
        the same as one without an id that no other firm one has been found for. ``at`` is the provider's own time.
        """
        near = (account, twin, at - TWIN_S, at + TWIN_S)
        if firm:
            found = self._db.execute(
                "UPDATE twins SET matched = 1 WHERE (account, twin, firm, at) IN (SELECT account, twin, firm, at"
                " FROM twins WHERE account = ? AND twin = ? AND firm = 0 AND matched = 0 AND at BETWEEN ? AND ?"
                " ORDER BY at LIMIT 1)",
                near,
            ).rowcount
        else:
            found = self._db.execute(
                "SELECT EXISTS (SELECT 1 FROM twins WHERE account = ? AND twin = ? AND at BETWEEN ? AND ?)", near
            ).fetchone()[0]
        if firm or not found:
            self._db.execute(
                "INSERT OR IGNORE INTO twins (account, twin, firm, at) VALUES (?, ?, ?, ?)", (account, twin, firm, at)
            )
        return bool(found)

    def prune(self, *, before: float, now: float, limit: int = 500) -> int:
        """Forget arrivals dealt with that came before ``before``, and then keys longer seen than any provider retries.

        At most ``limit`` rows, so that the writer is soon free; returns how many: call again until it is 0. Those
        pending or failed stay. A key is kept ``SEEN_LEAST_S`` at least (with its arrival, where that is what has
        it), and one of an event outlives the arrivals by ``SEEN_LONGER_S``.
        """
        arrivals = self._db.execute(
            "DELETE FROM inbox WHERE id IN (SELECT id FROM inbox WHERE state = 'done' AND received_at < ?"
            " AND (key IS NULL OR received_at < ?) ORDER BY received_at LIMIT ?)",
            (before, now - SEEN_LEAST_S, limit),
        ).rowcount
        # Only with what is left of the limit: no key goes while there may be arrivals as old.
        keys = self._db.execute(
            "DELETE FROM seen WHERE (account, key) IN (SELECT account, key FROM seen WHERE at < ? ORDER BY at LIMIT ?)",
            (min(before - SEEN_LONGER_S, now - SEEN_LEAST_S), limit - arrivals),
        ).rowcount
        twins = self._db.execute(
            "DELETE FROM twins WHERE (account, twin, firm, at) IN"
            " (SELECT account, twin, firm, at FROM twins WHERE at < ? ORDER BY at LIMIT ?)",
            (now - SEEN_LEAST_S, limit - arrivals - keys),
        ).rowcount
        return arrivals + keys + twins


def _known(outcomes: Sequence[str]) -> Sequence[str]:
    """One outcome at least, each of a known name; raises ``ValueError``."""
    names = outcomes or ("unsupported",)
    for name in names:
        if name not in OUTCOMES:
            raise ValueError(f"{name!r} is not an outcome")
    return names
