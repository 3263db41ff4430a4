"""What an administrator can do with an account beside sending, the same from the chat and from the command line."""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from bot.accounts import Account, ProviderAccount
from bot.names import defuse, defuse_text
from bot.store.meta import AccountState
from bot.zones import clock
from bridges.api import Operates, Operation
from bridges.model import Message

_ENDLESS = "…"
_SHOWN_MOST = 40
_REASON_MOST = 300
# What moves a cursor or turns the direction of writing has no place among words that somebody else chose.
_CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")


class OperationError(ValueError):
    """There is no such account or operation, or its arguments do not fit; says what there is, with an example."""


@dataclass(frozen=True, slots=True)
class Asked:
    """An operation of an account, with arguments that fit it."""

    account: ProviderAccount
    operation: Operation
    arguments: tuple[str, ...]

    async def run(self) -> str:
        """Do it; returns lines for a person. Raises ``BridgeError``."""
        return plain_lines(await self.account.run(self.operation.run(self.arguments)))

    @property
    def line(self) -> str:
        """What to give to ``patchbay account`` for it, quoted for a shell."""
        return shlex.join([self.account.name, self.operation.name, *self.arguments])


def title_of(account: Account) -> str:
    """The provider as people write it."""
    return account.bridge.title if isinstance(account, ProviderAccount) else "Telegram"


def pause_words(state: AccountState, *, zone: ZoneInfo | None = None) -> str:
    """That an account is paused, by whom or why, and where there is room (with a ``zone``) since when."""
    since = "" if state.since is None or zone is None else f" since {clock(state.since, zone)}"
    reason = one_line(state.reason, most=_REASON_MOST)
    return f"paused{since} {reason}" if state.paused_by else f"paused{since}: {reason}"


def operations_of(account: Account) -> tuple[Operation, ...]:
    """What the account offers, in the order in which it is shown."""
    if isinstance(account, ProviderAccount) and isinstance(account.bridge, Operates):
        return tuple(account.bridge.operations())
    return ()


def find_account(accounts: Mapping[str, Account], word: str) -> Account:
    """The account of that name, in any case; raises ``OperationError`` with the nearest one and all there are."""
    account = accounts.get(word.lower())
    if account is None:
        there = ", ".join(sorted(accounts)) or "none"
        raise OperationError(f"there is no account {_shown(word)}{_meant(word, accounts)}; configured: {there}")
    return account


def ask(account: Account, words: Sequence[str], *, command: str) -> Asked:
    """Read ``OPERATION ARGUMENTS…``; raises ``OperationError``.

    ``command`` is what stands before the account's name where the words were written, for the usage line.
    """
    offered = {operation.name: operation for operation in operations_of(account)}
    name = words[0].lower()
    if not isinstance(account, ProviderAccount) or not offered:
        raise OperationError(f"{account.name} ({title_of(account)}) offers nothing beside sending")
    operation = offered.get(name)
    if operation is None:
        there = ", ".join(offered)
        raise OperationError(f"{account.name} has no operation {_shown(name)}{_meant(name, offered)}; it has: {there}")
    given = words[1:]
    least = sum(not argument.startswith("[") for argument in operation.arguments)
    most = len(operation.arguments)
    if len(given) < least or (len(given) > most and not _takes_the_rest(operation)):
        raise OperationError(
            f"{name} takes {_count(operation, least)}, {len(given)} given: {command} {usage(account, operation)}"
            f" (such as {command} {example(account, operation)})"
        )
    return Asked(account, operation, tuple(given))


def usage(account: Account, operation: Operation) -> str:
    """The operation with the names of its arguments."""
    return " ".join([account.name, operation.name, *operation.arguments])


def example(account: Account, operation: Operation) -> str:
    """A valid call of the operation."""
    return f"{account.name} {operation.name} {operation.example}".rstrip()


def plain_lines(text: str) -> str:
    """Lines that a provider had a part in, without what acts on a terminal or turns the direction of writing."""
    return "\n".join(_CONTROL.sub(" ", line).rstrip() for line in text.strip().split("\n"))


def chat_lines(text: str) -> str:
    """The same for a Telegram chat, where besides nobody is to be pinged."""
    return defuse_text(Message(text=plain_lines(text))).text


def one_line(text: str, *, most: int) -> str:
    """A title or a few words of somebody else's, on one line, harmless and in at most ``most`` code points."""
    line = " ".join(_CONTROL.sub(" ", defuse(text.replace("\n", " "))).split())
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"


def _takes_the_rest(operation: Operation) -> bool:
    return bool(operation.arguments) and operation.arguments[-1].strip("[]").endswith(_ENDLESS)


def _count(operation: Operation, least: int) -> str:
    most = len(operation.arguments)
    if most == 0:
        return "no arguments"
    number = str(most) if least == most else f"{least} or {most}" if least == most - 1 else f"{least} to {most}"
    if _takes_the_rest(operation):
        number = f"at least {least}"
    return f"{number} argument{'' if number.endswith('1') else 's'}"


def _meant(word: str, there: Mapping[str, object]) -> str:
    close = difflib.get_close_matches(word.lower(), list(there), n=1, cutoff=0.5)
    return f", did you mean {close[0]}?" if close else ""


def _shown(word: str) -> str:
    return repr(word if len(word) <= _SHOWN_MOST else word[:_SHOWN_MOST] + "…")
