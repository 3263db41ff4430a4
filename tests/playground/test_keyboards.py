"""Keyboards of every kind: what the server takes, who has one before them, and what its buttons share."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bot.playground.emulator import Emulator
from bot.playground.emulator.keyboards import KeyboardError, read_keyboard
from bot.playground.emulator.world import WorldError
from tests.playground.conftest import ANN, BEN, CARA, CHANNEL, FORUM, GROUP, RawClient

ASK = {"text": "Share a group", "request_chat": {"request_id": 7, "chat_is_channel": False, "request_title": True}}
WHO = {"text": "Who", "request_users": {"request_id": 8, "max_quantity": 2, "request_name": True}}
KEYS = {"keyboard": [[ASK], [WHO, {"text": "Never mind"}]], "resize_keyboard": True}
AWAY = {"remove_keyboard": True}
NO_RIGHTS = dict.fromkeys(
    [
        "is_anonymous",
        "can_manage_chat",
        "can_delete_messages",
        "can_manage_video_chats",
        "can_restrict_members",
        "can_promote_members",
        "can_change_info",
        "can_invite_users",
        "can_post_stories",
        "can_edit_stories",
        "can_delete_stories",
    ],
    False,
)


def inline(*rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {"inline_keyboard": list(rows)}


def button(text: str = "A", data: str = "a") -> dict[str, Any]:
    return {"text": text, "callback_data": data}


async def sent(raw: RawClient, chat: int, markup: object, **more: object) -> Any:
    return await raw.call("sendMessage", chat_id=chat, text="?", reply_markup=markup, **more)


@pytest.mark.parametrize(
    ("markup", "words"),
    [
        ([], "object expected as reply markup"),
        ({"inline_keyboard": {}}, 'field "inline_keyboard" must be of type Array'),
        ({"inline_keyboard": [{}]}, 'Field "inline_keyboard" of the InlineKeyboardMarkup must be an Array of Arrays'),
        ({"keyboard": ["a"]}, 'Field "keyboard" must be an Array of Arrays'),
        ({"keyboard": [[1]]}, "can't parse keyboard button: KeyboardButton must be a String or an Object"),
        ({"keyboard": [[{"text": "x", "request_chat": {"chat_is_channel": True}}]]},
         "can't parse keyboard button: Can't find field \"request_id\""),
        ({"keyboard": [[{"text": "x", "request_chat": {"request_id": 1 << 31}}]]},
         'can\'t parse keyboard button: Field "request_id" must be a valid Number'),
        ({"keyboard": [[{"text": "x", "request_chat": {"request_id": 1, "bot_administrator_rights": 5}}]]},
         "can't parse keyboard button: ChatAdministratorRights must be an Object"),
        ({"keyboard": [[{"text": "x", "request_users": 5}]]},
         'can\'t parse keyboard button: Field "request_users" must be of type Object'),
        (inline([button() for _ in range(9)]), "reply markup is too long"),
        (inline(*([button()] for _ in range(101))), "reply markup is too long"),
        (inline([button(data="ü" * 33)]), "BUTTON_DATA_INVALID"),
        (inline([button(data="")]),
         "can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard"),
        (inline([{"text": "x", "url": "no link"}]),
         "inline keyboard button URL 'no link' is invalid: Wrong HTTP URL"),
    ],
)  # fmt: skip
def test_a_keyboard_that_the_server_does_not_take_is_refused_in_its_words(markup: object, words: str) -> None:
    with pytest.raises(KeyboardError) as refused:
        read_keyboard(json.dumps(markup))
    assert str(refused.value) == words


@pytest.mark.parametrize(
    ("markup", "kept"),
    [
        (inline([button(data="ü" * 32)]), inline([button(data="ü" * 32)])),
        (inline(*([button() for _ in range(8)] for _ in range(12))), inline(*([button()] * 8 for _ in range(12)))),
        (inline([button(text="")], [button()]), inline([button()])),
        (inline([button(text="")]), None),
        (inline(), None),
        ({}, None),
        ({"keyboard": [["Yes", ""], []]}, {"keyboard": [[{"text": "Yes"}]]}),
        ({"force_reply": True, "selective": True}, {"force_reply": True, "selective": True}),
    ],
)
def test_a_keyboard_that_it_takes_is_kept_without_what_is_empty(markup: object, kept: object) -> None:
    assert read_keyboard(json.dumps(markup)) == kept


async def test_a_chat_is_shared_with_what_was_asked_for(raw: RawClient, emulator: Emulator) -> None:
    emulator.start(ANN)
    await sent(raw, ANN, KEYS)
    emulator.share_chat(ANN, FORUM, "Share a group")
    updates: Any = await raw.updates()
    told = updates[-1]["message"]
    assert told["chat_shared"] == {"request_id": 7, "chat_id": FORUM, "title": "Desk"}
    assert (told["chat"]["id"], told["from"]["id"]) == (ANN, ANN)


async def test_people_are_shared_with_what_was_asked_for(raw: RawClient, emulator: Emulator) -> None:
    emulator.start(ANN)
    await sent(raw, ANN, KEYS)
    told = emulator.share_users(ANN, [BEN, CARA])
    assert told["users_shared"] == {
        "request_id": 8,
        "users": [{"user_id": BEN, "first_name": "Ben"}, {"user_id": CARA, "first_name": "Cara"}],
    }
    with pytest.raises(WorldError, match="from 1 to 2 people"):
        emulator.share_users(ANN, [BEN, CARA, ANN])


@pytest.mark.parametrize(
    ("asked", "shared", "words"),
    [
        ({}, CHANNEL, "is not what was asked for"),
        ({"chat_is_forum": True}, GROUP, "chat_is_forum true"),
        ({"chat_has_username": True}, GROUP, "chat_has_username true"),
        ({"bot_is_member": True}, -701, "the bot is not in"),
        (
            {"bot_administrator_rights": {**NO_RIGHTS, "can_pin_messages": True}},
            GROUP,
            "the bot lacks can_pin_messages",
        ),
        ({"chat_is_created": True}, -702, "does not belong to"),
        ({}, -703, "Ann is not in"),
    ],
)
async def test_only_a_chat_that_was_asked_for_can_be_picked(
    raw: RawClient, emulator: Emulator, asked: dict[str, Any], shared: int, words: str
) -> None:
    emulator.start(ANN)
    emulator.add_group(-701, "Without the bot", [], [ANN], bots=[])
    emulator.add_group(-702, "Ben's", [ANN], [BEN])
    emulator.add_group(-703, "Others", [CARA], [BEN])
    key = {"text": "Pick", "request_chat": {"request_id": 1, "chat_is_channel": False, **asked}}
    await sent(raw, ANN, {"keyboard": [[key]]})
    with pytest.raises(WorldError, match=words):
        emulator.share_chat(ANN, shared)


async def test_chats_can_be_asked_for_in_private_chats_only(raw: RawClient) -> None:
    refused = await raw.fails("sendMessage", chat_id=GROUP, text="?", reply_markup=KEYS)
    assert refused == (400, "Bad Request: chats can be requested in private chats only")


async def test_a_channel_takes_buttons_under_a_message_only(raw: RawClient) -> None:
    refused = await raw.fails("sendMessage", chat_id=CHANNEL, text="?", reply_markup=AWAY)
    assert refused == (400, "Bad Request: inline keyboard expected")


async def test_a_keyboard_stays_until_it_is_taken_away_or_its_message_is_deleted(
    raw: RawClient, emulator: Emulator
) -> None:
    emulator.start(ANN)
    first = await sent(raw, ANN, KEYS)
    await raw.call("sendMessage", chat_id=ANN, text="something else")
    assert emulator.keyboard_for(ANN, ANN) == KEYS
    assert emulator.press_key(ANN, ANN, "Never mind")["text"] == "Never mind"
    await sent(raw, ANN, AWAY)
    assert emulator.keyboard_for(ANN, ANN) is None
    with pytest.raises(WorldError, match="there is no button"):
        emulator.share_chat(ANN, FORUM)
    second = await sent(raw, ANN, KEYS)
    await raw.call("deleteMessages", chat_id=ANN, message_ids=[first["message_id"], second["message_id"]])
    assert emulator.keyboard_for(ANN, ANN) is None


async def test_a_selective_keyboard_is_before_those_whom_the_message_answers_or_names(
    raw: RawClient, emulator: Emulator
) -> None:
    asked: Any = emulator.say(BEN, GROUP, "/wizard")
    keys = {"keyboard": [[{"text": "Yes"}]], "selective": True}
    await sent(raw, GROUP, keys, reply_parameters={"message_id": asked["message_id"]})
    assert (emulator.keyboard_for(BEN, GROUP), emulator.keyboard_for(ANN, GROUP)) == (keys, None)
    await raw.call("sendMessage", chat_id=GROUP, text="@ann_smith, choose", reply_markup=keys)
    assert emulator.keyboard_for(ANN, GROUP) == keys


async def test_a_message_with_a_keyboard_of_its_own_cannot_be_edited(raw: RawClient, emulator: Emulator) -> None:
    emulator.start(ANN)
    message = await sent(raw, ANN, KEYS)
    assert "reply_markup" not in message
    place = {"chat_id": ANN, "message_id": message["message_id"]}
    assert await raw.fails("editMessageText", **place, text="!") == (400, "Bad Request: message can't be edited")


async def test_an_edit_takes_buttons_under_the_message_only(raw: RawClient, emulator: Emulator) -> None:
    emulator.start(ANN)
    message = await sent(raw, ANN, inline([button()]))
    place = {"chat_id": ANN, "message_id": message["message_id"]}
    words = (400, "Bad Request: inline keyboard expected")
    assert await raw.fails("editMessageText", **place, text="!", reply_markup=AWAY) == words
    assert await raw.fails("editMessageReplyMarkup", **place, reply_markup=KEYS) == words


async def test_an_edit_without_a_keyboard_takes_the_buttons_away_and_nobody_can_press_them(
    raw: RawClient, emulator: Emulator
) -> None:
    emulator.start(ANN)
    message = await sent(raw, ANN, inline([button("Send", "s"), button("Cancel", "c")]))
    place = {"chat_id": ANN, "message_id": message["message_id"]}
    await raw.call("editMessageText", **place, text="?", reply_markup=inline([button("Stop", "x")]))
    with pytest.raises(WorldError, match="no button 'Send'; it has 'Stop'"):
        emulator.press(ANN, ANN, message["message_id"], "Send")
    await raw.call("editMessageText", **place, text="?")
    with pytest.raises(WorldError, match="it has none"):
        emulator.press(ANN, ANN, message["message_id"], "x")
    refused = await raw.fails("editMessageText", **place, text="?")
    assert refused[1].startswith("Bad Request: message is not modified")


async def test_only_the_bots_own_message_can_be_edited(raw: RawClient, emulator: Emulator) -> None:
    said: Any = emulator.say(BEN, FORUM, "mine")
    refused = await raw.fails("editMessageText", chat_id=FORUM, message_id=said["message_id"], text="yours")
    assert refused == (400, "Bad Request: message can't be edited")


async def test_a_toast_of_over_200_letters_is_refused_and_the_press_can_still_be_answered(
    raw: RawClient, emulator: Emulator
) -> None:
    emulator.start(ANN)
    message = await sent(raw, ANN, inline([button()]))
    pressed = emulator.press(ANN, ANN, message["message_id"], "A")
    refused = await raw.fails("answerCallbackQuery", callback_query_id=pressed.id, text="x" * 201)
    assert refused == (400, "Bad Request: MESSAGE_TOO_LONG")
    await raw.call("answerCallbackQuery", callback_query_id=pressed.id, text="x" * 200, show_alert=True)
    assert (await pressed.answered())["show_alert"] is True


async def test_a_keyboard_and_privacy_are_there_after_a_restart(raw: RawClient, emulator: Emulator) -> None:
    emulator.start(ANN)
    await sent(raw, ANN, KEYS)
    emulator.set_privacy(on=False)
    kept = json.loads(json.dumps(emulator.snapshot()))
    emulator.set_privacy(on=True)
    await sent(raw, ANN, AWAY)
    emulator.restore(kept)
    assert emulator.keyboard_for(ANN, ANN) == KEYS
    assert emulator.bot.can_read_all_group_messages
    assert emulator.chats[GROUP].member(emulator.bot.id).reads_all is False


async def test_half_a_character_in_a_button_breaks_nothing(raw: RawClient, emulator: Emulator) -> None:
    emulator.start(ANN)
    body = json.dumps({"chat_id": ANN, "text": "x", "reply_markup": inline([button(data="\ud800")])})
    answer = await raw.http.post(f"{raw.base}/sendMessage", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 200
