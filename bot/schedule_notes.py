"""What a schedule says of itself where it was made: what was missed, what failed, what is about to go out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from zoneinfo import ZoneInfo

from bot.addresses import Address, parse_address
from bot.cards import deal
from bot.firing import Firing
from bot.instants import Words
from bot.pending import upcoming
from bot.plans import Plan, plan_of, zone_of
from bot.store import Tx
from bot.store.schedules import OccurrenceRow, Schedule
from bot.text import cut
from bridges.model import Button

DECIDING, WARNING, APPROVING = "occurrence", "schedule-soon", "schedule-approval"
"""Kinds of cards: an occurrence to decide about, one that is to come, a schedule that waits for approval."""
SEND, DROP, SKIP, PAUSE, APPROVE, REJECT = "send", "drop", "skip", "pause", "approve", "reject"
DECISIONS = (("Approve", APPROVE), ("Reject", REJECT))
TEXT_MOST = 400
NOTE_MOST = 600
LINES_MOST = 20


def tell_untold(tx: Tx, firing: Firing, *, limit: int, now: float) -> int:
    """Tell of what people have to hear: one message for each chat, and one with buttons for each that is to be decided
    about; returns of how many occurrences.
    """
    rows = [(schedule, row) for row in tx.schedules.untold(limit=limit) if (schedule := tx.schedules.get(row.schedule))]
    rows.sort(key=lambda each: (each[0].chat, each[1].at))
    for _, group in groupby(rows, key=lambda each: each[0].chat):
        told = list(group)
        plain = [each for each in told if each[1].state not in ("asked", "failed")]
        for start in range(0, len(plain), LINES_MOST):
            words = Words()
            for schedule, row in plain[start : start + LINES_MOST]:
                if words.text:
                    words.add("\n")
                _tell(words, schedule, row)
            say(tx, firing, plain[start][0], words, now=now)
        for schedule, row in told:
            if row.state in ("asked", "failed"):
                words = _tell(Words(), schedule, row)
                label = "Send" if row.state == "asked" else "Send again"
                choices = ((label, SEND), ("Leave it", DROP))
                say(tx, firing, schedule, words, kind=DECIDING, subject=row.id, choices=choices, now=now)
    tx.schedules.told([row.id for _, row in rows])
    return len(rows)


def _tell(words: Words, schedule: Schedule, row: OccurrenceRow) -> Words:
    zone = zone_of(schedule)
    words.add(f"{schedule.title}: ")
    before = f"{row.missed} before it {'was' if row.missed == 1 else 'were'} missed." if row.missed else ""
    match row.state:
        case "sent":
            words.add("what was due at ").at(row.at, zone).add(" was sent.")
        case "asked":
            words.add("what was due at ").at(row.at, zone).add(" was missed, and was not sent. Send it now?")
        case "failed":
            words.add("what was due at ").at(row.at, zone).add(" could not be sent.")
        case "waits":
            words.add("what was due at ").at(row.at, zone).add(" waits for its approval.")
        case _:
            words.add("what was due at ").at(row.at, zone).add(" was missed, and is not sent.")
    for line in filter(None, (before, cut(row.note, NOTE_MOST))):
        words.add(f"\n{line}")
    return words


def tell_expired(tx: Tx, firing: Firing, row: OccurrenceRow, *, number: int, now: float) -> None:
    """Write down, and tell where its schedule was made, at how many places an occurrence never was before it was to
    go.
    """
    note = f"{number} expired before {'it' if number == 1 else 'they'} could be sent."
    tx.schedules.add_note(row.id, note)
    schedule = tx.schedules.get(row.schedule)
    if schedule is not None:
        words = Words(f"{schedule.title}: of what was due at ").at(row.at, zone_of(schedule)).add(f", {note}")
        say(tx, firing, schedule, words, now=now)


def warn(tx: Tx, firing: Firing, schedule: Schedule, *, at: float, now: float) -> None:
    """Tell that an occurrence is near, with buttons to keep it from happening."""
    plan = plan_of(schedule)
    addresses, troubles = firing.targets(tx, schedule)
    words = Words().add(f"{schedule.title} goes to {counted(len(addresses))} at ")
    words.at(at, ZoneInfo(plan.rule.zone)).add(f":\n\n{_first_words(plan)}")
    for trouble in troubles[:LINES_MOST]:
        words.add(f"\n{trouble}")
    choices = (("Skip this one", SKIP), ("Pause the schedule", PAUSE))
    payload = {"at": at}
    say(tx, firing, schedule, words, kind=WARNING, subject=schedule.id, choices=choices, payload=payload, now=now)


def ask_approval(
    tx: Tx, firing: Firing, schedule: Schedule, *, needed: int, now: float, asked_by: str | None = None
) -> None:
    """Ask in its chat for the approval of a schedule, by others than whoever made it, or changed it: ``asked_by``."""
    words = approval(tx, firing, schedule, needed=needed, now=now)
    shown, payload = identity(schedule), {"by": schedule.person if asked_by is None else asked_by}
    say(
        tx, firing, schedule, words, kind=APPROVING, subject=schedule.id, choices=DECISIONS, payload=payload,
        shown=shown, now=now,
    )  # fmt: skip


def approval(tx: Tx, firing: Firing, schedule: Schedule, *, needed: int, now: float) -> Words:
    """All that is to be approved, in words. ``needed``: by how many."""
    plan = plan_of(schedule)
    addresses, _ = firing.targets(tx, schedule)
    words = Words().add(f"{schedule.title} by {schedule.person_name or 'somebody'} waits for an admin's approval")
    words.add(f" ({needed} of them are needed).\n" if needed > 1 else ".\n")
    words.add(f"{schedule.rule}, to {counted(len(addresses))}: {cut(', '.join(schedule.targets), TEXT_MOST)}")
    zone = ZoneInfo(plan.rule.zone)
    held = tx.schedules.held_back(schedule.id)
    if held is not None:
        words.add("\nWhat was due at ").at(held.at, zone).add(" waits for it.")
    following = next(upcoming(schedule, now=now), None)
    if following is not None:
        words.add("\nNext: ").at(following.at, zone)
    return words.add(f"\n\n{_first_words(plan)}")


def identity(schedule: Schedule) -> str:
    """All that somebody approves of: an approval of something else does not count."""
    return "\n".join((schedule.rule, schedule.options, *schedule.targets, schedule.message))


def _first_words(plan: Plan) -> str:
    files = len(plan.message.attachments)
    with_files = f"\n(with {files} file{'s' if files != 1 else ''})" if files else ""
    return cut(plan.message.text, TEXT_MOST) + with_files


def counted(number: int) -> str:
    """So many targets, in words."""
    return f"{number} target{'s' if number != 1 else ''}"


def places_of(tx: Tx, firing: Firing, schedule: Schedule) -> Sequence[Address]:
    """Where it is told of: the chat that it was made in, else every owner's private chat."""
    return [parse_address(schedule.chat)] if schedule.chat else firing.relay.owners(tx)


def say(
    tx: Tx,
    firing: Firing,
    schedule: Schedule,
    words: Words,
    *,
    now: float,
    kind: str = "",
    subject: int = 0,
    choices: Sequence[tuple[str, str]] = (),
    payload: Mapping[str, object] | None = None,
    shown: str = "",
) -> None:
    """Say something of a schedule where it was made, with a card if there is something to choose."""
    for place in places_of(tx, firing, schedule):
        buttons: tuple[Button, ...] = ()
        if choices:
            # Whoever has the role may press, and nobody can foresee when they will see it.
            buttons = deal(
                tx, kind, choices, chat=place.conversation, subject=subject, payload=payload, shown=shown,
                expires_s=None, now=now,
            )  # fmt: skip
        message = words.message()
        firing.relay.say(tx, place, message.model_copy(update={"buttons": buttons}), now=now)
