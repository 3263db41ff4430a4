"""What a message will be at each of its targets, before it is sent: for somebody who is to press "Send".

The preview has the exact words, how many targets there are, and one line for each kind of rendering. Nothing is said of
what it costs: no provider here tells that; an SMS is paid by the segment, so these are counted.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat

from bot.addresses import TELEGRAM, Address
from bot.broadcaster import PACE_IN_ALL_PER_S, PACE_PER_S
from bot.names import defuse_text
from bot.relay import Relay
from bot.segments import Segments, segments
from bot.shaping import attachment_note, goes_along
from bot.store import Tx
from bot.text import cut, split, utf16_length
from bridges.api import Capabilities
from bridges.model import AccountName, Message, SpanKind
from bridges.spans import plain

PAGE_MOST = 4096
"""https://core.telegram.org/bots/api#sendmessage (2026-11), in UTF-16 units."""
LOOK_MOST = 200
"""How much is shown of a text that is another one over there."""

_LENT = re.compile(r"https?://\S+/files/[A-Za-z0-9_=-]{16,}")
"""A link to a file of ours: it is another one each time, because it expires."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What would be sent, in words and numbers."""

    text: str
    """All of it. The same message and targets give the same text."""
    pages: tuple[str, ...]
    """The same text in messages that Telegram takes; buttons belong to the last. Shown so, it pings nobody."""
    count: int
    """Targets."""
    parts: int
    """Messages that providers are given for all targets."""
    segments: int
    """SMS segments for all targets."""
    seconds: float
    """How long it takes about, if nothing waits in between."""


@dataclass(frozen=True, slots=True)
class _Look:
    """How the message is at one kind of target."""

    parts: int
    sms: tuple[Segments, ...]
    """Of each part that is an SMS."""
    media: int
    """Parts that are an MMS."""
    differences: tuple[str, ...]


def is_sms(address: Address) -> bool:
    """Whether what is sent there reaches a phone as SMS."""
    return address.account != TELEGRAM and address.conversation.startswith("sms/")


def preview(
    tx: Tx,
    relay: Relay,
    targets: Sequence[Address],
    message: Message,
    *,
    now: float,
    each: Callable[[Address], Message] | None = None,
) -> Preview:
    """Look ahead at a message that is sent bare to these targets; every account of theirs is configured. ``each``: the
    words for one target, where they differ: ``message`` has those for the first.
    """
    looks: dict[tuple[AccountName, bool], _Look] = {}
    counts: Counter[tuple[AccountName, bool]] = Counter()
    phones: Counter[AccountName] = Counter()
    for address in targets:
        kind = (address.account, is_sms(address))
        counts[kind] += 1
        if kind not in looks:
            looks[kind] = _look(tx, relay, address, message, message if each is None else each(address), now=now)
        if kind[1]:
            phones[address.account] += len(set(address.conversation.removeprefix("sms/").split(",")))
    parts = {account: 0 for account, _ in looks}
    for kind, look in looks.items():
        parts[kind[0]] += look.parts * counts[kind]
    places = Counter(address.account for address in targets)
    needed = (_seconds(relay, account, places=places[account], parts=number) for account, number in parts.items())
    seconds = max(len(targets) / PACE_IN_ALL_PER_S, *needed, 0.0)
    paid = sum(_each(look) * phones[account] for (account, sms), look in looks.items() if sms)
    count = len(targets)
    lines = [
        f"To be sent to {count} target{'s' if count != 1 else ''}:",
        "",
        message.text or "(no text)",
        "",
        *_along(message),
        *_renderings(looks, counts=counts, phones=phones),
    ]
    if count > 1:
        lines.append(f"This takes about {duration_words(seconds)}.")
    text = "\n".join(lines)
    return Preview(text, _pages(defuse_text(Message(text=text)).text), count, sum(parts.values()), paid, seconds)


def duration_words(seconds: float) -> str:
    """About how long, for people: "1 second", "45 seconds", "12 minutes", "3 hours"."""
    for unit, size, until in (("second", 1, 90), ("minute", 60, 90 * 60), ("hour", 3600, math.inf)):
        if seconds < until:
            number = max(round(seconds / size), 1)
            return f"{number} {unit}{'s' if number != 1 else ''}"
    raise AssertionError(seconds)


# --- one kind of target ----------------------------------------------------------------------------------


def _look(tx: Tx, relay: Relay, address: Address, message: Message, words: Message, *, now: float) -> _Look:
    """``words``: what that target gets, where ``message`` is what is shown."""
    capabilities = relay.accounts[address.account].capabilities
    parts = relay.parts_for(tx, address, words, template=None, now=now)
    sms: tuple[Segments, ...] = ()
    media = 0
    if is_sms(address):
        sms = tuple(segments(plain(part)) for part in parts if not part.attachments)
        media = sum(bool(part.attachments) for part in parts)
    return _Look(len(parts), sms, media, tuple(_differences(message, parts, capabilities=capabilities)))


def _differences(message: Message, parts: Sequence[Message], *, capabilities: Capabilities) -> list[str]:
    """What is not there as it was written, in words."""
    told = []
    if len(parts) > 1:
        told.append(f"in {len(parts)} parts")
    if message.spans and capabilities.markup == "none":
        links = any(span.kind is SpanKind.LINK for span in message.spans)
        bracketed = links and plain(message) != message.text
        formatted = any(span.kind not in (SpanKind.LINK, SpanKind.MENTION, SpanKind.TIME) for span in message.spans)
        if formatted:
            told.append("formatting is lost")
        if bracketed:
            told.append("links follow in brackets")
    said = "\n".join(part.text for part in parts)
    for attachment in message.attachments:
        reason = goes_along(attachment, capabilities)
        note = attachment_note(attachment)
        if reason is not None:
            instead = "a link" if f"{note} http" in said else "a note" if note in said else "its emoji"
            told.append(f"{note} stands there as {instead}, for {reason}")
    for thing, carried, name in (
        (message.location, capabilities.locations, "the place"),
        (message.contact, capabilities.contacts, "the card"),
        (message.poll, False, "the poll"),
    ):
        if thing is not None and not carried:
            told.append(f"{name} is said in words")
    first = _LENT.sub("(link)", parts[0].text)
    if first != message.text and first:
        told.append(f"it begins “{cut(first, LOOK_MOST)}”" if len(first) > LOOK_MOST else f"it is “{first}”")
    return told


# --- all of them -----------------------------------------------------------------------------------------


def _renderings(
    looks: Mapping[tuple[AccountName, bool], _Look],
    *,
    counts: Mapping[tuple[AccountName, bool], int],
    phones: Mapping[AccountName, int],
) -> list[str]:
    """One line for each kind of target; accounts where it is the same stand in one."""
    lines: dict[str, list[str]] = {}
    for (account, sms), look in looks.items():
        about = [*_sms_words(look, phones=phones[account])] if sms else []
        about += look.differences
        words = "; ".join(about) or "as it is"
        label = f"{counts[account, sms]} × {account}{' SMS' if sms else ''}"
        lines.setdefault(words, []).append(label)
    return [f"{', '.join(labels)}: {words}." for words, labels in lines.items()]


def _each(look: _Look) -> int:
    return sum(part.count for part in look.sms)


def _sms_words(look: _Look, *, phones: int) -> list[str]:
    words = []
    each = _each(look)
    if each:
        encoding = "UCS-2" if any(part.encoding == "UCS-2" for part in look.sms) else "GSM-7"
        total = f", {each * phones} in all" if phones > 1 else ""
        words.append(f"{each} segment{'s' if each != 1 else ''} each ({encoding}){total}")
    if look.media:
        words.append(f"{look.media} MMS each")
    return words


def _along(message: Message) -> list[str]:
    notes = [attachment_note(each) for each in message.attachments]
    lines = [f"With {', '.join(notes)}."] if notes else []
    if message.links:
        lines += ["Its buttons:", *(f"[{each.label}] {each.url}" for each in message.links)]
    return [*lines, "It makes no sound where that is possible."] if message.silent else lines


def _seconds(relay: Relay, account: AccountName, *, places: int, parts: int) -> float:
    """How long an account takes: it is given so many places in a second, and may have a slower pace of its own."""
    a_minute = relay.accounts[account].capabilities.requests_per_minute
    return max(places / PACE_PER_S, 0.0 if a_minute is None else parts * 60 / a_minute)


def _pages(text: str) -> tuple[str, ...]:
    if utf16_length(text) <= PAGE_MOST:
        return (text,)
    return tuple(text[start:end] for start, end in split(text, rooms=repeat(PAGE_MOST), unit="utf16"))
