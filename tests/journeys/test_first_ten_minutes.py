"""A person's first ten minutes with the bot: the story that the README tells, step by step and in the same words."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.journeys.test_wizards import walk
from tests.journeys.world import ANN, FAILED, SENT, World

pytestmark = pytest.mark.asyncio(loop_scope="package")

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
BEGIN, END = "## Your first ten minutes", "## Commands in the chat"
EVE = 1010

TOLD = (
    "/start",
    "your role here is owner",
    "/doctor",
    "Nothing stops me from hearing or speaking here.",
    "/link",
    "Which conversation is this chat to be joined with?",
    "**Test**",
    "**Link**",
    "hello",
    "👌",
    f"/send telegram:{EVE} good morning",
    "💔",
    "/failed",
    "/retry ID",
    "👌",
)
"""What the README says, in this order; the story below does it."""


async def test_the_readme_tells_this_story() -> None:
    section = README[README.index(BEGIN) : README.index(END)]
    at = 0
    for words in TOLD:
        found = section.find(words, at)
        assert found >= 0, f"{words!r} does not follow in the README's {BEGIN[3:]!r}"
        at = found + len(words)


async def test_from_start_to_the_first_failure_that_is_mended(world: World) -> None:
    ops, eve = world.group("Ops"), world.private(EVE)
    world.telegram.add_user(EVE, "Eve")

    assert "your role here is owner" in await world.private(ANN).ask("/start")
    assert "Nothing stops me from hearing or speaking here." in await ops.ask("/doctor")

    ops.say("/link")
    page = await ops.hears("Which conversation is this chat to be joined with?")
    page = await walk(ops, page, "support", "Visitor 1 (room-42)", "Test", "Send the test")
    await world.settled()
    page = await walk(ops, page, "Refresh")
    assert page["text"].count("✅ it arrived") == 2
    page = await walk(ops, page, "Go on", "Link")
    assert page["text"].startswith(f"Linked: {ops.address} <-> support:room-42")

    await ops.marked(ops.say("hello"), SENT)
    await world.until(lambda: "Ann: hello" in world.pushed("room-42"))

    # Eve has never written to the bot, so Telegram does not let it write to her.
    number = ops.say(f"/send telegram:{EVE} good morning")
    await ops.marked(number, FAILED)
    failed = await ops.ask("/failed")
    assert f"telegram:{EVE}" in failed
    row = await world.delivery("good morning", state="dead")
    assert f"{row['id']} " in failed

    world.telegram.start(EVE)
    await ops.ask(f"/retry {row['id']}")
    await ops.marked(number, SENT)
    await world.until(lambda: "good morning" in eve.texts())
    for rule in await world.read("routes", "list"):
        await world.quick("routes", "remove", rule["name"])
