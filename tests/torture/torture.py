"""The bot under torture: killed and restarted while messages come in, then judged by what really arrived."""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import signal
import sqlite3
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from bot import faultpoints
from tests.ports import free_port
from tests.torture.processes import KILLED, Child, Starter
from tests.torture.world import (
    ASKABLE,
    ASKED_BY_WORDS,
    PATHS,
    SHARES,
    ProviderName,
    World,
    number_of,
    stream_of,
    tokens_in,
)

STOP_S = 20.0
LOOK_S = 0.02
WRITE_FOR = 1.3
"""Messages are written for so long, against the time the bot lives: the last ones wait for the last start."""
SENT_MARK, HELD_MARK = "👌", "🤔"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to be done to the bot."""

    kills: int
    messages: int
    policy: Literal["hold", "resend"]
    provider: ProviderName = "cinnox"
    path: Literal["telegram", "hooks", "both"] = "both"
    seed: int = 1
    gap_s: tuple[float, float] = (0.02, 0.5)
    """How long it lives once it is up, anything between; every fifth is killed on its way up."""
    gently: bool = False
    """With SIGTERM in place of SIGKILL."""
    quiet_s: float = 60.0
    """How long it may take after the last restart until nothing is left to do."""


@dataclass(kw_only=True)
class Figures:
    """What came of it. ``violations`` is empty if every promise was kept."""

    messages: int = 0
    kills: int = 0
    accepted: int = 0
    lost: int = 0
    duplicates: int = 0
    held: int = 0
    held_and_arrived: int = 0
    inversions: int = 0
    stuck: int = 0
    in_flight: int = 0
    """Attempts found begun and not settled after the kills, all together."""
    in_flight_most: int = 0
    """And the most of them after one kill."""
    hook_tries: int = 0
    longest_restart_s: float = 0.0
    seconds: float = 0.0
    violations: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """All of it."""
        return asdict(self)


class Bench:
    """One bot with its folder, between the two sides of a world."""

    def __init__(self, world: World, *, starter: Starter, folder: Path, config: str, port: int) -> None:
        self.world = world
        self.port = port
        self.database = folder / "data" / "patchbay.sqlite3"
        self.log = folder / "log"
        self._starter = starter
        self._folder = folder
        self._config = folder / "patchbay.toml"
        self._config.write_text(config)
        self.begun: list[Counter[str]] = []
        """After each kill, the tokens of attempts found begun and not settled, and not found so before."""
        self._found: set[tuple[int, float]] = set()

    async def start(self, *, kill_at: str = "") -> Child:
        """Start the bot; with ``kill_at`` it kills itself there."""
        env = {faultpoints.VARIABLE: kill_at} if kill_at else {}
        argv = ["--config", str(self._config), "run", "--log-level", "warning"]
        return await self._starter.start(argv, env=env, out=self.log, log=self.log)

    async def command(self, *argv: str) -> str:
        """Run a command beside the bot; what it printed."""
        out = self._folder / f"out-{time.monotonic_ns()}"
        child = await self._starter.start(["--config", str(self._config), *argv], env={}, out=out, log=self.log)
        code = await child.wait()
        assert code == 0, f"patchbay {' '.join(argv)} ended with {code}: {self.last_words()}"
        return out.read_text()

    def last_words(self) -> str:
        """The end of the bot's log."""
        return self.log.read_text()[-2000:] if self.log.exists() else ""

    def after_kill(self) -> None:
        """Note what was under way, from a copy: the database itself is left for the bot to recover."""
        with tempfile.TemporaryDirectory(dir=self._folder) as name:
            copy = Path(name) / "copy"
            for suffix in ("", "-wal"):
                file = self.database.with_name(self.database.name + suffix)
                if file.exists():
                    shutil.copy(file, copy.with_name(copy.name + suffix))
            with closing(sqlite3.connect(copy)) as db:
                try:
                    found = db.execute("SELECT id, started_at, payload FROM outbox WHERE state = 'sending'").fetchall()
                except sqlite3.OperationalError:
                    found = []  # killed before there was a table
        new = [payload for id, at, payload in found if (id, at) not in self._found]
        self._found |= {(id, at) for id, at, _ in found}
        self.begun.append(Counter(token for payload in new for token in tokens_in(payload)))

    def undone(self) -> dict[str, int]:
        """What the bot still has to do, by kind."""
        with closing(sqlite3.connect(self.database)) as db:
            db.execute("PRAGMA query_only = ON")
            (pending,) = db.execute("SELECT COUNT(*) FROM inbox WHERE state = 'pending'").fetchone()
            (waiting,) = db.execute("SELECT COUNT(*) FROM outbox WHERE state IN ('queued', 'sending')").fetchone()
            (marks,) = db.execute("SELECT COUNT(*) FROM marks WHERE want != shown").fetchone()
        return {"untold": self.world.untold, "inbox": pending, "outbox": waiting, "marks": marks}

    async def rest(self, ends: asyncio.Future[int], *, within_s: float) -> dict[str, int]:
        """Wait until there is nothing left to do, or time is up; what is left then. ``ends``: the bot's own end."""
        undone = {"start": 1}
        quiet_looks = 0
        try:
            async with asyncio.timeout(within_s):
                await up(self.port)
                while quiet_looks < 2:
                    await asyncio.sleep(LOOK_S * (1 + 4 * quiet_looks))
                    assert not ends.done(), f"the bot ended by itself ({ends.result()}): {self.last_words()}"
                    undone = {name: n for name, n in self.undone().items() if n}
                    quiet_looks = 0 if undone else quiet_looks + 1
        except TimeoutError:
            pass
        return undone

    def terminate(self, child: Child) -> None:
        """Tell it to stop, as a service manager does."""
        os.kill(child.pid, signal.SIGTERM)

    async def stop(self, child: Child, ends: asyncio.Future[int]) -> str:
        """Tell it to stop; what was wrong with how it did."""
        self.terminate(child)
        try:
            async with asyncio.timeout(STOP_S):
                code = await ends
        except TimeoutError:
            os.kill(child.pid, signal.SIGKILL)
            return f"SIGTERM did not end it within {STOP_S:g} s: {self.last_words()}"
        return "" if code == 0 else f"told to stop it ended with {code}: {self.last_words()}"


@asynccontextmanager
async def bench(plan: Plan, *, starter: Starter, folder: Path) -> AsyncIterator[Bench]:
    """A world and a bot that has its rules, not started yet."""
    port = free_port()
    world = World(plan.provider, hook_base=f"http://127.0.0.1:{port}")
    async with world.open() as (telegram_url, provider_url):
        config = world.config(telegram_url=telegram_url, provider_url=provider_url, port=port, policy=plan.policy)
        made = Bench(world, starter=starter, folder=folder, config=config, port=port)
        rules = folder / "routes.toml"
        rules.write_text(world.routes())
        await made.command("routes", "import", str(rules), "--yes")
        yield made


async def torture(
    plan: Plan, *, starter: Starter, folder: Path, progress: Callable[[str], None] = lambda line: None
) -> Figures:
    """Kill and restart the bot at random moments while messages come in, then judge."""
    started = time.monotonic()
    chance = random.Random(plan.seed)
    async with bench(plan, starter=starter, folder=folder) as made:
        writer = asyncio.create_task(_write(made.world, plan, chance=random.Random(plan.seed + 1)))
        figures = Figures(messages=plan.messages)
        problems: list[str] = []
        try:
            for kill in range(plan.kills):
                began = time.monotonic()
                child = await made.start()
                ends = asyncio.ensure_future(child.wait())
                if plan.gently or kill % 5:
                    await up(made.port)
                    figures.longest_restart_s = max(figures.longest_restart_s, round(time.monotonic() - began, 2))
                await asyncio.sleep(chance.uniform(*plan.gap_s))
                if plan.gently:
                    problems += filter(None, [await made.stop(child, ends)])
                else:
                    os.kill(child.pid, signal.SIGKILL)
                    code = await ends
                    if code != KILLED:
                        problems.append(f"the bot ended by itself ({code}): {made.last_words()}")
                figures.kills += 1
                made.after_kill()
                progress(
                    f"kill {kill + 1}/{plan.kills}, {len(made.world.written)}/{plan.messages} written, "
                    f"{len(made.world.arrivals())} arrived, {sum(made.begun[-1].values())} under way at this kill, "
                    f"{time.monotonic() - began:.1f} s"
                )
            child = await made.start()
            await writer
            problems += await finish(made, child, plan, figures)
        finally:
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
    figures.seconds = round(time.monotonic() - started, 1)
    figures.violations[:0] = problems
    return figures


async def _write(world: World, plan: Plan, *, chance: random.Random) -> None:
    """All messages, spread over the time that the kills take."""
    kinds = PATHS[plan.path]
    span_s = plan.kills * sum(plan.gap_s) / 2 * WRITE_FOR
    started = time.monotonic()
    for n in range(plan.messages):
        await asyncio.sleep(max(0.0, started + span_s * n / plan.messages - time.monotonic()))
        (kind,) = chance.choices(kinds, weights=[SHARES[kind] for kind in kinds])
        world.write(kind, chance.randrange(6))


async def up(port: int, *, within_s: float = 20.0) -> None:
    """Wait until the bot's port takes connections."""
    async with asyncio.timeout(within_s):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(LOOK_S)
            else:
                writer.close()
                await writer.wait_closed()
                return


async def finish(made: Bench, child: Child, plan: Plan, figures: Figures) -> list[str]:
    """Let a running bot come to rest, stop it, and judge what arrived; fills in ``figures``."""
    ends = asyncio.ensure_future(child.wait())
    undone = await made.rest(ends, within_s=plan.quiet_s)
    figures.stuck = sum(undone.values())
    problems = [f"not quiet after {plan.quiet_s:g} s: {undone}"] if undone else []
    problems += filter(None, [await made.stop(child, ends)])
    stats = json.loads(await made.command("stats", "--json"))
    every = json.loads(await made.command("outbox", "list", "--json"))
    held = [row for row in every if row["state"] == "held"]
    figures.hook_tries = made.world.hook_answers.total()
    judge(made, plan, figures, held=held)
    judge_books(made.world, figures, stats=stats, rows=every)
    return problems


def judge(made: Bench, plan: Plan, figures: Figures, *, held: Sequence[Mapping[str, Any]]) -> None:
    """Compare what was written with what arrived."""
    world, wrong = made.world, figures.violations
    arrivals = world.arrivals()
    count = Counter(token for token, _ in arrivals)
    begun: Counter[str] = Counter()
    for one in made.begun:
        begun.update(one)
    held_tokens = {token for row in held for token in tokens_in(str(row["text"]))}
    missing = [token for token in world.written if token not in count]
    lost = [token for token in missing if token not in held_tokens]
    twice = {token: n - 1 for token, n in count.items() if n > 1}
    figures.accepted = len(count)
    figures.lost = len(lost)
    figures.duplicates = sum(twice.values())
    figures.held = len(held_tokens)
    figures.held_and_arrived = len(held_tokens & count.keys())
    figures.in_flight = sum(begun.values())
    figures.in_flight_most = max((sum(one.values()) for one in made.begun), default=0)
    if lost:
        wrong.append(f"lost: {_some(lost)}")
    if strange := sorted(count.keys() - set(world.written)):
        wrong.append(f"nobody wrote: {_some(strange)}")
    if astray := [token for token, place in arrivals if token in world.written and place != world.place_of(token)]:
        wrong.append(f"arrived elsewhere: {_some(astray)}")
    if doubtless := sorted(held_tokens - begun.keys()):
        wrong.append(f"held without having been under way at a kill: {_some(doubtless)}")
    if plan.policy == "hold" and twice:
        wrong.append(f"twice in spite of hold: {_some(twice)}")
    if plan.policy == "resend" and held_tokens:
        wrong.append(f"held in spite of resend: {_some(sorted(held_tokens))}")
    if unexplained := [token for token, more in twice.items() if more > begun[token]]:
        wrong.append(f"more often than kills can explain: {_some(unexplained)}")
    sure = plan.provider in ASKABLE and not (plan.provider in ASKED_BY_WORDS and plan.kills)
    if sure and (bad := [t for t in {*twice, *held_tokens} if t[0] != "h"]):
        wrong.append(f"in doubt though {plan.provider} can be asked: {_some(bad)}")
    last: dict[str, int] = {}
    seen: set[str] = set()
    for token, _ in arrivals:
        if token in seen:
            continue
        seen.add(token)
        stream, number = stream_of(token), number_of(token)
        if number < last.get(stream, 0):
            figures.inversions += 1
            wrong.append(f"out of order: {token} after {stream}.{last[stream]}")
        last[stream] = max(number, last.get(stream, 0))
    _judge_marks(world, wrong, held_tokens=held_tokens)


def _judge_marks(world: World, wrong: list[str], *, held_tokens: set[str]) -> None:
    marked = [token for token in world.written if stream_of(token)[0] in "tc"]
    bad = {
        token: world.mark_on(token)
        for token in marked
        if world.mark_on(token) != (HELD_MARK if token in held_tokens else SENT_MARK)
    }
    if bad:
        wrong.append(f"{len(bad)} marks are not the truth: {_some([f'{t} has {m!r}' for t, m in bad.items()])}")


def judge_books(world: World, figures: Figures, *, stats: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> None:
    """The bot's own balance must be balanced, and agree with what was really written."""
    wrong = figures.violations
    inbound, deliveries = stats["inbound"], stats["deliveries"]
    if not stats["balanced"]:
        wrong.append(f"the books do not balance: {stats}")
    kinds = Counter(stream_of(token)[0] for token in world.written)
    for name, n in (("relayed", kinds["t"] + kinds["h"] + kinds["p"]), ("commands", kinds["c"])):
        if inbound[name] != n:
            wrong.append(f"{inbound[name]} {name} in the books, {n} were written")
    for name in ("filtered", "unrouted", "unsupported", "failed", "echoes", "pending"):
        if inbound[name]:
            wrong.append(f"{inbound[name]} {name} in the books, there should be none")
    for name in ("dead", "expired", "discarded", "cancelled", "queued", "sending"):
        if deliveries[name]:
            some = [f"{row['id']} to {row['address']}: {row['error']}" for row in rows if row["state"] == name]
            wrong.append(f"{deliveries[name]} {name} deliveries: {_some(some)}")
    copies = Counter(token for row in rows for token in tokens_in(str(row["text"])))
    if odd := [token for token in world.written if copies[token] != 1]:
        wrong.append(f"not exactly one delivery each: {_some(odd)}")


def _some(things: Any) -> str:
    listed = [str(thing) for thing in things]
    more = f" … {len(listed)} in all" if len(listed) > 8 else ""
    return ", ".join(listed[:8]) + more
