"""Files on their way: on disk only while somebody holds them, fetched once, a few at a time, in little memory."""

from __future__ import annotations

import asyncio
import gc
import os
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from bot.downloads import Downloads, plain
from bot.files import FETCH_S, STRANGER_S, Files, Folder, LeadsAway, LocalFile, NotFetched, NotNow, OnDisk, Queued
from bot.http import HttpClient
from bridges.api import File, origin_of
from bridges.driver import drive
from bridges.errors import BridgeError, Garbled, Refused, Unauthorized, Unavailable
from bridges.files import Bytes, form_request
from bridges.model import AccountName, Attachment
from tests.bot.fakes import Clock, FakeBridge, fake_account
from tests.journeys.world import Server, until

MB = 1_000_000


def attachment(ref: str = "r1", *, size: int | None = None, account: str = "desk") -> Attachment:
    return Attachment(kind="file", ref=ref, size=size, account=AccountName(account))


def folder_in(tmp_path: Path, *, most: int = 10 * MB) -> Folder:
    folder = Folder(tmp_path / "files", most=most)
    folder.prepare()
    return folder


def put(folder: Folder, data: bytes) -> OnDisk:
    with folder.begin() as incoming:
        incoming.write(data)
        return incoming.finish()


class Desk:
    """An account that gives files as it is told to."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self.asked: list[str] = []
        self.at_once = 0
        self.most_at_once = 0
        self.error: Exception | None = None
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()

    async def fetch(self, attachment: Attachment) -> File:
        self.asked.append(attachment.ref)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await self.may_go_on.wait()
            if self.error is not None:
                raise self.error
            return put(self.folder, attachment.ref.encode())
        finally:
            self.at_once -= 1


def test_the_folder_is_ours_alone_and_empty_at_the_start(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "files")
    folder.path.mkdir(mode=0o755)
    (folder.path / "left").write_bytes(b"from a former process")
    folder.prepare()
    assert list(folder.path.iterdir()) == []
    assert folder.path.stat().st_mode & 0o777 == 0o700
    assert put(folder, b"x").path.stat().st_mode & 0o777 == 0o600


def test_what_is_in_the_folder_and_leads_elsewhere_is_removed_and_not_followed(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "files")
    folder.path.mkdir()
    kept = tmp_path / "kept"
    kept.write_bytes(b"not ours")
    (folder.path / "link").symlink_to(kept)
    folder.prepare()
    assert kept.exists() and list(folder.path.iterdir()) == []


def test_a_file_is_there_as_long_as_somebody_holds_it(tmp_path: Path) -> None:
    folder = folder_in(tmp_path)
    file = put(folder, b"words")
    with file.open() as first, file.open() as second:
        assert (first.read(), second.read(), file.size) == (b"words", b"words", 5)
    del file
    gc.collect()
    assert list(folder.path.iterdir()) == []


def test_a_file_that_was_not_finished_leaves_nothing(tmp_path: Path) -> None:
    folder = folder_in(tmp_path)
    with pytest.raises(RuntimeError), folder.begin() as incoming:
        incoming.write(b"half of")
        raise RuntimeError
    assert list(folder.path.iterdir()) == []


def test_a_file_is_too_large_by_what_is_said_and_by_what_comes(tmp_path: Path) -> None:
    folder = folder_in(tmp_path, most=10)
    with folder.begin() as incoming:
        incoming.expect(10)
        incoming.write(b"0123456789")
        with pytest.raises(NotFetched, match="more than 10 bytes"):
            incoming.write(b"x")
        with pytest.raises(NotFetched):
            incoming.expect(11)


async def test_a_file_is_fetched_once_for_all_who_want_it(tmp_path: Path) -> None:
    desk = Desk(folder_in(tmp_path))
    files = Files({"desk": desk})
    held = list(await asyncio.gather(files.fetch(attachment()), files.fetch(attachment())))
    held.append(await files.fetch(attachment()))
    assert (len(set(map(id, held))), desk.asked) == (1, ["r1"])
    held.clear()
    await asyncio.sleep(0)  # the loop itself holds the result that it is just giving
    await files.fetch(attachment())
    assert desk.asked == ["r1", "r1"]


async def test_whoever_gives_up_does_not_take_the_file_away_from_the_others(tmp_path: Path) -> None:
    desk = Desk(folder_in(tmp_path))
    desk.may_go_on.clear()
    files = Files({"desk": desk})
    first, second = (asyncio.create_task(files.fetch(attachment())) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    desk.may_go_on.set()
    assert (await second).size == 2
    assert desk.asked == ["r1"]


async def test_four_files_are_fetched_at_once(tmp_path: Path) -> None:
    desk = Desk(folder_in(tmp_path))
    files = Files({"desk": desk})
    desk.may_go_on.clear()
    wanted = [asyncio.create_task(files.fetch(attachment(f"r{n}"))) for n in range(20)]
    await until(lambda: desk.at_once == 4)
    desk.may_go_on.set()
    got = await asyncio.gather(*wanted)
    assert (len(got), desk.most_at_once) == (20, 4)


class Club(Desk):
    """One whose files lie with strangers: the host is what stands before the slash."""

    def stranger(self, attachment: Attachment) -> str | None:
        host, slash, _ = attachment.ref.partition("/")
        return host if slash else None


async def test_slow_files_of_one_account_keep_no_others_waiting(tmp_path: Path) -> None:
    slow, desk = Desk(folder_in(tmp_path)), Desk(folder_in(tmp_path))
    slow.may_go_on.clear()
    files = Files({"slow": slow, "desk": desk})
    waiting = [asyncio.create_task(files.fetch(attachment(f"r{n}", account="slow"))) for n in range(10)]
    await until(lambda: slow.at_once == 4)
    assert (await files.fetch(attachment())).size == 2
    await files.stop()
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_a_slow_host_of_strangers_keeps_neither_the_accounts_own_files_nor_other_hosts_waiting(
    tmp_path: Path,
) -> None:
    club = Club(folder_in(tmp_path))
    club.may_go_on.clear()
    files = Files({"club": club})
    refs = [f"drip.example/{n}" for n in range(10)]
    waiting = [asyncio.create_task(files.fetch(attachment(ref, account="club"))) for ref in refs]
    await until(lambda: club.at_once == 2)
    waiting += [asyncio.create_task(files.fetch(attachment(ref, account="club"))) for ref in ("own", "good.example/a")]
    await until(lambda: club.at_once == 4)
    assert club.asked == [*refs[:2], "own", "good.example/a"]
    many = [f"h{n}.example/a" for n in range(20)]
    waiting += [asyncio.create_task(files.fetch(attachment(ref, account="club"))) for ref in many]
    await until(lambda: club.at_once == 9)
    club.may_go_on.set()
    await asyncio.gather(*waiting)
    assert (len(club.asked), club.most_at_once) == (32, 9)


async def test_a_file_whose_turn_does_not_come_has_nothing_against_it_and_keeps_its_place(tmp_path: Path) -> None:
    desk = Desk(folder_in(tmp_path))
    desk.may_go_on.clear()
    files = Files({"desk": desk}, at_once=1, turn_s=0)
    first = asyncio.create_task(files.fetch(attachment("r1")))
    await until(lambda: bool(desk.asked))
    for _ in range(2):
        with pytest.raises(Queued):
            await files.fetch(attachment("r2"))
    assert len(files._under_way) == 2
    desk.may_go_on.set()
    await asyncio.gather(first, return_exceptions=True)
    await until(lambda: desk.asked == ["r1", "r2"])
    await files.stop()


async def test_what_a_file_waited_for_its_turn_is_told_apart(tmp_path: Path) -> None:
    desk, clock = Desk(folder_in(tmp_path)), Clock(0.0)
    desk.may_go_on.clear()
    files = Files({"desk": desk}, at_once=1, clock=clock)
    desk.error = Unavailable("later")
    both = [asyncio.create_task(files.fetch(attachment(ref))) for ref in ("r1", "r2")]
    await until(lambda: bool(desk.asked))
    clock.at += 700.0
    desk.may_go_on.set()
    told = await asyncio.gather(*both, return_exceptions=True)
    assert [error.waited_s for error in told if isinstance(error, NotNow)] == [0.0, 700.0]


@pytest.mark.parametrize(
    ("ref", "size", "limit_s"),
    [
        ("own", None, FETCH_S),
        ("own", 0, 20.0),
        ("own", 2 * MB, 60.0),
        ("own", 20 * MB, FETCH_S),
        ("drip.example/a", None, STRANGER_S),
        ("drip.example/a", 20 * MB, STRANGER_S),
    ],
)
async def test_how_long_a_file_may_take_is_said_by_its_size_and_whose_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ref: str, size: int | None, limit_s: float
) -> None:
    limits = list[float | None]()

    def timeout(seconds: float | None) -> asyncio.Timeout:
        limits.append(seconds)
        return asyncio.Timeout(None)

    monkeypatch.setattr("bot.files.asyncio.timeout", timeout)
    files = Files({"club": Club(folder_in(tmp_path))})
    await files.fetch(attachment(ref, size=size, account="club"))
    assert limits[-1] == limit_s


async def test_a_file_that_somebody_removed_is_fetched_again(tmp_path: Path) -> None:
    desk = Desk(folder_in(tmp_path))
    files = Files({"desk": desk})
    first = await files.fetch(attachment())
    assert isinstance(first, OnDisk)
    first.path.unlink()
    with (await files.fetch(attachment())).open() as opened:
        assert opened.read() == b"r1"
    assert desk.asked == ["r1", "r1"]


async def test_whose_server_has_a_file_is_told_by_its_address(tmp_path: Path) -> None:
    downloads = Downloads(own=[origin_of(httpx.URL("https://own.example"))], folder=folder_in(tmp_path))
    refs = ["https://own.example/a", "https://drip.example/a", "http://drip.example:81/a", "AgAC", "", "http://x:y"]
    assert [downloads.stranger(ref) for ref in refs] == [None, "drip.example", "drip.example", None, None, None]
    await downloads.close()


async def test_a_providers_account_tells_which_files_lie_with_strangers() -> None:
    account: object = fake_account(FakeBridge())
    assert isinstance(account, LeadsAway)
    assert account.stranger(attachment("https://drip.example/a")) == "drip.example"


async def test_the_size_is_looked_at_before_anything_is_asked(tmp_path: Path) -> None:
    desk = Desk(folder_in(tmp_path))
    with pytest.raises(NotFetched) as caught:
        await Files({"desk": desk}, most=100 * MB).fetch(attachment(size=100 * MB + 1))
    assert (caught.value.reason, desk.asked) == ("not fetched, it is over 100 MB", [])


@pytest.mark.parametrize(
    ("error", "becomes"),
    [
        (Refused("gone"), Refused),
        (NotFetched("private", reason="its address is private"), NotFetched),
        (Unauthorized("no"), NotNow),
        (Garbled("what"), NotNow),
        (Unavailable("later", maybe_sent=True, retry_after=900), NotNow),
        (OSError(28, "No space left on device"), NotNow),
    ],
)
async def test_a_file_is_either_not_to_be_had_or_not_just_now(
    tmp_path: Path, error: Exception, becomes: type[BridgeError]
) -> None:
    desk = Desk(folder_in(tmp_path))
    desk.error = error
    with pytest.raises(BridgeError) as caught:
        await Files({"desk": desk}).fetch(attachment())
    assert type(caught.value) is becomes
    if isinstance(caught.value, Unavailable):
        assert (caught.value.maybe_sent, caught.value.retry_after) == (False, None)


async def test_a_file_of_an_account_that_is_no_more_is_not_to_be_had() -> None:
    with pytest.raises(Refused):
        await Files({}).fetch(attachment())


async def test_what_is_under_way_ends_with_the_bot(tmp_path: Path) -> None:
    desk = Desk(folder_in(tmp_path))
    desk.may_go_on.clear()
    files = Files({"desk": desk})
    waiting = asyncio.create_task(files.fetch(attachment()))
    await until(lambda: bool(desk.asked))
    await files.stop()
    with pytest.raises(asyncio.CancelledError):
        await waiting


def test_a_file_of_somebody_else_on_this_machine_is_left_where_it_is(tmp_path: Path) -> None:
    path = tmp_path / "theirs"
    path.write_bytes(b"words")
    file = LocalFile.at(path)
    with file.open() as opened:
        assert (opened.read(), file.size) == (b"words", 5)
    del file
    gc.collect()
    assert path.exists()


# Through real connections

CHUNK = b"x" * 50_000


async def _file(request: Request) -> Response:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(int(request.path_params["size"]) // len(CHUNK)):
            yield CHUNK

    return StreamingResponse(chunks(), headers={"content-length": request.path_params["size"]})


async def _unsaid(request: Request) -> Response:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(1000):
            yield CHUNK
            await asyncio.sleep(0)

    return StreamingResponse(chunks())


async def _sink(request: Request) -> Response:
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
    return PlainTextResponse(f"{size} of {request.headers['content-length']}")


PROVIDER = Starlette(
    routes=[
        Route("/files/unsaid", _unsaid),
        Route("/files/{size}", _file),
        Route("/sink", _sink, methods=["POST"]),
    ]
)


class Provider:
    """A server with files, as an account of ours sees it."""

    def __init__(self, url: str, folder: Folder) -> None:
        self.url = url
        self.downloads = Downloads(own=[origin_of(httpx.URL(url))], folder=folder)
        self.uploads = HttpClient()

    async def fetch(self, attachment: Attachment) -> File:
        return await drive(plain(attachment), send=self.downloads.send)

    async def close(self) -> None:
        await self.downloads.close()
        await self.uploads.close()


@pytest.fixture
async def provider(tmp_path: Path) -> AsyncIterator[Provider]:
    server = Server(PROVIDER)
    await server.start()
    found = Provider(server.url, folder_in(tmp_path))
    yield found
    await found.close()
    await server.stop()


async def test_twenty_files_at_once_pass_through_little_memory(provider: Provider) -> None:
    size, count = 4 * MB, 20
    files = Files({"desk": provider})

    async def pass_on(number: int) -> str:
        file = await files.fetch(attachment(f"{provider.url}/files/{size}?{number}", size=size))
        assert isinstance(file, OnDisk)
        request = form_request(
            f"{provider.url}/sink", field="f", file=file, name="a", media_type="a/b", boundary="B", extensions={}
        )
        return (await provider.uploads.send(request)).text

    tracemalloc.start()
    try:
        answers = await asyncio.gather(*(pass_on(number) for number in range(count)))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    (answer,) = set(answers)
    sent, _, said = answer.partition(" of ")
    assert sent == said and int(sent) > size
    # Held in memory, as they were before, the files alone would be 80 MB.
    assert peak < 24 * MB


@pytest.mark.parametrize("path", [str(10 * MB + 50_000), "unsaid"])
async def test_a_file_that_is_too_large_is_given_up_and_leaves_nothing(
    provider: Provider, tmp_path: Path, path: str
) -> None:
    with pytest.raises(NotFetched, match="more than 10000000 bytes"):
        await provider.fetch(attachment(f"{provider.url}/files/{path}"))
    assert os.listdir(tmp_path / "files") == []


async def test_a_dead_link_is_a_readable_refusal(provider: Provider) -> None:
    with pytest.raises(Refused, match="404"):
        await provider.fetch(attachment(f"{provider.url}/nothing"))


def test_bytes_show_nothing_of_themselves() -> None:
    assert "secret" not in repr(Bytes(b"secret"))
