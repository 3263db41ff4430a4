"""The coming week: which occurrences stand where, the picture, the letters in it, and the same in words."""

from __future__ import annotations

import io
import unicodedata
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, features

from bot.calendars import STATE_WORDS, Entry, State
from bot.text import utf16_length
from bot.week import (
    CAPTION_MOST,
    COLOURS,
    COLUMN,
    LINES_MOST,
    MARGIN,
    MUTED,
    PAPER,
    RULE,
    TODAY,
    TODAY_EDGE,
    WIDTH,
    Colour,
    Fonts,
    caption,
    days_of,
    installed,
    picture,
    targets,
)

LONDON = ZoneInfo("Europe/London")
NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC).timestamp()
"""A Friday."""
BUILT_IN = Fonts()
"""What every machine has: so pictures in tests are the same everywhere."""

WILD = [
    "",
    " ",
    "\x00\x07\x1b[31m",
    "\ud83d lone",
    "\u202eturned\u202c",
    "ישיבת צוות שבועית",
    "اجتماع الفريق report 12",
    "每周团队会议",
    "साप्ताहिक बैठक",
    "การประชุม",
    "👨‍👩‍👧 🇬🇧 ❤️ 1️⃣ 🏴󠁧󠁢󠁥󠁮󠁧󠁿",
    "Z̷̢̛͇̲̗a̴͎l̸g̵o̶" + "\u0301" * 500,
    "W" * 10_000,
    "\ufffd\ufffe\uffff\U0010ffff",
    "\u2028\n\r\t\x85",
    "\u200b\u2060\u00ad",
    "ﷺ" * 80,
    "𝔘𝔫𝔦 ⅷ ① ｆｕｌｌ ﬁ",
]


def entry(schedule: int = 12, at: float = NOW + 3_600, **more: Any) -> Entry:
    fields = {"name": "Weekly report", "text": "Hello", "targets": "@all, ops", "zone": "Europe/London"}
    return Entry(schedule, at, **{**fields, **more})


def at(day: int, hour: int, minute: int = 0, second: int = 0) -> float:
    """So many days from that Friday on, in London."""
    return datetime(2026, 11, 20 + day, hour, minute, second, tzinfo=LONDON).timestamp()


def drawn(*entries: Entry, fonts: Fonts = BUILT_IN, **more: Any) -> Image.Image:
    file = picture(entries, now=NOW, zone=LONDON, fonts=fonts, **more)
    with Image.open(io.BytesIO(file)) as image:
        assert image.format == "PNG"
        image.load()
        return image.convert("RGB")


def colours(image: Image.Image) -> dict[Colour, int]:
    counted = image.getcolors(1 << 24)
    assert counted is not None
    return {colour: count for count, colour in counted if isinstance(colour, tuple)}


def words(*entries: Entry, **more: Any) -> list[str]:
    return caption(entries, now=NOW, zone=LONDON, **more).split("\n")


# --- days ------------------------------------------------------------------------------------------------


def test_a_week_begins_with_the_whole_of_today() -> None:
    outside = [entry(1, at(-1, 23, 59, 59)), entry(2, at(7, 0))]
    inside = [entry(3, at(0, 0)), entry(4, at(6, 23, 59, 59)), entry(5, at(0, 9))]
    days = days_of([*outside, *inside], now=NOW, zone=LONDON)
    assert [day.date for day in days] == [date(2026, 11, each) for each in range(20, 27)]
    assert [[row.entry.schedule for row in day.rows] for day in days] == [[3, 5], [], [], [], [], [], [4]]


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf"), -1.0, 1e300])
def test_an_instant_that_is_no_date_is_on_no_day(bad: float) -> None:
    assert not any(day.rows for day in days_of([entry(at=bad)], now=NOW, zone=LONDON))


@pytest.mark.parametrize("days", [0, -1, 32])
def test_a_number_of_days_that_cannot_be_shown_is_refused(days: int) -> None:
    with pytest.raises(ValueError, match="from 1 to 31 days, as in 7"):
        picture([], now=NOW, zone=LONDON, days=days)


@pytest.mark.parametrize(
    ("zone", "now"),
    [
        ("Asia/Beirut", datetime(2026, 3, 28, 12, tzinfo=UTC)),  # no midnight on the 29th
        ("Atlantic/Azores", datetime(2026, 10, 24, 12, tzinfo=UTC)),  # midnight twice
        ("America/Havana", datetime(2026, 10, 31, 12, tzinfo=UTC)),
        ("Pacific/Apia", datetime(2011, 12, 28, 12, tzinfo=UTC)),  # no 30th at all
        ("America/Sao_Paulo", datetime(2018, 11, 3, 12, tzinfo=UTC)),
        ("Australia/Lord_Howe", datetime(2026, 4, 4, 12, tzinfo=UTC)),
    ],
)
def test_every_hour_is_on_the_day_that_its_local_date_says(zone: str, now: datetime) -> None:
    here = ZoneInfo(zone)
    hours = [entry(number, now.timestamp() + (number - 36) * 1_800) for number in range(600)]
    days = days_of(hours, now=now.timestamp(), zone=here)
    shown = {row.entry.schedule: day.date for day in days for row in day.rows}
    local = {each.schedule: datetime.fromtimestamp(each.at, UTC).astimezone(here).date() for each in hours}
    wanted = {day.date for day in days}
    assert shown == {schedule: of for schedule, of in local.items() if of in wanted}


def test_what_fires_often_in_a_day_is_one_row() -> None:
    often = [entry(40, at(1, 0, 15 * number)) for number in range(4)] + [entry(41, at(1, 0, 20))]
    rows = days_of(often, now=NOW, zone=LONDON)[1].rows
    assert [(row.entry.schedule, row.count, f"{row.at:%H:%M}", f"{row.until:%H:%M}") for row in rows] == [
        (40, 4, "00:00", "00:45"),
        (41, 1, "00:20", "00:20"),
    ]
    seldom = [entry(40, at(1, 0, 15 * number)) for number in range(3)]
    assert len(days_of(seldom, now=NOW, zone=LONDON)[1].rows) == 3


@pytest.mark.parametrize(
    ("day", "count", "first", "said"),
    [
        (1, 8, 0, ""),
        (1, 9, 0, ""),
        (1, 10, 0, "+ 2 more"),
        (1, 20, 0, "+ 12 more"),
        (0, 20, 12, "+ 12 earlier"),
        (0, 24, 15, "+ 15 earlier, 1 more"),
    ],
)
def test_of_a_full_day_those_to_come_are_shown(day: int, count: int, first: int, said: str) -> None:
    full = days_of([entry(number, at(day, number)) for number in range(count)], now=NOW, zone=LONDON)[day]
    rows, left = full.cut(LINES_MOST)
    assert (rows[0].entry.schedule, left) == (first, said)
    assert len(rows) == (count if not said else LINES_MOST)


def test_what_stands_for_a_whole_day_counts_as_all_of_it() -> None:
    often = entry(5, at(1, 0), until=at(1, 23, 45), count=96)
    said = words(often, entry(6, at(1, 9)))
    assert "00:00 #5 Weekly report (96 times until 23:45); 09:00 #6 Weekly report" in said[2]
    assert sum(row.count for day in days_of([often], now=NOW, zone=LONDON) for row in day.rows) == 96


def test_of_a_full_day_what_was_missed_is_shown() -> None:
    past = [entry(n, at(0, 1, n), state="missed" if n in (3, 7) else "sent") for n in range(1, 9)]
    to_come = [entry(n, at(0, 20, n)) for n in range(20, 40)]
    (day, *_) = days_of([*past, *to_come], now=NOW, zone=LONDON)
    rows, said = day.cut(8)
    assert [row.entry.schedule for row in rows] == [3, 7, 20, 21, 22, 23, 24, 25]
    assert said == "+ 6 earlier, 14 more"
    all_missed = [replace(each, state="missed") for each in past]
    rows, said = days_of([*all_missed, *to_come], now=NOW, zone=LONDON)[0].cut(8)
    assert [row.entry.schedule for row in rows] == [5, 6, 7, 8, 20, 21, 22, 23]
    assert said == "+ 4 earlier (4 missed), 16 more"


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("", []),
        (" , ", []),
        ("@all", ["@all"]),
        ("@all,ops , support:room-42", ["@all", "ops", "support:room-42"]),
        ("pbx:chat/4101,4102, ops", ["pbx:chat/4101,4102", "ops"]),
        ("pbx:sms/15550100123,+15550100124", ["pbx:sms/15550100123,+15550100124"]),
        ("support:room-42,17", ["support:room-42", "17"]),
    ],
)
def test_targets_are_counted_as_they_are_read(written: str, found: list[str]) -> None:
    assert list(targets(written)) == found


# --- the picture -----------------------------------------------------------------------------------------


def test_an_empty_week_is_a_picture_that_says_so() -> None:
    image = drawn()
    assert image.width == WIDTH
    assert 1_000 < image.height < 1_400
    days_without = image.crop((MARGIN + COLUMN, 160, WIDTH, image.height - 120))
    assert colours(days_without)[MUTED] > 7 * 50  # "nothing planned", seven times
    assert not set(COLOURS.values()) & set(colours(days_without))


def test_today_is_marked_and_no_other_day() -> None:
    image = drawn(entry())
    edge = [image.getpixel((4, y)) == TODAY_EDGE for y in range(image.height)]
    band = [image.getpixel((WIDTH - 8, y)) == TODAY for y in range(image.height)]
    top, bottom = edge.index(True), image.height - edge[::-1].index(True)
    assert all(edge[top:bottom])
    assert sum(edge) == bottom - top < image.height / 4
    assert sum(band) > 100 and not any(band[: top - 2] + band[bottom + 2 :])


@pytest.mark.parametrize("state", list(STATE_WORDS))
def test_each_state_has_its_colour(state: State) -> None:
    found = colours(drawn(entry(at=at(2, 9), state=state)).crop((MARGIN + COLUMN, 310, WIDTH, 1_050)))
    assert found[COLOURS[state]] > 200
    assert not {colour for each, colour in COLOURS.items() if each != state} & set(found)


def test_a_paused_occurrence_looks_otherwise_than_a_planned_one() -> None:
    assert drawn(entry()).tobytes() != drawn(entry(state="paused")).tobytes()


@pytest.mark.parametrize("paper", [PAPER, TODAY])
@pytest.mark.parametrize("colour", [*COLOURS.values(), MUTED, TODAY_EDGE])
def test_what_is_written_can_be_read(colour: Colour, paper: Colour) -> None:
    """Contrast as WCAG 2 reckons it."""

    def light(of: Colour) -> float:
        linear = [
            part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in (c / 255 for c in of)
        ]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    assert (light(paper) + 0.05) / (light(colour) + 0.05) >= 4.5


def test_a_full_week_stays_as_high_as_two_phones() -> None:
    many = [entry(number, at(number % 7, number % 24, number % 60)) for number in range(300)]
    image = drawn(*many)
    assert drawn(entry()).height < image.height < 2_160
    assert colours(image)[COLOURS["planned"]] > 7 * 3 * 200


def test_the_same_plan_is_the_same_picture() -> None:
    plan = [entry(), entry(13, at(3, 9), state="waits"), entry(14, at(3, 9))]
    given_otherwise = picture(reversed(plan), now=NOW, zone=LONDON, fonts=Fonts())
    assert picture(plan, now=NOW, zone=LONDON, fonts=BUILT_IN) == given_otherwise


@pytest.mark.parametrize("fonts", [BUILT_IN, installed()], ids=["built-in", "installed"])
def test_no_text_breaks_the_picture(fonts: Fonts) -> None:
    states = list(STATE_WORDS)
    wild = [
        entry(number, at(number % 7, 9), name=text, text=text, targets=text, state=states[number % 6])
        for number, text in enumerate(WILD)
    ]
    image = drawn(*wild, fonts=fonts)
    assert image.width == WIDTH
    # Nothing is written over the edge.
    assert {image.getpixel((WIDTH - 4, y)) for y in range(160, image.height)} <= {PAPER, TODAY, RULE}


def test_a_month_is_a_picture_that_telegram_takes() -> None:
    image = drawn(*(entry(number, at(0, 0) + number * 3_600) for number in range(31 * 24)), days=31)
    assert image.width + image.height <= 10_000


class Counting(Fonts):
    """Counts the texts that are fitted or drawn."""

    texts = 0

    def drawable(self, text: str) -> str:
        self.texts += 1
        return super().drawable(text)


def test_of_thousands_of_occurrences_only_what_is_shown_is_drawn() -> None:
    fonts = Counting()
    drawn(*(entry(number, at(number % 7, number % 24, number % 60)) for number in range(5_000)), fonts=fonts)
    assert fonts.texts < 7 * 4 * 5 + 40


# --- letters ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Report 12", "Report 12"),
        ("Zoë’s café", "Zoe’s cafe"),
        ("Straße – 3 × 4", "Strasse - 3 x 4"),
        ("ｆｕｌｌ ① ℡", "full 1 TEL"),
        ("每周团队会议 weekly", "? weekly"),
        ("Отчёт о продажах", "?"),
        ("what? 你", "what? ?"),
        ("🚀 Launch", ":rocket: Launch"),
        ("❤️", ":red_heart:"),
        ("🇬🇧", ":United_Kingdom:"),
        ("👨‍👩‍👧", ":family_man_woman_girl:"),
        ("a\u0301\u0302\u0303", "a"),
        ("\ufffd\uffff\x00", "?"),
        ("", ""),
    ],
)
def test_what_cannot_be_drawn_is_replaced_by_something_readable(text: str, shown: str) -> None:
    assert BUILT_IN.drawable(text) == shown


def test_a_question_mark_is_explained_where_it_stands_for_letters() -> None:
    def foot(name: str) -> int:
        image = drawn(entry(name=name))
        return colours(image.crop((MARGIN + 300, image.height - 60, WIDTH, image.height))).get(MUTED, 0)

    assert foot("what?") == 0
    assert foot("每周") > 200


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(), max_size=40))
def test_what_is_drawable_has_a_font_for_every_piece(text: str) -> None:
    for fonts in (BUILT_IN, installed()):
        shown = fonts.drawable(text)
        assert fonts.drawable(shown) == shown
        assert "".join(piece for piece, _ in fonts.runs(shown, 20)) == shown
        assert fonts.width(shown, 20) >= 0


def test_without_shaping_scripts_that_need_it_are_not_drawn_wrongly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "check", lambda name: False)
    fonts = Fonts(installed().paths)
    assert fonts.drawable("ישיבת 12") == "? 12"
    assert fonts.drawable("a\u2060b\u200dc") == "abc"


def test_a_file_that_is_no_font_is_left_out(tmp_path: Path) -> None:
    broken = tmp_path / "NotoSans-Regular.ttf"
    broken.write_bytes(b"not a font")
    fonts = Fonts([broken, tmp_path / "missing.ttf"], bold=broken)
    assert picture([entry()], now=NOW, zone=LONDON, fonts=fonts) == picture(
        [entry()], now=NOW, zone=LONDON, fonts=BUILT_IN
    )


# --- in words --------------------------------------------------------------------------------------------


def test_the_week_in_words() -> None:
    plan = [
        entry(3, at(0, 9), name="Briefing", state="sent"),
        entry(12, at(0, 18, 0, 30)),
        entry(7, at(2, 9), name="", text="Kitchen closes at two"),
        *(entry(40, at(2, 10, number), name="Check", state="paused") for number in range(5)),
    ]
    assert words(*plan) == [
        "The next 7 days, times in Europe/London",
        "Fri 20 Nov (today): 09:00 #3 Briefing (sent); 18:00:30 #12 Weekly report",
        "Sat 21 Nov: nothing",
        "Sun 22 Nov: 09:00 #7 Kitchen closes at two; 10:00 #40 Check (paused, 5 times until 10:04)",
        "Mon 23 Nov: nothing",
        "Tue 24 Nov: nothing",
        "Wed 25 Nov: nothing",
        "Thu 26 Nov: nothing",
    ]


def test_one_day_in_words() -> None:
    assert words(days=1) == ["Today, times in Europe/London", "Fri 20 Nov (today): nothing"]


def test_words_ping_nobody_and_keep_their_direction() -> None:
    said = words(entry(1, name="to @all"), entry(2, name="ישיבת"))[1]
    assert "@all" not in said and "to @\u2060all" in said
    assert said.endswith("#2 \u2068ישיבת\u2069")


@pytest.mark.parametrize("days", [1, 7, 31])
@pytest.mark.parametrize("count", [0, 10, 40, 300, 5_000])
@pytest.mark.parametrize("name", ["Report", "🎉" * 100, "W" * 1_000])
def test_words_always_fit_below_a_picture(days: int, count: int, name: str) -> None:
    plan = [entry(10**9 + number, at(0, 0) + number * 7_919 % (days * 86_400), name=name) for number in range(count)]
    said = caption(plan, now=NOW, zone=LONDON, days=days)
    assert utf16_length(said) <= CAPTION_MOST
    assert len(said.split("\n")) == days + 1


@pytest.mark.parametrize("text", WILD)
def test_no_text_breaks_the_words(text: str) -> None:
    said = words(entry(name=text, text=text, targets=text, state="waits"))
    assert len(said) == 8
    assert "to be approved" in said[1]
    characters = {(unicodedata.category(char), unicodedata.bidirectional(char)) for line in said for char in line}
    assert "Cc" not in {category for category, _ in characters}
    assert not {"RLE", "LRE", "RLO", "LRO", "PDF"} & {direction for _, direction in characters}


def test_a_long_week_in_words_is_only_counted() -> None:
    plan = [entry(number, at(0, 0) + number * 600, name="Report about everything") for number in range(31 * 144)]
    assert words(*plan, days=31)[2] == "Sat 21 Nov: 144"
