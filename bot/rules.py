"""What chat commands and the command line share about routing rules: find, add, change, undo, explain."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from bot.accounts import Account
from bot.addresses import Address, NewTopic
from bot.changes import BY_ROUTE
from bot.long import TEXT_FILE
from bot.relay import rule_of
from bot.routing import Arrow, Draft, Incoming, Kind, RouteError, Router, Rule, format_route, options_to_json
from bot.shaping import shape
from bot.store import Tx
from bot.store.route_changes import RouteChange
from bot.store.routes import RouteRow
from bridges.api import Capabilities
from bridges.errors import Refused
from bridges.model import Message, Person, PersonId


def find_route(tx: Tx, word: str, *, seen: Callable[[Rule], bool] = lambda rule: True) -> Rule:
    """A rule by name or id; raises ``RouteError`` naming those there are, as far as they are to be seen."""
    row = tx.routes.find(word)
    if row is None:
        names = [row.name for row in tx.routes.all() if seen(rule_of(row))]
        there = ", ".join(names[:20]) or "none yet"
        raise RouteError(f"there is no route {word!r}; there are: {there}" if word else f"name a route: {there}")
    return rule_of(row)


def add_route(tx: Tx, draft: Draft, *, accounts: Mapping[str, Account], created_by: str, now: float) -> Rule:
    """Save a rule; raises ``RouteError`` for a name that is taken or an end that nothing can be sent to."""
    _check_ends(draft, accounts=accounts)
    return save_route(tx, draft, created_by=created_by, now=now)


def _check_ends(draft: Draft, *, accounts: Mapping[str, Account]) -> None:
    target = draft.target.chat if isinstance(draft.target, NewTopic) else draft.target
    for end in (target, draft.source):
        account = accounts.get(end.account)
        if isinstance(end, Address) and account is not None:
            try:
                account.check(end.conversation)
            except Refused as error:
                raise RouteError(f"{end}: {error}") from error


def save_route(tx: Tx, draft: Draft, *, created_by: str, now: float, enabled: bool = True) -> Rule:
    """Write a rule whose ends were checked; raises ``RouteError`` for a name that is taken or a link that is there."""
    _check_sense(tx, draft)
    try:
        row = tx.routes.add(
            name=draft.name or None,
            source=str(draft.source),
            arrow=draft.arrow,
            target=str(draft.target),
            options=options_to_json(draft.options),
            created_by=created_by,
            now=now,
            enabled=enabled,
        )
    except ValueError as error:
        raise RouteError(str(error)) from error
    tx.route_changes.add(person=created_by, before=None, after=row, now=now)
    return rule_of(row)


def _check_sense(tx: Tx, draft: Draft, *, but: int | None = None) -> None:
    if draft.source == draft.target:
        raise RouteError(f"{draft.source} is both source and target, a route leads elsewhere")
    twin = _twin(tx, draft)
    if twin is not None and twin.id != but:
        raise RouteError(f"{twin} says the same already: {format_route(twin)}")


def change_route(tx: Tx, rule: Rule, draft: Draft, *, accounts: Mapping[str, Account], person: str, now: float) -> Rule:
    """Write a rule's new form in its place; raises ``RouteError`` as :func:`add_route` does.

    A rule without a name in its new form keeps the old one. What was sent by it follows a new name, so that edits of
    earlier messages still find their rule.
    """
    _check_ends(draft, accounts=accounts)
    _check_sense(tx, draft, but=rule.id)
    before = tx.routes.get(rule.id)
    assert before is not None
    after = replace(
        before,
        name=draft.name or before.name,
        source=str(draft.source),
        arrow=str(draft.arrow),
        target=str(draft.target),
        options=options_to_json(draft.options),
    )
    if after == before:
        raise RouteError(f"{rule} says this already: {format_route(rule)}")
    _put(tx, after, renamed_from=before.name, person=person, now=now)
    tx.route_changes.add(person=person, before=before, after=after, now=now)
    return rule_of(after)


def _put(tx: Tx, row: RouteRow, *, renamed_from: str | None, person: str, now: float) -> None:
    try:
        tx.routes.put(row, created_by=person, now=now)
    except ValueError as error:
        raise RouteError(str(error)) from error
    if renamed_from is not None and renamed_from != row.name:
        tx.outbox.rename_reason(f"{BY_ROUTE}{renamed_from}", f"{BY_ROUTE}{row.name}")


def remove_route(tx: Tx, rule: Rule, *, person: str, now: float) -> None:
    """Forget a rule."""
    before = tx.routes.get(rule.id)
    tx.routes.remove(rule.id)
    tx.route_changes.add(person=person, before=before, after=None, now=now)


def switch_route(tx: Tx, rule: Rule, *, enabled: bool, person: str, now: float) -> None:
    """Switch a rule on or off."""
    before = tx.routes.get(rule.id)
    tx.routes.enable(rule.id, enabled=enabled)
    after = tx.routes.get(rule.id)
    if after != before:
        tx.route_changes.add(person=person, before=before, after=after, now=now)


def undo_change(tx: Tx, changes: Sequence[RouteChange], *, person: str, now: float) -> list[str]:
    """Take the last deed back; returns what was done, a line for each rule. Raises ``RouteError`` if a rule of it was
    changed since by something else."""
    lines = []
    for change in changes:
        subject = change.after or change.before
        assert subject is not None
        now_there = tx.routes.get(subject.id)
        if now_there != change.after:
            name = subject.name
            raise RouteError(f"route {name} was changed since by something else; /route edit {name} sets it right")
        if change.before is None:
            tx.routes.remove(subject.id)
            lines.append(f"Removed again: {format_route(rule_of(subject))}")
        else:
            renamed_from = None if change.after is None else change.after.name
            _put(tx, change.before, renamed_from=renamed_from, person=person, now=now)
            state = "" if change.before.enabled else " (disabled)"
            lines.append(f"As before{state}: {format_route(rule_of(change.before))}")
        tx.route_changes.undone(change, now=now)
    return lines


def _twin(tx: Tx, draft: Draft) -> Rule | None:
    """The two-way rule that joins the same two places in the same way."""
    if draft.arrow is not Arrow.BOTH:
        return None
    rules = map(rule_of, tx.routes.between(str(draft.source), str(draft.target)))
    return next((rule for rule in rules if rule.arrow is Arrow.BOTH and rule.options == draft.options), None)


def _without(text: str, rules: Sequence[Rule]) -> str:
    """The text without what these rules are called."""
    for rule in rules:
        text = re.sub(rf"{re.escape(str(rule))}(?!\w)", "a rule about other chats", text)
    return text


def explain_route(
    router: Router,
    accounts: Mapping[str, Account] | Mapping[str, Capabilities],
    address: Address,
    text: str,
    *,
    at: datetime,
    sender: str = "Ann",
    seen: Callable[[Rule], bool] = lambda rule: True,
) -> str:
    """What the production resolver does with a text: rules tried, why, and how it would look. Sends nothing.

    Rules that are not to be ``seen`` are counted only.
    """
    person = Person(id=PersonId(sender), name=sender)
    resolution = router.resolve(Incoming(address=address, kind=Kind.TEXT, at=at, text=text, sender=person))
    lines = [f"A text from {sender} in {address}:"]
    silence = "muted" if resolution.muted else "no rule is about this place"
    considered = [step for step in resolution.steps if seen(step.rule)]
    hidden = len(resolution.steps) - len(considered)
    more = [f"· {hidden} more {'rule is' if hidden == 1 else 'rules are'} about other chats"] if hidden else []
    others = [step.rule for step in resolution.steps if not seen(step.rule)]
    lines += [*(f"· {_without(str(step), others)}" for step in considered), *more] or [f"· {silence}"]
    for target in resolution.targets:
        if not seen(target.rule):
            continue
        known = accounts.get(target.address.account)
        capabilities = known if isinstance(known, Capabilities) or known is None else known.capabilities
        if capabilities is None:
            lines.append(f"→ {target.address}: this account is not configured, nothing would be sent")
            continue
        whole = TEXT_FILE if target.rule.options.long == "attach" and capabilities.attachments == "bytes" else None
        message = Message(text=text, sender=person)
        parts = shape(message, capabilities=capabilities, template=target.template, whole=whole).parts
        shown = parts[0].text if len(parts[0].text) <= 200 else parts[0].text[:200] + "…"
        where = f"a new topic in {target.address}" if target.opens else str(target.address)
        lines.append(f"→ {where} in {len(parts)} part{'s' if len(parts) > 1 else ''}: {shown}")
    if not resolution.targets:
        lines.append("It would be filtered." if resolution.is_filtered else "It would go nowhere.")
    return "\n".join(lines)
