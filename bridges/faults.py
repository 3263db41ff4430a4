"""Making a server misbehave on demand: a wrapper around any ASGI app.

Sandboxes of providers and the Telegram emulator stand behind it, so that one can watch how a bot takes every kind of
failure. It works on the HTTP side alone and knows nothing of the app inside.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from enum import StrEnum
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

Answer = tuple[dict[str, str], bytes]


class Mode(StrEnum):
    """What happens to a request."""

    OK = "ok"  #: nothing special
    SLOW = "slow"  #: the app answers after ``delay_s``
    SERVER_ERROR = "server_error"  #: 500, the app never sees it
    TOO_MANY = "too_many"  #: 429 with Retry-After, the app never sees it
    NONSENSE = "nonsense"  #: 200 with bytes of no known shape, the app never sees it
    NOTHING = "nothing"  #: no answer until the client gives up, the app never sees it
    CUT = "cut"  #: the app does its work, the connection breaks before its answer is complete
    CUT_BEFORE = "cut_before"  #: the connection breaks, the app never sees the request


#: How long ``nothing`` holds on to a client that does not give up.
NOTHING_S = 35.0
DELAY_MOST_S = 60.0
RETRY_AFTER_MOST_S = 3600
REMAINING_MOST = 1_000_000


def _json_too_many(retry_after_s: int) -> Answer:
    body = json.dumps({"error": "too many requests", "retry_after": retry_after_s}).encode()
    return {"content-type": "application/json", "retry-after": str(retry_after_s)}, body


def _json_server_error() -> Answer:
    return {"content-type": "application/json"}, b'{"error": "internal server error"}'


def check_parameters(
    *, delay_s: float | None = None, retry_after_s: int | None = None, remaining: int | None = None
) -> None:
    """Raise ``ValueError`` unless those that are given are numbers within their bounds."""
    # NaN is beside every comparison, so the good ones are asked for.
    if delay_s is not None and not 0 <= delay_s <= DELAY_MOST_S:
        raise ValueError(f"delay_s must be a number of seconds from 0 to {DELAY_MOST_S:.0f}")
    if retry_after_s is not None and not _is_whole(retry_after_s, least=0, most=RETRY_AFTER_MOST_S):
        raise ValueError(f"retry_after_s must be a whole number of seconds from 0 to {RETRY_AFTER_MOST_S}")
    if remaining is not None and not _is_whole(remaining, least=1, most=REMAINING_MOST):
        raise ValueError(f"remaining must be a whole number of requests from 1 to {REMAINING_MOST}")


def _is_whole(value: float, *, least: int, most: int) -> bool:
    return least <= value <= most and value == int(value)


class Faults:
    """An ASGI app that passes requests on, or fails as ``mode`` says.

    ``applies`` picks the requests it touches (all, unless told otherwise) and may be changed at any time. With
    ``remaining`` set the fault hits that many requests and ``mode`` is then ``ok`` again. ``too_many`` and
    ``server_error`` make answers of the provider's own shape. ``hits`` counts the requests that were touched.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        applies: Callable[[Scope], bool] | None = None,
        too_many: Callable[[int], Answer] = _json_too_many,
        server_error: Callable[[], Answer] = _json_server_error,
    ) -> None:
        self._app = app
        self.applies = applies
        self._too_many = too_many
        self._server_error = server_error
        self._mode = Mode.OK
        self.delay_s = 2.0
        self.retry_after_s = 3
        self.remaining: int | None = None
        self.hits = 0

    @property
    def mode(self) -> Mode:
        return self._mode

    @mode.setter
    def mode(self, value: Mode | str) -> None:
        self._mode = Mode(value)
        self.remaining = None

    def configure(
        self,
        mode: Mode | str,
        *,
        delay_s: float | None = None,
        retry_after_s: int | None = None,
        remaining: int | None = None,
    ) -> None:
        """Set the mode and its parameters at once; what is not given stays, except that ``remaining`` is reset.

        ``ValueError`` for an unknown mode, and as :func:`check_parameters` says.
        """
        check_parameters(delay_s=delay_s, retry_after_s=retry_after_s, remaining=remaining)
        self.mode = mode
        self.remaining = None if remaining is None else int(remaining)
        if delay_s is not None:
            self.delay_s = float(delay_s)
        if retry_after_s is not None:
            self.retry_after_s = int(retry_after_s)

    def to_json(self) -> dict[str, Any]:
        """The state of the switch, for a page."""
        return {
            "mode": self._mode.value,
            "delay_s": self.delay_s,
            "retry_after_s": self.retry_after_s,
            "remaining": self.remaining,
            "hits": self.hits,
        }

    def _take(self, scope: Scope) -> Mode:
        if scope["type"] != "http" or self._mode is Mode.OK:
            return Mode.OK
        if self.applies is not None and not self.applies(scope):
            return Mode.OK
        mode = self._mode
        self.hits += 1
        if self.remaining is not None:
            self.remaining -= 1
            if self.remaining <= 0:
                self.mode = Mode.OK
        return mode

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        match self._take(scope):
            case Mode.OK:
                await self._app(scope, receive, send)
            case Mode.SLOW:
                await asyncio.sleep(self.delay_s)
                await self._app(scope, receive, send)
            case Mode.SERVER_ERROR:
                await self._refuse(receive, send, 500, self._server_error())
            case Mode.TOO_MANY:
                await self._refuse(receive, send, 429, self._too_many(self.retry_after_s))
            case Mode.NONSENSE:
                body = b"<html><body>It works!</body></html>"
                await self._refuse(receive, send, 200, ({"content-type": "text/html"}, body))
            case Mode.NOTHING:
                await self._nothing(receive, send)
            case Mode.CUT:
                await self._app(scope, receive, _swallow)
                await _cut(send)
            case Mode.CUT_BEFORE:
                # Read what the client sends, lest it sees its own request refused instead of a lost answer.
                await _drain(receive)
                await _cut(send)

    async def _refuse(self, receive: Receive, send: Send, status: int, answer: Answer) -> None:
        await _drain(receive)
        headers, body = answer
        encoded = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        encoded.append((b"content-length", str(len(body)).encode()))
        await send({"type": "http.response.start", "status": status, "headers": encoded})
        await send({"type": "http.response.body", "body": body})

    async def _nothing(self, receive: Receive, send: Send) -> None:
        try:
            async with asyncio.timeout(NOTHING_S):
                while (await receive())["type"] != "http.disconnect":
                    pass
        except TimeoutError:
            await _cut(send)


async def _swallow(_: Message) -> None:
    """The app's answer goes nowhere."""


async def _drain(receive: Receive) -> None:
    while True:
        message = await receive()
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            return


async def _cut(send: Send) -> None:
    """Promise a body and leave: the server closes the connection, the client is left with an incomplete answer.

    uvicorn closes the transport when an app returns after a start without the promised body.
    """
    headers = [(b"content-type", b"application/json"), (b"content-length", b"1000")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
