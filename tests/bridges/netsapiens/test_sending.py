"""NetSapiens, sending: which of the six sends, as whom, into which session; and what became of it."""

from __future__ import annotations

import itertools
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest

from bridges.errors import BridgeError, Inexpressible, Refused, Unavailable
from bridges.model import MessageId
from bridges.netsapiens.ledger import SETTLE
from bridges.netsapiens.places import Handle, session_id_for
from bridges.netsapiens.sandbox_store import SmsNumber, Style
from bridges.netsapiens.wire import SESSION
from bridges.testing import FIXTURE_TIME, play
from tests.bridges.netsapiens.common import (
    OTHER_PHONE,
    OURS,
    PHONE,
    PNG,
    Serve,
    World,
    answer,
    bridge_of,
    file_out,
    out,
    received,
    sms_event,
)

OWN = "0123456789abcdef0123456789abcdef"
OTHER_NUMBER = "15550100777"
VERSIONS = pytest.mark.parametrize("version", ["v45", "v44"])

# The six sends, on both versions of the server


@VERSIONS
@pytest.mark.parametrize(
    ("sent", "type", "destinations"),
    [
        (out("chat/4101"), "chat", ("4101",)),
        (out("chat/4101,4102"), "chat", ("4101", "4102")),
        (file_out("chat/4101"), "chat-media", ("4101",)),
        (out(f"sms/{PHONE}"), "sms", (PHONE,)),
        (out(f"sms/{PHONE},{OTHER_PHONE}"), "sms", (PHONE, OTHER_PHONE)),
        (file_out(f"sms/{PHONE}"), "mms", (PHONE,)),
        (file_out(f"sms/{PHONE},{OTHER_PHONE}"), "mms", (PHONE, OTHER_PHONE)),
    ],
    ids=["chat", "group chat", "media chat", "sms", "group sms", "mms", "group mms"],
)
async def test_every_kind_of_send_is_taken_by_both_versions_of_the_server(
    version: str, sent: Any, type: str, destinations: tuple[str, ...], serve: Serve, client: httpx.AsyncClient
) -> None:
    world = World(serve, client, version=version)
    await world.deliver(sent)
    (accepted,) = world.sandbox.accepted
    assert (accepted.type, accepted.destinations) == (type, destinations)
    assert accepted.from_number == (OURS if "ms" in type else "")
    assert accepted.media_size == (len(PNG) if sent.files else 0)


@VERSIONS
async def test_the_session_of_a_first_send_is_the_handle_of_the_next(
    version: str, serve: Serve, client: httpx.AsyncClient
) -> None:
    world = World(serve, client, version=version)
    first = await world.deliver(out("chat/4101"))
    second = await world.deliver(out("chat/4101", key="k2", handle=first.handle))
    assert [each.session for each in world.sandbox.accepted] == [first.handle, second.handle]
    assert first.handle == second.handle


@VERSIONS
async def test_repeated_first_sends_land_in_one_session(version: str, serve: Serve, client: httpx.AsyncClient) -> None:
    world = World(serve, client, version=version)
    for key in ("a", "b", "c"):
        await world.deliver(out(f"sms/{PHONE}", key=key))
    assert len({each.session for each in world.sandbox.accepted}) == 1


async def test_a_server_without_startsession_is_asked_for_it_once(serve: Serve, client: httpx.AsyncClient) -> None:
    world = World(serve, client, version="v44")
    for key in ("a", "b", "c"):
        await world.deliver(out("chat/4101", key=key))
    assert [path for path in world.paths() if path.endswith("/users/4100/messages")] == [
        "POST /domains/acme.example/users/4100/messages"
    ]


def test_what_a_server_lacks_is_still_known_after_a_restart() -> None:
    bridge = bridge_of()
    play(bridge.deliver(out("chat/4101")), answer(404, {"code": 404, "message": "No Route Found [92]"}), answer(202))
    again = bridge_of()
    again.recall(bridge.learnt())
    request = next(again.deliver(out("chat/4101")))
    assert "/messagesessions/" in request.url.path


def test_what_one_server_lacks_is_not_believed_of_another() -> None:
    bridge = bridge_of()
    play(bridge.deliver(out("chat/4101")), answer(404, {"code": 404, "message": "No Route Found [92]"}), answer(202))
    other = bridge_of(base_url="https://other.example")
    other.recall(bridge.learnt())
    assert other.learnt() == {}


def test_a_missing_person_is_not_taken_for_a_missing_call() -> None:
    bridge = bridge_of()
    played = play(bridge.deliver(out("chat/4999")), answer(404, {"code": 404, "message": "user 4999 not found"}))
    assert isinstance(played.error, Refused)
    assert bridge.learnt() == {}


@pytest.mark.parametrize("body", [{"code": 404, "message": "Not Found"}, {"code": 404}, [], "<html>"])
def test_a_404_that_names_nothing_is_tried_the_other_way_and_remembered_if_that_works(body: object) -> None:
    bridge = bridge_of()
    played = play(bridge.deliver(out("chat/4101")), answer(404, body), answer(202))
    assert played.error is None
    assert bridge.learnt()["start_session"] == "missing"


def test_a_404_to_both_ways_teaches_nothing() -> None:
    bridge = bridge_of()
    played = play(bridge.deliver(out("chat/4101")), answer(404, []), answer(404, []))
    assert isinstance(played.error, Refused)
    assert bridge.learnt() == {}


def test_ids_of_sessions_that_we_make_are_of_the_documented_alphabet_and_stable() -> None:
    made = [
        session_id_for(domain, user=user, kind=kind, remotes=remotes)
        for domain, user, kind, remotes in itertools.product(
            ("acme.example", "other.example"), ("4100", "4101"), ("chat", "sms"), (("1",), ("1", "2"), ("12",))
        )
    ]
    assert len(set(made)) == len(made)
    assert all(len(id) == 32 and id.isalnum() and id.isascii() and SESSION.fullmatch(id) for id in made)
    assert session_id_for("d", user="1", kind="sms", remotes=("2", "3")) == session_id_for(
        "d", user="1", kind="sms", remotes=("3", "2")
    )


async def test_a_reply_goes_into_the_session_of_the_inbound_message(serve: Serve, client: httpx.AsyncClient) -> None:
    world = World(serve, client)
    await world.sandbox.greet(world.url, text="hello?")
    (event,) = world.events()
    await world.deliver(out(event.conversation.id, handle=event.conversation.handle))
    assert world.sandbox.accepted[0].session == event.conversation.handle
    assert len(world.sandbox.sessions) == 1


async def test_a_send_into_a_deleted_session_begins_another_one(serve: Serve, client: httpx.AsyncClient) -> None:
    world = World(serve, client)
    first = await world.deliver(out("chat/4101"))
    await world.operate("delete", first.handle)
    second = await world.deliver(out("chat/4101", key="k2", handle=first.handle))
    assert [each.text for each in world.sandbox.accepted] == ["deploy finished"] * 2
    assert second.handle in world.sandbox.sessions


@pytest.mark.parametrize("group", [False, True])
async def test_a_session_of_phones_is_answered_with_sms_to_all_of_them(
    group: bool, serve: Serve, client: httpx.AsyncClient
) -> None:
    world = World(serve, client)
    world.sandbox.subscribe(world.url)
    await world.sandbox.text(PHONE, OURS, "hi", others=(OTHER_PHONE,) if group else ())
    (session,) = world.sandbox.sessions
    await world.deliver(out(f"session/{session}"))
    (accepted,) = world.sandbox.accepted
    assert (accepted.type, accepted.session) == ("sms", session)
    assert set(accepted.destinations) == ({PHONE, OTHER_PHONE} if group else {PHONE})


async def test_a_session_of_extensions_is_answered_with_a_chat_to_all_of_them(
    serve: Serve, client: httpx.AsyncClient
) -> None:
    world = World(serve, client)
    world.sandbox.subscribe(world.url)
    await world.sandbox.chat("4101", "4100", "hi", others=("4102",))
    (event,) = world.events()
    await world.deliver(out(event.conversation.id, handle=event.conversation.handle))
    (accepted,) = world.sandbox.accepted
    assert (accepted.type, set(accepted.destinations)) == ("chat", {"4101", "4102"})


# What a 200 holds


@pytest.mark.parametrize(
    "body",
    [
        {"code": 400, "message": "invalid from-number"},
        {"code": "400", "message": "invalid from-number"},
        {"code": 400.0, "message": "invalid from-number"},
        {"code": "400.0"},
        {"success": False, "message": "not sent"},
        {"success": "false"},
        {"errors": ["not sent"]},
        {"errors": [{"message": "not sent"}]},
        {"errors": {"destination": "unknown"}},
        {"errors": [{}]},
        {"error": "not sent"},
        {"error": True},
        {"error": 17},
        {"error": {"message": "not sent"}},
        {"ERROR": "not sent"},
        {"errorMessage": "not sent"},
        {"code": 202, "error": "not sent"},
        {"status": "Failed"},
    ],
)
def test_a_failure_inside_a_200_is_a_failure_in_whatever_type(body: dict[str, Any]) -> None:
    played = play(bridge_of().deliver(out("chat/4101", handle=OWN)), answer(200, body))
    assert isinstance(played.error, Refused)


@pytest.mark.parametrize(
    "harmless",
    [
        {"error": "0"},
        {"error": 0},
        {"error": None},
        {"error": False},
        {"error": "False"},
        {"error": "None"},
        {"error": []},
        {"error": {}},
        {"error": {"code": 0, "message": ""}},
        {"errors": []},
        {"errors": [None]},
        {"errors": [{}]},
        {"errorMessage": "OK"},
        {"errorMessage": "Success"},
        {"error_message": ""},
        {"success": True},
        {"success": "true"},
        {"success": 1},
        {"status": "sent"},
    ],
)
def test_an_accepted_message_is_not_undone_by_a_field_that_says_nothing(harmless: dict[str, Any]) -> None:
    body = {"code": 202, "message": "Accepted", **harmless}
    played = play(bridge_of().deliver(out("chat/4101", handle=OWN)), answer(202, body))
    assert played.error is None


# Numbers


def numbers(*, mms: bool = True, group_mms: bool = True) -> list[SmsNumber]:
    return [SmsNumber(OURS, "4102", mms=mms, group_mms=group_mms), SmsNumber("15550100998", "4100")]


async def test_sms_go_out_as_the_extension_that_owns_the_number(serve: Serve, client: httpx.AsyncClient) -> None:
    world = World(serve, client, numbers=numbers())
    await world.deliver(out(f"sms/{PHONE}"))
    await world.deliver(out("chat/4101", key="k2"))
    assert [each.user for each in world.sandbox.accepted] == ["4102", "4100"]


async def test_the_owner_is_looked_up_once_and_kept_across_a_restart(serve: Serve, client: httpx.AsyncClient) -> None:
    world = World(serve, client, numbers=numbers())
    await world.deliver(out(f"sms/{PHONE}"))
    await world.deliver(out(f"sms/{PHONE}", key="k2"))
    learnt = world.bridge.learnt()
    world.bridge = bridge_of(world.given)
    world.bridge.recall(learnt)
    await world.deliver(out(f"sms/{PHONE}", key="k3"))
    assert [path for path in world.paths() if "smsnumbers" in path] == ["GET /domains/acme.example/smsnumbers"]
    assert {each.user for each in world.sandbox.accepted} == {"4102"}


async def test_a_number_that_changes_hands_goes_on_sending(serve: Serve, client: httpx.AsyncClient) -> None:
    world = World(serve, client)
    await world.deliver(out(f"sms/{PHONE}"))
    world.sandbox.numbers[0].dest = "4103"
    await world.deliver(out(f"sms/{PHONE}", key="k2"))
    assert [each.user for each in world.sandbox.accepted] == ["4100", "4103"]


async def test_the_same_phone_in_a_session_of_another_number_is_another_session(
    serve: Serve, client: httpx.AsyncClient
) -> None:
    world = World(serve, client, numbers=[SmsNumber(OURS, "4100"), SmsNumber("15550100998", "4100")])
    world.sandbox.subscribe("http://127.0.0.1:9/nobody")
    receipt = await world.deliver(out(f"sms/{PHONE}"))
    world.clock.pass_by(minutes=1)
    await world.sandbox.text(PHONE, "15550100998", "to the other number")
    again = await world.deliver(out(f"sms/{PHONE}", key="k2"))
    assert world.sandbox.sessions[receipt.handle].sms_number == OURS
    assert again.handle == receipt.handle


async def test_a_number_beyond_the_first_hundred_is_found(serve: Serve, client: httpx.AsyncClient) -> None:
    many = [SmsNumber(str(15550200000 + i), "4101") for i in range(250)]
    world = World(serve, client, numbers=[SmsNumber("1555", "4101"), *many, SmsNumber(OURS, "4102")])
    world.bridge = bridge_of(world.given, from_number=OURS)
    await world.deliver(out(f"sms/{PHONE}"))
    assert world.sandbox.accepted[0].user == "4102"


@pytest.mark.parametrize("owner", ["4101", "4100"], ids=["another extension's number", "our extension's other number"])
@pytest.mark.parametrize("model", ["message", "messagesession"])
@pytest.mark.parametrize("style", ["v2", "v1"])
async def test_an_answer_leaves_from_the_number_that_was_written_to_as_its_owner_in_its_session(
    owner: str, model: str, style: Style, serve: Serve, client: httpx.AsyncClient
) -> None:
    world = World(serve, client, style=style, numbers=[SmsNumber(OURS, "4100"), SmsNumber(OTHER_NUMBER, owner)])
    world.sandbox.subscribe(world.url, model=model)
    await world.sandbox.text(PHONE, OTHER_NUMBER, "a question for the other number")
    (event,) = world.events()
    receipt = await world.deliver(out(f"sms/{PHONE}", handle=event.conversation.handle))
    await world.deliver(out(f"sms/{PHONE}", key="k2", handle=receipt.handle))
    (session,) = world.sandbox.sessions
    assert event.conversation.id == f"sms/{PHONE}"
    assert [(each.user, each.from_number, each.session) for each in world.sandbox.accepted] == [
        (owner, OTHER_NUMBER, session)
    ] * 2


async def test_an_answer_goes_to_a_group_of_phones_that_wrote_to_another_extensions_number(
    serve: Serve, client: httpx.AsyncClient
) -> None:
    world = World(serve, client, numbers=[SmsNumber(OURS, "4100"), SmsNumber(OTHER_NUMBER, "4101")])
    world.sandbox.subscribe(world.url)
    await world.sandbox.text(PHONE, OTHER_NUMBER, "a question", others=(OTHER_PHONE,))
    (event,) = world.events()
    await world.deliver(out(event.conversation.id, handle=event.conversation.handle))
    (accepted,) = world.sandbox.accepted
    assert (accepted.user, accepted.from_number) == ("4101", OTHER_NUMBER)
    assert set(accepted.destinations) == {PHONE, OTHER_PHONE}


async def test_another_number_that_changes_hands_goes_on_sending(serve: Serve, client: httpx.AsyncClient) -> None:
    world = World(serve, client, numbers=[SmsNumber(OURS, "4100"), SmsNumber(OTHER_NUMBER, "4102")])
    await world.deliver(out(f"sms/{PHONE}", handle=f"/{OTHER_NUMBER}/4101"))
    (accepted,) = world.sandbox.accepted
    assert (accepted.user, accepted.from_number) == ("4102", OTHER_NUMBER)


async def test_the_owner_of_another_number_is_looked_up_where_the_event_did_not_tell_it(
    serve: Serve, client: httpx.AsyncClient
) -> None:
    world = World(serve, client, numbers=[SmsNumber(OURS, "4100"), SmsNumber(OTHER_NUMBER, "4102")])
    event = received(
        world.bridge,
        [sms_event(dialed=OTHER_NUMBER, **{"terminating-user-id": None, "messagesession-id": None})],
    )
    await world.deliver(out(event.conversation.id, handle=event.conversation.handle))
    (accepted,) = world.sandbox.accepted
    assert (accepted.user, accepted.from_number) == ("4102", OTHER_NUMBER)


async def test_the_setting_user_answers_from_another_number_as_that_user(
    serve: Serve, client: httpx.AsyncClient
) -> None:
    numbers = [SmsNumber(OURS, "4100"), SmsNumber(OTHER_NUMBER, "4100")]
    world = World(serve, client, numbers=numbers, settings={"send_as": "user"})
    await world.deliver(out(f"sms/{PHONE}", handle=f"/{OTHER_NUMBER}/4101"))
    (accepted,) = world.sandbox.accepted
    assert (accepted.user, accepted.from_number) == ("4100", OTHER_NUMBER)


def test_an_account_without_a_number_answers_from_the_one_that_was_written_to() -> None:
    request = next(bridge_of(from_number=None).deliver(out(f"sms/{PHONE}", handle=f"{OWN}/{OTHER_NUMBER}/4101")))
    assert request.url.path.endswith(f"/users/4101/messagesessions/{OWN}/messages")


@pytest.mark.parametrize("text", ["", OWN, f"{OWN}/{OTHER_NUMBER}/4101", f"/{OTHER_NUMBER}/", f"{OWN}//4102"])
def test_a_handle_is_read_as_it_was_written(text: str) -> None:
    usual = bridge_of()._settings
    assert Handle.of(text).written(usual=usual) == text


@pytest.mark.parametrize("text", ["../..", "a b", f"{OWN}/x/../y", "///", "é", f"{OWN}/1/4/1"])
def test_what_no_handle_can_be_leads_nowhere_else(text: str) -> None:
    handle = Handle.of(text)
    assert handle.session in ("", OWN)
    assert (handle.owner, handle.number) in {("", ""), ("", "1")}


async def test_the_setting_user_sends_without_looking_the_number_up(serve: Serve, client: httpx.AsyncClient) -> None:
    world = World(serve, client, settings={"send_as": "user"})
    await world.deliver(out(f"sms/{PHONE}"))
    assert not [path for path in world.paths() if "smsnumbers" in path]


async def test_numbers_are_written_with_plus_where_the_server_wants_it(serve: Serve, client: httpx.AsyncClient) -> None:
    world = World(serve, client, plus_numbers=True, settings={"number_format": "e164"})
    await world.deliver(out(f"sms/{PHONE},{OTHER_PHONE}"))
    assert world.sandbox.accepted[0].destinations == (PHONE, OTHER_PHONE)


@pytest.mark.parametrize(
    ("mms", "group_mms", "conversation", "words"),
    [
        (False, False, f"sms/{PHONE}", "mms-capable is no"),
        (True, False, f"sms/{PHONE},{OTHER_PHONE}", "group-mms-capable is no"),
    ],
)
async def test_a_file_is_refused_in_words_where_the_number_cannot_send_it(
    mms: bool, group_mms: bool, conversation: str, words: str, serve: Serve, client: httpx.AsyncClient
) -> None:
    world = World(serve, client, numbers=numbers(mms=mms, group_mms=group_mms))
    with pytest.raises(Inexpressible, match=words):
        await world.deliver(file_out(conversation))
    assert world.sandbox.accepted == []


async def test_words_alone_go_to_several_phones_from_any_number(serve: Serve, client: httpx.AsyncClient) -> None:
    world = World(serve, client, numbers=numbers(mms=False, group_mms=False))
    await world.deliver(out(f"sms/{PHONE},{OTHER_PHONE}"))
    assert world.sandbox.accepted[0].type == "sms"


def test_what_fails_before_the_send_never_leaves_a_doubt() -> None:
    for failure in (httpx.Response(502), httpx.Response(200, text="<html>"), answer(500), answer(200, "words")):
        played = play(bridge_of().deliver(out(f"sms/{PHONE}")), failure)
        assert isinstance(played.error, Unavailable)
        assert not played.error.maybe_sent


@pytest.mark.parametrize("error", [Unavailable("cut", maybe_sent=True), Refused("no")])
def test_a_send_is_done_even_if_its_session_cannot_be_found_afterwards(error: BridgeError) -> None:
    played = play(bridge_of().deliver(out("chat/4101")), answer(200), error)
    assert played.error is None
    assert played.result.handle == ""


# After an unknown outcome


def row(text: str = "deploy finished", *, id: str = "m1", before_s: float = 0, **changes: Any) -> dict[str, Any]:
    """A chat that we wrote, so many seconds before ``FIXTURE_TIME``."""
    at = FIXTURE_TIME - timedelta(seconds=before_s)
    return {
        "id": id,
        "timestamp": at.strftime("%Y-%m-%d %H:%M:%S"),
        "type": "chat",
        "direction": "",
        "text": text,
        "from-user-id": "4100@acme.example",
        **changes,
    }


def asked(bridge: Any, rows: list[dict[str, Any]], *, key: str = "k1", later_s: float = 0) -> Any:
    """What ``confirm`` says when the session holds these messages and it is so much after ``FIXTURE_TIME``."""
    flow = bridge.confirm(out("chat/4101", key=key, handle=OWN))
    return play(flow, answer(200, rows, at=FIXTURE_TIME + timedelta(seconds=later_s)))


def is_absent(played: Any) -> bool:
    return (played.result, played.error) == (None, None)


def sent(bridge: Any, *, key: str, before_s: float = 0, fails: bool = False) -> None:
    """A send that began after the server was heard so many seconds before ``FIXTURE_TIME``."""
    at = FIXTURE_TIME - timedelta(seconds=before_s)
    what = Unavailable("cut", maybe_sent=True) if fails else answer(202, at=at)
    play(bridge.deliver(out("chat/4101", key=key, handle=OWN)), what)


def heard(bridge: Any, *, before_s: float) -> None:
    """The server answered something, so its clock is known."""
    at = FIXTURE_TIME - timedelta(seconds=before_s)
    play(bridge.deliver(out("chat/4101", "something else", key=f"h{before_s}", handle=OWN)), answer(202, at=at))


def test_a_send_that_arrived_is_confirmed_with_its_id_and_session() -> None:
    bridge = bridge_of()
    heard(bridge, before_s=60)
    sent(bridge, key="k1", fails=True)
    result = asked(bridge, [row(before_s=30)]).result
    assert (result.ids, result.handle) == ((MessageId("m1"),), OWN)


def test_a_send_that_is_missing_is_absent_only_once_the_server_had_time_for_it() -> None:
    bridge = bridge_of()
    first = asked(bridge, [])
    assert isinstance(first.error, Unavailable)
    assert first.error.retry_after == SETTLE.total_seconds()
    assert isinstance(asked(bridge, [], later_s=SETTLE.total_seconds() - 1).error, Unavailable)
    assert is_absent(asked(bridge, [], later_s=SETTLE.total_seconds()))


def test_a_send_that_shows_up_late_is_confirmed() -> None:
    bridge = bridge_of()
    heard(bridge, before_s=60)
    sent(bridge, key="k1", fails=True)
    assert isinstance(asked(bridge, []).error, Unavailable)
    assert asked(bridge, [row(before_s=-3)], later_s=5).result.ids == ("m1",)


def test_the_same_words_sent_well_before_do_not_confirm_a_later_send() -> None:
    bridge = bridge_of()
    heard(bridge, before_s=60)
    sent(bridge, key="k1", fails=True)
    yesterday = [row(before_s=86_400)]
    assert isinstance(asked(bridge, yesterday).error, Unavailable)
    assert is_absent(asked(bridge, yesterday, later_s=10))


def test_the_same_words_sent_a_moment_before_do_not_confirm_a_later_send() -> None:
    bridge = bridge_of()
    heard(bridge, before_s=60)
    sent(bridge, key="k0", before_s=40)
    sent(bridge, key="k1", fails=True)
    once = [row(before_s=40)]
    assert isinstance(asked(bridge, once).error, Unavailable)
    assert is_absent(asked(bridge, once, later_s=10))


def test_the_same_words_sent_under_another_address_of_the_session_do_not_confirm() -> None:
    bridge = bridge_of()
    heard(bridge, before_s=60)
    session = {"messagesession-id": OWN, "messagesession-participants": "4100,4101", "user": "4100"}
    by_id = bridge.deliver(out(f"session/{OWN}", key="k0"))
    at = FIXTURE_TIME - timedelta(seconds=40)
    play(by_id, answer(200, []), answer(200, [session]), answer(202, at=at))
    bridge = asked_after(bridge)
    assert is_absent(asked(bridge, [row(before_s=40)], later_s=10))


def asked_after(bridge: Any) -> Any:
    """The bridge after a doubtful send, asked for the first time."""
    sent(bridge, key="k1", fails=True)
    assert isinstance(asked(bridge, [row(before_s=40)]).error, Unavailable)
    return bridge


def test_the_same_words_twice_confirm_the_second_of_two_sends() -> None:
    bridge = bridge_of()
    heard(bridge, before_s=60)
    sent(bridge, key="k0", before_s=40)
    sent(bridge, key="k1", fails=True)
    assert asked(bridge, [row(id="m2", before_s=20), row(before_s=40)]).result.ids == ("m2",)


def test_one_stored_message_confirms_one_send_only() -> None:
    bridge = bridge_of()
    heard(bridge, before_s=60)
    sent(bridge, key="k1", fails=True)
    rows = [row(before_s=30)]
    assert asked(bridge, rows).result.ids == ("m1",)
    sent(bridge, key="k2", fails=True)
    assert isinstance(asked(bridge, rows, key="k2").error, Unavailable)
    assert is_absent(asked(bridge, rows, key="k2", later_s=10))
    assert asked(bridge, rows).result.ids == ("m1",)


@pytest.mark.parametrize(
    "rows",
    [
        [row(text="other words")],
        [row(type="chat-media")],
        [row(**{"from-user-id": "4101@acme.example"})],
        [row(direction="orig")],
    ],
    ids=["other words", "other type", "written by somebody else", "inbound"],
)
def test_only_our_own_message_of_this_kind_confirms(rows: list[dict[str, Any]]) -> None:
    bridge = bridge_of()
    heard(bridge, before_s=60)
    sent(bridge, key="k1", fails=True)
    asked(bridge, rows)
    assert is_absent(asked(bridge, rows, later_s=10))


def test_after_a_restart_a_fresh_last_message_confirms() -> None:
    assert asked(bridge_of(), [row(before_s=60), row("earlier words", id="m0", before_s=90)]).result.ids == ("m1",)


@pytest.mark.parametrize(
    "rows",
    [
        [row(before_s=3600)],
        [row(before_s=10), row(id="m0", before_s=60)],
        [row("words since", id="m2", before_s=10), row(before_s=20)],
        [row(timestamp="some time ago")],
        [row(before_s=-3600)],
    ],
    ids=["long ago", "twice", "not the last one", "no time", "in the future"],
)
def test_after_a_restart_what_could_be_an_earlier_message_is_left_to_a_person(rows: list[dict[str, Any]]) -> None:
    played = asked(bridge_of(), rows)
    assert isinstance(played.error, Refused)
    assert "cannot be told" in str(played.error)


def test_a_message_that_another_time_zone_would_make_ours_is_left_to_a_person() -> None:
    bridge = bridge_of()
    heard(bridge, before_s=60)
    sent(bridge, key="k1", fails=True)
    assert isinstance(asked(bridge, [row(before_s=5 * 3600)]).error, Refused)


def test_times_are_read_in_the_zone_of_the_server() -> None:
    bridge = bridge_of(time_zone="America/New_York")
    heard(bridge, before_s=60)
    sent(bridge, key="k1", fails=True)
    assert asked(bridge, [row(before_s=5 * 3600 + 30)]).result.ids == ("m1",)


@pytest.mark.parametrize(("text", "stored"), [("007", 7), ("5", 5), ("true", True), ("a  b\n", "a b"), ("[1]", [1])])
def test_words_are_recognised_in_whatever_type_the_server_gives_them_back(text: str, stored: object) -> None:
    bridge = bridge_of()
    flow = bridge.confirm(out("chat/4101", text, handle=OWN))
    played = play(flow, answer(200, [row(text=stored)], at=FIXTURE_TIME))  # type: ignore[arg-type]
    assert played.result.ids == ("m1",)


def test_the_end_of_a_list_in_the_other_order_is_read() -> None:
    bridge = bridge_of()
    many = [row("other words", id=f"m{i}", before_s=1000 - i) for i in range(120)]
    rows = [*many, row(before_s=1)]
    first, second = (answer(200, rows[at : at + 100], at=FIXTURE_TIME) for at in (0, 100))
    again = answer(200, rows[:100], at=FIXTURE_TIME)
    played = play(bridge.confirm(out("chat/4101", handle=OWN)), first, again, second)
    assert played.result.ids == ("m1",)


@pytest.mark.parametrize("failure", [httpx.Response(503), httpx.Response(502), Unavailable("away")])
def test_a_session_that_cannot_be_read_leaves_it_open(failure: Any) -> None:
    played = play(bridge_of().confirm(out("chat/4101", handle=OWN)), failure)
    assert isinstance(played.error, Unavailable)


@VERSIONS
@pytest.mark.parametrize("conversation", ["chat/4101", "chat/4101,4102", f"sms/{PHONE}", f"sms/{PHONE},{OTHER_PHONE}"])
async def test_a_first_send_is_found_again_without_knowing_its_session(
    version: str, conversation: str, serve: Serve, client: httpx.AsyncClient
) -> None:
    world = World(serve, client, version=version)
    world.clock.now = await server_time(world)
    receipt = await world.deliver(out(conversation))
    world.bridge = bridge_of(world.given)
    found = await world.run(world.bridge.confirm(out(conversation)))
    assert found.handle == receipt.handle
    assert len(found.ids) == 1


async def server_time(world: World) -> Any:
    """The time by the ``Date`` of the web server in front of the sandbox, which is the machine's."""
    response = await world.client.get(f"{world.given['base_url']}/ns-api/v2/version")
    return parsedate_to_datetime(response.headers["date"])


async def test_a_file_is_found_again_by_its_size_too(serve: Serve, client: httpx.AsyncClient) -> None:
    world = World(serve, client)
    world.clock.now = await server_time(world)
    await world.deliver(file_out(f"sms/{PHONE}"))
    other = file_out(f"sms/{PHONE}", data=PNG + b"more")
    with pytest.raises(Unavailable, match="not in its session"):
        await world.run(world.bridge.confirm(other))
    world.bridge = bridge_of(world.given)
    assert await world.run(world.bridge.confirm(file_out(f"sms/{PHONE}")))
