"""The chat commands: one file for each family, all in one registry."""

from bot.telegram.commands import (
    accounts,
    audiences,
    audit,
    basics,
    changes,
    deliveries,
    mutes,
    names,
    pausing,
    reply,
    roles,
    routes,
    send,
    sms,
    status,
    timezone,
)
from bot.telegram.commands.registry import registry

__all__ = [
    "accounts",
    "audiences",
    "audit",
    "basics",
    "changes",
    "deliveries",
    "mutes",
    "names",
    "pausing",
    "registry",
    "reply",
    "roles",
    "routes",
    "send",
    "sms",
    "status",
    "timezone",
]
