"""What CINNOX's look-ups show a person: staff, numbers, enquiries, SMS records."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from bridges.api import Listed
from bridges.cinnox import wire
from bridges.cinnox.events import word_of
from bridges.model import Conversation, ConversationId

Row = Mapping[str, object]
SHOWN_MOST = 100
ROOM_MOST = 256


def lines(rows: Sequence[Row], line: Callable[[Row], str], *, none: str = "", cut_at: int = 0) -> str:
    """A line for each row, up to a bound that is told; so is ``cut_at``, the rows after which nobody looked further."""
    shown = [line(row) for row in rows[:SHOWN_MOST]]
    if len(rows) > SHOWN_MOST:
        shown.append(f"… and {len(rows) - SHOWN_MOST} more")
    if cut_at:
        shown.append(f"… only the first {cut_at} that CINNOX lists were looked at, there may be more")
    return "\n".join(shown) or none or "CINNOX lists nothing here"


def _joined(*parts: object) -> str:
    return "  ".join(word_of(part) or "-" for part in parts)


def staff_line(row: Row) -> str:
    """EID, status, name, role, extension."""
    names = (row.get("displayName"), row.get("fullName"))
    name = next((name for each in names if (name := word_of(each))), None)
    return _joined(row.get("id"), row.get("status"), name, row.get("role"), row.get("extensionNumber"))


def sender_line(row: Row) -> str:
    """Number, type, name, and what it may be used for."""
    uses = [
        use for use, allowed in (("SMS", row.get("supportSMS")), ("calls", row.get("supportCall"))) if allowed is True
    ]
    return _joined(row.get("number"), row.get("type"), row.get("name"), " and ".join(uses))


def enquiry_line(row: Row) -> str:
    """Case number, status, channel, room, visitor."""
    return _joined(
        row.get("displayCaseNumber"), row.get("status"), row.get("channel"), row.get("roomID"), _visitor(row)
    )


def sms_line(row: Row) -> str:
    """Time, sender, recipient, states and use; never the text."""
    return _joined(
        *(row.get(name) for name in ("createdAt", "sender", "recipient", "status", "carrierStatus", "usage"))
    )


def status_of(row: Row) -> str:
    """The status of an enquiry in small letters."""
    return (word_of(row.get("status")) or "").casefold()


def is_ongoing(row: Row) -> bool:
    """Whether an enquiry is open, so that its room can be written to."""
    return status_of(row) == "ongoing"


def room_of(row: Row) -> Listed | None:
    """The room of an enquiry; None where it has none that can be an address."""
    room = row.get("roomID")
    if not isinstance(room, str) or not 0 < len(room) <= ROOM_MOST or not room.isprintable() or " " in room:
        return None
    channel = word_of(row.get("channel"))
    number, visitor = word_of(row.get("displayCaseNumber")), _visitor(row)
    shown = wire.CHANNEL_NAMES.get(channel.upper(), channel) if channel else None
    return Listed(
        Conversation(id=ConversationId(room), kind="direct", title=visitor or ""),
        detail=", ".join(filter(None, (number and f"enquiry {number}", shown))),
    )


def _visitor(row: Row) -> str | None:
    """Who asks. A guess: whether it is a name or an object with one is not documented."""
    visitor = row.get("visitor")
    if isinstance(visitor, dict):
        names = (visitor.get(name) for name in ("displayName", "fullName", "name", "id"))
        return next((name for each in names if (name := word_of(each))), None)
    return word_of(visitor)
