"""What becomes of a message after the bot was stopped, or killed, in between; and in three conversations at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from bridges.openim.sandbox import GROUP_ID, OpenIMSandbox
from bridges.returning_ai.sandbox import CHANNELS, ReturningAiSandbox
from bridges.sandboxes import Sandbox
from tests.journeys.kinds import PNG
from tests.journeys.world import ANN, BO, SECRETS, SENT, Chat, World

pytestmark = pytest.mark.asyncio(loop_scope="package")

GENERAL = CHANNELS[0].id


def sides() -> dict[str, Sandbox]:
    """The accounts beside those that every world has."""
    return {
        "im": OpenIMSandbox(secret=SECRETS["openim"]),
        "rai": ReturningAiSandbox(token=SECRETS["returning_ai"], echoes=True),
    }


async def _stops(world: World) -> None:
    await world.restart()


async def _is_killed(world: World) -> None:
    await world.bot.kill()
    await world.start()


ENDS = {"a restart": _stops, "kill -9": _is_killed}
End = Callable[[World], Awaitable[None]]


@pytest.fixture(params=ENDS, ids=lambda name: name.replace(" ", "-"))
def end(request: pytest.FixtureRequest) -> End:
    return ENDS[request.param]


def _rai(world: World) -> ReturningAiSandbox:
    side = world.sides["rai"]
    assert isinstance(side, ReturningAiSandbox)
    return side


async def _linked(world: World, *addresses: str) -> Chat:
    chat = world.group()
    for address in addresses:
        assert "Linked" in await chat.ask(f"/link {address}")
    return chat


async def _took(world: World, account: str, text: str) -> None:
    """Wait for a provider to take this text."""
    accepted = world.sides[account].accepted
    await world.until(lambda: any(m.text == text for m in accepted), told=lambda: str([m.text for m in accepted[-5:]]))


def _room(world: World, name: str) -> list[dict[str, object]]:
    """What stands in a room of Echo."""
    rooms = world.club.state()["conversations"]
    assert isinstance(rooms, dict)
    return list(rooms[name])


async def test_edits_reactions_replies_and_deletions_find_their_message_after_it(world: World, end: End) -> None:
    room = end.__name__.strip("_")
    world.club.conversations.append(room)
    chat = await _linked(world, f"club:{room}")
    mine = chat.say("to be changd")
    gone = chat.say("to be taken back")
    for number in (mine, gone):
        await chat.marked(number, SENT)
    theirs = await world.club.say(room, "dana", "from over there")
    heard = await chat.hears("from over there")

    await end(world)

    world.telegram.edit(ANN, chat.id, mine, "to be changed")
    world.telegram.edit(ANN, chat.id, gone, ".")
    reply = chat.say("an answer", reply_to=heard["message_id"])
    await chat.marked(reply, SENT)
    await world.club.change(room, theirs, "changed over there")
    await chat.hears("changed over there")
    await world.club.react(room, theirs, "eve", "👍")
    await world.until(lambda: chat.marks(heard["message_id"]) == ["👍"])
    await world.settled()
    texts = [str(message["text"]) for message in _room(world, room)]
    assert "Ann: to be changed" in texts
    assert not any("taken back" in text or "changd" in text for text in texts)
    answer = next(m for m in world.club.accepted if m.conversation == room and m.text.endswith("an answer"))
    assert answer.reply_to == theirs
    assert chat.now(heard)["text"] == "dana: changed over there"
    await world.club.take_back(room, theirs)
    await world.until(lambda: heard["message_id"] not in [m["message_id"] for m in chat.heard()])


async def test_an_album_that_came_half_before_it_arrives_whole_and_once(world: World, end: End) -> None:
    chat = await _linked(world, f"im:group/{GROUP_ID}")
    album = world.telegram.new_album()
    before = len(world.sides["im"].accepted)

    def picture(n: int, caption: str = "") -> int:
        sent = world.telegram.send_media(
            ANN, chat.id, "photo", PNG, file_name=f"{n}.png", caption=caption, media_group_id=album
        )
        return int(sent["message_id"])

    first = picture(1, "an album")
    await end(world)  # the first picture may be in the inbox by now, or still on its way there
    picture(2)
    await chat.marked(first, SENT)
    await chat.quiet()
    await world.settled()
    accepted = world.sides["im"].accepted[before:]
    assert sum("an album" in message.text for message in accepted) == 1
    assert sum("sourcePicture" in message.content for message in accepted) == 2


async def test_one_message_with_many_copies_changes_in_all_of_them(world: World) -> None:
    """Three conversations beside the chat: one edits and deletes, one reacts, one is told in words."""
    world.club.conversations.append("many")
    chat = await _linked(world, "club:many", f"im:group/{GROUP_ID}", f"rai:{GENERAL}")
    number = chat.say("one for al")
    await chat.marked(number, SENT)
    await world.settled()
    world.telegram.edit(ANN, chat.id, number, "one for all")
    await world.until(lambda: any(m["text"] == "Ann: one for all" for m in _room(world, "many")))
    for name in ("im", "rai"):
        await _took(world, name, "✏️ Ann edited “one for al”:\none for all")
    copy = next(m for m in _rai(world).accepted if m.text == "Ann: one for al")
    await _rai(world).react("Cleo", copy.id, "heart")
    await world.until(lambda: chat.marks(number) == ["❤"])
    await _rai(world).say("Cleo", GENERAL, "an answer to it", reply_to=copy.id)
    answer = await chat.hears("an answer to it")
    assert answer["reply_to_message"]["message_id"] == number
    world.telegram.edit(ANN, chat.id, number, ".")
    await world.until(lambda: not any("one for all" in str(m["text"]) for m in _room(world, "many")))
    await world.until(lambda: any("deleted “one for all”" in m.text for m in _rai(world).accepted))
    await world.settled()


async def test_an_edit_that_comes_before_its_message_was_delivered_waits_for_it(world: World) -> None:
    world.club.conversations.append("waiting")
    chat = await _linked(world, "club:waiting")
    await world.servers["club"].down()
    number = chat.say("too erly")
    await chat.quiet()
    world.telegram.edit(ANN, chat.id, number, "too early")
    await chat.quiet(by=BO)
    await world.servers["club"].up()
    await chat.marked(number, SENT)
    await world.until(lambda: [m["text"] for m in _room(world, "waiting")] == ["Ann: too early"])
    await world.settled()
