"""When a schedule fires: rules, and the instants that they mean. Pure: no clock, no I/O.

A rule is wall-clock time in a zone, or elapsed time. What a clock does twice a year is decided here and nowhere else:
a local time that does not exist is the first valid instant after the gap, one that exists twice is its first.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from itertools import dropwhile, islice, takewhile
from typing import Literal, TypeAlias, cast
from zoneinfo import ZoneInfo

Weekday: TypeAlias = Literal[0, 1, 2, 3, 4, 5, 6]
"""Monday is 0, as in :meth:`datetime.date.weekday`."""


@dataclass(frozen=True, slots=True)
class Once:
    """At one local time."""

    at: datetime
    """Naive, whole seconds."""


@dataclass(frozen=True, slots=True)
class Daily:
    """Every ``every`` days. More than 1 counts from the first occurrence to come."""

    at: time
    every: int = 1


@dataclass(frozen=True, slots=True)
class Weekly:
    """On weekdays of every ``every``-th week; weeks begin on Monday. That of the first occurrence is week 0."""

    at: time
    days: tuple[Weekday, ...]
    """Ascending, each once, at least one."""
    every: int = 1


@dataclass(frozen=True, slots=True)
class MonthDay:
    """A day of a month. ``weekday`` None: the ``nth`` day (1–31, -1 is the last); else the ``nth`` such weekday (1–5,
    -1 is the last). A month without it is left out."""

    nth: int
    weekday: Weekday | None = None


@dataclass(frozen=True, slots=True)
class Monthly:
    """On days of every ``every``-th month. More than 1 counts from the month of the first occurrence to come."""

    at: time
    days: tuple[MonthDay, ...]
    every: int = 1


@dataclass(frozen=True, slots=True)
class Yearly:
    """On one day of every year; 29 February in leap years only."""

    at: time
    month: int
    day: int


@dataclass(frozen=True, slots=True)
class Interval:
    """Every so many seconds of elapsed time, from the instant at which the schedule was made."""

    seconds: int


@dataclass(frozen=True, slots=True)
class Cron:
    """Five fields, as sets of numbers. ``weekdays``: Monday is 0 here, whatever was written. Where both days are
    restricted either counts, as in crontab(5)."""

    minutes: frozenset[int]
    hours: frozenset[int]
    month_days: frozenset[int] | None
    """None: not restricted (``*``)."""
    months: frozenset[int]
    weekdays: frozenset[int] | None
    written: str = ""
    """The five fields, in the form in which they are shown."""


Pattern: TypeAlias = Once | Daily | Weekly | Monthly | Yearly | Interval | Cron


@dataclass(frozen=True, slots=True)
class Rule:
    """A whole rule: what WHEN says."""

    pattern: Pattern
    zone: str
    """An IANA name, or ``UTC``."""
    starting: date | None = None
    until: date | None = None
    """That day included."""
    times: int | None = None


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One instant that a rule means."""

    at: float
    """Seconds since the epoch, whole."""
    meant: datetime | None = None
    """The local time (naive) that was meant, where it does not exist on that day; else None."""


def occurrences(
    rule: Rule, *, made_at: float, after: float | None = None, end: float | None = None
) -> Iterator[Occurrence]:
    """All instants of a rule in order, each once, later than ``after`` (default: ``made_at``).

    ``made_at``: when the schedule was made, seconds since the epoch; nothing at or before it counts. Intervals, ``every
    2 …`` and ``times`` count from there, or from the ``starting`` day: so the same rule and ``made_at`` give the same
    instants whatever ``after`` is. ``end``: what :func:`last_at` gave for them, if that is known: ``times`` are not
    counted again then.

    ``starting`` and ``until`` are compared with the day that is meant, also where a gap moves its instant to the next.
    Where several local times fall on one instant it is that of the one which exists, else of the first. An interval
    with a ``starting`` day counts from the beginning of that day, which is its first instant if it is to come. The
    calendar ends with 9999. Raises ``ZoneInfoNotFoundError`` for a zone that is not known.
    """
    floor = _whole(made_at if after is None else max(after, made_at))
    zone = zone_named(rule.zone)
    if isinstance(rule.pattern, Interval):
        steps = _steps(rule, rule.pattern, zone, made_at)
        return (Occurrence(float(at)) for at in steps[_index_after(steps, floor) :])
    if rule.times is None:
        return _endless(rule, zone, made_at, floor)
    if end is None and floor <= made_at:
        return islice(_endless(rule, zone, made_at, floor), rule.times)
    bound = _bound(rule, zone, made_at, end)
    if bound is None or bound <= floor:
        return iter(())
    return takewhile(lambda occurrence: occurrence.at <= bound, _endless(rule, zone, made_at, floor))


def next_occurrence(rule: Rule, *, made_at: float, after: float, end: float | None = None) -> Occurrence | None:
    """The first occurrence later than ``after``; None: nothing is to come. Arguments as in :func:`occurrences`."""
    return next(occurrences(rule, made_at=made_at, after=after, end=end), None)


def latest(
    rule: Rule, *, made_at: float, after: float, upto: float, end: float | None = None
) -> tuple[int, Occurrence | None]:
    """How many occurrences are later than ``after`` and not later than ``upto``, and the last of them.

    Quick for any stretch of time: intervals are counted by arithmetic, everything else by days. ``end`` as in
    :func:`occurrences`.
    """
    floor, ceiling = _whole(max(after, made_at)), _whole(upto)
    zone = zone_named(rule.zone)
    if isinstance(rule.pattern, Interval):
        steps = _steps(rule, rule.pattern, zone, made_at)
        found = steps[_index_after(steps, floor) : _index_after(steps, ceiling)]
        return len(found), Occurrence(float(found[-1])) if found else None
    if rule.times is not None:
        bound = _bound(rule, zone, made_at, end)
        if bound is None:
            return 0, None
        ceiling = min(ceiling, int(bound))
    return _tally(rule.pattern, _days(rule, zone, made_at, floor), zone, floor, ceiling)


def last_at(rule: Rule, *, made_at: float) -> float | None:
    """The last instant of a rule that has an end (``until``, ``times``, once); None if it has none, or no instant."""
    zone = zone_named(rule.zone)
    if isinstance(rule.pattern, Interval):
        steps = _steps(rule, rule.pattern, zone, made_at)
        return float(steps[-1]) if steps and (rule.until is not None or rule.times is not None) else None
    if rule.times is not None:
        return _last_counted(rule, zone, made_at)
    if isinstance(rule.pattern, Once):
        return next((occurrence.at for occurrence in occurrences(rule, made_at=made_at)), None)
    if rule.until is None:
        return None
    end = (rule.until.toordinal() - _EPOCH_DAY + 3) * _DAY
    span = 4 * _DAY
    while True:
        _, found = latest(rule, made_at=made_at, after=end - span, upto=end)
        if found is not None or end - span <= made_at:
            return None if found is None else found.at
        span *= 8


def resolve(local: datetime, zone: ZoneInfo) -> Occurrence:
    """The instant that a local time (naive, whole seconds) means in a zone.

    One that does not exist is the first valid instant after the gap, and ``meant`` tells; one that exists twice is its
    first. Later is never earlier: two local times in order give instants in order, or the same.
    """
    since = local - _EPOCH
    before = cast(timedelta, zone.utcoffset(local.replace(fold=0)))
    behind = cast(timedelta, zone.utcoffset(local.replace(fold=1)))
    if behind <= before:
        return Occurrence((since - before).total_seconds())
    return Occurrence(_end_of_gap(local, zone, since - behind, since - before), meant=local)


@lru_cache(maxsize=1024)
def zone_named(name: str) -> ZoneInfo:
    """A zone by its name, read once: ``ZoneInfo`` itself keeps but eight. Raises ``ZoneInfoNotFoundError``."""
    return ZoneInfo(name)


_EPOCH = datetime(1970, 1, 1)
_EPOCH_DAY = _EPOCH.toordinal()
_DAY = 86_400
_SECOND = timedelta(seconds=1)
_LAST_DAY = date(9999, 12, 29).toordinal()
"""The last day whose every instant can be written as a date in every zone."""
_END = (_LAST_DAY + 2 - _EPOCH_DAY) * _DAY
"""Later than that day in every zone."""
_MOVED = 3 * 3_600
"""Seconds by which an instant is moved at most where a country sets its clocks in another way than was known."""
_LONGEST = (0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
"""How many days a month (1–12) has at most."""

_Calendar: TypeAlias = Once | Daily | Weekly | Monthly | Yearly | Cron
"""Patterns that are days, with times on each of them: everything but elapsed time."""


def _end_of_gap(local: datetime, zone: ZoneInfo, low: timedelta, high: timedelta) -> float:
    """The first second whose local time is later than ``local``, which a gap holds: not at ``low``, but at ``high``
    (both since the epoch, in UTC)."""
    lower, upper = low // _SECOND, high // _SECOND
    while upper - lower > 1:
        middle = (lower + upper) // 2
        utc = (_EPOCH + timedelta(seconds=middle)).replace(tzinfo=zone)
        if zone.fromutc(utc).replace(tzinfo=None) > local:
            upper = middle
        else:
            lower = middle
    return float(upper)


def _whole(instant: float) -> int:
    """The last whole second not later than an instant, within the calendar."""
    return math.floor(min(max(instant, -float(_EPOCH_DAY * _DAY)), _END))


def _steps(rule: Rule, pattern: Interval, zone: ZoneInfo, made_at: float) -> range:
    """All instants of an interval."""
    step, floor = pattern.seconds, _whole(made_at)
    first = floor + step
    if rule.starting is not None:
        origin = int(_beginning(rule.starting, zone))
        first = origin + max(0, (floor - origin) // step + 1) * step
    end = _END
    if rule.until is not None and rule.until.toordinal() < _LAST_DAY:
        end = int(_beginning(rule.until + timedelta(days=1), zone))
    steps = range(first, end, step)
    return steps if rule.times is None else steps[: rule.times]


def _beginning(day: date, zone: ZoneInfo) -> float:
    return resolve(datetime.combine(day, time()), zone).at


def _index_after(steps: range, instant: int) -> int:
    """The index of the first step that is later than an instant."""
    return max(0, (instant - steps.start) // steps.step + 1)


def _bound(rule: Rule, zone: ZoneInfo, made_at: float, end: float | None) -> float | None:
    """Later than a rule with ``times`` has nothing; None if it has no instant. ``end``: its last one, if known."""
    assert not isinstance(rule.pattern, Interval)
    if end is None:
        return _last_counted(rule, zone, made_at)
    # Where clocks are set has perhaps been decided anew since the end was worked out: it moves by an hour, and with one
    # time a day nothing else is so near.
    return end + _MOVED if len(_clock(rule.pattern)) == 1 else end


def _last_counted(rule: Rule, zone: ZoneInfo, made_at: float) -> float | None:
    """The last instant of a calendar rule with ``times``; None if it has no instant."""
    assert not isinstance(rule.pattern, Interval)
    floor = _whole(made_at)
    _, last = _tally(rule.pattern, _days(rule, zone, made_at, floor), zone, floor, _END, most=rule.times)
    return None if last is None else last.at


def _endless(rule: Rule, zone: ZoneInfo, made_at: float, floor: int) -> Iterator[Occurrence]:
    """The occurrences of a calendar rule later than ``floor``, ``times`` aside."""
    assert not isinstance(rule.pattern, Interval)
    clock = _clock(rule.pattern)
    held: Occurrence | None = None
    for day in _days(rule, zone, made_at, floor):
        for at in clock[_passed(day, clock, zone, floor) :]:
            occurrence = _on(day, at, zone)
            if held is not None and held.at != occurrence.at:
                yield held
                held = None
            if occurrence.meant is None:
                yield occurrence
                held = None
            elif held is None:
                # What a gap moves may meet another local time there; what exists meets nothing later.
                held = occurrence
    if held is not None:
        yield held


def _passed(day: int, clock: tuple[time, ...], zone: ZoneInfo, floor: int) -> int:
    """How many times of a day are not later than ``floor``."""
    if (day - _EPOCH_DAY - 1) * _DAY > floor:
        return 0
    return bisect_right(clock, floor, key=lambda at: int(_on(day, at, zone).at))


def _tally(
    pattern: _Calendar, days: Iterator[int], zone: ZoneInfo, floor: int, ceiling: int, *, most: int | None = None
) -> tuple[int, Occurrence | None]:
    """How many occurrences are in ``(floor, ceiling]``, of these the first ``most``, and the last. Days on which the
    clock runs evenly, and which are wholly in it, are counted without a look at each of their times."""
    clock = _clock(pattern)
    count, last = 0, None
    whole: int | None = None
    for day in days:
        if count == most:
            break
        fits = most is None or count + len(clock) <= most
        if fits and _is_within(day, clock, zone, floor, ceiling) and _even(day, zone):
            # Only what a gap moved on the day before may be met again; days that run evenly share nothing.
            count += len(clock) - (last is not None and last.at == _on(day, clock[0], zone).at)
            whole, last = day, None
            continue
        if whole is not None:
            last, whole = _on(whole, clock[-1], zone), None
        for at in clock[_passed(day, clock, zone, floor) :]:
            occurrence = _on(day, at, zone)
            if occurrence.at > ceiling or count == most:
                return count, last
            if last is None or last.at != occurrence.at:
                count, last = count + 1, occurrence
            elif occurrence.meant is None:
                last = occurrence
    return count, last if whole is None else _on(whole, clock[-1], zone)


def _is_within(day: int, clock: tuple[time, ...], zone: ZoneInfo, floor: int, ceiling: int) -> bool:
    """Whether all times of a day are in ``(floor, ceiling]``."""
    begins = (day - _EPOCH_DAY) * _DAY
    if floor < begins - _DAY and begins + 3 * _DAY <= ceiling:
        return True
    return floor < _on(day, clock[0], zone).at and _on(day, clock[-1], zone).at <= ceiling


def _even(day: int, zone: ZoneInfo) -> bool:
    """Whether the clock is not put forward or back on a day, nor where it meets the days beside it."""
    begins, ends = datetime.fromordinal(day), datetime.fromordinal(day + 1)
    offset = zone.utcoffset(begins)
    return (
        offset == zone.utcoffset(ends)
        and offset == zone.utcoffset(ends.replace(fold=1))
        and offset == zone.utcoffset(begins.replace(fold=1))
    )


def _on(day: int, at: time, zone: ZoneInfo) -> Occurrence:
    return resolve(datetime.combine(date.fromordinal(day), at), zone)


def _clock(pattern: _Calendar) -> tuple[time, ...]:
    """The times of a day of a pattern, ascending."""
    if isinstance(pattern, Once):
        return (pattern.at.time(),)
    if isinstance(pattern, Cron):
        return _minutes(pattern.hours, pattern.minutes)
    return (pattern.at,)


@lru_cache(maxsize=256)
def _minutes(hours: frozenset[int], minutes: frozenset[int]) -> tuple[time, ...]:
    return tuple(time(hour, minute) for hour in sorted(hours) for minute in sorted(minutes))


def _days(rule: Rule, zone: ZoneInfo, made_at: float, floor: int) -> Iterator[int]:
    """The days (ordinals, ascending) of a calendar rule, from not later than the first with an instant after ``floor``.

    A zone is less than a day from UTC, and a gap moves an instant by a day at most.
    """
    pattern = rule.pattern
    assert not isinstance(pattern, Interval)
    first = _day_before(floor)
    last = _LAST_DAY
    if rule.starting is not None:
        first = max(first, rule.starting.toordinal())
    if rule.until is not None:
        last = min(last, rule.until.toordinal())
    every = pattern.every if isinstance(pattern, Daily | Weekly | Monthly) else 1
    if every == 1:
        return _matching(pattern, 1, first, first, last)
    origin = _origin(rule, pattern, zone, made_at)
    return iter(()) if origin is None else _matching(pattern, every, origin, first, last)


def _day_before(instant: int) -> int:
    return max(1, instant // _DAY + _EPOCH_DAY - 2)


def _origin(rule: Rule, pattern: _Calendar, zone: ZoneInfo, made_at: float) -> int | None:
    """The day from which ``every 2 …`` counts: that of the first occurrence to come, or on or after ``starting``."""
    if rule.starting is not None:
        first = rule.starting.toordinal()
        return next(_matching(pattern, 1, first, first, _LAST_DAY), None)
    first = _day_before(_whole(made_at))
    (at,) = _clock(pattern)
    days = _matching(pattern, 1, first, first, _LAST_DAY)
    return next((day for day in days if _on(day, at, zone).at > made_at), None)


def _matching(pattern: _Calendar, every: int, origin: int, first: int, last: int) -> Iterator[int]:
    """The days of a pattern from ``first`` to ``last``, ascending; the day, week or month of ``origin`` is number 0."""
    match pattern:
        case Once(at):
            day = at.toordinal()
            return iter((day,) if first <= day <= last else ())
        case Daily():
            return iter(range(first + (origin - first) % every, last + 1, every))
        case Weekly(days=weekdays):
            days = _weekly(weekdays, every, origin, first, last)
        case Monthly(days=month_days):
            days = _monthly(month_days, every, origin, first, last)
        case Yearly():
            days = _yearly(pattern, first, last)
        case Cron():
            days = _cron(pattern, first, last)
    return takewhile(lambda day: day <= last, dropwhile(lambda day: day < first, days))


def _weekly(weekdays: tuple[Weekday, ...], every: int, origin: int, first: int, last: int) -> Iterator[int]:
    step = 7 * every
    monday = origin - (origin + 6) % 7
    for week in range(monday + (first - monday) // step * step, last + 1, step):
        for weekday in weekdays:
            yield week + weekday


def _monthly(days: tuple[MonthDay, ...], every: int, origin: int, first: int, last: int) -> Iterator[int]:
    begins = _month_number(origin)
    begins += (_month_number(first) - begins) // every * every
    for number in range(begins, _month_number(last) + 1, every):
        yield from sorted({day for month_day in days if (day := _day_of(number, month_day)) is not None})


def _month_number(day: int) -> int:
    """Months since the year 0."""
    found = date.fromordinal(day)
    return found.year * 12 + found.month - 1


def _day_of(number: int, wanted: MonthDay) -> int | None:
    """The day (ordinal) of a month; None if the month is without it."""
    year, month = divmod(number, 12)
    begins, length = date(year, month + 1, 1).toordinal(), monthrange(year, month + 1)[1]
    if wanted.weekday is None:
        offset = length - 1 if wanted.nth == -1 else wanted.nth - 1
    elif wanted.nth == -1:
        offset = length - 1 - (begins + length - 1 + 6 - wanted.weekday) % 7
    else:
        offset = (wanted.weekday - begins - 6) % 7 + 7 * (wanted.nth - 1)
    return begins + offset if offset < length else None


def _yearly(pattern: Yearly, first: int, last: int) -> Iterator[int]:
    for year in range(date.fromordinal(first).year, date.fromordinal(last).year + 1):
        if pattern.day <= monthrange(year, pattern.month)[1]:
            yield date(year, pattern.month, pattern.day).toordinal()


def _cron(pattern: Cron, first: int, last: int) -> Iterator[int]:
    if not _ever(pattern):
        return
    for number in range(_month_number(first), _month_number(last) + 1):
        year, month = divmod(number, 12)
        if month + 1 in pattern.months:
            begins, length = date(year, month + 1, 1).toordinal(), monthrange(year, month + 1)[1]
            for offset in range(length):
                if _cron_day(pattern, offset + 1, (begins + offset + 6) % 7):
                    yield begins + offset


def _ever(pattern: Cron) -> bool:
    """Whether there is a day for it: ``30 2`` as day and month has none in all years."""
    if pattern.month_days is None or pattern.weekdays is not None:
        return True
    return any(day <= _LONGEST[month] for month in pattern.months for day in pattern.month_days)


def _cron_day(pattern: Cron, day: int, weekday: int) -> bool:
    if pattern.month_days is None:
        return pattern.weekdays is None or weekday in pattern.weekdays
    return day in pattern.month_days or (pattern.weekdays is not None and weekday in pattern.weekdays)
