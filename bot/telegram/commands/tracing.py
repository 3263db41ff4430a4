"""Where a message went, and why: what was decided on it, and what became of each of its deliveries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from bot import decisions
from bot.names import one_line
from bot.store import Tx
from bot.store.messages import Copy, Origin
from bot.store.outbox import Delivery, State
from bot.telegram.access import Role
from bot.telegram.commands.answered import answered_origin
from bot.telegram.commands.lines import at, bounded, counted, link_to, times
from bot.telegram.commands.registry import Answer, Call, Reply, registry
from bot.telegram.commands.sight import Sight, sight_of

ROWS_MOST = 20
"""Deliveries that are told one by one; of more only the numbers."""
_URGENT: tuple[State, ...] = ("dead", "held", "expired", "sending", "queued", "discarded", "cancelled", "sent")


@registry.add(
    "trace",
    role=Role.OPERATOR,
    summary="As a reply: where that message went, each state and time",
    as_reply=True,
    example="/trace (as a reply to a message)",
)
def trace(call: Call, tx: Tx) -> Answer:
    """Every delivery of the message replied to."""
    origin = answered_origin(call, tx, what="trace")
    sight = sight_of(call)
    rows, elsewhere = _seen(tx, origin, sight=sight)
    lines = [*_head(origin, sight=sight), *_decided(origin, sight=sight)]
    if len(rows) > ROWS_MOST:
        numbers = Counter(row.state for row in rows)
        lines.append(f"{len(rows)} deliveries: {', '.join(f'{numbers[s]} {s}' for s in _URGENT if numbers[s])}")
    # Of many those come first that somebody may have to do something about.
    shown = sorted(rows, key=lambda row: _URGENT.index(row.state)) if len(rows) > ROWS_MOST else rows
    copies = tx.messages.copies(origin.id)
    for row in shown[:ROWS_MOST]:
        lines += _delivery(row, [copy.remote_id for copy in copies if copy.outbox == row.id])
    if len(rows) > ROWS_MOST:
        lines.append(f"… and {counted(len(rows) - ROWS_MOST, 'more delivery')}.")
    if sight.is_home(origin):
        lines += _forgotten(copies, rows)
    if elsewhere:
        lines.append(f"{counted(elsewhere, 'delivery')} of other chats.")
    if not rows and not elsewhere and not copies:
        lines.append("Nothing was sent anywhere because of it.")
    return Reply(bounded(lines))


@registry.add(
    "why",
    role=Role.OPERATOR,
    summary="As a reply: which rule sent that message, or filtered it",
    as_reply=True,
    example="/why (as a reply to a message)",
)
def why(call: Call, tx: Tx) -> Answer:
    """What the rules said when it came in, and what led to each of its deliveries."""
    origin = answered_origin(call, tx, what="ask about")
    sight = sight_of(call)
    rows, elsewhere = _seen(tx, origin, sight=sight)
    head, decided = _head(origin, sight=sight), _decided(origin, sight=sight)
    reasons = dict.fromkeys((row.address, row.why) for row in rows if row.why)
    led = [f"to {address}: {reason}" for address, reason in list(reasons)[:ROWS_MOST]]
    if len(reasons) > ROWS_MOST:
        led.append(f"… and to {len(reasons) - ROWS_MOST} more places.")
    if elsewhere:
        led.append("Other chats have it too; your role counts in this one only.")
    if not decided and not led:
        led = ["No rule is about this place, and nobody sent it anywhere."]
    return Reply(bounded([*head, *decided, *led]))


def _seen(tx: Tx, origin: Origin, *, sight: Sight) -> tuple[Sequence[Delivery], int]:
    """A message's deliveries, as far as the person may see them, and how many others there are."""
    rows = tx.outbox.about(origin.id)
    seen = rows if sight.is_home(origin) else [row for row in rows if sight.covers(tx, row)]
    return seen, len(rows) - len(seen)


def _head(origin: Origin, *, sight: Sight) -> list[str]:
    by = one_line(origin.sender_name) or "somebody"
    place = origin.address if sight.names(origin) else "another chat"
    lines = [f"Written at {place} by {by}, {at(origin.at)}"]
    if sight.names(origin) and (link := link_to(origin)):
        lines.append(link)
    return lines


def _decided(origin: Origin, *, sight: Sight) -> Iterator[str]:
    """What the rules said. They name the places that it went to, so only who may know all of these reads it."""
    if origin.why and sight.is_home(origin):
        yield from origin.why.splitlines()
    if origin.gone_at is not None:
        yield f"taken back {at(origin.gone_at)}"


def _delivery(row: Delivery, ids: Sequence[str]) -> Iterator[str]:
    yield f"delivery {decisions.line(row)}"
    if row.why:
        yield f"  because of: {row.why}"
    if row.parts > 1:
        yield f"  part {row.part} of {row.parts}"
    if row.parked:
        yield "  its announcement has not come to it yet"
    for line in times(row):
        yield f"  {line}"
    for id in ids:
        yield f"  there as {id}"


def _forgotten(copies: Sequence[Copy], rows: Sequence[Delivery]) -> Iterator[str]:
    """Copies whose deliveries have had their time."""
    kept = {row.address for row in rows}
    old = dict.fromkeys(f"{copy.account}:{copy.conversation}" for copy in copies if copy.part)
    for address in [each for each in old if each not in kept][:ROWS_MOST]:
        yield f"a copy is at {address}; its delivery was so long ago that it is not kept any more"
