"""``account``: what an account offers beside sending, and doing it. Also what to enter at a provider by hand."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping

import click
from pydantic import SecretStr

from bot.accounts import Account, ProviderAccount
from bot.cli.common import HERE, Problem, opened, operator, print_json, print_table, remembering, run_async, settings_of
from bot.operations import (
    Asked,
    OperationError,
    ask,
    example,
    find_account,
    operations_of,
    pause_words,
    plain_lines,
    title_of,
    usage,
)
from bot.settings import Settings, hook_url
from bot.store.meta import AccountState
from bridges.api import Instructs, Subscribes
from bridges.errors import BridgeError

_COMMAND = "patchbay account"


@click.command()
@click.argument("words", nargs=-1, metavar="[ACCOUNT [OPERATION ARGUMENTS…]]")
@click.option("--yes", is_flag=True, help="Do not ask before something is changed")
@click.option("--json", "as_json", is_flag=True, help="For scripts: accounts with their operations")
@click.pass_context
def account(context: click.Context, words: tuple[str, ...], yes: bool, as_json: bool) -> None:
    """What accounts offer beside sending, and doing it.

    Without arguments: all accounts. With an account: its operations. Exit code 1 if the provider says no.
    """
    settings = settings_of(context)
    from bot.app import all_accounts

    accounts = all_accounts(settings)
    try:
        if len(words) > 1:
            asked = ask(find_account(accounts, words[0]), words[1:], command=_COMMAND)
        else:
            chosen = dict(accounts)
            if words:
                found = find_account(accounts, words[0])
                chosen = {found.name: found}
    except OperationError as error:
        raise Problem(str(error)) from error
    if len(words) > 1:
        if as_json:
            raise Problem("--json is for lists: leave it out where something is done")
        _do(context, settings, asked, yes=yes)
        return
    states = run_async(lambda: _states(settings, list(chosen)))
    if as_json:
        print_json([_data(each, states[name]) for name, each in chosen.items()])
    elif words:
        _print_operations(found)
    else:
        _print_accounts(chosen, states)


def _do(context: click.Context, settings: Settings, asked: Asked, *, yes: bool) -> None:
    if asked.operation.changes and not yes:
        if not sys.stdin.isatty():
            raise Problem("nothing was changed: nobody is there to ask; add --yes to do it")
        summary = asked.operation.summary.removesuffix(".")
        question = f"{asked.line}\n{summary[:1].upper()}{summary[1:]}. Do it?"
        if not click.confirm(question, default=False, err=not sys.stdout.isatty()):
            click.echo("Nothing was changed.")
            return
    try:
        said = run_async(lambda: _run(settings, asked))
    except BridgeError as error:
        click.echo(f"{asked.account.name}: {' '.join(plain_lines(str(error)).split())}", err=True)
        context.exit(1)
    click.echo(said or "Done." if asked.operation.changes else said or "Nothing was found.")


async def _run(settings: Settings, asked: Asked) -> str:
    async with opened(settings) as store, remembering(asked.account, store):
        if not asked.operation.changes:
            return await asked.run()
        command = f"account {asked.account.name} {asked.operation.name}"

        async def audit(outcome: str) -> None:
            now = time.time()
            await store.write(
                lambda tx: tx.audit.add(person=operator(), place=HERE, command=command, outcome=outcome, now=now)
            )

        # Before and after: one that is killed in between has done nobody knows what, and that is to be seen.
        await audit("begun")
        try:
            said = await asked.run()
        except BridgeError:
            await audit("failed")
            raise
        await audit("done")
        return said


async def _states(settings: Settings, names: list[str]) -> Mapping[str, AccountState]:
    async with opened(settings) as store:
        return await store.read(lambda tx: {name: tx.accounts.get(name) for name in names})


def _data(found: Account, state: AccountState) -> dict[str, object]:
    return {
        "account": found.name,
        "provider": found.provider,
        "paused": state.paused,
        "reason": state.reason,
        "operations": [
            {
                "name": operation.name,
                "arguments": list(operation.arguments),
                "summary": operation.summary,
                "example": operation.example,
                "changes": operation.changes,
            }
            for operation in operations_of(found)
        ],
    }


def _print_accounts(accounts: Mapping[str, Account], states: Mapping[str, AccountState]) -> None:
    print_table(
        [
            [
                name,
                title_of(found),
                pause_words(states[name]) if states[name].paused else "sending",
                ", ".join(operation.name for operation in operations_of(found)) or "nothing beside sending",
            ]
            for name, found in accounts.items()
        ],
        headings=["ACCOUNT", "PROVIDER", "STATE", "OFFERS"],
    )


def _print_operations(found: Account) -> None:
    offered = operations_of(found)
    if not offered:
        click.echo(f"{found.name} ({title_of(found)}) offers nothing beside sending.")
        return
    for operation in offered:
        asks = " (asks first)" if operation.changes else ""
        click.echo(f"{usage(found, operation)}: {operation.summary}{asks}")
        click.echo(f"  {_COMMAND} {example(found, operation)}")


# --- webhooks that a person sets up at the provider


def by_hand(settings: Settings, name: str) -> ProviderAccount | None:
    """The account of that name if a person has to switch its events on at the provider; else None."""
    from bot.app import provider_accounts

    provider = provider_accounts(settings).get(name)
    if provider is None or isinstance(provider.bridge, Subscribes) or not isinstance(provider.bridge, Instructs):
        return None
    return provider


def instructions(settings: Settings, provider: ProviderAccount, *, show_secret: bool) -> str:
    """Exactly what to enter at the provider; its secrets are named, unless they are asked for. Raises ``Problem``."""
    bridge, name = provider.bridge, provider.name
    assert isinstance(bridge, Instructs)
    url = hook_url(settings, name)
    if url is None:
        raise Problem(
            "web.public_url: is not set, so there is no address to enter;"
            ' set it to the address under which this bot is reachable, such as "https://bridge.example.org"'
        )
    text = bridge.instructions(url)
    return text if show_secret else _without_secrets(settings, name, text)


def _without_secrets(settings: Settings, name: str, text: str) -> str:
    """The text with each secret of the account replaced by the key it stands under."""
    given = dict(settings.accounts[name])
    found = [(value.get_secret_value(), key) for key, value in given.items() if isinstance(value, SecretStr)]
    for secret, key in sorted(found, key=lambda pair: -len(pair[0])):
        if secret:
            text = text.replace(secret, f"<the value of accounts.{name}.{key}>")
    return text
