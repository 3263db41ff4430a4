"""``patchbay history``: what goes out can come in again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bot.cli import cli
from bot.cli.common import Problem
from bot.history import JsonLines, Past
from bridges.errors import Refused
from tests.bot.line import NOW
from tests.bot.telegram.desk import OPS, Desk, a_desk
from tests.bot.test_cli import config as config

HERE = f"telegram:{OPS}"


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with a_desk(tmp_path) as made:
        yield made
        await made.line.engine.stop(grace_s=1)


async def talked(desk: Desk, tmp_path: Path, config: Path) -> None:
    """Both sides said something, one of it did not arrive, and the configuration leads to that database."""
    await desk.line.route(f"{HERE} <-> club:lobby")
    await desk.line.said("club:lobby", "hello\nyou", id="m1", late_s=60)
    await desk.line.engine.start()
    await desk.write("good morning")
    await desk.line.rests()
    desk.line.clock.at += 60
    await desk.line.said("club:lobby", "thanks 👍", id="m2")
    desk.line.club.refuses["Ann: no"] = Refused("no")
    await desk.write("no way")
    await desk.line.rests()
    point(config, tmp_path)


def point(config: Path, folder: Path) -> None:
    """The configuration leads to the database there."""
    config.write_text(f'{config.read_text()}[store]\npath = "{folder}/p.sqlite3"\n')


async def run(config: Path, *line: str) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, cli, ["history", *line, "--config", str(config)])


async def test_both_directions_go_out_in_the_form_that_import_history_reads(
    desk: Desk, tmp_path: Path, config: Path
) -> None:
    await talked(desk, tmp_path, config)
    out = tmp_path / "out.jsonl"
    result = await run(config, "club:lobby", "--json")
    assert result.exit_code == 0, result.output
    await asyncio.to_thread(out.write_text, result.stdout)
    read = list(JsonLines(out, now=datetime.fromtimestamp(NOW + 1000, UTC)).read(lambda n: None))
    assert [
        (past.message.sender.name, past.words) for past in read if isinstance(past, Past) and past.message.sender
    ] == [
        ("Pat", "hello\nyou"),
        ("Ann", "good morning"),
        ("Pat", "thanks 👍"),
    ]
    assert [past.at.timestamp() for past in read if isinstance(past, Past)] == [NOW - 60, NOW, NOW + 60]


async def test_the_ids_are_the_same_each_time_so_that_it_is_imported_once(
    desk: Desk, tmp_path: Path, config: Path
) -> None:
    await talked(desk, tmp_path, config)
    one, other = [(await run(config, "club:lobby", "--json")).stdout for _ in range(2)]
    assert one == other and len({json.loads(line)["id"] for line in one.splitlines()}) == 3


async def test_for_people_it_is_a_line_each_with_time_and_direction(desk: Desk, tmp_path: Path, config: Path) -> None:
    await talked(desk, tmp_path, config)
    assert (await run(config, "club:lobby")).stdout.splitlines() == [
        "2027-01-15 07:59:00 ← Pat: hello",
        "    you",
        "2027-01-15 08:00:00 → Ann: good morning",
        "2027-01-15 08:01:00 ← Pat: thanks 👍",
    ]


@pytest.mark.parametrize(
    ("options", "number"),
    [
        (["--since", "2027-01-15"], 3),
        (["--since", "2027-01-15T08:00:00Z"], 2),
        (["--until", "2027-01-15T08:00:00Z"], 1),
        (["--until", "2027-01-15"], 3),
        (["--until", "2027-01-14"], 0),
    ],
)
async def test_a_stretch_of_time_is_taken(
    desk: Desk, tmp_path: Path, config: Path, options: list[str], number: int
) -> None:
    await talked(desk, tmp_path, config)
    assert len((await run(config, "club:lobby", "--json", *options)).stdout.splitlines()) == number


@pytest.mark.parametrize("line", [["nonsense"], ["nobody:x"], ["club:lobby", "--since", "yesterday"]])
async def test_what_is_wrong_is_one_line(config: Path, line: list[str]) -> None:
    result = await run(config, *line)
    assert isinstance(result.exception, Problem) and len(str(result.exception).splitlines()) == 1


async def test_more_than_a_page_comes_out_in_order(
    desk: Desk, tmp_path: Path, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.cli.said.AT_ONCE", 2)
    await talked(desk, tmp_path, config)
    for n in range(7):
        desk.line.clock.at += 1
        await desk.line.said("club:lobby", f"number {n}", id=f"n{n}")
    lines = (await run(config, "club:lobby", "--json")).stdout.splitlines()
    assert [json.loads(line)["text"] for line in lines][3:] == [f"number {n}" for n in range(7)]
