"""Conversations that are called otherwise from now on, or take nothing any more: their lanes, leases and ids."""

from __future__ import annotations

import pytest

from bot.store import Store, Tx
from bot.store.outbox import Lease, NewDelivery, Outcome

FAR = 1e9


def queued(tx: Tx, conversation: str, text: str = "t", *, now: float = 1.0) -> int:
    return tx.outbox.add(NewDelivery("a", conversation, text, now, FAR, "hold"))


def claimed(tx: Tx, *, now: float = 2.0, limit: int = 9) -> list[Lease]:
    leases = list(tx.outbox.claim("a", owner="w", now=now, lease_s=60, limit=limit))
    assert all(tx.outbox.begin(lease, now=now) for lease in leases)
    return leases


def waiting(tx: Tx) -> list[tuple[str, int]]:
    """Conversation and head of each lane, as a claim finds them, in order."""
    leases = tx.outbox.claim("a", owner="x", now=1e6, lease_s=60, limit=9)
    return sorted((lease.conversation, lease.rows[0].id) for lease in leases)


async def test_what_waits_goes_with_its_conversation_in_its_order(store: Store) -> None:
    await store.write(lambda tx: [queued(tx, place) for place in ("5", "6", "5", "6")])
    await store.write(lambda tx: tx.outbox.move("a", "5", "6", now=1.0))
    assert await store.write(waiting) == [("6", 1)]
    assert [row.conversation for row in await store.read(lambda tx: tx.outbox.list())] == ["6"] * 4


async def test_what_is_in_a_conversation_goes_along_and_what_only_begins_like_it_stays(store: Store) -> None:
    await store.write(lambda tx: [queued(tx, place) for place in ("-5", "-5/17", "-55", "-5/17/x", "-50")])
    await store.write(lambda tx: tx.outbox.move("a", "-5", "-100", now=1.0))
    assert await store.write(waiting) == [("-100", 1), ("-100/17", 2), ("-100/17/x", 4), ("-50", 5), ("-55", 3)]


async def test_what_waits_for_its_next_try_is_due_at_once_under_its_new_name(store: Store) -> None:
    def later(tx: Tx) -> None:
        queued(tx, "5")
        (lease,) = claimed(tx)
        tx.outbox.settle(lease, [Outcome(1, "queued", "away", due_at=500.0)], now=2.0)
        tx.outbox.move("a", "5", "6", now=3.0)

    await store.write(later)
    assert await store.read(lambda tx: tx.outbox.next_due("a")) == 3.0


async def test_a_lease_goes_along_and_settles_under_the_new_name(store: Store) -> None:
    def moved(tx: Tx) -> bool:
        queued(tx, "5")
        queued(tx, "5")
        (lease,) = claimed(tx)
        tx.outbox.move("a", "5", "6", now=3.0)
        assert tx.outbox.claim("a", owner="x", now=4.0, lease_s=60, limit=9) == []
        return tx.outbox.settle(lease, [Outcome(1, "sent")], now=5.0)

    assert await store.write(moved)
    assert await store.write(waiting) == [("6", 2)]


async def test_what_is_under_way_to_both_names_at_once_ends_where_it_began(store: Store) -> None:
    def both(tx: Tx) -> None:
        for place in ("5", "5", "6", "6"):
            queued(tx, place)
        old, new = sorted(claimed(tx), key=lambda lease: lease.conversation)
        tx.outbox.move("a", "5", "6", now=3.0)
        assert tx.outbox.settle(old, [Outcome(1, "queued", "it moved", due_at=3.0)], now=4.0)
        assert tx.outbox.settle(new, [Outcome(3, "sent")], now=4.0)

    await store.write(both)
    assert await store.write(waiting) == [("5", 1), ("6", 2)]


async def test_moving_to_a_lane_that_is_leased_waits_for_its_turn(store: Store) -> None:
    def moved(tx: Tx) -> None:
        queued(tx, "5")
        queued(tx, "6")
        new = next(lease for lease in claimed(tx, limit=9) if lease.conversation == "6")
        old = tx.outbox.get(1)
        assert old is not None
        tx.outbox.settle(Lease("w", "a", "5", (old,), 62.0, new.token - 1), [Outcome(1, "queued")], now=2.0)
        tx.outbox.move("a", "5", "6", now=3.0)
        assert tx.outbox.claim("a", owner="x", now=4.0, lease_s=60, limit=9) == []
        tx.outbox.settle(new, [Outcome(2, "sent")], now=5.0)

    await store.write(moved)
    assert await store.write(waiting) == [("6", 1)]


async def test_what_waits_is_given_up_and_what_is_under_way_is_not(store: Store) -> None:
    def given_up(tx: Tx) -> list[int]:
        for place in ("-5", "-5", "-5/17", "-55"):
            queued(tx, place)
        lease = next(lease for lease in claimed(tx) if lease.conversation == "-5")
        for other in ("-5/17", "-55"):
            tx.db.execute("UPDATE outbox SET state = 'queued' WHERE conversation = ?", (other,))
            tx.db.execute("UPDATE lanes SET owner = NULL, due_at = 1 WHERE conversation = ?", (other,))
        dead = [row.id for row in tx.outbox.give_up("a", "-5", reason="barred", now=3.0)]
        assert tx.outbox.settle(lease, [Outcome(1, "sent")], now=4.0)
        return dead

    assert await store.write(given_up) == [2, 3]
    assert await store.write(waiting) == [("-55", 4)]
    assert await store.read(lambda tx: [row.error for row in tx.outbox.list(states=("dead",))]) == ["barred"] * 2


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("t:-5", "t:-9"),
        ("t:-5/17", "t:-9/17"),
        ("new-topic(t:-5)", "new-topic(t:-9)"),
        ("t:-55", "t:-55"),
        ("x:-5", "x:-5"),
    ],
)
async def test_rules_names_and_mutes_follow_an_address_and_what_is_in_it(store: Store, before: str, after: str) -> None:
    def moved(tx: Tx) -> list[object]:
        tx.routes.add(name="r", source="s:1", arrow="->", target=before, options="{}", created_by="t", now=1.0)
        tx.names.set("n", before)
        tx.mutes.add(before, person="p", now=1.0)
        tx.routes.move("t:-5", "t:-9")
        tx.names.move("t:-5", "t:-9")
        tx.mutes.move("t:-5", "t:-9")
        names = before if "new-topic" in before else after
        assert (tx.names.get("n"), tx.mutes.all()) == (names, [names])
        return [row.target for row in tx.routes.all()]

    assert await store.write(moved) == [after]


async def test_what_both_addresses_had_is_there_once(store: Store) -> None:
    def moved(tx: Tx) -> tuple[object, ...]:
        for chat in ("-5", "-9"):
            tx.mutes.add(f"t:{chat}", person="p", now=1.0)
            tx.roles.grant("7", "admin", scope=chat)
            tx.conversations.touch("t", chat, kind="group", title=f"was {chat}", now=1.0)
        tx.mutes.move("t:-5", "t:-9")
        tx.roles.move("-5", "-9")
        tx.conversations.move("t", "-5", "-9")
        return tx.mutes.all(), tx.roles.of("7", chat="-9"), tx.conversations.latest("t")

    assert await store.write(moved) == (["t:-9"], ["admin"], [("-9", "was -9")])


async def test_rules_of_a_chat_rest_and_work_again_and_one_that_is_switched_on_does_at_once(store: Store) -> None:
    def paused(tx: Tx) -> list[list[str]]:
        for source, target in (("s:1", "t:-5"), ("t:-5/17", "s:1"), ("s:1", "new-topic(t:-5)"), ("s:1", "t:-55")):
            tx.routes.add(name=None, source=source, arrow="->", target=target, options="{}", created_by="t", now=1.0)
        seen = []
        tx.routes.pause("t:-5", "t:-5: kicked")
        seen.append([row.paused for row in tx.routes.all()])
        tx.routes.enable(1, enabled=True)
        seen.append([row.paused for row in tx.routes.all()])
        tx.routes.resume("t:-55")
        tx.routes.resume("t:-5")
        seen.append([row.paused for row in tx.routes.all()])
        return seen

    why = "t:-5: kicked"
    assert await store.write(paused) == [[why, why, why, ""], ["", why, why, ""], [""] * 4]


async def test_topics_are_found_by_what_they_stand_for(store: Store) -> None:
    def made(tx: Tx) -> None:
        first = tx.topics.add(chat="t:-5", source="s:1", title="One", now=1.0)
        again = tx.topics.add(chat="t:-5", source="", title="One", now=2.0, instead_of="t:-5/17")
        assert [row.id for row in tx.topics.of_sources()] == [first]
        tx.topics.is_at(first, "t:-5/17")
        found = tx.topics.replacing("t:-5/17")
        assert found is not None and found.id == again
        tx.topics.opened(again, now=3.0)
        assert tx.topics.replacing("t:-5/17") is None
        assert tx.topics.has_title("t:-5", "One") and not tx.topics.has_title("t:-6", "One")
        tx.topics.move("t:-5", "t:-9")
        row = tx.topics.at("t:-9/17")
        assert row is not None and (row.id, row.chat) == (first, "t:-9")
        tx.topics.forget(first)
        assert tx.topics.at("t:-9/17") is None

    await store.write(made)
