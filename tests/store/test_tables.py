"""The smaller tables, and what none of them tells in a repr."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bot.store import Store, Tx
from bot.store.inbox import Arrived
from bot.store.marks import Mark
from bot.store.messages import Copy
from bot.store.meta import AccountState
from bot.store.outbox import NewDelivery, Outcome

SECRET = "cafe-babe"


def message(tx: Tx, remote_id: str | None = "m", text: str = "t", account: str = "a", conversation: str = "c") -> int:
    return tx.messages.add(
        account=account,
        conversation=conversation,
        remote_id=remote_id,
        sender_id="u",
        sender_name="U",
        text=text,
        at=1.0,
    )


async def test_no_repr_holds_a_text_or_a_secret(store: Store) -> None:
    def things(tx: Tx) -> list[object]:
        arrived = Arrived("a", SECRET.encode(), 1.0, path=f"/hooks/a/{SECRET}", headers=(("Authorization", SECRET),))
        tx.inbox.put(arrived)
        new = NewDelivery("a", "c", SECRET, 1.0, 1e9, "hold", message=message(tx, text=SECRET))
        tx.outbox.add(new)
        tx.accounts.remember("a", {"token": SECRET})
        leases = tx.outbox.claim("a", owner="w", now=1.0, lease_s=1.0, limit=1)
        return [
            arrived, new, leases, leases[0].rows[0], tx.inbox.pending(), tx.messages.find("a", "m"),
            tx.accounts.get("a"),
        ]  # fmt: skip

    for thing in await store.write(things):
        assert SECRET not in repr(thing)


async def test_arrivals_wait_in_the_order_they_came(store: Store) -> None:
    await store.write(lambda tx: [tx.inbox.put(Arrived("a", bytes([n]), 1.0)) for n in range(5)])
    assert [item.body[0] for item in await store.read(lambda tx: tx.inbox.pending(limit=3))] == [0, 1, 2]
    assert [item.id for item in await store.read(lambda tx: tx.inbox.pending(after=3))] == [4, 5]
    assert await store.read(lambda tx: tx.inbox.count_pending()) == {"a": 5}
    assert await store.read(lambda tx: tx.inbox.last_id()) == 5


async def test_an_arrival_that_lacks_something_is_an_error_and_no_duplicate(store: Store) -> None:
    with pytest.raises(Exception, match="NOT NULL"):
        await store.write(lambda tx: tx.inbox.put(Arrived("a", None, 1.0)))  # type: ignore[arg-type]
    assert await store.read(lambda tx: tx.counters.all()) == {}


async def test_a_failed_arrival_waits_no_more_and_is_kept(store: Store) -> None:
    id = await store.write(lambda tx: tx.inbox.put(Arrived("a", b"{}", 1.0)))
    assert id is not None
    await store.write(lambda tx: tx.inbox.failed(Arrived("a", b"{}", 1.0, id=id), "our bug"))
    assert await store.read(lambda tx: (tx.inbox.pending(), tx.inbox.count_failed())) == ([], {"a": 1})


async def test_a_message_is_found_by_any_of_its_ids_and_points_back(store: Store) -> None:
    id = await store.write(message)
    copies = [Copy("b", "d", "x2", 2, 7), Copy("b", "d", "x1", 1, 6), Copy("e", "f", "x1", 1, 8)]

    def went(tx: Tx) -> None:
        for copy in copies:
            tx.messages.add_copy(id, copy)

    await store.write(went)
    for account, remote_id in (("a", "m"), ("b", "x1"), ("b", "x2"), ("e", "x1")):
        found = await store.read(lambda tx, a=account, r=remote_id: tx.messages.find(a, r))  # type: ignore[misc]
        assert found is not None and found.id == id
    assert await store.read(lambda tx: tx.messages.find("a", "x1")) is None
    assert await store.read(lambda tx: tx.messages.copies(id)) == [copies[1], copies[0], copies[2]]
    where = [("b", "d"), ("a", "c"), ("b", "other")]
    assert await store.read(lambda tx: [tx.messages.remote_id_in(id, *place) for place in where]) == ["x1", "m", None]


async def test_messages_that_have_no_id_over_there_are_each_their_own(store: Store) -> None:
    first, second = await store.write(lambda tx: (message(tx, None), message(tx, None)))
    assert first != second


async def test_a_copy_of_what_is_not_there_is_refused(store: Store) -> None:
    with pytest.raises(Exception, match="FOREIGN KEY"):
        await store.write(lambda tx: tx.messages.add_copy(99, Copy("b", "d", "x", 1, 1)))


async def test_a_mark_is_due_until_what_is_wanted_is_shown(store: Store) -> None:
    id = await store.write(message)

    async def due(now: float) -> list[Mark]:
        return list(await store.read(lambda tx: tx.marks.due(now=now, limit=9)))

    await store.write(lambda tx: tx.marks.want(id, "queued", now=5.0))
    assert await store.read(lambda tx: tx.marks.next_due()) == 5.0
    assert (await due(4.0), await due(5.0)) == ([], [Mark(id, "queued", "", "", 0)])
    await store.write(lambda tx: tx.marks.later(id, due_at=9.0))
    assert (await due(8.0), await due(9.0)) == ([], [Mark(id, "queued", "", "", 1)])
    await store.write(lambda tx: tx.marks.want(id, "sent", now=6.0))
    await store.write(lambda tx: tx.marks.showing(id, "queued", line="77"))
    assert await due(6.0) == [Mark(id, "sent", "queued", "77", 0)]
    await store.write(lambda tx: tx.marks.showing(id, "sent"))
    assert await due(1e9) == []
    assert await store.read(lambda tx: tx.marks.next_due()) is None


async def test_a_mark_that_can_never_be_shown_is_not_tried_again(store: Store) -> None:
    id = await store.write(message)
    await store.write(lambda tx: tx.marks.want(id, "sent", now=1.0))
    await store.write(lambda tx: tx.marks.drop(id))
    await store.write(lambda tx: tx.marks.want(id, "sent", now=2.0))
    assert await store.read(lambda tx: tx.marks.due(now=9.0, limit=9)) == []


async def test_a_card_is_used_once(store: Store) -> None:
    await store.write(lambda tx: tx.cards.add("n", kind="held", subject=7, chat="4200", now=1.0))
    card, other = await store.read(lambda tx: (tx.cards.get("n", kind="held"), tx.cards.get("n", kind="x")))
    assert card is not None
    assert (card.subject, card.used_at, other) == (7, None, None)
    used = await store.write(lambda tx: [tx.cards.use(nonce, now=2.0) for nonce in ("n", "n", "unknown")])
    assert used == [True, False, False]


async def test_a_route_without_a_name_gets_one_that_is_free(store: Store) -> None:
    def add(tx: Tx, name: str | None) -> str:
        return tx.routes.add(
            name=name, source="a:b", arrow="->", target="c:d", options="{}", created_by="t", now=1.0
        ).name

    assert await store.write(lambda tx: [add(tx, name) for name in ("r2", None, None, "ops")]) == [
        "r2",
        "r2-1",
        "r3",
        "ops",
    ]
    with pytest.raises(ValueError, match="a route named 'ops' exists already"):
        await store.write(lambda tx: add(tx, "ops"))


async def test_an_account_is_paused_once_and_resumed_once_and_keeps_what_it_remembers(store: Store) -> None:
    await store.write(lambda tx: tx.accounts.remember("a", {"cursor": "7"}))
    assert await store.write(lambda tx: [tx.accounts.pause("a", reason=r, now=1.0) for r in ("401", "by hand")]) == [
        True,
        False,
    ]
    assert await store.read(lambda tx: tx.accounts.get("a")) == AccountState(True, "by hand", {"cursor": "7"}, 1.0)
    assert await store.write(lambda tx: [tx.accounts.resume("a") for _ in "12"]) == [True, False]
    assert await store.read(lambda tx: tx.accounts.get("a")) == AccountState(False, "", {"cursor": "7"})
    assert await store.read(lambda tx: tx.accounts.get("unknown")) == AccountState(False, "", {})


async def test_a_notice_is_first_once_until_it_is_forgotten(store: Store) -> None:
    def ask(tx: Tx) -> list[bool]:
        first = tx.notices.first
        return [first("k", now=1.0), first("k", now=2.0), tx.notices.forget("k"), first("k", now=3.0)]

    assert await store.write(ask) == [True, False, True, True]


async def test_the_audit_has_the_newest_first(store: Store) -> None:
    def note(tx: Tx) -> None:
        for n in range(3):
            tx.audit.add(person="7", place="4200", command=f"/c{n}", outcome="refused", now=float(n))

    await store.write(note)
    assert await store.read(lambda tx: tx.audit.last(2)) == [
        (2.0, "7", "4200", "/c2", "refused"),
        (1.0, "7", "4200", "/c1", "refused"),
    ]


async def test_depth_is_what_waits_and_since_when(store: Store) -> None:
    def fill(tx: Tx) -> None:
        for at, conversation in ((5.0, "x"), (3.0, "y"), (9.0, "z")):
            tx.outbox.add(NewDelivery("a", conversation, "{}", at, 1e9, "hold"))
        tx.outbox.settle_by_hand(2, state="cancelled", now=9.0)

    await store.write(fill)
    assert await store.read(lambda tx: tx.outbox.depth()) == {"a": (2, 5.0)}


async def test_deliveries_are_listed_by_state_and_account_and_the_newest_of_them(store: Store) -> None:
    def fill(tx: Tx) -> None:
        for account, conversation in (("a", "1"), ("b", "2"), ("a", "3"), ("a", "4")):
            tx.outbox.add(NewDelivery(account, conversation, "{}", 1.0, 1e9, "hold"))
        tx.outbox.settle_by_hand(3, state="cancelled", now=1.0)

    await store.write(fill)
    lists = await store.read(
        lambda tx: [
            [row.id for row in rows]
            for rows in (
                tx.outbox.list(),
                tx.outbox.list(states=["queued"], account="a"),
                tx.outbox.list(states=["queued", "cancelled"], limit=2),
                tx.outbox.list(states=["dead"]),
            )
        ]
    )
    assert lists == [[1, 2, 3, 4], [1, 4], [3, 4], []]


async def test_what_an_account_learnt_is_kept_beside_what_it_knew(store: Store) -> None:
    await store.write(lambda tx: tx.accounts.remember("a", {"mode": "x", "token": "1"}))
    await store.write(lambda tx: tx.accounts.remember("a", {"token": "2"}))
    assert (await store.read(lambda tx: tx.accounts.get("a"))).memory == {"mode": "x", "token": "2"}


async def test_remembering_what_is_known_wakes_nobody(store: Store) -> None:
    def twice(tx: Tx) -> set[str]:
        tx.accounts.remember("a", {"token": "1"})
        tx.woken.clear()
        tx.accounts.remember("a", {"token": "1"})
        return set(tx.woken)

    assert await store.write(twice) == set()


async def test_every_database_has_a_name_of_its_own(store: Store, engine: Any, path: Path) -> None:
    name = await store.read(lambda tx: tx.meta.instance)
    assert name.isalnum() and len(name) >= 8
    other = await engine(path.with_name("other.sqlite3"))
    assert await other.read(lambda tx: tx.meta.instance) != name
    await other.close()


async def test_what_a_provider_calls_a_conversation_stays_until_it_says_otherwise(store: Store) -> None:
    def touch(handle: str, title: str = "") -> Callable[[Tx], None]:
        return lambda tx: tx.conversations.touch("a", "sms/1", kind="direct", title=title, now=1.0, handle=handle)

    assert await store.read(lambda tx: tx.conversations.handle("a", "sms/1")) == ""
    for handle, known in (("s1", "s1"), ("", "s1"), ("s2", "s2")):
        await store.write(touch(handle))
        assert await store.read(lambda tx: tx.conversations.handle("a", "sms/1")) == known


REPORTS = {
    "one report": [(True, 0, False)],
    "two real messages with the same words": [(True, 0, False), (True, 1, False)],
    "a report without an id after the one with": [(True, 0, False), (False, 1, True)],
    "a report without an id before the one with": [(False, 0, False), (True, 1, True)],
    "two messages, each reported twice": [(True, 0, False), (False, 1, True), (True, 9, False), (False, 10, True)],
    "two messages, the loose reports first": [(False, 0, False), (True, 1, True), (False, 9, True), (True, 10, False)],
    "the second real one is not taken for the first's other report": [
        (False, 0, False),
        (True, 1, True),
        (True, 2, False),
    ],
    "the same words a minute and a bit later": [(False, 0, False), (False, 61, False), (True, 62, True)],
    "out of order": [(False, 30, False), (False, 0, True)],
}


@pytest.mark.parametrize("reports", REPORTS.values(), ids=REPORTS.keys())
async def test_two_reports_of_one_message_are_told_from_two_messages(
    store: Store, reports: list[tuple[bool, float, bool]]
) -> None:
    for firm, at, expected in reports:
        found = await store.write(lambda tx, f=firm, at=at: tx.inbox.is_twin("a", "t", firm=f, at=1000.0 + at))  # type: ignore[misc]
        assert found == expected, (firm, at)
    assert not await store.write(lambda tx: tx.inbox.is_twin("b", "t", firm=False, at=1000.0))
    assert not await store.write(lambda tx: tx.inbox.is_twin("a", "other", firm=False, at=1000.0))


async def test_twins_are_forgotten_with_the_keys(store: Store) -> None:
    day = 86400.0
    await store.write(lambda tx: tx.inbox.is_twin("a", "t", firm=True, at=day))
    await store.write(lambda tx: tx.inbox.is_twin("a", "t", firm=True, at=20 * day))
    assert await store.write(lambda tx: tx.inbox.prune(before=0.0, now=20 * day)) == 1


async def test_every_request_of_a_delivery_has_a_number_of_its_own(store: Store) -> None:
    await store.write(lambda tx: tx.outbox.add(NewDelivery("a", "c", "{}", 1.0, 1e9, "hold")))

    def attempt(tx: Tx) -> tuple[int, int]:
        (lease,) = tx.outbox.claim("a", owner="w", now=2.0, lease_s=1.0, limit=1)
        assert tx.outbox.begin(lease, now=2.0)
        row = tx.outbox.get(lease.rows[0].id)
        assert row is not None
        tx.outbox.settle(lease, [Outcome(row.id, "queued", due_at=1.0, counts=False)], now=2.0)
        return row.starts, row.attempts

    assert [await store.write(attempt) for _ in range(3)] == [(1, 1), (2, 1), (3, 1)]
