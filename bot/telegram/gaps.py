"""What Telegram had for us and did not give us (pure).

It keeps updates for 24 hours only, and numbers them one after the other: a number that never came, or a long time in
which it was not reached, means that something said in the chats is missing here.
"""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import Field

from bridges.model import Model

WEEK_S = 7 * 86_400.0
"""After a week without updates the next one gets any number (https://core.telegram.org/bots/api#update, 2026-11)."""
ABSENT_S = 23 * 3600.0
"""Shorter than Telegram keeps updates: a clock may be wrong, and the oldest may just be gone."""
WEBHOOK_PATIENCE_S = 600.0
"""Webhooks come for many chats at once, and one that failed is tried again within two minutes: numbers come in any
order. Asked for, they come in order, and one that is left out never comes."""


class Hole(Model):
    """Numbers that have not come: from ``first`` to ``last``."""

    first: int
    last: int
    at: float
    """When that was noticed."""

    @property
    def size(self) -> int:
        """How many they are."""
        return self.last - self.first + 1


class Numbers(Model):
    """What is known of the numbers of updates."""

    newest: int | None = None
    at: float = Field(default=0.0)
    """When the latest update came."""
    holes: tuple[Hole, ...] = ()


def noted(known: Numbers, ids: Iterable[int], *, now: float) -> Numbers:
    """What is known once these have come."""
    newest, holes = known.newest, list(known.holes)
    fresh = newest is None or now - known.at > WEEK_S
    for id in sorted(ids):
        if fresh or newest is None:
            newest, fresh = id, False
        elif id > newest:
            if id > newest + 1:
                holes.append(Hole(first=newest + 1, last=id - 1, at=now))
            newest = id
        else:
            holes = [part for hole in holes for part in _without(hole, id)]
    return Numbers(newest=newest, at=now, holes=tuple(holes))


def _without(hole: Hole, id: int) -> list[Hole]:
    if not hole.first <= id <= hole.last:
        return [hole]
    parts = (Hole(first=hole.first, last=id - 1, at=hole.at), Hole(first=id + 1, last=hole.last, at=hole.at))
    return [part for part in parts if part.size > 0] if hole.size > 1 else []


def missing(known: Numbers, *, now: float, patience_s: float) -> tuple[Numbers, int]:
    """Give up on what has not come in that time: what is known then, and how many never came."""
    waited = [hole for hole in known.holes if now - hole.at < patience_s]
    lost = sum(hole.size for hole in known.holes) - sum(hole.size for hole in waited)
    return (known.model_copy(update={"holes": tuple(waited)}) if lost else known), lost


def missing_text(count: int) -> str:
    """What the owners are told of updates that never came."""
    what = "An update" if count == 1 else f"{count} updates"
    return (
        f"{what} from Telegram never reached me: it keeps them for 24 hours only. What was said in the chats then was"
        " not relayed; please look there whether anything matters."
    )


def absence_text(seconds: float) -> str:
    """What the owners are told of a time in which Telegram was not reached."""
    return (
        f"I had no contact with Telegram for {seconds / 3600:.0f} hours. It keeps what is said in the chats for 24"
        " hours only: older messages may be missing and were not relayed."
    )
