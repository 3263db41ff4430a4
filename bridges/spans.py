"""The words of a message where its formatting cannot be shown (pure)."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Collection
from itertools import accumulate, chain, pairwise

from bridges.model import Message, Span, SpanKind

_SCHEME = re.compile(r"\s*(?:https?://|mailto:|tel:)", re.IGNORECASE)
_HOST = re.compile(r"[^/?#]*")
_BLANKS_MOST = 64
"""White space around an address that is looked past; beyond it the words are not taken for the address."""


def plain(message: Message) -> str:
    """The text without formatting: unchanged, but a link whose words are not its address has it in brackets."""
    return with_addresses(message, [span for span in message.spans if span.kind is SpanKind.LINK]).text


def with_addresses(message: Message, links: Collection[Span]) -> Message:
    """The message with the addresses of these links in brackets behind their words, and without the links.

    The other spans cover what they covered. An address that the words are themselves is not repeated.
    """
    if not links:
        return message
    text = message.text
    told: dict[int, dict[str, None]] = {}
    for span in links:
        end = min(span.start + span.length, len(text))
        if span.value and not _says(text, span.start, end, address=span.value):
            told.setdefault(end, {})[span.value] = None
    ends = sorted(told)
    added = ["".join(f" ({address})" for address in told[end]) for end in ends]
    pieces = [text[start:end] for start, end in pairwise([0, *ends])]
    said = "".join(chain.from_iterable(zip(pieces, added, strict=True))) + text[ends[-1] if ends else 0 :]
    moved = [0, *accumulate(map(len, added))]
    gone = set(map(id, links))
    spans = []
    for span in message.spans:
        if id(span) in gone:
            continue
        end = span.start + span.length
        start = span.start + moved[bisect_right(ends, span.start)]
        length = end + moved[bisect_left(ends, end)] - start
        spans.append(span.model_copy(update={"start": start, "length": length}))
    return message.model_copy(update={"text": said, "spans": tuple(spans)})


def _says(text: str, start: int, end: int, *, address: str) -> bool:
    """Whether the words of a link are its address already."""
    if end - start > len(address) + _BLANKS_MOST:
        return False  # also spares comparing a long text with each of its links
    return _bare(text[start:end]) == _bare(address)


def _bare(address: str) -> str:
    """An address as people write it: ``Example.org`` is ``https://example.org/``, but ``/a`` is not ``/A``."""
    bare = _SCHEME.sub("", address.strip(), count=1)
    host = _HOST.match(bare)
    assert host is not None
    person, at, name = host[0].rpartition("@")
    return f"{person}{at}{name.lower()}{bare[host.end() :]}".rstrip("/")
