"""Neutral data: what every provider's messages and events look like to the rest of Patchbay.

Everything is frozen, refuses unknown fields, and survives a round trip through JSON. Ids are opaque
outside the bridge that made them. A ``MessageId`` is unique within its account.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal, NewType, TypeAlias

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter

AccountName = NewType("AccountName", str)
ConversationId = NewType("ConversationId", str)
MessageId = NewType("MessageId", str)
PersonId = NewType("PersonId", str)


class Model(BaseModel):
    """The base of all stored data: frozen and strict about its fields."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Person(Model):
    """Somebody who wrote: a community member, an agent, a bot or the provider's own system."""

    id: PersonId
    name: str
    kind: Literal["member", "agent", "bot", "system"] = "member"
    avatar: str | None = None
    account: AccountName | None = None
    """Where they wrote, for ids are one account's only: set by the relay when the message comes in."""


class Conversation(Model):
    """A place where messages are exchanged."""

    id: ConversationId
    kind: Literal["direct", "group", "topic"] = "direct"
    title: str = ""
    handle: str = ""
    """What the provider itself calls it, where that is learnt and not part of ``id``: kept, and given to each send."""


class SpanKind(StrEnum):
    """What a span of text means; renderers turn it into entities, Markdown or nothing."""

    BOLD = "bold"
    ITALIC = "italic"
    UNDERLINE = "underline"
    STRIKE = "strike"
    SPOILER = "spoiler"
    CODE = "code"
    PRE = "pre"
    QUOTE = "quote"
    LINK = "link"
    MENTION = "mention"
    TIME = "time"


class Span(Model):
    """A stretch of a message's text, counted in code points. ``value`` is a link's URL, a language, …"""

    kind: SpanKind
    start: int = Field(ge=0)
    length: int = Field(gt=0)
    value: str | None = None


class Attachment(Model):
    """A file that belongs to a message. ``ref`` says where the bytes are; they are never stored here."""

    kind: Literal["image", "video", "audio", "voice", "file", "sticker"]
    ref: str
    name: str = ""
    media_type: str = ""
    size: int | None = None
    width: int | None = None
    height: int | None = None
    duration_s: int | None = None
    account: AccountName | None = None
    """Whose ``ref`` it is: set by the relay when the message comes in."""
    link: str = ""
    """An address under which anybody may open it: told where the file itself does not go along. Empty: none."""


class Location(Model):
    """A place on the map, in degrees (WGS 84)."""

    latitude: float = Field(ge=-90, le=90)
    longitude: float = Field(ge=-180, le=180)
    name: str = ""
    """What the place is called, and its address; empty: just a point."""


class Contact(Model):
    """Somebody's card."""

    name: str
    phone: str = ""


class Poll(Model):
    """A question with answers to choose from."""

    question: str
    options: tuple[str, ...] = ()


class Button(Model):
    """A button below a message of the bot itself; ``data`` comes back when somebody presses it."""

    label: str
    data: str
    beside: bool = False
    """In the same row as the one before."""


LABEL_MOST = 64
"""Code points of a button's label that people may write: more than one reads on a phone."""


class LinkButton(Model):
    """A button below a message that opens an address; where there are no buttons it is a line of the text."""

    label: str = Field(min_length=1)
    url: str = Field(min_length=1)
    beside: bool = False
    """In the same row as the one before."""


ChatsOffered: TypeAlias = Literal["", "chats", "nothing"]
"""What stands below the field for text in the person's app: nothing is said of it; buttons that open the app's own list
of chats to pick one; what stood there is taken away."""


class Message(Model):
    """What somebody said, free of any provider's format. Only the bot's own cards have buttons."""

    text: str = Field(default="", repr=False)
    spans: tuple[Span, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    location: Location | None = None
    contact: Contact | None = None
    poll: Poll | None = None
    sender: Person | None = None
    reply_to: MessageId | None = None
    quote: str = Field(default="", repr=False)
    """The words that were picked out of what is answered; empty: all of it is meant."""
    buttons: tuple[Button, ...] = ()
    links: tuple[LinkButton, ...] = ()
    """Below its last part. Anybody's message may have them."""
    silent: bool = False
    """Nobody's device makes a sound for it, where the provider lets one say so; elsewhere it is as any other."""
    offers: ChatsOffered = ""
    """Only for a person's private chat with the bot."""


TWIN_S = 60.0
"""How far apart, by the provider's own times, two reports of one message may be."""


class _Event(Model):
    key: str = Field(min_length=1)
    """The same provider event gives the same key, for ever: the dedupe key within the account."""
    at: AwareDatetime


class Received(_Event):
    """A new message. ``ours`` marks the provider's echo of something this account sent itself."""

    type: Literal["received"] = "received"
    conversation: Conversation
    message: Message
    id: MessageId | None = None
    ours: bool = False
    twin: str = ""
    """Where a provider reports one message twice in different ways, so that the keys differ: a fingerprint of place,
    person and words. Two with the same twin within ``TWIN_S`` are one message, unless both are ``firm``."""
    firm: bool = True
    """The key is the message's own id. False: it is made of the content, for the report held no id."""


class Edited(_Event):
    """A message has a new content."""

    type: Literal["edited"] = "edited"
    conversation: Conversation
    id: MessageId
    message: Message


class Deleted(_Event):
    """A message is gone."""

    type: Literal["deleted"] = "deleted"
    conversation: Conversation
    id: MessageId


class Reacted(_Event):
    """A person's reactions on a message are now these; or, by ``mode``, these came or went beside what is there."""

    type: Literal["reacted"] = "reacted"
    conversation: Conversation
    id: MessageId
    person: Person
    reactions: tuple[str, ...] = ()
    mode: Literal["set", "add", "remove"] = "set"
    """Some providers tell what changed and not what there is now."""


class MembersChanged(_Event):
    """People came into a conversation, or left it."""

    type: Literal["members_changed"] = "members_changed"
    conversation: Conversation
    joined: tuple[Person, ...] = ()
    left: tuple[Person, ...] = ()


class StatusChanged(_Event):
    """A provider says what became of a message that we sent."""

    type: Literal["status_changed"] = "status_changed"
    id: MessageId
    state: Literal["delivered", "read", "failed"]
    detail: str = ""


class Unsupported(_Event):
    """Something real that Patchbay does not carry; kept and counted, never an error."""

    type: Literal["unsupported"] = "unsupported"
    name: str


Event: TypeAlias = Annotated[
    Received | Edited | Deleted | Reacted | MembersChanged | StatusChanged | Unsupported, Field(discriminator="type")
]

_EVENTS: TypeAdapter[tuple[Event, ...]] = TypeAdapter(tuple[Event, ...])


def events_to_json(events: Sequence[Event]) -> str:
    """Dump events whole (``exclude_defaults`` would lose the discriminator)."""
    return _EVENTS.dump_json(tuple(events)).decode()


def events_from_json(text: str | bytes) -> tuple[Event, ...]:
    """Read what :func:`events_to_json` wrote; raises ``pydantic.ValidationError``."""
    return _EVENTS.validate_json(text)


class Receipt(Model):
    """What the provider said to a send. ``ids`` may be empty: several providers return none."""

    ids: tuple[MessageId, ...] = ()
    state: Literal["accepted", "delivered"] = "accepted"
    at: datetime | None = None
    handle: str = ""
    """What the provider calls the conversation that was sent to, where that was learnt (``Conversation.handle``)."""
