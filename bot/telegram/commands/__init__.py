"""The chat commands: one file for each family, all in one registry."""

from bot.telegram.commands import (
    accounts,
    audit,
    basics,
    changes,
    deliveries,
    mutes,
    pausing,
    roles,
    routes,
    send,
    status,
    timezone,
)
from bot.telegram.commands.registry import registry

__all__ = [
    "accounts",
    "audit",
    "basics",
    "changes",
    "deliveries",
    "mutes",
    "pausing",
    "registry",
    "roles",
    "routes",
    "send",
    "status",
    "timezone",
]
