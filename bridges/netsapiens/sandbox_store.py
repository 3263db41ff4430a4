"""What the sandbox keeps, and how the server writes it: rows as API v2 reads them, events in both styles of names."""

from __future__ import annotations

import base64
import hashlib
import itertools
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

FILES_MOST = 32
MESSAGES_MOST = 20_000
TIME_FORMAT = "%Y-%m-%d %H:%M:%S"
Style: TypeAlias = Literal["v2", "v1"]
"""Names in events: ``from-number`` as the documents write it, or ``from_num`` as live servers do."""
Numbers: TypeAlias = Literal["strings", "integers", "scientific"]
"""How phone numbers stand in JSON: all three were seen."""


class Refusal(Exception):
    """A request that is understood and not done; the words say why."""

    def __init__(self, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


@dataclass(slots=True)
class SmsNumber:
    """A phone number of the domain."""

    number: str
    dest: str
    """The extension (or queue) that owns it."""
    application: str = "user"
    mms: bool = True
    group_mms: bool = True

    def row(self, domain: str) -> dict[str, object]:
        """As ``smsnumbers`` lists it."""
        return {
            "number": self.number,
            "application": self.application,
            "domain": domain,
            "carrier": "sample",
            "dest": self.dest,
            "mms-capable": self.mms,
            "group-mms-capable": self.group_mms,
        }


@dataclass(slots=True)
class Session:
    """A conversation: extensions among each other, or one extension's number with phones."""

    id: str
    members: list[str]
    """Extensions in it; of an SMS session the one that owns the number."""
    phones: list[str] = field(default_factory=list)
    sms_number: str = ""
    name: str = ""
    started_at: str = ""
    last_at: str = ""
    last_text: str = ""
    last_sender: str = ""
    last_type: str = ""
    last_media_type: str = ""
    last_media_size: int = 0
    unread: list[str] = field(default_factory=list)
    """Members who have not read the last message."""

    def others(self, user: str) -> list[str]:
        """Everybody but this member."""
        return list(self.phones) if self.sms_number else [member for member in self.members if member != user]

    def participants(self) -> list[str]:
        """Everybody, as ``messagesession-participants`` lists them."""
        return [*self.phones, self.sms_number] if self.sms_number else list(self.members)


@dataclass(frozen=True, slots=True)
class Stored:
    """A message in a session."""

    id: str
    session: str
    type: str
    direction: str
    """``orig`` from outside, ``term`` to outside, empty for chats."""
    text: str
    at: str
    from_number: str = ""
    from_user: str = ""
    dialed: tuple[str, ...] = ()
    to_users: tuple[str, ...] = ()
    participants: tuple[str, ...] = ()
    media_type: str = ""
    media_size: int = 0


class Store:
    """Sessions, their messages and files; bounded, but for the sessions themselves."""

    def __init__(self, *, domain: str, clock: Callable[[], datetime]) -> None:
        self.domain = domain
        self.sessions: dict[str, Session] = {}
        self.messages: deque[Stored] = deque(maxlen=MESSAGES_MOST)
        self.files: OrderedDict[str, tuple[str, bytes]] = OrderedDict()
        """Media type and bytes, by the message's id."""
        self._numbers = itertools.count(1)
        self._clock = clock

    def new_id(self) -> str:
        """32 hex digits that were not given out before."""
        return hashlib.sha256(f"{self.domain} {next(self._numbers)}".encode()).hexdigest()[:32]

    def of_session(self, id: str) -> list[Stored]:
        """Its messages, oldest first."""
        return [message for message in self.messages if message.session == id]

    def delete(self, id: str) -> None:
        """Forget a session and its messages."""
        del self.sessions[id]
        self.messages = deque((m for m in self.messages if m.session != id), maxlen=MESSAGES_MOST)

    def new_session(
        self, *, members: Sequence[str], id: str = "", phones: Sequence[str] = (), sms_number: str = ""
    ) -> Session:
        """Begin a session."""
        id = id or self.new_id()
        session = Session(id, list(members), list(phones), sms_number, started_at=written(self._clock()))
        self.sessions[id] = session
        return session

    def sms_session(self, owner: str, *, sms_number: str, phones: Sequence[str]) -> Session | None:
        """The session of this number with exactly these phones."""
        for session in self.sessions.values():
            fits = session.sms_number == sms_number and owner in session.members
            if fits and set(session.phones) == set(phones):
                return session
        return None

    def chat_session(self, members: Sequence[str]) -> Session | None:
        """The session of exactly these extensions."""
        for session in self.sessions.values():
            if not session.sms_number and set(session.members) == set(members):
                return session
        return None

    def add(self, session: Session, *, media: bytes = b"", **fields: Any) -> Stored:
        """Put a message into a session."""
        message = Stored(
            id=f"m-{next(self._numbers):012x}",
            session=session.id,
            at=written(self._clock()),
            participants=tuple(session.participants()),
            media_size=len(media),
            **fields,
        )
        self.messages.append(message)
        if media:
            self.files[message.id] = (message.media_type, media)
            while len(self.files) > FILES_MOST:
                self.files.popitem(last=False)
        session.last_at, session.last_text, session.last_type = message.at, message.text, message.type
        session.last_sender = message.from_number if message.direction else message.from_user
        session.last_media_type, session.last_media_size = message.media_type, message.media_size
        session.unread = [member for member in session.members if member != message.from_user]
        return message

    def snapshot(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        self._numbers = itertools.count(next_number := next(self._numbers))
        return {
            "sessions": [asdict(session) for session in self.sessions.values()],
            "messages": [asdict(message) for message in self.messages],
            "files": {id: [kind, base64.b64encode(data).decode()] for id, (kind, data) in self.files.items()},
            "next": next_number,
        }

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Go on from a snapshot: no id is given out twice."""
        tuples = ("dialed", "to_users", "participants")
        self.sessions = {kept["id"]: Session(**kept) for kept in snapshot["sessions"]}
        self.messages = deque(
            (Stored(**{**kept, **{name: tuple(kept[name]) for name in tuples}}) for kept in snapshot["messages"]),
            maxlen=MESSAGES_MOST,
        )
        files = snapshot["files"].items()
        self.files = OrderedDict((id, (kind, base64.b64decode(data))) for id, (kind, data) in files)
        self._numbers = itertools.count(snapshot["next"])


def number_as(number: str, *, numbers: Numbers) -> object:
    """A phone number as JSON may hold it."""
    if not number.isdigit() or numbers == "strings":
        return number
    return int(number) if numbers == "integers" else f"{float(number):.10e}"


def message_row(message: Stored, *, domain: str, link: str, numbers: Numbers = "strings") -> dict[str, object]:
    """A message as ``messages`` of a session lists it, and as an event in the documents' names holds it."""
    row: dict[str, object] = {
        "id": message.id,
        "timestamp": message.at,
        "type": message.type,
        "domain": domain,
        "direction": message.direction,
        "dialed": ",".join(message.dialed),
        "text": message.text,
        "status": "sending" if not message.direction else "",
        "messagesession-reciever-hostname": "core1.pbx.example",
        "from-number": number_as(message.from_number, numbers=numbers),
        "from-user-id": f"{message.from_user}@{domain}" if message.from_user else "",
        "from-video-attendee-id": None,
        "from-user-agent": "sample",
        "terminating-user-id": ",".join(f"{user}@{domain}" for user in message.to_users),
        "terminating-number": "",
        "messagesession-id": message.session,
        "video-instance-id": None,
        "media-type": message.media_type,
        "media-size": message.media_size,
        "messagesession-participants": ",".join(message.participants),
        "deleted-timestamp": "",
    }
    if link:
        row["file-access-url "] = link  # the documents' own example ends with a space
    return row


def message_event(
    message: Stored, *, domain: str, owner: str, link: str, style: Style, numbers: Numbers
) -> dict[str, object]:
    """A message as an event of the model ``message``."""
    if style == "v2":
        return message_row(message, domain=domain, link=link, numbers=numbers)
    event: dict[str, object] = {
        "id": message.id,
        "timestamp": message.at,
        "type": message.type,
        "domain": domain,
        "user": owner,
        "direction": message.direction,
        "text": message.text,
        "from_num": number_as(message.from_number, numbers=numbers),
        "from_uid": f"{message.from_user}@{domain}" if message.from_user else "",
        "term_uid": ",".join(f"{user}@{domain}" for user in message.to_users),
        "dialed": ",".join(message.dialed),
        "session_id": message.session,
        "participants": ",".join(message.participants),
    }
    if message.media_type:
        event |= {"media_type": message.media_type, "media_size": message.media_size}
    return event


_V1_NAMES: Mapping[str, str] = {
    "messagesession-id": "session_id",
    "messagesession-remote": "remote",
    "messagesession-sms-number": "smsani",
    "messagesession-last-timestamp": "last_timestamp",
    "messagesession-start-timestamp": "start_timestamp",
    "messagesession-last-message": "last_mesg",
    "messagesession-last-sender": "last_sender",
    "messagesession-last-status": "last_status",
    "messagesession-muted": "muted",
    "messagesession-last-type": "last_mesg_type",
    "messagesession-last-media-type": "last_mesg_media_type",
    "messagesession-last-media-size": "last_mesg_media_size",
    "messagesession-type": "session_type",
    "messagesession-name": "session_name",
}


def session_row(session: Session, *, user: str, domain: str) -> dict[str, object]:
    """A session as ``messagesessions`` lists it for one of its members."""
    others = session.others(user)
    return {
        "user": user,
        "domain": domain,
        "messagesession-id": session.id,
        "messagesession-remote": ",".join(others),
        "messagesession-sms-number": session.sms_number,
        "messagesession-last-timestamp": session.last_at,
        "messagesession-start-timestamp": session.started_at,
        "messagesession-last-message": session.last_text,
        "messagesession-last-sender": session.last_sender,
        "messagesession-last-status": "unread" if user in session.unread else "read",
        "messagesession-muted": "no",
        "messagesession-last-type": session.last_type,
        "messagesession-last-media-type": session.last_media_type,
        "messagesession-last-media-size": session.last_media_size,
        "messagesession-type": "group-chat" if not session.sms_number and len(others) > 1 else "",
        "messagesession-name": session.name,
        "messagesession-participants": ",".join(session.participants()),
    }


def session_event(session: Session, *, user: str, domain: str, style: Style) -> dict[str, object]:
    """A session as an event of the model ``messagesession``."""
    row = session_row(session, user=user, domain=domain)
    if style == "v2":
        return row
    return {
        **{"user": user, "domain": domain},
        **{v1: row[v2] for v2, v1 in _V1_NAMES.items()},
        **({"participants": row["messagesession-participants"]} if len(session.others(user)) > 1 else {}),
    }


def written(at: datetime) -> str:
    """A time as the server writes it: UTC, without saying so."""
    return at.astimezone(UTC).strftime(TIME_FORMAT)
