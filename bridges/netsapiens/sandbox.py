"""A strict stand-in for a NetSapiens server on loopback: API v2 as documented, event subscriptions included.

Strict where the documentation speaks. What it leaves open is decided so: ``startSession`` goes into the session that
the same people already have; an unknown session is begun by a send, if its id is of the documented form. Sources:
the OpenAPI documents at https://docs.ns-api.com/reference, https://docs.ns-api.com/docs/event-subscriptions-1 and
https://dev.onecloud.com/docs/oauth-access-tokens (2026-11).
"""

from __future__ import annotations

import hmac
import secrets
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bridges.netsapiens import sandbox_sends as sends
from bridges.netsapiens import sandbox_store as store
from bridges.netsapiens.sandbox_logins import Caller, Logins
from bridges.netsapiens.sandbox_store import Numbers, Refusal, Session, SmsNumber, Store, Stored, Style
from bridges.netsapiens.sandbox_subscriptions import CHANGEABLE, FIELDS, Subscriptions
from bridges.sandboxes import CALLS_MOST, Call, Clock, Feed, Listener, Malformed, Outlet, json_object, only, utc_now

API = "/ns-api/v2"
BODY_MOST = 16 << 20
SHOWN_MOST = 50
PAGE_MOST = 1000
NO_ROUTE = "No Route Found [92]"

_GRANTS: Mapping[str, tuple[str, ...]] = {
    "password": ("username", "password"),
    "refresh_token": ("refresh_token",),
}
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


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
    id: str = ""


@dataclass(frozen=True, slots=True)
class _Done:
    """An answer, and what happens after it is given."""

    body: object
    status: int = 200
    then: BackgroundTask | None = None


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
        self.style: Style = style
        self.numbers_as: Numbers = numbers_as
        self.plus_numbers = plus_numbers
        """Numbers in sends are wanted with ``+``."""
        self.sessions_listed: Literal["latest first", "oldest first"] = "latest first"
        """The order of lists of sessions, which is not documented."""
        self.logins = Logins(domain=domain, key=api_key, lifetime_s=token_lifetime_s, clock=clock)
        self.api_key = api_key
        self.accepted: list[Accepted] = []
        """Sends in the order in which they were accepted."""
        self.calls: deque[Call] = deque(maxlen=CALLS_MOST)
        self._store = Store(domain=domain, clock=clock)
        self._subscriptions = Subscriptions(domain=domain, new_id=self._store.new_id, clock=clock)
        self._link_key = secrets.token_bytes(16)
        self._origin = "http://127.0.0.1"
        self.outlet = Outlet(client)
        self._clock = clock
        self._feed = Feed()
        user = f"{API}/domains/{{domain}}/users/{{user}}"
        session = f"{user}/messagesessions/{{session}}"
        self.app = Starlette(
            max_body_size=BODY_MOST,
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
            ],
        )

    # What a page and tests use

    @property
    def sessions(self) -> dict[str, Session]:
        """Sessions by their ids."""
        return self._store.sessions

    @property
    def subscriptions(self) -> dict[str, dict[str, Any]]:
        """Subscriptions that have not ended, by their ids."""
        return {kept["id"]: kept for kept in self._subscriptions.live()}

    def media(self, id: str) -> bytes | None:
        """The file of a message, while it is kept."""
        kept = self._store.files.get(id)
        return None if kept is None else kept[1]

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
                "messages": [_shown(message) for message in self._store.of_session(session.id)[-SHOWN_MOST:]],
            }
            for session in self._store.sessions.values()
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
                for kept in self._subscriptions.live()
            ],
        }

    def snapshot(self) -> dict[str, Any]:
        """Everything it keeps, ready for JSON; :meth:`restore` takes it back. Tokens are not among it."""
        return {
            "extensions": list(self.extensions),
            "numbers": [asdict(number) for number in self.numbers],
            "accepted": [{**asdict(each), "at": each.at.isoformat()} for each in self.accepted],
            "subscriptions": self._subscriptions.snapshot(),
            "link_key": self._link_key.hex(),
            **self._store.snapshot(),
        }

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Go on from a snapshot: no message gets the id of an earlier one."""
        self.extensions = list(snapshot["extensions"])
        self.numbers = [SmsNumber(**kept) for kept in snapshot["numbers"]]
        self.accepted[:] = [
            Accepted(**{**kept, "at": datetime.fromisoformat(kept["at"]), "destinations": tuple(kept["destinations"])})
            for kept in snapshot["accepted"]
        ]
        self._subscriptions.restore(snapshot["subscriptions"])
        self._link_key = bytes.fromhex(snapshot["link_key"])
        self._store.restore(snapshot)

    def subscribe(self, hook_url: str, *, model: str = "message", user: str = "*") -> str:
        """Make a subscription as an administrator would; the same again is the one that is there. Returns its id."""
        wanted = {"model": model, "post-url": f"{hook_url}/{model}", "user": user, "domain": self.domain}
        kept = self._subscriptions.same(wanted) or self._subscriptions.make(wanted, until=None)
        self._feed.tell("subscription", model=model, active=True)
        return str(kept["id"])

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
        session = self._store.sms_session(owner, sms_number=to, phones=phones) or self._store.new_session(
            members=[owner], phones=phones, sms_number=to
        )
        message = self._store.add(
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
        session = self._store.chat_session(members) or self._store.new_session(members=members)
        message = self._store.add(
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
        if not self._subscriptions.live():
            raise LookupError("nobody has subscribed to messages; run: patchbay subscribe ACCOUNT")

    async def read(self, session_id: str, *, user: str) -> int:
        """A member reads a session: an event of the model ``messagesession`` only. Returns as :meth:`text` does."""
        session = self._store.sessions[session_id]
        session.unread = [member for member in session.unread if member != user]
        return await self._tell_session(session, users=(user,))

    async def emit(self, model: str, events: object) -> int:
        """Post this body as it is to whoever subscribed to the model; returns as :meth:`text` does."""
        return await self._subscriptions.post(model, events, users=(), client=self.outlet.client)

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
        username, password = next(iter(self.logins.passwords.items()))
        return settings | {
            "auth": "password",
            "client_id": self.logins.client_id,
            "client_secret": self.logins.client_secret,
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
        await self.outlet.close()

    # Requests

    def _call(self, handle: Any, *, open: bool = False) -> Any:
        async def endpoint(request: Request) -> Response:
            then: BackgroundTask | None = None
            try:
                if not open:
                    self._check_caller(request)
                done: _Done = await handle(request)
                status, body, then = done.status, done.body, done.then
            except Malformed as error:
                status, body = 400, {"code": 400, "message": str(error)}
            except Refusal as error:
                status, body = error.status, {"code": error.status, "message": str(error)}
            self.calls.append(Call(request.method, request.url.path, status))
            return JSONResponse(body, status_code=status, background=then)

        return endpoint

    async def _no_route(self, request: Request) -> Response:
        self.calls.append(Call(request.method, request.url.path, 404, "no route"))
        return JSONResponse({"code": 404, "message": NO_ROUTE}, status_code=404)

    def _check_caller(self, request: Request) -> None:
        caller = self.logins.caller(_bearer(request), extension=self.extensions[0])
        if request.method != "GET" and (key := self.logins.keys.get(_bearer(request))) and key.readonly:
            raise Refusal("this API key is read only", status=403)
        domain = request.path_params.get("domain")
        if domain is not None and domain != self.domain and not (domain == "~" and request.method == "GET"):
            raise Refusal(f"domain {domain[:64]} not found", status=404)
        user = request.path_params.get("user")
        if user is not None and user not in self.extensions and not (user == "~" and request.method == "GET"):
            raise Refusal(f"user {user[:16]} not found", status=404)
        request.state.user = caller.user if user == "~" else user
        request.state.caller = caller

    def _only_v45(self) -> None:
        if self.version == "v44":
            raise Refusal(NO_ROUTE, status=404)

    # Tokens

    async def _v2_tokens(self, request: Request) -> _Done:
        if self.legacy_tokens:
            raise Refusal(NO_ROUTE, status=404)
        return _Done(self._grant(await json_object(request)))

    async def _old_tokens(self, request: Request) -> _Done:
        fields = dict(request.query_params)
        kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
        if kind == "application/x-www-form-urlencoded":
            fields |= dict(parse_qsl((await request.body()).decode("latin-1"), keep_blank_values=True))
        elif kind:
            raise Malformed("Content-Type must be application/x-www-form-urlencoded")
        if fields.pop("format", "") != "json":
            raise Malformed("format must be json")
        expires = int(self._clock().timestamp()) + self.logins.lifetime_s
        return _Done({**self._grant(fields), "expires": expires, "rate_limit": "0"})

    def _grant(self, fields: dict[str, Any]) -> dict[str, object]:
        named = _GRANTS.get(str(fields.get("grant_type")))
        if named is None:
            raise Malformed("grant_type must be password or refresh_token")
        only(fields, required=dict.fromkeys(("grant_type", "client_id", "client_secret", *named), str), optional={})
        return self.logins.grant(fields, version=self.version)

    async def _version(self, request: Request) -> _Done:
        now = store.written(self._clock())
        return _Done({"apiversion": self.version, "hostname": "core1.pbx.example", "current-time": now})

    async def _api_key(self, request: Request) -> _Done:
        key = self.logins.keys.get(_bearer(request))
        if key is None:
            raise Refusal("no API key is in use", status=404)
        return _Done(key.row(self.domain))

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
        latest_first = self.sessions_listed == "latest first"
        sessions = sorted(self._store.sessions.values(), key=lambda session: session.last_at, reverse=latest_first)
        rows = [
            store.session_row(session, user=member, domain=self.domain)
            for session in sessions
            for member in session.members
            if user in (None, member)
        ]
        return _Done(_paged(request, rows))

    def _session_of(self, request: Request) -> Session:
        session = self._store.sessions.get(request.path_params["session"])
        if session is None or request.state.user not in session.members:
            raise Refusal("messagesession not found", status=404)
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
            raise Refusal("not possible for group MMS")
        if "session-name" in body:
            if not body["session-name"]:
                raise Malformed("session-name must not be empty")
            session.name = body["session-name"]
        else:
            members = body["participants"].split(",")
            if request.state.user not in members or len(members) < 2 or len(set(members)) < len(members):
                raise Malformed("participants must be the final list, the user included, each once")
            sends.check_extensions(members, extensions=self.extensions)
            session.members = members
        self._feed.tell("session", id=session.id, name=session.name, members=session.members)
        return _accepted()

    async def _leave_session(self, request: Request) -> _Done:
        session = self._session_of(request)
        if await request.body():
            raise Malformed("leave takes no body")
        session.members = [member for member in session.members if member != request.state.user]
        if not session.members:
            del self._store.sessions[session.id]
        self._feed.tell("session", id=session.id, name=session.name, members=session.members)
        return _accepted()

    async def _delete_session(self, request: Request) -> _Done:
        session = self._session_of(request)
        self._store.delete(session.id)
        self._feed.tell("session_deleted", id=session.id)
        return _accepted()

    async def _list_messages(self, request: Request) -> _Done:
        session = self._session_of(request)
        rows = [
            store.message_row(message, domain=self.domain, link=self._link(message, request.state.user))
            for message in reversed(self._store.of_session(session.id))
        ]
        return _Done(_paged(request, rows))

    # Sends

    async def _start_session(self, request: Request) -> _Done:
        self._only_v45()
        return await self._take(request, session_id="")

    async def _send(self, request: Request) -> _Done:
        return await self._take(request, session_id=request.path_params["session"])

    async def _take(self, request: Request, *, session_id: str) -> _Done:
        order = sends.read(
            await json_object(request),
            user=request.state.user,
            extensions=self.extensions,
            numbers=self.numbers,
            plus=self.plus_numbers,
        )
        session = self._session_for(session_id, user=request.state.user, order=order)
        message = self._store.add(
            session,
            type=order.type,
            direction="term" if order.sms else "",
            text=order.text,
            from_number=order.from_number,
            from_user=request.state.user,
            dialed=order.destinations if order.sms else (),
            to_users=() if order.sms else order.destinations,
            media=order.media,
            media_type=order.media_type,
        )
        self.accepted.append(
            Accepted(
                number=len(self.accepted) + 1,
                session=session.id,
                type=order.type,
                user=request.state.user,
                destinations=order.destinations,
                from_number=order.from_number,
                text=order.text,
                media_type=order.media_type,
                media_size=len(order.media),
                at=self._clock(),
                id=message.id,
            )
        )
        self._feed.tell("message", session=session.id, **_shown(message))
        users = (request.state.user, *(() if order.sms else order.destinations))
        then = BackgroundTask(self._tell, session, message, users=users) if self._subscriptions.live() else None
        # The documents give startSession the status 200 and a body that says 202.
        return _Done({"code": 202, "message": "Accepted"}, 202 if session_id else 200, then)

    def _session_for(self, id: str, *, user: str, order: sends.Order) -> Session:
        known = self._store.sessions.get(id)
        if known is not None:
            if user not in known.members:
                raise Refusal("messagesession not found", status=404)
            return known
        if id and not sends.OWN_SESSION.fullmatch(id):
            raise Refusal("messagesession must have 32 characters at least, of A-Z a-z 0-9 _ only")
        number, people = order.from_number, order.destinations
        if order.sms:
            there = None if id else self._store.sms_session(user, sms_number=number, phones=people)
            return there or self._store.new_session(members=[user], id=id, phones=people, sms_number=number)
        members = list(dict.fromkeys((user, *people)))
        there = None if id else self._store.chat_session(members)
        return there or self._store.new_session(members=members, id=id)

    # Files

    def _link(self, message: Stored, user: str) -> str:
        if message.id not in self._store.files:
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
        kind, data = self._store.files.get(id, ("", b""))
        status = 200 if good and data else 401 if not good else 404
        bearer = "authorization" in request.headers
        self.calls.append(Call("GET", request.url.path, status, "with credentials" if bearer else ""))
        return Response(data if status == 200 else b"", status, media_type=kind or None)

    # Subscriptions and events

    async def _list_subscriptions(self, request: Request) -> _Done:
        return _Done(_paged(request, self._subscriptions.live()))

    async def _subscribe(self, request: Request) -> _Done:
        body = await json_object(request)
        only(body, required={"model": str, "post-url": str}, optional=FIELDS)
        self._subscriptions.check(body, extensions=self.extensions)
        wanted = {"user": "*", "domain": "*", **body}
        key = self.logins.keys.get(_bearer(request))
        if wanted["domain"] == "*" and (key is None or key.scope != "Super User"):
            raise Refusal("domain * needs the scope Super User", status=403)
        if self._subscriptions.same(wanted) is not None:
            raise Refusal("a subscription like this already exists", status=409)
        caller: Caller = request.state.caller
        made = self._subscriptions.make(wanted, until=caller.expires_at)
        self._feed.tell("subscription", model=made["model"], active=True)
        return _Done(dict(made))

    def _subscription_of(self, request: Request) -> dict[str, Any]:
        return self._subscriptions.get(request.path_params["id"])

    async def _read_subscription(self, request: Request) -> _Done:
        return _Done(dict(self._subscription_of(request)))

    async def _change_subscription(self, request: Request) -> _Done:
        kept = self._subscription_of(request)
        body = await json_object(request)
        only(body, required={}, optional=CHANGEABLE)
        self._subscriptions.check(body, extensions=self.extensions)
        kept |= body
        return _accepted()

    async def _end_subscription(self, request: Request) -> _Done:
        kept = self._subscription_of(request)
        if await request.body():
            body = await json_object(request)
            only(body, required={"subscription_id": str}, optional={"domain": str})
            if body["subscription_id"] != kept["id"] or body.get("domain", self.domain) != self.domain:
                raise Malformed("subscription_id and domain must be those of the subscription")
        self._subscriptions.end(kept["id"])
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
        status = await self._subscriptions.post("message", [event], users=users, client=self.outlet.client)
        after = await self._tell_session(session, users=users)
        return status or after

    async def _tell_session(self, session: Session, *, users: Sequence[str]) -> int:
        status = 0
        for user in users:
            if user in session.members:
                event = store.session_event(session, user=user, domain=self.domain, style=self.style)
                posted = self._subscriptions.post("messagesession", [event], users=(user,), client=self.outlet.client)
                status = await posted or status
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
    return list(rows[start : start + limit])


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
