"""Telegram away, slow or full: the bot says so, loses nothing and comes back by itself."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from pathlib import Path

import pytest

from tests.journeys.world import ANN, BO, CARA, EYES, FAILED, SENT, UNSURE, World

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def _ready(world: World) -> tuple[int, dict[str, object]]:
    answer = await world.http.get("/readyz")
    return answer.status_code, answer.json()


async def test_telegram_down_at_the_start_hooks_are_accepted_and_nothing_is_lost(world: World) -> None:
    ops = world.group()
    await ops.ask("/link support:sms/85255504444")
    await world.bot.kill()
    telegram = world.servers["telegram"]
    await telegram.down()
    await world.start(wait=False)
    assert await world.sms("into the dark", sender="85255504444") == 200
    number = ops.say("/send support:room-42 from the dark")
    status, said = await _ready(world)
    assert status == 503
    assert said["store"] == "ok"
    assert "cannot be reached" in str(said["telegram"])
    assert (await world.http.get("/healthz")).status_code == 200
    await telegram.up()
    await ops.hears("into the dark", within_s=30)
    await ops.marked(number, SENT, within_s=30)
    assert await world.until(lambda: _is_ready(world))
    assert world.pushed().count("from the dark") == 1


async def _is_ready(world: World) -> bool:
    return (await _ready(world))[0] == 200


async def test_telegram_down_later_makes_it_unready_until_it_is_back(world: World) -> None:
    ops = world.group()
    await ops.ask("/link support:sms/85255504445")
    telegram = world.servers["telegram"]
    await telegram.down()
    assert await world.sms("unheard yet", sender="85255504445") == 200

    async def unready() -> bool:
        return not await _is_ready(world)

    await world.until(unready)
    await telegram.up()
    await ops.hears("unheard yet", within_s=30)
    await world.until(lambda: _is_ready(world))
    assert sum("unheard yet" in text for text in ops.texts()) == 1


async def test_failed_calls_at_the_start_do_not_stop_it(world: World) -> None:
    script = world.servers["telegram"].script
    await world.bot.kill()
    for method in ("getMe", "deleteWebhook"):
        script.next(500, '{"ok": false, "error_code": 500, "description": "Internal Server Error"}', on=f"/{method}")
    await world.start()
    await world.group().quiet()
    assert not script.answers


@pytest.mark.parametrize("body", ["<html>It works!</html>", "{}", '{"ok": true, "result": 7}'])
async def test_a_wrong_answer_to_a_poll_is_only_a_pause(world: World, body: str) -> None:
    ops = world.group()
    script = world.servers["telegram"].script
    given = script.given
    script.next(200, body, on="/getUpdates")
    await ops.quiet()  # ends the poll that waits
    await world.until(lambda: script.given > given)
    await ops.marked(ops.say("/send support:room-42 after nonsense"), SENT)


async def test_a_429_of_telegram_is_obeyed(world: World) -> None:
    ops = world.group()
    await ops.ask("/link support:sms/85255504446")
    faults = world.telegram.faults
    hits = faults.hits
    world.telegram.fail("too_many", methods=["sendMessage"], retry_after_s=2, remaining=1)
    await world.sms("too fast", sender="85255504446")
    await world.until(lambda: faults.hits > hits)
    refused_at = time.monotonic()
    await ops.hears("too fast")
    assert time.monotonic() - refused_at >= 1.9
    assert sum("too fast" in text for text in ops.texts()) == 1


async def test_a_reaction_that_meets_a_429_is_shown_later(world: World) -> None:
    ops = world.group()
    world.telegram.fail("too_many", methods=["setMessageReaction"], retry_after_s=1, remaining=2)
    await ops.marked(ops.say("/send support:room-42 patience"), SENT)


@pytest.mark.parametrize("fault", ["server_error", "cut_before"])
async def test_what_telegram_did_not_take_is_sent_again(world: World, fault: str) -> None:
    ops = world.group()
    await ops.ask("/link support:sms/85255504447")
    world.telegram.fail(fault, methods=["sendMessage"], remaining=1)
    await world.sms(f"through {fault}", sender="85255504447")
    await ops.hears(f"through {fault}")
    assert sum(f"through {fault}" in text for text in ops.texts()) == 1
    await ops.ask("/unlink")


async def test_cut_after_telegram_took_it_it_is_sent_again_for_a_loss_is_worse(world: World) -> None:
    ops = world.group()
    await ops.ask("/link support:sms/85255504448")
    world.telegram.fail("cut", methods=["sendMessage"], remaining=1)
    await world.sms("maybe twice", sender="85255504448")
    await world.until(lambda: sum("maybe twice" in text for text in ops.texts()) == 2)
    await ops.ask("/unlink")


async def test_cut_after_telegram_took_it_it_is_held_where_the_owner_wants_that(world: World) -> None:
    world.configure(telegram={"on_ambiguous": "hold"})
    await world.restart()
    ops, ann = world.group(), world.private(ANN)
    other = world.group()
    world.telegram.fail("cut", methods=["sendMessage"], remaining=1)
    number = ops.say(f"/send {other.address} perhaps once")
    await ops.marked(number, UNSURE)
    assert sum("perhaps once" in text for text in other.texts()) == 1
    await ops.ask("/route add support:sms/85255504449 -> here name=held")
    world.telegram.fail("cut", methods=["sendMessage"], remaining=1)
    await world.sms("held from outside", sender="85255504449")
    await ann.hears("may have arrived")
    assert (await world.outbox(state="held"))[-1]["text"].endswith("held from outside")
    world.configure()
    await world.restart()


async def test_kicked_out_nothing_is_tried_for_long_and_owners_hear_it_once(world: World) -> None:
    ops, ann = world.group(), world.private(ANN)
    await ops.ask("/route add support:sms/85255504450 -> here name=kicked")
    world.telegram.kick_bot(ops.id)
    for n in range(3):
        await world.sms(f"to nobody {n}", sender="85255504450")
    told = await ann.hears(ops.address)
    assert "kicked" in told["text"]
    rows = [row for row in await world.settled() if row["address"] == ops.address and row["state"] != "sent"]
    assert [row["state"] for row in rows] == ["dead"] * 3, "kept, for /retry"
    assert sum(row["attempts"] for row in rows) <= 3
    await ann.quiet()
    assert sum(ops.address in text for text in ann.texts()) == 1
    await ann.ask("/route remove kicked")


async def test_owners_hear_of_a_second_time_after_it_went_well_in_between(world: World) -> None:
    ops, ann = world.group(), world.private(ANN)
    await ops.ask("/route add support:sms/85255504451 -> here name=again")
    for round in (1, 2):
        world.telegram.kick_bot(ops.id)
        await world.sms(f"out {round}", sender="85255504451")
        await world.until(lambda: _times(ann.texts(), f"{ops.address} (Ops) does not let me", round))  # noqa: B023
        world.telegram.set_member(ops.id, world.telegram.bot.id, "administrator")
        await world.until(lambda: _times(ann.texts(), f"{ops.address} (Ops) lets me", round))  # noqa: B023
        await world.sms(f"in {round}", sender="85255504451")
        await ops.hears(f"in {round}")
    await ann.ask("/route remove again")


def _times(texts: list[str], part: str, number: int) -> bool:
    return sum(part in text for text in texts) == number


async def test_somebody_who_blocked_the_bot_is_no_trouble_for_others(world: World) -> None:
    ops = world.group()
    world.telegram.block(BO)
    number = ops.say(f"/send telegram:{BO} are you there?")
    assert "blocked" in await ops.answer(number)
    await ops.marked(number, FAILED)
    world.telegram.unblock(BO)
    row = await world.delivery("are you there?")
    await ops.ask(f"/retry {row['id']}")
    await world.private(BO).hears("are you there?")


async def test_an_owner_who_blocked_the_bot_does_not_stop_anything(world: World) -> None:
    ops = world.group()
    world.telegram.block(ANN)
    await world.sms("unrouted, and the owner is deaf", sender="85255504452")
    await ops.quiet()
    await world.until(lambda: world.outbox(address=f"telegram:{ANN}", state="dead"))
    world.telegram.unblock(ANN)
    await world.settled()


async def test_commands_that_were_taken_before_the_store_was_locked_are_run_after_it_once(world: World) -> None:
    ops = world.group()
    await ops.quiet()
    locked = asyncio.create_task(asyncio.to_thread(_lock_after_the_next_commit, world.database))
    numbers = [ops.say(f"/send support:room-42 queue up {n}") for n in range(100)]
    holder = await locked
    try:
        await world.until(lambda: _logged(world, action="intake"), within_s=30)
    finally:
        holder.execute("ROLLBACK")
        holder.close()
    await ops.marked(numbers[-1], SENT, within_s=30)
    assert [text for text in world.pushed() if text.startswith("queue up")] == [f"queue up {n}" for n in range(100)]


def _lock_after_the_next_commit(database: Path) -> sqlite3.Connection:
    """Take the write lock between the commit that took a batch of updates and those that run them."""
    holder = sqlite3.connect(database, isolation_level=None, timeout=10, check_same_thread=False)
    before = holder.execute("PRAGMA data_version").fetchone()
    while holder.execute("PRAGMA data_version").fetchone() == before:
        pass
    holder.execute("BEGIN IMMEDIATE")
    return holder


def _logged(world: World, *, action: str) -> bool:
    return any(
        "does not take writes" in line and f'"action": "{action}"' in line
        for line in world.log.read_text().splitlines()
    )


async def test_a_mark_is_put_up_after_a_kill(world: World) -> None:
    ops = world.group()
    world.telegram.fail("server_error", methods=["setMessageReaction"])
    number = ops.say("/send support:room-42 unmarked")
    await world.until(lambda: "unmarked" in world.pushed())
    await world.settled()
    await world.bot.kill()
    world.telegram.fail("ok")
    await world.start()
    await ops.marked(number, SENT)


async def test_a_provider_that_is_down_shows_at_once_that_a_message_waits(world: World) -> None:
    ops = world.group()
    await world.servers["plain"].down()
    number = ops.say("/send plain:room-42 hold on", by=ANN)
    await ops.marked(number, EYES)
    await world.servers["plain"].up()
    await ops.marked(number, SENT)
    assert CARA not in {int(row["address"].rpartition(":")[2]) for row in await world.outbox(account="telegram")}
