"""Webhooks to events. Names come in two styles, one event for a message or one for its session: both are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias
from urllib.parse import quote
from zoneinfo import ZoneInfo

from bridges.api import Hook
from bridges.decoding import arrived_at, unsupported
from bridges.errors import Garbled
from bridges.model import (
    Attachment,
    Conversation,
    Event,
    Message,
    MessageId,
    Person,
    PersonId,
    Received,
)
from bridges.netsapiens import wire
from bridges.netsapiens.places import Handle, conversation_of
from bridges.netsapiens.sends import WITHOUT_WORDS
from bridges.netsapiens.settings import NetSapiensSettings
from bridges.responses import clean, parse_json
from bridges.signing import fingerprint

MEDIA_REF = "message:"
"""Begins the ``ref`` of a file whose link is still to be read from its message: session and message id follow."""
ITEMS_MOST = 1000
"""Objects in one post; more cannot be meant, and are not worth the time that decoding them takes."""
_NAME_MOST = 64
_SESSION_MARKS = (
    "messagesession-last-message",
    "messagesession-last-sender",
    "messagesession-last-status",
    "last-mesg",
    "last-sender",
    "last-status",
)
_MESSAGE_MARKS = ("text", "direction", "dir", "from-number", "from-num", "from-user-id", "from-uid")

_AttachmentKind: TypeAlias = Literal["image", "video", "audio", "file"]


@dataclass(frozen=True, slots=True)
class Reader:
    """Decodes the hooks of one account."""

    settings: NetSapiensSettings
    zone: ZoneInfo

    def decode(self, hook: Hook) -> Sequence[Event]:
        """Events of a post: one for each object in it, at least one. Raises ``Garbled`` only.

        The body is an array of objects or one object; what is no object beside others is left out
        (https://docs.ns-api.com/docs/event-subscriptions-1, 2026-11).
        """
        body = parse_json(hook.body)
        if isinstance(body, list) and len(body) > ITEMS_MOST:
            raise Garbled(f"the body holds {len(body)} items, more than {ITEMS_MOST}")
        received_at = arrived_at(hook)
        try:
            items = [item for item in body if isinstance(item, dict)] if isinstance(body, list) else [body]
            if not items:
                return (unsupported(body, name="unknown", at=received_at),)
            return tuple(self._event_of(item, path=hook.path, received_at=received_at) for item in items)
        except RecursionError as error:
            raise Garbled("the body is nested too deeply") from error

    def _event_of(self, item: object, *, path: str, received_at: datetime) -> Event:
        if not isinstance(item, dict):
            return unsupported(item, name="unknown", at=received_at)
        fields = wire.fields_of(item)
        model = path.strip("/").rpartition("/")[2].lower()
        is_session = any(mark in fields for mark in _SESSION_MARKS)
        is_message = any(mark in fields for mark in _MESSAGE_MARKS)
        if is_session and (model == "messagesession" or not is_message):
            return self._session_event(item, fields, received_at=received_at)
        if not is_message and not fields.get("type"):
            return unsupported(item, name=_label(model), at=received_at)
        return self._message_event(item, fields, received_at=received_at)

    # A message

    def _message_event(self, item: object, fields: Mapping[str, Any], *, received_at: datetime) -> Event:
        at = wire.time_of(fields.get("timestamp"), zone=self.zone) or received_at
        type = wire.name_of(fields.get("type")).lower()
        if type not in wire.CONTENT_TYPES:
            return unsupported(item, name=_label(type), at=at)
        kind: wire.Kind = "sms" if type in wire.TEXT_TYPES else "chat"
        direction = wire.name_of(wire.pick(fields, "direction", "dir")).lower()
        read = self._sides_of_sms if kind == "sms" else self._sides_of_chat
        sides = read(fields, direction=direction)
        if sides is None:
            return unsupported(item, name=f"{type} between others", at=at)
        session = wire.session_of(wire.pick(fields, "messagesession-id", "session-id"))
        id = wire.id_of(fields.get("id"))
        text = wire.text_of(fields.get("text"))
        attachments = _attachments_of(fields, type=type, session=session, id=id)
        if not text and not attachments:
            return unsupported(item, name=f"{type} without content", at=at)
        handle = self._handle_of(session, kind=kind, number=sides.number, owner=sides.owner)
        conversation = conversation_of(kind, remotes=sides.remotes, session=session, handle=handle)
        when = self._when(fields.get("timestamp"), received_at=received_at)
        # Our own is told as it was written: without the word that a file must have over there.
        said = "" if sides.ours and attachments and text == WITHOUT_WORDS else text
        return Received(
            key=id or _content_key("message", conversation, sides.sender, text, when),
            at=at,
            id=MessageId(id) if id else None,
            conversation=conversation,
            message=Message(text=said, attachments=attachments, sender=_person(sides.sender)),
            ours=sides.ours,
            twin=_twin(conversation, sides.sender, text),
            firm=bool(id),
        )

    def _sides_of_sms(self, fields: Mapping[str, Any], *, direction: str) -> _Sides | None:
        raw = wire.pick(fields, "from-number", "from-num")
        sender = wire.number_of(raw) or wire.name_of(raw)[:_NAME_MOST]
        dialed = wire.numbers_of(wire.pick(fields, "dialed"))
        ended = wire.numbers_of(wire.pick(fields, "terminating-number", "term-num", "term-number"))
        members = wire.numbers_of(wire.pick(fields, "messagesession-participants", "participants"))
        domain = self.settings.domain
        # A short extension among the participants is our side of the conversation, not a phone.
        inner = {
            self.settings.user,
            self.settings.from_number,
            wire.number_of(wire.pick(fields, "messagesession-sms-number", "smsani")),
            *wire.users_of(wire.pick(fields, "terminating-user-id", "term-uid"), domain=domain),
            *wire.users_of(wire.pick(fields, "from-user-id", "from-uid"), domain=domain),
            *wire.users_of(fields.get("user"), domain=domain),
        }
        if self._is_ours(fields, direction=direction):
            remotes = dict.fromkeys((*dialed, *ended, *members))
            own = {sender, *inner}
            called: tuple[str, ...] = (wire.number_of(raw),)
            owners = wire.users_of(wire.pick(fields, "from-user-id", "from-uid", "user"), domain=domain)
        else:
            remotes = dict.fromkeys((sender, *members, *(dialed if len(dialed) > 1 else ())))
            called = (*(dialed if len(dialed) == 1 else ()), *(ended if len(ended) == 1 else ()))
            own = {*called, *inner} - {sender}
            owners = wire.users_of(wire.pick(fields, "terminating-user-id", "term-uid", "user"), domain=domain)
        others = tuple(remote for remote in remotes if remote and remote not in own)
        named = (wire.number_of(wire.pick(fields, "messagesession-sms-number", "smsani")), *called)
        return _Sides(
            sender,
            others,
            ours=self._is_ours(fields, direction=direction),
            number=next(filter(None, named), ""),
            owner=owners[0] if len(owners) == 1 else "",
        )

    def _sides_of_chat(self, fields: Mapping[str, Any], *, direction: str) -> _Sides | None:
        domain = self.settings.domain
        sender = wire.user_of(wire.pick(fields, "from-user-id", "from-uid", "from-number", "from-num"), domain=domain)
        ended = wire.users_of(wire.pick(fields, "terminating-user-id", "term-uid"), domain=domain)
        members = wire.users_of(wire.pick(fields, "messagesession-participants", "participants"), domain=domain)
        if not ended and not members:
            ended = wire.users_of(wire.pick(fields, "dialed", "terminating-number", "term-num"), domain=domain)
        owner = wire.users_of(fields.get("user"), domain=domain)
        everybody = tuple(dict.fromkeys(filter(None, (sender, *ended, *members, *owner))))
        others = tuple(user for user in everybody if user != self.settings.user)
        # A subscription to the whole domain posts the chats of everybody. Ours are those that name us: where nobody
        # but the writer is told, it may have been written to anybody.
        if self.settings.user not in everybody:
            return None
        return _Sides(sender[:_NAME_MOST], others, ours=self._is_ours(fields, direction=direction))

    def _is_ours(self, fields: Mapping[str, Any], *, direction: str) -> bool:
        """``term`` is outbound. A chat has no direction: ours is what our extension wrote."""
        if direction in ("orig", "term"):
            return direction == "term"
        author = wire.user_of(wire.pick(fields, "from-user-id", "from-uid"), domain=self.settings.domain)
        if author:
            return author == self.settings.user
        number = wire.number_of(wire.pick(fields, "from-number", "from-num"))
        return bool(number) and number == self.settings.from_number

    def _when(self, raw: object, *, received_at: datetime) -> str:
        """What tells a message without an id from the same words at another time: its time as it was written, and
        where that is none, the minute of its arrival."""
        written = str(raw)
        if wire.time_of(raw, zone=self.zone) is not None:
            return written
        return f"{written} {received_at.astimezone(UTC):%Y-%m-%d %H:%M}"

    def _handle_of(self, session: str, *, kind: wire.Kind, number: str, owner: str) -> str:
        if kind == "chat":
            return session
        return Handle(session, number, owner).written(usual=self.settings)

    # A session

    def _is_told_of_us(self, session: wire.Session, fields: Mapping[str, Any]) -> bool:
        """Whether this is our own view of a chat: each member has one, and a domain is told of all of them."""
        owner = wire.user_of(fields.get("user"), domain=self.settings.domain)
        return owner == self.settings.user if owner else self.settings.user in session.participants

    def _session_event(self, item: object, fields: Mapping[str, Any], *, received_at: datetime) -> Event:
        """A session changed: it is an inbound message only if the last word was theirs and is unread."""
        session = wire.Session.of(fields, domain=self.settings.domain, user=self.settings.user)
        at = wire.time_of(session.last_raw_at, zone=self.zone) or received_at
        if session.last_type and session.last_type not in wire.CONTENT_TYPES:
            return unsupported(item, name=_label(session.last_type), at=at)
        sender = wire.number_of(session.last_sender) if session.kind == "sms" else ""
        sender = sender or wire.user_of(session.last_sender, domain=self.settings.domain)[:_NAME_MOST]
        theirs = sender in session.remotes and sender not in (self.settings.user, session.sms_number, session.user)
        if not theirs or session.last_status != "unread":
            return unsupported(item, name="messagesession", at=at)
        if session.kind == "chat" and not self._is_told_of_us(session, fields):
            return unsupported(item, name="chat between others", at=at)
        media_type = wire.name_of(wire.pick(fields, "messagesession-last-media-type", "last-mesg-media-type"))
        attachments: tuple[Attachment, ...] = ()
        if media_type or session.last_type == "chat-media":
            size = wire.count_of(wire.pick(fields, "messagesession-last-media-size", "last-mesg-media-size"))
            attachments = (_attachment(media_type, ref=f"{MEDIA_REF}{quote(session.id, safe='')}/", size=size),)
        if not session.last_text and not attachments:
            return unsupported(item, name="messagesession", at=at)
        owner = wire.user_of(fields.get("user"), domain=self.settings.domain)
        handle = self._handle_of(session.id, kind=session.kind, number=session.sms_number, owner=owner)
        conversation = conversation_of(
            session.kind,
            remotes=session.remotes,
            session=session.id,
            title=session.name,
            group=session.group,
            handle=handle,
        )
        when = self._when(session.last_raw_at, received_at=received_at)
        return Received(
            key=_content_key("session", conversation, sender, session.last_text, f"{session.id} {when}"),
            at=at,
            conversation=conversation,
            message=Message(text=session.last_text, attachments=attachments, sender=_person(sender)),
            twin=_twin(conversation, sender, session.last_text),
            firm=False,
        )


@dataclass(frozen=True, slots=True)
class _Sides:
    sender: str
    remotes: tuple[str, ...]
    """Everybody but us."""
    ours: bool
    number: str = ""
    """Our number, of an SMS; empty: not told."""
    owner: str = ""
    """The extension that has it; empty: not told."""


def _person(sender: str) -> Person:
    name = sender or "unknown"
    return Person(id=PersonId(name), name=name)


def _content_key(what: str, conversation: Conversation, sender: str, text: str, when: str) -> str:
    return fingerprint(what, conversation.id, sender, text, when)


def _twin(conversation: Conversation, sender: str, text: str) -> str:
    """Of what both reports of a message hold: place, person, words."""
    return fingerprint("twin", conversation.id, sender, "".join(text.split()))


def _attachments_of(fields: Mapping[str, Any], *, type: str, session: str, id: str) -> tuple[Attachment, ...]:
    url = fields.get("file-access-url")
    link = clean(url).strip() if isinstance(url, str) else ""
    media_type = wire.name_of(fields.get("media-type")).lower()
    if not link and not media_type and type != "chat-media":
        return ()
    ref = link or f"{MEDIA_REF}{quote(session, safe='')}/{quote(id, safe='')}"
    return (_attachment(media_type, ref=ref, size=wire.count_of(fields.get("media-size"))),)


def _attachment(media_type: str, *, ref: str, size: int | None) -> Attachment:
    family = media_type.partition("/")[0]
    kinds: Mapping[str, _AttachmentKind] = {"image": "image", "video": "video", "audio": "audio"}
    return Attachment(kind=kinds.get(family, "file"), ref=ref, media_type=media_type[:_NAME_MOST], size=size or None)


def _label(value: str) -> str:
    kept = "".join(c if c.isascii() and (c.isalnum() or c == "-") else " " for c in value[:_NAME_MOST])
    return " ".join(kept.split()).lower() or "unknown"
