"""Usage lines, and what people write by them."""

from __future__ import annotations

import pytest

from bot.telegram.commands import registry
from bot.telegram.commands.usage import VOCABULARY, Usage, UsageMismatch, words_of


@pytest.mark.parametrize(
    ("usage", "text", "values"),
    [
        ("ADDRESS [text]", "club:a", {"ADDRESS": "club:a"}),
        ("ADDRESS [text]", "club:a hello there", {"ADDRESS": "club:a", "text": "hello there"}),
        ("ADDRESS [text]", "club:a\nhello\n\nthere", {"ADDRESS": "club:a", "text": "hello\n\nthere"}),
        ("ADDRESS [text]", "  club:a   hello ", {"ADDRESS": "club:a", "text": "hello"}),
        ("ADDRESS text", '"club:a" "hello" there', {"ADDRESS": "club:a", "text": '"hello" there'}),
        ("NUMBER text", "“+1 555 010” hello", {"NUMBER": "+1 555 010", "text": "hello"}),
        ("add NAME [ADDRESS…]", "add all club:a desk:b", {"add": "add", "NAME": "all", "ADDRESS": "club:a desk:b"}),
        ("add NAME [ADDRESS…]", "ADD all", {"add": "ADD", "NAME": "all"}),
        ("TARGETS | text", "club:a, @all | hello | there", {"TARGETS": "club:a, @all", "text": "hello | there"}),
        ("TARGETS | text", "club:a,\n@all|hello", {"TARGETS": "club:a,\n@all", "text": "hello"}),
        ("WHEN | TARGETS | [text]", "at 9:00 |a,b| x | y", {"WHEN": "at 9:00", "TARGETS": "a,b", "text": "x | y"}),
        ("WHEN | TARGETS | [text]", "at 9:00 | a |", {"WHEN": "at 9:00", "TARGETS": "a"}),
        ("WHEN | TARGETS | [text]", "at 9:00 | a", {"WHEN": "at 9:00", "TARGETS": "a"}),
        ("edit SCHEDULE [WHEN] | [TARGETS] | [text]", "edit 3", {"edit": "edit", "SCHEDULE": "3"}),
        ("edit SCHEDULE [WHEN] | [TARGETS] | [text]", "edit 3 | | x", {"edit": "edit", "SCHEDULE": "3", "text": "x"}),
        (
            "edit SCHEDULE [WHEN] | [TARGETS] | [text]",
            'edit "my own" at 9:00 | a',
            {"edit": "edit", "SCHEDULE": "my own", "WHEN": "at 9:00", "TARGETS": "a"},
        ),
        ("ID|all", "ALL", {"ID|all": "ALL"}),
        ("[n]", "", {}),
        ("", "", {}),
    ],
)
def test_a_line_is_read_by_its_usage(usage: str, text: str, values: dict[str, str]) -> None:
    assert Usage(usage).read(text) == values


@pytest.mark.parametrize(
    ("usage", "text", "wrong"),
    [
        ("ADDRESS text", "", "an address, a name or here is needed"),
        ("ADDRESS text", "club:a", "a text is needed after “club:a”"),
        ("ID", "twelve", "“twelve” is not the number of a delivery"),
        ("ID", "1 2", "“2” is too much: after the command stands the number of a delivery"),
        ("", "more", "“more” is too much: after the command stands nothing"),
        ("TARGETS | text", "club:a hello", "say what is sent: club:a hello | text"),
        ("TARGETS | text", "x" * 50, f"say what is sent: {'x' * 40}… | text"),
        ("TARGETS | text", "| hello", "targets: addresses, names or @audience, with commas between are needed"),
        ("TARGETS | text", "club:a |", "a text is needed after “club:a”"),
        ("WHEN | TARGETS | [text]", "", "when it is sent: at 18:00"),
        ("WHEN | TARGETS | [text]", "at 9:00", "say where it goes and what is sent: at 9:00 | targets | text"),
        ("WHEN | TARGETS | [text]", "at\n9:00", "say where it goes and what is sent: at�9:00 | targets"),
        ("WHEN | TARGETS | text", "at 9:00 | here", "say what is sent: at 9:00 | here | text"),
        ("WHEN | TARGETS | [text]", "at 9:00 |", "targets: addresses, names or @audience, with commas between are"),
        ("WHEN | TARGETS | [text]", "at 9:00 | | x", "targets: addresses, names or @audience, with commas between are"),
        ("edit SCHEDULE [WHEN] | [TARGETS] | [text]", "edit | | x", "the number or name of a schedule is needed"),
        ("USER ROLE [here]", "@ann boss", "“boss” is not viewer, operator, admin or owner"),
        ("USER ROLE [here]", "@ann admin there", "“there” is too much: here can stand there, or nothing"),
        ("ADDRESS [n]", "club:a x", "“x” is not a number"),
        ("[n]", "9999999999", "“9999999999” is not a number"),
        ("[n]", "5 5", "“5” is too much: after the command stands a number"),
    ],
)
def test_what_does_not_fit_is_named(usage: str, text: str, wrong: str) -> None:
    with pytest.raises(UsageMismatch) as caught:
        Usage(usage).read(text)
    assert str(caught.value).startswith(wrong)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a b", ["a", "b"]),
        ('"a b" c', ["a b", "c"]),
        ("“a b” c", ["a b", "c"]),
        ("„a b“ c", ["a b", "c"]),
        ("'a b' c", ["a b", "c"]),
        ('"open a', ['"open', "a"]),
        ("it's fine", ["it's", "fine"]),
        ('"a"b c', ['"a"b', "c"]),
        ('"" a', ["", "a"]),
        ("", []),
        (" \n ", []),
    ],
)
def test_words_in_quotes_are_one(text: str, words: list[str]) -> None:
    assert words_of(text) == words


def test_a_long_word_is_shown_short_and_harmless() -> None:
    with pytest.raises(UsageMismatch, match=r"^“x{40}…” is not"):
        Usage("ID").read("x" * 100_000)
    with pytest.raises(UsageMismatch, match="“\N{REPLACEMENT CHARACTER}a” is not"):
        Usage("ID").read("\x1ba")


def test_an_unknown_placeholder_is_found_when_the_usage_is_read() -> None:
    with pytest.raises(ValueError, match="'NONSENSE' is no placeholder"):
        Usage("NONSENSE").parts  # noqa: B018


def test_every_command_is_declared_with_known_placeholders_and_examples_that_fit() -> None:
    for command in registry.commands.values():
        keywords = [way.keyword for way in command.ways if way.keyword]
        assert len(keywords) == len(set(keywords)), command.name
        for way in command.ways:
            assert way.usage.parts is not None
            example = way.example.removesuffix(")").partition(" (")[0]
            name, _, arguments = example.partition(" ")
            assert name == f"/{command.name}", example
            chosen = command.way_of(arguments)
            assert chosen is not None, example
            chosen.usage.read(arguments)


def test_placeholders_that_have_a_pattern_fit_their_own_example() -> None:
    for word, kind in VOCABULARY.items():
        if kind.example and not kind.rest and word != "TARGETS":
            assert Usage(word).read(kind.example) == {word: kind.example}


def test_a_hundred_thousand_quotes_are_walked_through_once() -> None:
    assert words_of('"' * 100_000) == ['"' * 100_000]
