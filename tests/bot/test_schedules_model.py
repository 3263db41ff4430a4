"""Schedules against a model: a random walk of time, jumps, stops and commands, and what must have become of it all.

The model knows nothing but the instants that rules mean and one mark for each schedule: up to where something became
of them.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path

import pytest

from bot import planning, schedules
from bot.planning import ScheduleError
from bot.plans import plan_of
from bot.recurrence import Occurrence, Rule, occurrences
from bot.schedule_line import Missed
from bot.schedules import LATE_S
from bot.store import Tx
from bot.store.schedules import Schedule
from bot.when import WhenError, parse_when
from bridges.model import Message
from tests.bot.fakes import opened
from tests.bot.test_schedules import At, utc
from tests.journeys.world import until

BEGIN = utc("2026-03-28 12:00")
"""The next night clocks are set forward in Berlin, and later in Lord Howe set back by half an hour."""
HOUR = 3600.0
SEEDS = range(4)
STEPS = 150
RULES = (
    "every 10m UTC",
    "every 90m UTC",
    "every hour UTC",
    "every day at 02:30 Europe/Berlin",
    "every day at 18:00 America/New_York",
    "every weekday at 09:00 Europe/London",
    "cron 0,20 2-4 * * * Europe/Berlin",
    "every 45m UTC 8 times",
    "at 2026-03-29 02:15 Europe/Berlin",
    "at 2026-03-28 20:00 UTC",
    "every 3h until 2026-03-30 UTC",
)
POLICIES: Sequence[Missed] = ("skip", 3600, 600, "ask")
JUMPS = {-86400.0: 1, -3600.0: 4, -5.0: 4, -0.5: 2, 3.0: 2, 3600.0: 4, 6 * 3600.0: 4, 86400.0: 2}
"""Seconds by which the clock is set, and how often that happens."""
JUMPED_S = 5.0
"""More of it than a second is a jump, forwards."""


@dataclass
class Model:
    """One schedule as it ought to be."""

    id: int
    rule: Rule
    made_at: float
    missed: Missed
    mark: float
    """Up to here something became of all its occurrences."""
    is_on: bool = True
    rows: dict[float, tuple[str, int]] = field(default_factory=dict)
    """What is written down of an instant: its state, and how many before it were missed with it."""
    told: int = 0
    """Of how many its author hears."""
    now: int = 0
    """How often it was sent by hand."""

    def pending(self, now: float) -> list[Occurrence]:
        """Those that are due and nothing became of."""
        coming = occurrences(self.rule, made_at=self.made_at, after=self.mark)
        return [each for each in takewhile(lambda each: each.at <= now, coming) if each.at not in self.rows]

    def following(self, after: float) -> Occurrence | None:
        """The next of which nothing became, later than that."""
        coming = occurrences(self.rule, made_at=self.made_at, after=max(after, self.mark))
        return next((each for each in coming if each.at not in self.rows), None)

    def lapses(self, state: str, now: float) -> int:
        """What is due is not sent any more; returns how many those are."""
        due = self.pending(now)
        if due:
            self.rows[due[-1].at] = (state, len(due) - 1)
            self.mark = due[-1].at
        return len(due)

    def turn(self, now: float, *, missed_before: float) -> None:
        """What is due is dealt with."""
        due = self.pending(now) if self.is_on else []
        if not due:
            return
        last, before = due[-1], len(due) - 1
        self.mark = last.at
        late = last.at < missed_before
        if not late:
            state = "sent"
        elif self.missed == "ask":
            state = "asked"
        else:
            state = "sent" if self.missed != "skip" and now - last.at <= self.missed else "missed"
        self.rows[last.at] = (state, before)
        self.told += late or before > 0 or last.meant is not None


class Walk:
    """One engine and its model, side by side."""

    def __init__(self, at: At, chance: random.Random) -> None:
        self.at, self.chance = at, chance
        self.models: list[Model] = []
        self.runs = True
        self.missed_before = BEGIN - LATE_S
        self.done: Counter[str] = Counter()
        at.clock.at = BEGIN
        at.restart()

    @property
    def now(self) -> float:
        return self.at.clock()

    async def turns(self) -> None:
        """Both deal with what is due, and what goes out arrives at once."""
        await self.at.schedules.turn()
        await self.arrives()
        for each in self.models:
            each.turn(self.now, missed_before=self.missed_before)

    async def arrives(self) -> None:
        """Nothing waits for its turn: what waits does not outlast a pause or a change."""
        arrive = "UPDATE outbox SET state = 'sent', parked = 0, starts = 1 WHERE broadcast IS NOT NULL"
        await self.at.store.write(lambda tx: tx.db.execute(arrive))

    # --- time

    async def passes(self, seconds: float) -> None:
        """Time passes as it does; each alarm rings, a little late."""
        ends = self.now + seconds
        while self.runs:
            first = min((o.at for m in self.models if m.is_on and (o := m.following(0.0))), default=ends)
            if first >= ends:
                break
            self._awake(max(self.now, first + self.chance.choice((0.0, 0.01, 0.4))))
            await self.turns()
        if self.runs:
            self._awake(max(self.now, ends))
            await self.turns()
        else:
            self.at.clock.at = ends

    def _awake(self, instant: float) -> None:
        self.at.clock.at = instant
        self.at.schedules._beaten_at = instant

    async def jumps(self, seconds: float) -> None:
        """The clock is set, or goes on while the process sleeps."""
        self.at.clock.at += seconds
        if not self.runs:
            return
        if seconds > JUMPED_S:
            self.missed_before = self.now - LATE_S
        elif seconds < -1.0:
            self.missed_before = min(self.missed_before, self.now - LATE_S)
        if self.chance.random() < 0.5:
            self.at.schedules.beat()  # else an alarm rings first
        await self.turns()
        self.at.schedules.beat()

    async def starts(self) -> None:
        """A process begins."""
        self.at.restart()
        self.runs, self.missed_before = True, self.now - LATE_S
        await self.turns()

    # --- commands

    async def adds(self) -> None:
        """Somebody makes one."""
        when, missed = self.chance.choice(RULES), self.chance.choice(POLICIES)
        try:
            made = await self.at.add(when, missed=missed)
        except (ScheduleError, WhenError):
            return  # it is over already
        rule = parse_when(when, now=self.now, zone="UTC")
        self.models.append(Model(made.id, rule, self.now, missed, self.now))

    async def pauses(self, model: Model) -> None:
        """It is paused, or goes on."""
        found = await self.at.store.read(lambda tx: tx.schedules.get(model.id))
        assert found is not None
        if model.is_on:
            left = await self.at.store.write(lambda tx: planning.pause(tx, found, now=self.now))
            assert (left.at is not None) == (model.lapses("skipped", self.now) > 0), "it says what is not sent any more"
        else:
            held = await self.at.store.write(lambda tx: planning.resume(tx, found, now=self.now))
            assert held == model.lapses("skipped", self.now), "it says how many the pause held"
        model.is_on = not model.is_on

    async def skips(self, model: Model) -> None:
        """The next one is left out."""
        found = await self.at.store.read(lambda tx: tx.schedules.get(model.id))
        assert found is not None
        following = model.following(self.now)
        try:
            skipped = await self.at.store.write(lambda tx: planning.skip(tx, found, now=self.now))
        except ScheduleError:
            assert following is None
            return
        assert following is not None and skipped == following.at
        model.rows[skipped] = ("skipped", 0)

    async def sends(self, model: Model) -> None:
        """It is sent by hand."""
        found = await self.at.store.read(lambda tx: tx.schedules.get(model.id))
        assert found is not None
        assert await self.at.store.write(lambda tx: planning.send_now(tx, self.at.firing, found, now=self.now))
        model.now += 1
        await self.arrives()

    async def edits(self, model: Model) -> None:
        """It gets other words, or another rule, which counts from now on."""
        when = self.chance.choice(RULES) if self.chance.random() < 0.5 else None
        became = [at for at, (state, _) in model.rows.items() if state != "skipped"]
        if when is not None and self.now < max(model.mark, *became, 0.0):
            return  # the clock was set back: two rules would mean the same instants
        found = await self.at.store.read(lambda tx: tx.schedules.get(model.id))
        assert found is not None
        try:
            rule = model.rule if when is None else parse_when(when, now=self.now, zone="UTC")
        except WhenError:
            return  # that is over already
        made_at = model.made_at if when is None else self.now
        plan = plan_of(found)
        try:
            draft = await self.at.store.read(
                lambda tx: planning.draft(
                    tx, self.at.firing, rule=rule, options=plan.options, targets=", ".join(found.targets),
                    message=Message(text="Other words"), here=None, now=self.now, made_at=made_at, but=found.id,
                )
            )  # fmt: skip
        except ScheduleError:
            return  # that is over already
        await self.at.store.write(
            lambda tx: planning.change(tx, self.at.firing, found, draft, is_admin=True, now=self.now)
        )
        if when is not None:
            # What was due before the change is not sent any more, and that is not kept silent.
            if model.lapses("missed" if model.is_on else "skipped", self.now):
                model.told += model.is_on
            model.rows = {at: row for at, row in model.rows.items() if at <= self.now or row[0] != "skipped"}
            model.rule, model.made_at, model.mark = rule, made_at, self.now

    # --- the walk

    async def step(self) -> None:
        """Anything may happen."""
        chance = self.chance
        what = chance.choices(
            ("passes", "jumps", "stops", "adds", "pauses", "skips", "sends", "edits"), (40, 14, 16, 6, 10, 8, 4, 10)
        )[0]
        self.done[what] += 1
        match what:
            case "passes":
                await self.passes(chance.choice((0.5, 30.0, 700.0, 3000.0, 30000.0)))
            case "jumps":
                await self.jumps(chance.choices(list(JUMPS), list(JUMPS.values()))[0])
            case "stops" if self.runs:
                await self.turns()
                self.runs = False
            case "stops":
                await self.passes(chance.choice((0.2, 4.0, 6.0, 900.0, 20000.0)))
                await self.starts()
            case "adds":
                await self.adds()
            case _:
                await getattr(self, what)(chance.choice(self.models))

    async def compare(self) -> None:
        """Everything that is written down is as the model says, and everything that was sent is written down."""
        for model in self.models:
            found = await self.at.store.read(lambda tx, id=model.id: tx.schedules.history(id, limit=10_000))
            ruled = {row.at: (row.state, row.missed) for row in found if row.at % 1 == 0}
            assert ruled == model.rows, model
            assert sum(row.at % 1 > 0 for row in found) == model.now
            now = await self.at.store.read(lambda tx, id=model.id: tx.schedules.get(id))
            following = model.following(0.0)
            assert now is not None and now.next_at == (None if following is None else following.at), model
        sent = sum(state == "sent" for model in self.models for state, _ in model.rows.values())
        deliveries = await self.at.deliveries()
        assert len(deliveries) == sent + sum(model.now for model in self.models)
        assert len({row.broadcast for row in deliveries}) == len(deliveries), "one target, one delivery"
        # A message names each schedule once, and all of its instants.
        told: Counter[str] = Counter()
        for block in (block for text in await self.at.told() for block in text.split("\n\n")):
            told[block.partition(":")[0]] += block.lower().count("what was due at ")
        for model in self.models:
            assert told[f"Schedule {model.id}"] == model.told, model


@pytest.fixture
async def at(tmp_path: Path) -> AsyncIterator[At]:
    async with opened(tmp_path) as store:
        yield At(store)


@pytest.mark.parametrize("seed", SEEDS)
async def test_whatever_happens_each_occurrence_is_accounted_for_once(at: At, seed: int) -> None:
    walk = Walk(at, random.Random(seed))
    for _ in range(6):
        await walk.adds()
    for _ in range(STEPS):
        await walk.step()
    if not walk.runs:
        await walk.starts()
    await walk.turns()
    await walk.compare()
    assert min(walk.done[what] for what in ("passes", "jumps", "stops", "edits")) > 0
    assert sum(len(model.rows) for model in walk.models) > 60


# --- what the walk met, one by one


async def _edited(at: At, schedule: Schedule, *, when: str | None = None) -> None:
    """It gets other words, or another rule."""
    old = await at.now(schedule)
    plan = plan_of(old)
    rule = plan.rule if when is None else parse_when(when, now=at.clock(), zone="UTC")

    def unit(tx: Tx) -> None:
        made = planning.draft(
            tx, at.firing, rule=rule, options=plan.options, targets=", ".join(old.targets),
            message=Message(text="Other words"), here=None, now=at.clock(),
            made_at=plan.made_at if when is None else at.clock(), but=old.id,
        )  # fmt: skip
        planning.change(tx, at.firing, old, made, is_admin=True, now=at.clock())

    await at.store.write(unit)


async def test_other_words_leave_what_is_skipped(at: At) -> None:
    schedule = await at.add("every day at 18:00")
    await at.store.write(lambda tx: planning.skip(tx, schedule, now=at.clock()))
    await _edited(at, schedule)
    assert (await at.now(schedule)).next_at == utc("2026-11-21 18:00")


async def test_what_is_due_this_moment_goes_out_with_other_words(at: At) -> None:
    schedule = await at.add("every day at 18:00")
    at.clock.at = utc("2026-11-20 18:00:00.2")
    await _edited(at, schedule)
    await at.comes(utc("2026-11-20 18:00:00.3"))
    assert await at.sent() == ["Other words"]


async def test_what_was_due_before_another_rule_is_not_missed_in_silence(at: At) -> None:
    schedule = await at.add("every day at 18:00")
    at.clock.at = utc("2026-11-20 18:00:00.2")
    await _edited(at, schedule, when="every day at 19:00")
    await at.comes(utc("2026-11-20 18:00:00.3"))
    assert await at.sent() == []
    (line,) = await at.told()
    assert "Fri 2026-11-20 18:00 UTC was missed" in line and "changed when this was due" in line
    assert (await at.now(schedule)).next_at == utc("2026-11-20 19:00")


async def test_after_a_clock_was_set_back_other_words_fire_nothing_again(at: At) -> None:
    schedule = await at.add("every 10m", missed=3600)
    await at.comes(utc("2026-11-20 18:05"), asleep=True)
    ((row, *_), sent) = await at.history(schedule), await at.sent()
    assert (row.missed, len(sent)) == (17, 1)
    await Walk(at, random.Random(1)).arrives()
    await at.comes(utc("2026-11-20 16:05"), asleep=True)
    await _edited(at, schedule)
    await at.comes(utc("2026-11-20 16:10"))
    assert await at.sent() == sent
    assert (await at.now(schedule)).next_at == utc("2026-11-20 18:10")


@pytest.mark.parametrize(("options", "comes"), [({"approve": 1}, "18:00"), ({"warn": 900}, "17:45")])
async def test_one_that_cannot_be_read_keeps_nobody_from_hearing_of_others(
    at: At, options: dict[str, object], comes: str
) -> None:
    broken = await at.add("at 18:00", **options)
    await at.add("at 17:00", missed="skip")
    await at.store.write(lambda tx: tx.db.execute("UPDATE schedules SET rule = 'nonsense' WHERE id = ?", (broken.id,)))
    await at.comes(utc(f"2026-11-20 {comes}"), asleep=True)
    assert any("17:00 UTC was missed" in line for line in await at.told())


async def test_a_clock_set_forward_a_little_makes_nothing_late(at: At, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedules, "BEAT_S", 0.01)
    # Behind the clock that alarms go by: those ring at once, in vain.
    at.clock.at = time.time() - HOUR
    at.restart()
    await at.add("in 10s")
    at.schedules.start()
    try:
        alarms = at.schedules._scheduler
        assert alarms is not None
        await until(lambda: at.schedules._alarms and not alarms.get_jobs())
        for _ in range(4):
            at.clock.at += 3.0
            await until(lambda: at.schedules._beaten_at == at.clock.at)
        await until(at.sent)
    finally:
        await at.schedules.stop()
    assert await at.sent() == ["Stand-up!"]
    assert await at.told() == [], "that was no jump"
