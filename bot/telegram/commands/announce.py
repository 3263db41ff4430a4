"""One message to many places."""

from __future__ import annotations

from bot.store import Tx
from bot.telegram.access import Role
from bot.telegram.albums import whole_album
from bot.telegram.announce_cards import propose
from bot.telegram.commands.registry import Answer, Call, Effect, registry, way
from bot.telegram.commands.send import written
from bot.telegram.kinds import content_of
from bot.telegram.outbound import message_id
from bot.telegram.wizards.engine import begin
from bridges.model import Message


@registry.add(
    "announce",
    role=Role.OPERATOR,
    ways=(way("", example="/announce", summary="a wizard with buttons asks for both"), way("TARGETS | [text]")),
    effect=Effect.SENDS,
    summary="One message to many: shown first, then sent with a button",
    example="/announce here | We are open again.",
    details=(
        "You see what goes to how many targets before anything is sent. While it goes out, one message shows how far it"
        " is, with buttons to pause and to stop. As a reply to a message, its text and files go along."
    ),
)
def announce(call: Call, tx: Tx) -> Answer:
    """Ask, with all that would be sent."""
    assert call.person is not None  # whoever has a role is somebody
    if "TARGETS" not in call.values:
        return begin(call, tx, "wannounce")
    return propose(
        tx,
        call.services,
        targets_text=call.values["TARGETS"],
        message=content(call, tx, call.values.get("text", "")),
        person=call.person,
        person_name=call.person_name,
        here=call.here,
        origin=call.keep(tx),
        now=call.now,
    )


def content(call: Call, tx: Tx, text: str) -> Message:
    """The words behind the bar (``text``, the end of the command), with the files of the command or of the message it
    replies to; or all of that one.
    """
    own, answered = written(call, text), call.answered
    said = None if answered is None or call.attachments else content_of(answered)
    if answered is None or said is None:
        return own
    whole = whole_album(tx, message_id(answered.chat_id, answered.message_id), said)
    if not own.text:
        return whole.model_copy(update={"sender": None, "reply_to": None})
    return own.model_copy(update={"attachments": whole.attachments})
