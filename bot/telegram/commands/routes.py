"""Links and routing rules from the chat."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

from bot.addresses import TELEGRAM, Address, NewTopic, Pattern, is_within, telegram_address
from bot.changes import BY_ROUTE
from bot.relay import rule_of
from bot.routing import Arrow, Draft, RouteError, RouteOptions, Rule, edit_route, format_route, parse_route
from bot.rules import (
    add_route,
    change_route,
    explain_route,
    find_route,
    remove_route,
    save_route,
    switch_route,
    undo_change,
)
from bot.store import Tx
from bot.telegram.access import Role
from bot.telegram.commands.registry import Answer, Call, Effect, NotAllowed, Reply, UsageError, registry, way
from bot.telegram.wizards.engine import begin
from bot.zones import zone_of


@registry.add(
    "link",
    role=Role.ADMIN,
    usage="[ADDRESS]",
    effect=Effect.SETS,
    summary="Join this chat or topic with a conversation, both ways",
    example="/link support:sms/85255501234",
)
def link(call: Call, tx: Tx) -> Answer:
    """One two-way route between here and there."""
    if "ADDRESS" not in call.values:
        return begin(call, tx, "wlink")
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
        other = call.target(tx, call.values["ADDRESS"])
    removed = []
    for row in tx.routes.all():
        rule = rule_of(row)
        ends = {rule.source, rule.target}
        if rule.arrow is Arrow.BOTH and call.here in ends and (other is None or other in ends):
            removed.append(rule)
    for rule in removed:
        _reach(call, rule)
    for rule in removed:
        remove_route(tx, rule, person=str(call.person), now=call.now)
    if not removed:
        return Reply(f"{call.here} is not linked" + (f" with {other}." if other else "."))
    return Reply("\n".join(f"No longer linked: {rule.source} <-> {rule.target}" for rule in removed))


def _line(rule: Rule) -> str:
    state = "(disabled) " if not rule.enabled else f"(paused: {rule.paused}) " if rule.paused else ""
    return f"{rule.id} {state}{format_route(rule)}"


@registry.add("routes", role=Role.ADMIN, summary="All routing rules", example="/routes")
def routes(call: Call, tx: Tx) -> Answer:
    """One line for each; whoever has a role for this chat only sees the rules of this chat."""
    rules = [rule_of(row) for row in tx.routes.all()]
    seen = [rule for rule in rules if _reaches(call, rule)]
    lines = [_line(rule) for rule in seen]
    if len(seen) < len(rules):
        lines.append(f"({len(rules) - len(seen)} more are about other chats)")
    return Reply("\n".join(lines) or "There are no routes. /link ADDRESS or /route add makes one.")


_SHOW = way("show ROUTE", example="/route show r1", summary="the rule, and what went by it lately")


@registry.add(
    "route",
    role=Role.ADMIN,
    ways=(
        way("", effect=Effect.SETS, example="/route", summary="a wizard with buttons sets a rule"),
        way("add [RULE]", effect=Effect.SETS, summary="set a rule; without one the wizard asks for it"),
        _SHOW,
        way(
            "edit ROUTE RULE|OPTIONS",
            effect=Effect.SETS,
            example="/route edit r1 match=/urgent/ stop=",
            summary="change what is named, or all of it by a whole new rule",
        ),
        way("remove ROUTE", effect=Effect.SETS, example="/route remove r1"),
        way("enable ROUTE", effect=Effect.SETS, example="/route enable r1"),
        way("disable ROUTE", effect=Effect.SETS, example="/route disable r1"),
        way(
            "test ADDRESS text",
            role=Role.OPERATOR,
            example="/route test support:room-42 hello",
            summary="where a message would go and why; nothing is sent",
        ),
        way("undo", effect=Effect.SETS, example="/route undo", summary="take the last change of the rules back"),
    ),
    summary="Make, look at, change, switch and try routing rules",
    example="/route add support:* -> here",
    details=(
        "-> is one way, <-> both ways, ->> one way with replies coming back. SOURCE may be account:*; here is this"
        " chat. The target new-topic(telegram:-100…) opens a forum topic for each new conversation, and links it"
        " both ways.\n"
        "Keys: name= match=/regex/ not=/regex/ from= kinds= template= hours= priority= stop=yes late= long="
        " on_ambiguous=; in /route edit a key without a value (stop=) takes it away."
    ),
)
def route(call: Call, tx: Tx) -> Answer:
    """Dispatch on the first word."""
    word = call.way.keyword if call.way is not None else ""
    match word:
        case "" | "add" if "RULE" not in call.values:
            return begin(call, tx, "wroute")
        case "add":
            return _add(call, tx, call.values["RULE"])
        case "test":
            return _test(call, tx)
        case "undo":
            return _undo(call, tx)
    rule = find_route(tx, call.values["ROUTE"], seen=partial(_reaches, call))
    if word == "show":
        _reach_ends(call, rule)
        return Reply(_shown(tx, rule))
    _reach(call, rule)
    match word:
        case "edit":
            return _edit(call, tx, rule, call.values["RULE|OPTIONS"])
        case "remove":
            remove_route(tx, rule, person=str(call.person), now=call.now)
            return Reply(f"Removed: {format_route(rule)}\n/route undo brings it back.")
        case "enable" | "disable":
            switch_route(tx, rule, enabled=word == "enable", person=str(call.person), now=call.now)
            return Reply(f"Route {rule.name} is {word}d.")
    raise AssertionError(word)


def _shown(tx: Tx, rule: Rule) -> str:
    lines = [_line(rule)]
    states = tx.outbox.states_of_reason(f"{BY_ROUTE}{rule.name}")
    told = ", ".join(f"{number} {state}" for state, number in states.items())
    lines.append(f"Deliveries by it that are still kept: {told}." if told else "Nothing went by it yet.")
    return "\n".join(lines)


def _ends(rule: Rule | Draft) -> list[Address]:
    target = rule.target.chat if isinstance(rule.target, NewTopic) else rule.target
    return [target, *([rule.source] if isinstance(rule.source, Address) else [])]


def _reaches(call: Call, rule: Rule) -> bool:
    """Whether the person may see a rule."""
    return all(call.reaches(end) for end in _ends(rule)) and not _is_all_of_telegram(call, rule)


def _is_of_here(call: Call, rule: Rule | Draft) -> bool:
    """Whether a rule has an end in this chat: one that joins two providers is not this chat's business."""
    return any(is_within(end, telegram_address(int(call.here.conversation.partition("/")[0]))) for end in _ends(rule))


def _is_all_of_telegram(call: Call, rule: Rule | Draft) -> bool:
    needed = call.way.role if call.way is not None else call.role
    return isinstance(rule.source, Pattern) and rule.source.account == TELEGRAM and call.everywhere < needed


def _reach(call: Call, rule: Rule | Draft) -> None:
    """A role that is limited to this chat is enough to set rules of this chat only; raises ``NotAllowed``."""
    _reach_ends(call, rule)
    needed = call.way.role if call.way is not None else call.role
    if call.everywhere < needed and not _is_of_here(call, rule):
        raise NotAllowed(
            f"No end of that rule is in this chat, and your role {call.role.word} counts in this one only: the role"
            f" {needed.word} is needed everywhere. An owner can give it: /grant USER ROLE"
        )


def _reach_ends(call: Call, rule: Rule | Draft) -> None:
    for end in _ends(rule):
        call.reach(end)
    if _is_all_of_telegram(call, rule):
        raise NotAllowed(f"{rule.source} is every chat, and your role {call.role.word} counts in this one only.")


def _add(call: Call, tx: Tx, text: str) -> Answer:
    try:
        draft = parse_route(
            text,
            accounts=list(call.relay.accounts),
            names=_names(call, tx, text),
            zone=zone_of(tx, call.here, call.services.default_timezone).key,
        )
    except RouteError as error:
        raise UsageError(str(error)) from error
    _reach(call, draft)
    rule = add_route(tx, draft, accounts=call.relay.accounts, created_by=str(call.person), now=call.now)
    return Reply(f"Route {rule.name} is set: {format_route(rule)}")


def _edit(call: Call, tx: Tx, rule: Rule, text: str) -> Answer:
    try:
        draft = edit_route(
            rule,
            text,
            accounts=list(call.relay.accounts),
            names=_names(call, tx, text),
            zone=zone_of(tx, call.here, call.services.default_timezone).key,
        )
    except RouteError as error:
        raise UsageError(str(error)) from error
    _reach(call, draft)
    after = change_route(tx, rule, draft, accounts=call.relay.accounts, person=str(call.person), now=call.now)
    return Reply(f"It was: {format_route(rule)}\nIt is: {format_route(after)}\n/route undo takes this back.")


def _undo(call: Call, tx: Tx) -> Answer:
    changes = tx.route_changes.last()
    if not changes:
        return Reply("There is no change of the rules to take back.")
    for change in changes:
        for row in filter(None, (change.before, change.after)):
            _reach(call, rule_of(row))
    lines = undo_change(tx, changes, person=str(call.person), now=call.now)
    at = datetime.fromtimestamp(changes[0].at, UTC).strftime("%Y-%m-%d %H:%M UTC")
    who = tx.people.shown(changes[0].person)
    return Reply("\n".join([f"Taken back: the change of {at} by {who}.", *lines]))


def _names(call: Call, tx: Tx, text: str) -> dict[str, Address]:
    """``here``, and the names among the words of a route line."""
    found: dict[str, Address] = {"here": call.here}
    for written in text.split():
        word = written.removeprefix("new-topic(").removesuffix(")")
        if ":" not in word and tx.names.get(word.lower()):
            found[word] = call.relay.parse_target(tx, word)
    return found


def _test(call: Call, tx: Tx) -> Answer:
    address = call.target(tx, call.values["ADDRESS"])
    at = datetime.fromtimestamp(call.now, UTC)
    router, text = call.relay.router(tx), call.values["text"]
    seen = partial(_reaches, call)
    return Reply(explain_route(router, call.relay.accounts, address, text, at=at, seen=seen))
