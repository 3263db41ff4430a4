"""Placeholders in a scheduled message: a fixed set of words in braces, checked when saved and filled when it goes.

``{{`` and ``}}`` are braces themselves. Pure: what is filled in comes from :func:`values` and from the caller.
"""

from __future__ import annotations

import difflib
import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from functools import partial
from itertools import accumulate
from urllib.parse import quote
from zoneinfo import ZoneInfo

from bot.link_buttons import URL_MOST, is_openable, site_of
from bot.text import cut
from bridges.model import LABEL_MOST, LinkButton, Message, Span

CHAT, COUNT_DOWN, TODAY = "chat", "count_down", "today"
"""The target's name, filled in for each; the days that are left; the local day, which dates are counted from."""
NAMES = ("date", "time", "weekday", CHAT, COUNT_DOWN, "n")
EXAMPLE = '"Doors open at {time}, {count_down:2026-12-24} to go"'
_DATE_EXAMPLE = "{count_down:2026-12-24}"
_ALL = f"{', '.join(f'{{{name}}}' for name in NAMES[:-1])} and {{{NAMES[-1]}}}"
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_SHOWN_MOST = 40

_TOKEN = re.compile(r"\{\{|\}\}|\{([a-z_]+)(?::([^{}]*))?\}|\{")
_BEGINNING = re.compile(r"\{[^{}\n]*\}?")
_WORD = re.compile(r"\w+")
_ISO = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


class PlaceholderError(ValueError):
    """A placeholder that cannot be filled; says what was wrong and gives one valid example."""


def check(text: str | Message, *, has_end: bool) -> None:
    """Raise ``PlaceholderError`` unless all that stands in braces can be filled. ``has_end``: the schedule has a last
    occurrence.

    Of a message the words of its buttons and their addresses are looked at, too: what a button leads to is the same
    for everybody, and only behind that may a placeholder be.
    """
    for button in () if isinstance(text, str) else text.links:
        if "{" in site_of(button.url) or "}" in site_of(button.url):
            raise PlaceholderError(
                f"The address of the button “{_shown(button.label)}” has a brace before its first slash, where nothing"
                " is filled in; put it behind that, for example [Tickets](https://example.org/{n})"
            )
    for each in _texts(text):
        for found in _TOKEN.finditer(each):
            if found[0] not in ("{{", "}}"):
                _check(each, found, has_end=has_end)


def needs_chat(text: str | Message) -> bool:
    """Whether the name of the target stands in it, so that it is another text at each."""
    return uses(text, CHAT)


def uses(text: str | Message, name: str) -> bool:
    """Whether that placeholder stands in it."""
    return any(found[1] == name for each in _texts(text) for found in _TOKEN.finditer(each))


def values(*, at: float, zone: str, end: float | None, number: int) -> Mapping[str, str]:
    """What is filled in for one occurrence; ``chat`` is for the caller to add.

    ``at``: its instant, in seconds since the epoch; ``end``: that of the schedule's last one, None if it has no end;
    ``number``: counted from 1. Raises what :class:`ZoneInfo` does for an unknown ``zone``.
    """
    local = datetime.fromtimestamp(at, UTC).astimezone(ZoneInfo(zone))
    day = _DAYS[local.weekday()]
    known = {
        "date": f"{day[:3]} {local.date().isoformat()}",
        "time": local.strftime("%H:%M:%S").removesuffix(":00"),
        "weekday": day,
        "n": str(number),
        TODAY: local.date().isoformat(),
    }
    if end is not None:
        last = datetime.fromtimestamp(end, UTC).astimezone(ZoneInfo(zone)).date()
        known[COUNT_DOWN] = days_words((last - local.date()).days)
    return known


def days_words(days: int) -> str:
    """How many days are left, in words: "34 days", "1 day", "today", and "over" afterwards."""
    if days < 0:
        return "over"
    return "today" if not days else f"{days} day{'s' if days != 1 else ''}"


def fill(message: Message, known: Mapping[str, str]) -> Message:
    """The message with its placeholders filled in; its spans stay on their words.

    Without ``chat`` in ``known`` a ``{chat}`` stays, and so do all doubled braces then, for the fill that is to follow:
    a message that :func:`needs_chat` no more is final, and is not to be filled again. What is not known stays as it
    is written; nothing is raised. A button that opens nothing with what was filled in is a line of the text then.
    """
    is_final = CHAT in known or not needs_chat(message)
    put = partial(_put, known=known, is_final=is_final)
    text, spans = _replaced(message.text, message.spans, put)
    filled = [_filled_button(each, put, known) for each in message.links]
    links, lines = _openable(filled) if is_final and filled != list(message.links) else (tuple(filled), [])
    text = "\n".join([*filter(None, [text]), *lines])
    return message.model_copy(update={"text": text, "spans": spans, "links": links})


def literal(message: Message) -> Message:
    """The message with doubled braces, which :func:`fill` gives back as it is; its spans stay on their words."""
    text = message.text
    if "{" not in text and "}" not in text:
        return message
    before = [0, *accumulate(char in "{}" for char in text)]
    spans = []
    for span in message.spans:
        start, stop = (at + before[at] for at in (span.start, span.start + span.length))
        spans.append(span.model_copy(update={"start": start, "length": stop - start}))
    doubled = text.replace("{", "{{").replace("}", "}}")
    return message.model_copy(update={"text": doubled, "spans": tuple(spans)})


def _put(found: re.Match[str], *, known: Mapping[str, str], is_final: bool) -> str:
    """What takes the place of a token."""
    whole, name, argument = found[0], found[1], found[2]
    if whole in ("{{", "}}"):
        return whole[0] if is_final else whole
    value = known.get(name) if name in NAMES else None
    if argument is not None:
        until, today = _date(argument), _date(known.get(TODAY, ""))
        value = days_words((until - today).days) if name == COUNT_DOWN and until and today else None
    if value is None:
        return whole
    return value if is_final else value.replace("{", "{{").replace("}", "}}")


def _filled_button(button: LinkButton, put: Callable[[re.Match[str]], str], known: Mapping[str, str]) -> LinkButton:
    def put_quoted(found: re.Match[str]) -> str:
        value = _put(found, known=known, is_final=True)
        # What is not known yet stays for the fill that follows; what is known has no braces then that it could read.
        return put(found) if not found[1] or value == found[0] else quote(value, safe="")

    label = _TOKEN.sub(put, button.label)
    url = _TOKEN.sub(put_quoted, button.url)
    if (label, url) == (button.label, button.url):
        return button
    return button.model_copy(update={"label": cut(label, LABEL_MOST) or button.label, "url": url})


def _openable(buttons: Sequence[LinkButton]) -> tuple[tuple[LinkButton, ...], list[str]]:
    """Those that can be opened, in their rows, and lines of text for the others."""
    kept: list[LinkButton] = []
    lines: list[str] = []
    begins_row = True
    for button in buttons:
        begins_row = begins_row or not button.beside
        if is_openable(button.url):
            kept.append(button.model_copy(update={"beside": not begins_row}))
            begins_row = False
        else:
            lines.append(f"{button.label}: {button.url if len(button.url) <= URL_MOST else 'its address is too long'}")
    return tuple(kept), lines


def _replaced(text: str, spans: tuple[Span, ...], put: Callable[[re.Match[str]], str]) -> tuple[str, tuple[Span, ...]]:
    """A text with its tokens replaced, and its spans where their words are then.

    A span that begins or ends within a token is then on the whole of what took its place; one that has nothing left
    goes.
    """
    found = [(*each.span(), put(each)) for each in _TOKEN.finditer(text)]
    if not found:
        return text, spans
    starts, ends, new_starts, new_ends, pieces = [], [], [], [], []
    read = written = 0
    for start, end, value in found:
        pieces += [text[read:start], value]
        written += start - read
        starts.append(start)
        ends.append(end)
        new_starts.append(written)
        written += len(value)
        new_ends.append(written)
        read = end

    def moved(at: int, before: int, inside: list[int]) -> int:
        """Where an offset is then; ``before``: how many tokens begin before it; ``inside``: where it goes in one."""
        if not before:
            return at
        last = before - 1
        return inside[last] if at < ends[last] else new_ends[last] + at - ends[last]

    kept = []
    for span in spans:
        start = moved(span.start, bisect_right(starts, span.start), new_starts)
        stop = span.start + span.length
        stop = moved(stop, bisect_left(starts, stop), new_ends)
        if start < stop:
            kept.append(span.model_copy(update={"start": start, "length": stop - start}))
    return "".join([*pieces, text[read:]]), tuple(kept)


# --- what is wrong ---------------------------------------------------------------------------------------


def _texts(text: str | Message) -> tuple[str, ...]:
    if isinstance(text, str):
        return (text,)
    return (text.text, *(each for button in text.links for each in (button.label, button.url)))


def _check(text: str, found: re.Match[str], *, has_end: bool) -> None:
    name, argument = found[1], found[2]
    if name is None or name not in NAMES:
        raise PlaceholderError(_unknown(text, found))
    if name != COUNT_DOWN and argument is not None:
        raise PlaceholderError(f"{{{name}}} takes nothing after a colon; write it as {{{name}}}, for example {EXAMPLE}")
    if name == COUNT_DOWN and argument is None and not has_end:
        raise PlaceholderError(
            "{count_down} counts to the last time of its schedule, which has none; name the day, for example"
            f" {_DATE_EXAMPLE}"
        )
    if argument is not None and _date(argument) is None:
        raise PlaceholderError(f"“{_shown(found[0])}” names no day of the calendar; write it as {_DATE_EXAMPLE}")


def _unknown(text: str, found: re.Match[str]) -> str:
    """A brace that begins none of them: perhaps a slip, perhaps no placeholder at all."""
    written = _BEGINNING.match(text, found.start())
    assert written is not None
    word = _WORD.search(written[0][:_SHOWN_MOST])
    near = difflib.get_close_matches(word[0].lower(), NAMES, n=1, cutoff=0.6) if word else []
    meant = f"; did you mean {{{near[0]}}}?" if near else "."
    return (
        f"There is no placeholder “{_shown(written[0])}”{meant} There are {_ALL}, as in {EXAMPLE}; to write a brace"
        " itself, double it: {{ and }}"
    )


def _shown(written: str) -> str:
    return cut(written, _SHOWN_MOST)


def _date(written: str) -> date | None:
    if not _ISO.fullmatch(written.strip()):
        return None
    try:
        return date.fromisoformat(written.strip())
    except ValueError:
        return None
