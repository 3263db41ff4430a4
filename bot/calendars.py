"""What is planned, as a calendar that other programs subscribe to: RFC 5545, RFC 7986 (pure).

An occurrence is an event of a quarter of an hour that blocks nobody's time: an instant alone is not shown everywhere.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, TypeAlias

from icalendar import Calendar, Event, Timezone, TimezoneStandard

from bot.names import one_line
from bot.text import cut
from bridges.responses import clean
from bridges.signing import same

State: TypeAlias = Literal["planned", "paused", "waits", "sent", "skipped", "missed"]
"""What became of an occurrence; ``waits``: for an approval."""

ENTRIES_MOST = 2_000
ALONE_MOST = 3
"""Of a schedule that fires more often in a day all of them are shown as one, but in the calendar file."""
REFRESH: Final = timedelta(hours=1)
"""How often a calendar program is asked to look again."""
LENGTH: Final = timedelta(minutes=15)
SUMMARY_MOST = 80
TEXT_MOST = 500
TARGETS_MOST = 500

_NO_SECRET = "a secret that no calendar has, compared so that no calendar takes as long as a wrong secret"
_STATUS: Final[dict[State, str]] = {
    "planned": "CONFIRMED",
    "paused": "TENTATIVE",
    "waits": "TENTATIVE",
    "sent": "CONFIRMED",
    "skipped": "CANCELLED",
    "missed": "CANCELLED",
}
STATE_WORDS: Final[dict[State, str]] = {
    "planned": "planned",
    "paused": "paused",
    "waits": "to be approved",
    "sent": "sent",
    "skipped": "skipped",
    "missed": "missed",
}
"""States as people read them."""

# Before 1970 and after 9999 nothing is planned; the second is also as far as dates go.
_LATEST = 253_402_214_400.0
_LINE_END = re.compile("\r\n?|[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f]")
_PING_BREAK = "@\u2060"
_NO_UID = re.compile(r"[^A-Za-z0-9.-]+")


@dataclass(frozen=True, slots=True)
class Entry:
    """One occurrence of a schedule, as it is shown."""

    schedule: int
    at: float
    """Seconds since the epoch."""
    name: str
    """That of the schedule; empty: it has none."""
    text: str
    targets: str
    """As written."""
    zone: str
    """That of the schedule, an IANA name."""
    state: State = "planned"
    count: int = 1
    """How many occurrences it stands for, where one schedule has very many in a day."""
    until: float = 0.0
    """The last of them; 0: it stands for one."""


def is_datable(at: float) -> bool:
    """Whether an instant can be written as a date at all; not a number is none."""
    return 0 <= at <= _LATEST


def label(entry: Entry, *, most: int = SUMMARY_MOST) -> str:
    """What an occurrence is called in one line of at most ``most`` code points: its name, else its first words, else
    ``Announcement``. Nothing in it is invisible or turns directions; it may hold an ``@name`` that pings."""
    for text in (entry.name, entry.text):
        # The mark behind an @ is for Telegram; a calendar and a picture ping nobody.
        shown = one_line(clean(text), most=most).replace(_PING_BREAK, "@")
        if shown:
            return shown
    return "Announcement"


def admits(given: str, secret: str | None) -> bool:
    """Whether somebody has the secret of the calendar, compared in constant time; None: none was made yet."""
    is_right = same(given, secret or _NO_SECRET)
    return is_right and bool(secret)


def feed(entries: Iterable[Entry], *, now: float, title: str, instance: str) -> bytes:
    """The calendar file (``text/calendar``, UTF-8), in order of time; of more than ``ENTRIES_MOST`` entries those
    nearest to ``now``.

    ``instance``: what tells this installation from others; an event keeps its id as long as it stays the same.
    Two files made on the same day (UTC) from the same entries are the same bytes.
    """
    calendar = Calendar()
    calendar.add("prodid", "-//Patchbay//Announcements//EN")
    calendar.add("version", "2.0")
    calendar.add("calscale", "GREGORIAN")
    for key in ("name", "x-wr-calname"):
        calendar.add(key, one_line(clean(title)) or "Announcements")
    calendar.add("refresh-interval", REFRESH, parameters={"VALUE": "DURATION"})
    calendar.add("x-published-ttl", "PT1H")
    day = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    home = _NO_UID.sub("-", instance).strip("-.") or "patchbay"
    chosen = _chosen(entries, now=now)
    for id, entry in chosen.items():
        calendar.add_component(_event(entry, id=f"{id}@{home}", stamp=day))
    if not chosen:
        calendar.add_component(_utc())  # a calendar has to have something in it (RFC 5545, 3.6)
    made: bytes = calendar.to_ical()
    return made


def _chosen(entries: Iterable[Entry], *, now: float) -> dict[str, Entry]:
    """The entries that are shown, by schedule and instant, in order; each once, as given first."""
    datable = (entry for entry in entries if is_datable(entry.at))
    nearest = heapq.nsmallest(ENTRIES_MOST, datable, key=lambda entry: abs(entry.at - now))
    chosen: dict[str, Entry] = {}
    for entry in sorted(nearest, key=lambda entry: (entry.at, entry.schedule)):
        chosen.setdefault(f"{entry.schedule}-{int(entry.at)}", entry)
    return chosen


def _event(entry: Entry, *, id: str, stamp: datetime) -> Event:
    event = Event()
    event.add("uid", id)
    event.add("dtstamp", stamp)
    event.add("dtstart", datetime.fromtimestamp(int(entry.at), UTC))
    event.add("duration", LENGTH)
    event.add("transp", "TRANSPARENT")
    event.add("status", _STATUS[entry.state])
    # Many calendars do not show the status, or hide what is cancelled.
    suffix = "" if entry.state in ("planned", "sent") else f" ({STATE_WORDS[entry.state]})"
    event.add("summary", label(entry) + suffix)
    event.add("description", _description(entry))
    return event


def _utc() -> Timezone:
    standard = TimezoneStandard()
    standard.add("dtstart", datetime(1970, 1, 1))
    standard.add("tzoffsetfrom", timedelta(0))
    standard.add("tzoffsetto", timedelta(0))
    zone = Timezone()
    zone.add("tzid", "UTC")
    zone.add_component(standard)
    return zone


def _description(entry: Entry) -> str:
    lines = [
        f"To: {_limited(entry.targets, TARGETS_MOST)}" if entry.targets.strip() else "",
        f"Schedule #{entry.schedule}, {one_line(clean(entry.zone))}, {STATE_WORDS[entry.state]}",
    ]
    text = _limited(entry.text, TEXT_MOST)
    return "\n".join(line for line in lines if line) + (f"\n\n{text}" if text else "")


def _limited(text: str, most: int) -> str:
    """A text with its lines, without control characters, cut to ``most`` code points."""
    whole = _CONTROL.sub("", _LINE_END.sub("\n", clean(text[: 2 * most]))).strip()
    return cut(whole, most)
