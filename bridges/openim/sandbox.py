"""A strict stand-in for an OpenIM server on loopback: its REST API, its storage and its webhooks.

As the documents say, and where they are silent as the code of the line that it plays does
(https://github.com/openimsdk/open-im-server, 2026-11; see ``wire.py`` and ``documented.py``).
"""

from __future__ import annotations

import base64
import itertools
import json
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from bridges.openim import documented, wire
from bridges.openim.world import GROUP_ID, Accepted, Group, Issued, Refusal, Stored, User, World, json_of, refuse, shown
from bridges.sandboxes import CALLS_MOST, Call, Clock, Feed, Listener, Outlet, utc_now

__all__ = ["GROUP_ID", "Accepted", "Group", "Issued", "OpenIMSandbox", "Sandbox", "Stored", "User"]

OBJECTS_MOST = 200
OBJECT_BYTES_MOST = 25_000_000
OPERATIONS_MOST = 500_000
_NEEDS_NO_TOKEN = frozenset({wire.GET_ADMIN_TOKEN})


class OpenIMSandbox(World):
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
        self._feed = Feed()
        super().__init__(
            line=line,
            secret=secret,
            admin=admin,
            clock=clock,
            token_life_s=token_life_s,
            friend_verify=friend_verify,
            tell=self._feed.tell,
        )
        self.hook_url = hook_url
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
        self.reused: list[str] = []
        """operationIDs that came a second time, other than to ask what became of them."""
        self.calls: deque[Call] = deque(maxlen=CALLS_MOST)
        self.hooks_sent: deque[tuple[str, int]] = deque(maxlen=CALLS_MOST)
        """Commands of webhooks with how they were answered; 0: not at all."""
        self._uploads: dict[str, dict[str, Any]] = {}
        self._held: tuple[str, dict[str, object], str] | None = None
        self._hooks = itertools.count(1)
        self.outlet = Outlet(client)
        handlers = {
            wire.GET_ADMIN_TOKEN: _plain(self.admin_token),
            wire.SEND_MSG: self._send,
            wire.BATCH_SEND_MSG: self._batch,
            wire.BUSINESS_NOTIFICATION: _plain(self.business),
            wire.CHECK_SEND: self._status,
            wire.SEARCH_MSG: _plain(self.search),
            wire.REVOKE_MSG: self._revoke,
            wire.NEWEST_SEQ: _plain(self.newest),
            wire.PULL_BY_SEQ: _plain(self.pull),
            wire.SERVER_TIME: _plain(lambda _: {"serverTime": self.millis()}),
            wire.USER_REGISTER: _plain(self.register),
            wire.USERS_INFO: _plain(self.users_info),
            wire.UPDATE_USER: _plain(self.update_user),
            wire.ADD_NOTIFICATION_ACCOUNT: _plain(self.notification_account),
            wire.GROUP_MEMBERS: _plain(self.members),
            wire.JOINED_GROUPS: _plain(self.joined),
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
                talks.setdefault(self.talk_of(message), []).append(shown(message))
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

    async def say(self, user: str, place: str, text: str) -> str:
        """Somebody writes to ``group/<id>`` or ``user/<id>``; returns the message's id. Raises ``LookupError``."""
        return await self.say_element(user, place, wire.TEXT, {"content": text})

    async def say_picture(
        self,
        user: str,
        place: str,
        data: bytes,
        *,
        name: str = "p1.png",
        media_type: str = "image/png",
        base_url: str,
    ) -> str:
        """Somebody sends a picture, which is found below ``base_url`` as the server's own address."""
        self._keep_object(name, data, media_type)
        url = f"{base_url}{wire.OBJECTS}{name}"
        picture = {
            "uuid": name,
            "type": media_type.rpartition("/")[2],
            "size": len(data),
            "width": 8,
            "height": 6,
            "url": url,
        }
        shown = {"sourcePicture": picture, "bigPicture": picture, "snapshotPicture": picture}
        return await self.say_element(user, place, wire.PICTURE, {"sourcePath": "", **shown})

    async def say_element(self, user: str, place: str, content_type: int, content: Mapping[str, Any]) -> str:
        """Somebody sends any element from a client of their own."""
        kind, _, id = place.partition("/")
        if user not in self.users or id not in (self.groups if kind == "group" else self.users):
            raise LookupError(f"there is no {user} or no {place}")
        if kind == "group" and user not in self.groups[id].members:
            raise LookupError(f"{user} is not in {place}")
        message = self.make(
            sender=user,
            receiver="" if kind == "group" else id,
            group=id if kind == "group" else "",
            nickname=self.users[user].nickname,
            content_type=content_type,
            content=json_of(content),
            msg_from=wire.FROM_USER,
            send_time=self.millis(),
            ex="",
        )
        self.stored.append(message)
        self._feed.tell("said", conversation=self.talk_of(message), **shown(message))
        at = content.get("atUserList") if content_type == wire.AT_TEXT else None
        await self._tell_message(message, operation=str(self.millis()), platform=5, status=1, mentioned=at)
        return message.client_id

    async def take_back(self, user: str, client_id: str) -> int:
        """Somebody takes a message back; returns how the webhook was answered. Raises ``LookupError``."""
        found = next((each for each in self.stored if each.client_id == client_id), None)
        if found is None:
            raise LookupError(f"there is no message {client_id}")
        return await self._take_back(found, user=user)

    async def leave(self, user: str, group: str) -> int:
        """Somebody leaves a group; returns how the webhook was answered. Raises ``LookupError``."""
        self._check_member(user, group)
        self.groups[group].members.remove(user)
        self._feed.tell("group", id=group, members=list(self.groups[group].members))
        return await self._tell(wire.AFTER_QUIT, {"callbackCommand": wire.AFTER_QUIT, "groupID": group, "userID": user})

    async def kick(self, user: str, group: str, *, reason: str = "") -> int:
        """An admin puts somebody out of a group; returns how the webhook was answered. Raises ``LookupError``."""
        self._check_member(user, group)
        self.groups[group].members.remove(user)
        self._feed.tell("group", id=group, members=list(self.groups[group].members))
        about = {"groupID": group, "kickedUserIDs": [user], "reason": reason}
        return await self._tell(wire.AFTER_KICK, {"callbackCommand": wire.AFTER_KICK, **about})

    def _check_member(self, user: str, group: str) -> None:
        if group not in self.groups or user not in self.groups[group].members:
            raise LookupError(f"{user} is not in group/{group}")

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
        await self.outlet.close()

    # The API

    def _call(self, path: str, handle: Any) -> Any:
        async def endpoint(request: Request) -> Response:
            headers: dict[str, str] = {}
            try:
                if self.too_many_s:
                    raise Refusal(429, "too many requests", status=429, retry_after=self.too_many_s)
                self._check_caller(request, path)
                body = await self._bound(request, path)
                data = await handle(request, body)
                status, envelope = 200, {"errCode": 0, "errMsg": "", "errDlt": ""}
                if data:
                    envelope["data"] = data
            except Refusal as error:
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
            refuse(1001, "ArgsError", detail="header must have operationID")
        if path != wire.CHECK_SEND:
            if operation in self.operations:
                self.reused.append(operation)
            if len(self.operations) < OPERATIONS_MOST:
                self.operations.add(operation)
        if path in _NEEDS_NO_TOKEN:
            return
        token = request.headers.get("token", "")
        if not token:
            refuse(1001, "ArgsError", detail="header must have token")
        if self.clock_off:
            refuse(1504, "TokenNotValidYetError")
        issued, now = self.tokens.get(token), self.clock()
        if issued is None:
            if not token.startswith("eyJ"):
                refuse(1503, "TokenMalformedError")
            if self.line == "main":
                refuse(1507, "TokenNotExistError")
            refuse(1505, "token signature is invalid: signature is invalid")
        if now >= issued.expires_at:
            refuse(1501, "TokenExpiredError")
        if issued.retired_at is not None and now >= issued.retired_at:
            refuse(1507, "TokenNotExistError")

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
            raise Refusal(1001, name, detail=str(error), status=status) from error

    async def _not_found(self, request: Request, _: Exception) -> Response:
        self.calls.append(Call(request.method, request.url.path, 404))
        return PlainTextResponse("404 page not found", status_code=404)

    async def _send(self, request: Request, body: Mapping[str, Any]) -> dict[str, object]:
        operation = request.headers["operationid"]
        self.statuses[operation] = wire.STATUS_SENDING
        if len(self.statuses) > OPERATIONS_MOST:
            del self.statuses[next(iter(self.statuses))]
        try:
            message = self.take(body, receiver=body.get("recvID", ""), operation=operation)
        except Refusal:
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
        self.check_content(body)
        client_id = self.new_id(body["sendID"])  # one for all of them
        for receiver in receivers:
            try:
                message = self.take(body, receiver=receiver, operation=operation, client_id=client_id)
            except Refusal:
                failed.append(receiver)
                continue
            await self._tell_accepted(message, body=body, operation=operation)
            ids = {"serverMsgID": message.server_id, "clientMsgID": client_id, "sendTime": message.send_time}
            results.append({**ids, "recvID": receiver})
        return {"results": results or None, "failedUserIDs": failed or None}

    async def _status(self, request: Request, _: Mapping[str, Any]) -> dict[str, object]:
        return {"status": self.statuses.get(request.headers["operationid"], wire.STATUS_UNKNOWN)}

    async def _revoke(self, _: Request, body: Mapping[str, Any]) -> dict[str, object]:
        if body["userID"] not in self.users or body["seq"] < 1:
            refuse(1004, "RecordNotFoundError")
        wanted = (body["conversationID"], body["seq"])
        found = next((each for each in self.stored if (each.conversation, each.seq) == wanted), None)
        if found is None:
            refuse(1004, "RecordNotFoundError", detail="msg not found")
        if found.revoked:
            refuse(1404, "MsgAlreadyRevoke")
        await self._take_back(found, user=body["userID"])
        return {}

    async def _take_back(self, message: Stored, *, user: str) -> int:
        self.stored[self.stored.index(message)] = replace(message, revoked=True)
        self._feed.tell("revoked", conversation=self.talk_of(message), id=message.client_id)
        about = {"conversationID": message.conversation, "seq": message.seq, "userID": user}
        status = await self._tell(wire.AFTER_REVOKE, {"callbackCommand": wire.AFTER_REVOKE, **about})
        await self._tell_notice(wire.REVOKED, message.group, receiver=message.receiver, sender=user)
        return status

    async def _invite(self, request: Request, body: Mapping[str, Any]) -> dict[str, object]:
        group = self.groups.get(body["groupID"])
        if group is None:
            refuse(1201, "GroupIDNotFoundError")
        if group.status == 2:
            refuse(1204, "DismissedAlreadyError")
        if unknown := [id for id in body["invitedUserIDs"] if id not in self.users]:
            refuse(1004, "RecordNotFoundError", detail=f"userIDs {unknown[:3]}")
        if any(id in group.members for id in body["invitedUserIDs"]):
            refuse(1001, "ArgsError", detail="user in group")
        group.members.extend(body["invitedUserIDs"])
        self._feed.tell("group", id=group.id, members=list(group.members))
        await self._tell_notice(1509, group.id, receiver="", sender=self.admin)
        return {}

    # Files

    async def _initiate(self, request: Request, body: Mapping[str, Any]) -> dict[str, object]:
        if not 0 < body["size"] <= OBJECT_BYTES_MOST:
            refuse(1001, "ArgsError", detail="size must be greater than 0")
        key = f"openim/direct/{self.new_id(body['name'])}"
        id = base64.b64encode(json_of({**body, "key": key}).encode()).decode().rstrip("=")
        self._uploads[id] = {**body, "key": key, "data": None, "expires_at": self.clock() + timedelta(minutes=10)}
        while len(self._uploads) > OBJECTS_MOST:
            del self._uploads[next(iter(self._uploads))]
        return {
            "id": id,
            "url": f"{str(request.base_url).rstrip('/')}/storage",
            "file": "file",
            "header": None,
            "formData": {"key": key, "policy": id, "Content-Type": body.get("contentType", "")},
            "expires": self.millis() + 600_000,
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
            refuse(1001, "ArgsError", detail="invalid id")
        if upload["data"] is None or self.clock() >= upload["expires_at"]:
            refuse(1701, "FileUploadedExpiredError")
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
        notice = self.make(
            sender=sender,
            receiver=receiver,
            group=group,
            nickname="",
            content_type=kind,
            content=json_of({"detail": "{}"}),
            msg_from=wire.FROM_SYSTEM,
            send_time=self.millis(),
            ex="",
            is_kept=False,
        )
        await self._tell_message(notice, operation=str(self.millis()), platform=0, status=0)

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
            url += f"?key={base64.b64encode(json_of(place).encode()).decode()}"
        headers = {"Content-Type": "application/json; charset=utf-8", "operationID": operation or str(self.millis())}
        try:
            answer = await self.outlet.client.post(url, content=json_of(body), headers=headers)
            status = answer.status_code
        except httpx.TransportError:
            status = 0  # lost: the server does not try again
        self.hooks_sent.append((command, status))
        self._feed.tell("webhook", command=command, status=status)
        return status


def _plain(handle: Callable[[Mapping[str, Any]], Mapping[str, object]]) -> Any:
    """A call that needs nothing of the request but its body, and no webhook."""

    async def handler(_: Request, body: Mapping[str, Any]) -> Mapping[str, object]:
        return handle(body)

    return handler


Sandbox = OpenIMSandbox
