"""/status and /stats: how the accounts stand, and the numbers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.addresses import telegram_address
from bot.store import Tx
from bot.store.balance import balance
from bot.store.outbox import Outcome
from bridges.errors import Refused
from tests.bot.telegram.desk import ANN, BO, NEWS, OPS, Desk, a_desk


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with a_desk(tmp_path) as made:
        yield made
        await made.line.engine.stop(grace_s=1)


async def test_each_account_says_whether_it_sends_and_what_waits(desk: Desk) -> None:
    await desk.write("/send club:lobby one")
    desk.line.clock.at += 600
    lines = (await desk.ask("/status")).splitlines()
    assert lines[0] == "club (Fake): sending, 1 waiting, the oldest for 10 min"
    assert lines[1] == "desk (Fake): sending, 0 waiting"
    assert lines[-1].startswith("Patchbay ")


async def test_a_paused_account_says_by_whom_and_since_when(desk: Desk) -> None:
    await desk.ask("/timezone Europe/Paris")
    await desk.ask("/pause club")
    lines = (await desk.ask("/status")).splitlines()
    assert lines[0] == "club (Fake): paused since 01-15 09:00 Europe/Paris by Ann (7), 0 waiting"
    assert lines[1] == "  /resume club sends what waits"


async def test_one_whose_credentials_are_refused_says_why(desk: Desk) -> None:
    await desk.line.store.write(lambda tx: tx.accounts.pause("club", reason="401", now=desk.line.clock()))
    assert "club (Fake): paused since 01-15 08:00 UTC: 401, 0 waiting" in await desk.ask("/status")


async def test_one_that_is_lost_says_since_when(desk: Desk) -> None:
    await desk.line.store.write(lambda tx: tx.notices.first("lost:club", now=desk.line.clock()))
    assert "club (Fake): takes no messages since 01-15 08:00 UTC, 0 waiting" in await desk.ask("/status")


async def test_the_last_error_of_an_account_is_shown_with_its_time(desk: Desk) -> None:
    desk.line.club.refuses["no"] = Refused("there is no @all such room")
    await desk.line.engine.start()
    await desk.write("/send club:lobby no")
    await desk.line.rests()
    said = await desk.ask("/status")
    assert "1 dead" in said
    assert "  last error (01-15 08:00 UTC): there is no @\u2060all such room" in said


async def test_why_other_chats_get_nothing_is_not_told_to_a_role_for_this_chat(desk: Desk) -> None:
    def unit(tx: Tx) -> None:
        for place, reason in ((OPS, "kicked from Ops"), (NEWS, "kicked from News")):
            desk.line.relay.tell(tx, telegram_address(place), "hello", now=desk.line.clock())
            (lease,) = tx.outbox.claim("telegram", owner="x", now=desk.line.clock(), lease_s=9, limit=1, batch=1)
            assert tx.outbox.begin(lease, now=desk.line.clock())
            tx.outbox.settle(lease, [Outcome(lease.rows[0].id, "dead", reason)], now=desk.line.clock())

    await desk.line.store.write(unit)
    assert "kicked from News" in await desk.ask("/status", by=ANN)
    await desk.grant(BO, "operator", chat=OPS)
    said = await desk.ask("/status", by=BO)
    assert "kicked from Ops" in said
    assert "News" not in said


async def test_announcements_under_way_are_counted(desk: Desk) -> None:
    def unit(tx: Tx) -> None:
        for state in ("running", "running", "paused", "done"):
            tx.db.execute(
                "INSERT INTO broadcasts (person, person_name, chat, text, state, created_at)"
                f" VALUES ('7', 'Ann', '-1', 'x', '{state}', 1)"
            )

    await desk.line.store.write(unit)
    said = await desk.ask("/status")
    assert "Announcements running: 2" in said
    assert "Announcements paused: 1" in said


async def test_the_numbers_are_those_of_the_balance_and_balanced_is_said_in_words(desk: Desk) -> None:
    await desk.write("/send club:lobby one")
    said = await desk.ask("/stats")
    found = await desk.line.store.read(balance)
    names = [part.split()[0] for line in said.splitlines()[:2] for part in line.partition(": ")[2].split(", ")]
    assert names == [*found["inbound"], *found["deliveries"]]
    assert said.splitlines()[2] == "This is balanced."


async def test_what_is_not_balanced_is_said_too(desk: Desk) -> None:
    await desk.line.store.write(lambda tx: tx.counters.add("club", "accepted", 1))
    assert "This is not balanced" in await desk.ask("/stats")


async def test_numbers_are_given_for_each_account_and_route_of_a_day_and_a_week(desk: Desk) -> None:
    await desk.line.route("club:lobby -> telegram:-5", name="lobby")
    await desk.line.engine.start()
    for id, later_s in (("older than a week", 0), ("of the week", 5 * 86_400), ("of today", 3 * 86_400)):
        await desk.line.later(later_s)
        await desk.line.said("club:lobby", id, id=id)
        await desk.line.rests()
    said = await desk.ask("/stats")
    assert "By route, in 24 hours / 7 days:\nlobby sent 1 / 2" in said
    assert "telegram sent 1 / 2" in said


async def test_routes_of_other_chats_are_not_told_to_a_role_for_this_chat(desk: Desk) -> None:
    for place, name in ((OPS, "ours"), (NEWS, "theirs")):
        await desk.line.route(f"club:lobby -> telegram:{place}", name=name)
    await desk.line.engine.start()
    await desk.line.said("club:lobby", "hello", id="m1")
    await desk.line.rests()
    await desk.grant(BO, "operator", chat=OPS)
    assert "theirs sent 1 / 1" in await desk.ask("/stats")
    said = await desk.ask("/stats", by=BO)
    assert "ours sent 1 / 1" in said
    assert "theirs" not in said
