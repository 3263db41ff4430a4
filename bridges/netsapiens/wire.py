"""NetSapiens' facts: paths, field names, odd types. Our decisions are in ``bridge.py`` and beside it.

Sources, read 2026-11: the OpenAPI documents of API v2 (v45.0 and v44) at https://docs.ns-api.com/reference, its guides
https://docs.ns-api.com/docs/event-subscriptions-1, https://docs.ns-api.com/docs/async-202-vs-sync-200 and
https://docs.ns-api.com/docs/pagination-and-api-data, https://dev.onecloud.com/docs/oauth-access-tokens, and for what
live servers do otherwise https://github.com/dszp/n8n-nodes-netsapiens,
https://github.com/Acrobits-Dev/netsapiens-subscription-manager and https://github.com/DallanL/netsapiens-asyncio.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from decimal import Decimal, InvalidOperation
from typing import Any, Literal, TypeAlias

import httpx

from bridges.errors import Garbled
from bridges.responses import clean, parse_json

API = "/ns-api/v2"
LEGACY_TOKENS = "/ns-api/oauth2/token/"
"""Where servers that lack ``/tokens`` of v2 hand out tokens."""

PAGE = 100
"""Rows of one page: the documented default, said in every request, since lists are cut at it without a word."""
PAGE_MOST = 1000

PORTS = {"https": 443, "http": 80}

EXTENSION = re.compile(r"[A-Za-z0-9._-]{1,16}")
DOMAIN = re.compile(r"[A-Za-z0-9._-]{1,64}")
NUMBER = re.compile(r"[0-9]{1,20}")
SESSION = re.compile(r"[A-Za-z0-9._~@:+=-]{1,128}")
"""Ids of sessions as servers give them. Those that we make are 32 of ``A-Za-z0-9_``, the documented alphabet."""

ID_MOST = 200

Kind: TypeAlias = Literal["chat", "sms"]
Model: TypeAlias = Literal["message", "messagesession"]
MODELS: tuple[Model, ...] = ("message", "messagesession")

CONTENT_TYPES = frozenset({"chat", "chat-media", "sms", "mms"})
"""Types that are somebody's words; another one that begins with ``chat-`` is a notice about the conversation."""
TEXT_TYPES = frozenset({"sms", "mms"})

EXPIRY_FORMAT = "%Y-%m-%d %H:%M:%S"

_SCIENTIFIC = re.compile(r"[0-9]+(?:\.[0-9]+)?[eE]\+?[0-9]{1,2}")
_FRACTIONLESS = re.compile(r"([0-9]+)\.0+")
_SEPARATORS = str.maketrans("", "", " -().")
_ROUTE_WORDS = ("no route", "route not found", "no such route", "unknown route", "no endpoint")
_NO_FAILURE = frozenset({"", "0", "0.0", "no", "none", "false", "null", "ok", "success", "accepted"})
_DEPTH_MOST = 3
_NOTICE_BYTES = 4096
_SAYS_NOTHING = frozenset({"", "not found", "404 not found", "404", "none"})


def fields_of(item: Mapping[str, Any]) -> dict[str, Any]:
    """The fields under one form of their names: v2 writes ``from-number``, live posts ``from_num``, and
    ``"file-access-url "`` really ends with a space. Of two that become one the first with a value counts."""
    fields: dict[str, Any] = {}
    for name, value in item.items():
        known = name.strip().lower().replace("_", "-")
        if fields.get(known) in (None, ""):
            fields[known] = value
    return fields


def pick(fields: Mapping[str, Any], *names: str) -> Any:
    """The first of these fields that has a value; None if none has."""
    for name in names:
        value = fields.get(name)
        if value is not None and value != "":
            return value
    return None


def number_of(value: object) -> str:
    """A phone number as digits without ``+``; empty where there is none.

    Numbers come as strings, as integers, as floats and as ``"1.5550100123e+10"``.
    """
    if isinstance(value, bool):
        return ""
    if isinstance(value, float):
        value = repr(value) if math.isfinite(value) and value >= 0 and value.is_integer() else ""
    elif isinstance(value, int):
        value = str(value) if 0 <= value < 10**20 else ""
    if not isinstance(value, str) or len(value) > 64:
        return ""
    text = value.strip()
    if whole := _FRACTIONLESS.fullmatch(text):
        text = whole[1]
    elif _SCIENTIFIC.fullmatch(text):
        text = _plain(text)
    text = text.removeprefix("+").translate(_SEPARATORS)
    return text if NUMBER.fullmatch(text) else ""


def _plain(text: str) -> str:
    try:
        exact = Decimal(text)
        return str(int(exact)) if exact == exact.to_integral_value() else ""
    except InvalidOperation:  # more digits than a number can have
        return ""


def name_of(value: object) -> str:
    """A short printable name or id of any JSON type; empty where there is none."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    text = str(value)[:400] if not isinstance(value, int) or abs(value) < 10**64 else ""
    return "".join(c for c in clean(text) if c.isprintable()).strip()


def id_of(value: object) -> str:
    """The id of a message; empty where there is none, or one that lost digits on its way.

    ``1.5550100123e+10`` holds all of its digits, ``1.70000e+12`` does not. A number with a point that ends in zeros may
    have lost them to them.
    """
    if isinstance(value, float) and value % 1000 == 0:
        return ""
    text = name_of(value)
    if _SCIENTIFIC.fullmatch(text):
        mantissa, _, exponent = text.lower().partition("e")
        return _plain(text) if len(mantissa.partition(".")[2]) >= int(exponent) else ""
    return text[:ID_MOST]


def session_of(value: object) -> str:
    """The id of a session, which may come as a number; empty where it is none that a path could hold."""
    text = name_of(value)
    if _SCIENTIFIC.fullmatch(text) or _FRACTIONLESS.fullmatch(text):
        return ""  # rounded on its way: it may be another one's
    return text if SESSION.fullmatch(text) and text.strip(".") else ""


def user_of(value: object, *, domain: str) -> str:
    """The extension of ``4100@acme.example`` or ``4100``; one of another domain stays whole."""
    text = name_of(value)
    extension, at, rest = text.partition("@")
    return extension if at and rest.casefold() == domain.casefold() else text


def several(value: object) -> tuple[object, ...]:
    """The items of a field that may hold one, a list, or several separated by commas."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    if isinstance(value, list):
        return tuple(value)
    return () if value is None else (value,)


def numbers_of(value: object) -> tuple[str, ...]:
    """All phone numbers of a field."""
    return tuple(dict.fromkeys(filter(None, (number_of(each) for each in several(value)))))


def users_of(value: object, *, domain: str) -> tuple[str, ...]:
    """All extensions of a field."""
    return tuple(dict.fromkeys(filter(None, (user_of(each, domain=domain) for each in several(value)))))


def text_of(value: object) -> str:
    """The words of a message, which come as any JSON type: a text ``5`` arrives as the number 5."""
    if value is None:
        return ""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, float) and value.is_integer() and 1e9 <= abs(value) < 2**53:
        value = int(value)  # what somebody typed without a point, such as a phone number
    return clean(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def same_text(ours: str, theirs: object) -> bool:
    """Whether a stored text is ours: spaces do not matter, and a number may have lost its zeros."""
    mine, other = "".join(ours.split()), "".join(text_of(theirs).split())
    if mine == other:
        return True
    if isinstance(theirs, bool) or not isinstance(theirs, int | float):
        return False
    try:
        return Decimal(mine) == Decimal(other)
    except InvalidOperation:
        return False


def flag_of(value: object) -> bool | None:
    """``yes``/``no`` and what stands for them; None where it is not said."""
    if isinstance(value, bool):
        return value
    match name_of(value).lower():
        case "yes" | "true" | "1":
            return True
        case "no" | "false" | "0":
            return False
    return None


def count_of(value: object) -> int | None:
    """A number of bytes or seconds; None where it is none."""
    digits = number_of(value)
    return int(digits) if digits else None


def time_of(value: object, *, zone: tzinfo) -> datetime | None:
    """A time as UTC: ``YYYY-MM-DD HH:MM:SS`` in ``zone``, or with an offset of its own; None where it is none.

    The zone of the documented form is not documented.
    """
    if not isinstance(value, str) or len(value) > 40 or ":" not in value:
        return None
    try:
        at = datetime.fromisoformat(value.strip())
        return (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def rows_of(body: object) -> list[dict[str, Any]]:
    """The rows of a list. One row may come without its array; what is no object is left out.

    Raises ``Garbled`` for anything else.
    """
    if isinstance(body, dict):
        return [fields_of(body)] if body else []
    if isinstance(body, list):
        return [fields_of(row) for row in body if isinstance(row, dict)]
    raise Garbled("the answer is neither a list nor an object")


def failure_in(body: object, *, sending: bool) -> tuple[int, object] | None:
    """A failure that an answer of 2xx holds: its code (0: none is given) and words; None where there is none.

    Some servers answer 200 to what they did not do, in whatever types. ``status`` is read of sends only: other records
    have one.
    """
    if not isinstance(body, dict):
        return None
    fields = fields_of(body)
    code = _code_of(fields.get("code"))
    words = pick(fields, "errormessage", "error-message", "message", "error-description", "error", "errors")
    if code >= 400:
        return code, words
    accepted = 200 <= code < 300 or _said_done(fields.get("message")) or _said_done(fields.get("status"))
    for name in ("error", "errors", "errormessage", "error-message", "error-description"):
        if _is_failure(fields.get(name), accepted=accepted):
            return 0, pick(fields, "errormessage", "error-message", "error-description", name, "message")
    if flag_of(fields.get("success")) is False:
        return 0, words
    if sending and name_of(fields.get("status")).lower() in ("failed", "failure", "error"):
        return 0, words
    return None


def code_inside(response: httpx.Response) -> int:
    """The ``code`` that the body of an answer holds; 0 where there is none, and in a body too long to be a notice."""
    if len(response.content) > _NOTICE_BYTES or not response.content.lstrip().startswith(b"{"):
        return 0
    try:
        body = parse_json(response.content)
    except Garbled:
        return 0
    return _code_of(fields_of(body).get("code"))


def _code_of(value: object) -> int:
    digits = name_of(value)
    if whole := _FRACTIONLESS.fullmatch(digits):
        digits = whole[1]
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 10 else 0


def _said_done(value: object) -> bool:
    return name_of(value).lower() in ("accepted", "ok", "success")


def _is_failure(value: object, *, accepted: bool, depth: int = 0) -> bool:
    """Whether the value of a field named for errors tells one; a list or object without any word in it does so only
    where nothing says that the request was accepted."""
    if isinstance(value, dict | list):
        inside = list(value.values()) if isinstance(value, dict) else value
        if depth == _DEPTH_MOST:
            return bool(inside)
        told = any(_is_failure(each, accepted=accepted, depth=depth + 1) for each in inside)
        return told or (bool(inside) and not accepted)
    if isinstance(value, bool):
        return value
    return name_of(value).lower() not in _NO_FAILURE


def said_by(response: httpx.Response) -> object:
    """The words of an error answer; None where there are none."""
    try:
        body = parse_json(response.content)
    except Garbled:
        return None
    if isinstance(body, list) and body:
        body = body[0]
    if not isinstance(body, dict):
        return None
    return pick(fields_of(body), "message", "errormessage", "error-description", "error")


def route_missing(response: httpx.Response) -> bool:
    """Whether a 404 says that this server has no such call, rather than no such record.

    A server that lacks a call says "No Route Found [92]" (https://github.com/dszp/n8n-nodes-netsapiens, 2026-11). An
    answer that names nothing at all may mean either and counts as this.
    """
    if response.status_code in (405, 501):
        return True
    if response.status_code != 404:
        return False
    said = said_by(response)
    words = said.casefold().strip(" .!") if isinstance(said, str) else ""
    return words in _SAYS_NOTHING or any(mark in words for mark in _ROUTE_WORDS)


@dataclass(frozen=True, slots=True)
class SmsNumber:
    """A number that can send SMS, and the extension (or queue) it belongs to."""

    number: str
    owner: str
    application: str
    mms: bool | None
    group_mms: bool | None

    @classmethod
    def of(cls, row: Mapping[str, Any], *, domain: str) -> SmsNumber:
        """From a row of ``smsnumbers``."""
        return cls(
            number=number_of(row.get("number")),
            owner=user_of(row.get("dest"), domain=domain),
            application=name_of(row.get("application")),
            mms=flag_of(row.get("mms-capable")),
            group_mms=flag_of(row.get("group-mms-capable")),
        )


@dataclass(frozen=True, slots=True)
class Session:
    """A conversation as the server keeps it, for one user: a row of ``messagesessions`` or an event about one."""

    id: str
    user: str
    remotes: tuple[str, ...]
    """Everybody else in it: phone numbers of an SMS session, extensions of a chat."""
    sms_number: str
    """Our number in it; empty for a chat."""
    name: str
    group: bool
    kind: Kind
    last_type: str
    last_text: str
    last_sender: str
    last_status: str
    last_raw_at: str
    """The time of its last message as it was written."""
    participants: tuple[str, ...]

    @classmethod
    def of(cls, row: Mapping[str, Any], *, domain: str, user: str) -> Session:
        """From a row with names in either form; ``user`` is whose session it is where the row does not say."""
        owner = user_of(row.get("user"), domain=domain) or user
        sms_number = number_of(pick(row, "messagesession-sms-number", "smsani", "sms-number"))
        last_type = name_of(pick(row, "messagesession-last-type", "last-mesg-type")).lower()
        is_text = bool(sms_number) or last_type in TEXT_TYPES
        participants = pick(row, "messagesession-participants", "participants", "session-participants")
        remote = pick(row, "messagesession-remote", "remote")
        declared = name_of(pick(row, "messagesession-type", "session-type")).lower()
        if is_text:
            members = numbers_of(participants)
            remotes = tuple(n for n in members or numbers_of(remote) if n != sms_number) or numbers_of(remote)
        else:
            members = users_of(participants, domain=domain)
            others = tuple(u for u in members or users_of(remote, domain=domain) if u != owner)
            remotes = others or users_of(remote, domain=domain)
        return cls(
            id=session_of(pick(row, "messagesession-id", "session-id", "id")),
            user=owner,
            remotes=remotes,
            sms_number=sms_number,
            name=name_of(pick(row, "messagesession-name", "session-name")),
            group=len(remotes) > 1 or declared == "group-chat",
            kind="sms" if is_text else "chat",
            last_type=last_type,
            last_text=text_of(pick(row, "messagesession-last-message", "last-mesg")),
            last_sender=name_of(pick(row, "messagesession-last-sender", "last-sender")),
            last_status=name_of(pick(row, "messagesession-last-status", "last-status")).lower(),
            last_raw_at=name_of(
                pick(row, "messagesession-last-datetime", "messagesession-last-timestamp", "last-timestamp")
            ),
            participants=members,
        )


def is_outbound(row: Mapping[str, Any], *, users: Iterable[str], domain: str) -> bool:
    """Whether a stored message went out from our side: ``term`` of SMS; of chats, which have no direction, by whom."""
    direction = name_of(pick(row, "direction", "dir")).lower()
    if direction:
        return direction == "term"
    return user_of(pick(row, "from-user-id", "from-uid"), domain=domain) in set(users)


def send_body(
    *,
    type: str,
    text: str,
    destinations: Sequence[str],
    from_number: str = "",
    media_type: str = "",
    size: int = 0,
) -> dict[str, object]:
    """The body of a send, the same for all six: several recipients are an array, ``size`` is of the decoded file,
    which itself is one more member, ``data``."""
    body: dict[str, object] = {
        "type": type,
        "message": text,
        "destination": destinations[0] if len(destinations) == 1 else list(destinations),
    }
    if from_number:
        body["from-number"] = from_number
    if size:
        body |= {"mime-type": media_type, "size": size}
    return body
