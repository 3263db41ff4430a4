"""Play flows and read fixtures without any I/O but the file itself: for every bridge's tests."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar, cast

import httpx
from pydantic import BaseModel

from bridges.api import (
    RECEIVED_AT,
    Answered,
    Batches,
    Bridge,
    Broadcasts,
    Confirms,
    Credentials,
    Edits,
    Fetches,
    Flow,
    Hook,
    Imports,
    Inspects,
    Listed,
    Lists,
    Operates,
    Outgoing,
    Polled,
    Polls,
    Reacts,
    Resolves,
    Subscribes,
    Subscription,
)
from bridges.errors import BridgeError, Garbled, Refused, Unauthorized, Unavailable
from bridges.files import Bytes
from bridges.model import Attachment, ConversationId, Deleted, Message, MessageId, Person, Receipt

T = TypeVar("T")

FIXTURE_TIME = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@dataclass(frozen=True)
class Played:
    """What a flow did: the requests it yielded, and its result or its error."""

    requests: tuple[httpx.Request, ...]
    result: Any = None
    error: BridgeError | None = None


def play(
    flow: Flow[T], *responses: httpx.Response | BridgeError, auth: httpx.Auth | Credentials | None = None
) -> Played:
    """Run a flow against given answers, at ``FIXTURE_TIME``. ``AssertionError`` if it asks for more than given."""
    waiting = list(responses)
    requests: list[httpx.Request] = []

    def send(request: httpx.Request) -> httpx.Response:
        # As it was then: one that comes again has other credentials on it.
        headers = httpx.Headers(request.headers)
        requests.append(httpx.Request(request.method, request.url, headers=headers, content=request.read()))
        assert waiting, f"an answer more was needed, for {request.method} {request.url}"
        answer = waiting.pop(0)
        if isinstance(answer, BridgeError):
            raise answer
        answer.request = request
        answer.extensions[RECEIVED_AT] = FIXTURE_TIME
        return answer

    def renew(credentials: Credentials) -> None:
        steps = credentials.renew(FIXTURE_TIME)
        try:
            request = next(steps)
            while True:
                try:
                    answer = send(request)
                except BridgeError as error:
                    request = steps.throw(error)
                else:
                    request = steps.send(answer)
        except StopIteration:
            return
        except Refused as error:
            raise Unauthorized(f"no new credentials: {error}") from error
        except (Garbled, Unavailable) as error:
            wait = error.retry_after if isinstance(error, Unavailable) else None
            raise Unavailable(f"no new credentials: {error}", retry_after=wait) from error

    def exchange(request: httpx.Request) -> httpx.Response:
        if auth is None:
            return send(request)
        if not isinstance(auth, httpx.Auth):
            if auth.stale(FIXTURE_TIME):
                renew(auth)
            auth.put_on(request)
            response = send(request)
            if auth.refused(response):
                renew(auth)
                auth.put_on(request)
                response = send(request)
            return response
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


def mutant(chance: random.Random, bodies: Sequence[Any], *, names: Sequence[str], odd: Sequence[Any]) -> bytes:
    """One of these bodies as JSON, with values dropped, doubled, put under other names or replaced by odd ones, and
    now and then with a byte that is wrong."""

    def mutated(value: Any) -> Any:
        roll = chance.random()
        if roll < 0.12:
            return chance.choice(odd)
        if isinstance(value, dict):
            kept = {name: mutated(each) for name, each in value.items() if chance.random() > 0.08}
            return {**kept, chance.choice(names): chance.choice([*odd, value])} if roll < 0.3 else kept
        if isinstance(value, list):
            return [mutated(each) for each in value] * chance.choice((1, 1, 2))
        return value

    raw = json.dumps(mutated(chance.choice(bodies))).encode()
    if chance.random() < 0.2:
        at = chance.randrange(len(raw))
        raw = raw[:at] + bytes([chance.randrange(256)]) + raw[at + chance.choice((0, 1)) :]
    return raw


@dataclass(frozen=True)
class RecordedFlow:
    """A ``.flow.json`` file: one operation, the requests expected and the answers given."""

    origin: str
    settings: Mapping[str, Any]
    """Changes to the provider's ``settings.json``."""
    memory: Mapping[str, str]
    """What the bridge recalls before the call, beside the provider's ``memory.json`` where there is one."""
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
        memory=data.get("memory", {}),
        call=data["call"],
        exchanges=tuple(data["exchanges"]),
        result=data.get("result"),
        error=data.get("error"),
    )


def outgoing_of(data: Mapping[str, Any]) -> Outgoing:
    """An ``Outgoing`` as a fixture writes it: ``files`` in base64."""
    fields = {**data, "message": Message.model_validate(data["message"])}
    if data.get("began_at"):
        fields["began_at"] = datetime.fromisoformat(data["began_at"])
    if "files" in data:
        fields["files"] = tuple(Bytes(base64.b64decode(each)) for each in data["files"])
    if data.get("answered"):
        about = dict(data["answered"])
        if about.get("sender"):
            about["sender"] = Person.model_validate(about["sender"])
        if about.get("at"):
            about["at"] = datetime.fromisoformat(about["at"])
        fields["answered"] = Answered(**about)
    return Outgoing(**fields)


def start(bridge: Bridge, call: Mapping[str, Any]) -> Flow[Any]:
    """The flow that a fixture's ``call`` asks for; ``do`` names the operation. It is always ``FIXTURE_TIME``."""
    do = call["do"]
    outs = [outgoing_of(out) for out in call.get("outs", ())]
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
        case "react" if isinstance(bridge, Reacts):
            return bridge.react(ConversationId(call["conversation"]), MessageId(call["id"]), call["emoji"])
        case "resolve" if isinstance(bridge, Resolves):
            hook = Hook(body=json.dumps(call["hook"]).encode(), received_at=FIXTURE_TIME)
            (event,) = (each for each in bridge.decode(hook) if isinstance(each, Deleted))
            return bridge.resolve(event, hook)
        case "subscribed" if isinstance(bridge, Inspects):
            return bridge.subscribed(call["url"])
        case "subscribe" if isinstance(bridge, Subscribes):
            return bridge.subscribe(call["url"], now=FIXTURE_TIME)
        case "attempt" if isinstance(bridge, Subscribes):
            return bridge.attempt(call["url"], memory=call["memory"], now=FIXTURE_TIME)
        case "unsubscribe" if isinstance(bridge, Subscribes):
            return bridge.unsubscribe(call["url"])
        case "poll" if isinstance(bridge, Polls):
            return bridge.poll(call["cursor"])
        case "broadcast" if isinstance(bridge, Broadcasts):
            return bridge.broadcast(outs)
        case "deliver_past" if isinstance(bridge, Imports):
            return bridge.deliver_past(outs[0], at=datetime.fromisoformat(call["at"]))
        case "conversations" if isinstance(bridge, Lists):
            return bridge.conversations()
        case "fetch" if isinstance(bridge, Fetches):
            return bridge.fetch(Attachment.model_validate(call["attachment"]))
        case "operate" if isinstance(bridge, Operates):
            (operation,) = (each for each in bridge.operations() if each.name == call["operation"])
            return operation.run(call["arguments"])
    raise ValueError(f"{bridge.title} has no operation {do!r}")


def to_plain(result: object) -> object:
    """A flow's result as a fixture writes it; fields that came later are left out where they are empty."""
    if isinstance(result, Receipt):
        plain = result.model_dump(mode="json")
        return plain if result.handle else {name: value for name, value in plain.items() if name != "handle"}
    if isinstance(result, BaseModel):
        return result.model_dump(mode="json")
    if isinstance(result, Subscription):
        shown = asdict(result)
        expires_at = shown.pop("expires_at")
        return shown if expires_at is None else {**shown, "expires_at": expires_at.isoformat()}
    if isinstance(result, Listed):
        return {"conversation": result.conversation.model_dump(mode="json"), "detail": result.detail}
    if isinstance(result, Polled):
        bodies = [{"path": hook.path, "body": json.loads(hook.body)} for hook in result.hooks]
        return {"hooks": bodies, "cursor": result.cursor}
    if isinstance(result, BridgeError):
        return {"type": type(result).__name__}
    if isinstance(result, Bytes):
        return base64.b64encode(result.data).decode()
    if isinstance(result, list | tuple):
        return [to_plain(each) for each in result]
    return result


def request_to_plain(request: httpx.Request) -> dict[str, object]:
    """A request as a fixture writes it, whole: the headers that httpx itself adds are left out, and the boundary of
    a form is written as ``BOUNDARY``."""
    added = ("host", "content-length", "accept", "accept-encoding", "connection", "user-agent")
    plain: dict[str, object] = {
        "method": request.method,
        "url": str(request.url),
        "headers": {name: value for name, value in sorted(request.headers.items()) if name not in added},
    }
    content = request.read()
    if content:
        kind = request.headers.get("content-type", "")
        if kind.startswith("multipart/"):
            _, _, boundary = kind.partition("boundary=")
            headers = cast(dict[str, str], plain["headers"])
            headers["content-type"] = kind.replace(boundary, "BOUNDARY")
            plain |= {"text": content.decode("latin-1").replace(boundary, "BOUNDARY")}
        else:
            plain |= {"json": json.loads(content)} if kind == "application/json" else {"text": content.decode()}
    return plain


def response_of(data: Mapping[str, Any]) -> httpx.Response:
    """The answer described in a flow fixture: ``status``, ``headers`` and ``json`` or ``text``."""
    headers = data.get("headers", {})
    if "json" in data:
        return httpx.Response(data.get("status", 200), headers=headers, json=data["json"])
    return httpx.Response(data.get("status", 200), headers=headers, text=data.get("text", ""))
