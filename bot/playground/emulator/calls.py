"""One request of a bot: its parameters, the refusals in the words of the server, and the table of methods."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from bot.playground.emulator.flood import FloodLimits
from bot.playground.emulator.forms import Form
from bot.playground.emulator.world import (
    BotAccount,
    World,
)

Json = dict[str, Any]
Result = Any


class ApiError(Exception):
    """A refusal as the server words it, with its HTTP status."""

    def __init__(self, code: int, description: str, parameters: Json | None = None) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.parameters = parameters or {}

    def to_json(self) -> Json:
        out: Json = {"ok": False, "error_code": self.code, "description": self.description}
        if self.parameters:
            out["parameters"] = self.parameters
        return out


def bad(text: str, **parameters: int) -> ApiError:
    """A 400; the first letter is made small as the server does, unless it looks like a code."""
    if not re.match(r".[A-Z_]", text):
        text = text[:1].lower() + text[1:]
    return ApiError(400, f"Bad Request: {text}", dict(parameters))


def forbidden(text: str) -> ApiError:
    return ApiError(403, f"Forbidden: {text}")


def too_many(seconds: int) -> ApiError:
    return ApiError(429, f"Too Many Requests: retry after {seconds}", {"retry_after": seconds})


@dataclass(slots=True)
class Call:
    """One request of a bot, with readers for its parameters that fail as the server does."""

    world: World
    bot: BotAccount
    form: Form
    flood: FloodLimits | None = None
    used: set[str] = field(default_factory=set)

    def text(self, name: str, default: str = "") -> str:
        self.used.add(name)
        return self.form.fields.get(name, default)

    def given(self, name: str) -> bool:
        self.used.add(name)
        return self.form.fields.get(name, "") != ""

    def integer(self, name: str, default: int = 0, low: int | None = None, high: int | None = None) -> int:
        """A number; what is none counts as 0 and what is out of range is moved to its edge, as on the server."""
        value = self.text(name).strip()
        if not value:
            return default
        match = re.match(r"[+-]?[0-9]+", value)
        number = int(match[0]) if match else 0
        if low is not None:
            number = max(low, number)
        return number if high is None else min(high, number)

    def number(self, name: str) -> float:
        try:
            return float(self.text(name))
        except ValueError:
            return 0.0

    def flag(self, name: str) -> bool:
        return self.text(name).strip().lower() in ("true", "yes", "1")

    def parsed(self, name: str, what: str) -> Any:
        """A JSON value, or None if it was not given."""
        value = self.text(name)
        if not value:
            return None
        try:
            return json.loads(value)
        except ValueError:
            raise bad(f"Can't parse {what} JSON object") from None

    def entities(self, name: str) -> object:
        value = self.text(name)
        if not value:
            return None
        try:
            return json.loads(value)
        except ValueError:
            return None  # the server ignores entities that it cannot read

    def message_id(self, name: str = "message_id") -> int:
        return max(0, self.integer(name))


Method = Callable[[Call], Awaitable[Result]]
METHODS: dict[str, Method] = {}


def method(name: str) -> Callable[[Method], Method]:
    def register(function: Method) -> Method:
        METHODS[name.lower()] = function
        return function

    return register
