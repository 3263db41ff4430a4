"""Thousands of deliveries, targets and messages: the same answers as for a few, and the writer is soon free."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, cast

import pytest

from bot import broadcasts, changes, decisions
from bot.addresses import telegram_address
from bot.cards import deal
from bot.feedback import INCIDENT, RETRY, SHOW
from bot.store import Tx
from bot.store import search as searching
from bot.store.outbox import like
from bridges.model import Message, Person, PersonId
from tests.benchmarks.commands import announced, fill_dead
from tests.bot.telegram.desk import ANN, OPS, Answer, Desk, a_desk

ABLE = {"edits": True, "deletes": True, "reactions": True, "replies": True, "text_limit": 60}


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with a_desk(tmp_path, **ABLE) as made:
        yield made


@pytest.fixture
async def failed(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A desk with seven given up, where two are decided on at once."""
    monkeypatch.setattr(decisions, "AT_ONCE", 2)
    await desk.line.store.write(lambda tx: fill_dead(tx, desk, 7, causes=1))
    return desk


async def states(desk: Desk) -> list[str]:
    return [row.state for row in await desk.line.rows()]


def labels(answer: Answer | None) -> list[str]:
    assert answer is not None
    return [button.label for button in answer.buttons]


# --- some at a time


async def test_of_very_many_the_oldest_are_sent_again_and_the_others_are_counted(failed: Desk) -> None:
    said = [await failed.ask("/retry all") for _ in range(5)]
    assert said == [
        "2 deliveries are sent again; 5 more wait: write it once more.",
        "2 deliveries are sent again; 3 more wait: write it once more.",
        "2 deliveries are sent again; 1 more waits: write it once more.",
        "1 delivery is sent again.",
        "Nothing has failed or is held.",
    ]
    assert await states(failed) == ["queued"] * 7


async def test_a_button_for_a_cause_of_very_many_says_how_many_it_is_about(failed: Desk) -> None:
    (listed,) = await failed.write("/failed")
    assert labels(listed) == ["Retry 2 of these 7", "Discard 2 of these 7"]
    pressed = await failed.press(listed, "Retry 2 of these 7")
    assert pressed.toast == "2 deliveries are sent again; 5 more wait: press once more."
    assert labels(pressed.card) == ["Retry 2 of these 5", "Discard 2 of these 5"]
    assert await states(failed) == ["queued"] * 2 + ["dead"] * 5


async def test_of_very_many_the_oldest_are_asked_about_and_the_others_stay(failed: Desk) -> None:
    (card,) = await failed.write("/discard all")
    assert card.text.startswith("Discard 2 deliveries?")
    assert card.text.endswith("5 more wait and stay: ask once more for these.")
    assert (await failed.press(card, "Discard")).toast == "2 deliveries are discarded."
    assert await states(failed) == ["discarded"] * 2 + ["dead"] * 5


async def test_the_button_of_an_incident_stays_as_long_as_some_are_left(failed: Desk) -> None:
    (row, *_) = await failed.line.rows()
    buttons = await failed.line.store.write(
        lambda tx: deal(tx, INCIDENT, [("Retry", RETRY), ("Show", SHOW)], chat=str(OPS), now=1.0, subject=row.id,
                        expires_s=None)
    )  # fmt: skip
    card = Answer("", buttons, str(OPS), 0)
    assert (await failed.press(card, "Show")).toast == "7 deliveries are given up."
    toasts = []
    while card.buttons:
        pressed = await failed.press(card, "Retry")
        assert pressed.card is not None
        card = pressed.card
        toasts.append(pressed.toast)
    assert toasts[0] == "2 deliveries to club are sent again; 5 more wait: press once more."
    assert toasts[1:] == [
        "2 deliveries to club are sent again; 3 more wait: press once more.",
        "2 deliveries to club are sent again; 1 more waits: press once more.",
        "1 delivery to club is sent again.",
    ]


async def test_what_many_authors_see_is_brought_up_to_date(failed: Desk) -> None:
    await failed.ask("/retry all")
    (card,) = await failed.write("/discard all")
    await failed.press(card, "Discard")
    rows = await failed.line.rows()
    wants = await failed.line.store.read(lambda tx: [tx.marks.get(row.message) for row in rows if row.message])
    assert [mark.want for mark in wants if mark] == ["accepted"] * 2 + ["dropped"] * 2 + ["failed"] * 3


# --- places that are alike


Rows = list[tuple[Any, ...]]


def made(tx: Tx) -> tuple[Rows, Rows, Rows, Rows]:
    """All that stands in the tables after it, whatever the numbers are."""
    outbox = (
        "SELECT account, conversation, message, reply_to, part, parts, priority, payload, crc, on_ambiguous, state,"
        " marked, why, created_at, due_at, expires_at, op, subject, words, late, solo, broadcast, parked, insisted"
        " FROM outbox ORDER BY account, conversation, id"
    )
    lanes = (
        "SELECT account, conversation, priority, due_at, (SELECT op || part FROM outbox WHERE outbox.id = head)"
        " FROM lanes ORDER BY 1, 2"
    )
    words = "SELECT digest, goes_to, source, at FROM relayed_words ORDER BY 1, 2, 3"
    counters = "SELECT account, name, n FROM counters ORDER BY 1, 2"
    one, two, three, four = (tx.db.execute(sql).fetchall() for sql in (outbox, lanes, words, counters))
    return one, two, three, four


async def stands(folder: Path, do: Callable[[Tx, Desk, int], object]) -> tuple[tuple[Rows, ...], object]:
    """What is there after something was done to an announcement that stands at places of several kinds."""
    async with a_desk(folder, **ABLE) as desk:
        asked = await announced(desk, 6, name="x")

        def unusual(tx: Tx) -> int:
            origin = tx.messages.find("telegram", f"{OPS}/{asked['message_id']}")
            assert origin is not None
            rows = tx.outbox.of_message(origin.id)
            tx.db.execute("DELETE FROM copies WHERE outbox = ?", (rows[0].id,))  # what it is called is not known
            tx.db.execute("UPDATE outbox SET state = 'dead', error = 'no' WHERE id = ?", (rows[1].id,))
            tx.db.execute("UPDATE outbox SET state = 'held', starts = 1 WHERE id = ?", (rows[2].id,))
            return origin.id

        message = await desk.line.store.write(unusual)
        result = await desk.line.store.write(lambda tx: (do(tx, desk, message), sorted(tx.woken)))
        return await desk.line.store.read(made), result


def _reword(text: str) -> Callable[[Tx, Desk, int], object]:
    def do(tx: Tx, desk: Desk, message: int) -> object:
        origin = tx.messages.get(message)
        assert origin is not None
        return desk.line.relay.changes.reword(tx, origin, Message(text=text), now=desk.line.clock())

    return do


def _react(tx: Tx, desk: Desk, message: int) -> object:
    origin, ann = tx.messages.get(message), Person(id=PersonId(str(ANN)), name="Ann")
    assert origin is not None
    at, now = telegram_address(OPS), desk.line.clock()
    return desk.line.relay.changes.put_reaction(tx, origin, ann, "👍", at=at, now=now)


def _take_back(tx: Tx, desk: Desk, message: int) -> object:
    origin = tx.messages.get(message)
    assert origin is not None
    return desk.line.relay.changes.take_back(tx, origin, now=desk.line.clock())


def _twice(tx: Tx, desk: Desk, message: int) -> object:
    return _reword("other words")(tx, desk, message), _reword("and others")(tx, desk, message)


def _reworded_and_taken_back(tx: Tx, desk: Desk, message: int) -> object:
    return _reword("other words")(tx, desk, message), _take_back(tx, desk, message)


@pytest.mark.parametrize(
    "do",
    [
        _reword("other words"),
        _reword("lines\u2028and\x85more\nwords"),
        _reword("long words that need several messages " * 5),
        _react,
        _take_back,
        _twice,
        _reworded_and_taken_back,
    ],
    ids=["words", "odd lines", "several parts", "reaction", "taken back", "twice", "words, then taken back"],
)
async def test_places_that_are_alike_get_what_each_would_get_by_itself(
    do: Callable[[Tx, Desk, int], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = await stands(tmp_path / "together", do)
    monkeypatch.setattr(changes._Place, "look", None)
    alone = await stands(tmp_path / "alone", do)
    assert together == alone


@pytest.mark.parametrize("decide", [decisions.retry_these, decisions.discard_these])
async def test_many_are_decided_on_as_each_would_be_by_itself(
    decide: Callable[..., object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One arrives late in parts, one has an edit behind it, one was taken back, one is marked, one only waits."""

    def unit(tx: Tx, desk: Desk, message: int) -> object:
        rows, now = tx.outbox.of_message(message), desk.line.clock()
        tx.db.execute("UPDATE outbox SET state = 'dead', error = 'no', settled_at = 1 WHERE message = ?", (message,))
        origin = tx.messages.get(message)
        assert origin is not None
        desk.line.relay.changes.put_reaction(
            tx, origin, Person(id=PersonId("1"), name="Ann"), "👍", at=telegram_address(OPS), now=now
        )
        tx.db.execute("UPDATE outbox SET owed = 2, state = 'held', starts = 1 WHERE id = ?", (rows[3].id,))
        tx.db.execute("UPDATE outbox SET state = 'queued' WHERE id = ?", (rows[4].id,))
        tx.outbox.add(like(rows[5], rows[5].payload, now=now))
        return len(cast("list[object]", decide(tx, tx.several.ids(states=("dead", "held", "queued")), now=now)))

    together = await stands(tmp_path / "together", unit)
    monkeypatch.setattr(decisions, "_alone", lambda tx, rows: frozenset())
    assert together == await stands(tmp_path / "alone", unit)


async def test_an_announcement_stands_in_the_outbox_once_for_each_target_and_part(desk: Desk) -> None:
    def unit(tx: Tx) -> list[tuple[str, int, int, int]]:
        names = ("club:a", "desk:a", "club:b", "desk:b", "club:c")
        places = [desk.line.relay.parse_target(tx, name) for name in names]
        broadcasts.start(
            tx,
            desk.line.relay,
            targets=places,
            message=Message(text="words " * 15),
            person=ANN,
            person_name="Ann",
            chat=telegram_address(OPS),
            origin=None,
            now=1.0,
        )
        return [(row.address, row.part, row.parts, row.parked) for row in tx.outbox.list()]

    rows = await desk.line.store.write(unit)
    clubs = [(f"club:{name}", part, 2, 1) for name in "abc" for part in (1, 2)]
    assert [row for row in rows if row[0].startswith("club")] == clubs
    assert [row for row in rows if row[0].startswith("desk")] == [("desk:a", 1, 1, 1), ("desk:b", 1, 1, 1)]
    assert await desk.line.store.read(lambda tx: tx.db.execute("SELECT COUNT(*) FROM lanes").fetchone()) == (0,)


# --- the work in it


class Work:
    """Counts what the database does for a unit: hundreds of its own steps, and statements."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self.steps = self.statements = 0

    def __enter__(self) -> Work:
        self._db.set_progress_handler(self._step, 100)
        self._db.set_trace_callback(self._statement)
        return self

    def __exit__(self, *_: object) -> None:
        self._db.set_progress_handler(None, 0)
        self._db.set_trace_callback(None)

    def _step(self) -> int:
        self.steps += 1
        return 0

    def _statement(self, _: str) -> None:
        self.statements += 1


async def work_of(folder: Path, number: int, case: str) -> Work:
    """What a decision about so many costs."""
    async with a_desk(folder, **ABLE) as desk:
        store, now = desk.line.store, desk.line.clock()
        if case in ("retry", "discard"):
            await store.write(lambda tx: fill_dead(tx, desk, number))
        else:
            asked = await announced(desk, number, name="x")
        if case == "retry of an announcement":
            await store.write(lambda tx: tx.db.execute("UPDATE outbox SET state = 'dead' WHERE state = 'sent'"))

        def unit(tx: Tx) -> Work:
            ids = tx.several.ids(states=("dead",))
            found = (
                None if case in ("retry", "discard") else tx.messages.find("telegram", f"{OPS}/{asked['message_id']}")
            )
            with Work(tx.db) as work:
                match case:
                    case "retry" | "retry of an announcement":
                        decisions.retry_these(tx, ids, now=now)
                    case "discard":
                        decisions.discard_these(tx, ids, now=now)
                    case "words":
                        assert found is not None
                        _reword("other")(tx, desk, found.id)
                    case "reaction":
                        assert found is not None
                        _react(tx, desk, found.id)
                    case "taken back":
                        assert found is not None
                        _take_back(tx, desk, found.id)
            return work

        return await store.write(unit)


@pytest.mark.parametrize(
    ("case", "each"),
    [
        ("retry", 5),
        ("retry of an announcement", 5),
        ("discard", 4),
        ("words", 3),
        ("reaction", 7),
        ("taken back", 3),
    ],
)
async def test_twice_as_many_are_twice_the_work_and_little_for_each(tmp_path: Path, case: str, each: int) -> None:
    half = await work_of(tmp_path / "half", 250, case)
    whole = await work_of(tmp_path / "whole", 500, case)
    assert whole.statements < 500 * each + 100
    assert whole.statements <= 2 * half.statements + 10
    assert whole.steps < 2.5 * half.steps


# --- a search


async def test_a_search_stops_after_so_many_characters_and_more_goes_on_there(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "CHARACTERS", 1_000)
    monkeypatch.setattr(searching, "STEP", 2)
    for number in range(30):
        await desk.line.said(
            "club:lobby", f"{'長' * 400}京{number}京" if number % 10 == 0 else "長" * 400, id=f"m{number}"
        )
    (answer,) = await desk.write("/search 京")
    pages = [answer]
    while pages[-1].buttons:
        (more,) = (await desk.press(pages[-1], "More")).answers
        pages.append(more)
    assert len(pages) == 8
    found = [line for page in pages for line in page.text.splitlines() if "京" in line]
    assert [line.partition("京")[2].partition("京")[0] for line in found] == ["20", "10", "0"]
