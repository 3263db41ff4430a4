"""Files, places and cards on their way to Telegram: each kind as Telegram shows it, byte for byte."""

from __future__ import annotations

import hashlib
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from bot.playground.hosting import LoopbackServer
from bot.shaping import goes_along
from bot.telegram.media import UPLOAD_MOST, file_name, pieces_of, way_of
from bot.telegram.outbound import CAPABILITIES
from bridges.api import Outgoing
from bridges.errors import Refused
from bridges.files import Bytes
from bridges.model import Attachment, Contact, ConversationId, Location, Message, MessageId, Person, Span, SpanKind
from tests.bot.telegram.outbound import ANN, FORUM, GROUP, Desk, account_at, desk, file, png


@pytest.fixture
async def at() -> AsyncIterator[Desk]:
    async with desk() as made:
        yield made


KINDS: list[tuple[Attachment, bytes, str]] = [
    (file("image", "cat.png", "image/png"), png(), "photo"),
    (file("image", "cat.jpg"), b"\xff\xd8 a cat", "photo"),
    (file("image", "", ""), png(), "photo"),
    (file("image", "wave.gif", "image/gif"), b"GIF89a wave", "animation"),
    (file("image", "plan.svg", "image/svg+xml"), b"<svg/>", "document"),
    (file("image", "wide.png", "image/png", width=4000, height=100), png(4000, 100), "document"),
    (file("image", "large.png", "image/png", width=6000, height=5000), png(6000, 5000), "document"),
    (file("video", "clip.mp4", "video/mp4", width=64, height=48, duration_s=3), b"mp4 film", "video"),
    (file("video", "clip.mkv", "video/x-matroska"), b"mkv film", "document"),
    (file("audio", "song.mp3", "audio/mpeg", duration_s=9), b"mp3 song", "audio"),
    (file("audio", "song.flac", "audio/flac"), b"flac song", "document"),
    (file("voice", "note.oga", "audio/ogg; codecs=opus", duration_s=2), b"OggS voice", "voice"),
    (file("voice", "note.m4a"), b"m4a voice", "voice"),
    (file("voice", "note.amr", "audio/amr"), b"amr voice", "document"),
    (file("sticker", "wave.webp", "image/webp"), b"RIFF webp", "sticker"),
    (file("sticker", "wave.tgs", "application/x-tgsticker"), b"\x1f\x8b tgs", "sticker"),
    (file("sticker", "wave.png", "image/png"), png(), "photo"),
    (file("file", "plan.pdf", "application/pdf"), b"%PDF-1.7 \0\xff", "document"),
    (file("file", "cat.png", "image/png"), png(), "document"),
]


@pytest.mark.parametrize(("attachment", "data", "shown"), KINDS, ids=[f"{a.kind}-{a.name}" for a, _, _ in KINDS])
async def test_each_kind_is_shown_as_telegram_shows_it(
    at: Desk, attachment: Attachment, data: bytes, shown: str
) -> None:
    (id,) = await at.send(GROUP, Message(attachments=(attachment,)), files=[data])
    found = at.shown(id)
    assert shown in found
    assert ("animation" in found) == (shown == "animation")
    media = found["photo"][-1] if shown == "photo" else found[shown]
    assert at.bytes_of(media) == data


async def test_what_is_known_of_a_film_goes_along(at: Desk) -> None:
    film = file("video", "clip.mp4", "video/mp4", width=64, height=48, duration_s=3)
    (id,) = await at.send(GROUP, Message(attachments=(film,)), files=[b"film"])
    video = at.shown(id)["video"]
    assert (video["width"], video["height"], video["duration"]) == (64, 48, 3)
    assert (video["file_name"], video["mime_type"]) == ("clip.mp4", "video/mp4")


async def test_a_caption_keeps_its_formatting(at: Desk) -> None:
    message = Message(
        text="𝔘 look here", spans=(Span(kind=SpanKind.BOLD, start=2, length=4),), attachments=(file("image", "a.png"),)
    )
    (id,) = await at.send(f"{FORUM}", message, files=[png()])
    found = at.shown(id)
    assert found["caption"] == "𝔘 look here"
    assert found["caption_entities"] == [{"type": "bold", "offset": 3, "length": 4}]


async def test_a_photo_over_its_limit_goes_as_a_document(at: Desk) -> None:
    data = png(size=10_000_001)
    (id,) = await at.send(GROUP, Message(attachments=(file("image", "big.png", "image/png"),)), files=[data])
    found = at.shown(id)
    assert "photo" not in found
    assert at.bytes_of(found["document"]) == data


async def test_a_photo_whose_proportions_only_telegram_sees_goes_as_a_document(at: Desk) -> None:
    (id,) = await at.send(GROUP, Message(text="see", attachments=(file("image", "a.png"),)), files=[png(3000, 100)])
    assert (at.shown(id)["caption"], "document" in at.shown(id)) == ("see", True)
    assert at.called == ["sendPhoto 400", "sendDocument 200"]


async def test_an_album_stays_together_and_has_its_words_once(at: Desk) -> None:
    message = Message(
        text="two of them",
        spans=(Span(kind=SpanKind.ITALIC, start=0, length=3),),
        attachments=(file("image", "a.png"), file("video", "b.mp4"), file("image", "c.png")),
    )
    files = [png(8, 9), b"film", png(10, 11)]
    ids = await at.send(GROUP, message, files=files)
    assert len(ids) == 3
    assert list(ids) == sorted(ids, key=lambda id: int(id.partition("/")[2]))
    shown = [at.shown(id) for id in ids]
    assert len({each["media_group_id"] for each in shown}) == 1
    assert [each.get("caption") for each in shown] == ["two of them", None, None]
    assert shown[0]["caption_entities"] == [{"type": "italic", "offset": 0, "length": 3}]
    media = [shown[0]["photo"][-1], shown[1]["video"], shown[2]["photo"][-1]]
    assert [at.bytes_of(each) for each in media] == files
    assert at.called == ["sendMediaGroup 200"]


@pytest.mark.parametrize(
    ("kinds", "shown"),
    [
        (("file", "file"), ["document", "document"]),
        (("audio", "audio"), ["audio", "audio"]),
        (("image", "file"), ["document", "document"]),
        (("audio", "image"), ["document", "document"]),
        (("voice", "voice"), ["document", "document"]),
    ],
)
async def test_what_may_not_stand_in_one_album_goes_as_documents(
    at: Desk, kinds: tuple[str, ...], shown: list[str]
) -> None:
    names = {"file": "a.pdf", "audio": "a.mp3", "image": "a.png", "voice": "a.ogg"}
    message = Message(attachments=tuple(file(kind, names[kind]) for kind in kinds))
    ids = await at.send(GROUP, message, files=[png(), png(9, 9)])
    assert [next(kind for kind in ("audio", "photo", "document") if kind in at.shown(id)) for id in ids] == shown


async def test_one_bad_photo_does_not_take_the_album_with_it(at: Desk) -> None:
    message = Message(text="both", attachments=(file("image", "a.png"), file("image", "b.png")))
    ids = await at.send(GROUP, message, files=[png(), png(9000, 2000)])
    assert ["document" in at.shown(id) for id in ids] == [True, True]
    assert at.shown(ids[0])["caption"] == "both"


def of_telegram(kind: str, media: Any) -> Attachment:
    return Attachment.model_validate({"kind": kind, "ref": media["file_id"], "account": "telegram"})


async def test_telegrams_own_files_go_by_their_id(at: Desk) -> None:
    for kind, attachment, content in (
        ("photo", "image", png()),
        ("video", "video", b"v"),
        ("video_note", "video", b"r"),
        ("animation", "video", b"g"),
        ("voice", "voice", b"o"),
        ("audio", "audio", b"a"),
        ("document", "file", b"d"),
        ("sticker", "sticker", b"s"),
    ):
        said: Any = at.telegram.send_media(ANN, FORUM, kind, content, file_name="x")
        media = said["photo"][-1] if kind == "photo" else said[kind]
        (id,) = await at.send(GROUP, Message(attachments=(of_telegram(attachment, media),)))
        found = at.shown(id)
        kinds = ("photo", "video", "voice", "audio", "document", "sticker")
        copy = next(found[name] for name in kinds if name in found)
        assert at.bytes_of(copy[-1] if isinstance(copy, list) else copy) == content
    assert not any(call.files for call in at.telegram.calls)


async def test_an_album_of_telegrams_own_and_others_takes_bytes_for_the_others_only(at: Desk) -> None:
    said: Any = at.telegram.send_media(ANN, FORUM, "photo", png(5, 5), file_name="x.png")
    message = Message(attachments=(file("image", "a.png"), of_telegram("image", said["photo"][-1])))
    ids = await at.send(GROUP, message, files=[png(6, 6)])
    assert [at.bytes_of(at.shown(id)["photo"][-1]) for id in ids] == [png(6, 6), png(5, 5)]


async def test_a_picture_that_was_sent_as_a_file_is_sent_so_again(at: Desk) -> None:
    said: Any = at.telegram.send_media(ANN, FORUM, "document", png(), file_name="cat.png")
    (id,) = await at.send(GROUP, Message(attachments=(of_telegram("image", said["document"]),)))
    assert "document" in at.shown(id)


def test_a_path_is_never_taken_for_an_id_of_telegrams(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("x")
    path = Attachment.model_validate({"kind": "file", "ref": str(secret), "account": "telegram"})
    with pytest.raises(Refused, match="no id of Telegram's"):
        pieces_of([path], files=[])


def test_bytes_that_are_missing_are_no_message_without_them() -> None:
    with pytest.raises(Refused, match="missing"):
        pieces_of([file("file"), file("file")], files=[Bytes(b"1")])


async def test_a_point_a_place_and_a_card_are_themselves(at: Desk) -> None:
    point = Location(latitude=51.50735, longitude=-0.12776)
    (first,) = await at.send(GROUP, Message(location=point))
    assert at.shown(first)["location"] == {"latitude": 51.50735, "longitude": -0.12776}
    (second,) = await at.send(
        GROUP, Message(location=point.model_copy(update={"name": "Old Bar, 3 High Street, York"}))
    )
    venue = at.shown(second)["venue"]
    assert (venue["title"], venue["address"]) == ("Old Bar", "3 High Street, York")
    (third,) = await at.send(GROUP, Message(location=point.model_copy(update={"name": "Old Bar"})))
    assert at.shown(third)["venue"]["address"] == "51.50735, -0.12776"
    (fourth,) = await at.send(GROUP, Message(contact=Contact(name="Ann Lee", phone="+4479")))
    assert at.shown(fourth)["contact"] == {"phone_number": "+4479", "first_name": "Ann Lee"}


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (
            Message(text="Ann:", location=Location(latitude=1, longitude=2)),
            "Ann:\n📍 1.00000, 2.00000 https://www.openstreetmap.org/?mlat=1.00000&mlon=2.00000",
        ),
        (Message(text="Ann:", contact=Contact(name="Bo", phone="+1")), "Ann:\n👤 Bo, +1"),
        (Message(contact=Contact(name="Bo")), "👤 Bo"),
        (Message(text="Ann:", attachments=(file("sticker", "a.webp"),)), "Ann:\n[sticker: a.webp]"),
    ],
)
async def test_what_has_no_room_for_words_is_said_in_words(at: Desk, message: Message, words: str) -> None:
    files = [b"RIFF"] if message.attachments else []
    (id,) = await at.send(GROUP, message, files=files)
    assert at.shown(id)["text"] == words


async def test_what_is_more_than_telegram_takes_at_once_is_named_beside_the_rest(at: Desk) -> None:
    class Large:
        size = UPLOAD_MOST

        def open(self) -> BinaryIO:
            raise AssertionError("nothing is read")

    message = Message(text="all", attachments=(file("file", "a.pdf"), file("file", "b.iso"), file("file", "c.pdf")))
    first, last = await at.send(GROUP, message, files=[b"a", Large(), b"c"])
    assert at.shown(first)["caption"] == "all\n[file: b.iso]"
    assert at.bytes_of(at.shown(last)["document"]) == b"c"


def test_the_capabilities_tell_what_goes_along() -> None:
    assert (CAPABILITIES.attachments, CAPABILITIES.attachment_bytes) == ("bytes", 50_000_000)
    assert (CAPABILITIES.attachments_most, CAPABILITIES.caption_limit) == (10, 1024)
    assert CAPABILITIES.albums == (("image", "video"), ("file",), ("audio",))
    large = Attachment(kind="file", ref="AgAD", size=60_000_000)
    assert goes_along(large, CAPABILITIES) is not None
    assert goes_along(large.model_copy(update={"account": CAPABILITIES.keeps}), CAPABILITIES) is None


@pytest.mark.parametrize(
    ("attachment", "name"),
    [
        (file("file", 'a"b\\c/d\r\ne.pdf'), "a_b_c_d__e.pdf"),
        (file("file", "x" * 70_000 + ".pdf"), "x" * 120 + ".pdf"),
        (file("file", "gpj.\u202eexe"), "gpj._exe"),
        (file("image", "", "image/png"), "image.png"),
        (file("voice", "", ""), "voice"),
        (file("file", "..", "application/pdf"), "file.pdf"),
        (file("file", "поздно 漢字.txt"), "поздно 漢字.txt"),
    ],
)
async def test_a_name_is_one_line_that_acts_on_nobody(at: Desk, attachment: Attachment, name: str) -> None:
    assert file_name(attachment) == name
    as_file = attachment.model_copy(update={"kind": "file"})
    (id,) = await at.send(GROUP, Message(attachments=(as_file,)), files=[b"x"])
    assert at.shown(id)["document"]["file_name"] == file_name(as_file)


def test_a_media_type_decides_before_the_name() -> None:
    assert way_of(file("voice", "a.ogg", "audio/wav"), size=1) == "document"
    assert way_of(file("voice", "a.ogg", "application/octet-stream"), size=1) == "voice"


class OnDisk:
    """A file on disk, as they are handed to an account."""

    def __init__(self, path: Path) -> None:
        self.path, self.opened = path, list[BinaryIO]()

    @property
    def size(self) -> int:
        return self.path.stat().st_size

    def open(self) -> BinaryIO:
        self.opened.append(self.path.open("rb"))
        return self.opened[-1]


async def test_a_file_of_20_mb_leaves_without_being_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "film"
    piece = bytes(range(256)) * 4096
    path.write_bytes(piece * 20)
    seen: dict[str, Any] = {}

    async def take(request: Request) -> JSONResponse:
        digest, size = hashlib.sha256(), 0
        async for chunk in request.stream():
            digest.update(chunk)
            size += len(chunk)
        seen.update(size=size, told=int(request.headers["content-length"]))
        chat = {"id": GROUP, "type": "supergroup", "title": "T"}
        return JSONResponse({"ok": True, "result": {"message_id": 7, "date": 1, "chat": chat}})

    async with LoopbackServer(Starlette(routes=[Route("/{rest:path}", take, methods=["POST"])])) as server:
        account = account_at(server.url, "1:x")
        given = OnDisk(path)
        out = Outgoing(
            key="k-1",
            conversation=ConversationId(str(GROUP)),
            message=Message(text="see", attachments=(file("file", "film.bin"),), sender=Person(id="p", name="Ann")),
            files=(given,),
        )
        tracemalloc.start()
        try:
            receipt = await account.deliver([out])
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
            await account.close()
    assert receipt.ids == (MessageId(f"{GROUP}/7"),)
    assert seen["size"] == seen["told"] > given.size
    assert peak < 6_000_000
    assert all(handle.closed for handle in given.opened)
