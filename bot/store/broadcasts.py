"""Announcements: one message to many places, whose deliveries are let go a few at a time."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from bot.store.outbox import REDIRECTED, Delivery, Outbox
from bot.store.topics import move_addresses

BroadcastState: TypeAlias = Literal["running", "paused", "stopped", "done"]


@dataclass(frozen=True, slots=True)
class Broadcast:
    """One announcement."""

    id: int
    person: str
    """Who asked for it."""
    person_name: str
    chat: str
    """The address where its progress is shown."""
    message: int
    """The message (ours) that its deliveries are copies of."""
    text: str
    state: BroadcastState
    progress: str
    """The id of the message that shows its progress; empty: there is none yet."""
    shown: str
    """What that message shows, and more that is to be kept with it, as JSON."""
    created_at: float
    ended_at: float | None
    """Since when there is nothing left to do for it, nor to show."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How many deliveries of an announcement to one place are alike."""

    account: str
    conversation: str
    op: str
    state: str
    parked: bool
    error: str
    number: int
    tries: int = 0
    """Requests that left for them."""


@dataclass(frozen=True, slots=True)
class Released:
    """A delivery of some announcement that was let go and is not settled."""

    conversation: str
    failed: bool
    """It waits for its next try."""
    started_at: float


_COLUMNS = "id, person, person_name, chat, message, text, state, progress, shown, created_at, ended_at"


class Broadcasts:
    """The table of announcements, and what is asked of their deliveries."""

    def __init__(self, db: sqlite3.Connection, outbox: Outbox, woken: set[str]) -> None:
        self._db = db
        self._outbox = outbox
        self._woken = woken

    def add(
        self, *, person: str, person_name: str, chat: str, message: int, text: str, progress: str, now: float
    ) -> int:
        """Keep a new one, which runs; returns its number."""
        cursor = self._db.execute(
            "INSERT INTO broadcasts (person, person_name, chat, message, text, state, progress, created_at)"
            " VALUES (?, ?, ?, ?, ?, 'running', ?, ?)",
            (person, person_name, chat, message, text, progress, now),
        )
        assert cursor.lastrowid is not None
        self._woken.add("broadcasts")
        return cursor.lastrowid

    def get(self, id: int) -> Broadcast | None:
        """One of them."""
        row = self._db.execute(f"SELECT {_COLUMNS} FROM broadcasts WHERE id = ?", (id,)).fetchone()
        return Broadcast(*row) if row else None

    def shown_by(self, progress: str) -> Broadcast | None:
        """The one whose progress that message shows."""
        row = self._db.execute(f"SELECT {_COLUMNS} FROM broadcasts WHERE progress = ?", (progress,)).fetchone()
        return Broadcast(*row) if row else None

    def of_message(self, message: int) -> Sequence[Broadcast]:
        """Those that a message (ours) made, oldest first."""
        rows = self._db.execute(f"SELECT {_COLUMNS} FROM broadcasts WHERE message = ? ORDER BY id", (message,))
        return [Broadcast(*row) for row in rows]

    def open(self) -> Sequence[Broadcast]:
        """Those that are not over, or whose end is not shown yet, oldest first."""
        rows = self._db.execute(f"SELECT {_COLUMNS} FROM broadcasts WHERE ended_at IS NULL ORDER BY id")
        return [Broadcast(*row) for row in rows]

    def become(self, id: int, state: BroadcastState) -> None:
        """It is paused, stopped, runs again or is done."""
        self._db.execute("UPDATE broadcasts SET state = ?, ended_at = NULL WHERE id = ?", (state, id))
        self._woken.add("broadcasts")

    def show(self, id: int, shown: str) -> None:
        """Keep what its message shows."""
        self._db.execute("UPDATE broadcasts SET shown = ? WHERE id = ?", (shown, id))

    def shows_at(self, id: int, progress: str) -> None:
        """Its progress is shown by this message from now on."""
        self._db.execute("UPDATE broadcasts SET progress = ? WHERE id = ?", (progress, id))

    def move(self, old: str, new: str) -> None:
        """What was to be shown at one address is shown at another one, by new messages: the old ones stayed behind."""
        self._db.execute("UPDATE broadcasts SET progress = '' WHERE chat = ? OR chat GLOB ?", (old, f"{old}/*"))
        move_addresses(self._db, "broadcasts", "chat", old=old, new=new)
        self._woken.add("broadcasts")

    def end(self, id: int, *, now: float) -> None:
        """Nothing is left to do, and that is shown."""
        self._db.execute("UPDATE broadcasts SET ended_at = ? WHERE id = ?", (now, id))

    def prune(self, *, before: float, limit: int = 500) -> int:
        """Forget the words of those that were over before then."""
        return self._db.execute(
            "UPDATE broadcasts SET text = '', shown = '' WHERE id IN"
            " (SELECT id FROM broadcasts WHERE ended_at < ? AND (text != '' OR shown != '') LIMIT ?)",
            (before, limit),
        ).rowcount

    # --- its deliveries

    def adopt(self, id: int, message: int) -> None:
        """What takes its message back belongs to it, also where that comes to be told in words: its report tells what
        becomes of it.
        """
        self._db.execute(
            "UPDATE outbox SET broadcast = ? WHERE subject = ? AND op = 'delete' AND broadcast IS NULL",
            (id, message),
        )

    def standings(self, id: int) -> Sequence[Standing]:
        """How its deliveries stand, in the order of its places."""
        replaced = self._replaced(id)
        rows = self._db.execute(
            "SELECT account, conversation, op, state, parked, COALESCE(error, ''), COUNT(*), SUM(starts) FROM outbox"
            f" WHERE broadcast = ? AND id NOT IN ({', '.join('?' * len(replaced))})"
            " GROUP BY account, conversation, op, state, parked, error ORDER BY MIN(id)",
            (id, *replaced),
        )
        return [Standing(a, c, op, state, bool(parked), error, n, t) for a, c, op, state, parked, error, n, t in rows]

    def _replaced(self, id: int) -> Sequence[int]:
        """Its deliveries that somebody sent to another address: what went there counts instead."""
        whys = self._db.execute("SELECT why FROM outbox WHERE broadcast = ? AND instr(why, ?) > 0", (id, REDIRECTED))
        return [int(why.rpartition(REDIRECTED)[2]) for (why,) in whys]

    def ids(self, id: int, state: str) -> Sequence[int]:
        """The sends of one that are in a state, oldest first."""
        rows = self._db.execute(
            "SELECT id FROM outbox WHERE broadcast = ? AND state = ? AND op = 'send' ORDER BY id", (id, state)
        )
        return [int(number) for (number,) in rows]

    def places(self, id: int, account: str) -> Sequence[str]:
        """The conversations of an account that it goes to."""
        rows = self._db.execute(
            "SELECT DISTINCT conversation FROM outbox WHERE broadcast = ? AND account = ?", (id, account)
        )
        return [str(conversation) for (conversation,) in rows]

    def parked(self, id: int, account: str, *, limit: int) -> Sequence[tuple[int, str]]:
        """The first of its deliveries to an account that were not let go: number and conversation."""
        rows = self._db.execute(
            "SELECT id, conversation FROM outbox WHERE broadcast = ? AND account = ? AND parked = 1"
            " ORDER BY id LIMIT ?",
            (id, account, limit),
        )
        return [(int(number), str(conversation)) for number, conversation in rows]

    def waiting_elsewhere(self, id: int, accounts: Sequence[str]) -> Sequence[Delivery]:
        """What waits for other accounts than these."""
        strange = self._db.execute(
            "SELECT DISTINCT account FROM outbox WHERE broadcast = ? AND state = 'queued'"
            f" AND account NOT IN ({', '.join('?' * len(accounts))})",
            (id, *accounts),
        ).fetchall()
        rows: list[Delivery] = []
        for (account,) in strange:
            found = self._db.execute(
                "SELECT id FROM outbox WHERE broadcast = ? AND account = ? AND state = 'queued' ORDER BY id",
                (id, account),
            ).fetchall()
            rows += [row for (number,) in found if (row := self._outbox.get(number)) is not None]
        return rows

    def released(self, account: str) -> Sequence[Released]:
        """What was let go of all announcements to an account and is not settled."""
        rows = self._db.execute(
            "SELECT conversation, state = 'queued' AND COALESCE(error, '') != '', COALESCE(started_at, 0.0)"
            # By name: left to itself SQLite reads all that waits for the account.
            " FROM outbox INDEXED BY outbox_released WHERE account = ? AND broadcast IS NOT NULL"
            " AND parked = 0 AND state IN ('queued', 'sending') AND op = 'send'",
            (account,),
        )
        return [Released(conversation, bool(failed), started) for conversation, failed, started in rows]

    def last_sent(self, id: int, account: str) -> float:
        """When the latest of its deliveries to an account was sent; 0 if none was."""
        (at,) = self._db.execute(
            "SELECT MAX(settled_at) FROM outbox WHERE broadcast = ? AND account = ? AND state = 'sent'", (id, account)
        ).fetchone()
        return 0.0 if at is None else float(at)

    def cancel(self, id: int, *, now: float) -> int:
        """Whatever has not begun is not sent any more; returns how many that were."""
        self._outbox.halt(id)
        return sum(self._outbox.call_off(number, now=now) for number in self.ids(id, "queued"))

    def hold_back(self, id: int, *, now: float) -> None:
        """What was let go and has not begun stands in no lane again."""
        self._outbox.halt(id)
        for (number,) in self._db.execute(
            "SELECT id FROM outbox WHERE broadcast = ? AND state = 'queued' AND op = 'send' AND parked = 0", (id,)
        ).fetchall():
            self._outbox.park(number, now=now)

    def more_time(self, id: int, *, now: float) -> None:
        """What was not let go yet has from now on as much time as it had."""
        self._db.execute(
            "UPDATE outbox SET expires_at = MAX(expires_at, ? + IIF(lasts, lasts, expires_at - created_at))"
            " WHERE broadcast = ? AND parked = 1",
            (now, id),
        )

    def retry(self, id: int, *, now: float, accounts: Collection[str] | None = None) -> int:
        """All that failed waits again for being let go; returns to how many places. ``accounts``: only of these."""
        again = self.ids(id, "dead")
        failed = [row for row in map(self._outbox.get, again) if row is not None]
        rows = [row for row in failed if accounts is None or row.account in accounts]
        for row in rows:
            self._outbox.requeue(row.id, now=now, expires_at=now + row.lasts_s)
            self._outbox.park(row.id, now=now)
        return len({row.address for row in rows})
