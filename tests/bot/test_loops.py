"""Loops: what comes back through somebody else's bridge goes no further, and what people say always does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot import loops
from bot.addresses import parse_address
from bot.retention import WORDS_S, Retention
from bot.store import Tx
from bridges.errors import Unavailable
from bridges.model import Conversation, Message, MessageId, Person, PersonId, Received
from tests.bot.line import ROOM, Line, line


@pytest.fixture
async def it(tmp_path: Path) -> AsyncIterator[Line]:
    async with line(tmp_path) as made:
        await made.route(f"{ROOM} <-> club:lobby", name="club")
        await made.route(f"{ROOM} <-> desk:lobby", name="desk")
        yield made


@pytest.mark.parametrize(
    "text",
    [
        "Pat: hello there",
        "userA: Pat: hello there",
        "a: b: Pat: hello there",
        "<userA> Pat: hello there",
        "[irc] <userA> Pat: hello there",
        "userA: Pat:  hello \n there ",
        "userA: Pat: hello\u2060 there",
        "userA: (late by 3 h) Pat: hello there",
    ],
)
async def test_words_that_come_back_under_another_name_are_an_echo(it: Line, text: str) -> None:
    assert await it.said(ROOM, "hello there") == "relayed"
    before = await it.rows()
    assert await it.said("desk:lobby", text, id="m2", name="userA") == "echoes"
    assert await it.rows() == before
    kept = await it.store.read(lambda tx: tx.messages.find("desk", "m2"))
    assert kept is not None and "another bridge" in kept.why


@pytest.mark.parametrize("text", ["hello", "hello there", "Bo: hello there", "Pat: hello there!", "there", "", "Pat: "])
async def test_what_is_not_the_same_words_under_the_same_name_is_relayed(it: Line, text: str) -> None:
    await it.said(ROOM, "hello there")
    assert await it.said("desk:lobby", text or "hi", id="m2", name="Bo") == "relayed"


@pytest.mark.parametrize("text", ["> Pat: hello there", "seen this?\nPat: hello there", "look:\nPat: hello there"])
async def test_who_quotes_a_line_is_no_bridge(it: Line, text: str) -> None:
    await it.said(ROOM, "hello there")
    assert await it.said("desk:lobby", text, id="m2", name="Bo") == "relayed"


@pytest.mark.parametrize("text", ["Pat: hello there", "userA: Pat: hello there"])
async def test_who_forwards_a_line_to_people_elsewhere_is_no_bridge(it: Line, text: str) -> None:
    await it.route("desk:garden <-> telegram:-6", name="garden")
    await it.said(ROOM, "hello there")
    assert await it.said("desk:garden", text, id="m2", name="Bo") == "relayed"
    assert [row.address for row in await it.rows()][-1] == "telegram:-6"


async def test_who_cites_a_line_where_it_was_written_is_no_bridge(it: Line) -> None:
    await it.said("desk:lobby", "hello", name="Zoe")
    assert await it.said("desk:lobby", "Zoe: hello", id="m2", name="Yan") == "relayed"


async def test_what_another_bridge_brings_to_where_it_was_written_is_an_echo(it: Line) -> None:
    await it.route("desk:garden -> club:shed", name="garden")
    await it.said("desk:garden", "hello")
    assert await it.said("desk:garden", "userA: Pat: hello", id="m2", name="userA") == "echoes"


async def test_what_another_bridge_brings_to_a_place_that_is_joined_over_another_is_an_echo(it: Line) -> None:
    await it.route("club:lobby <-> desk:attic", name="attic")
    await it.said("desk:lobby", "hello")
    assert await it.said("desk:attic", "userA: Pat: hello", id="m2", name="userA") == "echoes"


async def test_equal_words_of_different_people_are_no_echo(it: Line) -> None:
    for n, name in enumerate(("Pat", "Bo", "Cara")):
        for place in (ROOM, "club:lobby", "desk:lobby"):
            assert await it.said(place, "hello", id=f"{place}{n}", name=name) == "relayed"


async def test_a_person_in_telegram_who_copies_by_hand_is_relayed(it: Line) -> None:
    await it.said("club:lobby", "hello")
    assert await it.said(ROOM, "Pat: hello", id="m2", name="Bo") == "relayed"


async def test_another_bot_in_telegram_that_brings_it_back_is_a_bridge(it: Line) -> None:
    await it.said("club:lobby", "hello")
    assert await it.store.write(lambda tx: comes(it, tx, ROOM, "Pat: hello", id="m2", kind="bot")) == "echoes"


async def test_after_two_minutes_it_is_news_again(it: Line) -> None:
    await it.said(ROOM, "hello")
    it.clock.at += loops.ECHO_S + 1
    assert await it.said("desk:lobby", "userA: Pat: hello", id="m2") == "relayed"


async def test_the_time_begins_when_it_arrives_over_there(it: Line) -> None:
    it.club.error = Unavailable("away", retry_after=600.0)
    await it.said(ROOM, "hello")
    await it.engine.start()
    await it.rests()
    it.club.error = None
    await it.later(600)
    await it.rests()
    await it.later(loops.ECHO_S - 1)
    assert await it.said("desk:lobby", "userA: Pat: hello", id="m2") == "echoes"


async def test_what_was_told_of_an_edit_comes_back_as_an_echo_too(it: Line) -> None:
    await it.said(ROOM, "hello")
    await it.store.write(lambda tx: it.edits(tx, ROOM, "hello you", id="m1"))
    assert await it.said("desk:lobby", "userA: ✏️ Pat edited “hello”:\nhello you", id="m2") == "echoes"


async def test_a_digest_that_comes_back_is_an_echo(it: Line) -> None:
    for n in range(25):
        await it.said("club:lobby", f"hello {n}", id=f"m{n}", late_s=3600.0)
    await it.engine.start()
    await it.rests()
    (digest,) = it.room
    assert await it.said("desk:lobby", f"userA: {digest}", id="x1", name="userA") == "echoes"


async def test_four_names_that_were_all_relayed_before_go_in_a_circle(it: Line) -> None:
    for n, name in enumerate(("Pat", "Bo", "Cara", "Dan")):
        await it.said(ROOM, f"hello {n}", id=f"m{n}", name=name)
    assert await it.said("desk:lobby", "Dan: Cara: Bo: news", id="x1") == "relayed"
    assert await it.said("desk:lobby", "Dan: Cara: Eve: Bo: Pat: news", id="x2") == "relayed"
    assert await it.said("desk:lobby", "Dan: Cara: Bo: Pat: news", id="x3") == "echoes"


def comes(it: Line, tx: Tx, place: str, text: str, *, id: str, kind: str) -> str:
    """A message by a person or a program."""
    address = parse_address(place)
    person = Person(id=PersonId("b"), name="Robot", kind=kind)  # type: ignore[arg-type]
    event = Received(
        key=id,
        at=datetime.fromtimestamp(it.clock(), UTC),
        conversation=Conversation(id=address.conversation),
        id=MessageId(id),
        message=Message(text=text, sender=person),
    )
    return it.relay.received(tx, address, event, now=it.clock())


async def test_programs_have_a_budget_and_the_owner_hears_once_that_it_is_spent(it: Line) -> None:
    await it.route(f"desk:robots -> {ROOM} from=Robot", name="robots")

    def unit(tx: Tx) -> list[str]:
        return [comes(it, tx, "desk:robots", f"beep {n}", id=f"b{n}", kind="bot") for n in range(30)]

    outcomes = await it.store.write(unit)
    assert outcomes == ["relayed"] * loops.BUDGET + ["filtered"] * 10
    kept = await it.store.read(lambda tx: tx.messages.find("desk", "b29"))
    assert kept is not None and kept.why == loops.SPENT
    await it.engine.start()
    await it.rests()
    assert sum("Programs talk too much" in text for text in it.owner_hears) == 1
    it.clock.at += loops.BUDGET_S + 1
    assert await it.store.write(lambda tx: comes(it, tx, "desk:robots", "beep", id="b99", kind="bot")) == "relayed"


async def test_people_have_no_budget(it: Line) -> None:
    def unit(tx: Tx) -> set[str]:
        return {comes(it, tx, "desk:lobby", f"talk {n}", id=f"p{n}", kind="member") for n in range(200)}

    assert await it.store.write(unit) == {"relayed"}


def test_a_budget_is_of_one_pair_of_places() -> None:
    budget = loops.Budget()
    assert [budget.takes("a", "b", now=0.0) for _ in range(loops.BUDGET + 1)] == [True] * loops.BUDGET + [False]
    assert budget.takes("a", "c", now=0.0)
    assert budget.takes("b", "a", now=0.0)
    assert not budget.takes("a", "b", now=loops.BUDGET_S - 1)
    assert budget.takes("a", "b", now=loops.BUDGET_S + 1)


def test_a_budget_fills_again_as_time_passes() -> None:
    budget = loops.Budget()
    assert all(budget.takes("a", "b", now=n * 3.1) for n in range(1000))


async def test_two_installations_that_see_no_mark_go_quiet_within_one_round(tmp_path: Path) -> None:
    """Both join the same two places; what one writes the other takes for a person's."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    async with line(tmp_path / "a") as one, line(tmp_path / "b") as two:
        for each in (one, two):
            await each.route("club:lobby <-> desk:lobby")
            await each.engine.start()
        await one.said("club:lobby", "hello", id="first")
        await two.said("club:lobby", "hello", id="first")
        rounds = 0
        seen = {(each, side): 0 for each in (0, 1) for side in ("club", "desk")}
        moved = True
        while moved and rounds < 20:
            moved, rounds = False, rounds + 1
            for index, (writer, reader) in enumerate(((one, two), (two, one))):
                await writer.rests()
                for side, bridge in (("club", writer.club), ("desk", writer.desk)):
                    for out in bridge.sent[seen[index, side] :]:
                        seen[index, side] += 1
                        moved = True
                        id = f"{index}-{side}-{seen[index, side]}"
                        await reader.said(f"{side}:lobby", out.message.text, id=id, name=f"bridge{index}")
        sent = [len(each.club.sent) + len(each.desk.sent) for each in (one, two)]
        assert sum(sent) <= 2
        assert rounds <= 2


async def test_words_are_forgotten_after_an_hour_and_never_kept_as_such(it: Line) -> None:
    await it.said(ROOM, "secret words")
    rows = await it.store.read(lambda tx: tx.db.execute("SELECT digest FROM relayed_words").fetchall())
    assert rows and not any("secret" in digest for (digest,) in rows)
    it.clock.at += WORDS_S + 1
    await Retention(store=it.store, keep_s=9e9, clock=it.clock).sweep()
    assert not await it.store.read(lambda tx: tx.db.execute("SELECT 1 FROM relayed_words").fetchone())
