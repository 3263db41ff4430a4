"""Files from Telegram: getFile, then a download from an address that holds the token and must not be seen anywhere."""

from __future__ import annotations

import logging
import traceback
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from telegram.error import BadRequest, Forbidden, NetworkError, RetryAfter, TelegramError

from bot.files import Folder, NotFetched, OnDisk
from bot.telegram.outbound import TelegramAccount
from bridges.errors import BridgeError, Unavailable
from bridges.model import Attachment
from tests.journeys.world import Server

TOKEN = "100001:secret-token"
FILE = Attachment(kind="file", ref="AgAC")


class FakeBot:
    """Answers getFile as it is told to."""

    _request: tuple[Any, ...] = ()

    def __init__(self, url: str) -> None:
        self.url = url
        self.error: TelegramError | None = None
        self.path: str | None = f"{url}/file/bot{TOKEN}/documents/file_1.pdf"

    async def get_file(self, ref: str) -> Any:
        if self.error is not None:
            raise self.error
        return SimpleNamespace(file_path=self.path)


class Side:
    def __init__(self, tmp_path: Path, server: Server) -> None:
        folder = Folder(tmp_path / "files", most=1000)
        folder.prepare()
        self.server = server
        self.bot = FakeBot(server.url)
        self.account = TelegramAccount(self.bot, folder=folder)  # type: ignore[arg-type]

    async def fails(self) -> BridgeError:
        """The error of a fetch; the token is in nothing that could be shown of it."""
        with pytest.raises(BridgeError) as caught:
            await self.account.fetch(FILE)
        shown = "".join(traceback.format_exception(caught.value))
        assert TOKEN not in shown and "secret-token" not in shown
        return caught.value


@pytest.fixture
async def side(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> AsyncIterator[Side]:
    caplog.set_level(logging.DEBUG)

    async def file(request: Request) -> Response:
        status = request.app.state.status
        return PlainTextResponse(request.app.state.data if status == 200 else f"no {request.url}", status)

    app = Starlette(routes=[Route("/{path:path}", file)])
    app.state.status, app.state.data = 200, "words"
    server = Server(app)
    server.state = app.state  # type: ignore[attr-defined]
    await server.start()
    side = Side(tmp_path, server)
    yield side
    await side.account.close()
    await server.stop()
    assert not [line for line in caplog.messages if "secret-token" in line]


async def test_a_file_comes_to_disk(side: Side) -> None:
    file = await side.account.fetch(FILE)
    assert isinstance(file, OnDisk) and file.path.read_bytes() == b"words"


@pytest.mark.parametrize(
    ("status", "kind"), [(404, NotFetched), (400, NotFetched), (500, Unavailable), (401, Unavailable)]
)
async def test_a_download_that_is_refused_is_gone_or_tried_again(
    side: Side, status: int, kind: type[BridgeError]
) -> None:
    side.server.state.status = status  # type: ignore[attr-defined]
    assert type(await side.fails()) is kind


async def test_a_server_that_is_not_there_is_tried_again(side: Side) -> None:
    await side.server.down()
    error = await side.fails()
    assert isinstance(error, Unavailable) and not error.maybe_sent
    await side.server.up()


async def test_a_file_that_is_larger_than_was_said_is_given_up(side: Side) -> None:
    side.server.state.data = "x" * 1001  # type: ignore[attr-defined]
    assert isinstance(await side.fails(), NotFetched)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (BadRequest("File is too big"), NotFetched),
        (BadRequest("Wrong file_id or the file is temporarily unavailable"), Unavailable),
        (BadRequest("Invalid file_id"), NotFetched),
        (NetworkError("ConnectError"), Unavailable),
        (RetryAfter(3), Unavailable),
    ],
)
async def test_what_get_file_says_is_either_gone_or_not_now(
    side: Side, error: TelegramError, kind: type[BridgeError]
) -> None:
    side.bot.error = error
    assert type(await side.fails()) is kind


async def test_a_bot_that_may_not_is_a_refusal(side: Side) -> None:
    side.bot.error = Forbidden("bot was kicked")
    assert not isinstance(await side.fails(), Unavailable)


@pytest.mark.parametrize("path", [None, "", "documents/file_1.pdf", "http://"])
async def test_an_answer_without_an_address_is_tried_again(side: Side, path: str | None) -> None:
    side.bot.path = path
    assert type(await side.fails()) is Unavailable


async def test_a_server_of_our_own_says_where_on_this_machine_the_file_lies(side: Side, tmp_path: Path) -> None:
    kept = tmp_path / "file_1.pdf"
    kept.write_bytes(b"words")
    side.bot.path = str(kept)
    file = await side.account.fetch(FILE)
    with file.open() as opened:
        assert (opened.read(), file.size) == (b"words", 5)
