"""/sms: which number, through which account."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.store import Tx
from bot.telegram.commands.registry import UsageError
from bot.telegram.commands.sms import read_number
from bridges.model import Conversation, ConversationId
from tests.bot.telegram.desk import BO, OPS, Desk, a_desk

READ = {
    "+15550100123 hi": ("15550100123", "hi"),
    "+1 (555) 010-0123 hi": ("15550100123", "hi"),
    "+1 555 010 0123 2 pizzas": ("15550100123", "2 pizzas"),
    '"+1 (555) 010-0123" 2 hi': ("15550100123", "2 hi"),
    "“+44 20 7946 0958” hi": ("442079460958", "hi"),
    "15550100123 42 apples": ("15550100123", "42 apples"),
    "00442079460958 hi": ("442079460958", "hi"),
    "\u202a+1 555-010-0123\u202c hi": ("15550100123", "hi"),
    "+15550100123\nline two\nand three": ("15550100123", "line two\nand three"),
    "+4420794\n2 pizzas": ("4420794", "2 pizzas"),
    '+85255501234 "quoted" words': ("85255501234", '"quoted" words'),
    "+85255501234 👩\u200d👩\u200d👧": ("85255501234", "👩\u200d👩\u200d👧"),
    "+85255501234": ("85255501234", ""),
}


@pytest.mark.parametrize("written", READ)
def test_numbers_are_read_as_people_write_them(written: str) -> None:
    assert read_number(written) == READ[written]


UNCLEAR = "it is not clear where the number "
WRONG = {
    "+44 20 7946 0958 hi": f"{UNCLEAR}“+44 20 7946 0958” ends: write it without blanks, as in"
    " /sms +442079460958 hello, or in quotes",
    "5550123 99 bottles": f"{UNCLEAR}“5550123 99” ends: write it without blanks, as in"
    " /sms +555012399 hello, or in quotes",
    "hello": "“hello” is not a phone number",
    "++1555": "“++1555” is not a phone number",
    "٣٤٥٦٧٨٩٠ hi": "“٣٤٥٦٧٨٩٠” is not a phone number",
    '"" hi': "“” is not a phone number",
    "123456 hi": "“123456” has too few digits for a phone number: with the country code it has 7 to 15",
    "1234567890123456 hi": "“1234567890123456” has too many digits for a phone number: with the country code it has"
    " 7 to 15",
}


@pytest.mark.parametrize("written", WRONG)
def test_what_is_no_number_is_said(written: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_number(written)
    assert str(caught.value) == WRONG[written]


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with a_desk(tmp_path, begins_sms=True) as made:
        await made.grant(BO, "operator")
        yield made


def both_can(desk: Desk) -> None:
    desk.line.desk.capabilities = replace(desk.line.desk.capabilities, begins_sms=True)


async def sent(desk: Desk) -> list[tuple[str, str]]:
    await desk.line.engine.start()
    return [(f"{row.address}", row.state) for row in await desk.line.rests()]


async def test_an_sms_goes_through_the_account_that_can(desk: Desk) -> None:
    assert await desk.write("/sms +1 (555) 010-0123 hello", by=BO) == []
    assert await sent(desk) == [("club:sms/15550100123", "sent")]
    assert desk.line.club.texts == ["hello"]


async def test_an_sms_sends_the_message_that_it_answers(desk: Desk) -> None:
    await desk.write("/sms 15550100123", by=BO, reply_to=desk.message("these words"))
    await sent(desk)
    assert desk.line.club.texts == ["these words"]


async def test_without_anything_to_say_the_text_is_asked_for(desk: Desk) -> None:
    answer = await desk.ask("/sms 15550100123", by=BO)
    assert answer.startswith("There is no text to send")
    assert answer.endswith("Example: /sms +85255501234 hello")


async def test_without_an_account_that_can_nothing_is_sent(desk: Desk) -> None:
    desk.line.club.capabilities = replace(desk.line.club.capabilities, begins_sms=False)
    assert await desk.ask("/sms 15550100123 hi", by=BO) == "No account here can begin an SMS."
    assert await desk.line.rows() == []


async def test_of_several_accounts_the_one_that_knows_the_number_is_taken(desk: Desk) -> None:
    both_can(desk)

    def known(tx: Tx) -> None:
        place = Conversation(id=ConversationId("sms/15550100123"))
        desk.line.relay.noticed(tx, "desk", place, at=1.0)

    await desk.line.store.write(known)
    assert await desk.write("/sms 15550100123 hi", by=BO) == []
    assert await sent(desk) == [("desk:sms/15550100123", "sent")]


async def test_of_several_accounts_that_could_one_is_asked_for(desk: Desk) -> None:
    both_can(desk)
    assert await desk.ask("/sms 15550100123 hi", by=BO) == (
        "Nothing was sent: 2 accounts can send an SMS. Which one?\n"
        "/send club:sms/15550100123 hi\n/send desk:sms/15550100123 hi"
    )
    assert await desk.line.rows() == []


async def test_a_role_of_one_chat_is_enough_for_an_sms_from_there(desk: Desk) -> None:
    await desk.grant(5, "operator", chat=OPS)
    assert await desk.write("/sms 15550100123 hi", by=5) == []
    assert await sent(desk) == [("club:sms/15550100123", "sent")]
