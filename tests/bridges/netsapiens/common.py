"""What the tests of NetSapiens share."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from bridges.api import RECEIVED_AT, Flow, Hook, Outgoing
from bridges.driver import drive
from bridges.errors import BridgeError
from bridges.files import Bytes
from bridges.model import Attachment, ConversationId, Message, Receipt, Received
from bridges.netsapiens.bridge import NetSapiensBridge
from bridges.netsapiens.sandbox import NetSapiensSandbox
from bridges.testing import FIXTURE_TIME, Played

SECRET = "hook-secret-0123456789"
PHONE, OTHER_PHONE, OURS = "15550100123", "15550100124", "15550100999"
PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 40
BASE = "https://pbx.example"

Serve = Callable[[ASGIApp], str]


class TestClock:
    """A clock that is moved by hand."""

    __test__ = False

    def __init__(self) -> None:
        self.now = FIXTURE_TIME
        self.runs = False
        """It goes with the machine's, as the ``Date`` of a real web server does."""

    def __call__(self) -> datetime:
        return datetime.now(UTC) if self.runs else self.now

    def pass_by(self, **span: float) -> None:
        self.now += timedelta(**span)


def settings(**changes: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "provider": "netsapiens",
        "base_url": BASE,
        "domain": "acme.example",
        "user": "4100",
        "from_number": OURS,
        "api_key": "nss_sample0123456789",
        "hook_secret": SECRET,
    }
    return {key: value for key, value in {**given, **changes}.items() if value is not None}


PASSWORD: dict[str, Any] = {
    "auth": "password",
    "api_key": None,
    "client_id": "bridge",
    "client_secret": "s3cr3t-sample",
    "username": "4100@acme.example",
    "password": "pw-sample",
}


def bridge_of(given: dict[str, Any] | None = None, **changes: Any) -> NetSapiensBridge:
    chosen = {**(settings() if given is None else given), **changes}
    chosen = {key: value for key, value in chosen.items() if value is not None}
    return NetSapiensBridge(NetSapiensBridge.Settings.model_validate(chosen))


def out(conversation: str, text: str = "deploy finished", *, key: str = "k1", **fields: Any) -> Outgoing:
    return Outgoing(key=key, conversation=ConversationId(conversation), message=Message(text=text), **fields)


def file_out(conversation: str, *, text: str = "look", data: bytes = PNG, media: str = "image/png") -> Outgoing:
    message = Message(text=text, attachments=(Attachment(kind="image", ref="tg", media_type=media),))
    return Outgoing(key="k1", conversation=ConversationId(conversation), message=message, files=(Bytes(data),))


def hook_of(body: object, *, path: str = "message") -> Hook:
    return Hook(body=json.dumps(body).encode(), path=path, received_at=FIXTURE_TIME)


def sms_event(**changes: Any) -> dict[str, Any]:
    """An inbound SMS in the documents' names; a change to None leaves the field out."""
    event = {
        "id": "m-65aa00112233",
        "timestamp": "2025-03-04 10:11:12",
        "type": "sms",
        "direction": "orig",
        "text": "on my way",
        "from-number": PHONE,
        "dialed": OURS,
        "terminating-user-id": "4100@acme.example",
        "messagesession-id": "9a8b7c6d5e4f30212223242526272829",
        **changes,
    }
    return {key: value for key, value in event.items() if value is not None}


def received(bridge: NetSapiensBridge, body: object, *, path: str = "message") -> Received:
    (event,) = bridge.decode(hook_of(body, path=path))
    assert isinstance(event, Received)
    return event


def answer(status: int = 200, body: object = None, *, at: datetime | None = None) -> httpx.Response:
    """An answer of the server, with its clock if ``at`` is given."""
    headers = {} if at is None else {"Date": at.astimezone(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")}
    if body is None:
        body = {"code": 202, "message": "Accepted"} if status in (200, 202) else {"code": status, "message": "no"}
    return httpx.Response(status, json=body, headers=headers)


def play_at(at: datetime, flow: Flow[Any], *answers: httpx.Response | BridgeError) -> Played:
    """As ``bridges.testing.play``, with answers that come at ``at`` by our clock."""
    waiting = list(answers)
    requests: list[httpx.Request] = []
    try:
        request = next(flow)
        while True:
            requests.append(request)
            given = waiting.pop(0)
            if isinstance(given, BridgeError):
                request = flow.throw(given)
                continue
            given.request, given.extensions[RECEIVED_AT] = request, at
            request = flow.send(given)
    except StopIteration as stop:
        return Played(tuple(requests), result=stop.value)
    except BridgeError as error:
        return Played(tuple(requests), error=error)


class World:
    """A sandbox over real HTTP, a bridge for it, and a listener that keeps what is posted."""

    def __init__(self, serve: Serve, client: httpx.AsyncClient, *, login: bool = False, **options: Any) -> None:
        changes = options.pop("settings", {})
        self.clock = TestClock()
        self.client = client
        self.sandbox = NetSapiensSandbox(clock=self.clock, client=client, **options)
        url = serve(self.sandbox.app)
        make = self.sandbox.password_settings if login else self.sandbox.settings
        self.given = {**make(url, hook_secret=SECRET), **changes}
        self.bridge = bridge_of(self.given)
        self.hooks: list[Hook] = []
        self._serve = serve

    @cached_property
    def url(self) -> str:
        """Where the listener is; it listens from the first look at this."""
        routes = [Route(f"/hooks/pbx/{SECRET}/{{model}}", self._take, methods=["POST"])]
        return f"{self._serve(Starlette(routes=routes))}/hooks/pbx/{SECRET}"

    async def _take(self, request: Request) -> Response:
        hook = Hook(body=await request.body(), path=request.path_params["model"], received_at=FIXTURE_TIME)
        self.hooks.append(hook)
        return Response(status_code=204)

    async def run(self, flow: Flow[Any]) -> Any:
        return await drive(flow, send=self.client.send, auth=self.bridge.auth, clock=self.clock)

    async def deliver(self, outgoing: Outgoing) -> Receipt:
        receipt = await self.run(self.bridge.deliver(outgoing))
        assert isinstance(receipt, Receipt)
        return receipt

    async def operate(self, name: str, *arguments: str) -> str:
        (operation,) = (each for each in self.bridge.operations() if each.name == name)
        lines = await self.run(operation.run(arguments))
        assert isinstance(lines, str)
        return lines

    def events(self) -> list[Any]:
        """Everything posted so far, decoded."""
        return [event for hook in self.hooks for event in self.bridge.decode(hook)]

    def paths(self) -> list[str]:
        return [f"{call.method} {call.path.removeprefix('/ns-api/v2')}" for call in self.sandbox.calls]


def encoded(data: bytes = PNG) -> str:
    return base64.b64encode(data).decode()
