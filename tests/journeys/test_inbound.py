"""From a provider into a chat, and the way back."""

from __future__ import annotations

import asyncio

import pytest

from tests.journeys.world import ANN, BO, DAN, SENT, World

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def test_an_inbound_sms_nobody_routes_is_kept_and_owners_are_told_once_how_to_route_it(world: World) -> None:
    ann = world.private(ANN)
    before = (await world.read("stats"))["inbound"]["unrouted"]
    for n in range(3):
        assert await world.sms(f"is anybody there? {n}", sender="85255500001") == 200
    told = await ann.hears("no route takes it")
    assert "/link support:sms/85255500001" in told["text"]
    await world.until(lambda: _counted(world, "unrouted", before + 3))
    await ann.quiet()
    assert sum("no route takes it" in text for text in ann.texts()) == 1


async def _counted(world: World, outcome: str, number: int) -> bool:
    return bool((await world.read("stats"))["inbound"][outcome] == number)


async def test_owners_are_told_of_unrouted_messages_for_each_account(world: World) -> None:
    ann = world.private(ANN)
    await world.sms("another account", sender="85255500001", account="plain")
    assert "/route add plain:* -> here" in (await ann.hears("plain:sms/85255500001"))["text"]


async def test_an_inbound_sms_is_mirrored_to_the_linked_topic_with_sender(world: World) -> None:
    forum = world.group(is_forum=True)
    forum.topic = world.telegram.add_topic(forum.id, "A customer", by=ANN)
    await forum.ask("/link support:sms/85255501111")
    assert await world.sms("on my way", sender="85255501111") == 200
    mirrored = await forum.hears("on my way")
    assert mirrored["message_thread_id"] == forum.topic
    assert "85255501111" in mirrored["text"]


async def test_a_redelivered_sms_is_mirrored_once(world: World) -> None:
    ops = world.group()
    await ops.ask("/link support:sms/85255501112")
    for _ in range(3):
        await world.support.receive_sms("85255501112", "85255509999", "again and again", record="sms-the-same")
    await world.sms("the next one", sender="85255501112")
    await ops.hears("the next one")
    assert sum("again and again" in text for text in ops.texts()) == 1


async def test_different_people_may_say_the_same_words(world: World) -> None:
    ops = world.group()
    await ops.ask("/route add support:* -> here name=same match=/^hi$/")
    await world.sms("hi", sender="85255501113")
    await world.sms("hi", sender="85255501114")
    await world.until(lambda: sum("hi" in text.split() for text in ops.texts()) == 2)
    await ops.ask("/route remove same")


async def test_a_reply_in_an_unlinked_chat_arrives_in_the_reply_room_with_bare_text(world: World) -> None:
    ops = world.group()
    await ops.ask("/route add support:sms/85255501115 -> here name=mirror")
    await world.sms("where are you?", sender="85255501115")
    mirrored = await ops.hears("where are you?")
    reply = ops.say("at the door", reply_to=mirrored["message_id"])
    await ops.marked(reply, SENT)
    assert world.pushed("room-43")[-1] == "at the door"


async def test_a_reply_in_a_linked_chat_is_relayed_with_the_name_of_its_author(world: World) -> None:
    ops = world.group()
    await ops.ask("/link support:sms/85255501116")
    await world.sms("hello?", sender="85255501116")
    mirrored = await ops.hears("hello?")
    reply = ops.say("we are open", reply_to=mirrored["message_id"], by=BO)
    await ops.marked(reply, SENT)
    assert world.pushed("room-43")[-1] == "> 85255501116: hello?\nBo: we are open"


async def test_without_a_reply_room_the_author_is_told_at_once_why_it_cannot_go(world: World) -> None:
    ops = world.group()
    await ops.ask("/route add plain:sms/85255501117 -> here name=oneway")
    await world.sms("can you answer?", sender="85255501117", account="plain")
    mirrored = await ops.hears("can you answer?")
    told = await ops.ask("no, I cannot", reply_to=mirrored["message_id"])
    assert "reply_room" in told
    row = await world.delivery("no, I cannot")
    assert row["state"] == "dead"
    assert f"{row['id']} → plain:sms/85255501117" in await ops.ask("/failed")
    shown = await ops.ask(f"/show {row['id']}")
    assert "no, I cannot" in shown
    assert "reply_room" in shown


async def test_a_reply_goes_back_after_a_restart(world: World) -> None:
    ops = world.group()
    await ops.ask("/route add support:sms/85255501118 -> here name=restarted")
    await world.sms("before the restart", sender="85255501118")
    mirrored = await ops.hears("before the restart")
    await world.restart()
    await ops.marked(ops.say("after the restart", reply_to=mirrored["message_id"]), SENT)
    assert world.pushed("room-43")[-1] == "after the restart"


async def test_a_reply_goes_back_after_kill_9(world: World) -> None:
    ops = world.group()
    await ops.ask("/route add support:sms/85255501119 -> here name=killed")
    await world.sms("before the kill", sender="85255501119")
    mirrored = await ops.hears("before the kill")
    await world.bot.kill()
    reply = ops.say("while it was dead", reply_to=mirrored["message_id"])
    await world.start()
    await ops.marked(reply, SENT)
    assert world.pushed("room-43")[-1] == "while it was dead"


async def test_somebody_without_a_role_is_told_that_replying_needs_one(world: World) -> None:
    ops = world.group()
    await ops.ask("/route add support:sms/85255501120 -> here name=norole")
    await world.sms("who answers?", sender="85255501120")
    mirrored = await ops.hears("who answers?")
    before = len(world.pushed())
    told = await ops.ask("me", by=DAN, reply_to=mirrored["message_id"])
    assert "operator" in told
    await world.settled()
    assert len(world.pushed()) == before


async def test_threads_hold_on_the_whole_way_there_and_back(world: World) -> None:
    """Echo takes and gives ids, so an answer hangs on the message that it answers, on either side."""
    ops = world.group()
    await ops.ask("/link club:lobby")
    first = await world.club.say("lobby", "Maria", "who is in?")
    mirrored = await ops.hears("who is in?")
    assert mirrored["text"] == "Maria: who is in?"
    answer = ops.say("I am", reply_to=mirrored["message_id"])
    await ops.marked(answer, SENT)
    there = world.club.accepted[-1]
    assert (there.text, there.reply_to) == ("Ann: I am", first)
    await world.club.say("lobby", "Maria", "great", reply_to=there.id)
    back = await ops.hears("great")
    assert back["reply_to_message"]["message_id"] == answer


async def test_one_slow_destination_does_not_delay_the_other(world: World) -> None:
    slow, quick = world.group("Slow"), world.group("Quick")
    faults = world.servers["plain"].faults
    faults.configure("slow", delay_s=1.5)
    before = len(world.pushed())
    waiting = slow.say("/send plain:room-42 takes its time")
    numbers = [quick.say(f"/send support:room-42 quick {n}") for n in range(20)]
    for number in numbers:
        await quick.marked(number, SENT)
    assert world.pushed()[before:] == [f"quick {n}" for n in range(20)]
    assert world.pushed(account="plain")[-1:] != ["takes its time"], "the slow one was to arrive last"
    faults.mode = "ok"
    await slow.marked(waiting, SENT)
    assert world.pushed(account="plain")[-1] == "takes its time"


async def test_one_slow_conversation_does_not_hold_up_the_others_of_its_account(world: World) -> None:
    ops = world.group()
    faults = world.servers["support"].faults
    faults.configure("slow", delay_s=1.5, remaining=1)
    first = ops.say("/send support:room-42 slow room")
    await world.until(lambda: faults.hits)
    second = ops.say("/send support:room-43 quick room")
    await ops.marked(second, SENT)
    await ops.marked(first, SENT)
    assert world.pushed()[-2:] == ["quick room", "slow room"]


async def test_a_burst_of_webhooks_is_relayed_whole_and_in_order(world: World) -> None:
    ops = world.group()
    await ops.ask("/link support:sms/85255501130")
    for n in range(60):
        await world.sms(f"burst {n}", sender="85255501130")
    await ops.hears("burst 59", within_s=30)
    heard = [text.rpartition(": ")[2] for text in ops.texts() if "burst" in text]
    assert heard == [f"burst {n}" for n in range(60)]


async def test_webhooks_that_come_at_once_are_all_relayed(world: World) -> None:
    ops = world.group()
    await ops.ask("/link support:sms/85255501131")
    statuses = await asyncio.gather(*(world.sms(f"crowd {n}", sender="85255501131") for n in range(40)))
    assert set(statuses) == {200}
    await world.until(lambda: sum("crowd" in text for text in ops.texts()) == 40)


async def test_a_reply_goes_once_to_where_it_answers_also_where_a_rule_goes_there_too(world: World) -> None:
    ops = world.group()
    for rule in ("club:cellar -> here", "here -> club:cellar", "here -> support:room-42"):
        assert "is set" in await ops.ask(f"/route add {rule}")
    world.club.conversations.append("cellar")
    await world.club.say("cellar", "Maria", "anybody down there?")
    asked = await ops.hears("anybody down there?")
    await ops.marked(ops.say("on my way down", reply_to=asked["message_id"]), SENT)
    await world.settled()
    assert [m.text for m in world.club.accepted if "on my way down" in m.text] == ["on my way down"]
    assert [text for text in world.pushed("room-42") if "on my way down" in text] == [
        "> Maria: anybody down there?\nAnn: on my way down"
    ]
