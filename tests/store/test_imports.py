"""The table of past messages: what is there once stays once, and goes out in the order of time."""

from __future__ import annotations

import pytest

from bot.store import Store, Tx
from bot.store.imports import IMPORT_STATES, IdsOfFile, PastOutcome, PastPart, PlacedId, Staged, StagedMessage

A, C = "im", "group/1"


def message(id: str, at: float = 1.0, *parts: str, digest: str = "d") -> StagedMessage:
    return StagedMessage(id, at, digest, parts or (f"text of {id}",))


async def staged(store: Store, *messages: StagedMessage, conversation: str = C) -> Staged:
    return await store.write(lambda tx: tx.imports.stage(A, conversation, messages))


async def begun(store: Store, *, now: float = 10.0, conversation: str = C) -> PastPart | None:
    return await store.write(lambda tx: tx.imports.begin(A, conversation, now=now))


async def settled(store: Store, *outcomes: PastOutcome) -> None:
    def unit(tx: Tx) -> None:
        for outcome in outcomes:
            tx.imports.settle(outcome)

    await store.write(unit)


async def counts(store: Store, conversation: str = C) -> dict[str, int]:
    found = await store.read(lambda tx: tx.imports.count(A, conversation))
    return {state: number for state, number in found.items() if number}


async def test_what_is_staged_twice_is_there_once(store: Store) -> None:
    assert await staged(store, message("a"), message("b")) == Staged(new=2)
    assert await staged(store, message("b"), message("c"), message("a")) == Staged(new=1, known=2)
    assert await counts(store) == {"new": 3}


async def test_an_id_twice_in_one_chunk_is_there_once(store: Store) -> None:
    assert await staged(store, message("a"), message("a"), message("a", digest="e")) == Staged(1, 1, ("a",))


async def test_the_same_id_with_other_words_is_told_and_changes_nothing(store: Store) -> None:
    await staged(store, message("a", 1.0, "first"))
    assert await staged(store, message("a", 1.0, "second", digest="e")) == Staged(changed=("a",))
    row = await begun(store)
    assert row is not None and row.payload == "first"


async def test_comparing_says_what_staging_would_do_and_adds_nothing(store: Store) -> None:
    await staged(store, message("a"), message("b"))
    compared = [message("a"), message("b", digest="e"), message("c")]
    assert await store.read(lambda tx: tx.imports.compare(A, C, compared)) == Staged(1, 1, ("b",))
    assert await counts(store) == {"new": 2}


def test_an_id_of_a_file_is_remembered_with_what_stood_there_first() -> None:
    first = PlacedId("a", "line 1", 1.5, "u1", "w")
    with IdsOfFile() as ids:
        assert ids.note(first) is None
        assert ids.note(PlacedId("b", "line 2", 1.5, "u1", "w")) is None
        assert ids.note(PlacedId("a", "line 3", 2.5, "u2", "x")) == first
        assert ids.note(PlacedId("a", "line 4", 1.5, "u1", "w")) == first


async def test_each_conversation_is_an_import_of_its_own(store: Store) -> None:
    await staged(store, message("a"))
    assert await staged(store, message("a"), conversation="group/2") == Staged(new=1)
    assert await begun(store, conversation="group/3") is None
    assert await counts(store, "group/2") == {"new": 1}


async def test_they_begin_in_the_order_of_time_then_of_the_file_then_of_their_parts(store: Store) -> None:
    await staged(store, message("late", 30.0), message("x", 20.0, "x1", "x2"), message("y", 20.0))
    await staged(store, message("early", 10.5))
    rows = [row for _ in range(6) if (row := await begun(store)) is not None]
    assert [(row.id, row.part, row.parts) for row in rows] == [
        *(("early", 1, 1), ("x", 1, 2), ("x", 2, 2), ("y", 1, 1), ("late", 1, 1)),
    ]
    assert rows[0].at == 10.5


async def test_a_beginning_is_noted_with_its_number_and_time(store: Store) -> None:
    await staged(store, message("a"))
    row = await begun(store, now=77.0)
    assert row is not None and (row.state, row.attempts, row.tried_at) == ("sending", 1, 77.0)
    await settled(store, PastOutcome(row.n, "new", error="away"))
    again = await begun(store, now=78.0)
    assert again is not None and (again.n, again.attempts, again.error) == (row.n, 2, "away")


async def test_the_text_of_one_that_is_sent_goes_and_the_others_stay(store: Store) -> None:
    await staged(store, message("a", 1.0), message("b", 2.0), message("c", 3.0))
    a, b, c = [row for _ in range(3) if (row := await begun(store)) is not None]
    await settled(store, PastOutcome(a.n, "sent", ("r1", "r2")), PastOutcome(b.n, "refused", error="no"))
    await settled(store, PastOutcome(c.n, "unknown", error="cut"))

    payloads = await store.read(
        lambda tx: tx.db.execute("SELECT payload, remote_ids FROM imports ORDER BY n").fetchall()
    )
    assert payloads == [("", '["r1", "r2"]'), ("text of b", "[]"), ("text of c", "[]")]
    assert await staged(store, message("a", 1.0)) == Staged(known=1)


async def test_what_is_sent_or_waits_is_not_settled_by_a_late_word(store: Store) -> None:
    await staged(store, message("a"), message("b"))
    row = await begun(store)
    assert row is not None
    await settled(store, PastOutcome(row.n, "sent"), PastOutcome(row.n, "new"), PastOutcome(row.n + 1, "sent"))
    assert await counts(store) == {"new": 1, "sent": 1}


async def test_open_are_those_of_which_nobody_knows(store: Store) -> None:
    await staged(store, *(message(id, at) for at, id in enumerate("abcd")))
    a, b, c = [row for _ in range(3) if (row := await begun(store)) is not None]
    await settled(store, PastOutcome(a.n, "unknown", error="cut"), PastOutcome(b.n, "refused", error="no"))
    rows = await store.read(lambda tx: tx.imports.open(A, C))
    assert [(row.n, row.state, row.error) for row in rows] == [(a.n, "unknown", "cut"), (c.n, "sending", None)]
    await settled(store, PastOutcome(a.n, "sent"), PastOutcome(c.n, "new"))
    assert await store.read(lambda tx: tx.imports.open(A, C)) == []


@pytest.mark.parametrize("state", ["refused", "unknown"])
async def test_what_did_not_go_waits_again_if_a_person_says_so(store: Store, state: str) -> None:
    await staged(store, message("a", 1.0), message("b", 2.0), message("c", 3.0))
    a, b = [row for _ in range(2) if (row := await begun(store)) is not None]
    other = "unknown" if state == "refused" else "refused"
    await settled(store, PastOutcome(a.n, state, error="x"), PastOutcome(b.n, other))  # type: ignore[arg-type]
    assert await store.write(lambda tx: tx.imports.again(A, C, state)) == 1  # type: ignore[arg-type]
    row = await begun(store)
    assert row is not None and (row.n, row.attempts, row.error) == (a.n, 2, None)


async def test_every_state_is_counted_and_the_reasons_with_their_number(store: Store) -> None:
    await staged(store, *(message(id, at) for at, id in enumerate("abcdef")))
    rows = [row for _ in range(5) if (row := await begun(store)) is not None]
    outcomes = [("refused", "muted"), ("refused", "muted"), ("refused", "gone"), ("unknown", "cut")]
    await settled(store, *(PastOutcome(row.n, s, error=e) for row, (s, e) in zip(rows, outcomes, strict=False)))  # type: ignore[arg-type]
    found = await store.read(lambda tx: tx.imports.count(A, C))
    assert list(found) == list(IMPORT_STATES)
    assert found == {"new": 1, "sending": 1, "sent": 0, "refused": 3, "unknown": 1}
    reasons = await store.read(lambda tx: tx.imports.reasons(A, C, "refused", limit=10))
    assert reasons == [("muted", 2), ("gone", 1)]
    assert await store.read(lambda tx: tx.imports.reasons(A, C, "refused", limit=1)) == [("muted", 2)]


async def test_those_older_than_one_that_was_sent_are_counted(store: Store) -> None:
    await staged(store, message("a", 10.0))
    row = await begun(store)
    assert row is not None
    await staged(store, message("b", 5.0), message("c", 9.9), message("d", 10.0), message("e", 11.0))
    assert await store.read(lambda tx: tx.imports.count_late(A, C)) == 0
    await settled(store, PastOutcome(row.n, "sent"))
    assert await store.read(lambda tx: tx.imports.count_late(A, C)) == 2
    assert await store.read(lambda tx: tx.imports.count_late(A, "group/2")) == 0


async def test_no_repr_holds_a_text(store: Store) -> None:
    await staged(store, message("a", 1.0, "cafe-babe"))
    row = await begun(store)
    assert "cafe" not in repr(row) + repr(message("a", 1.0, "cafe-babe"))


HERE = "account = 'a' AND conversation = 'c'"
QUERIES = {
    "SELECT digest FROM imports WHERE {} AND id = 'i' AND part = 1": "sqlite_autoindex_imports_1",
    "SELECT n FROM imports WHERE {} AND state = 'new' ORDER BY at, n LIMIT 1": "imports_new",
    "SELECT n FROM imports WHERE {} AND state IN ('sending', 'unknown') AND state != 'sent'": "imports_open",
    "SELECT error FROM imports WHERE {} AND state = ? AND state != 'sent'": "imports_open",
}


@pytest.mark.parametrize(("query", "index"), QUERIES.items())
async def test_what_is_looked_for_is_found_by_an_index(store: Store, query: str, index: str) -> None:
    explain = f"EXPLAIN QUERY PLAN {query.format(HERE)}"
    rows = await store.read(lambda tx: tx.db.execute(explain, ("new",) * explain.count("?")).fetchall())
    told = " ".join(str(row[3]) for row in rows)
    assert index in told
    assert "SCAN" not in told and "TEMP B-TREE" not in told
