"""Deliveries as people ask for them: by state, account, chat and reason."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.store import Tx
from bot.store.lists import BOTS_OWN, Wanted
from bot.store.outbox import NewDelivery
from bot.store.sqlite import SqliteStore
from tests.bot.fakes import opened

OURS, OTHER = "-1001", "-10011"
"""The second begins as the first does."""


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    async with opened(tmp_path) as made:
        await made.write(_filled)
        yield made


def _filled(tx: Tx) -> None:
    def written(conversation: str, *, account: str = "telegram") -> int:
        return tx.messages.add(
            account=account,
            conversation=conversation,
            remote_id=None,
            sender_id="1",
            sender_name="Ann",
            text="x",
            at=1.0,
        )

    def put(account: str, conversation: str, message: int | None, *, dead: str = "", why: str = "r") -> int:
        new = NewDelivery(account, conversation, "{}", 1.0, 99.0, "hold", message=message, why=why)
        id = tx.outbox.add(new)
        if dead:
            tx.outbox.bury([id], reason=dead, now=2.0)
        return id

    put("club", "a", written(OURS))  # 1
    put("club", "a", written(f"{OURS}/17"), dead="no")  # 2
    put("desk", "b", written(OTHER), dead="no")  # 3
    put("telegram", f"{OURS}/18", written("lobby", account="club"), dead="barred")  # 4
    put("telegram", OTHER, written("lobby", account="club"), dead="barred")  # 5
    put("telegram", OURS, None, why=BOTS_OWN)  # 6
    about = written(OURS)
    tx.outbox.add(NewDelivery("desk", "c", "{}", 1.0, 99.0, "hold", op="react", subject=about, why="r"))  # 7


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        (Wanted(("queued",)), [7, 6, 1]),
        (Wanted(("queued",), answers=False), [7, 1]),
        (Wanted(("dead",)), [5, 4, 3, 2]),
        (Wanted(("dead", "queued"), account="desk"), [7, 3]),
        (Wanted(("dead",), chat=OURS), [4, 2]),
        (Wanted(("queued",), chat=OURS), [7, 6, 1]),
        (Wanted(("dead",), chat=OTHER), [5, 3]),
        (Wanted(("held",)), []),
    ],
)
async def test_those_that_are_wanted_come_newest_first(store: SqliteStore, wanted: Wanted, ids: list[int]) -> None:
    assert [row.id for row in await store.read(lambda tx: tx.deliveries.page(wanted, limit=9))] == ids
    assert sum((await store.read(lambda tx: tx.deliveries.totals(wanted))).values()) == len(ids)
    by_reason = await store.read(lambda tx: tx.deliveries.by_reason(wanted))
    assert sorted(id for of in by_reason.values() for id in of) == sorted(ids)


async def test_pages_follow_each_other(store: SqliteStore) -> None:
    wanted = Wanted(("dead",))
    pages = [await store.read(lambda tx, n=n: tx.deliveries.page(wanted, limit=3, offset=n)) for n in (0, 3, 6)]
    assert [[row.id for row in page] for page in pages] == [[5, 4, 3], [2], []]


@pytest.mark.parametrize(("id", "ours"), [(1, True), (2, True), (3, False), (4, True), (5, False), (7, True)])
async def test_a_delivery_is_of_the_chat_that_it_was_written_in_or_goes_to(
    store: SqliteStore, id: int, ours: bool
) -> None:
    assert await store.read(lambda tx: tx.deliveries.is_of_chat(id, OURS)) is ours
