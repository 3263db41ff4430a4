"""What Patchbay does with CINNOX: our decisions. The provider's facts are in ``wire.py``."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
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
    Outgoing,
    Subscription,
    Token,
)
from bridges.cinnox import wire
from bridges.errors import Garbled, Inexpressible, Refused, Unavailable
from bridges.model import (
    Conversation,
    ConversationId,
    Event,
    Message,
    MessageId,
    Person,
    PersonId,
    Receipt,
    Received,
    Unsupported,
)
from bridges.responses import clean, parse_json, parsed, quoted, raise_for_status, retry_after
from bridges.signing import Bearer, fingerprint

EXAMPLES = "a room such as room-42, or sms/85255501234 for the sender of an SMS"
CONVERSATION_MOST = 256
NAME_MOST = 64
_SMS = "sms/"
_SMS_PEER = re.compile(r"[A-Za-z0-9._~%-]{1,200}")
_EPOCH = datetime.fromtimestamp(0, UTC)
_MEMORIES: Mapping[wire.ChallengeMode, Mapping[str, str]] = {
    mode: {"challenge_mode": mode} for mode in wire.CHALLENGE_MODES
}
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
    """Ours, not required: our own pacing; 0: send at once and wait when CINNOX says that it is too much (6451010)."""

    @field_validator("app_id", "sender_eid", "receiver_eid", "reply_room")
    @classmethod
    def _is_an_id(cls, value: str) -> str:
        if not value.isprintable() or " " in value:
            raise ValueError("must not hold spaces or control characters")
        return value

    @field_validator("reply_room")
    @classmethod
    def _is_a_room(cls, value: str) -> str:
        if value.startswith(_SMS):
            raise ValueError("must be a room, for there is no documented way to answer an SMS; example: room-42")
        return value


class CinnoxBridge:
    """Sends to rooms by ``message-push``; receives inbound SMS.

    ``challenge_mode`` is the only state that changes: CINNOX calls our listener while it answers our subscription,
    so the listener must answer in the mode that is being tried at that moment.
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
        elif text.startswith(_SMS) and not _SMS_PEER.fullmatch(text.removeprefix(_SMS)):
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
        if not conversation.startswith(_SMS):
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
        detail = self._said(reply, texts=texts)
        if 400 <= status < 500 and status != 401 and reply.code in wire.CODES_RETRY:
            self._raise_for_code(reply, response=response, what=what, texts=texts)
        raise_for_status(response, what=what, detail=detail)
        raise AssertionError("raise_for_status returns on 2xx only")

    def _raise_for_code(
        self, reply: wire.Reply, *, response: httpx.Response, what: str, texts: Sequence[str]
    ) -> NoReturn:
        said = self._said(reply, texts=texts) or wire.CODES_REFUSED.get(reply.code, "")
        line = f"{what}: error {reply.code}{said and f': {said}'}"
        if reply.code in wire.CODES_REFUSED:
            raise Refused(line)
        raise Unavailable(line, retry_after=retry_after(response))

    def _said(self, reply: wire.Reply, *, texts: Sequence[str]) -> str:
        secrets = (self._settings.token.get_secret_value(), self._settings.hook_secret.get_secret_value())
        return quoted(reply.message, hide=(*secrets, *texts))

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
        received_at = _aware(hook.received_at)
        items = body if isinstance(body, list) and body else [body]
        try:
            return tuple(_event_of(item, received_at=received_at) for item in items)
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
        """Answer handshakes from now on in the mode remembered; what is not known is left aside."""
        for mode in wire.CHALLENGE_MODES:
            if memory.get("challenge_mode") == mode:
                self.challenge_mode = mode

    def learnt(self) -> Mapping[str, str]:
        """See :meth:`bridges.api.Remembers.learnt`."""
        return _MEMORIES[self.challenge_mode]

    def attempts(self) -> Sequence[Mapping[str, str]]:
        """The present challenge mode, then each of the others once."""
        others = (mode for mode in wire.CHALLENGE_MODES if mode != self.challenge_mode)
        return tuple({"challenge_mode": mode} for mode in (self.challenge_mode, *others))

    def attempt(self, url: str, *, memory: Mapping[str, str], now: datetime) -> Flow[Subscription]:
        """Subscribe to inbound SMS once, answering the handshake as ``memory`` says."""
        self.recall(memory)
        subscribed = yield from self._patch(url, enabled=True)
        if not subscribed.enabled:
            raise Refused("CINNOX inbound SMS subscription: answered as done, but result.enabled is false")
        return Subscription(
            event="inbound SMS",
            url=subscribed.url if isinstance(subscribed.url, str) else url,
            active=True,
            detail=f"handshake answered as {self.challenge_mode}",
            memory={"challenge_mode": self.challenge_mode},
        )

    def subscribe(self, url: str, *, now: datetime) -> Flow[Subscription]:
        """Try the challenge modes until the listener's answer is taken; at most one request for each."""
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
        """End the subscription to inbound SMS."""
        subscribed = yield from self._patch(url, enabled=False)
        if subscribed.enabled:
            raise Refused("CINNOX inbound SMS subscription: answered as ended, but result.enabled is true")
        return Subscription(event="inbound SMS", url=url, active=False)

    def _patch(self, url: str, *, enabled: bool) -> Flow[wire.Subscribed]:
        what = "CINNOX inbound SMS subscription"
        response = yield httpx.Request(
            "PATCH",
            f"{self._app}/inbound-sms-event-sub",
            json={"enabled": enabled, "url": url},
            extensions=dict(HARMLESS),
        )
        try:
            reply = self._judge(response, what=what)
        except Unavailable as error:
            # A code outside the table, said in words with HTTP 2xx, is how a failed verification may well look.
            if response.is_success and _code_of(response) not in wire.CODES_RETRY:
                raise Refused(str(error)) from error
            raise
        try:
            return wire.Subscribed.model_validate(reply.result)
        except ValidationError as error:
            raise Garbled(f"{what}: the answer has no result.enabled") from error


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


def _code_of(response: httpx.Response) -> int:
    return parsed(response, wire.Reply, what="CINNOX").code


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


def _aware(at: datetime | None) -> datetime:
    if at is None:
        return _EPOCH
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def _event_of(item: object, *, received_at: datetime) -> Event:
    payload = wire.payload_of(item)
    if payload is None:
        handshake = wire.challenge_of(item) is not None
        return _unsupported(item, name="handshake" if handshake else "unknown", at=received_at)
    at = wire.time_of(payload.get("receiveTime")) or received_at
    if not wire.is_inbound_sms(payload):
        return _unsupported(item, name=_name_of(payload, body=item), at=at)
    kind, content = payload.get("contentType"), payload.get("content")
    if isinstance(kind, str) and kind.strip() and kind.strip().casefold() != "text":
        return _unsupported(item, name=f"inbound sms of type {_label(kind)}", at=at)
    if not isinstance(content, str):
        return _unsupported(item, name="inbound sms without content", at=at)
    sender = _printable(wire.number_of(payload.get("senderNumber")) or "") or "unknown"
    record = _record_id(payload)
    return Received(
        key=record or _fingerprint(payload),
        at=at,
        id=MessageId(record) if record else None,
        conversation=Conversation(id=_peer(sender), kind="direct", title=f"SMS {sender}"),
        message=Message(text=clean(content), sender=Person(id=PersonId(sender), name=sender)),
    )


def _peer(sender: str) -> ConversationId:
    """The address of a sender: digits as they are, a name without anything that an address may not hold."""
    quoted_name = quote(sender, safe="")
    return ConversationId(_SMS + (quoted_name if len(quoted_name) <= 200 else fingerprint(sender)))


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


def _fingerprint(payload: Mapping[str, object]) -> str:
    fields = ("id", "senderNumber", "recipientNumber", "receiveTime", "content")
    return fingerprint(*(json.dumps(payload.get(field), sort_keys=True) for field in fields))


def _unsupported(item: object, *, name: str, at: datetime) -> Unsupported:
    return Unsupported(key=fingerprint("unsupported", json.dumps(item, sort_keys=True)), at=at, name=name)


def _name_of(payload: Mapping[str, object], *, body: object) -> str:
    """What kind of event it says it is, from the fields that CINNOX's events name themselves by."""
    for key in ("eventDescription", "type", "Type", "status"):
        if (value := payload.get(key)) and isinstance(value, str) and value != "message":
            return _label(value)
    return "unknown"


def _label(value: str) -> str:
    kept = "".join(c if c.isascii() and c.isalnum() else " " for c in value[:NAME_MOST])
    return " ".join(kept.split()).lower() or "unknown"
