"""Who may import whom: read from the source, so that a short cut is found before it is a habit."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

PURE = (
    "routing",
    "routes_line",
    "route_errors",
    "route_options",
    "route_times",
    "shaping",
    "text",
    "names",
    "late",
    "retry",
    "quiet",
    "recurrence",
    "placeholders",
    "link_buttons",
    "zone_names",
    "schedule_line",
    "when",
    "when.cron",
    "when.days",
    "when.errors",
    "when.meaning",
    "when.patterns",
    "when.showing",
    "when.words",
    "limits",
    "addresses",
)
"""Modules of ``bot`` without I/O, clock or randomness."""
DELIVERING = ("delivery", "outgoings", "overdue", "changing", "displaced", "settling")
"""Modules of ``bot`` that bring what the outbox holds to its accounts."""
IMPURE = ("asyncio", "random", "secrets", "socket", "sqlite3", "subprocess", "threading", "time", "uuid")
CORE = ("bridges.model", "bridges.errors")
SEAM = (
    *CORE,
    "bridges.api",
    "bridges.decoding",
    "bridges.files",
    "bridges.responses",
    "bridges.signing",
    "bridges.spans",
)
PROVIDERS = sorted(path.parent.name for path in (ROOT / "bridges").glob("*/bridge.py"))

# Module (or package, with all below it) → what it may import besides the standard library.
# The longest name that fits a module rules it.
ALLOWED: dict[str, tuple[str, ...]] = {
    "bridges": (),
    "bridges.model": ("pydantic",),
    "bridges.errors": (),
    "bridges.api": (*CORE, "httpx", "pydantic"),
    "bridges.responses": (*CORE, "httpx", "pydantic"),
    "bridges.signing": (*CORE, "httpx", "pydantic"),
    "bridges.spans": CORE,
    "bridges.files": ("bridges.api", "bridges.errors", "httpx"),
    "bridges.decoding": ("bridges.api", "bridges.model", "bridges.signing"),
    "bridges.driver": ("bridges.api", "bridges.errors", "bridges.files", "bridges.responses", "httpx"),
    "bridges.registry": ("bridges.api", *(f"bridges.{name}.bridge" for name in PROVIDERS)),
    "bridges.testing": (*SEAM, "httpx", "pydantic"),
    "bridges.matrix": ("bridges.api", "bridges.registry"),
    "bridges.sandboxes": ("httpx", "starlette"),
    "bridges.faults": ("starlette",),
    **{f"bridges.{name}": (*SEAM, f"bridges.{name}", "httpx", "pydantic") for name in PROVIDERS},
    "bridges.returning_ai": (*SEAM, "bridges.returning_ai", "emoji", "httpx", "pydantic"),
    **{
        f"bridges.{name}.sandbox": (*CORE, f"bridges.{name}", "bridges.sandboxes", "httpx", "pydantic", "starlette")
        for name in PROVIDERS
    },
    **{
        f"bot.{name}": (
            *CORE,
            "bridges.api",
            "bridges.spans",
            *(f"bot.{other}" for other in PURE),
            "pydantic",
            "re2",
            "regex",
        )
        for name in PURE
    },
    "bot.store": ("bot.store", "bridges.model", "sqlite_utils", "pydantic"),
}

# What only these may import: everywhere else it is a leak.
ONLY: dict[str, tuple[str, ...]] = {
    "telegram": ("bot.telegram", "bot.app", "bot.cli", "bot.playground"),
    "sqlite3": ("bot.store", "bot.app", "bot.cli", "bot.playground"),
    "sqlite_utils": ("bot.store", "bot.app", "bot.cli", "bot.playground"),
    "apscheduler": ("bot.schedules",),
    "bot.app": ("bot.app", "bot.cli", "bot.playground"),
    "bot.cli": ("bot.cli", "bot.__main__"),
    "bot.playground": ("bot.playground", "bot.cli"),
    "bot": ("bot",),
}

# Standard modules that give away purity.
NO_IMPURE: dict[str, tuple[str, ...]] = {
    **{f"bot.{name}": IMPURE for name in PURE},
    "bridges.model": IMPURE,
    "bridges.api": IMPURE,
    "bridges.errors": IMPURE,
    "bridges.responses": IMPURE,
    "bridges.signing": IMPURE,
    "bridges.spans": IMPURE,
    "bridges.files": IMPURE,
    "bridges.decoding": IMPURE,
    **{f"bridges.{name}.{file}": IMPURE for name in PROVIDERS for file in ("bridge", "wire")},
    **{f"bridges.{name}.sandbox": ("asyncio", "sqlite3", "subprocess", "threading") for name in PROVIDERS},
    "bot.intake": ("sqlite3",),
    # Clock and chance come in as parameters, so that a test can turn them.
    **{
        f"bot.{name}": ("sqlite3", "secrets") for name in ("firing", "plans", "planning", "schedule_notes", "schedules")
    },
    **{f"bot.{name}": ("sqlite3",) for name in DELIVERING},
}


def modules(root: Path) -> dict[str, Path]:
    """Every module of the product by its dotted name."""
    found = {}
    for package in ("bot", "bridges"):
        for path in sorted((root / package).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(name: str, source: str, *, known: set[str], package: bool) -> Iterator[tuple[int, str]]:
    """Line and full name of everything imported, at the top, in a function or for types only."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                yield from ((node.lineno, alias.name) for alias in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                base = module or ""
                if level:
                    parts = name.split(".") if package else name.split(".")[:-1]
                    here = ".".join(parts[: len(parts) - level + 1])
                    base = f"{here}.{module}" if module else here
                inner = {f"{base}.{alias.name}" for alias in names} & known
                yield from ((node.lineno, full) for full in sorted(inner))
                if len(inner) < len(names):
                    yield node.lineno, base


def within(name: str, prefixes: tuple[str, ...]) -> bool:
    return any(name == prefix or name.startswith(f"{prefix}.") for prefix in prefixes)


def rule_for(name: str, rules: dict[str, tuple[str, ...]]) -> tuple[str, ...] | None:
    fitting = [key for key in rules if within(name, (key,))]
    return rules[max(fitting, key=len)] if fitting else None


def violations(name: str, imported: str) -> Iterator[str]:
    standard = imported.split(".")[0] in sys.stdlib_module_names
    allowed = rule_for(name, ALLOWED)
    if allowed is not None and not standard and not within(imported, allowed):
        yield f"{name} may not import {imported}; it may: {', '.join(allowed) or 'the standard library only'}"
    holders = rule_for(imported, ONLY)
    if holders is not None and not within(name, holders):
        yield f"{name} may not import {imported}: only {', '.join(holders)} may"
    forbidden = NO_IMPURE.get(name, ())
    if within(imported, forbidden):
        yield f"{name} may not import {imported}: it takes time, chance and I/O as parameters"


MODULES = modules(ROOT)


@pytest.mark.parametrize("name", MODULES)
def test_a_module_imports_only_what_its_place_allows(name: str) -> None:
    path = MODULES[name]
    found = imports(name, path.read_text(), known=set(MODULES), package=path.name == "__init__.py")
    assert [f"line {line}: {words}" for line, imported in found for words in violations(name, imported)] == []


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("bridges.model", "import httpx"),
        ("bridges.api", "import asyncio"),
        ("bridges.errors", "from bot.settings import Settings"),
        ("bridges.faults", "import httpx"),
        ("bridges.echo.bridge", "from bridges.cinnox import wire"),
        ("bridges.echo.bridge", "from bridges import driver"),
        ("bridges.echo.bridge", "from ..registry import PROVIDERS"),
        ("bridges.echo.bridge", "from .. import driver"),
        ("bridges.echo.bridge", "def f():\n    import time"),
        ("bridges.echo.bridge", "import starlette"),
        ("bridges.echo.wire", "import random"),
        ("bridges.echo.sandbox", "import bot.store"),
        ("bridges.driver", "import aiohttp"),
        ("bridges.new_thing", "import httpx"),
        ("bot.routing", "from bot.store import tx"),
        ("bot.routing", "from time import monotonic"),
        ("bot.shaping", "import telegram"),
        ("bot.store.outbox", "from bot.routing import Rule"),
        ("bot.store.outbox", "from bridges.api import Hook"),
        ("bot.delivery", "from telegram.error import BadRequest"),
        ("bot.intake", "import sqlite3"),
        ("bot.relay", "from bot.app import App"),
        ("bot.settings", "import bot.cli.common"),
        ("bot.web", "from bot.playground import hosting"),
        ("bot.app", "from bot.playground import hosting"),
    ],
)
def test_a_wrong_import_is_found(name: str, source: str) -> None:
    found = imports(name, source, known=set(MODULES), package=False)
    assert [words for _, imported in found for words in violations(name, imported)]


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("bridges.echo.bridge", "from bridges.api import Hook\nfrom bridges.echo import wire\nimport httpx, json"),
        ("bridges.echo.sandbox", "from starlette.routing import Route\nimport itertools"),
        ("bridges.faults", "import asyncio\nfrom starlette.types import Send"),
        ("bot.routing", "from bot.shaping import plain\nimport re2\nfrom bridges.model import Person"),
        ("bot.store.outbox", "import sqlite3\nfrom bot.store.meta import count"),
        ("bot.telegram.inbound", "from telegram import Update\nfrom bot.shaping import plain"),
        ("bot.cli.running", "from bot.playground.main import main\nfrom bot.app import App"),
        ("bot.playground.main", "import telegram\nfrom bot.app import App"),
    ],
)
def test_a_right_import_is_let_through(name: str, source: str) -> None:
    found = imports(name, source, known=set(MODULES), package=False)
    assert [words for _, imported in found for words in violations(name, imported)] == []


def test_every_rule_is_about_something_that_can_exist() -> None:
    named = {*ALLOWED, *ONLY, *NO_IMPURE} - {"telegram", "sqlite3", "sqlite_utils", "apscheduler"}
    assert {name for name in named if name not in MODULES} == set()
