"""What a message becomes: the addresses of its links are told in whatever kind OpenIM has for it."""

from __future__ import annotations

from typing import Any

import pytest

from bridges.api import Answered
from bridges.model import MessageId, Person, PersonId, Span, SpanKind
from bridges.openim import wire
from bridges.openim.content import Text, parts_of
from tests.bridges.openim.common import out

ANSWERED = Answered(id=MessageId("c0"), text="where?", sender=Person(id=PersonId("alice"), name="Alice"))
CALLED = Span(kind=SpanKind.MENTION, start=9, length=4, value="bob")


def link(address: str = "https://example.org/a") -> Span:
    return Span(kind=SpanKind.LINK, start=4, length=4, value=address)


def text_of(*spans: Span, limit: int = 1000, **fields: Any) -> Text:
    (part,) = parts_of(out("see docs @Bob", spans=spans, **fields), line="main", limit=limit, group="g")
    assert isinstance(part, Text)
    return part


def test_a_quote_has_no_formatting_and_so_the_addresses_in_words() -> None:
    part = text_of(link(), reply_to=MessageId("c0"), answered=ANSWERED)
    assert part.rich is not None and part.rich.type == wire.QUOTE
    assert part.rich.content["text"] == "see docs (https://example.org/a) @Bob"
    assert part.plain.content == {"content": "> Alice: where?\nsee docs (https://example.org/a) @Bob"}


def test_words_that_call_somebody_have_no_formatting_either() -> None:
    part = text_of(link(), CALLED)
    assert part.plain.type == wire.AT_TEXT
    assert part.plain.content["text"] == "see docs (https://example.org/a) @Bob"
    assert part.plain.content["atUserList"] == ["bob"]


def test_where_markdown_is_refused_the_address_is_in_the_words() -> None:
    part = text_of(link())
    assert part.rich is not None and part.rich.content == {"content": "see [docs](<https://example.org/a>) @Bob"}
    assert part.plain.content == {"content": "see docs (https://example.org/a) @Bob"}


@pytest.mark.parametrize("address", ["tg://resolve?domain=x", "ftp://example.org"])
def test_an_address_that_markdown_does_not_take_is_in_the_words(address: str) -> None:
    assert text_of(link(address)).plain.content == {"content": f"see docs ({address}) @Bob"}
    part = text_of(link(address), Span(kind=SpanKind.BOLD, start=0, length=3))
    assert part.rich is not None and part.rich.content == {"content": f"**see** docs ({address}) @Bob"}


def test_words_with_addresses_are_never_longer_than_the_limit() -> None:
    assert text_of(link(), limit=30).plain.content == {"content": "see docs @Bob"}
