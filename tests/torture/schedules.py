"""Schedules under torture: the bot is killed while they fire, and judged by its tables and by what really arrived.

``python -m tests.torture schedules``: the long form. Prints what was measured, for people and as a line of JSON; ends
with 1 if a promise broke.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from bot.plans import options_to_json
from bot.recurrence import Interval, Once, Rule, last_at, occurrences
from bot.schedule_line import Options
from bot.store import Tx
from bot.store.schedules import NewSchedule
from bot.store.sqlite import SqliteStore
from bot.when import show_rule
from bridges.model import Message
from tests.ports import free_port
from tests.torture.processes import KILLED, Child, Starter, nursery
from tests.torture.torture import Bench, up
from tests.torture.world import ACCOUNT, OWNER, ProviderName, World, chat_of

CHAT = chat_of(0)
"""Where the schedules were made, and where they are told of."""
ROOMS, GROUPS = 40, 12
LEAD_S = 1.0
"""From the last preparation until the first is due."""
FORESEEN = 100
"""So many occurrences are foreseen of one schedule."""
BURST = 0.4
"""The share of schedules that are due in the very same second."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One schedule, and what has to become of it."""

    id: int
    text: str
    """What its messages begin with."""
    targets: tuple[str, ...]
    instants: tuple[float, ...]
    """Its occurrences, in order: all of them, if it has an end."""
    state: str = "sent"
    """What has to be written down of each."""
    wiped: bool = False
    """Whether what was sent is taken back, all but the last of them."""


@dataclass(kw_only=True)
class Figures:
    """What came of it. ``violations`` is empty if every promise was kept."""

    schedules: int = 0
    kills: int = 0
    kills_while_due: int = 0
    """Those that found something not fired or not delivered."""
    occurrences: int = 0
    deliveries: int = 0
    lost: int = 0
    doubled: int = 0
    missed: int = 0
    held: int = 0
    """Deliveries found begun after a kill, which may have arrived: a person decides."""
    held_and_arrived: int = 0
    longest_lateness_s: float = 0.0
    seconds: float = 0.0
    violations: list[str] = field(default_factory=list)


class Yard:
    """One bot that has schedules, between Telegram and a provider. Schedules are put into its database from outside."""

    def __init__(self, made: Bench, store: SqliteStore) -> None:
        self.made, self.emulator = made, made.world.emulator
        self.wanted: list[Wanted] = []
        self._store = store
        rooms = [f"room-{n}" for n in range(ROOMS)]
        sandbox: Any = made.world.provider.sandbox
        getattr(sandbox, "rooms" if hasattr(sandbox, "rooms") else "conversations").extend(rooms)
        groups = [-1003000000000 - n for n in range(GROUPS)]
        for group in groups:
            self.emulator.add_group(group, f"Group {group}", members=[OWNER], admins=[self.emulator.bot.id])
        self.rooms = [f"{ACCOUNT}:{room}" for room in rooms]
        self.groups = [f"telegram:{group}" for group in groups]

    async def add(self, *specs: tuple[Rule, float, Sequence[str], Options]) -> list[Wanted]:
        """Schedules, each as rule, instant at which it was made, targets and options."""

        def unit(tx: Tx) -> list[Wanted]:
            return [_add(tx, *spec) for spec in specs]

        found = await self._store.write(unit)
        self.wanted += found
        return found

    async def again(self, wanted: Wanted, rule: Rule, made_at: float) -> Wanted:
        """A schedule gets another rule, as by an edit; its former occurrences are wanted still."""
        instants = tuple(each.at for each in occurrences(rule, made_at=made_at))

        def unit(tx: Tx) -> None:
            old = tx.schedules.get(wanted.id)
            assert old is not None
            new = _row(rule, made_at, instants[0], targets=old.targets, options=old.options, message=old.message)
            tx.schedules.change(wanted.id, new, now=made_at)

        await self._store.write(unit)
        new = Wanted(wanted.id, wanted.text, wanted.targets, (*wanted.instants, *instants), wanted.state, wanted.wiped)
        self.wanted[self.wanted.index(wanted)] = new
        return new

    # --- what the tables say

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Rows of the bot's database, as it is now."""
        with closing(sqlite3.connect(self.made.database)) as db:
            db.execute("PRAGMA query_only = ON")
            return db.execute(query, values).fetchall()

    def undone(self) -> dict[str, int]:
        """What the bot still has to do, by kind."""
        counts = {
            "due": "SELECT COUNT(*) FROM schedules WHERE state = 'on' AND next_at IS NOT NULL",
            "untold": "SELECT COUNT(*) FROM occurrences WHERE told = 0",
            "to end": "SELECT COUNT(*) FROM occurrences WHERE delete_at IS NOT NULL",
            "outbox": "SELECT COUNT(*) FROM outbox WHERE state IN ('queued', 'sending')",
            "to give way": "SELECT COUNT(*) FROM broadcasts WHERE ended_at IS NULL AND json_valid(shown)"
            " AND json_array_length(shown, '$.replaces') > 0",
        }
        return {name: n for name, query in counts.items() if (n := self.rows(query)[0][0])}

    async def rest(self, child: Child, *, within_s: float) -> list[str]:
        """Wait until there is nothing left to do, then stop it; what was wrong."""
        ends = asyncio.ensure_future(child.wait())
        problems, undone = [], {"start": 1}
        try:
            async with asyncio.timeout(within_s):
                await up(self.made.port)
                while undone:
                    await asyncio.sleep(0.05)
                    assert not ends.done(), f"the bot ended by itself ({ends.result()}): {self.made.last_words()}"
                    undone = self.undone()
        except TimeoutError:
            problems.append(f"not quiet after {within_s:g} s: {undone}; {self.made.last_words()}")
        return [*problems, *filter(None, [await self.made.stop(child, ends)])]

    # --- the truth

    def arrived(self) -> Counter[tuple[str, str]]:
        """How often each text is at each place, on both sides."""
        found = Counter((f"{ACCOUNT}:{room}", text) for room, text in self.made.world.provider.accepted())
        for group in self.groups:
            for message in self.emulator.messages(int(group.partition(":")[2])):
                if message.get("from", {}).get("id") == self.emulator.bot.id and "text" in message:
                    found[group, message["text"]] += 1
        return found


def _row(
    rule: Rule, made_at: float, next_at: float, *, targets: Sequence[str], options: str, message: str
) -> NewSchedule:
    return NewSchedule(
        rule=show_rule(rule),
        made_at=made_at,
        next_at=next_at,
        ends_at=last_at(rule, made_at=made_at),
        warn_at=None,
        options=options,
        message=message,
        targets=tuple(targets),
        chat=f"telegram:{CHAT}",
        reach="",
        person=str(OWNER),
        person_name="Ann",
    )


def _add(tx: Tx, rule: Rule, made_at: float, targets: Sequence[str], options: Options) -> Wanted:
    instants = tuple(each.at for each in islice(occurrences(rule, made_at=made_at), FORESEEN))
    number = tx.schedules.count() + 1
    text = f"Announcement {number},"
    message = Message(text=f"{text} part {{n}}").model_dump_json(exclude_defaults=True)
    new = _row(rule, made_at, instants[0], targets=targets, options=options_to_json(options), message=message)
    id = tx.schedules.add(new, now=made_at)
    wiped = options.replace or options.expire is not None
    return Wanted(id, text, tuple(targets), instants, wiped=wiped)


def once(at: float) -> Rule:
    """At one instant."""
    return Rule(Once(datetime.fromtimestamp(at, UTC).replace(tzinfo=None)), "UTC")


@asynccontextmanager
async def yard(*, starter: Starter, folder: Path, provider: ProviderName = "cinnox") -> AsyncIterator[Yard]:
    """A world and a bot that is not started yet."""
    port = free_port()
    world = World(provider, hook_base=f"http://127.0.0.1:{port}")
    async with world.open() as (telegram_url, provider_url):
        config = world.config(telegram_url=telegram_url, provider_url=provider_url, port=port, policy="hold")
        made = Bench(world, starter=starter, folder=folder, config=config, port=port)
        store = await SqliteStore.open(made.database)
        try:
            yield Yard(made, store)
        finally:
            await store.close()


# --- judging


def judge(ground: Yard, figures: Figures) -> None:
    """Compare what was to be with the tables and with what arrived; fills in ``figures``."""
    wrong = figures.violations
    arrived = ground.arrived()
    decided: dict[int, list[tuple[Any, ...]]] = {}
    for row in ground.rows("SELECT schedule, at, state, decided_at, broadcast, number, missed FROM occurrences"):
        decided.setdefault(row[0], []).append(row[1:])
    sends: dict[int, list[tuple[str, int, str]]] = {}
    for broadcast, account, conversation, part, state in ground.rows(
        "SELECT broadcast, account, conversation, part, state FROM outbox"
        " WHERE broadcast IS NOT NULL AND op = 'send' ORDER BY id"
    ):
        sends.setdefault(broadcast, []).append((f"{account}:{conversation}", part, state))
    all_sends = dict(sends)
    for wanted in ground.wanted:
        rows = sorted(decided.pop(wanted.id, []))
        _judge_occurrences(wanted, rows, figures)
        last = max((row[0] for row in rows), default=0.0)
        for at, state, decided_at, broadcast, number, _ in rows:
            if state != "sent":
                continue
            figures.longest_lateness_s = max(figures.longest_lateness_s, round(decided_at - at, 2))
            stays: bool | None = not wanted.wiped or (at == last and len(wanted.instants) > 1)
            later = [each[3] for each in rows if each[0] > at and each[1] == "sent"]
            if not stays and later and not any(state == "sent" for id in later for *_, state in all_sends[id]):
                stays = None  # what was to take its place is in doubt everywhere, so it is left there
            text = f"{wanted.text} part {number}"
            _judge_sends(wanted, text, sends.pop(broadcast, []), arrived, figures, stays=stays)
    if decided:
        wrong.append(f"occurrences of unknown schedules: {sorted(decided)[:8]}")
    if sends:
        wrong.append(f"deliveries of announcements that no occurrence has: {sorted(sends)[:8]}")
    strange = [key for key in arrived if key[1].startswith("Announcement ") and arrived[key]]
    if strange:
        figures.doubled += len(strange)
        wrong.append(f"arrived, and nobody wanted it: {strange[:4]}")
    for table, columns in (("occurrences", "schedule, at"), ("outbox", "broadcast, account, conversation, part")):
        which = "WHERE broadcast IS NOT NULL AND op = 'send'" if table == "outbox" else ""
        twice = ground.rows(f"SELECT {columns}, COUNT(*) FROM {table} {which} GROUP BY {columns} HAVING COUNT(*) > 1")
        figures.doubled += len(twice)
        wrong += [f"more than once in {table}: {row}" for row in twice[:4]]
    problems = ground.rows("PRAGMA integrity_check")
    if problems != [("ok",)]:
        wrong.append(f"the database is damaged: {problems[:3]}")


def _judge_occurrences(wanted: Wanted, rows: Sequence[tuple[Any, ...]], figures: Figures) -> None:
    """Each instant has its row, or is one of those that a later row says were missed before it."""
    figures.occurrences += len(wanted.instants)
    wrong = figures.violations
    for at, state, *_ in rows:
        if at not in wanted.instants:
            wrong.append(f"schedule {wanted.id} has an occurrence at {at}, which is none of its instants")
        if state != wanted.state:
            figures.lost += wanted.state == "sent"
            wrong.append(f"schedule {wanted.id} at {at} is {state}, not {wanted.state}")
    missed = sum(row[5] for row in rows)
    figures.missed += missed
    if (told := len(rows) + missed) != len(wanted.instants):
        figures.lost += max(len(wanted.instants) - told, 0)
        wrong.append(f"schedule {wanted.id}: {told} of its {len(wanted.instants)} occurrences are accounted for")


def _judge_sends(
    wanted: Wanted,
    text: str,
    sends: Sequence[tuple[str, int, str]],
    arrived: Counter[tuple[str, str]],
    figures: Figures,
    *,
    stays: bool | None,
) -> None:
    """One delivery for each target, each of them arrived at most once, and not at all only if it is in doubt.

    ``stays``: whether it is to be there in the end; None: it may be.
    """
    wrong = figures.violations
    figures.deliveries += len(sends)
    if Counter((address, part) for address, part, _ in sends) != Counter((address, 1) for address in wanted.targets):
        wrong.append(f"{text}: not one delivery for each target: {sends[:6]}")
    for address, _, state in sends:
        # Its key is taken away: what is left at the end is what nobody wanted.
        times = arrived.pop((address, text), 0)
        figures.held += state == "held"
        figures.held_and_arrived += state == "held" and times > 0
        if times > 1:
            figures.doubled += 1
            wrong.append(f"{text}: {times} times at {address}")
        if state == "sent" and stays and not times:
            figures.lost += 1
            wrong.append(f"{text}: counted as sent, and is not at {address}")
        if state == "sent" and stays is False and times and address.startswith("telegram:"):
            wrong.append(f"{text}: is still at {address}, and was to be taken back")
        if state not in ("sent", "held"):
            figures.lost += 1
            wrong.append(f"{text}: the delivery to {address} is {state}")


# --- at random


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to be done to the bot."""

    kills: int
    schedules: int
    seed: int = 1
    span_s: int = 60
    """All are due within so many seconds."""
    gap_s: tuple[float, float] = (0.05, 0.7)
    """How long it lives from its birth, anything between: some die on their way up."""
    provider: ProviderName = "cinnox"
    quiet_s: float = 120.0
    """How long it may take after the last restart until nothing is left to do."""


async def storm(
    plan: Plan, *, starter: Starter, folder: Path, progress: Callable[[str], None] = lambda line: None
) -> Figures:
    """Kill and restart the bot at random moments while many schedules fire, then judge."""
    began, chance = time.monotonic(), random.Random(plan.seed)
    figures = Figures(schedules=plan.schedules)
    async with yard(starter=starter, folder=folder, provider=plan.provider) as ground:
        await ground.add(*_many(ground, plan, chance))
        for kill in range(plan.kills):
            child = await ground.made.start()
            await asyncio.sleep(chance.uniform(*plan.gap_s))
            os.kill(child.pid, signal.SIGKILL)
            code = await child.wait()
            if code != KILLED:
                figures.violations.append(f"the bot ended by itself ({code}): {ground.made.last_words()}")
            figures.kills += 1
            undone = ground.undone()
            figures.kills_while_due += bool(undone)
            progress(f"kill {kill + 1}/{plan.kills}, {undone}")
        figures.violations += await ground.rest(await ground.made.start(), within_s=plan.quiet_s)
        judge(ground, figures)
    figures.seconds = round(time.monotonic() - began, 1)
    return figures


def _many(ground: Yard, plan: Plan, chance: random.Random) -> Iterable[tuple[Rule, float, Sequence[str], Options]]:
    """Most go once to one place; some to several, some to so many that they are let go a few at a time, some repeat.

    Few go to Telegram, which takes 30 messages a second.
    """
    first = float(int(time.time() + LEAD_S) + 1)
    for _ in range(plan.schedules):
        at = first if chance.random() < BURST else first + chance.randrange(plan.span_s)
        kind = chance.random()
        number = 1 if kind < 0.85 else chance.randint(2, 4) if kind < 0.99 else 10
        targets = chance.sample(ground.rooms, number)
        if chance.random() < 0.05:
            targets[-1] = chance.choice(ground.groups)
        if kind > 0.8 and plan.span_s > 20:
            yield Rule(Interval(10), "UTC", times=3), min(at, first + plan.span_s - 21) - 10, targets, Options()
        else:
            yield once(at), at - 10.0, targets, Options()


# --- the long form


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.torture schedules", description=__doc__)
    add = parser.add_argument
    add("--kills", type=int, default=200)
    add("--schedules", type=int, default=1000, help="all due within one minute")
    add("--provider", choices=("cinnox", "echo", "netsapiens", "openim"), default="cinnox")
    add("--seed", type=int, default=1)
    add("--gap", type=float, nargs=2, default=(0.05, 0.7), metavar="SECONDS", help="shortest and longest life")
    return parser.parse_args(argv)


def _progress(line: str) -> None:
    end = "\r" if sys.stderr.isatty() else "\n"
    print(f"{line:<100}", end=end, file=sys.stderr, flush=True)


def main(argv: Sequence[str]) -> int:
    """Run it, and print what was measured."""
    given = _arguments(argv)
    plan = Plan(
        kills=given.kills,
        schedules=given.schedules,
        provider=given.provider,
        seed=given.seed,
        gap_s=tuple(given.gap),
    )
    with tempfile.TemporaryDirectory(prefix="patchbay-torture-") as name, nursery(Path(name)) as starter:
        folder = Path(name) / "bot"
        folder.mkdir()
        figures = asyncio.run(storm(plan, starter=starter, folder=folder, progress=_progress))
    print(f"\n{in_words(figures)}", *(f"  BROKEN: {each}" for each in figures.violations), sep="\n")
    print(json.dumps({"provider": plan.provider, "seed": plan.seed} | asdict(figures), ensure_ascii=False), flush=True)
    return int(bool(figures.violations))


def in_words(figures: Figures) -> str:
    """What was measured, in one line."""
    return (
        f"{figures.schedules} schedules, {figures.kills} kills ({figures.kills_while_due} with something to do): "
        f"{figures.occurrences} occurrences, {figures.deliveries} deliveries, {figures.lost} lost, "
        f"{figures.doubled} doubled, {figures.missed} missed, {figures.held} held ({figures.held_and_arrived} of them "
        f"had arrived), longest lateness {figures.longest_lateness_s:g} s; {figures.seconds:g} s"
    )
