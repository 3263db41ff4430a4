"""Forgetting: what is old enough goes, a little at a time."""

from __future__ import annotations

from pathlib import Path

from bot.indexing import Indexing
from bot.retention import AT_ONCE, Retention
from bot.store import Tx
from bot.store.balance import balance
from bot.store.inbox import Arrived
from bot.store.outbox import NewDelivery, Outcome
from bot.store.sqlite import SqliteStore
from tests.bot.fakes import opened
from tests.databases import new_database

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
    store = await SqliteStore.open(new_database(tmp_path / "p.sqlite3"))
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


NOW = 100 * DAY_S


async def swept(store: SqliteStore, keep_s: float = 50 * DAY_S) -> None:
    await Retention(store=store, keep_s=keep_s, clock=lambda: NOW).sweep()


async def column(store: SqliteStore, query: str) -> list[object]:
    return await store.read(lambda tx: [value for (value,) in tx.db.execute(query)])


async def test_a_wizard_goes_when_nobody_went_on_with_it_for_a_month(tmp_path: Path) -> None:
    def fill(tx: Tx) -> None:
        for chat, at in (("old", 69 * DAY_S), ("young", 71 * DAY_S)):
            tx.dialogs.put(chat, "1", kind="route", step="name", state={}, asked="", now=at)

    async with opened(tmp_path) as store:
        await store.write(fill)
        await swept(store)
        assert await column(store, "SELECT chat FROM dialogs") == ["young"]


async def test_who_was_not_seen_for_long_is_forgotten_unless_they_hold_a_role(tmp_path: Path) -> None:
    def fill(tx: Tx) -> None:
        tx.people.saw("1", username="ann", name="Ann", now=DAY_S)
        tx.people.saw("2", username="bo", name="Bo", now=DAY_S)
        tx.people.saw("3", username="cy", name="Cy", now=DAY_S)
        tx.people.saw("3", username="cy", name="Cy", now=99 * DAY_S)
        tx.roles.grant("2", "operator")

    async with opened(tmp_path) as store:
        await store.write(fill)
        await swept(store)
        assert await column(store, "SELECT person FROM people ORDER BY person") == ["2", "3"]


async def test_changes_of_rules_can_be_undone_for_as_long_as_anything_is_kept(tmp_path: Path) -> None:
    def fill(tx: Tx) -> None:
        for at in (49 * DAY_S, 51 * DAY_S):
            tx.route_changes.add(person="1", before=None, after=None, now=at)

    async with opened(tmp_path) as store:
        await store.write(fill)
        await swept(store)
        assert await column(store, "SELECT at FROM route_changes") == [51 * DAY_S]


async def test_an_announcement_that_is_over_loses_its_words_and_its_deliveries(tmp_path: Path) -> None:
    def fill(tx: Tx) -> None:
        for at in (1.0, 99 * DAY_S):
            number = tx.db.execute(
                "INSERT INTO broadcasts (person, person_name, chat, text, state, created_at)"
                " VALUES ('1', 'Ann', 'telegram:1', 'words', 'done', ?)",
                (at,),
            ).lastrowid
            assert number is not None
            id = tx.outbox.add(NewDelivery("b", f"c{at}", "{}", at, 9e12, "hold"))
            tx.db.execute("UPDATE outbox SET broadcast = ? WHERE id = ?", (number, id))
            assert tx.outbox.settle_by_hand(id, state="discarded", now=at)
            tx.broadcasts.end(number, now=at)

    async with opened(tmp_path) as store:
        await store.write(fill)
        await swept(store)
        assert await column(store, "SELECT text FROM broadcasts ORDER BY id") == ["", "words"]
        assert await column(store, "SELECT broadcast FROM outbox") == [2]


async def test_the_search_index_forgets_with_the_texts(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.write(lambda tx: fill(tx, at=1.0, number=3))
        assert await Indexing(store=store).sweep() == 3
        assert len(await column(store, "SELECT rowid FROM messages_words WHERE messages_words MATCH 'words'")) == 3
        await swept(store)
        assert await column(store, "SELECT rowid FROM messages_words WHERE messages_words MATCH 'words'") == []
        check = "INSERT INTO messages_words (messages_words) VALUES ('integrity-check')"
        await store.write(lambda tx: tx.db.execute(check) and None)
