"""Killed at every step of both paths, and at random: nothing lost, nothing twice that policy forbids, order kept."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from bot import faultpoints
from tests.torture.processes import KILLED, Starter
from tests.torture.torture import Bench, Figures, Plan, bench, finish, torture
from tests.torture.world import ASKABLE, Kind

HIT_WITHIN_S = 20.0
MORE_EVERY_S = 0.2
KINDS: Sequence[Kind] = ("t", "c", "h", "p")
EACH = 3
"""Messages of each of two streams of each kind, in each wave."""

PLANS = {
    "cinnox, hold": Plan(kills=0, messages=0, policy="hold", quiet_s=20),
    "cinnox, resend": Plan(kills=0, messages=0, policy="resend", quiet_s=20),
    "echo, which can be asked": Plan(kills=0, messages=0, policy="hold", provider="echo", quiet_s=20),
    "NetSapiens, whose sessions can be read": Plan(
        kills=0, messages=0, policy="hold", provider="netsapiens", quiet_s=20
    ),
    "OpenIM, which remembers operations": Plan(kills=0, messages=0, policy="hold", provider="openim", quiet_s=20),
}

ONCE_A_START = {"start.opened", "start.recovered", "delivery.confirmed", "stop.begun", "stop.drained"}
"""Points that a process comes to once for certain: for the third hit, three starts die there."""
ASKED_ONLY = {"delivery.confirmed"}
"""Points that only a provider that can be asked leads to."""
BUTTONS_ONLY = {"telegram.pressed", "broadcast.released", "broadcast.shown"}
"""Points that only pressed buttons lead to: ``test_announcing_killed.py``."""
SCHEDULES_ONLY = {name for name in faultpoints.POINTS if name.startswith("schedule.")}
"""Points that only schedules lead to: ``test_schedules_killed.py``."""
WITH_A_SEND = {"start.recovered", "delivery.begun", "delivery.answered", "delivery.confirmed", "delivery.settled"}
"""Points at which it matters that a provider can be asked."""
AFTER_A_SEND = {"start.recovered", "delivery.confirmed"}
"""Points that need something found under way: the bot is first killed in the middle of a send."""


async def _dies(made: Bench, *, at: str, stops: bool, kinds: Sequence[Kind] = KINDS) -> None:
    """Start it, write a wave, and see it die at a point."""
    child = await made.start(kill_at=at)
    ends = asyncio.ensure_future(child.wait())
    for _ in range(EACH):
        for kind in kinds:
            for k in (0, 1):
                made.world.write(kind, k)
    if stops:
        assert not (left := await made.rest(ends, within_s=HIT_WITHIN_S)), left
        made.terminate(child)
    try:
        async with asyncio.timeout(HIT_WITHIN_S):
            # One batch of updates holds all that was written by then: more of them need more to be written.
            while not stops and not (await asyncio.wait([ends], timeout=MORE_EVERY_S))[0]:
                made.world.write("t", 0)
            code = await ends
    except TimeoutError:
        raise AssertionError(f"never came to {at}; {made.undone()}; {made.last_words()}") from None
    assert code == KILLED, f"ended with {code} in place of dying at {at}: {made.last_words()}"
    made.after_kill()


async def _killed_at(point: str, hit: int, plan: Plan, *, starter: Starter, folder: Path) -> list[str]:
    folder.mkdir()  # noqa: ASYNC240 (nobody waits yet)
    async with bench(plan, starter=starter, folder=folder) as made:
        if point in AFTER_A_SEND:
            # Towards the provider: what is under way to Telegram is not asked about.
            await _dies(made, at="delivery.answered:3", stops=False, kinds=("t",))
        starts, at = (hit, 1) if point in ONCE_A_START else (1, hit)
        for _ in range(starts):
            await _dies(made, at=f"{point}:{at}", stops=point.startswith("stop."))
        child = await made.start()
        figures = Figures()
        return await finish(made, child, plan, figures) + figures.violations


@pytest.mark.parametrize("point", [name for name in faultpoints.POINTS if name not in BUTTONS_ONLY | SCHEDULES_ONLY])
async def test_a_kill_at_this_point_breaks_no_promise(point: str, starter: Starter, tmp_path: Path) -> None:
    plans = {
        name: plan
        for name, plan in PLANS.items()
        if (point in WITH_A_SEND if plan.provider in ASKABLE else point not in ASKED_ONLY)
    }
    cases = [(name, hit) for name in plans for hit in (1, 3)]
    results = await asyncio.gather(
        *(
            _killed_at(point, hit, plans[name], starter=starter, folder=tmp_path / str(number))
            for number, (name, hit) in enumerate(cases)
        )
    )
    assert {f"{name}, hit {hit}": r for (name, hit), r in zip(cases, results, strict=True) if r} == {}


@pytest.mark.parametrize(("path", "policy"), [("telegram", "hold"), ("hooks", "resend")])
async def test_random_kills_break_no_promise(path: str, policy: str, starter: Starter, tmp_path: Path) -> None:
    plan = Plan(kills=8, messages=400, path=path, policy=policy, seed=20261121)  # type: ignore[arg-type]
    figures = await torture(plan, starter=starter, folder=tmp_path)
    assert figures.violations == [], f"seed {plan.seed}: {json.dumps(figures.to_json(), ensure_ascii=False)}"
    assert figures.kills == plan.kills


async def test_five_restarts_under_load_lose_double_and_hold_nothing(starter: Starter, tmp_path: Path) -> None:
    plan = Plan(kills=5, messages=300, policy="hold", gently=True, gap_s=(0.2, 0.5), seed=5)
    figures = await torture(plan, starter=starter, folder=tmp_path)
    assert figures.violations == [], f"seed {plan.seed}: {json.dumps(figures.to_json(), ensure_ascii=False)}"
    assert (figures.lost, figures.duplicates, figures.held, figures.in_flight) == (0, 0, 0, 0)
