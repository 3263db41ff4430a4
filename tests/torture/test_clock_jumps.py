"""The clock is set under a running bot, and the machine sleeps: nothing twice, nothing missed in silence.

The bot is a process whose wall clock libfaketime turns, and whose other clock runs on as it does on a real machine.
"""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from bot.addresses import parse_address
from bot.recurrence import Interval, Rule
from bot.schedule_line import Missed, Options
from bot.store import Tx
from bridges.errors import Unavailable
from bridges.model import Message
from tests.bot.line import ROOM, Line, line
from tests.journeys.world import until
from tests.torture.processes import Child, Starter, nursery
from tests.torture.schedules import CHAT, Wanted, Yard, once, yard

LIBRARIES = (
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/faketime/libfaketimeMT.so.1",
    "/usr/lib64/faketime/libfaketimeMT.so.1",
)
LIBRARY = next((path for path in LIBRARIES if os.path.exists(path)), None)
needs_faketime = pytest.mark.skipif(
    LIBRARY is None, reason="libfaketimeMT.so.1 is not there: apt-get install faketime (Debian) brings it"
)
HOUR, DAY = 3600, 86400
WITHIN_S = 30.0
POLICIES: Sequence[Missed] = ("skip", HOUR, "ask")
OFTEN = Rule(Interval(600), "UTC")
HOURLY = Rule(Interval(HOUR), "UTC")
NOTICED = ("the clock jumped or the machine slept", "the clock was set back")


class Faked:
    """Processes whose wall clock is another one."""

    def __init__(self, starter: Starter, file: Path) -> None:
        self._starter, self._file = starter, file
        self.ahead_s = 0.0
        self.set(0.0)

    def now(self) -> float:
        """What their clock shows."""
        return time.time() + self.ahead_s

    def set(self, ahead_s: float) -> None:
        """Their clock is so much ahead of the real one, from here on."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{ahead_s:+.0f}\n")
        new.rename(self._file)
        self.ahead_s = ahead_s

    async def start(self, argv: Sequence[str], *, env: Mapping[str, str], out: Path, log: Path) -> Child:
        """See :class:`tests.torture.processes.Starter`."""
        faked = {**env, "FAKETIME_TIMESTAMP_FILE": str(self._file)}
        return await self._starter.start(argv, env=faked, out=out, log=log)


@pytest.fixture(scope="module")
def faking() -> Iterator[Starter]:
    """A nursery whose children ask libfaketime for the time."""
    assert LIBRARY is not None
    env = {"LD_PRELOAD": LIBRARY, "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    with tempfile.TemporaryDirectory(prefix="patchbay-") as name:
        still = Path(name) / "still"
        still.write_text("+0\n")
        env["FAKETIME_TIMESTAMP_FILE"] = str(still)
        with nursery(Path(name), env) as made:
            yield made


class Story:
    """One bot, and what happens to its clock."""

    def __init__(self, ground: Yard, clock: Faked) -> None:
        self.ground, self.clock = ground, clock
        self.began = float(int(clock.now()))
        self.child: Child | None = None
        """As long as it runs."""
        self.wanted: list[Wanted] = []
        self.noticed_s = 0.0

    async def add(self, rule: Rule, *, made_at: float, missed: Missed = HOUR) -> Wanted:
        """A schedule, made from outside."""
        targets = [self.ground.rooms[len(self.wanted)]]
        (made,) = await self.ground.add((rule, made_at, targets, replace(Options(), missed=missed)))
        self.wanted.append(made)
        return made

    async def until(self, look: Callable[[], Any], what: str) -> Any:
        """Wait for something to be so."""
        try:
            async with asyncio.timeout(WITHIN_S):
                while not (found := look()):  # noqa: ASYNC110 (what another process does)
                    await asyncio.sleep(0.03)
        except TimeoutError:
            raise AssertionError(f"{what} did not come: {self.ground.made.last_words()}") from None
        return found

    def rows(self, wanted: Wanted) -> list[tuple[float, str, int]]:
        """What became of it: instant, state, how many before it were missed."""
        return self.ground.rows("SELECT at, state, missed FROM occurrences WHERE schedule = ? ORDER BY at", wanted.id)

    def times(self, wanted: Wanted) -> int:
        """How often it arrived."""
        return sum(n for (place, text), n in self.ground.arrived().items() if text.startswith(wanted.text))

    async def arrives(self, wanted: Wanted) -> None:
        """It fires, and comes to its target."""
        await self.until(lambda: self.times(wanted), f"{wanted.text} to arrive at {wanted.targets}")

    async def begins(self) -> None:
        """It runs, and something that is due goes out."""
        first = await self.add(once(self.began), made_at=self.began - 10)
        self.child = await self.ground.made.start()
        await self.arrives(first)

    def dies(self) -> None:
        """It does not outlive its story, whatever came of that."""
        if self.child is not None:
            os.kill(self.child.pid, signal.SIGKILL)

    async def jumps(self, by_s: float, *, asleep: bool = False) -> None:
        """The clock is set, or goes on while the process sleeps; until that is noticed."""
        assert self.child is not None
        log, noticed = self.ground.made.log, self._notices()
        if asleep:
            os.kill(self.child.pid, signal.SIGSTOP)
        began = time.monotonic()
        self.clock.set(self.clock.ahead_s + by_s)
        if asleep:
            os.kill(self.child.pid, signal.SIGCONT)
        await self.until(lambda: self._notices() > noticed, f"a word about the clock in {log.name}")
        self.noticed_s = time.monotonic() - began

    def _notices(self) -> int:
        log = self.ground.made.log
        return sum(log.read_text().count(each) for each in NOTICED) if log.exists() else 0

    async def goes_on(self) -> None:
        """What comes after it has its own time: it fires, once, and nobody is told of it."""
        at = float(int(self.clock.now()) + 2)
        after = await self.add(once(at), made_at=self.clock.now(), missed="skip")
        await self.arrives(after)
        assert self.rows(after) == [(at, "sent", 0)]

    def told(self, wanted: Wanted) -> int:
        """How often its author hears of it."""
        said = [payload for (payload,) in self.ground.rows("SELECT payload FROM outbox WHERE broadcast IS NULL")]
        return sum(payload.count(f"Schedule {wanted.id}:") for payload in said)

    async def ends(self) -> None:
        """All that is to be told arrives; every occurrence that was sent went out once, and nothing else did."""
        nothing = "SELECT COUNT(*) FROM outbox WHERE state IN ('queued', 'sending')"
        await self.until(lambda: self.ground.rows(nothing) == [(0,)], "the end of all deliveries")
        assert self.child is not None
        ends = asyncio.ensure_future(self.child.wait())
        assert await self.ground.made.stop(self.child, ends) == ""
        self.child = None
        arrived = self.ground.arrived()
        for wanted in self.wanted:
            sent = sum(state == "sent" for _, state, _ in self.rows(wanted))
            found = {text: n for (_, text), n in arrived.items() if text.startswith(wanted.text)}
            assert found == {f"{wanted.text} part {n + 1}": 1 for n in range(sent)}, wanted
        states = self.ground.rows("SELECT DISTINCT state FROM outbox")
        assert states == [("sent",)], f"{states}: {self.ground.made.last_words()}"


@asynccontextmanager
async def story(faking: Starter, folder: Path) -> AsyncIterator[Story]:
    """A bot of its own."""
    folder.mkdir()  # noqa: ASYNC240 (nobody waits yet)
    clock = Faked(faking, folder / "clock")
    async with yard(starter=clock, folder=folder) as ground:
        made = Story(ground, clock)
        try:
            yield made
        finally:
            made.dies()


def _late(missed: Missed, late_s: float) -> str:
    """What becomes of an occurrence that was missed, and is so late."""
    return "asked" if missed == "ask" else "sent" if missed != "skip" and late_s <= missed else "missed"


async def _forward(faking: Starter, folder: Path, *, by_s: int, asleep: bool = False) -> float:
    async with story(faking, folder) as made:
        began = made.began
        alone = {missed: await made.add(once(began + 1800), made_at=began, missed=missed) for missed in POLICIES}
        often = {missed: await made.add(OFTEN, made_at=began - 300, missed=missed) for missed in POLICIES}
        await made.begins()
        await made.jumps(by_s, asleep=asleep)
        both = [*alone.values(), *often.values()]
        await made.until(lambda: all(map(made.rows, both)), "something to become of what was missed")
        await made.goes_on()
        await made.ends()
        for missed, wanted in alone.items():
            assert made.rows(wanted) == [(began + 1800, _late(missed, by_s - 1800), 0)], missed
        for missed, wanted in often.items():
            at, before = began + by_s - 300, by_s // 600 - 1
            assert made.rows(wanted) == [(at, _late(missed, 300), before)], missed
        assert [made.told(wanted) for wanted in both] == [1] * len(both), "its author hears of each once"
        words = [m.get("text", "") for m in made.ground.emulator.messages(CHAT)]
        assert sum("missed" in text for text in words) >= 1
        return float(made.noticed_s)


async def _back(faking: Starter, folder: Path, *, by_s: int) -> float:
    async with story(faking, folder) as made:
        began = made.began
        again = [await made.add(HOURLY, made_at=began - HOUR, missed=missed) for missed in POLICIES]
        await made.begins()
        for wanted in again:
            await made.arrives(wanted)
        soon = float(int(made.clock.now()) + (1 if by_s < 60 else 60))
        waits = [await made.add(once(soon), made_at=began, missed=missed) for missed in POLICIES]
        await made.jumps(-by_s)
        await made.goes_on()
        if by_s < 60:
            for wanted in waits:
                await made.arrives(wanted)
                assert made.rows(wanted) == [(soon, "sent", 0)]
        await made.ends()
        for wanted in again:
            assert made.rows(wanted) == [(began, "sent", 0)], "not again"
        if by_s >= 60:
            assert [made.rows(wanted) for wanted in waits] == [[]] * len(waits), "their time is still to come"
            nexts = made.ground.rows("SELECT next_at FROM schedules WHERE id IN (?, ?, ?)", *(w.id for w in waits))
            assert nexts == [(soon,)] * len(waits)
        assert [made.told(wanted) for wanted in (*again, *waits)] == [0] * 6
        return float(made.noticed_s)


@dataclass(frozen=True)
class Jump:
    """One way of setting a clock."""

    name: str
    by_s: int
    asleep: bool = False


JUMPS = (
    Jump("+1 h", HOUR),
    Jump("+1 day", DAY),
    Jump("asleep for 6 h", 6 * HOUR, asleep=True),
    Jump("-5 s", -5),
    Jump("-1 h", -HOUR),
    Jump("-1 day", -DAY),
)


@needs_faketime
async def test_a_jump_doubles_nothing_and_nothing_is_missed_in_silence(
    faking: Starter, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    noticed = await asyncio.gather(
        *(
            _forward(faking, tmp_path / jump.name, by_s=jump.by_s, asleep=jump.asleep)
            if jump.by_s > 0
            else _back(faking, tmp_path / jump.name, by_s=-jump.by_s)
            for jump in JUMPS
        )
    )
    with capsys.disabled():
        for jump, seconds in zip(JUMPS, noticed, strict=True):
            print(f"\nclock {jump.name}: noticed after {seconds:.2f} s", end="")


# --- what waits to be sent, with a clock that is turned by hand


async def _say(it: Line, *texts: str, place: str = ROOM) -> None:
    """These are to be sent to a place."""

    def unit(tx: Tx) -> None:
        for text in texts:
            it.relay.say(tx, parse_address(place), Message(text=text), now=it.clock())

    await it.store.write(unit)


async def _within(it: Line, seconds: float, look: Callable[[], bool]) -> bool:
    """Whether it comes to be so within that time of the line's clock."""
    for _ in range(int(seconds * 2)):
        await asyncio.sleep(0.02)
        if look():
            return True
        await it.later(0.5)
    return look()


@pytest.mark.parametrize("back_s", [5.0, HOUR, DAY])
async def test_what_is_tried_again_does_not_wait_for_the_old_time(tmp_path: Path, back_s: float) -> None:
    async with line(tmp_path) as it:
        await it.engine.start()
        it.telegram.refuses["later"] = Unavailable("away")
        await _say(it, "later", "then")
        await until(lambda: it.store.read(lambda tx: [row for row in tx.outbox.list() if row.error]))
        del it.telegram.refuses["later"]
        it.clock.at -= back_s
        assert await _within(it, 10.0, lambda: it.telegram.texts == ["later", "then"])


async def test_the_pace_does_not_wait_for_the_old_time(tmp_path: Path) -> None:
    async with line(tmp_path, requests_per_minute=60) as it:
        await it.engine.start()
        await _say(it, *(f"before {n}" for n in range(8)), place="club:a")
        assert await _within(it, 20.0, lambda: len(it.club.texts) == 8)
        it.clock.at -= DAY
        await _say(it, *(f"after {n}" for n in range(8)), place="club:a")
        assert await _within(it, 20.0, lambda: len(it.club.texts) == 16)


async def test_what_was_left_by_a_process_with_a_later_clock_does_not_wait_for_that(tmp_path: Path) -> None:
    async with line(tmp_path) as it:
        await _say(it, "left")
        it.clock.at -= DAY
        await it.engine.start()
        assert await _within(it, 5.0, lambda: it.telegram.texts == ["left"])
