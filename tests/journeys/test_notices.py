"""What else CINNOX tells: notices in a chat, receipts that are counted, and rooms to send to."""

from __future__ import annotations

import pytest

from tests.journeys.world import SENT, SUPPORT, World

pytestmark = pytest.mark.asyncio(loop_scope="package")

CHANGES = {"accounts.support": {"events": ["inbound-sms", "enquiry", "outbound-sms", "staff-contact"]}}


async def test_an_enquiry_is_told_in_the_chat_once_and_cannot_be_answered_there(world: World) -> None:
    done = await world.patchbay("subscribe", SUPPORT)
    assert done.code == 0, done.err
    assert set(world.support.subscriptions) == {"inbound-sms", "enquiry", "outbound-sms", "staff-contact"}
    chat = world.group()
    await chat.ask("/route add support:notices ->> here name=notices")
    for _ in range(2):
        assert await world.support.happen("enquiry", "Opened", displayCaseNumber="C-123", date="2026-01-02") == 200
    told = await chat.hears("C-123")
    assert "opened" in told["text"].lower()
    assert await world.support.happen("staff-contact", "staffEdit", fullName="Cleo Chan") == 200
    await chat.hears("Cleo Chan")
    assert len([text for text in chat.texts() if "C-123" in text]) == 1
    refused = chat.say("thanks", reply_to=told["message_id"])
    assert "read only" in await chat.answer(refused)
    await chat.ask("/route remove notices")


async def test_a_receipt_of_an_sms_that_is_not_ours_is_counted_and_told_to_nobody(world: World) -> None:
    await world.patchbay("subscribe", SUPPORT)
    before = (await world.read("stats"))["inbound"]
    assert await world.support.happen("outbound-sms", "Undelivered", TransactionID="t-1") == 200
    after = (await world.read("stats"))["inbound"]
    assert after["unsupported"] == before["unsupported"] + 1
    assert after["unrouted"] == before["unrouted"]


async def test_the_room_of_an_open_enquiry_is_listed_and_can_be_sent_to(world: World) -> None:
    chat = world.group()
    listed = await chat.ask("/channels support")
    room = next(word for word in listed.split() if word.startswith("support:room"))
    await chat.marked(chat.say(f"/send {room} hello"), SENT)
    assert world.pushed(room.partition(":")[2])[-1] == "hello"


async def test_staff_is_looked_up_for_sender_eid(world: World) -> None:
    done = await world.patchbay("account", SUPPORT, "staff")
    assert done.code == 0, done.err
    assert world.support.staff[0].eid in done.out
