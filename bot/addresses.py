"""Addresses: how people and rules name a conversation, ``account:conversation``.

The conversation part belongs to the account's bridge and is opaque here; Telegram's is the one exception,
because Telegram is no bridge: a chat id, with ``/topic`` for a forum topic.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

from bridges.model import AccountName, ConversationId

TELEGRAM = AccountName("telegram")
"""The account that Telegram chats belong to; no configured account may have this name."""

EXAMPLE = "support:room-42"
LONGEST_CONVERSATION = 256

_ACCOUNT = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_TELEGRAM = re.compile(r"(-?[1-9][0-9]{0,18})(?:/([0-9]{1,18}))?", re.ASCII)
_GENERAL_TOPIC = 1
_NEW_TOPIC = re.compile(r"new-topic\(([^()]+)\)", re.IGNORECASE)
_OPENING = re.compile(r"-?[0-9]+/new/([0-9]+)", re.ASCII)


class AddressError(ValueError):
    """A text that names no conversation; says what was wrong and gives one valid example."""


@dataclass(frozen=True, slots=True)
class Address:
    """One conversation of one account."""

    account: AccountName
    conversation: ConversationId

    def __str__(self) -> str:
        return f"{self.account}:{self.conversation}"


@dataclass(frozen=True, slots=True)
class Pattern:
    """Every conversation of an account, or those whose name begins with ``prefix`` (which ends in a slash)."""

    account: AccountName
    prefix: str = ""

    def __str__(self) -> str:
        return f"{self.account}:{self.prefix}*"

    def matches(self, address: Address) -> bool:
        """Whether the address is one of those meant."""
        return address.account == self.account and address.conversation.startswith(self.prefix)


Source: TypeAlias = Address | Pattern


@dataclass(frozen=True, slots=True)
class NewTopic:
    """A forum in which every new conversation gets a topic of its own; written ``new-topic(telegram:-100…)``."""

    chat: Address

    def __str__(self) -> str:
        return f"new-topic({self.chat})"

    @property
    def account(self) -> AccountName:
        """The account that the forum belongs to: Telegram."""
        return self.chat.account


def parse_account(text: str) -> AccountName:
    """Read an account's name in any case; raises ``AddressError``."""
    name = text.strip().lower()
    if not _ACCOUNT.fullmatch(name):
        raise AddressError(
            f"{_quoted(text)} is no account name: up to 32 letters, digits, _ and -, beginning with a letter,"
            " as in support"
        )
    return AccountName(name)


def parse_address(text: str) -> Address:
    """Read the address of one conversation; raises ``AddressError``."""
    source = parse_source(text)
    if isinstance(source, Pattern):
        raise AddressError(f"{source} is a pattern for many conversations, one is needed here, as in {EXAMPLE}")
    return source


def parse_pattern(text: str) -> Pattern:
    """Read ``account:*`` or ``account:sms/*``; raises ``AddressError``."""
    source = parse_source(text)
    if isinstance(source, Address):
        raise AddressError(f"{source} is one conversation, a pattern is needed here, as in {source.account}:*")
    return source


def parse_source(text: str) -> Source:
    """Read an address or a pattern; raises ``AddressError``."""
    text = text.strip()
    account_part, colon, conversation = text.partition(":")
    if not colon:
        raise AddressError(
            f"{_quoted(text)} is no address: account and conversation go with a colon between, as in {EXAMPLE}"
        )
    account = parse_account(account_part)
    if not conversation:
        raise AddressError(f"{account}: names no conversation, write it after the colon, as in {EXAMPLE}")
    if len(conversation) > LONGEST_CONVERSATION:
        raise AddressError(
            f"the conversation in {_shown(text)} has {len(conversation)} characters,"
            f" at most {LONGEST_CONVERSATION} are possible, as in {EXAMPLE}"
        )
    if not conversation.isprintable() or " " in conversation:
        raise AddressError(
            f"the conversation in {_shown(text)} holds a blank or a character that does not print,"
            f" write it without, as in {EXAMPLE}"
        )
    if conversation.endswith("*"):
        return _pattern(account, prefix=conversation[:-1])
    if account == TELEGRAM:
        chat_id, topic = split_telegram(ConversationId(conversation))
        return telegram_address(chat_id, topic)
    return Address(account, ConversationId(conversation))


def parse_target(text: str) -> Address | NewTopic:
    """Read what a route leads to; raises ``AddressError``."""
    return parse_new_topic(text) if text.startswith("new-topic(") else parse_address(text)


def parse_new_topic(text: str) -> NewTopic:
    """Read ``new-topic(telegram:-100…)``; raises ``AddressError``."""
    found = _NEW_TOPIC.fullmatch(text.strip())
    chat = parse_address(found[1]) if found else None
    if chat is None or chat.account != TELEGRAM or "/" in chat.conversation or not chat.conversation.startswith("-"):
        raise AddressError(
            f"{_quoted(text)} is no forum to open topics in: a group's address stands between the brackets, as in"
            " new-topic(telegram:-1001234567890)"
        )
    return NewTopic(chat)


def is_within(address: Address, chat: Address) -> bool:
    """Whether an address is this Telegram chat or something in it: a topic, or one that is being opened."""
    return address == chat or (
        address.account == chat.account == TELEGRAM and address.conversation.startswith(f"{chat.conversation}/")
    )


def is_reached_from(chat: Address, address: Address) -> bool:
    """Whether a role that ends at this Telegram chat covers an address: one in it, or outside Telegram."""
    return address.account != TELEGRAM or is_within(address, chat)


def opening_address(chat: Address, id: int) -> Address:
    """Where messages wait for a topic of a chat that is being opened."""
    return Address(TELEGRAM, ConversationId(f"{chat.conversation}/new/{id}"))


def opening_id(conversation: str) -> int | None:
    """Which topic is waited for there; None for every real conversation."""
    found = _OPENING.fullmatch(conversation)
    return int(found[1]) if found else None


def telegram_address(chat_id: int, topic: int | None = None) -> Address:
    """Name a Telegram chat or one of its forum topics; a group's General topic is the chat itself.

    Bots post to General without a thread id, ``1`` fails: python-telegram-bot issue 4739 (2026-11).
    """
    if not topic or (chat_id < 0 and topic == _GENERAL_TOPIC):
        return Address(TELEGRAM, ConversationId(str(chat_id)))
    return Address(TELEGRAM, ConversationId(f"{chat_id}/{topic}"))


def split_telegram(conversation: ConversationId) -> tuple[int, int | None]:
    """Take a Telegram conversation apart into chat id and topic; raises ``AddressError``."""
    found = _TELEGRAM.fullmatch(conversation)
    if found is None:
        raise AddressError(
            f"telegram:{_shown(conversation)} is no Telegram chat: a chat id is a number, with /topic for a"
            " forum topic, as in telegram:-1001234567890/17 (/here tells it)"
        )
    topic = int(found[2]) if found[2] else None
    return int(found[1]), topic


def _pattern(account: AccountName, *, prefix: str) -> Pattern:
    if "*" in prefix or (prefix and not prefix.endswith("/")):
        raise AddressError(
            f"{_shown(f'{account}:{prefix}*')} is no pattern: the star stands alone or after the last slash,"
            f" as in {account}:* or {account}:sms/*"
        )
    return Pattern(account, prefix)


def _quoted(text: str) -> str:
    """The same in quotes, where an error begins with it: what somebody wrote stays as they wrote it."""
    return f"“{_shown(text)}”" if text else _shown(text)


def _shown(text: str) -> str:
    """The text as it may stand in an error: short, and with nothing in it that acts on a terminal."""
    printable = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text[:60])
    return f"{printable}…" if len(text) > 60 else printable or "an empty text"
