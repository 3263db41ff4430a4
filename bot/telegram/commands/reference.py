"""The command reference of the README, from the registry: ``python -m bot.telegram.commands.reference --write``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from bot.telegram.commands import registry
from bot.telegram.commands.guide import grouped
from bot.telegram.commands.registry import Command

BEGIN, END = "<!-- commands: begin -->", "<!-- commands: end -->"
README = Path(__file__).parents[3] / "README.md"


def table() -> str:
    """All commands as Markdown tables, one for each thing that they are about."""
    paragraphs = [f"**{title}**\n\n{_table(commands)}" for title, commands in grouped(registry.commands).items()]
    return "\n\n".join(paragraphs)


def _table(commands: Sequence[Command]) -> str:
    lines = ["| command | role | does | example |", "|---|---|---|---|"]
    for command in commands:
        usages = "<br>".join(f"`{usage}`".replace("|", "\\|") for usage in command.usages())
        role = command.role.word if command.role else "anyone"
        for each in command.ways:
            if each.role is not command.role and each.keyword:
                role += f" (`{each.keyword}`: {each.role.word})"
        example = command.example.replace("|", "\\|")
        lines.append(f"| {usages} | {role} | {command.summary} | `{example}` |")
    return "\n".join(lines)


def with_table(text: str) -> str:
    """The text with the table between the marks made anew; raises ``ValueError`` without the marks."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{README.name} has lost its marks {BEGIN} and {END}")
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


if __name__ == "__main__":
    text = with_table(README.read_text(encoding="utf-8"))
    if "--write" in sys.argv:
        README.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(table() + "\n")
