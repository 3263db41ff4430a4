"""Deliveries and messages in words, as the answers to commands show them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from bot import decisions
from bot.addresses import TELEGRAM
from bot.names import one_line
from bot.store.messages import Origin
from bot.store.outbox import Delivery
from bot.text import utf16_length

WORDS_MOST = 60
"""Code points of a text that a list shows."""
REASON_MOST = 160
ANSWER_MOST = 3_600
"""UTF-16 units of an answer: it stays one message, so that buttons can change it."""
PLACES_MOST = 10


def item(row: Delivery, *, now: float, reason_most: int = REASON_MOST) -> str:
    """A delivery in a list: id, address, state, age, attempts, reason, and how its text begins."""
    tried = f", {counted(row.attempts, 'attempt')}" if row.attempts else ""
    op = "" if row.op == "send" else f"{row.op}, "
    part = f", part {row.part} of {row.parts}" if row.parts > 1 else ""
    reason = f": {one_line(row.error, most=reason_most)}" if row.error else ""
    line = f"{row.id} → {row.address} ({op}{row.state}, {span(now - row.created_at)}{tried}{part}){reason}"
    words, changed = (one_line(told, most=WORDS_MOST) for told in (decisions.text_of(row), decisions.changed_to(row)))
    if changed:
        return f"{line}\n   “{words}”, meanwhile changed to “{changed}”"
    return f"{line}\n   “{words}”" if words else line


def totals(of: Mapping[str, int]) -> str:
    """How many there are, by account."""
    return ", ".join(f"{number} at {account}" for account, number in of.items())


def times(row: Delivery) -> list[str]:
    """When a delivery was made, tried and settled."""
    lines = [f"made {at(row.created_at)}"]
    if row.started_at is not None:
        lines.append(f"last attempt {at(row.started_at)}")
    if row.settled_at is not None:
        lines.append(f"settled {at(row.settled_at)}")
    elif row.state == "queued":
        lines.append(f"next attempt {at(row.due_at)}")
    return lines


def at(seconds: float) -> str:
    """A time."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def span(seconds: float) -> str:
    """A time that has passed."""
    seconds = max(0, int(seconds))
    for unit, size, least in (("d", 86_400, 2 * 86_400), ("h", 3600, 7200), ("min", 60, 120)):
        if seconds >= least:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def counted(number: int, noun: str) -> str:
    """A number of things."""
    several = f"{noun[:-1]}ies" if noun.endswith("ry") else f"{noun}s"
    return f"{number:,} {noun if number == 1 else several}"


def listed(names: Sequence[object], *, most: int = PLACES_MOST) -> str:
    """A few names, and how many more there are."""
    shown = ", ".join(map(str, names[:most]))
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown


def bounded(lines: Iterable[str], *, most: int = ANSWER_MOST, left: str = "lines are left out") -> str:
    """As many whole lines as an answer holds; what is left out is said."""
    kept: list[str] = []
    size, out = 0, 0
    for line in lines:
        size += utf16_length(line) + 1
        if out or (kept and size > most):
            out += 1
        else:
            kept.append(line if size <= most else f"{line[: most // 2]}…")
    return "\n".join([*kept, f"… {out} {left}."] if out else kept)


def link_to(origin: Origin) -> str:
    """Where one can look at a message: only those of supergroups and channels of Telegram's have a link."""
    if origin.account != TELEGRAM or origin.remote_id is None:
        return ""
    found = _SUPERGROUP.fullmatch(origin.remote_id)
    if found is None:
        return ""
    topic = origin.conversation.partition("/")[2]
    middle = f"{topic}/" if topic.isdigit() else ""
    return f"https://t.me/c/{found[1]}/{middle}{found[2]}"


_SUPERGROUP = re.compile(r"-100(\d+)/(\d+)")
