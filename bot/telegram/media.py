"""Files as Telegram takes them: which method shows one, what may stand together, and how bytes go along.

Limits and formats: https://core.telegram.org/bots/api#sendphoto and the methods after it, 2026-11.
"""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, TypedDict

from telegram import (
    Bot,
    InlineKeyboardMarkup,
    InputFile,
    InputMediaAudio,
    InputMediaDocument,
    InputMediaPhoto,
    InputMediaVideo,
    Message,
    MessageEntity,
    ReplyParameters,
)

from bot.addresses import TELEGRAM
from bot.shaping import size_text
from bridges.api import File
from bridges.errors import Refused, Unavailable
from bridges.model import Attachment

Way: TypeAlias = Literal["photo", "video", "animation", "audio", "voice", "sticker", "document"]

ALBUM_MOST = 10
CAPTION_LIMIT = 1024
UPLOAD_MOST = 50_000_000
"""Bytes of one request; what is on Telegram's servers already does not count."""
PHOTO_MOST = 10_000_000
PHOTO_SIDES_MOST = 10_000
"""Width and height of a photo together."""
PHOTO_RATIO_MOST = 20
NAME_MOST = 120

ALBUMS: tuple[tuple[str, ...], ...] = (("image", "video"), ("file",), ("audio",))
"""Kinds of attachments that may stand in one album."""
CAPTIONLESS = ("sticker",)
"""Kinds of attachments that have no caption."""

_TOGETHER: tuple[frozenset[Way], ...] = (frozenset(("photo", "video")), frozenset(("document",)), frozenset(("audio",)))
_OF_TELEGRAM: dict[str, Way] = {
    "image": "photo",
    "video": "video",
    "audio": "audio",
    "voice": "voice",
    "sticker": "sticker",
    "file": "document",
}
_TAKEN: dict[str, tuple[tuple[Way, frozenset[str]], ...]] = {
    "image": (("animation", frozenset(("gif",))), ("photo", frozenset(("", "jpg", "png", "webp")))),
    "video": (("animation", frozenset(("gif",))), ("video", frozenset(("", "mp4")))),
    "audio": (("audio", frozenset(("mp3", "m4a"))),),
    "voice": (("voice", frozenset(("ogg", "mp3", "m4a"))),),
    "sticker": (("sticker", frozenset(("webp", "tgs", "webm"))), ("photo", frozenset(("", "jpg", "png")))),
}
"""For each kind the ways to show it, with the formats that Telegram shows so; the rest goes as a document."""
_FORMATS = {
    "image/jpeg": "jpg",
    "image/jpg": "jpg",
    "image/png": "png",
    "image/webp": "webp",
    "image/gif": "gif",
    "video/mp4": "mp4",
    "video/webm": "webm",
    "audio/mpeg": "mp3",
    "audio/mp3": "mp3",
    "audio/mp4": "m4a",
    "audio/m4a": "m4a",
    "audio/x-m4a": "m4a",
    "audio/ogg": "ogg",
    "audio/opus": "ogg",
    "application/ogg": "ogg",
    "application/x-tgsticker": "tgs",
}
_ENDINGS = {"jpeg": "jpg", "oga": "ogg", "opus": "ogg"}
_FILE_ID = re.compile(r"[A-Za-z0-9_-]+")
_MEDIA_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+")


class Where(TypedDict):
    """What every method that sends takes beside the chat."""

    message_thread_id: int | None
    reply_parameters: ReplyParameters | None
    disable_notification: bool | None


@dataclass(frozen=True, slots=True)
class Piece:
    """One file on its way to a chat."""

    attachment: Attachment
    way: Way
    file: File | None = None
    """Its bytes; None: Telegram has them, under the attachment's ``ref``."""


def pieces_of(attachments: Sequence[Attachment], *, files: Sequence[File]) -> tuple[Piece, ...]:
    """Attachments with their bytes. Files are given for those that are not Telegram's own, or for all of them."""
    ours = [each for each in attachments if each.account != TELEGRAM]
    if len(files) not in (len(ours), len(attachments)):
        raise Refused("the bytes of a file are missing")
    bytes_of = iter(files)
    pieces = []
    for attachment in attachments:
        given = next(bytes_of) if attachment.account != TELEGRAM or len(files) == len(attachments) else None
        if attachment.account != TELEGRAM:
            pieces.append(Piece(attachment, way_of(attachment, size=given.size if given else 0), given))
        else:
            # The library would take a text that is the path of a file on this machine for that file.
            if not _FILE_ID.fullmatch(attachment.ref):
                raise Refused(f"the {attachment.kind} has no id of Telegram's")
            pieces.append(Piece(attachment, _OF_TELEGRAM[attachment.kind]))
    return _albumable(tuple(pieces))


def way_of(attachment: Attachment, *, size: int) -> Way:
    """How bytes are best shown; a photo that Telegram would refuse, or sound that it cannot play, as a document."""
    shown_as = format_of(attachment)
    for way, formats in _TAKEN.get(attachment.kind, ()):
        if shown_as in formats:
            return "document" if way == "photo" and not _is_photo(attachment, size=size) else way
    return _as_sound(shown_as) if attachment.kind == "voice" else "document"


def format_of(attachment: Attachment) -> str:
    """``jpg``, ``mp4`` and so on, by its media type or its name; empty if neither says."""
    kind = attachment.media_type.partition(";")[0].strip().lower()
    if kind not in ("", "application/octet-stream"):
        return _FORMATS.get(kind, kind)
    stem, dot, ending = attachment.name.rpartition(".")
    return _ENDINGS.get(ending.lower(), ending.lower()) if dot and stem else ""


def _as_sound(shown_as: str) -> Way:
    return "audio" if shown_as in ("mp3", "m4a") else "document"


def _is_photo(attachment: Attachment, *, size: int) -> bool:
    if size > PHOTO_MOST:
        return False
    width, height = attachment.width or 0, attachment.height or 0
    if not width or not height:
        return True  # if it is not, Telegram says so
    return width + height <= PHOTO_SIDES_MOST and max(width, height) <= PHOTO_RATIO_MOST * min(width, height)


def _albumable(pieces: tuple[Piece, ...]) -> tuple[Piece, ...]:
    """Several that may not stand together go as documents, which may."""
    if len(pieces) < 2:
        return pieces
    ways = frozenset(piece.way for piece in pieces)
    if any(ways <= together for together in _TOGETHER):
        return pieces
    return as_documents(pieces)


def as_documents(pieces: tuple[Piece, ...]) -> tuple[Piece, ...]:
    """The same without any preview: what Telegram always takes."""
    return tuple(replace(piece, way="document") for piece in pieces)


def without_voice(pieces: tuple[Piece, ...]) -> tuple[Piece, ...]:
    """The same for somebody who wants no voice messages: as music, or as a file."""
    return tuple(
        replace(piece, way=_as_sound(format_of(piece.attachment))) if piece.way == "voice" else piece
        for piece in pieces
    )


def fitting(pieces: tuple[Piece, ...]) -> tuple[tuple[Piece, ...], tuple[Piece, ...]]:
    """What of them Telegram takes at once, and what is too much: of several the first go."""
    kept: list[Piece] = []
    left: list[Piece] = []
    room = UPLOAD_MOST
    for piece in pieces:
        size = piece.file.size if piece.file else 0
        if size <= room:
            kept.append(piece)
            room -= size
        else:
            left.append(piece)
    return tuple(kept), tuple(left)


def described(pieces: Sequence[Piece]) -> str:
    """What is sent, for an error: without names, which are somebody's words."""
    size = sum(piece.file.size if piece.file else piece.attachment.size or 0 for piece in pieces)
    what = f"the {pieces[0].attachment.kind}" if len(pieces) == 1 else f"the album of {len(pieces)} files"
    return f"{what} ({size_text(size)})" if size else what


def file_name(attachment: Attachment) -> str:
    """A name under which a reader finds it again: one line, not too long, with an ending where the type tells one."""
    name = "".join(c if c.isprintable() and c not in '/\\:*?"<>|' else "_" for c in attachment.name).strip(" .")
    stem, dot, ending = name.rpartition(".")
    if not dot or not stem or len(ending) > 8:
        kind = attachment.media_type.partition(";")[0].strip().lower()
        stem = name[:NAME_MOST] or attachment.kind
        ending = (mimetypes.guess_extension(kind) or "").lstrip(".")
    return f"{stem[:NAME_MOST]}.{ending}" if ending else stem[:NAME_MOST]


async def send_files(
    bot: Bot,
    chat_id: int,
    pieces: Sequence[Piece],
    *,
    caption: str,
    entities: Sequence[MessageEntity] | None,
    keyboard: InlineKeyboardMarkup | None,
    where: Where,
) -> Sequence[Message]:
    """Send one file, or an album, in one request; the bytes are read from disk as they leave."""
    with ExitStack() as opened:
        if len(pieces) > 1:
            media = [
                _in_album(piece, opened, caption=None if index else caption, entities=None if index else entities)
                for index, piece in enumerate(pieces)
            ]
            return await bot.send_media_group(chat_id, media, **where)
        (piece,) = pieces
        return [
            await _send_one(
                bot, chat_id, piece, opened, caption=caption or None, entities=entities, keyboard=keyboard, where=where
            )
        ]


async def _send_one(
    bot: Bot,
    chat_id: int,
    piece: Piece,
    opened: ExitStack,
    *,
    caption: str | None,
    entities: Sequence[MessageEntity] | None,
    keyboard: InlineKeyboardMarkup | None,
    where: Where,
) -> Message:
    thing, about = _thing(piece, opened), piece.attachment
    match piece.way:
        case "photo":
            return await bot.send_photo(
                chat_id, thing, caption=caption, caption_entities=entities, reply_markup=keyboard, **where
            )
        case "video":
            return await bot.send_video(
                chat_id,
                thing,
                duration=about.duration_s,
                width=about.width,
                height=about.height,
                caption=caption,
                caption_entities=entities,
                supports_streaming=True,
                reply_markup=keyboard,
                **where,
            )
        case "animation":
            return await bot.send_animation(
                chat_id,
                thing,
                duration=about.duration_s,
                width=about.width,
                height=about.height,
                caption=caption,
                caption_entities=entities,
                reply_markup=keyboard,
                **where,
            )
        case "audio":
            return await bot.send_audio(
                chat_id,
                thing,
                duration=about.duration_s,
                caption=caption,
                caption_entities=entities,
                reply_markup=keyboard,
                **where,
            )
        case "voice":
            return await bot.send_voice(
                chat_id,
                thing,
                duration=about.duration_s,
                caption=caption,
                caption_entities=entities,
                reply_markup=keyboard,
                **where,
            )
        case "sticker":
            return await bot.send_sticker(chat_id, thing, reply_markup=keyboard, **where)
        case "document":
            # Else Telegram makes of a sound or a picture what it takes it for.
            return await bot.send_document(
                chat_id,
                thing,
                caption=caption,
                caption_entities=entities,
                disable_content_type_detection=True,
                reply_markup=keyboard,
                **where,
            )


def _in_album(
    piece: Piece, opened: ExitStack, *, caption: str | None, entities: Sequence[MessageEntity] | None
) -> InputMediaPhoto | InputMediaVideo | InputMediaAudio | InputMediaDocument:
    thing, about = _thing(piece, opened, attach=True), piece.attachment
    match piece.way:
        case "photo":
            return InputMediaPhoto(thing, caption=caption or None, caption_entities=entities)
        case "video":
            return InputMediaVideo(
                thing,
                caption=caption or None,
                caption_entities=entities,
                width=about.width,
                height=about.height,
                duration=about.duration_s,
                supports_streaming=True,
            )
        case "audio":
            return InputMediaAudio(thing, caption=caption or None, caption_entities=entities, duration=about.duration_s)
        case _:
            return InputMediaDocument(
                thing, caption=caption or None, caption_entities=entities, disable_content_type_detection=True
            )


def _thing(piece: Piece, opened: ExitStack, *, attach: bool = False) -> InputFile | str:
    if piece.file is None:
        return piece.attachment.ref
    try:
        handle = opened.enter_context(piece.file.open())
    except OSError as error:
        raise Unavailable(f"{described((piece,))} cannot be read from this machine's disk") from error
    made = InputFile(handle, filename=file_name(piece.attachment), attach=attach, read_file_handle=False)
    kind = piece.attachment.media_type.partition(";")[0].strip().lower()
    if _MEDIA_TYPE.fullmatch(kind):
        made.mimetype = kind
    return made
