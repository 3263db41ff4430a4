"""Links and routing rules from the chat."""

from __future__ import annotations

from datetime import UTC, datetime

from bot.addresses import Address
from bot.relay import rule_of
from bot.routing import Arrow, Draft, RouteError, RouteOptions, Rule, format_route, parse_route
from bot.rules import add_route, explain_route, find_route, save_route
from bot.store import Tx
from bot.telegram.access import Role
from bot.telegram.commands.registry import Answer, Call, Effect, Reply, UsageError, registry, way


@registry.add(
    "link",
    role=Role.ADMIN,
    usage="ADDRESS",
    effect=Effect.SETS,
    summary="Join this chat or topic with a conversation, both ways",
    example="/link support:sms/85255501234",
)
def link(call: Call, tx: Tx) -> Answer:
    """One two-way route between here and there."""
    target = call.target(tx, call.values["ADDRESS"])
    if target == call.here:
        raise UsageError("that is this very chat")
    if target in call.relay.router(tx).linked(call.here):
        return Reply(f"{call.here} and {target} are linked already.")
    draft = Draft(source=call.here, arrow=Arrow.BOTH, target=target, options=RouteOptions())
    rule = save_route(tx, draft, created_by=str(call.person), now=call.now)
    return Reply(f"Linked: {call.here} <-> {target} (route {rule.name}). /unlink ends it.")


@registry.add(
    "unlink",
    role=Role.ADMIN,
    usage="[ADDRESS]",
    effect=Effect.SETS,
    summary="End the links of this chat or topic",
    example="/unlink",
)
def unlink(call: Call, tx: Tx) -> Answer:
    """Remove the two-way routes between here and everything, or one address."""
    other = None
    if "ADDRESS" in call.values:
        other = call.relay.parse_target(tx, call.values["ADDRESS"], here=call.here)
    removed = []
    for row in tx.routes.all():
        rule = rule_of(row)
        ends = {rule.source, rule.target}
        if rule.arrow is Arrow.BOTH and call.here in ends and (other is None or other in ends):
            tx.routes.remove(row.id)
            removed.append(rule)
    if not removed:
        return Reply(f"{call.here} is not linked" + (f" with {other}." if other else "."))
    return Reply("\n".join(f"No longer linked: {rule.source} <-> {rule.target}" for rule in removed))


def _line(rule: Rule) -> str:
    state = "(disabled) " if not rule.enabled else f"(paused: {rule.paused}) " if rule.paused else ""
    return f"{rule.id} {state}{format_route(rule)}"


@registry.add("routes", role=Role.ADMIN, summary="All routing rules", example="/routes")
def routes(call: Call, tx: Tx) -> Answer:
    """One line for each."""
    lines = [_line(rule_of(row)) for row in tx.routes.all()]
    return Reply("\n".join(lines) or "There are no routes. /link ADDRESS or /route add makes one.")


@registry.add(
    "route",
    role=Role.ADMIN,
    ways=(
        way("add RULE", effect=Effect.SETS),
        way("show ROUTE", example="/route show r1"),
        way("remove ROUTE", effect=Effect.SETS, example="/route remove r1"),
        way("enable ROUTE", effect=Effect.SETS, example="/route enable r1"),
        way("disable ROUTE", effect=Effect.SETS, example="/route disable r1"),
        way("test ADDRESS text", role=Role.OPERATOR, example="/route test support:room-42 hello"),
    ),
    summary="Make, look at, switch and try routing rules",
    example="/route add support:* -> here",
    details=(
        "/route add SOURCE -> TARGET [key=value …] (-> one way, <-> both ways, ->> one way with replies coming back;"
        " SOURCE may be account:*; here is this chat)\n"
        "TARGET new-topic(telegram:-100…) opens a forum topic for each new conversation, and links it both ways.\n"
        "/route show NAME · /route remove NAME · /route enable NAME · /route disable NAME\n"
        "/route test ADDRESS text explains where a message would go, and sends nothing.\n"
        "Keys: name= match=/regex/ not=/regex/ from= kinds= template= hours= priority= stop=yes late= long="
        " on_ambiguous="
    ),
)
def route(call: Call, tx: Tx) -> Answer:
    """Dispatch on the first word."""
    word = call.way.keyword if call.way is not None else ""
    if word == "add":
        return _add(call, tx, call.values["RULE"])
    if word == "test":
        return _test(call, tx)
    rule = find_route(tx, call.values["ROUTE"])
    if word == "remove":
        tx.routes.remove(rule.id)
        return Reply(f"Removed: {format_route(rule)}")
    if word in ("enable", "disable"):
        tx.routes.enable(rule.id, enabled=word == "enable")
        return Reply(f"Route {rule.name} is {word}d.")
    return Reply(_line(rule))


def _add(call: Call, tx: Tx, text: str) -> Answer:
    names: dict[str, Address] = {"here": call.here}
    try:
        draft = parse_route(
            text,
            accounts=list(call.relay.accounts),
            names=names | _named(call, tx, text),
            zone=call.services.default_timezone,
        )
    except RouteError as error:
        raise UsageError(str(error)) from error
    rule = add_route(tx, draft, accounts=call.relay.accounts, created_by=str(call.person), now=call.now)
    return Reply(f"Route {rule.name} is set: {format_route(rule)}")


def _named(call: Call, tx: Tx, text: str) -> dict[str, Address]:
    """The names among the words of a route line."""
    found = {}
    for written in text.split():
        word = written.removeprefix("new-topic(").removesuffix(")")
        if ":" not in word and tx.names.get(word.lower()):
            found[word] = call.relay.parse_target(tx, word)
    return found


def _test(call: Call, tx: Tx) -> Answer:
    address = call.target(tx, call.values["ADDRESS"])
    at = datetime.fromtimestamp(call.now, UTC)
    return Reply(explain_route(call.relay.router(tx), call.relay.accounts, address, call.values["text"], at=at))
