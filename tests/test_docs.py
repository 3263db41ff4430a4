"""The documents say what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import click

from bot.cli import cli
from bot.telegram.commands.reference import with_table
from bot.telegram.commands.registry import registry
from tests.journeys import kinds

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_readme_has_the_commands_of_the_registry() -> None:
    assert with_table(README) == README, "run: python -m bot.telegram.commands.reference --write"


def test_the_readme_says_of_each_kind_what_the_stories_saw() -> None:
    assert kinds.with_table(README) == README, "run: python -m tests.journeys.kinds --write"


def test_every_command_fits_into_telegrams_menu() -> None:
    # https://core.telegram.org/bots/api#botcommand, 2026-11: name 1-32 of a-z 0-9 _, description 1-256.
    for command in registry.commands.values():
        assert re.fullmatch(r"[a-z0-9_]{1,32}", command.name)
        assert 1 <= len(command.summary) <= 256


def test_the_readme_names_every_command_of_the_command_line_and_no_other() -> None:
    section = README.split("## Command line")[1].split("\n## ")[0]
    named = set(re.findall(r"`patchbay ([a-z-]+)", section)) | set(re.findall(r"· `([a-z-]+)", section))
    assert named == set(cli.commands)


def test_the_readme_names_every_word_of_the_command_groups() -> None:
    section = README.split("## Command line")[1].split("\n## ")[0]
    for name, command in cli.commands.items():
        if isinstance(command, click.Group):
            words = re.search(rf"`patchbay {name} ([a-z|\\]+)`", section)
            assert words is not None, name
            assert set(words[1].replace("\\", "").split("|")) == set(command.commands)


def test_links_between_the_documents_lead_somewhere() -> None:
    for file in [*ROOT.glob("*.md"), *(ROOT / "bot").rglob("*.md"), *(ROOT / "bridges").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", file.read_text(encoding="utf-8")):
            assert (file.parent / target).exists(), f"{file.relative_to(ROOT)} links to {target}"


def test_the_readme_has_no_gap_left_to_fill() -> None:
    assert not re.search(r"FIRST_RUN|SECOND_RUN|BENCH_TABLE|TODO", README)
