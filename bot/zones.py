"""Time zones of chats: the one that a chat has. Names of zones are read in ``bot.zone_names``."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from bot.addresses import TELEGRAM, Address
from bot.store import Tx
from bot.zone_names import clock, local, read_zone, span

__all__ = ["ZONE", "clock", "local", "read_zone", "span", "zone_of"]

ZONE = "timezone"
"""Where a chat's zone is kept among what was set for it."""


def zone_of(tx: Tx, chat: Address, default: str) -> ZoneInfo:
    """The zone in which times written in a chat are meant: its own, else the ``default``."""
    name = tx.chats.get(chat.conversation, ZONE) if chat.account == TELEGRAM else None
    try:
        return ZoneInfo(name or default)
    except (KeyError, ValueError, OSError):
        return ZoneInfo(default)  # another system knew the name
