"""Telegram's updates in the order of their chats: each chat is a lane, and an album is dealt with whole.

An album comes as an update for each of its messages, without their number or a mark at the last one
(https://github.com/tdlib/telegram-bot-api/issues/629, 2026-11). So its lane waits until none has come for a while, and
what else is said in the chat waits behind it. Nothing of this is kept: the updates stay pending in the inbox until the
whole album is decided on, and are put into their lane again at the next start.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from telegram import Update

from bot.store.inbox import Arrived
from bot.telegram.inbound import album_of, lane


@dataclass(frozen=True, slots=True)
class Turn:
    """What is dealt with at once: an update, or those of an album."""

    items: tuple[Arrived, ...]
    updates: tuple[Update, ...]

    @property
    def item(self) -> Arrived:
        """The first of them in the inbox."""
        return self.items[0]

    @property
    def update(self) -> Update:
        """The first of them."""
        return self.updates[0]


@dataclass(frozen=True, slots=True)
class _Waiting:
    item: Arrived
    update: Update
    album: str
    came_at: float
    """When it was put here, which after a start is later than when it arrived."""


class Lanes:
    """Runs ``deal`` for each update, in order within a chat, chats side by side."""

    def __init__(
        self,
        *,
        deal: Callable[[Turn], Awaitable[None]],
        may_begin: asyncio.Event,
        album_wait_s: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._deal = deal
        self._may_begin = may_begin
        self._album_wait_s = album_wait_s
        self._clock = clock
        self._sleep = sleep
        self._lanes: dict[str, deque[_Waiting]] = {}
        self._ids: set[int] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()
        self._complete = asyncio.Event()
        self._complete_at = clock()

    def put(self, item: Arrived, update: Update) -> None:
        """Put an update at the end of its chat's lane; one that is in it already stays where it is."""
        if self._stopping.is_set() or item.id in self._ids:
            return
        self._ids.add(item.id)
        key = lane(update)
        entry = _Waiting(item, update, album_of(update), self._clock())
        waiting = self._lanes.get(key)
        if waiting is not None:
            waiting.append(entry)
            return
        self._lanes[key] = deque([entry])
        task = asyncio.create_task(self._work(key))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def caught_up(self) -> None:
        """All that Telegram has for us is here: of an album, only what is being written now may still come."""
        if not self._complete.is_set():
            self._complete_at = self._clock()
            self._complete.set()

    def cut_off(self) -> None:
        """Telegram is not reached: the rest of an album may be waiting there."""
        self._complete.clear()

    async def stop(self, *, within_s: float) -> None:
        """Finish what is at hand and begin nothing more; the rest waits in the inbox."""
        self._stopping.set()
        if self._tasks and self._may_begin.is_set():
            await asyncio.wait(self._tasks, timeout=within_s)
        for task in list(self._tasks):
            task.cancel()

    async def _work(self, key: str) -> None:
        waiting = self._lanes[key]
        try:
            # Here and not before: a Telegram that is away keeps nobody else from working, or from stopping.
            await self._may_begin.wait()
            while waiting and not self._stopping.is_set():
                first = waiting[0]
                turn = [first]
                if first.album:
                    await self._gather(waiting, first.album)
                    if self._stopping.is_set():
                        break
                    turn = [each for each in waiting if each.album == first.album]
                try:
                    await self._deal(Turn(tuple(e.item for e in turn), tuple(e.update for e in turn)))
                finally:
                    for each in turn:
                        waiting.remove(each)
                        self._ids.discard(each.item.id)
        finally:
            self._ids.difference_update(each.item.id for each in waiting)
            del self._lanes[key]

    async def _gather(self, waiting: deque[_Waiting], album: str) -> None:
        """Wait until no message of the album has come for a while, or the bot stops."""
        while not self._stopping.is_set():
            if not self._complete.is_set():
                await self._unless_stopped(self._complete.wait())
                continue
            latest = max(each.came_at for each in waiting if each.album == album)
            left = max(latest, self._complete_at) + self._album_wait_s - self._clock()
            if left <= 0:
                return
            await self._unless_stopped(self._sleep(left))

    async def _unless_stopped(self, work: Awaitable[object]) -> None:
        tasks = {asyncio.ensure_future(work), asyncio.ensure_future(self._stopping.wait())}
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
