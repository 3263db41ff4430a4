"""Text in a provider's own unit, and where it may be cut (pure).

It is cut between words, else between grapheme clusters (what a reader sees as one character, Unicode UAX #29 through
``regex``'s ``\\X``), and only a single cluster longer than a whole message is cut between its code points.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, TypeAlias

import regex  # type: ignore[import-untyped]

from bridges.api import Capabilities

TextUnit: TypeAlias = Literal["codepoints", "utf16", "bytes"]

_ELLIPSIS = "…"


def utf16_length(text: str) -> int:
    """The length in UTF-16 code units, in which Telegram counts text and entities."""
    if text.isascii():
        return len(text)
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def utf16_offsets(text: str) -> Sequence[int]:
    """Offsets in UTF-16 units, indexed by code point; one more than the text has, for its end."""
    if text.isascii() or max(text) <= "\uffff":
        return range(len(text) + 1)
    offsets = [0]
    at = 0
    for char in text:
        at += 2 if char > "\uffff" else 1
        offsets.append(at)
    return offsets


def codepoint_offsets(text: str) -> Sequence[int]:
    """Offsets in code points, indexed by UTF-16 unit: the inverse of :func:`utf16_offsets`.

    A unit in the middle of a surrogate pair gives the code point that the pair is.
    """
    if text.isascii() or max(text) <= "\uffff":
        return range(len(text) + 1)
    offsets: list[int] = []
    for index, char in enumerate(text):
        offsets.append(index)
        if char > "\uffff":
            offsets.append(index)
    offsets.append(len(text))
    return offsets


def measure(text: str, *, unit: TextUnit) -> int:
    """The length of a text as a provider counts it."""
    match unit:
        case "codepoints":
            return len(text)
        case "utf16":
            return utf16_length(text)
        case "bytes":
            return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def surely_fits(text: str, capabilities: Capabilities, *, extra: str = "") -> bool:
    """Whether it fits into one message without being measured; False: perhaps."""
    return (len(text) + len(extra)) * _LONGEST_UNIT[capabilities.text_unit] <= capabilities.text_limit


# --- cutting ---------------------------------------------------------------------------------------------

_GRAPHEME: re.Pattern[str] = regex.compile(r"\X")
_SLICE = 64
# Blanks that hold two words together: 10 000 €, Mme Curie.
_NO_BREAK = frozenset("\u00a0\u2007\u202f\ufeff")
_LONGEST_UNIT: Mapping[TextUnit, int] = {"codepoints": 1, "utf16": 2, "bytes": 4}


def split(text: str, *, rooms: Iterator[int], unit: TextUnit) -> list[tuple[int, int]]:
    """Cut a text into ranges, between words where there are any; ``rooms`` says how many units each may have."""
    ranges: list[tuple[int, int]] = []
    start = 0
    while start < len(text):
        end = _reach(text, start, room=next(rooms), unit=unit)
        if end < len(text):
            end = _cut_before(text, start, most=end)
        ranges.append((start, end))
        start = end
    return ranges


def _reach(text: str, start: int, *, room: int, unit: TextUnit) -> int:
    """The furthest offset whose distance from ``start`` is at most ``room`` units; one code point at least."""
    if unit == "codepoints":
        return max(min(start + room, len(text)), start + 1)
    window = text[start : start + room]
    if measure(window, unit=unit) <= room:
        return max(start + len(window), start + 1)
    low, high = 1, len(window)
    while low < high:
        middle = (low + high + 1) // 2
        if measure(window[:middle], unit=unit) <= room:
            low = middle
        else:
            high = middle - 1
    return start + low


def _cut_before(text: str, start: int, *, most: int) -> int:
    """The best place to cut in ``(start, most]``: after a word, else after a grapheme cluster, else there."""
    boundaries = _boundaries(text, start, most=most)
    after = next((at for at in reversed(boundaries) if _is_blank(text[at - 1])), None)
    if after is not None:
        return after
    return boundaries[-1] if boundaries else most


def _boundaries(text: str, start: int, *, most: int) -> Sequence[int]:
    """Ends of grapheme clusters in ``(start, most]``."""
    if text[start : most + 1].isascii() and "\r" not in text[start : most + 1]:
        return range(start + 1, most + 1)
    # Whether a flag ends here is decided by looking back to where the flags begin, or the string: so it is looked at in
    # slices, each of which begins where a cluster does and leaves its last one, that may go on, to the next.
    ends: list[int] = []
    size = _SLICE
    last = min(most + 1, len(text))
    while start < most:
        stop = min(start + size, last)
        found = [start + each.end() for each in _GRAPHEME.finditer(text[start:stop])]
        if stop < len(text):
            found.pop()
        if found:
            ends += found
            start, size = found[-1], _SLICE
        elif stop == last:
            break
        else:
            size *= 2  # one cluster without end
    return ends if not ends or ends[-1] <= most else ends[:-1]


def _is_blank(char: str) -> bool:
    return char.isspace() and char not in _NO_BREAK


def fitted(prefix: str, *, most: int, unit: TextUnit) -> str:
    """A prefix that is not longer than ``most`` units, cut if it has to be."""
    if measure(prefix, unit=unit) <= most:
        return prefix
    tail = _ELLIPSIS + " "
    end = _reach(prefix, 0, room=most - measure(tail, unit=unit), unit=unit)
    boundaries = _boundaries(prefix, 0, most=end)
    return prefix[: boundaries[-1] if boundaries else end] + tail


def cut(text: str, most: int) -> str:
    """The text in at most ``most`` code points, whole grapheme clusters if possible."""
    if len(text) <= most:
        return text
    boundaries = _boundaries(text, 0, most=most - 1)
    return text[: boundaries[-1] if boundaries else most - 1].rstrip() + _ELLIPSIS


# --- directions ------------------------------------------------------------------------------------------

_END_OF_EMBEDDING, _END_OF_ISOLATE = "\u202c", "\u2069"
_OPENING = {
    **dict.fromkeys("\u202a\u202b\u202d\u202e", _END_OF_EMBEDDING),
    **dict.fromkeys("\u2066\u2067\u2068", _END_OF_ISOLATE),
}
_DIRECTION = re.compile("[\u202a-\u202e\u2066-\u2069]")
# What ends a paragraph ends every direction in it (Unicode UAX #9, P1 and X8).
_PARAGRAPH_END = re.compile("[\n\r\x1c-\x1e\x85\u2029]")


def closing(text: str) -> str:
    """What is to follow a text so that no direction that it opens reaches beyond it; mostly nothing."""
    if text.isascii() or _DIRECTION.search(text) is None:
        return ""
    due: list[str] = []
    isolates = 0
    for char in _DIRECTION.findall(_PARAGRAPH_END.split(text)[-1]):
        end = _OPENING.get(char)
        if end is not None:
            due.append(end)
            isolates += end == _END_OF_ISOLATE
        elif char == _END_OF_ISOLATE and isolates:
            # It ends what was embedded in the isolate too.
            while due.pop() != _END_OF_ISOLATE:
                pass
            isolates -= 1
        elif due and due[-1] == char:
            due.pop()
    return "".join(reversed(due))
