"""Names of time zones as people write them, and instants as they are written in one (pure)."""

from __future__ import annotations

import difflib
from datetime import UTC, datetime
from functools import cache, lru_cache
from zoneinfo import ZoneInfo, available_timezones

NEAREST = 3


def read_zone(word: str) -> ZoneInfo:
    """The zone of that name, in any case, with blanks for ``_``; raises ``ValueError`` with the nearest names."""
    if (found := zone_named(word)) is not None:
        return found
    shown = nearest_zones(word) or ("Europe/London", "UTC")
    raise ValueError(f"there is no time zone of this name; did you mean {' or '.join(shown)}?")


def zone_named(word: str) -> ZoneInfo | None:
    """The zone of exactly that name, in any case, with blanks for ``_``; None if there is none."""
    name = _names().get(_key(word))
    return None if name is None else ZoneInfo(name)


@lru_cache(maxsize=256)
def nearest_zones(word: str) -> tuple[str, ...]:
    """Names of zones that somebody may have meant, the likeliest first: at most three."""
    names, key = _names(), _key(word)
    town = key.rpartition("/")[2]
    towns = [name for lowered, name in names.items() if lowered.rpartition("/")[2] == key]
    # Comparing is slow, and the first letter is seldom wrong.
    alike = [lowered for lowered in names if lowered[:1] == key[:1]]
    by_town = {lowered.rpartition("/")[2]: lowered for lowered in names if lowered.rpartition("/")[2][:1] == town[:1]}
    close = towns or [
        *(names[each] for each in difflib.get_close_matches(key, alike, n=NEAREST, cutoff=0.6)),
        *(names[by_town[each]] for each in difflib.get_close_matches(town, by_town, n=2, cutoff=0.75)),
    ]
    return tuple(dict.fromkeys(close))[:NEAREST]


def _key(word: str) -> str:
    return "_".join(word.split()).lower()


@cache
def _names() -> dict[str, str]:
    """The names that people know, by their lower case: not the ways of the files to tell them apart."""
    skipped = ("posix/", "right/", "SystemV/")
    names = {name for name in available_timezones() if not name.startswith(skipped)} - {
        "localtime",
        "posixrules",
        "Factory",
    }
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
