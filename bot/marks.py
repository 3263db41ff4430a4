"""The states of deliveries as people see them: a reaction on the message, or a line below it."""

from __future__ import annotations

# Telegram's list of reactions has no check mark and no cross (https://core.telegram.org/bots/api#reactiontypeemoji).
EMOJI = {"accepted": "👀", "delivered": "👌", "unknown": "🤔", "failed": "💔", "dropped": "🤷"}
LINES = {
    "accepted": "👀 waiting to be sent",
    "delivered": "👌 sent",
    "unknown": "🤔 may have arrived, or not",
    "failed": "💔 not sent",
    "dropped": "🤷 dropped",
}


def gives_way(state: str) -> bool:
    """Whether a person's reaction may stand in the mark's place: a bot has one reaction on a message, and that all
    is well need not be said for ever; anything else does."""
    return state == "delivered"
