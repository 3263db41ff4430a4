"""CINNOX: receipts, notices, the subscriptions to them, look-ups, and a pace that is learnt."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

import httpx
import pytest
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from bridges.api import Hook, Outgoing
from bridges.cinnox import wire
from bridges.cinnox.bridge import CinnoxBridge, CinnoxSettings
from bridges.cinnox.happenings import SUBSCRIPTIONS, Staff
from bridges.cinnox.sandbox import CinnoxSandbox
from bridges.driver import drive
from bridges.errors import Garbled, Refused, Unavailable
from bridges.model import ConversationId, Event, Message, Received, StatusChanged
from bridges.testing import FIXTURE_TIME, mutant, play, read_hook

SECRET = "hook-secret-0123456789"
FIXTURES = Path(__file__).parent / "fixtures"
EVENTS: tuple[wire.EventName, ...] = get_args(wire.EventName)
Serve = Callable[[ASGIApp], str]


def bridge_for(base_url: str = "https://cinnox.example", **changes: Any) -> CinnoxBridge:
    settings = CinnoxSandbox().settings(base_url, hook_secret=SECRET)
    return CinnoxBridge(CinnoxSettings.model_validate({**settings, **changes}))


def decoded(body: object, *, later_s: float = 0) -> Event:
    hook = Hook(body=json.dumps(body).encode(), received_at=FIXTURE_TIME + timedelta(seconds=later_s))
    (event,) = bridge_for().decode(hook)
    return event


def told(body: object) -> str:
    event = decoded(body)
    assert isinstance(event, Received)
    assert event.conversation.id == "notices"
    assert event.message.sender is not None and event.message.sender.kind == "system"
    return event.message.text


class Side:
    """A sandbox, a bridge that is subscribed to everything, and what came."""

    def __init__(self, serve: Serve, client: httpx.AsyncClient, **options: Any) -> None:
        self.now = FIXTURE_TIME
        self.sandbox = CinnoxSandbox(client=client, clock=lambda: self.now, **options)
        self.base_url = serve(self.sandbox.app)
        self.bridge = bridge_for(self.base_url, events=list(EVENTS))
        self.events: list[Event] = []
        self.handshakes = 0
        self.url = f"{serve(Starlette(routes=[Route('/{rest:path}', self._take, methods=['POST'])]))}/{SECRET}"
        self._client = client

    async def _take(self, request: Request) -> Response:
        hook = Hook(body=await request.body(), received_at=self.now)
        answer = self.bridge.answer(hook)
        if answer.handshake:
            self.handshakes += 1
        else:
            self.events += self.bridge.decode(hook)
        return Response(answer.body, answer.status, media_type=answer.media_type)

    async def run(self, flow: Any) -> Any:
        return await drive(flow, send=self._client.send, auth=self.bridge.auth)

    async def subscribe(self) -> Any:
        return await self.run(self.bridge.subscribe(self.url, now=FIXTURE_TIME))


@pytest.fixture
async def side(serve: Serve, client: httpx.AsyncClient) -> Side:
    return Side(serve, client)


# Subscriptions


async def test_every_event_is_subscribed_to_at_its_own_path_and_ended_there(side: Side) -> None:
    done = await side.subscribe()
    assert side.handshakes == len(EVENTS)
    assert [call.path.rsplit("/", 1)[1] for call in side.sandbox.calls] == list(SUBSCRIPTIONS.values())
    assert side.sandbox.subscriptions == dict.fromkeys(EVENTS, side.url)
    assert done.event.startswith("inbound SMS, outbound SMS, call, ")
    await side.run(side.bridge.unsubscribe(side.url))
    assert side.sandbox.subscriptions == {}


def test_the_paths_of_the_sandbox_are_those_of_the_documents() -> None:
    assert dict(wire.SUBSCRIPTIONS) == SUBSCRIPTIONS


def test_inbound_sms_alone_is_subscribed_to_unless_more_is_asked_for() -> None:
    done = httpx.Response(200, json={"code": 0, "result": {"enabled": True, "url": "https://b.example/x"}})
    played = play(bridge_for().subscribe("https://b.example/x", now=FIXTURE_TIME), done)
    assert [request.url.path.rsplit("/", 1)[1] for request in played.requests] == ["inbound-sms-event-sub"]


async def test_a_path_that_cinnox_does_not_know_ends_the_attempts_at_once(side: Side) -> None:
    bridge = bridge_for(side.base_url, events=["external-contact"], external_contact_path="contact-sub")
    with pytest.raises(Garbled, match="knows no contact-sub, take external-contact out"):
        await side.run(bridge.subscribe(side.url, now=FIXTURE_TIME))
    assert len(side.sandbox.calls) == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"events": []}, "at least 1"),
        ({"events": ["earthquake"]}, "inbound-sms"),
        ({"external_contact_path": "../admin"}, "last part of a path"),
        ({"requests_per_minute": -1}, "greater than or equal to 0"),
    ],
)
def test_a_wrong_setting_is_refused_in_words(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        bridge_for(**changes)


# What comes of it


@pytest.mark.parametrize(
    ("event", "status", "text"),
    [
        ("enquiry", "Opened", "Enquiry C-1001 opened (WhatsApp)"),
        ("enquiry", "Handling", "Enquiry C-1001 is being handled (WhatsApp)"),
        ("enquiry", "Closed", "Enquiry C-1001 closed (WhatsApp)"),
        ("enquiry", "Missed", "Enquiry C-1001 missed (WhatsApp)"),
        ("call", "CallStart", "Call from 85255501234 started"),
        ("call", "CallEnd", "Call from 85255501234 ended"),
        ("staff-contact", "staffCreate", "Staff contact created: Sandbox Agent"),
        ("staff-contact", "staffEdit", "Staff contact edited: Sandbox Agent"),
        ("external-contact", "delete", "External contact deleted: Sample Visitor"),
        ("label", "create", "Label created"),
        ("enquiry-label", "edit", "Enquiry label edited"),
    ],
)
async def test_an_event_becomes_a_notice(event: str, status: str, text: str, side: Side) -> None:
    await side.subscribe()
    assert await side.sandbox.happen(event, status) == 200
    (notice,) = side.events
    assert isinstance(notice, Received)
    assert (notice.conversation.id, notice.message.text, notice.at) == ("notices", text, FIXTURE_TIME)
    assert notice.id is None
    side.bridge.check(notice.conversation.id)


async def test_a_receipt_becomes_a_status(side: Side) -> None:
    await side.subscribe()
    for status in ("Submitted", "Delivered", "Undelivered", "Rejected"):
        await side.sandbox.happen("outbound-sms", status, TransactionID="tx-1")
    submitted, *changes = side.events
    assert submitted.type == "unsupported"
    assert [(change.id, change.state, change.detail) for change in changes if isinstance(change, StatusChanged)] == [
        ("tx-1", "delivered", ""),
        ("tx-1", "failed", "Undelivered"),
        ("tx-1", "failed", "Rejected, code 400"),
    ]
    assert len({change.key for change in changes}) == 3


def test_a_receipt_names_no_number() -> None:
    event = decoded({"Type": "tdr", "TransactionID": "t", "Status": "Rejected", "RecipientNumber": "85255501234"})
    assert "85255501234" not in repr(event)


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        ({"type": "inquiry", "status": "Opened"}, "Enquiry opened"),
        ({"type": "inquiry", "status": "opened", "channel": "SMOKE"}, "Enquiry opened (SMOKE)"),
        ({"status": "CallStart", "caller": {"eid": "eid-3"}}, "Call from eid-3 started"),
        ({"status": "CallStart", "caller": "nobody"}, "Call started"),
        ({"type": "contact", "status": "create", "id": 17}, "External contact created: 17"),
        ({"type": "contact", "status": "edit", "fullName": "A\tB\u202e\x00"}, "External contact edited: A B"),
        ({"type": "label", "status": ""}, "Label changed"),
        ({"type": "label", "status": "labelMerge"}, "Label labelmerge"),
    ],
)
def test_a_notice_holds_what_the_event_holds_and_nothing_more(payload: dict[str, object], text: str) -> None:
    assert told({"type": "message", "message": payload}) == text


@pytest.mark.parametrize(
    "payload",
    [
        {"type": "inquiry", "status": "Dancing"},
        {"type": "inquiry", "status": None},
        {"type": "contact", "status": "Opened"},
        {"type": "gossip", "status": "create"},
        {"type": "contact", "status": "CallStart"},
        {"type": "tdr", "Status": "Pending", "TransactionID": "t"},
    ],
)
def test_what_does_not_say_clearly_what_it_is_is_unsupported(payload: dict[str, object]) -> None:
    assert decoded({"type": "message", "message": payload}).type == "unsupported"


def test_an_event_told_again_is_the_same_and_another_edit_is_another() -> None:
    enquiry = {"type": "inquiry", "status": "Opened", "displayCaseNumber": "C-1", "date": "2025-03-04T10:11:12Z"}
    edit = {"type": "contact", "status": "staffEdit", "id": "eid-1"}

    def keys(payload: dict[str, str]) -> set[str]:
        return {
            decoded({"challenge": str(n), "message": payload}, later_s=later).key for n, later in enumerate((0, 2, 120))
        }

    assert len(keys(enquiry)) == 1
    assert len(keys(edit)) == 2


def test_nothing_can_be_sent_to_the_notices() -> None:
    bridge = bridge_for()
    bridge.check(ConversationId("notices"))
    out = Outgoing(key="k1", conversation=ConversationId("notices"), message=Message(text="hello"))
    played = play(bridge.deliver(out))
    assert isinstance(played.error, Refused)
    assert played.requests == ()


# The pace


def out(number: int) -> Outgoing:
    return Outgoing(key=f"k{number}", conversation=ConversationId("room-42"), message=Message(text=f"line {number}"))


async def test_after_the_first_complaint_the_account_keeps_to_the_documented_pace(
    serve: Serve, client: httpx.AsyncClient
) -> None:
    side = Side(serve, client, requests_per_minute=3)
    assert side.bridge.capabilities.requests_per_minute is None
    for number in range(3):
        await side.run(side.bridge.deliver(out(number)))
    assert side.bridge.capabilities.requests_per_minute is None
    with pytest.raises(Unavailable, match="too many requests"):
        await side.run(side.bridge.deliver(out(3)))
    assert side.bridge.capabilities.requests_per_minute == 500
    side.now += timedelta(minutes=1)
    await side.run(side.bridge.deliver(out(3)))
    assert [message.text for message in side.sandbox.accepted] == [f"line {number}" for number in range(4)]


@pytest.mark.parametrize("status", [200, 400, 429, 503])
def test_the_complaint_is_understood_with_every_http_status(status: int) -> None:
    bridge = bridge_for()
    answer = httpx.Response(status, json={"code": 6451010, "message": "too many requests"})
    played = play(bridge.deliver(out(1)), answer)
    assert isinstance(played.error, Unavailable) and not played.error.maybe_sent
    assert bridge.capabilities.requests_per_minute == 500


@pytest.mark.parametrize("code", [6451001, 6451000, 17])
def test_another_error_is_no_complaint_about_the_pace(code: int) -> None:
    bridge = bridge_for()
    assert play(bridge.deliver(out(1)), httpx.Response(200, json={"code": code})).error is not None
    assert bridge.capabilities.requests_per_minute is None


def test_the_pace_is_kept_after_a_restart() -> None:
    first, second = bridge_for(), bridge_for()
    before = first.learnt()
    play(first.deliver(out(1)), httpx.Response(200, json={"code": 6451010}))
    assert first.learnt() is not before
    second.recall(first.learnt())
    assert second.capabilities.requests_per_minute == 500
    assert second.learnt() == {"challenge_mode": "object", "requests_per_minute": "500"}


@pytest.mark.parametrize(
    ("configured", "before", "after"), [(0, None, 500), (60, 60, 60), (500, 500, 500), (900, 900, 500)]
)
def test_a_configured_pace_holds_from_the_start_and_is_lowered_at_most(
    configured: int, before: int | None, after: int
) -> None:
    bridge = bridge_for(requests_per_minute=configured)
    assert bridge.capabilities.requests_per_minute == before
    play(bridge.deliver(out(1)), httpx.Response(200, json={"code": 6451010}))
    assert bridge.capabilities.requests_per_minute == after


# Look-ups


async def test_conversations_are_the_rooms_of_ongoing_enquiries(side: Side) -> None:
    listed = await side.run(side.bridge.conversations())
    assert [(each.conversation.id, each.conversation.title, each.detail) for each in listed] == [
        ("room-42", "Visitor 1", "enquiry C-1001, CINNOX"),
        ("room-43", "Visitor 2", "enquiry C-1002, CINNOX"),
    ]
    for each in listed:
        side.bridge.check(each.conversation.id)


def test_a_room_that_can_be_no_address_is_left_out() -> None:
    rows = [{"status": "ongoing", "roomID": room} for room in ("two words", "", None, "x" * 300, 17, "room-1")]
    answer = httpx.Response(200, json={"code": 0, "result": rows})
    assert [each.conversation.id for each in play(bridge_for().conversations(), answer).result] == ["room-1"]


async def test_every_operation_works_with_its_example(side: Side) -> None:
    for operation in side.bridge.operations():
        assert await side.run(operation.run(operation.example.split()))


async def test_staff_are_found_by_name_on_every_page(serve: Serve, client: httpx.AsyncClient) -> None:
    staff = [Staff(f"eid-{number}", f"Agent {number}") for number in range(150)]
    side = Side(serve, client, staff=[*staff, Staff("eid-x", "Ann Sample")])
    lookup = next(each for each in side.bridge.operations() if each.name == "staff")
    lines = (await side.run(lookup.run(()))).splitlines()
    assert (lines[0], lines[-1]) == ("eid-0  Activated  Agent 0  agent  -", "… and 51 more")
    assert len(side.sandbox.calls) == 2
    assert (await side.run(lookup.run(("ann", "sample")))).startswith("eid-x")


async def test_an_eid_cannot_leave_its_place_in_the_path(side: Side) -> None:
    lookup = next(each for each in side.bridge.operations() if each.name == "sender-ids")
    request = next(lookup.run(("../../x?y",)))
    assert request.url.raw_path.endswith(b"/staff/..%2F..%2Fx%3Fy/cli/sender_id")


@pytest.mark.parametrize("eid", ["", ".", ".."])
async def test_an_eid_of_dots_alone_is_refused_before_anything_leaves(eid: str, side: Side) -> None:
    lookup = next(each for each in side.bridge.operations() if each.name == "sender-ids")
    with pytest.raises(Refused, match="is no EID; example"):
        await side.run(lookup.run((eid,)))
    assert not side.sandbox.calls


async def test_a_look_up_takes_a_few_requests_and_says_where_it_ended(serve: Serve, client: httpx.AsyncClient) -> None:
    side = Side(serve, client, staff=[Staff(f"eid-{number}", f"Agent {number}") for number in range(450)])
    lookup = next(each for each in side.bridge.operations() if each.name == "staff")
    lines = (await side.run(lookup.run(()))).splitlines()
    assert lines[-1] == "… only the first 300 that CINNOX lists were looked at, there may be more"
    assert len(side.sandbox.calls) == 3


@pytest.mark.parametrize("result", [[{"id": "eid-1"}], {"list": [{"id": "eid-1"}]}, {"staffs": [{"id": "eid-1"}, 17]}])
def test_rows_are_found_whatever_holds_them(result: object) -> None:
    assert wire.rows_of(result) == ({"id": "eid-1"},)


@pytest.mark.parametrize("result", [None, {}, {"total": 3}, "text", 17])
def test_an_answer_without_rows_is_not_taken_for_an_empty_one(result: object) -> None:
    assert wire.rows_of(result) is None


# The sandbox


async def test_what_nobody_subscribed_to_is_not_posted(side: Side) -> None:
    with pytest.raises(LookupError, match="nobody has subscribed to call"):
        await side.sandbox.happen("call", "CallStart")


@pytest.mark.parametrize(("event", "status"), [("call", "Opened"), ("earthquake", "Opened"), ("inbound-sms", "Opened")])
async def test_what_is_not_documented_does_not_happen(event: str, status: str) -> None:
    with pytest.raises(ValueError, match="does not happen"):
        await CinnoxSandbox().happen(event, status)


async def test_a_listener_that_is_away_is_noted(side: Side) -> None:
    side.sandbox.subscriptions["call"] = "http://127.0.0.1:9/hooks/support/x"
    assert await side.sandbox.happen("call", "CallEnd") == 0
    assert side.sandbox.happened[0].answer == 0


async def test_the_sandbox_goes_on_from_a_snapshot(side: Side) -> None:
    await side.subscribe()
    await side.sandbox.happen("enquiry", "Opened")
    other = CinnoxSandbox()
    other.restore(json.loads(json.dumps(side.sandbox.snapshot())))
    assert other.snapshot() == side.sandbox.snapshot()
    assert other.subscribed_url == side.url


# Nonsense


def test_ten_thousand_mutated_bodies_are_events_or_garbled() -> None:
    chance = random.Random(20261121)
    bridge = bridge_for()
    bodies = [json.loads(read_hook(path).hook.body) for path in sorted(FIXTURES.glob("*.http"))]
    names = ["type", "Type", "status", "Status", "message", "result", "data", "challenge", "id", "caller", "content"]
    odd = [
        None,
        True,
        -1,
        0,
        1e300,
        10**40,
        "",
        "tdr",
        "CallStart",
        "contact",
        "\ud83d",
        "a\x00b",
        [],
        {},
        [[]],
        "9" * 300,
    ]

    ended: dict[str, int] = {}
    for _ in range(10_000):
        raw = mutant(chance, bodies, names=names, odd=odd)
        hook = Hook(body=raw, received_at=FIXTURE_TIME)
        try:
            events = bridge.decode(hook)
            bridge.answer(hook)
        except Garbled:
            ended["garbled"] = ended.get("garbled", 0) + 1
            continue
        assert events
        for event in events:
            ended[event.type] = ended.get(event.type, 0) + 1
            if isinstance(event, Received):
                bridge.check(event.conversation.id)
    assert set(ended) == {"received", "status_changed", "unsupported", "garbled"}
