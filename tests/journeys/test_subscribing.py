"""``subscribe``: the provider's handshake with the running bot, read in every way that its documentation allows."""

from __future__ import annotations

import pytest

from bridges.cinnox.sandbox import Reading
from tests.journeys.world import World

pytestmark = pytest.mark.asyncio(loop_scope="package")


def _tried(world: World) -> int:
    return sum(call.method == "PATCH" for call in world.support.calls)


async def _subscribe(world: World) -> tuple[int, str]:
    """Subscribe; returns how many requests it took, and what was printed."""
    before = _tried(world)
    said = await world.quick("subscribe", "support")
    return _tried(world) - before, said


async def test_subscribing_twice_leaves_one_and_the_second_needs_one_request(world: World) -> None:
    world.support.subscribed_url = None
    assert (await _subscribe(world))[1].startswith("subscribed: inbound SMS")
    requests, _ = await _subscribe(world)
    assert requests == 1
    assert world.support.subscribed_url == world.hook_url("support")
    rows = await world.read("subscriptions")
    assert [(row["account"], row["event"], row["active"]) for row in rows] == [("support", "inbound SMS", True)]


@pytest.mark.parametrize("reading", ["string", "object_plus_top", "top", "plain"])
async def test_each_way_of_answering_the_handshake_is_found_by_trying(world: World, reading: Reading) -> None:
    world.support.reading = reading
    world.support.subscribed_url = None
    requests, _ = await _subscribe(world)
    assert requests <= 5
    assert world.support.subscribed_url == world.hook_url("support")
    assert (await _subscribe(world))[0] == 1, "what was found is remembered"


async def test_what_was_found_is_remembered_over_a_restart(world: World) -> None:
    await _subscribe(world)
    await world.restart()
    assert (await _subscribe(world))[0] == 1


async def test_an_event_with_a_challenge_of_its_own_is_a_message_and_no_handshake(world: World) -> None:
    ops = world.group()
    await ops.ask("/link support:sms/85255502222")
    status = await world.support.receive_sms("85255502222", "85255509999", "wrapped", wrapped=True)
    assert status == 200
    await ops.hears("wrapped")


async def test_a_handshake_is_answered_and_leaves_nothing_behind(world: World) -> None:
    before = (await world.read("stats"))["inbound"]["accepted"]
    answer = await world.http.post(world.hook_url("support"), json={"challenge": "Zx<&>✓"})
    assert answer.status_code == 200
    assert "Zx<&>✓" in answer.text
    assert (await world.read("stats"))["inbound"]["accepted"] == before


async def test_a_provider_that_takes_no_answer_is_asked_a_bounded_number_of_times(world: World) -> None:
    world.support.reading = "refuse"
    before = _tried(world)
    ended = await world.patchbay("subscribe", "support")
    assert _tried(world) - before == 5
    assert ended.code == 2
    assert len(ended.err.splitlines()) == 1
    assert "web.public_url" in ended.err
    world.support.reading = "plain"
    assert (await _subscribe(world))[0] == 1, "what worked before is remembered"


async def test_unsubscribing_twice_is_fine(world: World) -> None:
    for _ in range(2):
        assert await world.quick("unsubscribe", "support") == "unsubscribed: inbound SMS\n"
    assert world.support.subscribed_url is None
    assert "ended" in await world.quick("subscriptions")


async def test_a_provider_without_subscriptions_is_answered_with_the_address_to_enter_there(world: World) -> None:
    ended = await world.patchbay("subscribe", "club")
    assert ended.code == 2
    assert f"{world.url}/hooks/club/ followed by the value of accounts.club.hook_secret" in ended.err
