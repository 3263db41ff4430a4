"""Announcements: one message to many places, whose deliveries are let go a few at a time."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from bot.store.outbox import LATER, PARKED, REDIRECTED, Delivery, Outbox
from bot.store.topics import move_addresses

SHOWN, QUIET, MUTE = 0, 1, 2
"""Whether a message shows how an announcement stands: always; only if something is wrong with it; never."""
_REPLACES = "IIF(json_valid(shown), json_array_length(shown, '$.replaces'), 0) > 0"
WORDLESS = (
    "IIF(json_valid(shown), COALESCE(NULLIF(json_patch('{}', json_object("
    "'wiped', json(IIF(json_extract(shown, '$.wiped'), 'true', NULL)),"
    f" 'replaces', json(IIF({_REPLACES}, json_extract(shown, '$.replaces'), NULL)))), '{{}}'), ''), '')"
)
"""SQL: what is kept with a message, without the words: whether what was sent is taken back, and what it takes the place
of that is still to be.
"""
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
    schedule: int | None = None
    """The schedule that made it."""
    label: str = ""
    """What its report calls it, where a schedule made it: the schedule and the occurrence."""
    quiet: int = 0
    """``SHOWN``, ``QUIET`` or ``MUTE``."""


@dataclass(frozen=True, slots=True)
class Hushed:
    """One that shows nothing as long as it goes well."""

    id: int
    goes_on: bool
    """Something of it is not decided yet."""
    waits: bool
    """It runs, and something of it waits that need not wait for its time."""


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
    later: float | None = None
    """Where they wait for their time: the first."""


@dataclass(frozen=True, slots=True)
class Released:
    """A delivery of some announcement that was let go and is not settled."""

    conversation: str
    failed: bool
    """It waits for its next try."""
    started_at: float


_COLUMNS = (
    "id, person, person_name, chat, message, text, state, progress, shown, created_at, ended_at, schedule, label, quiet"
)


_RUNNING_AT = (
    "outbox AS o JOIN broadcasts AS b ON b.id = o.broadcast"
    " WHERE o.state = 'queued' AND o.account = ? AND b.state = 'running'"
)


class Broadcasts:
    """The table of announcements, and what is asked of their deliveries."""

    def __init__(self, db: sqlite3.Connection, outbox: Outbox, woken: set[str]) -> None:
        self._db = db
        self._outbox = outbox
        self._woken = woken

    def add(
        self,
        *,
        person: str,
        person_name: str,
        chat: str,
        message: int,
        text: str,
        progress: str,
        now: float,
        schedule: int | None = None,
        label: str = "",
        quiet: int = SHOWN,
    ) -> int:
        """Keep a new one, which runs; returns its number."""
        cursor = self._db.execute(
            "INSERT INTO broadcasts"
            " (person, person_name, chat, message, text, state, progress, created_at, schedule, label, quiet)"
            " VALUES (?, ?, ?, ?, ?, 'running', ?, ?, ?, ?, ?)",
            (person, person_name, chat, message, text, progress, now, schedule, label, quiet),
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
        rows = self._db.execute(f"SELECT {_COLUMNS} FROM broadcasts WHERE ended_at IS NULL")
        return sorted((Broadcast(*row) for row in rows), key=lambda each: each.id)

    def open_of(self, schedule: int) -> Sequence[Broadcast]:
        """Those that a schedule made and that are not over, oldest first."""
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM broadcasts WHERE ended_at IS NULL AND schedule = ? ORDER BY id", (schedule,)
        )
        return [Broadcast(*row) for row in rows]

    def shown(self) -> Sequence[Broadcast]:
        """Of those that are open the ones that a message shows, oldest first."""
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM broadcasts WHERE ended_at IS NULL AND quiet = ? ORDER BY id", (SHOWN,)
        )
        return [Broadcast(*row) for row in rows]

    def hushed(self) -> Sequence[Hushed]:
        """Of those that are open the ones that no message shows, and whether that has to stay so."""
        undone = (
            "EXISTS (SELECT 1 FROM outbox INDEXED BY outbox_undone WHERE broadcast = b.id"
            " AND state IN ('queued', 'sending')"
        )
        rows = self._db.execute(
            f"SELECT id, {undone}), state = 'running' AND {undone} AND parked < ?)"
            " FROM broadcasts AS b WHERE ended_at IS NULL AND quiet > ?",
            (LATER, SHOWN),
        )
        return [Hushed(id, bool(goes_on), bool(waits)) for id, goes_on, waits in rows]

    def replacing(self) -> Sequence[Broadcast]:
        """Of those that are open the ones that take the place of others which are still to be taken back."""
        rows = self._db.execute(f"SELECT {_COLUMNS} FROM broadcasts WHERE ended_at IS NULL AND {_REPLACES} ORDER BY id")
        return [Broadcast(*row) for row in rows]

    def speak(self, ids: Iterable[int]) -> None:
        """From now on a message shows these, if they are not mute."""
        self._db.execute(
            "UPDATE broadcasts SET quiet = ? WHERE quiet = ? AND id IN (SELECT value FROM json_each(?))",
            (SHOWN, QUIET, json.dumps(list(ids))),
        )
        self._woken.add("broadcasts")

    def mute(self, id: int) -> None:
        """No message shows it from now on, unless there is one."""
        self._db.execute("UPDATE broadcasts SET quiet = ? WHERE id = ? AND quiet = ?", (MUTE, id, QUIET))

    def end_hushed(self, ids: Iterable[int], *, now: float) -> None:
        """Of these that no message shows, those with nothing left to do are over; if something is wrong with one, that
        is shown before.
        """
        over = (
            "SELECT b.id FROM json_each(?) JOIN broadcasts AS b ON b.id = value"
            " WHERE b.ended_at IS NULL AND b.quiet > ? AND NOT EXISTS (SELECT 1 FROM outbox INDEXED BY outbox_undone"
            " WHERE broadcast = b.id AND state IN ('queued', 'sending'))"
        )
        wrong = (
            " AND EXISTS (SELECT 1 FROM outbox WHERE broadcast = b.id"
            " AND (state IN ('dead', 'held', 'expired') OR (state = 'cancelled' AND op = 'send')))"
        )
        given = (json.dumps(list(ids)), SHOWN)
        found = [id for (id,) in self._db.execute(f"{over} AND b.quiet = ?{wrong}", (*given, QUIET))]
        if found:
            self.speak(found)
        self._db.execute(
            "UPDATE broadcasts SET ended_at = ?, state = IIF(state IN ('running', 'paused'), 'done', state)"
            f" WHERE id IN ({over})",
            (now, *given),
        )

    def any_running(self) -> bool:
        """Whether there is one that is neither paused nor stopped nor over."""
        row = self._db.execute("SELECT 1 FROM broadcasts WHERE ended_at IS NULL AND state = 'running'").fetchone()
        return row is not None

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
        """Forget the words of those that were over before then; what was taken back stays so."""
        return self._db.execute(
            f"UPDATE broadcasts SET text = '', shown = {WORDLESS}, label = '' WHERE id IN"
            " (SELECT id FROM broadcasts WHERE ended_at < ?"
            f" AND (text != '' OR shown != {WORDLESS} OR label != '') LIMIT ?)",
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
            "SELECT account, conversation, op, state, parked, COALESCE(error, ''), COUNT(*), SUM(starts), MIN(due_at)"
            " FROM outbox"
            f" WHERE broadcast = ? AND id NOT IN ({', '.join('?' * len(replaced))})"
            " GROUP BY account, conversation, op, state, parked, error ORDER BY MIN(id)",
            (id, *replaced),
        )
        return [
            Standing(a, c, op, state, bool(parked), error, n, tries, due_at if parked == LATER else None)
            for a, c, op, state, parked, error, n, tries, due_at in rows
        ]

    def receipts(self, id: int) -> Sequence[tuple[str, str, str, str, str, float]]:
        """What became of its sends and deletions, in the order of its places: account, conversation, op, state, error,
        and when it did or, if it still waits, when it is due.
        """
        replaced = self._replaced(id)
        return self._db.execute(
            "SELECT account, conversation, op, state, COALESCE(error, ''), COALESCE(settled_at, due_at) FROM outbox"
            f" WHERE broadcast = ? AND op IN ('send', 'delete') AND id NOT IN ({', '.join('?' * len(replaced))})"
            " ORDER BY id",
            (id, *replaced),
        ).fetchall()

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

    def in_turn(self, account: str, *, limit: int) -> Sequence[tuple[int, int, str]]:
        """The oldest deliveries to an account that were not let go, of all announcements that run: number, announcement
        and conversation.
        """
        rows = self._db.execute(
            "SELECT id, broadcast, conversation FROM outbox INDEXED BY outbox_turn"
            " WHERE account = ? AND parked = 1 AND broadcast NOT IN (SELECT id FROM broadcasts"
            " WHERE ended_at IS NULL AND state IN ('paused', 'stopped', 'done')) ORDER BY id LIMIT ?",
            (account, limit),
        )
        return [(int(id), int(broadcast), str(conversation)) for id, broadcast, conversation in rows]

    def come_due(self, *, now: float, limit: int) -> int:
        """What waited for its time waits for its turn from now on, if the time has come; returns how many."""
        return self._db.execute(
            "UPDATE outbox SET parked = ? WHERE id IN"
            " (SELECT id FROM outbox WHERE parked = 2 AND due_at <= ? ORDER BY due_at LIMIT ?)",
            (PARKED, now, limit),
        ).rowcount

    def next_later(self) -> float | None:
        """When the first comes whose time something waits for."""
        (at,) = self._db.execute("SELECT MIN(due_at) FROM outbox WHERE parked = 2").fetchone()
        return None if at is None else float(at)

    def strangers(self, accounts: Collection[str]) -> Sequence[str]:
        """Other accounts than these for which anything waits."""
        rows = self._db.execute(
            # From name to name, however much waits for each.
            "WITH RECURSIVE names (name) AS (SELECT MIN(account) FROM outbox WHERE state = 'queued' UNION ALL"
            " SELECT (SELECT MIN(account) FROM outbox WHERE state = 'queued' AND account > name) FROM names"
            " WHERE name IS NOT NULL) SELECT name FROM names WHERE name IS NOT NULL"
        )
        return [name for (name,) in rows if name not in accounts]

    def waiting_at(self, account: str) -> tuple[int, float]:
        """How many deliveries of announcements that run wait for an account, and when the first is too old."""
        number, first = self._db.execute(
            f"SELECT COUNT(*), COALESCE(MIN(o.expires_at), 0.0) FROM {_RUNNING_AT}", (account,)
        ).fetchone()
        return int(number), float(first)

    def too_old(self, account: str, *, now: float, limit: int) -> Sequence[Delivery]:
        """Those of them that are too old."""
        rows = self._db.execute(
            f"SELECT o.id FROM {_RUNNING_AT} AND o.expires_at <= ? ORDER BY o.id LIMIT ?", (account, now, limit)
        ).fetchall()
        return [row for (number,) in rows if (row := self._outbox.get(number)) is not None]

    def released(self, account: str) -> Sequence[Released]:
        """What was let go of all announcements to an account and is not settled, those aside that were never parked."""
        rows = self._db.execute(
            "SELECT conversation, state = 'queued' AND COALESCE(error, '') != '', COALESCE(started_at, 0.0)"
            # By name: left to itself SQLite reads all that waits for the account.
            " FROM outbox INDEXED BY outbox_released WHERE account = ? AND broadcast IS NOT NULL"
            " AND parked = 0 AND direct = 0 AND state IN ('queued', 'sending') AND op = 'send'",
            (account,),
        )
        return [Released(conversation, bool(failed), started) for conversation, failed, started in rows]

    def last_sent(self, account: str, *, now: float) -> float:
        """When the latest delivery of an announcement to an account was sent; 0 if none was. What was sent before the
        clock was set back does not count.
        """
        (at,) = self._db.execute(
            "SELECT MAX(settled_at) FROM outbox INDEXED BY outbox_announced"
            " WHERE account = ? AND broadcast IS NOT NULL AND state = 'sent' AND settled_at <= ?",
            (account, now),
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
            " WHERE broadcast = ? AND parked > 0",
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
