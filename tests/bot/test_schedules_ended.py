"""What schedules let end or replace: taken back everywhere, not before the new one is there, and what never went out is
told.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot import broadcasts, decisions
from bot.broadcast_report import receipts
from bot.broadcaster import Broadcaster
from bot.quiet import parse_quiet
from bot.store import Tx
from bot.store.broadcasts import Broadcast
from bot.telegram.announcing import Announcing
from bridges.errors import Refused, Unavailable
from tests.bot.fakes import opened
from tests.bot.line import ROOM
from tests.bot.telegram.test_announcing import Chat
from tests.bot.test_schedules import DAY, HOME, At, utc

HOUR = 3600.0
DUE = utc("2026-11-20 18:00")


class Ending(At):
    """The same, with what lets deliveries go and what shows how they stand."""

    def __init__(self, store: Any) -> None:
        super().__init__(store)
        self.club.capabilities = replace(self.club.capabilities, deletes=True)
        self.chat = Chat(self)
        self.announcing = Announcing(
            store=store,
            bot=self.chat,
            relay=self.relay,
            clock=self.clock,
            monotonic=self.clock,  # type: ignore[arg-type]
        )
        self.broadcaster = Broadcaster(
            store=store, accounts=self.relay.accounts, clock=self.clock, monotonic=self.clock
        )

    async def delivered(self) -> None:
        """Let everything go that may go by now, and show that; what comes of that goes, too."""
        for _ in range(3):
            self.clock.at += 4.0
            await self.broadcaster.turn()
            await super().delivered()
            await self.announcing.turn()

    async def get(self, number: int) -> Broadcast:
        found = await self.store.read(lambda tx: tx.broadcasts.get(number))
        assert found is not None
        return found

    async def became(self, number: int = 1, *, op: str = "send") -> dict[str, str]:
        """What became of an announcement at each place."""
        rows = await self.deliveries()
        return {str(row.address): row.state for row in rows if row.broadcast == number and row.op == op}

    async def settled(self, state: str, error: str = "no") -> None:
        """That became of all that waits."""
        await self.store.write(
            lambda tx: tx.db.execute(
                "UPDATE outbox SET state = ?, starts = 1, error = ?, parked = 0 WHERE broadcast IS NOT NULL"
                " AND state = 'queued'",
                (state, error),
            )
        )


@pytest.fixture
async def at(tmp_path: Path) -> AsyncIterator[Ending]:
    async with opened(tmp_path) as store:
        made = Ending(store)
        yield made
        if made.is_delivering:
            await made.engine.stop(grace_s=1)


# --- what has had its time


async def test_what_expired_before_it_was_sent_is_told_once_and_written_down(at: Ending) -> None:
    schedule = await at.add("at 18:00", f"{ROOM}, club:a", expire=HOUR)
    at.club.refuses["Stand-up"] = Unavailable("away")
    await at.comes(DUE)
    await at.delivered()
    for _ in range(2):
        await at.comes(DUE + HOUR)
    await at.delivered()
    assert await at.became() == {ROOM: "sent", "club:a": "cancelled"}
    said = [text for text in await at.told() if "expired" in text]
    assert len(said) == 1
    assert said[0].startswith("Schedule 1: of what was due at Fri 2026-11-20 18:00")
    assert said[0].endswith(", 1 expired before it could be sent.")
    (row,) = await at.history(schedule)
    assert row.note == "1 expired before it could be sent."
    found = await at.store.read(lambda tx: receipts(tx, tx.broadcasts.get(1)))  # type: ignore[arg-type]
    assert {each.address: (each.state, each.error) for each in found} == {
        ROOM: ("deleted", ""),
        "club:a": ("cancelled", "expired before it could be sent"),
    }


async def test_what_failed_and_expired_counts_and_what_was_stopped_or_sent_does_not(at: Ending) -> None:
    await at.add("at 18:00", f"{ROOM}, club:a, club:b", expire=HOUR)
    await at.add("at 18:00", "club:c", expire=HOUR)
    await at.add("at 18:00", "club:d", expire=HOUR)
    await at.comes(DUE)
    await at.store.write(lambda tx: broadcasts.stop(tx, tx.broadcasts.get(2), now=DUE))  # type: ignore[arg-type]
    await at.store.write(
        lambda tx: tx.db.execute("UPDATE outbox SET state = 'dead', error = 'no' WHERE conversation IN ('a', 'b')")
    )
    await at.delivered()
    await at.comes(DUE + HOUR)
    assert [text.rpartition(", ")[2] for text in await at.told()] == ["2 expired before they could be sent."]


async def test_the_copy_at_home_goes_when_its_deliveries_are_forgotten(at: Ending) -> None:
    await at.add("at 18:00", f"{HOME}, {ROOM}", expire=100 * DAY)
    await at.comes(DUE)
    await at.delivered()

    def forget(tx: Tx) -> int:
        before = at.clock() + 30 * DAY
        return tx.outbox.prune(before=before) + tx.messages.prune(before=before) + tx.broadcasts.prune(before=before)

    assert await at.store.write(forget) > 2
    await at.comes(DUE + 100 * DAY)
    await at.delivered()
    assert sorted(at.telegram.done) == ["delete t1", "delete t2"]


async def test_what_may_have_arrived_at_home_is_owed_its_deletion_as_elsewhere(at: Ending) -> None:
    await at.add("at 18:00", f"{HOME}, {ROOM}", expire=HOUR)
    await at.comes(DUE)
    await at.settled("held")
    await at.comes(DUE + HOUR)
    held = [row for row in await at.deliveries() if row.state == "held"]
    assert [row.owed for row in held] == [2, 2]


async def test_what_failed_at_home_is_let_go_as_elsewhere(at: Ending) -> None:
    await at.add("at 18:00", f"{HOME}, {ROOM}", expire=HOUR)
    await at.comes(DUE)
    await at.settled("dead")
    await at.comes(DUE + HOUR)
    assert await at.became() == {HOME: "discarded", ROOM: "discarded"}
    with pytest.raises(decisions.DecisionError):
        await at.store.write(lambda tx: broadcasts.retry_failed(tx, at.relay, tx.broadcasts.get(1), now=at.clock()))  # type: ignore[arg-type]


# --- what is replaced


async def test_the_previous_one_is_taken_back_once_the_next_was_sent(at: Ending) -> None:
    await at.add("every day at 18:00", f"{HOME}, {ROOM}", replace=True, text="{date}")
    await at.comes(DUE)
    await at.delivered()
    await at.comes(DUE + DAY)
    assert await at.became(op="delete") == {}, "the new one has not left yet"
    await at.delivered()
    assert at.telegram.texts[-2:] == ["Sat 2026-11-21"] * 2
    assert sorted(at.telegram.done) == ["delete t1", "delete t2"]
    await at.comes(DUE + 2 * DAY)
    await at.delivered()
    assert sorted(at.telegram.done) == ["delete t1", "delete t2", "delete t3", "delete t4"]
    assert broadcasts.kept(await at.get(3)).replaces == ()


async def test_at_each_place_it_stays_until_the_next_one_is_there(at: Ending) -> None:
    at.policy = type(at.policy)(quiet=parse_quiet("22:00-07:00"))
    at.restart()
    await at.store.write(lambda tx: tx.chats.set("-5", "timezone", "Asia/Tokyo"))
    await at.add("cron 0 12,18 * * sat", f"{ROOM}, club:a", replace=True)
    await at.comes(utc("2026-11-21 12:00"))
    await at.delivered()
    await at.comes(utc("2026-11-21 18:00"))
    await at.delivered()
    assert await at.became(2) == {ROOM: "queued", "club:a": "sent"}, "it is three in the morning in Tokyo"
    assert (at.club.done, at.telegram.done) == (["delete c1"], [])
    at.clock.at = utc("2026-11-21 22:00")
    await at.delivered()
    assert await at.became(2) == {ROOM: "sent", "club:a": "sent"}
    assert (at.club.done, at.telegram.done) == (["delete c1"], ["delete t1"])


async def test_where_the_next_one_fails_the_previous_one_stays_until_one_arrives(at: Ending) -> None:
    await at.add("every day at 18:00", replace=True, text="{date}")
    await at.comes(DUE)
    await at.delivered()
    at.telegram.refuses["Sat"] = Refused("not allowed")
    await at.comes(DUE + DAY)
    await at.delivered()
    assert await at.became(2) == {ROOM: "dead"}
    assert at.telegram.done == []
    await at.comes(DUE + 2 * DAY)
    await at.delivered()
    assert at.telegram.done == ["delete t1"]
    assert await at.became(2) == {ROOM: "discarded"}, "nobody sends what has been replaced"


async def test_when_the_next_one_is_over_the_previous_one_goes_also_where_that_failed(at: Ending) -> None:
    await at.add("every day at 18:00", f"{ROOM}, club:a", replace=True, text="{date}")
    await at.comes(DUE)
    await at.delivered()
    at.club.refuses["Sat"] = Refused("not allowed")
    await at.comes(DUE + DAY)
    await at.delivered()
    assert (at.club.done, at.telegram.done) == (["delete c1"], ["delete t1"])


async def test_places_that_are_no_targets_any_more_lose_it_with_the_first_that_arrives(at: Ending) -> None:
    at.policy = type(at.policy)(quiet=parse_quiet("22:00-07:00"))
    at.restart()
    await at.store.write(lambda tx: tx.chats.set("-5", "timezone", "Asia/Tokyo"))
    schedule = await at.add("cron 0 12,18 * * sat", f"{ROOM}, club:a, club:b", replace=True)
    await at.comes(utc("2026-11-21 12:00"))
    await at.delivered()
    await at.edit(schedule, f"| {ROOM}, club:b |")
    await at.comes(utc("2026-11-21 18:00"))
    assert at.club.done == []
    await at.delivered()
    assert sorted(at.club.done) == ["delete c1", "delete c2"]
    assert at.telegram.done == []


async def test_what_is_replaced_before_it_left_never_leaves(at: Ending) -> None:
    await at.add("every day at 18:00", f"{ROOM}, club:a", replace=True, text="{date}")
    at.club.refuses["Fri"] = Unavailable("away")
    await at.comes(DUE)
    await at.delivered()
    await at.comes(DUE + DAY)
    found = await at.store.read(lambda tx: receipts(tx, tx.broadcasts.get(1)))  # type: ignore[arg-type]
    assert [(each.address, each.state, each.error) for each in found] == [
        (ROOM, "sent", ""),
        ("club:a", "cancelled", "replaced before it could be sent"),
    ]
    await at.delivered()
    assert at.club.texts == ["Sat 2026-11-21"]
    assert at.telegram.done == ["delete t1"]


async def test_a_deletion_that_fails_is_not_made_again_and_again(at: Ending) -> None:
    at.policy = type(at.policy)(quiet=parse_quiet("22:00-07:00"))
    at.restart()
    await at.store.write(lambda tx: tx.chats.set("-5", "timezone", "Asia/Tokyo"))
    await at.add("cron 0 12,18 * * sat", f"{ROOM}, club:a", replace=True)
    await at.comes(utc("2026-11-21 12:00"))
    await at.delivered()
    await at.comes(utc("2026-11-21 18:00"))
    await at.delivered()
    await at.store.write(lambda tx: tx.db.execute("UPDATE outbox SET state = 'dead' WHERE op = 'delete'"))
    await at.delivered()
    deletions = [row for row in await at.deliveries() if row.op == "delete"]
    assert len(deletions) == 1


async def test_after_a_kill_what_is_replaced_is_still_taken_back(at: Ending) -> None:
    await at.add("every day at 18:00", replace=True)
    await at.comes(DUE)
    await at.delivered()
    await at.comes(DUE + DAY)
    await At.delivered(at)
    assert at.telegram.done == []
    at.announcing = Announcing(
        store=at.store,
        bot=at.chat,
        relay=at.relay,
        clock=at.clock,
        monotonic=at.clock,  # type: ignore[arg-type]
    )
    await at.delivered()
    assert at.telegram.done == ["delete t1"]


async def test_what_was_replaced_long_after_goes_though_its_deliveries_are_forgotten(at: Ending) -> None:
    await at.add("every month on the 20th at 18:00", f"{HOME}, {ROOM}", replace=True)
    await at.comes(DUE)
    await at.delivered()
    assert await at.store.write(lambda tx: tx.outbox.prune(before=at.clock() + DAY)) == 2
    await at.comes(utc("2026-12-20 18:00"))
    await at.delivered()
    assert sorted(at.telegram.done) == ["delete t1", "delete t2"]


async def test_it_goes_also_where_the_one_between_failed_so_long_ago_that_its_words_are_forgotten(at: Ending) -> None:
    await at.add("every 40 days at 18:00", replace=True, text="{date}")
    await at.comes(DUE)
    await at.delivered()
    at.telegram.refuses["Wed"] = Refused("not allowed")
    await at.comes(DUE + 40 * DAY)
    await at.delivered()
    assert await at.became(2) == {ROOM: "dead"}
    forgotten = [await at.store.write(lambda tx: tx.broadcasts.prune(before=at.clock() + DAY)) for _ in "ab"]
    assert forgotten == [2, 0]
    await at.comes(DUE + 80 * DAY)
    await at.delivered()
    assert at.telegram.done == ["delete t1"]


async def test_one_that_is_to_be_let_stand_is_not_looked_at_again_and_again(at: Ending) -> None:
    at.policy = type(at.policy)(quiet=parse_quiet("22:00-07:00"))
    at.restart()
    await at.store.write(lambda tx: tx.chats.set("-5", "timezone", "Asia/Tokyo"))
    await at.add("cron 0 12,18 * * sat", f"{ROOM}, desk:a", replace=True)
    await at.comes(utc("2026-11-21 12:00"))
    await at.delivered()
    await at.comes(utc("2026-11-21 18:00"))
    await at.delivered()
    second = await at.get(2)
    assert broadcasts.kept(second).replaces == (1,), "it has not gone out in Tokyo"
    assert not await at.store.read(lambda tx: broadcasts.is_to_give_way(tx, at.relay, second)), "desk cannot delete"
