"""Limits: when the next request may leave, so that no provider has to complain twice (pure).

Every time is a number of seconds on one clock of the caller's that never goes back.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Protocol

TELEGRAM_RATE_PER_S = 30.0
"""About 30 messages a second overall: https://telegra.ph/Hitting-limits-bot-FAQ by Telegram Bot Support (2026-11)."""
PRIVATE_SPACING_S = 1.0
"""One message a second in one chat, once Telegram has complained (same page)."""
GROUP_SPACING_S = 3.0
"""20 messages a minute in one group (same page)."""
CAUTIOUS_S = 60.0
"""How long a chat keeps its full spacing after a complaint; then it takes as long again to be free."""
STORM_CHATS = 3
STORM_S = 10.0
LONGEST_CLOSE_S = 3600.0


class Pace(Protocol):
    """When one may send. ``key`` names the conversation; a pace of the whole account ignores it."""

    @property
    def whole(self) -> bool:
        """Whether one answer is good for every conversation, so that nobody need ask for each."""
        ...

    def ready_in(self, key: str, now: float) -> float:
        """Seconds until a request may leave; 0 if it may now."""
        ...

    def took(self, key: str, now: float) -> None:
        """A request left."""
        ...

    def refused(self, key: str, retry_after: float, now: float) -> None:
        """The provider said 429 with this many seconds to wait."""
        ...


class TokenBucket:
    """So many a second on average, and so many at once after a rest. It begins full."""

    def __init__(self, rate_per_s: float, burst: float) -> None:
        if not (rate_per_s > 0 and burst >= 1):
            raise ValueError(f"a rate of {rate_per_s}/s with bursts of {burst} lets nothing through")
        self._rate_per_s = rate_per_s
        self._burst = burst
        self._tokens = burst
        self._at = -math.inf

    def ready_in(self, now: float) -> float:
        """Seconds until one may be taken; 0 if it may be now."""
        # The tolerance covers rounding: without it a caller that waits exactly so long could be a hair early.
        missing = 1 - self._level(now)
        return missing / self._rate_per_s if missing > 1e-9 else 0.0

    def take(self, now: float) -> None:
        """Take one. Taken too early it is owed, and those after it wait the longer."""
        self._tokens = self._level(now) - 1
        self._at = max(now, self._at)

    def _level(self, now: float) -> float:
        if self._at == -math.inf:
            return self._burst
        return min(self._burst, self._tokens + max(now - self._at, 0.0) * self._rate_per_s)


@dataclass(slots=True)
class _Penalty:
    """What a chat has to bear after a complaint."""

    closed_until: float
    last_sent: float = -math.inf


class TelegramPace:
    """Telegram's limits: 30 a second overall, and each chat freely until Telegram complains about it.

    The exact limits are unpublished and change, so what counts is what a 429 says. It closes its own chat, then
    spaces that chat for a while; only if several chats are refused at once everything waits. Topics of a chat share
    its limits. Keys are conversations such as ``-100123/17``.
    """

    whole = False

    def __init__(self, *, rate_per_s: float = TELEGRAM_RATE_PER_S) -> None:
        self._all = TokenBucket(rate_per_s, rate_per_s)
        self._all_closed_until = -math.inf
        self._penalties: dict[str, _Penalty] = {}
        self._refusals: deque[tuple[float, str, float]] = deque()

    def ready_in(self, key: str, now: float) -> float:
        """Seconds until a message to this chat may leave; 0 if it may now."""
        wait = max(self._all.ready_in(now), self._all_closed_until - now)
        if self._penalties and (penalty := self._penalties.get(_chat(key))) is not None:
            opens = max(penalty.closed_until, penalty.last_sent + _spacing(key, penalty, now))
            wait = max(wait, opens - now)
        return max(wait, 0.0)

    def took(self, key: str, now: float) -> None:
        """A message left for this chat."""
        self._all.take(now)
        penalty = self._penalties.get(_chat(key))
        if penalty is not None:
            penalty.last_sent = now
            if _is_over(penalty, now):
                del self._penalties[_chat(key)]

    def refused(self, key: str, retry_after: float, now: float) -> None:
        """Telegram said 429 to a message for this chat; other answers that come in meanwhile do not reopen it."""
        chat = _chat(key)
        until = now + _clamped(retry_after)
        penalty = self._penalties.setdefault(chat, _Penalty(closed_until=until))
        penalty.closed_until = max(penalty.closed_until, until)
        self._forget(now)
        self._refusals.append((now, chat, until))
        if len({refused for _, refused, _ in self._refusals}) >= STORM_CHATS:
            # The earliest of the ends: if it is too early for all, the next refusals close everything again.
            first_end = min(end for _, _, end in self._refusals)
            self._all_closed_until = max(self._all_closed_until, first_end)

    def _forget(self, now: float) -> None:
        """Drop refusals that are too old to make a storm, and chats that are free again."""
        while self._refusals and self._refusals[0][0] < now - STORM_S:
            self._refusals.popleft()
        for chat in [chat for chat, penalty in self._penalties.items() if _is_over(penalty, now)]:
            del self._penalties[chat]


class AccountPace:
    """A provider's rate for one account, and its complaints, which close the account as a whole."""

    whole = True

    def __init__(self, requests_per_minute: int | None) -> None:
        self._rate: int | None = None
        self._bucket: TokenBucket | None = None
        self._closed_until = -math.inf
        self.keep_to(requests_per_minute)

    def keep_to(self, requests_per_minute: int | None) -> None:
        """Keep to another rate from here on; the same one changes nothing."""
        if requests_per_minute != self._rate:
            self._rate = requests_per_minute
            self._bucket = None if requests_per_minute is None else _per_minute(requests_per_minute)

    def ready_in(self, key: str, now: float) -> float:
        """Seconds until a request may leave; 0 if it may now."""
        wait = self._bucket.ready_in(now) if self._bucket is not None else 0.0
        return max(wait, self._closed_until - now, 0.0)

    def took(self, key: str, now: float) -> None:
        """A request left."""
        if self._bucket is not None:
            self._bucket.take(now)

    def refused(self, key: str, retry_after: float, now: float) -> None:
        """The provider said 429; a request that is answered meanwhile does not reopen the account."""
        self._closed_until = max(self._closed_until, now + _clamped(retry_after))


def _per_minute(requests: int) -> TokenBucket:
    """A bucket that lets at most so many through in any minute, a tenth of them at once."""
    if requests < 1:
        raise ValueError(f"a rate of {requests} requests a minute lets nothing through")
    burst = max(requests // 10, 1)
    return TokenBucket((requests - burst + 1) / 60, burst)


def _chat(key: str) -> str:
    return key.partition("/")[0]


def _spacing(key: str, penalty: _Penalty, now: float) -> float:
    """Seconds between two messages: in full for a while after the chat opened, then dwindling to nothing."""
    full = GROUP_SPACING_S if key.startswith("-") else PRIVATE_SPACING_S
    since = now - penalty.closed_until
    return full * min(max((2 * CAUTIOUS_S - since) / CAUTIOUS_S, 0.0), 1.0)


def _is_over(penalty: _Penalty, now: float) -> bool:
    return now - penalty.closed_until >= 2 * CAUTIOUS_S


def _clamped(retry_after: float) -> float:
    """A wait that makes sense; what a provider says may be zero, negative, infinite or no number."""
    return min(max(retry_after, 1.0), LONGEST_CLOSE_S) if retry_after == retry_after else 1.0
