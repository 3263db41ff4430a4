"""Accounts: one configured login, whatever stands behind it. Delivery sees only this."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Protocol, TypeVar

from bot.downloads import Downloads, plain
from bot.files import FETCH_S, Folder
from bot.http import HttpClient
from bot.limits import AccountPace, Pace
from bot.store import Store, StoreError
from bridges.api import (
    Answer,
    Answers,
    Batches,
    Bridge,
    Capabilities,
    Confirms,
    Edits,
    Fetches,
    File,
    Flow,
    Hook,
    KeepsFiles,
    Outgoing,
    Reacts,
    Remembers,
)
from bridges.driver import DEADLINE_S, drive
from bridges.errors import BridgeError, Inexpressible
from bridges.model import AccountName, Attachment, ConversationId, Event, Message, MessageId, Receipt

logger = logging.getLogger(__name__)

T = TypeVar("T")
SLOTS = 256
"""Conversations of one account that are sent to at the same time."""


class ChatMoved(BridgeError):
    """The conversation has another id from now on, and nothing was sent. ``new``: the conversation's part of it."""

    def __init__(self, message: str, *, new: ConversationId) -> None:
        super().__init__(message)
        self.new = new


class TopicGone(BridgeError):
    """The forum topic was deleted, and nothing was sent; its chat is there still."""


class Barred(BridgeError):
    """The chat does not let us write any more (blocked, removed, not enough rights), and nothing was sent."""


class SentInPart(Receipt):
    """The answer to a send that left words out, for there was no room; they are to follow."""

    left: tuple[Message, ...]


class Account(Protocol):
    """What can be sent through: a provider's login, or Telegram."""

    @property
    def name(self) -> AccountName: ...
    @property
    def provider(self) -> str: ...
    @property
    def capabilities(self) -> Capabilities: ...
    @property
    def pace(self) -> Pace: ...
    @property
    def slots(self) -> int: ...
    @property
    def can_confirm(self) -> bool: ...

    def check(self, conversation: ConversationId) -> None:
        """Raise ``Refused`` with a valid example if nothing can ever be sent there."""
        ...

    def pace_key(self, conversation: ConversationId) -> str:
        """What the pace counts together: for Telegram the chat, whatever the topic."""
        ...

    async def deliver(self, outs: Sequence[Outgoing]) -> Receipt:
        """Send messages of one conversation in this order; one outcome for all. Raises ``BridgeError``."""
        ...

    async def confirm(self, out: Outgoing) -> Receipt | None:
        """Ask what became of a send. Raises ``BridgeError`` if that stays open."""
        ...

    async def edit(self, conversation: ConversationId, ids: Sequence[MessageId], message: Message) -> None:
        """Give a sent message (one part of it, which may have several ids) new content.

        Raises ``Refused`` where that cannot be done: then it is said in words. Doing it twice has no second effect.
        """
        ...

    async def delete(self, conversation: ConversationId, ids: Sequence[MessageId]) -> None:
        """Take a sent message back; gone already is success. Raises as :meth:`edit`."""
        ...

    async def react(self, conversation: ConversationId, id: MessageId, emoji: str) -> None:
        """Put an emoji on a message; none takes it back. Raises as :meth:`edit`."""
        ...

    async def fetch(self, attachment: Attachment) -> File:
        """An attachment that came in here. ``Refused`` if it cannot be had; any ``BridgeError``."""
        ...

    async def probe(self) -> str:
        """Prove that the credentials work, sending nothing. Raises ``BridgeError``."""
        ...

    async def close(self) -> None:
        """Close connections."""
        ...


class ProviderAccount:
    """A bridge with its own connections and pacing."""

    def __init__(
        self, name: str, bridge: Bridge, *, folder: Folder | None = None, deadline_s: float = DEADLINE_S
    ) -> None:
        self.name = AccountName(name)
        self.bridge = bridge
        self.provider = bridge.name
        self.slots = SLOTS
        self.can_confirm = isinstance(bridge, Confirms)
        self._pace = AccountPace(bridge.capabilities.requests_per_minute)
        self._http = HttpClient(connections=SLOTS)
        own = bridge.file_origins if isinstance(bridge, KeepsFiles) else ()
        self._files = Downloads(own=own, folder=folder)
        self._deadline_s = deadline_s
        # Asked once: looking a protocol up takes longer than what it is asked for.
        self._answers = bridge if isinstance(bridge, Answers) else None
        self._batches = bridge if isinstance(bridge, Batches) else None
        self._remembers = bridge if isinstance(bridge, Remembers) else None
        self._store: Store | None = None
        self._known: Mapping[str, str] | None = None
        """What the bridge had learnt when it was last written down."""

    @property
    def capabilities(self) -> Capabilities:
        """What this account can carry; a bridge may learn better."""
        return self.bridge.capabilities

    @property
    def pace(self) -> Pace:
        """When one may send."""
        return self._pace

    def check(self, conversation: ConversationId) -> None:
        """See :meth:`Account.check`."""
        self.bridge.check(conversation)

    def pace_key(self, conversation: ConversationId) -> str:
        """One pace for the whole account."""
        return ""

    async def deliver(self, outs: Sequence[Outgoing]) -> Receipt:
        """See :meth:`Account.deliver`."""
        if len(outs) == 1:
            flow = self.bridge.deliver(outs[0])
        elif self._batches is not None:
            flow = self._batches.deliver_many(outs)
        else:
            raise Inexpressible(f"{self.bridge.title} takes one message at a time")
        return await self.run(flow)

    async def confirm(self, out: Outgoing) -> Receipt | None:
        """See :meth:`Account.confirm`."""
        assert isinstance(self.bridge, Confirms)
        return await self.run(self.bridge.confirm(out))

    async def edit(self, conversation: ConversationId, ids: Sequence[MessageId], message: Message) -> None:
        """See :meth:`Account.edit`."""
        if not isinstance(self.bridge, Edits):
            raise Inexpressible(f"{self.bridge.title} has no way to change a message")
        await self.run(self.bridge.edit(conversation, ids[0], message))

    async def delete(self, conversation: ConversationId, ids: Sequence[MessageId]) -> None:
        """See :meth:`Account.delete`."""
        if not isinstance(self.bridge, Edits):
            raise Inexpressible(f"{self.bridge.title} has no way to take a message back")
        for id in ids:
            await self.run(self.bridge.delete(conversation, id))

    async def react(self, conversation: ConversationId, id: MessageId, emoji: str) -> None:
        """See :meth:`Account.react`."""
        if not isinstance(self.bridge, Reacts):
            raise Inexpressible(f"{self.bridge.title} has no reactions")
        await self.run(self.bridge.react(conversation, id, emoji))

    async def fetch(self, attachment: Attachment) -> File:
        """See :meth:`Account.fetch`."""
        flow = self.bridge.fetch(attachment) if isinstance(self.bridge, Fetches) else plain(attachment)
        auth = self.bridge.auth if isinstance(self.bridge, Fetches) else None
        keeper = None if self._store is None else self
        return await drive(flow, send=self._files.send, auth=auth, deadline_s=FETCH_S, keeper=keeper)

    def stranger(self, attachment: Attachment) -> str | None:
        """See :class:`bot.files.LeadsAway`."""
        return self._files.stranger(attachment.ref)

    async def probe(self) -> str:
        """See :meth:`Account.probe`."""
        return await self.run(self.bridge.probe())

    async def run(self, flow: Flow[T]) -> T:
        """Run one of the bridge's flows with its connections and credentials; what it learns is written down."""
        keeper = None if self._store is None else self
        try:
            return await drive(
                flow, send=self._http.send, auth=self.bridge.auth, deadline_s=self._deadline_s, keeper=keeper
            )
        finally:
            await self.keep()
            self._pace.keep_to(self.bridge.capabilities.requests_per_minute)

    # --- what the bridge learns

    async def remember_in(self, store: Store) -> None:
        """Give the bridge what was learnt before, and write down what it learns. Raises ``StoreError``."""
        if self._remembers is not None:
            name = self.name
            memory = (await store.read(lambda tx: tx.accounts.get(name))).memory or {}
            self.recall(memory)
            self._store = store

    def recall(self, memory: Mapping[str, str]) -> None:
        """Give the bridge what this or another process learnt; what it knows already is not given again."""
        if self._remembers is not None:
            known = self._known or {}
            if known and all(known.get(name) == value for name, value in memory.items()):
                return
            if memory:
                self._remembers.recall(memory)
                self._pace.keep_to(self.bridge.capabilities.requests_per_minute)
            self._known = self._remembers.learnt()

    async def look(self) -> None:
        """Take what another process wrote down meanwhile; see :class:`bridges.driver.Keeper`."""
        if self._store is None or self._remembers is None:
            return
        name = self.name
        try:
            memory = (await self._store.read(lambda tx: tx.accounts.get(name))).memory or {}
        except StoreError:
            return  # then with what is known here
        self.recall(memory)

    async def keep(self) -> None:
        """Write down what the bridge learnt, if it is something else than before; raises nothing."""
        if self._store is None or self._remembers is None:
            return
        name, before, learnt = self.name, self._known, self._remembers.learnt()
        if learnt is before:
            return
        self._known = learnt
        try:
            await self._store.write(lambda tx: tx.accounts.remember(name, learnt))
        except StoreError as error:
            self._known = before  # tried again after the next flow
            logger.warning("what an account learnt is not written down", extra={"account": name, "error": str(error)})

    # --- receiving

    def decode(self, hook: Hook) -> Sequence[Event]:
        """The events of a webhook."""
        return self.bridge.decode(hook)

    def answer(self, hook: Hook) -> Answer:
        """The HTTP answer that the provider wants."""
        if self._answers is not None:
            return self._answers.answer(hook)
        return Answer(body=b"{}")

    @property
    def clock_skew_s(self) -> float | None:
        """How far this machine's clock is ahead of the provider's, by its latest answer; None: not known."""
        return self._http.clock_skew_s

    async def close(self) -> None:
        """See :meth:`Account.close`."""
        await self._http.close()
        await self._files.close()
