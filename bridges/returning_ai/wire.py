"""Returning.AI's facts: paths, shapes, and the guesses that stand in for what is not documented.

Sources, read 2026-11: https://dev.returning.ai, its pages "Send Message", "Get Messages", "Upload image" and "Outgoing
webhooks" (of the last only the titles could be read), and the public piece that Returning.AI's own staff wrote,
https://github.com/activepieces/activepieces/tree/main/packages/pieces/community/returning-ai.

Three generations of the API exist side by side; this is the one at https://integration.returning.ai/apis/v1, and
"Get Messages" of the newest, https://api.returning.ai/v1.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from bridges.errors import Garbled
from bridges.responses import clean, parse_json

PREFIX = "/apis/v1"
ITEMS_MOST = 1000
"""Ours: messages in one body. How many a webhook holds is not documented."""
MESSAGES_HERE = "https://api.returning.ai/v1/messages"
"""Where "Get Messages" is documented."""
FORUM = "forum"
"""``channelType`` of a channel whose messages need a ``forumTopicId``."""

WRAPPERS = ("data", "payload", "message", "event", "body")
"""A guess: what an outgoing webhook may wrap its message in."""

GUESSES: Mapping[str, tuple[str, ...]] = {
    "id": ("messageId", "message_id", "id", "_id"),
    "text": ("message", "content", "text"),
    "user_id": (
        *("user.user_id", "user.id", "user._id", "user_id", "userId"),
        *("sender.user_id", "sender.id", "sender._id", "author.user_id", "author.id", "author._id"),
    ),
    "user_name": (
        *("user.username", "user.name", "username", "userName", "sender.username", "sender.name", "sender"),
        *("author.username", "author.name", "author", "user"),
    ),
    "user_email": ("user.email", "email", "userEmail", "sender.email", "author.email"),
    "channel": ("channel.channel_id", "channelId", "channel_id", "channel._id", "channel.id", "channel"),
    "channel_name": ("channel.name", "channelName", "channel_name", "channel.topic"),
    "topic": ("forumTopicId", "forum_topic_id", "forumTopic._id", "forumTopic.id", "topicId", "topic_id"),
    "time": ("timestamp", "createdAt", "created_at", "sentAt", "sent_at", "date"),
    "reply_to": ("replyTo", "reply_to", "replyToMessageId", "reply_to_message_id", "parentMessageId"),
    "reaction": ("emoji", "reaction"),
    "images": ("images", "attachments", "files"),
    "event": ("event", "eventType", "event_type", "eventName", "type"),
}
"""A guess throughout: the bodies of outgoing webhooks are not documented. Modelled on the objects of "Get Messages",
which has ``id``, ``message``, ``user.user_id``, ``user.email``, ``channel.channel_id``, ``channel.name`` and
``timestamp``, and on the requests of send, reply and react."""

MESSAGE_IDS = ("messageId", "message_id")
"""The only names of a message's id that are believed outside the object that holds its text, and in one that names an
event: there ``id`` is the event's."""
OWN_IDS = ("id", "_id")
EVENT_NAMES = ("event", "eventType", "event_type", "eventName")
"""Names of an event's name; not ``type``, which may as well be that of a message."""

NOT_NEW = frozenset(
    (
        "ban",
        "banned",
        "delete",
        "deleted",
        "edit",
        "edited",
        "join",
        "joined",
        "leave",
        "leaves",
        "left",
        "pin",
        "pinned",
        "read",
        "remove",
        "removed",
        "seen",
        "typing",
        "unpin",
        "unpinned",
        "update",
        "updated",
    )
)
"""A guess: words in an event's name that say that it is no new message."""

REACTIONS = frozenset(("react", "reacted", "reaction", "reactions"))
GONE = frozenset(("delete", "deleted", "remove", "removed"))
"""A guess: words in an event's name that say that it is about a reaction, and that this was taken back."""


class Reply(BaseModel):
    """Every answer but that of an upload. ``status`` decides; the older API has ``meta`` in its place."""

    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    status: object = None
    message: object = None
    data: object = None
    meta: object = None

    @property
    def succeeded(self) -> bool:
        """Whether it is a success; the wording of ``message`` differs and says nothing."""
        return self.status == "success"

    @property
    def refused(self) -> bool:
        """Whether it says no in a form that can be read."""
        if isinstance(self.status, str):
            return bool(self.status) and not self.succeeded
        return isinstance(self.meta, dict) and self.meta.get("success") is False

    @property
    def words(self) -> object:
        """What it says for a person."""
        if self.message is None and isinstance(self.meta, dict):
            return self.meta.get("message") or self.meta.get("devMessage")
        return self.message


def reply_of(content: bytes) -> Reply | None:
    """The answer; None where it is no JSON object."""
    try:
        body = parse_json(content)
    except Garbled:
        return None
    return Reply.model_validate(body) if isinstance(body, dict) else None


PASSING = ("too many", "rate limit", "try again", "temporar", "unavailable", "timed out", "timeout", "internal error")
"""A guess: words of a failure that time will mend."""


@dataclass(frozen=True, slots=True)
class Channel:
    """One of the channels list: ``_id``, ``topic`` (the name it shows, no forum topic) and ``channelType``."""

    id: str
    topic: str
    kind: str


def channels_of(data: object) -> tuple[Channel, ...] | None:
    """The channels of ``data``; None where it is no list. What has no id is left out."""
    if not isinstance(data, list):
        return None
    found = []
    for each in data:
        if isinstance(each, dict) and (id := word(each.get("_id"))):
            name, kind = word(each.get("topic")), word(each.get("channelType"))
            found.append(Channel(id=id, topic=name or "", kind=(kind or "").casefold()))
    return tuple(found)


def names_of(data: object) -> tuple[str, ...]:
    """The names of the user that ``data`` is about, in small letters; none where it is about nobody.

    A guess: the answer of ``users/info`` is not documented.
    """
    user = data.get("user") if isinstance(data, dict) else None
    about = user if isinstance(user, dict) else data
    if not isinstance(about, dict):
        return ()
    keys = ("user_id", "_id", "id", "userId", "username", "userName", "email")
    return tuple(dict.fromkeys(name.casefold() for key in keys if (name := word(about.get(key)))))


def messages_of(data: object) -> tuple[Mapping[str, Any], ...] | None:
    """The messages of ``data`` of "Get Messages", as they are; None where it is not of the known shape."""
    messages = data.get("messages") if isinstance(data, dict) else None
    if not isinstance(messages, list):
        return None
    return tuple(each for each in messages if isinstance(each, dict))


def url_of_upload(content: bytes) -> str | None:
    """The address of an uploaded image: the answer is a bare list of ``{id, name, url, type, size}``."""
    try:
        body = parse_json(content)
    except Garbled:
        return None
    first = body[0] if isinstance(body, list) and body else None
    url = first.get("url") if isinstance(first, dict) else None
    return url if is_web_address(url) else None


_WEB_ADDRESS = re.compile(r"https?://[!-~]{1,2000}")


def is_web_address(value: object) -> bool:
    """Whether it is an address of the web that can stand in a line of text."""
    return isinstance(value, str) and _WEB_ADDRESS.fullmatch(value) is not None


def at_path(body: object, path: str) -> object:
    """The value at a dotted path; a number is a place in a list. None where there is none."""
    value = body
    for step in path.split("."):
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and step.isascii() and step.isdigit() and len(step) <= 4:
            value = value[int(step)] if int(step) < len(value) else None
        else:
            return None
    return value


WORD_MOST = 200


def word(value: object) -> str | None:
    """An id or a name as text; None where it is none."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**32:
        return str(value)
    if not isinstance(value, str) or len(value) > 64 * WORD_MOST:
        return None
    text = "".join(c if c.isprintable() else " " for c in clean(value))
    return " ".join(text.split())[:WORD_MOST].strip() or None


_LATEST_S = 253402300799.0  # the end of the year 9999


def time_of(value: object) -> datetime | None:
    """An ISO 8601 time (without a zone: UTC), or seconds or milliseconds since 1970, as UTC; None where it is none.

    Numbers above 1e11 are milliseconds: as seconds they would be later than the year 5138.
    """
    if isinstance(value, str):
        text = value.strip()
        if not re.fullmatch(r"-?[0-9]{1,17}(\.[0-9]{1,9})?", text):
            return _iso(text)
        value = float(text)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not abs(value) < 10**17 or not math.isfinite(value):
        return None
    seconds = value / 1000 if abs(value) > 1e11 else float(value)
    return datetime.fromtimestamp(seconds, UTC) if 0 < seconds < _LATEST_S else None


def _iso(text: str) -> datetime | None:
    if "T" not in text.upper() and " " not in text:
        return None
    try:
        at = datetime.fromisoformat(text)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
