"""The line of a schedule as people write it: ``WHEN [ZONE] [key=value …] | TARGETS | text`` (pure).

What WHEN may be is in ``bot.when``; TARGETS are read by ``bot.targets``, at firing time again.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from bot.quiet import Quiet, parse_quiet
from bot.recurrence import Rule
from bot.route_errors import quote_word
from bot.when import Ambiguous, WhenError, parse_duration, parse_when, show_duration

EXAMPLE = "tomorrow 9:00 | telegram:-1001234567890 | We are open again."
"""A line that is right where there is no chat that ``here`` could mean."""
EXAMPLES = {
    "missed": "missed=send:1h",
    "name": 'name="opening hours"',
    "silent": "silent=yes",
    "pin": "pin=yes",
    "replace": "replace=yes",
    "expire": "expire=2h",
    "urgent": "urgent=yes",
    "approve": "approve=1",
    "warn": "warn=15m",
    "jitter": "jitter=5m",
    "quiet": "quiet=22:00-07:00",
}
"""One of each option, in the order in which they are shown."""
LONGEST_NAME = 64
LONGEST_OPTIONS = 1_000
"""Characters of everything before the first bar, beside WHEN."""
LONGEST_SPAN = 366 * 86_400
"""Seconds of ``expire``, ``warn`` and ``missed=send``."""
LONGEST_JITTER = 86_400
DEFAULT_MISSED = 3_600

Missed: TypeAlias = Literal["skip", "ask"] | int
"""What becomes of an occurrence that was missed; a number: it is sent if it is not older, in seconds."""


@dataclass(frozen=True, slots=True)
class Options:
    """The ``key=value`` part, checked. Spans are in seconds."""

    missed: Missed = DEFAULT_MISSED
    name: str = ""
    silent: bool = False
    pin: bool = False
    replace: bool = False
    """Whether the message of the occurrence before is taken back."""
    expire: int | None = None
    """How long a message stays before it is taken back; None: for ever."""
    urgent: bool = False
    """Whether it goes also in quiet hours."""
    approve: int = 0
    """How many persons have to approve it: 0, 1 or 2."""
    warn: int | None = None
    """How long before each occurrence its author gets a note; None: none."""
    jitter: int | None = None
    """By how much each target may have it later, at random; None: not at all."""
    quiet: Quiet | Literal["no"] | None = None
    """None: as the bot is set."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line that was read. On an edit a part that is empty stays as it is."""

    rule: Rule | None
    """None only on an edit."""
    options: Options
    given: frozenset[str]
    """The keys that were written."""
    targets: str
    text: str
    """With its line breaks and bars, without blanks around it."""
    text_start: int
    """Where the text begins in the line, in code points; the end of the line if there is none."""

    def changed(self, old: Options) -> Options:
        """These options with what the line gives in the place of their own."""
        return replace(old, **{key: getattr(self.options, key) for key in self.given})


def parse_line(text: str, *, now: float, zone: str, needs_text: bool = True) -> Line:
    """Read ``WHEN [ZONE] [key=value …] | TARGETS | text``; raises ``WhenError``.

    ``now`` and ``zone`` as in :func:`bot.when.parse_when`; choices of its ``Ambiguous`` are all that is to stand before
    the first bar, options included. ``needs_text``: not where a picture goes along.
    """
    return _read(text, now=now, zone=zone, editing=False, needs_text=needs_text)


def parse_edit(text: str, *, now: float, zone: str) -> Line:
    """As :func:`parse_line`, where each part may be empty or absent; all of them may not. ``name=""`` takes the name
    away, ``no`` the other options, ``quiet=default`` what was said of quiet hours. Raises ``WhenError``."""
    line = _read(text, now=now, zone=zone, editing=True, needs_text=False)
    if line.rule is None and not line.given and not line.targets and not line.text:
        raise WhenError(
            "nothing is to be changed; an empty part stays as it is, as in every day at 9:00 | | New words."
        )
    return line


def show_options(options: Options) -> str:
    """What differs from the default, so that :func:`parse_line` reads it back; empty if nothing does."""
    words = []
    usual = Options()
    for key in EXAMPLES:
        value = getattr(options, key)
        if value != getattr(usual, key):
            words.append(f"{key}={_show_value(key, value)}")
    return " ".join(words)


def _read(text: str, *, now: float, zone: str, editing: bool, needs_text: bool) -> Line:
    head, _, behind = text.partition("|")
    targets, _, words = behind.partition("|")
    bars = min(text.count("|"), 2)
    said = words.strip()
    start = len(text) - len(words.lstrip()) if bars == 2 and said else len(text)
    if not editing and not (head.strip() and targets.strip()):
        parts = (("when it is sent", head), ("where it goes", targets), ("what is sent", words))
        missing = " and ".join(asked for asked, part in parts if not part.strip())
        raise WhenError(f"say {missing}, with bars between (/here in a chat tells its address), as in {EXAMPLE}")
    if needs_text and not said:
        raise WhenError(f"the text is missing: write it after a second bar, as in {EXAMPLE}")
    when, raw = _split_head(head)
    options, given = _read_options(raw, editing=editing)
    rule = None
    if when or not editing:
        try:
            rule = parse_when(when, now=now, zone=zone)
        except Ambiguous as question:
            rest = f" {raw.strip()}" if raw else ""
            raise Ambiguous(str(question), [(label, f"{line}{rest}") for label, line in question.choices]) from None
    return Line(rule, options, given, targets.strip(), said, start)


# --- options ---------------------------------------------------------------------------------------------

_KEY = re.compile(r"([A-Za-z_]+)=")
_FIRST_KEY = re.compile(r"(?:(?<=\s)|\A)[A-Za-z_]+=")
_QUOTES = {'"': '"', "'": "'", "“": "”", "„": "“", "«": "»"}
_BARE = re.compile(r"\S*")
_PLAIN = re.compile(r"[^\s\"'“”„«»\\|]+")
_YES = ("yes", "on", "true")
_NO = ("no", "off", "false")
_SWITCHES = frozenset({"silent", "pin", "replace", "urgent"})
_SPANS = frozenset({"expire", "warn", "jitter"})


def _split_head(head: str) -> tuple[str, str]:
    """WHEN, and the options behind it as they are written."""
    found = _FIRST_KEY.search(head)
    when, raw = (head, "") if found is None else (head[: found.start()], head[found.start() :])
    if len(raw) > LONGEST_OPTIONS:
        raise WhenError(f"what stands before the first bar is too long, as in {EXAMPLE}")
    return when.strip(), raw


def _read_options(raw: str, *, editing: bool) -> tuple[Options, frozenset[str]]:
    values: dict[str, Any] = {}
    raw = raw.strip()
    at = 0
    while at < len(raw):
        found = _KEY.match(raw, at)
        if found is None:
            word = raw[at:].split(None, 1)[0]
            if "name" in values:
                raise WhenError(
                    f"{quote_word(word)} is no option; a name of several words stands in quotes, as in"
                    f" {EXAMPLES['name']}"
                )
            raise WhenError(
                f"{quote_word(word)} is no option; options come last, after the time and the time zone, as in"
                f" {EXAMPLES['silent']}"
            )
        key = found[1].lower()
        if key not in EXAMPLES:
            raise _unknown_key(key)
        if key in values:
            raise WhenError(f"{key}= is given twice, once is enough, as in {EXAMPLES[key]}")
        value, at = _read_value(raw, found.end(), key)
        values[key] = _checked(key, value, editing=editing)
    return Options(**values), frozenset(values)


def _unknown_key(key: str) -> WhenError:
    near = difflib.get_close_matches(key[:30], EXAMPLES, n=1, cutoff=0.5)
    meant = f", is {near[0]}= meant? There are" if near else "; there are"
    example = EXAMPLES[near[0]] if near else EXAMPLES["silent"]
    return WhenError(f"there is no option {quote_word(key)}={meant} {', '.join(EXAMPLES)}, as in {example}")


def _read_value(raw: str, at: int, key: str) -> tuple[str, int]:
    """One value, and where the next option begins."""
    close = _QUOTES.get(raw[at : at + 1])
    if close is None:
        end = _bare_end(raw, at, key)
        value = raw[at:end]
        if not value:
            raise WhenError(f"{key}= has no value, as in {EXAMPLES[key]}")
    else:
        end = raw.find(close, at + 1) + 1
        if not end:
            raise WhenError(f"{key}= has an opening quote and no closing one, as in {EXAMPLES[key]}")
        value = raw[at + 1 : end - 1]
    rest = raw[end:].lstrip()
    if rest and not raw[end].isspace():
        raise WhenError(f"{key}= goes on after its closing quote, a blank is needed there, as in {EXAMPLES[key]}")
    return value.strip(), len(raw) - len(rest)


def _bare_end(raw: str, at: int, key: str) -> int:
    """Where a value without quotes ends: at the next blank, but a duration goes on, ``45 minutes``."""
    bare = _BARE.match(raw, at)
    assert bare is not None  # the empty match always is
    if key in _SPANS or key == "missed":
        following = _FIRST_KEY.search(raw, at)
        longer = raw[at : None if following is None else following.start()].rstrip()
        try:
            parse_duration(longer.partition(":")[2] if key == "missed" else longer)
        except WhenError:
            return bare.end()
        return max(bare.end(), at + len(longer))
    return bare.end()


def _checked(key: str, value: str, *, editing: bool) -> Missed | Quiet | bool | str | None:
    low = value.lower()
    if key == "name":
        return _name(value, editing=editing)
    if key in _SWITCHES:
        if low not in _YES + _NO:
            raise WhenError(f"{key}={quote_word(value)} is neither yes nor no, as in {EXAMPLES[key]}")
        return low in _YES
    if key in _SPANS:
        longest = LONGEST_JITTER if key == "jitter" else LONGEST_SPAN
        return None if low in _NO else _span(key, value, longest)
    if key == "approve":
        low = {"no": "0", "yes": "1"}.get(low, low)
        if low not in ("0", "1", "2"):
            raise WhenError(
                f"approve={quote_word(value)} is not how many people have to approve it, 0, 1 or 2, as in approve=1"
            )
        return int(low)
    if key == "missed":
        return _missed(value)
    return _quiet(value)


def _name(value: str, *, editing: bool) -> str:
    if (not value and not editing) or len(value) > LONGEST_NAME or not value.isprintable() or '"' in value:
        raise WhenError(
            f'name= is 1 to {LONGEST_NAME} characters on one line, none of them ", as in {EXAMPLES["name"]}'
        )
    return value


def _span(key: str, value: str, longest: int) -> int:
    try:
        seconds = parse_duration(value)
    except WhenError:
        lead = "missed=send:" if key == "missed" else f"{key}="
        is_bare = value.isascii() and value.isdecimal() and len(value) < 5
        right = f"{lead}{value}m" if is_bare else EXAMPLES[key]
        raise WhenError(f"{key}={quote_word(value)} is no duration, as in {right}") from None
    if seconds > longest:
        raise WhenError(f"{key}= is at most {show_duration(longest)}, as in {EXAMPLES[key]}")
    return seconds


def _missed(value: str) -> Missed:
    word, colon, duration = value.lower().partition(":")
    if word == "send" and colon:
        return _span("missed", duration, LONGEST_SPAN)
    if word == "skip" and not colon:
        return "skip"
    if word == "ask" and not colon:
        return "ask"
    raise WhenError(
        f"missed={quote_word(value)} is neither skip nor ask, nor send: and how late it may be,"
        f" as in {EXAMPLES['missed']}"
    )


def _quiet(value: str) -> Quiet | Literal["no"] | None:
    if value.lower() == "default":
        return None
    if value.lower() in _NO:
        return "no"
    try:
        return parse_quiet(value)
    except ValueError:
        raise WhenError(
            f"quiet={quote_word(value)} is neither two times with a - between them nor no, as in {EXAMPLES['quiet']}"
        ) from None


def _show_value(key: str, value: Missed | Quiet | bool | str | None) -> str:
    if key == "name":
        return _quoted(str(value))
    if key == "missed" and isinstance(value, int):
        return f"send:{show_duration(value)}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if key in _SPANS and isinstance(value, int):
        return show_duration(value)
    return str(value)


def _quoted(name: str) -> str:
    return name if _PLAIN.fullmatch(name) else f'"{name}"'
