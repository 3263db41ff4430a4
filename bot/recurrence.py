"""When a schedule fires: rules, and the instants that they mean. Pure: no clock, no I/O.

A rule is wall-clock time in a zone, or elapsed time. What a clock does twice a year is decided here and nowhere else:
a local time that does not exist is the first valid instant after the gap, one that exists twice is its first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Literal, TypeAlias

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


def occurrences(rule: Rule, *, made_at: float, after: float | None = None) -> Iterator[Occurrence]:
    """All instants of a rule in order, each once, later than ``after`` (default: ``made_at``).

    ``made_at``: when the schedule was made, seconds since the epoch; nothing at or before it counts. Intervals, ``every
    2 …`` and ``times`` count from there, or from the ``starting`` day: so the same rule and ``made_at`` give the same
    instants whatever ``after`` is.
    """
    raise NotImplementedError
