"""From OpenIM's webhooks to events (https://docs.openim.io/restapi/webhooks, and the code's pkg/callbackstruct)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlsplit

from pydantic import ValidationError

from bridges.api import Hook
from bridges.decoding import arrived_at, unsupported
from bridges.errors import Garbled
from bridges.model import (
    Attachment,
    Contact,
    Conversation,
    ConversationId,
    Deleted,
    Event,
    Location,
    MembersChanged,
    Message,
    MessageId,
    Person,
    PersonId,
    Received,
    Unsupported,
)
from bridges.openim import wire
from bridges.openim.auth import OPERATION_PREFIX
from bridges.openim.content import marks_in
from bridges.openim.puppets import may_answer
from bridges.openim.settings import OpenIMSettings
from bridges.responses import clean, parse_json
from bridges.signing import fingerprint

NAME_MOST = 64
LINES_MOST = 20
PLACE_MOST = 256
"""Characters of what a place is called."""
MEMBERS_MOST = 20
"""People who are named when many leave at once."""


def events_of(hook: Hook, *, settings: OpenIMSettings) -> Sequence[Event]:
    """The events of a webhook: exactly one. Raises ``Garbled``."""
    body = parse_json(hook.body)
    arrival = _Arrival(body, at=arrived_at(hook), settings=settings)
    if not isinstance(body, dict):
        return (arrival.unsupported("unknown"),)
    # The path is only how it came: where the two disagree, the body says what it is.
    command = body.get("callbackCommand")
    if not isinstance(command, str) or not command:
        command = hook.path.partition("?")[0].rstrip("/").rpartition("/")[2]
    try:
        if command in wire.MESSAGE_COMMANDS:
            return (arrival.message(wire.MessageCallback.model_validate(body), command=command),)
        if command == wire.AFTER_REVOKE:
            return (arrival.revocation(wire.RevokeCallback.model_validate(body)),)
        if command in wire.MEMBER_COMMANDS:
            operation = hook.header(wire.OPERATION.lower()) or ""
            about = wire.MembersCallback.model_validate(body)
            return (arrival.members(about, command=command, operation=operation),)
    except ValidationError as error:
        fields = ", ".join(sorted({".".join(map(str, e["loc"])) for e in error.errors()}))
        raise Garbled(f"OpenIM webhook {command}: not of the known shape ({fields})") from error
    except RecursionError as error:
        raise Garbled("the body is nested too deeply") from error
    return (arrival.unsupported(_label(command)),)


def address_of(kind: str, id: str) -> ConversationId:
    """The conversation part of an address: an id with other characters than A-Z a-z 0-9 _ . - is percent-encoded."""
    quoted = quote(id, safe="", errors="replace")
    return ConversationId(f"{kind}/{quoted if len(quoted) <= 192 else fingerprint(id)}")


@dataclass(frozen=True, slots=True)
class _Arrival:
    """One webhook on its way to its event."""

    body: object
    at: datetime
    settings: OpenIMSettings

    def unsupported(self, name: str) -> Unsupported:
        return unsupported(self.body, name=name, at=self.at)

    def message(self, said: wire.MessageCallback, *, command: str) -> Event:
        if said.contentType >= wire.NOTIFICATIONS_FROM:
            return self.unsupported(f"notice {said.contentType}")
        group = wire.text_of(said.groupID)
        if command == wire.AFTER_GROUP:
            group = group or wire.text_of(said.recvID)  # some of the documents' samples have it there
        if said.sessionType == wire.NOTIFICATION or (not group and said.sessionType != wire.SINGLE):
            return self.unsupported(f"session of type {said.sessionType}")
        ours = self._is_ours(said)
        if group:
            place = Conversation(id=address_of("group", group), kind="group")
        else:
            peer = self._peer(said, ours=ours)
            if not peer:
                # Webhooks tell of every chat on the server: what two of its users say to each other is theirs.
                return self.unsupported("message between two users")
            title = clean(wire.text_of(said.senderNickname)) if peer == said.sendID else ""
            place = Conversation(id=address_of("user", peer), kind="direct", title=title[:NAME_MOST])
        if said.msgFrom == wire.FROM_SYSTEM and not ours and self.settings.ignore_system:
            return self.unsupported("message of another program")
        message = self._message(said)
        if message is None:
            return self.unsupported(f"message of type {said.contentType}")
        return Received(
            key=fingerprint("message", said.clientMsgID, place.id),
            at=_time_of(said.sendTime) or _time_of(said.createTime) or self.at,
            conversation=place,
            id=MessageId(clean(said.clientMsgID) or "unknown"),
            message=message,
            ours=ours,
        )

    def _peer(self, said: wire.MessageCallback, *, ours: bool) -> str:
        """The other one in a conversation of two; empty if none of them is of this account."""
        sender, receiver = said.sendID, wire.text_of(said.recvID)
        if ours:
            return receiver if self._may_send_as(sender) else sender
        if self._is_account(sender):
            # A person who is logged in with the account speaks for it, as in a group.
            return receiver
        return sender if self._is_own(receiver) else ""

    def _is_account(self, user: str) -> bool:
        return user in (self.settings.admin_user, self.settings.account)

    def _is_own(self, user: str) -> bool:
        """Whether what is written to this user in private is for this account."""
        settings = self.settings
        return self._is_account(user) or (settings.puppets and may_answer(user, prefix=settings.puppet_prefix))

    def _may_send_as(self, user: str) -> bool:
        """Whether this account may have sent as this user, for a puppet's id can hold anything behind its prefix."""
        settings = self.settings
        return self._is_account(user) or (settings.puppets and user.startswith(settings.puppet_prefix))

    def _is_ours(self, said: wire.MessageCallback) -> bool:
        """Whether a Patchbay sent it.

        The mark in ``ex`` and the operationID say so by themselves. The sender's id does only for what no person's
        client sent: a person may be logged in as the user that we send as, and an id may begin like a puppet's.
        """
        if marks_in(said.ex) is not None or wire.text_of(said.operationID).startswith(OPERATION_PREFIX):
            return True
        return self._may_send_as(said.sendID) and said.msgFrom != wire.FROM_USER

    def _message(self, said: wire.MessageCallback) -> Message | None:
        read = _read(said)
        if read is None:
            return None
        name = " ".join(clean(wire.text_of(said.senderNickname)).split()) or clean(said.sendID)
        avatar = wire.text_of(said.faceURL)
        sender = Person(
            id=PersonId(clean(said.sendID)),
            name=name,
            kind="bot" if said.msgFrom == wire.FROM_SYSTEM else "member",
            avatar=clean(avatar) if avatar.startswith(("https://", "http://")) else None,
        )
        reply_to = MessageId(read.reply_to) if read.reply_to else None
        return Message(
            text=clean(read.text),
            attachments=read.files,
            location=read.location,
            contact=read.contact,
            sender=sender,
            reply_to=reply_to,
        )

    def members(self, said: wire.MembersCallback, *, command: str, operation: str) -> Event:
        """People came into a group or left it: puppets and the account itself are nobody's news."""
        users = said.kickedUserIDs if command == wire.AFTER_KICK else (said.userID,)
        names = dict.fromkeys(clean(user) for user in users or () if isinstance(user, str))
        people = tuple(
            Person(id=PersonId(name), name=name) for name in names if name.strip() and not self._may_send_as(name)
        )
        if not people:
            return self.unsupported(_label(command))
        # The same person may come and go again: the operation tells it apart, where none is told the time does.
        once = wire.text_of(said.operationID) or operation or self.at.isoformat()
        return MembersChanged(
            key=fingerprint(command, said.groupID, once, *names),
            at=self.at,
            conversation=Conversation(id=address_of("group", said.groupID), kind="group"),
            joined=people[:MEMBERS_MOST] if command == wire.AFTER_JOIN else (),
            left=people[:MEMBERS_MOST] if command != wire.AFTER_JOIN else (),
        )

    def revocation(self, said: wire.RevokeCallback) -> Event:
        """No message id is told, so the conversation's own number stands for it until the server is asked."""
        place = self._place_of(said.conversationID, revoker=wire.text_of(said.userID))
        if place is None:
            return self.unsupported("message taken back between two users")
        id = f"{clean(said.conversationID)}:{said.seq}"
        return Deleted(key=fingerprint("revoked", id), at=self.at, conversation=place, id=MessageId(id))

    def _place_of(self, conversation: str, *, revoker: str) -> Conversation | None:
        """The conversation that an id such as sg_<group> or si_<user>_<user> means; None if it is not for us."""
        kind, _, rest = conversation.partition("_")
        if kind == "sg" and rest:
            return Conversation(id=address_of("group", rest), kind="group")
        if kind != "si" or not revoker:
            return None
        # Ids may hold "_" themselves: the one who takes back tells where the first ends.
        if rest.startswith(f"{revoker}_"):
            other = rest[len(revoker) + 1 :]
        elif rest.endswith(f"_{revoker}"):
            other = rest[: -len(revoker) - 1]
        else:
            return None
        for own, peer in ((other, revoker), (revoker, other)):
            if peer and self._is_own(own):
                return Conversation(id=address_of("user", peer))
        return None


@dataclass(frozen=True, slots=True)
class _Read:
    """What an element says."""

    text: str = ""
    files: tuple[Attachment, ...] = ()
    location: Location | None = None
    contact: Contact | None = None
    reply_to: str = ""


def _read(said: wire.MessageCallback) -> _Read | None:
    """The element of a message; None if there is nothing in it for a person. Raises ``Garbled``."""
    element = said.content
    if isinstance(element, str):
        try:
            element = parse_json(element)
        except Garbled as error:
            raise Garbled("OpenIM webhook: content is not JSON") from error
    if not isinstance(element, dict):
        raise Garbled("OpenIM webhook: content is no element")
    return _element(said.contentType, element)


def _element(kind: int, element: Mapping[str, Any]) -> _Read | None:
    """See https://docs.openim.io/restapi/apis/messageManagement/contentDescription for each of them."""
    match kind:
        case wire.TEXT | wire.MARKDOWN:
            return _words(element.get("content"))
        case wire.AT_TEXT | wire.ADVANCED:
            read = _words(element.get("text"))
            return _answering(read, element.get("quoteMessage"))
        case wire.QUOTE:
            return _answering(_words(element.get("text")), element.get("quoteMessage"))
        case wire.PICTURE:
            return _file("image", _picture(element), name="picture")
        case wire.VOICE:
            return _file("voice", element, url="sourceUrl", size="dataSize", type="soundType", name="voice")
        case wire.VIDEO:
            return _file("video", element, url="videoUrl", size="videoSize", type="videoType", name="video")
        case wire.FILE:
            return _file("file", element, url="sourceUrl", size="fileSize", type="fileType", name="file")
        case wire.MERGER:
            return _merged(element)
        case wire.CARD:
            return _card(element)
        case wire.LOCATION:
            return _location(element)
        case wire.CUSTOM:
            # What a client wants to be read stands in the description; the data is for programs.
            return _labelled("custom message", wire.text_of(element.get("description")))
        case wire.FACE:
            return _labelled("face", "")
    return None


def _words(value: object) -> _Read | None:
    text = wire.text_of(value)
    return _Read(text) if text else None


def _answering(read: _Read | None, quoted: object) -> _Read | None:
    if read is None:
        return None
    return _Read(read.text, reply_to=clean(wire.text_of(wire.object_of(quoted).get("clientMsgID")))[:200])


def _labelled(label: str, words: str) -> _Read:
    words = " ".join(words.split())
    return _Read(f"[{label}: {words}]" if words else f"[{label}]")


def _picture(element: Mapping[str, Any]) -> Mapping[str, Any]:
    """The largest of the three pictures that has an address."""
    pictures = [wire.object_of(element.get(name)) for name in ("sourcePicture", "bigPicture", "snapshotPicture")]
    return next((picture for picture in pictures if wire.text_of(picture.get("url"))), {})


def _file(
    kind: Any, element: Mapping[str, Any], *, url: str = "url", size: str = "size", type: str = "type", name: str
) -> _Read:
    address = _address(element.get(url))
    if address is None:
        return _labelled(name, wire.text_of(element.get("fileName")))
    end = "".join(c for c in wire.text_of(element.get(type)) if c.isascii() and (c.isalnum() or c in "/+.-"))
    # "png", "image/png" and names with a dot are all seen.
    media_type = end if "/" in end else ""
    ending = end.rpartition("/")[2].rpartition(".")[2]
    given = " ".join(clean(wire.text_of(element.get("fileName"))).split())[:200]
    attachment = Attachment(
        kind=kind,
        ref=address,
        name=given or (f"{name}.{ending}" if ending else name),
        media_type=media_type or _media_type(kind, ending),
        size=_count(element.get(size)),
        width=_count(element.get("width")) or _count(element.get("snapshotWidth")),
        height=_count(element.get("height")) or _count(element.get("snapshotHeight")),
        duration_s=_count(element.get("duration")),
    )
    return _Read(files=(attachment,))


def _media_type(kind: str, ending: str) -> str:
    family = {"image": "image", "voice": "audio", "video": "video"}.get(kind)
    return f"{family}/{'jpeg' if ending.lower() == 'jpg' else ending.lower()}" if family and ending else ""


def _merged(element: Mapping[str, Any]) -> _Read:
    """A bundle of forwarded messages: its title and the lines that clients show of it."""
    lines = element.get("abstractList")
    lines = [" ".join(line.split()) for line in lines if isinstance(line, str)] if isinstance(lines, list) else []
    title = " ".join(wire.text_of(element.get("title")).split())
    head = _labelled("forwarded messages", title).text
    more = ["…"] if len(lines) > LINES_MOST else []
    return _Read("\n".join([head, *lines[:LINES_MOST], *more]))


def _card(element: Mapping[str, Any]) -> _Read:
    """A user's card; one without a name is none."""
    name, id = (" ".join(clean(wire.text_of(element.get(key))).split()) for key in ("nickname", "userID"))
    if not name and not id:
        return _labelled("contact", "")
    return _Read(contact=Contact(name=f"{name} ({id})" if name and id and name != id else name or id))


def _location(element: Mapping[str, Any]) -> _Read | None:
    latitude, longitude = _degrees(element.get("latitude"), most=90), _degrees(element.get("longitude"), most=180)
    if latitude is None or longitude is None:
        return None
    words = wire.text_of(element.get("description"))
    try:
        # By custom of the clients the description is JSON text with a name and an address in it.
        about = parse_json(words)
        if isinstance(about, dict):
            words = ", ".join(filter(None, (wire.text_of(about.get(key)).strip() for key in ("name", "addr"))))
    except Garbled:
        pass
    name = " ".join(clean(words).split())[:PLACE_MOST]
    return _Read(location=Location(latitude=latitude, longitude=longitude, name=name))


def _degrees(value: object, *, most: int) -> float | None:
    number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= most
    return float(value) if number and isinstance(value, int | float) else None


def _address(value: object) -> str | None:
    text = wire.text_of(value)
    if not text.startswith(("https://", "http://")) or not text.isprintable() or len(text) > 4096 or " " in text:
        return None
    try:
        return text if urlsplit(text).hostname else None
    except ValueError:
        return None


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**53 else None


def _time_of(value: object) -> datetime | None:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 2**47:
        return None
    return datetime.fromtimestamp(value / 1000, UTC)


def _label(command: str) -> str:
    """A command as a name: callbackAfterJoinGroupCommand → after join group."""
    kept = "".join(c if c.isascii() and c.isalnum() else " " for c in command[:NAME_MOST])
    core = kept.strip().removeprefix("callback").removesuffix("Command")
    spaced = "".join(f" {c}" if c.isupper() else c for c in core)
    return " ".join(spaced.split()).lower() or "unknown"
