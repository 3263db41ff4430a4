"""The cards of schedules: what would be scheduled, and which meaning it is; what can be taken back; what is to be
decided about an occurrence, one that is near, an approval; the buttons of one that is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot import planning
from bot.agenda import ELSEWHERE
from bot.cards import deal, digest
from bot.instants import Words
from bot.plans import line_of, plan_of, zone_of
from bot.schedule_notes import (
    APPROVE,
    APPROVING,
    DECIDING,
    DROP,
    PAUSE,
    REJECT,
    SEND,
    SKIP,
    WARNING,
    approval,
    approving_buttons,
    asked_about,
    beside,
    bound_to,
    choices_about,
    places_of,
    say,
    whole_of,
)
from bot.store import Tx
from bot.store.schedules import OccurrenceRow, OccurrenceState, Schedule
from bot.targets import counted_targets
from bot.telegram import scheduling
from bot.telegram.access import Role
from bot.telegram.cards import Press, Pressed, card_kinds, tell_command
from bot.telegram.replies import Reply, UsageError
from bot.telegram.schedule_show import EDIT_HINT, NOW, REMOVE, RESUME, SHOWING, shown_schedule
from bot.telegram.scheduling import (
    ASKING,
    CANCEL,
    CHOOSING,
    EDIT,
    PICK,
    UNDO,
    UNDOING,
    YES,
    Actor,
    Planned,
    Wish,
    actor_of,
    reply_of,
)
from bot.text import cut
from bot.unsent import unsent
from bridges.model import Button

SENDING = "schedule-now"
"""A kind of card: what would be sent once more than its rule says."""
TROUBLE_MOST, TROUBLES_MOST = 150, 5
HISTORY_MOST = 50
_OPERATOR = Role.OPERATOR


# --- before


@card_kinds.add(ASKING, choices={YES: _OPERATOR, EDIT: _OPERATOR, CANCEL: Role.VIEWER})
def asking(press: Press, tx: Tx) -> Pressed:
    """Keep it as it was shown, or not at all."""
    if press.choice == CANCEL:
        return Pressed("Nothing was scheduled.", Reply("Cancelled: nothing was changed."), outcome="cancelled")
    planned, actor = Planned.from_data(press.payload), actor_of(press)
    if press.choice == EDIT:
        return _edit(press, tx, planned)
    made = scheduling.look(tx, actor, planned)
    shown = press.card.shown
    if not scheduling.is_as_shown(tx, actor, planned, made, matches=lambda text: digest(text) == shown):
        again = scheduling.ask(tx, actor, planned, made)
        press.relay.say(tx, press.place, again.message, now=press.now)
        return Pressed(
            "It has changed meanwhile: look again.",
            Reply("This has changed since it was shown, and nothing was scheduled. What it is now stands below."),
            outcome="changed meanwhile",
        )
    done = scheduling.do(tx, actor, planned, made)
    return Pressed("Scheduled." if planned.schedule is None else "Changed.", done, outcome=done.outcome)


def _edit(press: Press, tx: Tx, planned: Planned) -> Pressed:
    """The command once more, to be copied, changed and written again."""
    if not tell_command(press, tx, scheduling.command_line(planned)):
        raise UsageError(
            "the command is too long for one message; change the one that you wrote, or change it by parts once it is"
            " scheduled, as in /schedule edit 3 | | New words."
        )
    files = " Send it as a reply to the message with the files." if planned.message.attachments else ""
    return Pressed(
        "Below is the command to change.",
        Reply(f"Nothing was scheduled. Copy the command below, change it and send it.{files}"),
        outcome="edited",
    )


@card_kinds.add(CHOOSING, choices={PICK: _OPERATOR, CANCEL: Role.VIEWER})
def choosing(press: Press, tx: Tx) -> Pressed:
    """Go on with the meaning that was chosen."""
    if press.choice == CANCEL:
        return Pressed("Nothing was scheduled.", Reply("Cancelled: nothing was changed."), outcome="cancelled")
    told: Any = press.payload
    number = press.choice.partition("=")[2]
    wish = Wish.from_data({**told, "head": told["heads"][int(number)]})
    reply = scheduling.wished(tx, actor_of(press), wish)
    return Pressed("", reply, outcome=reply.outcome)


# --- taken back


@card_kinds.add(UNDOING, choices={UNDO: _OPERATOR})
def undoing(press: Press, tx: Tx) -> Pressed:
    """Remove what was just made, or bring back what was just removed."""
    actor, now = actor_of(press), press.now
    schedule = scheduling.known(tx, actor, press.card.subject)
    scheduling.within_reach(tx, actor, schedule)
    told = press.payload
    if told["what"] == "add":
        if schedule.state == "removed":
            raise planning.ScheduleError(f"schedule {schedule.id} is removed already")
        if schedule.fired and not unsent(tx, schedule):
            raise planning.ScheduleError(
                f"something of schedule {schedule.id} was sent already; /schedule remove {schedule.id} ends it"
            )
        left = planning.remove(tx, schedule, now=now)
        was_sent = _again(tx, schedule).fired > 0
        words = Words(f"Undone: {_title(schedule)} is removed.").join(planning.left_words(schedule, left))
        words.add(" What was sent before stays." if was_sent else " Nothing of it was sent.")
        return Pressed("Undone.", reply_of(words), outcome=f"schedule {schedule.id} removed")
    missed = planning.restore(tx, schedule, now=now, goes_on=told["state"] != "paused")
    back = _again(tx, schedule)
    off = " What was called off is not sent." if told.get("off") else ""
    words = Words(f"Undone: {_title(schedule)} is back, {scheduling.state_words(back)}.{off}")
    words.add(f" {missed} {'was' if missed == 1 else 'were'} due meanwhile and not sent.\n" if missed else "\n")
    return Pressed("Undone.", reply_of(_standing(tx, actor, back, words)), outcome=f"schedule {schedule.id} restored")


# --- decided


@card_kinds.add(DECIDING, choices={SEND: _OPERATOR, DROP: _OPERATOR})
def deciding(press: Press, tx: Tx) -> Pressed:
    """Send an occurrence that was missed or failed, or leave it."""
    actor, now = actor_of(press), press.now
    row = tx.schedules.occurrence(press.card.subject)
    schedule = None if row is None else tx.schedules.get(row.schedule)
    if row is None or schedule is None or row.state not in ("asked", "missed", "failed"):
        return Pressed("This was decided already.", _as_it_is(press), outcome="decided already")
    if not actor.sees(schedule):
        raise planning.NoSchedule("your role does not reach that schedule")
    addresses = scheduling.within_reach(tx, actor, schedule)
    words = Words(f"{schedule.title}: what was due at ").at(row.at, zone_of(schedule))
    who, outcome = f" ({press.person_name})", f"schedule {schedule.id}"
    if press.choice == DROP:
        tx.schedules.redecide(row.id, "dropped", now=now, note=row.note)
        return Pressed("It is left.", reply_of(words.add(f" is not sent.{who}")), outcome=outcome)
    if schedule.state == "removed":
        raise planning.ScheduleError(f"schedule {schedule.id} is removed: nothing of it is sent")
    if digest(bound_to(schedule, addresses)) != press.card.shown:
        return _changed(press, tx, *asked_about(schedule, row, addresses), buttons=_deciding(press, tx, schedule, row))
    planning.may_be_sent(tx, actor.firing, schedule)
    if actor.firing.fire(tx, schedule, row.at, now=now, again=row):
        return Pressed("It is sent.", reply_of(words.add(f" is sent now.{who}")), outcome=f"{outcome} sent")
    failed = tx.schedules.occurrence(row.id) or row
    words.add(f" could not be sent.\n{failed.note}")
    reply = reply_of(words, _deciding(press, tx, schedule, failed))
    return Pressed("It could not be sent.", reply, outcome=f"{outcome} failed")


def _deciding(press: Press, tx: Tx, schedule: Schedule, row: OccurrenceRow) -> tuple[Button, ...]:
    """The buttons for an occurrence, bound to how its schedule is now."""
    addresses, _ = press.services.firing.targets(tx, schedule)
    return deal(
        tx, DECIDING, choices_about(row), chat=press.card.chat, subject=row.id, shown=bound_to(schedule, addresses),
        expires_s=None, now=press.now,
    )  # fmt: skip


def _changed(press: Press, tx: Tx, words: Words, whole: Words, *, buttons: tuple[Button, ...]) -> Pressed:
    """What a card is about is not what it showed: nothing is done, and it is shown as it is now."""
    told, before = beside(words, whole)
    toast, outcome = "It has changed meanwhile: look again.", "changed meanwhile"
    if before is None:
        return Pressed(toast, reply_of(told, buttons), outcome=outcome)
    press.relay.say(tx, press.place, before, now=press.now)
    press.relay.say(tx, press.place, reply_of(told, buttons).message, now=press.now)
    return Pressed(toast, Reply("This has changed since it was shown: what it is now stands below."), outcome=outcome)


@card_kinds.add(WARNING, choices={SKIP: _OPERATOR, PAUSE: _OPERATOR})
def warning(press: Press, tx: Tx) -> Pressed:
    """Leave out the occurrence that is near, or pause the schedule."""
    actor, now = actor_of(press), press.now
    schedule = scheduling.known(tx, actor, press.card.subject)
    if schedule.state != "on":
        words = Words(f"{schedule.title}: {scheduling.state_words(schedule)}. Nothing of it is sent.")
        return Pressed(words.text, reply_of(words), outcome=schedule.state)
    scheduling.within_reach(tx, actor, schedule)
    who = f" ({press.person_name})"
    if press.choice == PAUSE:
        words = paused_words(schedule, planning.pause(tx, schedule, now=now)).add(who)
        return Pressed("It is paused.", reply_of(words), outcome=f"schedule {schedule.id} paused")
    skipped = planning.skip(tx, schedule, now=now, at=float(press.payload["at"]))
    words = skipped_words(_again(tx, schedule), skipped, now=now).add(who)
    return Pressed("It is skipped.", reply_of(words), outcome=f"schedule {schedule.id} skipped")


@card_kinds.add(APPROVING, choices={APPROVE: Role.ADMIN, REJECT: Role.ADMIN})
def approving(press: Press, tx: Tx) -> Pressed:
    """Say yes or no to what was shown, as somebody else than who asked for it."""
    actor, now = actor_of(press), press.now
    schedule = scheduling.known(tx, actor, press.card.subject)
    left = schedule.needs - len(schedule.approvers)
    if schedule.state == "removed" or left <= 0:
        became = "is removed" if schedule.state == "removed" else "is approved"
        words = Words(f"This was decided already: {_title(schedule)} {became}.")
        return Pressed(words.text, reply_of(words), outcome="decided already")
    addresses = scheduling.within_reach(tx, actor, schedule, needed=Role.ADMIN)
    if digest(bound_to(schedule, addresses)) != press.card.shown:
        return _changed(press, tx, *_approval(press, tx, schedule, left=left), buttons=_approving(press, tx, schedule))
    if press.choice == REJECT:
        if str(press.person) in schedule.askers:
            raise planning.ScheduleError(
                f"somebody else has to decide; to take it back yourself: /schedule remove {schedule.id}"
            )
        gone = planning.remove(tx, schedule, now=now)
        words = Words(f"{schedule.title} was rejected by {press.person_name}, and is removed: nothing of it is sent.")
        words.join(planning.left_words(schedule, gone))
        _tell_at_home(press, tx, schedule, words)
        return Pressed("Rejected.", reply_of(words), outcome=f"schedule {schedule.id} rejected")
    done = planning.approve(tx, actor.firing, schedule, person=str(press.person), now=now)
    approved = _again(tx, schedule)
    if done.left:
        given = f"{len(approved.approvers)} of {approved.needs}"
        told, before = beside(*_approval(press, tx, approved, left=done.left))
        if before is not None:
            press.relay.say(tx, press.place, before, now=now)
        reply = reply_of(told, _approving(press, tx, approved))
        return Pressed(f"Approved: {given}.", reply, outcome=given)
    words = Words(f"{schedule.title} is approved by {press.person_name}.\n")
    if done.waited is not None:
        words.add("What was due at ").at(done.waited.at, zone_of(schedule)).add(f" {_WAITED[done.waited.state]}.\n")
    reply = reply_of(_standing(tx, actor, approved, words))
    _tell_at_home(press, tx, approved, words)
    return Pressed("Approved.", reply, outcome=f"schedule {schedule.id} approved")


_WAITED: Mapping[OccurrenceState, str] = {
    "sent": "is sent now",
    "asked": "is asked about",
    "missed": "is not sent any more: it is too late for that",
    "failed": "could not be sent",
}
"""What becomes of an occurrence that had waited for an approval."""


def _approval(press: Press, tx: Tx, schedule: Schedule, *, left: int) -> tuple[Words, Words]:
    """The same question once more, as things are now."""
    return approval(tx, press.services.firing, schedule, needed=left, now=press.now), whole_of(schedule)


def _approving(press: Press, tx: Tx, schedule: Schedule) -> tuple[Button, ...]:
    person = int(press.card.person) if press.card.person else None
    return approving_buttons(tx, press.services.firing, schedule, chat=press.card.chat, person=person, now=press.now)


def _tell_at_home(press: Press, tx: Tx, schedule: Schedule, words: Words) -> None:
    """Whoever asked hears what was decided elsewhere."""
    firing = press.services.firing
    if press.place.conversation.partition("/")[0] not in {
        each.conversation.partition("/")[0] for each in places_of(tx, firing, schedule)
    }:
        say(tx, firing, schedule, words, now=press.now)


# --- one that is shown


@card_kinds.add(SHOWING, choices=dict.fromkeys((PAUSE, RESUME, SKIP, NOW, EDIT, REMOVE), _OPERATOR))
def showing(press: Press, tx: Tx) -> Pressed:
    """What the buttons below a schedule do."""
    actor, now = actor_of(press), press.now
    schedule = scheduling.known(tx, actor, press.card.subject)
    if schedule.state == "removed":
        words = Words(f"{schedule.title} is removed.")
        return Pressed(words.text, reply_of(words), outcome="removed already")
    addresses = scheduling.within_reach(tx, actor, schedule)
    outcome = f"schedule {schedule.id}: {press.choice}"
    match press.choice:
        case "edit":
            _tell_line(press, tx, actor, schedule)
            return Pressed("Below is the command to change.", used=False, outcome=outcome)
        case "remove":
            reply = removed(tx, actor, schedule)
            return Pressed("It is removed.", reply, outcome=outcome)
        case "now":
            return _now(press, tx, schedule, many=len(addresses) > 1)
        case "pause":
            left = planning.pause(tx, schedule, now=now)
            toast = f"It is paused.{planning.left_words(schedule, left).text}"
        case "resume":
            held = planning.resume(tx, schedule, now=now)
            toast = f"It goes on. {scheduling.held_words(held)}".rstrip()
        case _:
            planning.skip(tx, schedule, now=now, at=float(press.payload["at"]))
            toast = "It is skipped."
    return Pressed(toast, shown_schedule(tx, actor, _again(tx, schedule)), outcome=outcome)


def _tell_line(press: Press, tx: Tx, actor: Actor, schedule: Schedule) -> None:
    """The command that would make it what it is, below a hint."""
    plan = plan_of(schedule)
    targets = scheduling.shown_targets(tx, actor, schedule)
    # A part that is left empty stays as it is: what somebody may not know of is not put into a command.
    written = "" if ELSEWHERE in targets else ", ".join(targets)
    planned = Planned(plan.rule, plan.options, written, plan.message, plan.made_at, schedule.id)
    if not tell_command(press, tx, scheduling.command_line(planned), hint=EDIT_HINT):
        raise UsageError(
            "the command is too long for one message; change it by parts, what you leave empty stays as it is, as in"
            f" /schedule edit {schedule.id} | | New words."
        )


def _now(press: Press, tx: Tx, schedule: Schedule, *, many: bool) -> Pressed:
    actor = actor_of(press)
    if many:
        press.relay.say(tx, press.place, ask_now(tx, actor, schedule).message, now=press.now)
        return Pressed("Below you are asked.", used=False, outcome=f"schedule {schedule.id}: asked")
    reply = sent_now(tx, actor, schedule)
    press.relay.say(tx, press.place, reply.message, now=press.now)
    shown = shown_schedule(tx, actor, _again(tx, schedule))
    return Pressed(reply.text, shown, outcome=reply.outcome)


def ask_now(tx: Tx, actor: Actor, schedule: Schedule) -> Reply:
    """What would be sent once more than its rule says, and where, with the button to do so. Words that one message does
    not hold stand in messages before it.
    """
    words, whole = _now_preview(tx, actor, schedule)
    told, before = beside(words, whole)
    if before is not None:
        actor.services.relay.say(tx, actor.here, before, now=actor.now)
    return reply_of(told, _now_buttons(tx, actor, schedule), outcome="asked")


def _now_preview(tx: Tx, actor: Actor, schedule: Schedule) -> tuple[Words, Words]:
    addresses, troubles = actor.firing.targets(tx, schedule)
    plan_of(schedule)  # what cannot be read cannot be sent
    words = Words(f"Send {_title(schedule)} to {counted_targets(len(addresses))} now, once more than its rule says?")
    words.add("\nTo: ").code(cut(", ".join(scheduling.shown_targets(tx, actor, schedule)), planning.TARGETS_SHOWN))
    words.add("\n").code(line_of(schedule))
    if schedule.state == "paused":
        words.add("\nIt is paused, and stays so.")
    for each in troubles[:TROUBLES_MOST]:
        words.add(f"\n{cut(each, TROUBLE_MOST)}")
    return words, whole_of(schedule)


def _now_buttons(tx: Tx, actor: Actor, schedule: Schedule) -> tuple[Button, ...]:
    addresses, _ = actor.firing.targets(tx, schedule)
    return deal(
        tx, SENDING, (("Send now", YES), ("Cancel", CANCEL)), chat=actor.here.conversation, person=actor.person,
        subject=schedule.id, shown=bound_to(schedule, addresses), now=actor.now,
    )  # fmt: skip


@card_kinds.add(SENDING, choices={YES: _OPERATOR, CANCEL: Role.VIEWER})
def sending(press: Press, tx: Tx) -> Pressed:
    """Send it once more than its rule says, as it was shown, or not at all."""
    if press.choice == CANCEL:
        return Pressed("Nothing was sent.", Reply("Cancelled: nothing was sent."), outcome="cancelled")
    actor = actor_of(press)
    schedule = scheduling.there(tx, actor, press.card.subject)
    addresses = scheduling.within_reach(tx, actor, schedule)
    if digest(bound_to(schedule, addresses)) != press.card.shown:
        return _changed(press, tx, *_now_preview(tx, actor, schedule), buttons=_now_buttons(tx, actor, schedule))
    reply = sent_now(tx, actor, schedule)
    return Pressed(reply.text, reply, outcome=reply.outcome)


# --- in words, for the command too


def sent_now(tx: Tx, actor: Actor, schedule: Schedule) -> Reply:
    """Send it once more than its rule says; raises ``ScheduleError``."""
    outcome = f"schedule {schedule.id} sent"
    if planning.send_now(tx, actor.firing, schedule, now=actor.now):
        addresses, _ = actor.firing.targets(tx, schedule)
        text = f"{schedule.title} is sent to {counted_targets(len(addresses))} now; what is planned stays."
        return reply_of(Words(text), outcome=outcome)
    # What is skipped of days to come is later, and was written down before.
    row = max(tx.schedules.history(schedule.id, limit=HISTORY_MOST), key=lambda each: each.id, default=None)
    why = row.note if row is not None else ""
    words = Words(f"{schedule.title} could not be sent. {why}".rstrip())
    return reply_of(words, outcome=f"schedule {schedule.id} failed")


def removed(tx: Tx, actor: Actor, schedule: Schedule) -> Reply:
    """Remove it, with the button that takes that back."""
    left = planning.remove(tx, schedule, now=actor.now)
    off = "yes" if left.called_off.places else ""
    buttons = scheduling.undo(tx, actor, schedule, {"what": "remove", "state": schedule.state, "off": off})
    words = Words(f"{schedule.title} is removed: nothing of it is sent any more.")
    words.join(planning.left_words(schedule, left))
    return reply_of(words, buttons, outcome=f"schedule {schedule.id} removed")


def paused_words(schedule: Schedule, left: planning.Left) -> Words:
    """What a pause means, and what it kept from being sent."""
    words = Words(
        f"{schedule.title} is paused: nothing of it is sent until /schedule resume {schedule.id}, and what falls into"
        " the pause is not sent afterwards either."
    )
    return words.join(planning.left_words(schedule, left))


def skipped_words(schedule: Schedule, skipped: float, *, now: float) -> Words:
    """Which occurrence is left out, and what is next."""
    zone = zone_of(schedule)
    words = Words(f"{schedule.title}: what was due at ").at(skipped, zone).add(" is skipped.")
    following = planning.coming(schedule, now=now, most=1)
    return words.add(" Next: ").at(following[0].at, zone).add(".") if following else words.add(" Nothing is to come.")


def _again(tx: Tx, schedule: Schedule) -> Schedule:
    found = tx.schedules.get(schedule.id)
    assert found is not None
    return found


def _standing(tx: Tx, actor: Actor, schedule: Schedule, words: Words) -> Words:
    addresses, _ = actor.firing.targets(tx, schedule)
    targets = scheduling.shown_targets(tx, actor, schedule)
    return words.join(planning.standing(schedule, now=actor.now, count=len(addresses), targets=targets))


def _title(schedule: Schedule) -> str:
    return f"{schedule.title[:1].lower()}{schedule.title[1:]}"


def _as_it_is(press: Press) -> Reply | None:
    """The card without its buttons: these are of no use any more."""
    text = press.message.text if press.message is not None else None
    return Reply(text) if text else None
