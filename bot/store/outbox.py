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
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from bot.store.meta import Counters

State: TypeAlias = Literal["queued", "sending", "sent", "held", "dead", "expired", "discarded", "cancelled"]
STATES: tuple[State, ...] = ("queued", "sending", "sent", "held", "dead", "expired", "discarded", "cancelled")
Op: TypeAlias = Literal["send", "note", "edit", "delete", "react", "open", "pin"]
"""What a delivery does over there. ``note``: says in words what cannot be done there; ``open``: opens a topic."""
CHANGES: frozenset[Op] = frozenset({"edit", "delete", "react", "pin"})
"""What is done to something that is there already: doing it twice has no second effect."""
OTHER_WORDS, TAKEN_BACK = 1, 2
"""What ``Delivery.owed`` is made of."""
REDIRECTED = ", redirected from delivery "
"""How ``Delivery.why`` goes on where a person sent elsewhere what was to go by it."""
PRIORITY_REPLY, PRIORITY_RELAY, PRIORITY_BROADCAST = PRIORITIES = 0, 1, 2
PARKED, LATER = 1, 2
"""What ``Delivery.parked`` is beside 0: it waits for its turn; it waits for its time, which is its ``due_at``."""
REPORT_S = 86400.0
"""How long the report of an announcement that is over follows what becomes of its deliveries."""
_FINAL = "state IN ('sent', 'expired', 'discarded', 'cancelled')"
"""Nobody waits for these: as the index ``outbox_settled`` has it."""


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """A delivery to be made. ``payload`` is a Message as JSON."""

    account: str
    conversation: str
    payload: str = field(repr=False)
    created_at: float
    expires_at: float
    on_ambiguous: Literal["hold", "resend"]
    priority: int = PRIORITY_RELAY
    message: int | None = None
    """The message that this is a copy of."""
    marked: bool = False
    """That message stands in a Telegram chat and shows what becomes of it."""
    reply_to: int | None = None
    """The message (ours) whose copy over there it answers."""
    part: int = 1
    """Counted from 1; 0 for a note, which is no part of the message."""
    parts: int = 1
    why: str = ""
    op: Op = "send"
    subject: int | None = None
    """For ``CHANGES`` and notes: the message (ours) whose copy over there it is about."""
    words: str | None = field(default=None, repr=False)
    """For ``CHANGES``: what says it where it cannot be done, a Message as JSON on each line; None: nothing is said.
    For a note of an edit: the parts that its message has with it, should that come to wait for a person."""
    late: str = ""
    """What to do if it can only be sent late (``bot.routing.Late``); empty: send it all the same."""
    broadcast: int | None = None
    """The announcement that it is one of."""
    parked: bool = False
    """It stands in no lane until :meth:`Outbox.unpark` puts it there."""
    not_before: float | None = None
    """For a parked one: it waits for this time, and only then for its turn."""
    direct: bool = False
    """It is one of an announcement that is never parked: the pace of others does not count it."""
    insisted: bool = False
    """A person wants it sent: that its announcement was stopped or paused before is not about it."""
    pin: bool = False
    """For the first part of a send: its message is to be pinned there once it is sent."""


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
    payload: str = field(repr=False)
    crc: int
    on_ambiguous: Literal["hold", "resend"]
    state: State
    attempts: int
    solo: int
    marked: int
    error: str | None
    why: str
    created_at: float
    due_at: float
    expires_at: float
    started_at: float | None
    settled_at: float | None
    starts: int
    """Requests that left for it, also those that do not count as attempts."""
    op: Op
    subject: int | None
    words: str | None = field(repr=False)
    """For ``CHANGES``: what is said instead. For a send that was stamped as late: its payload without the stamp;
    for one that owes other words: what may have arrived."""
    late: str
    owed: int
    """What whoever says that it arrived owes: it may have arrived with other words than these (``OTHER_WORDS``), it was
    taken back since (``TAKEN_BACK``)."""
    broadcast: int | None
    parked: int
    """0, ``PARKED`` or ``LATER``."""
    insisted: int
    doubt: int
    """An attempt of it may have arrived, although it waits for its next one."""
    lasts: float
    pin: int

    @property
    def address(self) -> str:
        """The target as people write it."""
        return f"{self.account}:{self.conversation}"

    @property
    def perhaps(self) -> str | None:
        """What may have arrived, where it got other words since; None: it did not, and that is its payload."""
        return self.words if self.op == "send" and self.state == "held" and self.owed & OTHER_WORDS else None

    @property
    def lasts_s(self) -> float:
        """How long it is tried: what it had at first, however often it was given that once more."""
        return self.lasts or self.expires_at - self.created_at

    @property
    def intact(self) -> bool:
        """Whether the payload is what was stored (SQLite has no page checksums)."""
        return zlib.crc32(self.payload.encode()) == self.crc


def like(row: Delivery, payload: str, *, now: float) -> NewDelivery:
    """Another delivery as this one was made, with this content and as much time from now on as it had; one that waits
    for its time waits for the same.
    """
    later = row.due_at if row.parked == LATER else None
    return NewDelivery(
        account=row.account,
        conversation=row.conversation,
        payload=payload,
        created_at=now,
        expires_at=(now if later is None else later) + row.lasts_s,
        on_ambiguous=row.on_ambiguous,
        priority=row.priority,
        message=row.message,
        marked=bool(row.marked),
        part=row.part,
        parts=row.parts,
        why=row.why,
        op=row.op,
        subject=row.subject,
        late=row.late,
        broadcast=row.broadcast,
        parked=bool(row.parked),
        not_before=later,
        insisted=bool(row.insisted),
        pin=bool(row.pin),
    )


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to send the head of a lane, until ``until``."""

    owner: str
    account: str
    conversation: str
    rows: tuple[Delivery, ...]
    until: float
    token: int = 0
    """Its number: no two leases of a store ever have the same."""


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
    doubt: bool = False
    """For ``queued``: the attempt may have arrived, and is repeated all the same."""
    remote_ids: tuple[str, ...] = ()


_COLUMNS = (
    "id, account, conversation, message, reply_to, part, parts, priority, payload, crc, on_ambiguous, state,"
    " attempts, solo, marked, error, why, created_at, due_at, expires_at, started_at, settled_at,"
    " starts, op, subject, words, late, owed, broadcast, parked, insisted, doubt, lasts, pin"
)


_WITHIN = "(conversation = ? OR (conversation > ? AND conversation < ?))"
"""A conversation and what is in it; see :func:`_within`."""


def _within(conversation: str) -> tuple[str, str, str]:
    # "0" is the character after "/".
    return conversation, f"{conversation}/", f"{conversation}0"


class Outbox:
    """The table of deliveries and its lanes."""

    def __init__(self, db: sqlite3.Connection, counters: Counters, woken: set[str]) -> None:
        self._db = db
        self._counters = counters
        self._woken = woken

    # --- filling

    def add(self, new: NewDelivery) -> int:
        """Put a delivery at the end of its lane; returns its id. Raises ``ValueError`` for an unknown priority."""
        if new.priority not in PRIORITIES:
            # It would never be claimed.
            raise ValueError(f"priority {new.priority} of a delivery to {new.account} is none of {PRIORITIES}")
        later = new.not_before if new.parked else None
        due_at = new.created_at if later is None else later
        cursor = self._db.execute(
            "INSERT INTO outbox (account, conversation, message, reply_to, part, parts, priority, payload, crc,"
            " on_ambiguous, state, marked, why, created_at, due_at, expires_at, op, subject, words, late, solo,"
            " broadcast, parked, insisted, lasts, pin, direct)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'queued', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                new.account, new.conversation, new.message, new.reply_to, new.part, new.parts, new.priority,
                new.payload, zlib.crc32(new.payload.encode()), new.on_ambiguous, int(new.marked), new.why,
                new.created_at, due_at, new.expires_at, new.op, new.subject, new.words, new.late,
                int(new.op not in ("send", "note")), new.broadcast, LATER if later is not None else int(new.parked),
                int(new.insisted), new.expires_at - due_at, int(new.pin), int(new.direct),
            ),
        )  # fmt: skip
        assert cursor.lastrowid is not None
        self._counters.add(new.account, "created")
        if new.parked:
            return cursor.lastrowid
        self._db.execute(
            "INSERT INTO lanes (account, conversation, head, priority, due_at) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (account, conversation) DO NOTHING",
            (new.account, new.conversation, cursor.lastrowid, new.priority, new.created_at),
        )
        self._woken.add(new.account)
        return cursor.lastrowid

    def unpark(self, ids: Iterable[int], *, now: float) -> None:
        """Let those that are parked into their lanes, where they stand before what was made after them."""
        for id in ids:
            row = self.get(id)
            if row is None or not row.parked:
                continue
            self._db.execute("UPDATE outbox SET parked = 0, direct = 0, due_at = ? WHERE id = ?", (now, id))
            self._stand_in_lane(row, now=now)

    def park(self, id: int, *, now: float) -> bool:
        """Take one that waits out of its lane until it is let in again. False if it does not wait, or just begins."""
        row = self.get(id)
        frees = None if row is None or row.state != "queued" else self._frees(row, now=now)
        if row is None or frees is None:
            return False
        self._db.execute("UPDATE outbox SET parked = 1, insisted = 0 WHERE id = ?", (id,))
        if frees:
            self._free(row.account, row.conversation, due_at=now)
        return True

    # --- sending

    def claim(
        self, account: str, *, owner: str, now: float, lease_s: float, limit: int, batch: int = 1
    ) -> Sequence[Lease]:
        """Lease the heads of up to ``limit`` due lanes of an account, urgent ones first, oldest first.

        A head found ``sending`` comes alone: its lease ran out after the attempt began, so its outcome is unknown.
        """
        lanes: list[str] = []
        for priority in PRIORITIES:
            if len(lanes) < limit:
                found = self._db.execute(
                    "SELECT conversation FROM lanes WHERE account = ? AND priority = ? AND due_at <= ?"
                    " ORDER BY due_at LIMIT ?",
                    (account, priority, now, limit - len(lanes)),
                )
                lanes += [conversation for (conversation,) in found]
        leases = []
        for conversation in lanes:
            rows = self._together(self._waiting(account, conversation, limit=max(batch, 1)))
            if rows:
                leases.append(self._lease(owner, account, conversation, rows, until=now + lease_s))
            else:
                # Only damage from outside makes a lane of nothing; it must not stop the others.
                self._free(account, conversation, due_at=now)
        return leases

    def _waiting(self, account: str, conversation: str, *, limit: int) -> Sequence[Delivery]:
        # The head is asked of the rows: while a lease lasts, a requeued one may have come to stand before the lane's.
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM outbox WHERE account = ? AND conversation = ?"
            " AND state IN ('queued', 'sending') AND parked = 0 ORDER BY id LIMIT ?",
            (account, conversation, limit),
        )
        return [Delivery(*row) for row in rows]

    def _together(self, rows: Sequence[Delivery]) -> tuple[Delivery, ...]:
        """The first, and those right behind it that may go in one request with it."""
        together = list(rows[:1])
        if rows and rows[0].state == "queued" and not rows[0].solo:
            for row in rows[1:]:
                if row.solo or row.state != "queued" or row.on_ambiguous != rows[0].on_ambiguous:
                    break
                together.append(row)
        return tuple(together)

    def _lease(self, owner: str, account: str, conversation: str, rows: tuple[Delivery, ...], *, until: float) -> Lease:
        (number,) = self._db.execute(
            "UPDATE meta SET value = value + 1 WHERE key = 'last lease' RETURNING value"
        ).fetchone()
        lease = Lease(owner, account, conversation, rows, until, int(number))
        self._db.execute(
            "UPDATE lanes SET owner = ?, due_at = ?, head = ?, last = ?, token = ?"
            " WHERE account = ? AND conversation = ?",
            (owner, until, rows[0].id, rows[-1].id, lease.token, account, conversation),
        )
        return lease

    def behind(self, lease: Lease, *, limit: int) -> Sequence[Delivery]:
        """The rows of a lease's lane from its head on, however few of them it covers."""
        return self._waiting(lease.account, lease.conversation, limit=limit)

    def widen(self, lease: Lease, rows: Sequence[Delivery]) -> Lease:
        """Let a lease on which nothing was begun cover these rows, which begin with its head."""
        self._db.execute(
            "UPDATE lanes SET last = ? WHERE account = ? AND conversation = ? AND token = ?",
            (rows[-1].id, lease.account, lease.conversation, lease.token),
        )
        return replace(lease, rows=tuple(rows))

    def stamp(self, row: Delivery, payload: str) -> Delivery:
        """Give a send that is just to begin the words with its lateness; those without stay known."""
        words, crc = row.words or row.payload, zlib.crc32(payload.encode())
        self._db.execute(
            "UPDATE outbox SET payload = ?, crc = ?, words = ? WHERE id = ?", (payload, crc, words, row.id)
        )
        return replace(row, payload=payload, crc=crc, words=words)

    def begin(self, lease: Lease, *, now: float) -> bool:
        """Note durably that an attempt starts: from here a crash leaves its outcome unknown. False if too late."""
        if not self._holds(lease, now=now):
            return False
        self._db.executemany(
            "UPDATE outbox SET state = 'sending', attempts = attempts + 1, starts = starts + 1, started_at = ?"
            " WHERE id = ?",
            [(now, row.id) for row in lease.rows],
        )
        return True

    def settle(self, lease: Lease, outcomes: Iterable[Outcome], *, now: float) -> bool:
        """Write what became of a lease's rows and free the lane. False, changing nothing, if the lease was lost.

        A row without an outcome stays as it is: one that was begun is then claimed again as unknown. Raises
        ``ValueError`` for an outcome of a row that is not the lease's.
        """
        lane = self._lane_of(lease)
        if lane is None:
            return False
        outcomes = tuple(outcomes)
        strange = {outcome.id for outcome in outcomes} - {row.id for row in lease.rows}
        if strange:
            raise ValueError(f"delivery {min(strange)} is not in the lease on {lease.account}:{lease.conversation}")
        halted = self._halted(lease, now=now)
        for outcome in outcomes:
            if outcome.state == "queued" and halted.get(outcome.id) == "stopped":
                self._call_off(outcome.id, error=outcome.error, doubt=outcome.doubt, now=now)
            elif outcome.state == "queued":
                self._db.execute(
                    "UPDATE outbox SET state = 'queued', error = ?, due_at = ?, solo = ?, parked = ?,"
                    " doubt = doubt | ?,"
                    # One that never began has no attempt to take back.
                    " attempts = attempts - (state = 'sending' AND attempts > 0 AND ?) WHERE id = ?",
                    (
                        outcome.error, outcome.due_at, int(outcome.solo), int(outcome.id in halted),
                        int(outcome.doubt), int(not outcome.counts), outcome.id,
                    ),
                )  # fmt: skip
            else:
                self._db.execute(
                    "UPDATE outbox SET state = ?, error = ?, settled_at = ? WHERE id = ?",
                    (outcome.state, outcome.error, now, outcome.id),
                )
        self._free(lease.account, lane, due_at=now)
        return True

    def _halted(self, lease: Lease, *, now: float) -> dict[int, str]:
        """Which of its rows belong to announcements that were stopped or paused, and which of the two. Those that a
        person sent again since are not among them.
        """
        halted = {}
        for row in lease.rows:
            if row.broadcast is not None:
                self._touch(row.broadcast, now=now)
                # Asked of the table: the announcement may have been halted since the lease was taken.
                state, insisted = self._db.execute(
                    "SELECT b.state, o.insisted FROM outbox o JOIN broadcasts b ON b.id = o.broadcast WHERE o.id = ?",
                    (row.id,),
                ).fetchone()
                if state in ("stopped", "paused") and row.op == "send" and not insisted:
                    halted[row.id] = str(state)
        return halted

    def _call_off(self, id: int, *, error: str | None, doubt: bool, now: float) -> None:
        """One of a stopped announcement is not sent any more. If it may have arrived, a person decides what it is."""
        self._db.execute(
            "UPDATE outbox SET state = CASE WHEN doubt OR ?1 THEN 'held' ELSE 'cancelled' END, settled_at = ?2,"
            " parked = 0, doubt = doubt | ?1, error = CASE WHEN doubt OR ?1"
            " THEN 'stopped, and it may have arrived: ' || COALESCE(?3, error, 'its outcome is not known')"
            " ELSE COALESCE(?3, error) END WHERE id = ?4",
            (int(doubt), now, error, id),
        )

    def call_off(self, id: int, *, now: float) -> bool:
        """As :meth:`settle_by_hand` cancels, for one of an announcement that is stopped: one that may have arrived
        waits for a person instead. False if it is on its way or final.
        """
        row = self.get(id)
        if row is None or not row.doubt:
            return self.settle_by_hand(id, state="cancelled", now=now)
        frees = self._frees(row, now=now) if row.state == "queued" else None
        if frees is None:
            return False
        self._call_off(id, error=None, doubt=True, now=now)
        if frees:
            self._free(row.account, row.conversation, due_at=now)
        self._touch(row.broadcast, now=now)
        return True

    def halt(self, broadcast: int) -> None:
        """An announcement is stopped or paused: that is about those, too, that a person sent again before."""
        self._db.execute("UPDATE outbox SET insisted = 0 WHERE broadcast = ? AND insisted = 1", (broadcast,))

    def _touch(self, broadcast: int | None, *, now: float) -> None:
        """Something became of a delivery of an announcement: its report is looked at again."""
        if broadcast is not None:
            self._db.execute(
                "UPDATE broadcasts SET ended_at = NULL WHERE id = ? AND ended_at > ?", (broadcast, now - REPORT_S)
            )
            self._woken.add("broadcasts")

    def release(self, lease: Lease, *, due_at: float) -> None:
        """Give a lease back untouched (nothing was begun)."""
        lane = self._lane_of(lease)
        if lane is not None:
            self._free(lease.account, lane, due_at=due_at)

    def _holds(self, lease: Lease, *, now: float | None) -> bool:
        return self._lane_of(lease) is not None and (now is None or now < lease.until)

    def _lane_of(self, lease: Lease) -> str | None:
        """The conversation on which it is held: another one, if that is called otherwise by now."""
        row = self._db.execute(
            "SELECT owner, token FROM lanes WHERE account = ? AND conversation = ?",
            (lease.account, lease.conversation),
        ).fetchone()
        if row == (lease.owner, lease.token):
            return lease.conversation
        row = self._db.execute(
            "SELECT conversation FROM lanes WHERE account = ? AND owner = ? AND token = ?",
            (lease.account, lease.owner, lease.token),
        ).fetchone()
        return str(row[0]) if row else None

    def _free(self, account: str, conversation: str, *, due_at: float) -> None:
        """End a lane's lease: its head is due when it says, not before ``due_at``; a lane of nothing goes."""
        row = self._db.execute(
            "SELECT id, priority, due_at FROM outbox WHERE account = ? AND conversation = ?"
            " AND state IN ('queued', 'sending') AND parked = 0 ORDER BY id LIMIT 1",
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
        held = self._db.execute("SELECT account, conversation FROM lanes WHERE owner IS NOT NULL").fetchall()
        for account, conversation in held:
            self._free(account, conversation, due_at=now)
        begun: dict[tuple[str, str], list[Delivery]] = {}
        for values in self._db.execute(f"SELECT {_COLUMNS} FROM outbox WHERE state = 'sending' ORDER BY id").fetchall():
            row = Delivery(*values)
            begun.setdefault((row.account, row.conversation), []).append(row)
        return [
            self._lease(owner, account, conversation, tuple(rows), until=now + lease_s)
            for (account, conversation), rows in begun.items()
        ]

    def set_back(self, account: str, *, by_s: float, now: float) -> None:
        """The clock was set back by so much: what waits in an account's lanes waits no longer than it was to. What is
        parked until a time of day waits for that.
        """
        self._db.execute(
            "UPDATE outbox SET due_at = MAX(due_at - ?, ?) WHERE account = ? AND due_at > ? AND state = 'queued'"
            " AND parked = 0 AND conversation IN (SELECT conversation FROM lanes WHERE account = ?)",
            (by_s, now, account, now, account),
        )
        self._db.execute(
            "UPDATE lanes SET due_at = MAX(due_at - ?, ?) WHERE account = ? AND due_at > ? AND owner IS NULL",
            (by_s, now, account, now),
        )

    def newest_at(self) -> float:
        """When the newest delivery was made; 0 if there is none."""
        row = self._db.execute("SELECT created_at FROM outbox ORDER BY id DESC LIMIT 1").fetchone()
        return 0.0 if row is None else float(row[0])

    def next_due(self, account: str) -> float | None:
        """When the earliest lane of an account is due."""
        # One look into the index for each priority, where MIN over all of them would read every lane.
        first = [
            self._db.execute(
                "SELECT MIN(due_at) FROM lanes WHERE account = ? AND priority = ?", (account, priority)
            ).fetchone()[0]
            for priority in PRIORITIES
        ]
        return min((float(at) for at in first if at is not None), default=None)

    # --- what becomes of it before it is sent

    def say_instead(self, id: int, words: str) -> None:
        """A change that cannot be made over there is said in words: the delivery becomes a note, in its place."""
        self._db.execute(
            "UPDATE outbox SET op = 'note', payload = ?, crc = ?, words = NULL, part = 0, parts = 1, solo = 0,"
            " reply_to = COALESCE(reply_to, subject) WHERE id = ?",
            (words, zlib.crc32(words.encode()), id),
        )

    def rewrite(self, id: int, payload: str, *, parts: int | None = None) -> bool:
        """Give one that waits for a person new content, and its message so many parts. False if it does not wait."""
        return (
            self._db.execute(
                "UPDATE outbox SET payload = ?, crc = ?, parts = COALESCE(?, parts),"
                " owed = owed | (state = 'held' AND starts > 0),"
                # What may have arrived stays known, for whoever tells of the change.
                " words = CASE WHEN state = 'held' AND starts > 0 THEN COALESCE(words, payload) END"
                " WHERE id = ? AND (state IN ('dead', 'held', 'expired') OR parked > 0)",
                (payload, zlib.crc32(payload.encode()), parts, id),
            ).rowcount
            > 0
        )

    def disown(self, id: int) -> None:
        """The message of one that may have arrived was taken back: whoever says that it did owes the deletion."""
        self._db.execute("UPDATE outbox SET owed = owed | ? WHERE id = ? AND state = 'held'", (TAKEN_BACK, id))

    def states_of_reason(self, why: str) -> dict[str, int]:
        """How many of the deliveries that are kept and have this reason are in which state."""
        rows = self._db.execute(
            "SELECT state, COUNT(*) FROM outbox WHERE why = ? GROUP BY state ORDER BY state", (why,)
        )
        return {str(state): int(number) for state, number in rows}

    def rename_reason(self, old: str, new: str) -> None:
        """What led to deliveries is called otherwise now, also where a person sent them on."""
        self._db.execute(
            "UPDATE outbox SET why = ? || substr(why, ?) WHERE why = ? OR (why > ? AND why < ?)",
            (new, len(old) + 1, old, f"{old}, ", f"{old}, \U0010ffff"),
        )

    def to_pin(self, message: int, *, account: str) -> None:
        """Wherever a message was sent at an account, is to be, or would be if somebody sent it again, it is to be
        pinned.
        """
        self._db.execute(
            "UPDATE outbox SET pin = 1 WHERE message = ? AND account = ? AND op = 'send' AND part = 1"
            " AND state NOT IN ('discarded', 'cancelled')",
            (message, account),
        )

    def is_to_be_pinned(self, id: int) -> bool:
        """Whether the message of a send is to be pinned: asked of the table, for it may have been wished since."""
        return self._db.execute("SELECT 1 FROM outbox WHERE id = ? AND pin = 1", (id,)).fetchone() is not None

    # --- what people decide

    def requeue(self, id: int, *, now: float, expires_at: float) -> bool:
        """Send a dead, held, expired or discarded one again, in its old place. False if it is none of these.

        Whoever wants that wants it although its announcement was stopped or paused.
        """
        changed = self._db.execute(
            "UPDATE outbox SET state = 'queued', attempts = 0, error = NULL, due_at = ?, expires_at = ?, parked = 0,"
            " insisted = broadcast IS NOT NULL,"
            # Whoever wants it sent knows that it is late.
            " settled_at = NULL, words = CASE WHEN owed & 1 THEN NULL ELSE words END, owed = 0,"
            " late = CASE late WHEN 'stamp' THEN late ELSE '' END"
            " WHERE id = ? AND state IN ('dead', 'held', 'expired', 'discarded')",
            (now, expires_at, id),
        ).rowcount
        if not changed:
            return False
        row = self.get(id)
        assert row is not None
        self._stand_in_lane(row, now=now)
        if row.broadcast is not None:
            # However long it is over: whoever sends something of it again is to see what becomes of that.
            self._db.execute("UPDATE broadcasts SET ended_at = NULL WHERE id = ?", (row.broadcast,))
            self._woken.add("broadcasts")
        return True

    def _stand_in_lane(self, row: Delivery, *, now: float) -> None:
        """Where its number puts it; if somebody holds the lane, it is looked for when that lease ends."""
        self._db.execute(
            "INSERT INTO lanes (account, conversation, head, priority, due_at) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (account, conversation) DO UPDATE SET"
            " head = excluded.head, priority = excluded.priority, due_at = excluded.due_at"
            " WHERE owner IS NULL AND head > excluded.head",
            (row.account, row.conversation, row.id, row.priority, now),
        )
        self._woken.add(row.account)

    def settle_by_hand(self, id: int, *, state: Literal["sent", "discarded", "cancelled"], now: float) -> bool:
        """A person says what is with a waiting one. False if it is on its way or already final."""
        row = self.get(id)
        allowed = ("held",) if state == "sent" else ("queued", "dead", "held", "expired")
        if row is None or row.state not in allowed:
            return False
        frees = self._frees(row, now=now) if row.state == "queued" else False
        if frees is None:
            return False
        self._db.execute("UPDATE outbox SET state = ?, settled_at = ?, parked = 0 WHERE id = ?", (state, now, id))
        if row.perhaps is not None:
            # Nothing else left: newer words are sent only if it is sent again.
            self._db.execute(
                "UPDATE outbox SET payload = ?, crc = ?, words = NULL WHERE id = ?",
                (row.perhaps, zlib.crc32(row.perhaps.encode()), id),
            )
        if frees:
            self._free(row.account, row.conversation, due_at=now)
        self._touch(row.broadcast, now=now)
        return True

    def _frees(self, row: Delivery, *, now: float) -> bool | None:
        """Whether taking one that waits out of its lane gives that another head; None if it cannot be taken out."""
        lane = self._db.execute(
            "SELECT head, last, owner, due_at FROM lanes WHERE account = ? AND conversation = ?",
            (row.account, row.conversation),
        ).fetchone()
        if lane is None or row.parked:
            return False
        head, last, owner, until = lane
        if owner is None:
            return bool(head == row.id)
        if not head <= row.id <= last:
            return False
        # The lease covers it. One that has run out can begin no more, but if it began, its holder may still tell what
        # became of the others: then it stays.
        begun = self._db.execute(
            "SELECT 1 FROM outbox WHERE account = ? AND conversation = ? AND state = 'sending'",
            (row.account, row.conversation),
        ).fetchone()
        return None if now < until or begun else True

    # --- a conversation that is called otherwise, or takes nothing any more

    def move(self, account: str, old: str, new: str, *, now: float, since: int = 0) -> None:
        """Deliveries to a conversation, and to what is in it, go to another one; what waits is due at once.

        A lease goes along. Where both ends are leased at once, what is under way stays where it is. ``since``: the
        first delivery that may be one of them.
        """
        for (conversation,) in self._db.execute(
            f"SELECT DISTINCT conversation FROM outbox WHERE id >= ? AND account = ? AND {_WITHIN}",
            (since, account, *_within(old)),
        ).fetchall():
            self._move_lane(account, conversation, new + conversation[len(old) :], now=now, since=since)

    def _move_lane(self, account: str, old: str, new: str, *, now: float, since: int) -> None:
        owners = {
            conversation: owner
            for conversation, owner in self._db.execute(
                "SELECT conversation, owner FROM lanes WHERE account = ? AND conversation IN (?, ?)",
                (account, old, new),
            )
        }
        kept = "AND state != 'sending'" if owners.get(old) and new in owners else ""
        self._db.execute(
            f"UPDATE outbox SET conversation = ? WHERE id >= ? AND account = ? AND conversation = ? {kept}",
            (new, since, account, old),
        )
        self._db.execute(
            "UPDATE outbox SET due_at = min(due_at, ?) WHERE account = ? AND conversation = ?"
            # What waits for its time waits for it there, too.
            " AND state IN ('queued', 'sending') AND parked < 2",
            (now, account, new),
        )
        if old in owners and new not in owners:
            self._db.execute(
                "UPDATE lanes SET conversation = ? WHERE account = ? AND conversation = ?", (new, account, old)
            )
        elif old in owners and not owners[old]:
            self._db.execute("DELETE FROM lanes WHERE account = ? AND conversation = ?", (account, old))
        if not owners.get(new) and not (owners.get(old) and new not in owners):
            self._free(account, new, due_at=now)
        self._woken.add(account)

    def give_up(self, account: str, conversation: str, *, reason: str, now: float) -> Sequence[Delivery]:
        """What waits for a conversation, and for what is in it, is dead; returns it. What is under way stays."""
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM outbox WHERE account = ? AND {_WITHIN} AND state IN ('queued', 'sending')"
            " AND state = 'queued' ORDER BY id",
            (account, *_within(conversation)),
        ).fetchall()
        dead = [Delivery(*row) for row in rows]
        self._db.executemany(
            "UPDATE outbox SET state = 'dead', error = ?, settled_at = ?, parked = 0 WHERE id = ?",
            [(reason, now, row.id) for row in dead],
        )
        for broadcast in {row.broadcast for row in dead}:
            self._touch(broadcast, now=now)
        for place in {row.conversation for row in dead}:
            lane = self._db.execute(
                "SELECT owner FROM lanes WHERE account = ? AND conversation = ?", (account, place)
            ).fetchone()
            if lane is not None and lane[0] is None:
                self._free(account, place, due_at=now)
        return dead

    def give_up_one(self, id: int, *, reason: str, now: float) -> bool:
        """One that waits is dead. False if it does not wait, or just begins."""
        row = self.get(id)
        frees = None if row is None or row.state != "queued" else self._frees(row, now=now)
        if row is None or frees is None:
            return False
        self._db.execute(
            "UPDATE outbox SET state = 'dead', error = ?, settled_at = ?, parked = 0 WHERE id = ?", (reason, now, id)
        )
        if frees:
            self._free(row.account, row.conversation, due_at=now)
        self._touch(row.broadcast, now=now)
        return True

    def bury(self, ids: Sequence[int], *, reason: str, now: float, state: State = "dead") -> None:
        """These, just put in, are dead (or what else waits for a person) from the beginning: kept, until somebody sends
        them again.
        """
        self._db.executemany(
            "UPDATE outbox SET state = ?, error = ?, settled_at = ? WHERE id = ?",
            [(state, reason, now, id) for id in ids],
        )
        row = self.get(ids[0])
        assert row is not None
        lane = self._db.execute(
            "SELECT owner FROM lanes WHERE account = ? AND conversation = ?", (row.account, row.conversation)
        ).fetchone()
        if lane is not None and lane[0] is None:
            self._free(row.account, row.conversation, due_at=now)

    def opening(self, account: str, conversation: str) -> Delivery | None:
        """The delivery that opens the topic for which messages wait there."""
        row = self._db.execute(
            f"SELECT {_COLUMNS} FROM outbox WHERE account = ? AND conversation = ? AND op = 'open' ORDER BY id LIMIT 1",
            (account, conversation),
        ).fetchone()
        return Delivery(*row) if row else None

    # --- what has had its time

    def prune(self, *, before: float, limit: int = 500) -> int:
        """Forget deliveries that were sent, expired, discarded or cancelled before ``before``; dead and held stay.

        Their numbers go to the counters ``archived:<state>``. At most ``limit`` rows, so that the writer is soon
        free; returns how many: call again until it is 0.
        """
        rows = self._db.execute(
            # By name: left to itself SQLite sorts all that was ever sent.
            "SELECT id, account, state FROM outbox INDEXED BY outbox_settled"
            f" WHERE {_FINAL} AND settled_at < ? ORDER BY settled_at LIMIT ?",
            (before, limit),
        ).fetchall()
        for id, account, state in rows:
            self._db.execute("DELETE FROM outbox WHERE id = ?", (id,))
            self._counters.add(account, f"archived:{state}")
        return len(rows)

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
        rows = self._db.execute(f"SELECT {_COLUMNS} FROM outbox WHERE message = ?", (message,))
        # The index has them by place.
        return sorted((Delivery(*row) for row in rows), key=lambda row: row.id)

    def sends_of(self, message: int, account: str, conversation: str) -> Sequence[Delivery]:
        """The deliveries that bring one message to a conversation, in order."""
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM outbox WHERE message = ? AND account = ? AND conversation = ? AND op = 'send'"
            " ORDER BY id",
            (message, account, conversation),
        )
        return [Delivery(*row) for row in rows]

    def about(self, message: int) -> Sequence[Delivery]:
        """All that was and is to be done because of one message, reactions and notes too, in order."""
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM outbox WHERE id IN"
            " (SELECT id FROM outbox WHERE message = ? UNION SELECT id FROM outbox WHERE subject = ?) ORDER BY id",
            (message, message),
        )
        return [Delivery(*row) for row in rows]

    def waiting_on(self, subject: int, account: str, conversation: str) -> Sequence[Delivery]:
        """What is still to be done to a message somewhere, or would be if somebody sent it again, in order."""
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM outbox WHERE subject = ? AND account = ? AND conversation = ?"
            " AND (state IN ('queued', 'dead') OR (op = 'send' AND state = 'held' AND starts = 0)) ORDER BY id",
            (subject, account, conversation),
        )
        return [Delivery(*row) for row in rows]

    def standing(self, message: int) -> set[tuple[State, Op]]:
        """The states that deliveries of one message have, and what they do."""
        return set(self._db.execute("SELECT DISTINCT state, op FROM outbox WHERE message = ?", (message,)))

    def is_waiting(self, message: int, account: str, conversation: str) -> bool:
        """Whether a copy of the message is on its way to a conversation."""
        row = self._db.execute(
            "SELECT 1 FROM outbox WHERE message = ? AND account = ? AND conversation = ?"
            " AND state IN ('queued', 'sending') AND parked = 0",
            (message, account, conversation),
        ).fetchone()
        return row is not None

    def has_company(self, row: Delivery) -> bool:
        """Whether it was sent in one attempt with others."""
        found = self._db.execute(
            f"SELECT 1 FROM outbox INDEXED BY outbox_settled WHERE {_FINAL} AND settled_at = ? AND state = 'sent'"
            " AND account = ? AND conversation = ? AND started_at = ? AND id != ?",
            (row.settled_at, row.account, row.conversation, row.started_at, row.id),
        )
        return row.state == "sent" and found.fetchone() is not None

    def counts(self) -> dict[tuple[str, str], int]:
        """How many rows there are, by account and state."""
        rows = self._db.execute("SELECT account, state, COUNT(*) FROM outbox GROUP BY state, account")
        return {(account, state): int(n) for account, state, n in rows}

    def depth(self) -> dict[str, tuple[int, float]]:
        """What waits, by account: how many, and when the oldest was made."""
        rows = self._db.execute(
            "SELECT account, COUNT(*), MIN(created_at) FROM outbox WHERE state IN ('queued', 'sending')"
            " GROUP BY account"
        )
        return {account: (int(n), float(oldest)) for account, n, oldest in rows}
