"""Play flows and read fixtures without any I/O but the file itself: for every bridge's tests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import httpx
from pydantic import BaseModel

from bridges.api import Batches, Bridge, Confirms, Edits, Flow, Hook, Outgoing, Subscribes, Subscription
from bridges.errors import BridgeError
from bridges.model import ConversationId, Message, MessageId

T = TypeVar("T")

FIXTURE_TIME = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@dataclass(frozen=True)
class Played:
    """What a flow did: the requests it yielded, and its result or its error."""

    requests: tuple[httpx.Request, ...]
    result: Any = None
    error: BridgeError | None = None


def play(flow: Flow[T], *responses: httpx.Response | BridgeError, auth: httpx.Auth | None = None) -> Played:
    """Run a flow against given answers. Raises ``AssertionError`` if it asks for more of them than given."""
    waiting = list(responses)
    requests: list[httpx.Request] = []

    def send(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        assert waiting, f"an answer more was needed, for {request.method} {request.url}"
        answer = waiting.pop(0)
        if isinstance(answer, BridgeError):
            raise answer
        answer.request = request
        return answer

    def exchange(request: httpx.Request) -> httpx.Response:
        if auth is None:
            return send(request)
        steps = auth.auth_flow(request)
        current = next(steps)
        while True:
            response = send(current)
            try:
                current = steps.send(response)
            except StopIteration:
                return response

    try:
        request = next(flow)
        while True:
            try:
                answer = exchange(request)
            except BridgeError as error:
                request = flow.throw(error)
            else:
                request = flow.send(answer)
    except StopIteration as stop:
        return Played(tuple(requests), result=stop.value)
    except BridgeError as error:
        return Played(tuple(requests), error=error)


@dataclass(frozen=True)
class RecordedHook:
    """A ``.http`` file: where it comes from, the path as posted, and the hook."""

    origin: str
    path: str
    hook: Hook


def parse_http(data: bytes) -> tuple[str, str, tuple[tuple[str, str], ...], bytes]:
    """Method, path, headers (names in lower case) and byte-exact body of a recorded request; raises ``ValueError``."""
    # The first empty line, however its end is written: the body may hold the other kind.
    cuts = [(at, mark) for mark in (b"\r\n\r\n", b"\n\n") if (at := data.find(mark)) >= 0]
    at, mark = min(cuts, default=(len(data), b""))
    head, body = data[:at], data[at + len(mark) :]
    lines = head.decode("latin-1").replace("\r\n", "\n").split("\n")
    words = lines[0].split(" ")
    if len(words) < 2 or not words[0].isalpha():
        raise ValueError("line 1 is not a request line such as 'POST /hooks/support/secret HTTP/1.1'")
    headers = []
    for number, line in enumerate(lines[1:], start=2):
        name, colon, value = line.partition(":")
        if not colon:
            raise ValueError(f"line {number} is not a header")
        headers.append((name.strip().lower(), value.strip()))
    return words[0].upper(), words[1], tuple(headers), body


def read_hook(path: Path) -> RecordedHook:
    """Read a fixture; its first header is ``X-Fixture-Origin: docs <url> | recorded <date>``."""
    _, target, headers, body = parse_http(path.read_bytes())
    name, origin = headers[0]
    if name != "x-fixture-origin":
        raise ValueError(f"{path.name}: the first header must be X-Fixture-Origin")
    rest = target.split("/", 4)[4] if target.count("/") >= 4 else ""
    return RecordedHook(origin, target, Hook(body=body, headers=headers[1:], path=rest, received_at=FIXTURE_TIME))


@dataclass(frozen=True)
class RecordedFlow:
    """A ``.flow.json`` file: one operation, the requests expected and the answers given."""

    origin: str
    settings: Mapping[str, Any]
    call: Mapping[str, Any]
    exchanges: tuple[Mapping[str, Any], ...]
    result: Any
    error: Mapping[str, Any] | None


def read_flow(path: Path) -> RecordedFlow:
    """Read a flow fixture."""
    data = json.loads(path.read_text())
    return RecordedFlow(
        origin=data["origin"],
        settings=data.get("settings", {}),
        call=data["call"],
        exchanges=tuple(data["exchanges"]),
        result=data.get("result"),
        error=data.get("error"),
    )


def start(bridge: Bridge, call: Mapping[str, Any]) -> Flow[Any]:
    """The flow that a fixture's ``call`` asks for; ``do`` names the operation."""
    do = call["do"]
    outs = [Outgoing(**{**out, "message": Message.model_validate(out["message"])}) for out in call.get("outs", ())]
    match do:
        case "deliver":
            return bridge.deliver(outs[0])
        case "probe":
            return bridge.probe()
        case "deliver_many" if isinstance(bridge, Batches):
            return bridge.deliver_many(outs)
        case "confirm" if isinstance(bridge, Confirms):
            return bridge.confirm(outs[0])
        case "edit" if isinstance(bridge, Edits):
            message = Message.model_validate(call["message"])
            return bridge.edit(ConversationId(call["conversation"]), MessageId(call["id"]), message)
        case "delete" if isinstance(bridge, Edits):
            return bridge.delete(ConversationId(call["conversation"]), MessageId(call["id"]))
        case "subscribe" if isinstance(bridge, Subscribes):
            return bridge.subscribe(call["url"])
        case "attempt" if isinstance(bridge, Subscribes):
            return bridge.attempt(call["url"], memory=call["memory"])
        case "unsubscribe" if isinstance(bridge, Subscribes):
            return bridge.unsubscribe(call["url"])
    raise ValueError(f"{bridge.title} has no operation {do!r}")


def to_plain(result: object) -> object:
    """A flow's result as a fixture writes it."""
    if isinstance(result, BaseModel):
        return result.model_dump(mode="json")
    if isinstance(result, Subscription):
        return asdict(result)
    return result


def request_to_plain(request: httpx.Request) -> dict[str, object]:
    """A request as a fixture writes it, whole: the headers that httpx itself adds are left out."""
    added = ("host", "content-length", "accept", "accept-encoding", "connection", "user-agent")
    plain: dict[str, object] = {
        "method": request.method,
        "url": str(request.url),
        "headers": {name: value for name, value in sorted(request.headers.items()) if name not in added},
    }
    content = request.read()
    if content:
        kind = request.headers.get("content-type", "")
        plain |= {"json": json.loads(content)} if kind == "application/json" else {"text": content.decode()}
    return plain


def response_of(data: Mapping[str, Any]) -> httpx.Response:
    """The answer described in a flow fixture: ``status``, ``headers`` and ``json`` or ``text``."""
    headers = data.get("headers", {})
    if "json" in data:
        return httpx.Response(data.get("status", 200), headers=headers, json=data["json"])
    return httpx.Response(data.get("status", 200), headers=headers, text=data.get("text", ""))
