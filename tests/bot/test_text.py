"""Text in providers' units: lengths, offsets, and directions that end where the text ends."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import repeat
from typing import Any

import pytest
import regex  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

import bot.text
from bot.text import closing, codepoint_offsets, cut, split, utf16_length, utf16_offsets

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


# --- cutting ---------------------------------------------------------------------------------------------

CLUSTERS = [
    "🇫🇷",
    "🇬",
    FAMILY,
    "e\u0301",
    "Z" + "\u0301" * 150,
    "\r\n",
    "x",
    "क्ष",
    "각",
    "\u200d",
    "🏴\U000e0067\U000e007f",
]


@given(st.lists(st.sampled_from(CLUSTERS), min_size=1, max_size=200).map("".join), st.integers(1, 300))
def test_clusters_stay_whole_wherever_the_text_is_looked_at(text: str, room: int) -> None:
    ends = {found.end() for found in regex.finditer(r"\X", text)}
    longest = max(map(len, regex.findall(r"\X", text)))
    for start, end in split(text, rooms=repeat(room + longest), unit="codepoints"):
        assert end in ends
        assert 0 < end - start <= room + longest
    shown = cut(text, longest + 1).removesuffix("…")
    assert any(text[:end].rstrip() == shown.rstrip() for end in ends)


class _Counting:
    """A pattern that counts the characters among which it looks."""

    def __init__(self) -> None:
        self.lengths: list[int] = []

    def finditer(self, text: str, *more: Any) -> Iterator[Any]:
        self.lengths.append(len(text))
        return regex.finditer(r"\X", text, *more)  # type: ignore[no-any-return]


@pytest.mark.parametrize("text", ["🇬" * 60_000, "🇬🇧" * 30_000, "é\r\n" * 20_000, "x" + "\u0301" * 60_000])
def test_a_text_is_looked_through_once_in_short_pieces(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    # Where one flag begins is known only by looking back: among 60,000 at once that takes a minute.
    looked = _Counting()
    monkeypatch.setattr(bot.text, "_GRAPHEME", looked)
    parts = split(text, rooms=repeat(4096), unit="utf16")
    assert "".join(text[start:end] for start, end in parts) == text
    assert sum(looked.lengths) < 4 * len(text)
    assert sum(length * length for length in looked.lengths) < 256 * len(text) or text[1] == "\u0301"


# --- directions ------------------------------------------------------------------------------------------


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
