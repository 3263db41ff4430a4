"""What an OpenIM server knows and which rules it keeps, for the sandbox: no HTTP in here.

The checks of a send come in the order of the code (open-im-server internal/rpc/msg/verify.go, 2026-11).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, NoReturn

from bridges.openim import documented, wire

GROUP_ID = "2839001122"
RETIRED_AFTER = timedelta(minutes=5)


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


class Refusal(Exception):
    """A call that is answered with an error: its code, its name and the words behind it."""

    def __init__(self, code: int, name: str, *, detail: str = "", status: int = 200, retry_after: int = 0) -> None:
        super().__init__(name)
        self.code, self.name, self.detail, self.status, self.retry_after = code, name, detail, status, retry_after


def refuse(code: int, name: str, *, detail: str = "") -> NoReturn:
    """Raise a :class:`Refusal`, which is answered with HTTP 200."""
    raise Refusal(code, name, detail=detail)


class World:
    """One server. ``tell`` is called on every change, with its kind and fields."""

    def __init__(
        self,
        *,
        line: wire.Line,
        secret: str,
        admin: str,
        clock: Callable[[], datetime],
        token_life_s: int,
        friend_verify: bool,
        tell: Callable[..., None],
    ) -> None:
        self.line: wire.Line = line
        self.secret = secret
        self.admin = admin
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
        self.accepted: list[Accepted] = []
        """Messages that the API took, in the order in which it did."""
        self.stored: list[Stored] = []
        self.operations: set[str] = set()
        self.statuses: dict[str, int] = {}
        self.tokens: dict[str, Issued] = {}
        self.objects: dict[str, tuple[bytes, str]] = {}
        self.clock = clock
        self._seqs: dict[str, int] = {}
        self._numbers = itertools.count(1)
        self._changed = tell

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

    # Calls that only look up or change what is known; the body is bound already

    def admin_token(self, body: Mapping[str, Any]) -> dict[str, object]:
        """A token for an admin who knows the secret."""
        if not hmac.compare_digest(body["secret"].encode(), self.secret.encode()):
            refuse(1002, "NoPermissionError", detail="secret invalid")
        user = self.users.get(body["userID"])
        if user is None or user.level != 2:
            refuse(1001, "ArgsError", detail="userID is error.")
        now = self.clock()
        if self.line == "main":
            # A new one retires those before it, which go on for five minutes.
            for token, issued in self.tokens.items():
                if issued.user == user.id and issued.retired_at is None:
                    self.tokens[token] = replace(issued, retired_at=now + RETIRED_AFTER)
        token = f"eyJ{secrets.token_urlsafe(32)}"
        self.tokens[token] = Issued(user.id, now + timedelta(seconds=self.token_life_s))
        return {"token": token, "expireTimeSeconds": self.token_life_s}

    def business(self, body: Mapping[str, Any]) -> dict[str, object]:
        """Take a business notification; clients show it as they like."""
        if body["recvUserID"] not in self.users:
            refuse(1004, "RecordNotFoundError")
        self._changed("notification", receiver=body["recvUserID"], key=body.get("key", ""))
        return {
            "serverMsgID": self.new_id("server"),
            "clientMsgID": self.new_id("client"),
            "sendTime": self.millis(),
        }

    def search(self, body: Mapping[str, Any]) -> dict[str, object]:
        """Stored messages, the oldest first. A group is found by it only where a sender put it into recvID."""
        day = None
        if body.get("sendTime"):
            try:
                day = datetime.strptime(body["sendTime"] + " +0000", "%Y-%m-%d %z")
            except ValueError as error:
                raise Refusal(1001, "ArgsError", detail="invalid sendTime") from error
        begin = None if day is None else int(day.timestamp() * 1000)
        found = [
            message
            for message in self.stored
            if (not body.get("sendID") or message.sender == body["sendID"])
            and (not body.get("recvID") or message.receiver == body["recvID"])
            and (not body.get("contentType") or message.content_type == body["contentType"])
            and (not body.get("sessionType") or message.session_type == body["sessionType"])
            and (begin is None or begin <= message.send_time < begin + 86_400_000)
        ]
        page, show = body["pagination"]["pageNumber"], body["pagination"]["showNumber"]
        rows = [{"chatLog": log_of(message), "isRevoked": message.revoked} for message in found]
        return {"chatLogs": rows[(page - 1) * show : page * show] or None, "chatLogsNum": len(found)}

    def newest(self, body: Mapping[str, Any]) -> dict[str, object]:
        """The latest number of each conversation of a user."""
        user = body["userID"]
        mine = {
            message.conversation: self._seqs[message.conversation]
            for message in self.stored
            if user in (message.sender, message.receiver)
            or (message.group and user in self.groups[message.group].members)
        }
        return {"maxSeqs": mine, "minSeqs": dict.fromkeys(mine, 0)}

    def pull(self, body: Mapping[str, Any]) -> dict[str, object]:
        """Messages by their numbers, to a user who has the conversation; contents as Go writes bytes."""
        pulled: dict[str, object] = {}
        for wanted in body["seqRanges"]:
            numbers = range(wanted["begin"], wanted["end"] + 1)
            rows = [
                _pulled(message)
                for message in self.stored
                if message.conversation == wanted["conversationID"]
                and message.seq in numbers
                and self._has(body["userID"], message)
            ]
            pulled[wanted["conversationID"]] = {"Msgs": rows[: wanted["num"]] or None, "isEnd": True}
        return {"msgs": pulled, "notificationMsgs": {}}

    def _has(self, user: str, message: Stored) -> bool:
        if message.group:
            return user in self.groups[message.group].members
        return user in (message.sender, message.receiver)

    def register(self, body: Mapping[str, Any]) -> dict[str, object]:
        """Make users: all of them or none."""
        if any(user["userID"] in self.users for user in body["users"]):
            refuse(1102, "RegisteredAlreadyError")
        for user in body["users"]:
            self.users[user["userID"]] = User(user["userID"], user["nickname"], user.get("faceURL", ""))
            self._changed("user", id=user["userID"], nickname=user["nickname"])
        return {}

    def users_info(self, body: Mapping[str, Any]) -> dict[str, object]:
        """The users there are of those asked for."""
        found = [self.users[id] for id in body["userIDs"] if id in self.users]
        return {"usersInfo": [info_of(user) for user in found] or None}

    def update_user(self, body: Mapping[str, Any]) -> dict[str, object]:
        """Change the fields that are given."""
        about = body["userInfo"]
        user = self.users.get(about["userID"])
        if user is None:
            refuse(1004, "RecordNotFoundError")
        nickname, face_url = about.get("nickname", user.nickname), about.get("faceURL", user.face_url)
        self.users[user.id] = replace(user, nickname=nickname, face_url=face_url)
        self._changed("user", id=user.id, nickname=nickname)
        return {}

    def notification_account(self, body: Mapping[str, Any]) -> dict[str, object]:
        """Make an account that notifications come from."""
        level, id = body.get("appMangerLevel", 0), body.get("userID") or str(9_000_000_000 + next(self._numbers))
        if level not in (3, 4):
            refuse(1001, "ArgsError", detail="app level not supported")
        if id in self.users:
            refuse(1001, "ArgsError", detail="userID is used")
        self.users[id] = User(id, body["nickName"], body.get("faceURL", ""), level)
        self._changed("user", id=id, nickname=body["nickName"])
        return {"userID": id, "nickName": body["nickName"], "faceURL": body.get("faceURL", ""), "appMangerLevel": level}

    def members(self, body: Mapping[str, Any]) -> dict[str, object]:
        """A page of a group's members."""
        group = self.groups.get(body["groupID"])
        if group is None:
            refuse(1201, "GroupIDNotFoundError")
        rows = [
            {
                "groupID": group.id,
                "userID": id,
                "nickname": self.users[id].nickname,
                "roleLevel": 100 if number == 0 else 20,
            }
            for number, id in enumerate(group.members)
        ]
        return {"total": len(rows), "members": paged(rows, body)}

    def joined(self, body: Mapping[str, Any]) -> dict[str, object]:
        """A page of a user's groups."""
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
        return {"total": len(rows), "groups": paged(rows, body)}

    # Messages

    def check_content(self, body: Mapping[str, Any]) -> None:
        """Raise ``Refusal`` for a kind that this line does not send, or a content that is not of its kind."""
        kind = body["contentType"]
        if kind not in wire.SENDABLE[self.line]:
            refuse(1001, "ArgsError")
        if kind == wire.OA_NOTIFICATION:
            account = self.users.get(body["sendID"])
            if account is None or account.level != 3:
                refuse(1004, "RecordNotFoundError", detail="notification account not found")
        try:
            documented.check_element(kind, body["content"])
        except documented.Invalid as error:
            raise Refusal(500, "ServerInternalError", detail=str(error)) from error

    def take(self, body: Mapping[str, Any], *, receiver: str, operation: str, client_id: str = "") -> Stored:
        """Check a send in the server's order and take it; raises ``Refusal``."""
        self.check_content(body)
        kind = body["contentType"]
        session = wire.NOTIFICATION if kind == wire.OA_NOTIFICATION else body["sessionType"]
        group = body.get("groupID", "") if session == wire.GROUP else ""
        if session == wire.GROUP:
            self.check_group(body["sendID"], group)
        elif session in (wire.SINGLE, wire.NOTIFICATION):
            self.check_single(body["sendID"], receiver, is_notification=session == wire.NOTIFICATION)
        else:
            refuse(1001, "ArgsError", detail="unknown sessionType")
        message = self.make(
            sender=body["sendID"],
            receiver=receiver,
            group=group,
            nickname=body.get("senderNickname", ""),
            content_type=kind,
            content=json_of(body["content"]),
            msg_from=wire.FROM_SYSTEM,
            send_time=body.get("sendTime") or self.millis(),
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
        self._changed(
            "message",
            number=accepted.number,
            conversation=accepted.conversation,
            id=accepted.id,
            text=text,
            sender=accepted.sender,
            content_type=accepted.content_type,
        )

    def check_group(self, sender: str, id: str) -> None:
        """Raise ``Refusal`` unless this sender may write to this group."""
        group = self.groups.get(id)
        if group is None:
            refuse(1201, "GroupIDNotFoundError")
        if group.status == 2:
            refuse(1204, "DismissedAlreadyError")
        user = self.users.get(sender)
        if user is not None and user.level == 2:
            return
        if sender not in group.members:
            refuse(1203, "NotInGroupYetError")
        if group.members and sender == group.members[0]:
            return
        if sender in group.muted:
            refuse(1402, "MutedInGroup")
        if group.status == 3:
            refuse(1403, "MutedGroup")

    def check_single(self, sender: str, receiver: str, *, is_notification: bool) -> None:
        """Raise ``Refusal`` unless this sender may write to this user."""
        user = self.users.get(sender)
        if not is_notification and not (user is not None and user.level == 2):
            if user is None and self.line == "main":
                refuse(1004, "RecordNotFoundError", detail=f": [1004]RecordNotFoundError userID {sender}")
            if (receiver, sender) in self.blocked:
                refuse(1302, "BlockedByPeer")
            if self.friend_verify:
                refuse(1303, "NotPeersFriend")
        if receiver not in self.users:
            refuse(1004, "RecordNotFoundError", detail=": [1004]RecordNotFoundError")
        if receiver in self.closed:
            refuse(1001, "message is not sent")

    def make(
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
        """A message with its ids, and with its number where it is kept."""
        session = session or (wire.GROUP if group else wire.SINGLE)
        conversation = wire.conversation_of_group(group) if group else wire.conversation_of_two(sender, receiver)
        if session == wire.NOTIFICATION:
            conversation = "sn_" + conversation.removeprefix("si_")
        if is_kept:
            self._seqs[conversation] = self._seqs.get(conversation, 0) + 1
        return Stored(
            conversation=conversation,
            seq=self._seqs.get(conversation, 0) if is_kept else 0,
            client_id=client_id or self.new_id(sender),
            server_id=self.new_id("server"),
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

    def talk_of(self, message: Stored) -> str:
        """Where a person looks for a message: a group, or the two who talk."""
        return f"group/{message.group}" if message.group else message.conversation

    def millis(self) -> int:
        """The server's clock."""
        return int(self.clock().timestamp() * 1000)

    def new_id(self, of: str) -> str:
        """An id that was not given out before."""
        number = next(self._numbers)
        return hashlib.sha256(f"{of}-{number}".encode()).hexdigest()[:32]


def json_of(value: object) -> str:
    """Compact JSON text."""
    # Go's encoder sorts the keys of what was decoded without a type, and the server stores what it gives.
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def _pulled(message: Stored) -> dict[str, object]:
    kind, content = message.content_type, message.content
    if message.revoked:
        about = {"clientMsgID": message.client_id, "seq": message.seq, "sourceMessageSendID": message.sender}
        kind, content = wire.REVOKED, json_of({"detail": json_of(about)})
    return {
        "sendID": message.sender,
        "recvID": message.receiver,
        "groupID": message.group,
        "clientMsgID": message.client_id,
        "serverMsgID": message.server_id,
        "sessionType": message.session_type,
        "msgFrom": message.msg_from,
        "contentType": kind,
        "content": base64.b64encode(content.encode()).decode(),
        "seq": message.seq,
        "sendTime": message.send_time,
        "ex": message.ex,
    }


def log_of(message: Stored) -> dict[str, object]:
    """A row of search_msg."""
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


def shown(message: Stored) -> dict[str, object]:
    """A message as a page shows it."""
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


def info_of(user: User) -> dict[str, object]:
    """A user as get_users_info gives it."""
    return {
        "userID": user.id,
        "nickname": user.nickname,
        "faceURL": user.face_url,
        "appMangerLevel": 0 if user.level == 1 else user.level,
    }


def paged(rows: Sequence[Mapping[str, object]], body: Mapping[str, Any]) -> Sequence[Mapping[str, object]] | None:
    """The page that a body asks for; Go writes null for none."""
    page, show = body["pagination"]["pageNumber"], body["pagination"]["showNumber"]
    return rows[(page - 1) * show : page * show] or None
