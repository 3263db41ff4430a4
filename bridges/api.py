"""The interface between a provider's bridge and everything else: plain data and sans-I/O generators.

A flow yields ``httpx.Request`` objects, is sent ``httpx.Response`` objects and returns its result: the idiom of
``httpx.Auth`` (https://www.python-httpx.org/advanced/authentication/, 2026-11). The driver does the I/O.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Literal, Protocol, TypeAlias, TypeVar, runtime_checkable

import httpx
from pydantic import BaseModel, ConfigDict

from bridges.model import Conversation, ConversationId, Event, Message, MessageId, Receipt

T = TypeVar("T")
Flow: TypeAlias = Generator[httpx.Request, httpx.Response, T]

HARMLESS: Mapping[str, bool] = {"harmless": True}
"""Request extensions of a call that may be repeated freely (GET, token, upload): its loss is never ambiguous."""


@dataclass(frozen=True, slots=True)
class Hook:
    """A webhook as it came in: enough to verify and decode it again years later."""

    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
    """Names in lower case, in the order received."""
    path: str = ""
    """What followed the secret in the path, without the leading slash."""
    received_at: datetime | None = None

    def header(self, name: str) -> str | None:
        """The first header of that name (lower case), or None."""
        return next((value for key, value in self.headers if key == name), None)


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer to a webhook."""

    status: int = 200
    body: bytes = b""
    media_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    handshake: bool = False
    """True: the hook only asked for this answer and holds no event; it is not stored."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message on its way to a provider, already shaped to the bridge's capabilities."""

    key: str
    """Stable across attempts: the idempotency key where the provider takes one."""
    conversation: ConversationId
    message: Message
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a provider can carry, as data: shaping, delivery and the capability matrix read it."""

    text_limit: int
    """Most units of text in one message."""
    text_unit: Literal["codepoints", "utf16", "bytes"] = "codepoints"
    batch: int = 1
    """Most messages of one conversation in one request."""
    markup: Literal["none", "entities", "markdown"] = "none"
    attachments: Literal["none", "url", "bytes"] = "none"
    attachment_bytes: int = 0
    replies: bool = False
    edits: bool = False
    deletes: bool = False
    reactions: bool = False
    threads: bool = False
    history: bool = False
    idempotent: bool = False
    """The provider takes ``Outgoing.key``: the same key again has no second effect."""
    receipt_ids: bool = False
    """A successful send tells the ids of the new messages."""
    requests_per_minute: int | None = None
    webhook_proof: Literal["none", "path", "signature"] = "path"
    receives: bool = True


class AccountSettings(BaseModel):
    """Base of every bridge's settings; the ``provider`` key picks the bridge."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    provider: str


@runtime_checkable
class Bridge(Protocol):
    """Our code for one provider, configured for one account. Pure: no I/O, no clock, no randomness."""

    name: ClassVar[str]
    title: ClassVar[str]
    Settings: ClassVar[type[AccountSettings]]
    capabilities: ClassVar[Capabilities]

    @property
    def auth(self) -> httpx.Auth | None:
        """Credentials put on each request, with token fetch and refresh; None where the flow does it itself."""
        ...

    def check(self, conversation: ConversationId) -> None:
        """Raise ``Refused`` with a valid example if a message can never be sent to this conversation."""
        ...

    def deliver(self, out: Outgoing) -> Flow[Receipt]:
        """Send one message; may yield several requests. Raises any ``BridgeError``."""
        ...

    def verify(self, hook: Hook) -> None:
        """Raise ``Untrusted`` unless the hook proves where it comes from (the path's secret was checked before)."""
        ...

    def decode(self, hook: Hook) -> Sequence[Event]:
        """Events of a hook; raises ``Garbled`` only. The same hook gives the same events for ever."""
        ...

    def probe(self) -> Flow[str]:
        """The cheapest proof that the credentials work; returns a line for a person. Sends no message."""
        ...


@runtime_checkable
class Answers(Protocol):
    """A provider that wants a particular answer to a webhook, such as a challenge."""

    def answer(self, hook: Hook) -> Answer:
        """The answer once the hook is verified (and, unless it is a handshake, committed). Raises ``Garbled``."""
        ...


@dataclass(frozen=True, slots=True)
class Subscription:
    """An event subscription as the provider has it."""

    event: str
    url: str
    active: bool
    detail: str = ""
    memory: Mapping[str, str] = field(default_factory=dict)
    """What the bridge wants to be given again (``Remembers.recall``), such as the challenge mode that worked."""


@runtime_checkable
class Subscribes(Protocol):
    """A provider whose event subscriptions can be made by API."""

    def subscribe(self, url: str) -> Flow[Subscription]:
        """Make or renew the subscription that posts to ``url``. Doing it twice leaves one."""
        ...

    def unsubscribe(self, url: str) -> Flow[Subscription]:
        """End it; already ended is success."""
        ...


@runtime_checkable
class Remembers(Protocol):
    """A bridge that learns something which has to survive a restart."""

    def recall(self, memory: Mapping[str, str]) -> None:
        """Take what was learnt before (``Subscription.memory``), given once at start."""
        ...


@runtime_checkable
class Batches(Protocol):
    """A provider that takes several messages of one conversation in one request."""

    def deliver_many(self, outs: Sequence[Outgoing]) -> Flow[Receipt]:
        """Send them in this order, at most ``capabilities.batch``. One outcome for all of them."""
        ...


@runtime_checkable
class Confirms(Protocol):
    """A provider that can be asked what became of a send whose outcome is unknown."""

    def confirm(self, out: Outgoing) -> Flow[Receipt | None]:
        """The receipt if it arrived, None if it surely did not; raises ``Unavailable`` if that stays open."""
        ...


@dataclass(frozen=True, slots=True)
class Listed:
    """A conversation that can be sent to, for ``/channels``."""

    conversation: Conversation
    detail: str = ""


@runtime_checkable
class Lists(Protocol):
    """A provider that can list its conversations."""

    def conversations(self) -> Flow[Sequence[Listed]]:
        """Conversations that can be sent to."""
        ...


@runtime_checkable
class Edits(Protocol):
    """A provider that can change or delete what was sent."""

    def edit(self, conversation: ConversationId, id: MessageId, message: Message) -> Flow[None]:
        """Give a sent message a new content."""
        ...

    def delete(self, conversation: ConversationId, id: MessageId) -> Flow[None]:
        """Take a sent message back."""
        ...
