"""NetSapiens, receiving: both styles of events, odd types, twins and echoes; what it is not to relay; files."""

from __future__ import annotations

import copy
import json
import random
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from bridges.errors import Garbled, Refused
from bridges.files import Bytes
from bridges.model import Attachment, Received, Unsupported
from bridges.netsapiens import wire
from bridges.netsapiens.sandbox_store import Numbers, SmsNumber, Style
from bridges.testing import FIXTURE_TIME, play, read_hook
from tests.bridges.netsapiens.common import (
    OTHER_PHONE,
    OURS,
    PASSWORD,
    PHONE,
    PNG,
    Serve,
    World,
    answer,
    bridge_of,
    hook_of,
    out,
    received,
    sms_event,
)
from tests.pace import ordinary_seconds

FIXTURES = Path(__file__).parent / "fixtures"
STYLES = pytest.mark.parametrize("style", ["v2", "v1"])

# What people write, as the sandbox posts it


@STYLES
@pytest.mark.parametrize("numbers_as", ["strings", "integers", "scientific"])
async def test_an_sms_is_read_in_every_form(
    style: Style, numbers_as: Numbers, serve: Serve, client: httpx.AsyncClient
) -> None:
    world = World(serve, client, style=style, numbers_as=numbers_as)
    world.sandbox.subscribe(world.url)
    assert await world.sandbox.text(PHONE, OURS, "on my way") == 204
    (event,) = world.events()
    (session,) = world.sandbox.sessions
    assert (event.conversation.id, event.conversation.handle) == (f"sms/{PHONE}", session)
    assert (event.message.text, event.message.sender.id, event.ours, event.firm) == ("on my way", PHONE, False, True)


@STYLES
async def test_a_chat_is_read_in_both_styles(style: Style, serve: Serve, client: httpx.AsyncClient) -> None:
    world = World(serve, client, style=style)
    world.sandbox.subscribe(world.url)
    assert await world.sandbox.chat("4101", "4100", "hello") == 204
    (event,) = world.events()
    assert (event.conversation.id, event.conversation.kind) == ("chat/4101", "direct")
    assert (event.message.sender.id, event.ours) == ("4101", False)


@STYLES
async def test_a_group_of_phones_is_the_session_they_share(
    style: Style, serve: Serve, client: httpx.AsyncClient
) -> None:
    world = World(serve, client, style=style)
    world.sandbox.subscribe(world.url)
    await world.sandbox.text(PHONE, OURS, "one", others=(OTHER_PHONE,))
    await world.sandbox.text(OTHER_PHONE, OURS, "two", others=(PHONE,))
    (session,) = world.sandbox.sessions
    events = world.events()
    assert {event.conversation.id for event in events} == {f"session/{session}"}
    assert [event.message.sender.id for event in events] == [PHONE, OTHER_PHONE]
    assert {event.conversation.kind for event in events} == {"group"}


@STYLES
async def test_our_own_sends_come_back_as_echoes(style: Style, serve: Serve, client: httpx.AsyncClient) -> None:
    world = World(serve, client, style=style)
    world.sandbox.subscribe(world.url)
    await world.deliver(out(f"sms/{PHONE}"))
    await world.deliver(out("chat/4101", key="k2"))
    events = world.events()
    assert [(event.conversation.id, event.ours) for event in events] == [(f"sms/{PHONE}", True), ("chat/4101", True)]


@STYLES
async def test_the_two_reports_of_one_message_are_twins(style: Style, serve: Serve, client: httpx.AsyncClient) -> None:
    world = World(serve, client, style=style)
    for model in ("message", "messagesession"):
        world.sandbox.subscribe(world.url, model=model)
    await world.sandbox.text(PHONE, OURS, "on my way")
    await world.sandbox.chat("4101", "4100", "hello")
    for place in (f"sms/{PHONE}", "chat/4101"):
        message, session = (
            event for event in world.events() if isinstance(event, Received) and event.conversation.id == place
        )
        assert message.twin == session.twin != ""
        assert (message.firm, session.firm) == (True, False)
        assert message.key != session.key
        assert message.conversation.handle == session.conversation.handle


@STYLES
async def test_reading_a_session_is_no_message(style: Style, serve: Serve, client: httpx.AsyncClient) -> None:
    world = World(serve, client, style=style)
    world.sandbox.subscribe(world.url, model="messagesession")
    await world.sandbox.text(PHONE, OURS, "on my way")
    (session,) = world.sandbox.sessions
    await world.sandbox.read(session, user="4100")
    assert [event.type for event in world.events()] == ["received", "unsupported"]


async def test_our_own_send_is_no_message_of_its_session_either(serve: Serve, client: httpx.AsyncClient) -> None:
    world = World(serve, client)
    world.sandbox.subscribe(world.url, model="messagesession")
    await world.deliver(out(f"sms/{PHONE}"))
    await world.deliver(out("chat/4101", key="k2"))
    assert {event.type for event in world.events()} == {"unsupported"}


@STYLES
async def test_what_others_of_the_domain_chat_is_not_relayed(
    style: Style, serve: Serve, client: httpx.AsyncClient
) -> None:
    world = World(serve, client, style=style)
    for model in ("message", "messagesession"):
        world.sandbox.subscribe(world.url, model=model)
    await world.sandbox.chat("4101", "4102", "private words")
    events = world.events()
    assert events
    assert all(isinstance(event, Unsupported) for event in events)
    assert "private" not in str(events)


async def test_an_sms_to_a_number_of_another_extension_is_still_its_senders(
    serve: Serve, client: httpx.AsyncClient
) -> None:
    world = World(serve, client, numbers=[SmsNumber(OURS, "4102")])
    world.sandbox.subscribe(world.url)
    await world.sandbox.text(PHONE, OURS, "on my way")
    assert [event.conversation.id for event in world.events()] == [f"sms/{PHONE}"]


# Keys, twins, times


def test_the_same_message_has_the_same_key_in_either_style() -> None:
    bridge = bridge_of()
    v1 = {"id": "m-65aa00112233", "type": "sms", "direction": "orig", "text": "on my way", "from_num": PHONE}
    assert received(bridge, [sms_event()]).key == received(bridge, [v1]).key == "m-65aa00112233"


def test_two_messages_without_an_id_differ_by_their_time() -> None:
    bridge = bridge_of()
    first = received(bridge, [sms_event(id=None)])
    second = received(bridge, [sms_event(id=None, timestamp="2025-03-04 10:11:40")])
    assert first.key != second.key
    assert (first.twin, first.firm, second.firm) == (second.twin, False, False)


def arrived(body: object, *, after_s: float = 0, path: str = "message") -> str:
    """The key of a message that arrived so long after ``FIXTURE_TIME``."""
    at = FIXTURE_TIME + timedelta(seconds=after_s)
    (event,) = bridge_of().decode(replace(hook_of(body, path=path), received_at=at))
    assert isinstance(event, Received)
    return event.key


@pytest.mark.parametrize("timestamp", [None, "never", "0000-00-00 00:00:00", 0])
def test_the_same_words_without_id_and_time_are_told_apart_by_the_minute_of_their_arrival(timestamp: object) -> None:
    body = sms_event(id=None, timestamp=timestamp)
    assert arrived(body) == arrived(body, after_s=50)
    assert arrived(body) != arrived(body, after_s=61)


def test_the_same_session_without_a_time_is_told_apart_by_the_minute_too() -> None:
    session = {
        "user": "4100",
        "messagesession-id": "c1" * 16,
        "messagesession-remote": PHONE,
        "messagesession-sms-number": OURS,
        "messagesession-last-message": "ok",
        "messagesession-last-sender": PHONE,
        "messagesession-last-status": "unread",
    }
    assert arrived(session, path="messagesession") != arrived(session, path="messagesession", after_s=61)


def test_a_message_with_a_time_has_the_same_key_whenever_it_arrives() -> None:
    assert arrived(sms_event(id=None)) == arrived(sms_event(id=None), after_s=3600)


@pytest.mark.parametrize(
    ("given", "id"),
    [
        ("m-1", "m-1"),
        (" m-1 ", "m-1"),
        (12345, "12345"),
        (12000, "12000"),
        (12345.0, "12345"),
        ("1.5550100123e+10", "15550100123"),
        ("1.70000e+12", ""),
        ("1e12", ""),
        (1.7e12, ""),
        (1.7e18, ""),
        ("1.7000000000000001e+18", ""),
        ("65aae12f", "65aae12f"),
        (None, ""),
        (True, ""),
        ([], ""),
    ],
)
def test_an_id_that_lost_digits_on_its_way_is_none(given: object, id: str) -> None:
    assert wire.id_of(given) == id


def test_two_messages_whose_ids_were_rounded_to_one_are_two() -> None:
    items = [sms_event(id="1.70000e+12", text="one"), sms_event(id="1.70000e+12", text="two")]
    events = bridge_of().decode(hook_of(items))
    assert len({event.key for event in events}) == 2


@pytest.mark.parametrize("change", [{"text": "other words"}, {"from-number": OTHER_PHONE}])
def test_other_words_or_another_person_is_no_twin(change: dict[str, Any]) -> None:
    bridge = bridge_of()
    assert received(bridge, [sms_event()]).twin != received(bridge, [sms_event(**change)]).twin


def test_an_id_may_be_a_number() -> None:
    event = received(bridge_of(), [sms_event(id=12345)])
    assert (event.key, event.id) == ("12345", "12345")


def test_times_without_a_zone_are_of_the_configured_one() -> None:
    event = received(bridge_of(time_zone="America/New_York"), [sms_event()])
    assert event.at.isoformat() == "2025-03-04T15:11:12+00:00"


@pytest.mark.parametrize(
    "timestamp",
    ["", "never", "0000-00-00 00:00:00", "9999-99-99 99:99:99", 0, 1e300, [], {}, True, "0001-01-01 00:00:00+23:59"],
)
def test_an_odd_time_is_the_time_of_arrival(timestamp: object) -> None:
    assert received(bridge_of(), [sms_event(timestamp=timestamp)]).at == FIXTURE_TIME


# What is nobody's business


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"terminating-user-id": None},
        {"terminating-user-id": "4106@acme.example"},
        {"messagesession-participants": "4105"},
        {"messagesession-participants": "4105,4106"},
        {"terminating-user-id": "4100@other.example"},
        {"user": "4105"},
    ],
)
def test_a_chat_that_does_not_name_us_is_between_others(told: dict[str, Any]) -> None:
    body = {"id": "m1", "type": "chat", "direction": "", "text": "private words", "from-user-id": "4105@acme.example"}
    (event,) = bridge_of().decode(hook_of([{**body, "messagesession-id": "c1" * 16, **told}]))
    assert isinstance(event, Unsupported)
    assert event.name == "chat between others"


@pytest.mark.parametrize(
    ("told", "ours"),
    [
        ({}, False),
        ({"participants": "4105,4106"}, False),
        ({"user": "4106", "participants": "4100,4105"}, False),
        ({"participants": "4100,4105"}, True),
        ({"user": "4100"}, True),
    ],
)
def test_the_session_of_a_chat_is_ours_only_if_it_says_so(told: dict[str, Any], ours: bool) -> None:
    session = {"session_id": "c1" * 16, "remote": "4105", "last_mesg": "words", "last_sender": "4105"}
    body = {**session, "last_status": "unread", "last_mesg_type": "chat", **told}
    (event,) = bridge_of().decode(hook_of([body], path="messagesession"))
    assert isinstance(event, Received) == ours


def test_a_post_of_more_than_a_thousand_items_is_kept_for_a_replay() -> None:
    with pytest.raises(Garbled, match="1001 items"):
        bridge_of().decode(hook_of([{}] * 1001))
    assert len(bridge_of().decode(hook_of([{}] * 1000))) == 1000


@pytest.mark.parametrize(
    "item",
    [
        sms_event(),
        sms_event(dialed=",".join(str(15550000000 + i) for i in range(80))),
        sms_event(text="x" * 900),
        {"type": "chat", "messagesession-participants": ",".join(["4100"] * 150), "text": "x"},
    ],
    ids=["messages", "groups", "long texts", "chats"],
)
def test_the_largest_post_is_decoded_well_within_a_second(item: dict[str, Any]) -> None:
    hook = hook_of([item] * 1000)
    assert ordinary_seconds(lambda: bridge_of().decode(hook)) < 0.8


def test_one_item_with_a_million_numbers_in_it_is_decoded_well_within_a_second() -> None:
    hook = hook_of([sms_event(dialed="1," * 450_000)])
    assert ordinary_seconds(lambda: bridge_of().decode(hook)) < 0.8


# The number that was written to


@pytest.mark.parametrize(
    ("changes", "handle"),
    [
        ({}, "9a8b7c6d5e4f30212223242526272829"),
        ({"terminating-user-id": "4102@acme.example"}, "9a8b7c6d5e4f30212223242526272829"),
        ({"dialed": "15550100777"}, "9a8b7c6d5e4f30212223242526272829/15550100777/4100"),
        (
            {"dialed": "15550100777", "terminating-user-id": "4101@acme.example"},
            "9a8b7c6d5e4f30212223242526272829/15550100777/4101",
        ),
        (
            {"dialed": "15550100777", "terminating-user-id": None},
            "9a8b7c6d5e4f30212223242526272829/15550100777/",
        ),
        ({"dialed": "15550100777", "messagesession-id": None}, "/15550100777/4100"),
        (
            {"direction": "term", "from-number": "15550100777", "dialed": PHONE, "from-user-id": "4101@acme.example"},
            "9a8b7c6d5e4f30212223242526272829/15550100777/4101",
        ),
        (
            {"dialed": f"{OURS},{OTHER_PHONE}", "terminating-user-id": "4101@acme.example"},
            "9a8b7c6d5e4f30212223242526272829//4101",
        ),
    ],
)
def test_a_handle_tells_the_number_and_its_owner_where_they_are_not_the_accounts(
    changes: dict[str, Any], handle: str
) -> None:
    assert received(bridge_of(), [sms_event(**changes)]).conversation.handle == handle


# Numbers, names, texts


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("15550100123", PHONE),
        ("+1 (555) 010-0123", PHONE),
        (" 15550100123 ", PHONE),
        (15550100123, PHONE),
        (15550100123.0, PHONE),
        ("15550100123.0", PHONE),
        ("1.5550100123e+10", PHONE),
        ("1.5550100123E10", PHONE),
        ("1.55e+10", "15500000000"),
        ("12345", "12345"),
        ("1.5e0", ""),
        ("1e99", ""),
        ("Sample Shop", ""),
        ("", ""),
        (None, ""),
        (True, ""),
        (-5, ""),
        (0.5, ""),
        (float("inf"), ""),
        (10**40, ""),
        ("١٥٥٥", ""),
        ([15550100123], ""),
        ({}, ""),
    ],
)
def test_a_number_is_read_from_whatever_type_it_comes_in(value: object, number: str) -> None:
    assert wire.number_of(value) == number


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("words", "words"),
        (5, "5"),
        (2.5, "2.5"),
        (1.5550100123e10, PHONE),
        (True, "true"),
        ([1, "a"], '[1,"a"]'),
        ({"a": None}, '{"a":null}'),
        ("nul\x00 byte", "nul byte"),
        (None, ""),
    ],
)
def test_a_text_is_read_from_whatever_type_it_comes_in(value: object, text: str) -> None:
    assert wire.text_of(value) == text


def test_a_session_id_that_was_rounded_on_its_way_is_not_believed() -> None:
    assert received(bridge_of(), [sms_event(**{"messagesession-id": 9.876543210987654e19})]).conversation.handle == ""


def test_stray_spaces_and_capitals_in_names_of_fields_do_not_matter() -> None:
    body = {f" {name.upper().replace('-', '_')} ": value for name, value in sms_event().items()}
    assert received(bridge_of(), [body]) == received(bridge_of(), [sms_event()])


def test_a_field_with_a_value_goes_before_its_empty_twin() -> None:
    event = received(bridge_of(), [{"from_number": "", **sms_event()}])
    assert event.message.sender and event.message.sender.id == PHONE


@pytest.mark.parametrize("user", ["4101", "4101@acme.example", "4101@ACME.example", 4101, 4101.0])
def test_an_extension_is_the_same_with_and_without_its_domain(user: object) -> None:
    body = {"type": "chat", "direction": "", "text": "hi", "from-user-id": user, "terminating-user-id": "4100"}
    assert received(bridge_of(), body).conversation.id == "chat/4101"


def test_somebody_of_another_domain_is_reached_through_the_session() -> None:
    body = {
        "type": "chat",
        "text": "hi",
        "from-user-id": "4100@other.example",
        "terminating-user-id": "4100@acme.example",
        "messagesession-id": "c1" * 16,
    }
    event = received(bridge_of(), body)
    assert (event.conversation.id, event.ours) == (f"session/{'c1' * 16}", False)


def test_one_bad_item_spoils_none_of_the_others() -> None:
    bad = {"type": "sms", "from-number": {"x": [1]}, "text": {"deep": [[]]}, "timestamp": [], "dialed": 5, "id": []}
    events = bridge_of().decode(hook_of([sms_event(id="a"), 7, None, "x", [], bad, sms_event(id="b")]))
    assert [event.key for event in events if event.key in ("a", "b")] == ["a", "b"]
    assert len(events) == 3


@pytest.mark.parametrize("path", ["message", "messagesession", "", "call", "a/b/message/"])
def test_the_path_of_the_post_does_not_hide_a_message(path: str) -> None:
    assert received(bridge_of(), [sms_event()], path=path).message.text == "on my way"


def test_every_conversation_that_comes_in_can_be_written_to() -> None:
    bridge = bridge_of()
    seen = 0
    for file in sorted(FIXTURES.glob("*.http")):
        for event in bridge.decode(read_hook(file).hook):
            if isinstance(event, Received):
                bridge.check(event.conversation.id)
                seen += 1
    assert seen > 30


# Ten thousand bodies that were tampered with

BODIES = [json.loads(read_hook(file).hook.body) for file in sorted(FIXTURES.glob("*.http"))]
VALUES: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    10**30,
    1e308,
    1.5550100123e10,
    "",
    " ",
    "\x00",
    "\ud83d",
    "chat",
    "sms",
    "mms",
    "term",
    "orig",
    "unread",
    "9" * 300,
    "1e99",
    "1.5e+10",
    "a,b,,c",
    "4100@acme.example",
    "http://[",
    "x" * 3000,
    [],
    {},
    [[[]]],
    [None, 5],
    {"id": {}},
]


def mutated(chance: random.Random) -> object:
    body = copy.deepcopy(chance.choice(BODIES))
    items = body if isinstance(body, list) else [body]
    for item in items:
        if not isinstance(item, dict) or not item:
            continue
        for _ in range(chance.randint(1, 4)):
            names = list(item)
            match chance.randrange(4):
                case 0:
                    item[chance.choice(names)] = chance.choice(VALUES)
                case 1:
                    item[chance.choice(names)] = item[chance.choice(names)]
                case 2:
                    item.pop(chance.choice(names))
                case 3:
                    other = chance.choice(BODIES)
                    source = other[0] if isinstance(other, list) and other else other
                    item |= source if isinstance(source, dict) and chance.random() < 0.3 else {}
            if not item:
                break
    return chance.choice((body, body, body, [body], {"data": body}, items[:1]))


def test_ten_thousand_mutated_bodies_are_events_or_unsupported_or_garbled() -> None:
    chance, bridge = random.Random(20260102), bridge_of()
    kinds: dict[str, int] = {}
    for number in range(10_000):
        data = json.dumps(mutated(chance)).encode()
        if number % 10 == 0:  # some are not even JSON any more
            at = chance.randrange(len(data))
            data = data[:at] + bytes([chance.randrange(256)]) + data[at + chance.randrange(3) :]
        hook = hook_of(None, path=chance.choice(("message", "messagesession", "", "call")))
        try:
            events = bridge.decode(type(hook)(body=data, path=hook.path, received_at=FIXTURE_TIME))
        except Garbled:
            kinds["garbled"] = kinds.get("garbled", 0) + 1
            continue
        assert events
        for event in events:
            kinds[event.type] = kinds.get(event.type, 0) + 1
            if isinstance(event, Received):
                bridge.check(event.conversation.id)
    assert set(kinds) == {"garbled", "received", "unsupported"}
    assert all(count > 100 for count in kinds.values())


# Files


@STYLES
@pytest.mark.parametrize("kind", ["sms", "chat"])
async def test_a_file_is_fetched_whether_the_event_holds_its_link_or_not(
    style: Style, kind: str, serve: Serve, client: httpx.AsyncClient
) -> None:
    world = World(serve, client, style=style)
    world.sandbox.subscribe(world.url)
    if kind == "sms":
        await world.sandbox.text(PHONE, OURS, "media", media=PNG)
    else:
        await world.sandbox.chat("4101", "4100", "media", media=PNG)
    (event,) = world.events()
    (attachment,) = event.message.attachments
    assert (attachment.kind, attachment.media_type, attachment.size) == ("image", "image/png", len(PNG))
    assert await world.run(world.bridge.fetch(attachment)) == Bytes(PNG)


async def test_a_file_told_by_its_session_only_is_fetched_too(serve: Serve, client: httpx.AsyncClient) -> None:
    world = World(serve, client, style="v1")
    world.sandbox.subscribe(world.url, model="messagesession")
    await world.sandbox.text(PHONE, OURS, "media", media=PNG)
    (event,) = world.events()
    assert await world.run(world.bridge.fetch(event.message.attachments[0])) == Bytes(PNG)


@pytest.mark.parametrize("login", [False, True])
async def test_our_credentials_do_not_go_with_a_link(login: bool, serve: Serve, client: httpx.AsyncClient) -> None:
    world = World(serve, client, login=login)
    world.sandbox.subscribe(world.url)
    await world.sandbox.text(PHONE, OURS, "media", media=PNG)
    (event,) = world.events()
    await world.run(world.bridge.fetch(event.message.attachments[0]))
    (link,) = (call for call in world.sandbox.calls if call.path == "/ns-api/")
    assert (link.status, link.detail) == (200, "")


def test_a_link_that_ended_renews_no_token() -> None:
    bridge = bridge_of(**PASSWORD)
    tokens = answer(200, {"access_token": "a" * 20, "refresh_token": "b" * 20, "expires_in": 3600})
    link = Attachment(kind="image", ref="https://pbx.example/ns-api/?id=1")
    played = play(bridge.fetch(link), tokens, answer(401), auth=bridge.auth)
    assert isinstance(played.error, Refused)
    assert [request.url.path for request in played.requests] == ["/ns-api/v2/tokens", "/ns-api/"]
    assert "authorization" not in played.requests[1].headers


@pytest.mark.parametrize(
    "link",
    [
        "http://pbx.example/x",
        "https://pbx.example.evil.example/x",
        "https://evil.example/pbx.example",
        "https://pbx.example@evil.example/x",
        "https://169.254.169.254/latest",
        "file:///etc/passwd",
        "ftp://pbx.example/x",
        "//pbx.example/x",
        "https://[",
        "https://pbx.example:port/x",
        "https://pbx.example:22/x",
        "https://pbx.example:8443/x",
        "https://pbx.example:80/x",
        "words",
        "",
        "message:",
        "message:/m1",
        "message:%2F..%2F/m1",
    ],
)
def test_a_link_that_leads_elsewhere_is_not_followed(link: str) -> None:
    played = play(bridge_of().fetch(Attachment(kind="image", ref=link)), auth=None)
    assert isinstance(played.error, Refused)
    assert played.requests == ()


def test_a_host_on_the_list_is_fetched_from() -> None:
    bridge = bridge_of(media_hosts=["Core1.pbx.example"])
    link = Attachment(kind="image", ref="https://core1.PBX.example/x")
    assert play(bridge.fetch(link), httpx.Response(200, content=b"bytes")).result == Bytes(b"bytes")


@pytest.mark.parametrize(
    ("base_url", "media_hosts", "link", "fetched"),
    [
        ("https://pbx.example", [], "https://pbx.example:443/x", True),
        ("https://pbx.example:8443", [], "https://pbx.example:8443/x", True),
        ("https://pbx.example:8443", [], "https://pbx.example/x", False),
        ("https://pbx.example:8443", ["pbx.example"], "https://pbx.example/x", True),
        ("https://pbx.example", ["core1.pbx.example"], "https://core1.pbx.example:8443/x", False),
        ("https://pbx.example", ["core1.pbx.example:8443"], "https://core1.pbx.example:8443/x", True),
        ("https://pbx.example", ["core1.pbx.example:8443"], "https://core1.pbx.example/x", False),
        ("http://127.0.0.1:9000", [], "http://127.0.0.1:9000/x", True),
        ("http://127.0.0.1:9000", [], "http://127.0.0.1:9001/x", False),
        ("http://127.0.0.1:9000", [], "http://127.0.0.1/x", False),
    ],
)
def test_a_file_is_fetched_from_host_and_port_of_the_server_and_of_the_list(
    base_url: str, media_hosts: list[str], link: str, fetched: bool
) -> None:
    bridge = bridge_of(base_url=base_url, media_hosts=media_hosts)
    flow = bridge.fetch(Attachment(kind="image", ref=link))
    played = play(flow, *([httpx.Response(200, content=b"bytes")] if fetched else []))
    assert (played.result == Bytes(b"bytes"), isinstance(played.error, Refused)) == (fetched, not fetched)
