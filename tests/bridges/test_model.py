"""Neutral data: frozen, strict about fields, the same after a round trip through JSON, silent about texts."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from bridges.api import Outgoing
from bridges.model import (
    Attachment,
    Button,
    Conversation,
    ConversationId,
    Deleted,
    Edited,
    Event,
    Message,
    MessageId,
    Person,
    PersonId,
    Reacted,
    Receipt,
    Received,
    Span,
    SpanKind,
    StatusChanged,
    Unsupported,
    events_from_json,
    events_to_json,
)

text = st.text(max_size=30)
id_ = st.text(min_size=1, max_size=12)
zones = st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=45)), timezone(timedelta(hours=-11))])
times = st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 1, 1), timezones=zones)
people = st.builds(
    Person,
    id=id_.map(PersonId),
    name=text,
    kind=st.sampled_from(["member", "agent", "bot", "system"]),
    avatar=st.none() | text,
)
places = st.builds(
    Conversation, id=id_.map(ConversationId), kind=st.sampled_from(["direct", "group", "topic"]), title=text
)
spans = st.builds(
    Span, kind=st.sampled_from(SpanKind), start=st.integers(0, 99), length=st.integers(1, 99), value=st.none() | text
)
attachments = st.builds(
    Attachment,
    kind=st.sampled_from(["image", "video", "audio", "voice", "file", "sticker"]),
    ref=text,
    name=text,
    media_type=text,
    size=st.none() | st.integers(0, 2**40),
)
messages = st.builds(
    Message,
    text=text,
    spans=st.lists(spans, max_size=3).map(tuple),
    attachments=st.lists(attachments, max_size=2).map(tuple),
    sender=st.none() | people,
    reply_to=st.none() | id_.map(MessageId),
    buttons=st.lists(st.builds(Button, label=text, data=text), max_size=2).map(tuple),
)
mid = id_.map(MessageId)
events: st.SearchStrategy[Event] = st.one_of(
    st.builds(
        Received, key=id_, at=times, conversation=places, message=messages, id=st.none() | mid, ours=st.booleans()
    ),
    st.builds(Edited, key=id_, at=times, conversation=places, id=mid, message=messages),
    st.builds(Deleted, key=id_, at=times, conversation=places, id=mid),
    st.builds(
        Reacted,
        key=id_,
        at=times,
        conversation=places,
        id=mid,
        person=people,
        reactions=st.lists(text, max_size=3).map(tuple),
    ),
    st.builds(
        StatusChanged, key=id_, at=times, id=mid, state=st.sampled_from(["delivered", "read", "failed"]), detail=text
    ),
    st.builds(Unsupported, key=id_, at=times, name=text),
)
receipts = st.builds(
    Receipt,
    ids=st.lists(mid, max_size=3).map(tuple),
    state=st.sampled_from(["accepted", "delivered"]),
    at=st.none() | times,
)


@given(st.lists(events, max_size=4))
def test_events_come_back_from_json_as_they_were(some: list[Event]) -> None:
    again = events_from_json(events_to_json(some))
    assert again == tuple(some)
    assert [type(event) for event in again] == [type(event) for event in some]


@given(messages)
def test_a_message_comes_back_from_json_as_it_was(message: Message) -> None:
    assert Message.model_validate_json(message.model_dump_json()) == message


@given(receipts)
def test_a_receipt_comes_back_from_json_as_it_was(receipt: Receipt) -> None:
    assert Receipt.model_validate_json(receipt.model_dump_json()) == receipt


EVENT = Received(
    key="k1",
    at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    conversation=Conversation(id=ConversationId("c1")),
    message=Message(text="canary words"),
)


def test_events_are_frozen() -> None:
    with pytest.raises(ValidationError):
        EVENT.key = "other"  # type: ignore[misc]


def test_an_unknown_field_is_refused() -> None:
    data = json.loads(events_to_json([EVENT]))
    data[0]["message"]["extra"] = {}
    with pytest.raises(ValidationError, match="extra"):
        events_from_json(json.dumps(data))


@pytest.mark.parametrize("changes", [{"at": "2026-01-02T03:04:05"}, {"key": ""}, {"type": "telepathy"}])
def test_an_event_needs_a_key_a_zone_and_a_known_type(changes: dict[str, str]) -> None:
    data = {**json.loads(events_to_json([EVENT]))[0], **changes}
    with pytest.raises(ValidationError):
        events_from_json(json.dumps([data]))


@pytest.mark.parametrize(("start", "length"), [(-1, 1), (0, 0), (0, -1)])
def test_a_span_covers_something(start: int, length: int) -> None:
    with pytest.raises(ValidationError):
        Span(kind=SpanKind.BOLD, start=start, length=length)


def test_texts_show_in_no_repr_and_no_error() -> None:
    out = Outgoing(key="k1", conversation=ConversationId("c1"), message=EVENT.message)
    assert "canary" not in f"{EVENT!r} {EVENT} {EVENT.message!r} {out!r}"
    with pytest.raises(ValidationError) as caught:
        Message.model_validate({"text": ["canary words"]})
    assert "canary" not in str(caught.value)
