"""Rich messages: headings, lists, tables and media in blocks, as plain words with spans.

The library does not know them yet, so they are read as Telegram sends them
(https://core.telegram.org/bots/api#richmessage, 2026-11).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from bridges.model import Attachment, Span, SpanKind
from bridges.responses import clean

DEEPEST = 40
"""Blocks within blocks: what lies deeper is left out."""

_INLINE = {
    "bold": SpanKind.BOLD,
    "italic": SpanKind.ITALIC,
    "underline": SpanKind.UNDERLINE,
    "strikethrough": SpanKind.STRIKE,
    "spoiler": SpanKind.SPOILER,
    "code": SpanKind.CODE,
    "url": SpanKind.LINK,
    "date_time": SpanKind.TIME,
}
_WORDS = ("paragraph", "footer", "thinking", "details", "collage", "slideshow", "anchor")
"""Blocks that are nothing but what they hold."""
_MEDIA = {"photo": "image", "video": "video", "animation": "video", "audio": "audio", "voice_note": "voice"}

Node = Any
MakeAttachment = Callable[[str, Mapping[str, Any]], Attachment]


@dataclass(frozen=True, slots=True)
class Rich:
    """What a rich message says."""

    text: str
    spans: tuple[Span, ...]
    attachments: tuple[Attachment, ...]


def read_rich(raw: object, *, attachment: MakeAttachment) -> Rich:
    """The words of a rich message, block by block; ``attachment`` makes one of Telegram's description."""
    writer = _Writer(attachment)
    writer.blocks(raw.get("blocks") if isinstance(raw, Mapping) else None, depth=0)
    return writer.done()


def time_value(unix: int, form: str | None) -> str:
    """The value of a span that is a point in time: seconds since 1970, and the format if there is one."""
    return f"{unix} {form}" if form else str(unix)


class _Writer:
    """Gathers words, spans and files in the order in which they come."""

    def __init__(self, attachment: MakeAttachment) -> None:
        self._attachment = attachment
        self._pieces: list[str] = []
        self._at = 0
        self._fresh = True
        """At the beginning of a line."""
        self._spans: list[Span] = []
        self._attachments: list[Attachment] = []

    def done(self) -> Rich:
        text = "".join(self._pieces)
        end = len(text.rstrip())
        spans = (span for span in self._spans if span.start < end)
        fitted = [span.model_copy(update={"length": min(span.length, end - span.start)}) for span in spans]
        fitted.sort(key=lambda span: (span.start, -span.length))
        return Rich(text[:end], tuple(fitted), tuple(self._attachments))

    # --- words

    def _add(self, text: object) -> None:
        if isinstance(text, str) and text:
            words = clean(text)
            self._pieces.append(words)
            self._at += len(words)
            self._fresh = words.endswith("\n")

    def _line(self) -> None:
        if not self._fresh:
            self._add("\n")

    @contextmanager
    def _marked(self, kind: SpanKind, *, value: str | None = None) -> Iterator[None]:
        start = self._at
        yield
        if self._at > start:
            self._spans.append(Span(kind=kind, start=start, length=self._at - start, value=value))

    def inline(self, node: Node, *, depth: int) -> None:
        """A rich text: words, several of them, or one with a meaning."""
        if depth > DEEPEST:
            return
        if isinstance(node, str):
            self._add(node)
        elif isinstance(node, list):
            for each in node:
                self.inline(each, depth=depth + 1)
        elif isinstance(node, Mapping):
            self._meant(node, depth=depth + 1)

    def _meant(self, node: Mapping[str, Any], *, depth: int) -> None:
        type = node.get("type")
        if type == "mathematical_expression":
            with self._marked(SpanKind.CODE):
                self._add(node.get("expression"))
            return
        if type == "custom_emoji":
            self._add(node.get("alternative_text"))
            return
        kind = _INLINE.get(str(type))
        if kind is None:
            self.inline(node.get("text"), depth=depth)
            return
        with self._marked(kind, value=_value(kind, node)):
            self.inline(node.get("text"), depth=depth)

    # --- blocks

    def blocks(self, nodes: Node, *, depth: int) -> None:
        """Blocks below each other."""
        if isinstance(nodes, Sequence) and not isinstance(nodes, str) and depth <= DEEPEST:
            for node in nodes:
                if isinstance(node, Mapping):
                    self._line()
                    self._block(node, depth=depth + 1)

    def _block(self, node: Mapping[str, Any], *, depth: int) -> None:
        match node.get("type"):
            case "heading":
                with self._marked(SpanKind.BOLD):
                    self.inline(node.get("text"), depth=depth)
            case "pre":
                language = node.get("language")
                with self._marked(SpanKind.PRE, value=language if isinstance(language, str) else None):
                    self.inline(node.get("text"), depth=depth)
            case "divider":
                self._add("———")
            case "mathematical_expression":
                with self._marked(SpanKind.PRE):
                    self._add(node.get("expression"))
            case "blockquote" | "pullquote":
                with self._marked(SpanKind.QUOTE):
                    self._all(node, depth=depth)
            case "list":
                self._list(node, depth=depth)
            case "table":
                self._table(node, depth=depth)
            case "map":
                self._map(node)
                self._all(node, depth=depth)
            case str() as type if type in _MEDIA:
                self._media(type, node.get(type))
                self._all(node, depth=depth)
            case type:
                before = self._at, len(self._attachments)
                self._all(node, depth=depth)
                if type not in _WORDS and before == (self._at, len(self._attachments)):
                    self._add(f"[{type}]")

    def _all(self, node: Mapping[str, Any], *, depth: int) -> None:
        """Whatever a block may hold: its summary, words, blocks, caption and who is quoted."""
        for key in ("summary", "text"):
            if key in node:
                self._line()
                self.inline(node[key], depth=depth)
        self.blocks(node.get("blocks"), depth=depth)
        self._caption(node.get("caption"), depth=depth)
        if "credit" in node:
            self._line()
            self._add("— ")
            self.inline(node["credit"], depth=depth)

    def _caption(self, node: Node, *, depth: int) -> None:
        if isinstance(node, Mapping) and "type" not in node:
            self._all(node, depth=depth)
        elif node:
            self._line()
            self.inline(node, depth=depth)

    def _list(self, node: Mapping[str, Any], *, depth: int) -> None:
        for item in self._listed(node, "items"):
            if not isinstance(item, Mapping):
                continue
            self._line()
            if item.get("has_checkbox"):
                self._add("☑ " if item.get("is_checked") else "☐ ")
            elif item.get("label"):
                self._add(f"{item['label']} ")
            # The first block of an item stands behind its label.
            self._fresh = True
            self.blocks(item.get("blocks"), depth=depth)

    def _table(self, node: Mapping[str, Any], *, depth: int) -> None:
        for row in self._listed(node, "cells"):
            self._line()
            for number, cell in enumerate(row if isinstance(row, list) else ()):
                if number:
                    self._add(" | ")
                if isinstance(cell, Mapping):
                    self.inline(cell.get("text"), depth=depth)
        self._caption(node.get("caption"), depth=depth)

    def _listed(self, node: Mapping[str, Any], name: str) -> Sequence[Node]:
        """What a block has under this name; where that is no list, a note says that something is there."""
        nodes = node.get(name)
        if isinstance(nodes, list):
            return nodes
        if nodes:
            self._add(f"[{node.get('type')}]")
        return ()

    def _map(self, node: Mapping[str, Any]) -> None:
        place = node.get("location")
        if isinstance(place, Mapping):
            self._add(f"📍 {place.get('latitude')}, {place.get('longitude')}")

    def _media(self, type: str, file: Node) -> None:
        largest = file[-1] if isinstance(file, list) and file else file
        if isinstance(largest, Mapping) and isinstance(largest.get("file_id"), str):
            self._attachments.append(self._attachment(_MEDIA[type], largest))


def _value(kind: SpanKind, node: Mapping[str, Any]) -> str | None:
    url, unix, form = node.get("url"), node.get("unix_time"), node.get("date_time_format")
    if kind is SpanKind.LINK:
        return url if isinstance(url, str) else None
    if kind is SpanKind.TIME and isinstance(unix, int):
        return time_value(unix, form if isinstance(form, str) else None)
    return None
