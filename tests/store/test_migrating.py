"""What a database of an earlier version holds is there afterwards, and may do what is new."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from sqlite_utils import Database

from bot.store import Tx
from bot.store.migrations import migrations
from bot.store.outbox import NewDelivery
from bot.store.sqlite import SqliteStore

OPS = ("send", "note", "edit", "delete", "react", "open")


@pytest.fixture
def earlier(tmp_path: Path) -> Path:
    """A database from before schedules, with a delivery of every kind."""
    path = tmp_path / "earlier.sqlite3"
    db = Database(path)
    migrations.apply(db, stop_before="m007_schedules")
    for number, op in enumerate(OPS, start=1):
        db.execute(
            "INSERT INTO outbox (account, conversation, part, parts, priority, payload, crc, on_ambiguous, state,"
            " marked, created_at, due_at, expires_at, op) VALUES ('a', ?, 1, 1, 1, '{}', 0, 'hold', 'sent', 0, 1, 1,"
            " 9, ?)",
            (f"c{number}", op),
        )
    db.conn.commit()
    db.close()
    return path


async def test_deliveries_do_afterwards_what_they_did_and_may_pin(earlier: Path) -> None:
    store = await SqliteStore.open(earlier)
    try:
        rows = await store.read(lambda tx: tx.outbox.list())
        assert [(row.conversation, row.op, row.pin) for row in rows] == [
            (f"c{number}", op, 0) for number, op in enumerate(OPS, start=1)
        ]
        new = NewDelivery("a", "c", "{}", 1.0, 9.0, "hold", op="pin")
        assert await store.write(lambda tx: tx.outbox.get(tx.outbox.add(new)).op) == "pin"  # type: ignore[union-attr]

        def misuse(tx: Tx) -> None:
            with pytest.raises(sqlite3.IntegrityError):
                tx.db.execute("UPDATE outbox SET op = 'sing'")

        await store.write(misuse)
    finally:
        await store.close()


async def test_an_earlier_database_has_the_same_tables_and_indexes_then(earlier: Path, tmp_path: Path) -> None:
    def schema(tx: Tx) -> dict[str, object]:
        names = [name for (name,) in tx.db.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'index')")]
        return {name: sorted(tx.db.execute(f"SELECT name, type FROM pragma_table_info('{name}')")) for name in names}

    found = []
    for path in (earlier, tmp_path / "new.sqlite3"):
        store = await SqliteStore.open(path)
        try:
            found.append(await store.read(schema))
        finally:
            await store.close()
    assert found[0] == found[1]
    assert "outbox_message" in found[0]
