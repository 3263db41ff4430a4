"""What Patchbay does with Echo: our decisions. Copy this file for a new provider and change each method in turn.

Nothing here awaits or opens a connection. A method that talks to the provider is a *flow*: it yields requests, is sent
the answers and returns the result; ``bridges.driver`` does the sending.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar, Literal
from urllib.parse import quote

import httpx
from pydantic import ValidationError

from bridges.api import HARMLESS, AccountSettings, BaseUrl, Capabilities, Flow, Hook, HookSecret, Outgoing, Token
from bridges.decoding import arrived_at, unsupported
from bridges.echo import wire
from bridges.errors import Garbled, Inexpressible, Refused
from bridges.model import (
    Conversation,
    ConversationId,
    Deleted,
    Edited,
    Event,
    Message,
    MessageId,
    Person,
    PersonId,
    Reacted,
    Receipt,
    Received,
)
from bridges.responses import clean, parse_json, parsed, quoted, raise_for_status
from bridges.signing import Bearer, check_hmac

_CONVERSATION = re.compile(r"[A-Za-z0-9_-]{1,64}")
ORIGIN = "patchbay"
"""By this every Patchbay knows what a Patchbay wrote: it is relayed no further."""


class EchoSettings(AccountSettings):
    """One Echo account. ``provider``, ``base_url`` and ``hook_secret`` are the same for every provider."""

    provider: Literal["echo"]
    base_url: BaseUrl
    token: Token
    hook_secret: HookSecret
    signing_secret: Token
    """The key Echo signs its webhooks with."""


class EchoBridge:
    """Sends, edits, deletes, reacts and confirms; receives messages, edits, deletions and reactions."""

    name: ClassVar[str] = "echo"
    title: ClassVar[str] = "Echo"
    Settings: ClassVar[type[AccountSettings]] = EchoSettings
    capabilities: Capabilities = Capabilities(
        text_limit=wire.TEXT_MOST,
        replies=True,
        edits=True,
        deletes=True,
        reactions=True,
        idempotent=True,
        receipt_ids=True,
        webhook_proof="signature",
    )

    def __init__(self, settings: AccountSettings) -> None:
        assert isinstance(settings, EchoSettings)
        self._settings = settings
        self._messages = httpx.URL(self._url("/messages"))  # read once: that is a third of making a request
        self._auth = Bearer(settings.token.get_secret_value())

    @property
    def auth(self) -> httpx.Auth:
        """The token as a bearer token; it does not expire."""
        return self._auth

    # Sending

    def check(self, conversation: ConversationId) -> None:
        """See :meth:`bridges.api.Bridge.check`."""
        if not _CONVERSATION.fullmatch(conversation):
            raise Refused("Echo has no such conversation: an id is 1 to 64 letters, digits, - and _; example: lobby")

    def deliver(self, out: Outgoing) -> Flow[Receipt]:
        """See :meth:`bridges.api.Bridge.deliver`. ``out.key`` goes along: Echo keeps one message for a key."""
        self.check(out.conversation)
        text = _text_of(out.message)
        body: dict[str, object] = {
            "key": out.key,
            "conversation": out.conversation,
            "text": text,
            "origin": ORIGIN,
        }
        if out.message.reply_to is not None:
            body["reply_to"] = out.message.reply_to
        response = yield httpx.Request("POST", self._messages, json=body)
        self._judge(response, what="Echo send", texts=(text,))
        sent = parsed(response, wire.Sent, what="Echo send")
        return Receipt(ids=(MessageId(sent.id),))

    def confirm(self, out: Outgoing) -> Flow[Receipt | None]:
        """See :meth:`bridges.api.Confirms.confirm`."""
        url = self._url(f"/messages?key={quote(out.key, safe='')}")
        response = yield httpx.Request("GET", url, extensions=dict(HARMLESS))
        self._judge(response, what="Echo search")
        found = parsed(response, wire.Found, what="Echo search").messages
        return Receipt(ids=tuple(MessageId(sent.id) for sent in found)) if found else None

    def edit(self, conversation: ConversationId, id: MessageId, message: Message) -> Flow[None]:
        """See :meth:`bridges.api.Edits.edit`."""
        text = _text_of(message)
        response = yield httpx.Request("PATCH", self._message(id), json={"text": text})
        self._judge(response, what="Echo edit", texts=(text,))

    def delete(self, conversation: ConversationId, id: MessageId) -> Flow[None]:
        """See :meth:`bridges.api.Edits.delete`. Already gone is success."""
        response = yield httpx.Request("DELETE", self._message(id))
        if response.status_code not in (404, 410):
            self._judge(response, what="Echo delete")

    def react(self, conversation: ConversationId, id: MessageId, emoji: str) -> Flow[None]:
        """See :meth:`bridges.api.Reacts.react`. Echo keeps one reaction of ours on a message: the latest."""
        mark = clean(emoji)
        if len(mark) > wire.EMOJI_MOST:
            raise Inexpressible(f"Echo takes one emoji as a reaction, at most {wire.EMOJI_MOST} characters")
        response = yield httpx.Request("PUT", f"{self._message(id)}/reaction", json={"emoji": mark})
        self._judge(response, what="Echo reaction")

    def probe(self) -> Flow[str]:
        """See :meth:`bridges.api.Bridge.probe`."""
        response = yield httpx.Request("GET", self._url("/me"), extensions=dict(HARMLESS))
        self._judge(response, what="Echo profile")
        me = parsed(response, wire.Me, what="Echo profile")
        return f"Echo knows this token as {quoted(me.name) or 'somebody without a name'}"

    def _url(self, path: str) -> str:
        return self._settings.base_url + path

    def _message(self, id: MessageId) -> str:
        return self._url(f"/messages/{quote(id, safe='')}")

    def _judge(self, response: httpx.Response, *, what: str, texts: Sequence[str] = ()) -> None:
        """Return on 2xx; else raise what the status means, with the provider's own words."""
        if response.is_success:
            return
        try:
            said: object = parsed(response, wire.Failure, what=what).error
        except Garbled:
            said = ""
        secrets = (
            self._settings.token.get_secret_value(),
            self._settings.hook_secret.get_secret_value(),
            self._settings.signing_secret.get_secret_value(),
        )
        raise_for_status(response, what=what, detail=quoted(said, hide=(*secrets, *texts)))

    # Receiving

    def verify(self, hook: Hook) -> None:
        """Raise ``Untrusted`` unless the raw body is signed with our key."""
        key = self._settings.signing_secret.get_secret_value().encode()
        check_hmac(hook.body, hook.header(wire.SIGNATURE), keys=(key,))

    def decode(self, hook: Hook) -> Sequence[Event]:
        """See :meth:`bridges.api.Bridge.decode`. One event in each webhook."""
        body = parse_json(hook.body)
        kind = body.get("type") if isinstance(body, dict) else None
        if not isinstance(kind, str) or kind not in wire.KNOWN:
            return (unsupported(body, name=quoted(kind)[:64] or "unknown", at=arrived_at(hook)),)
        try:
            return (_event_of(wire.HOOK_EVENT.validate_python(body)),)
        except ValidationError as error:
            fields = ", ".join(sorted({".".join(map(str, e["loc"])) for e in error.errors()}))
            raise Garbled(f"Echo webhook: not of the known shape ({fields})") from error


def _text_of(message: Message) -> str:
    """The text as Echo takes it; raises ``Inexpressible`` for anything it does not carry."""
    if message.attachments:
        raise Inexpressible("Echo carries text only, this message has an attachment")
    text = clean(message.text)
    if not text:
        raise Inexpressible("Echo carries text only, this message has none")
    if len(text) > wire.TEXT_MOST:
        raise Inexpressible(f"Echo takes {wire.TEXT_MOST} characters in one message, this has {len(text)}")
    return text


def _event_of(
    event: wire.MessageEvent | wire.EditedEvent | wire.DeletedEvent | wire.ReactionEvent,
) -> Event:
    place = Conversation(id=ConversationId(event.conversation.id), kind="group", title=clean(event.conversation.title))
    id = MessageId(event.message.id)
    match event:
        case wire.MessageEvent(message=said):
            return Received(
                key=event.id,
                at=event.at,
                conversation=place,
                id=id,
                message=_message_of(said),
                ours=said.origin == ORIGIN,
            )
        case wire.EditedEvent(message=said):
            return Edited(key=event.id, at=event.at, conversation=place, id=id, message=_message_of(said))
        case wire.DeletedEvent():
            return Deleted(key=event.id, at=event.at, conversation=place, id=id)
        case wire.ReactionEvent(person=someone, reactions=reactions):
            return Reacted(
                key=event.id,
                at=event.at,
                conversation=place,
                id=id,
                person=_person_of(someone),
                reactions=tuple(clean(reaction) for reaction in reactions),
            )


def _message_of(said: wire.Said) -> Message:
    reply_to = None if said.reply_to is None else MessageId(said.reply_to)
    sender = _person_of(said.sender, is_program=bool(said.origin))
    return Message(text=clean(said.text), sender=sender, reply_to=reply_to)


def _person_of(someone: wire.Someone, *, is_program: bool = False) -> Person:
    kind: Literal["bot", "member"] = "bot" if is_program else "member"
    return Person(id=PersonId(someone.id), name=clean(someone.name) or someone.id, kind=kind)
