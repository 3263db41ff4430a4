"""A strict stand-in for a NetSapiens server on loopback: API v2 as documented, event subscriptions included.

Strict where the documentation speaks. What it leaves open is decided so: ``startSession`` goes into the session that
the same people already have; an unknown session is begun by a send, if its id is of the documented form. Sources:
the OpenAPI documents at https://docs.ns-api.com/reference, https://docs.ns-api.com/docs/event-subscriptions-1 and
https://dev.onecloud.com/docs/oauth-access-tokens (2026-11).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import itertools
import re
import secrets
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bridges.netsapiens import sandbox_store as store
from bridges.netsapiens.sandbox_store import Numbers, Session, SmsNumber, Stored, Style
from bridges.sandboxes import CALLS_MOST, Call, Clock, Feed, Listener, Malformed, json_object, only, utc_now

API = "/ns-api/v2"
CALLBACK_TIMEOUT_S = 5.0
BODY_MOST = 16 << 20
FILES_MOST = 32
MESSAGES_MOST = 20_000
SHOWN_MOST = 50
PAGE_MOST = 1000
KEY_YEARS = 20
NO_ROUTE = "No Route Found [92]"

MODELS = (
    "agent",
    "auditlog",
    "auditlog_lite",
    "call",
    "call_origid",
    "cdr",
    "message",
    "messagesession",
    "subscriber",
    "presence",
    "voicemail",
)
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_OWN_SESSION = re.compile(r"[A-Za-z0-9_]{32,}")
_PHONE = re.compile(r"[0-9]{3,20}")
_SUBSCRIPTION_FIELDS: Mapping[str, type] = {
    "model": str,
    "post-url": str,
    "subscription-geo-support": str,
    "reseller": str,
    "domain": str,
    "user": str,
    "subscription-expires-datetime": str,
    "preferred-server": str,
    "user-scope": str,
}


@dataclass(frozen=True, slots=True)
class Accepted:
    """A send as the server took it: its own log, the truth of what was sent."""

    number: int
    session: str
    type: str
    user: str
    destinations: tuple[str, ...]
    from_number: str
    text: str
    media_type: str
    media_size: int
    at: datetime


@dataclass(slots=True)
class ApiKey:
    """A key as ``/apikeys/~`` describes it."""

    key: str
    readonly: bool = False
    scope: str = "Office Manager"


class _Refusal(Exception):
    def __init__(self, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class _Done:
    """An answer, and what happens after it is given."""

    body: object
    status: int = 200
    then: BackgroundTask | None = None


@dataclass(frozen=True, slots=True)
class _Caller:
    user: str
    expires_at: datetime | None
    """None: an API key."""


class NetSapiensSandbox:
    """One server with one domain. ``app`` is the ASGI application."""

    def __init__(
        self,
        *,
        domain: str = "acme.example",
        extensions: Iterable[str] = ("4100", "4101", "4102", "4103"),
        numbers: Iterable[SmsNumber] | None = None,
        api_key: str = "nss_sandbox_netsapiens_key",
        version: Literal["v45", "v44"] = "v45",
        legacy_tokens: bool = False,
        token_lifetime_s: int = 3600,
        style: Style = "v2",
        numbers_as: Numbers = "strings",
        plus_numbers: bool = False,
        client: httpx.AsyncClient | None = None,
        clock: Clock = utc_now,
    ) -> None:
        self.domain = domain
        self.extensions = list(extensions)
        self.numbers = list(numbers) if numbers is not None else [SmsNumber("15550100999", "4100")]
        self.version = version
        self.legacy_tokens = legacy_tokens
        """The server hands out tokens at the legacy endpoint only."""
        self.token_lifetime_s = token_lifetime_s
        self.style: Style = style
        self.numbers_as: Numbers = numbers_as
        self.plus_numbers = plus_numbers
        """Numbers in sends are wanted with ``+``."""
        self.keys = {api_key: ApiKey(api_key)}
        self.api_key = api_key
        self.logins = {f"4100@{domain}": "sandbox-password", f"4101@{domain}": "sandbox-password"}
        self.mfa_logins = {f"4101@{domain}"}
        """Logins that have to enter a second factor."""
        self.client_id, self.client_secret = "sandbox-client", "sandbox-client-secret"
        self.token_grants: deque[str] = deque(maxlen=CALLS_MOST)
        """Each token handed out, by its grant."""
        self.accepted: list[Accepted] = []
        """Sends in the order in which they were accepted."""
        self.calls: deque[Call] = deque(maxlen=CALLS_MOST)
        self.sessions: dict[str, Session] = {}
        self.subscriptions: dict[str, dict[str, Any]] = {}
        self._messages: deque[Stored] = deque(maxlen=MESSAGES_MOST)
        self._files: OrderedDict[str, tuple[str, bytes]] = OrderedDict()
        self._tokens: dict[str, tuple[str, datetime]] = {}
        self._refresh: dict[str, str] = {}
        self._link_key = secrets.token_bytes(16)
        self._origin = "http://127.0.0.1"
        self._next = itertools.count(1)
        self._client = client
        self._own_client: httpx.AsyncClient | None = None
        self._clock = clock
        self._feed = Feed()
        user = f"{API}/domains/{{domain}}/users/{{user}}"
        session = f"{user}/messagesessions/{{session}}"
        self.app = Starlette(
            routes=[
                Route(f"{API}/tokens", self._call(self._v2_tokens, open=True), methods=["POST"]),
                Route("/ns-api/oauth2/token/", self._call(self._old_tokens, open=True), methods=["POST"]),
                Route("/ns-api/", self._media, methods=["GET"]),
                Route(f"{API}/version", self._call(self._version, open=True), methods=["GET"]),
                Route(f"{API}/apikeys/~", self._call(self._api_key), methods=["GET"]),
                Route(f"{API}/smsnumbers", self._call(self._list_numbers), methods=["GET"]),
                Route(f"{API}/domains/{{domain}}/smsnumbers", self._call(self._list_numbers), methods=["GET"]),
                Route(f"{user}/smsnumbers", self._call(self._list_numbers), methods=["GET"]),
                Route(f"{user}/smsnumbers/count", self._call(self._count_numbers), methods=["GET"]),
                Route(f"{API}/domains/{{domain}}/messagesessions", self._call(self._list_sessions), methods=["GET"]),
                Route(f"{user}/messagesessions", self._call(self._list_sessions), methods=["GET"]),
                Route(f"{user}/messages", self._call(self._start_session), methods=["POST"]),
                Route(session, self._call(self._read_session), methods=["GET"]),
                Route(session, self._call(self._change_session), methods=["PUT"]),
                Route(session, self._call(self._delete_session), methods=["DELETE"]),
                Route(f"{session}/leave", self._call(self._leave_session), methods=["PUT"]),
                Route(f"{session}/messages", self._call(self._list_messages), methods=["GET"]),
                Route(f"{session}/messages", self._call(self._send), methods=["POST"]),
                Route(f"{API}/subscriptions", self._call(self._list_subscriptions), methods=["GET"]),
                Route(f"{API}/subscriptions", self._call(self._subscribe), methods=["POST"]),
                Route(f"{API}/subscriptions/{{id}}", self._call(self._read_subscription), methods=["GET"]),
                Route(f"{API}/subscriptions/{{id}}", self._call(self._change_subscription), methods=["PUT"]),
                Route(f"{API}/subscriptions/{{id}}", self._call(self._end_subscription), methods=["DELETE"]),
                Route("/{rest:path}", self._no_route, methods=_METHODS),
            ]
        )

    # What a page and tests use

    def subscribe_listener(self, listener: Listener) -> Callable[[], None]:
        """Call ``listener`` on every change from now on; returns what ends it."""
        return self._feed.listen(listener)

    def state(self) -> dict[str, object]:
        """All there is to see, for a person: sessions with their latest messages, numbers, subscriptions."""
        sessions = [
            {
                "id": session.id,
                "kind": "sms" if session.sms_number else "chat",
                "members": session.members,
                "phones": session.phones,
                "sms_number": session.sms_number,
                "name": session.name,
                "messages": [_shown(message) for message in self._of_session(session.id)[-SHOWN_MOST:]],
            }
            for session in self.sessions.values()
        ]
        return {
            "provider": "netsapiens",
            "version": self.version,
            "domain": self.domain,
            "extensions": self.extensions,
            "numbers": [asdict(number) for number in self.numbers],
            "accepted": len(self.accepted),
            "sessions": sessions,
            # The end of a post-url is a secret.
            "subscriptions": [
                {
                    "model": kept["model"],
                    "to": urlsplit(kept["post-url"]).netloc,
                    "user": kept["user"],
                    "status": kept["status"],
                    "expires": kept["subscription-expires-datetime"],
                }
                for kept in self._live_subscriptions()
            ],
        }

    def snapshot(self) -> dict[str, Any]:
        """Everything it keeps, ready for JSON; :meth:`restore` takes it back. Logins have to be made anew."""
        self._next = itertools.count(next_number := next(self._next))
        return {
            "extensions": list(self.extensions),
            "numbers": [asdict(number) for number in self.numbers],
            "sessions": [asdict(session) for session in self.sessions.values()],
            "messages": [asdict(message) for message in self._messages],
            "accepted": [{**asdict(each), "at": each.at.isoformat()} for each in self.accepted],
            "files": {id: [kind, base64.b64encode(data).decode()] for id, (kind, data) in self._files.items()},
            "subscriptions": [dict(kept) for kept in self.subscriptions.values()],
            "link_key": self._link_key.hex(),
            "next": next_number,
        }

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Go on from a snapshot: no message gets the id of an earlier one."""
        lists = ("dialed", "to_users", "participants")
        self.extensions = list(snapshot["extensions"])
        self.numbers = [SmsNumber(**kept) for kept in snapshot["numbers"]]
        self.sessions = {kept["id"]: Session(**kept) for kept in snapshot["sessions"]}
        self._messages = deque(
            (Stored(**{**kept, **{name: tuple(kept[name]) for name in lists}}) for kept in snapshot["messages"]),
            maxlen=MESSAGES_MOST,
        )
        self.accepted[:] = [
            Accepted(
                **{
                    **kept,
                    "at": datetime.fromisoformat(kept["at"]),
                    "destinations": tuple(kept["destinations"]),
                }
            )
            for kept in snapshot["accepted"]
        ]
        self._files = OrderedDict(
            (id, (kind, base64.b64decode(data))) for id, (kind, data) in snapshot["files"].items()
        )
        self.subscriptions = {kept["id"]: dict(kept) for kept in snapshot["subscriptions"]}
        self._link_key = bytes.fromhex(snapshot["link_key"])
        self._next = itertools.count(snapshot["next"])

    def subscribe(self, hook_url: str, *, model: str = "message", user: str = "*") -> str:
        """Make a subscription as an administrator would; the same again is the one that is there. Returns its id."""
        post_url = f"{hook_url}/{model}"
        for kept in self._live_subscriptions():
            if (kept["model"], kept["post-url"], kept["user"]) == (model, post_url, user):
                return str(kept["id"])
        ends_at = store.written(self._clock() + timedelta(days=365 * KEY_YEARS))
        return str(self._new_subscription({"model": model, "post-url": post_url, "user": user}, ends_at=ends_at)["id"])

    def revoke_tokens(self) -> None:
        """Every access token handed out so far ends now; refresh tokens stay."""
        self._tokens.clear()

    async def text(
        self,
        number: str,
        to: str,
        text: str,
        *,
        others: Sequence[str] = (),
        media: bytes = b"",
        media_type: str = "image/png",
    ) -> int:
        """A phone sends an SMS (MMS with ``media``) to a number of the domain, and to ``others`` with it.

        Posts the events and returns the status of the last post. Raises ``LookupError`` if the domain has no such
        number or nobody has subscribed; 0 means that no listener was reached.
        """
        ours = next((each for each in self.numbers if each.number == to), None)
        if ours is None:
            raise LookupError(f"the domain has no number {to}; it has {', '.join(n.number for n in self.numbers)}")
        self._check_subscribed()
        owner = ours.dest if ours.dest in self.extensions else self.extensions[0]
        phones = list(dict.fromkeys((number, *others)))
        session = self._sms_session(owner, sms_number=to, phones=phones) or self._new_session(
            members=[owner], phones=phones, sms_number=to
        )
        message = self._store(
            session,
            type="mms" if media else "sms",
            direction="orig",
            text=text,
            from_number=number,
            dialed=(to, *others) if others else (to,),
            to_users=(owner,),
            media=media,
            media_type=media_type if media else "",
        )
        return await self._tell(session, message, users=(owner,))

    async def chat(
        self,
        extension: str,
        to: str,
        text: str,
        *,
        others: Sequence[str] = (),
        media: bytes = b"",
        media_type: str = "image/png",
    ) -> int:
        """An extension writes to another one, and to ``others`` with it; see :meth:`text` for the rest."""
        members = list(dict.fromkeys((extension, to, *others)))
        missing = [member for member in members if member not in self.extensions]
        if missing:
            raise LookupError(f"the domain has no extension {missing[0]}; it has {', '.join(self.extensions)}")
        self._check_subscribed()
        session = self._chat_session(members) or self._new_session(members=members)
        message = self._store(
            session,
            type="chat-media" if media else "chat",
            direction="",
            text=text,
            from_user=extension,
            to_users=tuple(member for member in members if member != extension),
            media=media,
            media_type=media_type if media else "",
        )
        return await self._tell(session, message, users=members)

    def _check_subscribed(self) -> None:
        if not self._live_subscriptions():
            raise LookupError("nobody has subscribed to messages; run: patchbay subscribe ACCOUNT")

    async def read(self, session_id: str, *, user: str) -> int:
        """A member reads a session: an event of the model ``messagesession`` only. Returns as :meth:`text` does."""
        session = self.sessions[session_id]
        session.unread = [member for member in session.unread if member != user]
        return await self._tell_session(session, users=(user,))

    async def emit(self, model: str, events: object) -> int:
        """Post this body as it is to whoever subscribed to the model; returns as :meth:`text` does."""
        return await self._post(model, events, users=())

    # The same for every sandbox (bridges.sandboxes.Sandbox)

    def settings(self, base_url: str, *, hook_secret: str) -> dict[str, object]:
        """See :class:`bridges.sandboxes.Sandbox`."""
        self._origin = base_url
        return {
            "provider": "netsapiens",
            "base_url": base_url,
            "domain": self.domain,
            "user": self.extensions[0],
            "from_number": self.numbers[0].number if self.numbers else "",
            "auth": "api_key",
            "api_key": self.api_key,
            "hook_secret": hook_secret,
        }

    def password_settings(self, base_url: str, *, hook_secret: str) -> dict[str, object]:
        """As :meth:`settings`, for the OAuth password grant."""
        settings = self.settings(base_url, hook_secret=hook_secret)
        del settings["api_key"]
        username, password = next(iter(self.logins.items()))
        return settings | {
            "auth": "password",
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "username": username,
            "password": password,
        }

    def conversation(self) -> str:
        """See :class:`bridges.sandboxes.Sandbox`."""
        return f"chat/{self.extensions[1]}"

    async def greet(self, hook_url: str, *, text: str) -> int:
        """See :class:`bridges.sandboxes.Sandbox`: a phone writes, and ``hook_url`` is subscribed to that."""
        self.subscribe(hook_url)
        return await self.text("15550100123", self.numbers[0].number, text)

    async def close(self) -> None:
        """Close the connections that it opened itself."""
        if self._own_client is not None:
            await self._own_client.aclose()
            self._own_client = None

    def _connections(self) -> httpx.AsyncClient:
        if self._client is not None:
            return self._client
        if self._own_client is None:
            self._own_client = httpx.AsyncClient(timeout=CALLBACK_TIMEOUT_S, trust_env=False)
        return self._own_client

    # Requests

    def _call(self, handle: Any, *, open: bool = False) -> Any:
        async def endpoint(request: Request) -> Response:
            then: BackgroundTask | None = None
            try:
                if int(request.headers.get("content-length") or 0) > BODY_MOST:
                    raise _Refusal("the body is too large", status=413)
                if not open:
                    self._check_caller(request)
                done: _Done = await handle(request)
                status, body, then = done.status, done.body, done.then
            except Malformed as error:
                status, body = 400, {"code": 400, "message": str(error)}
            except _Refusal as error:
                status, body = error.status, {"code": error.status, "message": str(error)}
            self.calls.append(Call(request.method, request.url.path, status))
            return JSONResponse(body, status_code=status, background=then)

        return endpoint

    async def _no_route(self, request: Request) -> Response:
        self.calls.append(Call(request.method, request.url.path, 404, "no route"))
        return JSONResponse({"code": 404, "message": NO_ROUTE}, status_code=404)

    def _check_caller(self, request: Request) -> None:
        caller = self._caller(request)
        if request.method != "GET" and (key := self.keys.get(_bearer(request))) and key.readonly:
            raise _Refusal("this API key is read only", status=403)
        domain = request.path_params.get("domain")
        if domain is not None and domain != self.domain and not (domain == "~" and request.method == "GET"):
            raise _Refusal(f"domain {domain[:64]} not found", status=404)
        user = request.path_params.get("user")
        if user is not None and user not in self.extensions and not (user == "~" and request.method == "GET"):
            raise _Refusal(f"user {user[:16]} not found", status=404)
        request.state.user = caller.user if user == "~" else user
        request.state.caller = caller

    def _caller(self, request: Request) -> _Caller:
        token = _bearer(request)
        if token in self.keys:
            return _Caller(self.extensions[0], None)
        login, expires_at = self._tokens.get(token, ("", None))
        if expires_at is None:
            raise _Refusal("the access token is not valid", status=401)
        if self._clock() >= expires_at:
            raise _Refusal("the access token provided has expired", status=401)
        return _Caller(login.partition("@")[0], expires_at)

    def _only_v45(self) -> None:
        if self.version == "v44":
            raise _Refusal(NO_ROUTE, status=404)

    # Tokens

    async def _v2_tokens(self, request: Request) -> _Done:
        if self.legacy_tokens:
            raise _Refusal(NO_ROUTE, status=404)
        return self._grant(await json_object(request))

    async def _old_tokens(self, request: Request) -> _Done:
        fields = dict(request.query_params)
        kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
        if kind == "application/x-www-form-urlencoded":
            fields |= dict(parse_qsl((await request.body()).decode("latin-1"), keep_blank_values=True))
        elif kind:
            raise Malformed("Content-Type must be application/x-www-form-urlencoded")
        if fields.pop("format", "") != "json":
            raise Malformed("format must be json")
        done = self._grant(fields)
        expires = int(self._clock().timestamp()) + self.token_lifetime_s
        assert isinstance(done.body, dict)
        return _Done({**done.body, "expires": expires, "rate_limit": "0"})

    def _grant(self, fields: dict[str, Any]) -> _Done:
        grant = fields.get("grant_type")
        named: Mapping[Any, tuple[str, ...]] = {
            "password": ("username", "password"),
            "refresh_token": ("refresh_token",),
        }
        if grant not in named:
            raise Malformed("grant_type must be password or refresh_token")
        required = ("grant_type", "client_id", "client_secret", *named[grant])
        only(fields, required=dict.fromkeys(required, str), optional={})
        if (fields["client_id"], fields["client_secret"]) != (self.client_id, self.client_secret):
            raise _Refusal("the client credentials are invalid", status=401)
        if grant == "password":
            login = fields["username"]
            if self.logins.get(login) != fields["password"]:
                raise _Refusal("invalid username and password combination", status=401)
        else:
            login = self._refresh.pop(fields["refresh_token"], "")
            if not login:
                raise _Refusal("invalid refresh token", status=400)
        user = login.partition("@")[0]
        body = {
            "username": login,
            "user": user,
            "territory": "sample",
            "domain": self.domain,
            "uid": login,
            "scope": "mfa_required" if login in self.mfa_logins else "Office Manager",
            "access_token": secrets.token_hex(16),
            "expires_in": self.token_lifetime_s,
            "token_type": "Bearer",
            "client_id": self.client_id,
            "apiversion": f"Version: {self.version}",
        }
        if login not in self.mfa_logins:
            expires_at = self._clock() + timedelta(seconds=self.token_lifetime_s)
            self._tokens[str(body["access_token"])] = (login, expires_at)
            body["refresh_token"] = secrets.token_hex(16)
            self._refresh[str(body["refresh_token"])] = login
            self.token_grants.append(str(grant))
        return _Done(body)

    async def _version(self, request: Request) -> _Done:
        now = store.written(self._clock())
        return _Done({"apiversion": self.version, "hostname": "core1.pbx.example", "current-time": now})

    async def _api_key(self, request: Request) -> _Done:
        key = self.keys.get(_bearer(request))
        if key is None:
            raise _Refusal("no API key is in use", status=404)
        return _Done(
            {
                "key-id": key.key[:8],
                "description": "sandbox key",
                "domain": self.domain,
                "user": "*",
                "user-scope": key.scope,
                "readonly": "yes" if key.readonly else "no",
                "can-create-keys": "no",
            }
        )

    # Numbers

    def _numbers_of(self, request: Request) -> list[SmsNumber]:
        user = request.state.user
        return [number for number in self.numbers if user is None or number.dest == user]

    async def _list_numbers(self, request: Request) -> _Done:
        return _Done(_paged(request, [number.row(self.domain) for number in self._numbers_of(request)]))

    async def _count_numbers(self, request: Request) -> _Done:
        return _Done({"total": len(self._numbers_of(request))})

    # Sessions

    async def _list_sessions(self, request: Request) -> _Done:
        user = request.state.user
        if user is None:
            self._only_v45()
        sessions = sorted(self.sessions.values(), key=lambda session: session.last_at, reverse=True)
        rows = [
            store.session_row(session, user=member, domain=self.domain)
            for session in sessions
            for member in session.members
            if user in (None, member)
        ]
        return _Done(_paged(request, rows))

    def _session_of(self, request: Request) -> Session:
        session = self.sessions.get(request.path_params["session"])
        if session is None or request.state.user not in session.members:
            raise _Refusal("messagesession not found", status=404)
        return session

    async def _read_session(self, request: Request) -> _Done:
        session = self._session_of(request)
        return _Done([store.session_row(session, user=request.state.user, domain=self.domain)])

    async def _change_session(self, request: Request) -> _Done:
        session = self._session_of(request)
        body = await json_object(request)
        only(body, required={}, optional={"participants": str, "session-name": str})
        if len(body) != 1:
            raise Malformed("either participants or session-name is required")
        if session.sms_number and len(session.phones) > 1:
            raise _Refusal("not possible for group MMS")
        if "session-name" in body:
            if not body["session-name"]:
                raise Malformed("session-name must not be empty")
            session.name = body["session-name"]
        else:
            members = body["participants"].split(",")
            if request.state.user not in members or len(members) < 2 or len(set(members)) < len(members):
                raise Malformed("participants must be the final list, the user included, each once")
            self._check_extensions(members)
            session.members = members
        self._feed.tell("session", id=session.id, name=session.name, members=session.members)
        return _accepted()

    async def _leave_session(self, request: Request) -> _Done:
        session = self._session_of(request)
        if await request.body():
            raise Malformed("leave takes no body")
        session.members = [member for member in session.members if member != request.state.user]
        if not session.members:
            del self.sessions[session.id]
        self._feed.tell("session", id=session.id, name=session.name, members=session.members)
        return _accepted()

    async def _delete_session(self, request: Request) -> _Done:
        session = self._session_of(request)
        del self.sessions[session.id]
        self._messages = deque((m for m in self._messages if m.session != session.id), maxlen=MESSAGES_MOST)
        self._feed.tell("session_deleted", id=session.id)
        return _accepted()

    async def _list_messages(self, request: Request) -> _Done:
        session = self._session_of(request)
        rows = [
            store.message_row(message, domain=self.domain, link=self._link(message, request.state.user))
            for message in reversed(self._of_session(session.id))
        ]
        return _Done(_paged(request, rows))

    def _of_session(self, id: str) -> list[Stored]:
        return [message for message in self._messages if message.session == id]

    def _new_session(
        self, *, members: list[str], id: str = "", phones: Sequence[str] = (), sms_number: str = ""
    ) -> Session:
        id = id or hashlib.sha256(f"{self.domain} {next(self._next)}".encode()).hexdigest()[:32]
        session = Session(id, list(members), list(phones), sms_number, started_at=store.written(self._clock()))
        self.sessions[id] = session
        return session

    def _sms_session(self, owner: str, *, sms_number: str, phones: Sequence[str]) -> Session | None:
        return next(
            (
                session
                for session in self.sessions.values()
                if session.sms_number == sms_number and set(session.phones) == set(phones) and owner in session.members
            ),
            None,
        )

    def _chat_session(self, members: Sequence[str]) -> Session | None:
        return next(
            (s for s in self.sessions.values() if not s.sms_number and set(s.members) == set(members)),
            None,
        )

    # Sends

    async def _start_session(self, request: Request) -> _Done:
        self._only_v45()
        return await self._take(request, session_id="")

    async def _send(self, request: Request) -> _Done:
        return await self._take(request, session_id=request.path_params["session"])

    async def _take(self, request: Request, *, session_id: str) -> _Done:
        user = request.state.user
        body = await json_object(request)
        kind = self._check_send(body)
        destinations = body["destination"] if isinstance(body["destination"], list) else [body["destination"]]
        sms = kind in ("sms", "mms")
        data = self._decoded(body) if kind in ("mms", "chat-media") else b""
        if sms:
            destinations = [self._phone(each, field="destination") for each in destinations]
        else:
            self._check_extensions(destinations)
        from_number = self._own_number(body, user=user, group=len(destinations) > 1) if sms else ""
        session = self._session_for(session_id, user=user, destinations=destinations, from_number=from_number)
        message = self._store(
            session,
            type=kind,
            direction="term" if sms else "",
            text=body["message"],
            from_number=from_number,
            from_user=user,
            dialed=tuple(destinations) if sms else (),
            to_users=() if sms else tuple(destinations),
            media=data,
            media_type=body.get("mime-type") or "",
        )
        accepted = Accepted(
            number=len(self.accepted) + 1,
            session=session.id,
            type=kind,
            user=user,
            destinations=tuple(destinations),
            from_number=from_number,
            text=message.text,
            media_type=message.media_type,
            media_size=message.media_size,
            at=self._clock(),
        )
        self.accepted.append(accepted)
        self._feed.tell("message", session=session.id, **_shown(message))
        users = (user, *(() if sms else destinations))
        then = BackgroundTask(self._tell, session, message, users=users) if self.subscriptions else None
        # The documents give startSession the status 200 and a body that says 202.
        return _Done({"code": 202, "message": "Accepted"}, 202 if session_id else 200, then)

    def _check_send(self, body: dict[str, Any]) -> str:
        known = {"type", "message", "destination", "from-number", "data", "mime-type", "size"}
        if unknown := sorted(set(body) - known):
            raise Malformed(f"unknown field {unknown[0][:40]!r}")
        for name in ("type", "message"):
            if not isinstance(body.get(name), str) or not body[name]:
                raise Malformed(f"{name} must be a string that is not empty")
        kind: str = body["type"]
        if kind not in ("chat", "chat-media", "sms", "mms"):
            raise Malformed("type must be chat, chat-media, sms or mms")
        destination = body.get("destination")
        several = destination if isinstance(destination, list) else [destination]
        if not several or not all(isinstance(each, str) and each for each in several):
            raise Malformed("destination must be a string or an array of strings")
        if len(set(several)) < len(several):
            raise Malformed("destination names somebody twice")
        if kind in ("sms", "mms") and not isinstance(body.get("from-number"), str):
            raise Malformed("from-number is required for SMS and MMS")
        if kind in ("chat", "chat-media") and body.get("from-number") is not None:
            raise Malformed("from-number is for SMS and MMS")
        if kind in ("chat", "sms") and any(body.get(name) is not None for name in ("data", "mime-type", "size")):
            raise Malformed("data, mime-type and size are for chat-media and MMS")
        return kind

    def _decoded(self, body: Mapping[str, Any]) -> bytes:
        data, media_type, size = body.get("data"), body.get("mime-type"), body.get("size")
        if not isinstance(data, str) or not data:
            raise Malformed("data must be the file in base64")
        if not isinstance(media_type, str) or not re.fullmatch(r"[a-z0-9.+-]+/[a-z0-9.+-]+", media_type):
            raise Malformed("mime-type must be a media type")
        try:
            decoded = base64.b64decode(data, validate=True)
        except binascii.Error as error:
            raise Malformed("data is not base64") from error
        if type(size) is not int or size != len(decoded):
            raise Malformed("size must be the number of bytes of the decoded data")
        return decoded

    def _phone(self, value: str, *, field: str) -> str:
        if value.startswith("+") != self.plus_numbers:
            raise _Refusal(f"invalid {field}")
        digits = value.removeprefix("+")
        if not _PHONE.fullmatch(digits):
            raise _Refusal(f"invalid {field}")
        return digits

    def _own_number(self, body: Mapping[str, Any], *, user: str, group: bool) -> str:
        wanted = self._phone(body["from-number"], field="from-number")
        number = next((each for each in self.numbers if each.number == wanted), None)
        if number is None or (number.application == "user" and number.dest != user):
            raise _Refusal("invalid from-number")
        if body["type"] == "mms" and not number.mms:
            raise _Refusal("from-number is not MMS capable")
        if body["type"] == "mms" and group and not number.group_mms:
            raise _Refusal("from-number is not group MMS capable")
        return wanted

    def _check_extensions(self, extensions: Sequence[str]) -> None:
        for extension in extensions:
            if extension not in self.extensions:
                raise _Refusal(f"user {extension[:16]} not found", status=404)

    def _session_for(self, id: str, *, user: str, destinations: Sequence[str], from_number: str) -> Session:
        known = self.sessions.get(id)
        if known is not None:
            if user not in known.members:
                raise _Refusal("messagesession not found", status=404)
            return known
        if id and not _OWN_SESSION.fullmatch(id):
            raise _Refusal("messagesession must have 32 characters at least, of A-Z a-z 0-9 _ only")
        if from_number:
            there = None if id else self._sms_session(user, sms_number=from_number, phones=destinations)
            return there or self._new_session(members=[user], id=id, phones=destinations, sms_number=from_number)
        members = list(dict.fromkeys((user, *destinations)))
        there = None if id else self._chat_session(members)
        return there or self._new_session(members=members, id=id)

    def _store(
        self,
        session: Session,
        *,
        type: str,
        direction: str,
        text: str,
        from_number: str = "",
        from_user: str = "",
        dialed: tuple[str, ...] = (),
        to_users: tuple[str, ...] = (),
        media: bytes = b"",
        media_type: str = "",
    ) -> Stored:
        message = Stored(
            id=f"m-{next(self._next):012x}",
            session=session.id,
            type=type,
            direction=direction,
            text=text,
            at=store.written(self._clock()),
            from_number=from_number,
            from_user=from_user,
            dialed=dialed,
            to_users=to_users,
            participants=tuple(session.participants()),
            media_type=media_type,
            media_size=len(media),
        )
        self._messages.append(message)
        if media:
            self._files[message.id] = (media_type, media)
            while len(self._files) > FILES_MOST:
                self._files.popitem(last=False)
        session.last_at, session.last_text, session.last_type = message.at, text, type
        session.last_sender = from_number if direction else from_user
        session.last_media_type, session.last_media_size = media_type, len(media)
        session.unread = [member for member in session.members if member != from_user]
        return message

    # Files

    def _link(self, message: Stored, user: str) -> str:
        if message.id not in self._files:
            return ""
        query = {
            "object": "message",
            "action": "read_media",
            "domain": self.domain,
            "user": user,
            "time": "".join(c for c in message.at if c.isdigit()),
            "id": message.id,
        }
        return f"{self._origin}/ns-api/?{urlencode({**query, 'auth': self._signed(message.id)})}"

    def _signed(self, id: str) -> str:
        return hmac.new(self._link_key, id.encode(), "sha256").hexdigest()[:32]

    async def _media(self, request: Request) -> Response:
        query = request.query_params
        id = query.get("id", "")
        good = (query.get("object"), query.get("action")) == ("message", "read_media")
        good = good and hmac.compare_digest(query.get("auth", "").encode(), self._signed(id).encode())
        kind, data = self._files.get(id, ("", b""))
        status = 200 if good and data else 401 if not good else 404
        bearer = "authorization" in request.headers
        self.calls.append(Call("GET", request.url.path, status, "with credentials" if bearer else ""))
        return Response(data if status == 200 else b"", status, media_type=kind or None)

    # Subscriptions and events

    def _live_subscriptions(self) -> list[dict[str, Any]]:
        now = store.written(self._clock())
        for id in [i for i, kept in self.subscriptions.items() if kept["subscription-expires-datetime"] <= now]:
            del self.subscriptions[id]
        return list(self.subscriptions.values())

    async def _list_subscriptions(self, request: Request) -> _Done:
        return _Done(_paged(request, self._live_subscriptions()))

    async def _subscribe(self, request: Request) -> _Done:
        body = await json_object(request)
        only(body, required={"model": str, "post-url": str}, optional=_SUBSCRIPTION_FIELDS)
        self._check_subscription(body)
        user, domain = body.get("user", "*"), body.get("domain", "*")
        if domain == "*" and self.keys.get(_bearer(request), ApiKey("")).scope != "Super User":
            raise _Refusal("domain * needs the scope Super User", status=403)
        same = (body["model"], body["post-url"], user, domain)
        for kept in self._live_subscriptions():
            if (kept["model"], kept["post-url"], kept["user"], kept["domain"]) == same:
                raise _Refusal("a subscription like this already exists", status=409)
        caller: _Caller = request.state.caller
        latest = caller.expires_at or self._clock() + timedelta(days=365 * KEY_YEARS)
        ends_at = body.get("subscription-expires-datetime", store.written(latest))
        made = self._new_subscription({**body, "user": user, "domain": domain}, ends_at=ends_at)
        return _Done(dict(made))

    def _check_subscription(self, body: Mapping[str, Any]) -> None:
        if body.get("model", "message") not in MODELS:
            raise Malformed("model is not one of the known models")
        if "post-url" in body and urlsplit(body["post-url"]).scheme not in ("http", "https"):
            raise Malformed("post-url must be a URL")
        if body.get("subscription-geo-support", "yes") not in ("yes", "no"):
            raise Malformed("subscription-geo-support must be yes or no")
        if body.get("domain", self.domain) not in (self.domain, "*"):
            raise _Refusal("domain not found", status=404)
        if body.get("user", "*") not in ("*", *self.extensions):
            raise _Refusal("user not found", status=404)
        try:
            datetime.strptime(body.get("subscription-expires-datetime", "2030-01-01 00:00:00"), store.TIME_FORMAT)
        except ValueError as error:
            raise Malformed("subscription-expires-datetime must be YYYY-MM-DD HH:MM:SS") from error

    def _new_subscription(self, body: Mapping[str, Any], *, ends_at: str) -> dict[str, Any]:
        id = hashlib.sha256(f"subscription {next(self._next)}".encode()).hexdigest()[:32]
        made: dict[str, Any] = {
            "id": id,
            "user-scope": "Office Manager",
            "reseller": "*",
            "domain": self.domain,
            "user": "*",
            "preferred-server": "",
            "current-active-server": "",
            "subscription-geo-support": "yes",
            **body,
            "status": "pending",
            "error-count": 0,
            "posts-count": 0,
            "subscription-creation-datetime": store.written(self._clock()),
            "subscription-expires-datetime": ends_at,
        }
        self.subscriptions[id] = made
        self._feed.tell("subscription", model=made["model"], active=True)
        return made

    def _subscription_of(self, request: Request) -> dict[str, Any]:
        self._live_subscriptions()
        kept = self.subscriptions.get(request.path_params["id"])
        if kept is None:
            raise _Refusal("subscription not found", status=404)
        return kept

    async def _read_subscription(self, request: Request) -> _Done:
        return _Done(dict(self._subscription_of(request)))

    async def _change_subscription(self, request: Request) -> _Done:
        kept = self._subscription_of(request)
        body = await json_object(request)
        only(body, required={}, optional={**_SUBSCRIPTION_FIELDS, "error-count": int, "posts-count": int})
        self._check_subscription(body)
        if body.get("error-count", 0) or body.get("posts-count", 0):
            raise Malformed("error-count and posts-count can only be set to 0")
        kept |= body
        return _accepted()

    async def _end_subscription(self, request: Request) -> _Done:
        kept = self._subscription_of(request)
        if await request.body():
            body = await json_object(request)
            only(body, required={"subscription_id": str}, optional={"domain": str})
            if body["subscription_id"] != kept["id"] or body.get("domain", self.domain) != self.domain:
                raise Malformed("subscription_id and domain must be those of the subscription")
        del self.subscriptions[kept["id"]]
        self._feed.tell("subscription", model=kept["model"], active=False)
        return _accepted()

    async def _tell(self, session: Session, message: Stored, *, users: Sequence[str]) -> int:
        """Post a message to whoever subscribed to messages, then its session to whoever subscribed to sessions."""
        owner = users[0]
        event = store.message_event(
            message,
            domain=self.domain,
            owner=owner,
            link=self._link(message, owner),
            style=self.style,
            numbers=self.numbers_as,
        )
        if message.direction == "orig" or message.from_user != self.extensions[0]:
            self._feed.tell("inbound", session=session.id, **_shown(message))
        status = await self._post("message", [event], users=users)
        after = await self._tell_session(session, users=users)
        return status or after

    async def _tell_session(self, session: Session, *, users: Sequence[str]) -> int:
        status = 0
        for user in users:
            if user in session.members:
                event = store.session_event(session, user=user, domain=self.domain, style=self.style)
                status = await self._post("messagesession", [event], users=(user,)) or status
        return status

    async def _post(self, model: str, events: object, *, users: Sequence[str]) -> int:
        status = 0
        for kept in self._live_subscriptions():
            if kept["model"] != model or (users and kept["user"] not in ("*", *users)):
                continue
            try:
                headers = {"X-Correlation-ID": secrets.token_hex(16)}
                answer = await self._connections().post(kept["post-url"], json=events, headers=headers)
                status = answer.status_code
            except (httpx.TransportError, httpx.InvalidURL):
                status = 0
            # As the documents count it: no answer, or one above 302, is a failure.
            failed = not 0 < status <= 302
            kept["status"] = "error" if failed else "active"
            kept["error-count"] += failed
            kept["posts-count"] += not failed
        return status


def _accepted() -> _Done:
    return _Done({"code": 202, "message": "Accepted"}, 202)


def _bearer(request: Request) -> str:
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    return token if kind == "Bearer" else ""


def _paged(request: Request, rows: Sequence[object]) -> list[object]:
    known = {"limit", "start"}
    if unknown := sorted(set(request.query_params) - known):
        raise Malformed(f"unknown parameter {unknown[0][:40]!r}")
    limit, start = _count(request, "limit", default=100), _count(request, "start", default=0)
    if not 1 <= limit <= PAGE_MOST:
        raise Malformed(f"limit must be 1 to {PAGE_MOST}")
    return store.page(rows, limit=limit, start=start)


def _count(request: Request, name: str, *, default: int) -> int:
    raw = request.query_params.get(name, str(default))
    if not (raw.isascii() and raw.isdigit()):
        raise Malformed(f"{name} must be a number that is not negative")
    return int(raw[:9])


def _shown(message: Stored) -> dict[str, object]:
    return {
        "id": message.id,
        "type": message.type,
        "direction": message.direction,
        "from": message.from_number if message.direction else message.from_user,
        "to": list(message.dialed or message.to_users),
        "text": message.text,
        "media_type": message.media_type,
        "media_size": message.media_size,
        "at": message.at,
    }


Sandbox = NetSapiensSandbox
