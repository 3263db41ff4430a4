"""Audiences from the chat: named sets of addresses, usable as a target with an @ before the name."""

from __future__ import annotations

from collections.abc import Sequence

from bot.addresses import Address, AddressError, parse_address
from bot.names import one_line
from bot.store import Tx
from bot.targets import AUDIENCE_NAME, MOST, nearest, parse_targets
from bot.telegram.access import Role
from bot.telegram.cards import Press, Pressed, confirmation
from bot.telegram.commands.registry import (
    Answer,
    Call,
    Effect,
    Reply,
    Scope,
    Services,
    UsageError,
    registry,
    way,
)
from bot.telegram.commands.usage import shown, words_of
from bot.telegram.wizards.engine import begin

SHOWN_MOST = 50


@registry.add(
    "audience",
    role=Role.ADMIN,
    scope=Scope.ALL,
    ways=(
        way("", effect=Effect.SETS, example="/audience", summary="a wizard with buttons"),
        way(
            "add NAME ADDRESS…",
            effect=Effect.SETS,
            example="/audience add partners support:room-42 here",
            summary="puts addresses into it, and makes it if need be",
        ),
        way(
            "remove NAME [ADDRESS…]",
            effect=Effect.SETS,
            example="/audience remove partners support:room-42",
            summary="takes addresses out of it; without any it is removed, after a question",
        ),
        way("show NAME", example="/audience show partners", summary="what is in it"),
        way("list", example="/audience list", summary="all audiences"),
    ),
    summary="Named sets of addresses, which /announce takes as @NAME",
    example="/audience add partners support:room-42 here",
)
def audience(call: Call, tx: Tx) -> Answer:
    """By its first word."""
    assert call.way is not None
    match call.way.keyword:
        case "":
            return begin(call, tx, "waudience")
        case "add":
            return _add(call, tx)
        case "remove" if "ADDRESS" in call.values:
            return _take_out(call, tx)
        case "remove":
            return _remove(call, tx, existing(tx, call.values["NAME"]))
        case "show":
            return _show(tx, existing(tx, call.values["NAME"]))
    lines = [f"@{name}: {targets(number)}" for name, number in tx.audiences.all()]
    return Reply("\n".join(lines) or "There are no audiences. /audience add NAME ADDRESS makes one.")


def audience_name(word: str) -> str:
    """The name as it is kept; raises ``UsageError``."""
    name = word.removeprefix("@").lower()
    if not AUDIENCE_NAME.fullmatch(name) or not any(char.isalnum() for char in name):
        raise UsageError(
            f"{shown(word)} cannot be an audience's name: letters, digits, _ . and - make one, as in partners"
        )
    return name


def existing(tx: Tx, word: str) -> str:
    """The name of an audience that there is; raises ``UsageError``."""
    name = audience_name(word)
    if not tx.audiences.exists(name):
        near = nearest(name, [each for each, _ in tx.audiences.all()])
        raise UsageError(f"there is no audience @{name}" + (f"; did you mean @{near}?" if near else ""))
    return name


def put_in(tx: Tx, name: str, addresses: Sequence[Address], *, person: int | None, now: float) -> str:
    """Add members; returns what became of it, in words. Raises ``UsageError`` if they are too many."""
    there = set(tx.audiences.members(name))
    new = [address for address in addresses if str(address) not in there]
    if len(there) + len(new) > MOST:
        raise UsageError(f"@{name} would have {len(there) + len(new)} targets, at most {MOST} are possible")
    tx.audiences.add(name, map(str, new), person=str(person), now=now)
    if not new:
        return f"@{name} has {targets(len(there))}; nothing was added, for all that you named is in it already."
    known = len(addresses) - len(new)
    more = f", {known} of those you named {'was' if known == 1 else 'were'} in it already" if known else ""
    return f"@{name} has {targets(len(there) + len(new))} now: {len(new)} added{more}."


def targets(number: int) -> str:
    """So many, in words."""
    return f"{number} target{'' if number == 1 else 's'}"


def _add(call: Call, tx: Tx) -> Reply:
    name = audience_name(call.values["NAME"])
    return Reply(put_in(tx, name, _named(call, tx, call.values["ADDRESS"]), person=call.person, now=call.now))


def listed(words: str) -> list[str]:
    """Addresses with blanks between, and commas where somebody wrote these."""
    return [word.rstrip(",") for word in words_of(words)]


def _named(call: Call, tx: Tx, words: str) -> Sequence[Address]:
    """The members that somebody names."""
    written = listed(words)
    inside = next((word for word in written if word.startswith("@")), None)
    if inside is not None:
        raise UsageError(f"{shown(inside)} is an audience, and an audience holds addresses only: name these")
    return parse_targets(tx, call.relay, ", ".join(written), here=call.here).addresses


def _take_out(call: Call, tx: Tx) -> Reply:
    name = existing(tx, call.values["NAME"])
    members = tx.audiences.members(name)
    there = set(members)
    gone = []
    for word in words_of(call.values["ADDRESS"]):
        # What is in it can be taken out whatever has become of its account.
        address = _as_it_stands(word.rstrip(","))
        if address not in there:
            (found,) = parse_targets(tx, call.relay, word, here=call.here).addresses or (None,)
            address = str(found)
        if address not in there:
            near = nearest(address, members)
            raise UsageError(f"{address} is not in @{name}" + (f"; did you mean {near}?" if near else ""))
        gone.append(address)
    number = tx.audiences.remove(name, gone)
    left = len(members) - number
    empty = f" /audience remove {name} removes it." if not left else ""
    return Reply(f"@{name} has {targets(left)} now: {number} taken out.{empty}")


def _as_it_stands(word: str) -> str:
    try:
        return str(parse_address(word))
    except AddressError:
        return ""


def _show(tx: Tx, name: str) -> Reply:
    members = tx.audiences.members(name)
    if not members:
        return Reply(f"@{name} is empty. /audience add {name} ADDRESS puts something into it.")
    lines = [f"@{name}: {targets(len(members))}"]
    for member in members[:SHOWN_MOST]:
        address = parse_address(member)
        named = tx.names.of(member)
        title = one_line(tx.conversations.title(address.account, address.conversation))
        about = [*([f"named {', '.join(named)}"] if named else []), *([title] if title else [])]
        lines.append(f"{member}  {' · '.join(about)}".rstrip())
    if len(members) > SHOWN_MOST:
        lines.append(f"… and {len(members) - SHOWN_MOST} more")
    return Reply("\n".join(lines))


def _removal(tx: Tx, services: Services, payload: object) -> str:
    name = existing(tx, str(payload))
    shown_members = _show(tx, name).text if tx.audiences.members(name) else f"@{name} is empty."
    return f"Remove the audience @{name}? What is in it stays; only the set is forgotten.\n\n{shown_members}"


@confirmation("audience", role=Role.ADMIN, preview=_removal, yes="Remove", everywhere=True)
def _remove(press: Press, tx: Tx) -> Pressed:
    name = str(press.payload)
    tx.audiences.drop(name)
    text = f"The audience @{name} is removed."
    return Pressed(text, Reply(f"{text} ({press.person_name})"), outcome=f"removed @{name}")
