"""Quiet hours: a daily window in which schedules deliver nothing. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from bot.recurrence import resolve

_WINDOW = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)\s*[-–]\s*([01]?\d|2[0-3]):([0-5]\d)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Quiet:
    """From one local time to another, which may be of the next day."""

    begin: time
    end: time

    def __str__(self) -> str:
        return f"{self.begin:%H:%M}-{self.end:%H:%M}"


def parse_quiet(text: str) -> Quiet:
    """Read ``22:00-07:00``; raises ``ValueError``."""
    found = _WINDOW.fullmatch(text.strip())
    if found is None:
        raise ValueError("quiet hours are written from-to, such as 22:00-07:00")
    hour, minute, to_hour, to_minute = map(int, found.groups())
    quiet = Quiet(time(hour, minute), time(to_hour, to_minute))
    if quiet.begin == quiet.end:
        raise ValueError("quiet hours end at another time than they begin, such as 22:00-07:00")
    return quiet


def free_at(quiet: Quiet, at: float, zone: ZoneInfo) -> float:
    """The first instant from ``at`` on that is not in quiet hours there; seconds since the epoch."""
    wall = datetime.fromtimestamp(at, UTC).astimezone(zone).replace(tzinfo=None)
    now = wall.time()
    over_night = quiet.begin > quiet.end
    within = (now >= quiet.begin or now < quiet.end) if over_night else quiet.begin <= now < quiet.end
    if not within:
        return at
    day = wall.date() + timedelta(days=1 if over_night and now >= quiet.begin else 0)
    # In an hour that is there twice the end may seem to lie before.
    return max(at, resolve(datetime.combine(day, quiet.end), zone).at)
