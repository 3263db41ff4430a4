"""Webhook delivery to a real HTTP server, with its secret, its order and its retries."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from bot.playground.emulator import Emulator, retry_delay
from bot.playground.hosting import LoopbackServer
from tests.playground.conftest import ANN, BEN, Clock, RawClient


@dataclass
class Hook:
    """A bot's webhook: answers as told, remembers what came."""

    answers: list[Response] = field(default_factory=list)
    seen: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    held: set[int] = field(default_factory=set)
    came: asyncio.Condition = field(default_factory=asyncio.Condition)
    url: str = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        update = json.loads(await request.body())
        async with self.came:
            self.seen.append((request.headers.get("x-telegram-bot-api-secret-token", ""), update))
            self.came.notify_all()
            await self.came.wait_for(lambda: update["message"]["chat"]["id"] not in self.held)
        answer = self.answers.pop(0) if self.answers else Response(status_code=200)
        await answer(scope, receive, send)

    async def wait(self, count: int) -> list[str]:
        async with asyncio.timeout(10), self.came:
            await self.came.wait_for(lambda: len(self.seen) >= count)
        return [update["message"]["text"] for _, update in self.seen]


@pytest.fixture
async def hook() -> AsyncIterator[Hook]:
    made = Hook()
    async with LoopbackServer(made) as server:
        made.url = f"{server.url}/telegram/x"
        yield made


async def test_updates_arrive_with_the_secret_and_are_confirmed_by_200(
    raw: RawClient, emulator: Emulator, hook: Hook
) -> None:
    emulator.say(ANN, ANN, "before the webhook was set")
    await raw.call("setWebhook", url=hook.url, secret_token="s3cret_-")
    emulator.say(ANN, ANN, "after")
    assert await hook.wait(2) == ["before the webhook was set", "after"]
    assert {secret for secret, _ in hook.seen} == {"s3cret_-"}
    await emulator.bot.updates.drained()
    info: Any = await raw.call("getWebhookInfo")
    assert (info["url"], info["pending_update_count"], "last_error_message" in info) == (hook.url, 0, False)


async def test_a_failure_is_retried_in_order_and_shown(raw: RawClient, emulator: Emulator, hook: Hook) -> None:
    hook.answers = [Response(status_code=503), Response(status_code=500)]
    await raw.call("setWebhook", url=hook.url)
    emulator.say(ANN, ANN, "one")
    emulator.say(ANN, ANN, "two")
    assert await hook.wait(4) == ["one", "one", "one", "two"]
    await emulator.bot.updates.drained()
    info: Any = await raw.call("getWebhookInfo")
    assert info["last_error_message"] == "Wrong response from the webhook: 500 Internal Server Error"


async def test_a_chat_that_waits_holds_up_itself_alone(raw: RawClient, emulator: Emulator, hook: Hook) -> None:
    hook.held = {ANN}
    await raw.call("setWebhook", url=hook.url)
    emulator.say(ANN, ANN, "one")
    await hook.wait(1)
    emulator.say(ANN, ANN, "two")
    emulator.say(BEN, BEN, "another chat")
    assert await hook.wait(2) == ["one", "another chat"]
    async with hook.came:
        hook.held.clear()
        hook.came.notify_all()
    assert await hook.wait(3) == ["one", "another chat", "two"]


async def test_polling_and_webhook_exclude_each_other(raw: RawClient, emulator: Emulator, hook: Hook) -> None:
    poll = asyncio.create_task(raw.ask("getUpdates", timeout=20))
    while not emulator.calls:  # noqa: ASYNC110
        await asyncio.sleep(0)
    await raw.call("setWebhook", url=hook.url)
    assert (await poll).json()["description"] == "Conflict: terminated by setWebhook request"
    assert await raw.fails("getUpdates") == (
        409,
        "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first",
    )
    await raw.call("deleteWebhook")
    assert await raw.updates() == []


async def test_a_method_in_the_answer_is_run(raw: RawClient, emulator: Emulator, hook: Hook) -> None:
    hook.answers = [JSONResponse({"method": "sendMessage", "chat_id": ANN, "text": "from the answer"})]
    with emulator.subscribe() as changes:
        await raw.call("setWebhook", url=hook.url)
        emulator.say(ANN, ANN, "hello")
        async for change in changes:
            if change["type"] == "message" and change["message"]["text"] == "from the answer":
                break


async def test_what_is_too_old_is_dropped(raw: RawClient, emulator: Emulator, hook: Hook, clock: Clock) -> None:
    emulator.say(ANN, ANN, "old")
    clock.now += 86_401
    await raw.call("setWebhook", url=hook.url)
    emulator.say(ANN, ANN, "new")
    assert await hook.wait(1) == ["new"]


async def test_addresses_and_secrets_are_checked(raw: RawClient) -> None:
    for params, text in (
        ({"url": "http://example.org/x"}, "bad webhook: An HTTPS URL must be provided for webhook"),
        ({"url": "ftp://127.0.0.1/x"}, "invalid webhook URL specified"),
        ({"url": "http://127.0.0.1/x", "secret_token": "a b"}, "secret token contains unallowed characters"),
        ({"url": "http://127.0.0.1/x", "secret_token": "a" * 257}, "secret token is too long"),
    ):
        assert (await raw.fails("setWebhook", **params))[1] == f"Bad Request: {text}"


def test_the_wait_doubles_and_obeys_retry_after() -> None:
    assert [retry_delay(failures, 0) for failures in (1, 2, 3, 4)] == [1, 2, 4, 8]
    assert 60 <= retry_delay(20, 0) <= 120
    assert (retry_delay(1, 30), retry_delay(9, 99_999)) == (30, 3600)
