"""Puts what was said into the index of words, a little at a time, so that a message itself does not wait for it."""

from __future__ import annotations

import asyncio
import logging

from bot.store import Store, StoreUnavailable

logger = logging.getLogger(__name__)

EVERY_S = 20.0
AT_ONCE = 500


class Indexing:
    """Looks now and then whether there is something new to be found by ``/search``."""

    def __init__(self, *, store: Store) -> None:
        self._store = store
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run(), name="indexing")

    async def stop(self) -> None:
        """End after the batch at hand."""
        self._stop.set()
        if self._task is not None:
            await self._task

    async def _run(self) -> None:
        while not self._stop.is_set():
            try:
                async with asyncio.timeout(EVERY_S):
                    await self._stop.wait()
            except TimeoutError:
                pass
            try:
                await self.sweep()
            except StoreUnavailable as error:
                logger.warning("the index of words waits", extra={"action": "index", "error": str(error)})

    async def sweep(self) -> int:
        """Put everything there that is not; returns how many messages were looked at."""
        looked = 0
        while not self._stop.is_set():
            number = await self._store.write(lambda tx: tx.search.catch_up(limit=AT_ONCE))
            looked += number
            if number < AT_ONCE:
                break
        return looked
