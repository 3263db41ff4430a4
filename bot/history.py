"""Past messages as people have them in files: JSON Lines, or what Telegram Desktop exports as ``result.json``.

Files are read as a stream, however large they are, and may be read several times. What a file says is checked here;
nothing is decided about it.
"""

from __future__ import annotations

import codecs
import re
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Literal, Protocol, TypeAlias

import ijson

from bot.shaping import attachment_note, quoting
from bridges.errors import Garbled
from bridges.model import Attachment, Message, Person, PersonId, Span, SpanKind
from bridges.responses import clean, parse_json

LINE_MOST = 4 << 20
"""Bytes of one line of JSON Lines."""
ID_MOST = 200
NAME_MOST = 256
QUOTABLE_MOST = 5000
"""So many messages are kept in mind for those that answer them."""
QUOTED_MOST = 200
AHEAD = timedelta(days=1)
"""Clocks may differ; what is further ahead is no message of the past."""
HEARD_EVERY = 500
EXAMPLE_AT = "2025-03-04T10:11:12Z"
_EPOCH = datetime.fromtimestamp(0, UTC)


class HistoryError(Exception):
    """A file that cannot be taken as it is; says what is wrong with it and what to do."""


@dataclass(frozen=True, slots=True)
class Past:
    """A message of the past."""

    id: str
    at: datetime
    """In UTC."""
    message: Message
    """Its sender is always known, its text may be empty; ``reply_to`` is not used."""
    words: str
    """Its text without the line that quotes what it answers: the same whatever else is in the file."""
    place: str
    """Where it stands in the file, in words."""
    zoned: bool = True
    """False: the file says no time zone, the one that was given is used."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something in the file that is no message to be sent."""

    why: str


@dataclass(frozen=True, slots=True)
class Wrong:
    """Something that a person has to mend in the file."""

    words: str


Entry: TypeAlias = Past | LeftOut | Wrong
Heard: TypeAlias = Callable[[int], None]
"""Told now and then how many bytes were read since the last time."""


class History(Protocol):
    """A file of past messages."""

    path: Path
    kind: str

    @property
    def chat(self) -> Chat | None:
        """The Telegram chat that it is the history of."""
        ...

    def read(self, heard: Heard) -> Iterator[Entry]:
        """Everything in it, in the order of the file. Raises ``HistoryError``."""
        ...


@dataclass(frozen=True, slots=True)
class Chat:
    """A chat in an export of Telegram Desktop."""

    section: Literal["", "chats", "left_chats"]
    """Empty: the file is the export of this chat alone."""
    id: str
    name: str
    type: str
    start: int = 0
    """How many messages of other chats stand before its own in its section."""
    count: int | None = None
    """How many there are; None: not counted."""

    @property
    def telegram_id(self) -> int | None:
        """As bots know the chat."""
        if "supergroup" in self.type or "channel" in self.type:
            return _known_to_bots(self.id, of="channel")
        return _known_to_bots(self.id, of="chat" if "group" in self.type else "user")

    def __str__(self) -> str:
        return f"{self.name or 'without a name'} (id {self.id})"


def _known_to_bots(id: str, *, of: str) -> int | None:
    """The id under which bots know a user, chat or channel (https://core.telegram.org/api/bots/ids, 2026-11)."""
    if not (id.isascii() and id.isdigit()) or len(id) > 18:
        return None
    return {"user": int(id), "chat": -int(id)}.get(of, -(10**12) - int(id))


def open_history(path: Path, *, chat: str | None, zone: tzinfo, now: datetime) -> History:
    """Look what a file is. Raises ``HistoryError``.

    ``chat``: id or name of the one that is meant in an export with several. ``zone``: of times without one.
    """
    if not path.is_file():
        raise HistoryError(f"{path}: is not a file" if path.exists() else f"{path}: there is no such file")
    with _opened(path) as file:
        if _is_wide(file):
            raise HistoryError(f"{path}: is written in UTF-16 or UTF-32; save it as UTF-8")
        telegram = _is_telegram(file)
    if not telegram:
        if chat is not None:
            raise HistoryError(f"{path}: is JSON Lines and holds one conversation; leave --chat out")
        return JsonLines(path, now=now)
    return TelegramExport(path, chat=_chosen(path, chat), zone=zone, now=now)


class JsonLines:
    """A message in each line: ``{"id": "m1", "at": "…Z", "sender": {"id": "u1", "name": "Ann"}, "text": "hello"}``.

    Fields beside these are left aside.
    """

    kind = "JSON Lines"
    chat = None

    def __init__(self, path: Path, *, now: datetime) -> None:
        self.path = path
        self._latest = now + AHEAD

    def read(self, heard: Heard) -> Iterator[Entry]:
        """See :class:`History`."""
        with _opened(self.path) as file:
            for number, line in enumerate(_lines(file, heard), start=1):
                if line is None:
                    yield Wrong(f"line {number}: is longer than {LINE_MOST} bytes")
                    return
                if line.strip():
                    try:
                        yield self._message(line, place=f"line {number}")
                    except ValueError as error:
                        yield Wrong(f"line {number}: {error}")

    def _message(self, line: bytes, *, place: str) -> Entry:
        try:
            record = parse_json(line)
        except Garbled as error:
            raise ValueError("is not JSON" if _is_utf8(line) else "is not in UTF-8; save the file as that") from error
        if not isinstance(record, dict):
            raise ValueError(f"is no JSON object, as in {_EXAMPLE}")
        for name in ("id", "at", "sender", "text"):
            if name not in record:
                raise ValueError(f"{name}: is missing, as in {_EXAMPLE}")
        text = record["text"]
        if not isinstance(text, str):
            raise ValueError(f"text: must be a string, not {_type(text)}")
        sender = record["sender"]
        if not isinstance(sender, dict) or "id" not in sender or "name" not in sender:
            raise ValueError('sender: must be an object with id and name, as in {"id": "u1", "name": "Ann"}')
        if not isinstance(sender["name"], str):
            raise ValueError(f"sender.name: must be a string, not {_type(sender['name'])}")
        id, at = _id(record["id"], name="id"), self._time(record["at"])
        person = _person(_id(sender["id"], name="sender.id"), sender["name"])
        words = clean(text)
        return Past(id, at, Message(text=words, sender=person), words, place)

    def _time(self, value: object) -> datetime:
        if not isinstance(value, str):
            raise ValueError(f"at: must be a string such as {EXAMPLE_AT}, not {_type(value)}")
        shown = shown_short(value)
        try:
            at = datetime.fromisoformat(value.strip())
        except ValueError as error:
            raise ValueError(f"at: {shown} is no time; write it as in {EXAMPLE_AT}") from error
        if at.tzinfo is None:
            raise ValueError(f"at: {shown} has no time zone; write it as in {EXAMPLE_AT} or 2025-03-04T11:11:12+01:00")
        return _in_bounds(at, latest=self._latest, shown=shown)


_EXAMPLE = f'{{"id": "m1", "at": "{EXAMPLE_AT}", "sender": {{"id": "u1", "name": "Ann"}}, "text": "hello"}}'


class TelegramExport:
    """One chat of what Telegram Desktop exports as machine-readable JSON.

    Its ids are put behind the chat's own, for two chats may be imported into one conversation. The format is described
    by the program that writes it alone: https://github.com/telegramdesktop/tdesktop,
    Telegram/SourceFiles/export/output/export_output_json.cpp (2026-11).
    """

    kind = "Telegram Desktop"

    def __init__(self, path: Path, *, chat: Chat, zone: tzinfo, now: datetime) -> None:
        self.path = path
        self._chat = chat
        self._zone = zone
        self._latest = now + AHEAD

    @property
    def chat(self) -> Chat:
        """See :class:`History`."""
        return self._chat

    def read(self, heard: Heard) -> Iterator[Entry]:
        """See :class:`History`."""
        chat = self._chat
        prefix = f"{chat.section}.list.item.messages.item" if chat.section else "messages.item"
        stop = None if chat.count is None else chat.start + chat.count
        said: OrderedDict[str, Message] = OrderedDict()
        number = 0
        with _opened(self.path) as file, _json_of(self.path):
            read = 0
            for record in islice(ijson.items(_Mended(file), prefix, use_float=True), chat.start, stop):
                number += 1
                if number % HEARD_EVERY == 0:
                    read, before = file.tell(), read
                    heard(read - before)
                place = f"message number {number} of the chat"
                try:
                    yield self._message(record, said, place=place)
                except ValueError as error:
                    yield Wrong(f"{place}: {error}")
            heard(file.tell() - read)

    def _message(self, record: object, said: OrderedDict[str, Message], *, place: str) -> Entry:
        if not isinstance(record, dict):
            raise ValueError(f"is no object but {_type(record)}")
        if record.get("type") == "service":
            return LeftOut("service messages")
        if record.get("type") == "unsupported":
            return LeftOut("messages of a kind that Telegram Desktop did not export")
        own_id = _id(record.get("id"), name="id")
        at, zoned = self._time(record)
        text, spans = _text_of(record.get("text", ""))
        forwarded = record.get("forwarded_from")
        head = f"[forwarded from {_name(forwarded)}]\n" if isinstance(forwarded, str) and forwarded.strip() else ""
        notes = _notes_of(record)
        body = "\n".join([text, *notes] if text else notes)
        if not body:
            return LeftOut("messages without text or a known kind of content")
        words = head + body
        moved = tuple(span.model_copy(update={"start": span.start + len(head)}) for span in spans)
        message = Message(text=words, spans=moved, sender=self._sender(record))
        answers = str(record.get("reply_to_message_id", ""))
        original = said.get(answers) if "reply_to_peer_id" not in record else None
        said[own_id] = message.model_copy(update={"text": words[:QUOTED_MOST], "spans": ()})
        if len(said) > QUOTABLE_MOST:
            said.popitem(last=False)
        if original is not None:
            message = quoting(message, original=original)
        return Past(f"{self._chat.id}/{own_id}", at, message, words, place, zoned)

    def _time(self, record: Mapping[str, object]) -> tuple[datetime, bool]:
        unix = record.get("date_unixtime")
        if isinstance(unix, str | int) and not isinstance(unix, bool):
            try:
                at = datetime.fromtimestamp(int(unix), UTC)
            except (ValueError, OverflowError, OSError) as error:
                raise ValueError(f"date_unixtime: {shown_short(str(unix))} is no time") from error
            return _in_bounds(at, latest=self._latest, shown=shown_short(str(unix))), True
        value = record.get("date")
        try:
            at = datetime.fromisoformat(value if isinstance(value, str) else "")
        except ValueError as error:
            raise ValueError("date: is missing or no time") from error
        zoned = at.tzinfo is not None
        return _in_bounds(at if zoned else at.replace(tzinfo=self._zone), latest=self._latest, shown=str(value)), zoned

    def _sender(self, record: Mapping[str, object]) -> Person:
        """Who wrote, under the id by which Telegram's bots know them."""
        raw, name = record.get("from_id"), record.get("from")
        id = clean(str(raw)) if isinstance(raw, str | int) and not isinstance(raw, bool) else ""
        for kind in ("user", "chat", "channel"):
            if id.startswith(kind):
                id = str(_known_to_bots(id.removeprefix(kind), of=kind) or id)
        if not isinstance(name, str) or not name.strip():
            # Telegram Desktop writes null for an account that is gone, and no sender for some posts of a channel.
            name = "Deleted account" if id else self._chat.name or "unknown"
        return _person((id or self._chat.id or "unknown")[:ID_MOST], name)


# --- which file, which chat ----------------------------------------------------------------------------------


def _is_wide(file: BinaryIO) -> bool:
    """Whether characters take two or four bytes: by the byte order mark, or by the zeros beside the first ones."""
    start = file.tell()
    head = file.read(4)
    file.seek(start)
    zeros = "".join("-" if byte else "0" for byte in head)
    return head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or zeros in ("-0-0", "0-0-", "-000", "000-")


def _is_telegram(file: BinaryIO) -> bool:
    """By the first name that only one of the two has; what is neither is read as JSON Lines, which says why not."""
    depth = 0
    try:
        for event, value in ijson.basic_parse(_Mended(file), multiple_values=True):
            if depth == 1 and event == "map_key":
                if value in ("messages", "chats", "left_chats"):
                    return True
                if value in ("at", "sender", "text"):
                    return False
            depth += (event in ("start_map", "start_array")) - (event in ("end_map", "end_array"))
            if depth == 0 or (depth == 1 and event == "start_array"):
                break
    except ijson.JSONError:
        pass
    # An object over several lines can only have been meant as an export.
    file.seek(0)
    return file.readline(16).removeprefix(codecs.BOM_UTF8).strip() == b"{"


def _chosen(path: Path, wanted: str | None) -> Chat:
    chats = _chats(path)
    if not chats:
        raise HistoryError(
            f"{path}: holds neither messages nor chats; export a chat in Telegram Desktop (⋮, Export chat history)"
            " with the format Machine-readable JSON"
        )
    if wanted is None:
        if len(chats) == 1:
            return _with_id(path, chats[0])
        raise HistoryError(
            f"{path}: holds {len(chats)} chats; choose one by --chat with its id or name:\n{_list(chats)}"
        )
    found = [chat for chat in chats if wanted in (chat.id, str(chat.telegram_id))]
    found = found or [chat for chat in chats if chat.name.casefold() == wanted.casefold()]
    if len(found) == 1:
        return _with_id(path, found[0])
    if found:
        raise HistoryError(f"--chat: {len(found)} chats are called {shown_short(wanted)}; take the id:\n{_list(found)}")
    raise HistoryError(f"--chat: {path} holds no chat {shown_short(wanted)}; there are:\n{_list(chats)}")


def _with_id(path: Path, chat: Chat) -> Chat:
    # Without it the messages of two such chats would be taken for one another's.
    if not chat.id:
        raise HistoryError(
            f"{path}: does not say the id of the chat {shown_short(chat.name)}; export it anew in Telegram Desktop"
        )
    return chat


def _list(chats: list[Chat]) -> str:
    lines = [f"  {chat.id}  {chat.name or '(no name)'}" + _counted(chat) for chat in chats[:50]]
    if len(chats) > 50:
        lines.append(f"  and {len(chats) - 50} more")
    return "\n".join(lines)


def _counted(chat: Chat) -> str:
    return "" if chat.count is None else f"  ({chat.count} entries)"


def _chats(path: Path) -> list[Chat]:
    """Every chat of an export. Of one that is all of the file only the head is read, if it says what the chat is."""
    found: list[Chat] = []
    alone = False
    whole: dict[str, str] = {}
    head: dict[str, str] = {}
    starts: dict[Literal["chats", "left_chats"], int] = {"chats": 0, "left_chats": 0}
    count = 0
    with _opened(path) as file, _json_of(path):
        for prefix, event, value in ijson.parse(_Mended(file), use_float=True):
            if prefix == "messages" and event == "start_array":
                alone = True
            if event in ("string", "number", "null") and prefix in ("id", "name", "type"):
                whole[prefix] = "" if value is None else _name(str(value))
            if alone:
                if len(whole) == 3:
                    break
                continue
            section, inside, rest = prefix.partition(".list.item")
            if not inside or (section != "chats" and section != "left_chats"):
                continue
            match rest, event:
                case "", "start_map":
                    head, count = {}, 0
                case ".messages.item", ("start_map" | "start_array" | "string" | "number" | "boolean" | "null"):
                    count += 1
                case ((".id" | ".name" | ".type"), ("string" | "number")):
                    head[rest[1:]] = _name(str(value))
                case "", "end_map":
                    id, name, type = (head.get(key, "") for key in ("id", "name", "type"))
                    made = Chat(section, id, name, type, start=starts[section], count=count)
                    found.append(made)
                    starts[section] += count
    if alone:
        return [Chat("", whole.get("id", ""), whole.get("name", ""), whole.get("type", ""))]
    return found


# --- a message of an export ----------------------------------------------------------------------------------

_SPANS = {
    "bold": SpanKind.BOLD,
    "italic": SpanKind.ITALIC,
    "underline": SpanKind.UNDERLINE,
    "strikethrough": SpanKind.STRIKE,
    "spoiler": SpanKind.SPOILER,
    "code": SpanKind.CODE,
    "pre": SpanKind.PRE,
    "blockquote": SpanKind.QUOTE,
    "text_link": SpanKind.LINK,
}
_VALUES = {"text_link": "href", "pre": "language"}
_Kind: TypeAlias = Literal["image", "video", "audio", "voice", "file", "sticker"]
_KINDS: Mapping[str, _Kind] = {
    "sticker": "sticker",
    "voice_message": "voice",
    "audio_file": "audio",
    "video_message": "video",
    "video_file": "video",
    "animation": "video",
}


def _text_of(raw: object) -> tuple[str, tuple[Span, ...]]:
    """Text and spans of what is a string or a list of strings and of objects with a type and a text."""
    if isinstance(raw, str):
        return clean(raw), ()
    if not isinstance(raw, list):
        raise ValueError(f"text: must be a string or an array, not {_type(raw)}")
    pieces: list[str] = []
    spans: list[Span] = []
    length = 0
    for item in raw:
        text = item.get("text") if isinstance(item, dict) else item
        if not isinstance(text, str):
            raise ValueError(f"text: a piece of it must be a string, not {_type(text)}")
        piece = clean(text)
        kind = _SPANS.get(str(item.get("type"))) if isinstance(item, dict) else None
        if kind is not None and piece:
            value = item.get(_VALUES.get(str(item.get("type")), ""))
            said = clean(value) if isinstance(value, str) and value else None
            spans.append(Span(kind=kind, start=length, length=len(piece), value=said))
        pieces.append(piece)
        length += len(piece)
    return "".join(pieces), tuple(spans)


def _notes_of(record: Mapping[str, object]) -> list[str]:
    """A line for each thing in a message that is no text; the files themselves do not go along."""
    notes = []
    if "photo" in record:
        notes.append(_file_note("image", record, size="photo_file_size", name=""))
    media, sticker = record.get("media_type"), record.get("sticker_emoji")
    if "file" in record or media in _KINDS:
        name = sticker if media == "sticker" else record.get("file_name") or _base_name(record.get("file"))
        notes.append(_file_note(_KINDS.get(str(media), "file"), record, size="file_size", name=name))
    for field, found in (
        ("location", _place_of(record)),
        ("contact", _contact_of(record.get("contact_information"))),
        ("poll", _said_in(record.get("poll"), "question")),
        ("game", record.get("game_title")),
        ("invoice", _said_in(record.get("invoice_information"), "title")),
    ):
        if isinstance(found, str):
            about = _name(found)
            notes.append(f"[{field}: {about}]" if about else f"[{field}]")
    return notes


def _file_note(kind: _Kind, record: Mapping[str, object], *, size: str, name: object) -> str:
    bytes_ = record.get(size)
    return attachment_note(
        Attachment(
            kind=kind,
            ref="",
            name=clean(name) if isinstance(name, str) else "",
            size=bytes_ if isinstance(bytes_, int) and not isinstance(bytes_, bool) and bytes_ >= 0 else None,
        )
    )


def _base_name(path: object) -> str:
    """The file's name; where the file was not exported, a remark in brackets stands for it or behind its name."""
    return PurePosixPath(path.partition("(File ")[0].strip()).name if isinstance(path, str) else ""


def _place_of(record: Mapping[str, object]) -> str | None:
    if "location_information" not in record and "place_name" not in record:
        return None
    said = [str(record[key]) for key in ("place_name", "address") if isinstance(record.get(key), str)]
    at = record.get("location_information")
    if isinstance(at, dict):
        said += [f"{at[key]:.5f}" for key in ("latitude", "longitude") if isinstance(at.get(key), int | float)]
    return ", ".join(said)


def _contact_of(value: object) -> str | None:
    if not isinstance(value, dict):
        return None
    keys = ("first_name", "last_name", "phone_number")
    return " ".join(str(value[key]) for key in keys if isinstance(value.get(key), str))


def _said_in(value: object, name: str) -> str | None:
    """A text in an object; empty where the object is of another form, None where there is nothing."""
    said = value.get(name) if isinstance(value, dict) else None
    return None if value is None else said if isinstance(said, str) else ""


# --- fields --------------------------------------------------------------------------------------------------


def _id(value: object, *, name: str) -> str:
    id = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(id, str):
        raise ValueError(f"{name}: " + ("is missing" if value is None else f"must be a string, not {_type(value)}"))
    id = clean(id).strip()
    if not 1 <= len(id) <= ID_MOST:
        raise ValueError(f"{name}: must have 1 to {ID_MOST} characters, this has {len(id)}")
    return id


def _person(id: str, name: str) -> Person:
    return Person(id=PersonId(id), name=_name(name) or id)


def _name(text: str) -> str:
    return " ".join(clean(text[: 4 * NAME_MOST]).split())[:NAME_MOST]


def _in_bounds(at: datetime, *, latest: datetime, shown: str) -> datetime:
    """The time in UTC; ``ValueError`` unless it may be that of a message of the past."""
    try:
        utc = at.astimezone(UTC)
    except (OverflowError, ValueError) as error:
        raise ValueError(f"at: {shown} is out of range") from error
    if utc <= _EPOCH:
        raise ValueError(f"at: {shown} is before 1970, where no provider keeps a time")
    if utc > latest:
        raise ValueError(f"at: {shown} lies in the future")
    return utc


_TYPES = {
    bool: "true or false",
    int: "a number",
    float: "a number",
    str: "a string",
    list: "an array",
    dict: "an object",
}


def _type(value: object) -> str:
    return "null" if value is None else _TYPES.get(type(value), "something else")


def shown_short(text: str) -> str:
    """A short value of a file as it may stand in a line on a terminal."""
    printable = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in clean(text[:60]))
    return f'"{printable}…"' if len(text) > 60 else f'"{printable}"'


# --- bytes ---------------------------------------------------------------------------------------------------


def _opened(path: Path) -> BinaryIO:
    """The file after a byte order mark, if it has one."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise HistoryError(f"{path}: cannot be read ({error.strerror})") from error
    if file.read(len(codecs.BOM_UTF8)) != codecs.BOM_UTF8:
        file.seek(0)
    return file


def _lines(file: BinaryIO, heard: Heard) -> Iterator[bytes | None]:
    """Line after line; None for one that is too long, and then no more."""
    read = 0
    for number in range(1, 1 << 62):
        line = file.readline(LINE_MOST + 1)
        if not line:
            break
        read += len(line)
        if number % HEARD_EVERY == 0:
            heard(read)
            read = 0
        if len(line) > LINE_MOST:
            yield None
            return
        yield line
    heard(read)


_ESCAPES = re.compile(rb"\\(?:x([0-9A-Fa-f]{2})|[\s\S])")


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


class _Mended:
    """The bytes of an export as JSON: Telegram Desktop writes control characters as ``\\x0B``, which JSON has not."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._kept = b""

    def read(self, size: int = -1) -> bytes:
        """The next bytes, some more or less than asked for; none at the end."""
        while chunk := self._file.read(size):
            data = self._kept + chunk
            begun = _begun_escape(data)
            self._kept, data = data[begun:], data[:begun]
            if data:
                return self._json(data)
        last, self._kept = self._kept, b""
        return self._json(last)

    def _json(self, data: bytes) -> bytes:
        return _ESCAPES.sub(_unicode_escape, data) if b"\\x" in data else data


def _begun_escape(data: bytes) -> int:
    """Where the backslashes begin that the end of the data may have cut off from what they escape."""
    at = data.rfind(b"\\", max(len(data) - 3, 0))
    if at < 0:
        return len(data)
    while at > 0 and data[at - 1 : at] == b"\\":
        at -= 1
    return at


def _unicode_escape(found: re.Match[bytes]) -> bytes:
    return found[0] if found[1] is None else b"\\u00" + found[1]


@contextmanager
def _json_of(path: Path) -> Iterator[None]:
    """Turns what ijson raises into words of ours: its own hold a piece of the file, which is people's text."""
    try:
        yield
    except (ijson.JSONError, UnicodeDecodeError) as error:
        raise HistoryError(f"{path}: is not valid JSON; was it written or copied to its end?") from error
