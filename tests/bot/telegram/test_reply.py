"""/reply: back to where a message came from."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bot.addresses import Address, parse_address
from bot.store import Tx
from bot.store.messages import Copy
from bot.telegram.outbound import message_id
from bridges.model import Conversation, ConversationId, Message, MessageId, Person, PersonId, Received
from tests.bot.telegram.desk import ANN, BO, CY, NEWS, OPS, Desk, a_desk

PHOTO = [{"file_id": "p1", "file_unique_id": "u1", "width": 90, "height": 90, "file_size": 1000}]


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with a_desk(tmp_path, attachments="url", replies=True) as made:
        await made.grant(BO, "operator")
        yield made


async def mirrored(desk: Desk, address: str = "club:room-1", *, number: int = 900, chat: int = OPS) -> dict[str, Any]:
    """A message from elsewhere that stands in a chat."""
    place = parse_address(address)

    def keep(tx: Tx) -> None:
        event = Received(
            key=f"k{number}",
            at=desk.line.at(),
            conversation=Conversation(id=ConversationId(place.conversation)),
            id=MessageId(f"there-{number}"),
            message=Message(text="from afar", sender=Person(id=PersonId("p"), name="Pat")),
        )
        id = desk.line.relay.keep(tx, Address(place.account, place.conversation), event)
        tx.messages.add_copy(id, Copy("telegram", str(chat), message_id(chat, number), 1, 1))

    await desk.line.store.write(keep)
    return desk.message("Pat: from afar", by=99, chat=chat) | {"message_id": number}


async def sent(desk: Desk) -> list[tuple[str, str, str]]:
    await desk.line.engine.start()
    return [(row.address, row.state, row.why) for row in await desk.line.rests()]


async def test_an_answer_goes_back_to_the_conversation(desk: Desk) -> None:
    assert await desk.write("/reply on our way", by=BO, reply_to=await mirrored(desk)) == []
    assert await sent(desk) == [("club:room-1", "sent", "reply by Bo")]
    assert desk.line.club.texts == ["on our way"]
    assert desk.line.club.sent[0].message.reply_to == "there-900"


async def test_in_a_linked_chat_it_goes_back_once_and_bare(desk: Desk) -> None:
    await desk.line.route(f"club:room-1 <-> telegram:{OPS}")
    await desk.write("/reply on our way", by=BO, reply_to=await mirrored(desk))
    await sent(desk)
    assert desk.line.club.texts == ["on our way"]


async def test_a_file_goes_along_without_words_too(desk: Desk) -> None:
    parent = await mirrored(desk)
    for caption in ("/reply see here", "/reply"):
        message = desk.message("", by=BO, reply_to_message=parent, photo=PHOTO, caption=caption)
        del message["text"]
        length = len("/reply")
        message["caption_entities"] = [{"type": "bot_command", "offset": 0, "length": length}]
        assert await desk.takes(message) == []
    await sent(desk)
    kinds = [[each.kind for each in out.message.attachments] for out in desk.line.club.sent]
    assert (desk.line.club.texts, kinds) == (["see here", ""], [["image"], ["image"]])


async def test_what_cannot_be_answered_is_said(desk: Desk) -> None:
    await mirrored(desk)
    gone = await mirrored(desk, "gone:x", number=901)
    own = desk.message("written here", by=BO)
    await desk.takes(own)
    cases = {
        "/reply hi": ({}, "Reply to the message that you want to answer."),
        "/reply": ({"reply_to": own}, "The text of the answer is needed."),
        "/reply no": ({"reply_to": own}, "That message was written in this chat and came from nowhere else"),
        "/reply huh": ({"reply_to": desk.message("never seen", by=BO)}, "I know nothing of that message"),
        "/reply x": ({"reply_to": gone}, "That message came from gone:x, and there is no account 'gone'"),
    }
    for line, (more, answer) in cases.items():
        assert (await desk.ask(line, by=BO, **more)).startswith(answer)
    assert await desk.line.rows() == []


async def test_without_the_role_nothing_goes_back(desk: Desk) -> None:
    answer = await desk.ask("/reply hi", by=CY, reply_to=await mirrored(desk))
    assert answer.startswith("/reply needs the role operator; yours is viewer.")
    assert await desk.line.rows() == []


async def test_what_came_from_another_chat_goes_back_there_for_a_role_that_reaches_it(desk: Desk) -> None:
    copy = await mirrored(desk, f"telegram:{NEWS}")
    await desk.grant(CY, "operator", chat=OPS)
    answer = await desk.ask("/reply hi", by=CY, reply_to=copy)
    assert answer.startswith("Your role operator counts in this chat only, and that is another chat")
    assert await desk.line.rows() == []
    assert await desk.write("/reply hi", by=ANN, reply_to=copy) == []
    assert [(address, state) for address, state, _ in await sent(desk)] == [(f"telegram:{NEWS}", "sent")]


async def test_what_is_said_of_the_answer_later_is_said_of_its_words(desk: Desk) -> None:
    await desk.write("/reply on our way", by=BO, reply_to=await mirrored(desk))
    await sent(desk)
    (row,) = await desk.line.rows()
    kept = await desk.line.store.read(lambda tx: tx.messages.get(row.message or 0))
    assert kept is not None
    assert kept.text == "on our way"
