"""Loops: words that come back through somebody else's bridge are not relayed again, and nobody else's are held back.

What an account sent itself is known by its id or a mark long before. This is for the rest: two bridges that look at
the same place, neither of which can see what the other one is. People in Telegram are never taken for a bridge.
"""

from __future__ import annotations

import hashlib
import re
from collections import deque
from collections.abc import Iterable

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
_AFTER = re.compile(r"(?:: |> |\] |\) |:?\n)")
_NAME = re.compile(r"([^:\n]{1,128}): ")


def remember(tx: Tx, message: Message, parts: Iterable[Message], *, now: float) -> None:
    """These parts go out in the place of a message; if with a sender line, they are known when they come back."""
    digests = set()
    for part in parts:
        if part.text != message.text:
            digests.add(_digest(part.text))
            if (name := _NAME.match(part.text)) is not None:
                digests.add(_name_digest(name))
    if digests:
        tx.relayed_words.put(digests, now=now)


def arrived(tx: Tx, text: str, *, now: float) -> None:
    """What had to wait is over there only now."""
    tx.relayed_words.again([_digest(text)], now=now)


def comes_back(tx: Tx, address: Address, message: Message, *, now: float) -> str:
    """Why a message is taken for an echo through another bridge; empty: it is not."""
    if _is_person(address, message.sender) or not message.text:
        return ""
    if tx.relayed_words.known([_digest(text) for text in _suffixes(message.text)], since=now - ECHO_S):
        return "loop: another bridge brings back what was relayed a moment ago"
    if hops(tx, message.text, now=now) > HOPS_MOST:
        return f"loop: more than {HOPS_MOST} names stand before the words, each of them relayed before"
    return ""


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
    cuts = [found.end() for found, _ in zip(_AFTER.finditer(text), range(SUFFIXES_MOST), strict=False)]
    return [text, *(text[at:] for at in cuts)]


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
