"""From a chat to a provider: what arrives there, and what the chat shows of it."""

from __future__ import annotations

import pytest

from tests.journeys.world import ANN, BO, EYES, SENT, World

pytestmark = pytest.mark.asyncio(loop_scope="package")

LONG = " ".join(f"word{n:04}" for n in range(1334))
"""A little over 12,000 characters."""


async def test_a_send_arrives_as_exactly_one_documented_request(world: World) -> None:
    ops = world.group()
    number = ops.say("/send support:room-42 hello")
    await ops.marked(number, SENT)
    await world.settled()
    assert [(m.room, m.text) for m in world.support.accepted] == [("room-42", "hello")]
    pushes = [call for call in world.support.calls if call.path.endswith("/message-push")]
    assert [(call.method, call.path, call.status) for call in pushes] == [
        ("POST", "/v1/api/apps/app-1/message-push", 200)
    ]


async def test_a_send_is_not_answered_in_words_when_a_reaction_says_it(world: World) -> None:
    ops = world.group()
    await ops.marked(ops.say("/send support:room-42 by reaction"), SENT)
    await ops.quiet()
    assert ops.texts() == [f"This is {ops.address}"]


async def test_a_chat_without_reactions_gets_one_line_that_is_brought_up_to_date(world: World) -> None:
    ops = world.group(available_reactions=[])
    number = ops.say("/send support:room-42 in a strict chat")
    await ops.hears(SENT)
    assert [m["text"] for m in ops.heard()] == [f"{SENT} sent"]
    assert ops.heard()[0]["reply_to_message"]["message_id"] == number


async def test_a_topic_gets_its_status_line_in_the_topic(world: World) -> None:
    forum = world.group(is_forum=True, available_reactions=[EYES])
    forum.topic = world.telegram.add_topic(forum.id, "Desk", by=ANN)
    forum.say("/send support:room-42 from a topic")
    message = await forum.hears(SENT)
    assert message["message_thread_id"] == forum.topic


async def test_line_breaks_and_quotes_arrive_as_they_were_written(world: World) -> None:
    text = 'first\n\n  second "line" <b>&amp; 👩‍👩‍👧 \\n'
    ops = world.group()
    await ops.marked(ops.say(f"/send support:room-42 {text}"), SENT)
    assert world.pushed()[-1] == text.strip()


async def test_several_sends_arrive_in_the_order_in_which_they_were_written(world: World) -> None:
    ops = world.group()
    texts = [f"in order {n}" for n in range(25)]
    numbers = [ops.say(f"/send support:room-43 {text}") for text in texts]
    for number in numbers:
        await ops.marked(number, SENT)
    assert world.pushed("room-43") == texts


async def test_12000_characters_go_to_a_provider_in_ordered_parts(world: World) -> None:
    """Nobody can write so much in Telegram at once; from provider to provider it goes."""
    admin = world.group()
    await admin.ask("/route add club:lobby -> support:room-42 name=long")
    before = len(world.pushed())
    await world.club.say("lobby", "Maria", LONG)
    await world.until(lambda: len(world.pushed()) >= before + 3)
    await world.settled()
    parts = world.pushed()[before:]
    assert len(parts) == 3
    assert [f"({n}/3)" in part for n, part in enumerate(parts, start=1)] == [True] * 3
    carried = [word for part in parts for word in part.split() if word.startswith("word")]
    assert carried == LONG.split()
    await admin.ask("/route remove long")


async def test_12000_characters_go_to_a_chat_in_ordered_parts(world: World) -> None:
    ops = world.group()
    await ops.ask("/link support:sms/85255507777")
    assert await world.sms(LONG, sender="85255507777") == 200
    await ops.hears("word1333")
    parts = ops.texts()[1:]
    assert all(len(part) <= 4096 for part in parts)
    assert [word for part in parts for word in part.split() if word.startswith("word")] == LONG.split()


async def test_a_file_that_cannot_go_along_is_named_where_it_would_have_been(world: World) -> None:
    ops = world.group()
    world.telegram.send_media(
        ANN, ops.id, "document", b"%PDF", file_name="r.pdf", caption="/send support:room-42 only words"
    )
    answered = world.telegram.send_media(BO, ops.id, "document", b"%PDF", file_name="plan.pdf")
    ops.say("/send support:room-42", reply_to=answered["message_id"])
    for words in ("[file: plan.pdf, 4 B]", "only words\n[file: r.pdf, 4 B]"):
        begins = f"{words} {world.url}/files/"
        await world.until(lambda begins=begins: any(text.startswith(begins) for text in world.pushed("room-42")))
