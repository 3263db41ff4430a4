"""Answers to commands that a chat did not take: whoever asked sees that on the command, and hears privately."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from bot.addresses import TELEGRAM, Address, parse_address, telegram_address
from bot.names import one_line
from bot.store import Tx
from bot.store.messages import Origin
from bot.store.outbox import Delivery
from bridges.model import Message


class Tells(Protocol):
    """What is needed of the relay."""

    def tell(self, tx: Tx, address: Address, text: str, *, now: float) -> None:
        """Say something in a chat, as the bot itself."""
        ...


COMMAND_MOST = 40
"""Characters of a command that are repeated."""


def answers_not_given(
    tx: Tx, relay: Tells, rows: Iterable[Delivery], *, chat: Address, reason: str, now: float
) -> None:
    """``rows`` were given up because a chat takes nothing from us: those of them that answer commands."""
    texts: dict[int, list[str]] = {}
    command = 0
    for row in rows:
        if row.message is not None or row.op != "send" or not row.intact:
            command = 0
        elif row.reply_to is not None:
            # Only the first answer to a command counts, with its further parts.
            command = row.reply_to if row.reply_to not in texts else 0
            if command:
                texts[command] = [_text(row)]
        elif row.part > 1 and command:
            texts[command].append(_text(row))
        else:
            command = 0
    for asked, said in texts.items():
        origin = tx.messages.get(asked)
        if origin is None or not origin.text.startswith("/"):
            continue
        tx.marks.want(asked, "failed", now=now)
        own = _own_chat(tx, origin)
        if own is not None and own != chat:
            what = one_line(origin.text.split(None, 1)[0], most=COMMAND_MOST)
            title = one_line(tx.conversations.title(TELEGRAM, chat.conversation)) or str(chat)
            why = f"I cannot answer your {what} in {title}: {reason.removesuffix('.')}. So here is what I say to it:"
            relay.tell(tx, own, "\n".join([why, "", *said]), now=now)


def _own_chat(tx: Tx, origin: Origin) -> Address | None:
    """The private chat of whoever wrote it; None if they never wrote there or blocked the bot since."""
    if not origin.sender_id.isdecimal() or parse_address(origin.address).account != TELEGRAM:
        return None
    chat = telegram_address(int(origin.sender_id))
    is_open = tx.conversations.is_known(TELEGRAM, chat.conversation) and tx.notices.at(f"barred:{chat}") is None
    return chat if is_open else None


def _text(row: Delivery) -> str:
    return Message.model_validate_json(row.payload).text
