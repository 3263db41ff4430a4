"""One schedule in full: its rule, what it sends where, what became of it lately; and the list of those there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from bot import planning
from bot.addresses import parse_address
from bot.broadcast_report import Receipt, receipts
from bot.cards import deal
from bot.instants import Words
from bot.names import defuse_text
from bot.plans import message_of, zone_of
from bot.previews import PAGE_MOST
from bot.schedule_notes import PAUSE, SKIP
from bot.shaping import attachment_note
from bot.store import Tx
from bot.store.schedules import OccurrenceRow, Schedule
from bot.telegram import scheduling
from bot.telegram.access import Role
from bot.telegram.cards import Press, Pressed, card_kinds
from bot.telegram.replies import Reply
from bot.telegram.scheduling import EDIT, Actor, actor_of, reply_of
from bot.text import cut, utf16_length
from bridges.model import Button

SHOWING, LISTING = "schedule-shown", "schedules"
"""Kinds of cards: the buttons of one that is shown; of a list."""
RESUME, NOW, REMOVE = "resume", "now", "remove"
NEXT, BACK = "next", "back"
PAGE = 20
PAGE_S = 86_400.0
HISTORY_SHOWN = 5
FAILED_SHOWN = 3
LIST_MOST = 3_900
"""UTF-16 units of what is said in one message."""
NOTE_MOST, NAME_MOST = 200, 64
EDIT_HINT = "Copy the command below, change it and send it; what you leave empty stays as it is."


# --- one


def shown_schedule(tx: Tx, actor: Actor, schedule: Schedule) -> Reply:
    """One in full, with its buttons. Words that one message does not hold stand in a message before it."""
    zone = zone_of(schedule)
    addresses, troubles = actor.firing.targets(tx, schedule)
    targets = scheduling.shown_targets(tx, actor, schedule)
    words = Words(f"{schedule.title}: {scheduling.state_words(schedule)}\n")
    words.join(planning.standing(schedule, now=actor.now, count=len(addresses), targets=targets))
    if not actor.is_limited:
        for trouble in troubles[:FAILED_SHOWN]:
            words.add(f"\n{cut(trouble, NOTE_MOST)}")
    maker = cut(schedule.person_name, NAME_MOST) or "somebody"
    words.add(f"\nMade by {maker} on ").at(schedule.created_at, zone)
    where = parse_address(schedule.chat) if schedule.chat else None
    if where is not None and where != actor.here:
        words.add(f" in {where}")
    sent = f"Sent {schedule.fired} time{'s' if schedule.fired != 1 else ''}." if schedule.fired else "Not sent yet."
    words.add(f"\n{sent}")
    for row in tx.schedules.history(schedule.id, limit=HISTORY_SHOWN):
        became = _became(tx, actor, schedule, row)
        if utf16_length(words.text) + utf16_length(became.text) < LIST_MOST:
            words.add("\n· ").join(became)
    message = defuse_text(message_of(schedule))
    text = Words().say(message)
    for note in map(attachment_note, message.attachments):
        text.add(f"\n{note}" if text.text else note)
    for link in message.links:
        text.add(f"\n[{link.label}] {link.url}")
    if utf16_length(f"{words.text}\n\n{text.text}") <= PAGE_MOST:
        words.add("\n\n").join(text)
    else:
        actor.services.relay.say(tx, actor.here, text.message(), now=actor.now)
        words.add("\n\nIts text stands above.")
    return reply_of(words, _buttons(tx, actor, schedule), outcome=f"schedule {schedule.id}")


def _buttons(tx: Tx, actor: Actor, schedule: Schedule) -> Sequence[Button]:
    following = planning.coming(schedule, now=actor.now, most=1)
    choices = [("Resume", RESUME) if schedule.state == "paused" else ("Pause", PAUSE)]
    choices += [("Skip next", SKIP)] if following else []
    choices += [("Send now", NOW), ("Edit", EDIT), ("Remove", REMOVE)]
    return deal(
        tx, SHOWING, choices, chat=actor.here.conversation, person=actor.person, subject=schedule.id,
        payload={"at": following[0].at if following else 0.0}, expires_s=PAGE_S, now=actor.now,
    )  # fmt: skip


def _became(tx: Tx, actor: Actor, schedule: Schedule, row: OccurrenceRow) -> Words:
    """What became of one occurrence, and where it arrived."""
    words = Words().at(row.at, zone_of(schedule)).add(f": {_STATES.get(row.state, row.state)}")
    broadcast = None if row.broadcast is None else tx.broadcasts.get(row.broadcast)
    if broadcast is not None:
        words.add(f" ({_receipts(actor, receipts(tx, broadcast))})")
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


def _receipts(actor: Actor, found: Sequence[Receipt]) -> str:
    """How many arrived, and the first that did not with the reason."""
    names = {"dead": "failed", "queued": "waiting", "sending": "under way"}
    counts = Counter(names.get(each.state, each.state) for each in found)
    parts = [f"{number} {state}" for state, number in counts.items()]
    failing = [each for each in found if each.state in ("dead", "expired", "held")]
    seen = [each for each in failing if actor.reaches(parse_address(each.address))][:FAILED_SHOWN]
    parts += [f"{each.address}: {cut(each.error, NOTE_MOST) or each.state}" for each in seen]
    return ", ".join(parts) or "to nobody"


# --- all of them


def listed(tx: Tx, actor: Actor, *, starts: Sequence[int]) -> Reply:
    """A page of those that somebody may know of. ``starts``: behind which number this page and those before begin."""
    after = starts[-1]
    chat = str(actor.chat) if actor.is_limited else ""
    found = list(tx.schedules.all(after=after, limit=PAGE + 1, chat=chat))
    number = tx.schedules.count(chat=chat)
    if not number:
        where = " in this chat" if actor.is_limited else ""
        return Reply(f"There are no schedules{where} yet. /schedule makes one.", outcome="0")
    if not found and len(starts) > 1:
        return listed(tx, actor, starts=starts[:-1])
    words = Words(f"Schedules: {number}.\n")
    last = after
    shown = 0
    for schedule in found[:PAGE]:
        line = planning.summary(schedule, now=actor.now, targets=scheduling.shown_targets(tx, actor, schedule))
        if shown and utf16_length(words.text) + utf16_length(line.text) > LIST_MOST:
            break
        words.add("\n").join(line)
        last, shown = schedule.id, shown + 1
    turns = [("Back", BACK)] if len(starts) > 1 else []
    turns += [("Next", f"{NEXT}={last}")] if shown < len(found) else []
    words.add("\n\n/schedule show, edit, pause, resume, now, skip or remove, and the number")
    buttons = deal(
        tx, LISTING, turns, chat=actor.here.conversation, person=actor.person, payload={"starts": list(starts)},
        expires_s=PAGE_S, now=actor.now,
    ) if turns else ()  # fmt: skip
    return reply_of(words, buttons, outcome=str(number))


@card_kinds.add(LISTING, choices={NEXT: Role.OPERATOR, BACK: Role.OPERATOR})
def turn(press: Press, tx: Tx) -> Pressed:
    """Another page of the list, as it is now."""
    word, _, last = press.choice.partition("=")
    starts = [int(each) for each in press.payload["starts"]]
    starts = [*starts, int(last or 0)] if word == NEXT else starts[:-1] or [0]
    reply = listed(tx, actor_of(press), starts=starts)
    return Pressed("", reply, outcome=word)
