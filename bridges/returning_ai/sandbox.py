"""A strict stand-in for Returning.AI on loopback: answers as its documents say and posts webhooks.

Strict where the documents speak. What they leave open is decided here and marked "a guess": the status of refusals, and
everything about webhooks, whose body has a shape that can be chosen. Sources: https://dev.returning.ai, its pages "Send
Message", "Get Messages" and "Upload image", and the public piece of Returning.AI's own staff,
https://github.com/activepieces/activepieces/tree/main/packages/pieces/community/returning-ai (2026-11).
"""

from __future__ import annotations

import hmac
import itertools
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bridges.returning_ai.community import (
    BRIDGE,
    CHANNELS,
    Member,
    Reaction,
    Said,
    Shape,
    Shaper,
    about,
    hook_body,
    iso,
)
from bridges.returning_ai.community import Place as Place
from bridges.sandboxes import CALLS_MOST, Call, Clock, Feed, Listener, Malformed, Outlet, json_object, only, utc_now

COUNT_MOST = 1000
IMAGE_BYTES_MOST = 10 << 20
IMAGES_KEPT = 20
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


class _Refusal(Exception):
    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


class ReturningAiSandbox:
    """One community with one API key. ``app`` is the ASGI application; ``hook_url`` is where its webhooks go."""

    def __init__(
        self,
        *,
        token: str = "sandbox-returning-ai-token",
        prefix: str = "/apis/v1",
        channels: Iterable[Place] = CHANNELS,
        members: Iterable[Member] = (BRIDGE,),
        sender: str = BRIDGE.email,
        hook_url: str | None = None,
        shape: Shape | Shaper = "documented",
        echoes: bool = False,
        tells_topic: bool = False,
        client: httpx.AsyncClient | None = None,
        clock: Clock = utc_now,
    ) -> None:
        self.token = token
        self.sender = sender
        self.channels = {channel.id: channel for channel in channels}
        self.members = list(members)
        self.hook_url = hook_url
        self.shape: Shape | Shaper = shape
        self.echoes = echoes
        """Whether what came through the API is posted as a webhook too; not documented."""
        self.tells_topic = tells_topic
        """Whether "Get Messages" names the forum topic; not documented."""
        self.messages: list[Said] = []
        """Everything that stands in the community, the oldest first."""
        self.accepted: list[Said] = []
        """The messages that came through the API, in the order in which they were accepted."""
        self._by_id: dict[str, Said] = {}
        self.reactions: list[Reaction] = []
        self.images: OrderedDict[str, tuple[bytes, str]] = OrderedDict()
        """The latest uploads: bytes and media type by id."""
        self.calls: deque[Call] = deque(maxlen=CALLS_MOST)
        self._prefix = prefix
        self._numbers = itertools.count(1)
        self.outlet = Outlet(client)
        self._clock = clock
        self._feed = Feed()
        self.app = Starlette(
            routes=[
                Route(f"{prefix}/messages/send", self._call(self._send), methods=["POST"]),
                Route(f"{prefix}/messages/reply", self._call(self._reply), methods=["POST"]),
                Route(f"{prefix}/messages/react", self._call(self._react), methods=["POST"]),
                Route(f"{prefix}/messages/upload-image", self._call(self._upload), methods=["POST"]),
                Route(f"{prefix}/channels", self._call(self._channels), methods=["GET"]),
                Route(f"{prefix}/users/info", self._call(self._info), methods=["POST"]),
                Route("/v1/messages", self._call(self._get_messages), methods=["GET"]),
                Route("/uploads/{id}", self._image, methods=["GET"]),
                Route("/{rest:path}", self._no_such_route, methods=_METHODS),
            ]
        )

    # What a page and tests use

    async def say(
        self, person: str, channel: str, text: str, *, topic: str = "", reply_to: str = "", hook: bool = True
    ) -> str:
        """Somebody writes; returns the message's id. Posts the webhook, if one is entered and ``hook`` is true.

        A person who is not there yet joins. Raises ``LookupError`` if there is no such channel, topic or message.
        """
        place = self.channels[channel]
        if topic and topic not in place.topics:
            raise LookupError(f"{channel} has no topic {topic}")
        if reply_to and reply_to not in self._by_id:
            raise LookupError(f"there is no message {reply_to}")
        message = self._keep(place, topic=topic, member=self._member(person), text=text, reply_to=reply_to)
        self._feed.tell("said", **self._shown(message))
        if hook and self.hook_url is not None:
            await self.post(message.id)
        return message.id

    async def post(self, id: str) -> int:
        """Post the webhook of a message, again if it was before; returns its status."""
        return await self._post(self._body(self._by_id[id]))

    async def react(self, person: str, id: str, shortcode: str) -> int:
        """Somebody puts a reaction on a message; returns the webhook's status. A guess: modelled on the API's call."""
        message = self._by_id.get(id)
        if message is None:
            raise LookupError(f"there is no message {id}")
        self.reactions.append(Reaction(id, self._member(person).user_id, shortcode))
        return await self._tell_reaction("reaction_added", message, person, shortcode)

    async def unreact(self, person: str, id: str, shortcode: str) -> int:
        """Somebody takes a reaction back; returns the webhook's status. A guess as :meth:`react`."""
        reaction = Reaction(id, self._member(person).user_id, shortcode)
        if reaction not in self.reactions:
            raise LookupError(f"{person} has no {shortcode} on {id}")
        self.reactions.remove(reaction)
        return await self._tell_reaction("reaction_removed", self._by_id[id], person, shortcode)

    async def _tell_reaction(self, event: str, message: Said, person: str, shortcode: str) -> int:
        member = self._member(person)
        self._feed.tell("reaction", id=message.id, emoji=shortcode)
        body = {
            "event": event,
            "messageId": message.id,
            "emoji": shortcode,
            **about(message, member, self.channels[message.channel], at=self._clock()),
        }
        return await self._post(body)

    def subscribe_listener(self, listener: Listener) -> Callable[[], None]:
        """Call ``listener`` on every change from now on; returns what ends it."""
        return self._feed.listen(listener)

    def state(self) -> dict[str, object]:
        """All there is to see, for a person: channels with their messages, members. Ready for JSON."""
        return {
            "provider": "returning_ai",
            "accepted": len(self.accepted),
            "channels": [
                {
                    "id": place.id,
                    "name": place.name,
                    "type": place.kind,
                    "topics": list(place.topics),
                    "messages": [self._shown(message) for message in self.messages if message.channel == place.id],
                }
                for place in self.channels.values()
            ],
            "members": [asdict(member) for member in self.members],
            "reactions": [asdict(reaction) for reaction in self.reactions],
            # The last segment of the URL is a secret.
            "webhook": self.hook_url and self.hook_url.rsplit("/", 1)[0] + "/•••",
        }

    def snapshot(self) -> dict[str, Any]:
        """Everything it keeps but the bytes of images, ready for JSON; :meth:`restore` takes it back."""
        self._numbers = itertools.count(next_number := next(self._numbers))
        return {
            "messages": [{**asdict(message), "at": message.at.isoformat()} for message in self.messages],
            "reactions": [asdict(reaction) for reaction in self.reactions],
            "members": [asdict(member) for member in self.members],
            "hook_url": self.hook_url,
            "next": next_number,
        }

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Go on from a snapshot: no message gets the id of an earlier one."""
        kept = [Said(**{**each, "at": datetime.fromisoformat(each["at"])}) for each in snapshot["messages"]]
        self.messages[:] = kept
        self.accepted[:] = [message for message in kept if message.number]
        self._by_id = {message.id: message for message in kept}
        self.reactions[:] = [Reaction(**each) for each in snapshot["reactions"]]
        self.members[:] = [Member(**each) for each in snapshot["members"]]
        self.hook_url = snapshot["hook_url"]
        self._numbers = itertools.count(snapshot["next"])

    # The same for every sandbox (bridges.sandboxes.Sandbox)

    def settings(self, base_url: str, *, hook_secret: str) -> dict[str, object]:
        """See :class:`bridges.sandboxes.Sandbox`."""
        return {
            "provider": "returning_ai",
            "base_url": base_url,
            "path_prefix": self._prefix,
            "token": self.token,
            "sender": self.sender,
            "hook_secret": hook_secret,
            "messages_url": f"{base_url}/v1/messages",
            "requests_per_minute": 0,
        }

    def conversation(self) -> str:
        """See :class:`bridges.sandboxes.Sandbox`."""
        return next(iter(self.channels))

    async def greet(self, hook_url: str, *, text: str) -> int:
        """See :class:`bridges.sandboxes.Sandbox`: a member writes into the first channel."""
        self.hook_url = hook_url
        id = await self.say("Ann", self.conversation(), text, hook=False)
        return await self.post(id)

    async def close(self) -> None:
        """Close the connections that it opened itself."""
        await self.outlet.close()

    # What it keeps

    def _keep(
        self, place: Place, *, topic: str, member: Member, text: str, reply_to: str, by_api: bool = False
    ) -> Said:
        message = Said(
            id=self._new_id("66f0aa"),
            channel=place.id,
            topic=topic,
            user_id=member.user_id,
            text=text,
            reply_to=reply_to,
            at=self._clock(),
            number=len(self.accepted) + 1 if by_api else 0,
        )
        self.messages.append(message)
        self._by_id[message.id] = message
        if by_api:
            self.accepted.append(message)
        return message

    def _new_id(self, prefix: str) -> str:
        """As long as every id in the documents: 24 hexadecimal digits."""
        return f"{prefix}{next(self._numbers):0{24 - len(prefix)}x}"

    def _known(self, name: str) -> Member | None:
        names = name.casefold()
        return next((m for m in self.members if names in (m.username.casefold(), m.email.casefold())), None)

    def _member(self, person: str) -> Member:
        if (known := self._known(person)) is not None:
            return known
        plain = "".join(c for c in person.lower() if c.isascii() and c.isalnum()) or "somebody"
        member = Member(self._new_id("66f0b1"), person, f"{plain}@example.com")
        self.members.append(member)
        return member

    def _shown(self, message: Said) -> dict[str, object]:
        writer = next(member for member in self.members if member.user_id == message.user_id)
        return {
            "id": message.id,
            "channel": message.channel,
            "topic": message.topic,
            "person": writer.username,
            "text": message.text,
            "reply_to": message.reply_to,
            "at": iso(message.at),
            "number": message.number,
        }

    # Webhooks

    def _body(self, message: Said) -> object:
        member = next(member for member in self.members if member.user_id == message.user_id)
        place = self.channels[message.channel]
        return (
            self.shape(message, member, place)
            if callable(self.shape)
            else hook_body(message, member, place, shape=self.shape)
        )

    async def _post(self, body: object) -> int:
        """Post a webhook; returns its status, 0 if nobody listens there. Raises ``LookupError`` if none is entered."""
        if self.hook_url is None:
            raise LookupError("no outgoing webhook is entered; set hook_url")
        try:
            return (await self.outlet.client.post(self.hook_url, json=body)).status_code
        except httpx.TransportError:
            return 0

    # The API

    def _call(self, handle: Any) -> Any:
        async def endpoint(request: Request) -> Response:
            detail = ""
            try:
                given = request.headers.get("authorization", "")
                if not hmac.compare_digest(given.encode(), f"Bearer {self.token}".encode()):
                    raise _Refusal("Invalid API key", status=401)
                body: object = await handle(request)
                status = 200
            except (Malformed, _Refusal, HTTPException) as error:
                status = 400 if isinstance(error, Malformed) else getattr(error, "status", 400)
                detail = error.detail if isinstance(error, HTTPException) else str(error)
                body = {"status": "error", "message": detail}
            self.calls.append(Call(request.method, request.url.path, status, detail))
            return JSONResponse(body, status_code=status)

        return endpoint

    async def _no_such_route(self, request: Request) -> Response:
        self.calls.append(Call(request.method, request.url.path, 404, "no such route"))
        return Response("<!DOCTYPE html><title>Not Found</title>", 404, media_type="text/html")

    def _sender(self, body: Mapping[str, Any]) -> Member:
        member = self._known(body["sender"])
        if member is None:
            raise _Refusal("User not found", status=404)  # a guess
        return member

    async def _send(self, request: Request) -> object:
        body = await json_object(request)
        only(body, required={"channelId": str, "message": str, "sender": str}, optional={"forumTopicId": str})
        _check_text(body["message"])
        place = self.channels.get(body["channelId"])
        if place is None:
            raise _Refusal("Channel not found", status=404)
        topic = body.get("forumTopicId", "")
        if place.kind == "forum" and not topic:
            raise _Refusal("forumTopicId is required for a forum channel", status=400)  # a guess
        if place.kind != "forum" and "forumTopicId" in body:
            raise _Refusal("forumTopicId is for forum channels only", status=400)  # a guess
        if topic and topic not in place.topics:
            raise _Refusal("Forum topic not found", status=404)  # a guess
        await self._accept(place, topic=topic, member=self._sender(body), text=body["message"])
        return {"status": "success", "message": "Message send successfully"}

    async def _reply(self, request: Request) -> object:
        body = await json_object(request)
        only(body, required={"messageId": str, "message": str, "sender": str}, optional={})
        _check_text(body["message"])
        answered = self._by_id.get(body["messageId"])
        if answered is None:
            raise _Refusal("Message not found", status=404)
        place, member = self.channels[answered.channel], self._sender(body)
        await self._accept(place, topic=answered.topic, member=member, text=body["message"], reply_to=answered.id)
        return {"status": "success", "message": "Message reply successfully"}

    async def _accept(self, place: Place, *, topic: str, member: Member, text: str, reply_to: str = "") -> None:
        message = self._keep(place, topic=topic, member=member, text=text, reply_to=reply_to, by_api=True)
        self._feed.tell("message", **self._shown(message))
        if self.echoes and self.hook_url is not None:
            await self.post(message.id)

    async def _react(self, request: Request) -> object:
        body = await json_object(request)
        only(body, required={"messageId": str, "emoji": str, "sender": str}, optional={})
        code = body["emoji"]
        if not (len(code) > 2 and code.startswith(":") and code.endswith(":") and code.isascii()):
            raise Malformed("emoji must be a shortcode such as :thumbsup:")  # a guess
        if body["messageId"] not in self._by_id:
            raise _Refusal("Message not found", status=404)
        self.reactions.append(Reaction(body["messageId"], self._sender(body).user_id, code))
        self._feed.tell("reaction", id=body["messageId"], emoji=code)
        return {"status": "success", "message": "Reaction added successfully"}

    async def _channels(self, request: Request) -> object:
        listed = [{"_id": each.id, "topic": each.name, "channelType": each.kind} for each in self.channels.values()]
        return {"status": "success", "message": "Channels fetched successfully", "data": listed}

    async def _info(self, request: Request) -> object:
        body = await json_object(request)
        only(body, required={"idOrEmail": str}, optional={})
        wanted = body["idOrEmail"].casefold()
        for member in self.members:
            if wanted in (member.user_id, member.email.casefold()):
                return {"status": "success", "message": "User found", "data": asdict(member)}
        raise _Refusal("User not found", status=404)

    async def _upload(self, request: Request) -> object:
        if request.headers.get("content-type", "").split(";")[0].strip().lower() != "multipart/form-data":
            raise Malformed("Content-Type must be multipart/form-data")
        listed: list[dict[str, object]] = []
        async with request.form(max_files=10, max_fields=0, max_part_size=IMAGE_BYTES_MOST) as form:
            uploads = form.multi_items()
            if not uploads or any(name != "images" or not isinstance(file, UploadFile) for name, file in uploads):
                raise Malformed("images is required, and nothing else")
            for _, file in uploads:
                assert isinstance(file, UploadFile)
                data, kind = await file.read(IMAGE_BYTES_MOST + 1), file.content_type or ""
                if not data or len(data) > IMAGE_BYTES_MOST or not kind.startswith("image/"):
                    raise Malformed(f"images must be images of 1 to {IMAGE_BYTES_MOST} bytes")
                id = self._new_id("66f0ff")
                self.images[id] = (data, kind)
                while len(self.images) > IMAGES_KEPT:
                    self.images.popitem(last=False)
                url = f"{request.base_url}uploads/{id}"
                listed.append({"id": id, "name": file.filename, "url": url, "type": kind, "size": len(data)})
        return listed

    async def _image(self, request: Request) -> Response:
        data, kind = self.images.get(request.path_params["id"], (b"", ""))
        headers = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox"}
        return Response(data, media_type=kind, headers=headers) if data else Response(status_code=404)

    async def _get_messages(self, request: Request) -> object:
        query = request.query_params
        if unknown := sorted(set(query) - {"user_id", "channel_id", "count", "email"}):
            raise Malformed(f"unknown parameter {unknown[0][:40]!r}")
        channel, user_id, email = query.get("channel_id"), query.get("user_id"), query.get("email")
        raw = query.get("count", "50")
        if not (raw.isascii() and raw.isdigit() and 1 <= int(raw[:9]) <= COUNT_MOST):
            raise Malformed(f"count must be a number from 1 to {COUNT_MOST}")
        for id in (channel, user_id):
            if id is not None and (len(id) != 24 or not set(id) <= set("0123456789abcdef")):
                raise Malformed("not an ObjectId")
        if channel is not None and channel not in self.channels:
            raise _Refusal("Channel not found", status=404)
        people = {member.user_id: member for member in self.members}
        found = [
            message
            for message in reversed(self.messages)
            if (channel is None or message.channel == channel)
            and (user_id is None or message.user_id == user_id)
            and (email is None or people[message.user_id].email.casefold() == email.casefold())
        ]
        data = {"total": len(found), "messages": [self._listed(message, people) for message in found[: int(raw)]]}
        return {"status": "success", "message": "Messages fetched successfully", "data": data}

    def _listed(self, message: Said, people: Mapping[str, Member]) -> dict[str, object]:
        member, place = people[message.user_id], self.channels[message.channel]
        listed: dict[str, object] = {
            "id": message.id,
            "message": message.text,
            "user": {"user_id": member.user_id, "email": member.email},
            "channel": {"channel_id": place.id, "name": place.name},
            "timestamp": iso(message.at),
        }
        return {**listed, "forumTopicId": message.topic} if self.tells_topic and message.topic else listed


def _check_text(text: str) -> None:
    if not text.strip():
        raise Malformed("message must not be empty")


Sandbox = ReturningAiSandbox
