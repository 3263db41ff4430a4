"""Links that somebody could put into a message to make this machine ask inside its own network."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import httpx
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from bot.downloads import Downloads, PublicOnly, check_url, is_public, plain, public_connector
from bot.files import Folder, NotFetched
from bridges.api import origin_of
from bridges.driver import drive
from bridges.errors import Unavailable
from bridges.files import FETCHING
from bridges.model import Attachment
from tests.journeys.world import Server

PRIVATE = (
    *("127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1"),
    *("169.254.169.254", "100.64.0.1", "100.127.255.254", "192.0.0.1", "192.0.2.1", "198.18.0.1", "198.51.100.1"),
    *("203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255"),
    *("::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12:3456::1", "fec0::1", "ff02::1", "2001:db8::1", "100::1"),
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "::8.8.8.8"),
    *("2002:7f00:1::", "2002:a00:1::", "2002:c0a8:101::1"),
    *("64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::808:808"),
    *("2001:0:7f00:1::", "2001:0:808:808:0:0:80ff:fffe", "not an address", ""),
)
PUBLIC = (
    "8.8.8.8",
    "93.184.216.34",
    "172.32.0.1",
    "100.128.0.1",
    "2606:4700::1111",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
)

ODD = (
    *(
        "https://127.1/x",
        "https://2130706433/x",
        "https://0x7f000001/x",
        "https://0x7f.0.0.1/x",
        "https://0177.0.0.1/x",
    ),
    *("https://127.0.0.1./x", "https://127.0.0.1:443/x", "https://[::1]/x", "https://[::ffff:7f00:1]/x"),
    *("https://①②⑦.⓪.⓪.①/x", "https://１２７.０.０.１/x", "https://127。0。0。1/x", "https://0/x", "https://0x0/x"),
    *("https://[fe80::1%25eth0]/x", "https://localhost/x", "https://LOCALHOST./x", "https://a.localhost/x"),
    *("https://db.internal/x", "https://printer.local/x", "https://169.254.169.254/latest/meta-data/"),
    *(
        "https://user:hunter2@example.org/x",
        "https://user@example.org/x",
        "http://example.org/x",
        "ftp://example.org/x",
    ),
    *("file:///etc/passwd", "gopher://example.org/x", "//example.org/x", "https:///x", "https://", "x", "", "data:,x"),
    *("https://example.org:99999/x", "https://[::1/x", "https://1.2.3.4.5/x"),
)


class Names(AbstractResolver):
    """Resolves names as it is told to, in turn; counts."""

    def __init__(self, *answers: tuple[str, ...]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked.append(host)
        found = self.answers.pop(0)
        kind = {":": socket.AF_INET6}
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=kind.get(":" if ":" in address else "", socket.AF_INET),
                proto=0,
                flags=0,
            )
            for address in found
        ]

    async def close(self) -> None:
        """Nothing to close."""


async def _bait(request: Request) -> Response:
    request.app.state.seen.append((request.url.path, dict(request.headers)))
    if to := request.query_params.get("to"):
        return RedirectResponse(to)
    return PlainTextResponse("the secret of this network")


@pytest.fixture
async def inside() -> AsyncIterator[Server]:
    """A server inside the network, which nobody but its own account may have asked."""
    app = Starlette(routes=[Route("/{path:path}", _bait)])
    app.state.seen = []
    server = Server(app)
    await server.start()
    server.seen = app.state.seen  # type: ignore[attr-defined]
    yield server
    await server.stop()


def file_at(ref: str) -> Attachment:
    return Attachment(kind="file", ref=ref)


def downloads(tmp_path: Path, *own: str, names: Names | None = None) -> Downloads:
    folder = Folder(tmp_path / "files")
    folder.prepare()
    return Downloads(own=[origin_of(httpx.URL(each)) for each in own], folder=folder, resolver=names)


async def read(client: Downloads, link: str) -> bytes:
    with (await drive(plain(file_at(link)), send=client.send)).open() as opened:
        return opened.read()


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_that_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_an_address_that_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("link", ODD)
async def test_an_odd_link_is_refused_before_any_name_is_resolved(tmp_path: Path, link: str) -> None:
    names = Names()
    client = downloads(tmp_path, names=names)
    with pytest.raises(NotFetched) as caught:
        await drive(plain(file_at(link)), send=client.send)
    assert names.asked == []
    assert "hunter2" not in str(caught.value) + caught.value.reason
    await client.close()


@pytest.mark.parametrize("link", ["https://example.org/a%20b?c=d", "https://8.8.8.8/x", "https://bücher.example/x"])
def test_an_ordinary_link_is_not_refused(link: str) -> None:
    check_url(httpx.URL(link))


@pytest.mark.parametrize("found", [("127.0.0.1",), ("8.8.8.8", "10.0.0.1"), ("::ffff:169.254.169.254",), ("fd00::1",)])
async def test_a_name_that_leads_inside_is_refused_as_a_whole(tmp_path: Path, found: tuple[str, ...]) -> None:
    names = Names(found)
    client = downloads(tmp_path, names=names)
    with pytest.raises(NotFetched, match="private") as caught:
        await drive(plain(file_at("https://rebound.example/x")), send=client.send)
    assert caught.value.reason == "not fetched, its address is private"
    assert not any(address in str(caught.value) for address in found)
    assert names.asked == ["rebound.example"]
    await client.close()


async def test_a_name_is_resolved_once_and_the_second_answer_never_asked_for() -> None:
    names = Names(("8.8.8.8",), ("127.0.0.1",))
    (found,) = await PublicOnly(names).resolve("rebound.example", 443)
    assert (found["host"], names.asked) == ("8.8.8.8", ["rebound.example"])
    with pytest.raises(NotFetched):
        await PublicOnly(names).resolve("rebound.example", 443)


async def test_no_socket_is_made_to_a_private_address_whichever_way_it_got_there(inside: Server) -> None:
    # Without the checks before it: an address in a URL is not resolved at all.
    async with aiohttp.ClientSession(connector=public_connector(Names())) as session:
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.get(inside.url)
    assert inside.seen == []  # type: ignore[attr-defined]


async def test_a_server_inside_is_not_asked_by_a_link_and_is_by_its_own_account(tmp_path: Path, inside: Server) -> None:
    stranger, own = downloads(tmp_path), downloads(tmp_path, inside.url)
    for link in (f"{inside.url}/x", f"{inside.url.replace('http', 'https')}/x"):
        with pytest.raises(NotFetched):
            await drive(plain(file_at(link)), send=stranger.send)
    assert inside.seen == []  # type: ignore[attr-defined]
    assert await read(own, f"{inside.url}/x") == b"the secret of this network"
    await stranger.close()
    await own.close()


async def test_an_own_server_may_lead_to_its_storage_on_the_same_machine_and_no_further(
    tmp_path: Path, inside: Server
) -> None:
    storage = Server(Starlette(routes=[Route("/{path:path}", lambda request: PlainTextResponse("stored"))]))
    await storage.start()
    client = downloads(tmp_path, inside.url)
    assert await read(client, f"{inside.url}/x?to={storage.url}/y") == b"stored"
    with pytest.raises(NotFetched):
        await drive(plain(file_at(f"{storage.url}/other")), send=client.send)
    for to in ("http://localhost:1/x", "https://10.0.0.1/x", "http://example.org/x", "file:///etc/passwd"):
        with pytest.raises(NotFetched):
            await drive(plain(file_at(f"{inside.url}/x?to={to}")), send=client.send)
    await client.close()
    await storage.stop()


async def test_a_server_that_redirects_in_a_circle_is_left(tmp_path: Path, inside: Server) -> None:
    client = downloads(tmp_path, inside.url)
    with pytest.raises(NotFetched, match="circle"):
        await drive(plain(file_at(f"{inside.url}/x?to=/x%3Fto=/x%3Fto=/x%3Fto=/x%3Fto=/x")), send=client.send)
    assert len(inside.seen) == 4  # type: ignore[attr-defined]
    await client.close()


async def test_no_credentials_leave_for_a_foreign_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = downloads(tmp_path)
    seen: list[httpx.Request] = []

    async def send(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, content=b"x", request=request)

    monkeypatch.setattr(client._far, "send", send)
    headers = {"Authorization": "Bearer t", "Cookie": "a=b", "token": "t", "X-Api-Key": "k", "Range": "bytes=0-"}
    await client.send(httpx.Request("GET", "https://example.org/x", headers=headers, extensions=dict(FETCHING)))
    assert dict(seen[0].headers).keys() <= {"host", "range", "accept", "accept-encoding"}


async def test_a_host_that_cannot_be_reached_is_no_verdict(tmp_path: Path) -> None:
    class Down(Names):
        async def resolve(
            self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
        ) -> list[ResolveResult]:
            raise OSError("no name server")

    client = downloads(tmp_path, names=Down())
    with pytest.raises(Unavailable) as caught:
        await drive(plain(file_at("https://example.org/x")), send=client.send)
    assert not caught.value.maybe_sent
    await client.close()
