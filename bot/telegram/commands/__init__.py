"""The chat commands: one file for each family, all in one registry."""

from bot.telegram.commands import accounts, basics, deliveries, routes, send
from bot.telegram.commands.registry import registry

__all__ = ["accounts", "basics", "deliveries", "registry", "routes", "send"]
