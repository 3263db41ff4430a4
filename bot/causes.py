"""Why deliveries failed, as far as it is the same for many: a reason without what belongs to one of them only (pure).

"HTTP 500: request 8f14e45f…" and "HTTP 500: request c9f0f895…" are one cause. Short numbers stay: 404 is not 403.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

NO_REASON = "no reason is known"
LONGEST = 160
"""Characters of a cause: what differs behind them is the same cause."""
_OWN = re.compile(
    r"[A-Za-z][\w-]*:(?:sms|chat|session|user|group)/[^\s,;:]+"  # an address
    r"|telegram:-?\d+(?:/\d+)?"
    r"|\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b"
    r"|\b(?=[0-9a-fA-F]*\d)[0-9a-fA-F]{12,}\b"
    r"|(?<![\w.])(?<!code )\+?\d{7,}(?!\w)"  # a phone number, an id, a time; a provider's code is none
    r"|(?<=:)\d{4,5}\b"  # a port
    r"|\b\d+(?:\.\d+)?(?= (?:s|min|h|days?|seconds?|minutes?|hours?)\b)"
)


@dataclass(frozen=True, slots=True)
class Cause:
    """A cause, and what it is behind."""

    text: str
    ids: tuple[int, ...]

    @property
    def number(self) -> int:
        """How many there are."""
        return len(self.ids)


def cause_of(reason: str | None) -> str:
    """What a reason has in common with those like it."""
    words = " ".join(_OWN.sub("…", reason or "").split())
    return words[:LONGEST].rstrip() or NO_REASON


def causes(reasons: Mapping[str, Iterable[int]]) -> list[Cause]:
    """Ids by reason, gathered by cause: the most frequent first."""
    found: dict[str, list[int]] = {}
    for reason, ids in reasons.items():
        found.setdefault(cause_of(reason), []).extend(ids)
    made = [Cause(text, tuple(sorted(ids))) for text, ids in found.items()]
    return sorted(made, key=lambda cause: (-cause.number, cause.text))


def has_words(reason: str | None, words: Iterable[str]) -> bool:
    """Whether each of the words stands in a reason, whatever their case."""
    told = (reason or NO_REASON).casefold()
    return all(word.casefold() in told for word in words)
