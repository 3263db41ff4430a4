"""Uploaded files and the media objects that show them.

A file id names the bytes and how they are shown; the same bytes always get the same unique id. Sizes of pictures are
read from the bytes where that is easy (PNG, JPEG, GIF); lengths of sound and film are what the sender said, else 1 s.
"""

from __future__ import annotations

import base64
import hashlib
import mimetypes
import secrets
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

#: Limits of the cloud server (https://core.telegram.org/bots/api#sending-files, read 2026-11), in bytes.
UPLOAD_LIMIT = 50 << 20
PHOTO_LIMIT = 10 << 20
DOWNLOAD_LIMIT = 20 << 20
#: Width and height of a photo together, and how often the one may hold the other (sendPhoto, read 2026-11).
PHOTO_SIDES_MOST = 10_000
PHOTO_RATIO_MOST = 20

_EXTENSIONS = {
    "photo": ".jpg",
    "video": ".mp4",
    "animation": ".mp4",
    "video_note": ".mp4",
    "audio": ".mp3",
    "voice": ".oga",
    "sticker": ".webp",
}
_TYPES = {
    "photo": "image/jpeg",
    "video": "video/mp4",
    "animation": "video/mp4",
    "video_note": "video/mp4",
    "audio": "audio/mpeg",
    "voice": "audio/ogg",
    "sticker": "image/webp",
}
_FOLDERS = {
    "photo": "photos",
    "video": "videos",
    "animation": "animations",
    "video_note": "video_notes",
    "audio": "music",
    "voice": "voice",
    "sticker": "stickers",
    "thumbnail": "thumbnails",
}


@dataclass(frozen=True, slots=True)
class File:
    """Stored bytes under one id."""

    file_id: str
    file_unique_id: str
    path: str
    data: bytes
    kind: str
    file_name: str
    mime_type: str

    def to_json(self) -> Json:
        """The File of getFile."""
        return {**self.ids(), "file_path": self.path}

    def ids(self) -> Json:
        return {"file_id": self.file_id, "file_unique_id": self.file_unique_id, "file_size": len(self.data)}


class Files:
    """Every file there is, by id and by download path."""

    def __init__(self) -> None:
        self._by_id: dict[str, File] = {}
        self._by_path: dict[str, File] = {}

    def store(self, data: bytes, *, file_name: str, mime_type: str, kind: str) -> File:
        digest = hashlib.sha256(kind.encode() + b"\0" + data).digest()
        unique = "AgAD" + base64.urlsafe_b64encode(digest[:9]).decode()
        file_id = "AgACAgQ" + secrets.token_urlsafe(42)
        guessed = mimetypes.guess_type(file_name)[0] if file_name else None
        mime_type = mime_type or guessed or _TYPES.get(kind, "application/octet-stream")
        extension = _EXTENSIONS.get(kind) or ("." + file_name.rpartition(".")[2] if "." in file_name else "")
        path = f"{_FOLDERS.get(kind, 'documents')}/file_{len(self._by_id)}{extension}"
        file = File(file_id, unique, path, data, kind, file_name, mime_type)
        self.put(file)
        return file

    def put(self, file: File) -> None:
        """Keep a file under the id and path it has."""
        self._by_id[file.file_id] = file
        self._by_path[file.path] = file

    def everything(self) -> list[File]:
        return list(self._by_id.values())

    def get(self, file_id: str) -> File | None:
        return self._by_id.get(file_id)

    def at(self, path: str) -> File | None:
        return self._by_path.get(path)


def picture_size(data: bytes) -> tuple[int, int]:
    """Width and height of a PNG, GIF or JPEG; 320 by 240 for anything else."""
    if data[:8] == b"\x89PNG\r\n\x1a\n" and len(data) >= 24:
        width, height = struct.unpack(">II", data[16:24])
        return width, height
    if data[:6] in (b"GIF87a", b"GIF89a") and len(data) >= 10:
        width, height = struct.unpack("<HH", data[6:10])
        return width, height
    if data[:2] == b"\xff\xd8":
        at = 2
        while at + 9 <= len(data) and data[at] == 0xFF:
            marker, size = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
            if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
                height, width = struct.unpack(">HH", data[at + 5 : at + 9])
                return width, height
            at += 2 + size
    return 320, 240


def media_content(kind: str, file: File, given: Mapping[str, str]) -> Json:
    """The Bot API fields of a message that shows a file; ``given`` holds what the sender said of it."""

    def number(name: str, default: int) -> int:
        value = given.get(name, "")
        return int(value) if value.isdecimal() else default

    ids = file.ids()
    width, height = picture_size(file.data)
    match kind:
        case "photo":
            sizes = [{**ids, "width": width, "height": height}]
            return {"photo": sizes}
        case "video" | "animation":
            shown: Json = {
                **ids,
                "width": number("width", width),
                "height": number("height", height),
                "duration": number("duration", 1),
                "mime_type": file.mime_type,
            }
            if file.file_name:
                shown["file_name"] = file.file_name
            if kind == "video":
                return {"video": shown}
            # Old clients show an animation as a document, so the server gives both.
            document = {name: shown[name] for name in (*ids, "mime_type")}
            if file.file_name:
                document["file_name"] = file.file_name
            return {"animation": shown, "document": document}
        case "video_note":
            length = number("length", 240)
            return {"video_note": {**ids, "length": length, "duration": number("duration", 1)}}
        case "audio":
            shown = {**ids, "duration": number("duration", 1), "mime_type": file.mime_type}
            for name in ("performer", "title"):
                if given.get(name):
                    shown[name] = given[name]
            if file.file_name:
                shown["file_name"] = file.file_name
            return {"audio": shown}
        case "voice":
            return {"voice": {**ids, "duration": number("duration", 1), "mime_type": file.mime_type}}
        case "sticker":
            shown = {
                **ids,
                "type": "regular",
                "width": 512,
                "height": 512,
                "is_animated": False,
                "is_video": file.mime_type == "video/webm",
            }
            if given.get("emoji"):
                shown["emoji"] = given["emoji"]
            return {"sticker": shown}
    shown = {**ids, "mime_type": file.mime_type}
    if file.file_name:
        shown["file_name"] = file.file_name
    return {"document": shown}
