"""How the API is called: one place that makes requests and reads what comes back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import unquote

import httpx
from pydantic import BaseModel

from bridges.api import HARMLESS, File, Flow
from bridges.errors import Garbled, Refused, Unavailable
from bridges.files import form_request
from bridges.model import ConversationId
from bridges.openim import wire
from bridges.openim.answers import data_of
from bridges.openim.auth import ELSEWHERE, KEEPS_OPERATION, AdminToken
from bridges.openim.settings import OpenIMSettings
from bridges.responses import raise_for_status
from bridges.signing import fingerprint

T = TypeVar("T")
W = TypeVar("W", bound=BaseModel)

UPLOAD_MILLISECONDS = 600_000
"""How long a place to upload to is asked for: the server's own default."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a message goes: a user or a group."""

    id: str
    is_group: bool

    @classmethod
    def of(cls, conversation: ConversationId) -> Place:
        """From the conversation part of an address that was checked."""
        kind, _, id = conversation.partition("/")
        return cls(unquote(id), is_group=kind == "group")

    @property
    def group(self) -> str | None:
        """The group's id; None for a user."""
        return self.id if self.is_group else None

    @property
    def session_type(self) -> int:
        """``sessionType``."""
        return wire.GROUP if self.is_group else wire.SINGLE

    def receiver(self) -> Mapping[str, str]:
        """The fields that name it. The documents put a group into ``recvID``, the code wants it in ``groupID`` and
        does not mind it in both (internal/rpc/msg/send.go)."""
        return {"recvID": self.id, "groupID": self.id} if self.is_group else {"recvID": self.id}


class Calls:
    """Makes the requests of one account."""

    def __init__(self, settings: OpenIMSettings, token: AdminToken) -> None:
        self._settings = settings
        self._token = token
        self._send_url = httpx.URL(settings.base_url + wire.SEND_MSG)  # read once: a third of making a request
        self._secrets = (settings.secret.get_secret_value(), settings.hook_secret.get_secret_value())

    def hidden(self, *texts: str) -> tuple[str, ...]:
        """What must not be repeated from an answer: secrets, and these texts."""
        return (*self._secrets, *filter(None, (self._token.value,)), *filter(None, texts))

    def sending(
        self, body: Mapping[str, object], *, operation: str | None = None, path: str = wire.SEND_MSG
    ) -> httpx.Request:
        """A request that changes something, so that its loss matters. ``operation`` is what a send can be asked for
        by; without it the token puts one on as on every call."""
        url = self._send_url if path == wire.SEND_MSG else self._settings.base_url + path
        return httpx.Request("POST", url, headers={wire.OPERATION: operation} if operation else {}, json=body)

    def ask(
        self, path: str, body: Mapping[str, object], shape: type[W], *, what: str, hide: Iterable[str] = ()
    ) -> Flow[W]:
        """A call that may be repeated freely, and its ``data``. Raises as ``data_of`` does."""
        response = yield self.request(path, body)
        return data_of(response, shape, what=what, hide=self.hidden(*hide))

    def request(self, path: str, body: Mapping[str, object]) -> httpx.Request:
        """A call that may be repeated freely."""
        return httpx.Request("POST", self._settings.base_url + path, json=body, extensions=dict(HARMLESS))

    def status_of(self, operation: str) -> Flow[int]:
        """What became of the send with this operationID; the server knows for a day."""
        response = yield httpx.Request(
            "POST",
            self._settings.base_url + wire.CHECK_SEND,
            headers={wire.OPERATION: operation},
            json={},
            extensions={**HARMLESS, KEEPS_OPERATION: True},
        )
        return data_of(response, wire.SendStatus, what="OpenIM state of a send", hide=self.hidden()).status

    def search(self, place: Place, *, sender: str, pages_most: int) -> Flow[Sequence[wire.Found]]:
        """The latest stored messages to a place, the latest page first; ``sender`` empty: of anybody.

        The server sorts nothing and gives the oldest first, so the last pages are looked for by the count
        (pkg/common/storage/database/mgo/msg.go). An empty ``sendTime`` is no filter there; the documents only say
        that it is a date.
        """
        found: list[wire.Found] = []
        first = yield from self._page(place, sender=sender, page=1)
        pages = max(1, -(-first.chatLogsNum // wire.PAGE))
        for page in range(pages, max(1, pages - pages_most + 1), -1):
            found.extend(reversed((yield from self._page(place, sender=sender, page=page)).chatLogs or ()))
        if pages <= pages_most:
            found.extend(reversed(first.chatLogs or ()))
        return found

    def _page(self, place: Place, *, sender: str, page: int) -> Flow[wire.SearchResult]:
        body = {
            "sendID": sender,
            "recvID": place.id,
            "contentType": 0,
            "sendTime": "",
            "sessionType": place.session_type,
            "pagination": {"pageNumber": page, "showNumber": wire.PAGE},
        }
        return (yield from self.ask(wire.SEARCH_MSG, body, wire.SearchResult, what="OpenIM search"))

    def numbered(self, conversation: str, *, seq: int, user: str) -> Flow[str]:
        """The id of the message with this number, asked for as a user who has the conversation; empty: not known.

        What was taken back is found too: what stands in its place names it.
        """
        wanted = {"conversationID": conversation, "begin": seq, "end": seq, "num": 1}
        body = {"userID": user, "seqRanges": [wanted], "order": 0}
        try:
            pulled = yield from self.ask(wire.PULL_BY_SEQ, body, wire.Pulled, what="OpenIM message by its number")
        except Refused:
            return ""  # this user has not got it
        for kept in (pulled.msgs or {}).values():
            for message in (kept and kept.Msgs) or ():
                if message.seq == seq:
                    return wire.revoked_id(message) or message.clientMsgID
        return ""

    def member_of(self, group: str) -> Flow[str]:
        """Somebody who is in the group; empty: nobody is."""
        body = {"groupID": group, "pagination": {"pageNumber": 1, "showNumber": 1}}
        members = (
            yield from self.ask(wire.GROUP_MEMBERS, body, wire.Members, what="OpenIM members of a group")
        ).members
        return members[0].userID if members else ""

    def upload(self, data: File, *, name: str, media_type: str) -> Flow[str]:
        """Put a file into the server's storage; returns the address by which clients find it.

        Raises ``Refused`` and ``Unavailable``, the latter never with ``maybe_sent``.
        """
        what, settings = "OpenIM upload", self._settings
        about = {
            "name": name,
            "size": data.size,
            "contentType": media_type,
            "group": settings.object_group,
            "millisecond": UPLOAD_MILLISECONDS,
        }
        ticket = yield from self.ask(wire.INITIATE_UPLOAD, about, wire.UploadTicket, what=what)
        response = yield _form(ticket, data=data, name=name, media_type=media_type)
        if response.status_code not in (ticket.successCodes or ()):
            raise_for_status(response, what=f"{what} to the storage")
        prefix = (settings.files_url or settings.base_url) + wire.OBJECTS
        done = {"id": ticket.id, "urlPrefix": prefix}
        return (yield from self.ask(wire.COMPLETE_UPLOAD, done, wire.Uploaded, what=what)).url


def _form(ticket: wire.UploadTicket, *, data: File, name: str, media_type: str) -> httpx.Request:
    """The form that the storage takes. It is no call of the API, and gets no token."""
    headers = {header.key: ",".join(header.values) for header in ticket.header or ()}
    headers = {key: value for key, value in headers.items() if key.lower() != "content-type"}
    try:
        url = httpx.URL(ticket.url)
        if url.scheme not in ("https", "http") or not url.host:
            raise Garbled("OpenIM upload: the storage has no address that can be posted to")
        return form_request(
            url,
            field=ticket.file,
            file=data,
            name=name.rpartition("/")[2],
            media_type=media_type,
            boundary=fingerprint("boundary", name),
            data=ticket.formData,
            headers=headers,
            extensions={**HARMLESS, ELSEWHERE: True},
        )
    except (httpx.InvalidURL, UnicodeEncodeError) as error:
        raise Garbled("OpenIM upload: the storage has no address that can be posted to") from error


def before_sending(flow: Flow[T]) -> Flow[T]:
    """A flow that comes before a send: however it fails, the message has surely not been sent."""
    try:
        return (yield from flow)
    except Garbled as error:
        raise Unavailable(str(error)) from error
    except Unavailable as error:
        if not error.maybe_sent:
            raise
        raise Unavailable(str(error), retry_after=error.retry_after) from error


def check_id(id: str, *, what: str) -> str:
    """An id that a person gave, as it is; raises ``Refused`` if the server can have no such id."""
    if not id or len(id) > wire.USER_ID_MOST or not id.isprintable() or " " in id:
        raise Refused(f"OpenIM has no such {what}: an id is 1 to {wire.USER_ID_MOST} characters without spaces")
    return id
