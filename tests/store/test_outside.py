"""What other processes do to the file, and what happens to it: changes, locks, first starts, damage."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import threading
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bot.store import AlreadyRunning, Damaged, StoreUnavailable, Tx
from bot.store.migrations import migrations
from bot.store.outbox import NewDelivery, Outcome
from bot.store.sqlite import LOOK_S, SqliteStore


def add(tx: Tx, *conversations: str, payload: str = "{}") -> list[int]:
    return [tx.outbox.add(NewDelivery("a", one, payload, 1.0, 1e9, "hold")) for one in conversations]


def count(tx: Tx) -> int:
    return len(tx.outbox.list())


async def told_of_others(store: SqliteStore) -> None:
    """Return when listeners hear that another process changed something."""
    heard = asyncio.Event()
    store.on_wake(lambda topics: heard.set() if "*" in topics else None)
    # A second is what is promised; a machine under load gets more for coming to it.
    assert LOOK_S <= 0.5
    await asyncio.wait_for(heard.wait(), 10)


# --- changes from outside


async def test_what_another_process_commits_is_heard_of_and_makes_rules_new(
    sqlite: SqliteStore, child: Callable[..., Any]
) -> None:
    before = await sqlite.write(lambda tx: tx.epoch), await sqlite.read(lambda tx: tx.epoch)
    child("write", path=sqlite.path, conversation="x", count=1)
    await told_of_others(sqlite)
    assert await sqlite.write(lambda tx: tx.epoch) > before[0]
    assert await sqlite.read(lambda tx: tx.epoch) > before[1]


async def test_what_another_connection_commits_is_heard_of_by_a_busy_store_too(sqlite: SqliteStore) -> None:
    other = await SqliteStore.open(sqlite.path)
    stop = False

    async def keep_busy() -> None:
        while not stop:
            await sqlite.write(lambda tx: tx.meta.set("busy", "yes"))

    busy = asyncio.ensure_future(keep_busy())
    heard = asyncio.ensure_future(told_of_others(sqlite))
    await asyncio.sleep(0)
    await other.write(lambda tx: tx.roles.grant("7", "owner"))
    await heard
    stop = True
    await busy
    await other.close()


async def test_its_own_changes_are_not_taken_for_those_of_others(sqlite: SqliteStore) -> None:
    topics: set[str] = set()
    sqlite.on_wake(topics.update)
    await sqlite.write(lambda tx: add(tx, "x"))
    await sqlite.read(count)
    done = threading.Event()
    look = sqlite._look

    def looked() -> None:
        look()
        done.set()

    sqlite._look = looked  # type: ignore[method-assign]
    assert await asyncio.to_thread(done.wait, 10)
    await sqlite.write(lambda tx: add(tx, "x"))
    assert topics == {"a"}


async def test_an_arrival_wakes_whoever_waits_for_arrivals(sqlite: SqliteStore) -> None:
    from bot.store.inbox import Arrived

    told: list[frozenset[str]] = []
    sqlite.on_wake(told.append)
    await sqlite.write(lambda tx: tx.inbox.put(Arrived("a", b"{}", 1.0)))
    await asyncio.sleep(0)
    assert told == [frozenset({"inbox"})]


async def test_who_reads_sees_one_moment_while_others_write(sqlite: SqliteStore) -> None:
    await sqlite.write(lambda tx: add(tx, "x"))
    looked, written = threading.Event(), threading.Event()

    def twice(tx: Tx) -> tuple[int, int]:
        first = count(tx)
        looked.set()
        assert written.wait(20)
        return first, count(tx)

    reading = asyncio.ensure_future(sqlite.read(twice))
    assert await asyncio.to_thread(looked.wait, 20)
    await sqlite.write(lambda tx: add(tx, "y", "z"))
    written.set()
    assert await reading == (1, 1)
    assert await sqlite.read(count) == 3


async def test_a_query_that_raises_leaves_the_reader_free_for_the_next_moment(sqlite: SqliteStore) -> None:
    def fails(tx: Tx) -> None:
        count(tx)
        raise LookupError

    for _ in range(4):
        with pytest.raises(LookupError):
            await sqlite.read(fails)
    await sqlite.write(lambda tx: add(tx, "x"))
    assert [await sqlite.read(count) for _ in range(4)] == [1] * 4


# --- who may run


async def test_a_second_run_on_the_same_database_is_refused_with_the_remedy(path: Path) -> None:
    first = await SqliteStore.open(path, exclusive=True)
    with pytest.raises(AlreadyRunning, match=r"patchbay\.sqlite3: another patchbay already runs .* store\.path"):
        await SqliteStore.open(path, exclusive=True)
    beside = await SqliteStore.open(path)
    assert await beside.write(lambda tx: add(tx, "x")) == [1]
    await beside.close()
    await first.close()
    await (await SqliteStore.open(path, exclusive=True)).close()


async def test_a_second_run_from_another_process_is_refused_and_a_link_does_not_help(
    path: Path, child: Callable[..., Any]
) -> None:
    store = await SqliteStore.open(path, exclusive=True)
    link = path.with_name("link.sqlite3")
    link.symlink_to(path)
    assert [child("hold", path=each).hear()[0] for each in (path, link)] == ["AlreadyRunning"] * 2
    await store.close()


async def test_after_kill_9_of_the_one_that_ran_the_next_opens_at_once(path: Path, child: Callable[..., Any]) -> None:
    holder = child("hold", path=path)
    assert holder.hear() == ["open", ""]
    with pytest.raises(AlreadyRunning):
        await SqliteStore.open(path, exclusive=True)
    holder.kill()
    await (await SqliteStore.open(path, exclusive=True)).close()


async def test_many_processes_that_open_a_new_file_at_once_all_succeed(path: Path, child: Callable[..., Any]) -> None:
    children = [child("open_together", path=path) for _ in range(6)]
    assert [one.hear() for one in children] == ["waiting"] * 6
    for one in children:
        one.tell("go")
    assert [one.hear() for one in children] == ["written"] * 6
    store = await SqliteStore.open(path)
    assert await store.read(lambda tx: tx.counters.all()) == {("pbx", "opened"): 6}
    await store.close()


# --- opening


async def test_folders_on_the_way_are_made_and_the_file_is_nobody_elses_to_read(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "patchbay.sqlite3"
    store = await SqliteStore.open(path)
    await store.write(lambda tx: add(tx, "x"))
    modes = {stat.S_IMODE(one.stat().st_mode) for one in path.parent.iterdir()}
    await store.close()
    assert modes == {0o600}


async def test_a_database_of_the_first_version_is_brought_up_with_everything_in_it(path: Path) -> None:
    from sqlite_utils import Database

    old = sqlite3.connect(path)
    migrations.apply(Database(old), stop_before="m002_leases_and_retention")
    payload = '{"text": "x"}'
    old.execute(
        "INSERT INTO outbox (id, account, conversation, part, parts, priority, payload, crc, on_ambiguous, state,"
        " marked, created_at, due_at, expires_at) VALUES (1, 'a', 'x', 1, 1, 1, ?, ?, 'hold', 'queued', 0, 1, 1, 1000)",
        (payload, zlib.crc32(payload.encode())),
    )
    old.execute("INSERT INTO lanes (account, conversation, head, priority, due_at) VALUES ('a', 'x', 1, 1, 1)")
    old.commit()
    old.close()
    store = await SqliteStore.open(path)
    (lease,) = await store.write(lambda tx: tx.outbox.claim("a", owner="w", now=2.0, lease_s=9.0, limit=1))
    assert await store.write(lambda tx: tx.outbox.begin(lease, now=2.0))
    assert await store.write(lambda tx: tx.outbox.settle(lease, [Outcome(1, "sent")], now=3.0))
    await store.close()


async def test_a_database_of_a_newer_version_is_left_alone(path: Path) -> None:
    await (await SqliteStore.open(path)).close()
    with sqlite3.connect(path) as db:
        db.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('patchbay', 'm999_later', '')"
        )
    db.close()
    with pytest.raises(Damaged, match=r"patchbay\.sqlite3: made by a newer Patchbay \(m999_later\)"):
        await SqliteStore.open(path)


async def test_a_folder_that_is_a_file_is_named_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    for exclusive in (True, False):
        with pytest.raises(StoreUnavailable, match=r"/data.*: .*; check store\.path"):
            await SqliteStore.open(tmp_path / "data" / "patchbay.sqlite3", exclusive=exclusive)


async def test_a_path_that_is_a_folder_is_named_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match=r"Is a directory; check store\.path"):
        await SqliteStore.open(tmp_path)


async def test_a_new_file_that_another_process_has_locked_is_called_busy_and_not_damaged(path: Path) -> None:
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE something (x)")
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreUnavailable, match="locked; another program holds it"):
        await SqliteStore.open(path, busy_s=0.1)
    other.rollback()
    other.close()


async def test_one_that_cannot_open_gives_the_right_to_run_back(path: Path) -> None:
    await asyncio.to_thread(path.write_bytes, b"not a database, but long enough to be taken for one" * 20)
    with pytest.raises(Damaged):
        await SqliteStore.open(path, exclusive=True)
    await asyncio.to_thread(path.unlink)
    await (await SqliteStore.open(path, exclusive=True)).close()


# --- damage


async def damaged(path: Path, *, offset: int, data: bytes) -> None:
    """Write over a closed database."""
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


async def filled(path: Path, *payloads: str) -> None:
    """A closed database with a delivery for each payload, each to a conversation of its own."""
    store = await SqliteStore.open(path)
    for n, payload in enumerate(payloads):
        await store.write(lambda tx, n=n, payload=payload: add(tx, f"c{n}", payload=payload))  # type: ignore[misc]
    await store.close()


async def test_a_damaged_header_is_told_in_one_clear_line(path: Path) -> None:
    await filled(path, "{}")
    await damaged(path, offset=0, data=b"X" * 100)
    with pytest.raises(Damaged) as caught:
        await SqliteStore.open(path)
    assert str(caught.value) == f"{path}: file is not a database; restore a backup or move the file away"


async def test_a_foreign_database_with_a_table_of_our_name_is_told_in_one_clear_line(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE messages (something TEXT)")
    db.close()
    with pytest.raises(Damaged, match=r"patchbay\.sqlite3: table messages already exists; restore a backup"):
        await SqliteStore.open(path)


async def test_a_page_damaged_under_a_running_store_is_called_damage(path: Path) -> None:
    await filled(path, *("0" * 3000 for _ in range(30)))
    store = await SqliteStore.open(path)
    page, root = await store.read(
        lambda tx: (
            tx.db.execute("PRAGMA page_size").fetchone()[0],
            tx.db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'outbox'").fetchone()[0],
        )
    )
    await store.close()
    await damaged(path, offset=page * (root - 1), data=b"\xff" * page)
    store = await SqliteStore.open(path)
    with pytest.raises(Damaged, match=r"malformed; restore a backup"):
        await store.read(lambda tx: tx.outbox.list())
    with pytest.raises(Damaged, match=r"malformed; restore a backup"):
        await store.write(lambda tx: tx.outbox.list())
    await store.close()


@pytest.mark.parametrize("data", [b"tampered", b"\xff\xfe\xfd\xfc\x80\x80\x80\x80"], ids=["text", "no text at all"])
async def test_a_damaged_payload_is_seen_and_can_be_set_aside_while_the_others_go_on(path: Path, data: bytes) -> None:
    await filled(path, '"intact one"', '"THISONE!"', '"intact two"')
    await damaged(path, offset=(await asyncio.to_thread(path.read_bytes)).index(b"THISONE!"), data=data)
    store = await SqliteStore.open(path)
    assert await store.read(lambda tx: tx.db.execute("PRAGMA quick_check").fetchall()) == [("ok",)]
    leases = await store.write(lambda tx: tx.outbox.claim("a", owner="w", now=2.0, lease_s=9.0, limit=9))
    assert {lease.conversation: lease.rows[0].intact for lease in leases} == {"c0": True, "c1": False, "c2": True}
    broken = next(lease for lease in leases if not lease.rows[0].intact)
    assert await store.write(
        lambda tx: tx.outbox.settle(broken, [Outcome(broken.rows[0].id, "dead", "damaged")], now=3.0)
    )
    await store.close()


async def test_a_reader_that_could_not_be_opened_once_is_opened_the_next_time(
    sqlite: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left(*given: object, **options: object) -> sqlite3.Connection:
        raise StoreUnavailable("too many open files")

    with monkeypatch.context() as patch:
        patch.setattr("bot.store.sqlite.connect", none_left)
        with pytest.raises(StoreUnavailable, match="too many"):
            await sqlite.read(count)
    assert await sqlite.read(count) == 0


async def test_closing_leaves_one_file_that_holds_everything(path: Path) -> None:
    await filled(path, "{}", "{}")
    beside = sorted(one.name for one in os.scandir(path.parent))
    assert [name for name in beside if name.endswith(("-wal", "-shm"))] == []
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT COUNT(*) FROM outbox").fetchone() == (2,)
    db.close()


async def test_a_database_of_the_version_before_goes_on_with_its_rows(path: Path) -> None:
    from sqlite_utils import Database

    old = sqlite3.connect(path)
    migrations.apply(Database(old), stop_before="m003_providers")
    old.execute(
        "INSERT INTO outbox (account, conversation, part, parts, priority, payload, crc, on_ambiguous, state, attempts,"
        " marked, created_at, due_at, expires_at) VALUES ('a', 'c', 1, 1, 1, '{}', ?, 'hold', 'queued', 3, 0, 1, 1, 9e9"
        ")",
        (zlib.crc32(b"{}"),),
    )
    old.execute("INSERT INTO lanes (account, conversation, head, priority, due_at) VALUES ('a', 'c', 1, 1, 1)")
    old.execute("INSERT INTO accounts (account, memory) VALUES ('a', '{\"challenge_mode\": \"plain\"}')")
    old.execute("INSERT INTO conversations VALUES ('a', 'c', 'direct', 'Title', 1, 2)")
    old.commit()
    old.close()
    store = await SqliteStore.open(path)
    try:
        (lease,) = await store.write(lambda tx: tx.outbox.claim("a", owner="w", now=2.0, lease_s=9.0, limit=9))
        assert (lease.rows[0].starts, lease.rows[0].intact) == (3, True)
        assert await store.read(lambda tx: tx.meta.instance)
        assert (await store.read(lambda tx: tx.accounts.get("a"))).memory == {"challenge_mode": "plain"}
        assert await store.read(lambda tx: tx.conversations.handle("a", "c")) == ""
        assert await store.read(lambda tx: tx.conversations.title("a", "c")) == "Title"
    finally:
        await store.close()
