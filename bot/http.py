"""The HTTP client behind every bridge and behind Telegram: httpx's requests and responses, carried by aiohttp.

httpx describes a request and an answer well, and its own pool gets slower with every request under way; aiohttp
carries them ten times faster (measured). The exceptions raised are httpx's, so that the driver can tell *surely not
sent* from *may have been sent*. The ready-made bridge between the two libraries is not used because it reports a
connection cut after the request as a connect timeout, which would turn an unknown outcome into a duplicate.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC
from email.utils import parsedate_to_datetime

import aiohttp
import httpx

from bot.files import Folder
from bridges.api import File
from bridges.files import ASIDE

BODY_MOST = 1 << 20
KEEP_ALIVE_S = 4.0
"""Shorter than the five seconds after which many servers close an idle connection: a request that meets a closing
connection would have an unknown outcome."""
_SET_BY_AIOHTTP = ("host", "content-length", "transfer-encoding")
TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=10.0, sock_read=30.0)


class HttpClient:
    """One pool of connections. Never follows redirects, keeps no cookies, reads at most ``body_most`` bytes.

    With a ``folder``, what comes in answer to a request for a file lies there (``bridges.files.FETCHING``).
    """

    def __init__(
        self,
        *,
        connections: int = 256,
        body_most: int = BODY_MOST,
        folder: Folder | None = None,
        connector: Callable[[], aiohttp.BaseConnector] | None = None,
    ) -> None:
        self._connections = connections
        self._body_most = body_most
        self._folder = folder
        self._connector = connector
        self._session: aiohttp.ClientSession | None = None
        self._dated: tuple[str, float] | None = None

    @property
    def clock_skew_s(self) -> float | None:
        """Seconds that this machine's clock is ahead of the server's, by the ``Date`` of its latest answer."""
        if self._dated is None:
            return None
        date, at = self._dated
        try:
            theirs = parsedate_to_datetime(date)
        except (TypeError, ValueError):
            return None
        return at - (theirs if theirs.tzinfo else theirs.replace(tzinfo=UTC)).timestamp()

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=self._connector() if self._connector else self._usual_connector(),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                timeout=TIMEOUT,
                skip_auto_headers=("User-Agent",),
            )
        return self._session

    def _usual_connector(self) -> aiohttp.BaseConnector:
        return aiohttp.TCPConnector(limit=self._connections, keepalive_timeout=KEEP_ALIVE_S)

    async def send(self, request: httpx.Request) -> httpx.Response:
        """Send a request; the answer's body is read. Raises ``httpx.TransportError``, and for files ``NotFetched`` or
        ``OSError``."""
        headers = request.headers
        headers["accept-encoding"] = "identity"
        body = _body_of(request)
        # aiohttp sets these itself, from the URL and from a body that is in memory.
        own = ("host", "transfer-encoding") if isinstance(body, AsyncIterable) else _SET_BY_AIOHTTP
        sent = [(k, v) for k, v in headers.multi_items() if k not in own]
        with _as_httpx_errors(request):
            async with self._open().request(
                request.method,
                str(request.url),
                headers=sent,
                data=body,
                allow_redirects=False,
                timeout=_timeout(request),
            ) as answer:
                body, extensions = b"", dict[str, object]()
                if self._folder is not None and ASIDE in request.extensions and answer.status < 300:
                    extensions[ASIDE] = await self._put_aside(answer, self._folder)
                else:
                    body = await self._read(answer)
                if (date := answer.headers.get("date")) is not None:
                    self._dated = date, time.time()
                return httpx.Response(
                    answer.status,
                    headers=[(k, v) for k, v in answer.raw_headers if k.lower() != b"content-encoding"],
                    content=body,
                    request=request,
                    extensions=extensions,
                )

    async def _put_aside(self, answer: aiohttp.ClientResponse, folder: Folder) -> File:
        with folder.begin() as incoming:
            incoming.expect(answer.content_length or 0)
            async for chunk in self._pieces(answer, most=folder.most):
                incoming.write(chunk)
            return incoming.finish()

    async def _read(self, answer: aiohttp.ClientResponse) -> bytes:
        chunks: list[bytes] = []
        size = 0
        async for chunk in self._pieces(answer, most=self._body_most):
            size += len(chunk)
            if size > self._body_most:
                raise httpx.DecodingError(f"the answer is larger than {self._body_most} bytes")
            chunks.append(chunk)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def _pieces(self, answer: aiohttp.ClientResponse, *, most: int) -> AsyncIterator[bytes]:
        """The body as it was before it was compressed; of what is over ``most`` bytes only the beginning."""
        encoding = answer.headers.get("content-encoding", "identity").lower()
        if encoding == "identity":
            inflate = None
        elif encoding in ("gzip", "deflate"):
            inflate = zlib.decompressobj(zlib.MAX_WBITS | 32)
        else:
            raise httpx.DecodingError(f"the answer is encoded as {encoding!r}, which was not asked for")
        size = 0
        async for chunk in answer.content.iter_chunked(65536):
            if inflate is not None:
                try:
                    chunk = inflate.decompress(chunk, most + 1 - size)
                except zlib.error as error:
                    raise httpx.DecodingError("the answer's compression is broken") from error
            size += len(chunk)
            yield chunk
            if size > most:
                return

    async def close(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None


def _body_of(request: httpx.Request) -> bytes | AsyncIterable[bytes] | None:
    """The body where it is in memory; else in pieces, as it is sent."""
    try:
        return request.content or None
    except httpx.RequestNotRead:
        stream = request.stream
    return stream if isinstance(stream, AsyncIterable) else _in_turn(stream)


async def _in_turn(stream: Iterable[bytes]) -> AsyncIterator[bytes]:
    for piece in stream:
        yield piece


def _timeout(request: httpx.Request) -> aiohttp.ClientTimeout:
    """The request's own read timeout where it has one (httpx's ``timeout`` extension), else ours."""
    given = request.extensions.get("timeout")
    if not given or given.get("read") is None:
        return TIMEOUT
    return aiohttp.ClientTimeout(total=None, sock_connect=TIMEOUT.sock_connect, sock_read=given["read"])


@contextmanager
def _as_httpx_errors(request: httpx.Request) -> Iterator[None]:
    try:
        yield
    except aiohttp.ConnectionTimeoutError as error:
        raise httpx.ConnectTimeout("the connection was not made in time", request=request) from error
    except aiohttp.ClientConnectorError as error:
        raise httpx.ConnectError("the connection was refused or could not be made", request=request) from error
    except TimeoutError as error:
        raise httpx.ReadTimeout("no answer in time", request=request) from error
    except aiohttp.InvalidURL as error:
        raise httpx.UnsupportedProtocol("the address is not valid", request=request) from error
    except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError) as error:
        raise httpx.ReadError("the connection was cut", request=request) from error
    except (aiohttp.ClientError, ValueError) as error:
        raise httpx.RemoteProtocolError(f"not HTTP ({type(error).__name__})", request=request) from error
