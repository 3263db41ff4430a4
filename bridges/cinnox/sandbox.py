"""A strict stand-in for CINNOX on loopback: answers as its documentation says and sends its webhooks.

Strict where the documentation speaks, and silent on what it leaves open: it returns no message ids, and stores a
request with several messages as a whole or not at all. Sources: https://docs.cinnox.com/docs, its page "Send Message",
and https://docs.cinnox.com/docs/createeditdelete-inboundsms-event-subscription (2026-11).
"""

from __future__ import annotations

import hmac
import itertools
import secrets
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bridges.cinnox.happenings import (
    STAFF,
    STATUSES,
    SUBSCRIPTIONS,
    Accepted,
    Enquiry,
    Happened,
    InboundSms,
    Staff,
    event_body,
    rfc3339,
)
from bridges.cinnox.verifier import Reading, reads
from bridges.sandboxes import CALLS_MOST, Call, Clock, Feed, Listener, Malformed, Outlet, json_object, only, utc_now

MESSAGES_MOST = 10
TEXT_MOST = 5000
ROWS_MOST = 500
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

CODE_BAD_REQUEST = 400
CODE_DESTINATION = 3000205
CODE_METHOD = 6450001
CODE_PARAMETER = 6451000
CODE_TOO_MANY = 6451010


class _Refusal(Exception):
    def __init__(self, message: str, *, status: int = 400, code: int = CODE_PARAMETER) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class CinnoxSandbox:
    """One CINNOX service with one app. ``app`` is the ASGI application."""

    def __init__(
        self,
        *,
        app_id: str = "app-1",
        token: str = "sandbox-cinnox-token",
        rooms: Iterable[str] = ("room-42", "room-43"),
        open_rooms: bool = False,
        reading: Reading = "object",
        staff: Iterable[Staff] = STAFF,
        requests_per_minute: int | None = None,
        client: httpx.AsyncClient | None = None,
        clock: Clock = utc_now,
    ) -> None:
        self.app_id = app_id
        self.token = token
        self.rooms = list(rooms)
        self.open_rooms = open_rooms
        self.reading: Reading = reading
        self.accepted: list[Accepted] = []
        """Messages in the order in which they were accepted."""
        self.received: list[InboundSms] = []
        self.calls: deque[Call] = deque(maxlen=CALLS_MOST)
        self.happened: list[Happened] = []
        self.subscriptions: dict[str, str] = {}
        """Where the events go that somebody subscribed to, by their names."""
        self.staff = list(staff)
        self.enquiries = [
            Enquiry(f"enq-{number}", room, f"Visitor {number}", f"C-{1000 + number}")
            for number, room in enumerate(self.rooms, start=1)
        ]
        self.requests_per_minute = requests_per_minute
        """More in any 60 s are refused with 6451010; None: any number. The documents name 500."""
        self._taken_at: deque[datetime] = deque()
        self.outlet = Outlet(client)
        self._clock = clock
        self._records = itertools.count(1)
        self._feed = Feed()
        base = "/v1/api/apps/{app_id}"
        self.app = Starlette(
            routes=[
                Route(base + "/message-push", self._call(self._message_push), methods=["POST"]),
                *(
                    Route(f"{base}/{path}", self._call(partial(self._subscribe, event)), methods=["PATCH"])
                    for event, path in SUBSCRIPTIONS.items()
                ),
                Route(base + "/contacts/staffcontact-list", self._call(self._staff), methods=["GET"]),
                Route(base + "/staff/{eid}/cli/sender_id", self._call(self._sender_ids), methods=["GET"]),
                Route(base + "/data/enquiry-detail", self._call(self._enquiry_detail), methods=["GET"]),
                Route(base + "/data/sms-detail", self._call(self._sms_detail), methods=["GET"]),
                Route("/{rest:path}", self._no_such_method, methods=_METHODS),
            ]
        )

    # What a page and tests use

    @property
    def subscribed_url(self) -> str | None:
        """Where inbound SMS go; None: nobody has subscribed."""
        return self.subscriptions.get("inbound-sms")

    @subscribed_url.setter
    def subscribed_url(self, url: str | None) -> None:
        self.subscriptions.pop("inbound-sms", None)
        if url is not None:
            self.subscriptions["inbound-sms"] = url

    def subscribe_listener(self, listener: Listener) -> Callable[[], None]:
        """Call ``listener`` on every change from now on; returns what ends it."""
        return self._feed.listen(listener)

    def state(self) -> dict[str, object]:
        """All there is to see, for a person: rooms with their messages, SMS, the subscription. Ready for JSON."""
        rooms: dict[str, list[dict[str, object]]] = {room: [] for room in self.rooms}
        for message in self.accepted:
            rooms.setdefault(message.room, []).append(_shown(message))
        return {
            "provider": "cinnox",
            "app_id": self.app_id,
            "accepted": len(self.accepted),
            "rooms": rooms,
            "sms": [
                {
                    "id": sms.record,
                    "sender": sms.sender,
                    "recipient": sms.recipient,
                    "text": sms.text,
                    "at": rfc3339(sms.at),
                    "status": sms.status,
                }
                for sms in self.received
            ],
            "events": [{"event": each.event, "status": each.status, "answer": each.answer} for each in self.happened],
            "enquiries": [asdict(enquiry) for enquiry in self.enquiries],
            # The last segment of the URL is a secret.
            "subscription": self.subscribed_url and self.subscribed_url.rsplit("/", 1)[0] + "/•••",
            "subscriptions": sorted(self.subscriptions),
            "reading": self.reading,
        }

    def snapshot(self) -> dict[str, Any]:
        """Everything it keeps, ready for JSON; :meth:`restore` takes it back."""
        self._records = itertools.count(next_record := next(self._records))
        return {
            "rooms": self.rooms,
            "accepted": [{**asdict(message), "at": message.at.isoformat()} for message in self.accepted],
            "received": [{**asdict(sms), "at": sms.at.isoformat()} for sms in self.received],
            "happened": [asdict(each) for each in self.happened],
            "enquiries": [asdict(enquiry) for enquiry in self.enquiries],
            "subscriptions": dict(self.subscriptions),
            "next": next_record,
        }

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Go on from a snapshot: no SMS gets the id of an earlier one."""

        def timed(kept: Mapping[str, Any]) -> dict[str, Any]:
            return {**kept, "at": datetime.fromisoformat(kept["at"])}

        self.rooms = list(snapshot["rooms"])
        self.accepted[:] = [Accepted(**timed(kept)) for kept in snapshot["accepted"]]
        self.received[:] = [InboundSms(**timed(kept)) for kept in snapshot["received"]]
        self.happened[:] = [Happened(**kept) for kept in snapshot["happened"]]
        self.enquiries[:] = [Enquiry(**kept) for kept in snapshot["enquiries"]]
        self.subscriptions = dict(snapshot["subscriptions"])
        self._records = itertools.count(snapshot["next"])

    async def receive_sms(
        self,
        sender: str,
        recipient: str,
        text: str,
        *,
        wrapped: bool = False,
        numbers_as_strings: bool = False,
        record: str | None = None,
    ) -> int:
        """Somebody sends an SMS: posts the event to the subscribed URL and returns the HTTP status.

        Returns 0 if the listener cannot be reached: whether CINNOX tries again is not documented, so this does not.
        The same ``record`` again is the same event again. Raises ``LookupError`` if nobody has subscribed.
        """
        if self.subscribed_url is None:
            raise LookupError("nobody has subscribed to inbound SMS; run: patchbay subscribe ACCOUNT")
        record = record or f"sms-{next(self._records):06d}"
        at = self._clock()
        event: dict[str, object] = {
            "id": record,
            "eventDescription": "Inbound SMS",
            "senderNumber": _number(sender, as_string=numbers_as_strings),
            "recipientNumber": _number(recipient, as_string=numbers_as_strings),
            "receiveTime": rfc3339(at),
            "contentType": "Text",
            "content": text,
        }
        # The envelope of CINNOX's other events; they carry a challenge "for internal use" that is no handshake.
        body = {"type": "message", "challenge": secrets.token_urlsafe(12), "message": event} if wrapped else event
        try:
            status = (await self._post(self.subscribed_url, body)).status_code
        except httpx.TransportError:
            status = 0
        self.received.append(InboundSms(record, sender, recipient, text, at, status))
        self._feed.tell("sms", id=record, sender=sender, recipient=recipient, text=text, status=status)
        return status

    async def happen(self, event: str, status: str, **fields: object) -> int:
        """Something else happens: posts the event to who subscribed to it and returns the HTTP status, 0 if nobody
        is reached. ``fields`` go into the event as they are, beside those that every one of its kind has.

        Raises ``LookupError`` if nobody has subscribed to it, ``ValueError`` if there is no such event or status.
        """
        if status not in STATUSES.get(event, ()):
            known = ", ".join(STATUSES.get(event, ())) or f"an event of {', '.join(STATUSES)}"
            raise ValueError(f"{event} {status} does not happen; there is {known}")
        if event not in self.subscriptions:
            raise LookupError(f"nobody has subscribed to {event}; put it into the account's events and subscribe")
        body = (
            event_body(
                event,
                status,
                number=next(self._records),
                app_id=self.app_id,
                member=self.staff[0] if self.staff else None,
                case=self.enquiries[0].case if self.enquiries else "",
                at=self._clock(),
            )
            | fields
        )
        if event != "outbound-sms":
            # Of CINNOX's own: "internal use", no handshake.
            body = {"type": "message", "challenge": secrets.token_urlsafe(12), "message": body}
        try:
            answer = (await self._post(self.subscriptions[event], body)).status_code
        except httpx.TransportError:
            answer = 0
        self.happened.append(Happened(event, status, fields, answer))
        self._feed.tell("event", event=event, status=status, answer=answer)
        return answer

    # The same for every sandbox (bridges.sandboxes.Sandbox)

    def settings(self, base_url: str, *, hook_secret: str) -> dict[str, object]:
        """See :class:`bridges.sandboxes.Sandbox`."""
        return {
            "provider": "cinnox",
            "base_url": base_url,
            "app_id": self.app_id,
            "token": self.token,
            "hook_secret": hook_secret,
            "reply_room": next(iter(self.rooms), ""),
        }

    def conversation(self) -> str:
        """See :class:`bridges.sandboxes.Sandbox`."""
        return self.rooms[0]

    async def greet(self, hook_url: str, *, text: str) -> int:
        """See :class:`bridges.sandboxes.Sandbox`: an SMS comes in, as if ``hook_url`` had been subscribed."""
        self.subscribed_url = hook_url
        return await self.receive_sms("85255501234", "85255509999", text)

    async def close(self) -> None:
        """Close the connections that it opened itself."""
        await self.outlet.close()

    # The API

    def _call(self, handle: Any) -> Any:
        async def endpoint(request: Request) -> Response:
            try:
                self._check_caller(request)
                result: dict[str, object] = await handle(request)
                status, code, body = 200, 0, {"code": 0, "result": result}
            except Malformed as error:
                status, code, body = 400, CODE_PARAMETER, {"code": CODE_PARAMETER, "message": str(error)}
            except _Refusal as error:
                status, code, body = error.status, error.code, {"code": error.code, "message": str(error)}
            self.calls.append(Call(request.method, request.url.path, status, f"code {code}"))
            return JSONResponse(body, status_code=status)

        return endpoint

    async def _no_such_method(self, request: Request) -> Response:
        self.calls.append(Call(request.method, request.url.path, 404, f"code {CODE_METHOD}"))
        return JSONResponse({"code": CODE_METHOD, "message": "method not found"}, status_code=404)

    def _check_caller(self, request: Request) -> None:
        given = request.headers.get("authorization", "")
        if not hmac.compare_digest(given.encode(), f"Bearer {self.token}".encode()):
            raise _Refusal("the app token is not valid", status=401, code=401)
        if request.path_params["app_id"] != self.app_id:
            raise _Refusal("invalid app id")
        if self.requests_per_minute is not None:
            now = self._clock()
            while self._taken_at and now - self._taken_at[0] >= timedelta(minutes=1):
                self._taken_at.popleft()
            if len(self._taken_at) >= self.requests_per_minute:
                # Which HTTP status goes with it is not documented.
                raise _Refusal("too many requests", code=CODE_TOO_MANY)
            self._taken_at.append(now)

    async def _message_push(self, request: Request) -> dict[str, object]:
        body = await json_object(request)
        only(
            body,
            required={"roomID": str, "messages": list},
            optional={"senderEID": str, "receiverEID": str},
        )
        messages = body["messages"]
        if not 1 <= len(messages) <= MESSAGES_MOST:
            raise Malformed(f"messages must hold 1 to {MESSAGES_MOST} items")
        for message in messages:
            if not isinstance(message, dict):
                raise Malformed("each of messages must be an object")
            only(message, required={"type": str, "text": str}, optional={})
            if message["type"] != "text":
                raise Malformed("messages[].type must be text")
            if not message["text"] or _characters(message["text"]) > TEXT_MOST:
                raise Malformed(f"messages[].text must have 1 to {TEXT_MOST} characters")
        for name in ("senderEID", "receiverEID"):
            if body.get(name) == "":
                raise Malformed(f"{name} must not be empty")
        room = body["roomID"]
        if room not in self.rooms:
            if not self.open_rooms or not room:
                raise _Refusal("destination not found", code=CODE_DESTINATION)
            self.rooms.append(room)
        for message in messages:
            self._accept(room, body=body, text=message["text"])
        return {}

    def _accept(self, room: str, *, body: Mapping[str, Any], text: str) -> None:
        message = Accepted(
            number=len(self.accepted) + 1,
            room=room,
            text=text,
            sender_eid=body.get("senderEID", ""),
            receiver_eid=body.get("receiverEID", ""),
            at=self._clock(),
        )
        self.accepted.append(message)
        self._feed.tell("message", room=room, **_shown(message))

    async def _subscribe(self, event: str, request: Request) -> dict[str, object]:
        body = await json_object(request)
        only(body, required={"enabled": bool, "url": str}, optional={})
        url = body["url"]
        if not url.startswith(("https://", "http://")):
            raise Malformed("url must be a URL")
        if body["enabled"]:
            await self._verify(url)
        self.subscriptions.pop(event, None)
        if body["enabled"]:
            self.subscriptions[event] = url
        self._feed.tell("subscription", event=event, enabled=body["enabled"])
        return {"enabled": body["enabled"], "url": url, "updatedAt": rfc3339(self._clock())}

    async def _verify(self, url: str) -> None:
        # With characters that Go's encoder escapes: the answer has to be equal after decoding, not byte for byte.
        challenge = f"Zx-{secrets.token_urlsafe(16)}<&>"
        try:
            answer = await self._post(url, {"challenge": challenge})
            good = answer.status_code == 200 and reads(answer, challenge=challenge, reading=self.reading)
        except (httpx.TransportError, httpx.InvalidURL):
            good = False
        if not good:
            # The documented 400 example of this very page carries "code": 0.
            raise _Refusal("the url could not be verified", code=0)

    async def _staff(self, request: Request) -> dict[str, object]:
        limit, offset = _page_of(request)
        name = request.query_params.get("fullName", "").casefold()
        rows = [
            {"id": each.eid, "status": each.status, "displayName": each.name, "fullName": each.name, "role": each.role}
            for each in self.staff
            if name in each.name.casefold()
        ]
        return {"total": len(rows), "list": rows[offset : offset + limit]}

    async def _sender_ids(self, request: Request) -> dict[str, object]:
        for member in self.staff:
            if member.eid == request.path_params["eid"]:
                about = {"type": "DID", "country": ["HK"], "name": "", "supportSMS": True, "supportCall": True}
                return {"list": [{"serviceID": "service-1", "number": each, **about} for each in member.numbers]}
        raise _Refusal("invalid id")

    async def _enquiry_detail(self, request: Request) -> dict[str, object]:
        limit, offset = _page_of(request)
        rows = [
            {
                "id": each.id,
                "roomID": each.room,
                "visitor": each.visitor,
                "initChannel": "IM",
                "status": each.status,
                "displayCaseNumber": each.case,
                "channel": each.channel,
            }
            for each in self.enquiries
        ]
        return {"total": len(rows), "list": rows[offset : offset + limit]}

    async def _sms_detail(self, request: Request) -> dict[str, object]:
        limit, offset = _page_of(request)
        rows = [
            {
                "id": sms.record,
                "sender": f"+{sms.sender}" if sms.sender.isdigit() else sms.sender,
                "recipient": f"+{sms.recipient}",
                "text": sms.text,
                "createdAt": rfc3339(sms.at),
            }
            for sms in self.received
        ]
        return {"total": len(rows), "list": rows[offset : offset + limit]}

    async def _post(self, url: str, body: object) -> httpx.Response:
        return await self.outlet.client.post(url, json=body)


def _characters(text: str) -> int:
    """The larger of code points and UTF-16 units, for the unit is not documented."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _number(value: str, *, as_string: bool) -> object:
    digits = value.removeprefix("+")
    if not (digits.isascii() and digits.isdigit()):
        return value  # a named sender
    return digits if as_string else int(digits)


def _page_of(request: Request) -> tuple[int, int]:
    """``limit`` and ``offset``; the maximum is documented for the staff list, and taken for all."""
    limit, offset = _count(request, "limit", default=50), _count(request, "offset", default=0)
    if limit > ROWS_MOST:
        raise Malformed(f"limit must be at most {ROWS_MOST}")
    return limit, offset


def _count(request: Request, name: str, *, default: int) -> int:
    raw = request.query_params.get(name, str(default))
    if not (raw.isascii() and raw.isdigit()):
        raise Malformed(f"{name} must be a number that is not negative")
    return int(raw[:9])


def _shown(message: Accepted) -> dict[str, object]:
    return {
        "number": message.number,
        "text": message.text,
        "sender_eid": message.sender_eid,
        "at": rfc3339(message.at),
    }


Sandbox = CinnoxSandbox
