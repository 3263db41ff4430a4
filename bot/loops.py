"""Loops: words that come back through somebody else's bridge are not relayed again, and nobody else's are held back.

What an account sent itself is known by its id or a mark long before. This is for the rest: two bridges that look at
the same place, neither of which can see what the other one is. People in Telegram are never taken for a bridge.

Words are known only where another bridge could bring them back: in the place that they were relayed into, as they went
out or under one more name; and where they came from, or in places joined with either, only under one more name, for
there they are somebody's words about somebody.
"""

from __future__ import annotations

import hashlib
import re
from collections import deque
from collections.abc import Callable, Collection, Iterable

from bot.addresses import TELEGRAM, Address
from bot.store import Tx
from bridges.model import Message, Person

ECHO_S = 120.0
"""Another bridge brings words back within this time."""
SETTLED_LATE_S = 30.0
"""Words that waited longer than this are taken to be relayed when they arrive, not when they were written."""
HOPS_MOST = 3
"""Names of senders before the words, each of whom was relayed lately: what has more goes in a circle."""
HOPS_S = 3600.0
SUFFIXES_MOST = 5
BUDGET = 20
BUDGET_S = 60.0
PAIRS_MOST = 1000
SPENT = f"loop: programs may say {BUDGET} things in {BUDGET_S:.0f} s from here to there, and have"

_INVISIBLE = re.compile("[\u200b-\u200f\u2060-\u2064\ufeff]")
_NAME = re.compile(r"([^:\n]{1,128}): ")
_BEFORE = re.compile(r"<[^>\n]{1,128}> |\[[^\]\n]{1,128}\] |\([^)\n]{1,128}\) |[^:\n]{1,128}: ")
"""What a bridge puts before words: a name, the network that it is of, how late they are. People put other things there:
a line of their own, the mark of a quotation."""

Joined = Callable[[Address], Collection[Address]]
"""The places that share everything with one, over however many others, itself among them."""


def remember(
    tx: Tx, message: Message, parts: Iterable[Message], *, source: Address | None, into: Address, now: float
) -> None:
    """These parts go out in the place of a message; if with a sender line, they are known when they come back.

    ``source``: where that was written; None: in several places.
    """
    remember_everywhere(tx, message, parts, source=source, into=[into], now=now)


def remember_everywhere(
    tx: Tx, message: Message, parts: Iterable[Message], *, source: Address | None, into: Iterable[Address], now: float
) -> None:
    """As :func:`remember`, for the same parts in several places."""
    known, names = set(), set()
    for part in parts:
        if part.text != message.text:
            known.add(_digest(part.text))
            if (name := _NAME.match(part.text)) is not None:
                names.add(_name_digest(name))
    if known:
        tx.relayed_words.put_all(known, source=_placed(source), into=map(_placed, into), now=now)
        tx.relayed_words.put(names, now=now)


def arrived(tx: Tx, text: str, *, into: Address, now: float) -> None:
    """What had to wait is over there only now."""
    tx.relayed_words.again(_digest(text), into=_placed(into), now=now)


def comes_back(tx: Tx, address: Address, message: Message, *, joined: Joined, now: float) -> str:
    """Why a message is taken for an echo through another bridge; empty: it is not."""
    if _is_person(address, message.sender) or not message.text:
        return ""
    if _was_here(tx, address, message.text, joined=joined, now=now):
        return "loop: another bridge brings back what was relayed a moment ago"
    if hops(tx, message.text, now=now) > HOPS_MOST:
        return f"loop: more than {HOPS_MOST} names stand before the words, each of them relayed before"
    return ""


def _was_here(tx: Tx, address: Address, text: str, *, joined: Joined, now: float) -> bool:
    """Whether somebody else may have found these words, relayed a moment ago, and brought them here."""
    here, around = _placed(address), None
    for index, words in enumerate(_suffixes(text)):
        for source, into in tx.relayed_words.ways(_digest(words), since=now - ECHO_S):
            if into == here:
                return True
            if index == 0:
                continue  # as it went out elsewhere, and under no other name: a person's, who cites it
            if around is None:
                around = {here, *map(_placed, joined(address))}
            if source in around or into in around:
                return True
    return False


def is_suspicious(tx: Tx, address: Address, message: Message, *, now: float) -> bool:
    """Whether this may come from a program that answers programs: then it has a budget."""
    if message.sender is not None and message.sender.kind == "bot":
        return True
    # One name that is known here too is what another bridge of the same people writes all day.
    return not _is_person(address, message.sender) and hops(tx, message.text, now=now) > 1


def hops(tx: Tx, text: str, *, now: float) -> int:
    """How many names stand before the words, each of whom was relayed lately."""
    names: list[str] = []
    at = 0
    while len(names) <= HOPS_MOST and (name := _NAME.match(text, at)) is not None:
        names.append(_name_digest(name))
        at = name.end()
    known = tx.relayed_words.known(names, since=now - HOPS_S)
    return sum(name in known for name in names)


def _is_person(address: Address, sender: Person | None) -> bool:
    return address.account == TELEGRAM and (sender is None or sender.kind != "bot")


def _suffixes(text: str) -> list[str]:
    """The text, and what is left of it without what another bridge may have put before it."""
    found = [text]
    while len(found) <= SUFFIXES_MOST and (before := _BEFORE.match(found[-1])) is not None:
        found.append(found[-1][before.end() :])
    return found


def _placed(address: Address | None) -> str:
    """An address as it is kept with words; what providers call a conversation may have anything in it."""
    return "" if address is None else " ".join(str(address).split())


def _name_digest(name: re.Match[str]) -> str:
    return _digest(f"name {name[1]}")


def _digest(text: str) -> str:
    words = " ".join(_INVISIBLE.sub("", text).split())
    return hashlib.blake2b(words.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


class Budget:
    """How much suspicious talk goes from one place to another: some in a minute, then none for a minute."""

    def __init__(self) -> None:
        self._taken: dict[tuple[str, str], deque[float]] = {}
        self._closed_until: dict[tuple[str, str], float] = {}

    def takes(self, source: str, target: str, *, now: float) -> bool:
        """Whether one more may go there; if so it is counted."""
        pair = (source, target)
        if now < self._closed_until.get(pair, now):
            return False
        if len(self._taken) >= PAIRS_MOST:
            self._taken.clear()
            self._closed_until.clear()
        taken = self._taken.setdefault(pair, deque())
        while taken and taken[0] <= now - BUDGET_S:
            taken.popleft()
        if len(taken) >= BUDGET:
            self._closed_until[pair] = now + BUDGET_S
            taken.clear()
            return False
        taken.append(now)
        return True
