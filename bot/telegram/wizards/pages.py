"""What a wizard is made of: steps, each of which shows a page and takes an answer. Data, and pure functions on it.

A step's ``show`` makes a page of what was answered so far. Its ``take`` says what an answer leads to: on to another
step, the same page once more, or the end. Pages, back, cancel, help and the way over restarts are the same for all
wizards (:mod:`bot.telegram.wizards.engine`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from bot.telegram.access import Role
from bot.telegram.wizards.scene import Scene
from bot.text import cut
from bridges.model import Button, Message, Span

PAGE = 8
"""Choices that are shown at once."""
LABEL_MOST = 48
TEXT_MOST = 3500
"""Characters of a page: one message, whatever stands in it."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A button of a page. ``value`` is kept with the card, so it may be as long as it likes."""

    label: str
    value: str


@dataclass(frozen=True, slots=True)
class Page:
    """What a step asks."""

    text: str
    choices: tuple[Choice, ...] = ()
    """Shown a few at a time, where they are many."""
    actions: tuple[Choice, ...] = ()
    """Always shown, below the choices."""
    asks: str = ""
    """What may be written instead of pressing a button, with an example; empty: nothing may."""
    files: bool = False
    """Whether what is written may be more than words."""


@dataclass(frozen=True, slots=True)
class Picked:
    """A button was pressed."""

    value: str
    prepared: object = None
    """What the step's ``prepare`` brought; an exception if that went wrong."""


@dataclass(frozen=True, slots=True)
class Wrote:
    """Somebody wrote."""

    message: Message
    id: int
    """Of the message, as it is kept."""

    @property
    def text(self) -> str:
        """The words."""
        return self.message.text.strip()


@dataclass(frozen=True, slots=True)
class Shared:
    """A chat was picked in Telegram's own list."""

    chat: int
    title: str


Input: TypeAlias = Picked | Wrote | Shared


@dataclass(frozen=True, slots=True)
class Go:
    """On to a step; to one that was shown before, back to it."""

    step: str
    values: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True, slots=True)
class Stay:
    """The same page once more, with a word."""

    note: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    offer_chats: bool = False
    """Below the text field buttons appear that open Telegram's own list of chats."""


@dataclass(frozen=True, slots=True)
class End:
    """The wizard is over."""

    text: str
    buttons: tuple[Button, ...] = ()
    spans: tuple[Span, ...] = ()


Turn: TypeAlias = Go | Stay | End
Prepare: TypeAlias = Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Step:
    """One question."""

    show: Callable[[Scene], Page]
    take: Callable[[Scene, Input], Turn]
    help: str
    prepare: Callable[[Scene, str], Prepare | None] = lambda scene, value: None
    """What the network has to be asked for before a pressed button is acted on; None: nothing."""


@dataclass(frozen=True, slots=True)
class Wizard:
    """One dialog from its first page to its end."""

    name: str
    """Of its cards; short, for it stands in every button."""
    command: str
    """What begins it."""
    title: str
    role: Role
    first: str
    steps: Mapping[str, Step]
    everywhere: bool = False
    """Whether the role is needed everywhere."""
    about: Callable[[Scene], str] = lambda scene: ""
    """What was answered so far, in a line."""


@dataclass(frozen=True, slots=True)
class State:
    """Where somebody is in a wizard."""

    here: str
    """The chat or topic in which it was begun."""
    trail: tuple[str, ...]
    """The steps on the way; the last one is shown."""
    values: Mapping[str, Any] = field(default_factory=dict)
    part: int = 0
    """Which part of the choices is shown."""
    offers_chats: bool = False

    @property
    def step(self) -> str:
        """The step that is shown."""
        return self.trail[-1]

    def turned(self, turn: Go | Stay) -> State:
        """After an answer."""
        values = {**self.values, **turn.values}
        if isinstance(turn, Stay):
            return replace(self, values=values, offers_chats=self.offers_chats or turn.offer_chats)
        trail = self.trail[: self.trail.index(turn.step)] if turn.step in self.trail else self.trail
        return replace(self, trail=(*trail, turn.step), values=values, part=0, offers_chats=False)

    def back(self) -> State:
        """One step back; from the first one nowhere."""
        return replace(self, trail=self.trail[:-1] or self.trail, part=0, offers_chats=False)

    def to_data(self) -> dict[str, Any]:
        """As the store keeps it."""
        return {
            "here": self.here,
            "trail": list(self.trail),
            "values": dict(self.values),
            "part": self.part,
            "offers_chats": self.offers_chats,
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> State:
        """What :meth:`to_data` gave."""
        return cls(data["here"], tuple(data["trail"]), data["values"], data["part"], data["offers_chats"])


PICK, PART, BACK, STOP, HELP, RESUME, ANEW = "pick", "part", "back", "stop", "help", "resume", "anew"


@dataclass(frozen=True, slots=True)
class Shown:
    """A page as it is sent."""

    text: str
    rows: tuple[tuple[tuple[str, str], ...], ...]
    """Label and choice of each button."""
    values: tuple[str, ...]
    """What the buttons stand for, by number."""


def shown(wizard: Wizard, page: Page, state: State, *, about: str, private: bool, note: str = "") -> Shown:
    """A page with all that belongs to every page."""
    parts = max(1, -(-len(page.choices) // PAGE))
    part = min(state.part, parts - 1)
    visible = page.choices[part * PAGE : (part + 1) * PAGE]
    offered = [*visible, *page.actions]
    rows: list[tuple[tuple[str, str], ...]] = [
        ((label(choice.label), f"{PICK}={number}"),) for number, choice in enumerate(offered)
    ]
    turning = []
    if part > 0:
        turning.append((f"◀ {part} of {parts}", f"{PART}={part - 1}"))
    if part < parts - 1:
        turning.append((f"{part + 2} of {parts} ▶", f"{PART}={part + 1}"))
    if turning:
        rows.insert(len(visible), tuple(turning))
    ways_out = [("Back", BACK)] if len(state.trail) > 1 else []
    rows.append((*ways_out, ("Cancel", STOP), ("?", HELP)))
    lines = [wizard.title, *([about] if about else []), "", page.text]
    if page.asks:
        how = "Write" if private else "Reply to this message with"
        lines.append(f"{f'Or {how[:1].lower()}{how[1:]}' if offered else how} {page.asks}.")
    if note:
        lines += ["", note]
    return Shown(cut("\n".join(lines), TEXT_MOST), tuple(rows), tuple(choice.value for choice in offered))


def label(text: str) -> str:
    """The words of a button."""
    return cut(" ".join(text.split()), LABEL_MOST) or "…"


def all_steps(*groups: Mapping[str, Step]) -> dict[str, Step]:
    """Several groups of steps as one."""
    return {name: step for group in groups for name, step in group.items()}


def choices(pairs: Sequence[tuple[str, str]]) -> tuple[Choice, ...]:
    """Choices of labels and values."""
    return tuple(Choice(label, value) for label, value in pairs)
