"""Formatting, from Telegram's entities to spans and back: what has a span comes back as it was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from telegram import MessageEntity

from bot.telegram.kinds import spans_of
from bot.telegram.outbound import entities_of
from bridges.model import Span, SpanKind

VECTORS = Path(__file__).resolve().parents[4] / "shared" / "telegram" / "td_entity_vectors.json"
CASES: list[Any] = json.loads(VECTORS.read_text()) if VECTORS.is_file() else []
# A custom emoji belongs to its owner, a mention pings: in the text they are the emoji and the name.
WITHOUT_SPAN = ("custom_emoji", "text_mention")


@pytest.mark.skipif(not CASES, reason="no entity vectors in the shared folder beside the checkout")
@pytest.mark.parametrize("case", CASES, ids=range(len(CASES)))
def test_entities_of_the_servers_library_come_back_as_they_were(case: list[Any]) -> None:
    _, _, text, entities, error = case
    if error is not None:
        return  # nothing of it ever arrives
    # The vectors tell of a person only the id.
    there = MessageEntity.de_list([{k: v for k, v in each.items() if k != "user"} for each in entities], None)
    back = entities_of(text, spans_of(text, there)) or []
    assert [each.to_dict() for each in back] == [each for each in entities if each["type"] not in WITHOUT_SPAN]


@pytest.mark.skipif(not CASES, reason="no entity vectors in the shared folder beside the checkout")
def test_the_vectors_hold_every_kind_that_has_a_span() -> None:
    kinds = {entity["type"] for case in CASES for entity in case[3] or ()}
    assert {span.kind for kind in kinds for span in spans_of("x", [MessageEntity(kind, 0, 1)])} == set(SpanKind) - {
        SpanKind.MENTION
    }


def test_a_span_over_an_astral_letter_is_two_units_long() -> None:
    (entity,) = entities_of("a𝔘b", [Span(kind=SpanKind.BOLD, start=1, length=1)]) or ()
    assert (entity.offset, entity.length) == (1, 2)
    assert spans_of("a𝔘b", [entity]) == (Span(kind=SpanKind.BOLD, start=1, length=1),)


def test_how_a_time_is_shown_is_kept() -> None:
    span = Span(kind=SpanKind.TIME, start=0, length=3, value="1764000000 r")
    (entity,) = entities_of("now", [span]) or ()
    assert (entity.type, entity.to_dict()["unix_time"], entity.date_time_format) == ("date_time", 1764000000, "r")
    assert spans_of("now", [entity]) == (span,)


@pytest.mark.parametrize("value", [None, "", "tomorrow", "9" * 30])
def test_a_time_that_is_none_stays_words(value: str | None) -> None:
    assert entities_of("now", [Span(kind=SpanKind.TIME, start=0, length=3, value=value)]) == []


def test_an_entity_that_reaches_beyond_the_text_is_left_out() -> None:
    assert spans_of("abc", [MessageEntity("bold", 1, 3)]) == ()
