"""History import: in the order of time, once, whatever happens on the way; and the command that does it."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import pty
import re
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar
from zoneinfo import ZoneInfo

import httpx
import pytest
from click.testing import CliRunner, Result

from bot.accounts import ProviderAccount
from bot.cli import cli, main
from bot.cli.common import Problem
from bot.history import HistoryError, open_history
from bot.imports import (
    CHUNK,
    QUESTIONS_MOST,
    REFUSED_MOST,
    TRIES_MOST,
    WRONG_MOST,
    End,
    Importer,
    Recalling,
    Totals,
    stage,
    survey,
)
from bot.store import Tx
from bot.store.imports import IdsOfFile, PlacedId
from bot.store.sqlite import SqliteStore
from bridges.api import AccountSettings, Capabilities, Flow, Hook, Outgoing
from bridges.errors import BridgeError, Garbled, Refused, Unauthorized, Unavailable
from bridges.model import ConversationId, Event, MessageId, Receipt
from bridges.registry import PROVIDERS

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime(2026, 11, 21, tzinfo=UTC)
START = datetime(2025, 1, 1, tzinfo=UTC)
ROOM = ConversationId("room")
Json = dict[str, Any]
T = TypeVar("T")


# --- a provider that keeps the time of past messages


class KeepingSettings(AccountSettings):
    """Where its messages go, where another process is to see them."""

    provider: Literal["keeping"] = "keeping"
    journal: Path | None = None
    delay_s: float = 0.0


class KeepingBridge:
    """Keeps every message with its time. What may go wrong is told to it; its flows yield no request."""

    name: ClassVar[str] = "keeping"
    title: ClassVar[str] = "Keeping"
    Settings: ClassVar[type[AccountSettings]] = KeepingSettings
    capabilities: Capabilities = Capabilities(text_limit=200, history=True)
    auth: httpx.Auth | None = None

    def __init__(self, settings: AccountSettings | None = None, **capabilities: Any) -> None:
        self.capabilities = replace(type(self).capabilities, **capabilities)
        self.settings = settings if isinstance(settings, KeepingSettings) else KeepingSettings()
        self.kept: list[Json] = []
        self.asked = 0
        self.before: dict[int, Exception | Callable[[], None]] = {}
        """What happens to the n-th request, which is then not taken."""
        self.after: dict[int, Exception | Callable[[], None]] = {}
        """What happens to the n-th request once it is taken."""
        self.requests = 0
        self.memory: Mapping[str, str] = {}

    def check(self, conversation: ConversationId) -> None:
        """A name in letters."""
        if not conversation.isalpha():
            raise Refused("Keeping has no such conversation: a name is in letters; example: room")

    def deliver(self, out: Outgoing) -> Flow[Receipt]:
        """Not used."""
        raise AssertionError("a message of the past is no message of today")
        yield

    def deliver_past(self, out: Outgoing, *, at: datetime) -> Flow[Receipt]:
        """Keep it."""
        self.requests += 1
        time.sleep(self.settings.delay_s)
        _happens(self.before.get(self.requests))
        sender = out.message.sender
        record = {
            "key": out.key,
            "attempt": out.attempt,
            "text": out.message.text,
            "at": at.isoformat(),
            "sender": sender.id if sender else None,
        }
        if self.settings.journal is None:
            self.kept.append(record)
        else:
            with self.settings.journal.open("a") as journal:
                journal.write(json.dumps(record) + "\n")
        _happens(self.after.get(self.requests))
        return Receipt(ids=(MessageId(f"r{self.requests}"),))
        yield

    def journal(self) -> list[Json]:
        """Everything that was taken, in that order."""
        return read_journal(self.settings.journal) if self.settings.journal else self.kept

    def verify(self, hook: Hook) -> None:
        """Trust it."""

    def decode(self, hook: Hook) -> Sequence[Event]:
        """Nothing."""
        return ()

    def probe(self) -> Flow[str]:
        """Works."""
        return "Keeping works"
        yield

    def recall(self, memory: Mapping[str, str]) -> None:
        """As it is."""
        self.memory = memory

    def learnt(self) -> Mapping[str, str]:
        """As it is."""
        return self.memory


class AskableBridge(KeepingBridge):
    """It can be asked what became of a send."""

    def __init__(self, settings: AccountSettings | None = None, **capabilities: Any) -> None:
        super().__init__(settings, **capabilities)
        self.silent: list[BridgeError] = []
        """What it answers to the next questions in place of the truth."""

    def confirm(self, out: Outgoing) -> Flow[Receipt | None]:
        """Look it up by key and attempt."""
        self.asked += 1
        if self.silent:
            raise self.silent.pop(0)
        found = [kept for kept in self.journal() if (kept["key"], kept["attempt"]) == (out.key, out.attempt)]
        return Receipt(ids=(MessageId("found"),)) if found else None
        yield


def _happens(what: Exception | Callable[[], None] | None) -> None:
    if isinstance(what, Exception):
        raise what
    if what is not None:
        what()


def read_journal(path: Path) -> list[Json]:
    """What was taken by any process."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def cut() -> Unavailable:
    return Unavailable("POST keeping: the connection broke", maybe_sent=True)


def away(retry_after: float | None = None) -> Unavailable:
    return Unavailable("POST keeping: HTTP 503", retry_after=retry_after)


# --- files


def record(n: int, text: str | None = None, **more: object) -> Json:
    """The n-th message by time."""
    return {
        "id": f"m{n}",
        "at": (START + timedelta(seconds=n)).isoformat(),
        "sender": {"id": "u1", "name": "Ann"},
        "text": f"text {n}" if text is None else text,
        **more,
    }


def write_lines(path: Path, records: Sequence[Json]) -> Path:
    path.write_text("".join(json.dumps(each) + "\n" for each in records))
    return path


def shuffled(count: int) -> list[Json]:
    """So many messages in an order that is not that of time."""
    return [record(n * 7919 % count) for n in range(count)]


# --- an import without a command line


class Desk:
    """A store, an account, and a clock that only moves when somebody waits."""

    def __init__(self, store: SqliteStore, folder: Path) -> None:
        self.store = store
        self.path = folder / "history.jsonl"
        self.bridge: KeepingBridge = AskableBridge()
        self.stopping = asyncio.Event()
        self.now = NOW.timestamp()
        self.waited: list[float] = []
        self.told: list[str] = []
        self.settled = 0

    def using(self, bridge: KeepingBridge) -> KeepingBridge:
        """Another provider."""
        self.bridge = bridge
        return bridge

    async def wait(self, seconds: float) -> bool:
        """Let time pass."""
        self.waited.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)
        return self.stopping.is_set()

    async def stage(self, *records: Json, write: bool = True) -> Totals:
        """Read a file of these."""
        history = open_history(write_lines(self.path, records), chat=None, zone=ZoneInfo("UTC"), now=NOW)
        return await stage(
            self.store,
            history,
            account="im",
            conversation=ROOM,
            capabilities=self.bridge.capabilities,
            write=write,
            told=lambda n: None,
        )

    def importer(self) -> Importer:
        """A new run, as of a new process."""

        def settled(n: int) -> None:
            self.settled += n

        return Importer(
            store=self.store,
            account=ProviderAccount("im", self.bridge),
            conversation=ROOM,
            stopping=self.stopping,
            settled=settled,
            waits=self.told.append,
            clock=lambda: self.now,
            wait=self.wait,
            jitter=lambda: 0.0,
        )

    async def run(self) -> End:
        """Send what waits."""
        return await self.importer().run()

    async def sent(self, *records: Json) -> list[str]:
        """Stage and send these; the texts that were taken by then."""
        await self.stage(*records)
        await self.run()
        return self.texts

    @property
    def texts(self) -> list[str]:
        """What the provider took, in that order."""
        return [kept["text"] for kept in self.bridge.journal()]

    async def counts(self) -> dict[str, int]:
        """Rows by state, where there are any."""
        found = await self.store.read(lambda tx: tx.imports.count("im", ROOM))
        return {state: number for state, number in found.items() if number}

    async def reasons(self, state: Literal["refused", "unknown"]) -> list[tuple[str, int]]:
        """Why, and how often."""
        return list(await self.store.read(lambda tx: tx.imports.reasons("im", ROOM, state, limit=9)))


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    store = await SqliteStore.open(tmp_path / "p.sqlite3")
    yield Desk(store, tmp_path)
    await store.close()


async def test_messages_go_in_the_order_of_time_whatever_that_of_the_file(desk: Desk) -> None:
    await desk.sent(*shuffled(50))
    assert desk.texts == [f"Ann: text {n}" for n in range(50)]
    assert [kept["at"] for kept in desk.bridge.kept] == [(START + timedelta(seconds=n)).isoformat() for n in range(50)]
    assert {kept["sender"] for kept in desk.bridge.kept} == {"u1"}
    assert await desk.counts() == {"sent": 50}
    assert desk.settled == 50


async def test_messages_of_one_time_keep_the_order_of_the_file(desk: Desk) -> None:
    at = START.isoformat()
    assert await desk.sent(*(record(n, at=at) for n in (3, 1, 2))) == ["Ann: text 3", "Ann: text 1", "Ann: text 2"]


async def test_no_name_goes_before_the_text_where_the_provider_shows_who_wrote(desk: Desk) -> None:
    desk.using(AskableBridge(names_shown=True))
    assert await desk.sent(record(1)) == ["text 1"]


async def test_a_long_text_goes_in_parts_of_one_time(desk: Desk) -> None:
    await desk.sent(record(1, " ".join(["word"] * 100)), record(2))
    *parts, last = desk.bridge.kept
    assert [part["text"][:11] for part in parts] == ["Ann: (1/3) ", "Ann: (2/3) ", "Ann: (3/3) "]
    assert len({part["at"] for part in parts}) == 1
    assert len({kept["key"] for kept in desk.bridge.kept}) == 4
    assert last["text"] == "Ann: text 2"


async def test_twice_is_the_same_as_once(desk: Desk) -> None:
    once = await desk.sent(*shuffled(20))
    assert await desk.stage(*shuffled(20)) == Totals(known=20)
    assert await desk.run() == End("done")
    assert desk.texts == once
    assert desk.bridge.asked == 0


async def test_a_file_that_grew_adds_only_what_is_new(desk: Desk) -> None:
    await desk.sent(record(1), record(2))
    assert await desk.stage(record(1), record(2), record(3)) == Totals(new=1, known=2)
    await desk.run()
    assert desk.texts == ["Ann: text 1", "Ann: text 2", "Ann: text 3"]


async def test_an_id_that_comes_again_with_other_words_is_told_and_not_sent(desk: Desk) -> None:
    await desk.sent(*(record(n) for n in range(8)))
    totals = await desk.stage(*(record(n, "edited") for n in range(8)))
    assert (totals.changed, totals.changed_ids) == (8, ["m0", "m1", "m2", "m3", "m4"])
    await desk.run()
    assert len(desk.texts) == 8


async def test_an_id_that_comes_again_with_another_time_is_another_message(desk: Desk) -> None:
    await desk.sent(record(1))
    totals = await desk.stage(record(1, at=(START + timedelta(hours=1)).isoformat()), record(2))
    assert (totals.new, totals.known, totals.changed_ids) == (1, 0, ["m1"])


@pytest.mark.parametrize("write", [True, False])
async def test_a_message_that_is_repeated_in_the_file_is_staged_once(desk: Desk, write: bool) -> None:
    records = [record(1), *shuffled(CHUNK), record(1)]
    assert await desk.stage(*records, write=write) == Totals(new=CHUNK)


async def test_a_file_whose_ids_begin_to_clash_while_it_is_read_is_not_staged_further(desk: Desk) -> None:
    with pytest.raises(HistoryError, match=r'changed while it was read: line 2: id: "m1" is that of line 1 too'):
        await desk.stage(record(1), record(1, "other"))
    assert await desk.counts() == {}


async def test_a_run_counts_what_it_did_itself(desk: Desk) -> None:
    bridge = desk.bridge
    assert isinstance(bridge, AskableBridge)
    await desk.sent(record(1), record(2))
    bridge.before = {3: Refused("no"), 4: away()}
    bridge.after = {5: cut()}
    bridge.silent = [Garbled("?")] * 3
    await desk.stage(*(record(n) for n in range(6)))
    importer = desk.importer()
    assert await importer.run() == End("done")
    assert importer.ended == {"sent": 2, "refused": 1, "unknown": 1}
    again = desk.importer()
    assert await again.send_again("unknown") == 1
    assert await again.run() == End("done")
    assert again.ended == {"sent": 1, "unknown": 0}
    assert await desk.counts() == {"sent": 5, "refused": 1}


async def test_comparing_stages_nothing(desk: Desk) -> None:
    await desk.sent(record(1))
    assert await desk.stage(record(1), record(2), write=False) == Totals(new=1, known=1)
    assert await desk.counts() == {"sent": 1}


async def test_no_text_is_kept_once_it_is_sent(desk: Desk) -> None:
    await desk.sent(record(1, "the-secret-words"))
    rows = await desk.store.read(lambda tx: tx.db.execute("SELECT * FROM imports").fetchall())
    assert len(rows) == 1
    assert "secret" not in str(rows)


async def test_a_key_names_the_installation_the_message_and_its_part_alone(desk: Desk, tmp_path: Path) -> None:
    await desk.sent(record(1))
    instance = await desk.store.read(lambda tx: tx.meta.instance)
    key = desk.bridge.kept[0]["key"]
    assert key.startswith(f"{instance}-h")
    assert key.replace("-", "").isalnum()


# --- what may go wrong


async def test_a_provider_that_is_away_is_tried_again_with_a_number_of_its_own_for_each_request(desk: Desk) -> None:
    desk.bridge.before = {2: away(), 3: away(), 4: away()}
    assert await desk.sent(record(1), record(2)) == ["Ann: text 1", "Ann: text 2"]
    assert desk.waited == [1.0, 5.0, 30.0]
    assert [kept["attempt"] for kept in desk.bridge.kept] == [1, 4]
    assert desk.told[0] == "POST keeping: HTTP 503; trying again in 1 s"


async def test_a_provider_that_says_when_is_tried_then(desk: Desk) -> None:
    desk.bridge.before = {1: away(retry_after=42.0)}
    await desk.sent(record(1))
    assert sum(desk.waited) == 42.0


async def test_a_provider_that_stays_away_ends_the_run_and_the_next_one_goes_on(desk: Desk) -> None:
    desk.bridge.before = {n: away() for n in range(2, 2 + TRIES_MOST)}
    await desk.stage(*shuffled(5))
    assert await desk.run() == End("unavailable", "POST keeping: HTTP 503")
    assert desk.waited == [1.0, 5.0, 30.0, 120.0, 600.0]
    assert await desk.counts() == {"new": 4, "sent": 1}
    assert await desk.run() == End("done")
    assert desk.texts == [f"Ann: text {n}" for n in range(5)]
    assert desk.bridge.asked == 0


async def test_a_success_in_between_gives_new_patience(desk: Desk) -> None:
    desk.bridge.before = {n: away() for n in range(1, 12) if n % 5}
    await desk.sent(record(1), record(2))
    assert desk.waited == [1.0, 5.0, 30.0, 120.0] * 2


async def test_a_refused_message_is_recorded_and_the_others_go(desk: Desk) -> None:
    desk.bridge.before = {2: Refused("Keeping: no such person")}
    await desk.stage(*(record(n) for n in range(3)))
    assert await desk.run() == End("done")
    assert desk.texts == ["Ann: text 0", "Ann: text 2"]
    assert await desk.reasons("refused") == [("Keeping: no such person", 1)]
    assert desk.settled == 3
    await desk.sent(*(record(n) for n in range(3)))
    assert len(desk.texts) == 2


async def test_what_was_refused_goes_again_if_a_person_says_so(desk: Desk) -> None:
    desk.bridge.before = {1: Refused("no")}
    await desk.sent(record(1), record(2))
    assert await desk.importer().send_again("refused") == 1
    await desk.run()
    assert desk.texts == ["Ann: text 2", "Ann: text 1"]
    assert desk.bridge.kept[1]["attempt"] == 2


async def test_refusals_without_end_are_not_about_the_messages(desk: Desk) -> None:
    desk.bridge.before = dict.fromkeys(range(1, 100), Refused("the group is dismissed"))
    await desk.stage(*shuffled(60))
    ended = await desk.run()
    assert ended == End("refused", f"{REFUSED_MOST} in a row did not go, the last one: the group is dismissed")
    assert await desk.counts() == {"new": 60 - REFUSED_MOST, "refused": REFUSED_MOST}


async def test_refused_credentials_end_the_run_and_cost_no_message(desk: Desk) -> None:
    desk.bridge.before = {2: Unauthorized("the credentials were refused")}
    await desk.stage(record(1), record(2))
    assert await desk.run() == End("unauthorized", "the credentials were refused")
    assert await desk.counts() == {"new": 1, "sent": 1}
    await desk.run()
    assert desk.texts == ["Ann: text 1", "Ann: text 2"]


@pytest.mark.parametrize("error", [cut(), Garbled("the answer is not JSON")])
async def test_a_send_that_arrived_without_an_answer_is_asked_about_and_not_repeated(
    desk: Desk, error: Exception
) -> None:
    desk.bridge.after = {1: error}
    assert await desk.sent(record(1), record(2)) == ["Ann: text 1", "Ann: text 2"]
    assert await desk.counts() == {"sent": 2}
    assert desk.bridge.asked == 1


async def test_a_send_that_surely_did_not_arrive_goes_again_under_a_new_number(desk: Desk) -> None:
    desk.bridge.before = {1: cut()}
    assert await desk.sent(record(1)) == ["Ann: text 1"]
    assert (desk.bridge.asked, desk.bridge.kept[0]["attempt"]) == (1, 2)


async def test_where_nobody_can_be_asked_a_cut_send_is_left_to_a_person(desk: Desk) -> None:
    bridge = desk.using(KeepingBridge())
    bridge.after = {1: cut()}
    await desk.sent(record(1), record(2))
    assert desk.texts == ["Ann: text 1", "Ann: text 2"]
    assert await desk.reasons("unknown") == [("POST keeping: the connection broke", 1)]
    await desk.run()
    assert len(desk.texts) == 2
    assert await desk.importer().send_again("unknown") == 1
    await desk.run()
    assert desk.texts == ["Ann: text 1", "Ann: text 2", "Ann: text 1"]
    assert bridge.kept[2]["attempt"] == 2


async def test_where_the_key_is_enough_a_cut_send_is_repeated_with_it(desk: Desk) -> None:
    bridge = desk.using(KeepingBridge(idempotent=True))
    bridge.before = {1: cut()}
    await desk.sent(record(1))
    assert [kept["attempt"] for kept in bridge.kept] == [2]


async def test_a_question_without_an_answer_holds_nothing_up_and_is_put_again_the_next_time(desk: Desk) -> None:
    bridge = desk.bridge
    assert isinstance(bridge, AskableBridge)
    bridge.after = {1: cut()}
    bridge.silent = [away() for _ in range(QUESTIONS_MOST)]
    await desk.sent(record(1), record(2))
    assert desk.waited == [1.0, 5.0, 30.0, 120.0]
    assert await desk.counts() == {"sent": 1, "unknown": 1}
    assert await desk.reasons("unknown") == [
        ("it may have arrived, and that could not be confirmed: POST keeping: HTTP 503", 1)
    ]
    assert await desk.run() == End("done")
    assert await desk.counts() == {"sent": 2}
    assert desk.texts == ["Ann: text 1", "Ann: text 2"]


async def test_send_again_asks_first(desk: Desk) -> None:
    bridge = desk.bridge
    assert isinstance(bridge, AskableBridge)
    bridge.after = {1: cut()}
    bridge.silent = [Garbled("?")]
    await desk.sent(record(1))
    assert await desk.counts() == {"unknown": 1}
    assert await desk.importer().send_again("unknown") == 0
    assert await desk.counts() == {"sent": 1}


async def found_sending(desk: Desk, *, arrived: bool) -> None:
    """What a killed process leaves: a message under way, and one behind it."""
    await desk.stage(record(1), record(2))
    row = await desk.store.write(lambda tx: tx.imports.begin("im", ROOM, now=desk.now))
    assert row is not None
    if arrived:
        importer = desk.importer()
        importer._instance = await desk.store.read(lambda tx: tx.meta.instance)
        await ProviderAccount("im", desk.bridge).run(desk.bridge.deliver_past(importer._outgoing(row), at=START))


@pytest.mark.parametrize(("arrived", "requests"), [(True, 2), (False, 2)])
async def test_what_was_under_way_in_a_killed_process_is_asked_about_first(
    desk: Desk, arrived: bool, requests: int
) -> None:
    await found_sending(desk, arrived=arrived)
    await desk.run()
    assert desk.texts == ["Ann: text 1", "Ann: text 2"] if not arrived else [desk.texts[0], "Ann: text 2"]
    assert (desk.bridge.asked, desk.bridge.requests) == (1, requests)
    assert await desk.counts() == {"sent": 2}


async def test_credentials_refused_at_the_question_leave_it_open(desk: Desk) -> None:
    bridge = desk.bridge
    assert isinstance(bridge, AskableBridge)
    await found_sending(desk, arrived=True)
    bridge.silent = [Unauthorized("no")]
    assert await desk.run() == End("unauthorized", "no")
    assert await desk.counts() == {"new": 1, "sending": 1}
    assert await desk.run() == End("done")
    assert len(desk.texts) == 2


async def test_not_there_a_day_later_is_no_proof(desk: Desk) -> None:
    await found_sending(desk, arrived=False)
    desk.now += 86400
    await desk.run()
    assert desk.texts == ["Ann: text 2"]
    assert await desk.reasons("unknown") == [("Keeping was asked too late to know what became of it", 1)]


async def test_what_was_under_way_where_nobody_can_be_asked_is_left_to_a_person(desk: Desk) -> None:
    desk.using(KeepingBridge())
    await found_sending(desk, arrived=False)
    await desk.run()
    assert desk.texts == ["Ann: text 2"]
    assert await desk.reasons("unknown") == [("stopped while it was sent; Keeping cannot be asked", 1)]


async def test_a_bug_of_ours_concerns_one_message(desk: Desk) -> None:
    desk.bridge.before = {1: KeyError("x")}
    await desk.sent(record(1), record(2))
    assert desk.texts == ["Ann: text 2"]
    assert await desk.reasons("unknown") == [("our bug: KeyError", 1)]


async def test_told_to_stop_it_ends_after_the_message_under_way(desk: Desk) -> None:
    desk.bridge.after = {3: desk.stopping.set}
    await desk.stage(*shuffled(10))
    assert await desk.run() == End("stopped")
    assert await desk.counts() == {"new": 7, "sent": 3}
    desk.stopping.clear()
    assert await desk.run() == End("done")
    assert desk.texts == [f"Ann: text {n}" for n in range(10)]


async def test_told_to_stop_while_it_waits_it_waits_no_longer(desk: Desk) -> None:
    desk.bridge.before = {1: away(retry_after=3600.0)}
    await desk.stage(record(1))
    importer = desk.importer()
    importer._wait = importer._wait_or_stop
    asyncio.get_running_loop().call_later(0.01, desk.stopping.set)
    async with asyncio.timeout(10):
        assert await importer.run() == End("stopped")
    assert await desk.counts() == {"new": 1}


async def test_the_pace_of_the_account_is_kept(desk: Desk) -> None:
    desk.using(AskableBridge(requests_per_minute=10))
    began = desk.now
    await desk.sent(*shuffled(21))
    assert len(desk.texts) == 21
    assert 110 <= desk.now - began <= 130


async def test_what_another_process_learnt_is_recalled(desk: Desk) -> None:
    account = ProviderAccount("im", desk.bridge)
    Recalling(desk.store, account)
    other = await SqliteStore.open(desk.store.path)
    await other.write(lambda tx: tx.accounts.remember("im", {"token": "renewed elsewhere"}))
    await other.close()
    async with asyncio.timeout(5):
        while desk.bridge.memory != {"token": "renewed elsewhere"}:
            await desk.store.write(lambda tx: None)


# --- killed for real


def children(folder: str, count: str, points: str) -> None:
    """Import with a process for each point, which kills itself there; the last one comes to its end.

    A point is ``staged:N`` (so many chunks are committed), ``before:N`` or ``after:N`` (the N-th request of this
    process has left and is not taken, or is taken and not answered).
    """
    place = Path(folder)
    write_lines(place / "history.jsonl", shuffled(int(count)))
    for point in [*points.split(","), ""]:
        child = os.fork()
        if child == 0:
            asyncio.run(_child(place, point))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == (-signal.SIGKILL if point else 0), point


async def _child(place: Path, point: str) -> None:
    where, _, number = point.partition(":")
    bridge = AskableBridge(KeepingSettings(journal=place / "journal"))
    if where in ("before", "after"):
        getattr(bridge, where)[int(number)] = _die
    left = int(number) if where == "staged" else -1

    def told(_: int) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            _die()

    store = await SqliteStore.open(place / "p.sqlite3")
    history = open_history(place / "history.jsonl", chat=None, zone=ZoneInfo("UTC"), now=NOW)
    await stage(
        store, history, account="im", conversation=ROOM, capabilities=bridge.capabilities, write=True, told=told
    )
    account = ProviderAccount("im", bridge)
    importer = Importer(store=store, account=account, conversation=ROOM, stopping=asyncio.Event())
    assert await importer.run() == End("done")
    await store.close()


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def run_here(call: str, *arguments: object, code: int = 0) -> str:
    """Call a function of this file in a process of its own; what it printed."""
    line = f"from tests.bot.test_imports import {call}; {call}(*__import__('sys').argv[1:])"
    done = subprocess.run(
        [sys.executable, "-c", line, *map(str, arguments)], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def test_killed_at_any_point_nothing_is_lost_and_nothing_comes_twice(tmp_path: Path) -> None:
    count = 2 * CHUNK + 200
    points = ["staged:1", "staged:2", "staged:3", "before:1", "after:1", "before:2", "after:2", "before:7", "after:13"]
    run_here("children", tmp_path, count, ",".join([*points, "after:300", "before:300", "after:1"]))
    assert [kept["text"] for kept in read_journal(tmp_path / "journal")] == [f"Ann: text {n}" for n in range(count)]


# --- memory


def measure(folder: str, count: str) -> None:
    """Import so many messages and print the peak of memory in kB, and seconds."""
    place, total = Path(folder), int(count)

    async def work() -> None:
        bridge = AskableBridge()
        bridge.kept = Nothing()
        account = ProviderAccount("im", bridge)
        store = await SqliteStore.open(place / f"{total}.sqlite3")
        history = open_history(place / f"{total}.jsonl", chat=None, zone=ZoneInfo("UTC"), now=NOW)
        assert survey(history, capabilities=bridge.capabilities, heard=lambda n: None).messages == total
        await stage(
            store,
            history,
            account="im",
            conversation=ROOM,
            capabilities=bridge.capabilities,
            write=True,
            told=lambda n: None,
        )
        importer = Importer(store=store, account=account, conversation=ROOM, stopping=asyncio.Event())
        assert await importer.run() == End("done")
        assert importer.ended["sent"] == bridge.requests == total
        await store.close()

    with (place / f"{total}.jsonl").open("w") as file:
        file.writelines(json.dumps(record(total - n)) + "\n" for n in range(total))
    began = time.monotonic()
    asyncio.run(work())
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, round(time.monotonic() - began, 1))


class Nothing(list[Json]):
    """Keeps nothing."""

    def append(self, _: Json) -> None:
        """Forget it."""


def test_memory_does_not_grow_with_the_number_of_messages(tmp_path: Path) -> None:
    few, many = (int(run_here("measure", tmp_path, count).split()[0]) for count in (1_000, 10_000))
    assert many - few < 6_000, f"{few} kB for 1,000 messages, {many} kB for 10,000"


# --- the command

CONFIG = """
[telegram]
token = "1:a"
default_timezone = "Europe/Paris"
[store]
path = "p.sqlite3"
[accounts.im]
provider = "keeping"
journal = "{folder}/journal"
delay_s = {delay_s}
[accounts.club]
provider = "echo"
base_url = "http://127.0.0.1:9"
token = "club-token"
hook_secret = "0123456789abcdef0"
signing_secret = "signing"
"""


class Shell:
    """The command line with a provider of ours in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "patchbay.toml"
        self.configure()
        self.file = folder / "history.jsonl"

    def configure(self, *, delay_s: float = 0.0) -> None:
        """Write the configuration."""
        self.config.write_text(CONFIG.format(folder=self.folder, delay_s=delay_s))

    def run(self, *arguments: object) -> Result:
        """``patchbay …``; a problem is in ``exception``."""
        return CliRunner().invoke(cli, [*map(str, arguments), "--config", str(self.config)])

    def imports(self, *arguments: object, code: int = 0) -> str:
        """``patchbay import-history im FILE …``: what it printed, errors too."""
        result = self.run("import-history", "im", self.file, *arguments)
        assert result.exit_code == code, (result.output, result.exception)
        return result.output

    def problem(self, *arguments: object) -> str:
        """The line that ``patchbay …`` ends with because a person has to change something."""
        result = self.run(*arguments)
        assert isinstance(result.exception, Problem), (result.output, result.exception)
        return str(result.exception)

    @property
    def texts(self) -> list[str]:
        """What the provider took."""
        return [kept["text"] for kept in read_journal(self.folder / "journal")]


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.setitem(PROVIDERS, "keeping", AskableBridge)
    return Shell(tmp_path)


def test_the_command_says_what_it_found_and_what_became_of_it(shell: Shell) -> None:
    write_lines(shell.file, [*shuffled(3), record(9, " "), record(5, "word " * 100)])
    said = shell.imports("--to", "im:room")
    assert said.splitlines() == [
        f"{shell.file}: JSON Lines",
        "4 messages of 1 person from 2025-01-01 00:00 to 2025-01-01 00:00 UTC, for im:room",
        "1 are too long for one message there: 6 messages will be sent in all",
        "left out: 1 messages without text",
        "4 are new, 0 known from before",
        "6 sent to im:room, 0 refused, 0 in doubt, 0 left.",
        "Together with earlier runs: 6 sent, 0 refused, 0 in doubt.",
    ]
    assert shell.texts[:3] == ["Ann: text 0", "Ann: text 1", "Ann: text 2"]


def test_the_command_twice_is_the_same_as_once(shell: Shell) -> None:
    write_lines(shell.file, shuffled(5))
    shell.imports("--to", "im:room")
    again = shell.imports("--to", "im:room")
    assert "0 are new, 5 known from before" in again
    assert len(shell.texts) == 5


def test_the_last_lines_tell_the_numbers_of_this_run_and_apart_those_of_all(shell: Shell) -> None:
    write_lines(shell.file, [record(n) for n in range(5)])
    shell.imports("--to", "im:room")
    write_lines(shell.file, [record(n) for n in range(8)])
    assert shell.imports("--to", "im:room").splitlines()[-2:] == [
        "3 sent to im:room, 0 refused, 0 in doubt, 0 left.",
        "Together with earlier runs: 8 sent, 0 refused, 0 in doubt.",
    ]


def test_a_dry_run_sends_and_stages_nothing(shell: Shell) -> None:
    write_lines(shell.file, shuffled(5))
    assert shell.imports("--dry-run", "--to", "im:room").splitlines()[-2:] == [
        "5 are new, 0 known from before",
        "Nothing was sent or stored.",
    ]
    assert shell.texts == []
    assert "5 are new" in shell.imports("--to", "im:room")


def test_every_mistake_of_a_file_is_told_before_anything_is_sent(shell: Shell) -> None:
    write_lines(shell.file, [record(1), {"id": "x"}, record(2), {**record(3), "at": "yesterday"}])
    told = shell.problem("import-history", "im", shell.file, "--to", "im:room").splitlines()
    assert told == [
        f'{shell.file}: line 2: at: is missing, as in {{"id": "m1", "at": "2025-03-04T10:11:12Z",'
        ' "sender": {"id": "u1", "name": "Ann"}, "text": "hello"}',
        f'{shell.file}: line 4: at: "yesterday" is no time; write it as in 2025-03-04T10:11:12Z',
    ]
    assert shell.texts == []
    write_lines(shell.file, [record(1)])
    assert "1 are new" in shell.imports("--to", "im:room")


CLASHES: dict[str, tuple[Json, str]] = {
    "time": ({"at": "2025-03-04T10:11:12Z"}, "another time"),
    "person": ({"sender": {"id": "u2", "name": "Ann"}}, "another person"),
    "words": ({"text": "other"}, "other words"),
    "no words": ({"text": " "}, "other words"),
    "all": (
        {"at": "2025-03-04T10:11:12Z", "sender": {"id": "u2", "name": "Bob"}, "text": "other"},
        "another time, another person, other words",
    ),
}


@pytest.mark.parametrize(("change", "words"), CLASHES.values(), ids=CLASHES)
@pytest.mark.parametrize("more", [[], ["--dry-run"]], ids=["run", "dry run"])
def test_an_id_that_comes_twice_in_a_file_for_two_messages_is_a_mistake_of_the_file(
    shell: Shell, change: Json, words: str, more: list[str]
) -> None:
    write_lines(shell.file, [record(0), record(1), record(2), {**record(1), **change}])
    assert shell.problem("import-history", "im", shell.file, "--to", "im:room", *more) == (
        f'{shell.file}: line 4: id: "m1" is that of line 2 too, with {words}; give each message an id of its own'
    )
    assert not (shell.folder / "p.sqlite3").exists()
    assert shell.texts == []


def test_a_number_and_its_digits_are_one_id(shell: Shell) -> None:
    write_lines(shell.file, [record(1, id=1), record(2, id="1")])
    assert 'line 2: id: "1" is that of line 1 too' in shell.problem("import-history", "im", shell.file)


def test_what_repeats_another_message_of_the_file_is_left_out_and_told(shell: Shell) -> None:
    same_time = (START + timedelta(seconds=1)).astimezone(ZoneInfo("Asia/Tokyo")).isoformat()
    renamed = {"id": "u1", "name": "Ann B."}
    write_lines(shell.file, [record(1), record(2), record(1), record(1, at=same_time, sender=renamed)])
    said = shell.imports("--to", "im:room").splitlines()
    assert "2 messages of 1 person" in said[1]
    assert said[2:4] == ["left out: 2 repeated", "2 are new, 0 known from before"]
    assert shell.texts == ["Ann: text 1", "Ann: text 2"]
    again = shell.imports("--to", "im:room").splitlines()
    assert again[2:4] == ["left out: 2 repeated", "0 are new, 2 known from before"]


def test_an_id_that_comes_twice_in_an_export_is_told_by_where_the_messages_stand(shell: Shell) -> None:
    exported(shell)
    chat = json.loads(shell.file.read_text())
    chat["messages"] += [{**chat["messages"][0], "id": 8}, {**chat["messages"][0], "text": "other"}]
    shell.file.write_text(json.dumps(chat))
    assert shell.problem("import-history", "im", shell.file, "--to", "im:room") == (
        f'{shell.file}: message number 3 of the chat: id: "1234567890/7" is that of message number 1 of the chat too,'
        " with other words; give each message an id of its own"
    )


@pytest.mark.parametrize("when", ["reading", "staging"])
def test_no_room_for_the_list_of_ids_is_told_with_the_remedy(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    room, note = (0 if when == "reading" else 3), IdsOfFile.note

    def full(self: IdsOfFile, placed: PlacedId) -> PlacedId | None:
        nonlocal room
        room -= 1
        if room < 0:
            raise sqlite3.OperationalError("database or disk is full")
        return note(self, placed)

    monkeypatch.setattr(IdsOfFile, "note", full)
    write_lines(shell.file, [record(n) for n in range(3)])
    assert shell.problem("import-history", "im", shell.file, "--to", "im:room") == (
        f"{shell.file}: its ids cannot be compared (database or disk is full); make room in the folder for temporary"
        " files, or name another one in $SQLITE_TMPDIR"
    )
    assert shell.texts == []


def test_of_many_mistakes_the_first_are_told_and_the_others_counted(shell: Shell) -> None:
    write_lines(shell.file, [{}] * (WRONG_MOST + 7))
    told = shell.problem("import-history", "im", shell.file).splitlines()
    assert len(told) == WRONG_MOST + 1
    assert told[-1] == f"{shell.file}: and 7 more like these"


def test_a_file_without_a_message_is_a_problem(shell: Shell) -> None:
    write_lines(shell.file, [record(1, "")])
    told = shell.problem("import-history", "im", shell.file)
    assert told == f"{shell.file}: holds no message to send; left out: 1 messages without text"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nobody"], "there is no account 'nobody' in the configuration; there are: im, club"),
        (["club"], "account club: Echo does not keep the time of past messages; that can: "),
        (["im"], "--to: is missing; say where the messages go, as in --to im:CONVERSATION"),
        (["im", "--to", "club:lobby"], "--to: club:lobby is a conversation of account club, not of im"),
        (["im", "--to", "room"], "--to: “room” is no address"),
        (["im", "--to", "im:*"], "--to: im:* is a pattern"),
        (["im", "--to", "im:7"], "--to: Keeping has no such conversation"),
        (["im", "--to", "im:room", "--chat", "5"], "leave --chat out"),
    ],
)
def test_a_wrong_wish_is_told_in_one_line(shell: Shell, arguments: list[str], words: str) -> None:
    write_lines(shell.file, [record(1)])
    account, *more = arguments
    told = shell.problem("import-history", account, shell.file, *more)
    assert words in told
    assert "\n" not in told
    assert shell.texts == []


def test_a_missing_file_is_told(shell: Shell) -> None:
    assert shell.problem("import-history", "im", shell.file).endswith("history.jsonl: there is no such file")


def test_the_provider_that_can_is_named(shell: Shell) -> None:
    write_lines(shell.file, [record(1)])
    assert "Keeping" in shell.problem("import-history", "club", shell.file).partition("that can: ")[2]


def test_a_name_of_an_address_will_do(shell: Shell) -> None:
    write_lines(shell.file, [record(1)])
    asyncio.run(in_store(shell, lambda tx: tx.names.set("ops", "im:room")))
    assert "1 sent to im:room" in shell.imports("--to", "Ops")


async def in_store(shell: Shell, unit: Callable[[Tx], T]) -> T:
    """Do something in the database of the command line."""
    store = await SqliteStore.open(shell.folder / "p.sqlite3")
    try:
        return await store.write(unit)
    finally:
        await store.close()


def exported(shell: Shell, **more: object) -> None:
    message = {
        "id": 7,
        "type": "message",
        "date": "2025-03-04T11:11:12",
        "from": "Ann",
        "from_id": "user5",
        "text": "hi",
    }
    chat = {"name": "Ops", "type": "private_supergroup", "id": 1234567890, "messages": [{**message, **more}]}
    shell.file.write_text(json.dumps(chat))


def test_an_exported_chat_goes_to_the_conversation_it_is_linked_to(shell: Shell) -> None:
    exported(shell)
    assert shell.problem("import-history", "im", shell.file) == (
        "--to: is missing, and the chat Ops (id 1234567890) is not linked to one of im;"
        " say where to, as in --to im:CONVERSATION"
    )
    assert shell.run("routes", "add", "telegram:-1001234567890 -> im:other").exit_code == 0
    assert shell.run("routes", "add", "telegram:-1001234567890/17 <-> im:room").exit_code == 0
    said = shell.imports()
    assert "1 sent to im:room" in said
    assert "1 have a time without a zone: it is taken as Europe/Paris (telegram.default_timezone)" in said
    assert read_journal(shell.folder / "journal")[0]["at"] == "2025-03-04T10:11:12+00:00"
    assert shell.run("routes", "add", "im:other <-> telegram:-1001234567890").exit_code == 0
    assert shell.problem("import-history", "im", shell.file) == (
        "--to: is missing, and the chat Ops (id 1234567890) is linked to several conversations of im:"
        " im:other, im:room; say where to, as in --to im:CONVERSATION"
    )


@pytest.mark.parametrize("to", [[], ["--to", "ops"], ["--to", "im:room2"]], ids=["linked", "by name", "in full"])
def test_wherever_an_address_comes_from_it_has_the_form_that_the_provider_gives_it(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, to: list[str]
) -> None:
    class Lenient(AskableBridge):
        def check(self, conversation: ConversationId) -> None:
            pass

    exported(shell)
    monkeypatch.setitem(PROVIDERS, "keeping", Lenient)
    assert shell.run("routes", "add", "telegram:-1001234567890 <-> im:room2").exit_code == 0
    asyncio.run(in_store(shell, lambda tx: tx.names.set("ops", "im:room2")))
    monkeypatch.setitem(PROVIDERS, "keeping", AskableBridge)
    told = shell.problem("import-history", "im", shell.file, *to)
    assert told == "--to: Keeping has no such conversation: a name is in letters; example: room"
    assert shell.texts == []


def test_messages_under_known_ids_are_told_and_make_the_exit_code_1(shell: Shell) -> None:
    write_lines(shell.file, [record(n) for n in range(7)])
    shell.imports("--to", "im:room")
    write_lines(shell.file, [record(n, "edited") for n in range(7)])
    for more in ([], ["--dry-run"]):
        said = shell.imports("--to", "im:room", *more, code=1)
        assert (
            "7 have an id that is known with another time, person or words, and are not sent:"
            ' "m0", "m1", "m2", "m3", "m4" and 2 more; give new messages ids of their own'
        ) in said
    assert len(shell.texts) == 7


def test_older_ones_that_come_late_are_told(shell: Shell) -> None:
    write_lines(shell.file, [record(5)])
    assert "are older" not in shell.imports("--to", "im:room")
    write_lines(shell.file, [record(3), record(5), record(7)])
    assert "1 are older than what was sent before and come behind it" in shell.imports("--to", "im:room")
    assert shell.texts == ["Ann: text 5", "Ann: text 3", "Ann: text 7"]


def failing(monkeypatch: pytest.MonkeyPatch, provider: type[KeepingBridge], **script: Mapping[int, Exception]) -> None:
    """Every new bridge fails so."""

    class Failing(provider):  # type: ignore[misc, valid-type]
        def __init__(self, settings: AccountSettings | None = None) -> None:
            super().__init__(settings)
            self.before, self.after = dict(script.get("before", {})), dict(script.get("after", {}))

    monkeypatch.setitem(PROVIDERS, "keeping", Failing)


def test_refused_ones_are_counted_by_reason_and_go_again_when_told(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_lines(shell.file, [record(n) for n in range(3)])
    failing(monkeypatch, AskableBridge, before={1: Refused("Keeping: muted"), 3: Refused("Keeping: muted")})
    said = shell.imports("--to", "im:room", code=1)
    assert "2 refused: Keeping: muted; mend the reason, then add --resend-refused" in said
    assert "1 sent to im:room, 2 refused, 0 in doubt, 0 left." in said
    monkeypatch.setitem(PROVIDERS, "keeping", AskableBridge)
    assert "2 refused: Keeping: muted" in shell.imports("--to", "im:room", code=1)
    assert shell.imports("--to", "im:room", "--resend-refused").splitlines()[-2:] == [
        "2 sent to im:room, 0 refused, 0 in doubt, 0 left.",
        "Together with earlier runs: 3 sent, 0 refused, 0 in doubt.",
    ]


def test_doubtful_ones_are_told_and_go_again_only_when_told(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    write_lines(shell.file, [record(1)])
    failing(monkeypatch, KeepingBridge, before={1: cut()})
    said = shell.imports("--to", "im:room", code=1)
    assert "1 in doubt, for it may have arrived: POST keeping: the connection broke; look there, then add" in said
    monkeypatch.setitem(PROVIDERS, "keeping", KeepingBridge)
    shell.imports("--to", "im:room", code=1)
    assert shell.texts == []
    shell.imports("--to", "im:room", "--resend-unknown")
    assert shell.texts == ["Ann: text 1"]


def test_refused_credentials_are_told_with_the_account(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    write_lines(shell.file, [record(1)])
    failing(monkeypatch, AskableBridge, before={1: Unauthorized("Keeping: the credentials were refused (HTTP 401)")})
    assert shell.imports("--to", "im:room", code=1).splitlines()[-1] == (
        "the credentials are refused: Keeping: the credentials were refused (HTTP 401);"
        " mend accounts.im, then run the same command again to go on (1 are left)"
    )


def test_two_imports_at_once_are_refused(shell: Shell) -> None:
    write_lines(shell.file, [record(1)])
    asyncio.run(in_store(shell, lambda tx: None))
    with (shell.folder / "p.sqlite3.import").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        told = shell.problem("import-history", "im", shell.file, "--to", "im:room")
    assert told == f"{shell.folder}/p.sqlite3: another import-history runs on this database; wait for it or stop it"
    assert shell.texts == []


def command(folder: str, provider: type[KeepingBridge] = AskableBridge) -> None:
    """``patchbay import-history`` as a process of its own."""
    PROVIDERS["keeping"] = provider  # type: ignore[assignment]
    place = Path(folder)
    sys.argv = ["patchbay", "--config", str(place / "patchbay.toml")]
    sys.argv += ["import-history", "im", str(place / "history.jsonl"), "--to", "im:room"]
    main()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_it_after_the_message_under_way_and_it_goes_on_where_it_was(
    shell: Shell, number: signal.Signals, code: int
) -> None:
    shell.configure(delay_s=0.05)
    write_lines(shell.file, shuffled(60))
    line = f"from tests.bot.test_imports import command; command({str(shell.folder)!r})"
    with subprocess.Popen([sys.executable, "-c", line], cwd=ROOT, stdout=-1, stderr=-1, text=True) as child:
        began = time.monotonic()
        while len(shell.texts) < 3:
            assert child.poll() is None and time.monotonic() - began < 30
            time.sleep(0.01)
        child.send_signal(number)
        out, err = child.communicate(timeout=30)
    taken = len(shell.texts)
    assert child.returncode == code, out + err
    assert err == f"stopped; {60 - taken} are left: run the same command again to go on\n"
    assert f"{taken} sent to im:room, 0 refused, 0 in doubt, {60 - taken} left." in out
    shell.configure()
    shell.imports("--to", "im:room")
    assert shell.texts == [f"Ann: text {n}" for n in range(60)]


def on_a_terminal(shell: Shell, call: str = "command") -> str:
    """``patchbay import-history im FILE --to im:room`` on a terminal of its own; what it showed, errors too."""
    line = f"from tests.bot.test_imports import {call}; {call}({str(shell.folder)!r})"
    ours, theirs = pty.openpty()
    shown = b""
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80"}
    with subprocess.Popen(
        [sys.executable, "-c", line], cwd=ROOT, stdin=theirs, stdout=theirs, stderr=theirs, env=environment
    ) as child:
        os.close(theirs)
        # Linux ends the reading with an error when nobody has the other side any more, BSD with nothing.
        with suppress(OSError):
            while data := os.read(ours, 4096):
                shown += data
    os.close(ours)
    assert child.returncode == 0, shown
    return re.sub(r"\x1b\[\?25[lh]", "", shown.decode())


def test_on_a_terminal_a_bar_grows_to_its_end(shell: Shell) -> None:
    shell.configure(delay_s=0.01)
    write_lines(shell.file, shuffled(60))
    shown = on_a_terminal(shell)
    assert re.search(r"\rreading  \[#{36}\]  100%", shown)
    assert re.search(r"\rpreparing  \[#{36}\]  60/60", shown)
    grown = [int(number) for number in re.findall(r"\rsending  \[[#-]{36}\] +(\d+)/60", shown)]
    assert len(grown) > 5
    assert grown == sorted(grown)
    assert (grown[0], grown[-1]) == (0, 60)
    assert "60 sent to im:room" in shown.splitlines()[-2]
    assert not re.search(r"sending: \d+ of", shown)


def waiting_command(folder: str) -> None:
    """``command`` with a provider that is away for a moment in the middle."""

    class Away(AskableBridge):
        def __init__(self, settings: AccountSettings | None = None) -> None:
            super().__init__(settings)
            self.before = {3: away(retry_after=0.01)}

    command(folder, Away)


def test_on_a_terminal_a_word_about_waiting_stands_on_a_line_of_its_own(shell: Shell) -> None:
    write_lines(shell.file, shuffled(5))
    shown = on_a_terminal(shell, "waiting_command")
    assert "POST keeping: HTTP 503; trying again in 1 s" in shown.splitlines()


def test_without_a_terminal_progress_is_told_in_plain_lines(shell: Shell) -> None:
    shell.configure(delay_s=0.02)
    write_lines(shell.file, shuffled(100))
    lines = [line for line in shell.imports("--to", "im:room").splitlines() if line.startswith("sending: ")]
    assert lines
    assert all(re.fullmatch(r"sending: \d+ of 100 messages \(\d+ %\)", line) for line in lines)
