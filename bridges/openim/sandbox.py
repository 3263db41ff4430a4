"""A strict stand-in for an OpenIM server on loopback: its REST API, its storage and its webhooks.

As the documents say, and where they are silent as the code of the line that it plays does
(https://github.com/openimsdk/open-im-server, 2026-11; see ``wire.py`` and ``documented.py``).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
import json
import secrets
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, NoReturn

import httpx
from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from bridges.openim import documented, wire
from bridges.sandboxes import CALLS_MOST, Call, Clock, Feed, Listener, utc_now

CALLBACK_TIMEOUT_S = 5.0
RETIRED_AFTER = timedelta(minutes=5)
OBJECTS_MOST = 200
OBJECT_BYTES_MOST = 25_000_000
OPERATIONS_MOST = 500_000
GROUP_ID = "2839001122"
_NEEDS_NO_TOKEN = frozenset({wire.GET_ADMIN_TOKEN})


@dataclass(frozen=True, slots=True)
class User:
    """A user; ``level`` 1 is a person, 2 an admin, 3 a notification account, 4 a robot."""

    id: str
    nickname: str
    face_url: str = ""
    level: int = 1


@dataclass(slots=True)
class Group:
    """A group; the first member is its owner. ``status`` 0 as usual, 2 dismissed, 3 muted."""

    id: str
    name: str
    members: list[str] = field(default_factory=list)
    muted: list[str] = field(default_factory=list)
    status: int = 0


@dataclass(frozen=True, slots=True)
class Issued:
    """A token that was given out."""

    user: str
    expires_at: datetime
    retired_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """A message as the server keeps it; ``seq`` counts within its conversation."""

    conversation: str
    seq: int
    client_id: str
    server_id: str
    sender: str
    receiver: str
    group: str
    nickname: str
    content_type: int
    content: str
    session_type: int
    msg_from: int
    send_time: int
    ex: str
    revoked: bool = False


@dataclass(frozen=True, slots=True)
class Accepted:
    """A message that the API took; ``text`` is what a person sees of it. ``conversation`` is as in an address."""

    number: int
    id: str
    sender: str
    conversation: str
    content_type: int
    text: str
    content: Mapping[str, Any]
    ex: str
    operation: str
    send_time: int
    online_only: bool
    nickname: str
    body: Mapping[str, Any]


class _Refusal(Exception):
    def __init__(self, code: int, name: str, *, detail: str = "", status: int = 200, retry_after: int = 0) -> None:
        super().__init__(name)
        self.code, self.name, self.detail, self.status, self.retry_after = code, name, detail, status, retry_after


def _refuse(code: int, name: str, *, detail: str = "") -> NoReturn:
    raise _Refusal(code, name, detail=detail)


class OpenIMSandbox:
    """One OpenIM server. ``app`` is the ASGI application; ``hook_url`` is the ``url`` of its webhooks.yml."""

    def __init__(
        self,
        *,
        line: wire.Line = "stable",
        secret: str = "sandbox-openim-secret",
        admin: str = "imAdmin",
        hook_url: str | None = None,
        client: httpx.AsyncClient | None = None,
        clock: Clock = utc_now,
        token_life_s: int = 7_776_000,
        friend_verify: bool = False,
    ) -> None:
        self.line: wire.Line = line
        self.secret = secret
        self.admin = admin
        self.hook_url = hook_url
        self.token_life_s = token_life_s
        self.friend_verify = friend_verify
        self.users = {
            user.id: user for user in (User(admin, "superAdmin", level=2), User("alice", "Alice"), User("bob", "Bob"))
        }
        self.groups = {GROUP_ID: Group(GROUP_ID, "Operations", ["alice", "bob"])}
        self.blocked: set[tuple[str, str]] = set()
        """Pairs of a receiver and whom they blocked."""
        self.closed: set[str] = set()
        """Users who receive from nobody."""
        self.too_many_s = 0
        """More than 0: every call is answered with 429 and this ``Retry-After``."""
        self.clock_off = False
        """Whether tokens are answered as not valid yet, as where the clocks of two machines differ."""
        self.drop_every = 0
        """More than 0: every so many-th webhook is lost, as when the server's queue is full."""
        self.reordered = False
        """Whether each two webhooks come in the wrong order."""
        self.saves_told = line == "main"
        """Whether afterMsgSaveDB is switched on; the stable line has none."""
        self.accepted: list[Accepted] = []
        """Messages in the order in which they were accepted."""
        self.stored: list[Stored] = []
        self.operations: set[str] = set()
        self.reused: list[str] = []
        """operationIDs that came a second time, other than to ask what became of them."""
        self.statuses: dict[str, int] = {}
        self.tokens: dict[str, Issued] = {}
        self.objects: dict[str, tuple[bytes, str]] = {}
        self.calls: deque[Call] = deque(maxlen=CALLS_MOST)
        self.hooks_sent: deque[tuple[str, int]] = deque(maxlen=CALLS_MOST)
        """Commands of webhooks with how they were answered; 0: not at all."""
        self._seqs: dict[str, int] = {}
        self._uploads: dict[str, dict[str, Any]] = {}
        self._held: tuple[str, dict[str, object], str] | None = None
        self._numbers = itertools.count(1)
        self._hooks = itertools.count(1)
        self._client = client
        self._own_client: httpx.AsyncClient | None = None
        self._clock = clock
        self._feed = Feed()
        handlers = {
            wire.GET_ADMIN_TOKEN: self._admin_token,
            wire.SEND_MSG: self._send,
            wire.BATCH_SEND_MSG: self._batch,
            wire.BUSINESS_NOTIFICATION: self._business,
            wire.CHECK_SEND: self._status,
            wire.SEARCH_MSG: self._search,
            wire.REVOKE_MSG: self._revoke,
            wire.NEWEST_SEQ: self._newest,
            wire.SERVER_TIME: self._time,
            wire.USER_REGISTER: self._register,
            wire.USERS_INFO: self._users_info,
            wire.UPDATE_USER: self._update_user,
            wire.ADD_NOTIFICATION_ACCOUNT: self._notification_account,
            wire.GROUP_MEMBERS: self._members,
            wire.JOINED_GROUPS: self._joined,
            wire.INVITE: self._invite,
            wire.INITIATE_UPLOAD: self._initiate,
            wire.COMPLETE_UPLOAD: self._complete,
        }
        self.app = Starlette(
            routes=[
                *(Route(path, self._call(path, handle), methods=["POST"]) for path, handle in handlers.items()),
                Route("/storage", self._store_object, methods=["POST"]),
                Route("/storage/{name:path}", self._stored_object, methods=["GET"]),
                Route("/object/{name:path}", self._redirect_object, methods=["GET"]),
            ],
            exception_handlers={404: self._not_found},
        )

    # What a page and tests use

    def subscribe_listener(self, listener: Listener) -> Callable[[], None]:
        """Call ``listener`` on every change from now on; returns what ends it."""
        return self._feed.listen(listener)

    def state(self) -> dict[str, object]:
        """All there is to see, for a person: users, groups, conversations with their messages. Ready for JSON."""
        talks: dict[str, list[dict[str, object]]] = {f"group/{group}": [] for group in self.groups}
        for message in self.stored:
            if message.content_type < wire.NOTIFICATIONS_FROM:
                talks.setdefault(self._talk_of(message), []).append(_shown(message))
        return {
            "provider": "openim",
            "line": self.line,
            "accepted": len(self.accepted),
            "users": [asdict(user) for user in self.users.values()],
            "groups": [asdict(group) for group in self.groups.values()],
            "conversations": talks,
            # The last segment of the URL is a secret.
            "webhooks": self.hook_url and self.hook_url.rsplit("/", 1)[0] + "/•••",
        }

    def snapshot(self) -> dict[str, Any]:
        """Everything it keeps, ready for JSON; :meth:`restore` takes it back."""
        self._numbers = itertools.count(next_number := next(self._numbers))
        return {
            "users": [asdict(user) for user in self.users.values()],
            "groups": [asdict(group) for group in self.groups.values()],
            "accepted": [asdict(message) for message in self.accepted],
            "stored": [asdict(message) for message in self.stored],
            "statuses": self.statuses,
            "operations": sorted(self.operations),
            "tokens": {
                token: {
                    "user": issued.user,
                    "expires_at": issued.expires_at.isoformat(),
                    "retired_at": issued.retired_at and issued.retired_at.isoformat(),
                }
                for token, issued in self.tokens.items()
            },
            "objects": {name: [base64.b64encode(data).decode(), kind] for name, (data, kind) in self.objects.items()},
            "seqs": self._seqs,
            "next": next_number,
        }

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Go on from a snapshot: tokens go on being good, no id is given out twice."""
        self.users = {user["id"]: User(**user) for user in snapshot["users"]}
        self.groups = {group["id"]: Group(**group) for group in snapshot["groups"]}
        self.accepted[:] = [Accepted(**message) for message in snapshot["accepted"]]
        self.stored[:] = [Stored(**message) for message in snapshot["stored"]]
        self.statuses = dict(snapshot["statuses"])
        self.operations = set(snapshot["operations"])
        self.tokens = {
            token: Issued(
                kept["user"],
                datetime.fromisoformat(kept["expires_at"]),
                kept["retired_at"] and datetime.fromisoformat(kept["retired_at"]),
            )
            for token, kept in snapshot["tokens"].items()
        }
        self.objects = {name: (base64.b64decode(data), kind) for name, (data, kind) in snapshot["objects"].items()}
        self._seqs = dict(snapshot["seqs"])
        self._numbers = itertools.count(snapshot["next"])

    async def say(self, user: str, place: str, text: str) -> str:
        """Somebody writes to ``group/<id>`` or ``user/<id>``; returns the message's id. Raises ``LookupError``."""
        return await self.say_element(user, place, wire.TEXT, {"content": text})

    async def say_picture(self, user: str, place: str, data: bytes, *, name: str = "p1.png", base_url: str) -> str:
        """Somebody sends a picture, which is found below ``base_url`` as the server's own address."""
        self._keep_object(name, data, "image/png")
        url = f"{base_url}{wire.OBJECTS}{name}"
        picture = {"uuid": name, "type": "png", "size": len(data), "width": 8, "height": 6, "url": url}
        shown = {"sourcePicture": picture, "bigPicture": picture, "snapshotPicture": picture}
        return await self.say_element(user, place, wire.PICTURE, {"sourcePath": "", **shown})

    async def say_element(self, user: str, place: str, content_type: int, content: Mapping[str, Any]) -> str:
        """Somebody sends any element from a client of their own."""
        kind, _, id = place.partition("/")
        if user not in self.users or id not in (self.groups if kind == "group" else self.users):
            raise LookupError(f"there is no {user} or no {place}")
        if kind == "group" and user not in self.groups[id].members:
            raise LookupError(f"{user} is not in {place}")
        message = self._stored(
            sender=user,
            receiver="" if kind == "group" else id,
            group=id if kind == "group" else "",
            nickname=self.users[user].nickname,
            content_type=content_type,
            content=_json(content),
            msg_from=wire.FROM_USER,
            send_time=self._millis(),
            ex="",
        )
        self.stored.append(message)
        self._feed.tell("said", conversation=self._talk_of(message), **_shown(message))
        at = content.get("atUserList") if content_type == wire.AT_TEXT else None
        await self._tell_message(message, operation=str(self._millis()), platform=5, status=1, mentioned=at)
        return message.client_id

    async def take_back(self, user: str, client_id: str) -> int:
        """Somebody takes a message back; returns how the webhook was answered. Raises ``LookupError``."""
        found = next((each for each in self.stored if each.client_id == client_id), None)
        if found is None:
            raise LookupError(f"there is no message {client_id}")
        return await self._take_back(found, user=user)

    # The same for every sandbox (bridges.sandboxes.Sandbox)

    def settings(self, base_url: str, *, hook_secret: str) -> dict[str, object]:
        """See :class:`bridges.sandboxes.Sandbox`."""
        return {
            "provider": "openim",
            "base_url": base_url,
            "admin_user": self.admin,
            "secret": self.secret,
            "send_as": self.admin,
            "hook_secret": hook_secret,
            "server_line": self.line,
        }

    def conversation(self) -> str:
        """See :class:`bridges.sandboxes.Sandbox`."""
        return f"group/{next(iter(self.groups))}"

    async def greet(self, hook_url: str, *, text: str) -> int:
        """See :class:`bridges.sandboxes.Sandbox`: a member writes into the first group."""
        self.hook_url = hook_url
        await self.say("alice", self.conversation(), text)
        return next((status for command, status in reversed(self.hooks_sent) if command == wire.AFTER_GROUP), 0)

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

    # The API

    def _call(self, path: str, handle: Any) -> Any:
        async def endpoint(request: Request) -> Response:
            headers: dict[str, str] = {}
            try:
                if self.too_many_s:
                    raise _Refusal(429, "too many requests", status=429, retry_after=self.too_many_s)
                self._check_caller(request, path)
                body = await self._bound(request, path)
                data = await handle(request, body)
                status, envelope = 200, {"errCode": 0, "errMsg": "", "errDlt": ""}
                if data:
                    envelope["data"] = data
            except _Refusal as error:
                status = error.status
                envelope = {"errCode": error.code, "errMsg": error.name, "errDlt": error.detail}
                if error.retry_after:
                    headers["Retry-After"] = str(error.retry_after)
            self.calls.append(Call("POST", path, status, f"errCode {envelope['errCode']}"))
            return JSONResponse(envelope, status_code=status, headers=headers)

        return endpoint

    def _check_caller(self, request: Request, path: str) -> None:
        operation = request.headers.get("operationid", "")
        if not operation:
            _refuse(1001, "ArgsError", detail="header must have operationID")
        if path != wire.CHECK_SEND:
            if operation in self.operations:
                self.reused.append(operation)
            if len(self.operations) < OPERATIONS_MOST:
                self.operations.add(operation)
        if path in _NEEDS_NO_TOKEN:
            return
        token = request.headers.get("token", "")
        if not token:
            _refuse(1001, "ArgsError", detail="header must have token")
        if self.clock_off:
            _refuse(1504, "TokenNotValidYetError")
        issued, now = self.tokens.get(token), self._clock()
        if issued is None:
            if not token.startswith("eyJ"):
                _refuse(1503, "TokenMalformedError")
            if self.line == "main":
                _refuse(1507, "TokenNotExistError")
            _refuse(1505, "token signature is invalid: signature is invalid")
        if now >= issued.expires_at:
            _refuse(1501, "TokenExpiredError")
        if issued.retired_at is not None and now >= issued.retired_at:
            _refuse(1507, "TokenNotExistError")

    async def _bound(self, request: Request, path: str) -> Mapping[str, Any]:
        status = 400 if path in documented.BOUND_STRICTLY else 200
        try:
            if request.headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
                raise documented.Unbindable("Content-Type must be application/json")
            try:
                body = json.loads(await request.body())
            except (ValueError, RecursionError) as error:
                raise documented.Unbindable("the body is not JSON") from error
            return documented.bind(path, body)
        except documented.Unbindable as error:
            # Only the calls bound by hand name the error; the others have the parser's words in its place.
            name = "ArgsError" if status == 400 else str(error)
            raise _Refusal(1001, name, detail=str(error), status=status) from error

    async def _not_found(self, request: Request, _: Exception) -> Response:
        self.calls.append(Call(request.method, request.url.path, 404))
        return PlainTextResponse("404 page not found", status_code=404)

    async def _admin_token(self, _: Request, body: Mapping[str, Any]) -> dict[str, object]:
        if not hmac.compare_digest(body["secret"].encode(), self.secret.encode()):
            _refuse(1002, "NoPermissionError", detail="secret invalid")
        user = self.users.get(body["userID"])
        if user is None or user.level != 2:
            _refuse(1001, "ArgsError", detail="userID is error.")
        now = self._clock()
        if self.line == "main":
            # A new one retires those before it, which go on for five minutes.
            for token, issued in self.tokens.items():
                if issued.user == user.id and issued.retired_at is None:
                    self.tokens[token] = replace(issued, retired_at=now + RETIRED_AFTER)
        token = f"eyJ{secrets.token_urlsafe(32)}"
        self.tokens[token] = Issued(user.id, now + timedelta(seconds=self.token_life_s))
        return {"token": token, "expireTimeSeconds": self.token_life_s}

    async def _send(self, request: Request, body: Mapping[str, Any]) -> dict[str, object]:
        operation = request.headers["operationid"]
        self.statuses[operation] = wire.STATUS_SENDING
        try:
            message = self._taken(body, receiver=body.get("recvID", ""), operation=operation)
        except _Refusal:
            self.statuses[operation] = wire.STATUS_FAILED
            raise
        await self._tell_accepted(message, body=body, operation=operation)
        self.statuses[operation] = wire.STATUS_SENT
        return {"serverMsgID": message.server_id, "clientMsgID": message.client_id, "sendTime": message.send_time}

    async def _batch(self, request: Request, body: Mapping[str, Any]) -> dict[str, object]:
        operation = request.headers["operationid"]
        receivers = list(self.users) if body.get("isSendAll") else body["recvIDs"]
        results: list[dict[str, object]] = []
        failed: list[str] = []
        self._check_content(body)
        client_id = self._new_id(body["sendID"])  # one for all of them
        for receiver in receivers:
            try:
                message = self._taken(body, receiver=receiver, operation=operation, client_id=client_id)
            except _Refusal:
                failed.append(receiver)
                continue
            await self._tell_accepted(message, body=body, operation=operation)
            ids = {"serverMsgID": message.server_id, "clientMsgID": client_id, "sendTime": message.send_time}
            results.append({**ids, "recvID": receiver})
        return {"results": results or None, "failedUserIDs": failed or None}

    def _check_content(self, body: Mapping[str, Any]) -> None:
        kind = body["contentType"]
        if kind not in wire.SENDABLE[self.line]:
            _refuse(1001, "ArgsError")
        if kind == wire.OA_NOTIFICATION:
            account = self.users.get(body["sendID"])
            if account is None or account.level != 3:
                _refuse(1004, "RecordNotFoundError", detail="notification account not found")
        try:
            documented.check_element(kind, body["content"])
        except documented.Invalid as error:
            raise _Refusal(500, "ServerInternalError", detail=str(error)) from error

    def _taken(self, body: Mapping[str, Any], *, receiver: str, operation: str, client_id: str = "") -> Stored:
        """Check a send in the server's order and take it; raises ``_Refusal``."""
        self._check_content(body)
        kind = body["contentType"]
        session = wire.NOTIFICATION if kind == wire.OA_NOTIFICATION else body["sessionType"]
        group = body.get("groupID", "") if session == wire.GROUP else ""
        if session == wire.GROUP:
            self._check_group(body["sendID"], group)
        elif session in (wire.SINGLE, wire.NOTIFICATION):
            self._check_single(body["sendID"], receiver, is_notification=session == wire.NOTIFICATION)
        else:
            _refuse(1001, "ArgsError", detail="unknown sessionType")
        message = self._stored(
            sender=body["sendID"],
            receiver=receiver,
            group=group,
            nickname=body.get("senderNickname", ""),
            content_type=kind,
            content=_json(body["content"]),
            msg_from=wire.FROM_SYSTEM,
            send_time=body.get("sendTime") or self._millis(),
            ex=body.get("ex", ""),
            session=session,
            client_id=client_id,
            is_kept=not body.get("isOnlineOnly", False),
        )
        if not body.get("isOnlineOnly", False):
            self.stored.append(message)
        self._accept(message, body=body, operation=operation)
        return message

    def _accept(self, message: Stored, *, body: Mapping[str, Any], operation: str) -> None:
        text = documented.words_of(message.content_type, body["content"])
        accepted = Accepted(
            number=len(self.accepted) + 1,
            id=message.client_id,
            sender=message.sender,
            conversation=f"group/{message.group}" if message.group else f"user/{message.receiver}",
            content_type=message.content_type,
            text=text,
            content=body["content"],
            ex=message.ex,
            operation=operation,
            send_time=message.send_time,
            online_only=body.get("isOnlineOnly", False),
            nickname=message.nickname,
            body=body,
        )
        self.accepted.append(accepted)
        self._feed.tell(
            "message",
            number=accepted.number,
            conversation=accepted.conversation,
            id=accepted.id,
            text=text,
            sender=accepted.sender,
            content_type=accepted.content_type,
        )

    def _check_group(self, sender: str, id: str) -> None:
        group = self.groups.get(id)
        if group is None:
            _refuse(1201, "GroupIDNotFoundError")
        if group.status == 2:
            _refuse(1204, "DismissedAlreadyError")
        user = self.users.get(sender)
        if user is not None and user.level == 2:
            return
        if sender not in group.members:
            _refuse(1203, "NotInGroupYetError")
        if group.members and sender == group.members[0]:
            return
        if sender in group.muted:
            _refuse(1402, "MutedInGroup")
        if group.status == 3:
            _refuse(1403, "MutedGroup")

    def _check_single(self, sender: str, receiver: str, *, is_notification: bool) -> None:
        user = self.users.get(sender)
        if not is_notification and not (user is not None and user.level == 2):
            if user is None and self.line == "main":
                _refuse(1004, "RecordNotFoundError", detail=f": [1004]RecordNotFoundError userID {sender}")
            if (receiver, sender) in self.blocked:
                _refuse(1302, "BlockedByPeer")
            if self.friend_verify:
                _refuse(1303, "NotPeersFriend")
        if receiver not in self.users:
            _refuse(1004, "RecordNotFoundError", detail=": [1004]RecordNotFoundError")
        if receiver in self.closed:
            _refuse(1001, "message is not sent")

    async def _business(self, _: Request, body: Mapping[str, Any]) -> dict[str, object]:
        if body["recvUserID"] not in self.users:
            _refuse(1004, "RecordNotFoundError")
        self._feed.tell("notification", receiver=body["recvUserID"], key=body.get("key", ""))
        return {
            "serverMsgID": self._new_id("server"),
            "clientMsgID": self._new_id("client"),
            "sendTime": self._millis(),
        }

    async def _status(self, request: Request, _: Mapping[str, Any]) -> dict[str, object]:
        return {"status": self.statuses.get(request.headers["operationid"], wire.STATUS_UNKNOWN)}

    async def _search(self, _: Request, body: Mapping[str, Any]) -> dict[str, object]:
        day = None
        if body.get("sendTime"):
            try:
                day = datetime.strptime(body["sendTime"] + " +0000", "%Y-%m-%d %z")
            except ValueError as error:
                raise _Refusal(1001, "ArgsError", detail="invalid sendTime") from error
        begin = None if day is None else int(day.timestamp() * 1000)
        found = [
            message
            for message in self.stored
            if (not body.get("sendID") or message.sender == body["sendID"])
            and (not body.get("recvID") or body["recvID"] in (message.receiver, message.group))
            and (not body.get("contentType") or message.content_type == body["contentType"])
            and (not body.get("sessionType") or message.session_type == body["sessionType"])
            and (begin is None or begin <= message.send_time < begin + 86_400_000)
        ]
        page, show = body["pagination"]["pageNumber"], body["pagination"]["showNumber"]
        rows = [{"chatLog": _log(message), "isRevoked": message.revoked} for message in found]
        return {"chatLogs": rows[(page - 1) * show : page * show] or None, "chatLogsNum": len(found)}

    async def _revoke(self, _: Request, body: Mapping[str, Any]) -> dict[str, object]:
        if body["userID"] not in self.users or body["seq"] < 1:
            _refuse(1004, "RecordNotFoundError")
        wanted = (body["conversationID"], body["seq"])
        found = next((each for each in self.stored if (each.conversation, each.seq) == wanted), None)
        if found is None:
            _refuse(1004, "RecordNotFoundError", detail="msg not found")
        if found.revoked:
            _refuse(1404, "MsgAlreadyRevoke")
        await self._take_back(found, user=body["userID"])
        return {}

    async def _take_back(self, message: Stored, *, user: str) -> int:
        self.stored[self.stored.index(message)] = replace(message, revoked=True)
        self._feed.tell("revoked", conversation=self._talk_of(message), id=message.client_id)
        about = {"conversationID": message.conversation, "seq": message.seq, "userID": user}
        status = await self._tell(wire.AFTER_REVOKE, {"callbackCommand": wire.AFTER_REVOKE, **about})
        await self._tell_notice(2101, message.group, receiver=message.receiver, sender=user)
        return status

    async def _newest(self, _: Request, body: Mapping[str, Any]) -> dict[str, object]:
        user = body["userID"]
        mine = {
            message.conversation: self._seqs[message.conversation]
            for message in self.stored
            if user in (message.sender, message.receiver)
            or (message.group and user in self.groups[message.group].members)
        }
        return {"maxSeqs": mine, "minSeqs": dict.fromkeys(mine, 0)}

    async def _time(self, _: Request, body: Mapping[str, Any]) -> dict[str, object]:
        return {"serverTime": self._millis()}

    async def _register(self, _: Request, body: Mapping[str, Any]) -> dict[str, object]:
        if any(user["userID"] in self.users for user in body["users"]):
            _refuse(1102, "RegisteredAlreadyError")
        for user in body["users"]:
            self.users[user["userID"]] = User(user["userID"], user["nickname"], user.get("faceURL", ""))
            self._feed.tell("user", id=user["userID"], nickname=user["nickname"])
        return {}

    async def _users_info(self, _: Request, body: Mapping[str, Any]) -> dict[str, object]:
        found = [self.users[id] for id in body["userIDs"] if id in self.users]
        return {"usersInfo": [_info(user) for user in found] or None}

    async def _update_user(self, _: Request, body: Mapping[str, Any]) -> dict[str, object]:
        about = body["userInfo"]
        user = self.users.get(about["userID"])
        if user is None:
            _refuse(1004, "RecordNotFoundError")
        nickname, face_url = about.get("nickname", user.nickname), about.get("faceURL", user.face_url)
        self.users[user.id] = replace(user, nickname=nickname, face_url=face_url)
        self._feed.tell("user", id=user.id, nickname=nickname)
        return {}

    async def _notification_account(self, _: Request, body: Mapping[str, Any]) -> dict[str, object]:
        level, id = body.get("appMangerLevel", 0), body.get("userID") or str(9_000_000_000 + next(self._numbers))
        if level not in (3, 4):
            _refuse(1001, "ArgsError", detail="app level not supported")
        if id in self.users:
            _refuse(1001, "ArgsError", detail="userID is used")
        self.users[id] = User(id, body["nickName"], body.get("faceURL", ""), level)
        self._feed.tell("user", id=id, nickname=body["nickName"])
        return {"userID": id, "nickName": body["nickName"], "faceURL": body.get("faceURL", ""), "appMangerLevel": level}

    async def _members(self, _: Request, body: Mapping[str, Any]) -> dict[str, object]:
        group = self.groups.get(body["groupID"])
        if group is None:
            _refuse(1201, "GroupIDNotFoundError")
        rows = [
            {
                "groupID": group.id,
                "userID": id,
                "nickname": self.users[id].nickname,
                "roleLevel": 100 if number == 0 else 20,
            }
            for number, id in enumerate(group.members)
        ]
        return {"total": len(rows), "members": _paged(rows, body)}

    async def _joined(self, _: Request, body: Mapping[str, Any]) -> dict[str, object]:
        rows = [
            {
                "groupID": group.id,
                "groupName": group.name,
                "memberCount": len(group.members),
                "status": group.status,
                "groupType": 2,
            }
            for group in self.groups.values()
            if body["fromUserID"] in group.members
        ]
        return {"total": len(rows), "groups": _paged(rows, body)}

    async def _invite(self, request: Request, body: Mapping[str, Any]) -> dict[str, object]:
        group = self.groups.get(body["groupID"])
        if group is None:
            _refuse(1201, "GroupIDNotFoundError")
        if group.status == 2:
            _refuse(1204, "DismissedAlreadyError")
        if unknown := [id for id in body["invitedUserIDs"] if id not in self.users]:
            _refuse(1004, "RecordNotFoundError", detail=f"userIDs {unknown[:3]}")
        if any(id in group.members for id in body["invitedUserIDs"]):
            _refuse(1001, "ArgsError", detail="user in group")
        group.members.extend(body["invitedUserIDs"])
        self._feed.tell("group", id=group.id, members=list(group.members))
        await self._tell_notice(1509, group.id, receiver="", sender=self.admin)
        return {}

    # Files

    async def _initiate(self, request: Request, body: Mapping[str, Any]) -> dict[str, object]:
        if not 0 < body["size"] <= OBJECT_BYTES_MOST:
            _refuse(1001, "ArgsError", detail="size must be greater than 0")
        key = f"openim/direct/{self._new_id(body['name'])}"
        id = base64.b64encode(_json({**body, "key": key}).encode()).decode().rstrip("=")
        self._uploads[id] = {**body, "key": key, "data": None, "expires_at": self._clock() + timedelta(minutes=10)}
        while len(self._uploads) > OBJECTS_MOST:
            del self._uploads[next(iter(self._uploads))]
        return {
            "id": id,
            "url": f"{str(request.base_url).rstrip('/')}/storage",
            "file": "file",
            "header": None,
            "formData": {"key": key, "policy": id, "Content-Type": body.get("contentType", "")},
            "expires": self._millis() + 600_000,
            "successCodes": [200, 204],
        }

    async def _store_object(self, request: Request) -> Response:
        """The storage, which is another server: it wants its form and no token."""
        async with request.form(max_part_size=OBJECT_BYTES_MOST) as form:
            upload = self._uploads.get(str(form.get("policy", "")))
            file = form.get("file")
            status = 204
            if upload is None or form.get("key") != upload["key"] or not isinstance(file, UploadFile):
                status = 403
            elif set(request.headers) & {"token", "operationid"}:
                status = 400
            else:
                data = await file.read()
                status = 204 if len(data) == upload["size"] else 400
                upload["data"] = data if status == 204 else None
        self.calls.append(Call("POST", "/storage", status))
        return Response(status_code=status)

    async def _complete(self, _: Request, body: Mapping[str, Any]) -> dict[str, object]:
        upload = self._uploads.get(body["id"])
        if upload is None:
            _refuse(1001, "ArgsError", detail="invalid id")
        if upload["data"] is None or self._clock() >= upload["expires_at"]:
            _refuse(1701, "FileUploadedExpiredError")
        del self._uploads[body["id"]]
        self._keep_object(upload["name"], upload["data"], upload.get("contentType", ""))
        return {"url": body.get("urlPrefix", "") + upload["name"]}

    def _keep_object(self, name: str, data: bytes, media_type: str) -> None:
        self.objects[name] = (data, media_type)
        while len(self.objects) > OBJECTS_MOST:
            del self.objects[next(iter(self.objects))]

    async def _redirect_object(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in self.objects:
            return PlainTextResponse("not found", status_code=404)
        return RedirectResponse(f"{str(request.base_url).rstrip('/')}/storage/{name}?signed=1", status_code=302)

    async def _stored_object(self, request: Request) -> Response:
        found = self.objects.get(request.path_params["name"])
        if found is None or request.query_params.get("signed") != "1":
            return PlainTextResponse("forbidden", status_code=403)
        return Response(found[0], media_type=found[1] or "application/octet-stream")

    # Messages and webhooks

    def _stored(
        self,
        *,
        sender: str,
        receiver: str,
        group: str,
        nickname: str,
        content_type: int,
        content: str,
        msg_from: int,
        send_time: int,
        ex: str,
        session: int = 0,
        client_id: str = "",
        is_kept: bool = True,
    ) -> Stored:
        session = session or (wire.GROUP if group else wire.SINGLE)
        conversation = wire.conversation_of_group(group) if group else wire.conversation_of_two(sender, receiver)
        if session == wire.NOTIFICATION:
            conversation = "sn_" + conversation.removeprefix("si_")
        if is_kept:
            self._seqs[conversation] = self._seqs.get(conversation, 0) + 1
        return Stored(
            conversation=conversation,
            seq=self._seqs.get(conversation, 0) if is_kept else 0,
            client_id=client_id or self._new_id(sender),
            server_id=self._new_id("server"),
            sender=sender,
            receiver=receiver,
            group=group,
            nickname=nickname,
            content_type=content_type,
            content=content,
            session_type=session,
            msg_from=msg_from,
            send_time=send_time,
            ex=ex,
        )

    async def _tell_accepted(self, message: Stored, *, body: Mapping[str, Any], operation: str) -> None:
        """The webhook leaves before the answer to the send does; a notification account's causes none."""
        if message.session_type == wire.NOTIFICATION:
            return
        mentioned = None
        if message.content_type == wire.AT_TEXT and self.line == "main":
            mentioned = body["content"]["atUserList"]
        platform = body.get("senderPlatformID", 0)
        await self._tell_message(message, operation=operation, platform=platform, status=0, mentioned=mentioned)

    async def _tell_message(
        self, message: Stored, *, operation: str, platform: int, status: int, mentioned: object = None
    ) -> None:
        command = wire.AFTER_GROUP if message.group else wire.AFTER_SINGLE
        place = {"groupID": message.group} if message.group else {"recvID": message.receiver}
        body: dict[str, object] = {
            "sendID": message.sender,
            "callbackCommand": command,
            "serverMsgID": message.server_id,
            "clientMsgID": message.client_id,
            "operationID": operation,
            "senderPlatformID": platform,
            "senderNickname": message.nickname,
            "sessionType": message.session_type,
            "msgFrom": message.msg_from,
            "contentType": message.content_type,
            "status": status,
            "sendTime": message.send_time,
            "createTime": message.send_time,
            "content": message.content,
            "seq": 0,
            "atUserList": mentioned,
            "faceURL": self.users[message.sender].face_url if message.sender in self.users else "",
            "ex": message.ex,
            **place,
        }
        await self._tell(command, body, operation=operation, is_keyed=True)
        if self.saves_told and message.seq and message.content_type < wire.NOTIFICATIONS_FROM:
            saved = {**body, "callbackCommand": wire.AFTER_SAVED, "seq": message.seq}
            saved |= {"recvID": message.receiver, "groupID": message.group}
            await self._tell(wire.AFTER_SAVED, saved, operation=operation, is_keyed=True)

    async def _tell_notice(self, kind: int, group: str, *, receiver: str, sender: str) -> None:
        """The server's own notice about a change: only the stable line tells it as a message."""
        if self.line != "stable":
            return
        notice = self._stored(
            sender=sender,
            receiver=receiver,
            group=group,
            nickname="",
            content_type=kind,
            content=_json({"detail": "{}"}),
            msg_from=wire.FROM_SYSTEM,
            send_time=self._millis(),
            ex="",
            is_kept=False,
        )
        await self._tell_message(notice, operation=str(self._millis()), platform=0, status=0)

    async def _tell(self, command: str, body: dict[str, object], *, operation: str = "", is_keyed: bool = False) -> int:
        """Post one webhook, or lose or hold it; returns the HTTP status, 0 where there was none."""
        if self.hook_url is None:
            return 0
        if self.drop_every and next(self._hooks) % self.drop_every == 0:
            return 0
        if self.reordered:
            if self._held is None:
                self._held = (command, body, operation)
                return 0
            held, self._held = self._held, None
            status = await self._post(command, body, operation=operation, is_keyed=is_keyed)
            await self._post(held[0], held[1], operation=held[2], is_keyed=is_keyed)
            return status
        return await self._post(command, body, operation=operation, is_keyed=is_keyed)

    async def _post(self, command: str, body: dict[str, object], *, operation: str, is_keyed: bool) -> int:
        url = f"{self.hook_url}/{command}"
        if is_keyed and self.line == "main":
            place = {name: body.get(name, "") for name in ("sendID", "recvID", "groupID")}
            url += f"?key={base64.b64encode(_json(place).encode()).decode()}"
        headers = {"Content-Type": "application/json; charset=utf-8", "operationID": operation or str(self._millis())}
        try:
            answer = await self._connections().post(
                url, content=_json(body), headers=headers, timeout=CALLBACK_TIMEOUT_S
            )
            status = answer.status_code
        except httpx.TransportError:
            status = 0  # lost: the server does not try again
        self.hooks_sent.append((command, status))
        self._feed.tell("webhook", command=command, status=status)
        return status

    def _talk_of(self, message: Stored) -> str:
        """Where a person looks for a message: a group, or the two who talk."""
        return f"group/{message.group}" if message.group else message.conversation

    def _millis(self) -> int:
        return int(self._clock().timestamp() * 1000)

    def _new_id(self, of: str) -> str:
        number = next(self._numbers)
        return hashlib.sha256(f"{of}-{number}".encode()).hexdigest()[:32]


def _json(value: object) -> str:
    # Go's encoder sorts the keys of what was decoded without a type, and the server stores what it gives.
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def _paged(rows: Sequence[Mapping[str, object]], body: Mapping[str, Any]) -> Sequence[Mapping[str, object]] | None:
    page, show = body["pagination"]["pageNumber"], body["pagination"]["showNumber"]
    return rows[(page - 1) * show : page * show] or None


def _info(user: User) -> dict[str, object]:
    return {
        "userID": user.id,
        "nickname": user.nickname,
        "faceURL": user.face_url,
        "appMangerLevel": 0 if user.level == 1 else user.level,
    }


def _log(message: Stored) -> dict[str, object]:
    return {
        "clientMsgID": message.client_id,
        "serverMsgID": message.server_id,
        "sendID": message.sender,
        "recvID": message.receiver,
        "groupID": message.group,
        "contentType": message.content_type,
        "content": message.content,
        "seq": message.seq,
        "sendTime": message.send_time,
        "ex": message.ex,
    }


def _shown(message: Stored) -> dict[str, object]:
    try:
        content = json.loads(message.content)
    except ValueError:
        content = {}
    return {
        "id": message.client_id,
        "seq": message.seq,
        "sender": message.sender,
        "nickname": message.nickname,
        "content_type": message.content_type,
        "text": documented.words_of(message.content_type, wire.object_of(content)),
        "send_time": message.send_time,
        "revoked": message.revoked,
    }


Sandbox = OpenIMSandbox
