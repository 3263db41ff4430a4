"""What becomes of an announcement afterwards: told truthfully, and in the hands of those who may."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bot.broadcaster import Broadcaster
from bot.telegram import decision_cards as decision_cards  # it declares the cards of what is held
from bridges.errors import Garbled, Refused
from tests.bot.telegram.desk import BO, CY, OPS, Desk, a_desk
from tests.bot.telegram.test_announce import goes_out, places, rows, running, sends, states, told

Json = dict[str, Any]


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """The club can change messages, the desk cannot."""
    async with a_desk(tmp_path, edits=True, deletes=True, reactions=True) as made:
        await made.grant(BO, "operator")
        made.broadcaster = Broadcaster(  # type: ignore[attr-defined]
            store=made.line.store, accounts=made.line.relay.accounts, clock=made.line.clock
        )
        yield made
        await made.line.engine.stop(grace_s=1)


async def latest(desk: Desk) -> list[str]:
    """What the bot itself said of late, the newest last."""
    return [answer.text for answer in await desk.answers()]


# --- tried again


@pytest.mark.parametrize("line", ["/retry 1", "/retry 1 other words"])
async def test_one_delivery_that_is_tried_again_and_fails_again_is_told_to_who_asked(desk: Desk, line: str) -> None:
    desk.line.club.refuses = {"hi": Refused("no"), "other": Refused("no")}
    await sends(desk, "club:a", "desk:b")
    await goes_out(desk)
    row = next(row for row in await rows(desk) if row.state == "dead")
    await desk.ask(line.replace("1", str(row.id)), by=BO)
    await desk.line.rests()
    said = await latest(desk)
    assert f"Not sent to club:a (delivery {row.id} of announcement 1): no" in said[-1]
    assert sum("Not sent" in each for each in said) == 1


async def test_what_is_tried_again_in_vain_changes_the_report(desk: Desk) -> None:
    desk.line.club.refuses["hi"] = Refused("no")
    await sends(desk, "club:a", "desk:b")
    await goes_out(desk)
    before = await told(desk)
    await desk.press(await running(desk), "Retry failed", by=BO)
    await goes_out(desk)
    assert "1 × no: club:a." in before
    assert "1 × no, tried 2 times in all: club:a." in await told(desk)


# --- redirected


async def test_what_was_sent_elsewhere_instead_counts_once(desk: Desk) -> None:
    desk.line.club.refuses["hi"] = Refused("no")
    await sends(desk, "club:a", "desk:b")
    await goes_out(desk)
    row = next(row for row in await rows(desk) if row.state == "dead")
    await desk.ask(f"/redirect {row.id} club:c", by=BO)
    await desk.line.rests()
    again = next(row for row in await rows(desk) if row.state == "dead")
    await desk.ask(f"/redirect {again.id} desk:c", by=BO)
    await desk.line.rests()
    text = await told(desk)
    assert "to 2 targets" in text and "2 sent, 0 failed." in text


# --- held


async def test_the_first_held_ones_are_asked_about_in_the_chat_of_the_announcement(desk: Desk) -> None:
    desk.line.club.refuses["hi"] = Garbled("the answer was lost")
    await sends(desk, *places("club", 5))
    await goes_out(desk)
    assert await states(desk) == ["held"] * 5
    cards = [answer for answer in await desk.answers() if "may have arrived" in answer.text]
    assert [card.chat for card in cards] == [str(OPS)] * 3
    assert [button.label for button in cards[0].buttons] == ["Send again", "It arrived", "Drop"]
    assert "5 held" in await told(desk) and "/held decides" in await told(desk)
    await desk.press(cards[0], "It arrived", by=CY)
    await desk.press(cards[0], "It arrived", by=BO)
    assert sorted(await states(desk)) == ["held"] * 4 + ["sent"]
