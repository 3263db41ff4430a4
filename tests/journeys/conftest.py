"""One world for each file, checked after each story."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.journeys.world import World


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """The file's world; its ``CHANGES`` are changes to the configuration."""
    changes = getattr(request.module, "CHANGES", {})
    async with World(tmp_path_factory.mktemp("world"), changes=changes) as world:
        yield world


@pytest_asyncio.fixture(loop_scope="module")
async def world(running: World) -> AsyncIterator[World]:
    """The world, whose log, calls and balance are looked at when the story has ended."""
    yield running
    await running.check()
