"""From spans to Markdown that says exactly the same words (https://spec.commonmark.org/0.31.2/, 2026-11)."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, pairwise

from bridges.model import Message, Span, SpanKind
from bridges.spans import with_addresses

_AROUND = {SpanKind.BOLD: "**", SpanKind.ITALIC: "*", SpanKind.STRIKE: "~~"}
_BLOCKS = (SpanKind.PRE, SpanKind.QUOTE)
_SPECIAL = re.compile(r"([\\`*_\[\]<>~|&])")
# What would begin a heading, a list, a rule or an underlined heading at the start of a line.
_LINE_START = re.compile(r"^(\s*)([#+=-])", re.MULTILINE)
_NUMBERED = re.compile(r"^(\s*\d{1,9})([.)])(?=\s|$)", re.MULTILINE)
_WORDS = re.compile(r"\S+")
_BACKTICKS = re.compile(r"`+")
_LINKED = ("http://", "https://", "mailto:", "tel:")


def to_markdown(message: Message) -> str | None:
    """The text as Markdown, its words escaped; None where no span of it can be said in Markdown.

    The address of a link that Markdown does not take (``tg:``, ``ftp:``) or cannot say there (in code, in another link)
    follows its words in brackets.
    """
    stretches = _sayable(message)
    kept = {id(each.span) for each in _atoms(stretches)}
    lost = [span for span in message.spans if span.kind is SpanKind.LINK and id(span) not in kept]
    if lost:
        message = with_addresses(message, lost)
        stretches = _sayable(message)
    if not stretches:
        return None
    text = message.text
    writer = _Writer(text, stretches)
    pieces: list[str] = []
    at = 0
    for block in _blocks(stretches):
        pieces.append(_between(writer, text, start=at, end=block.start))
        at = block.end
        if block.span.kind is SpanKind.PRE:
            pieces.append(_fenced(text[block.start : at], language=block.span.value or ""))
        else:
            pieces.append("> " + writer.said(block.start, at).replace("\n", "\n> "))
    pieces.append(_between(writer, text, start=at, end=len(text)))
    return "\n\n".join(filter(None, pieces))


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Where a span lies, as far as Markdown would see it."""

    start: int
    end: int
    span: Span


def _between(writer: _Writer, text: str, *, start: int, end: int) -> str:
    """What stands between two blocks, without the line breaks next to them: a block has its own."""
    while start < end and start > 0 and text[start] == "\n":
        start += 1
    while end > start and end < len(text) and text[end - 1] == "\n":
        end -= 1
    return writer.said(start, end)


def _sayable(message: Message) -> Sequence[_Stretch]:
    """What can be said in Markdown, without white space at its ends, where it would not be seen."""
    words = [found.span() for found in _WORDS.finditer(message.text)] if message.spans else []
    starts, ends = [start for start, _ in words], [end for _, end in words]
    found = []
    for span in message.spans:
        sayable = span.kind in _AROUND or span.kind in _BLOCKS or span.kind is SpanKind.CODE
        if not sayable and not (span.kind is SpanKind.LINK and (span.value or "").startswith(_LINKED)):
            continue
        start, end = span.start, min(span.start + span.length, len(message.text))
        if span.kind is not SpanKind.PRE:
            first, last = bisect_right(ends, start), bisect_left(starts, end) - 1
            if first > last:
                continue
            start, end = max(start, starts[first]), min(end, ends[last])
        if end > start:
            found.append(_Stretch(start, end, span))
    return found


def _apart(stretches: Iterable[_Stretch]) -> Iterator[_Stretch]:
    at = 0
    for each in sorted(stretches, key=lambda stretch: (stretch.start, -stretch.end)):
        if each.start >= at:
            yield each
            at = each.end


def _blocks(stretches: Iterable[_Stretch]) -> Iterator[_Stretch]:
    return _apart(each for each in stretches if each.span.kind in _BLOCKS)


def _atoms(stretches: Sequence[_Stretch]) -> Sequence[_Stretch]:
    """What has no other such thing within or across it, in order: code goes before links."""
    codes = list(_apart(each for each in stretches if each.span.kind is SpanKind.CODE))
    fenced = (each for each in _blocks(stretches) if each.span.kind is SpanKind.PRE)
    literal = sorted((each.start, each.end) for each in chain(codes, fenced))
    starts = [start for start, _ in literal]
    reach = list(accumulate((end for _, end in literal), max))
    links = []
    for link in _apart(each for each in stretches if each.span.kind is SpanKind.LINK):
        before = bisect_left(starts, link.end)
        if not before or reach[before - 1] <= link.start:
            links.append(link)
    return sorted((*codes, *links), key=lambda stretch: stretch.start)


class _Writer:
    """Says what is inside lines, stretch after stretch of the text: it walks through the spans once."""

    def __init__(self, text: str, stretches: Sequence[_Stretch]) -> None:
        self._text = text
        self._atoms = deque(_atoms(stretches))
        self._around: dict[SpanKind, deque[_Stretch]] = {kind: deque() for kind in _AROUND}
        for each in sorted(stretches, key=lambda stretch: (stretch.start, -stretch.end)):
            if each.span.kind in _AROUND:
                self._around[each.span.kind].append(each)
        edges = {(each.start, each.end) for each in (*self._atoms, *chain.from_iterable(self._around.values()))}
        self._cuts = sorted(set(chain.from_iterable(edges)))

    def said(self, start: int, end: int) -> str:
        """A stretch of the text as Markdown; it begins where the last one ended, or behind that."""
        inside = self._cuts[bisect_right(self._cuts, start) : bisect_left(self._cuts, end)]
        said: list[str] = []
        open_now: list[str] = []
        space = ""  # what was last, if it was white space: a mark has to touch a word to be seen as one
        for first, last in pairwise([start, *inside, end]):
            words = self._text[first:last]
            core = words.strip()
            if not core:
                space += words
                continue
            wanted = self._marks(first)
            while open_now != wanted[: len(open_now)]:
                said.append(open_now.pop())
            space += words[: len(words) - len(words.lstrip())]
            begins_line = not said or "\n" in space
            said.append(_broken(space))
            said.extend(wanted[len(open_now) :])
            open_now = wanted
            said.append(self._atom_or_words(core, at=first, begins_line=begins_line))
            space = words[len(words.rstrip()) :]
        said.extend(reversed(open_now))
        return "".join(said) + _broken(space)

    def _atom_or_words(self, core: str, *, at: int, begins_line: bool) -> str:
        atom = _current(self._atoms, at)
        if atom is None:
            return _escaped(core, begins_line=begins_line)
        if atom.span.kind is SpanKind.CODE:
            return _code(core)
        return f"[{_escaped(core, begins_line=False)}](<{_address(atom.span.value or '')}>)"

    def _marks(self, at: int) -> list[str]:
        """The marks that are open here, the outermost first. Of several of a kind the first that began counts."""
        found = [each for ordered in self._around.values() if (each := _current(ordered, at)) is not None]
        return [_AROUND[each.span.kind] for each in sorted(found, key=lambda stretch: (stretch.start, -stretch.end))]


def _current(ordered: deque[_Stretch], at: int) -> _Stretch | None:
    """The first that covers an offset; those that end before it are of no use any more, for one never goes back."""
    while ordered and ordered[0].end <= at:
        ordered.popleft()
    return ordered[0] if ordered and ordered[0].start <= at else None


def _broken(words: str) -> str:
    """With line breaks that stay: a bare one would be a space."""
    return words.replace("\n", "  \n")


def _escaped(words: str, *, begins_line: bool) -> str:
    words = _SPECIAL.sub(r"\\\1", words)
    # A line of its own begins only behind a line break, or where the stretch itself begins one.
    head, lines = ("", words) if begins_line else _first_line(words)
    lines = _NUMBERED.sub(r"\1\\\2", _LINE_START.sub(r"\1\\\2", lines))
    return _broken(head + lines)


def _first_line(words: str) -> tuple[str, str]:
    first, line_break, rest = words.partition("\n")
    return first + line_break, rest


def _code(words: str) -> str:
    fence = "`" * (max((len(run) for run in _BACKTICKS.findall(words)), default=0) + 1)
    pad = " " if words.startswith("`") or words.endswith("`") else ""
    return f"{fence}{pad}{words}{pad}{fence}"


def _fenced(words: str, *, language: str) -> str:
    fence = "`" * max(3, max((len(run) for run in _BACKTICKS.findall(words)), default=0) + 1)
    name = language if language.isascii() and language.replace("-", "").replace("+", "").isalnum() else ""
    return f"{fence}{name}\n{words.rstrip()}\n{fence}"


def _address(url: str) -> str:
    """An address between < and >, where only these two and white space are special."""
    return "".join(f"%{ord(c):02X}" if c in "<>\\" or c.isspace() else c for c in url if c.isprintable() or c.isspace())
