"""From an HTTP answer to a model or an error: the part that is the same for every provider."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NoReturn, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from bridges.errors import Garbled, Refused, Unauthorized, Unavailable

W = TypeVar("W", bound=BaseModel)

RETRY_AFTER_MOST_S = 3600.0
RETRY_AFTER_LEAST_S = 1.0


def retry_after(response: httpx.Response, *, now: datetime | None = None) -> float | None:
    """Seconds from a ``Retry-After`` header (number or HTTP date), clamped to 1 s … 1 h; None if absent or absurd."""
    raw = response.headers.get("retry-after", "").strip()
    if not raw:
        return None
    try:
        seconds = float(raw)
    except ValueError:
        try:
            at = parsedate_to_datetime(raw)
        except (ValueError, TypeError):
            return None
        if at.tzinfo is None:
            at = at.replace(tzinfo=UTC)
        seconds = (at - (now or datetime.now(UTC))).total_seconds()
    if math.isnan(seconds):
        return None
    return min(max(seconds, RETRY_AFTER_LEAST_S), RETRY_AFTER_MOST_S)


def raise_for_status(response: httpx.Response, *, what: str, detail: str = "") -> None:
    """Raise the bridge error that an HTTP status means; return on 2xx.

    401 → ``Unauthorized``; 408, 429, 500, 503 → ``Unavailable`` (answered, so surely not sent); 502, 504 and other
    5xx → ``Unavailable(maybe_sent=True)``; 3xx → ``Refused`` (redirects are never followed); other 4xx → ``Refused``.
    """
    status = response.status_code
    if 200 <= status < 300:
        return
    said = f": {detail}" if detail else ""
    if status == 401:
        raise Unauthorized(f"{what}: the credentials were refused (HTTP 401){said}")
    if status in (408, 429, 500, 503):
        raise Unavailable(f"{what}: HTTP {status}{said}", retry_after=retry_after(response))
    if status >= 500:
        raise Unavailable(f"{what}: HTTP {status}{said}", retry_after=retry_after(response), maybe_sent=True)
    if 300 <= status < 400:
        raise Refused(f"{what}: HTTP {status}, a redirect, which is never followed; check base_url{said}")
    raise Refused(f"{what}: HTTP {status}{said}")


_SURROGATE = re.compile("[\ud800-\udfff]")
SAID_MOST = 200
_HIDDEN = "•••"


def quoted(said: object, *, hide: Iterable[str] = ()) -> str:
    """What a provider said, fit for one line of ours: bounded, without control characters and the strings to hide."""
    if not isinstance(said, str):
        return ""
    text = said[: 64 * SAID_MOST]
    for secret in hide:
        if len(secret) >= 4:  # hiding "a" would hide the words and not what was sent
            text = text.replace(secret, _HIDDEN)
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= SAID_MOST else text[: SAID_MOST - 1] + "…"


def _reject_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_STRICT = json.JSONDecoder(parse_constant=_reject_constant)


def parse_json(data: bytes | str) -> Any:
    """Strict JSON: raises ``Garbled`` for anything else (NaN, endless nesting, giant numbers, not UTF-8)."""
    try:
        # JSON between systems is UTF-8 and nothing else; a byte order mark may be ignored (RFC 8259, 8.1).
        text = data if isinstance(data, str) else data.decode("utf-8-sig")
        return _STRICT.decode(text)
    except (ValueError, RecursionError) as error:
        raise Garbled("not JSON") from error


def parsed(response: httpx.Response, wire: type[W], *, what: str) -> W:
    """The body as ``wire``; raises ``Garbled`` naming the fields at fault, never their values."""
    try:
        return wire.model_validate(parse_json(response.content))
    except ValidationError as error:
        fields = ", ".join(sorted({".".join(map(str, e["loc"])) or "body" for e in error.errors()}))
        raise Garbled(f"{what}: the answer is not of the known shape ({fields})") from error
    except Garbled as error:
        raise Garbled(f"{what}: the answer is not JSON") from error


def clean(text: str) -> str:
    """Text fit for every store: no U+0000, lone surrogates replaced by U+FFFD."""
    text = text.replace("\x00", "")
    return _SURROGATE.sub("\ufffd", text)
