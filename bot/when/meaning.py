"""WHEN as a whole: what is said, its tails and its zone, and the rule that this is at a moment (pure)."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TypeVar
from zoneinfo import ZoneInfo

from bot.recurrence import Daily, Interval, Occurrence, Once, Pattern, Rule, Weekly, Yearly, occurrences
from bot.route_errors import quote_word
from bot.when.days import LAST_YEAR, Coming, Dated, Day, Doubtful, Shift, read_day
from bot.when.errors import EVERY_EXAMPLE, EXAMPLE, Ambiguous, Question, Unlikely, WhenError
from bot.when.patterns import After, Moment, Said, read_said, read_time_ahead
from bot.when.showing import ahead, show_rule, show_time
from bot.when.words import MONTH_NAMES, VOCABULARY, WEEKDAY_NAMES, Words, not_understood, read_words
from bot.zone_names import local, nearest_zones, zone_named

LONGEST = 300
"""Characters of WHEN as people write it."""
_LONGEST_SHOWN = 1_000
"""Characters of a rule as it is shown: ``4th mon`` is ``fourth mon`` there, and ``*/3,1-59/3`` forty numbers."""
MOST_TIMES = 10_000
"""Of ``N times``: what ends is counted out when it is made."""
MOST_CHOICES = 8
_DEEPEST = 3
"""How many questions one choice may answer together."""
_MOST_PARSES = 60
_ZONE_LIKE = re.compile(r"[a-z][a-z0-9_+/-]{1,39}(?: [a-z_]{1,20}){0,2}")
_LONGEST_ZONE = 3
"""Words of a zone's name, where blanks stand for ``_``."""
_OFFSET = re.compile(r"(?:utc|gmt)?[+-][0-9:]+")

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class _Tails:
    starting: Day | None = None
    until: Day | None = None
    times: int | None = None


def parse_when(text: str, *, now: float, zone: str) -> Rule:
    """Read ``WHEN [tails] [ZONE]`` as a rule that has something to come.

    ``now``: seconds since the epoch. ``zone``: the name of the zone where the text has none. Raises ``WhenError``, and
    its ``Ambiguous`` where the text may mean several things: each of those can be read.
    """
    if len(text) > LONGEST and not _is_shown(text):
        raise WhenError(
            f"that is too long: at most {LONGEST} characters say when it is sent, as in {EXAMPLE}, or {EVERY_EXAMPLE}"
        )
    try:
        return _read(read_words(text), now=now, zone=zone)
    except Question as question:
        raise _settled(question, now=now, zone=zone) from None
    except Unlikely as unlikely:
        raise _settled(unlikely.question, now=now, zone=zone) from None


def _is_shown(text: str) -> bool:
    """Whether it is a rule as it is shown, which can be given back whatever it was made of."""
    if len(text) > _LONGEST_SHOWN:
        return False
    try:
        return show_rule(read_rule(text)) == text.strip()
    except WhenError:
        return False


def read_rule(text: str) -> Rule:
    """Read what :func:`bot.when.show_rule` wrote, at any time; what people write has limits that do not count here.

    Raises ``WhenError`` for anything else.
    """
    try:
        # As it is kept it means the same at any time; long ago nothing of it is past.
        return _read(read_words(text), now=0.0, zone="UTC", most_times=None)
    except Question as question:
        raise WhenError(question.text) from None


def _settled(question: Question, *, now: float, zone: str) -> WhenError:
    """A question with those of its choices that can be kept, or the reason why none can."""
    notes: dict[str, None] = {}
    found, refused = _answers(question, now=now, zone=zone, depth=1, budget=[_MOST_PARSES], notes=notes)
    if not found:
        return refused or WhenError(question.text)
    return Ambiguous(" ".join([*notes, question.text]), found)


def _answers(
    question: Question, *, now: float, zone: str, depth: int, budget: list[int], notes: dict[str, None]
) -> tuple[list[tuple[str, str]], WhenError | None]:
    groups: list[list[tuple[str, str]]] = []
    refused: WhenError | None = None
    for label, line in question.choices:
        budget[0] -= 1
        if budget[0] < 0:
            break
        try:
            groups.append([(label, show_rule(_read(read_words(line), now=now, zone=zone)))])
        except WhenError as error:
            refused = refused or error
        except Question as deeper:
            if depth == _DEEPEST:
                continue
            inner, why = _answers(deeper, now=now, zone=zone, depth=depth + 1, budget=budget, notes=notes)
            if inner and deeper.note:
                notes[deeper.note] = None
            groups.append([(f"{label}, {more}", whole) for more, whole in inner])
            refused = refused or why
    each = max(1, MOST_CHOICES // max(1, len(groups)))
    if sum(map(len, groups)) > MOST_CHOICES:
        groups = [group[:each] for group in groups]
    return [pair for group in groups for pair in group], refused


def _read(words: Words, *, now: float, zone: str, most_times: int | None = MOST_TIMES) -> Rule:
    if not words.words:
        raise WhenError(f"say when it is sent, as in {EXAMPLE}, or {EVERY_EXAMPLE}")
    said = read_said(words)
    tails = _read_tails(words, _Tails())
    named = _read_zone(words)
    if named is not None:
        tails = _read_tails(words, tails)
    if most_times is not None and (tails.times or 0) > most_times:
        raise WhenError(
            f"{tails.times:,} times are too many, {most_times:,} are the most; write until when instead, as in every"
            f" day at 9:00 until {_today(named or ZoneInfo(zone), now) + timedelta(weeks=52)}"
        )
    if words.peek():
        raise _left_over(words, zoned=named is not None)
    return _rule(said, tails, words, zone=named or ZoneInfo(zone), now=now)


# --- tails and zone --------------------------------------------------------------------------------------


def _read_tails(words: Words, tails: _Tails) -> _Tails:
    """All tails that come next, in any order, beside those that were read before."""
    starting, until, times = tails.starting, tails.until, tails.times
    while True:
        words.take(",")
        if words.take("starting", "from"):
            starting = _once_only(starting, _tail_day(words, "starting", "starting 1 dec"), "starting")
        elif words.take("until", "till"):
            until = _once_only(until, _tail_day(words, "until", "until 24 dec"), "until")
        elif (count := _tail_times(words)) is not None:
            times = _once_only(times, count, "times")
        else:
            return _Tails(starting, until, times)


def _once_only(old: _T | None, new: _T, what: str) -> _T:
    if old is not None:
        raise WhenError(f"{what} is given twice, once is enough, as in every day at 9:00 until 24 dec")
    return new


def _tail_day(words: Words, lead: str, example: str) -> Day:
    day = read_day(words)
    if day is None:
        wrong = (
            f"{words.shown(words.at, words.at + 1)} is no date for {lead}" if words.peek() else f"{lead} needs a date"
        )
        raise WhenError(f"{wrong}, as in every day at 9:00 {example}")
    if words.peek() != "at" and not read_time_ahead_of_tail(words):
        return day
    raise WhenError(
        f"after {lead} comes a date without a time, and all of that day counts, as in every day at 9:00 {example}"
    )


def read_time_ahead_of_tail(words: Words) -> bool:
    """Whether a time comes next, and not the number of ``5 times``."""
    if words.peek(1) in ("times", "time"):
        return False
    try:
        return read_time_ahead(words)
    except (Question, WhenError):
        return True


def _tail_times(words: Words) -> int | None:
    before = words.at
    words.take("for")
    count = words.number()
    if count is None and words.peek().isdecimal() and words.peek(1) in ("times", "time"):
        raise WhenError(
            f"{quote_word(words.peek())} times are too many, {MOST_TIMES:,} are the most, as in every day at 9:00"
            " 5 times"
        )
    if count is None or not words.take("times", "time"):
        words.at = before
        return None
    if count == 0:
        raise WhenError("0 times is never; write how many there are to be, as in every day at 9:00 5 times")
    return count


def _read_zone(words: Words) -> ZoneInfo | None:
    """ZONE if it comes next, with or without ``in``, blanks for ``_``; else None, and nothing is read."""
    begin = words.at
    words.take("in")
    for length in range(_LONGEST_ZONE, 0, -1):
        some = words.words[words.at : words.at + length]
        if len(some) == length and (found := zone_named(" ".join(some))) is not None:
            words.at += length
            return found
    words.at = begin
    return None


def _left_over(words: Words, *, zoned: bool) -> Exception:
    """What to say of words behind which nothing can be understood; ``zoned``: a zone was read before them."""
    begin = words.at
    words.take("in")
    rest = " ".join(words.words[words.at :])
    shown = words.shown(words.at, len(words.words))
    if not rest:
        return WhenError("the time zone is missing after in, as in at 18:00 in Europe/Paris")
    if _OFFSET.fullmatch(rest):
        return WhenError(f"{shown} is no time zone; write the name of a place, as in at 18:00 Europe/Paris")
    first = words.peek()
    question = not_understood(words)
    if isinstance(question, Question):
        return question
    if first in VOCABULARY or first[:1].isdecimal():
        return WhenError(
            f"{shown} is too much there: one schedule has one time, and after it come only its end and the time zone,"
            f" as in {EVERY_EXAMPLE} until 24 dec Europe/Paris"
        )
    if zoned or not _ZONE_LIKE.fullmatch(rest):
        return question
    near = nearest_zones(rest)
    if not near:
        return WhenError(
            f"{shown} is not understood there, and is no time zone, as in {EXAMPLE}, or at 18:00 Europe/Paris"
        )
    return words.ask(
        f"There is no time zone {shown}, is {' or '.join(near)} meant? As in at 18:00 Europe/Paris",
        [(name, name) for name in near],
        begin=begin,
        end=len(words.words),
    )


# --- the rule --------------------------------------------------------------------------------------------


def _rule(said: Said, tails: _Tails, words: Words, *, zone: ZoneInfo, now: float) -> Rule:
    if isinstance(said, After | Moment):
        if tails != _Tails():
            raise WhenError(
                "starting, until and 5 times are for what is sent again and again, and this is sent once;"
                " say how often, as in every day at 9:00 5 times"
            )
        return _after(said, zone, now) if isinstance(said, After) else _moment(said, words, zone, now)
    today = _today(zone, now)
    starting = None if tails.starting is None else _date(tails.starting, today, words)
    until = (
        None if tails.until is None else _date(tails.until, starting if starting and starting > today else today, words)
    )
    rule = Rule(said, zone.key, starting=starting, until=until, times=tails.times)
    if until is not None and until < today:
        raise WhenError(
            f"until {until} is past, today is {today}; as in every day at 9:00 until {today + timedelta(weeks=4)}"
        )
    _check_it_fires(rule, now)
    return rule


def _check_it_fires(rule: Rule, now: float) -> None:
    first = next(occurrences(rule, made_at=now), None)
    if first is not None and first.at < _LATEST:
        return
    if rule.until is not None:
        endless = next(occurrences(Rule(rule.pattern, rule.zone, starting=rule.starting), made_at=now), None)
        if endless is not None:
            shown = local(endless.at, ZoneInfo(rule.zone))
            later = _today(ZoneInfo(rule.zone), endless.at) + timedelta(weeks=4)
            raise WhenError(
                f"until {rule.until} ends before the first time, which would be {shown}; write a later date,"
                f" as in {EVERY_EXAMPLE} until {later}"
            )
    if first is not None or isinstance(rule.pattern, Interval):
        raise WhenError(f"that is too far ahead; the calendar goes to {LAST_YEAR}, as in {EVERY_EXAMPLE}")
    raise WhenError(
        "that never fires: no month or year has such a day, as in every month on the last day at 12:00,"
        " or cron 0 9 1 * *"
    )


def _after(said: After, zone: ZoneInfo, now: float) -> Rule:
    at = math.floor(now) + said.seconds
    if at >= _LATEST:
        raise WhenError(f"that is too far ahead; the calendar goes to {LAST_YEAR}, for example in 2h30m")
    there = datetime.fromtimestamp(at, UTC).astimezone(zone)
    # A local time that exists twice means its first pass, so the second has to be said in another zone.
    if there.fold:
        there = there.astimezone(ZoneInfo("UTC"))
    assert isinstance(there.tzinfo, ZoneInfo)
    return Rule(Once(there.replace(tzinfo=None, fold=0)), there.tzinfo.key)


def _moment(said: Moment, words: Words, zone: ZoneInfo, now: float) -> Rule:
    today = _today(zone, now)
    match said.day:
        case None:
            return _next(Daily(said.at), zone, now)
        case Coming(weekday=weekday):
            return _next(Weekly(said.at, (weekday,)), zone, now)
        case Doubtful() as doubtful:
            first = _next(Weekly(said.at, (doubtful.weekday,)), zone, now)
            assert isinstance(first.pattern, Once)
            raise _which_week(doubtful, first.pattern.at.date(), words)
        case Dated(year=None, month=month, day=day, weekday=weekday):
            rule = _next(Yearly(said.at, month, day), zone, now)
            assert isinstance(rule.pattern, Once)
            _check_weekday(rule.pattern.at.date(), weekday)
            return rule
        case Shift() as known:
            return _today_or_later(known, today, said, words, zone, now)
        case Dated() as known:
            return _on(_date(known, today, words), said, zone, now)


def _next(pattern: Pattern, zone: ZoneInfo, now: float) -> Rule:
    """The first time of a pattern, as a rule of its own."""
    first = next(occurrences(Rule(pattern, zone.key), made_at=now), None)
    if first is None or first.at >= _LATEST:
        raise WhenError(f"that is too far ahead; the calendar goes to {LAST_YEAR}, as in {EXAMPLE}")
    return Rule(Once(_meant(first, zone)), zone.key)


def _on(day: date, said: Moment, zone: ZoneInfo, now: float) -> Rule:
    rule = Rule(Once(datetime.combine(day, said.at)), zone.key)
    if next(occurrences(rule, made_at=now), None) is None:
        past = next(occurrences(rule, made_at=_EARLIEST), None)
        shown = f"{day} {show_time(said.at)} {zone.key}"
        when = "is long ago" if past is None else f"was {ahead(past.at - now)}" if past.at < now else "is just over"
        raise WhenError(f"that is past: {shown} {when}; write a time to come, as in {EXAMPLE}")
    return rule


def _today_or_later(day: Shift, today: date, said: Moment, words: Words, zone: ZoneInfo, now: float) -> Rule:
    """Raises ``Unlikely`` for a time of today that is over, and for one of tonight that is none of a night."""
    at = show_time(said.at)
    if day.is_evening and _MORNING <= said.at.hour < _EVENING:
        hours = [said.at.hour + 12] if said.at.hour < 12 else []
        times = [show_time(said.at.replace(hour=hour)) for hour in (*hours, said.at.hour)]
        # Nothing but the zone follows what comes once.
        choices = [(f"today {each}", f"today {each} {zone.key}") for each in times]
        asked = f"{at} is not in the evening. Which time of today is meant? As in tomorrow at 20:00"
        raise Unlikely(asked, words.ask(asked, choices, begin=0, end=len(words.words)))
    try:
        return _on(_date(day, today, words), said, zone, now)
    except WhenError as error:
        if day.days:
            raise
        raise Unlikely(
            str(error),
            words.ask(
                f"Today {at} is past. Is tomorrow meant? As in tomorrow {at}",
                [(f"tomorrow {at}", "tomorrow")],
                begin=day.begin,
                end=day.end,
            ),
        ) from None


def _meant(occurrence: Occurrence, zone: ZoneInfo) -> datetime:
    if occurrence.meant is not None:
        return occurrence.meant
    return datetime.fromtimestamp(occurrence.at, UTC).astimezone(zone).replace(tzinfo=None, fold=0)


def _today(zone: ZoneInfo, now: float) -> date:
    return datetime.fromtimestamp(math.floor(now), UTC).astimezone(zone).date()


def _date(day: Day, today: date, words: Words) -> date:
    """The date of a day; without a year the next one, today included."""
    if isinstance(day, Shift):
        return today + timedelta(days=day.days)
    if isinstance(day, Dated):
        # Eight years on there has been a 29 February, also around 2100.
        years = range(today.year, today.year + 9) if day.year is None else (day.year,)
        dates = [each for each in (_dated(year, day.month, day.day) for year in years) if each is not None]
        found = dates[0] if day.year is not None else min(each for each in dates if each >= today)
        _check_weekday(found, day.weekday)
        return found
    coming = today + timedelta(days=(day.weekday - today.weekday()) % 7)
    if isinstance(day, Doubtful):
        raise _which_week(day, coming, words)
    return coming


def _dated(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None  # 29 February


def _check_weekday(day: date, weekday: int | None) -> None:
    if weekday is not None and day.weekday() != weekday:
        raise WhenError(
            f"{day} is a {WEEKDAY_NAMES[day.weekday()]} and no {WEEKDAY_NAMES[weekday]};"
            " leave one of the two out, as in 24 dec 18:00"
        )


def _which_week(doubtful: Doubtful, first: date, words: Words) -> Question:
    weekday = WEEKDAY_NAMES[doubtful.weekday]
    days = [first, first + timedelta(weeks=1)]
    choices = [(f"{weekday} {day.day} {MONTH_NAMES[day.month - 1]}", str(day)) for day in days]
    written = words.shown(doubtful.begin, doubtful.end)
    note = f"{written} may be the one of this week or the one of the week after."
    return words.ask(
        f"{note} Which is meant, {choices[0][0]} or {choices[1][0]}? The coming one is written as in"
        f" {weekday.lower()} 18:00",
        choices,
        begin=doubtful.begin,
        end=doubtful.end,
        note=note,
    )


_MORNING, _EVENING = 5, 17
"""Hours: what is between is not tonight."""
_LATEST = datetime(LAST_YEAR + 1, 1, 1, tzinfo=UTC).timestamp()
_EARLIEST = datetime(2, 1, 1, tzinfo=UTC).timestamp()
