"""Pause and resume an account by hand: what goes there waits in its order, over restarts too."""

from __future__ import annotations

from bot.accounts import Account
from bot.addresses import TELEGRAM, telegram_address
from bot.operations import OperationError, find_account, one_line, pause_words
from bot.store import Tx
from bot.telegram.access import Role
from bot.telegram.commands.registry import Answer, Call, Effect, Reply, Scope, UsageError, registry
from bot.zones import span, zone_of

NAME_MOST = 64


@registry.add(
    "pause",
    role=Role.ADMIN,
    usage="ACCOUNT",
    effect=Effect.SETS,
    scope=Scope.ALL,
    summary="Send nothing through an account, until /resume",
    example="/pause support",
    details=(
        "What goes there waits in its order, over restarts too; what comes from there is still relayed."
        " /status, /doctor and /account show who paused it."
    ),
)
def pause(call: Call, tx: Tx) -> Answer:
    """Its queue waits from now on."""
    account = _account(call)
    if account.name == TELEGRAM:
        raise UsageError(
            "telegram cannot be paused: this bot's own answers go there, so that nobody could end it."
            " Stop one rule with /route disable, or one place with /mute"
        )
    state = tx.accounts.get(account.name)
    if state.paused_by:
        zone = zone_of(tx, call.here, call.services.default_timezone)
        return Reply(f"{account.name} is {pause_words(state, zone=zone)} already. /resume {account.name} ends that.")
    person = str(call.person or "")
    tx.accounts.pause(account.name, reason=f"by {_who(call)}", now=call.now, by=person)
    _tell_other_owners(call, tx, f"{_who(call)} paused {account.name}: its messages wait until /resume {account.name}.")
    lines = [
        f"{account.name} is paused: nothing is sent there until /resume {account.name}. What goes there waits in its"
        f" order, and what is {span(call.relay.policy.max_age_s)} old by then is given up (/failed keeps it)."
    ]
    if state.paused:
        lines.append(f"It did not send before either: {one_line(state.reason, most=200)}.")
    if busy := len(tx.outbox.list(states=("sending",), account=account.name, limit=100)):
        lines.append(f"{busy} on the way just now {'is' if busy == 1 else 'are'} not called back.")
    return Reply("\n".join(lines), outcome=f"{account.name} paused")


@registry.add(
    "resume",
    role=Role.ADMIN,
    usage="ACCOUNT",
    effect=Effect.SETS,
    scope=Scope.ALL,
    summary="Send through a paused account again",
    example="/resume support",
    details="Also one whose credentials were refused: it is tried at once.",
)
def resume(call: Call, tx: Tx) -> Answer:
    """What waits is sent, oldest first."""
    account = _account(call)
    state = tx.accounts.get(account.name)
    if not tx.accounts.resume(account.name):
        # Telegram is never paused, so nothing is said of how.
        hint = "" if account.name == TELEGRAM else f" /pause {account.name} pauses it."
        return Reply(f"{account.name} is not paused.{hint}")
    waiting, _ = tx.outbox.depth().get(account.name, (0, call.now))
    _tell_other_owners(call, tx, f"{_who(call)} resumed {account.name}: {waiting} waiting.")
    was = f" ({pause_words(state)})" if state.paused_by != str(call.person or "") else ""
    return Reply(f"{account.name} sends again{was}: {waiting} waiting.", outcome=f"{account.name} resumed")


def _account(call: Call) -> Account:
    try:
        return find_account(call.relay.accounts, call.values["ACCOUNT"])
    except OperationError as error:
        raise UsageError(str(error)) from error


def _who(call: Call) -> str:
    return f"{one_line(call.person_name, most=NAME_MOST)} ({call.person})"


def _tell_other_owners(call: Call, tx: Tx, text: str) -> None:
    """Whoever did it, and whoever reads it here, needs no second message."""
    for owner in call.relay.owners(tx):
        if owner not in (call.here, telegram_address(call.person or 0)):
            call.relay.tell(tx, owner, text, now=call.now)
