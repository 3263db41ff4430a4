"""Routing rules as TOML, for keeping and carrying over: what is written is read back to the same rules."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Collection, Sequence

from bot.routing import Draft, RouteError, Rule, format_route, parse_route

_KEYS = {"rule", "enabled"}


class RoutesFileError(ValueError):
    """The file cannot be used; says where and why."""


def to_toml(rules: Sequence[Rule]) -> str:
    """One table for each rule: the rule as people write it, and whether it is on."""
    lines = ["# Patchbay routing rules; read them back with: patchbay routes import FILE", ""]
    for rule in rules:
        # A JSON string is a TOML basic string, but for the one character that TOML wants escaped and JSON does not.
        text = json.dumps(format_route(rule), ensure_ascii=False).replace("\x7f", "\\u007f")
        lines += ["[[route]]", f"rule = {text}", f"enabled = {str(rule.enabled).lower()}", ""]
    return "\n".join(lines)


def from_toml(text: str, *, accounts: Collection[str], zone: str) -> list[tuple[Draft, bool]]:
    """Rules and whether each is on. Raises ``RoutesFileError`` or ``tomllib.TOMLDecodeError``."""
    data = tomllib.loads(text)
    tables = data.pop("route", [])
    if data or not isinstance(tables, list):
        raise RoutesFileError("only [[route]] tables belong into this file")
    found: list[tuple[Draft, bool]] = []
    names: set[str] = set()
    for number, table in enumerate(tables, start=1):
        if not isinstance(table, dict) or set(table) - _KEYS or not isinstance(table.get("rule"), str):
            raise RoutesFileError(f'route {number}: needs rule = "SOURCE -> TARGET …" and may have enabled = true')
        enabled = table.get("enabled", True)
        if not isinstance(enabled, bool):
            raise RoutesFileError(f"route {number}: enabled is true or false")
        try:
            draft = parse_route(table["rule"], accounts=accounts, zone=zone)
        except RouteError as error:
            raise RoutesFileError(f"route {number}: {error}") from error
        if draft.name and draft.name in names:
            raise RoutesFileError(f"route {number}: the name {draft.name!r} stands there twice")
        names.add(draft.name)
        found.append((draft, enabled))
    return found
