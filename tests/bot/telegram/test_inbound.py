"""From Telegram's update to what it means here."""

from __future__ import annotations

from typing import Any

import pytest
from telegram import Update, User

from bot.telegram.inbound import CommandLine, Moved, Passed, Press, Talk, here, lane, meaning
from bridges.model import Span, SpanKind

BOT = User(7000001, "Patchbay", True, username="patchbay_bot")
GROUP = {"id": -100500, "type": "supergroup", "title": "Support desk"}
OTHER_BOT = {"id": 5, "is_bot": True, "first_name": "Other"}
ANN = {"id": 1001, "is_bot": False, "first_name": "Ann", "last_name": "Bell"}


def message(**more: Any) -> dict[str, Any]:
    """A message by Ann in the group."""
    return {"message_id": 5, "date": 1_750_000_000, "chat": GROUP, "from": ANN, **more}


def update(kind: str = "message", **more: Any) -> Update:
    """An update with one message."""
    made = Update.de_json({"update_id": 9, kind: message(**more)}, None)
    assert made is not None
    return made


def command(text: str, *, length: int | None = None, **more: Any) -> Update:
    """A message that begins with a command."""
    entity = {"type": "bot_command", "offset": 0, "length": length or len(text.split()[0])}
    return update(text=text, entities=[entity], **more)


@pytest.mark.parametrize(
    ("text", "name", "arguments"),
    [
        ("/send support:room-42 hello", "send", "support:room-42 hello"),
        ("/SEND@Patchbay_Bot  x ", "send", "x"),
        ("/send support:room-42\ntwo\nlines", "send", "support:room-42\ntwo\nlines"),
        ("/status", "status", ""),
    ],
)
def test_a_command_for_this_bot_is_a_command_line(text: str, name: str, arguments: str) -> None:
    meant = meaning(command(text), bot=BOT)
    assert isinstance(meant, CommandLine)
    assert (meant.name, meant.arguments) == (name, arguments)


def test_a_command_in_a_caption_is_one_too() -> None:
    entity = {"type": "bot_command", "offset": 0, "length": 7}
    photo = [{"file_id": "f", "file_unique_id": "u", "width": 1, "height": 1}]
    meant = meaning(update(caption="/status", caption_entities=[entity], photo=photo), bot=BOT)
    assert isinstance(meant, CommandLine)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (command("/send@otherbot x"), "a command for another bot"),
        (
            command("/send x", forward_origin={"type": "hidden_user", "date": 1, "sender_user_name": "X"}),
            "a forwarded command is not run",
        ),
        (command("/send x", is_automatic_forward=True), "a forwarded command is not run"),
        (command("/help", **{"from": OTHER_BOT}), "a command by another bot is not run"),
        (update(text="hi", **{"from": {"id": BOT.id, "is_bot": True, "first_name": "P"}}), "written by this bot"),
        (update(text="for you", is_ephemeral=True), "shown to this bot alone"),
    ],
)
def test_what_must_not_act_is_passed_over_and_counted_as_filtered(given: Update, why: str) -> None:
    assert meaning(given, bot=BOT) == Passed("filtered", why)


def test_an_edited_command_is_not_run() -> None:
    entity = {"type": "bot_command", "offset": 0, "length": 5}
    given = update("edited_message", text="/send x", entities=[entity], edit_date=1_750_000_001)
    assert isinstance(meaning(given, bot=BOT), Passed)


def test_a_command_that_does_not_stand_first_is_talk() -> None:
    entity = {"type": "bot_command", "offset": 4, "length": 5}
    assert isinstance(meaning(update(text="see /send", entities=[entity]), bot=BOT), Talk)


def test_a_service_message_is_unsupported() -> None:
    meant = meaning(update(new_chat_title="New"), bot=BOT)
    assert meant == Passed("unsupported", "a service message")


def test_a_pressed_button_is_a_press() -> None:
    data = {"id": "1", "from": ANN, "chat_instance": "c", "data": "held:again:x", "message": message(text="card")}
    given = Update.de_json({"update_id": 9, "callback_query": data}, None)
    assert given is not None
    assert isinstance(meaning(given, bot=BOT), Press)
    assert lane(given) == "-100500"


def test_talk_carries_sender_place_ids_and_time() -> None:
    meant = meaning(update(text="hello", message_thread_id=17, is_topic_message=True), bot=BOT)
    assert isinstance(meant, Talk)
    event = meant.event
    assert (event.conversation.id, event.conversation.kind, event.id) == ("-100500/17", "topic", "-100500/5")
    assert event.message.sender is not None
    assert (event.message.sender.id, event.message.sender.name) == ("1001", "Ann Bell")
    assert event.at.timestamp() == 1_750_000_000


def test_a_thread_id_outside_a_topic_is_no_topic() -> None:
    given = update(text="hello", message_thread_id=3)
    assert given.message is not None
    assert str(here(given.message)) == "telegram:-100500"


def test_the_message_that_opened_a_topic_is_not_taken_for_what_is_answered() -> None:
    opening = {"message_id": 17, "date": 1, "chat": GROUP, "forum_topic_created": {"name": "SMS", "icon_color": 1}}
    meant = meaning(
        update(text="hello", message_thread_id=17, is_topic_message=True, reply_to_message=opening), bot=BOT
    )
    assert isinstance(meant, Talk)
    assert meant.event.message.reply_to is None


def test_a_reply_names_the_message_it_answers() -> None:
    parent = {"message_id": 4, "date": 1, "chat": GROUP, "text": "from outside"}
    meant = meaning(update(text="thanks", reply_to_message=parent), bot=BOT)
    assert isinstance(meant, Talk)
    assert meant.event.message.reply_to == "-100500/4"


def test_entities_in_utf16_units_become_spans_in_code_points() -> None:
    text = "👨‍👩‍👧 bold 𝔘 link"
    entities = [
        {"type": "bold", "offset": 9, "length": 4},
        {"type": "text_link", "offset": 17, "length": 4, "url": "https://example.org/"},
        {"type": "mention", "offset": 0, "length": 2},
        {"type": "italic", "offset": 400, "length": 4},
    ]
    meant = meaning(update(text=text, entities=entities), bot=BOT)
    assert isinstance(meant, Talk)
    spans = meant.event.message.spans
    assert [text[s.start : s.start + s.length] for s in spans] == ["bold", "link"]
    assert spans[1] == Span(kind=SpanKind.LINK, start=spans[1].start, length=4, value="https://example.org/")


@pytest.mark.parametrize(
    ("more", "kind"),
    [
        ({"photo": [{"file_id": "f", "file_unique_id": "u", "width": 1, "height": 1}]}, "image"),
        ({"document": {"file_id": "f", "file_unique_id": "u", "file_name": "r.pdf"}}, "file"),
        ({"voice": {"file_id": "f", "file_unique_id": "u", "duration": 1}}, "voice"),
        (
            {
                "sticker": {
                    "file_id": "f", "file_unique_id": "u", "type": "regular", "width": 1, "height": 1,
                    "is_animated": False, "is_video": False, "emoji": "👍",
                }
            },
            "sticker",
        ),
    ],
)  # fmt: skip
def test_what_hangs_on_a_message_is_named(more: dict[str, Any], kind: str) -> None:
    meant = meaning(update(**more), bot=BOT)
    assert isinstance(meant, Talk)
    assert [a.kind for a in meant.event.message.attachments] == [kind]


@pytest.mark.parametrize(
    "more",
    [
        {"migrate_to_chat_id": -100700, "chat": {"id": -700, "type": "group", "title": "Ops"}},
        {"migrate_from_chat_id": -700, "chat": {"id": -100700, "type": "supergroup", "title": "Ops"}},
    ],
)
def test_either_message_of_an_upgrade_tells_of_both_ids(more: dict[str, Any]) -> None:
    assert meaning(update(**more), bot=BOT) == Moved(-700, -100700)
