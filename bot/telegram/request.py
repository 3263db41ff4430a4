"""python-telegram-bot's requests, carried by our HTTP client.

Its own client sends some 800 messages a second, this one several thousand (measured), and the cause of a failure
stays visible: ``TimedOut`` and ``NetworkError`` are raised from httpx's exception.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
from telegram._utils.defaultvalue import DefaultValue
from telegram._utils.types import ODVInput
from telegram.error import BadRequest, NetworkError, TelegramError, TimedOut
from telegram.request import BaseRequest, RequestData

from bot.http import HttpClient
from bridges.files import SLOW_BYTES_S

READ_S = 30.0
MARGIN_S = 10.0


class ServerTrouble(Exception):
    """Telegram answered 5xx; ``readable`` says whether the answer was one of the Bot API's own."""

    def __init__(self, status: int, *, readable: bool) -> None:
        super().__init__(f"HTTP {status}")
        self.status = status
        self.readable = readable


class Request(BaseRequest):
    """See the module."""

    def __init__(self, http: HttpClient) -> None:
        self._http = http

    @property
    def read_timeout(self) -> float | None:
        """Seconds to wait for an answer where the call does not say."""
        return READ_S

    @property
    def clock_skew_s(self) -> float | None:
        """How far this machine's clock is ahead of Telegram's, by its latest answer; None: not known."""
        return self._http.clock_skew_s

    async def initialize(self) -> None:
        """Nothing: connections are made when needed."""

    async def shutdown(self) -> None:
        """Close the connections."""
        await self._http.close()

    # Files are not read before: httpx makes a form of them that reads each from disk as it is sent.
    async def do_request(
        self,
        url: str,
        method: str,
        request_data: RequestData | None = None,
        read_timeout: ODVInput[float] = BaseRequest.DEFAULT_NONE,
        write_timeout: ODVInput[float] = BaseRequest.DEFAULT_NONE,
        connect_timeout: ODVInput[float] = BaseRequest.DEFAULT_NONE,
        pool_timeout: ODVInput[float] = BaseRequest.DEFAULT_NONE,
    ) -> tuple[int, bytes]:
        """See ``telegram.request.BaseRequest.do_request``."""
        read_s = READ_S if isinstance(read_timeout, DefaultValue) or read_timeout is None else float(read_timeout)
        data: dict[str, Any] | None = request_data.json_parameters if request_data else None
        files = request_data.multipart_data if request_data else None
        request = httpx.Request(method, url, data=data, files=files or None, extensions={"timeout": {"read": read_s}})
        size = int(request.headers.get("content-length", 0))
        try:
            async with asyncio.timeout(read_s + MARGIN_S + size / SLOW_BYTES_S):
                response = await self._http.send(request)
        except (httpx.TimeoutException, TimeoutError) as error:
            raise TimedOut from error
        except httpx.TransportError as error:
            # The message of httpx's error is not passed on: the URL in it would hold the token.
            raise NetworkError(type(error).__name__) from error
        if response.status_code == httpx.codes.REQUEST_ENTITY_TOO_LARGE:
            raise BadRequest("the upload is larger than Telegram takes")
        if response.status_code >= 500:
            readable = b'"ok"' in response.content[:200]
            trouble = ServerTrouble(response.status_code, readable=readable)
            raise NetworkError(f"Telegram answered HTTP {response.status_code}") from trouble
        # What is no answer of the Bot API is not shown in an error: it may hold what people wrote.
        readable = response.status_code < 300 or response.content.startswith(b"{")
        return response.status_code, response.content if readable else b""

    @staticmethod
    def parse_json_payload(payload: bytes) -> dict[str, Any]:
        """The answer as an object. Raises ``TelegramError``; the library's own would log what it could not read."""
        try:
            answer = json.loads(payload.decode("utf-8", "replace"))
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict) or ("result" not in answer and answer.get("ok") is not False):
            raise TelegramError("Telegram's answer is not of the known shape")
        return answer
