"""Commands that ask the network: before their transaction, in bounded time, and answered whatever comes of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from bot.decisions import text_of
from bot.feedback import Feedback
from bot.intake import Intake
from bot.playground.emulator import Emulator
from bot.playground.hosting import LoopbackServer
from bot.relay import Policy, Relay
from bot.settings import TelegramSettings
from bot.store import StoreUnavailable, Tx
from bot.store.inbox import Arrived
from bot.store.sqlite import SqliteStore
from bot.telegram import application
from bot.telegram.access import Role
from bot.telegram.application import TelegramSide
from bot.telegram.commands.registry import Answer, Call, Command, Effect, Reply, Scope, UsageError, Way, registry
from bot.telegram.commands.usage import Usage
from bot.telegram.outbound import TelegramAccount
from bridges.errors import Garbled, Refused, Unauthorized, Unavailable
from tests.databases import new_database

ANN, BO = 1001, 1002
OPS, DESK = -1001000000001, -1001000000002


class Slow:
    """``/slow``: asks the network, as a test says; ``asked`` counts how often."""

    def __init__(self) -> None:
        self.asked = 0
        self.answer: Callable[[], Awaitable[object]] | None = None
        self.may_end = asyncio.Event()

    async def prepare(self, call: Call) -> object:
        self.asked += 1
        if self.answer is not None:
            return await self.answer()
        await self.may_end.wait()
        return f"word from outside for {call.arguments}"

    def run(self, call: Call, tx: Tx) -> Answer:
        return Reply(str(call.prepared))


class Scene:
    """The Telegram side of the bot, an emulator and a database; nothing is delivered, answers stay in the outbox."""

    def __init__(self, store: SqliteStore, telegram: Emulator, url: str) -> None:
        self.store, self.telegram, self._url = store, telegram, url

    async def start(self) -> None:
        self.side = TelegramSide(
            settings=TelegramSettings(
                token=SecretStr(self.telegram.bot.token), api_base_url=self._url, owners=(ANN,), poll_timeout=1
            ),
            store=self.store,
            default_timezone="UTC",
        )
        policy = Policy(max_age_s=60, on_ambiguous="hold", telegram_on_ambiguous="resend", owners=(ANN,))
        relay = Relay(accounts={"telegram": TelegramAccount(self.side.bot)}, policy=policy)
        self.intake = Intake(store=self.store, accounts={}, relay=relay, clock=time.time)
        self.side.join(relay=relay, intake=self.intake, feedback=Feedback(relay))
        await self.intake.start()
        self.side.start(webhook_url=None, webhook_secret="")

    async def stop(self) -> None:
        await self.side.stop()
        await self.intake.stop()
        await self.side.close()

    async def die(self) -> None:
        """The end of the process, as far as work under way can notice it."""
        for task in list(self.side._lanes._tasks):
            task.cancel()
        await self.stop()

    async def answers(self, chat: int = OPS) -> list[str]:
        """What the bot has to say in a chat."""
        rows = await self.store.read(lambda tx: tx.outbox.list(account="telegram"))
        return [text_of(row) for row in rows if row.address == f"telegram:{chat}"]

    async def until(self, true: Callable[[], Any]) -> None:
        async with asyncio.timeout(15):
            while True:
                found = true()
                if await found if isinstance(found, Awaitable) else found:
                    return
                await asyncio.sleep(0.01)

    async def hears(self, text: str, chat: int = OPS) -> None:
        async def heard() -> bool:
            return any(text in answer for answer in await self.answers(chat))

        await self.until(heard)


@pytest.fixture
async def slow(monkeypatch: pytest.MonkeyPatch) -> Slow:
    made = Slow()
    command = Command(
        "slow",
        Role.OPERATOR,
        "Asks",
        "/slow x",
        made.run,
        (Way(Usage("[text]"), Role.OPERATOR, Scope.CHAT, Effect.LOOKS, "/slow x"),),
        prepare=made.prepare,
    )
    monkeypatch.setitem(registry.commands, "slow", command)
    return made


@pytest.fixture
async def scene(tmp_path: Path, slow: Slow) -> AsyncIterator[Scene]:
    telegram = Emulator()
    telegram.add_user(ANN, "Ann")
    telegram.add_user(BO, "Bo")
    for chat in (OPS, DESK):
        telegram.add_group(chat, "Ops", members=[BO], admins=[ANN, telegram.bot.id])
    store = await SqliteStore.open(new_database(tmp_path / "p.sqlite3"))
    async with LoopbackServer(telegram.app) as server:
        made = Scene(store, telegram, server.url)
        await made.start()
        yield made
        slow.may_end.set()
        await made.stop()
        await telegram.aclose()
    await store.close()


async def test_what_was_asked_for_is_handed_to_the_command(scene: Scene, slow: Slow) -> None:
    slow.may_end.set()
    scene.telegram.say(ANN, OPS, "/slow tea")
    await scene.hears("word from outside for tea")
    assert slow.asked == 1


async def test_meanwhile_the_store_takes_writes_and_other_chats_are_served(scene: Scene, slow: Slow) -> None:
    scene.telegram.say(ANN, OPS, "/slow tea")
    await scene.until(lambda: slow.asked)
    scene.telegram.say(ANN, DESK, "/here")
    await scene.hears(f"This is telegram:{DESK}", DESK)
    assert await scene.answers() == []
    slow.may_end.set()
    await scene.hears("word from outside")


async def test_the_same_chat_waits_for_its_turn(scene: Scene, slow: Slow) -> None:
    scene.telegram.say(ANN, OPS, "/slow tea")
    scene.telegram.say(ANN, OPS, "/here")
    scene.telegram.say(ANN, DESK, "/here")
    await scene.hears(f"This is telegram:{DESK}", DESK)
    assert await scene.answers() == []
    slow.may_end.set()
    await scene.hears(f"This is telegram:{OPS}")
    assert [answer.split()[0] for answer in await scene.answers()] == ["word", "This"]


async def test_nothing_is_asked_for_somebody_who_may_not(scene: Scene, slow: Slow) -> None:
    scene.telegram.say(BO, OPS, "/slow tea")
    await scene.hears("/slow needs the role operator; yours is viewer")
    assert slow.asked == 0


async def test_a_role_that_came_meanwhile_is_told_of(scene: Scene, slow: Slow, monkeypatch: pytest.MonkeyPatch) -> None:
    def role_of(tx: Tx, person: int | None, *, chat: int | None, owners: tuple[int, ...]) -> Role:
        """None yet when it is read whether to ask; one when the command is run."""
        return Role.OPERATOR if tx is scene.store._tx else Role.VIEWER

    monkeypatch.setattr(application, "role_of", role_of)
    scene.telegram.say(BO, OPS, "/slow tea")
    await scene.hears("Your role has just become operator: write /slow once more.")
    assert slow.asked == 0


async def test_a_role_that_was_taken_meanwhile_counts(scene: Scene, slow: Slow) -> None:
    await scene.store.write(lambda tx: tx.roles.grant(str(BO), "operator"))
    scene.telegram.say(BO, OPS, "/slow tea")
    await scene.until(lambda: slow.asked)
    await scene.store.write(lambda tx: tx.roles.grant(str(BO), "viewer"))
    slow.may_end.set()
    await scene.hears("/slow needs the role operator; yours is viewer")


async def test_what_takes_too_long_is_answered_in_words(
    scene: Scene, slow: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(application, "PREPARE_S", 0.05)
    scene.telegram.say(ANN, OPS, "/slow tea")
    await scene.hears("/slow: nothing came back within 0.05 s; try again in a moment")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (Unavailable("pbx does not answer"), "/slow: pbx does not answer"),
        (Unauthorized("the key is refused"), "/slow: the key is refused"),
        (Garbled("@all is no JSON"), "/slow: @\u2060all is no JSON"),
        (Refused("there is no such room"), "There is no such room.\nExample: /slow x"),
        (UsageError("a word is needed"), "A word is needed.\nExample: /slow x"),
        (KeyError("our bug"), "That went wrong on my side"),
    ],
)
async def test_what_goes_wrong_is_answered_in_words(scene: Scene, slow: Slow, error: Exception, said: str) -> None:
    async def fails() -> object:
        raise error

    slow.answer = fails
    scene.telegram.say(ANN, OPS, "/slow tea")
    await scene.hears(said)
    assert len(await scene.answers()) == 1


async def test_what_went_wrong_by_our_fault_is_written_down(scene: Scene, slow: Slow) -> None:
    async def fails() -> object:
        raise KeyError("our bug")

    slow.answer = fails
    scene.telegram.say(ANN, OPS, "/slow tea")
    await scene.hears("That went wrong on my side")
    (deed,) = await scene.store.read(lambda tx: tx.audit.all())
    assert deed[1:] == (str(ANN), f"telegram:{OPS}", "/slow", "failed: our bug")


async def test_a_command_that_was_cut_off_while_it_asked_is_done_at_the_next_start(scene: Scene, slow: Slow) -> None:
    scene.telegram.say(ANN, OPS, "/slow tea")
    await scene.until(lambda: slow.asked)
    await scene.die()
    assert await scene.answers() == []
    slow.may_end.set()
    await scene.start()
    await scene.hears("word from outside for tea")
    assert slow.asked == 2
    assert len(await scene.answers()) == 1


async def test_a_store_that_takes_no_writes_does_not_have_it_asked_again(
    scene: Scene, slow: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, failures = scene.store.write, 0

    async def failing(unit: Callable[[Tx], Any]) -> Any:
        nonlocal failures
        if slow.asked and failures < 2:
            failures += 1
            raise StoreUnavailable("locked")
        return await write(unit)

    monkeypatch.setattr(scene.store, "write", failing)
    slow.may_end.set()
    scene.telegram.say(ANN, OPS, "/slow tea")
    await scene.hears("word from outside for tea")
    assert (slow.asked, failures) == (1, 2)


async def test_an_update_that_comes_up_again_asks_nothing_once_it_is_done(scene: Scene, slow: Slow) -> None:
    slow.may_end.set()
    scene.telegram.say(ANN, OPS, "/slow tea")
    await scene.hears("word from outside")
    (update,) = [each for each in await scene.store.read(_updates) if b"/slow" in each.body]
    await scene.side.take(update)
    scene.telegram.say(ANN, OPS, "/here")
    await scene.hears(f"This is telegram:{OPS}")
    assert slow.asked == 1
    assert len(await scene.answers()) == 2


def _updates(tx: Tx) -> list[Arrived]:
    rows = tx.db.execute("SELECT account, body, received_at, key, id FROM inbox")
    return [Arrived(account, body, at, key=key, id=id) for account, body, at, key, id in rows]
