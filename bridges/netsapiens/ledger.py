"""What is known of our own sends, so that a later look into a session can tell whether one of them arrived.

The server gives a send no id and takes none, so a stored message can only be recognised by its type, its words and its
time. The same words may have been written before, by us or by a person with the same extension: then only their times
and an account of our other sends decide, and where that leaves a doubt, the doubt is what is told. All times here are
by our clock.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

Verdict: TypeAlias = Literal["arrived", "absent", "too early", "open"]

SETTLE = timedelta(seconds=5)
"""202 says that a message is on the server's way, not that it is there: it is missed only this long after."""
TICK = timedelta(seconds=1)
"""The server writes whole seconds: a message may be this much younger than its time says."""
SLACK = timedelta(seconds=5)
"""How far the times of two machines of one server may be apart."""
WITHIN = timedelta(seconds=60)
"""A message is written soon after its request left, which is given up after half of this; a later one may be
anybody's."""
ZONES = timedelta(hours=15)
"""An older message this close may be a younger one, if the zone of the server's times is not the configured one."""
KEPT_MOST = 4096


@dataclass(frozen=True, slots=True)
class Stored:
    """A message in the session that has the type and the words of ours, and went out from our side."""

    id: str
    at: datetime | None
    """None: it has no time, or none to be believed."""


@dataclass(frozen=True, slots=True)
class _Sent:
    places: frozenset[str]
    words: str
    began_at: datetime
    answered_at: datetime


class Ledger:
    """Sends that began and sends that were accepted, as long as this process lives."""

    def __init__(self) -> None:
        self._began: OrderedDict[str, datetime | None] = OrderedDict()
        self._accepted: deque[_Sent] = deque(maxlen=KEPT_MOST)
        self._claimed: OrderedDict[str, str] = OrderedDict()
        self._missed: OrderedDict[str, datetime | None] = OrderedDict()

    def begin(self, key: str, *, at: datetime | None) -> None:
        """A message is about to leave; of several attempts the first one counts."""
        if key not in self._began:
            self._began[key] = at
            _bound(self._began)

    def accepted(self, key: str, *, places: Collection[str], words: str, at: datetime | None) -> None:
        """The server took it, and said so at ``at``; ``places`` are the names that its conversation goes by."""
        began_at = self._began.pop(key, None) or at
        if began_at is not None and at is not None:
            self._accepted.append(_Sent(frozenset(places), words, began_at, at))

    def judge(
        self,
        key: str,
        matches: Sequence[Stored],
        *,
        places: Collection[str],
        words: str,
        began_at: datetime | None,
        now: datetime | None,
    ) -> tuple[Verdict, Stored | None]:
        """What became of the send ``key``, given every match in the sessions ``places``, the latest first.

        ``began_at`` is when the request in doubt left.
        """
        free = [match for match in matches if self._claimed.get(match.id, key) == key or not match.id]
        known = [sent for sent in self._accepted if sent.words == words and sent.places.intersection(places)]
        verdict, found = self._weigh(key, free, known=known, began_at=began_at)
        if verdict == "arrived" and found is not None:
            self._began.pop(key, None)
            self._missed.pop(key, None)
            if found.id:
                self._claimed[found.id] = key
                _bound(self._claimed)
        if verdict == "absent" and not self._settled(key, now=now):
            return "too early", None
        return verdict, found

    def _weigh(
        self, key: str, matches: Sequence[Stored], *, known: Sequence[_Sent], began_at: datetime | None
    ) -> tuple[Verdict, Stored | None]:
        if not matches:
            return "absent", None
        timed = [(match.at, match) for match in matches if match.at is not None]
        if began_at is None or len(timed) < len(matches):
            return "open", None  # the old cannot be told from the new
        since = min(began_at, self._began.get(key) or began_at)
        explained = _explained([at for at, _ in timed], known)
        unexplained = [(at, match) for number, (at, match) in enumerate(timed) if number not in explained]
        fresh = [(at, match) for at, match in unexplained if at > since - TICK]
        older = [at for at, _ in unexplained if since - ZONES <= at <= since - TICK]
        if fresh:
            # Nothing is known of sends before a restart: then the words must be there this once.
            alone = not older if key not in self._began else all(at < since - SLACK for at in older)
            at, match = fresh[0]
            surely = alone and at <= began_at + WITHIN and (key in self._began or len(fresh) == 1)
            return ("arrived", match) if surely else ("open", None)
        doubtful = any(timed[number][0] > since - TICK and sent.began_at < since for number, sent in explained.items())
        return ("open", None) if older or doubtful else ("absent", None)

    def _settled(self, key: str, *, now: datetime | None) -> bool:
        """Whether it was missed before, long enough ago; without a clock, whether it was missed before."""
        if key not in self._missed:
            self._missed[key] = now
            _bound(self._missed)
            return False
        first = self._missed[key]
        settled = first is None or now is None or now - first >= SETTLE
        if settled:
            del self._missed[key]
        return settled


def _explained(times: Sequence[datetime], known: Sequence[_Sent]) -> dict[int, _Sent]:
    """Which of the times, the latest first, belong to sends that are known to have been accepted: each to one."""
    explained: dict[int, _Sent] = {}
    for sent in sorted(known, key=lambda each: each.began_at):
        for number in reversed(range(len(times))):
            there = sent.began_at - SLACK <= times[number] <= sent.answered_at + SLACK
            if there and number not in explained:
                explained[number] = sent
                break
    return explained


def _bound(kept: OrderedDict[str, datetime | None] | OrderedDict[str, str]) -> None:
    while len(kept) > KEPT_MOST:
        kept.popitem(last=False)
