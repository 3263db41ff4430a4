"""Where the bot may not write, whoever asked a command sees that on it, and hears privately if that is possible."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.addresses import telegram_address
from bot.store import Tx
from tests.bot.telegram.desk import ANN, BO, OPS, Desk, a_desk

REASON = "Telegram says: not enough rights to send text messages to the chat"


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with a_desk(tmp_path) as made:
        yield made


async def barred(desk: Desk) -> list[str]:
    """The group takes nothing from the bot; returns what it says privately to those who asked."""
    before = await desk._last()
    await desk.line.store.write(
        lambda tx: desk.line.relay.places.barred(tx, telegram_address(OPS), REASON, quiet=True, now=desk.line.clock())
    )
    told = [f"{each.chat}: {each.text}" for each in await desk.answers(after=before)]
    return [each for each in told if "does not let me write any more" not in each]


async def marks(desk: Desk) -> dict[str, str]:
    """The mark that is wanted, by the text of the message."""

    def read(tx: Tx) -> dict[str, str]:
        return dict(tx.db.execute("SELECT text, want FROM marks JOIN messages ON messages.id = marks.message"))

    return await desk.line.store.read(read)


async def test_an_answer_that_cannot_be_given_is_given_privately_once(desk: Desk) -> None:
    await desk.write("hello", by=BO, chat=BO)
    await desk.ask("/here", by=BO)
    assert await barred(desk) == [
        f"{BO}: I cannot answer your /here in Ops: {REASON}. So here is what I say to it:\n\nThis is telegram:{OPS}"
    ]
    assert await marks(desk) == {"/here": "failed"}
    assert await barred(desk) == []


async def test_who_never_wrote_privately_sees_it_on_the_command(desk: Desk) -> None:
    await desk.ask("/here", by=BO)
    assert await barred(desk) == []
    assert await marks(desk) == {"/here": "failed"}


async def test_who_blocked_the_bot_is_not_written_to(desk: Desk) -> None:
    await desk.write("hello", by=BO, chat=BO)
    await desk.line.store.write(lambda tx: tx.notices.first(f"barred:telegram:{BO}", now=1.0))
    await desk.ask("/here", by=BO)
    assert await barred(desk) == []


async def test_an_answer_of_several_messages_comes_whole(desk: Desk) -> None:
    await desk.write("hello", chat=ANN)
    for number in range(60):
        await desk.line.route(f"club:room-{number} -> telegram:{OPS} match=/{'x' * 90}/", name=f"long{number}")
    answers = await desk.write("/routes")
    assert len(answers) > 1
    said = "\n".join(await barred(desk))
    assert all(f"name=long{number}" in said for number in range(60))


async def test_what_is_no_answer_to_a_command_is_not_told_privately(desk: Desk) -> None:
    await desk.write("hello", by=BO, chat=BO)
    await desk.line.route(f"club:lobby -> telegram:{OPS}")
    await desk.line.store.write(
        lambda tx: desk.line.relay.tell(tx, telegram_address(OPS), "News.", now=desk.line.clock())
    )
    assert await barred(desk) == []
    assert await marks(desk) == {}
