"""Accounts: one configured login, whatever stands behind it. Delivery sees only this."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from bot.http import HttpClient
from bot.limits import AccountPace, Pace
from bridges.api import Answer, Answers, Batches, Bridge, Capabilities, Confirms, Flow, Hook, Outgoing
from bridges.driver import DEADLINE_S, drive
from bridges.errors import Inexpressible
from bridges.model import AccountName, ConversationId, Event, Receipt

T = TypeVar("T")
SLOTS = 256
"""Conversations of one account that are sent to at the same time."""


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

    async def probe(self) -> str:
        """Prove that the credentials work, sending nothing. Raises ``BridgeError``."""
        ...

    async def close(self) -> None:
        """Close connections."""
        ...


class ProviderAccount:
    """A bridge with its own connections and pacing."""

    def __init__(self, name: str, bridge: Bridge, *, deadline_s: float = DEADLINE_S) -> None:
        self.name = AccountName(name)
        self.bridge = bridge
        self.provider = bridge.name
        self.capabilities = bridge.capabilities
        self.pace: Pace = AccountPace(bridge.capabilities.requests_per_minute)
        self.slots = SLOTS
        self.can_confirm = isinstance(bridge, Confirms)
        self._http = HttpClient(connections=SLOTS)
        self._deadline_s = deadline_s
        # Asked once: looking a protocol up takes longer than what it is asked for.
        self._answers = bridge if isinstance(bridge, Answers) else None
        self._batches = bridge if isinstance(bridge, Batches) else None

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
        return await self._drive(flow)

    async def confirm(self, out: Outgoing) -> Receipt | None:
        """See :meth:`Account.confirm`."""
        assert isinstance(self.bridge, Confirms)
        return await self._drive(self.bridge.confirm(out))

    async def probe(self) -> str:
        """See :meth:`Account.probe`."""
        return await self._drive(self.bridge.probe())

    async def _drive(self, flow: Flow[T]) -> T:
        return await drive(flow, send=self._http.send, auth=self.bridge.auth, deadline_s=self._deadline_s)

    def decode(self, hook: Hook) -> Sequence[Event]:
        """The events of a webhook."""
        return self.bridge.decode(hook)

    def answer(self, hook: Hook) -> Answer:
        """The HTTP answer that the provider wants."""
        if self._answers is not None:
            return self._answers.answer(hook)
        return Answer(body=b"{}")

    @property
    def http(self) -> HttpClient:
        """The account's connections, for flows that are not deliveries."""
        return self._http

    async def close(self) -> None:
        """See :meth:`Account.close`."""
        await self._http.close()
