"""What comes first in WHEN: once or recurring, by which words (pure). Zone and tails follow in :mod:`.meaning`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import time
from typing import TypeAlias, cast

from bot.recurrence import Daily, Interval, MonthDay, Monthly, Pattern, Weekday, Weekly, Yearly
from bot.route_errors import quote_word
from bot.when.cron import EXAMPLE as CRON_EXAMPLE
from bot.when.cron import SHORTHANDS, read_cron, show_names
from bot.when.days import Day, Shift, read_date, read_day
from bot.when.errors import WhenError
from bot.when.words import (
    UNITS,
    USUAL_TIMES,
    WEEKDAY_OF,
    WEEKDAYS,
    Words,
    not_understood,
    read_duration,
    read_fraction,
    read_time,
    read_weekdays,
    show_duration,
    split_words,
)


@dataclass(frozen=True, slots=True)
class After:
    """So many seconds from now, once."""

    seconds: int


@dataclass(frozen=True, slots=True)
class Moment:
    """A time of a day, once; the next such time without a day."""

    day: Day | None
    at: time


Said: TypeAlias = Pattern | After | Moment

SHORTEST_INTERVAL = 10
_MOST = 1_000
"""Of ``every N``."""
_UNITS = ("day", "week", "month", "year", "hour", "minute", "second")
_NTH = {"first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5}
_ORDINAL = re.compile(r"([0-9]{1,2})(?:st|nd|rd|th)?")
_REAL_ORDINAL = re.compile(r"[0-9]{1,2}(?:st|nd|rd|th)")
_ONE_WORD = {
    "daily": "day",
    "weekly": "week",
    "monthly": "month",
    "yearly": "year",
    "annually": "year",
    "hourly": "hour",
}
_EVENINGS = ("19:00", "20:00", "21:00", "22:00")
_OFFERED_DAYS = (("Mondays", "on mon"), ("Tuesdays", "on tue"), ("Wednesdays", "on wed"), ("Thursdays", "on thu"),
                 ("Fridays", "on fri"), ("Saturdays", "on sat"), ("Sundays", "on sun"))  # fmt: skip
_OFFERED_MONTH_DAYS = (("the 1st", "on the 1st"), ("the 15th", "on the 15th"), ("the last day", "on the last day"),
                       ("the first Monday", "on the first mon"))  # fmt: skip


def read_said(words: Words) -> Said:
    """What the words say up to tails and zone. Raises ``Question`` and ``WhenError``."""
    first = words.peek()
    if first == "cron" or first in SHORTHANDS:
        return _read_cron(words)
    if _looks_like_cron(words):
        raise words.ask(
            f"Are these the fields of cron? Then the word stands before them, as in {CRON_EXAMPLE}",
            [("cron", f"cron {words.peek()}")],
            begin=0,
            end=1,
        )
    if not first[0].isalnum():
        raise not_understood(words)
    if words.take("in"):
        return _read_after(words)
    begin = words.at
    early = _early_time(words)
    if early is not None:
        words.take(",")
    if (recurring := _read_recurring(words, early)) is not None:
        return recurring
    if early is not None:
        said_on = words.take("on")
        day = _tonight(words) or read_day(words, after_at=True)
        if said_on and day is None:
            raise _no_moment(words, early)
        return Moment(day, early)
    words.at = begin
    return _read_moment(words)


# --- once ------------------------------------------------------------------------------------------------


def _early_time(words: Words) -> time | None:
    """A time that stands first, ``[at] TIME``; nothing is read if there is none."""
    begin = words.at
    words.take("at")
    after_at = words.at > begin
    behind = words.at
    if read_day(words, after_at=after_at) is not None:
        words.at = begin
        return None
    words.at = behind
    found = read_time(words)
    if found is None:
        words.at = begin
    return found


def _read_after(words: Words) -> After:
    begin = words.at
    parts = read_duration(words)
    if not parts:
        raise _no_duration(words, begin, "in")
    if sum(parts) == 0:
        raise WhenError("in 0 is now, and a schedule is for later, for example in 5m")
    if words.peek() == "at":
        raise WhenError(
            "what comes after in is counted from now, so no time of day can follow; name the day instead,"
            " as in tomorrow at 9:00"
        )
    return After(sum(parts))


def _no_duration(words: Words, begin: int, lead: str) -> Exception:
    if (fraction := read_fraction(words)) is not None:
        written, seconds = fraction
        if not seconds:
            return WhenError(f"{quote_word(written)} is no duration: write whole numbers, for example {lead} 1h30m")
        whole = show_duration(seconds)
        return words.ask(
            f"Is {written} meant as {whole}? Write whole numbers, for example {lead} 1h30m",
            [(whole, whole)],
            begin=begin,
        )
    if words.peek(1) in ("month", "months", "year", "years"):
        return WhenError(
            "months and years differ in length, so they cannot be counted from now; write the date, as in 24 dec 18:00"
        )
    number = words.number()
    if number is not None:
        choices = [(f"{number} {unit}", f"{number} {unit}") for unit in ("minutes", "hours", "days")]
        return words.ask(f"{number} what? Say minutes, hours or days, for example {lead} 2h30m", choices, begin=begin)
    shown = f"{words.shown(words.at, words.at + 1)} does not say how long" if words.peek() else "say how long"
    return WhenError(f"{shown}, for example {lead} 2h30m")


def _read_moment(words: Words) -> Moment:
    words.take("at")
    words.take("on")
    begin = words.at
    days, recur = read_weekdays(words)
    if len(days) > 1 or recur:
        every = show_names(days)
        raise words.ask(
            f"Is that every {every}? Then write every before the days, as in every mon,thu at 9:30",
            [(f"every {every}", f"every {every}")],
            begin=0,
        )
    words.at = begin
    if (tonight := _tonight(words)) is not None:
        return Moment(tonight, _time_of(words, usual=_EVENINGS))
    day = read_day(words)
    if day is None:
        raise _no_moment(words)
    return Moment(day, _time_of(words))


def _tonight(words: Words) -> Shift | None:
    begin = words.at
    return Shift(0, is_evening=True, begin=begin, end=words.at) if words.take("tonight") else None


def _no_moment(words: Words, given: time | None = None) -> Exception:
    begin = words.at
    days = _month_days(words) if words.peek() in ("the", "last") or _REAL_ORDINAL.fullmatch(words.peek()) else ()
    if days:
        shown = " ".join(words.words[begin : words.at]).removeprefix("the ")
        every = f"every month on the {shown}"
        return words.ask(
            f"Is that {every}? For one day only, write its month too, as in 24 dec 18:00",
            [(every, every if given is None else f"{every} at {given}")],
            begin=0,
        )
    words.at = begin
    return not_understood(words)


def _time_of(words: Words, given: time | None = None, *, usual: Sequence[str] = USUAL_TIMES) -> time:
    """``at TIME``, unless it was given before the day. A missing one is asked for."""
    if given is not None:
        return given
    begin = words.at
    words.take(",")
    said_at = words.take("at")
    found = read_time(words)
    if found is not None:
        return found
    if said_at and words.peek():
        raise WhenError(f"{quote_word(words.peek())} is no time of day, as in at 18:00, or at 6pm")
    choices = [(each, f"at {each}") for each in usual]
    raise words.ask("At which time? A day needs one, as in tomorrow at 9:00", choices, begin=begin)


# --- recurring -------------------------------------------------------------------------------------------


def _read_recurring(words: Words, given: time | None) -> Pattern | None:
    begin = words.at
    if word := words.take(*_ONE_WORD):
        return _every_unit(words, 1, _ONE_WORD[word], given)
    if words.take("every", "each"):
        return _read_every(words, given)
    if words.take("everyday"):
        return _every_unit(words, 1, "day", given)
    words.take("on")
    if (found := _read_of_every_month(words, given)) is not None:
        return found
    days, recur = read_weekdays(words)
    if days and recur:
        return Weekly(_time_of(words, given), days)
    words.at = begin
    return None


def _read_every(words: Words, given: time | None) -> Pattern:
    begin = words.at
    is_fraction = read_fraction(words) is not None
    words.at = begin
    if is_fraction:
        raise _no_duration(words, begin, "every")
    if words.take("other"):
        return _every_unit(words, 2, _unit(words), given)
    if words.take("weekend", "weekends"):
        raise words.ask("Which days are the weekend? As in every sat,sun at 9:00",
                        [("Sat and Sun", "sat,sun"), ("Fri and Sat", "fri,sat")], begin=begin)  # fmt: skip
    if words.peek() in (*_UNITS, "weeks", "months") and not _is_nth(words):
        return _every_unit(words, 1, _unit(words), given)
    if (date := read_date(words)) is not None:
        if date.year is not None:
            raise WhenError(
                "a date with a year comes only once; leave out the year, or the word every,"
                " as in every year on 24 dec at 18:00"
            )
        return Yearly(_time_of(words, given), date.month, date.day)
    if (nth := _read_nth(words, given)) is not None:
        return nth
    if words.peek(1).rstrip("s") in ("day", "week", "month", "year") and (number := words.number()) is not None:
        return _every_unit(words, _counted(number), _unit(words), given)
    days, _ = read_weekdays(words)
    if days:
        if words.peek() == "every":
            raise WhenError("write how often before the day, as in every 2 weeks on fri at 17:00")
        return Weekly(_time_of(words, given), days)
    return _read_interval(words, begin, given)


def _counted(number: int) -> int:
    if not 1 <= number <= _MOST:
        raise WhenError(f"every {number} is not possible: the number is from 1 to {_MOST}, as in every 2 days at 9:00")
    return number


def _unit(words: Words) -> str:
    word = words.peek()
    unit = word.removesuffix("s")
    if unit not in _UNITS:
        days, _ = read_weekdays(words)
        if len(days) == 1:
            name = WEEKDAYS[days[0]]
            raise words.ask(f"Is that every second week? As in every 2 weeks on {name} at 9:00",
                            [(f"every 2 weeks on {name}", f"2 weeks on {name}")],
                            begin=words.at - 2)  # fmt: skip
        raise not_understood(words)
    words.at += 1
    return unit


def _every_unit(words: Words, every: int, unit: str, given: time | None) -> Pattern:
    match unit:
        case "day":
            return Daily(_time_of(words, given), every)
        case "week":
            return _weekly(words, every, given)
        case "month":
            return _monthly(words, every, given)
        case "year":
            return _yearly(words, every, given)
    return _interval(words, every * UNITS[unit], given)


def _weekly(words: Words, every: int, given: time | None) -> Weekly:
    begin = words.at
    words.take("on")
    days, _ = read_weekdays(words)
    if not days:
        words.at = begin
        _refuse_wrong_day(words, "a weekday", "every 2 weeks on fri at 17:00")
        raise words.ask("On which day of the week? As in every 2 weeks on fri at 17:00", _OFFERED_DAYS, begin=begin)
    return Weekly(_time_of(words, given), days, every)


def _monthly(words: Words, every: int, given: time | None) -> Monthly:
    begin = words.at
    words.take("on")
    days = _month_days(words)
    if not days:
        words.at = begin
        _refuse_wrong_day(words, "a day of the month", "every month on the 1st,15th at 9:00, or on the last fri")
        raise words.ask(
            "On which day of the month? As in every month on the last day at 12:00", _OFFERED_MONTH_DAYS, begin=begin
        )
    return Monthly(_time_of(words, given), days, every)


def _yearly(words: Words, every: int, given: time | None) -> Yearly:
    if every != 1:
        raise WhenError(
            "years cannot be counted, only months, as in every 24 months on the 1st at 9:00, or every year on 24 dec"
            " at 18:00"
        )
    begin = words.at
    words.take("on")
    date = read_date(words)
    if date is None:
        words.at = begin
        _refuse_wrong_day(words, "a date", "every year on 24 dec at 18:00")
        choices = [("1 January", "on 1 jan"), ("31 December", "on 31 dec")]
        raise words.ask("On which date? As in every year on 24 dec at 18:00", choices, begin=begin)
    if date.year is not None:
        raise WhenError("leave the year out of a date that comes every year, as in every year on 24 dec at 18:00")
    return Yearly(_time_of(words, given), date.month, date.day)


def _refuse_wrong_day(words: Words, what: str, example: str) -> None:
    """Raise if something is there that should be a day and is none."""
    if words.peek() == "on" and (word := words.peek(1)):
        shown = f"the {words.peek(2)}".rstrip() if word == "the" else word
        raise WhenError(f"{quote_word(shown)} is not {what}, as in {example}")


def _month_days(words: Words) -> tuple[MonthDay, ...]:
    """``the 1st,15th``, ``last day``, ``first mon and last fri``: in the order in which they are written, each once."""
    days: list[MonthDay] = []
    while True:
        before = words.at
        if days and not words.take(",", "and", "&"):
            break
        words.take("and")
        words.take("on")
        words.take("the")
        day = _month_day(words)
        if day is None:
            words.at = before
            break
        days.append(day)
    return tuple(dict.fromkeys(days))


def _month_day(words: Words) -> MonthDay | None:
    word, behind = words.peek(), words.peek(1)
    if word == "last" and behind == "day":
        words.at += 2
        return MonthDay(-1)
    weekday = cast(Weekday | None, WEEKDAY_OF.get(behind.rstrip(".")))
    if word == "last":
        if weekday is None:
            return None
        words.at += 2
        return MonthDay(-1, weekday)
    if word == "day" and _ORDINAL.fullmatch(behind):
        words.at += 1
        word, behind, weekday = behind, "", None
    found = _ORDINAL.fullmatch(word)
    nth = int(found[1]) if found else _NTH.get(word)
    if nth is None:
        return None
    top = 5 if weekday is not None else 31
    if not 1 <= nth <= top:
        what = (
            "weekday of a month, which goes from 1st to 5th" if weekday is not None else "day of a month, 1st to 31st"
        )
        raise WhenError(f"{quote_word(word)} is no {what}, as in every month on the last day at 12:00")
    words.at += 1
    if weekday is not None:
        words.at += 1
        return MonthDay(nth, weekday)
    words.take("day")
    return MonthDay(nth)


def _read_of_every_month(words: Words, given: time | None) -> Monthly | None:
    """``the last day of every month at TIME``, behind an ``on`` that may be there."""
    begin = words.at
    try:
        days = _month_days(words)
    except WhenError:
        days = ()
    if days and words.take("of", "in") and words.take("every", "each"):
        every = words.number()
        if words.take("month", "months"):
            return Monthly(_time_of(words, given), days, _counted(1 if every is None else every))
    words.at = begin
    return None


def _is_nth(words: Words) -> bool:
    """``every second monday``: not the unit of time."""
    behind = words.peek(1)
    return words.peek() == "second" and (behind in WEEKDAY_OF or behind in ("day", "week", "month"))


def _read_nth(words: Words, given: time | None) -> Pattern | None:
    """``every first mon [of the month]``, ``every 15th``: a day of every month; ``every second fri`` is asked back."""
    word, behind = words.peek(), words.peek(1)
    number = _NTH.get(word) or (int(word[:-2]) if _REAL_ORDINAL.fullmatch(word) else None)
    if number is None and word != "last":
        return None
    begin = words.at
    if number is not None and behind in ("week", "month"):
        words.at += 1
        return _every_unit(words, _counted(number), _unit(words), given)
    if number is not None and behind == "day" and not _of_month(words, 2):
        words.at += 2
        raise words.ask(
            f"Is that every {number} days, or a day of every month? As in every 2 days at 9:00",
            [(f"every {number} days", f"{number} days"), (f"day {number} of every month", f"month on day {number}")],
            begin=begin,
        )
    days = _month_days(words)
    if not days:
        raise not_understood(words)
    if _of_month(words, 0):
        words.at += 3 if words.peek(1) in ("the", "every", "each") else 2
    elif days[0].weekday is not None and days[0].nth > 1 and len(days) == 1:
        name = WEEKDAYS[days[0].weekday]
        raise words.ask(
            f"Is that a day of every month, or of every {number} weeks? As in every month on the {word} {name} at 9:00",
            [
                (f"the {word} {name} of every month", f"month on the {word} {name}"),
                (f"every {number} weeks on {name}", f"{number} weeks on {name}"),
            ],
            begin=begin,
        )
    return Monthly(_time_of(words, given), days)


def _of_month(words: Words, ahead: int) -> bool:
    rest = words.words[words.at + ahead : words.at + ahead + 3]
    return rest[:2] == ("of", "month") or (
        rest[:1] == ("of",) and rest[1:2] in (("the",), ("every",), ("each",)) and rest[2:] == ("month",)
    )


def _read_interval(words: Words, begin: int, given: time | None) -> Pattern:
    if not words.peek():
        raise WhenError("every what? As in every day at 9:00, or every 15m")
    parts = read_duration(words)
    if not parts:
        if words.peek().isdecimal():
            raise _no_duration(words, begin, "every")
        raise not_understood(words)
    seconds = sum(parts)
    unit = words.words[words.at - 1].lstrip("0123456789")
    if seconds and len(parts) == 1 and UNITS.get(unit, 0) >= UNITS["day"]:
        return _days_or_elapsed(words, begin, seconds, given)
    return _interval(words, seconds, given)


def _days_or_elapsed(words: Words, begin: int, seconds: int, given: time | None) -> Pattern:
    """``every 2d``: days with a time, or weeks with a day and a time; days without a time are asked back."""
    days = seconds // UNITS["day"]
    if words.words[words.at - 1].lstrip("0123456789").startswith("w"):
        return _weekly(words, _counted(days // 7), given)
    if given is not None or words.peek() == "at" or read_time_ahead(words):
        return Daily(_time_of(words, given), _counted(days))
    every = "day" if days == 1 else f"{days} days"
    choices = [(f"every {every} at {usual}", f"{every} at {usual}") for usual in USUAL_TIMES]
    hours = f"{seconds // UNITS['hour']}h"
    raise words.ask(
        f"At which time of day, or every {hours} from now on? As in every {every} at 9:00",
        [*choices, (f"every {hours}", hours)],
        begin=begin,
    )


def read_time_ahead(words: Words) -> bool:
    """Whether a time comes next; nothing is read."""
    before = words.at
    found = read_time(words)
    words.at = before
    return found is not None


def _interval(words: Words, seconds: int, given: time | None) -> Interval:
    if seconds < SHORTEST_INTERVAL:
        raise WhenError(f"that is too often: the shortest is every {SHORTEST_INTERVAL}s, as in every 15m")
    if given is not None or words.peek() == "at":
        raise WhenError(
            f"every {show_duration(seconds)} is counted from now, so no time of day goes with it; leave one of the two"
            " out, as in every 15m, or every day at 9:00"
        )
    return Interval(seconds)


# --- cron ------------------------------------------------------------------------------------------------


def _looks_like_cron(words: Words) -> bool:
    first = words.words[:5]
    return len(first) == 5 and "*" in first and first[0][:1] in "0123456789*"


def _read_cron(words: Words) -> Pattern:
    words.take("cron")
    shorthand = words.peek()
    if shorthand.startswith("@"):
        if shorthand not in SHORTHANDS:
            raise WhenError(f"{quote_word(shorthand)} is not understood: cron has five fields, as in {CRON_EXAMPLE}")
        instead = f"cron {SHORTHANDS[shorthand]}"
        words.at += 1
        raise words.ask(
            f"Is {shorthand} meant? It is written with five fields, as in {instead}", [(instead, instead)], begin=0
        )
    glued = re.sub(r" ?, ?", ",", " ".join(words.words[words.at :])).split()
    fields, rest = glued[:5], split_words(" ".join(glued[5:]))
    words.words = ("cron", *fields, *rest)
    words.at = 1 + len(fields)
    found = read_cron(fields)
    if rest and re.fullmatch(r"[0-9*/,-]+", rest[0]) and words.peek(1) not in ("times", "time"):
        raise WhenError(
            f"cron has five fields, without seconds and years: {quote_word(rest[0])} is one more, as in {CRON_EXAMPLE}"
        )
    return found
