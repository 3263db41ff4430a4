"""What Patchbay does with CINNOX: our decisions. The provider's facts are in ``wire.py``."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import ClassVar, Literal, NoReturn
from urllib.parse import quote

import httpx
from pydantic import Field, ValidationError, field_validator

from bridges.api import (
    HARMLESS,
    AccountSettings,
    Answer,
    BaseUrl,
    Capabilities,
    Flow,
    Hook,
    HookSecret,
    Listed,
    Operation,
    Outgoing,
    Subscription,
    Token,
)
from bridges.cinnox import lookups, wire
from bridges.cinnox.events import NOTICES, SMS, event_of
from bridges.decoding import arrived_at
from bridges.errors import Garbled, Inexpressible, Refused, Unavailable
from bridges.model import ConversationId, Event, Message, Receipt
from bridges.responses import clean, parse_json, parsed, quoted, raise_for_status, retry_after
from bridges.signing import Bearer

EXAMPLES = "a room such as room-42, or sms/85255501234 for the sender of an SMS"
CONVERSATION_MOST = 256
PAGE = 100
PAGES_MOST = 3
"""Pages of one look-up, which do not wait for their turn beside the messages."""
_SMS_PEER = re.compile(r"[A-Za-z0-9._~%-]{1,200}")
_NOSNIFF = (("X-Content-Type-Options", "nosniff"),)


class CinnoxSettings(AccountSettings):
    """One CINNOX service, as its dashboard shows it under Administration → Service Integration → API."""

    provider: Literal["cinnox"]
    base_url: BaseUrl
    app_id: str = Field(min_length=1, max_length=200)
    token: Token
    hook_secret: HookSecret
    challenge_mode: wire.ChallengeMode = "object"
    """How the handshake is answered; ``subscribe`` finds the one that works and remembers it."""
    sender_eid: str = ""
    """Writes as this CINNOX user; empty: as the app."""
    reply_room: str = ""
    """Where a reply to an inbound SMS goes; empty: such a reply is refused."""
    receiver_eid: str = ""
    """Ours, not required: a member of the room to address; empty: nobody in particular."""
    batch: int = Field(default=wire.MESSAGES_MOST, ge=1, le=wire.MESSAGES_MOST)
    """Ours, not required: messages in one request. 1 where a doubtful request should concern one message only."""
    requests_per_minute: int = Field(default=0, ge=0)
    """Ours, not required: our own pacing; 0: send at once until CINNOX says for the first time that it is too much
    (6451010), and keep to its 500 a minute from then on."""
    events: tuple[wire.EventName, ...] = Field(default=("inbound-sms",), min_length=1)
    """Ours, not required: the events that ``subscribe`` switches on."""
    external_contact_path: str = wire.SUBSCRIPTIONS["external-contact"]
    """Ours, not required: last part of the path of the subscription to external contacts, which is a guess."""

    @field_validator("events")
    @classmethod
    def _each_once(cls, value: tuple[wire.EventName, ...]) -> tuple[wire.EventName, ...]:
        return tuple(dict.fromkeys(value))

    @field_validator("external_contact_path")
    @classmethod
    def _is_a_step(cls, value: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9-]{1,64}", value):
            raise ValueError("must be the last part of a path; example: external-contact-event-sub")
        return value

    @field_validator("app_id", "sender_eid", "receiver_eid", "reply_room")
    @classmethod
    def _is_an_id(cls, value: str) -> str:
        if not value.isprintable() or " " in value:
            raise ValueError("must not hold spaces or control characters")
        return value

    @field_validator("app_id")
    @classmethod
    def _is_a_segment(cls, value: str) -> str:
        if not value.strip("."):
            raise ValueError("must not be dots alone, for it is part of a path")
        return value

    @field_validator("reply_room")
    @classmethod
    def _is_a_room(cls, value: str) -> str:
        if value.startswith(SMS):
            raise ValueError("must be a room, for there is no documented way to answer an SMS; example: room-42")
        return value


class CinnoxBridge:
    """Sends to rooms by ``message-push``; receives inbound SMS, receipts, and notices of what else happens.

    It learns two things. ``challenge_mode``: CINNOX calls our listener while it answers our subscription, so the
    listener must answer in the mode that is being tried at that moment. And whether CINNOX ever complained about our
    pace: then the account keeps to the documented one.
    """

    name: ClassVar[str] = "cinnox"
    title: ClassVar[str] = "CINNOX"
    Settings: ClassVar[type[AccountSettings]] = CinnoxSettings
    capabilities: Capabilities = Capabilities(
        text_limit=wire.TEXT_MOST,
        text_unit="utf16",  # never fewer than code points, so it holds whichever of the two they count
        batch=wire.MESSAGES_MOST,
        requests_per_minute=wire.REQUESTS_PER_MINUTE,
        webhook_proof="path",
    )

    def __init__(self, settings: AccountSettings) -> None:
        assert isinstance(settings, CinnoxSettings)
        self._settings = settings
        self._app = f"{settings.base_url}/v1/api/apps/{quote(settings.app_id, safe='')}"
        self._push = httpx.URL(f"{self._app}/message-push")  # read once: that is a third of making a request
        self.capabilities = replace(
            type(self).capabilities, batch=settings.batch, requests_per_minute=settings.requests_per_minute or None
        )
        self.challenge_mode: wire.ChallengeMode = settings.challenge_mode
        self._slowed = False
        self._learnt: Mapping[str, str] = {}
        self._auth = Bearer(settings.token.get_secret_value())

    @property
    def auth(self) -> httpx.Auth:
        """The app token as a bearer token; it is not known to expire."""
        return self._auth

    # Sending

    def check(self, conversation: ConversationId) -> None:
        """See :meth:`bridges.api.Bridge.check`."""
        text = str(conversation)
        problem = ""
        if not text:
            problem = "an empty address"
        elif len(text) > CONVERSATION_MOST:
            problem = f"an address of {len(text)} characters (at most {CONVERSATION_MOST})"
        elif not text.isprintable() or any(c.isspace() for c in text):
            problem = "an address with spaces or control characters"
        elif text.startswith(SMS) and not _SMS_PEER.fullmatch(text.removeprefix(SMS)):
            problem = "an SMS address that is no number in digits"
        if problem:
            raise Refused(f"CINNOX has no such conversation: this is {problem}; valid is {EXAMPLES}")

    def deliver(self, out: Outgoing) -> Flow[Receipt]:
        """See :meth:`bridges.api.Bridge.deliver`."""
        return (yield from self.deliver_many((out,)))

    def deliver_many(self, outs: Sequence[Outgoing]) -> Flow[Receipt]:
        """See :meth:`bridges.api.Batches.deliver_many`. The receipt has no ids: CINNOX promises none."""
        if not 1 <= len(outs) <= self.capabilities.batch:
            raise Inexpressible(f"CINNOX takes 1 to {self.capabilities.batch} messages in one request, not {len(outs)}")
        conversations = {out.conversation for out in outs}
        if len(conversations) != 1:
            raise Inexpressible("CINNOX takes messages of one room in one request, these are for several")
        room = self._room(conversations.pop())
        texts = [_text_of(out.message) for out in outs]
        body: dict[str, object] = {"roomID": room}
        if self._settings.sender_eid:
            body["senderEID"] = self._settings.sender_eid
        if self._settings.receiver_eid:
            body["receiverEID"] = self._settings.receiver_eid
        body["messages"] = [{"type": "text", "text": text} for text in texts]
        response = yield httpx.Request("POST", self._push, json=body)
        self._judge(response, what="CINNOX message-push", texts=texts)
        return Receipt()

    def _room(self, conversation: ConversationId) -> str:
        self.check(conversation)
        if conversation == NOTICES:
            raise Refused("CINNOX notices can be read only: send to a room, such as room-42")
        if not conversation.startswith(SMS):
            return conversation
        if not self._settings.reply_room:
            raise Refused(
                "CINNOX documents no way to answer an SMS; put a room into the account's reply_room setting "
                "(accounts.<name>.reply_room) and replies go there"
            )
        return self._settings.reply_room

    def _judge(self, response: httpx.Response, *, what: str, texts: Sequence[str] = ()) -> wire.Reply:
        """The reply of a success; raises the error that anything else means.

        The HTTP status goes before ``code``: the documented 400 example carries ``"code": 0``
        (https://docs.cinnox.com/docs/createeditdelete-inboundsms-event-subscription, 2026-11).
        """
        status = response.status_code
        if 200 <= status < 300:
            reply = parsed(response, wire.Reply, what=what)
            if reply.code == 0:
                return reply
            self._raise_for_code(reply, response=response, what=what, texts=texts)
        try:
            reply = parsed(response, wire.Reply, what=what)
        except Garbled:
            reply = wire.Reply(code=0)
        if reply.code == wire.CODE_TOO_MANY:
            self._slow_down()
        detail = self._said(reply, texts=texts)
        if 400 <= status < 500 and status != 401 and reply.code in wire.CODES_RETRY:
            self._raise_for_code(reply, response=response, what=what, texts=texts)
        raise_for_status(response, what=what, detail=detail)
        raise AssertionError("raise_for_status returns on 2xx only")

    def _slow_down(self) -> None:
        """Keep to the documented pace from now on: CINNOX has said that it was too much."""
        if not self._slowed:
            self._slowed = True
            pace = min(self._settings.requests_per_minute or wire.REQUESTS_PER_MINUTE, wire.REQUESTS_PER_MINUTE)
            self.capabilities = replace(self.capabilities, requests_per_minute=pace)

    def _raise_for_code(
        self, reply: wire.Reply, *, response: httpx.Response, what: str, texts: Sequence[str]
    ) -> NoReturn:
        said = self._said(reply, texts=texts) or wire.CODES_REFUSED.get(reply.code, "")
        line = f"{what}: error {reply.code}{said and f': {said}'}"
        if reply.code in wire.CODES_REFUSED:
            raise Refused(line)
        if reply.code == wire.CODE_TOO_MANY:
            self._slow_down()
        raise Unavailable(line, retry_after=retry_after(response))

    def _said(self, reply: wire.Reply, *, texts: Sequence[str]) -> str:
        secrets = (self._settings.token.get_secret_value(), self._settings.hook_secret.get_secret_value())
        said = quoted(reply.message, hide=(*secrets, *texts))
        words = said.casefold().replace("_", " ")
        return f"{said}; check app_id" if "app id" in words or "appid" in words else said

    def probe(self) -> Flow[str]:
        """See :meth:`bridges.api.Bridge.probe`: one row of the staff list."""
        url = f"{self._app}/contacts/staffcontact-list?limit=1&offset=0"
        response = yield httpx.Request("GET", url, extensions=dict(HARMLESS))
        self._judge(response, what="CINNOX staff list")
        return f"CINNOX accepts the token of app {self._settings.app_id}"

    # Receiving

    def verify(self, hook: Hook) -> None:
        """Accept: CINNOX signs nothing, so the secret in the path is the proof and was checked before."""

    def decode(self, hook: Hook) -> Sequence[Event]:
        """See :meth:`bridges.api.Bridge.decode`. Every JSON body gives at least one event."""
        body = parse_json(hook.body)
        received_at = arrived_at(hook)
        items = body if isinstance(body, list) and body else [body]
        if len(items) > wire.EVENTS_MOST:
            raise Garbled(f"the body holds {len(items)} events; at most {wire.EVENTS_MOST} are read at once")
        try:
            return tuple(event_of(item, received_at=received_at) for item in items)
        except RecursionError as error:
            raise Garbled("the body is nested too deeply") from error

    def answer(self, hook: Hook) -> Answer:
        """The handshake's echo, or the answer to an event; see :meth:`bridges.api.Answers.answer`.

        Rule of https://docs.cinnox.com/docs/createeditdelete-inboundsms-event-subscription (2026-11), read with care:
        events of CINNOX carry a ``challenge`` of their own, so only a body without an event is a handshake.
        """
        body = parse_json(hook.body)
        challenge = wire.challenge_of(body)
        if challenge is None:
            return Answer(body=b'{"code":0,"result":{}}', headers=_NOSNIFF)
        data, media_type = handshake_body(challenge, mode=self.challenge_mode)
        return Answer(body=data, media_type=media_type, headers=_NOSNIFF, handshake=wire.payload_of(body) is None)

    # Subscriptions

    def recall(self, memory: Mapping[str, str]) -> None:
        """See :meth:`bridges.api.Remembers.recall`: how handshakes are answered, and whether to keep to a pace."""
        for mode in wire.CHALLENGE_MODES:
            if memory.get("challenge_mode") == mode:
                self.challenge_mode = mode
        if memory.get("requests_per_minute") == str(wire.REQUESTS_PER_MINUTE):
            self._slow_down()

    def learnt(self) -> Mapping[str, str]:
        """See :meth:`bridges.api.Remembers.learnt`."""
        known = {"challenge_mode": str(self.challenge_mode)}
        if self._slowed:
            known["requests_per_minute"] = str(wire.REQUESTS_PER_MINUTE)
        if known != self._learnt:
            self._learnt = known
        return self._learnt

    def attempts(self) -> Sequence[Mapping[str, str]]:
        """The present challenge mode, then each of the others once."""
        others = (mode for mode in wire.CHALLENGE_MODES if mode != self.challenge_mode)
        return tuple({"challenge_mode": mode} for mode in (self.challenge_mode, *others))

    def attempt(self, url: str, *, memory: Mapping[str, str], now: datetime) -> Flow[Subscription]:
        """Subscribe to each of the account's events once, answering handshakes as ``memory`` says."""
        self.recall(memory)
        taken = url
        for event in self._settings.events:
            subscribed = yield from self._patch(event, url, enabled=True)
            if not subscribed.enabled:
                raise Refused(f"{_subscription(event)}: answered as done, but result.enabled is false")
            taken = subscribed.url if isinstance(subscribed.url, str) else url
        return Subscription(
            event=self._events,
            url=taken,
            active=True,
            detail=f"handshake answered as {self.challenge_mode}",
            memory={"challenge_mode": self.challenge_mode},
        )

    def subscribe(self, url: str, *, now: datetime) -> Flow[Subscription]:
        """Try the challenge modes until the listener's answer is taken; at most one round of requests for each."""
        before = self.challenge_mode
        refused: Refused | None = None
        for memory in self.attempts():
            try:
                return (yield from self.attempt(url, memory=memory, now=now))
            except Refused as error:
                refused = error
            except BaseException:
                self.challenge_mode = before
                raise
        self.challenge_mode = before
        raise Refused(
            f"{refused}; all {len(wire.CHALLENGE_MODES)} ways to answer the handshake were tried: "
            "check that web.public_url leads here from the internet"
        ) from refused

    def unsubscribe(self, url: str) -> Flow[Subscription]:
        """End the subscription to each of the account's events."""
        for event in self._settings.events:
            subscribed = yield from self._patch(event, url, enabled=False)
            if subscribed.enabled:
                raise Refused(f"{_subscription(event)}: answered as ended, but result.enabled is true")
        return Subscription(event=self._events, url=url, active=False)

    @property
    def _events(self) -> str:
        return ", ".join(_title(event) for event in self._settings.events)

    def _patch(self, event: wire.EventName, url: str, *, enabled: bool) -> Flow[wire.Subscribed]:
        what = _subscription(event)
        path = self._settings.external_contact_path if event == "external-contact" else wire.SUBSCRIPTIONS[event]
        response = yield httpx.Request(
            "PATCH", f"{self._app}/{path}", json={"enabled": enabled, "url": url}, extensions=dict(HARMLESS)
        )
        try:
            reply = self._judge(response, what=what)
        except Unavailable as error:
            # A code outside the table, said in words with HTTP 2xx, is how a failed verification may well look.
            if response.is_success and not any(_has_code(response, code) for code in wire.CODES_RETRY):
                raise Refused(str(error)) from error
            raise
        except Refused as error:
            if response.status_code == 404 or _has_code(response, wire.CODE_NO_METHOD):
                # Another way to answer the handshake would not help.
                raise Garbled(f"{error}; CINNOX knows no {path}, take {event} out of the account's events") from error
            raise
        try:
            return wire.Subscribed.model_validate(reply.result)
        except ValidationError as error:
            raise Garbled(f"{what}: the answer has no result.enabled") from error

    # Look-ups

    def conversations(self) -> Flow[Sequence[Listed]]:
        """See :meth:`bridges.api.Lists.conversations`: rooms of enquiries that are ongoing."""
        rows = yield from self._rows("data/enquiry-detail", what="CINNOX enquiries")
        rooms: dict[ConversationId, Listed] = {}
        for row in rows:
            if lookups.is_ongoing(row) and (room := lookups.room_of(row)) is not None:
                rooms.setdefault(room.conversation.id, room)
        return list(rooms.values())

    def operations(self) -> Sequence[Operation]:
        """See :meth:`bridges.api.Operates.operations`."""
        return (
            Operation(
                "staff", ("[NAME…]",), "staff with their EIDs (for sender_eid), all or by name", "Ann", self._staff
            ),
            Operation("sender-ids", ("EID",), "numbers that a member of staff may send SMS from", "eid-1", self._ids),
            Operation("enquiries", ("[STATUS]",), "enquiries with their rooms", "ongoing", self._enquiries),
            Operation("sms-records", (), "SMS of this service and what became of them", "", self._sms_records),
        )

    def _staff(self, arguments: Sequence[str]) -> Flow[str]:
        query = {"fullName": " ".join(arguments)} if arguments else {}
        rows = yield from self._rows("contacts/staffcontact-list", what="CINNOX staff list", query=query)
        none = "CINNOX lists nobody of that name" if query else ""
        return lookups.lines(rows, lookups.staff_line, none=none, cut_at=_cut_at(rows))

    def _ids(self, arguments: Sequence[str]) -> Flow[str]:
        eid = arguments[0]
        if not eid.strip("."):
            raise Refused(f"{eid!r} is no EID; example: eid-1 (patchbay account NAME staff lists them)")
        path = f"staff/{quote(eid, safe='')}/cli/sender_id"
        response = yield httpx.Request("GET", f"{self._app}/{path}", extensions=dict(HARMLESS))
        rows = self._rows_in(response, what="CINNOX sender IDs")
        return lookups.lines(rows, lookups.sender_line)

    def _enquiries(self, arguments: Sequence[str]) -> Flow[str]:
        rows = yield from self._rows("data/enquiry-detail", what="CINNOX enquiries")
        wanted = arguments[0].casefold() if arguments else ""
        chosen = [row for row in rows if not wanted or lookups.status_of(row) == wanted]
        return lookups.lines(chosen, lookups.enquiry_line, cut_at=_cut_at(rows))

    def _sms_records(self, arguments: Sequence[str]) -> Flow[str]:
        rows = yield from self._rows("data/sms-detail", what="CINNOX SMS records")
        return lookups.lines(rows, lookups.sms_line, cut_at=_cut_at(rows))

    def _rows(
        self, path: str, *, what: str, query: Mapping[str, str] | None = None
    ) -> Flow[Sequence[Mapping[str, object]]]:
        """Rows of a look-up, page after page up to a bound."""
        found: list[Mapping[str, object]] = []
        for page in range(PAGES_MOST):
            params = {"limit": str(PAGE), "offset": str(page * PAGE), **(query or {})}
            url = httpx.URL(f"{self._app}/{path}", params=params)
            response = yield httpx.Request("GET", url, extensions=dict(HARMLESS))
            rows = self._rows_in(response, what=what)
            found += rows
            if len(rows) < PAGE:
                break
        return found

    def _rows_in(self, response: httpx.Response, *, what: str) -> Sequence[Mapping[str, object]]:
        rows = wire.rows_of(self._judge(response, what=what).result)
        if rows is None:
            raise Garbled(f"{what}: the answer holds no list")
        return rows


def _cut_at(rows: Sequence[object]) -> int:
    """How many rows were looked at where that was not all of them, as far as one can know; else 0."""
    return len(rows) if len(rows) >= PAGE * PAGES_MOST else 0


def _title(event: wire.EventName) -> str:
    return event.replace("-", " ").replace("sms", "SMS")


def _subscription(event: wire.EventName) -> str:
    return f"CINNOX {_title(event)} subscription"


def handshake_body(challenge: str, *, mode: wire.ChallengeMode) -> tuple[bytes, str]:
    """Body and media type of the answer to a handshake, for each reading of the documentation."""
    echo: dict[str, object] = {"challenge": challenge}
    match mode:
        case "object":
            body: dict[str, object] = {"code": 0, "result": echo}
        case "string":
            body = {"code": 0, "result": _json(echo)}
        case "object_plus_top":
            body = {"code": 0, "result": echo, "challenge": challenge}
        case "top":
            body = echo
        case "plain":
            return challenge.encode(), "text/plain; charset=utf-8"
    return _json(body).encode(), "application/json"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _has_code(response: httpx.Response, code: int) -> bool:
    try:
        return parsed(response, wire.Reply, what="CINNOX").code == code
    except Garbled:
        return False


def _text_of(message: Message) -> str:
    """The text as CINNOX takes it; raises ``Inexpressible`` for anything it does not carry."""
    if message.attachments:
        raise Inexpressible("CINNOX carries text only, this message has an attachment")
    text = clean(message.text)
    if not text:
        raise Inexpressible("CINNOX carries text only, this message has none")
    units = len(text.encode("utf-16-le")) // 2
    if units > wire.TEXT_MOST:
        raise Inexpressible(f"CINNOX takes {wire.TEXT_MOST} characters in one message, this has {units}")
    return text
