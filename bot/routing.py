"""Routes: which conversations a message goes on to, and why (pure).

Three things live here: a rule as data (``Rule``, ``RouteOptions``), the line in which people write it
(``parse_route``, ``format_route``), and the ``Router`` that production and ``route test`` both ask.
Regular expressions run on RE2, which needs time linear in the text whatever the pattern
(https://github.com/google/re2/wiki/Syntax, 2026-11).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Any, Literal, Protocol, TypeAlias, cast
from zoneinfo import ZoneInfo

import re2
from pydantic import ConfigDict, Field, ValidationError, field_validator

from bot.addresses import TELEGRAM, Address, AddressError, Pattern, Source, parse_source
from bot.shaping import DEFAULT_TEMPLATE, TemplateError, parse_template
from bridges.model import AccountName, Model, Person

OnAmbiguous: TypeAlias = Literal["hold", "resend"]

EXAMPLE = "support:room-42 -> telegram:-1001234567890 match=/urgent/"
LONGEST_REGEX = 1000
LONGEST_NAME = 64
HIGHEST_PRIORITY = 1000

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WHOLE_DAY = (0, 24 * 60)


class RouteError(ValueError):
    """A route that cannot be kept; says what was wrong and gives one valid example."""


class Arrow(StrEnum):
    """Which way messages go."""

    TO = "->"
    BOTH = "<->"
    REPLIES = "->>"
    """One way, with replies coming back."""


class Kind(StrEnum):
    """What a route may carry."""

    TEXT = "text"
    MEDIA = "media"
    EDITS = "edits"
    DELETES = "deletes"
    REACTIONS = "reactions"
    JOINS = "joins"


DEFAULT_KINDS = frozenset(Kind) - {Kind.JOINS}
"""What a route without ``kinds=`` carries."""


@dataclass(frozen=True, slots=True)
class Hours:
    """Times of the week in one zone; a range that crosses midnight belongs to the day on which it begins."""

    windows: tuple[tuple[tuple[int, ...], tuple[int, int]], ...]
    """Weekdays (Monday is 0) and a range in minutes of the day; an end before its start is on the next day."""
    zone: ZoneInfo

    def __str__(self) -> str:
        groups: dict[tuple[int, ...], list[str]] = {}
        for days, (start, end) in self.windows:
            groups.setdefault(days, []).append(f"{_clock(start)}-{_clock(end)}")
        words = [f"{_days_text(days)} {' '.join(ranges)}" for days, ranges in groups.items()]
        return " ".join([*words, self.zone.key])

    def cover(self, at: datetime) -> bool:
        """Whether this moment (aware) is within the hours."""
        local = at.astimezone(self.zone)
        today, minute = local.weekday(), local.hour * 60 + local.minute
        for days, (start, end) in self.windows:
            if start < end:
                if today in days and start <= minute < end:
                    return True
            elif (today in days and minute >= start) or ((today - 1) % 7 in days and minute < end):
                return True
        return False


@dataclass(frozen=True, slots=True)
class Late:
    """What to do with a message that can only be delivered late; ``expire`` has a number of seconds."""

    policy: Literal["deliver", "stamp", "hold", "expire"] = "deliver"
    after_s: int | None = None

    def __str__(self) -> str:
        return self.policy if self.after_s is None else f"{self.policy}:{_duration_text(self.after_s)}"


class RouteOptions(Model):
    """The ``key=value`` part of a route except its name. Every value is checked and in its canonical form."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    match: str | None = None
    """A regular expression without its slashes."""
    not_: str | None = Field(default=None, alias="not")
    from_: tuple[str, ...] = Field(default=(), alias="from")
    """Ids or names of persons; empty: everybody."""
    kinds: tuple[Kind, ...] = ()
    """Empty: everything but joins and leaves."""
    template: str | None = None
    hours: str | None = None
    priority: int = Field(default=0, ge=-HIGHEST_PRIORITY, le=HIGHEST_PRIORITY)
    stop: bool = False
    late: str | None = None
    on_ambiguous: OnAmbiguous | None = None

    @field_validator("match", "not_")
    @classmethod
    def _regex_is_good(cls, value: str | None) -> str | None:
        return None if value is None else _checked_regex(value)

    @field_validator("from_")
    @classmethod
    def _persons_are_good(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return _checked_persons(value)

    @field_validator("kinds")
    @classmethod
    def _kinds_are_in_order(cls, value: tuple[Kind, ...]) -> tuple[Kind, ...]:
        return tuple(kind for kind in Kind if kind in value)

    @field_validator("template")
    @classmethod
    def _template_is_good(cls, value: str | None) -> str | None:
        return None if value is None else _checked_template(value)

    @field_validator("hours")
    @classmethod
    def _hours_are_good(cls, value: str | None) -> str | None:
        return None if value is None else str(parse_hours(value))

    @field_validator("late")
    @classmethod
    def _late_is_good(cls, value: str | None) -> str | None:
        return None if value is None else str(parse_late(value))


@dataclass(frozen=True, slots=True)
class Draft:
    """A route as written, before it is saved."""

    source: Source
    arrow: Arrow
    target: Address
    options: RouteOptions
    name: str = ""

    def saved(self, *, id: int, enabled: bool = True) -> Rule:
        """The rule that it becomes under this id."""
        return Rule(
            id=id,
            name=self.name,
            source=self.source,
            arrow=self.arrow,
            target=self.target,
            enabled=enabled,
            options=self.options,
        )


@dataclass(frozen=True, slots=True)
class Rule:
    """A saved route."""

    id: int
    name: str
    source: Source
    arrow: Arrow
    target: Address
    enabled: bool
    options: RouteOptions

    def __str__(self) -> str:
        return f"rule {self.id} ({self.name})" if self.name else f"rule {self.id}"


# --- options as stored data ------------------------------------------------------------------------------


def options_to_data(options: RouteOptions) -> dict[str, Any]:
    """The options that are set, under the names people write, as plain data for JSON or TOML."""
    return options.model_dump(mode="json", by_alias=True, exclude_defaults=True)


def options_from_data(data: Mapping[str, object]) -> RouteOptions:
    """Read what :func:`options_to_data` gave, or what a person edited of it; raises ``RouteError``."""
    try:
        return RouteOptions.model_validate(dict(data))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        cause = first.get("ctx", {}).get("error")
        if isinstance(cause, RouteError):
            raise cause from error
        key = str(first["loc"][0]) if first["loc"] else "options"
        raise RouteError(f"{key}= is not right: {first['msg'].lower()}, as in {_example(key)}") from error


def options_to_json(options: RouteOptions) -> str:
    """The options as the store keeps them."""
    return json.dumps(options_to_data(options), ensure_ascii=False)


def options_from_json(text: str | bytes) -> RouteOptions:
    """Read what :func:`options_to_json` wrote; raises ``RouteError``."""
    try:
        data = json.loads(text)
    except ValueError as error:
        raise RouteError('the options of a route are not JSON, as in {"match": "urgent"}') from error
    if not isinstance(data, dict):
        raise RouteError('the options of a route are no JSON object, as in {"match": "urgent"}')
    return options_from_data(data)


# --- the line that people write --------------------------------------------------------------------------


def parse_route(
    text: str,
    *,
    accounts: Collection[str] | None = None,
    names: Mapping[str, Address] | None = None,
    zone: str = "UTC",
) -> Draft:
    """Read ``SOURCE ARROW TARGET key=value …``; raises ``RouteError``.

    ``accounts``: names of the accounts that exist (Telegram always does); None leaves that unchecked.
    ``names``: what people call addresses, ``here`` among them. ``zone``: of hours that name none.
    """
    words = text.split(None, 3)
    if len(words) < 3:
        raise RouteError(f"a route needs a source, an arrow and a target, as in {EXAMPLE}")
    source = _end(words[0], what="source", accounts=accounts, names=names or {})
    arrow = _arrow(words[1])
    target = _end(words[2], what="target", accounts=accounts, names=names or {})
    raw = _read_options(words[3] if len(words) > 3 else "")
    for key, value in raw.items():
        if not value:
            raise RouteError(f"{key}= has no value, as in {_example(key)}")
    return _draft(source, arrow=arrow, target=target, raw=raw, zone=zone)


def edit_route(
    route: Rule | Draft,
    text: str,
    *,
    accounts: Collection[str] | None = None,
    names: Mapping[str, Address] | None = None,
    zone: str = "UTC",
) -> Draft:
    """Change a route by ``key=value …`` (``key=`` takes the option away) or by a whole new line.

    What the text does not mention stays as it is. Raises ``RouteError``.
    """
    if not _KEY.match(text.lstrip()):
        return parse_route(text, accounts=accounts, names=names, zone=zone)
    raw = _read_options(_options_text(route)) | _read_options(text)
    kept = {key: value for key, value in raw.items() if value}
    return _draft(route.source, arrow=route.arrow, target=route.target, raw=kept, zone=zone)


def format_route(route: Rule | Draft) -> str:
    """Write a route so that :func:`parse_route` reads back the same."""
    return f"{route.source} {route.arrow} {route.target} {_options_text(route)}".rstrip()


def parse_hours(text: str, *, zone: str = "UTC") -> Hours:
    """Read ``mon-fri 08:00-12:00 13:00-18:00 sat 09:00-12:00 Europe/Paris``; raises ``RouteError``.

    Without days every day is meant, without times the whole day. ``zone`` is for a text that names none.
    """
    windows: list[tuple[tuple[int, ...], tuple[int, int]]] = []
    days: list[int] = []
    open_days = False
    found_zone: ZoneInfo | None = None
    words = text.replace(",", " ").split()
    for word in words:
        if found_zone is not None:
            raise RouteError(f"hours= goes on with {_quote_word(word)} after the time zone, as in {_example('hours')}")
        if (some := _read_days(word)) is not None:
            days = [*days, *some] if open_days else some
            open_days = True
        elif word[0].isdigit():
            windows.append((_day_set(days), _read_range(word)))
            open_days = False
        else:
            found_zone = _read_zone(word)
    if open_days:
        windows.append((_day_set(days), _WHOLE_DAY))
    if not windows:
        raise RouteError(f"hours= names no days and no times, as in {_example('hours')}")
    return Hours(windows=tuple(dict.fromkeys(windows)), zone=found_zone or _read_zone(zone))


def parse_late(text: str) -> Late:
    """Read ``deliver``, ``stamp``, ``hold`` or ``expire:2h``; raises ``RouteError``."""
    policy, _, duration = text.strip().lower().partition(":")
    match policy:
        case "deliver" | "stamp" | "hold" if not duration:
            return Late(policy)
        case "expire" if (seconds := _read_duration(duration)) is not None:
            return Late("expire", seconds)
    raise RouteError(
        f"late={_quote_word(text)} is not one of deliver, stamp, hold, expire:DURATION, as in {_example('late')}"
    )


_KEY = re.compile(r"([A-Za-z_]+)=")
_BARE_END = re.compile(r"\s+(?=[A-Za-z_]+=)|\s*\Z")
_QUOTES = {'"': '"', "'": "'", "“": "”", "„": "“"}
_BARE_MEMBER = re.compile(r"[^\s,]*")
_QUOTED_MEMBER = re.compile(r"(?:[^\s,\"'“„]*,)*[\"'“„]")
_ESCAPES = {"n": "\n", "\\": "\\", '"': '"', "”": "”", "“": "“"}
_PLAIN_VALUE = re.compile(r"[^\s\"'“”„\\/=]+")
# What phones make of arrows while somebody types.
_ARROWS = {**{arrow.value: arrow for arrow in Arrow}, "→": Arrow.TO, "↔": Arrow.BOTH}
_EXAMPLES = {
    "name": 'name="night shift"',
    "match": "match=/urgent|sev[12]/",
    "not": "not=/test only/",
    "from": 'from="Ann Lee",1001',
    "kinds": "kinds=text,media,edits",
    "template": 'template="{sender}: {text}"',
    "hours": "hours=mon-fri 08:00-18:00 Europe/Paris",
    "priority": "priority=10",
    "stop": "stop=yes",
    "late": "late=expire:2h",
    "on_ambiguous": "on_ambiguous=hold",
}


def _example(key: str) -> str:
    return _EXAMPLES.get(key, EXAMPLE)


def _end(word: str, *, what: str, accounts: Collection[str] | None, names: Mapping[str, Address]) -> Source:
    if ":" not in word:
        named = names.get(word) or names.get(word.lower())
        if named is not None:
            return named
        if word.lower() == "here":
            raise RouteError(f"here means a chat and there is none: write the {what}'s address, as in {EXAMPLE}")
    if word.lower().startswith("new-topic("):
        raise RouteError(
            "new-topic(…) is not available yet: make a topic and route to its address,"
            " as in pbx:sms/15550100123 <-> telegram:-1001234567890/17"
        )
    try:
        end = parse_source(word)
    except AddressError as error:
        raise RouteError(f"the {what} is not right: {error}") from error
    if accounts is not None and end.account != TELEGRAM and end.account not in accounts:
        known = ", ".join(sorted({TELEGRAM, *accounts}))
        raise RouteError(
            f"the {what} names the account {end.account}, which is not configured; there are {known}, as in {EXAMPLE}"
        )
    return end


def _arrow(word: str) -> Arrow:
    try:
        return _ARROWS[word]
    except KeyError:
        raise RouteError(
            f"{_quote_word(word)} is no arrow: -> goes one way, <-> both ways, ->> brings replies back, as in {EXAMPLE}"
        ) from None


def _draft(source: Source, *, arrow: Arrow, target: Source, raw: Mapping[str, str], zone: str) -> Draft:
    if isinstance(target, Pattern):
        raise RouteError(f"{target} is a pattern, a route goes to one conversation, as in {EXAMPLE}")
    if isinstance(source, Pattern) and arrow is Arrow.BOTH:
        raise RouteError(
            f"{source} <-> {target} cannot go both ways, since nothing says where a message from {target} goes;"
            f" for replies write {source} ->> {target}"
        )
    if source == target:
        raise RouteError(f"{source} is both source and target, a route leads elsewhere, as in {EXAMPLE}")
    options = {key: _READERS[key](value, zone) for key, value in raw.items() if key != "name"}
    return Draft(
        source=source,
        arrow=arrow,
        target=target,
        options=options_from_data(options),
        name=_checked_name(raw["name"]) if "name" in raw else "",
    )


def _read_options(text: str) -> dict[str, str]:
    """Raw values by key. A bare value goes on over blanks until the next ``key=``, as hours need it."""
    raw: dict[str, str] = {}
    text = text.strip()
    at = 0
    while at < len(text):
        begin = _KEY.match(text, at)
        if begin is None:
            raise RouteError(
                f"{_quote_word(text[at:].split(None, 1)[0])} is no option, options are key=value,"
                f" as in {_example('match')}"
            )
        key = begin[1].lower()
        if key not in _EXAMPLES:
            raise RouteError(
                f"there is no option {_quote_word(key)}= (a value that contains = goes in quotes);"
                f" there are {', '.join(_EXAMPLES)}, as in {_example('match')}"
            )
        if key in raw:
            raise RouteError(f"{key}= is given twice, once is enough, as in {_example(key)}")
        raw[key], at = _read_value(text, begin.end(), key=key)
    return raw


def _read_value(text: str, at: int, *, key: str) -> tuple[str, int]:
    """One value and where the next option begins."""
    first = text[at : at + 1]
    if key == "from" and _QUOTED_MEMBER.match(text, at):
        return _read_quoted_list(text, at, key=key)
    if first in _QUOTES:
        value, end = _read_quoted(text, at, key=key)
    elif first == "/" and key in ("match", "not"):
        end = _regex_end(text, at, key=key)
        value = text[at:end]
    else:
        bare = _BARE_END.search(text, at)
        assert bare is not None  # \Z always matches
        return text[at : bare.start()].strip(), bare.end()
    rest = text[end:].lstrip()
    if rest and not text[end].isspace():
        raise RouteError(
            f"{key}= goes on with {_quote_word(text[end:].split(None, 1)[0])} after its end, a blank is needed there"
            f" (ignoring case is (?i) at the beginning of a regular expression), as in {_example(key)}"
        )
    return value, len(text) - len(rest)


def _read_quoted(text: str, at: int, *, key: str) -> tuple[str, int]:
    quote, close = text[at], _QUOTES[text[at]]
    chars: list[str] = []
    index = at + 1
    while index < len(text):
        char = text[index]
        if char == close:
            return "".join(chars), index + 1
        if char == "\\" and quote != "'" and text[index + 1 : index + 2] in _ESCAPES:
            index += 1
            char = _ESCAPES[text[index]]
        chars.append(char)
        index += 1
    raise RouteError(f"{key}= has an opening quote and no closing one, as in {_example(key)}")


def _read_quoted_list(text: str, at: int, *, key: str) -> tuple[str, int]:
    """A list some of whose members are quoted, ``"Ann Lee",bob``; read as one value with commas."""
    members: list[str] = []
    while True:
        if text[at : at + 1] in _QUOTES:
            member, at = _read_quoted(text, at, key=key)
        else:
            bare = _BARE_MEMBER.match(text, at)
            assert bare is not None  # the empty match always is
            member, at = bare[0], bare.end()
        members.append(member)
        if text[at : at + 1] != ",":
            break
        at += 1
    rest = text[at:].lstrip()
    if rest and not text[at].isspace():
        raise RouteError(f"{key}= goes on after a closing quote without a comma, as in {_example(key)}")
    return ",".join(members), len(text) - len(rest)


def _regex_end(text: str, at: int, *, key: str) -> int:
    """Where the regular expression that begins at ``at`` ends: after its first slash without a backslash."""
    index = at + 1
    while index < len(text):
        if text[index] == "/":
            return index + 1
        index += 2 if text[index] == "\\" else 1
    raise RouteError(f"{key}= has no closing slash, as in {_example(key)}")


def _options_text(route: Rule | Draft) -> str:
    words = []
    if route.name:
        words.append(f"name={_quoted(route.name)}")
    for key, value in options_to_data(route.options).items():
        match key:
            case "match" | "not":
                words.append(f"{key}=/{_slashes_escaped(value)}/")
            case "from" | "kinds":
                words.append(f"{key}={_quoted(','.join(value))}")
            case "stop":
                words.append("stop=yes")
            case "hours":
                words.append(f"hours={value}")
            case "late" | "on_ambiguous" | "priority":
                words.append(f"{key}={value}")
            case _:
                words.append(f"{key}={_quoted(value)}")
    return " ".join(words)


def _quoted(value: str) -> str:
    if _PLAIN_VALUE.fullmatch(value):
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _quote_word(word: str) -> str:
    shown = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in word[:40])
    return f"“{shown}…”" if len(word) > 40 else f"“{shown}”"


# --- values ----------------------------------------------------------------------------------------------


def _checked_name(value: str) -> str:
    name = value.strip()
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise RouteError(f"name= is 1 to {LONGEST_NAME} printing characters on one line, as in {_example('name')}")
    return name


def _regex_value(value: str, key: str) -> str:
    if len(value) < 2 or value[0] != "/" or _regex_end(value, 0, key=key) != len(value):
        raise RouteError(f"{key}= is a regular expression between slashes, as in {_example(key)}")
    return _checked_regex(value[1:-1], key=key)


def _checked_regex(value: str, *, key: str = "match") -> str:
    regex = re.sub(r"\\(.)", lambda pair: "/" if pair[1] == "/" else pair[0], value, flags=re.DOTALL)
    if not regex:
        raise RouteError(f"{key}= is an empty regular expression, as in {_example(key)}")
    if len(regex) > LONGEST_REGEX:
        raise RouteError(
            f"{key}= has {len(regex)} characters, at most {LONGEST_REGEX} are possible, as in {_example(key)}"
        )
    _compiled(regex, key=key)
    return regex


class _Regex(Protocol):
    def search(self, text: str) -> object | None: ...


def _compiled(regex: str, *, key: str = "match") -> _Regex:
    options = re2.Options()
    options.log_errors = False
    try:
        return cast(_Regex, re2.compile(regex, options))
    except re2.error as error:
        reason = error.args[0] if error.args else b""
        words = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        raise RouteError(
            f"{key}=/{_slashes_escaped(regex)[:60]}/ is no regular expression that RE2 takes: {words},"
            f" as in {_example(key)}"
        ) from error
    except UnicodeEncodeError as error:
        raise RouteError(f"{key}= holds half a character, as in {_example(key)}") from error


def _slashes_escaped(regex: str) -> str:
    return re.sub(r"\\.|/", lambda found: r"\/" if found[0] == "/" else found[0], regex, flags=re.DOTALL)


def _checked_persons(value: Sequence[str]) -> tuple[str, ...]:
    persons = tuple(dict.fromkeys(person.strip() for person in value))
    if any(not person or "," in person or not person.isprintable() for person in persons):
        raise RouteError(f"from= is ids or names separated by commas, as in {_example('from')}")
    return persons


def _persons_value(value: str) -> list[str]:
    return list(_checked_persons(value.split(",")))


def _kinds_value(value: str) -> list[Kind]:
    kinds = []
    for word in value.replace(",", " ").lower().split():
        try:
            kinds.append(Kind(word))
        except ValueError:
            raise RouteError(
                f"kinds= has no {_quote_word(word)}, there are {', '.join(Kind)}, as in {_example('kinds')}"
            ) from None
    if not kinds:
        raise RouteError(f"kinds= names none of {', '.join(Kind)}, as in {_example('kinds')}")
    return kinds


def _checked_template(value: str) -> str:
    try:
        parse_template(value)
    except TemplateError as error:
        raise RouteError(f"template= is not right: {error}") from error
    return value


def _priority_value(value: str) -> int:
    if not re.fullmatch(r"[+-]?[0-9]{1,5}", value) or abs(int(value)) > HIGHEST_PRIORITY:
        raise RouteError(
            f"priority={_quote_word(value)} is no whole number from -{HIGHEST_PRIORITY} to {HIGHEST_PRIORITY},"
            f" as in {_example('priority')}"
        )
    return int(value)


def _stop_value(value: str) -> bool:
    match value.lower():
        case "yes":
            return True
        case "no":
            return False
    raise RouteError(f"stop={_quote_word(value)} is neither yes nor no, as in {_example('stop')}")


def _on_ambiguous_value(value: str) -> str:
    if value.lower() not in ("hold", "resend"):
        raise RouteError(
            f"on_ambiguous={_quote_word(value)} is neither hold nor resend, as in {_example('on_ambiguous')}"
        )
    return value.lower()


_READERS: Mapping[str, Callable[[str, str], object]] = {
    "match": lambda value, zone: _regex_value(value, "match"),
    "not": lambda value, zone: _regex_value(value, "not"),
    "from": lambda value, zone: _persons_value(value),
    "kinds": lambda value, zone: _kinds_value(value),
    "template": lambda value, zone: _checked_template(value),
    "hours": lambda value, zone: str(parse_hours(value, zone=zone)),
    "priority": lambda value, zone: _priority_value(value),
    "stop": lambda value, zone: _stop_value(value),
    "late": lambda value, zone: str(parse_late(value)),
    "on_ambiguous": lambda value, zone: _on_ambiguous_value(value),
}

_WEEKDAY = re.compile(
    r"(mon(?:day)?|tue(?:s|sday)?|wed(?:nesday)?|thu(?:r|rs|rsday)?|fri(?:day)?|sat(?:urday)?|sun(?:day)?)"
)
_RANGE = re.compile(r"([0-9]{1,2}):([0-9]{2})[-–]([0-9]{1,2}):([0-9]{2})", re.ASCII)


def _read_days(word: str) -> list[int] | None:
    """``mon`` or ``mon-fri`` (``sat-mon`` too) as weekdays; None if the word is something else."""
    ends = word.lower().replace("–", "-").split("-")
    if len(ends) > 2 or not all(_WEEKDAY.fullmatch(end) for end in ends):
        return None
    first, last = _DAYS.index(ends[0][:3]), _DAYS.index(ends[-1][:3])
    return [(first + step) % 7 for step in range((last - first) % 7 + 1)]


def _day_set(days: Sequence[int]) -> tuple[int, ...]:
    return tuple(sorted(set(days))) or tuple(range(7))


def _days_text(days: tuple[int, ...]) -> str:
    if len(days) > 2 and days == tuple(range(days[0], days[-1] + 1)):
        return f"{_DAYS[days[0]]}-{_DAYS[days[-1]]}"
    return ",".join(_DAYS[day] for day in days)


def _read_range(word: str) -> tuple[int, int]:
    found = _RANGE.fullmatch(word)
    if found is not None:
        hours_1, minutes_1, hours_2, minutes_2 = map(int, found.groups())
        start, end = hours_1 * 60 + minutes_1, hours_2 * 60 + minutes_2
        if max(minutes_1, minutes_2) < 60 and start < _WHOLE_DAY[1] and end <= _WHOLE_DAY[1] and start != end:
            return start, end
    raise RouteError(
        f"hours= has {_quote_word(word)}, which is no range of times from 00:00 to 24:00, as in {_example('hours')}"
    )


def _read_zone(word: str) -> ZoneInfo:
    try:
        return ZoneInfo(word)
    except (KeyError, ValueError, OSError) as error:
        raise RouteError(
            f"hours= has {_quote_word(word)}, which is no day, no time and no time zone, as in {_example('hours')}"
        ) from error


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


_UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}


def _read_duration(text: str) -> int | None:
    if not re.fullmatch(r"(?:[0-9]{1,6}[dhms])+", text):
        return None
    return sum(int(number) * _UNITS[unit] for number, unit in re.findall(r"([0-9]+)([dhms])", text)) or None


def _duration_text(seconds: int) -> str:
    words = []
    for unit, size in _UNITS.items():
        count, seconds = divmod(seconds, size)
        if count:
            words.append(f"{count}{unit}")
    return "".join(words)


# --- resolving -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Incoming:
    """Something that happened in a conversation, as far as routing looks at it.

    ``text`` of a deletion or a reaction is that of the message it is about, so that the rule which took the
    message takes also what becomes of it.
    """

    address: Address
    kind: Kind
    at: datetime
    text: str = field(default="", repr=False)
    sender: Person | None = None


class Verdict(StrEnum):
    """What became of one rule when an item was resolved."""

    MATCHED = "matched"
    FILTERED = "filtered"
    DISABLED = "disabled"
    STOPPED = "stopped"
    DUPLICATE = "duplicate"
    """It matched, and an earlier rule goes to the same target."""


@dataclass(frozen=True, slots=True)
class Step:
    """One rule that was considered; ``why`` is for people."""

    rule: Rule
    target: Address
    verdict: Verdict
    why: str

    def __str__(self) -> str:
        return f"{self.rule} to {self.target}: {self.why}"


@dataclass(frozen=True, slots=True)
class Target:
    """Where an item goes, and how."""

    rule: Rule
    address: Address
    template: str
    priority: int
    on_ambiguous: OnAmbiguous | None
    """None: as the account's side has it configured."""
    late: Late


@dataclass(frozen=True, slots=True)
class Resolution:
    """Where an item goes, with the explanation."""

    targets: tuple[Target, ...]
    steps: tuple[Step, ...]
    """Every rule of this source in the order considered."""
    filtered_by: Rule | None = None
    """The first rule that turned the item away, if nothing took it; None there too: no rule at all."""


_NOTHING = Resolution(targets=(), steps=())


@dataclass(frozen=True, slots=True)
class _Way:
    """One direction of a rule, compiled."""

    order: tuple[int, int]
    rule: Rule
    pattern: Pattern | None
    target: Target
    kinds: frozenset[Kind]
    persons: frozenset[str]
    match: _Regex | None
    not_: _Regex | None
    hours: Hours | None

    def filtered(self, item: Incoming) -> str | None:
        """Why this rule does not take the item; None if it does."""
        options = self.rule.options
        if self.target.address == item.address:
            return "filtered: it comes from there"
        if item.kind not in self.kinds:
            return f"filtered: {'kinds= is' if options.kinds else 'without kinds='} not for {item.kind}"
        if self.persons and not _is_among(item.sender, self.persons):
            return f"filtered: from={','.join(options.from_)} does not name the sender"
        if self.match is not None and not _found(self.match, item.text):
            return f"filtered: match=/{options.match}/ not found"
        if self.not_ is not None and _found(self.not_, item.text):
            return f"filtered: not=/{options.not_}/ found"
        if self.hours is not None and not self.hours.cover(item.at):
            return f"filtered: outside hours {self.hours}"
        return None


class Router:
    """All rules, compiled once. Asking it changes nothing."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self.rules = tuple(sorted(rules, key=_order))
        exact: dict[Address, list[_Way]] = {}
        patterns: dict[AccountName, list[_Way]] = {}
        for rule in self.rules:
            forward = _way(rule, to=rule.target)
            if isinstance(rule.source, Pattern):
                patterns.setdefault(rule.source.account, []).append(forward)
                continue
            exact.setdefault(rule.source, []).append(forward)
            if rule.arrow is Arrow.BOTH:
                exact.setdefault(rule.target, []).append(_way(rule, to=rule.source))
        self._exact = exact
        self._patterns = patterns

    def resolve(self, item: Incoming) -> Resolution:
        """Where this item goes and why; rules of higher priority first, then those with lower ids."""
        ways = self._ways(item.address)
        if not ways:
            return _NOTHING
        targets: dict[Address, Target] = {}
        steps: list[Step] = []
        stopped_by: Rule | None = None
        filtered_by: Rule | None = None
        for way in ways:
            rule, target = way.rule, way.target
            if not rule.enabled:
                verdict, why = Verdict.DISABLED, "disabled"
            elif stopped_by is not None:
                verdict, why = Verdict.STOPPED, f"stopped by {stopped_by}"
            elif (words := way.filtered(item)) is not None:
                verdict, why = Verdict.FILTERED, words
                filtered_by = filtered_by or rule
            else:
                if target.address in targets:
                    verdict = Verdict.DUPLICATE
                    why = f"matched, and {targets[target.address].rule} goes there already"
                else:
                    verdict, why = Verdict.MATCHED, "matched"
                    targets[target.address] = target
                if rule.options.stop:
                    stopped_by = rule
            steps.append(Step(rule, target.address, verdict, why))
        return Resolution(tuple(targets.values()), tuple(steps), None if targets else filtered_by)

    def reply_rule(self, source: Address, chat: Address) -> Rule | None:
        """The rule that lets replies made in ``chat`` go back to ``source``, where the original came from."""
        for way in self._ways(source):
            if way.rule.enabled and way.rule.arrow is not Arrow.TO and way.target.address == chat:
                return way.rule
        return None

    def linked(self, address: Address) -> list[Address]:
        """The conversations that share everything with this one in both directions."""
        found = (way.target.address for way in self._exact.get(address, ()) if _links(way.rule))
        return list(dict.fromkeys(found))

    def _ways(self, address: Address) -> Sequence[_Way]:
        exact: Sequence[_Way] = self._exact.get(address, ())
        patterns = self._patterns.get(address.account)
        if patterns is None:
            return exact
        matching = [way for way in patterns if way.pattern is not None and way.pattern.matches(address)]
        return sorted([*exact, *matching], key=lambda way: way.order) if matching else exact


def _order(rule: Rule) -> tuple[int, int]:
    return -rule.options.priority, rule.id


def _links(rule: Rule) -> bool:
    return rule.enabled and rule.arrow is Arrow.BOTH


def _way(rule: Rule, *, to: Address) -> _Way:
    options = rule.options
    return _Way(
        order=_order(rule),
        rule=rule,
        pattern=rule.source if isinstance(rule.source, Pattern) else None,
        target=Target(
            rule=rule,
            address=to,
            template=DEFAULT_TEMPLATE if options.template is None else options.template,
            priority=options.priority,
            on_ambiguous=options.on_ambiguous,
            late=_late(options.late),
        ),
        kinds=frozenset(options.kinds) or DEFAULT_KINDS,
        persons=frozenset(map(_folded, options.from_)),
        match=None if options.match is None else _compiled(options.match),
        not_=None if options.not_ is None else _compiled(options.not_, key="not"),
        hours=None if options.hours is None else parse_hours(options.hours),
    )


@cache
def _late(text: str | None) -> Late:
    return Late() if text is None else parse_late(text)


def _folded(person: str) -> str:
    return person.removeprefix("@").casefold()


def _is_among(sender: Person | None, persons: frozenset[str]) -> bool:
    return sender is not None and (_folded(sender.id) in persons or _folded(sender.name) in persons)


def _found(regex: _Regex, text: str) -> bool:
    try:
        return regex.search(text) is not None
    except UnicodeEncodeError:  # half a surrogate pair: RE2 reads UTF-8, which has none
        return regex.search(text.encode("utf-8", "replace").decode()) is not None
