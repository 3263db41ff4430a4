"""``replay``: feed one recorded webhook through the real intake."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import click

from bot.cli.common import Problem, opened, run_async, settings_of
from bot.files import Files
from bot.intake import Intake, hook_of
from bot.relay import Relay
from bot.settings import Settings
from bot.store import Tx
from bot.store.inbox import Arrived
from bridges.errors import Garbled, Untrusted
from bridges.testing import parse_http


@click.command()
@click.argument("account")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE.http")
@click.pass_context
def replay(context: click.Context, account: str, file: Path) -> None:
    """Feed one recorded webhook (request line, headers, body) through the real intake."""
    settings = settings_of(context)
    try:
        _, path, headers, body = parse_http(file.read_bytes())
    except OSError as error:
        raise Problem(f"{file}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise Problem(f"{file}: {error}") from error
    rest = path.split("/", 4)[4] if path.count("/") >= 4 else ""
    item = Arrived(account=account, body=body, received_at=time.time(), path=rest, headers=headers)
    for outcome in run_async(lambda: _replay(settings, item)):
        click.echo(outcome)


async def _replay(settings: Settings, item: Arrived) -> list[str]:
    from bot.app import all_accounts, lender_of, policy_of, provider_accounts

    provider = provider_accounts(settings).get(item.account)
    if provider is None:
        known = ", ".join(settings.accounts) or "none"
        raise Problem(f"there is no account {item.account!r} in the configuration; there are: {known}")
    hook = hook_of(item)
    try:
        provider.bridge.verify(hook)
        events = provider.decode(hook)
    except (Untrusted, Garbled) as error:
        raise Problem(f"the webhook is not taken: {error}") from error
    accounts = all_accounts(settings)
    outcomes: list[str] = []
    async with opened(settings) as store:
        lender = lender_of(settings, store=store, files=Files(accounts, most=settings.delivery.file_bytes))
        relay = Relay(accounts=accounts, policy=policy_of(settings), lender=lender)
        intake = Intake(store=store, accounts=accounts, relay=relay, clock=time.time)

        def unit(tx: Tx) -> None:
            # Stored and dealt with in one commit: a running bot does not see it half done.
            id = tx.inbox.put(item)
            assert id is not None
            outcomes[:] = [intake.take_event(tx, item.account, event) for event in events]
            tx.inbox.done(replace(item, id=id), list(outcomes))

        await store.write(unit)
    for account in accounts.values():
        await account.close()
    return outcomes or ["unsupported"]
