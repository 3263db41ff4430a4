"""Names of people, and what in names and texts could do harm: pings, turned directions, characters nobody sees (pure).

Of our providers only Telegram pings on the plain words ``@name``: OpenIM wants a message of a kind of its own,
CINNOX, NetSapiens and Returning.AI document nothing of the sort. So texts are changed towards Telegram only
(:func:`defuse_text`), and arrive elsewhere as they were written, without spans that call somebody
(:func:`without_mentions`); names, quotations and notes are our own words and are made harmless everywhere.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import pairwise

import regex  # type: ignore[import-untyped]

from bot.text import cut
from bridges.model import Message, Person, Span, SpanKind

LONGEST_NAME = 64
"""Code points of a display name that are shown; a name has no limit at some providers."""
NOBODY = "someone"

# Of an endless name only the beginning is looked at.
_LOOKED_AT = 4096
_SUFFIX_LEAST = 4

_WORD_JOINER = "\u2060"
_AT = re.compile(r"@(?=\w)")
_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
# What shows nothing, but for what something seen is made of: joiners between emoji and in scripts that write with
# them, the variant of an emoji, the flags of England, Scotland and Wales.
_HIDDEN = regex.compile(
    r"(\U0001F3F4[\U000E0030-\U000E0039\U000E0061-\U000E007A]{1,6}\U000E007F"
    r"|(?<=[\p{Extended_Pictographic}\p{Emoji_Modifier}\p{Arabic}\p{Syriac}\p{Mongolian}\p{ccc=Virama}]|\p{Emoji}\uFE0F)"
    r"[\u200C\u200D](?=[\p{L}\p{M}\p{Extended_Pictographic}])"
    r"|(?<=\p{Emoji})[\uFE0E\uFE0F])"
    r"|[\p{Default_Ignorable_Code_Point}\u2800]"
)
_NOT_SHOWN = regex.compile(r"\p{Default_Ignorable_Code_Point}")
# More marks on one letter than any language puts there.
_FLOOD = regex.compile(r"(\p{M}{4})\p{M}+")
# Telegram takes an @word for a mention after anything but a letter, a digit or _; which letters those are depends
# on its Unicode tables, so only the ASCII ones are trusted here. A web address that it recognises swallows the
# @words in it; the pattern is narrower than Telegram's, since a path ends for it where brackets do not pair.
# https://github.com/tdlib/td td/telegram/MessageEntity.cpp, match_mentions, match_urls, fix_url (2026-11).
# A command for another bot, /word@name, is one behind the same characters: match_bot_commands in the same file.
_LIVE = re.compile(r"(?<![A-Za-z0-9_])(?:@(?=\w)|/(?=[A-Za-z0-9_]{1,64}@\w))")
_WEB_ADDRESS = re.compile(
    r"(?<![\w+-])https?://(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,}(?::[0-9]{1,4})?"
    r"[/?#][^\s<>«»\"()\[\]{}\u2000-\u206f]*",
    re.IGNORECASE | re.ASCII,
)


# --- harmless --------------------------------------------------------------------------------------------


def defuse(text: str) -> str:
    """Make words of others harmless: they ping nobody and do not turn the direction of what follows."""
    if text.isascii() and "@" not in text:
        return text
    return _AT.sub("@" + _WORD_JOINER, _BIDI.sub("", text))


def one_line(text: str, *, most: int = LONGEST_NAME) -> str:
    """A name of something as it can stand within a line: harmless, without what nobody sees, of bounded length."""
    if text.isascii() and text.isprintable() and "@" not in text and len(text) <= most and text == text.strip():
        return text
    shown = _CONTROL.sub(" ", text[:_LOOKED_AT])
    if not shown.isascii():
        shown = _FLOOD.sub(r"\1", _HIDDEN.sub(lambda found: found[1] or "", shown))
    return cut(" ".join(defuse(shown).split()), most)


def display_name(person: Person) -> str:
    """A person's name fit to stand before their words; one that shows nothing gives way to the id."""
    return one_line(person.name) or one_line(person.id) or NOBODY


def defuse_text(message: Message) -> Message:
    """The message with every ``@name`` and ``/word@name`` in its text made harmless, for Telegram, which acts on both.

    Words that are code or part of a web address stay, since nobody is pinged by them. Mentions as spans go, and
    links into the app, which Telegram turns into mentions (``tg://user?id=…``).
    """
    text = message.text
    spans = tuple(span for span in message.spans if not _pings(span))
    if "@" not in text:
        return message if len(spans) == len(message.spans) else message.model_copy(update={"spans": spans})
    quiet = [found.span() for found in _WEB_ADDRESS.finditer(text)] if "://" in text else []
    quiet += [(span.start, span.start + span.length) for span in spans if span.kind in (SpanKind.CODE, SpanKind.PRE)]
    cuts = list(_outside(sorted(quiet), [found.span() for found in _LIVE.finditer(text)]))
    bounds = [0, *cuts, len(text)]
    pieces = [text[start:end] for start, end in pairwise(bounds)]
    return message.model_copy(
        update={"text": _WORD_JOINER.join(pieces), "spans": tuple(_widened(span, cuts) for span in spans)}
    )


def without_mentions(message: Message) -> Message:
    """The message without the spans that call somebody by an id; the words stay."""
    spans = tuple(span for span in message.spans if span.kind is not SpanKind.MENTION)
    return message if len(spans) == len(message.spans) else message.model_copy(update={"spans": spans})


def _pings(span: Span) -> bool:
    if span.kind is SpanKind.LINK:
        return (span.value or "").strip().lower().startswith("tg:")
    return span.kind is SpanKind.MENTION


def _outside(quiet: Iterable[tuple[int, int]], found: Iterable[tuple[int, int]]) -> Iterator[int]:
    """The ends of those that begin in no quiet range; both are in order, and walked through once."""
    ranges = iter(quiet)
    upcoming = next(ranges, None)
    quiet_until = 0
    for start, end in found:
        while upcoming is not None and upcoming[0] <= start:
            quiet_until = max(quiet_until, upcoming[1])
            upcoming = next(ranges, None)
        if start >= quiet_until:
            yield end


def _widened(span: Span, cuts: Sequence[int]) -> Span:
    """The span after a character was put in at each of the cuts (offsets in the old text)."""
    end = span.start + span.length
    before = bisect_right(cuts, span.start)
    inside = bisect_left(cuts, end, lo=before) - before
    return span.model_copy(update={"start": span.start + before, "length": span.length + inside})


# --- told apart ------------------------------------------------------------------------------------------


def names_for(person: Person) -> Iterator[str]:
    """What a person may be called, the best first: their name, then with more and more of their id. It never ends."""
    name = display_name(person)
    yield name
    id = "".join(char for char in person.id.partition("@")[0] if char.isalnum()) or "x"
    for length in range(min(_SUFFIX_LEAST, len(id)), min(len(id), LONGEST_NAME // 2) + 1):
        yield _suffixed(name, id[-length:])
    number = 2
    while True:
        yield _suffixed(name, f"{id[-_SUFFIX_LEAST:]}-{number}")
        number += 1


def _suffixed(name: str, suffix: str) -> str:
    return f"{cut(name, LONGEST_NAME - len(suffix) - 2)} #{suffix}"


@lru_cache(maxsize=4096)
def looks(name: str) -> str:
    """What a reader sees of a name at a glance: two names with the same looks are easily taken for one another.

    Case, accents, blanks and punctuation do not count, and letters of other scripts are the Latin ones that they look
    like. Only to be compared: it is no name.
    """
    flat = unicodedata.normalize("NFKC", name).translate(_ALIKE).casefold()
    flat = unicodedata.normalize("NFKD", flat).translate(_ALIKE)
    seen = "".join(char for char in flat if unicodedata.category(char)[0] not in "CZP" and not _is_accent(char))
    return _NOT_SHOWN.sub("", seen).replace("rn", "m").replace("vv", "w") or name


def _is_accent(char: str) -> bool:
    # Also points of Hebrew and Arabic; but not the vowels of Indic scripts and of Thai, which are letters to a reader.
    place = unicodedata.combining(char)
    return place >= 200 or 10 <= place <= 36 or unicodedata.category(char) == "Me"


def _alike(pairs: str) -> dict[int, str]:
    return {ord(char): group[0] for group in pairs.split() for char in group[1:]}


# Each Latin letter and what is taken for it, after the idea of Unicode TR39 (confusables); the commonest are here.
# Capitals stand beside small letters, since they are looked up before and after case is folded.
_ALIKE = _alike(
    "aаαɑᴀАΑᎪ bвьβʙВΒᏴ cсϲᴄСϹᏟ dԁᴅđᎠ eеεᴇЕΕᎬєҽ fꜰϝ gɡցɢԌᏀ hһнհʜНΗᎻħ jјյϳᴊЈᎫ kкκᴋКΚᏦ lіιıɩɪʟłӏіIІΙӀᏞ1|iɭ mмᴍМΜᎷ"
    " nոηɴΝпп oоοσօᴏОΟՕ0øѳ pрρᴘРΡᏢ qԛզԚ rгʀᎡᏒ sѕꜱЅՏᏚ tтτᴛТΤᎢŧ uսυᴜՍʋ vνᴠѵᏙ wԝωᴡԜᏔᎳш xхχХΧ yуүγʏУΥҮ zᴢΖᏃ"
    " 3зЗ"
)
