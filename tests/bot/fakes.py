"""A provider that exists only in memory, for what the bot does around bridges."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, Literal

import httpx

from bot.accounts import ProviderAccount
from bot.store.sqlite import SqliteStore
from bot.telegram.outbound import CAPABILITIES
from bridges.api import AccountSettings, Capabilities, Flow, Hook, Outgoing, Polled, Subscription
from bridges.errors import BridgeError
from bridges.model import (
    Conversation,
    ConversationId,
    Event,
    Message,
    MessageId,
    Person,
    PersonId,
    Receipt,
    Received,
    StatusChanged,
)
from tests.databases import new_database


class FakeSettings(AccountSettings):
    """Nothing to set."""

    provider: Literal["fake"] = "fake"


class FakeBridge:
    """Does what its attributes say; nothing leaves the process, for its flows yield no request."""

    name: ClassVar[str] = "fake"
    title: ClassVar[str] = "Fake"
    Settings: ClassVar[type[AccountSettings]] = FakeSettings
    capabilities: Capabilities = Capabilities(text_limit=1000)
    auth: httpx.Auth | None = None
    poll_every_s: float = 5.0

    def __init__(self, **capabilities: Any) -> None:
        self.capabilities = replace(type(self).capabilities, **capabilities)
        self.sent: list[Outgoing] = []
        self.receipt = Receipt()
        self.error: BridgeError | None = None
        self.memory: Mapping[str, str] = {}
        self.made: list[datetime] = []
        """When it was subscribed."""
        self.gone = False
        self.lasts = timedelta(hours=1)
        self.items: list[dict[str, Any]] = []
        """What a poll brings: those after the cursor, which counts them."""

    def _flow(self, result: Callable[[], Any]) -> Flow[Any]:
        if self.error is not None:
            raise self.error
        return result()
        yield  # a flow is a generator

    def check(self, conversation: ConversationId) -> None:
        """Any."""

    def deliver(self, out: Outgoing) -> Flow[Receipt]:
        """Keep it."""

        def sent() -> Receipt:
            self.sent.append(out)
            return self.receipt

        return self._flow(sent)

    def verify(self, hook: Hook) -> None:
        """Trust it."""

    def decode(self, hook: Hook) -> Sequence[Event]:
        """One event, or one for each in a list."""
        body = json.loads(hook.body)
        return [event_of(each) for each in (body if isinstance(body, list) else [body])]

    def probe(self) -> Flow[str]:
        """All is well."""
        return self._flow(lambda: "well")

    def recall(self, memory: Mapping[str, str]) -> None:
        """Take it over."""
        self.memory = dict(memory)

    def learnt(self) -> Mapping[str, str]:
        """What it was told."""
        return self.memory

    def attempts(self) -> Sequence[Mapping[str, str]]:
        """One way."""
        return ({},)

    def attempt(self, url: str, *, memory: Mapping[str, str], now: datetime) -> Flow[Subscription]:
        """Subscribe for a while."""

        def done() -> Subscription:
            self.made.append(now)
            return Subscription(event="messages", url=url, active=True, expires_at=now + self.lasts)

        return self._flow(done)

    def subscribed(self, url: str) -> Flow[Subscription | None]:
        """As it was made, unless it is gone."""

        def found() -> Subscription | None:
            return None if self.gone else Subscription(event="messages", url=url, active=True)

        return self._flow(found)

    def subscribe(self, url: str, *, now: datetime) -> Flow[Subscription]:
        """The one attempt."""
        return self.attempt(url, memory={}, now=now)

    def unsubscribe(self, url: str) -> Flow[Subscription]:
        """End it."""
        return self._flow(lambda: Subscription(event="messages", url=url, active=False))

    def poll(self, cursor: str) -> Flow[Polled]:
        """Those after the cursor."""

        def brought() -> Polled:
            after = int(cursor or len(self.items))
            hooks = tuple(Hook(body=json.dumps(item).encode(), path="poll") for item in self.items[after:])
            return Polled(hooks, str(len(self.items)))

        return self._flow(brought)


def event_of(data: Mapping[str, Any]) -> Event:
    """An event as these tests write it."""
    at = datetime.fromtimestamp(data.get("at", 1000), UTC)
    if "state" in data:
        return StatusChanged(key=data["key"], at=at, id=MessageId(data["id"]), state=data["state"])
    return Received(
        key=data["key"],
        at=at,
        conversation=Conversation(id=ConversationId(data.get("place", "lobby")), handle=data.get("handle", "")),
        id=MessageId(data["id"]) if "id" in data else None,
        message=Message(text=data.get("text", ""), sender=Person(id=PersonId("p"), name="Pat")),
        ours=data.get("ours", False),
        twin=data.get("twin", ""),
        firm=data.get("firm", True),
    )


def fake_account(bridge: FakeBridge, name: str = "club") -> ProviderAccount:
    """An account of it."""
    return ProviderAccount(name, bridge)


class PinningAccount(ProviderAccount):
    """One that can pin, as Telegram can: its bridge is told."""

    async def pin(self, conversation: ConversationId, ids: Sequence[MessageId]) -> None:
        """See :class:`bot.changing.Pins`."""
        await self.run(self.bridge.pin(conversation, ids))  # type: ignore[attr-defined]


class Telegram:
    """Telegram as far as telling the owners needs it."""

    name, provider, capabilities = "telegram", "telegram", CAPABILITIES

    def check(self, conversation: str) -> None:
        """Any chat."""


class Clock:
    """Time that stands still until it is moved."""

    def __init__(self, at: float = 1_000_000.0) -> None:
        self.at = at

    def __call__(self) -> float:
        return self.at


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[SqliteStore]:
    """A store that is closed at the end."""
    store = await SqliteStore.open(new_database(folder / "p.sqlite3"))
    try:
        yield store
    finally:
        await store.close()
