"""Echo's server, for the playground and the tests: strict about requests, signs its webhooks."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import itertools
import json
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bridges.sandboxes import CALLS_MOST, Call, Clock, Feed, Listener, Malformed, Outlet, json_object, only, utc_now

TEXT_MOST, ORIGIN_MOST, EMOJI_MOST = 4000, 64, 16


@dataclass(frozen=True, slots=True)
class Accepted:
    """A message as Echo took it; ``number`` counts in the order of acceptance."""

    number: int
    id: str
    key: str
    conversation: str
    text: str
    reply_to: str | None
    at: datetime
    origin: str = ""


class _Refusal(Exception):
    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


class EchoSandbox:
    """One Echo account. ``app`` is the ASGI application; ``hook_url`` is where its webhooks go."""

    def __init__(
        self,
        *,
        token: str = "sandbox-echo-token",
        signing_secret: str = "sandbox-echo-signing",
        conversations: Iterable[str] = ("lobby",),
        hook_url: str | None = None,
        echoes: bool = False,
        client: httpx.AsyncClient | None = None,
        clock: Clock = utc_now,
    ) -> None:
        self.token = token
        self.signing_secret = signing_secret
        self.conversations = list(conversations)
        self.hook_url = hook_url
        self.echoes = echoes
        """Whether what programs send is posted as a webhook too."""
        self.reactions: dict[str, str] = {}
        """The reactions that were put on messages through the API, by message."""
        self.accepted: list[Accepted] = []
        """Messages in the order in which they were accepted, as they were then."""
        self.calls: deque[Call] = deque(maxlen=CALLS_MOST)
        self._messages: dict[str, Accepted] = {}
        self._keys: dict[str, str] = {}
        self._said: dict[str, dict[str, object]] = {}
        self._numbers = itertools.count(1)
        self.outlet = Outlet(client)
        self._clock = clock
        self._feed = Feed()
        self.app = Starlette(
            routes=[
                Route("/messages", self._call(self._send), methods=["POST"]),
                Route("/messages", self._call(self._find), methods=["GET"]),
                Route("/messages/{id}", self._call(self._edit), methods=["PATCH"]),
                Route("/messages/{id}", self._call(self._delete), methods=["DELETE"]),
                Route("/messages/{id}/reaction", self._call(self._put_reaction), methods=["PUT"]),
                Route("/me", self._call(self._me), methods=["GET"]),
            ]
        )

    # What a page and tests use

    def subscribe_listener(self, listener: Listener) -> Callable[[], None]:
        """Call ``listener`` on every change from now on; returns what ends it."""
        return self._feed.listen(listener)

    def state(self) -> dict[str, object]:
        """All there is to see, for a person: conversations with their messages as they are now. Ready for JSON."""
        rooms: dict[str, list[dict[str, object]]] = {name: [] for name in self.conversations}
        for message in self._messages.values():
            rooms[message.conversation].append(_shown(message))
        return {
            "provider": "echo",
            "accepted": len(self.accepted),
            "conversations": rooms,
            "reactions": dict(self.reactions),
        }

    def snapshot(self) -> dict[str, Any]:
        """Everything it keeps, ready for JSON; :meth:`restore` takes it back."""
        shown = {id: {**asdict(message), "at": message.at.isoformat()} for id, message in self._messages.items()}
        log = [{**asdict(message), "at": message.at.isoformat()} for message in self.accepted]
        self._numbers = itertools.count(next_number := next(self._numbers))
        kept = {"accepted": log, "messages": shown, "keys": self._keys, "said": self._said}
        return {**kept, "reactions": self.reactions, "next": next_number}

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Go on from a snapshot: ids are not given out twice, a key is still known."""

        def message(kept: dict[str, Any]) -> Accepted:
            return Accepted(**{**kept, "at": datetime.fromisoformat(kept["at"])})

        self.accepted[:] = [message(kept) for kept in snapshot["accepted"]]
        self._messages = {id: message(kept) for id, kept in snapshot["messages"].items()}
        self._keys = dict(snapshot["keys"])
        self._said = dict(snapshot["said"])
        self.reactions = dict(snapshot.get("reactions", {}))
        self._numbers = itertools.count(snapshot["next"])

    async def say(
        self, conversation: str, person: str, text: str, *, reply_to: str | None = None, origin: str | None = None
    ) -> str:
        """Somebody writes, or a program that calls itself ``origin``: posts the signed event and returns the message's
        id. Raises as :meth:`emit` does."""
        id = f"m{next(self._numbers)}"
        self._said[id] = {"id": id, "text": text, "from": _someone(person), "reply_to": reply_to, "origin": origin}
        await self.emit("message", conversation, message=self._said[id])
        return id

    async def change(self, conversation: str, id: str, text: str) -> None:
        """Somebody changes what they wrote."""
        self._said[id] = {**self._said[id], "text": text}
        await self.emit("edited", conversation, message=self._said[id])

    async def take_back(self, conversation: str, id: str) -> None:
        """Somebody deletes what they wrote."""
        await self.emit("deleted", conversation, message={"id": id})

    async def react(self, conversation: str, id: str, person: str, *reactions: str) -> None:
        """A person's reactions on a message are now these."""
        await self.emit(
            "reaction", conversation, message={"id": id}, person=_someone(person), reactions=list(reactions)
        )

    async def emit(self, kind: str, conversation: str, **fields: object) -> int:
        """Post one signed event and return the status.

        Raises ``LookupError`` without ``hook_url``, ``httpx.TransportError`` if nobody listens there.
        """
        if self.hook_url is None:
            raise LookupError("hook_url is not set, so Echo does not know where to post its events")
        event = {
            "id": f"evt{next(self._numbers)}",
            "type": kind,
            "at": self._clock().astimezone(UTC).isoformat(),
            "conversation": {"id": conversation, "title": conversation.title()},
            **fields,
        }
        body = json.dumps(event).encode()
        signature = hmac.new(self.signing_secret.encode(), body, hashlib.sha256).hexdigest()
        answer = await self.outlet.client.post(
            self.hook_url,
            content=body,
            headers={"Content-Type": "application/json", "X-Echo-Signature": signature},
        )
        self._feed.tell("event", event=kind, conversation=conversation, status=answer.status_code)
        return answer.status_code

    # The same for every sandbox (bridges.sandboxes.Sandbox)

    def settings(self, base_url: str, *, hook_secret: str) -> dict[str, object]:
        """See :class:`bridges.sandboxes.Sandbox`."""
        return {
            "provider": "echo",
            "base_url": base_url,
            "token": self.token,
            "hook_secret": hook_secret,
            "signing_secret": self.signing_secret,
        }

    def conversation(self) -> str:
        """See :class:`bridges.sandboxes.Sandbox`."""
        return self.conversations[0]

    async def greet(self, hook_url: str, *, text: str) -> int:
        """See :class:`bridges.sandboxes.Sandbox`: a person writes into the first conversation."""
        self.hook_url = hook_url
        id = f"m{next(self._numbers)}"
        self._said[id] = {"id": id, "text": text, "from": _someone("Ann"), "reply_to": None, "origin": None}
        return await self.emit("message", self.conversations[0], message=self._said[id])

    async def close(self) -> None:
        """Close the connections that it opened itself."""
        await self.outlet.close()

    # The API

    def _call(self, handle: Any) -> Any:
        async def endpoint(request: Request) -> Response:
            try:
                given = request.headers.get("authorization", "")
                if not hmac.compare_digest(given.encode(), f"Bearer {self.token}".encode()):
                    raise _Refusal("the token is not valid", status=401)
                response: Response = await handle(request)
            except Malformed as error:
                response = JSONResponse({"error": str(error)}, status_code=400)
            except _Refusal as error:
                response = JSONResponse({"error": str(error)}, status_code=error.status)
            self.calls.append(Call(request.method, request.url.path, response.status_code))
            return response

        return endpoint

    async def _send(self, request: Request) -> Response:
        body = await json_object(request)
        optional = {"reply_to": str, "origin": str}
        only(body, required={"key": str, "conversation": str, "text": str}, optional=optional)
        if not body["key"]:
            raise Malformed("key must not be empty")
        if known := self._keys.get(body["key"]):
            return JSONResponse({"id": known}, status_code=200)
        _check_text(body["text"])
        if not 1 <= len(body.get("origin", "program")) <= ORIGIN_MOST:
            raise Malformed(f"origin must have 1 to {ORIGIN_MOST} characters")
        if body["conversation"] not in self.conversations:
            raise _Refusal("no such conversation", status=404)
        reply_to = body.get("reply_to")
        if reply_to is not None and reply_to not in self._messages and reply_to not in self._said:
            raise _Refusal("reply_to names no message", status=404)
        message = Accepted(
            number=len(self.accepted) + 1,
            id=f"m{next(self._numbers)}",
            key=body["key"],
            conversation=body["conversation"],
            text=body["text"],
            reply_to=reply_to,
            at=self._clock(),
            origin=body.get("origin", ""),
        )
        self.accepted.append(message)
        self._messages[message.id] = message
        self._keys[message.key] = message.id
        self._feed.tell("message", conversation=message.conversation, **_shown(message))
        if self.echoes and self.hook_url is not None:
            about = {"id": message.id, "text": message.text, "from": _someone("Program"), "reply_to": reply_to}
            with contextlib.suppress(httpx.TransportError):
                said = {**about, "origin": message.origin or "program"}
                await self.emit("message", message.conversation, message=said)
        return JSONResponse({"id": message.id}, status_code=201)

    async def _find(self, request: Request) -> Response:
        key = request.query_params.get("key")
        if not key:
            raise Malformed("key is required")
        ids = [self._keys[key]] if key in self._keys else []
        return JSONResponse({"messages": [{"id": id} for id in ids]})

    async def _edit(self, request: Request) -> Response:
        message = self._ours(request)
        body = await json_object(request)
        only(body, required={"text": str}, optional={})
        _check_text(body["text"])
        self._messages[message.id] = replace(message, text=body["text"])
        self._feed.tell("edited", id=message.id, text=body["text"])
        return JSONResponse({})

    async def _delete(self, request: Request) -> Response:
        message = self._ours(request)
        del self._messages[message.id]
        self._feed.tell("deleted", id=message.id)
        return Response(status_code=204)

    async def _put_reaction(self, request: Request) -> Response:
        id = request.path_params["id"]
        if id not in self._messages and id not in self._said:
            raise _Refusal("no such message", status=404)
        body = await json_object(request)
        only(body, required={"emoji": str}, optional={})
        if len(body["emoji"]) > EMOJI_MOST:
            raise Malformed(f"emoji must have at most {EMOJI_MOST} characters")
        if body["emoji"]:
            self.reactions[id] = body["emoji"]
        else:
            self.reactions.pop(id, None)
        self._feed.tell("reaction", id=id, emoji=body["emoji"])
        return JSONResponse({})

    async def _me(self, request: Request) -> Response:
        return JSONResponse({"name": "sandbox"})

    def _ours(self, request: Request) -> Accepted:
        message = self._messages.get(request.path_params["id"])
        if message is None:
            raise _Refusal("no such message", status=404)
        return message


def _check_text(text: str) -> None:
    if not 1 <= len(text) <= TEXT_MOST:
        raise Malformed(f"text must have 1 to {TEXT_MOST} characters")


def _someone(person: str) -> dict[str, object]:
    id = "".join(c if c.isascii() and c.isalnum() else "-" for c in person.lower())[:64]
    return {"id": id or "nobody", "name": person}


def _shown(message: Accepted) -> dict[str, object]:
    return {"number": message.number, "id": message.id, "text": message.text, "reply_to": message.reply_to}


Sandbox = EchoSandbox
