"""An account of the example: a provider's sandbox, the places in it, and how a person speaks there.

What all of them have in common is here; ``accounts.py`` has one short class for each.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, ClassVar

import httpx

from bot.playground.bodies import Json, Wrong, only, text_of
from bot.playground.example import Topic
from bot.playground.tour import Tour
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

    def __init__(self, sandbox: Sandbox, places: Iterable[Place], *, clock: Callable[[], float]) -> None:
        self.sandbox = sandbox
        self.places = tuple(places)
        self.clock = clock
        self.said: list[Json] = []
        """What people said here, and what the bot answered to it; kept with the world."""

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
        spoken_in = next(place.id for place in self.places if place.people or place.anybody)
        place = self.place(text_of(body, "conversation", default=spoken_in))
        person = self.speaker(place, text_of(body, "person") if body.get("person") is not None else None)
        text = text_of(body, "text")
        reply_to, id = (text_of(body, name) if body.get(name) is not None else "" for name in ("reply_to", "id"))
        if reply_to and not self.replies:
            raise Wrong(f"people cannot reply to a message at {self.title}: leave out 'reply_to'")
        if id and not self.repeats:
            raise Wrong(f"{self.title} does not send anything again: leave out 'id'")
        said: Json = {"id": id, "conversation": place.id, "person": person, "text": text, "reply_to": reply_to or None}
        said |= {"at": self.clock(), "status": 0}
        self.said = [*self.said[1 - SAID_MOST :], said]
        with noting() as answers:
            try:
                said["id"] = await self.speak(place, person, text, reply_to=reply_to, id=id)
            except httpx.TransportError:
                answers.append(0)
            except (LookupError, UnicodeEncodeError) as error:
                self.said = [one for one in self.said if one is not said]
                raise refused(error) from error
        said["status"] = status = worst(answers)
        if not status:
            again = "send it once more" if not self.repeats else "send it again with its 'id'"
            raise Wrong(f"the bot was not reached, and {self.title} does not try again by itself; {again}", status=502)
        shown = {name: said[name] for name in ("id", "conversation", "person", "status")}
        return {"account": self.name, **shown, "delivered": 200 <= status < 300}

    def spoken(self) -> Iterator[tuple[str, Json]]:
        """Conversation and entry of what people said, the oldest first."""
        for said in self.said[-ENTRIES_MOST:]:
            entry = {name: said[name] for name in ("id", "text", "reply_to", "at", "status")}
            yield said["conversation"], {**entry, "person": said["person"], "out": True}

    def view(self, hook_url: str) -> Json:
        """The account as the page shows it: its places with what was said there, in the order of time."""
        entries: dict[str, list[Json]] = {place.id: [] for place in self.places}
        for conversation, entry in (*self.arrived(), *self.spoken()):
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
