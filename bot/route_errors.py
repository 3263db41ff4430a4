"""Why a route is refused: always with one valid example (pure)."""

from __future__ import annotations

EXAMPLE = "support:room-42 -> telegram:-1001234567890 match=/urgent/"
NEW_TOPIC_EXAMPLE = "pbx:* -> new-topic(telegram:-1001234567890)"
EXAMPLES = {
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
"""One of each option."""


class RouteError(ValueError):
    """A route that cannot be kept; says what was wrong and gives one valid example."""


def example(key: str) -> str:
    """A right use of an option; a whole route for what is none."""
    return EXAMPLES.get(key, EXAMPLE)


def quote_word(word: str) -> str:
    """A word of somebody's as it can be shown."""
    shown = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in word[:40])
    return f"“{shown}…”" if len(word) > 40 else f"“{shown}”"
