"""Echo's facts: what its answers and webhooks look like. Our decisions are in ``bridge.py``.

A model for each shape, as loose as the provider is (unknown fields are ignored, they add some now and then) and as
strict as we need it. For Echo there is no document to cite: it exists only here, with ``sandbox.py`` as its server.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter

TEXT_MOST = 4000
SIGNATURE = "x-echo-signature"
"""Header with the HMAC-SHA256 of the raw body in hex."""
EMOJI_MOST = 16

Id: TypeAlias = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]


class _Wire(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, strict=True, hide_input_in_errors=True)


class Failure(_Wire):
    """The body of every 4xx and 5xx."""

    error: str = ""


class Sent(_Wire):
    """The answer to POST /messages."""

    id: Id


class Found(_Wire):
    """The answer to GET /messages?key=…"""

    messages: tuple[Sent, ...] = Field(strict=False)


class Me(_Wire):
    """The answer to GET /me."""

    name: str


class Place(_Wire):
    """A conversation in a webhook."""

    id: Id
    title: str = ""


class Someone(_Wire):
    """A person in a webhook."""

    id: Id
    name: str = ""


class Said(_Wire):
    """A message in a webhook."""

    id: Id
    text: str
    sender: Someone = Field(alias="from")
    reply_to: Id | None = None
    origin: str | None = None
    """The program that sent it, as it called itself; None: a person wrote it."""


class Pointer(_Wire):
    """A message that is only named."""

    id: Id


class _Event(_Wire):
    id: Id
    at: Annotated[AwareDatetime, Field(strict=False)]
    conversation: Place


class MessageEvent(_Event):
    """Somebody wrote."""

    type: Literal["message"]
    message: Said


class EditedEvent(_Event):
    """Somebody changed what they wrote; ``message`` is whole."""

    type: Literal["edited"]
    message: Said


class DeletedEvent(_Event):
    """Somebody took a message back."""

    type: Literal["deleted"]
    message: Pointer


class ReactionEvent(_Event):
    """A person's reactions on a message are now these."""

    type: Literal["reaction"]
    message: Pointer
    person: Someone
    reactions: tuple[str, ...] = Field(strict=False)


KNOWN = frozenset({"message", "edited", "deleted", "reaction"})

HookEvent: TypeAlias = Annotated[MessageEvent | EditedEvent | DeletedEvent | ReactionEvent, Field(discriminator="type")]
HOOK_EVENT: TypeAdapter[MessageEvent | EditedEvent | DeletedEvent | ReactionEvent] = TypeAdapter(HookEvent)
