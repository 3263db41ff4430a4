"""The accounts of the example, one class for each: what there is to see and to play at every provider.

Another provider needs its class here and a place in ``ACCOUNTS``, nothing else.
"""

from __future__ import annotations

import re
import secrets
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx

from bot.playground import example
from bot.playground.account import Account, Place, Speak, arrival, latest, refused
from bot.playground.bodies import Json, text_of
from bot.playground.example import AMBER, GREEN, RED, ROSE, TEAL, VIOLET, Topic
from bot.playground.tour import Tour
from bot.playground.uploads import Upload
from bridges.cinnox.sandbox import CinnoxSandbox
from bridges.echo.sandbox import EchoSandbox
from bridges.errors import Inexpressible
from bridges.netsapiens.sandbox import NetSapiensSandbox
from bridges.openim import wire
from bridges.openim.sandbox import OpenIMSandbox
from bridges.returning_ai.bridge import shortcode
from bridges.returning_ai.sandbox import ReturningAiSandbox
from bridges.sandboxes import Change

Secret = Callable[[str], str]
"""A secret of that name: made once, then kept."""
Clock = Callable[[], float]


class Cinnox(Account):
    """A service with two rooms, and phones that send it SMS."""

    name, provider, title = "support", "cinnox", "CINNOX"
    subscribes = repeats = True
    sandbox: CinnoxSandbox

    def __init__(self, secret: Secret, *, client: httpx.AsyncClient, clock: Clock) -> None:
        sandbox = CinnoxSandbox(token=secret(self.name), rooms=example.ROOMS, client=client)
        topic = Topic("sms", f"SMS {example.KNOWN_NUMBER}", TEAL, "name=sms priority=10 stop=yes")
        places = (
            Place(example.ROOMS[0], example.ROOMS[0], hint="Nothing has arrived in this room."),
            Place(example.ROOMS[1], example.ROOMS[1], hint="Replies to SMS arrive in this room."),
            replace(self._phone(example.KNOWN_NUMBER), topic=topic),
            self._phone(example.OTHER_NUMBER),
        )
        super().__init__(sandbox, places, clock=clock)

    @staticmethod
    def _phone(number: str) -> Place:
        hint = f"This phone sent nothing yet. Replies go to {example.REPLY_ROOM}."
        return Place(f"sms/{number}", f"Phone {number}", (number,), hint=hint)

    def settings(self, base_url: str, *, hook_secret: str) -> Json:
        return {**super().settings(base_url, hook_secret=hook_secret), "reply_room": example.REPLY_ROOM}

    def keys(self) -> Json:
        return {"token": self.sandbox.token, "app_id": self.sandbox.app_id}

    def is_subscribed(self, url: str) -> bool:
        return self.sandbox.subscribed_url == url

    def find(self, conversation: str) -> Place | None:
        return self._phone(conversation[4:]) if conversation.startswith("sms/") else None

    async def speak(self, place: Place, person: str, text: str, *, reply_to: str, id: str) -> str:
        await self._receive(person, example.SERVICE_NUMBER, text, id=id)
        return self.sandbox.received[-1].record

    async def _receive(self, sender: str, recipient: str, text: str, *, id: str) -> int:
        try:
            return await self.sandbox.receive_sms(sender, recipient, text, record=id or None)
        except LookupError as error:
            raise LookupError(
                f"{self.title} does not know yet where to post its events: the bot subscribes as soon as it is ready"
                f" and {self.title} answers; try again in a moment"
            ) from error

    def arrived(self) -> Iterator[tuple[str, Json]]:
        for message in latest(self.sandbox.accepted):
            yield message.room, arrival(message.number, message.text, message.at.timestamp())

    def spoken(self) -> Iterator[tuple[str, Json]]:
        for sms in {sms.record: sms for sms in latest(self.sandbox.received)}.values():
            entry = {"id": sms.record, "text": sms.text, "at": sms.at.timestamp(), "status": sms.status}
            yield f"sms/{sms.sender}", {**entry, "reply_to": None, "person": sms.sender, "out": True}

    def more(self, entries: Mapping[str, list[Json]]) -> Json:
        """Rooms with their latest messages, and every SMS with the answer to its latest attempt."""
        state: Json = self.sandbox.state()
        attempts = Counter(sms["id"] for sms in state["sms"])
        sms = {one["id"]: {**one, "attempts": attempts[one["id"]]} for one in state["sms"]}
        return {
            "rooms": {room: latest(messages) for room, messages in state["rooms"].items()},
            "sms": latest(list(sms.values())),
        }

    def heard(self, change: Change, *, tour: Tour) -> bool:
        if change["kind"] == "sms" and 200 <= int(str(change["status"])) < 300:
            tour.texted(str(change["text"]))
        return change["kind"] == "message" and tour.accepted(str(change["room"]))

    def actions(self) -> Mapping[str, Speak]:
        return {"sms": self._sms}

    async def _sms(self, body: Json) -> Json:
        try:
            status = await self._receive(
                text_of(body, "from"),
                text_of(body, "to", default=example.SERVICE_NUMBER),
                text_of(body, "text"),
                id=text_of(body, "id") if "id" in body else "",
            )
        except (LookupError, UnicodeEncodeError) as error:
            raise refused(error) from error
        return {"status": status, "delivered": 200 <= status < 300}


class NetSapiens(Account):
    """A telephone system: phones that send SMS to its number, and extensions that chat."""

    name, provider, title = "pbx", "netsapiens", "NetSapiens"
    subscribes = True
    can = ("picture",)
    sandbox: NetSapiensSandbox

    def __init__(self, secret: Secret, *, client: httpx.AsyncClient, clock: Clock) -> None:
        sandbox = NetSapiensSandbox(api_key=f"nss_{secret(self.name)}", client=client)
        phone = Topic("caller", f"Phone {example.CALLER}", AMBER, "name=caller priority=10 stop=yes")
        extension = Topic("extension", f"Extension {example.EXTENSION}", ROSE, "name=extension")
        places = (
            replace(self._phone(example.CALLER), topic=phone, hint=""),
            self._phone(example.OTHER_CALLER),
            replace(self._extension(example.EXTENSION), topic=extension),
        )
        super().__init__(sandbox, places, clock=clock)

    @staticmethod
    def _phone(number: str) -> Place:
        hint = (
            f"Its SMS come into the topic “{example.NEW_NUMBERS.title}” of the Support desk; a reply there goes back."
        )
        return Place(f"sms/{number}", f"Phone {number}", (number,), hint=hint)

    @staticmethod
    def _extension(number: str) -> Place:
        return Place(f"chat/{number}", f"Extension {number}", (number,))

    def keys(self) -> Json:
        return {"api_key": self.sandbox.api_key, "domain": self.sandbox.domain}

    def is_subscribed(self, url: str) -> bool:
        return any(str(kept["post-url"]).startswith(f"{url}/") for kept in self.sandbox.subscriptions.values())

    def find(self, conversation: str) -> Place | None:
        kind, _, number = conversation.partition("/")
        if kind == "sms" and number.isascii() and number.isdigit():
            return self._phone(number)
        return self._extension(number) if kind == "chat" and number in self.sandbox.extensions[1:] else None

    async def speak(self, place: Place, person: str, text: str, *, reply_to: str, id: str) -> str:
        return await self._send(place, person, text)

    async def show_picture(self, place: Place, person: str, upload: Upload, text: str) -> tuple[str, str]:
        id = await self._send(place, person, text, media=upload.data, media_type=upload.media_type)
        return id, id

    async def _send(self, place: Place, person: str, text: str, **media: Any) -> str:
        """The id of what is sent: the sandbox tells it before it posts anything."""
        told: list[str] = []
        stop = self.sandbox.subscribe_listener(
            lambda change: told.append(str(change["id"])) if change["kind"] == "inbound" else None
        )
        try:
            if place.id.startswith("sms/"):
                await self.sandbox.text(person, self.sandbox.numbers[0].number, text, **media)
            else:
                await self.sandbox.chat(person, self.sandbox.extensions[0], text, **media)
        finally:
            stop()
        return told[0]

    def file(self, id: str) -> bytes | None:
        return self.sandbox.media(id)

    def arrived(self) -> Iterator[tuple[str, Json]]:
        for message in latest(self.sandbox.accepted):
            kind = "sms" if message.from_number else "chat"
            more: Json = {"id": message.id, "person": message.from_number or message.user}
            if message.media_type:
                what, _, ending = message.media_type.partition("/")
                what, is_picture = ("picture", True) if what == "image" else (what, False)
                more["files"] = [self.file_view(what, ending, message.id, is_picture=is_picture)]
            conversation = f"{kind}/{','.join(message.destinations)}"
            yield conversation, arrival(message.number, message.text, message.at.timestamp(), **more)


class OpenIM(Account):
    """A messenger: two groups, and a member who writes to the account alone."""

    name, provider, title = "im", "openim", "OpenIM"
    replies = True
    can = ("take_back", "picture")
    sandbox: OpenIMSandbox

    def __init__(self, secret: Secret, *, client: httpx.AsyncClient, clock: Clock) -> None:
        sandbox = OpenIMSandbox(secret=secret(self.name), client=client)
        people = ("alice", "bob")
        usual, titles = next(iter(sandbox.groups.values())), {example.IM_OPS: "Ops room", example.IM_LOUNGE: "Lounge"}
        groups = (replace(usual, id=id, name=name, members=list(people), muted=[]) for id, name in titles.items())
        sandbox.groups = {group.id: group for group in groups}
        topic = Topic("ops", "OpenIM Ops room", RED, "name=ops")
        hint = f"Nothing was said here. Joined with the lounge of {ReturningAi.title}, both ways, without Telegram."
        alone = "Nothing was said here. Whoever writes alone gets a topic of their own in the Support desk, both ways."
        places = (
            Place(f"group/{example.IM_OPS}", "Ops room", people, topic=topic),
            Place(f"group/{example.IM_LOUNGE}", "Lounge", people, hint=hint),
            *(Place(f"user/{person}", f"{person} alone", (person,), hint=alone) for person in people),
        )
        super().__init__(sandbox, places, clock=clock)
        self._base_url = ""

    def settings(self, base_url: str, *, hook_secret: str) -> Json:
        self._base_url = base_url
        return super().settings(base_url, hook_secret=hook_secret)

    def keys(self) -> Json:
        return {"admin_user": self.sandbox.admin, "secret": self.sandbox.secret}

    def post_to(self, url: str) -> None:
        self.sandbox.hook_url = url

    async def speak(self, place: Place, person: str, text: str, *, reply_to: str, id: str) -> str:
        there = self._there(place)
        if not reply_to:
            return await self.sandbox.say(person, there, text)
        if all(message.client_id != reply_to for message in self.sandbox.stored):
            raise LookupError(f"there is no message {reply_to[:80]}")
        content = {"text": text, "quoteMessage": {"clientMsgID": reply_to}}
        return await self.sandbox.say_element(person, there, wire.QUOTE, content)

    def _there(self, place: Place) -> str:
        """Where people write to: to a group, or to the account."""
        return place.id if place.id.startswith("group/") else f"user/{self.sandbox.admin}"

    async def show_picture(self, place: Place, person: str, upload: Upload, text: str) -> tuple[str, str]:
        if text:
            raise LookupError(f"a picture has no words at {self.title}: send them by themselves")
        # Names are addresses on the server: each is given once, and has nothing in it that an address has not.
        name = f"{secrets.token_hex(4)}-{re.sub(r'[^A-Za-z0-9.]', '-', upload.name)}"
        how: Json = {"name": name, "media_type": upload.media_type, "base_url": self._base_url}
        return await self.sandbox.say_picture(person, self._there(place), upload.data, **how), name

    async def revoke(self, place: Place, person: str, id: str) -> None:
        await self.sandbox.take_back(person, id)

    def file(self, id: str) -> bytes | None:
        kept = self.sandbox.objects.get(id)
        return None if kept is None else kept[0]

    def arrived(self) -> Iterator[tuple[str, Json]]:
        revoked = {message.client_id for message in self.sandbox.stored if message.revoked}
        for message in latest(self.sandbox.accepted):
            more: Json
            user = self.sandbox.users.get(message.sender)
            person = message.nickname or (user.nickname if user is not None else message.sender)
            more = {"id": message.id, "person": person, "gone": message.id in revoked}
            text, file = message.text, self._file_in(message.content_type, message.content)
            if file is not None:
                text, more["files"] = "", [file]
            yield message.conversation, arrival(message.number, text, message.send_time / 1000, **more)

    def _file_in(self, content_type: int, content: Mapping[str, Any]) -> Json | None:
        """The file of an element, if it is one."""
        url, name = "", str(content.get("fileName", ""))
        match content_type:
            case wire.PICTURE:
                kind, url = "picture", str(content["sourcePicture"]["url"])
            case wire.VIDEO:
                kind, url = "video", str(content["videoUrl"])
            case wire.VOICE | wire.FILE:
                kind, url = "voice" if content_type == wire.VOICE else "file", str(content["sourceUrl"])
            case _:
                return None
        id = unquote(urlsplit(url).path.removeprefix(wire.OBJECTS))
        return self.file_view(kind, name or id.rpartition("/")[2], id, is_picture=kind == "picture")


_UPLOADED = re.compile(r"/uploads/([0-9a-f]{24})\b")
"""An image that was uploaded: its address stands in the text."""


class ReturningAi(Account):
    """A community: two channels, and a forum with a topic."""

    name, provider, title = "club", "returning_ai", "Returning.AI"
    replies = True
    can = ("react",)
    sandbox: ReturningAiSandbox

    def __init__(self, secret: Secret, *, client: httpx.AsyncClient, clock: Clock) -> None:
        general, lounge, ideas = example.CLUB_GENERAL, example.CLUB_LOUNGE, example.CLUB_IDEAS
        sandbox = ReturningAiSandbox(token=secret(self.name), client=client)
        sandbox.channels[lounge] = replace(sandbox.channels[general], id=lounge, name="lounge")
        people = ("Cleo", "Finn")
        topic = Topic("general", "Club general", VIOLET, "name=general")
        both = f"Nothing was said here. Joined with the lounge of {OpenIM.title}, both ways, without Telegram."
        places = (
            Place(general, "general", people, topic=topic),
            Place(lounge, "lounge", people, hint=both),
            Place(f"{ideas}/{example.CLUB_TOPIC}", "Ideas › Dark mode", people),
        )
        super().__init__(sandbox, places, clock=clock)

    def keys(self) -> Json:
        return {"token": self.sandbox.token, "sender": self.sandbox.sender}

    def post_to(self, url: str) -> None:
        self.sandbox.hook_url = url

    async def speak(self, place: Place, person: str, text: str, *, reply_to: str, id: str) -> str:
        channel, _, topic = place.id.partition("/")
        return await self.sandbox.say(person, channel, text, topic=topic, reply_to=reply_to)

    def arrived(self) -> Iterator[tuple[str, Json]]:
        names = {member.user_id: member.username for member in self.sandbox.members}
        for message in latest(self.sandbox.accepted):
            more: Json = {"id": message.id, "person": names[message.user_id], "reply_to": message.reply_to or None}
            images = [id for id in _UPLOADED.findall(message.text) if id in self.sandbox.images]
            more["files"] = [self.file_view("picture", "", id, is_picture=True) for id in images]
            conversation = f"{message.channel}/{message.topic}" if message.topic else message.channel
            yield conversation, arrival(message.number, message.text, message.at.timestamp(), **more)

    async def mark(self, place: Place, person: str, id: str, emoji: str) -> None:
        try:
            code = shortcode(emoji)
        except Inexpressible as error:
            raise LookupError(str(error)) from error
        mine = {member.user_id for member in self.sandbox.members if member.username == person}
        given = any(
            each.message == id and each.user_id in mine and each.emoji == code for each in self.sandbox.reactions
        )
        await (self.sandbox.unreact if given else self.sandbox.react)(person, id, code)

    def reactions(self) -> Mapping[str, list[str]]:
        marks: dict[str, list[str]] = {}
        for reaction in self.sandbox.reactions:
            marks.setdefault(reaction.message, []).append(reaction.emoji)
        return marks

    def file(self, id: str) -> bytes | None:
        kept = self.sandbox.images.get(id)
        return None if kept is None else kept[0]


class Echo(Account):
    """The example provider, with one room."""

    name, provider, title = "echo", "echo", "Echo"
    replies = True
    can = ("react", "change", "take_back")
    sandbox: EchoSandbox

    def __init__(self, secret: Secret, *, client: httpx.AsyncClient, clock: Clock) -> None:
        sandbox = EchoSandbox(
            token=secret(self.name),
            signing_secret=secret("echo signing"),
            conversations=(example.LOBBY,),
            client=client,
        )
        topic = Topic("echo", "Echo lobby", GREEN, "name=echo")
        lobby = Place(example.LOBBY, example.LOBBY, ("Dana",), anybody=True, topic=topic)
        super().__init__(sandbox, (lobby,), clock=clock)

    def keys(self) -> Json:
        return {"token": self.sandbox.token, "signing_secret": self.sandbox.signing_secret}

    def post_to(self, url: str) -> None:
        self.sandbox.hook_url = url

    async def speak(self, place: Place, person: str, text: str, *, reply_to: str, id: str) -> str:
        return await self.sandbox.say(place.id, person, text, reply_to=reply_to or None)

    async def reword(self, place: Place, person: str, id: str, text: str) -> None:
        await self.sandbox.change(place.id, id, text)

    async def revoke(self, place: Place, person: str, id: str) -> None:
        await self.sandbox.take_back(place.id, id)

    async def mark(self, place: Place, person: str, id: str, emoji: str) -> None:
        """A person has one reaction on a message."""
        given = self.marks.setdefault(id, {})
        if given.pop(person, "") != emoji:
            given[person] = emoji
        await self.sandbox.react(place.id, id, person, *filter(None, (given.get(person),)))

    def reactions(self) -> Mapping[str, list[str]]:
        marks = {id: list(given.values()) for id, given in self.marks.items()}
        for id, emoji in self.sandbox.reactions.items():
            marks.setdefault(id, []).append(emoji)
        return marks

    def arrived(self) -> Iterator[tuple[str, Json]]:
        state: Json = self.sandbox.state()
        now = {message["id"]: message["text"] for messages in state["conversations"].values() for message in messages}
        for message in latest(self.sandbox.accepted):
            text, gone = now.get(message.id, message.text), message.id not in now
            more = {"id": message.id, "reply_to": message.reply_to, "edited": text != message.text, "gone": gone}
            yield message.conversation, arrival(message.number, text, message.at.timestamp(), **more)

    def more(self, entries: Mapping[str, list[Json]]) -> Json:
        return {"conversations": dict(entries)}

    def actions(self) -> Mapping[str, Speak]:
        return {"echo": self._echo}

    async def _echo(self, body: Json) -> Json:
        text_of(body, "person")
        return {"id": (await self.say(body))["id"]}


ACCOUNTS: tuple[Callable[..., Account], ...] = (Cinnox, NetSapiens, OpenIM, ReturningAi, Echo)
"""In the order in which they are shown."""


def make_accounts(secret: Secret, *, client: httpx.AsyncClient, clock: Clock) -> dict[str, Account]:
    """All of them, by name."""
    made = (make(secret, client=client, clock=clock) for make in ACCOUNTS)
    return {account.name: account for account in made}


def topics_of(accounts: Iterable[Account]) -> tuple[Topic, ...]:
    """The topics that the Support desk needs, in the order in which they are opened."""
    joined = (place.topic for account in accounts for place in account.places)
    return (*filter(None, joined), example.NEW_NUMBERS)


def route_lines(accounts: Iterable[Account], topics: Mapping[str, int]) -> tuple[str, ...]:
    """The example's routes, as people write them: every place with its topic, and what is beside that."""
    joined = tuple(
        f"telegram:{example.DESK}/{topics[place.topic.key]} <-> {account.address(place)} {place.topic.options}"
        for account in accounts
        for place in account.places
        if place.topic is not None
    )
    return (*joined, *example.further_routes(topics))
