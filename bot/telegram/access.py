"""Roles: who may run what. Deny by default."""

from __future__ import annotations

from enum import IntEnum

from telegram import Message

from bot.addresses import TELEGRAM, Address, is_within, telegram_address
from bot.store import Tx
from bot.telegram.inbound import ANONYMOUS_ADMIN


class Role(IntEnum):
    """Each role may what the ones before it may."""

    VIEWER = 0
    OPERATOR = 1
    ADMIN = 2
    OWNER = 3

    @property
    def word(self) -> str:
        """As people write it."""
        return self.name.lower()


def person_of(message: Message) -> int | None:
    """The id of the person who wrote, or None for an anonymous admin or a channel: these hold no role."""
    user = message.from_user
    if user is None or user.id == ANONYMOUS_ADMIN or message.sender_chat is not None:
        return None
    return user.id


def role_of(tx: Tx, person: int | None, *, chat: int | None, owners: tuple[int, ...]) -> Role:
    """The highest role a person holds in this chat; ``chat`` None: the highest that holds everywhere."""
    if person is None:
        return Role.VIEWER
    if person in owners:
        return Role.OWNER
    held = [Role[word.upper()] for word in tx.roles.of(str(person), chat="*" if chat is None else str(chat))]
    return max(held, default=Role.VIEWER)


def covers(address: Address, *, here: Address, everywhere: Role, needed: Role = Role.OPERATOR) -> bool:
    """Whether somebody's role covers what concerns an address: one that holds ``everywhere`` covers all of them, one
    that counts in the chat of ``here`` none in other chats of Telegram's.
    """
    if everywhere >= needed or address.account != TELEGRAM:
        return True
    return is_within(address, telegram_address(int(here.conversation.partition("/")[0])))
