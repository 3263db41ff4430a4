"""From a webhook's fields to an event: inbound SMS, receipts of outbound SMS, and notices of everything else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import quote

from bridges.cinnox import wire
from bridges.decoding import unsupported
from bridges.model import (
    Conversation,
    ConversationId,
    Event,
    Message,
    MessageId,
    Person,
    PersonId,
    Received,
    StatusChanged,
)
from bridges.responses import clean, quoted
from bridges.signing import fingerprint

SMS = "sms/"
NOTICES = ConversationId("notices")
"""Where events that are no messages are told; nothing can be sent there."""
NAME_MOST = 64


def event_of(item: object, *, received_at: datetime) -> Event:
    """The event of one body."""
    payload = wire.payload_of(item)
    if payload is None:
        handshake = wire.challenge_of(item) is not None
        return unsupported(item, name="handshake" if handshake else "unknown", at=received_at)
    at = wire.time_of(payload.get("receiveTime")) or received_at
    if not wire.is_inbound_sms(payload):
        other = _receipt(payload, at=at) or _notice(payload, received_at=received_at)
        return other or unsupported(item, name=_name_of(payload, body=item), at=at)
    kind, content = payload.get("contentType"), payload.get("content")
    if isinstance(kind, str) and kind.strip() and kind.strip().casefold() != "text":
        return unsupported(item, name=f"inbound sms of type {_label(kind)}", at=at)
    if not isinstance(content, str):
        return unsupported(item, name="inbound sms without content", at=at)
    sender = _printable(wire.number_of(payload.get("senderNumber")) or "") or "unknown"
    record = _record_id(payload)
    return Received(
        key=record or _fingerprint(payload, received_at=received_at),
        at=at,
        id=MessageId(record) if record else None,
        conversation=Conversation(id=_peer(sender), kind="direct", title=f"SMS {sender}"),
        message=Message(text=clean(content), sender=Person(id=PersonId(sender), name=sender)),
    )


def _receipt(payload: Mapping[str, object], *, at: datetime) -> Event | None:
    """What became of an SMS that was sent; None unless it says so clearly. It holds no time of its own."""
    if not wire.is_receipt(payload):
        return None
    transaction, status = word_of(payload.get("TransactionID")), word_of(payload.get("Status")) or ""
    exception = word_of(payload.get("Exception")) or ""
    outcome = wire.RECEIPTS.get(status.casefold()) or ("failed" if exception and not status else None)
    if transaction is None or outcome is None:
        return None
    # The number is nobody's business where the message came from; what CINNOX says of the failure is.
    code = word_of(payload.get("ResponseCode"))
    said = [status, *wire.RECEIPT_WORDS.get(status.casefold(), ()), exception, f"code {code}" if code else ""]
    return StatusChanged(
        key=fingerprint("receipt", transaction, status.casefold(), exception, code or ""),
        at=at,
        id=MessageId(transaction),
        state=outcome,
        detail="" if outcome == "delivered" else quoted(", ".join(filter(None, said))),
    )


def _notice(payload: Mapping[str, object], *, received_at: datetime) -> Event | None:
    """One line for people about what happened in CINNOX; None unless the event says clearly what it is."""
    told = _told(payload)
    if told is None:
        return None
    text, once = told
    at = wire.time_of(payload.get("date")) or received_at
    # The same contact may be edited twice, with the same fields: then the minute of arrival has to tell them apart.
    minute = "" if once else received_at.isoformat(timespec="minutes")
    content = {name: value for name, value in payload.items() if name != "challenge"}
    return Received(
        key=fingerprint("notice", json.dumps(content, sort_keys=True), minute),
        at=at,
        conversation=Conversation(id=NOTICES, kind="group", title="CINNOX notices"),
        message=Message(text=text, sender=Person(id=PersonId("cinnox"), name="CINNOX", kind="system")),
    )


def _told(payload: Mapping[str, object]) -> tuple[str, bool] | None:
    """The words of a notice, and whether such an event happens only once with these fields."""
    kind, status = (word_of(payload.get(name)) or "" for name in ("type", "status"))
    match kind.casefold(), status.casefold():
        case "inquiry", word if word in wire.ENQUIRY_WORDS:
            number, channel = word_of(payload.get("displayCaseNumber")), word_of(payload.get("channel"))
            via = f" ({wire.CHANNEL_NAMES.get(channel.upper(), channel)})" if channel else ""
            dated = wire.time_of(payload.get("date")) is not None
            return f"Enquiry{_after(' ', number)} {wire.ENQUIRY_WORDS[word]}{via}", dated
        case "" | "call", "callstart" | "callend" as word:
            caller = payload.get("caller")
            about = caller if isinstance(caller, dict) else {}
            who = _printable(wire.number_of(about.get("number")) or "") or word_of(about.get("eid"))
            verb = "started" if word == "callstart" else "ended"
            return f"Call{_after(' from ', who)} {verb}", word_of(payload.get("id")) is not None
        case "contact", word if word in wire.CONTACT_WORDS:
            who, verb = wire.CONTACT_WORDS[word]
            name = word_of(payload.get("fullName")) or word_of(payload.get("id"))
            return f"{who} {verb}{_after(': ', name)}", False
        case word, _ if word in wire.LABEL_WORDS:
            verb = wire.LABEL_VERBS.get(status.casefold(), _label(status) if status else "changed")
            return f"{wire.LABEL_WORDS[word]} {verb}", False
    return None


def _after(words: str, value: str | None) -> str:
    return words + value if value else ""


def word_of(value: object) -> str | None:
    """A short printable text, or a number as text; None where there is neither."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**32:
        return str(value)
    return _printable(" ".join(clean(value[: 64 * NAME_MOST]).split())) or None if isinstance(value, str) else None


def _peer(sender: str) -> ConversationId:
    """The address of a sender: digits as they are, a name without anything that an address may not hold."""
    quoted_name = quote(sender, safe="")
    return ConversationId(SMS + (quoted_name if len(quoted_name) <= 200 else fingerprint(sender)))


def _printable(name: str) -> str:
    return "".join(c for c in name if c.isprintable())[:NAME_MOST].strip()


def _record_id(payload: Mapping[str, object]) -> str | None:
    value = payload.get("id")
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value) if abs(value) < 10**64 else None
    if not isinstance(value, str):
        return None
    record = clean(value).strip()
    return record if 0 < len(record) <= 200 else None


def _fingerprint(payload: Mapping[str, object], *, received_at: datetime) -> str:
    fields = ("id", "senderNumber", "recipientNumber", "receiveTime", "content")
    # Without a time of its own the minute of arrival tells it apart: the same person may write the same words again.
    minute = [] if wire.time_of(payload.get("receiveTime")) else [received_at.isoformat(timespec="minutes")]
    return fingerprint(*(json.dumps(payload.get(field), sort_keys=True) for field in fields), *minute)


def _name_of(payload: Mapping[str, object], *, body: object) -> str:
    """What kind of event it says it is, from the fields that CINNOX's events name themselves by."""
    if wire.is_receipt(payload):
        return f"outbound sms receipt {_label(word_of(payload.get('Status')) or 'without status')}"
    for key in ("eventDescription", "type", "Type", "status"):
        if (value := payload.get(key)) and isinstance(value, str) and value != "message":
            return _label(value)
    return "unknown"


def _label(value: str) -> str:
    kept = "".join(c if c.isascii() and c.isalnum() else " " for c in value[:NAME_MOST])
    return " ".join(kept.split()).lower() or "unknown"
