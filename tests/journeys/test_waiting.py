"""Stories in which the bot waits long; they were begun before all others (see ``conftest.py``)."""

from __future__ import annotations

import pytest

from tests.journeys.conftest import DOWN, Patience
from tests.journeys.world import ANN, EYES, SENT

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def test_a_provider_that_was_down_gets_everything_once_and_in_order_and_owners_hear_of_both_once(
    patience: Patience,
) -> None:
    world, (chat, numbers) = patience.world, patience.outage
    ann = world.private(ANN)
    assert await patience.back == [[EYES]] * 5
    for number in numbers:
        await chat.marked(number, SENT, within_s=60)
    await ann.hears("plain takes messages again")
    assert world.pushed("room-42", account="plain") == DOWN
    assert len([text for text in ann.texts() if text.startswith("plain ")]) == 2
    await world.check()


async def test_a_send_without_any_answer_is_sent_again_where_the_provider_takes_a_key_once(patience: Patience) -> None:
    world, (chat, number) = patience.world, patience.unanswered
    await chat.marked(number, SENT, within_s=60)
    assert [m.text for m in world.club.accepted] == ["into the void"]
    await world.check()
