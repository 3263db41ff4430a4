"""What was seen of each channel, and what is new in it: the cursor of polling."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from bridges.api import RECEIVED_AT, Hook
from bridges.errors import BridgeError, Garbled
from bridges.responses import parse_json
from bridges.returning_ai import wire
from bridges.returning_ai.inbound import GAP, POLLED, SKIPPED
from bridges.returning_ai.settings import is_id
from bridges.signing import fingerprint

Item = Mapping[str, Any]

LATE = timedelta(seconds=60)
"""A message may be listed so much later than one with a younger time."""
FURTHEST = timedelta(days=1)
"""How much older than the newest message that was seen anywhere those of a channel may be that turns up."""
GONE_MOST = 100
"""Channels that are not listed at present and whose place is kept for when they come back."""
CHANNELS_MOST = 20
"""Channels in one look; the others have their turn at the next."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of a channel: the time of its newest message, and the messages near it, so that none comes twice.

    None: it was empty.
    """

    at: datetime | None
    ids: frozenset[str]
    turned_up: bool = False
    """The channel was not there before: ``at`` is the earliest that can be new."""

    def has(self, item: Item) -> bool:
        """Whether the message was there at that look."""
        at = _time(item)
        if at is None or self.at is None:
            return _mark(item) in self.ids
        return _mark(item) in self.ids or at < self.at - LATE

    def reached_by(self, page: Sequence[Item], *, asked: int) -> bool:
        """Whether a page goes back to what was seen, so that nothing lies between."""
        if (self.at is None or self.turned_up) and len(page) < asked:
            return True
        return not page or any(self.has(item) for item in page)


NOTHING = Seen(None, frozenset())


@dataclass(frozen=True, slots=True)
class Page:
    """What "Get Messages" listed of a channel."""

    items: Sequence[Item]
    at: datetime
    """When, by the server's clock, to the second; by ours where its answer told no time."""
    ahead: timedelta | None
    """How far the server's clock is ahead of ours, about; None where its answer told no time."""

    @classmethod
    def of(cls, items: Sequence[Item], response: httpx.Response) -> Page:
        """The page of an answer."""
        heard = heard_at(response)
        told = date_of(response)
        if told is not None and abs(told - heard) > FURTHEST:
            told = None  # no clock at all
        return cls(items, told or heard, None if told is None else told - heard)


def heard_at(response: httpx.Response) -> datetime:
    """When the answer came, by our clock."""
    at: datetime = response.extensions[RECEIVED_AT]
    return at


def date_of(response: httpx.Response) -> datetime | None:
    """The ``Date`` of an answer (RFC 9110, 6.6.1): the server's clock, to the second; None where it tells none."""
    try:
        at = parsedate_to_datetime(response.headers.get("date", ""))
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def seen_in(page: Sequence[Item], *, before: Seen = NOTHING) -> Seen:
    """What is seen after this page."""
    times = [at for item in page if (at := _time(item)) is not None]
    known = [before.at] if before.at and not before.turned_up else []
    newest = max([*times, *known], default=None)
    near = {_mark(item) for item in page if (at := _time(item)) is None or newest is None or at >= newest - LATE}
    return Seen(newest, frozenset(near) if page else before.ids)


@dataclass(frozen=True, slots=True)
class Cursor:
    """What was seen of each channel, and the channel that was looked at last."""

    channels: Mapping[str, Seen]
    after: str = ""
    made: datetime | None = None
    """When the first look of all was, by the server's clock: what is older is past, wherever it was written."""
    skipped: frozenset[str] = frozenset()
    """Channels that could not be read when it was their turn, while others could."""

    @property
    def newest(self) -> datetime | None:
        """No message that is older can be new in a channel that turns up later."""
        return max((seen.at for seen in self.channels.values() if seen.at), default=None)

    def order(self, channels: Sequence[str]) -> Sequence[str]:
        """The channels of the next look, beginning after the last one."""
        start = channels.index(self.after) + 1 if self.after in channels else 0
        return [*channels[start:], *channels[:start]][:CHANNELS_MOST]

    def seen_of(self, channel: str) -> Seen | None:
        """What was seen of a channel; None where all that is in it is past."""
        if channel in self.channels:
            return self.channels[channel]
        since = self.made or self.newest
        if since is None:
            return None
        if self.newest is not None:
            # One that was hidden until today must not pour out a year.
            since = max(since, self.newest - FURTHEST)
        return Seen(since + LATE, frozenset(), turned_up=True)

    def after_look(
        self,
        looked: Mapping[str, Seen],
        *,
        listed: Sequence[str],
        after: str,
        made: datetime | None,
        skipped: frozenset[str],
    ) -> Cursor:
        """The cursor once these channels were looked at. It stays small: few that are not listed any more are kept."""
        channels = {**self.channels, **looked}
        there = frozenset(listed)
        for gone in [channel for channel in channels if channel not in there][:-GONE_MOST]:
            del channels[gone]
        return Cursor(channels, after, self.made or made, skipped & there)

    def to_text(self) -> str:
        """As it is kept."""
        channels = {
            channel: {"at": seen.at.isoformat() if seen.at else None, "ids": sorted(seen.ids)}
            for channel, seen in self.channels.items()
        }
        kept: dict[str, object] = {"after": self.after, "channels": channels}
        if self.made is not None:
            kept["made"] = self.made.isoformat()
        if self.skipped:
            kept["skipped"] = sorted(self.skipped)
        return json.dumps(kept, separators=(",", ":"))

    @classmethod
    def from_text(cls, text: str) -> Cursor:
        """The cursor kept; one that makes no sense is that of a first look."""
        try:
            kept = parse_json(text)
        except Garbled:
            return cls({})
        listed = kept.get("channels") if isinstance(kept, dict) else None
        if not isinstance(listed, dict):
            return cls({})
        channels = {
            channel: Seen(wire.time_of(seen.get("at")), frozenset(filter(_is_text, seen.get("ids") or ())))
            for channel, seen in listed.items()
            if is_id(channel) and isinstance(seen, dict) and isinstance(seen.get("ids") or [], list)
        }
        skipped = kept.get("skipped")
        return cls(
            channels,
            kept["after"] if _is_text(kept.get("after")) else "",
            wire.time_of(kept.get("made")),
            frozenset(filter(_is_text, skipped if isinstance(skipped, list) else ())),
        )


def hooks_of(items: Sequence[Item], *, channel: str) -> list[Hook]:
    """The messages as hooks, the oldest first."""
    ordered = sorted(items, key=lambda item: _time(item) or datetime.max.replace(tzinfo=UTC))
    return [Hook(body=json.dumps(item).encode(), path=POLLED + channel) for item in ordered]


def gap_hook(page: Sequence[Item], *, channel: str, seen: Seen) -> Hook:
    """The hook that says that there may be messages between what was seen and this page."""
    until = min((at for item in page if (at := _time(item)) is not None), default=None)
    since = seen.at - LATE if seen.at and seen.turned_up else seen.at
    body = {"from": since.isoformat() if since else None, "to": until.isoformat() if until else None}
    return Hook(body=json.dumps(body).encode(), path=GAP + channel)


def skip_hook(channel: str, error: BridgeError) -> Hook:
    """The hook that says that a channel cannot be read, while others can."""
    return Hook(body=json.dumps({"error": str(error)}).encode(), path=SKIPPED + channel)


def _mark(item: Item) -> str:
    id = wire.word(item.get("id"))
    return id if id else fingerprint(json.dumps(item, sort_keys=True))


def _time(item: Item) -> datetime | None:
    return wire.time_of(item.get("timestamp"))


def _is_text(value: object) -> bool:
    return isinstance(value, str)
