"""What an administrator can do with an OpenIM account beside sending."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from bridges.api import RECEIVED_AT, Flow, Operation
from bridges.errors import Garbled, Refused
from bridges.model import ConversationId
from bridges.openim import wire
from bridges.openim.answers import check_answer, code_of, data_of
from bridges.openim.calls import Calls, Place, check_id
from bridges.openim.content import Element, at_text
from bridges.openim.settings import OpenIMSettings
from bridges.responses import clean, quoted

PAGES_MOST = 50

SendElement = Callable[[Place, Element], Flow[str]]
"""Sends an element as the account itself and returns the message's id."""

_ROLES = {100: "owner", 60: "admin"}
_LEVELS = {2: "admin", 3: "notification account", 4: "robot"}
_STATES = {1: "banned", 2: "dismissed", 3: "muted"}


class Operations:
    """The look-ups and changes of one account."""

    def __init__(
        self,
        settings: OpenIMSettings,
        calls: Calls,
        *,
        check: Callable[[ConversationId], None],
        send: SendElement,
    ) -> None:
        self._settings = settings
        self._calls = calls
        self._check = check
        self._send = send

    def all(self) -> Sequence[Operation]:
        """Those that change nothing first."""
        return (
            Operation("groups", ("[USER]",), "groups that the account, or a user, is in", "", self._groups),
            Operation("members", ("GROUP",), "who is in a group", "2839001122", self._members),
            Operation("user", ("USER",), "whether there is such a user, and its name", "alice", self._user),
            Operation("time", (), "what time it is on the server", "", self._time),
            Operation(
                "invite", ("GROUP", "USER…"), "bring users into a group", "2839001122 alice bob", self._invite, True
            ),
            Operation("register", ("USER", "NAME…"), "make a new user", "helpdesk Help Desk", self._register, True),
            Operation(
                "notification-account",
                ("NAME…",),
                "make an account that `notify` can send as",
                "Deploy News",
                self._notification_account,
                True,
            ),
            Operation(
                "notify",
                ("ACCOUNT", "USER", "TEXT…"),
                "send a notification as a notification account",
                "9000000001 alice deploy finished",
                self._notify,
                True,
            ),
            Operation(
                "mention",
                ("GROUP", "USERS", "TEXT…"),
                "write to a group and call users by id (several with commas; all: everybody)",
                "2839001122 alice,bob please look",
                self._mention,
                True,
            ),
            Operation(
                "custom",
                ("ADDRESS", "DATA…"),
                "send a custom message, for clients that know its data",
                'group/2839001122 {"kind":"poll","id":7}',
                self._custom,
                True,
            ),
            Operation(
                "event",
                ("USER", "KEY", "DATA…"),
                "send a business notification, which clients show as they like or not at all",
                'alice order {"id":7}',
                self._event,
                True,
            ),
            Operation(
                "revoke",
                ("ADDRESS", "SEQ"),
                "take back the message with this number in the conversation",
                "group/2839001122 128",
                self._revoke,
                True,
            ),
        )

    def joined_groups(self, user: str) -> Flow[Sequence[wire.GroupInfo]]:
        """All groups that a user is in."""
        found: list[wire.GroupInfo] = []
        for page in range(1, PAGES_MOST + 1):
            body = {"fromUserID": user, "pagination": {"pageNumber": page, "showNumber": wire.PAGE}}
            what = "OpenIM list of groups"
            groups = (yield from self._calls.ask(wire.JOINED_GROUPS, body, wire.JoinedGroups, what=what)).groups or ()
            found.extend(groups)
            if len(groups) < wire.PAGE:
                break
        return found

    def _groups(self, words: Sequence[str]) -> Flow[str]:
        user = check_id(words[0], what="user") if words else self._settings.account
        groups = yield from self.joined_groups(user)
        lines = [f"group/{quoted(group.groupID)}  {group_detail(group)}".rstrip() for group in groups]
        return "\n".join(lines) or f"{user} is in no group"

    def _members(self, words: Sequence[str]) -> Flow[str]:
        group = check_id(words[0], what="group")
        lines: list[str] = []
        for page in range(1, PAGES_MOST + 1):
            body = {"groupID": group, "pagination": {"pageNumber": page, "showNumber": wire.PAGE}}
            what = "OpenIM list of members"
            members = (yield from self._calls.ask(wire.GROUP_MEMBERS, body, wire.Members, what=what)).members or ()
            for member in members:
                role = _ROLES.get(member.roleLevel, "")
                lines.append(f"{quoted(member.userID)}  {quoted(member.nickname)}{role and f' ({role})'}".rstrip())
            if len(members) < wire.PAGE:
                break
        return "\n".join(lines) or f"group {group} has no members"

    def _user(self, words: Sequence[str]) -> Flow[str]:
        user = check_id(words[0], what="user")
        found = yield from self.user_info(user)
        if found is None:
            return f"there is no user {user}"
        level = _LEVELS.get(found.appMangerLevel, "")
        return f"{quoted(found.userID)}  {quoted(found.nickname)}{level and f' ({level})'}"

    def user_info(self, user: str) -> Flow[wire.UserInfo | None]:
        """A user; None if there is none of that id."""
        body = {"userIDs": [user]}
        found = yield from self._calls.ask(wire.USERS_INFO, body, wire.UsersInfo, what="OpenIM user")
        return next((each for each in found.usersInfo or () if each.userID == user), None)

    def clocks(self) -> Flow[tuple[datetime, datetime]]:
        """What time it is on the server, and what time it was here when it said so."""
        what = "OpenIM server time"
        response = yield self._calls.request(wire.SERVER_TIME, {})
        millis = data_of(response, wire.ServerTime, what=what, hide=self._calls.hidden()).serverTime
        if not 0 < millis < 2**47:
            raise Garbled(f"{what}: the answer is not of the known shape (data.serverTime)")
        ours: datetime = response.extensions[RECEIVED_AT]
        return datetime.fromtimestamp(millis / 1000, UTC), ours

    def _time(self, words: Sequence[str]) -> Flow[str]:
        at, _ = yield from self.clocks()
        return f"{at:%Y-%m-%d %H:%M:%S} UTC"

    def _invite(self, words: Sequence[str]) -> Flow[str]:
        group, users = check_id(words[0], what="group"), [check_id(user, what="user") for user in words[1:]]
        body = {"groupID": group, "invitedUserIDs": users, "reason": ""}
        yield from self._change(wire.INVITE, body, what="OpenIM invitation into a group")
        return f"in group {group} now: {', '.join(users)}"

    def _register(self, words: Sequence[str]) -> Flow[str]:
        user, name = words[0], clean(" ".join(words[1:]))
        if not user.isascii() or not user.replace("_", "").isalnum() or len(user) > wire.USER_ID_MOST:
            raise Refused("OpenIM takes user ids of letters, digits and _ only; example: helpdesk")
        users = [{"userID": user, "nickname": name, "faceURL": "", "ex": ""}]
        yield from self._change(wire.USER_REGISTER, {"users": users}, what="OpenIM registration")
        return f"registered: {user}"

    def _notification_account(self, words: Sequence[str]) -> Flow[str]:
        body = {"userID": "", "nickName": clean(" ".join(words)), "faceURL": "", "appMangerLevel": 3}
        what = "OpenIM notification account"
        response = yield self._calls.sending(body, path=wire.ADD_NOTIFICATION_ACCOUNT)
        account = data_of(response, wire.NotificationAccount, what=what, hide=self._calls.hidden())
        return f"made: {quoted(account.userID)}; send with: notify {quoted(account.userID)} USER TEXT"

    def _notify(self, words: Sequence[str]) -> Flow[str]:
        account, user = check_id(words[0], what="account"), check_id(words[1], what="user")
        text = clean(" ".join(words[2:]))
        settings = self._settings
        name = settings.sender_nickname or account
        # Only words: the other mixtures want files. The kind of a notification is the client's own; 0 is refused.
        content = {"notificationName": name, "notificationType": 1, "text": text, "mixType": 0}
        body = {
            "sendID": account,
            "recvID": user,
            "senderPlatformID": settings.platform_id,
            "contentType": wire.OA_NOTIFICATION,
            "sessionType": wire.NOTIFICATION,
            "content": {**content, "notificationFaceURL": settings.sender_face_url, "url": "", "ex": ""},
        }
        what = "OpenIM notification"
        response = yield self._calls.sending(body)
        sent = data_of(response, wire.Sent, what=what, hide=self._calls.hidden(text))
        return f"sent: {quoted(sent.clientMsgID)}"

    def _mention(self, words: Sequence[str]) -> Flow[str]:
        group = check_id(words[0], what="group")
        named = [check_id(user, what="user") for user in words[1].split(",")]
        users = [(wire.AT_ALL, "all") if user == "all" else (user, user) for user in named]
        called = " ".join(f"@{name}" for _, name in users)
        text = f"{called} {clean(' '.join(words[2:]))}"
        id = yield from self._send(Place(group, is_group=True), at_text(text, users=users))
        return f"sent: {quoted(id)}"

    def _custom(self, words: Sequence[str]) -> Flow[str]:
        place = self._place(words[0])
        data = clean(" ".join(words[1:]))
        content = {"data": data, "description": "", "extension": ""}
        return f"sent: {quoted((yield from self._send(place, Element(wire.CUSTOM, content))))}"

    def _event(self, words: Sequence[str]) -> Flow[str]:
        user, key, data = check_id(words[0], what="user"), clean(words[1]), clean(" ".join(words[2:]))
        body: dict[str, object] = {
            "key": key,
            "data": data,
            "sendUserID": self._settings.account,
            "recvUserID": user,
        }
        response = yield self._calls.sending(body, path=wire.BUSINESS_NOTIFICATION)
        check_answer(response, what="OpenIM business notification", hide=self._calls.hidden(data))
        return f"sent to {user}"

    def _revoke(self, words: Sequence[str]) -> Flow[str]:
        place, number = self._place(words[0]), words[1]
        if not (number.isascii() and number.isdigit() and int(number[:18]) > 0):
            raise Refused("a message's number in its conversation is 1 or more; example: 128")
        done = yield from self.revoke(place, seq=int(number[:18]), sender=self._settings.account)
        return "taken back" if done else "was taken back already"

    def revoke(self, place: Place, *, seq: int, sender: str) -> Flow[bool]:
        """Take a message back; False if it was already. The admin's token may do it for anybody."""
        conversation = (
            wire.conversation_of_group(place.id) if place.is_group else wire.conversation_of_two(sender, place.id)
        )
        body = {"conversationID": conversation, "seq": seq, "userID": sender}
        response = yield self._calls.request(wire.REVOKE_MSG, body)
        if code_of(response) == wire.CODE_MSG_REVOKED:
            return False
        check_answer(response, what="OpenIM revocation", hide=self._calls.hidden())
        return True

    def _place(self, address: str) -> Place:
        conversation = ConversationId(address)
        self._check(conversation)
        return Place.of(conversation)

    def _change(self, path: str, body: Mapping[str, object], *, what: str) -> Flow[None]:
        response = yield self._calls.sending(body, path=path)
        check_answer(response, what=what, hide=self._calls.hidden())


def group_detail(group: wire.GroupInfo) -> str:
    """A few words about a group."""
    about = [f"{group.memberCount} members" if group.memberCount else "", _STATES.get(group.status, "")]
    return "  ".join(filter(None, (quoted(group.groupName), ", ".join(filter(None, about)))))
