"""Deliveries: rows that become sends, in order inside a conversation, conversations in parallel.

A *lane* is the queue of one conversation. A lease is taken on a lane, never on a row: it covers the head of the
lane (and, for providers that take batches, the rows right behind it). While it lasts the lane is hidden: its
``due_at`` lies in the future. A lease that runs out is free for others, and its holder can no longer begin or
settle.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from bot.store.meta import Counters

State: TypeAlias = Literal["queued", "sending", "sent", "held", "dead", "expired", "discarded", "cancelled"]
STATES: tuple[State, ...] = ("queued", "sending", "sent", "held", "dead", "expired", "discarded", "cancelled")
PRIORITY_REPLY, PRIORITY_RELAY, PRIORITY_BROADCAST = 0, 1, 2


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """A delivery to be made. ``payload`` is a Message as JSON."""

    account: str
    conversation: str
    payload: str
    created_at: float
    expires_at: float
    on_ambiguous: Literal["hold", "resend"]
    priority: int = PRIORITY_RELAY
    message: int | None = None
    """The message that this is a copy of."""
    reply_to: int | None = None
    """The message (ours) whose copy over there it answers."""
    part: int = 1
    parts: int = 1
    why: str = ""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A row of the outbox."""

    id: int
    account: str
    conversation: str
    message: int | None
    reply_to: int | None
    part: int
    parts: int
    priority: int
    payload: str
    crc: int
    on_ambiguous: Literal["hold", "resend"]
    state: State
    attempts: int
    solo: int
    error: str | None
    why: str
    created_at: float
    due_at: float
    expires_at: float
    started_at: float | None
    settled_at: float | None

    @property
    def address(self) -> str:
        """The target as people write it."""
        return f"{self.account}:{self.conversation}"

    @property
    def intact(self) -> bool:
        """Whether the payload is what was stored (SQLite has no page checksums)."""
        return zlib.crc32(self.payload.encode()) == self.crc


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to send the head of a lane, until ``until``."""

    owner: str
    account: str
    conversation: str
    rows: tuple[Delivery, ...]
    until: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one row of a lease."""

    id: int
    state: Literal["sent", "held", "dead", "expired", "queued"]
    error: str | None = None
    due_at: float = 0.0
    """For ``queued``: when to try again."""
    counts: bool = True
    """For ``queued``: whether the attempt is counted."""
    solo: bool = False
    """For ``queued``: not in a batch any more."""
    remote_ids: tuple[str, ...] = ()


_COLUMNS = (
    "id, account, conversation, message, reply_to, part, parts, priority, payload, crc, on_ambiguous, state,"
    " attempts, solo, error, why, created_at, due_at, expires_at, started_at, settled_at"
)


class Outbox:
    """The table of deliveries and its lanes."""

    def __init__(self, db: sqlite3.Connection, counters: Counters, woken: set[str]) -> None:
        self._db = db
        self._counters = counters
        self._woken = woken

    # --- filling

    def add(self, new: NewDelivery) -> int:
        """Put a delivery at the end of its lane; returns its id."""
        cursor = self._db.execute(
            "INSERT INTO outbox (account, conversation, message, reply_to, part, parts, priority, payload, crc,"
            " on_ambiguous, state, why, created_at, due_at, expires_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'queued', ?, ?, ?, ?)",
            (
                new.account, new.conversation, new.message, new.reply_to, new.part, new.parts, new.priority,
                new.payload, zlib.crc32(new.payload.encode()), new.on_ambiguous, new.why, new.created_at,
                new.created_at, new.expires_at,
            ),
        )  # fmt: skip
        assert cursor.lastrowid is not None
        self._db.execute(
            "INSERT OR IGNORE INTO lanes (account, conversation, head, priority, due_at) VALUES (?, ?, ?, ?, ?)",
            (new.account, new.conversation, cursor.lastrowid, new.priority, new.created_at),
        )
        self._counters.add(new.account, "created")
        self._woken.add(new.account)
        return cursor.lastrowid

    # --- sending

    def claim(
        self, account: str, *, owner: str, now: float, lease_s: float, limit: int, batch: int = 1
    ) -> Sequence[Lease]:
        """Lease the heads of up to ``limit`` due lanes of an account, urgent ones first, oldest first."""
        lanes: list[tuple[str, int]] = []
        for priority in (PRIORITY_REPLY, PRIORITY_RELAY, PRIORITY_BROADCAST):
            if len(lanes) < limit:
                lanes += self._db.execute(
                    "SELECT conversation, head FROM lanes WHERE account = ? AND priority = ? AND due_at <= ?"
                    " ORDER BY due_at LIMIT ?",
                    (account, priority, now, limit - len(lanes)),
                ).fetchall()
        leases = []
        for conversation, head in lanes:
            self._db.execute(
                "UPDATE lanes SET owner = ?, due_at = ? WHERE account = ? AND conversation = ?",
                (owner, now + lease_s, account, conversation),
            )
            rows = self._rows(account, conversation, head=head, limit=batch)
            leases.append(Lease(owner, account, conversation, rows, now + lease_s))
        return leases

    def _rows(self, account: str, conversation: str, *, head: int, limit: int) -> tuple[Delivery, ...]:
        first = self.get(head)
        assert first is not None
        if limit == 1 or first.solo or first.state == "sending":
            return (first,)
        rows = [
            Delivery(*row)
            for row in self._db.execute(
                f"SELECT {_COLUMNS} FROM outbox WHERE account = ? AND conversation = ?"
                " AND state IN ('queued', 'sending') AND id >= ? ORDER BY id LIMIT ?",
                (account, conversation, head, limit),
            )
        ]
        together = [rows[0]]
        for row in rows[1:]:
            if row.solo or row.state != "queued" or row.on_ambiguous != rows[0].on_ambiguous:
                break
            together.append(row)
        return tuple(together)

    def begin(self, lease: Lease, *, now: float) -> bool:
        """Note durably that an attempt starts: from here a crash leaves its outcome unknown. False if too late."""
        if not self._holds(lease, now=now):
            return False
        self._db.executemany(
            "UPDATE outbox SET state = 'sending', attempts = attempts + 1, started_at = ? WHERE id = ?",
            [(now, row.id) for row in lease.rows],
        )
        return True

    def settle(self, lease: Lease, outcomes: Iterable[Outcome], *, now: float) -> bool:
        """Write what became of a lease's rows and free the lane. False, changing nothing, if the lease was lost."""
        if not self._holds(lease, now=None):
            return False
        again_at = now
        for outcome in outcomes:
            if outcome.state == "queued":
                self._db.execute(
                    "UPDATE outbox SET state = 'queued', error = ?, due_at = ?, solo = ?,"
                    " attempts = MAX(0, attempts - ?) WHERE id = ?",
                    (outcome.error, outcome.due_at, int(outcome.solo), int(not outcome.counts), outcome.id),
                )
                again_at = max(again_at, outcome.due_at)
            else:
                self._db.execute(
                    "UPDATE outbox SET state = ?, error = ?, settled_at = ? WHERE id = ?",
                    (outcome.state, outcome.error, now, outcome.id),
                )
        self._next(lease.account, lease.conversation, due_at=again_at)
        return True

    def release(self, lease: Lease, *, due_at: float) -> None:
        """Give a lease back untouched (nothing was begun)."""
        if self._holds(lease, now=None):
            self._next(lease.account, lease.conversation, due_at=due_at)

    def _holds(self, lease: Lease, *, now: float | None) -> bool:
        row = self._db.execute(
            "SELECT owner, due_at, head FROM lanes WHERE account = ? AND conversation = ?",
            (lease.account, lease.conversation),
        ).fetchone()
        if row is None or row[0] != lease.owner or row[2] != lease.rows[0].id or row[1] != lease.until:
            return False
        return now is None or now < lease.until

    def _next(self, account: str, conversation: str, *, due_at: float) -> None:
        row = self._db.execute(
            "SELECT id, priority, due_at FROM outbox WHERE account = ? AND conversation = ?"
            " AND state IN ('queued', 'sending') ORDER BY id LIMIT 1",
            (account, conversation),
        ).fetchone()
        if row is None:
            self._db.execute("DELETE FROM lanes WHERE account = ? AND conversation = ?", (account, conversation))
            return
        self._db.execute(
            "UPDATE lanes SET head = ?, priority = ?, due_at = ?, owner = NULL WHERE account = ? AND conversation = ?",
            (row[0], row[1], max(due_at, row[2]), account, conversation),
        )
        self._woken.add(account)

    def recover(self, *, owner: str, now: float, lease_s: float) -> Sequence[Lease]:
        """At start, when nobody else can hold a lease: free every lane and lease those found ``sending``.

        What is returned was begun and never settled: its outcome is unknown.
        """
        self._db.execute("UPDATE lanes SET owner = NULL, due_at = ? WHERE owner IS NOT NULL", (now,))
        leases = []
        found = self._db.execute("SELECT DISTINCT account, conversation FROM outbox WHERE state = 'sending'").fetchall()
        for account, conversation in found:
            rows = tuple(
                Delivery(*row)
                for row in self._db.execute(
                    f"SELECT {_COLUMNS} FROM outbox WHERE account = ? AND conversation = ? AND state = 'sending'"
                    " ORDER BY id",
                    (account, conversation),
                )
            )
            self._db.execute(
                "UPDATE lanes SET owner = ?, due_at = ?, head = ? WHERE account = ? AND conversation = ?",
                (owner, now + lease_s, rows[0].id, account, conversation),
            )
            leases.append(Lease(owner, account, conversation, rows, now + lease_s))
        return leases

    def next_due(self, account: str) -> float | None:
        """When the earliest lane of an account is due."""
        row = self._db.execute("SELECT MIN(due_at) FROM lanes WHERE account = ?", (account,)).fetchone()
        return None if row[0] is None else float(row[0])

    # --- what people decide

    def requeue(self, id: int, *, now: float, expires_at: float) -> bool:
        """Send a dead, held, expired or discarded one again, in its old place. False if it is none of these."""
        changed = self._db.execute(
            "UPDATE outbox SET state = 'queued', attempts = 0, error = NULL, due_at = ?, expires_at = ?,"
            " settled_at = NULL WHERE id = ? AND state IN ('dead', 'held', 'expired', 'discarded')",
            (now, expires_at, id),
        ).rowcount
        if not changed:
            return False
        row = self.get(id)
        assert row is not None
        inserted = self._db.execute(
            "INSERT OR IGNORE INTO lanes (account, conversation, head, priority, due_at) VALUES (?, ?, ?, ?, ?)",
            (row.account, row.conversation, id, row.priority, now),
        ).rowcount
        if not inserted:
            self._db.execute(
                "UPDATE lanes SET head = ?, priority = ?, due_at = ? WHERE account = ? AND conversation = ?"
                " AND owner IS NULL AND head > ?",
                (id, row.priority, now, row.account, row.conversation, id),
            )
        self._woken.add(row.account)
        return True

    def settle_by_hand(self, id: int, *, state: Literal["sent", "discarded", "cancelled"], now: float) -> bool:
        """A person says what is with a waiting one. False if it is on its way or already final."""
        row = self.get(id)
        allowed = ("held",) if state == "sent" else ("queued", "dead", "held", "expired")
        if row is None or row.state not in allowed:
            return False
        lane = self._db.execute(
            "SELECT head, owner, due_at FROM lanes WHERE account = ? AND conversation = ?",
            (row.account, row.conversation),
        ).fetchone()
        if row.state == "queued" and lane is not None and lane[1] is not None:
            # A lease covers the head and perhaps rows behind it: a claimed one is on its way.
            return False
        self._db.execute("UPDATE outbox SET state = ?, settled_at = ? WHERE id = ?", (state, now, id))
        if row.state == "queued" and lane is not None and lane[0] == id:
            self._next(row.account, row.conversation, due_at=now)
        return True

    # --- reading

    def get(self, id: int) -> Delivery | None:
        """One delivery."""
        row = self._db.execute(f"SELECT {_COLUMNS} FROM outbox WHERE id = ?", (id,)).fetchone()
        return Delivery(*row) if row else None

    def list(
        self, *, states: Sequence[str] = (), account: str | None = None, limit: int | None = None
    ) -> Sequence[Delivery]:
        """Deliveries, oldest first; ``limit`` takes the newest of them."""
        where, values = ["1"], []
        if states:
            where.append(f"state IN ({', '.join('?' * len(states))})")
            values += list(states)
        if account is not None:
            where.append("account = ?")
            values.append(account)
        tail = ""
        if limit is not None:
            tail = f" ORDER BY id DESC LIMIT {int(limit)}"
        rows = self._db.execute(f"SELECT {_COLUMNS} FROM outbox WHERE {' AND '.join(where)}{tail}", values).fetchall()
        return sorted((Delivery(*row) for row in rows), key=lambda row: row.id)

    def of_message(self, message: int) -> Sequence[Delivery]:
        """All deliveries of one message, in order."""
        rows = self._db.execute(f"SELECT {_COLUMNS} FROM outbox WHERE message = ? ORDER BY id", (message,))
        return [Delivery(*row) for row in rows]

    def counts(self) -> dict[tuple[str, str], int]:
        """How many rows there are, by account and state."""
        rows = self._db.execute("SELECT account, state, COUNT(*) FROM outbox GROUP BY state, account")
        return {(account, state): int(n) for account, state, n in rows}

    def depth(self) -> dict[str, tuple[int, float]]:
        """What waits, by account: how many, and when the oldest was made."""
        rows = self._db.execute(
            "SELECT account, COUNT(*), MIN(created_at) FROM outbox WHERE state IN ('queued', 'sending') GROUP BY account"
        )
        return {account: (int(n), float(oldest)) for account, n, oldest in rows}
