"""The disk is full while messages come in: nothing is acknowledged that is not stored, and it goes on by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from bot.app import App
from bot.routes_file import from_toml
from bot.rules import save_route
from bot.settings import load_settings
from bot.store import StoreUnavailable, Tx
from bot.store.balance import balance
from bot.store.sqlite import SqliteStore
from tests.ports import free_port
from tests.torture.torture import LOOK_S
from tests.torture.world import ACCOUNT, Kind, World, tokens_in

PAGES_MOST = 1_073_741_823
"""SQLite's own limit, which takes ours away again: https://sqlite.org/pragma.html#pragma_max_page_count (2026-01)."""
EACH = 40
KINDS: tuple[Kind, ...] = ("t", "h", "p")


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[tuple[World, App]]:
    """The bot in this process, between both sides of a world, with its rules."""
    port = free_port()
    world = World("echo", hook_base=f"http://127.0.0.1:{port}")
    async with world.open() as (telegram_url, provider_url):
        config = folder / "patchbay.toml"
        config.write_text(world.config(telegram_url=telegram_url, provider_url=provider_url, port=port, policy="hold"))
        settings = load_settings(config, environ={})
        store = await SqliteStore.open(settings.store.path)
        await store.write(lambda tx: _add_rules(tx, world))
        await store.close()
        app = App(settings)
        await app.start()
        try:
            yield world, app
        finally:
            await app.stop()


def _add_rules(tx: Tx, world: World) -> None:
    for draft, _ in from_toml(world.routes(), accounts={ACCOUNT, "telegram"}, zone="UTC"):
        save_route(tx, draft, created_by="test", now=0.0)


async def _until(found: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(30):
        while not await found():
            await asyncio.wait([asyncio.ensure_future(asyncio.sleep(LOOK_S))])


def room(tx: Tx) -> None:
    """The disk has room again."""
    tx.db.execute(f"PRAGMA max_page_count = {PAGES_MOST}")


def _done(tx: Tx) -> bool:
    books = balance(tx)
    return books["inbound"]["pending"] + books["deliveries"]["queued"] + books["deliveries"]["sending"] == 0


def _stored(tx: Tx) -> set[str]:
    """Tokens of everything that is in the database, raw or as a delivery."""
    raw = [bytes(body).decode() for (body,) in tx.db.execute("SELECT body FROM inbox")]
    return {token for text in raw for token in tokens_in(text)}


@pytest.mark.parametrize("pages", [0, 3, 12])
async def test_a_full_disk_loses_nothing_and_needs_no_restart(pages: int, tmp_path: Path) -> None:
    async with running(tmp_path) as (world, app):

        def fill(tx: Tx) -> None:
            (used,) = tx.db.execute("PRAGMA page_count").fetchone()
            tx.db.execute(f"PRAGMA max_page_count = {used + pages}")

        await app.store.write(fill)
        for _ in range(EACH):
            for kind in KINDS:
                for k in (0, 1):
                    world.write(kind, k)

        async def refused() -> bool:
            return world.hook_answers[503] >= 10

        await _until(refused)
        assert set(world.hook_answers) <= {200, 503}
        acknowledged = world.acknowledged | world.confirmed()
        stored = await app.store.read(_stored)
        assert acknowledged <= stored
        assert len(stored) < len(world.written)

        async def there_is_room() -> bool:
            # It may share its commit with a webhook for which there is none yet.
            with suppress(StoreUnavailable):
                await app.store.write(room)
                return True
            return False

        await _until(there_is_room)

        async def done() -> bool:
            return world.untold == 0 and await app.store.read(_done)

        await _until(done)
        arrivals = [token for token, _ in world.arrivals()]
        assert sorted(arrivals) == sorted(world.written)
        assert (await app.store.read(balance))["balanced"]
