"""What is known of our own sends, so that a later look into a session can tell whether one of them arrived.

The server gives a send no id and takes none, so a stored message can only be recognised by its type, its words and its
time. The same words may have been sent before: then only an account of how often decides, and where that leaves a
doubt, the doubt is what is told. All times are the server's own: its ``Date`` headers and its messages' times.
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
SLACK = timedelta(seconds=5)
"""How far the times of two machines of one server may be apart."""
JUST_NOW = timedelta(seconds=120)
"""After a restart nothing is known of earlier sends; a single match this young is the one looked for."""
ZONES = timedelta(hours=15)
"""An older match this close may be a younger one, if the zone of the server's times is not the configured one."""
KEPT_MOST = 4096


@dataclass(frozen=True, slots=True)
class Stored:
    """A message in the session that has the type and the words of ours, and went out from our side."""

    id: str
    at: datetime | None
    latest: bool
    """No other message went out after it."""


class Ledger:
    """Sends that began and sends that were accepted, as long as this process lives."""

    def __init__(self) -> None:
        self._began: OrderedDict[str, datetime | None] = OrderedDict()
        self._accepted: deque[tuple[frozenset[str], str, datetime]] = deque(maxlen=KEPT_MOST)
        self._claimed: OrderedDict[str, str] = OrderedDict()
        self._missed: OrderedDict[str, datetime | None] = OrderedDict()

    def begin(self, key: str, *, now: datetime | None) -> None:
        """A message is about to leave for the first time; ``now`` is the server's clock if it was heard already."""
        if key not in self._began:
            self._began[key] = now
            _bound(self._began)

    def accepted(self, key: str, *, places: Collection[str], words: str, now: datetime | None) -> None:
        """The server took it; ``places`` are the names that its conversation goes by."""
        self._began.pop(key, None)
        if now is not None:
            self._accepted.append((frozenset(places), words, now))

    def judge(
        self, key: str, matches: Sequence[Stored], *, places: Collection[str], words: str, now: datetime | None
    ) -> tuple[Verdict, Stored | None]:
        """What became of the send ``key``, given every match in the sessions ``places``, the latest first."""
        free = [match for match in matches if self._claimed.get(match.id, key) == key or not match.id]
        verdict, found = self._weigh(key, free, places=places, words=words, now=now)
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
        self, key: str, matches: Sequence[Stored], *, places: Collection[str], words: str, now: datetime | None
    ) -> tuple[Verdict, Stored | None]:
        if not matches:
            return "absent", None
        times = [match.at for match in matches if match.at is not None]
        if len(times) < len(matches) or (now is not None and max(times) > now + SLACK + timedelta(minutes=1)):
            return "open", None  # without times, or with times of another zone, the old cannot be told from the new
        since = self._began.get(key)
        if since is None:
            newest = matches[0]
            young = now is not None and newest.at is not None and now - newest.at <= JUST_NOW
            return ("arrived", newest) if len(matches) == 1 and newest.latest and young else ("open", None)
        known = [at for where, what, at in self._accepted if what == words and where.intersection(places)]
        surely_since = [match for match, at in zip(matches, times, strict=True) if at >= since]
        if len(surely_since) > sum(at >= since - SLACK for at in known):
            return "arrived", surely_since[0]
        perhaps_since = sum(at >= since - SLACK for at in times)
        if perhaps_since > sum(at >= since for at in known):
            return "open", None
        misread = any(since - ZONES <= at < since - SLACK for at in times)
        return ("open", None) if misread else ("absent", None)

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


def _bound(kept: OrderedDict[str, datetime | None] | OrderedDict[str, str]) -> None:
    while len(kept) > KEPT_MOST:
        kept.popitem(last=False)
