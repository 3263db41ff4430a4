"""Listening goes on, whatever Telegram answers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bot.feedback import Feedback
from bot.intake import Intake
from bot.playground.hosting import LoopbackServer
from bot.relay import Policy, Relay
from bot.settings import TelegramSettings
from bot.store.sqlite import SqliteStore
from bot.telegram import application
from bot.telegram.application import TelegramSide
from tests.databases import new_database

ME = {"id": 1, "is_bot": True, "first_name": "Patchbay", "username": "patchbay_bot"}
UPDATE = {
    "update_id": 7,
    "message": {
        "message_id": 1,
        "date": 1,
        "chat": {"id": -5, "type": "group", "title": "Ops"},
        "pinned_message": None,
    },
}


def ok(result: Any) -> Response:
    """An answer of the Bot API."""
    return JSONResponse({"ok": True, "result": result})


def refused(status: int, **more: Any) -> Response:
    """A refusal of the Bot API."""
    return JSONResponse({"ok": False, "error_code": status, "description": "no", **more}, status)


def scripted() -> dict[str, Iterator[Response]]:
    """The first answers to each method; afterwards all is well."""
    return {
        "getme": iter([ok(True), ok({"id": 1}), Response(b"not JSON"), refused(502)]),
        "deletewebhook": iter([refused(500)]),
        "getupdates": iter(
            [
                refused(429, parameters={"retry_after": "soon"}),
                refused(400, parameters=[1]),
                ok(True),
                ok([None, {"update_id": "x"}]),
                ok([UPDATE]),
            ]
        ),
    }


async def test_answers_of_no_known_shape_end_neither_the_start_nor_the_polling(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(application, "BACKOFF_S", (0.01,))
    script = scripted()

    async def answer(request: Request) -> Response:
        method = request.path_params["method"].lower()
        given = next(script.get(method, iter(())), None)
        if given is not None:
            return given
        if method == "getupdates":
            await asyncio.sleep(0.05)  # a long poll that brings nothing
        return ok({"getme": ME, "getupdates": []}.get(method, True))

    app = Starlette(routes=[Route("/bot{token}/{method}", answer, methods=["POST"])])
    store = await SqliteStore.open(new_database(tmp_path / "p.sqlite3"))
    async with LoopbackServer(app) as server:
        side = TelegramSide(
            settings=TelegramSettings(token=SecretStr("1:a"), api_base_url=server.url),
            store=store,
            default_timezone="UTC",
        )
        relay = Relay(accounts={}, policy=Policy(max_age_s=60, on_ambiguous="hold", telegram_on_ambiguous="resend"))
        intake = Intake(store=store, accounts={}, relay=relay, clock=time.time)
        side.join(relay=relay, intake=intake, feedback=Feedback(relay))
        await intake.start()
        side.start(webhook_url=None, webhook_secret="")
        try:
            async with asyncio.timeout(20):
                while side.trouble or await store.read(lambda tx: tx.inbox.last_id()) == 0:
                    assert side.turning
                    await asyncio.sleep(0.01)
            assert all(next(answers, None) is None for answers in script.values())
        finally:
            await side.stop()
            await intake.stop()
            await side.close()
            await store.close()
