"""Lets the deliveries of announcements go, a few at a time, so that Stop is soon obeyed and relays are not held up."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection
from itertools import groupby

from bot.limits import TokenBucket
from bot.store import Store, StoreError, Tx
from bot.store.broadcasts import Broadcast, Released

logger = logging.getLogger(__name__)

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
ROWS_MOST = 256
"""More parts than a message has."""


class Broadcaster:
    """Decides which parked deliveries stand in their lanes. ``accounts``: the names of those that are configured."""

    def __init__(self, *, store: Store, accounts: Collection[str], clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._accounts = sorted(accounts)
        self._clock = clock
        self._pace = {name: TokenBucket(PACE_PER_S, AT_ONCE) for name in self._accounts}
        self._in_all = TokenBucket(PACE_IN_ALL_PER_S, AT_ONCE)
        self._latest: dict[str, int] = {}
        """In which turn an account was last given one."""
        self._turn = 0
        self._probed: dict[str, float] = {}
        """When an account that is away was last given one."""
        self._wake = asyncio.Event()
        self._stopping = False
        self._task: asyncio.Task[None] | None = None
        store.on_wake(lambda topics: self._wake.set() if topics & {"broadcasts", "*"} else None)

    def start(self) -> None:
        """Begin, with what a former process left."""
        self._task = asyncio.create_task(self._run(), name="broadcaster")

    async def stop(self) -> None:
        """Let nothing more go."""
        self._stopping = True
        self._wake.set()
        if self._task is not None:
            await self._task

    @property
    def turning(self) -> bool:
        """Whether it is alive."""
        return self._task is not None and not self._task.done()

    async def _run(self) -> None:
        while not self._stopping:
            self._wake.clear()
            try:
                wait_s = await self.turn()
            except StoreError:
                wait_s = LOOK_S
            except Exception:
                logger.exception("announcements were not let go", extra={"action": "broadcast"})
                wait_s = LOOK_S
            try:
                async with asyncio.timeout(wait_s):
                    await self._wake.wait()
            except TimeoutError:
                pass

    async def turn(self) -> float | None:
        """Let go what may go now; returns seconds until there may be more (None: when woken)."""
        running = await self._store.read(lambda tx: any(each.state == "running" for each in tx.broadcasts.open()))
        if not running or self._stopping:
            return None
        return await self._store.write(self._release)

    def _release(self, tx: Tx) -> float | None:
        now = self._clock()
        running = [each for each in tx.broadcasts.open() if each.state == "running"]
        released = {name: tx.broadcasts.released(name) for name in self._accounts}
        room = IN_ALL - sum(len(_under_way(rows)) for rows in released.values())
        waits: list[float] = []
        free: dict[str, int] = {}
        for name, rows in released.items():
            parked = [each for each in running if tx.broadcasts.parked(each.id, name, limit=1)]
            if not parked:
                continue
            free[name] = AT_ONCE - len(_under_way(rows))
            if free[name] > 0 and not self._may(tx, name, parked[0], rows, now=now):
                free[name] = 0
                self._let_expire(tx, name, parked, now=now)
            elif is_away(tx, parked[0], name):
                free[name] = 1
                self._probed[name] = now
            if free[name] <= 0:
                waits.append(LOOK_S)  # one that settles wakes us before
        while room > 0 and (ready := [name for name, number in free.items() if number > 0]):
            # In turn, so that none of them has all the pace.
            name = min(ready, key=lambda name: self._latest.get(name, 0.0))
            wait_s = max(self._pace[name].ready_in(now), self._in_all.ready_in(now))
            ids = next(filter(None, (self._next_place(tx, each, name) for each in running)), None)
            if wait_s > 0 or ids is None:
                waits += [wait_s] if ids is not None else []
                free[name] = 0
                continue
            self._pace[name].take(now)
            self._in_all.take(now)
            tx.outbox.unpark(ids, now=now)
            self._turn += 1
            self._latest[name] = self._turn
            free[name], room = free[name] - 1, room - 1
            waits.append(LOOK_S)
        return min(waits, default=LOOK_S if free else None)

    def _next_place(self, tx: Tx, broadcast: Broadcast, account: str) -> list[int]:
        """All parts of the message for the next place."""
        rows = tx.broadcasts.parked(broadcast.id, account, limit=ROWS_MOST)
        return next(([id for id, _ in place] for _, place in groupby(rows, key=lambda row: row[1])), [])

    def _may(self, tx: Tx, account: str, broadcast: Broadcast, released: Collection[Released], *, now: float) -> bool:
        """Whether an account takes messages, as far as is known."""
        if tx.accounts.get(account).paused:
            return False
        if not is_away(tx, broadcast, account):
            return True
        failed = _failed(released)
        latest = max((row.started_at for row in failed), default=0.0)
        return len(failed) < WAITING_MOST and now - max(latest, self._probed.get(account, 0.0)) >= PROBE_S

    def _let_expire(self, tx: Tx, account: str, parked: Collection[Broadcast], *, now: float) -> None:
        """What is too old by now is let go all the same: it is given up, and not sent."""
        if tx.accounts.get(account).paused:
            return  # nothing is claimed there
        for broadcast in parked:
            ids = [id for id, _ in tx.broadcasts.parked(broadcast.id, account, limit=ROWS_MOST)]
            rows = filter(None, map(tx.outbox.get, ids))
            tx.outbox.unpark([row.id for row in rows if row.expires_at <= now], now=now)


def is_away(tx: Tx, broadcast: Broadcast, account: str) -> bool:
    """Whether an account takes nothing just now, as far as an announcement shows that."""
    sent = tx.broadcasts.last_sent(broadcast.id, account)
    return sum(row.started_at > sent for row in _failed(tx.broadcasts.released(account))) >= LOST_FROM


def _under_way(rows: Collection[Released]) -> set[str]:
    """The places at which something was let go and did not fail yet."""
    return {row.conversation for row in rows if not row.failed}


def _failed(rows: Collection[Released]) -> list[Released]:
    return [row for row in rows if row.failed]
