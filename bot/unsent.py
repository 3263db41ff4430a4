"""What a schedule has sent and what has not left yet: it waits for quiet hours to end, for its jitter or for its turn.

Whoever pauses, removes or changes the schedule means that, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot import broadcasts
from bot.addresses import Address
from bot.firing import NOT_APPROVED, Firing, waits_as
from bot.plans import plan_of
from bot.store import Tx
from bot.store.broadcasts import Broadcast
from bot.store.schedules import OccurrenceRow, Schedule
from bridges.model import AccountName, ConversationId

_UNDECIDED = ("queued", "sending")


@dataclass(frozen=True, slots=True)
class Unsent:
    """One occurrence of which something waits."""

    row: OccurrenceRow
    broadcast: Broadcast
    places: Sequence[Address]
    """Where it waits."""
    is_whole: bool
    """Nothing of it has left, nor has anything become of it anywhere."""


@dataclass(frozen=True, slots=True)
class CalledOff:
    """What became of that when it was called off."""

    places: int = 0
    """How many targets do not get it any more."""
    under_way: int = 0
    """To how many it was on its way already."""


NOTHING_WAITED = CalledOff()


def unsent(tx: Tx, schedule: Schedule) -> list[Unsent]:
    """What of its occurrences waits, oldest first."""
    found = []
    for broadcast in tx.broadcasts.open_of(schedule.id):
        row = tx.schedules.of_broadcast(schedule.id, broadcast.id)
        waiting, others = _places(tx, broadcast, "queued")
        if row is not None and waiting and broadcast.state in ("running", "paused"):
            found.append(Unsent(row, broadcast, waiting, not others))
    return found


def _places(tx: Tx, broadcast: Broadcast, *states: str) -> tuple[list[Address], list[Address]]:
    """Where it is in these states and was never begun, and where anything else became of it."""
    sends = [each for each in tx.broadcasts.standings(broadcast.id) if each.op == "send"]
    at = {each: Address(AccountName(each.account), ConversationId(each.conversation)) for each in sends}
    others = dict.fromkeys(at[each] for each in sends if each.state not in states or each.tries)
    return [place for place in dict.fromkeys(at.values()) if place not in others], list(others)


def call_off(tx: Tx, schedule: Schedule, *, note: str, now: float) -> CalledOff:
    """Send nothing of that which has not begun. What has left nowhere was not sent: that is written down with the
    ``note``.
    """
    places = under_way = 0
    for each in unsent(tx, schedule):
        number, left = _stop(tx, each, now=now)
        places, under_way = places + number, under_way + left
        if each.is_whole and not left:
            _forget(tx, schedule, each)
            tx.schedules.redecide(each.row.id, "skipped", broadcast=each.broadcast.id, note=note, now=now)
    return CalledOff(places, under_way)


def _stop(tx: Tx, each: Unsent, *, now: float) -> tuple[int, int]:
    """At how many places it does not arrive any more, and at how many of those it is on its way all the same."""
    broadcasts.stop(tx, each.broadcast, now=now)
    stopped, _ = _places(tx, each.broadcast, "cancelled")
    number = len(set(stopped) & set(each.places))
    return number, len(each.places) - number


def _forget(tx: Tx, schedule: Schedule, each: Unsent) -> None:
    """It counts as if it had never been; no message tells of it, for whoever asked for that is told."""
    tx.broadcasts.mute(each.broadcast.id)
    tx.schedules.unsent(schedule.id)


def adapt(tx: Tx, firing: Firing, schedule: Schedule, *, now: float) -> None:
    """It was changed, but for its rule: what has left nowhere goes out as it would now, or waits for the approval that
    the change needs; what has left somewhere has the new words everywhere else. What may not go out before an approval,
    nor as a whole after it, is called off.
    """
    waiting = unsent(tx, schedule)
    latest = max((each.row.at for each in waiting), default=None)
    for each in waiting:
        is_to_wait = schedule.state == "waits"
        if not each.is_whole and not is_to_wait:
            firing.reword(tx, _again(tx, schedule), each.row, each.broadcast, now=now)
            continue
        _, left = _stop(tx, each, now=now)
        if left or not each.is_whole:
            continue
        _forget(tx, schedule, each)
        if not is_to_wait:
            firing.fire(tx, _again(tx, schedule), each.row.at, again=each.row, now=now)
        elif each.row.at == latest and tx.schedules.held_back(schedule.id) is None:
            state, note = waits_as(plan_of(schedule))
            tx.schedules.redecide(each.row.id, state, note=note, told=False, now=now)
        else:
            tx.schedules.redecide(each.row.id, "missed", note=NOT_APPROVED, now=now)


def _again(tx: Tx, schedule: Schedule) -> Schedule:
    """As it is by now."""
    found = tx.schedules.get(schedule.id)
    assert found is not None
    return found
