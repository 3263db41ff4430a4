"""``routes``: the same rules that the chat commands edit."""

from __future__ import annotations

import sys
import time
import tomllib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import click

from bot.addresses import TELEGRAM, AddressError, parse_address
from bot.cli.common import Problem, opened, print_json, print_table, run_async, settings_of
from bot.relay import router_of, rule_of
from bot.routes_file import RoutesFileError, from_toml, to_toml
from bot.routing import RouteError, Rule, format_route, options_to_data, parse_route
from bot.rules import add_route, explain_route, find_route, remove_route, save_route, switch_route
from bot.settings import Settings
from bot.store import Tx

T = TypeVar("T")
CLI = "command line"
"""Who changes a rule from here."""


@click.group()
def routes() -> None:
    """Routing rules."""


def _do(settings: Settings, unit: Callable[[Tx], T]) -> T:
    async def work() -> T:
        async with opened(settings) as store:
            return await store.write(unit)

    try:
        return run_async(work)
    except (RouteError, AddressError) as error:
        raise Problem(str(error)) from error


def _rules(tx: Tx) -> list[Rule]:
    return [rule_of(row) for row in tx.routes.all()]


def _data(rule: Rule) -> dict[str, object]:
    return {
        "id": rule.id,
        "name": rule.name,
        "source": str(rule.source),
        "arrow": str(rule.arrow),
        "target": str(rule.target),
        "enabled": rule.works,
        "options": options_to_data(rule.options),
    }


@routes.command("list")
@click.option("--json", "as_json", is_flag=True, help="For scripts")
@click.pass_context
def list_(context: click.Context, as_json: bool) -> None:
    """List all rules."""
    rules = _do(settings_of(context), _rules)
    if as_json:
        print_json([_data(rule) for rule in rules])
    elif rules:
        print_table(
            [[str(rule.id), "on" if rule.works else "off", _shown(rule)] for rule in rules],
            headings=["ID", "", "RULE"],
        )
    else:
        click.echo("No routes. Make one with: patchbay routes add 'support:* -> telegram:-1001234567890'")


@routes.command()
@click.argument("rule", nargs=-1, required=True)
@click.pass_context
def add(context: click.Context, rule: tuple[str, ...]) -> None:
    """Add a rule: SOURCE ARROW TARGET key=value …"""
    settings = settings_of(context)
    from bot.app import all_accounts

    accounts = all_accounts(settings)
    now = time.time()

    def unit(tx: Tx) -> Rule:
        names = {name: parse_address(tx.names.meant(name)) for name in tx.names.all()}
        zone = settings.telegram.default_timezone
        draft = parse_route(" ".join(rule), accounts=list(accounts), names=names, zone=zone)
        return add_route(tx, draft, accounts=accounts, created_by=CLI, now=now)

    made = _do(settings, unit)
    click.echo(f"{made.id}  {format_route(made)}")


@routes.command()
@click.argument("route")
@click.pass_context
def remove(context: click.Context, route: str) -> None:
    """Remove a rule, by name or id."""

    def unit(tx: Tx) -> Rule:
        rule = find_route(tx, route)
        remove_route(tx, rule, person=CLI, now=time.time())
        return rule

    click.echo(f"removed: {format_route(_do(settings_of(context), unit))}")


def _switch(context: click.Context, route: str, *, enabled: bool) -> None:
    def unit(tx: Tx) -> Rule:
        rule = find_route(tx, route)
        switch_route(tx, rule, enabled=enabled, person=CLI, now=time.time())
        return rule

    rule = _do(settings_of(context), unit)
    click.echo(f"{'enabled' if enabled else 'disabled'}: {format_route(rule)}")


@routes.command()
@click.argument("route")
@click.pass_context
def enable(context: click.Context, route: str) -> None:
    """Switch a rule on."""
    _switch(context, route, enabled=True)


@routes.command()
@click.argument("route")
@click.pass_context
def disable(context: click.Context, route: str) -> None:
    """Switch a rule off."""
    _switch(context, route, enabled=False)


@routes.command()
@click.argument("address")
@click.argument("text", nargs=-1, required=True)
@click.pass_context
def test(context: click.Context, address: str, text: tuple[str, ...]) -> None:
    """Explain what would become of a text from ADDRESS. Sends nothing."""
    settings = settings_of(context)
    from bot.app import all_accounts

    accounts = all_accounts(settings)
    at = datetime.now(UTC)

    def unit(tx: Tx) -> str:
        source = parse_address(tx.names.meant(address))
        if source.account not in accounts:
            raise Problem(f"there is no account {source.account!r}; configured: {', '.join(sorted(accounts))}")
        return explain_route(router_of(tx), accounts, source, " ".join(text), at=at)

    click.echo(_do(settings, unit))


@routes.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), required=False)
@click.pass_context
def export(context: click.Context, file: Path | None) -> None:
    """Write all rules as TOML, to FILE or standard output."""
    text = to_toml(_do(settings_of(context), _rules))
    if file is None or str(file) == "-":
        click.echo(text, nl=False)
        return
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Problem(f"{file}: cannot be written ({error.strerror})") from error


@routes.command("import")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--yes", is_flag=True, help="Do not ask")
@click.pass_context
def import_(context: click.Context, file: Path, yes: bool) -> None:
    """Make the rules those of FILE; shows what changes and asks."""
    settings = settings_of(context)
    known = [TELEGRAM, *settings.accounts]
    try:
        wanted = from_toml(file.read_text(encoding="utf-8"), accounts=known, zone=settings.telegram.default_timezone)
    except OSError as error:
        raise Problem(f"{file}: cannot be read ({error.strerror})") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RoutesFileError) as error:
        raise Problem(f"{file}: {error}") from error
    before = {_line(rule): rule for rule in _do(settings, _rules)}
    after = {_line(draft.saved(id=0, enabled=enabled)): (draft, enabled) for draft, enabled in wanted}
    gone = [line for line in before if line not in after]
    new = [line for line in after if line not in before]
    for line in gone:
        click.echo(f"- {line}")
    for line in new:
        click.echo(f"+ {line}")
    if not gone and not new:
        click.echo("Nothing changes.")
        return
    if not yes and not sys.stdin.isatty():
        raise Problem("nothing was changed: nobody is there to ask; add --yes to apply it")
    if not yes and not click.confirm("Apply?", default=False, err=not sys.stdout.isatty()):
        click.echo("Nothing was changed.")
        return
    now = time.time()

    def unit(tx: Tx) -> None:
        for line in gone:
            remove_route(tx, before[line], person="import", now=now)
        for line in new:
            draft, enabled = after[line]
            save_route(tx, draft, created_by="import", now=now, enabled=enabled)

    _do(settings, unit)
    click.echo(f"{len(gone)} removed, {len(new)} added.")


def _shown(rule: Rule) -> str:
    return format_route(rule) + (f"  (paused: {rule.paused})" if rule.paused else "")


def _line(rule: Rule) -> str:
    return format_route(rule) + ("" if rule.enabled else "  (disabled)")
