"""Buttons that open addresses, messages without a sound and pins, as Telegram takes them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from bot.accounts import SentInPart
from bot.changing import Pins
from bot.playground.emulator import Emulator
from bot.shaping import shape
from bot.telegram.media import UPLOAD_MOST
from bot.telegram.outbound import CAPABILITIES
from bridges.errors import Refused
from bridges.model import Attachment, Contact, ConversationId, LinkButton, Location, Message, MessageId, Span, SpanKind
from tests.bot.telegram.outbound import ANN, CHANNEL, FORUM, GROUP, SMALL, Desk, desk, file, png

TEAM = ConversationId(str(GROUP))
LINKS = (
    LinkButton(label="Tickets", url="https://example.org/t"),
    LinkButton(label="Map", url="http://example.org/m?a=1", beside=True),
    LinkButton(label="Chat", url="tg://resolve?domain=example"),
)
KEYS = [
    [
        {"text": "Tickets", "url": "https://example.org/t"},
        {"text": "Map", "url": "http://example.org/m?a=1"},
    ],
    [{"text": "Chat", "url": "tg://resolve?domain=example"}],
]
PLACE = Location(latitude=51.5, longitude=-0.12)
CARD = Contact(name="Ann", phone="+442012345678")


@pytest.fixture
async def at() -> AsyncIterator[Desk]:
    async with desk() as made:
        yield made


def keys(shown: Any) -> Any:
    return shown.get("reply_markup", {}).get("inline_keyboard")


def sent_silently(telegram: Emulator) -> list[bool]:
    """Of each send that was taken."""
    return [
        str(call.params.get("disable_notification", "")).lower() == "true"
        for call in telegram.calls
        if call.method.startswith("send") and call.status == 200
    ]


def one(kind: Any, name: str, media_type: str = "") -> Message:
    return Message(attachments=(file(kind, name, media_type),))


EVERY_KIND: list[tuple[Message, list[bytes]]] = [
    (Message(text="words"), []),
    (one("image", "a.png", "image/png"), [png()]),
    (one("video", "a.mp4", "video/mp4"), [b"v"]),
    (one("video", "a.gif", "image/gif"), [b"GIF89a"]),
    (one("audio", "a.mp3", "audio/mpeg"), [b"a"]),
    (one("voice", "a.ogg", "audio/ogg"), [b"o"]),
    (one("file", "a.pdf"), [b"f"]),
    (one("sticker", "a.webp", "image/webp"), [b"s"]),
    (Message(location=PLACE), []),
    (Message(location=Location(latitude=1, longitude=2, name="Town hall, High Street")), []),
    (Message(contact=CARD), []),
]


@pytest.mark.parametrize(("message", "files"), EVERY_KIND)
async def test_every_kind_may_be_silent_and_have_buttons(at: Desk, message: Message, files: list[bytes]) -> None:
    (id,) = await at.send(GROUP, message.model_copy(update={"silent": True, "links": LINKS}), files=files)
    assert sent_silently(at.telegram) == [True]
    assert keys(at.shown(id)) == KEYS
    (id,) = await at.send(GROUP, message, files=files)
    assert sent_silently(at.telegram) == [True, False]
    assert keys(at.shown(id)) is None


async def test_an_album_may_be_silent(at: Desk) -> None:
    album = Message(attachments=(file("image", "a.png"), file("image", "b.png")), silent=True)
    assert len(await at.send(GROUP, album, files=[png(), png()])) == 2
    assert sent_silently(at.telegram) == [True]


async def test_what_goes_once_more_without_what_was_refused_is_as_silent(at: Desk) -> None:
    broken = (Span(kind=SpanKind.LINK, start=0, length=5, value="nowhere"),)
    odd = Message(
        attachments=(file("image", "a.png", "image/png"),), links=LINKS, silent=True, spans=broken, text="words"
    )
    (id,) = await at.send(GROUP, odd, files=[png(9000, 9000)])
    assert "document" in at.shown(id) and keys(at.shown(id)) == KEYS
    assert sent_silently(at.telegram) == [True]


async def test_what_is_to_follow_a_silent_message_is_silent(at: Desk) -> None:
    many = Message(text="w" * 1020, attachments=(file("file", "a.bin"), file("file", "b.bin")), silent=True)

    class Large:
        size = UPLOAD_MOST

        def open(self) -> Any:
            raise AssertionError("it is not sent")

    receipt = await at.deliver(GROUP, many, files=[b"small", Large()])
    assert isinstance(receipt, SentInPart)
    assert [each.silent for each in receipt.left] == [True]


# --- where the buttons are


def parts(message: Message) -> list[tuple[int, str, int]]:
    """Files, the beginning of the words, buttons, of each part for Telegram."""
    shaped = shape(message, capabilities=CAPABILITIES, template=None).parts
    return [(len(part.attachments), part.text[:5], len(part.links)) for part in shaped]


def picture(name: str = "a.png") -> Attachment:
    return file("image", name)


STICKER = Attachment(kind="sticker", ref="s")


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (Message(text="hello"), [(0, "hello", 3)]),
        (Message(text="word " * 1500), [(0, "(1/2)", 0), (0, "(2/2)", 3)]),
        (Message(text="hello", attachments=(picture(),)), [(1, "hello", 3)]),
        (Message(attachments=(picture(),)), [(1, "", 3)]),
        (Message(text="word " * 300, attachments=(picture(),)), [(1, "(1/2)", 0), (0, "(2/2)", 3)]),
        (Message(text="hello", attachments=(picture(), picture())), [(2, "", 0), (0, "hello", 3)]),
        (Message(attachments=(picture(), picture())), [(2, "", 0), (0, "🔗", 3)]),
        (
            Message(text="hello", attachments=(picture(), picture(), file("file", "a.pdf"))),
            [(2, "hello", 0), (1, "", 3)],
        ),
        (
            Message(text="hello", attachments=(file("file", "a.pdf"), picture(), picture())),
            [(1, "hello", 3), (2, "", 0)],
        ),
        (Message(text="hello", location=PLACE), [(0, "hello", 3), (0, "", 0)]),
        (Message(text="hello", attachments=(STICKER,)), [(0, "hello", 3), (1, "", 0)]),
        (Message(location=PLACE), [(0, "", 3)]),
        (Message(attachments=(STICKER,)), [(1, "", 3)]),
    ],
)
def test_buttons_are_below_the_last_part_that_can_have_them(message: Message, expected: list[Any]) -> None:
    assert parts(message.model_copy(update={"links": LINKS})) == expected
    assert [links for _, _, links in parts(message)] == [0] * len(parts(message))


async def test_an_album_is_followed_by_its_words_with_the_buttons(at: Desk) -> None:
    message = Message(text="Come!", attachments=(picture(), picture("b.png")), links=LINKS)
    album, words = shape(message, capabilities=CAPABILITIES, template=None).parts
    first, second = await at.send(GROUP, album, files=[png(), png()])
    (third,) = await at.send(GROUP, words)
    assert [at.shown(id).get("caption") for id in (first, second)] == [None, None]
    assert (at.shown(third)["text"], keys(at.shown(third))) == ("Come!", KEYS)


# --- edits


async def test_an_edit_keeps_the_buttons_that_it_names_and_no_others(at: Desk) -> None:
    (id,) = await at.send(GROUP, Message(text="one", links=LINKS))
    await at.account.edit(TEAM, [id], Message(text="two", links=LINKS))
    assert (at.shown(id)["text"], keys(at.shown(id))) == ("two", KEYS)
    await at.account.edit(TEAM, [id], Message(text="two", links=LINKS))  # nothing changes, and that is success
    await at.account.edit(TEAM, [id], Message(text="three", links=LINKS[:1]))
    assert keys(at.shown(id)) == [KEYS[0][:1]]
    await at.account.edit(TEAM, [id], Message(text="four"))
    assert keys(at.shown(id)) is None


async def test_an_edit_of_a_caption_keeps_the_buttons(at: Desk) -> None:
    message = Message(text="one", attachments=(picture(),), links=LINKS)
    (id,) = await at.send(GROUP, message, files=[png()])
    await at.account.edit(TEAM, [id], message.model_copy(update={"text": "two"}))
    assert (at.shown(id)["caption"], keys(at.shown(id))) == ("two", KEYS)
    await at.account.edit(TEAM, [id], message.model_copy(update={"text": "", "links": ()}))
    assert ("caption" in at.shown(id), keys(at.shown(id))) == (False, None)


# --- pins


async def test_a_message_is_pinned_without_a_sound(at: Desk) -> None:
    assert isinstance(at.account, Pins)
    topic = at.telegram.add_topic(FORUM, "Case")
    (id,) = await at.send(f"{FORUM}/{topic}", Message(text="hello"))
    await at.account.pin(ConversationId(f"{FORUM}/{topic}"), [id])
    await at.account.pin(ConversationId(f"{FORUM}/{topic}"), [id])
    number = int(id.partition("/")[2])
    assert at.telegram.chats[FORUM].pinned == [number]
    assert at.telegram.calls[-1].params["disable_notification"] == "true"
    told = [each for each in at.telegram.chats[FORUM].messages.values() if "pinned_message" in each.content]
    assert [(each.thread_id, each.content["pinned_message"].id) for each in told] == [(topic, number)]


async def test_of_an_album_the_first_is_pinned(at: Desk) -> None:
    for _ in range(8):
        await at.send(ANN, Message(text="x"))  # numbers of one digit and of two
    ids = await at.send(ANN, Message(attachments=(picture(), picture("b.png"))), files=[png(), png()])
    await at.account.pin(ConversationId(str(ANN)), sorted(ids))
    pinned = at.telegram.find_chat(ANN).pinned
    assert [MessageId(f"{ANN}/{number}") for number in pinned] == [ids[0]]


@pytest.mark.parametrize(
    ("chat", "status", "rights"),
    [
        (GROUP, "member", {}),
        (SMALL, "member", {}),
        (FORUM, "administrator", {"can_pin_messages": False}),
        (CHANNEL, "administrator", {"can_edit_messages": False}),
    ],
)
async def test_without_the_right_to_it_nothing_is_pinned(at: Desk, chat: int, status: Any, rights: Any) -> None:
    (id,) = await at.send(chat, Message(text="hello"))
    at.telegram.set_member(chat, at.telegram.bot.id, status, rights=rights)
    with pytest.raises(Refused, match=r"[Nn]ot enough rights to manage pinned messages in the chat") as caught:
        await at.account.pin(ConversationId(str(chat)), [id])
    assert type(caught.value) is Refused
    assert at.telegram.chats[chat].pinned == []


@pytest.mark.parametrize(("chat", "rights"), [(CHANNEL, {"can_edit_messages": True}), (ANN, None)])
async def test_with_the_right_to_it_it_is(at: Desk, chat: int, rights: Any) -> None:
    (id,) = await at.send(chat, Message(text="hello"))
    if rights:
        at.telegram.set_member(chat, at.telegram.bot.id, "administrator", rights=rights)
    await at.account.pin(ConversationId(str(chat)), [id])
    assert at.telegram.find_chat(chat).pinned == [int(id.partition("/")[2])]


async def test_what_is_gone_is_not_pinned_and_deleting_takes_the_pin_along(at: Desk) -> None:
    (id,) = await at.send(ANN, Message(text="hello"))
    await at.account.pin(ConversationId(str(ANN)), [id])
    await at.account.delete(ConversationId(str(ANN)), [id])
    assert at.telegram.find_chat(ANN).pinned == []
    with pytest.raises(Refused, match="not found"):
        await at.account.pin(ConversationId(str(ANN)), [id])


async def test_a_group_that_was_upgraded_left_its_messages_behind(at: Desk) -> None:
    (id,) = await at.send(SMALL, Message(text="hello"))
    new = at.telegram.migrate(SMALL)
    with pytest.raises(Refused, match="stayed behind"):
        await at.account.pin(ConversationId(str(new)), [id])
