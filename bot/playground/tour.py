"""Things to try, ticked off by what really happened (no I/O: it is told, and remembers)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from bot.playground.example import REPLY_ROOM

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to try."""

    id: str
    title: str
    how: str


STEPS = (
    Step(
        "send",
        "Send from Telegram",
        "As Ann, write to CINNOX room-42. The mark on it says what became of it.",
    ),
    Step("sms", "Get an SMS", "Be a visitor with a phone: your SMS appears in the Support desk’s topic."),
    Step("reply", "Reply to it", "Reply in that topic: the answer goes back, into room-43."),
    Step("outage", "Take the provider down", "Send while CINNOX is down, then bring it back: the message still goes."),
    Step(
        "announce",
        "Tell everyone",
        "One text to every side at once: see it first, then send it and watch it go.",
    ),
    Step(
        "schedule",
        "Plan it for later",
        "Say when in words, once or again and again: see the next times, then watch it go.",
    ),
    Step("crash", "kill -9 while sending", "Kill the bot in the middle of it: afterwards nothing is missing."),
)
SURVIVED = ("sent", "held")
WAITING = ("queued", "sending")
PLANNED = "schedule "
"""How the reason of a delivery begins that a schedule made."""


class Row(Protocol):
    """What is read of a delivery."""

    @property
    def id(self) -> int: ...
    @property
    def account(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def attempts(self) -> int: ...
    @property
    def error(self) -> str | None: ...


class Announced(Protocol):
    """What is read of a delivery that may belong to an announcement."""

    @property
    def state(self) -> str: ...
    @property
    def broadcast(self) -> int | None: ...
    @property
    def why(self) -> str: ...


@dataclass
class Tour:
    """Which steps were done. ``done`` is written down; the rest is of this run."""

    done: list[str] = field(default_factory=list)
    _texts: list[str] = field(default_factory=list, repr=False)
    _held_up: set[int] = field(default_factory=set)
    _at_kill: set[int] = field(default_factory=set)
    _known: int | None = None
    """The latest announcement when the steps were begun: only later ones count."""
    _known_planned: int | None = None
    """The same of those that schedules made."""

    def to_json(self) -> Json:
        """The steps as the page shows them."""
        steps = [{"id": step.id, "title": step.title, "how": step.how, "done": step.id in self.done} for step in STEPS]
        return {"steps": steps}

    def _tick(self, id: str) -> bool:
        if id in self.done:
            return False
        self.done.append(id)
        return True

    def start_over(self) -> None:
        """Take all ticks away."""
        self.done.clear()
        self._known = self._known_planned = None

    def accepted(self, room: str) -> bool:
        """CINNOX took a message. True if that ticked something off, as with all of these."""
        return self._tick("reply" if room == REPLY_ROOM else "send")

    def texted(self, text: str) -> None:
        """Somebody sent an SMS that was taken."""
        self._texts = [*self._texts[-20:], text]

    def shown(self, text: str) -> bool:
        """The bot wrote this into a chat."""
        return any(sms in text for sms in self._texts) and self._tick("sms")

    def deliveries(self, rows: Iterable[Row], *, failing: Mapping[str, bool]) -> bool:
        """How deliveries stand; ``failing``: which sides do not answer as they should."""
        ticked = False
        for row in rows:
            if row.state == "queued" and row.error and failing.get(row.account):
                self._held_up.add(row.id)
            elif row.id in self._held_up and row.state == "sent":
                ticked = self._tick("outage") or ticked
        return ticked

    def announced(self, rows: Sequence[Announced]) -> bool:
        """How deliveries stand; an announcement counts once none of it waits any more."""
        by_hand = [row for row in rows if not row.why.startswith(PLANNED)]
        latest = max((row.broadcast or 0 for row in by_hand), default=0)
        if self._known is None:
            self._known = latest
        if latest <= self._known:
            return False
        states = [row.state for row in by_hand if row.broadcast == latest]
        return "sent" in states and not set(states) & set(WAITING) and self._tick("announce")

    def planned(self, rows: Sequence[Announced]) -> bool:
        """How deliveries stand; what a schedule made counts once something of it was sent."""
        made = [row for row in rows if row.why.startswith(PLANNED)]
        if self._known_planned is None:
            self._known_planned = max((row.broadcast or 0 for row in made), default=0)
        sent = any(row.state == "sent" and (row.broadcast or 0) > self._known_planned for row in made)
        return sent and self._tick("schedule")

    def killed(self, waiting: Sequence[int]) -> None:
        """The bot was killed while these were not settled."""
        self._at_kill = set(waiting)

    def survived(self, rows: Iterable[Row], *, balanced: bool) -> bool:
        """The bot runs again; how the deliveries stand and whether the balance is right."""
        if not self._at_kill or not balanced:
            return False
        settled = {row.id for row in rows if row.state in SURVIVED}
        if not self._at_kill <= settled:
            return False
        self._at_kill = set()
        return self._tick("crash")
