"""Words instead of formatting: addresses in brackets, and nothing else changed."""

from __future__ import annotations

import pytest

from bridges.model import Message, Span, SpanKind
from bridges.spans import plain, with_addresses


def link(start: int, length: int, address: str) -> Span:
    return Span(kind=SpanKind.LINK, start=start, length=length, value=address)


@pytest.mark.parametrize(
    ("text", "address", "said"),
    [
        ("docs", "https://example.org", "docs (https://example.org)"),
        ("Example.org", "https://example.ORG/", "Example.org"),
        ("HTTPS://example.org/a", "https://example.org/a", "HTTPS://example.org/a"),
        ("bit.ly/AbCd", "https://bit.ly/abcd", "bit.ly/AbCd (https://bit.ly/abcd)"),
        ("example.org?A", "https://example.org?a", "example.org?A (https://example.org?a)"),
        ("+44 1", "tel:+441", "+44 1 (tel:+441)"),
        ("ann@Example.org", "mailto:ann@example.org", "ann@Example.org"),
        ("ftp", "ftp://example.org", "ftp (ftp://example.org)"),
    ],
)
def test_an_address_that_the_words_do_not_say_follows_in_brackets(text: str, address: str, said: str) -> None:
    assert plain(Message(text=text, spans=(link(0, len(text), address),))) == said


def test_other_spans_cover_what_they_covered() -> None:
    kinds = [(SpanKind.BOLD, 0, 13), (SpanKind.ITALIC, 4, 4), (SpanKind.CODE, 8, 1), (SpanKind.PRE, 8, 5)]
    spans = [Span(kind=kind, start=start, length=length) for kind, start, length in kinds]
    anchor = link(4, 4, "ftp://x")
    made = with_addresses(Message(text="see docs, now", spans=(*spans, anchor)), [anchor])
    assert made.text == "see docs (ftp://x), now"
    assert [made.text[span.start : span.start + span.length] for span in made.spans] == [
        "see docs (ftp://x), now",
        "docs",
        ",",
        ", now",
    ]


def test_many_links_are_said_in_one_walk() -> None:
    # Putting each into a text of its own would copy gigabytes.
    many = 50_000
    text = plain(Message(text="abc " * many, spans=tuple(link(at * 4, 3, "ftp://x") for at in range(many))))
    assert text == "abc (ftp://x) " * many
