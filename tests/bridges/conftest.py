"""What the tests of bridges share: sandboxes over real HTTP on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import socket
from collections.abc import AsyncIterator, Callable, Iterator

import httpx
import pytest
import uvicorn
from hypothesis import settings
from starlette.types import ASGIApp

# Hypothesis imports this while it runs a test. CPython before 3.11.8 can fail to parse a module then, with
# "AST constructor recursion depth mismatch" (https://github.com/python/cpython/issues/106905, 2026-11).
importlib.import_module("hypothesis.internal.conjecture.optimiser")

settings.register_profile("bridges", deadline=None)
settings.load_profile("bridges")


class _Server(uvicorn.Server):
    """Ends at once when told to, instead of looking every tenth of a second."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ended = asyncio.Event()

    async def main_loop(self) -> None:
        await self.on_tick(0)
        await self.ended.wait()
        self.force_exit = True  # nobody waits for an answer any more

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Without the tenth of a second that uvicorn always waits: there are many hundreds of these."""
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

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # Ctrl-C belongs to pytest


@pytest.fixture
async def serve() -> AsyncIterator[Callable[[ASGIApp], str]]:
    """A function that serves an app on a free port of loopback and returns its URL."""
    running: list[tuple[_Server, asyncio.Task[None]]] = []

    def start(app: ASGIApp) -> str:
        # With its protocol named: asyncio sends at once (TCP_NODELAY) only where it knows that it is TCP.
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.bind(("127.0.0.1", 0))
        listener.listen()  # from here on connections wait for the server: nobody has to wait for its start
        server = _Server(uvicorn.Config(app, log_level="critical", lifespan="off", ws="none"))
        running.append((server, asyncio.create_task(server.serve(sockets=[listener]))))
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    yield start
    for server, _ in running:
        server.ended.set()
    for _, task in running:
        await task


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    """A plain client, following no redirects."""
    async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
        yield client
