"""OpenIM: tokens, operationIDs, messages of every kind, puppets, and what became of a send, against the sandbox."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from bridges.api import Answered
from bridges.driver import drive
from bridges.errors import BridgeError, Inexpressible, Refused, Unauthorized, Unavailable
from bridges.faults import Faults, Mode
from bridges.files import Bytes
from bridges.model import (
    Attachment,
    ConversationId,
    Message,
    MessageId,
    Person,
    PersonId,
    Receipt,
    Received,
    Span,
    SpanKind,
)
from bridges.openim import wire
from bridges.openim.auth import OPERATION_PREFIX, send_operation
from bridges.openim.content import SNAPSHOT, is_marked, mark_of, marked, marks_in
from bridges.openim.puppets import puppet_id
from bridges.openim.sandbox import GROUP_ID, OpenIMSandbox
from bridges.testing import FIXTURE_TIME, play
from tests.bridges.openim.common import ANN, CLUB, GROUP, SECRET, Running, Serve, Time, bridge_for, out

LINES: tuple[wire.Line, ...] = ("stable", "main")


def ok(data: object = None) -> httpx.Response:
    return httpx.Response(200, json={"errCode": 0, "errMsg": "", "errDlt": "", "data": data})


def refusal(code: int, detail: str = "") -> httpx.Response:
    return httpx.Response(200, json={"errCode": code, "errMsg": "Error", "errDlt": detail})


def token(value: str = "eyJ-token", life: object = 7_776_000) -> httpx.Response:
    return ok({"token": value, "expireTimeSeconds": life})


def sent(id: str = "c1") -> httpx.Response:
    return ok({"serverMsgID": "s1", "clientMsgID": id, "sendTime": 1})


# The token


async def test_a_token_that_expires_among_a_thousand_sends_is_renewed_once_and_none_is_lost(
    serve: Serve, client: httpx.AsyncClient
) -> None:
    sandbox = OpenIMSandbox()
    world = Running(serve, client, sandbox)
    sandbox.hook_url = None
    await world.deliver("first", key="first")
    slots = asyncio.Semaphore(50)

    async def one(number: int) -> Receipt:
        async with slots:
            if number == 500:
                # As the server has it; ours thinks that it is good for months.
                sandbox.tokens = {
                    value: type(issued)(issued.user, FIXTURE_TIME) for value, issued in sandbox.tokens.items()
                }
            receipt: Receipt = await world.deliver(f"text {number}", key=f"k{number}")
            return receipt

    receipts = await asyncio.gather(*(one(number) for number in range(1000)))
    assert len({id for receipt in receipts for id in receipt.ids}) == 1000
    assert sorted(message.text for message in sandbox.accepted[1:]) == sorted(f"text {n}" for n in range(1000))
    assert len(sandbox.tokens) == 2
    assert sandbox.reused == []


async def test_a_token_is_renewed_before_it_ends(serve: Serve, client: httpx.AsyncClient) -> None:
    world = Running(serve, client, OpenIMSandbox(token_life_s=3600))
    await world.deliver(key="k1")
    world.clock.goes_on(minutes=54)
    await world.deliver(key="k2")
    assert len(world.sandbox.tokens) == 1
    world.clock.goes_on(minutes=1, seconds=1)
    await world.deliver(key="k3")
    assert len(world.sandbox.tokens) == 2
    assert all(call.detail == "errCode 0" for call in world.sandbox.calls)


async def test_a_short_life_leaves_time_to_use_the_token(serve: Serve, client: httpx.AsyncClient) -> None:
    world = Running(serve, client, OpenIMSandbox(token_life_s=60))
    for number in range(3):
        await world.deliver(key=f"k{number}")
        world.clock.goes_on(seconds=20)
    assert len(world.sandbox.tokens) == 1


@pytest.mark.parametrize("life", [None, 0, -1, "", "soon", True, [], 10**30])
def test_a_life_that_makes_no_sense_leaves_a_token_that_is_used_until_it_is_refused(life: object) -> None:
    bridge = bridge_for()
    played = play(bridge.deliver(out()), token(life=life), sent(), auth=bridge.auth)
    assert played.result.ids == ("c1",)
    assert not bridge.auth.stale(FIXTURE_TIME)


@pytest.mark.parametrize("code", wire.CODES_TOKEN)
def test_each_of_the_token_errors_renews_once(code: int) -> None:
    bridge = bridge_for()
    played = play(bridge.deliver(out()), token("eyJ-1"), refusal(code), token("eyJ-2"), sent(), auth=bridge.auth)
    assert [request.headers.get("token") for request in played.requests] == [None, "eyJ-1", None, "eyJ-2"]
    assert played.result.ids == ("c1",)


@pytest.mark.parametrize("code", [1002, 1500, 1508, 150])
def test_other_errors_renew_nothing(code: int) -> None:
    bridge = bridge_for()
    played = play(bridge.deliver(out()), token(), refusal(code), auth=bridge.auth)
    assert len(played.requests) == 2 and played.error is not None


async def test_a_new_token_of_another_process_ends_ours_after_five_minutes_on_main(
    serve: Serve, client: httpx.AsyncClient
) -> None:
    world = Running(serve, client, OpenIMSandbox(line="main"))
    other = bridge_for(world.url)
    await world.deliver(key="k1")
    await world.run(other.probe(), bridge=other)
    world.clock.goes_on(minutes=4)
    await world.deliver(key="k2")
    assert len(world.sandbox.tokens) == 2
    world.clock.goes_on(minutes=2)
    await world.deliver(key="k3")
    assert len(world.sandbox.tokens) == 3
    assert [message.text for message in world.sandbox.accepted] == ["hello"] * 3


async def test_what_one_process_learnt_serves_the_next(serve: Serve, client: httpx.AsyncClient) -> None:
    world = Running(serve, client, OpenIMSandbox())
    await world.deliver(key="k1")
    other = bridge_for(world.url)
    other.recall(world.bridge.learnt())
    await world.run(other.deliver(out(key="k2")), bridge=other)
    assert world.paths().count(wire.GET_ADMIN_TOKEN) == 1


@pytest.mark.parametrize(
    "changes", [{"base_url": "https://other.example"}, {"admin_user": "other"}, {"secret": "changed-0123456789"}]
)
def test_a_token_of_another_server_or_admin_is_not_used(changes: dict[str, Any]) -> None:
    bridge = bridge_for()
    play(bridge.deliver(out()), token(), sent(), auth=bridge.auth)
    other = bridge_for(**changes)
    other.recall(bridge.learnt())
    assert other.learnt() == {}
    assert other.auth.stale(FIXTURE_TIME)


def test_what_was_learnt_is_the_same_object_until_there_is_another_token() -> None:
    bridge = bridge_for()
    play(bridge.deliver(out()), token("eyJ-1"), sent(), auth=bridge.auth)
    first = bridge.learnt()
    bridge.recall(dict(first))
    assert bridge.learnt() is first
    play(bridge.deliver(out()), refusal(1501), token("eyJ-2"), sent(), auth=bridge.auth)
    assert bridge.learnt() is not first


def test_a_token_that_cannot_stand_in_a_header_is_not_kept() -> None:
    bridge = bridge_for()
    played = play(bridge.deliver(out()), token("with space"), auth=bridge.auth)
    assert isinstance(played.error, Unavailable)
    assert bridge.learnt() == {}


# operationIDs


def test_a_request_that_is_repeated_has_an_operation_of_its_own() -> None:
    bridge = bridge_for()
    played = play(bridge.deliver(out()), token("eyJ-1"), refusal(1501), token("eyJ-2"), sent(), auth=bridge.auth)
    operations = [request.headers["operationid"] for request in played.requests]
    assert len(set(operations)) == 4
    assert operations[1] == send_operation("k1", attempt=1)
    assert operations[3] == send_operation("k1", attempt=1) + "-r"
    assert all(operation.startswith(OPERATION_PREFIX) for operation in operations)


def test_operations_differ_between_messages_attempts_and_parts() -> None:
    made = {
        send_operation(key, attempt=attempt, part=part, turn=turn)
        for key in ("k1", "k11")
        for attempt in (1, 11)
        for part in (0, 1)
        for turn in (0, 1)
    }
    assert len(made) == 16


async def test_no_operation_is_used_twice_by_two_bridges_that_do_everything(
    serve: Serve, client: httpx.AsyncClient
) -> None:
    world = Running(serve, client, OpenIMSandbox())
    for start in range(2):
        bridge = bridge_for(world.url)
        bridge.recall(world.bridge.learnt())
        for flow in (bridge.probe(), bridge.conversations(), bridge.deliver(out(key=f"k{start}"))):
            await world.run(flow, bridge=bridge)
            world.clock.goes_on(milliseconds=1)
    assert world.sandbox.reused == []
    assert len(world.sandbox.operations) == 10


# Every kind of message


async def test_a_group_is_named_in_both_fields(serve: Serve, client: httpx.AsyncClient) -> None:
    world = Running(serve, client, OpenIMSandbox())
    await world.deliver()
    body = world.sandbox.accepted[0].body
    assert (body["recvID"], body["groupID"], body["sessionType"]) == (GROUP_ID, GROUP_ID, 3)


async def test_a_user_is_named_in_one_field(serve: Serve, client: httpx.AsyncClient) -> None:
    world = Running(serve, client, OpenIMSandbox())
    await world.deliver(to="user/alice")
    body = world.sandbox.accepted[0].body
    assert (body["recvID"], "groupID" in body, body["sessionType"]) == ("alice", False, 1)


def attachment(kind: Any, name: str = "f.bin", media_type: str = "", **about: Any) -> Attachment:
    return Attachment(kind=kind, ref="r", name=name, media_type=media_type, **about)


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize(
    ("file", "kind"),
    [
        (attachment("image", "cat.png", "image/png", width=800, height=600), wire.PICTURE),
        (attachment("sticker", "wave.webp", "image/webp"), wire.PICTURE),
        (attachment("sticker", "wave.tgs", "application/x-tgsticker"), wire.FILE),
        (attachment("voice", "v.ogg", "audio/ogg", duration_s=4), wire.VOICE),
        (attachment("audio", "song.mp3", "audio/mpeg", duration_s=240), wire.FILE),
        (attachment("video", "m.mp4", "video/mp4", duration_s=12), wire.VIDEO),
        (attachment("file", "Überblick 2026.pdf", "application/pdf"), wire.FILE),
        (attachment("image", ""), wire.PICTURE),
        (attachment("voice", "", duration_s=0), wire.VOICE),
        (attachment("video", ""), wire.VIDEO),
        (attachment("file", ""), wire.FILE),
    ],
    ids=lambda value: value.name or value.kind if isinstance(value, Attachment) else "",
)
async def test_a_file_is_uploaded_sent_and_found_at_its_address(
    line: wire.Line, file: Attachment, kind: int, serve: Serve, client: httpx.AsyncClient
) -> None:
    world = Running(serve, client, OpenIMSandbox(line=line))
    receipt = await world.deliver("", attachments=(file,), files=(Bytes(b"the bytes"),))
    (accepted,) = world.sandbox.accepted
    assert receipt.ids == (accepted.id,)
    assert accepted.content_type == kind
    echo = world.events[-1]
    assert isinstance(echo, Received)
    (seen,) = echo.message.attachments
    assert await world.run(world.bridge.fetch(seen)) == Bytes(b"the bytes")


async def test_a_caption_follows_its_picture(serve: Serve, client: httpx.AsyncClient) -> None:
    world = Running(serve, client, OpenIMSandbox())
    receipt = await world.deliver("look", attachments=(attachment("image"),), files=(Bytes(b"x"),))
    assert [message.content_type for message in world.sandbox.accepted] == [wire.PICTURE, wire.TEXT]
    assert receipt.ids == tuple(message.id for message in world.sandbox.accepted)
    assert world.sandbox.accepted[1].text == "look"


async def test_an_album_keeps_its_order(serve: Serve, client: httpx.AsyncClient) -> None:
    world = Running(serve, client, OpenIMSandbox())
    files = (attachment("file", "a"), attachment("file", "b"), attachment("file", "c"))
    await world.deliver("three", attachments=files, files=(Bytes(b"1"), Bytes(b"2"), Bytes(b"3")))
    assert [message.text for message in world.sandbox.accepted] == ["a", "b", "c", "three"]


async def test_a_video_is_shown_by_a_picture_that_is_there(serve: Serve, client: httpx.AsyncClient) -> None:
    world = Running(serve, client, OpenIMSandbox())
    await world.deliver("", attachments=(attachment("video"),), files=(Bytes(b"x"),))
    content = world.sandbox.accepted[0].content
    picture = await world.run(
        world.bridge.fetch(attachment("image").model_copy(update={"ref": content["snapshotUrl"]}))
    )
    assert picture == SNAPSHOT
    assert SNAPSHOT.data.startswith(b"\x89PNG") and SNAPSHOT.size < 1000


async def test_the_storage_gets_neither_token_nor_operation(serve: Serve, client: httpx.AsyncClient) -> None:
    bridge = bridge_for()
    answers = [
        token(),
        ok({"id": "t", "url": "https://storage.example/x"}),
        httpx.Response(204),
        ok({"url": "https://u"}),
    ]
    flow = bridge.deliver(out("", attachments=(attachment("file"),), files=(Bytes(b"x"),)))
    played = play(flow, *answers, sent(), auth=bridge.auth)
    assert played.error is None
    upload = played.requests[2]
    assert upload.url.host == "storage.example"
    assert {"token", "operationid"} & set(upload.headers) == set()


async def test_an_empty_file_is_inexpressible_and_asks_for_nothing(serve: Serve, client: httpx.AsyncClient) -> None:
    world = Running(serve, client, OpenIMSandbox())
    with pytest.raises(Inexpressible, match="empty"):
        await world.deliver("", attachments=(attachment("file"),), files=(Bytes(b""),))
    assert world.paths() == []


ANSWERED = Answered(
    id=MessageId("c0"), text="ship\nit?", sender=Person(id=PersonId("alice"), name="Alice"), at=FIXTURE_TIME
)


async def test_a_reply_is_a_quote_on_main(serve: Serve, client: httpx.AsyncClient) -> None:
    world = Running(serve, client, OpenIMSandbox(line="main"))
    await world.deliver("agreed", reply_to=MessageId("c0"), answered=ANSWERED)
    (accepted,) = world.sandbox.accepted
    assert (accepted.content_type, accepted.text) == (wire.QUOTE, "agreed")
    assert accepted.content["quoteMessage"]["clientMsgID"] == "c0"
    assert accepted.content["quoteMessage"]["textElem"] == {"content": "ship\nit?"}


@pytest.mark.parametrize(
    ("said", "text"), [("stable", "agreed"), ("main", "> Alice: ship it?\nagreed")], ids=["stable", "main"]
)
async def test_a_reply_to_the_stable_line_quotes_in_words_only_where_the_settings_promise_a_quote(
    said: wire.Line, text: str, serve: Serve, client: httpx.AsyncClient
) -> None:
    world = Running(serve, client, OpenIMSandbox())
    bridge = bridge_for(world.url, server_line=said)
    flow = bridge.deliver(out("agreed", reply_to=MessageId("c0"), answered=ANSWERED))
    await world.run(flow, bridge=bridge)
    (accepted,) = world.sandbox.accepted
    assert (accepted.content_type, accepted.text) == (wire.TEXT, text)
    assert world.sandbox.reused == []


async def test_an_answer_to_a_broadcast_quotes_the_message_and_not_our_id_of_it(
    serve: Serve, client: httpx.AsyncClient
) -> None:
    world = Running(serve, client, OpenIMSandbox(line="main"))
    said = Answered(id=MessageId("c0/alice"), text="news")
    await world.deliver("more", to="user/alice", reply_to=MessageId("c0/alice"), answered=said)
    assert world.sandbox.accepted[0].content["quoteMessage"]["clientMsgID"] == "c0"


BOLD = Span(kind=SpanKind.BOLD, start=0, length=5)


async def test_formatting_is_markdown_on_main_and_left_out_on_stable(serve: Serve, client: httpx.AsyncClient) -> None:
    for line, kind, text in (("main", wire.MARKDOWN, "**hello** you\\_2"), ("stable", wire.TEXT, "hello you_2")):
        world = Running(serve, client, OpenIMSandbox(line=line))  # type: ignore[arg-type]
        await world.deliver("hello you_2", spans=(BOLD,))
        assert [(each.content_type, each.text) for each in world.sandbox.accepted] == [(kind, text)]


async def test_text_without_formatting_is_text_on_main_too(serve: Serve, client: httpx.AsyncClient) -> None:
    world = Running(serve, client, OpenIMSandbox(line="main"))
    await world.deliver("*hello* you_2")
    assert [(each.content_type, each.text) for each in world.sandbox.accepted] == [(wire.TEXT, "*hello* you_2")]


async def test_a_mention_calls_by_id(serve: Serve, client: httpx.AsyncClient) -> None:
    world = Running(serve, client, OpenIMSandbox(line="main"))
    await world.deliver("@Alice look", spans=(Span(kind=SpanKind.MENTION, start=0, length=6, value="alice"),))
    (accepted,) = world.sandbox.accepted
    assert (accepted.content_type, accepted.content["atUserList"]) == (wire.AT_TEXT, ["alice"])
    assert json.loads(world.hooks[0].body)["atUserList"] == ["alice"]


@pytest.mark.parametrize("value", [None, "", "two words", "x" * 65])
async def test_a_mention_of_nobody_that_can_be_called_is_text(
    value: str | None, serve: Serve, client: httpx.AsyncClient
) -> None:
    world = Running(serve, client, OpenIMSandbox())
    await world.deliver("@Alice look", spans=(Span(kind=SpanKind.MENTION, start=0, length=6, value=value),))
    assert world.sandbox.accepted[0].content_type == wire.TEXT


async def test_online_only_is_stored_nowhere_and_has_its_flag(serve: Serve, client: httpx.AsyncClient) -> None:
    world = Running(serve, client, OpenIMSandbox(), online_only=True, no_offline_push=True, push_title="News")
    await world.deliver()
    body = world.sandbox.accepted[0].body
    assert (body["isOnlineOnly"], body["notOfflinePush"]) == (True, True)
    assert body["offlinePushInfo"] == {"title": "News", "desc": ""}
    assert world.sandbox.stored == []


# Puppets


async def test_a_puppet_is_registered_invited_and_sends(serve: Serve, client: httpx.AsyncClient) -> None:
    world = Running(serve, client, OpenIMSandbox(), send_as="puppet")
    assert world.bridge.capabilities.names_shown
    receipt = await world.deliver("hello", sender=ANN)
    (accepted,) = world.sandbox.accepted
    assert (accepted.sender, accepted.nickname, receipt.ids) == ("tg_420017", "Ann Lee (TG)", (accepted.id,))
    assert world.sandbox.users["tg_420017"].nickname == "Ann Lee (TG)"
    assert "tg_420017" in world.sandbox.groups[GROUP_ID].members
    assert world.sandbox.reused == []


async def test_a_puppet_that_is_known_needs_one_request(serve: Serve, client: httpx.AsyncClient) -> None:
    world = Running(serve, client, OpenIMSandbox(), send_as="puppet")
    await world.deliver(sender=ANN, key="k1")
    world.sandbox.calls.clear()
    await world.deliver(sender=ANN, key="k2")
    assert world.paths() == [wire.SEND_MSG]


async def test_a_puppet_follows_its_persons_name(serve: Serve, client: httpx.AsyncClient) -> None:
    world = Running(serve, client, OpenIMSandbox(), send_as="puppet")
    await world.deliver(sender=ANN, key="k1")
    await world.deliver(sender=ANN.model_copy(update={"name": "Ann\nMiller"}), key="k2")
    assert world.sandbox.users["tg_420017"].nickname == "Ann Miller (TG)"
    assert [message.nickname for message in world.sandbox.accepted] == ["Ann Lee (TG)", "Ann Miller (TG)"]


async def test_after_a_restart_a_puppet_is_found_registered_and_renamed(
    serve: Serve, client: httpx.AsyncClient
) -> None:
    world = Running(serve, client, OpenIMSandbox(), send_as="puppet")
    await world.deliver(sender=ANN, key="k1")
    again = bridge_for(world.url, send_as="puppet")
    await world.run(again.deliver(out(sender=ANN.model_copy(update={"name": "Ann M."}), key="k2")), bridge=again)
    assert world.sandbox.users["tg_420017"].nickname == "Ann M. (TG)"
    assert len(world.sandbox.accepted) == 2


async def test_a_puppet_that_the_server_has_forgotten_is_made_again(serve: Serve, client: httpx.AsyncClient) -> None:
    world = Running(serve, client, OpenIMSandbox(), send_as="puppet")
    await world.deliver(sender=ANN, key="k1")
    del world.sandbox.users["tg_420017"]
    world.sandbox.groups[GROUP_ID].members.remove("tg_420017")
    await world.deliver(sender=ANN, key="k2")
    assert len(world.sandbox.accepted) == 2


async def test_two_processes_that_invite_one_puppet_both_send(serve: Serve, client: httpx.AsyncClient) -> None:
    world = Running(serve, client, OpenIMSandbox(), send_as="puppet")
    other = bridge_for(world.url, send_as="puppet")
    both_wait = asyncio.Barrier(2)

    async def together(request: httpx.Request) -> httpx.Response:
        if request.url.path == wire.INVITE:
            await both_wait.wait()
        return await client.send(request)

    flows = [(world.bridge, out(sender=ANN, key="k1")), (other, out(sender=ANN, key="k2"))]
    async with asyncio.timeout(10):
        receipts = await asyncio.gather(
            *(drive(each.deliver(message), send=together, auth=each.auth, clock=world.clock) for each, message in flows)
        )
    assert {receipt.ids[0] for receipt in receipts} == {message.id for message in world.sandbox.accepted}
    assert world.sandbox.groups[GROUP_ID].members.count("tg_420017") == 1


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(404),
        refusal(20001),
        refusal(1002),
        refusal(500),
        httpx.Response(502),
        httpx.Response(200, text="<html>"),
        Unavailable("cut", maybe_sent=True),
    ],
    ids=["404", "20001", "1002", "500", "502", "nonsense", "cut"],
)
def test_a_puppet_whose_name_cannot_be_changed_sends_all_the_same(answer: httpx.Response | BridgeError) -> None:
    bridge = bridge_for(send_as="puppet")
    played = play(bridge.deliver(out(sender=ANN)), token(), refusal(1102), answer, sent(), auth=bridge.auth)
    assert played.result.ids == ("c1",)
    assert json.loads(played.requests[-1].content)["senderNickname"] == "Ann Lee (TG)"


@pytest.mark.parametrize(("answer", "calls"), [(refusal(20001), 1), (httpx.Response(503), 2)])
def test_a_name_that_was_refused_is_not_tried_again_and_one_that_met_a_busy_server_is(
    answer: httpx.Response, calls: int
) -> None:
    bridge = bridge_for(send_as="puppet")
    play(bridge.deliver(out(sender=ANN)), token(), refusal(1102), answer, sent(), auth=bridge.auth)
    again = [refusal(1102), answer, sent()] if calls == 2 else [sent()]
    played = play(bridge.deliver(out(sender=ANN, key="k2")), *again, auth=bridge.auth)
    assert played.result.ids == ("c1",)
    assert len(played.requests) == len(again)


async def test_people_with_the_same_id_in_two_places_are_two_puppets(serve: Serve, client: httpx.AsyncClient) -> None:
    world = Running(serve, client, OpenIMSandbox(), send_as="puppet")
    bob = Person(id=ANN.id, name="Bob", account=CLUB)
    for number, person in enumerate((ANN, bob, ANN.model_copy(update={"account": "telegram"}))):
        await world.deliver(sender=person, key=f"k{number}")
    assert [(message.sender, message.nickname) for message in world.sandbox.accepted] == [
        ("tg_420017", "Ann Lee (TG)"),
        ("tg_club_420017", "Bob (club)"),
        ("tg_420017", "Ann Lee (TG)"),
    ]
    assert world.sandbox.users["tg_420017"].nickname == "Ann Lee (TG)"
    assert world.sandbox.users["tg_club_420017"].nickname == "Bob (club)"


def test_no_two_people_make_one_puppet_and_each_id_is_of_letters_digits_and_underscores() -> None:
    accounts = (None, "club", "a", "a_b", "a-b", "x" * 32)
    ids = ("420017", "b_c", "c", "a@b", "", "club_420017x", "y" * 40)
    people = [Person(id=PersonId(id), name="N", account=account) for account in accounts for id in ids]
    made = [puppet_id(person, prefix="tg_") for person in people]
    assert len(set(made)) == len(made)
    assert all(len(id) <= wire.USER_ID_MOST and id.replace("_", "").isalnum() and id.isascii() for id in made)


async def test_without_a_mark_no_puppet_has_one(serve: Serve, client: httpx.AsyncClient) -> None:
    world = Running(serve, client, OpenIMSandbox(), send_as="puppet", puppet_mark="")
    for number, account in enumerate((None, CLUB)):
        await world.deliver(sender=ANN.model_copy(update={"account": account}), key=f"k{number}")
    assert [message.nickname for message in world.sandbox.accepted] == ["Ann Lee", "Ann Lee"]


async def test_without_a_person_the_admin_sends(serve: Serve, client: httpx.AsyncClient) -> None:
    world = Running(serve, client, OpenIMSandbox(), send_as="puppet")
    await world.deliver()
    assert [message.sender for message in world.sandbox.accepted] == ["imAdmin"]


@pytest.mark.parametrize("id", ["-1001234", "sip:4100@pbx", "ü", "a b", "x" * 200, ""])
async def test_any_persons_id_becomes_a_user_id_that_the_server_takes(
    id: str, serve: Serve, client: httpx.AsyncClient
) -> None:
    world = Running(serve, client, OpenIMSandbox(), send_as="puppet")
    await world.deliver(sender=Person(id=PersonId(id), name=""))
    (accepted,) = world.sandbox.accepted
    assert accepted.sender.startswith("tg_") and len(accepted.sender) == 35


async def test_a_muted_puppet_is_refused_in_words(serve: Serve, client: httpx.AsyncClient) -> None:
    world = Running(serve, client, OpenIMSandbox(), send_as="puppet")
    await world.deliver(sender=ANN, key="k1")
    world.sandbox.groups[GROUP_ID].muted.append("tg_420017")
    with pytest.raises(Refused, match="muted"):
        await world.deliver(sender=ANN, key="k2")


async def test_a_user_that_is_no_puppet_is_not_brought_into_a_group_by_itself(
    serve: Serve, client: httpx.AsyncClient
) -> None:
    world = Running(serve, client, OpenIMSandbox(), send_as="helpdesk")
    with pytest.raises(Refused, match="not a member"):
        await world.deliver()
    assert "helpdesk" not in world.sandbox.groups[GROUP_ID].members


# One for many


def many(*users: str, **fields: Any) -> list[Any]:
    return [out("news", to=f"user/{user}", key=f"k-{user}", **fields) for user in users]


async def test_a_broadcast_reaches_each_user_once_and_names_who_failed(serve: Serve, client: httpx.AsyncClient) -> None:
    world = Running(serve, client, OpenIMSandbox())
    outcomes = await world.run(world.bridge.broadcast(many("alice", "nobody", "bob")))
    assert [type(outcome).__name__ for outcome in outcomes] == ["Receipt", "Unavailable", "Receipt"]
    assert [message.conversation for message in world.sandbox.accepted] == ["user/alice", "user/bob"]
    ids = [id for outcome in outcomes if isinstance(outcome, Receipt) for id in outcome.ids]
    assert len(set(ids)) == 2


async def test_a_broadcast_to_a_thousand_goes_in_ten_requests_within_the_length_of_ex(
    serve: Serve, client: httpx.AsyncClient
) -> None:
    sandbox = OpenIMSandbox()
    sandbox.users |= {f"u{n}": type(sandbox.users["bob"])(f"u{n}", "U") for n in range(1000)}
    world = Running(serve, client, sandbox)
    sandbox.hook_url = None
    outcomes = await world.run(world.bridge.broadcast(many(*(f"u{n}" for n in range(1000)))))
    assert all(isinstance(outcome, Receipt) for outcome in outcomes)
    assert world.paths().count(wire.BATCH_SEND_MSG) == 10
    assert max(len(message.ex) for message in sandbox.accepted) <= 1024


async def test_each_receiver_of_a_broadcast_is_found_again_by_its_own_mark(
    serve: Serve, client: httpx.AsyncClient
) -> None:
    world = Running(serve, client, OpenIMSandbox())
    outs = many("alice", "bob")
    await world.run(world.bridge.broadcast(outs))
    for each in outs:
        assert await world.run(world.bridge.confirm(each)) is not None
    with pytest.raises(Unavailable, match="once more"):
        await world.run(world.bridge.confirm(out("news", to="user/bob", key="k-other")))


async def test_what_cannot_go_together_is_inexpressible(serve: Serve, client: httpx.AsyncClient) -> None:
    bridge = bridge_for()
    cases = [
        [],
        many("alice", "alice"),
        [out("news", to="user/alice"), out("other", to="user/bob", key="k2")],
        [out("news", to=GROUP)],
        many(*(f"u{n}" for n in range(1001))),
        many("alice", attachments=(attachment("image"),), files=(Bytes(b"x"),)),
    ]
    for outs in cases:
        played = play(bridge.broadcast(outs))
        assert isinstance(played.error, Inexpressible) and played.requests == ()


async def test_a_broadcast_that_breaks_off_keeps_what_it_knows(serve: Serve, client: httpx.AsyncClient) -> None:
    users = [f"u{n}" for n in range(250)]
    bridge = bridge_for()
    done = ok({"results": [{"serverMsgID": "s", "clientMsgID": "c", "sendTime": 1, "recvID": u} for u in users[:100]]})
    played = play(bridge.broadcast(many(*users)), token(), done, httpx.Response(502), auth=bridge.auth)
    kinds = [getattr(outcome, "maybe_sent", None) for outcome in played.result]
    assert kinds == [None] * 100 + [True] * 100 + [False] * 50


# What became of a send


class Cut(Running):
    """A server whose answers to sends are lost, as often as is said."""

    def __init__(self, serve: Serve, client: httpx.AsyncClient, sandbox: OpenIMSandbox, **changes: Any) -> None:
        super().__init__(serve, client, sandbox, **changes)
        self.faults = Faults(sandbox.app, applies=lambda scope: scope["path"] == wire.SEND_MSG)
        self.url = serve(self.faults)
        self.bridge = bridge_for(self.url, server_line=sandbox.line, **changes)


@pytest.mark.parametrize("line", LINES)
async def test_a_send_whose_answer_was_lost_is_confirmed_with_its_id(
    line: wire.Line, serve: Serve, client: httpx.AsyncClient
) -> None:
    world = Cut(serve, client, OpenIMSandbox(line=line))
    world.faults.configure(Mode.CUT, remaining=1)
    with pytest.raises(Unavailable) as caught:
        await world.deliver()
    assert caught.value.maybe_sent
    receipt = await world.run(world.bridge.confirm(out()))
    assert receipt.ids == (world.sandbox.accepted[0].id,)
    assert len(world.sandbox.accepted) == 1


async def test_a_send_that_never_came_is_surely_not_there_at_the_second_look(
    serve: Serve, client: httpx.AsyncClient
) -> None:
    world = Cut(serve, client, OpenIMSandbox())
    world.faults.configure(Mode.CUT_BEFORE, remaining=1)
    with pytest.raises(Unavailable):
        await world.deliver()
    with pytest.raises(Unavailable) as caught:
        await world.run(world.bridge.confirm(out()))
    assert (caught.value.retry_after, caught.value.maybe_sent) == (5.0, False)
    assert await world.run(world.bridge.confirm(out())) is None


async def test_a_send_that_shows_only_at_the_second_look_is_not_sent_twice(
    serve: Serve, client: httpx.AsyncClient
) -> None:
    world = Cut(serve, client, OpenIMSandbox())
    with pytest.raises(Unavailable):
        await world.run(world.bridge.confirm(out()))
    receipt = await world.deliver()  # what the queue brings meanwhile
    assert await world.run(world.bridge.confirm(out())) == receipt


async def test_a_send_is_confirmed_by_another_process_than_the_one_that_sent(
    serve: Serve, client: httpx.AsyncClient
) -> None:
    world = Cut(serve, client, OpenIMSandbox())
    world.faults.configure(Mode.CUT, remaining=1)
    with pytest.raises(Unavailable):
        await world.deliver(attempt=3)
    other = bridge_for(world.url)
    assert await world.run(other.confirm(out(attempt=3)), bridge=other) is not None


async def test_a_send_that_was_repeated_with_a_new_token_is_confirmed_too(
    serve: Serve, client: httpx.AsyncClient
) -> None:
    world = Cut(serve, client, OpenIMSandbox())
    await world.deliver(key="k0")
    world.sandbox.tokens.clear()
    # The first answer, that the token is not known, comes through; the second is lost.
    seen: list[int] = []

    async def lose_the_second(request: httpx.Request) -> httpx.Response:
        if request.url.path == wire.SEND_MSG:
            seen.append(1)
            world.faults.mode = Mode.CUT if len(seen) == 2 else Mode.OK
        return await client.send(request)

    with pytest.raises(Unavailable):
        await drive(world.bridge.deliver(out()), send=lose_the_second, auth=world.bridge.auth, clock=world.clock)
    world.faults.mode = Mode.OK
    receipt = await world.run(world.bridge.confirm(out()))
    assert receipt.ids == (world.sandbox.accepted[1].id,)


async def test_one_that_the_server_forgot_the_state_of_is_found_by_its_mark(
    serve: Serve, client: httpx.AsyncClient
) -> None:
    world = Running(serve, client, OpenIMSandbox())
    receipt = await world.deliver()
    world.sandbox.statuses.clear()
    assert await world.run(world.bridge.confirm(out())) == receipt


async def test_one_of_many_messages_is_found_on_the_last_page(serve: Serve, client: httpx.AsyncClient) -> None:
    world = Running(serve, client, OpenIMSandbox())
    world.sandbox.hook_url = None
    receipts = [await world.deliver(key=f"k{number}") for number in range(230)]
    world.sandbox.statuses.clear()
    assert await world.run(world.bridge.confirm(out(key="k229"))) == receipts[229]
    assert await world.run(world.bridge.confirm(out(key="k0"))) == receipts[0]


async def test_one_that_is_on_its_way_is_asked_about_again(serve: Serve, client: httpx.AsyncClient) -> None:
    world = Running(serve, client, OpenIMSandbox())
    world.sandbox.statuses[send_operation("k1", attempt=1)] = wire.STATUS_SENDING
    with pytest.raises(Unavailable, match="still sending"):
        await world.run(world.bridge.confirm(out()))


async def test_a_puppets_send_is_confirmed_after_its_invitation(serve: Serve, client: httpx.AsyncClient) -> None:
    world = Running(serve, client, OpenIMSandbox(), send_as="puppet")
    receipt = await world.deliver(sender=ANN)
    assert await world.run(world.bridge.confirm(out(sender=ANN))) == receipt


async def test_a_caption_that_was_cut_off_is_sent_alone_the_next_time(serve: Serve, client: httpx.AsyncClient) -> None:
    world = Cut(serve, client, OpenIMSandbox())
    picture = {"attachments": (attachment("file", "a"),), "files": (Bytes(b"1"),)}
    sends: list[int] = []

    async def lose_the_caption(request: httpx.Request) -> httpx.Response:
        if request.url.path == wire.SEND_MSG:
            sends.append(1)
            world.faults.mode = Mode.CUT_BEFORE if len(sends) == 2 else Mode.OK
        return await client.send(request)

    first = out("look", **picture)
    with pytest.raises(Unavailable) as caught:
        await drive(world.bridge.deliver(first), send=lose_the_caption, auth=world.bridge.auth, clock=world.clock)
    assert caught.value.maybe_sent
    world.faults.mode = Mode.OK
    with pytest.raises(Unavailable):
        await world.run(world.bridge.confirm(first))
    assert await world.run(world.bridge.confirm(first)) is None
    receipt = await world.run(world.bridge.deliver(out("look", attempt=2, **picture)))
    assert [message.text for message in world.sandbox.accepted] == ["a", "look"]
    assert receipt.ids == tuple(message.id for message in world.sandbox.accepted)


def test_marks_fit_and_are_found() -> None:
    assert is_marked(marked(mark_of("k1")), key="k1", part=0)
    assert not is_marked(marked(mark_of("k1")), key="k1", part=1)
    assert not is_marked(marked(mark_of("k1")), key="k2", part=0)
    assert len(marked(*(mark_of(str(n), length=8) for n in range(100)))) <= wire.EX_MOST


@pytest.mark.parametrize(
    "ex", [None, "", "{", "patchbay", "[]", '{"patchbay":1}', '{"other":"patchbay"}', 17, "[" * 4000]
)
def test_an_ex_of_somebody_else_has_no_marks(ex: object) -> None:
    assert marks_in(ex) is None


# Taking back, the past, looking up


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("to", [GROUP, "user/alice"])
async def test_a_message_is_taken_back_and_doing_it_twice_is_the_same(
    line: wire.Line, to: str, serve: Serve, client: httpx.AsyncClient
) -> None:
    world = Running(serve, client, OpenIMSandbox(line=line))
    (id,) = (await world.deliver(to=to)).ids
    for _ in range(2):
        await world.run(world.bridge.delete(ConversationId(to), id))
    assert [message.revoked for message in world.sandbox.stored] == [True]


async def test_a_puppets_message_is_taken_back(serve: Serve, client: httpx.AsyncClient) -> None:
    world = Running(serve, client, OpenIMSandbox(), send_as="puppet")
    (id,) = (await world.deliver(to="user/alice", sender=ANN)).ids
    await world.run(world.bridge.delete(ConversationId("user/alice"), id))
    assert [message.revoked for message in world.sandbox.stored] == [True]


async def test_a_message_of_a_broadcast_is_taken_back_from_one_user(serve: Serve, client: httpx.AsyncClient) -> None:
    world = Running(serve, client, OpenIMSandbox())
    outcomes = await world.run(world.bridge.broadcast(many("alice", "bob")))
    await world.run(world.bridge.delete(ConversationId("user/bob"), outcomes[1].ids[0]))
    assert [message.revoked for message in world.sandbox.stored] == [False, True]


def test_a_change_of_words_is_inexpressible_and_asks_for_nothing() -> None:
    played = play(bridge_for().edit(ConversationId(GROUP), MessageId("c1"), Message(text="better")))
    assert isinstance(played.error, Inexpressible) and played.requests == ()


async def test_the_past_keeps_its_time_and_rings_nobody(serve: Serve, client: httpx.AsyncClient) -> None:
    world = Running(serve, client, OpenIMSandbox(), online_only=True)
    at = datetime(2025, 3, 4, 10, 11, 12, tzinfo=UTC)
    await world.run(world.bridge.deliver_past(out("then"), at=at))
    (accepted,) = world.sandbox.accepted
    assert accepted.send_time == 1_741_083_072_000
    assert (accepted.body["isOnlineOnly"], accepted.body["notOfflinePush"]) == (False, True)


async def test_the_past_is_confirmed_as_the_present_is(serve: Serve, client: httpx.AsyncClient) -> None:
    world = Running(serve, client, OpenIMSandbox())
    receipt = await world.run(world.bridge.deliver_past(out("then"), at=FIXTURE_TIME))
    assert await world.run(world.bridge.confirm(out("then"))) == receipt


async def test_groups_and_people_are_listed_as_addresses_that_can_be_sent_to(
    serve: Serve, client: httpx.AsyncClient
) -> None:
    world = Running(serve, client, OpenIMSandbox())
    world.sandbox.groups[GROUP_ID].members.append("imAdmin")
    await world.deliver(to="user/alice")
    listed = await world.run(world.bridge.conversations())
    assert [each.conversation.id for each in listed] == [GROUP, "user/alice"]
    assert (listed[0].conversation.title, listed[0].detail) == ("Operations", "3 members")
    for each in listed:
        world.bridge.check(each.conversation.id)


async def test_more_groups_than_a_page_are_all_listed(serve: Serve, client: httpx.AsyncClient) -> None:
    world = Running(serve, client, OpenIMSandbox())
    group = type(world.sandbox.groups[GROUP_ID])
    world.sandbox.groups |= {f"g{n}": group(f"g{n}", f"Group {n}", ["imAdmin"]) for n in range(250)}
    world.sandbox.groups["g7"].status = wire.GROUP_DISMISSED
    assert len(await world.run(world.bridge.conversations())) == 249


async def operate(world: Running, name: str, *words: str) -> str:
    (operation,) = (each for each in world.bridge.operations() if each.name == name)
    said: str = await world.run(operation.run(words))
    return said


async def test_every_operation_takes_its_own_example(serve: Serve, client: httpx.AsyncClient) -> None:
    world = Running(serve, client, OpenIMSandbox())
    world.sandbox.groups[GROUP_ID].members[:] = ["carl"]
    account = type(world.sandbox.users["bob"])
    world.sandbox.users["carl"] = account("carl", "Carl")
    world.sandbox.users["9000000001"] = account("9000000001", "News", level=3)
    for number in range(128):
        await world.deliver(key=f"k{number}")
    for operation in world.bridge.operations():
        assert await operate(world, operation.name, *operation.example.split()), operation.name
    assert {each.content_type for each in world.sandbox.accepted} == {wire.TEXT, 1400, wire.AT_TEXT, wire.CUSTOM}
    assert world.sandbox.reused == []


def test_operations_that_change_something_say_so() -> None:
    reading = {operation.name for operation in bridge_for().operations() if not operation.changes}
    assert reading == {"groups", "members", "user", "time"}


async def test_a_notification_goes_as_its_account_and_causes_no_webhook(
    serve: Serve, client: httpx.AsyncClient
) -> None:
    world = Running(serve, client, OpenIMSandbox())
    said = await operate(world, "notification-account", "Deploy", "News")
    await operate(world, "notify", said.split()[1].rstrip(";"), "alice", "deploy", "finished")
    (accepted,) = world.sandbox.accepted
    assert (accepted.content_type, accepted.text) == (wire.OA_NOTIFICATION, "deploy finished")
    assert world.sandbox.stored[0].conversation.startswith("sn_")
    assert world.hooks == []


async def test_a_notification_as_an_ordinary_user_is_refused(serve: Serve, client: httpx.AsyncClient) -> None:
    world = Running(serve, client, OpenIMSandbox())
    with pytest.raises(Refused, match="1004"):
        await operate(world, "notify", "bob", "alice", "x")


async def test_everybody_is_called_by_the_servers_own_word(serve: Serve, client: httpx.AsyncClient) -> None:
    world = Running(serve, client, OpenIMSandbox())
    await operate(world, "mention", GROUP_ID, "alice,all", "look")
    assert world.sandbox.accepted[0].content["atUserList"] == ["alice", "AtAllTag"]


# What is wrong, in words


async def test_a_probe_says_what_is_wrong(serve: Serve, client: httpx.AsyncClient) -> None:
    cases: list[tuple[dict[str, Any], type[Exception], str]] = [
        ({"secret": "wrong-secret"}, Unauthorized, "secret is not the server's"),
        ({"admin_user": "alice"}, Unauthorized, "no admin alice"),
        ({"send_as": "nobody"}, Refused, "no user nobody: check send_as"),
    ]
    for changes, kind, words in cases:
        world = Running(serve, client, OpenIMSandbox(), **changes)
        with pytest.raises(kind, match=words):
            await world.run(world.bridge.probe())
        assert len(world.paths()) <= 4


async def test_a_probe_says_that_the_clocks_differ(serve: Serve, client: httpx.AsyncClient) -> None:
    world = Running(serve, client, OpenIMSandbox())
    world.sandbox.clock_off = True
    with pytest.raises(Unauthorized, match="clocks"):
        await world.run(world.bridge.probe())
    assert len(world.paths()) <= 4


@pytest.mark.parametrize(("off_s", "is_right"), [(0, True), (119, True), (-119, True), (121, False), (-10_800, False)])
async def test_a_probe_compares_the_servers_clock_with_ours(
    off_s: int, is_right: bool, serve: Serve, client: httpx.AsyncClient
) -> None:
    world = Running(serve, client, OpenIMSandbox())
    world.sandbox.clock = Time(FIXTURE_TIME + timedelta(seconds=off_s))
    if is_right:
        assert "OpenIM accepts imAdmin" in await world.run(world.bridge.probe())
    else:
        with pytest.raises(Refused, match=f"this machine's 2026-01-02 03:04:05 UTC: they differ by {abs(off_s)} sec"):
            await world.run(world.bridge.probe())


@pytest.mark.parametrize(
    ("address", "normal"),
    [
        ("group/%32839001122", GROUP),
        ("user/%61lice", "user/alice"),
        ("user/a%2fb", "user/a%2Fb"),
        ("user/50%", "user/50%25"),
        ("user/%7Ebob", "user/~bob"),
    ],
)
def test_an_address_in_another_form_than_its_own_is_refused_with_that(address: str, normal: str) -> None:
    bridge = bridge_for()
    bridge.check(ConversationId(normal))
    with pytest.raises(Refused) as caught:
        bridge.check(ConversationId(address))
    assert str(caught.value).endswith(f"valid is {normal}")


def test_an_address_whose_normal_form_is_too_long_is_refused_with_an_example() -> None:
    with pytest.raises(Refused, match="user/alice"):
        bridge_for().check(ConversationId("user/" + "%" * 192))


# Where files are fetched from

HOSTS = ("cdn.example", "files.example:8443", "http://old.example", "http://older.example:8080")


def fetched(ref: str, *answers: httpx.Response, **changes: Any) -> Any:
    bridge = bridge_for(file_hosts=HOSTS, **changes)
    return play(bridge.fetch(attachment("file").model_copy(update={"ref": ref})), *answers)


@pytest.mark.parametrize(
    "ref",
    [
        "https://im.example:10002/object/x",
        "https://IM.example:10002/object/x",
        "https://storage.example/api/object/x",
        "https://cdn.example/x",
        "https://cdn.example:443/x",
        "https://files.example:8443/x",
        "http://old.example/x",
        "http://older.example:8080/x",
    ],
)
def test_a_file_is_fetched_from_the_server_and_from_what_is_listed(ref: str) -> None:
    played = fetched(ref, httpx.Response(200, content=b"x"), files_url="https://storage.example/api")
    assert played.result == Bytes(b"x")


@pytest.mark.parametrize(
    "ref",
    [
        "https://cdn.example:22/x",
        "http://cdn.example/x",
        "http://cdn.example:443/x",
        "https://files.example/x",
        "http://files.example:8443/x",
        "https://old.example/x",
        "http://older.example/x",
        "http://im.example:10002/x",
        "https://im.example/x",
        "https://user:pass@im.example:10002/x",
        "https://im.example:10002@evil.example/x",
        "https://evil.example#@im.example:10002/",
        "https://sub.cdn.example/x",
        "http://169.254.169.254/latest",
        "ftp://cdn.example/x",
        "",
    ],
)
def test_a_file_elsewhere_on_another_port_or_in_plain_http_is_refused_and_not_asked_for(ref: str) -> None:
    played = fetched(ref)
    assert isinstance(played.error, Refused) and played.requests == ()


def moved(to: str) -> httpx.Response:
    return httpx.Response(302, headers={"Location": to})


@pytest.mark.parametrize(
    "to",
    [
        "http://169.254.169.254/latest/meta-data",
        "http://cdn.example/x",
        "https://cdn.example:22/x",
        "//evil.example/x",
        "https://user:pass@cdn.example/x",
        "file:///etc/passwd",
        "https://[",
    ],
)
def test_a_listed_host_may_redirect_only_to_what_is_listed(to: str) -> None:
    played = fetched("https://cdn.example/x", moved(to))
    assert isinstance(played.error, Refused) and len(played.requests) == 1


@pytest.mark.parametrize("to", ["/y", "https://files.example:8443/y", "https://im.example:10002/object/y"])
def test_a_listed_host_may_redirect_to_another_listed_one(to: str) -> None:
    assert fetched("https://cdn.example/x", moved(to), httpx.Response(200, content=b"y")).result == Bytes(b"y")


def test_the_storage_that_the_server_redirects_to_may_not_redirect_on() -> None:
    played = fetched("https://im.example:10002/object/x", moved("http://10.0.0.9/x"), moved("http://10.0.0.1/admin"))
    assert isinstance(played.error, Refused)
    assert [str(request.url) for request in played.requests][1:] == ["http://10.0.0.9/x"]


async def test_a_busy_server_is_waited_for_as_long_as_it_asks(serve: Serve, client: httpx.AsyncClient) -> None:
    world = Running(serve, client, OpenIMSandbox())
    world.sandbox.too_many_s = 4
    with pytest.raises(Unavailable) as caught:
        await world.deliver()
    assert (caught.value.retry_after, caught.value.maybe_sent) == (4.0, False)


@pytest.mark.parametrize("code", [1001, 1003, 1004, 1101, 1201, 1203, 1302, 1303, 1402, 1403, 20001, 29999])
def test_what_will_never_work_is_refused(code: int) -> None:
    bridge = bridge_for()
    assert isinstance(play(bridge.deliver(out()), token(), refusal(code), auth=bridge.auth).error, Refused)


@pytest.mark.parametrize("code", [429, 500, 80000, 90002, 90004, 90007, 1701, 31337, -1])
def test_what_may_work_later_is_tried_again_and_surely_not_sent(code: int) -> None:
    bridge = bridge_for()
    error = play(bridge.deliver(out()), token(), refusal(code), auth=bridge.auth).error
    assert isinstance(error, Unavailable) and not error.maybe_sent


def test_a_failure_before_the_send_never_leaves_the_send_in_doubt() -> None:
    for answer in (httpx.Response(502), httpx.Response(504), httpx.Response(200, text="<html>"), refusal(500)):
        bridge = bridge_for(send_as="puppet")
        error = play(bridge.deliver(out(sender=ANN)), token(), answer, auth=bridge.auth).error
        assert isinstance(error, Unavailable) and not error.maybe_sent


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"admin_user": ""}, "must name an admin"),
        ({"admin_user": "two words"}, "without spaces"),
        ({"send_as": "x" * 65}, "at most 64"),
        ({"puppet_prefix": "tg-"}, "puppet_prefix"),
        ({"platform_id": 0}, "platform_id"),
        ({"sender_face_url": "face.png"}, "address of a picture"),
        ({"files_url": "http://files.example"}, "must be https"),
        ({"file_hosts": ["https://files.example"]}, "host names only"),
        ({"server_line": "enterprise"}, "server_line"),
        ({"text_limit": 0}, "text_limit"),
    ],
)
def test_a_wrong_setting_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        bridge_for(**changes)


def test_nothing_shows_the_secret() -> None:
    bridge = bridge_for()
    played = play(bridge.deliver(out()), refusal(500, "sandbox-openim-secret is wrong"), auth=bridge.auth)
    assert "sandbox-openim-secret" not in str(played.error) and SECRET not in repr(bridge.auth)
