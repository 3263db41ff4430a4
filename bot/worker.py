"""A task that does what there is to do, sleeps until there is more, and outlives its own failures."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from bot.store import StoreError

logger = logging.getLogger(__name__)


class Worker:
    """Calls ``turn`` again and again: when it is woken, or after so many seconds as that returned (None: only then)."""

    def __init__(self, turn: Callable[[], Awaitable[float | None]], *, name: str, pause_s: float) -> None:
        self._turn = turn
        self._name = name
        self._pause_s = pause_s
        """After a turn that failed."""
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.stopping = False

    def start(self) -> None:
        """Begin with a turn."""
        self._task = asyncio.create_task(self._run(), name=self._name)

    def wake(self) -> None:
        """There may be something to do."""
        self._wake.set()

    async def stop(self) -> None:
        """End after the turn at hand."""
        self.stopping = True
        self._wake.set()
        if self._task is not None:
            await self._task

    @property
    def turning(self) -> bool:
        """Whether it is alive."""
        return self._task is not None and not self._task.done()

    async def _run(self) -> None:
        while not self.stopping:
            self._wake.clear()
            try:
                wait_s = await self._turn()
            except StoreError:
                wait_s = self._pause_s  # whoever writes tells of it
            except Exception:
                logger.exception("a worker's turn failed", extra={"action": self._name})
                wait_s = self._pause_s
            try:
                async with asyncio.timeout(wait_s):
                    await self._wake.wait()
            except TimeoutError:
                pass
