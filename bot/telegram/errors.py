"""What python-telegram-bot's exceptions mean for a delivery.

Order matters: ``BadRequest`` and ``TimedOut`` are subclasses of ``NetworkError``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import httpx
from telegram.error import (
    BadRequest,
    ChatMigrated,
    Conflict,
    Forbidden,
    InvalidToken,
    NetworkError,
    RetryAfter,
    TelegramError,
    TimedOut,
)

from bot.accounts import Barred, ChatMoved, TopicGone
from bot.telegram.request import ServerTrouble
from bridges.errors import BridgeError, Garbled, Refused, Unauthorized, Unavailable
from bridges.model import ConversationId

_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)

# Beginnings and pieces of descriptions, in lower case: the Bot API has no codes for what went wrong, so that these are
# read in its server's source (https://github.com/tdlib/telegram-bot-api and tdlib/td, 2026-11).
_TOPIC_GONE = ("message thread not found", "topic_deleted", "topic_id_invalid")
_TOPIC_CLOSED = ("topic_closed",)
_BARRED = (
    "chat not found",
    "have no rights to send a message",
    "not enough rights to send text messages",
    "need administrator rights in the channel chat",
    "chat_write_forbidden",
    "chat_send_plain_forbidden",
    "channel_private",
    "peer_id_invalid",
)
_ENTITIES = ("parse entities", "entity_", "entities_")
_REPLY = ("message to be replied not found", "replied message not found", "reply_message_id_invalid")
_WORDS = ("there is no text in the message to edit", "there is no caption in the message to edit")
_CAPTION = ("caption is too long", "caption_too_long")
_PHOTO = (
    "photo_invalid_dimensions",
    "photo_ext_invalid",
    "photo_save_file_invalid",
    "photo_content_type_invalid",
    "image_process_failed",
    "too big for a photo",
    "as photo",
)
_VOICE = ("voice_messages_forbidden",)
_BOTS = ("bots can't send messages to bots",)


def bridge_error(error: TelegramError) -> BridgeError:
    """The bridge error for an error of the Bot API."""
    match error:
        case RetryAfter():
            seconds = wait_s(error)
            return Unavailable(f"Telegram asks to wait {seconds:g} s", retry_after=seconds)
        case InvalidToken():
            return Unauthorized("Telegram refuses the bot's token; check telegram.token")
        case ChatMigrated():
            new = ConversationId(str(error.new_chat_id))
            return ChatMoved(f"the group became a supergroup with the id {new}", new=new)
        case Forbidden() if not _says(error, (*_VOICE, *_BOTS)):
            return Barred(f"Telegram says: {error.message}")
        case Forbidden():
            return Refused(f"Telegram says: {error.message}")
        case BadRequest():
            return _refusal(error)
        case Conflict():
            return Unavailable(f"Telegram says: {error.message}")
        case TimedOut() | NetworkError():
            return _unreached(error)
        case _:
            return Garbled("Telegram's answer is not of the known shape")


def _refusal(error: BadRequest) -> BridgeError:
    if _says(error, _TOPIC_GONE):
        return TopicGone(f"Telegram says: {error.message}")
    if _says(error, _TOPIC_CLOSED):
        return Refused("the topic is closed: open it again there, or make the bot an administrator, then try again")
    if _says(error, _BARRED):
        return Barred(f"Telegram says: {error.message}")
    return Refused(f"Telegram says: {error.message}")


def _says(error: TelegramError, any_of: Sequence[str]) -> bool:
    said = error.message.lower()
    return any(words in said for words in any_of)


def is_about_entities(error: TelegramError) -> bool:
    """The formatting is refused; nothing was sent."""
    return isinstance(error, BadRequest) and _says(error, _ENTITIES)


def is_about_reply(error: TelegramError) -> bool:
    """What is answered is not there any more; nothing was sent."""
    return isinstance(error, BadRequest) and _says(error, _REPLY)


def is_about_caption(error: TelegramError) -> bool:
    """There are more words beside the files than Telegram takes there; nothing was sent."""
    return isinstance(error, BadRequest) and _says(error, _CAPTION)


def is_about_photo(error: TelegramError) -> bool:
    """A picture cannot be shown as a photo; nothing was sent."""
    return isinstance(error, BadRequest) and _says(error, _PHOTO)


def is_about_voice(error: TelegramError) -> bool:
    """The person takes no voice messages; nothing was sent."""
    return isinstance(error, BadRequest | Forbidden) and _says(error, _VOICE)


def is_about_words(error: TelegramError) -> bool:
    """A text was to be changed where there is a caption, or a caption where there is a text."""
    return isinstance(error, BadRequest) and _says(error, _WORDS)


def is_about_kind(error: TelegramError) -> bool:
    """The chat takes text, but not this kind of message; nothing was sent."""
    if not isinstance(error, BadRequest):
        return False
    forbidden = re.search(r"chat_send_[a-z]+_forbidden", error.message.lower())
    return (_says(error, ("not enough rights to send",)) or forbidden is not None) and not _says(error, _BARRED)


def wait_s(error: RetryAfter) -> float:
    """The seconds that Telegram asks to wait; one where what it says makes no sense."""
    try:
        after = error.retry_after
        return float(after) if isinstance(after, int) else after.total_seconds()
    except (AttributeError, TypeError, ValueError):
        return 1.0


def _unreached(error: TelegramError) -> BridgeError:
    match error.__cause__:
        case ServerTrouble() as trouble:
            unknown = not trouble.readable or trouble.status in (502, 504)
            return Unavailable(str(error.message), maybe_sent=unknown)
        case cause if isinstance(cause, _NOT_SENT):
            return Unavailable(f"Telegram cannot be reached ({type(cause).__name__})")
        case httpx.DecodingError():
            return Garbled("Telegram's answer could not be read")
        case cause:
            kind = type(cause).__name__ if cause else type(error).__name__
            return Unavailable(f"the connection to Telegram broke ({kind})", maybe_sent=True)
