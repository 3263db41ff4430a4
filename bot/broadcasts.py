"""Announcements: one message to many places, put into the outbox at once and let go a few at a time.

All deliveries are made in the transaction that starts it, parked; :mod:`bot.broadcaster` lets them go. So a stop, or
a kill, loses none and sends none twice, and whoever presses Stop finds almost all of them still here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

from bot import behind
from bot.addresses import TELEGRAM, Address, parse_address
from bot.changes import digest_of
from bot.decisions import DecisionError
from bot.relay import Relay
from bot.store import Tx
from bot.store.broadcasts import MUTE, QUIET, SHOWN, Broadcast
from bot.store.outbox import PRIORITY_BROADCAST, Delivery, NewDelivery
from bridges.model import AccountName, ConversationId, Message

QUIET_MOST = 20
"""To so many targets a schedule says nothing as long as it goes well."""
DIRECT_MOST = 8
"""What a schedule sends to so many targets goes into their lanes at once: Stop finds no more of them under way than of
an announcement that is let go."""
EXPIRED, REPLACED = "expired before it could be sent", "replaced before it could be sent"
"""Why a target never gets it, where nobody stopped it."""
SCHEDULES = AccountName("schedules")
"""Instead of an account: where the messages of schedules are written that are of no chat."""


class BroadcastError(DecisionError):
    """It is not possible any more; says why."""


def start(
    tx: Tx,
    relay: Relay,
    *,
    targets: Sequence[Address],
    message: Message,
    person: int | None,
    person_name: str,
    chat: Address | None,
    origin: int | None,
    progress: str = "",
    schedule: int | None = None,
    label: str = "",
    each: Callable[[Address], Message] | None = None,
    due: Callable[[Address], float] | None = None,
    now: float,
) -> int:
    """Send a message to all of these, each once; returns the announcement's number.

    ``chat``: where its progress is shown, by the message ``progress`` ("chat/number") or by a new one; None: nowhere.
    ``origin``: the message (ours) that asked for it, which has these words from now on; None: nobody's.

    ``schedule``: the one that sends it, which shows its progress only to many targets, or if something goes wrong; and
    what few targets get goes at once. ``label``: what a report calls it then, the schedule's title and behind the last
    comma the occurrence. ``each``: the words for one target, where they differ. ``due``: the time before which a target
    gets nothing, in seconds since the epoch; how long it is tried counts from then.
    """
    bare = _bare(message)
    home = chat or Address(SCHEDULES, ConversationId(str(schedule or 0)))
    if origin is None:
        origin = tx.messages.add(
            account=home.account,
            conversation=home.conversation,
            remote_id=None,
            sender_id="" if person is None else str(person),
            sender_name=person_name,
            text=bare.text,
            at=now,
            digest=digest_of(bare),
        )
    else:
        tx.messages.rewrite(origin, text=bare.text, digest=digest_of(bare))
    tx.messages.sent_by_hand(origin, "command")
    places = list(dict.fromkeys(targets))
    number = tx.broadcasts.add(
        person="" if person is None else str(person),
        person_name=person_name,
        chat="" if chat is None else str(chat),
        message=origin,
        text=bare.text,
        progress=progress,
        schedule=schedule,
        label=label,
        quiet=MUTE if chat is None else QUIET if schedule is not None and len(places) <= QUIET_MOST else SHOWN,
        now=now,
    )
    later = {} if due is None else {address: at for address in places if (at := due(address)) > now}
    why = f"announcement {number} by {person_name or 'somebody'}"
    if schedule is not None:
        title = label.rpartition(", ")[0] or f"schedule {schedule}"
        why = f"{title[:1].lower()}{title[1:]}, {why}"
    direct = schedule is not None and len(places) <= DIRECT_MOST and not later
    parts: dict[AccountName, list[NewDelivery]] = {}
    made: dict[tuple[AccountName, float | None], list[int]] = {}
    alike: list[tuple[int, str]] = []
    for address in places:
        not_before = later.get(address)
        if each is None and (address.account, not_before) in made:
            # Bare words are the same at every place of an account.
            alike += [(id, address.conversation) for id in made[address.account, not_before]]
            continue
        if each is not None or address.account not in parts:
            shaped = relay.parts_for(
                tx, address, bare if each is None else _bare(each(address)), template=None, now=now
            )
            parts[address.account] = [
                replace(
                    relay.delivery(address, content, now=now, message_id=origin, why=why),
                    priority=PRIORITY_BROADCAST,
                    part=part,
                    parts=len(shaped),
                    broadcast=number,
                    parked=not direct,
                    direct=direct,
                )
                for part, content in enumerate(shaped, start=1)
            ]
        late_s = 0.0 if not_before is None else not_before - now
        made[address.account, not_before] = [
            tx.outbox.add(
                replace(
                    new, conversation=address.conversation, not_before=not_before, expires_at=new.expires_at + late_s
                )
            )
            for new in parts[address.account]
        ]
    tx.several.repeat(alike)
    return number


def reword(
    tx: Tx,
    relay: Relay,
    broadcast: Broadcast,
    message: Message,
    *,
    each: Callable[[Address], Message] | None,
    only: Collection[Address],
    now: float,
) -> None:
    """Give it other words wherever nothing of it has begun, and send it there no more but at ``only`` these places.
    ``each`` as for :func:`start`.
    """
    tx.broadcasts.hold_back(broadcast.id, now=now)
    rows: dict[Address, list[Delivery]] = {}
    for row in tx.outbox.of_message(broadcast.message):
        if row.broadcast == broadcast.id and row.op == "send":
            rows.setdefault(_address(row.account, row.conversation), []).append(row)
    shaped: dict[AccountName, list[str]] = {}
    for place, waiting in rows.items():
        if not all(row.state == "queued" and row.parked and not row.starts for row in waiting):
            continue
        if place not in only:
            for row in waiting:
                tx.outbox.settle_by_hand(row.id, state="cancelled", now=now)
            continue
        if each is not None or place.account not in shaped:
            words = _bare(message if each is None else each(place))
            parts = relay.parts_for(tx, place, words, template=None, now=now)
            shaped[place.account] = [part.model_dump_json(exclude_defaults=True) for part in parts]
        behind.refill(tx, waiting, shaped[place.account], now=now)


def _bare(message: Message) -> Message:
    """What goes out: the words and what belongs to them, and nothing of who wrote them or where."""
    return message.model_copy(update={"sender": None, "reply_to": None, "quote": "", "buttons": ()})


def pause(tx: Tx, broadcast: Broadcast, *, now: float) -> None:
    """Let nothing more go until it is resumed. Raises ``BroadcastError``."""
    if broadcast.state != "running":
        raise BroadcastError(_not(broadcast, "paused"))
    tx.broadcasts.become(broadcast.id, "paused")
    tx.broadcasts.hold_back(broadcast.id, now=now)


def resume(tx: Tx, broadcast: Broadcast, *, now: float) -> None:
    """Go on; what waited while it was paused is not too old for that. Raises ``BroadcastError``."""
    if broadcast.state != "paused":
        raise BroadcastError(_not(broadcast, "resumed"))
    tx.broadcasts.more_time(broadcast.id, now=now)
    tx.broadcasts.become(broadcast.id, "running")


def stop(tx: Tx, broadcast: Broadcast, *, now: float) -> int:
    """Send nothing of it that has not begun; returns how many deliveries that cancels. Raises ``BroadcastError``."""
    if broadcast.state not in ("running", "paused"):
        raise BroadcastError(_not(broadcast, "stopped"))
    cancelled = tx.broadcasts.cancel(broadcast.id, now=now)
    tx.broadcasts.become(broadcast.id, "stopped")
    return cancelled


def stop_and_delete(tx: Tx, relay: Relay, broadcast: Broadcast, *, now: float) -> int:
    """As :func:`stop`, and take back what was sent already where that is possible; returns at how many places that is
    under way. Where it is not possible, its report says. Raises ``BroadcastError``.
    """
    if kept(broadcast).wiped:
        raise BroadcastError(f"announcement {broadcast.id} was taken back already")
    if broadcast.state in ("running", "paused"):
        stop(tx, broadcast, now=now)
    return _wipe(tx, relay, broadcast, now=now)


def take_back(tx: Tx, relay: Relay, broadcast: Broadcast, *, now: float, why: str = "") -> int:
    """As :func:`stop_and_delete`, without a word: for what a schedule lets end, or replaces. Where it is not possible
    its receipts tell, and its report if there is one. What was taken back stays so. ``why``: what the receipt of a
    target says that it is cancelled for.
    """
    if kept(broadcast).wiped:
        return 0
    _hush(tx, broadcast, why=why)
    return stop_and_delete(tx, relay, broadcast, now=now)


def expire(tx: Tx, relay: Relay, broadcast: Broadcast, *, now: float) -> int:
    """As :func:`take_back`, for one that has had its time; returns how many places never got it, or not all of it, for
    it waited there or had failed.
    """
    waiting = _places_in(tx, broadcast, ("queued", "dead", "expired"))
    take_back(tx, relay, broadcast, now=now, why=EXPIRED)
    return len(waiting & _places_in(tx, broadcast, ("cancelled", "discarded")))


def supersede(tx: Tx, relay: Relay, previous: Broadcast, *, by: int, now: float) -> None:
    """Another announcement takes the place of one: what was not sent of that is not sent any more, and what was is
    taken back by :func:`give_way`. So is what that one was to take the place of itself, if it never did.
    """
    replaces = []
    for old in filter(None, map(tx.broadcasts.get, (*kept(previous).replaces, previous.id))):
        if kept(old).wiped:
            continue
        _hush(tx, old, why=REPLACED)
        if old.state in ("running", "paused"):
            stop(tx, old, now=now)
        if _stands(tx, old):
            replaces.append(old.id)
        elif (stopped := tx.broadcasts.get(old.id)) is not None:
            take_back(tx, relay, stopped, now=now)
    keep(tx, by, replaces=replaces)


def give_way(tx: Tx, relay: Relay, broadcast: Broadcast, *, now: float) -> None:
    """Take back what an announcement takes the place of: at each place once it was sent there, at places that it does
    not go to once it was sent anywhere, and everywhere else once it is over. While it was sent nowhere, nothing is.
    """
    over, stale = _stale(tx, relay, broadcast)
    for old in filter(None, map(tx.broadcasts.get, stale)):
        origin = tx.messages.get(old.message)
        assert origin is not None  # a foreign key
        if over:
            take_back(tx, relay, old, now=now, why=REPLACED)
        elif places := stale[old.id]:
            relay.changes.take_back(tx, origin, now=now, at_home=True, only=places)
            tx.broadcasts.adopt(old.id, old.message)
    if over and stale:
        keep(tx, broadcast.id, replaces=())


def is_to_give_way(tx: Tx, relay: Relay, broadcast: Broadcast) -> bool:
    """Whether :func:`give_way` has anything to do just now."""
    over, stale = _stale(tx, relay, broadcast)
    return bool(stale) and (over or any(stale.values()))


def _stale(tx: Tx, relay: Relay, broadcast: Broadcast) -> tuple[bool, dict[int, set[Address]]]:
    """Whether an announcement is over, and what it takes the place of with the places that may have it, should not any
    more, and let it be deleted; nothing while it was sent nowhere.
    """
    replaces = kept(broadcast).replaces
    states: dict[Address, set[str]] = {}
    for each in tx.broadcasts.standings(broadcast.id) if replaces else ():
        if each.op == "send":
            states.setdefault(_address(each.account, each.conversation), set()).add(each.state)
    # Where a part of it is still to come, or waits for a person, the old one is better than half of the new one.
    arrived = {place for place, found in states.items() if "sent" in found <= {"sent", "cancelled", "discarded"}}
    if not arrived:
        return False, {}
    stale = {}
    for old in filter(None, map(tx.broadcasts.get, replaces)):
        if kept(old).wiped:
            continue
        sends, changed = set(), set()
        for each in tx.broadcasts.standings(old.id):
            place = _address(each.account, each.conversation)
            if each.op != "send":
                changed.add(place)
            elif each.state in _PERHAPS_THERE:
                sends.add(place)
        copies = tx.messages.copies(old.message)
        sends |= {_address(copy.account, copy.conversation) for copy in copies}
        unwanted = {place for place in sends if place in arrived or place not in states} - changed
        stale[old.id] = {place for place in unwanted if _deletes(relay, place)}
    over = not any(found & {"queued", "sending"} for found in states.values())
    return over, stale


_PERHAPS_THERE = ("sending", "sent", "held")


def _deletes(relay: Relay, place: Address) -> bool:
    account = relay.account(place.account)
    return account is not None and account.capabilities.deletes


def _stands(tx: Tx, broadcast: Broadcast) -> bool:
    """Whether it may be anywhere; its deliveries may be forgotten by now."""
    return bool(_places_in(tx, broadcast, _PERHAPS_THERE) or tx.messages.copies(broadcast.message))


def _places_in(tx: Tx, broadcast: Broadcast, states: Collection[str]) -> set[Address]:
    """The places where any of its messages is in one of these states."""
    return {
        _address(each.account, each.conversation)
        for each in tx.broadcasts.standings(broadcast.id)
        if each.op == "send" and each.state in states
    }


def _address(account: str, conversation: str) -> Address:
    return Address(AccountName(account), ConversationId(conversation))


def _hush(tx: Tx, broadcast: Broadcast, *, why: str) -> None:
    """Nothing is said of it any more; ``why``: why what waits is cancelled now."""
    tx.broadcasts.mute(broadcast.id)
    if why and broadcast.state in ("running", "paused"):
        keep(tx, broadcast.id, unsent=why)


def _wipe(tx: Tx, relay: Relay, broadcast: Broadcast, *, now: float) -> int:
    origin = tx.messages.get(broadcast.message)
    assert origin is not None  # a foreign key
    # Where the command was written stands the command, which is its author's, and perhaps a copy, which is ours.
    under_way, cannot = relay.changes.take_back(tx, origin, now=now, at_home=True)
    tx.broadcasts.adopt(broadcast.id, broadcast.message)
    whys: dict[str, int] = {}
    stays: dict[str, str] = {}
    for sentence in cannot:
        place, _, why = sentence.partition(": ")
        provider = place.partition(":")[0]
        if "may have arrived" in why:
            why = "it may have arrived, or not: /held decides"
        else:
            stays.setdefault(provider, why)
        whys[f"{provider}: {why}"] = whys.get(f"{provider}: {why}", 0) + 1
    note = [f"Not deleted at {number} × {why}." for why, number in whys.items()]
    keep(tx, broadcast.id, note="\n".join(note), wiped=True, stays=stays)
    tx.broadcasts.become(broadcast.id, "stopped" if broadcast.state != "done" else "done")
    return len(set(under_way))


def retry_failed(tx: Tx, relay: Relay, broadcast: Broadcast, *, now: float) -> tuple[int, Sequence[str]]:
    """Send it again where it failed; returns to how many places, and at which accounts it is not, for they are not
    configured any more. Raises ``BroadcastError``.
    """
    origin = tx.messages.get(broadcast.message)
    if kept(broadcast).wiped or (origin is not None and origin.gone_at is not None):
        raise BroadcastError("the announcement was taken back")
    accounts = {each.account for each in tx.broadcasts.standings(broadcast.id) if each.state == "dead"}
    gone = sorted(name for name in accounts if relay.account(name) is None)
    number = tx.broadcasts.retry(broadcast.id, now=now, accounts=accounts - set(gone))
    if not number and gone:
        raise BroadcastError(f"it failed at {', '.join(gone)} only, which is not configured any more")
    if not number:
        raise BroadcastError("none of its deliveries is failed any more")
    keep(tx, broadcast.id, retried=True)
    tx.broadcasts.become(broadcast.id, "running")
    return number, gone


def tried_again(tx: Tx, row: Delivery, *, asked_at: Address) -> None:
    """Somebody sends one of its deliveries again and hears there if that fails, too."""
    broadcast = None if row.broadcast is None else tx.broadcasts.get(row.broadcast)
    if broadcast is not None:
        keep(tx, broadcast.id, tried={**kept(broadcast).tried, str(row.id): str(asked_at)})


def _not(broadcast: Broadcast, done: str) -> str:
    state = {"done": "is over", "stopped": "was stopped", "paused": "is paused", "running": "is running"}
    return f"announcement {broadcast.id} {state[broadcast.state]} and cannot be {done}"


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept with an announcement's message."""

    text: str = ""
    """The words it shows; empty: nothing yet."""
    buttons: tuple[tuple[str, str], ...] = ()
    """Its buttons: label and data."""
    note: str = ""
    """What its report says beside the numbers."""
    retried: bool = False
    """Its button was used: where it is needed again, it is a new one."""
    wiped: bool = False
    """What was sent is taken back."""
    unsent: str = ""
    """Why what was not sent of it is cancelled; empty: somebody stopped it, or nothing was."""
    replaces: tuple[int, ...] = ()
    """Announcements that it takes the place of and that are not taken back yet."""
    stays: Mapping[str, str] = field(default_factory=dict)
    """Accounts at which it cannot be, and why."""
    tried: Mapping[str, str] = field(default_factory=dict)
    """Deliveries that somebody tried again by themselves, and the address where that was asked for."""


def kept(broadcast: Broadcast) -> Kept:
    """What is kept with its message."""
    told = json.loads(broadcast.shown or "{}")
    buttons = tuple((label, data) for label, data in told.get("buttons", ()))
    return Kept(**(told | {"buttons": buttons, "replaces": tuple(told.get("replaces", ()))}))


def keep(
    tx: Tx,
    id: int,
    *,
    text: str | None = None,
    buttons: Sequence[tuple[str, str]] | None = None,
    note: str | None = None,
    retried: bool | None = None,
    wiped: bool | None = None,
    tried: Mapping[str, str] | None = None,
    stays: Mapping[str, str] | None = None,
    unsent: str | None = None,
    replaces: Sequence[int] | None = None,
) -> None:
    """Keep this with its message; what is None stays."""
    broadcast = tx.broadcasts.get(id)
    assert broadcast is not None
    new = {
        "text": text,
        "buttons": buttons,
        "note": note,
        "retried": retried,
        "wiped": wiped,
        "tried": tried,
        "stays": stays,
        "unsent": unsent,
        "replaces": replaces,
    }
    told = asdict(kept(broadcast)) | {key: value for key, value in new.items() if value is not None}
    tx.broadcasts.show(id, json.dumps(told, ensure_ascii=False))


def home_of(broadcast: Broadcast) -> Address:
    """The chat or topic where its progress is shown: only for one that has a chat."""
    address = parse_address(broadcast.chat)
    assert address.account == TELEGRAM
    return address
