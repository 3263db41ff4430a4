"""What the sandbox demands of the body of a send, which is what the documents say of it and no less."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bridges.netsapiens.sandbox_store import Refusal, SmsNumber

OWN_SESSION = re.compile(r"[A-Za-z0-9_]{32,}")
"""An id that a client may make up for a session."""
FIELDS = frozenset({"type", "message", "destination", "from-number", "data", "mime-type", "size"})
_PHONE = re.compile(r"[0-9]{3,20}")
_MEDIA_TYPE = re.compile(r"[a-z0-9.+-]+/[a-z0-9.+-]+")


@dataclass(frozen=True, slots=True)
class Order:
    """A send that is as documented."""

    type: str
    text: str
    destinations: tuple[str, ...]
    """Extensions, or phone numbers in digits."""
    from_number: str
    """Empty for chats."""
    media: bytes
    media_type: str

    @property
    def sms(self) -> bool:
        """Whether it goes to phones."""
        return self.type in ("sms", "mms")


def read(
    body: Mapping[str, Any],
    *,
    user: str,
    extensions: Collection[str],
    numbers: Sequence[SmsNumber],
    plus: bool,
) -> Order:
    """The body of a send as this extension; ``plus``: numbers are wanted with it. Raises ``Refusal``."""
    type = _type_of(body)
    destination = body["destination"]
    destinations = destination if isinstance(destination, list) else [destination]
    sms = type in ("sms", "mms")
    from_number = ""
    if sms:
        destinations = [_phone(each, field="destination", plus=plus) for each in destinations]
        from_number = _phone(body["from-number"], field="from-number", plus=plus)
        _check_number(from_number, type=type, user=user, numbers=numbers, group=len(destinations) > 1)
    else:
        check_extensions(destinations, extensions=extensions)
    media = _decoded(body) if type in ("mms", "chat-media") else b""
    return Order(type, body["message"], tuple(destinations), from_number, media, body.get("mime-type") or "")


def check_extensions(given: Sequence[str], *, extensions: Collection[str]) -> None:
    """Raise ``Refusal`` with 404 for an extension that is none."""
    for extension in given:
        if extension not in extensions:
            raise Refusal(f"user {extension[:16]} not found", status=404)


def _type_of(body: Mapping[str, Any]) -> str:
    if unknown := sorted(set(body) - FIELDS):
        raise Refusal(f"unknown field {unknown[0][:40]!r}")
    for name in ("type", "message"):
        if not isinstance(body.get(name), str) or not body[name]:
            raise Refusal(f"{name} must be a string that is not empty")
    type: str = body["type"]
    if type not in ("chat", "chat-media", "sms", "mms"):
        raise Refusal("type must be chat, chat-media, sms or mms")
    destination = body.get("destination")
    several = destination if isinstance(destination, list) else [destination]
    if not several or not all(isinstance(each, str) and each for each in several):
        raise Refusal("destination must be a string or an array of strings")
    if len(set(several)) < len(several):
        raise Refusal("destination names somebody twice")
    if type in ("sms", "mms") and not isinstance(body.get("from-number"), str):
        raise Refusal("from-number is required for SMS and MMS")
    if type in ("chat", "chat-media") and body.get("from-number") is not None:
        raise Refusal("from-number is for SMS and MMS")
    if type in ("chat", "sms") and any(body.get(name) is not None for name in ("data", "mime-type", "size")):
        raise Refusal("data, mime-type and size are for chat-media and MMS")
    return type


def _decoded(body: Mapping[str, Any]) -> bytes:
    data, media_type, size = body.get("data"), body.get("mime-type"), body.get("size")
    if not isinstance(data, str) or not data:
        raise Refusal("data must be the file in base64")
    if not isinstance(media_type, str) or not _MEDIA_TYPE.fullmatch(media_type):
        raise Refusal("mime-type must be a media type")
    try:
        decoded = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refusal("data is not base64") from error
    if type(size) is not int or size != len(decoded):
        raise Refusal("size must be the number of bytes of the decoded data")
    return decoded


def _phone(value: str, *, field: str, plus: bool) -> str:
    digits = value.removeprefix("+")
    if value.startswith("+") != plus or not _PHONE.fullmatch(digits):
        raise Refusal(f"invalid {field}")
    return digits


def _check_number(wanted: str, *, type: str, user: str, numbers: Sequence[SmsNumber], group: bool) -> None:
    number = next((each for each in numbers if each.number == wanted), None)
    if number is None or (number.application == "user" and number.dest != user):
        raise Refusal("invalid from-number")
    if type == "mms" and not number.mms:
        raise Refusal("from-number is not MMS capable")
    if type == "mms" and group and not number.group_mms:
        raise Refusal("from-number is not group MMS capable")
