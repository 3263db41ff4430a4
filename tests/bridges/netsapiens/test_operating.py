"""NetSapiens, beside messages: the probe, subscriptions, lists and operations, against the sandbox."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest

from bridges.errors import BridgeError, Refused, Unauthorized, Unavailable
from bridges.netsapiens.sandbox_store import SmsNumber
from bridges.testing import FIXTURE_TIME, play
from tests.bridges.netsapiens.common import OTHER_PHONE, OURS, PHONE, SECRET, Serve, World, answer, bridge_of, out

VERSIONS = pytest.mark.parametrize("version", ["v45", "v44"])

# The probe


@VERSIONS
async def test_a_probe_says_who_sends_from_which_number(version: str, serve: Serve, client: httpx.AsyncClient) -> None:
    world = World(serve, client, version=version, numbers=[SmsNumber(OURS, "4102", mms=False)])
    line = await world.run(world.bridge.probe())
    assert "extension 4100 of acme.example" in line
    assert f"SMS from {OURS} as extension 4102, without MMS" in line
    assert {call.method for call in world.sandbox.calls} == {"GET"}
    assert len(world.sandbox.calls) <= 4


@pytest.mark.parametrize(
    ("changes", "kind", "words"),
    [
        ({"api_key": "wrong"}, Unauthorized, "credentials were refused"),
        ({"domain": "other.example"}, Refused, "check domain"),
        ({"user": "4999"}, Refused, "check user"),
        ({"from_number": "15550100111"}, Refused, "check from_number"),
    ],
)
async def test_a_probe_says_in_words_what_is_wrong(
    changes: dict[str, str], kind: type[BridgeError], words: str, serve: Serve, client: httpx.AsyncClient
) -> None:
    world = World(serve, client, settings=changes)
    with pytest.raises(kind, match=words):
        await world.run(world.bridge.probe())
    assert len(world.sandbox.calls) <= 4


@pytest.mark.parametrize("login", [False, True])
async def test_a_probe_goes_without_the_number_where_there_is_none(
    login: bool, serve: Serve, client: httpx.AsyncClient
) -> None:
    world = World(serve, client, login=login, settings={"from_number": ""})
    assert "chats only" in await world.run(world.bridge.probe())


# Subscriptions


async def subscribe(world: World) -> Any:
    return await world.run(world.bridge.subscribe(world.url, now=world.clock()))


async def test_subscribing_twice_leaves_one(serve: Serve, client: httpx.AsyncClient) -> None:
    world = World(serve, client)
    first, second = await subscribe(world), await subscribe(world)
    (kept,) = world.sandbox.subscriptions.values()
    assert (kept["model"], kept["post-url"]) == ("message", f"{world.url}/message")
    assert first.expires_at == second.expires_at == FIXTURE_TIME + timedelta(days=30)


async def test_each_model_has_a_url_of_its_own(serve: Serve, client: httpx.AsyncClient) -> None:
    world = World(serve, client, settings={"subscription_models": ["message", "messagesession"]})
    await subscribe(world)
    await subscribe(world)
    assert sorted(kept["post-url"] for kept in world.sandbox.subscriptions.values()) == [
        f"{world.url}/message",
        f"{world.url}/messagesession",
    ]


async def test_a_subscription_is_renewed_in_time_and_goes_on_delivering(
    serve: Serve, client: httpx.AsyncClient
) -> None:
    world = World(serve, client)
    for _ in range(6):
        made = await subscribe(world)
        assert made.expires_at - world.clock() > timedelta(days=10)
        world.clock.pass_by(days=20)
    assert len(world.sandbox.subscriptions) == 1
    await world.sandbox.text(PHONE, OURS, "still here")
    assert [event.message.text for event in world.events()] == ["still here"]


async def test_one_that_ended_is_made_anew(serve: Serve, client: httpx.AsyncClient) -> None:
    world = World(serve, client)
    await subscribe(world)
    world.clock.pass_by(days=31)
    assert world.sandbox.subscriptions == {}
    await subscribe(world)
    assert len(world.sandbox.subscriptions) == 1


async def test_a_subscription_is_seen_as_it_stands_on_the_server(serve: Serve, client: httpx.AsyncClient) -> None:
    world = World(serve, client)
    assert await world.run(world.bridge.subscribed(world.url)) is None
    made = await subscribe(world)
    there = await world.run(world.bridge.subscribed(world.url))
    assert (there.active, there.expires_at, there.detail) == (True, made.expires_at, "message is pending")
    world.sandbox.subscriptions[next(iter(world.sandbox.subscriptions))].update({"status": "error", "error-count": 4})
    failed = await world.run(world.bridge.subscribed(world.url))
    assert not failed.active
    assert failed.detail.startswith("message is error, 4 posts failed; check that web.public_url leads here")
    world.clock.pass_by(days=31)
    assert await world.run(world.bridge.subscribed(world.url)) is None


async def test_of_two_models_neither_may_be_missing_or_failing(serve: Serve, client: httpx.AsyncClient) -> None:
    world = World(serve, client, settings={"subscription_models": ["message", "messagesession"]})
    await subscribe(world)
    assert (await world.run(world.bridge.subscribed(world.url))).active
    (last,) = [kept for kept in world.sandbox.subscriptions.values() if kept["model"] == "messagesession"]
    last["status"] = "error"
    assert not (await world.run(world.bridge.subscribed(world.url))).active
    last["model"] = "call"
    assert await world.run(world.bridge.subscribed(world.url)) is None


def listed(**changes: Any) -> dict[str, Any]:
    kept = {"id": "s1", "model": "message", "post-url": f"{HOOKS}/message", "domain": "acme.example", "user": "*"}
    return {**kept, "status": "active", "subscription-expires-datetime": "2026-02-01 03:04:05", **changes}


HOOKS = f"https://bridge.example/hooks/pbx/{SECRET}"


@pytest.mark.parametrize(
    "row",
    [
        listed(**{"post-url": "https://other.example/hooks/message"}),
        listed(domain="other.example"),
        listed(model="call"),
        listed(**{"subscription-expires-datetime": "2026-01-02 03:04:05"}),
    ],
    ids=["another URL", "another domain", "another model", "ended"],
)
def test_another_subscription_is_not_ours(row: dict[str, Any]) -> None:
    assert play(bridge_of().subscribed(HOOKS), answer(200, [row])).result is None


def test_of_two_that_are_ours_one_that_works_is_enough() -> None:
    rows = [listed(status="error"), listed(id="s2")]
    assert play(bridge_of().subscribed(HOOKS), answer(200, rows)).result.active


@pytest.mark.parametrize("status", ["", None, 5, "hook-secret-0123456789", "x" * 500])
def test_a_status_that_is_not_documented_is_not_repeated(status: object) -> None:
    there = play(bridge_of().subscribed(HOOKS), answer(200, [listed(status=status)])).result
    assert (there.active, there.detail) == (True, "message is of unknown status")


def test_a_list_that_cannot_be_read_says_nothing_about_the_subscription() -> None:
    assert isinstance(play(bridge_of().subscribed(HOOKS), answer(503)).error, Unavailable)


async def test_the_end_is_named_so_that_it_does_not_end_with_the_token(serve: Serve, client: httpx.AsyncClient) -> None:
    world = World(serve, client, login=True)
    await subscribe(world)
    world.clock.pass_by(days=29)
    assert len(world.sandbox.subscriptions) == 1


async def test_the_subscriptions_of_others_are_left_alone(serve: Serve, client: httpx.AsyncClient) -> None:
    world = World(serve, client)
    others = [world.sandbox.subscribe("https://elsewhere.example/x"), world.sandbox.subscribe(world.url, model="call")]
    await subscribe(world)
    ended = await world.run(world.bridge.unsubscribe(world.url))
    assert list(world.sandbox.subscriptions) == others
    assert not ended.active


async def test_unsubscribing_twice_is_as_good_as_once(serve: Serve, client: httpx.AsyncClient) -> None:
    world = World(serve, client)
    await subscribe(world)
    for _ in range(2):
        assert not (await world.run(world.bridge.unsubscribe(world.url))).active
    assert world.sandbox.subscriptions == {}


async def test_ours_is_found_behind_many_of_others(serve: Serve, client: httpx.AsyncClient) -> None:
    world = World(serve, client)
    for number in range(120):
        world.sandbox.subscribe(f"https://elsewhere.example/{number}")
    await subscribe(world)
    await subscribe(world)
    assert len(world.sandbox.subscriptions) == 121


async def test_one_for_another_extension_is_taken_over(serve: Serve, client: httpx.AsyncClient) -> None:
    world = World(serve, client)
    await subscribe(world)
    world.bridge = bridge_of(world.given, subscription_user="4100")
    await subscribe(world)
    (kept,) = world.sandbox.subscriptions.values()
    assert kept["user"] == "4100"


async def test_its_end_is_written_and_read_in_the_zone_of_the_server(serve: Serve, client: httpx.AsyncClient) -> None:
    world = World(serve, client, settings={"time_zone": "America/New_York"})
    made = await subscribe(world)
    (kept,) = world.sandbox.subscriptions.values()
    assert kept["subscription-expires-datetime"] == "2026-01-31 22:04:05"
    assert made.expires_at == FIXTURE_TIME + timedelta(days=30)


async def test_a_list_of_subscriptions_shows_no_secret(serve: Serve, client: httpx.AsyncClient) -> None:
    world = World(serve, client)
    await subscribe(world)
    lines = await world.operate("subscriptions")
    assert "message of user *, to 127.0.0.1, pending, until 2026-02-01" in lines
    assert world.given["hook_secret"] not in lines


# Conversations and operations


@VERSIONS
async def test_conversations_are_listed_with_their_addresses_the_latest_first(
    version: str, serve: Serve, client: httpx.AsyncClient
) -> None:
    world = World(serve, client, version=version)
    world.sandbox.subscribe(world.url)
    for step in (
        world.sandbox.text(PHONE, OURS, "words " * 40),
        world.sandbox.chat("4101", "4100", "hello"),
        world.sandbox.text(PHONE, OURS, "all of us", others=(OTHER_PHONE,)),
        world.sandbox.chat("4102", "4103", "private words"),
    ):
        await step
        world.clock.pass_by(minutes=1)
    listed = await world.run(world.bridge.conversations())
    group = next(id for id, session in world.sandbox.sessions.items() if len(session.phones) == 2)
    assert [each.conversation.id for each in listed] == [f"session/{group}", "chat/4101", f"sms/{PHONE}"]
    assert all(len(each.detail) <= 60 for each in listed)
    for each in listed:
        await world.deliver(out(each.conversation.id, key=each.conversation.handle, handle=each.conversation.handle))
    assert {each.session for each in world.sandbox.accepted} == {each.conversation.handle for each in listed}


async def test_one_person_in_several_sessions_is_listed_once(serve: Serve, client: httpx.AsyncClient) -> None:
    world = World(serve, client, version="v44")
    await world.deliver(out("chat/4101", handle="a" * 32))
    await world.deliver(out("chat/4101", key="k2", handle="b" * 32))
    assert len(await world.run(world.bridge.conversations())) == 1


async def test_the_words_of_other_peoples_chats_are_not_shown(serve: Serve, client: httpx.AsyncClient) -> None:
    world = World(serve, client)
    world.sandbox.subscribe(world.url)
    await world.sandbox.chat("4102", "4103", "private words")
    await world.sandbox.chat("4101", "4100", "our words")
    lines = await world.operate("sessions")
    assert "our words" in lines
    assert "4102 with 4103" in lines
    assert "private" not in lines


async def test_the_messages_of_a_session_are_listed(serve: Serve, client: httpx.AsyncClient) -> None:
    world = World(serve, client)
    world.sandbox.subscribe(world.url)
    await world.sandbox.text(PHONE, OURS, "hello?", media=b"GIF89a", media_type="image/gif")
    (session,) = world.sandbox.sessions
    await world.deliver(out(f"sms/{PHONE}", handle=session))
    lines = (await world.operate("messages", session)).splitlines()
    assert lines[0].endswith("we: deploy finished")
    assert lines[1].endswith(f"{PHONE}: hello? [image/gif]")


async def test_participants_are_the_final_list_with_this_account_in_it(serve: Serve, client: httpx.AsyncClient) -> None:
    world = World(serve, client)
    session = (await world.deliver(out("chat/4101,4102"))).handle
    await world.operate("participants", f"session/{session}", "4102", "4103")
    assert world.sandbox.sessions[session].members == ["4100", "4102", "4103"]


async def test_a_session_gets_a_name(serve: Serve, client: httpx.AsyncClient) -> None:
    world = World(serve, client)
    session = (await world.deliver(out("chat/4101,4102"))).handle
    await world.operate("rename", session, "Ops", "room")
    (listed,) = await world.run(world.bridge.conversations())
    assert listed.conversation.title == "Ops room"


async def test_a_session_is_left(serve: Serve, client: httpx.AsyncClient) -> None:
    world = World(serve, client)
    session = (await world.deliver(out("chat/4101,4102"))).handle
    await world.operate("leave", session)
    assert world.sandbox.sessions[session].members == ["4101", "4102"]


@pytest.mark.parametrize("operation", ["participants", "rename"])
async def test_a_group_of_phones_cannot_be_changed_and_the_reason_is_said(
    operation: str, serve: Serve, client: httpx.AsyncClient
) -> None:
    world = World(serve, client)
    session = (await world.deliver(out(f"sms/{PHONE},{OTHER_PHONE}"))).handle
    with pytest.raises(Refused, match="group MMS"):
        await world.operate(operation, session, "4102")
    assert "PUT" not in {call.method for call in world.sandbox.calls}


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        ("messages", ("",)),
        ("messages", ("../users",)),
        ("delete", ("a b",)),
        ("participants", ("a" * 32, "not an extension")),
        ("participants", ("a" * 32, ",")),
        ("rename", ("a" * 32, " ")),
        ("rename", ("a" * 32, "x" * 129)),
    ],
)
async def test_a_wrong_argument_is_refused_with_an_example(
    operation: str, arguments: tuple[str, ...], serve: Serve, client: httpx.AsyncClient
) -> None:
    world = World(serve, client)
    await world.deliver(out("chat/4101", handle="a" * 32))
    with pytest.raises(Refused, match="example"):
        await world.operate(operation, *arguments)
    assert {call.method for call in world.sandbox.calls} <= {"GET", "POST"}


async def test_the_sessions_of_the_numbers_owner_can_be_operated_too(serve: Serve, client: httpx.AsyncClient) -> None:
    world = World(serve, client, numbers=[SmsNumber(OURS, "4102")])
    session = (await world.deliver(out(f"sms/{PHONE}"))).handle
    await world.operate("delete", session)
    assert world.sandbox.sessions == {}


async def test_numbers_are_listed_with_their_owners(serve: Serve, client: httpx.AsyncClient) -> None:
    numbers = [SmsNumber(OURS, "4102", group_mms=False), SmsNumber("15550100998", "q1", application="callqueue")]
    world = World(serve, client, numbers=numbers)
    assert (await world.operate("numbers")).splitlines() == [
        f"{OURS}: user 4102, MMS yes, group MMS no (this account's)",
        "15550100998: callqueue q1, MMS yes, group MMS yes",
    ]


def test_every_operation_that_changes_something_says_so() -> None:
    changing = {operation.name for operation in bridge_of().operations() if operation.changes}
    assert changing == {"participants", "rename", "leave", "delete"}
