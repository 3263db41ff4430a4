"""``make bench``: what the bot does in a second, beside the smallest relay on the same libraries, in the same run.

Webhook in → provider's request out, real HTTP on loopback, three processes on shared cores: load, bot, provider.
Prints what it measured, whatever it is; nothing here passes or fails.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import uvloop

from bot.playground.emulator import Emulator
from bot.playground.hosting import LoopbackServer
from tests.benchmarks import commands
from tests.ports import free_port

SECRET = "benchmark-secret-0123456789"
SENDERS = 200
TICKS = os.sysconf("SC_CLK_TCK")


class Relay:
    """A relay under measurement: a process that listens on a port."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, port: int) -> None:
        self.name = name
        self.process = process
        self.hook = f"http://127.0.0.1:{port}/hooks/support/{SECRET}"

    def cpu_s(self) -> float:
        """CPU seconds used so far, all threads."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def rss_mb(self) -> float:
        """Resident memory."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def config_of(folder: Path, *, telegram: str, provider: str, port: int) -> Path:
    """A configuration with one account to come in by and one to go out by."""
    file = folder / "patchbay.toml"
    file.write_text(
        f"""
[telegram]
token = "1234567:benchmark-token"
api_base_url = "{telegram}"
owners = [1001]
[web]
port = {port}
[accounts.support]
provider = "cinnox"
base_url = "{provider}"
app_id = "app-1"
token = "t"
hook_secret = "{SECRET}"
[accounts.out]
provider = "echo"
base_url = "{provider}"
token = "t"
hook_secret = "{SECRET}"
signing_secret = "s"
""",
        encoding="utf-8",
    )
    return file


@contextlib.asynccontextmanager
async def bot_process(folder: Path, *, telegram: str, provider: str) -> AsyncIterator[tuple[Relay, float]]:
    """The bot with a route for each sender; yields it and the seconds from start to ready."""
    port = free_port()
    config = config_of(folder, telegram=telegram, provider=provider, port=port)
    routes = folder / "routes.toml"
    if not routes.exists():
        routes.write_text(
            "".join(
                f'[[route]]\nrule = "support:sms/{1000000 + n} -> out:c{n}"\nenabled = true\n' for n in range(SENDERS)
            )
        )
        importer = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bot", "--config", str(config), "routes", "import", "--yes", str(routes),
            stdout=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        assert await importer.wait() == 0
    begun = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", "--config", str(config), "run", "--log-level", "warning"
    )
    relay = Relay("patchbay", process, port)
    try:
        await answers(f"http://127.0.0.1:{port}/readyz")
        yield relay, time.monotonic() - begun
    finally:
        process.terminate()
        await process.wait()


@contextlib.asynccontextmanager
async def baseline_process(*, provider: str) -> AsyncIterator[Relay]:
    """The smallest relay."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.benchmarks.baseline", str(port), provider
    )
    try:
        await answers(f"http://127.0.0.1:{port}/", any_status=True)
        yield Relay("in memory", process, port)
    finally:
        process.terminate()
        await process.wait()


async def answers(url: str, *, any_status: bool = False) -> None:
    """Wait until a GET is answered with 200."""
    deadline = time.monotonic() + 30
    async with aiohttp.ClientSession() as session:
        while time.monotonic() < deadline:
            with contextlib.suppress(aiohttp.ClientError):
                async with session.get(url) as answer:
                    if any_status or answer.status == 200:
                        return
            await asyncio.sleep(0.005)
    raise SystemExit(f"{url} did not become ready")


class Load:
    """Posts webhooks and reads the provider's log."""

    def __init__(self, session: aiohttp.ClientSession, provider: str) -> None:
        self._session = session
        self._provider = provider
        self._n = 0

    def body(self) -> tuple[str, bytes]:
        """A webhook that nobody posted before, and its mark."""
        self._n += 1
        mark = f"x{self._n}"
        event = {
            "id": f"sms-{self._n}",
            "eventDescription": "Inbound SMS",
            "senderNumber": 1000000 + self._n % SENDERS,
            "recipientNumber": 85255509999,
            "receiveTime": "2026-01-02T03:04:05.000Z",
            "contentType": "Text",
            "content": f"the words of message number {mark}",
        }
        return mark, json.dumps(event).encode()

    async def post(self, relay: Relay) -> tuple[str, float]:
        """Post one; returns its mark and when it left."""
        mark, body = self.body()
        left = time.monotonic()
        async with self._session.post(relay.hook, data=body, headers={"content-type": "application/json"}) as answer:
            await answer.read()
            if answer.status != 200:
                raise SystemExit(f"{relay.name} answered HTTP {answer.status}")
        return mark, left

    async def get(self, path: str) -> object:
        """Ask the provider."""
        async with self._session.get(self._provider + path) as answer:
            return await answer.json()

    async def until(self, number: int, *, most_s: float) -> None:
        """Wait until the provider has this many."""
        deadline = time.monotonic() + most_s
        while int(str(await self.get("/count"))) < number:
            if time.monotonic() > deadline:
                print(f"  (only {await self.get('/count')} of {number} came within {most_s:g} s)")
                return
            await asyncio.sleep(0.02)


async def burst(load: Load, relay: Relay, *, number: int, clients: int, delay_s: float) -> dict[str, float]:
    """So many webhooks as fast as they go in; rate from the first post to the last request at the provider."""
    number -= number % clients
    await load.get(f"/reset?delay={delay_s}")
    cpu = relay.cpu_s()
    left: list[float] = []

    async def client(share: int) -> None:
        for _ in range(share):
            left.append((await load.post(relay))[1])

    begun = time.monotonic()
    await asyncio.gather(*(client(number // clients) for _ in range(clients)))
    accepted_s = time.monotonic() - begun
    await load.until(number, most_s=60)
    log = await load.get("/log")
    assert isinstance(log, dict)
    wall = max(log.values()) - min(left)
    await asyncio.sleep(0.5)  # what is settled afterwards is work of these messages too
    return {
        "messages_per_s": len(log) / wall,
        "accepted_per_s": number / accepted_s,
        "cpu_us_per_message": (relay.cpu_s() - cpu) / number * 1e6,
    }


async def steady(load: Load, relay: Relay, *, rate: float, seconds: float) -> dict[str, float]:
    """A steady rate; milliseconds from the post to the provider's request."""
    await load.get("/reset?delay=0")
    posts: list[asyncio.Task[tuple[str, float]]] = []
    begun = time.monotonic()
    for n in range(int(rate * seconds)):
        await asyncio.sleep(max(0.0, begun + n / rate - time.monotonic()))
        posts.append(asyncio.create_task(load.post(relay)))
    left = dict(await asyncio.gather(*posts))
    await load.until(len(left), most_s=30)
    log = await load.get("/log")
    assert isinstance(log, dict)
    took = sorted((log[mark] - at) * 1000 for mark, at in left.items() if mark in log)
    return {"p50_ms": statistics.median(took), "p99_ms": took[int(len(took) * 0.99)], "max_ms": took[-1]}


def fdatasync_ms(folder: Path) -> float:
    """What one fdatasync costs here now: it varies, and every durable rate with it."""
    took = []
    with (folder / "sync").open("wb") as file:
        for _ in range(50):
            file.write(b"x" * 4096)
            file.flush()
            begun = time.perf_counter()
            os.fdatasync(file.fileno())
            took.append((time.perf_counter() - begun) * 1000)
    return statistics.median(took)


async def measure(load: Load, relay: Relay, *, messages: int, rounds: int, seconds: float) -> dict[str, float]:
    """All figures of one relay: medians of several rounds."""
    await burst(load, relay, number=min(messages, 1000), clients=32, delay_s=0)  # warm
    rounds_of = [await burst(load, relay, number=messages, clients=32, delay_s=0) for _ in range(rounds)]
    figures = {key: statistics.median(r[key] for r in rounds_of) for key in rounds_of[0]}
    slow = await burst(load, relay, number=messages // 2, clients=32, delay_s=0.05)
    figures["slow_provider_per_s"] = slow["messages_per_s"]
    figures |= await steady(load, relay, rate=100, seconds=seconds)
    figures["rss_mb_after"] = relay.rss_mb()
    return figures


async def main() -> None:
    """Measure both and print one beside the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=6400)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    provider_process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.benchmarks.provider",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert provider_process.stdout is not None
    provider = f"http://127.0.0.1:{int(await provider_process.stdout.readline())}"
    emulator = Emulator("1234567:benchmark-token")
    emulator.add_user(1001, "Ann")
    results: dict[str, dict[str, float]] = {}
    try:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            async with LoopbackServer(emulator.app) as telegram, aiohttp.ClientSession() as session:
                load = Load(session, provider)
                sync_ms = fdatasync_ms(folder)
                starts = []
                for _ in range(3):
                    async with bot_process(folder, telegram=telegram.url, provider=provider) as (relay, ready_s):
                        starts.append(ready_s)
                        await asyncio.sleep(1)
                        idle = relay.rss_mb()
                async with bot_process(folder, telegram=telegram.url, provider=provider) as (relay, _):
                    results[relay.name] = await measure(
                        load, relay, messages=options.messages, rounds=options.rounds, seconds=options.seconds
                    )
                results["patchbay"] |= {"rss_mb_idle": idle, "start_to_ready_s": statistics.median(starts)}
                async with baseline_process(provider=provider) as relay:
                    results[relay.name] = {"rss_mb_idle": relay.rss_mb()} | await measure(
                        load, relay, messages=options.messages, rounds=options.rounds, seconds=options.seconds
                    )
    finally:
        await emulator.aclose()
        assert provider_process.stdin is not None
        provider_process.stdin.close()
        await provider_process.wait()
    if options.json:
        print(json.dumps(results))
    else:
        print_table(results, sync_ms)
        around = {"dead": commands.DEAD, "messages": commands.MESSAGES, "targets": commands.TARGETS}
        commands.print_section(await commands.medians(**around, rounds=options.rounds), **around)


ROWS = (
    ("messages_per_s", "burst, messages/s"),
    ("accepted_per_s", "burst, webhooks accepted/s"),
    ("slow_provider_per_s", "provider takes 50 ms, messages/s"),
    ("p50_ms", "at 100/s: p50, ms"),
    ("p99_ms", "at 100/s: p99, ms"),
    ("max_ms", "at 100/s: worst, ms"),
    ("cpu_us_per_message", "CPU per message, µs"),
    ("rss_mb_idle", "memory idle, MB"),
    ("rss_mb_after", "memory after all this, MB"),
    ("start_to_ready_s", "start to ready, s"),
)


def print_table(results: dict[str, dict[str, float]], sync_ms: float) -> None:
    """Side by side."""
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, one fdatasync {sync_ms:.2f} ms")
    print(f"{'':<36}" + "".join(f"{name:>14}" for name in results))
    for key, label in ROWS:
        cells = []
        for figures in results.values():
            value = figures.get(key)
            digits = 2 if value is not None and value < 100 else 0
            cells.append(f"{'' if value is None else format(value, f',.{digits}f'):>14}")
        print(f"{label:<36}" + "".join(cells))


if __name__ == "__main__":
    uvloop.run(main())
