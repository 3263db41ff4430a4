"""Every way in which a provider can fail, through account, engine and store: what becomes of the row.

The rules are those of the contract's section 8: surely not sent → queued again; refused → dead; may have arrived →
as the policy says; credentials refused → the account pauses and keeps its queue.
"""

from __future__ import annotations

import asyncio
import time
import tracemalloc
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Literal

import pytest

from bot.accounts import ProviderAccount
from bot.delivery import DeliveryEngine
from bot.store import Tx
from bot.store.outbox import Delivery
from bot.store.sqlite import SqliteStore
from bridges.cinnox.bridge import CinnoxBridge, CinnoxSettings
from bridges.echo.bridge import EchoBridge, EchoSettings
from tests.torture import fault_server
from tests.torture.deliveries import Silent, new_delivery
from tests.torture.fault_server import MIB, Answer, Exchange, FaultServer, answered, dribbling, endless_head, packed

DEADLINE_S = 0.3
LOOK_S = 0.01
SECRET = "fault-hook-secret-0123456789"
TOKEN = "fault-token"


@dataclass
class Line:
    """Engine, account and store on one fault server."""

    server: FaultServer
    store: SqliteStore
    account: ProviderAccount

    async def send(
        self, *texts: str, on_ambiguous: Literal["hold", "resend"] = "hold", rooms: Sequence[str] = ("room-42",)
    ) -> None:
        """Put texts into the outbox, for each room."""
        for room in rooms:
            for text in texts:
                row = new_delivery(room, text, on_ambiguous=on_ambiguous)
                await self.store.write(lambda tx, row=row: tx.outbox.add(row))  # type: ignore[misc]

    async def rows(self) -> Sequence[Delivery]:
        """The outbox."""
        return await self.store.read(lambda tx: tx.outbox.list())

    async def until(self, judged: Callable[[Delivery], bool]) -> Delivery:
        """The first row, as soon as it is judged."""
        await self._look(lambda tx: judged(tx.outbox.list()[0]))
        return (await self.rows())[0]

    async def until_paused(self) -> None:
        """Until the account is paused."""
        await self._look(lambda tx: tx.accounts.get("support").paused)

    async def _look(self, found: Callable[[Tx], bool]) -> None:
        # A final state wakes nobody, so it is looked for.
        async with asyncio.timeout(10):
            while not await self.store.read(found):
                await asyncio.wait([asyncio.ensure_future(asyncio.sleep(LOOK_S))])


def was_judged(row: Delivery) -> bool:
    """Whether an attempt came to an end."""
    return row.error is not None or row.state not in ("queued", "sending")


@asynccontextmanager
async def line(folder: Path, *, provider: str = "cinnox", url: str | None = None) -> AsyncIterator[Line]:
    """A running engine for the account ``support``."""
    async with FaultServer().serve() as server:
        common = {"base_url": url or server.url, "token": TOKEN, "hook_secret": SECRET}
        if provider == "cinnox":
            bridge: CinnoxBridge | EchoBridge = CinnoxBridge(
                CinnoxSettings.model_validate({"provider": "cinnox", "app_id": "app-1", **common})
            )
        else:
            bridge = EchoBridge(
                EchoSettings.model_validate({"provider": "echo", "signing_secret": "fault-signing", **common})
            )
        account = ProviderAccount("support", bridge, deadline_s=DEADLINE_S)
        store = await SqliteStore.open(folder / "db")
        engine = DeliveryEngine(store=store, accounts={"support": account}, observer=Silent(), jitter=lambda: 0.0)
        await engine.start()
        try:
            yield Line(server, store, account)
        finally:
            await engine.stop(grace_s=5)
            await account.close()
            await store.close()


def error(status: int, **headers: str) -> Answer:
    """A readable refusal with this status."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return answered(status, {"code": 0, "message": "no"}, named)


def code(number: int) -> Answer:
    """HTTP 200 with a code of the provider's."""
    return answered(200, {"code": number, "message": "no"})


def in_seconds(seconds: float) -> str:
    """An HTTP date."""
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


@dataclass(frozen=True)
class Case:
    """A fault and what becomes of the row. ``due_s``: when it is tried again, from the attempt on."""

    answer: Callable[[], Answer]
    state: str
    due_s: float | None = None
    counts: bool = True
    pauses: bool = False


FAULTS = {
    "500": Case(lambda: error(500), "queued", 1),
    "503 without Retry-After": Case(lambda: error(503), "queued", 1),
    "503 with Retry-After": Case(lambda: error(503, Retry_After="7"), "queued", 7, counts=False),
    "429 with a number": Case(lambda: error(429, Retry_After="5"), "queued", 5, counts=False),
    "429 with a date": Case(lambda: error(429, Retry_After=in_seconds(40)), "queued", 40, counts=False),
    "429 with a date long past": Case(lambda: error(429, Retry_After=in_seconds(-4e6)), "queued", 1, counts=False),
    "429 without Retry-After": Case(lambda: error(429), "queued", 1),
    "429 with a negative number": Case(lambda: error(429, Retry_After="-5"), "queued", 1, counts=False),
    "429 with a giant number": Case(lambda: error(429, Retry_After="1000000000"), "queued", 3600, counts=False),
    "429 with NaN": Case(lambda: error(429, Retry_After="nan"), "queued", 1),
    "429 with words": Case(lambda: error(429, Retry_After="soon"), "queued", 1),
    "408": Case(lambda: error(408), "queued", 1),
    "400": Case(lambda: error(400), "dead"),
    "404": Case(lambda: error(404), "dead"),
    "410": Case(lambda: error(410), "dead"),
    "413": Case(lambda: error(413), "dead"),
    "422": Case(lambda: error(422), "dead"),
    "401": Case(lambda: error(401), "queued", 0, counts=False, pauses=True),
    "403": Case(lambda: error(403), "dead"),
    "502": Case(lambda: error(502), "held"),
    "504": Case(lambda: error(504), "held"),
    "timeout": Case(lambda: fault_server.silent, "held"),
    "reset": Case(lambda: fault_server.cut, "held"),
    "reset in the middle of a success": Case(lambda: fault_server.half, "held"),
    "200 and a byte now and then": Case(lambda: dribbling(0.02), "held"),
    "200 and header after header": Case(lambda: endless_head(0.02), "held"),
    "200 and broken JSON": Case(lambda: answered(200, b'{"code": 0'), "held"),
    "200 and nothing": Case(lambda: answered(200), "held"),
    "200 and HTML": Case(lambda: answered(200, b"<html><body>It works!</body></html>"), "held"),
    "200 and a list": Case(lambda: answered(200, [0]), "held"),
    "200 in UTF-16": Case(lambda: answered(200, '{"code": 0}'.encode("utf-16-be") + b"\xff"), "held"),
    "200 and a code that is text": Case(lambda: answered(200, {"code": "0"}), "held"),
    "200 and broken gzip": Case(lambda: answered(200, b"\x1f\x8bno", {"Content-Encoding": "gzip"}), "held"),
    "200 in an unknown coding": Case(lambda: answered(200, b"?", {"Content-Encoding": "br"}), "held"),
    "200 and 50 MB": Case(lambda: fault_server.fifty_megabytes, "held"),
    "200 and a gzip bomb": Case(lambda: fault_server.bomb(256 * MIB), "held"),
    "no HTTP": Case(lambda: _gibberish, "held"),
    "200 and code 3000205": Case(lambda: code(3000205), "dead"),
    "200 and code 6451010": Case(lambda: code(6451010), "queued", 1),
    "200 and a code nobody knows": Case(lambda: code(99), "queued", 1),
    "200 in honest gzip": Case(lambda: packed({"code": 0, "result": {}}), "sent"),
}


async def _gibberish(exchange: Exchange) -> None:
    await exchange.send(b"SSH-2.0-nothing to see here\r\n\r\n")


@pytest.mark.parametrize("name", FAULTS)
async def test_a_fault_leads_to_its_state_after_one_request(name: str, tmp_path: Path) -> None:
    case = FAULTS[name]
    async with line(tmp_path) as made:
        made.server.answer = case.answer()
        started = time.time()
        await made.send("hello")
        row = await made.until(was_judged)
        ended = time.time()
        paused = await made.store.read(lambda tx: tx.accounts.get("support").paused)
        assert (row.state, row.attempts, paused) == (case.state, int(case.counts), case.pauses)
        assert made.server.methods("/message-push") == ["POST"]
        if case.due_s is not None:
            # A date has whole seconds.
            assert started + case.due_s - 1 <= row.due_at <= ended + case.due_s
        assert "hello" not in (row.error or "") and TOKEN not in (row.error or "")


async def test_a_refused_connection_is_surely_not_sent(tmp_path: Path) -> None:
    async with FaultServer().serve() as gone:
        pass
    async with line(tmp_path, url=gone.url) as made:
        await made.send("hello")
        row = await made.until(was_judged)
        assert (row.state, row.attempts, row.due_at - row.created_at >= 1) == ("queued", 1, True)
        assert "cannot connect" in (row.error or "")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_never_followed(status: int, tmp_path: Path) -> None:
    async with FaultServer().serve() as elsewhere, line(tmp_path) as made:
        made.server.answer = answered(status, None, {"Location": f"{elsewhere.url}/message-push"})
        await made.send("hello")
        row = await made.until(was_judged)
        assert (row.state, len(made.server.requests), elsewhere.requests) == ("dead", 1, [])


@pytest.mark.parametrize("name", [name for name, case in FAULTS.items() if case.state == "held"])
async def test_with_resend_whatever_is_held_is_queued_again(name: str, tmp_path: Path) -> None:
    async with line(tmp_path) as made:
        made.server.answer = FAULTS[name].answer()
        await made.send("hello", on_ambiguous="resend")
        row = await made.until(was_judged)
        assert (row.state, row.attempts) == ("queued", 1)


@pytest.mark.parametrize("fault", ["200 and 50 MB", "200 and a gzip bomb"])
async def test_a_giant_answer_is_not_read_into_memory(fault: str, tmp_path: Path) -> None:
    answer = FAULTS[fault].answer()
    async with line(tmp_path) as made:
        made.server.answer = answer
        tracemalloc.start()
        try:
            await made.send("hello")
            await made.until(was_judged)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        # The server's own megabyte and what lies in the kernel's buffers are in it.
        assert peak < 12 * MIB


async def test_what_a_provider_that_can_be_asked_has_is_sent_and_not_sent_twice(tmp_path: Path) -> None:
    async with line(tmp_path, provider="echo") as made:

        async def accepts_and_cuts(exchange: Exchange) -> None:
            if made.server.requests[-1].method == "GET":
                await answered(200, {"messages": [{"id": "m1"}]})(exchange)
            else:
                await fault_server.cut(exchange)

        made.server.answer = accepts_and_cuts
        await made.send("hello", rooms=["lobby"])
        row = await made.until(was_judged)
        assert (row.state, [request.method for request in made.server.requests]) == ("sent", ["POST", "GET"])


async def test_what_a_provider_that_can_be_asked_does_not_have_is_sent_again(tmp_path: Path) -> None:
    async with line(tmp_path, provider="echo") as made:

        async def cuts_once(exchange: Exchange) -> None:
            posts = [request for request in made.server.requests if request.method == "POST"]
            if made.server.requests[-1].method == "GET":
                await answered(200, {"messages": []})(exchange)
            elif len(posts) == 1:
                await fault_server.cut(exchange)
            else:
                await answered(201, {"id": "m1"})(exchange)

        made.server.answer = cuts_once
        await made.send("hello", rooms=["lobby"])
        row = await made.until(lambda row: row.state == "sent")
        assert [request.method for request in made.server.requests] == ["POST", "GET", "POST"]
        assert len({request.body for request in made.server.requests if request.method == "POST"}) == 1
        assert row.attempts == 2


async def test_refused_credentials_while_asking_leave_the_send_in_doubt_and_not_queued(tmp_path: Path) -> None:
    async with line(tmp_path, provider="echo") as made:

        async def cuts_and_refuses(exchange: Exchange) -> None:
            if made.server.requests[-1].method == "GET":
                await error(401)(exchange)
            else:
                await fault_server.cut(exchange)

        made.server.answer = cuts_and_refuses
        await made.send("hello", rooms=["lobby"])
        await made.until_paused()
        (row,) = await made.rows()
        assert row.state == "sending"

        async def knows_it(exchange: Exchange) -> None:
            await answered(200, {"messages": [{"id": "m1"}], "name": "sandbox"})(exchange)

        made.server.answer = knows_it
        await made.store.write(lambda tx: tx.accounts.resume("support"))
        await made.until(lambda row: row.state == "sent")
        assert [request.method for request in made.server.requests].count("POST") == 1


async def test_a_paused_account_sends_nothing_while_its_retry_after_lasts(tmp_path: Path) -> None:
    async with line(tmp_path) as made:
        made.server.answer = error(429, Retry_After="30")
        await made.send("one", rooms=["room-1"])
        await made.until(was_judged)
        await made.send("two", rooms=["room-2"])
        changed = asyncio.Event()
        made.store.on_wake(lambda topics: changed.set())
        due = {row.conversation: row.due_at for row in await made.rows()}
        await made.store.write(lambda tx: tx.woken.add("support"))
        # The dispatcher has looked once more by the time that its next unit of work is done.
        await made.store.write(lambda tx: None)
        await asyncio.wait_for(changed.wait(), 5)
        await made.store.write(lambda tx: None)
        assert len(made.server.requests) == 1
        assert due["room-1"] > time.time() + 25
