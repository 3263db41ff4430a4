"""Who you are, where this is."""

from __future__ import annotations

from bot.store import Tx
from bot.telegram.access import Role
from bot.telegram.commands.registry import Answer, Call, Reply, registry


@registry.add("whoami", role=Role.VIEWER, summary="Who you are to this bot", example="/whoami")
def whoami(call: Call, tx: Tx) -> Answer:
    """Name, id and role."""
    if call.person is None:
        return Reply(
            "You write as an anonymous admin or a channel, so I cannot tell who you are, and you hold no role."
            " Write as yourself to use commands."
        )
    return Reply(f"You are {call.person_name}, id {call.person}, role {call.role.word}.")


@registry.add("here", role=Role.VIEWER, summary="This chat's address", example="/here")
def here(call: Call, tx: Tx) -> Answer:
    """The address to use in routes and commands."""
    linked = call.relay.router(tx).linked(call.here)
    tail = f"\nIt is linked with {', '.join(map(str, linked))}." if linked else ""
    return Reply(f"This is {call.here}{tail}")
