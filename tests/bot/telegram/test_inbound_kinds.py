"""Every kind of message that Telegram has, as the Bot API sends it, and what is made of it."""

from __future__ import annotations

from typing import Any

import pytest
from telegram import User

from bot.telegram.inbound import Change, Membership, Passed, Talk, meaning
from bot.telegram.kinds import ENVELOPE, SERVICE
from bot.telegram.reading import read_update
from bridges import model
from bridges.model import (
    Attachment,
    Contact,
    Edited,
    Location,
    MembersChanged,
    Person,
    PersonId,
    Poll,
    Reacted,
    Received,
    Span,
    SpanKind,
)
from tests.playground.bot_api_schema import API, api, check

Json = dict[str, Any]

BOT = User(7000001, "Patchbay", True, username="patchbay_bot")
GROUP: Json = {"id": -100500, "type": "supergroup", "title": "Support desk"}
NEWS: Json = {"id": -100900, "type": "channel", "title": "News"}
ANN: Json = {"id": 1001, "is_bot": False, "first_name": "Ann", "last_name": "Bell"}
BO: Json = {"id": 1002, "is_bot": False, "first_name": "Bo"}
ME: Json = {"id": BOT.id, "is_bot": True, "first_name": "Patchbay"}
AT = 1_750_000_000
FILE: Json = {"file_id": "f", "file_unique_id": "u", "file_size": 7}
PHOTO: list[Json] = [
    {"file_id": "small", "file_unique_id": "s", "width": 9, "height": 6},
    {**FILE, "width": 90, "height": 60},
]
STICKER: Json = {
    **FILE, "type": "regular", "width": 512, "height": 512, "is_animated": False, "is_video": False, "emoji": "👍",
}  # fmt: skip
POLL: Json = {
    "id": "1", "question": "Tea?", "total_voter_count": 0, "is_closed": False, "is_anonymous": True,
    "type": "regular", "allows_multiple_answers": False, "allows_revoting": False, "members_only": False,
    "options": [
        {"persistent_id": "a", "text": "Yes", "voter_count": 0},
        {"persistent_id": "b", "text": "No", "voter_count": 0},
    ],
}  # fmt: skip
PLACE: Json = {"latitude": 51.5, "longitude": -0.125}


def message(**more: Any) -> Json:
    """A message by Ann in the group."""
    return {"message_id": 5, "date": AT, "chat": GROUP, "from": ANN, **more}


def meant_by(kind: str, payload: Json, *, known: bool = True) -> Any:
    """What an update means; ``known``: it is of the shape that is documented, which is looked at where that is here."""
    raw = {"update_id": 9, kind: payload}
    if known and API.is_file():
        check(["Update"], raw)
    update = read_update(raw, None)
    return meaning(update, bot=BOT)


def said(payload: Json, *, known: bool = True) -> model.Message:
    """What a message says, without who said it."""
    meant = meant_by("message", message(**payload), known=known)
    assert isinstance(meant, Talk), meant
    return meant.event.message.model_copy(update={"sender": None, "reply_to": None})


def file(kind: Any, **more: Any) -> model.Message:
    """A message that is a file and nothing else."""
    attachment: Json = {"kind": kind, "ref": "f", "size": 7, "account": "telegram", **more}
    return model.Message(attachments=(Attachment(**attachment),))


def note(text: str) -> model.Message:
    """A message in words alone."""
    return model.Message(text=text)


KINDS: dict[str, tuple[Json, model.Message]] = {
    "text": ({"text": "hello"}, note("hello")),
    "photo, the largest": ({"photo": PHOTO}, file("image", media_type="image/jpeg", width=90, height=60)),
    "live photo": (
        {"photo": PHOTO, "live_photo": {**FILE, "file_id": "x", "width": 90, "height": 60, "duration": 2}},
        file("image", media_type="image/jpeg", width=90, height=60),
    ),
    "document": (
        {"document": {**FILE, "file_name": "r.pdf", "mime_type": "application/pdf"}},
        file("file", name="r.pdf", media_type="application/pdf"),
    ),
    "video": (
        {"video": {**FILE, "width": 16, "height": 9, "duration": 3, "mime_type": "video/mp4", "file_name": "v.mp4"}},
        file("video", name="v.mp4", media_type="video/mp4", width=16, height=9, duration_s=3),
    ),
    "video note": (
        {"video_note": {**FILE, "length": 240, "duration": 5}},
        file("video", width=240, height=240, duration_s=5),
    ),
    "animation, which is a document too": (
        {
            "animation": {**FILE, "width": 16, "height": 9, "duration": 3, "file_name": "a.mp4"},
            "document": {**FILE, "file_name": "a.mp4"},
        },
        file("video", name="a.mp4", width=16, height=9, duration_s=3),
    ),
    "voice": (
        {"voice": {**FILE, "duration": 4, "mime_type": "audio/ogg"}},
        file("voice", media_type="audio/ogg", duration_s=4),
    ),
    "audio": ({"audio": {**FILE, "duration": 4, "file_name": "a.mp3"}}, file("audio", name="a.mp3", duration_s=4)),
    "sticker": ({"sticker": STICKER}, file("sticker", name="👍", media_type="image/webp", width=512, height=512)),
    "sticker that is a video": (
        {"sticker": {**STICKER, "is_video": True}},
        file("sticker", name="👍", media_type="video/webm", width=512, height=512),
    ),
    "sticker that is drawn": (
        {"sticker": {**STICKER, "is_animated": True}},
        file("sticker", name="👍", media_type="application/x-tgsticker", width=512, height=512),
    ),
    "location": ({"location": PLACE}, model.Message(location=Location(latitude=51.5, longitude=-0.125))),
    "live location": (
        {"location": {**PLACE, "live_period": 900}},
        model.Message(location=Location(latitude=51.5, longitude=-0.125, name="live location")),
    ),
    "venue, which is a location too": (
        {"location": PLACE, "venue": {"location": PLACE, "title": "Café", "address": "1 High St"}},
        model.Message(location=Location(latitude=51.5, longitude=-0.125, name="Café, 1 High St")),
    ),
    "contact": (
        {"contact": {"phone_number": "+15550100", "first_name": "Cara", "last_name": "Dee"}},
        model.Message(contact=Contact(name="Cara Dee", phone="+15550100")),
    ),
    "poll": ({"poll": POLL}, model.Message(poll=Poll(question="Tea?", options=("Yes", "No")))),
    "quiz": ({"poll": {**POLL, "type": "quiz"}}, model.Message(poll=Poll(question="Tea?", options=("Yes", "No")))),
    "dice": ({"dice": {"emoji": "🎲", "value": 5}}, note("[dice: 🎲 5]")),
    "game": (
        {"game": {"title": "Chess", "description": "Two\nplayers", "photo": PHOTO}},
        note("[game: Chess; Two players]"),
    ),
    "story": ({"story": {"chat": NEWS, "id": 3}}, note("[story: by News]")),
    "invoice": (
        {
            "invoice": {
                "title": "Tea", "description": "Green", "start_parameter": "", "currency": "EUR", "total_amount": 250,
            }
        },
        note("[invoice: Tea; Green]"),
    ),
    "checklist": (
        {
            "checklist": {
                "title": "Today",
                "tasks": [{"id": 1, "text": "tea"}, {"id": 2, "text": "cake", "completion_date": AT}],
            }
        },
        note("[checklist: Today]\n☐ tea\n☑ cake"),
    ),
    "giveaway": (
        {"giveaway": {"chats": [NEWS], "winners_selection_date": AT, "winner_count": 3, "prize_star_count": 500}},
        note("[giveaway: 3 prizes of 500 ⭐ in all; drawn on 2025-06-15]"),
    ),
    "giveaway that has ended": (
        {
            "giveaway_winners": {
                "chat": NEWS, "giveaway_message_id": 4, "winners_selection_date": AT, "winner_count": 1,
                "winners": [ANN], "prize_description": "a mug",
            }
        },
        note("[giveaway has ended: 1 prize; a mug; won by Ann Bell]"),
    ),
    "paid media, which nobody gets for nothing": (
        {
            "paid_media": {"star_count": 25, "paid_media": [{"type": "photo", "photo": PHOTO}]},
            "caption": "look",
            "caption_entities": [{"type": "bold", "offset": 0, "length": 4}],
        },
        model.Message(text="[paid media: 25 ⭐]\nlook", spans=(Span(kind=SpanKind.BOLD, start=19, length=4),)),
    ),
    "forward of a person's words": (
        {
            "text": "tea",
            "entities": [{"type": "bold", "offset": 0, "length": 3}],
            "forward_origin": {"type": "user", "date": 1, "sender_user": BO},
        },
        model.Message(text="forwarded from Bo:\ntea", spans=(Span(kind=SpanKind.BOLD, start=19, length=3),)),
    ),
    "forward of a hidden person's file": (
        {
            "document": {**FILE, "file_name": "r.pdf"},
            "forward_origin": {"type": "hidden_user", "date": 1, "sender_user_name": "@\u202eeve\n"},
        },
        file("file", name="r.pdf").model_copy(update={"text": "forwarded from @\u2060eve"}),
    ),
    "forward from a channel": (
        {
            "text": "tea",
            "forward_origin": {
                "type": "channel", "date": 1, "chat": NEWS, "message_id": 3, "author_signature": "Ed",
            },
        },
        note("forwarded from News (Ed):\ntea"),
    ),
    "forward from a group's admins": (
        {"text": "tea", "forward_origin": {"type": "chat", "date": 1, "sender_chat": GROUP}},
        note("forwarded from Support desk:\ntea"),
    ),
    "answer to a part of what was said in another chat": (
        {
            "text": "indeed",
            "external_reply": {"origin": {"type": "user", "date": 1, "sender_user": BO}},
            "quote": {"text": "green tea", "position": 3},
        },
        note("> Bo: green tea\nindeed"),
    ),
    "answer to something in another chat": (
        {"text": "indeed", "external_reply": {"origin": {"type": "user", "date": 1, "sender_user": BO}}},
        note("> Bo: a message in another chat\nindeed"),
    ),
    "answer to a story": (
        {"text": "nice", "reply_to_story": {"chat": NEWS, "id": 3}},
        note("> a story by News\nnice"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
def test_a_message_of_each_kind_is_made_neutral(name: str) -> None:
    payload, expected = KINDS[name]
    assert said(payload) == expected


def entity(type: str, offset: int, length: int, **more: Any) -> Json:
    return {"type": type, "offset": offset, "length": length, **more}


ENTITIES: dict[str, tuple[Json, Span | None]] = {
    "bold": (entity("bold", 3, 4), Span(kind=SpanKind.BOLD, start=2, length=4)),
    "italic": (entity("italic", 3, 4), Span(kind=SpanKind.ITALIC, start=2, length=4)),
    "underline": (entity("underline", 3, 4), Span(kind=SpanKind.UNDERLINE, start=2, length=4)),
    "strikethrough": (entity("strikethrough", 3, 4), Span(kind=SpanKind.STRIKE, start=2, length=4)),
    "spoiler": (entity("spoiler", 3, 4), Span(kind=SpanKind.SPOILER, start=2, length=4)),
    "code": (entity("code", 3, 4), Span(kind=SpanKind.CODE, start=2, length=4)),
    "pre": (entity("pre", 3, 4, language="sql"), Span(kind=SpanKind.PRE, start=2, length=4, value="sql")),
    "quote": (entity("blockquote", 0, 7), Span(kind=SpanKind.QUOTE, start=0, length=6)),
    "long quote": (
        entity("expandable_blockquote", 0, 7),
        Span(kind=SpanKind.QUOTE, start=0, length=6, value="expandable"),
    ),
    "link": (
        entity("text_link", 3, 4, url="https://example.org/"),
        Span(kind=SpanKind.LINK, start=2, length=4, value="https://example.org/"),
    ),
    "time": (
        entity("date_time", 3, 4, unix_time=AT, date_time_format="wDT"),
        Span(kind=SpanKind.TIME, start=2, length=4, value=f"{AT} wDT"),
    ),
    "time in no format": (
        entity("date_time", 3, 4, unix_time=AT),
        Span(kind=SpanKind.TIME, start=2, length=4, value=str(AT)),
    ),
    "custom emoji, whose fallback stands in the text": (entity("custom_emoji", 0, 2, custom_emoji_id="5"), None),
    "mention, which is to ping nobody": (entity("mention", 3, 4), None),
    "mention of somebody without a name": (entity("text_mention", 3, 4, user=BO), None),
    "address": (entity("url", 3, 4), None),
    "hashtag": (entity("hashtag", 3, 4), None),
    "one that ends behind the text": (entity("bold", 3, 400), None),
}


@pytest.mark.parametrize("name", ENTITIES)
def test_an_entity_is_a_span_or_just_its_words(name: str) -> None:
    raw, expected = ENTITIES[name]
    assert said({"text": "😀 word", "entities": [raw]}) == model.Message(
        text="😀 word", spans=() if expected is None else (expected,)
    )


# --- newer kinds


def rich(*blocks: Json) -> Json:
    return {"rich_message": {"blocks": list(blocks)}}


def paragraph(text: Any) -> Json:
    return {"type": "paragraph", "text": text}


def test_a_rich_message_arrives_in_words_with_its_formatting_and_files() -> None:
    found = said(
        rich(
            {"type": "heading", "size": 1, "text": "Plan"},
            paragraph(["see ", {"type": "url", "url": "https://example.org", "text": "this"}]),
            {"type": "list", "items": [
                {"label": "1.", "blocks": [paragraph("tea")]},
                {"label": "2.", "blocks": [paragraph("cake")], "has_checkbox": True, "is_checked": True},
            ]},
            {"type": "divider"},
            {"type": "table", "cells": [
                [{"text": "a", "align": "left", "valign": "top"}, {"text": "b", "align": "left", "valign": "top"}],
                [{"text": "1", "align": "left", "valign": "top"}, {"align": "left", "valign": "top"}],
            ]},
            {"type": "blockquote", "blocks": [paragraph("so")], "credit": "Bo"},
            {"type": "pre", "text": "SELECT 1", "language": "sql"},
            {"type": "photo", "photo": PHOTO, "caption": {"text": "a view"}},
        )
    )  # fmt: skip
    assert found.text == "Plan\nsee this\n1. tea\n☑ cake\n———\na | b\n1 | \nso\n— Bo\nSELECT 1\na view"
    words = {found.text[s.start : s.start + s.length]: (s.kind, s.value) for s in found.spans}
    assert words == {
        "Plan": (SpanKind.BOLD, None),
        "this": (SpanKind.LINK, "https://example.org"),
        "so\n— Bo": (SpanKind.QUOTE, None),
        "SELECT 1": (SpanKind.PRE, "sql"),
    }
    assert [(each.kind, each.ref) for each in found.attachments] == [("image", "f")]


RICH: dict[str, tuple[Any, str]] = {
    "nested": ([{"type": "bold", "text": [{"type": "italic", "text": "a"}, "b"]}], "ab"),
    "custom emoji": ({"type": "custom_emoji", "custom_emoji_id": "5", "alternative_text": "😀"}, "😀"),
    "formula": ({"type": "mathematical_expression", "expression": "x^2"}, "x^2"),
    "anchor": (["a", {"type": "anchor", "name": "here"}], "a"),
    "time": ({"type": "date_time", "text": "noon", "unix_time": AT, "date_time_format": "T"}, "noon"),
    "mention": ({"type": "text_mention", "text": "Bo", "user": BO}, "Bo"),
}


@pytest.mark.parametrize("name", RICH)
def test_words_within_a_rich_message_are_found(name: str) -> None:
    node, words = RICH[name]
    assert said(rich(paragraph(node))).text == words


BLOCKS: dict[str, tuple[Json, str]] = {
    "details": (
        {"type": "details", "summary": "More", "blocks": [{"type": "footer", "text": "end"}]},
        "More\nend",
    ),
    "pulled quote": ({"type": "pullquote", "text": "so"}, "so"),
    "map": ({"type": "map", "location": PLACE, "zoom": 13, "width": 9, "height": 9}, "📍 51.5, -0.125"),
    "formula": ({"type": "mathematical_expression", "expression": "x^2"}, "x^2"),
    "pictures in a row": (
        {
            "type": "slideshow",
            "blocks": [{"type": "photo", "photo": PHOTO}],
            "caption": {"text": "all", "credit": "Bo"},
        },
        "all\n— Bo",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BLOCKS)
def test_blocks_of_a_rich_message_are_found(name: str) -> None:
    block, words = BLOCKS[name]
    assert said(rich(block)).text == words


def test_a_block_that_nobody_knows_is_told_of_by_its_name() -> None:
    assert said(rich({"type": "hologram"}, paragraph("tea")), known=False).text == "[hologram]\ntea"


def test_a_rich_message_without_end_is_cut_off() -> None:
    node: Any = "deep"
    for _ in range(500):
        node = {"type": "bold", "text": node}
    assert said(rich(paragraph("tea"), paragraph(node)), known=False).text == "tea"


ODD_BLOCKS: dict[str, tuple[Json, str]] = {
    "list": ({"type": "list", "items": 5}, "[list]"),
    "table": ({"type": "table", "cells": {"a": 1}}, "[table]"),
    "table without rows": ({"type": "table", "cells": [5, [5, {"text": 5}]]}, "|"),
    "no blocks": ({"type": "blockquote", "blocks": 5}, ""),
}


@pytest.mark.parametrize("name", ODD_BLOCKS)
def test_an_odd_block_does_not_take_the_others_with_it(name: str) -> None:
    block, words = ODD_BLOCKS[name]
    assert said(rich(paragraph("tea"), block), known=False).text.split() == ["tea", *words.split()]


ODD_POLL: Json = {**POLL, "options": [{"text": "Yes", "voter_count": 0}]}
ODD: dict[str, tuple[Json, str]] = {
    "a file of no size": (
        rich({"type": "photo", "photo": [{"file_id": "f", "file_size": "big"}]}, {"type": "footer", "text": "tea"}),
        "[a message of a kind I cannot show: rich_message]\ntea",
    ),
    "a picture of no width": (
        {"photo": [{**FILE, "width": "wide", "height": 6}], "caption": "a view"},
        "[a message of a kind I cannot show: caption, photo]\na view",
    ),
    "such a picture in an album": (
        {"photo": [{**FILE, "width": "wide", "height": 6}], "media_group_id": "1"},
        "[a message of a kind I cannot show: photo]",
    ),
    "a place off the map": (
        {"location": {"latitude": 510, "longitude": 0}}, "[a message of a kind I cannot show: location]",
    ),
    "a poll that the library does not take": (
        {"poll": ODD_POLL}, "[a message of a kind I cannot show: poll]\nTea?\nYes",
    ),
    "formatting that it does not take": (
        {"text": "hello", "entities": [{"type": "bold"}]}, "[a message of a kind I cannot show: entities, text]\nhello",
    ),
    "an answer to such a poll": ({"text": "hello", "reply_to_message": message(poll=ODD_POLL)}, "hello"),
    "a note that somebody passed on": (
        {"poll": ODD_POLL, "forward_origin": {"type": "user"}}, "[a message of a kind I cannot show: poll]\nTea?\nYes",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_what_cannot_be_read_of_a_message_is_a_note_in_its_place(name: str) -> None:
    payload, words = ODD[name]
    assert said(payload, known=False).text == words


@pytest.mark.parametrize("kind", ["message", "edited_message", "channel_post", "edited_channel_post"])
def test_whoever_cannot_be_read_either_the_note_stands_in_its_chat(kind: str) -> None:
    odd = {**message(poll=ODD_POLL), "from": {"id": 1001}, "chat": {"id": -100500, "is_forum": 1}}
    meant = meant_by(kind, odd, known=False)
    assert isinstance(meant, Talk | Change)
    assert isinstance(meant.event, Received | Edited)
    assert (meant.event.conversation.id, meant.event.id) == ("-100500", "-100500/5")
    assert meant.event.message.text.startswith("[a message of a kind I cannot show: poll]")


def test_an_answer_to_what_cannot_be_read_is_still_one() -> None:
    parent = message(poll=ODD_POLL, message_id=4)
    meant = meant_by("message", message(text="hello", reply_to_message=parent), known=False)
    assert isinstance(meant, Talk) and meant.answered is not None
    assert (meant.event.message.reply_to, meant.answered.id) == ("-100500/4", "-100500/4")


@pytest.mark.parametrize(
    "raw",
    [
        {"update_id": 9, "message": {**message(poll=ODD_POLL), "chat": {"title": "x"}}},
        {"update_id": 9, "message": {**message(poll=ODD_POLL), "message_id": "x"}},
        {"update_id": 9, "callback_query": {"id": "1"}},
    ],
)
def test_an_update_without_a_place_cannot_be_read_at_all(raw: Json) -> None:
    with pytest.raises(TypeError):
        read_update(raw, None)


UNKNOWN: dict[str, tuple[Json, str]] = {
    "rich message without words": (rich(), "rich_message"),
    "kind of tomorrow": ({"hologram": {"depth": 3}}, "hologram"),
    "two of them": ({"hologram": {"depth": 3}, "aura": True}, "aura, hologram"),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_a_kind_that_nobody_knows_is_a_note_and_not_silence(name: str) -> None:
    payload, kind = UNKNOWN[name]
    assert said(payload, known=False) == note(f"[a message of a kind I cannot show: {kind}]")


def test_a_message_with_nothing_in_it_is_a_note_too() -> None:
    assert said({}) == note("[a message of a kind I cannot show]")


def test_the_words_in_a_kind_that_nobody_knows_are_shown() -> None:
    found = said({"hologram": {"title": "Tea", "layers": [{"caption": "hot"}, {"depth": 3}]}}, known=False)
    assert found.text == "[a message of a kind I cannot show: hologram]\nTea\nhot"


def test_what_is_new_beside_known_words_does_not_stand_in_their_way() -> None:
    assert said({"text": "tea", "hologram": {"title": "x"}}, known=False) == note("tea")


def test_every_documented_field_of_a_message_is_known_here() -> None:
    fields = {field["name"] for field in api()["types"]["Message"]["fields"]}
    shown = {key for payload, _ in KINDS.values() for key in payload}
    assert fields - ENVELOPE - SERVICE - shown == {"rich_message", "entities"} - shown


@pytest.mark.parametrize(
    "payload",
    [
        {"new_chat_title": "New"},
        {"pinned_message": message(text="x")},
        {"forum_topic_created": {"name": "SMS", "icon_color": 1}},
        {"forum_topic_edited": {"name": "SMS"}},
        {"video_chat_started": {}},
        {"message_auto_delete_timer_changed": {"message_auto_delete_time": 60}},
        {"group_chat_created": True},
        {"new_chat_members": [ME]},
        {"left_chat_member": ME},
    ],
    ids=str,
)
def test_what_nobody_said_is_unsupported(payload: Json) -> None:
    assert meant_by("message", message(**payload)) == Passed("unsupported", "a service message")


# --- who, where, in answer to what


def test_joins_and_leaves_are_told_but_for_those_of_this_bot() -> None:
    came = meant_by("message", message(new_chat_members=[BO, ME, {**BO, "id": 5, "is_bot": True}]))
    went = meant_by("message", message(left_chat_member=BO))
    assert isinstance(came.event, MembersChanged)
    assert isinstance(went.event, MembersChanged)
    assert [(person.id, person.kind) for person in came.event.joined] == [("1002", "member"), ("5", "bot")]
    assert (came.event.left, came.event.conversation.id) == ((), "-100500")
    assert [person.name for person in went.event.left] == ["Bo"]


def test_a_post_in_a_channel_is_said_by_the_channel() -> None:
    post = {"message_id": 5, "date": AT, "chat": NEWS, "sender_chat": NEWS, "text": "tea"}
    meant = meant_by("channel_post", post)
    assert isinstance(meant, Talk)
    assert meant.event.conversation.id == "-100900"
    assert meant.event.message.sender == Person(id=PersonId("-100900"), name="News", kind="system")


def test_an_edited_post_is_an_edit() -> None:
    post = {"message_id": 5, "date": AT, "edit_date": AT + 9, "chat": NEWS, "sender_chat": NEWS, "text": "tea"}
    meant = meant_by("edited_channel_post", post)
    assert isinstance(meant.event, Edited)
    assert (meant.event.id, meant.event.at.timestamp()) == ("-100900/5", AT + 9)


def test_a_post_that_telegram_brings_into_the_discussion_group_says_which_it_is() -> None:
    origin = {"type": "channel", "date": 1, "chat": NEWS, "message_id": 3}
    meant = meant_by(
        "message",
        message(**{"from": {"id": 777000, "is_bot": False, "first_name": "Telegram"}},
                sender_chat=NEWS, text="tea", is_automatic_forward=True, forward_origin=origin),
    )  # fmt: skip
    assert (meant.posted, meant.event.message.text) == ("-100900/3", "tea")


def test_what_another_bot_writes_is_said_by_a_bot() -> None:
    other = {"id": 5, "is_bot": True, "first_name": "Other"}
    meant = meant_by("message", message(**{"from": other}, text="hi"))
    assert meant.event.message.sender == Person(id=PersonId("5"), name="Other", kind="bot")


def test_what_is_answered_is_told_along_but_not_where_this_bot_wrote_it() -> None:
    parent = message(text="green or black?", **{"message_id": 4, "from": BO})
    meant = meant_by("message", message(text="green", reply_to_message=parent))
    assert meant.event.message.reply_to == "-100500/4"
    assert (meant.answered.id, meant.answered.message.text) == ("-100500/4", "green or black?")
    ours = meant_by("message", message(text="green", reply_to_message={**parent, "from": ME}))
    assert (ours.event.message.reply_to, ours.answered) == ("-100500/4", None)


def test_the_words_that_somebody_picked_out_are_the_quotation_and_those_that_telegram_did_are_not() -> None:
    parent = message(text="green or black?", **{"message_id": 4, "from": BO})
    quote = {"text": "black", "position": 9}
    picked = meant_by("message", message(text="ok", reply_to_message=parent, quote={**quote, "is_manual": True}))
    added = meant_by("message", message(text="ok", reply_to_message=parent, quote=quote))
    assert (picked.event.message.quote, added.event.message.quote) == ("black", "")


def test_a_message_that_has_no_number_yet_is_nobodys_parent() -> None:
    meant = meant_by("message", message(text="tea", message_id=0))
    assert meant.event.id is None


@pytest.mark.parametrize(
    ("chat", "status", "why"),
    [
        (GROUP, {"status": "left", "user": ME}, "I am not a member"),
        (GROUP, {"status": "kicked", "user": ME, "until_date": 0}, "I was kicked"),
        (
            {"id": 1001, "type": "private", "first_name": "Ann"},
            {"status": "kicked", "user": ME, "until_date": 0},
            "I am blocked",
        ),
        (GROUP, {"status": "member", "user": ME}, ""),
    ],
)
def test_what_the_bot_is_in_a_chat_says_whether_it_can_be_written_to(chat: Json, status: Json, why: str) -> None:
    old = {"status": "member", "user": ME}
    meant = meant_by(
        "my_chat_member", {"chat": chat, "from": BO, "date": AT, "old_chat_member": old, "new_chat_member": status}
    )
    assert isinstance(meant, Membership)
    assert (meant.chat_id, meant.status_old, meant.status_new, meant.by) == (
        chat["id"],
        "member",
        status["status"],
        1002,
    )
    assert meant.why_not == why


# --- reactions and edits


@pytest.mark.parametrize(
    ("new", "words"),
    [
        ([{"type": "emoji", "emoji": "👍"}], ("👍",)),
        ([{"type": "custom_emoji", "custom_emoji_id": "5"}], ("a custom emoji",)),
        ([{"type": "paid"}, {"type": "emoji", "emoji": "🔥"}], ("⭐", "🔥")),
        ([], ()),
    ],
)
def test_reactions_are_told_all_of_them(new: list[Json], words: tuple[str, ...]) -> None:
    told = {"chat": GROUP, "message_id": 4, "user": ANN, "date": AT, "old_reaction": [], "new_reaction": new}
    meant = meant_by("message_reaction", told)
    assert isinstance(meant, Change)
    assert isinstance(meant.event, Reacted)
    assert (meant.event.id, meant.event.reactions, meant.event.person.id) == ("-100500/4", words, "1001")


def test_the_reaction_of_an_anonymous_admin_is_the_groups() -> None:
    told = {"chat": GROUP, "message_id": 4, "actor_chat": GROUP, "date": AT, "old_reaction": [], "new_reaction": []}
    meant = meant_by("message_reaction", told)
    assert meant.event.person == Person(id=PersonId("-100500"), name="Support desk", kind="system")


@pytest.mark.parametrize("kind", ["poll", "hologram"])
def test_an_update_of_another_kind_is_unsupported_and_named(kind: str) -> None:
    meant = meant_by(kind, POLL, known=False)
    assert meant == Passed("unsupported", "this kind of update is not carried", unknown=kind)
