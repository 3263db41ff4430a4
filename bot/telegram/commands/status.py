"""How the accounts stand, and the numbers: ``/status`` and ``/stats``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from zoneinfo import ZoneInfo

from bot.addresses import TELEGRAM, Address, NewTopic, is_within, parse_address
from bot.changes import BY_ROUTE
from bot.decisions import REDIRECTED
from bot.doctor import Queues
from bot.operations import chat_lines, one_line, pause_words, title_of
from bot.polling import trouble_key
from bot.relay import rule_of
from bot.routing import Rule
from bot.store import Tx
from bot.store.balance import balance
from bot.store.numbers import SETTLED_MOST, Settled
from bot.telegram.access import Role
from bot.telegram.commands.registry import Answer, Call, Reply, registry
from bot.zones import clock, span, zone_of
from bridges.model import ConversationId

ERROR_MOST = 300
"""Characters of a reason that are shown."""
LOOKED_AT = 50
"""Deliveries that are looked through for the latest reason that the role may see."""
ROUTES_MOST = 20
DAY_S = 86_400.0


@registry.add(
    "status",
    role=Role.OPERATOR,
    summary="Accounts, queues and the last errors",
    example="/status",
    details="For each account: whether it sends, what waits and for how long, what was given up or is held, and why.",
)
def status(call: Call, tx: Tx) -> Answer:
    """A paragraph for each account, then what runs."""
    zone = zone_of(tx, call.here, call.services.default_timezone)
    queues = Queues(tx.outbox.depth(), tx.outbox.counts())
    lines = [line for name in sorted(call.relay.accounts) for line in _account(call, tx, name, queues, zone=zone)]
    lines += [f"Announcements {state}: {number}" for state, number in tx.numbers.announcements().items()]
    lines.append(_running(call))
    return Reply(chat_lines("\n".join(lines)))


def _account(call: Call, tx: Tx, name: str, queues: Queues, *, zone: ZoneInfo) -> Iterator[str]:
    account, state = call.relay.accounts[name], tx.accounts.get(name)
    waiting, oldest = queues.waiting.get(name, (0, call.now))
    counts = queues.counts
    lost = tx.notices.at(f"lost:{name}")
    if state.paused:
        words = pause_words(state, zone=zone)
    elif lost is not None:
        words = f"takes no messages since {clock(lost, zone)}"
    else:
        words = "sending"
    parts = [words, f"{waiting} waiting"]
    if waiting:
        parts.append(f"the oldest for {span(call.now - oldest)}")
    parts += [f"{counts[name, outcome]} {outcome}" for outcome in ("held", "dead") if counts.get((name, outcome))]
    yield f"{name} ({title_of(account)}): {', '.join(parts)}"
    if state.paused_by:
        yield f"  /resume {name} sends what waits"
    troubles = tx.numbers.troubles(name, limit=LOOKED_AT)
    last = next((each for each in troubles if call.reaches(parse_address(each.address))), None)
    if last is not None:
        yield f"  last error ({clock(last.at, zone)}): {one_line(last.error, most=ERROR_MOST)}"
    if trouble := tx.meta.get(trouble_key(name)):
        yield f"  nothing is fetched: {one_line(trouble, most=ERROR_MOST)}"


def _running(call: Call) -> str:
    try:
        number = version("patchbay")
    except PackageNotFoundError:
        number = "(not installed)"
    about = call.services.surroundings
    return f"Patchbay {number}" + (f", running for {span(call.now - about.started_at)}" if about is not None else "")


@registry.add(
    "stats",
    role=Role.OPERATOR,
    summary="The balance of all that came and went, and numbers by account and route",
    example="/stats",
    details=(
        "accepted = relayed + commands + filtered + unrouted + echoes + duplicates + unsupported + failed + pending;"
        " created = sent + held + dead + expired + discarded + cancelled + queued + sending."
        " Where that does not add up, something was lost or came twice."
    ),
)
def stats(call: Call, tx: Tx) -> Answer:
    """The numbers of ``patchbay stats``, then those of the last day and week."""
    found = balance(tx)
    settled, cut = tx.numbers.settled(since=call.now - 7 * DAY_S, today=call.now - DAY_S)
    lines = [
        "In: " + ", ".join(f"{name} {number}" for name, number in found["inbound"].items()),
        "Out: " + ", ".join(f"{name} {number}" for name, number in found["deliveries"].items()),
        "This is balanced." if found["balanced"] else "This is not balanced: please report it, with the log.",
        *_table("By account", _by_account(settled)),
        *_table("By route", _by_route(call, tx, settled)),
    ]
    if cut:
        lines.append(f"(counted among the latest {SETTLED_MOST})")
    return Reply(chat_lines("\n".join(lines)))


Sums = Sequence[tuple[str, int, int]]
"""Name, number in a day, number in a week."""


def _by_account(settled: Sequence[Settled]) -> Sums:
    day, week = Counter[str](), Counter[str]()
    for each in settled:
        day[f"{each.account} {each.state}"] += each.today
        week[f"{each.account} {each.state}"] += each.all
    return [(name, day[name], week[name]) for name in sorted(week)]


def _by_route(call: Call, tx: Tx, settled: Sequence[Settled]) -> Sums:
    day, week = Counter[str](), Counter[str]()
    for each in settled:
        if each.state == "sent" and each.why.startswith(BY_ROUTE):
            name, _, _ = each.why.removeprefix(BY_ROUTE).partition(REDIRECTED)
            day[name] += each.today
            week[name] += each.all
    names = [
        rule.name
        for rule in map(rule_of, tx.routes.all())
        if week[rule.name] and within_reach(rule, here=call.here, everywhere=call.everywhere)
    ]
    return sorted(((f"{name} sent", day[name], week[name]) for name in names), key=lambda row: -row[2])


def within_reach(rule: Rule, *, here: Address, everywhere: Role) -> bool:
    """Whether somebody in this chat, with this role everywhere, may see a rule: one with an end in another chat of
    Telegram's is not for a role that is limited to this one."""
    if everywhere >= Role.OPERATOR:
        return True
    chat = Address(TELEGRAM, ConversationId(here.conversation.partition("/")[0]))
    ends = (rule.source, rule.target.chat if isinstance(rule.target, NewTopic) else rule.target)
    return all(end.account != TELEGRAM or (isinstance(end, Address) and is_within(end, chat)) for end in ends)


def _table(title: str, sums: Sums) -> Iterator[str]:
    if sums:
        yield f"\n{title}, in 24 hours / 7 days:"
        yield from (f"{name} {today} / {week}" for name, today, week in sums[:ROUTES_MOST])
    if len(sums) > ROUTES_MOST:
        yield f"… and {len(sums) - ROUTES_MOST} more"
