"""What the tests of bridges share: sandboxes over real HTTP on loopback."""

from __future__ import annotations

import asyncio
import importlib
import socket
from collections.abc import AsyncIterator, Callable

import httpx
import pytest
import uvicorn
from hypothesis import settings
from starlette.types import ASGIApp

from bot.playground.hosting import AbruptServer

# Hypothesis imports this while it runs a test. CPython before 3.11.8 can fail to parse a module then, with
# "AST constructor recursion depth mismatch" (https://github.com/python/cpython/issues/106905, 2026-11).
importlib.import_module("hypothesis.internal.conjecture.optimiser")

settings.register_profile("bridges", deadline=None)
settings.load_profile("bridges")


@pytest.fixture
async def serve() -> AsyncIterator[Callable[[ASGIApp], str]]:
    """A function that serves an app on a free port of loopback and returns its URL."""
    running: list[tuple[AbruptServer, asyncio.Task[None]]] = []

    def start(app: ASGIApp) -> str:
        # With its protocol named: asyncio sends at once (TCP_NODELAY) only where it knows that it is TCP.
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.bind(("127.0.0.1", 0))
        listener.listen()  # from here on connections wait for the server: nobody has to wait for its start
        server = AbruptServer(uvicorn.Config(app, log_level="critical", lifespan="off", ws="none"))
        running.append((server, asyncio.create_task(server.serve(sockets=[listener]))))
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    yield start
    for server, _ in running:
        server.leave.set()
    for _, task in running:
        await task


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    """A plain client, following no redirects."""
    async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
        yield client
