"""What an administrator sets for one Returning.AI account."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

from bridges.api import AccountSettings, BaseUrl, HookSecret, Token, check_base_url
from bridges.returning_ai import wire

ID = re.compile(r"[A-Za-z0-9._~-]{1,100}")
"""What an id may be made of to be part of an address; those in the documents are 24 hexadecimal digits."""
TOPIC_EXAMPLE = "66f0c1d2e3a4b5c6d7e8f902/77a1b2c3d4e5f60718293a4b"
EXAMPLES = f"66f0c1d2e3a4b5c6d7e8f901, or {TOPIC_EXAMPLE} for a forum topic"


def is_id(value: str) -> bool:
    """Whether a value can be the id of a channel or a topic."""
    return bool(ID.fullmatch(value)) and bool(value.strip("."))


def _web_address(value: str) -> str:
    if any(segment and not segment.strip(".") for segment in value.split("/")):
        raise ValueError("must hold no part of dots alone")
    return check_base_url(value) if value else value


class FieldPaths(BaseModel):
    """Where a webhook's body holds what: dotted paths such as ``data.user.name``; empty: the guesses of ``wire.py``."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    event: str = ""
    id: str = ""
    text: str = ""
    user_id: str = ""
    user_name: str = ""
    user_email: str = ""
    channel: str = ""
    channel_name: str = ""
    topic: str = ""
    time: str = ""
    reply_to: str = ""
    reaction: str = ""
    images: str = ""

    @field_validator("*")
    @classmethod
    def _is_a_path(cls, value: str) -> str:
        if value and not re.fullmatch(r"[^\s.]{1,64}(\.[^\s.]{1,64}){0,9}", value):
            raise ValueError("must be names with dots between them; example: data.message.text")
        return value


class ReturningAiSettings(AccountSettings):
    """One API key of one community, and the member who writes with it."""

    provider: Literal["returning_ai"]
    base_url: BaseUrl
    token: Token
    sender: str = Field(min_length=1, max_length=200)
    """User name or e-mail address of the existing member that messages appear from."""
    hook_secret: HookSecret
    poll_seconds: float = Field(default=0, ge=0, le=86400)
    """Seconds between two looks for new messages; 0: do not look."""
    path_prefix: str = wire.PREFIX
    """Ours, not required: what stands between base_url and ``/messages/send``."""
    sender_ids: tuple[str, ...] = ()
    """Ours, not required: further names of the sender (user id, user name, e-mail) by which its messages are known;
    empty: what Returning.AI says of it."""
    messages_url: Annotated[str, AfterValidator(_web_address)] = ""
    """Ours, not required: "Get Messages" in full; empty: ``{path_prefix}/messages`` or ``/v1/messages``, a guess."""
    poll_channels: tuple[str, ...] = ()
    """Ours, not required: channels that are looked at; empty: all of the channels list."""
    poll_count: int = Field(default=50, ge=1, le=500)
    """Ours, not required: messages asked for at one look at one channel."""
    forum_topics: tuple[str, ...] = ()
    """Ours, not required: ``channel/topic`` of known forum topics for the list of conversations."""
    text_limit: int = Field(default=4000, ge=100, le=100_000)
    """Ours, not required: most code points in one message; Returning.AI documents no limit."""
    requests_per_minute: int = Field(default=600, ge=0)
    """Ours, not required: our own pacing, 0 for none; Returning.AI documents no limit."""
    message_events: tuple[str, ...] = ()
    """Ours, not required: the names of webhook events that are new messages; empty: by their shape."""
    match_by: Literal["id", "email", "username"] = "id"
    """Ours, not required: what of a person webhooks and polling both tell, where webhooks hold no message id."""
    fields: FieldPaths = FieldPaths()
    """Ours, not required: where a webhook's body holds what."""

    @field_validator("sender")
    @classmethod
    def _is_a_name(cls, value: str) -> str:
        if value != value.strip() or not value.isprintable():
            raise ValueError("must be a user name or an e-mail address without blanks around it")
        return value

    @field_validator("path_prefix")
    @classmethod
    def _is_a_prefix(cls, value: str) -> str:
        # Dots alone would lead to another place than the one that is written there.
        if not re.fullmatch(r"(/(?!\.+(/|$))[A-Za-z0-9._~-]+)*", value.rstrip("/")):
            raise ValueError("must be a path that begins with a slash; example: /apis/v1")
        return value.rstrip("/")

    @field_validator("poll_channels")
    @classmethod
    def _are_channels(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(is_id(each) for each in value):
            raise ValueError("must be ids of channels; example: 66f0c1d2e3a4b5c6d7e8f901")
        return tuple(dict.fromkeys(value))

    @field_validator("forum_topics")
    @classmethod
    def _are_topics(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(len(parts := each.split("/")) == 2 and all(is_id(part) for part in parts) for each in value):
            raise ValueError(f"must be channels with a topic each; example: {TOPIC_EXAMPLE}")
        return tuple(dict.fromkeys(value))
