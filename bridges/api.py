"""The interface between a provider's bridge and everything else: plain data and sans-I/O generators.

A flow yields ``httpx.Request`` objects, is sent ``httpx.Response`` objects and returns its result: the idiom of
``httpx.Auth`` (https://www.python-httpx.org/advanced/authentication/, 2026-11). The driver does the I/O.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, BinaryIO, ClassVar, Literal, Protocol, TypeAlias, TypeVar, runtime_checkable
from urllib.parse import urlsplit

import httpx
from pydantic import AfterValidator, BaseModel, ConfigDict, SecretStr

from bridges.errors import BridgeError
from bridges.model import (
    Attachment,
    Conversation,
    ConversationId,
    Deleted,
    Event,
    Message,
    MessageId,
    Person,
    Receipt,
)

T = TypeVar("T")
Flow: TypeAlias = Generator[httpx.Request, httpx.Response, T]
Origin: TypeAlias = tuple[str, str, int | None]
"""Scheme, host and port, the port where it is not the usual one; see :func:`origin_of`."""

HARMLESS: Mapping[str, bool] = {"harmless": True}
"""Request extensions of a call that may be repeated freely (GET, token, upload): its loss is never ambiguous."""


RECEIVED_AT = "received_at"
"""Extension of every response that a flow is sent: when it came, aware, by our clock."""


@dataclass(frozen=True, slots=True)
class Hook:
    """A webhook as it came in: enough to verify and decode it again years later."""

    body: bytes = field(repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """Names in lower case, in the order received. Neither body nor headers show in ``repr``: they hold secrets."""
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
class Answered:
    """The message that another one answers, as it was written: for providers that want to be told what they quote."""

    id: MessageId
    """Its id in the conversation that is sent to."""
    text: str = field(default="", repr=False)
    sender: Person | None = None
    at: datetime | None = None


class File(Protocol):
    """A file's bytes, which lie on disk: read in pieces, and again as often as a request is sent again."""

    @property
    def size(self) -> int:
        """In bytes."""
        ...

    def open(self) -> BinaryIO:
        """At its beginning, seekable; whoever opens it closes it."""
        ...


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message on its way to a provider, already shaped to the bridge's capabilities."""

    key: str
    """Stable across attempts and unlike any other message's, also of another installation: the idempotency key where
    the provider takes one. Letters, digits and hyphens."""
    conversation: ConversationId
    message: Message
    attempt: int = 1
    """Counts up with every request that leaves for this message, and never comes again for the same key."""
    began_at: datetime | None = None
    """When its request began, by our clock: the one in doubt if it is asked about, also after a restart. None: not
    known. The server's clock may differ: compare its ``Date`` with ``received_at`` (see :data:`RECEIVED_AT`)."""
    handle: str = ""
    """What the provider was last seen to call this conversation (``Conversation.handle``); empty: not known."""
    answered: Answered | None = None
    """The message with the id ``message.reply_to``, where its words are still kept."""
    files: tuple[File, ...] = field(default=(), repr=False)
    """The bytes of ``message.attachments``, in their order; empty unless ``capabilities.attachments`` is ``bytes``."""


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
    """``bytes``: the bridge is given the bytes and uploads or encloses them itself."""
    attachment_bytes: int = 0
    """Most bytes of one file; 0: not known."""
    attachment_kinds: tuple[str, ...] = ()
    """Kinds of ``Attachment`` that go along; empty: all of them."""
    caption_limit: int = 0
    """Most units of text in a message with files; 0: as in any other."""
    attachments_most: int = 0
    """Most files in one message; 0: any number."""
    albums: tuple[tuple[str, ...], ...] = ()
    """Sets of kinds of ``Attachment`` that may stand together in one message; a kind in none of them goes alone. Empty:
    any go together."""
    captionless: tuple[str, ...] = ()
    """Kinds of ``Attachment`` that are shown without any text: words and sender go in a message of their own."""
    keeps: str = ""
    """The account whose own files it sends on by their ``ref``, of any size; these are not in ``Outgoing.files``."""
    replies: bool = False
    edits: bool = False
    deletes: bool = False
    reactions: bool = False
    reactions_stay: bool = False
    """A reaction that was put on a message cannot be taken back, and whether the same one again is harmless is not
    known: one in doubt is not put on a second time."""
    threads: bool = False
    history: bool = False
    idempotent: bool = False
    """The provider takes ``Outgoing.key``: the same key again has no second effect."""
    receipt_ids: bool = False
    """A successful send tells the ids of the new messages."""
    requests_per_minute: int | None = None
    """The pace of this account. It may be learnt: the account looks again after each failure."""
    echoes: bool = False
    """It reports our own sends back, with ids that the answers to them did not tell."""
    locations: bool = False
    """It carries ``Message.location`` as such; else it is said in words."""
    contacts: bool = False
    """It carries ``Message.contact`` as such; else it is said in words."""
    handles: bool = False
    """It has names of its own for conversations, which are learnt from events and receipts and given to each send."""
    names_shown: bool = False
    """The provider shows who wrote by itself (a user of its own for each person): no name goes before the text."""
    link_buttons: bool = False
    """It shows ``Message.links`` as buttons below a message of one file or none; else they are lines of the text."""
    begins_sms: bool = False
    """It can send an SMS to any phone, whether that wrote before or not: ``sms/<digits>``."""
    webhook_proof: Literal["none", "path", "signature"] = "path"
    receives: bool = True


class AccountSettings(BaseModel):
    """Base of every bridge's settings; the ``provider`` key picks the bridge."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    provider: str


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def origin_of(url: httpx.URL) -> Origin:
    """Where a URL leads, without path and credentials."""
    return (url.scheme, url.host, url.port)


def check_base_url(value: str) -> str:
    """The URL without its trailing slashes; raises ``ValueError`` unless it is https (or http on loopback)."""
    example = "; example: https://provider.example"
    if value != value.strip() or not value.isprintable() or " " in value:
        raise ValueError(f"must be a URL without spaces{example}")
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname or "", parts.port
    except ValueError as error:
        raise ValueError(f"is not a valid URL{example}") from error
    if parts.scheme not in ("http", "https") or not host:
        raise ValueError(f"must start with https:// and name a host{example}")
    if parts.username is not None or parts.password is not None:
        raise ValueError(f"must hold no user name or password{example}")
    if parts.query or parts.fragment or value.endswith(("?", "#")):
        raise ValueError(f"must end with its path, without ? or #{example}")
    if parts.scheme == "http" and not is_loopback(host):
        raise ValueError(
            f"must be https: plain http shows the token to the network (only loopback may use it){example}"
        )
    return value.rstrip("/")


HOOK_SECRET_LEAST = 16


def check_hook_secret(value: SecretStr) -> SecretStr:
    """Raise ``ValueError`` unless the secret is long enough to be one and can stand in a path as it is."""
    secret = value.get_secret_value()
    if len(secret) < HOOK_SECRET_LEAST:
        raise ValueError(f"must have at least {HOOK_SECRET_LEAST} characters; try: openssl rand -hex 24")
    if not all(c.isascii() and (c.isalnum() or c in "-_.~") for c in secret) or not secret.strip("."):
        raise ValueError("must consist of letters, digits and - _ . ~ only, for it is part of a URL")
    return value


def check_token(value: SecretStr) -> SecretStr:
    """Raise ``ValueError`` unless the secret can be sent in a header."""
    secret = value.get_secret_value()
    if not secret:
        raise ValueError("must not be empty")
    if not all("!" <= c <= "~" for c in secret):
        raise ValueError("must consist of printable ASCII without spaces or line breaks; was it copied whole?")
    return value


BaseUrl: TypeAlias = Annotated[str, AfterValidator(check_base_url)]
HookSecret: TypeAlias = Annotated[SecretStr, AfterValidator(check_hook_secret)]
Token: TypeAlias = Annotated[SecretStr, AfterValidator(check_token)]


@runtime_checkable
class Credentials(Protocol):
    """Credentials that are fetched and expire. The driver renews them, one flow at a time for all that wait for it.

    What goes wrong while they are renewed is never about the message: the driver turns it into ``Unauthorized``
    (somebody has to act) or ``Unavailable`` (time will do), and the message has surely not been sent.
    """

    @property
    def mark(self) -> str:
        """Another one after each renewal; empty while there are none yet. Holds no secret."""
        ...

    def stale(self, now: datetime) -> bool:
        """Whether they should be renewed before the next request."""
        ...

    def put_on(self, request: httpx.Request) -> None:
        """Put them on a request. The same request may come again, with other credentials."""
        ...

    def refused(self, response: httpx.Response) -> bool:
        """Whether an answer says that they are no longer good, so that renewing them may help."""
        ...

    def renew(self, now: datetime) -> Flow[None]:
        """Fetch new ones. Its requests are sent as they are. Raises any ``BridgeError``."""
        ...


@runtime_checkable
class Bridge(Protocol):
    """Our code for one provider, configured for one account. Pure: no I/O, no clock, no randomness.

    It may learn: what credentials it was given, what the server can do. See ``Remembers``.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    Settings: ClassVar[type[AccountSettings]]

    @property
    def capabilities(self) -> Capabilities:
        """What this account can carry; the attribute of the class says it of the provider."""
        ...

    @property
    def auth(self) -> httpx.Auth | Credentials | None:
        """What goes on each request: ``signing.Bearer`` where it stays the same, ``Credentials`` where it expires."""
        ...

    def check(self, conversation: ConversationId) -> None:
        """Raise ``Refused`` with a valid example if this provider can have no such conversation.

        Passing says that the address is well formed, not that the provider has it or that one may write to it:
        that is for ``deliver`` to say.
        """
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
    url: str = field(repr=False)
    """Where the provider posts; ends with the account's secret, therefore not in ``repr``."""
    active: bool
    detail: str = ""
    expires_at: datetime | None = None
    """When it ends by itself; the running bot renews it before that."""
    memory: Mapping[str, str] = field(default_factory=dict)
    """What the bridge wants to be given again (``Remembers.recall``), such as the challenge mode that worked."""


@runtime_checkable
class Subscribes(Protocol):
    """A provider whose event subscriptions can be made by API.

    Some providers call our listener while they answer us, and the listener may be another process (the command line
    subscribes, the running bot listens). So the work is divided: the bridge names what there is to try, the caller
    makes it known, the bridge tries it::

        for memory in bridge.attempts():
            store(memory)                                # the listener recalls it from there
            try:
                return drive(bridge.attempt(url, memory=memory, now=now), ...)
            except Refused: continue                     # a readable no: the next one may be what they want
        store(bridge.attempts()[0] as it was before)     # nothing worked: as it was

    Any error but ``Refused`` ends the loop. Where listener and caller share one bridge object, ``subscribe`` does
    all of it.
    """

    def attempts(self) -> Sequence[Mapping[str, str]]:
        """What to try, in this order, the present state first; one empty mapping where there is no choice."""
        ...

    def attempt(self, url: str, *, memory: Mapping[str, str], now: datetime) -> Flow[Subscription]:
        """Try once, as ``memory`` says. Raises ``Refused`` if the provider said no in words, so the next may work."""
        ...

    def subscribe(self, url: str, *, now: datetime) -> Flow[Subscription]:
        """Make or renew the subscription that posts to ``url``, by all attempts. Doing it twice leaves one."""
        ...

    def unsubscribe(self, url: str) -> Flow[Subscription]:
        """End it; already ended is success."""
        ...


@runtime_checkable
class Inspects(Protocol):
    """A provider that can be asked how a subscription stands there: it may have been removed, or given up."""

    def subscribed(self, url: str) -> Flow[Subscription | None]:
        """The subscription that posts to ``url`` as the provider has it now; None: there is none."""
        ...


@runtime_checkable
class Instructs(Protocol):
    """A provider whose events are switched on by a person, on the provider's own side."""

    def instructions(self, url: str) -> str:
        """Lines for that person: exactly what to enter where. ``url`` is where the provider is to post."""
        ...


@runtime_checkable
class Remembers(Protocol):
    """A bridge that learns something which has to survive a restart: credentials, or what the server can do."""

    def recall(self, memory: Mapping[str, str]) -> None:
        """Take what was learnt before: at start, and whenever another process learnt something. Unknown keys and
        values that make no sense are left aside."""
        ...

    def learnt(self) -> Mapping[str, str]:
        """All that is known by now: the very same object as long as nothing new was learnt. May hold secrets."""
        ...


@dataclass(frozen=True, slots=True)
class Polled:
    """What one look brought."""

    hooks: tuple[Hook, ...]
    """Each as if it had been posted, oldest first: it is stored, then decoded by ``Bridge.decode``. Look at
    ``hook.path`` to tell them from webhooks."""
    cursor: str
    """What to give the next time; kept across restarts."""


@runtime_checkable
class Polls(Protocol):
    """A provider that can be asked for what is new, where it has no webhooks or to close gaps."""

    @property
    def poll_every_s(self) -> float:
        """Seconds between two looks; 0: do not look."""
        ...

    def poll(self, cursor: str) -> Flow[Polled]:
        """What is new since ``cursor``. The empty one is the first look of all: it brings nothing of the past."""
        ...


@runtime_checkable
class Batches(Protocol):
    """A provider that takes several messages of one conversation in one request."""

    def deliver_many(self, outs: Sequence[Outgoing]) -> Flow[Receipt]:
        """Send them in this order, at most ``capabilities.batch``. One outcome for all of them."""
        ...


@runtime_checkable
class Resolves(Protocol):
    """A provider that names a message that is gone by something else than its id, and can be asked which it was."""

    def resolve(self, event: Deleted, hook: Hook) -> Flow[MessageId | None]:
        """The id of the message that an event of this hook is about, as ``Received`` and receipts tell it; None if
        the server does not know. Raises ``Unavailable`` if it can be asked again later."""
        ...


@runtime_checkable
class Confirms(Protocol):
    """A provider that can be asked what became of a send whose outcome is unknown."""

    def confirm(self, out: Outgoing) -> Flow[Receipt | None]:
        """The receipt if it arrived, None if it surely did not.

        Raises ``Unavailable`` if it can be asked again later, ``Refused`` if asking again would not tell: then the
        policy for unknown outcomes decides.
        """
        ...


@runtime_checkable
class Broadcasts(Protocol):
    """A provider that takes one message for many conversations in one request."""

    def broadcast(self, outs: Sequence[Outgoing]) -> Flow[Sequence[Receipt | BridgeError]]:
        """Send the same message to several conversations: what became of each, in their order.

        Raises a ``BridgeError`` where one outcome holds for all of them, ``Inexpressible`` if they differ in more
        than key and conversation or cannot go together.
        """
        ...


@runtime_checkable
class Imports(Protocol):
    """A provider that keeps the time of past messages (``capabilities.history``)."""

    def deliver_past(self, out: Outgoing, *, at: datetime) -> Flow[Receipt]:
        """Send a message that was written at ``at``; to be called in the order of time. Can be confirmed as usual."""
        ...


@dataclass(frozen=True, slots=True)
class Listed:
    """A conversation that can be sent to, for ``/channels``."""

    conversation: Conversation
    detail: str = ""
    """A few words for a person: who is in it, what it was last about."""


@runtime_checkable
class Lists(Protocol):
    """A provider that can list its conversations."""

    def conversations(self) -> Flow[Sequence[Listed]]:
        """Conversations that can be sent to, the latest first where that is known."""
        ...


@dataclass(frozen=True, slots=True)
class Operation:
    """Something that an administrator can do with an account beside sending: ``patchbay account NAME OPERATION``."""

    name: str
    arguments: tuple[str, ...]
    """Names of the arguments, in capitals; one in brackets may be left out, the last may end in ``…`` and then takes
    all the words that are left."""
    summary: str
    example: str
    """The arguments of a valid call, for ``patchbay account NAME`` and the provider's README."""
    run: Callable[[Sequence[str]], Flow[str]] = field(repr=False)
    """Given the words one by one, as many as there may be; returns lines for a person. Raises any ``BridgeError``."""
    changes: bool = False
    """It changes something over there: it is confirmed first, and only an admin may do it."""


@runtime_checkable
class Operates(Protocol):
    """A provider that offers an administrator more than messages: members, names, numbers, look-ups."""

    def operations(self) -> Sequence[Operation]:
        """What there is, in the order in which it is shown."""
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


@runtime_checkable
class Reacts(Protocol):
    """A provider that can put a reaction on a message (``capabilities.reactions``)."""

    def react(self, conversation: ConversationId, id: MessageId, emoji: str) -> Flow[None]:
        """Put an emoji on a message; an empty one takes it back. Raises ``Inexpressible`` if that is not possible over
        there. It may be repeated: a reaction that is there already is success."""
        ...


@runtime_checkable
class Fetches(Protocol):
    """A provider whose attachments are fetched with more than a plain GET of their public address."""

    def fetch(self, attachment: Attachment) -> Flow[File]:
        """An attachment that ``decode`` gave; the request has ``bridges.files.FETCHING``, and the file is
        ``file_of`` its answer. Raises ``Refused`` if it is not to be fetched at all."""
        ...


@runtime_checkable
class KeepsFiles(Protocol):
    """A provider whose files lie where the account's settings say."""

    @property
    def file_origins(self) -> frozenset[Origin]:
        """Servers that the operator named: asked wherever they are, and with credentials. A file that lies anywhere
        else is asked for without, by https and at public addresses only."""
        ...
