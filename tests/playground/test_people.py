"""Who may speak where and as whom, and who cannot be reached."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from bot.playground.emulator import Emulator
from bot.playground.emulator.world import WorldError
from tests.playground.conftest import ANN, BEN, CHANNEL, FORUM, GROUP, SMALL, Clock, RawClient


async def texts(raw: RawClient) -> list[Any]:
    return [update["message"].get("text") for update in await raw.updates() if "message" in update]  # type: ignore[attr-defined]


async def test_with_privacy_a_reply_to_a_command_for_the_bot_is_heard(raw: RawClient, emulator: Emulator) -> None:
    meant: Any = emulator.say(BEN, GROUP, "/help@patchbay_bot")
    other: Any = emulator.say(BEN, GROUP, "just talking")
    emulator.say(ANN, GROUP, "yes please", reply_to=meant["message_id"])
    emulator.say(ANN, GROUP, "nobody asked", reply_to=other["message_id"])
    assert await texts(raw) == ["/help@patchbay_bot", "yes please"]


async def test_privacy_that_is_switched_counts_once_the_bot_is_added_anew(raw: RawClient, emulator: Emulator) -> None:
    emulator.set_privacy(on=False)
    assert (await raw.call("getMe"))["can_read_all_group_messages"] is True  # type: ignore[index]
    emulator.say(BEN, GROUP, "before")
    emulator.kick_bot(GROUP)
    emulator.set_member(GROUP, emulator.bot.id, "member")
    emulator.say(BEN, GROUP, "after")
    assert [text for text in await texts(raw) if text] == ["after"]
    emulator.set_privacy(on=True)
    emulator.say(BEN, GROUP, "still heard")
    assert [text for text in await texts(raw) if text] == ["after", "still heard"]


async def test_an_admin_hears_everything_whatever_its_privacy_and_no_longer_when_it_is_none(
    raw: RawClient, emulator: Emulator
) -> None:
    emulator.set_member(GROUP, emulator.bot.id, "administrator")
    emulator.say(BEN, GROUP, "heard")
    emulator.set_member(GROUP, emulator.bot.id, "member")
    emulator.say(BEN, GROUP, "not heard")
    assert [text for text in await texts(raw) if text] == ["heard"]


async def test_a_person_who_is_gone_cannot_be_written_to(raw: RawClient, emulator: Emulator) -> None:
    emulator.start(ANN)
    message: Any = await raw.call("sendMessage", chat_id=ANN, text="x")
    emulator.deactivate(ANN)
    gone = (403, "Forbidden: user is deactivated")
    assert await raw.fails("sendMessage", chat_id=ANN, text="x") == gone
    assert await raw.fails("editMessageText", chat_id=ANN, message_id=message["message_id"], text="y") == gone
    assert (await raw.call("getChat", chat_id=ANN))["type"] == "private"  # type: ignore[index]


async def test_one_chat_can_be_slowed_down_for_a_while(raw: RawClient, emulator: Emulator, clock: Clock) -> None:
    emulator.slow_down(GROUP, 7)
    answer = await raw.ask("sendMessage", chat_id=GROUP, text="x")
    assert (answer.status_code, answer.json()["parameters"]) == (429, {"retry_after": 7})
    await raw.call("sendMessage", chat_id=FORUM, text="another chat")
    clock.now += 7
    await raw.call("sendMessage", chat_id=GROUP, text="x")


@pytest.mark.parametrize("seconds", [-1, float("inf"), float("nan"), 86_401])
async def test_a_chat_is_slowed_down_for_a_day_at_most(emulator: Emulator, seconds: float) -> None:
    with pytest.raises(WorldError, match="seconds must be from 0 to 86400"):
        emulator.slow_down(GROUP, seconds)


async def test_only_people_delete_their_account_and_only_groups_take_a_bot_by_link(emulator: Emulator) -> None:
    with pytest.raises(WorldError, match="is a bot"):
        emulator.deactivate(emulator.bot.id)
    with pytest.raises(WorldError, match="is no group"):
        emulator.start_in_group(ANN, CHANNEL)


async def test_answers_have_the_time_of_this_telegram(raw: RawClient, clock: Clock) -> None:
    answer = await raw.ask("getMe")
    assert answer.headers.get_list("date") == [answer.headers["date"]]
    assert parsedate_to_datetime(answer.headers["date"]).timestamp() == clock.now


async def test_where_nobody_may_write_only_admins_do(raw: RawClient, emulator: Emulator) -> None:
    emulator.set_permissions(GROUP, can_send_messages=False)
    emulator.say(ANN, GROUP, "as an admin")
    with pytest.raises(WorldError, match="Ben may not write in Team"):
        emulator.say(BEN, GROUP, "me too")
    refused = await raw.fails("sendMessage", chat_id=GROUP, text="x")
    assert refused == (400, "Bad Request: not enough rights to send text messages to the chat")


async def test_in_a_closed_topic_only_admins_write(raw: RawClient, emulator: Emulator) -> None:
    thread = emulator.add_topic(FORUM, "Case")
    emulator.close_topic(FORUM, thread)
    await raw.call("closeGeneralForumTopic", chat_id=FORUM)
    for place in (thread, None):
        emulator.say(ANN, FORUM, "as an admin", thread_id=place)
        with pytest.raises(WorldError, match="is closed"):
            emulator.say(BEN, FORUM, "me too", thread_id=place)


async def test_who_is_restricted_may_not_write(emulator: Emulator) -> None:
    emulator.set_member(GROUP, BEN, "restricted")
    with pytest.raises(WorldError, match="Ben may not write"):
        emulator.say(BEN, GROUP, "x")


async def test_a_bot_reads_its_own_rights(raw: RawClient, emulator: Emulator) -> None:
    rights = {"can_pin_messages": False, "can_manage_topics": False}
    emulator.set_member(FORUM, emulator.bot.id, "administrator", rights=rights)
    member: Any = await raw.call("getChatMember", chat_id=FORUM, user_id=emulator.bot.id)
    assert {name: member[name] for name in (*rights, "can_delete_messages")} == {**rights, "can_delete_messages": True}
    refused = await raw.fails("createForumTopic", chat_id=FORUM, name="x")
    assert refused == (400, "Bad Request: not enough rights to create a topic")


@pytest.mark.parametrize(
    ("person", "chat", "speaks_as", "words"),
    [
        (BEN, GROUP, GROUP, "only admins speak as Team"),
        (BEN, GROUP, CHANNEL, "Ben cannot speak as News"),
        (ANN, SMALL, SMALL, "nobody speaks as a chat in Few"),
        (ANN, ANN, CHANNEL, "nobody speaks as a chat"),
    ],
)
async def test_who_may_not_speak_as_a_chat_does_not(
    emulator: Emulator, person: int, chat: int, speaks_as: int, words: str
) -> None:
    with pytest.raises(WorldError, match=words):
        emulator.say(person, chat, "x", sender_chat=speaks_as)


async def test_an_admin_may_speak_as_the_group(emulator: Emulator) -> None:
    said: Any = emulator.say(ANN, GROUP, "/status", sender_chat=GROUP)
    assert (said["from"]["username"], said["sender_chat"]["id"]) == ("GroupAnonymousBot", GROUP)


@pytest.mark.parametrize("payload", ["two words", "x" * 65, "ümlaut"])
async def test_a_link_that_telegram_does_not_open_is_refused(emulator: Emulator, payload: str) -> None:
    with pytest.raises(WorldError, match="up to 64 letters"):
        emulator.start(ANN, payload)


async def test_a_link_into_a_group_adds_the_bot_and_starts_it_there(raw: RawClient, emulator: Emulator) -> None:
    emulator.kick_bot(GROUP)
    await raw.updates(offset=-1)
    emulator.start_in_group(ANN, GROUP, "invite-7")
    assert (await texts(raw))[-1] == "/start@patchbay_bot invite-7"


async def test_what_waits_for_a_bot_is_counted_and_what_it_asked_for_is_named(
    raw: RawClient, emulator: Emulator
) -> None:
    await raw.updates(allowed_updates=["message", "callback_query"])
    emulator.say(ANN, ANN, "one")
    info: Any = await raw.call("getWebhookInfo")
    assert (info["url"], info["pending_update_count"], info["allowed_updates"]) == (
        "",
        1,
        ["message", "callback_query"],
    )
