"""The message that a command is a reply to, or of which that is a copy."""

from __future__ import annotations

from bot.addresses import TELEGRAM
from bot.store import Tx
from bot.store.messages import Origin
from bot.telegram.commands.registry import Call
from bot.telegram.outbound import message_id
from bot.telegram.replies import UsageError


def answered_origin(call: Call, tx: Tx, *, what: str) -> Origin:
    """The message that the command replies to, wherever that was written; raises ``UsageError``."""
    answered = call.answered
    if answered is None:
        raise UsageError(f"reply to the message that you want to {what}")
    origin = tx.messages.find(TELEGRAM, message_id(answered.chat_id, answered.message_id))
    if origin is not None:
        return origin
    author = answered.from_user
    if author is not None and author.is_bot and author.username == call.services.bot_username:
        raise UsageError(
            "That is an answer of my own and no copy of a message: it went nowhere else. Reply to the message itself"
        )
    raise UsageError("I know nothing of that message: it came before me, or was not for me to read")
