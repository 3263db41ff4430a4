"""What chat and command line share about schedules: add, look at, change, pause, skip, send now, remove."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

from bot.addresses import TELEGRAM, Address, AddressError
from bot.decisions import DecisionError
from bot.firing import NAMELESS, Firing, known_name
from bot.instants import Words
from bot.pending import approved, following, hold_back, let_lapse, overdue, upcoming
from bot.placeholders import COUNT_DOWN, check, needs_chat, uses
from bot.plans import (
    Plan,
    is_readable,
    line_of,
    message_of,
    options_to_json,
    plan_of,
    reads_back,
    zone_of,
)
from bot.quiet import Quiet, free_at
from bot.recurrence import Occurrence, Once, Rule, last_at, occurrences
from bot.schedule_line import Line, Options, show_options
from bot.store import Tx
from bot.store.schedules import NewSchedule, OccurrenceRow, Schedule
from bot.targets import Targets, counted_targets, parse_targets
from bot.text import cut
from bot.unsent import NOTHING_WAITED, CalledOff, Unsent, adapt, call_off, unsent
from bot.when import ahead, show_duration, show_rule
from bot.zones import local
from bot.zones import zone_of as zone_at
from bridges.errors import Refused
from bridges.model import Message

SHOWN = 3
DELETABLE_S = 48 * 3600
"""https://core.telegram.org/bots/api#deletemessage (2026-11)."""
CLOSE_S = 60.0
"""Occurrences that are nearer to each other than this are pointed out."""
TARGETS_SHOWN = 300
RULE_SHOWN = 120
NAMED = 4
"""So many numbers are told to somebody who names one that there is not."""
NO_NUMBER = 10**18
"""For a name: every number is less."""
IN_PAUSE = "It fell into a pause."
WHILE_REMOVED = "The schedule was removed then."
CHANGED = "The schedule was changed when this was due."
CHANGED_BEFORE = "The schedule was changed before this went out."
PAUSED_BEFORE = "Paused before it went out."
REMOVED_BEFORE = "The schedule was removed before this went out."


class ScheduleError(DecisionError):
    """It is not possible; says why and what is."""


class NoSchedule(ScheduleError):
    """There is none of that number or name."""


@dataclass(frozen=True, slots=True)
class Left:
    """What was to go out and does not any more, when its schedule is paused or removed."""

    at: float | None
    """The instant that was due; None: there was none."""
    called_off: CalledOff = NOTHING_WAITED
    """What had been put on its way, and waited."""


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
    waiting = [] if old is None else unsent(tx, old)
    if not coming and due_at is None and not (is_in_step and waiting):
        raise ScheduleError(f"{show_rule(rule)} is never to come")
    check(message, has_end=plan.ends_at is not None)
    if options.name.lstrip("#").isdecimal() and (old is None or old.name != options.name):
        raise ScheduleError(
            f"{options.name} cannot be a name, for it would be taken for the number of a schedule; write a word, as in"
            " name=doors"
        )
    if options.name and any(each.id != but for each in tx.schedules.named(options.name)):
        # No more than that: whose it is may be nothing that whoever asks may know.
        raise ScheduleError(f"the name {options.name} is taken already; choose another one, as in name=doors")
    notes = [*_check_names(tx, plan, found), *_notes(tx, firing, plan, found, coming, now=now)]
    if due_at is not None:
        notes.append(f"What was due at {local(due_at, ZoneInfo(rule.zone))} was not sent yet: it is changed, too.")
    notes += [_on_unsent(each, is_in_step=is_in_step, zone=rule.zone) for each in waiting]
    return Draft(plan, found, coming, tuple(notes))


def _check_names(tx: Tx, plan: Plan, targets: Targets) -> list[str]:
    """Notes about the names that are to be filled in. Raises ``ScheduleError`` where a target has none; a chat of
    Telegram's always has one, which is known once something was written there.
    """
    nameless = [] if not needs_chat(plan.message) else [each for each in targets.addresses if not known_name(tx, each)]
    others = [each for each in nameless if each.account != TELEGRAM]
    if others:
        more = f" and {len(others) - 1} more" if len(others) > 1 else ""
        raise ScheduleError(
            f"{{chat}} has no name to fill in at {others[0]}{more}: take it out of the text, or give the place a name"
            f" that its people may read, as in /name {others[0]} members"
        )
    if not nameless:
        return []
    more = f" and {len(nameless) - 1} more" if len(nameless) > 1 else ""
    return [f"The name of {nameless[0]}{more} is not known yet: until it is, {{chat}} says “{NAMELESS}” there."]


def _on_unsent(each: Unsent, *, is_in_step: bool, zone: str) -> str:
    """What a change does to what waits."""
    at, count = local(each.row.at, ZoneInfo(zone)), counted_targets(len(each.places))
    if not is_in_step:
        return f"What was due at {at} waits to be sent to {count}: that is called off."
    if each.is_whole:
        return f"What was due at {at} was not sent yet, and waits to be: it is changed, too."
    return (
        f"What was due at {at} still waits to be sent to {count}: there the new words go out, or nothing if somebody"
        " has to approve of the change first."
    )


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


def _notes(
    tx: Tx, firing: Firing, plan: Plan, targets: Targets, coming: Sequence[Occurrence], *, now: float
) -> list[str]:
    notes = []
    for each in coming:
        if each.meant is not None:
            notes.append(
                f"{each.meant:%H:%M} does not exist on {each.meant:%a %Y-%m-%d}, for clocks are set forward then:"
                " it goes out at the first instant after that."
            )
    apart = min((b.at - a.at for a, b in pairwise(coming)), default=None)
    if apart is not None and apart < CLOSE_S:
        notes.append(f"It goes out every {apart:.0f} seconds.")
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
    is_in_telegram = any(each.account == TELEGRAM for each in targets.addresses)
    if is_in_telegram and options.expire is not None and options.expire > DELETABLE_S:
        notes.append(
            "In Telegram a bot can delete its messages for 48 hours only: with"
            f" expire={show_duration(options.expire)} it stays there."
        )
    if is_in_telegram and options.replace and apart is not None and apart > DELETABLE_S:
        notes.append("In Telegram a bot can delete its messages for 48 hours only: the one before may stay there.")
    return [*notes, *_warning_notes(options, coming, apart=apart, now=now), *_word_notes(plan)]


def _warning_notes(options: Options, coming: Sequence[Occurrence], *, apart: float | None, now: float) -> list[str]:
    """Where no warning can come; ``apart``: seconds between occurrences, None if there is but one."""
    if options.warn is None or not coming:
        return []
    before = show_duration(options.warn)
    if apart is not None and apart <= options.warn:
        return [f"You are not warned: {before} before each time the one before it is still to come."]
    if coming[0].at - options.warn <= now:
        others = " the first time" if apart is not None else ""
        return [f"You are not warned{others}: it goes out in less than {before}."]
    return []


def _word_notes(plan: Plan) -> list[str]:
    return ["{count_down} says the word, too: “32 days”, “1 day” or “today”."] if uses(plan.message, COUNT_DOWN) else []


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
        asked_by=person,
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
    person: str = "",
    reach: Address | None = None,
) -> Schedule:
    """Make it what was drafted; it has to be approved anew. A paused one stays so. What is due already, or waits for an
    approval, goes out as changed, unless there is another rule: then its author hears that it is missed. ``person``:
    who changes it; empty: the command line. ``reach``: the chat that their role is limited to. Where that is none, and
    the targets are other ones, the limit is lifted that it had.
    """
    is_kept = made.targets.text == ", ".join(schedule.targets)
    new = _row(
        made,
        chat=schedule.chat,
        reach=str(reach) if reach is not None else schedule.reach if is_kept else "",
        person=schedule.person,
        person_name=schedule.person_name,
        needs=approvals(firing, made, is_admin=is_admin),
        asked_by=",".join(dict.fromkeys([*_unapproved(schedule), *filter(None, [person])])),
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
        call_off(tx, schedule, note=CHANGED_BEFORE, now=now)
    tx.schedules.change(schedule.id, new, now=now)
    changed = _again(tx, schedule)
    adapt(tx, firing, changed, now=now)
    if changed.state == "on":
        approved(tx, firing, changed, told=False, now=now)
    return _again(tx, schedule)


def _unapproved(schedule: Schedule) -> Sequence[str]:
    """Who asked for what nobody has approved of yet: what becomes of it is theirs, too."""
    return schedule.askers if len(schedule.approvers) < schedule.needs else ()


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
    asked_by: str,
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
        asked_by=asked_by,
        trusted=trusted,
    )


def find(tx: Tx, word: str, *, seen: Callable[[Schedule], bool] = lambda schedule: True, chat: str = "") -> Schedule:
    """One by number or name, of those that may be seen; raises ``NoSchedule``. ``chat``: all of these were made there
    or in its topics.
    """
    word = word.strip().lstrip("#")
    number = _number(word)
    found = None if number is None else tx.schedules.get(number)
    if found is None or found.state == "removed":
        found = next(iter(tx.schedules.named(word)), None)
    if found is None or not seen(found):
        raise NoSchedule(
            f"there is no schedule {cut(word, 40) or 'without a number'}; {_there_are(tx, word, chat=chat)}"
        )
    return found


def _number(word: str) -> int | None:
    """The number that a word is, as far as a schedule can have it; None: it is a name."""
    return int(word) if word.isascii() and word.isdigit() and len(word) < 19 else None


def _there_are(tx: Tx, word: str, *, chat: str) -> str:
    """Which there are instead of one that there is not: all of a few, else those nearest to that."""
    number = _number(word)
    number = NO_NUMBER if number is None else number
    count, near = tx.schedules.count(chat=chat), tx.schedules.nearest(number, limit=NAMED, chat=chat)
    if not near:
        return "there are none yet"
    if count <= NAMED:
        return f"there are: {', '.join(map(str, near))}"
    if number > near[-1]:
        return f"there are {count}, the latest is {near[-1]}"
    return f"there are {count}, the nearest are {', '.join(map(str, near))}"


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


def pause(tx: Tx, schedule: Schedule, *, now: float) -> Left:
    """Let nothing of it fire, and call off what has fired and still waits; raises ``ScheduleError``."""
    if schedule.state == "removed":
        raise ScheduleError(f"schedule {schedule.id} is removed: nothing of it is sent")
    if schedule.state == "paused":
        raise ScheduleError(f"schedule {schedule.id} is paused already; to go on: /schedule resume {schedule.id}")
    at = let_lapse(tx, schedule, "skipped", note=PAUSED_BEFORE, told=True, now=now)
    called_off = call_off(tx, schedule, note=PAUSED_BEFORE, now=now)
    tx.schedules.become(schedule.id, "paused", now=now)
    return Left(at, called_off)


def resume(tx: Tx, schedule: Schedule, *, now: float, note: str = IN_PAUSE) -> int:
    """Let it fire again; what its pause held is not sent. Returns how many those are. Raises ``ScheduleError``.
    ``note``: why these were not sent.
    """
    if schedule.state != "paused":
        raise ScheduleError(f"schedule {schedule.id} is not paused")
    held, _ = overdue(schedule, plan_of(schedule), now=now)
    let_lapse(tx, schedule, "skipped", note=note, told=True, now=now)
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
    """Raises ``ScheduleError`` where a person asks for it to be sent and it is removed, or needs an approval before."""
    if schedule.state == "removed":
        raise ScheduleError(f"schedule {schedule.id} is removed: nothing of it is sent")
    if len(schedule.approvers) < schedule.needs:
        raise ScheduleError(f"schedule {schedule.id} waits for its approval: it cannot be sent before")
    addresses, _ = firing.targets(tx, schedule)
    if firing.approvals(tx, schedule, addresses):
        raise ScheduleError(
            f"schedule {schedule.id} goes to {counted_targets(len(addresses))} by now, and {firing.over_words}; ask for"
            f" that with /schedule edit {schedule.id} approve=1 | |"
        )


def _unused(tx: Tx, schedule: Schedule, at: float) -> float:
    """An instant that is none of its rule's, which are whole seconds."""
    at = at if at % 1 else at + 0.001
    while tx.schedules.is_decided(schedule.id, at):
        at += 0.001
    return at


def remove(tx: Tx, schedule: Schedule, *, now: float) -> Left:
    """Let it never fire again, and call off what has fired and still waits; its history stays for a while."""
    note = IN_PAUSE if schedule.state == "paused" else "The schedule was removed when this was due."
    at = let_lapse(tx, schedule, "skipped", note=note, told=True, now=now)
    called_off = call_off(tx, schedule, note=REMOVED_BEFORE, now=now)
    tx.schedules.become(schedule.id, "removed", now=now)
    return Left(None if schedule.state == "paused" else at, called_off)


def restore(tx: Tx, schedule: Schedule, *, now: float, goes_on: bool = False) -> int:
    """Take a removal back: it is paused, or ``goes_on``, but for what was due meanwhile; returns how many those are.
    Raises ``ScheduleError``.
    """
    if schedule.state != "removed":
        raise ScheduleError(f"schedule {schedule.id} is not removed")
    if schedule.name and tx.schedules.named(schedule.name):
        raise ScheduleError(f"there is another schedule with the name {schedule.name} by now")
    tx.schedules.become(schedule.id, "paused", now=now)
    return resume(tx, _again(tx, schedule), now=now, note=WHILE_REMOVED) if goes_on else 0


@dataclass(frozen=True, slots=True)
class Approved:
    """What one person's approval came to."""

    left: int
    """How many more are needed."""
    waited: OccurrenceRow | None = None
    """What became of the occurrence that had waited for this; None: none had."""


def approve(tx: Tx, firing: Firing, schedule: Schedule, *, person: str, now: float) -> Approved:
    """One person says yes, who did not ask for it; with the last of them it goes on, and what has waited is sent if
    that is not too late. Raises ``ScheduleError``.
    """
    if schedule.state == "removed" or len(schedule.approvers) >= schedule.needs:
        raise ScheduleError(f"schedule {schedule.id} waits for no approval any more")
    if person in schedule.askers:
        raise ScheduleError("somebody else has to approve of what you made yourself")
    if person in schedule.approvers:
        raise ScheduleError("you have approved of it already; it needs somebody else, too")
    approvers = [*schedule.approvers, person]
    # It may have grown while it waited.
    needs = max(schedule.needs, firing.approvals(tx, schedule, firing.targets(tx, schedule)[0]))
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


def left_words(schedule: Schedule, left: Left) -> Words:
    """What is not sent any more, and what is all the same; begins with a blank, or is nothing."""
    words = Words()
    if left.at is not None:
        words.add(" What was due at ").at(left.at, zone_of(schedule)).add(" is not sent.")
    places, under_way = left.called_off.places, left.called_off.under_way
    if places:
        words.add(f" What waited to be sent to {counted_targets(places)} is called off.")
    if under_way:
        words.add(f" To {counted_targets(under_way)} it was on its way already.")
    return words


def echo(made: Draft, *, now: float) -> Words:
    """What was understood: the rule, its next instants, where it goes."""
    words = Words().code(f"{show_rule(made.plan.rule)} {show_options(made.plan.options)}".rstrip())
    _instants(words, made.coming, zone=made.plan.rule.zone, now=now, is_once=is_once(made.plan.rule))
    words.add(f"\nTo {counted_targets(made.count)}: ").code(cut(made.targets.text, TARGETS_SHOWN))
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
    if schedule.state in ("on", "waits") and schedule.next_at is not None and schedule.next_at <= now:
        words.add("\nDue since ").at(schedule.next_at, zone).add(", and not sent yet.")
    elif not ahead_of_it:
        words.add("\nIts time has passed." if schedule.state == "waits" else "\nNothing is to come.")
    named = cut(", ".join(schedule.targets if targets is None else targets), TARGETS_SHOWN)
    return words.add("\nTo " if count is None else f"\nTo {counted_targets(count)}: ").code(named)


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


def summary(schedule: Schedule, *, now: float) -> Words:
    """One schedule in a list that leaves nothing out."""
    named = f" ({schedule.name})" if schedule.name else ""
    words = Words(f"{schedule.id}{named}: {schedule.rule} → {', '.join(schedule.targets)}")
    next_ = coming(schedule, now=now, most=1)
    match schedule.state:
        case "paused":
            words.add("; paused")
        case "waits":
            words.add("; waits for approval" if next_ else "; waits for approval, and its time has passed")
        case _ if not is_readable(schedule):
            words.add("; cannot be read")
        case _ if next_:
            words.add("; next ").at(next_[0].at, zone_of(schedule))
        case _ if schedule.next_at is not None:
            words.add("; due now")
        case _:
            words.add("; over")
    return words


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
