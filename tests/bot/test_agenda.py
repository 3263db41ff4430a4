"""What is planned and what was, as entries, and the calendar file of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from bot import weeks
from bot.agenda import calendar_of, calendar_secret, calendar_url, coming, entries
from bot.calendars import Entry
from bot.recurrence import next_occurrence
from bot.store import Tx
from bot.store.schedules import NewSchedule, ScheduleState
from bot.store.sqlite import SqliteStore
from bot.text import utf16_length
from bot.week import CAPTION_MOST
from bot.weeks import week_picture
from bot.when import parse_when
from bridges.model import Message
from tests.bot.fakes import opened

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC).timestamp()
"""A Friday."""
DAY = 86_400.0
LONDON = ZoneInfo("Europe/London")


def planned(tx: Tx, rule: str, *, text: str = "hi", state: ScheduleState = "on", next_at: float | None = None) -> int:
    """A schedule; its number. ``next_at``: what it means next, if that is not its first instant after now."""
    read = parse_when(rule, now=NOW, zone="UTC")
    first = next_occurrence(read, made_at=NOW, after=NOW)
    assert first is not None
    new = NewSchedule(
        rule=rule, state=state, made_at=NOW, next_at=first.at if next_at is None else next_at, ends_at=None,
        warn_at=None, options="{}", message=Message(text=text).model_dump_json(exclude_defaults=True),
        targets=("club:a", "@all"), chat="", reach="", person="", person_name="",
    )  # fmt: skip
    return tx.schedules.add(new, now=NOW)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    async with opened(tmp_path) as made:
        yield made


def shown(found: list[Entry]) -> list[tuple[str, str, str]]:
    return [(f"{datetime.fromtimestamp(each.at, UTC):%a %H:%M}", each.text, each.state) for each in found]


async def test_what_is_to_come_is_in_order_whoever_it_is_of(store: SqliteStore) -> None:
    def unit(tx: Tx) -> list[Entry]:
        planned(tx, "every day at 09:00 UTC", text="daily")
        planned(tx, "every 20h UTC", text="often")
        planned(tx, "every day at 10:00 UTC", text="rests", state="paused")
        planned(tx, "every sun at 08:00 UTC", text="asks", state="waits")
        planned(tx, "every mon at 08:00 UTC", text="later")
        tx.schedules.become(planned(tx, "every day at 09:00 UTC"), "removed", now=NOW)
        return entries(tx, now=NOW, days=2)

    assert shown(await store.write(unit)) == [
        ("Sat 09:00", "daily", "planned"),
        ("Sat 10:00", "rests", "paused"),
        ("Sat 11:00", "often", "planned"),
        ("Sun 07:00", "often", "planned"),
        ("Sun 08:00", "asks", "waits"),
        ("Sun 09:00", "daily", "planned"),
        ("Sun 10:00", "rests", "paused"),
    ]


async def test_an_entry_tells_what_is_shown_of_it(store: SqliteStore) -> None:
    def unit(tx: Tx) -> list[Entry]:
        planned(tx, "at 2026-11-21 09:00 Europe/Paris", text="hello")
        return entries(tx, now=NOW, days=1)

    assert await store.write(unit) == [
        Entry(schedule=1, at=NOW + 17 * 3600, name="", text="hello", targets="club:a, @all", zone="Europe/Paris")
    ]


async def test_what_was_paused_for_long_is_shown_from_now_on(store: SqliteStore) -> None:
    def unit(tx: Tx) -> list[Entry]:
        planned(tx, "every day at 09:00 UTC", state="paused", next_at=NOW - 10 * DAY + 64_800)
        planned(tx, "every day at 08:00 UTC", text="other")
        return entries(tx, now=NOW, days=1)

    assert shown(await store.write(unit)) == [("Sat 08:00", "other", "planned"), ("Sat 09:00", "hi", "paused")]


async def test_one_that_fires_all_the_time_is_asked_for_no_more_than_is_taken(store: SqliteStore) -> None:
    def unit(tx: Tx) -> tuple[list[float], list[Entry], list[Entry]]:
        planned(tx, "every 10s UTC")
        planned(tx, "every day at 09:00 UTC", text="daily")
        first = [each.at - NOW for each in islice(coming(tx, now=NOW, days=3_650), 3)]
        return first, entries(tx, now=NOW, days=1, each_most=2), entries(tx, now=NOW, days=30, most=4)

    first, few, cut = await store.write(unit)
    assert first == [10.0, 20.0, 30.0]
    assert shown(few) == [("Fri 15:00", "hi", "planned")] * 2 + [("Sat 09:00", "daily", "planned")]
    assert [each.at - NOW for each in cut] == [10.0, 20.0, 30.0, 40.0]


async def test_what_was_decided_comes_first_as_far_back_as_asked(store: SqliteStore) -> None:
    def unit(tx: Tx) -> tuple[list[Entry], list[Entry]]:
        id = planned(tx, "every day at 09:00 UTC", next_at=NOW + 66 * 3600)
        states = ("sent", "missed", "failed", "asked", "dropped")
        for ago, state in enumerate(states, start=1):
            at = NOW - ago * DAY
            tx.schedules.decide(id, at, state, now=at)  # type: ignore[arg-type]
        tx.schedules.decide(id, NOW + 18 * 3600, "skipped", now=NOW)
        gone = planned(tx, "every day at 09:00 UTC")
        tx.schedules.decide(gone, NOW, "sent", now=NOW)
        tx.schedules.become(gone, "removed", now=NOW)
        return entries(tx, now=NOW, days=3, back_days=2.5), entries(tx, now=NOW, days=3, back_days=9, most=2)

    some, latest = await store.write(unit)
    assert [(round((each.at - NOW) / DAY, 2), each.state) for each in some] == [
        (-2.0, "missed"),
        (-1.0, "sent"),
        (0.75, "skipped"),
        (2.75, "planned"),
    ]
    assert [each.state for each in latest] == ["sent", "skipped", "planned"]


async def test_what_somebody_may_not_see_is_left_out_and_takes_no_room(store: SqliteStore) -> None:
    def unit(tx: Tx) -> list[Entry]:
        for number in range(10):
            hidden = planned(tx, f"every day at 09:0{number} UTC")
            tx.schedules.decide(hidden, NOW - number, "sent", now=NOW)
        planned(tx, "every day at 10:00 UTC", text="seen")
        return entries(tx, now=NOW, days=1, back_days=1, most=3, seen=lambda schedule: schedule.id > 10)

    assert shown(await store.write(unit)) == [("Sat 10:00", "seen", "planned")]


async def test_one_that_cannot_be_read_keeps_nothing_from_the_others(store: SqliteStore) -> None:
    def unit(tx: Tx) -> list[Entry]:
        id = planned(tx, "every day at 09:00 UTC", text="strange")
        tx.schedules.decide(id, NOW - 60, "sent", now=NOW)
        tx.db.execute("UPDATE schedules SET rule = 'whenever the moon is full'")
        planned(tx, "every day at 10:00 UTC", text="plain")
        return entries(tx, now=NOW, days=1, back_days=1)

    assert shown(await store.write(unit)) == [("Sat 10:00", "plain", "planned")]


async def test_the_calendar_is_for_whoever_has_its_secret(store: SqliteStore) -> None:
    async def asked(secret: str) -> bytes | None:
        return await calendar_of(store, secret, clock=lambda: NOW)

    assert await asked("") is None
    await store.write(lambda tx: planned(tx, "every day at 09:00 UTC", text="Good morning"))
    first = await store.write(calendar_secret)
    assert await store.write(calendar_secret) == first
    assert calendar_url("https://bridge.example.org", first) == f"https://bridge.example.org/calendar/{first}.ics"
    made = await asked(first)
    assert made is not None
    assert made.count(b"BEGIN:VEVENT") == 60
    assert b"SUMMARY:Good morning" in made
    assert await asked("x" * len(first)) is None
    renewed = await store.write(lambda tx: calendar_secret(tx, renew=True))
    assert renewed != first
    assert (await asked(first), await asked(renewed)) == (None, made)


async def test_what_fires_often_is_counted_by_day_to_the_last_one(store: SqliteStore) -> None:
    def unit(tx: Tx) -> tuple[list[Entry], list[float]]:
        planned(tx, "every 15m UTC", text="often")
        skipped = NOW + 8 * 3600
        for at in (NOW + 900, skipped, NOW + DAY - 900):
            tx.schedules.decide(1, at, "skipped", now=NOW - 10 * DAY)
        planned(tx, "cron 0 */4 * * * Europe/London", text="cron")
        planned(tx, "every 8h UTC", text="seldom")
        by_day = entries(tx, now=NOW, days=3, by_day=LONDON)
        one_by_one = [each.at for each in coming(tx, now=NOW, days=3, of=tx.schedules.get(1))]
        return by_day, one_by_one

    by_day, one_by_one = await store.write(unit)
    often = [each for each in by_day if each.text == "often"]
    assert [each.count for each in often] == [35 - 2, 96 - 1, 96, 61]
    assert sum(each.count for each in often) == len(one_by_one)
    assert (often[0].at, often[-1].until) == (one_by_one[0], one_by_one[-1])
    assert [each.count for each in by_day if each.text == "cron"] == [2, 6, 6, 4]
    assert [each.count for each in by_day if each.text == "seldom"] == [1] * 9


async def test_the_words_are_those_that_went_out_and_those_that_will(store: SqliteStore) -> None:
    def unit(tx: Tx) -> list[Entry]:
        planned(tx, "every day at 09:00 UTC", text="Hello {chat}, {weekday} {{{n}}}")
        sent = tx.messages.add(
            account="schedules", conversation="1", remote_id=None, sender_id="", sender_name="", text="", at=NOW
        )
        for day, text in ((2, "Old words for {chat}"), (1, "Old {chat} words of {whoever}")):
            words = text if day == 2 else text.replace("{chat} ", "")
            broadcast = tx.broadcasts.add(
                person="", person_name="", chat="", message=sent, text=words, progress="", schedule=1, now=NOW
            )
            tx.schedules.decide(1, NOW - day * DAY, "sent", now=NOW - day * DAY, broadcast=broadcast, number=day)
            tx.schedules.sent(1, broadcast=broadcast)
        return entries(tx, now=NOW, days=2, back_days=3)

    assert [each.text for each in await store.write(unit)] == [
        "Old words for …",
        "Old words of {whoever}",
        "Hello …, Saturday {3}",
        "Hello …, Sunday {4}",
    ]


async def test_a_week_that_is_too_full_says_so(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def unit(tx: Tx) -> tuple[str, str]:
        for hour in range(10, 16):
            planned(tx, f"every day at {hour}:00 UTC", text="🎄" * 200)
        whole, _ = week_picture(tx, chat="", now=NOW, zone="UTC")
        monkeypatch.setattr(weeks, "MOST", 12)
        return whole, week_picture(tx, chat="", now=NOW, zone="UTC")[0]

    whole, cut = await store.write(unit)
    assert "only the first" not in whole
    assert cut.endswith(weeks.TOO_MANY) and utf16_length(cut) <= CAPTION_MOST
