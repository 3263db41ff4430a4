"""What chat commands and the command line share about routing rules: find, add, explain."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from bot.accounts import Account
from bot.addresses import Address
from bot.relay import rule_of
from bot.routing import Draft, Incoming, Kind, RouteError, Router, Rule, options_to_json
from bot.shaping import shape
from bot.store import Tx
from bridges.api import Capabilities
from bridges.errors import Refused
from bridges.model import Message, Person, PersonId


def find_route(tx: Tx, word: str) -> Rule:
    """A rule by name or id; raises ``RouteError`` naming those there are."""
    row = tx.routes.find(word)
    if row is None:
        there = ", ".join(row.name for row in tx.routes.all()[:20]) or "none yet"
        raise RouteError(f"there is no route {word!r}; there are: {there}" if word else f"name a route: {there}")
    return rule_of(row)


def add_route(tx: Tx, draft: Draft, *, accounts: Mapping[str, Account], created_by: str, now: float) -> Rule:
    """Save a rule; raises ``RouteError`` for a name that is taken or an end that nothing can be sent to."""
    for end in (draft.target, draft.source):
        account = accounts.get(end.account)
        if isinstance(end, Address) and account is not None:
            try:
                account.check(end.conversation)
            except Refused as error:
                raise RouteError(f"{end}: {error}") from error
    return save_route(tx, draft, created_by=created_by, now=now)


def save_route(tx: Tx, draft: Draft, *, created_by: str, now: float, enabled: bool = True) -> Rule:
    """Write a rule whose ends were checked; raises ``RouteError`` for a name that is taken or what is not done yet."""
    if draft.options.late is not None:
        raise RouteError("late= is not available yet: a late message is delivered as soon as that is possible")
    kinds = draft.options.kinds
    if kinds and Kind.TEXT not in kinds and Kind.MEDIA not in kinds:
        raise RouteError(f"kinds={','.join(kinds)} is not available yet: only messages are carried, as in kinds=text")
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
    return rule_of(row)


def explain_route(
    router: Router,
    accounts: Mapping[str, Account] | Mapping[str, Capabilities],
    address: Address,
    text: str,
    *,
    at: datetime,
    sender: str = "Ann",
) -> str:
    """What the production resolver does with a text: rules tried, why, and how it would look. Sends nothing."""
    person = Person(id=PersonId(sender), name=sender)
    resolution = router.resolve(Incoming(address=address, kind=Kind.TEXT, at=at, text=text, sender=person))
    lines = [f"A text from {sender} in {address}:"]
    lines += [f"· {step}" for step in resolution.steps] or ["· no rule is about this place"]
    for target in resolution.targets:
        known = accounts.get(target.address.account)
        capabilities = known if isinstance(known, Capabilities) or known is None else known.capabilities
        if capabilities is None:
            lines.append(f"→ {target.address}: this account is not configured, nothing would be sent")
            continue
        parts = shape(Message(text=text, sender=person), capabilities=capabilities, template=target.template).parts
        shown = parts[0].text if len(parts[0].text) <= 200 else parts[0].text[:200] + "…"
        lines.append(f"→ {target.address} in {len(parts)} part{'s' if len(parts) > 1 else ''}: {shown}")
    if not resolution.targets:
        lines.append("It would go nowhere." if resolution.filtered_by is None else "It would be filtered.")
    return "\n".join(lines)
