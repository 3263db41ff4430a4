"""OpenIM's webhooks: what the sandbox emits, echoes in every order, broken bodies, what a person has to enter."""

from __future__ import annotations

import copy
import json
import random
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bridges.api import Hook
from bridges.errors import Garbled
from bridges.files import Bytes
from bridges.model import (
    Contact,
    ConversationId,
    Deleted,
    Event,
    Location,
    MembersChanged,
    Received,
    Unsupported,
    events_from_json,
    events_to_json,
)
from bridges.openim import wire
from bridges.openim.sandbox import OpenIMSandbox
from bridges.testing import FIXTURE_TIME, read_hook
from tests.bridges.openim.common import ANN, CLUB, GROUP, SECRET, Running, Serve, bridge_for, hook_of, out

LINES: tuple[wire.Line, ...] = ("stable", "main")
FIXTURES = Path(__file__).parent / "fixtures"
TEXT = json.loads(read_hook(FIXTURES / "group_text.http").hook.body)
SINGLE = json.loads(read_hook(FIXTURES / "single_text.http").hook.body)


def decoded(body: object, *, path: str = "", **settings: Any) -> Event:
    (event,) = bridge_for(**settings).decode(hook_of(body, path=path))
    return event


def element(kind: int, content: object) -> dict[str, Any]:
    return {**TEXT, "contentType": kind, "content": json.dumps(content)}


# People write


@pytest.mark.parametrize("line", LINES)
async def test_what_a_member_writes_arrives(line: wire.Line, serve: Serve, client: httpx.AsyncClient) -> None:
    world = Running(serve, client, OpenIMSandbox(line=line))
    id = await world.sandbox.say("alice", GROUP, 'grüße 👋 "and" \\ more')
    first = world.events[0]
    assert isinstance(first, Received)
    assert (first.id, first.conversation.id, first.ours) == (id, GROUP, False)
    assert first.message.text == 'grüße 👋 "and" \\ more'
    assert first.message.sender is not None and first.message.sender.name == "Alice"
    assert {event.key for event in world.events} == {first.key}


async def test_what_a_user_writes_to_us_arrives_and_what_users_write_to_each_other_does_not(
    serve: Serve, client: httpx.AsyncClient
) -> None:
    world = Running(serve, client, OpenIMSandbox())
    await world.sandbox.say("alice", "user/imAdmin", "for you")
    await world.sandbox.say("alice", "user/bob", "for bob")
    assert [event.conversation.id for event in world.events if isinstance(event, Received)] == ["user/alice"]


async def test_an_answer_to_a_puppet_arrives_from_who_wrote_it(serve: Serve, client: httpx.AsyncClient) -> None:
    world = Running(serve, client, OpenIMSandbox(), send_as="puppet")
    await world.deliver(to="user/alice", sender=ANN)
    await world.sandbox.say("alice", "user/tg_420017", "thanks")
    assert [(event.conversation.id, event.ours) for event in world.events if isinstance(event, Received)] == [
        ("user/alice", True),
        ("user/alice", False),
    ]


@pytest.mark.parametrize("user", ["tg_realperson", "tg_club_17", "tg_", "tg_4200x17", "xtg_420017"])
def test_what_is_written_in_private_to_a_user_who_is_only_called_like_a_puppet_is_not_ours(user: str) -> None:
    event = decoded({**SINGLE, "recvID": user}, send_as="puppet")
    assert isinstance(event, Unsupported) and event.name == "message between two users"
    told = {"callbackCommand": wire.AFTER_REVOKE, "conversationID": f"si_alice_{user}", "seq": 7, "userID": "alice"}
    assert isinstance(decoded(told, send_as="puppet"), Unsupported)


@pytest.mark.parametrize("sender", ["tg_420017", "tg_realperson"])
def test_what_a_client_of_a_puppets_id_writes_to_another_user_is_not_ours(sender: str) -> None:
    assert isinstance(decoded({**SINGLE, "sendID": sender, "recvID": "bob"}, send_as="puppet"), Unsupported)


async def test_the_echo_of_any_puppets_private_message_is_of_the_conversation_with_its_receiver(
    serve: Serve, client: httpx.AsyncClient
) -> None:
    world = Running(serve, client, OpenIMSandbox(), send_as="puppet")
    await world.deliver(to="user/alice", sender=ANN.model_copy(update={"account": CLUB}))
    (echo,) = world.events
    assert isinstance(echo, Received)
    assert (echo.conversation.id, echo.ours) == ("user/alice", True)


@pytest.mark.parametrize("send_as", ["imAdmin", "alice", "puppet"])
async def test_what_a_person_writes_who_is_logged_in_with_the_account_arrives_in_the_conversation_with_the_other(
    send_as: str, serve: Serve, client: httpx.AsyncClient
) -> None:
    world = Running(serve, client, OpenIMSandbox(), send_as=send_as)
    await world.sandbox.say("alice" if send_as == "alice" else "imAdmin", "user/bob", "by hand")
    (event,) = world.events
    assert isinstance(event, Received)
    assert (event.conversation.id, event.conversation.title, event.ours) == ("user/bob", "", False)


async def test_a_picture_that_a_member_sends_can_be_fetched(serve: Serve, client: httpx.AsyncClient) -> None:
    world = Running(serve, client, OpenIMSandbox())
    await world.sandbox.say_picture("alice", GROUP, b"a picture", base_url=world.url)
    (event,) = world.events
    assert isinstance(event, Received)
    (seen,) = event.message.attachments
    assert (seen.kind, seen.media_type, seen.width) == ("image", "image/png", 8)
    assert await world.run(world.bridge.fetch(seen)) == Bytes(b"a picture")


@pytest.mark.parametrize("line", LINES)
async def test_a_message_that_is_taken_back_is_told_by_its_number(
    line: wire.Line, serve: Serve, client: httpx.AsyncClient
) -> None:
    world = Running(serve, client, OpenIMSandbox(line=line))
    for place, conversation in ((GROUP, GROUP), ("user/imAdmin", "user/alice")):
        id = await world.sandbox.say("alice", place, "oops")
        assert await world.sandbox.take_back("alice", id) == 200
        event = world.events[-1]
        assert isinstance(event, Deleted)
        assert event.conversation.id == conversation
        assert event.id.endswith(":1")


async def test_the_id_of_a_revocation_can_be_given_back_to_delete(serve: Serve, client: httpx.AsyncClient) -> None:
    world = Running(serve, client, OpenIMSandbox())
    await world.sandbox.take_back("alice", await world.sandbox.say("alice", GROUP, "oops"))
    event = world.events[-1]
    assert isinstance(event, Deleted)
    await world.run(world.bridge.delete(event.conversation.id, event.id))


@pytest.mark.parametrize("line", LINES)
async def test_the_servers_own_notices_are_no_messages(
    line: wire.Line, serve: Serve, client: httpx.AsyncClient
) -> None:
    world = Running(serve, client, OpenIMSandbox(line=line), send_as="puppet")
    await world.deliver(sender=ANN)
    notices = [hook for hook in world.hooks if json.loads(hook.body)["contentType"] >= 1000]
    assert len(notices) == (1 if line == "stable" else 0)
    assert len({event.key for event in world.events}) == 1


# Our own


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("changes", [{}, {"send_as": "alice"}, {"send_as": "puppet"}])
async def test_the_echo_of_a_send_comes_before_its_answer_and_is_known(
    line: wire.Line, changes: dict[str, Any], serve: Serve, client: httpx.AsyncClient
) -> None:
    world = Running(serve, client, OpenIMSandbox(line=line), **changes)
    before: list[int] = []

    async def send(request: httpx.Request) -> httpx.Response:
        answer = await client.send(request)
        before.append(len(world.hooks))
        return answer

    world.client = type("Client", (), {"send": staticmethod(send)})()
    receipt = await world.deliver(sender=ANN)
    assert before[-1] >= 1
    echoes = [event for event in world.events if isinstance(event, Received)]
    assert {(event.ours, event.id) for event in echoes} == {(True, receipt.ids[0])}


async def test_a_listener_that_never_answers_stops_nobody(serve: Serve, client: httpx.AsyncClient) -> None:
    sandbox = OpenIMSandbox()
    world = Running(serve, client, sandbox)
    sandbox.hook_url = "http://127.0.0.1:9/hooks/im/x"
    assert (await world.deliver()).ids
    assert sandbox.hooks_sent[-1] == (wire.AFTER_GROUP, 0)


@pytest.mark.parametrize(
    ("changes", "settings", "ours"),
    [
        ({"ex": '{"patchbay":"0123456789abcdef"}'}, {}, True),
        ({"ex": '{"patchbay":"0123456789abcdef"}', "msgFrom": 100}, {}, True),
        ({"ex": '{"note":"patchbay"}'}, {}, False),
        ({"operationID": "patchbay-x"}, {}, True),
        ({"operationID": "my-patchbay-x"}, {}, False),
        ({"sendID": "imAdmin", "msgFrom": 200}, {}, True),
        ({"sendID": "helpdesk", "msgFrom": 200}, {"send_as": "helpdesk"}, True),
        ({"sendID": "helpdesk", "msgFrom": 100}, {"send_as": "helpdesk"}, False),
        ({"sendID": "helpdesk", "msgFrom": 200}, {}, False),
        ({"sendID": "tg_1", "msgFrom": 200}, {"send_as": "puppet"}, True),
        ({"sendID": "tg_1", "msgFrom": 100}, {"send_as": "puppet"}, False),
        ({"sendID": "tg_1", "msgFrom": 200}, {}, False),
        ({"msgFrom": 200}, {}, False),
    ],
)
def test_what_is_ours_is_known_by_mark_operation_or_sender(
    changes: dict[str, Any], settings: dict[str, Any], ours: bool
) -> None:
    event = decoded({**TEXT, **changes}, **settings)
    assert isinstance(event, Received) and event.ours is ours


def test_other_programs_can_be_left_aside_and_our_echoes_stay_echoes() -> None:
    assert decoded({**TEXT, "msgFrom": 200}, ignore_system=True).type == "unsupported"
    assert isinstance(decoded(TEXT, ignore_system=True), Received)
    echo = decoded({**TEXT, "msgFrom": 200, "operationID": "patchbay-x"}, ignore_system=True)
    assert isinstance(echo, Received) and echo.ours


# Reading them


@pytest.mark.parametrize(
    "path", ["", "other", wire.AFTER_SINGLE, f"{wire.AFTER_GROUP}/", f"a/{wire.AFTER_GROUP}?key=x"]
)
def test_the_body_says_what_it_is_whatever_the_path_is(path: str) -> None:
    assert decoded(TEXT, path=path) == decoded(TEXT)


@pytest.mark.parametrize("path", [wire.AFTER_GROUP, f"{wire.AFTER_GROUP}?key=x", f"x/{wire.AFTER_GROUP}/"])
@pytest.mark.parametrize("command", [None, "", 17])
def test_without_a_command_in_the_body_the_path_says_it(path: str, command: object) -> None:
    assert decoded({**TEXT, "callbackCommand": command}, path=path) == decoded(TEXT)


def test_one_message_has_one_key_in_each_place_and_by_each_command() -> None:
    saved = {**TEXT, "callbackCommand": wire.AFTER_SAVED, "seq": 7}
    assert decoded(saved).key == decoded(TEXT).key
    assert decoded({**TEXT, "groupID": "other"}).key != decoded(TEXT).key
    assert decoded({**TEXT, "clientMsgID": "other"}).key != decoded(TEXT).key


@pytest.mark.parametrize(
    ("changes", "at"),
    [
        ({}, 1_767_323_041_001),
        ({"sendTime": 0}, 1_767_323_040_950),
        ({"sendTime": "soon"}, 1_767_323_040_950),
        ({"sendTime": None, "createTime": True}, int(FIXTURE_TIME.timestamp() * 1000)),
        ({"sendTime": 10**30, "createTime": -5}, int(FIXTURE_TIME.timestamp() * 1000)),
    ],
)
def test_a_time_that_is_none_gives_way_to_the_next_best(changes: dict[str, Any], at: int) -> None:
    assert int(decoded({**TEXT, **changes}).at.timestamp() * 1000) == at


@pytest.mark.parametrize("field", ["sendID", "clientMsgID", "contentType", "sessionType"])
@pytest.mark.parametrize("value", [None, "", [], {}, 1.5])
def test_a_message_without_what_it_needs_is_garbled(field: str, value: object) -> None:
    with pytest.raises(Garbled, match=field):
        decoded({**TEXT, field: value})


@pytest.mark.parametrize("content", ["", "{", "[]", "null", 17, None, [], '"text"'])
def test_a_content_that_is_no_element_is_garbled(content: object) -> None:
    with pytest.raises(Garbled, match="content"):
        decoded({**TEXT, "content": content})


@pytest.mark.parametrize(
    ("kind", "content", "text"),
    [
        (wire.CARD, {}, "[contact]"),
        (wire.CUSTOM, {"data": "{}"}, "[custom message]"),
        (
            wire.MERGER,
            {"title": "T", "abstractList": ["x"] * 30},
            "\n".join(["[forwarded messages: T]", *"x" * 20, "…"]),
        ),
        (wire.MERGER, {"abstractList": None}, "[forwarded messages]"),
        (wire.FILE, {"sourceUrl": "javascript:alert(1)", "fileName": "a.pdf"}, "[file: a.pdf]"),
        (wire.VOICE, {"sourceUrl": "https://"}, "[voice]"),
        (wire.VIDEO, {}, "[video]"),
        (wire.AT_TEXT, {"text": "@bob hi", "atUserList": None, "quoteMessage": None}, "@bob hi"),
    ],
)
def test_what_is_no_text_is_said_in_words(kind: int, content: object, text: str) -> None:
    event = decoded(element(kind, content))
    assert isinstance(event, Received)
    assert (event.message.text, event.message.attachments) == (text, ())


@pytest.mark.parametrize(
    ("description", "name"),
    [
        ("here", "here"),
        ('{"name":"Eiffel Tower","addr":"Paris"}', "Eiffel Tower, Paris"),
        ('{"addr":"Paris","zoom":9}', "Paris"),
        ("[1]", "[1]"),
        (17, ""),
        ("x" * 3000, "x" * 256),
    ],
)
def test_a_place_on_the_map_keeps_its_name(description: object, name: str) -> None:
    event = decoded(element(wire.LOCATION, {"description": description, "longitude": 2, "latitude": 48.5}))
    assert isinstance(event, Received)
    assert event.message.location == Location(latitude=48.5, longitude=2.0, name=name)


@pytest.mark.parametrize(
    ("card", "name"), [({"userID": "bob"}, "bob"), ({"userID": "b1", "nickname": "Bob"}, "Bob (b1)")]
)
def test_a_card_is_a_contact(card: object, name: str) -> None:
    event = decoded(element(wire.CARD, card))
    assert isinstance(event, Received)
    assert event.message.contact == Contact(name=name)


def test_puppets_and_the_account_that_come_and_go_are_no_news() -> None:
    gone = {"callbackCommand": wire.AFTER_KICK, "groupID": "g1", "kickedUserIDs": ["tg_1001", "imAdmin"], "reason": ""}
    assert isinstance(decoded(gone, send_as="puppet"), Unsupported)
    event = decoded({**gone, "kickedUserIDs": ["tg_1001", "bob"]}, send_as="puppet")
    assert isinstance(event, MembersChanged) and [person.id for person in event.left] == ["bob"]


async def test_who_leaves_a_group_or_is_put_out_is_told(serve: Serve, client: httpx.AsyncClient) -> None:
    world = Running(serve, client, OpenIMSandbox())
    group = GROUP.removeprefix("group/")
    await world.sandbox.leave("alice", group)
    await world.sandbox.kick("bob", group, reason="quiet please")
    told = [event for event in world.events if isinstance(event, MembersChanged)]
    assert [(event.conversation.id, [each.id for each in event.left], event.joined) for event in told] == [
        (GROUP, ["alice"], ()),
        (GROUP, ["bob"], ()),
    ]
    with pytest.raises(LookupError, match="alice is not in"):
        await world.sandbox.leave("alice", group)


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize(("settings", "place"), [({}, GROUP), ({"send_as": "puppet"}, "user/tg_420017")])
async def test_the_server_knows_which_message_was_taken_back(
    line: wire.Line, settings: dict[str, str], place: str, serve: Serve, client: httpx.AsyncClient
) -> None:
    world = Running(serve, client, OpenIMSandbox(line=line), **settings)
    await world.deliver(to="user/alice", sender=ANN)  # so that the puppet is there
    await world.sandbox.say("alice", place, "one")
    id = await world.sandbox.say("alice", place, "two")
    await world.sandbox.take_back("alice", id)
    hook = next(hook for hook in world.hooks if hook.path.endswith(wire.AFTER_REVOKE))
    (event,) = world.bridge.decode(hook)
    assert isinstance(event, Deleted) and event.id != id
    assert await world.run(world.bridge.resolve(event, hook)) == id


async def test_a_copy_of_ours_that_an_admin_takes_back_has_the_id_of_its_receipt(
    serve: Serve, client: httpx.AsyncClient
) -> None:
    world = Running(serve, client, OpenIMSandbox())
    receipt = await world.deliver("words of ours")
    await world.run(world.bridge.delete(ConversationId(GROUP), receipt.ids[0]))
    hook = next(hook for hook in world.hooks if hook.path.endswith(wire.AFTER_REVOKE))
    (event,) = world.bridge.decode(hook)
    assert isinstance(event, Deleted)
    assert await world.run(world.bridge.resolve(event, hook)) == receipt.ids[0]


def test_the_same_person_may_leave_twice() -> None:
    gone = {"callbackCommand": wire.AFTER_QUIT, "groupID": "g1", "userID": "bob"}
    first, second, again = (decoded({**gone, "operationID": operation}) for operation in ("op-1", "op-2", "op-1"))
    assert first.key == again.key != second.key


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        (wire.TEXT, {}),
        (wire.TEXT, {"content": 17}),
        (wire.QUOTE, {"quoteMessage": {"clientMsgID": "c"}}),
        (wire.LOCATION, {"longitude": "2", "latitude": True}),
        (wire.LOCATION, {"longitude": 2, "latitude": 1e300}),
        (wire.LOCATION, {"longitude": 2, "latitude": 91}),
        (113, {"msgTips": "yes"}),
        (112, {"x": 1}),
        (-1, {}),
    ],
)
def test_what_holds_nothing_for_a_person_is_unsupported(kind: int, content: object) -> None:
    event = decoded(element(kind, content))
    assert isinstance(event, Unsupported) and event.name == f"message of type {kind}"


@pytest.mark.parametrize(
    ("conversation", "user", "place"),
    [
        ("sg_2839001122", "alice", GROUP),
        ("si_alice_imAdmin", "alice", "user/alice"),
        ("si_alice_imAdmin", "imAdmin", "user/alice"),
        ("si_a_b_imAdmin", "a_b", "user/a_b"),
        ("si_imAdmin_zoe", "zoe", "user/zoe"),
        ("si_alice_bob", "alice", None),
        ("si_alice_imAdmin", "", None),
        ("si_alice_imAdmin", "carl", None),
        ("sn_alice_imAdmin", "alice", None),
        ("sg_", "alice", None),
        ("n_alice", "alice", None),
    ],
)
def test_a_revocation_is_of_a_conversation_of_ours_or_of_none(conversation: str, user: str, place: str | None) -> None:
    event = decoded({"callbackCommand": wire.AFTER_REVOKE, "conversationID": conversation, "seq": 7, "userID": user})
    assert (event.conversation.id if isinstance(event, Deleted) else None) == place


def test_an_id_with_any_characters_becomes_an_address_that_leads_back() -> None:
    for user in ("a@b.example", "room/7", "名字", "x y", "%41", "z" * 500):
        event = decoded({**SINGLE, "sendID": user})
        assert isinstance(event, Received)
        bridge = bridge_for()
        bridge.check(event.conversation.id)
        if len(user) < 100:
            request = next(bridge.deliver(out(to=event.conversation.id)))
            assert json.loads(request.content)["recvID"] == user


def mutants(*, seed: int, count: int) -> list[bytes]:
    """Recorded bodies with values dropped, moved, replaced or cut: the same ones every time."""
    chance = random.Random(seed)
    bodies = [read_hook(path).hook.body for path in sorted(FIXTURES.glob("*.http"))]
    odd = [None, True, 0, -1, 10**30, 1.5, "", "x" * 3000, "\ud800", "\x00", [], {}, [[]], "{", '{"content":1}', 1501]
    made = []
    for _ in range(count):
        body = copy.deepcopy(json.loads(chance.choice(bodies)))
        for _ in range(chance.randint(1, 4)):
            name = chance.choice(sorted(body)) if body else "x"
            match chance.randrange(5):
                case 0:
                    body.pop(name, None)
                case 1:
                    body[name] = chance.choice(odd)
                case 2:
                    body[chance.choice(sorted(TEXT))] = body.get(name)
                case 3:
                    body["contentType"] = chance.choice([101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 114, 117])
                case 4:
                    body["content"] = json.dumps({chance.choice(["content", "text", "sourceUrl"]): chance.choice(odd)})
        data = json.dumps(body).encode()
        if chance.random() < 0.1:
            cut = chance.randrange(len(data))
            data = data[:cut] + bytes([chance.randrange(256)]) + data[cut + 1 :]
        made.append(data)
    return made


def test_ten_thousand_broken_webhooks_end_as_an_event_or_garbled() -> None:
    bridge = bridge_for(send_as="puppet")
    ends = {"event": 0, "unsupported": 0, "garbled": 0}
    for body in mutants(seed=20261121, count=10_000):
        hook = Hook(body=body, received_at=FIXTURE_TIME)
        bridge.verify(hook)
        try:
            events = tuple(bridge.decode(hook))
            assert events_from_json(events_to_json(events)) == events
            ends["unsupported" if isinstance(events[0], Unsupported) else "event"] += 1
        except Garbled:
            ends["garbled"] += 1
    assert min(ends.values()) > 500 and sum(ends.values()) == 10_000


# The answer, and what a person must enter


def test_every_webhook_is_answered_with_the_object_that_lets_it_pass() -> None:
    for body in (TEXT, {}, {"callbackCommand": "callbackBeforeSendGroupMsgCommand"}):
        answer = bridge_for().answer(hook_of(body))
        assert (answer.status, answer.media_type, answer.handshake) == (200, "application/json", False)
        assert answer.body == b'{"actionCode":0,"errCode":0,"errMsg":"","errDlt":"","nextCode":0}'


URL = f"https://bridge.example/hooks/im/{SECRET}"


@pytest.mark.parametrize("url", [URL, f"{URL}/"])
def test_the_instructions_are_the_lines_of_webhooks_yml(url: str) -> None:
    lines = bridge_for().instructions(url).splitlines()
    after = '{enable: true, timeout: 5, attentionIds: [], allowedTypes: [], deniedTypes: ["1000-5000"]}'
    assert lines[2:6] == [
        f"url: {URL}",
        f"afterSendSingleMsg: {after}",
        f"afterSendGroupMsg: {after}",
        "afterRevokeMsg: {enable: true, timeout: 5}",
    ]


def test_the_instructions_for_main_have_its_own_fields() -> None:
    lines = bridge_for(server_line="main").instructions(URL).splitlines()
    assert lines[3] == "afterSendSingleMsg: {enable: true, timeout: 5, attentionIds: [], deniedTypes: []}"
    assert "afterMsgSaveDB: {enable: true, timeout: 5}" in lines
    assert not any(line.startswith("before") for line in lines)


async def test_webhooks_that_are_lost_or_come_in_another_order_change_nothing_about_the_rest(
    serve: Serve, client: httpx.AsyncClient
) -> None:
    world = Running(serve, client, OpenIMSandbox())
    world.sandbox.reordered = True
    for word in ("one", "two", "three", "four"):
        await world.sandbox.say("alice", GROUP, word)
    assert [event.message.text for event in world.events if isinstance(event, Received)] == [
        "two",
        "one",
        "four",
        "three",
    ]
    world.sandbox.reordered, world.sandbox.drop_every = False, 2
    for word in ("five", "six"):
        await world.sandbox.say("alice", GROUP, word)
    assert len(world.events) == 5


async def test_a_slow_listener_does_not_stop_the_server_for_ever(serve: Serve, client: httpx.AsyncClient) -> None:
    world = Running(serve, client, OpenIMSandbox())
    inner: list[int] = []

    async def listener(request: Request) -> Response:
        # Our side sends while it is being told of a message: both have to be possible at once.
        if not inner:
            inner.append(1)
            await world.deliver("from within", key="k2")
        return Response(b"{}")

    world.sandbox.hook_url = serve(Starlette(routes=[Route("/{rest:path}", listener, methods=["POST"])]))
    await world.deliver("outer", key="k1")
    assert sorted(message.text for message in world.sandbox.accepted) == ["from within", "outer"]
