"""Changing what was said: other words, taken back, a reaction; wherever the message went."""

from __future__ import annotations

from collections.abc import Sequence

import regex  # type: ignore[import-untyped]

from bot.addresses import TELEGRAM, Address, parse_address
from bot.cannot import grouped
from bot.store import Tx
from bot.store.messages import Origin
from bot.telegram.access import Role
from bot.telegram.commands.announced import ask_to_reword, ask_to_take_back, number_of_targets, take_back
from bot.telegram.commands.answered import answered_origin, require_own
from bot.telegram.commands.lines import PLACES_MOST, bounded, counted, listed
from bot.telegram.commands.registry import Answer, Call, Effect, Reply, UsageError, registry
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
    details=(
        "Only who wrote it and admins may. The answer says where a message cannot be taken back. Of an announcement to"
        " several targets it asks first."
    ),
)
def undo(call: Call, tx: Tx) -> Answer:
    """What did not leave yet is stopped; what did is deleted over there."""
    origin = _own(call, tx, what="take back")
    if origin.gone_at is not None:
        return Reply("It was taken back already.")
    if announced := tx.broadcasts.of_message(origin.id):
        if number_of_targets(tx, announced[-1]) > 1:
            return ask_to_take_back(call, tx, {"announcement": announced[-1].id})
        return Reply(take_back(tx, call.relay, announced[-1], now=call.now))
    under_way, cannot = call.relay.changes.take_back(tx, origin, now=call.now)
    call.services.feedback.show(tx, origin.id, now=call.now)
    told = _told(call, origin, "Taken back", under_way, cannot)
    return Reply(told or "It is nowhere else, so there is nothing to take back.")


@registry.add(
    "edit",
    role=Role.OPERATOR,
    usage="text",
    effect=Effect.SENDS,
    as_reply=True,
    summary="As a reply: gives that message other words wherever it went",
    example="/edit the meeting is at ten (as a reply to a message)",
    details=(
        "Only who wrote it and admins may. Where a message cannot be changed, the new words are told. Of an"
        " announcement to several targets it asks first."
    ),
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
    announced = tx.broadcasts.of_message(origin.id)
    if announced and number_of_targets(tx, announced[-1]) > 1:
        return ask_to_reword(call, tx, announced[-1], message)
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
    require_own(call, tx, origin, what=what)
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
    lines += [f"{said} {named(places)}: {why}." for said, why, places in grouped(cannot)]
    return bounded(lines)
