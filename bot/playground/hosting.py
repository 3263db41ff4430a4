"""Serving an ASGI app on loopback inside the running event loop, with a switch for "the provider is down"."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import socket
from collections.abc import Iterator
from email.utils import formatdate
from typing import Self

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class _Quiet(logging.Filter):
    """Leaves out what is done on purpose: responses cut by the fault switch, requests cut by going down."""

    def filter(self, record: logging.LogRecord) -> bool:
        cancelled = record.exc_info and record.exc_info[0] is asyncio.CancelledError
        return not cancelled and "without completing response" not in record.getMessage()


class AbruptServer(uvicorn.Server):
    """uvicorn without its signal handlers, which belong to the process, and without its polite goodbye."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.leave = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def main_loop(self) -> None:
        counter = 0
        while not self.leave.is_set():
            await self.on_tick(counter)
            counter = (counter + 1) % 864_000
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.1):
                    await self.leave.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Cut off what is open: a provider that goes down does not wait for anybody."""
        for server in self.servers:
            server.close()
        for listener in sockets or ():
            listener.close()
        for connection in list(self.server_state.connections):
            transport = getattr(connection, "transport", None)
            if transport is not None:
                transport.abort()
        tasks = list(self.server_state.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.lifespan.shutdown()


_QUIET = _Quiet()


def dated(app: ASGIApp) -> ASGIApp:
    """Put a Date on answers that have none. An app may have a time of its own, and uvicorn would add another."""

    async def served(scope: Scope, receive: Receive, send: Send) -> None:
        async def with_date(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", ()))
                if not any(name.lower() == b"date" for name, _ in headers):
                    headers.append((b"date", formatdate(usegmt=True).encode()))
                message["headers"] = headers
            await send(message)

        await app(scope, receive, with_date if scope["type"] == "http" else send)

    return served


class LoopbackServer:
    """One app on one port of this machine.

    ``port=0`` picks a free one at the first start and keeps it. ``down()`` stops listening and closes what is open,
    so that connections are refused; ``up()`` listens on the same port again. ``lifespan`` tells the app of start and
    stop, which an app that is put up and down should rather not need. Not to be reached from outside.
    """

    def __init__(self, app: ASGIApp, *, port: int = 0, host: str = "127.0.0.1", lifespan: bool = False) -> None:
        if not ipaddress.ip_address(host).is_loopback:
            raise ValueError(f"{host} is no loopback address: the playground is for this machine only")
        self._app = app
        self._host = host
        self._port = port
        self._lifespan = lifespan
        self._server: AbruptServer | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The port, once started."""
        if not self._port:
            raise RuntimeError("not started")
        return self._port

    @property
    def url(self) -> str:
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self.port}"

    @property
    def listening(self) -> bool:
        return self._server is not None

    async def start(self) -> None:
        """Listen; returns when connections are taken. OSError if the port is in use."""
        if self._server is not None:
            return
        listener = self._bind()
        config = uvicorn.Config(
            dated(self._app),
            access_log=False,
            log_config=None,
            lifespan="on" if self._lifespan else "off",
            timeout_keep_alive=75,
            ws="none",
            date_header=False,
        )
        logging.getLogger("uvicorn.error").addFilter(_QUIET)
        server = AbruptServer(config)
        self._server = server
        self._task = asyncio.get_running_loop().create_task(server.serve(sockets=[listener]))
        while not server.started:
            if self._task.done():
                self._server = None
                await self._task
                raise OSError(f"nothing listens on {self.url}")
            await asyncio.sleep(0.001)

    def _bind(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        # With the protocol named, asyncio sets TCP_NODELAY on what is accepted; else every answer takes 40 ms.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((self._host, self._port))
        except OSError:
            listener.close()
            raise
        self._port = listener.getsockname()[1]
        return listener

    async def stop(self) -> None:
        """Stop listening, close open connections, end what still runs."""
        server, task = self._server, self._task
        self._server = self._task = None
        if server is None or task is None:
            return
        server.leave.set()
        await task

    async def down(self) -> None:
        """Go away: connections are refused, open ones are cut."""
        await self.stop()

    async def up(self) -> None:
        """Come back on the same port."""
        await self.start()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()
