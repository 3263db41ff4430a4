"""One schedule in full: its rule, what it sends where, what became of it lately; and the list of those there are."""

from __future__ import annotations

from collections.abc import Sequence

from bot import planning, schedule_words
from bot.addresses import AddressError, parse_address
from bot.broadcast_report import Receipt, receipts
from bot.cards import deal
from bot.firing import known_name
from bot.instants import Words
from bot.names import defuse_text, one_line
from bot.plans import is_readable, message_of, plan_of, zone_of
from bot.previews import PAGE_MOST
from bot.schedule_notes import PAUSE, SKIP, approving_buttons, beginning
from bot.store import Tx
from bot.store.schedules import OccurrenceRow, Schedule
from bot.telegram import scheduling
from bot.telegram.access import Role
from bot.telegram.cards import Press, Pressed, card_kinds
from bot.telegram.replies import NotAllowed, Reply
from bot.telegram.scheduling import EDIT, Actor, actor_of, reply_of
from bot.text import cut, utf16_length
from bridges.model import Button

SHOWING, LISTING = "schedule-shown", "schedules"
"""Kinds of cards: the buttons of one that is shown; of a list."""
RESUME, NOW, REMOVE = "resume", "now", "remove"
NEXT, BACK = "next", "back"
PAGE = 10
PAGE_S = 86_400.0
HISTORY_SHOWN = 5
FAILED_SHOWN = 3
LIST_MOST = 3_900
"""UTF-16 units of what is said in one message."""
NOTE_MOST, NAME_MOST = 200, 64
TARGETS_SHOWN, CALLED_MOST, BEGINNING_MOST = 3, 40, 40
EDIT_HINT = "Copy the command below, change it and send it; what you leave empty stays as it is."


# --- one


def shown_schedule(tx: Tx, actor: Actor, schedule: Schedule) -> Reply:
    """One in full, with its buttons. Words that one message does not hold stand in a message before it."""
    zone = zone_of(schedule)
    addresses, troubles = actor.firing.targets(tx, schedule)
    targets = scheduling.shown_targets(tx, actor, schedule)
    words = Words(f"{schedule.title}: {scheduling.state_words(schedule)}\n")
    words.join(planning.standing(schedule, now=actor.now, count=len(addresses), targets=targets))
    held = tx.schedules.held_back(schedule.id)
    if held is not None:
        words.add("\nWhat was due at ").at(held.at, zone).add(" waits for its approval.")
    if not actor.is_limited:
        for trouble in troubles[:FAILED_SHOWN]:
            words.add(f"\n{cut(trouble, NOTE_MOST)}")
    maker = cut(schedule.person_name, NAME_MOST) or "somebody"
    words.add(f"\nMade by {maker} on ").at(schedule.created_at, zone)
    where = parse_address(schedule.chat) if schedule.chat else None
    if where is not None and where != actor.here:
        words.add(f" in {where}")
    others = [each for each in schedule.askers if each != schedule.person]
    if others:
        words.add(f"\nChanged last by {cut(tx.people.shown(others[-1]), NAME_MOST)}")
    times = f"{schedule.fired} time{'s' if schedule.fired != 1 else ''}"
    words.add(f"\nIt has fired {times}." if schedule.fired else "\nIt has not fired yet.")
    for row in tx.schedules.history(schedule.id, limit=HISTORY_SHOWN):
        became = _became(tx, actor, schedule, row)
        if utf16_length(words.text) + utf16_length(became.text) < LIST_MOST:
            words.add("\n· ").join(became)
    text = schedule_words.whole(message_of(schedule))
    if utf16_length(f"{words.text}\n\n{text.text}") <= PAGE_MOST:
        words.add("\n\n").join(text)
    else:
        actor.services.relay.say(tx, actor.here, defuse_text(text.message()), now=actor.now)
        words.add("\n\nIts text stands above.")
    buttons = [*_approval_buttons(tx, actor, schedule), *_buttons(tx, actor, schedule)]
    return reply_of(words, buttons, outcome=f"schedule {schedule.id}")


def _approval_buttons(tx: Tx, actor: Actor, schedule: Schedule) -> Sequence[Button]:
    """To approve of one that waits for that, for somebody who may."""
    if len(schedule.approvers) >= schedule.needs or actor.role < Role.ADMIN:
        return ()
    if str(actor.person) in (*schedule.askers, *schedule.approvers):
        return ()
    try:
        scheduling.within_reach(tx, actor, schedule, needed=Role.ADMIN)
    except NotAllowed:
        return ()
    chat = actor.here.conversation
    return approving_buttons(tx, actor.firing, schedule, chat=chat, person=actor.person, now=actor.now)


def _buttons(tx: Tx, actor: Actor, schedule: Schedule) -> Sequence[Button]:
    following = planning.coming(schedule, now=actor.now, most=1)
    is_over = not following and schedule.state in ("on", "paused") and schedule.next_at is None
    choices = [("Resume", RESUME) if schedule.state == "paused" else ("Pause", PAUSE)] if not is_over else []
    choices += [("Skip next", SKIP)] if following else []
    choices += [("Send now", NOW), ("Edit", EDIT), ("Remove", REMOVE)]
    return deal(
        tx, SHOWING, choices, chat=actor.here.conversation, person=actor.person, subject=schedule.id,
        payload={"at": following[0].at if following else 0.0}, expires_s=PAGE_S, now=actor.now,
    )  # fmt: skip


def _became(tx: Tx, actor: Actor, schedule: Schedule, row: OccurrenceRow) -> Words:
    """What became of one occurrence, and where it arrived."""
    broadcast = None if row.broadcast is None else tx.broadcasts.get(row.broadcast)
    became = _STATES.get(row.state, row.state)
    if broadcast is not None:
        became = _receipts(actor, schedule, receipts(tx, broadcast)) or became
    words = Words().at(row.at, zone_of(schedule)).add(f": {became}")
    if row.missed:
        words.add(f"; {row.missed} before it missed")
    if row.note and not actor.is_limited:
        words.add(f". {cut(' '.join(row.note.split()), NOTE_MOST)}")
    return words


_STATES = {
    "asked": "missed, to be decided",
    "waits": "waits for approval",
    "failed": "could not be sent",
    "dropped": "left out by a person",
}


def _receipts(actor: Actor, schedule: Schedule, found: Sequence[Receipt]) -> str:
    """Where it arrived, and the first that it did not reach with the reason."""
    failing = [each for each in found if each.state in ("dead", "expired", "held")]
    seen = [each for each in failing if actor.reaches(parse_address(each.address))][:FAILED_SHOWN]
    why = "; ".join(f"{each.address}: {cut(each.error, NOTE_MOST) or each.state}" for each in seen)
    told = schedule_words.outcome(found, schedule, actor.firing.policy, now=actor.now)
    return f"{told} ({why})" if why else told


# --- all of them


def listed(tx: Tx, actor: Actor, *, starts: Sequence[int], over: bool = False) -> Reply:
    """A page of those that somebody may know of and that are to come, or are ``over``. ``starts``: behind how many this
    page and those before begin.
    """
    behind = starts[-1]
    chat = str(actor.chat) if actor.is_limited else ""
    found = tx.schedules.listed(over=over, behind=behind, limit=PAGE, chat=chat)
    number, others = (tx.schedules.count_listed(over=each, chat=chat) for each in (over, not over))
    if not number and not others:
        where = " in this chat" if actor.is_limited else ""
        return Reply(f"There are no schedules{where} yet. /schedule makes one.", outcome="0")
    if over and not number:
        return Reply("None of the schedules is over.", outcome="0")
    if not found and len(starts) > 1:
        return listed(tx, actor, starts=starts[:-1], over=over)
    words = Words(f"Schedules that are over: {number}.\n" if over else f"Schedules: {number}.\n")
    shown = 0
    for schedule in found:
        entry = _entry(tx, actor, schedule)
        if shown and utf16_length(words.text) + utf16_length(entry.text) > LIST_MOST:
            break
        words.add("\n").join(entry)
        shown += 1
    turns = [("Back", BACK)] if len(starts) > 1 else []
    turns += [("Next", f"{NEXT}={behind + shown}")] if behind + shown < number else []
    words.add("\n\n/schedule show, edit, pause, resume, now, skip or remove, and the number")
    if others and not over:
        words.add(f"\n{others} {'is' if others == 1 else 'are'} over: /schedules over lists them.")
    buttons = deal(
        tx, LISTING, turns, chat=actor.here.conversation, person=actor.person,
        payload={"starts": list(starts), "over": over}, expires_s=PAGE_S, now=actor.now,
    ) if turns else ()  # fmt: skip
    return reply_of(words, buttons, outcome=str(number))


def _entry(tx: Tx, actor: Actor, schedule: Schedule) -> Words:
    """One of a list, in two short lines: when, then to whom and what."""
    words = Words(f"{schedule.id} ({schedule.name})" if schedule.name else f"{schedule.id}")
    words.add(" · ").join(_when(tx, actor, schedule)).add("\n→ ")
    targets = scheduling.shown_targets(tx, actor, schedule)
    for place, target in enumerate(targets[:TARGETS_SHOWN]):
        words.add(", " if place else "")
        # As code an @audience calls nobody of that name.
        words = words.code(target) if target.startswith("@") else words.add(_called(tx, target))
    if len(targets) > TARGETS_SHOWN:
        words.add(f" and {len(targets) - TARGETS_SHOWN} more")
    about = beginning(message_of(schedule), most=BEGINNING_MOST)
    return words.add(f" · {about}") if about else words


def _when(tx: Tx, actor: Actor, schedule: Schedule) -> Words:
    """What is next of it, and its rule; the zone only once."""
    zone = zone_of(schedule)
    if not is_readable(schedule):
        return Words(f"cannot be read · {cut(schedule.rule, planning.RULE_SHOWN)}")
    following = planning.coming(schedule, now=actor.now, most=1)
    held = tx.schedules.held_back(schedule.id) if schedule.state == "waits" else None
    words = Words({"paused": "paused", "waits": "waits for approval"}.get(schedule.state, ""))
    if schedule.state == "waits" and (held is not None or not following):
        words.add(", and its time has passed")
    if following:
        words.add(", next " if words.text else "next ").at(following[0].at, zone)
    elif schedule.state == "on":
        words.add("due now" if schedule.next_at is not None else "over")
    if planning.is_once(plan_of(schedule).rule):
        return words if following else words.add(f" · {schedule.rule}")
    rule = schedule.rule.removesuffix(f" {zone.key}") if following else schedule.rule
    return words.add(f" · {cut(rule, planning.RULE_SHOWN)}")


def _called(tx: Tx, target: str) -> str:
    """A target as people know it: by its name or title, if it has one."""
    try:
        name = known_name(tx, parse_address(target))
    except AddressError:
        name = ""
    return one_line(name or target, most=CALLED_MOST)


@card_kinds.add(LISTING, choices={NEXT: Role.OPERATOR, BACK: Role.OPERATOR})
def turn(press: Press, tx: Tx) -> Pressed:
    """Another page of the list, as it is now."""
    word, _, last = press.choice.partition("=")
    starts = [int(each) for each in press.payload["starts"]]
    starts = [*starts, int(last or 0)] if word == NEXT else starts[:-1] or [0]
    reply = listed(tx, actor_of(press), starts=starts, over=bool(press.payload.get("over")))
    return Pressed("", reply, outcome=word)
