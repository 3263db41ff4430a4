"""Twenty thousand texts of the worst kind, split, rendered and joined again: nothing is lost, no limit exceeded."""

from __future__ import annotations

import random

import pytest
import regex  # type: ignore[import-untyped]

from bot.names import display_name
from bot.shaping import DEFAULT_TEMPLATE, shape
from bot.telegram.kinds import spans_of
from bot.telegram.outbound import entities_of
from bot.text import closing, measure, utf16_length
from bridges.api import Capabilities
from bridges.model import Attachment, Message, Person, PersonId, Span, SpanKind
from bridges.spans import with_addresses

TEXTS = 20_000
AT_ONCE = 2_500
TELEGRAM = Capabilities(text_limit=4096, text_unit="utf16", markup="entities", attachments="bytes", caption_limit=1024)
PROVIDERS = [
    TELEGRAM,
    Capabilities(text_limit=160, text_unit="utf16", markup="entities", attachments="bytes", caption_limit=70),
    Capabilities(text_limit=500, text_unit="codepoints", markup="markdown", attachments="bytes"),
    Capabilities(text_limit=300, text_unit="bytes", markup="entities", attachments="none"),
]
SENDERS = [
    Person(id=PersonId("1"), name="Ann"),
    Person(id=PersonId("2"), name="\u202eשרה\u200b👨‍👩‍👧" * 9),
    Person(id=PersonId("3"), name="Z" + "\u0301" * 99),
]
PICTURE = Attachment(kind="image", ref="r", name="cat.png", size=1)
PIECES = (
    *["👨‍👩‍👧‍👦", "👩🏽‍🚀", "🏳️‍🌈", "🇫🇷", "🇫🇷🇩🇪🇯🇵", "1️⃣", "👍🏿"],
    *["🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"],
    *["Z" + "\u0301\u0316\u0353" * 7, "e\u0301", "क्षि", "นี้", "한글", "각", "𝔘𝔫𝔦", "\U0001d15f\U0001d165", "𠜎"],
    *["שלום", "مرحبا", "\u202eabc\u202c", "\u202eabc", "\u2067x\u2069", "\u2068", "\u200f", "\u200b", "\u2060"],
    *["\ufeff", "\r\n", "\n", "\n\n", "\t", "\u00a0", "10\u202f000", " ", "  ", "\u2028", "\u3000"],
    *["word", "lorem ipsum", "@ann", "{text}", "(1/2) ", "Ann: ", "https://example.org/a?b=c#d", "x" * 40, "字" * 20],
)  # fmt: skip
KINDS = [SpanKind.BOLD, SpanKind.ITALIC, SpanKind.CODE, SpanKind.LINK, SpanKind.SPOILER]


def written(rng: random.Random) -> Message:
    """A text as nobody writes it."""
    lengths = (0, 2, 12, 12, 60, 60, 60, 600)
    pieces = rng.choices(PIECES, k=rng.randrange(1 + rng.choice(lengths)))
    if rng.random() < 0.4:
        pieces = [piece + " " for piece in pieces]
    if rng.random() < 0.005:
        # One character, as a reader sees it, that is longer than a whole message.
        pieces.insert(rng.randrange(len(pieces) + 1), rng.choice(["e" + "\u0301" * 600, "👩" + "\u200d👩" * 400]))
    text = "".join(pieces)
    spans = []
    for _ in range(rng.choice((0, 0, 1, 3, 9)) if text else 0):
        start = rng.randrange(len(text))
        kind = rng.choice(KINDS)
        value = "https://example.org/" if kind is SpanKind.LINK else None
        spans.append(Span(kind=kind, start=start, length=rng.randint(1, min(len(text) - start, 200)), value=value))
    files = (PICTURE,) if rng.random() < 0.3 else ()
    return Message(text=text, spans=tuple(spans), attachments=files, sender=rng.choice(SENDERS))


def beginning(text: str, sender: str, number: int, count: int) -> str:
    """The sender and the mark; the sender is cut where little room is left for it."""
    mark = f"({number}/{count}) " if count > 1 else ""
    if text.startswith(sender + mark):
        return sender + mark
    cut = text[: text.index("…")]
    assert cut and sender.startswith(cut)
    return f"{cut}… {mark}" if len(text) > len(cut) + 1 else text


def covered(spans: list[Span]) -> set[tuple[SpanKind, str | None, int]]:
    return {(each.kind, each.value, at) for each in spans for at in range(each.start, each.start + each.length)}


def check(message: Message, can: Capabilities, template: str | None) -> None:
    parts = shape(message, capabilities=can, template=template).parts
    whole = message.text + (closing(message.text) if template else "")
    if message.attachments and can.attachments == "none":
        whole += ("\n" if whole else "") + "[image: cat.png, 1 B]"
    assert message.sender is not None
    sender = f"{display_name(message.sender)}: " if template else ""
    links = [each for each in message.spans if each.kind is SpanKind.LINK]
    if can.markup == "markdown" and links:
        told = with_addresses(message.model_copy(update={"text": whole}), links)
        if measure(sender + told.text, unit=can.text_unit) > can.text_limit:
            message, whole = told, told.text
    ends = {found.end() for found in regex.finditer(r"\X", whole)} if len(parts) > 1 else set()
    joined, spans, last = "", [], 0
    for number, part in enumerate(parts, start=1):
        limit = can.caption_limit or can.text_limit if part.attachments else can.text_limit
        assert measure(part.text, unit=can.text_unit) <= limit
        head = beginning(part.text, sender if whole else sender.rstrip(), number, len(parts))
        assert len(parts) == 1 or measure(head, unit=can.text_unit) <= limit / 2
        for each in part.spans:
            spans.append(each.model_copy(update={"start": each.start - len(head) + len(joined)}))
        if can is TELEGRAM:
            there = entities_of(part.text, part.spans) or []
            assert spans_of(part.text, tuple(there)) == part.spans
            assert all(each.offset + each.length <= utf16_length(part.text) for each in there)
        body = part.text[len(head) :]
        if number > 1 and len(joined) not in ends:
            cluster = regex.match(r"\X", whole, pos=max(end for end in (0, *ends) if end < len(joined)))
            assert cluster is not None and measure(cluster[0], unit=can.text_unit) > last / 2
        joined, last = joined + body, limit
    assert joined == whole
    assert covered(spans) == covered(list(message.spans))
    assert [part.attachments for part in parts][1:] == [()] * (len(parts) - 1)


@pytest.mark.parametrize("seed", range(TEXTS // AT_ONCE))
def test_any_text_joined_again_is_what_was_written(seed: int) -> None:
    rng = random.Random(seed)
    for number in range(AT_ONCE):
        message = written(rng)
        check(message, PROVIDERS[number % len(PROVIDERS)], None if number % 3 == 0 else DEFAULT_TEMPLATE)
