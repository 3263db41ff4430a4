"""Times in a route: ``hours=``, when it works, and ``late=``, what becomes of a message that comes late (pure)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from zoneinfo import ZoneInfo

from bot.route_errors import RouteError, example, quote_word

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WHOLE_DAY = (0, 24 * 60)
_WEEKDAY = re.compile(
    r"(mon(?:day)?|tue(?:s|sday)?|wed(?:nesday)?|thu(?:r|rs|rsday)?|fri(?:day)?|sat(?:urday)?|sun(?:day)?)"
)
_RANGE = re.compile(r"([0-9]{1,2}):([0-9]{2})[-–]([0-9]{1,2}):([0-9]{2})", re.ASCII)
_UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}


@dataclass(frozen=True, slots=True)
class Hours:
    """Times of the week in one zone; a range that crosses midnight belongs to the day on which it begins."""

    windows: tuple[tuple[tuple[int, ...], tuple[int, int]], ...]
    """Weekdays (Monday is 0) and a range in minutes of the day; an end before its start is on the next day."""
    zone: ZoneInfo

    def __str__(self) -> str:
        groups: dict[tuple[int, ...], list[str]] = {}
        for days, (start, end) in self.windows:
            groups.setdefault(days, []).append(f"{_clock(start)}-{_clock(end)}")
        words = [f"{_days_text(days)} {' '.join(ranges)}" for days, ranges in groups.items()]
        return " ".join([*words, self.zone.key])

    def cover(self, at: datetime) -> bool:
        """Whether this moment (aware) is within the hours."""
        local = at.astimezone(self.zone)
        today, minute = local.weekday(), local.hour * 60 + local.minute
        for days, (start, end) in self.windows:
            if start < end:
                if today in days and start <= minute < end:
                    return True
            elif (today in days and minute >= start) or ((today - 1) % 7 in days and minute < end):
                return True
        return False


@dataclass(frozen=True, slots=True)
class Late:
    """What to do with a message that can only be delivered late; ``expire`` has a number of seconds."""

    policy: Literal["deliver", "stamp", "hold", "expire"] = "deliver"
    after_s: int | None = None

    def __str__(self) -> str:
        return self.policy if self.after_s is None else f"{self.policy}:{_duration_text(self.after_s)}"


def parse_hours(text: str, *, zone: str = "UTC") -> Hours:
    """Read ``mon-fri 08:00-12:00 13:00-18:00 sat 09:00-12:00 Europe/Paris``; raises ``RouteError``.

    Without days every day is meant, without times the whole day. ``zone`` is for a text that names none.
    """
    windows: list[tuple[tuple[int, ...], tuple[int, int]]] = []
    days: list[int] = []
    open_days = False
    found_zone: ZoneInfo | None = None
    words = text.replace(",", " ").split()
    for word in words:
        if found_zone is not None:
            raise RouteError(f"hours= goes on with {quote_word(word)} after the time zone, as in {example('hours')}")
        if (some := _read_days(word)) is not None:
            days = [*days, *some] if open_days else some
            open_days = True
        elif word[0].isdigit():
            windows.append((_day_set(days), _read_range(word)))
            open_days = False
        else:
            found_zone = _read_zone(word)
    if open_days:
        windows.append((_day_set(days), _WHOLE_DAY))
    if not windows:
        raise RouteError(f"hours= names no days and no times, as in {example('hours')}")
    return Hours(windows=tuple(dict.fromkeys(windows)), zone=found_zone or _read_zone(zone))


def parse_late(text: str) -> Late:
    """Read ``deliver``, ``stamp``, ``hold`` or ``expire:2h``; raises ``RouteError``."""
    policy, _, duration = text.strip().lower().partition(":")
    match policy:
        case "deliver" | "stamp" | "hold" if not duration:
            return Late(policy)
        case "expire" if (seconds := _read_duration(duration)) is not None:
            return Late("expire", seconds)
    raise RouteError(
        f"late={quote_word(text)} is not one of deliver, stamp, hold, expire:DURATION, as in {example('late')}"
    )


def _read_days(word: str) -> list[int] | None:
    """``mon`` or ``mon-fri`` (``sat-mon`` too) as weekdays; None if the word is something else."""
    ends = word.lower().replace("–", "-").split("-")
    if len(ends) > 2 or not all(_WEEKDAY.fullmatch(end) for end in ends):
        return None
    first, last = _DAYS.index(ends[0][:3]), _DAYS.index(ends[-1][:3])
    return [(first + step) % 7 for step in range((last - first) % 7 + 1)]


def _day_set(days: Sequence[int]) -> tuple[int, ...]:
    return tuple(sorted(set(days))) or tuple(range(7))


def _days_text(days: tuple[int, ...]) -> str:
    if len(days) > 2 and days == tuple(range(days[0], days[-1] + 1)):
        return f"{_DAYS[days[0]]}-{_DAYS[days[-1]]}"
    return ",".join(_DAYS[day] for day in days)


def _read_range(word: str) -> tuple[int, int]:
    found = _RANGE.fullmatch(word)
    if found is not None:
        hours_1, minutes_1, hours_2, minutes_2 = map(int, found.groups())
        start, end = hours_1 * 60 + minutes_1, hours_2 * 60 + minutes_2
        if max(minutes_1, minutes_2) < 60 and start < _WHOLE_DAY[1] and end <= _WHOLE_DAY[1] and start != end:
            return start, end
    raise RouteError(
        f"hours= has {quote_word(word)}, which is no range of times from 00:00 to 24:00, as in {example('hours')}"
    )


def _read_zone(word: str) -> ZoneInfo:
    try:
        return ZoneInfo(word)
    except (KeyError, ValueError, OSError) as error:
        raise RouteError(
            f"hours= has {quote_word(word)}, which is no day, no time and no time zone, as in {example('hours')}"
        ) from error


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def _read_duration(text: str) -> int | None:
    if not re.fullmatch(r"(?:[0-9]{1,6}[dhms])+", text):
        return None
    return sum(int(number) * _UNITS[unit] for number, unit in re.findall(r"([0-9]+)([dhms])", text)) or None


def _duration_text(seconds: int) -> str:
    words = []
    for unit, size in _UNITS.items():
        count, seconds = divmod(seconds, size)
        if count:
            words.append(f"{count}{unit}")
    return "".join(words)
