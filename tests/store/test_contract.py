"""What every store promises, whatever engine is behind it: S1 to S11."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import pytest

from bot.store import Store, Tx
from bot.store.balance import balance
from bot.store.inbox import Arrived
from bot.store.outbox import STATES, Delivery, Lease, NewDelivery, Outcome

FAMILY = "\N{WOMAN}\N{ZERO WIDTH JOINER}\N{WOMAN}\N{ZERO WIDTH JOINER}\N{GIRL}"
END: tuple[Literal["sent", "held", "dead", "expired"], ...] = ("sent", "held", "dead", "expired")


def to(conversation: str, **given: Any) -> NewDelivery:
    """A delivery to a conversation of the account ``a``, made at 0."""
    fields: dict[str, Any] = {"payload": "{}", "created_at": 0.0, "expires_at": 1e9, "on_ambiguous": "hold"}
    return NewDelivery(account="a", conversation=conversation, **fields | given)


async def add(store: Store, *conversations: str, **given: Any) -> list[int]:
    """Queue one delivery to each, in one unit."""
    return await store.write(lambda tx: [tx.outbox.add(to(one, **given)) for one in conversations])


async def claim(store: Store, now: float, **given: Any) -> dict[str, Lease]:
    """What one worker gets, by conversation."""
    how: dict[str, Any] = {"owner": "w", "lease_s": 60.0, "limit": 100} | given
    leases = await store.write(lambda tx: tx.outbox.claim("a", now=now, **how))
    return {lease.conversation: lease for lease in leases}


async def begin(store: Store, lease: Lease, now: float) -> bool:
    return await store.write(lambda tx: tx.outbox.begin(lease, now=now))


async def settle(store: Store, lease: Lease, now: float, *outcomes: Outcome) -> bool:
    return await store.write(lambda tx: tx.outbox.settle(lease, outcomes, now=now))


async def end(store: Store, lease: Lease, now: float, state: Any = "sent", **given: Any) -> bool:
    """One attempt and what became of it."""
    assert await begin(store, lease, now)
    return await settle(store, lease, now, *(Outcome(row.id, state, **given) for row in lease.rows))


async def get(store: Store, id: int) -> Delivery:
    row = await store.read(lambda tx: tx.outbox.get(id))
    assert row is not None
    return row


def ids(leases: dict[str, Lease]) -> dict[str, list[int]]:
    return {name: [row.id for row in lease.rows] for name, lease in leases.items()}


# --- S1: at most one live lease per conversation, always the head of it


async def test_s1_a_conversation_is_leased_once_at_a_time(store: Store) -> None:
    await add(store, "x", "x")
    assert list(await claim(store, 1.0)) == ["x"]
    assert await claim(store, 2.0, owner="other") == {}


async def test_s1_a_lease_is_on_the_head(store: Store) -> None:
    first, second = await add(store, "x", "x")
    lease = (await claim(store, 1.0))["x"]
    assert [row.id for row in lease.rows] == [first]
    await end(store, lease, 2.0)
    assert ids(await claim(store, 3.0)) == {"x": [second]}


async def test_s1_a_batch_is_the_head_and_those_right_behind_it(store: Store) -> None:
    first, second, _ = await add(store, "x", "x", "x")
    assert ids(await claim(store, 1.0, batch=2)) == {"x": [first, second]}


@pytest.mark.parametrize("batch", [0, 1])
async def test_s1_a_batch_holds_one_at_least(store: Store, batch: int) -> None:
    (first,) = await add(store, "x")
    assert ids(await claim(store, 1.0, batch=batch)) == {"x": [first]}


async def test_s1_a_batch_stops_before_one_with_another_policy(store: Store) -> None:
    (first,) = await add(store, "x")
    await add(store, "x", on_ambiguous="resend")
    assert ids(await claim(store, 1.0, batch=5)) == {"x": [first]}


async def test_s1_one_that_must_go_alone_is_in_no_batch(store: Store) -> None:
    first, second, third = await add(store, "x", "x", "x")
    lease = (await claim(store, 1.0, batch=3))["x"]
    await begin(store, lease, 1.0)
    await settle(
        store, lease, 2.0, *(Outcome(id, "queued", due_at=2.0, solo=id == second) for id in (first, second, third))
    )
    assert ids(await claim(store, 3.0, batch=3)) == {"x": [first]}


async def test_s1_a_lease_that_ran_out_is_free_for_another(store: Store) -> None:
    (id,) = await add(store, "x")
    await claim(store, 1.0, lease_s=10.0)
    assert await claim(store, 10.9, owner="other") == {}
    assert ids(await claim(store, 11.0, owner="other")) == {"x": [id]}


async def test_s1_one_requeued_while_its_lane_is_leased_waits_for_the_lease_and_is_then_the_head(store: Store) -> None:
    first, _ = await add(store, "x", "x")
    await end(store, (await claim(store, 1.0))["x"], 1.0, "dead")
    await claim(store, 2.0, lease_s=10.0)
    assert await store.write(lambda tx: tx.outbox.requeue(first, now=3.0, expires_at=1e9))
    assert await claim(store, 4.0) == {}
    assert ids(await claim(store, 12.0)) == {"x": [first]}


async def test_s1_one_requeued_stands_in_its_old_place(store: Store) -> None:
    first, second, third = await add(store, "x", "x", "x")
    await end(store, (await claim(store, 1.0))["x"], 1.0, "dead")
    await end(store, (await claim(store, 2.0))["x"], 2.0, "queued", due_at=500.0)
    await store.write(lambda tx: tx.outbox.requeue(first, now=3.0, expires_at=1e9))
    assert ids(await claim(store, 3.0)) == {"x": [first]}
    assert [row.id for row in await store.read(lambda tx: tx.outbox.list(states=["queued"]))] == [first, second, third]


async def test_s1_a_lane_that_damage_left_without_rows_does_not_stop_the_others(store: Store) -> None:
    await add(store, "broken", "x")
    await store.write(lambda tx: tx.db.execute("UPDATE outbox SET state = 'sent' WHERE conversation = 'broken'"))
    assert list(await claim(store, 1.0)) == ["x"]


# --- S2: a waiting retry blocks its own conversation only, and keeps its place


async def test_s2_a_waiting_retry_blocks_its_own_conversation_only(store: Store) -> None:
    first, other, behind = await add(store, "x", "y", "x")
    await end(store, (await claim(store, 1.0, limit=1))["x"], 1.0, "queued", due_at=100.0)
    assert ids(await claim(store, 2.0)) == {"y": [other]}
    assert ids(await claim(store, 100.0)) == {"x": [first]} | {"y": [other]}
    assert (await get(store, behind)).attempts == 0


async def test_s2_the_head_waits_for_its_own_time_not_for_that_of_one_behind_it(store: Store) -> None:
    first, second = await add(store, "x", "x")
    lease = (await claim(store, 1.0, batch=2))["x"]
    await begin(store, lease, 1.0)
    await settle(store, lease, 2.0, Outcome(first, "queued", due_at=7.0), Outcome(second, "queued", due_at=3600.0))
    assert await store.read(lambda tx: tx.outbox.next_due("a")) == 7.0
    assert ids(await claim(store, 7.0)) == {"x": [first]}


async def test_s2_an_attempt_counts_unless_it_is_said_not_to(store: Store) -> None:
    (id,) = await add(store, "x")
    await end(store, (await claim(store, 1.0))["x"], 1.0, "queued", due_at=2.0)
    await end(store, (await claim(store, 2.0))["x"], 2.0, "queued", due_at=3.0, counts=False)
    assert (await get(store, id)).attempts == 1


async def test_s2_putting_off_what_never_began_takes_no_attempt_back(store: Store) -> None:
    (id,) = await add(store, "x")
    await end(store, (await claim(store, 1.0))["x"], 1.0, "queued", due_at=2.0)
    lease = (await claim(store, 2.0))["x"]
    await settle(store, lease, 2.0, Outcome(id, "queued", due_at=3.0, counts=False))
    assert (await get(store, id)).attempts == 1


async def test_s2_a_lease_given_back_leaves_everything_as_it_was(store: Store) -> None:
    (id,) = await add(store, "x")
    before = await get(store, id)
    lease = (await claim(store, 1.0))["x"]
    await store.write(lambda tx: tx.outbox.release(lease, due_at=5.0))
    assert await get(store, id) == before
    assert await claim(store, 4.0) == {}
    assert ids(await claim(store, 5.0)) == {"x": [id]}


async def test_s2_replies_overtake_relays_and_relays_broadcasts_in_other_conversations(store: Store) -> None:
    for conversation, priority in (("all", 2), ("relay", 1), ("reply", 0)):
        await add(store, conversation, priority=priority)
    assert [list(await claim(store, 1.0, limit=1)) for _ in range(3)] == [["reply"], ["relay"], ["all"]]


async def test_s2_the_longest_due_goes_first(store: Store) -> None:
    for conversation, at in (("late", 3.0), ("early", 1.0), ("between", 2.0)):
        await add(store, conversation, created_at=at)
    assert list(await claim(store, 9.0)) == ["early", "between", "late"]


async def test_a_priority_that_would_never_be_claimed_is_refused(store: Store) -> None:
    with pytest.raises(ValueError, match="priority 3"):
        await add(store, "x", priority=3)


# --- S3: a dead or held letter frees the conversation and is never deleted by the machine


@pytest.mark.parametrize("state", ["dead", "held"])
async def test_s3_a_letter_given_up_frees_the_conversation_and_stays(store: Store, state: str) -> None:
    first, second = await add(store, "x", "x")
    await end(store, (await claim(store, 1.0))["x"], 1.0, state, error="refused")
    assert ids(await claim(store, 2.0)) == {"x": [second]}
    await store.write(lambda tx: tx.outbox.prune(before=1e12))
    kept = await get(store, first)
    assert (kept.state, kept.error, kept.settled_at) == (state, "refused", 1.0)


@pytest.mark.parametrize("state", ["dead", "held", "expired"])
async def test_s3_a_letter_given_up_can_be_sent_again_from_the_start(store: Store, state: str) -> None:
    (id,) = await add(store, "x")
    await end(store, (await claim(store, 1.0))["x"], 1.0, state, error="refused")
    assert await store.write(lambda tx: tx.outbox.requeue(id, now=5.0, expires_at=77.0))
    row = await get(store, id)
    assert (row.state, row.attempts, row.error, row.expires_at, row.settled_at) == ("queued", 0, None, 77.0, None)
    assert ids(await claim(store, 5.0)) == {"x": [id]}


async def test_s3_only_what_is_given_up_can_be_sent_again(store: Store) -> None:
    queued, cancelled, sent = await add(store, "q", "c", "s")
    await store.write(lambda tx: tx.outbox.settle_by_hand(cancelled, state="cancelled", now=1.0))
    await end(store, (await claim(store, 1.0))["s"], 1.0)
    may = await store.write(
        lambda tx: [tx.outbox.requeue(id, now=2.0, expires_at=9.0) for id in (queued, cancelled, sent, 999)]
    )
    assert may == [False, False, False, False]


@pytest.mark.parametrize(("state", "to_state", "may"), [
    ("held", "sent", True), ("held", "discarded", True), ("dead", "discarded", True), ("expired", "discarded", True),
    ("dead", "sent", False), ("sent", "discarded", False), ("sent", "cancelled", False),
])  # fmt: skip
async def test_s3_people_decide_on_what_is_given_up(store: Store, state: str, to_state: Any, may: bool) -> None:
    (id,) = await add(store, "x")
    await end(store, (await claim(store, 1.0))["x"], 1.0, state)
    assert await store.write(lambda tx: tx.outbox.settle_by_hand(id, state=to_state, now=2.0)) is may
    assert (await get(store, id)).state == (to_state if may else state)


async def test_s3_a_waiting_head_that_is_cancelled_lets_the_next_one_through(store: Store) -> None:
    first, second = await add(store, "x", "x")
    assert await store.write(lambda tx: tx.outbox.settle_by_hand(first, state="cancelled", now=1.0))
    assert ids(await claim(store, 1.0)) == {"x": [second]}


async def test_s3_what_is_on_its_way_cannot_be_cancelled_but_what_waits_behind_it_can(store: Store) -> None:
    first, second, third = await add(store, "x", "x", "x")
    await claim(store, 1.0, batch=2)

    def cancel(tx: Tx) -> list[bool]:
        return [tx.outbox.settle_by_hand(id, state="cancelled", now=2.0) for id in (first, second, third)]

    assert await store.write(cancel) == [False, False, True]


async def test_s3_what_a_dead_worker_had_claimed_can_be_cancelled_and_not_begun_any_more(store: Store) -> None:
    _first, second = await add(store, "x", "x")
    lease = (await claim(store, 1.0, batch=2, lease_s=10.0))["x"]
    assert await store.write(lambda tx: tx.outbox.settle_by_hand(second, state="cancelled", now=11.0))
    assert not await begin(store, lease, 11.0)
    assert not await settle(store, lease, 11.0, Outcome(second, "sent"))
    assert (await get(store, second)).state == "cancelled"


async def test_s3_cancelling_takes_from_a_worker_no_word_on_what_it_had_begun(store: Store) -> None:
    first, second, third = await add(store, "x", "x", "x")
    lease = (await claim(store, 1.0, batch=3))["x"]
    await begin(store, lease, 1.0)
    outcomes = [Outcome(first, "queued", due_at=2.0), Outcome(second, "dead"), Outcome(third, "queued", due_at=2.0)]
    await settle(store, lease, 1.0, *outcomes)
    lease = (await claim(store, 2.0, batch=3, lease_s=10.0))["x"]
    await begin(store, lease, 2.0)
    await store.write(lambda tx: tx.outbox.requeue(second, now=3.0, expires_at=1e9))
    await store.write(lambda tx: tx.outbox.settle_by_hand(second, state="cancelled", now=20.0))
    assert await settle(store, lease, 20.0, Outcome(first, "sent"), Outcome(third, "sent"))


# --- S4: what belongs together commits or vanishes together (under SIGKILL: test_crash.py)


async def test_s4_a_unit_that_raises_leaves_no_trace_in_any_table(store: Store) -> None:
    def arrive(tx: Tx) -> None:
        tx.inbox.put(Arrived("a", b"{}", 1.0, key="k"))
        tx.inbox.seen("a", "event", now=1.0)
        message = tx.messages.add(
            account="a", conversation="c", remote_id="m", sender_id="u", sender_name="U", text="t", at=1.0
        )
        tx.outbox.add(to("x", message=message))
        raise LookupError("after all of it")

    with pytest.raises(LookupError, match="after all of it"):
        await store.write(arrive)

    def left(tx: Tx) -> list[object]:
        return [
            tx.inbox.pending(),
            tx.messages.find("a", "m"),
            tx.outbox.list(),
            tx.counters.all(),
            tx.outbox.next_due("a"),
        ]

    assert await store.read(left) == [[], None, [], {}, None]
    assert not await store.write(lambda tx: tx.inbox.seen("a", "event", now=2.0))


async def test_s4_what_is_committed_is_there_after_opening_again(
    engine: Callable[..., Awaitable[Store]], path: Path
) -> None:
    first = await engine(path)
    (id,) = await add(first, "x")
    await first.close()
    second = await engine(path)
    assert (await get(second, id)).conversation == "x"
    await second.close()


# --- S5: same dedupe key, one row


async def test_s5_an_arrival_with_a_key_seen_before_is_counted_and_not_kept(store: Store) -> None:
    first, again, other = await store.write(
        lambda tx: [tx.inbox.put(Arrived(account, b"{}", 1.0, key="7")) for account in ("a", "a", "b")]
    )
    assert first and again is None and other
    counters = await store.read(lambda tx: tx.counters.all())
    assert counters == {("a", "accepted"): 2, ("a", "duplicates"): 1, ("b", "accepted"): 1}


async def test_s5_of_many_who_bring_one_event_at_once_one_is_first(store: Store) -> None:
    seen = await asyncio.gather(*(store.write(lambda tx: tx.inbox.seen("a", "k", now=1.0)) for _ in range(50)))
    assert Counter(seen) == {False: 1, True: 49}


async def test_s5_one_message_of_the_other_side_is_one_row(store: Store) -> None:
    def keep(tx: Tx, text: str) -> int:
        return tx.messages.add(
            account="a", conversation="c", remote_id="m", sender_id="u", sender_name="U", text=text, at=1.0
        )

    first, again = await store.write(lambda tx: (keep(tx, "one"), keep(tx, "two")))
    assert first == again
    message = await store.read(lambda tx: tx.messages.get(first))
    assert message is not None and message.text == "one"


# --- S6: crash before "attempt started": not ambiguous; after: ambiguous (with real crashes: test_crash.py)


async def test_s6_what_was_begun_and_nothing_else_is_found_unknown_at_start(store: Store) -> None:
    claimed, begun, waiting, settled = await add(store, "claimed", "begun", "waiting", "settled")
    leases = await claim(store, 1.0)
    await begin(store, leases["begun"], 1.0)
    await end(store, leases["settled"], 1.0)
    await store.write(lambda tx: tx.outbox.release(leases["waiting"], due_at=50.0))
    found = await store.write(lambda tx: tx.outbox.recover(owner="next", now=5.0, lease_s=60.0))
    assert [[row.id for row in lease.rows] for lease in found] == [[begun]]
    assert found[0].rows[0].state == "sending"
    assert ids(await claim(store, 5.0)) == {"claimed": [claimed]}
    assert (await get(store, settled)).state == "sent"
    assert (await get(store, waiting)).attempts == 0


async def test_s6_an_attempt_begun_counts_even_if_nobody_saw_its_end(store: Store) -> None:
    (id,) = await add(store, "x")
    await begin(store, (await claim(store, 1.0))["x"], 2.0)
    row = await get(store, id)
    assert (row.state, row.attempts, row.started_at) == ("sending", 1, 2.0)


async def test_s6_a_batch_begun_is_found_as_one(store: Store) -> None:
    rows = await add(store, "x", "x", "x")
    await begin(store, (await claim(store, 1.0, batch=2))["x"], 1.0)
    (lease,) = await store.write(lambda tx: tx.outbox.recover(owner="next", now=5.0, lease_s=60.0))
    assert [row.id for row in lease.rows] == rows[:2]
    assert await settle(store, lease, 6.0, *(Outcome(row.id, "held") for row in lease.rows))
    assert ids(await claim(store, 6.0)) == {"x": [rows[2]]}


async def test_s6_what_a_worker_began_before_its_lease_ran_out_comes_alone_and_as_begun(store: Store) -> None:
    first, _ = await add(store, "x", "x")
    await begin(store, (await claim(store, 1.0, lease_s=10.0))["x"], 2.0)
    lease = (await claim(store, 11.0, batch=5))["x"]
    assert [(row.id, row.state) for row in lease.rows] == [(first, "sending")]


# --- S7: a worker whose lease was given to another can neither begin nor settle


async def test_s7_a_lease_given_to_another_can_do_nothing(store: Store) -> None:
    (id,) = await add(store, "x")
    lost = (await claim(store, 1.0, lease_s=10.0))["x"]
    taken = (await claim(store, 11.0, owner="other"))["x"]
    assert not await begin(store, lost, 12.0)
    assert not await settle(store, lost, 12.0, Outcome(id, "dead"))
    await store.write(lambda tx: tx.outbox.release(lost, due_at=0.0))
    assert await end(store, taken, 12.0)
    assert (await get(store, id)).state == "sent"


async def test_s7_a_lease_that_ran_out_cannot_begin_but_may_say_how_it_ended(store: Store) -> None:
    (id,) = await add(store, "x")
    lease = (await claim(store, 1.0, lease_s=10.0))["x"]
    assert not await begin(store, lease, 11.0)
    assert await begin(store, lease, 10.9)
    assert await settle(store, lease, 12.0, Outcome(id, "sent"))


async def test_s7_two_leases_of_one_owner_at_one_instant_are_two(store: Store) -> None:
    (id,) = await add(store, "x")
    first = (await claim(store, 1.0))["x"]
    await settle(store, first, 1.0, Outcome(id, "queued", due_at=1.0))
    second = (await claim(store, 1.0))["x"]
    assert not await settle(store, first, 1.0, Outcome(id, "dead"))
    assert await end(store, second, 1.0)


async def test_s7_every_lease_ends_with_recovery(store: Store) -> None:
    (id,) = await add(store, "x")
    lease = (await claim(store, 1.0))["x"]
    await store.write(lambda tx: tx.outbox.recover(owner="w", now=1.0, lease_s=60.0))
    assert not await begin(store, lease, 1.0)
    assert (await get(store, id)).state == "queued"


async def test_s7_a_lease_settles_its_own_rows_only(store: Store) -> None:
    await add(store, "x")
    (stranger,) = await add(store, "y")
    lease = (await claim(store, 1.0, limit=1))["x"]
    with pytest.raises(ValueError, match=f"delivery {stranger} is not in the lease on a:x"):
        await settle(store, lease, 1.0, Outcome(stranger, "sent"))
    assert (await get(store, stranger)).state == "queued"


# --- S8: one occurrence fires once


async def test_s8_what_is_said_once_is_first_once_however_many_ask_at_once(
    engine: Callable[..., Awaitable[Store]], path: Path
) -> None:
    stores = [await engine(path) for _ in range(2)]
    asked = [
        store.write(lambda tx: tx.notices.first("occurrence 1 2026-12-24T18:00:00Z", now=1.0))
        for store in stores
        for _ in range(25)
    ]
    assert Counter(await asyncio.gather(*asked)) == {True: 1, False: 49}
    for store in stores:
        await store.close()


async def test_s8_a_firing_that_did_not_commit_can_fire(store: Store) -> None:
    def fire(tx: Tx, *, breaks: bool) -> bool:
        first = tx.notices.first("occurrence", now=1.0)
        if breaks:
            raise LookupError
        return first

    with pytest.raises(LookupError):
        await store.write(lambda tx: fire(tx, breaks=True))
    assert await store.write(lambda tx: fire(tx, breaks=False))


# --- S9: payloads round-trip

TEXTS = {
    "ZWJ emoji": FAMILY,
    "flags and skin": "\U0001f1ea\U0001f1fa \U0001f44d\U0001f3fd",
    "right-to-left override": "a\N{RIGHT-TO-LEFT OVERRIDE}cba\N{POP DIRECTIONAL FORMATTING}",
    "200 kB": "z\N{COMBINING DIAERESIS}ä\N{OLD ITALIC LETTER A}" * 20_000,
    "quotes": "it's \"quoted\" `thus` \\ '' ; DROP TABLE outbox; -- %_?:x@y",
    "line ends": "a\r\nb\nc\rd\N{LINE SEPARATOR}e\t ",
    "both forms": "\N{LATIN SMALL LETTER E WITH ACUTE} e\N{COMBINING ACUTE ACCENT}",
    "byte order mark": "\N{ZERO WIDTH NO-BREAK SPACE}text\N{ZERO WIDTH NO-BREAK SPACE}",
    "noncharacters": "\ufffe\uffff\U0010ffff\ufffd",
    "tags": "\U000e0041\U000e007f",
    "NUL in the middle": "before\0after",
    "empty": "",
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
async def test_s9_a_payload_comes_back_as_it_was(
    engine: Callable[..., Awaitable[Store]], path: Path, text: str
) -> None:
    store = await engine(path)
    (id,) = await add(store, text or "x", payload=text)
    await store.close()
    store = await engine(path)
    row = await get(store, id)
    await store.close()
    assert (row.payload, row.conversation, row.intact) == (text, text or "x", True)


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
async def test_s9_a_message_and_its_arrival_come_back_as_they_were(store: Store, text: str) -> None:
    def keep(tx: Tx) -> None:
        tx.inbox.put(Arrived("a", text.encode() + bytes(range(256)), 1.0, path=text, headers=(("X-Any", text),)))
        tx.messages.add(
            account="a",
            conversation=text,
            remote_id=text,
            sender_id=text,
            sender_name=text,
            text=text,
            at=1.0,
            why=text,
        )

    await store.write(keep)
    (arrival,) = await store.read(lambda tx: tx.inbox.pending())
    message = await store.read(lambda tx: tx.messages.find("a", text))
    assert (arrival.body, arrival.path, arrival.headers) == (
        text.encode() + bytes(range(256)),
        text,
        (("X-Any", text),),
    )
    assert message is not None
    assert {message.text, message.sender_name, message.sender_id, message.conversation, message.why} == {text}


@pytest.mark.parametrize("text", ["\ud800", "a\udfff", "\ud83d"])
async def test_s9_half_a_character_is_refused_whole_and_mangles_nothing(store: Store, text: str) -> None:
    with pytest.raises(UnicodeEncodeError):
        await add(store, "x", "y", payload=text)
    assert await store.read(lambda tx: tx.outbox.list()) == []
    assert await store.read(lambda tx: tx.counters.all()) == {}


# --- S10: counts are conserved (after every step: test_outbox_machine.py)


async def test_s10_every_delivery_is_in_one_state_and_counted(store: Store) -> None:
    rows = await add(store, *(f"c{n}" for n in range(8)))
    leases = list((await claim(store, 1.0, limit=5)).values())
    for lease, state in zip(leases, END, strict=False):
        await end(store, lease, 1.0, state)
    await begin(store, leases[4], 1.0)
    await store.write(lambda tx: tx.outbox.settle_by_hand(rows[5], state="discarded", now=1.0))
    await store.write(lambda tx: tx.outbox.settle_by_hand(rows[6], state="cancelled", now=1.0))
    got = await store.read(balance)
    assert got["deliveries"] == {"created": 8} | dict.fromkeys(STATES, 1)
    assert got["balanced"]


# --- S11: order of ids = order of commits inside a conversation


async def test_s11_whoever_looks_never_sees_a_smaller_id_come_later(
    engine: Callable[..., Awaitable[Store]], path: Path
) -> None:
    writers = [await engine(path) for _ in range(3)]
    watcher = await engine(path)
    seen: list[int] = []
    late: list[int] = []

    def look(tx: Tx) -> Sequence[int]:
        return [row.id for row in tx.outbox.list()]

    async def watch() -> None:
        while len(seen) < 150:
            new = [id for id in await watcher.read(look) if id not in seen]
            late.extend(id for id in new if seen and id < seen[-1])
            seen.extend(new)

    async def write(store: Store) -> None:
        for _ in range(50):
            await add(store, "x")

    await asyncio.wait_for(asyncio.gather(watch(), *(write(store) for store in writers)), 30)
    assert late == []
    assert seen == sorted(seen)
    for store in (*writers, watcher):
        await store.close()
