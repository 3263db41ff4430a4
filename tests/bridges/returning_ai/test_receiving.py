"""Returning.AI: webhooks of every shape, polling, and both together: each message once."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any, get_args

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from bridges.api import Hook, Outgoing
from bridges.driver import drive
from bridges.errors import Garbled, Unauthorized, Unavailable
from bridges.model import TWIN_S, ConversationId, Event, Message, Reacted, Received
from bridges.returning_ai import wire
from bridges.returning_ai.bridge import ReturningAiBridge
from bridges.returning_ai.community import Place, Shape
from bridges.returning_ai.polling import CHANNELS_MOST, GONE_MOST, NOTHING, Cursor
from bridges.returning_ai.sandbox import ReturningAiSandbox
from bridges.returning_ai.settings import ReturningAiSettings
from bridges.testing import FIXTURE_TIME, mutant, play, read_hook
from tests.pace import ordinary_seconds

SECRET = "hook-secret-0123456789"
GENERAL = "66f0c1d2e3a4b5c6d7e8f901"
IDEAS = "66f0c1d2e3a4b5c6d7e8f902"
TOPIC = "77a1b2c3d4e5f60718293a4b"
FIXTURES = Path(__file__).parent / "fixtures"
Serve = Callable[[ASGIApp], str]


def bridge_for(base_url: str = "https://rai.example", **changes: Any) -> ReturningAiBridge:
    settings = ReturningAiSandbox().settings(base_url, hook_secret=SECRET)
    return ReturningAiBridge(ReturningAiSettings.model_validate({**settings, **changes}))


def decoded(body: object, *, path: str = "", **changes: Any) -> Event:
    hook = Hook(body=json.dumps(body).encode(), path=path, received_at=FIXTURE_TIME)
    (event,) = bridge_for(**changes).decode(hook)
    return event


def received(body: object, *, path: str = "", **changes: Any) -> Received:
    event = decoded(body, path=path, **changes)
    assert isinstance(event, Received)
    return event


BODY = json.loads(read_hook(FIXTURES / "message_as_documented_for_get_messages.http").hook.body)


class Side:
    """A sandbox, a bridge, and what the running bot would keep of both ways in."""

    def __init__(self, serve: Serve, client: httpx.AsyncClient, *, sandbox: ReturningAiSandbox, **changes: Any) -> None:
        self.sandbox = sandbox
        self.bridge = bridge_for(serve(sandbox.app), **{"poll_seconds": 5, **changes})
        sandbox.hook_url = serve(Starlette(routes=[Route("/hooks/club/secret", self._take, methods=["POST"])]))
        sandbox.hook_url += "/hooks/club/secret"
        self.cursor = ""
        self.hooks: list[Hook] = []
        self._client = client
        self._clock = sandbox._clock

    async def _take(self, request: Request) -> Response:
        self.hooks.append(Hook(body=await request.body(), received_at=FIXTURE_TIME))
        return Response(status_code=204)

    async def look(self) -> list[Hook]:
        polled = await drive(self.bridge.poll(self.cursor), send=self._send, auth=self.bridge.auth, clock=self._clock)
        self.cursor = polled.cursor
        self.hooks.extend(polled.hooks)
        return list(polled.hooks)

    async def _send(self, request: httpx.Request) -> httpx.Response:
        """The server's clock is the sandbox's, also in what the web server adds to its answers."""
        response = await self._client.send(request)
        response.headers["date"] = format_datetime(self._clock().astimezone(UTC), usegmt=True)
        return response

    def told(self) -> list[str]:
        """The texts that are relayed: each key once, twins merged as the bot merges them."""
        keys: set[str] = set()
        firm: list[tuple[str, datetime]] = []
        loose: list[tuple[str, datetime]] = []
        texts = []
        for event in (event for hook in self.hooks for event in self.bridge.decode(hook)):
            assert isinstance(event, Received)
            if event.key in keys:
                continue
            keys.add(event.key)
            others = loose if event.firm else [*loose, *firm]
            near = timedelta(seconds=TWIN_S)
            known = event.twin and any(twin == event.twin and abs(at - event.at) <= near for twin, at in others)
            (firm if event.firm else loose).append((event.twin, event.at))
            if not known and not event.ours:
                texts.append(event.message.text)
        return texts


def texts_of(hooks: list[Hook]) -> list[str]:
    return [event.message.text for hook in hooks for event in bridge_for().decode(hook) if isinstance(event, Received)]


# Webhooks


@pytest.mark.parametrize("shape", get_args(Shape))
async def test_a_webhook_of_any_shape_is_read_without_configuration(
    shape: Shape, serve: Serve, client: httpx.AsyncClient
) -> None:
    sandbox = ReturningAiSandbox(shape=shape, client=client, clock=lambda: FIXTURE_TIME)
    side = Side(serve, client, sandbox=sandbox)
    id = await sandbox.say("Ann", IDEAS, "an idea", topic=TOPIC)
    (event,) = side.bridge.decode(side.hooks[0])
    assert isinstance(event, Received)
    assert (event.conversation.id, event.conversation.kind) == (f"{IDEAS}/{TOPIC}", "topic")
    assert (event.message.text, event.at, event.ours) == ("an idea", FIXTURE_TIME, False)
    assert event.message.sender is not None and event.message.sender.name == "Ann"
    assert (event.id, event.firm) == ((None, False) if shape == "without_id" else (id, True))


def test_configured_paths_are_read_and_nothing_else() -> None:
    body = {
        "message": "a title that is no message",
        "id": "evt-1",
        "post": {"uid": 17, "words": "hello", "by": [{"key": "u1", "called": "Ann"}], "when": 1741083072},
        "room": {"key": "general"},
    }
    paths = {
        "id": "post.uid",
        "text": "post.words",
        "user_id": "post.by.0.key",
        "user_name": "post.by.0.called",
        "channel": "room.key",
        "time": "post.when",
    }
    event = received(body, fields=paths)
    assert (event.key, event.id, event.message.text, event.conversation.id) == (
        "message:17",
        "17",
        "hello",
        "general",
    )
    assert event.message.sender is not None and (event.message.sender.id, event.message.sender.name) == ("u1", "Ann")
    assert event.at == datetime(2025, 3, 4, 10, 11, 12, tzinfo=UTC)
    assert decoded({**body, "post": {}}, fields=paths).type == "unsupported"


@pytest.mark.parametrize(
    "writer",
    [
        {"user": "Ann"},
        {"sender": "Ann"},
        {"author": {"id": "u1", "name": "Ann"}},
        {"username": "Ann", "userId": 17},
        {"user": {"name": "Ann"}},
    ],
)
@pytest.mark.parametrize("wrap", ["", "data", "payload", "message", "event"])
def test_usual_names_are_guessed_wherever_they_stand(writer: dict[str, Any], wrap: str) -> None:
    inner = {"content": "hello", "channelId": "c1", "sentAt": 1741083072, **writer}
    event = received({wrap: inner} if wrap else inner)
    assert (event.message.text, event.conversation.id, event.at.year) == ("hello", "c1", 2025)
    assert event.message.sender is not None and event.message.sender.name == "Ann"


def test_polled_messages_are_read_as_documented_whatever_the_paths() -> None:
    event = received(BODY, path=f"poll/{GENERAL}", fields={"text": "nowhere", "channel": "nowhere"})
    assert (event.message.text, event.conversation.id) == (BODY["message"], GENERAL)


def test_a_polled_message_without_channel_belongs_to_the_one_that_was_asked_for() -> None:
    body = {name: value for name, value in BODY.items() if name != "channel"}
    assert received(body, path=f"poll/{GENERAL}").conversation.id == GENERAL


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"channel": None}, "no channel was found; set fields.channel"),
        ({"user": None}, "nobody who wrote it was found; set fields.user_id"),
        ({"channel": {"channel_id": "two words"}}, "is no id"),
        ({"forumTopicId": "a/b"}, "is no id"),
    ],
)
def test_a_message_with_a_hole_is_garbled_and_says_what_to_set(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(Garbled, match=words):
        decoded({**BODY, **changes})


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({"event": "user_join_server", "user": BODY["user"]}, "user join server"),
        ({"eventType": "MESSAGE_DELETED", "data": BODY}, "message deleted"),
        ({"event": "messageUpdated", "data": BODY}, "message updated"),
        ({"event": "reaction_added", "data": BODY}, "reaction added"),
        ({"status": "success", "message": "pong"}, "unknown"),
        ({**BODY, "message": " \n"}, "message without text"),
        ({**BODY, "message": {"a": 1}}, "unknown"),
    ],
)
def test_what_is_no_new_message_is_unsupported_by_name(body: dict[str, Any], name: str) -> None:
    event = decoded(body)
    assert (event.type, getattr(event, "name", None)) == ("unsupported", name)


def test_with_message_events_only_those_are_messages() -> None:
    wanted = {"message_events": ["Message.Updated"]}
    assert decoded({"event": "messageUpdated", "data": BODY}, **wanted).type == "received"
    assert decoded({"event": "message_created", "data": BODY}, **wanted).type == "unsupported"
    assert decoded(BODY, path=f"poll/{GENERAL}", **wanted).type == "received"


@pytest.mark.parametrize(
    "user",
    [
        {"user_id": "u-1"},
        {"username": "BRIDGE"},
        {"email": "Bridge@Example.com"},
        {"user_id": "other", "email": "bridge@example.com"},
        {"username": "bridge@example.com"},
    ],
)
def test_our_own_messages_are_known_by_id_user_name_and_email(user: dict[str, str]) -> None:
    assert received({**BODY, "user": user}, sender_ids=["u-1", "bridge"]).ours


@pytest.mark.parametrize("user", [{"user_id": "u-2"}, {"username": "bridget"}, {"email": "bridge@example.org"}])
def test_somebody_with_a_similar_name_is_not_us(user: dict[str, str]) -> None:
    assert not received({**BODY, "user": user}, sender_ids=["u-1", "bridge"]).ours


@pytest.mark.parametrize(
    ("user", "shown"),
    [
        ({"user_id": "u1", "username": "Ann", "email": "a@example.com"}, "Ann"),
        ({"user_id": "u1", "email": "ann.b@example.com"}, "ann.b"),
        ({"user_id": "u1", "username": "ann.b@example.com"}, "ann.b"),
        ({"user_id": "u1"}, "u1"),
    ],
)
def test_nobodys_address_is_shown_to_the_other_side(user: dict[str, str], shown: str) -> None:
    sender = received({**BODY, "user": user}).message.sender
    assert sender is not None and (sender.id, sender.name) == ("u1", shown)


@pytest.mark.parametrize(
    ("told", "at"),
    [
        ("2025-03-04T10:11:12.000Z", (2025, 3, 4, 10, 11, 12)),
        ("2025-03-04T11:11:12+01:00", (2025, 3, 4, 10, 11, 12)),
        ("2025-03-04T10:11:12", (2025, 3, 4, 10, 11, 12)),
        (1741083072, (2025, 3, 4, 10, 11, 12)),
        (1741083072000, (2025, 3, 4, 10, 11, 12)),
        ("1741083072000", (2025, 3, 4, 10, 11, 12)),
        (1741083072.0, (2025, 3, 4, 10, 11, 12)),
    ],
)
def test_a_time_is_understood_in_every_form(told: object, at: tuple[int, ...]) -> None:
    assert received({**BODY, "timestamp": told}).at == datetime(*at, tzinfo=UTC)  # type: ignore[arg-type, misc]


@pytest.mark.parametrize("told", ["yesterday", "", None, True, -5, 0, 1e300, [1], "9" * 17])
def test_a_time_that_is_none_gives_way_to_the_time_of_arrival(told: object) -> None:
    assert received({**BODY, "timestamp": told}).at == FIXTURE_TIME


def test_without_an_id_equal_words_at_another_time_are_another_message() -> None:
    def key(**changes: object) -> str:
        return received({name: value for name, value in BODY.items() if name != "id"} | changes).key

    other_user = {"user_id": "u9", "username": "Bob"}
    others = [key(timestamp="2025-03-04T10:11:59Z"), key(message="other"), key(user=other_user), key(channel="other")]
    assert key() == key()
    assert len({key(), *others}) == 5


def test_without_an_id_and_a_time_the_arrival_tells_messages_apart() -> None:
    body = json.dumps({"message": "ok", "user_id": "u1", "channel_id": "c1"}).encode()
    keys = {
        bridge_for().decode(Hook(body=body, received_at=FIXTURE_TIME + timedelta(seconds=n)))[0].key for n in range(3)
    }
    assert len(keys) == 3


def test_reactions_are_emoji_that_come_and_go_one_by_one() -> None:
    body = {"messageId": "m1", "emoji": ":thumbsup:", "user": BODY["user"], "channel": BODY["channel"]}
    added, removed = (decoded({**body, "event": f"reaction_{what}"}) for what in ("added", "removed"))
    assert isinstance(added, Reacted) and (added.id, added.reactions, added.mode) == ("m1", ("👍",), "add")
    assert isinstance(removed, Reacted) and (removed.reactions, removed.mode) == (("👍",), "remove")
    assert added.key != removed.key


async def test_a_member_reacts_and_takes_it_back(serve: Serve, client: httpx.AsyncClient) -> None:
    side = Side(serve, client, sandbox=ReturningAiSandbox(client=client, clock=lambda: FIXTURE_TIME))
    id = await side.sandbox.say("Ann", GENERAL, "look", hook=False)
    await side.sandbox.react("Ben", id, ":tada:")
    await side.sandbox.unreact("Ben", id, ":tada:")
    events = [event for hook in side.hooks for event in side.bridge.decode(hook)]
    told = [(event.id, event.reactions, event.mode) for event in events if isinstance(event, Reacted)]
    assert told == [(id, ("🎉",), "add"), (id, ("🎉",), "remove")]
    with pytest.raises(LookupError, match="Ben has no"):
        await side.sandbox.unreact("Ben", id, ":tada:")


def test_a_reaction_of_our_own_is_no_news() -> None:
    user = {"user_id": "66f0b1", "email": "bridge@example.com"}
    body = {"messageId": "m1", "emoji": ":thumbsup:", "user": user, "channel": BODY["channel"]}
    event = decoded({**body, "event": "reaction_added"})
    assert (event.type, getattr(event, "name", "")) == ("unsupported", "reaction of our own")


@pytest.mark.parametrize("name", ["messageId", "message_id"])
def test_a_message_id_goes_before_another_id_beside_it(name: str) -> None:
    event = received({**BODY, "id": "evt-1", name: "m1"})
    assert (event.key, event.id, event.firm) == ("message:m1", "m1", True)


@pytest.mark.parametrize("name", ["event", "eventType", "event_type", "eventName"])
def test_where_a_body_names_an_event_its_id_is_the_events(name: str) -> None:
    event = received({**BODY, name: "new_message_posted", "id": "evt-1"})
    assert (event.id, event.firm) == (None, False)
    assert received({**BODY, name: "new_message_posted", "messageId": "m1"}).id == "m1"
    assert received({name: "new_message_posted", "id": "evt-1", "data": {**BODY, "id": "m2"}}).id == "m2"
    assert received({**BODY, name: "new_message_posted", "id": "m3"}, fields={"id": "id"}).id == "m3"


def test_without_a_message_id_and_a_time_the_events_id_tells_messages_apart() -> None:
    def key(id: str, *, later_s: float = 0) -> str:
        body = {"event": "posted", "id": id, "message": "ok", "user_id": "u1", "channel_id": "c1"}
        at = FIXTURE_TIME + timedelta(seconds=later_s)
        return bridge_for().decode(Hook(body=json.dumps(body).encode(), received_at=at))[0].key

    assert key("evt-1") == key("evt-1", later_s=90)
    assert key("evt-1") != key("evt-2")


def test_more_messages_than_can_be_read_at_once_are_garbled() -> None:
    most = wire.ITEMS_MOST
    with pytest.raises(Garbled, match=f"{most + 1} messages; at most {most}"):
        bridge_for().decode(Hook(body=json.dumps([{}] * (most + 1)).encode(), received_at=FIXTURE_TIME))


_FULL: dict[str, Any] = {name: {} for name in ("user", "sender", "author", "channel", "forumTopic")}
_DEEP = {**_FULL, **{one: {**_FULL, **dict.fromkeys(wire.WRAPPERS, _FULL)} for one in wire.WRAPPERS}}


@pytest.mark.parametrize("item", [{}, BODY, {**BODY, "user": {"name": "x " * 300}}, _DEEP])
def test_as_many_messages_as_can_be_read_at_once_are_read_quickly(item: dict[str, Any]) -> None:
    hook = Hook(body=json.dumps([item] * wire.ITEMS_MOST).encode(), received_at=FIXTURE_TIME)
    assert len(bridge_for().decode(hook)) == wire.ITEMS_MOST
    assert ordinary_seconds(lambda: bridge_for().decode(hook)) < 1


def test_the_address_of_an_image_goes_along_where_anybody_may_open_it_safely() -> None:
    images = ["https://files.example/a.png", "http://files.example/b.png"]
    attachments = received({**BODY, "images": images}).message.attachments
    assert [(each.ref, each.link) for each in attachments] == [(images[0], images[0]), (images[1], "")]


def test_images_whose_addresses_nobody_can_ask_are_told_of_without_them() -> None:
    script, mine = {"url": "javascript:alert(1)", "name": "cat.png"}, {"url": "file:///etc"}
    event = received({**BODY, "images": [script, {"url": 17}, "https://files.example/a.png", None, mine]})
    told = [(each.kind, each.name, each.ref, each.link) for each in event.message.attachments]
    address = "https://files.example/a.png"
    assert told == [("image", "cat.png", "", ""), ("image", "", address, address), ("image", "", "", "")]


# Polling


class Club:
    """A sandbox with a clock turned by hand."""

    def __init__(self, **options: Any) -> None:
        self.now = FIXTURE_TIME
        self.sandbox = ReturningAiSandbox(clock=lambda: self.now, **options)

    async def say(self, *texts: str, channel: str = GENERAL, hook: bool = False) -> None:
        for text in texts:
            self.now += timedelta(seconds=1)
            await self.sandbox.say("Ann", channel, text, hook=hook)


async def test_the_first_look_brings_nothing_of_the_past_and_the_next_what_came_since(
    serve: Serve, client: httpx.AsyncClient
) -> None:
    club = Club()
    side = Side(serve, client, sandbox=club.sandbox)
    await club.say("old", "older")
    assert await side.look() == []
    await club.say("one", "two")
    await club.say("three", channel=IDEAS)
    assert texts_of(await side.look()) == ["one", "two", "three"]
    assert await side.look() == []


async def test_a_message_at_the_very_time_of_the_last_one_is_seen(serve: Serve, client: httpx.AsyncClient) -> None:
    club = Club()
    side = Side(serve, client, sandbox=club.sandbox)
    await club.say("before")
    await side.look()
    await club.sandbox.say("Bob", GENERAL, "in the same moment", hook=False)
    assert texts_of(await side.look()) == ["in the same moment"]


async def test_a_message_that_is_listed_late_is_seen(serve: Serve, client: httpx.AsyncClient) -> None:
    club = Club()
    side = Side(serve, client, sandbox=club.sandbox)
    await club.say("first")
    await side.look()
    club.now -= timedelta(seconds=30)
    await club.say("late")
    assert texts_of(await side.look()) == ["late"]
    assert await side.look() == []


async def test_a_flood_is_fetched_whole(serve: Serve, client: httpx.AsyncClient) -> None:
    club = Club()
    side = Side(serve, client, sandbox=club.sandbox, poll_count=5)
    await club.say("before")
    await side.look()
    flood = [f"line {n}" for n in range(40)]
    await club.say(*flood)
    assert texts_of(await side.look()) == flood


async def test_a_flood_beyond_what_is_given_is_said_in_the_channel(serve: Serve, client: httpx.AsyncClient) -> None:
    club = Club()
    side = Side(serve, client, sandbox=club.sandbox, poll_count=2)
    await club.say("before")
    await side.look()
    await club.say(*(f"line {n}" for n in range(30)))
    notice, *rest = texts_of(await side.look())
    assert notice.startswith("Messages may be missing here between 2026-01-02 03:04:06 and 2026-01-02 03:04:17 UTC")
    assert rest == [f"line {n}" for n in range(10, 30)]
    assert await side.look() == []


async def test_a_channel_that_is_made_later_brings_its_first_message(serve: Serve, client: httpx.AsyncClient) -> None:
    club = Club()
    side = Side(serve, client, sandbox=club.sandbox)
    await club.say("before")
    await side.look()
    made = Place("66f0c1d2e3a4b5c6d7e8f903", "made later")
    club.sandbox.channels[made.id] = made
    await club.say("first words", channel=made.id)
    assert texts_of(await side.look()) == ["first words"]


async def test_an_old_channel_that_shows_later_brings_nothing_of_its_past(
    serve: Serve, client: httpx.AsyncClient
) -> None:
    club = Club()
    hidden = Place("66f0c1d2e3a4b5c6d7e8f903", "hidden")
    club.sandbox.channels[hidden.id] = hidden
    side = Side(serve, client, sandbox=club.sandbox)
    await club.say("long ago", channel=hidden.id)
    del club.sandbox.channels[hidden.id]
    await club.say("before")
    await side.look()
    club.sandbox.channels[hidden.id] = hidden
    assert await side.look() == []


async def test_a_channel_that_is_made_while_all_others_are_empty_brings_its_first_message(
    serve: Serve, client: httpx.AsyncClient
) -> None:
    club = Club()
    side = Side(serve, client, sandbox=club.sandbox)
    await side.look()
    made = Place("66f0c1d2e3a4b5c6d7e8f903", "made later")
    club.sandbox.channels[made.id] = made
    await club.say("first words", channel=made.id)
    assert texts_of(await side.look()) == ["first words"]
    assert await side.look() == []


async def test_what_is_written_before_a_channel_has_its_first_turn_is_brought(
    serve: Serve, client: httpx.AsyncClient
) -> None:
    places = [Place(f"66f0c1d2e3a4b5c6d7e8{n:04x}", f"room {n}") for n in range(CHANNELS_MOST + 1)]
    club = Club(channels=places)
    side = Side(serve, client, sandbox=club.sandbox)
    await club.say("before", channel=places[-1].id)
    club.now += timedelta(seconds=1)
    assert await side.look() == []
    await club.say("meanwhile", channel=places[-1].id)
    await club.say("a newer one elsewhere", channel=places[0].id)
    assert sorted(texts_of(await side.look())) == ["a newer one elsewhere", "meanwhile"]


async def test_a_channel_that_is_listed_again_goes_on_where_it_was(serve: Serve, client: httpx.AsyncClient) -> None:
    club = Club()
    side = Side(serve, client, sandbox=club.sandbox)
    await side.look()
    await club.say("seen", channel=IDEAS)
    await side.look()
    away = club.sandbox.channels.pop(IDEAS)
    await side.look()
    club.sandbox.channels[IDEAS] = away
    await club.say("while it was away", channel=IDEAS)
    assert texts_of(await side.look()) == ["while it was away"]


async def test_a_channel_that_was_hidden_for_long_brings_at_most_a_day(serve: Serve, client: httpx.AsyncClient) -> None:
    club = Club()
    hidden = Place("66f0c1d2e3a4b5c6d7e8f903", "hidden")
    side = Side(serve, client, sandbox=club.sandbox)
    await side.look()
    club.sandbox.channels[hidden.id] = hidden
    for text in ("three days ago", "two days ago", "yesterday"):
        await club.say(text, channel=hidden.id)
        club.now += timedelta(hours=23)
    await club.say("today")
    del club.sandbox.channels[hidden.id]
    await side.look()
    club.sandbox.channels[hidden.id] = hidden
    assert texts_of(await side.look()) == ["yesterday"]


def test_of_channels_that_are_not_listed_any_more_only_some_are_kept() -> None:
    many = [f"c{number}" for number in range(GONE_MOST + 10)]
    cursor = Cursor(dict.fromkeys(many, NOTHING))
    after = cursor.after_look({}, listed=["c0", "x"], after="", made=None, skipped=frozenset({"c1"}))
    assert list(after.channels) == ["c0", *many[-GONE_MOST:]]
    assert after.skipped == frozenset()


_EMPTY = {"status": "success", "data": {"total": 0, "messages": []}}


@pytest.mark.parametrize("status", [401, 403])
def test_a_channel_that_is_refused_is_told_once_and_again_after_it_worked(status: int) -> None:
    bridge = bridge_for(poll_seconds=5, poll_channels=["a", "b"], sender_ids=["u1"])
    cursor, told = "", []
    for answer in (status, status, 200, status):
        answers = {"a": httpx.Response(answer, json=_EMPTY), "b": httpx.Response(200, json=_EMPTY)}
        order = Cursor.from_text(cursor).order(["a", "b"])
        played = play(bridge.poll(cursor), *(answers[channel] for channel in order))
        cursor = played.result.cursor
        told.append([hook.path for hook in played.result.hooks])
    assert told == [["skip/a"], [], [], ["skip/a"]]


def test_where_the_first_channels_are_refused_the_others_have_their_turn() -> None:
    channels = [f"c{number}" for number in range(CHANNELS_MOST + 1)]
    bridge = bridge_for(poll_seconds=5, poll_channels=channels, sender_ids=["u1"])
    refused = play(bridge.poll(""), *[httpx.Response(403, json={}) for _ in range(CHANNELS_MOST)])
    assert refused.error is None
    answers = [httpx.Response(200, json=_EMPTY), *[httpx.Response(403, json={}) for _ in range(CHANNELS_MOST - 1)]]
    worked = play(bridge.poll(refused.result.cursor), *answers)
    assert list(Cursor.from_text(worked.result.cursor).channels) == channels[-1:]


def test_polling_fails_where_every_channel_was_refused() -> None:
    channels = [f"c{number}" for number in range(CHANNELS_MOST + 1)]
    bridge = bridge_for(poll_seconds=5, poll_channels=channels, sender_ids=["u1"])
    first = play(bridge.poll(""), *[httpx.Response(401, json={}) for _ in range(CHANNELS_MOST)])
    second = play(bridge.poll(first.result.cursor), *[httpx.Response(401, json={}) for _ in range(CHANNELS_MOST)])
    assert isinstance(second.error, Unauthorized)


async def test_many_channels_have_their_turn(serve: Serve, client: httpx.AsyncClient) -> None:
    places = [Place(f"66f0c1d2e3a4b5c6d7e8{n:04x}", f"room {n}") for n in range(CHANNELS_MOST + 5)]
    club = Club(channels=places)
    side = Side(serve, client, sandbox=club.sandbox)
    for place in places:
        await club.say("before", channel=place.id)
    for _ in range(2):
        await side.look()
    assert len(Cursor.from_text(side.cursor).channels) == len(places)
    for place in places:
        await club.say(place.name, channel=place.id)
    club.sandbox.calls.clear()
    brought = texts_of(await side.look())
    assert len(club.sandbox.calls) == CHANNELS_MOST + 1
    assert sorted(brought + texts_of(await side.look())) == sorted(place.name for place in places)


def test_a_channel_that_fails_does_not_keep_the_others_from_their_turn() -> None:
    bridge = bridge_for(poll_seconds=5, poll_channels=["a", "b"], sender_ids=["u1"])
    empty = httpx.Response(200, json={"status": "success", "data": {"total": 0, "messages": []}})
    played = play(bridge.poll(""), empty, httpx.Response(500))
    assert played.error is None
    assert Cursor.from_text(played.result.cursor).order(["a", "b"]) == ["a", "b"]
    assert list(Cursor.from_text(played.result.cursor).channels) == ["a"]


@pytest.mark.parametrize(
    ("date", "made"),
    [
        ("Fri, 02 Jan 2026 03:00:00 GMT", "2026-01-02T03:00:00+00:00"),
        ("Fri, 02 Jan 2026 03:00:00 -0000", "2026-01-02T03:00:00+00:00"),
        ("", "2026-01-02T03:04:05+00:00"),
        ("yesterday", "2026-01-02T03:04:05+00:00"),
        ("Fri, 31 Dec 9999 23:59:59 GMT", "2026-01-02T03:04:05+00:00"),
        ("Fri, 31 Dec 9999 23:59:59 -0100", "2026-01-02T03:04:05+00:00"),
    ],
)
def test_the_first_look_is_kept_by_the_servers_clock_where_it_tells_one(date: str, made: str) -> None:
    bridge = bridge_for(poll_seconds=5, poll_channels=["a"], sender_ids=["u1"])
    played = play(bridge.poll(""), httpx.Response(200, headers={"date": date}, json=_EMPTY))
    assert Cursor.from_text(played.result.cursor).made == datetime.fromisoformat(made)


def test_a_server_that_is_away_is_asked_once() -> None:
    bridge = bridge_for(poll_seconds=5, poll_channels=["a", "b", "c"], sender_ids=["u1"])
    played = play(bridge.poll(""), Unavailable("gone"))
    assert isinstance(played.error, Unavailable)


@pytest.mark.parametrize(
    "cursor", ["", "x", "[]", "{}", '{"channels":[]}', '{"channels":{"a b":{}}}', '{"channels":{"a":{"ids":7}}}']
)
def test_a_cursor_that_makes_no_sense_is_that_of_a_first_look(cursor: str) -> None:
    assert Cursor.from_text(cursor) == Cursor({})


def test_polling_is_as_often_as_configured() -> None:
    assert (bridge_for().poll_every_s, bridge_for(poll_seconds=2.5).poll_every_s) == (0, 2.5)


# Both ways


@pytest.mark.parametrize("shape", get_args(Shape))
@pytest.mark.parametrize("polled_first", [False, True])
async def test_each_message_comes_once_whichever_way_it_came(
    shape: Shape, polled_first: bool, serve: Serve, client: httpx.AsyncClient
) -> None:
    club = Club(shape=shape, client=client)
    side = Side(serve, client, sandbox=club.sandbox)
    await club.say("before")
    await side.look()
    texts = ["one", "two", "one", "three"]
    for text in texts:
        club.now += timedelta(seconds=90)
        if polled_first:
            id = await club.sandbox.say("Ann", GENERAL, text, hook=False)
            await side.look()
            await club.sandbox.post(id)
        else:
            await club.sandbox.say("Ann", GENERAL, text)
            await side.look()
    assert len(side.hooks) == 8
    assert side.told() == texts


async def test_our_own_message_comes_back_both_ways_and_is_never_relayed(
    serve: Serve, client: httpx.AsyncClient
) -> None:
    club = Club(echoes=True, client=client)
    side = Side(serve, client, sandbox=club.sandbox)
    await side.look()
    out = Outgoing(key="k1", conversation=ConversationId(GENERAL), message=Message(text="from us"))
    await drive(side.bridge.deliver(out), send=client.send, auth=side.bridge.auth)
    await side.look()
    assert len(side.hooks) == 2
    assert side.told() == []


async def test_what_returning_ai_says_of_the_sender_is_learnt_and_kept(serve: Serve, client: httpx.AsyncClient) -> None:
    side = Side(serve, client, sandbox=ReturningAiSandbox(client=client))
    by_id = {**BODY, "user": {"user_id": "66f0b0000000000000000001"}}
    hook = Hook(body=json.dumps(by_id).encode(), received_at=FIXTURE_TIME)
    assert not side.bridge.decode(hook)[0].ours  # type: ignore[union-attr]
    await side.look()
    assert side.bridge.decode(hook)[0].ours  # type: ignore[union-attr]
    restarted = bridge_for()
    restarted.recall(side.bridge.learnt())
    assert restarted.decode(hook)[0].ours  # type: ignore[union-attr]


@pytest.mark.parametrize(("answer", "asks"), [(503, 2), (404, 1), (401, 1), (200, 1)])
def test_the_sender_is_asked_about_again_only_if_time_may_help(answer: int, asks: int) -> None:
    bridge = bridge_for(poll_seconds=5, poll_channels=["a"])
    empty = httpx.Response(200, json={"status": "success", "data": {"total": 0, "messages": []}})
    first = play(bridge.poll(""), httpx.Response(answer, json={"status": "error"}), empty)
    second = play(bridge.poll(""), *[httpx.Response(503)] * (asks - 1), empty)
    asked = [request.url.path for request in (*first.requests, *second.requests)].count("/apis/v1/users/info")
    assert asked == asks


def test_where_messages_are_read_is_found_once_and_kept() -> None:
    settings = {"messages_url": "", "poll_seconds": 5, "poll_channels": ["a"], "sender_ids": ["u1"]}
    bridge, restarted = bridge_for(**settings), bridge_for(**settings)
    empty = httpx.Response(200, json={"status": "success", "data": {"total": 0, "messages": []}})
    found = play(bridge.poll(""), httpx.Response(404), empty)
    restarted.recall(bridge.learnt())
    for each in (bridge, restarted):
        assert [request.url.path for request in play(each.poll(""), empty).requests] == ["/v1/messages"]
    assert [request.url.path for request in found.requests] == ["/apis/v1/messages", "/v1/messages"]


def test_without_polling_equal_words_are_never_twins() -> None:
    assert received(BODY).twin == ""
    assert received(BODY, poll_seconds=5).twin != ""


@pytest.mark.parametrize(
    ("match_by", "webhook"),
    [("id", {"user_id": "u1"}), ("email", {"email": "Ann@example.com"}), ("username", {"username": "u1"})],
)
def test_twins_are_told_by_what_both_ways_say_of_a_person(match_by: str, webhook: dict[str, str]) -> None:
    polled = {**BODY, "user": {"user_id": "u1", "email": "ann@example.com"}}
    changes = {"poll_seconds": 5, "match_by": match_by}
    first = received(polled, path=f"poll/{GENERAL}", **changes)
    second = received({**BODY, "id": None, "user": webhook}, **changes)
    assert first.twin == second.twin
    assert (first.firm, second.firm) == (True, False)


# Nonsense


def test_ten_thousand_mutated_bodies_are_events_or_garbled() -> None:
    chance = random.Random(20261121)
    bridge = bridge_for(poll_seconds=5)
    bodies = [json.loads(read_hook(path).hook.body) for path in sorted(FIXTURES.glob("*.http"))]
    names = sorted({step for paths in wire.GUESSES.values() for path in paths for step in path.split(".")})
    odd = [None, True, -1, 0, 1e300, 10**40, "", "x", "\ud83d", "a\x00b", "a/b", [], {}, [[]], "9" * 300, {"id": {}}]

    ended: dict[str, int] = {}
    for _ in range(10_000):
        raw = mutant(chance, bodies, names=names, odd=odd)
        path = chance.choice(("", "", f"poll/{GENERAL}", f"gap/{GENERAL}", "poll/", "x/y"))
        try:
            events = bridge.decode(Hook(body=raw, path=path, received_at=FIXTURE_TIME))
        except Garbled:
            ended["garbled"] = ended.get("garbled", 0) + 1
            continue
        assert events
        for event in events:
            ended[event.type] = ended.get(event.type, 0) + 1
            if isinstance(event, Received):
                bridge.check(event.conversation.id)
    assert set(ended) == {"received", "reacted", "unsupported", "garbled"}
