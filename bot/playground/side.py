"""A server that the bot talks to, with a switch that makes it fail."""

from __future__ import annotations

import asyncio
from typing import Any

from bot.playground.hosting import LoopbackServer
from bridges.faults import Faults

Json = dict[str, Any]

DOWN = "down"


class Side:
    """One server that the bot talks to, and the switch that makes it fail."""

    def __init__(self, name: str, server: LoopbackServer, *, faults: Faults) -> None:
        self.name = name
        self.server = server
        self.faults = faults
        self._lock = asyncio.Lock()

    @property
    def failing(self) -> bool:
        """Whether it does not answer as it should."""
        return not self.server.listening or self.faults.mode != "ok"

    def to_json(self) -> Json:
        """The state of the switch."""
        shown = self.faults.to_json()
        return shown if self.server.listening else {**shown, "mode": DOWN}

    async def switch(self, mode: str, **more: Any) -> None:
        """Set what happens to requests: a mode of ``bridges.faults``, or ``down``. ``ValueError`` for another."""
        async with self._lock:
            if mode == DOWN:
                await self.server.down()
                return
            self.faults.configure(mode, **more)
            try:
                await self.server.up()
            except OSError as error:
                raise ValueError(f"{self.name} cannot come back: its port {self.server.port} is in use now") from error
