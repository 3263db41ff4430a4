"""A schedule as it is kept, and as it is worked with."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from functools import lru_cache
from zoneinfo import ZoneInfo

from bot.quiet import Quiet, parse_quiet
from bot.recurrence import Occurrence, Rule, last_at, latest, next_occurrence
from bot.schedule_line import Options
from bot.store.schedules import Schedule
from bot.when import parse_when
from bridges.model import Message


@dataclass(frozen=True, slots=True)
class Plan:
    """What a schedule says, read."""

    rule: Rule
    made_at: float
    options: Options
    message: Message

    def next_after(self, after: float) -> Occurrence | None:
        """Its first occurrence later than that; None: there is none to come."""
        return next_occurrence(self.rule, made_at=self.made_at, after=after)

    def latest(self, *, after: float, upto: float) -> tuple[int, Occurrence | None]:
        """How many occurrences lie after the one and not after the other, and the last of them."""
        return latest(self.rule, made_at=self.made_at, after=after, upto=upto)

    @property
    def ends_at(self) -> float | None:
        """Its last occurrence; None: it has no end."""
        return last_at(self.rule, made_at=self.made_at)

    def warn_at(self, at: float | None, *, now: float) -> float | None:
        """When its author is to hear of an occurrence beforehand; None: not at all, or it is too late for that."""
        if at is None or self.options.warn is None:
            return None
        return at - self.options.warn if at - self.options.warn > now else None

    def quiet(self, usual: Quiet | None) -> Quiet | None:
        """Its quiet hours; ``usual``: those that the settings name."""
        if self.options.urgent or self.options.quiet == "no":
            return None
        return self.options.quiet or usual


def plan_of(schedule: Schedule) -> Plan:
    """Read what is kept; raises ``ValueError`` if another version wrote what this one cannot read."""
    return Plan(
        rule_of(schedule),
        schedule.made_at,
        options_from_json(schedule.options),
        Message.model_validate_json(schedule.message),
    )


def rule_of(schedule: Schedule) -> Rule:
    """Read its rule alone, for lists of very many; raises as :func:`plan_of`."""
    return _rule(schedule.rule)


def zone_of(schedule: Schedule) -> ZoneInfo:
    """The zone of its rule; UTC for one that cannot be read."""
    try:
        return ZoneInfo(_rule(schedule.rule).zone)
    except (ValueError, KeyError, OSError):
        return ZoneInfo("UTC")


@lru_cache(maxsize=8192)
def _rule(text: str) -> Rule:
    # As it is kept it means the same at any time; long ago nothing of it is past.
    return parse_when(text, now=0.0, zone="UTC")


def options_to_json(options: Options) -> str:
    """What differs from the defaults."""
    usual = Options()
    chosen = {each.name: getattr(options, each.name) for each in fields(Options)}
    differs = {key: value for key, value in chosen.items() if value != getattr(usual, key)}
    return json.dumps(differs, default=str, ensure_ascii=False)


@lru_cache(maxsize=1024)
def options_from_json(text: str) -> Options:
    """Read what :func:`options_to_json` wrote."""
    known = {each.name for each in fields(Options)}
    found = {key: value for key, value in json.loads(text).items() if key in known}
    if (quiet := found.get("quiet")) not in (None, "no"):
        found["quiet"] = parse_quiet(quiet)
    return Options(**found)
