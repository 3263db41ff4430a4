"""Announcements of schedules say nothing as long as they go well: when they speak, what they say, what it costs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from bot import broadcasts
from bot.addresses import parse_address
from bot.broadcaster import Broadcaster
from bot.store import Tx
from bot.store.broadcasts import MUTE, QUIET, SHOWN, Broadcast
from bot.telegram.announcing import HUSHED_EVERY_S, LOOK_S, WAITS_S, Announcing
from bridges.errors import Refused, Unavailable
from bridges.model import Message
from tests.bot.line import Line, line
from tests.bot.telegram.test_announcing import CHAT, Chat

LABEL = "Schedule 3 (Stand-up), Thu 2026-12-24 18:00 Europe/Paris"
HOUR, DAY = 3600.0, 86400.0


class Scene:
    """Announcements of schedules, what lets them go and what shows them."""

    def __init__(self, at: Line) -> None:
        self.at = at
        self.chat = Chat(at)
        self.ticks = 0.0
        """How far the monotonic clock went beyond the other one."""
        self.restart()

    def monotonic(self) -> float:
        return self.at.clock() + self.ticks

    def restart(self) -> None:
        """Another process goes on."""
        self.announcing = Announcing(
            store=self.at.store,
            bot=self.chat,  # type: ignore[arg-type]
            relay=self.at.relay,
            zone="Europe/Paris",
            clock=self.at.clock,
            monotonic=self.monotonic,
        )
        self.broadcaster = Broadcaster(
            store=self.at.store, accounts=self.at.relay.accounts, clock=self.at.clock, monotonic=self.monotonic
        )

    async def begin(self, *targets: str, **given: Any) -> int:
        """An occurrence of schedule 3; returns the announcement."""
        known: dict[str, Any] = {"chat": parse_address(f"telegram:{CHAT}"), "schedule": 3, "label": LABEL} | given
        return await self.at.store.write(
            lambda tx: broadcasts.start(
                tx,
                self.at.relay,
                targets=[parse_address(target) for target in targets],
                message=Message(text="hi"),
                person=7,
                person_name="Ann",
                origin=None,
                now=self.at.clock(),
                **known,
            )
        )

    async def passes(self, seconds: float, *, turns: int = 4) -> None:
        """Time passes: what can be sent is, and what is to be shown is shown."""
        for _ in range(turns):
            await self.at.later(seconds / turns)
            await self.broadcaster.turn()
            if self.at.engine.turning and not await self.at.store.read(lambda tx: tx.accounts.get("club").paused):
                await self.at.rests()
            await self.announcing.turn()

    async def goes_out(self, seconds: float = 8.0, *, turns: int = 4) -> None:
        """It is sent, and has its end."""
        await self.at.engine.start()
        await self.passes(seconds, turns=turns)

    async def get(self, number: int = 1) -> Broadcast:
        found = await self.at.store.read(lambda tx: tx.broadcasts.get(number))
        assert found is not None
        return found

    async def settles(self, state: Any, *, number: int = 1) -> None:
        """What is left of it becomes that."""
        await self.at.store.write(
            lambda tx: [
                tx.outbox.settle_by_hand(id, state=state, now=self.at.clock())
                for id in tx.broadcasts.ids(number, "queued")
            ]
        )

    @property
    def said(self) -> str:
        """The latest words of the message that was written, or nothing."""
        return list(self.chat.shown.values())[-1] if self.chat.shown else ""


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with line(tmp_path, deletes=True) as at:
        yield Scene(at)


def places(account: str, number: int) -> list[str]:
    return [f"{account}:p{n}" for n in range(number)]


@pytest.mark.parametrize("targets", [places("club", 1), places("club", 8), places("club", 20)], ids=["1", "8", "20"])
async def test_what_goes_well_ends_without_a_word(scene: Scene, targets: list[str]) -> None:
    await scene.begin(*targets)
    await scene.goes_out(20.0, turns=14)
    broadcast = await scene.get()
    assert (broadcast.state, broadcast.quiet, broadcast.schedule) == ("done", QUIET, 3)
    assert broadcast.ended_at is not None
    assert len(scene.at.club.sent) == len(targets)
    assert scene.chat.when == []


async def test_what_goes_to_many_shows_its_progress(scene: Scene) -> None:
    await scene.begin(*places("club", 21))
    await scene.passes(1.0)
    assert scene.said.startswith(f"📣 {LABEL}: announcement 1 to 21 targets, sending\n0 sent, 0 failed, 21 left")
    assert (await scene.get()).progress


async def test_where_something_failed_its_chat_is_told_and_can_try_it_again(scene: Scene) -> None:
    scene.at.club.refuses["hi"] = Refused("the room is closed")
    await scene.begin("club:a", "desk:b")
    await scene.goes_out()
    head, numbers, *why = scene.said.split("\n")
    assert head == f"📣 {LABEL}: announcement 1 to 2 targets, done"
    assert (numbers, why) == ("1 sent, 1 failed.", ["1 × the room is closed: club:a."])
    assert len(scene.chat.shown) == 1
    assert [label for label, _ in (broadcasts.kept(await scene.get())).buttons] == ["Retry failed", "Delete"]
    assert (await scene.get()).ended_at is not None
    assert scene.at.owner_hears == []
    scene.at.club.refuses.clear()
    one = await scene.get()
    await scene.at.store.write(lambda tx: broadcasts.retry_failed(tx, scene.at.relay, one, now=scene.at.clock()))
    await scene.passes(12.0, turns=8)
    assert "2 sent, 0 failed." in scene.said
    assert len(scene.chat.shown) == 1


async def test_what_is_held_is_told(scene: Scene) -> None:
    scene.at.club.refuses["hi"] = Unavailable("cut", maybe_sent=True)
    await scene.begin("club:a", "desk:b")
    await scene.goes_out()
    assert "1 held, for they may have arrived: club:a." in scene.said


@pytest.mark.parametrize("state", ["cancelled", "expired"])
async def test_what_did_not_go_out_is_told(scene: Scene, state: Any) -> None:
    await scene.begin("club:a")
    await scene.at.store.write(
        lambda tx: tx.outbox.bury(tx.broadcasts.ids(1, "queued"), reason="too late", now=1.0, state=state)
    )
    await scene.passes(8.0)
    assert scene.said.startswith(f"📣 {LABEL}: announcement 1 to 1 target")
    assert ("1 cancelled" if state == "cancelled" else "too late") in scene.said
    assert (await scene.get()).ended_at is not None


async def test_what_a_person_let_go_of_is_no_news(scene: Scene) -> None:
    await scene.begin("club:a")
    await scene.settles("discarded")
    await scene.passes(8.0)
    assert scene.said == ""
    assert (await scene.get()).ended_at is not None


async def test_one_of_no_chat_never_speaks_and_ends(scene: Scene) -> None:
    scene.at.club.refuses["hi"] = Refused("no")
    await scene.begin("club:a", "desk:b", chat=None)
    await scene.begin(*places("club", 30), chat=None)
    await scene.goes_out(30.0, turns=18)
    assert scene.chat.when == []
    for number in (1, 2):
        broadcast = await scene.get(number)
        assert (broadcast.quiet, broadcast.state, broadcast.ended_at is None) == (MUTE, "done", False)


async def test_one_that_waits_for_an_account_says_so_after_a_minute(scene: Scene) -> None:
    await scene.at.store.write(lambda tx: tx.accounts.pause("club", reason="the token is refused", now=0.0))
    await scene.begin("club:a", "desk:b")
    await scene.goes_out(WAITS_S - 2)
    assert scene.said == ""
    await scene.passes(WAITS_S / 2)
    assert "1 sent, 0 failed, 1 left" in scene.said
    assert "1 waits for club: it is paused (the token is refused)." in scene.said
    await scene.at.store.write(lambda tx: tx.accounts.resume("club"))
    await scene.passes(12.0)
    assert "2 sent, 0 failed." in scene.said
    assert len(scene.chat.shown) == 1


async def test_one_that_is_tried_in_vain_says_so_after_a_minute(scene: Scene) -> None:
    scene.at.club.error = Unavailable("nobody answers")
    await scene.begin("club:a")
    await scene.goes_out(WAITS_S + 10)
    await scene.passes(8.0)
    assert "1 waits for club: it does not take messages just now (nobody answers)." in scene.said


@pytest.mark.parametrize(
    "given", [{"due": lambda address: 1_800_000_000.0 + HOUR}, {}], ids=["waits for its time", "waits for its turn"]
)
async def test_one_that_waits_for_no_account_says_nothing(scene: Scene, given: dict[str, Any]) -> None:
    await scene.begin(*places("club", 9), **given)
    await scene.passes(4 * WAITS_S, turns=12)
    assert scene.said == ""
    assert (await scene.get()).ended_at is None


async def test_that_telegram_is_away_is_not_said_there(scene: Scene) -> None:
    scene.at.telegram.error = Unavailable("nobody answers")
    await scene.begin("telegram:-7")
    await scene.goes_out(3 * WAITS_S)
    assert scene.chat.when == []


async def test_one_that_is_paused_says_nothing_of_waiting(scene: Scene) -> None:
    await scene.at.store.write(lambda tx: tx.accounts.pause("club", reason="no", now=0.0))
    await scene.begin("club:a")
    one = await scene.get()
    await scene.at.store.write(lambda tx: broadcasts.pause(tx, one, now=scene.at.clock()))
    await scene.passes(3 * WAITS_S, turns=12)
    assert scene.said == ""


async def test_a_clock_that_is_set_back_changes_nothing_of_that(scene: Scene) -> None:
    await scene.at.store.write(lambda tx: tx.accounts.pause("club", reason="no", now=0.0))
    await scene.begin("club:a")
    await scene.passes(WAITS_S / 2)
    scene.at.clock.at -= DAY
    scene.ticks += DAY
    await scene.passes(WAITS_S / 2)
    assert scene.said == ""
    await scene.passes(WAITS_S / 2)
    assert "1 waits for club" in scene.said


@pytest.mark.parametrize("failed", [False, True])
async def test_what_a_former_process_left_is_ended_or_told(scene: Scene, failed: bool) -> None:
    await scene.begin("club:a")
    if failed:
        await scene.at.store.write(lambda tx: tx.outbox.bury(tx.broadcasts.ids(1, "queued"), reason="no", now=1.0))
    else:
        await scene.settles("discarded")
    scene.restart()
    await scene.passes(12.0)
    assert (await scene.get()).ended_at is not None
    assert ("1 failed" in scene.said) is failed


async def test_a_process_that_ends_between_the_decision_to_speak_and_the_message_speaks_when_it_is_back(
    scene: Scene,
) -> None:
    await scene.begin("club:a")
    await scene.at.store.write(lambda tx: tx.outbox.bury(tx.broadcasts.ids(1, "queued"), reason="no", now=1.0))
    await scene.at.store.write(lambda tx: tx.broadcasts.end_hushed([1], now=scene.at.clock()))
    assert ((await scene.get()).quiet, (await scene.get()).ended_at) == (SHOWN, None)
    scene.restart()
    await scene.passes(12.0)
    assert "1 failed" in scene.said
    assert len(scene.chat.shown) == 1


async def test_what_goes_on_again_meanwhile_is_not_ended(scene: Scene) -> None:
    await scene.begin("club:a")

    def late(tx: Tx) -> None:
        tx.broadcasts.end_hushed([1], now=scene.at.clock())

    await scene.at.store.write(late)
    assert (await scene.get()).ended_at is None


async def test_what_is_taken_back_without_a_word_stays_without_one(scene: Scene) -> None:
    await scene.begin("club:a", "desk:b")
    await scene.goes_out()
    await scene.begin("club:c", due=lambda address: scene.at.clock() + HOUR)
    for number in (1, 2):
        one = await scene.get(number)
        await scene.at.store.write(
            lambda tx, one=one: broadcasts.take_back(tx, scene.at.relay, one, now=scene.at.clock())
        )
    await scene.passes(12.0)
    assert scene.at.club.done == ["delete c1"]
    assert scene.chat.when == []
    assert [(await scene.get(number)).ended_at is None for number in (1, 2)] == [False, False]


async def test_one_that_is_shown_tells_in_its_message_where_it_was_not_taken_back(scene: Scene) -> None:
    await scene.begin(*places("desk", 21))
    await scene.goes_out(20.0, turns=14)
    one = await scene.get()
    await scene.at.store.write(lambda tx: broadcasts.take_back(tx, scene.at.relay, one, now=scene.at.clock()))
    await scene.passes(12.0)
    assert "Not deleted at 21 × desk" in scene.said
    assert len(scene.chat.shown) == 1


async def asked(scene: Scene, turn: Callable[[], Any]) -> int:
    """How many looks at the database a turn takes."""
    reads = 0
    read, write = scene.at.store.read, scene.at.store.write

    def counted(unit: Callable[[Tx], Any]) -> Callable[[Tx], Any]:
        def run(tx: Tx) -> Any:
            nonlocal reads
            found: list[str] = []
            tx.db.set_trace_callback(found.append)
            try:
                return unit(tx)
            finally:
                tx.db.set_trace_callback(None)
                reads += len(found)

        return run

    scene.at.store.read = lambda unit: read(counted(unit))  # type: ignore[method-assign, assignment]
    scene.at.store.write = lambda unit: write(counted(unit))  # type: ignore[method-assign, assignment]
    try:
        await turn()
    finally:
        scene.at.store.read, scene.at.store.write = read, write  # type: ignore[method-assign]
    return reads


async def test_however_many_are_open_a_turn_asks_for_all_of_them_at_once(scene: Scene) -> None:
    for n in range(100):
        await scene.begin(f"club:a{n}")
    assert await asked(scene, scene.announcing.turn) <= 3
    # Nothing became of any of them: they are not asked about at all.
    scene.at.clock.at += HUSHED_EVERY_S
    scene.announcing._moved_on = False
    assert await asked(scene, scene.announcing.turn) <= 1
    await scene.settles("discarded", number=1)
    await scene.passes(HUSHED_EVERY_S)
    assert (await scene.get()).ended_at is not None


async def test_one_that_only_waits_for_its_time_is_seldom_looked_at(scene: Scene) -> None:
    await scene.begin(*places("club", 21), due=lambda address: 1_800_000_000.0 + HOUR)
    await scene.passes(8.0)
    assert ", waiting\n0 sent, 0 failed, 21 left.\n21 wait for their quiet hours" in scene.said
    scene.announcing._moved_on = False
    assert (await scene.announcing.turn() or 0.0) > LOOK_S / 2
    assert len(scene.chat.when) == 1


async def test_however_many_are_to_be_shown_one_turn_shows_them(scene: Scene) -> None:
    for n in range(6):
        await scene.begin(*(f"club:a{n}b{m}" for m in range(21)))
    await scene.announcing.turn()
    assert len(scene.chat.shown) == 6


async def test_however_many_wait_for_an_account_all_say_so_in_the_end(scene: Scene, monkeypatch: Any) -> None:
    monkeypatch.setattr("bot.telegram.announcing.ASKED_AT_ONCE", 2)
    await scene.at.store.write(lambda tx: tx.accounts.pause("club", reason="no", now=0.0))
    for n in range(5):
        await scene.begin(f"club:a{n}")
    await scene.passes(1.0, turns=1)
    await scene.passes(WAITS_S, turns=1)
    await scene.passes(6.0, turns=6)
    assert len(scene.chat.shown) == 5


async def test_many_that_are_over_end_a_few_at_a_time(scene: Scene, monkeypatch: Any) -> None:
    monkeypatch.setattr("bot.telegram.announcing.ENDED_AT_ONCE", 2)
    for n in range(5):
        await scene.begin(f"club:a{n}")
        await scene.settles("discarded", number=n + 1)
    assert await scene.announcing.turn() == HUSHED_EVERY_S
    await scene.passes(3 * HUSHED_EVERY_S, turns=3)
    assert not await scene.at.store.read(lambda tx: tx.broadcasts.open())


async def test_what_it_was_called_is_forgotten_with_its_words(scene: Scene) -> None:
    await scene.begin("club:a")
    await scene.goes_out()
    await scene.at.store.write(lambda tx: tx.broadcasts.prune(before=scene.at.clock() + 1))
    broadcast = await scene.get()
    assert (broadcast.text, broadcast.label, broadcast.schedule) == ("", "", 3)
