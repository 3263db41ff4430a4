"""From a message to the elements that OpenIM takes for it (https://docs.openim.io/restapi/commonFields, 2026-11)."""

from __future__ import annotations

import json
import re
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bridges import api
from bridges.api import Answered, Outgoing
from bridges.errors import Inexpressible
from bridges.files import Bytes
from bridges.model import Attachment, Message, SpanKind
from bridges.openim import wire
from bridges.openim.markdown import to_markdown
from bridges.responses import clean
from bridges.signing import fingerprint
from bridges.spans import plain as plain_words

MARK = "patchbay"
"""The key in ``ex`` by which every Patchbay knows what a Patchbay wrote: it is relayed no further."""
MARK_LENGTH = 16
MARK_LENGTH_OF_MANY = 8
MARKED_MOST = 100
"""Marks that fit into one ``ex``."""
QUOTED_MOST = 80
SNAPSHOT_SIZE = (320, 180)

_USER_ID = re.compile(r"[A-Za-z0-9_.@+-]{1,64}")
_EXTENSION = re.compile(r"\.([A-Za-z0-9]{1,8})$")


@dataclass(frozen=True, slots=True)
class Element:
    """What ``contentType`` and ``content`` of a send are."""

    type: int
    content: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Text:
    """A part of a message that is words; ``plain`` is what goes where the server does not take ``rich``."""

    plain: Element
    rich: Element | None = None


@dataclass(frozen=True, slots=True)
class File:
    """A part of a message that is a file: it is uploaded before it is sent."""

    attachment: Attachment
    data: api.File


def parts_of(out: Outgoing, *, line: wire.Line, limit: int, group: str | None) -> Sequence[Text | File]:
    """The messages that OpenIM needs for this one: each file, then the words, for a file has no caption over there.

    Raises ``Inexpressible`` for what cannot be carried.
    """
    message = out.message
    text = clean(message.text)
    if len(text) > limit:
        raise Inexpressible(f"OpenIM is given at most {limit} characters in one message, this has {len(text)}")
    if len(out.files) != len(message.attachments):
        raise Inexpressible("OpenIM takes files as bytes, and they were not given")
    files = tuple(File(attachment, data) for attachment, data in zip(message.attachments, out.files, strict=True))
    if any(not each.data.size for each in files):
        raise Inexpressible("OpenIM takes no empty file")
    if not text:
        if not files:
            raise Inexpressible("OpenIM takes no message without words or files")
        return files
    return (*files, _text_of(message, text=text, limit=limit, answered=out.answered, line=line, group=group))


def _text_of(
    message: Message, *, text: str, limit: int, answered: Answered | None, line: wire.Line, group: str | None
) -> Text:
    mentioned = _mentioned(message) if group else ()
    # These kinds have no formatting, so that the addresses of links stand in the words.
    words = _words(message, text=text, limit=limit)
    # The stable line knows no quotes: who sends quotes in the words there, where that is wanted.
    if message.reply_to is not None and answered is not None and line == "main":
        said = _quoted_message(answered, group=group)
        rich = Element(wire.QUOTE, {"text": words, "quoteMessage": said})
        return Text(Element(wire.TEXT, {"content": _quoted(words, answered=answered)}), rich)
    if mentioned:
        return Text(at_text(words, users=mentioned))
    plain = Element(wire.TEXT, {"content": words})
    if line == "main" and message.spans and text == message.text:
        marked = to_markdown(message)
        if marked is not None:
            return Text(plain, Element(wire.MARKDOWN, {"content": marked}))
    return Text(plain)


def _words(message: Message, *, text: str, limit: int) -> str:
    """The text with the addresses of its links in brackets, as far as that is not too long.

    What is too long for that is split before it gets here; this is for what was given otherwise.
    """
    said = clean(plain_words(message)) if message.spans else text
    return said if len(said) <= limit else text


def at_text(text: str, *, users: Sequence[tuple[str, str]]) -> Element:
    """Words that call people by id and name. How their names stand in the text is not documented."""
    return Element(
        wire.AT_TEXT,
        {
            "text": text,
            "atUserList": [id for id, _ in users],
            "atUsersInfo": [{"atUserID": id, "groupNickname": name} for id, name in users],
            "isAtSelf": False,
        },
    )


def _mentioned(message: Message) -> Sequence[tuple[str, str]]:
    found: dict[str, str] = {}
    for span in message.spans:
        if span.kind is SpanKind.MENTION and span.value and _USER_ID.fullmatch(span.value):
            words = message.text[span.start : span.start + span.length]
            found.setdefault(span.value, clean(words).removeprefix("@"))
    return tuple(found.items())[: wire.ITEMS_MOST]


def _quoted(text: str, *, answered: Answered) -> str:
    """The words below a line of what they answer."""
    words = " ".join(clean(answered.text).split())
    if not words:
        return text
    who = f"{clean(answered.sender.name)}: " if answered.sender and answered.sender.name else ""
    line = who + words
    return f"> {line if len(line) <= QUOTED_MOST else line[: QUOTED_MOST - 1] + '…'}\n{text}"


def _quoted_message(answered: Answered, *, group: str | None) -> Mapping[str, object]:
    millis = 0 if answered.at is None else int(answered.at.timestamp() * 1000)
    said: dict[str, object] = {
        "clientMsgID": message_id(answered.id),
        "sendID": answered.sender.id if answered.sender else "",
        "senderNickname": clean(answered.sender.name) if answered.sender else "",
        "sessionType": wire.GROUP if group else wire.SINGLE,
        "contentType": wire.TEXT,
        "sendTime": millis,
        "createTime": millis,
        "status": wire.STATUS_SENT,
        "textElem": {"content": clean(answered.text)},
    }
    return {**said, "groupID": group} if group else said


def message_id(id: str) -> str:
    """The ``clientMsgID`` in one of our ids: that of a broadcast has the receiver behind it."""
    return id.partition("/")[0]


# The mark in ``ex``


def mark_of(key: str, *, part: int = 0, length: int = MARK_LENGTH) -> str:
    """What stands in ``ex`` for a part of the message with this key."""
    return fingerprint("mark", key, str(part))[:length]


def marked(*marks: str) -> str:
    """``ex`` with these marks: at most 1,024 characters."""
    return json.dumps({MARK: ",".join(marks)}, separators=(",", ":"))


def marks_in(ex: object) -> Sequence[str] | None:
    """The marks in an ``ex``; None if no Patchbay wrote it."""
    if not isinstance(ex, str) or MARK not in ex or len(ex) > 4 * wire.EX_MOST:
        return None
    try:
        body = json.loads(ex)
    except (ValueError, RecursionError):
        return None
    if not isinstance(body, dict) or not isinstance(body.get(MARK), str):
        return None
    return tuple(str(body[MARK]).split(","))


def is_marked(ex: object, *, key: str, part: int) -> bool:
    """Whether this part of the message with this key is what the ``ex`` belongs to."""
    full = mark_of(key, part=part, length=32)
    return any(len(mark) >= MARK_LENGTH_OF_MANY and full.startswith(mark) for mark in marks_in(ex) or ())


# Files


def extension_of(attachment: Attachment) -> str:
    """The end of its name without the dot, or what its media type ends with; ``bin`` where neither says."""
    found = _EXTENSION.search(attachment.name)
    if found:
        return found[1].lower()
    kind = attachment.media_type.partition(";")[0].rpartition("/")[2].lower()
    return kind if kind.isascii() and kind.isalnum() and len(kind) <= 8 else "bin"


def is_video(attachment: Attachment) -> bool:
    """Whether it goes as a video, which needs a picture to be shown by."""
    return attachment.kind == "video"


def element_of(file: File, *, url: str, snapshot_url: str) -> Element:
    """The element for an uploaded file.

    Go's validator takes 0 for missing, so a size or a length that is not known is given as 1.
    """
    attachment, size = file.attachment, file.data.size
    kind, uuid = extension_of(attachment), fingerprint("file", url)
    width, height = max(attachment.width or 1, 1), max(attachment.height or 1, 1)
    duration = max(attachment.duration_s or 1, 1)
    is_picture = attachment.kind == "image" or (
        attachment.kind == "sticker" and attachment.media_type.startswith("image/")
    )
    if is_picture:
        picture = {"uuid": uuid, "type": kind, "size": size, "width": width, "height": height, "url": url}
        # A thumbnail of its own is not made: the same picture stands in all three places.
        shown = {"sourcePicture": picture, "bigPicture": picture, "snapshotPicture": picture}
        return Element(wire.PICTURE, {"sourcePath": "", **shown})
    if attachment.kind == "voice":
        about: dict[str, object] = {"sourceUrl": url, "dataSize": size, "duration": duration, "soundType": kind}
        return Element(wire.VOICE, {"uuid": uuid, "soundPath": "", **about})
    if attachment.kind == "video":
        return Element(
            wire.VIDEO,
            {
                "videoPath": "",
                "videoUUID": uuid,
                "videoUrl": url,
                "videoType": kind,
                "videoSize": size,
                "duration": duration,
                "snapshotPath": "",
                "snapshotUUID": fingerprint("file", snapshot_url),
                "snapshotSize": SNAPSHOT.size,
                "snapshotUrl": snapshot_url,
                "snapshotWidth": SNAPSHOT_SIZE[0],
                "snapshotHeight": SNAPSHOT_SIZE[1],
            },
        )
    # Music has a name to be known by, which a voice message has not.
    name = clean(attachment.name) or f"file.{kind}"
    return Element(
        wire.FILE,
        {"filePath": "", "uuid": uuid, "sourceUrl": url, "fileName": name, "fileSize": size, "fileType": kind},
    )


def _grey_png(*, width: int, height: int) -> bytes:
    """A plain grey PNG (https://www.w3.org/TR/png-3/, 2026-11)."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    row = b"\x00" + b"\x50" * width
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    ends = chunk(b"IDAT", zlib.compress(row * height, 9)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + ends


SNAPSHOT = Bytes(_grey_png(width=SNAPSHOT_SIZE[0], height=SNAPSHOT_SIZE[1]))
"""What a video is shown by: OpenIM refuses one without a picture, and we have none."""
SNAPSHOT_FILE = Attachment(kind="image", ref="", name="snapshot.png", media_type="image/png")
