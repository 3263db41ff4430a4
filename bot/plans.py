"""A schedule as it is kept, and as it is worked with."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from functools import lru_cache
from zoneinfo import ZoneInfo

from bot.decisions import DecisionError
from bot.quiet import Quiet, parse_quiet
from bot.recurrence import Occurrence, Rule, last_at, latest, next_occurrence
from bot.schedule_line import Options, show_options
from bot.store.schedules import Schedule
from bot.when import read_rule, show_rule
from bridges.model import Message

_UNREAD = (ValueError, TypeError, AttributeError, LookupError, OSError)
"""What reading raises where it is not what is written here."""


class Unreadable(DecisionError):
    """What is kept of a schedule cannot be read: another version wrote it, or its zone is gone."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a schedule says, read."""

    rule: Rule
    made_at: float
    options: Options
    message: Message
    known_end: float | None = None
    """Its last occurrence as it was worked out when it was made, so that ``N times`` are not counted again; None: that
    is not known, or it has no end."""

    def next_after(self, after: float) -> Occurrence | None:
        """Its first occurrence later than that; None: there is none to come."""
        return next_occurrence(self.rule, made_at=self.made_at, after=after, end=self.known_end)

    def latest(self, *, after: float, upto: float) -> tuple[int, Occurrence | None]:
        """How many occurrences lie after the one and not after the other, and the last of them."""
        return latest(self.rule, made_at=self.made_at, after=after, upto=upto, end=self.known_end)

    @property
    def ends_at(self) -> float | None:
        """Its last occurrence; None: it has no end."""
        return last_at(self.rule, made_at=self.made_at) if self.known_end is None else self.known_end

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
    """Read what is kept; raises ``Unreadable``."""
    rule = rule_of(schedule)
    try:
        options = options_from_json(schedule.options)
        message = Message.model_validate_json(schedule.message)
    except _UNREAD as error:
        raise _unreadable(schedule) from error
    return Plan(rule, schedule.made_at, options, message, schedule.ends_at)


def rule_of(schedule: Schedule) -> Rule:
    """Read its rule alone, for lists of very many; raises as :func:`plan_of`."""
    try:
        return _rule(schedule.rule)
    except _UNREAD as error:
        raise _unreadable(schedule) from error


def message_of(schedule: Schedule) -> Message:
    """Read what it sends; nothing if that cannot be read."""
    try:
        return Message.model_validate_json(schedule.message)
    except ValueError:
        return Message()


def is_readable(schedule: Schedule) -> bool:
    """Whether :func:`plan_of` reads it."""
    try:
        plan_of(schedule)
    except Unreadable:
        return False
    return True


def line_of(schedule: Schedule) -> str:
    """WHEN with its options, as it can be written again."""
    if not is_readable(schedule):
        return f"{schedule.rule} (cannot be read)"
    return f"{schedule.rule} {show_options(options_from_json(schedule.options))}".rstrip()


def reads_back(plan: Plan) -> bool:
    """Whether what would be kept of it means the same when it is read."""
    try:
        options = options_from_json(options_to_json(plan.options))
        return (_rule(show_rule(plan.rule)), options) == (plan.rule, plan.options)
    except _UNREAD:
        return False


def _unreadable(schedule: Schedule) -> Unreadable:
    return Unreadable(
        f"schedule {schedule.id} cannot be read: another version of this program wrote it, or its time zone is not"
        " known here; it can be removed, and made anew"
    )


def zone_of(schedule: Schedule) -> ZoneInfo:
    """The zone of its rule; UTC for one that cannot be read."""
    try:
        return ZoneInfo(_rule(schedule.rule).zone)
    except _UNREAD:
        return ZoneInfo("UTC")


@lru_cache(maxsize=8192)
def _rule(text: str) -> Rule:
    return read_rule(text)


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
