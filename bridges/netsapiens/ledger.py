"""What is known of our own sends, so that a later look into a session can tell whether one of them arrived.

The server gives a send no id and takes none, so a stored message can only be recognised by its type, its words and its
time. The same words may have been written before, by us or by a person with the same extension: then only their times
and an account of our other sends decide, and where that leaves a doubt, the doubt is what is told. All times here are
by our clock.
"""

from __future__ import annotations

import json
from collections import OrderedDict, deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, TypeAlias

from bridges.signing import fingerprint

Verdict: TypeAlias = Literal["arrived", "absent", "too early", "open"]

SETTLE = timedelta(seconds=5)
"""202 says that a message is on the server's way, not that it is there: it is missed only this long after."""
TICK = timedelta(seconds=1)
"""The server writes whole seconds: a message may be this much younger than its time says."""
SLACK = timedelta(seconds=5)
"""How far the times of two machines of one server may be apart."""
WITHIN = timedelta(seconds=35)
"""A message is written before its request is given up, which is after 30 s; a later one may be anybody's."""
ZONES = timedelta(hours=15)
"""An older message this close may be a younger one, if the zone of the server's times is not the configured one."""
KEPT_MOST = 4096
REMEMBERED_FOR = timedelta(seconds=30)
REMEMBERED_MOST = 64
"""Sends that are still known after a restart: those so short before the latest that their times may be mistaken."""
_MARK = 12


@dataclass(frozen=True, slots=True)
class Stored:
    """A message in the session that has the type and the words of ours, and went out from our side."""

    id: str
    at: datetime | None
    """None: it has no time, or none to be believed."""


@dataclass(frozen=True, slots=True)
class _Sent:
    key: str
    marks: frozenset[str]
    """Of its words, in each of the names that its conversation goes by."""
    began_at: datetime
    answered_at: datetime


class Ledger:
    """Sends that began and sends that were accepted; the latest of these are remembered across restarts."""

    def __init__(self) -> None:
        self._whole_since: datetime | None = None
        """Sends before this are not known; None: all are."""
        self._began: OrderedDict[str, datetime | None] = OrderedDict()
        self._accepted: deque[_Sent] = deque(maxlen=KEPT_MOST)
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
            self._note(_Sent(_mark(key), _marks(places, words), began_at, at))

    def _note(self, sent: _Sent) -> None:
        if len(self._accepted) == KEPT_MOST:
            self._whole_since = self._accepted[0].answered_at
        self._accepted.append(sent)

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
        marks = _marks(places, words)
        known = [sent for sent in self._accepted if sent.marks & marks and sent.key != _mark(key)]
        verdict, found = self._weigh(key, matches, known=known, began_at=began_at)
        if verdict == "arrived" and found is not None and found.at is not None and began_at is not None:
            self._began.pop(key, None)
            self._missed.pop(key, None)
            if all(sent.key != _mark(key) for sent in self._accepted):
                self._note(_Sent(_mark(key), marks, min(began_at, found.at), found.at))
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
        # Where our own sends just before are not known, only what the clocks surely tell apart is new.
        whole = self._whole_since is None or self._whole_since <= since - SLACK
        first = since - TICK if whole else since + SLACK
        fresh = [(at, match) for at, match in unexplained if at > first]
        older = [at for at, _ in unexplained if since - ZONES <= at <= first]
        if fresh:
            at, match = fresh[0]
            alone = all(each < since - SLACK for each in older)
            surely = alone and len(fresh) == 1 and at <= began_at + WITHIN
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

    # Across restarts

    def to_memory(self) -> str:
        """The latest sends; empty: there were none."""
        if not self._accepted:
            return ""
        latest = self._accepted[-1].answered_at
        kept: list[_Sent] = []
        whole_since = latest - REMEMBERED_FOR
        for sent in reversed(self._accepted):
            if sent.answered_at < whole_since:
                break
            if len(kept) == REMEMBERED_MOST:
                whole_since = sent.answered_at
                break
            kept.append(sent)
        kept.reverse()
        rows = [[sent.key, *_written(sent.began_at, sent.answered_at), *sorted(sent.marks)] for sent in kept]
        return json.dumps([*_written(whole_since), *rows], separators=(",", ":"))

    def recall(self, kept: str) -> None:
        """Take what :meth:`to_memory` gave; what makes no sense is left aside."""
        try:
            whole_since, *rows = json.loads(kept)
            since = _read(whole_since)
            sends = [_Sent(str(key), frozenset(map(str, marks)), _read(a), _read(b)) for key, a, b, *marks in rows]
        except (ValueError, TypeError, OverflowError, OSError, RecursionError):
            return
        known = {sent.key for sent in self._accepted}
        if not self._accepted:
            self._whole_since = since
        for sent in sends:
            if sent.key not in known:
                self._note(sent)


def _mark(*parts: str) -> str:
    return fingerprint("sent", *parts)[:_MARK]


def _marks(places: Collection[str], words: str) -> frozenset[str]:
    return frozenset(_mark(place, words) for place in places)


def _written(*times: datetime) -> list[float]:
    return [round(at.timestamp(), 3) for at in times]


def _read(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


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


def _bound(kept: OrderedDict[str, datetime | None]) -> None:
    while len(kept) > KEPT_MOST:
        kept.popitem(last=False)
