"""Shaping: fit a message to what a provider can carry, and lose none of its words (pure).

Text is counted in the provider's own unit. Where it has to be cut, it is cut between words, else between
grapheme clusters (what a reader sees as one character, Unicode UAX #29 through ``regex``'s ``\\X``), and only
a single cluster longer than a whole message is cut between its code points.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from typing import Literal, TypeAlias

import regex  # type: ignore[import-untyped]

from bridges.api import Capabilities
from bridges.model import Attachment, Message, Person, Span, SpanKind

TextUnit: TypeAlias = Literal["codepoints", "utf16", "bytes"]

DEFAULT_TEMPLATE = "{sender}: {text}"
LONGEST_TEMPLATE = 512
LONGEST_NAME = 64
"""Code points of a display name that are shown; a name has no limit at some providers."""
LONGEST_QUOTE = 80

_WORD_JOINER = "\u2060"
_ELLIPSIS = "…"
# Below this there is no room for a sender and a mark beside the words.
_ROOM_FOR_EXTRAS = 32
# A sender line takes at most this share of a message, so that the words always have the most of it.
_PREFIX_SHARE = 4


class TemplateError(ValueError):
    """A template that cannot be used; says what was wrong and gives one valid example."""


@dataclass(frozen=True, slots=True)
class Template:
    """What stands before and after the text; ``{sender}`` in it is still to be filled in."""

    before: tuple[str | None, ...]
    """Literal pieces; None is where the sender goes."""
    after: tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Shaped:
    """A message as it goes out: one or more parts in order, and what could not be carried."""

    parts: tuple[Message, ...]
    notes: tuple[str, ...] = ()
    """Sentences for the author: what the other side does not get as it was."""


@lru_cache(maxsize=1024)
def parse_template(template: str) -> Template:
    """Read a template such as ``{sender}: {text}``; raises ``TemplateError``. ``{{`` and ``}}`` are braces."""
    example = f'as in "{DEFAULT_TEMPLATE}"'
    if len(template) > LONGEST_TEMPLATE:
        raise TemplateError(f"it has {len(template)} characters, at most {LONGEST_TEMPLATE} are possible, {example}")
    before: list[str | None] = []
    after: list[str | None] = []
    pieces = before
    try:
        parsed = list(string.Formatter().parse(template))
    except ValueError as error:
        raise TemplateError(f"its braces do not pair (a brace itself is written twice), {example}") from error
    for literal, field, spec, conversion in parsed:
        if literal:
            pieces.append(literal)
        if field is None:
            continue
        if field not in ("sender", "text") or spec or conversion:
            raise TemplateError(f"there is only {{sender}} and {{text}} to fill in, {example}")
        if field == "sender":
            pieces.append(None)
        elif pieces is after:
            raise TemplateError(f"{{text}} stands in it twice, {example}")
        else:
            pieces = after
    if pieces is before:
        raise TemplateError(f"{{text}} is missing, so nothing of the message would arrive, {example}")
    return Template(tuple(before), tuple(after))


def shape(
    message: Message,
    *,
    capabilities: Capabilities,
    template: str | None,
    links: Mapping[str, str] | None = None,
    answers: Message | None = None,
) -> Shaped:
    """Make of a message the parts that a provider takes. Raises ``TemplateError`` only.

    ``template`` None sends the bare text. ``links`` gives a URL for an attachment's ``ref``, to stand beside
    the note that takes the attachment's place; ``answers`` is quoted before everything else. Attachments and the reply
    go with the first part, buttons with the last; each part begins with the sender and, if there are several, a mark
    such as ``(2/5)``; nothing else is added. Where a message holds less than 32 units there is no room for these and
    the words go alone.
    """
    text, spans = message.text, message.spans
    if answers is not None:
        line = quote_line(answers)
        room = capabilities.text_limit - measure(line, unit=capabilities.text_unit)
        if room >= _ROOM_FOR_EXTRAS:
            smaller = replace(capabilities, text_limit=room)
            shaped = shape(message, capabilities=smaller, template=template, links=links)
            return replace(shaped, parts=(quoting(shaped.parts[0], original=answers), *shaped.parts[1:]))
    if template is None and not spans and not message.attachments and _surely_fits(text, capabilities):
        return Shaped((message,))
    notes: list[str] = []
    if spans and capabilities.markup == "none":
        text, spans = plain(message), ()
    attachments = message.attachments
    if attachments:
        attachments, lines = _carried(attachments, capabilities=capabilities, links=links or {}, notes=notes)
        text = "\n".join([text, *lines] if text else lines)
    prefix, suffix = _frame(template, message.sender)
    if not text:
        prefix = prefix.rstrip()
    if suffix:
        text += suffix
    unit, limit = capabilities.text_unit, capabilities.text_limit
    if _surely_fits(text, capabilities, extra=prefix) or measure(prefix + text, unit=unit) <= limit:
        ranges, heads = [(0, len(text))], [prefix]
    else:
        ranges, heads = _ranges(text, prefix=prefix, limit=limit, unit=unit)
    parts = []
    for (start, end), head in zip(ranges, heads, strict=True):
        changed: dict[str, object] = {
            "text": head + text[start:end],
            "spans": _rebased(spans, start=start, end=end, shift=len(head)) if spans else (),
            "attachments": attachments if start == 0 else (),
        }
        if start > 0:
            changed["reply_to"] = None
        if end < len(text):
            changed["buttons"] = ()
        parts.append(message.model_copy(update=changed))
    return Shaped(tuple(parts), tuple(notes))


def plain(message: Message) -> str:
    """The text without formatting: unchanged, but a link whose words are not its address has it in brackets."""
    ends: dict[int, list[str]] = {}
    for span in message.spans:
        if span.kind is SpanKind.LINK and span.value:
            end = span.start + span.length
            known = ends.setdefault(min(end, len(message.text)), [])
            label = message.text[span.start : end]
            if span.value not in known and _bare_address(label) != _bare_address(span.value):
                known.append(span.value)
    text = message.text
    for end in sorted(ends, reverse=True):
        text = text[:end] + "".join(f" ({url})" for url in ends[end]) + text[end:]
    return text


def quote_line(original: Message) -> str:
    """A line before an answer that says what it answers, for where one cannot thread."""
    words = " ".join(plain(original).split())
    if not words:
        words = " ".join(attachment_note(each) for each in original.attachments)
    who = f"{display_name(original.sender)}: " if original.sender else ""
    return f"> {who}{_cut(words, LONGEST_QUOTE)}\n"


def quoting(message: Message, *, original: Message) -> Message:
    """The message with the quotation at its beginning."""
    line = quote_line(original)
    spans = _rebased(message.spans, start=0, shift=len(line))
    return message.model_copy(update={"text": line + message.text, "spans": spans, "reply_to": None})


def quoted(text: str) -> str:
    """The beginning of old words, in quotation marks, on one line and pinging nobody."""
    words = " ".join(_AT.sub("@" + _WORD_JOINER, _BIDI.sub("", text)).split())
    return f"“{_cut(words, LONGEST_QUOTE)}”" if words else "a message"


def attachment_note(attachment: Attachment) -> str:
    """What stands in the text for a file that cannot go along, such as ``[image: cat.png, 120 kB]``."""
    name = " ".join(defuse(attachment.name).split())
    about = [_cut(name, LONGEST_NAME)] if name else []
    if attachment.size is not None:
        about.append(size_text(attachment.size))
    return f"[{attachment.kind}: {', '.join(about)}]" if about else f"[{attachment.kind}]"


def size_text(size: int) -> str:
    """A number of bytes for people, in decimal units as file managers show them."""
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= factor:
            value = size / factor
            return f"{value:.1f} {unit}" if value < 10 and round(value, 1) % 1 else f"{value:.0f} {unit}"
    return f"{size} B"


# --- names and mentions ----------------------------------------------------------------------------------

_AT = re.compile(r"@(?=\w)")
_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")
_INVISIBLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
# Telegram takes an @word for a mention after anything but a letter, a digit or _; which letters those are depends
# on its Unicode tables, so only the ASCII ones are trusted here. A web address that it recognises swallows the
# @words in it; the pattern is narrower than Telegram's, since a path ends for it where brackets do not pair.
# https://github.com/tdlib/td td/telegram/MessageEntity.cpp, match_mentions, match_urls, fix_url (2026-11).
_MENTION = re.compile(r"(?<![A-Za-z0-9_])@(?=\w)")
_WEB_ADDRESS = re.compile(
    r"(?<![\w+-])https?://(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,}(?::[0-9]{1,4})?"
    r"[/?#][^\s<>«»\"()\[\]{}\u2000-\u206f]*",
    re.IGNORECASE | re.ASCII,
)


def defuse(text: str) -> str:
    """Make a display name harmless: it pings nobody and does not turn the direction of what follows."""
    if text.isascii() and "@" not in text:
        return text
    return _AT.sub("@" + _WORD_JOINER, _BIDI.sub("", text))


def defuse_text(message: Message) -> Message:
    """The message with every ``@name`` in its text made harmless, for Telegram, which pings on plain text.

    Words that are code or part of a web address stay, since nobody is pinged by them. Mentions as spans go, and
    links into the app, which Telegram turns into mentions (``tg://user?id=…``).
    """
    text = message.text
    spans = tuple(span for span in message.spans if not _pings(span))
    if "@" not in text:
        return message if len(spans) == len(message.spans) else message.model_copy(update={"spans": spans})
    quiet = [found.span() for found in _WEB_ADDRESS.finditer(text)] if "://" in text else []
    quiet += [(span.start, span.start + span.length) for span in spans if span.kind in (SpanKind.CODE, SpanKind.PRE)]
    cuts = [
        found.end()
        for found in _MENTION.finditer(text)
        if not any(start <= found.start() < end for start, end in quiet)
    ]
    bounds = [0, *cuts, len(text)]
    pieces = [text[start:end] for start, end in pairwise(bounds)]
    return message.model_copy(
        update={"text": _WORD_JOINER.join(pieces), "spans": tuple(_widened(span, cuts) for span in spans)}
    )


def _pings(span: Span) -> bool:
    if span.kind is SpanKind.LINK:
        return (span.value or "").strip().lower().startswith("tg:")
    return span.kind is SpanKind.MENTION


def display_name(person: Person) -> str:
    """A person's name fit to stand before their words: on one line, harmless, of bounded length."""
    name = person.name or person.id
    if name.isascii() and name.isprintable() and "@" not in name and len(name) <= LONGEST_NAME:
        return name
    return _cut(" ".join(_INVISIBLE.sub(" ", defuse(name)).split()), LONGEST_NAME)


def _widened(span: Span, cuts: Sequence[int]) -> Span:
    """The span after a character was put in at each of the cuts (offsets in the old text)."""
    end = span.start + span.length
    before = sum(cut <= span.start for cut in cuts)
    inside = sum(span.start < cut < end for cut in cuts)
    return span.model_copy(update={"start": span.start + before, "length": span.length + inside})


# --- UTF-16 ----------------------------------------------------------------------------------------------


def utf16_length(text: str) -> int:
    """The length in UTF-16 code units, in which Telegram counts text and entities."""
    if text.isascii():
        return len(text)
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def utf16_offsets(text: str) -> Sequence[int]:
    """Offsets in UTF-16 units, indexed by code point; one more than the text has, for its end."""
    if text.isascii() or max(text) <= "\uffff":
        return range(len(text) + 1)
    offsets = [0]
    at = 0
    for char in text:
        at += 2 if char > "\uffff" else 1
        offsets.append(at)
    return offsets


def codepoint_offsets(text: str) -> Sequence[int]:
    """Offsets in code points, indexed by UTF-16 unit: the inverse of :func:`utf16_offsets`.

    A unit in the middle of a surrogate pair gives the code point that the pair is.
    """
    if text.isascii() or max(text) <= "\uffff":
        return range(len(text) + 1)
    offsets: list[int] = []
    for index, char in enumerate(text):
        offsets.append(index)
        if char > "\uffff":
            offsets.append(index)
    offsets.append(len(text))
    return offsets


def measure(text: str, *, unit: TextUnit) -> int:
    """The length of a text as a provider counts it."""
    match unit:
        case "codepoints":
            return len(text)
        case "utf16":
            return utf16_length(text)
        case "bytes":
            return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


# --- parts -----------------------------------------------------------------------------------------------

_GRAPHEME: re.Pattern[str] = regex.compile(r"\X")
# Blanks that hold two words together: 10 000 €, Mme Curie.
_NO_BREAK = frozenset("\u00a0\u2007\u202f\ufeff")
_LONGEST_UNIT: Mapping[TextUnit, int] = {"codepoints": 1, "utf16": 2, "bytes": 4}


def _surely_fits(text: str, capabilities: Capabilities, *, extra: str = "") -> bool:
    return (len(text) + len(extra)) * _LONGEST_UNIT[capabilities.text_unit] <= capabilities.text_limit


def _frame(template: str | None, sender: Person | None) -> tuple[str, str]:
    """What stands before each part and after the last, with the sender filled in."""
    if template is None:
        return "", ""
    frame = parse_template(template)
    if sender is None:
        return _without_sender(frame.before), _without_sender(frame.after)
    name = display_name(sender)
    before = "".join([name if piece is None else piece for piece in frame.before])
    after = "".join([name if piece is None else piece for piece in frame.after]) if frame.after else ""
    return before, after


def _without_sender(pieces: Iterable[str | None]) -> str:
    """The pieces for a message that nobody wrote: the colon that followed the name goes too."""
    words: list[str] = []
    gone = False
    for piece in pieces:
        if piece is None:
            gone = True
            continue
        words.append(re.sub(r"\A\s*:?\s*", "", piece) if gone else piece)
        gone = False
    return "".join(words)


def _ranges(text: str, *, prefix: str, limit: int, unit: TextUnit) -> tuple[list[tuple[int, int]], list[str]]:
    """Ranges of the text and what stands before each."""
    marked = limit >= _ROOM_FOR_EXTRAS
    prefix = _fitted(prefix, most=limit // _PREFIX_SHARE, unit=unit) if marked else ""
    digits = 1
    while True:
        mark_length = len(f"({'9' * digits}/{'9' * digits}) ") if marked else 0
        ranges = _split(text, room=limit - measure(prefix, unit=unit) - mark_length, unit=unit)
        count = len(ranges)
        if not marked or len(str(count)) <= digits:
            break
        digits = len(str(count))
    if not marked:
        return ranges, [""] * count
    return ranges, [f"{prefix}({number}/{count}) " for number in range(1, count + 1)]


def _split(text: str, *, room: int, unit: TextUnit) -> list[tuple[int, int]]:
    """Cut a text into ranges of at most ``room`` units, between words where there are any."""
    ranges: list[tuple[int, int]] = []
    start = 0
    while start < len(text):
        end = _reach(text, start, room=room, unit=unit)
        if end < len(text):
            end = _cut_before(text, start, most=end)
        ranges.append((start, end))
        start = end
    return ranges


def _reach(text: str, start: int, *, room: int, unit: TextUnit) -> int:
    """The furthest offset whose distance from ``start`` is at most ``room`` units; one code point at least."""
    if unit == "codepoints":
        return max(min(start + room, len(text)), start + 1)
    window = text[start : start + room]
    if measure(window, unit=unit) <= room:
        return max(start + len(window), start + 1)
    low, high = 1, len(window)
    while low < high:
        middle = (low + high + 1) // 2
        if measure(window[:middle], unit=unit) <= room:
            low = middle
        else:
            high = middle - 1
    return start + low


def _cut_before(text: str, start: int, *, most: int) -> int:
    """The best place to cut in ``(start, most]``: after a word, else after a grapheme cluster, else there."""
    boundaries = _boundaries(text, start, most=most)
    after = next((at for at in reversed(boundaries) if _is_blank(text[at - 1])), None)
    if after is not None:
        return after
    return boundaries[-1] if boundaries else most


def _boundaries(text: str, start: int, *, most: int) -> Sequence[int]:
    """Ends of grapheme clusters in ``(start, most]``."""
    if text[start : most + 1].isascii() and "\r" not in text[start : most + 1]:
        return range(start + 1, most + 1)
    ends: list[int] = []
    for found in _GRAPHEME.finditer(text, start):
        if found.end() > most:
            break
        ends.append(found.end())
    return ends


def _is_blank(char: str) -> bool:
    return char.isspace() and char not in _NO_BREAK


def _fitted(prefix: str, *, most: int, unit: TextUnit) -> str:
    """A prefix that is not longer than ``most`` units, cut if it has to be."""
    if measure(prefix, unit=unit) <= most:
        return prefix
    tail = _ELLIPSIS + " "
    end = _reach(prefix, 0, room=most - measure(tail, unit=unit), unit=unit)
    boundaries = _boundaries(prefix, 0, most=end)
    return prefix[: boundaries[-1] if boundaries else end] + tail


def _cut(text: str, most: int) -> str:
    """The text in at most ``most`` code points, whole grapheme clusters if possible."""
    if len(text) <= most:
        return text
    boundaries = _boundaries(text, 0, most=most - 1)
    return text[: boundaries[-1] if boundaries else most - 1].rstrip() + _ELLIPSIS


def _rebased(spans: Iterable[Span], *, start: int, shift: int, end: int | None = None) -> tuple[Span, ...]:
    """The spans as far as they lie in a range of the text, counted from the range's own beginning."""
    found = []
    for span in spans:
        low, high = max(span.start, start), span.start + span.length
        if end is not None:
            high = min(high, end)
        if low < high:
            found.append(Span(kind=span.kind, start=low - start + shift, length=high - low, value=span.value))
    return tuple(found)


def _carried(
    attachments: Sequence[Attachment],
    *,
    capabilities: Capabilities,
    links: Mapping[str, str],
    notes: list[str],
) -> tuple[tuple[Attachment, ...], list[str]]:
    """The attachments that can go along, and a line of text for each of the others."""
    kept: list[Attachment] = []
    lines: list[str] = []
    most = capabilities.attachment_bytes
    for attachment in attachments:
        kinds = capabilities.attachment_kinds
        if capabilities.attachments == "none":
            reason = "files cannot be sent there"
        elif kinds and attachment.kind not in kinds:
            reason = f"only {' and '.join(kinds)} can be sent there"
        elif capabilities.attachments_most and len(kept) >= capabilities.attachments_most:
            reason = f"{capabilities.attachments_most} at most can be sent there at once"
        elif most and attachment.size is not None and attachment.size > most:
            reason = f"files there have at most {size_text(most)}"
        else:
            kept.append(attachment)
            continue
        note = attachment_note(attachment)
        url = links.get(attachment.ref) or attachment.link
        lines.append(f"{note} {url}" if url else note)
        instead = "a link stands in the text" if url else "a note stands in the text"
        notes.append(f"{note} did not go along, {reason}; {instead}")
    return tuple(kept), lines


def _bare_address(text: str) -> str:
    """An address as people write it, so that ``example.org`` and ``https://example.org/`` are the same."""
    bare = text.strip().lower()
    for scheme in ("https://", "http://", "mailto:", "tel:"):
        bare = bare.removeprefix(scheme)
    return bare.rstrip("/")
