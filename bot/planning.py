"""What chat and command line share about schedules: add, look at, change, pause, skip, send now, remove."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

from bot.addresses import TELEGRAM, Address, AddressError, parse_address
from bot.decisions import DecisionError
from bot.firing import Firing
from bot.instants import Words
from bot.pending import approved, following, hold_back, let_lapse, overdue, upcoming
from bot.placeholders import check
from bot.plans import (
    Plan,
    is_readable,
    message_of,
    options_from_json,
    options_to_json,
    plan_of,
    reads_back,
    zone_of,
)
from bot.quiet import Quiet, free_at
from bot.recurrence import Occurrence, Once, Rule, last_at, occurrences
from bot.schedule_line import Line, Options, show_options
from bot.schedule_notes import counted
from bot.store import Tx
from bot.store.schedules import NewSchedule, OccurrenceRow, Schedule
from bot.targets import Targets, parse_targets
from bot.text import cut
from bot.when import ahead, show_rule
from bot.zones import local
from bot.zones import zone_of as zone_at
from bridges.errors import Refused
from bridges.model import Message

SHOWN = 3
CLOSE_S = 60.0
"""Occurrences that are nearer to each other than this are pointed out."""
TARGETS_SHOWN = 300
RULE_SHOWN = 120
IN_PAUSE = "It fell into a pause."
CHANGED = "The schedule was changed when this was due."


class ScheduleError(DecisionError):
    """It is not possible; says why and what is."""


class NoSchedule(ScheduleError):
    """There is none of that number or name."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A schedule as it would be; nothing is written down yet."""

    plan: Plan
    targets: Targets
    coming: tuple[Occurrence, ...]
    """Its next occurrences, at most three; none of one that is changed while its last is due."""
    notes: tuple[str, ...]
    """What whoever makes it should know."""

    @property
    def count(self) -> int:
        """To how many targets it goes as things are now."""
        return len(self.targets.addresses)


def draft(
    tx: Tx,
    firing: Firing,
    *,
    rule: Rule,
    options: Options,
    targets: str,
    message: Message,
    here: Address | None,
    now: float,
    seen: Callable[[Address], bool] | None = None,
    made_at: float | None = None,
    but: int | None = None,
) -> Draft:
    """Look at what a schedule would be. Raises ``TargetError``, ``PlaceholderError`` and ``ScheduleError``.

    ``made_at``: keeps its occurrences in step with those of a schedule that is changed (``but``, its number).
    """
    made_at = now if made_at is None else made_at
    plan = Plan(rule, made_at, options, message, last_at(rule, made_at=made_at))
    if not reads_back(plan):
        raise ScheduleError(
            f"{show_rule(rule)} would not be read as the same again; write WHEN in another way, as in every day at 9:00"
            " Europe/London"
        )
    if not (message.text.strip() or message.attachments or message.location or message.contact):
        raise ScheduleError(
            "the text is missing: write it after a second |, or reply to the message that is to be sent"
        )
    found = parse_targets(tx, firing.relay, targets, here=here, seen=seen)
    old = None if but is None else tx.schedules.get(but)
    is_in_step = old is not None and (show_rule(rule), plan.made_at) == (old.rule, old.made_at)
    found_at = occurrences(rule, made_at=made_at, after=now, end=plan.known_end)
    if old is not None:
        # What was skipped stays so unless there is another rule.
        decided = tx.schedules.decided_after(old.id, now, is_skipped_counted=is_in_step)
        found_at = (each for each in found_at if each.at not in decided)
    coming = tuple(islice(found_at, SHOWN))
    due_at = _due_at(tx, old, now=now) if old is not None and is_in_step else None
    if not coming and due_at is None:
        raise ScheduleError(f"{show_rule(rule)} is never to come")
    check(message, has_end=plan.ends_at is not None)
    if options.name and any(each.id != but for each in tx.schedules.named(options.name)):
        raise ScheduleError(f"there is a schedule with the name {options.name} already; choose another one")
    notes = _notes(tx, firing, plan, found, coming)
    if due_at is not None:
        notes.append(f"What was due at {local(due_at, ZoneInfo(rule.zone))} was not sent yet: it is changed, too.")
    return Draft(plan, found, coming, tuple(notes))


def redraft(
    tx: Tx,
    firing: Firing,
    schedule: Schedule,
    line: Line,
    *,
    message: Message | None,
    here: Address | None,
    now: float,
    seen: Callable[[Address], bool] | None = None,
) -> Draft:
    """Look at what a schedule would be after an edit; raises as :func:`draft`. What the line leaves out stays, and so
    do its occurrences unless there is another WHEN. ``message`` None: what it sends stays.
    """
    old = plan_of(schedule)
    return draft(
        tx,
        firing,
        rule=line.rule or old.rule,
        options=line.changed(old.options),
        targets=line.targets or ", ".join(schedule.targets),
        message=old.message if message is None else message,
        here=here,
        now=now,
        seen=seen,
        made_at=None if line.rule is not None else old.made_at,
        but=schedule.id,
    )


def _notes(tx: Tx, firing: Firing, plan: Plan, targets: Targets, coming: Sequence[Occurrence]) -> list[str]:
    notes = []
    for each in coming:
        if each.meant is not None:
            notes.append(
                f"{each.meant:%H:%M} does not exist on {each.meant:%a %Y-%m-%d}, for clocks are set forward then:"
                " it goes out at the first instant after that."
            )
    nearest = min((b.at - a.at for a, b in pairwise(coming)), default=CLOSE_S)
    if nearest < CLOSE_S:
        notes.append(f"It goes out every {nearest:.0f} seconds.")
    quiet = plan.quiet(firing.policy.quiet)
    if quiet is not None and coming:
        held = [each for each in targets.addresses if _is_quiet(tx, firing, quiet, each, coming[0].at)]
        if held:
            notes.append(
                f"At {len(held)} of the targets it is quiet then ({quiet}): it goes there when that is over;"
                " urgent=yes sends it at once."
            )
    options = plan.options
    others = sorted({each.account for each in targets.addresses} - {TELEGRAM})
    if options.pin and others:
        notes.append(f"It is pinned in Telegram only, not at {', '.join(others)}.")
    if options.expire is not None or options.replace:
        cannot = sorted(
            name for name in {each.account for each in targets.addresses}
            if not firing.relay.accounts[name].capabilities.deletes
        )  # fmt: skip
        if cannot:
            notes.append(f"At {', '.join(cannot)} it cannot be deleted, and stays.")
    return notes


def _is_quiet(tx: Tx, firing: Firing, quiet: Quiet, address: Address, at: float) -> bool:
    return free_at(quiet, at, zone_at(tx, address, firing.policy.default_zone)) > at


def approvals(firing: Firing, made: Draft, *, is_admin: bool) -> int:
    """How many persons have to approve of it."""
    over = firing.policy.approval_over
    by_size = firing.policy.approvals if over and made.count > over and not is_admin else 0
    return max(by_size, made.plan.options.approve)


def add(
    tx: Tx,
    firing: Firing,
    made: Draft,
    *,
    person: str,
    person_name: str,
    chat: Address | None,
    reach: Address | None,
    is_admin: bool,
    now: float,
) -> Schedule:
    """Keep it; it waits if it has to be approved. ``chat`` None: the owners hear of it. ``reach``: the chat that the
    person's role is limited to.
    """
    new = _row(
        made,
        chat="" if chat is None else str(chat),
        reach="" if reach is None else str(reach),
        person=person,
        person_name=person_name,
        needs=approvals(firing, made, is_admin=is_admin),
        trusted=is_admin,
        now=now,
    )
    made_one = tx.schedules.get(tx.schedules.add(new, now=now))
    assert made_one is not None
    return made_one


def change(
    tx: Tx,
    firing: Firing,
    schedule: Schedule,
    made: Draft,
    *,
    is_admin: bool,
    now: float,
    reach: Address | None = None,
) -> Schedule:
    """Make it what was drafted; it has to be approved anew. A paused one stays so. What is due already, or waits for an
    approval, goes out as changed, unless there is another rule: then its author hears that it is missed. ``reach``: the
    chat that the role of whoever changes it is limited to; who is not, and names its targets, lifts the limit that it
    had.
    """
    is_kept = made.targets.text == ", ".join(schedule.targets)
    new = _row(
        made,
        chat=schedule.chat,
        reach=str(reach) if reach is not None else schedule.reach if is_kept else "",
        person=schedule.person,
        person_name=schedule.person_name,
        needs=approvals(firing, made, is_admin=is_admin),
        trusted=is_admin,
        now=now,
        paused=schedule.state == "paused",
    )
    if (new.rule, new.made_at) == (schedule.rule, schedule.made_at):
        if schedule.state == "waits" and new.state == "on":
            # What has come is not to go out as if it were on time.
            hold_back(tx, schedule, now=now)
        next_at = _again(tx, schedule).next_at
        new = replace(new, next_at=next_at, warn_at=made.plan.warn_at(next_at, now=now))
    else:
        if schedule.state == "paused":
            let_lapse(tx, schedule, "skipped", note=IN_PAUSE, told=True, now=now)
        else:
            let_lapse(tx, schedule, "missed", note=CHANGED, told=False, now=now)
        tx.schedules.unskip(schedule.id, after=now)
    tx.schedules.change(schedule.id, new, now=now)
    changed = _again(tx, schedule)
    if changed.state == "on":
        approved(tx, firing, changed, told=False, now=now)
    return _again(tx, schedule)


def _again(tx: Tx, schedule: Schedule) -> Schedule:
    """As it is by now."""
    found = tx.schedules.get(schedule.id)
    assert found is not None
    return found


def _is_due(schedule: Schedule, *, now: float) -> bool:
    """Whether its time has come and nothing became of that yet."""
    return schedule.next_at is not None and schedule.next_at <= now


def _due_at(tx: Tx, schedule: Schedule, *, now: float) -> float | None:
    """The instant that has come and goes out yet, or may: it fires in a moment, or waits for an approval."""
    if schedule.state != "paused" and _is_due(schedule, now=now):
        return schedule.next_at
    held = tx.schedules.held_back(schedule.id)
    return None if held is None else held.at


def _row(
    made: Draft,
    *,
    chat: str,
    reach: str,
    person: str,
    person_name: str,
    needs: int,
    trusted: bool,
    now: float,
    paused: bool = False,
) -> NewSchedule:
    plan = made.plan
    next_at = made.coming[0].at if made.coming else None
    return NewSchedule(
        name=plan.options.name,
        rule=show_rule(plan.rule),
        state="paused" if paused else "waits" if needs else "on",
        made_at=plan.made_at,
        next_at=next_at,
        ends_at=plan.ends_at,
        warn_at=plan.warn_at(next_at, now=now),
        options=options_to_json(plan.options),
        message=plan.message.model_dump_json(exclude_defaults=True),
        targets=tuple(made.targets.text.split(", ")),
        chat=chat,
        reach=reach,
        person=person,
        person_name=person_name,
        needs=needs,
        trusted=trusted,
    )


def find(tx: Tx, word: str, *, seen: Callable[[Schedule], bool] = lambda schedule: True) -> Schedule:
    """One by number or name, of those that may be seen; raises ``NoSchedule``."""
    word = word.strip().lstrip("#")
    found = tx.schedules.get(int(word)) if word.isascii() and word.isdigit() and len(word) < 19 else None
    if found is None or found.state == "removed":
        found = next(iter(tx.schedules.named(word)), None)
    if found is None or not seen(found):
        there = [str(each.id) for each in tx.schedules.all(limit=50) if seen(each)][:20]
        listed = f"there are: {', '.join(there)}" if there else "there are none yet"
        raise NoSchedule(f"there is no schedule {cut(word, 40) or 'without a number'}; {listed}")
    return found


def coming(schedule: Schedule, *, now: float, most: int = SHOWN, until: float | None = None) -> list[Occurrence]:
    """What is to come of it next, as if it were not paused."""
    found = islice(upcoming(schedule, now=now), most)
    return [each for each in found if until is None or each.at <= until]


def unreadable(tx: Tx) -> list[str]:
    """A line for each that cannot be read."""
    return [f"schedule {each.id}: cannot be read" for each in tx.schedules.all() if not is_readable(each)]


def unreachable(tx: Tx, firing: Firing) -> list[str]:
    """A line for each target of what is to come that nothing can be sent to as things are."""
    lines = []
    for target, schedule in tx.schedules.aims():
        try:
            parse_targets(tx, firing.relay, target, here=None)
        except (AddressError, Refused) as error:
            lines.append(f"schedule {schedule}: {error}")
    return lines


def pause(tx: Tx, schedule: Schedule, *, now: float) -> float | None:
    """Let nothing of it fire. Returns the instant that was due and is not sent any more, None if there is none; raises
    ``ScheduleError``.
    """
    if schedule.state == "paused":
        raise ScheduleError(f"schedule {schedule.id} is paused already; to go on: /schedule resume {schedule.id}")
    left = let_lapse(tx, schedule, "skipped", note="Paused before it went out.", told=True, now=now)
    tx.schedules.become(schedule.id, "paused", now=now)
    return left


def resume(tx: Tx, schedule: Schedule, *, now: float) -> int:
    """Let it fire again; what its pause held is not sent. Returns how many those are. Raises ``ScheduleError``."""
    if schedule.state != "paused":
        raise ScheduleError(f"schedule {schedule.id} is not paused")
    held, _ = overdue(schedule, plan_of(schedule), now=now)
    let_lapse(tx, schedule, "skipped", note=IN_PAUSE, told=True, now=now)
    is_approved = len(schedule.approvers) >= schedule.needs
    tx.schedules.become(schedule.id, "on" if is_approved else "waits", now=now)
    _warn_anew(tx, schedule, now=now)
    return held


def _warn_anew(tx: Tx, schedule: Schedule, *, now: float) -> None:
    """It aims at what it did, and nobody hears of that beforehand where it is too late for that."""
    next_at = _again(tx, schedule).next_at
    tx.schedules.aim_at(schedule.id, next_at=next_at, warn_at=plan_of(schedule).warn_at(next_at, now=now))


def skip(tx: Tx, schedule: Schedule, *, now: float, at: float | None = None) -> float:
    """Leave the next one that is to come out; returns its instant. What is due already stays so. ``at``: only if it is
    that. Raises ``ScheduleError``.
    """
    ahead_of_it = coming(schedule, now=now, most=1)
    is_late = not ahead_of_it or (at is not None and at <= now)
    if is_late and schedule.state == "on" and _is_due(schedule, now=now):
        raise ScheduleError(f"schedule {schedule.id} fires right now: it is too late to skip that")
    if not ahead_of_it or (at is not None and ahead_of_it[0].at != at):
        raise ScheduleError(f"schedule {schedule.id} has nothing to come that could be skipped")
    skipped = ahead_of_it[0].at
    tx.schedules.decide(schedule.id, skipped, "skipped", now=now)
    if not _is_due(schedule, now=now):
        plan = plan_of(schedule)
        after_it = following(schedule, plan, after=skipped)
        next_at = None if after_it is None else after_it.at
        tx.schedules.aim_at(schedule.id, next_at=next_at, warn_at=plan.warn_at(next_at, now=now))
    return skipped


def send_now(tx: Tx, firing: Firing, schedule: Schedule, *, now: float) -> bool:
    """Send it once more than its rule says; False if nothing could be sent, which its author is told.

    Raises ``ScheduleError``.
    """
    may_be_sent(tx, firing, schedule)
    return firing.fire(tx, schedule, _unused(tx, schedule, now), now=now)


def may_be_sent(tx: Tx, firing: Firing, schedule: Schedule) -> None:
    """Raises ``ScheduleError`` where a person asks for it to be sent and it needs an approval before."""
    if len(schedule.approvers) < schedule.needs:
        raise ScheduleError(f"schedule {schedule.id} waits for its approval: it cannot be sent before")
    count = len(firing.targets(tx, schedule)[0])
    if firing.approvals(tx, schedule, count):
        raise ScheduleError(
            f"schedule {schedule.id} goes to {counted(count)} by now, and {firing.over_words}; ask for that with"
            f" /schedule edit {schedule.id} approve=1 | |"
        )


def _unused(tx: Tx, schedule: Schedule, at: float) -> float:
    """An instant that is none of its rule's, which are whole seconds."""
    at = at if at % 1 else at + 0.001
    while tx.schedules.is_decided(schedule.id, at):
        at += 0.001
    return at


def remove(tx: Tx, schedule: Schedule, *, now: float) -> float | None:
    """Let it never fire again; its history stays for a while. Returns as :func:`pause`."""
    note = IN_PAUSE if schedule.state == "paused" else "The schedule was removed when this was due."
    left = let_lapse(tx, schedule, "skipped", note=note, told=True, now=now)
    tx.schedules.become(schedule.id, "removed", now=now)
    return None if schedule.state == "paused" else left


def restore(tx: Tx, schedule: Schedule, *, now: float, goes_on: bool = False) -> None:
    """Take a removal back: it is paused, or ``goes_on``, but for what was due meanwhile. Raises ``ScheduleError``."""
    if schedule.state != "removed":
        raise ScheduleError(f"schedule {schedule.id} is not removed")
    if schedule.name and tx.schedules.named(schedule.name):
        raise ScheduleError(f"there is another schedule with the name {schedule.name} by now")
    tx.schedules.become(schedule.id, "paused", now=now)
    paused = tx.schedules.get(schedule.id)
    if goes_on and paused is not None:
        resume(tx, paused, now=now)


@dataclass(frozen=True, slots=True)
class Approved:
    """What one person's approval came to."""

    left: int
    """How many more are needed."""
    waited: OccurrenceRow | None = None
    """What became of the occurrence that had waited for this; None: none had."""


def approve(
    tx: Tx, firing: Firing, schedule: Schedule, *, person: str, now: float, asked_by: str | None = None
) -> Approved:
    """One person says yes; with the last of them it goes on, and what has waited is sent if that is not too late.
    ``asked_by``: who has made it what it is now, if that is not its author. Raises ``ScheduleError``.
    """
    if schedule.state == "removed" or len(schedule.approvers) >= schedule.needs:
        raise ScheduleError(f"schedule {schedule.id} waits for no approval any more")
    if person == (schedule.person if asked_by is None else asked_by):
        raise ScheduleError("somebody else has to approve of what you made yourself")
    if person in schedule.approvers:
        raise ScheduleError("you have approved of it already; it needs somebody else, too")
    approvers = [*schedule.approvers, person]
    # It may have grown while it waited.
    needs = max(schedule.needs, firing.approvals(tx, schedule, len(firing.targets(tx, schedule)[0])))
    trusted = schedule.trusted or len(approvers) >= firing.policy.approvals
    tx.schedules.approve(schedule.id, approvers, needs=needs, trusted=trusted)
    left = max(needs - len(approvers), 0)
    if left or schedule.state != "waits":
        return Approved(left)
    hold_back(tx, schedule, now=now)
    tx.schedules.become(schedule.id, "on", now=now)
    _warn_anew(tx, schedule, now=now)
    return Approved(0, approved(tx, firing, _again(tx, schedule), told=True, now=now))


# --- in words


def line_of(schedule: Schedule) -> str:
    """WHEN with its options, as it can be written again."""
    if not is_readable(schedule):
        return f"{schedule.rule} (cannot be read)"
    return f"{schedule.rule} {show_options(options_from_json(schedule.options))}".rstrip()


def echo(made: Draft, *, now: float) -> Words:
    """What was understood: the rule, its next instants, where it goes."""
    words = Words().code(f"{show_rule(made.plan.rule)} {show_options(made.plan.options)}".rstrip())
    _instants(words, made.coming, zone=made.plan.rule.zone, now=now, is_once=is_once(made.plan.rule))
    words.add(f"\nTo {counted(made.count)}: ").code(cut(made.targets.text, TARGETS_SHOWN))
    for note in made.notes:
        words.add(f"\n{note}")
    return words


def standing(
    schedule: Schedule, *, now: float, count: int | None = None, targets: Sequence[str] | None = None
) -> Words:
    """What is kept: its rule, its next instants, where it goes; as :func:`echo`. ``count``: of its targets, if known.
    ``targets``: what is told of them, where that is not all.
    """
    zone = zone_of(schedule)
    words = Words().code(line_of(schedule))
    ahead_of_it = coming(schedule, now=now)
    _instants(words, ahead_of_it, zone=zone.key, now=now, is_once=not _recurs(schedule))
    if schedule.state == "on" and schedule.next_at is not None and schedule.next_at <= now:
        words.add("\nDue since ").at(schedule.next_at, zone).add(", and not sent yet.")
    elif not ahead_of_it:
        words.add("\nNothing is to come.")
    named = cut(", ".join(schedule.targets if targets is None else targets), TARGETS_SHOWN)
    return words.add("\nTo " if count is None else f"\nTo {counted(count)}: ").code(named)


def _instants(words: Words, instants: Sequence[Occurrence], *, zone: str, now: float, is_once: bool) -> None:
    for place, each in enumerate(instants):
        words.add("\nNext: " if place == 0 and not is_once else "\nAt: " if place == 0 else "\nThen: ")
        words.at(each.at, ZoneInfo(zone))
        if place == 0:
            words.add(f", {ahead(each.at - now)}")


def _recurs(schedule: Schedule) -> bool:
    return is_readable(schedule) and not is_once(plan_of(schedule).rule)


def is_once(rule: Rule) -> bool:
    """Whether it means one instant only."""
    return isinstance(rule.pattern, Once)


def summary(schedule: Schedule, *, now: float, targets: Sequence[str] | None = None) -> Words:
    """One schedule in a list. ``targets``: what is told of them, where that is not all."""
    words = Words(f"{schedule.id}")
    words.add(f" ({schedule.name})" if schedule.name else "").add(": ").add(cut(schedule.rule, RULE_SHOWN))
    # As code an @audience calls nobody of that name.
    words.add(" → ").code(cut(", ".join(schedule.targets if targets is None else targets), 60))
    next_ = coming(schedule, now=now, most=1)
    match schedule.state:
        case "paused":
            words.add("; paused")
        case "waits":
            words.add("; waits for approval")
        case _ if not is_readable(schedule):
            words.add("; cannot be read")
        case _ if next_:
            words.add("; next ").at(next_[0].at, zone_of(schedule))
        case _ if schedule.next_at is not None:
            words.add("; due now")
        case _:
            words.add("; over")
    return words


def home(schedule: Schedule) -> Address | None:
    """The chat that it was made in."""
    return parse_address(schedule.chat) if schedule.chat else None


def data(schedule: Schedule, *, now: float, instant: Callable[[float], str]) -> dict[str, object]:
    """One for scripts. ``instant`` writes an instant."""
    return {
        "id": schedule.id,
        "when": line_of(schedule),
        "next": [instant(each.at) for each in coming(schedule, now=now)],
        "targets": list(schedule.targets),
        "text": message_of(schedule).text,
        "enabled": schedule.state == "on",
    }
