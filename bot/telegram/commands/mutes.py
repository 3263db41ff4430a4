"""Mute: nothing is relayed from a conversation, whatever the rules say."""

from __future__ import annotations

from bot.addresses import TELEGRAM, Address, NewTopic, Pattern, parse_address
from bot.relay import rule_of
from bot.store import Tx
from bot.telegram.access import Role
from bot.telegram.commands.registry import Answer, Call, Effect, NotAllowed, Reply, registry


@registry.add(
    "mute",
    role=Role.ADMIN,
    usage="ADDRESS",
    effect=Effect.SETS,
    summary="Relay nothing from a conversation, until /unmute",
    example="/mute support:sms/85255501234",
    details="What is written there is kept and counts as filtered; /route test says so. Replies by hand still go out.",
)
def mute(call: Call, tx: Tx) -> Answer:
    """Messages from there are filtered from now on."""
    address = _ours(call, tx, call.target(tx, call.values["ADDRESS"]))
    if not tx.mutes.add(str(address), person=str(call.person), now=call.now):
        return Reply(f"{address} is muted already. /unmute {address} lets it through again.")
    return Reply(f"Nothing is relayed from {address} any more. /unmute {address} lets it through again.")


@registry.add(
    "unmute",
    role=Role.ADMIN,
    usage="ADDRESS",
    effect=Effect.SETS,
    summary="Relay from a muted conversation again",
    example="/unmute support:sms/85255501234",
)
def unmute(call: Call, tx: Tx) -> Answer:
    """The rules count again; what was written meanwhile is not relayed."""
    address = _ours(call, tx, call.target(tx, call.values["ADDRESS"]))
    if tx.mutes.remove(str(address)):
        return Reply(f"{address} is relayed again, by the rules.")
    others = [each for each in tx.mutes.all() if _is_ours(call, tx, parse_address(each))]
    muted = ", ".join(others[:20])
    return Reply(f"{address} is not muted." + (f" Muted: {muted}." if muted else ""))


def _ours(call: Call, tx: Tx, address: Address) -> Address:
    """The address, if the person may silence it for everybody that it is joined with; raises ``NotAllowed``."""
    if not _is_ours(call, tx, address):
        raise NotAllowed(
            f"Another chat takes what comes from {address}, and your role {call.role.word} counts in this one only: the"
            " role admin is needed everywhere. An owner can give it: /grant USER ROLE"
        )
    return address


def _is_ours(call: Call, tx: Tx, address: Address) -> bool:
    if not call.reaches(address):
        return False
    if call.everywhere >= Role.ADMIN or address.account == TELEGRAM:
        return True
    for rule in map(rule_of, tx.routes.all()):
        target = rule.target.chat if isinstance(rule.target, NewTopic) else rule.target
        is_source = rule.source.matches(address) if isinstance(rule.source, Pattern) else rule.source == address
        others = [target] if is_source else [rule.source] if target == address else []
        for other in others:
            # Every chat of Telegram's is more than this one.
            if not call.reaches(other) if isinstance(other, Address) else other.account == TELEGRAM:
                return False
    return True
