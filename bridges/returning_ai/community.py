"""What there is at the stand-in for Returning.AI, and the bodies of its webhooks: a guess, each of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, TypeAlias


@dataclass(frozen=True, slots=True)
class Place:
    """A channel; one of the type ``forum`` has topics."""

    id: str
    name: str
    kind: str = "open"
    topics: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Member:
    """A user of the community."""

    user_id: str
    username: str
    email: str


@dataclass(frozen=True, slots=True)
class Said:
    """A message as Returning.AI keeps it, whoever wrote it; ``number`` counts those that came through the API."""

    id: str
    channel: str
    topic: str
    user_id: str
    text: str
    reply_to: str
    at: datetime
    number: int = 0


@dataclass(frozen=True, slots=True)
class Reaction:
    """An emoji's shortcode that somebody put on a message."""

    message: str
    user_id: str
    emoji: str


Shape: TypeAlias = Literal["documented", "wrapped", "camel", "without_id"]
"""How a webhook's body looks, a guess in each case: as one of "Get Messages"; that inside ``data`` beside an event's
name; flat with other names and the time in milliseconds; as documented, without the message's id."""
Shaper: TypeAlias = Callable[[Said, Member, Place], object]

CHANNELS = (
    Place("66f0c1d2e3a4b5c6d7e8f901", "general"),
    Place("66f0c1d2e3a4b5c6d7e8f902", "Ideas", "forum", ("77a1b2c3d4e5f60718293a4b",)),
)
BRIDGE = Member("66f0b0000000000000000001", "bridge", "bridge@example.com")


def about(message: Said, member: Member, place: Place, *, at: datetime) -> dict[str, object]:
    """Who, where and when, as "Get Messages" has it, with a user name and the forum topic."""
    told: dict[str, object] = {
        "user": {"user_id": member.user_id, "username": member.username, "email": member.email},
        "channel": {"channel_id": place.id, "name": place.name},
        "timestamp": iso(at),
    }
    return {**told, "forumTopicId": message.topic} if message.topic else told


def hook_body(message: Said, member: Member, place: Place, *, shape: Shape) -> dict[str, object]:
    """The webhook of a message in one of the shapes."""
    body = {"id": message.id, "message": message.text, **about(message, member, place, at=message.at)}
    if message.reply_to:
        body["replyTo"] = message.reply_to
    match shape:
        case "wrapped":
            return {"event": "new_message_posted", "data": body}
        case "without_id":
            return {name: value for name, value in body.items() if name != "id"}
        case "camel":
            flat: dict[str, object] = {
                "messageId": message.id,
                "content": message.text,
                "userId": member.user_id,
                "username": member.username,
                "channelId": message.channel,
                "createdAt": int(message.at.timestamp() * 1000),
            }
            extra = {"forumTopicId": message.topic, "replyTo": message.reply_to}
            return flat | {name: value for name, value in extra.items() if value}
        case "documented":
            return body


def iso(at: datetime) -> str:
    """A time as Returning.AI writes it."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"
