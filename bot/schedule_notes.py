"""What a schedule says of itself where it was made: what was missed, what failed, what is about to go out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from zoneinfo import ZoneInfo

from bot.addresses import Address, parse_address, telegram_address
from bot.cards import deal
from bot.firing import Firing
from bot.instants import Words
from bot.names import defuse_text, one_line
from bot.pending import upcoming
from bot.plans import Plan, line_of, message_of, plan_of, zone_of
from bot.previews import PAGE_MOST
from bot.schedule_words import whole
from bot.shaping import attachment_note
from bot.store import Tx
from bot.store.schedules import OccurrenceRow, OccurrenceState, Schedule
from bot.targets import counted_targets
from bot.text import cut, utf16_length
from bridges.model import Button, Message

DECIDING, WARNING, APPROVING = "occurrence", "schedule-soon", "schedule-approval"
"""Kinds of cards: an occurrence to decide about, one that is to come, a schedule that waits for approval."""
SEND, DROP, SKIP, PAUSE, APPROVE, REJECT = "send", "drop", "skip", "pause", "approve", "reject"
DECISIONS = (("Approve", APPROVE), ("Reject", REJECT))
TEXT_MOST = 400
NOTE_MOST = 600
BEGINNING_MOST = 60
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
            for schedule, rows_of_it in _by_schedule(plain[start : start + LINES_MOST]):
                if words.text:
                    words.add("\n\n")
                _tell(words, schedule, rows_of_it)
            say(tx, firing, plain[start][0], words, now=now)
        for schedule, row in told:
            if row.state in ("asked", "failed"):
                _ask_about(tx, firing, schedule, row, now=now)
    tx.schedules.told([row.id for _, row in rows])
    return len(rows)


def _ask_about(tx: Tx, firing: Firing, schedule: Schedule, row: OccurrenceRow, *, now: float) -> None:
    addresses, _ = firing.targets(tx, schedule)
    words, whole = asked_about(schedule, row, addresses)
    say(
        tx, firing, schedule, words, kind=DECIDING, subject=row.id, choices=choices_about(row),
        shown=bound_to(schedule, addresses), whole=whole if len(addresses) > 1 else None, now=now,
    )  # fmt: skip


def asked_about(schedule: Schedule, row: OccurrenceRow, addresses: Sequence[Address]) -> tuple[Words, Words]:
    """What became of an occurrence that somebody is to decide about, and where it would go; all that it would send."""
    words = _tell(Words(), schedule, [row])
    if schedule.state == "paused":
        words.add("\nThe schedule is paused by now.")
    if len(addresses) > 1:
        words.add(f"\nTo {counted_targets(len(addresses))}: ").code(cut(", ".join(schedule.targets), TEXT_MOST))
    return words, whole_of(schedule)


def choices_about(row: OccurrenceRow) -> Sequence[tuple[str, str]]:
    """What can be decided about an occurrence that was not sent."""
    return ("Send" if row.state == "asked" else "Send again", SEND), ("Leave it", DROP)


def _by_schedule(
    told: Sequence[tuple[Schedule, OccurrenceRow]],
) -> Iterator[tuple[Schedule, Sequence[OccurrenceRow]]]:
    """Those of each schedule together, in the order of the first of each."""
    found: dict[int, tuple[Schedule, list[OccurrenceRow]]] = {}
    for schedule, row in told:
        found.setdefault(schedule.id, (schedule, []))[1].append(row)
    yield from found.values()


def _tell(words: Words, schedule: Schedule, rows: Sequence[OccurrenceRow]) -> Words:
    """What became of these occurrences of one schedule, and what it is about."""
    zone = zone_of(schedule)
    words.add(f"{schedule.title}: ")
    for place, row in enumerate(rows):
        words.add("\nWhat" if place else "what").add(" was due at ").at(row.at, zone)
        words.add(_BECAME.get(row.state, " was missed, and is not sent."))
        before = f"{row.missed} before it {'was' if row.missed == 1 else 'were'} missed, too." if row.missed else ""
        for line in filter(None, (before, cut(row.note, NOTE_MOST))):
            words.add(f"\n{line}")
    about = beginning(message_of(schedule))
    return words.add(f"\n{about}") if about else words


_BECAME: Mapping[OccurrenceState, str] = {
    "sent": " is on its way.",
    "asked": " was missed, and was not sent. Send it now?",
    "failed": " could not be sent.",
    "waits": " waits for its approval.",
}


def beginning(message: Message, *, most: int = BEGINNING_MOST) -> str:
    """The first words of a message in quotes, by which people know it; its first file if it has none."""
    lines = (one_line(line, most=most) for line in message.text.splitlines())
    first = next(filter(None, lines), "")
    return f"“{first}”" if first else next(map(attachment_note, message.attachments), "")


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
    words = Words().add(f"{schedule.title} goes to {counted_targets(len(addresses))} at ")
    words.at(at, ZoneInfo(plan.rule.zone)).add(f":\n\n{_first_words(plan)}")
    for trouble in troubles[:LINES_MOST]:
        words.add(f"\n{trouble}")
    choices = (("Skip this one", SKIP), ("Pause the schedule", PAUSE))
    payload = {"at": at}
    say(tx, firing, schedule, words, kind=WARNING, subject=schedule.id, choices=choices, payload=payload, now=now)


def ask_approval(tx: Tx, firing: Firing, schedule: Schedule, *, needed: int, now: float) -> None:
    """Ask for the approval of a schedule by others than whoever asked for it, where they see that: in its chat, and,
    if that is a private one, in those of all who are admins everywhere.
    """
    words = approval(tx, firing, schedule, needed=needed, now=now)
    addresses, _ = firing.targets(tx, schedule)
    say(
        tx, firing, schedule, words, kind=APPROVING, subject=schedule.id, choices=DECISIONS, whole=whole_of(schedule),
        shown=bound_to(schedule, addresses), also=_admins_in_private(tx, firing, schedule), now=now,
    )  # fmt: skip


def approving_buttons(
    tx: Tx, firing: Firing, schedule: Schedule, *, chat: str, now: float, person: int | None = None
) -> tuple[Button, ...]:
    """The buttons to approve of it as it is now, or to reject it; ``person``: for them alone."""
    addresses, _ = firing.targets(tx, schedule)
    return deal(
        tx, APPROVING, DECISIONS, chat=chat, person=person, subject=schedule.id, shown=bound_to(schedule, addresses),
        expires_s=None, now=now,
    )  # fmt: skip


def may_approve(tx: Tx, firing: Firing, schedule: Schedule) -> frozenset[str]:
    """Who can approve of it as it is, and has not done so."""
    addresses, _ = firing.targets(tx, schedule)
    return firing.admins(tx, schedule, addresses) - {*schedule.askers, *schedule.approvers}


def _admins_in_private(tx: Tx, firing: Firing, schedule: Schedule) -> Sequence[Address]:
    """The private chats of those who are admins everywhere, if nobody else sees the chat of a schedule."""
    if schedule.chat and parse_address(schedule.chat).conversation.startswith("-"):
        return ()
    everywhere = {str(owner) for owner in firing.relay.policy.owners}
    everywhere |= {*tx.roles.holders("owner"), *tx.roles.holders("admin")}
    return [telegram_address(int(person)) for person in sorted(everywhere - set(schedule.askers))]


def approval(tx: Tx, firing: Firing, schedule: Schedule, *, needed: int, now: float) -> Words:
    """All that is to be approved but for what it sends, in words. ``needed``: by how many."""
    addresses, troubles = firing.targets(tx, schedule)
    words = Words(f"{schedule.title} by {_names(tx, schedule)} waits for an admin's approval")
    words.add(f" ({needed} of them are needed).\n" if needed > 1 else ".\n")
    # As code nothing of it calls anybody.
    words.code(line_of(schedule))
    zone = zone_of(schedule)
    held = tx.schedules.held_back(schedule.id)
    if held is not None:
        words.add("\nWhat was due at ").at(held.at, zone).add(" waits for it.")
    following = next(upcoming(schedule, now=now), None)
    if following is not None:
        words.add("\nNext: ").at(following.at, zone)
    words.add(f"\nTo {counted_targets(len(addresses))}: ").code(cut(", ".join(schedule.targets), TEXT_MOST))
    for trouble in troubles[:LINES_MOST]:
        words.add(f"\n{cut(trouble, TEXT_MOST)}")
    if schedule.approvers:
        words.add(f"\nApproved: {len(schedule.approvers)} of {schedule.needs}.")
    return words


def _names(tx: Tx, schedule: Schedule) -> str:
    """Who asked for what it is, as far as that is known."""
    seen = {each: found.name for each in schedule.askers if (found := tx.people.get(each)) is not None}
    named = {each: seen.get(each) or "somebody" for each in schedule.askers}
    if schedule.person in named:
        named[schedule.person] = schedule.person_name or named[schedule.person]
    return " and ".join(dict.fromkeys(named.values())) or schedule.person_name or "somebody"


def identity(schedule: Schedule) -> str:
    """All that is kept of what it sends when and where: whoever saw something else has not agreed to it."""
    return "\n".join((schedule.rule, schedule.options, *schedule.targets, schedule.message))


def bound_to(schedule: Schedule, addresses: Sequence[Address]) -> str:
    """What a card is bound to that sends something of a schedule, or lets it be sent: all of it, whether it is paused,
    and every place that it goes to as things are.
    """
    state = "paused" if schedule.state == "paused" else ""
    return "\n".join((identity(schedule), state, *map(str, addresses)))


def whole_of(schedule: Schedule) -> Words:
    """All that it sends."""
    return whole(message_of(schedule))


def beside(words: Words, whole: Words) -> tuple[Words, Message | None]:
    """The words with all that it sends below them; or, where one message does not hold that, with a hint at the message
    that is to stand before it. Neither calls anybody.
    """
    both = harmless(Words().join(words).add("\n\n").join(whole))
    if utf16_length(both.text) <= PAGE_MOST:
        return both, None
    return harmless(words).add("\n\nIts text stands above."), harmless(whole).message()


def harmless(words: Words) -> Words:
    """The same words, which call nobody."""
    return Words().say(defuse_text(words.message()))


def _first_words(plan: Plan) -> str:
    files = len(plan.message.attachments)
    with_files = f"\n(with {files} file{'s' if files != 1 else ''})" if files else ""
    return cut(plan.message.text, TEXT_MOST) + with_files


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
    whole: Words | None = None,
    also: Sequence[Address] = (),
    but: Address | None = None,
) -> None:
    """Say something of a schedule where it was made, with a card if there is something to choose. ``whole``: all that
    it sends, where that is to be seen. ``also``: further places. ``but``: not there.
    """
    told, before = (harmless(words), None) if whole is None else beside(words, whole)
    for place in dict.fromkeys([*places_of(tx, firing, schedule), *also]):
        if place == but:
            continue
        buttons: tuple[Button, ...] = ()
        if choices:
            # Whoever has the role may press, and nobody can foresee when they will see it.
            buttons = deal(
                tx, kind, choices, chat=place.conversation, subject=subject, payload=payload, shown=shown,
                expires_s=None, now=now,
            )  # fmt: skip
        if before is not None:
            firing.relay.say(tx, place, before, now=now)
        firing.relay.say(tx, place, told.message().model_copy(update={"buttons": buttons}), now=now)
