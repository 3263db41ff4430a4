"""What whoever makes a schedule is told before it is kept: what cannot be, and what it means."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot import planning
from bot.addresses import parse_address
from bot.firing import Firing, SchedulePolicy, chat_name
from bot.planning import ScheduleError
from bot.schedule_line import parse_line
from bot.store import Tx
from bridges.model import Message
from tests.bot.fakes import opened
from tests.bot.line import Line

HOUR = 3600.0


@pytest.fixture
async def line(tmp_path: Path) -> AsyncIterator[Line]:
    async with opened(tmp_path) as store:
        yield Line(store)


def drafted(line: Line, tx: Tx, written: str) -> planning.Draft:
    """What a line would make; now it is Fri 2027-01-15 08:00 UTC."""
    read = parse_line(written, now=line.clock(), zone="UTC")
    assert read.rule is not None
    return planning.draft(
        tx,
        Firing(line.relay, SchedulePolicy()),
        rule=read.rule,
        options=read.options,
        targets=read.targets,
        message=Message(text=read.text),
        here=None,
        now=line.clock(),
    )


LONG = "In Telegram a bot can delete its messages for 48 hours only:"


@pytest.mark.parametrize(
    ("written", "notes"),
    [
        ("at 9:00 expire=48h | telegram:-5 | hi", ()),
        ("at 9:00 expire=49h | desk:a | hi", ()),
        ("at 9:00 expire=49h | telegram:-5 | hi", (f"{LONG} with expire=2d1h it stays there.",)),
        ("every day at 9:00 replace=yes | telegram:-5 | hi", ()),
        ("every 3 days at 9:00 replace=yes | telegram:-5 | hi", (f"{LONG} the one before may stay there.",)),
        ("at 9:00 warn=59m | club:a | hi", ()),
        ("at 9:00 warn=1h | club:a | hi", ("You are not warned: it goes out in less than 1h.",)),
        (
            "every day at 9:00 warn=2h | club:a | hi",
            ("You are not warned the first time: it goes out in less than 2h.",),
        ),
        (
            "every 15m warn=15m | club:a | hi",
            ("You are not warned: 15m before each time the one before it is still to come.",),
        ),
        (
            "at 9:00 | club:a | {count_down:2027-02-16}",
            ("{count_down} says the word, too: “32 days”, “1 day” or “today”.",),
        ),
    ],
)
async def test_what_is_pointed_out(line: Line, written: str, notes: tuple[str, ...]) -> None:
    made = await line.store.read(lambda tx: drafted(line, tx, written))
    assert tuple(each for each in made.notes if "cannot be deleted" not in each) == notes


@pytest.mark.parametrize("name", ["7", "#7", "007"])
async def test_a_name_is_no_number(line: Line, name: str) -> None:
    with pytest.raises(ScheduleError, match=f"{name} cannot be a name.* as in name=doors"):
        await line.store.read(lambda tx: drafted(line, tx, f'at 9:00 name="{name}" | club:a | hi'))
    made = await line.store.read(lambda tx: drafted(line, tx, "at 9:00 name=7up | club:a | hi"))
    assert made.plan.options.name == "7up"


@pytest.mark.parametrize(
    ("address", "title", "name", "called"),
    [
        ("telegram:-5", "Ops", "", "Ops"),
        ("telegram:-5", "Ops", "war-room", "Ops"),
        ("telegram:-5/17", "", "", "Everything"),
        ("club:66f0c1d2", "", "members", "members"),
        ("club:66f0c1d2", "The lobby", "members", "The lobby"),
        ("desk:sms/85255501234", "Ann", "angry", "85255501234"),
        ("desk:sms/1,2", "", "", "1, 2"),
        ("club:66f0c1d2", "", "", "everybody"),
    ],
)
async def test_a_place_has_the_name_that_its_people_know(
    line: Line, address: str, title: str, name: str, called: str
) -> None:
    place = parse_address(address)

    def unit(tx: Tx) -> str:
        if "/" in address and not title:
            tx.conversations.touch("telegram", "-5", kind="group", title="Everything", now=1.0)
        tx.conversations.touch(place.account, place.conversation, kind="group", title=title, now=1.0)
        if name:
            tx.names.set(name, address)
        return chat_name(tx, place)

    assert await line.store.write(unit) == called


async def test_the_name_of_a_place_that_has_none_is_refused_while_somebody_is_there_to_read_that(line: Line) -> None:
    written = "at 9:00 | telegram:-5, club:a, club:b | Hello {chat}"
    with pytest.raises(ScheduleError, match="no name to fill in at club:a and 1 more: take it out of the text"):
        await line.store.read(lambda tx: drafted(line, tx, written))
    for name in "ab":
        await line.store.write(lambda tx, name=name: tx.names.set(f"the-{name}", f"club:{name}"))
    made = await line.store.read(lambda tx: drafted(line, tx, written))
    assert made.notes == ("The name of telegram:-5 is not known yet: until it is, {chat} says “everybody” there.",)
