"""The message that a command is a reply to, or of which that is a copy, or whose announcement that shows."""

from __future__ import annotations

from telegram import Message as TelegramMessage

from bot.addresses import TELEGRAM
from bot.names import one_line
from bot.store import Tx
from bot.store.messages import Origin
from bot.telegram.access import Role
from bot.telegram.announcing import ASKING
from bot.telegram.cards import Press
from bot.telegram.commands.registry import Call
from bot.telegram.commands.sight import sight_of
from bot.telegram.outbound import message_id
from bot.telegram.replies import NotAllowed, UsageError


def answered_origin(call: Call, tx: Tx, *, what: str) -> Origin:
    """The message that the command replies to, wherever that was written; raises ``UsageError``."""
    answered = call.answered
    if answered is None:
        raise UsageError(f"reply to the message that you want to {what}")
    id = message_id(answered.chat_id, answered.message_id)
    origin = tx.messages.find(TELEGRAM, id)
    if origin is None and (broadcast := tx.broadcasts.shown_by(id)) is not None:
        # The message that shows an announcement's progress stands for it.
        origin = tx.messages.get(broadcast.message)
    if origin is not None:
        return origin
    if _asks_still(tx, answered):
        raise UsageError(
            f"That announcement was not sent, so there is nothing to {what}: its buttons send it or cancel it"
        )
    author = answered.from_user
    if author is not None and author.is_bot and author.username == call.services.bot_username:
        raise UsageError(
            "That is an answer of my own and no copy of a message: it went nowhere else. Reply to the message itself"
        )
    raise UsageError("I know nothing of that message: it came before me, or was not for me to read")


def _asks_still(tx: Tx, answered: TelegramMessage) -> bool:
    """Whether it is the preview of an announcement about which nothing was decided."""
    rows = answered.reply_markup.inline_keyboard if answered.reply_markup is not None else ()
    for data in (str(button.callback_data or "") for row in rows for button in row):
        name, _, rest = data.partition(":")
        card = tx.cards.get(rest.rpartition(":")[2], kind=ASKING) if name == ASKING else None
        if card is not None:
            return card.used_at is None
    return False


def require_own(by: Call | Press, tx: Tx, origin: Origin, *, what: str) -> None:
    """Only who wrote a message may change it, and admins as far as their role reaches; raises ``NotAllowed``."""
    if origin.account == TELEGRAM and by.person is not None and origin.sender_id == str(by.person):
        return
    if by.role < Role.ADMIN:
        author = one_line(origin.sender_name) or "its author"
        raise NotAllowed(f"Only {author}, who wrote it, or an admin may {what} that message.")
    sight = sight_of(by, needed=Role.ADMIN)
    if not sight.is_home(origin) and not all(sight.covers(tx, row) for row in tx.outbox.of_message(origin.id)):
        raise NotAllowed(
            f"That message stands in other chats too and your role counts in this one only: to {what} it needs the"
            " role admin everywhere. An owner can give it: /grant USER admin"
        )
