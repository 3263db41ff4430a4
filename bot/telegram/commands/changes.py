"""Changing what was said: other words, taken back, a reaction; wherever the message went."""

from __future__ import annotations

from collections.abc import Sequence

import regex  # type: ignore[import-untyped]

from bot import broadcasts
from bot.addresses import TELEGRAM, Address, parse_address
from bot.names import one_line
from bot.store import Tx
from bot.store.broadcasts import Broadcast
from bot.store.messages import Origin
from bot.telegram.access import Role
from bot.telegram.commands.answered import answered_origin
from bot.telegram.commands.lines import PLACES_MOST, bounded, counted, listed
from bot.telegram.commands.registry import Answer, Call, Effect, NotAllowed, Reply, UsageError, registry
from bot.telegram.commands.send import written
from bot.telegram.commands.sight import sight_of
from bridges.model import Person, PersonId

_EMOJI = regex.compile(r"\X")


@registry.add(
    "undo",
    role=Role.OPERATOR,
    effect=Effect.SENDS,
    as_reply=True,
    summary="As a reply: takes that message back wherever it can be",
    example="/undo (as a reply to a message)",
    details="Only who wrote it and admins may. The answer says where a message cannot be taken back.",
)
def undo(call: Call, tx: Tx) -> Answer:
    """What did not leave yet is stopped; what did is deleted over there."""
    origin = _own(call, tx, what="take back")
    if origin.gone_at is not None:
        return Reply("It was taken back already.")
    if announced := _announcements(tx, origin):
        return Reply("\n".join(_take_back_announced(call, tx, each) for each in announced))
    under_way, cannot = call.relay.changes.take_back(tx, origin, now=call.now)
    call.services.feedback.show(tx, origin.id, now=call.now)
    told = _told(call, origin, "Taken back", under_way, cannot)
    return Reply(told or "It is nowhere else, so there is nothing to take back.")


def _announcements(tx: Tx, origin: Origin) -> Sequence[Broadcast]:
    """Those that a message made."""
    numbers = {row.broadcast for row in tx.outbox.of_message(origin.id) if row.broadcast is not None}
    return [found for number in sorted(numbers) if (found := tx.broadcasts.get(number)) is not None]


def _take_back_announced(call: Call, tx: Tx, broadcast: Broadcast) -> str:
    """Stop what has not begun, delete what was sent; of so many places the numbers are told."""
    stopped = broadcasts.stop(tx, broadcast, now=call.now) if broadcast.state in ("running", "paused") else 0
    broadcast = tx.broadcasts.get(broadcast.id) or broadcast
    places = broadcasts.stop_and_delete(tx, call.relay, broadcast, now=call.now)
    note = broadcasts.kept(tx.broadcasts.get(broadcast.id) or broadcast).note
    lines = [f"Announcement {broadcast.id}: {stopped} not sent any more, taken back at {counted(places, 'place')}."]
    return "\n".join([*lines, *([note] if note else [])])


@registry.add(
    "edit",
    role=Role.OPERATOR,
    usage="text",
    effect=Effect.SENDS,
    as_reply=True,
    summary="As a reply: gives that message other words wherever it went",
    example="/edit the meeting is at ten (as a reply to a message)",
    details="Only who wrote it and admins may. Where a message cannot be changed, the new words are told.",
)
def edit(call: Call, tx: Tx) -> Answer:
    """The new words go the way that the message went."""
    message = written(call, call.values["text"])
    if not message.text:
        raise UsageError("the new text is needed")
    origin = _own(call, tx, what="edit")
    if origin.account != TELEGRAM:
        return Reply(f"These are the words of {origin.sender_name or 'somebody'} at {origin.address}, not ours.")
    if origin.gone_at is not None:
        return Reply("It was taken back already.")
    done = call.relay.changes.reword(tx, origin, message, now=call.now)
    if done is None:
        return Reply("These are its words already.")
    return Reply(_told(call, origin, "Changed", *done) or "It is nowhere else, so there is nothing to change.")


@registry.add(
    "react",
    role=Role.OPERATOR,
    usage="EMOJI",
    effect=Effect.SENDS,
    as_reply=True,
    summary="As a reply: puts a reaction on that message, on the other side",
    example="/react 👍 (as a reply to a message)",
)
def react(call: Call, tx: Tx) -> Answer:
    """As if the person had reacted over there."""
    emoji = call.values["EMOJI"]
    if emoji.isalnum() or emoji.isascii() or len(_EMOJI.findall(emoji)) != 1:
        raise UsageError(f"{emoji!r} is not one emoji")
    origin = answered_origin(call, tx, what="react to")
    if call.person is None:
        return Reply("You write as an anonymous admin or a channel: react as yourself.")
    person = Person(id=PersonId(str(call.person)), name=call.person_name, account=call.here.account)
    under_way, cannot = call.relay.changes.put_reaction(tx, origin, person, emoji, at=call.here, now=call.now)
    return Reply(_told(call, origin, emoji, under_way, cannot) or "That message is nowhere else.")


def _own(call: Call, tx: Tx, *, what: str) -> Origin:
    """The message that the command replies to, if the person may change it; raises ``NotAllowed``."""
    origin = answered_origin(call, tx, what=what)
    if origin.account == TELEGRAM and call.person is not None and origin.sender_id == str(call.person):
        return origin
    if call.role < Role.ADMIN:
        author = one_line(origin.sender_name) or "its author"
        raise NotAllowed(f"Only {author}, who wrote it, or an admin may {what} that message.")
    sight = sight_of(call, needed=Role.ADMIN)
    if not sight.is_home(origin) and not all(sight.covers(tx, row) for row in tx.outbox.of_message(origin.id)):
        raise NotAllowed(
            f"That message stands in other chats too and your role counts in this one only: to {what} it needs the"
            " role admin everywhere. An owner can give it: /grant USER admin"
        )
    return origin


def _told(call: Call, origin: Origin, done: str, under_way: Sequence[Address], cannot: Sequence[str]) -> str:
    """Where it is done, and where not, with the reason once for all places that have it."""
    sight = sight_of(call)

    def named(places: Sequence[str]) -> str:
        shown = [place for place in places if sight.is_home(origin) or call.reaches(parse_address(place))]
        hidden = len(places) - len(shown)
        others = [f"{counted(hidden, 'other chat')}"] if hidden else []
        text = listed([*shown, *others])
        return f"{len(places)} places: {text}" if len(places) > PLACES_MOST else text

    lines = [f"{done} at {named([str(address) for address in under_way])}."] if under_way else []
    whys: dict[str, list[str]] = {}
    for sentence in cannot:
        place, _, why = sentence.partition(": ")
        whys.setdefault(why, []).append(place)
    lines += [f"Not at {named(places)}: {why}." for why, places in whys.items()]
    return bounded(lines)
