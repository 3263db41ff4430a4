"""WHEN as nobody would write it: nothing but an answer in words comes of it, and soon."""

from __future__ import annotations

import random
import re
from datetime import UTC, datetime

import pytest

from bot.recurrence import next_occurrence
from bot.schedule_line import parse_edit, parse_line
from bot.when import LONGEST, Ambiguous, WhenError, parse_when, show_rule

NOW = datetime(2026, 11, 20, 15, tzinfo=UTC).timestamp()
CHUNKS = 20
PHRASES = (
    *("at 18:00", "tomorrow 9:00", "2026-12-24 18:00 Europe/Paris", "in 2h30m", "every day at 09:00"),
    *("every mon,thu at 9:30", "every 2 weeks on fri at 17:00", "every month on the last day at 12:00", "every 15m"),
    *("cron 0 9 * * mon-fri", "every month on the 1st,15th at noon until 24 dec", "friday at 6:30 pm 5 times"),
    *("every year on 24 dec at 18:00 starting 2027-01-01 in UTC", "12/05 at 9", "next friday at 9", "every 2d"),
)
WORDS = re.split(
    r"\s+",
    """at in on every each daily weekly tomorrow today next friday mon thu,fri mon-fri weekday 9 9:00 18:00 6pm pm noon
    midnight 24:00 2026-12-24 24 dec 12/05 day days weeks month months year hour 2h30m 15m 45 minutes 1st 15th last
    first second other the of and , until starting times 5 0 cron * */5 1-5 30 2 utc europe/paris london @daily tonight
    9.30 1800 29 feb 2027 a half week 99999999999999999999 -1 0x10""",
)
NOISE = "abcxyz0189:/-.,*#?| \t\n\u00a0\u3000９：٣½²①ǆİß\u0301\u200d\U0001f600\ud800\udfff\x00\x1b'\"=@&+_"


def some_text(chance: random.Random) -> str:
    """A phrase, words or noise; changed here and there."""
    kind = chance.random()
    if kind < 0.6:
        return "".join(chance.choices(NOISE, k=chance.randrange(24)))
    if kind < 0.75:
        return " ".join(chance.choices(WORDS, k=chance.randint(1, 6)))
    text = chance.choice(PHRASES)
    for _ in range(chance.randint(0, 2)):
        place = chance.randrange(len(text) + 1)
        text = text[:place] + chance.choice(NOISE) + text[place + chance.randint(0, 2) :]
    return text


def answer(text: str) -> str:
    """What is said of it: ``ok``, ``asked`` or ``refused``, each looked at."""
    try:
        rule = parse_when(text, now=NOW, zone="Europe/London")
    except Ambiguous as question:
        assert question.choices
        return "asked"
    except WhenError as error:
        assert str(error).isprintable()
        return "refused"
    assert next_occurrence(rule, made_at=NOW, after=NOW) is not None
    return "ok"


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_a_hundred_thousand_random_strings_never_raise(chunk: int) -> None:
    chance = random.Random(chunk)
    answers = [answer(some_text(chance)) for _ in range(100_000 // CHUNKS)]
    # It is no test if nothing is understood.
    assert min(answers.count(each) for each in ("ok", "asked", "refused")) > 20


@pytest.mark.parametrize(
    "text",
    [
        "9" * LONGEST,
        "9 " * (LONGEST // 2),
        "every " * (LONGEST // 6),
        "every 2nd " * (LONGEST // 10),
        "mon," * (LONGEST // 4),
        "1h" * (LONGEST // 2),
        "1h and " * (LONGEST // 7),
        "cron " + "1," * (LONGEST // 2 - 5) + "1 * * * *",
        "every month on the " + "1st," * (LONGEST // 4 - 12),
        "12/05 " * (LONGEST // 6),
        "next friday at 9 " * (LONGEST // 17),
        "," * LONGEST,
        "at 18:00 " + "a/" * 140,
        "every day at 9:00 " + "until 24 dec " * 20,
        "\ufdfa" * LONGEST,
        "\U0001f600" * LONGEST,
        "\ud800" * LONGEST,
        "\x00" * LONGEST,
        "in " + "9" * (LONGEST - 4) + "d",
        "every " + "9" * (LONGEST - 7) + "h",
        "every day at 9:00 " + "9" * 200 + " times",
    ],
)
def test_a_long_text_is_refused_or_asked_in_words(text: str) -> None:
    assert answer(text[:LONGEST]) in ("refused", "asked")


@pytest.mark.parametrize("word", ["9 ", "every ", "at", "\x00", "a=", "/", 'name="', "\ufdfa", "1h"])
def test_ten_thousand_characters_are_refused_at_once(word: str) -> None:
    text = (word * 10_000)[:10_000]
    with pytest.raises(WhenError, match="too long"):
        parse_when(text, now=NOW, zone="UTC")
    for read in (parse_line, parse_edit):
        with pytest.raises(WhenError):
            read(text, now=NOW, zone="UTC")
        with pytest.raises(WhenError):
            read(f"{text} | x:1 | Hello", now=NOW, zone="UTC")


@pytest.mark.parametrize("chunk", range(4))
def test_random_lines_never_raise(chunk: int) -> None:
    chance = random.Random(chunk)
    parts = (
        "at 18:00",
        "every day",
        "|",
        "|",
        "|",
        "silent=yes",
        'name="',
        "a b",
        '"',
        "missed=send:",
        "1h",
        "=",
        "\n",
    )
    read = 0
    for _ in range(1_000):
        text = " ".join(chance.choice(parts) if chance.random() < 0.8 else some_text(chance) for _ in range(7))
        for reader in (parse_line, parse_edit):
            try:
                line = reader(text, now=NOW, zone="UTC")
            except WhenError:
                continue
            read += 1
            assert text[line.text_start :].startswith(line.text)
    assert read > 20


@pytest.mark.parametrize("now", [0.0, -1e9, 1e9 + 0.999999, 4e9, 2e11])
@pytest.mark.parametrize("phrase", PHRASES)
def test_whatever_the_clock_says(now: float, phrase: str) -> None:
    try:
        rule = parse_when(phrase, now=now, zone="America/New_York")
    except WhenError:
        return
    assert parse_when(show_rule(rule), now=now, zone="UTC") == rule
