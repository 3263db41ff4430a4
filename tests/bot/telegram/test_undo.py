"""What was sent is taken back, gets other words or a reaction: where that is possible, and where it is not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bot import broadcasts
from bot.addresses import parse_address
from bot.store import Tx
from bridges.errors import Unavailable
from bridges.model import Message
from tests.bot.telegram.desk import ANN, BO, CY, NEWS, OPS, TALK, Desk, a_desk

ABLE = {"edits": True, "deletes": True, "reactions": True}
Json = dict[str, Any]


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """The club can change messages, the desk cannot."""
    async with a_desk(tmp_path, **ABLE) as made:
        await made.line.engine.start()
        yield made
        await made.line.engine.stop(grace_s=1)


async def says(desk: Desk, text: str, **more: Any) -> Json:
    """Somebody writes; returns the message, to be answered, when all of it has arrived."""
    message = desk.message(text, **more)
    await desk.takes(message)
    await desk.line.rests()
    return message


def copy(desk: Desk, number: int, *, chat: int) -> Json:
    """A message of the bot with this number."""
    return desk.message("", by=99, chat=chat) | {"message_id": number}


async def announced(desk: Desk, targets: list[str]) -> Json:
    """Ann announces; nothing of it has left yet."""
    message = await says(desk, "/whoami")

    def unit(tx: Tx) -> None:
        origin = tx.messages.find("telegram", f"{OPS}/{message['message_id']}")
        assert origin is not None
        broadcasts.start(
            tx,
            desk.line.relay,
            targets=[parse_address(target) for target in targets],
            message=Message(text="hear"),
            person=ANN,
            person_name="Ann",
            chat=parse_address(f"telegram:{OPS}"),
            origin=origin.id,
            now=desk.line.clock(),
        )

    await desk.line.store.write(unit)
    return message


async def test_a_message_is_taken_back_where_it_can_be_and_said_where_not(desk: Desk) -> None:
    for target in ("club:lobby", "club:bar", "desk:hall"):
        await desk.line.route(f"telegram:{OPS} -> {target}", name=target.partition(":")[2])
    message = await says(desk, "a slip")
    assert await desk.ask("/undo", reply_to=message) == (
        "Taken back at club:lobby, club:bar.\nNot at desk:hall: fake has no way to take a message back."
    )
    await desk.line.rests()
    assert sorted(desk.line.club.done) == ["delete c1", "delete c2"]


async def test_places_with_the_same_reason_are_told_together_and_many_by_number(desk: Desk) -> None:
    for n in range(15):
        await desk.line.route(f"telegram:{OPS} -> desk:room{n}", name=f"r{n}")
        await desk.line.route(f"telegram:{OPS} -> club:room{n}", name=f"c{n}")
    message = await says(desk, "a slip")
    taken, others = (await desk.ask("/undo", reply_to=message)).splitlines()
    assert taken.startswith("Taken back at 15 places: club:room0, ") and taken.endswith(" and 5 more.")
    assert others.startswith("Not at 15 places: desk:room0, ") and "fake has no way" in others


async def test_the_command_that_sent_it_and_its_copy_elsewhere_are_undone_alike(desk: Desk) -> None:
    desk.line.telegram.prefix = f"{NEWS}/90"
    await says(desk, f"/send telegram:{NEWS} wrong chat")
    assert await desk.ask("/undo", reply_to=copy(desk, 901, chat=NEWS), chat=NEWS) == f"Taken back at telegram:{NEWS}."
    await desk.line.rests()
    assert desk.line.telegram.done == [f"delete {NEWS}/901"]


@pytest.mark.parametrize("command", ["/undo", "/edit other words", "/react 👍", "/trace", "/why"])
async def test_what_is_no_message_of_anybodys_is_said_to_be_none(desk: Desk, command: str) -> None:
    assert "reply to the message that you want to" in (await desk.ask(command)).lower()
    own = copy(desk, 77, chat=OPS)
    assert (await desk.ask(command, reply_to=own)).startswith("That is an answer of my own")
    old = desk.message("from before the bot", by=BO)
    assert (await desk.ask(command, reply_to=old)).startswith("I know nothing of that message")


async def test_what_went_nowhere_has_nothing_to_take_back(desk: Desk) -> None:
    message = await says(desk, "just talk")
    assert await desk.ask("/undo", reply_to=message) == "It is nowhere else, so there is nothing to take back."


async def test_what_may_have_arrived_is_said_to_wait_for_a_decision(desk: Desk) -> None:
    desk.line.club.refuses["perhaps"] = Unavailable("cut", maybe_sent=True)
    message = await says(desk, "/send club:lobby perhaps")
    assert "it may have arrived there; please look, and decide" in await desk.ask("/undo", reply_to=message)


async def test_somebody_elses_words_from_another_side_are_not_edited(desk: Desk) -> None:
    desk.line.telegram.prefix = f"{OPS}/90"
    await desk.line.route(f"club:lobby <-> telegram:{OPS}")
    await desk.line.said("club:lobby", "hello", name="Zoe")
    await desk.line.rests()
    told = await desk.ask("/edit other", reply_to=copy(desk, 901, chat=OPS))
    assert told == "These are the words of Zoe at club:lobby, not ours."
    assert "Taken back at" in await desk.ask("/undo", reply_to=copy(desk, 901, chat=OPS))


async def test_an_announcement_is_stopped_and_taken_back_with_numbers(desk: Desk) -> None:
    targets = [f"club:room{n}" for n in range(30)] + [f"desk:room{n}" for n in range(5)]
    message = await announced(desk, targets)
    rows = await desk.line.rows()
    gone = [row.id for row in rows[:10]] + [row.id for row in rows[30:]]
    await desk.line.store.write(lambda tx: tx.outbox.unpark(gone, now=desk.line.clock()))
    await desk.line.store.write(lambda tx: tx.woken.update(("club", "desk")))
    await desk.line.rests()
    (card,) = await desk.write("/undo", reply_to=message)
    assert "\nhear\n" in card.text
    assert "At 30 it can be deleted.\nAt 5 × desk it cannot: there it stays." in card.text
    done = (await desk.press(card, "Take back")).card
    assert done is not None and done.text == (
        "Announcement 1: 20 not sent any more, taken back at 10 places.\n"
        "Not deleted at 5 × desk: fake has no way to take a message back."
    )
    assert "taken back already" in await desk.ask("/undo", reply_to=message)
    await desk.line.rests()
    assert len(desk.line.club.done) == 10
    assert len(desk.line.club.texts) == 10


async def test_an_announcement_that_has_not_left_goes_out_with_its_new_words(desk: Desk) -> None:
    message = await announced(desk, ["club:lobby", "club:bar"])
    (card,) = await desk.write("/edit hear, hear", reply_to=message)
    assert "\nhear, hear\n" in card.text and "2 targets" in card.text
    done = (await desk.press(card, "Change")).card
    assert done is not None and done.text == "Announcement 1: changed at 2 places."
    ids = [row.id for row in await desk.line.rows()]
    await desk.line.store.write(lambda tx: tx.outbox.unpark(ids, now=desk.line.clock()))
    await desk.line.rests()
    assert desk.line.club.texts == ["hear, hear"] * 2
    assert desk.line.club.done == []


# --- a role for one chat


async def test_an_admin_of_one_chat_does_not_undo_what_stands_in_others(desk: Desk) -> None:
    desk.line.telegram.prefix = f"{OPS}/90"
    await desk.grant(BO, "admin", chat=OPS)
    await desk.line.route(f"telegram:{NEWS} -> telegram:{OPS}", name="one")
    await says(desk, "only to ops", chat=NEWS, by=CY)
    assert "Taken back" in await desk.ask("/undo", reply_to=copy(desk, 901, chat=OPS), by=BO)
    await desk.line.rests()
    await desk.line.route(f"telegram:{NEWS} -> telegram:{TALK}", name="two")
    await says(desk, "to both", chat=NEWS, by=CY)
    rows = await desk.line.rows(f"telegram:{OPS}")
    ids = await desk.line.store.read(lambda tx: [copy.remote_id for copy in tx.messages.copies(rows[-1].message or 0)])
    number = next(int(id.partition("/")[2]) for id in ids)
    told = [await desk.ask(line, reply_to=copy(desk, number, chat=OPS), by=BO) for line in ("/undo", "/edit other")]
    assert all("needs the role admin everywhere" in each for each in told)


async def test_a_reaction_does_not_tell_which_other_chats_have_the_message(desk: Desk) -> None:
    desk.line.telegram.prefix = f"{OPS}/90"
    await desk.grant(BO, "operator", chat=OPS)
    for chat in (OPS, TALK):
        await desk.line.route(f"telegram:{NEWS} -> telegram:{chat}", name=f"to{-chat}")
    await says(desk, "to both", chat=NEWS, by=CY)
    told = await desk.ask("/react 👍", reply_to=copy(desk, 901, chat=OPS), by=BO)
    assert str(NEWS) not in told and str(TALK) not in told
    assert "other chat" in told
