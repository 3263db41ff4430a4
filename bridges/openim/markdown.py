"""From spans to Markdown that says exactly the same words (https://spec.commonmark.org/0.31.2/, 2026-11)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from bridges.model import Message, Span, SpanKind

_AROUND = {SpanKind.BOLD: "**", SpanKind.ITALIC: "*", SpanKind.STRIKE: "~~"}
_BLOCKS = (SpanKind.PRE, SpanKind.QUOTE)
_SPECIAL = re.compile(r"([\\`*_\[\]<>~|&])")
# What would begin a heading, a list, a rule or an underlined heading at the start of a line.
_LINE_START = re.compile(r"^(\s*)([#+=-])", re.MULTILINE)
_NUMBERED = re.compile(r"^(\s*\d{1,9})([.)])(?=\s|$)", re.MULTILINE)
_BACKTICKS = re.compile(r"`+")
_LINKED = ("http://", "https://", "mailto:", "tel:")


def to_markdown(message: Message) -> str | None:
    """The text as Markdown, its words escaped; None where no span of it can be said in Markdown."""
    spans = [span for span in map(lambda each: _trimmed(each, message.text), message.spans) if span is not None]
    if not spans:
        return None
    pieces: list[str] = []
    at = 0
    for block in _apart([span for span in spans if span.kind in _BLOCKS]):
        pieces.append(_between(message.text, spans, start=at, end=block.start))
        at = block.start + block.length
        if block.kind is SpanKind.PRE:
            pieces.append(_fenced(message.text[block.start : at], language=block.value or ""))
        else:
            pieces.append("> " + _inline(message.text, spans, start=block.start, end=at).replace("\n", "\n> "))
    pieces.append(_between(message.text, spans, start=at, end=len(message.text)))
    return "\n\n".join(filter(None, pieces))


def _between(text: str, spans: Sequence[Span], *, start: int, end: int) -> str:
    """What stands between two blocks, without the line breaks next to them: a block has its own."""
    while start < end and start > 0 and text[start] == "\n":
        start += 1
    while end > start and end < len(text) and text[end - 1] == "\n":
        end -= 1
    return _inline(text, spans, start=start, end=end)


def _trimmed(span: Span, text: str) -> Span | None:
    """The span without white space at its ends, where Markdown would not see it; None if it cannot be said."""
    sayable = span.kind in _AROUND or span.kind in _BLOCKS or span.kind is SpanKind.CODE
    if not sayable and not (span.kind is SpanKind.LINK and (span.value or "").startswith(_LINKED)):
        return None
    start, end = span.start, min(span.start + span.length, len(text))
    if span.kind is not SpanKind.PRE:
        while start < end and text[start].isspace():
            start += 1
        while end > start and text[end - 1].isspace():
            end -= 1
    return span.model_copy(update={"start": start, "length": end - start}) if end > start else None


def _apart(blocks: Sequence[Span]) -> Iterator[Span]:
    at = 0
    for block in sorted(blocks, key=lambda span: (span.start, -span.length)):
        if block.start >= at:
            yield block
            at = block.start + block.length


def _inline(text: str, spans: Sequence[Span], *, start: int, end: int) -> str:
    """A stretch of the text with what is inside a line: code goes before links, links before the rest."""
    inside = [
        (max(span.start, start), min(span.start + span.length, end), span)
        for span in spans
        if span.kind not in _BLOCKS and span.start < end and span.start + span.length > start
    ]
    atoms: list[tuple[int, int, Span]] = []
    for kind in (SpanKind.CODE, SpanKind.LINK):
        for one in sorted((each for each in inside if each[2].kind is kind), key=lambda each: each[:2]):
            if all(one[1] <= other[0] or other[1] <= one[0] for other in atoms):
                atoms.append(one)
    around = [each for each in inside if each[2].kind in _AROUND]
    cuts = sorted({start, end, *(cut for first, last, _ in (*atoms, *around) for cut in (first, last))})
    said: list[str] = []
    open_now: list[str] = []
    space = ""  # what was last, if it was white space: a mark has to touch a word to be seen as one
    for first, last in pairwise(cuts):
        words = text[first:last]
        core = words.strip()
        if not core:
            space += words
            continue
        atom = next((span for begin, stop, span in atoms if begin <= first and last <= stop), None)
        wanted = [
            _AROUND[span.kind]
            for begin, stop, span in sorted(around, key=lambda each: (each[0], -each[1]))
            if begin <= first and last <= stop
        ]
        wanted = list(dict.fromkeys(wanted))
        while open_now != wanted[: len(open_now)]:
            said.append(open_now.pop())
        at = first + len(words) - len(words.lstrip())
        said.append(_broken(space + words[: at - first]))
        said.extend(wanted[len(open_now) :])
        open_now = wanted
        begins_line = not text[start:at].rpartition("\n")[2].strip()
        if atom is None:
            said.append(_escaped(core, begins_line=begins_line))
        elif atom.kind is SpanKind.CODE:
            said.append(_code(core))
        else:
            said.append(f"[{_escaped(core, begins_line=False)}](<{_address(atom.value or '')}>)")
        space = words[len(words.rstrip()) :]
    said.extend(reversed(open_now))
    return "".join(said) + _broken(space)


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
