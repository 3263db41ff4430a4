"""What waits behind a message that is taken back, let go of, held or given up: nothing of it is published later."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot import decisions
from bot.addresses import parse_address
from bot.store import Tx
from bot.store.outbox import Delivery, Outcome
from bridges.errors import Refused, Unavailable
from bridges.model import Message, MessageId
from tests.bot.line import ROOM, Line, line
from tests.bot.test_changes import ABLE, LOBBY, deleted, edited, origin, reacted

HOUR_S = 3600.0
PLAIN = {"receipt_ids": False}


@pytest.fixture(params=["able", "plain"])
async def it(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Line]:
    """A room joined with a club, once with one that can do everything and once with one that can only be written to."""
    async with line(tmp_path, **(ABLE if request.param == "able" else PLAIN)) as made:
        await made.route(f"{ROOM} <-> {LOBBY}")
        yield made


@pytest.fixture
async def able(tmp_path: Path) -> AsyncIterator[Line]:
    """A room joined with a club that can do everything."""
    async with line(tmp_path, **ABLE) as made:
        await made.route(f"{ROOM} <-> {LOBBY}")
        yield made


async def undone(it: Line, id: str = "m1") -> tuple[list[str], list[str]]:
    """/undo: where that is under way, and the sentences."""
    message = await origin(it, id)
    done, cannot = await it.store.write(lambda tx: it.relay.changes.take_back(tx, message, now=it.clock()))
    return [str(address) for address in done], cannot


async def reworded(it: Line, text: str, id: str = "m1") -> tuple[list[str], list[str]]:
    """/edit: where that is under way, and the sentences."""
    message = await origin(it, id)
    done = await it.store.write(lambda tx: it.relay.changes.reword(tx, message, Message(text=text), now=it.clock()))
    assert done is not None
    return [str(address) for address in done[0]], done[1]


async def too_late(it: Line, policy: str) -> None:
    """The rule says what becomes of what comes late."""
    await it.store.write(lambda tx: tx.routes.remove(_rule(tx, "r")))
    await it.route(f"{ROOM} <-> {LOBBY} late={policy}")


def _rule(tx: Tx, name: str) -> int:
    row = tx.routes.find(name)
    assert row is not None
    return row.id


async def first(it: Line) -> Delivery:
    """The message's own delivery to the club."""
    return (await it.rows(LOBBY))[0]


async def ended(it: Line, state: str, *, begun: bool = True, reason: str = "because") -> None:
    """The attempt at the club's next delivery ends so, without anything being sent."""

    def unit(tx: Tx) -> None:
        (lease,) = tx.outbox.claim("club", owner="o", now=it.clock(), lease_s=60, limit=1)
        if begun:
            tx.outbox.begin(lease, now=it.clock())
        settling = it.engine._dispatchers["club"]._settling
        settling.settle_in(tx, lease, [Outcome(lease.rows[0].id, state, reason)], now=it.clock())  # type: ignore[arg-type]

    await it.store.write(unit)


async def again(it: Line) -> str:
    row = await first(it)
    return await it.store.write(lambda tx: decisions.retry(tx, row, now=it.clock()))


async def all_again(it: Line) -> int:
    return await it.store.write(
        lambda tx: len(decisions.retry_these(tx, tx.several.ids(states=("dead", "held")), now=it.clock()))
    )


async def comes(it: Line) -> list[str]:
    """All that is published at the club from now on."""
    await it.engine.start()
    await it.rests()
    return [*it.club.texts, *it.club.done]


# --- what was taken back, or let go of, before it left


@pytest.mark.parametrize("how", ["undo", "full stop", "discard", "redirect"])
async def test_what_was_stopped_before_it_left_is_not_published_by_what_waits_behind_it(it: Line, how: str) -> None:
    await it.said(ROOM, "the password is hunter2")
    await edited(it, "the password is hunter3")
    await reacted(it, "👍")
    row = await first(it)
    if how == "undo":
        assert await undone(it) == ([LOBBY], [])
    elif how == "full stop":
        await edited(it, ".")
    elif how == "discard":
        await it.store.write(lambda tx: decisions.discard(tx, row, now=it.clock()))
    else:
        away = parse_address("desk:lobby")
        await it.store.write(lambda tx: decisions.redirect(tx, row, away, now=it.clock()))
    assert await comes(it) == []
    if how == "redirect":
        assert it.desk.texts == ["Pat: the password is hunter3"]


async def test_what_expires_takes_what_waits_behind_it_along(it: Line) -> None:
    await too_late(it, "expire:1h")
    await it.said(ROOM, "hello")
    await edited(it, "other")
    await reacted(it, "👍")
    await it.later(2 * HOUR_S)
    assert await comes(it) == []
    assert (await first(it)).state == "expired"


async def test_an_edit_that_is_refused_is_not_said_of_what_a_person_let_go_of(able: Line) -> None:
    await able.said(ROOM, "hello")
    await ended(able, "held")
    await reacted(able, "👍")
    (row, note) = await able.rows(LOBBY)
    assert note.op == "note"
    await able.store.write(lambda tx: decisions.discard(tx, row, now=able.clock()))
    assert await comes(able) == []


async def test_an_edit_that_waits_is_not_made_before_the_message_is_deleted(able: Line) -> None:
    await able.said(ROOM, "hello")
    await able.engine.start()
    await able.rests()
    able.club.error = Unavailable("away", retry_after=60.0)
    await edited(able, "the password is hunter3")
    await able.rests()
    assert (await undone(able)) == ([LOBBY], [])
    able.club.error = None
    await able.later(60)
    await able.rests()
    assert able.club.done == ["delete c1"]


async def test_what_is_refused_after_it_was_taken_back_is_not_kept_to_be_sent_again(able: Line) -> None:
    await able.said(ROOM, "hello")

    def begin(tx: Tx) -> None:
        (lease,) = tx.outbox.claim("club", owner="o", now=able.clock(), lease_s=60, limit=1)
        tx.outbox.begin(lease, now=able.clock())
        assert able.edits(tx, ROOM, ".", id="m1") == "relayed"
        settling = able.engine._dispatchers["club"]._settling
        settling.settle_in(tx, lease, [Outcome(lease.rows[0].id, "dead", "no")], now=able.clock())

    await able.store.write(begin)
    assert [row.state for row in await able.rows(LOBBY)] == ["cancelled", "cancelled"]
    assert await all_again(able) == 0


# --- held: it may be there


async def test_undo_of_what_may_have_arrived_says_so_and_leaves_it_to_a_person(able: Line) -> None:
    await able.said(ROOM, "hello")
    await ended(able, "held")
    under_way, (sentence,) = await undone(able)
    assert under_way == []
    assert "it may have arrived there" in sentence and "please look" in sentence
    row = await first(able)
    assert row.state == "held"
    assert "taken back" in await again(able)
    assert (await first(able)).state == "cancelled"
    assert await comes(able) == []


@pytest.mark.parametrize("how", ["undo", "full stop"])
async def test_what_was_taken_back_and_did_arrive_owes_its_deletion(able: Line, how: str) -> None:
    await able.said(ROOM, "hello")
    await ended(able, "held")
    if how == "undo":
        await undone(able)
    else:
        await edited(able, ".")
    row = await first(able)

    def unit(tx: Tx) -> None:
        decisions.arrived(tx, row, now=able.clock())
        able.relay.changes.owed(tx, row, now=able.clock())

    await able.store.write(unit)
    assert await comes(able) == ["🗑 deleted “Pat: hello”"]


async def test_what_is_taken_back_while_it_is_under_way_and_held_then_owes_its_deletion_once(it: Line) -> None:
    await it.said(ROOM, "hello")
    await edited(it, "other")

    def unit(tx: Tx) -> None:
        (lease,) = tx.outbox.claim("club", owner="o", now=it.clock(), lease_s=60, limit=1)
        tx.outbox.begin(lease, now=it.clock())
        assert it.edits(tx, ROOM, ".", id="m1") == "relayed"
        settling = it.engine._dispatchers["club"]._settling
        settling.settle_in(tx, lease, [Outcome(lease.rows[0].id, "held", "cut off")], now=it.clock())

    await it.store.write(unit)
    assert await comes(it) == []
    row = await first(it)

    def arrived(tx: Tx) -> None:
        decisions.arrived(tx, row, now=it.clock())
        it.relay.changes.owed(tx, row, now=it.clock())

    await it.store.write(arrived)
    await it.rests()
    assert it.club.texts == ["🗑 deleted “Pat: hello”"]


async def test_an_edit_that_was_not_told_yet_is_not_told_of_what_was_deleted(tmp_path: Path) -> None:
    async with line(tmp_path, **PLAIN) as it:
        await it.route(f"{ROOM} <-> {LOBBY}")
        await it.said(ROOM, "hello")
        await it.engine.start()
        await it.rests()
        it.club.error = Unavailable("away", retry_after=60.0)
        await edited(it, "the password is hunter2")
        await it.rests()
        await edited(it, ".")
        it.club.error = None
        await it.later(60)
        await it.rests()
        assert it.club.texts == ["Pat: hello", "🗑 Pat deleted “Pat: hello”"]


@pytest.mark.parametrize("text", [".", "other"])
async def test_what_waits_for_a_person_is_not_sent_as_it_was_though_its_rule_does_not_work(it: Line, text: str) -> None:
    await it.said(ROOM, "hello")
    await ended(it, "dead")
    await it.store.write(lambda tx: tx.routes.enable(_rule(tx, "r"), enabled=False))
    assert await edited(it, text) == "relayed"
    await all_again(it)
    assert await comes(it) == ([] if text == "." else ["Pat: other"])


# --- what waits for a person has the newest content


@pytest.mark.parametrize("state", ["dead", "expired", "held"])
async def test_what_grows_while_it_waits_for_a_person_is_sent_whole(it: Line, state: str) -> None:
    await it.said(ROOM, "short")
    await ended(it, state)
    await edited(it, "word " * 450)
    assert {row.state for row in await it.rows(LOBBY)} == {state}
    if state == "dead":
        assert await all_again(it) == 3
    else:
        await again(it)
    assert [text[:12] for text in await comes(it)] == ["Pat: (1/3) w", "Pat: (2/3) w", "Pat: (3/3) w"]


async def test_what_shrinks_and_grows_while_it_waits_for_a_person_is_sent_whole(it: Line) -> None:
    await it.said(ROOM, "word " * 250)
    await ended(it, "dead")
    await ended(it, "dead")
    await edited(it, "short")
    await edited(it, "other " * 200)
    assert await all_again(it) == 2
    assert "".join(await comes(it)).count("other") == 200


async def test_the_parts_that_an_edit_added_go_where_their_message_goes(it: Line) -> None:
    await it.said(ROOM, "short")
    await ended(it, "dead")
    await edited(it, "word " * 250)
    row = await first(it)
    await it.store.write(lambda tx: decisions.discard(tx, row, now=it.clock()))
    assert await all_again(it) == 0
    assert await comes(it) == []


async def test_what_an_edit_added_is_let_go_of_and_goes_elsewhere_with_its_message(it: Line) -> None:
    for id in ("m1", "m2"):
        await it.said(ROOM, f"short {id}", id=id)
        await edited(it, f"{id} " * 450, id=id)
    one, *others = await it.rows(LOBBY)
    two = next(row for row in others if row.op == "send" and decisions.text_of(row) == "Pat: short m2")
    away = parse_address("desk:lobby")
    await it.store.write(lambda tx: decisions.discard(tx, one, now=it.clock()))
    await it.store.write(lambda tx: decisions.redirect(tx, two, away, now=it.clock()))
    assert await comes(it) == []
    assert "".join(it.desk.texts).count("m2") == 450


@pytest.mark.parametrize("more", ["other", "other " * 250])
async def test_what_is_refused_while_an_edit_waits_is_kept_with_the_new_words(it: Line, more: str) -> None:
    await it.said(ROOM, "hello")
    it.club.refuses["Pat: hello"] = Refused("no")
    await edited(it, "one")
    await edited(it, more)
    assert await comes(it) == []
    await all_again(it)
    await it.rests()
    published = [*it.club.texts, *it.club.done]
    assert sum(text.count("other") for text in published) == more.count("other")
    assert not any("hello" in text or "one" in text for text in published)


async def test_an_expired_one_that_was_edited_goes_out_with_its_new_words(it: Line) -> None:
    await it.said(ROOM, "hello")
    await ended(it, "expired")
    await edited(it, "other")
    await again(it)
    assert await comes(it) == ["Pat: other"]


async def test_what_is_held_for_being_late_lets_nothing_of_it_out(it: Line) -> None:
    await too_late(it, "hold")
    await it.said(ROOM, "the secret")
    await edited(it, "the other secret")
    await reacted(it, "👍")
    await it.later(3 * HOUR_S)
    assert await comes(it) == []
    await reacted(it, "❤")
    await it.rests()
    row = await first(it)
    assert (row.state, decisions.text_of(row)) == ("held", "Pat: the other secret")
    await again(it)
    await it.rests()
    assert it.club.texts == ["Pat: the other secret"]


async def test_what_is_held_for_being_late_keeps_the_parts_that_an_edit_adds(it: Line) -> None:
    await too_late(it, "hold")
    await it.said(ROOM, "short")
    await edited(it, "word " * 250)
    await it.later(3 * HOUR_S)
    assert await comes(it) == []
    await all_again(it)
    await it.rests()
    assert "".join(it.club.texts).count("word") == 250


# --- edits


async def test_an_edit_of_an_answer_keeps_what_it_quotes(it: Line) -> None:
    await it.said(ROOM, "before", id="m1", name="Bo")
    answer = Message(text="an answr", reply_to=MessageId("m1"))
    await it.store.write(lambda tx: it.says(tx, ROOM, "", id="m2", name="Cara", message=answer))
    await ended(it, "dead")
    await ended(it, "dead")
    await it.store.write(lambda tx: it.edits(tx, ROOM, "an answer", id="m2", name="Cara"))
    await it.store.write(lambda tx: it.edits(tx, ROOM, "> an answer", id="m2", name="Cara"))
    await all_again(it)
    assert await comes(it) == ["Bo: before", "> Bo: before\nCara: > an answer"]


async def test_an_edit_of_an_answer_over_there_keeps_what_it_quotes(able: Line) -> None:
    await able.said(ROOM, "before", id="m1", name="Bo")
    answer = Message(text="an answr", reply_to=MessageId("m1"))
    await able.store.write(lambda tx: able.says(tx, ROOM, "", id="m2", name="Cara", message=answer))
    await able.engine.start()
    await able.rests()
    await able.store.write(lambda tx: able.edits(tx, ROOM, "an answer", id="m2", name="Cara"))
    await able.rests()
    assert able.club.done == ["edit c2: > Bo: before\nCara: an answer"]


async def test_a_command_gives_other_words_as_the_rule_that_took_the_message_shows_them(tmp_path: Path) -> None:
    async with line(tmp_path, **ABLE) as it:
        await it.route(f'{ROOM} -> {LOBBY} match=/hello/ template="<{{sender}}> {{text}}"')
        await it.said(ROOM, "hello")
        await it.engine.start()
        await it.rests()
        await reworded(it, "one")
        await reworded(it, "two")
        await it.rests()
        assert it.club.done == ["edit c1: <Pat> one", "edit c1: <Pat> two"]


async def test_what_could_be_taken_back_in_one_place_only_is_edited_where_it_still_stands(tmp_path: Path) -> None:
    async with line(tmp_path, **ABLE) as it:
        await it.route(f"{ROOM} -> {LOBBY}", name="a")
        await it.route(f"{ROOM} -> desk:lobby", name="b")
        await it.said(ROOM, "hello")
        await it.engine.start()
        await it.rests()
        assert (await undone(it))[0] == [LOBBY]
        await it.rests()
        under_way, told = await reworded(it, "other")
        assert (under_way, len(told)) == ([], 1)
        await edited(it, "third")
        await it.rests()
        assert it.club.done == ["delete c1"]
        assert it.desk.texts[1:] == ["✏️ Pat edited “hello”:\nother", "✏️ Pat edited “other”:\nthird"]


async def test_another_rule_to_the_same_place_carries_on_where_the_first_does_not_work_any_more(
    tmp_path: Path,
) -> None:
    async with line(tmp_path, **ABLE) as it:
        await it.route(f"{ROOM} -> {LOBBY}", name="a")
        await it.route(f"{ROOM} -> {LOBBY}", name="b")
        await it.said(ROOM, "hello")
        await it.engine.start()
        await it.rests()
        await it.store.write(lambda tx: tx.routes.enable(_rule(tx, "a"), enabled=False))
        assert await edited(it, "other") == "relayed"
        await it.rests()
        assert it.club.done == ["edit c1: Pat: other"]


async def test_a_deletion_over_there_stops_what_waits_behind_the_message(able: Line) -> None:
    await able.said(LOBBY, "hello", id="x1")
    await able.store.write(lambda tx: able.edits(tx, LOBBY, "other", id="x1"))
    assert await deleted(able, place=LOBBY, id="x1") == "relayed"
    await able.engine.start()
    await able.rests()
    assert (able.room, able.telegram.done) == ([], [])
