"""What holds for every command of the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from bot.cli import cli
from bot.cli.common import Problem

CONFIG = """
[telegram]
token = "1:a"
[accounts.club]
provider = "echo"
base_url = "http://127.0.0.1:9"
token = "club-token"
hook_secret = "0123456789abcdef0"
signing_secret = "signing"
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration in a folder of its own."""
    file = tmp_path / "patchbay.toml"
    file.write_text(CONFIG)
    return file


def commands(group: click.Group, *path: str) -> Iterator[tuple[str, ...]]:
    """Every command that does something."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, *path, name)
        else:
            yield *path, name


@pytest.mark.parametrize("path", [p for p in commands(cli) if p != ("playground",)], ids=" ".join)
def test_every_command_takes_its_configuration_before_and_after_its_name(path: tuple[str, ...]) -> None:
    missing = "nowhere/at/all.toml"
    arguments = {"add": ["a:b -> c:d"], "test": ["a:b", "x"], "redirect": ["1", "a:b"], "replay": ["a", __file__]}
    arguments["import-history"] = ["a", __file__]
    more = arguments.get(path[-1], ["1"])
    if path[-1] in ("list", "stats", "check", "subscriptions", "run", "export"):
        more = []
    for line in (["--config", missing, *path, *more], [*path, *more, "--config", missing]):
        result = CliRunner().invoke(cli, line)
        assert isinstance(result.exception, Problem), result.output
        assert missing in str(result.exception)


@pytest.mark.parametrize("line", [["stats", "--json", "--config"], ["outbox", "list", "--json", "--config"]])
def test_a_configuration_after_the_command_is_used(line: list[str], config: Path) -> None:
    result = CliRunner().invoke(cli, [*line, str(config)])
    assert result.exit_code == 0, result.exception
    assert json.loads(result.output) is not None


def test_an_unknown_account_is_named_with_those_there_are(config: Path) -> None:
    result = CliRunner().invoke(cli, ["outbox", "list", "--account", "nobody", "--config", str(config)])
    assert str(result.exception) == "there is no account 'nobody'; configured: telegram, club"


def test_rules_are_exported_to_standard_output_and_not_imported_unasked(config: Path, tmp_path: Path) -> None:
    runner = CliRunner()
    rules = tmp_path / "rules.toml"
    rules.write_text('[[route]]\nrule = "club:* -> telegram:-5"\n')
    asked = runner.invoke(cli, ["routes", "import", str(rules), "--config", str(config)])
    assert "add --yes" in str(asked.exception)
    done = runner.invoke(cli, ["routes", "import", "--yes", str(rules), "--config", str(config)])
    assert done.exit_code == 0, done.exception
    shown = runner.invoke(cli, ["routes", "export", "-", "--config", str(config)])
    assert "club:* -> telegram:-5" in shown.output
