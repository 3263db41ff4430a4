"""The calendar that other programs subscribe to: the file, its rules, and who gets it."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from icalendar import Calendar

from bot.calendars import ENTRIES_MOST, LENGTH, Entry, State, admits, feed, label
from bot.store import StoreError
from bot.web import Web

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC).timestamp()
SECRET = "k3y-of-the-calendar-9XQ"


def entry(schedule: int = 12, at: float = NOW + 3_600, **more: Any) -> Entry:
    fields = {"name": "Weekly report", "text": "Hello, all", "targets": "@all, ops", "zone": "Europe/London"}
    return Entry(schedule, at, **{**fields, **more})


def made(*entries: Entry, now: float = NOW) -> bytes:
    return feed(entries, now=now, title="Announcements of Acme", instance="a1b2")


def events(file: bytes) -> list[Any]:
    return list(Calendar.from_ical(file).walk("VEVENT"))


def check_lines(file: bytes) -> list[str]:
    """RFC 5545, 3.1: CRLF and nothing else ends a line, of at most 75 octets, each whole UTF-8; the unfolded lines."""
    assert file.endswith(b"END:VCALENDAR\r\n")
    lines = file.removesuffix(b"\r\n").split(b"\r\n")
    for line in lines:
        assert len(line) <= 75
        text = line.decode("utf-8")
        assert not any(ord(char) < 32 and char != "\t" for char in text)
        assert "\x7f" not in text
    return file.decode().replace("\r\n ", "").removesuffix("\r\n").split("\r\n")


# --- the file --------------------------------------------------------------------------------------------


def test_an_occurrence_is_an_event_that_blocks_nobodys_time() -> None:
    (event,) = events(made(entry()))
    assert event["UID"] == f"12-{int(NOW) + 3_600}@a1b2"
    assert event.decoded("DTSTART") == datetime(2026, 11, 20, 16, 0, tzinfo=UTC)
    assert event.decoded("DURATION") == LENGTH == timedelta(minutes=15)
    assert (event["TRANSP"], event["STATUS"]) == ("TRANSPARENT", "CONFIRMED")
    assert event["SUMMARY"] == "Weekly report"
    assert event["DESCRIPTION"] == "To: @all, ops\nSchedule #12, Europe/London, planned\n\nHello, all"


def test_the_calendar_says_its_name_and_how_often_to_look() -> None:
    lines = check_lines(made())
    assert lines[0] == "BEGIN:VCALENDAR"
    assert {"VERSION:2.0", "X-WR-CALNAME:Announcements of Acme", "NAME:Announcements of Acme"} <= set(lines)
    assert {"REFRESH-INTERVAL;VALUE=DURATION:PT1H", "X-PUBLISHED-TTL:PT1H"} <= set(lines)
    assert "METHOD" not in str(lines)


def test_a_calendar_without_events_is_one_all_the_same() -> None:
    lines = check_lines(made())
    assert not events(made())
    assert lines[lines.index("BEGIN:VTIMEZONE") + 1] == "TZID:UTC"
    assert "BEGIN:VTIMEZONE" not in check_lines(made(entry()))


def test_instants_are_written_in_utc() -> None:
    assert "DTSTART:20261120T160000Z" in check_lines(made(entry(at=NOW + 3_600.7, zone="Asia/Kathmandu")))


@pytest.mark.parametrize(
    ("state", "status", "summary"),
    [
        ("planned", "CONFIRMED", "Weekly report"),
        ("sent", "CONFIRMED", "Weekly report"),
        ("paused", "TENTATIVE", "Weekly report (paused)"),
        ("waits", "TENTATIVE", "Weekly report (to be approved)"),
        ("skipped", "CANCELLED", "Weekly report (skipped)"),
        ("missed", "CANCELLED", "Weekly report (missed)"),
    ],
)
def test_the_state_stands_in_the_status_and_in_words(state: State, status: str, summary: str) -> None:
    (event,) = events(made(entry(state=state)))
    assert (event["STATUS"], event["SUMMARY"]) == (status, summary)


@pytest.mark.parametrize(
    ("name", "text", "shown"),
    [
        ("Report", "words", "Report"),
        ("", "first line\nsecond", "first line second"),
        (" \u200b ", "words", "words"),
        ("", "", "Announcement"),
        ("", "\ud83d \x00", "\ufffd"),
        ("\u202eturned", "", "turned"),
        ("to @all", "", "to @all"),
        ("", "x" * 500, "x" * 79 + "…"),
    ],
)
def test_an_event_is_called_by_its_name_or_its_first_words(name: str, text: str, shown: str) -> None:
    assert label(entry(name=name, text=text)) == shown


@pytest.mark.parametrize(
    "text",
    [
        "a,b;c\\d:e\"f'g",
        "one\r\ntwo\rthree\nfour",
        "\x00\x01\x07\x08\x1b\x7f\x85\x9f",
        "\ud83d lone \udc00",
        "\u2028\u2029\x0b\x0c\x1c\x1d\x1e",
        "END:VEVENT\r\nEND:VCALENDAR\r\nBEGIN:VCALENDAR",
        "👨‍👩‍👧" * 400,
        "ж" * 40_000,
        "\\n\\N\\,\\;",
        "\ufeff\ufffe\uffff\U0010ffff",
        "{date} {count_down}",
    ],
)
@pytest.mark.parametrize("field", ["name", "text", "targets", "zone"])
def test_no_text_breaks_the_file(field: str, text: str) -> None:
    file = made(entry(**{field: text}), entry(13))
    check_lines(file)
    assert [str(event["UID"]).partition("-")[0] for event in events(file)] == ["12", "13"]


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(), max_size=300), st.text(st.characters(), max_size=300))
def test_no_text_at_all_breaks_the_file(name: str, text: str) -> None:
    file = made(entry(name=name, text=text, targets=text, zone=name))
    check_lines(file)
    (event,) = events(file)
    assert event["SUMMARY"] == label(entry(name=name, text=text))


def test_lines_of_a_text_stay_lines() -> None:
    (event,) = events(made(entry(text="one\r\ntwo\u2028three, four; \\n five")))
    assert event["DESCRIPTION"].endswith("\n\none\ntwo\nthree, four; \\n five")


def test_a_long_text_is_cut() -> None:
    (event,) = events(made(entry(text="word " * 4_000, targets="support:room-1, " * 400)))
    assert len(event["DESCRIPTION"]) < 1_200
    assert event["DESCRIPTION"].endswith("…")


def test_of_too_many_those_nearest_to_now_are_shown_in_order() -> None:
    many = [entry(number, at=NOW + (number - 1_500) * 60, text="") for number in range(4_000)]
    found = [int(event["UID"].partition("-")[0]) for event in events(made(*reversed(many)))]
    assert len(found) == ENTRIES_MOST
    assert found[0] in (500, 501) and found == list(range(found[0], found[0] + ENTRIES_MOST))


def test_an_occurrence_that_is_given_twice_is_one_event() -> None:
    assert len(events(made(entry(), entry(), entry(13)))) == 2


@pytest.mark.parametrize("at", [float("nan"), float("inf"), -float("inf"), -1.0, 1e18, 253_402_300_799.0])
def test_an_instant_that_is_no_date_is_left_out(at: float) -> None:
    assert [event["UID"].partition("-")[0] for event in events(made(entry(at=at), entry(13)))] == ["13"]


def test_the_same_plan_is_the_same_bytes_for_a_day() -> None:
    assert made(entry(), now=NOW) == made(entry(), now=NOW + 3_600)
    assert made(entry(), now=NOW) != made(entry(state="paused"), now=NOW)


@pytest.mark.parametrize(
    ("instance", "home"),
    [("a b\r\nX:1", "a-b-X-1"), ("", "patchbay"), ("ü", "patchbay"), ("bot.example", "bot.example")],
)
def test_the_instance_cannot_break_an_id(instance: str, home: str) -> None:
    (event,) = events(feed([entry()], now=NOW, title="\ud800\r\n", instance=instance))
    assert event["UID"] == f"12-{int(NOW) + 3_600}@{home}"


@pytest.mark.parametrize(
    ("given", "secret", "is_right"),
    [
        (SECRET, SECRET, True),
        (SECRET + "x", SECRET, False),
        ("", SECRET, False),
        ("", "", False),
        ("", None, False),
        ("x", None, False),
        ("\ud800", SECRET, False),
        ("a secret that no calendar has, compared so that no calendar takes as long as a wrong secret", None, False),
    ],
)
def test_only_the_secret_opens_it(given: str, secret: str | None, is_right: bool) -> None:
    assert admits(given, secret) is is_right


# --- the path --------------------------------------------------------------------------------------------

PATH = f"/calendar/{SECRET}.ics"
FILE = made(entry())


async def calendar(given: str) -> bytes | None:
    return FILE if admits(given, SECRET) else None


async def no_calendar_yet(given: str) -> bytes | None:
    return FILE if admits(given, None) else None


def web(feed: Callable[[str], Awaitable[bytes | None]] | None) -> httpx.AsyncClient:
    async def ready() -> dict[str, str]:
        return {}

    unused: Any = None
    app = Web(
        intake=unused,
        accounts={},
        hook_secrets={},
        metrics=unused,
        lender=unused,
        readiness=ready,
        metrics_token=None,
        calendar=feed,
    ).app
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="https://bridge.example")


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with web(calendar) as client:
        yield client


async def test_the_secret_path_gives_the_calendar(http: httpx.AsyncClient) -> None:
    answer = await http.get(PATH)
    assert (answer.status_code, answer.content) == (200, FILE)
    assert answer.headers["content-type"] == "text/calendar; charset=utf-8"
    assert answer.headers["cache-control"] == "private, max-age=300"
    assert answer.headers["referrer-policy"] == "no-referrer"
    head = await http.head(PATH)
    assert head.status_code == 200
    assert head.headers["etag"] == answer.headers["etag"]


async def test_an_unchanged_calendar_is_not_sent_again(http: httpx.AsyncClient) -> None:
    tag = (await http.get(PATH)).headers["etag"]
    for shown in (tag, f"W/{tag}", f'"other", {tag}'):
        again = await http.get(PATH, headers={"If-None-Match": shown})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert (await http.get(PATH, headers={"If-None-Match": '"other"'})).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/calendar/wrong.ics",
        f"/calendar/{SECRET}",
        f"/calendar/{SECRET}.ics/",
        f"/calendar/{SECRET}/x.ics",
        f"/calendar/{SECRET[:-1]}.ics",
        f"/calendar/{SECRET}.ics.ics",
        "/calendar/.ics",
        "/calendar/%00%ff%ed%a0%80.ics",
        "/calendar/",
    ],
)
async def test_without_the_secret_it_is_the_same_as_every_unknown_path(http: httpx.AsyncClient, path: str) -> None:
    unknown = await http.get("/nothing/here")
    answer = await http.get(path)
    assert (answer.status_code, answer.content, answer.headers) == (404, unknown.content, unknown.headers)


@pytest.mark.parametrize("feed", [None, no_calendar_yet])
async def test_where_there_is_no_calendar_nothing_shows_it(
    feed: Callable[[str], Awaitable[bytes | None]] | None,
) -> None:
    async with web(feed) as http:
        unknown = await http.get("/nothing/here")
        answer = await http.get(PATH)
        assert (answer.status_code, answer.content, answer.headers) == (404, unknown.content, unknown.headers)


async def test_it_is_only_read(http: httpx.AsyncClient) -> None:
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        assert (await http.request(method, PATH)).status_code == 404


@pytest.mark.parametrize(("error", "status"), [(StoreError("the disk is full"), 503), (RuntimeError("a bug"), 500)])
async def test_a_failure_does_not_show_the_secret(
    error: Exception, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    async def failing(given: str) -> bytes | None:
        raise error

    with caplog.at_level(logging.DEBUG, logger="bot"):
        async with web(failing) as http:
            answer = await http.get(PATH)
    assert answer.status_code == status
    shown = [logging.Formatter().format(record) for record in caplog.records if record.name.startswith("bot")]
    assert shown
    assert SECRET not in answer.text + "".join(shown)
