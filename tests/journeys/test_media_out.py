"""Files, places and cards on their way into a Telegram chat, by the running bot."""

from __future__ import annotations

from typing import Any

import pytest

from tests.journeys.kinds import PNG
from tests.journeys.world import ANN, BO, SENT, Chat, World

pytestmark = pytest.mark.asyncio(loop_scope="package")

Json = dict[str, Any]


def shown(chat: Chat) -> list[Json]:
    """All that the bot sent, texts or not."""
    bot = chat.world.telegram.bot.id
    return [m for m in chat.world.telegram.messages(chat.id) if m.get("from", {}).get("id") == bot]


async def shows(chat: Chat, kind: str) -> Json:
    """Wait for something of this kind; returns the latest."""
    found: Json = await chat.world.until(
        lambda: next((m for m in reversed(shown(chat)) if kind in m), None), told=lambda: f"{kind} in {shown(chat)}"
    )
    return found


async def test_one_chat_shows_what_is_sent_in_another_without_fetching_it(world: World) -> None:
    here, there = world.group(), world.group()
    await here.ask(f"/link {there.address}")
    telegram = world.telegram
    before = len(telegram.calls)

    photo = telegram.send_media(ANN, here.id, "photo", PNG, caption="a cat")
    copy = await shows(there, "photo")
    assert copy["caption"] == "Ann: a cat"
    assert copy["photo"][-1]["file_id"] == photo["photo"][-1]["file_id"]

    telegram.edit(ANN, here.id, photo["message_id"], "a dog")
    await world.until(lambda: there.now(copy)["caption"] == "Ann: a dog", told=lambda: str(there.now(copy)))

    voice = telegram.send_media(BO, here.id, "voice", b"OggS", caption="")
    assert (await shows(there, "voice"))["voice"]["file_id"] == voice["voice"]["file_id"]

    sticker = telegram.send_media(BO, here.id, "sticker", b"RIFF")
    assert (await shows(there, "sticker"))["sticker"]["file_id"] == sticker["sticker"]["file_id"]
    assert there.texts()[-1].startswith("Bo: ")

    telegram.send_content(ANN, here.id, {"location": {"latitude": 51.5, "longitude": -0.125}})
    assert (await shows(there, "location"))["location"] == {"latitude": 51.5, "longitude": -0.125}

    telegram.send_content(ANN, here.id, {"contact": {"phone_number": "+447700900123", "first_name": "Cleo"}})
    assert (await shows(there, "contact"))["contact"]["phone_number"] == "+447700900123"

    assert not [call for call in list(telegram.calls)[before:] if call.method.lower() == "getfile"]
    await here.marked(photo["message_id"], SENT)
    await here.ask("/unlink")


async def test_an_album_stays_an_album_and_is_answered_and_taken_back_as_one(world: World) -> None:
    here, there = world.group(), world.group()
    await here.ask(f"/route add {here.address} <-> {there.address} name=album kinds=text,media,edits,deletes")
    items = [("photo", PNG, "1.png"), ("photo", PNG + b"2", "2.png"), ("photo", PNG + b"3", "3.png")]
    sent = world.telegram.send_album(ANN, here.id, items, caption="three of them")
    await world.until(lambda: sum("photo" in m for m in shown(there)) == 3, told=lambda: str(shown(there)))
    copies = [m for m in shown(there) if "photo" in m]
    assert [m.get("caption") for m in copies] == ["Ann: three of them", None, None]
    assert len({m["media_group_id"] for m in copies}) == 1
    assert [m["photo"][-1]["file_id"] for m in copies] == [m["photo"][-1]["file_id"] for m in sent]

    answer = there.say("nice", by=BO, reply_to=copies[0]["message_id"])
    await there.marked(answer, SENT)
    assert (await here.hears("Bo: nice"))["reply_to_message"]["message_id"] == sent[0]["message_id"]

    world.telegram.edit(ANN, here.id, sent[0]["message_id"], ".")
    await world.until(lambda: not any("photo" in m for m in shown(there)), told=lambda: str(shown(there)))
    await here.ask("/unlink")
