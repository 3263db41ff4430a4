"""What the sandbox keeps, and how the server writes it: rows as API v2 reads them, events in both styles of names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal, TypeAlias

TIME_FORMAT = "%Y-%m-%d %H:%M:%S"
Style: TypeAlias = Literal["v2", "v1"]
"""Names in events: ``from-number`` as the documents write it, or ``from_num`` as live servers do."""
Numbers: TypeAlias = Literal["strings", "integers", "scientific"]
"""How phone numbers stand in JSON: all three were seen."""


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


def page(rows: Sequence[object], *, limit: int, start: int) -> list[object]:
    """The asked part of a list."""
    return list(rows[start : start + limit])
