"""CINNOX's facts: paths, field names, odd types. Our decisions are in ``bridge.py``.

Sources, read 2026-11: https://docs.cinnox.com/docs, its page "Send Message", and
https://docs.cinnox.com/docs/createeditdelete-inboundsms-event-subscription and
https://docs.cinnox.com/docs/error-codes-and-rate-limit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, StrictBool, StrictInt

EVENTS_MOST = 1000
"""Ours: events in one body. Those documented hold one."""
MESSAGES_MOST = 10
TEXT_MOST = 5000
"""Characters in one message; of which unit is not documented, so both code points and UTF-16 units are counted."""
REQUESTS_PER_MINUTE = 500

ChallengeMode: TypeAlias = Literal["object", "string", "object_plus_top", "top", "plain"]
CHALLENGE_MODES: tuple[ChallengeMode, ...] = ("object", "string", "object_plus_top", "top", "plain")
CHALLENGE_BYTES_MOST = 4096

CODE_TOO_MANY = 6451010
CODE_INTERNAL = 6451001
CODE_NO_METHOD = 6450001
CODES_RETRY = frozenset({CODE_TOO_MANY, CODE_INTERNAL})
CODES_REFUSED: Mapping[int, str] = {
    400: "bad request",
    3000203: "tag not found",
    3000205: "destination not found",
    CODE_NO_METHOD: "method not found",
    6451000: "wrong parameter",
}
"""Documented codes that mean "no, and not later either"; codes that are not in the table are tried again."""


class Reply(BaseModel):
    """Every answer: ``code`` is an integer and 0 is success, but only together with HTTP 2xx."""

    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    code: StrictInt
    message: object = None
    result: object = None


class Subscribed(BaseModel):
    """``result`` of a subscription: whether it is on is ``enabled``, not ``code``."""

    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    enabled: StrictBool
    url: object = None


EventName: TypeAlias = Literal[
    "inbound-sms", "outbound-sms", "call", "enquiry", "enquiry-label", "staff-contact", "external-contact", "label"
]
SUBSCRIPTIONS: Mapping[EventName, str] = {
    "inbound-sms": "inbound-sms-event-sub",
    "outbound-sms": "outbound-sms-event-sub",
    "call": "call-event-sub",
    "enquiry": "inquiry-event-sub",
    "enquiry-label": "inquiry-label-event-sub",
    "staff-contact": "staff-contact-event-sub",
    "external-contact": "external-contact-event-sub",
    "label": "label-event-sub",
}
"""The last part of the path of each event's subscription. That of external contacts is a guess: its page has the same
name, and its path was not read. Those of record files and conference calls exist and are not documented in public."""

RECEIPTS: Mapping[str, Literal["delivered", "failed"]] = {
    "delivered": "delivered",
    "success": "delivered",
    "undelivered": "failed",
    "rejected": "failed",
    "fail": "failed",
    "timeout": "failed",
}
"""``Status`` of a receipt; ``Submitted`` is neither yet. The words success, fail and timeout are those of an older copy
of the documents."""
RECEIPT_WORDS: Mapping[str, tuple[str, ...]] = {"timeout": ("it may have arrived",)}

ENQUIRY_WORDS: Mapping[str, str] = {
    "opened": "opened",
    "handling": "is being handled",
    "closed": "closed",
    "missed": "missed",
}
CHANNEL_NAMES: Mapping[str, str] = {
    "CINNOX": "CINNOX",
    "FACEBOOK": "Facebook",
    "LINE": "LINE",
    "WECHAT": "WeChat",
    "WHATSAPP": "WhatsApp",
    "THIRDPARTY": "third-party channel",
    "CHATBOT": "chatbot",
    "EMAIL": "e-mail",
    "WOZTELL": "Woztell",
    "INSTAGRAM": "Instagram",
}
CONTACT_WORDS: Mapping[str, tuple[str, str]] = {
    "staffcreate": ("Staff contact", "created"),
    "staffedit": ("Staff contact", "edited"),
    "staffdelete": ("Staff contact", "deleted"),
    "create": ("External contact", "created"),
    "edit": ("External contact", "edited"),
    "delete": ("External contact", "deleted"),
}
LABEL_WORDS: Mapping[str, str] = {
    "label": "Label",
    "inquirylabel": "Enquiry label",
    "inquiry-label": "Enquiry label",
    "enquirylabel": "Enquiry label",
    "enquiry-label": "Enquiry label",
}
LABEL_VERBS: Mapping[str, str] = {"create": "created", "edit": "edited", "delete": "deleted"}
"""A guess: the fields of label events are not documented; only ``type`` and ``status``, which the others have, are
read."""


def is_receipt(payload: Mapping[str, Any]) -> bool:
    """Whether these are the fields of an outbound SMS's receipt."""
    return any(isinstance(kind := payload.get(name), str) and kind.casefold() == "tdr" for name in ("Type", "type"))


ROWS_KEYS = ("list", "data", "rows", "items", "records")


def rows_of(result: object) -> tuple[Mapping[str, Any], ...] | None:
    """The rows of a look-up; None where there are none to be found.

    A guess: the documents name the fields of a row, and not what ``result`` holds the rows in.
    """
    listed = result
    if isinstance(result, dict):
        named = [result[key] for key in ROWS_KEYS if isinstance(result.get(key), list)]
        lists = [value for value in result.values() if isinstance(value, list)]
        listed = (named or lists or [None])[0]
    return tuple(row for row in listed if isinstance(row, dict)) if isinstance(listed, list) else None


WRAPPERS = ("message", "result", "data")
"""Keys under which CINNOX's events carry their fields; for inbound SMS the envelope is not documented."""

_MARKS = frozenset(
    {
        "eventdescription",
        "sendernumber",
        "recipientnumber",
        "receivetime",
        "contenttype",
        "content",
        "status",
        "transactionid",
        "responsecode",
        "serviceid",
        "displaycasenumber",
    }
)


def payload_of(body: object) -> Mapping[str, Any] | None:
    """The fields of an event, found flat or under a wrapper; None where the body holds no event.

    A wrapper that holds anything at all counts as one: taking an event for a handshake would lose it.
    """
    if not isinstance(body, dict):
        return None
    if any(key.lower() in _MARKS for key in body) or str(body.get("Type", "")).lower() == "tdr":
        return body
    for wrapper in WRAPPERS:
        inner = body.get(wrapper)
        if isinstance(inner, dict) and inner:
            return inner
    return None


def challenge_of(body: object) -> str | None:
    """The challenge to echo, exactly as sent; None where there is none that can be echoed."""
    value = body.get("challenge") if isinstance(body, dict) else None
    if not isinstance(value, str) or not value:
        return None
    try:
        size = len(value.encode())
    except UnicodeEncodeError:  # half a surrogate pair has no UTF-8: it could not be echoed exactly
        return None
    return value if size <= CHALLENGE_BYTES_MOST else None


def is_inbound_sms(payload: Mapping[str, Any]) -> bool:
    """Whether these are the fields of an inbound SMS; the description's wording differs between copies of the docs."""
    described = payload.get("eventDescription")
    if isinstance(described, str) and described.strip():
        words = "".join(c if c.isalnum() else " " for c in described.casefold()).split()
        return words[:2] == ["inbound", "sms"] or words[:1] == ["inboundsms"]
    return "senderNumber" in payload and "content" in payload


def number_of(value: object) -> str | None:
    """A phone number as digits without ``+``, or a sender's name as it is; None where there is neither.

    Documented as Number; strings and floats without a fraction are understood too.
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        if not math.isfinite(value) or not value.is_integer() or abs(value) > 2**53:
            return None
        value = int(value)
    if isinstance(value, int):
        return str(value) if 0 <= value < 10**32 else None
    if not isinstance(value, str):
        return None
    text = " ".join(value.split())
    digits = "".join(c for c in text.removeprefix("+") if c not in " -().")
    if digits and digits.isascii() and digits.isdigit():
        return digits
    return text or None


def time_of(value: object) -> datetime | None:
    """An RFC 3339 time as UTC; None where it is none."""
    if not isinstance(value, str) or "T" not in value.upper():
        return None
    try:
        at = datetime.fromisoformat(value.strip())
        return None if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
