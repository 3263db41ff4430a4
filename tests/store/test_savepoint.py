"""A part of a unit that is undone: with its rows goes all that is kept beside them until the commit."""

from __future__ import annotations

from typing import Any

import pytest

from bot.store import Store
from bot.store.balance import balance
from tests.store.test_contract import to


class Wrong(Exception):
    """What a person wrote was wrong."""


async def test_what_was_counted_and_woken_in_a_part_that_is_undone_is_undone_too(store: Store) -> None:
    def unit(tx: Any) -> tuple[set[str], int]:
        tx.outbox.add(to("before"))
        before, epoch = set(tx.woken), tx.epoch
        with pytest.raises(Wrong), tx.savepoint("part"):
            tx.outbox.add(to("within"))
            tx.routes.remove(1)
            raise Wrong
        assert tx.epoch > epoch
        return before ^ tx.woken, len(tx.outbox.list())

    assert await store.write(unit) == (set(), 1)
    counted = await store.read(balance)
    assert counted["balanced"]
    assert counted["deliveries"]["created"] == 1


async def test_what_was_counted_in_a_part_that_is_kept_counts_also_where_one_around_it_is_undone(store: Store) -> None:
    def unit(tx: Any) -> None:
        with tx.savepoint("kept"):
            tx.outbox.add(to("kept"))
        with pytest.raises(Wrong), tx.savepoint("around"):
            with tx.savepoint("inner"):
                tx.outbox.add(to("inner"))
            raise Wrong

    await store.write(unit)
    counted = await store.read(balance)
    assert counted["balanced"]
    assert counted["deliveries"]["created"] == 1
