"""The time zone of a chat: in which times written there are meant."""

from __future__ import annotations

from bot.store import Tx
from bot.telegram.access import Role
from bot.telegram.commands.registry import Answer, Call, Effect, Reply, UsageError, registry, way
from bot.zones import ZONE, local, read_zone, zone_of


@registry.add(
    "timezone",
    role=Role.ADMIN,
    ways=(
        way("", summary="show it", example="/timezone"),
        way("ZONE", effect=Effect.SETS, summary="set it"),
    ),
    summary="The time zone of this chat",
    example="/timezone Europe/Paris",
    details=(
        "Times written in this chat are meant in it, such as hours= of a route, unless they name another."
        " A name of the IANA database, or UTC; topics have that of their chat."
        " What was set up before keeps the zone it had."
    ),
)
def timezone(call: Call, tx: Tx) -> Answer:
    """Show it with the time that it is there now, or set it."""
    if "ZONE" in call.values:
        try:
            zone = read_zone(call.values["ZONE"])
        except ValueError as error:
            raise UsageError(str(error)) from error
        tx.chats.set(call.here.conversation, ZONE, zone.key)
        return Reply(
            f"The time zone of this chat is {zone.key} from now on. It is {local(call.now, zone)}.", outcome=zone.key
        )
    zone = zone_of(tx, call.here, call.services.default_timezone)
    own = tx.chats.get(call.here.conversation, ZONE) is not None
    whose = "The time zone of this chat is" if own else "No time zone is set for this chat, so the usual one counts:"
    return Reply(f"{whose} {zone.key}. It is {local(call.now, zone)}.\n/timezone ZONE sets another.")
