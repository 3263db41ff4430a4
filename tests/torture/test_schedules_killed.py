"""Schedules killed at every step around a firing, and at random: each occurrence once, none missed in silence."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from bot.recurrence import Interval, Rule
from bot.schedule_line import Options
from tests.torture.processes import KILLED, Starter
from tests.torture.schedules import Figures, Plan, Wanted, Yard, in_words, judge, once, storm, yard

WITHIN_S = 20.0
POINTS = {
    "schedule.due": 2,
    "schedule.firing": 9,
    "schedule.telling": 1,
    "schedule.ending": 1,
    "schedule.fired": 3,
    "delivery.begun": 7,
    "delivery.answered": 4,
    "delivery.settled": 12,
    "broadcast.released": 4,
}
"""Every step around a firing, and at which hit the second start dies there; the first dies at its first."""
BEFORE_ALL = {"schedule.due", "schedule.firing"}
"""Where these die nothing has fired yet: a life without a kill comes first, so that there is something to replace."""
LONG_AGO_S = 30.0
"""So late, an occurrence is missed."""
MANY = 12
"""To so many targets, deliveries are let go a few at a time."""
REPEATING = Rule(Interval(10), "UTC", times=1)


class Story:
    """What is due in the lives of one bot."""

    def __init__(self, ground: Yard) -> None:
        self.ground = ground
        self.figures = Figures()
        self.repeats: Wanted | None = None
        self.latest = 0.0

    async def due(self) -> None:
        """Some of every kind are due now, or a moment ago; those that were missed are told of."""
        # No instant of one schedule twice, however soon it died.
        ground, at = self.ground, max(float(int(time.time())), self.latest + 1)
        self.latest = at
        rooms, groups, plain = ground.rooms, ground.groups, Options()
        made_at = at - 10.0
        specs: list[tuple[Rule, float, Sequence[str], Options]] = [
            *((once(at), made_at, [room], plain) for room in rooms[:6]),
            (once(at), made_at, [*rooms[4:8], *groups[:2]], plain),
            (once(at), made_at, [*rooms[8 : 8 + MANY], groups[2]], plain),
            (once(at), made_at, [groups[3]], replace(plain, pin=True)),
            (once(at), made_at, [groups[4], rooms[20]], replace(plain, expire=1)),
            (once(at + 1), made_at, rooms[21:24], plain),
        ]
        await ground.add(*specs)
        if self.repeats is None:
            targets = [*rooms[24:26], groups[5]]
            (self.repeats,) = await ground.add((REPEATING, made_at, targets, replace(plain, replace=True)))
        elif self.is_fired(self.repeats):
            self.repeats = await ground.again(self.repeats, REPEATING, made_at)
        for number, (missed, state) in enumerate((("skip", "missed"), ("ask", "asked"), (60, "sent"))):
            long_ago = at - LONG_AGO_S
            options = replace(plain, missed=missed)  # type: ignore[arg-type]
            (made,) = await ground.add((once(long_ago), long_ago - 10, [rooms[27 + number]], options))
            ground.wanted[-1] = replace(made, state=state)

    def is_fired(self, wanted: Wanted) -> bool:
        """Whether something became of all its occurrences."""
        ((number,),) = self.ground.rows("SELECT COUNT(*) FROM occurrences WHERE schedule = ?", wanted.id)
        return bool(number == len(wanted.instants))

    async def lives(self) -> list[str]:
        """It is started and left alone until there is nothing left to do; what was wrong."""
        return await self.ground.rest(await self.ground.made.start(), within_s=WITHIN_S)

    async def dies(self, kill_at: str) -> None:
        """It is started, and kills itself there."""
        child = await self.ground.made.start(kill_at=kill_at)
        try:
            async with asyncio.timeout(WITHIN_S):
                code = await child.wait()
        except TimeoutError:
            raise AssertionError(f"never came to {kill_at}: {self.ground.undone()}") from None
        assert code == KILLED, f"ended with {code} in place of dying at {kill_at}: {self.ground.made.last_words()}"

    async def ends(self) -> list[str]:
        """It has its last life; what is wrong with what came of it all."""
        wrong = await self.lives()
        judge(self.ground, self.figures)
        return [*wrong, *self.figures.violations, *self._pins(), *self._words()]

    def _pins(self) -> list[str]:
        """What is to be pinned is, unless its message is in doubt."""
        group = self.ground.groups[3].partition(":")[2]
        rows = self.ground.rows(
            "SELECT op, state FROM outbox WHERE account = 'telegram' AND conversation = ? ORDER BY id", group
        )
        sent, pinned = rows.count(("send", "sent")), rows.count(("pin", "sent"))
        doubt = sum(state == "held" for _, state in rows)
        if sent - doubt <= pinned <= sent + doubt:
            return []
        return [f"{sent} messages to be pinned and {pinned} pins: {rows}"]

    def _words(self) -> list[str]:
        """Of each that was missed its author hears once."""
        payloads = [payload for (payload,) in self.ground.rows("SELECT payload FROM outbox WHERE broadcast IS NULL")]
        wrong = []
        late = {id for (id,) in self.ground.rows("SELECT schedule FROM occurrences WHERE decided_at - at > 6")}
        for id in sorted(late):
            told = sum(payload.count(f"Schedule {id}:") for payload in payloads)
            if told != 1:
                wrong.append(f"of what schedule {id} missed its author hears {told} times")
        return wrong


@pytest.mark.parametrize("points", [list(POINTS)[start::3] for start in range(3)], ids=lambda points: " ".join(points))
async def test_a_kill_around_a_firing_loses_and_doubles_nothing(
    points: Sequence[str], starter: Starter, tmp_path: Path
) -> None:
    async def killed_at(point: str) -> list[str]:
        folder = tmp_path / point
        folder.mkdir()
        async with yard(starter=starter, folder=folder) as ground:
            story = Story(ground)
            if point in BEFORE_ALL:
                await story.due()
                assert await story.lives() == []
            for hit in (1, POINTS[point]):
                await story.due()
                await story.dies(f"{point}:{hit}")
            return await story.ends()

    wrong = await asyncio.gather(*map(killed_at, points))
    assert {point: found for point, found in zip(points, wrong, strict=True) if found} == {}


async def test_random_kills_while_many_are_due_lose_and_double_nothing(
    starter: Starter, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = Plan(kills=12, schedules=200, span_s=4, seed=20261122)
    figures = await storm(plan, starter=starter, folder=tmp_path)
    with capsys.disabled():
        print(f"\n{in_words(figures)}")
    assert figures.violations == [], f"seed {plan.seed}: {json.dumps(asdict(figures), ensure_ascii=False)}"
    assert (figures.kills, figures.lost, figures.doubled) == (plan.kills, 0, 0)
    assert figures.kills_while_due >= plan.kills // 2, "they were there when it mattered"
