"""The control API: what people outside the process do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from bot.playground.emulator import Emulator, FloodLimits
from bot.playground.hosting import LoopbackServer
from tests.playground.conftest import ANN, BEN, FORUM, GROUP, SMALL, RawClient


@pytest.fixture
async def control(emulator: Emulator) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        LoopbackServer(emulator.control) as server,
        httpx.AsyncClient(base_url=server.url, trust_env=False) as http,
    ):
        yield http


async def done(control: httpx.AsyncClient, action: str, **body: object) -> Any:
    answer = await control.post(f"/{action}", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()["result"]


async def test_a_person_plays_every_side_over_http(
    control: httpx.AsyncClient, emulator: Emulator, raw: RawClient
) -> None:
    await done(control, "user", id=2001, first_name="Dora", username="dora")
    await done(control, "group", id=-1001000000077, title="New", members=[2001], admins=[ANN], is_forum=True)
    thread = (await done(control, "topic", chat=-1001000000077, name="Case"))["thread"]
    said = await done(control, "say", user=2001, chat=-1001000000077, text="/hi", thread=thread)
    assert said["message_thread_id"] == thread
    await done(control, "edit", user=2001, chat=-1001000000077, message=said["message_id"], text="/ho")
    await done(control, "react", user=ANN, chat=-1001000000077, message=said["message_id"], emoji="👍")
    place = {"location": {"latitude": 51.5, "longitude": -0.12}}
    shared = await done(control, "content", user=2001, chat=-1001000000077, content=place, thread=thread)
    assert (shared["location"], shared["message_thread_id"]) == (place["location"], thread)
    await done(control, "start", user=2001, payload="abc")
    keyboard = {"inline_keyboard": [[{"text": "Go", "callback_data": "go"}]]}
    card: Any = await raw.call("sendMessage", chat_id=2001, text="card", reply_markup=keyboard)
    pressed = await done(control, "press", user=2001, chat=2001, message=card["message_id"], data="go")
    await raw.call("answerCallbackQuery", callback_query_id=pressed["callback"], text="ok")
    shown = (await control.get(f"/callback/{pressed['callback']}")).json()
    assert shown["answer"]["text"] == "ok"
    await done(control, "block", user=2001)
    await done(control, "unblock", user=2001)
    new = (await done(control, "migrate", chat=SMALL))["chat"]
    told = await done(control, "say", user=ANN, chat=new, text="pass it on")
    copy = await done(control, "forward", user=ANN, chat=FORUM, from_chat=new, message=told["message_id"])
    assert copy["forward_origin"]["sender_user"]["id"] == ANN
    await done(control, "kick_bot", chat=GROUP)
    await done(control, "close_topic", chat=-1001000000077, thread=thread)
    await done(control, "delete_topic", chat=-1001000000077, thread=thread)
    state = (await control.get("/state")).json()
    chats = {chat["id"]: chat for chat in state["chats"]}
    assert chats[SMALL]["migrated_to"] == new
    assert chats[-1001000000077]["topics"] == []
    assert [message.get("text") for message in chats[2001]["messages"]] == ["/start abc", "card"]
    listed = (await control.get("/messages", params={"chat": 2001})).json()["messages"]
    assert listed[1]["reply_markup"] == keyboard
    calls = (await control.get("/calls", params={"last": 5})).json()["calls"]
    assert [call["method"] for call in calls] == ["sendMessage", "answerCallbackQuery"]
    assert emulator.bot.token not in str(calls) + str(state)


@pytest.mark.parametrize(
    ("action", "body", "words"),
    [
        ("say", {"user": ANN, "text": "x"}, "'chat' is missing"),
        ("say", {"user": 4, "chat": FORUM, "text": "x"}, "there is no user 4"),
        ("say", {"user": ANN, "chat": -5, "text": "x"}, "there is no chat -5"),
        ("say", {"user": ANN, "chat": FORUM, "text": " "}, "the text is empty"),
        ("say", {"user": ANN, "chat": FORUM, "text": "x", "thread": 99}, "has no topic 99"),
        ("edit", {"user": BEN, "chat": FORUM, "message": 1, "text": "x"}, "is not Ben's own"),
        ("react", {"user": BEN, "chat": FORUM, "message": 1, "emoji": "✅"}, "no reaction"),
        ("press", {"user": BEN, "chat": FORUM, "message": 1, "data": "x"}, "has no button 'x'; it has none"),
        ("migrate", {"chat": GROUP}, "no basic group"),
        ("fault", {"mode": "explode"}, "explode"),
    ],
)
async def test_mistakes_are_answered_with_what_was_wrong(
    control: httpx.AsyncClient, action: str, body: dict[str, object], words: str
) -> None:
    answer = await control.post(f"/{action}", json=body)
    assert answer.status_code == 400
    assert words in answer.json()["error"]


async def test_unknown_actions_and_bodies_are_refused(control: httpx.AsyncClient) -> None:
    assert (await control.post("/dance", json={})).status_code == 404
    assert (await control.post("/say", content=b"{")).json() == {"error": "the body is no JSON"}
    assert (await control.post("/say", json=[])).status_code == 400
    assert (await control.get("/messages")).status_code == 400


async def test_a_fault_can_be_meant_for_some_methods(
    control: httpx.AsyncClient, raw: RawClient, emulator: Emulator
) -> None:
    state = await done(control, "fault", mode="server_error", methods=["sendMessage"], remaining=1)
    assert (state["mode"], state["remaining"]) == ("server_error", 1)
    await raw.updates()
    assert (await raw.ask("sendMessage", chat_id=FORUM, text="x")).status_code == 500
    await raw.call("sendMessage", chat_id=FORUM, text="x")


async def test_events_are_streamed(control: httpx.AsyncClient, emulator: Emulator) -> None:
    async with control.stream("GET", "/events") as stream:
        lines = stream.aiter_lines()
        assert await anext(lines) == ": listening"
        emulator.say(ANN, FORUM, "live")
        async for line in lines:
            if line.startswith("data:"):
                assert '"text": "live"' in line
                break


async def test_two_bots_have_private_chats_of_their_own(emulator: Emulator) -> None:
    other = emulator.add_bot("300003:third", "third_bot")
    emulator.start(ANN)
    emulator.say(ANN, other.id, "to the other")
    assert [m["text"] for m in emulator.messages(ANN)] == ["/start"]
    assert [m["text"] for m in emulator.messages(ANN, bot_id=other.id)] == ["to the other"]
    assert other.updates.pending == 1


async def test_the_world_is_quick_enough_for_thousands_of_messages(emulator: Emulator) -> None:
    emulator.flood = FloodLimits()
    for number in range(5_000):
        emulator.say(ANN, FORUM, f"message {number} https://example.org/{number}")
    assert len(emulator.messages(FORUM)) == 5_001
    assert len(await emulator.bot.updates.poll(offset=0, limit=100, timeout=0)) == 100


async def test_a_keyboard_a_menu_and_privacy_are_played_over_http(
    control: httpx.AsyncClient, emulator: Emulator
) -> None:
    emulator.start(ANN)
    key = {"text": "Pick", "request_chat": {"request_id": 1, "chat_is_channel": False}}
    emulator.post(
        emulator.private[(emulator.bot.id, ANN)],
        {"text": "?"},
        author=emulator.bot.user,
        keyboard={"keyboard": [[key, {"text": "Cancel"}]]},
    )
    shared = await done(control, "share_chat", user=ANN, chat=GROUP, button="Pick")
    assert shared["chat_shared"] == {"request_id": 1, "chat_id": GROUP}
    assert (await done(control, "key", user=ANN, chat=ANN, label="Cancel"))["text"] == "Cancel"
    emulator.bot.commands = {("default", ""): [{"command": "help", "description": "h"}]}
    menu = (await control.get("/menu", params={"user": ANN, "chat": GROUP})).json()
    assert menu == {"commands": [{"command": "help", "description": "h"}]}
    await done(control, "privacy", on=False)
    assert emulator.bot.can_read_all_group_messages
    assert (await control.post("/privacy", json={"on": "yes"})).status_code == 400
    assert (await control.get("/menu", params={"user": ANN})).status_code == 400
