"""The fault switch and the loopback server, over real HTTP with two kinds of clients."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncIterator

import aiohttp
import httpx
import pytest
from starlette.types import Receive, Scope, Send

from bot.playground.hosting import LoopbackServer
from bridges.faults import Faults, Mode


class Inside:
    """An app that counts what reaches it."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        self.bodies.append(body)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture
def inside() -> Inside:
    return Inside()


@pytest.fixture
def faults(inside: Inside) -> Faults:
    return Faults(inside)


@pytest.fixture
async def server(faults: Faults) -> AsyncIterator[LoopbackServer]:
    async with LoopbackServer(faults) as running:
        yield running


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=5, trust_env=False) as client:
        yield client


@pytest.mark.parametrize(("mode", "status"), [("server_error", 500), ("too_many", 429), ("nonsense", 200)])
async def test_a_refusal_never_reaches_the_app(
    faults: Faults, inside: Inside, server: LoopbackServer, http: httpx.AsyncClient, mode: str, status: int
) -> None:
    faults.configure(mode, retry_after_s=7)
    answer = await http.post(server.url, content=b"x" * 100_000)
    assert (answer.status_code, inside.bodies) == (status, [])
    assert answer.headers.get("retry-after") == ("7" if mode == "too_many" else None)
    if mode == "nonsense":
        with pytest.raises(json.JSONDecodeError):
            answer.json()


async def test_a_fault_ends_after_as_many_requests_as_were_asked_for(
    faults: Faults, inside: Inside, server: LoopbackServer, http: httpx.AsyncClient
) -> None:
    faults.configure("server_error", remaining=2)
    assert [(await http.get(server.url)).status_code for _ in range(4)] == [500, 500, 200, 200]
    assert (faults.mode, faults.hits, faults.remaining) == (Mode.OK, 2, None)


async def test_slow_answers_after_its_delay(
    faults: Faults, inside: Inside, server: LoopbackServer, http: httpx.AsyncClient
) -> None:
    faults.configure("slow", delay_s=0.05)
    started = asyncio.get_running_loop().time()
    assert (await http.get(server.url)).text == "ok"
    assert asyncio.get_running_loop().time() - started >= 0.05


async def test_only_the_requests_it_applies_to_are_touched(inside: Inside, http: httpx.AsyncClient) -> None:
    faults = Faults(inside, applies=lambda scope: scope["path"].startswith("/send"))
    faults.mode = "server_error"
    async with LoopbackServer(faults) as server:
        assert (await http.get(f"{server.url}/probe")).status_code == 200
        assert (await http.get(f"{server.url}/send")).status_code == 500


@pytest.mark.parametrize(("mode", "reached"), [("cut", [b"hello"]), ("cut_before", [])])
async def test_a_cut_leaves_httpx_without_a_whole_answer(
    faults: Faults, inside: Inside, server: LoopbackServer, http: httpx.AsyncClient, mode: str, reached: list[bytes]
) -> None:
    assert (await http.get(server.url)).text == "ok"  # the connection that is cut is one in use
    inside.bodies.clear()
    faults.mode = mode
    with pytest.raises(httpx.RemoteProtocolError, match="without sending complete message body"):
        await http.post(server.url, content=b"hello")
    assert inside.bodies == reached
    faults.mode = "ok"
    assert (await http.get(server.url)).text == "ok"


@pytest.mark.parametrize(("mode", "reached"), [("cut", [b"hello"]), ("cut_before", [])])
async def test_a_cut_leaves_aiohttp_without_a_whole_answer(
    faults: Faults, inside: Inside, server: LoopbackServer, mode: str, reached: list[bytes]
) -> None:
    faults.mode = mode
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientPayloadError):
            async with session.post(server.url, data=b"hello") as answer:
                await answer.read()
    assert inside.bodies == reached


async def test_nothing_lasts_until_the_client_gives_up(
    faults: Faults, inside: Inside, server: LoopbackServer, http: httpx.AsyncClient
) -> None:
    faults.mode = "nothing"
    with pytest.raises(httpx.ReadTimeout):
        await http.get(server.url, timeout=0.05)
    assert inside.bodies == []


def test_an_unknown_mode_is_refused(faults: Faults) -> None:
    with pytest.raises(ValueError, match="explode"):
        faults.mode = "explode"
    assert faults.mode is Mode.OK


PARAMETERS = {
    "delay_s": ("a number of seconds from 0 to 60", (0, 0.5, 60), (-1, 60.1, math.inf, -math.inf, math.nan, 10**400)),
    "retry_after_s": (
        "a whole number of seconds from 0 to 3600",
        (0, 2.0, 3600),
        (-1, 1.5, 3601, math.inf, -math.inf, math.nan, 1e308),
    ),
    "remaining": (
        "a whole number of requests from 1 to 1000000",
        (1, 2.0, 10**6),
        (0, 1.5, 10**6 + 1, math.inf, -math.inf, math.nan, 1e308),
    ),
}


@pytest.mark.parametrize(
    ("name", "words", "bad"), [(n, w, bad) for n, (w, _, wrong) in PARAMETERS.items() for bad in wrong]
)
def test_a_number_out_of_bounds_is_refused_in_words_and_changes_nothing(
    faults: Faults, name: str, words: str, bad: float
) -> None:
    before = faults.to_json()
    with pytest.raises(ValueError, match=f"^{name} must be {words}$"):
        faults.configure("slow", **{name: bad})  # type: ignore[arg-type]
    assert faults.to_json() == before


@pytest.mark.parametrize(("name", "good"), [(n, good) for n, (_, right, _) in PARAMETERS.items() for good in right])
def test_a_number_within_bounds_is_taken(faults: Faults, name: str, good: float) -> None:
    faults.configure("slow", **{name: good})  # type: ignore[arg-type]
    assert faults.to_json()[name] == good


async def test_a_number_of_seconds_stands_in_the_answer_without_a_fraction(
    faults: Faults, server: LoopbackServer, http: httpx.AsyncClient
) -> None:
    faults.configure("too_many", retry_after_s=2.0)  # type: ignore[arg-type]
    assert (await http.get(server.url)).headers["retry-after"] == "2"


async def test_down_refuses_connections_and_up_takes_the_same_port(
    inside: Inside, server: LoopbackServer, http: httpx.AsyncClient
) -> None:
    url = server.url
    assert (await http.get(url)).text == "ok"
    await server.down()
    with pytest.raises(httpx.ConnectError):
        await http.get(url)
    await server.up()
    assert server.url == url
    assert (await http.get(url)).text == "ok"


async def test_down_cuts_what_is_open_without_a_word(
    faults: Faults, server: LoopbackServer, http: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    faults.mode = "nothing"
    hanging = asyncio.create_task(http.get(server.url))
    while not faults.hits:  # noqa: ASYNC110
        await asyncio.sleep(0)
    await server.down()
    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        await hanging
    assert [record for record in caplog.records if record.name.startswith("uvicorn")] == []


async def test_only_loopback_is_served(inside: Inside) -> None:
    for host in ("0.0.0.0", "192.0.2.1", "::"):
        with pytest.raises(ValueError, match="loopback"):
            LoopbackServer(inside, host=host)


async def test_a_port_in_use_is_an_error(inside: Inside, server: LoopbackServer) -> None:
    with pytest.raises(OSError, match="in use"):
        await LoopbackServer(inside, port=server.port).start()
