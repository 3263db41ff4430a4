"""Rules as data (``Rule``, ``RouteOptions``), and the line in which people write them (pure).

Regular expressions run on RE2, which needs time linear in the text whatever the pattern
(https://github.com/google/re2/wiki/Syntax, 2026-11).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, Protocol, TypeAlias, cast
from zoneinfo import ZoneInfo

import re2
from pydantic import ConfigDict, Field, ValidationError, field_validator

from bot.addresses import (
    TELEGRAM,
    Address,
    AddressError,
    NewTopic,
    Pattern,
    Source,
    is_within,
    parse_new_topic,
    parse_source,
)
from bot.shaping import TemplateError, parse_template
from bridges.model import Model

OnAmbiguous: TypeAlias = Literal["hold", "resend"]
Long: TypeAlias = Literal["split", "attach"]
"""What becomes of a text that needs more than one message: several, or one and the whole as a file."""

EXAMPLE = "support:room-42 -> telegram:-1001234567890 match=/urgent/"
NEW_TOPIC_EXAMPLE = "pbx:* -> new-topic(telegram:-1001234567890)"
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
    long: Long | None = None
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
    target: Address | NewTopic
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
    target: Address | NewTopic
    enabled: bool
    options: RouteOptions
    paused: str = ""
    """Why it rests although it is enabled: one of its chats does not let us write."""

    def __str__(self) -> str:
        return f"rule {self.id} ({self.name})" if self.name else f"rule {self.id}"

    @property
    def works(self) -> bool:
        """Whether it is on and does not rest."""
        return self.enabled and not self.paused


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
    target = _target(words[2], accounts=accounts, names=names or {})
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
    "long": "long=attach",
    "on_ambiguous": "on_ambiguous=hold",
}


def _example(key: str) -> str:
    return _EXAMPLES.get(key, EXAMPLE)


def _target(word: str, *, accounts: Collection[str] | None, names: Mapping[str, Address]) -> Source | NewTopic:
    if not word.lower().startswith("new-topic("):
        return _end(word, what="target", accounts=accounts, names=names)
    inner = word[len("new-topic(") :].removesuffix(")")
    named = None if ":" in inner else names.get(inner) or names.get(inner.lower())
    try:
        return parse_new_topic(word if named is None else f"new-topic({named})")
    except AddressError as error:
        raise RouteError(f"the target is not right: {error}") from error


def _end(word: str, *, what: str, accounts: Collection[str] | None, names: Mapping[str, Address]) -> Source:
    if ":" not in word:
        named = names.get(word) or names.get(word.lower())
        if named is not None:
            return named
        if word.lower() == "here":
            raise RouteError(f"here means a chat and there is none: write the {what}'s address, as in {EXAMPLE}")
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


def _draft(source: Source, *, arrow: Arrow, target: Source | NewTopic, raw: Mapping[str, str], zone: str) -> Draft:
    if isinstance(target, Pattern):
        raise RouteError(f"{target} is a pattern, a route goes to one conversation, as in {EXAMPLE}")
    if isinstance(source, Pattern) and arrow is Arrow.BOTH:
        raise RouteError(
            f"{source} <-> {target} cannot go both ways, since nothing says where a message from {target} goes;"
            f" for replies write {source} ->> {target}"
        )
    if isinstance(target, NewTopic):
        if arrow is not Arrow.TO:
            raise RouteError(
                f"{target} is a target for ->: each topic is linked both ways when it is opened, as in"
                f" {NEW_TOPIC_EXAMPLE}"
            )
        if isinstance(source, Address) and is_within(source, target.chat):
            raise RouteError(f"{source} is in {target.chat} itself, a route leads elsewhere, as in {NEW_TOPIC_EXAMPLE}")
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
            case "late" | "long" | "on_ambiguous" | "priority":
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
    compiled(regex, key=key)
    return regex


class Regex(Protocol):
    def search(self, text: str) -> object | None: ...


def compiled(regex: str, *, key: str = "match") -> Regex:
    options = re2.Options()
    options.log_errors = False
    try:
        return cast(Regex, re2.compile(regex, options))
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


def _long_value(value: str) -> str:
    if value.lower() not in ("split", "attach"):
        raise RouteError(f"long={_quote_word(value)} is neither split nor attach, as in {_example('long')}")
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
    "long": lambda value, zone: _long_value(value),
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
