"""The chat commands: one file for each family, all in one registry."""

from bot.telegram.commands import accounts, basics, changes, deliveries, mutes, routes, send
from bot.telegram.commands.registry import registry

__all__ = ["accounts", "basics", "changes", "deliveries", "mutes", "registry", "routes", "send"]
