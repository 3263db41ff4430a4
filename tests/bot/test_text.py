"""Text in providers' units: lengths, offsets, and directions that end where the text ends."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.text import closing, codepoint_offsets, utf16_length, utf16_offsets

FAMILY = "👨‍👩‍👧"
ANY = st.text() | st.lists(st.sampled_from([FAMILY, "🇫🇷", "e\u0301", "𝔘", "שלום", "a"])).map("".join)


@pytest.mark.parametrize(("text", "length"), [("", 0), ("abc", 3), ("é", 1), ("𝔘", 2), (FAMILY, 8), ("🇫🇷", 4)])
def test_length_is_counted_in_utf16_units(text: str, length: int) -> None:
    assert utf16_length(text) == length


@given(ANY)
def test_offsets_in_utf16_are_those_of_the_encoded_text(text: str) -> None:
    offsets = utf16_offsets(text)
    assert len(offsets) == len(text) + 1
    assert list(offsets) == [len(text[:at].encode("utf-16-le")) // 2 for at in range(len(text) + 1)]


@given(ANY)
def test_offsets_in_code_points_undo_those_in_utf16(text: str) -> None:
    back = codepoint_offsets(text)
    assert len(back) == utf16_length(text) + 1
    assert [back[at] for at in utf16_offsets(text)] == list(range(len(text) + 1))


def test_the_middle_of_a_surrogate_pair_is_the_code_point_it_belongs_to() -> None:
    assert list(codepoint_offsets("a𝔘b")) == [0, 1, 1, 2, 3]


@pytest.mark.parametrize(
    ("text", "due"),
    [
        ("nothing turns", ""),
        ("\u202eabc", "\u202c"),
        ("\u202eabc\u202c", ""),
        ("\u2066abc", "\u2069"),
        ("\u2067a\u202bb", "\u202c\u2069"),
        ("\u2067a\u202bb\u2069", ""),
        ("\u202ba\u2067b\u202c", "\u2069\u202c"),
        ("\u202c\u2069 ends of nothing", ""),
        ("\u202eended by its line\nabc", ""),
        ("first\n\u202esecond", "\u202c"),
    ],
)
def test_a_direction_that_is_open_at_the_end_is_ended(text: str, due: str) -> None:
    assert closing(text) == due


@given(st.text(alphabet="a\n\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"))
def test_once_ended_nothing_is_open_any_more(text: str) -> None:
    assert closing(text + closing(text)) == ""
