"""``check``, ``subscribe``, ``unsubscribe``, ``subscriptions``."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from urllib.parse import urlsplit

import click

from bot import planning
from bot.accounts import Account, ProviderAccount
from bot.cli.account import by_hand, instructions
from bot.cli.common import Problem, opened, print_json, print_table, remembering, run_async, settings_of, when
from bot.firing import Firing
from bot.operations import pause_words, title_of
from bot.relay import Relay, rule_of
from bot.settings import Settings, hook_url
from bot.store import Tx
from bot.subscriptions import NotSubscribed, Standing, end, make, missing, standing
from bridges.api import Subscribes, Subscription
from bridges.errors import BridgeError

CLOCK_MOST_S = 120.0
"""Tokens and signed webhooks are refused by a clock that is further off; common limits are two to five minutes."""
UNREACHABLE_SHOWN = 10


@click.command()
@click.pass_context
def check(context: click.Context) -> None:
    """Check configuration, database, routes and every account. Sends nothing; exit code 0 or 1."""
    settings = settings_of(context)
    rows = run_async(lambda: _check(settings))
    print_table(
        [[what, "ok" if good else "WRONG", provider, words] for what, good, provider, words in rows],
        headings=["", "", "PROVIDER", ""],
    )
    context.exit(0 if all(good for _, good, _, _ in rows) else 1)


async def _check(settings: Settings) -> list[tuple[str, bool, str, str]]:
    from bot.app import all_accounts, policy_of, schedule_policy

    rows = [("configuration", True, "", "read")]
    accounts = all_accounts(settings)
    async with opened(settings) as store:
        rows.append(("database", True, "", str(settings.store.path)))
        for row in await store.read(lambda tx: tx.routes.all()):
            name, good, words = _check_route(row.name, rule_of(row), accounts)
            rows.append((name, good, "", words))
        firing = Firing(Relay(accounts=accounts, policy=policy_of(settings)), schedule_policy(settings))
        rows += await store.read(lambda tx: _check_schedules(tx, firing))
        for account in accounts.values():
            if isinstance(account, ProviderAccount):
                await account.remember_in(store)
        probes = await asyncio.gather(*(_probe(settings, account) for account in accounts.values()))
        standings = await store.read(lambda tx: {name: standing(tx, name) for name in settings.accounts})
        states = await store.read(lambda tx: {name: tx.accounts.get(name) for name in accounts})
    for account, (good, words) in zip(accounts.values(), probes, strict=True):
        if states[account.name].paused_by:
            words += f"; {pause_words(states[account.name])}: /resume {account.name} in the chat"
        rows.append((f"account {account.name}", good, title_of(account), words))
        if isinstance(account, ProviderAccount) and isinstance(account.bridge, Subscribes):
            stands = standings[account.name]
            good, words = _subscription_words(account.name, stands, now=time.time())
            if good and stands is not None and stands.active:
                good, words = await _inspected(settings, account, words)
            rows.append((f"subscription {account.name}", good, title_of(account), words))
    for account in accounts.values():
        await account.close()
    return rows


def _check_route(name: str, rule: object, accounts: Mapping[str, Account]) -> tuple[str, bool, str]:
    from bot.routing import Rule

    assert isinstance(rule, Rule)
    for place in (rule.source, rule.target):
        if place.account not in accounts:
            return f"route {name}", False, f"{place}: there is no account {place.account!r} in the configuration"
    return f"route {name}", True, f"{rule.source} {rule.arrow} {rule.target}"


def _check_schedules(tx: Tx, firing: Firing) -> list[tuple[str, bool, str, str]]:
    """One row for all of them if all is well, else one for each of the first that cannot be read, and of the first
    targets that nothing can be sent to."""
    number = tx.schedules.count()
    if not number:
        return []
    wrong = [*planning.unreadable(tx), *planning.unreachable(tx, firing)]
    if not wrong:
        return [("schedules", True, "", f"{number:,}, all their targets can be sent to")]
    more = [f"and {len(wrong) - UNREACHABLE_SHOWN:,} more"] if len(wrong) > UNREACHABLE_SHOWN else []
    return [("schedules", False, "", words) for words in (*wrong[:UNREACHABLE_SHOWN], *more)]


async def _probe(settings: Settings, account: Account) -> tuple[bool, str]:
    try:
        good, words = True, await account.probe()
    except BridgeError as error:
        good, words = False, str(error)
    if isinstance(account, ProviderAccount):
        base = str(getattr(settings.accounts[account.name], "base_url", ""))
        clock = _clock_words(account.clock_skew_s, host=urlsplit(base).hostname or account.bridge.title)
        if clock is not None:
            return False, f"{words}; {clock}"
    return good, words


def _clock_words(skew_s: float | None, *, host: str) -> str | None:
    """What is wrong with this machine's clock by that of a provider; None if nothing is, or nothing is known."""
    if skew_s is None or abs(skew_s) <= CLOCK_MOST_S:
        return None
    off_s = abs(skew_s)
    off = f"{off_s / 60:.0f} min" if off_s < 7200 else f"{off_s / 3600:.0f} h" if off_s < 172_800 else "days"
    return (
        f"this machine's clock is {off} {'ahead of' if skew_s > 0 else 'behind'} {host};"
        " set it (timedatectl set-ntp true): tokens and webhooks depend on it"
    )


def _subscription_words(name: str, stands: Standing | None, *, now: float) -> tuple[bool, str]:
    """How an account's subscription stands; wrong only if it has run out although it should not."""
    if stands is None:
        return True, f"none made from here; while the bot runs: patchbay subscribe {name}"
    if not stands.active:
        return True, f"{stands.event}: ended at {when(stands.at)}"
    if stands.expires_at is None:
        return True, f"{stands.event}: subscribed at {when(stands.at)}"
    if stands.expires_at > now:
        return True, f"{stands.event}: subscribed until {when(stands.expires_at)}, renewed before by the running bot"
    return False, (
        f"{stands.event}: ran out at {when(stands.expires_at)}, so nothing comes in from there;"
        f" start the bot, which renews it, or: patchbay subscribe {name}"
    )


async def _inspected(settings: Settings, account: Account, words: str) -> tuple[bool, str]:
    """What the provider says of a subscription that was made from here."""
    url = hook_url(settings, account.name)
    if not isinstance(account, ProviderAccount) or url is None:
        return True, words
    try:
        gone = await missing(account, url)
    except BridgeError as error:
        return True, f"{words}; it could not be looked at there: {error}"
    if gone is None:
        return True, words
    return False, f"{gone}, so nothing comes in from there; patchbay subscribe {account.name} makes it again"


def _subscribing(settings: Settings, name: str) -> tuple[ProviderAccount, str]:
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
    return account, url


@click.command()
@click.argument("account")
@click.option("--show-secret", is_flag=True, help="Where it is entered by hand: print the webhook's address in full")
@click.pass_context
def subscribe(context: click.Context, account: str, show_secret: bool) -> None:
    """Make or renew the provider's event subscription that points here. The bot has to run meanwhile.

    Where a person has to set it up at the provider, this prints exactly what to enter.
    """
    settings = settings_of(context)
    provider = by_hand(settings, account)
    if provider is not None:
        click.echo(instructions(settings, provider, show_secret=show_secret))
        return

    async def work() -> Subscription:
        provider, url = _subscribing(settings, account)
        async with opened(settings) as store, remembering(provider, store):
            try:
                return await make(store, provider, url, elsewhere=True)
            except NotSubscribed as error:
                raise Problem(f"not subscribed: {error}") from error

    done = run_async(work)
    until = f"; renewed by the bot before {when(done.expires_at.timestamp())}" if done.expires_at else ""
    click.echo(f"subscribed: {done.event} {done.detail}".rstrip() + until)


@click.command()
@click.argument("account")
@click.pass_context
def unsubscribe(context: click.Context, account: str) -> None:
    """End the subscription; doing it twice is fine."""
    settings = settings_of(context)
    provider = by_hand(settings, account)
    if provider is not None:
        click.echo(
            f"{provider.bridge.title} is set up by hand: remove there what `patchbay subscribe {account}` says to"
            " enter. Until then its webhooks are taken."
        )
        return

    async def work() -> Subscription:
        provider, url = _subscribing(settings, account)
        async with opened(settings) as store, remembering(provider, store):
            try:
                return await end(store, provider, url)
            except BridgeError as error:
                raise Problem(f"not unsubscribed: {error}") from error

    click.echo(f"unsubscribed: {run_async(work).event}")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For scripts")
@click.pass_context
def subscriptions(context: click.Context, as_json: bool) -> None:
    """What was subscribed from here, by account."""
    settings = settings_of(context)

    async def work() -> dict[str, Standing | None]:
        async with opened(settings) as store:
            return await store.read(lambda tx: {name: standing(tx, name) for name in settings.accounts})

    found = run_async(work)
    if as_json:
        print_json(
            [
                {
                    "account": name,
                    "event": stands.event,
                    "active": stands.active,
                    "at": when(stands.at),
                    "expires_at": when(stands.expires_at) if stands.expires_at is not None else None,
                }
                for name, stands in found.items()
                if stands is not None
            ]
        )
        return
    print_table(
        [
            _unrecorded(settings, name)
            if stands is None
            else [
                name,
                stands.event,
                "active" if stands.active else "ended",
                when(stands.at),
                when(stands.expires_at) if stands.active and stands.expires_at is not None else "",
            ]
            for name, stands in found.items()
        ],
        headings=["ACCOUNT", "EVENT", "STATE", "SINCE", "ENDS"],
    )


def _unrecorded(settings: Settings, name: str) -> list[str]:
    if by_hand(settings, name) is not None:
        return [name, "set up at the provider", "manual", "", ""]
    return [name, "", "none", "", ""]
