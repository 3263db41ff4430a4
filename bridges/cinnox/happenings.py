"""What there is and what happens at the stand-in for CINNOX."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

SUBSCRIPTIONS = {
    "inbound-sms": "inbound-sms-event-sub",
    "outbound-sms": "outbound-sms-event-sub",
    "call": "call-event-sub",
    "enquiry": "inquiry-event-sub",
    "enquiry-label": "inquiry-label-event-sub",
    "staff-contact": "staff-contact-event-sub",
    "external-contact": "external-contact-event-sub",
    "label": "label-event-sub",
}
"""The last part of each subscription's path; that of external contacts is a guess."""
STATUSES: Mapping[str, tuple[str, ...]] = {
    "outbound-sms": ("Submitted", "Delivered", "Undelivered", "Rejected"),
    "call": ("CallStart", "CallEnd"),
    "enquiry": ("Opened", "Handling", "Closed", "Missed"),
    "staff-contact": ("staffCreate", "staffEdit", "staffDelete"),
    "external-contact": ("create", "edit", "delete"),
    "enquiry-label": ("create", "edit", "delete"),
    "label": ("create", "edit", "delete"),
}
"""What an event's status may be; for labels a guess, their fields are not documented."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A message as CINNOX took it: its own log, the truth of what was sent."""

    number: int
    room: str
    text: str
    sender_eid: str
    receiver_eid: str
    at: datetime


@dataclass(frozen=True, slots=True)
class InboundSms:
    """An SMS that somebody sent to the service, and what our side answered to the webhook (0: not reached)."""

    record: str
    sender: str
    recipient: str
    text: str
    at: datetime
    status: int


@dataclass(frozen=True, slots=True)
class Happened:
    """An event that is no inbound SMS, and what our side answered to the webhook (0: not reached)."""

    event: str
    status: str
    fields: Mapping[str, object]
    answer: int


@dataclass(frozen=True, slots=True)
class Staff:
    """A member of staff."""

    eid: str
    name: str
    status: str = "Activated"
    role: str = "agent"
    numbers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Enquiry:
    """A visitor's case; its room is what messages are sent to."""

    id: str
    room: str
    visitor: str
    case: str
    channel: str = "CINNOX"
    status: str = "ongoing"


STAFF = (Staff("eid-1", "Sandbox Agent", numbers=("85255509999",)), Staff("eid-2", "Ann Sample", role="admin"))


def event_body(
    event: str, status: str, *, number: int, app_id: str, member: Staff | None, case: str, at: datetime
) -> dict[str, object]:
    """The fields of an event as documented, with invented values."""
    service = "service-sample.example"
    who = member or Staff("eid-0", "Nobody")
    match event:
        case "outbound-sms":
            return {
                "Type": "tdr",
                "AppID": app_id,
                "ServiceID": service,
                "TransactionID": f"tx-{number:06d}",
                "RecipientNumber": "85255501234",
                "RecipientCountry": "HK",
                "ResponseCode": "400" if status == "Rejected" else "",
                "Status": status,
            }
        case "call":
            caller = {"eid": "", "number": "85255501234"}
            return {"id": f"call-{number:06d}", "status": status, "serviceId": service, "caller": caller}
        case "enquiry":
            about = {"status": status, "serviceId": service, "displayCaseNumber": case or f"C-{number}", "eid": who.eid}
            return {**about, "type": "inquiry", "channel": "WHATSAPP", "date": rfc3339(at)}
        case "staff-contact":
            about = {"type": "contact", "status": status, "serviceId": service}
            return {**about, "fullName": who.name, "id": who.eid}
        case "external-contact":
            about = {"type": "contact", "status": status, "serviceId": service}
            return {**about, "fullName": "Sample Visitor", "id": f"contact-{number:06d}"}
    kind = "inquiryLabel" if event == "enquiry-label" else "label"
    return {"type": kind, "status": status, "serviceId": service}


def rfc3339(at: datetime) -> str:
    """A time as CINNOX writes it."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"
