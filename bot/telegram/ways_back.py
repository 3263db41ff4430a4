"""Back to where a message in a chat came from: what /reply and simply replying to it have in common."""

from __future__ import annotations

from dataclasses import dataclass

from bot.addresses import Address
from bot.relay import Relay
from bot.routing import Rule
from bot.store import Tx
from bot.store.messages import Origin
from bot.store.outbox import PRIORITY_REPLY
from bridges.model import Message


@dataclass(frozen=True, slots=True)
class WayBack:
    """Where a mirrored message was written, and which message that is."""

    source: Address
    origin: int
    rule: Rule | None
    """The rule that brought it here and has answers go back, if one did."""


def way_back(tx: Tx, relay: Relay, origin: Origin, *, place: Address) -> WayBack | None:
    """From a chat to where one of its messages came from; None if that account is no longer configured."""
    source = relay.parse_known(origin.account, origin.conversation)
    if source is None:
        return None
    return WayBack(source, origin.id, relay.router(tx).reply_rule(source, place))


def send_back(tx: Tx, relay: Relay, back: WayBack, message: Message, *, message_id: int, who: str, now: float) -> None:
    """Send it as an answer, bare; its state shows on the message that it was written in."""
    relay.send(
        tx,
        back.source,
        message,
        now=now,
        message_id=message_id,
        marked=True,
        reply_to=back.origin,
        priority=PRIORITY_REPLY,
        on_ambiguous=back.rule.options.on_ambiguous if back.rule else None,
        why=f"reply by {who}",
    )
