"""/name: what addresses are called."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.bot.telegram.desk import ANN, BO, CY, NEWS, OPS, Desk, a_desk

HERE = f"telegram:{OPS}"


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with a_desk(tmp_path) as made:
        await made.grant(BO, "admin")
        yield made


async def test_a_name_is_given_told_changed_and_taken_away(desk: Desk) -> None:
    story = {
        "/name here": f"{HERE} has no name; /name ADDRESS NAME gives it one.",
        "/name here Ops": f"{HERE} is called ops now, wherever an address can stand.",
        "/name OPS": f"{HERE} is called ops.",
        "/name ops “Office”": f"{HERE} is called office now, wherever an address can stand. ops no longer names it.",
        "/name here office": f"{HERE} is called office already.",
        "/name office -": f"{HERE} is no longer called office.",
        "/name here -": f"{HERE} has no name.\nExample: /name here ops",
    }
    assert {line: await desk.ask(line, by=BO) for line in story} == story


async def test_a_name_stands_wherever_an_address_can(desk: Desk) -> None:
    await desk.ask("/name club:room-1 room", by=BO)
    await desk.ask("/name here home", by=BO)
    assert await desk.ask("/link Room", by=BO) == f"Linked: {HERE} <-> club:room-1 (route r1). /unlink ends it."
    assert await desk.ask("/unlink room", by=BO) == f"No longer linked: {HERE} <-> club:room-1"
    assert "club:room-1 -> telegram" in await desk.ask("/route add Room -> HOME", by=BO)
    assert "club:room-1" in await desk.ask("/route test room hello", by=BO)
    assert "club:room-1" in await desk.ask("/mute room", by=BO)
    assert "club:room-1" in await desk.ask("/unmute ROOM", by=BO)
    await desk.ask("/audience add team Room, home", by=BO)
    assert "club:room-1  named room" in await desk.ask("/audience show team", by=BO)
    assert await desk.write("/send room hi", by=BO) == []
    assert [row.address for row in await desk.line.rows()] == ["club:room-1"]


WRONG = {
    "here": "“here” cannot be a name: the word means something else already.",
    "ALL": "“ALL” cannot be a name: the word means something else already.",
    "two words": "“two words” cannot be a name: it has blanks.",
    "@ops": "“@ops” cannot be a name: with an @ it is an audience or a person.",
    "a:b": "“a:b” cannot be a name: with a colon it looks like an address.",
    "a,b": "“a,b” cannot be a name: commas stand between several targets.",
    "123": "“123” cannot be a name: it has no letter.",
    "-x": "“-x” cannot be a name: letters, digits, _ . and - make one, beginning with a letter.",
    "x" * 65: f"“{'x' * 40}…” cannot be a name: it has 65 characters, at most 64 are possible.",
    "a(b)": "“a(b)” cannot be a name: letters, digits, _ . and - make one, beginning with a letter.",
}


@pytest.mark.parametrize("word", WRONG)
async def test_what_could_be_taken_for_something_else_is_no_name(desk: Desk, word: str) -> None:
    assert await desk.ask(f"/name here {word}", by=BO) == f"{WRONG[word]}\nExample: /name here ops"


async def test_a_name_that_is_taken_says_for_what(desk: Desk) -> None:
    await desk.ask("/name club:room-1 room", by=BO)
    assert await desk.ask("/name here ROOM", by=BO) == (
        "“room” is the name of club:room-1 already; /name club:room-1 - takes it away there.\nExample: /name here ops"
    )


async def test_an_admin_of_one_chat_names_what_that_chat_reaches(desk: Desk) -> None:
    await desk.grant(CY, "admin", chat=OPS)
    await desk.ask(f"/name telegram:{NEWS} news", by=ANN)
    await desk.ask("/name club:room-1 room", by=ANN)
    assert (await desk.ask("/name here ops", by=CY)).startswith(f"{HERE} is called ops now")
    assert (await desk.ask("/name here desk", by=CY)).startswith(f"{HERE} is called desk now")
    assert (await desk.ask("/name club:room-2 two", by=CY)).startswith("club:room-2 is called two now")
    elsewhere = await desk.ask(f"/name telegram:{NEWS} mine", by=CY)
    assert elsewhere.startswith(f"Your role admin counts in this chat only: for telegram:{NEWS}")
    for line in ("/name room -", "/name room other"):
        assert (await desk.ask(line, by=CY)).startswith("club:room-1 is called room in all chats")
    taken = await desk.ask("/name here news", by=CY)
    assert taken.startswith("“news” is the name of something in another chat")
    assert str(NEWS) not in taken


async def test_an_operator_gives_no_names(desk: Desk) -> None:
    await desk.grant(CY, "operator")
    assert (await desk.ask("/name here ops", by=CY)).startswith("/name needs the role admin")


async def test_a_name_whose_account_is_gone_can_be_taken_away_or_over(desk: Desk) -> None:
    await desk.line.store.write(lambda tx: (tx.names.set("old", "gone:x"), tx.names.set("older", "gone:y")))
    assert await desk.ask("/name old -", by=BO) == "gone:x is no longer called old."
    assert (await desk.ask("/name here older", by=BO)).startswith(f"{HERE} is called older now")
