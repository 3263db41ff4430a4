"""Places that change: topics opened for new conversations, topics deleted, groups that move, chats that bar the bot."""

from __future__ import annotations

import itertools
import json

import pytest

from tests.journeys.world import ANN, BO, FAILED, SENT, Bot, Chat, World

pytestmark = pytest.mark.asyncio(loop_scope="package")

_numbers = (f"852666{n:05}" for n in itertools.count(1))


def _topics(world: World, forum: Chat) -> list[str]:
    return [topic["name"] for topic in world.telegram.topics(forum.id) if topic["name"] != "General"]


async def _topic(world: World, forum: Chat, name: str) -> Chat:
    """The latest topic of this name, once it is there."""

    def found() -> int | None:
        there = [t["message_thread_id"] for t in world.telegram.topics(forum.id) if t["name"] == name]
        return max(there, default=None)

    return Chat(world, forum.id, topic=await world.until(found, told=lambda: str(_topics(world, forum))))


async def _rules(world: World, part: str) -> list[str]:
    rows = await world.read("routes", "list")
    lines = [f"{row['source']} {row['arrow']} {row['target']}" for row in rows if row["enabled"]]
    return [line for line in lines if part in line]


async def test_a_new_conversation_gets_a_topic_of_its_own_and_is_linked_both_ways(world: World) -> None:
    forum, number = world.group("Desk", is_forum=True), next(_numbers)
    source = f"support:sms/{number}"
    await forum.ask(f"/route add {source} -> new-topic({forum.address}) name=desk priority=7 match=/^first/")
    assert "a new topic in" in await forum.ask(f"/route test {source} first words")
    await world.sms("first words", sender=number)
    topic = await _topic(world, forum, f"SMS {number}")
    await topic.hears("first words")
    assert source in topic.texts()[0], "the card tells whose topic it is"
    assert await _rules(world, topic.address) == [f"{source} <-> {topic.address}"]
    await world.sms("and more", sender=number)
    await topic.hears("and more")
    assert _topics(world, forum) == [f"SMS {number}"], "there is one topic"
    await topic.marked(topic.say("an answer"), SENT)
    assert any("an answer" in text for text in world.pushed("room-43"))


async def test_messages_that_come_while_a_topic_is_being_opened_wait_and_go_there_in_order(world: World) -> None:
    forum, number = world.group("Desk", is_forum=True), next(_numbers)
    await forum.ask(f"/route add support:sms/{number} -> new-topic({forum.address}) name=waiting")
    world.servers["telegram"].script.next(503, _error(503, "Service Unavailable"), on="createForumTopic")
    for n in range(4):
        await world.sms(f"line {n}", sender=number)
    topic = await _topic(world, forum, f"SMS {number}")
    await topic.hears("line 3")
    assert [text.rpartition(": ")[2] for text in topic.texts()[1:]] == [f"line {n}" for n in range(4)]


async def test_a_topic_that_was_opened_before_a_kill_takes_its_messages_after_it(world: World) -> None:
    forum, number = world.group("Desk", is_forum=True), next(_numbers)
    await forum.ask(f"/route add support:sms/{number} -> new-topic({forum.address}) name=killed")
    await _fail_once(world)
    await world.sms("survives", sender=number)
    topic = await _topic(world, forum, f"SMS {number}")
    await world.until(lambda: not world.servers["telegram"].script.answers)
    await world.bot.kill()
    await world.start()
    await topic.hears("survives")
    assert _topics(world, forum) == [f"SMS {number}"]
    assert len(topic.texts()) == 2, "the card and the message"


async def test_a_kill_before_the_new_topic_is_written_down_loses_nothing(world: World) -> None:
    forum, number = world.group("Desk", is_forum=True), next(_numbers)
    await forum.ask(f"/route add support:sms/{number} -> new-topic({forum.address}) name=torn")
    await world.settled()
    await world.bot.kill()
    mortal = Bot(world.config, world.log, environ={**world.environ(), "PATCHBAY_KILL_AT": "delivery.answered:1"})
    alive, world.bot = world.bot, mortal
    await world.start()
    await world.sms("survives", sender=number)
    await mortal.ended()
    world.bot = alive
    await world.start()
    # One that stays empty is the lesser evil.
    await world.until(lambda: len(_topics(world, forum)) == 2)
    topic = await _topic(world, forum, f"SMS {number}")
    await topic.hears("survives")
    assert [text.rpartition(": ")[2] for text in topic.texts()[1:]] == ["survives"]


async def test_without_the_right_to_open_topics_the_message_is_kept_and_the_owners_hear_what_to_do(
    world: World,
) -> None:
    forum, number = world.group("Desk", is_forum=True), next(_numbers)
    bot = world.telegram.bot.id
    await forum.ask(f"/route add support:sms/{number} -> new-topic({forum.address}) name=rightless")
    world.telegram.set_member(forum.id, bot, "administrator", rights={"can_manage_topics": False})
    await world.sms("kept", sender=number)
    await world.sms("kept too", sender=number)
    told = await world.private(ANN).hears(f"No topic can be opened in {forum.address}")
    assert "right to manage topics" in told["text"]
    rows = await world.settled()
    dead = [row for row in rows if row["state"] == "dead" and row["address"].startswith(f"{forum.address}/new/")]
    assert [row["text"].rpartition(": ")[2] for row in dead][-2:] == ["kept", "kept too"]
    world.telegram.set_member(forum.id, bot, "administrator")
    await world.private(ANN).ask("/retry all")
    topic = await _topic(world, forum, f"SMS {number}")
    await topic.hears("kept too")
    assert sum(forum.address in text for text in world.private(ANN).texts() if "No topic" in text) == 1


async def test_a_deleted_topic_is_opened_anew_with_its_card_and_its_last_lines(world: World) -> None:
    forum, number = world.group("Desk", is_forum=True), next(_numbers)
    source = f"support:sms/{number}"
    old = Chat(world, forum.id, topic=world.telegram.add_topic(forum.id, "Customers"))
    await old.ask(f"/link {source}")
    await forum.ask(f"/route add {old.address} -> club:lobby name=more")
    await world.sms("an old line", sender=number)
    await old.hears("an old line")
    await old.marked(old.say("an old answer", by=BO), SENT)
    world.telegram.delete_topic(forum.id, old.topic or 0)
    await world.sms("after it", sender=number)
    await world.sms("and after that", sender=number)
    told = await world.private(ANN).hears("It is opened anew")
    new = Chat(world, forum.id, topic=int(told["text"].rpartition("/")[2].rstrip(".")))
    await new.hears("and after that")
    card, *lines = new.texts()
    assert source in card and "an old line" in card and "Bo: “an old answer”" in card
    assert [line.rpartition(": ")[2] for line in lines] == ["after it", "and after that"]
    assert await _rules(world, old.address) == []
    assert sorted(await _rules(world, new.address)) == sorted(
        [f"{new.address} <-> {source}", f"{new.address} -> club:lobby"]
    )
    assert len(_topics(world, forum)) == 1, "it is opened once"
    await world.quick("routes", "remove", "more")


async def test_a_group_that_is_upgraded_is_followed_with_what_waits_and_with_what_was_said(world: World) -> None:
    old, number = world.group("Talk", type="group"), next(_numbers)
    source = f"support:sms/{number}"
    await old.ask(f"/link {source}")
    await old.ask(f"/mute {old.address}")
    await old.ask(f"/unmute {old.address}")
    await old.marked(old.say("a question"), SENT)
    other = world.group("Elsewhere")
    await other.ask(f"/route add here -> {old.address} name=upgraded")
    said = other.say("befor", by=BO)
    copy = await old.hears("Bo: befor")
    await _fail_once(world)
    await world.sms("on its way", sender=number)
    new = Chat(world, world.telegram.migrate(old.id, old.id - 5_000_000))
    await new.hears("on its way")
    await world.private(ANN).hears(f"follow it to {new.address}")
    assert await _rules(world, old.address) == []
    assert await _rules(world, new.address) == [f"{new.address} <-> {source}", f"{other.address} -> {new.address}"]
    rows = await world.settled()
    assert not [row for row in rows if row["address"] == old.address], "all deliveries are those of the new one"
    await new.marked(new.say("an answer"), SENT)
    world.telegram.edit(BO, other.id, said, "before")
    await world.until(lambda: old.now(copy)["text"] == "Bo: before")
    told = [text for text in world.private(ANN).texts() if f"follow it to {new.address}" in text]
    assert len(told) == 1, "two service messages and an answer say it, once is enough"


async def test_a_chat_that_throws_the_bot_out_rests_until_it_is_back(world: World) -> None:
    ops, number, owner = world.group("Ops"), next(_numbers), world.private(ANN)
    source, bot = f"support:sms/{number}", world.telegram.bot.id
    await ops.ask(f"/link {source}")
    before = len(owner.texts())
    calls = len(_sends_to(world, ops))
    world.telegram.kick_bot(ops.id)
    await owner.hears(f"{ops.address}")
    await world.sms("into the void", sender=number)
    await world.settled()
    assert len(_sends_to(world, ops)) - calls <= 3
    told = [text for text in owner.texts()[before:] if ops.address in text]
    assert len(told) == 1 and ("kicked" in told[0] or "member" in told[0])
    row = next(row for row in await world.read("routes", "list") if row["source"] == ops.address)
    assert not row["enabled"]
    assert "paused" in await owner.ask(f"/route test {source} hello")
    world.telegram.set_member(ops.id, bot, "administrator")
    await owner.hears("lets me write again")
    await world.sms("back again", sender=number)
    await ops.hears("back again")
    assert len([text for text in owner.texts()[before:] if "lets me write again" in text]) == 1


async def test_a_group_that_is_closed_for_a_night_is_heard_and_opens_again_by_itself(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ops, number, owner = world.group("Ops"), next(_numbers), world.private(ANN)
    await ops.ask(f"/link support:sms/{number}")
    world.telegram.set_member(ops.id, world.telegram.bot.id, "member")
    monkeypatch.setattr(world.telegram.bot, "can_read_all_group_messages", True)
    await ops.ask("/help")
    world.telegram.set_permissions(ops.id, can_send_messages=False)
    await world.sms("at night", sender=number)
    await owner.hears(f"{ops.address}")
    await world.settled()
    world.telegram.set_permissions(ops.id, can_send_messages=True)
    await ops.marked(ops.say("is anybody there?"), SENT)
    await ops.ask("/help")
    await owner.hears("lets me write again")
    await world.sms("in the morning", sender=number)
    await ops.hears("in the morning")
    assert not any("at night" in text for text in ops.texts())


async def test_what_waits_for_a_chat_that_turns_out_to_be_closed_is_kept_for_a_retry(world: World) -> None:
    ops, number, owner = world.group("Ops"), next(_numbers), world.private(ANN)
    await ops.ask(f"/link support:sms/{number}")
    await _fail_once(world)
    for n in range(5):
        await world.sms(f"waits {n}", sender=number)
    world.telegram.kick_bot(ops.id)
    calls = len(_sends_to(world, ops))
    await owner.hears(f"{ops.address}")
    rows = await world.settled()
    assert [row["state"] for row in rows if row["address"] == ops.address][-5:] == ["dead"] * 5
    assert len(_sends_to(world, ops)) - calls <= 3
    assert len([text for text in owner.texts() if ops.address in text]) == 1
    world.telegram.set_member(ops.id, world.telegram.bot.id, "administrator")
    await owner.hears("lets me write again")
    await owner.ask("/retry all")
    await ops.hears("waits 4")
    assert [text.rpartition(": ")[2] for text in ops.texts()[-5:]] == [f"waits {n}" for n in range(5)]


async def test_an_author_learns_that_a_person_has_blocked_the_bot(world: World) -> None:
    ops, dan = world.group("Ops"), world.private(BO)
    dan.say("/start", by=BO)
    await dan.hears("This is Patchbay")
    world.telegram.block(BO)
    number = ops.say(f"/send {dan.address} are you there?")
    assert "blocked" in await ops.answer(number)
    await ops.marked(number, FAILED)
    world.telegram.unblock(BO)
    await ops.marked(ops.say(f"/send {dan.address} and now?"), SENT)


async def test_what_a_muted_conversation_says_is_filtered_until_it_is_unmuted(world: World) -> None:
    ops, number = world.group(), next(_numbers)
    source = f"support:sms/{number}"
    await ops.ask(f"/link {source}")
    assert "needs the role admin" in await ops.ask(f"/mute {source}", by=BO)
    assert "Nothing is relayed" in await ops.ask(f"/mute {source}")
    assert "muted already" in await ops.ask(f"/mute {source}")
    before = (await world.read("stats"))["inbound"]["filtered"]
    await world.sms("not wanted", sender=number)
    await world.restart()
    await world.sms("nor after a restart", sender=number)
    said = await ops.ask(f"/route test {source} hello")
    assert "muted" in said and "It would be filtered." in said
    assert "muted" in await world.quick("routes", "test", source, "hello")
    assert (await world.read("stats"))["inbound"]["filtered"] == before + 2
    assert "relayed again" in await ops.ask(f"/unmute {source}")
    assert "not muted" in await ops.ask(f"/unmute {source}")
    await world.sms("welcome back", sender=number)
    await ops.hears("welcome back")
    assert not [text for text in ops.texts() if "not wanted" in text or "nor after" in text]


async def test_three_conversations_joined_in_pairs_have_each_message_once(world: World) -> None:
    one, two, three = world.group(), world.group(), world.group()
    for here, there in itertools.combinations((one, two, three), 2):
        await here.ask(f"/link {there.address}")
    for n, chat in enumerate((one, two, three)):
        await chat.marked(chat.say(f"from chat {n}", by=BO), SENT)
    await world.settled()
    for n, chat in enumerate((one, two, three)):
        heard = sorted(text for text in chat.texts() if "from chat" in text)
        assert heard == [f"Bo: from chat {other}" for other in range(3) if other != n]


async def test_by_a_rule_for_replies_only_replies_go_back_whoever_writes_them(world: World) -> None:
    ops, number = world.group(), next(_numbers)
    await ops.ask(f"/route add support:sms/{number} ->> here name=replies")
    await world.sms("a question", sender=number)
    question = await ops.hears("a question")
    before = len(world.pushed("room-43"))
    ops.say("just talk", by=BO)
    await ops.marked(ops.say("a reply", by=BO, reply_to=question["message_id"]), SENT)
    assert [text for text in world.pushed("room-43")[before:] if "talk" in text] == []
    assert "a reply" in world.pushed("room-43")[-1]
    await ops.ask("/route remove replies")


@pytest.mark.parametrize("way", ["here -> {chat}", "{chat}/1 -> {chat}", "{chat} -> new-topic(here)"])
async def test_a_route_to_itself_is_refused_however_it_is_written(world: World, way: str) -> None:
    ops = world.group()
    before = await world.read("routes", "list")
    said = await ops.ask("/route add " + way.format(chat=ops.address))
    assert "a route leads elsewhere" in said
    assert await world.read("routes", "list") == before


def _sends_to(world: World, chat: Chat) -> list[object]:
    return [call for call in world.telegram.calls if call.method == "sendMessage" and str(chat.id) in str(call)]


async def _fail_once(world: World) -> None:
    """The next send to Telegram is refused for now, once nothing else is on its way."""
    await world.settled()
    world.servers["telegram"].script.next(503, _error(503, "Service Unavailable"), on="sendMessage")


def _error(code: int, words: str) -> str:
    return json.dumps({"ok": False, "error_code": code, "description": words})
