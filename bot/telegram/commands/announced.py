"""Announcements that were sent: other words for them, taken back, stopped. What concerns several targets asks first."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from bot import broadcasts
from bot.addresses import TELEGRAM
from bot.broadcast_report import DELETE, RETRY, tally
from bot.cannot import grouped
from bot.names import defuse_text
from bot.relay import Relay
from bot.store import Tx
from bot.store.broadcasts import Broadcast
from bot.store.messages import Origin
from bot.telegram.access import Role
from bot.telegram.announce_cards import announcement_of, places_of, within_reach
from bot.telegram.announcing import OVER
from bot.telegram.cards import Press, Pressed, card_kinds, confirmation
from bot.telegram.commands.answered import require_own
from bot.telegram.commands.lines import bounded, counted
from bot.telegram.commands.registry import Call, NotAllowed, Reply, Services, UsageError
from bot.telegram.commands.sight import sight_of
from bot.telegram.outbound import message_id
from bot.text import cut, utf16_length
from bridges.model import Message

TEXT_MOST = 3_000
"""UTF-16 units of the words that a card shows; longer ones stand in messages before it."""
_NOT_THERE = {"dead", "expired", "discarded", "cancelled"}


@dataclass
class _Prospect:
    """At how many places of an announcement a change is possible, and at how many not."""

    total: int = 0
    able: int = 0
    unable: Counter[str] = field(default_factory=Counter)
    """By account."""
    absent: int = 0
    perhaps: int = 0
    here: bool = False
    """It was sent to the chat where it was asked for, too."""
    goes_on: bool = False


def number_of_targets(tx: Tx, broadcast: Broadcast) -> int:
    """How many places it goes to."""
    return tally(tx.broadcasts.standings(broadcast.id)).total


def _prospect(tx: Tx, relay: Relay, broadcast: Broadcast, *, edit: bool) -> _Prospect:
    """What can be expected. While it goes out only what its accounts are able to do is said: the rest changes."""
    found = _Prospect(goes_on=broadcast.state in ("running", "paused"))
    states: dict[tuple[str, str], set[str]] = {}
    for each in tx.broadcasts.standings(broadcast.id):
        if each.op == "send":
            states.setdefault((each.account, each.conversation), set()).add(each.state)
    ids = {(copy.account, copy.conversation) for copy in tx.messages.copies(broadcast.message)}
    origin = tx.messages.get(broadcast.message)
    for (name, conversation), of_place in states.items():
        found.total += 1
        account = relay.account(name)
        able = account is not None and (account.capabilities.edits if edit else account.capabilities.deletes)
        if edit and origin is not None and (name, conversation) == (origin.account, origin.conversation):
            found.here = True
        elif not found.goes_on and of_place <= _NOT_THERE:
            found.absent += 1
        elif not found.goes_on and "held" in of_place:
            found.perhaps += 1
        elif able and (found.goes_on or of_place & {"queued", "sending"} or (name, conversation) in ids):
            found.able += 1
        else:
            found.unable[name] += 1
    return found


def _prospects(found: _Prospect, *, able: str, unable: str) -> list[str]:
    lines = [f"At {found.able} it can be {able}."] if found.able else []
    lines += [f"At {number} × {account} it cannot: {unable}." for account, number in found.unable.items()]
    lines += [f"At {found.absent} it never arrived."] if found.absent else []
    lines += [f"At {found.perhaps} it may have arrived, or not: /held decides."] if found.perhaps else []
    return [*lines, *(["Here it stays as it is."] if found.here else [])]


def _found(tx: Tx, payload: Any) -> tuple[Broadcast, Origin]:
    broadcast = tx.broadcasts.get(payload["announcement"])
    origin = None if broadcast is None else tx.messages.get(broadcast.message)
    if broadcast is None or origin is None:
        raise broadcasts.BroadcastError("that announcement is not known any more")
    if origin.gone_at is not None or broadcasts.kept(broadcast).wiped:
        raise broadcasts.BroadcastError(f"announcement {broadcast.id} was taken back already")
    return broadcast, origin


def _quoted(text: str) -> str:
    return _harmless(text) if utf16_length(text) <= TEXT_MOST else "(The words stand above.)"


def _harmless(text: str) -> str:
    """Words that ping nobody."""
    return defuse_text(Message(text=text)).text


# --- other words


def _reword_preview(tx: Tx, services: Services, payload: Any) -> str:
    broadcast, _ = _found(tx, payload)
    found = _prospect(tx, services.relay, broadcast, edit=True)
    lines = [
        f"Give announcement {broadcast.id} these words at its {counted(found.total, 'target')}?",
        "",
        _quoted(Message.model_validate(payload["message"]).text),
        "",
        *_prospects(found, able="changed", unable="there the change is told in words"),
    ]
    return "\n".join(lines + (["What has not left yet goes out with these words."] if found.goes_on else []))


@confirmation("reword", role=Role.OPERATOR, preview=_reword_preview, yes="Change")
def _reword(press: Press, tx: Tx) -> Pressed:
    broadcast, origin = _found(tx, press.payload)
    require_own(press, tx, origin, what="edit")
    within_reach(tx, press.services, places_of(tx, broadcast), person=press.person, here=press.place)
    done = press.relay.changes.reword(tx, origin, Message.model_validate(press.payload["message"]), now=press.now)
    if done is None:
        return Pressed("These are its words already.", Reply("These are its words already."))
    under_way, cannot = done
    lines = [f"Announcement {broadcast.id}: changed at {counted(len(under_way), 'place')}."]
    lines += [
        f"{said} {len(places)} × {_account(places[0])}: {why}." for said, why, places in grouped(cannot, by="account")
    ]
    toast = f"Changed at {counted(len(under_way), 'place')}."
    return Pressed(toast, Reply(bounded(lines)), outcome=f"announcement {broadcast.id}: edit")


def _account(place: str) -> str:
    return place.partition(":")[0]


def ask_to_reword(call: Call, tx: Tx, broadcast: Broadcast, message: Message) -> Reply:
    """The card that gives it other words."""
    if utf16_length(message.text) > TEXT_MOST:
        call.relay.tell(tx, call.here, _harmless(message.text), now=call.now)
    told = json.loads(message.model_dump_json(exclude_defaults=True))
    return _reword(call, tx, {"announcement": broadcast.id, "message": told})


# --- taken back


def _wipe_preview(tx: Tx, services: Services, payload: Any) -> str:
    broadcast, origin = _found(tx, payload)
    found = _prospect(tx, services.relay, broadcast, edit=False)
    lines = [
        f"Take announcement {broadcast.id} back at its {counted(found.total, 'target')}?",
        "",
        _harmless(cut(origin.text, TEXT_MOST)),
        "",
        *_prospects(found, able="deleted", unable="there it stays"),
    ]
    return "\n".join(lines + (["What has not left yet is not sent."] if found.goes_on else []))


@confirmation("wipe", role=Role.OPERATOR, preview=_wipe_preview, yes="Take back")
def ask_to_take_back(press: Press, tx: Tx) -> Pressed:
    """Stop what has not begun, delete what was sent; of so many places the numbers are told."""
    broadcast, origin = _found(tx, press.payload)
    require_own(press, tx, origin, what="take back")
    within_reach(tx, press.services, places_of(tx, broadcast), person=press.person, here=press.place)
    told = take_back(tx, press.relay, broadcast, now=press.now)
    return Pressed("It is taken back.", Reply(told), outcome=f"announcement {broadcast.id}: undo")


def take_back(tx: Tx, relay: Relay, broadcast: Broadcast, *, now: float) -> str:
    """Stop it and delete what was sent; returns the numbers in words."""
    stopped = broadcasts.stop(tx, broadcast, now=now) if broadcast.state in ("running", "paused") else 0
    broadcast = tx.broadcasts.get(broadcast.id) or broadcast
    places = broadcasts.stop_and_delete(tx, relay, broadcast, now=now)
    note = broadcasts.kept(tx.broadcasts.get(broadcast.id) or broadcast).note
    unsent = f"{stopped} not sent any more, " if stopped else ""
    lines = [f"Announcement {broadcast.id}: {unsent}taken back at {counted(places, 'place')}."]
    return "\n".join([*lines, *([note] if note else [])])


# --- when it is over


@card_kinds.add(OVER, choices={RETRY: Role.OPERATOR, DELETE: Role.OPERATOR})
def over(press: Press, tx: Tx) -> Pressed:
    """Send it again where it failed; or ask whether it is to be taken back."""
    broadcast = announcement_of(press, tx)
    within_reach(tx, press.services, places_of(tx, broadcast), person=press.person, here=press.place)
    if press.choice == DELETE:
        asked = ask_to_take_back(press, tx, {"announcement": broadcast.id})
        press.relay.tell(tx, press.place, asked.text, now=press.now, buttons=asked.buttons)
        return Pressed("Below.", used=False, outcome=f"announcement {broadcast.id}: asked to delete")
    number, gone = broadcasts.retry_failed(tx, press.relay, broadcast, now=press.now)
    told = f"Sending again to {counted(number, 'target')}."
    told += f" Not at {', '.join(gone)}: not configured any more." if gone else ""
    return Pressed(told, outcome=f"announcement {broadcast.id}: retry")


# --- stopped


def announcement_answered(call: Call, tx: Tx) -> Broadcast | None:
    """The announcement whose message, or whose command, the command replies to."""
    if call.answered is None:
        return None
    id = message_id(call.answered.chat_id, call.answered.message_id)
    if (shown := tx.broadcasts.shown_by(id)) is not None:
        return shown
    origin = tx.messages.find(TELEGRAM, id)
    made: Sequence[Broadcast] = [] if origin is None else tx.broadcasts.of_message(origin.id)
    return made[-1] if made else None


def stop(call: Call, tx: Tx, broadcast: Broadcast) -> Reply:
    """Send nothing of it that has not begun: for who announced it, and for admins as far as their role reaches."""
    if call.person is None:
        raise UsageError("you write as an anonymous admin or a channel: write as yourself")
    if call.role < Role.OPERATOR or (broadcast.person != str(call.person) and call.role < Role.ADMIN):
        author = broadcast.person_name or "its author"
        raise NotAllowed(f"Only {author}, who announced it, or an admin may stop announcement {broadcast.id}.")
    origin = tx.messages.get(broadcast.message)
    sight = sight_of(call, needed=Role.ADMIN)
    if broadcast.person != str(call.person) and (origin is None or not sight.is_home(origin)):
        raise NotAllowed(
            f"Announcement {broadcast.id} was not made in this chat: to stop it the role admin is needed everywhere. An"
            " owner can give it: /grant USER admin"
        )
    within_reach(tx, call.services, places_of(tx, broadcast), person=call.person, here=call.here)
    cancelled = broadcasts.stop(tx, broadcast, now=call.now)
    return Reply(
        f"Announcement {broadcast.id} is stopped: {counted(cancelled, 'delivery')} not sent.",
        outcome=f"announcement {broadcast.id}: stop",
    )
