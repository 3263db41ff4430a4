"""Announcements and wizards killed where it matters: nothing lost, nothing twice, every target counted."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from bot.playground.emulator.world import WorldError
from tests.torture.processes import KILLED, Child, Starter
from tests.torture.torture import Bench, Plan, bench
from tests.torture.world import ACCOUNT, OWNER, chat_of

T = TypeVar("T")
EACH = 20
TEXT = "We are open."
CHAT = chat_of(0)
PLAN = Plan(kills=1, messages=0, policy="hold", quiet_s=30)
WITHIN_S = 20.0


async def until(look: Callable[[], T | None]) -> T:
    """Wait until there is something to see."""
    async with asyncio.timeout(WITHIN_S):
        while not (found := look()):  # noqa: ASYNC110 (what another process does)
            await asyncio.sleep(0.02)
    return found


class Story:
    """One owner in one chat, and the bot that is killed."""

    def __init__(self, made: Bench) -> None:
        self.made, self.emulator = made, made.world.emulator
        rooms = [f"room-{n}" for n in range(EACH)]
        made.world.provider.sandbox.rooms.extend(rooms)  # type: ignore[attr-defined]
        self.groups = [-1003000000000 - n for n in range(EACH)]
        for group in self.groups:
            self.emulator.add_group(group, f"Group {group}", members=[OWNER], admins=[self.emulator.bot.id])
        self.targets = [f"{ACCOUNT}:{room}" for room in rooms] + [f"telegram:{group}" for group in self.groups]

    def cards(self) -> list[dict[str, Any]]:
        """What the bot says in the chat and has buttons, the newest last."""
        mine = [m for m in self.emulator.messages(CHAT) if m.get("from", {}).get("id") == self.emulator.bot.id]
        return [message for message in mine if message.get("reply_markup", {}).get("inline_keyboard")]

    def press(self, label: str) -> bool | None:
        """Press it on the newest card that has it."""
        for card in reversed(self.cards()):
            try:
                self.emulator.press(OWNER, CHAT, card["message_id"], label)
            except WorldError:
                continue
            return True
        return None

    def arrived(self) -> Counter[str]:
        """How often the words arrived at each target."""
        found = Counter(f"{ACCOUNT}:{room}" for room, text in self.made.world.provider.accepted() if text == TEXT)
        for group in self.groups:
            found[f"telegram:{group}"] += sum(m.get("text") == TEXT for m in self.emulator.messages(group))
        return +found

    async def dies(self, child: Child) -> None:
        """It kills itself at its point."""
        async with asyncio.timeout(WITHIN_S):
            assert await child.wait() == KILLED, self.made.last_words()

    async def rows(self) -> list[dict[str, Any]]:
        """The announcement's deliveries."""
        every = json.loads(await self.made.command("outbox", "list", "--json"))
        return [row for row in every if row["text"] == TEXT]


async def begin(story: Story, *, kill_at: str) -> Child:
    """Start it, announce and press Send."""
    child = await story.made.start(kill_at=kill_at)
    story.emulator.say(OWNER, CHAT, f"/announce {', '.join(story.targets)} | {TEXT}")
    await until(lambda: story.press("Send"))
    return child


async def ends_well(story: Story, child: Child) -> Counter[str]:
    """Every target has exactly one delivery that is over, and got the words at most once; the states."""
    ends = asyncio.ensure_future(child.wait())
    assert await story.made.rest(ends, within_s=PLAN.quiet_s) == {}, story.made.last_words()
    assert await story.made.stop(child, ends) == ""
    rows, arrived = await story.rows(), story.arrived()
    assert Counter(row["address"] for row in rows) == Counter(story.targets), "one each"
    states = {row["address"]: row["state"] for row in rows}
    assert set(arrived.values()) <= {1}, "nothing twice"
    sent = {address for address, state in states.items() if state == "sent"}
    assert sent <= arrived.keys(), "what counts as sent arrived"
    assert {states[address] for address in arrived.keys() - sent} <= {"held"}, "what arrived is sent or in doubt"
    assert json.loads(await story.made.command("stats", "--json"))["balanced"]
    return Counter(states.values())


@pytest.mark.parametrize("kill_at", ["telegram.pressed:1", "broadcast.released:5", "broadcast.shown:1"])
async def test_an_announcement_that_was_killed_reaches_every_target_once(
    kill_at: str, starter: Starter, tmp_path: Path
) -> None:
    async with bench(PLAN, starter=starter, folder=tmp_path) as made:
        story = Story(made)
        await story.dies(await begin(story, kill_at=kill_at))
        states = await ends_well(story, await made.start())
    assert states["sent"] + states["held"] == 2 * EACH
    assert states["held"] <= 4, "what was under way"


async def test_a_stop_that_was_killed_after_it_was_decided_stays_decided(starter: Starter, tmp_path: Path) -> None:
    async with bench(PLAN, starter=starter, folder=tmp_path) as made:
        story = Story(made)
        child = await begin(story, kill_at="telegram.pressed:2")
        await until(lambda: story.press("Stop"))
        await story.dies(child)
        already = len(story.arrived())
        states = await ends_well(story, await made.start())
    assert states["cancelled"] >= 2 * EACH - already - 4
    assert states.keys() <= {"sent", "held", "cancelled"}


async def test_a_wizard_that_was_killed_after_a_step_goes_on_there(starter: Starter, tmp_path: Path) -> None:
    async with bench(PLAN, starter=starter, folder=tmp_path) as made:
        story = Story(made)
        child = await made.start(kill_at="telegram.pressed:1")
        story.emulator.say(OWNER, CHAT, "/announce")
        page = await until(lambda: next(iter(story.cards()), None))
        first = page["reply_markup"]["inline_keyboard"][0][0]["text"]
        story.press(first)
        await story.dies(child)
        child = await made.start()
        # What it shows is not what counts any more: a button of it brings the page that does.
        story.press(first)
        shown = await until(lambda: next((c["text"] for c in story.cards() if c["text"] != page["text"]), None))
        ends = asyncio.ensure_future(child.wait())
        assert await made.stop(child, ends) == ""
    assert shown.split("\n")[0] == page["text"].split("\n")[0], "the same wizard"
