"""What the torture uncovered, each in the smallest case that shows it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from bot.addresses import TELEGRAM
from bot.intake import Intake
from bot.relay import Policy, Relay
from bot.store import Tx
from bot.store.inbox import Arrived
from bot.store.sqlite import SqliteStore
from tests.torture.processes import KILLED, Starter
from tests.torture.torture import Figures, Plan, bench, finish, up

T = TypeVar("T")


class Interrupted(SqliteStore):
    """The real store; once, something else happens between a reading and its result."""

    meanwhile: Callable[[], Awaitable[None]] | None = None

    async def read(self, query: Callable[[Tx], T]) -> T:
        result = await super().read(query)
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            await meanwhile()
        return result


async def test_an_update_that_comes_while_the_inbox_is_read_is_not_forgotten(tmp_path: Path) -> None:
    store = await Interrupted.open(tmp_path / "db")
    relay = Relay(accounts={}, policy=Policy(max_age_s=60, on_ambiguous="hold", telegram_on_ambiguous="hold"))
    intake = Intake(store=store, accounts={}, relay=relay, clock=lambda: 0.0)
    taken: asyncio.Queue[int] = asyncio.Queue()

    async def take(item: Arrived) -> None:
        taken.put_nowait(item.id)

    async def arrives() -> None:
        item = Arrived(TELEGRAM, b"{}", 0.0, key="1")
        id = await store.write(lambda tx: tx.inbox.put(item))
        assert id is not None
        intake.offer(Arrived(TELEGRAM, b"{}", 0.0, key="1", id=id))

    intake.takes_updates(take)
    await intake.start()
    store.meanwhile = arrives
    try:
        async with asyncio.timeout(5):
            assert await taken.get() == 1
    finally:
        await intake.stop()
        await store.close()


async def test_updates_left_behind_do_not_keep_the_bot_from_stopping_while_telegram_is_away(
    starter: Starter, tmp_path: Path
) -> None:
    plan = Plan(kills=0, messages=0, policy="hold", quiet_s=20)
    async with bench(plan, starter=starter, folder=tmp_path) as made:
        made.world.write("t", 0)
        child = await made.start(kill_at="telegram.committed:1")
        assert await child.wait() == KILLED, made.last_words()
        await made.world.telegram.down()
        child = await made.start()
        await up(made.port)
        assert await made.stop(child, asyncio.ensure_future(child.wait())) == ""
        await made.world.telegram.up()
        figures = Figures()
        assert await finish(made, await made.start(), plan, figures) + figures.violations == []
