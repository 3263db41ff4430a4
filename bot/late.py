"""Lateness: what becomes of a message that could not be delivered in time, and many that waited said in one (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, TypeAlias
from zoneinfo import ZoneInfo

from bot.routing import parse_late
from bot.text import TextUnit, measure
from bridges.model import Message, Span

LATE_AFTER_S = 300.0
"""Up to here nobody calls it late."""
DIGEST_AFTER_S = 600.0
"""The oldest has waited longer than that: a real outage, not a burst."""
SCREENFUL = 20
"""So many messages one reads one by one."""
DIGEST_MOST = 200
LATE_BY = "late by "
STAMP_ROOM = 24
"""Units that are kept free in a message that may be stamped."""

Verdict: TypeAlias = Literal["deliver", "stamp", "hold", "expire"]


@dataclass(frozen=True, slots=True)
class Waited:
    """A message as it would have gone out by itself, and when it was written."""

    at: float
    message: Message


def words(late_s: float) -> str:
    """How late something is: ``late by 3 h``."""
    minutes = max(1, round(late_s / 60))
    if minutes < 90:
        return f"{LATE_BY}{minutes} min"
    hours = round(late_s / 3600)
    return f"{LATE_BY}{hours} h" if hours < 48 else f"{LATE_BY}{round(late_s / 86400)} days"


def judge(late: str, *, late_s: float) -> Verdict:
    """What a route wants done with a message that is so late. ``late``: its policy; empty means deliver."""
    if not late:
        return "deliver"
    policy = parse_late(late)
    if policy.after_s is not None:
        return "expire" if late_s > policy.after_s else "deliver"
    return policy.policy if late_s > LATE_AFTER_S else "deliver"


def life(late: str) -> str:
    """How long messages of a route that lets them expire may wait: ``2h``."""
    return late.partition(":")[2]


def stamped(message: Message, *, late_s: float, limit: int, unit: TextUnit) -> Message:
    """The message with its lateness before its text; as it is where there is no room for that, or no text."""
    head = f"({words(late_s)}) "
    if not message.text or measure(head + message.text, unit=unit) > limit:
        return message
    return message.model_copy(update={"text": head + message.text, "spans": _moved(message.spans, by=len(head))})


def digest(waited: Sequence[Waited], *, zone: str, limit: int, unit: TextUnit) -> tuple[Message, int]:
    """One message that says several, each on a line as it would have gone out; and how many of them it holds.

    It holds as many of the first as fit; none where not even two do.
    """
    room, fitting = limit, 0
    for number, each in enumerate(waited, start=1):
        room -= measure(f"\n{each.message.text}", unit=unit)
        if room < measure(_heading(waited[:number], zone=zone), unit=unit):
            break
        fitting = number
    if fitting < 2:
        return Message(), 0
    text = _heading(waited[:fitting], zone=zone)
    spans: list[Span] = []
    for each in waited[:fitting]:
        text += "\n"
        spans += _moved(each.message.spans, by=len(text))
        text += each.message.text
    return Message(text=text, spans=tuple(spans)), fitting


def _heading(waited: Sequence[Waited], *, zone: str) -> str:
    first, last = (datetime.fromtimestamp(each.at, UTC).astimezone(ZoneInfo(zone)) for each in (waited[0], waited[-1]))
    if first.date() == last.date():
        span = f"{first:%H:%M}–{last:%H:%M}"
    else:
        span = f"{first:%a %Y-%m-%d %H:%M} – {last:%a %Y-%m-%d %H:%M}"
    return f"While I was away ({span} {zone}), {len(waited)} messages:"


def _moved(spans: Sequence[Span], *, by: int) -> tuple[Span, ...]:
    return tuple(span.model_copy(update={"start": span.start + by}) for span in spans)
