"""Flood control, off unless asked for.

Telegram's limits are not exact and change (https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this,
read 2026-11: about one message a second in a chat, 20 a minute in a group, 30 a second overall); what counts is how a
bot takes the answer. So the limits here are sharp: one message too many closes the gate for the time it names.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class FloodLimits:
    """How many messages a bot may send or edit; None switches a limit off."""

    per_chat_per_s: int | None = 1
    per_group_per_min: int | None = 20
    overall_per_s: int | None = 30
    _sent: dict[str, deque[float]] = field(default_factory=dict, repr=False)
    _closed_until: dict[str, float] = field(default_factory=dict, repr=False)

    def check(self, bot_id: int, chat_id: int, *, is_group: bool, clock: Callable[[], float]) -> int:
        """Count one message; 0 if it may go, else the seconds to wait. What is refused is not counted."""
        now = clock()
        gates: list[tuple[str, int | None, float]] = [(f"{bot_id}", self.overall_per_s, 1.0)]
        if is_group:
            gates.append((f"{bot_id}/{chat_id}", self.per_group_per_min, 60.0))
        else:
            gates.append((f"{bot_id}/{chat_id}", self.per_chat_per_s, 1.0))
        for key, limit, span in gates:
            if limit is None:
                continue
            wait = self._closed_until.get(key, 0.0) - now
            if wait <= 0:
                times = self._sent.setdefault(key, deque())
                while times and times[0] <= now - span:
                    times.popleft()
                if len(times) < limit:
                    continue
                wait = times[0] + span - now
                self._closed_until[key] = now + max(1, math.ceil(wait))
                wait = self._closed_until[key] - now
            return max(1, math.ceil(wait))
        for key, limit, _ in gates:
            if limit is not None:
                self._sent.setdefault(key, deque()).append(now)
        return 0
