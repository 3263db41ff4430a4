"""Rules where clocks are put forward and back, against a calendar that walks through the minutes in UTC.

The walk knows nothing of offsets: it looks at what the clock on the wall shows at each step. A local time that it has
not shown before is there for the first time; local times that it jumps over fall on the step after the jump.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import islice, takewhile
from typing import Literal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
    last_at,
    latest,
    next_occurrence,
    occurrences,
)

DAY = 86_400
MINUTE = timedelta(minutes=1)
QUARTER = timedelta(minutes=15)
ALL_MONTHS = frozenset(range(1, 13))


@dataclass(frozen=True, slots=True)
class Shown:
    """A local time, and the first instant at which the clock shows it or, where it leaves it out, a later one."""

    local: datetime
    at: float
    how: Literal["first", "again", "left out"]


def walk(zone: str, begin: datetime, end: datetime, step: timedelta) -> Iterator[Shown]:
    """What the clock shows between two instants (naive, in UTC), in order."""
    wall = ZoneInfo(zone)
    utc = begin.replace(tzinfo=UTC)
    latest_shown = utc.astimezone(wall).replace(tzinfo=None) - step
    while utc < end.replace(tzinfo=UTC):
        local = utc.astimezone(wall).replace(tzinfo=None)
        if local <= latest_shown:
            yield Shown(local, utc.timestamp(), "again")
        while latest_shown < local:
            latest_shown += step
            yield Shown(latest_shown, utc.timestamp(), "first" if latest_shown == local else "left out")
        utc += step


def merged(shown: Iterable[Shown]) -> list[Occurrence]:
    """Each instant once; the local time that exists goes before those that are moved there."""
    found: dict[float, Occurrence] = {}
    for one in shown:
        if one.at not in found or one.how == "first":
            found[one.at] = Occurrence(one.at, one.local if one.how == "left out" else None)
    return list(found.values())


# A year


YEARS = [
    ("Europe/Berlin", 2026, 4, 4),
    ("America/New_York", 2026, 4, 4),
    ("Europe/London", 2026, 4, 4),
    ("Australia/Lord_Howe", 2026, 2, 2),
    ("Pacific/Apia", 2011, 96 + 4, 4),
    ("Pacific/Apia", 2026, 0, 0),
    ("Asia/Kathmandu", 2026, 0, 0),
    ("Asia/Beirut", 2026, 4, 4),
    ("America/Sao_Paulo", 2018, 4, 4),
    ("America/Nuuk", 2024, 4, 4),
    ("Europe/Dublin", 2026, 4, 4),
    ("Europe/Dublin", 2055, 4, 4),
]
"""With how many quarters of an hour that are left out and shown twice, as their governments have it."""

USUAL_TIMES = {time(0), time(9), time(23, 45)}


@cache
def year_of(zone: str, year: int) -> tuple[Shown, ...]:
    """A year of a clock by quarters of an hour."""
    around = walk(zone, datetime(year - 1, 12, 29), datetime(year + 1, 1, 4), QUARTER)
    return tuple(one for one in around if one.local.year == year)


@cache
def times_of(zone: str, year: int) -> dict[time, list[Shown]]:
    """For each time of day, where the clock shows it first or leaves it out, day by day."""
    found: dict[time, list[Shown]] = {}
    for one in year_of(zone, year):
        if one.how != "again":
            found.setdefault(one.local.time(), []).append(one)
    return found


@cache
def irregular_of(zone: str, year: int) -> dict[str, list[time]]:
    """The times that the clock leaves out, and those that it shows again."""
    clock = year_of(zone, year)
    return {how: [one.local.time() for one in clock if one.how == how] for how in ("left out", "again")}


def single(at: time, days: set[int] | None = None, months: set[int] | None = None, weekdays: str = "") -> Cron:
    """A line of a crontab with one time, weekdays by their place in the string."""
    return Cron(
        frozenset([at.minute]),
        frozenset([at.hour]),
        None if days is None else frozenset(days),
        ALL_MONTHS if months is None else frozenset(months),
        frozenset(int(number) for number in weekdays) if weekdays else None,
    )


KINDS: list[tuple[str, Callable[[time], Pattern], Callable[[date], bool]]] = [
    ("daily", Daily, lambda day: True),
    ("sat,sun", lambda at: Weekly(at, (5, 6)), lambda day: day.strftime("%a") in ("Sat", "Sun")),
    ("on the 31st", lambda at: Monthly(at, (MonthDay(31),)), lambda day: day.day == 31),
    ("last day", lambda at: Monthly(at, (MonthDay(-1),)), lambda day: (day + timedelta(days=1)).day == 1),
    ("last sun", lambda at: Monthly(at, (MonthDay(-1, 6),)), lambda day: is_sunday(day) and is_last_week(day)),
    ("second sun", lambda at: Monthly(at, (MonthDay(2, 6),)), lambda day: is_sunday(day) and 8 <= day.day <= 14),
    ("30 dec", lambda at: Yearly(at, 12, 30), lambda day: (day.month, day.day) == (12, 30)),
    ("cron * * *", single, lambda day: True),
    (
        "cron 30 3,4,10-12 sun",
        lambda at: single(at, {30}, {3, 4, 10, 11, 12}, "6"),
        lambda day: day.month in (3, 4, 10, 11, 12) and (day.day == 30 or is_sunday(day)),
    ),
]


def is_sunday(day: date) -> bool:
    return day.strftime("%a") == "Sun"


def is_last_week(day: date) -> bool:
    return (day + timedelta(days=7)).month != day.month


@pytest.mark.parametrize(("kind", "pattern", "wanted"), KINDS, ids=[kind for kind, _, _ in KINDS])
@pytest.mark.parametrize(("zone", "year", "left_out", "twice"), YEARS)
def test_a_year_fires_once_for_each_day_that_is_meant(
    zone: str,
    year: int,
    left_out: int,
    twice: int,
    kind: str,
    pattern: Callable[[time], Pattern],
    wanted: Callable[[date], bool],
) -> None:
    clock = year_of(zone, year)
    irregular = irregular_of(zone, year)
    assert [len(irregular[how]) for how in ("left out", "again")] == [left_out, twice]
    days = [day for number in range(366) if (day := date(year, 1, 1) + timedelta(days=number)).year == year]
    meant = [day for day in days if wanted(day)]
    for at in USUAL_TIMES.union(*irregular.values()):
        shown = [one for one in times_of(zone, year)[at] if wanted(one.local.date())]
        assert [one.local.date() for one in shown] == meant
        rule = Rule(pattern(at), zone, starting=days[0], until=days[-1])
        found = list(occurrences(rule, made_at=clock[0].at - DAY))
        assert found == merged(shown)
        # Midnight of the day that Samoa left out is that of the next day: the one instant that two days share.
        shared = zone == "Pacific/Apia" and at == time(0) and {date(2011, 12, 30), date(2011, 12, 31)} <= set(meant)
        assert len(found) == len(meant) - shared
        assert last_at(rule, made_at=clock[0].at - DAY) == found[-1].at


@pytest.mark.parametrize(
    ("zone", "at", "made_at", "found"),
    [
        (
            "Europe/Berlin",
            time(2, 30),
            "2026-03-27T12:00+01:00",
            ["2026-03-28T02:30+01:00", "2026-03-29T03:00+02:00 for 29 02:30", "2026-03-30T02:30+02:00"],
        ),
        (
            "Europe/Berlin",
            time(2, 30),
            "2026-10-23T12:00+02:00",
            ["2026-10-24T02:30+02:00", "2026-10-25T02:30+02:00", "2026-10-26T02:30+01:00"],
        ),
        (
            "America/New_York",
            time(2, 30),
            "2026-03-06T12:00-05:00",
            ["2026-03-07T02:30-05:00", "2026-03-08T03:00-04:00 for 08 02:30", "2026-03-09T02:30-04:00"],
        ),
        (
            "America/New_York",
            time(1, 30),
            "2026-11-01T01:30-04:00",
            ["2026-11-02T01:30-05:00", "2026-11-03T01:30-05:00", "2026-11-04T01:30-05:00"],
        ),
        (
            "Europe/London",
            time(1),
            "2026-03-28T12:00+00:00",
            ["2026-03-29T02:00+01:00 for 29 01:00", "2026-03-30T01:00+01:00", "2026-03-31T01:00+01:00"],
        ),
        (
            "Europe/Dublin",
            time(1, 59),
            "2026-03-28T12:00+00:00",
            ["2026-03-29T02:00+01:00 for 29 01:59", "2026-03-30T01:59+01:00", "2026-03-31T01:59+01:00"],
        ),
        (
            "Australia/Lord_Howe",
            time(2, 15),
            "2026-10-03T12:00+10:30",
            ["2026-10-04T02:30+11:00 for 04 02:15", "2026-10-05T02:15+11:00", "2026-10-06T02:15+11:00"],
        ),
        (
            "Australia/Lord_Howe",
            time(1, 45),
            "2026-04-04T12:00+11:00",
            ["2026-04-05T01:45+11:00", "2026-04-06T01:45+10:30", "2026-04-07T01:45+10:30"],
        ),
        (
            "Pacific/Apia",
            time(9),
            "2011-12-29T08:00-10:00",
            ["2011-12-29T09:00-10:00", "2011-12-31T00:00+14:00 for 30 09:00", "2011-12-31T09:00+14:00"],
        ),
        (
            "Pacific/Apia",
            time(0),
            "2011-12-28T08:00-10:00",
            ["2011-12-29T00:00-10:00", "2011-12-31T00:00+14:00", "2012-01-01T00:00+14:00"],
        ),
        (
            "Asia/Beirut",
            time(0, 30),
            "2026-03-28T12:00+02:00",
            ["2026-03-29T01:00+03:00 for 29 00:30", "2026-03-30T00:30+03:00", "2026-03-31T00:30+03:00"],
        ),
        (
            "Asia/Beirut",
            time(23, 30),
            "2026-10-24T12:00+03:00",
            ["2026-10-24T23:30+03:00", "2026-10-25T23:30+02:00", "2026-10-26T23:30+02:00"],
        ),
        (
            "America/Sao_Paulo",
            time(0),
            "2018-11-03T12:00-03:00",
            ["2018-11-04T01:00-02:00 for 04 00:00", "2018-11-05T00:00-02:00", "2018-11-06T00:00-02:00"],
        ),
        (
            "America/Nuuk",
            time(23, 30),
            "2024-03-29T12:00-02:00",
            ["2024-03-29T23:30-02:00", "2024-03-31T00:00-01:00 for 30 23:30", "2024-03-31T23:30-01:00"],
        ),
        (
            "America/Nuuk",
            time(23, 30),
            "2024-10-26T23:45-01:00",
            ["2024-10-27T23:30-02:00", "2024-10-28T23:30-02:00", "2024-10-29T23:30-02:00"],
        ),
        (
            "Asia/Kathmandu",
            time(0),
            "2026-03-28T12:00+05:45",
            ["2026-03-29T00:00+05:45", "2026-03-30T00:00+05:45", "2026-03-31T00:00+05:45"],
        ),
    ],
)
def test_where_clocks_are_changed(zone: str, at: time, made_at: str, found: list[str]) -> None:
    made = datetime.fromisoformat(made_at).timestamp()
    first_three = islice(occurrences(Rule(Daily(at), zone), made_at=made), 3)
    assert [written(one, zone) for one in first_three] == found


def written(found: Occurrence, zone: str) -> str:
    """The local time, and the one that was meant if it is another."""
    local = datetime.fromtimestamp(found.at, ZoneInfo(zone)).isoformat(timespec="minutes")
    return local if found.meant is None else f"{local} for {found.meant:%d %H:%M}"


@pytest.mark.parametrize(
    ("zone", "at", "starting", "until", "count"),
    [
        pytest.param("Pacific/Apia", time(9), date(2011, 12, 30), date(2011, 12, 30), 1, id="a day that is not"),
        pytest.param("America/Nuuk", time(23, 30), date(2024, 3, 30), date(2024, 3, 30), 1, id="moved to the next day"),
        pytest.param("America/Nuuk", time(23, 30), date(2024, 3, 31), date(2024, 3, 31), 1, id="the day that it is"),
    ],
)
def test_first_and_last_day_are_those_that_are_meant(
    zone: str, at: time, starting: date, until: date, count: int
) -> None:
    rule = Rule(Daily(at), zone, starting=starting, until=until)
    found = list(occurrences(rule, made_at=0))
    assert len(found) == count
    assert last_at(rule, made_at=0) == found[-1].at


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Pacific/Apia", "America/Nuuk"])
def test_intervals_are_elapsed_time(zone: str) -> None:
    made = datetime(2011, 1, 1, 7, 3, tzinfo=UTC).timestamp()
    found = list(occurrences(Rule(Interval(DAY), zone, until=date(2012, 1, 5)), made_at=made))
    assert [one.at for one in found] == [made + DAY * number for number in range(1, len(found) + 1)]
    assert datetime.fromtimestamp(found[-1].at, ZoneInfo(zone)).date() == date(2012, 1, 5)


@pytest.mark.parametrize(
    ("zone", "made_at"),
    [
        pytest.param("America/Nuuk", "2024-03-28T12:00", id="left out up to midnight"),
        pytest.param("Asia/Beirut", "2026-03-27T12:00", id="left out from midnight"),
        pytest.param("America/Toronto", "1919-03-29T12:00", id="left out over midnight"),
        pytest.param("Pacific/Apia", "2011-12-28T12:00", id="left out from midnight to midnight"),
        pytest.param("Asia/Beirut", "2026-10-23T12:00", id="twice up to midnight"),
    ],
)
@pytest.mark.parametrize("minutes", [{0}, {0, 30, 45}, {15}])
def test_days_are_counted_as_they_are_listed(zone: str, made_at: str, minutes: set[int]) -> None:
    made = datetime.fromisoformat(made_at).replace(tzinfo=UTC).timestamp()
    rule = Rule(Cron(frozenset(minutes), frozenset(range(24)), None, ALL_MONTHS, None), zone)
    found = list(takewhile(lambda one: one.at < made + 5 * DAY, occurrences(rule, made_at=made)))
    assert len({one.at for one in found}) == len(found)
    for number, one in enumerate(found):
        assert latest(rule, made_at=made, after=made, upto=one.at) == (number + 1, one)


# Any rule, near a change of clocks, by minutes


WINDOWS = [
    ("Europe/Berlin", date(2026, 3, 24)),
    ("Europe/Berlin", date(2026, 10, 20)),
    ("America/New_York", date(2026, 3, 3)),
    ("America/New_York", date(2026, 10, 27)),
    ("Australia/Lord_Howe", date(2026, 9, 29)),
    ("Australia/Lord_Howe", date(2026, 3, 31)),
    ("Pacific/Apia", date(2011, 12, 25)),
    ("Asia/Kathmandu", date(1985, 12, 27)),
    ("Asia/Beirut", date(2026, 3, 24)),
    ("Asia/Beirut", date(2026, 10, 20)),
    ("America/Sao_Paulo", date(2018, 10, 30)),
    ("America/Sao_Paulo", date(2018, 2, 13)),
    ("America/Nuuk", date(2024, 3, 26)),
    ("America/Nuuk", date(2024, 10, 22)),
    ("Europe/Dublin", date(2026, 3, 24)),
    ("Europe/Dublin", date(2068, 10, 23)),
    ("UTC", date(2028, 2, 24)),
]
"""Of fourteen days, the change on the fifth or sixth."""

LENGTH = 14


@cache
def minutes_of(zone: str, begin: date) -> tuple[Shown, ...]:
    midnight = datetime.combine(begin, time())
    around = walk(zone, midnight, midnight + timedelta(days=LENGTH), MINUTE)
    return tuple(one for one in around if one.how != "again")


def on_day(pattern: Pattern, day: date) -> bool:
    """Whether a pattern wants a day, ``every`` aside."""
    tomorrow_week = day + timedelta(days=7)
    match pattern:
        case Weekly(days=days):
            return day.isoweekday() - 1 in days
        case Monthly(days=days):
            plain = {month_day.nth for month_day in days if month_day.weekday is None}
            named = {(month_day.nth, month_day.weekday) for month_day in days if month_day.weekday is not None}
            is_last = (day + timedelta(days=1)).day == 1
            of_last_week = tomorrow_week.month != day.month
            return (
                day.day in plain
                or (is_last and -1 in plain)
                or ((day.day + 6) // 7, day.isoweekday() - 1) in named
                or (of_last_week and (-1, day.isoweekday() - 1) in named)
            )
        case Yearly():
            return (day.month, day.day) == (pattern.month, pattern.day)
        case Cron(month_days=month_days, weekdays=weekdays):
            restricted = [day.day in month_days] if month_days is not None else []
            restricted += [day.isoweekday() - 1 in weekdays] if weekdays is not None else []
            return day.month in pattern.months and (any(restricted) or not restricted)
    return True


def at_minute(pattern: Pattern, local: datetime) -> bool:
    match pattern:
        case Once(at):
            return local == at
        case Cron():
            return local.hour in pattern.hours and local.minute in pattern.minutes
        case Interval():
            return False
    return local.time() == pattern.at


def naive_oracle(rule: Rule, made_at: float, clock: tuple[Shown, ...]) -> list[Occurrence]:
    """The occurrences within a window, by looking at each of its minutes."""
    pattern = rule.pattern
    if isinstance(pattern, Interval):
        return interval_oracle(rule, pattern.seconds, made_at, clock)
    found = [one for one in clock if at_minute(pattern, one.local) and on_day(pattern, one.local.date())]
    if isinstance(pattern, Daily | Weekly) and pattern.every > 1:
        found = every_so_many(rule, pattern, made_at, found)
    found = [one for one in found if one.at > made_at]
    found = [one for one in found if rule.starting is None or one.local.date() >= rule.starting]
    found = [one for one in found if rule.until is None or one.local.date() <= rule.until]
    return merged(found)[: rule.times]


def every_so_many(rule: Rule, pattern: Daily | Weekly, made_at: float, found: list[Shown]) -> list[Shown]:
    def unit(day: date) -> int:
        monday = day - timedelta(days=day.isoweekday() - 1)
        return (monday - date(1900, 1, 1)).days // 7 if isinstance(pattern, Weekly) else (day - date(1900, 1, 1)).days

    for one in found:
        if one.local.date() >= rule.starting if rule.starting else one.at > made_at:
            begin = unit(one.local.date())
            return [
                other
                for other in found
                if unit(other.local.date()) >= begin and (unit(other.local.date()) - begin) % pattern.every == 0
            ]
    return []


def interval_oracle(rule: Rule, seconds: int, made_at: float, clock: tuple[Shown, ...]) -> list[Occurrence]:
    at = float(made_at // 1 + seconds)
    if rule.starting is not None:
        at = next(one.at for one in clock if one.local.date() >= rule.starting)
    found = []
    while at <= clock[-1].at:
        day = datetime.fromtimestamp(at, ZoneInfo(rule.zone)).date()
        if at > made_at and (rule.until is None or day <= rule.until):
            found.append(Occurrence(at))
        at += seconds
    return found[: rule.times]


NEAR_CHANGES = [
    time(0),
    time(0, 30),
    time(1, 30),
    time(1, 45),
    time(2),
    time(2, 15),
    time(2, 59),
    time(3),
    time(23, 30),
]
clock_times = st.sampled_from(NEAR_CHANGES) | st.builds(time, st.integers(0, 23), st.integers(0, 59))
weekday_sets = st.sets(st.integers(0, 6), min_size=1).map(lambda days: tuple(sorted(days)))
nths = st.builds(MonthDay, st.integers(24, 31) | st.integers(1, 7) | st.just(-1))
nth_weekdays = st.builds(MonthDay, st.sampled_from([-1, 1, 2, 3, 4, 5]), st.integers(0, 6))
minute_sets = st.sampled_from([{0}, {30}, {0, 15, 30, 45}, {1, 59}, set(range(0, 60, 7)), set(range(60))])
hour_sets = st.sampled_from([{0}, {2}, {1, 2, 3}, {0, 23}, {9, 17}, set(range(24))])


@st.composite
def cases(draw: st.DrawFn) -> tuple[Rule, float, date]:
    """A rule, when it was made, and the window in which that is."""
    zone, begin = draw(st.sampled_from(WINDOWS))
    day = st.integers(1, 10).map(lambda number: begin + timedelta(days=number))
    pattern = draw(
        st.one_of(
            st.builds(lambda on, at: Once(datetime.combine(on, at)), day, clock_times),
            st.builds(Daily, clock_times, st.integers(1, 4)),
            st.builds(Weekly, clock_times, weekday_sets, st.integers(1, 2)),
            st.builds(
                Monthly,
                clock_times,
                st.lists(nths | nth_weekdays, min_size=1, max_size=4).map(lambda days: tuple(days)),
            ),
            st.builds(lambda at, on: Yearly(at, on.month, on.day), clock_times, day),
            st.builds(Interval, st.integers(300, 3 * DAY)),
            st.builds(
                Cron,
                minute_sets.map(frozenset),
                hour_sets.map(frozenset),
                st.none() | st.frozensets(st.integers(1, 31), min_size=1),
                st.just(ALL_MONTHS) | st.just(frozenset([begin.month])),
                st.none() | st.frozensets(st.integers(0, 6), min_size=1),
            ),
        )
    )
    rule = Rule(
        pattern,
        zone,
        starting=draw(st.none() | day),
        until=draw(st.none() | day),
        times=draw(st.none() | st.integers(1, 30)),
    )
    midnight = datetime.combine(begin, time(), UTC).timestamp()
    return rule, midnight + draw(st.integers(2 * DAY, 2 * 8 * DAY)) / 2, begin


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(cases(), st.floats(0, 8 * DAY), st.floats(0, 4 * DAY))
def test_any_rule_as_a_walk_through_the_minutes_has_it(
    case: tuple[Rule, float, date], later: float, longer: float
) -> None:
    rule, made_at, begin = case
    clock = minutes_of(rule.zone, begin)
    end = clock[-1].at - DAY
    expected = [one for one in naive_oracle(rule, made_at, clock) if one.at <= end]

    def within(after: float | None) -> list[Occurrence]:
        return list(takewhile(lambda one: one.at <= end, occurrences(rule, made_at=made_at, after=after)))

    assert within(None) == expected
    after = made_at - DAY + later
    behind = [one for one in expected if one.at > after]
    assert within(after) == behind
    following = next_occurrence(rule, made_at=made_at, after=after)
    assert following == behind[0] if behind else following is None or following.at > end
    counted = [one for one in behind if one.at <= min(end, after + longer)]
    assert latest(rule, made_at=made_at, after=after, upto=min(end, after + longer)) == (
        len(counted),
        counted[-1] if counted else None,
    )
    if rule.until is not None or isinstance(rule.pattern, Once):
        assert last_at(rule, made_at=made_at) == (expected[-1].at if expected else None)
