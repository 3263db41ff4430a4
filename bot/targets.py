"""Targets as people write them: addresses, names, ``here`` and ``@audience``, with commas between."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from bot.addresses import Address, AddressError, parse_address
from bot.relay import Relay, names_known
from bot.store import Tx
from bridges.errors import Refused
from bridges.responses import clean

MOST = 5_000
EXAMPLE = "telegram:-1001234567890"
"""What is an address anywhere."""
AUDIENCE_NAME = re.compile(r"[\w.-]{1,64}")
"""How an audience may be called, without the ``@``."""

Seen: TypeAlias = Callable[[Address], bool]
"""Whether somebody may know what is at an address."""

_BETWEEN = re.compile(r"([,\n\r]\s*)")
_QUOTES = {'"': '"', "“": "”", "„": "“", "«": "»", "'": "'", "‘": "’"}
_NUMBERS = re.compile(r"[^:]+:[a-z]+/\+?[0-9]+(?:,\+?[0-9]+)*")
"""An address that is a list of numbers, such as ``pbx:chat/4101,4102``: a comma may stand in it."""


class TargetError(AddressError):
    """Something among the targets is none; says which, and gives one valid example."""


@dataclass(frozen=True, slots=True)
class Targets:
    """What somebody wrote as targets, understood."""

    addresses: tuple[Address, ...]
    """Where it goes, in the order of the line, each once."""
    audiences: tuple[str, ...]
    """The audiences that are named in it, without the ``@``."""
    text: str
    """The targets written so that reading them again gives the same, anywhere."""


def parse_targets(tx: Tx, relay: Relay, text: str, *, here: Address | None, seen: Seen | None = None) -> Targets:
    """Read targets; raises ``TargetError``. ``here`` None: there is no chat that the word could mean.

    ``seen``: what somebody may know of; of the rest nothing is told where a word is taken for a slip.
    """
    found: dict[Address, None] = {}
    audiences: dict[str, None] = {}
    written: dict[str, None] = {}
    for piece in _pieces(tx, relay, text):
        if piece.startswith("@"):
            name = piece[1:].lower()
            found.update(dict.fromkeys(_audience(tx, relay, piece, here=here, seen=seen)))
            audiences[name] = None
            written[f"@{name}"] = None
        else:
            address = _address(tx, relay, piece, here=here, seen=seen)
            found[address] = None
            named = ":" not in piece and tx.names.get(piece.lower()) is not None
            written[piece.lower() if named else str(address)] = None
        if len(found) > MOST:
            raise TargetError(f"these are more than {MOST} targets, the most for one message: name fewer of them")
    if not found:
        raise TargetError(
            f"no target is named: write addresses, names or @audience with commas between; {_example(here)}"
        )
    return Targets(tuple(found), tuple(audiences), ", ".join(written))


def counted_targets(number: int) -> str:
    """So many targets, in words."""
    return f"{number} target{'s' if number != 1 else ''}"


def meant(tx: Tx, target: str) -> Sequence[Address]:
    """Where one of the targets that are kept (:attr:`Targets.text`) leads, whether or not anything can be sent there;
    none: an audience that is empty or gone, a name that means nothing any more.
    """
    try:
        written = tx.audiences.members(target[1:]) if target.startswith("@") else [tx.names.meant(target)]
        return [parse_address(each) for each in written]
    except AddressError:
        return ()


def _pieces(tx: Tx, relay: Relay, text: str) -> Sequence[str]:
    """What stands between the commas; one that belongs to the numbers of an address is left in it."""
    pieces: list[str] = []
    between = ""
    for number, part in enumerate(_BETWEEN.split(_bare(clean(text)))):
        if number % 2:
            between = part
            continue
        piece = _bare(part)
        if not piece:
            continue
        if between == "," and pieces and _goes_on(tx, relay, pieces[-1], piece):
            pieces[-1] += f",{piece}"
        else:
            pieces.append(piece)
    return pieces


def _goes_on(tx: Tx, relay: Relay, before: str, piece: str) -> bool:
    joined = f"{before},{piece}"
    if not re.fullmatch(r"\+?[0-9]+", piece) or not _NUMBERS.fullmatch(joined) or tx.names.get(piece):
        return False
    try:
        relay.parse_target(tx, joined)
    except (AddressError, Refused):
        return False
    return True


def _bare(text: str) -> str:
    """The text without blanks and one pair of quotes around it."""
    text = text.strip()
    end = _QUOTES.get(text[:1])
    is_quoted = end is not None and len(text) > 1 and text.find(end, 1) == len(text) - 1
    return text[1:-1].strip() if is_quoted else text


def _audience(tx: Tx, relay: Relay, piece: str, *, here: Address | None, seen: Seen | None) -> list[Address]:
    name = piece[1:].lower()
    members = tx.audiences.members(name)
    if not members:
        if tx.audiences.exists(name):
            raise TargetError(f"@{name} is empty; fill it with /audience add {name} here")
        known = [each for each, _ in tx.audiences.all() if _is_seen(tx, each, seen=seen)]
        near = nearest(name, known)
        hint = f"did you mean @{near}?" if near else f"there is {_listed(known)}"
        example = _example(here)
        raise TargetError(f"there is no audience {_shown(piece)}; {hint} {example[0].upper()}{example[1:]}")
    found = [parse_address(member) for member in members]
    for address in found:
        if address.account not in relay.accounts and seen is not None and not _is_seen(tx, name, seen=seen):
            raise TargetError(f"@{name} holds something that nothing can be sent to")
        if address.account not in relay.accounts:
            raise TargetError(
                f"@{name} holds {address}, and {relay.unknown_account(address.account)};"
                f" to take it out: /audience remove {name} {address}"
            )
    return found


def _is_seen(tx: Tx, audience: str, *, seen: Seen | None) -> bool:
    return seen is None or all(seen(parse_address(member)) for member in tx.audiences.members(audience))


def _address(tx: Tx, relay: Relay, piece: str, *, here: Address | None, seen: Seen | None) -> Address:
    if re.search(r"\s", piece):
        raise TargetError(f"{_shown(piece)} holds blanks: targets go with commas between; {_example(here)}")
    try:
        return relay.parse_target(tx, piece.lower() if piece.lower() == "here" else piece, here=here, seen=seen)
    except AddressError as error:
        if ":" in piece or piece.lower() == "here":
            raise TargetError(_about(piece, str(error))) from error
    except Refused as error:
        raise TargetError(_about(piece, str(error))) from error
    audiences = [name for name, _ in tx.audiences.all()]
    if piece.lower() in audiences:
        raise TargetError(f"{_shown(piece)} is an audience, which is written @{piece.lower()}")
    near = nearest(piece.lower(), names_known(tx, seen=seen))
    hint = f"; did you mean {near}?" if near else "."
    example = _example(here)
    raise TargetError(f"{_shown(piece)} is no address and no name{hint} {example[0].upper()}{example[1:]}")


def _example(here: Address | None) -> str:
    """A target that there is, as a sentence goes on."""
    if here is not None:
        return "this chat is written “here”"
    return f"a chat is written as in {EXAMPLE} (/here in the chat tells it)"


def nearest(word: str, known: Sequence[str]) -> str | None:
    """The name that somebody may have meant."""
    close = difflib.get_close_matches(word[:64].lower(), known, n=1, cutoff=0.5)
    return close[0] if close else None


def _listed(known: Sequence[str]) -> str:
    if not known:
        return "none yet: /audience add NAME ADDRESS makes one."
    more = f" and {len(known) - 8} more" if len(known) > 8 else ""
    return ", ".join(f"@{name}" for name in known[:8]) + more + "."


def _about(piece: str, reason: str) -> str:
    """The reason, which names the target at fault."""
    return reason if piece[:40] in reason else f"{_shown(piece)}: {reason}"


def _shown(text: str) -> str:
    printable = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text[:40])
    return f"“{printable}…”" if len(text) > 40 else f"“{printable}”"
