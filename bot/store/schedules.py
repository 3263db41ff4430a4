"""Schedules: what is to be sent when, and what became of each occurrence."""

from __future__ import annotations

import heapq
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from bot.store.topics import move_addresses

ScheduleState: TypeAlias = Literal["on", "paused", "waits", "removed"]
"""``waits``: for somebody's approval. ``removed``: kept for its history, and for taking that back."""
FORGOTTEN = "-"
"""Instead of the id of a person who is forgotten: no role counts for it, nor is it the command line's."""
OccurrenceState: TypeAlias = Literal["sent", "skipped", "missed", "asked", "waits", "failed", "dropped"]
"""``sent``: it is in the outbox. ``asked``: it was missed and a person decides. ``waits``: its time came before its
approval, of each schedule one at most. ``failed``: nothing could be sent. ``dropped``: that person said no."""


@dataclass(frozen=True, slots=True)
class NewSchedule:
    """What makes a schedule; times are seconds since the epoch."""

    rule: str
    """WHEN with its tails and its zone, in the grammar that people write."""
    made_at: float
    """Occurrences are later than this; intervals count from here."""
    next_at: float | None
    ends_at: float | None
    """Its last occurrence; None: it has no end."""
    warn_at: float | None
    """When its author hears of the next one beforehand."""
    options: str
    """As JSON."""
    message: str
    """What is sent, as JSON, placeholders and all."""
    targets: tuple[str, ...]
    """Addresses, names and ``@audience``."""
    chat: str
    """The address where it was made, and where it is reported of; empty: the owners are told."""
    reach: str
    """The chat of Telegram that its author's role was limited to; empty: it reached everywhere."""
    person: str
    person_name: str
    name: str = ""
    state: ScheduleState = "on"
    needs: int = 0
    """How many persons have to approve of it."""
    asked_by: str = ""
    """Who asked for what it is: person ids with commas between, several if it changed while it waited for an approval;
    empty: the command line."""
    trusted: bool = False
    """It needs no approval however many targets it comes to have: an admin answers for it."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """One schedule as it is kept."""

    id: int
    name: str
    rule: str
    state: ScheduleState
    made_at: float
    next_at: float | None
    ends_at: float | None
    warn_at: float | None
    options: str
    message: str
    chat: str
    reach: str
    person: str
    person_name: str
    needs: int
    """How many persons have to approve of it."""
    asked_by: str
    """Who asked for what it is, as in :class:`NewSchedule`: they do not approve of it."""
    approved_by: str
    """Who did: person ids with commas between."""
    fired: int
    """How many occurrences were sent."""
    previous: int | None
    """The announcement that was sent last."""
    created_at: float
    updated_at: float
    trusted: bool
    """It needs no approval however many targets it comes to have: an admin answers for it."""
    targets: tuple[str, ...] = ()
    decided: tuple[float, ...] = ()
    """Instants not before ``next_at`` of which something became already, such as skipped ones; in order."""

    @property
    def approvers(self) -> tuple[str, ...]:
        """Who has approved of it."""
        return tuple(filter(None, self.approved_by.split(",")))

    @property
    def askers(self) -> tuple[str, ...]:
        """Who asked for what it is; none: the command line."""
        return tuple(filter(None, self.asked_by.split(",")))

    @property
    def title(self) -> str:
        """How it is called in a sentence."""
        return f"Schedule {self.id} ({self.name})" if self.name else f"Schedule {self.id}"


@dataclass(frozen=True, slots=True)
class OccurrenceRow:
    """What became of one instant."""

    id: int
    schedule: int
    at: float
    state: OccurrenceState
    decided_at: float
    broadcast: int | None
    number: int
    """The how-manieth that was sent; 0: it was not."""
    note: str
    missed: int
    """How many before it were missed with it."""
    told: bool
    delete_at: float | None


_COLUMNS = (
    "id, name, rule, state, made_at, next_at, ends_at, warn_at, options, message, chat, reach, person, person_name,"
    " needs, asked_by, approved_by, fired, previous, created_at, updated_at, trusted"
)
_NEXT_AT = _COLUMNS.split(", ").index("next_at")
_OCCURRENCE = "id, schedule, at, state, decided_at, broadcast, number, note, missed, told, delete_at"

_INSTANTS = " UNION ".join(
    f"SELECT * FROM (SELECT DISTINCT {column} AS at FROM {table} WHERE {which} {column} IS NOT NULL"
    f" AND {column} <= :until ORDER BY {column} LIMIT :limit)"
    for table, which, column in (
        ("schedules", "state = 'on' AND", "next_at"),
        ("schedules", "state = 'on' AND", "warn_at"),
        ("schedules", "state = 'waits' AND", "next_at"),
        ("occurrences", "", "delete_at"),
    )
)

_OVER = "state IN ('on', 'paused') AND next_at IS NULL"
_OPEN = "(state = 'waits' OR (state IN ('on', 'paused') AND next_at IS NOT NULL))"
_BY_STATE = "CASE state WHEN 'on' THEN 0 WHEN 'waits' THEN 1 ELSE 2 END"


class Schedules:
    """The tables of schedules, their targets and their occurrences."""

    def __init__(self, db: sqlite3.Connection, woken: set[str]) -> None:
        self._db = db
        self._woken = woken

    # --- schedules

    def add(self, new: NewSchedule, *, now: float) -> int:
        """Keep a new one; returns its number."""
        cursor = self._db.execute(
            "INSERT INTO schedules (name, called, rule, state, made_at, next_at, ends_at, warn_at, options, message,"
            " chat, reach, person, person_name, needs, asked_by, trusted, created_at, updated_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                new.name, new.name.casefold(), new.rule, new.state, new.made_at, new.next_at, new.ends_at, new.warn_at,
                new.options, new.message, new.chat, new.reach, new.person, new.person_name, new.needs,
                new.asked_by, new.trusted, now, now,
            ),
        )  # fmt: skip
        assert cursor.lastrowid is not None
        self._aim(cursor.lastrowid, new.targets)
        self._woken.add("schedules")
        return cursor.lastrowid

    def change(self, id: int, new: NewSchedule, *, now: float) -> None:
        """Make it another one; who made it, where, and its history stay. Nobody has approved of the new one."""
        self._db.execute(
            "UPDATE schedules SET name = ?, called = ?, rule = ?, state = ?, made_at = ?, next_at = ?, ends_at = ?,"
            " warn_at = ?, options = ?, message = ?, reach = ?, needs = ?, asked_by = ?, approved_by = '', trusted = ?,"
            " updated_at = ? WHERE id = ?",
            (
                new.name, new.name.casefold(), new.rule, new.state, new.made_at, new.next_at, new.ends_at, new.warn_at,
                new.options, new.message, new.reach, new.needs, new.asked_by, new.trusted, now, id,
            ),
        )  # fmt: skip
        self._db.execute("DELETE FROM schedule_targets WHERE schedule = ?", (id,))
        self._aim(id, new.targets)
        self._woken.add("schedules")

    def _aim(self, id: int, targets: Sequence[str]) -> None:
        rows = [(id, place, target) for place, target in enumerate(targets)]
        self._db.executemany("INSERT INTO schedule_targets (schedule, place, target) VALUES (?, ?, ?)", rows)

    def get(self, id: int) -> Schedule | None:
        """One by its number, removed ones too."""
        row = self._db.execute(f"SELECT {_COLUMNS} FROM schedules WHERE id = ?", (id,)).fetchone()
        return None if row is None else self._whole(row)

    def named(self, name: str) -> Sequence[Schedule]:
        """Those of that name, in any case, that are not removed."""
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM schedules INDEXED BY schedules_called"
            " WHERE called = ? AND called != '' AND state != 'removed' ORDER BY id",
            (name.casefold(),),
        ).fetchall()
        return [self._whole(row) for row in rows]

    def all(self, *, after: int = 0, limit: int = -1, chat: str = "") -> Sequence[Schedule]:
        """Those that are not removed, by number. ``chat``: only those that were made there or in its topics."""
        where, values = _made_in(chat)
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM schedules WHERE state != 'removed' AND id > ?{where} ORDER BY id LIMIT ?",
            (after, *values, limit),
        ).fetchall()
        return [self._whole(row) for row in rows]

    def listed(self, *, over: bool, behind: int, limit: int, chat: str = "") -> Sequence[Schedule]:
        """As people look through them, from the place ``behind`` so many. What is to come first, then what waits, then
        what is paused, each by its next instant; or those that are ``over``, the latest first. ``chat`` as for
        :meth:`all`.
        """
        where, values = _made_in(chat)
        order = "id DESC" if over else f"{_BY_STATE}, next_at, id"
        rows = self._db.execute(
            f"SELECT id FROM schedules WHERE {_OVER if over else _OPEN}{where} ORDER BY {order} LIMIT ? OFFSET ?",
            (*values, limit, behind),
        ).fetchall()
        return [found for (id,) in rows if (found := self.get(int(id))) is not None]

    def count_listed(self, *, over: bool, chat: str = "") -> int:
        """How many :meth:`listed` has in all."""
        where, values = _made_in(chat)
        (number,) = self._db.execute(
            f"SELECT COUNT(*) FROM schedules WHERE {_OVER if over else _OPEN}{where}", values
        ).fetchone()
        return int(number)

    def nearest(self, number: int, *, limit: int, chat: str = "") -> Sequence[int]:
        """The numbers nearest to that one, in order; ``chat`` as for :meth:`all`."""
        where, values = _made_in(chat)
        found: list[int] = []
        for sign, order in (("<", "DESC"), (">", "ASC")):
            rows = self._db.execute(
                f"SELECT id FROM schedules WHERE state != 'removed' AND id {sign} ?{where} ORDER BY id {order} LIMIT ?",
                (number, *values, limit),
            )
            found += [int(id) for (id,) in rows]
        return sorted(sorted(found, key=lambda id: abs(id - number))[:limit])

    def coming(self, *, limit: int) -> Sequence[Schedule]:
        """Those that fire next."""
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM schedules WHERE state = 'on' AND next_at IS NOT NULL ORDER BY next_at, id LIMIT ?",
            (limit,),
        ).fetchall()
        return [self._whole(row) for row in rows]

    def until(self, at: float, *, chat: str = "") -> Iterator[Schedule]:
        """Those with something to come not later than that, paused and waiting ones too, earliest first; read as they
        are asked for. ``chat`` as for :meth:`all`.
        """
        where, values = _made_in(chat)
        # Each state by its own index, and only then in order: nobody asks for all of them.
        found = (
            self._db.execute(
                f"SELECT {_COLUMNS} FROM schedules"
                f" WHERE state = '{state}' AND next_at IS NOT NULL AND next_at <= ?{where} ORDER BY next_at, id",
                (at, *values),
            )
            for state in ("on", "paused", "waits")
        )
        for row in heapq.merge(*found, key=lambda row: (row[_NEXT_AT], row[0])):
            yield self._whole(row)

    def aims(self) -> Sequence[tuple[str, int]]:
        """The different targets of what is to come, each with a schedule that has it."""
        rows = self._db.execute(
            "SELECT t.target, MIN(t.schedule) FROM schedule_targets t JOIN schedules s ON s.id = t.schedule"
            " WHERE s.state IN ('on', 'waits') AND s.next_at IS NOT NULL GROUP BY t.target ORDER BY 2, t.place"
        ).fetchall()
        return [(str(target), int(schedule)) for target, schedule in rows]

    def count(self, *, chat: str = "") -> int:
        """How many there are that are not removed; ``chat`` as for :meth:`all`."""
        where, values = _made_in(chat)
        (number,) = self._db.execute(
            f"SELECT COUNT(*) FROM schedules WHERE state != 'removed'{where}", values
        ).fetchone()
        return int(number)

    def _whole(self, row: tuple[object, ...]) -> Schedule:
        targets = self._db.execute(
            "SELECT target FROM schedule_targets WHERE schedule = ? ORDER BY place", (row[0],)
        ).fetchall()
        next_at = row[_NEXT_AT]
        decided = () if next_at is None else self._decided(row[0], next_at)
        *most, trusted = row
        return Schedule(*most, bool(trusted), tuple(str(target) for (target,) in targets), decided)  # type: ignore[arg-type,call-arg]

    def _decided(self, id: object, since: object) -> tuple[float, ...]:
        rows = self._db.execute("SELECT at FROM occurrences WHERE schedule = ? AND at >= ? ORDER BY at", (id, since))
        return tuple(float(at) for (at,) in rows)

    def become(self, id: int, state: ScheduleState, *, now: float) -> None:
        """It is paused, works again, waits or is removed."""
        self._db.execute("UPDATE schedules SET state = ?, updated_at = ? WHERE id = ?", (state, now, id))
        self._woken.add("schedules")

    def approve(self, id: int, persons: Sequence[str], *, needs: int, trusted: bool) -> None:
        """These have approved of it, of so many that it needs."""
        self._db.execute(
            "UPDATE schedules SET approved_by = ?, needs = ?, trusted = ? WHERE id = ?",
            (",".join(persons), needs, trusted, id),
        )

    def must_wait(self, id: int, *, needs: int, now: float) -> None:
        """It waits for so many approvals from now on."""
        self._db.execute("UPDATE schedules SET needs = ?, approved_by = '' WHERE id = ?", (needs, id))
        self.become(id, "waits", now=now)

    def aim_at(self, id: int, *, next_at: float | None, warn_at: float | None) -> None:
        """What it means next, and when its author is to hear of that."""
        self._db.execute("UPDATE schedules SET next_at = ?, warn_at = ? WHERE id = ?", (next_at, warn_at, id))
        self._woken.add("schedules")

    def warned(self, id: int) -> None:
        """Its author has heard of the next one."""
        self._db.execute("UPDATE schedules SET warn_at = NULL WHERE id = ?", (id,))

    def sent(self, id: int, *, broadcast: int) -> None:
        """One more of it was sent, as this announcement."""
        self._db.execute("UPDATE schedules SET fired = fired + 1, previous = ? WHERE id = ?", (broadcast, id))

    def unsent(self, id: int) -> None:
        """The one that was sent last did not leave, and does not count."""
        self._db.execute("UPDATE schedules SET fired = MAX(fired - 1, 0) WHERE id = ?", (id,))

    # --- what is due

    def due(self, now: float, *, limit: int) -> Sequence[Schedule]:
        """Those whose next occurrence has come, earliest first."""
        return self._come("next_at", "on", index="schedules_due", now=now, limit=limit)

    def to_warn(self, now: float, *, limit: int) -> Sequence[Schedule]:
        """Those whose author is to hear of the next occurrence now."""
        return self._come("warn_at", "on", index="schedules_warn", now=now, limit=limit)

    def waiting(self, now: float, *, limit: int) -> Sequence[Schedule]:
        """Those whose next occurrence has come while they still wait for an approval."""
        return self._come("next_at", "waits", index="schedules_waits", now=now, limit=limit)

    def _come(self, column: str, state: ScheduleState, *, index: str, now: float, limit: int) -> Sequence[Schedule]:
        """Those in a state whose time in that column has come."""
        rows = self._db.execute(
            # By name and with the state in it: an index over some rows is only used where its condition stands.
            f"SELECT {_COLUMNS} FROM schedules INDEXED BY {index}"
            f" WHERE state = '{state}' AND {column} IS NOT NULL AND {column} <= ? ORDER BY {column}, id LIMIT ?",
            (now, limit),
        ).fetchall()
        return [self._whole(row) for row in rows]

    def instants(self, *, until: float, limit: int) -> Sequence[float]:
        """The next different instants at which something is to be done, in order."""
        rows = self._db.execute(
            f"SELECT at FROM ({_INSTANTS}) ORDER BY at LIMIT :limit", {"until": until, "limit": limit}
        ).fetchall()
        return [float(at) for (at,) in rows]

    # --- occurrences

    def decide(
        self,
        schedule: int,
        at: float,
        state: OccurrenceState,
        *,
        now: float,
        broadcast: int | None = None,
        number: int = 0,
        note: str = "",
        missed: int = 0,
        told: bool = True,
        delete_at: float | None = None,
    ) -> bool:
        """Write down what became of an instant; False: that was decided before."""
        cursor = self._db.execute(
            "INSERT OR IGNORE INTO occurrences (schedule, at, state, decided_at, broadcast, number, note, missed, told,"
            " delete_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (schedule, at, state, now, broadcast, number, note, missed, told, delete_at),
        )
        return cursor.rowcount > 0

    def redecide(
        self,
        id: int,
        state: OccurrenceState,
        *,
        now: float,
        broadcast: int | None = None,
        number: int = 0,
        note: str = "",
        told: bool = True,
        delete_at: float | None = None,
    ) -> None:
        """Somebody decided about one that was asked, missed or failed, or that had to wait."""
        self._db.execute(
            "UPDATE occurrences SET state = ?, decided_at = ?, broadcast = ?, number = ?, note = ?, told = ?,"
            " delete_at = ? WHERE id = ?",
            (state, now, broadcast, number, note, told, delete_at, id),
        )
        if not told:
            self._woken.add("schedules")

    def is_decided(self, schedule: int, at: float) -> bool:
        """Whether something became of that instant."""
        row = self._db.execute("SELECT 1 FROM occurrences WHERE schedule = ? AND at = ?", (schedule, at)).fetchone()
        return row is not None

    def occurrence(self, id: int) -> OccurrenceRow | None:
        """One of them."""
        row = self._db.execute(f"SELECT {_OCCURRENCE} FROM occurrences WHERE id = ?", (id,)).fetchone()
        return None if row is None else _occurrence(row)

    def of_broadcast(self, schedule: int, broadcast: int) -> OccurrenceRow | None:
        """The one that was sent as this announcement."""
        row = self._db.execute(
            f"SELECT {_OCCURRENCE} FROM occurrences WHERE schedule = ? AND broadcast = ?", (schedule, broadcast)
        ).fetchone()
        return None if row is None else _occurrence(row)

    def held_back(self, schedule: int) -> OccurrenceRow | None:
        """The one whose time came before the approval of its schedule."""
        row = self._db.execute(
            f"SELECT {_OCCURRENCE} FROM occurrences INDEXED BY occurrences_waits"
            " WHERE schedule = ? AND state = 'waits' ORDER BY at DESC LIMIT 1",
            (schedule,),
        ).fetchone()
        return None if row is None else _occurrence(row)

    def decided_after(self, schedule: int, after: float, *, is_skipped_counted: bool) -> frozenset[float]:
        """Instants later than that of which something became already."""
        rows = self._db.execute(
            "SELECT at FROM occurrences WHERE schedule = ? AND at > ? AND (? OR state != 'skipped')",
            (schedule, after, is_skipped_counted),
        )
        return frozenset(float(at) for (at,) in rows)

    def unskip(self, schedule: int, *, after: float) -> None:
        """What was to be left out later than that is not any more: its rule is another one."""
        self._db.execute(
            "DELETE FROM occurrences WHERE schedule = ? AND at > ? AND state = 'skipped'", (schedule, after)
        )

    def history(self, schedule: int, *, limit: int) -> Sequence[OccurrenceRow]:
        """What became of its latest occurrences, latest first."""
        rows = self._db.execute(
            f"SELECT {_OCCURRENCE} FROM occurrences WHERE schedule = ? ORDER BY at DESC LIMIT ?", (schedule, limit)
        ).fetchall()
        return [_occurrence(row) for row in rows]

    def decided(self, *, since: float, limit: int) -> Sequence[OccurrenceRow]:
        """Those that were decided since then, in order of their instants, of schedules that are not removed; of more
        than ``limit`` the latest.
        """
        rows = self._db.execute(
            f"SELECT {', '.join('o.' + name for name in _OCCURRENCE.split(', '))} FROM occurrences o"
            " JOIN schedules s ON s.id = o.schedule AND s.state != 'removed'"
            " WHERE o.decided_at >= ? ORDER BY o.decided_at DESC, o.id DESC LIMIT ?",
            (since, limit),
        ).fetchall()
        return sorted((_occurrence(row) for row in rows), key=lambda row: (row.at, row.id))

    def untold(self, *, limit: int) -> Sequence[OccurrenceRow]:
        """Those of which the author has to hear, oldest first."""
        rows = self._db.execute(
            f"SELECT {_OCCURRENCE} FROM occurrences WHERE told = 0 ORDER BY id LIMIT ?", (limit,)
        ).fetchall()
        return [_occurrence(row) for row in rows]

    def tell(self, id: int) -> None:
        """The author has to hear of it."""
        self._db.execute("UPDATE occurrences SET told = 0 WHERE id = ?", (id,))
        self._woken.add("schedules")

    def told(self, ids: Sequence[int]) -> None:
        """The author has heard of these."""
        self._db.executemany("UPDATE occurrences SET told = 1 WHERE id = ?", [(id,) for id in ids])

    def to_delete(self, now: float, *, limit: int) -> Sequence[OccurrenceRow]:
        """Those that were sent and have had their time."""
        rows = self._db.execute(
            f"SELECT {_OCCURRENCE} FROM occurrences WHERE delete_at IS NOT NULL AND delete_at <= ?"
            " ORDER BY delete_at LIMIT ?",
            (now, limit),
        ).fetchall()
        return [_occurrence(row) for row in rows]

    def deleted(self, id: int) -> None:
        """It was taken back, as it was to be."""
        self._db.execute("UPDATE occurrences SET delete_at = NULL WHERE id = ?", (id,))

    def add_note(self, id: int, note: str) -> None:
        """Something more is to be said of an occurrence."""
        self._db.execute("UPDATE occurrences SET note = trim(note || char(10) || ?, char(10)) WHERE id = ?", (note, id))

    # --- places and time

    def move(self, old: str, new: str) -> None:
        """What was to go to one address goes to another one."""
        for table, column in (("schedules", "chat"), ("schedules", "reach"), ("schedule_targets", "target")):
            move_addresses(self._db, table, column, old=old, new=new)

    def prune(self, *, before: float, limit: int) -> int:
        """Forget occurrences that were over and decided before that, and with them schedules that were removed, or are
        over; returns how many. What somebody may still be asked about stays, unless its schedule is removed.
        """
        cursor = self._db.execute(
            "DELETE FROM occurrences WHERE id IN (SELECT id FROM occurrences o WHERE decided_at < :before"
            " AND at < :before AND delete_at IS NULL AND told = 1 AND (state != 'asked' OR EXISTS (SELECT 1 FROM"
            " schedules s WHERE s.id = o.schedule AND s.state = 'removed' AND s.updated_at < :before)) LIMIT :limit)",
            {"before": before, "limit": limit},
        )
        gone = self._db.execute(
            "SELECT id FROM schedules WHERE (state = 'removed' OR next_at IS NULL) AND updated_at < ?"
            " AND NOT EXISTS (SELECT 1 FROM occurrences WHERE schedule = schedules.id) LIMIT ?",
            (before, limit),
        ).fetchall()
        for (id,) in gone:
            self._db.execute("DELETE FROM schedule_targets WHERE schedule = ?", (id,))
            self._db.execute("DELETE FROM schedules WHERE id = ?", (id,))
        return cursor.rowcount + len(gone)


def _made_in(chat: str) -> tuple[str, tuple[str, ...]]:
    """A condition and its values; ``0`` follows ``/``, which is before a topic's number."""
    return (" AND (chat = ? OR (chat > ? AND chat < ?))", (chat, f"{chat}/", f"{chat}0")) if chat else ("", ())


def _occurrence(row: tuple[object, ...]) -> OccurrenceRow:
    return OccurrenceRow(*(bool(each) if place == 9 else each for place, each in enumerate(row)))  # type: ignore[arg-type]
