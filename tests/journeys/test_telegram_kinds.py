"""What Telegram people send that is more than words: it arrives, also where the bot dies in between."""

from __future__ import annotations

from typing import Any

import pytest

from bridges.echo.sandbox import Accepted
from tests.journeys.world import ANN, BO, Chat, World

pytestmark = pytest.mark.asyncio(loop_scope="package")

CHANGES: dict[str, dict[str, object]] = {"telegram": {"album_wait": 30}}
"""Longer than it takes to kill the bot; the first story makes it short."""


async def _linked(world: World) -> Chat:
    ops = world.group()
    await ops.ask("/link club:lobby")
    return ops


async def _brought(world: World, part: str) -> Accepted:
    """The one message with these words that the provider took."""

    def found() -> list[Accepted]:
        return [said for said in world.club.accepted if part in said.text]

    await world.until(found, told=lambda: str([said.text for said in world.club.accepted]))
    await world.settled()
    (said,) = found()
    return said


async def _stands(world: World, part: str) -> None:
    """Wait until these words stand in a message at the provider as it is now."""
    await world.until(lambda: part in str(world.club.state()["conversations"]), told=lambda: str(world.club.state()))


async def _pending(world: World, count: int) -> None:
    """Wait until so many updates are kept and not yet dealt with."""

    async def kept() -> bool:
        stats = await world.read("stats")
        return bool(stats["inbound"]["pending"] == count)

    await world.until(kept)


def _picture(world: World, ops: Chat, name: str, *, album: str, caption: str = "") -> int:
    data = f"picture {name}".encode()
    said = world.telegram.send_media(
        ANN, ops.id, "document", data, file_name=f"{name}.bin", caption=caption, media_group_id=album
    )
    return int(said["message_id"])


async def test_an_album_is_one_message_though_the_bot_dies_between_its_pictures(world: World) -> None:
    ops = await _linked(world)
    album = world.telegram.new_album()
    first = _picture(world, ops, "first", album=album, caption="torn aprat")
    await _pending(world, 1)
    await world.bot.kill()
    last = _picture(world, ops, "last", album=album)
    world.configure(telegram={"album_wait": 0.3})
    await world.start()
    whole = await _brought(world, "torn aprat")
    assert whole.text.index("first.bin") < whole.text.index("last.bin")
    # Each of its pictures is the album, after another death too.
    await world.bot.kill()
    ops.say("what a day", by=BO, reply_to=last)
    world.telegram.edit(ANN, ops.id, first, "torn apart")
    await world.start()
    assert (await _brought(world, "what a day")).reply_to == whole.id
    await _stands(world, "torn apart")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            {"rich_message": {"blocks": [{"type": "heading", "size": 1, "text": "The plan"}]}},
            "Ann: The plan",
        ),
        ({"dice": {"emoji": "🎯", "value": 6}}, "Ann: [dice: 🎯 6]"),
    ],
)
async def test_a_kind_of_its_own_is_said_in_words(world: World, content: dict[str, Any], words: str) -> None:
    ops = await _linked(world)
    world.telegram.send_content(ANN, ops.id, content)
    assert (await _brought(world, words)).text == words


async def test_posts_of_a_channel_are_relayed_and_their_edits_too(world: World) -> None:
    news = -1001000009001
    world.telegram.add_channel(news, "The News", admins=[ANN, world.telegram.bot.id])
    await world.private(ANN).ask(f"/route add telegram:{news} -> club:lobby")
    post = int(world.telegram.say(ANN, news, "tea at five")["message_id"])
    assert (await _brought(world, "tea at five")).text == "The News: tea at five"
    world.telegram.edit(ANN, news, post, "tea at six")
    await _stands(world, "The News: tea at six")


async def test_updates_that_telegram_gave_up_are_said_to_the_owner(world: World) -> None:
    ops = await _linked(world)
    ops.say("heard")
    await _brought(world, "heard")
    await world.bot.stop()
    ops.say("lost")
    ops.say("lost too")
    world.telegram.bot.updates.clear()
    await world.start()
    ops.say("heard again")
    await _brought(world, "heard again")
    await world.private(ANN).hears("2 updates from Telegram never reached me")
