"""Names of addresses on the command line."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bot.cli import cli
from bot.store import Tx
from bot.store.outbox import NewDelivery
from bot.store.sqlite import SqliteStore
from tests.bot.test_cli import CONFIG


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration whose database knows two names and one delivery."""
    file = tmp_path / "patchbay.toml"
    file.write_text(CONFIG)

    def known(tx: Tx) -> None:
        tx.names.set("room", "club:lobby")
        tx.names.set("ops", "telegram:-5")
        new = NewDelivery(
            account="club",
            conversation="attic",
            payload='{"text":"hi"}',
            created_at=1.0,
            expires_at=2e9,
            on_ambiguous="hold",
        )
        assert tx.outbox.add(new) == 1

    async def made() -> None:
        (tmp_path / "data").mkdir(exist_ok=True)
        store = await SqliteStore.open(tmp_path / "data" / "patchbay.sqlite3")
        await store.write(known)
        await store.close()

    asyncio.run(made())
    return file


def run(config: Path, *words: str) -> Result:
    return CliRunner().invoke(cli, ["--config", str(config), *words])


def test_a_rule_is_made_and_tested_by_names(config: Path) -> None:
    made = run(config, "routes", "add", "Room -> ops")
    assert (made.exception, "club:lobby -> telegram:-5" in made.output) == (None, True)
    tested = run(config, "routes", "test", "ROOM", "hello")
    assert (tested.exception, "club:lobby" in tested.output) == (None, True)


def test_a_delivery_goes_elsewhere_by_a_name(config: Path) -> None:
    moved = run(config, "outbox", "redirect", "1", "room")
    assert (moved.exception, "club:lobby" in moved.output) == (None, True)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (("routes", "test", "rooom", "hi"), "is no address: account and conversation go with a colon between"),
        (("outbox", "redirect", "1", "a\udcffb"), "is not UTF-8"),
    ],
)
def test_what_is_neither_name_nor_address_is_said(config: Path, line: tuple[str, ...], said: str) -> None:
    assert said in str(run(config, *line).exception)
