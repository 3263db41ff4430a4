"""How many segments a text is as an SMS."""

from __future__ import annotations

import pytest

from bot.segments import BASIC, EXTENSION, Segments, segments

ALPHABET = (
    "@£$¥èéùìòÇ\nØø\rÅå"
    "Δ_ΦΓΛΩΠΨΣΘΞÆæßÉ"
    " !\"#¤%&'()*+,-./"
    "0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNO"
    "PQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmno"
    "pqrstuvwxyzäöñüà"
)
"""The table of 3GPP TS 23.038 by rows of sixteen; the second one has the escape too."""


def test_the_alphabet_is_the_tables() -> None:
    assert (len(ALPHABET), set(ALPHABET), len(BASIC), len(EXTENSION)) == (127, BASIC, 127, 10)
    assert not BASIC & EXTENSION


@pytest.mark.parametrize("char", ALPHABET)
def test_a_character_of_the_alphabet_takes_one_place(char: str) -> None:
    assert segments(char * 160) == Segments(1, "GSM-7", 160)
    assert segments(char * 161) == Segments(2, "GSM-7", 161)


@pytest.mark.parametrize("char", "\f^{}\\[~]|€")
def test_a_character_of_the_extension_takes_two_places(char: str) -> None:
    assert segments(char * 80) == Segments(1, "GSM-7", 160)
    assert segments(char * 81) == Segments(2, "GSM-7", 162)


EDGES = {
    "": Segments(0, "GSM-7", 0),
    "a" * 160: Segments(1, "GSM-7", 160),
    "a" * 161: Segments(2, "GSM-7", 161),
    "a" * 306: Segments(2, "GSM-7", 306),
    "a" * 307: Segments(3, "GSM-7", 307),
    "a" * 459: Segments(3, "GSM-7", 459),
    "a" * 460: Segments(4, "GSM-7", 460),
    "а" * 70: Segments(1, "UCS-2", 70),
    "а" * 71: Segments(2, "UCS-2", 71),
    "а" * 134: Segments(2, "UCS-2", 134),
    "а" * 135: Segments(3, "UCS-2", 135),
    "a" * 159 + "`": Segments(3, "UCS-2", 160),
    "a" * 69 + "ç": Segments(1, "UCS-2", 70),
    "a\tb": Segments(1, "UCS-2", 3),
    "😀" * 35: Segments(1, "UCS-2", 70),
    "😀" * 36: Segments(2, "UCS-2", 72),
    # 66 of 67 units are taken: a pair does not begin in the last one.
    "😀" * 66: Segments(2, "UCS-2", 132),
    "😀" * 67: Segments(3, "UCS-2", 134),
    # 152 of 153 septets are taken: an escape does not stand in the last one.
    "a" * 152 + "€" + "a" * 151: Segments(2, "GSM-7", 305),
    "a" * 152 + "€" + "a" * 152: Segments(3, "GSM-7", 306),
}


@pytest.mark.parametrize("text", EDGES, ids=lambda text: f"{text[:3]}…{len(text)}")
def test_segments_are_counted_at_their_edges(text: str) -> None:
    assert segments(text) == EDGES[text]
