"""Run a bridge's flows: the only module under ``bridges`` that awaits.

What a failure means for a request that was on its way (facts: httpx exception tree, 2026-11):

* refused connection, DNS, TLS, connect or pool timeout → surely not sent
* anything after the request began to leave (read or write error, timeout, cut) → may have been sent,
  unless the request is marked ``HARMLESS``, is a GET, or is one of the auth's own (a token fetch): then the flow's
  request has not left yet, or came back refused
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias, TypeVar

import httpx

from bridges.api import Flow
from bridges.errors import BridgeError, Garbled, Refused, Unavailable

T = TypeVar("T")
Send: TypeAlias = Callable[[httpx.Request], Awaitable[httpx.Response]]
"""Sends one request and returns the answer with its body read. Raises ``httpx.TransportError``."""

DEADLINE_S = 30.0
BODY_MOST = 1 << 20

_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol, httpx.ProxyError)


async def drive(flow: Flow[T], *, send: Send, auth: httpx.Auth | None = None, deadline_s: float = DEADLINE_S) -> T:
    """Run a flow to its result. Raises a ``BridgeError``; ``deadline_s`` bounds each request as a whole."""
    try:
        request = next(flow)
        while True:
            try:
                response = await _exchange(request, send=send, auth=auth, deadline_s=deadline_s)
            except BridgeError as error:
                request = flow.throw(error)
            else:
                request = flow.send(response)
    except StopIteration as stop:
        result: T = stop.value
        return result
    finally:
        flow.close()


async def _exchange(
    request: httpx.Request, *, send: Send, auth: httpx.Auth | None, deadline_s: float
) -> httpx.Response:
    if auth is None:
        return await _send(request, send=send, deadline_s=deadline_s, harmless=_is_harmless(request))
    steps = auth.auth_flow(request)
    try:
        current = next(steps)
        while True:
            harmless = current is not request or _is_harmless(request)
            response = await _send(current, send=send, deadline_s=deadline_s, harmless=harmless)
            try:
                current = steps.send(response)
            except StopIteration:
                return response
    finally:
        steps.close()


def _is_harmless(request: httpx.Request) -> bool:
    return request.method == "GET" or bool(request.extensions.get("harmless"))


async def _send(request: httpx.Request, *, send: Send, deadline_s: float, harmless: bool) -> httpx.Response:
    what = f"{request.method} {request.url.host}"
    try:
        async with asyncio.timeout(deadline_s):
            return await send(request)
    except _NOT_SENT as error:
        raise Unavailable(f"{what}: cannot connect ({type(error).__name__})") from error
    except TimeoutError as error:
        raise Unavailable(f"{what}: no answer within {deadline_s:g} s", maybe_sent=not harmless) from error
    except httpx.DecodingError as error:
        raise Garbled(f"{what}: the answer could not be read") from error
    except httpx.TransportError as error:
        kind = type(error).__name__
        raise Unavailable(f"{what}: the connection broke ({kind})", maybe_sent=not harmless) from error
    except httpx.InvalidURL as error:
        raise Refused(f"{what}: the address is not valid") from error
