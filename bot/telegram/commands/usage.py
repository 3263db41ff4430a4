"""How a command is written: its usage line is its declaration, and what somebody wrote is read by it. Pure.

A usage is a line such as ``ADDRESS text`` or ``add NAME [ADDRESS…]``: words in lower case that are no placeholder stand
as they are, ``[…]`` may be left out, ``…`` may come several times, ``text`` is the rest of the line with all its
lines, ``a|b`` is either. Every placeholder is in :data:`VOCABULARY`, which says what it is and shows one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of argument."""

    what: str
    """As a sentence goes on: "… is needed"."""
    example: str
    pattern: str = ""
    """What one looks like, if that can be said without asking anybody."""
    rest: bool = False
    """It is everything up to the end."""
    called: str = ""
    """As a sentence about a bar goes on; empty: as :attr:`what`."""
    asked: str = ""
    """As "say …" goes on where it is missing behind a bar; empty: as :attr:`called`."""


VOCABULARY: Mapping[str, Kind] = {
    "ACCOUNT": Kind("the name of an account", "support", r"[A-Za-z][A-Za-z0-9_-]{0,31}"),
    "ADDRESS": Kind("an address, a name or here", "support:room-42"),
    "EMOJI": Kind("one emoji", "👍"),
    "ID": Kind("the number of a delivery", "17", r"[0-9]{1,18}"),
    "NAME": Kind("a name", "ops", r"@?[\w.-]{1,64}"),
    "NUMBER": Kind("a phone number with its country code", "+85255501234"),
    "OPERATION": Kind("an operation", "status"),
    "ROLE": Kind("viewer, operator, admin or owner", "operator", r"(?i:viewer|operator|admin|owner)"),
    "ROUTE": Kind("the name or number of a route", "r1"),
    "RULE": Kind("a rule: SOURCE -> TARGET [key=value …]", "support:* -> here", rest=True),
    "OPTIONS": Kind("key=value …, or a whole new rule", "stop=yes", rest=True),
    "SCHEDULE": Kind("the number or name of a schedule", "3"),
    "TARGETS": Kind(
        "targets: addresses, names or @audience, with commas between",
        "here",
        called="the targets",
        asked="where it goes",
    ),
    "USER": Kind("a person: a numeric id or @name", "@ann", r"@?[A-Za-z][A-Za-z0-9_]{2,31}|[1-9][0-9]{0,18}"),
    "WHEN": Kind(
        "when it is sent: at 18:00, in 2h30m, every mon,thu at 9:30 …, perhaps a time zone and key=value",
        "tomorrow 9:00",
        rest=True,
    ),
    "ZONE": Kind("a time zone", "Europe/Paris", r"[A-Za-z][A-Za-z0-9_+/-]{1,63}"),
    "cause": Kind("what stands in the reason", "timed out", rest=True),
    "command": Kind("the name of a command", "send", r"/?[A-Za-z_]{1,32}"),
    "arguments": Kind("what the operation needs", "", rest=True),
    "name": Kind("a name", "ops", rest=True),
    "n": Kind("a number", "20", r"[0-9]{1,9}"),
    "text": Kind("a text", "hello", rest=True, called="the text", asked="what is sent"),
    "word": Kind("a word", "room", rest=True),
}
"""Every placeholder of a usage line."""

QUOTES = {'"': '"', "“": "”", "„": "“", "«": "»", "'": "'", "‘": "’"}
"""What opens a quoted argument, and what ends it: telephones write “these” by themselves."""


@dataclass(frozen=True, slots=True)
class Part:
    """One place in a usage line."""

    word: str
    optional: bool = False
    several: bool = False

    @property
    def choices(self) -> tuple[str, ...]:
        """What may stand there: placeholders, and words as they are."""
        return tuple(self.word.split("|"))

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The placeholders among the choices."""
        return tuple(VOCABULARY[choice] for choice in self.choices if choice in VOCABULARY)

    @property
    def rest(self) -> bool:
        """Whether it takes everything up to the end."""
        return any(kind.rest for kind in self.kinds)

    def takes(self, word: str) -> bool:
        """Whether a word may stand there."""
        literal = any(word.lower() == choice for choice in self.choices if choice not in VOCABULARY)
        return literal or any(not kind.pattern or re.fullmatch(kind.pattern, word) for kind in self.kinds)

    @property
    def what(self) -> str:
        """In words: what is to stand there."""
        words = [VOCABULARY[choice].what if choice in VOCABULARY else choice for choice in self.choices]
        return " or ".join(words)

    @property
    def called(self) -> str:
        """The same, shorter."""
        return next((kind.called for kind in self.kinds if kind.called), self.what)

    @property
    def asked(self) -> str:
        """As "say …" goes on."""
        return next((kind.asked for kind in self.kinds if kind.asked), self.called)


class UsageMismatch(ValueError):
    """What somebody wrote does not fit the usage; says which argument and why."""


@dataclass(frozen=True, slots=True)
class Usage:
    """One way to write a command."""

    line: str

    @property
    def parts(self) -> tuple[Part, ...]:
        """The places of the line. Raises ``ValueError`` for a placeholder that nobody knows."""
        return tuple(map(_part, _PIECE.findall(self.line.replace(" | ", " ¦ "))))

    @property
    def keyword(self) -> str:
        """The word that tells this way from the others; empty if it has none."""
        first = self.parts[0] if self.parts else None
        return first.word if first and not first.optional and not first.kinds else ""

    def read(self, text: str) -> dict[str, str]:
        """The arguments by placeholder (``…`` ones joined by a blank, words in quotes without these).

        Raises ``UsageMismatch``.
        """
        found: dict[str, str] = {}
        fields, rest = self._fields(), text.strip()
        for number, field in enumerate(fields):
            if number == len(fields) - 1:
                _read(field, rest, found)
                break
            before, sign, rest = rest.partition("|")
            rest = rest.strip()
            is_needed = not any(part.optional for part in field)
            # Behind the first bar one before what may be left out may be left out with it.
            may_end = number > 0 and all(part.optional for later in fields[number + 1 :] for part in later)
            if is_needed and not (before.strip() and (sign or may_end)):
                later = fields[number + 1 :]
                if before.strip() and not sign:
                    raise UsageMismatch(_missing(text, later))
                behind = "".join(f", then a | and {each[0].called}" for each in later)
                raise UsageMismatch(f"{field[0].what} {'is' if field[0].rest else 'are'} needed{behind}")
            # What stands before a bar may hold blanks.
            if len(field) > 1:
                _read(field, before.strip(), found)
            elif before.strip():
                found[field[0].word] = before.strip()
        return found

    def _fields(self) -> Sequence[Sequence[Part]]:
        """The places between the bars."""
        fields: list[list[Part]] = [[]]
        for part in self.parts:
            if part.word == "¦":
                fields.append([])
            else:
                fields[-1].append(part)
        return fields


def _read(parts: Sequence[Part], rest: str, found: dict[str, str]) -> None:
    """Read places with blanks between them, into ``found``."""
    for part in parts:
        if part.rest:
            if not rest and not part.optional:
                raise UsageMismatch(f"{part.what} is needed{_after(found)}")
            if rest:
                found[part.word] = rest
            rest = ""
            continue
        words: list[str] = []
        while rest and not (words and not part.several):
            word, after = first_word(rest)
            if not part.takes(word):
                break
            words.append(word)
            rest = after
        if words:
            found[part.word] = " ".join(words)
        elif not part.optional:
            given = first_word(rest)[0] if rest else ""
            raise UsageMismatch(
                f"{part.what} is needed{_after(found)}" if not given else f"{shown(given)} is not {part.what}"
            )
    if rest:
        given = first_word(rest)[0]
        # One word at the end that an optional part did not take was most likely meant for it.
        left = next((part for part in parts if part.optional and part.word not in found), None)
        if left is not None and left.kinds:
            raise UsageMismatch(f"{shown(given)} is not {left.what}")
        if left is not None:
            raise UsageMismatch(f"{shown(given)} is too much: {left.what} can stand there, or nothing")
        only = ", ".join(part.what for part in parts) or "nothing"
        raise UsageMismatch(f"{shown(given)} is too much: after the command stands {only}")


_SHOWN_MOST = 40
"""Characters of what somebody wrote."""
_PIECE = re.compile(r"\[[^\]]*\]|[^\s\[\]]+")


def _part(piece: str) -> Part:
    inner = piece.strip("[]")
    part = Part(inner.removesuffix("…"), optional=piece.startswith("["), several=inner.endswith("…"))
    unknown = [choice for choice in part.choices if choice not in VOCABULARY and not re.fullmatch(r"[a-z-]+|¦", choice)]
    if unknown:
        raise ValueError(f"{unknown[0]!r} is no placeholder")
    return part


def _missing(written: str, later: Sequence[Sequence[Part]]) -> str:
    """What is to be said behind what was written without a bar, and how."""
    asked = " and ".join(field[0].asked for field in later)
    places = " | ".join(field[0].choices[0].lower() for field in later)
    return f"say {asked}: {_printable(written)} | {places}"


def _after(found: Mapping[str, str]) -> str:
    return f" after {shown(list(found.values())[-1])}" if found else ""


def shown(word: str) -> str:
    """A word as it may stand in an answer: short, in quotes, with nothing in it that does not print."""
    return f"“{_printable(word)}”"


def _printable(text: str) -> str:
    short = text if len(text) <= _SHOWN_MOST else f"{text[:_SHOWN_MOST]}…"
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in short)


def first_word(text: str) -> tuple[str, str]:
    """The first word, or what stands in quotes, and the rest without the blanks between."""
    text = text.lstrip()
    end = QUOTES.get(text[:1])
    if end is not None:
        close = text.find(end, 1)
        after = text[close + 1 : close + 2]
        if close > 0 and (not after or after.isspace()):
            return text[1:close], text[close + 1 :].lstrip()
    found = _WORD.match(text)
    return (found[0], text[found.end() :].lstrip()) if found else ("", "")


_WORD = re.compile(r"\S+")


def words_of(text: str) -> Sequence[str]:
    """All words, quoted ones as one."""
    words = []
    while text.strip():
        word, text = first_word(text)
        words.append(word)
    return words
