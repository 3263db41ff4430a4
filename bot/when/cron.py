"""The five fields of cron, and how they are written (pure).

Minute, hour, day of the month, month, day of the week; names, lists, ranges and steps. 0 and 7 are Sunday. Only ``*``
leaves a day unrestricted (``*/1`` is the same): with ``*/2`` and another day given, either counts, as with any others.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from bot.recurrence import Cron
from bot.route_errors import quote_word
from bot.when.errors import WhenError
from bot.when.words import MONTHS, WEEKDAYS

EXAMPLE = "cron 0 9 * * mon-fri"
SHORTHANDS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * sun",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()
    first: int = 0
    """The number of the first name."""

    def number(self, word: str) -> int | None:
        if word in self.names:
            return self.names.index(word) + self.first
        if re.fullmatch(r"[0-9]{1,2}", word) and self.low <= int(word) <= self.high:
            return int(word)
        return None


_MINUTE = _Field("minute", 0, 59)
_HOUR = _Field("hour", 0, 23)
_MONTH_DAY = _Field("day of the month", 1, 31)
_MONTH = _Field("month", 1, 12, MONTHS, 1)
_WEEKDAY = _Field("day of the week", 0, 7, ("sun", *WEEKDAYS[:-1]))
_FIELDS = (_MINUTE, _HOUR, _MONTH_DAY, _MONTH, _WEEKDAY)
_PIECE = re.compile(r"(?:(\*)|([0-9a-z]+)(?:-([0-9a-z]+))?)(?:/([0-9]{1,3}))?")
_QUARTZ = re.compile(r"[?#]|(?:^|[0-9,-])(?:l|w|lw)(?:$|[,-])|[a-z]{3}l")


def read_cron(words: Sequence[str]) -> Cron:
    """Five fields as a pattern; raises ``WhenError``. That it ever fires is not looked at."""
    if len(words) < len(_FIELDS):
        raise WhenError(
            f"cron has five fields (minute, hour, day of the month, month, day of the week), not {len(words)},"
            f" as in {EXAMPLE}"
        )
    minutes, hours, month_days, months, weekdays = (
        _read_field(word, field) for word, field in zip(words, _FIELDS, strict=False)
    )
    return cron_of(
        minutes=minutes,
        hours=hours,
        month_days=None if words[2] in ("*", "*/1") else month_days,
        months=months,
        weekdays=None if words[4] in ("*", "*/1") else {(day - 1) % 7 for day in weekdays},
    )


def cron_of(
    *,
    minutes: Collection[int],
    hours: Collection[int],
    month_days: Collection[int] | None,
    months: Collection[int],
    weekdays: Collection[int] | None,
) -> Cron:
    """The pattern of these sets, written in the one form that they have. ``weekdays``: Monday is 0."""
    fields = (
        _show(minutes, _MINUTE),
        _show(hours, _HOUR),
        "*" if month_days is None else _show(month_days, _MONTH_DAY, star=False),
        _show(months, _MONTH),
        "*" if weekdays is None else show_names(sorted(weekdays)),
    )
    return Cron(
        minutes=frozenset(minutes),
        hours=frozenset(hours),
        month_days=None if month_days is None else frozenset(month_days),
        months=frozenset(months),
        weekdays=None if weekdays is None else frozenset(weekdays),
        written=" ".join(fields),
    )


def show_cron(cron: Cron) -> str:
    """The five fields, in the one form that they have."""
    return cron_of(
        minutes=cron.minutes,
        hours=cron.hours,
        month_days=cron.month_days,
        months=cron.months,
        weekdays=cron.weekdays,
    ).written


def show_names(days: Sequence[int]) -> str:
    """Weekdays (ascending, Monday is 0) by their names: ``mon-fri``, ``mon,thu``."""
    return ",".join(
        ",".join(WEEKDAYS[day] for day in run) if len(run) < 3 else f"{WEEKDAYS[run[0]]}-{WEEKDAYS[run[-1]]}"
        for run in _runs(days)
    )


def _read_field(word: str, field: _Field) -> set[int]:
    if _QUARTZ.search(word) and word not in field.names:
        raise WhenError(
            f"{quote_word(word)} is no field of cron here: the last day, or the first of a weekday, is said in words,"
            " as in every month on the last day at 12:00, or on the first mon"
        )
    found: set[int] = set()
    for piece in word.split(","):
        found |= _read_piece(piece, field)
    return found


def _read_piece(piece: str, field: _Field) -> set[int]:
    match = _PIECE.fullmatch(piece)
    if match is None:
        raise _wrong(piece, field)
    star, begin, end, step = match.groups()
    every = 1 if step is None else int(step)
    if every == 0:
        raise WhenError(f"{quote_word(piece)} has a step of 0, which leads nowhere, as in cron */15 * * * *")
    if star:
        return set(range(field.low, min(field.high, 6) + 1 if field is _WEEKDAY else field.high + 1, every))
    first = field.number(begin)
    if first is None or (end is not None and field.number(end) is None):
        raise _wrong(piece, field)
    if end is None:
        if step is not None:
            raise WhenError(
                f"{quote_word(piece)} has a step without a range; write where it ends too,"
                f" {begin}-{6 if field is _WEEKDAY else field.high}/{step}, as in cron 10-50/10 * * * *"
            )
        return {first}
    last = field.number(end)
    assert last is not None  # looked at above
    if last < first and field is _WEEKDAY:
        last += 7
    if last < first:
        raise WhenError(
            f"{quote_word(piece)} ends before it begins; write two ranges, {begin}-{field.high},{field.low}-{end},"
            f" as in {EXAMPLE}"
        )
    return {value % 7 if field is _WEEKDAY else value for value in range(first, last + 1, every)}


def _wrong(piece: str, field: _Field) -> WhenError:
    names = f" or {field.names[0]}-{field.names[-1]}" if field.names else ""
    return WhenError(
        f"{quote_word(piece)} is no {field.name} of cron, which is {field.low}-{field.high}{names}, as in {EXAMPLE}"
    )


def _show(values: Collection[int], field: _Field, *, star: bool = True) -> str:
    """A set in the shortest form that is read at a glance; ``star``: whether all values are ``*``."""
    ordered = sorted(values)
    if star and len(ordered) == field.high - field.low + 1:
        return "*"
    step = ordered[1] - ordered[0] if len(ordered) > 1 else 0
    even = step > 1 and ordered == list(range(ordered[0], ordered[-1] + 1, step))
    if even and ordered[0] == field.low and ordered[-1] + step > field.high and (len(ordered) > 2 or not field.low):
        return f"*/{step}"
    names = [field.names[value - field.first] if field.names else str(value) for value in ordered]
    if even and len(ordered) > 2:
        return f"{names[0]}-{names[-1]}/{step}"
    name_of = dict(zip(ordered, names, strict=True))
    return ",".join(
        ",".join(name_of[value] for value in run) if len(run) < 3 else f"{name_of[run[0]]}-{name_of[run[-1]]}"
        for run in _runs(ordered)
    )


def _runs(ordered: Sequence[int]) -> list[list[int]]:
    """Ascending numbers, in stretches without a gap."""
    runs: list[list[int]] = []
    for value in ordered:
        if runs and value == runs[-1][-1] + 1:
            runs[-1].append(value)
        else:
            runs.append([value])
    return runs
