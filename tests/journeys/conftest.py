"""One world for each file, checked after each story; and one for the stories that take their time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio

from tests.journeys.world import ANN, Chat, World

DOWN = [f"while it was down {n}" for n in range(5)]


@dataclass(frozen=True, slots=True)
class Patience:
    """Stories begun before all others, because the bot waits half a minute in them; ``test_waiting`` ends them."""

    world: World
    unanswered: tuple[Chat, int]
    """A send that the provider takes no notice of: the bot waits for an answer as long as it waits for any."""
    outage: tuple[Chat, list[int]]
    """Sends to a provider that is down."""
    back: asyncio.Task[list[list[str]]]
    """Brings that provider back when the owners were told; gives the marks that stood on the messages then."""


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def patience(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Patience]:
    async with World(tmp_path_factory.mktemp("patience")) as world:
        void, down = world.group(), world.group()
        world.servers["club"].faults.configure("nothing", remaining=1)
        await world.servers["plain"].down()
        unanswered = void.say("/send club:lobby into the void")
        numbers = [down.say(f"/send plain:room-42 {text}") for text in DOWN]

        async def come_back() -> list[list[str]]:
            await world.private(ANN).hears("plain does not take messages", within_s=60)
            marks = [down.marks(number) for number in numbers]
            await world.servers["plain"].up()
            return marks

        back = asyncio.create_task(come_back())
        yield Patience(world, (void, unanswered), (down, numbers), back)
        back.cancel()


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def running(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, patience: Patience
) -> AsyncIterator[World]:
    """The file's world; its ``CHANGES`` are changes to the configuration, its ``sides()`` further providers."""
    changes = getattr(request.module, "CHANGES", {})
    sides = getattr(request.module, "sides", dict)()
    async with World(tmp_path_factory.mktemp("world"), changes=changes, sides=sides) as world:
        yield world


@pytest_asyncio.fixture(loop_scope="package")
async def world(running: World) -> AsyncIterator[World]:
    """The world, whose log, calls and balance are looked at when the story has ended."""
    yield running
    await running.check()
