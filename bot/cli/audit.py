"""``audit``: who did what, when; all of it."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import UTC, datetime

import click

from bot.cli.common import Problem, opened, print_json, print_table, run_async, settings_of, when
from bot.store.audit import Deed

COLUMNS = ("at", "person", "place", "command", "outcome")


@click.command()
@click.option("--since", metavar="DATE", help="From then on: 2026-11-01 or 2026-11-01T12:00:00Z; UTC where no zone is")
@click.option("--person", metavar="ID", help="Only what this person did: an id, or cli:NAME")
@click.option("--json", "as_json", is_flag=True, help="For scripts")
@click.option("--csv", "as_csv", is_flag=True, help="For spreadsheets")
@click.pass_context
def audit(context: click.Context, since: str | None, person: str | None, as_json: bool, as_csv: bool) -> None:
    """Who did what, when, where, and what came of it; refusals too. Oldest first; nothing is ever removed."""
    settings = settings_of(context)
    if as_json and as_csv:
        raise Problem("--json and --csv exclude each other: give one of them")
    begin = 0.0 if since is None else _instant(since)

    async def work() -> Sequence[Deed]:
        async with opened(settings) as store:
            return await store.read(lambda tx: tx.audit.all(since=begin, person=person))

    rows = [(when(deed.at), *deed[1:]) for deed in run_async(work)]
    if as_json:
        print_json([dict(zip(COLUMNS, row, strict=True)) for row in rows])
    elif as_csv:
        click.echo(_csv(rows), nl=False)
    elif rows:
        print_table(rows, headings=[column.upper() for column in COLUMNS])
    else:
        click.echo("Nobody has done anything.")


def _instant(text: str) -> float:
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise Problem(f"--since: {text!r} is no date; write it like 2026-11-01 or 2026-11-01T12:00:00Z") from error
    return (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp()


def _csv(rows: Sequence[Sequence[str]]) -> str:
    """Cells that a spreadsheet would take for a formula begin with an apostrophe."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    writer.writerows([f"'{cell}" if cell[:1] in tuple("=+-@\t\r") else cell for cell in row] for row in rows)
    return out.getvalue()
