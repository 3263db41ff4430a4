"""A provider that does as little as possible: it notes when each message came and answers. A process of its own."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import cast

import uvloop


class Provider(asyncio.Protocol):
    """Enough HTTP/1.1 for a client that sends whole requests with a content length."""

    delay_s = 0.0
    arrived: dict[str, float] = {}  # noqa: RUF012 (one provider in a process)
    number = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._buffer = b""

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while b"\r\n\r\n" in self._buffer:
            head, rest = self._buffer.split(b"\r\n\r\n", 1)
            length = 0
            for line in head.split(b"\r\n")[1:]:
                if line[:15].lower() == b"content-length:":
                    length = int(line[15:])
            if len(rest) < length:
                return
            body, self._buffer = rest[:length], rest[length:]
            self._request(head.split(b" ", 2), body)

    def _request(self, line: list[bytes], body: bytes) -> None:
        cls = type(self)
        path = line[1]
        if path.startswith(b"/messages") or path.startswith(b"/v1/"):
            now = time.monotonic()
            data = json.loads(body)
            texts = [data["text"]] if "text" in data else [m["text"] for m in data["messages"]]
            for text in texts:
                cls.arrived.setdefault(text.rpartition(" ")[2], now)
            cls.number += 1
            if b"/v1/" in path:
                self._later(200, b'{"code":0,"result":{}}')
            else:
                self._later(201, b'{"id":"m%d"}' % cls.number)
        elif path.startswith(b"/count"):
            self._answer(200, json.dumps(len(cls.arrived)).encode())
        elif path.startswith(b"/log"):
            self._answer(200, json.dumps(cls.arrived).encode())
        elif path.startswith(b"/reset"):
            cls.arrived.clear()
            cls.delay_s = float(path.rpartition(b"=")[2])
            self._answer(200, b"{}")
        else:
            self._answer(404, b"{}")

    def _later(self, status: int, body: bytes) -> None:
        if self.delay_s:
            asyncio.get_running_loop().call_later(self.delay_s, self._answer, status, body)
        else:
            self._answer(status, body)

    def _answer(self, status: int, body: bytes) -> None:
        self._transport.write(
            b"HTTP/1.1 %d OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s"
            % (status, len(body), body)
        )


async def main() -> None:
    """Serve until standard input closes; print the port first."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Provider, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    uvloop.run(main())
