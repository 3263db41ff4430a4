"""Subscriptions that end by themselves: renewed in time, and said aloud if they cannot be."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.relay import Policy, Relay
from bot.store.sqlite import SqliteStore
from bot.subscriptions import INSPECT_S, LOOK_S, NotSubscribed, Renewals, end, make, standing
from bridges.errors import Refused, Unauthorized, Unavailable
from tests.bot.fakes import Clock, FakeBridge, Telegram, fake_account, opened

URL = "https://bridge.example/hooks/club/secret-of-the-path"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    async with opened(tmp_path) as store:
        yield store


def renewals(store: SqliteStore, bridge: FakeBridge, clock: Clock) -> Renewals:
    account = fake_account(bridge)
    relay = Relay(
        accounts={"telegram": Telegram(), "club": account},  # type: ignore[dict-item]
        policy=Policy(max_age_s=3600, on_ambiguous="hold", telegram_on_ambiguous="resend", owners=(1001,)),
    )
    return Renewals(store=store, accounts={"club": account}, urls={"club": URL}, relay=relay, clock=clock)


async def told(store: SqliteStore) -> list[str]:
    rows = await store.read(lambda tx: tx.outbox.list())
    return [row.payload for row in rows]


async def test_what_was_subscribed_is_known_afterwards_without_its_url(store: SqliteStore) -> None:
    bridge, clock = FakeBridge(), Clock()
    await make(store, fake_account(bridge), URL, now=clock, elsewhere=True)
    stands = await store.read(lambda tx: standing(tx, "club"))
    assert stands is not None
    assert (stands.event, stands.active, stands.at, stands.expires_at) == ("messages", True, clock.at, clock.at + 3600)
    assert "secret-of-the-path" not in str(await store.read(lambda tx: tx.meta.get("subscription:club")))


async def test_it_is_renewed_when_a_quarter_of_its_time_is_left_and_not_before(store: SqliteStore) -> None:
    bridge, clock = FakeBridge(), Clock()
    await make(store, fake_account(bridge), URL, now=clock, elsewhere=True)
    watch = renewals(store, bridge, clock)
    clock.at += 2699
    assert await watch.turn() == pytest.approx(1)
    assert len(bridge.made) == 1
    clock.at += 1
    assert await watch.turn() == LOOK_S
    assert bridge.made[1] == datetime.fromtimestamp(clock.at, UTC)
    assert await watch.turn() == LOOK_S
    assert len(bridge.made) == 2


async def test_a_long_one_is_renewed_a_day_before_its_end(store: SqliteStore) -> None:
    bridge, clock = FakeBridge(), Clock()
    bridge.lasts = timedelta(days=365)
    await make(store, fake_account(bridge), URL, now=clock, elsewhere=True)
    stands = await store.read(lambda tx: standing(tx, "club"))
    assert stands is not None and stands.renew_at == clock.at + 364 * 86400


async def test_one_that_was_ended_or_has_no_end_is_left_alone(store: SqliteStore) -> None:
    bridge, clock = FakeBridge(), Clock()
    account = fake_account(bridge)
    await make(store, account, URL, now=clock, elsewhere=True)
    await end(store, account, URL, now=clock)
    clock.at += 10**6
    assert await renewals(store, bridge, clock).turn() == LOOK_S
    assert len(bridge.made) == 1


@pytest.mark.parametrize("error", [Refused("no"), Unavailable("away"), Unauthorized("wrong key")])
async def test_a_renewal_that_fails_is_told_to_the_owners_once_and_tried_again(
    store: SqliteStore, error: Refused | Unavailable | Unauthorized
) -> None:
    bridge, clock = FakeBridge(), Clock()
    await make(store, fake_account(bridge), URL, now=clock, elsewhere=True)
    watch = renewals(store, bridge, clock)
    bridge.error = error
    clock.at += 3000
    await watch.turn()
    await watch.turn()
    (text,) = await told(store)
    assert "ends soon" in text and str(error) in text and "patchbay subscribe club" in text
    bridge.error = None
    await watch.turn()
    assert len(bridge.made) == 2
    bridge.error = error
    clock.at += 4000
    await watch.turn()
    assert "has ended" in (await told(store))[1]


async def test_a_refusal_is_a_line_with_the_remedy(store: SqliteStore) -> None:
    bridge = FakeBridge()
    bridge.error = Refused("the url could not be verified")
    with pytest.raises(NotSubscribed, match=r"could not be verified; check that .patchbay run. is up"):
        await make(store, fake_account(bridge), URL, elsewhere=False)
    assert await store.read(lambda tx: standing(tx, "club")) is None


async def test_one_that_is_gone_at_the_provider_is_made_again_and_that_is_told(store: SqliteStore) -> None:
    bridge, clock = FakeBridge(), Clock()
    bridge.lasts = timedelta(days=30)
    await make(store, fake_account(bridge), URL, now=clock, elsewhere=True)
    watch = renewals(store, bridge, clock)
    await watch.turn()
    assert len(bridge.made) == 1 and await told(store) == []
    bridge.gone = True
    clock.at += INSPECT_S - 1
    await watch.turn()
    assert len(bridge.made) == 1
    clock.at += 1
    await watch.turn()
    assert len(bridge.made) == 2
    (text,) = await told(store)
    assert "Fake does not have it" in text and "made again" in text


async def test_a_provider_that_cannot_be_asked_just_now_changes_nothing(store: SqliteStore) -> None:
    bridge, clock = FakeBridge(), Clock()
    bridge.lasts = timedelta(days=30)
    await make(store, fake_account(bridge), URL, now=clock, elsewhere=True)
    bridge.error = Unavailable("away")
    assert await renewals(store, bridge, clock).turn() == LOOK_S
    assert await told(store) == []
