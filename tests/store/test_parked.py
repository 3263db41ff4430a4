"""Deliveries that stand in no lane until their turn comes: those of announcements."""

from __future__ import annotations

from typing import Any

import pytest

from bot.store import Store
from bot.store.balance import balance
from bot.store.outbox import Outcome
from tests.store.test_contract import add, begin, claim, end, get, ids, settle, to

PLENTY = 100


async def announce(store: Store, *conversations: str, **given: Any) -> list[int]:
    """An announcement to these, none of which is let go yet."""

    def unit(tx: Any) -> list[int]:
        number = tx.broadcasts.add(
            person="7",
            person_name="Ann",
            chat="telegram:7",
            message=tx.messages.add(
                account="telegram",
                conversation="7",
                remote_id=None,
                sender_id="7",
                sender_name="Ann",
                text="hi",
                at=0.0,
            ),
            text="hi",
            progress="",
            now=0.0,
        )
        return [tx.outbox.add(to(one, broadcast=number, parked=True, priority=2, **given)) for one in conversations]

    return await store.write(unit)


async def unpark(store: Store, *ids: int, now: float) -> None:
    await store.write(lambda tx: tx.outbox.unpark(ids, now=now))


async def test_what_is_parked_is_queued_and_not_claimed(store: Store) -> None:
    (id,) = await announce(store, "x")
    assert (await get(store, id)).state == "queued"
    assert await claim(store, 1.0) == {}
    assert await store.read(lambda tx: tx.outbox.next_due("a")) is None


async def test_what_is_parked_counts_as_queued_in_the_balance(store: Store) -> None:
    await announce(store, "x", "y")
    counted = await store.read(balance)
    assert counted["balanced"]
    assert counted["deliveries"]["queued"] == 2


async def test_what_is_parked_blocks_nobody_in_its_conversation(store: Store) -> None:
    await announce(store, "x")
    (relay,) = await add(store, "x")
    lease = (await claim(store, 1.0))["x"]
    assert [row.id for row in lease.rows] == [relay]
    await end(store, lease, 1.0)
    assert await claim(store, 2.0) == {}


async def test_what_is_parked_is_in_no_batch(store: Store) -> None:
    (first,) = await add(store, "x")
    await announce(store, "x")
    (third,) = await add(store, "x")
    assert ids(await claim(store, 1.0, batch=5)) == {"x": [first, third]}


async def test_what_is_let_go_is_claimed(store: Store) -> None:
    (id,) = await announce(store, "x")
    await unpark(store, id, now=5.0)
    assert ids(await claim(store, 5.0)) == {"x": [id]}


async def test_what_is_let_go_twice_is_there_once(store: Store) -> None:
    (id,) = await announce(store, "x")
    await unpark(store, id, id, now=5.0)
    await end(store, (await claim(store, 5.0))["x"], 5.0)
    await unpark(store, id, now=6.0)
    assert await claim(store, 7.0) == {}


async def test_what_is_let_go_stands_before_what_was_made_after_it(store: Store) -> None:
    (parked,) = await announce(store, "x")
    (later,) = await add(store, "x")
    await unpark(store, parked, now=1.0)
    lease = (await claim(store, 1.0))["x"]
    assert [row.id for row in lease.rows] == [parked]
    await end(store, lease, 1.0)
    assert ids(await claim(store, 2.0)) == {"x": [later]}


async def test_what_is_let_go_while_its_lane_is_leased_waits_for_that_lease(store: Store) -> None:
    (parked,) = await announce(store, "x")
    (under_way,) = await add(store, "x")
    lease = (await claim(store, 1.0))["x"]
    await begin(store, lease, 1.0)
    await unpark(store, parked, now=1.5)
    assert await claim(store, 2.0) == {}
    assert await settle(store, lease, 2.0, Outcome(under_way, "sent"))
    assert ids(await claim(store, 3.0)) == {"x": [parked]}
    assert (await get(store, under_way)).state == "sent"


async def test_what_is_let_go_before_one_that_waits_for_its_next_try_leaves_that_its_time(store: Store) -> None:
    (parked,) = await announce(store, "x")
    (waits,) = await add(store, "x")
    await end(store, (await claim(store, 1.0))["x"], 1.0, "queued", due_at=60.0)
    await unpark(store, parked, now=2.0)
    lease = (await claim(store, 2.0))["x"]
    assert [row.id for row in lease.rows] == [parked]
    await end(store, lease, 2.0)
    assert await claim(store, 59.0) == {}
    assert ids(await claim(store, 60.0)) == {"x": [waits]}


async def test_parking_takes_one_out_of_its_lane(store: Store) -> None:
    first, second = await add(store, "x", "x")
    assert await store.write(lambda tx: tx.outbox.park(first, now=1.0))
    assert ids(await claim(store, 1.0, batch=5)) == {"x": [second]}


async def test_what_just_begins_is_not_parked(store: Store) -> None:
    (id,) = await add(store, "x")
    lease = (await claim(store, 1.0))["x"]
    assert not await store.write(lambda tx: tx.outbox.park(id, now=1.0))
    await begin(store, lease, 1.0)
    assert not await store.write(lambda tx: tx.outbox.park(id, now=1.0))


async def test_what_is_parked_can_be_cancelled_and_the_lane_stays_as_it_is(store: Store) -> None:
    (parked,) = await announce(store, "x")
    (other,) = await add(store, "x")
    assert await store.write(lambda tx: tx.outbox.settle_by_hand(parked, state="cancelled", now=1.0))
    await unpark(store, parked, now=2.0)
    assert ids(await claim(store, 3.0)) == {"x": [other]}
    assert (await get(store, parked)).state == "cancelled"


async def test_what_was_cancelled_after_it_was_let_go_cannot_begin(store: Store) -> None:
    (id,) = await announce(store, "x")
    await unpark(store, id, now=1.0)
    assert await store.write(lambda tx: tx.broadcasts.cancel(1, now=2.0)) == 1
    assert await claim(store, 3.0) == {}
    assert (await get(store, id)).starts == 0


@pytest.mark.parametrize(("state", "becomes", "parked"), [("stopped", "cancelled", 0), ("paused", "queued", 1)])
async def test_one_that_fails_after_its_announcement_was_halted_is_not_tried_again(
    store: Store, state: Any, becomes: str, parked: int
) -> None:
    (id,) = await announce(store, "x")
    await unpark(store, id, now=1.0)
    lease = (await claim(store, 1.0))["x"]
    await begin(store, lease, 1.0)
    await store.write(lambda tx: tx.broadcasts.become(1, state))
    assert await settle(store, lease, 2.0, Outcome(id, "queued", "away", due_at=2.0))
    assert await claim(store, 3.0) == {}
    row = await get(store, id)
    assert (row.state, row.parked) == (becomes, parked)
    assert (await store.read(balance))["balanced"]


async def test_what_is_parked_stays_so_over_a_restart(store: Store) -> None:
    (id,) = await announce(store, "x")
    await add(store, "x")
    await claim(store, 1.0)
    await store.write(lambda tx: tx.outbox.recover(owner="new", now=2.0, lease_s=60.0))
    lease = (await claim(store, 3.0, owner="new"))["x"]
    assert id not in [row.id for row in lease.rows]


async def test_what_is_parked_goes_along_with_its_conversation(store: Store) -> None:
    (id,) = await announce(store, "x")
    await store.write(lambda tx: tx.outbox.move("a", "x", "y", now=1.0))
    assert await claim(store, 2.0) == {}
    await unpark(store, id, now=3.0)
    assert ids(await claim(store, 3.0)) == {"y": [id]}


async def test_what_is_parked_for_a_place_that_is_given_up_is_dead_and_can_be_sent_again(store: Store) -> None:
    (id,) = await announce(store, "x")
    assert [row.id for row in await store.write(lambda tx: tx.outbox.give_up("a", "x", reason="gone", now=1.0))] == [id]
    assert await store.write(lambda tx: tx.outbox.requeue(id, now=2.0, expires_at=1e9))
    assert ids(await claim(store, 3.0)) == {"x": [id]}


async def test_what_becomes_of_one_opens_its_announcement_again_for_a_day(store: Store) -> None:
    (id,) = await announce(store, "x")
    await unpark(store, id, now=1.0)
    await store.write(lambda tx: tx.broadcasts.end(1, now=1.0))
    await end(store, (await claim(store, 2.0))["x"], 2.0, "dead", error="no")
    assert [each.id for each in await store.read(lambda tx: tx.broadcasts.open())] == [1]
    await store.write(lambda tx: tx.broadcasts.end(1, now=2.0))
    await store.write(lambda tx: tx.outbox.settle_by_hand(id, state="discarded", now=200_000.0))
    assert await store.read(lambda tx: tx.broadcasts.open()) == []


async def test_what_failed_is_tried_again_only_when_it_is_let_go(store: Store) -> None:
    first, second = await announce(store, "x", "y")
    await unpark(store, first, second, now=1.0)
    for lease in (await claim(store, 1.0)).values():
        await end(store, lease, 1.0, "dead" if lease.conversation == "x" else "sent")
    assert await store.write(lambda tx: tx.broadcasts.retry(1, now=2.0)) == 1
    assert await claim(store, 3.0) == {}
    assert await store.read(lambda tx: tx.broadcasts.in_turn("a", limit=PLENTY)) == [(first, 1, "x")]
