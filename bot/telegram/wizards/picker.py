"""Steps that choose a conversation: account, then conversation, then topic; or an address or a name that is written.

An account of a provider is asked for its conversations where it can be; those this bot knows follow. In a private
chat Telegram's own list of chats is offered, too. A person whose role counts in one chat only is offered what it
reaches.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from bot.accounts import Account, ProviderAccount
from bot.addresses import (
    TELEGRAM,
    Address,
    AddressError,
    NewTopic,
    Pattern,
    parse_source,
    parse_target,
    telegram_address,
)
from bot.names import one_line
from bot.operations import title_of
from bot.store import Tx
from bot.telegram.replies import UsageError
from bot.telegram.wizards.pages import (
    LABEL_MOST,
    Choice,
    Go,
    Input,
    Page,
    Picked,
    Prepare,
    Shared,
    Stay,
    Step,
    Turn,
    Wrote,
)
from bot.telegram.wizards.rights import MISSING, missing_right, to_ask
from bot.telegram.wizards.scene import Scene
from bot.text import cut
from bridges.api import Listed, Lists
from bridges.errors import BridgeError, Unavailable
from bridges.model import AccountName, ConversationId

ASKED = "an address or a name, as in support:room-42"
LIST_S = 5.0
"""How long an account is waited for when it is asked for its conversations; shorter than a press may take."""
LISTED_MOST = 200
KNOWN_MOST = 1000
_HERE, _ACCOUNT, _ANOTHER, _NEW = "here", "account", "another", "new"


@dataclass(frozen=True, slots=True)
class Picker:
    """Three steps that end in one conversation; their names begin with ``name``, and so do the values they leave."""

    name: str
    question: str
    then: Callable[[Scene, str], Turn]
    """What follows; gets the address, the pattern or the ``new-topic(…)`` as it is written."""
    patterns: bool = False
    """Whether it may be everything of an account."""
    new_topics: Callable[[Scene], bool] = lambda scene: False
    """Whether it may be a new topic for each conversation."""
    without: Callable[[Scene], Collection[str]] = lambda scene: ()
    """Addresses that are not offered, and refused."""

    def steps(self) -> dict[str, Step]:
        """All three."""
        helped = f"Press what is meant, or write {ASKED}. /channels lists addresses, /here tells that of a chat."
        return {
            self.name: Step(self._accounts, self._take_account, helped, self._ask_account),
            f"{self.name}.where": Step(self._conversations, self._take_conversation, helped, self._ask_rights),
            f"{self.name}.topic": Step(self._topics, self._take_topic, helped, self._ask_rights),
        }

    # --- account

    def _accounts(self, scene: Scene) -> Page:
        offered = []
        if str(scene.here) not in self.without(scene):
            kind = "topic" if "/" in scene.here.conversation else "chat"
            offered.append(Choice(f"This {kind}", _HERE))
        names = sorted(name for name in scene.relay.accounts if name != TELEGRAM)
        offered += [Choice(f"{name} ({title_of(scene.relay.accounts[name])})", f"{_ACCOUNT}:{name}") for name in names]
        if not scene.is_limited or self._chats(scene):
            offered.append(Choice("Telegram: a chat or topic", f"{_ACCOUNT}:{TELEGRAM}"))
        return Page(self.question, choices=tuple(offered), asks=ASKED)

    def _take_account(self, scene: Scene, given: Input) -> Turn:
        if not isinstance(given, Picked):
            return self._take_words(scene, given)
        if given.value == _HERE:
            return self._done(scene, str(scene.here), given.prepared)
        name = given.value.partition(":")[2]
        if name not in scene.relay.accounts:
            raise AddressError(scene.relay.unknown_account(name))
        note, listed = "", list[list[str]]()
        match given.prepared:
            case BridgeError() as error:
                note = f"⚠ {name} could not be asked for its conversations: {error}"
            case tuple() as answered:
                listed = [[each.conversation.id, each.conversation.title] for each in answered[:LISTED_MOST]]
        values = {f"{self.name}.account": name, f"{self.name}.listed": listed}
        return Go(f"{self.name}.where", values, note)

    def _ask_account(self, scene: Scene, value: str) -> Prepare | None:
        if value == _HERE:
            return to_ask(scene, str(scene.here))
        account = scene.relay.accounts.get(value.partition(":")[2])
        if not isinstance(account, ProviderAccount) or not isinstance(account.bridge, Lists):
            return None
        return lambda: _conversations_of(account)

    # --- conversation

    def _account(self, scene: Scene) -> str:
        return str(scene.values[f"{self.name}.account"])

    def _conversations(self, scene: Scene) -> Page:
        name = self._account(scene)
        offered = []
        if self.patterns and not (name == TELEGRAM and scene.is_limited):
            offered.append(Choice(f"Everything of {name}", f"{name}:*"))
        if name == TELEGRAM:
            offered += [Choice(_label(title, chat), f"{TELEGRAM}:{chat}") for chat, title in self._chats(scene)]
            another = scene.is_private and not scene.is_limited
            actions = (Choice("Another chat…", _ANOTHER),) if another else ()
            hint = "" if offered else "No chat is known yet: one is once something was written there."
            return Page(_lines(f"{self.question} Which chat?", hint), tuple(offered), actions, asks=ASKED)
        known = dict(scene.tx.conversations.latest(name, limit=KNOWN_MOST))
        listed = {str(id): str(title) for id, title in scene.values.get(f"{self.name}.listed", ())}
        without = self.without(scene)
        for id, title in {**listed, **{id: title for id, title in known.items() if id not in listed}}.items():
            address = f"{name}:{id}"
            if address not in without:
                offered.append(Choice(_label(title or known.get(id, ""), id), address))
        hint = "" if offered else f"No conversation of {name} is known yet."
        text = _lines(f"{self.question} Which conversation of {name}?", hint)
        return Page(text, tuple(offered), asks=f"its part of the address, {ASKED}")

    def _take_conversation(self, scene: Scene, given: Input) -> Turn:
        if not isinstance(given, Picked):
            return self._take_words(scene, given, account=self._account(scene))
        if given.value == _ANOTHER:
            note = "Choose it with a button below the field for text: these open your own list of chats."
            return Stay(note, offer_chats=True)
        return self._chosen(scene, given.value, given.prepared)

    def _chosen(self, scene: Scene, address: str, prepared: object = None) -> Turn:
        """A conversation; of a chat that has topics, one of these comes next."""
        chat = parse_source(address)
        if isinstance(chat, Address) and chat.account == TELEGRAM and "/" not in chat.conversation:
            scene.reach(chat)
            if chat.conversation.startswith("-") and (
                self.new_topics(scene) or _topics(scene.tx, chat.conversation) or _is_forum(scene, chat)
            ):
                return _with_right(Go(f"{self.name}.topic", {f"{self.name}.chat": str(chat)}), scene, chat, prepared)
        return self._done(scene, address, prepared)

    # --- topic

    def _topics(self, scene: Scene) -> Page:
        chat = Address(TELEGRAM, ConversationId(self._chat(scene)))
        without = self.without(scene)
        offered = [Choice("The chat itself", str(chat))]
        for topic, title in _topics(scene.tx, chat.conversation):
            number = topic.partition("/")[2]
            offered.append(Choice(_label(f"Topic {number} {title}", ""), f"{TELEGRAM}:{topic}"))
        offered = [choice for choice in offered if choice.value not in without]
        if self.new_topics(scene):
            offered.append(Choice("A new topic for each conversation", f"{_NEW}:{chat}"))
        return Page(f"{self.question} Which topic of {named(scene.tx, chat)}?", tuple(offered), asks=ASKED)

    def _chat(self, scene: Scene) -> str:
        return str(scene.values[f"{self.name}.chat"]).partition(":")[2]

    def _take_topic(self, scene: Scene, given: Input) -> Turn:
        if not isinstance(given, Picked):
            return self._take_words(scene, given)
        if given.value.startswith(f"{_NEW}:"):
            chat = given.value.partition(":")[2]
            return self._done(scene, f"new-topic({chat})", given.prepared)
        return self._done(scene, given.value, given.prepared)

    # --- all of them

    def _ask_rights(self, scene: Scene, value: str) -> Prepare | None:
        opens = value.startswith(f"{_NEW}:")
        return to_ask(scene, value.partition(":")[2] if opens else value, opens=opens)

    def _take_words(self, scene: Scene, given: Input, *, account: str = "") -> Turn:
        match given:
            case Shared(chat=chat, title=title):
                address = scene.reach(telegram_address(chat))
                kind = "group" if chat < 0 else "direct"
                scene.tx.conversations.touch(TELEGRAM, address.conversation, kind=kind, title=title, now=scene.now)
                return self._chosen(scene, str(address))
            case Wrote(text=text):
                return self._done(scene, self._read(scene, text, account=account))
        raise UsageError("that is no button of this page")

    def _read(self, scene: Scene, text: str, *, account: str) -> str:
        word = text.removeprefix("@") if scene.tx.names.get(text.removeprefix("@").lower()) else text
        if word.lower() == _HERE:
            return str(scene.here)
        if account and ":" not in word and not scene.tx.names.get(word.lower()):
            word = f"{account}:{word}"
        if word.endswith("*"):
            source = parse_source(word)
            if not self.patterns:
                raise AddressError(f"{source} is many conversations, one is needed here, as in support:room-42")
            if source.account not in scene.relay.accounts:
                raise AddressError(scene.relay.unknown_account(source.account))
            if source.account == TELEGRAM and scene.is_limited:
                raise UsageError(f"{source} is every chat, and your role counts in this one only")
            return str(source)
        return str(scene.target(word))

    def _done(self, scene: Scene, written: str, prepared: object = None) -> Turn:
        if written in self.without(scene):
            same = written == str(scene.here)
            raise UsageError("that is this very chat" if same else f"{written} is there already")
        end = parse_target(written) if written.startswith("new-topic(") else parse_source(written)
        place = end.chat if isinstance(end, NewTopic) else end
        if isinstance(place, Address):
            scene.reach(place)
        turn = self.then(scene, written)
        return turn if isinstance(place, Pattern) else _with_right(turn, scene, place, prepared)

    def _chats(self, scene: Scene) -> list[tuple[str, str]]:
        """The known chats of Telegram that can be offered: groups and channels, the latest first."""
        without = self.without(scene)
        found: dict[str, str] = {}
        with_topics = set()
        for conversation, title in scene.tx.conversations.latest(TELEGRAM, limit=KNOWN_MOST):
            chat, _, topic = conversation.partition("/")
            if not chat.startswith("-") or not scene.reaches(Address(TELEGRAM, ConversationId(chat))):
                continue
            found.setdefault(chat, "")
            if topic:
                with_topics.add(chat)
            elif title:
                found[chat] = title
        more = found if self.new_topics(scene) else with_topics
        return [(chat, title) for chat, title in found.items() if chat in more or f"{TELEGRAM}:{chat}" not in without]


def _with_right(turn: Turn, scene: Scene, place: Address, prepared: object) -> Turn:
    """The turn, with a word on what this bot may not do there."""
    missing = prepared if isinstance(prepared, str) else None
    if missing is None or not isinstance(turn, Go):
        return turn
    known = {**scene.values.get(MISSING, {}), **turn.values.get(MISSING, {}), str(place): missing}
    note = _lines(turn.note, f"⚠ {missing_right(scene, place, missing)}") if missing else turn.note
    return replace(turn, values={**turn.values, MISSING: known}, note=note)


async def _conversations_of(account: Account) -> tuple[Listed, ...] | BridgeError:
    assert isinstance(account, ProviderAccount)
    assert isinstance(account.bridge, Lists)
    try:
        async with asyncio.timeout(LIST_S):
            return tuple(await account.run(account.bridge.conversations()))
    except TimeoutError:
        return Unavailable(f"nothing came back within {LIST_S:g} s")
    except BridgeError as error:
        return error


def _topics(tx: Tx, chat: str) -> Sequence[tuple[str, str]]:
    """The known topics of a chat."""
    known = tx.conversations.latest(TELEGRAM, limit=KNOWN_MOST)
    return [(topic, title) for topic, title in known if topic.startswith(f"{chat}/") and "/new/" not in topic]


def _is_forum(scene: Scene, chat: Address) -> bool:
    return "/" in scene.here.conversation and chat == scene.chat


def named(tx: Tx, address: Address) -> str:
    """An address with its title."""
    title = one_line(tx.conversations.title(address.account, address.conversation), most=40)
    return f"{title} ({address})" if title else str(address)


def _label(title: str, id: str) -> str:
    name = one_line(title, most=LABEL_MOST)
    if not name or not id:
        return name or id
    tail = id if len(id) <= 14 else f"…{id[-8:]}"
    return f"{cut(name, LABEL_MOST - len(tail) - 3)} ({tail})"


def _lines(*lines: str) -> str:
    return "\n".join(filter(None, lines))


def address_of(name: str, conversation: str) -> Address:
    """The address of a conversation of an account."""
    return Address(AccountName(name), ConversationId(conversation))
