"""What people do with a message after it was sent: take it back, give it other words, react, ask where it went."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from typing import Any

import pytest

from tests.journeys.world import ANN, BO, CARA, DROPPED, FAILED, SENT, UNSURE, Chat, World

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def _linked(world: World, room: str) -> Chat:
    """A group joined with a room of the club's."""
    if room not in world.club.conversations:
        world.club.conversations.append(room)
    chat = world.group()
    await chat.ask(f"/link club:{room}")
    return chat


def _appoint(world: World, *people: int) -> None:
    """These are operators now, and nobody else."""
    with closing(sqlite3.connect(world.database)) as db, db:
        db.execute("DELETE FROM roles")
        db.executemany("INSERT INTO roles VALUES (?, '*', 'operator')", [(str(person),) for person in people])


def _there(world: World, room: str) -> list[str]:
    """What programs wrote in a room of the club's, as it stands there now."""
    rooms: Any = world.club.state()["conversations"]
    return [message["text"] for message in rooms[room]]


async def test_a_command_can_be_undone_by_who_gave_it(world: World) -> None:
    ops = world.group()
    number = ops.say("/send club:lobby a slip of the finger")
    await ops.marked(number, SENT)
    assert "Taken back at club:lobby" in await ops.ask("/undo", reply_to=number)
    await world.until(lambda: "a slip of the finger" not in _there(world, "lobby"))
    await ops.marked(number, DROPPED)
    assert "already" in await ops.ask("/undo", reply_to=number)


async def test_undo_says_where_it_cannot_be(world: World) -> None:
    ops = world.group()
    number = ops.say("/send support:room-42 carved in stone")
    await ops.marked(number, SENT)
    assert "Not at support:room-42: cinnox has no way to take a message back" in await ops.ask("/undo", reply_to=number)
    assert "carved in stone" in world.pushed("room-42")
    await ops.marked(number, SENT)


async def test_a_message_that_waits_is_stopped_for_good(world: World) -> None:
    ops = world.group()
    await world.servers["plain"].down()
    number = ops.say("/send plain:room-42 never mind")
    assert "Taken back" in await ops.ask("/undo", reply_to=number)
    await ops.marked(number, DROPPED)
    await world.servers["plain"].up()
    assert (await world.delivery("never mind"))["state"] == "cancelled"


async def test_a_copy_that_the_bot_wrote_is_undone_by_a_reply_to_it(world: World) -> None:
    ops, other = world.group(), world.group()
    number = ops.say(f"/send {other.address} wrong group")
    await ops.marked(number, SENT)
    copy = await other.hears("wrong group")
    assert f"Taken back at {other.address}" in await other.ask("/undo", reply_to=copy["message_id"])
    await world.until(lambda: "wrong group" not in other.texts())


async def test_a_relayed_message_gets_other_words_by_command(world: World) -> None:
    chat = await _linked(world, "edit")
    number = chat.say("at ten", by=ANN)
    await chat.marked(number, SENT)
    assert "Changed at club:edit" in await chat.ask("/edit at nine", reply_to=number)
    await world.until(lambda: _there(world, "edit")[0] == "Ann: at nine")
    assert "already" in await chat.ask("/edit at nine", reply_to=number)


async def test_where_nothing_can_be_changed_the_new_words_are_told_without_the_command(world: World) -> None:
    ops = world.group()
    number = ops.say("/send support:room-42 old words")
    await ops.marked(number, SENT)
    told = await ops.ask("/edit new words", reply_to=number)
    assert "Told in words at support:room-42: cinnox has no way to change a message" in told
    await world.until(lambda: "✏️ edited “old words”:\nnew words" in world.pushed("room-42"))


async def test_only_the_author_or_an_admin_may_change_a_message(world: World) -> None:
    ops = world.group()
    _appoint(world, BO, CARA)
    number = ops.say("/send club:lobby mine alone", by=BO)
    await ops.marked(number, SENT)
    for line in ("/undo", "/edit not yours"):
        assert "Only Bo, who wrote it, or an admin may" in await ops.ask(line, by=CARA, reply_to=number)
    assert "mine alone" in _there(world, "lobby")
    assert "Taken back" in await ops.ask("/undo", by=ANN, reply_to=number)
    _appoint(world)


async def test_a_reaction_is_put_on_the_other_side_by_command(world: World) -> None:
    chat = await _linked(world, "react")
    await world.club.say("react", "zoe", "good news")
    copy = await chat.hears("good news")
    assert "👍 at club:react" in await chat.ask("/react 👍", reply_to=copy["message_id"])
    await world.until(lambda: "👍" in world.club.reactions.values())
    assert "is not one emoji" in await chat.ask("/react hooray", reply_to=copy["message_id"])
    await world.sms("no reactions here", sender="85255507001")
    await chat.ask("/route add support:sms/85255507001 -> here name=sms7001")
    await world.sms("nor here", sender="85255507001")
    sms = await chat.hears("nor here")
    assert "SMS has no way to react to a message" in await chat.ask("/react 👍", reply_to=sms["message_id"])
    await chat.ask("/route remove sms7001")


async def test_trace_tells_of_edits_and_reactions_and_why_of_the_rule(world: World) -> None:
    chat = await _linked(world, "trace")
    number = chat.say("from here to there", by=BO)
    await chat.marked(number, SENT)
    await chat.ask("/edit from there to here", reply_to=number)
    await world.until(lambda: _there(world, "trace")[0] == "Bo: from there to here")
    traced = await chat.ask("/trace", reply_to=number)
    assert "club:trace (sent" in traced and "club:trace (edit, sent" in traced
    told = await chat.ask("/why", reply_to=number)
    assert "club:trace: matched" in told and "to club:trace: route " in told
    assert "eply to the message" in await chat.ask("/why")


async def test_the_rule_that_filtered_is_named(world: World) -> None:
    chat = world.group()
    await chat.ask("/route add here -> club:lobby name=urgent match=/urgent/")
    number = chat.say("nothing much", by=BO)
    assert "urgent" in await chat.ask("/why", reply_to=number)
    await chat.ask("/route remove urgent")


async def test_the_owner_is_alerted_by_a_card_that_sends_all_of_it_again(world: World) -> None:
    ops, ann = world.group(), world.private(ANN)
    _appoint(world, BO)
    numbers = []
    for text in ("first of two", "second of two"):
        world.servers["plain"].script.next(404)
        numbers.append(ops.say(f"/send plain:room-42 {text}", by=BO))
        await ops.marked(numbers[-1], FAILED)
    alert = await ann.hears("could not be brought to plain:room-42")
    assert sum("plain:room-42" in text for text in ann.texts()) == 1
    await ann.press(alert, "Show")
    assert "plain:room-42 (dead" in (await ann.hears("→ plain:room-42"))["text"]
    await world.restart()
    assert "2 deliveries to plain" in await ann.press(alert, "Retry")
    for number in numbers:
        await ops.marked(number, SENT)
    await ann.hears("plain:room-42 takes messages again")
    assert "reply_markup" not in ann.now(alert)
    _appoint(world)


async def test_words_that_were_changed_while_nobody_knew_follow_when_it_did_arrive(world: World) -> None:
    chat = world.group()
    await chat.ask("/link support:room-42")
    world.servers["support"].faults.configure("cut", remaining=1)
    number = chat.say("old words, perhaps", by=ANN)
    await chat.marked(number, UNSURE)
    card = await chat.hears("may have arrived")
    world.telegram.edit(ANN, chat.id, number, "new words for sure")
    await world.until(lambda: _owed(world))
    await chat.press(card, "It arrived")
    await world.until(lambda: "✏️ edited “Ann: old words, perhaps”:\nAnn: new words for sure" in world.pushed("room-42"))
    await chat.marked(number, SENT)
    await chat.ask("/unlink")


async def _owed(world: World) -> bool:
    return any(row.get("changed_to") == "Ann: new words for sure" for row in await world.outbox(state="held"))


async def test_what_comes_late_is_held_and_sent_by_its_card(world: World) -> None:
    world.club.conversations.append("late")
    chat = world.group()
    await chat.ask("/route add here -> club:late name=late late=hold")
    world.telegram.clock = lambda: time.time() - 3 * 3600
    number = chat.say("from three hours ago", by=BO)
    world.telegram.clock = time.time
    card = await chat.hears("late by 3 h")
    await chat.marked(number, UNSURE)
    assert [b["text"] for row in card["reply_markup"]["inline_keyboard"] for b in row] == ["Send", "Drop"]
    await chat.press(card, "Send")
    await world.until(lambda: "Bo: from three hours ago" in _there(world, "late"))
    await chat.ask("/route remove late")


async def test_a_command_that_is_edited_in_telegram_changes_nothing_over_there_and_says_so_once(world: World) -> None:
    ops = world.group()
    number = ops.say("/send club:lobby dear customer")
    await ops.marked(number, SENT)
    world.telegram.edit(ANN, ops.id, number, "other words")
    await ops.hears("Editing a command changes nothing; /edit as a reply gives it other words")
    world.telegram.edit(ANN, ops.id, number, ".")
    await ops.quiet()
    assert "dear customer" in _there(world, "lobby")
    assert sum("Editing a command" in text for text in ops.texts()) == 1
