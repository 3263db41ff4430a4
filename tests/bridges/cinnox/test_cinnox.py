"""CINNOX: the handshake in all its readings, inbound SMS end to end, a sandbox as strict as the documents."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from bridges.api import Hook
from bridges.cinnox import wire
from bridges.cinnox.bridge import CinnoxBridge, CinnoxSettings
from bridges.cinnox.sandbox import CinnoxSandbox
from bridges.cinnox.verifier import Reading, reads
from bridges.cinnox.wire import CHALLENGE_MODES, ChallengeMode
from bridges.driver import drive
from bridges.errors import Garbled, Refused, Unavailable
from bridges.model import ConversationId, Received
from bridges.testing import FIXTURE_TIME, play, read_hook
from tests.pace import ordinary_seconds

SECRET = "hook-secret-0123456789"
FIXTURES = Path(__file__).parent / "fixtures"
Serve = Callable[[ASGIApp], str]


def bridge_for(base_url: str = "https://cinnox.example", **changes: Any) -> CinnoxBridge:
    sandbox = CinnoxSandbox()
    return CinnoxBridge(CinnoxSettings.model_validate({**sandbox.settings(base_url, hook_secret=SECRET), **changes}))


class Listener:
    """Our side of a webhook: keeps what came and answers as the bridge says, as the running bot does."""

    def __init__(self, bridge: CinnoxBridge) -> None:
        self.bridge = bridge
        self.handshakes: list[bytes] = []
        self.hooks: list[Hook] = []
        self.app = Starlette(routes=[Route("/hooks/support/{secret}", self._take, methods=["POST"])])

    async def _take(self, request: Request) -> Response:
        hook = Hook(body=await request.body(), received_at=FIXTURE_TIME)
        answer = self.bridge.answer(hook)
        if answer.handshake:
            self.handshakes.append(hook.body)
        else:
            self.hooks.append(hook)
        return Response(answer.body, answer.status, headers=dict(answer.headers), media_type=answer.media_type)


def hook_of(body: object) -> Hook:
    return Hook(body=json.dumps(body).encode(), received_at=FIXTURE_TIME)


# The answer to a webhook


@pytest.mark.parametrize(
    ("mode", "body", "media_type"),
    [
        ("object", '{"code":0,"result":{"challenge":"Zx81"}}', "application/json"),
        ("string", '{"code":0,"result":"{\\"challenge\\":\\"Zx81\\"}"}', "application/json"),
        ("object_plus_top", '{"code":0,"result":{"challenge":"Zx81"},"challenge":"Zx81"}', "application/json"),
        ("top", '{"challenge":"Zx81"}', "application/json"),
        ("plain", "Zx81", "text/plain; charset=utf-8"),
    ],
)
def test_a_handshake_is_answered_exactly_as_the_mode_says(mode: str, body: str, media_type: str) -> None:
    answer = bridge_for(challenge_mode=mode).answer(hook_of({"challenge": "Zx81"}))
    assert (answer.status, answer.body.decode(), answer.media_type) == (200, body, media_type)
    assert dict(answer.headers) == {"X-Content-Type-Options": "nosniff"}
    assert answer.handshake


@pytest.mark.parametrize("mode", CHALLENGE_MODES)
@pytest.mark.parametrize(
    "challenge", ["a", " padded ", "Ünï-code 👋", '"quoted" \\ back', "<&>\u2028", "x" * 4096, "0", "null"]
)
def test_the_challenge_comes_back_unchanged(mode: Reading, challenge: str) -> None:
    answer = bridge_for(challenge_mode=mode).answer(hook_of({"challenge": challenge}))
    response = httpx.Response(200, content=answer.body, headers={"Content-Type": answer.media_type})
    assert reads(response, challenge=challenge, reading=mode)


EVENT = json.loads(read_hook(FIXTURES / "inbound_sms_flat.http").hook.body)


@pytest.mark.parametrize(
    ("body", "handshake", "echoes"),
    [
        ({"challenge": "abc"}, True, True),
        ({"challenge": "abc", "action": "verify"}, True, True),
        ({"challenge": "abc", "message": {}}, True, True),
        ({"challenge": "abc", "type": "message", "message": None}, True, True),
        ({"challenge": "abc", **EVENT}, False, True),
        ({"challenge": "abc", "type": "message", "message": EVENT}, False, True),
        ({"challenge": "abc", "data": {"something": "new"}}, False, True),
        ({"challenge": "", **EVENT}, False, False),
        ({"challenge": ""}, False, False),
        ({"challenge": None}, False, False),
        ({"challenge": 17}, False, False),
        ({"challenge": {"a": 1}}, False, False),
        ({"challenge": "x" * 4097}, False, False),
        ({"challenge": "é" * 2049}, False, False),
        ({"challenge": "half \ud83d"}, False, False),
        ({"Challenge": "abc"}, False, False),
        ([{"challenge": "abc"}], False, False),
        (EVENT, False, False),
        ({}, False, False),
        ("abc", False, False),
        (None, False, False),
    ],
)
def test_only_a_body_without_an_event_is_a_handshake(body: Any, handshake: bool, echoes: bool) -> None:
    answer = bridge_for().answer(hook_of(body))
    assert answer.handshake is handshake
    echo = body["challenge"] if echoes else None
    assert json.loads(answer.body) == {"code": 0, "result": {"challenge": echo} if echoes else {}}


def test_an_event_is_answered_with_an_integer_code_and_an_empty_result() -> None:
    answer = bridge_for().answer(hook_of(EVENT))
    assert (answer.status, answer.body, answer.media_type) == (200, b'{"code":0,"result":{}}', "application/json")


# Subscribing while the listener is called back


FINDS: Mapping[Reading, ChallengeMode] = {
    "object": "object",
    "object_only": "object",
    "string": "string",
    "object_plus_top": "object_plus_top",
    "top": "object_plus_top",
    "plain": "plain",
}


@pytest.mark.parametrize(("reading", "mode"), FINDS.items())
async def test_subscribing_finds_the_mode_that_cinnox_wants(
    reading: Reading, mode: ChallengeMode, serve: Serve, client: httpx.AsyncClient
) -> None:
    sandbox = CinnoxSandbox(reading=reading)
    bridge = bridge_for(serve(sandbox.app))
    listener = Listener(bridge)
    url = f"{serve(listener.app)}/hooks/support/{SECRET}"
    done = await drive(bridge.subscribe(url, now=FIXTURE_TIME), send=client.send, auth=bridge.auth)
    await sandbox.close()
    assert (done.url, done.active, done.memory) == (url, True, {"challenge_mode": mode})
    assert bridge.challenge_mode == mode
    assert sandbox.subscribed_url == url
    assert len(listener.handshakes) == len(sandbox.calls) == CHALLENGE_MODES.index(mode) + 1
    assert listener.hooks == []


async def test_subscribing_twice_leaves_one_and_needs_one_request_the_second_time(
    serve: Serve, client: httpx.AsyncClient
) -> None:
    sandbox = CinnoxSandbox(reading="plain")
    bridge = bridge_for(serve(sandbox.app))
    url = f"{serve(Listener(bridge).app)}/hooks/support/{SECRET}"
    first = await drive(bridge.subscribe(url, now=FIXTURE_TIME), send=client.send, auth=bridge.auth)
    calls = len(sandbox.calls)
    again = await drive(bridge.subscribe(url, now=FIXTURE_TIME), send=client.send, auth=bridge.auth)
    await sandbox.close()
    assert first == again
    assert len(sandbox.calls) == calls + 1


async def test_a_verifier_that_takes_nothing_is_asked_five_times_and_the_mode_is_as_before(
    serve: Serve, client: httpx.AsyncClient
) -> None:
    sandbox = CinnoxSandbox(reading="refuse")
    bridge = bridge_for(serve(sandbox.app), challenge_mode="top")
    url = f"{serve(Listener(bridge).app)}/hooks/support/{SECRET}"
    with pytest.raises(Refused, match="all 5 ways"):
        await drive(bridge.subscribe(url, now=FIXTURE_TIME), send=client.send, auth=bridge.auth)
    await sandbox.close()
    assert len(sandbox.calls) == 5
    assert bridge.challenge_mode == "top"
    assert sandbox.subscribed_url is None


async def test_one_process_subscribes_while_another_answers_in_the_mode_handed_over(
    serve: Serve, client: httpx.AsyncClient
) -> None:
    sandbox = CinnoxSandbox(reading="string")
    base = serve(sandbox.app)
    commanding, listening = bridge_for(base), bridge_for(base)
    url = f"{serve(Listener(listening).app)}/hooks/support/{SECRET}"
    tried = []
    for memory in commanding.attempts():
        tried.append(memory["challenge_mode"])
        listening.recall(memory)  # the running bot reads it from the store
        try:
            done = await drive(
                commanding.attempt(url, memory=memory, now=FIXTURE_TIME), send=client.send, auth=commanding.auth
            )
            break
        except Refused:
            continue
    await sandbox.close()
    assert tried == ["object", "string"]
    assert done.memory == {"challenge_mode": "string"}
    assert sandbox.subscribed_url == url


async def test_a_listener_in_another_mode_than_the_attempt_does_not_verify(
    serve: Serve, client: httpx.AsyncClient
) -> None:
    sandbox = CinnoxSandbox(reading="string")
    base = serve(sandbox.app)
    commanding, listening = bridge_for(base), bridge_for(base)
    url = f"{serve(Listener(listening).app)}/hooks/support/{SECRET}"
    with pytest.raises(Refused):
        await drive(commanding.subscribe(url, now=FIXTURE_TIME), send=client.send, auth=commanding.auth)
    await sandbox.close()


async def test_unsubscribing_ends_the_events_and_may_be_done_twice(serve: Serve, client: httpx.AsyncClient) -> None:
    sandbox = CinnoxSandbox()
    bridge = bridge_for(serve(sandbox.app))
    url = f"{serve(Listener(bridge).app)}/hooks/support/{SECRET}"
    await drive(bridge.subscribe(url, now=FIXTURE_TIME), send=client.send, auth=bridge.auth)
    for _ in range(2):
        ended = await drive(bridge.unsubscribe(url), send=client.send, auth=bridge.auth)
        assert not ended.active
    with pytest.raises(LookupError, match="nobody has subscribed"):
        await sandbox.receive_sms("85255501234", "85255509999", "hello")
    await sandbox.close()


async def test_a_listener_that_cannot_be_reached_is_a_refusal_in_words(serve: Serve, client: httpx.AsyncClient) -> None:
    sandbox = CinnoxSandbox()
    bridge = bridge_for(serve(sandbox.app))
    with pytest.raises(Refused, match="could not be verified"):
        await drive(
            bridge.attempt("http://127.0.0.1:9/hooks/support/x", memory={}, now=FIXTURE_TIME),
            send=client.send,
            auth=bridge.auth,
        )
    await sandbox.close()


def test_attempts_name_each_mode_once_with_the_present_one_first() -> None:
    bridge = bridge_for(challenge_mode="top")
    modes = [memory["challenge_mode"] for memory in bridge.attempts()]
    assert modes[0] == "top"
    assert sorted(modes) == sorted(get_args(ChallengeMode))


def test_the_mode_is_switched_before_the_request_leaves() -> None:
    bridge = bridge_for()
    flow = bridge.attempt("https://bridge.example/x", memory={"challenge_mode": "plain"}, now=FIXTURE_TIME)
    next(flow)
    assert bridge.challenge_mode == "plain"


def test_a_lost_connection_ends_the_attempts_and_restores_the_mode() -> None:
    bridge = bridge_for()
    refused = httpx.Response(400, json={"code": 0, "message": "not verified"})
    played = play(
        bridge.subscribe("https://bridge.example/x", now=FIXTURE_TIME), refused, Unavailable("cut", maybe_sent=False)
    )
    assert isinstance(played.error, Unavailable)
    assert len(played.requests) == 2
    assert bridge.challenge_mode == "object"


@pytest.mark.parametrize("memory", [{}, {"challenge_mode": "telepathy"}, {"other": "top"}])
def test_a_memory_that_says_nothing_known_changes_nothing(memory: Mapping[str, str]) -> None:
    bridge = bridge_for(challenge_mode="top")
    bridge.recall(memory)
    assert bridge.challenge_mode == "top"


def test_the_subscription_requests_may_be_repeated() -> None:
    bridge = bridge_for()
    for flow in (bridge.subscribe("https://x.example/y", now=FIXTURE_TIME), bridge.unsubscribe("https://x.example/y")):
        assert next(flow).extensions.get("harmless")


def test_a_subscription_does_not_show_its_url() -> None:
    bridge = bridge_for()
    done = httpx.Response(200, json={"code": 0, "result": {"enabled": True, "url": f"https://b.example/{SECRET}"}})
    played = play(bridge.subscribe(f"https://b.example/{SECRET}", now=FIXTURE_TIME), done)
    assert played.result.active
    assert SECRET not in repr(played.result)


# Inbound SMS, end to end


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("as_strings", [False, True])
@pytest.mark.parametrize(
    ("sender", "conversation", "name"),
    [
        ("85255501234", "sms/85255501234", "85255501234"),
        ("+85255501234", "sms/85255501234", "85255501234"),
        ("Sample Shop", "sms/Sample%20Shop", "Sample Shop"),
    ],
)
async def test_an_sms_arrives_whatever_its_envelope(
    wrapped: bool, as_strings: bool, sender: str, conversation: str, name: str, serve: Serve, client: httpx.AsyncClient
) -> None:
    sandbox = CinnoxSandbox(client=client, clock=lambda: FIXTURE_TIME)
    bridge = bridge_for(serve(sandbox.app))
    listener = Listener(bridge)
    url = f"{serve(listener.app)}/hooks/support/{SECRET}"
    await drive(bridge.subscribe(url, now=FIXTURE_TIME), send=client.send, auth=bridge.auth)
    status = await sandbox.receive_sms(
        sender, "85255509999", "on my way", wrapped=wrapped, numbers_as_strings=as_strings
    )
    (event,) = bridge.decode(listener.hooks[0])
    assert status == 200
    assert isinstance(event, Received)
    assert (event.conversation.id, event.message.text, event.at) == (conversation, "on my way", FIXTURE_TIME)
    assert event.message.sender is not None and event.message.sender.name == name
    bridge.check(event.conversation.id)


async def test_the_same_record_again_has_the_same_key(serve: Serve) -> None:
    sandbox = CinnoxSandbox()
    listener = Listener(bridge_for())
    sandbox.subscribed_url = f"{serve(listener.app)}/hooks/support/{SECRET}"
    await sandbox.receive_sms("85255501234", "85255509999", "hello", record="r1", wrapped=True)
    await sandbox.receive_sms("85255501234", "85255509999", "hello", record="r1")
    await sandbox.receive_sms("85255501234", "85255509999", "hello")
    await sandbox.close()
    keys = [event.key for hook in listener.hooks for event in listener.bridge.decode(hook)]
    assert keys[0] == keys[1] == "r1" != keys[2]


def test_without_an_id_only_the_very_same_event_has_the_same_key() -> None:
    def key(**changes: object) -> str:
        fields = {name: value for name, value in EVENT.items() if name != "id"} | changes
        return bridge_for().decode(hook_of(fields))[0].key

    others = [
        key(content="other words"),
        key(senderNumber=85255501235),
        key(recipientNumber=1),
        key(receiveTime="2025-03-04T10:11:13.000Z"),
    ]
    assert key() == key()
    assert len({key(), *others}) == 5


@pytest.mark.parametrize("told", [{}, {"receiveTime": "yesterday"}, {"receiveTime": None}])
def test_without_an_id_and_a_time_the_minute_of_arrival_tells_messages_apart(told: dict[str, object]) -> None:
    fields = {name: value for name, value in EVENT.items() if name not in ("id", "receiveTime")} | told

    def key(later_s: float) -> str:
        hook = hook_of(fields)
        at = FIXTURE_TIME.replace(second=0) + timedelta(seconds=later_s)
        return bridge_for().decode(replace(hook, received_at=at))[0].key

    assert key(0) == key(59)
    assert len({key(0), key(60), key(120)}) == 3


def test_more_events_than_can_be_read_at_once_are_garbled_and_as_many_as_can_are_quick() -> None:
    most = wire.EVENTS_MOST
    with pytest.raises(Garbled, match=f"{most + 1} events; at most {most}"):
        bridge_for().decode(hook_of([EVENT] * (most + 1)))
    hook = hook_of([EVENT] * most)
    assert len(bridge_for().decode(hook)) == most
    assert ordinary_seconds(lambda: bridge_for().decode(hook)) < 1


@pytest.mark.parametrize(
    ("number", "sender"),
    [
        (85255501234, "85255501234"),
        (8.5255501234e10, "85255501234"),
        ("+852 5550-1234", "85255501234"),
        ("85255501234", "85255501234"),
        (" Shop ", "Shop"),
        ("ショップ", "ショップ"),
        ("Tab\tand\u202ebell\x07", "Tab andbell"),
        (1.5, "unknown"),
        (-17, "unknown"),
        (True, "unknown"),
        (None, "unknown"),
        ("", "unknown"),
        ("\x00", "unknown"),
        ([1], "unknown"),
        (10**40, "unknown"),
    ],
)
def test_a_senders_number_is_understood_in_every_form(number: object, sender: str) -> None:
    (event,) = bridge_for().decode(hook_of({**EVENT, "senderNumber": number}))
    assert isinstance(event, Received)
    assert event.message.sender is not None
    assert (event.message.sender.id, event.message.sender.name) == (sender, sender)
    bridge_for().check(event.conversation.id)


@pytest.mark.parametrize(
    "time", ["yesterday", "2025-03-04", "2025-03-04T10:11:12", 17, None, "0001-01-01T00:00:00+14:00"]
)
def test_a_time_that_is_none_gives_way_to_the_time_of_arrival(time: object) -> None:
    (event,) = bridge_for().decode(hook_of({**EVENT, "receiveTime": time}))
    assert event.at == FIXTURE_TIME


@pytest.mark.parametrize("description", ["Inbound SMS", "inbound sms message", " INBOUND-SMS ", "", None])
def test_the_description_is_compared_loosely(description: object) -> None:
    (event,) = bridge_for().decode(hook_of({**EVENT, "eventDescription": description}))
    assert isinstance(event, Received)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"eventDescription": "Outbound SMS"}, "outbound sms"),
        ({"contentType": "Picture"}, "inbound sms of type picture"),
        ({"content": None}, "inbound sms without content"),
        ({"content": ["a"]}, "inbound sms without content"),
    ],
)
def test_what_is_no_text_sms_is_unsupported_by_name(changes: dict[str, object], name: str) -> None:
    (event,) = bridge_for().decode(hook_of({**EVENT, **changes}))
    assert (event.type, getattr(event, "name", None)) == ("unsupported", name)


# Addresses


@pytest.mark.parametrize("address", ["sms/", "sms/+85255501234", "sms/852 555", "sms/a/b"])
def test_an_sms_address_that_is_no_number_is_refused(address: str) -> None:
    with pytest.raises(Refused, match="sms/85255501234"):
        bridge_for().check(ConversationId(address))


@pytest.mark.parametrize("address", ["room-42", "sms/85255501234", "sms/Sample%20Shop", "房间", "a/b", "x" * 256])
def test_rooms_and_sms_peers_are_valid_addresses(address: str) -> None:
    bridge_for().check(ConversationId(address))


def test_the_reply_room_cannot_be_an_sms_peer() -> None:
    with pytest.raises(ValueError, match="must be a room"):
        bridge_for(reply_room="sms/85255501234")


def test_an_app_id_cannot_leave_its_place_in_the_path() -> None:
    request = next(bridge_for(app_id="../admin?x=1#y").probe())
    assert request.url.raw_path.startswith(b"/v1/api/apps/..%2Fadmin%3Fx%3D1%23y/contacts/")


@pytest.mark.parametrize("app_id", [".", ".."])
def test_an_app_id_of_dots_alone_is_refused(app_id: str) -> None:
    with pytest.raises(ValueError, match="dots alone"):
        bridge_for(app_id=app_id)


async def test_a_wrong_app_id_is_named_by_its_setting(serve: Serve, client: httpx.AsyncClient) -> None:
    bridge = bridge_for(serve(CinnoxSandbox().app), app_id="nope")
    with pytest.raises(Refused, match="invalid app id; check app_id"):
        await drive(bridge.probe(), send=client.send, auth=bridge.auth)


# The sandbox is strict


GOOD = {"roomID": "room-42", "messages": [{"type": "text", "text": "hello"}]}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({**GOOD, "roomID": "room-99"}, 3000205),
        ({**GOOD, "roomID": 42}, 6451000),
        ({**GOOD, "roomID": ""}, 3000205),
        ({"messages": GOOD["messages"]}, 6451000),
        ({"roomID": "room-42"}, 6451000),
        ({**GOOD, "roomId": "room-42"}, 6451000),
        ({**GOOD, "senderEID": ""}, 6451000),
        ({**GOOD, "receiverEID": None}, 6451000),
        ({**GOOD, "messages": []}, 6451000),
        ({**GOOD, "messages": {}}, 6451000),
        ({**GOOD, "messages": ["hello"]}, 6451000),
        ({**GOOD, "messages": [{"type": "text", "text": "x"}] * 11}, 6451000),
        ({**GOOD, "messages": [{"type": "text", "text": "x" * 5001}]}, 6451000),
        ({**GOOD, "messages": [{"type": "text", "text": "😀" * 2501}]}, 6451000),
        ({**GOOD, "messages": [{"type": "text", "text": ""}]}, 6451000),
        ({**GOOD, "messages": [{"type": "image", "text": "x"}]}, 6451000),
        ({**GOOD, "messages": [{"text": "x"}]}, 6451000),
        ({**GOOD, "messages": [{"type": "text", "text": "x", "id": "1"}]}, 6451000),
        ([], 6451000),
    ],
)
async def test_the_sandbox_refuses_what_is_not_documented(body: object, code: int) -> None:
    sandbox = CinnoxSandbox()
    answer = await call(sandbox, "POST", "message-push", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert sandbox.accepted == []


async def call(sandbox: CinnoxSandbox, method: str, path: str, *, app: str = "app-1", **options: Any) -> httpx.Response:
    transport = httpx.ASGITransport(sandbox.app)
    headers = {"Authorization": f"Bearer {sandbox.token}", **options.pop("headers", {})}
    async with httpx.AsyncClient(transport=transport, base_url="http://cinnox.test") as client:
        return await client.request(method, f"/v1/api/apps/{app}/{path}", headers=headers, **options)


@pytest.mark.parametrize(
    ("method", "path", "options", "status", "code"),
    [
        ("POST", "message-push", {"content": b"{}", "headers": {"Content-Type": "text/plain"}}, 400, 6451000),
        ("POST", "message-push", {"content": b"{", "headers": {"Content-Type": "application/json"}}, 400, 6451000),
        ("POST", "message-push", {"json": GOOD, "headers": {"Authorization": "Bearer wrong"}}, 401, 401),
        ("POST", "message-push", {"json": GOOD, "headers": {"Authorization": "sandbox-cinnox-token"}}, 401, 401),
        ("POST", "message-push", {"json": GOOD, "app": "app-2"}, 400, 6451000),
        ("POST", "inbound-sms-event-sub", {"json": {"enabled": True, "url": "https://x.example"}}, 404, 6450001),
        ("PATCH", "inbound-sms-event-sub", {"json": {"enabled": "true", "url": "https://x.example"}}, 400, 6451000),
        ("PATCH", "inbound-sms-event-sub", {"json": {"enabled": False}}, 400, 6451000),
        ("PATCH", "inbound-sms-event-sub", {"json": {"enabled": False, "url": "x.example"}}, 400, 6451000),
        ("GET", "contacts/staffcontact-list?limit=501", {}, 400, 6451000),
        ("GET", "contacts/staffcontact-list?limit=-1", {}, 400, 6451000),
        ("GET", "rooms", {}, 404, 6450001),
    ],
)
async def test_the_sandbox_answers_a_wrong_call_with_its_code(
    method: str, path: str, options: dict[str, Any], status: int, code: int
) -> None:
    answer = await call(CinnoxSandbox(), method, path, **options)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_a_batch_with_one_wrong_message_is_refused_as_a_whole() -> None:
    sandbox = CinnoxSandbox()
    messages = [{"type": "text", "text": "good"}, {"type": "text", "text": "x" * 5001}]
    answer = await call(sandbox, "POST", "message-push", json={**GOOD, "messages": messages})
    assert answer.status_code == 400
    assert sandbox.accepted == []


async def test_open_rooms_take_any_room_and_show_it() -> None:
    sandbox = CinnoxSandbox(rooms=(), open_rooms=True)
    answer = await call(sandbox, "POST", "message-push", json={**GOOD, "roomID": "room-new"})
    assert answer.json() == {"code": 0, "result": {}}
    assert [message.room for message in sandbox.accepted] == ["room-new"]
    assert sandbox.rooms == ["room-new"]


async def test_the_sandbox_lists_its_sms(serve: Serve) -> None:
    sandbox = CinnoxSandbox()
    sandbox.subscribed_url = "http://127.0.0.1:9/"
    assert await sandbox.receive_sms("85255501234", "85255509999", "hello") == 0
    await sandbox.close()
    rows = (await call(sandbox, "GET", "data/sms-detail")).json()["result"]["list"]
    assert [(row["sender"], row["recipient"], row["text"]) for row in rows] == [
        ("+85255501234", "+85255509999", "hello")
    ]


@pytest.mark.parametrize(
    ("body", "good"),
    [
        ('{"code":0,"result":{"challenge":"X"}}', True),
        ('{"code":0,"result":{"challenge":"X"},"more":1}', True),
        ('{"code":"0","result":{"challenge":"X"}}', False),
        ('{"code":0.0,"result":{"challenge":"X"}}', False),
        ('{"code":false,"result":{"challenge":"X"}}', False),
        ('{"code":1,"result":{"challenge":"X"}}', False),
        ('{"result":{"challenge":"X"}}', False),
        ('{"code":0,"result":"{\\"challenge\\":\\"X\\"}"}', False),
        ('{"code":0,"result":{"challenge":"x"}}', False),
        ('{"challenge":"X"}', False),
        ("X", False),
        ("[]", False),
    ],
)
def test_the_default_verifier_reads_as_go_does(body: str, good: bool) -> None:
    answer = httpx.Response(200, content=body, headers={"Content-Type": "application/json"})
    assert reads(answer, challenge="X", reading="object") is good
