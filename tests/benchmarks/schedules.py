"""``python -m tests.benchmarks.schedules``: 100,000 schedules, and what they cost. Prints what it measured.

Start and memory are those of the real process against an emulator on loopback, with and without the schedules; the rest
is a real store, the real engine and the real clock in this process.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from itertools import count
from pathlib import Path

from bot import planning
from bot.firing import Firing, SchedulePolicy
from bot.planning import add, draft
from bot.schedule_line import Options
from bot.schedules import Schedules
from bot.store import Tx
from bot.store.schedules import NewSchedule
from bot.store.sqlite import SqliteStore
from bot.when import parse_when
from bridges.model import Message
from tests.benchmarks.__main__ import answers, config_of
from tests.bot.line import Line
from tests.ports import free_port

RULES = ("every day at {}", "every mon,thu at {}", "every month on the last day at {}", "cron {} * * mon-fri")
TARGETS = ("telegram:-5", "club:a", "desk:b")


def fill(tx: Tx, number: int, *, now: float) -> None:
    """So many schedules of all kinds, spread over the day, none of them due within the next minutes."""
    for place in range(number):
        minute = place % 1440
        clock = f"{minute % 60} {minute // 60}" if place % 4 == 3 else f"{minute // 60:02d}:{minute % 60:02d}"
        tx.schedules.add(
            NewSchedule(
                rule=f"{RULES[place % 4].format(clock)} UTC", made_at=now, next_at=now + 3600 + place % 86_400,
                ends_at=None, warn_at=None, options="{}", message='{"text":"Good morning, everybody!"}',
                targets=(TARGETS[place % 3],), chat="", reach="", person="", person_name="benchmark",
            ),
            now=now,
        )  # fmt: skip


async def start_of(folder: Path) -> tuple[float, float]:
    """Seconds from the start of a real bot until it is ready, and its memory then in MB."""
    port = free_port()
    config = config_of(folder, telegram="http://127.0.0.1:9", provider="http://127.0.0.1:9", port=port)
    begun = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", "--config", str(config), "run", "--log-level", "error"
    )
    try:
        await answers(f"http://127.0.0.1:{port}/healthz")
        took = time.monotonic() - begun
        await asyncio.sleep(3.0)
        return took, _resident_mb(process.pid)
    finally:
        process.terminate()
        await process.wait()


def _resident_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    resident = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(resident.split()[1]) / 1024


async def measured(path: Path, *, number: int, due: int) -> dict[str, object]:
    """All that is asked of the engine in one process."""
    store = await SqliteStore.open(path)
    try:
        at = Line(store)
        firing = Firing(at.relay, SchedulePolicy())
        counter = count()

        def add_one(tx: Tx) -> None:
            now = time.time()
            rule = parse_when("every mon,thu at 9:30 Europe/London", now=now, zone="UTC")
            made = draft(
                tx, firing, rule=rule, options=replace(Options(), name=f"n{next(counter)}"), targets="club:a",
                message=Message(text="Stand-up!"), here=None, now=now,
            )  # fmt: skip
            add(
                tx, firing, made, person="", person_name="b", chat=None, reach=None, is_admin=True, now=now
            )  # fmt: skip

        adding = []
        for _ in range(200):
            begun = time.perf_counter()
            await store.write(add_one)
            adding.append((time.perf_counter() - begun) * 1000)

        idle = Schedules(store=store, firing=firing)
        idle.begin()
        waking = []
        for _ in range(200):
            begun = time.perf_counter()
            await idle.turn()
            waking.append((time.perf_counter() - begun) * 1000)

        late: list[float] = []
        instant = float(int(time.time()) + 4)
        rows = [
            NewSchedule(
                rule="every day at 00:00 UTC", made_at=instant - 5, next_at=instant, ends_at=None, warn_at=None,
                options="{}", message='{"text":"Now!"}', targets=(TARGETS[n % 3],), chat="", reach="", person="",
                person_name="b",
            )
            for n in range(due)
        ]  # fmt: skip

        def make_due(tx: Tx) -> None:
            local = time.strftime("%H:%M:%S", time.gmtime(instant))
            for row in rows:
                tx.schedules.add(replace(row, rule=f"every day at {local} UTC"), now=instant - 5)

        await store.write(make_due)
        all_fired = asyncio.Event()

        def fired(late_s: float) -> None:
            late.append(late_s)
            if len(late) == due:
                all_fired.set()

        engine = Schedules(store=store, firing=firing, fired=fired)
        engine.start()
        await at.engine.start()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(60):
                await all_fired.wait()
        await engine.stop()
        await at.engine.stop(grace_s=5.0)
        listed = time.perf_counter()
        number_listed = await store.read(
            lambda tx: len([planning.data(s, now=0.0, instant=str) for s in tx.schedules.all()])
        )
        return {
            "schedules": number,
            "add one, ms (median, p99)": [_round(statistics.median(adding)), _round(_p99(adding))],
            "wake-up with nothing due, ms (median, p99)": [_round(statistics.median(waking)), _round(_p99(waking))],
            f"{due} due in one second: fired": len(late),
            "lateness, s (median, p99, most)": [
                _round(statistics.median(late)), _round(_p99(late)), _round(max(late))
            ],
            "list all with their next three, s": [number_listed, _round(time.perf_counter() - listed)],
        }  # fmt: skip
    finally:
        await store.close()


def _p99(values: list[float]) -> float:
    return sorted(values)[int(len(values) * 0.99) - (1 if len(values) % 100 == 0 else 0)]


def _round(value: float) -> float:
    return round(value, 3)


async def main(*, number: int, due: int) -> dict[str, object]:
    """Measure and return it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        database = folder / "data" / "patchbay.sqlite3"
        empty_s, empty_mb = await start_of(folder)
        store = await SqliteStore.open(database)
        now = time.time()
        for begin in range(0, number, 5_000):
            await store.write(lambda tx, begin=begin: fill(tx, min(5_000, number - begin), now=now))  # type: ignore[misc]
        await store.close()
        full_s, full_mb = await start_of(folder)
        found = await measured(database, number=number, due=due)
        return {
            **found,
            "start, s (none, all)": [_round(empty_s), _round(full_s)],
            "memory, MB (none, all)": [round(empty_mb), round(full_mb)],
        }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--schedules", type=int, default=100_000)
    parser.add_argument("--due", type=int, default=1_000)
    given = parser.parse_args()
    print(json.dumps(asyncio.run(main(number=given.schedules, due=given.due)), indent=2))
