"""Links to files: who may use them, for how long, and what is served under them."""

from __future__ import annotations

import base64
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from bot.files import Files, Folder, LocalFile, OnDisk
from bot.lending import Gone, Lender, shown_link
from bot.metrics import Metrics
from bot.store.sqlite import SqliteStore
from bot.web import Web
from bridges.api import File
from bridges.errors import BridgeError, Refused, Unavailable
from bridges.model import AccountName, Attachment
from tests.bot.fakes import Clock, opened

DAY = 86400.0
DATA = bytes(range(256)) * 40


def picture(**more: Any) -> Attachment:
    given = {"kind": "image", "ref": "AgAC-secret-ref", "name": "cat.png", "media_type": "image/png", **more}
    return Attachment.model_validate({"account": AccountName("telegram"), **given})


class Telegram:
    """An account with one file."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self.asked = 0
        self.error: BridgeError | None = None

    async def fetch(self, attachment: Attachment) -> File:
        self.asked += 1
        if self.error is not None:
            raise self.error
        with self.folder.begin() as incoming:
            incoming.write(DATA)
            return incoming.finish()


class Lending:
    """A web server that lends, without its socket."""

    def __init__(self, store: SqliteStore, folder: Folder, **more: Any) -> None:
        self.store, self.clock, self.telegram = store, Clock(), Telegram(folder)
        self.files = Files({"telegram": self.telegram})
        options: dict[str, Any] = {"public_url": "https://bridge.example", "keep_s": 7 * DAY, **more}
        self.lender = Lender(store=store, files=self.files, **options)

        async def ready() -> dict[str, str]:
            return {}

        web = Web(
            intake=None,  # type: ignore[arg-type]
            accounts={},
            hook_secrets={},
            metrics=Metrics(store=store, accounts={}),
            lender=self.lender,
            readiness=ready,
            metrics_token=None,
            clock=self.clock,
        )
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(web.app), base_url="https://bridge.example")

    async def lend(self, attachment: Attachment | None = None) -> str:
        given = attachment or picture()
        links = await self.store.write(lambda tx: self.lender.links(tx, [given], now=self.clock()))
        return links[given.ref]


@pytest.fixture
async def lending(tmp_path: Path) -> AsyncIterator[Lending]:
    folder = Folder(tmp_path / "files")
    folder.prepare()
    async with opened(tmp_path) as store:
        made = Lending(store, folder)
        yield made
        await made.http.aclose()


async def test_a_link_gives_the_file_and_says_nothing_of_where_it_lies(lending: Lending) -> None:
    link = await lending.lend()
    assert link.startswith("https://bridge.example/files/")
    assert "AgAC" not in link and b"AgAC" not in base64.urlsafe_b64decode(link.rpartition("/")[2])
    answer = await lending.http.get(link)
    assert (answer.status_code, answer.content) == (200, DATA)
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["content-disposition"] == 'inline; filename="cat.png"'
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"].startswith("private")


async def test_a_file_is_served_in_ranges_and_fetched_once(lending: Lending) -> None:
    link = await lending.lend()
    first = await lending.http.get(link, headers={"Range": "bytes=0-99"})
    last = await lending.http.get(link, headers={"Range": "bytes=-5"})
    past = await lending.http.get(link, headers={"Range": f"bytes={len(DATA)}-"})
    assert (first.status_code, first.content) == (206, DATA[:100])
    assert first.headers["content-range"] == f"bytes 0-99/{len(DATA)}"
    assert (last.status_code, last.content) == (206, DATA[-5:])
    assert past.status_code == 416
    assert lending.telegram.asked == 1


async def test_head_tells_what_get_would_give(lending: Lending) -> None:
    answer = await lending.http.head(await lending.lend())
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == str(len(DATA))


async def test_the_link_is_the_same_for_all_targets_of_a_message(lending: Lending) -> None:
    assert await lending.lend() == await lending.lend()
    assert await lending.lend(picture(ref="other")) != await lending.lend()


async def test_a_link_that_was_changed_anywhere_is_no_link(lending: Lending) -> None:
    link = await lending.lend()
    start, _, token = link.rpartition("/")
    chance = random.Random(1)
    changed = {token[:at] + c + token[at + 1 :] for at in range(len(token)) for c in "AQgw-_" if token[at] != c}
    changed |= {token[:-1], token + "A", token + "=", "", "..", "%00", token.swapcase(), "A" * len(token)}
    changed |= {base64.urlsafe_b64encode(chance.randbytes(40)).decode() for _ in range(50)}
    changed.discard(token)
    for each in changed:
        answer = await lending.http.get(f"{start}/{each}")
        assert (answer.status_code, answer.text) == (404, "Not Found"), each
    assert lending.telegram.asked == 0


async def test_a_link_of_another_installation_is_no_link(lending: Lending, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    async with opened(tmp_path / "other") as store:
        other = Lending(store, lending.telegram.folder)
        link = await other.lend()
        await other.http.aclose()
    await lending.lend()
    assert (await lending.http.get(link)).status_code == 404


async def test_a_link_expires_and_is_forgotten(lending: Lending) -> None:
    link = await lending.lend()
    lending.clock.at += 7 * DAY - 1
    assert (await lending.http.get(link)).status_code == 200
    lending.clock.at += 1
    assert (await lending.http.get(link)).status_code == 410
    lending.clock.at += 1
    now = lending.clock()
    assert await lending.store.write(lambda tx: tx.files.prune(now=now, limit=10)) == 1
    assert (await lending.http.get(link)).status_code == 410


async def test_a_file_that_is_not_at_hand_is_asked_for_again_later_and_one_that_is_gone_is_gone(
    lending: Lending,
) -> None:
    link = await lending.lend()
    lending.telegram.error = Unavailable("Telegram is away at https://api.example/bot1:token")
    away = await lending.http.get(link)
    assert (away.status_code, away.headers["retry-after"]) == (503, "30")
    lending.telegram.error = Refused("no such file at https://api.example/bot1:token")
    gone = await lending.http.get(link)
    assert gone.status_code == 410
    assert "token" not in away.text + gone.text
    lending.telegram.error = None
    assert (await lending.http.get(link)).status_code == 200


@pytest.mark.parametrize(
    ("media_type", "served", "shown"),
    [
        ("image/jpeg", "image/jpeg", "inline"),
        ("IMAGE/JPEG; q=1", "image/jpeg", "inline"),
        ("video/mp4", "video/mp4", "inline"),
        ("application/pdf", "application/pdf", "attachment"),
        ("text/plain", "text/plain; charset=utf-8", "attachment"),
        ("text/html", "application/octet-stream", "attachment"),
        ("image/svg+xml", "application/octet-stream", "attachment"),
        ("application/xhtml+xml", "application/octet-stream", "attachment"),
        ("text/html\r\nX-Evil: 1", "application/octet-stream", "attachment"),
        ("", "application/octet-stream", "attachment"),
    ],
)
async def test_what_a_browser_might_run_is_only_offered_to_be_saved(
    lending: Lending, media_type: str, served: str, shown: str
) -> None:
    answer = await lending.http.get(await lending.lend(picture(media_type=media_type)))
    assert answer.headers["content-type"] == served
    assert answer.headers["content-disposition"].startswith(shown)
    assert "sandbox" in answer.headers["content-security-policy"]
    assert "x-evil" not in answer.headers


@pytest.mark.parametrize(
    ("name", "saved"),
    [
        ('a"b.txt', "ab.txt"),
        ("a\r\nX-Evil: 1.txt", "aX-Evil%3A%201.txt"),
        ("../../etc/passwd", "etcpasswd"),
        ("C:\\x\\y.txt", "C%3Axy.txt"),
        ("photo\u202egnp.exe", "photognp.exe"),
        ("\u200b\u2066.\u0000", "image"),
        ("", "image"),
        ("ü🙂.png", "%C3%BC%F0%9F%99%82.png"),
        ("x" * 65536, "x" * 120),
        ("x" * 65536 + ".tar", "x" * 116 + ".tar"),
    ],
    ids=[
        "quote",
        "line break",
        "path",
        "backslash",
        "right-to-left",
        "invisible",
        "none",
        "unicode",
        "64 kB",
        "64 kB.",
    ],
)
async def test_a_name_cannot_do_more_than_name(lending: Lending, name: str, saved: str) -> None:
    answer = await lending.http.get(await lending.lend(picture(name=name)))
    assert answer.status_code == 200
    said = answer.headers["content-disposition"].partition("; ")[2]
    assert said in (f'filename="{saved}"', f"filename*=utf-8''{saved}")
    assert "x-evil" not in answer.headers


async def test_without_an_address_for_the_world_there_are_no_links(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "files")
    async with opened(tmp_path) as store:
        lending = Lending(store, folder, public_url=None)
        assert await store.write(lambda tx: lending.lender.links(tx, [picture()], now=1.0)) == {}
        await lending.http.aclose()


async def test_lent_files_stay_on_disk_up_to_a_limit_and_the_oldest_go_first(lending: Lending, tmp_path: Path) -> None:
    small = Lender(
        store=lending.store,
        files=lending.files,
        public_url="https://bridge.example",
        keep_s=DAY,
        cache_most=2 * len(DATA),
    )
    for id in (1, 2, 1, 3):
        await small.file(id, picture(ref=f"r{id}"))
    assert lending.telegram.asked == 3
    await small.file(1, picture(ref="r1"))
    assert lending.telegram.asked == 3
    await small.file(2, picture(ref="r2"))
    assert lending.telegram.asked == 4


async def test_a_lent_file_that_somebody_removed_is_fetched_again(lending: Lending) -> None:
    link = await lending.lend()
    await lending.http.get(link)
    for kept in lending.telegram.folder.path.iterdir():
        kept.unlink()
    again = await lending.http.get(link)
    assert (again.status_code, again.content, lending.telegram.asked) == (200, DATA, 2)


async def test_nothing_is_lent_that_nobody_could_have(lending: Lending) -> None:
    nothing = [picture(size=0), picture(ref="")]
    assert await lending.store.write(lambda tx: lending.lender.links(tx, nothing, now=lending.clock())) == {}


async def test_a_file_that_lies_with_somebody_else_is_served_from_there(lending: Lending, tmp_path: Path) -> None:
    path = tmp_path / "theirs"
    path.write_bytes(b"theirs")

    class Local(Telegram):
        async def fetch(self, attachment: Attachment) -> File:
            return LocalFile.at(path)

    files = Files({"telegram": Local(lending.telegram.folder)})
    lender = Lender(store=lending.store, files=files, public_url="https://bridge.example", keep_s=DAY)
    assert (await lender.file(1, picture())) == LocalFile(path, 6)


async def test_a_refused_file_is_gone(lending: Lending) -> None:
    lending.telegram.error = Refused("no")
    with pytest.raises(Gone):
        await lending.lender.file(1, picture())
    lending.telegram.error = None
    assert isinstance(await lending.lender.file(1, picture()), OnDisk)


@pytest.mark.parametrize(
    ("link", "shown"),
    [
        ("https://files.example/a?b=c", True),
        ("http://files.example/a", True),
        ("https://user:word@files.example/a", False),
        ("https://user@files.example/a", False),
        ("javascript:alert(1)", False),
        ("file:///etc/passwd", False),
        ("https://", False),
        ("https://a b.example/", False),
        ("https://a.example/\u202e", False),
        ("https://[::1", False),
        ("", False),
    ],
)
def test_only_a_plain_web_address_of_a_provider_is_told(link: str, shown: bool) -> None:
    assert shown_link(link) == (link if shown else "")
