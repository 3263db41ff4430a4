"""From an HTTP answer to a model or an error, and texts made fit for every store."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, StrictInt

from bridges.errors import BridgeError, Garbled, Refused, Unauthorized, Unavailable
from bridges.responses import SAID_MOST, clean, parse_json, parsed, quoted, raise_for_status, retry_after

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        (" 7 ", 7.0),
        ("1.5", 1.5),
        ("0", 1.0),
        ("-5", 1.0),
        ("999999", 3600.0),
        ("1e400", 3600.0),
        ("Fri, 02 Jan 2026 03:04:35 GMT", 30.0),
        ("Fri, 02 Jan 2026 03:04:35 -0000", 30.0),
        ("Fri, 02 Jan 2026 03:00:00 GMT", 1.0),
        ("Fri, 02 Jan 2099 03:00:00 GMT", 3600.0),
        ("nan", None),
        ("soon", None),
        ("", None),
        ("Fri, 99 Jan 2026 03:04:35 GMT", None),
    ],
)
def test_retry_after_is_read_and_kept_sane(header: str, seconds: float | None) -> None:
    assert retry_after(httpx.Response(429, headers={"Retry-After": header}), now=NOW) == seconds


def test_without_the_header_there_is_no_retry_after() -> None:
    assert retry_after(httpx.Response(429)) is None


MEANINGS: list[tuple[int, type[BridgeError] | None, bool | None]] = [
    (200, None, None),
    (204, None, None),
    (299, None, None),
    (301, Refused, None),
    (304, Refused, None),
    (400, Refused, None),
    (401, Unauthorized, None),
    (403, Refused, None),
    (404, Refused, None),
    (408, Unavailable, False),
    (422, Refused, None),
    (429, Unavailable, False),
    (500, Unavailable, False),
    (501, Unavailable, True),
    (502, Unavailable, True),
    (503, Unavailable, False),
    (504, Unavailable, True),
    (520, Unavailable, True),
]


@pytest.mark.parametrize(("status", "error", "maybe_sent"), MEANINGS)
def test_a_status_means_this(status: int, error: type[BridgeError] | None, maybe_sent: bool | None) -> None:
    caught: BridgeError | None = None
    try:
        raise_for_status(httpx.Response(status, headers={"Retry-After": "9"}), what="Sample send", detail="busy")
    except BridgeError as raised:
        caught = raised
    assert type(caught) is (error or type(None))
    if caught is not None:
        assert str(caught).startswith("Sample send: ") and str(caught).endswith(": busy")
        assert str(status) in str(caught)
    if isinstance(caught, Unavailable):
        assert (caught.maybe_sent, caught.retry_after) == (maybe_sent, 9.0)


class Wire(BaseModel):
    code: StrictInt
    inner: dict[str, int] = {}


def test_a_body_of_the_known_shape_is_parsed() -> None:
    assert parsed(httpx.Response(200, json={"code": 3}), Wire, what="x") == Wire(code=3)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "not JSON"),
        (b"<html>", "not JSON"),
        (b'{"code":NaN}', "not JSON"),
        (b"[1]", r"\(body\)"),
        (b"{}", r"\(code\)"),
        (b'{"code":"canary"}', r"\(code\)"),
        (b'{"code":1,"inner":{"k":"canary"}}', r"\(inner\.k\)"),
    ],
)
def test_another_shape_is_garbled_and_names_fields_but_no_values(body: bytes, words: str) -> None:
    with pytest.raises(Garbled, match=words) as caught:
        parsed(httpx.Response(200, content=body), Wire, what="Sample send")
    assert str(caught.value).startswith("Sample send: ")
    assert "canary" not in str(caught.value)


@given(st.binary() | st.text().map(str.encode))
def test_any_bytes_are_json_or_garbled(data: bytes) -> None:
    try:
        value = parse_json(data)
    except Garbled:
        return
    json.dumps(value, allow_nan=True)


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("plain", "plain"),
        ("a\x00b", "ab"),
        ("half \ud83d end", "half ? end"),
        ("👨‍👩‍👧 שלום\n\ttab", "👨‍👩‍👧 שלום\n\ttab"),
        ("", ""),
    ],
)
def test_clean_takes_out_only_what_no_store_holds(text: str, cleaned: str) -> None:
    assert clean(text) in (cleaned, cleaned.replace("?", "\ufffd"))


@given(st.text(st.characters()))
def test_what_is_clean_can_be_stored_and_stays_as_it_is(text: str) -> None:
    once = clean(text)
    once.encode("utf-8")
    assert "\x00" not in once
    assert clean(once) == once


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ("room not found", "room not found"),
        ("two\nlines\tand\x1b[31m colour\u202e", "two lines and [31m colour"),
        (None, ""),
        (17, ""),
        ({"a": 1}, ""),
        ("", ""),
        ("token s3cret-token is bad", "token ••• is bad"),
    ],
)
def test_a_providers_words_become_one_clean_line(said: object, line: str) -> None:
    assert quoted(said, hide=("s3cret-token", "a", "")) == line


@given(st.text(st.characters(), max_size=1000))
def test_a_providers_words_are_bounded_and_printable(said: str) -> None:
    line = quoted(said)
    assert len(line) <= SAID_MOST
    assert line.isprintable()


def test_a_secret_at_the_cut_is_hidden_whole() -> None:
    secret = "s3cret-token"
    for padding in range(SAID_MOST - 20, SAID_MOST + 5):
        assert "s3c" not in quoted("x" * padding + secret, hide=(secret,))


def test_a_date_without_now_is_compared_with_the_clock() -> None:
    at = (datetime.now(UTC) + timedelta(hours=5)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    assert retry_after(httpx.Response(503, headers={"Retry-After": at})) == 3600.0
