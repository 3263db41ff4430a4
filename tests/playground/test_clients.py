"""The same stories told through python-telegram-bot and through aiogram."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bot.playground.emulator import Emulator, FloodLimits
from bot.playground.hosting import LoopbackServer
from tests.playground.clients import Aiogram, Client, Ptb, opened
from tests.playground.conftest import ANN, BEN, FORUM, GROUP, SMALL, polled
from tests.playground.test_webhook import Hook


@pytest.fixture(params=[Ptb, Aiogram], ids=["ptb", "aiogram"])
async def client(
    request: pytest.FixtureRequest, emulator: Emulator, server: LoopbackServer, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Client]:
    monkeypatch.setenv("PTB_TIMEDELTA", "1")
    if request.param is Aiogram:
        # aiogram 3.31 insists on a right of a later Bot API than the one described.
        emulator.newer_admin_rights = ("can_send_welcome_messages",)
    async with opened(request.param, emulator.bot.token, server.url) as made:
        yield made


async def take(seen: asyncio.Queue[dict[str, Any]], kind: str) -> dict[str, Any]:
    """The next update of a kind."""
    async with asyncio.timeout(10):
        while True:
            update = await seen.get()
            if kind in update:
                found: dict[str, Any] = update[kind]
                return found


async def test_what_people_do_arrives(client: Client, emulator: Emulator) -> None:
    async with client.polling() as seen:
        await polled(emulator)
        said: Any = emulator.say(ANN, FORUM, "/help me at https://example.org")
        got = await take(seen, "message")
        assert (got["text"], [e["type"] for e in got["entities"]]) == (said["text"], ["bot_command", "url"])
        emulator.edit(ANN, FORUM, said["message_id"], "never mind")
        assert (await take(seen, "edited_message"))["text"] == "never mind"
        emulator.react(BEN, FORUM, said["message_id"], "🎉")
        assert (await take(seen, "message_reaction"))["new_reaction"] == [{"type": "emoji", "emoji": "🎉"}]
        thread = emulator.add_topic(FORUM, "Case")
        assert (await take(seen, "message"))["forum_topic_created"]["name"] == "Case"
        emulator.say(BEN, FORUM, "in a topic", thread_id=thread)
        inside = await take(seen, "message")
        assert (inside["message_thread_id"], inside["is_topic_message"]) == (thread, True)
        emulator.block(ANN)
        assert (await take(seen, "my_chat_member"))["new_chat_member"]["status"] == "kicked"


async def test_what_the_bot_does_is_there(client: Client, emulator: Emulator) -> None:
    said: Any = emulator.say(ANN, FORUM, "hello")
    answer = await client.send(FORUM, "<b>Hi</b> <i>there</i>", html=True, reply_to=said["message_id"])
    shown = emulator.message(FORUM, answer)
    assert (shown["text"], shown["reply_to_message"]["text"]) == ("Hi there", "hello")
    assert [entity["type"] for entity in shown["entities"]] == ["bold", "italic"]
    await client.edit(FORUM, answer, "Hi")
    await client.react(FORUM, said["message_id"], "👌")
    assert emulator.message(FORUM, answer)["text"] == "Hi"
    assert emulator.reactions(FORUM, said["message_id"]) == [
        {"actor": emulator.bot.id, "type": {"type": "emoji", "emoji": "👌"}}
    ]
    await client.delete(FORUM, answer)
    assert [message["text"] for message in emulator.messages(FORUM) if "text" in message] == ["hello"]
    thread = await client.topic(FORUM, "New case")
    await client.send(FORUM, "inside", thread=thread)
    assert [m["text"] for m in emulator.messages(FORUM, thread) if "text" in m] == ["inside"]
    assert await client.commands(["help", "send"]) == ["help", "send"]
    assert await client.admins(FORUM) == {ANN, emulator.bot.id}


async def test_a_button_is_pressed_and_answered(client: Client, emulator: Emulator) -> None:
    emulator.start(ANN)
    async with client.polling() as seen:
        card = await client.send(ANN, "Send it?", button=("Send", "send:42"))
        pressed = emulator.press(ANN, ANN, card, "send:42")
        query = await take(seen, "callback_query")
        assert (query["data"], query["message"]["message_id"]) == ("send:42", card)
        await client.answer(query["id"], "On its way")
        assert (await pressed.answered())["text"] == "On its way"


async def test_files_and_albums(client: Client, emulator: Emulator) -> None:
    emulator.start(ANN)
    data = bytes(range(256)) * 100
    assert await client.download(await client.upload(ANN, data, "dump.bin")) == data
    photo: Any = emulator.send_media(ANN, ANN, "photo", b"\xff\xd8\xff\xe0 picture", caption="look")
    assert await client.download(photo["photo"][-1]["file_id"]) == b"\xff\xd8\xff\xe0 picture"
    album = await client.album(ANN, [b"\xff\xd8one", b"\xff\xd8two"], "both")
    assert len({emulator.message(ANN, message)["media_group_id"] for message in album}) == 1


async def test_refusals_become_the_librarys_own_errors(client: Client, emulator: Emulator) -> None:
    emulator.start(ANN)
    assert await client.failure(client.send(999, "x")) == ("bad request", "chat not found")
    emulator.block(ANN)
    assert await client.failure(client.send(ANN, "x")) == ("forbidden", "bot was blocked by the user")
    new = emulator.migrate(SMALL)
    assert await client.failure(client.send(SMALL, "x")) == ("migrated", new)
    emulator.kick_bot(GROUP)
    assert await client.failure(client.send(GROUP, "x")) == ("forbidden", "bot was kicked from the supergroup chat")
    emulator.flood = FloodLimits(per_group_per_min=1)
    assert await client.failure(client.send(FORUM, "x")) == ("ok", None)
    assert await client.failure(client.send(FORUM, "x")) == ("too many", 60)


async def test_failures_of_the_server_become_the_librarys_own_errors(client: Client, emulator: Emulator) -> None:
    emulator.faults.configure("too_many", retry_after_s=9)
    assert await client.failure(client.send(FORUM, "x")) == ("too many", 9)
    emulator.faults.mode = "server_error"
    assert (await client.failure(client.send(FORUM, "x")))[0] == "server error"
    assert emulator.messages(FORUM)[1:] == []
    emulator.faults.configure("cut", remaining=1)
    assert (await client.failure(client.send(FORUM, "sent, but who knows")))[0] == "network"
    assert [m["text"] for m in emulator.messages(FORUM) if "text" in m] == ["sent, but who knows"]


async def test_a_wrong_token_is_no_login(emulator: Emulator, server: LoopbackServer) -> None:
    for kind in (Ptb, Aiogram):
        client = kind("100001:another-token", server.url)
        assert (await client.failure(client.open()))[0] == "unauthorized"
        await client.close()


async def test_two_pollers_conflict(client: Client, emulator: Emulator, server: LoopbackServer) -> None:
    poll = asyncio.create_task(emulator.bot.updates.poll(offset=0, limit=100, timeout=30))
    await asyncio.sleep(0)
    async with client.polling() as seen:
        with pytest.raises(Exception, match="terminated by other getUpdates"):
            await poll
        emulator.say(ANN, ANN, "for the second")
        assert (await take(seen, "message"))["text"] == "for the second"


async def test_what_was_fetched_and_not_confirmed_comes_again(
    request: pytest.FixtureRequest, emulator: Emulator, server: LoopbackServer
) -> None:
    for kind in (Ptb, Aiogram):
        for number in range(3):
            emulator.say(ANN, ANN, str(number))
        async with opened(kind, emulator.bot.token, server.url) as killed:
            first = await killed.fetch()
        async with opened(kind, emulator.bot.token, server.url) as restarted:
            assert await restarted.fetch() == first
            assert await restarted.fetch(first[0] + 1) == first[1:]
            assert await restarted.fetch(first[-1] + 1) == []


async def test_a_webhook_set_by_the_library_is_served(client: Client, emulator: Emulator) -> None:
    hook = Hook()
    async with LoopbackServer(hook) as server:
        await client.webhook(f"{server.url}/telegram/abc", "secret-of-the-bot")
        assert (await client.failure(client.fetch()))[0] == "conflict"
        emulator.say(ANN, ANN, "by webhook")
        assert await hook.wait(1) == ["by webhook"]
        assert hook.seen[0][0] == "secret-of-the-bot"
        await emulator.bot.updates.drained()
        await emulator.aclose()
