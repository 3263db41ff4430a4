"""Thousands of requests that no provider would send, to the real bot over real connections.

None may end in a 5xx, a traceback or a process that is gone, and none may make it grow without bound.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from tests.journeys.world import World

pytestmark = pytest.mark.asyncio(loop_scope="module")

MIB = 1 << 20
ROUNDS = 2000
GROWTH_MOST = 96 * MIB
SMS = {
    "id": "sms-1",
    "eventDescription": "Inbound SMS",
    "senderNumber": 85255501234,
    "recipientNumber": 85255509999,
    "receiveTime": "2026-11-01T10:00:00.000Z",
    "contentType": "Text",
    "content": "hello",
}
ODD_VALUES: tuple[object, ...] = (
    *(None, True, False, 0, -1, 1e308, -0.0, 10**30, "", " ", "0", "\x00", "\ud800", "\u202e", "👩‍👩‍👧" * 50, [], {}),
    *([[]], {"": {}}, ["x"] * 1000, {"a": {"b": {"c": [None]}}}, "A" * 70_000, "🇫🇷" * 3000, "\r\nX-Injected: yes"),
)
ODD_BODIES: tuple[bytes, ...] = (
    *(b"", b" ", b"\x00", b"null", b"true", b"0", b'""', b"[]", b"{}", b"[[]]", b"{", b'{"a":', b"'a'", b"NaN"),
    *(b'{"a": NaN}', b'{"a": Infinity}', b'{"a": -Infinity}', b'{"a": 1e999}', b'{"a": ' + b"9" * 6000 + b"}"),
    *(b"[" * 100_000, b'{"a":' * 100_000, b"[" * 50_000 + b"]" * 50_000, b'{"a":1,"a":2}', b'{"a":1}{"b":2}'),
    *(b"\xef\xbb\xbf{}", '{"a": "ü"}'.encode("utf-16"), '{"a": 1}'.encode("utf-32"), b'{"a": "\xff\xfe"}'),
    *(b'{"a": "\xed\xa0\x80"}', b'{"a": "\\ud800"}', b'{"a": "\\u0000"}', b'"' + b"x" * 500_000, b"a=1&b=2"),
    *(b"<?xml version='1.0'?><a/>", b"\x1f\x8b\x08\x00", b"x" * MIB, b" " * MIB + b"{}", b'{"challenge": ""}'),
    *(b'{"challenge": null}', b'{"challenge": {"a": 1}}', b'{"challenge": "x", "challenge": "y"}', b'{"message": {}}'),
    b'{"challenge": "' + b"c" * 100_000 + b'"}',
)
TYPES = (
    *("application/json", "text/plain", "multipart/form-data", "application/x-www-form-urlencoded", ""),
    *("application/json; charset=utf-16", "image/png", "/", "application/json" * 200),
)
METHODS = ("POST", "POST", "POST", "POST", "POST", "GET", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "TRACE", "BREW")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with World(tmp_path_factory.mktemp("world")) as world:
        yield world


@pytest_asyncio.fixture(loop_scope="module")
async def world(running: World) -> AsyncIterator[World]:
    """The world, which must be as well afterwards as it was before."""
    yield running
    assert running.bot.running
    assert (await running.http.get("/healthz")).status_code == 200
    await running.group().quiet()
    await running.check()


def _memory(world: World) -> int:
    """Bytes of memory that the bot holds."""
    status = Path(f"/proc/{world.bot.process.pid}/status")
    if not status.is_file():
        pytest.skip("the memory of another process is read from /proc")
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024


def _paths(world: World) -> tuple[str, ...]:
    right = world.hook_secret("support")
    return (
        *(f"/hooks/support/{right}",) * 12,
        f"/hooks/support/{right}/",
        f"/hooks/support/{right}/a/b/c",
        f"/hooks/support/{right}/..%2f..%2fetc/passwd",
        f"/hooks/club/{world.hook_secret('club')}",
        f"/hooks/support/{right}%00",
        f"/hooks/support/{right[:-1]}",
        f"/hooks//support/{right}",
        f"/HOOKS/support/{right}",
        "/hooks/support/%ff%fe",
        "/hooks/%F0%9F%98%80/x",
        "/hooks/../../../../etc/passwd",
        "/hooks/support/..%c0%af..%c0%af",
        "/telegram/%2e%2e/x",
        "/files/../../etc/passwd",
        "/" + "a" * 30_000,
        "/?" + "b" * 30_000,
        "/readyz?x[]=1&x[]=2&%",
        "/metrics/../healthz",
        "//healthz",
        "/%",
    )


def _mutated(dice: random.Random) -> bytes:
    """The body of a webhook with something odd in it, or nothing but oddity."""
    if dice.random() < 0.4:
        return dice.choice(ODD_BODIES)
    event: dict[str, object] = dict(SMS, id=f"sms-{dice.random()}")
    for _ in range(dice.randint(1, 3)):
        event[dice.choice([*SMS, "challenge", "message", "type", ""])] = dice.choice(ODD_VALUES)
    if dice.random() < 0.2:
        event.pop(dice.choice(list(event)))
    shaped = dice.choice([event, [event], [event, event], {"message": event}, {"type": "message", "message": event}])
    body = bytearray(json.dumps(shaped, ensure_ascii=dice.random() < 0.5).encode("utf-8", "surrogatepass"))
    for _ in range(dice.choice([0, 0, 0, 1, 5])):
        body[dice.randrange(len(body))] = dice.randrange(256)
    return bytes(body[: dice.randrange(len(body))]) if dice.random() < 0.1 else bytes(body)


def _requests(world: World, dice: random.Random) -> Iterator[httpx.Request]:
    paths = _paths(world)
    for _ in range(ROUNDS):
        headers = [("Content-Type", dice.choice(TYPES))]
        if dice.random() < 0.2:
            headers += [("X-Echo-Signature", dice.choice(["", "0" * 64, "x" * 8000]))] * dice.randint(1, 3)
        if dice.random() < 0.1:
            headers += [(f"X-{n}", "v") for n in range(80)]
        if dice.random() < 0.1:
            headers += [("Content-Encoding", "gzip"), ("X-Forwarded-For", "127.0.0.1"), ("Host", "elsewhere")]
        url = httpx.URL(world.url).copy_with(raw_path=dice.choice(paths).encode())
        yield httpx.Request(dice.choice(METHODS), url, headers=headers, content=_mutated(dice))


async def test_no_odd_request_gets_a_5xx(world: World) -> None:
    before = _memory(world)
    seen: Counter[int] = Counter()
    wrong: list[tuple[int, str, bytes]] = []
    requests = _requests(world, random.Random(20261101))

    async def work() -> None:
        for request in requests:
            try:
                answer = await world.http.send(request)
            except httpx.RemoteProtocolError:
                continue  # refused before there was a request to answer
            seen[answer.status_code] += 1
            if answer.status_code >= 500:
                wrong.append((answer.status_code, str(request.url)[:200], request.content[:200]))

    await asyncio.gather(*(work() for _ in range(8)))
    assert wrong == []
    assert {200, 400, 404} <= set(seen)
    assert sum(seen.values()) > ROUNDS * 0.9
    assert _memory(world) - before < GROWTH_MOST


async def test_what_was_taken_among_them_is_accounted_for(world: World) -> None:
    async def balanced() -> bool:
        stats = await world.read("stats")
        return bool(stats["balanced"] and stats["inbound"]["pending"] == 0)

    await world.until(balanced, within_s=30)


async def _raw(world: World, data: bytes) -> bytes:
    """What comes back for bytes on a connection, which is given a second to answer and to close."""
    reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
    try:
        async with asyncio.timeout(1.0):
            writer.write(data)
            await writer.drain()
            return await reader.read(1 << 16)
    except (TimeoutError, ConnectionError):
        return b""
    finally:
        writer.close()


_HOST = b"Host: x\r\n"


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 200,
        b"\x00" * 5000,
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20_000,
        b"GET / HTTP/1.1\r\nX: " + b"y" * 200_000,
        b"GET /" + b"a" * 200_000,
        b"POST {path} HTTP/1.1\r\n" + _HOST + b"Content-Length: -1\r\n\r\n{}",
        b"POST {path} HTTP/1.1\r\n" + _HOST + b"Content-Length: 99999999999999999999\r\n\r\n{}",
        b"POST {path} HTTP/1.1\r\n" + _HOST + b"Content-Length: 1073741824\r\n\r\n{}",
        b"POST {path} HTTP/1.1\r\n" + _HOST + b"Content-Length: 2\r\nContent-Length: 40\r\n\r\n{}",
        b"POST {path} HTTP/1.1\r\n" + _HOST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST {path} HTTP/1.1\r\n" + _HOST + b"Content-Length: 1\r\n\r\n{}{}{}{}",
        b"POST {path} HTTP/1.1\r\n" + _HOST + b"Transfer-Encoding: chunked\r\n\r\nZZZ\r\n{}\r\n0\r\n\r\n",
        b"POST {path} HTTP/1.1\r\n" + _HOST + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n{}",
        b"POST {path} HTTP/1.1\r\n" + _HOST + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n",
        b"POST {path} HTTP/1.1\r\n"
        + _HOST
        + b"Upgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: 2\r\n\r\n{}",
        b"GET / HTTP/1.1\r\n" + _HOST + b"Sec-WebSocket-Key: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\n" + _HOST + b"\r\n",
        b"POST {path} HTTP/1.1\r\n" + _HOST + b"X-\xff: \xfe\r\nContent-Length: 2\r\n\r\n{}",
        b"GET http://169.254.169.254/latest HTTP/1.1\r\n" + _HOST + b"\r\n",
        b"CONNECT example.org:443 HTTP/1.1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\n" + _HOST + b"\r\n",
    ],
    ids=range(24),
)
async def test_what_is_hardly_http_gets_no_5xx(world: World, data: bytes) -> None:
    path = f"/hooks/support/{world.hook_secret('support')}".encode()
    answer = await _raw(world, data.replace(b"{path}", path))
    assert answer == b"" or int(answer.split(b" ")[1]) < 500


@pytest.mark.parametrize("chunk", [16 * 1024, 1])
async def test_a_body_without_end_is_cut_off_and_not_kept(world: World, chunk: int) -> None:
    before = _memory(world)
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 64 * MIB // (1 if chunk > 1 else 1024):
            sent += chunk
            yield b"x" * chunk

    try:
        answer = await world.http.post(world.hook_url("support"), content=endless())
        assert answer.status_code in (400, 413)
    except httpx.TransportError:
        pass  # cut while it was still writing
    assert sent <= 32 * MIB
    assert _memory(world) - before < 32 * MIB


@pytest.mark.parametrize("size", [MIB + 1, 3 * MIB, 7 * MIB])
async def test_a_body_over_the_limit_is_told_so_even_to_clients_that_read_late(world: World, size: int) -> None:
    for url in (world.hook_url("support"), f"{world.url}/hooks/support/wrong-wrong-wrong-wrong"):
        answer = await world.http.post(url, content=b"x" * size)
        assert answer.status_code == 413


async def test_connections_that_say_nothing_keep_nobody_else_waiting(world: World) -> None:
    silent = [await asyncio.open_connection("127.0.0.1", world.port) for _ in range(200)]
    halves = [await asyncio.open_connection("127.0.0.1", world.port) for _ in range(50)]
    for _, writer in halves:
        path = f"/hooks/support/{world.hook_secret('support')}"
        writer.write(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{{".encode())
    ops = world.group()
    await ops.ask("/link support:sms/85255509000")
    assert await world.sms("past the silent ones", sender="85255509000") == 200
    await ops.hears("past the silent ones")
    for _, writer in [*silent, *halves]:
        writer.close()
