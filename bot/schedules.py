"""Schedules fire: each occurrence once, in the transaction that makes its deliveries.

The rows are the truth. APScheduler is the alarm clock for the next hours and nothing else: what it has in memory is
made anew from the rows whenever they change. A heart beats beside it, by the clock that nobody sets, and notices when
the wall clock jumped or the machine slept: what was due meanwhile is *missed*, and each schedule says what becomes of
that.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.date import DateTrigger

from bot import broadcasts
from bot.faultpoints import point
from bot.firing import Firing
from bot.pending import following, hold_back, overdue
from bot.plans import Plan, plan_of
from bot.schedule_notes import ask_approval, tell_expired, tell_untold, warn
from bot.store import Store, Tx
from bot.store.schedules import OccurrenceRow, Schedule
from bot.when import show_duration
from bot.worker import Worker

logger = logging.getLogger(__name__)

LATE_S = 5.0
"""So late after a stop or a sleep, an occurrence is missed."""
BEAT_S = 1.0
AWAY_S = 4.0
"""A beat that comes so much later than it should: the process slept, or somebody set the clock."""
BACK_S = 1.0
"""A clock that is set back by more is noticed."""
BATCH = 50
"""So many fire in one transaction."""
HORIZON_S = 6 * 3600.0
ALARMS_MOST = 32
LOOK_S = 60.0
"""It is looked for what is due so often, alarm or none."""
PAUSE_S = 2.0


class Schedules:
    """Lets schedules fire. ``fired``: is told how late each was, in seconds.
    ``clock``: the wall clock, which may be set.
    """

    def __init__(
        self,
        *,
        store: Store,
        firing: Firing,
        clock: Callable[[], float] = time.time,
        fired: Callable[[float], None] = lambda late_s: None,
    ) -> None:
        self._store = store
        self._firing = firing
        self._clock = clock
        self._fired = fired
        self._missed_before = float("inf")
        """Occurrences before this instant were due while nobody was there."""
        self._beaten_at = 0.0
        self._alarms: dict[float, str] = {}
        self._scheduler: AsyncIOScheduler | None = None
        self._heart: asyncio.Task[None] | None = None
        self._worker = Worker(self.turn, name="schedules", pause_s=PAUSE_S)
        store.on_wake(lambda topics: self._worker.wake() if topics & {"schedules", "*"} else None)

    def start(self) -> None:
        """Begin; what was due before is missed."""
        self._scheduler = AsyncIOScheduler(timezone=UTC)
        self._scheduler.start()
        self.begin()
        self._heart = asyncio.create_task(self._beat(), name="schedules' heart")
        self._worker.start()

    def begin(self) -> None:
        """Take what was due before now for missed."""
        self._beaten_at = self._clock()
        self._missed_before = self._beaten_at - LATE_S

    async def stop(self) -> None:
        """Let nothing more fire; what is at hand is finished."""
        if self._heart is not None:
            self._heart.cancel()
        await self._worker.stop()
        if self._scheduler is not None:
            self._scheduler.shutdown(wait=False)
            self._scheduler = None

    @property
    def turning(self) -> bool:
        """Whether it is alive."""
        return self._worker.turning and self._heart is not None and not self._heart.done()

    # --- the clock

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(BEAT_S)
            # A clock that is set forward a little is no jump, but its alarms ring by another one, and late.
            if self._look_at_the_clock() or min(self._alarms, default=math.inf) <= self._clock():
                self._worker.wake()

    def _look_at_the_clock(self) -> bool:
        jumped = self.beat()
        if jumped and self._scheduler is not None:
            # Alarms are waited for by another clock: they are set anew.
            self._alarms.clear()
            self._scheduler.remove_all_jobs()
        return jumped

    def beat(self) -> bool:
        """Compare with the beat before; whether the wall clock jumped, or the process slept."""
        now, before = self._clock(), self._beaten_at
        self._beaten_at = now
        if now - before > BEAT_S + AWAY_S:
            self._missed_before = now - LATE_S
            logger.warning(
                "the clock jumped or the machine slept", extra={"action": "schedules", "seconds": round(now - before)}
            )
            return True
        if now < before - BACK_S:
            # What comes now has its own time: nothing of it is missed, and what fired is further on.
            self._missed_before = min(self._missed_before, now - LATE_S)
            logger.warning("the clock was set back", extra={"action": "schedules", "seconds": round(before - now)})
            return True
        return False

    async def _alarm(self) -> None:
        self._worker.wake()

    def _set_alarms(self, instants: list[float]) -> None:
        if self._scheduler is None:
            return
        for at in set(self._alarms) - set(instants):
            job = self._alarms.pop(at)
            if self._scheduler.get_job(job) is not None:
                self._scheduler.remove_job(job)
        for at in instants:
            if at not in self._alarms:
                self._alarms[at] = f"at {at}"
                self._scheduler.add_job(
                    self._alarm,
                    DateTrigger(datetime.fromtimestamp(at, UTC)),
                    id=self._alarms[at],
                    replace_existing=True,
                    misfire_grace_time=None,
                )

    # --- what is due

    async def turn(self) -> float | None:
        """Do all that is due; returns seconds until it is looked again."""
        if await self._store.read(lambda tx: self._is_due(tx, self._clock())):
            point("schedule.due")
            while not self._worker.stopping:
                # Before what a jump of the clock makes due is decided about, the jump is noticed.
                self._look_at_the_clock()
                fired = await self._store.write(self._some)
                point("schedule.fired")
                for at in fired or ():
                    self._fired(self._clock() - at)
                if fired is None:
                    break
        instants = await self._store.read(
            lambda tx: tx.schedules.instants(until=self._clock() + HORIZON_S, limit=ALARMS_MOST)
        )
        self._set_alarms(list(instants))
        return LOOK_S

    def _is_due(self, tx: Tx, now: float) -> bool:
        first = tx.schedules.instants(until=now, limit=1)
        return bool(first) or bool(tx.schedules.untold(limit=1))

    def _some(self, tx: Tx) -> list[float] | None:
        """Some of what is due; returns the instants that fired, None when nothing is left to do."""
        now = self._clock()
        if now - self._beaten_at > BEAT_S + AWAY_S:
            return []  # slept just now: that is looked at first
        due = tx.schedules.due(now, limit=BATCH)
        if due:
            fired = [self._guarded(tx, each, partial(self._due, tx, each, now=now), now=now) for each in due]
            return [at for at in fired if at is not None]
        waiting = tx.schedules.waiting(now, limit=BATCH)
        for schedule in waiting:
            self._guarded(tx, schedule, partial(hold_back, tx, schedule, now=now), now=now)
        warnings = tx.schedules.to_warn(now, limit=BATCH)
        for schedule in warnings:
            tx.schedules.warned(schedule.id)
            if schedule.next_at is not None and now < schedule.next_at:
                act = partial(warn, tx, self._firing, schedule, at=schedule.next_at, now=now)
                self._tried(tx, schedule.id, act)
        outlived = tx.schedules.to_delete(now, limit=BATCH)
        for row in outlived:
            tx.schedules.deleted(row.id)
            self._tried(tx, row.schedule, partial(self._end, tx, row, now=now))
        told = tell_untold(tx, self._firing, limit=BATCH, now=now)
        if told:
            point("schedule.telling")
        return [] if waiting or warnings or outlived or told else None

    def _end(self, tx: Tx, row: OccurrenceRow, *, now: float) -> None:
        """It has had its time."""
        broadcast = None if row.broadcast is None else tx.broadcasts.get(row.broadcast)
        if broadcast is not None and not broadcasts.kept(broadcast).wiped:
            never = broadcasts.expire(tx, self._firing.relay, broadcast, now=now)
            if never:
                tell_expired(tx, self._firing, row, number=never, now=now)
            point("schedule.ending")

    def _tried(self, tx: Tx, id: int, act: Callable[[], object]) -> None:
        """Do it; where that cannot be done, no other one is stopped by it."""
        try:
            with tx.savepoint("firing"):
                act()
        except Exception:
            logger.exception("a schedule failed", extra={"action": "schedules", "schedule": id})

    def _guarded(self, tx: Tx, schedule: Schedule, act: Callable[[], float | None], *, now: float) -> float | None:
        """One that cannot be dealt with is paused, and stops no other one; returns the instant that fired."""
        assert schedule.next_at is not None
        try:
            with tx.savepoint("firing"):
                return act()
        except Exception:
            logger.exception("a schedule failed", extra={"action": "schedules", "schedule": schedule.id})
            tx.schedules.become(schedule.id, "paused", now=now)
            tx.schedules.decide(
                schedule.id, schedule.next_at, "failed", now=now, told=False,
                note="An error of Patchbay's own, which is in its log. The schedule is paused.",
            )  # fmt: skip
            return None

    def _due(self, tx: Tx, schedule: Schedule, *, now: float) -> float | None:
        assert schedule.next_at is not None
        plan = plan_of(schedule)
        count, last = overdue(schedule, plan, now=now)
        fired = None
        if last is not None:
            note = f"{last.meant:%H:%M} does not exist on that day, for clocks are set forward." if last.meant else ""
            if last.at >= self._missed_before:
                # Several only if this is slow, or if those before were missed: never a burst.
                if self._firing.fire(tx, schedule, last.at, now=now, note=note, missed=count - 1):
                    fired = last.at
            else:
                self._missed(tx, schedule, plan, last.at, note=note, missed=count - 1, now=now)
            point("schedule.firing")
        coming = following(schedule, plan, after=max(now, schedule.next_at))
        at = None if coming is None else coming.at
        tx.schedules.aim_at(schedule.id, next_at=at, warn_at=plan.warn_at(at, now=now))
        after = tx.schedules.get(schedule.id)
        if after is not None and after.state == "waits":
            ask_approval(tx, self._firing, after, needed=after.needs, now=now)
        return fired

    def _missed(self, tx: Tx, schedule: Schedule, plan: Plan, at: float, *, note: str, missed: int, now: float) -> None:
        """It was due while nobody was there: what its schedule says about that."""
        within_s = plan.options.missed
        if within_s == "ask":
            tx.schedules.decide(schedule.id, at, "asked", now=now, note=note, missed=missed, told=False)
        elif within_s != "skip" and now - at <= within_s:
            late = "It was due while Patchbay was not running, and is late."
            self._firing.fire(tx, schedule, at, now=now, note="\n".join(filter(None, (note, late))), missed=missed)
        else:
            why = "It says missed=skip."
            if within_s != "skip":
                why = f"It is older than missed=send:{show_duration(within_s)} allows."
            note = "\n".join(filter(None, (note, why)))
            tx.schedules.decide(schedule.id, at, "missed", now=now, note=note, missed=missed, told=False)
