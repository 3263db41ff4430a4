"""An account of the example: a provider's sandbox, the places in it, and how a person speaks there.

What all of them have in common is here; ``accounts.py`` has one short class for each.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import quote

import httpx

from bot.playground.bodies import Json, Wrong, only, text_of
from bot.playground.example import Topic
from bot.playground.tour import Tour
from bot.playground.uploads import Upload
from bridges.sandboxes import Change, Sandbox

Speak = Callable[[Json], Awaitable[Json]]
"""Somebody speaks, as the body of a request says. Raises :class:`Wrong`."""

ENTRIES_MOST = 300
"""The latest that are shown of an account."""
SAID_MOST = 500
POST_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Place:
    """A conversation at a provider, as the page shows it."""

    id: str
    """Its part of the address."""
    title: str
    people: tuple[str, ...] = ()
    """Who can speak there, the first unless another is named; nobody: one can only read there."""
    anybody: bool = False
    """Whoever gives a name can speak there."""
    topic: Topic | None = None
    """What it is joined with, both ways."""
    hint: str = ""
    """Words for the page while nothing was said there."""


# --- what became of the webhooks that a sandbox posted

_answers: ContextVar[list[int] | None] = ContextVar("answers", default=None)


class _Noting(httpx.AsyncHTTPTransport):
    """Notes the status of every answer, 0 where nobody was reached."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        noted = _answers.get()
        try:
            response = await super().handle_async_request(request)
        except httpx.TransportError:
            if noted is not None:
                noted.append(0)
            raise
        if noted is not None:
            noted.append(response.status_code)
        return response


def webhook_client() -> httpx.AsyncClient:
    """The connections on which sandboxes post their webhooks: to this machine, and in plain HTTP."""
    return httpx.AsyncClient(transport=_Noting(verify=False), timeout=POST_TIMEOUT_S, trust_env=False)


@contextmanager
def noting() -> Iterator[list[int]]:
    """The answers to webhooks that are posted by what is called inside."""
    noted: list[int] = []
    token = _answers.set(noted)
    try:
        yield noted
    finally:
        _answers.reset(token)


# --- the account

_FIELDS = ("account", "conversation", "person", "text", "reply_to", "id")


class Account:
    """One account. A subclass makes the sandbox, says which places there are, and speaks."""

    name: ClassVar[str]
    provider: ClassVar[str]
    title: ClassVar[str]
    """The provider as in prose."""
    subscribes: ClassVar[bool] = False
    """The bot asks the provider for its events; else an administrator enters the address over there."""
    repeats: ClassVar[bool] = False
    """What did not reach the bot can be sent once more as the same event, by its ``id``."""
    replies: ClassVar[bool] = False
    """People there can reply to a message."""
    can: ClassVar[tuple[str, ...]] = ()
    """What else people there do: ``react`` ``change`` ``take_back`` ``picture``."""

    def __init__(self, sandbox: Sandbox, places: Iterable[Place], *, clock: Callable[[], float]) -> None:
        self.sandbox = sandbox
        self.places = tuple(places)
        self.clock = clock
        self.said: list[Json] = []
        """What people said here, and what the bot answered to it; kept with the world."""
        self.marks: dict[str, dict[str, str]] = {}
        """People's reactions by message and person, where the sandbox does not keep them; kept with the world."""

    # What a subclass may say of itself

    def settings(self, base_url: str, *, hook_secret: str) -> Json:
        """The account's table in the configuration."""
        return self.sandbox.settings(base_url, hook_secret=hook_secret)

    def keys(self) -> Json:
        """What another program needs to talk to the sandbox."""
        return {}

    def post_to(self, url: str) -> None:
        """An administrator enters where events go. Nothing to do where the bot subscribes."""

    def is_subscribed(self, url: str) -> bool:
        """Whether events are posted to this address."""
        return True

    def find(self, conversation: str) -> Place | None:
        """A place that is not one of the example's."""
        return None

    async def speak(self, place: Place, person: str, text: str, *, reply_to: str, id: str) -> str:
        """Somebody speaks; returns the message's id. Raises ``LookupError`` where that cannot be."""
        raise NotImplementedError

    async def show_picture(self, place: Place, person: str, upload: Upload, text: str) -> tuple[str, str]:
        """Somebody sends a picture; returns the ids of the message and of the file (see :meth:`file`)."""
        raise NotImplementedError

    async def reword(self, place: Place, person: str, id: str, text: str) -> None:
        """Somebody changes a message of theirs."""
        raise NotImplementedError

    async def revoke(self, place: Place, person: str, id: str) -> None:
        """Somebody takes back a message of theirs."""
        raise NotImplementedError

    async def mark(self, place: Place, person: str, id: str, emoji: str) -> None:
        """Somebody puts a reaction on a message; the same once more takes it away."""
        raise NotImplementedError

    def reactions(self) -> Mapping[str, list[str]]:
        """Reactions by the message that they were put on."""
        return {}

    def file(self, id: str) -> bytes | None:
        """The bytes of a file that is shown here."""
        return None

    def arrived(self) -> Iterator[tuple[str, Json]]:
        """Conversation and entry of what the bot brought, the oldest first."""
        raise NotImplementedError

    def heard(self, change: Change, *, tour: Tour) -> bool:
        """Something happened here; whether that ticked off a step."""
        return False

    def more(self, entries: Mapping[str, list[Json]]) -> Json:
        """Further keys of the view; ``entries`` by conversation."""
        return {}

    def actions(self) -> Mapping[str, Speak]:
        """Further ``POST /playground/<name>``."""
        return {}

    def restore(self, snapshot: Json, *, ahead: int) -> None:
        """Go on from a snapshot; ``ahead``: so many ids may have been given out after it.

        What a snapshot of an earlier version does not know is as in a new sandbox.
        """
        whole = {**self.sandbox.snapshot(), **snapshot}
        self.sandbox.restore({**whole, "next": whole["next"] + ahead})

    # What all have in common

    def address(self, place: Place) -> str:
        """As people write it."""
        return f"{self.name}:{place.id}"

    def place(self, conversation: str) -> Place:
        """The place of that id. Raises :class:`Wrong`."""
        found = next((place for place in self.places if place.id == conversation), None) or self.find(conversation)
        if found is None:
            known = ", ".join(place.id for place in self.places)
            raise Wrong(f"{self.title} has no conversation {conversation[:80]!r}; it has {known}")
        return found

    def speaker(self, place: Place, name: str | None) -> str:
        """Who speaks. Raises :class:`Wrong`."""
        if not (place.people or place.anybody):
            where = ", ".join(other.id for other in self.places if other.people or other.anybody)
            raise Wrong(f"nobody can speak in {place.id}, one can in {where}")
        if name is None:
            if not place.people:
                raise Wrong("'person' is missing")
            return place.people[0]
        if name not in place.people and not place.anybody:
            raise Wrong(f"{name[:80]!r} is not in {place.id}; there are {', '.join(place.people)}")
        return name

    async def say(self, body: Json) -> Json:
        """Somebody speaks, as the body of ``POST /playground/say`` says. Raises :class:`Wrong`."""
        only(body, _FIELDS)
        place, person = self._speaking(body)
        text = text_of(body, "text")
        reply_to, id = (text_of(body, name) if body.get(name) is not None else "" for name in ("reply_to", "id"))
        if reply_to and not self.replies:
            raise Wrong(f"people cannot reply to a message at {self.title}: leave out 'reply_to'")
        if id and not self.repeats:
            raise Wrong(f"{self.title} does not send anything again: leave out 'id'")
        said: Json = {"id": id, "conversation": place.id, "person": person, "text": text, "reply_to": reply_to or None}

        async def speak() -> None:
            said["id"] = await self.speak(place, person, text, reply_to=reply_to, id=id)

        return await self._say(said, speak)

    async def show(self, body: Json, upload: Upload) -> Json:
        """Somebody sends a picture, as the body of ``POST /playground/picture`` says. Raises :class:`Wrong`."""
        only(body, ("account", "conversation", "person", "text", "file"))
        self._must_be_able("picture", "people cannot send a picture")
        if not upload.media_type.startswith("image/"):
            raise Wrong(f"{upload.name[:80]} is no picture of a usual kind (PNG, JPEG, GIF, WebP)")
        place, person = self._speaking(body)
        text = text_of(body, "text") if body.get("text") is not None else ""
        said: Json = {"id": "", "conversation": place.id, "person": person, "text": text, "reply_to": None}

        async def speak() -> None:
            said["id"], file = await self.show_picture(place, person, upload, text)
            said["files"] = [self.file_view("picture", upload.name, file, is_picture=True)]

        return await self._say(said, speak)

    async def _say(self, said: Json, speak: Callable[[], Awaitable[None]]) -> Json:
        said |= {"at": self.clock(), "status": 0}
        self.said = [*self.said[1 - SAID_MOST :], said]
        try:
            said["status"] = status = await self._posted(speak())
        except (LookupError, UnicodeEncodeError) as error:
            self.said = [one for one in self.said if one is not said]
            raise refused(error) from error
        if not status:
            again = "send it once more" if not self.repeats else "send it again with its 'id'"
            raise Wrong(f"the bot was not reached, and {self.title} does not try again by itself; {again}", status=502)
        shown = {name: said[name] for name in ("id", "conversation", "person", "status")}
        return {"account": self.name, **shown, "delivered": 200 <= status < 300}

    @staticmethod
    async def _posted(work: Awaitable[None]) -> int:
        """The answer to the webhooks that this posts; 0: nobody was reached."""
        with noting() as answers:
            try:
                await work
            except httpx.TransportError:
                answers.append(0)
        return worst(answers)

    def _speaking(self, body: Json) -> tuple[Place, str]:
        """Where somebody speaks, and who. Raises :class:`Wrong`."""
        spoken_in = next(place.id for place in self.places if place.people or place.anybody)
        place = self.place(text_of(body, "conversation", default=spoken_in))
        return place, self.speaker(place, text_of(body, "person") if body.get("person") is not None else None)

    def _must_be_able(self, to: str, words: str) -> None:
        if to not in self.can:
            raise Wrong(f"{words} at {self.title}")

    async def change(self, body: Json) -> Json:
        """Somebody rewords a message, as ``POST /playground/change`` says. Raises :class:`Wrong`."""
        only(body, ("account", "id", "text"))
        self._must_be_able("change", "nobody can change a message")
        said, text = self._own(body), text_of(body, "text")
        return await self._changed(said, self.reword, text, now={"text": text, "edited": True})

    async def take_back(self, body: Json) -> Json:
        """Somebody takes a message back, as ``POST /playground/take_back`` says. Raises :class:`Wrong`."""
        only(body, ("account", "id"))
        self._must_be_able("take_back", "nobody can take a message back")
        return await self._changed(self._own(body), self.revoke, now={"gone": True})

    async def _changed(self, said: Json, work: Callable[..., Awaitable[None]], *arguments: str, now: Json) -> Json:
        place = self.place(said["conversation"])
        status = await self._tell(work(place, said["person"], said["id"], *arguments))
        said |= now
        return self._told(status, id=said["id"])

    async def react(self, body: Json) -> Json:
        """Somebody reacts, as ``POST /playground/react`` says. Raises :class:`Wrong`."""
        only(body, ("account", "id", "emoji", "person"))
        self._must_be_able("react", "nobody can react to a message")
        id, emoji = text_of(body, "id"), text_of(body, "emoji")
        found = (where for where, entry in (*self.arrived(), *self.spoken()) if entry.get("id") == id)
        conversation = next(found, None)
        if conversation is None:
            raise Wrong(f"{self.title} has no message {id[:80]!r}", status=409)
        place, person = self._speaking({**body, "conversation": conversation})
        return self._told(await self._tell(self.mark(place, person, id, emoji)), id=id)

    def _own(self, body: Json) -> Json:
        """What somebody said here and did not take back. Raises :class:`Wrong`."""
        id = text_of(body, "id")
        said = next((one for one in reversed(self.said) if one["id"] == id), None)
        if said is None:
            raise Wrong(f"nobody at {self.title} wrote a message {id[:80]!r}", status=409)
        if said.get("gone"):
            raise Wrong(f"message {id[:80]!r} was taken back", status=409)
        return said

    async def _tell(self, work: Awaitable[None]) -> int:
        try:
            return await self._posted(work)
        except (LookupError, UnicodeEncodeError) as error:
            raise refused(error) from error

    def _told(self, status: int, *, id: str) -> Json:
        """The answer to a change. Raises :class:`Wrong` where the bot did not hear of it."""
        if not status:
            raise Wrong(f"it is so at {self.title} now, but the bot was not reached and does not know it", status=502)
        return {"account": self.name, "id": id, "status": status, "delivered": 200 <= status < 300}

    def file_view(self, kind: str, name: str, id: str, *, is_picture: bool) -> Json:
        """A file as the page shows it."""
        return {
            "kind": kind,
            "name": name,
            "url": f"/playground/file/{self.name}/{quote(id)}",
            "is_picture": is_picture,
        }

    def spoken(self) -> Iterator[tuple[str, Json]]:
        """Conversation and entry of what people said, the oldest first."""
        for said in self.said[-ENTRIES_MOST:]:
            entry = {name: said[name] for name in ("id", "text", "reply_to", "at", "status")}
            entry |= {name: said[name] for name in ("files", "edited", "gone") if name in said}
            yield said["conversation"], {**entry, "person": said["person"], "out": True}

    def view(self, hook_url: str) -> Json:
        """The account as the page shows it: its places with what was said there, in the order of time."""
        entries: dict[str, list[Json]] = {place.id: [] for place in self.places}
        marks = self.reactions()
        for conversation, entry in (*self.arrived(), *self.spoken()):
            if "react" in self.can:
                entry["marks"] = marks.get(entry["id"], [])
            entries.setdefault(conversation, []).append(entry)
        for each in entries.values():
            each.sort(key=lambda entry: float(entry["at"]))
        places = [*self.places, *(self.find(id) or Place(id, id) for id in entries if id not in self._known)]
        return {
            "provider": self.provider,
            "title": self.title,
            "accepted": len(self.sandbox.accepted),
            "subscribed": self.is_subscribed(hook_url),
            "replies": self.replies,
            "repeats": self.repeats,
            "can": list(self.can),
            "places": [{**self.place_view(place), "entries": entries[place.id]} for place in places],
            **self.more(entries),
        }

    def place_view(self, place: Place) -> Json:
        """A place without what was said there."""
        return {
            "id": place.id,
            "address": self.address(place),
            "title": place.title,
            "people": list(place.people),
            "anybody": place.anybody,
            "hint": place.hint or self._hint(place),
        }

    def _hint(self, place: Place) -> str:
        if place.topic is not None:
            return f"Nothing was said here. Joined with the topic “{place.topic.title}” of the Support desk, both ways."
        return f"Not joined with anything yet. In a Telegram group or topic, as Ann: /link {self.address(place)}"

    @property
    def _known(self) -> set[str]:
        return {place.id for place in self.places}


def worst(answers: Iterable[int]) -> int:
    """Of several answers the one that says that something went wrong; 0: nobody was reached."""
    found = list(answers)
    return max(found) if found and all(found) else 0


def refused(error: LookupError | UnicodeEncodeError) -> Wrong:
    """Why a sandbox would not let somebody speak."""
    if isinstance(error, UnicodeEncodeError):
        return Wrong("'text' holds half of a character (a lone surrogate), which cannot be sent")
    return Wrong(str(error.args[0]) if error.args else "there is no such message or place", status=409)


def arrival(number: int, text: str, at: float, **more: Any) -> Json:
    """The entry of a message that the bot brought; ``number`` counts in the order of acceptance."""
    return {"number": number, "text": text, "at": at, "out": False, **more}


def latest(accepted: list[Any]) -> list[Any]:
    """As many of the messages that a sandbox accepted as are shown."""
    return accepted[-ENTRIES_MOST:]
