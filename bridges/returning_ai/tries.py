"""What was sent lately, and since when a message may be one in doubt: to tell later whether it arrived.

When a request began is known by our clock, when a message was written by Returning.AI's. How far they are apart is told
by the ``Date`` of an answer, roughly: it counts whole seconds and may be a kept one. Earlier sends that are listed tell
it closely: each was written between the beginning of its request and the coming of its answer.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bridges.api import Outgoing
from bridges.model import Message
from bridges.responses import clean
from bridges.returning_ai import wire
from bridges.returning_ai.polling import LATE, Item, Page
from bridges.signing import fingerprint

TRIES_MOST = 100
"""Sends that are kept in mind."""
BEFORE, BEHIND = timedelta(seconds=2), timedelta(seconds=3)
"""How far the clock of the messages may be before and behind what a ``Date`` says of it: cut to the second, kept for a
second, on its way, or of another machine."""
SLACK = timedelta(seconds=0.25)
"""How much older than its send a message has to be to be surely older: the machines over there may differ."""
CLOSE = timedelta(minutes=10)
"""How long a send tells how far the clocks are apart: one of them may be set meanwhile."""


@dataclass(frozen=True, slots=True)
class _Try:
    channel: str
    what: str
    began: datetime | None
    answered: datetime | None = None
    """When the answer came that it is sent; None: not known whether it is."""


@dataclass(frozen=True, slots=True)
class Start:
    """When a request began, by the clock of the messages: not earlier than ``least``, not later than ``most``."""

    least: datetime
    most: datetime


class Tries:
    """The latest sends, by their keys."""

    def __init__(self) -> None:
        self._tries: OrderedDict[str, _Try] = OrderedDict()

    def begin(self, out: Outgoing, *, channel: str) -> None:
        """A send begins. The first attempt that may have arrived counts for all of them."""
        if out.key not in self._tries:
            self._tries[out.key] = _Try(channel, _what(out.message.text, len(out.message.attachments)), out.began_at)
        while len(self._tries) > TRIES_MOST:
            self._tries.popitem(last=False)

    def succeed(self, key: str, *, at: datetime) -> None:
        """It is sent: the answer came at ``at``."""
        if key in self._tries:
            self._tries[key] = replace(self._tries[key], answered=at)

    def forget(self, key: str) -> None:
        """It is surely not sent."""
        self._tries.pop(key, None)

    def knows(self, key: str) -> bool:
        """Whether it was begun here, and not before a restart."""
        return key in self._tries

    def rivals(self, out: Outgoing, *, channel: str) -> bool:
        """Whether equal words of another send may have been written there since it began."""
        what, began = _what(out.message.text, len(out.message.attachments)), self._began(out)
        return any(
            each.answered is None or began is None or each.answered >= began
            for key, each in self._tries.items()
            if key != out.key and (each.channel, each.what) == (channel, what)
        )

    def start_of(self, out: Outgoing, *, channel: str, page: Page, mine: Sequence[Item]) -> Start | None:
        """When it began, by the clock of the messages; None where that is not known. ``mine``: ours on the page."""
        began = self._began(out)
        if began is None:
            return None
        rough = (-LATE, LATE) if page.ahead is None else (page.ahead - BEFORE, page.ahead + BEHIND)
        close = self._ahead(channel=channel, mine=mine, since=began - CLOSE)
        if close is not None and close[0] <= rough[1] and rough[0] <= close[1]:
            return Start(began + close[0], began + close[1])
        return Start(began + rough[0], began + rough[1])

    def _began(self, out: Outgoing) -> datetime | None:
        tried = self._tries.get(out.key)
        known = [at for at in (out.began_at, tried.began if tried else None) if at is not None]
        return min(known, default=None)

    def _ahead(self, *, channel: str, mine: Sequence[Item], since: datetime) -> tuple[timedelta, timedelta] | None:
        """How far the clock of the messages is ahead of ours, at least and at most, by sends that are listed."""
        times: dict[str, list[datetime]] = {}
        for item in mine:
            text, at = item.get("message"), time_of(item)
            if isinstance(text, str) and at is not None:
                times.setdefault(_what(text, 0), []).append(at)
        # A time that was cut may be as much too early as it is coarse.
        fine = any(at.microsecond for each in times.values() for at in each)
        coarse = timedelta(milliseconds=1) if fine else timedelta(seconds=1)
        sent = [each for each in self._tries.values() if each.channel == channel]
        spans = [
            (times[each.what][0] - each.answered, times[each.what][0] - each.began + coarse)
            for each in sent
            if each.began is not None
            and each.began >= since
            and each.answered is not None
            and len(times.get(each.what, ())) == 1
            and sum(other.what == each.what for other in sent) == 1
        ]
        least, most = max((span[0] for span in spans), default=LATE), min((span[1] for span in spans), default=-LATE)
        # Where they contradict each other a clock was set; where there are none, so do the ends.
        return (least - coarse - SLACK, most) if least <= most else None


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


def time_of(item: Item) -> datetime | None:
    """When a message was written, by Returning.AI's clock."""
    return wire.time_of(item.get("timestamp"))


def _what(text: str, attachments: int) -> str:
    return fingerprint(_plain(text), str(attachments))


def _plain(text: str) -> str:
    return " ".join(clean(text).split())
