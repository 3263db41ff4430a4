"""DATE, and the other words for one day (pure). What they mean is known once zone and time are: :mod:`.meaning`."""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import MAXYEAR, date
from typing import TypeAlias, cast

from bot.recurrence import Weekday
from bot.route_errors import quote_word
from bot.when.errors import Question, WhenError
from bot.when.words import MONTH_NAMES, MONTH_OF, PLURALS, WEEKDAY_OF, Words

LAST_YEAR = 8999


@dataclass(frozen=True, slots=True)
class Shift:
    """So many days from today."""

    days: int
    is_evening: bool = False
    """``tonight``: its time is none of the morning or the afternoon."""
    begin: int = 0
    end: int = 0
    """Where it stands among the words."""


@dataclass(frozen=True, slots=True)
class Dated:
    """A date; without a year the next one. It exists in that year, or in some year."""

    year: int | None
    month: int
    day: int
    weekday: int | None = None
    """What somebody wrote beside it, to be compared."""


@dataclass(frozen=True, slots=True)
class Coming:
    """The next such weekday."""

    weekday: Weekday


@dataclass(frozen=True, slots=True)
class Doubtful:
    """``next friday``: this week's or that of the next. Where it stands among the words, as begin and end."""

    weekday: Weekday
    begin: int
    end: int


Day: TypeAlias = Shift | Dated | Coming | Doubtful

_ORDINAL = re.compile(r"([0-9]{1,2})(?:st|nd|rd|th)?\.?")
_YEAR = re.compile(r"[0-9]{4}")
_CLOCK = re.compile(r"(?:[01][0-9]|2[0-3])[0-5][0-9]")
_FEBRUARY = 2
_FIRST_YEAR = 1960
"""What is less, and looks like a time of day without its colon, is one."""
_FULL = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_NUMERIC = re.compile(r"([0-9]{1,4})([/.-])([0-9]{1,2})(?:\2([0-9]{1,4}))?\.?")
_JOINED = re.compile(r"([0-9]{1,2})(?:-|\.)?([a-z]{3,9})(?:-([0-9]{4}))?")


def read_day(words: Words, *, after_at: bool = False) -> Day | None:
    """Any word for one day if it comes next, else None. Raises ``Question`` and ``WhenError``.

    ``after_at``: an ``at`` was read, so that ``9.12`` is a time.
    """
    begin = words.at
    if words.take("today"):
        return Shift(0, begin=begin, end=words.at)
    if words.take("tomorrow"):
        return Shift(1)
    if words.take_all("the", "day", "after", "tomorrow") or words.take_all("day", "after", "tomorrow"):
        return Shift(2)
    if words.take("next", "this"):
        if words.take("week") and words.peek() not in WEEKDAY_OF:
            words.take("on")
        if (weekday := _weekday(words)) is not None:
            return Doubtful(weekday, begin, words.at)
        words.at = begin
        return None
    words.take("coming")
    weekday = _weekday(words)
    if weekday is None:
        words.at = begin
        return read_date(words, after_at=after_at)
    behind = words.at
    words.take(",")
    if (dated := read_date(words, after_at=True)) is not None:
        return Dated(dated.year, dated.month, dated.day, weekday)
    words.at = behind
    return Coming(weekday)


def read_date(words: Words, *, after_at: bool = False) -> Dated | None:
    """DATE if it comes next, else None. Raises ``Question`` where numbers may mean several, and ``WhenError``."""
    begin, word = words.at, words.peek()
    if found := _FULL.fullmatch(word):
        words.at += 1
        return _dated(int(found[1]), int(found[2]), int(found[3]), written=word)
    if (found := _NUMERIC.fullmatch(word)) and not (after_at and found[2] == "." and found[4] is None):
        words.at += 1
        raise _numeric(words, begin, found)
    if (found := _JOINED.fullmatch(word)) and found[2] in MONTH_OF:
        words.at += 1
        year = int(found[3]) if found[3] else _read_year(words)
        return _dated(year, MONTH_OF[found[2]], int(found[1]), written=_written(words, begin))
    words.take("the")
    month_first = MONTH_OF.get(words.peek().rstrip("."))
    if month_first is not None:
        words.at += 1
        words.take("the")
        if (found := _ORDINAL.fullmatch(words.peek())) is not None:
            words.at += 1
            return _dated(_read_year(words), month_first, int(found[1]), written=_written(words, begin))
    elif (found := _ORDINAL.fullmatch(words.peek())) is not None:
        words.at += 1
        words.take("of")
        month = MONTH_OF.get(words.peek().rstrip("."))
        if month is not None:
            words.at += 1
            return _dated(_read_year(words), month, int(found[1]), written=_written(words, begin))
    words.at = begin
    return None


def longest(month: int) -> int:
    """How many days a month (1–12) has at most."""
    return monthrange(2000, month)[1]


def _weekday(words: Words) -> Weekday | None:
    day = WEEKDAY_OF.get(words.peek().rstrip("."))
    if day is None or words.peek() in PLURALS:
        return None
    words.at += 1
    return cast(Weekday, day)


def _read_year(words: Words) -> int | None:
    """A year behind a day and a month, with or without a comma before it."""
    before = words.at
    words.take(",")
    word = words.peek()
    if _YEAR.fullmatch(word) and not (_CLOCK.fullmatch(word) and int(word) < _FIRST_YEAR):
        words.at += 1
        return int(words.words[words.at - 1])
    words.at = before
    return None


def _written(words: Words, begin: int) -> str:
    return " ".join(words.words[begin : words.at])


def _dated(year: int | None, month: int, day: int, *, written: str) -> Dated:
    if year is not None and year > LAST_YEAR:
        raise WhenError(f"{quote_word(written)} is too far ahead; a date is at most in {LAST_YEAR}, as in 24 dec 18:00")
    if not 1 <= month <= 12:
        raise WhenError(f"{quote_word(written)} is no date: there are 12 months, as in 24 dec")
    if year == 0:
        raise WhenError(f"{quote_word(written)} is no date: there is no year 0, as in 24 dec")
    last = longest(month) if year is None else monthrange(year, month)[1]
    if not 1 <= day <= last:
        name = MONTH_NAMES[month - 1]
        has = f"{name} has" if year is None else f"{name} {year} has"
        at_most = " at most" if year is None and month == _FEBRUARY else ""
        raise WhenError(f"{quote_word(written)} is no date: {has}{at_most} {last} days, as in {last} {name.lower()}")
    return Dated(year, month, day)


def _numeric(words: Words, begin: int, found: re.Match[str]) -> Question | WhenError:
    """Numbers that stand for a date, in whatever order."""
    first, third = found[1], found[4]
    second = found[3]
    if len(first) == 4:
        readings = [(int(first), int(second), int(third or 0))]
    elif third is None:
        readings = [(0, int(first), int(second)), (0, int(second), int(first))]
    elif len(third) % 2:
        readings = []
    else:
        year = int(third) + (2000 if len(third) == 2 else 0)
        readings = [(year, int(first), int(second)), (year, int(second), int(first))]
    choices: dict[str, str] = {}
    for year, month, day in readings:
        if _exists(year, month, day):
            label = f"{day} {MONTH_NAMES[month - 1]}" + (f" {year}" if year else "")
            choices[label] = f"{year}-{month:02d}-{day:02d}" if year else f"{day} {MONTH_NAMES[month - 1].lower()}"
    if found[2] == "." and third is None and int(first) < 24 and len(second) == 2 and int(second) < 60:
        choices[f"{first}:{second}"] = f"{first}:{second}"
    if not choices:
        return WhenError(
            f"{quote_word(words.words[begin])} is no date; write it with the name of the month, as in 24 dec"
        )
    asked = " or ".join(choices)
    return words.ask(
        f"Does {words.words[begin]} mean {asked}? Write the name of the month, as in 24 dec",
        list(choices.items()),
        begin=begin,
    )


def _exists(year: int, month: int, day: int) -> bool:
    if year > LAST_YEAR or year >= MAXYEAR:
        return False
    try:
        date(year or 2000, month, day)
    except ValueError:
        return False
    return True
