"""The index of words, which follows the messages at a distance."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.indexing import AT_ONCE, Indexing
from bot.store import Tx
from tests.bot.fakes import opened

CHECK = "INSERT INTO messages_words (messages_words) VALUES ('integrity-check')"


def say(tx: Tx, *texts: str) -> list[int]:
    """Messages, one for each text; returns their ids."""
    return [
        tx.messages.add(
            account="club", conversation="lobby", remote_id=None, sender_id="1", sender_name="Ann", text=text, at=1.0
        )
        for text in texts
    ]


def found(tx: Tx, word: str) -> list[int]:
    """The messages that the index has under a word."""
    rows = tx.db.execute("SELECT rowid FROM messages_words WHERE messages_words MATCH ? ORDER BY rowid", (word,))
    return [int(id) for (id,) in rows]


async def test_messages_are_found_after_a_sweep_and_each_is_looked_at_once(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        indexing = Indexing(store=store)
        ids = await store.write(lambda tx: say(tx, "apple pie", "", "apple tart"))
        assert await store.read(lambda tx: found(tx, "apple")) == []
        assert await indexing.sweep() == 3
        assert await store.read(lambda tx: found(tx, "apple")) == [ids[0], ids[2]]
        assert await indexing.sweep() == 0
        more = await store.write(lambda tx: say(tx, *["apple"] * (2 * AT_ONCE + 1)))
        assert await indexing.sweep() == len(more)
        assert len(await store.read(lambda tx: found(tx, "apple"))) == 2 + len(more)
        await store.write(lambda tx: tx.db.execute(CHECK))


@pytest.mark.parametrize("swept", [False, True])
async def test_words_that_change_or_go_before_or_after_the_sweep_are_not_found(tmp_path: Path, swept: bool) -> None:
    async with opened(tmp_path) as store:
        indexing = Indexing(store=store)
        one, two, three = await store.write(lambda tx: say(tx, "apple", "apple", "apple"))
        if swept:
            await indexing.sweep()
        await store.write(lambda tx: tx.messages.rewrite(one, text="pear", digest="x", now=2.0))
        await store.write(lambda tx: tx.messages.gone(two, now=2.0))
        await indexing.sweep()
        assert await store.read(lambda tx: (found(tx, "apple"), found(tx, "pear"))) == ([three], [one])
        await store.write(lambda tx: tx.messages.rewrite(one, text="apple", digest="y", now=3.0))
        assert await store.read(lambda tx: (found(tx, "apple"), found(tx, "pear"))) == ([one, three], [])
        await store.write(lambda tx: tx.db.execute(CHECK))


async def test_it_goes_on_where_it_was_after_a_restart(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.write(lambda tx: say(tx, "apple"))
        await Indexing(store=store).sweep()
        await store.write(lambda tx: say(tx, "apple"))
    async with opened(tmp_path) as store:
        assert await Indexing(store=store).sweep() == 1
        assert len(await store.read(lambda tx: found(tx, "apple"))) == 2
