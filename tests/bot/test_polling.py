"""Polling: what a look brought is committed before its cursor moves, whatever happens in between."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.accounts import ProviderAccount
from bot.intake import Intake
from bot.polling import TROUBLE_LEAST_S, TROUBLE_MOST_S, Polling, pollings, trouble_key
from bot.relay import Policy, Relay
from bot.store import StoreUnavailable
from bot.store.sqlite import SqliteStore
from bridges.errors import Garbled, Unauthorized, Unavailable
from tests.bot.fakes import Clock, FakeBridge, Telegram, fake_account, opened


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    async with opened(tmp_path) as store:
        yield store


def polling(store: SqliteStore, bridge: FakeBridge) -> Polling:
    account, clock = fake_account(bridge), Clock()
    accounts = {"club": account}
    relay = Relay(accounts={"telegram": Telegram(), **accounts}, policy=Policy(3600, "hold", "resend", (1001,)))  # type: ignore[dict-item]
    intake = Intake(store=store, accounts=accounts, relay=relay, clock=clock)  # type: ignore[arg-type]
    return Polling(account=account, store=store, intake=intake, relay=relay, clock=clock)


async def kept(store: SqliteStore) -> dict[str, int]:
    counters = await store.read(lambda tx: tx.counters.all())
    return {name: n for (account, name), n in counters.items() if account == "club"}


def item(n: int) -> dict[str, object]:
    return {"key": f"k{n}", "id": f"m{n}", "text": f"words {n}"}


async def test_the_first_look_brings_nothing_of_the_past_and_the_next_what_came_since(store: SqliteStore) -> None:
    bridge = FakeBridge()
    bridge.items = [item(1), item(2)]
    watch = polling(store, bridge)
    assert await watch.turn() == bridge.poll_every_s
    assert await kept(store) == {}
    bridge.items += [item(3), item(4)]
    await watch.turn()
    await watch.turn()
    assert await kept(store) == {"accepted": 2, "unrouted": 2}


async def test_the_cursor_outlives_a_restart(store: SqliteStore) -> None:
    bridge = FakeBridge()
    await polling(store, bridge).turn()
    bridge.items = [item(1)]
    await polling(store, bridge).turn()
    assert (await kept(store))["unrouted"] == 1


async def test_a_stop_between_message_and_cursor_brings_it_again_and_it_counts_once(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    bridge = FakeBridge()
    watch = polling(store, bridge)
    await watch.turn()
    bridge.items = [item(1), item(2)]
    write, written = store.write, 0

    async def failing(unit: object) -> object:
        nonlocal written
        written += 1
        if written == 3:  # the two messages are committed, the cursor is not
            raise StoreUnavailable("disk full")
        return await write(unit)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "write", failing)
    assert await watch.turn() == TROUBLE_LEAST_S
    await watch.turn()
    assert await kept(store) == {"accepted": 4, "unrouted": 2, "duplicates": 2}


async def test_trouble_is_waited_out_longer_each_time_and_as_long_as_the_provider_says(store: SqliteStore) -> None:
    bridge = FakeBridge()
    watch = polling(store, bridge)
    bridge.error = Unavailable("away")
    waits = [await watch.turn() for _ in range(8)]
    assert waits == [5, 10, 20, 40, 80, 160, TROUBLE_MOST_S, TROUBLE_MOST_S]
    bridge.error = Unavailable("too many", retry_after=1000)
    assert await watch.turn() == 1000
    bridge.error = None
    assert await watch.turn() == bridge.poll_every_s
    bridge.error = Garbled("nonsense")
    assert await watch.turn() == TROUBLE_LEAST_S


async def told(store: SqliteStore) -> list[str]:
    return [row.payload for row in await store.read(lambda tx: tx.outbox.list())]


async def test_what_only_an_owner_can_mend_is_told_at_once_and_once_and_that_it_works_again(store: SqliteStore) -> None:
    bridge = FakeBridge()
    watch = polling(store, bridge)
    bridge.error = Unauthorized("the key may not read messages")
    await watch.turn()
    await watch.turn()
    (text,) = await told(store)
    assert "Nothing is fetched from club" in text and "may not read messages" in text
    assert await store.read(lambda tx: tx.meta.get(trouble_key("club"))) == "the key may not read messages"
    bridge.error = None
    await watch.turn()
    assert "fetched from club again" in (await told(store))[1]
    assert await store.read(lambda tx: tx.meta.get(trouble_key("club"))) == ""


async def test_a_provider_that_is_away_is_told_only_when_it_lasts(store: SqliteStore) -> None:
    bridge = FakeBridge()
    watch = polling(store, bridge)
    bridge.error = Unavailable("away")
    for _ in range(4):
        await watch.turn()
    assert await told(store) == []
    for _ in range(3):
        await watch.turn()
    assert len(await told(store)) == 1


async def test_a_bug_in_a_bridge_does_not_end_polling(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bridge = FakeBridge()
    watch = polling(store, bridge)
    monkeypatch.setattr(bridge, "poll", lambda cursor: 1 / 0)
    assert await watch.turn() == TROUBLE_MOST_S
    assert "a bug of ours" in caplog.text


async def test_only_accounts_that_are_to_be_polled_are(store: SqliteStore) -> None:
    quiet, busy = FakeBridge(), FakeBridge()
    quiet.poll_every_s = 0
    accounts: dict[str, ProviderAccount] = {"a": fake_account(quiet, "a"), "b": fake_account(busy, "b")}
    relay = Relay(accounts=accounts, policy=Policy(3600, "hold", "resend"))  # type: ignore[arg-type]
    intake = Intake(store=store, accounts=accounts, relay=relay, clock=Clock())  # type: ignore[arg-type]
    assert len(pollings(accounts=accounts, store=store, intake=intake, relay=relay)) == 1
