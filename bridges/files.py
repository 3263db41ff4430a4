"""Files in requests and answers, without ever being in memory as a whole.

A body that holds a file is made again for each time that it is sent: credentials may be renewed in between.
"""

from __future__ import annotations

import base64
import io
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO

import httpx

from bridges.api import HARMLESS, File
from bridges.errors import Refused

PIECE = 65536
"""Bytes that are read at a time."""
SLOW_BYTES_S = 250_000
"""What a line carries in a second, if it is a slow one."""
PATIENCE_S = 30.0

DEADLINE = "deadline_s"
"""Extension of a request that may take longer than others: seconds for all of it."""
ASIDE = "aside"
"""Extension of a request whose answer's body is wanted as a file, of a response for that file."""
FETCHING: Mapping[str, bool] = {**HARMLESS, ASIDE: True}
"""Extensions of a request for a file; see :func:`file_of`."""


class NotFetched(Refused):
    """A file that is not to be had, and why in a few words for the people in the chat."""

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Bytes:
    """A small file that is in memory."""

    data: bytes = field(repr=False)

    @property
    def size(self) -> int:
        """See :class:`bridges.api.File`."""
        return len(self.data)

    def open(self) -> BinaryIO:
        """See :class:`bridges.api.File`."""
        return io.BytesIO(self.data)


def file_of(response: httpx.Response) -> File:
    """The body of an answer to a request with ``FETCHING``."""
    found: File | None = response.extensions.get(ASIDE)
    return Bytes(response.content) if found is None else found


@dataclass(frozen=True, slots=True)
class InBase64:
    """A file as it stands in JSON."""

    file: File

    @property
    def size(self) -> int:
        """Of what it becomes."""
        return -(-self.file.size // 3) * 4


class Body(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A request's body in pieces, to be read as often as wanted."""

    def __init__(self, *pieces: bytes | File | InBase64) -> None:
        self._pieces = pieces
        self.size = sum(len(piece) if isinstance(piece, bytes) else piece.size for piece in pieces)

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            if isinstance(piece, bytes):
                yield piece
            elif isinstance(piece, InBase64):
                # Whole groups of three bytes, so that the pieces join to one text.
                yield from map(base64.b64encode, _read(piece.file, at_once=PIECE // 3 * 3))
            else:
                yield from _read(piece, at_once=PIECE)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self:
            yield chunk


def _read(file: File, *, at_once: int) -> Iterator[bytes]:
    left = file.size
    with file.open() as opened:
        while left > 0:
            chunk = opened.read(min(at_once, left))
            if not chunk:
                raise OSError("the file is shorter than it was")
            left -= len(chunk)
            yield chunk


def form_request(
    url: httpx.URL | str,
    *,
    field: str,
    file: File,
    name: str,
    media_type: str,
    boundary: str,
    data: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    extensions: Mapping[str, object] | None = None,
) -> httpx.Request:
    """A form with some fields and one file. Raises ``httpx.InvalidURL`` and ``UnicodeEncodeError``."""
    kind = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    # httpx writes the form, around an empty file; the file's own bytes belong before the last boundary.
    frame = httpx.Request(
        "POST",
        url,
        headers={**(headers or {}), **kind},
        data=dict(data or {}),
        files={field: (name, b"", media_type)},
    )
    whole = frame.read()
    end = len(f"\r\n--{boundary}--\r\n")
    return _request(frame, Body(whole[:-end], file, whole[-end:]), file=file, extensions=extensions)


def json_request(url: httpx.URL | str, body: Mapping[str, object], *, field: str, file: File) -> httpx.Request:
    """A JSON object that has a file in base64 as one more member."""
    frame = httpx.Request("POST", url, json={**body, field: ""})
    whole = frame.read()
    end = len(b'"}')
    return _request(frame, Body(whole[:-end], InBase64(file), whole[-end:]), file=file)


def _request(
    frame: httpx.Request, body: Body, *, file: File, extensions: Mapping[str, object] | None = None
) -> httpx.Request:
    return httpx.Request(
        frame.method,
        frame.url,
        headers={**frame.headers, "content-length": str(body.size)},
        stream=body,
        extensions={DEADLINE: PATIENCE_S + file.size / SLOW_BYTES_S, **(extensions or {})},
    )
