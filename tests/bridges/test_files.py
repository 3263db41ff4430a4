"""Files in requests: the bytes that httpx would send, made in pieces, and made again."""

from __future__ import annotations

import base64
import json
from io import BytesIO
from typing import BinaryIO

import httpx
import pytest

from bridges.files import ASIDE, DEADLINE, PIECE, Bytes, file_of, form_request, json_request

URL = "https://provider.example/upload"
LARGE = bytes(range(256)) * 1000


class Counted:
    """A file that tells how much of it was asked for at once, and whether it was closed."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.opened: list[BytesIO] = []
        self.largest = 0

    @property
    def size(self) -> int:
        return len(self.data)

    def open(self) -> BinaryIO:
        outer = self

        class Handle(BytesIO):
            def read(self, size: int | None = -1) -> bytes:
                chunk = super().read(size)
                outer.largest = max(outer.largest, len(chunk))
                return chunk

        handle = Handle(self.data)
        self.opened.append(handle)
        return handle


def test_a_form_is_the_one_that_httpx_would_write() -> None:
    ours = form_request(
        URL, field="f", file=Bytes(LARGE), name='a"b\n.txt', media_type="text/plain", boundary="B", data={"k": "v"}
    )
    theirs = httpx.Request(
        "POST",
        URL,
        headers={"Content-Type": "multipart/form-data; boundary=B"},
        data={"k": "v"},
        files={"f": ('a"b\n.txt', LARGE, "text/plain")},
    )
    assert ours.read() == theirs.read()
    assert dict(ours.headers) == dict(theirs.headers)


@pytest.mark.parametrize("size", [0, 1, 2, 3, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE + 2])
def test_a_file_in_json_is_whole_base64_of_the_length_that_was_said(size: int) -> None:
    data = (LARGE * 2)[:size]
    request = json_request(URL, {"text": 'q"}', "size": size}, field="data", file=Bytes(data))
    body = request.read()
    assert request.headers["content-length"] == str(len(body))
    assert json.loads(body) == {"text": 'q"}', "size": size, "data": base64.b64encode(data).decode()}


def test_a_file_is_read_in_pieces_and_again_for_a_second_request() -> None:
    file = Counted(LARGE)
    request = form_request(URL, field="f", file=file, name="a", media_type="text/plain", boundary="B")
    assert isinstance(request.stream, httpx.SyncByteStream)
    first, again = b"".join(request.stream), b"".join(request.stream)
    assert first == again and LARGE in first
    assert file.largest <= PIECE
    assert [handle.closed for handle in file.opened] == [True, True]


def test_a_file_that_became_shorter_ends_the_request() -> None:
    class Cut(Counted):
        @property
        def size(self) -> int:
            return len(self.data) + 1

    with pytest.raises(OSError, match="shorter"):
        json_request(URL, {"a": 1}, field="data", file=Cut(b"abc")).read()


def test_a_large_file_has_more_time_than_a_small_one() -> None:
    small, large = (
        form_request(URL, field="f", file=Bytes(data), name="a", media_type="a/b", boundary="B").extensions[DEADLINE]
        for data in (b"x", LARGE)
    )
    assert 30 <= small < large


def test_an_answer_is_the_file_that_was_put_aside_or_else_its_body() -> None:
    aside = Bytes(b"aside")
    assert file_of(httpx.Response(200, extensions={ASIDE: aside})) is aside
    assert file_of(httpx.Response(200, content=b"body")) == Bytes(b"body")
