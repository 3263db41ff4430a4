"""Rules as TOML: what is written is read back to the same rules."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.routes_file import RoutesFileError, from_toml, to_toml
from bot.routing import format_route, parse_route

ACCOUNTS = ("telegram", "support", "echo")
LINES = (
    "support:* -> telegram:-100500/17",
    "telegram:-100500 <-> echo:lobby name=lobby",
    "support:* -> new-topic(telegram:-100500) match=/first/ late=expire:2h",
    'support:sms/* ->> telegram:-100500 template="[{sender}] \\"{text}\\"" priority=3 stop=yes',
    'support:* -> echo:lobby match=/a\\/b \\d+ "x"/ hours=mon-fri 08:00-18:00 Europe/Paris',
)


def test_rules_survive_the_way_to_toml_and_back() -> None:
    rules = [parse_route(line, accounts=ACCOUNTS).saved(id=n, enabled=n % 2 == 0) for n, line in enumerate(LINES)]
    back = from_toml(to_toml(rules), accounts=ACCOUNTS, zone="UTC")
    assert [(format_route(draft), enabled) for draft, enabled in back] == [
        (format_route(rule), rule.enabled) for rule in rules
    ]


@given(st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=20))
def test_any_template_survives(text: str) -> None:
    literal = text.replace("{", "{{").replace("}", "}}").replace("\\", "").replace('"', "")
    draft = parse_route(f'support:room-1 -> echo:lobby template="{literal}{{text}}"', accounts=ACCOUNTS)
    ((back, _),) = from_toml(to_toml([draft.saved(id=1)]), accounts=ACCOUNTS, zone="UTC")
    assert back == draft


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = 1", "only [[route]] tables"),
        ("[[route]]\nenabled = true", 'route 1: needs rule = "'),
        ('[[route]]\nrule = "support:* -> echo:lobby"\nenabled = "yes"', "route 1: enabled is true or false"),
        ('[[route]]\nrule = "support:* -> nowhere:x"', "route 1: the target names the account nowhere"),
        ('[[route]]\nrule = "support:* -> echo:lobby match=/(/"', "route 1:"),
        (
            '[[route]]\nrule = "support:a -> echo:a name=n"\n[[route]]\nrule = "support:b -> echo:b name=n"',
            "stands there twice",
        ),
    ],
)
def test_a_wrong_file_is_refused_with_where_and_why(text: str, words: str) -> None:
    with pytest.raises(RoutesFileError) as refused:
        from_toml(text, accounts=ACCOUNTS, zone="UTC")
    assert words in str(refused.value)


def test_what_is_not_toml_says_so() -> None:
    with pytest.raises(tomllib.TOMLDecodeError):
        from_toml("[[route", accounts=ACCOUNTS, zone="UTC")
