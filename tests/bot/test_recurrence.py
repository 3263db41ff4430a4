"""Rules and their instants: a table for every pattern, and date arithmetic against a second implementation."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pytest
from dateutil import rrule
from hypothesis import given, settings
from hypothesis import strategies as st

from bot import recurrence
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
    resolve,
    zone_named,
)

NINE = time(9)
ALL_MINUTES, ALL_HOURS, ALL_MONTHS = frozenset(range(60)), frozenset(range(24)), frozenset(range(1, 13))
MADE = "2026-03-04 10:00"
"""A Wednesday."""
SEEDED = settings(max_examples=80, deadline=None, derandomize=True, database=None)


def instant(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def written(found: Iterable[Occurrence], count: int = 6) -> list[str]:
    """The first few in UTC, without seconds where they are zero."""
    texts = [datetime.fromtimestamp(one.at, UTC).isoformat(" ")[:19] for one in islice(found, count)]
    return [text.removesuffix(":00") for text in texts]


def cron(
    minutes: Iterable[int] = (0,),
    hours: Iterable[int] = (9,),
    days: Iterable[int] | None = None,
    months: Iterable[int] = ALL_MONTHS,
    weekdays: Iterable[int] | None = None,
) -> Cron:
    return Cron(
        frozenset(minutes),
        frozenset(hours),
        None if days is None else frozenset(days),
        frozenset(months),
        None if weekdays is None else frozenset(weekdays),
    )


def in_utc(pattern: Pattern, **tails: object) -> Rule:
    return Rule(pattern, "UTC", **tails)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rule", "dates"),
    [
        pytest.param(in_utc(Once(datetime(2026, 12, 24, 18, 0, 30))), ["2026-12-24 18:00:30"], id="once"),
        pytest.param(in_utc(Once(datetime(2026, 3, 4, 10))), [], id="once, at the moment of making"),
        pytest.param(in_utc(Once(datetime(2026, 3, 4, 10)), starting=date(2026, 3, 1)), [], id="once, past"),
        pytest.param(in_utc(Once(datetime(2026, 12, 24)), until=date(2026, 12, 23)), [], id="once, behind until"),
        pytest.param(in_utc(Once(datetime(2026, 12, 24)), starting=date(2026, 12, 25)), [], id="once, before starting"),
        pytest.param(
            in_utc(Daily(NINE), times=3), ["2026-03-05 09:00", "2026-03-06 09:00", "2026-03-07 09:00"], id="daily"
        ),
        pytest.param(in_utc(Daily(time(10, 1)), times=1), ["2026-03-04 10:01"], id="daily, today is to come"),
        pytest.param(in_utc(Daily(time(10)), times=1), ["2026-03-05 10:00"], id="daily, strictly later"),
        pytest.param(
            in_utc(Daily(time(10), 2), times=2),
            ["2026-03-05 10:00", "2026-03-07 10:00"],
            id="every 2 days, made at that moment: the first is tomorrow",
        ),
        pytest.param(
            in_utc(Daily(NINE, 3), until=date(2026, 3, 11)),
            ["2026-03-05 09:00", "2026-03-08 09:00", "2026-03-11 09:00"],
            id="every 3 days, until is included",
        ),
        pytest.param(
            in_utc(Daily(NINE, 3), starting=date(2026, 3, 1), until=date(2026, 3, 11)),
            ["2026-03-07 09:00", "2026-03-10 09:00"],
            id="every 3 days, from a day that is past: it came on 1 and 4 March",
        ),
        pytest.param(
            in_utc(Daily(NINE, 2), starting=date(2026, 4, 10), times=2),
            ["2026-04-10 09:00", "2026-04-12 09:00"],
            id="every 2 days, from a day to come",
        ),
        pytest.param(
            in_utc(Weekly(NINE, (0, 3)), times=4),
            ["2026-03-05 09:00", "2026-03-09 09:00", "2026-03-12 09:00", "2026-03-16 09:00"],
            id="mon,thu",
        ),
        pytest.param(
            in_utc(Weekly(NINE, (0, 3), 2), times=4),
            ["2026-03-05 09:00", "2026-03-16 09:00", "2026-03-19 09:00", "2026-03-30 09:00"],
            id="every 2 weeks on mon,thu: the week of Thu 5 March is week 0",
        ),
        pytest.param(
            in_utc(Weekly(NINE, (0, 1), 2), times=4),
            ["2026-03-09 09:00", "2026-03-10 09:00", "2026-03-23 09:00", "2026-03-24 09:00"],
            id="every 2 weeks on mon,tue: neither is to come this week",
        ),
        pytest.param(
            in_utc(Weekly(NINE, (0, 6), 2), times=3),
            ["2026-03-08 09:00", "2026-03-16 09:00", "2026-03-22 09:00"],
            id="every 2 weeks on mon,sun: Sunday ends a week",
        ),
        pytest.param(
            in_utc(Weekly(NINE, (4,), 2), starting=date(2026, 2, 14), times=2),
            ["2026-03-06 09:00", "2026-03-20 09:00"],
            id="every 2 weeks on fri, from a past Saturday: first on 20 February",
        ),
        pytest.param(
            in_utc(Monthly(NINE, (MonthDay(1), MonthDay(15))), times=3),
            ["2026-03-15 09:00", "2026-04-01 09:00", "2026-04-15 09:00"],
            id="1st,15th",
        ),
        pytest.param(
            in_utc(Monthly(NINE, (MonthDay(31),)), times=4),
            ["2026-03-31 09:00", "2026-05-31 09:00", "2026-07-31 09:00", "2026-08-31 09:00"],
            id="31st",
        ),
        pytest.param(
            in_utc(Monthly(NINE, (MonthDay(-1),)), starting=date(2027, 12, 31), times=3),
            ["2027-12-31 09:00", "2028-01-31 09:00", "2028-02-29 09:00"],
            id="last day",
        ),
        pytest.param(
            in_utc(Monthly(NINE, (MonthDay(31), MonthDay(-1))), times=3),
            ["2026-03-31 09:00", "2026-04-30 09:00", "2026-05-31 09:00"],
            id="31st and last day are one",
        ),
        pytest.param(
            in_utc(Monthly(NINE, (MonthDay(1, 0),)), times=2), ["2026-04-06 09:00", "2026-05-04 09:00"], id="first mon"
        ),
        pytest.param(
            in_utc(Monthly(NINE, (MonthDay(-1, 4),)), times=2), ["2026-03-27 09:00", "2026-04-24 09:00"], id="last fri"
        ),
        pytest.param(
            in_utc(Monthly(NINE, (MonthDay(5, 0),)), times=3),
            ["2026-03-30 09:00", "2026-06-29 09:00", "2026-08-31 09:00"],
            id="fifth mon",
        ),
        pytest.param(
            in_utc(Monthly(NINE, (MonthDay(-1), MonthDay(1, 4))), times=3),
            ["2026-03-06 09:00", "2026-03-31 09:00", "2026-04-03 09:00"],
            id="days are in order, whatever the order of the rule",
        ),
        pytest.param(
            in_utc(Monthly(NINE, (MonthDay(1),), 3), times=3),
            ["2026-04-01 09:00", "2026-07-01 09:00", "2026-10-01 09:00"],
            id="every 3 months",
        ),
        pytest.param(
            in_utc(Monthly(NINE, (MonthDay(31),), 2), times=4),
            ["2026-03-31 09:00", "2026-05-31 09:00", "2026-07-31 09:00", "2027-01-31 09:00"],
            id="every 2 months on the 31st: September and November are without it",
        ),
        pytest.param(
            in_utc(Monthly(NINE, (MonthDay(29),), 12), starting=date(2096, 2, 1), times=3),
            ["2096-02-29 09:00", "2104-02-29 09:00", "2108-02-29 09:00"],
            id="every 12 months from a 29 February: 2100 has none",
        ),
        pytest.param(
            in_utc(Monthly(NINE, (MonthDay(5, 0),), 12), starting=date(2044, 2, 1), times=2),
            ["2044-02-29 09:00", "2072-02-29 09:00"],
            id="every 12 months on the fifth mon, from a February",
        ),
        pytest.param(
            in_utc(Yearly(NINE, 12, 24), times=2), ["2026-12-24 09:00", "2027-12-24 09:00"], id="every year on 24 dec"
        ),
        pytest.param(
            in_utc(Yearly(NINE, 2, 29), starting=date(2095, 1, 1), times=2),
            ["2096-02-29 09:00", "2104-02-29 09:00"],
            id="every year on 29 feb",
        ),
        pytest.param(in_utc(Yearly(NINE, 2, 30)), [], id="a day that no year has"),
        pytest.param(
            in_utc(Interval(900), times=3), ["2026-03-04 10:15", "2026-03-04 10:30", "2026-03-04 10:45"], id="every 15m"
        ),
        pytest.param(
            in_utc(Interval(8 * 3600), until=date(2026, 3, 5)),
            ["2026-03-04 18:00", "2026-03-05 02:00", "2026-03-05 10:00", "2026-03-05 18:00"],
            id="every 8h, until is included",
        ),
        pytest.param(
            in_utc(Interval(36 * 3600), starting=date(2026, 3, 6), times=2),
            ["2026-03-06 00:00", "2026-03-07 12:00"],
            id="every 36h, from the beginning of a day to come",
        ),
        pytest.param(
            in_utc(Interval(36 * 3600), starting=date(2026, 3, 2), times=2),
            ["2026-03-05 00:00", "2026-03-06 12:00"],
            id="every 36h, from a day that is past",
        ),
        pytest.param(
            in_utc(cron(weekdays=range(5)), times=4),
            ["2026-03-05 09:00", "2026-03-06 09:00", "2026-03-09 09:00", "2026-03-10 09:00"],
            id="cron 0 9 * * mon-fri",
        ),
        pytest.param(
            in_utc(cron((0, 30), (9, 17)), times=5),
            ["2026-03-04 17:00", "2026-03-04 17:30", "2026-03-05 09:00", "2026-03-05 09:30", "2026-03-05 17:00"],
            id="cron 0,30 9,17 * * *",
        ),
        pytest.param(
            in_utc(cron(days=(13,), weekdays=(4,)), times=4),
            ["2026-03-06 09:00", "2026-03-13 09:00", "2026-03-20 09:00", "2026-03-27 09:00"],
            id="cron 0 9 13 * fri: either",
        ),
        pytest.param(
            in_utc(cron(days=(1,), months=(6, 12)), times=3),
            ["2026-06-01 09:00", "2026-12-01 09:00", "2027-06-01 09:00"],
            id="cron 0 9 1 6,12 *",
        ),
        pytest.param(
            in_utc(cron(days=(29,), months=(2,)), starting=date(2097, 1, 1), times=1),
            ["2104-02-29 09:00"],
            id="cron 0 9 29 2 *: over 2100",
        ),
        pytest.param(in_utc(cron(days=(30, 31), months=(2,))), [], id="cron that never fires"),
        pytest.param(
            in_utc(cron(days=(30,), months=(2,), weekdays=(0,)), times=1),
            ["2027-02-01 09:00"],
            id="cron of a day that is not, but a weekday that is",
        ),
        pytest.param(in_utc(Daily(NINE), until=date(2026, 3, 4)), [], id="until is over"),
        pytest.param(in_utc(Daily(NINE), until=date(2025, 3, 4), times=3), [], id="until is long over"),
        pytest.param(
            in_utc(Daily(NINE), starting=date(2026, 3, 6), until=date(2026, 3, 7), times=9),
            ["2026-03-06 09:00", "2026-03-07 09:00"],
            id="all tails: the narrowest holds",
        ),
    ],
)
def test_pattern(rule: Rule, dates: list[str]) -> None:
    assert written(occurrences(rule, made_at=instant(MADE))) == dates


RULES = [
    in_utc(Once(datetime(2026, 3, 20, 9))),
    in_utc(Daily(NINE)),
    in_utc(Daily(NINE, 4)),
    in_utc(Daily(NINE, 4), starting=date(2026, 2, 3), times=12),
    in_utc(Weekly(NINE, (1, 5), 3)),
    in_utc(Weekly(NINE, (1, 5), 3), until=date(2026, 6, 9)),
    in_utc(Monthly(NINE, (MonthDay(31), MonthDay(2, 2)), 2)),
    in_utc(Yearly(NINE, 4, 1), times=2),
    in_utc(Interval(100_000)),
    in_utc(Interval(100_000), starting=date(2026, 3, 17), times=40),
    in_utc(Interval(100_000), starting=date(2026, 1, 17), until=date(2026, 5, 1)),
    in_utc(cron((0, 20), range(24), weekdays=(0, 3))),
    in_utc(cron((0, 20), range(24), days=(2,)), times=70),
]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("later", [0, 1, 5.5 * 86_400, 33 * 86_400 + 0.25, 86_400 * 500])
def test_the_same_instants_wherever_one_begins_to_look(rule: Rule, later: float) -> None:
    made = instant(MADE)
    whole = list(islice(occurrences(rule, made_at=made), 2_000))
    expected = [one for one in whole if one.at > made + later]
    found = list(islice(occurrences(rule, made_at=made, after=made + later), len(expected)))
    assert found == expected
    assert next_occurrence(rule, made_at=made, after=made + later) == (
        expected[0] if expected else next(occurrences(rule, made_at=made, after=made + later), None)
    )


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(("begin", "length"), [(-9e9, 9e9 + 50 * 86_400), (0, 86_400.5), (3e6, 4e6), (5e6, -1), (0, 0)])
def test_latest_counts_what_there_is(rule: Rule, begin: float, length: float) -> None:
    made = instant(MADE)
    after, upto = made + begin, made + begin + length
    there = [one for one in islice(occurrences(rule, made_at=made), 20_000) if after < one.at <= upto]
    assert latest(rule, made_at=made, after=after, upto=upto) == (len(there), there[-1] if there else None)


@pytest.mark.parametrize(
    "rule", [rule for rule in RULES if rule.until or rule.times or isinstance(rule.pattern, Once)], ids=str
)
def test_last_at_is_the_last(rule: Rule) -> None:
    *_, last = occurrences(rule, made_at=instant(MADE))
    assert last_at(rule, made_at=instant(MADE)) == last.at
    assert next_occurrence(rule, made_at=instant(MADE), after=last.at) is None
    assert next_occurrence(rule, made_at=instant(MADE), after=last.at - 1) == last


@pytest.mark.parametrize(
    "rule",
    [
        in_utc(Daily(NINE)),
        in_utc(Interval(60)),
        in_utc(cron(days=(30,), months=(2,)), until=date(2400, 1, 1)),
        in_utc(cron(days=(30,), months=(2,)), times=4),
        in_utc(Daily(NINE), until=date(2026, 3, 4)),
        in_utc(Interval(60), until=date(2026, 3, 3)),
        in_utc(Once(datetime(2020, 1, 1))),
    ],
)
def test_no_last_where_there_is_no_end_or_nothing_to_come(rule: Rule) -> None:
    assert last_at(rule, made_at=instant(MADE)) is None


@pytest.mark.parametrize(
    ("rule", "last"),
    [
        (in_utc(Yearly(NINE, 2, 29), until=date(2103, 12, 31)), "2096-02-29 09:00"),
        (in_utc(Daily(NINE), until=date(9999, 12, 31)), "9999-12-29 09:00"),
        (in_utc(Monthly(NINE, (MonthDay(-1),), 600), until=date(2125, 1, 1)), "2076-03-31 09:00"),
    ],
)
def test_last_at_looks_as_far_back_as_needed(rule: Rule, last: str) -> None:
    assert last_at(rule, made_at=instant(MADE)) == instant(last)


@pytest.mark.parametrize(
    "rule",
    [
        in_utc(cron(ALL_MINUTES, ALL_HOURS), times=10_000),
        Rule(cron(ALL_MINUTES, ALL_HOURS), "Europe/Berlin", times=10_000),
        Rule(cron((0, 30), (2, 3)), "Europe/Berlin", times=10_000),
        Rule(Daily(time(2, 30)), "America/New_York", times=10_000),
    ],
)
def test_so_many_times_are_counted_by_days(rule: Rule, monkeypatch: pytest.MonkeyPatch) -> None:
    made = instant(MADE)
    one_by_one = list(occurrences(rule, made_at=made))
    looked = []

    def counted(*words: object) -> Occurrence:
        looked.append(words)
        return resolve(*words)  # type: ignore[arg-type]

    monkeypatch.setattr(recurrence, "resolve", counted)
    assert last_at(rule, made_at=made) == one_by_one[-1].at
    assert len(one_by_one) == 10_000
    assert len(looked) < 3_000


def refuse(*args: object, **more: object) -> None:
    raise AssertionError("counted again")


@pytest.mark.parametrize(
    "rule",
    [
        in_utc(cron((0, 30)), times=7),
        Rule(Daily(time(2, 30), 2), "Europe/Berlin", times=20),
        Rule(Weekly(NINE, (0, 3)), "Europe/Berlin", starting=date(2026, 4, 1), times=9),
        Rule(Daily(NINE), "Europe/Berlin", until=date(2026, 3, 20), times=40),
        in_utc(Interval(3_600), times=30),
    ],
)
def test_with_an_end_that_is_known_nothing_is_counted_again(rule: Rule, monkeypatch: pytest.MonkeyPatch) -> None:
    made = instant(MADE)
    found = list(occurrences(rule, made_at=made))
    end = last_at(rule, made_at=made)
    monkeypatch.setattr(recurrence, "_last_counted", refuse)
    assert list(occurrences(rule, made_at=made, end=end)) == found
    assert list(occurrences(rule, made_at=made, after=found[2].at, end=end)) == found[3:]
    assert next_occurrence(rule, made_at=made, after=found[-2].at, end=end) == found[-1]
    assert next_occurrence(rule, made_at=made, after=found[-1].at, end=end) is None
    assert latest(rule, made_at=made, after=found[0].at, upto=made + 10**9, end=end) == (len(found) - 1, found[-1])


def test_the_last_one_is_not_lost_where_a_country_has_moved_it_by_an_hour() -> None:
    rule = Rule(Daily(NINE), "Europe/Berlin", times=5)
    found = list(occurrences(rule, made_at=instant(MADE)))
    before = found[-1].at - 3_600.0
    assert list(occurrences(rule, made_at=instant(MADE), after=found[2].at, end=before)) == found[3:]


def test_a_fraction_of_a_second_is_before_the_next() -> None:
    made = instant(MADE) + 0.75
    assert written(occurrences(in_utc(Interval(10)), made_at=made), 2) == ["2026-03-04 10:00:10", "2026-03-04 10:00:20"]
    assert next_occurrence(in_utc(Daily(time(10, 0, 1))), made_at=made, after=made) == Occurrence(instant(MADE) + 1)


def test_an_interval_is_counted_without_a_walk() -> None:
    made = instant(MADE)
    count, last = latest(in_utc(Interval(10)), made_at=made, after=made, upto=made + 10 * 10**9 + 5)
    assert (count, last) == (10**9, Occurrence(made + 10 * 10**9))


def test_every_minute_of_years_is_counted_by_days() -> None:
    made = instant(MADE)
    every_minute = Rule(cron(ALL_MINUTES, ALL_HOURS), "Europe/Berlin")
    count, last = latest(every_minute, made_at=made, after=made, upto=made + 730 * 86_400)
    # Two autumns have an hour twice, of which one counts.
    assert (count, last) == (730 * 1440 - 2 * 60, Occurrence(made + 730 * 86_400))


@pytest.mark.parametrize(
    "pattern",
    [
        Daily(NINE),
        Daily(NINE, 10**9),
        Weekly(NINE, (0, 6), 10**6),
        Monthly(NINE, (MonthDay(31),), 10**6),
        Monthly(NINE, (MonthDay(5, 2),)),
        Yearly(NINE, 2, 29),
        Interval(10),
        Interval(10**15),
        cron(ALL_MINUTES, ALL_HOURS),
        Once(datetime(9999, 12, 31, 23, 59, 59)),
    ],
)
@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Pacific/Kiritimati"])
@pytest.mark.parametrize("after", ["9999-12-29 12:00", "9999-12-31 23:59", "9990-01-01 00:00"])
def test_the_end_of_the_calendar_is_an_end(pattern: Pattern, zone: str, after: str) -> None:
    rule = Rule(pattern, zone, starting=date(2026, 1, 1))
    found = list(islice(occurrences(rule, made_at=instant(MADE), after=instant(after)), 5_000))
    assert all(one.at > instant(after) and datetime.fromtimestamp(one.at, ZoneInfo(zone)) for one in found)
    assert latest(rule, made_at=instant(MADE), after=instant("9999-12-31 23:59"), upto=float("inf")) == (0, None)
    assert next_occurrence(rule, made_at=instant(MADE), after=float("inf")) is None


def test_a_zone_that_is_not_known_is_an_error() -> None:
    with pytest.raises(ZoneInfoNotFoundError):
        occurrences(Rule(Daily(NINE), "Europe/Atlantis"), made_at=0)


def test_zones_are_read_once() -> None:
    assert zone_named("Europe/Berlin") is zone_named("Europe/Berlin")


@pytest.mark.parametrize(
    ("zone", "local", "utc", "gap"),
    [
        ("Europe/Berlin", "2026-03-29 01:59:59", "2026-03-29 00:59:59", False),
        ("Europe/Berlin", "2026-03-29 02:00:00", "2026-03-29 01:00", True),
        ("Europe/Berlin", "2026-03-29 02:59:59", "2026-03-29 01:00", True),
        ("Europe/Berlin", "2026-03-29 03:00:00", "2026-03-29 01:00", False),
        ("Europe/Berlin", "2026-10-25 02:30:00", "2026-10-25 00:30", False),
        ("Europe/Berlin", "2026-10-25 03:00:00", "2026-10-25 02:00", False),
        ("Europe/Berlin", "2060-03-28 02:30:00", "2060-03-28 01:00", True),
        ("Europe/Berlin", "1890-01-01 12:00:00", "1890-01-01 11:06:32", False),
        ("Europe/Berlin", "1893-04-01 00:03:00", "1893-03-31 23:06:32", True),
        ("Europe/Dublin", "2026-03-29 01:30:00", "2026-03-29 01:00", True),
        ("Europe/Dublin", "2026-10-25 01:30:00", "2026-10-25 00:30", False),
        ("Europe/Dublin", "2060-03-28 01:30:00", "2060-03-28 01:00", True),
        ("Australia/Lord_Howe", "2026-10-04 02:15:00", "2026-10-03 15:30", True),
        ("Australia/Lord_Howe", "2026-04-05 01:45:00", "2026-04-04 14:45", False),
        ("America/Goose_Bay", "1987-04-05 00:30:00", "1987-04-05 04:01", True),
        ("Africa/Monrovia", "1972-01-07 00:30:00", "1972-01-07 00:44:30", True),
        ("Pacific/Apia", "2011-12-30 00:00:00", "2011-12-30 10:00", True),
        ("Pacific/Apia", "2011-12-30 23:59:59", "2011-12-30 10:00", True),
        ("Asia/Beirut", "2026-03-29 00:30:00", "2026-03-28 22:00", True),
        ("America/Nuuk", "2024-03-30 23:30:00", "2024-03-31 01:00", True),
        ("Asia/Kathmandu", "2026-03-29 02:30:00", "2026-03-28 20:45", False),
        ("UTC", "0001-01-01 00:00:00", "0001-01-01 00:00", False),
        ("America/New_York", "9999-12-31 23:59:59", None, False),
    ],
)
def test_resolve(zone: str, local: str, utc: str | None, gap: bool) -> None:
    naive = datetime.fromisoformat(local)
    found = resolve(naive, ZoneInfo(zone))
    expected = instant(utc) if utc else instant(local) + 5 * 3600
    assert found == Occurrence(expected, naive if gap else None)
    assert resolve(naive.replace(fold=1), ZoneInfo(zone)).at == expected


made_ats = st.integers(int(instant("1999-01-01")), int(instant("2060-01-01")))
times = st.builds(time, st.integers(0, 23), st.integers(0, 59), st.integers(0, 59))
month_days = st.one_of(
    st.builds(MonthDay, st.sampled_from([-1, 1, 2, 15, 28, 29, 30, 31])),
    st.builds(MonthDay, st.sampled_from([-1, 1, 2, 3, 4, 5]), st.integers(0, 6)),
)


def dates_of(rule: Rule, made_at: float, count: int) -> list[datetime]:
    found = islice(occurrences(rule, made_at=made_at), count)
    return [datetime.fromtimestamp(one.at, UTC).replace(tzinfo=None) for one in found]


def later(made_at: float, rules: list[rrule.rrule], count: int) -> list[datetime]:
    """The first few instants of several rules of dateutil that are later than ``made_at``."""
    made = datetime.fromtimestamp(made_at, UTC).replace(tzinfo=None)
    return sorted({at for rule in rules for at in rule.xafter(made, count)})[:count]


def midnight(made_at: float) -> datetime:
    return datetime.combine(datetime.fromtimestamp(made_at, UTC), time())


def at_time(at: time) -> dict[str, int]:
    return {"byhour": at.hour, "byminute": at.minute, "bysecond": at.second}


@SEEDED
@given(made_ats, times, st.integers(1, 40))
def test_days_as_dateutil_has_them(made_at: int, at: time, every: int) -> None:
    (first,) = later(made_at, [rrule.rrule(rrule.DAILY, dtstart=midnight(made_at), **at_time(at))], 1)
    expected = later(made_at, [rrule.rrule(rrule.DAILY, dtstart=first, interval=every)], 8)
    assert dates_of(in_utc(Daily(at, every)), made_at, 8) == expected


@SEEDED
@given(made_ats, times, st.sets(st.integers(0, 6), min_size=1), st.integers(1, 9))
def test_weeks_as_dateutil_has_them(made_at: int, at: time, days: set[int], every: int) -> None:
    weekly = {"freq": rrule.WEEKLY, "byweekday": sorted(days), "wkst": rrule.MO, **at_time(at)}
    (first,) = later(made_at, [rrule.rrule(dtstart=midnight(made_at), **weekly)], 1)
    expected = later(made_at, [rrule.rrule(dtstart=first, interval=every, **weekly)], 12)
    rule = in_utc(Weekly(at, tuple(sorted(days)), every))  # type: ignore[arg-type]
    assert dates_of(rule, made_at, 12) == expected


@SEEDED
@given(made_ats, times, st.lists(month_days, min_size=1, max_size=3), st.integers(1, 14))
def test_months_as_dateutil_has_them(made_at: int, at: time, days: list[MonthDay], every: int) -> None:
    def theirs(begin: datetime, interval: int) -> list[rrule.rrule]:
        return [
            rrule.rrule(
                rrule.MONTHLY,
                dtstart=begin,
                interval=interval,
                bymonthday=day.nth if day.weekday is None else None,
                byweekday=None if day.weekday is None else rrule.weekday(day.weekday)(day.nth),
                **at_time(at),
            )
            for day in days
        ]

    (first,) = later(made_at, theirs(midnight(made_at), 1), 1)
    month = datetime(first.year, first.month, 1)
    expected = later(made_at, theirs(month, every), 6)
    assert dates_of(in_utc(Monthly(at, tuple(days), every)), made_at, 6) == expected


@SEEDED
@given(made_ats, times, st.dates(date(2000, 1, 1), date(2000, 12, 31)))
def test_years_as_dateutil_has_them(made_at: int, at: time, day: date) -> None:
    begin = midnight(made_at)
    theirs = rrule.rrule(rrule.YEARLY, dtstart=begin, bymonth=day.month, bymonthday=day.day, **at_time(at))
    assert dates_of(in_utc(Yearly(at, day.month, day.day)), made_at, 5) == later(made_at, [theirs], 5)


@SEEDED
@given(
    made_ats,
    st.sets(st.integers(0, 59), min_size=1, max_size=3),
    st.sets(st.integers(0, 23), min_size=1, max_size=3),
    st.none() | st.sets(st.integers(1, 31), min_size=1, max_size=4),
    st.sets(st.integers(1, 12), min_size=1),
    st.none() | st.sets(st.integers(0, 6), min_size=1, max_size=3),
)
def test_cron_as_a_walk_over_every_hour_has_it(
    made_at: int,
    minutes: set[int],
    hours: set[int],
    days: set[int] | None,
    months: set[int],
    weekdays: set[int] | None,
) -> None:
    made = datetime.fromtimestamp(made_at, UTC).replace(tzinfo=None)
    expected = []
    hour = made.replace(minute=0, second=0)
    for _ in range(24 * 100):
        either = [hour.day in days] if days else []
        either += [hour.weekday() in weekdays] if weekdays else []
        if hour.hour in hours and hour.month in months and (any(either) or not either):
            expected += [at for minute in sorted(minutes) if (at := hour.replace(minute=minute)) > made]
        hour += timedelta(hours=1)
    rule = in_utc(cron(minutes, hours, days, months, weekdays))
    assert dates_of(rule, made_at, len(expected)) == expected
    last = next_occurrence(rule, made_at=made_at, after=hour.replace(tzinfo=UTC).timestamp() - 1)
    assert last is None or datetime.fromtimestamp(last.at, UTC).replace(tzinfo=None) >= hour
