"""What the tests of OpenIM share."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from bridges.api import Flow, Hook, Outgoing
from bridges.driver import drive
from bridges.model import AccountName, ConversationId, Event, Message, Person, PersonId
from bridges.openim.bridge import OpenIMBridge
from bridges.openim.sandbox import GROUP_ID, OpenIMSandbox
from bridges.openim.settings import OpenIMSettings
from bridges.sandboxes import Outlet
from bridges.testing import FIXTURE_TIME

SECRET = "hook-secret-0123456789"
GROUP = f"group/{GROUP_ID}"
ANN = Person(id=PersonId("420017"), name="Ann Lee")
CLUB = AccountName("club")
Serve = Callable[[ASGIApp], str]


def bridge_for(base_url: str = "https://im.example:10002", **changes: Any) -> OpenIMBridge:
    settings = {
        "provider": "openim",
        "base_url": base_url,
        "secret": "sandbox-openim-secret",
        "hook_secret": SECRET,
        **changes,
    }
    return OpenIMBridge(OpenIMSettings.model_validate(settings))


def out(text: str = "hello", *, to: str = GROUP, key: str = "k1", attempt: int = 1, **fields: Any) -> Outgoing:
    given = {name: fields.pop(name) for name in ("files", "answered") if name in fields}
    message = Message(text=text, **fields)
    return Outgoing(key=key, conversation=ConversationId(to), message=message, attempt=attempt, **given)


def hook_of(body: object, *, path: str = "") -> Hook:
    return Hook(body=json.dumps(body).encode(), path=path, received_at=FIXTURE_TIME)


class Time:
    """A clock that is set by hand."""

    def __init__(self, now: datetime = FIXTURE_TIME) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def goes_on(self, **by: float) -> None:
        self.now += timedelta(**by)


class Running:
    """A sandbox and a bridge with each other, over real HTTP."""

    def __init__(self, serve: Serve, client: httpx.AsyncClient, sandbox: OpenIMSandbox, **changes: Any) -> None:
        self.sandbox = sandbox
        self.client = client
        self.url = serve(sandbox.app)
        self.clock = Time()
        sandbox.clock = self.clock
        sandbox.outlet = Outlet(client)
        self.bridge = bridge_for(self.url, server_line=sandbox.line, **changes)
        self.hooks: list[Hook] = []
        listener = Starlette(routes=[Route("/hooks/im/{secret}/{rest:path}", self._take, methods=["POST"])])
        sandbox.hook_url = f"{serve(listener)}/hooks/im/{SECRET}"

    async def run(self, flow: Flow[Any], *, bridge: OpenIMBridge | None = None) -> Any:
        auth = (bridge or self.bridge).auth
        return await drive(flow, send=self.client.send, auth=auth, clock=self.clock)

    async def deliver(self, *args: Any, **fields: Any) -> Any:
        return await self.run(self.bridge.deliver(out(*args, **fields)))

    async def _take(self, request: Request) -> Response:
        path = request.url.path.split("/", 4)[4]
        headers = tuple((name.lower(), value) for name, value in request.headers.items())
        hook = Hook(body=await request.body(), headers=headers, path=path, received_at=FIXTURE_TIME)
        self.hooks.append(hook)
        answer = self.bridge.answer(hook)
        return Response(answer.body, answer.status, media_type=answer.media_type)

    @property
    def events(self) -> list[Event]:
        """What came in, decoded, without what is unsupported."""
        decoded = [event for hook in self.hooks for event in self.bridge.decode(hook)]
        return [event for event in decoded if event.type != "unsupported"]

    def paths(self) -> list[str]:
        """The calls that the server had."""
        return [call.path for call in self.sandbox.calls]


def content_of(body: Mapping[str, Any]) -> Any:
    return json.loads(body["content"])
