"""/announce: what is shown before, what the buttons do, who may press them, and what goes out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.broadcast_report import report, tally
from bot.broadcaster import Broadcaster
from bot.store import Tx
from bot.store.balance import balance
from bot.store.outbox import Delivery
from tests.bot.telegram.desk import BO, OPS, Answer, Desk, a_desk

TWO = "/announce club:a, desk:b | We are open."


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with a_desk(tmp_path) as made:
        await made.grant(BO, "operator")
        made.broadcaster = Broadcaster(  # type: ignore[attr-defined]
            store=made.line.store, accounts=made.line.relay.accounts, clock=made.line.clock
        )
        yield made
        await made.line.engine.stop(grace_s=1)


async def rows(desk: Desk) -> list[Delivery]:
    found = await desk.line.store.read(lambda tx: tx.outbox.list())
    return [row for row in found if row.broadcast is not None]


async def states(desk: Desk) -> list[str]:
    return [row.state for row in await rows(desk)]


async def turns(desk: Desk, *, seconds: float = 1.0) -> None:
    """Time passes and the broadcaster has its turns."""
    desk.line.clock.at += seconds
    await desk.broadcaster.turn()  # type: ignore[attr-defined]


async def goes_out(desk: Desk, *, within: int = 400) -> None:
    """Everything that can be sent is."""
    await desk.line.engine.start()
    for _ in range(within):
        await turns(desk, seconds=0.1)
        await desk.line.rests()
        if not await desk.line.store.read(
            lambda tx: [row for row in tx.outbox.list(states=("queued", "sending")) if row.parked]
        ):
            return
    raise AssertionError("it did not come to an end")


async def told(desk: Desk, number: int = 1) -> str:
    def read(tx: Tx) -> str:
        broadcast = tx.broadcasts.get(number)
        assert broadcast is not None
        return report(tx, desk.line.relay, broadcast, tally(tx.broadcasts.standings(number))).text

    return await desk.line.store.read(read)


async def running(desk: Desk, number: int = 1, *, person: int = BO) -> Answer:
    """The message that shows the progress, with its buttons as they are now."""
    from bot.telegram.announcing import Announcing

    showing = Announcing(store=desk.line.store, bot=None, relay=desk.line.relay, clock=desk.line.clock)  # type: ignore[arg-type]

    def read(tx: Tx) -> Answer:
        broadcast = tx.broadcasts.get(number)
        assert broadcast is not None
        showing._watch(broadcast, now=desk.line.clock())
        (due,) = showing._due(tx, [number], now=desk.line.clock())
        return Answer(due.report.text, due.buttons, str(OPS), 0)

    return await desk.line.store.write(read)


async def test_what_is_to_be_sent_is_shown_first_with_its_words_and_the_number_of_targets(desk: Desk) -> None:
    (card,) = await desk.write(TWO, by=BO)
    assert "We are open." in card.text
    assert "2 targets" in card.text
    assert [button.label for button in card.buttons] == ["Send", "Schedule", "Cancel"]
    assert await rows(desk) == []


async def test_send_sends_to_each_target_once(desk: Desk) -> None:
    (card,) = await desk.write(TWO, by=BO)
    pressed = await desk.press(card, "Send", by=BO)
    assert pressed.toast == "Sending to 2 targets."
    assert (await desk.press(card, "Send", by=BO)).toast == "This was decided already."
    await goes_out(desk)
    assert (desk.line.club.texts, desk.line.desk.texts) == (["We are open."], ["We are open."])
    assert await states(desk) == ["sent", "sent"]
    assert (await desk.line.store.read(balance))["balanced"]
