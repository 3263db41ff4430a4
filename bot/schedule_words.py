"""What a schedule sends, in the words in which people are shown it; and what became of it, told truthfully."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from bot.broadcast_report import Receipt
from bot.firing import SchedulePolicy, chat_name
from bot.instants import Words
from bot.placeholders import CHAT, fill, values
from bot.planning import Draft
from bot.plans import is_readable, plan_of
from bot.shaping import attachment_note
from bot.store import Tx
from bot.store.schedules import Schedule
from bot.text import cut
from bridges.model import Message, Span

TEXT_MOST, OLD_MOST, OLD_LINES = 600, 300, 4
ALONG_MOST, URL_MOST = 4, 120
"""Of what is echoed: files and buttons, and characters of an address that one opens."""
_WAITING = ("queued", "sending")


def whole(message: Message) -> Words:
    """All of a message: its text, its files, its buttons."""
    words = Words().say(message)
    notes = [*map(attachment_note, message.attachments)]
    notes += ["(with a place)"] if message.location is not None else []
    notes += ["(with a contact)"] if message.contact is not None else []
    for line in (*notes, *(f"[{each.label}] {each.url}" for each in message.links)):
        words.add(f"\n{line}" if words.text else line)
    return words


def next_words(tx: Tx, made: Draft, *, fired: int, now: float) -> Words:
    """What would be sent next, with its placeholders filled in; the name of a chat only where there is one target.
    ``fired``: how often it was sent already.
    """
    plan = made.plan
    at = made.coming[0].at if made.coming else now
    known = values(at=at, zone=plan.rule.zone, end=plan.ends_at, number=fired + 1)
    addresses = made.targets.addresses
    chat = chat_name(tx, addresses[0]) if len(addresses) == 1 else f"{{{CHAT}}}"
    message = fill(plan.message, {**known, CHAT: chat})
    return whole(_begun(message, most=TEXT_MOST))


def old_words(schedule: Schedule, message: Message) -> Words:
    """What it sends as things are, in a few lines, where that is not the same as ``message``; empty: it is."""
    if not is_readable(schedule) or plan_of(schedule).message == message:
        return Words()
    old = plan_of(schedule).message
    lines = old.text.split("\n")
    most = min(OLD_MOST, len("\n".join(lines[:OLD_LINES])) + (len(lines) > OLD_LINES))
    return Words("Its words were:\n").join(whole(_begun(old, most=most)))


def _begun(message: Message, *, most: int) -> Message:
    """The beginning of a message, formatting and all, with its first files and buttons."""
    text = cut(message.text, most)
    spans = (_within(span, len(text)) for span in message.spans)
    links = (each.model_copy(update={"url": cut(each.url, URL_MOST)}) for each in message.links[:ALONG_MOST])
    return message.model_copy(
        update={
            "text": text,
            "spans": tuple(span for span in spans if span is not None),
            "attachments": message.attachments[:ALONG_MOST],
            "links": tuple(links),
        }
    )


def _within(span: Span, end: int) -> Span | None:
    length = min(span.length, end - span.start)
    return span.model_copy(update={"length": length}) if length > 0 else None


def outcome(found: Sequence[Receipt], schedule: Schedule, policy: SchedulePolicy, *, now: float) -> str:
    """Where one occurrence has arrived and where it has not, such as ``sent to 3, failed at 1``; empty: it went
    nowhere.
    """
    is_held_back = is_readable(schedule) and plan_of(schedule).quiet(policy.quiet) is not None
    counts = Counter(_standing(each, is_held_back=is_held_back, now=now) for each in found)
    return ", ".join(standing.format(number) for standing, number in counts.items())


def _standing(receipt: Receipt, *, is_held_back: bool, now: float) -> str:
    if receipt.state in _WAITING and not receipt.error and receipt.at > now:
        return "waiting for quiet hours to end ({})" if is_held_back else "waiting for its time ({})"
    return _STANDINGS[receipt.state]


_STANDINGS = {
    "sent": "sent to {}",
    "queued": "under way to {}",
    "sending": "under way to {}",
    "held": "held at {}",
    "dead": "failed at {}",
    "expired": "too late for {}",
    "discarded": "discarded at {}",
    "cancelled": "cancelled at {}",
    "deleted": "sent to and deleted at {}",
}
