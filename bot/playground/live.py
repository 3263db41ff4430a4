"""One stream of server-sent events for each page that is open (https://html.spec.whatwg.org/#server-sent-events)."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable, Hashable, Mapping
from typing import Any

Json = Any

TOGETHER_S = 0.04
"""What happens within this time is sent together, and only its latest state."""
ALIVE_S = 15.0
WAITING_MOST = 2000
SPARE = 5
RETRY_MS = 1000

Section = Callable[[], Json]


class _Listener:
    """What one page has not been told yet; a newer state of the same thing takes the place of the older one."""

    def __init__(self) -> None:
        self.waiting: dict[Hashable, tuple[str, Json]] = {}
        self.wake = asyncio.Event()
        self.lost = False

    def put(self, key: Hashable, event: str, data: Json) -> None:
        self.waiting[key] = (event, data)
        if len(self.waiting) > WAITING_MOST:
            # It is told everything anew instead.
            self.waiting.clear()
            self.lost = True
        self.wake.set()

    def take(self) -> list[tuple[str, Json]]:
        taken = list(self.waiting.values())
        self.waiting.clear()
        self.wake.clear()
        return taken


class Hub:
    """Tells every open page what changed. ``sections`` are the parts of the state, each a function that shows it."""

    def __init__(self, sections: Mapping[str, Section]) -> None:
        self._sections = sections
        self._listeners: set[_Listener] = set()

    def state(self) -> dict[str, Json]:
        """Everything."""
        return {name: section() for name, section in self._sections.items()}

    def touch(self, *sections: str) -> None:
        """These sections changed; they are shown as they are when they are sent."""
        for listener in self._listeners:
            for name in sections:
                listener.put(name, name, None)

    def tell(self, event: str, data: Json, *, key: Hashable) -> None:
        """Something smaller than a section changed; the latest for each ``key`` is sent."""
        for listener in self._listeners:
            listener.put(key, event, data)

    async def stream(self) -> AsyncIterator[str]:
        """The whole state as event ``state``, then every change."""
        listener, wait_s = _Listener(), TOGETHER_S
        self._listeners.add(listener)
        try:
            yield f"retry: {RETRY_MS}\n" + _event("state", self.state())
            while True:
                try:
                    async with asyncio.timeout(ALIVE_S):
                        await listener.wake.wait()
                except TimeoutError:
                    yield ": alive\n\n"
                    continue
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait_s):
                        await asyncio.Event().wait()
                began, changes = time.monotonic(), listener.take()
                if listener.lost:
                    listener.lost = False
                    yield _event("state", self.state())
                    continue
                told = "".join(
                    _event(name, self._sections[name]() if data is None and name in self._sections else data)
                    for name, data in changes
                )
                # What takes long to show is shown less often.
                wait_s = max(TOGETHER_S, SPARE * (time.monotonic() - began))
                yield told
        finally:
            self._listeners.discard(listener)


def _event(name: str, data: Json) -> str:
    # JSON in ASCII has no line break of any kind, so one data line is enough, and it can always be encoded.
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"
