"""Which state a message shows for all its deliveries, and what owners hear of those that are given up."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.decisions import mark_for
from bot.feedback import INCIDENT_S
from bot.marks import EMOJI, LINES
from bot.store.outbox import STATES
from bridges.errors import Refused, Unavailable
from bridges.model import Message
from tests.bot.line import OWNER, ROOM, Line, line


@pytest.mark.parametrize(
    ("states", "mark"),
    [
        (["sent"], "delivered"),
        (["sent", "sent"], "delivered"),
        (["sent", "queued"], "accepted"),
        (["sending"], "accepted"),
        (["sent", "held", "queued"], "unknown"),
        (["sent", "held", "dead"], "failed"),
        (["expired", "sent"], "failed"),
        (["discarded"], "dropped"),
        (["discarded", "sent"], "delivered"),
        (["cancelled", "discarded"], "dropped"),
    ],
)
def test_the_mark_is_the_state_that_most_needs_a_persons_eye(states: list[str], mark: str) -> None:
    assert mark_for(states) == mark


def test_every_combination_of_states_has_a_mark_that_can_be_shown() -> None:
    for states in itertools.combinations(STATES, 2):
        assert mark_for(states) in EMOJI
    assert EMOJI.keys() == LINES.keys()


# --- incidents


@pytest.fixture
async def it(tmp_path: Path) -> AsyncIterator[Line]:
    async with line(tmp_path) as made:
        await made.route(f"{ROOM} -> club:lobby", name="lobby")
        await made.route(f"{ROOM} -> club:bar", name="bar")
        await made.engine.start()
        yield made


def alerts(it: Line) -> list[Message]:
    return [out.message for out in it.telegram.sent if out.conversation == str(OWNER)]


async def test_the_first_that_is_given_up_alerts_the_owners_with_buttons_and_those_that_follow_do_not(it: Line) -> None:
    it.club.error = Refused("closed for today")
    await it.said(ROOM, "one", id="m1")
    await it.said(ROOM, "two", id="m2")
    await it.rests()
    (alert,) = alerts(it)
    assert "closed for today" in alert.text and ROOM in alert.text
    assert [button.label for button in alert.buttons] == ["Retry", "Show"]
    assert sum("Not sent to club:" in text for text in it.room) == 4


async def test_that_it_takes_messages_again_is_told_once_and_then_a_new_incident_alerts_anew(it: Line) -> None:
    it.club.error = Refused("closed for today")
    await it.said(ROOM, "one", id="m1")
    await it.rests()
    it.club.error = None
    await it.said(ROOM, "two", id="m2")
    await it.said(ROOM, "three", id="m3")
    await it.rests()
    it.club.error = Refused("closed again")
    await it.said(ROOM, "four", id="m4")
    await it.rests()
    first, back, second = (message.text for message in alerts(it))
    assert "closed for today" in first and "closed again" in second
    assert back.endswith("takes messages again.")


async def test_an_outage_and_a_refusal_are_two_incidents(it: Line) -> None:
    it.club.error = Refused("closed for today")
    await it.said(ROOM, "one", id="m1")
    await it.rests()
    it.club.error = Unavailable("away", retry_after=3600.0)
    await it.said(ROOM, "two", id="m2")
    await it.rests()
    await it.later(2 * 86400)
    await it.rests()
    texts = [message.text for message in alerts(it)]
    assert [("closed for today" in text, "given up after" in text) for text in texts if "brought" in text] == [
        (True, False),
        (False, True),
    ]


async def test_the_end_of_an_outage_is_told_once_also_where_messages_were_given_up(it: Line) -> None:
    it.club.error = Unavailable("away", retry_after=3600.0)
    await it.said(ROOM, "one", id="m1")
    await it.rests()
    await it.later(2 * 86400)
    await it.rests()
    it.club.error = None
    await it.said(ROOM, "two", id="m2")
    await it.rests()
    assert [message.text for message in alerts(it)][-1] == "club takes messages again."
    assert sum("again." in message.text and "takes" in message.text for message in alerts(it)) == 1


async def test_an_owner_who_wrote_it_hears_beside_the_message_and_not_a_second_time(it: Line) -> None:
    await it.route(f"telegram:{OWNER} -> club:lobby", name="own")
    it.club.error = Refused("closed for today")
    await it.said(f"telegram:{OWNER}", "one")
    await it.rests()
    (told,) = alerts(it)
    assert told.text.startswith("Not sent to club:lobby")


async def test_what_nobody_ended_in_a_day_is_another_incident(it: Line) -> None:
    it.club.error = Refused("closed for good")
    await it.said(ROOM, "one", id="m1")
    await it.rests()
    await it.later(INCIDENT_S + 1)
    await it.said(ROOM, "two", id="m2")
    await it.rests()
    assert len(alerts(it)) == 2


async def test_a_change_that_failed_is_not_called_unsent(tmp_path: Path) -> None:
    async with line(tmp_path, deletes=True, edits=True) as it:
        await it.route(f"{ROOM} -> club:lobby")
        await it.said(ROOM, "one")
        await it.engine.start()
        await it.rests()
        it.club.error = Unavailable("away", retry_after=3600.0)
        await it.store.write(lambda tx: it.edits(tx, ROOM, "two", id="m1"))
        await it.rests()
        await it.later(2 * 86400)
        await it.rests()
        assert it.room[-1].startswith("Not changed at club:lobby")
