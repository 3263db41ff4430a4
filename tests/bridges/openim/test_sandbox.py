"""OpenIM's sandbox is as strict as the documents and the code are, and forgets nothing over a restart."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import Any

import httpx
import pytest

from bridges.openim import wire
from bridges.openim.sandbox import GROUP_ID, OpenIMSandbox, User
from tests.bridges.openim.common import Time

TEXT = {"sendID": "imAdmin", "recvID": "alice", "content": {"content": "hi"}, "contentType": 101, "sessionType": 1}
GROUP_TEXT = {**TEXT, "recvID": GROUP_ID, "groupID": GROUP_ID, "sessionType": 3}
Envelope = dict[str, Any]


class Caller:
    """Calls a sandbox as any client would."""

    def __init__(self, sandbox: OpenIMSandbox) -> None:
        self.sandbox = sandbox
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(sandbox.app), base_url="http://im.test")
        self.count = 0
        self.token = ""

    async def post(self, path: str, body: object, **headers: str) -> httpx.Response:
        self.count += 1
        given = {"operationID": f"op-{self.count}", "token": self.token, **headers}
        return await self.client.post(path, json=body, headers={k: v for k, v in given.items() if v})

    async def log_in(self) -> Caller:
        answer = await self.post(wire.GET_ADMIN_TOKEN, {"secret": self.sandbox.secret, "userID": "imAdmin"})
        self.token = answer.json()["data"]["token"]
        return self

    async def ask(self, path: str, body: object, **headers: str) -> tuple[int, int, Any]:
        answer = await self.post(path, body, **headers)
        envelope = answer.json()
        assert set(envelope) - {"data"} == {"errCode", "errMsg", "errDlt"}
        return answer.status_code, envelope["errCode"], envelope.get("data")


async def logged_in(**settings: Any) -> Caller:
    return await Caller(OpenIMSandbox(**settings)).log_in()


@pytest.mark.parametrize(
    ("path", "headers", "code"),
    [
        (wire.SERVER_TIME, {"operationID": ""}, 1001),
        (wire.GET_ADMIN_TOKEN, {"operationID": ""}, 1001),
        (wire.SERVER_TIME, {"token": ""}, 1001),
        (wire.SERVER_TIME, {"token": "", "Authorization": "Bearer eyJx"}, 1001),
        (wire.SERVER_TIME, {"token": "no-jwt"}, 1503),
        (wire.SERVER_TIME, {"token": "eyJother"}, 1505),
    ],
)
async def test_headers_are_wanted_on_every_call_and_refused_with_200(
    path: str, headers: dict[str, str], code: int
) -> None:
    caller = await logged_in()
    assert (await caller.ask(path, {}, **headers))[:2] == (200, code)


async def test_an_unknown_token_does_not_exist_on_main() -> None:
    caller = await logged_in(line="main")
    assert (await caller.ask(wire.SERVER_TIME, {}, token="eyJother"))[1] == 1507


async def test_a_token_expires() -> None:
    clock = Time()
    caller = await logged_in(clock=clock, token_life_s=60)
    clock.goes_on(seconds=60)
    assert (await caller.ask(wire.SERVER_TIME, {}))[1] == 1501


async def test_a_new_token_retires_the_old_on_main_and_leaves_it_on_stable() -> None:
    for line, code in (("main", 1507), ("stable", 0)):
        clock = Time()
        caller = await logged_in(clock=clock, line=line)
        await Caller(caller.sandbox).log_in()
        assert (await caller.ask(wire.SERVER_TIME, {}))[1] == 0
        clock.now += timedelta(minutes=5)
        assert (await caller.ask(wire.SERVER_TIME, {}))[1] == code


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"secret": "wrong", "userID": "imAdmin"}, 1002),
        ({"secret": "sandbox-openim-secret", "userID": "alice"}, 1001),
        ({"secret": "sandbox-openim-secret", "userID": "openIMAdmin"}, 1001),
        ({"secret": "sandbox-openim-secret"}, 1001),
        ({"secret": "sandbox-openim-secret", "userID": "imAdmin", "platformID": 10}, 1001),
        ([], 1001),
    ],
)
async def test_a_token_is_given_to_an_admin_who_knows_the_secret(body: object, code: int) -> None:
    assert (await Caller(OpenIMSandbox()).ask(wire.GET_ADMIN_TOKEN, body))[:2] == (200, code)


@pytest.mark.parametrize(
    "changes",
    [
        {"sendID": None},
        {"sendID": ""},
        {"content": "hi"},
        {"content": None},
        {"contentType": "101"},
        {"sessionType": 5},
        {"sessionType": True},
        {"recvID": ""},
        {"sessionType": 3},
        {"sessionType": 3, "groupID": ""},
        {"senderPlatformID": "10"},
        {"isOnlineOnly": "true"},
        {"sendTime": "1"},
        {"ex": {"patchbay": "x"}},
        {"ex": "x" * 1025},
        {"offlinePushInfo": {"titel": "x"}},
        {"clientMsgID": "mine"},
    ],
)
async def test_a_send_that_cannot_be_bound_is_a_400_with_an_envelope(changes: dict[str, object]) -> None:
    caller = await logged_in()
    assert (await caller.ask(wire.SEND_MSG, {**TEXT, **changes}))[:2] == (400, 1001)
    assert caller.sandbox.accepted == []


@pytest.mark.parametrize(
    ("path", "body"), [(wire.REVOKE_MSG, {}), (wire.SEARCH_MSG, {}), (wire.NEWEST_SEQ, {"userID": 1})]
)
async def test_other_calls_that_cannot_be_bound_are_a_200_with_the_parsers_words(path: str, body: object) -> None:
    caller = await logged_in()
    answer = await caller.post(path, body)
    assert (answer.status_code, answer.json()["errCode"]) == (200, 1001)
    assert answer.json()["errMsg"] != "ArgsError"


async def test_what_is_not_sent_as_json_is_not_bound() -> None:
    caller = await logged_in()
    headers = {"operationID": "x1", "token": caller.token, "Content-Type": "text/plain"}
    answer = await caller.client.post(wire.SEND_MSG, content=json.dumps(TEXT), headers=headers)
    assert (answer.status_code, answer.json()["errCode"]) == (400, 1001)


PICTURE = {"type": "png", "width": 1, "height": 1, "url": "https://x"}
VIDEO = {
    "videoUrl": "u",
    "videoType": "mp4",
    "videoSize": 1,
    "duration": 1,
    "snapshotUrl": "s",
    "snapshotWidth": 1,
    "snapshotHeight": 1,
}


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        (101, {}),
        (101, {"content": ""}),
        (101, {"text": "hi"}),
        (102, {"sourcePicture": PICTURE, "bigPicture": PICTURE}),
        (102, {"sourcePicture": PICTURE, "bigPicture": PICTURE, "snapshotPicture": {**PICTURE, "width": 0}}),
        (103, {"sourceUrl": "u", "duration": 0}),
        (104, {**VIDEO, "snapshotUrl": ""}),
        (104, {**VIDEO, "duration": 0}),
        (105, {"sourceUrl": "u", "fileName": "f", "fileSize": 0}),
        (106, {"text": "hi", "atUserList": []}),
        (106, {"text": "hi", "atUserList": ["u"] * 1001}),
        (110, {"data": {"a": 1}}),
    ],
)
async def test_a_content_that_the_validator_refuses_is_error_500_with_its_words(kind: int, content: object) -> None:
    caller = await logged_in()
    answer = await caller.post(wire.SEND_MSG, {**TEXT, "contentType": kind, "content": content})
    assert (answer.status_code, answer.json()["errCode"]) == (200, 500)
    assert "Field validation" in answer.json()["errDlt"] or "expected type" in answer.json()["errDlt"]


@pytest.mark.parametrize("kind", [107, 108, 109, 111, 113, 115, 117, 1509, 0, -1])
async def test_kinds_that_only_clients_send_are_refused(kind: int) -> None:
    for line in ("stable", "main"):
        caller = await logged_in(line=line)
        assert (await caller.ask(wire.SEND_MSG, {**TEXT, "contentType": kind}))[1] == 1001


@pytest.mark.parametrize(("kind", "content"), [(114, {"text": "x", "quoteMessage": {}}), (118, {"content": "x"})])
async def test_quotes_and_markdown_are_for_main_only(kind: int, content: object) -> None:
    for line, code in (("stable", 1001), ("main", 0)):
        caller = await logged_in(line=line)
        assert (await caller.ask(wire.SEND_MSG, {**TEXT, "contentType": kind, "content": content}))[1] == code


async def test_a_send_to_a_group_is_checked_in_the_servers_order() -> None:
    caller = await logged_in()
    sandbox = caller.sandbox
    sandbox.users["carl"] = User("carl", "Carl")
    group = sandbox.groups[GROUP_ID]
    by_bob = {**GROUP_TEXT, "sendID": "bob"}
    assert (await caller.ask(wire.SEND_MSG, {**by_bob, "groupID": "other"}))[1] == 1201
    assert (await caller.ask(wire.SEND_MSG, {**by_bob, "sendID": "carl"}))[1] == 1203
    group.muted.append("bob")
    assert (await caller.ask(wire.SEND_MSG, by_bob))[1] == 1402
    group.muted.clear()
    group.status = 3
    assert (await caller.ask(wire.SEND_MSG, by_bob))[1] == 1403
    assert (await caller.ask(wire.SEND_MSG, {**by_bob, "sendID": "alice"}))[1] == 0  # the owner
    assert (await caller.ask(wire.SEND_MSG, GROUP_TEXT))[1] == 0  # an admin
    group.status = 2
    assert (await caller.ask(wire.SEND_MSG, GROUP_TEXT))[1] == 1204


async def test_a_send_to_a_user_is_checked_in_the_servers_order() -> None:
    caller = await logged_in(line="main", friend_verify=True)
    sandbox = caller.sandbox
    by_bob = {**TEXT, "sendID": "bob"}
    assert (await caller.ask(wire.SEND_MSG, {**by_bob, "sendID": "nobody"}))[1] == 1004
    sandbox.blocked.add(("alice", "bob"))
    assert (await caller.ask(wire.SEND_MSG, by_bob))[1] == 1302
    sandbox.blocked.clear()
    assert (await caller.ask(wire.SEND_MSG, by_bob))[1] == 1303
    sandbox.friend_verify = False
    assert (await caller.ask(wire.SEND_MSG, {**by_bob, "recvID": "nobody"}))[1] == 1004
    sandbox.closed.add("alice")
    answer = await caller.post(wire.SEND_MSG, by_bob)
    assert (answer.json()["errCode"], answer.json()["errMsg"]) == (1001, "message is not sent")


async def test_the_old_session_type_passes_the_binding_and_fails_behind_it() -> None:
    caller = await logged_in()
    assert (await caller.ask(wire.SEND_MSG, {**GROUP_TEXT, "sessionType": 2}))[:2] == (200, 1001)


async def test_the_server_makes_the_id_so_the_same_send_twice_is_two_messages() -> None:
    caller = await logged_in()
    ids = {(await caller.ask(wire.SEND_MSG, TEXT))[2]["clientMsgID"] for _ in range(2)}
    assert len(ids) == len(caller.sandbox.accepted) == 2


async def test_a_time_that_is_given_is_kept_and_none_is_now() -> None:
    clock = Time()
    caller = await logged_in(clock=clock)
    assert (await caller.ask(wire.SEND_MSG, {**TEXT, "sendTime": 17}))[2]["sendTime"] == 17
    now = (await caller.ask(wire.SEND_MSG, {**TEXT, "sendTime": 0}))[2]["sendTime"]
    assert now == int(clock.now.timestamp() * 1000)


async def test_the_state_of_a_send_is_known_by_its_operation() -> None:
    caller = await logged_in()
    await caller.ask(wire.SEND_MSG, TEXT, operationID="good")
    await caller.ask(wire.SEND_MSG, {**TEXT, "recvID": "nobody"}, operationID="bad")
    states = [
        (await caller.ask(wire.CHECK_SEND, {}, operationID=name))[2]["status"] for name in ("good", "bad", "none")
    ]
    assert states == [wire.STATUS_SENT, wire.STATUS_FAILED, wire.STATUS_UNKNOWN]
    assert caller.sandbox.reused == []


async def test_an_operation_that_comes_twice_is_noted() -> None:
    caller = await logged_in()
    for _ in range(2):
        await caller.ask(wire.SEND_MSG, TEXT, operationID="same")
    assert caller.sandbox.reused == ["same"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"pagination": {"pageNumber": 0, "showNumber": 10}}, 1001),
        ({"pagination": {"pageNumber": 1}}, 1001),
        ({"pagination": {"pageNumber": 1, "showNumber": 10}, "sendTime": "yesterday"}, 1001),
        ({"pagination": {"pageNumber": 1, "showNumber": 10}, "sendTime": "2026-01-02"}, 0),
    ],
)
async def test_a_search_wants_pages_and_a_date(body: object, code: int) -> None:
    caller = await logged_in()
    assert (await caller.ask(wire.SEARCH_MSG, body))[1] == code


async def test_a_search_finds_by_sender_receiver_kind_and_day() -> None:
    caller = await logged_in(clock=Time())
    for body in (TEXT, GROUP_TEXT, {**TEXT, "sendID": "bob"}, {**TEXT, "sendTime": 1_741_083_072_000}):
        await caller.ask(wire.SEND_MSG, body)

    async def found(**by: object) -> int:
        body = {"pagination": {"pageNumber": 1, "showNumber": 10}, **by}
        count: int = (await caller.ask(wire.SEARCH_MSG, body))[2]["chatLogsNum"]
        return count

    assert await found() == 4
    assert await found(sendID="imAdmin", recvID="alice") == 2
    assert await found(recvID=GROUP_ID, sessionType=3) == 1
    assert await found(contentType=102) == 0
    assert await found(sendTime="2025-03-04") == 1


async def test_a_revocation_wants_a_message_that_is_there_and_works_once() -> None:
    caller = await logged_in()
    await caller.ask(wire.SEND_MSG, GROUP_TEXT)
    body = {"conversationID": f"sg_{GROUP_ID}", "seq": 1, "userID": "imAdmin"}
    assert (await caller.ask(wire.REVOKE_MSG, {**body, "seq": 2}))[1] == 1004
    assert (await caller.ask(wire.REVOKE_MSG, {**body, "userID": "nobody"}))[1] == 1004
    assert [(await caller.ask(wire.REVOKE_MSG, body))[1] for _ in range(2)] == [0, 1404]


async def test_a_registration_makes_all_or_none() -> None:
    caller = await logged_in()
    users = [{"userID": "new_1", "nickname": "New"}, {"userID": "alice", "nickname": "Again"}]
    assert (await caller.ask(wire.USER_REGISTER, {"users": users}))[1] == 1102
    assert "new_1" not in caller.sandbox.users
    assert (await caller.ask(wire.USER_REGISTER, {"users": users[:1]}))[1] == 0


@pytest.mark.parametrize(
    "user",
    [
        {"userID": "-100", "nickname": "N"},
        {"userID": "a:b", "nickname": "N"},
        {"userID": "x" * 65, "nickname": "N"},
        {"userID": "ok", "nickname": ""},
        {"userID": "ok"},
        "ok",
    ],
)
async def test_a_registration_wants_a_plain_id_and_a_name(user: object) -> None:
    caller = await logged_in()
    assert (await caller.ask(wire.USER_REGISTER, {"users": [user]}))[1] == 1001


async def test_a_broadcast_names_who_failed_and_gives_everybody_one_id() -> None:
    caller = await logged_in()
    body = {**TEXT, "recvIDs": ["alice", "nobody", "bob"], "isSendAll": False}
    del body["recvID"]
    _, code, data = await caller.ask(wire.BATCH_SEND_MSG, body)
    assert (code, data["failedUserIDs"]) == (0, ["nobody"])
    assert len({result["clientMsgID"] for result in data["results"]}) == 1
    assert (await caller.ask(wire.BATCH_SEND_MSG, {**body, "recvIDs": ["u"] * 1001}))[:2] == (400, 1001)
    assert (await caller.ask(wire.BATCH_SEND_MSG, TEXT))[:2] == (400, 1001)


async def test_a_broadcast_to_all_reaches_all() -> None:
    caller = await logged_in()
    body = {**TEXT, "recvIDs": [], "isSendAll": True}
    del body["recvID"]
    data = (await caller.ask(wire.BATCH_SEND_MSG, body))[2]
    assert {result["recvID"] for result in data["results"]} == set(caller.sandbox.users)


async def upload(caller: Caller, *, size: int = 3, key: str | None = None, **headers: str) -> tuple[int, str]:
    ticket = (await caller.ask(wire.INITIATE_UPLOAD, {"name": "a/b.txt", "size": size, "contentType": "text/plain"}))[2]
    form = ticket["formData"] | ({"key": key} if key else {})
    answer = await caller.client.post(ticket["url"], data=form, files={"file": ("b.txt", b"abc")}, headers=headers)
    return answer.status_code, ticket["id"]


async def test_a_file_is_uploaded_by_its_form_and_served_by_a_redirect() -> None:
    caller = await logged_in()
    status, id = await upload(caller)
    _, code, data = await caller.ask(wire.COMPLETE_UPLOAD, {"id": id, "urlPrefix": "http://im.test/object/"})
    assert (status, code, data["url"]) == (204, 0, "http://im.test/object/a/b.txt")
    redirect = await caller.client.get(data["url"])
    assert redirect.status_code == 302
    assert (await caller.client.get(redirect.headers["location"])).content == b"abc"
    assert (await caller.client.get("/storage/a/b.txt")).status_code == 403


async def test_the_storage_refuses_a_wrong_form_a_wrong_size_and_our_token() -> None:
    caller = await logged_in()
    assert (await upload(caller, key="other"))[0] == 403
    assert (await upload(caller, size=4))[0] == 400
    assert (await upload(caller, token="eyJx"))[0] == 400


async def test_an_upload_that_did_not_happen_is_not_completed() -> None:
    caller = await logged_in()
    _, id = await upload(caller, size=4)
    assert (await caller.ask(wire.COMPLETE_UPLOAD, {"id": id}))[1] == 1701
    assert (await caller.ask(wire.COMPLETE_UPLOAD, {"id": "other"}))[1] == 1001
    assert (await caller.ask(wire.INITIATE_UPLOAD, {"name": "x", "size": 0}))[1] == 1001


async def test_a_busy_server_says_so_with_its_header() -> None:
    caller = await logged_in()
    caller.sandbox.too_many_s = 3
    answer = await caller.post(wire.SEND_MSG, TEXT)
    assert (answer.status_code, answer.headers["retry-after"], answer.json()["errCode"]) == (429, "3", 429)


async def test_a_path_that_is_none_is_404_without_an_envelope() -> None:
    caller = await logged_in()
    answer = await caller.post("/msg/edit_msg", {})
    assert (answer.status_code, answer.text) == (404, "404 page not found")


async def test_after_a_restart_everything_is_as_before() -> None:
    caller = await logged_in()
    await caller.ask(wire.SEND_MSG, GROUP_TEXT, operationID="one")
    _, id = await upload(caller)
    await caller.ask(wire.COMPLETE_UPLOAD, {"id": id, "urlPrefix": "x"})
    kept = json.loads(json.dumps(caller.sandbox.snapshot()))
    again = Caller(OpenIMSandbox())
    again.sandbox.restore(kept)
    again.token = caller.token
    assert again.sandbox.state() == caller.sandbox.state()
    assert (await again.ask(wire.CHECK_SEND, {}, operationID="one"))[2]["status"] == wire.STATUS_SENT
    assert again.sandbox.objects == {"a/b.txt": (b"abc", "text/plain")}
    id = (await again.ask(wire.SEND_MSG, GROUP_TEXT, operationID="two"))[2]["clientMsgID"]
    assert [(each.number, each.id != id) for each in again.sandbox.accepted] == [(1, True), (2, False)]
    assert again.sandbox.stored[1].seq == 2


@pytest.mark.parametrize("line", ["stable", "main"])
async def test_a_webhook_has_the_documented_fields(line: wire.Line) -> None:
    posted: list[httpx.Request] = []

    def take(request: httpx.Request) -> httpx.Response:
        posted.append(request)
        return httpx.Response(200, content=wire.CALLBACK_ANSWER)

    hooks = httpx.AsyncClient(transport=httpx.MockTransport(take))
    caller = await logged_in(line=line, hook_url="http://bridge.test/hooks/im/s", client=hooks)
    await caller.ask(wire.SEND_MSG, {**GROUP_TEXT, "ex": "e"}, operationID="op-of-the-send")
    request = posted[0]
    body = json.loads(request.content)
    assert request.url.path == f"/hooks/im/s/{wire.AFTER_GROUP}"
    assert request.headers["operationid"] == body["operationID"] == "op-of-the-send"
    assert (body["msgFrom"], body["status"], body["seq"], body["ex"]) == (200, 0, 0, "e")
    assert json.loads(body["content"]) == {"content": "hi"}
    assert body["atUserList"] is None
    assert (len(posted), "key" in request.url.params) == ((1, False) if line == "stable" else (2, True))
    if line == "main":
        key = json.loads(base64.b64decode(request.url.params["key"]))
        assert key == {"sendID": "imAdmin", "recvID": "", "groupID": GROUP_ID}
        saved = json.loads(posted[1].content)
        assert (saved["callbackCommand"], saved["seq"], saved["clientMsgID"]) == (
            wire.AFTER_SAVED,
            1,
            body["clientMsgID"],
        )


async def test_people_who_are_not_there_say_nothing() -> None:
    sandbox = OpenIMSandbox()
    sandbox.users["carl"] = User("carl", "Carl")
    for user, place in (
        ("nobody", "user/alice"),
        ("alice", "user/nobody"),
        ("alice", "group/1"),
        ("carl", f"group/{GROUP_ID}"),
    ):
        with pytest.raises(LookupError):
            await sandbox.say(user, place, "hi")
    with pytest.raises(LookupError):
        await sandbox.take_back("alice", "none")
