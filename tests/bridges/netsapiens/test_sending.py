"""NetSapiens, sending: which of the six sends, as whom, into which session; and what became of it."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from bridges.errors import BridgeError, Inexpressible, Refused, Unavailable
from bridges.model import MessageId
from bridges.netsapiens.ledger import SETTLE
from bridges.netsapiens.places import Handle, session_id_for
from bridges.netsapiens.sandbox_store import Session, SmsNumber, Style
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
    play_at,
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


# After an unknown outcome. The send in doubt began at ``FIXTURE_TIME``; times are seconds from there.


def row(text: str = "deploy finished", *, id: str = "m1", at_s: float = 0, **changes: Any) -> dict[str, Any]:
    """A chat that we wrote, with the server's time."""
    at = FIXTURE_TIME + timedelta(seconds=at_s)
    return {
        "id": id,
        "timestamp": at.strftime("%Y-%m-%d %H:%M:%S"),
        "type": "chat",
        "direction": "",
        "text": text,
        "from-user-id": "4100@acme.example",
        **changes,
    }


def asked(
    bridge: Any,
    rows: list[dict[str, Any]],
    *,
    key: str = "k1",
    later_s: float = 1,
    ahead_s: float = 0,
    began_s: float | None = 0,
    **fields: Any,
) -> Any:
    """What ``confirm`` says so much later, when the session holds these messages and the server's clock is so much
    ahead of ours."""
    now = FIXTURE_TIME + timedelta(seconds=later_s)
    began_at = None if began_s is None else FIXTURE_TIME + timedelta(seconds=began_s)
    asking = out("chat/4101", key=key, handle=OWN, began_at=began_at, **fields)
    return play_at(now, bridge.confirm(asking), answer(200, rows, at=now + timedelta(seconds=ahead_s)))


def is_absent(played: Any) -> bool:
    return (played.result, played.error) == (None, None)


def is_open(played: Any) -> bool:
    return isinstance(played.error, Refused) and "cannot be told" in str(played.error)


def sent(bridge: Any, *, key: str, at_s: float = 0, fails: bool = False, text: str = "deploy finished") -> None:
    """A send, accepted at once or of unknown outcome."""
    at = FIXTURE_TIME + timedelta(seconds=at_s)
    what = Unavailable("cut", maybe_sent=True) if fails else answer(202, at=at)
    play_at(at, bridge.deliver(out("chat/4101", text, key=key, handle=OWN, began_at=at)), what)


def in_doubt(*, before: tuple[float, ...] = ()) -> Any:
    """A bridge after a send of unknown outcome, and before it accepted ones with the same words at these times."""
    bridge = bridge_of()
    for number, at_s in enumerate(before):
        sent(bridge, key=f"before-{number}", at_s=at_s)
    sent(bridge, key="k1", fails=True)
    return bridge


def restarted() -> Any:
    """A bridge that knows nothing of the send in doubt but what it is asked."""
    return bridge_of()


KNOWING = pytest.mark.parametrize("made", [in_doubt, restarted], ids=["same process", "after a restart"])


@KNOWING
@pytest.mark.parametrize("at_s", [0, 1, 30])
def test_a_send_that_arrived_is_confirmed_with_its_id_and_session(made: Any, at_s: float) -> None:
    result = asked(made(), [row(at_s=at_s)], later_s=40).result
    assert (result.ids, result.handle) == ((MessageId("m1"),), OWN)


@KNOWING
@pytest.mark.parametrize("ahead_s", [-7200, -90, 3, 3600])
def test_the_clock_of_the_server_may_be_another_than_ours(made: Any, ahead_s: float) -> None:
    assert asked(made(), [row(at_s=ahead_s)], ahead_s=ahead_s).result.ids == ("m1",)
    assert is_open(asked(made(), [row(at_s=ahead_s - 7)], ahead_s=ahead_s))


@KNOWING
@pytest.mark.parametrize("later_s", [1, 3600])
def test_how_long_ago_it_was_makes_no_difference(made: Any, later_s: float) -> None:
    assert asked(made(), [row(at_s=1)], later_s=later_s).result.ids == ("m1",)
    assert is_open(asked(made(), [row(at_s=-7)], later_s=later_s))


@KNOWING
@pytest.mark.parametrize("at_s", [-2, -7, -60, -3600])
def test_the_same_words_written_before_by_somebody_else_do_not_confirm(made: Any, at_s: float) -> None:
    assert is_open(asked(made(), [row(at_s=at_s)]))


@KNOWING
def test_the_same_words_written_long_after_the_request_was_given_up_do_not_confirm(made: Any) -> None:
    assert is_open(asked(made(), [row(at_s=40)], later_s=700))


@KNOWING
def test_the_same_words_before_and_since_leave_it_open_if_they_are_close(made: Any) -> None:
    assert is_open(asked(made(), [row(id="m2", at_s=1), row(at_s=-3)]))


@KNOWING
def test_words_of_an_hour_ago_are_no_doubt_where_there_are_new_ones(made: Any) -> None:
    assert asked(made(), [row(id="m2", at_s=1), row(at_s=-3600)]).result.ids == ("m2",)


@KNOWING
def test_the_same_words_twice_since_are_left_to_a_person(made: Any) -> None:
    assert is_open(asked(made(), [row(id="m2", at_s=3), row(at_s=1)], later_s=9))


def after_restart(bridge: Any) -> Any:
    """Another process that recalls what this one learnt."""
    again = bridge_of()
    again.recall(bridge.learnt())
    return again


@pytest.mark.parametrize("before_s", [-40, -7, -1.2, -0.5])
@pytest.mark.parametrize("ahead_s", [-1.9, -0.5, 0])
def test_our_own_send_of_before_a_restart_does_not_confirm_a_later_one(before_s: float, ahead_s: float) -> None:
    before = bridge_of()
    sent(before, key="k0", at_s=before_s)
    played = asked(after_restart(before), [row(at_s=before_s)], ahead_s=ahead_s)
    assert played.result is None
    assert isinstance(played.error, Unavailable) or is_open(played)


def test_the_second_of_two_is_found_after_a_restart() -> None:
    before = bridge_of()
    sent(before, key="k0", at_s=-7)
    rows = [row(id="m2", at_s=1), row(at_s=-7)]
    assert asked(after_restart(before), rows).result.ids == ("m2",)


def test_what_was_found_before_a_restart_confirms_no_other_send() -> None:
    bridge = in_doubt()
    assert asked(bridge, [row(at_s=1)]).result.ids == ("m1",)
    played = asked(after_restart(bridge), [row(at_s=1)], key="k2", began_s=1.5, later_s=3)
    assert played.result is None


def test_only_the_latest_sends_are_remembered() -> None:
    bridge = bridge_of()
    for number in range(200):
        sent(bridge, key=f"k{number}", at_s=number, text=f"words {number}")
    assert len(json.loads(bridge.learnt()["sent"])) <= 65
    assert len(bridge.learnt()["sent"]) < 6000


def test_where_too_many_were_sent_to_be_remembered_only_what_is_surely_new_confirms() -> None:
    before = bridge_of()
    for number in range(100):
        sent(before, key=f"b{number}", at_s=-1 + number / 200, text=f"words {number}")
    again = after_restart(before)
    assert is_open(asked(again, [row(at_s=1)], later_s=9))
    assert asked(again, [row(at_s=6)], later_s=9).result.ids == ("m1",)


@pytest.mark.parametrize(
    "kept", ["", "{", "5", "[]", '["x"]', "[1,2]", "[1,[2]]", '[1,["k","a","b"]]', "[1e400]", "[NaN]"]
)
def test_a_memory_of_sends_that_makes_no_sense_is_left_aside(kept: str) -> None:
    bridge = bridge_of()
    bridge.recall({"account": bridge._account, "sent": kept})
    assert bridge.learnt() == {}


@KNOWING
def test_a_send_whose_begin_is_not_known_is_left_to_a_person(made: Any) -> None:
    assert is_open(asked(made(), [row(at_s=1)], began_s=None))


def test_a_server_that_tells_no_time_leaves_it_to_a_person() -> None:
    bridge = restarted()
    flow = bridge.confirm(out("chat/4101", handle=OWN, began_at=FIXTURE_TIME))
    assert is_open(play_at(FIXTURE_TIME, flow, answer(200, [row(at_s=1)])))


@KNOWING
def test_a_send_that_is_missing_is_absent_only_once_the_server_had_time_for_it(made: Any) -> None:
    bridge = made()
    first = asked(bridge, [])
    assert isinstance(first.error, Unavailable)
    assert first.error.retry_after == SETTLE.total_seconds()
    assert isinstance(asked(bridge, [], later_s=SETTLE.total_seconds()).error, Unavailable)
    assert is_absent(asked(bridge, [], later_s=1 + SETTLE.total_seconds()))


@KNOWING
def test_a_send_that_shows_up_late_is_confirmed(made: Any) -> None:
    bridge = made()
    assert isinstance(asked(bridge, []).error, Unavailable)
    assert asked(bridge, [row(at_s=3)], later_s=5).result.ids == ("m1",)


@KNOWING
def test_the_same_words_of_yesterday_are_no_doubt(made: Any) -> None:
    bridge, yesterday = made(), [row(at_s=-86_400)]
    assert isinstance(asked(bridge, yesterday).error, Unavailable)
    assert is_absent(asked(bridge, yesterday, later_s=10))


def test_our_own_sends_with_the_same_words_before_do_not_confirm_a_later_one() -> None:
    bridge = in_doubt(before=(-400, -40))
    rows = [row(at_s=-40), row(id="m0", at_s=-400)]
    assert isinstance(asked(bridge, rows).error, Unavailable)
    assert is_absent(asked(bridge, rows, later_s=10))


def test_our_own_send_a_moment_before_leaves_a_single_message_open() -> None:
    assert is_open(asked(in_doubt(before=(-0.5,)), [row(at_s=0)]))


def test_the_same_words_sent_under_another_address_of_the_session_do_not_confirm() -> None:
    bridge = bridge_of()
    at = FIXTURE_TIME - timedelta(seconds=40)
    session = {"messagesession-id": OWN, "messagesession-participants": "4100,4101", "user": "4100"}
    by_id = bridge.deliver(out(f"session/{OWN}", key="k0", began_at=at))
    play_at(at, by_id, answer(200, []), answer(200, [session]), answer(202, at=at))
    sent(bridge, key="k1", fails=True)
    assert isinstance(asked(bridge, [row(at_s=-40)]).error, Unavailable)
    assert is_absent(asked(bridge, [row(at_s=-40)], later_s=10))


@pytest.mark.parametrize("before_s", [-40, -0.5])
def test_the_same_words_twice_confirm_the_second_of_two_sends(before_s: float) -> None:
    rows = [row(id="m2", at_s=1), row(at_s=before_s)]
    assert asked(in_doubt(before=(before_s,)), rows).result.ids == ("m2",)


def test_one_stored_message_confirms_one_send_only() -> None:
    bridge = in_doubt()
    rows = [row(at_s=1)]
    assert asked(bridge, rows).result.ids == ("m1",)
    sent(bridge, key="k2", at_s=2, fails=True)
    assert isinstance(asked(bridge, rows, key="k2", began_s=2, later_s=3).error, Unavailable)
    assert is_absent(asked(bridge, rows, key="k2", began_s=2, later_s=10))
    assert asked(bridge, rows, later_s=11).result.ids == ("m1",)


def test_a_first_attempt_that_arrived_late_confirms_the_second_one() -> None:
    bridge = in_doubt()
    sent(bridge, key="k1", at_s=20, fails=True)
    assert asked(bridge, [row(at_s=12)], began_s=20, later_s=30).result.ids == ("m1",)


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
@KNOWING
def test_only_our_own_message_of_this_kind_confirms(made: Any, rows: list[dict[str, Any]]) -> None:
    bridge = made()
    asked(bridge, rows)
    assert is_absent(asked(bridge, rows, later_s=10))


@pytest.mark.parametrize(
    "rows",
    [
        [row(timestamp="some time ago")],
        [row(timestamp=None)],
        [row(at_s=3600)],
        [row(at_s=1), row("other words", id="m0", at_s=3600)],
        [row(at_s=-5 * 3600)],
    ],
    ids=["no time", "none at all", "in the future", "another one in the future", "hours ago"],
)
@KNOWING
def test_times_that_are_of_another_zone_or_none_leave_it_to_a_person(made: Any, rows: list[dict[str, Any]]) -> None:
    assert is_open(asked(made(), rows))


def test_times_are_read_in_the_zone_of_the_server() -> None:
    bridge = bridge_of(time_zone="America/New_York")
    assert asked(bridge, [row(at_s=1 - 5 * 3600)]).result.ids == ("m1",)


@pytest.mark.parametrize(("text", "stored"), [("007", 7), ("5", 5), ("true", True), ("a  b\n", "a b"), ("[1]", [1])])
def test_words_are_recognised_in_whatever_type_the_server_gives_them_back(text: str, stored: object) -> None:
    flow = bridge_of().confirm(out("chat/4101", text, handle=OWN, began_at=FIXTURE_TIME))
    played = play(flow, answer(200, [row(text=stored)], at=FIXTURE_TIME))  # type: ignore[arg-type]
    assert played.result.ids == ("m1",)


def test_the_end_of_a_list_in_the_other_order_is_read() -> None:
    many = [row("other words", id=f"m{i}", at_s=i - 1000) for i in range(120)]
    rows = [*many, row(at_s=1)]
    assert paged_answers(rows).result.ids == ("m1",)


def test_a_session_with_a_hundred_messages_since_is_read_on() -> None:
    many = [row("other words", id=f"m{i}", at_s=200 - i) for i in range(120)]
    assert paged_answers([*many, row(at_s=1)], later_s=300).result.ids == ("m1",)


def paged_answers(rows: list[dict[str, Any]], *, later_s: float = 5) -> Any:
    """What ``confirm`` says of a session that takes two pages to read."""
    now = FIXTURE_TIME + timedelta(seconds=later_s)
    flow = bridge_of().confirm(out("chat/4101", handle=OWN, began_at=FIXTURE_TIME))
    pages = [answer(200, page, at=now) for page in (rows[:100], rows[:100], rows[100:])]
    return play_at(now, flow, *pages)


def test_a_list_that_does_not_end_never_says_that_a_message_is_not_there() -> None:
    pages = itertools.count()

    def page() -> httpx.Response:
        first = 100 * next(pages)
        rows = [row("other words", id=f"m{first + i}", at_s=first + i - 90_000) for i in range(100)]
        return answer(200, rows, at=FIXTURE_TIME)

    flow = bridge_of().confirm(out("chat/4101", handle=OWN, began_at=FIXTURE_TIME))
    played = play_at(FIXTURE_TIME, flow, *(page() for _ in range(51)))
    assert isinstance(played.error, Refused)
    assert "could be read" in str(played.error)


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
    world.clock.runs = True
    began_at = world.clock()
    receipt = await world.deliver(out(conversation, began_at=began_at))
    world.bridge = bridge_of(world.given)
    found = await world.run(world.bridge.confirm(out(conversation, began_at=began_at)))
    assert found.handle == receipt.handle
    assert len(found.ids) == 1


async def test_a_send_from_another_number_is_found_again_with_its_handle(
    serve: Serve, client: httpx.AsyncClient
) -> None:
    world = World(serve, client, numbers=[SmsNumber(OURS, "4100"), SmsNumber(OTHER_NUMBER, "4102")])
    world.clock.runs = True
    answered = out(f"sms/{PHONE}", handle=f"/{OTHER_NUMBER}/4101", began_at=world.clock())
    receipt = await world.deliver(answered)
    world.bridge = bridge_of(world.given)
    found = await world.run(world.bridge.confirm(answered))
    assert found.handle == receipt.handle == f"{world.sandbox.accepted[0].session}/{OTHER_NUMBER}/4102"


@pytest.mark.parametrize("newest_first", [True, False])
async def test_a_session_is_found_among_more_than_a_hundred_in_either_order(
    newest_first: bool, serve: Serve, client: httpx.AsyncClient
) -> None:
    others = [str(number) for number in range(5000, 5130)]
    world = World(serve, client, extensions=["4100", *others])
    world.clock.runs = True
    world.sandbox.subscribe("http://127.0.0.1:9/nobody")
    for other in others[:120]:
        world.sandbox.sessions[f"s{other}"] = Session(
            f"s{other}", ["4100", other], last_at=f"2025-01-01 00:{int(other) % 60:02}:00", last_type="chat"
        )
    if not newest_first:
        world.sandbox.sessions_listed = "oldest first"
    waiting = out("chat/5125", began_at=world.clock())
    receipt = await world.deliver(waiting)
    assert receipt.handle == world.sandbox.accepted[0].session
    world.bridge = bridge_of(world.given)
    assert await world.run(world.bridge.confirm(waiting)) is not None


async def test_a_file_is_found_again_by_its_size_too(serve: Serve, client: httpx.AsyncClient) -> None:
    world = World(serve, client)
    world.clock.runs = True
    began_at = world.clock()
    await world.deliver(replace(file_out(f"sms/{PHONE}"), began_at=began_at))
    other = replace(file_out(f"sms/{PHONE}", data=PNG + b"more"), began_at=began_at)
    with pytest.raises(Unavailable, match="not in its session"):
        await world.run(world.bridge.confirm(other))
    world.bridge = bridge_of(world.given)
    assert await world.run(world.bridge.confirm(replace(file_out(f"sms/{PHONE}"), began_at=began_at)))


async def test_a_send_that_was_lost_is_not_confirmed_by_what_a_person_wrote_before_with_the_same_extension(
    serve: Serve, client: httpx.AsyncClient
) -> None:
    world = World(serve, client)
    world.clock.runs = True
    world.sandbox.subscribe("http://127.0.0.1:9/nobody")
    first = await world.deliver(out("chat/4101", "hello", key="k0", began_at=world.clock()))
    world.clock.runs, world.clock.now = False, world.clock() - timedelta(seconds=7)
    await world.sandbox.chat("4100", "4101", "yes")
    world.clock.runs = True
    lost = out("chat/4101", "yes", handle=first.handle, began_at=world.clock())
    with pytest.raises(Refused, match="cannot be told"):
        await world.run(world.bridge.confirm(lost))
