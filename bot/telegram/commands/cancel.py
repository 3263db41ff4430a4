"""Leaving a wizard."""

from __future__ import annotations

from bot.store import Tx
from bot.telegram.access import Role
from bot.telegram.commands.announced import announcement_answered, stop
from bot.telegram.commands.registry import Answer, Call, registry
from bot.telegram.wizards import announce as announce  # the wizards themselves
from bot.telegram.wizards import audience as audience
from bot.telegram.wizards import link as link
from bot.telegram.wizards import route as route
from bot.telegram.wizards.engine import leave


@registry.add(
    "cancel",
    role=Role.VIEWER,
    summary="Leave the wizard you are in; as a reply to an announcement, stop that",
    example="/cancel",
    details=(
        "Whoever made an announcement, and admins, stop it by a reply to the message that shows how far it is: nothing"
        " that has not left is sent then."
    ),
)
def cancel(call: Call, tx: Tx) -> Answer:
    """Whatever was answered in the wizard is forgotten."""
    announced = announcement_answered(call, tx)
    return leave(call, tx) if announced is None else stop(call, tx, announced)
