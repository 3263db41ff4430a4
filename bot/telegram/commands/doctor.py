"""``/doctor``: what stops this bot from hearing or speaking here, and what to do about it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from bot.addresses import TELEGRAM, Address
from bot.doctor import (
    WORDS_MOST,
    Finding,
    Hooks,
    Probe,
    Queues,
    all_rules,
    ending,
    fine,
    free_space,
    of_account,
    of_database,
    of_rules,
    probe,
    stops,
    wrong,
)
from bot.operations import chat_lines, one_line
from bot.routing import Arrow, Rule
from bot.store import Tx
from bot.telegram import checkup
from bot.telegram.access import Role
from bot.telegram.commands.registry import Answer, Call, Reply, Services, registry
from bot.telegram.commands.status import within_reach
from bot.telegram.surroundings import Installation
from bot.text import utf16_length
from bot.zones import zone_of

ANSWER_MOST = 7_800
"""UTF-16 units of an answer: it goes in two messages."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What the network said."""

    telegram: checkup.Said | None
    """None: commands are played without Telegram."""
    probes: Mapping[str, Probe]
    free: int | None


@dataclass(frozen=True, slots=True)
class Visit:
    """Who asks, and where."""

    services: Services
    here: Address
    everywhere: Role
    now: float
    wrote_at: float | None = None
    """When it was asked by Telegram's clock, if that is told."""


async def look(services: Services, here: Address) -> Looked:
    """Ask Telegram and every account, all at once, each in bounded time."""
    about = services.surroundings
    accounts = {name: each for name, each in services.relay.accounts.items() if name != TELEGRAM}
    async with asyncio.TaskGroup() as group:
        said = group.create_task(checkup.ask(about, here)) if about is not None else None
        probes = {name: group.create_task(probe(account)) for name, account in accounts.items()}
        database = about.installation.database if about is not None else None
        free = group.create_task(asyncio.to_thread(free_space, database)) if database is not None else None
    return Looked(
        None if said is None else said.result(),
        {name: task.result() for name, task in probes.items()},
        None if free is None else free.result(),
    )


@registry.add(
    "doctor",
    role=Role.OPERATOR,
    summary="What stops this bot from hearing or speaking here, with the remedy",
    example="/doctor",
    details=(
        "Looks at the rights and the privacy mode here, at other programs with the same token, the clock, every account"
        " and its webhooks, queues, rules and the database. It sends nothing to any provider."
    ),
    prepare=lambda call: look(call.services, call.here),
)
def doctor(call: Call, tx: Tx) -> Answer:
    """Every finding on a line of its own; how many at the end."""
    assert isinstance(call.prepared, Looked)
    visit = Visit(call.services, call.here, call.everywhere, call.now, call.message.date.timestamp())
    return Reply(report(visit, tx, call.prepared))


def report(visit: Visit, tx: Tx, looked: Looked) -> str:
    """The answer in full."""
    findings = list(_findings(visit, tx, looked))
    # Not the remedies: they are our own words, and name @BotFather on purpose.
    lines = [str(replace(each, text=chat_lines(each.text))) for each in findings]
    return _bounded(lines, ending(findings))


def _findings(visit: Visit, tx: Tx, looked: Looked) -> Iterator[Finding]:
    services, now = visit.services, visit.now
    zone = zone_of(tx, visit.here, services.default_timezone)
    about, rules, accounts = services.surroundings, all_rules(tx), services.relay.accounts
    installation = about.installation if about is not None else Installation()
    if about is not None and looked.telegram is not None:
        yield from checkup.of_chat(tx, looked.telegram, visit.here, rules=rules)
        touch = about.contact()
        yield from checkup.of_contact(touch, looked.telegram, wanted=about.allowed_updates, zone=zone, now=now)
        yield from checkup.of_clock(looked.telegram, wrote_at=visit.wrote_at or now, now=now)
    seen = [rule for rule in rules if within_reach(rule, here=visit.here, everywhere=visit.everywhere)]
    yield from _links(visit, tx, seen)
    yield from of_rules(seen, accounts=accounts, told=lambda rule: is_link_of(rule, visit.here))
    queues = Queues(tx.outbox.depth(), tx.outbox.counts())
    hooks = Hooks(frozenset(installation.takes_hooks), installation.public_url)
    for name, account in sorted(accounts.items()):
        yield from of_account(tx, account, looked.probes.get(name), queues=queues, hooks=hooks, zone=zone, now=now)
    yield from of_database(tx, free=looked.free)


def _links(visit: Visit, tx: Tx, rules: Sequence[Rule]) -> Iterator[Finding]:
    """What this chat is linked with, and what keeps that from passing words on."""
    here = visit.here
    linked = [
        address
        for address in visit.services.relay.router(tx).linked(here)
        if address.account != TELEGRAM or visit.everywhere >= Role.OPERATOR
    ]
    idle = [rule for rule in rules if is_link_of(rule, here) and not rule.works]
    if linked:
        yield fine(f"Linked with {', '.join(map(str, linked))}")
    elif not idle:
        yield fine("Not linked: /link ADDRESS joins this chat with a conversation")
    for rule in idle:
        other = rule.target if rule.source == here else rule.source
        if rule.enabled:
            why = one_line(rule.paused, most=WORDS_MOST)
            remedy = f"let me write there again, then /route enable {rule.name}"
            yield wrong(f"Route {rule.name} would link this chat with {other}, and rests: {why}", remedy)
        elif other not in linked:
            text = f"Route {rule.name} would link this chat with {other}, and is switched off"
            yield stops(text, f"/route enable {rule.name}")
    muted = tx.mutes.all()
    if str(here) in muted:
        yield stops("Nothing is relayed from here: it is muted", "/unmute here")
    for address in linked:
        if str(address) in muted:
            yield stops(f"Nothing comes here from {address}: it is muted", f"/unmute {address}")
        yield from _waits(visit, tx, address)


def _waits(visit: Visit, tx: Tx, address: Address) -> Iterator[Finding]:
    """What is written here is not sent on just now."""
    name = address.account
    if tx.accounts.get(name).paused:
        yield stops(f"What is written here waits: {name} is paused", f"/resume {name}")
    elif tx.notices.at(f"lost:{name}") is not None:
        yield stops(f"What is written here waits: {name} takes no messages just now", "/status tells the last error")


def is_link_of(rule: Rule, place: Address) -> bool:
    """Whether a rule, if it works, links this very place with another."""
    return rule.arrow is Arrow.BOTH and place in (rule.source, rule.target)


def _bounded(lines: list[str], last: str) -> str:
    """As many lines as go into two messages; those that are fine go first if there are too many."""
    kept = lines
    if utf16_length("\n".join([*kept, "", last])) > ANSWER_MOST:
        kept = [line for line in lines if not line.startswith("✅")]
    shown = len(kept)
    while shown and utf16_length("\n".join([*kept[:shown], "", last])) > ANSWER_MOST - 40:
        shown -= 1
    more = [f"… and {len(kept) - shown} more"] if shown < len(kept) else []
    return "\n".join([*kept[:shown], *more, "", last])
