"""Leaving a wizard."""

from __future__ import annotations

from bot.store import Tx
from bot.telegram.access import Role
from bot.telegram.commands.registry import Answer, Call, registry
from bot.telegram.wizards import announce as announce  # the wizards themselves
from bot.telegram.wizards import audience as audience
from bot.telegram.wizards import link as link
from bot.telegram.wizards import route as route
from bot.telegram.wizards.engine import leave


@registry.add("cancel", role=Role.VIEWER, summary="Leave the wizard you are in", example="/cancel")
def cancel(call: Call, tx: Tx) -> Answer:
    """Whatever was answered in it is forgotten."""
    return leave(call, tx)
