"""What stands behind the accounts: the conversations one can send to, and what else an account offers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bot.accounts import Account, ProviderAccount
from bot.addresses import TELEGRAM, Address, AddressError, NewTopic, parse_address
from bot.names import defuse_text
from bot.operations import (
    Asked,
    OperationError,
    ask,
    chat_lines,
    example,
    find_account,
    one_line,
    operations_of,
    pause_words,
    title_of,
    usage,
)
from bot.store import Tx
from bot.telegram.access import Role
from bot.telegram.commands.registry import Answer, Call, Reply, Scope, UsageError, registry
from bot.text import utf16_length
from bridges.api import Listed, Lists
from bridges.errors import BridgeError, Refused, Unavailable
from bridges.model import Conversation, ConversationId, Message

LIST_S = 6.0
"""How long one account is waited for, so that one that is slow does not keep the others' answers back."""
ANSWER_MOST = 7_800
"""UTF-16 units of an answer: it goes in two messages."""
LINES_MOST = (30, 20, 12, 8, 5, 3, 1)
"""Conversations shown of one account: fewer of each where there are many accounts."""
TITLE_MOST, DETAIL_MOST = 64, 80
LINKS_MOST = 2
_CUT = "\n… the rest is left out here."


# --- conversations


@dataclass(frozen=True, slots=True)
class _Heard:
    """What the accounts said to the question for their conversations."""

    search: tuple[str, ...]
    answers: Mapping[str, Sequence[Listed] | BridgeError | None]
    """By account; None: it cannot be asked."""


@dataclass(frozen=True, slots=True)
class _Place:
    """A conversation of an account, before it is known whether it is shown."""

    conversation: ConversationId
    title: str
    detail: str

    def matches(self, search: Sequence[str]) -> bool:
        """Whether every word looked for stands in it somewhere."""
        text = f"{self.conversation} {self.title} {self.detail}".casefold()
        return all(word in text for word in search)


async def _ask_for_conversations(call: Call) -> _Heard:
    words = call.arguments.split()
    accounts = call.relay.accounts
    try:
        names = [find_account(accounts, words[0]).name] if words else sorted(accounts)
    except OperationError as error:
        raise UsageError(str(error)) from error
    async with asyncio.TaskGroup() as group:
        tasks = {name: group.create_task(_conversations(accounts[name])) for name in names}
    search = tuple(word.casefold() for word in words[1:])
    return _Heard(search, {name: task.result() for name, task in tasks.items()})


async def _conversations(account: Account) -> Sequence[Listed] | BridgeError | None:
    if not isinstance(account, ProviderAccount) or not isinstance(account.bridge, Lists):
        return None
    try:
        async with asyncio.timeout(LIST_S):
            return await account.run(account.bridge.conversations())
    except TimeoutError:
        return Unavailable(f"nothing came back within {LIST_S:g} s")
    except BridgeError as error:
        return error


@registry.add(
    "channels",
    role=Role.OPERATOR,
    usage="[ACCOUNT] [word]",
    summary="Conversations one can send to, with their addresses",
    example="/channels support",
    details=(
        "The provider is asked where it can be; conversations that only this bot knows follow."
        " A word after the account shows those that have it in address or title."
    ),
    prepare=_ask_for_conversations,
)
def channels(call: Call, tx: Tx) -> Answer:
    """A paragraph for each account; shorter ones where there are many accounts."""
    heard = call.prepared
    assert isinstance(heard, _Heard)
    text = ""
    for most in LINES_MOST:
        paragraphs = [_paragraph(call, tx, name, heard=heard, most=most) for name in heard.answers]
        text = "\n\n".join(paragraphs)
        if utf16_length(text) <= ANSWER_MOST:
            break
    return Reply(_bounded(text))


def _paragraph(call: Call, tx: Tx, name: str, *, heard: _Heard, most: int) -> str:
    account, answer = call.relay.accounts[name], heard.answers[name]
    listed = answer if answer is not None and not isinstance(answer, BridgeError) else ()
    known = [each for each in _places(call, tx, name, listed) if call.reaches(Address(account.name, each.conversation))]
    places = [place for place in known if place.matches(heard.search)]
    lines: list[str] = []
    shown = 0
    for place in places:
        if len(lines) == most:
            break
        shown += 1
        address = _address(account, place.conversation)
        if address is not None:
            lines.append(_line(call, tx, address, place))
    more, unusable = len(places) - shown, shown - len(lines)
    if unusable:
        lines.append(f"({unusable} left out: nothing can be sent there from a chat)")
    if more:
        lines.append(f"… and {more} more: /channels {name} WORD looks for a word")
    return "\n".join([_heading(account, answer, found=bool(places), search=heard.search), *lines])


def _places(call: Call, tx: Tx, name: str, listed: Sequence[Listed]) -> Iterator[_Place]:
    """Those the provider listed, then those only this bot knows: from messages, or from what people set."""
    there: set[str] = set()
    for each in listed:
        conversation: Conversation = each.conversation
        if conversation.id not in there:
            there.add(conversation.id)
            yield _Place(conversation.id, conversation.title, each.detail)
    detail = "known here" if listed else ""
    for id, title in tx.conversations.latest(name):
        if id not in there:
            there.add(id)
            yield _Place(ConversationId(id), title, detail)
    for address in _set_by_people(call, tx):
        if address.account == name and address.conversation not in there:
            there.add(address.conversation)
            yield _Place(address.conversation, "", detail)


def _set_by_people(call: Call, tx: Tx) -> Iterator[Address]:
    """What rules, names and audiences lead to, whether anything was ever said there or not."""
    for rule in call.relay.router(tx).rules:
        ends = (rule.source, rule.target.chat if isinstance(rule.target, NewTopic) else rule.target)
        yield from (end for end in ends if isinstance(end, Address))
    for text in (*tx.names.addresses(), *tx.audiences.addresses()):
        yield parse_address(text)


def _heading(
    account: Account, answer: Sequence[Listed] | BridgeError | None, *, found: bool, search: Sequence[str]
) -> str:
    who = account.name if account.name == TELEGRAM else f"{account.name} ({title_of(account)})"
    none = "none has these words" if search else "none is known here yet"
    if isinstance(answer, BridgeError):
        said = chat_lines(str(answer)).removesuffix(".")
        return f"{who} could not be asked: {said}. " + ("Known here:" if found else f"{none[:1].upper()}{none[1:]}.")
    if answer is None and account.name != TELEGRAM:
        return f"{who} cannot list its conversations; " + ("known here:" if found else f"{none}.")
    if found:
        return f"{who}:"
    return f"{who}: {none}." if search or account.name == TELEGRAM else f"{who}: it has none."


def _line(call: Call, tx: Tx, address: Address, place: _Place) -> str:
    words = [one_line(place.title, most=TITLE_MOST), one_line(place.detail, most=DETAIL_MOST)]
    if names := tx.names.of(str(address)):
        words.append(f"named {', '.join(names)}")
    linked = [each for each in call.relay.router(tx).linked(address) if call.reaches(each)]
    if linked:
        more = f" and {len(linked) - LINKS_MOST} more" if len(linked) > LINKS_MOST else ""
        words.append(f"linked with {', '.join(map(str, linked[:LINKS_MOST]))}{more}")
    return f"{address}  {' · '.join(filter(None, words))}".rstrip()


def _address(account: Account, conversation: ConversationId) -> Address | None:
    """The address if /send and /link take it as it stands and it pings nobody; else None."""
    address = Address(account.name, conversation)
    text = str(address)
    try:
        account.check(conversation)
        usable = parse_address(text) == address
    except (AddressError, Refused):
        return None
    return address if usable and defuse_text(Message(text=text)).text == text else None


# --- operations


async def _ask_for_operation(call: Call) -> str | Asked:
    """What an operation that only looks brought; the operation itself if it is not to be run from here."""
    words = call.arguments.split()
    if len(words) < 2:
        return ""
    try:
        asked = ask(find_account(call.relay.accounts, words[0]), words[1:], command="/account")
    except OperationError as error:
        raise UsageError(str(error)) from error
    if asked.operation.changes:
        return asked
    try:
        return chat_lines(await asked.run()) or "Nothing was found."
    except BridgeError as error:
        return chat_lines(f"{asked.account.name}: {error}")


@registry.add(
    "account",
    role=Role.ADMIN,
    usage="[ACCOUNT] [OPERATION] [arguments]",
    scope=Scope.ALL,
    summary="The accounts, and what one can look up and do there beside sending",
    example="/account support",
    details=(
        "Without arguments: all accounts. With an account: its operations."
        " What changes something at the provider is run on the server: patchbay account …"
    ),
    prepare=_ask_for_operation,
)
def account_(call: Call, tx: Tx) -> Answer:
    """The list, one account's operations, or what one of them brought."""
    words = call.arguments.split()
    if not words:
        return Reply(_bounded("\n".join([*_states(call, tx), "", "/account ACCOUNT shows how to use them."])))
    try:
        account = find_account(call.relay.accounts, words[0])
    except OperationError as error:
        raise UsageError(str(error)) from error
    match call.prepared:
        case Asked() as asked:
            return Reply(
                f"{asked.operation.name} changes something at {title_of(asked.account)}, so it is not run from a chat."
                f" On the server:\npatchbay account {chat_lines(asked.line)}"
            )
        case str(text) if text:
            return Reply(_bounded(text))
    return Reply(_bounded("\n".join(_operations(account, tx))))


def _states(call: Call, tx: Tx) -> Iterator[str]:
    for name, account in sorted(call.relay.accounts.items()):
        offered = ", ".join(operation.name for operation in operations_of(account))
        offers = f"offers {offered}" if offered else "offers nothing beside sending"
        yield f"{name} ({title_of(account)}): {_state(tx, name)}; {offers}"


def _state(tx: Tx, name: str) -> str:
    state = tx.accounts.get(name)
    return chat_lines(pause_words(state)) if state.paused else "sending"


def _operations(account: Account, tx: Tx) -> Iterator[str]:
    offered = operations_of(account)
    yield f"{account.name} ({title_of(account)}): {_state(tx, account.name)}"
    if not offered:
        yield "It offers nothing beside sending."
    for operation in offered:
        yield f"{usage(account, operation)}: {operation.summary}"
        if operation.changes:
            yield f"  on the server: patchbay account {example(account, operation)}"
        else:
            yield f"  /account {example(account, operation)}"


def _bounded(text: str) -> str:
    """The text in at most two messages, cut after a line if it has to be."""
    if utf16_length(text) <= ANSWER_MOST:
        return text
    room = ANSWER_MOST - utf16_length(_CUT)
    cut = text.encode("utf-16-le")[: 2 * room].decode("utf-16-le", "ignore")
    whole, _, _ = cut.rpartition("\n")
    return (whole if len(whole) > len(cut) // 2 else cut) + _CUT
