"""Updates that the library cannot read, because Telegram sends them otherwise than it expects: as far as they can be.

A message among them loses what it holds but not that it is there: who wrote it, where and when is kept, and the rest is
what ``kinds.py`` makes a note of.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any

from telegram import Bot, Update

from bot.telegram.kinds import UNREAD

logger = logging.getLogger(__name__)

MESSAGES = ("message", "edited_message", "channel_post", "edited_channel_post")

_WHERE_AND_WHO = frozenset(
    {
        "message_id", "message_thread_id", "is_topic_message", "date", "edit_date", "chat", "from", "sender_chat",
        "media_group_id", "is_ephemeral", "is_automatic_forward", "has_protected_content",
    }
)  # fmt: skip
_WHERE = frozenset({"message_id", "message_thread_id", "is_topic_message", "date", "edit_date"})

Raw = Mapping[str, Any]


def read_update(raw: Raw, bot: Bot | None) -> Update:
    """An update as the library has it; raises whatever the library does where not even place and number are known."""
    try:
        return _made(raw, bot)
    except Exception as error:
        for kind, message in _messages(raw):
            for less in _less(message):
                try:
                    update = _made({**raw, kind: less}, bot)
                except Exception:
                    continue
                logger.warning(
                    "a message is not of the known shape: %s", type(error).__name__, extra={"action": "intake"}
                )
                return update
        raise


def _made(raw: Raw, bot: Bot | None) -> Update:
    return Update.de_json(dict(raw), bot)


def _messages(raw: Raw) -> Iterator[tuple[str, Raw]]:
    for kind in MESSAGES:
        message = raw.get(kind)
        if isinstance(message, Mapping) and isinstance(message.get("message_id"), int):
            chat = message.get("chat")
            if isinstance(chat, Mapping) and isinstance(chat.get("id"), int):
                yield kind, message


def _less(message: Raw) -> Iterator[Raw]:
    """The message with less and less of it."""
    parent = message.get("reply_to_message")
    if isinstance(parent, Mapping):
        yield {**message, "reply_to_message": _only(parent, _WHERE_AND_WHO)}
        yield {**_only(message, _WHERE_AND_WHO), "reply_to_message": _only(parent, _WHERE_AND_WHO)}
    yield _only(message, _WHERE_AND_WHO)
    date = message.get("date")
    chat = message["chat"]
    yield {
        **_only(message, _WHERE),
        "date": date if isinstance(date, int) else 0,
        "chat": {"id": chat["id"], "type": str(chat.get("type") or "group"), "title": str(chat.get("title") or "")},
    }


def _only(message: Raw, names: frozenset[str]) -> dict[str, Any]:
    kept = {name: value for name, value in message.items() if name in names}
    rest = {name: value for name, value in message.items() if name not in names}
    return {**kept, UNREAD: rest}
