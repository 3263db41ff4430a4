"""Time zones of chats: names as people write them, and the one that a chat has."""

from __future__ import annotations

import difflib
from datetime import UTC, datetime
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from bot.addresses import TELEGRAM, Address
from bot.store import Tx

ZONE = "timezone"
"""Where a chat's zone is kept among what was set for it."""
NEAREST = 3


def zone_of(tx: Tx, chat: Address, default: str) -> ZoneInfo:
    """The zone in which times written in a chat are meant: its own, else the ``default``."""
    name = tx.chats.get(chat.conversation, ZONE) if chat.account == TELEGRAM else None
    try:
        return ZoneInfo(name or default)
    except (KeyError, ValueError, OSError):
        return ZoneInfo(default)  # another system knew the name


def read_zone(word: str) -> ZoneInfo:
    """The zone of that name, in any case, with blanks for ``_``; raises ``ValueError`` with the nearest names."""
    names = _names()
    key = "_".join(word.split()).lower()
    if key in names:
        return ZoneInfo(names[key])
    towns = [name for lowered, name in names.items() if lowered.rpartition("/")[2] == key]
    close = towns or [
        *(names[each] for each in difflib.get_close_matches(key, names, n=NEAREST, cutoff=0.6)),
        *(names[each] for each in _like_a_town(key)),
    ]
    shown = list(dict.fromkeys(close))[:NEAREST] or ["Europe/London", "UTC"]
    raise ValueError(f"there is no time zone of this name; did you mean {' or '.join(shown)}?")


def _like_a_town(key: str) -> list[str]:
    """Zones whose last part looks like what somebody wrote."""
    by_town = {lowered.rpartition("/")[2]: lowered for lowered in _names()}
    return [by_town[town] for town in difflib.get_close_matches(key.rpartition("/")[2], by_town, n=2, cutoff=0.75)]


@cache
def _names() -> dict[str, str]:
    """The names that people know, by their lower case: not the ways of the files to tell them apart."""
    skipped = ("posix/", "right/", "SystemV/")
    names = {name for name in available_timezones() if not name.startswith(skipped)} - {"localtime", "posixrules"}
    return {name.lower(): name for name in sorted(names | {"UTC"})}


def local(at: float, zone: ZoneInfo) -> str:
    """An instant as it is written everywhere: weekday, date, time (seconds only if not zero) and zone."""
    when = datetime.fromtimestamp(at, UTC).astimezone(zone)
    return f"{when:%a %Y-%m-%d %H:%M:%S}".removesuffix(":00") + f" {zone.key}"


def clock(at: float, zone: ZoneInfo) -> str:
    """The same, shorter, for lists."""
    return f"{datetime.fromtimestamp(at, UTC).astimezone(zone):%m-%d %H:%M} {zone.key}"


def span(seconds: float) -> str:
    """How long, in words for people: two units at most."""
    whole = max(0, int(seconds))
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if whole >= 2 * size:
            return f"{whole // size} {unit}"
    return f"{whole} s"
