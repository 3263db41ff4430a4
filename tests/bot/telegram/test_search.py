"""/search: whatever somebody writes is a question that can be answered, and only of what they may see."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from bot.retention import Retention
from bot.search_line import SearchError, read_query
from bot.store import Tx
from bot.store.search import Found, Sought, Stretch
from tests.bot.telegram.desk import ANN, BO, CY, NEWS, OPS, Desk, a_desk

HERE = f"telegram:{OPS}"
UTC = ZoneInfo("UTC")
PIECES = (
    '"', "'", "(", ")", "*", ":", "^", "-", "+", "NEAR(", "NEAR/3", " AND ", " OR ", " NOT ", "in:", "from:", "since:",
    "text:", "{a b}", "\x00", "\n", "%", "_", "\\", "invoice", "é", "e\u0301", "北京", "ทุกคน", "👍", "\u200d", "\ud800",
    "2026-11-01", "*" * 5, '""', "“", "”", "a", "here", "club:lobby", "]", "[", ";", "--", "/*", "0",
)  # fmt: skip


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with a_desk(tmp_path) as made:
        yield made


async def said(desk: Desk, *texts: str, place: str = "club:lobby", name: str = "Pat") -> None:
    """Somebody wrote these, a second apart."""
    for text in texts:
        desk.line.clock.at += 1
        await desk.line.said(place, text, id=f"{place} {text}", name=name)


def hits(answer: str) -> list[str]:
    """What was found, without when, who, where and link."""
    return [line.partition(": ")[2].partition(" https://t.me/")[0] for line in answer.splitlines()[1:]]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("invoice", ["the Invoice of May", "an INVOICE, again"]),
        ("invoice may", ["the Invoice of May"]),
        ('"invoice of"', ["the Invoice of May"]),
        ("“invoice of”", ["the Invoice of May"]),
        ('"of invoice"', []),
        ("invo*", ["the Invoice of May", "an INVOICE, again"]),
        ("invo", []),
        ("cafe", ["Café Ünïcode"]),
        ("CAFE\u0301 unicode", ["Café Ünïcode"]),
        ("天气", ["北京天气很好"]),
        ("北京 天气", ["北京天气很好"]),
        ("ทุกคน", ["สวัสดีทุกคน"]),
        ("서울", ["서울은 맑음"]),
        ("👍", ["fine 👍🏽"]),
        ("100%", ["sure, 100 %"]),
        ("привет", ["Привет, мир"]),
        ("nowhere", []),
        ("from:mo", ["from somebody else"]),
        ("from:mo somebody", ["from somebody else"]),
        ("from:nobody somebody", []),
    ],
)
async def test_words_are_found_in_any_case_with_or_without_accents_and_in_scripts_without_blanks(
    desk: Desk, query: str, found: list[str]
) -> None:
    await said(
        desk,
        "the Invoice of May", "Café Ünïcode", "北京天气很好", "สวัสดีทุกคน", "서울은 맑음", "fine 👍🏽", "sure, 100 %",
        "Привет, мир", "an INVOICE, again",
    )  # fmt: skip
    await said(desk, "from somebody else", name="Mo")
    assert sorted(hits(await desk.ask(f"/search {query}"))) == sorted(found)


async def test_the_newest_come_first_ten_at_a_time_and_more_brings_the_rest(desk: Desk) -> None:
    await said(desk, *[f"word {n}" for n in range(25)])
    (answer,) = await desk.write("/search word")
    found = hits(answer.text)
    assert len(found) == 10
    while answer.buttons:
        pressed = await desk.press(answer, "More")
        (answer,) = pressed.answers
        found += hits(answer.text)
    assert found == [f"word {n}" for n in reversed(range(25))]


async def test_a_hit_says_when_who_and_where_and_links_to_the_message(desk: Desk) -> None:
    wrote = desk.message("the needle", by=BO)
    await desk.takes(wrote)
    answer = await desk.ask("/search needle")
    assert answer.splitlines()[1] == (
        f"2027-01-15 08:00 Bo at Ops ({HERE}): the needle https://t.me/c/{str(OPS)[4:]}/{wrote['message_id']}"
    )


async def test_the_words_around_a_hit_are_shown(desk: Desk) -> None:
    await said(desk, "before " * 200 + "needle" + " after" * 200, "前" * 500 + "针" + "后" * 500)
    for query in ("needle", "针"):
        (line,) = hits(await desk.ask(f"/search {query}"))
        assert query in line and len(line) < 250


async def test_commands_are_not_found_but_what_was_sent_by_one_is(desk: Desk) -> None:
    await desk.write("/send club:lobby a needle")
    await desk.write("/search needle")
    assert hits(await desk.ask("/search needle")) == ["a needle"]


async def test_an_edited_message_is_found_by_its_new_words_alone(desk: Desk) -> None:
    await said(desk, "frist words")
    await desk.line.store.write(
        lambda tx: desk.line.edits(tx, "club:lobby", "first words", id="club:lobby frist words")
    )
    assert hits(await desk.ask("/search frist")) == []
    assert hits(await desk.ask("/search first")) == ["first words"]


async def test_what_was_forgotten_is_neither_found_nor_in_the_index(desk: Desk) -> None:
    await said(desk, "a needle", "北京")
    await desk.line.later(10)
    await Retention(store=desk.line.store, keep_s=1, clock=desk.line.clock).sweep()
    words = "SELECT COUNT(*) FROM messages_words WHERE messages_words MATCH 'needle'"
    assert await desk.line.store.read(lambda tx: tx.db.execute(words).fetchone()) == (0,)
    await desk.line.store.write(
        lambda tx: tx.db.execute("INSERT INTO messages_words (messages_words) VALUES ('integrity-check')")
    )
    assert hits(await desk.ask("/search needle")) == []


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("word in:club:lobby", ["word of the club"]),
        ("word in:here", ["word in a topic", "word in ops"]),
        ("in:desk:9 word", ["word at the desk"]),
        ("word since:2027-01-15", ["word in a topic", "word in ops", "word at the desk", "word of the club"]),
        ("word since:2027-01-16", []),
        ("word until:2027-01-14", []),
    ],
)
async def test_a_search_is_narrowed_down_by_place_and_day(desk: Desk, query: str, found: list[str]) -> None:
    await said(desk, "word of the club")
    await said(desk, "word at the desk", place="desk:9")
    await desk.write("word in ops")
    await desk.write("word in a topic", topic=17)
    assert hits(await desk.ask(f"/search {query}")) == found


@pytest.mark.parametrize(
    "query", ['"', "in:", "in:nowhere x", "from:", "since:tomorrow x", "since:0001-01-01 x", "a*", "x " * 30, "x" * 600]
)
async def test_what_cannot_be_searched_for_is_answered_with_what_was_wrong_and_an_example(
    desk: Desk, query: str
) -> None:
    assert "Example: /search" in await desk.ask(f"/search {query}")


async def test_two_thousand_wild_searches_are_each_answered(desk: Desk) -> None:
    await said(desk, "an invoice for 北京 (é) 👍", "here", "a")
    wild = random.Random(5)
    queries = ["".join(wild.choices(PIECES, k=wild.randint(1, 12))) for _ in range(1990)]
    queries += [
        "x" * 10_000,
        '"' * 10_000,
        "(" * 10_000,
        "*" * 400,
        "\x00" * 100,
        '" OR 1 --',
        "a" * 499,
        "",
        " ",
        "''",
    ]
    asked = refused = 0

    def find(tx: Tx, sought: Sought) -> Found:
        return tx.search.find(sought, limit=10)

    for query in queries:
        try:
            read = read_query(query, zone=UTC)
        except SearchError:
            refused += 1
            continue
        sought = Sought(read.match, read.pieces, read.sender, read.since, read.until)
        await desk.line.store.read(lambda tx, sought=sought: find(tx, sought))
        asked += 1
    assert asked + refused == 2000 and asked > 1000
    for query in queries[::20]:
        shown = query.encode("utf-8", "replace").decode().replace("\x00", " ")
        (answer,) = await desk.write(f"/search {shown}")
        assert answer.text


async def test_a_search_looks_at_so_many_messages_and_goes_on_where_it_stopped(desk: Desk) -> None:
    await said(desk, "北京", *[f"other {n}" for n in range(20)])

    def find(tx: Tx, before: int) -> Found:
        return tx.search.find(Sought(pieces=("北京",)), before=before, limit=10, look_at=8)

    before: int | None = 1 << 62
    found, steps = 0, 0
    while before is not None:
        page = await desk.line.store.read(lambda tx, before=before: find(tx, before))
        found, steps, before = found + len(page.hits), steps + 1, page.before
    assert (found, steps) == (1, 3)


@pytest.mark.parametrize("place", ["club:lobby", f"telegram:{NEWS}"])
async def test_a_limited_role_finds_nothing_beyond_its_chat(desk: Desk, place: str) -> None:
    await desk.grant(BO, "operator", chat=OPS)
    await said(desk, "the needle of the club")
    await desk.write("the needle of news", chat=NEWS, by=CY)
    assert hits(await desk.ask("/search needle", by=BO)) == []
    assert hits(await desk.ask("/search from:Pat from:Pat needle", by=BO)) == []
    refused = await desk.ask(f"/search needle in:{place}", by=BO)
    assert "everywhere" in refused and "the needle" not in refused


async def test_a_limited_role_finds_what_its_chat_and_its_links_hold(desk: Desk) -> None:
    await desk.grant(BO, "operator", chat=OPS)
    await desk.line.route(f"club:lobby <-> {HERE}")
    await said(desk, "the needle of the club")
    await said(desk, "the needle of the desk", place="desk:9")
    await desk.write("the needle in ops", by=CY, topic=4)
    assert hits(await desk.ask("/search needle", by=BO)) == ["the needle in ops", "the needle of the club"]


async def test_somebody_without_a_role_is_refused(desk: Desk) -> None:
    assert "operator" in await desk.ask("/search needle", by=CY)


async def test_somebody_else_cannot_press_more(desk: Desk) -> None:
    await said(desk, *[f"word {n}" for n in range(12)])
    (answer,) = await desk.write("/search word", by=ANN)
    pressed = await desk.press(answer, "More", by=CY)
    assert "Only the person" in pressed.toast and not pressed.answers


async def test_stretches_are_compared_as_texts_not_as_patterns(desk: Desk) -> None:
    await said(desk, "needle")
    everything = Stretch("club", "%", "%")
    page = await desk.line.store.read(lambda tx: tx.search.find(Sought(match='"needle"', seen=(everything,)), limit=9))
    assert not page.hits
