"""Rules and instants as they are written (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, time
from zoneinfo import ZoneInfo

from bot.recurrence import (
    Cron,
    Daily,
    Interval,
    MonthDay,
    Monthly,
    Occurrence,
    Once,
    Pattern,
    Rule,
    Weekly,
    Yearly,
)
from bot.when.cron import show_cron, show_names
from bot.when.words import MONTHS, WEEKDAYS, show_duration
from bot.zone_names import local

_NTH = ("first", "second", "third", "fourth", "fifth")
_UNITS = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))


def show_rule(rule: Rule) -> str:
    """Write a rule so that :func:`bot.when.parse_when` reads back the same, in whatever zone it is asked."""
    words = [_show_pattern(rule.pattern)]
    if rule.starting is not None:
        words.append(f"starting {_show_date(rule.starting)}")
    if rule.until is not None:
        words.append(f"until {_show_date(rule.until)}")
    if rule.times is not None:
        words.append(f"{rule.times} times")
    return " ".join([*words, rule.zone])


def instants(found: Iterable[Occurrence], *, zone: str, now: float) -> list[str]:
    """Occurrences as people read them: ``Thu 2026-12-24 18:00 Europe/Paris, in 3 days``, and what a gap moved."""
    return [instant(each, zone=zone, now=now) for each in found]


def instant(occurrence: Occurrence, *, zone: str, now: float) -> str:
    """One occurrence, as in :func:`instants`."""
    shown = f"{local(occurrence.at, ZoneInfo(zone))}, {ahead(occurrence.at - now)}"
    if occurrence.meant is None:
        return shown
    return f"{shown} ({show_time(occurrence.meant.time())} does not exist on that day)"


def ahead(seconds: float) -> str:
    """How far ahead, in two units at most: ``in 3 days``, ``in 2 hours 30 minutes``; ``3 days ago`` if it is past."""
    whole = _rounded(abs(round(seconds)))
    if not whole:
        return "now"
    parts = []
    for size, unit in _UNITS:
        count, whole = divmod(whole, size)
        if count:
            parts.append(f"{count} {unit}{'s' if count > 1 else ''}")
    return f"in {' '.join(parts)}" if seconds > 0 else f"{' '.join(parts)} ago"


def _rounded(seconds: int) -> int:
    """To what one wants to know: days from a week on, hours from a day on, minutes from two on."""
    for least, size in ((7 * 86_400, 86_400), (86_400, 3_600), (120, 60)):
        if seconds >= least:
            return (seconds + size // 2) // size * size
    return seconds


def show_time(at: time) -> str:
    """A time of day: ``09:30``, with seconds only if they are not zero."""
    return f"{at:%H:%M:%S}" if at.second else f"{at:%H:%M}"


def _show_date(day: date) -> str:
    return f"{day.year:04d}-{day.month:02d}-{day.day:02d}"


def _show_pattern(pattern: Pattern) -> str:
    match pattern:
        case Once(at=at):
            return f"at {_show_date(at.date())} {show_time(at.time())}"
        case Daily(at=at, every=every):
            return f"every {_count(every, 'day')} at {show_time(at)}"
        case Weekly(at=at, days=days, every=1):
            return f"every {show_names(days)} at {show_time(at)}"
        case Weekly(at=at, days=days, every=every):
            return f"every {_count(every, 'week')} on {show_names(days)} at {show_time(at)}"
        case Monthly(at=at, days=month_days, every=every):
            return f"every {_count(every, 'month')} on the {_show_month_days(month_days)} at {show_time(at)}"
        case Yearly(at=at, month=month, day=day):
            return f"every year on {day} {MONTHS[month - 1]} at {show_time(at)}"
        case Interval(seconds=seconds):
            # Whole days in hours: "every 2 days" would be two days on the calendar, with a time.
            return f"every {show_duration(seconds) if seconds % 86_400 else f'{seconds // 3_600}h'}"
        case Cron():
            return f"cron {show_cron(pattern)}"


def _count(every: int, unit: str) -> str:
    return unit if every == 1 else f"{every} {unit}s"


def _show_month_days(days: Sequence[MonthDay]) -> str:
    return ",".join(_show_month_day(day) for day in days)


def _show_month_day(day: MonthDay) -> str:
    if day.weekday is not None:
        return f"{'last' if day.nth == -1 else _NTH[day.nth - 1]} {WEEKDAYS[day.weekday]}"
    if day.nth == -1:
        return "last day"
    ending = "th" if 11 <= day.nth <= 13 else {1: "st", 2: "nd", 3: "rd"}.get(day.nth % 10, "th")
    return f"{day.nth}{ending}"
