"""What the server checks in a request, as data: for the sandbox, which is as strict as the documents and the code are.

Sources: https://docs.openim.io/restapi and, for what is required, the binding and validation tags of the code
(open-im-server pkg/apistruct, protocol *.proto), 2026-11. Go ignores fields that it does not know; here they are
refused, for they are mistakes of the caller.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from bridges.openim import wire

Fields: TypeAlias = Mapping[str, type]


class Unbindable(Exception):
    """A body that Go could not bind: the words say which field and why."""


class Invalid(Exception):
    """A content that the validator refuses."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The fields of a request body."""

    required: Fields
    optional: Fields


_SEND: Fields = {
    "sendID": str,
    "content": dict,
    "contentType": int,
    "sessionType": int,
}
_SEND_OPTIONAL: Fields = {
    "groupID": str,
    "senderNickname": str,
    "senderFaceURL": str,
    "senderPlatformID": int,
    "isOnlineOnly": bool,
    "notOfflinePush": bool,
    "sendTime": int,
    "offlinePushInfo": dict,
    "ex": str,
}
_PUSH: Fields = {
    "title": str,
    "desc": str,
    "ex": str,
    "iOSPushSound": str,
    "iOSBadgeCount": bool,
    "signalInfo": str,
}
_PAGES: Fields = {"pageNumber": int, "showNumber": int}
_RANGE: Fields = {"conversationID": str, "begin": int, "end": int, "num": int}

SHAPES: Mapping[str, Shape] = {
    wire.GET_ADMIN_TOKEN: Shape({"secret": str, "userID": str}, {}),
    wire.SEND_MSG: Shape(_SEND, {**_SEND_OPTIONAL, "recvID": str}),
    wire.BATCH_SEND_MSG: Shape({**_SEND, "recvIDs": list}, {**_SEND_OPTIONAL, "isSendAll": bool}),
    wire.BUSINESS_NOTIFICATION: Shape({"sendUserID": str, "recvUserID": str}, {"key": str, "data": str}),
    wire.CHECK_SEND: Shape({}, {}),
    wire.SEARCH_MSG: Shape(
        {"pagination": dict},
        {"sendID": str, "recvID": str, "contentType": int, "sendTime": str, "sessionType": int},
    ),
    wire.REVOKE_MSG: Shape({"conversationID": str, "seq": int, "userID": str}, {}),
    wire.NEWEST_SEQ: Shape({"userID": str}, {}),
    wire.PULL_BY_SEQ: Shape({"userID": str, "seqRanges": list}, {"order": int}),
    wire.SERVER_TIME: Shape({}, {}),
    wire.USER_REGISTER: Shape({"users": list}, {}),
    wire.USERS_INFO: Shape({"userIDs": list}, {}),
    wire.UPDATE_USER: Shape({"userInfo": dict}, {}),
    wire.ADD_NOTIFICATION_ACCOUNT: Shape({"nickName": str}, {"userID": str, "faceURL": str, "appMangerLevel": int}),
    wire.GROUP_MEMBERS: Shape({"groupID": str, "pagination": dict}, {"filter": int, "keyword": str}),
    wire.JOINED_GROUPS: Shape({"fromUserID": str, "pagination": dict}, {}),
    wire.INVITE: Shape({"groupID": str, "invitedUserIDs": list}, {"reason": str}),
    wire.INITIATE_UPLOAD: Shape(
        {"name": str, "size": int}, {"contentType": str, "group": str, "millisecond": int, "absolute": bool}
    ),
    wire.COMPLETE_UPLOAD: Shape({"id": str}, {"urlPrefix": str}),
}

BOUND_STRICTLY = frozenset({wire.SEND_MSG, wire.BATCH_SEND_MSG, wire.BUSINESS_NOTIFICATION})
"""Calls that answer a body which cannot be bound with HTTP 400 (gin's BindJSON); the others with 200."""

_USER = Shape({"userID": str, "nickname": str}, {"faceURL": str, "ex": str})
_USER_CHANGE = Shape({"userID": str}, {"nickname": str, "faceURL": str, "ex": str})
USER_ID = re.compile(r"[A-Za-z0-9_]{1,64}")


def bind(path: str, body: object) -> Mapping[str, Any]:
    """The body of a call, with its fields as they have to be; raises :class:`Unbindable`."""
    bound = _fields(body, SHAPES[path], where="the body")
    # To Go's `required`, an empty value is a missing one; the list of a broadcast to everybody may be empty.
    for name in SHAPES[path].required:
        if bound[name] in ("", 0) or (bound[name] == [] and name != "recvIDs"):
            raise Unbindable(f"{name} is required")
    for name, value in bound.items():
        if isinstance(value, list) and len(value) > wire.ITEMS_MOST:
            raise Unbindable(f"{name} must have at most {wire.ITEMS_MOST} items")
    if "pagination" in bound:
        pages = _fields(bound["pagination"], Shape(_PAGES, {}), where="pagination")
        if pages["pageNumber"] < 1 or pages["showNumber"] < 1:
            raise Unbindable("pagination: pageNumber and showNumber must be 1 or more")
    if "offlinePushInfo" in bound:
        _fields(bound["offlinePushInfo"], Shape({}, _PUSH), where="offlinePushInfo")
    if path == wire.USER_REGISTER:
        for user in bound["users"]:
            _user(_fields(user, _USER, where="users[]"))
    if path == wire.UPDATE_USER:
        _fields(bound["userInfo"], _USER_CHANGE, where="userInfo")
    for name in ("userIDs", "invitedUserIDs", "recvIDs"):
        if not all(isinstance(each, str) and each for each in bound.get(name, ())):
            raise Unbindable(f"{name} must hold user ids")
    for each in bound.get("seqRanges", ()):
        _fields(each, Shape(_RANGE, {}), where="seqRanges[]")
    if path == wire.SEND_MSG:
        _receiver(bound)
    return bound


def _receiver(body: Mapping[str, Any]) -> None:
    if body["sessionType"] not in (1, 2, 3, 4):
        raise Unbindable("sessionType must be 1, 2, 3 or 4")
    if body["sessionType"] in (2, 3):
        if not body.get("groupID"):
            raise Unbindable("Key: 'SendMsg.GroupID' Error:Field validation for 'GroupID' failed on 'required_if'")
    elif not body.get("recvID"):
        raise Unbindable("Key: 'SendMsgReq.RecvID' Error:Field validation for 'RecvID' failed on 'required_if'")
    if len(body.get("ex", "")) > wire.EX_MOST:
        raise Unbindable(f"ex must have at most {wire.EX_MOST} characters")


def _user(user: Mapping[str, Any]) -> None:
    if not USER_ID.fullmatch(user["userID"]):
        raise Unbindable("userID must consist of 1 to 64 letters, digits and _")
    if not user["nickname"]:
        raise Unbindable("nickname is required")


def _fields(body: object, shape: Shape, *, where: str) -> Mapping[str, Any]:
    if not isinstance(body, dict):
        raise Unbindable(f"{where} must be an object")
    known = {**shape.required, **shape.optional}
    for name, value in body.items():
        if name not in known:
            raise Unbindable(f"{where}: unknown field {str(name)[:40]!r}")
        if type(value) is not known[name]:
            raise Unbindable(f"{name} must be of type {known[name].__name__}")
    for name in shape.required:
        if name not in body:
            raise Unbindable(f"{name} is required")
    return body


_PICTURE: Fields = {"type": str, "width": int, "height": int, "url": str}

ELEMENTS: Mapping[int, tuple[str, Fields]] = {
    wire.TEXT: ("TextElem", {"content": str}),
    wire.PICTURE: ("PictureElem", {"sourcePicture": dict, "bigPicture": dict, "snapshotPicture": dict}),
    wire.VOICE: ("SoundElem", {"sourceUrl": str, "duration": int}),
    wire.VIDEO: (
        "VideoElem",
        {
            "videoUrl": str,
            "videoType": str,
            "videoSize": int,
            "duration": int,
            "snapshotUrl": str,
            "snapshotWidth": int,
            "snapshotHeight": int,
        },
    ),
    wire.FILE: ("FileElem", {"sourceUrl": str, "fileName": str, "fileSize": int}),
    wire.AT_TEXT: ("AtElem", {"atUserList": list}),
    wire.CUSTOM: ("CustomElem", {"data": str}),
    wire.QUOTE: ("QuoteElem", {}),
    wire.MARKDOWN: ("MarkdownTextElem", {"content": str}),
    wire.OA_NOTIFICATION: ("OANotificationElem", {"notificationName": str, "notificationType": int, "text": str}),
}
"""Names of the elements, and the fields that each of them has to have with another value than Go's zero."""


def check_element(kind: int, content: Mapping[str, Any]) -> None:
    """Raise :class:`Invalid` as the server's validator does for the content of a message that may be sent."""
    name, required = ELEMENTS[kind]
    _validate(name, content, required)
    if kind == wire.PICTURE:
        for place in required:
            _validate("PictureBaseInfo", content[place], _PICTURE)
    if kind == wire.AT_TEXT and len(content["atUserList"]) > wire.ITEMS_MOST:
        raise Invalid("Key: 'AtElem.AtUserList' Error:Field validation for 'AtUserList' failed on the 'max' tag")
    if kind == wire.OA_NOTIFICATION and not 0 <= content.get("mixType", -1) <= 5:
        raise Invalid("Key: 'OANotificationElem.MixType' Error:Field validation for 'MixType' failed on the 'max' tag")


def _validate(name: str, content: Mapping[str, Any], required: Fields) -> None:
    for field, kind in required.items():
        value = content.get(field)
        go = field[0].upper() + field[1:]
        if not value:  # 0, an empty one and a missing one are the same to it
            raise Invalid(f"Key: '{name}.{go}' Error:Field validation for '{go}' failed on the 'required' tag")
        if type(value) is not kind:
            raise Invalid(f"'{go}' expected type '{kind.__name__}', got unconvertible type '{type(value).__name__}'")


def words_of(kind: int, content: Mapping[str, Any]) -> str:
    """What a person sees of an element: its words, or the name of its file."""
    match kind:
        case wire.TEXT | wire.MARKDOWN:
            text = content.get("content")
        case wire.AT_TEXT | wire.QUOTE | wire.OA_NOTIFICATION:
            text = content.get("text")
        case wire.CUSTOM:
            text = content.get("data")
        case wire.FILE:
            text = content.get("fileName")
        case wire.PICTURE:
            text = wire.object_of(content.get("sourcePicture")).get("url")
        case wire.VOICE:
            text = content.get("sourceUrl")
        case wire.VIDEO:
            text = content.get("videoUrl")
        case _:
            text = ""
    return wire.text_of(text)
