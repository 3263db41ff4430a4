"""The chat commands: one file for each family, all in one registry."""

from bot.telegram.commands import basics, deliveries, routes, send
from bot.telegram.commands.registry import registry

__all__ = ["basics", "deliveries", "registry", "routes", "send"]
