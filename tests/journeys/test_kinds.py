"""Every kind of message, towards each provider and from it: what arrives, to the byte where the format is known.

What arrived stands in ``kinds/*.json``, and the README's table of what is carried is made from these files:
``python -m tests.journeys.kinds --write`` after ``PATCHBAY_WRITE_KINDS=1 pytest tests/journeys/test_kinds.py`` has
written them anew; look at the difference before it is committed.
"""

from __future__ import annotations

import json
import os

import pytest

from bridges.netsapiens.sandbox import NetSapiensSandbox
from bridges.openim.sandbox import OpenIMSandbox
from bridges.returning_ai.sandbox import ReturningAiSandbox
from bridges.sandboxes import Sandbox
from tests.journeys import kinds
from tests.journeys.kinds import FROM, PLACES, TOWARDS, Stage
from tests.journeys.world import SECRETS, World

pytestmark = pytest.mark.asyncio(loop_scope="package")

CHANGES: dict[str, dict[str, object]] = {"telegram": {"album_wait": 0.2}}


def sides() -> dict[str, Sandbox]:
    """The accounts beside those that every world has."""
    return {
        "pbx": NetSapiensSandbox(api_key=SECRETS["netsapiens"]),
        "im": OpenIMSandbox(secret=SECRETS["openim"]),
        "rai": ReturningAiSandbox(token=SECRETS["returning_ai"], echoes=True),
    }


async def _stage(world: World, provider: str) -> Stage:
    place = PLACES[provider]
    if provider == "netsapiens":
        side = world.sides["pbx"]
        assert isinstance(side, NetSapiensSandbox)
        side.subscribe(world.hook_url("pbx"))
    chat = world.group()
    asked = f"/route add {place.address} <-> here kinds=text,media,edits,deletes,reactions,joins"
    assert "Route" in await chat.ask(asked)
    stage = Stage(world, chat, place)
    await stage.begin()
    return stage


def _compare(file: str, arrived: dict[str, list[object]]) -> None:
    if os.environ.get("PATCHBAY_WRITE_KINDS"):
        kinds.write(file, arrived)
    expected = kinds.read(file)
    assert list(arrived) == list(expected), file
    for kind, found in arrived.items():
        assert found == expected[kind], f"{file}: {kind}\n{json.dumps(found, indent=1, ensure_ascii=False)}"


@pytest.mark.parametrize("provider", PLACES)
async def test_what_arrives_at_a_provider_is_what_was_said_in_the_chat(world: World, provider: str) -> None:
    stage = await _stage(world, provider)
    arrived = {kind: await stage.towards(tell) for kind, tell in TOWARDS.items()}
    _compare(f"to_{provider}", arrived)


@pytest.mark.parametrize("provider", PLACES)
async def test_what_arrives_in_the_chat_is_what_was_said_at_the_provider(world: World, provider: str) -> None:
    stage = await _stage(world, provider)
    arrived = {kind: await stage.into_chat(tell) for kind, tell in FROM[provider].items()}
    _compare(f"from_{provider}", arrived)
