"""S4 and S6 for real: the process is killed with SIGKILL, and what it had been told is still true.

A child reports ``try`` before each unit and ``ok`` after it was acknowledged. What was acknowledged must be there
after opening again; what was tried is there whole or not at all; nothing else is there.
"""

from __future__ import annotations

import asyncio
import itertools
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bot.store import Tx
from bot.store.balance import balance
from bot.store.sqlite import SqliteStore

UNITS = 10
ABSENT = ("started", "written", "commit")
"""Dying there, the unit never was: as it starts, with everything written, as the commit is asked for."""
PRESENT = ("committed", "told")
"""Dying there, it was: before anybody was told of the commit, and after."""
EITHER = ("handed over",)
POINTS = (*ABSENT, *PRESENT, *EITHER)


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database that was made and not used, to copy: making one takes longer than a kill."""
    path = tmp_path_factory.mktemp("empty") / "empty.sqlite3"

    async def make() -> None:
        await (await SqliteStore.open(path)).close()

    asyncio.run(make())
    return path


def found(tx: Tx) -> dict[str, set[int]]:
    """What is there, by what did it. An arrival is there only if all of it is, and none of it must be without."""
    arrived = set()
    counters = tx.counters.all()
    deliveries = tx.outbox.list()
    for n in range(counters.get(("pbx", "accepted"), 0) + 20):
        message = tx.messages.find("pbx", f"m{n}")
        payloads = [row.payload for row in deliveries if row.conversation == f"to{n}"]
        seen = tx.db.execute("SELECT COUNT(*) FROM seen WHERE key = ?", (f"event{n}",)).fetchone()[0]
        keyed = tx.db.execute("SELECT COUNT(*) FROM inbox WHERE key = ?", (f"in{n}",)).fetchone()[0]
        parts = [message is not None, payloads == [f'"{n}/1"', f'"{n}/2"'], seen == 1, keyed == 1]
        assert all(parts) or not any((*parts, payloads)), f"arrival {n} is there in part: {parts}"
        if all(parts):
            arrived.add(n)
    assert counters.get(("pbx", "relayed"), 0) == len(arrived)
    states = {(int(row.conversation[2:]), row.state) for row in deliveries}
    return {
        "arrive": arrived,
        "begin": {n for n, state in states if state in ("sending", "sent")},
        "settle": {n for n, state in states if state == "sent"},
    }


async def verify(path: Path, said: list[Any]) -> dict[str, set[int]]:
    """Open what a killed process left, and hold it to what that had said. Returns what of the last unit is there."""
    tried = [(name, n) for word, name, n in said if word == "try"]
    acknowledged = [(name, n) for word, name, n in said if word == "ok"]
    store = await SqliteStore.open(path, exclusive=True)
    try:
        there = await store.read(found)
        for name, numbers in there.items():
            assert {n for did, n in acknowledged if did == name} <= numbers, f"acknowledged and lost: {name}"
            assert numbers <= {n for did, n in tried if did == name}, f"there and never tried: {name}"
        assert (await store.read(balance))["balanced"]
        leases = await store.write(lambda tx: tx.outbox.recover(owner="next", now=300.0, lease_s=60.0))
        unknown = {(int(lease.conversation[2:]), len(lease.rows)) for lease in leases}
        assert unknown == {(n, 2) for n in there["begin"] - there["settle"]}
        free = await store.write(lambda tx: tx.outbox.claim("pbx", owner="next", now=300.0, lease_s=60.0, limit=99))
        assert {int(lease.conversation[2:]) for lease in free} == there["arrive"] - there["begin"]
        return there
    finally:
        await store.close()


@pytest.mark.parametrize("point", POINTS)
async def test_killed_at_any_unit_nothing_acknowledged_is_lost_and_nothing_is_there_by_half(
    empty: Path, tmp_path: Path, child: Callable[..., Any], point: str
) -> None:
    ends = []
    for at in range(UNITS):
        path = tmp_path / f"{at}.sqlite3"
        shutil.copy(empty, path)
        said = child("steps", path=path, point=point, at=at).rest()
        assert "end" not in said, "it was to die"
        _, name, n = said[-1]
        there = await verify(path, said)
        if name in there:
            ends.append(n in there[name])
    if point in ABSENT:
        assert set(ends) == {False}
    elif point in PRESENT:
        assert set(ends) == {True}
    assert len(ends) == UNITS - 1


async def test_left_alone_it_comes_to_its_end(empty: Path, tmp_path: Path, child: Callable[..., Any]) -> None:
    path = tmp_path / "whole.sqlite3"
    shutil.copy(empty, path)
    *said, end = child("steps", path=path, point="nowhere", at=-1).rest()
    assert end == "end"
    assert await verify(path, said) == {"arrive": {0, 1, 2, 3}, "begin": {0, 1, 2}, "settle": {0, 2}}


@pytest.mark.parametrize("acknowledged", [1, 2, 3, 5, 8, 13, 21, 34])
async def test_killed_among_group_commits_nothing_acknowledged_is_lost(
    empty: Path, tmp_path: Path, child: Callable[..., Any], acknowledged: int
) -> None:
    path = tmp_path / "storm.sqlite3"
    shutil.copy(empty, path)
    process = child("storm", path=path)
    said: list[Any] = []
    while sum(word == "ok" for word, *_ in said) < acknowledged:
        said.append(process.hear())
    said += process.kill()
    await verify(path, said)


async def test_killed_while_making_the_database_it_can_be_opened_and_made(
    tmp_path: Path, child: Callable[..., Any]
) -> None:
    for statement in itertools.count(step=7):
        path = tmp_path / f"{statement}.sqlite3"
        ended = child("make", path=path, at=statement).rest()
        store = await SqliteStore.open(path)
        assert await store.write(lambda tx: tx.notices.first("it works", now=1.0))
        await store.close()
        if ended:
            assert statement > 50
            break
