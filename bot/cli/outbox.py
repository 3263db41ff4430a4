"""``outbox`` and ``stats``."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import click

from bot import decisions
from bot.addresses import AddressError, parse_address
from bot.cli.common import Problem, opened, print_json, print_table, run_async, settings_of, when
from bot.store import Tx
from bot.store.balance import balance
from bot.store.outbox import STATES, Delivery

T = TypeVar("T")


@click.group()
def outbox() -> None:
    """Deliveries: look at them and decide."""


def _data(row: Delivery) -> dict[str, object]:
    changed = decisions.changed_to(row)
    return {
        "id": row.id,
        "account": row.account,
        "address": row.address,
        "state": row.state,
        "attempts": row.attempts,
        "error": row.error,
        "created_at": when(row.created_at),
        "due_at": when(row.due_at),
        "text": decisions.text_of(row),
        **({"changed_to": changed} if changed else {}),
    }


@outbox.command("list")
@click.option("--state", type=click.Choice(STATES), help="Only those in this state")
@click.option("--account", help="Only those of this account")
@click.option("--json", "as_json", is_flag=True, help="For scripts: all rows")
@click.pass_context
def list_(context: click.Context, state: str | None, account: str | None, as_json: bool) -> None:
    """List deliveries, oldest first."""
    settings = settings_of(context)
    if account is not None and account not in ("telegram", *settings.accounts):
        known = ", ".join(["telegram", *settings.accounts])
        raise Problem(f"there is no account {account!r}; configured: {known}")

    async def work() -> list[Delivery]:
        async with opened(settings) as store:
            states = [state] if state else []
            return list(await store.read(lambda tx: tx.outbox.list(states=states, account=account)))

    rows = run_async(work)
    if as_json:
        print_json([_data(row) for row in rows])
    elif rows:
        print_table(
            [[str(r.id), r.address, r.state, str(r.attempts), when(r.created_at), r.error or ""] for r in rows],
            headings=["ID", "ADDRESS", "STATE", "ATTEMPTS", "MADE", "ERROR"],
        )
    else:
        click.echo("No deliveries.")


@outbox.command()
@click.argument("id")
@click.option("--json", "as_json", is_flag=True, help="For scripts")
@click.pass_context
def show(context: click.Context, id: str, as_json: bool) -> None:
    """Show one delivery with its text."""
    row = _decide(context, lambda tx: decisions.find(tx, id))
    if as_json:
        print_json(_data(row))
        return
    for key, value in _data(row).items():
        click.echo(f"{key}: {value if value is not None else ''}")


@outbox.command()
@click.argument("id", metavar="ID|all")
@click.option("--account", help="With all: only those of this account")
@click.pass_context
def retry(context: click.Context, id: str, account: str | None) -> None:
    """Send a dead or held one again, or all of them."""
    now = time.time()
    if id == "all":
        number = _retry_all(context, account, now=now)
        click.echo(f"{number:,} {'delivery is' if number == 1 else 'deliveries are'} sent again.")
    else:
        click.echo(_decide(context, lambda tx: decisions.retry(tx, decisions.find(tx, id), now=now)))


def _retry_all(context: click.Context, account: str | None, *, now: float) -> int:
    """All that wait now, a part of them at a time: a bot that runs beside it needs the writer too."""
    settings = settings_of(context)

    async def work() -> int:
        number = 0
        async with opened(settings) as store:
            ids = await store.read(lambda tx: tx.several.ids(states=("dead", "held"), account=account))
            for start in range(0, len(ids), decisions.AT_ONCE):
                some = ids[start : start + decisions.AT_ONCE]
                number += len(await store.write(partial(decisions.retry_these, ids=some, now=now)))
        return number

    return run_async(work)


@outbox.command()
@click.argument("id")
@click.pass_context
def discard(context: click.Context, id: str) -> None:
    """Let a waiting, dead or held one go."""
    now = time.time()
    click.echo(_decide(context, lambda tx: decisions.discard(tx, decisions.find(tx, id), now=now)))


@outbox.command()
@click.argument("id")
@click.argument("address")
@click.pass_context
def redirect(context: click.Context, id: str, address: str) -> None:
    """Send a dead, held or waiting one to another address instead."""
    accounts = ["telegram", *settings_of(context).accounts]
    now = time.time()

    def unit(tx: Tx) -> str:
        try:
            target = parse_address(tx.names.meant(address))
        except AddressError as error:
            raise Problem(str(error)) from error
        if target.account not in accounts:
            raise Problem(f"there is no account {target.account!r}; configured: {', '.join(accounts)}")
        return decisions.redirect(tx, decisions.find(tx, id), target, now=now)

    click.echo(_decide(context, unit))


def _decide(context: click.Context, unit: Callable[[Tx], T]) -> T:
    settings = settings_of(context)

    async def work() -> T:
        async with opened(settings) as store:
            return await store.write(unit)

    try:
        return run_async(work)
    except decisions.DecisionError as error:
        raise Problem(str(error)) from error


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For scripts")
@click.pass_context
def stats(context: click.Context, as_json: bool) -> None:
    """The balance: what came in, what became of it, what went out."""
    settings = settings_of(context)

    async def work() -> dict[str, object]:
        async with opened(settings) as store:
            return dict(await store.read(balance))

    data = run_async(work)
    if as_json:
        print_json(data)
        return
    for side in ("inbound", "deliveries"):
        numbers = data[side]
        assert isinstance(numbers, dict)
        click.echo(f"{side}:")
        for name, number in numbers.items():
            click.echo(f"  {name:<12}{number:>10}")
    click.echo("balanced: " + ("yes" if data["balanced"] else "NO"))
