"""Lets the deliveries of announcements go, a few at a time, so that Stop is soon obeyed and relays are not held up."""

from __future__ import annotations

import copy
import math
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from bot import behind
from bot.faultpoints import point
from bot.limits import TokenBucket
from bot.store import Store, Tx
from bot.store.broadcasts import Released
from bot.worker import Worker

AT_ONCE = 2
"""Places of one account that are let go and not settled: what still goes out after Stop, for each account."""
IN_ALL = 8
"""Of all accounts."""
PACE_PER_S = 20.0
"""Places of one account in a second."""
PACE_IN_ALL_PER_S = 25.0
"""Of all accounts: what leaves while a pressed Stop is on its way to us."""
LOST_FROM = 3
"""So many that failed since the last that was sent mean that an account is away."""
WAITING_MOST = 20
"""More do not wait for their next try at one that is away: the rest is kept here, where Stop finds it."""
PROBE_S = 15.0
"""An account that is away is given one more in this time, to find out whether it is back."""
LOOK_S = 2.0
LATER_LOOK_S = 10.0
"""A clock that is set forwards is noticed within this time."""
DUE_AT_ONCE = 500
"""So many whose time has come begin to wait for their turn in one transaction."""
STRANGERS_S = 60.0
"""So often it is looked for what waits too long for an account that is not configured any more."""
ROWS_FIRST = 16
"""So many parts are nearly always those of more places than are let go at once."""
ROWS_MOST = 256
"""More parts than a message has."""


@dataclass
class _Pacing:
    """What is known of the pace, all by a clock that is never set back."""

    of_account: dict[str, TokenBucket]
    in_all: TokenBucket
    latest: dict[str, int] = field(default_factory=dict)
    """In which turn an account was last given one."""
    turn: int = 0
    probed: dict[str, float] = field(default_factory=dict)
    """When an account that is away was last given one."""

    def probed_ago(self, account: str, *, ticks: float) -> float:
        """How long ago an account that is away was given one."""
        return ticks - self.probed.get(account, -math.inf)


class Broadcaster:
    """Decides which parked deliveries stand in their lanes. ``accounts``: the names of those that are configured.

    ``monotonic``: the pace goes by it.
    """

    def __init__(
        self,
        *,
        store: Store,
        accounts: Collection[str],
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._accounts = sorted(accounts)
        self._clock = clock
        self._monotonic = monotonic
        self._pacing = _Pacing(
            {name: TokenBucket(PACE_PER_S, AT_ONCE) for name in self._accounts},
            TokenBucket(PACE_IN_ALL_PER_S, AT_ONCE),
        )
        self._worker = Worker(self.turn, name="broadcaster", pause_s=LOOK_S)
        store.on_wake(lambda topics: self._worker.wake() if topics & {"broadcasts", "*"} else None)

    def start(self) -> None:
        """Begin, with what a former process left."""
        self._worker.start()

    async def stop(self) -> None:
        """Let nothing more go."""
        await self._worker.stop()

    @property
    def turning(self) -> bool:
        """Whether it is alive."""
        return self._worker.turning

    async def turn(self) -> float | None:
        """Let go what may go now; returns seconds until there may be more (None: when woken)."""
        ready, wait_s = await self._store.read(self._look)
        if ready and not self._worker.stopping:
            wait_s, self._pacing = await self._store.write(self._release)
            point("broadcast.released")
        return wait_s

    def _look(self, tx: Tx) -> tuple[bool, float | None]:
        """Whether there is anything to decide on now, and else in how many seconds (None: when woken)."""
        if not tx.broadcasts.any_running():
            return False, None
        if any(tx.broadcasts.in_turn(name, limit=1) for name in self._accounts):
            return True, None
        if any(tx.broadcasts.waiting_at(name)[0] for name in tx.broadcasts.strangers(self._accounts)):
            return True, None
        wait_s = self._later_s(tx)
        return wait_s is not None and wait_s <= 0, wait_s

    def _later_s(self, tx: Tx) -> float | None:
        """Seconds until the first of those that wait for their time is looked at; None: there is none. Never long: the
        clock may be set meanwhile.
        """
        at = tx.broadcasts.next_later()
        return None if at is None else min(at - self._clock(), LATER_LOOK_S)

    def _release(self, tx: Tx) -> tuple[float | None, _Pacing]:
        """Let some go; returns seconds until the next, and the pace as it is then: what is done here may be done again,
        or undone.
        """
        now, ticks, pacing = self._clock(), self._monotonic(), copy.deepcopy(self._pacing)
        waits = self._give_up_strangers(tx, now=now)
        if tx.broadcasts.come_due(now=now, limit=DUE_AT_ONCE) == DUE_AT_ONCE:
            waits.append(0.0)
        elif (later_s := self._later_s(tx)) is not None:
            waits.append(max(later_s, 0.0))
        released = {name: tx.broadcasts.released(name) for name in self._accounts}
        room = IN_ALL - sum(len(_under_way(rows)) for rows in released.values())
        queues: dict[str, deque[list[int]]] = {}
        free: dict[str, int] = {}
        for name, rows in released.items():
            queue = queues[name] = self._places(tx, name)
            if not queue:
                continue
            free[name] = AT_ONCE - len(_under_way(rows))
            probed_ago = pacing.probed_ago(name, ticks=ticks)
            if free[name] > 0 and not self._may(tx, name, rows, probed_ago=probed_ago, now=now):
                free[name] = 0
                self._let_expire(tx, name, now=now)
            elif is_away(tx, name, now=now):
                free[name] = 1
                pacing.probed[name] = ticks
            if free[name] <= 0:
                waits.append(LOOK_S)  # one that settles wakes us before
        while room > 0 and (ready := [name for name, number in free.items() if number > 0]):
            # In turn, so that none of them has all the pace.
            name = min(ready, key=lambda name: pacing.latest.get(name, 0))
            wait_s = max(pacing.of_account[name].ready_in(ticks), pacing.in_all.ready_in(ticks))
            if wait_s > 0 or not queues[name]:
                waits += [wait_s] if queues[name] else []
                free[name] = 0
                continue
            pacing.of_account[name].take(ticks)
            pacing.in_all.take(ticks)
            tx.outbox.unpark(queues[name].popleft(), now=now)
            pacing.turn += 1
            pacing.latest[name] = pacing.turn
            free[name], room = free[name] - 1, room - 1
            waits.append(LOOK_S)
        return min(waits, default=LOOK_S if free else None), pacing

    def _give_up_strangers(self, tx: Tx, *, now: float) -> list[float]:
        """What is too old by now and goes to an account that is not configured any more, which nothing else would give
        up; returns in how long to look again, if anything waits for such an account.
        """
        waits = []
        for account in tx.broadcasts.strangers(self._accounts):
            number, first = tx.broadcasts.waiting_at(account)
            waits += [STRANGERS_S] if number else []
            for row in tx.broadcasts.too_old(account, now=now, limit=ROWS_MOST) if first <= now else ():
                hours = (now - row.created_at) / 3600
                reason = f"given up after {hours:.1f} h: the account {row.account} is not configured any more"
                if tx.outbox.give_up_one(row.id, reason=reason, now=now):
                    behind.fold(tx, row, now=now)
        return waits

    def _places(self, tx: Tx, account: str) -> deque[list[int]]:
        """All parts of the messages for the next places, oldest first."""
        places = _grouped(tx.broadcasts.in_turn(account, limit=ROWS_FIRST))
        if len(places) <= AT_ONCE and sum(map(len, places)) == ROWS_FIRST:  # the last one may have more parts
            places = _grouped(tx.broadcasts.in_turn(account, limit=AT_ONCE * ROWS_MOST))
        return places

    def _may(self, tx: Tx, account: str, released: Collection[Released], *, probed_ago: float, now: float) -> bool:
        """Whether an account takes messages, as far as is known."""
        if tx.accounts.get(account).paused:
            return False
        if not is_away(tx, account, now=now):
            return True
        failed = _failed(released)
        tried_ago = now - max((row.started_at for row in failed), default=0.0)
        if tried_ago < 0:
            tried_ago = math.inf  # the clock was set back since
        return len(failed) < WAITING_MOST and min(tried_ago, probed_ago) >= PROBE_S

    def _let_expire(self, tx: Tx, account: str, *, now: float) -> None:
        """What is too old by now is let go all the same: it is given up, and not sent."""
        if tx.accounts.get(account).paused:
            return  # nothing is claimed there
        rows = tx.several.rows(id for id, _, _ in tx.broadcasts.in_turn(account, limit=ROWS_MOST))
        tx.outbox.unpark([row.id for row in rows if row.expires_at <= now], now=now)


def is_away(tx: Tx, account: str, *, now: float) -> bool:
    """Whether an account takes nothing just now, as far as announcements show that."""
    failed = _failed(tx.broadcasts.released(account))
    if len(failed) < LOST_FROM:
        return False
    sent = tx.broadcasts.last_sent(account, now=now)
    return sum(row.started_at > sent for row in failed) >= LOST_FROM


def _grouped(rows: Sequence[tuple[int, int, str]]) -> deque[list[int]]:
    """Numbers of deliveries, those together that are of one announcement to one place."""
    return deque([id for id, _, _ in place] for _, place in groupby(rows, key=lambda row: row[1:]))


def _under_way(rows: Collection[Released]) -> set[str]:
    """The places at which something was let go and did not fail yet."""
    return {row.conversation for row in rows if not row.failed}


def _failed(rows: Collection[Released]) -> list[Released]:
    return [row for row in rows if row.failed]
