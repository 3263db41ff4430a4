"""The Bot API as a plain HTTP client sees it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from bot.playground.emulator import Emulator, FloodLimits
from bot.playground.emulator.methods import METHODS, NOT_EMULATED
from bot.playground.hosting import LoopbackServer
from bot.playground.views import message_view
from tests.playground.bot_api_schema import api
from tests.playground.conftest import ANN, BEN, CARA, CHANNEL, FORUM, GROUP, SMALL, Clock, RawClient, polled


def test_every_documented_method_is_emulated_or_named_as_not() -> None:
    documented = {name.lower() for name in api()["methods"]}
    assert documented == set(METHODS) | NOT_EMULATED
    assert not set(METHODS) & NOT_EMULATED


async def test_a_wrong_token_is_unauthorized(server: LoopbackServer) -> None:
    async with httpx.AsyncClient(trust_env=False) as http:
        answer = await http.get(f"{server.url}/bot1:wrong/getMe")
    assert (answer.status_code, answer.json()) == (
        401,
        {"ok": False, "error_code": 401, "description": "Unauthorized"},
    )


async def test_method_names_do_not_depend_on_case_and_unknown_ones_are_not_found(raw: RawClient) -> None:
    assert (await raw.http.get(f"{raw.base}/GETME")).json()["result"]["username"] == "patchbay_bot"
    answer = await raw.http.get(f"{raw.base}/makeCoffee")
    assert (answer.status_code, answer.json()["description"]) == (404, "Not Found: method not found")
    assert (await raw.fails("sendInvoice"))[1] == 'Bad Request: method "sendInvoice" is not emulated'


@pytest.mark.parametrize("how", ["query", "form", "json", "multipart"])
async def test_parameters_come_in_every_way_a_client_may_send_them(
    raw: RawClient, emulator: Emulator, how: str
) -> None:
    emulator.start(ANN)
    params = {"chat_id": str(ANN), "text": "ünï & 1+1=2 🎉", "reply_markup": json.dumps({"force_reply": True})}
    url = f"{raw.base}/sendMessage"
    match how:
        case "query":
            answer = await raw.http.get(url, params=params)
        case "form":
            answer = await raw.http.post(url, data=params)
        case "json":
            answer = await raw.http.post(url, json={**params, "chat_id": ANN, "reply_markup": {"force_reply": True}})
        case _:
            answer = await raw.http.post(url, data=params, files={"x": ("x", b"y")})
    assert answer.json()["result"]["text"] == "ünï & 1+1=2 🎉"


async def test_the_error_texts_are_the_servers(raw: RawClient, emulator: Emulator, clock: Clock) -> None:
    emulator.start(ANN)
    expected = [
        ("sendMessage", {"text": "x"}, "Bad Request: chat_id is empty"),
        ("sendMessage", {"chat_id": 999, "text": "x"}, "Bad Request: chat not found"),
        ("sendMessage", {"chat_id": ANN}, "Bad Request: message text is empty"),
        ("sendMessage", {"chat_id": ANN, "text": " \n "}, "Bad Request: text must be non-empty"),
        ("sendMessage", {"chat_id": ANN, "text": "x" * 4097}, "Bad Request: message is too long"),
        ("sendMessage", {"chat_id": ANN, "text": "🎉" * 2049}, "Bad Request: message is too long"),
        ("sendMessage", {"chat_id": FORUM, "text": "x", "message_thread_id": 1},
         "Bad Request: message thread not found"),
        ("sendMessage", {"chat_id": FORUM, "text": "x", "message_thread_id": 77},
         "Bad Request: message thread not found"),
        (
            "sendMessage",
            {"chat_id": ANN, "text": "x", "reply_parameters": {"message_id": 77}},
            "Bad Request: message to be replied not found",
        ),
        (
            "sendMessage",
            {"chat_id": ANN, "text": "a *b", "parse_mode": "MarkdownV2"},
            "Bad Request: can't parse entities: Can't find end of Bold entity at byte offset 2",
        ),
        ("sendMessage", {"chat_id": ANN, "text": "x", "parse_mode": "odd"}, "Bad Request: unsupported parse_mode"),
        (
            "sendMessage",
            {"chat_id": ANN, "text": "x",
             "reply_markup": {"inline_keyboard": [[{"text": "a", "callback_data": "x" * 65}]]}},
            "Bad Request: BUTTON_DATA_INVALID",
        ),
        (
            "sendMessage",
            {"chat_id": ANN, "text": "x", "reply_markup": {"inline_keyboard": [[{"text": "a"}]]}},
            "Bad Request: can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard",
        ),
        ("editMessageText", {"chat_id": ANN, "message_id": 77, "text": "x"}, "Bad Request: message to edit not found"),
        ("editMessageText", {"chat_id": ANN, "message_id": 1, "text": "x"}, "Bad Request: message can't be edited"),
        ("deleteMessage", {"chat_id": ANN, "message_id": 77}, "Bad Request: message to delete not found"),
        (
            "setMessageReaction",
            {"chat_id": ANN, "message_id": 1, "reaction": [{"type": "emoji", "emoji": "✅"}]},
            "Bad Request: REACTION_INVALID",
        ),
        ("setMessageReaction", {"chat_id": ANN, "message_id": 77}, "Bad Request: message to react not found"),
        ("answerCallbackQuery", {"callback_query_id": "1"},
         "Bad Request: query is too old and response timeout expired or query ID is invalid"),
        ("sendChatAction", {"chat_id": ANN, "action": "dancing"}, "Bad Request: wrong parameter action in request"),
        ("sendPhoto", {"chat_id": ANN}, "Bad Request: there is no photo in the request"),
        ("getFile", {"file_id": "nope"}, "Bad Request: invalid file_id"),
        ("createForumTopic", {"chat_id": GROUP, "name": "x"}, "Bad Request: the chat is not a forum"),
        ("sendMessage", {"chat_id": BEN, "text": "x"}, "Forbidden: bot can't initiate conversation with a user"),
        ("getChatMember", {"chat_id": GROUP}, "Bad Request: invalid user_id specified"),
    ]  # fmt: skip
    for method, params, text in expected:
        code, description = await raw.fails(method, **params)
        assert description == text
        assert code == (403 if text.startswith("Forbidden") else 400)


async def test_a_blocked_bot_is_told_and_may_write_again_after_unblock(raw: RawClient, emulator: Emulator) -> None:
    emulator.start(ANN)
    await raw.updates()
    emulator.block(ANN)
    assert await raw.fails("sendMessage", chat_id=ANN, text="x") == (403, "Forbidden: bot was blocked by the user")
    emulator.start(ANN)
    await raw.call("sendMessage", chat_id=ANN, text="x")
    statuses = [u["my_chat_member"]["new_chat_member"]["status"] for u in await raw.updates() if "my_chat_member" in u]  # type: ignore[index]
    assert statuses == ["kicked", "member"]


@pytest.mark.parametrize(("chat", "noun"), [(GROUP, "supergroup"), (SMALL, "group"), (CHANNEL, "channel")])
async def test_a_kicked_bot_is_told_by_every_kind_of_chat(
    raw: RawClient, emulator: Emulator, chat: int, noun: str
) -> None:
    emulator.kick_bot(chat)
    assert (await raw.fails("sendMessage", chat_id=chat, text="x")) == (
        403,
        f"Forbidden: bot was kicked from the {noun} chat",
    )
    [update] = [u for u in await raw.updates() if "my_chat_member" in u]
    assert update["my_chat_member"]["new_chat_member"]["status"] == "kicked"  # type: ignore[index]


async def test_a_group_that_was_upgraded_names_its_new_id(raw: RawClient, emulator: Emulator) -> None:
    new = emulator.migrate(SMALL)
    answer = (await raw.ask("sendMessage", chat_id=SMALL, text="x")).json()
    assert answer == {
        "ok": False,
        "error_code": 400,
        "description": "Bad Request: group chat was upgraded to a supergroup chat",
        "parameters": {"migrate_to_chat_id": new},
    }
    updates: list[Any] = await raw.updates()
    assert [(u["message"]["chat"]["id"], u["message"].get("migrate_to_chat_id")) for u in updates] == [
        (SMALL, new),
        (new, None),
    ]
    await raw.call("sendMessage", chat_id=new, text="hello")


async def test_an_edit_that_changes_nothing_is_refused(raw: RawClient, emulator: Emulator) -> None:
    emulator.start(ANN)
    sent: Any = await raw.call("sendMessage", chat_id=ANN, text="*b*", parse_mode="Markdown")
    place = {"chat_id": ANN, "message_id": sent["message_id"]}
    same = "Bad Request: message is not modified: specified new message content and reply markup are exactly the same"
    assert (await raw.fails("editMessageText", **place, text="b", entities=sent["entities"]))[1].startswith(same)
    edited: Any = await raw.call("editMessageText", **place, text="c")
    assert (edited["text"], "entities" in edited, edited["edit_date"]) == ("c", False, edited["date"])
    keyboard = {"inline_keyboard": [[{"text": "A", "callback_data": "a"}]]}
    await raw.call("editMessageReplyMarkup", **place, reply_markup=keyboard)
    assert (await raw.fails("editMessageReplyMarkup", **place, reply_markup=keyboard))[1].startswith(same)
    assert emulator.message(ANN, sent["message_id"])["reply_markup"] == keyboard


async def test_polling_keeps_what_is_not_confirmed(raw: RawClient, emulator: Emulator) -> None:
    for text in ("one", "two", "three"):
        emulator.say(ANN, ANN, text)
    first = await raw.updates()
    assert [u["message"]["text"] for u in first] == ["one", "two", "three"]  # type: ignore[index]
    assert await raw.updates() == first
    assert await raw.updates(limit=1) == first[:1]
    last: Any = first[-1]["update_id"]
    assert await raw.updates(offset=last) == first[-1:]
    assert await raw.updates(offset=last + 1) == []
    assert emulator.bot.updates.pending == 0


async def test_a_negative_offset_forgets_all_but_the_last(raw: RawClient, emulator: Emulator) -> None:
    for text in ("one", "two", "three"):
        emulator.say(ANN, ANN, text)
    assert [u["message"]["text"] for u in await raw.updates(offset=-1)] == ["three"]  # type: ignore[index]
    assert emulator.bot.updates.pending == 1


async def test_a_long_poll_returns_as_soon_as_something_happens(raw: RawClient, emulator: Emulator) -> None:
    poll = asyncio.create_task(raw.updates(timeout=20))
    await polled(emulator)
    emulator.say(ANN, ANN, "now")
    assert [u["message"]["text"] for u in await poll] == ["now"]  # type: ignore[index]


async def test_a_second_long_poll_ends_the_first(raw: RawClient, emulator: Emulator) -> None:
    first = asyncio.create_task(raw.ask("getUpdates", timeout=20))
    await polled(emulator)
    second = asyncio.create_task(raw.updates(timeout=20))
    answer = (await first).json()
    assert (answer["error_code"], answer["description"]) == (
        409,
        "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running",
    )
    emulator.say(ANN, ANN, "for the second")
    assert len(await second) == 1


async def test_updates_are_kept_for_a_day(raw: RawClient, emulator: Emulator, clock: Clock) -> None:
    emulator.say(ANN, ANN, "old")
    clock.now += 86_399
    assert len(await raw.updates()) == 1
    clock.now += 2
    assert await raw.updates() == []


async def test_allowed_updates_are_remembered_and_reactions_must_be_asked_for(
    raw: RawClient, emulator: Emulator
) -> None:
    message: Any = emulator.say(ANN, FORUM, "react to this")
    await raw.updates(offset=-1)
    emulator.react(BEN, FORUM, message["message_id"], "👍")
    assert [kind for u in await raw.updates() for kind in u if kind == "message_reaction"] == []
    await raw.updates(allowed_updates=["message", "message_reaction"])
    emulator.react(BEN, FORUM, message["message_id"], "🔥")
    emulator.edit(ANN, FORUM, message["message_id"], "edited, which nobody asked for")
    # Not given again: the setting stays.
    updates: Any = await raw.updates()
    change = updates[-1]["message_reaction"]
    assert change["user"]["id"] == BEN
    assert [kind["emoji"] for kind in change["old_reaction"] + change["new_reaction"]] == ["👍", "🔥"]
    await raw.updates(allowed_updates=[])
    emulator.react(BEN, FORUM, message["message_id"], None)
    assert len(await raw.updates()) == len(updates)


async def test_reactions_reach_only_an_admin_bot(raw: RawClient, emulator: Emulator) -> None:
    await raw.updates(allowed_updates=["message_reaction"])
    message: Any = emulator.say(ANN, GROUP, "hello")
    emulator.react(BEN, GROUP, message["message_id"], "👍")
    assert await raw.updates() == []
    emulator.set_member(GROUP, emulator.bot.id, "administrator")
    emulator.react(BEN, GROUP, message["message_id"], "👎")
    assert len(await raw.updates()) == 1


async def test_a_bot_has_one_reaction_per_message_and_the_chat_may_forbid_it(
    raw: RawClient, emulator: Emulator
) -> None:
    message: Any = emulator.say(ANN, FORUM, "x")
    place = {"chat_id": FORUM, "message_id": message["message_id"]}
    await raw.call("setMessageReaction", **place, reaction=[{"type": "emoji", "emoji": "👀"}])
    await raw.call("setMessageReaction", **place, reaction=[{"type": "emoji", "emoji": "👌"}])
    assert [r["type"]["emoji"] for r in emulator.reactions(FORUM, message["message_id"])] == ["👌"]
    two = [{"type": "emoji", "emoji": "👀"}, {"type": "emoji", "emoji": "👌"}]
    assert (await raw.fails("setMessageReaction", **place, reaction=two))[1] == "Bad Request: REACTIONS_TOO_MANY"
    emulator.set_available_reactions(FORUM, ["👍"])
    only = [{"type": "emoji", "emoji": "👀"}]
    assert (await raw.fails("setMessageReaction", **place, reaction=only))[1] == "Bad Request: REACTION_INVALID"
    full: Any = await raw.call("getChat", chat_id=FORUM)
    assert full["available_reactions"] == [{"type": "emoji", "emoji": "👍"}]
    await raw.call("setMessageReaction", **place)
    assert emulator.reactions(FORUM, message["message_id"]) == []


async def test_privacy_mode_lets_through_what_is_meant_for_the_bot(raw: RawClient, emulator: Emulator) -> None:
    own: Any = await raw.call("sendMessage", chat_id=GROUP, text="I am here")
    emulator.say(BEN, GROUP, "just talking")
    emulator.say(BEN, GROUP, "@patchbay_bot hello")
    emulator.say(BEN, GROUP, "/help")
    emulator.say(BEN, GROUP, "/help@patchbay_bot now")
    emulator.say(BEN, GROUP, "/help@other_bot")
    emulator.say(BEN, GROUP, "yes", reply_to=own["message_id"])
    emulator.set_title(GROUP, "Crew")
    updates: Any = await raw.updates()
    assert [u["message"].get("text") for u in updates] == ["/help", "/help@patchbay_bot now", "yes", None]
    assert updates[-1]["message"]["new_chat_title"] == "Crew"


async def test_an_admin_bot_and_one_without_privacy_hear_everything(raw: RawClient, emulator: Emulator) -> None:
    open_bot = emulator.add_bot("200002:another", "open_bot", can_read_all_group_messages=True)
    emulator.set_member(FORUM, open_bot.id, "member")
    emulator.say(BEN, FORUM, "just talking")
    await raw.call("sendMessage", chat_id=FORUM, text="from the first bot")
    texts = [u["message"]["text"] for u in await raw.updates() if "text" in u["message"]]  # type: ignore[index,operator]
    assert texts == ["just talking"]
    assert [u["message"].get("text") for u in await open_bot.updates.poll(offset=0, limit=9, timeout=0)
            if "message" in u and "text" in u["message"]] == ["just talking"]  # fmt: skip


async def test_topics_open_close_and_vanish(raw: RawClient, emulator: Emulator) -> None:
    topic: Any = await raw.call("createForumTopic", chat_id=FORUM, name=" Case  1 ")
    thread = topic["message_thread_id"]
    assert topic["name"] == "Case 1"
    sent: Any = await raw.call("sendMessage", chat_id=FORUM, message_thread_id=thread, text="in it")
    assert (sent["message_thread_id"], sent["is_topic_message"]) == (thread, True)
    said: Any = emulator.say(BEN, FORUM, "me too", thread_id=thread)
    assert said["reply_to_message"]["forum_topic_created"]["name"] == "Case 1"
    general: Any = emulator.say(BEN, FORUM, "in general")
    assert "message_thread_id" not in general and "is_topic_message" not in general
    answer: Any = await raw.call(
        "sendMessage", chat_id=FORUM, text="re", reply_parameters={"message_id": said["message_id"]}
    )
    assert answer["message_thread_id"] == thread
    await raw.call("editForumTopic", chat_id=FORUM, message_thread_id=thread, name="Case 2")
    await raw.call("closeForumTopic", chat_id=FORUM, message_thread_id=thread)
    assert emulator.topics(FORUM)[0]["is_closed"]
    await raw.call("sendMessage", chat_id=FORUM, message_thread_id=thread, text="an admin still may")
    await raw.call("reopenForumTopic", chat_id=FORUM, message_thread_id=thread)
    updates: Any = await raw.updates()
    kinds = [k for u in updates for k in u.get("message", {}) if k.startswith("forum_topic")]
    assert kinds == ["forum_topic_created", "forum_topic_edited", "forum_topic_closed", "forum_topic_reopened"]
    emulator.delete_topic(FORUM, thread)
    assert await raw.fails("sendMessage", chat_id=FORUM, message_thread_id=thread, text="gone") == (
        400,
        "Bad Request: message thread not found",
    )
    assert await raw.updates() == updates  # nobody tells a bot that a topic is gone


async def test_a_thread_of_replies_in_a_group_without_topics_has_an_id_but_is_no_topic(
    emulator: Emulator, raw: RawClient
) -> None:
    root: Any = emulator.say(ANN, GROUP, "root")
    reply: Any = emulator.say(BEN, GROUP, "reply", reply_to=root["message_id"])
    second: Any = emulator.say(ANN, GROUP, "again", reply_to=reply["message_id"])
    assert reply["message_thread_id"] == second["message_thread_id"] == root["message_id"]
    assert "is_topic_message" not in second


async def test_anonymous_admins_channels_and_forwards_look_as_on_telegram(raw: RawClient, emulator: Emulator) -> None:
    emulator.add_group(-1001000000009, "Hidden", [BEN], [CARA], anonymous=[ANN])
    said: Any = emulator.say(ANN, -1001000000009, "who am I")
    assert (said["from"]["username"], said["sender_chat"]["id"]) == ("GroupAnonymousBot", -1001000000009)
    posted: Any = emulator.say(ANN, CHANNEL, "news")
    assert "from" not in posted and posted["sender_chat"]["id"] == CHANNEL
    spoken: Any = emulator.say(ANN, FORUM, "as a channel", sender_chat=CHANNEL)
    assert (spoken["from"]["username"], spoken["sender_chat"]["id"]) == ("Channel_Bot", CHANNEL)
    forwarded: Any = emulator.say(BEN, BEN, "/start", forward_from=ANN)
    assert forwarded["forward_origin"]["sender_user"]["id"] == ANN
    hidden: Any = emulator.say(BEN, BEN, "hm", forward_from="Somebody")
    assert hidden["forward_origin"]["sender_user_name"] == "Somebody"
    kinds = [next(k for k in u if k != "update_id") for u in await raw.updates()]
    assert kinds == ["channel_post", "message", "message", "message"]


async def test_a_channel_post_is_forwarded_to_its_discussion_group(raw: RawClient, emulator: Emulator) -> None:
    emulator.link_discussion(CHANNEL, GROUP)
    emulator.set_member(GROUP, emulator.bot.id, "administrator")
    await raw.updates(offset=-1)
    await raw.call("sendMessage", chat_id=CHANNEL, text="from the bot itself")
    forwarded: Any = (await raw.updates())[-1]["message"]
    assert forwarded["is_automatic_forward"]
    assert (forwarded["sender_chat"]["id"], forwarded["forward_origin"]["type"]) == (CHANNEL, "channel")
    full: Any = await raw.call("getChat", chat_id=GROUP)
    assert full["linked_chat_id"] == CHANNEL


async def test_a_press_is_answered_once_and_not_too_late(raw: RawClient, emulator: Emulator, clock: Clock) -> None:
    emulator.start(ANN)
    keyboard = {"inline_keyboard": [[{"text": "Send", "callback_data": "send:1", "style": "danger"}]]}
    sent: Any = await raw.call("sendMessage", chat_id=ANN, text="Sure?", reply_markup=keyboard)
    pressed = emulator.press(ANN, ANN, sent["message_id"], "Send")
    updates: Any = await raw.updates(offset=-1)
    query = updates[0]["callback_query"]
    assert (query["id"], query["data"], query["from"]["id"]) == (pressed.id, "send:1", ANN)
    assert query["message"]["reply_markup"] == keyboard
    await raw.call("answerCallbackQuery", callback_query_id=query["id"], text="Done", show_alert=True)
    assert (await pressed.answered())["text"] == "Done"
    too_old = "Bad Request: query is too old and response timeout expired or query ID is invalid"
    assert (await raw.fails("answerCallbackQuery", callback_query_id=query["id"]))[1] == too_old
    late = emulator.press(ANN, ANN, sent["message_id"], "send:1")
    clock.now += 120
    assert (await raw.fails("answerCallbackQuery", callback_query_id=late.id))[1] == too_old


async def test_files_go_up_and_come_down(raw: RawClient, emulator: Emulator, server: LoopbackServer) -> None:
    emulator.start(ANN)
    blob = bytes(range(256)) * 40 + b"\r\n--fake\r\n"
    answer = await raw.http.post(
        f"{raw.base}/sendDocument",
        data={"chat_id": ANN, "caption": "*see*", "parse_mode": "MarkdownV2"},
        files={"document": ('a "b".bin', blob, "application/x-thing")},
    )
    message = answer.json()["result"]
    document = message["document"]
    assert (document["file_size"], document["mime_type"]) == (len(blob), "application/x-thing")
    assert message["caption_entities"] == [{"type": "bold", "offset": 0, "length": 3}]
    got: Any = await raw.call("getFile", file_id=document["file_id"])
    down = await raw.http.get(f"{server.url}/file/bot{emulator.bot.token}/{got['file_path']}")
    assert down.content == blob
    assert (await raw.http.get(f"{server.url}/file/bot{emulator.bot.token}/nothing")).status_code == 404
    again: Any = await raw.call("sendDocument", chat_id=ANN, document=document["file_id"])
    assert again["document"]["file_unique_id"] == document["file_unique_id"]


async def test_an_album_shares_one_id_and_has_its_caption_once(raw: RawClient, emulator: Emulator) -> None:
    media = [
        {"type": "photo", "media": "attach://a", "caption": "both"},
        {"type": "photo", "media": "attach://b"},
    ]
    answer = await raw.http.post(
        f"{raw.base}/sendMediaGroup",
        data={"chat_id": FORUM, "media": json.dumps(media)},
        files={"a": ("a.png", b"\x89PNG\r\n\x1a\n1"), "b": ("b.png", b"\x89PNG\r\n\x1a\n2")},
    )
    sent = answer.json()["result"]
    assert len({message["media_group_id"] for message in sent}) == 1
    assert [message.get("caption") for message in sent] == ["both", None]
    said = emulator.send_album(ANN, FORUM, [("photo", b"1", "1.jpg"), ("video", b"2", "2.mp4")], "two")
    assert len({message["media_group_id"] for message in said}) == 1
    copied: Any = await raw.call(
        "copyMessages", chat_id=FORUM, from_chat_id=FORUM, message_ids=[m["message_id"] for m in said]
    )
    assert len({emulator.message(FORUM, c["message_id"])["media_group_id"] for c in copied}) == 1


async def test_sizes_and_captions_have_limits(raw: RawClient, emulator: Emulator) -> None:
    emulator.start(ANN)
    data = {"chat_id": ANN, "caption": "x" * 1025}
    long = await raw.http.post(f"{raw.base}/sendPhoto", data=data, files={"photo": ("a.jpg", b"1")})
    assert long.json()["description"] == "Bad Request: message caption is too long"
    large = await raw.http.post(
        f"{raw.base}/sendPhoto", data={"chat_id": ANN}, files={"photo": ("a.jpg", bytes((10 << 20) + 1))}
    )
    assert (large.status_code, "too big" in large.json()["description"]) == (400, True)


async def test_forward_copy_and_delete(raw: RawClient, emulator: Emulator, clock: Clock) -> None:
    said: Any = emulator.say(ANN, FORUM, "see https://example.org/a_(b). and /help")
    forwarded: Any = await raw.call(
        "forwardMessage", chat_id=CHANNEL, from_chat_id=FORUM, message_id=said["message_id"]
    )
    assert forwarded["forward_origin"]["sender_user"]["id"] == ANN
    assert forwarded["entities"] == said["entities"]
    copied: Any = await raw.call("copyMessage", chat_id=FORUM, from_chat_id=FORUM, message_id=said["message_id"])
    assert set(copied) == {"message_id"}
    await raw.call("deleteMessages", chat_id=FORUM, message_ids=[said["message_id"], copied["message_id"]])
    assert said["message_id"] not in [m["message_id"] for m in emulator.messages(FORUM)]
    small: Any = await raw.call("sendMessage", chat_id=SMALL, text="old soon")
    clock.now += 48 * 3600
    assert (await raw.fails("deleteMessage", chat_id=SMALL, message_id=small["message_id"]))[1] == (
        "Bad Request: message can't be deleted"
    )


async def test_members_and_admins_are_listed(raw: RawClient, emulator: Emulator) -> None:
    admins: Any = await raw.call("getChatAdministrators", chat_id=FORUM)
    assert {(a["user"]["id"], a["status"]) for a in admins} == {
        (ANN, "creator"),
        (emulator.bot.id, "administrator"),
    }
    assert await raw.call("getChatMemberCount", chat_id=FORUM) == 3
    for user, status in ((BEN, "member"), (CARA, "left")):
        member: Any = await raw.call("getChatMember", chat_id=FORUM, user_id=user)
        assert member["status"] == status
    emulator.set_member(FORUM, BEN, "restricted")
    assert (await raw.call("getChatMember", chat_id=FORUM, user_id=BEN))["status"] == "restricted"  # type: ignore[index]
    await raw.call("leaveChat", chat_id=FORUM)
    assert await raw.fails("sendMessage", chat_id=FORUM, text="x") == (
        403,
        "Forbidden: bot is not a member of the supergroup chat",
    )


async def test_commands_are_kept_per_scope_and_language(raw: RawClient, emulator: Emulator) -> None:
    one, two = [{"command": "help", "description": "Help"}], [{"command": "aide", "description": "Aide"}]
    await raw.call("setMyCommands", commands=one)
    await raw.call("setMyCommands", commands=two, language_code="fr", scope={"type": "chat", "chat_id": FORUM})
    assert await raw.call("getMyCommands") == one
    scope = {"type": "chat", "chat_id": FORUM}
    assert await raw.call("getMyCommands", scope=scope, language_code="fr") == two
    await raw.call("deleteMyCommands")
    assert await raw.call("getMyCommands") == []
    wrong = [{"command": "Bad-Name", "description": "x"}]
    assert (await raw.fails("setMyCommands", commands=wrong))[1] == "Bad Request: BOT_COMMAND_INVALID"


async def test_other_kinds_of_messages(raw: RawClient, emulator: Emulator) -> None:
    emulator.start(ANN)
    await raw.call("sendLocation", chat_id=ANN, latitude=51.5, longitude=-0.1)
    await raw.call("sendContact", chat_id=ANN, phone_number="+15550100", first_name="Cara")
    poll: Any = await raw.call("sendPoll", chat_id=ANN, question="Tea?", options=[{"text": "Yes"}, {"text": "No"}])
    stopped: Any = await raw.call("stopPoll", chat_id=ANN, message_id=poll["message_id"])
    assert stopped["is_closed"]
    await raw.call("sendDice", chat_id=ANN)
    await raw.call("sendVenue", chat_id=ANN, latitude=1, longitude=1, title="Here", address="Road 1")
    await raw.call("sendChatAction", chat_id=ANN, action="typing")
    await raw.call("pinChatMessage", chat_id=ANN, message_id=poll["message_id"])
    await raw.call("getChat", chat_id=ANN)
    await raw.call("unpinChatMessage", chat_id=ANN)
    for name in ("Video", "Audio", "Voice", "Sticker", "Animation", "VideoNote"):
        field = "video_note" if name == "VideoNote" else name.lower()
        answer = await raw.http.post(f"{raw.base}/send{name}", data={"chat_id": ANN}, files={field: ("f", b"data")})
        assert answer.json()["ok"], answer.json()
    for name in ("Name", "Description", "ShortDescription"):
        await raw.call(f"getMy{name}")
    for chat in (ANN, GROUP, SMALL, FORUM, CHANNEL):
        await raw.call("getChat", chat_id=chat)
    await raw.updates()


async def test_flood_control_refuses_until_it_is_over(raw: RawClient, emulator: Emulator, clock: Clock) -> None:
    emulator.flood = FloodLimits(per_chat_per_s=1, per_group_per_min=3, overall_per_s=None)
    for number in range(3):
        await raw.call("sendMessage", chat_id=GROUP, text=str(number))
    answer = await raw.ask("sendMessage", chat_id=GROUP, text="too much")
    assert (answer.status_code, answer.headers["Retry-After"], answer.json()["parameters"]) == (
        429,
        "60",
        {"retry_after": 60},
    )
    assert answer.json()["description"] == "Too Many Requests: retry after 60"
    clock.now += 59
    assert (await raw.fails("sendMessage", chat_id=GROUP, text="x")) == (429, "Too Many Requests: retry after 1")
    await raw.call("sendMessage", chat_id=FORUM, text="another chat is free")
    clock.now += 1
    await raw.call("sendMessage", chat_id=GROUP, text="x")


async def test_subscribers_see_every_change(raw: RawClient, emulator: Emulator) -> None:
    with emulator.subscribe() as changes:
        said: Any = emulator.say(ANN, FORUM, "hello")
        emulator.edit(ANN, FORUM, said["message_id"], "hallo")
        emulator.react(BEN, FORUM, said["message_id"], "👍")
        emulator.add_topic(FORUM, "T")
        emulator.delete(ANN, FORUM, said["message_id"])
        kinds = [event["type"] for event in changes.pending()]
        assert kinds == ["message", "edited", "reaction", "topic", "message", "deleted"]
        await raw.call("sendMessage", chat_id=FORUM, text="from the bot")
        assert (await anext(changes))["message"]["text"] == "from the bot"


async def test_pins_need_the_right_to_them_and_are_told_once(raw: RawClient, emulator: Emulator) -> None:
    refused = (400, "Bad Request: not enough rights to manage pinned messages in the chat")
    said: Any = await raw.call("sendMessage", chat_id=FORUM, text="x")
    number = said["message_id"]
    for method in ("pinChatMessage", "unpinChatMessage"):
        emulator.set_member(FORUM, emulator.bot.id, "administrator", rights={"can_pin_messages": False})
        assert await raw.fails(method, chat_id=FORUM, message_id=number) == refused
        emulator.set_member(FORUM, emulator.bot.id, "administrator")
        await raw.call("pinChatMessage", chat_id=FORUM, message_id=number)
    told = [message for message in emulator.messages(FORUM) if "pinned_message" in message]
    assert [message["pinned_message"]["message_id"] for message in told] == [number]
    assert await raw.fails("pinChatMessage", chat_id=FORUM, message_id=told[0]["message_id"]) == (
        400,
        "Bad Request: a service message can't be pinned",
    )
    assert (await raw.fails("pinChatMessage", chat_id=FORUM, message_id=99999))[1] == (
        "Bad Request: message to pin not found"
    )
    post: Any = await raw.call("sendMessage", chat_id=CHANNEL, text="x")
    emulator.set_member(CHANNEL, emulator.bot.id, "administrator", rights={"can_edit_messages": False})
    assert await raw.fails("pinChatMessage", chat_id=CHANNEL, message_id=post["message_id"]) == refused


async def test_who_looks_on_sees_what_is_pinned(raw: RawClient, emulator: Emulator) -> None:
    emulator.start(ANN)
    said: Any = await raw.call("sendMessage", chat_id=ANN, text="x")
    message = emulator.find_chat(ANN).messages[said["message_id"]]
    with emulator.subscribe() as changes:
        for method, pinned in (("pinChatMessage", True), ("unpinChatMessage", False), ("pinChatMessage", True)):
            await raw.call(method, chat_id=ANN, message_id=message.id)
            assert message_view(message)["pinned"] is pinned
            assert ("edited", message.id) in [(each["type"], each.get("message_id")) for each in changes.pending()]
        await raw.call("unpinAllChatMessages", chat_id=ANN)
    assert message_view(message)["pinned"] is False
