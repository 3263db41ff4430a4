"""/timezone: in which zone the times written in a chat are meant."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.addresses import telegram_address
from bot.store import Tx
from bot.zones import span, zone_of
from tests.bot.telegram.desk import BO, NEWS, OPS, Desk, a_desk


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with a_desk(tmp_path) as made:
        yield made


async def zone(desk: Desk, chat: int = OPS, topic: int | None = None) -> str:
    return (await desk.line.store.read(lambda tx: zone_of(tx, telegram_address(chat, topic), "UTC"))).key


async def test_it_shows_the_usual_zone_and_the_time_that_it_is_there(desk: Desk) -> None:
    assert await desk.ask("/timezone") == (
        "No time zone is set for this chat, so the usual one counts: UTC. It is Fri 2027-01-15 08:00 UTC.\n"
        "/timezone ZONE sets another."
    )


@pytest.mark.parametrize("written", ["Europe/Paris", "europe/paris", "EUROPE/PARIS"])
async def test_it_sets_the_zone_of_this_chat_alone(desk: Desk, written: str) -> None:
    said = await desk.ask(f"/timezone {written}")
    assert said == "The time zone of this chat is Europe/Paris from now on. It is Fri 2027-01-15 09:00 Europe/Paris."
    assert (await zone(desk), await zone(desk, NEWS)) == ("Europe/Paris", "UTC")


async def test_topics_have_the_zone_of_their_chat(desk: Desk) -> None:
    await desk.ask("/timezone Asia/Tokyo", topic=17)
    assert (await zone(desk), await zone(desk, topic=4)) == ("Asia/Tokyo", "Asia/Tokyo")


@pytest.mark.parametrize(
    ("written", "near"),
    [
        ("Europe/Pariss", "Europe/Paris"),
        ("Paris", "Europe/Paris"),
        ("tokyo", "Asia/Tokyo"),
        ("Amercia/New_York", "America/New_York"),
        ("Lundon", "Europe/London"),
        ("xqzzy", "Europe/London"),
    ],
)
async def test_a_name_that_is_none_is_answered_with_the_nearest(desk: Desk, written: str, near: str) -> None:
    said = await desk.ask(f"/timezone {written}")
    assert near in said.splitlines()[0]
    assert said.endswith("Example: /timezone Europe/Paris")
    assert await zone(desk) == "UTC"


async def test_only_an_admin_sets_it_and_one_for_this_chat_is_enough(desk: Desk) -> None:
    await desk.grant(BO, "operator")
    assert "needs the role admin" in await desk.ask("/timezone Asia/Tokyo", by=BO)
    await desk.grant(BO, "admin", chat=OPS)
    assert "Asia/Tokyo" in await desk.ask("/timezone Asia/Tokyo", by=BO)
    assert "needs the role admin" in await desk.ask("/timezone Asia/Tokyo", by=BO, chat=NEWS)


async def test_it_follows_a_group_that_becomes_another(desk: Desk) -> None:
    await desk.ask("/timezone Asia/Tokyo")

    def moved(tx: Tx) -> None:
        desk.line.relay.places.moved(tx, telegram_address(OPS), telegram_address(-100777), now=1.0)

    await desk.line.store.write(moved)
    assert (await zone(desk), await zone(desk, -100777)) == ("UTC", "Asia/Tokyo")


async def test_hours_of_a_route_written_here_are_meant_in_it(desk: Desk) -> None:
    await desk.ask("/timezone Asia/Tokyo")
    assert "Asia/Tokyo" in await desk.ask("/route add club:* -> here hours=mon-fri,08:00-18:00")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7199, "119 min"), (7200, "2 h"), (200_000, "2 d")],
)
def test_how_long_is_said_in_one_unit(seconds: float, words: str) -> None:
    assert span(seconds) == words
