"""The cards of schedules: what would be scheduled, and which meaning it is; what can be taken back; what is to be
decided about an occurrence, one that is near, an approval; the buttons of one that is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot import planning
from bot.cards import deal, digest
from bot.instants import Words
from bot.names import defuse_text
from bot.plans import plan_of, zone_of
from bot.schedule_notes import (
    APPROVE,
    APPROVING,
    DECIDING,
    DECISIONS,
    DROP,
    PAUSE,
    REJECT,
    SEND,
    SKIP,
    WARNING,
    approval,
    counted_targets,
    identity,
)
from bot.store import Tx
from bot.store.outbox import PRIORITY_REPLY
from bot.store.schedules import OccurrenceState, Schedule
from bot.telegram import scheduling
from bot.telegram.access import Role
from bot.telegram.cards import Press, Pressed, card_kinds, confirmation
from bot.telegram.replies import Reply
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
from bridges.model import Message, Span, SpanKind

TEXT_MOST = 2_500
"""Of the words in a question that one message has to hold."""
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
    line = scheduling.command_line(planned)
    code = Message(text=line, spans=(Span(kind=SpanKind.CODE, start=0, length=len(line)),))
    press.relay.send(
        tx, press.place, code, now=press.now, message_id=None, priority=PRIORITY_REPLY, why="the bot's own"
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
    schedule = _schedule(press, tx, actor)
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
    planning.restore(tx, schedule, now=now, goes_on=told["state"] != "paused")
    back = _again(tx, schedule)
    words = Words(f"Undone: {_title(schedule)} is back, {scheduling.state_words(back)}.\n")
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
    scheduling.within_reach(tx, actor, schedule)
    words = Words(f"{schedule.title}: what was due at ").at(row.at, zone_of(schedule))
    who, outcome = f" ({press.person_name})", f"schedule {schedule.id}"
    if press.choice == DROP:
        tx.schedules.redecide(row.id, "dropped", now=now, note=row.note)
        return Pressed("It is left.", reply_of(words.add(f" is not sent.{who}")), outcome=outcome)
    if schedule.state == "removed":
        raise planning.ScheduleError(f"schedule {schedule.id} is removed: nothing of it is sent")
    planning.may_be_sent(tx, actor.firing, schedule)
    if actor.firing.fire(tx, schedule, row.at, now=now, again=row):
        return Pressed("It is sent.", reply_of(words.add(f" is sent now.{who}")), outcome=f"{outcome} sent")
    failed = tx.schedules.occurrence(row.id)
    why = failed.note if failed is not None else ""
    choices = (("Send again", SEND), ("Leave it", DROP))
    buttons = deal(tx, DECIDING, choices, chat=press.card.chat, subject=row.id, expires_s=None, now=now)
    words.add(f" could not be sent.\n{why}")
    return Pressed("It could not be sent.", reply_of(words, buttons), outcome=f"{outcome} failed")


@card_kinds.add(WARNING, choices={SKIP: _OPERATOR, PAUSE: _OPERATOR})
def warning(press: Press, tx: Tx) -> Pressed:
    """Leave out the occurrence that is near, or pause the schedule."""
    actor, now = actor_of(press), press.now
    schedule = _schedule(press, tx, actor)
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
    schedule = _schedule(press, tx, actor)
    left = schedule.needs - len(schedule.approvers)
    if schedule.state == "removed" or left <= 0:
        text = f"{schedule.title} waits for no approval any more."
        return Pressed(text, Reply(text), outcome="decided already")
    scheduling.within_reach(tx, actor, schedule, needed=Role.ADMIN)
    asked_by = str(press.payload["by"])
    if digest(identity(schedule)) != press.card.shown:
        again = _approval(press, tx, schedule, left=left)
        return Pressed("It has changed meanwhile: look again.", again, outcome="changed meanwhile")
    if press.choice == REJECT:
        if str(press.person) == asked_by:
            raise planning.ScheduleError(
                f"somebody else has to decide; to take it back yourself: /schedule remove {schedule.id}"
            )
        planning.remove(tx, schedule, now=now)
        text = f"{schedule.title} was rejected by {press.person_name}, and is removed: nothing of it is sent."
        return Pressed("Rejected.", Reply(text), outcome=f"schedule {schedule.id} rejected")
    done = planning.approve(tx, actor.firing, schedule, person=str(press.person), asked_by=asked_by, now=now)
    approved = _again(tx, schedule)
    if done.left:
        given = f"{len(approved.approvers)} of {approved.needs}"
        return Pressed(f"Approved: {given}.", _approval(press, tx, approved, left=done.left), outcome=given)
    words = Words(f"{schedule.title} is approved by {press.person_name}.\n")
    if done.waited is not None:
        words.add("What was due at ").at(done.waited.at, zone_of(schedule)).add(f" {_WAITED[done.waited.state]}.\n")
    reply = reply_of(_standing(tx, actor, approved, words))
    return Pressed("Approved.", reply, outcome=f"schedule {schedule.id} approved")


_WAITED: Mapping[OccurrenceState, str] = {
    "sent": "is sent now",
    "asked": "is asked about",
    "missed": "is not sent any more: it is too late for that",
    "failed": "could not be sent",
}
"""What becomes of an occurrence that had waited for an approval."""


def _approval(press: Press, tx: Tx, schedule: Schedule, *, left: int) -> Reply:
    """The same question once more, as things are now."""
    words = approval(tx, press.services.firing, schedule, needed=left, now=press.now)
    if schedule.approvers:
        words.add(f"\n\nApproved: {len(schedule.approvers)} of {schedule.needs}.")
    buttons = deal(
        tx, APPROVING, DECISIONS, chat=press.card.chat, subject=schedule.id, payload=press.payload,
        shown=identity(schedule), expires_s=None, now=press.now,
    )  # fmt: skip
    return reply_of(words, buttons)


# --- one that is shown


@card_kinds.add(SHOWING, choices=dict.fromkeys((PAUSE, RESUME, SKIP, NOW, EDIT, REMOVE), _OPERATOR))
def showing(press: Press, tx: Tx) -> Pressed:
    """What the buttons below a schedule do."""
    actor, now = actor_of(press), press.now
    schedule = _schedule(press, tx, actor)
    if schedule.state == "removed":
        text = f"{schedule.title} is removed."
        return Pressed(text, Reply(text), outcome="removed already")
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
            planning.pause(tx, schedule, now=now)
            toast = "It is paused."
        case "resume":
            planning.resume(tx, schedule, now=now)
            toast = "It goes on."
        case _:
            planning.skip(tx, schedule, now=now, at=float(press.payload["at"]))
            toast = "It is skipped."
    return Pressed(toast, shown_schedule(tx, actor, _again(tx, schedule)), outcome=outcome)


def _tell_line(press: Press, tx: Tx, actor: Actor, schedule: Schedule) -> None:
    plan = plan_of(schedule)
    targets = ", ".join(scheduling.shown_targets(tx, actor, schedule))
    planned = Planned(plan.rule, plan.options, targets, plan.message, plan.made_at, schedule.id)
    line = scheduling.command_line(planned)
    code = Message(text=line, spans=(Span(kind=SpanKind.CODE, start=0, length=len(line)),))
    press.relay.tell(tx, press.place, EDIT_HINT, now=press.now)
    press.relay.say(tx, press.place, code, now=press.now)


def _now(press: Press, tx: Tx, schedule: Schedule, *, many: bool) -> Pressed:
    if many:
        press.relay.say(tx, press.place, ask_now(press, tx, {"schedule": schedule.id}).message, now=press.now)
        return Pressed("Below you are asked.", used=False, outcome=f"schedule {schedule.id}: asked")
    reply = sent_now(tx, actor_of(press), schedule)
    press.relay.say(tx, press.place, reply.message, now=press.now)
    shown = shown_schedule(tx, actor_of(press), _again(tx, schedule))
    return Pressed("Done.", shown, outcome=reply.outcome)


def _now_preview(tx: Tx, services: Any, payload: Any) -> str:
    """To whom it goes, and its words."""
    schedule = tx.schedules.get(payload["schedule"])
    if schedule is None or schedule.state == "removed":
        raise planning.NoSchedule(f"there is no schedule {payload['schedule']} any more")
    addresses, troubles = services.firing.targets(tx, schedule)
    message = plan_of(schedule).message
    files = len(message.attachments)
    lines = [f"Send {_title(schedule)} to {counted_targets(len(addresses))} now, once more than its rule says?", ""]
    lines += [cut(defuse_text(message).text, TEXT_MOST)] if message.text else []
    lines += [f"(with {files} file{'s' if files != 1 else ''})"] if files else []
    return "\n".join([*lines, *(cut(each, TROUBLE_MOST) for each in troubles[:TROUBLES_MOST])])


@confirmation("schedule-now", role=_OPERATOR, preview=_now_preview, yes="Send now")
def ask_now(press: Press, tx: Tx) -> Pressed:
    """Send it once more than its rule says."""
    actor = actor_of(press)
    schedule = scheduling.find(tx, actor, str(press.payload["schedule"]))
    scheduling.within_reach(tx, actor, schedule)
    reply = sent_now(tx, actor, schedule)
    return Pressed(reply.text, reply, outcome=reply.outcome)


# --- in words, for the command too


def sent_now(tx: Tx, actor: Actor, schedule: Schedule) -> Reply:
    """Send it once more than its rule says; raises ``ScheduleError``."""
    outcome = f"schedule {schedule.id} sent"
    if planning.send_now(tx, actor.firing, schedule, now=actor.now):
        addresses, _ = actor.firing.targets(tx, schedule)
        text = f"{schedule.title} is sent to {counted_targets(len(addresses))} now; what is planned stays."
        return Reply(text, outcome=outcome)
    # What is skipped of days to come is later, and was written down before.
    row = max(tx.schedules.history(schedule.id, limit=HISTORY_MOST), key=lambda each: each.id, default=None)
    why = row.note if row is not None else ""
    return Reply(f"{schedule.title} could not be sent. {why}".rstrip(), outcome=f"schedule {schedule.id} failed")


def removed(tx: Tx, actor: Actor, schedule: Schedule) -> Reply:
    """Remove it, with the button that takes that back."""
    left = planning.remove(tx, schedule, now=actor.now)
    buttons = scheduling.undo(tx, actor, schedule, {"what": "remove", "state": schedule.state})
    words = Words(f"{schedule.title} is removed: nothing of it is sent any more.").join(planning.left_words(schedule, left))
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


def _schedule(press: Press, tx: Tx, actor: Actor) -> Schedule:
    """The one that a card is about, removed ones too; raises ``NoSchedule``."""
    schedule = tx.schedules.get(press.card.subject)
    if schedule is None or not actor.sees(schedule):
        raise planning.NoSchedule("there is no such schedule any more")
    return schedule


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
