"""What has had its time goes, a few rows at a time; what somebody may still need never does."""

from __future__ import annotations

from typing import Any

import pytest

from bot.store import Store, Tx
from bot.store.balance import balance
from bot.store.inbox import SEEN_LEAST_S, SEEN_LONGER_S, Arrived
from bot.store.messages import Copy
from bot.store.outbox import NewDelivery, Outcome
from bot.store.schedules import NewSchedule, OccurrenceState, ScheduleState

DAY = 86_400.0
NOW = 100 * DAY


def delivery(tx: Tx, state: Any, *, at: float, account: str = "a") -> int:
    """A delivery that came to a state then."""
    conversation = f"{state} {at} {len(tx.outbox.list())}"
    id = tx.outbox.add(NewDelivery(account, conversation, "{}", at, 1e12, "hold"))
    if state in ("discarded", "cancelled"):
        assert tx.outbox.settle_by_hand(id, state=state, now=at)
    elif state != "queued":
        leases = tx.outbox.claim(account, owner="w", now=at, lease_s=1.0, limit=99)
        (lease,) = [lease for lease in leases if lease.conversation == conversation]
        assert tx.outbox.begin(lease, now=at)
        if state != "sending":
            assert tx.outbox.settle(lease, [Outcome(id, state)], now=at)
    return id


def arrival(tx: Tx, key: str | None, *, at: float, outcome: str | None = "relayed") -> None:
    """An arrival of then, with an event in it."""
    id = tx.inbox.put(Arrived("a", b"{}", at, key=key))
    assert id is not None
    if outcome == "failed":
        tx.inbox.failed(Arrived("a", b"{}", at, id=id), "our bug")
    elif outcome:
        tx.inbox.done(Arrived("a", b"{}", at, id=id), [outcome])


def arrivals(tx: Tx) -> list[float]:
    return [at for (at,) in tx.db.execute("SELECT received_at FROM inbox ORDER BY received_at")]


@pytest.mark.parametrize("state", ["sent", "expired", "discarded", "cancelled"])
async def test_a_delivery_nobody_waits_for_goes_once_it_is_old(store: Store, state: str) -> None:
    old = await store.write(lambda tx: delivery(tx, state, at=1.0))
    new = await store.write(lambda tx: delivery(tx, state, at=10.0))
    assert await store.write(lambda tx: tx.outbox.prune(before=10.0)) == 1
    assert await store.read(lambda tx: tx.outbox.get(old)) is None
    kept = await store.read(lambda tx: tx.outbox.get(new))
    assert kept is not None and kept.state == state


@pytest.mark.parametrize("state", ["queued", "sending", "dead", "held"])
async def test_a_delivery_that_somebody_may_need_never_goes(store: Store, state: str) -> None:
    id = await store.write(lambda tx: delivery(tx, state, at=1.0))
    assert await store.write(lambda tx: tx.outbox.prune(before=1e12)) == 0
    assert await store.read(lambda tx: tx.outbox.get(id)) is not None


async def test_a_call_takes_no_more_than_its_limit_the_oldest_first(store: Store) -> None:
    def fill(tx: Tx) -> None:
        for n in range(5):
            delivery(tx, "discarded", at=10.0 - n)

    await store.write(fill)
    taken = [await store.write(lambda tx: tx.outbox.prune(before=100.0, limit=2)) for _ in range(4)]
    assert taken == [2, 2, 1, 0]


async def test_the_oldest_go_first(store: Store) -> None:
    ids = [await store.write(lambda tx, at=at: delivery(tx, "discarded", at=at)) for at in (3.0, 1.0, 2.0)]  # type: ignore[misc]
    await store.write(lambda tx: tx.outbox.prune(before=9.0, limit=2))
    assert [row.id for row in await store.read(lambda tx: tx.outbox.list())] == ids[:1]


async def test_what_goes_is_counted_by_account_and_state_and_the_balance_stays_true(store: Store) -> None:
    def fill(tx: Tx) -> None:
        for account, state in [("a", "sent"), ("a", "sent"), ("b", "sent"), ("a", "expired"), ("b", "discarded"),
                               ("a", "cancelled"), ("a", "dead"), ("b", "held"), ("a", "queued")]:  # fmt: skip
            delivery(tx, state, at=1.0, account=account)

    await store.write(fill)
    before = await store.read(balance)
    assert before["balanced"]
    assert await store.write(lambda tx: tx.outbox.prune(before=9.0)) == 6
    assert await store.read(balance) == before
    archived = {k: n for k, n in (await store.read(lambda tx: tx.counters.all())).items() if "archived" in k[1]}
    assert archived == {
        ("a", "archived:sent"): 2,
        ("a", "archived:expired"): 1,
        ("a", "archived:cancelled"): 1,
        ("b", "archived:sent"): 1,
        ("b", "archived:discarded"): 1,
    }


async def test_the_id_of_one_that_is_gone_is_never_given_again(store: Store) -> None:
    gone = await store.write(lambda tx: delivery(tx, "discarded", at=1.0))
    await store.write(lambda tx: tx.outbox.prune(before=9.0))
    assert await store.write(lambda tx: delivery(tx, "queued", at=1.0)) > gone


async def test_a_pruning_that_does_not_commit_takes_nothing(store: Store) -> None:
    def fails(tx: Tx) -> None:
        assert tx.outbox.prune(before=9.0) == 1
        raise LookupError

    await store.write(lambda tx: delivery(tx, "sent", at=1.0))
    with pytest.raises(LookupError):
        await store.write(fails)
    assert len(await store.read(lambda tx: tx.outbox.list())) == 1
    assert (await store.read(balance))["balanced"]


async def test_an_arrival_goes_once_it_is_dealt_with_and_old(store: Store) -> None:
    def fill(tx: Tx) -> None:
        arrival(tx, None, at=1.0)
        arrival(tx, None, at=2.0, outcome="failed")
        arrival(tx, None, at=3.0, outcome=None)
        arrival(tx, None, at=4.0)
        arrival(tx, None, at=90 * DAY)

    await store.write(fill)
    before = await store.read(balance)
    assert await store.write(lambda tx: tx.inbox.prune(before=80 * DAY, now=NOW)) == 2
    assert await store.read(arrivals) == [2.0, 3.0, 90 * DAY]
    assert await store.read(balance) == before and before["balanced"]


async def test_an_arrival_that_has_the_only_key_of_it_stays_as_long_as_keys_do(store: Store) -> None:
    """Telegram gives an update again for a day; its update_id is kept nowhere but with the arrival."""
    await store.write(lambda tx: arrival(tx, "update 1", at=NOW - DAY))
    assert await store.write(lambda tx: tx.inbox.prune(before=NOW, now=NOW)) == 0
    assert await store.write(lambda tx: tx.inbox.put(Arrived("a", b"{}", NOW, key="update 1"))) is None
    later = NOW - DAY + SEEN_LEAST_S + 1
    assert await store.write(lambda tx: tx.inbox.prune(before=later, now=later)) == 1


@pytest.mark.parametrize(("age", "kept_arrivals", "seen"), [
    (SEEN_LEAST_S - 1, 1 * DAY, True), (SEEN_LEAST_S + 1, 1 * DAY, False),
    (30 * DAY, 30 * DAY, True), (30 * DAY + SEEN_LONGER_S - 1, 30 * DAY, True),
    (30 * DAY + SEEN_LONGER_S + 1, 30 * DAY, False),
])  # fmt: skip
async def test_a_key_is_known_for_a_week_at_least_and_longer_than_arrivals_are_kept(
    store: Store, age: float, kept_arrivals: float, seen: bool
) -> None:
    await store.write(lambda tx: tx.inbox.seen("a", "event", now=NOW - age))
    await store.write(lambda tx: tx.inbox.prune(before=NOW - kept_arrivals, now=NOW))
    assert await store.write(lambda tx: tx.inbox.seen("a", "event", now=NOW)) is seen


async def test_no_key_goes_before_the_arrivals_that_are_as_old(store: Store) -> None:
    def fill(tx: Tx) -> None:
        for n in range(3):
            arrival(tx, None, at=1.0)
            tx.inbox.seen("a", f"event {n}", now=1.0)

    def left(tx: Tx) -> tuple[int, int]:
        (keys,) = tx.db.execute("SELECT COUNT(*) FROM seen").fetchone()
        return len(arrivals(tx)), keys

    def prune(tx: Tx) -> int:
        return tx.inbox.prune(before=50 * DAY, now=NOW, limit=2)

    await store.write(fill)
    assert [(await store.write(prune), await store.read(left)) for _ in range(4)] == [
        (2, (1, 3)), (2, (0, 2)), (2, (0, 0)), (0, (0, 0)),
    ]  # fmt: skip


async def test_texts_are_blanked_and_replies_still_find_their_way(store: Store) -> None:
    def keep(tx: Tx, remote_id: str, at: float) -> int:
        id = tx.messages.add(
            account="a",
            conversation="c",
            remote_id=remote_id,
            sender_id="u",
            sender_name="U",
            text="secret plan",
            at=at,
        )
        tx.messages.add_copy(id, Copy("b", "d", f"copy of {remote_id}", 1, 7))
        return id

    old, new = await store.write(lambda tx: (keep(tx, "m1", 1.0), keep(tx, "m2", 10.0)))
    assert await store.write(lambda tx: tx.messages.prune(before=10.0)) == 1
    assert await store.write(lambda tx: tx.messages.prune(before=10.0)) == 0
    blank = await store.read(lambda tx: tx.messages.find("b", "copy of m1"))
    assert blank is not None
    assert (blank.id, blank.address, blank.remote_id, blank.sender_id, blank.text) == (old, "a:c", "m1", "u", "")
    assert await store.read(lambda tx: tx.messages.remote_id_in(old, "b", "d")) == "copy of m1"
    kept = await store.read(lambda tx: tx.messages.get(new))
    assert kept is not None and kept.text == "secret plan"


async def test_texts_are_blanked_no_more_than_the_limit_at_a_time(store: Store) -> None:
    def fill(tx: Tx) -> None:
        for n in range(5):
            tx.messages.add(
                account="a", conversation="c", remote_id=None, sender_id="u", sender_name="U", text="t", at=float(n)
            )

    await store.write(fill)
    assert [await store.write(lambda tx: tx.messages.prune(before=9.0, limit=2)) for _ in range(4)] == [2, 2, 1, 0]


# --- schedules


def schedule(tx: Tx, *, at: float = 1.0, state: ScheduleState = "on", next_at: float | None = 1e9) -> int:
    """A schedule as it was left then."""
    new = NewSchedule(
        rule="every day at 09:00 UTC", made_at=at, next_at=next_at, ends_at=None, warn_at=None, options="{}",
        message="{}", targets=("a:c",), chat="", reach="", person="1", person_name="Ann", state=state,
    )  # fmt: skip
    return tx.schedules.add(new, now=at)


def occurrence(
    tx: Tx, id: int, state: OccurrenceState = "sent", *, at: float = 1.0, decided: float = 1.0, **more: Any
) -> None:
    assert tx.schedules.decide(id, at, state, now=decided, **more)


async def left_of(store: Store, id: int, *, before: float = 10.0) -> tuple[bool, int]:
    """Whether a schedule is there after what is old has gone, and how many of its occurrences."""
    while await store.write(lambda tx: tx.schedules.prune(before=before, limit=5)):
        pass
    return await store.read(lambda tx: (tx.schedules.get(id) is not None, len(tx.schedules.history(id, limit=99))))


@pytest.mark.parametrize(
    ("state", "next_at", "at", "stays"),
    [
        ("removed", 1e9, 1.0, False),
        ("removed", None, 1.0, False),
        ("removed", 1e9, 10.0, True),
        ("on", None, 1.0, False),
        ("on", None, 10.0, True),
        ("on", 1e9, 1.0, True),
        ("on", 1.0, 1.0, True),
        ("paused", None, 1.0, False),
        ("paused", 1.0, 1.0, True),
        ("waits", None, 1.0, False),
        ("waits", 1e9, 1.0, True),
    ],
)
async def test_a_schedule_goes_once_it_is_removed_or_over_and_old(
    store: Store, state: ScheduleState, next_at: float | None, at: float, stays: bool
) -> None:
    id = await store.write(lambda tx: schedule(tx, at=at, state=state, next_at=next_at))
    await store.write(lambda tx: occurrence(tx, id))
    assert await left_of(store, id) == (stays, 0)
    rows = await store.read(lambda tx: tx.db.execute("SELECT COUNT(*) FROM schedule_targets").fetchone())
    assert rows == (int(stays),)


@pytest.mark.parametrize("state", ["sent", "skipped", "missed", "waits", "failed", "dropped"])
async def test_an_occurrence_goes_once_it_is_old(store: Store, state: OccurrenceState) -> None:
    id = await store.write(schedule)
    await store.write(lambda tx: occurrence(tx, id, state))
    await store.write(lambda tx: occurrence(tx, id, state, at=10.0, decided=10.0))
    assert await left_of(store, id) == (True, 1)


async def test_what_is_skipped_of_a_day_to_come_stays_until_then(store: Store) -> None:
    id = await store.write(schedule)
    await store.write(lambda tx: occurrence(tx, id, "skipped", at=20.0, decided=1.0))
    assert await left_of(store, id, before=19.0) == (True, 1)
    assert await left_of(store, id, before=21.0) == (True, 0)


@pytest.mark.parametrize(
    ("state", "more", "stays"),
    [
        ("on", {}, True),
        ("paused", {}, True),
        ("removed", {}, False),
        ("removed", {"delete_at": 99.0}, True),
        ("removed", {"told": False}, True),
    ],
)
async def test_what_somebody_is_asked_about_stays_as_long_as_its_schedule(
    store: Store, state: ScheduleState, more: dict[str, Any], stays: bool
) -> None:
    id = await store.write(lambda tx: schedule(tx, state=state, next_at=None))
    await store.write(lambda tx: occurrence(tx, id, "asked", **more))
    assert await left_of(store, id) == (stays, int(stays))


@pytest.mark.parametrize("state", ["on", "removed"])
async def test_what_is_to_be_taken_back_stays_until_that_is_done(store: Store, state: ScheduleState) -> None:
    id = await store.write(lambda tx: schedule(tx, state=state, next_at=None))
    await store.write(lambda tx: occurrence(tx, id, delete_at=99.0))
    assert await left_of(store, id) == (True, 1)
    (row,) = await store.read(lambda tx: tx.schedules.history(id, limit=1))
    await store.write(lambda tx: tx.schedules.deleted(row.id))
    assert await left_of(store, id) == (False, 0)


async def test_a_call_takes_a_few_occurrences_and_schedules(store: Store) -> None:
    def fill(tx: Tx) -> None:
        for _ in range(3):
            id = schedule(tx, next_at=None)
            for at in (1.0, 2.0):
                occurrence(tx, id, at=at)

    await store.write(fill)
    taken = [await store.write(lambda tx: tx.schedules.prune(before=10.0, limit=4)) for _ in range(4)]
    assert taken == [6, 3, 0, 0]
