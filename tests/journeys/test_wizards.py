"""Wizards over real HTTP: a link that is tried out before it is made, a restart in the middle, Telegram's own list."""

from __future__ import annotations

from typing import Any

import pytest

from tests.journeys.world import ANN, Chat, World

pytestmark = pytest.mark.asyncio(loop_scope="package")

Json = dict[str, Any]


def buttons(card: Json) -> dict[str, str]:
    """Label and data of each button of a page."""
    rows = card.get("reply_markup", {}).get("inline_keyboard", [])
    return {button["text"]: button["callback_data"] for row in rows for button in row}


async def walk(chat: Chat, page: Json, *labels: str) -> Json:
    """Press one after the other, each named by how it begins; returns the page as it is then."""
    for beginning in labels:
        before = chat.now(page)
        label = next((label for label in buttons(before) if label.startswith(beginning)), None)
        assert label is not None, (beginning, before)
        await chat.press(before, label)
        await chat.world.until(lambda before=before: chat.now(before) != before, told=lambda: str(chat.texts()))
        page = chat.now(page)
    return page


async def test_a_link_is_tried_out_both_ways_and_made_after_a_restart_in_the_middle(world: World) -> None:
    ops = world.group("Ops")
    ops.say("/link")
    page = await walk(ops, await ops.hears("Which conversation is this chat to be joined with?"), "support")
    ops.say("room-42", reply_to=page["message_id"])
    page = await ops.hears("are joined")
    assert await world.read("routes", "list") == []

    await world.restart()
    page = await walk(ops, page, "Test", "Send the test")
    await ops.hears("🔧 A test of Patchbay by Ann")
    await world.until(lambda: any(text.startswith("🔧") for text in world.pushed("room-42")))
    await world.settled()
    page = await walk(ops, page, "Refresh")
    assert page["text"].count("✅ it arrived") == 2
    assert await world.read("routes", "list") == []

    page = await walk(ops, page, "Go on", "Link")
    assert page["text"].startswith(f"Linked: {ops.address} <-> support:room-42 (route ")
    assert buttons(page) == {}
    ops.say("it works")
    await world.until(lambda: any("it works" in text for text in world.pushed("room-42")))
    for row in await world.read("routes", "list"):
        await world.quick("routes", "remove", row["name"])


async def test_a_chat_is_picked_in_telegrams_own_list_and_its_buttons_go_again(world: World) -> None:
    alone, far = world.private(ANN), world.group("Far away")
    alone.say("/route add")
    page = await walk(alone, await alone.hears("Where do the messages come from?"), "Telegram", "Another chat")
    await alone.hears("Choose the chat with a button below the field for text.")
    world.telegram.share_chat(ANN, far.id, "Choose a group")
    await alone.hears("The buttons below are put away.")
    page = await alone.hears("Where do they go?")
    assert far.address in page["text"]
    alone.say("club:lobby")
    page = await walk(alone, await alone.hears("Which way do messages go"), "One way (->)", "Skip", "Save")
    assert page["text"].startswith("Route ")
    (rule,) = await world.read("routes", "list")
    assert (rule["source"], rule["arrow"], rule["target"]) == (far.address, "->", "club:lobby")
    await world.quick("routes", "remove", rule["name"])


async def test_what_is_missing_to_write_in_a_chat_is_said_where_it_is_picked(world: World) -> None:
    ops, forum = world.group("Ops"), world.group("Desks", is_forum=True)
    await forum.ask("/here")
    world.telegram.set_member(forum.id, world.telegram.bot.id, "member")
    ops.say("/route add")
    page = await walk(
        ops, await ops.hears("Where do the messages come from?"), "club", "Everything", "Telegram", "Desks"
    )
    page = await walk(ops, page, "A new topic")
    assert "⚠ Desks: I may not open topics there. Make me an admin" in page["text"]
    assert await ops.ask("/cancel") == "Cancelled: the wizard of /route add is left, nothing was changed."


async def test_the_conversations_that_a_provider_lists_are_offered_and_ordinary_talk_goes_on(world: World) -> None:
    ops = world.group("Ops")
    ops.say("/link")
    page = await walk(ops, await ops.hears("Which conversation is this chat to be joined with?"), "support")
    assert [label for label in buttons(page) if "room-" in label] == ["Visitor 1 (room-42)", "Visitor 2 (room-43)"]
    ops.say("room-42")
    await ops.quiet()
    assert not [text for text in ops.texts() if "are joined" in text]
    assert buttons(await walk(ops, page, "Cancel")) == {}


async def test_a_provider_that_cannot_be_asked_does_not_stop_the_wizard(world: World) -> None:
    ops = world.group("Ops")
    ops.say("/link")
    page = await ops.hears("Which conversation is this chat to be joined with?")
    await world.servers["support"].down()
    try:
        page = await walk(ops, page, "support")
    finally:
        await world.servers["support"].up()
    assert "⚠ support could not be asked for its conversations" in page["text"]
    ops.say("room-42", reply_to=page["message_id"])
    await walk(ops, await ops.hears("are joined"), "Cancel")
