"""Schedules fire: each occurrence once, whatever the clock and the process do, and nothing is missed silently."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bot import planning
from bot.addresses import parse_address
from bot.broadcasts import kept
from bot.firing import Firing, SchedulePolicy
from bot.planning import ScheduleError
from bot.quiet import parse_quiet
from bot.schedule_line import Options, parse_edit
from bot.schedule_notes import APPROVING, DECIDING, WARNING
from bot.schedules import LATE_S, Schedules
from bot.store import Tx
from bot.store.outbox import LATER, Delivery
from bot.store.schedules import OccurrenceRow, Schedule
from bot.unsent import CalledOff
from bot.when import parse_when
from bridges.model import Message
from tests.bot.fakes import opened
from tests.bot.line import ROOM, Line

HOME = "telegram:4200"
DAY = 86400.0


def utc(text: str) -> float:
    """An instant, seconds since the epoch."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


FRIDAY = utc("2026-11-20 15:00")


class At(Line):
    """A line with an engine of schedules on it, whose clock is turned by hand."""

    def __init__(self, store: object) -> None:
        super().__init__(store)  # type: ignore[arg-type]
        self.clock.at = FRIDAY
        self.policy = SchedulePolicy()
        self.lateness: list[float] = []
        self.is_delivering = False
        self.restart()

    def restart(self) -> None:
        """A process of its own begins."""
        self.firing = Firing(self.relay, self.policy, chance=lambda: 0.5)
        self.schedules = Schedules(store=self.store, firing=self.firing, clock=self.clock, fired=self.lateness.append)
        self.schedules.begin()

    async def add(
        self, when: str, targets: str = ROOM, text: str = "Stand-up!", *, person: str = "11", **options: object
    ) -> Schedule:
        """A schedule as somebody made it now."""

        def unit(tx: Tx) -> Schedule:
            rule = parse_when(when, now=self.clock(), zone="UTC")
            made = planning.draft(
                tx,
                self.firing,
                rule=rule,
                options=replace(Options(), **options),
                targets=targets,
                message=Message(text=text),
                here=None,
                now=self.clock(),
            )
            return planning.add(
                tx,
                self.firing,
                made,
                person=person,
                person_name="Ann",
                chat=parse_address(HOME),
                reach=None,
                is_admin=False,
                now=self.clock(),
            )

        return await self.store.write(unit)

    async def edit(self, schedule: Schedule, line: str, *, is_admin: bool = True) -> Schedule:
        """Somebody changes it now, with a line as people write it."""

        def unit(tx: Tx) -> Schedule:
            old = tx.schedules.get(schedule.id)
            assert old is not None
            read = parse_edit(line, now=self.clock(), zone="UTC")
            message = Message(text=read.text) if read.text else None
            made = planning.redraft(tx, self.firing, old, read, message=message, here=None, now=self.clock())
            return planning.change(tx, self.firing, old, made, is_admin=is_admin, now=self.clock())

        return await self.store.write(unit)

    async def comes(self, instant: float, *, asleep: bool = False) -> None:
        """It is that late now, and the engine has its turn; the heart beat all the while unless it was ``asleep``."""
        if not asleep:
            self.schedules._beaten_at = instant
        self.clock.at = instant
        self.schedules.beat()
        await self.schedules.turn()

    async def delivered(self) -> None:
        """Let everything go that may go now."""
        if not self.is_delivering:
            await self.engine.start()
            self.is_delivering = True
        await self.later(0.0)
        await self.rests()

    async def deliveries(self) -> list[Delivery]:
        """All that goes to the targets."""
        return [row for row in await self.rows() if row.broadcast is not None]

    async def sent(self) -> list[str]:
        """The texts that go to the targets, oldest first."""
        return [Message.model_validate_json(row.payload).text for row in await self.deliveries() if row.op == "send"]

    async def told(self) -> list[str]:
        """What was said where schedules are made, oldest first."""
        rows = await self.store.read(lambda tx: tx.outbox.list())
        ours = [row for row in rows if row.broadcast is None and str(row.address) == HOME]
        return [Message.model_validate_json(row.payload).text for row in ours]

    async def history(self, schedule: Schedule) -> list[OccurrenceRow]:
        """What became of its occurrences, latest first."""
        return list(await self.store.read(lambda tx: tx.schedules.history(schedule.id, limit=50)))

    async def now(self, schedule: Schedule) -> Schedule:
        """As it is kept now."""
        found = await self.store.read(lambda tx: tx.schedules.get(schedule.id))
        assert found is not None
        return found

    async def cards(self, kind: str) -> list[tuple[int, str]]:
        """The cards of a kind that were shown: subject and payload."""

        def query(tx: Tx) -> list[tuple[int, str]]:
            rows = tx.db.execute("SELECT subject, payload FROM cards WHERE kind = ? ORDER BY created_at", (kind,))
            return [(int(subject), str(payload)) for subject, payload in rows]

        return await self.store.read(query)


@pytest.fixture
async def at(tmp_path: Path) -> AsyncIterator[At]:
    """An engine on an empty database."""
    async with opened(tmp_path) as store:
        made = At(store)
        yield made
        if made.is_delivering:
            await made.engine.stop(grace_s=1.0)


# --- on time, once


async def test_an_occurrence_is_sent_once_at_its_time_and_not_before(at: At) -> None:
    schedule = await at.add("at 18:00")
    await at.comes(utc("2026-11-20 17:59:59.9"))
    assert await at.sent() == []
    await at.comes(utc("2026-11-20 18:00:00.01"))
    await at.comes(utc("2026-11-20 18:00:01"))
    await at.comes(utc("2026-11-21 18:00"))
    assert await at.sent() == ["Stand-up!"]
    (row,) = await at.history(schedule)
    assert (row.state, row.at, row.number) == ("sent", utc("2026-11-20 18:00"), 1)
    assert (await at.now(schedule)).next_at is None
    assert at.lateness == [pytest.approx(0.01, abs=0.005)]
    assert await at.told() == []


async def test_a_recurring_one_goes_on(at: At) -> None:
    schedule = await at.add("every day at 18:00", text="Number {n} on {weekday}")
    for day in (20, 21, 22):
        await at.comes(utc(f"2026-11-{day} 18:00"))
    assert await at.sent() == ["Number 1 on Friday", "Number 2 on Saturday", "Number 3 on Sunday"]
    assert (await at.now(schedule)).next_at == utc("2026-11-23 18:00")


async def test_an_instant_that_was_decided_is_not_decided_again(at: At) -> None:
    schedule = await at.add("every day at 18:00")
    await at.comes(utc("2026-11-20 18:00"))
    # As if the row had been put back by hand, or by an old backup of half the database.
    await at.store.write(lambda tx: tx.schedules.aim_at(schedule.id, next_at=utc("2026-11-20 18:00"), warn_at=None))
    await at.comes(utc("2026-11-20 18:00:02"))
    assert await at.sent() == ["Stand-up!"]
    assert (await at.now(schedule)).next_at == utc("2026-11-21 18:00")


async def test_a_time_that_does_not_exist_fires_after_the_gap_and_says_so(at: At) -> None:
    at.clock.at = utc("2026-03-28 12:00")
    at.restart()
    schedule = await at.add("every day at 02:30 Europe/Berlin")
    await at.comes(utc("2026-03-29 01:00"))
    await at.comes(utc("2026-03-29 01:30"))
    assert await at.sent() == ["Stand-up!"]
    (line,) = await at.told()
    assert "02:30 does not exist on that day" in line and "Sun 2026-03-29 03:00 Europe/Berlin" in line
    assert (await at.now(schedule)).next_at == utc("2026-03-30 00:30")


async def test_many_are_sent_in_several_transactions_and_each_once(at: At) -> None:
    for number in range(120):
        await at.add("at 18:00", text=f"no {number}")
    await at.comes(utc("2026-11-20 18:00"))
    assert sorted(await at.sent()) == sorted(f"no {number}" for number in range(120))
    assert len(at.lateness) == 120


async def test_being_slow_is_not_being_away(at: At) -> None:
    await at.add("at 18:00", missed="skip")
    # The heart beat all the time: it was only that so much was to do.
    await at.comes(utc("2026-11-20 18:00:40"))
    assert await at.sent() == ["Stand-up!"]


# --- missed


@pytest.mark.parametrize(
    ("missed", "late_s", "goes", "says"),
    [
        ("skip", LATE_S - 1, True, ""),
        ("skip", LATE_S + 1, False, "was missed, and is not sent.\nIt says missed=skip.\n“Stand-up!”"),
        (3600.0, 3599.0, True, "is on its way.\nIt was due while Patchbay was not running"),
        (3600.0, 3601.0, False, "was missed, and is not sent.\nIt is older than missed=send:1h allows."),
        ("ask", LATE_S - 1, True, ""),
        ("ask", 10.0, False, "Send it now?"),
    ],
)
async def test_what_was_due_while_nobody_was_there(
    at: At, missed: object, late_s: float, goes: bool, says: str
) -> None:
    schedule = await at.add("at 18:00", missed=missed)
    at.clock.at = utc("2026-11-20 18:00") + late_s
    at.restart()
    await at.schedules.turn()
    assert await at.sent() == (["Stand-up!"] if goes else [])
    told = await at.told()
    assert len(told) == bool(says) and says in "".join(told)
    (row,) = await at.history(schedule)
    assert row.state == ("sent" if goes else "asked" if missed == "ask" else "missed")
    await at.schedules.turn()
    assert len(await at.told()) == bool(says), "said once"


async def test_of_several_missed_the_latest_counts_and_there_is_no_burst(at: At) -> None:
    schedule = await at.add("every 10m", missed=3600.0)
    at.clock.at = FRIDAY + 3 * 3600 + 60
    at.restart()
    await at.schedules.turn()
    assert await at.sent() == ["Stand-up!"]
    (line,) = await at.told()
    assert "17 before it were missed" in line
    assert (await at.now(schedule)).next_at == FRIDAY + 3 * 3600 + 600
    (row,) = await at.history(schedule)
    assert (row.at, row.missed) == (FRIDAY + 3 * 3600, 17)


async def test_the_latest_of_several_is_judged_by_its_own_age(at: At) -> None:
    await at.add("every 10s", missed="skip")
    at.clock.at = FRIDAY + 102.0
    at.restart()
    await at.schedules.turn()
    assert await at.sent() == ["Stand-up!"], "the last of them is two seconds old"
    (line,) = await at.told()
    assert "9 before it were missed" in line


async def test_one_chat_gets_one_message_for_all_that_was_missed_there(at: At) -> None:
    for number in range(3):
        await at.add("at 18:00", name=f"n{number}", missed="skip")
    at.clock.at = utc("2026-11-20 19:00")
    at.restart()
    await at.schedules.turn()
    (line,) = await at.told()
    assert all(f"(n{number})" in line for number in range(3))


async def test_what_became_of_one_schedule_is_told_together_with_its_first_words(at: At) -> None:
    first, second = [await at.add("at 18:00", name=name) for name in ("one", "two")]

    def decide(tx: Tx) -> None:
        for hour, schedule in ((1, first), (2, second), (3, first)):
            tx.schedules.decide(
                schedule.id,
                FRIDAY - hour * 3600,
                "missed",
                now=FRIDAY,
                note=f"Why {hour}.",
                missed=hour - 1,
                told=False,
            )

    await at.store.write(decide)
    await at.schedules.turn()
    (told,) = await at.told()
    assert told == (
        f"Schedule {first.id} (one): what was due at Fri 2026-11-20 12:00 UTC was missed, and is not sent.\n"
        "2 before it were missed, too.\nWhy 3.\n"
        "What was due at Fri 2026-11-20 14:00 UTC was missed, and is not sent.\nWhy 1.\n“Stand-up!”\n\n"
        f"Schedule {second.id} (two): what was due at Fri 2026-11-20 13:00 UTC was missed, and is not sent.\n"
        "1 before it was missed, too.\nWhy 2.\n“Stand-up!”"
    )


async def test_what_is_asked_has_a_card_and_can_be_sent_then(at: At) -> None:
    schedule = await at.add("at 18:00", missed="ask")
    at.clock.at = utc("2026-11-20 19:00")
    at.restart()
    await at.schedules.turn()
    ((subject, _),) = await at.cards(DECIDING)
    row = await at.store.read(lambda tx: tx.schedules.occurrence(subject))
    assert row is not None and row.state == "asked"
    await at.store.write(lambda tx: at.firing.fire(tx, schedule, row.at, now=at.clock(), again=row))
    assert await at.sent() == ["Stand-up!"]
    (row,) = await at.history(schedule)
    assert (row.state, row.number) == ("sent", 1)


# --- the clock


@pytest.mark.parametrize("jump_s", [3600.0, DAY, 6 * 3600.0])
async def test_a_clock_that_jumps_forward_doubles_nothing_and_misses_nothing_silently(at: At, jump_s: float) -> None:
    schedule = await at.add("every day at 18:00", missed="skip")
    await at.comes(utc("2026-11-20 17:59"))
    await at.comes(utc("2026-11-20 17:59") + jump_s, asleep=True)
    assert await at.sent() == []
    (line,) = await at.told()
    assert "Fri 2026-11-20 18:00 UTC" in line and "missed" in line
    (row,) = await at.history(schedule)
    assert row.state == "missed"


async def test_a_clock_that_is_set_back_fires_nothing_again(at: At) -> None:
    schedule = await at.add("every day at 18:00")
    await at.comes(utc("2026-11-20 18:00"))
    for back_s in (5.0, 3600.0, DAY):
        await at.comes(utc("2026-11-20 18:00") - back_s, asleep=True)
        await at.comes(utc("2026-11-20 18:00:01"))
    assert await at.sent() == ["Stand-up!"]
    assert (await at.now(schedule)).next_at == utc("2026-11-21 18:00")
    await at.comes(utc("2026-11-21 18:00"))
    assert await at.sent() == ["Stand-up!"] * 2


async def test_after_a_jump_there_and_back_what_comes_is_not_taken_for_missed(at: At) -> None:
    await at.add("at 2026-11-23 18:00", missed="skip")
    await at.comes(utc("2026-11-20 17:59"))
    await at.comes(utc("2026-11-22 17:59"), asleep=True)
    await at.comes(utc("2026-11-20 18:10"), asleep=True)
    await at.comes(utc("2026-11-23 18:00:00.2"))
    assert await at.sent() == ["Stand-up!"]
    assert await at.told() == []


async def test_a_jump_that_comes_between_beat_and_transaction_is_seen_first(at: At) -> None:
    schedule = await at.add("at 18:00", missed="skip")
    await at.comes(utc("2026-11-20 17:00"))
    at.clock.at = utc("2026-11-20 20:00")
    await at.schedules.turn()
    assert await at.sent() == []
    assert [row.state for row in await at.history(schedule)] == ["missed"]


# --- where it goes, and what cannot be


async def test_what_is_in_an_audience_is_asked_when_it_fires(at: At) -> None:
    await at.store.write(lambda tx: tx.audiences.add("all", [ROOM], person="1", now=1.0))
    await at.add("every day at 18:00", "@all, club:a")
    await at.comes(utc("2026-11-20 18:00"))
    await at.store.write(lambda tx: tx.audiences.add("all", ["desk:b"], person="1", now=1.0))
    await at.comes(utc("2026-11-21 18:00"))
    places = [str(row.address) for row in await at.deliveries()]
    assert places[:2] == [ROOM, "club:a"] and sorted(places[2:]) == ["club:a", "desk:b", ROOM]


async def test_a_target_that_is_gone_is_left_out_and_named(at: At) -> None:
    await at.store.write(lambda tx: tx.names.set("ops", "club:ops"))
    await at.add("at 18:00", f"{ROOM}, ops")
    await at.store.write(lambda tx: tx.names.remove("ops"))
    await at.comes(utc("2026-11-20 18:00"))
    assert [str(row.address) for row in await at.deliveries()] == [ROOM]
    (line,) = await at.told()
    assert "Left out" in line and "ops" in line


async def test_an_audience_that_is_empty_when_it_fires_loses_nothing(at: At) -> None:
    await at.store.write(lambda tx: tx.audiences.add("all", [ROOM], person="1", now=1.0))
    schedule = await at.add("every day at 18:00", "@all")
    await at.store.write(lambda tx: tx.audiences.remove("all", [ROOM]))
    await at.comes(utc("2026-11-20 18:00"))
    (line,) = await at.told()
    assert "could not be sent" in line and "@\u2060all is empty" in line
    (row,) = await at.history(schedule)
    assert row.state == "failed"
    await at.store.write(lambda tx: tx.audiences.add("all", [ROOM], person="1", now=1.0))
    assert [subject for subject, _ in await at.cards(DECIDING)] == [row.id]
    await at.store.write(lambda tx: at.firing.fire(tx, schedule, row.at, now=at.clock(), again=row))
    assert await at.sent() == ["Stand-up!"]
    assert (await at.now(schedule)).next_at == utc("2026-11-21 18:00")


async def test_a_role_for_one_chat_reaches_no_other_one_later_either(at: At) -> None:
    await at.store.write(lambda tx: tx.audiences.add("all", [ROOM], person="1", now=1.0))
    schedule = await at.add("at 18:00", "@all")
    await at.store.write(lambda tx: tx.db.execute("UPDATE schedules SET reach = ?", (ROOM,)))
    await at.store.write(lambda tx: tx.audiences.add("all", ["telegram:-6", "club:a"], person="1", now=1.0))
    await at.comes(utc("2026-11-20 18:00"))
    assert sorted(str(row.address) for row in await at.deliveries()) == ["club:a", ROOM]
    assert "1 of other chats" in "".join(await at.told())
    assert (await at.history(schedule))[0].state == "sent"


async def test_one_that_cannot_be_read_stops_no_other_one(at: At) -> None:
    broken = await at.add("at 18:00")
    await at.add("at 18:00", text="fine")
    await at.store.write(lambda tx: tx.db.execute("UPDATE schedules SET rule = 'nonsense' WHERE id = ?", (broken.id,)))
    await at.comes(utc("2026-11-20 18:00"))
    assert await at.sent() == ["fine"]
    assert (await at.now(broken)).state == "paused"
    assert [row.state for row in await at.history(broken)] == ["failed"]


# --- options


async def test_what_has_had_its_time_is_taken_back(at: At) -> None:
    await at.add("at 18:00", expire=3600)
    await at.comes(utc("2026-11-20 18:00"))
    await at.delivered()
    await at.comes(utc("2026-11-20 18:59:59"))
    assert at.telegram.done == []
    await at.comes(utc("2026-11-20 19:00"))
    await at.delivered()
    await at.comes(utc("2026-11-20 20:00"))
    await at.delivered()
    assert at.telegram.done == ["delete t1"]


@pytest.mark.parametrize(
    ("targets", "options", "due", "gone"),
    [
        # Quiet hours hold it back for longer than it is to stay: seven in the morning in Tokyo is 22:00.
        (ROOM, {}, "2026-11-20 22:00", "2026-11-20 22:10"),
        (f"club:a, {ROOM}", {}, "2026-11-20 22:00", "2026-11-20 22:10"),
        (ROOM, {"quiet": "no", "jitter": 7200}, "2026-11-20 19:00", "2026-11-20 19:10"),
    ],
    ids=["quiet hours", "quiet hours of one target", "jitter"],
)
async def test_what_had_to_wait_has_its_time_from_when_it_may_go(
    at: At, targets: str, options: dict[str, object], due: str, gone: str
) -> None:
    at.policy = SchedulePolicy(quiet=parse_quiet("22:00-07:00"))
    at.restart()
    await at.store.write(lambda tx: tx.chats.set("-5", "timezone", "Asia/Tokyo"))
    schedule = await at.add("at 18:00", targets, expire=600, **options)
    await at.comes(utc("2026-11-20 18:00"))
    await at.comes(utc("2026-11-20 18:10"))
    rows = await at.deliveries()
    assert {(row.op, row.state) for row in rows} == {("send", "queued")}
    assert max(row.due_at for row in rows) == utc(due)
    (row,) = await at.history(schedule)
    assert row.delete_at == utc(gone)
    await at.comes(utc(gone))
    assert {row.state for row in await at.deliveries() if row.op == "send"} == {"cancelled"}


async def test_quiet_hours_hold_back_by_each_targets_zone_and_not_what_is_urgent(at: At) -> None:
    at.policy = SchedulePolicy(quiet=parse_quiet("22:00-07:00"))
    at.restart()
    await at.store.write(lambda tx: tx.chats.set("-5", "timezone", "Asia/Tokyo"))
    await at.add("at 18:00", f"{ROOM}, club:a")
    await at.add("at 18:00", ROOM, urgent=True)
    await at.comes(utc("2026-11-20 18:00"))
    rows = await at.deliveries()
    assert sorted((str(row.address), row.due_at) for row in rows) == [
        ("club:a", utc("2026-11-20 18:00")),
        (ROOM, utc("2026-11-20 18:00")),
        (ROOM, utc("2026-11-20 22:00")),
    ], "seven in the morning in Tokyo"


async def test_jitter_is_chance_at_the_send_and_moves_no_occurrence(at: At) -> None:
    schedule = await at.add("every day at 18:00", jitter=600)
    await at.comes(utc("2026-11-20 18:00"))
    (row,) = await at.deliveries()
    assert row.due_at == utc("2026-11-20 18:05")
    assert (await at.now(schedule)).next_at == utc("2026-11-21 18:00")


async def test_the_author_is_warned_and_can_skip(at: At) -> None:
    schedule = await at.add("every day at 18:00", warn=900, text="Soon {n}")
    await at.comes(utc("2026-11-20 17:44"))
    assert await at.told() == []
    await at.comes(utc("2026-11-20 17:45"))
    (line,) = await at.told()
    assert "goes to 1 target at Fri 2026-11-20 18:00 UTC" in line and "Soon {n}" in line
    assert [subject for subject, _ in await at.cards(WARNING)] == [schedule.id]
    await at.store.write(lambda tx: planning.skip(tx, schedule, now=at.clock(), at=utc("2026-11-20 18:00")))
    await at.comes(utc("2026-11-20 18:00"))
    assert await at.sent() == []
    await at.comes(utc("2026-11-21 17:45"))
    assert len(await at.told()) == 2


# --- a life


async def test_what_a_pause_held_is_not_sent(at: At) -> None:
    schedule = await at.add("every day at 18:00")
    await at.store.write(lambda tx: planning.pause(tx, schedule, now=at.clock()))
    await at.comes(utc("2026-11-20 18:00"))
    await at.comes(utc("2026-11-22 12:00"))
    paused = await at.now(schedule)
    assert await at.store.write(lambda tx: planning.resume(tx, paused, now=at.clock())) == 2
    await at.comes(utc("2026-11-22 12:00:01"))
    assert await at.sent() == [] and await at.told() == []
    await at.comes(utc("2026-11-22 18:00"))
    assert await at.sent() == ["Stand-up!"]


async def test_skip_moves_the_next_by_one_and_now_leaves_it(at: At) -> None:
    schedule = await at.add("every day at 18:00")
    assert await at.store.write(lambda tx: planning.skip(tx, schedule, now=at.clock())) == utc("2026-11-20 18:00")
    schedule = await at.now(schedule)
    assert schedule.next_at == utc("2026-11-21 18:00")
    assert await at.store.write(lambda tx: planning.send_now(tx, at.firing, schedule, now=at.clock()))
    assert await at.store.write(lambda tx: planning.send_now(tx, at.firing, schedule, now=at.clock()))
    assert await at.sent() == ["Stand-up!"] * 2
    assert (await at.now(schedule)).next_at == utc("2026-11-21 18:00")
    await at.comes(utc("2026-11-20 18:00"))
    assert len(await at.sent()) == 2, "the one that is skipped"
    assert sorted(row.state for row in await at.history(schedule)) == ["sent", "sent", "skipped"]


async def test_a_skip_outlasts_a_pause(at: At) -> None:
    schedule = await at.add("every day at 18:00")
    await at.store.write(lambda tx: planning.skip(tx, schedule, now=at.clock()))
    schedule = await at.now(schedule)
    await at.store.write(lambda tx: planning.pause(tx, schedule, now=at.clock()))
    schedule = await at.now(schedule)
    await at.store.write(lambda tx: planning.resume(tx, schedule, now=at.clock()))
    assert (await at.now(schedule)).next_at == utc("2026-11-21 18:00")


async def test_what_is_over_cannot_be_skipped(at: At) -> None:
    schedule = await at.add("at 18:00")
    await at.comes(utc("2026-11-20 18:00"))
    over = await at.now(schedule)
    with pytest.raises(ScheduleError, match="nothing to come"):
        await at.store.write(lambda tx: planning.skip(tx, over, now=at.clock()))


async def test_a_removed_one_fires_no_more_and_can_be_had_back(at: At) -> None:
    schedule = await at.add("every day at 18:00", name="stand-up")
    await at.store.write(lambda tx: planning.remove(tx, schedule, now=at.clock()))
    await at.comes(utc("2026-11-20 18:00"))
    assert await at.sent() == []
    removed = await at.now(schedule)
    await at.add("every day at 18:00", name="Stand-up")
    with pytest.raises(ScheduleError, match="another schedule with the name"):
        await at.store.write(lambda tx: planning.restore(tx, removed, now=at.clock()))


# --- approval


async def approved(at: At, schedule: Schedule, *, person: str = "12") -> planning.Approved:
    """Somebody approves of it as it is now."""
    waiting = await at.now(schedule)
    return await at.store.write(lambda tx: planning.approve(tx, at.firing, waiting, person=person, now=at.clock()))


async def grown(at: At, *, approvals: int = 1, when: str = "every day at 18:00", **options: Any) -> Schedule:
    """One whose audience grew, after it was made, beyond what goes without an approval."""
    at.policy = SchedulePolicy(approval_over=1, approvals=approvals)
    at.restart()
    await at.store.write(lambda tx: tx.audiences.add("all", [ROOM], person="1", now=1.0))
    schedule = await at.add(when, "@all", **options)
    await at.store.write(lambda tx: tx.audiences.add("all", ["club:a"], person="1", now=1.0))
    return schedule


async def test_without_its_approval_it_does_not_fire_and_its_author_hears(at: At) -> None:
    schedule = await at.add("every day at 18:00", approve=1)
    assert schedule.state == "waits"
    await at.comes(utc("2026-11-20 18:00"))
    assert await at.sent() == []
    (line,) = await at.told()
    assert "18:00 UTC waits for its approval.\nIt goes out when it is approved, if that is within 1h." in line
    with pytest.raises(ScheduleError, match="somebody else"):
        await approved(at, schedule, person="11")


@pytest.mark.parametrize(
    ("missed", "late_s", "state"),
    [
        (3600, 0.0, "sent"),
        (3600, 3600.0, "sent"),
        (3600, 3601.0, "missed"),
        ("skip", 1.0, "missed"),
        ("ask", 7200.0, "asked"),
    ],
)
@pytest.mark.parametrize("when", ["at 18:00", "every day at 18:00"])
async def test_what_was_due_before_its_approval_is_judged_at_its_approval(
    at: At, when: str, missed: object, late_s: float, state: str
) -> None:
    schedule = await at.add(when, approve=1, missed=missed)
    await at.comes(utc("2026-11-20 18:00"))
    assert await at.sent() == [] and len(await at.told()) == 1
    await at.comes(utc("2026-11-20 18:00") + late_s)
    done = await approved(at, schedule)
    assert done.left == 0
    assert (None if done.waited is None else done.waited.state) == (None if missed == "skip" else state)
    await at.comes(at.clock() + 1)
    assert await at.sent() == ["Stand-up!"] * (state == "sent")
    (row,) = await at.history(schedule)
    assert (row.at, row.state) == (utc("2026-11-20 18:00"), state)
    assert [subject for subject, _ in await at.cards(DECIDING)] == [row.id] * (state == "asked")
    now = await at.now(schedule)
    assert (now.state, now.next_at) == ("on", None if when.startswith("at") else utc("2026-11-21 18:00"))


async def test_of_several_that_came_before_the_approval_the_latest_is_sent(at: At) -> None:
    schedule = await at.add("every 10m", approve=1)
    for minutes in (10, 20, 30):
        await at.comes(FRIDAY + minutes * 60)
    at.clock.at = FRIDAY + 40 * 60  # which the engine has not seen yet
    await approved(at, schedule)
    await at.comes(FRIDAY + 41 * 60)
    assert await at.sent() == ["Stand-up!"]
    states = [(row.at - FRIDAY, row.state) for row in await at.history(schedule)]
    assert states == [(2400, "sent"), (1800, "missed"), (1200, "missed"), (600, "missed")]


async def test_what_was_due_while_nobody_was_there_and_before_its_approval_is_judged_once(at: At) -> None:
    schedule = await at.add("at 18:00", approve=1)
    at.clock.at = utc("2026-11-20 18:30")
    at.restart()
    await at.schedules.turn()
    await approved(at, schedule)
    assert await at.sent() == ["Stand-up!"]


async def test_what_waited_and_has_no_targets_any_more_can_be_tried_again(at: At) -> None:
    await at.store.write(lambda tx: tx.audiences.add("all", [ROOM], person="1", now=1.0))
    schedule = await at.add("at 18:00", "@all", approve=1)
    await at.comes(utc("2026-11-20 18:00"))
    await at.store.write(lambda tx: tx.audiences.remove("all", [ROOM]))
    done = await approved(at, schedule)
    assert done.waited is not None and done.waited.state == "failed"
    await at.comes(utc("2026-11-20 18:00:01"))
    assert [subject for subject, _ in await at.cards(DECIDING)] == [done.waited.id]


async def test_two_persons_are_two_persons(at: At) -> None:
    at.policy = SchedulePolicy(approval_over=1, approvals=2)
    at.restart()
    schedule = await at.add("every day at 18:00", f"{ROOM}, club:a")
    assert (await approved(at, schedule)).left == 1
    with pytest.raises(ScheduleError, match="already"):
        await approved(at, schedule)
    assert (await at.now(schedule)).state == "waits"
    assert (await approved(at, schedule, person="13")).left == 0
    assert (await at.now(schedule)).state == "on"


async def test_an_audience_that_has_grown_needs_the_approval_that_its_size_needs(at: At) -> None:
    schedule = await grown(at)
    assert schedule.state == "on"
    await at.comes(utc("2026-11-20 18:00"))
    assert await at.sent() == []
    assert (await at.now(schedule)).state == "waits"
    assert {subject for subject, _ in await at.cards(APPROVING)} == {schedule.id}
    await approved(at, schedule)
    assert len(await at.sent()) == 2, "what it was about"
    await at.comes(utc("2026-11-21 18:00"))
    assert len(await at.sent()) == 4


async def test_a_once_that_has_grown_is_not_lost(at: At) -> None:
    schedule = await grown(at, when="at 18:00")
    await at.comes(utc("2026-11-20 18:00"))
    said = "\n".join(await at.told())
    assert "2 targets by now; more than 1 need an admin's approval" in said
    assert "waits for an admin's approval" in said and "18:00 UTC waits for it.\n" in said and "\n\nStand-up!" in said
    at.clock.at = utc("2026-11-20 18:20")
    await approved(at, schedule)
    assert len(await at.sent()) == 2


async def test_one_approval_that_the_line_asked_for_is_not_the_two_that_the_size_needs(at: At) -> None:
    schedule = await grown(at, approvals=2, approve=1)
    # Of what it is by now two have to approve.
    assert (await approved(at, schedule)).left == 1
    assert (await approved(at, schedule, person="13")).left == 0
    await at.comes(utc("2026-11-20 18:00"))
    assert len(await at.sent()) == 2


async def test_one_that_grew_after_one_approval_needs_two(at: At) -> None:
    at.policy = SchedulePolicy(approval_over=1, approvals=2)
    at.restart()
    await at.store.write(lambda tx: tx.audiences.add("all", [ROOM], person="1", now=1.0))
    schedule = await at.add("every day at 18:00", "@all", approve=1)
    assert (await approved(at, schedule)).left == 0
    await at.store.write(lambda tx: tx.audiences.add("all", ["club:a"], person="1", now=1.0))
    await at.comes(utc("2026-11-20 18:00"))
    assert await at.sent() == []
    assert ((await at.now(schedule)).state, (await at.now(schedule)).needs) == ("waits", 2)


async def test_what_an_admin_edits_needs_no_approval_of_its_size_any_more(at: At) -> None:
    at.policy = SchedulePolicy(approval_over=1)
    at.restart()
    schedule = await at.add("every day at 18:00", f"{ROOM}, club:a")
    await approved(at, schedule)
    changed = await at.edit(schedule, "| | Corrected words")
    assert changed.state == "on"
    await at.comes(utc("2026-11-20 18:00"))
    assert await at.sent() == ["Corrected words"] * 2


async def test_what_waited_is_sent_when_an_admin_edits_it(at: At) -> None:
    at.policy = SchedulePolicy(approval_over=1)
    at.restart()
    schedule = await at.add("at 18:00", f"{ROOM}, club:a")
    await at.comes(utc("2026-11-20 18:00"))
    at.clock.at = utc("2026-11-20 18:10")
    await at.edit(schedule, "| | Corrected words")
    assert await at.sent() == ["Corrected words"] * 2
    await at.comes(utc("2026-11-20 18:10:01"))
    assert "It waited for its approval, and is late." in (await at.told())[-1]


async def test_an_operators_edit_of_what_an_admin_answers_for_asks_again(at: At) -> None:
    schedule = await grown(at)
    await at.edit(schedule, "| | An admin's words")
    changed = await at.edit(schedule, "| | An operator's words", is_admin=False)
    assert (changed.state, changed.trusted) == ("waits", False)


async def test_what_is_nobodys_is_no_admins(at: At) -> None:
    """Whoever made it was forgotten; what the command line makes is trusted from the start."""
    schedule = await grown(at, person="")
    await at.comes(utc("2026-11-20 18:00"))
    assert (await at.sent(), (await at.now(schedule)).state) == ([], "waits")


@pytest.mark.parametrize("is_paused", [False, True])
async def test_one_that_has_grown_is_not_sent_by_hand_and_stays_as_it_is(at: At, is_paused: bool) -> None:
    schedule = await grown(at)
    if is_paused:
        await at.store.write(lambda tx: planning.pause(tx, schedule, now=at.clock()))
    before = await at.now(schedule)
    with pytest.raises(ScheduleError, match=r"goes to 2 targets by now, and more than 1 need an admin's approval"):
        await at.store.write(lambda tx: planning.send_now(tx, at.firing, before, now=at.clock()))
    assert await at.now(schedule) == before
    assert await at.history(schedule) == []


# --- what is due while somebody changes it


async def test_other_words_leave_what_is_due_and_go_out_with_it(at: At) -> None:
    schedule = await at.add("at 18:00")
    at.clock.at = utc("2026-11-20 18:00:00.2")
    await at.edit(schedule, "| | Other words")
    await at.comes(utc("2026-11-20 18:00:00.3"))
    assert await at.sent() == ["Other words"]


@pytest.mark.parametrize(("missed", "sent"), [("skip", []), (3600, ["Other words"])])
async def test_other_words_of_what_was_due_while_nobody_was_there_are_judged_as_missed(
    at: At, missed: object, sent: list[str]
) -> None:
    schedule = await at.add("at 18:00", missed=missed)
    at.clock.at = utc("2026-11-20 18:30")
    await at.edit(schedule, "| | Other words")
    at.restart()
    await at.schedules.turn()
    assert await at.sent() == sent
    assert len(await at.told()) == 1


async def test_what_is_over_is_not_to_be_changed(at: At) -> None:
    schedule = await at.add("at 18:00")
    await at.comes(utc("2026-11-20 18:00"))
    await _let_go(at, ROOM)
    with pytest.raises(ScheduleError, match="never to come"):
        await at.edit(schedule, "| | Other words")


async def test_with_another_rule_what_was_due_is_written_down_and_told(at: At) -> None:
    schedule = await at.add("every day at 16:00")
    at.clock.at = utc("2026-11-22 16:30")
    await at.edit(schedule, "every day at 17:00 | |")
    (row,) = await at.history(schedule)
    assert (row.at, row.state, row.missed) == (utc("2026-11-22 16:00"), "missed", 2)
    assert row.note == "The schedule was changed when this was due."
    at.restart()
    await at.schedules.turn()
    assert await at.sent() == [] and "16:00 UTC was missed" in "".join(await at.told())
    assert (await at.now(schedule)).next_at == utc("2026-11-22 17:00")


@pytest.mark.parametrize(
    ("act", "note"),
    [(planning.pause, "Paused before it went out."), (planning.remove, "The schedule was removed when this was due.")],
)
async def test_what_is_due_does_not_vanish_with_a_pause_or_a_removal(at: At, act: Any, note: str) -> None:
    schedule = await at.add("at 18:00")
    at.clock.at = utc("2026-11-20 18:00:00.2")
    left = await at.store.write(lambda tx: act(tx, schedule, now=at.clock()))
    assert left == planning.Left(utc("2026-11-20 18:00"))
    await at.comes(utc("2026-11-20 18:00:01"))
    (row,) = await at.history(schedule)
    assert (row.state, row.note) == ("skipped", note)
    assert await at.sent() == []


async def test_what_waits_for_its_approval_does_not_vanish_with_a_removal(at: At) -> None:
    schedule = await at.add("at 18:00", approve=1)
    await at.comes(utc("2026-11-20 18:00"))
    waiting = await at.now(schedule)
    left = await at.store.write(lambda tx: planning.remove(tx, waiting, now=at.clock()))
    assert left.at == utc("2026-11-20 18:00")
    assert [row.state for row in await at.history(schedule)] == ["skipped"]


async def test_what_a_pause_held_is_written_down(at: At) -> None:
    schedule = await at.add("every day at 18:00")
    await at.store.write(lambda tx: planning.pause(tx, schedule, now=at.clock()))
    at.clock.at = utc("2026-11-22 19:00")
    paused = await at.now(schedule)
    assert await at.store.write(lambda tx: planning.resume(tx, paused, now=at.clock())) == 3
    (row,) = await at.history(schedule)
    assert (row.at, row.state, row.missed, row.note) == (
        utc("2026-11-22 18:00"), "skipped", 2, "It fell into a pause."
    )  # fmt: skip


@pytest.mark.parametrize("act", [planning.pause, planning.remove])
async def test_one_that_cannot_be_read_can_be_paused_and_removed(at: At, act: Any) -> None:
    schedule = await at.add("at 18:00")
    await at.store.write(lambda tx: tx.db.execute("UPDATE schedules SET rule = 'nonsense'"))
    at.clock.at = utc("2026-11-20 18:30")
    broken = await at.now(schedule)
    await at.store.write(lambda tx: act(tx, broken, now=at.clock()))
    assert [row.state for row in await at.history(schedule)] == ["skipped"]


# --- what is to come


async def test_what_is_due_is_not_to_come(at: At) -> None:
    schedule = await at.add("every day at 18:00")
    at.clock.at = utc("2026-11-20 18:30")
    assert [each.at for each in planning.coming(schedule, now=at.clock(), most=1)] == [utc("2026-11-21 18:00")]
    assert "Due since Fri 2026-11-20 18:00 UTC" in planning.standing(schedule, now=at.clock()).text


async def test_a_skip_while_something_is_due_leaves_that_and_takes_the_next(at: At) -> None:
    schedule = await at.add("every day at 18:00")
    at.clock.at = utc("2026-11-20 18:30")
    assert await at.store.write(lambda tx: planning.skip(tx, schedule, now=at.clock())) == utc("2026-11-21 18:00")
    due = await at.now(schedule)
    assert [each.at for each in planning.coming(due, now=at.clock(), most=1)] == [utc("2026-11-22 18:00")]
    # Also where it is found only when the skipped one has come as well.
    at.clock.at = utc("2026-11-21 18:10")
    at.restart()
    await at.schedules.turn()
    states = {row.at: (row.state, row.missed) for row in await at.history(schedule)}
    assert states == {utc("2026-11-20 18:00"): ("missed", 0), utc("2026-11-21 18:00"): ("skipped", 0)}
    assert (await at.now(schedule)).next_at == utc("2026-11-22 18:00")


async def test_what_fires_right_now_cannot_be_skipped(at: At) -> None:
    schedule = await at.add("at 18:00")
    at.clock.at = utc("2026-11-20 18:00:00.1")
    for instant in (None, utc("2026-11-20 18:00")):
        with pytest.raises(ScheduleError, match="too late to skip"):
            await at.store.write(lambda tx, at_=instant: planning.skip(tx, schedule, now=at.clock(), at=at_))


async def test_two_skips_take_two(at: At) -> None:
    schedule = await at.add("every day at 18:00")
    for day in (20, 21):
        found = await at.now(schedule)
        skipped = await at.store.write(lambda tx, found=found: planning.skip(tx, found, now=at.clock()))
        assert skipped == utc(f"2026-11-{day} 18:00")


async def test_a_skip_of_the_old_rule_takes_nothing_of_the_new_one(at: At) -> None:
    schedule = await at.add("every day at 16:00")
    await at.store.write(lambda tx: planning.skip(tx, schedule, now=at.clock()))
    changed = await at.edit(schedule, "every 30m | |")
    assert [each.at - FRIDAY for each in planning.coming(changed, now=at.clock())] == [1800, 3600, 5400]
    for seconds in (1800, 3600):
        await at.comes(FRIDAY + seconds)
    assert len(await at.sent()) == 2


# --- what has fired and waits


@pytest.fixture
async def quiet(at: At) -> At:
    """The same, and from ten to seven nothing is delivered."""
    at.policy = SchedulePolicy(quiet=parse_quiet("22:00-07:00"))
    at.restart()
    return at


async def _states(at: At) -> list[tuple[str, str, str]]:
    """Address, state and text of all that goes to the targets."""
    return [
        (row.address, row.state, Message.model_validate_json(row.payload).text)
        for row in await at.deliveries()
        if row.op == "send"
    ]


@pytest.mark.parametrize("act", [planning.pause, planning.remove])
async def test_what_waits_is_called_off_by_a_pause_and_a_removal(quiet: At, act: Any) -> None:
    schedule = await quiet.add("every day at 23:00", f"{ROOM}, club:a")
    await quiet.comes(utc("2026-11-20 23:00"))
    fired = await quiet.now(schedule)
    assert fired.fired == 1
    left = await quiet.store.write(lambda tx: act(tx, fired, now=quiet.clock()))
    assert (left.at, left.called_off) == (None, CalledOff(2))
    assert planning.left_words(fired, left).text == " What waited to be sent to 2 targets is called off."
    assert {state for _, state, _ in await _states(quiet)} == {"cancelled"}
    (row,) = await quiet.history(schedule)
    assert (row.state, row.broadcast) == ("skipped", 1)
    assert (await quiet.now(schedule)).fired == 0


async def test_of_what_has_left_for_some_the_rest_is_called_off_and_it_counts_as_sent(quiet: At) -> None:
    await quiet.store.write(lambda tx: tx.chats.set("-5", "timezone", "Asia/Tokyo"))
    schedule = await quiet.add("every day at 18:00", f"{ROOM}, club:a")
    await quiet.comes(utc("2026-11-20 18:00"))
    await _let_go(quiet, "club:a")
    left = await quiet.store.write(lambda tx: planning.remove(tx, schedule, now=quiet.clock()))
    assert left.called_off == CalledOff(1)
    assert {(address, state) for address, state, _ in await _states(quiet)} == {("club:a", "sent"), (ROOM, "cancelled")}
    (row,) = await quiet.history(schedule)
    assert row.state == "sent" and (await quiet.now(schedule)).fired == 1


async def _let_go(at: At, address: str) -> None:
    """What waits for its turn there was sent."""

    def unit(tx: Tx) -> None:
        for row in tx.outbox.list():
            if row.address == address:
                tx.db.execute("UPDATE outbox SET state = 'sent', parked = 0, starts = 1 WHERE id = ?", (row.id,))

    await at.store.write(unit)


async def test_a_once_that_waits_goes_out_with_its_new_words_and_once(quiet: At) -> None:
    schedule = await quiet.add("at 23:00", f"{ROOM}, club:a", "Doors open, number {n}")
    await quiet.comes(utc("2026-11-20 23:00"))
    draft = await quiet.store.read(lambda tx: _redrafted(quiet, tx, schedule.id, "| | Doors stay shut, {date}, {n}"))
    assert draft.notes == (
        "What was due at Fri 2026-11-20 23:00 UTC was not sent yet, and waits to be: it is changed, too.",
    )
    await quiet.edit(schedule, "| | Doors stay shut, {date}, number {n}")
    new = "Doors stay shut, Fri 2026-11-20, number 1"
    assert [(state, text) for _, state, text in await _states(quiet)] == [
        *[("cancelled", "Doors open, number 1")] * 2,
        *[("queued", new)] * 2,
    ]
    (row,) = await quiet.history(schedule)
    assert (row.state, row.number) == ("sent", 1) and (await quiet.now(schedule)).fired == 1
    await quiet.comes(utc("2026-11-21 07:00"))
    assert {row.due_at for row in await quiet.deliveries() if row.state == "queued"} == {utc("2026-11-21 07:00")}


def _redrafted(at: At, tx: Tx, id: int, line: str) -> planning.Draft:
    old = tx.schedules.get(id)
    assert old is not None
    read = parse_edit(line, now=at.clock(), zone="UTC")
    message = Message(text=read.text) if read.text else None
    return planning.redraft(tx, at.firing, old, read, message=message, here=None, now=at.clock())


async def test_new_targets_and_keys_are_those_of_what_waits_too(quiet: At) -> None:
    schedule = await quiet.add("every day at 23:00", ROOM)
    await quiet.comes(utc("2026-11-20 23:00"))
    await quiet.edit(schedule, "urgent=yes | club:a |")
    assert [(address, state) for address, state, _ in await _states(quiet)] == [
        (ROOM, "cancelled"),
        ("club:a", "queued"),
    ]
    (row,) = [row for row in await quiet.deliveries() if row.state == "queued"]
    assert row.due_at == quiet.clock(), "urgent: it waits no more"


async def test_with_another_rule_what_waits_is_called_off(quiet: At) -> None:
    schedule = await quiet.add("at 23:00", ROOM)
    await quiet.comes(utc("2026-11-20 23:00"))
    draft = await quiet.store.read(lambda tx: _redrafted(quiet, tx, schedule.id, "tomorrow 12:00 | |"))
    assert draft.notes == (
        "What was due at Fri 2026-11-20 23:00 UTC waits to be sent to 1 target: that is called off.",
    )
    await quiet.edit(schedule, "tomorrow 12:00 | |")
    assert [state for _, state, _ in await _states(quiet)] == ["cancelled"]
    await quiet.comes(utc("2026-11-21 12:00"))
    assert [state for _, state, _ in await _states(quiet)] == ["cancelled", "queued"]
    assert [row.state for row in await quiet.history(schedule)] == ["sent", "skipped"]


async def test_what_has_left_for_some_has_its_new_words_for_the_others(quiet: At) -> None:
    await quiet.store.write(lambda tx: tx.chats.set("-5", "timezone", "Asia/Tokyo"))
    await quiet.store.write(lambda tx: tx.chats.set("-6", "timezone", "Asia/Tokyo"))
    schedule = await quiet.add("at 18:00", f"{ROOM}, club:a, telegram:-6", "old {n}")
    await quiet.comes(utc("2026-11-20 18:00"))
    await _let_go(quiet, "club:a")
    line = f"| {ROOM}, club:a | new {{n}}"
    draft = await quiet.store.read(lambda tx: _redrafted(quiet, tx, schedule.id, line))
    assert "still waits to be sent to 2 targets: there the new words go out" in draft.notes[0]
    await quiet.edit(schedule, line)
    assert await _states(quiet) == [
        (ROOM, "queued", "new 1"),
        ("club:a", "sent", "old 1"),
        ("telegram:-6", "cancelled", "old 1"),
    ]
    (row,) = [row for row in await quiet.deliveries() if row.state == "queued"]
    assert (row.parked, row.due_at) == (LATER, utc("2026-11-20 22:00")), "it waits as it did"


async def test_what_waits_does_not_go_out_changed_before_somebody_approves_of_that(quiet: At) -> None:
    schedule = await quiet.add("at 23:00", ROOM, "old")
    await quiet.comes(utc("2026-11-20 23:00"))
    await quiet.edit(schedule, "approve=1 missed=send:8h | | new", is_admin=False)
    assert [state for _, state, _ in await _states(quiet)] == ["cancelled"]
    assert [row.state for row in await quiet.history(schedule)] == ["waits"]
    waiting = await quiet.now(schedule)
    await quiet.store.write(lambda tx: planning.approve(tx, quiet.firing, waiting, person="7", now=quiet.clock()))
    assert [(state, text) for _, state, text in await _states(quiet)] == [("cancelled", "old"), ("queued", "new")]
    assert [row.state for row in await quiet.history(schedule)] == ["sent"]


async def test_what_takes_the_place_of_another_one_still_does_when_it_was_changed(quiet: At) -> None:
    schedule = await quiet.add("every day at 23:00", ROOM, "first", replace=True, urgent=True)
    await quiet.comes(utc("2026-11-20 23:00"))
    await _let_go(quiet, ROOM)
    await quiet.edit(schedule, "urgent=no | | second")
    await quiet.comes(utc("2026-11-21 23:00"))
    await quiet.edit(schedule, "| | third")
    states = [(state, text) for _, state, text in await _states(quiet)]
    assert states == [("sent", "first"), ("cancelled", "second"), ("queued", "third")]

    def replaces(tx: Tx) -> tuple[int, ...]:
        now = tx.broadcasts.get(3)
        assert now is not None
        return tuple(kept(now).replaces)

    assert await quiet.store.read(replaces) == (1,)
    await quiet.store.write(lambda tx: planning.remove(tx, schedule, now=quiet.clock()))
    assert [row.op for row in await quiet.deliveries()] == ["send"] * 3, "the first one stays: nothing took its place"
