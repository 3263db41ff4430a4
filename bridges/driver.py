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
from typing import Protocol, TypeAlias, TypeVar
from weakref import WeakKeyDictionary

import httpx

from bridges.api import RECEIVED_AT, Credentials, Flow
from bridges.errors import BridgeError, Garbled, Refused, Unauthorized, Unavailable
from bridges.files import DEADLINE

T = TypeVar("T")
Send: TypeAlias = Callable[[httpx.Request], Awaitable[httpx.Response]]
"""Sends one request and returns the answer with its body read. Raises ``httpx.TransportError``."""

Clock: TypeAlias = Callable[[], datetime]

DEADLINE_S = 30.0
BODY_MOST = 1 << 20

_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol, httpx.ProxyError)


class Keeper(Protocol):
    """Keeps credentials for other processes and the next start; raises nothing."""

    async def look(self) -> None:
        """Give the bridge what another process may have renewed meanwhile."""
        ...

    async def keep(self) -> None:
        """Write down what was renewed."""
        ...


_RENEWALS: WeakKeyDictionary[Credentials, asyncio.Task[bool]] = WeakKeyDictionary()
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
    keeper: Keeper | None = None,
) -> T:
    """Run a flow to its result. Raises a ``BridgeError``; ``deadline_s`` bounds each request as a whole, unless it
    asks for more (``bridges.files.DEADLINE``)."""
    wire = _Wire(send, deadline_s=deadline_s, clock=clock, keeper=keeper)
    try:
        request = next(flow)
        while True:
            try:
                response = await wire.exchange(request, auth=auth)
            except BridgeError as error:
                request = flow.throw(error)
            else:
                request = flow.send(response)
    except StopIteration as stop:
        result: T = stop.value
        return result
    finally:
        flow.close()


class _Wire:
    """How requests leave, for one flow."""

    def __init__(self, send: Send, *, deadline_s: float, clock: Clock, keeper: Keeper | None) -> None:
        self._send_it = send
        self._deadline_s = deadline_s
        self._clock = clock
        self._keeper = keeper

    async def exchange(self, request: httpx.Request, *, auth: httpx.Auth | Credentials | None) -> httpx.Response:
        """Send a request with its credentials; where they are refused, once more with others."""
        harmless = _is_harmless(request)
        if auth is None:
            return await self._send(request, harmless=harmless)
        if isinstance(auth, httpx.Auth):
            return await self._with_auth(request, auth)
        if auth.stale(self._clock()):
            await self._renewed(auth, auth.mark)
        used = auth.mark
        response = await self._signed(request, auth, harmless=harmless)
        if not auth.refused(response):
            return response
        fetched = await self._renewed(auth, used)
        used = auth.mark
        response = await self._signed(request, auth, harmless=harmless)
        if not auth.refused(response):
            return response
        # What another process left may be out of date as well; and one that we fetched may have been ended by
        # another process that fetched its own since. What is refused although it is the latest is refused.
        if fetched and self._keeper is not None:
            await self._keeper.look()
        elif not fetched:
            await self._renewed(auth, used)
        return response if auth.mark == used else await self._signed(request, auth, harmless=harmless)

    async def _signed(self, request: httpx.Request, auth: Credentials, *, harmless: bool) -> httpx.Response:
        auth.put_on(request)
        return await self._send(request, harmless=harmless)

    async def _with_auth(self, request: httpx.Request, auth: httpx.Auth) -> httpx.Response:
        steps = auth.auth_flow(request)
        try:
            current = next(steps)
            while True:
                response = await self._send(current, harmless=current is not request or _is_harmless(request))
                try:
                    current = steps.send(response)
                except StopIteration:
                    return response
        finally:
            steps.close()

    async def _renewed(self, auth: Credentials, used: str) -> bool:
        """Return once ``auth`` is another than the ``used`` one, joining a renewal that is under way.

        True: it was fetched from the server; False: somebody else had it.
        """
        if auth.mark != used:
            return False
        task = _RENEWALS.get(auth)
        if task is None:
            task = asyncio.create_task(self._renew(auth, used))
            _RENEWALS[auth] = task
            task.add_done_callback(lambda done: _ended(auth, done))
        # Whoever gives up waiting must not take the new token away from the others.
        return await asyncio.shield(task)

    async def _renew(self, auth: Credentials, used: str) -> bool:
        if self._keeper is not None:
            await self._keeper.look()
            if auth.mark != used and not auth.stale(self._clock()):
                return False
        renewal = drive(auth.renew(self._clock()), send=self._send_it, deadline_s=self._deadline_s, clock=self._clock)
        try:
            await renewal
        except Refused as error:
            raise Unauthorized(f"no new credentials: {error}") from error
        except Garbled as error:
            raise Unavailable(f"no new credentials: {error}") from error
        except Unavailable as error:
            raise Unavailable(f"no new credentials: {error}", retry_after=error.retry_after) from error
        finally:
            if self._keeper is not None:
                await self._keeper.keep()
        return True

    async def _send(self, request: httpx.Request, *, harmless: bool) -> httpx.Response:
        what = f"{request.method} {request.url.host}"
        deadline_s = max(self._deadline_s, request.extensions.get(DEADLINE, 0.0))
        try:
            async with asyncio.timeout(deadline_s):
                response = await self._send_it(request)
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
        response.extensions[RECEIVED_AT] = self._clock()
        return response


def _ended(auth: Credentials, task: asyncio.Task[bool]) -> None:
    if _RENEWALS.get(auth) is task:
        del _RENEWALS[auth]
    if not task.cancelled():
        task.exception()  # whoever waited has it; nobody may be left who did


def _is_harmless(request: httpx.Request) -> bool:
    return request.method == "GET" or bool(request.extensions.get("harmless"))
