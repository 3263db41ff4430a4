"""A world that is written down and put back is the same world."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bot.playground.emulator import Emulator, WorldError
from tests.playground.conftest import ANN, BEN, CHANNEL, FORUM, GROUP, Clock, RawClient


async def test_a_world_goes_on_where_it_was_written_down(raw: RawClient, emulator: Emulator, clock: Clock) -> None:
    emulator.start(ANN)
    thread = emulator.add_topic(FORUM, "Case")
    said: Any = emulator.say(BEN, FORUM, "hello", thread_id=thread)
    keyboard = {"inline_keyboard": [[{"text": "Go", "callback_data": "go"}]]}
    place = {"chat_id": FORUM, "reply_parameters": {"message_id": said["message_id"]}}
    card: Any = await raw.call("sendMessage", **place, text="card", reply_markup=keyboard)
    await raw.call("setMessageReaction", chat_id=FORUM, message_id=said["message_id"],
                   reaction=[{"type": "emoji", "emoji": "👌"}])  # fmt: skip
    await raw.call("pinChatMessage", chat_id=FORUM, message_id=card["message_id"])
    await raw.call("setMyCommands", commands=[{"command": "help", "description": "Help"}])
    photo: Any = emulator.send_media(ANN, GROUP, "photo", b"picture", caption="look")
    emulator.say(ANN, CHANNEL, "news")
    emulator.migrate(-501)
    emulator.block(BEN)
    written = json.loads(json.dumps(emulator.snapshot()))

    other = Emulator(clock=clock)
    other.restore(written)
    assert other.state() == emulator.state()
    assert other.snapshot() == written
    assert emulator.bot.token not in json.dumps(written)
    assert await other.bot.updates.poll(offset=0, limit=100, timeout=0) == await raw.updates()
    # It is a world that goes on, not a picture of one.
    assert other.press(ANN, FORUM, card["message_id"], "go").data == "go"
    again: Any = other.say(BEN, FORUM, "again", reply_to=said["message_id"])
    assert (again["message_thread_id"], again["message_id"]) == (thread, card["message_id"] + 2)
    file = other.files.get(photo["photo"][0]["file_id"])
    assert file is not None and file.data == b"picture"
    await other.aclose()


def test_a_snapshot_needs_its_bots_and_its_version(emulator: Emulator, clock: Clock) -> None:
    other = Emulator("200002:another", clock=clock)
    with pytest.raises(WorldError, match="100001"):
        other.restore(emulator.snapshot())
    with pytest.raises(WorldError, match="version 99"):
        other.restore({"version": 99})
