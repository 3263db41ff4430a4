"""What OpenIM's answers mean: the envelope decides, and the HTTP status only where there is none.

A refusal, a wrong token and a missing permission come with HTTP 200 (tools, apiresp/gin.go), and a body that cannot be
bound comes with 400 and an envelope, so JSON is looked at first whatever the status is.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NoReturn, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from bridges.errors import Garbled, Refused, Unauthorized, Unavailable
from bridges.openim import wire
from bridges.responses import parsed, quoted, raise_for_status, retry_after

W = TypeVar("W", bound=BaseModel)

WRONG_PLACE = "is base_url that of an OpenIM API? Its usual port is 10002"
CLOCK_WORDS = "the server says that the token is not valid yet: the clocks of its machines differ, set them right"
HOOK_WORDS = "a webhook that the operator set before each send may be down (before… in webhooks.yml)"


def envelope_of(response: httpx.Response) -> wire.Envelope | None:
    """The envelope, or None where the answer is none: not from OpenIM itself, or cut."""
    try:
        return parsed(response, wire.Envelope, what="OpenIM")
    except Garbled:
        return None


def code_of(response: httpx.Response) -> int | None:
    """``errCode``; None without an envelope, and where it says 0 under an HTTP status that is no success."""
    envelope = envelope_of(response)
    if envelope is None or (envelope.errCode == 0 and not response.is_success):
        return None
    return envelope.errCode


def check_answer(response: httpx.Response, *, what: str, hide: Iterable[str] = ()) -> object:
    """``data`` of a success; raises the bridge error that anything else means, without the strings to hide."""
    envelope = envelope_of(response)
    if envelope is None:
        detail = WRONG_PLACE if response.status_code == 404 else ""
        _raise_without_envelope(response, what=what, detail=detail)
        raise Garbled(f"{what}: the answer is not of the known shape (errCode); {WRONG_PLACE}")
    if envelope.errCode != 0:
        _raise_for_code(envelope, response=response, what=what, hide=tuple(hide))
    _raise_without_envelope(response, what=what)
    return envelope.data


def data_of(response: httpx.Response, shape: type[W], *, what: str, hide: Iterable[str] = ()) -> W:
    """``data`` of a success in its shape; raises as :func:`check_answer` does, and ``Garbled``."""
    data = check_answer(response, what=what, hide=hide)
    try:
        # Go leaves an object out where all of it is empty.
        return shape.model_validate({} if data is None else data)
    except ValidationError as error:
        fields = ", ".join(sorted({".".join(map(str, ("data", *e["loc"]))) for e in error.errors()}))
        raise Garbled(f"{what}: the answer is not of the known shape ({fields})") from error


def _raise_without_envelope(response: httpx.Response, *, what: str, detail: str = "") -> None:
    """As ``raise_for_status`` does, but a 500 in which OpenIM says nothing of an error leaves open what was done."""
    if response.status_code == 500:
        wait = retry_after(response)
        raise Unavailable(f"{what}: HTTP 500 without a word from OpenIM", retry_after=wait, maybe_sent=True)
    raise_for_status(response, what=what, detail=detail)


def _raise_for_code(envelope: wire.Envelope, *, response: httpx.Response, what: str, hide: tuple[str, ...]) -> NoReturn:
    code = envelope.errCode
    detail = wire.text_of(envelope.errDlt)
    said = " ".join(filter(None, (wire.CODES_REFUSED.get(code, ""), _said(envelope, hide=hide))))
    line = f"{what}: error {code}{said and f': {said}'}"
    if code == wire.CODE_TOKEN_NOT_YET:
        raise Unauthorized(f"{line}; {CLOCK_WORDS}")
    if code in wire.CODES_TOKEN:
        raise Unauthorized(f"{line}; the token is refused, a fresh one too: check secret and admin_user")
    if code == wire.CODE_NO_PERMISSION:
        raise Unauthorized(f"{line}; admin_user must be an admin of share.yml, and secret the one there")
    if code == wire.CODE_INTERNAL:
        if any(words in detail or words in wire.text_of(envelope.errMsg) for words in wire.VALIDATOR_WORDS):
            raise Refused(f"{line}; the server does not take a message of this content")
        raise Unavailable(line)
    if code in wire.CODES_REFUSED or code in wire.CODES_BUSINESS:
        raise Refused(line)
    if code in (wire.CODE_NETWORK, wire.CODE_DATA):
        raise Unavailable(f"{line}; {HOOK_WORDS}")
    raise Unavailable(line, retry_after=retry_after(response))


def _said(envelope: wire.Envelope, *, hide: tuple[str, ...]) -> str:
    """Their words: the detail says more than the name of the error, where there is one."""
    name, detail = quoted(envelope.errMsg, hide=hide), quoted(envelope.errDlt, hide=hide)
    words = f"{name}: {detail}" if name and detail and name not in detail else detail or name
    return f"({words})" if words else ""
