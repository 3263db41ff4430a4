"""Group commit: units that arrive together share one commit, and each stands or falls by itself."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from bot.store import StoreUnavailable, Tx
from bot.store.outbox import NewDelivery
from bot.store.sqlite import SqliteStore

Ended = list[Any]


def count(tx: Tx) -> None:
    tx.counters.add("a", "n")


class Own(Exception):
    """An error of a unit itself."""


def add(tx: Tx, *conversations: str) -> list[int]:
    return [tx.outbox.add(NewDelivery("a", one, "{}", 1.0, 1e9, "hold")) for one in conversations]


@asynccontextmanager
async def together(store: SqliteStore) -> AsyncIterator[Callable[[Callable[[Tx], Any]], Awaitable[Any]]]:
    """What is handed over inside arrives while the writer is busy, so it makes one group; it runs when left."""
    busy, go = threading.Event(), threading.Event()

    def wait(tx: Tx) -> None:
        busy.set()
        assert go.wait(30)

    first = asyncio.ensure_future(store.write(wait))
    assert await asyncio.to_thread(busy.wait, 30)
    handed: list[asyncio.Future[Any]] = []

    def hand(unit: Callable[[Tx], Any]) -> Awaitable[Any]:
        handed.append(asyncio.ensure_future(store.write(unit)))
        return handed[-1]

    yield hand
    await asyncio.sleep(0)  # each is handed over when its task first runs
    go.set()
    await first
    await asyncio.wait(handed)


async def ends(*awaited: Awaitable[Any]) -> Ended:
    return await asyncio.gather(*awaited, return_exceptions=True)


async def conversations(store: SqliteStore) -> list[str]:
    return [row.conversation for row in await store.read(lambda tx: tx.outbox.list())]


async def test_units_that_arrive_together_share_one_commit(sqlite: SqliteStore) -> None:
    async with together(sqlite) as hand:
        before = sqlite.commits
        units = [hand(lambda tx, n=n: add(tx, f"c{n}")) for n in range(100)]  # type: ignore[misc]
    assert await ends(*units) == [[n + 1] for n in range(100)]
    assert sqlite.commits == before + 2  # that of the one it waited for, and theirs


async def test_units_run_in_the_order_they_were_handed_over_and_see_what_went_before(sqlite: SqliteStore) -> None:
    async with together(sqlite) as hand:
        units = [hand(lambda tx: (add(tx, "x"), len(tx.outbox.list()))) for _ in range(20)]
    assert await ends(*units) == [([n], n) for n in range(1, 21)]


@pytest.mark.parametrize("alone", [True, False])
async def test_a_unit_that_raises_after_several_writes_leaves_no_trace(sqlite: SqliteStore, alone: bool) -> None:
    def fails(tx: Tx) -> None:
        add(tx, "bad", "bad", "worse")
        tx.routes.add(name="r", source="a:b", arrow="->", target="c:d", options="{}", created_by="t", now=1.0)
        tx.accounts.pause("a", reason="bad", now=1.0)
        raise Own

    async with together(sqlite) as hand:
        units = [hand(fails)] if alone else [hand(lambda tx: add(tx, "x")), hand(fails), hand(lambda tx: add(tx, "y"))]
    assert [type(end) for end in await ends(*units)] == ([Own] if alone else [list, Own, list])
    assert await conversations(sqlite) == ([] if alone else ["x", "y"])
    assert await sqlite.read(lambda tx: tx.routes.all()) == []
    assert not (await sqlite.read(lambda tx: tx.accounts.get("a"))).paused


async def test_half_of_the_units_may_raise_without_disturbing_the_other_half(sqlite: SqliteStore) -> None:
    def unit(tx: Tx, n: int) -> int:
        add(tx, f"c{n}", f"c{n}")
        if n % 2:
            raise Own(n)
        return n

    async with together(sqlite) as hand:
        units = [hand(lambda tx, n=n: unit(tx, n)) for n in range(40)]  # type: ignore[misc]
    assert [end if isinstance(end, int) else end.args[0] for end in await ends(*units)] == list(range(40))
    assert await conversations(sqlite) == [f"c{n}" for n in range(0, 40, 2) for _ in "12"]


async def test_what_others_counted_stays_when_a_unit_asks_for_the_counters_and_raises(sqlite: SqliteStore) -> None:
    def fails(tx: Tx) -> None:
        tx.counters.add("a", "n", 100)
        assert tx.counters.all()["a", "n"] == 101
        tx.counters.add("a", "n", 1000)
        raise Own

    async with together(sqlite) as hand:
        units = [hand(count), hand(fails), hand(lambda tx: tx.counters.all())]
    assert (await ends(*units))[2] == {("a", "n"): 1}
    assert await sqlite.read(lambda tx: tx.counters.all()) == {("a", "n"): 1}


async def test_what_a_query_counted_by_mistake_is_forgotten(sqlite: SqliteStore) -> None:
    for _ in range(2):
        await sqlite.read(count)
    assert await sqlite.read(lambda tx: tx.counters.all()) == {}


async def test_nobody_is_told_of_what_a_unit_that_raised_would_have_changed(sqlite: SqliteStore) -> None:
    told: list[frozenset[str]] = []
    sqlite.on_wake(told.append)

    def fails(tx: Tx) -> None:
        tx.outbox.add(NewDelivery("never", "x", "{}", 1.0, 1e9, "hold"))
        raise Own

    async with together(sqlite) as hand:
        units = [hand(lambda tx: add(tx, "x")), hand(fails)]
    await ends(*units)
    await asyncio.sleep(0)
    assert told == [frozenset({"a"})]


@pytest.mark.parametrize("error", [StopIteration, KeyboardInterrupt, SystemExit, GeneratorExit])
async def test_whatever_a_unit_raises_everybody_is_answered(sqlite: SqliteStore, error: type[BaseException]) -> None:
    def fails(tx: Tx) -> None:
        add(tx, "bad")
        raise error

    answers: Ended = []

    async def ask(unit: Callable[[Tx], Any]) -> None:
        # Inside the task, or asyncio takes KeyboardInterrupt and SystemExit for its own.
        try:
            answers.append(await sqlite.write(unit))
        except BaseException as told:
            answers.append(type(told))

    async with asyncio.timeout(20):
        await asyncio.gather(ask(fails), ask(lambda tx: len(add(tx, "x"))))
    expected = RuntimeError if error is StopIteration else error
    assert answers == [expected, 1]
    assert await conversations(sqlite) == ["x"]


async def test_a_query_that_runs_out_of_values_is_answered_too(sqlite: SqliteStore) -> None:
    with pytest.raises(RuntimeError, match="StopIteration"):
        await asyncio.wait_for(sqlite.read(lambda tx: next(iter(tx.routes.all()))), 20)


async def test_a_mistake_in_a_statement_is_the_units_own_error_and_no_unavailability(sqlite: SqliteStore) -> None:
    async with together(sqlite) as hand:
        units = [hand(lambda tx: tx.db.execute("SELECT 1 FROM nowhere")), hand(lambda tx: add(tx, "x"))]
    wrong, right = await ends(*units)
    assert type(wrong).__name__ == "OperationalError" and "nowhere" in str(wrong)
    assert right == [1]


async def test_a_query_cannot_write_and_is_told_so(sqlite: SqliteStore) -> None:
    with pytest.raises(Exception, match="readonly") as caught:
        await sqlite.read(lambda tx: add(tx, "x"))
    assert not isinstance(caught.value, StoreUnavailable)
    assert await conversations(sqlite) == []


async def test_a_listener_that_raises_keeps_nothing_from_the_others(sqlite: SqliteStore) -> None:
    told: list[frozenset[str]] = []
    complaints: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: complaints.append(str(context["exception"])))

    def fails(topics: frozenset[str]) -> None:
        raise Own("listener")

    sqlite.on_wake(fails)
    sqlite.on_wake(told.append)
    await sqlite.write(lambda tx: add(tx, "x"))
    await asyncio.sleep(0)
    assert told == [frozenset({"a"})]
    assert complaints == ["listener"]


async def test_one_who_stopped_waiting_disturbs_nobody(sqlite: SqliteStore) -> None:
    async with together(sqlite) as hand:
        gone = asyncio.ensure_future(hand(lambda tx: add(tx, "x")))
        stays = hand(lambda tx: add(tx, "y"))
        await asyncio.sleep(0)
        gone.cancel()
    assert len(await stays) == 1
    with pytest.raises(asyncio.CancelledError):
        await gone


async def test_closing_finishes_what_was_handed_over_and_takes_nothing_more(sqlite: SqliteStore) -> None:
    handed = [asyncio.ensure_future(sqlite.write(lambda tx: add(tx, "x"))) for _ in range(1500)]
    await asyncio.sleep(0)
    await sqlite.close()
    assert await ends(*handed) == [[n + 1] for n in range(1500)]
    with pytest.raises(StoreUnavailable, match="closed"):
        await sqlite.write(lambda tx: None)
    with pytest.raises(StoreUnavailable, match="closed"):
        await sqlite.read(lambda tx: None)
    await sqlite.close()


# --- a full disk


@pytest.mark.parametrize("room", [0, 1, 2, 3, 5, 8, 13, 21, 34, 55, 400])
async def test_a_full_disk_fails_the_whole_batch_or_nothing_of_it_and_works_again_with_space(
    sqlite: SqliteStore, room: int
) -> None:
    """Each of ten units writes three rows of 8 kB: the pages end at another write with each ``room``."""

    def limit(tx: Tx, pages: int) -> None:
        tx.db.execute(f"PRAGMA max_page_count = {pages}")

    def unit(tx: Tx, n: int) -> int:
        for part in range(3):
            tx.outbox.add(NewDelivery("a", f"c{n}", f"{part}" * 8192, 1.0, 1e9, "hold"))
        return n

    pages = await sqlite.write(lambda tx: int(tx.db.execute("PRAGMA page_count").fetchone()[0]))
    await sqlite.write(lambda tx: limit(tx, pages + room))
    async with together(sqlite) as hand:
        units = [hand(lambda tx, n=n: unit(tx, n)) for n in range(10)]  # type: ignore[misc]
    ended = await ends(*units)
    acknowledged = [end for end in ended if isinstance(end, int)]
    if room < 400:
        assert [type(end) for end in ended] == [StoreUnavailable] * 10
        assert {str(end) for end in ended} == {f"{sqlite.path}: its disk is full or failing; free some space"}
    else:
        assert acknowledged == list(range(10))
    assert await conversations(sqlite) == [f"c{n}" for n in acknowledged for _ in range(3)]

    await sqlite.write(lambda tx: limit(tx, 1_000_000))
    assert await sqlite.write(lambda tx: unit(tx, 99)) == 99
    assert await sqlite.write(lambda tx: tx.db.execute("PRAGMA integrity_check").fetchall()) == [("ok",)]


@pytest.mark.parametrize("then", ["goes on", "returns", "raises its own"])
async def test_a_unit_that_hides_a_full_disk_is_not_acknowledged_nor_is_anything_beside_it(
    sqlite: SqliteStore, then: str
) -> None:
    def hides(tx: Tx) -> None:
        pages = int(tx.db.execute("PRAGMA page_count").fetchone()[0])
        tx.db.execute(f"PRAGMA max_page_count = {pages}")
        with contextlib.suppress(sqlite3.Error):
            tx.outbox.add(NewDelivery("a", "x", "0" * 100_000, 1.0, 1e9, "hold"))
        # SQLite has ended the transaction, and what the units before had done is gone.
        if then == "goes on":
            tx.roles.grant("7", "owner")
        elif then == "raises its own":
            raise Own

    async with together(sqlite) as hand:
        units = [hand(lambda tx: add(tx, "y")), hand(hides), hand(lambda tx: add(tx, "z"))]
    said = f"{sqlite.path}: its disk is full or failing; free some space"
    assert [(type(end), str(end)) for end in await ends(*units)] == [(StoreUnavailable, said)] * 3
    assert await conversations(sqlite) == []
    assert await sqlite.read(lambda tx: (tx.roles.holders("owner"), tx.counters.all())) == ([], {})


async def test_a_disk_that_fills_at_the_commit_itself_loses_nothing_and_acknowledges_nothing(
    sqlite: SqliteStore, child: Callable[..., Any]
) -> None:
    """No page is missing here: the file system refuses to let the log grow, at each of many places of it."""
    rooms = [0, 1, 31, 32, 100, 4096, 4127, 4200, 9000, 12_400, 20_000, 33_000, 10_000_000]
    *said, end = child("full", path=sqlite.path, rooms=rooms).rest()
    assert end == "end"
    whole = {(number, tuple(ended)) for number, ended in said}
    assert {ended for _, ended in whole} <= {("ok",) * 5, ("StoreUnavailable",) * 5}
    assert (len(rooms) - 1, ("ok",) * 5) in whole and (0, ("StoreUnavailable",) * 5) in whole
    stored = await conversations(sqlite)
    acknowledged = [f"to{10 * number + n}" for number, ended in said if ended[0] == "ok" for n in range(5)]
    assert sorted(stored) == sorted(acknowledged * 2)
    assert (await sqlite.read(lambda tx: tx.counters.all()))["pbx", "after"] == 1


# --- another process that writes


async def test_another_process_that_writes_is_waited_for(sqlite: SqliteStore, child: Callable[..., Any]) -> None:
    other = child("lock", path=sqlite.path)
    assert await asyncio.to_thread(other.hear) == "locked"
    waits = asyncio.ensure_future(sqlite.write(lambda tx: add(tx, "x")))
    await asyncio.sleep(0)
    other.tell("go")
    assert await waits == [1]


async def test_one_that_holds_it_too_long_makes_the_store_unavailable_and_costs_nothing(
    sqlite: SqliteStore, child: Callable[..., Any]
) -> None:
    await sqlite.write(lambda tx: add(tx, "before"))
    other = child("lock", path=sqlite.path)
    assert await asyncio.to_thread(other.hear) == "locked"
    ended = await ends(*(sqlite.write(lambda tx: add(tx, "x")) for _ in range(3)))
    assert [type(end) for end in ended] == [StoreUnavailable] * 3
    assert str(ended[0]) == f"{sqlite.path}: database is locked; another program holds it, end that or wait"
    assert await conversations(sqlite) == ["before"], "who only looks is not kept waiting"
    other.tell("go")
    assert await asyncio.to_thread(other.hear) == "free"
    await sqlite.write(lambda tx: add(tx, "after"))
    assert await conversations(sqlite) == ["before", "after"]


# --- caches of rules


async def epoch(store: SqliteStore) -> int:
    return await store.write(lambda tx: tx.epoch)


def route(tx: Tx) -> int:
    tx.routes.add(name=None, source="a:b", arrow="->", target="c:d", options="{}", created_by="t", now=1.0)
    return tx.epoch


async def test_the_epoch_grows_with_rules_and_with_nothing_else(sqlite: SqliteStore) -> None:
    before = await epoch(sqlite)
    await sqlite.write(lambda tx: add(tx, "x"))
    assert await epoch(sqlite) == before
    await sqlite.write(route)
    after_route = await epoch(sqlite)
    assert after_route > before
    await sqlite.write(lambda tx: tx.roles.grant("7", "owner"))
    assert await epoch(sqlite) > after_route


async def test_a_unit_sees_the_rules_of_one_before_it_in_the_same_commit_as_new(sqlite: SqliteStore) -> None:
    async with together(sqlite) as hand:
        units = [hand(route), hand(lambda tx: tx.epoch)]
    changing, following = await ends(*units)
    assert following > changing


async def test_rules_of_a_unit_that_raised_are_not_taken_for_those_that_are(sqlite: SqliteStore) -> None:
    seen: list[int] = []

    def fails(tx: Tx) -> None:
        route(tx)
        seen.append(tx.epoch)
        raise Own

    async with together(sqlite) as hand:
        units = [hand(fails), hand(lambda tx: tx.epoch)]
    _, following = await ends(*units)
    assert len(seen) == 2 and following > seen[-1]


async def test_who_only_reads_sees_the_epoch_grow_too(sqlite: SqliteStore) -> None:
    before = await sqlite.read(lambda tx: tx.epoch)
    await sqlite.write(route)
    assert await sqlite.read(lambda tx: tx.epoch) > before
