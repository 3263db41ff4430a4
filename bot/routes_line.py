"""A route (``Rule``), and the line in which people write it (pure).

What its options may be is in ``bot.route_options``, its times in ``bot.route_times``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum

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
from bot.route_errors import EXAMPLE, EXAMPLES, NEW_TOPIC_EXAMPLE, RouteError, example, quote_word
from bot.route_options import (
    DEFAULT_KINDS,
    HIGHEST_PRIORITY,
    Kind,
    Long,
    OnAmbiguous,
    Regex,
    RouteOptions,
    checked_persons,
    checked_regex,
    checked_template,
    compiled,
    options_from_data,
    options_from_json,
    options_to_data,
    options_to_json,
    slashes_escaped,
)
from bot.route_times import Hours, Late, parse_hours, parse_late

__all__ = [
    "DEFAULT_KINDS",
    "Arrow",
    "Draft",
    "Hours",
    "Kind",
    "Late",
    "Long",
    "OnAmbiguous",
    "Regex",
    "RouteError",
    "RouteOptions",
    "Rule",
    "compiled",
    "edit_route",
    "format_route",
    "options_from_data",
    "options_from_json",
    "options_to_data",
    "options_to_json",
    "parse_hours",
    "parse_late",
    "parse_route",
]

LONGEST_NAME = 64


class Arrow(StrEnum):
    """Which way messages go."""

    TO = "->"
    BOTH = "<->"
    REPLIES = "->>"
    """One way, with replies coming back."""


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

    def rests_towards(self, place: Address) -> bool:
        """Whether nothing goes there by it just now. What is written in a chat that only does not let us write goes on:
        a chat from which we are gone is not heard anyway."""
        return self.paused.startswith(f"{place.account}:{place.conversation.partition('/')[0]}:")


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
            raise RouteError(f"{key}= has no value, as in {example(key)}")
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


_KEY = re.compile(r"([A-Za-z_]+)=")
_BARE_END = re.compile(r"\s+(?=[A-Za-z_]+=)|\s*\Z")
_QUOTES = {'"': '"', "'": "'", "“": "”", "„": "“"}
_BARE_MEMBER = re.compile(r"[^\s,]*")
_QUOTED_MEMBER = re.compile(r"(?:[^\s,\"'“„]*,)*[\"'“„]")
_ESCAPES = {"n": "\n", "\\": "\\", '"': '"', "”": "”", "“": "“"}
_PLAIN_VALUE = re.compile(r"[^\s\"'“”„\\/=]+")
# What phones make of arrows while somebody types.
_ARROWS = {**{arrow.value: arrow for arrow in Arrow}, "→": Arrow.TO, "↔": Arrow.BOTH}


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
            f"{quote_word(word)} is no arrow: -> goes one way, <-> both ways, ->> brings replies back, as in {EXAMPLE}"
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
                f"{quote_word(text[at:].split(None, 1)[0])} is no option, options are key=value,"
                f" as in {example('match')}"
            )
        key = begin[1].lower()
        if key not in EXAMPLES:
            raise RouteError(
                f"there is no option {quote_word(key)}= (a value that contains = goes in quotes);"
                f" there are {', '.join(EXAMPLES)}, as in {example('match')}"
            )
        if key in raw:
            raise RouteError(f"{key}= is given twice, once is enough, as in {example(key)}")
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
            f"{key}= goes on with {quote_word(text[end:].split(None, 1)[0])} after its end, a blank is needed there"
            f" (ignoring case is (?i) at the beginning of a regular expression), as in {example(key)}"
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
    raise RouteError(f"{key}= has an opening quote and no closing one, as in {example(key)}")


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
        raise RouteError(f"{key}= goes on after a closing quote without a comma, as in {example(key)}")
    return ",".join(members), len(text) - len(rest)


def _regex_end(text: str, at: int, *, key: str) -> int:
    """Where the regular expression that begins at ``at`` ends: after its first slash without a backslash."""
    index = at + 1
    while index < len(text):
        if text[index] == "/":
            return index + 1
        index += 2 if text[index] == "\\" else 1
    raise RouteError(f"{key}= has no closing slash, as in {example(key)}")


def _options_text(route: Rule | Draft) -> str:
    words = []
    if route.name:
        words.append(f"name={_quoted(route.name)}")
    for key, value in options_to_data(route.options).items():
        match key:
            case "match" | "not":
                words.append(f"{key}=/{slashes_escaped(value)}/")
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


# --- values ----------------------------------------------------------------------------------------------


def _checked_name(value: str) -> str:
    name = value.strip()
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise RouteError(f"name= is 1 to {LONGEST_NAME} printing characters on one line, as in {example('name')}")
    return name


def _regex_value(value: str, key: str) -> str:
    if len(value) < 2 or value[0] != "/" or _regex_end(value, 0, key=key) != len(value):
        raise RouteError(f"{key}= is a regular expression between slashes, as in {example(key)}")
    return checked_regex(value[1:-1], key=key)


def _persons_value(value: str) -> list[str]:
    return list(checked_persons(value.split(",")))


def _kinds_value(value: str) -> list[Kind]:
    kinds = []
    for word in value.replace(",", " ").lower().split():
        try:
            kinds.append(Kind(word))
        except ValueError:
            raise RouteError(
                f"kinds= has no {quote_word(word)}, there are {', '.join(Kind)}, as in {example('kinds')}"
            ) from None
    if not kinds:
        raise RouteError(f"kinds= names none of {', '.join(Kind)}, as in {example('kinds')}")
    return kinds


def _priority_value(value: str) -> int:
    if not re.fullmatch(r"[+-]?[0-9]{1,5}", value) or abs(int(value)) > HIGHEST_PRIORITY:
        raise RouteError(
            f"priority={quote_word(value)} is no whole number from -{HIGHEST_PRIORITY} to {HIGHEST_PRIORITY},"
            f" as in {example('priority')}"
        )
    return int(value)


def _stop_value(value: str) -> bool:
    match value.lower():
        case "yes":
            return True
        case "no":
            return False
    raise RouteError(f"stop={quote_word(value)} is neither yes nor no, as in {example('stop')}")


def _on_ambiguous_value(value: str) -> str:
    if value.lower() not in ("hold", "resend"):
        raise RouteError(
            f"on_ambiguous={quote_word(value)} is neither hold nor resend, as in {example('on_ambiguous')}"
        )
    return value.lower()


def _long_value(value: str) -> str:
    if value.lower() not in ("split", "attach"):
        raise RouteError(f"long={quote_word(value)} is neither split nor attach, as in {example('long')}")
    return value.lower()


_READERS: Mapping[str, Callable[[str, str], object]] = {
    "match": lambda value, zone: _regex_value(value, "match"),
    "not": lambda value, zone: _regex_value(value, "not"),
    "from": lambda value, zone: _persons_value(value),
    "kinds": lambda value, zone: _kinds_value(value),
    "template": lambda value, zone: checked_template(value),
    "hours": lambda value, zone: str(parse_hours(value, zone=zone)),
    "priority": lambda value, zone: _priority_value(value),
    "stop": lambda value, zone: _stop_value(value),
    "late": lambda value, zone: str(parse_late(value)),
    "long": lambda value, zone: _long_value(value),
    "on_ambiguous": lambda value, zone: _on_ambiguous_value(value),
}
