"""Forgetting: what is old enough goes, a little at a time."""

from __future__ import annotations

from pathlib import Path

from bot.retention import AT_ONCE, Retention
from bot.store import Tx
from bot.store.balance import balance
from bot.store.inbox import Arrived
from bot.store.outbox import NewDelivery, Outcome
from bot.store.sqlite import SqliteStore

DAY_S = 86400.0


def fill(tx: Tx, *, at: float, number: int) -> None:
    """Arrivals with a message each, half of whose deliveries are sent and half dead."""
    for n in range(number):
        tx.inbox.put_decided(Arrived("a", b"{}", at), ["relayed"])
        message = tx.messages.add(
            account="a",
            conversation=f"c{n}",
            remote_id=f"{at}/{n}",
            sender_id="s",
            sender_name="S",
            text="words",
            at=at,
        )
        tx.outbox.add(NewDelivery("b", f"c{at}/{n}", '{"text":"words"}', at, at + 9e9, "hold", message=message))
    for lease in tx.outbox.claim("b", owner="o", now=at, lease_s=60, limit=number):
        tx.outbox.begin(lease, now=at)
        state = "sent" if lease.rows[0].id % 2 else "dead"
        tx.outbox.settle(lease, [Outcome(lease.rows[0].id, state)], now=at)


async def test_a_sweep_forgets_what_is_old_and_keeps_the_dead_the_young_and_the_balance(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "p.sqlite3")
    now = 100 * DAY_S
    try:
        await store.write(lambda tx: fill(tx, at=10 * DAY_S, number=AT_ONCE + 100))
        await store.write(lambda tx: fill(tx, at=99 * DAY_S, number=10))
        removed = await Retention(store=store, keep_s=30 * DAY_S, clock=lambda: now).sweep()
        assert removed == (AT_ONCE + 100) + (AT_ONCE + 100) // 2 + (AT_ONCE + 100)
        rows = await store.read(lambda tx: tx.outbox.list())
        assert {row.state for row in rows if row.created_at < 50 * DAY_S} == {"dead"}
        assert len([row for row in rows if row.created_at > 50 * DAY_S]) == 10
        found = await store.read(lambda tx: tx.messages.find("a", f"{10 * DAY_S}/0"))
        assert found is not None and found.text == ""
        assert (await store.read(balance))["balanced"]
    finally:
        await store.close()
