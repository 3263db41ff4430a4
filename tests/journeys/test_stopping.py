"""SIGTERM and kill -9 in the middle of work: nothing lost, nothing doubled that need not be."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.journeys.world import SENT, World

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def test_sigterm_during_sends_loses_and_doubles_nothing(world: World) -> None:
    ops = world.group()
    world.servers["support"].faults.configure("slow", delay_s=0.2)
    texts = [f"while stopping {n}" for n in range(30)]
    numbers = [ops.say(f"/send support:room-{42 + n % 2} {text}") for n, text in enumerate(texts)]
    await world.until(lambda: world.servers["support"].faults.hits >= 1)
    began = time.monotonic()
    assert await world.bot.stop() == 0
    assert time.monotonic() - began < 10
    world.servers["support"].faults.mode = "ok"
    assert [row["state"] for row in await world.outbox() if row["state"] == "sending"] == []
    await world.start()
    for number in numbers:
        await ops.marked(number, SENT)
    assert sorted(world.pushed()) == sorted(texts)
    for room in ("room-42", "room-43"):
        assert world.pushed(room) == [text for text in texts if text in world.pushed(room)]


async def test_sigterm_waits_for_a_send_that_is_under_way(world: World) -> None:
    ops = world.group()
    faults = world.servers["support"].faults
    hits = faults.hits
    faults.configure("slow", delay_s=1.0, remaining=1)
    ops.say("/send support:room-42 under way")
    await world.until(lambda: faults.hits > hits)
    assert await world.bot.stop() == 0
    assert (await world.delivery("under way"))["state"] == "sent"
    await world.start()
    assert world.pushed().count("under way") == 1


async def test_sigterm_while_hooks_come_in_answers_each_or_refuses_the_connection(world: World) -> None:
    ops = world.group()
    await ops.ask("/link support:sms/85255508888")
    taken: list[str] = []

    async def pour() -> None:
        for n in range(400):
            if await world.sms(f"pour {n}", sender="85255508888") == 200:
                taken.append(f"pour {n}")
            elif not world.bot.running:
                return

    pouring = asyncio.create_task(pour())
    await world.until(lambda: len(taken) > 20)
    assert await world.bot.stop() == 0
    await pouring
    await world.start()
    await ops.hears(taken[-1], within_s=60)
    heard = [text.rpartition(": ")[2] for text in ops.texts() if "pour" in text]
    assert [text for text in heard if text in taken] == taken
    assert len(heard) == len(set(heard))


async def test_what_was_being_sent_at_a_kill_is_held_for_a_person_to_decide(world: World) -> None:
    ops = world.group()
    faults = world.servers["support"].faults
    hits = faults.hits
    faults.configure("nothing", remaining=1)
    number = ops.say("/send support:room-42 interrupted")
    await world.until(lambda: faults.hits > hits)
    await world.bot.kill()
    await world.start()
    card = await ops.hears("may have arrived")
    assert (await world.delivery("interrupted"))["state"] == "held"
    await ops.press(card, "Send again")
    await ops.marked(number, SENT)
    assert world.pushed().count("interrupted") == 1


async def test_what_was_being_sent_at_a_kill_is_settled_by_asking_where_that_is_possible(world: World) -> None:
    ops = world.group()
    faults = world.servers["club"].faults
    hits = faults.hits
    faults.configure("slow", delay_s=0.5, remaining=1)
    number = ops.say("/send club:lobby asked about")
    await world.until(lambda: faults.hits > hits)
    await world.bot.kill()
    await world.start()
    await ops.marked(number, SENT)
    assert [m.text for m in world.club.accepted].count("asked about") == 1


async def test_queued_work_goes_on_after_a_kill_in_its_order(world: World) -> None:
    ops = world.group()
    await world.servers["plain"].down()
    texts = [f"queued {n}" for n in range(5)]
    numbers = [ops.say(f"/send plain:room-42 {text}") for text in texts]
    await ops.quiet()
    await world.bot.kill()
    await world.servers["plain"].up()
    await world.start()
    for number in numbers:
        await ops.marked(number, SENT)
    assert world.pushed(account="plain") == texts


async def test_it_stops_at_once_when_there_is_nothing_to_do_and_says_so(world: World) -> None:
    began = time.monotonic()
    assert await world.bot.stop() == 0
    assert time.monotonic() - began < 5
    assert '"message": "stopped"' in world.log.read_text().splitlines()[-1]
    await world.start()
