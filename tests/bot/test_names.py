"""Names: harmless where they stand, and two that look alike are told apart."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.names import LONGEST_NAME, defuse, defuse_text, display_name, looks, names_for
from bridges.model import Message, Person, PersonId, Span, SpanKind

FAMILY = "👨‍👩‍👧"
ENGLAND = "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"
BIDI = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
NASTY = st.text(alphabet=st.sampled_from(list("aé@\n\t\u200b\u200d\u2060\u0301\u3164\U000e0041\ufe0f👩字 " + BIDI)))


def span(kind: SpanKind, start: int, length: int, value: str | None = None) -> Span:
    return Span(kind=kind, start=start, length=length, value=value)


def named(name: str, id: str = "u1") -> Person:
    return Person(id=PersonId(id), name=name)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Ann Lee", "Ann Lee"),
        ("Ann\n\nAdmin:\tpay", "Ann Admin: pay"),
        ("\u202enimdA\u202c", "nimdA"),
        ("@everyone", "@\u2060everyone"),
        ("é" * 64, "é" * 64),
        ("x" * 70, "x" * 63 + "…"),
        (FAMILY * 20, FAMILY * 12 + "…"),
        ("Z" + "\u0301" * 100, "Z" + "\u0301" * 4),
        ("שרה", "שרה"),
        ("شرکت\u200cها", "شرکت\u200cها"),
        ("क्\u200dषि", "क्\u200dषि"),
        ("नमस्ते", "नमस्ते"),
        ("1\ufe0f\u20e3 " + ENGLAND, "1\ufe0f\u20e3 " + ENGLAND),
        ("An\U000e0041\U000e0042n", "Ann"),
        ("A\u200bn\u200d\u2060n\ufeff\u00ad", "Ann"),
        ("Ann\u2800\u3164", "Ann"),
        ("A\ufe0fnn", "Ann"),
        ("\ufe0f\u200dAnn", "Ann"),
        ("\u2764\ufe0f\u200d\U0001f525", "\u2764\ufe0f\u200d\U0001f525"),
        ("\u200b\u2060\u3164\U000e0041", "u1"),
        (" \t\n", "u1"),
    ],
)
def test_a_display_name_is_one_harmless_line_of_bounded_length(name: str, shown: str) -> None:
    assert display_name(named(name)) == shown


def test_a_name_of_64_kb_costs_no_more_than_a_long_one() -> None:
    assert display_name(named("x" * 65_536)) == "x" * 63 + "…"
    assert display_name(named("\u0301" * 65_536)) == "\u0301" * 4
    assert display_name(named("\u200d" * 65_536)) == "u1"


def test_somebody_without_name_and_id_is_still_called_something() -> None:
    assert display_name(named("\u200b", id="\u200b")) == "someone"


@given(NASTY)
def test_what_is_left_of_a_name_is_a_short_line_that_pings_and_turns_nothing(name: str) -> None:
    shown = display_name(named(name))
    assert 0 < len(shown) <= LONGEST_NAME
    assert not re.search(rf"@\w|[{BIDI}\n\t\u200b\u3164\U000e0041]|\u0301{{5}}", shown)
    assert display_name(named(shown)) == shown


@given(st.text() | NASTY)
def test_a_defused_name_has_no_at_before_a_word_and_turns_no_direction(name: str) -> None:
    harmless = defuse(name)
    assert not re.search(r"@\w", harmless)
    assert not re.search("[\u202a-\u202e\u2066-\u2069]", harmless)
    assert harmless.replace("\u2060", "") == re.sub("[\u202a-\u202e\u2066-\u2069\u2060]", "", name)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no mention", "no mention"),
        ("@ann", "@\u2060ann"),
        ("hi @ann, (@bob) /@eve", "hi @\u2060ann, (@\u2060bob) /@\u2060eve"),
        ("mail ann@example.org", "mail ann@example.org"),
        ("é@ann", "é@\u2060ann"),
        ("5 @ 3", "5 @ 3"),
        ("see https://medium.com/@ann/x", "see https://medium.com/@ann/x"),
        ("see https://a.com/x)@ann", "see https://a.com/x)@\u2060ann"),
        ("see http://localhost/@ann", "see http://localhost/@\u2060ann"),
        ("see https://-.-/@ann", "see https://-.-/@\u2060ann"),
        ("https://a.com/x @ann", "https://a.com/x @\u2060ann"),
    ],
)
def test_mentions_in_text_are_defused_and_addresses_stay_whole(text: str, expected: str) -> None:
    assert defuse_text(Message(text=text)) == Message(text=expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/start@otherbot", "/\u2060start@otherbot"),
        ("try /start@otherbot x, /stop", "try /\u2060start@otherbot x, /stop"),
        ("(/a_1@b)é/b@c", "(/\u2060a_1@b)é/\u2060b@c"),
        ("https://a.com/start@bot", "https://a.com/start@bot"),
        ("home/start@bot", "home/start@bot"),
    ],
)
def test_a_command_for_another_bot_is_none_any_more(text: str, expected: str) -> None:
    assert defuse_text(Message(text=text)) == Message(text=expected)


def test_code_within_code_ends_where_the_outer_one_does() -> None:
    spans = (span(SpanKind.CODE, 0, 14), span(SpanKind.CODE, 0, 4), span(SpanKind.CODE, 5, 4))
    assert defuse_text(Message(text="@ann @bob @eve @joe", spans=spans)).text == "@ann @bob @eve @\u2060joe"


def test_the_work_does_not_grow_with_the_square_of_mentions_addresses_and_spans() -> None:
    # With a look at each address for each mention this would take minutes.
    many = 60_000
    assert defuse_text(Message(text="https://a.bc/ @a " * many)).text == "https://a.bc/ @\u2060a " * many
    bold = tuple(span(SpanKind.BOLD, at * 4, 3) for at in range(many))
    made = defuse_text(Message(text="@ab " * many, spans=bold))
    assert (made.spans[-1].start, made.spans[-1].length) == (5 * many - 5, 4)


def test_code_is_left_as_it_is() -> None:
    message = Message(text="run @ann @bob", spans=(span(SpanKind.CODE, 4, 4),))
    assert defuse_text(message).text == "run @ann @\u2060bob"


@pytest.mark.parametrize(
    "pinging",
    [
        span(SpanKind.MENTION, 0, 3, "1001"),
        span(SpanKind.LINK, 0, 3, "tg://user?id=1001"),
        span(SpanKind.LINK, 0, 3, " TG:user?id=1001"),
    ],
)
def test_formatting_that_pings_goes_and_the_words_stay(pinging: Span) -> None:
    bold = span(SpanKind.BOLD, 0, 3)
    assert defuse_text(Message(text="Ann", spans=(pinging, bold))) == Message(text="Ann", spans=(bold,))


@given(text=st.lists(st.sampled_from(["@ann", " ", "x", "@", FAMILY, "."]), min_size=1).map("".join), data=st.data())
def test_formatting_covers_the_same_words_after_defusing(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text) - 1))
    length = data.draw(st.integers(1, len(text) - start))
    made = defuse_text(Message(text=text, spans=(span(SpanKind.BOLD, start, length),)))
    (bold,) = made.spans
    covered = made.text[bold.start : bold.start + bold.length]
    assert covered.replace("\u2060", "") == text[start : start + length]
    assert made.text.replace("\u2060", "") == text


# --- told apart ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ann", "ann"),
        ("Ann", "\u0410nn"),
        ("Admin", "\u0410DM\u0406N"),
        ("Nick", "\u039dick"),
        ("Bill", "BiI1"),
        ("René", "Rene"),
        ("Ann", "𝔄nn"),
        ("Ann", "Ａｎｎ"),
        ("Ann", "A\u200bnn"),
        ("Ann Lee", "ann_lee."),
        ("Arnold", "Amold"),
        ("Bob", "B0b"),
        ("Zalgo", "Z\u0301\u0316algo"),
    ],
)
def test_names_that_a_reader_takes_for_one_another_look_alike(one: str, other: str) -> None:
    assert looks(one) == looks(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("Ann", "Anne"), ("Ann", "Ben"), ("राम", "रमा"), ("王伟", "王芳"), ("👩", "👨"), ("Анна", "Инна"), ("!", "?")],
)
def test_other_names_do_not(one: str, other: str) -> None:
    assert looks(one) != looks(other)


@pytest.mark.parametrize(
    ("person", "names"),
    [
        (named("Ann", "1001003"), ["Ann", "Ann #1003", "Ann #01003", "Ann #001003", "Ann #1001003", "Ann #1003-2"]),
        (named("Ann", "7"), ["Ann", "Ann #7", "Ann #7-2"]),
        (named("Ann", "ann.lee@example.org"), ["Ann", "Ann #nlee", "Ann #nnlee", "Ann #annlee", "Ann #nlee-2"]),
        (named("Ann", "@"), ["Ann", "Ann #x", "Ann #x-2"]),
        (named("x" * 64, "1003"), ["x" * 64, "x" * 57 + "… #1003", "x" * 55 + "… #1003-2"]),
    ],
)
def test_a_suffix_is_as_much_of_the_id_as_is_needed(person: Person, names: list[str]) -> None:
    assert [name for name, _ in zip(names_for(person), names, strict=False)] == names
