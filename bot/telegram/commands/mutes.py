"""Mute: nothing is relayed from a conversation, whatever the rules say."""

from __future__ import annotations

from bot.store import Tx
from bot.telegram.access import Role
from bot.telegram.commands.registry import Answer, Call, Effect, Reply, registry


@registry.add(
    "mute",
    role=Role.ADMIN,
    usage="ADDRESS",
    effect=Effect.SETS,
    summary="Relay nothing from a conversation, until /unmute",
    example="/mute support:sms/85255501234",
    details="What is written there is kept and counts as filtered; /route test says so. Replies by hand still go out.",
)
def mute(call: Call, tx: Tx) -> Answer:
    """Messages from there are filtered from now on."""
    address = call.target(tx, call.values["ADDRESS"])
    if not tx.mutes.add(str(address), person=str(call.person), now=call.now):
        return Reply(f"{address} is muted already. /unmute {address} lets it through again.")
    return Reply(f"Nothing is relayed from {address} any more. /unmute {address} lets it through again.")


@registry.add(
    "unmute",
    role=Role.ADMIN,
    usage="ADDRESS",
    effect=Effect.SETS,
    summary="Relay from a muted conversation again",
    example="/unmute support:sms/85255501234",
)
def unmute(call: Call, tx: Tx) -> Answer:
    """The rules count again; what was written meanwhile is not relayed."""
    address = call.target(tx, call.values["ADDRESS"])
    if tx.mutes.remove(str(address)):
        return Reply(f"{address} is relayed again, by the rules.")
    muted = ", ".join(tx.mutes.all()[:20])
    return Reply(f"{address} is not muted." + (f" Muted: {muted}." if muted else ""))
