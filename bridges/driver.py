"""Run a bridge's flows: the only module under ``bridges`` that awaits.

What a failure means for a request that was on its way (facts: httpx exception tree, 2026-11):

* refused connection, DNS, TLS, connect or pool timeout → surely not sent
* anything after the request began to leave (read or write error, timeout, cut) → may have been sent,
  unless the request is marked ``HARMLESS``, is a GET, or is one of the auth's own (a token fetch): then the flow's
  request has not left yet, or came back refused

Credentials that expire are renewed once for everybody who waits: a thousand sends that meet an expired token make one
request for a new one, and if that fails it fails for all of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TypeAlias, TypeVar
from weakref import WeakKeyDictionary

import httpx

from bridges.api import Credentials, Flow
from bridges.errors import BridgeError, Garbled, Refused, Unauthorized, Unavailable

T = TypeVar("T")
Send: TypeAlias = Callable[[httpx.Request], Awaitable[httpx.Response]]
"""Sends one request and returns the answer with its body read. Raises ``httpx.TransportError``."""

Clock: TypeAlias = Callable[[], datetime]

DEADLINE_S = 30.0
BODY_MOST = 1 << 20

_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol, httpx.ProxyError)


_RENEWALS: WeakKeyDictionary[Credentials, asyncio.Task[None]] = WeakKeyDictionary()
"""Renewals under way."""


def utc_now() -> datetime:
    """The machine's time, aware."""
    return datetime.now(UTC)


async def drive(
    flow: Flow[T],
    *,
    send: Send,
    auth: httpx.Auth | Credentials | None = None,
    deadline_s: float = DEADLINE_S,
    clock: Clock = utc_now,
) -> T:
    """Run a flow to its result. Raises a ``BridgeError``; ``deadline_s`` bounds each request as a whole."""
    try:
        request = next(flow)
        while True:
            try:
                response = await _exchange(request, send=send, auth=auth, deadline_s=deadline_s, clock=clock)
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
    request: httpx.Request,
    *,
    send: Send,
    auth: httpx.Auth | Credentials | None,
    deadline_s: float,
    clock: Clock,
) -> httpx.Response:
    harmless = _is_harmless(request)
    if auth is None:
        return await _send(request, send=send, deadline_s=deadline_s, harmless=harmless)
    if isinstance(auth, httpx.Auth):
        return await _with_auth(request, auth, send=send, deadline_s=deadline_s)
    if auth.stale(clock()):
        await _renewed(auth, auth.mark, send=send, deadline_s=deadline_s, clock=clock)
    used = auth.mark
    auth.put_on(request)
    response = await _send(request, send=send, deadline_s=deadline_s, harmless=harmless)
    if not auth.refused(response):
        return response
    await _renewed(auth, used, send=send, deadline_s=deadline_s, clock=clock)
    auth.put_on(request)
    return await _send(request, send=send, deadline_s=deadline_s, harmless=harmless)


async def _with_auth(request: httpx.Request, auth: httpx.Auth, *, send: Send, deadline_s: float) -> httpx.Response:
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


async def _renewed(auth: Credentials, used: str, *, send: Send, deadline_s: float, clock: Clock) -> None:
    """Return once ``auth`` is another than the ``used`` one; join a renewal that is under way."""
    if auth.mark != used:
        return
    task = _RENEWALS.get(auth)
    if task is None:
        task = asyncio.create_task(_renew(auth, send=send, deadline_s=deadline_s, clock=clock))
        _RENEWALS[auth] = task
        task.add_done_callback(lambda done: _ended(auth, done))
    # Whoever gives up waiting must not take the new token away from the others.
    await asyncio.shield(task)


def _ended(auth: Credentials, task: asyncio.Task[None]) -> None:
    if _RENEWALS.get(auth) is task:
        del _RENEWALS[auth]
    if not task.cancelled():
        task.exception()  # whoever waited has it; nobody may be left who did


async def _renew(auth: Credentials, *, send: Send, deadline_s: float, clock: Clock) -> None:
    try:
        await drive(auth.renew(clock()), send=send, deadline_s=deadline_s, clock=clock)
    except Refused as error:
        raise Unauthorized(f"no new credentials: {error}") from error
    except Garbled as error:
        raise Unavailable(f"no new credentials: {error}") from error
    except Unavailable as error:
        raise Unavailable(f"no new credentials: {error}", retry_after=error.retry_after) from error


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
