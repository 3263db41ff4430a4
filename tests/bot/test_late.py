"""What comes late: said so, held, let go of, or gathered."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot import late
from bot.late import Waited
from bot.store import Tx
from bot.text import measure
from bridges.api import Capabilities
from bridges.errors import Refused, Unavailable
from bridges.model import Attachment, Message, Span, SpanKind
from tests.bot.line import OWNER, ROOM, Line, line

HOUR_S = 3600.0


@pytest.fixture
async def it(tmp_path: Path) -> AsyncIterator[Line]:
    async with line(tmp_path) as made:
        yield made


# --- pure


@pytest.mark.parametrize(
    ("late_s", "words"),
    [
        (301, "late by 5 min"),
        (89 * 60, "late by 89 min"),
        (90 * 60, "late by 2 h"),
        (3 * HOUR_S + 60, "late by 3 h"),
        (47 * HOUR_S, "late by 47 h"),
        (72 * HOUR_S, "late by 3 days"),
    ],
)
def test_lateness_is_said_in_the_unit_that_fits(late_s: float, words: str) -> None:
    assert late.words(late_s) == words
    assert len(f"({late.words(late_s)}) ") <= late.STAMP_ROOM


@pytest.mark.parametrize(
    ("policy", "late_s", "verdict"),
    [
        ("", 9e9, "deliver"),
        ("stamp", 299, "deliver"),
        ("stamp", 301, "stamp"),
        ("hold", 299, "deliver"),
        ("hold", 301, "hold"),
        ("expire:2h", 7199, "deliver"),
        ("expire:2h", 7201, "expire"),
    ],
)
def test_a_policy_takes_effect_once_it_is_late_enough(policy: str, late_s: float, verdict: str) -> None:
    assert late.judge(policy, late_s=late_s) == verdict


def test_a_stamp_moves_what_is_formatted_along() -> None:
    message = Message(text="hello you", spans=(Span(kind=SpanKind.BOLD, start=6, length=3),))
    told = late.stamped(message, late_s=3 * HOUR_S, limit=100, unit="utf16")
    assert told.text == "(late by 3 h) hello you"
    (span,) = told.spans
    assert told.text[span.start : span.start + span.length] == "you"


def test_there_is_no_stamp_where_there_is_no_room() -> None:
    message = Message(text="x" * 95)
    assert late.stamped(message, late_s=3 * HOUR_S, limit=100, unit="utf16") == message


def test_a_digest_names_its_hours_and_how_many_it_holds() -> None:
    waited = [Waited(1_798_794_720.0 + n * 60, Message(text=f"Ann: {n}")) for n in range(3)]
    message, number = late.digest(waited, zone="Europe/London", limit=4096, unit="utf16")
    assert number == 3
    assert message.text == ("While I was away (09:12–09:14 Europe/London), 3 messages:\nAnn: 0\nAnn: 1\nAnn: 2")


def test_a_digest_over_midnight_names_its_days() -> None:
    waited = [Waited(1_798_794_720.0 + n * 86400, Message(text="x")) for n in range(2)]
    message, _ = late.digest(waited, zone="UTC", limit=4096, unit="utf16")
    assert "(Fri 2027-01-01 09:12 – Sat 2027-01-02 09:12 UTC), 2 messages" in message.text


@pytest.mark.parametrize("length", [1, 7, 100, 400, 2000])
@pytest.mark.parametrize("letter", ["a", "ß", "😀"])
def test_a_digest_never_exceeds_the_limit_and_keeps_order_and_formatting(length: int, letter: str) -> None:
    bold = (Span(kind=SpanKind.BOLD, start=0, length=1),)
    texts = [f"{n}{letter * length}" for n in range(60)]
    waited = [Waited(float(n), Message(text=text, spans=bold)) for n, text in enumerate(texts)]
    message, number = late.digest(waited, zone="UTC", limit=4096, unit="utf16")
    assert measure(message.text, unit="utf16") <= 4096
    assert message.text.split("\n")[1:] == texts[:number]
    assert [message.text[span.start : span.start + 1] for span in message.spans] == [t[0] for t in texts[:number]]


def test_where_not_even_two_fit_there_is_no_digest() -> None:
    waited = [Waited(0.0, Message(text="x" * 3000)), Waited(1.0, Message(text="y" * 3000))]
    assert late.digest(waited, zone="UTC", limit=4096, unit="utf16")[1] == 0


# --- what a route wants


async def test_a_late_message_says_so_where_its_route_wants_that(it: Line) -> None:
    await it.route(f"{ROOM} -> club:lobby late=stamp")
    await it.said(ROOM, "in time", id="m1")
    await it.said(ROOM, "hello", id="m2", late_s=3 * HOUR_S)
    await it.engine.start()
    await it.rests()
    assert it.club.texts == ["Pat: in time", "(late by 3 h) Pat: hello"]


async def test_what_is_tried_again_later_is_as_late_as_it_is_then(it: Line) -> None:
    await it.route(f"{ROOM} -> club:lobby late=stamp")
    it.club.error = Unavailable("away", retry_after=3000.0)
    await it.said(ROOM, "hello", late_s=HOUR_S)
    await it.engine.start()
    await it.rests()
    it.club.error = None
    await it.later(2 * HOUR_S)
    await it.rests()
    assert it.club.texts == ["(late by 3 h) Pat: hello"]


async def test_a_message_as_long_as_may_be_has_room_for_its_lateness(it: Line) -> None:
    await it.route(f"{ROOM} -> club:lobby late=stamp")
    await it.said(ROOM, "word " * 300, late_s=47 * HOUR_S)
    await it.engine.start()
    await it.rests()
    assert len(it.club.texts) > 1
    assert all(text.startswith("(late by 47 h) Pat: (") and len(text) <= 1000 for text in it.club.texts)


async def test_a_late_message_is_held_where_its_route_wants_that_and_asked_about(it: Line) -> None:
    await it.route(f"{ROOM} -> club:lobby late=hold")
    await it.said(ROOM, "hello", late_s=3 * HOUR_S)
    await it.engine.start()
    (row,) = await it.rests()
    assert (row.state, row.error, it.club.sent) == ("held", "late by 3 h", [])
    card = it.telegram.sent[0].message
    assert "late by 3 h" in card.text and "not sent" in card.text
    assert [button.label for button in card.buttons] == ["Send", "Drop"]


async def test_a_held_one_that_a_person_sends_goes_however_late_it_is(it: Line) -> None:
    await it.route(f"{ROOM} -> club:lobby late=hold")
    await it.said(ROOM, "hello", late_s=3 * HOUR_S)
    await it.engine.start()
    (row,) = await it.rests()
    await it.store.write(lambda tx: tx.outbox.requeue(row.id, now=it.clock(), expires_at=it.clock() + 99))
    (row,) = await it.rests()
    assert (row.state, it.club.texts) == ("sent", ["Pat: hello"])


async def test_what_may_have_arrived_is_asked_about_in_three_ways_also_where_late_ones_are_held(it: Line) -> None:
    await it.route(f"{ROOM} -> club:lobby late=hold")
    it.club.error = Unavailable("cut off", maybe_sent=True)
    await it.said(ROOM, "hello")
    await it.engine.start()
    (row,) = await it.rests()
    assert row.state == "held"
    assert [button.label for button in it.telegram.sent[0].message.buttons] == ["Send again", "It arrived", "Drop"]


async def test_a_message_expires_where_its_route_wants_that_and_its_author_hears_of_the_first(it: Line) -> None:
    await it.route(f"{ROOM} -> club:lobby late=expire:2h")
    await it.said(ROOM, "one", id="m1", late_s=3 * HOUR_S)
    await it.said(ROOM, "two", id="m2", late_s=3 * HOUR_S)
    await it.said(ROOM, "three", id="m3", late_s=HOUR_S)
    await it.engine.start()
    rows = await it.rests()
    assert [row.state for row in rows] == ["expired", "expired", "sent"]
    assert it.club.texts == ["Pat: three"]
    (told,) = it.room
    assert "it would come late by 3 h" in told and "expire after 2h" in told
    marks = await it.store.read(lambda tx: [mark.want for mark in tx.marks.due(now=it.clock(), limit=9)])
    assert marks == ["failed", "failed", "delivered"]


async def test_what_was_to_be_done_to_an_expired_one_is_not_done(tmp_path: Path) -> None:
    async with line(tmp_path, edits=True, reactions=True) as it:
        await it.route(f"{ROOM} <-> club:lobby late=expire:2h")
        await it.said(ROOM, "one", late_s=3 * HOUR_S)
        await it.store.write(lambda tx: it.edits(tx, ROOM, "other", id="m1"))
        await it.store.write(lambda tx: it.reacts(tx, ROOM, "👍", id="m1"))
        await it.engine.start()
        rows = await it.rests()
        assert [(row.op, row.state) for row in rows] == [
            ("send", "expired"),
            ("edit", "cancelled"),
            ("react", "cancelled"),
        ]
        assert it.club.sent == it.club.done == []


async def test_the_rest_of_a_message_that_has_begun_follows_however_late(it: Line) -> None:
    await it.route(f"{ROOM} -> club:lobby late=expire:2h")
    await it.said(ROOM, "word " * 300, late_s=HOUR_S)
    it.club.refuses["Pat: (2/2)"] = Unavailable("away", retry_after=3000.0)
    await it.engine.start()
    await it.rests()
    it.club.refuses.clear()
    await it.later(2 * HOUR_S)
    assert [row.state for row in await it.rests()] == ["sent", "sent"]


# --- digests


async def away(it: Line, number: int, *, late_s: float = 3 * HOUR_S, target: str = ROOM) -> None:
    """So many messages of the club's wait for a place."""
    await it.route(f"club:lobby -> {target}")

    def unit(tx: Tx) -> None:
        for n in range(number):
            it.says(tx, "club:lobby", f"text {n}", id=f"m{n}", late_s=late_s - n)

    await it.store.write(unit)


async def test_after_an_outage_more_than_a_screenful_comes_as_a_digest(it: Line) -> None:
    await away(it, 57)
    await it.engine.start()
    rows = await it.rests()
    (digest,) = it.room
    heading, *lines = digest.split("\n")
    assert heading == "While I was away (05:00–05:00 Europe/London), 57 messages:"
    assert lines == [f"Pat: text {n}" for n in range(57)]
    assert {row.state for row in rows} == {"sent"}


async def test_a_digest_that_is_too_long_for_one_message_goes_on_in_another(it: Line) -> None:
    await it.route(f"club:lobby -> {ROOM}")
    for n in range(60):
        await it.said("club:lobby", f"{n} " + "x" * 120, id=f"m{n}", late_s=HOUR_S)
    await it.engine.start()
    rows = await it.rests()
    assert len(it.room) < 60
    assert all(len(text) <= 4096 for text in it.room)
    numbers = [line.split()[1] for text in it.room for line in text.split("\n") if line.startswith("Pat: ")]
    assert numbers == [str(n) for n in range(60)]
    assert {row.state for row in rows} == {"sent"}


@pytest.mark.parametrize(("number", "late_s"), [(20, 3 * HOUR_S), (40, 500.0), (40, 0.0)])
async def test_few_messages_or_a_quick_burst_go_one_by_one(it: Line, number: int, late_s: float) -> None:
    await away(it, number, late_s=late_s)
    await it.engine.start()
    await it.rests()
    assert it.room == [f"Pat: text {n}" for n in range(number)]


async def test_providers_get_no_digest(it: Line) -> None:
    await away(it, 30, target="desk:lobby")
    await it.engine.start()
    await it.rests()
    assert it.desk.texts == [f"Pat: text {n}" for n in range(30)]


async def test_a_file_stands_by_itself_between_the_digests(it: Line) -> None:
    await it.route(f"club:lobby -> {ROOM}")
    picture = Message(text="look", attachments=(Attachment(kind="image", ref="r", name="cat.png"),))

    def unit(tx: Tx) -> None:
        for n in range(51):
            message = picture if n == 25 else None
            it.says(tx, "club:lobby", f"text {n}", id=f"m{n}", late_s=HOUR_S, message=message)

    it.telegram.capabilities = Capabilities(text_limit=4096, text_unit="utf16", attachments="url", receipt_ids=True)
    await it.store.write(unit)
    await it.engine.start()
    await it.rests()
    assert [text.count("text ") for text in it.room] == [25, 0, 25]


async def test_a_digest_that_is_refused_is_taken_apart(it: Line) -> None:
    await away(it, 25)
    it.telegram.refuses["While I was away"] = Refused("can't parse entities")
    await it.engine.start()
    rows = await it.rests()
    assert it.room == [f"Pat: text {n}" for n in range(25)]
    assert {row.state for row in rows} == {"sent"}


async def test_a_reply_in_a_digest_quotes_what_it_answers(it: Line) -> None:
    await away(it, 25)
    await it.store.write(
        lambda tx: it.says(
            tx, "club:lobby", "", id="r", late_s=HOUR_S, name="Bo", message=Message(text="yes", reply_to="m3")
        )
    )
    await it.engine.start()
    await it.rests()
    (digest,) = it.room
    assert digest.endswith("\n> Pat: text 3\nBo: yes")


async def test_a_message_in_a_digest_is_never_changed_for_the_others_sake_but_told(it: Line) -> None:
    await away(it, 25)
    await it.engine.start()
    await it.rests()
    await it.store.write(lambda tx: it.edits(tx, "club:lobby", "other words", id="m0"))
    await it.rests()
    assert it.room[1] == "✏️ Pat edited “text 0”:\nother words"
    assert it.telegram.done == []


async def test_a_reply_to_a_digest_goes_to_where_its_first_message_came_from(it: Line) -> None:
    await away(it, 25)
    await it.engine.start()
    await it.rests()
    found = await it.store.read(lambda tx: tx.messages.find("telegram", "t1"))
    assert found is not None and found.remote_id == "m0"


async def test_a_digest_whose_end_is_not_known_is_sent_again_as_a_whole(it: Line) -> None:
    await away(it, 25)
    it.telegram.refuses["While I was away"] = Unavailable("cut off", maybe_sent=True)
    await it.engine.start()
    await it.rests()
    it.telegram.refuses.clear()
    await it.later(60)
    rows = await it.rests()
    assert len(it.room) == 1
    assert {row.state for row in rows} == {"sent"}


async def test_the_bots_own_words_are_in_no_digest(it: Line) -> None:
    def unit(tx: Tx) -> None:
        for n in range(30):
            it.relay.tell_owners(tx, f"notice {n}", now=it.clock() - HOUR_S)

    await it.store.write(unit)
    await it.engine.start()
    await it.rests()
    assert it.owner_hears == [f"notice {n}" for n in range(30)]
    assert {out.conversation for out in it.telegram.sent} == {str(OWNER)}
