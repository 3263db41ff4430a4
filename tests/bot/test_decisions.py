"""What a person decides about a delivery: sent again, elsewhere, or let go of."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot import decisions
from bot.addresses import parse_address
from bot.store import Tx
from bot.store.outbox import Delivery, Outcome
from bridges.errors import Refused, Unavailable
from bridges.model import Message, Person, PersonId
from tests.bot.line import ROOM, Line, line

ABLE = {"edits": True, "deletes": True, "reactions": True, "replies": True}
LOBBY, BAR = "club:lobby", "club:bar"
HOUR_S = 3600.0


@pytest.fixture
async def it(tmp_path: Path) -> AsyncIterator[Line]:
    async with line(tmp_path, **ABLE) as made:
        yield made


async def redirected(it: Line, row: Delivery, target: str = BAR) -> Delivery:
    """What goes there in its place."""
    address = parse_address(target)
    await it.store.write(lambda tx: decisions.redirect(tx, row, address, now=it.clock()))
    return (await it.rows(target))[-1]


async def died(it: Line, row: Delivery, *, state: str = "dead") -> None:
    def unit(tx: Tx) -> None:
        (lease,) = tx.outbox.claim(row.account, owner="o", now=it.clock(), lease_s=60, limit=1)
        tx.outbox.begin(lease, now=it.clock())
        tx.outbox.settle(lease, [Outcome(row.id, state, "because")], now=it.clock())  # type: ignore[arg-type]

    await it.store.write(unit)


# --- elsewhere


@pytest.mark.parametrize(("op", "does"), [("edit", "changes"), ("delete", "takes back"), ("react", "reacts to")])
async def test_a_change_is_not_redirected_for_what_it_changes_stands_nowhere_else(it: Line, op: str, does: str) -> None:
    await it.route(f"{ROOM} <-> {LOBBY}")
    await it.said(ROOM, "hello")
    (sent,) = await it.rows()
    await it.store.write(
        lambda tx: tx.db.execute("UPDATE outbox SET op = ?, subject = message WHERE id = ?", (op, sent.id))
    )
    (row,) = await it.rows()
    with pytest.raises(decisions.DecisionError, match=f"{does} a message at club:lobby, which can be done nowhere"):
        await redirected(it, row)
    assert [(each.address, each.state) for each in await it.rows()] == [(LOBBY, "queued")]


async def test_what_opens_a_topic_is_not_redirected(it: Line) -> None:
    await it.route(f"{LOBBY} -> {ROOM}")
    await it.said(LOBBY, "hello")
    (sent,) = await it.rows()
    await it.store.write(lambda tx: tx.db.execute("UPDATE outbox SET op = 'open' WHERE id = ?", (sent.id,)))
    (row,) = await it.rows()
    with pytest.raises(decisions.DecisionError, match="opens the topic"):
        await redirected(it, row)


async def test_a_note_that_is_redirected_stays_a_note(tmp_path: Path) -> None:
    async with line(tmp_path, receipt_ids=False) as it:
        await it.route(f"{ROOM} -> {LOBBY}")
        await it.said(ROOM, "hello")
        await died(it, (await it.rows())[0], state="sent")
        await it.store.write(lambda tx: it.edits(tx, ROOM, "hello you", id="m1"))
        *_, note = await it.rows(LOBBY)
        new = await redirected(it, note)
        assert (new.op, new.subject, new.reply_to, new.part) == ("note", note.subject, note.reply_to, 0)


async def test_an_edit_of_a_redirected_message_goes_along_and_keeps_its_author(it: Line) -> None:
    await it.route(f'{ROOM} -> {LOBBY} template="<{{sender}}> {{text}}"')
    await it.said(ROOM, "hi")
    (row,) = await it.rows()
    new = await redirected(it, row)
    assert new.why == f"route r, redirected from delivery {row.id}"
    await it.engine.start()
    await it.rests()
    await it.store.write(lambda tx: it.edits(tx, ROOM, "hi edited", id="m1"))
    await it.rests()
    assert (it.club.texts, it.club.done) == (["<Pat> hi"], ["edit c1: <Pat> hi edited"])


async def test_a_command_that_rewords_a_redirected_message_keeps_its_author(it: Line) -> None:
    await it.route(f'{ROOM} -> {LOBBY} template="<{{sender}}> {{text}}"')
    await it.said(ROOM, "hi")
    await redirected(it, (await it.rows())[0])
    await it.engine.start()
    await it.rests()

    def unit(tx: Tx) -> None:
        origin = tx.messages.find("telegram", "m1")
        assert origin is not None
        it.relay.changes.reword(tx, origin, Message(text="other"), now=it.clock())

    await it.store.write(unit)
    await it.rests()
    assert it.club.done == ["edit c1: <Pat> other"]


async def test_what_a_rule_does_not_carry_is_not_carried_from_a_redirected_message_either(it: Line) -> None:
    await it.route(f"{ROOM} -> {LOBBY} kinds=text")
    await it.said(ROOM, "hi")
    await redirected(it, (await it.rows())[0])
    assert await it.store.write(lambda tx: it.edits(tx, ROOM, "other", id="m1")) == "filtered"


async def test_an_answer_that_is_redirected_to_where_its_question_is_not_quotes_it(it: Line) -> None:
    await it.route(f"{ROOM} <-> {LOBBY}")
    await it.said(LOBBY, "what time?", id="q1", name="Ann")
    await it.said(ROOM, "at nine", id="m2")

    def answers(tx: Tx) -> None:
        question = tx.messages.find("club", "q1")
        assert question is not None
        row = tx.outbox.list(account="club")[0]
        tx.db.execute("UPDATE outbox SET reply_to = ? WHERE id = ?", (question.id, row.id))

    await it.store.write(answers)
    (row,) = await it.rows(LOBBY)
    new = await redirected(it, row)
    assert new.reply_to == row.reply_to
    assert "what time?" in decisions.text_of(new) and decisions.text_of(new).endswith("Pat: at nine")


async def test_a_part_that_is_redirected_stays_as_long_as_it_is(it: Line) -> None:
    await it.route(f"{ROOM} <-> {LOBBY}")
    await it.said(LOBBY, "what time?", id="q1", name="Ann")
    await it.said(ROOM, "word " * 300, id="m2")
    await it.store.write(lambda tx: tx.db.execute("UPDATE outbox SET reply_to = 1 WHERE account = 'club' AND part = 1"))
    row = (await it.rows(LOBBY))[0]
    await redirected(it, row)
    assert decisions.text_of((await it.rows(BAR))[0]) == decisions.text_of(row)


@pytest.mark.parametrize(
    ("late", "state", "kept"),
    [
        ("stamp", "queued", "stamp"),
        ("stamp", "dead", "stamp"),
        ("expire:2h", "queued", "expire:2h"),
        ("expire:2h", "dead", ""),
        ("hold", "held", ""),
    ],
)
async def test_a_redirected_message_is_as_late_as_its_route_lets_it_be(
    it: Line, late: str, state: str, kept: str
) -> None:
    await it.route(f"{ROOM} -> {LOBBY} late={late}")
    await it.said(ROOM, "hello")
    (row,) = await it.rows()
    if state != "queued":
        await died(it, row, state=state)
        (row,) = await it.rows()
    assert (await redirected(it, row)).late == kept


async def test_a_stamp_is_not_put_on_twice_where_a_late_message_is_redirected(it: Line) -> None:
    await it.route(f"{ROOM} -> {LOBBY} late=stamp")
    it.club.refuses["(late by"] = Refused("no")
    await it.said(ROOM, "hello", late_s=3 * HOUR_S)
    await it.engine.start()
    (row,) = await it.rests()
    it.club.refuses.clear()
    await redirected(it, row)
    await it.rests()
    assert it.club.texts == ["(late by 3 h) Pat: hello"]


# --- the parts of one message


async def test_a_late_message_of_several_parts_is_asked_about_once_and_sent_as_a_whole(it: Line) -> None:
    await it.route(f"{ROOM} -> {LOBBY} late=hold")
    await it.said(ROOM, "word " * 500, late_s=3 * HOUR_S)
    await it.engine.start()
    rows = await it.rests()
    assert [row.state for row in rows] == ["held"] * 3
    (card,) = it.telegram.sent
    assert f"Delivery {rows[0].id} to {LOBBY} in 3 parts is held" in card.message.text
    said = await it.store.write(lambda tx: decisions.retry(tx, rows[1], now=it.clock()))
    assert said == f"Delivery {rows[1].id} to {LOBBY} with its 3 parts is sent again."
    assert [row.state for row in await it.rests()] == ["sent"] * 3
    assert [text[:11] for text in it.club.texts] == ["Pat: (1/3) ", "Pat: (2/3) ", "Pat: (3/3) "]


async def test_a_late_message_of_several_parts_is_dropped_and_redirected_as_a_whole(it: Line) -> None:
    await it.route(f"{ROOM} -> {LOBBY} late=hold")
    for id in ("m1", "m2"):
        await it.said(ROOM, "word " * 500, id=id, late_s=3 * HOUR_S)
    await it.engine.start()
    rows = await it.rests()
    await it.store.write(lambda tx: decisions.discard(tx, rows[1], now=it.clock()))
    await redirected(it, rows[4])
    await it.rests()
    assert [row.state for row in await it.rows(LOBBY)] == ["discarded"] * 6
    assert [row.state for row in await it.rows(BAR)] == ["sent"] * 3


async def test_a_part_whose_end_is_not_known_is_decided_by_itself(it: Line) -> None:
    await it.route(f"{ROOM} -> {LOBBY} late=hold")
    it.club.refuses["Pat: (1/2)"] = Unavailable("cut off", maybe_sent=True)
    await it.said(ROOM, "word " * 300)
    await it.engine.start()
    one, two = await it.rests()
    assert (one.state, two.state) == ("held", "sent")
    assert await it.store.read(lambda tx: decisions.together(tx, one)) == [one]


# --- what may have arrived, and was changed meanwhile


async def test_the_note_about_what_arrived_with_other_words_quotes_these(it: Line) -> None:
    await it.route(f"{ROOM} -> {LOBBY}")
    await it.said(ROOM, "first words")
    await died(it, (await it.rows())[0], state="held")
    for words in ("second words", "third words"):
        await it.store.write(lambda tx, words=words: it.edits(tx, ROOM, words, id="m1"))
    (row,) = await it.rows(LOBBY)

    def unit(tx: Tx) -> None:
        decisions.arrived(tx, row, now=it.clock())
        it.relay.changes.owed(tx, row, now=it.clock())

    await it.store.write(unit)
    await it.engine.start()
    await it.rests()
    assert it.club.texts == ["✏️ edited “Pat: first words”:\nPat: third words"]


# --- the mark of what was changed


async def test_a_message_that_an_edit_made_shorter_is_delivered_and_not_taken_back(it: Line) -> None:
    await it.route(f"{ROOM} -> {LOBBY}")
    await it.said(ROOM, "word " * 300)
    await it.store.write(lambda tx: tx.db.execute("UPDATE outbox SET marked = 1"))
    await it.engine.start()
    await it.rests()
    await it.store.write(lambda tx: it.edits(tx, ROOM, "short", id="m1"))
    rows = await it.rests()
    assert [(row.op, row.state) for row in rows][2:] == [("edit", "sent"), ("delete", "sent")]
    mark = await it.store.read(lambda tx: tx.marks.get(1))
    assert mark is not None and mark.want == "delivered"


# --- where a change is not possible


async def test_a_command_says_where_a_message_never_arrived(it: Line) -> None:
    await it.route(f"{ROOM} -> {LOBBY}")
    await it.said(ROOM, "hello")
    await died(it, (await it.rows())[0])
    bo = Person(id=PersonId("bo"), name="Bo")

    def unit(tx: Tx) -> list[str]:
        origin = tx.messages.find("telegram", "m1")
        assert origin is not None
        at = parse_address(ROOM)
        return list(it.relay.changes.put_reaction(tx, origin, bo, "👍", at=at, now=it.clock())[1])

    assert await it.store.write(unit) == [f"{LOBBY}: it never arrived there"]
