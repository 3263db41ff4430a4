"""Spans as Telegram's entities, and what the Bot API's errors mean for a delivery."""

from __future__ import annotations

from datetime import timedelta

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from telegram.error import (
    BadRequest,
    ChatMigrated,
    Conflict,
    Forbidden,
    InvalidToken,
    NetworkError,
    RetryAfter,
    TelegramError,
    TimedOut,
)

from bot.accounts import Barred, ChatMoved, TopicGone
from bot.telegram.errors import bridge_error
from bot.telegram.kinds import spans_of
from bot.telegram.outbound import entities_of, message_id, split_message_id
from bot.telegram.request import ServerTrouble
from bridges.errors import Garbled, Refused, Unauthorized, Unavailable
from bridges.model import Span, SpanKind

KINDS = [SpanKind.BOLD, SpanKind.ITALIC, SpanKind.CODE, SpanKind.SPOILER, SpanKind.QUOTE]


@st.composite
def spanned(draw: st.DrawFn) -> tuple[str, tuple[Span, ...]]:
    """A text with spans that lie within it."""
    text = draw(st.text(st.sampled_from("ab é😀𝔘👩\u200d🚀\u202e\u0301"), min_size=1, max_size=30))
    spans = []
    for kind in draw(st.lists(st.sampled_from(KINDS), max_size=4)):
        start = draw(st.integers(0, len(text) - 1))
        spans.append(Span(kind=kind, start=start, length=draw(st.integers(1, len(text) - start))))
    return text, tuple(spans)


@given(spanned())
def test_spans_survive_the_way_to_telegram_and_back(given_: tuple[str, tuple[Span, ...]]) -> None:
    text, spans = given_
    entities = entities_of(text, spans)
    assert spans_of(text, tuple(entities or ())) == spans


def test_a_message_id_is_unique_in_the_account_and_can_be_taken_apart() -> None:
    assert split_message_id(message_id(-100500, 7)) == (-100500, 7)


def caused(error: TelegramError, cause: Exception) -> TelegramError:
    """The error as python-telegram-bot raises it from a cause."""
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "kind", "maybe_sent"),
    [
        (RetryAfter(timedelta(seconds=7)), Unavailable, False),
        (caused(TimedOut(), httpx.ConnectTimeout("")), Unavailable, False),
        (caused(NetworkError("x"), httpx.ConnectError("")), Unavailable, False),
        (caused(TimedOut(), httpx.ReadTimeout("")), Unavailable, True),
        (caused(TimedOut(), TimeoutError()), Unavailable, True),
        (caused(NetworkError("x"), httpx.ReadError("")), Unavailable, True),
        (caused(NetworkError("x"), ServerTrouble(500, readable=True)), Unavailable, False),
        (caused(NetworkError("x"), ServerTrouble(500, readable=False)), Unavailable, True),
        (caused(NetworkError("x"), ServerTrouble(502, readable=True)), Unavailable, True),
        (caused(NetworkError("x"), httpx.DecodingError("")), Garbled, None),
        (NetworkError("nobody knows why"), Unavailable, True),
        (Conflict("terminated by other getUpdates request"), Unavailable, False),
        (InvalidToken(), Unauthorized, None),
        (Forbidden("Forbidden: bot was blocked by the user"), Barred, None),
        (Forbidden("Forbidden: bot was kicked from the supergroup chat"), Barred, None),
        (Forbidden("Forbidden: bots can't send messages to bots"), Refused, None),
        (BadRequest("Bad Request: chat not found"), Barred, None),
        (BadRequest("Bad Request: have no rights to send a message"), Barred, None),
        (BadRequest("Bad Request: not enough rights to send text messages to the chat"), Barred, None),
        (BadRequest("Bad Request: not enough rights to send photos to the chat"), Refused, None),
        (BadRequest("Bad Request: need administrator rights in the channel chat"), Barred, None),
        (BadRequest("Bad Request: message thread not found"), TopicGone, None),
        (BadRequest("Bad Request: TOPIC_DELETED"), TopicGone, None),
        (BadRequest("Bad Request: TOPIC_CLOSED"), Refused, None),
        (BadRequest("Bad Request: message can't be edited"), Refused, None),
        (BadRequest("Bad Request: MESSAGE_ID_INVALID"), Refused, None),
        (ChatMigrated(-100600), ChatMoved, None),
        (TelegramError("Invalid server response"), Garbled, None),
    ],
)
def test_each_error_of_the_bot_api_says_who_must_act(
    error: TelegramError, kind: type[Exception], maybe_sent: bool | None
) -> None:
    made = bridge_error(error)
    assert type(made) is kind
    assert getattr(made, "maybe_sent", None) is maybe_sent


def test_telegrams_wait_is_passed_on_in_seconds() -> None:
    made = bridge_error(RetryAfter(timedelta(seconds=7)))
    assert isinstance(made, Unavailable)
    assert made.retry_after == 7


def test_a_group_that_moved_says_where_to() -> None:
    made = bridge_error(ChatMigrated(-100600))
    assert isinstance(made, ChatMoved)
    assert made.new == "-100600"
