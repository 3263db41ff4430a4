"""The options of a route: each checked and in its canonical form, whether typed or kept (pure).

Regular expressions run on RE2, which needs time linear in the text whatever the pattern
(https://github.com/google/re2/wiki/Syntax, 2026-11).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, Literal, Protocol, TypeAlias, cast

import re2
from pydantic import ConfigDict, Field, ValidationError, field_validator

from bot.route_errors import RouteError, example
from bot.route_times import parse_hours, parse_late
from bot.shaping import TemplateError, parse_template
from bridges.model import Model

OnAmbiguous: TypeAlias = Literal["hold", "resend"]
Long: TypeAlias = Literal["split", "attach"]
"""What becomes of a text that needs more than one message: several, or one and the whole as a file."""

LONGEST_REGEX = 1000
HIGHEST_PRIORITY = 1000


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
        return None if value is None else checked_regex(value)

    @field_validator("from_")
    @classmethod
    def _persons_are_good(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return checked_persons(value)

    @field_validator("kinds")
    @classmethod
    def _kinds_are_in_order(cls, value: tuple[Kind, ...]) -> tuple[Kind, ...]:
        return tuple(kind for kind in Kind if kind in value)

    @field_validator("template")
    @classmethod
    def _template_is_good(cls, value: str | None) -> str | None:
        return None if value is None else checked_template(value)

    @field_validator("hours")
    @classmethod
    def _hours_are_good(cls, value: str | None) -> str | None:
        return None if value is None else str(parse_hours(value))

    @field_validator("late")
    @classmethod
    def _late_is_good(cls, value: str | None) -> str | None:
        return None if value is None else str(parse_late(value))


# --- as stored data --------------------------------------------------------------------------------------


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
        raise RouteError(f"{key}= is not right: {first['msg'].lower()}, as in {example(key)}") from error


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


# --- values ----------------------------------------------------------------------------------------------


def checked_regex(value: str, *, key: str = "match") -> str:
    """A regular expression that RE2 takes, its slashes bare; raises ``RouteError``."""
    regex = re.sub(r"\\(.)", lambda pair: "/" if pair[1] == "/" else pair[0], value, flags=re.DOTALL)
    if not regex:
        raise RouteError(f"{key}= is an empty regular expression, as in {example(key)}")
    if len(regex) > LONGEST_REGEX:
        raise RouteError(
            f"{key}= has {len(regex)} characters, at most {LONGEST_REGEX} are possible, as in {example(key)}"
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
            f"{key}=/{slashes_escaped(regex)[:60]}/ is no regular expression that RE2 takes: {words},"
            f" as in {example(key)}"
        ) from error
    except UnicodeEncodeError as error:
        raise RouteError(f"{key}= holds half a character, as in {example(key)}") from error


def slashes_escaped(regex: str) -> str:
    """A regular expression as it is written between slashes."""
    return re.sub(r"\\.|/", lambda found: r"\/" if found[0] == "/" else found[0], regex, flags=re.DOTALL)


def checked_persons(value: Sequence[str]) -> tuple[str, ...]:
    """Ids or names, each once; raises ``RouteError``."""
    persons = tuple(dict.fromkeys(person.strip() for person in value))
    if any(not person or "," in person or not person.isprintable() for person in persons):
        raise RouteError(f"from= is ids or names separated by commas, as in {example('from')}")
    return persons


def checked_template(value: str) -> str:
    """A template that can be filled; raises ``RouteError``."""
    try:
        parse_template(value)
    except TemplateError as error:
        raise RouteError(f"template= is not right: {error}") from error
    return value
