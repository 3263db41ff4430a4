"""Shaping: fit a message to what a provider can carry, and lose none of its words (pure).

Text that is too long becomes several parts (:mod:`bot.text` says where it is cut). Files stand in messages as the
provider takes them, in their order, with the words on the first; what it cannot carry is said in words.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain, repeat

import regex  # type: ignore[import-untyped]

from bot.names import defuse, display_name, one_line
from bot.text import TextUnit, closing, cut, fitted, measure, split, surely_fits
from bridges.api import Capabilities
from bridges.model import Attachment, Contact, LinkButton, Location, Message, Person, Poll, Span, SpanKind
from bridges.spans import plain, with_addresses

DEFAULT_TEMPLATE = "{sender}: {text}"
LONGEST_TEMPLATE = 512
LONGEST_QUOTE = 80

# Below this there is no room for a sender and a mark beside the words.
_ROOM_FOR_EXTRAS = 32
# A sender line takes at most this share of a message, so that the words always have the most of it.
_PREFIX_SHARE = 4
_LONGEST_PLACE = 200
_ONLY_BUTTONS = "🔗"
"""The words of a message that is there for its buttons only."""
_CONTINUED = "… (continued in the file)"
_EMOJI = regex.compile(r"(?=.*[\p{Extended_Pictographic}\p{Regional_Indicator}\u20E3])\X", regex.DOTALL)


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
    name: str | None = None,
    whole: Attachment | None = None,
) -> Shaped:
    """Make of a message the parts that a provider takes. Raises ``TemplateError`` only.

    ``template`` None sends the bare text. ``name`` is what the sender is called there; ``links`` gives a URL for an
    attachment's ``ref``, to stand beside the note that takes the attachment's place; ``answers`` is quoted before
    everything else. ``whole`` is the text as a file: it is sent along where the words do not fit into one message, and
    these end where the message does.

    The first part has the reply, the first files and as many words as fit. Then come the files that do not fit beside
    them, a place and a card, each in a message without words, then the rest of the words: so an edit of the words
    adds and removes parts at the end only. Each part with words begins with the sender and, if there are several, a
    mark such as ``(2/5)``; nothing else is added. Where a message holds less than 32 units there is no room for these
    and the words go alone. What can have no words beside it (a sticker, a place) comes after a line that says who
    shares it, unless the bare text is sent.

    ``Message.links`` stay with the last part that can have buttons; an album cannot, so that the words follow it then.
    Where there are no such buttons they are lines of the text, and stay with a part all the same: an edit keeps them.
    """
    if answers is not None:
        line = quote_line(answers)
        smaller = _without_room(capabilities, measure(line, unit=capabilities.text_unit))
        if min(smaller.text_limit, smaller.caption_limit or smaller.text_limit) >= _ROOM_FOR_EXTRAS:
            shaped = shape(message, capabilities=smaller, template=template, links=links, name=name, whole=whole)
            return replace(shaped, parts=(quoting(shaped.parts[0], original=answers), *shaped.parts[1:]))
    text, spans = message.text, message.spans
    more = bool(message.attachments or message.location or message.contact or message.poll)
    says_links = bool(message.links) and not capabilities.link_buttons
    if template is None and not spans and not more and not says_links and surely_fits(text, capabilities):
        return Shaped((message,))
    notes: list[str] = []
    if spans and capabilities.markup == "none":
        text, spans = plain(message), ()
    if template is not None:
        text += closing(text)
    prefix, suffix = _frame(template, message.sender, name)
    first: Message | None = None
    lead: list[Message] = []
    others: list[Message] = []
    below: list[str] = []
    if more:
        others, below = _along(message, capabilities=capabilities, links=links or {}, notes=notes)
        if message.links and others and not says_links and all(len(each.attachments) > 1 for each in others):
            lead, others = others, []
            text = text or _ONLY_BUTTONS
        if others and _takes_words(others[0], capabilities):
            first = others.pop(0)
        elif others and not text and not below:
            if not (prefix + suffix).strip():
                first = others.pop(0)
            else:
                text = _announced(others[0])
    if says_links:
        below += link_lines(message.links)
    limit, unit = capabilities.text_limit, capabilities.text_unit
    limits = (capabilities.caption_limit or limit if first is not None and first.attachments else limit, limit)
    after = "".join(f"\n{line}" for line in below) + suffix
    if capabilities.markup == "markdown" and (anchors := [span for span in spans if span.kind is SpanKind.LINK]):
        # Where the server refuses Markdown, or an answer can have none, the bridge says the addresses in the words:
        # what is too long for that has them there from the beginning, and is split with them.
        said = with_addresses(message.model_copy(update={"text": text}), anchors)
        if measure(prefix + said.text + after, unit=unit) > limit:
            text, spans = said.text, said.spans
    if (
        whole is not None
        and goes_along(whole, capabilities) is None
        and measure(prefix + text + after, unit=unit) > limits[0]
    ):
        room = limits[0] - measure(prefix + _CONTINUED + after, unit=unit)
        if room >= _ROOM_FOR_EXTRAS:
            (_, end), *_ = split(text, rooms=repeat(room), unit=unit)
            kept = text[:end].rstrip()
            text, spans = kept + _CONTINUED, _rebased(spans, start=0, end=len(kept), shift=0)
            others.append(Message(attachments=(whole,)))
    text += after if text else after.removeprefix("\n")
    if not text:
        prefix = prefix.rstrip()
    without = _without_more(message) if more else message  # a copy costs more than all else here
    words = _worded(without, text=text, spans=spans, prefix=prefix, limits=limits, unit=unit)
    later = {"reply_to": None}
    parts = [words[0] if first is None else _with(words[0], first)]
    bare = without.model_copy(update={"text": "", "spans": (), "buttons": (), **later}) if lead or others else without
    parts += [_with(bare, other) for other in others]
    parts += [part.model_copy(update=later) for part in words[1:]]
    if lead:
        answers_first = _with(bare, lead[0]).model_copy(update={"reply_to": message.reply_to})
        parts[0] = parts[0].model_copy(update=later)
        parts = [answers_first, *(_with(bare, each) for each in lead[1:]), *parts]
    return Shaped(_linked(parts, capabilities), tuple(notes))


def link_lines(links: Sequence[LinkButton]) -> list[str]:
    """Buttons where there are none: a line for each, its label and its address."""
    return [f"{each.label}: {each.url}" for each in links]


def _linked(parts: Sequence[Message], capabilities: Capabilities) -> tuple[Message, ...]:
    """The parts of a message with its links below one of them only: the last that can have them."""
    if not parts[0].links:
        return tuple(parts)
    able = [number for number, part in enumerate(parts) if _takes_links(part, capabilities)]
    chosen = able[-1] if able else len(parts) - 1
    return tuple(
        part if number == chosen else part.model_copy(update={"links": ()}) for number, part in enumerate(parts)
    )


def _takes_links(part: Message, capabilities: Capabilities) -> bool:
    """Whether buttons can stand below it, and an edit can change them: of an album, a place or a card it cannot."""
    if part.location is not None or part.contact is not None or len(part.attachments) > 1:
        return False
    return not part.attachments or part.attachments[0].kind not in capabilities.captionless


def _without_more(message: Message) -> Message:
    return message.model_copy(update={"attachments": (), "location": None, "contact": None, "poll": None})


def _with(part: Message, along: Message) -> Message:
    return part.model_copy(
        update={"attachments": along.attachments, "location": along.location, "contact": along.contact}
    )


def _worded(
    message: Message,
    *,
    text: str,
    spans: Sequence[Span],
    prefix: str,
    limits: tuple[int, int],
    unit: TextUnit,
) -> list[Message]:
    """These words in the message's place, in one part or several. ``limits``: of the first part and of the others."""
    if measure(prefix + text, unit=unit) <= limits[0]:
        ranges, heads = [(0, len(text))], [prefix]
    else:
        ranges, heads = _ranges(text, prefix=prefix, limits=limits, unit=unit)
    parts = []
    ordered = sorted(spans, key=lambda span: span.start)
    begun = 0
    going_on: list[Span] = []
    for (start, end), head in zip(ranges, heads, strict=True):
        # Only those that reach into this part are looked at.
        going_on = [span for span in going_on if span.start + span.length > start]
        while begun < len(ordered) and ordered[begun].start < end:
            going_on.append(ordered[begun])
            begun += 1
        changed: dict[str, object] = {
            "text": head + text[start:end],
            "spans": _rebased(going_on, start=start, end=end, shift=len(head)) if going_on else (),
        }
        if end < len(text):
            changed["buttons"] = ()
        parts.append(message.model_copy(update=changed))
    return parts


def _without_room(capabilities: Capabilities, size: int) -> Capabilities:
    caption = capabilities.caption_limit
    # 0 means that there is no limit of its own.
    return replace(
        capabilities, text_limit=capabilities.text_limit - size, caption_limit=max(caption - size, 1) if caption else 0
    )


def quote_line(original: Message) -> str:
    """A line before an answer that says what it answers, for where one cannot thread."""
    words = _beginning(plain(original))
    if not words:
        said = [attachment_note(each) for each in original.attachments]
        words = _beginning(" ".join([*said, *_words_of(original.location, original.contact, original.poll)]))
    who = f"{display_name(original.sender)}: " if original.sender else ""
    return f"> {who}{words}\n"


def quoting(message: Message, *, original: Message) -> Message:
    """The message with the quotation at its beginning."""
    return after_line(message, quote_line(original))


def after_line(message: Message, line: str) -> Message:
    """The message below a line of our own that quotes; ``quote`` has that line, so that an edit can keep it."""
    if not line:
        return message
    spans = _rebased(message.spans, start=0, shift=len(line))
    return message.model_copy(update={"text": line + message.text, "spans": spans, "reply_to": None, "quote": line})


def quoted(text: str) -> str:
    """The beginning of old words, in quotation marks, on one line and pinging nobody."""
    words = _beginning(text)
    return f"“{words}”" if words else "a message"


def _beginning(text: str) -> str:
    return cut(" ".join(defuse(text).split()), LONGEST_QUOTE)


def attachment_note(attachment: Attachment) -> str:
    """What stands in the text for a file that cannot go along, such as ``[image: cat.png, 120 kB]``."""
    name = one_line(attachment.name)
    about = [name] if name else []
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


def place_words(place: Location) -> str:
    """A place for people, with a map that anybody can open."""
    latitude, longitude = f"{place.latitude:z.5f}", f"{place.longitude:z.5f}"
    name = one_line(place.name, most=_LONGEST_PLACE)
    at = f"{latitude}, {longitude} https://www.openstreetmap.org/?mlat={latitude}&mlon={longitude}"
    return f"📍 {name}, {at}" if name else f"📍 {at}"


def contact_words(contact: Contact) -> str:
    """A card in a line."""
    return "👤 " + ", ".join(words for words in (one_line(contact.name), one_line(contact.phone)) if words)


def poll_words(poll: Poll) -> str:
    """A poll as text: the question, and the answers numbered below it."""
    lines = [f"📊 {one_line(poll.question, most=_LONGEST_PLACE * 2)}"]
    lines += [f"{number}. {one_line(each, most=_LONGEST_PLACE)}" for number, each in enumerate(poll.options, start=1)]
    return "\n".join(lines)


def _words_of(location: Location | None, contact: Contact | None, poll: Poll | None) -> list[str]:
    words = [] if location is None else [place_words(location)]
    words += [] if contact is None else [contact_words(contact)]
    return words if poll is None else [*words, poll_words(poll)]


# --- parts -----------------------------------------------------------------------------------------------


def _frame(template: str | None, sender: Person | None, name: str | None) -> tuple[str, str]:
    """What stands before each part and after the last, with the sender filled in."""
    if template is None:
        return "", ""
    frame = parse_template(template)
    if sender is None:
        return _without_sender(frame.before), _without_sender(frame.after)
    name = name or display_name(sender)
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


def _ranges(
    text: str, *, prefix: str, limits: tuple[int, int], unit: TextUnit
) -> tuple[list[tuple[int, int]], list[str]]:
    """Ranges of the text and what stands before each."""
    least = min(limits)
    marked = least >= _ROOM_FOR_EXTRAS
    prefix = fitted(prefix, most=least // _PREFIX_SHARE, unit=unit) if marked else ""
    # So many parts at least: guessing low would mean to cut everything once more for each digit.
    digits = len(str(-(-measure(text, unit=unit) // max(*limits, 1)))) if marked else 1
    while True:
        mark_length = len(f"({'9' * digits}/{'9' * digits}) ") if marked else 0
        taken = measure(prefix, unit=unit) + mark_length
        ranges = split(text, rooms=chain([limits[0] - taken], repeat(limits[1] - taken)), unit=unit) or [(0, 0)]
        count = len(ranges)
        if not marked or len(str(count)) <= digits:
            break
        digits = len(str(count))
    if not marked:
        return ranges, [""] * count
    if count == 1:
        return ranges, [prefix if text else prefix.rstrip()]  # cutting the sender was enough
    return ranges, [f"{prefix}({number}/{count}) " for number in range(1, count + 1)]


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


# --- beside the words ------------------------------------------------------------------------------------


def goes_along(attachment: Attachment, capabilities: Capabilities) -> str | None:
    """Why a file cannot be sent there as it is; None: it can."""
    kinds, most = capabilities.attachment_kinds, capabilities.attachment_bytes
    if capabilities.attachments == "none":
        return "files cannot be sent there"
    if kinds and attachment.kind not in kinds:
        return f"only {' and '.join(kinds)} can be sent there"
    if capabilities.keeps and attachment.account == capabilities.keeps:
        return None
    if attachment.kind == "sticker" and not capabilities.keeps and not attachment.media_type.startswith("image/"):
        return "only stickers that are pictures can be shown there"
    if most and attachment.size is not None and attachment.size > most:
        return f"files there have at most {size_text(most)}"
    return None


def _along(
    message: Message, *, capabilities: Capabilities, links: Mapping[str, str], notes: list[str]
) -> tuple[list[Message], list[str]]:
    """What goes beside the words, each for a message of its own, and lines of text for what does not go."""
    kept: list[Attachment] = []
    lines: list[str] = []
    for attachment in message.attachments:
        reason = goes_along(attachment, capabilities)
        if reason is None:
            kept.append(attachment)
            continue
        note = attachment_note(attachment)
        if attachment.kind == "sticker" and _EMOJI.fullmatch(attachment.name):
            lines.append(attachment.name)
            notes.append(f"{note} did not go along, {reason}; its emoji stands in the text")
            continue
        if attachment.size == 0:
            lines.append(f"{note[:-1]}: it is empty]")
            notes.append(f"{note} did not go along, it is empty; a note stands in the text")
            continue
        url = links.get(attachment.ref) or attachment.link
        lines.append(f"{note} {url}" if url else note)
        instead = "a link stands in the text" if url else "a note stands in the text"
        notes.append(f"{note} did not go along, {reason}; {instead}")
    along = [Message(attachments=group) for group in _grouped(kept, capabilities)]
    location, contact = message.location, message.contact
    if location is not None and capabilities.locations:
        along.append(Message(location=_shown_place(location)))
        location = None
    if contact is not None and one_line(contact.phone) and capabilities.contacts:  # a card is nothing without a number
        along.append(Message(contact=_shown_card(contact)))
        contact = None
    return along, [*lines, *_words_of(location, contact, message.poll)]


def _shown_place(place: Location) -> Location:
    """The place with a name that does no harm in the card that its client makes of it."""
    return place.model_copy(update={"name": one_line(place.name, most=_LONGEST_PLACE)})


def _shown_card(card: Contact) -> Contact:
    phone = one_line(card.phone)
    return card.model_copy(update={"name": one_line(card.name) or phone, "phone": phone})


def _grouped(attachments: Sequence[Attachment], capabilities: Capabilities) -> list[tuple[Attachment, ...]]:
    """The files in their order, as many in each message as may stand there together."""
    groups: list[list[Attachment]] = []
    for attachment in attachments:
        if groups and _may_join(attachment, groups[-1], capabilities):
            groups[-1].append(attachment)
        else:
            groups.append([attachment])
    return [tuple(group) for group in groups]


def _may_join(attachment: Attachment, group: Sequence[Attachment], capabilities: Capabilities) -> bool:
    kinds = {attachment.kind, *(each.kind for each in group)}
    if capabilities.attachments_most and len(group) >= capabilities.attachments_most:
        return False
    if kinds.intersection(capabilities.captionless):
        return False
    return not capabilities.albums or any(kinds.issubset(album) for album in capabilities.albums)


def _takes_words(along: Message, capabilities: Capabilities) -> bool:
    return bool(along.attachments) and along.attachments[0].kind not in capabilities.captionless


def _announced(along: Message) -> str:
    """Words for the line above what can have no words itself."""
    if along.location is not None:
        return "📍 shares a place"
    if along.contact is not None:
        return "👤 shares a contact"
    file = along.attachments[0]
    return file.name if _EMOJI.fullmatch(file.name) else f"shares a {file.kind}"
