"""``patchbay check``: all four providers, and in words what is wrong with each."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
import uvicorn
from starlette.types import ASGIApp

from bridges.netsapiens.sandbox import NetSapiensSandbox
from bridges.openim.sandbox import OpenIMSandbox
from bridges.returning_ai.sandbox import ReturningAiSandbox
from bridges.sandboxes import Sandbox, utc_now
from tests.journeys.world import SECRETS, World

pytestmark = pytest.mark.asyncio(loop_scope="package")


@asynccontextmanager
async def served_in_the_past(app: ASGIApp, *, by: timedelta) -> AsyncIterator[str]:
    """An application on a machine whose clock is behind; gives its URL."""
    listener = socket.create_server(("127.0.0.1", 0))
    date = (utc_now() - by).strftime("%a, %d %b %Y %H:%M:%S GMT")
    config = uvicorn.Config(
        app, log_config=None, lifespan="off", ws="none", date_header=False, headers=[("date", date)]
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server._serve(sockets=[listener]))
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving


def sides() -> dict[str, Sandbox]:
    """The accounts beside those that every world has."""
    return {
        "pbx": NetSapiensSandbox(api_key=SECRETS["netsapiens"]),
        "im": OpenIMSandbox(secret=SECRETS["openim"]),
        "rai": ReturningAiSandbox(token=SECRETS["returning_ai"]),
    }


async def rows(world: World, **changes: dict[str, object]) -> tuple[int, dict[str, str]]:
    """Exit code and lines of ``check`` by account, with a configuration that was changed for it."""
    path = world.config.with_name("changed.toml")
    kept = world.config.read_text()
    try:
        world.configure(**{f"accounts__{name}": change for name, change in changes.items()})
        path.write_text(world.config.read_text())
    finally:
        world.config.write_text(kept)
    done = await world.patchbay("check", config=path)
    lines = [line for line in done.out.splitlines() if line.startswith("account ")]
    return done.code, {line.split()[1]: line for line in lines}


async def test_all_that_is_well_is_said_and_nothing_is_sent(world: World) -> None:
    _, lines = await rows(world)
    for name in ("support", "pbx", "im", "rai", "telegram"):
        assert " ok " in lines[name], lines[name]
    assert [side.accepted for side in world.sides.values()] == [[], [], []]


async def test_a_clock_that_is_off_is_said_with_the_server_it_differs_from(world: World) -> None:
    async with served_in_the_past(world.sides["rai"].app, by=timedelta(minutes=10)) as url:
        code, lines = await rows(world, rai={"base_url": url})
    assert code == 1
    assert "WRONG" in lines["rai"] and "clock" in lines["rai"] and "10 min ahead" in lines["rai"], lines["rai"]
    assert "ahead" not in lines["im"]


WRONG: dict[str, tuple[str, dict[str, object], list[str]]] = {
    "CINNOX, wrong token": ("support", {"token": "wrong-token"}, ["401"]),
    "NetSapiens, wrong key": ("pbx", {"api_key": "nss_wrong"}, ["key"]),
    "NetSapiens, wrong domain": ("pbx", {"domain": "other.example"}, ["domain", "other.example"]),
    "NetSapiens, wrong extension": ("pbx", {"user": "9999"}, ["9999"]),
    "NetSapiens, a number of nobody": ("pbx", {"from_number": "15550100000"}, ["15550100000"]),
    "OpenIM, wrong secret": ("im", {"secret": "wrong-secret"}, ["secret"]),
    "OpenIM, wrong admin": ("im", {"admin_user": "nobody", "send_as": "nobody"}, ["nobody"]),
    "Returning.AI, wrong key": ("rai", {"token": "wrong-token"}, ["key"]),
    "Returning.AI, wrong generation": ("rai", {"path_prefix": "/v9"}, ["path_prefix"]),
}


@pytest.mark.parametrize("case", WRONG)
async def test_what_is_wrong_is_said_in_words(world: World, case: str) -> None:
    name, change, words = WRONG[case]
    code, lines = await rows(world, **{name: change})
    assert code == 1
    assert "WRONG" in lines[name]
    for word in words:
        assert word in lines[name], lines[name]


async def test_a_key_that_may_only_read_is_told_before_the_first_send_fails(world: World) -> None:
    side = world.sides["pbx"]
    assert isinstance(side, NetSapiensSandbox)
    code, lines = await rows(world, pbx={"api_key": read_only_key(side)})
    assert code == 1
    assert "WRONG" in lines["pbx"] and "read" in lines["pbx"], lines["pbx"]


def read_only_key(side: NetSapiensSandbox) -> str:
    """A key of the sandbox that may read only."""
    from bridges.netsapiens.sandbox_logins import ApiKey

    side.logins.keys["nss_reader"] = ApiKey("nss_reader", readonly=True)
    return "nss_reader"
