"""What stops the bot from hearing or speaking: findings about accounts, queues, rules and the database.

What is about Telegram is found in :mod:`bot.telegram.checkup`. The network is asked before (:func:`probe`), all sides
at once and each in bounded time; the rest is read in the transaction that answers.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from zoneinfo import ZoneInfo

from bot.accounts import Account, ProviderAccount
from bot.operations import one_line, pause_words, title_of
from bot.polling import trouble_key
from bot.relay import rule_of
from bot.routing import Rule
from bot.store import Tx
from bot.subscriptions import standing
from bot.zones import clock, span
from bridges.api import Subscribes
from bridges.errors import BridgeError, Unauthorized, Unavailable

PROBE_S = 5.0
CLOCK_MOST_S = 120.0
"""As ``patchbay check``: tokens and signed webhooks are refused by a clock that is further off."""
WAITS_MOST_S = 300.0
"""Something that waits longer is a finding."""
FREE_LEAST, FREE_FEW = 100 << 20, 1 << 30
"""Bytes free on the database's disk: fewer stop the bot soon; fewer than that are worth a look."""
WORDS_MOST = 300


class Level(StrEnum):
    """How bad a finding is."""

    FINE = "✅"
    ODD = "⚠️"
    WRONG = "❌"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at, and what to do about it."""

    level: Level
    text: str
    remedy: str = ""
    stops: bool = False
    """Somebody meant it so, and yet it keeps words from passing."""

    def __str__(self) -> str:
        return f"{self.level} {self.text}" + (f" → {self.remedy}" if self.remedy else "")


def fine(text: str) -> Finding:
    """All is well there."""
    return Finding(Level.FINE, text)


def odd(text: str, remedy: str) -> Finding:
    """It works, but not all of it or not for long."""
    return Finding(Level.ODD, text, remedy)


def stops(text: str, remedy: str) -> Finding:
    """All works as somebody set it, and for that reason words do not pass."""
    return Finding(Level.ODD, text, remedy, stops=True)


def wrong(text: str, remedy: str) -> Finding:
    """It does not work."""
    return Finding(Level.WRONG, text, remedy)


# --- accounts


@dataclass(frozen=True, slots=True)
class Probe:
    """What came of asking an account whether it works."""

    took_s: float
    said: str | BridgeError
    ahead_s: float | None = None
    """How far this machine's clock is ahead of the provider's."""


async def probe(account: Account, *, within_s: float = PROBE_S) -> Probe:
    """Ask whether an account's credentials work; raises nothing."""
    began = time.monotonic()
    said: str | BridgeError
    try:
        async with asyncio.timeout(within_s):
            said = await account.probe()
    except TimeoutError:
        said = Unavailable(f"nothing came back within {within_s:g} s")
    except BridgeError as error:
        said = error
    ahead_s = account.clock_skew_s if isinstance(account, ProviderAccount) else None
    return Probe(time.monotonic() - began, said, ahead_s)


@dataclass(frozen=True, slots=True)
class Hooks:
    """Which accounts are told by webhook, and whether their providers can reach this bot."""

    takes: frozenset[str]
    public_url: str | None


@dataclass(frozen=True, slots=True)
class Queues:
    """What waits and what was settled how, of all accounts: asked once, for it is counted from all rows."""

    waiting: Mapping[str, tuple[int, float]]
    counts: Mapping[tuple[str, str], int]


def of_account(
    tx: Tx, account: Account, asked: Probe | None, *, queues: Queues, hooks: Hooks, zone: ZoneInfo, now: float
) -> Iterator[Finding]:
    """Whether an account answers, sends and is heard."""
    name, state = account.name, tx.accounts.get(account.name)
    title = f"{name} ({title_of(account)})"
    if asked is not None:
        yield _answer(name, title, asked)
        if asked.ahead_s is not None and abs(asked.ahead_s) > CLOCK_MOST_S:
            yield wrong(f"This machine's clock is {_off(asked.ahead_s)} that of {title}", CLOCK_REMEDY)
    if state.paused_by:
        yield odd(f"{name} is {pause_words(state, zone=zone)}", f"/resume {name} sends what waits")
    elif state.paused:
        remedy = f"correct accounts.{name} in the configuration and restart; /resume {name} tries it at once"
        yield wrong(f"{name} is {pause_words(state, zone=zone)}", remedy)
    if trouble := tx.meta.get(trouble_key(name)):
        yield wrong(f"Nothing is fetched from {name}: {one_line(trouble, most=WORDS_MOST)}", "it is tried again")
    yield from _queue(queues, name, paused=state.paused, now=now)
    if name in hooks.takes and isinstance(account, ProviderAccount):
        yield from _hearing(tx, account, hooks=hooks, zone=zone, now=now)


def _answer(name: str, title: str, asked: Probe) -> Finding:
    took = f"{asked.took_s * 1000:.0f} ms"
    match asked.said:
        case str(words):
            return fine(f"{title} answers in {took}: {one_line(words, most=WORDS_MOST)}")
        case Unauthorized() as error:
            remedy = f"correct accounts.{name} in the configuration and restart; /resume {name} tries it at once"
            return wrong(f"{title} refuses the credentials: {_said(error)}", remedy)
        case Unavailable() as error:
            remedy = f"what goes there waits and is sent when it is back; is accounts.{name}.base_url right?"
            return wrong(f"{title} cannot be reached ({took}): {_said(error)}", remedy)
        case error:
            return wrong(f"{title} answers, but not as it should: {_said(error)}", "patchbay check says more")


def _said(error: BridgeError) -> str:
    return one_line(str(error), most=WORDS_MOST).removesuffix(".")


CLOCK_REMEDY = "set it (timedatectl set-ntp true): tokens, webhooks and schedules depend on it"


def _off(ahead_s: float) -> str:
    return f"{span(abs(ahead_s))} {'ahead of' if ahead_s > 0 else 'behind'}"


def _queue(queues: Queues, name: str, *, paused: bool, now: float) -> Iterator[Finding]:
    waiting, oldest = queues.waiting.get(name, (0, now))
    if waiting and now - oldest > WAITS_MOST_S and not paused:
        yield odd(f"{waits(waiting)} for {name}, the oldest for {span(now - oldest)}", "/status tells the last error")
    elif waiting and paused:
        yield odd(f"{waits(waiting)} for {name}, the oldest for {span(now - oldest)}", f"/resume {name}")
    if held := queues.counts.get((name, "held"), 0):
        yield odd(f"{held} to {name} may have arrived or not", "/held asks what to do with each")
    if dead := queues.counts.get((name, "dead"), 0):
        yield odd(
            f"{dead} to {name} {'was' if dead == 1 else 'were'} given up",
            "/failed lists what was, /retry all sends it again",
        )


def waits(number: int) -> str:
    """So many, and the verb."""
    return f"{number} {'waits' if number == 1 else 'wait'}"


def _hearing(tx: Tx, account: ProviderAccount, *, hooks: Hooks, zone: ZoneInfo, now: float) -> Iterator[Finding]:
    """Webhooks: whether they can come, and whether they did."""
    name, last = account.name, tx.numbers.last_arrival(account.name)
    came = "nothing came from there yet" if last is None else f"the last thing came {span(now - last)} ago"
    if hooks.public_url is None and last is None:
        yield wrong(
            f"{name} is told of messages by webhook, and web.public_url is not set",
            'set it to the address under which this bot is reachable, such as "https://bridge.example.org"',
        )
        return
    subscribe = f"on the server: patchbay subscribe {name}"
    if not isinstance(account.bridge, Subscribes):
        hint = f" ({subscribe} prints what to enter there)" if last is None else ""
        yield fine(f"Webhooks of {name}: {came}{hint}")
        return
    stands = standing(tx, name)
    if stands is None:
        hint = f" ({subscribe} makes a subscription)" if last is None else ""
        yield fine(f"Webhooks of {name}: {came}{hint}")
    elif not stands.active:
        yield odd(f"The subscription of {name} was ended {clock(stands.at, zone)}; {came}", subscribe)
    elif stands.expires_at is None:
        yield fine(f"{name} is subscribed; {came}")
    elif stands.expires_at <= now:
        yield wrong(f"The subscription of {name} ran out {clock(stands.expires_at, zone)}; {came}", subscribe)
    elif stands.renew_at is not None and stands.renew_at < now:
        ends = f"The subscription of {name} ends {clock(stands.expires_at, zone)} and is not renewed yet"
        yield odd(ends, f"it is tried again; {subscribe}")
    else:
        yield fine(f"{name} is subscribed until {clock(stands.expires_at, zone)}, renewed before; {came}")


# --- rules, database


def of_rules(
    rules: Sequence[Rule], *, accounts: Mapping[str, Account], told: Callable[[Rule], bool] = lambda rule: False
) -> Iterator[Finding]:
    """Rules that rest, or that lead to accounts which are not configured. ``told``: that one rests was said already."""
    for rule in rules:
        missing = {end.account for end in (rule.source, rule.target) if end.account not in accounts}
        for account in sorted(missing):
            yield wrong(
                f"{rule} is about {account}, which is not configured",
                f"add accounts.{account} to the configuration, or /route remove {rule.name}",
            )
        if rule.paused and rule.enabled and not told(rule):
            why = one_line(rule.paused, most=WORDS_MOST)
            yield wrong(f"{rule} rests: {why}", f"let me write there again, then /route enable {rule.name}")


def all_rules(tx: Tx) -> list[Rule]:
    """Every rule as it is saved."""
    return [rule_of(row) for row in tx.routes.all()]


def free_space(database: Path) -> int | None:
    """Bytes that are free on the disk of the database; None if that cannot be told. Asks the disk."""
    try:
        return shutil.disk_usage(database.parent).free
    except OSError:
        return None


def of_database(tx: Tx, *, free: int | None) -> Iterator[Finding]:
    """That the database takes writes is shown by this being answered at all: the answer is written to it before."""
    size = _bytes(tx.numbers.size())
    if free is None:
        yield fine(f"The database takes writes and has {size}")
    elif free < FREE_LEAST:
        yield wrong(f"The database has {size}, and only {_bytes(free)} are free on its disk", "free some space there")
    elif free < FREE_FEW:
        yield odd(f"The database has {size}, and only {_bytes(free)} are free on its disk", "free some space there")
    else:
        yield fine(f"The database takes writes; it has {size}, and {_bytes(free)} are free on its disk")
    if failed := sum(tx.inbox.count_failed().values()):
        yield odd(
            f"{failed} {'arrival' if failed == 1 else 'arrivals'} could not be dealt with: our bug",
            "what came is kept; the log says which",
        )


def _bytes(number: int) -> str:
    for size, unit in ((1 << 30, "GB"), (1 << 20, "MB")):
        if number >= size:
            return f"{number / size:.1f} {unit}"
    return f"{number >> 10} kB"


def ending(findings: list[Finding]) -> str:
    """The last line: how many findings there are, or that nothing is wrong."""
    bad = sum(each.level is Level.WRONG or each.stops for each in findings)
    look = sum(each.level is Level.ODD and not each.stops for each in findings)
    if not bad and not look:
        return "Nothing stops me from hearing or speaking here."
    if not bad and look == 1:
        return "1 finding, which does not stop me from hearing or speaking here."
    if not bad:
        return f"{look} findings, none of which stops me from hearing or speaking here."
    if bad + look == 1:
        return "1 finding, which stops something."
    return f"{bad + look} findings, {bad} of which {'stops' if bad == 1 else 'stop'} something."
