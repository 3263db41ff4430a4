"""What people at the providers do to messages: take them back, react, come and go; and what we do to theirs."""

from __future__ import annotations

import pytest

from bridges.openim import wire as openim
from bridges.openim.sandbox import GROUP_ID, OpenIMSandbox
from bridges.returning_ai.sandbox import CHANNELS, ReturningAiSandbox
from bridges.sandboxes import Sandbox
from tests.journeys.world import ANN, BO, SECRETS, SENT, Chat, World

pytestmark = pytest.mark.asyncio(loop_scope="package")

GENERAL = CHANNELS[0].id
PLACE = {"description": "London", "longitude": -0.12776, "latitude": 51.50735}


def sides() -> dict[str, Sandbox]:
    """The accounts beside those that every world has."""
    return {
        "im": OpenIMSandbox(secret=SECRETS["openim"]),
        "rai": ReturningAiSandbox(token=SECRETS["returning_ai"], echoes=True),
    }


def im(world: World) -> OpenIMSandbox:
    side = world.sides["im"]
    assert isinstance(side, OpenIMSandbox)
    return side


def rai(world: World) -> ReturningAiSandbox:
    side = world.sides["rai"]
    assert isinstance(side, ReturningAiSandbox)
    return side


async def linked(world: World, address: str) -> Chat:
    chat = world.group()
    assert "Linked" in await chat.ask(f"/link {address}")
    return chat


async def test_what_a_member_of_openim_takes_back_goes_from_the_chat(world: World) -> None:
    chat = await linked(world, f"im:group/{GROUP_ID}")
    stays = await im(world).say("alice", f"group/{GROUP_ID}", "this stays")
    goes = await im(world).say("alice", f"group/{GROUP_ID}", "this goes")
    await chat.hears("this stays")
    heard = await chat.hears("this goes")
    await im(world).take_back("alice", goes)
    await world.until(lambda: heard["message_id"] not in [message["message_id"] for message in chat.heard()])
    assert "this stays" in "\n".join(chat.texts())
    await world.servers["im"].down()
    await im(world).take_back("alice", stays)
    await world.servers["im"].up()
    await world.until(lambda: "this stays" not in "\n".join(chat.texts()))
    await world.settled()


async def test_who_leaves_a_group_of_openim_is_told_where_a_route_asks_for_it(world: World) -> None:
    chat = world.group()
    assert "Route" in await chat.ask(f"/route add im:group/{GROUP_ID} -> here kinds=joins")
    await im(world).kick("bob", GROUP_ID)
    await chat.hears("bob left")
    await world.settled()


async def test_a_place_that_a_member_of_openim_sends_is_a_place_in_the_chat(world: World) -> None:
    chat = await linked(world, f"im:group/{GROUP_ID}")
    await im(world).say_element("alice", f"group/{GROUP_ID}", openim.LOCATION, PLACE)
    messages = world.telegram.messages
    await world.until(lambda: any(m.get("venue", {}).get("title") == "London" for m in messages(chat.id, None)))
    await world.settled()


async def test_reactions_of_two_people_are_one_of_ours_and_go_with_the_last(world: World) -> None:
    world.club.conversations.append("reactions")
    chat = await linked(world, "club:reactions")
    theirs = await world.club.say("reactions", "dana", "look")
    heard = (await chat.hears("look"))["message_id"]
    for who in (ANN, BO):
        world.telegram.react(who, chat.id, heard, "🔥")
    await world.until(lambda: world.club.reactions == {theirs: "🔥"})
    world.telegram.react(ANN, chat.id, heard, None)
    await chat.quiet(by=BO)
    await world.settled()
    assert world.club.reactions == {theirs: "🔥"}
    world.telegram.react(BO, chat.id, heard, None)
    await world.until(lambda: world.club.reactions == {})
    await world.settled()


async def test_a_member_of_returning_ai_reacts_to_what_came_from_the_chat_and_takes_it_back(world: World) -> None:
    chat = await linked(world, f"rai:{GENERAL}")
    number = chat.say("look at this")
    await chat.marked(number, SENT)
    copy = await world.until(lambda: next((m for m in rai(world).accepted if m.text == "Ann: look at this"), None))
    await rai(world).react("Cleo", copy.id, ":heart:")
    await rai(world).react("Ben", copy.id, ":tada:")
    await world.until(lambda: chat.marks(number) == ["🎉"])
    await rai(world).unreact("Ben", copy.id, ":tada:")
    await world.until(lambda: chat.marks(number) == ["❤"])
    await world.settled()
