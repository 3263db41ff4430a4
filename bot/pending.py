"""What of a schedule is to come, what is due and nothing became of yet, and what becomes of that where it does not
simply fire: it waits for an approval, or a person pauses, changes or removes its schedule meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from bot.firing import NOT_APPROVED, Firing, waits_as
from bot.plans import Plan, Unreadable, plan_of, rule_of
from bot.recurrence import Occurrence, occurrences
from bot.store import Tx
from bot.store.schedules import OccurrenceRow, OccurrenceState, Schedule

APPROVED_LATE = "It waited for its approval, and is late."
TOO_LATE = "It was approved too late for that."


def upcoming(schedule: Schedule, *, now: float) -> Iterator[Occurrence]:
    """All that is to come of it, in order, as if it were not paused; what is skipped is not to come. Nothing
    of one that cannot be read.
    """
    if schedule.state == "removed" or schedule.next_at is None:
        return iter(())
    after = max(now, schedule.next_at - 1.0)
    try:
        rule = rule_of(schedule)
    except Unreadable:
        return iter(())
    return _undecided(schedule, occurrences(rule, made_at=schedule.made_at, after=after, end=schedule.ends_at))


def following(schedule: Schedule, plan: Plan, *, after: float) -> Occurrence | None:
    """Its first occurrence later than that of which nothing became yet."""
    found = occurrences(plan.rule, made_at=plan.made_at, after=after, end=plan.known_end)
    return next(_undecided(schedule, found), None)


def _undecided(schedule: Schedule, found: Iterator[Occurrence]) -> Iterator[Occurrence]:
    return (each for each in found if each.at not in schedule.decided) if schedule.decided else found


def overdue(schedule: Schedule, plan: Plan, *, now: float) -> tuple[int, Occurrence | None]:
    """How many of its occurrences have come and nothing became of yet, and the last of them."""
    if schedule.next_at is None or schedule.next_at > now:
        return 0, None
    # What was decided about lies between stretches of what was not; all are whole seconds.
    bounds = [schedule.next_at - 1.0, *(at for at in schedule.decided if at <= now and at % 1 == 0), now]
    count, last = 0, None
    for place, (after, upto) in enumerate(pairwise(bounds), start=2):
        number, latest = plan.latest(after=after, upto=upto if place == len(bounds) else upto - 1.0)
        count, last = count + number, latest or last
    return count, last


def let_lapse(tx: Tx, schedule: Schedule, state: OccurrenceState, *, note: str, told: bool, now: float) -> float | None:
    """What has come of it, and what waited for its approval, is not sent any more: that is written down, and it aims at
    what follows. Returns the latest instant of those; None: there are none. ``told``: its author need not hear of it.
    """
    held = tx.schedules.held_back(schedule.id)
    if held is not None:
        tx.schedules.redecide(held.id, state, note=note, told=told, now=now)
    at = None if held is None else held.at
    if schedule.next_at is None or schedule.next_at > now:
        return at
    try:
        plan = plan_of(schedule)
        count, last = overdue(schedule, plan, now=now)
        ahead = following(schedule, plan, after=now)
    except Unreadable:
        # Nobody knows what it meant but for this one, and nothing of it fires.
        tx.schedules.decide(schedule.id, schedule.next_at, state, note=note, told=told, now=now)
        return schedule.next_at
    if last is not None:
        tx.schedules.decide(schedule.id, last.at, state, note=note, missed=count - 1, told=told, now=now)
        at = last.at
    _aim(tx, schedule, plan, ahead, now=now)
    return at


def hold_back(tx: Tx, schedule: Schedule, *, now: float) -> None:
    """What has come of it waits for its approval, of several the latest; what waited before that does not any more."""
    if schedule.next_at is None or schedule.next_at > now:
        return
    plan = plan_of(schedule)
    count, last = overdue(schedule, plan, now=now)
    if last is not None:
        before = tx.schedules.held_back(schedule.id)
        if before is not None:
            tx.schedules.redecide(before.id, "missed", note=NOT_APPROVED, now=now)
        state, note = waits_as(plan)
        tx.schedules.decide(schedule.id, last.at, state, note=note, missed=count - 1, told=False, now=now)
    _aim(tx, schedule, plan, following(schedule, plan, after=now), now=now)


def approved(tx: Tx, firing: Firing, schedule: Schedule, *, told: bool, now: float) -> OccurrenceRow | None:
    """Decide about what waited for the approval that it has now, by what its schedule says of what is late; returns
    what became of it, None if nothing waited. ``told``: whoever approved hears what was sent or not.
    """
    row = tx.schedules.held_back(schedule.id)
    if row is None:
        return None
    within_s = plan_of(schedule).options.missed
    if within_s == "ask":
        tx.schedules.redecide(row.id, "asked", told=False, now=now)
    elif within_s == "skip" or now - row.at > within_s:
        tx.schedules.redecide(row.id, "missed", note=TOO_LATE, told=told, now=now)
    elif firing.fire(tx, schedule, row.at, note=APPROVED_LATE, again=row, now=now):
        if not told:
            tx.schedules.tell(row.id)
    else:
        # With its buttons to try that again.
        tx.schedules.tell(row.id)
    return tx.schedules.occurrence(row.id)


def _aim(tx: Tx, schedule: Schedule, plan: Plan, ahead: Occurrence | None, *, now: float) -> None:
    at = None if ahead is None else ahead.at
    tx.schedules.aim_at(schedule.id, next_at=at, warn_at=plan.warn_at(at, now=now))
