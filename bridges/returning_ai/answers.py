"""What an answer of Returning.AI means."""

from __future__ import annotations

from collections.abc import Sequence

import httpx

from bridges.errors import Garbled, Refused, Unauthorized, Unavailable
from bridges.responses import quoted, raise_for_status, retry_after
from bridges.returning_ai import wire


def said_in(reply: wire.Reply | None, *, hide: Sequence[str]) -> str:
    """Returning.AI's own words, fit for one line of ours, without the strings to hide."""
    return quoted(reply.words, hide=hide) if reply is not None else ""


def judge(response: httpx.Response, *, what: str, hide: Sequence[str]) -> wire.Reply:
    """The reply of a success; raises the error that anything else means.

    What a status means is documented for the newest API only ("Get Messages"); a 401 there covers a key that is
    wrong, has expired or lacks a permission.
    """
    reply = wire.reply_of(response.content)
    said = said_in(reply, hide=hide)
    words = f": {said}" if said else ""
    if response.is_success:
        if reply is not None and reply.succeeded:
            return reply
        if reply is None or not reply.refused:
            raise Garbled(f"{what}: the answer is not of the known shape; check base_url and path_prefix")
        if any(sign in said.casefold() for sign in wire.PASSING):
            raise Unavailable(f"{what}: not done{words}", retry_after=retry_after(response))
        raise Refused(f"{what}: not done{words}")
    if response.status_code == 401:
        if "permission" in said.casefold():
            raise Unauthorized(f"{what}: the key lacks a permission, such as sendMessages or getMessages{words}")
        raise Unauthorized(f"{what}: the key is wrong, has expired or lacks the permission (HTTP 401){words}")
    if response.status_code == 403:
        raise Refused(f"{what}: the key may not do this there (HTTP 403){words}")
    if response.status_code == 404 and reply is None:
        raise Refused(f"{what}: there is no such API here (HTTP 404); check base_url and path_prefix")
    raise_for_status(response, what=what, detail=said)
    raise AssertionError("raise_for_status returns on 2xx only")
