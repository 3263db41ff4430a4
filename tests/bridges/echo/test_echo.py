"""Echo: everything its people and we can do, end to end over real HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from bridges.api import Hook, Outgoing
from bridges.driver import drive
from bridges.echo.bridge import EchoBridge, EchoSettings
from bridges.echo.sandbox import EchoSandbox
from bridges.errors import Garbled, Refused
from bridges.model import ConversationId, Deleted, Edited, Event, Message, MessageId, Reacted, Received
from bridges.testing import FIXTURE_TIME

Serve = Callable[[ASGIApp], str]
LOBBY = ConversationId("lobby")


def bridge_for(sandbox: EchoSandbox, *, base_url: str) -> EchoBridge:
    settings = sandbox.settings(base_url, hook_secret="hook-secret-0123456789")
    return EchoBridge(EchoSettings.model_validate(settings))


def out(text: str, *, key: str = "k1", reply_to: str | None = None) -> Outgoing:
    message = Message(text=text, reply_to=None if reply_to is None else MessageId(reply_to))
    return Outgoing(key=key, conversation=LOBBY, message=message)


class Side:
    """A sandbox, its bridge and the events that came of its webhooks."""

    def __init__(self, serve: Serve, client: httpx.AsyncClient) -> None:
        self.sandbox = EchoSandbox(client=client, clock=lambda: FIXTURE_TIME)
        self.bridge = bridge_for(self.sandbox, base_url=serve(self.sandbox.app))
        self.events: list[Event] = []
        self.sandbox.hook_url = serve(Starlette(routes=[Route("/", self._take, methods=["POST"])]))
        self._client = client

    async def _take(self, request: Request) -> Response:
        headers = tuple((name.lower(), value) for name, value in request.headers.items())
        hook = Hook(body=await request.body(), headers=headers)
        self.bridge.verify(hook)
        self.events.extend(self.bridge.decode(hook))
        return Response(status_code=204)

    async def run(self, flow: Any) -> Any:
        return await drive(flow, send=self._client.send, auth=self.bridge.auth)


@pytest.fixture
async def side(serve: Serve, client: httpx.AsyncClient) -> Side:
    return Side(serve, client)


async def test_the_same_key_again_has_no_second_effect(side: Side) -> None:
    first = await side.run(side.bridge.deliver(out("once")))
    again = await side.run(side.bridge.deliver(out("once")))
    assert first == again
    assert [message.text for message in side.sandbox.accepted] == ["once"]


async def test_confirm_tells_what_arrived_from_what_did_not(side: Side) -> None:
    receipt = await side.run(side.bridge.deliver(out("here", key="a/b&c=d é")))
    assert await side.run(side.bridge.confirm(out("here", key="a/b&c=d é"))) == receipt
    assert await side.run(side.bridge.confirm(out("never", key="other"))) is None


async def test_a_reply_names_the_message_it_answers(side: Side) -> None:
    said = await side.sandbox.say("lobby", "Ann", "a question")
    await side.run(side.bridge.deliver(out("an answer", reply_to=said)))
    assert side.sandbox.accepted[0].reply_to == said


async def test_a_reply_to_nothing_is_refused(side: Side) -> None:
    with pytest.raises(Refused, match="reply_to names no message"):
        await side.run(side.bridge.deliver(out("an answer", reply_to="m999")))


async def test_an_edit_changes_what_stands_there_and_not_the_log(side: Side) -> None:
    receipt = await side.run(side.bridge.deliver(out("befor")))
    await side.run(side.bridge.edit(LOBBY, receipt.ids[0], Message(text="after")))
    assert [m["text"] for m in side.sandbox.state()["conversations"]["lobby"]] == ["after"]  # type: ignore[index]
    assert [message.text for message in side.sandbox.accepted] == ["befor"]


async def test_a_deletion_may_be_repeated_and_what_is_gone_cannot_be_edited(side: Side) -> None:
    receipt = await side.run(side.bridge.deliver(out("oops")))
    for _ in range(2):
        await side.run(side.bridge.delete(LOBBY, receipt.ids[0]))
    with pytest.raises(Refused, match="no such message"):
        await side.run(side.bridge.edit(LOBBY, receipt.ids[0], Message(text="back")))


async def test_a_reaction_of_ours_replaces_the_one_before_and_can_be_taken_back(side: Side) -> None:
    said = await side.sandbox.say("lobby", "Ann", "look")
    for emoji in ("👍", "🎉", "🎉"):
        await side.run(side.bridge.react(LOBBY, MessageId(said), emoji))
    assert side.sandbox.reactions == {said: "🎉"}
    await side.run(side.bridge.react(LOBBY, MessageId(said), ""))
    assert side.sandbox.reactions == {}


async def test_what_a_patchbay_sends_comes_back_as_ours_and_what_another_program_sends_is_a_bots(side: Side) -> None:
    side.sandbox.echoes = True
    receipt = await side.run(side.bridge.deliver(out("there and back")))
    await side.sandbox.say("lobby", "Weather", "rain", origin="weather")
    ours, theirs = side.events
    assert isinstance(ours, Received) and (ours.ours, ours.id, ours.message.text) == (
        True,
        receipt.ids[0],
        "there and back",
    )
    assert isinstance(theirs, Received) and not theirs.ours
    assert theirs.message.sender is not None and theirs.message.sender.kind == "bot"


def test_an_id_cannot_leave_its_place_in_the_path() -> None:
    bridge = bridge_for(EchoSandbox(), base_url="https://echo.example")
    request = next(bridge.delete(LOBBY, MessageId("../me?x#y")))
    assert request.url.raw_path == b"/messages/..%2Fme%3Fx%23y"


async def test_what_people_do_arrives_as_events(side: Side) -> None:
    asked = await side.sandbox.say("lobby", "Ann B", "a question")
    answered = await side.sandbox.say("lobby", "Bob", "an answer", reply_to=asked)
    await side.sandbox.change("lobby", asked, "a better question")
    await side.sandbox.react("lobby", answered, "Ann B", "👍", "🎉")
    await side.sandbox.take_back("lobby", answered)
    said, reply, edited, reacted, deleted = side.events
    assert isinstance(said, Received) and said.message.text == "a question" and said.id == asked
    assert said.message.sender is not None and (said.message.sender.id, said.message.sender.name) == ("ann-b", "Ann B")
    assert isinstance(reply, Received) and reply.message.reply_to == asked
    assert isinstance(edited, Edited) and (edited.id, edited.message.text) == (asked, "a better question")
    assert isinstance(reacted, Reacted) and (reacted.id, reacted.reactions) == (answered, ("👍", "🎉"))
    assert isinstance(deleted, Deleted) and deleted.id == answered
    assert len({event.key for event in side.events}) == 5
    assert {event.at for event in side.events} == {FIXTURE_TIME}


@pytest.mark.parametrize(
    "body",
    [
        b'{"type":"message"}',
        b'{"type":"message","id":"e1","at":"2026-01-02T03:04:05Z","conversation":{"id":"a b"},"message":{"id":"m1"}}',
        b'{"type":"deleted","id":"e1","at":"2026-01-02T03:04:05","conversation":{"id":"a"},"message":{"id":"m1"}}',
    ],
)
def test_a_known_event_of_another_shape_is_garbled_and_names_the_fields(body: bytes) -> None:
    bridge = bridge_for(EchoSandbox(), base_url="https://echo.example")
    with pytest.raises(Garbled, match=r"not of the known shape \(.*(at|conversation|message)"):
        bridge.decode(Hook(body=body))


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/messages", {"key": "k", "conversation": "lobby"}, 400),
        ("POST", "/messages", {"key": "k", "conversation": "lobby", "text": 17}, 400),
        ("POST", "/messages", {"key": "k", "conversation": "lobby", "text": "x", "colour": "red"}, 400),
        ("POST", "/messages", {"key": "", "conversation": "lobby", "text": "x"}, 400),
        ("POST", "/messages", {"key": "k", "conversation": "lobby", "text": "x" * 4001}, 400),
        ("POST", "/messages", {"key": "k", "conversation": "attic", "text": "x"}, 404),
        ("POST", "/messages", {"key": "k", "conversation": "lobby", "text": "x", "origin": ""}, 400),
        ("PATCH", "/messages/m1", {"text": "x"}, 404),
        ("PUT", "/messages/m1/reaction", {"emoji": "👍"}, 404),
        ("DELETE", "/messages/m1", None, 404),
        ("GET", "/messages", None, 400),
    ],
)
async def test_the_sandbox_refuses_what_is_not_documented(method: str, path: str, body: object, status: int) -> None:
    sandbox = EchoSandbox()
    headers = {"Authorization": f"Bearer {sandbox.token}"}
    transport = httpx.ASGITransport(sandbox.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://echo.test", headers=headers) as client:
        answer = await client.request(method, path, json=body)
    assert answer.status_code == status
    assert answer.json()["error"]
    assert sandbox.accepted == []


async def test_without_a_hook_url_people_are_told_what_is_missing() -> None:
    with pytest.raises(LookupError, match="hook_url"):
        await EchoSandbox().say("lobby", "Ann", "anybody there?")
