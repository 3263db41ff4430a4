"""What Patchbay does with NetSapiens: our decisions. The provider's facts are in ``wire.py``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import ClassVar
from urllib.parse import unquote, urlsplit
from zoneinfo import ZoneInfo

import httpx

from bridges.api import (
    AccountSettings,
    Capabilities,
    Credentials,
    File,
    Flow,
    Hook,
    Listed,
    Operation,
    Origin,
    Outgoing,
    Subscription,
    is_loopback,
)
from bridges.errors import Refused
from bridges.files import FETCHING, NotFetched, file_of
from bridges.model import Attachment, ConversationId, Event, Receipt
from bridges.netsapiens import wire
from bridges.netsapiens.auth import BARE, FixedBearer, PasswordGrant
from bridges.netsapiens.calls import Calls, Forbidden, Missing
from bridges.netsapiens.events import MEDIA_REF, Reader
from bridges.netsapiens.hidden import Hidden
from bridges.netsapiens.numbers import Numbers
from bridges.netsapiens.operations import Operations
from bridges.netsapiens.places import place_of
from bridges.netsapiens.sends import Sends
from bridges.netsapiens.settings import MEDIA_BYTES, TEXT_LIMIT, NetSapiensSettings
from bridges.netsapiens.subscriptions import Subscriptions
from bridges.responses import raise_for_status
from bridges.signing import fingerprint


class NetSapiensBridge:
    """Sends chats, SMS and MMS as an extension; receives them by event subscription.

    It learns: tokens, who owns the number, that the server lacks a call, what it sent last. All of it is bound to one
    server and one login (``_account``), so that another server is never given what this one gave.
    """

    name: ClassVar[str] = "netsapiens"
    title: ClassVar[str] = "NetSapiens"
    Settings: ClassVar[type[AccountSettings]] = NetSapiensSettings
    capabilities: Capabilities = Capabilities(
        text_limit=TEXT_LIMIT,
        text_unit="codepoints",
        attachments="bytes",
        attachment_bytes=MEDIA_BYTES,
        attachments_most=1,
        echoes=True,
        handles=True,
        webhook_proof="path",
    )

    def __init__(self, settings: AccountSettings) -> None:
        assert isinstance(settings, NetSapiensSettings)
        self._settings = settings
        self.capabilities = replace(
            type(self).capabilities,
            text_limit=settings.text_limit,
            attachment_bytes=settings.media_bytes,
            requests_per_minute=settings.requests_per_minute or None,
            begins_sms=bool(settings.from_number),
        )
        zone = ZoneInfo(settings.time_zone)
        login = settings.username if settings.auth == "password" else ""
        self._account = fingerprint(
            settings.base_url, settings.domain, settings.user, settings.auth, settings.client_id, login
        )[:12]
        hidden = Hidden(settings.secrets())
        self._calls = Calls(settings, hidden=hidden)
        self._numbers = Numbers(settings, calls=self._calls)
        self._sends = Sends(settings, calls=self._calls, numbers=self._numbers, zone=zone)
        self._subscriptions = Subscriptions(settings, calls=self._calls, zone=zone)
        self._operations = Operations(
            settings,
            calls=self._calls,
            numbers=self._numbers,
            sends=self._sends,
            subscriptions=self._subscriptions,
        )
        self._reader = Reader(settings, zone)
        self._grant = PasswordGrant(settings, hidden=hidden) if settings.auth == "password" else None
        key = settings.api_key if settings.auth == "api_key" else settings.token
        self._key = None if self._grant or key is None else FixedBearer(key.get_secret_value())
        self._learnt: Mapping[str, str] = {}

    @property
    def auth(self) -> httpx.Auth | Credentials | None:
        """The API key or JWT as it is, or tokens by the password grant, which expire."""
        return self._grant or self._key

    # Sending

    def check(self, conversation: ConversationId) -> None:
        """See :meth:`bridges.api.Bridge.check`."""
        place_of(conversation)

    def deliver(self, out: Outgoing) -> Flow[Receipt]:
        """See :meth:`bridges.api.Bridge.deliver`. The receipt has no ids: the server gives none, only its 202."""
        return self._sends.deliver(out)

    def confirm(self, out: Outgoing) -> Flow[Receipt | None]:
        """Look into the session; see :meth:`bridges.api.Confirms.confirm` and ``ledger.py`` for what is sure."""
        return self._sends.confirm(out)

    def conversations(self) -> Flow[Sequence[Listed]]:
        """See :meth:`bridges.api.Lists.conversations`."""
        return self._operations.conversations()

    def operations(self) -> Sequence[Operation]:
        """See :meth:`bridges.api.Operates.operations`."""
        return self._operations.all()

    # Receiving

    def verify(self, hook: Hook) -> None:
        """Accept: NetSapiens signs nothing, so the secret in the path is the proof and was checked before."""

    def decode(self, hook: Hook) -> Sequence[Event]:
        """See :meth:`bridges.api.Bridge.decode`."""
        return self._reader.decode(hook)

    @property
    def file_origins(self) -> frozenset[Origin]:
        """See :class:`bridges.api.KeepsFiles`."""
        return frozenset(
            (scheme, host, None if port == usual else port)
            for host, port in self._settings.media_places()
            for scheme, usual in wire.PORTS.items()
            if scheme == "https" or is_loopback(host)
        )

    def fetch(self, attachment: Attachment) -> Flow[File]:
        """A message's file. The link carries its own proof: our credentials do not go with it.

        Raises ``Refused`` unless it leads to the server itself or to one of ``media_hosts``, by https.
        """
        url = attachment.ref
        if url.startswith(MEDIA_REF):
            url = yield from self._link_of(url.removeprefix(MEDIA_REF))
        what = "NetSapiens file"
        try:
            parts = urlsplit(url)
            host, scheme = (parts.hostname or "").lower(), parts.scheme
            place = (host, parts.port or wire.PORTS.get(scheme))
            request = httpx.Request("GET", url, extensions={**FETCHING, **BARE})
        except (ValueError, httpx.InvalidURL) as error:
            raise NotFetched(f"{what}: its link is not a valid URL", reason="its link is not valid") from error
        if scheme != "https" and not (scheme == "http" and is_loopback(host)):
            raise NotFetched(f"{what}: its link is not https", reason="not fetched, its link is not https")
        if place not in self._settings.media_places():
            raise NotFetched(
                f"{what}: its link leads to another host or port than base_url; if that is the provider's, "
                "put it into media_hosts, as HOST or HOST:PORT",
                reason="not fetched, it lies on another server",
            )
        response = yield request
        if response.status_code == 401:
            raise NotFetched(f"{what}: its link is no longer good (HTTP 401)", reason="its link is no longer good")
        raise_for_status(response, what=what)
        return file_of(response)

    def _link_of(self, ref: str) -> Flow[str]:
        """The link of a file that an event named without one: it stands in the stored message."""
        session, _, id = (unquote(part) for part in ref.partition("/"))
        if wire.session_of(session):
            kept = yield from self._sends.read_session(session)
            url = self._calls.session(kept.user, session, "messages")
            rows = yield from self._calls.rows(url, what="NetSapiens messages of a session", most=wire.PAGE)
            for row in rows:
                link = row.get("file-access-url")
                if isinstance(link, str) and link.strip() and (not id or wire.id_of(row.get("id")) == id):
                    return link.strip()
        raise Refused("NetSapiens file: the server gave no link to it")

    # Subscriptions

    def attempts(self) -> Sequence[Mapping[str, str]]:
        """One: there is nothing to choose."""
        return ({},)

    def attempt(self, url: str, *, memory: Mapping[str, str], now: datetime) -> Flow[Subscription]:
        """See :meth:`bridges.api.Subscribes.attempt`."""
        return self._subscriptions.make(url, now=now)

    def subscribe(self, url: str, *, now: datetime) -> Flow[Subscription]:
        """See :meth:`bridges.api.Subscribes.subscribe`."""
        return self._subscriptions.make(url, now=now)

    def unsubscribe(self, url: str) -> Flow[Subscription]:
        """See :meth:`bridges.api.Subscribes.unsubscribe`."""
        return self._subscriptions.end(url)

    def subscribed(self, url: str) -> Flow[Subscription | None]:
        """See :meth:`bridges.api.Inspects.subscribed`."""
        return self._subscriptions.state(url)

    # What it learns

    def recall(self, memory: Mapping[str, str]) -> None:
        """See :meth:`bridges.api.Remembers.recall`; what another server or login gave is left aside."""
        if memory.get("account") != self._account:
            return
        if self._grant is not None:
            self._grant.recall(memory)
        if memory.get("start_session") == "missing":
            self._sends.starts_sessions = False
        self._numbers.recall(memory.get("number", ""))
        self._sends.ledger.recall(memory.get("sent", ""))

    def learnt(self) -> Mapping[str, str]:
        """See :meth:`bridges.api.Remembers.learnt`."""
        known = self._grant.to_memory() if self._grant is not None else {}
        if not self._sends.starts_sessions:
            known["start_session"] = "missing"
        if number := self._numbers.to_memory():
            known["number"] = number
        if latest := self._sends.ledger.to_memory():
            known["sent"] = latest
        if known:
            known["account"] = self._account
        if known != self._learnt:
            self._learnt = known
        return self._learnt

    # Probing

    def probe(self) -> Flow[str]:
        """See :meth:`bridges.api.Bridge.probe`: the key, the extension and the number, each read once."""
        user, domain = self._settings.user, self._settings.domain
        scope = ""
        if self._settings.auth == "api_key":
            scope = yield from self._probe_key()
        try:
            url = self._calls.user(user, "messagesessions")
            yield from self._calls.rows(url, what="NetSapiens sessions", most=1)
        except (Missing, Forbidden) as error:
            yield from self._blame(error)
        how = {"api_key": "the API key", "password": f"the login {self._settings.username}", "jwt": "the token"}
        line = f"NetSapiens accepts {how[self._settings.auth]}{scope} for extension {user} of {domain}"
        if not self._settings.from_number:
            return f"{line}; chats only, for from_number is empty"
        number = yield from self._numbers.look_up()
        self._numbers.keep(number)
        sender = self._numbers.sender_of(number) if self._settings.send_as == "owner" else user
        without = ", without MMS" if number.mms is False else ""
        return f"{line}; SMS from {number.number} as extension {sender}{without}"

    def _probe_key(self) -> Flow[str]:
        """What kind of key it is, in brackets; nothing where the server does not say (older ones)."""
        try:
            body = yield from self._calls.get(self._calls.url("apikeys", "~"), what="NetSapiens API key")
        except (Missing, Forbidden):
            return ""
        for row in wire.rows_of(body if isinstance(body, dict | list) else []):
            if wire.flag_of(row.get("readonly")):
                raise Refused(
                    "NetSapiens API key: it is read-only (readonly is yes), so nothing can be sent with it; "
                    "make a key with readonly = no"
                )
            scope = wire.name_of(row.get("user-scope"))
            return f" ({scope[:40]})" if scope else ""
        return ""

    def _blame(self, error: Refused) -> Flow[None]:
        """Say whether it is the domain or the extension that the server does not have, or does not show."""
        user, domain = self._settings.user, self._settings.domain
        try:
            yield from self._calls.rows(self._calls.domain("smsnumbers"), what="NetSapiens domain", most=1)
        except (Missing, Forbidden) as other:
            raise Refused(
                f"{other}; the server does not know the domain {domain}, or these credentials may not use it: "
                "check domain, and the domain of the key or login"
            ) from other
        raise Refused(
            f"{error}; the domain {domain} has no extension {user}, or these credentials may not act for it: check user"
        ) from error
