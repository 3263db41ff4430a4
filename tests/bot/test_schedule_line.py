"""The line of a schedule: its parts, its options, and an edit that leaves some out."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime, time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.schedule_line import EXAMPLE, EXAMPLES, Line, Options, Quiet, parse_edit, parse_line, show_options
from bot.when import Ambiguous, WhenError, parse_when, show_rule

NOW = datetime(2026, 11, 20, 15, tzinfo=UTC).timestamp()


def line(text: str, *, needs_text: bool = True) -> Line:
    return parse_line(text, now=NOW, zone="Europe/London", needs_text=needs_text)


def edit(text: str) -> Line:
    return parse_edit(text, now=NOW, zone="Europe/London")


def options(words: str) -> Options:
    return line(f"tomorrow 9:00 {words} | x:1 | Hello").options


def refusal(text: str) -> str:
    with pytest.raises(WhenError) as caught:
        line(text)
    return str(caught.value)


def test_a_line_has_when_options_targets_and_text() -> None:
    read = line("every mon,thu at 9:30 Europe/Paris silent=yes missed=skip | support:room-42, @all | We are open.")
    assert read.rule is not None
    assert show_rule(read.rule) == "every mon,thu at 09:30 Europe/Paris"
    assert (read.targets, read.text) == ("support:room-42, @all", "We are open.")
    assert read.options == Options(missed="skip", silent=True)
    assert read.given == {"silent", "missed"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("at 18:00|x:1|Hello", "Hello"),
        ("at 18:00 | x:1 |   Hello  ", "Hello"),
        ("at 18:00 | x:1 | a | b | c", "a | b | c"),
        ("at 18:00 | x:1 |\n\none\n two\n\n", "one\n two"),
        ("at 18:00\n| x:1\n| key=value tomorrow", "key=value tomorrow"),
        ("at 18:00 | x:1 | || |", "|| |"),
        ("at 18:00 | x:1 | \U0001f600 é \u202e", "\U0001f600 é \u202e"),
        ("at １８：００ | \U0001f600:1 | \U0001f600 after", "\U0001f600 after"),
    ],
)
def test_the_text_is_kept_and_where_it_begins_is_told(text: str, expected: str) -> None:
    read = line(text)
    assert read.text == expected
    assert text[read.text_start : read.text_start + len(expected)] == expected


@pytest.mark.parametrize("text", ["at 18:00 | x:1", "at 18:00 | x:1 |", "at 18:00 | x:1 |  \n "])
def test_a_picture_needs_no_text(text: str) -> None:
    read = line(text, needs_text=False)
    assert (read.targets, read.text, read.text_start) == ("x:1", "", len(text))
    assert "the text is missing: write it after a second bar" in refusal(text)


ALL = "say when it is sent and where it goes and what is sent, with bars between"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", ALL),
        ("|", ALL),
        ("||", ALL),
        ("| |", ALL),
        ("at 18:00", "say where it goes and what is sent, with bars between"),
        ("at 18:00 |", "say where it goes and what is sent, with bars between"),
        ("at 18:00 | | Hello", "say where it goes, with bars between"),
        ("| x:1 | Hello", "say when it is sent, with bars between"),
        ("at 18:00 | x:1", "the text is missing: write it after a second bar"),
        ("at 18:00 | x:1 |", "the text is missing: write it after a second bar"),
    ],
)
def test_a_line_without_one_of_its_parts_is_told_what_is_missing(text: str, said: str) -> None:
    refused = refusal(text)
    assert refused.startswith(said)
    assert refused.endswith(f"as in {EXAMPLE}")
    assert line(EXAMPLE).targets == "telegram:-1001234567890"


def test_options_need_when() -> None:
    assert refusal("silent=yes | x:1 | Hello").startswith("say when it is sent")


UNDERSTOOD = {
    "": Options(),
    "missed=skip": Options(missed="skip"),
    "missed=ask": Options(missed="ask"),
    "MISSED=Send:2H30M": Options(missed=9_000),
    'missed="send:2 hours"': Options(missed=7_200),
    "missed=send:1h": Options(),
    "name=opening": Options(name="opening"),
    'name="opening hours"': Options(name="opening hours"),
    "name='opening = hours'": Options(name="opening = hours"),
    "name=“opening hours”": Options(name="opening hours"),
    'name="silent=yes"': Options(name="silent=yes"),
    "silent=yes pin=on replace=true urgent=YES": Options(silent=True, pin=True, replace=True, urgent=True),
    "silent=no pin=off replace=false urgent=no": Options(),
    "expire=2h": Options(expire=7_200),
    "expire=no": Options(),
    "expire=45 minutes": Options(expire=2_700),
    "expire=2 hours 30 minutes pin=yes": Options(expire=9_000, pin=True),
    "warn=1h 30m jitter=5 min": Options(warn=5_400, jitter=300),
    "missed=send:90 minutes": Options(missed=5_400),
    "missed=send:90 minutes name=a": Options(missed=5_400, name="a"),
    'quiet="22:00 - 7:00"': Options(quiet=Quiet(time(22), time(7))),
    "warn=15m jitter=90s": Options(warn=900, jitter=90),
    "approve=0": Options(),
    "approve=1": Options(approve=1),
    "approve=2": Options(approve=2),
    "approve=yes": Options(approve=1),
    "quiet=22:00-07:00": Options(quiet=Quiet(time(22), time(7))),
    "quiet=9:30–17:00": Options(quiet=Quiet(time(9, 30), time(17))),
    "quiet=no": Options(quiet="no"),
    "quiet=default": Options(),
    "  silent=yes\n\tpin=yes ": Options(silent=True, pin=True),
}


@pytest.mark.parametrize(("words", "expected"), UNDERSTOOD.items())
def test_options(words: str, expected: Options) -> None:
    assert options(words) == expected


REFUSED = {
    "silnt=yes": "there is no option “silnt”=, is silent= meant?",
    "zzz=1": "missed, name, silent, pin, replace, expire, urgent, approve, warn, jitter, quiet",
    "silent=maybe": "neither yes nor no",
    "silent=": "has no value",
    "silent=yes silent=no": "given twice",
    "silent=yes UTC": "“UTC” is no option",
    "silent=yes until 24 dec": "“until” is no option; options come last, after the time and the time zone",
    "name=opening hours": "“hours” is no option; a name of several words stands in quotes",
    'name=""': "name= is 1 to 64",
    f"name={'x' * 65}": "name= is 1 to 64",
    "name='a\"b'": "name= is 1 to 64",
    'name="a\nb"': "name= is 1 to 64",
    'name="opening': "no closing one",
    'name="a"b': "a blank is needed",
    "missed=send": "neither skip nor ask, nor send: and how late it may be",
    "missed=later": "neither skip nor ask, nor send: and how late it may be",
    "missed=skip:1h": "neither skip nor ask, nor send: and how late it may be",
    "missed=send:soon": "no duration",
    "missed=send:0m": "no duration",
    "missed=send:45": "“45” is no duration, as in missed=send:45m",
    "expire=45": "“45” is no duration, as in expire=45m",
    "expire=45 UTC": "“45” is no duration, as in expire=45m",
    "expire=45m UTC": "“UTC” is no option",
    "expire=1,5h": "no duration",
    "quiet=٢٢:00-07:00": "neither two times with a - between them nor no",
    "expire=soon": "no duration",
    "expire=0s": "no duration",
    "expire=400d": "at most 366d",
    "jitter=2d": "at most 1d",
    "approve=3": "0, 1 or 2",
    "approve=-1": "0, 1 or 2",
    "quiet=22:00": "neither two times with a - between them nor no",
    "quiet=22:00-25:00": "neither two times with a - between them nor no",
    "quiet=22:60-07:00": "neither two times with a - between them nor no",
    "quiet=22:00-22:00": "neither two times with a - between them nor no",
}


@pytest.mark.parametrize(("words", "said"), REFUSED.items())
def test_an_option_that_is_wrong_is_told_with_one_that_is_right(words: str, said: str) -> None:
    refused = refusal(f"tomorrow 9:00 {words} | x:1 | Hello")
    assert said in refused
    assert options(refused.rpartition(" as in ")[2]) is not None


def test_every_option_has_an_example() -> None:
    assert EXAMPLES.keys() == {field.name for field in fields(Options)}
    for key, example in EXAMPLES.items():
        assert line(f"tomorrow 9:00 {example} | x:1 | Hello").given == {key}


def test_a_question_about_when_keeps_the_options() -> None:
    with pytest.raises(Ambiguous) as caught:
        line('at 9 Europe/Paris name="a b" pin=yes | x:1 | Hello')
    assert caught.value.choices == (
        ("9:00", 'at 2026-11-21 09:00 Europe/Paris name="a b" pin=yes'),
        ("21:00", 'at 2026-11-20 21:00 Europe/Paris name="a b" pin=yes'),
    )
    for _, head in caught.value.choices:
        assert line(f"{head} | x:1 | Hello").options == Options(name="a b", pin=True)


def test_what_is_too_long_is_not_read() -> None:
    assert "too long" in refusal(f"{'9' * 10_000} | x:1 | Hello")
    assert "too long" in refusal(f"at 18:00 {'silent=yes ' * 1_000} | x:1 | Hello")
    assert len(line(f"at 18:00 | x:1 | {'| ' * 10_000}end").text) == 20_003


# --- shown -----------------------------------------------------------------------------------------------

spans = st.none() | st.integers(1, 86_400)
quiets = st.builds(Quiet, st.integers(0, 22).map(time), st.integers(1, 59).map(lambda minute: time(23, minute)))
names = (
    st.text(st.characters(codec="utf-8", exclude_characters='"|'), max_size=64).map(str.strip).filter(str.isprintable)
)
all_options = st.builds(
    Options,
    missed=st.sampled_from(("skip", "ask")) | st.integers(1, 366 * 86_400),
    name=names,
    silent=st.booleans(),
    pin=st.booleans(),
    replace=st.booleans(),
    expire=spans,
    urgent=st.booleans(),
    approve=st.integers(0, 2),
    warn=spans,
    jitter=spans,
    quiet=st.none() | st.just("no") | quiets,
)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(written=all_options)
def test_options_that_are_shown_read_back(written: Options) -> None:
    assert options(show_options(written)) == written
    assert show_options(options(show_options(written))) == show_options(written)


def test_only_what_differs_from_the_default_is_shown() -> None:
    assert show_options(Options()) == ""
    assert show_options(Options(name="a b", approve=1, expire=5_400, quiet="no")) == (
        'name="a b" expire=1h30m approve=1 quiet=no'
    )


# --- edits -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "when", "targets", "words"),
    [
        ("every day at 9:00", "every day at 09:00 Europe/London", "", ""),
        ("every day at 9:00 | |", "every day at 09:00 Europe/London", "", ""),
        ("| x:1, @all", None, "x:1, @all", ""),
        ("| | New words. | more", None, "", "New words. | more"),
        ("|x:1|Hello", None, "x:1", "Hello"),
        ("at 18:00 | x:1 | Hello", "at 2026-11-20 18:00 Europe/London", "x:1", "Hello"),
        ("at 18:00 | | Hello", "at 2026-11-20 18:00 Europe/London", "", "Hello"),
    ],
)
def test_an_edit_leaves_empty_parts_as_they_are(text: str, when: str | None, targets: str, words: str) -> None:
    read = edit(text)
    assert (read.rule and show_rule(read.rule), read.targets, read.text) == (when, targets, words)
    assert text[read.text_start :].startswith(words)
    assert not read.given


def test_an_edit_of_options_replaces_those_given_only() -> None:
    old = Options(name="a", silent=True, pin=True, expire=60, missed="skip", quiet="no")
    read = edit('silent=no expire=no missed=send:1h name="" quiet=default warn=5m')
    assert read.rule is None
    assert read.given == {"silent", "expire", "missed", "name", "quiet", "warn"}
    assert read.changed(old) == Options(pin=True, warn=300)
    assert edit("| x:1").changed(old) == old


@pytest.mark.parametrize("text", ["", " ", "|", "| |", " |  | \n"])
def test_an_edit_of_nothing_is_refused(text: str) -> None:
    with pytest.raises(WhenError, match="nothing is to be changed"):
        edit(text)


@pytest.mark.parametrize("text", ["at 25:00", "silnt=yes", "nonsense | x:1 | Hello"])
def test_an_edit_that_is_wrong_is_refused(text: str) -> None:
    with pytest.raises(WhenError, match="as in"):
        edit(text)


def test_when_is_read_as_it_is_by_itself() -> None:
    for when in ("in 2h30m", "every 15m 5 times UTC", "cron 0 9 * * mon-fri in Europe/Paris", "dec 24, 2026, 6pm"):
        assert line(f"{when} pin=yes | x:1 | Hello").rule == parse_when(when, now=NOW, zone="Europe/London")


@pytest.mark.parametrize("words", REFUSED)
def test_no_option_is_refused_in_the_language_of_the_grammar(words: str) -> None:
    refused = refusal(f"tomorrow 9:00 {words} | x:1 | Hello")
    assert not any(word in refused for word in ("WHEN", "DURATION", "key=value"))
