"""The menus of commands that Telegram shows beside the input field."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from telegram import (
    BotCommand,
    BotCommandScope,
    BotCommandScopeAllGroupChats,
    BotCommandScopeAllPrivateChats,
    BotCommandScopeChat,
)
from telegram.error import TelegramError
from telegram.ext import ExtBot

from bot.telegram.access import Role
from bot.telegram.commands import registry
from bot.telegram.commands.registry import Command
from bot.telegram.errors import bridge_error

logger = logging.getLogger(__name__)


async def publish_menus(bot: ExtBot[None], *, owners: Iterable[int]) -> None:
    """Everybody's menu and the owners': a narrower list left by somebody else would hide ours, so each is set anew."""
    for scope in (None, BotCommandScopeAllPrivateChats(), BotCommandScopeAllGroupChats()):
        await _publish(bot, Role.VIEWER, scope=scope)
    for owner in owners:
        await publish_menu(bot, Role.OWNER, chat=owner)


async def publish_menu(bot: ExtBot[None], role: Role, *, chat: int) -> None:
    """The menu of one chat."""
    await _publish(bot, role, scope=BotCommandScopeChat(chat))


async def _publish(bot: ExtBot[None], role: Role, *, scope: BotCommandScope | None) -> None:
    try:
        await bot.set_my_commands([_entry(c) for c in registry.for_role(role)], scope=scope)
    except TelegramError as error:
        # An owner's chat does not exist before they write to the bot; /start sets their menu then.
        logger.info("a menu was not set", extra={"action": "menu", "error": str(bridge_error(error))})


def _entry(command: Command) -> BotCommand:
    return BotCommand(command.name, command.summary[:256])
