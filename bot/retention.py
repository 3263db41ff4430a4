"""Forgets what is old enough, a little at a time, so that the database does not grow for ever."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from bot.store import Store, StoreUnavailable, Tx

logger = logging.getLogger(__name__)

EVERY_S = 3600.0
AT_ONCE = 500
FIRST_AFTER_S = 60.0
NAMELESS_S = 86400.0
"""No echo of a send comes later than this."""
DIALOGS_S = 30 * 86400.0
"""Nobody goes on with a wizard after this."""
WORDS_S = 3600.0
"""Longer than another bridge may take to bring words back (:mod:`bot.loops`)."""


class Retention:
    """Removes what is older than ``store.keep``; dead and held deliveries stay until a person decides."""

    def __init__(self, *, store: Store, keep_s: float, clock: Callable[[], float]) -> None:
        self._store = store
        self._keep_s = keep_s
        self._clock = clock
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, a while after the start so that it is not in anybody's way."""
        self._task = asyncio.create_task(self._run(), name="retention")

    async def stop(self) -> None:
        """End after the batch at hand."""
        self._stop.set()
        if self._task is not None:
            await self._task

    async def _run(self) -> None:
        wait_s = FIRST_AFTER_S
        while True:
            try:
                async with asyncio.timeout(wait_s):
                    await self._stop.wait()
                return
            except TimeoutError:
                pass
            wait_s = EVERY_S
            try:
                await self.sweep()
            except StoreUnavailable as error:
                logger.warning("nothing was tidied", extra={"action": "retention", "error": str(error)})

    async def sweep(self) -> int:
        """Remove everything that is old enough; returns how many rows."""
        removed = 0
        while not self._stop.is_set():
            n = await self._store.write(self._batch)
            removed += n
            if n == 0:
                break
        return removed

    def _batch(self, tx: Tx) -> int:
        now = self._clock()
        before = now - self._keep_s
        return (
            tx.inbox.prune(before=before, now=now, limit=AT_ONCE)
            + tx.outbox.prune(before=before, limit=AT_ONCE)
            + tx.messages.prune(before=before, limit=AT_ONCE)
            + tx.broadcasts.prune(before=before, limit=AT_ONCE)
            + tx.schedules.prune(before=before, limit=AT_ONCE)
            + tx.messages.prune_pictures(before=before, limit=AT_ONCE)
            + tx.faces.prune(before=before, limit=AT_ONCE)
            + tx.cards.prune(before=before, limit=AT_ONCE)
            + tx.dialogs.prune(before=max(before, now - DIALOGS_S), limit=AT_ONCE)
            + tx.people.prune(before=before, limit=AT_ONCE)
            + tx.route_changes.prune(before=before, limit=AT_ONCE)
            + tx.texts.prune(before=before, limit=AT_ONCE)
            + tx.files.prune(now=now, limit=AT_ONCE)
            + tx.messages.prune_nameless(before=now - NAMELESS_S, limit=AT_ONCE)
            + tx.relayed_words.prune(before=now - WORDS_S, limit=AT_ONCE)
        )
