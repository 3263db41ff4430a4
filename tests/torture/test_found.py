"""What the torture uncovered, each in the smallest case that shows it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from bot.accounts import ProviderAccount
from bot.addresses import TELEGRAM
from bot.delivery import DeliveryEngine
from bot.intake import Intake
from bot.playground.hosting import LoopbackServer
from bot.relay import Policy, Relay
from bot.store import Tx
from bot.store.inbox import Arrived
from bot.store.sqlite import SqliteStore
from bridges.echo.bridge import EchoBridge, EchoSettings
from bridges.echo.sandbox import EchoSandbox
from tests.torture.deliveries import Silent, Slow, new_delivery
from tests.torture.processes import KILLED, Starter
from tests.torture.torture import Figures, Plan, bench, finish, up

T = TypeVar("T")


class Interrupted(SqliteStore):
    """The real store; once, something else happens between a reading, or a claim, and its result."""

    meanwhile: Callable[[], Awaitable[None]] | None = None

    after_claim: Callable[[], Awaitable[None]] | None = None

    @classmethod
    async def opened(cls, path: Path) -> Interrupted:
        store = await cls.open(path)
        assert isinstance(store, cls)
        return store

    async def read(self, query: Callable[[Tx], T]) -> T:
        result = await super().read(query)
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            await meanwhile()
        return result

    async def write(self, unit: Callable[[Tx], T]) -> T:
        result = await super().write(unit)
        claimed = isinstance(result, tuple) and bool(result[0])
        if claimed and self.after_claim is not None:
            meanwhile, self.after_claim = self.after_claim, None
            await meanwhile()
        return result


async def test_an_update_that_comes_while_the_inbox_is_read_is_not_forgotten(tmp_path: Path) -> None:
    store = await Interrupted.opened(tmp_path / "db")
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


async def test_a_send_claimed_at_the_very_moment_of_the_stop_is_finished(tmp_path: Path) -> None:
    sandbox = EchoSandbox()
    async with LoopbackServer(Slow(sandbox.app)) as server:
        store = await Interrupted.opened(tmp_path / "db")
        account = ProviderAccount(
            "support", EchoBridge(EchoSettings.model_validate(sandbox.settings(server.url, hook_secret="s" * 16)))
        )
        engine = DeliveryEngine(store=store, accounts={"support": account}, observer=Silent())
        stopping: asyncio.Future[asyncio.Task[None]] = asyncio.get_running_loop().create_future()

        async def stop() -> None:
            stopping.set_result(asyncio.create_task(engine.stop(grace_s=5)))
            for _ in range(5):
                await asyncio.sleep(0)

        await engine.start()
        store.after_claim = stop
        await store.write(lambda tx: tx.outbox.add(new_delivery("lobby", "hello")))
        async with asyncio.timeout(5):
            await (await stopping)
        states = [row.state for row in await store.read(lambda tx: tx.outbox.list())]
        await account.close()
        await store.close()
        await sandbox.close()
    assert states == ["sent"]
