"""``check``, ``subscribe``, ``unsubscribe``, ``subscriptions``."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import asdict

import click

from bot.accounts import Account, ProviderAccount
from bot.cli.common import Problem, opened, print_table, run_async, settings_of, when
from bot.relay import rule_of
from bot.settings import Settings, hook_url
from bot.store import Tx
from bot.store.sqlite import LOOK_S, SqliteStore
from bridges.api import Subscribes, Subscription
from bridges.driver import drive, utc_now
from bridges.errors import BridgeError, Refused

NOTICED_S = LOOK_S * 4
"""After this long a running bot has noticed what was written beside it."""


@click.command()
@click.pass_context
def check(context: click.Context) -> None:
    """Check configuration, database, routes and every account. Sends nothing; exit code 0 or 1."""
    settings = settings_of(context)
    rows = run_async(lambda: _check(settings))
    print_table([[what, "ok" if good else "WRONG", words] for what, good, words in rows], headings=["", "", ""])
    context.exit(0 if all(good for _, good, _ in rows) else 1)


async def _check(settings: Settings) -> list[tuple[str, bool, str]]:
    from bot.app import all_accounts

    rows = [("configuration", True, "read")]
    accounts = all_accounts(settings)
    async with opened(settings) as store:
        rows.append(("database", True, str(settings.store.path)))
        for row in await store.read(lambda tx: tx.routes.all()):
            rows.append(_check_route(row.name, rule_of(row), accounts))
    probes = await asyncio.gather(*(_probe(account) for account in accounts.values()))
    for name, (good, words) in zip(accounts, probes, strict=True):
        rows.append((f"account {name}", good, words))
    for account in accounts.values():
        await account.close()
    return rows


def _check_route(name: str, rule: object, accounts: Mapping[str, Account]) -> tuple[str, bool, str]:
    from bot.routing import Rule

    assert isinstance(rule, Rule)
    for end in (rule.source, rule.target):
        if end.account not in accounts:
            return f"route {name}", False, f"{end}: there is no account {end.account!r} in the configuration"
    return f"route {name}", True, f"{rule.source} {rule.arrow} {rule.target}"


async def _probe(account: Account) -> tuple[bool, str]:
    try:
        return True, await account.probe()
    except BridgeError as error:
        return False, str(error)


def _subscribing(settings: Settings, name: str) -> tuple[ProviderAccount, Subscribes, str]:
    from bot.app import provider_accounts

    if name not in settings.accounts:
        known = ", ".join(settings.accounts) or "none"
        raise Problem(f"there is no account {name!r} in the configuration; there are: {known}")
    account = provider_accounts(settings)[name]
    if not isinstance(account.bridge, Subscribes):
        base = settings.web.public_url
        where = f"{base}/hooks/{name}/" if base else f"/hooks/{name}/ under this bot's address (web.public_url)"
        raise Problem(
            f"{account.bridge.title} has no subscriptions to make by API; enter the webhook on its side:"
            f" {where} followed by the value of accounts.{name}.hook_secret"
        )
    url = hook_url(settings, name)
    if url is None:
        raise Problem(
            "web.public_url: is not set, so the provider could not reach this bot;"
            ' set it to the address under which it is reachable, such as "https://bridge.example.org"'
        )
    return account, account.bridge, url


@click.command()
@click.argument("account")
@click.pass_context
def subscribe(context: click.Context, account: str) -> None:
    """Make or renew the provider's event subscription that points here. The bot has to run meanwhile."""
    settings = settings_of(context)
    done = run_async(lambda: _subscribe(settings, account))
    click.echo(f"subscribed: {done.event} {done.detail}".rstrip())


async def _subscribe(settings: Settings, name: str) -> Subscription:
    account, bridge, url = _subscribing(settings, name)
    try:
        async with opened(settings) as store:
            return await _try_all(store, account, bridge, url)
    finally:
        await account.close()


async def _try_all(store: SqliteStore, account: ProviderAccount, bridge: Subscribes, url: str) -> Subscription:
    """Each attempt is made known to the running bot, which answers the provider's challenge, before it is tried."""
    name = account.name
    before = (await store.read(lambda tx: tx.accounts.get(name))).memory or {}
    from bridges.api import Remembers

    if before and isinstance(bridge, Remembers):
        bridge.recall(before)
    refusals: list[str] = []
    for number, memory in enumerate(bridge.attempts()):
        known = dict(memory)
        if known and known != before:
            await store.write(lambda tx, known=known: tx.accounts.remember(name, known))  # type: ignore[misc]
        if number:
            await asyncio.sleep(NOTICED_S)
        try:
            attempt = bridge.attempt(url, memory=memory, now=utc_now())
            made = await drive(attempt, send=account.http.send, auth=account.bridge.auth)
        except Refused as error:
            refusals.append(str(error))
            continue
        except BridgeError as error:
            await store.write(lambda tx: tx.accounts.remember(name, before))
            raise Problem(f"not subscribed: {error}") from error
        return await _keep(store, name, made, memory=dict(made.memory) or known)
    await store.write(lambda tx: tx.accounts.remember(name, before))
    await asyncio.sleep(NOTICED_S)  # else a command right behind this one would meet the mode that was tried last
    raise Problem(
        f"not subscribed: {refusals[-1]}; check that `patchbay run` is up and that web.public_url leads to it"
        + (f" ({len(refusals)} ways of answering the challenge were tried)" if len(refusals) > 1 else "")
    )


async def _keep(store: SqliteStore, name: str, made: Subscription, *, memory: Mapping[str, str]) -> Subscription:
    """Write down what was learnt and how the subscription stands now."""
    record = json.dumps({**asdict(made), "memory": {}, "at": time.time()})

    def unit(tx: Tx) -> None:
        if memory:
            tx.accounts.remember(name, memory)
        tx.meta.set(f"subscription:{name}", record)

    await store.write(unit)
    return made


@click.command()
@click.argument("account")
@click.pass_context
def unsubscribe(context: click.Context, account: str) -> None:
    """End the subscription; doing it twice is fine."""
    settings = settings_of(context)

    async def work() -> Subscription:
        provider, bridge, url = _subscribing(settings, account)
        try:
            ended = await drive(bridge.unsubscribe(url), send=provider.http.send, auth=provider.bridge.auth)
        except BridgeError as error:
            raise Problem(f"not unsubscribed: {error}") from error
        finally:
            await provider.close()
        async with opened(settings) as store:
            return await _keep(store, account, ended, memory={})

    click.echo(f"unsubscribed: {run_async(work).event}")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For scripts")
@click.pass_context
def subscriptions(context: click.Context, as_json: bool) -> None:
    """What was subscribed from here, by account."""
    settings = settings_of(context)

    async def work() -> dict[str, str | None]:
        async with opened(settings) as store:
            return await store.read(lambda tx: {n: tx.meta.get(f"subscription:{n}") for n in settings.accounts})

    found = {name: json.loads(text) if text else None for name, text in run_async(work).items()}
    if as_json:
        rows = [
            {"account": name, "event": s["event"], "active": s["active"], "at": when(s["at"])}
            for name, s in found.items()
            if s
        ]
        click.echo(json.dumps(rows, indent=2))
        return
    print_table(
        [
            [name, s["event"], "active" if s["active"] else "ended", when(s["at"])] if s else [name, "", "none", ""]
            for name, s in found.items()
        ],
        headings=["ACCOUNT", "EVENT", "STATE", "SINCE"],
    )
