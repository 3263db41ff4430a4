"""A world with some people in it, served over real HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from bot.playground.emulator import Emulator
from bot.playground.hosting import LoopbackServer
from tests.playground.bot_api_schema import API, check_answer, check_calls

ANN, BEN, CARA = 1001, 1002, 1003
GROUP, FORUM, SMALL, CHANNEL = -1001000000001, -1001000000002, -501, -1001000000003


class Clock:
    """Time that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1_790_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def emulator(clock: Clock) -> AsyncIterator[Emulator]:
    made = Emulator(clock=clock, webhook_delay=lambda failures, retry_after: 0.0)
    made.add_user(ANN, "Ann", "ann_smith", last_name="Smith")
    made.add_user(BEN, "Ben")
    made.add_user(CARA, "Cara")
    bot = made.bot.id
    made.add_group(GROUP, "Team", [BEN], [ANN])
    made.add_group(FORUM, "Desk", [BEN], [ANN, bot], is_forum=True)
    made.add_group(SMALL, "Few", [BEN], [ANN], type="group")
    made.add_channel(CHANNEL, "News", [ANN])
    yield made
    await made.aclose()
    if API.is_file():
        # Requests that were refused are wrong on purpose here.
        check_calls(call for call in made.calls if call.status == 200)
        for call in made.calls:
            if call.status:
                check_answer(call)


@pytest.fixture
async def server(emulator: Emulator) -> AsyncIterator[LoopbackServer]:
    async with LoopbackServer(emulator.app) as running:
        yield running


class RawClient:
    """A bot that is nothing but HTTP requests."""

    def __init__(self, http: httpx.AsyncClient, base: str) -> None:
        self.http = http
        self.base = base

    async def ask(self, method: str, **params: object) -> httpx.Response:
        return await self.http.post(f"{self.base}/{method}", json=params)

    async def call(self, method: str, **params: object) -> object:
        answer = (await self.ask(method, **params)).json()
        assert answer["ok"], answer
        return answer["result"]

    async def fails(self, method: str, **params: object) -> tuple[int, str]:
        response = await self.ask(method, **params)
        answer = response.json()
        assert not answer["ok"], answer
        assert response.status_code == answer["error_code"]
        return answer["error_code"], answer["description"]

    async def updates(self, **params: object) -> list[dict[str, object]]:
        found = await self.call("getUpdates", **params)
        assert isinstance(found, list)
        return found


@pytest.fixture
async def raw(emulator: Emulator, server: LoopbackServer) -> AsyncIterator[RawClient]:
    async with httpx.AsyncClient(timeout=30, trust_env=False) as http:
        yield RawClient(http, f"{server.url}/bot{emulator.bot.token}")


async def polled(emulator: Emulator, count: int = 1) -> None:
    """Wait until a bot has begun to poll."""
    while sum(call.method.lower() == "getupdates" for call in emulator.calls) < count:  # noqa: ASYNC110
        await asyncio.sleep(0)
