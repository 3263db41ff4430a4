"""The past of a conversation in words: one line for each thing that was written there or sent there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from bot.addresses import TELEGRAM, Address, split_telegram
from bot.changes import digest_of
from bot.names import defuse, one_line
from bot.shaping import attachment_note
from bot.store import Tx
from bot.store.said import OLDEST, Sent, Written
from bot.text import cut, utf16_length
from bridges.model import Attachment, ConversationId, Message

TEXT_MOST = 200
REASON_MOST = 120
ANSWER_MOST = 7_600
"""UTF-16 units: what goes into two messages of Telegram's."""
SUPERGROUP = "-100"
_NO_FILES = digest_of(Message()).partition(".")[2]


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far back one has looked: the oldest of both kinds that was shown."""

    written: int = OLDEST
    sent: int = OLDEST


@dataclass(frozen=True, slots=True)
class Page:
    """Lines of a conversation, the oldest first, and where looking further back begins; None: there is nothing."""

    lines: Sequence[str]
    older: Cursor | None


def look_back(
    tx: Tx,
    address: Address,
    *,
    n: int,
    zone: ZoneInfo,
    chat: str | None = None,
    brought: bool = False,
    cursor: Cursor | None = None,
) -> Page:
    """The last ``n`` things of a conversation, or as many as an answer can hold.

    ``chat``: a role that is limited to this chat of Telegram's sees nothing written in others, and no link into them.
    ``brought``: and of the conversation only what came to that chat.
    """
    cursor = cursor or Cursor()
    account, place = address.account, address.conversation
    only = chat if brought else None
    written = list(tx.said.written(account, place, before=cursor.written, limit=n + 1, brought_to=only))
    others = None if address.account == TELEGRAM else chat
    rows = tx.said.sent(account, place, before=cursor.sent, limit=n + 1, chat=others, brought=brought)
    sent = list(tx.said.as_it_stands(account, place, rows))
    lines: list[str] = []
    room = ANSWER_MOST
    while (written or sent) and len(lines) < n:
        if written and (not sent or written[0].at > sent[0].at):
            line, at = written_line(tx, written[0], zone=zone, chat=chat), Cursor(written[0].id, cursor.sent)
            taken: list[Written] | list[Sent] = written
        else:
            line, at = sent_line(tx, address, sent[0], zone=zone, chat=chat), Cursor(cursor.written, sent[0].id)
            taken = sent
        room -= utf16_length(line) + 1
        if room < 0:
            break
        lines.append(line)
        cursor = at
        taken.pop(0)
    return Page(lines[::-1], cursor if written or sent else None)


@dataclass(frozen=True, slots=True)
class Line:
    """Something that was said, whole."""

    id: str
    """The same each time it is asked for."""
    at: float
    sender_id: str
    sender_name: str
    text: str
    sent: bool
    """It came there from elsewhere."""


def was_written(tx: Tx, place: Address, *, after: int, limit: int) -> tuple[Sequence[Line], int | None]:
    """What was written there and is still kept, beginning behind the message ``after``; and where to go on."""
    rows = tx.said.written(place.account, place.conversation, after=after, limit=limit, forward=True)
    lines = []
    for row in rows:
        text = "\n".join(filter(None, [row.text, *_files(tx, row)]))
        if text and not row.gone:
            id = row.remote_id or f"patchbay-{row.id}"
            lines.append(Line(id, row.at, *_sender(row.sender_id, row.sender_name), text, sent=False))
    return lines, rows[-1].id if len(rows) == limit else None


def was_sent(tx: Tx, place: Address, *, after: int, limit: int) -> tuple[Sequence[Line], int | None]:
    """What arrived there, in the same way: in its author's own words, a message of several parts once."""
    account, conversation = place.account, place.conversation
    rows = tx.said.sent(account, conversation, after=after, limit=limit, states=("sent",), forward=True)
    lines = []
    for row in tx.said.as_it_stands(account, conversation, rows):
        if row.said is None or row.gone or row.part > 1:
            continue
        own = row.words if row.part == 1 else ""
        text = "\n".join(filter(None, [own or row.said.text, *map(attachment_note, row.said.attachments)]))
        if text:
            lines.append(Line(f"delivery-{row.id}", row.at, *_sender(row.sender_id, row.sender_name), text, sent=True))
    return lines, rows[-1].id if len(rows) == limit else None


def _sender(id: str, name: str) -> tuple[str, str]:
    return id or "unknown", one_line(name) or one_line(id) or "unknown"


def told_at(at: float) -> str:
    """An instant as files have it."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def written_line(tx: Tx, said: Written, *, zone: ZoneInfo, chat: str | None) -> str:
    """Something that was written there."""
    name = one_line(said.sender_name) or one_line(said.sender_id) or "somebody"
    files = _files(tx, said)
    words = " ".join(filter(None, [shown(said.text), *files]))
    if said.gone:
        words = f"{words} (taken back)".strip()
    elif not words:
        words = "(no words)"
    if said.edited and not said.gone:
        words += " (edited)"
    return f"{moment(said.at, zone)} ← {name}: {words}{_link(tx, said.id, chat=chat)}"


def sent_line(tx: Tx, address: Address, sent: Sent, *, zone: ZoneInfo, chat: str | None) -> str:
    """Something that was sent there, or was to be."""
    words = "(damaged)" if sent.said is None else _words(sent.said)
    name = one_line(sent.sender_name)
    if name and not words.startswith(name):
        words = f"{name}: {words}"
    if sent.edited:
        words += " (edited)"
    if sent.gone:
        words += " (taken back)"
    if sent.changed_to is not None:
        words += f" (meanwhile changed to: {_words(sent.changed_to)})"
    if sent.state != "sent":
        reason = f": {shown(sent.error, most=REASON_MOST)}" if sent.error else ""
        words += f" [delivery {sent.id} {sent.state}{reason}]"
    there = address.conversation if address.account == TELEGRAM else None
    link = "" if sent.message is None else _link(tx, sent.message, chat=chat, place=there)
    return f"{moment(sent.at, zone)} → {words}{link}"


def _words(message: Message) -> str:
    return " ".join(filter(None, [shown(message.text), *map(attachment_note, message.attachments)])) or "(no words)"


def _files(tx: Tx, said: Written) -> Sequence[str]:
    if said.digest.partition(".")[2] in ("", _NO_FILES):
        return ()
    files: list[Attachment] = [each for part in tx.said.files_of(said.id) for each in part.attachments]
    return [attachment_note(each) for each in files] or ["[file]"]


def shown(text: str, *, most: int = TEXT_MOST) -> str:
    """Words of others on one line: short, and pinging nobody."""
    return cut(" ".join(defuse(text[: 4 * most]).split()), most)


def moment(at: float, zone: ZoneInfo) -> str:
    """A time in a list whose heading says the zone."""
    return f"{datetime.fromtimestamp(at, UTC).astimezone(zone):%Y-%m-%d %H:%M}"


def _link(tx: Tx, message: int, *, chat: str | None, place: str | None = None) -> str:
    found = link_to(tx, message, chat=chat, place=place)
    return f" {found}" if found else ""


def link_to(tx: Tx, message: int, *, chat: str | None, place: str | None = None) -> str:
    """A link that opens a message in Telegram, where it stands in a supergroup; empty if it stands in none.

    ``chat``: only there. ``place``: only in this conversation.
    """
    for conversation, id in tx.said.in_telegram(message):
        if place is not None and conversation != place:
            continue
        if chat is not None and conversation.partition("/")[0] != chat:
            continue
        if made := telegram_link(conversation, id):
            return made
    return ""


def telegram_link(conversation: str, id: str) -> str:
    """The link of a message: https://core.telegram.org/api/links#private-message-links (2026-11)."""
    number = id.partition("/")[2]
    chat, topic = split_telegram(ConversationId(conversation))
    if not str(chat).startswith(SUPERGROUP) or not number.isdigit():
        return ""
    inside = f"{topic}/" if topic is not None else ""
    return f"https://t.me/c/{str(chat).removeprefix(SUPERGROUP)}/{inside}{number}"
