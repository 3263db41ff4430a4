"""A provider that fails in every way there is: raw HTTP on loopback, byte by byte as told."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TypeAlias

Answer: TypeAlias = Callable[["Exchange"], Awaitable[None]]
MIB = 1 << 20


@dataclass
class Request:
    """What the server was asked."""

    method: str
    path: str
    body: bytes = field(repr=False)


@dataclass
class Exchange:
    """One connection, after a request was read (or before, for those that do not read it)."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        """Write, and wait until the other side has taken most of it."""
        self.writer.write(data)
        await self.writer.drain()


class FaultServer:
    """Answers each request as ``answer`` says, and remembers it."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.answer: Answer = answered(200, {"code": 0, "result": {}})
        self.url = ""
        self._open: set[asyncio.Task[None]] = set()

    def methods(self, ending: str = "") -> list[str]:
        """The methods of the requests whose path ends like this."""
        return [request.method for request in self.requests if request.path.endswith(ending)]

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[FaultServer]:
        """Listen until the end of the block; then what is open is cut."""
        server = await asyncio.start_server(self._take, "127.0.0.1", 0, limit=4 * MIB)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            server.close()
            for task in list(self._open):
                task.cancel()
            await asyncio.gather(*self._open, return_exceptions=True)
            await server.wait_closed()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        exchange = Exchange(reader, writer)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                self.requests.append(await _read(reader))
                await self.answer(exchange)
        finally:
            self._open.discard(task)
            writer.close()
            with suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()


async def _read(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, path, _ = head[0].split(" ", 2)
    length = next((int(line.split(":")[1]) for line in head if line.lower().startswith("content-length:")), 0)
    return Request(method, path, await reader.readexactly(length))


def _head(status: int, headers: Mapping[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} Whatever", "Connection: close", *(f"{k}: {v}" for k, v in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode()


# --- Answers


def answered(status: int, body: object = None, headers: Mapping[str, str] | None = None) -> Answer:
    """A whole answer; a body that is no bytes goes as JSON."""
    data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    kind = {} if isinstance(body, bytes) else {"Content-Type": "application/json"}

    async def answer(exchange: Exchange) -> None:
        await exchange.send(_head(status, {"Content-Length": str(len(data)), **kind, **(headers or {})}) + data)

    return answer


async def silent(exchange: Exchange) -> None:
    """Nothing at all, until the client has had enough."""
    await exchange.reader.read()


async def cut(exchange: Exchange) -> None:
    """A reset in place of an answer."""
    exchange.writer.transport.abort()


async def half(exchange: Exchange) -> None:
    """The beginning of a success, then a reset."""
    await exchange.send(_head(200, {"Content-Length": "100"}) + b'{"code": 0')
    exchange.writer.transport.abort()


def dribbling(pause_s: float) -> Answer:
    """A success, one byte at a time: every read gets something, the whole never comes."""

    async def answer(exchange: Exchange) -> None:
        await exchange.send(_head(200, {"Content-Length": "100000"}))
        while True:
            await exchange.send(b" ")
            await asyncio.sleep(pause_s)

    return answer


def endless_head(pause_s: float) -> Answer:
    """Header after header, and never a body."""

    async def answer(exchange: Exchange) -> None:
        await exchange.send(b"HTTP/1.1 200 OK\r\n")
        for number in range(1_000_000):
            await exchange.send(f"X-More-{number}: {number}\r\n".encode())
            await asyncio.sleep(pause_s)

    return answer


async def fifty_megabytes(exchange: Exchange) -> None:
    """More than anybody wants to read."""
    await exchange.send(_head(200, {"Content-Length": str(50 * MIB)}))
    for _ in range(50):
        await exchange.send(b" " * MIB)


def bomb(size: int) -> Answer:
    """A small gzip that grows to ``size`` bytes; nobody asked for gzip."""
    packer = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    zeros = bytes(MIB)
    data = b"".join(packer.compress(zeros) for _ in range(size // MIB)) + packer.flush()
    return answered(200, data, {"Content-Encoding": "gzip", "Content-Type": "application/json"})


def packed(body: object) -> Answer:
    """An honest gzip."""
    return answered(200, gzip.compress(json.dumps(body).encode()), {"Content-Encoding": "gzip"})
