"""Sending from the chat."""

from __future__ import annotations

from bot.addresses import Address
from bot.changes import digest_of
from bot.store import Tx
from bot.store.outbox import PRIORITY_REPLY
from bot.telegram.access import Role
from bot.telegram.albums import whole_album
from bot.telegram.commands.registry import Answer, Call, Effect, UsageError, registry
from bot.telegram.kinds import content_of, spans_of
from bot.telegram.outbound import message_id
from bridges.model import Message, Span
from bridges.responses import clean


@registry.add(
    "send",
    role=Role.OPERATOR,
    usage="ADDRESS [text]",
    effect=Effect.SENDS,
    summary="Send one message; as a reply to a message, sends that one",
    example="/send support:room-42 hello",
    details="The mark on your message shows what became of it: 👀 waiting, 👌 sent, 🤔 may have arrived, 💔 failed.",
)
def send(call: Call, tx: Tx) -> Answer:
    """Put the words behind the address into the outbox; the mark on the command is the answer."""
    send_to(call, tx, call.target(tx, call.values["ADDRESS"]), call.values.get("text", ""))
    return None


def send_to(call: Call, tx: Tx, target: Address, text: str) -> None:
    """Send the text with what hangs on the command, or else the message that the command replies to."""
    if target == call.here:
        raise UsageError("that is this very chat")
    message = written(call, text) if text or call.attachments else _answered_message(call, tx)
    call.relay.send(
        tx,
        target,
        message,
        now=call.now,
        message_id=keep_words(call, tx, message),
        marked=True,
        priority=PRIORITY_REPLY,
        why=f"/{call.name} by {call.person_name}",
    )


def keep_words(call: Call, tx: Tx, message: Message) -> int:
    """Write the command's own message down; what is said of it later, in an edit or an answer, is said of the words
    that it sends."""
    id = call.keep(tx)
    tx.messages.rewrite(id, text=message.text, digest=digest_of(message))
    return id


def written(call: Call, text: str) -> Message:
    """The words at the end of the command, formatted as they are there."""
    return Message(text=clean(text), spans=_spans_at_end(call, text), attachments=call.attachments)


def _answered_message(call: Call, tx: Tx) -> Message:
    answered = call.answered
    if answered is None:
        raise UsageError("there is no text to send: write it after the address, or reply to the message to send")
    message = content_of(answered)
    if message is None:
        raise UsageError("nobody said anything in the message you reply to")
    return whole_album(tx, message_id(answered.chat_id, answered.message_id), message)


def _spans_at_end(call: Call, text: str) -> tuple[Span, ...]:
    """The formatting of the tail of the command's own message."""
    source = call.message.text if call.message.text is not None else call.message.caption or ""
    entities = call.message.entities if call.message.text is not None else call.message.caption_entities
    start = len(source.rstrip()) - len(text)
    moved = []
    for span in spans_of(source, entities):
        begin, end = max(span.start, start), min(span.start + span.length, start + len(text))
        if end > begin:
            moved.append(span.model_copy(update={"start": begin - start, "length": end - begin}))
    return tuple(moved)
