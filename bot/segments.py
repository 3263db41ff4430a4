"""How many segments a text is as an SMS (pure). Source: 3GPP TS 23.038, clause 6.2.1, and TS 23.040, 9.2.3.24.1 for
what the header of a segment takes (2026-11).

A phone network carries 140 bytes at once: 160 characters of the GSM 7-bit alphabet, or 70 units of UCS-2 as soon as one
character is not in that alphabet. Several segments need a header in each, which leaves 153 and 67. A character of the
extension table takes two places; it is not torn apart at the end of a segment, and neither is a surrogate pair.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
"""The GSM 7-bit default alphabet without its escape to the extension table."""
EXTENSION = frozenset("\f^{}\\[~]|€")
"""Its extension table: the escape goes before each of these."""

_ALONE = {"GSM-7": 160, "UCS-2": 70}
_OF_SEVERAL = {"GSM-7": 153, "UCS-2": 67}


@dataclass(frozen=True, slots=True)
class Segments:
    """A text as an SMS."""

    count: int
    """So many segments, each of which is paid for; none for no text."""
    encoding: Literal["GSM-7", "UCS-2"]
    units: int
    """Places that the characters take: septets, or UTF-16 units."""


def segments(text: str) -> Segments:
    """Into how many segments a phone network divides a text."""
    encoding: Literal["GSM-7", "UCS-2"] = "GSM-7" if all(c in BASIC or c in EXTENSION for c in text) else "UCS-2"
    sizes = [_size(char, is_gsm=encoding == "GSM-7") for char in text]
    units = sum(sizes)
    if units <= _ALONE[encoding]:
        return Segments(1 if units else 0, encoding, units)
    return Segments(_filled(sizes, room=_OF_SEVERAL[encoding]), encoding, units)


def _size(char: str, *, is_gsm: bool) -> int:
    if is_gsm:
        return 2 if char in EXTENSION else 1
    return 2 if char > "\uffff" else 1


def _filled(sizes: Iterable[int], *, room: int) -> int:
    count, left = 0, 0
    for size in sizes:
        if size > left:
            count, left = count + 1, room
        left -= size
    return count
