"""Answering where a message came from, by command."""

from __future__ import annotations

from bot.addresses import TELEGRAM
from bot.store import Tx
from bot.telegram.access import Role
from bot.telegram.commands.answered import answered_origin
from bot.telegram.commands.registry import Answer, Call, Effect, UsageError, registry
from bot.telegram.commands.send import keep_words, written
from bot.telegram.ways_back import send_back, way_back


@registry.add(
    "reply",
    role=Role.OPERATOR,
    usage="[text]",
    effect=Effect.SENDS,
    as_reply=True,
    summary="As a reply: answers that message in the conversation that it came from",
    example="/reply we are on our way (as a reply to a message)",
    details="Simply replying does the same. A file on the command goes along.",
)
def reply(call: Call, tx: Tx) -> Answer:
    """The words go back bare, once, whatever rules there are; the mark on the command is the answer."""
    message = written(call, call.values.get("text", ""))
    if call.answered is None:
        raise UsageError("reply to the message that you want to answer")
    if not message.text and not message.attachments:
        raise UsageError("the text of the answer is needed")
    origin = answered_origin(call, tx, what="answer")
    if origin.account == TELEGRAM and origin.conversation == call.here.conversation:
        raise UsageError("that message was written in this chat and came from nowhere else: /send ADDRESS text sends")
    back = way_back(tx, call.relay, origin, place=call.here)
    if back is None:
        raise UsageError(f"that message came from {origin.address}, and {call.relay.unknown_account(origin.account)}")
    call.reach(back.source)
    send_back(
        tx, call.relay, back, message, message_id=keep_words(call, tx, message), who=call.person_name, now=call.now
    )
    return None
