"""What holds for every command of the command line."""

from __future__ import annotations

import json
import subprocess
import sys
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
    arguments["edit"] = ["1", "every day at 9:00"]
    arguments["import-history"] = ["a", __file__]
    more = arguments.get(path[-1], ["1"])
    if path[-1] in ("list", "stats", "audit", "check", "subscriptions", "run", "export", "calendar"):
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


def run(config: Path, *words: str) -> str:
    """What a command prints; it ends well."""
    result = CliRunner().invoke(cli, ["--config", str(config), *words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def deeds(config: Path, *more: str) -> list[tuple[str, str, str]]:
    """Person, command and outcome of what was written down."""
    found = json.loads(run(config, "audit", "--json", *more))
    return [(deed["person"], deed["command"], deed["outcome"]) for deed in found]


@pytest.fixture
def at_home(config: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """As ``config``, with the database beside it."""
    config.write_text(f'{CONFIG}[store]\npath = "{config.parent / "p.sqlite3"}"\n')
    monkeypatch.setenv("LOGNAME", "ann")
    return config


def test_what_is_changed_here_is_written_down_and_what_is_looked_at_is_not(at_home: Path) -> None:
    assert run(at_home, "audit") == "Nobody has done anything.\n"
    run(at_home, "routes", "add", "club:a -> telegram:-5", "name=one")
    run(at_home, "routes", "list")
    run(at_home, "outbox", "list")
    run(at_home, "stats")
    run(at_home, "routes", "disable", "one")
    assert deeds(at_home) == [("cli:ann", "routes add", "done"), ("cli:ann", "routes disable", "done")]


def test_what_was_refused_here_changed_nothing_and_is_not_written_down(at_home: Path) -> None:
    assert isinstance(
        CliRunner().invoke(cli, ["--config", str(at_home), "routes", "remove", "none"]).exception, Problem
    )
    assert deeds(at_home) == []


def test_the_audit_is_chosen_by_person_and_time(at_home: Path) -> None:
    run(at_home, "routes", "add", "club:a -> telegram:-5")
    assert deeds(at_home, "--person", "cli:ann", "--since", "2020-01-01") == [("cli:ann", "routes add", "done")]
    assert deeds(at_home, "--person", "1001") == []
    assert deeds(at_home, "--since", "2999-01-01T00:00:00+02:00") == []


def test_the_audit_for_spreadsheets_holds_no_formulas(at_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.cli.common.operator", lambda: "=cmd()")
    run(at_home, "routes", "add", "club:a -> telegram:-5")
    head, line = run(at_home, "audit", "--csv").splitlines()
    assert head == "at,person,place,command,outcome"
    assert line.split(",")[1:] == ["'=cmd()", "command line", "routes add", "done"]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--since", "yesterday"], "--since: 'yesterday' is no date; write it like 2026-11-01 or 2026-11-01T12:00:00Z"),
        (["--json", "--csv"], "--json and --csv exclude each other: give one of them"),
    ],
)
def test_what_is_wrong_with_the_question_is_said_in_a_line(at_home: Path, words: list[str], why: str) -> None:
    result = CliRunner().invoke(cli, ["--config", str(at_home), "audit", *words])
    assert isinstance(result.exception, Problem)
    assert str(result.exception) == why


NOT_TEXT = "caf\udce9"
"""As Python has an argument that is not UTF-8."""


@pytest.mark.parametrize(
    "line",
    [
        ["--config", NOT_TEXT, "stats"],
        ["stats", "--config", NOT_TEXT],
        ["audit", "--person", NOT_TEXT],
        ["history", NOT_TEXT],
        ["forget", NOT_TEXT],
        ["routes", "add", NOT_TEXT],
        ["routes", "test", "club:a", NOT_TEXT],
        ["routes", "remove", NOT_TEXT],
        ["outbox", "show", NOT_TEXT],
        ["replay", "club", NOT_TEXT],
        [NOT_TEXT],
    ],
    ids=lambda line: " ".join(word.replace(NOT_TEXT, "…") for word in line),
)
def test_bytes_that_are_no_text_are_refused_in_one_line(
    line: list[str], config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATCHBAY_CONFIG", str(config))
    where = line.index(NOT_TEXT) + 1
    result = CliRunner().invoke(cli, line)
    assert str(result.exception) == f"argument {where}, 'caf\\udce9', is not UTF-8: write it as text in UTF-8"
    assert isinstance(result.exception, Problem)


def test_bytes_that_are_no_text_end_with_two_and_nothing_beside_that_line(config: Path) -> None:
    line = [sys.executable, "-m", "bot", "--config", str(config), "forget", b"caf\xe9"]
    done = subprocess.run(line, capture_output=True, timeout=60, cwd=Path(__file__).parents[2])
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.count(b"\n") == 1
    assert b"is not UTF-8" in done.stderr


def test_forget_takes_a_dry_run_which_is_what_it_does_by_default(config: Path) -> None:
    told = [CliRunner().invoke(cli, ["forget", "5", *more, "--config", str(config)]) for more in ([], ["--dry-run"])]
    assert told[0].output == told[1].output
    assert told[1].exit_code == 0
    assert "Nothing was changed. --yes forgets this." in told[1].output


@pytest.mark.parametrize("word", ["9" * 20, "9" * 5000, f"telegram:{'9' * 26}"], ids=["20", "5000", "with account"])
def test_what_is_too_long_for_a_telegram_id_is_nobody(config: Path, word: str) -> None:
    result = CliRunner().invoke(cli, ["forget", word, "--config", str(config)])
    assert str(result.exception) == f"{'9' * 19}… is no Telegram id: these have at most 19 digits"
    assert isinstance(result.exception, Problem)
