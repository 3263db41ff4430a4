"""What was sent lately and what had been seen before, to tell later whether it arrived."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from bridges.api import Outgoing
from bridges.model import Message
from bridges.responses import clean
from bridges.returning_ai import wire
from bridges.returning_ai.polling import Item, Seen
from bridges.signing import fingerprint

TRIES_MOST = 1000
"""Sends that are kept in mind."""


@dataclass(frozen=True, slots=True)
class _Try:
    what: str
    seen: Seen | None


class Tries:
    """The latest sends, by their keys."""

    def __init__(self) -> None:
        self._tries: OrderedDict[str, _Try] = OrderedDict()

    def note(self, out: Outgoing, *, channel: str, seen: Seen | None) -> None:
        """A send begins; ``seen`` is what was seen of its channel by now. The first attempt counts for all of them."""
        if out.key not in self._tries:
            self._tries[out.key] = _Try(_what(out, channel), seen)
        while len(self._tries) > TRIES_MOST:
            self._tries.popitem(last=False)

    def seen_before(self, out: Outgoing, *, channel: str) -> Seen | None:
        """What was seen before it was sent; None if that is not known, or equal words were sent there lately."""
        tried, wanted = self._tries.get(out.key), _what(out, channel)
        if tried is None or any(each.what == wanted for key, each in self._tries.items() if key != out.key):
            return None
        return tried.seen


def has_words(item: Item, message: Message) -> bool:
    """Whether a message that was read holds the words of one that was sent, and addresses for its images."""
    text, wanted = item.get("message"), _plain(message.text)
    if not isinstance(text, str) or not _plain(text).startswith(wanted):
        return False
    more = _plain(text).removeprefix(wanted).split()
    return len(more) == len(message.attachments) and all(wire.is_web_address(each) for each in more)


def names_in(item: Mapping[str, object]) -> list[str]:
    """The names that "Get Messages" gives of who wrote."""
    found = (wire.word(wire.at_path(item, f"user.{name}")) for name in ("user_id", "email", "username"))
    return [name for name in found if name]


def _what(out: Outgoing, channel: str) -> str:
    return fingerprint(channel, _plain(out.message.text), str(len(out.message.attachments)))


def _plain(text: str) -> str:
    return " ".join(clean(text).split())
