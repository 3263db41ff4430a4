"""The words of WHEN, and the small things that they are made of: times, durations, weekdays, numbers (pure)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import time
from functools import lru_cache
from typing import cast

from bot.recurrence import Weekday
from bot.route_errors import quote_word
from bot.when.errors import EXAMPLE, Question, WhenError

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
WEEKDAY_NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
MONTH_NAMES = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
USUAL_TIMES = ("9:00", "12:00", "18:00")
"""What is offered where a time is missing."""

_SHORTER = {"tues": 1, "thur": 3, "thurs": 3, "weds": 2}
WEEKDAY_OF: dict[str, int] = {
    **{name: day for day, name in enumerate(WEEKDAYS)},
    **{name.lower(): day for day, name in enumerate(WEEKDAY_NAMES)},
    **_SHORTER,
}
PLURALS: dict[str, int] = {f"{name.lower()}s": day for day, name in enumerate(WEEKDAY_NAMES)}
MONTH_OF: dict[str, int] = {
    **{name: number for number, name in enumerate(MONTHS, start=1)},
    **{name.lower(): number for number, name in enumerate(MONTH_NAMES, start=1)},
    "sept": 9,
}
UNITS: dict[str, int] = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 3_600),
    **dict.fromkeys(("d", "day", "days"), 86_400),
    **dict.fromkeys(("w", "week", "weeks"), 604_800),
}
"""Seconds by what people call so many."""
LONGEST_DURATION = 250_000_000_000
"""Seconds: further than the calendar goes."""

_WORD = re.compile(r"[^\s,]+|,")
_SIGNS = {**dict.fromkeys(map(ord, "‐‑‒–—―−"), "-"), **dict.fromkeys(map(ord, "\u200b\ufeff\u200e\u200f\u2060"), " ")}
_ISO = re.compile(r"(?<!\S)([0-9]{4}-[0-9]{2}-[0-9]{2})[tT](?=[0-9])")
_ZULU = re.compile(r"(?<=:[0-9]{2})[zZ](?!\S)")
_DOTTED = re.compile(r"(?<=[0-9\s])([apAP])\.\s?[mM]\b\.?")
_CLOCK = re.compile(r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?([ap]m)?")
_HOUR = re.compile(r"([0-9]{1,2})([ap]m)")
_ALMOST = re.compile(r"([0-9]{1,2})[.h]([0-9]{2})h?|([0-9]{1,2})([0-9]{2})h?")
_BROKEN = re.compile(r"[0-9]+:[0-9:]*(?:[ap]m)?")
_NUMBER = re.compile(r"[0-9]{1,9}")
_PART = re.compile(r"([0-9]{1,12})([a-z]+)")
_PARTS = re.compile(r"(?:[0-9]{1,12}[a-z]+)+")
_FRACTION = re.compile(r"([0-9]{1,6})\.([0-9]{1,6})([a-z]+)?")
_NAMED_TIMES = {"noon": time(12), "midday": time(12), "midnight": time(0)}


def split_words(text: str) -> tuple[str, ...]:
    """The words of a text in one case and one spelling; commas are words of their own."""
    return read_words(text).words


def read_words(text: str) -> Words:
    """The same, to be read, with how they were typed."""
    plain = unicodedata.normalize("NFKC", text).translate(_SIGNS)
    plain = _DOTTED.sub(r"\1m", _ZULU.sub(" utc", _ISO.sub(r"\1 ", plain)))
    typed = _WORD.findall(plain)
    words = tuple(word.lower() for word in typed)
    return Words(words, typed=dict(zip(words, typed, strict=True)))


@dataclass(slots=True)
class Words:
    """The words, and how far they are read."""

    words: tuple[str, ...]
    at: int = 0
    typed: Mapping[str, str] = field(default_factory=dict)
    """The words as somebody typed them, by what is read."""

    def peek(self, ahead: int = 0) -> str:
        """The next word, or one behind it; empty at the end."""
        place = self.at + ahead
        return self.words[place] if place < len(self.words) else ""

    def shown(self, begin: int, end: int) -> str:
        """The words from ``begin`` to ``end`` as they were typed, in quotes."""
        return quote_word(" ".join(self.typed.get(word, word) for word in self.words[begin:end]))

    def take(self, *wanted: str) -> str:
        """Read one word if it is among these; empty if not."""
        if self.at < len(self.words) and (word := self.words[self.at]) in wanted:
            self.at += 1
            return word
        return ""

    def take_all(self, *wanted: str) -> bool:
        """Read these words if they come next, all of them."""
        if self.words[self.at : self.at + len(wanted)] != wanted:
            return False
        self.at += len(wanted)
        return True

    def number(self) -> int | None:
        """Read a whole number if it comes next."""
        if not _NUMBER.fullmatch(self.peek()):
            return None
        self.at += 1
        return int(self.words[self.at - 1])

    def ask(
        self, text: str, choices: Sequence[tuple[str, str]], *, begin: int, end: int | None = None, note: str = ""
    ) -> Question:
        """A question about the words from ``begin`` to ``end`` (default: as far as is read). Choices: what a button
        says, and the words that would stand there instead. ``note``: as in :class:`Question`."""
        head, tail = self.words[:begin], self.words[self.at if end is None else end :]
        return Question(text, [(label, " ".join((*head, words, *tail))) for label, words in choices], note=note)


# --- times -----------------------------------------------------------------------------------------------


def read_time(words: Words) -> time | None:
    """TIME if it comes next, else None. Raises ``Question`` and ``WhenError``: a bare number is no time."""
    word, begin = words.peek(), words.at
    if word in _NAMED_TIMES:
        words.at += 1
        return _NAMED_TIMES[word]
    if not word[:1].isdecimal():
        return None
    words.at += 1
    if found := _CLOCK.fullmatch(word):
        half = found[4] or words.take("am", "pm")
        return _time(words, begin, int(found[1]), int(found[2]), int(found[3] or 0), half)
    if found := _HOUR.fullmatch(word):
        return _time(words, begin, int(found[1]), 0, 0, found[2])
    if _BROKEN.fullmatch(word):
        raise WhenError(f"{quote_word(word)} is no time of day, as in at 18:00")
    if _NUMBER.fullmatch(word) and len(word) <= 2:
        if word == "12" and (named := words.take(*_NAMED_TIMES)):
            return _NAMED_TIMES[named]
        if half := words.take("am", "pm"):
            return _time(words, begin, int(word), 0, 0, half)
        words.take("o'clock", "oclock", "o’clock")
        raise _bare(words, begin, int(word))
    if found := _ALMOST.fullmatch(word):
        hour, minute = (int(part) for part in found.groups() if part is not None)
        raise _spelt(words, begin, hour, minute)
    words.at = begin
    return None


def _time(words: Words, begin: int, hour: int, minute: int, second: int, half: str) -> time:
    written = " ".join(words.words[begin : words.at])
    if (hour, minute, second) == (24, 0, 0) and not half:
        raise WhenError(
            "24:00 is midnight, when the next day begins: write 0:00 of that day, as in tomorrow at midnight"
        )
    if half and not 1 <= hour <= 12:
        raise WhenError(f"{quote_word(written)} is no time of day: am and pm go from 1 to 12, as in at 6:30 pm")
    if half:
        hour = hour % 12 + (12 if half == "pm" else 0)
    if hour > 23 or minute > 59 or second > 59:
        raise WhenError(f"{quote_word(written)} is no time of day, which goes from 0:00 to 23:59, as in at 18:00")
    return time(hour, minute, second)


def _bare(words: Words, begin: int, hour: int) -> Exception:
    if hour > 24:
        return WhenError(f"{quote_word(words.words[begin])} is no time of day, as in at 18:00")
    if hour == 24:
        return WhenError("24:00 is midnight, when the next day begins: write 0:00 of that day, as in tomorrow 0:00")
    hours = (hour, hour + 12) if 1 <= hour <= 11 else (12, 0) if hour == 12 else (hour,)
    choices = [(f"{each}:00", f"{each}:00") for each in hours]
    asked = " or ".join(label for label, _ in choices)
    return words.ask(f"Is {hour} meant as {asked}? A time has minutes, am or pm, as in at 18:00", choices, begin=begin)


def _spelt(words: Words, begin: int, hour: int, minute: int) -> Exception:
    written = words.words[begin]
    if hour > 23 or minute > 59:
        return WhenError(f"{quote_word(written)} is no time of day, as in at 18:00")
    right = f"{hour}:{minute:02d}"
    return words.ask(
        f"Is {written} the time {right}? A time has a colon, as in at 18:00", [(right, right)], begin=begin
    )


# --- durations -------------------------------------------------------------------------------------------


def read_duration(words: Words) -> tuple[int, ...]:
    """DURATION if it comes next, as seconds of each of its parts; empty if it does not. Raises ``WhenError``."""
    seconds: list[int] = []
    units: list[int] = []
    while True:
        before = words.at
        if seconds:
            words.take("and", "&", ",")
        found = _duration_part(words)
        if not found:
            words.at = before
            break
        for number, unit in found:
            units.append(unit)
            seconds.append(number * unit)
    if len(set(units)) < len(units):
        raise WhenError("hours, minutes and the like stand there once each, for example in 2h30m")
    if sum(seconds) > LONGEST_DURATION:
        raise WhenError("that is further ahead than the calendar goes, for example in 2h30m")
    return tuple(seconds)


def _duration_part(words: Words) -> list[tuple[int, int]]:
    """The next one or several, as numbers of units; empty if there is none."""
    word = words.peek()
    if _PARTS.fullmatch(word):
        pairs = _PART.findall(word)
        if all(unit in UNITS for _, unit in pairs):
            words.at += 1
            return [(int(number), UNITS[unit]) for number, unit in pairs]
        return []
    if word == "half" and (words.peek(1) == "hour" or (words.peek(1), words.peek(2)) == ("an", "hour")):
        words.at += 2 if words.peek(1) == "hour" else 3
        return [(30, 60)]
    if words.peek(1) not in UNITS:
        return []
    if word in ("a", "an", "one") or _NUMBER.fullmatch(word):
        words.at += 2
        return [(int(word) if word.isdecimal() else 1, UNITS[words.words[words.at - 1]])]
    return []


def read_fraction(words: Words) -> tuple[str, int] | None:
    """``1,5h``, ``1.5 hours`` if that comes next, as it is written and in seconds; 0: it is not a whole number of them,
    or the comma may be one of thousands. None if something else comes next.
    """
    number = words.peek()
    glued = words.peek(1) == ","
    if glued:
        number = f"{number}.{words.peek(2)}"
    found = _FRACTION.fullmatch(number)
    unit = found[3] or words.peek(3 if glued else 1) if found is not None else ""
    if found is None or unit not in UNITS:
        return None
    words.at += (3 if glued else 1) + (not found[3])
    written = f"{found[1]}{',' if glued else '.'}{found[2]}{'' if found[3] else ' '}{unit}"
    size, rest = divmod(int(found[1] + found[2]) * UNITS[unit], 10 ** len(found[2]))
    return written, 0 if rest or len(found[2]) > 2 else size


def parse_duration(text: str) -> int:
    """Read DURATION, ``2h30m`` or ``90 minutes``, as seconds; raises ``WhenError``. Nothing (``0m``) is none."""
    words = Words(split_words(text[:100]))
    seconds = sum(read_duration(words))
    if not seconds or words.peek() or len(text) > 100:
        raise WhenError(f"{quote_word(text)} is no duration, as in 2h30m")
    return seconds


def show_duration(seconds: int) -> str:
    """Write a duration (1 second at least) so that :func:`parse_duration` reads it back: ``2h30m``."""
    parts = []
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts)


# --- weekdays --------------------------------------------------------------------------------------------


def read_weekdays(words: Words) -> tuple[tuple[Weekday, ...], bool]:
    """WEEKDAYS if they come next: ascending, each once, and whether the words say that they recur (``mondays``).

    ``mon,thu``, ``mon-fri``, ``fri to mon``, ``monday and thursday``; no days if something else comes next.
    """
    days: set[int] = set()
    recur = False
    while True:
        before = words.at
        if days:
            while words.take(",", "and", "&"):
                pass
            if words.at == before and words.peek() not in PLURALS:
                break
        found, plural = _weekday_range(words)
        if not found:
            words.at = before
            break
        days |= set(found)
        recur = recur or plural
    return tuple(cast(Weekday, day) for day in sorted(days)), recur


def _weekday_range(words: Words) -> tuple[list[int], bool]:
    word = words.peek()
    if word in ("weekday", "weekdays"):
        words.at += 1
        return list(range(5)), True
    first, minus, last = word.partition("-")
    if minus and first in WEEKDAY_OF and last in WEEKDAY_OF:
        words.at += 1
        return _from_to(WEEKDAY_OF[first], WEEKDAY_OF[last]), False
    day = WEEKDAY_OF.get(word.rstrip("."), PLURALS.get(word))
    if day is None:
        return [], False
    words.at += 1
    last = words.peek(1)
    if words.peek() in ("-", "to", "till", "through") and (last in WEEKDAY_OF or last in PLURALS):
        words.at += 2
        return _from_to(day, WEEKDAY_OF.get(last, PLURALS.get(last, 0))), word in PLURALS
    return [day], word in PLURALS


def _from_to(first: int, last: int) -> list[int]:
    return [(first + step) % 7 for step in range((last - first) % 7 + 1)]


# --- words that are not understood ------------------------------------------------------------------------

_KNOWN = (
    *(
        "at",
        "in",
        "on",
        "every",
        "each",
        "daily",
        "weekly",
        "monthly",
        "yearly",
        "tomorrow",
        "today",
        "noon",
        "midnight",
    ),
    *("starting", "until", "times", "cron", "last", "first", "weekday", "weekdays", "other", "next"),
    *(word for word in (*WEEKDAY_OF, *MONTH_OF, *UNITS) if len(word) > 3),
)
VOCABULARY = frozenset({*_KNOWN, *WEEKDAY_OF, *PLURALS, *MONTH_OF, *UNITS, "the", "of", "and", "for", "from", "till"})
"""Words that mean something somewhere in WHEN."""


def not_understood(words: Words) -> Exception:
    """What to say of the next word, which fits nothing: a question if it is almost one that is known."""
    word = words.peek()
    if word == ",":
        return WhenError(f"something is missing before the comma, as in {EXAMPLE}")
    if not word:
        return WhenError(f"something is missing after {words.shown(words.at - 1, words.at)}, as in {EXAMPLE}")
    near = _nearly(word)
    if near:
        end = words.at + 1
        choices = [(known, known) for known in near]
        return words.ask(
            f"{words.shown(words.at, end)} is not understood, is {' or '.join(near)} meant? As in {EXAMPLE}",
            choices,
            begin=words.at,
            end=end,
        )
    return WhenError(
        f"{words.shown(words.at, words.at + 1)} is not understood there; write when it is sent as in {EXAMPLE},"
        " or every day at 9:00"
    )


@lru_cache(maxsize=256)
def _nearly(word: str) -> tuple[str, ...]:
    if not 4 <= len(word) <= 12 or not word.isalpha() or word in VOCABULARY:
        return ()
    return tuple(known for known in _KNOWN if _almost(word, known))


def _almost(word: str, known: str) -> bool:
    """Whether one letter is wrong, missing or too many, or two beside each other are swapped."""
    if abs(len(word) - len(known)) > 1 or word == known:
        return False
    same = 0
    while same < min(len(word), len(known)) and word[same] == known[same]:
        same += 1
    left, right = word[same:], known[same:]
    return (
        left[1:] == right[1:]
        or left[1:] == right
        or left == right[1:]
        or (left[:2] == right[:2][::-1] and left[2:] == right[2:])
    )
