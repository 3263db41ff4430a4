"""Files that a person picked on the page: kept until they are sent, and how any file is shown there."""

from __future__ import annotations

import itertools
import mimetypes
from collections import OrderedDict
from dataclasses import dataclass

from bot.playground.bodies import Wrong

FILE_MOST = 20 << 20
"""What a bot may download from Telegram (https://core.telegram.org/bots/api#getfile, 2026-11), in bytes."""
KEPT_MOST = 64 << 20
"""Of all files that were picked and not sent; then the oldest are forgotten."""
PHOTO_MOST = 10 << 20
NAME_MOST = 100
TOO_LARGE = f"the file is over {FILE_MOST >> 20} MB, the most that can be sent here"

_STARTS = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as it was picked."""

    name: str
    media_type: str
    data: bytes

    @property
    def telegram_kind(self) -> str:
        """As what Telegram's own apps would send it."""
        match self.media_type:
            case "image/png" | "image/jpeg":
                return "photo" if len(self.data) <= PHOTO_MOST else "document"
            case "image/webp":
                return "sticker"
            case "video/mp4":
                return "video"
            case "audio/ogg":
                return "voice"
            case "audio/mpeg" | "audio/mp4":
                return "audio"
        return "document"


class Uploads:
    """What was picked and not sent yet; the oldest goes first."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Upload] = OrderedDict()
        self._numbers = itertools.count(1)

    def put(self, name: str, data: bytes) -> tuple[str, Upload]:
        """Keep a file; returns its id here. Raises :class:`Wrong`."""
        if not data:
            raise Wrong("the file is empty")
        if len(data) > FILE_MOST:
            raise Wrong(TOO_LARGE, status=413)
        name = plain_name(name)
        # By its first bytes where they tell: what somebody calls it may be wrong.
        media_type = picture_type(data) or mimetypes.guess_type(name)[0] or "application/octet-stream"
        if media_type.startswith("image/") and not picture_type(data):
            media_type = "application/octet-stream"
        id = f"u{next(self._numbers)}"
        self._kept[id] = upload = Upload(name, media_type, data)
        while sum(len(each.data) for each in self._kept.values()) > KEPT_MOST:
            self._kept.popitem(last=False)
        return id, upload

    def get(self, id: str) -> Upload:
        """A file that was kept. Raises :class:`Wrong`."""
        upload = self._kept.get(id)
        if upload is None:
            raise Wrong(f"there is no uploaded file {id[:40]!r}; upload it again", status=409)
        return upload

    def forget(self, id: str) -> None:
        """It was sent."""
        self._kept.pop(id, None)


def plain_name(name: str) -> str:
    """A file's name without folders and without what cannot be seen."""
    last = name.replace("\\", "/").rpartition("/")[2]
    return "".join(c for c in last if c.isprintable())[-NAME_MOST:].strip() or "file"


def picture_type(data: bytes) -> str:
    """The media type of a picture that a browser can show and that holds no program; empty for anything else."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((media_type for start, media_type in _STARTS if data.startswith(start)), "")
