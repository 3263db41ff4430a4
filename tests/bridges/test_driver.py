"""The driver: what each failure of a request means for the message that it carried."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Generator

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from bridges.api import HARMLESS, Flow
from bridges.driver import drive
from bridges.errors import BridgeError, Garbled, Refused, Unauthorized, Unavailable
from bridges.testing import play

URL = "https://provider.example/send?token=canary"


def one(method: str = "POST", **options: object) -> Flow[int]:
    response = yield httpx.Request(method, URL, extensions=dict(options))
    return response.status_code


class Sender:
    """Plays the provider: answers or raises, one after the other, and keeps what it was sent."""

    def __init__(self, *script: httpx.Response | Exception) -> None:
        self.script = list(script)
        self.sent: list[httpx.Request] = []

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.sent.append(request)
        step = self.script.pop(0)
        if isinstance(step, Exception):
            raise step
        return step


NOT_SENT = [
    httpx.ConnectError("refused"),
    httpx.ConnectTimeout("slow"),
    httpx.PoolTimeout("full"),
    httpx.UnsupportedProtocol("gopher"),
    httpx.ProxyError("proxy"),
]
MAYBE_SENT = [
    httpx.ReadError("cut"),
    httpx.ReadTimeout("silent"),
    httpx.WriteError("cut"),
    httpx.WriteTimeout("stuck"),
    httpx.CloseError("closed"),
    httpx.RemoteProtocolError("half an answer"),
    httpx.LocalProtocolError("out of step"),
    TimeoutError(),
]
CASES = [(error, False) for error in NOT_SENT] + [(error, True) for error in MAYBE_SENT]


@pytest.mark.parametrize(("error", "maybe_sent"), CASES, ids=[type(error).__name__ for error, _ in CASES])
async def test_a_broken_send_says_whether_it_may_have_arrived(error: Exception, maybe_sent: bool) -> None:
    with pytest.raises(Unavailable) as caught:
        await drive(one(), send=Sender(error))
    assert caught.value.maybe_sent is maybe_sent
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("error", MAYBE_SENT, ids=[type(error).__name__ for error in MAYBE_SENT])
async def test_a_broken_harmless_request_is_never_in_doubt(error: Exception) -> None:
    for flow in (one("GET"), one("POST", **HARMLESS), one("PATCH", **HARMLESS)):
        with pytest.raises(Unavailable) as caught:
            await drive(flow, send=Sender(error))
        assert not caught.value.maybe_sent


def test_every_transport_error_of_httpx_is_in_the_table() -> None:
    def leaves(kind: type[BaseException]) -> set[type[BaseException]]:
        below = kind.__subclasses__()
        return set().union(*(leaves(k) for k in below)) if below else {kind}

    assert leaves(httpx.TransportError) - {type(error) for error, _ in CASES} == set()


async def test_an_answer_that_cannot_be_read_is_garbled() -> None:
    with pytest.raises(Garbled, match="could not be read"):
        await drive(one(), send=Sender(httpx.DecodingError("bad gzip")))


async def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(Refused, match="not valid"):
        await drive(one(), send=Sender(httpx.InvalidURL("no host")))


@pytest.mark.parametrize("error", [*NOT_SENT, *MAYBE_SENT], ids=lambda error: type(error).__name__)
async def test_the_error_names_method_and_host_and_nothing_of_the_url(error: Exception) -> None:
    with pytest.raises(Unavailable, match=r"^POST provider\.example: ") as caught:
        await drive(one(), send=Sender(error))
    assert "canary" not in str(caught.value)


async def test_a_request_over_its_deadline_may_have_been_sent() -> None:
    async def never(request: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    with pytest.raises(Unavailable, match="no answer within 0 s") as caught:
        await drive(one(), send=never, deadline_s=0)
    assert caught.value.maybe_sent


async def test_a_cancelled_drive_closes_the_flow_and_stays_cancelled() -> None:
    closed = asyncio.Event()
    started = asyncio.Event()

    def flow() -> Flow[None]:
        try:
            yield httpx.Request("POST", URL)
        finally:
            closed.set()

    async def never(request: httpx.Request) -> httpx.Response:
        started.set()
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    task = asyncio.create_task(drive(flow(), send=never))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert closed.is_set()


async def test_an_error_that_is_no_bridge_error_passes_through() -> None:
    with pytest.raises(ZeroDivisionError):
        await drive(one(), send=Sender(ZeroDivisionError()))


async def test_a_flow_gets_each_answer_and_its_value_is_the_result() -> None:
    def flow() -> Flow[list[int]]:
        seen = []
        for _ in range(3):
            response = yield httpx.Request("POST", URL)
            seen.append(response.status_code)
        return seen

    assert await drive(flow(), send=Sender(*(httpx.Response(s) for s in (200, 404, 500)))) == [200, 404, 500]


async def test_a_flow_may_take_a_failure_and_go_on() -> None:
    def flow() -> Flow[str]:
        try:
            yield httpx.Request("POST", URL)
        except Unavailable as error:
            response = yield httpx.Request("GET", URL)
            return f"{error.maybe_sent} {response.status_code}"
        return "unreachable"

    assert await drive(flow(), send=Sender(httpx.ReadError("cut"), httpx.Response(204))) == "True 204"


async def test_a_flow_that_asks_for_nothing_is_just_its_result() -> None:
    def flow() -> Flow[str]:
        if URL == "":
            yield httpx.Request("GET", URL)
        return "done"

    assert await drive(flow(), send=Sender()) == "done"


async def test_what_a_flow_raises_is_what_the_caller_gets() -> None:
    def flow() -> Flow[None]:
        yield httpx.Request("POST", URL)
        raise Unauthorized("no")

    with pytest.raises(Unauthorized):
        await drive(flow(), send=Sender(httpx.Response(200)))


# Auth


class TokenAuth(httpx.Auth):
    """Fetches a token at the start and anew after a 401."""

    def __init__(self) -> None:
        self.token = ""

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        if not self.token:
            yield from self._fetch()
        request.headers["Authorization"] = f"Bearer {self.token}"
        response = yield request
        if response.status_code == 401:
            yield from self._fetch()
            request.headers["Authorization"] = f"Bearer {self.token}"
            yield request

    def _fetch(self) -> Generator[httpx.Request, httpx.Response, None]:
        response = yield httpx.Request("POST", "https://provider.example/token")
        if response.status_code != 200:
            raise Unauthorized("the token was not given")
        self.token = json.loads(response.content)["token"]


def token(value: str) -> httpx.Response:
    return httpx.Response(200, json={"token": value})


async def test_auth_fetches_a_token_first_and_keeps_it() -> None:
    auth, sender = TokenAuth(), Sender(token("t1"), httpx.Response(200), httpx.Response(201))
    assert await drive(one(), send=sender, auth=auth) == 200
    assert await drive(one(), send=sender, auth=auth) == 201
    assert [request.headers.get("authorization") for request in sender.sent] == [None, "Bearer t1", "Bearer t1"]


async def test_after_a_401_auth_tries_once_anew_and_the_flow_sees_the_last_answer() -> None:
    auth = TokenAuth()
    sender = Sender(token("t1"), httpx.Response(401), token("t2"), httpx.Response(202))
    assert await drive(one(), send=sender, auth=auth) == 202
    assert sender.sent[-1].headers["authorization"] == "Bearer t2"


async def test_a_second_401_reaches_the_flow() -> None:
    sender = Sender(token("t1"), httpx.Response(401), token("t2"), httpx.Response(401))
    assert await drive(one(), send=sender, auth=TokenAuth()) == 401


async def test_a_token_that_is_not_given_reaches_the_flow_as_it_was_raised() -> None:
    with pytest.raises(Unauthorized, match="not given"):
        await drive(one(), send=Sender(httpx.Response(403)), auth=TokenAuth())


@pytest.mark.parametrize("error", MAYBE_SENT, ids=[type(error).__name__ for error in MAYBE_SENT])
async def test_a_lost_token_fetch_leaves_no_doubt_about_the_message(error: Exception) -> None:
    before = Sender(error)
    after_a_401 = Sender(token("t1"), httpx.Response(401), error)
    for sender in (before, after_a_401):
        with pytest.raises(Unavailable) as caught:
            await drive(one(), send=sender, auth=TokenAuth())
        assert not caught.value.maybe_sent


async def test_a_message_lost_behind_auth_is_in_doubt() -> None:
    with pytest.raises(Unavailable) as caught:
        await drive(one(), send=Sender(token("t1"), httpx.ReadError("cut")), auth=TokenAuth())
    assert caught.value.maybe_sent


async def test_the_same_flow_is_driven_and_played_alike() -> None:
    played = play(one(), token("t1"), httpx.Response(401), token("t2"), httpx.Response(202), auth=TokenAuth())
    sender = Sender(token("t1"), httpx.Response(401), token("t2"), httpx.Response(202))
    assert played.result == await drive(one(), send=sender, auth=TokenAuth())
    assert [str(request.url) for request in played.requests] == [str(request.url) for request in sender.sent]


# Over real connections


async def test_a_refused_connection_is_surely_not_sent(client: httpx.AsyncClient) -> None:
    def flow() -> Flow[None]:
        yield httpx.Request("POST", "http://127.0.0.1:9/")

    with pytest.raises(Unavailable) as caught:
        await drive(flow(), send=client.send)
    assert not caught.value.maybe_sent


async def test_a_connection_that_is_cut_after_the_request_is_in_doubt(client: httpx.AsyncClient) -> None:
    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(cut, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]

    def flow() -> Flow[None]:
        yield httpx.Request("POST", f"http://127.0.0.1:{port}/")

    async with server:
        with pytest.raises(Unavailable) as caught:
            await drive(flow(), send=client.send)
    assert caught.value.maybe_sent


async def test_a_redirect_is_an_answer_and_is_not_followed(
    serve: Callable[[ASGIApp], str], client: httpx.AsyncClient
) -> None:
    reached = []

    async def here(request: Request) -> Response:
        return Response(status_code=307, headers={"Location": "/there"})

    async def there(request: Request) -> Response:
        reached.append(request.url.path)
        return JSONResponse({})

    base = serve(Starlette(routes=[Route("/", here, methods=["POST"]), Route("/there", there, methods=["POST"])]))

    def flow() -> Flow[int]:
        response = yield httpx.Request("POST", f"{base}/")
        return response.status_code

    assert await drive(flow(), send=client.send) == 307
    assert reached == []


def test_all_errors_of_bridges_have_one_base() -> None:
    assert {Unavailable, Refused, Unauthorized, Garbled} <= set(BridgeError.__subclasses__())
