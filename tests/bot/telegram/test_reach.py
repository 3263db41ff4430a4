"""What a role that counts in one chat is told of others by slips, and what it may set: no more than its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.bot.telegram.desk import ANN, BO, NEWS, OPS, TALK, Desk, a_desk

HQ = f"telegram:{NEWS}"


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """Bo is an admin in Ops alone; News and Talk are other chats, with names, an audience and rules."""
    async with a_desk(tmp_path) as made:
        await made.grant(BO, "admin", chat=OPS)
        await made.write(f"/name {HQ} headquarters")
        await made.write("/name club:lobby reception")
        await made.write(f"/audience add board {HQ} club:lobby")
        await made.write("/audience add guests club:lobby")
        await made.write(f"/route add club:boss -> {HQ} name=secretline")
        await made.write("/route add club:lobby -> here name=ourline")
        yield made


@pytest.mark.parametrize(
    ("line", "known", "hidden"),
    [
        ("/send headquartes hi", "no address", "headquarters"),
        ("/send receptio hi", "or is reception meant?", "headquarters"),
        ("/announce headquartes, club:a | hi", "is no address and no name", "headquarters"),
        ("/announce @boar | hi", "@guests", "@board"),
        ("/route show secretlin", "ourline", "secretline"),
        ("/route show", "needed", "secretline"),
        ("/route edit x stop=yes", "ourline", "secretline"),
        ("/search words in:headquartes", "no address", "headquarters"),
    ],
)
async def test_a_slip_is_set_right_by_what_is_within_reach(desk: Desk, line: str, known: str, hidden: str) -> None:
    answer = await desk.ask(line, by=BO)
    assert known in answer
    assert hidden not in answer


@pytest.mark.parametrize("line", ["/send headquartes hi", "/announce headquartes, club:a | hi"])
async def test_whose_role_counts_everywhere_is_told_of_all_names(desk: Desk, line: str) -> None:
    assert "headquarters" in await desk.ask(line, by=ANN)


async def test_an_address_that_somebody_wrote_is_named_to_them(desk: Desk) -> None:
    assert f"for {HQ} the role operator is needed everywhere" in await desk.ask(f"/send {HQ} hi", by=BO)


async def test_a_link_with_another_chat_is_not_ended_by_a_role_for_this_one(desk: Desk) -> None:
    await desk.write(f"/link telegram:{TALK}")
    answer = await desk.ask("/unlink", by=BO)
    assert "another chat" in answer
    assert str(TALK) not in answer
    assert "linked already" in await desk.ask(f"/link telegram:{TALK}")


async def test_a_conversation_that_another_chat_takes_is_not_muted_by_a_role_for_this_one(desk: Desk) -> None:
    assert "Another chat takes what comes from club:boss" in await desk.ask("/mute club:boss", by=BO)
    assert "Nothing is relayed from club:lobby" in await desk.ask("/mute club:lobby", by=BO)


@pytest.mark.parametrize("rule", [f"club:* -> {HQ}", f"{HQ} -> club:lobby", "telegram:* -> club:lobby"])
async def test_a_rule_of_another_chat_for_the_conversation_is_enough_to_keep_it_from_being_muted(
    desk: Desk, rule: str
) -> None:
    await desk.write(f"/route add {rule}")
    assert "Another chat takes" in await desk.ask("/mute club:lobby", by=BO)


async def test_the_test_of_a_route_counts_the_rules_of_others_and_says_where_it_goes_here(desk: Desk) -> None:
    await desk.write(f"/route add club:lobby -> {HQ} name=otherline priority=5 stop=yes")
    answer = await desk.ask("/route test club:lobby hi", by=BO)
    assert "1 more rule is about other chats" in answer
    assert "ourline" in answer
    assert "otherline" not in answer
    assert HQ not in answer
    assert "otherline" in await desk.ask("/route test club:lobby hi")
