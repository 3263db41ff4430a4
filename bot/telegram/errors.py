"""What python-telegram-bot's exceptions mean for a delivery.

Order matters: ``BadRequest`` and ``TimedOut`` are subclasses of ``NetworkError``.
"""

from __future__ import annotations

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

from bot.telegram.request import ServerTrouble
from bridges.errors import BridgeError, Garbled, Refused, Unauthorized, Unavailable

_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


def bridge_error(error: TelegramError) -> BridgeError:
    """The bridge error for an error of the Bot API."""
    match error:
        case RetryAfter():
            seconds = wait_s(error)
            return Unavailable(f"Telegram asks to wait {seconds:g} s", retry_after=seconds)
        case InvalidToken():
            return Unauthorized("Telegram refuses the bot's token; check telegram.token")
        case ChatMigrated():
            return Refused(f"the group became a supergroup with the id {error.new_chat_id}; route to that one")
        case Forbidden() | BadRequest():
            return Refused(f"Telegram says: {error.message}")
        case Conflict():
            return Unavailable(f"Telegram says: {error.message}")
        case TimedOut() | NetworkError():
            return _unreached(error)
        case _:
            return Garbled("Telegram's answer is not of the known shape")


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
