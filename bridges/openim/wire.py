"""OpenIM's facts: paths, codes, field names, odd types. Our decisions are in the other files of this folder.

Sources, read 2026-11: https://docs.openim.io/restapi, https://docs.openim.io/platform-api, and where they are silent or
disagree the code of https://github.com/openimsdk/open-im-server (tag v3.8.3-patch.16, the stable line, and main),
https://github.com/openimsdk/protocol and https://github.com/openimsdk/tools. Nothing was run against a live server.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr

from bridges.errors import Garbled
from bridges.responses import parse_json

Line: TypeAlias = Literal["stable", "main"]
"""The two lines of the server that are alive: releases 3.8.3, and the development line."""

# Paths. Each call is a POST with a JSON body, reads too (https://docs.openim.io/restapi/introduction).

GET_ADMIN_TOKEN = "/auth/get_admin_token"
SEND_MSG = "/msg/send_msg"
BATCH_SEND_MSG = "/msg/batch_send_msg"
CHECK_SEND = "/msg/check_msg_is_send_success"
SEARCH_MSG = "/msg/search_msg"
REVOKE_MSG = "/msg/revoke_msg"
NEWEST_SEQ = "/msg/newest_seq"
PULL_BY_SEQ = "/msg/pull_msg_by_seq"
SERVER_TIME = "/msg/get_server_time"
BUSINESS_NOTIFICATION = "/msg/send_business_notification"
USER_REGISTER = "/user/user_register"
USERS_INFO = "/user/get_users_info"
UPDATE_USER = "/user/update_user_info_ex"
ADD_NOTIFICATION_ACCOUNT = "/user/add_notification_account"
GROUP_MEMBERS = "/group/get_group_member_list"
JOINED_GROUPS = "/group/get_joined_group_list"
INVITE = "/group/invite_user_to_group"
INITIATE_UPLOAD = "/object/initiate_form_data"
COMPLETE_UPLOAD = "/object/complete_form_data"
OBJECTS = "/object/"
"""Files are served below this path, by a redirect to the storage."""

# Headers. The token goes raw, without "Bearer" (https://docs.openim.io/restapi/introduction).

OPERATION = "operationID"
TOKEN = "token"

PAGE = 100
"""Rows that are asked for in one page."""
ITEMS_MOST = 1000
"""Most items in a list of a request (https://docs.openim.io/restapi/introduction)."""
EX_MOST = 1024
"""Characters of ``ex`` (https://docs.openim.io/restapi/commonFields)."""
TEXT_MOST = 5000
"""No limit of a text is documented; ours, and a setting."""
USER_ID_MOST = 64

# Sessions and senders (protocol, constant/constant.go).

SINGLE, GROUP, NOTIFICATION = 1, 3, 4
FROM_USER, FROM_SYSTEM = 100, 200
GROUP_DISMISSED = 2
ADMIN_PLATFORM = 10

# Content types (protocol, constant/constant.go).

TEXT, PICTURE, VOICE, VIDEO, FILE, AT_TEXT = 101, 102, 103, 104, 105, 106
MERGER, CARD, LOCATION, CUSTOM = 107, 108, 109, 110
QUOTE, FACE, ADVANCED, MARKDOWN = 114, 115, 117, 118
REVOKED = 2101
"""What stands in place of a message that was taken back."""
NOTIFICATIONS_FROM = 1000
"""From here on they are the server's own notices: members, revocations, read marks."""
OA_NOTIFICATION = 1400

SENDABLE: Mapping[Line, frozenset[int]] = {
    "stable": frozenset({TEXT, PICTURE, VOICE, VIDEO, FILE, AT_TEXT, CUSTOM, OA_NOTIFICATION}),
    "main": frozenset({TEXT, PICTURE, VOICE, VIDEO, FILE, AT_TEXT, CUSTOM, OA_NOTIFICATION, QUOTE, MARKDOWN}),
}
"""What send_msg takes (internal/api/msg.go of both lines; the documents list more)."""

AT_ALL = "AtAllTag"
"""The id in ``atUserList`` that means everybody."""

# States of a send by its operationID, kept for 24 hours (protocol, constant/constant.go).

STATUS_UNKNOWN, STATUS_SENDING, STATUS_SENT, STATUS_FAILED = 0, 1, 2, 3

# Error codes (open-im-server pkg/common/servererrs/code.go, tools errs/predefine.go,
# https://docs.openim.io/restapi/errCode).

CODE_INTERNAL = 500
CODE_ARGS = 1001
CODE_NO_PERMISSION = 1002
CODE_NOT_FOUND = 1004
CODE_USER_UNKNOWN = 1101
CODE_REGISTERED_ALREADY = 1102
CODE_NOT_IN_GROUP = 1203
CODE_MSG_REVOKED = 1404
CODE_TOKEN_NOT_YET = 1504
CODES_TOKEN = range(1501, 1508)
CODE_NETWORK, CODE_DATA = 90004, 90007
CODES_BUSINESS = range(20001, 30000)
"""Reserved for what the operator's own before-webhooks answer."""

CODES_REFUSED: Mapping[int, str] = {
    CODE_ARGS: "the request is not accepted",
    1003: "it exists already",
    CODE_NOT_FOUND: "there is no such user, group or message",
    1050: "the secret is unchanged",
    CODE_USER_UNKNOWN: "there is no such user",
    CODE_REGISTERED_ALREADY: "the user is registered already",
    1201: "there is no such group",
    1202: "the group exists already",
    CODE_NOT_IN_GROUP: "the sender is not a member of the group, invite it",
    1204: "the group was dismissed",
    1205: "this kind of group cannot do that",
    1206: "the request to join was dealt with already",
    1301: "one cannot be one's own friend",
    1302: "the receiver has blocked the sender",
    1303: "sender and receiver are not friends",
    1304: "they are friends already",
    1305: "the request was dealt with already",
    1401: "the message was read and cannot be changed",
    1402: "the sender is muted in the group",
    1403: "the group is muted",
    CODE_MSG_REVOKED: "the message was taken back already",
    1405: "the server's licence has ended",
}
"""Codes that mean "no, and not later either"; codes that are not in the table are tried again."""

VALIDATOR_WORDS = ("Field validation", "failed on the")
"""A content that fails the server's validator is answered with 500 and these words (tools, ``ParseError``)."""

# Commands of webhooks (open-im-server pkg/callbackstruct/constant.go).

AFTER_SINGLE = "callbackAfterSendSingleMsgCommand"
AFTER_GROUP = "callbackAfterSendGroupMsgCommand"
AFTER_SAVED = "callbackAfterMsgSaveDBCommand"
AFTER_REVOKE = "callbackBeforeAfterMsgCommand"
"""Their name for it, and no mistake of ours."""
AFTER_JOIN = "callbackAfterJoinGroupCommand"
AFTER_QUIT = "callbackAfterQuitGroupCommand"
AFTER_KICK = "callbackAfterKickGroupCommand"
MEMBER_COMMANDS = frozenset({AFTER_JOIN, AFTER_QUIT, AFTER_KICK})
MESSAGE_COMMANDS = frozenset({AFTER_SINGLE, AFTER_GROUP, AFTER_SAVED})

CALLBACK_ANSWER = b'{"actionCode":0,"errCode":0,"errMsg":"","errDlt":"","nextCode":0}'
"""What a webhook is to be answered with; an empty body is an error over there."""


class _Wire(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)


class Envelope(_Wire):
    """Every answer, whatever its HTTP status: ``errCode`` 0 is success, ``data`` is absent where it is empty."""

    errCode: StrictInt
    errMsg: object = ""
    errDlt: object = ""
    data: object = None


class AdminToken(_Wire):
    """``data`` of get_admin_token. The life is a duration, although one table of the documents types it as string."""

    token: StrictStr = Field(min_length=1)
    expireTimeSeconds: object = None


class Sent(_Wire):
    """``data`` of send_msg. ``clientMsgID`` is made by the server and is the message's id."""

    clientMsgID: StrictStr = Field(min_length=1, max_length=200)
    sendTime: object = None


class SentTo(Sent):
    """One of ``results`` of batch_send_msg."""

    recvID: StrictStr


class BatchSent(_Wire):
    """``data`` of batch_send_msg; ``errCode`` is 0 even if some failed, and empty lists may be null."""

    results: tuple[SentTo, ...] | None = None
    failedUserIDs: tuple[StrictStr, ...] | None = None


class SendStatus(_Wire):
    """``data`` of check_msg_is_send_success; absent where it is 0."""

    status: StrictInt = STATUS_UNKNOWN


class ChatLog(_Wire):
    """A stored message as search_msg gives it; the rest of its fields is not needed."""

    clientMsgID: StrictStr = ""
    sendID: StrictStr = ""
    seq: StrictInt = 0
    sendTime: StrictInt = 0
    ex: object = ""


class Found(_Wire):
    """One row of search_msg."""

    chatLog: ChatLog
    isRevoked: object = False


class SearchResult(_Wire):
    """``data`` of search_msg."""

    chatLogs: tuple[Found, ...] | None = None
    chatLogsNum: StrictInt = 0


class GroupInfo(_Wire):
    """A group, as far as it is shown."""

    groupID: StrictStr
    groupName: StrictStr = ""
    memberCount: StrictInt = 0
    status: StrictInt = 0
    """0 as usual, 1 banned, 2 dismissed, 3 muted."""


class JoinedGroups(_Wire):
    """``data`` of get_joined_group_list."""

    groups: tuple[GroupInfo, ...] | None = None


class Member(_Wire):
    """A member of a group."""

    userID: StrictStr
    nickname: StrictStr = ""
    roleLevel: StrictInt = 0
    """100 owner, 60 admin, 20 member (protocol, constant/constant.go)."""


class Members(_Wire):
    """``data`` of get_group_member_list."""

    members: tuple[Member, ...] | None = None


class UserInfo(_Wire):
    """A user."""

    userID: StrictStr
    nickname: StrictStr = ""
    appMangerLevel: StrictInt = 0
    """1 user, 2 admin, 3 notification account, 4 robot; the spelling is theirs."""


class UsersInfo(_Wire):
    """``data`` of get_users_info."""

    usersInfo: tuple[UserInfo, ...] | None = None


class NotificationAccount(_Wire):
    """``data`` of add_notification_account."""

    userID: StrictStr = Field(min_length=1)


class NewestSeq(_Wire):
    """``data`` of newest_seq: conversation ids with the number of their latest message."""

    maxSeqs: Mapping[StrictStr, StrictInt] | None = None


class ServerTime(_Wire):
    """``data`` of get_server_time: milliseconds."""

    serverTime: StrictInt


class UploadHeader(_Wire):
    """A header that the storage wants (protocol, third/third.proto)."""

    key: StrictStr
    values: tuple[StrictStr, ...] = ()


class UploadTicket(_Wire):
    """``data`` of initiate_form_data: where and how a file is to be posted."""

    id: StrictStr = Field(min_length=1)
    url: StrictStr = Field(min_length=1)
    file: StrictStr = "file"
    """The name of the form's field that holds the file."""
    header: tuple[UploadHeader, ...] | None = None
    formData: Mapping[StrictStr, StrictStr] | None = None
    successCodes: tuple[StrictInt, ...] | None = None


class Uploaded(_Wire):
    """``data`` of complete_form_data."""

    url: StrictStr = Field(min_length=1)


class MessageCallback(_Wire):
    """The body of afterSendSingleMsg, afterSendGroupMsg and afterMsgSaveDB."""

    sendID: StrictStr = Field(min_length=1)
    clientMsgID: StrictStr = Field(min_length=1)
    contentType: StrictInt
    sessionType: StrictInt
    content: object = ""
    """JSON text of the element, so it is decoded twice; empty for some notices."""
    recvID: object = ""
    groupID: object = ""
    senderNickname: object = ""
    faceURL: object = ""
    msgFrom: object = None
    operationID: object = ""
    sendTime: object = None
    createTime: object = None
    seq: object = 0
    ex: object = ""
    """Absent from some versions (https://github.com/openimsdk/open-im-server/issues/3322)."""


class RevokeCallback(_Wire):
    """The body of afterRevokeMsg: it names no message id."""

    conversationID: StrictStr = Field(min_length=1)
    seq: StrictInt
    userID: object = ""


class MembersCallback(_Wire):
    """The bodies of afterJoinGroup, afterQuitGroup and afterKickGroupMember
    (https://docs.openim.io/restapi/webhooks/group/quitGroupAfter, …/kickGroupMemberAfter, …/joinGroupAfter, 2026-11).

    Who joined stands in ``userID`` by these pages; the newer ones name ``inviterUserID`` alone, and who that is not.
    """

    groupID: StrictStr = Field(min_length=1)
    operationID: object = ""
    userID: object = ""
    kickedUserIDs: tuple[object, ...] | None = None


class PulledMessage(_Wire):
    """One of the messages of pull_msg_by_seq. ``content`` is base64, for it is bytes over there; that of one that was
    taken back holds a ``detail``, which is JSON text (internal/rpc/msg/revoke.go, pkg/common/storage/controller)."""

    seq: StrictInt
    clientMsgID: StrictStr = ""
    contentType: StrictInt = 0
    content: object = ""


class PulledConversation(_Wire):
    """The messages of one conversation; the capital is theirs."""

    Msgs: tuple[PulledMessage, ...] | None = None


class Pulled(_Wire):
    """``data`` of pull_msg_by_seq."""

    msgs: Mapping[StrictStr, PulledConversation | None] | None = None


def revoked_id(message: PulledMessage) -> str:
    """The id of the message in whose place this stands; empty if it stands for itself."""
    if message.contentType != REVOKED:
        return ""
    try:
        said = parse_json(base64.b64decode(text_of(message.content), validate=True))
        about = parse_json(text_of(object_of(said).get("detail")))
    except (ValueError, Garbled):
        return ""
    return text_of(object_of(about).get("clientMsgID"))


def text_of(value: object) -> str:
    """A field that is text or should be."""
    return value if isinstance(value, str) else ""


def object_of(value: object) -> Mapping[str, Any]:
    """A field that is an object or should be."""
    return value if isinstance(value, dict) else {}


def conversation_of_two(one: str, other: str) -> str:
    """The id of a conversation of two users: their ids in the order of strings
    (open-im-server pkg/msgprocessor/conversation.go)."""
    first, second = sorted((one, other))
    return f"si_{first}_{second}"


def conversation_of_group(group: str) -> str:
    """The id of a group's conversation."""
    return f"sg_{group}"
