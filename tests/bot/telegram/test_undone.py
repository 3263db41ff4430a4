"""Commands and buttons that turn out to be wrong: nothing of them is left; what is shown of a press that is too old."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from telegram.error import BadRequest

from bot.addresses import parse_address
from bot.store import Tx
from bot.store.balance import balance
from bot.telegram.cards import Press, Pressed, card_kinds
from bot.telegram.commands.registry import Call, Reply, UsageError, registry
from bot.telegram.wizards.engine import wizards
from bridges.model import Message
from tests.bot.line import NOW
from tests.bot.telegram.desk import ANN, BO, Desk, a_desk

TO, MESSAGE = parse_address("club:a"), Message(text="hi")


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with a_desk(tmp_path) as made:
        await made.grant(BO, "operator")
        yield made


async def count(desk: Desk) -> int:
    """The deliveries to providers that there are; the balance is true."""
    counted = await desk.line.store.read(balance)
    assert counted["balanced"], counted["deliveries"]
    return len(await desk.line.store.read(lambda tx: tx.outbox.list(account="club")))


async def test_a_command_that_is_wrong_after_all_leaves_no_delivery_and_a_true_balance(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = registry.commands["send"]

    def sends_and_minds(call: Call, tx: Tx) -> Reply | None:
        send.run(call, tx)
        raise UsageError("not so after all")

    monkeypatch.setitem(registry.commands, "send", replace(send, run=sends_and_minds))
    assert "Not so after all" in await desk.ask("/send club:a hi", by=BO)
    assert await count(desk) == 0


async def test_a_button_that_is_wrong_after_all_leaves_no_delivery_and_a_true_balance(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    (card,) = await desk.write("/announce club:a | hi", by=BO)
    kind = card_kinds.kinds["announce"]

    def sends_and_minds(press: Press, tx: Tx) -> Pressed:
        kind.decide(press, tx)
        raise UsageError("not so after all")

    monkeypatch.setitem(card_kinds.kinds, "announce", replace(kind, decide=sends_and_minds))
    await desk.press(card, "Send", by=BO)
    assert await count(desk) == 0


async def test_an_answer_to_a_wizard_that_is_wrong_after_all_leaves_no_delivery_and_a_true_balance(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    (page,) = await desk.write("/link", by=ANN)
    wizard = wizards[page.buttons[0].data.partition(":")[0]]
    step = wizard.steps[wizard.first]

    def sends_and_minds(scene: Any, given: Any) -> Any:
        scene.tx.outbox.add(scene.services.relay.delivery(TO, MESSAGE, now=NOW, message_id=None, why="x"))
        raise UsageError("not so after all")

    monkeypatch.setitem(wizard.steps, wizard.first, replace(step, take=sends_and_minds))
    await desk.press(page, page.buttons[0].label, by=ANN)
    assert await count(desk) == 0


def too_old(desk: Desk) -> None:
    """Telegram shows no toasts any more."""

    async def refuses(*_: Any, **__: Any) -> bool:
        raise BadRequest("Query is too old and response timeout expired or query id is invalid")

    desk._shown.answer_callback_query = refuses  # type: ignore[method-assign]


async def test_a_card_shows_what_became_of_a_press_that_is_too_old_for_a_toast(desk: Desk) -> None:
    (card,) = await desk.write("/announce club:a | hi", by=BO)
    too_old(desk)
    pressed = await desk.press(card, "Cancel", by=BO)
    assert pressed.card is not None
    assert pressed.card.text == "Cancelled: nothing was sent."
    assert pressed.answers == []


async def test_what_a_toast_would_have_said_is_said_in_the_chat_where_the_card_stays_as_it_is(desk: Desk) -> None:
    (card,) = await desk.write("/announce club:a | hi", by=BO)
    too_old(desk)
    pressed = await desk.press(card, "Send", by=BO)
    assert [answer.text for answer in pressed.answers] == ["Sending to 1 target."]
