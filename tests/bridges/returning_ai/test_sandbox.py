"""Returning.AI's sandbox: as strict as the documents, and it goes on where it stopped."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from bridges.returning_ai.sandbox import IMAGES_KEPT, ReturningAiSandbox

GENERAL = "66f0c1d2e3a4b5c6d7e8f901"
IDEAS = "66f0c1d2e3a4b5c6d7e8f902"
GOOD = {"channelId": GENERAL, "message": "hello", "sender": "bridge@example.com"}
IMAGE = {"images": ("a.png", b"bytes", "image/png")}


async def call(sandbox: ReturningAiSandbox, method: str, path: str, **options: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {sandbox.token}", **options.pop("headers", {})}
    transport = httpx.ASGITransport(sandbox.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://rai.test") as client:
        return await client.request(method, path, headers=headers, **options)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({**GOOD, "channelId": "66f0c1d2e3a4b5c6d7e8f999"}, 404),
        ({**GOOD, "sender": "nobody"}, 404),
        ({**GOOD, "channelId": IDEAS}, 400),
        ({**GOOD, "channelId": IDEAS, "forumTopicId": "66f0c1d2e3a4b5c6d7e8f999"}, 404),
        ({**GOOD, "forumTopicId": "77a1b2c3d4e5f60718293a4b"}, 400),
        ({**GOOD, "message": " "}, 400),
        ({**GOOD, "message": 17}, 400),
        ({**GOOD, "text": "x"}, 400),
        ({"channelId": GENERAL, "message": "hello"}, 400),
        ([], 400),
    ],
)
async def test_a_send_that_is_not_documented_is_refused(body: object, status: int) -> None:
    sandbox = ReturningAiSandbox()
    answer = await call(sandbox, "POST", "/apis/v1/messages/send", json=body)
    assert (answer.status_code, answer.json()["status"]) == (status, "error")
    assert sandbox.accepted == []


@pytest.mark.parametrize(
    ("method", "path", "options", "status"),
    [
        ("POST", "/apis/v1/messages/send", {"json": GOOD, "headers": {"Authorization": "Bearer wrong"}}, 401),
        ("POST", "/apis/v1/messages/send", {"json": GOOD, "headers": {"Authorization": ""}}, 401),
        ("POST", "/apis/v1/messages/send", {"content": b"{}", "headers": {"Content-Type": "text/plain"}}, 400),
        ("POST", "/v1/messages/send", {"json": GOOD}, 404),
        ("GET", "/apis/v1/messages/send", {}, 404),
        ("POST", "/apis/v1/messages/reply", {"json": {"messageId": "m", "message": "x", "sender": "bridge"}}, 404),
        ("POST", "/apis/v1/messages/reply", {"json": {**GOOD, "messageId": "m"}}, 400),
        ("POST", "/apis/v1/messages/react", {"json": {"messageId": "m", "emoji": ":a:", "sender": "bridge"}}, 404),
        ("POST", "/apis/v1/messages/react", {"json": {"messageId": "m", "emoji": "👍", "sender": "bridge"}}, 400),
        ("POST", "/apis/v1/messages/upload-image", {"json": {}}, 400),
        ("POST", "/apis/v1/messages/upload-image", {"files": {"image": IMAGE["images"]}}, 400),
        ("POST", "/apis/v1/messages/upload-image", {"files": {"images": ("a.txt", b"x", "text/plain")}}, 400),
        ("POST", "/apis/v1/messages/upload-image", {"files": {"images": ("a.png", b"", "image/png")}}, 400),
        ("POST", "/apis/v1/messages/upload-image", {"files": IMAGE, "data": {"channelId": GENERAL}}, 400),
        ("POST", "/apis/v1/users/info", {"json": {"idOrEmail": "nobody@example.com"}}, 404),
        ("POST", "/apis/v1/users/info", {"json": {"email": "bridge@example.com"}}, 400),
        ("GET", "/v1/messages?channel_id=general", {}, 400),
        ("GET", f"/v1/messages?channel_id={GENERAL[:-1]}9", {}, 404),
        ("GET", "/v1/messages?count=0", {}, 400),
        ("GET", "/v1/messages?count=1001", {}, 400),
        ("GET", "/v1/messages?since=1", {}, 400),
    ],
)
async def test_a_wrong_call_is_answered_with_its_status(
    method: str, path: str, options: dict[str, Any], status: int
) -> None:
    sandbox = ReturningAiSandbox()
    assert (await call(sandbox, method, path, **options)).status_code == status
    assert sandbox.accepted == [] and sandbox.reactions == [] and not sandbox.images


async def test_a_send_is_answered_without_an_id() -> None:
    answer = await call(ReturningAiSandbox(), "POST", "/apis/v1/messages/send", json=GOOD)
    assert answer.json() == {"status": "success", "message": "Message send successfully"}


async def test_an_upload_is_answered_with_a_bare_list_and_only_the_latest_are_kept() -> None:
    sandbox = ReturningAiSandbox()
    for _ in range(IMAGES_KEPT + 1):
        answer = await call(sandbox, "POST", "/apis/v1/messages/upload-image", files=IMAGE)
    (listed,) = answer.json()
    assert set(listed) == {"id", "name", "url", "type", "size"}
    assert len(sandbox.images) == IMAGES_KEPT
    assert (await call(sandbox, "GET", listed["url"])).content == b"bytes"


async def test_messages_are_listed_latest_first_by_channel_and_person() -> None:
    sandbox = ReturningAiSandbox()
    await call(sandbox, "POST", "/apis/v1/messages/send", json=GOOD)
    await sandbox.say("Ann", GENERAL, "hi")
    await sandbox.say("Ann", IDEAS, "an idea", topic="77a1b2c3d4e5f60718293a4b")

    async def listed(query: str) -> list[str]:
        data = (await call(sandbox, "GET", f"/v1/messages?{query}")).json()["data"]
        return [message["message"] for message in data["messages"]]

    assert await listed("") == ["an idea", "hi", "hello"]
    assert await listed(f"channel_id={GENERAL}") == ["hi", "hello"]
    assert await listed("email=ann@example.com&count=1") == ["an idea"]
    assert await listed("user_id=66f0b0000000000000000001") == ["hello"]


async def test_it_goes_on_from_a_snapshot_and_gives_no_id_twice() -> None:
    first, second = ReturningAiSandbox(), ReturningAiSandbox()
    said = await first.say("Ann", GENERAL, "hi")
    await call(first, "POST", "/apis/v1/messages/send", json=GOOD)
    second.restore(first.snapshot())
    assert second.snapshot() == first.snapshot()
    assert [message.text for message in second.accepted] == ["hello"]
    reply = {"messageId": said, "message": "welcome", "sender": "bridge"}
    assert (await call(second, "POST", "/apis/v1/messages/reply", json=reply)).status_code == 200
    assert len({message.id for message in second.messages}) == 3


async def test_nobody_writes_where_there_is_nothing() -> None:
    sandbox = ReturningAiSandbox()
    with pytest.raises(LookupError):
        await sandbox.say("Ann", "nowhere", "hi")
    with pytest.raises(LookupError, match="no topic"):
        await sandbox.say("Ann", IDEAS, "hi", topic="none")
    with pytest.raises(LookupError, match="no message"):
        await sandbox.say("Ann", GENERAL, "hi", reply_to="none")
    with pytest.raises(LookupError, match="no message"):
        await sandbox.react("Ann", "none", ":tada:")


async def test_a_webhook_that_is_not_entered_or_not_reached_is_told() -> None:
    sandbox = ReturningAiSandbox()
    said = await sandbox.say("Ann", GENERAL, "hi")
    with pytest.raises(LookupError, match="no outgoing webhook"):
        await sandbox.react("Ann", said, ":tada:")
    sandbox.hook_url = "http://127.0.0.1:9/hooks/club/secret"
    assert await sandbox.react("Ann", said, ":tada:") == 0
    await sandbox.close()
