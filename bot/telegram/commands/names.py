"""Names for addresses, which stand wherever an address can."""

from __future__ import annotations

import re

from bot.addresses import Address, parse_address
from bot.store import Tx
from bot.telegram.access import Role
from bot.telegram.commands.registry import Answer, Call, Effect, NotAllowed, Reply, UsageError, registry
from bot.telegram.commands.usage import shown

MOST = 64
NOBODY = "-"
_NAME = re.compile(rf"\w[\w.-]{{0,{MOST - 1}}}")
_TAKEN_WORDS = frozenset({"here", "all", "off", "none", "new-topic"})
"""These mean something else where an address can stand, or beside one."""


@registry.add(
    "name",
    role=Role.ADMIN,
    usage="ADDRESS [name]",
    effect=Effect.SETS,
    summary="Give an address a name, to be used wherever an address can stand",
    example="/name here ops",
    details="Without a name it tells the one that there is; - instead of a name takes it away. Case does not matter.",
)
def name_(call: Call, tx: Tx) -> Answer:
    """An address has one name: another one takes its place."""
    address = _address(call, tx, call.values["ADDRESS"])
    before = tx.names.of(str(address))
    word = call.values.get("name", "").strip()
    if not word:
        called = f"is called {' and '.join(before)}" if before else "has no name; /name ADDRESS NAME gives it one"
        return Reply(f"{address} {called}.")
    if word == NOBODY:
        if not before:
            raise UsageError(f"{address} has no name")
        _may_rename(call, address, before=before)
        _forget(tx, before)
        return Reply(f"{address} is no longer called {' or '.join(before)}.")
    name = read_name(word)
    if before == [name]:
        return Reply(f"{address} is called {name} already.")
    _refuse_taken(call, tx, name, address)
    if before:
        _may_rename(call, address, before=before)
    _forget(tx, before)
    tx.names.set(name, str(address))
    others = [each for each in before if each != name]
    instead = f" {' and '.join(others)} no longer {'names' if len(others) == 1 else 'name'} it." if others else ""
    return Reply(f"{address} is called {name} now, wherever an address can stand.{instead}")


def read_name(word: str) -> str:
    """A name as it is kept; raises ``UsageError`` for what could be taken for something else."""
    name = word.strip().strip("\"'“”„«»‘’").lower()
    if re.search(r"\s", name):
        reason = "it has blanks"
    elif ":" in name:
        reason = "with a colon it looks like an address"
    elif name.startswith("@"):
        reason = "with an @ it is an audience or a person"
    elif "," in name:
        reason = "commas stand between several targets"
    elif name in _TAKEN_WORDS:
        reason = "the word means something else already"
    elif len(name) > MOST:
        reason = f"it has {len(name)} characters, at most {MOST} are possible"
    elif not _NAME.fullmatch(name):
        reason = "letters, digits, _ . and - make one, beginning with a letter"
    elif not any(char.isalpha() for char in name):
        reason = "it has no letter"
    else:
        return name
    raise UsageError(f"{shown(word)} cannot be a name: {reason}")


def _refuse_taken(call: Call, tx: Tx, name: str, address: Address) -> None:
    taken = tx.names.get(name)
    if taken is None or taken == str(address) or not _is_configured(call, taken):
        return
    if not call.reaches(parse_address(taken)):
        raise UsageError(f"“{name}” is the name of something in another chat")
    raise UsageError(f"“{name}” is the name of {taken} already; /name {taken} - takes it away there")


def _address(call: Call, tx: Tx, word: str) -> Address:
    """As everywhere; and what has a name, though its account is gone, so that the name can be taken away."""
    meant = tx.names.meant(word)
    if tx.names.of(meant) and not _is_configured(call, meant):
        return parse_address(meant)
    return call.target(tx, word)


def _is_configured(call: Call, address: str) -> bool:
    return address.partition(":")[0] in call.relay.accounts


def _may_rename(call: Call, address: Address, *, before: list[str]) -> None:
    """Everybody uses the names of conversations outside Telegram: who has a role for one chat only adds to them."""
    if call.everywhere < Role.ADMIN and address.account != call.here.account:
        raise NotAllowed(
            f"{address} is called {' and '.join(before)} in all chats: to change that the role admin is needed"
            " everywhere. An owner can give it: /grant USER ROLE"
        )


def _forget(tx: Tx, names: list[str]) -> None:
    for each in names:
        tx.names.remove(each)
