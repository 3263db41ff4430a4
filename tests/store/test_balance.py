"""The balance is true while the store is whole, and false when somebody has been at it."""

from __future__ import annotations

import pytest

from bot.store import Store, Tx
from bot.store.balance import balance, balances
from bot.store.inbox import Arrived
from bot.store.outbox import NewDelivery, Outcome

INBOUND = {
    "accepted", "relayed", "commands", "filtered", "unrouted", "echoes", "duplicates", "unsupported", "failed",
    "pending",
}  # fmt: skip
DELIVERIES = {"created", "sent", "held", "dead", "expired", "discarded", "cancelled", "queued", "sending"}


def item(id: int, account: str = "a") -> Arrived:
    return Arrived(account, b"{}", 1.0, id=id)


def fill(tx: Tx) -> None:
    """Some of everything."""
    for n in range(6):
        tx.inbox.put(Arrived("a", b"{}", 1.0, key=f"k{n}"))
    tx.inbox.put(Arrived("a", b"{}", 1.0, key="k0"))
    tx.inbox.put(Arrived("b", b"{}", 1.0))
    tx.inbox.done(item(1), ["relayed", "echoes", "filtered"])
    tx.inbox.done(item(2), [])
    tx.inbox.done(item(3), ["commands"])
    tx.inbox.failed(item(4), "our bug")
    for conversation in "xyz":
        tx.outbox.add(NewDelivery("a", conversation, "{}", 1.0, 1e9, "hold"))
    tx.outbox.add(NewDelivery("b", "x", "{}", 1.0, 1e9, "hold"))
    first, second = tx.outbox.claim("a", owner="w", now=1.0, lease_s=9.0, limit=2)
    tx.outbox.begin(first, now=1.0)
    tx.outbox.settle(first, [Outcome(1, "sent")], now=1.0)
    tx.outbox.begin(second, now=1.0)


async def test_nothing_is_balanced_and_has_every_name(store: Store) -> None:
    assert await store.read(balance) == {
        "inbound": dict.fromkeys(INBOUND, 0),
        "deliveries": dict.fromkeys(DELIVERIES, 0),
        "balanced": True,
    }


async def test_everything_that_came_and_went_is_counted_once(store: Store) -> None:
    await store.write(fill)
    assert await store.read(balance) == {
        "inbound": {
            "accepted": 10, "relayed": 1, "commands": 1, "filtered": 1, "unrouted": 0, "echoes": 1, "duplicates": 1,
            "unsupported": 1, "failed": 1, "pending": 3,
        },
        "deliveries": {
            "created": 4, "sent": 1, "held": 0, "dead": 0, "expired": 0, "discarded": 0, "cancelled": 0, "queued": 2,
            "sending": 1,
        },
        "balanced": True,
    }  # fmt: skip


async def test_each_account_has_a_balance_of_its_own_and_they_add_up(store: Store) -> None:
    await store.write(fill)
    each = await store.read(balances)
    whole = await store.read(balance)
    assert list(each) == ["a", "b"]
    assert all(one["balanced"] for one in each.values())
    assert {name: each["a"]["inbound"][name] + each["b"]["inbound"][name] for name in INBOUND} == whole["inbound"]
    assert each["b"]["deliveries"] == dict.fromkeys(DELIVERIES, 0) | {"created": 1, "queued": 1}


TAMPERED = {
    "a delivery is gone": "DELETE FROM outbox WHERE state = 'queued' AND account = 'b'",
    "a sent one is gone": "DELETE FROM outbox WHERE state = 'sent'",
    "a delivery that nobody made": "CREATE TEMP TABLE made AS SELECT * FROM outbox WHERE id = 1;"
    "UPDATE made SET id = 99; INSERT INTO outbox SELECT * FROM made",
    "an arrival that waits is gone": "DELETE FROM inbox WHERE state = 'pending' AND account = 'b'",
    "an arrival was called done": "UPDATE inbox SET state = 'done' WHERE id = 5",
    "an arrival was called failed": "UPDATE inbox SET state = 'failed' WHERE id = 5",
    "one that was done was called failed": "UPDATE inbox SET state = 'failed' WHERE id = 2",
    "an arrival waits again": "UPDATE inbox SET state = 'pending' WHERE id = 1",
    "a counter was set back": "UPDATE counters SET n = n - 1 WHERE account = 'a' AND name = 'created'",
    "a counter is gone": "DELETE FROM counters WHERE account = 'a' AND name = 'relayed'",
    "a delivery went to another account": "UPDATE outbox SET account = 'b' WHERE state = 'sent'",
}


@pytest.mark.parametrize("sql", TAMPERED.values(), ids=TAMPERED.keys())
async def test_a_database_that_was_tampered_with_is_not_balanced(store: Store, sql: str) -> None:
    await store.write(fill)
    done = await store.write(lambda tx: [tx.db.execute(statement).rowcount for statement in sql.split(";")])
    assert done[-1] == 1
    assert not (await store.read(balance))["balanced"]


async def test_dealing_with_one_arrival_twice_is_refused(store: Store) -> None:
    await store.write(fill)
    for again in (lambda tx: tx.inbox.done(item(1), ["relayed"]), lambda tx: tx.inbox.failed(item(2), "late")):
        with pytest.raises(ValueError, match="is not open; ask is_pending"):
            await store.write(again)
    assert (await store.read(balance))["balanced"]


async def test_an_arrival_that_failed_twice_and_then_did_not_is_counted_once(store: Store) -> None:
    await store.write(fill)
    await store.write(lambda tx: tx.inbox.failed(item(4), "again"))
    assert (await store.read(balance))["inbound"]["failed"] == 1
    await store.write(lambda tx: tx.inbox.done(item(4), ["unrouted"]))
    after = await store.read(balance)
    assert (after["inbound"]["failed"], after["inbound"]["unrouted"], after["balanced"]) == (0, 1, True)


async def test_an_event_may_fail_where_the_others_of_its_arrival_were_done(store: Store) -> None:
    await store.write(fill)
    await store.write(lambda tx: tx.inbox.done(item(5), ["relayed", "failed"]))
    after = await store.read(balance)
    assert (after["inbound"]["failed"], after["balanced"]) == (2, True)


async def test_an_outcome_without_a_name_in_the_balance_is_refused(store: Store) -> None:
    await store.write(fill)
    with pytest.raises(ValueError, match="'lost' is not an outcome"):
        await store.write(lambda tx: tx.inbox.done(item(5), ["relayed", "lost"]))
    assert await store.read(lambda tx: tx.inbox.is_pending(5))
