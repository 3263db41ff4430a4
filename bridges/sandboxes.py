"""What the sandboxes of all providers share: a feed of changes for live pages and the strict reading of requests."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from typing import Any, Protocol, TypeAlias, cast

import httpx
from starlette.applications import Starlette
from starlette.requests import Request

Change: TypeAlias = Mapping[str, object]
"""What happened, ready for JSON: ``kind`` and the fields that belong to it."""
Listener: TypeAlias = Callable[[Change], None]
Clock: TypeAlias = Callable[[], datetime]

CALLS_MOST = 1000


def utc_now() -> datetime:
    """The machine's time, aware."""
    return datetime.now(UTC)


class Feed:
    """Tells everybody who listens what changed, in order; a listener must return at once."""

    def __init__(self) -> None:
        self._listeners: dict[int, Listener] = {}
        self._next = 0

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call ``listener`` on every change from now on; returns what ends it."""
        self._next += 1
        number = self._next
        self._listeners[number] = listener

        def stop() -> None:
            self._listeners.pop(number, None)

        return stop

    def tell(self, kind: str, **fields: object) -> None:
        """Tell one change."""
        for listener in tuple(self._listeners.values()):
            listener({"kind": kind, **fields})


CALLBACK_TIMEOUT_S = 5.0
"""How long a listener may take to answer a webhook."""


class Outlet:
    """The connections through which a sandbox posts its webhooks: those it was given, or its own once it needs them."""

    def __init__(self, client: httpx.AsyncClient | None = None) -> None:
        self._given = client
        self._own: httpx.AsyncClient | None = None

    @property
    def client(self) -> httpx.AsyncClient:
        """What to post with."""
        if self._given is not None:
            return self._given
        if self._own is None:
            self._own = httpx.AsyncClient(timeout=CALLBACK_TIMEOUT_S, trust_env=False)
        return self._own

    async def close(self) -> None:
        """Close the connections that it opened itself."""
        if self._own is not None:
            await self._own.aclose()
            self._own = None


@dataclass(frozen=True, slots=True)
class Call:
    """A request that a sandbox had, and how it answered. Holds no body."""

    method: str
    path: str
    status: int
    detail: str = ""


class Sandbox(Protocol):
    """What every provider's sandbox can do; each has methods of its own to play its people.

    It also keeps ``accepted``, a list of the messages in the order in which they were accepted, each with a ``number``
    that counts up and a ``text``: the provider's own log, and the truth in tests.
    """

    app: Starlette
    calls: deque[Call]

    @property
    def accepted(self) -> list[Any]: ...

    def settings(self, base_url: str, *, hook_secret: str) -> dict[str, object]:
        """The configuration of an account that talks to this sandbox at ``base_url``."""
        ...

    def conversation(self) -> str:
        """The conversation part of an address that can be sent to."""
        ...

    async def greet(self, hook_url: str, *, text: str) -> int:
        """Somebody writes ``text``: posts the webhook to ``hook_url`` and returns the status."""
        ...

    def subscribe_listener(self, listener: Listener) -> Callable[[], None]:
        """Call ``listener`` on every change from now on; returns what ends it."""
        ...

    def state(self) -> dict[str, object]:
        """All there is to see, for a person; ready for JSON."""
        ...

    def snapshot(self) -> dict[str, Any]:
        """Everything it keeps, ready for JSON."""
        ...

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Go on from a snapshot; ids are not given out twice."""
        ...

    async def close(self) -> None:
        """Close the connections that it opened itself."""
        ...


def make_sandbox(provider: str) -> Sandbox:
    """A sandbox of that provider as it comes: ``Sandbox`` of ``bridges/<provider>/sandbox.py``."""
    return cast(Sandbox, import_module(f"bridges.{provider}.sandbox").Sandbox())


class Malformed(Exception):
    """A request that the documentation does not allow; the words say which field and why."""


async def json_object(request: Request) -> dict[str, Any]:
    """The body as a JSON object sent as JSON; raises :class:`Malformed`."""
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
        raise Malformed("Content-Type must be application/json")
    try:
        body = json.loads(await request.body())
    except (ValueError, RecursionError) as error:
        raise Malformed("the body is not JSON") from error
    if not isinstance(body, dict):
        raise Malformed("the body is not an object")
    return body


def only(body: Mapping[str, Any], *, required: Mapping[str, type], optional: Mapping[str, type]) -> None:
    """Raise :class:`Malformed` unless the fields are these and of these types, and no others."""
    known = {**required, **optional}
    for name, value in body.items():
        if name not in known:
            raise Malformed(f"unknown field {name[:40]!r}")
        if type(value) is not known[name]:
            raise Malformed(f"{name} must be of type {known[name].__name__}")
    for name in required:
        if name not in body:
            raise Malformed(f"{name} is required")
