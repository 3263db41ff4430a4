"""What Telegram refuses, and changes of what is there already: nothing is lost, and everybody learns what happened."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, BinaryIO

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from telegram.error import BadRequest, Forbidden

from bot.accounts import Barred, ChatMoved, SentInPart, TopicGone
from bot.playground.hosting import LoopbackServer
from bot.telegram.errors import is_about_kind
from bot.telegram.media import UPLOAD_MOST, pieces_of
from bot.telegram.outbound import Form, simplified, topic_title
from bridges.errors import Garbled, Inexpressible, Refused, Unavailable
from bridges.files import Bytes
from bridges.model import Button, ConversationId, Message, MessageId, Span, SpanKind
from tests.bot.telegram.outbound import ANN, CHANNEL, FORUM, GROUP, SMALL, Desk, account_at, desk, file, png

TEAM = ConversationId(str(GROUP))
BOLD = (Span(kind=SpanKind.BOLD, start=0, length=2),)


@pytest.fixture
async def at() -> AsyncIterator[Desk]:
    async with desk() as made:
        yield made


# ------------------------------------------------------------------------------------------------ replies


async def test_a_reply_stands_below_what_it_answers(at: Desk) -> None:
    (first,) = await at.send(GROUP, Message(text="one"))
    (second,) = await at.send(GROUP, Message(text="two", reply_to=first))
    assert at.shown(second)["reply_to_message"]["text"] == "one"


async def test_a_file_answers_too(at: Desk) -> None:
    (first,) = await at.send(GROUP, Message(text="one"))
    (second,) = await at.send(GROUP, Message(attachments=(file("file", "a.pdf"),), reply_to=first), files=[b"x"])
    assert at.shown(second)["reply_to_message"]["text"] == "one"


async def test_an_answer_to_what_is_gone_arrives_all_the_same(at: Desk) -> None:
    (id,) = await at.send(GROUP, Message(text="two", reply_to=MessageId(f"{GROUP}/999")))
    assert "reply_to_message" not in at.shown(id)


async def test_an_answer_to_the_same_number_in_another_chat_is_no_reply_here(at: Desk) -> None:
    await at.send(GROUP, Message(text="one"))
    (id,) = await at.send(GROUP, Message(text="two", reply_to=MessageId(f"{FORUM}/1")))
    assert "reply_to_message" not in at.shown(id)


# ------------------------------------------------------------------------------------------------ what is refused


async def test_a_group_that_was_upgraded_says_where_it_is(at: Desk) -> None:
    new = at.telegram.migrate(SMALL)
    with pytest.raises(ChatMoved) as caught:
        await at.send(SMALL, Message(text="hello"))
    assert caught.value.new == str(new)
    assert at.called == ["sendMessage 400"]


async def test_a_topic_that_was_deleted_is_gone(at: Desk) -> None:
    topic = at.telegram.add_topic(FORUM, "Case")
    at.telegram.delete_topic(FORUM, topic)
    with pytest.raises(TopicGone):
        await at.send(f"{FORUM}/{topic}", Message(text="hello"))


async def test_a_closed_topic_says_what_to_do(at: Desk) -> None:
    at.telegram.set_member(FORUM, at.telegram.bot.id, "member")
    topic = at.telegram.add_topic(FORUM, "Case")
    at.telegram.close_topic(FORUM, topic)
    with pytest.raises(Refused, match="open it again"):
        await at.send(f"{FORUM}/{topic}", Message(text="hello"))


async def test_who_blocked_us_bars_us(at: Desk) -> None:
    at.telegram.block(ANN)
    with pytest.raises(Barred, match="blocked"):
        await at.send(ANN, Message(text="hello"))


async def test_a_chat_that_threw_us_out_bars_us(at: Desk) -> None:
    at.telegram.kick_bot(GROUP)
    with pytest.raises(Barred):
        await at.send(GROUP, Message(text="hello"))


async def test_a_chat_that_nobody_knows_bars_us(at: Desk) -> None:
    with pytest.raises(Barred, match="Chat not found"):
        await at.send(-100777, Message(text="hello"))


async def test_a_channel_in_which_we_may_not_post_bars_us(at: Desk) -> None:
    at.telegram.set_member(CHANNEL, at.telegram.bot.id, "administrator", rights={"can_post_messages": False})
    with pytest.raises(Barred, match="administrator rights"):
        await at.send(CHANNEL, Message(text="hello"))


async def test_a_group_without_a_right_to_write_bars_us(at: Desk) -> None:
    at.telegram.set_permissions(GROUP, can_send_messages=False)
    with pytest.raises(Barred, match="Not enough rights"):
        await at.send(GROUP, Message(text="hello"))


async def test_where_photos_are_not_allowed_the_words_go_with_a_note(at: Desk) -> None:
    at.telegram.set_permissions(GROUP, can_send_photos=False)
    (id,) = await at.send(GROUP, Message(text="see", attachments=(file("image", "a.png"),)), files=[png()])
    assert at.shown(id)["text"] == "see\n[image: a.png]"


async def test_where_neither_photos_nor_words_are_allowed_we_are_barred(at: Desk) -> None:
    at.telegram.set_permissions(GROUP, can_send_photos=False, can_send_messages=False)
    with pytest.raises(Barred):
        await at.send(GROUP, Message(text="see", attachments=(file("image", "a.png"),)), files=[png()])


async def test_a_file_that_is_not_taken_is_named_without_its_name(at: Desk) -> None:
    with pytest.raises(Refused, match=r"the file \(") as caught:
        await at.send(
            GROUP,
            Message(
                text="x", attachments=(file("file", "private matter.pdf"),), buttons=(Button(label="a", data="d" * 65),)
            ),
            files=[b"x" * 900],
        )
    assert "Button_data_invalid" in str(caught.value)
    assert "private" not in str(caught.value)


async def test_a_caption_that_telegram_finds_too_long_is_cut_and_all_the_words_are_to_follow(at: Desk) -> None:
    text = "word " * 300
    spans = (Span(kind=SpanKind.BOLD, start=0, length=4),)
    message = Message(text=text, spans=spans, attachments=(file("image", "a.png"),))
    receipt = await at.deliver(GROUP, message, files=[png()])
    assert isinstance(receipt, SentInPart)
    assert receipt.left == (Message(text=text, spans=spans),)
    shown = at.shown(receipt.ids[0])
    assert "photo" in shown and shown["caption"].endswith("word…") and len(shown["caption"]) <= 200
    assert at.called == ["sendPhoto 400", "sendPhoto 200"]


def test_a_short_caption_that_is_too_long_all_the_same_is_refused() -> None:
    assert simpler("message caption is too long") is None


async def test_notes_that_have_no_room_in_a_caption_are_to_follow(at: Desk) -> None:
    class Large:
        size = UPLOAD_MOST

        def open(self) -> BinaryIO:
            raise AssertionError("nothing is read")

    message = Message(text="x" * 1020, attachments=(file("file", "a.pdf"), file("file", "b.iso")))
    receipt = await at.deliver(GROUP, message, files=[b"a", Large()])
    assert isinstance(receipt, SentInPart)
    assert receipt.left == (Message(text="[file: b.iso]"),)
    assert at.shown(receipt.ids[0])["caption"] == "x" * 1020


def photo_form() -> Form:
    return Form("see", BOLD, pieces_of([file("image", "a.png")], files=[Bytes(b"1")]), reply=7)


def simpler(error: str) -> Form | None:
    return simplified(photo_form(), BadRequest(f"Bad Request: {error}"))


@pytest.mark.parametrize(
    "error", ["can't parse entities: unsupported start tag", "ENTITY_BOUNDS_INVALID", "ENTITIES_TOO_LONG"]
)
def test_formatting_that_is_refused_is_left_out(error: str) -> None:
    made = simpler(error)
    assert made is not None
    assert (made.spans, made.text, made.reply, len(made.pieces)) == ((), "see", 7, 1)


@pytest.mark.parametrize("error", ["message to be replied not found", "replied message not found"])
def test_a_reply_that_is_refused_is_left_out(error: str) -> None:
    made = simpler(error)
    assert made is not None
    assert (made.reply, made.spans) == (None, BOLD)


@pytest.mark.parametrize(
    "error",
    [
        "PHOTO_INVALID_DIMENSIONS",
        "IMAGE_PROCESS_FAILED",
        "can't use file of type Document as Photo",
        'failed to send message #2 with the error message "PHOTO_INVALID_DIMENSIONS"',
    ],
)
def test_a_photo_that_is_refused_becomes_a_document(error: str) -> None:
    made = simpler(error)
    assert made is not None
    assert [piece.way for piece in made.pieces] == ["document"]
    assert simplified(made, BadRequest(error)) is None


@pytest.mark.parametrize(("name", "way"), [("a.ogg", "document"), ("a.mp3", "audio")])
def test_who_wants_no_voice_messages_gets_sound(name: str, way: str) -> None:
    form = Form("", pieces=pieces_of([file("voice", name)], files=[Bytes(b"1")]))
    made = simplified(form, Forbidden("Forbidden: VOICE_MESSAGES_FORBIDDEN"))
    assert made is not None
    assert [piece.way for piece in made.pieces] == [way]


@pytest.mark.parametrize(
    "error", ["message is too long", "wrong remote file identifier specified", "chat not found", "BUTTON_DATA_INVALID"]
)
def test_what_no_simpler_message_would_heal_is_not_tried_again(error: str) -> None:
    assert simpler(error) is None


def test_a_right_to_write_is_not_taken_for_a_right_to_send_photos() -> None:
    assert is_about_kind(BadRequest("Bad Request: not enough rights to send photos to the chat"))
    assert is_about_kind(BadRequest("Bad Request: CHAT_SEND_PHOTOS_FORBIDDEN"))
    assert not is_about_kind(BadRequest("Bad Request: not enough rights to send text messages to the chat"))


class Scripted:
    """A Bot API that gives answers from a list, and keeps what it was asked."""

    def __init__(self, *answers: Any) -> None:
        self.answers, self.asked = list(answers), list[str]()

    async def __call__(self, request: Request) -> JSONResponse:
        self.asked.append(f"{request.url.path.rpartition('/')[2]} {(await request.body()).decode()}")
        answer = self.answers.pop(0)
        if isinstance(answer, str):
            code = 413 if "Large" in answer else 400
            return JSONResponse({"ok": False, "error_code": code, "description": answer}, code)
        return JSONResponse({"ok": True, "result": answer})

    async def send(self, message: Message, *, data: bytes = b"") -> Any:
        app = Starlette(routes=[Route("/{rest:path}", self.__call__, methods=["POST"])])
        async with LoopbackServer(app) as server:
            account = account_at(server.url, "1:x")
            made = Desk(None, account)  # type: ignore[arg-type]
            try:
                return await made.send(GROUP, message, files=[data] if data else [])
            finally:
                await account.close()


SENT = {"message_id": 7, "date": 1, "chat": {"id": GROUP, "type": "supergroup", "title": "T"}}


async def test_a_message_whose_formatting_is_refused_goes_once_more_without() -> None:
    telegram = Scripted("Bad Request: can't parse entities: nobody knows why", SENT)
    assert await telegram.send(Message(text="hello", spans=BOLD)) == (f"{GROUP}/7",)
    assert ["entities" in asked for asked in telegram.asked] == [True, False]


async def test_formatting_that_is_refused_twice_is_an_end() -> None:
    telegram = Scripted("Bad Request: can't parse entities", "Bad Request: can't parse entities")
    with pytest.raises(Refused):
        await telegram.send(Message(text="hello", spans=BOLD))


async def test_an_upload_that_is_too_large_was_surely_not_taken() -> None:
    telegram = Scripted("Request Entity Too Large")
    with pytest.raises(Refused, match="larger than Telegram takes"):
        await telegram.send(Message(attachments=(file("file", "a.pdf"),)), data=b"x")


async def test_an_answer_that_is_no_message_is_not_taken_for_one() -> None:
    with pytest.raises(Garbled):
        await Scripted([7, 8]).send(Message(attachments=(file("file", "a.pdf"),)), data=b"x")


async def test_a_file_that_cannot_be_read_lets_its_message_wait(at: Desk) -> None:
    class Gone:
        size = 3

        def open(self) -> Any:
            raise FileNotFoundError("/somewhere/private")

    with pytest.raises(Unavailable) as caught:
        await at.send(GROUP, Message(attachments=(file("file", "a.pdf"),)), files=[Gone()])
    assert not caught.value.maybe_sent
    assert "private" not in str(caught.value)


# ------------------------------------------------------------------------------------------------ edits


async def test_a_text_and_a_caption_are_changed_where_they_stand(at: Desk) -> None:
    (text,) = await at.send(GROUP, Message(text="one"))
    picture = file("image", "a.png")
    (photo,) = await at.send(GROUP, Message(text="two", attachments=(picture,)), files=[png()])
    await at.account.edit(TEAM, [text], Message(text="ONE", spans=BOLD))
    await at.account.edit(TEAM, [photo], Message(text="TWO", spans=BOLD, attachments=(picture,)))
    bold = [{"type": "bold", "offset": 0, "length": 2}]
    assert (at.shown(text)["text"], at.shown(text)["entities"]) == ("ONE", bold)
    assert (at.shown(photo)["caption"], at.shown(photo)["caption_entities"]) == ("TWO", bold)
    assert at.bytes_of(at.shown(photo)["photo"][-1]) == png()


async def test_an_edit_without_its_files_still_finds_the_caption(at: Desk) -> None:
    (photo,) = await at.send(GROUP, Message(text="two", attachments=(file("image", "a.png"),)), files=[png()])
    await at.account.edit(TEAM, [photo], Message(text="TWO"))
    assert at.shown(photo)["caption"] == "TWO"


async def test_an_edit_of_what_went_without_its_files_still_finds_the_text(at: Desk) -> None:
    (text,) = await at.send(GROUP, Message(text="one [image]"))
    await at.account.edit(TEAM, [text], Message(text="ONE", attachments=(file("image", "a.png"),)))
    assert at.shown(text)["text"] == "ONE"


async def test_the_words_of_an_album_are_its_first_messages(at: Desk) -> None:
    first = 0
    while first % 10 != 8:  # so that the next are .../9, .../10: sorted as text, the other way round
        (id,) = await at.send(GROUP, Message(text="fill"))
        first = int(id.partition("/")[2])
    album = tuple(file("image", f"{n}.png") for n in range(2))
    ids = await at.send(GROUP, Message(text="words", attachments=album), files=[png(), png(9, 9)])
    assert sorted(ids) != list(ids)
    await at.account.edit(TEAM, sorted(ids), Message(text="WORDS", attachments=album))
    assert [at.shown(id).get("caption") for id in ids] == ["WORDS", None]


async def test_the_same_edit_twice_is_one(at: Desk) -> None:
    (id,) = await at.send(GROUP, Message(text="one"))
    for _ in range(2):
        await at.account.edit(TEAM, [id], Message(text="ONE"))
    assert at.called[-1] == "editMessageText 400"


@pytest.mark.parametrize("number", [999, None])
async def test_what_cannot_be_edited_is_refused(at: Desk, number: int | None) -> None:
    said: Any = at.telegram.say(ANN, GROUP, "hers, and we are not told")
    with pytest.raises(Refused) as caught:
        await at.account.edit(TEAM, [MessageId(f"{GROUP}/{number or said['message_id']}")], Message(text="x"))
    assert type(caught.value) is Refused


async def test_what_was_written_before_the_group_was_upgraded_stays_as_it_is(at: Desk) -> None:
    (id,) = await at.send(SMALL, Message(text="one"))
    new = at.telegram.migrate(SMALL)
    with pytest.raises(Refused, match="stayed behind"):
        await at.account.delete(ConversationId(str(new)), [id])
    with pytest.raises(ChatMoved):
        await at.account.delete(ConversationId(str(SMALL)), [id])


# ------------------------------------------------------------------------------------------------ deletions


async def test_a_deletion_takes_the_whole_album_in_one_call(at: Desk) -> None:
    album = tuple(file("image", f"{n}.png") for n in range(3))
    ids = await at.send(GROUP, Message(attachments=album), files=[png()] * 3)
    await at.account.delete(TEAM, sorted(ids, reverse=True))
    assert at.called[-1] == "deleteMessages 200"
    assert not any("photo" in message for message in at.telegram.messages(GROUP))
    await at.account.delete(TEAM, ids)


async def test_what_is_gone_already_counts_as_deleted(at: Desk) -> None:
    (id,) = await at.send(GROUP, Message(text="one"))
    for _ in range(2):
        await at.account.delete(TEAM, [id])
    assert at.called[-2:] == ["deleteMessage 200", "deleteMessage 400"]


async def test_after_two_days_a_message_stays_and_that_is_refused(at: Desk) -> None:
    (id,) = await at.send(ANN, Message(text="one"))
    now = at.telegram.clock()
    at.telegram.clock = lambda: now + 49 * 3600
    with pytest.raises(Refused, match="can't be deleted"):
        await at.account.delete(ConversationId(str(ANN)), [id])


# ------------------------------------------------------------------------------------------------ reactions, topics


async def test_a_reaction_is_put_and_taken_back(at: Desk) -> None:
    said: Any = at.telegram.say(ANN, FORUM, "hello")
    id = MessageId(f"{FORUM}/{said['message_id']}")
    place = ConversationId(str(FORUM))
    await at.account.react(place, id, "🔥")
    assert [each["type"]["emoji"] for each in at.telegram.reactions(FORUM, said["message_id"])] == ["🔥"]
    await at.account.react(place, id, "")
    assert at.telegram.reactions(FORUM, said["message_id"]) == []


async def test_a_reaction_that_the_chat_or_telegram_does_not_have_is_refused(at: Desk) -> None:
    said: Any = at.telegram.say(ANN, FORUM, "hello")
    id = MessageId(f"{FORUM}/{said['message_id']}")
    at.telegram.set_available_reactions(FORUM, ["👍"])
    with pytest.raises(Refused, match="Reaction_invalid"):
        await at.account.react(ConversationId(str(FORUM)), id, "🔥")
    with pytest.raises(Inexpressible) as caught:
        await at.account.react(ConversationId(str(FORUM)), id, "🫎")
    assert "🫎" not in str(caught.value)


async def test_a_topic_is_opened_and_takes_messages(at: Desk) -> None:
    topic = await at.account.open_topic(FORUM, "Ann  Smith\n+4479")
    assert [each["name"] for each in at.telegram.topics(FORUM)] == ["Ann Smith +4479"]
    (id,) = await at.send(f"{FORUM}/{topic}", Message(text="hello"))
    assert at.shown(id)["message_thread_id"] == topic


async def test_a_topic_where_there_can_be_none_is_refused(at: Desk) -> None:
    with pytest.raises(Refused, match="not a forum"):
        await at.account.open_topic(GROUP, "Case")
    at.telegram.set_member(FORUM, at.telegram.bot.id, "member")
    with pytest.raises(Refused, match="Not enough rights"):
        await at.account.open_topic(FORUM, "Case")


@pytest.mark.parametrize(
    ("title", "cut"),
    [
        ("Ann", "Ann"),
        ("\u202e\n\t ", "…"),
        ("👩\u200d👩\u200d👧" * 40, "👩\u200d👩\u200d👧" * 16),
        ("x" * 500, "x" * 128),
        ("e" + "\u0301" * 400, "…"),
    ],
)
def test_a_topics_title_fits_and_holds_whole_characters(title: str, cut: str) -> None:
    assert topic_title(title) == cut
