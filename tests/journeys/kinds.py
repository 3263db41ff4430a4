"""The kinds of messages, how each is said on each side, and what is kept of what arrived.

``python -m tests.journeys.kinds --write`` makes the README's table of what is carried from ``kinds/*.json``.
"""

from __future__ import annotations

import base64
import json
import re
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from bot.playground.emulator.emulator import ApiCall
from bridges.netsapiens.sandbox import NetSapiensSandbox
from bridges.openim import wire as openim
from bridges.openim.sandbox import GROUP_ID, OpenIMSandbox
from bridges.returning_ai.sandbox import CHANNELS, ReturningAiSandbox
from tests.journeys.world import ANN, SENT, Chat, Seen, World

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(__file__).with_name("kinds")
README = ROOT / "README.md"
BEGIN, END = "<!-- kinds: begin -->", "<!-- kinds: end -->"

PHONE, NUMBER = "15550100123", "15550100999"
GENERAL = CHANNELS[0].id
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
OGG, MP4, MP3, PDF, WEBP = (
    b"OggS voice",
    b"\0\0\0\x18ftypmp42 video",
    b"ID3 audio",
    b"%PDF-1.4 words",
    b"RIFF....WEBPVP8 ",
)
LONG = "a word " * 900
"""More than any message holds."""

Json: TypeAlias = dict[str, Any]
Tell: TypeAlias = Callable[["Stage"], Awaitable[int | None]]


@dataclass(frozen=True)
class Place:
    """A conversation of a provider, which the chat is joined with."""

    account: str
    address: str
    sends: tuple[str, ...]
    """The ends of the paths to which messages and what becomes of them are posted."""


PLACES: Mapping[str, Place] = {
    "cinnox": Place("support", "support:sms/85255501234", ("/message-push",)),
    "netsapiens": Place("pbx", f"pbx:sms/{PHONE}", ("/messages",)),
    "openim": Place("im", f"im:group/{GROUP_ID}", (openim.SEND_MSG, openim.REVOKE_MSG)),
    "returning_ai": Place("rai", f"rai:{GENERAL}", ("/send", "/reply", "/react", "/upload-image")),
}


@dataclass
class Stage:
    """A chat joined with a place, and what was said in both so far."""

    world: World
    chat: Chat
    place: Place
    heard: int = 0
    """The message in the chat that came from the place before all others."""
    there: str = ""
    """Its id at the place."""

    @property
    def pbx(self) -> NetSapiensSandbox:
        side = self.world.sides["pbx"]
        assert isinstance(side, NetSapiensSandbox)
        return side

    @property
    def im(self) -> OpenIMSandbox:
        side = self.world.sides["im"]
        assert isinstance(side, OpenIMSandbox)
        return side

    @property
    def rai(self) -> ReturningAiSandbox:
        side = self.world.sides["rai"]
        assert isinstance(side, ReturningAiSandbox)
        return side

    async def begin(self) -> None:
        """Somebody at the place says the first word, so that there is something to answer and to react to."""
        self.there = await self.says("the first word") or ""
        self.heard = int((await self.chat.hears("the first word"))["message_id"])

    async def says(self, text: str, **more: Any) -> str | None:
        """Somebody at the place says something; returns its id there if there is one."""
        match self.place.account:
            case "support":
                await self.world.sms(text)
            case "pbx":
                await self.pbx.text(PHONE, NUMBER, text, **more)
            case "im":
                return await self.im.say("alice", f"group/{GROUP_ID}", text)
            case "rai":
                return await self.rai.say("Cleo", GENERAL, text, **more)
        return None

    async def element(self, content_type: int, content: Mapping[str, Any]) -> None:
        """A member of OpenIM's group sends an element."""
        await self.im.say_element("alice", f"group/{GROUP_ID}", content_type, content)

    def media(self, kind: str, data: bytes, name: str = "", media_type: str = "", **more: Any) -> int:
        """Ann sends a file; returns the message's number."""
        sent = self.world.telegram.send_media(
            ANN, self.chat.id, kind, data, file_name=name, mime_type=media_type, **more
        )
        return int(sent["message_id"])

    def content(self, content: Json) -> int:
        """Ann sends something else."""
        return int(self.world.telegram.send_content(ANN, self.chat.id, content)["message_id"])

    async def towards(self, tell: Tell) -> list[object]:
        """What the provider is posted after something was said in the chat."""
        recorder = self.world.servers[self.place.account].recorder
        recorder.seen = []
        number = await tell(self)
        if number is not None:
            await self.chat.marked(number, SENT)
        await self.chat.quiet()
        await self.world.settled()
        seen, recorder.seen = recorder.seen, None
        return [_shown(each) for each in seen if each.path.endswith(self.place.sends)]

    async def into_chat(self, tell: Tell) -> list[object]:
        """What Telegram is called with after something was said at the provider."""
        before = len(self.world.telegram.calls)
        await tell(self)
        await self.chat.quiet()
        await self.world.settled()
        calls = list(self.world.telegram.calls)[before:]
        return [_called(call) for call in calls if self._is_relayed(call)]

    def _is_relayed(self, call: ApiCall) -> bool:
        about = str(call.params.get("chat_id")) == str(self.chat.id)
        told = call.method.startswith(("send", "edit", "delete", "setMessageReaction"))
        return about and told and "telegram:" not in str(call.params.get("text", ""))


# --- what is said in the chat


async def _reply(stage: Stage) -> int:
    return stage.chat.say("an answer", reply_to=stage.heard)


async def _edit(stage: Stage) -> int:
    number = stage.chat.say("to be changd")
    await stage.chat.marked(number, SENT)
    stage.world.telegram.edit(ANN, stage.chat.id, number, "to be changed")
    return number


async def _untouched(stage: Stage) -> int:
    number = stage.chat.say("with a preview")
    await stage.chat.marked(number, SENT)
    stage.world.telegram.touch(stage.chat.id, number)
    return number


async def _delete(stage: Stage) -> None:
    number = stage.chat.say("to be taken back")
    await stage.chat.marked(number, SENT)
    stage.world.telegram.edit(ANN, stage.chat.id, number, ".")


async def _react(stage: Stage) -> None:
    stage.world.telegram.react(ANN, stage.chat.id, stage.heard, "👍")


async def _album(stage: Stage) -> int:
    items = [("photo", PNG, f"{n}.png") for n in (1, 2, 3)]
    sent = stage.world.telegram.send_album(ANN, stage.chat.id, items, caption="three pictures")
    return int(sent[0]["message_id"])


async def _joins(stage: Stage) -> None:
    telegram = stage.world.telegram
    telegram.add_user(2000 + stage.chat.id % 1000, "Eve")
    eve = telegram.person(2000 + stage.chat.id % 1000)
    telegram.set_member(stage.chat.id, eve.id, "member")
    telegram.set_member(stage.chat.id, eve.id, "left")


def _entity(type: str, offset: int, length: int, **more: object) -> Json:
    return {"type": type, "offset": offset, "length": length, **more}


FORMATTED = "bold and a link, and code 👍"
ENTITIES = [
    _entity("bold", 0, 4),
    _entity("text_link", 11, 4, url="https://example.org/x"),
    _entity("code", 21, 4),
]
RICH = {
    "rich_message": {
        "blocks": [{"type": "heading", "text": "News", "size": 1}, {"type": "paragraph", "text": "It rains."}]
    }
}


def _says(text: str, **more: Any) -> Tell:
    async def tell(stage: Stage) -> int:
        return stage.chat.say(text, **more)

    return tell


def _media(kind: str, data: bytes, name: str, media_type: str, **more: Any) -> Tell:
    async def tell(stage: Stage) -> int:
        return stage.media(kind, data, name, media_type, **more)

    return tell


def _content(content: Json) -> Tell:
    async def tell(stage: Stage) -> int:
        return stage.content(content)

    return tell


TOWARDS: Mapping[str, Tell] = {
    "text": _says("hello, wörld 👩‍👩‍👧"),
    "formatting": _says(FORMATTED, entities=ENTITIES),
    "long text": _says(LONG[:4090]),
    "a ping": _says("@everyone look"),
    "reply": _reply,
    "edit": _edit,
    "edit that changes nothing": _untouched,
    "deletion": _delete,
    "reaction": _react,
    "photo": _media("photo", PNG, "cat.png", "image/png", caption="a cat"),
    "document": _media("document", PDF, "plan.pdf", "application/pdf"),
    "video": _media("video", MP4, "clip.mp4", "video/mp4"),
    "voice": _media("voice", OGG, "", "audio/ogg"),
    "audio": _media("audio", MP3, "song.mp3", "audio/mpeg"),
    "sticker": _media("sticker", WEBP, "", "image/webp"),
    "album": _album,
    "location": _content({"location": {"latitude": 51.50735, "longitude": -0.12776}}),
    "contact": _content({"contact": {"phone_number": "+442079460000", "first_name": "Eve", "last_name": "Lee"}}),
    "poll": _content(
        {
            "poll": {
                "id": "1",
                "question": "Tea?",
                "options": [
                    {"persistent_id": "a", "text": "yes", "voter_count": 0},
                    {"persistent_id": "b", "text": "no", "voter_count": 0},
                ],
                "total_voter_count": 0,
                "is_closed": False,
                "is_anonymous": True,
                "type": "regular",
                "allows_multiple_answers": False,
                "allows_revoting": True,
                "members_only": False,
            }
        }
    ),
    "joins and leaves": _joins,
    "a newer kind": _content(RICH),
}


# --- what is said at a provider


def _says_there(text: str) -> Tell:
    async def tell(stage: Stage) -> None:
        await stage.says(text)
        await stage.chat.hears(text[1:])

    return tell


def _long_there() -> Tell:
    async def tell(stage: Stage) -> None:
        await stage.says(LONG)
        await stage.chat.hears("(2/2)")

    return tell


def _element(content_type: int, content: Mapping[str, Any]) -> Tell:
    async def tell(stage: Stage) -> None:
        await stage.element(content_type, content)

    return tell


async def _mms(stage: Stage) -> None:
    await stage.pbx.text(PHONE, NUMBER, "a cat", media=PNG)


async def _picture(stage: Stage) -> None:
    await stage.im.say_picture("alice", f"group/{GROUP_ID}", PNG, base_url=stage.world.servers["im"].url)


def _stored(content_type: int, data: bytes, name: str, media_type: str, fields: Mapping[str, Any], *, url: str) -> Tell:
    """A member of OpenIM sends a file that the server keeps; ``url`` is the field with its address."""

    async def tell(stage: Stage) -> None:
        stage.im.objects[name] = (data, media_type)
        address = f"{stage.world.servers['im'].url}{openim.OBJECTS}{name}"
        await stage.element(content_type, {"uuid": name, url: address, **fields})

    return tell


async def _quotes(stage: Stage) -> None:
    number = stage.chat.say("a question")
    await stage.chat.marked(number, SENT)
    quoted = {"clientMsgID": stage.im.accepted[-1].id, "contentType": openim.TEXT}
    await stage.element(openim.QUOTE, {"text": "an answer", "quoteMessage": quoted})
    await stage.chat.hears("an answer")


async def _leaves(stage: Stage) -> None:
    await stage.im.leave("bob", GROUP_ID)


async def _revoked(stage: Stage) -> None:
    id = await stage.says("to be taken back") or ""
    await stage.chat.hears("to be taken back")
    await stage.im.take_back("alice", id)


async def _answers_there(stage: Stage) -> None:
    number = stage.chat.say("a question")
    await stage.chat.marked(number, SENT)
    await stage.rai.say("Cleo", GENERAL, "an answer", reply_to=stage.rai.accepted[-1].id)
    await stage.chat.hears("an answer")


async def _reacts_there(stage: Stage) -> None:
    await stage.rai.react("Cleo", stage.there, "thumbsup")


COMMON: Mapping[str, Tell] = {
    "text": _says_there("hello, wörld 👩‍👩‍👧"),
    "a ping": _says_there("@everyone look"),
    "long text": _long_there(),
}
FROM: Mapping[str, Mapping[str, Tell]] = {
    "cinnox": COMMON,
    "netsapiens": {**COMMON, "photo": _mms},
    "openim": {
        **COMMON,
        "photo": _picture,
        "video": _stored(
            openim.VIDEO,
            MP4,
            "clip.mp4",
            "video/mp4",
            {"videoType": "mp4", "videoSize": 18, "duration": 3},
            url="videoUrl",
        ),
        "voice": _stored(
            openim.VOICE,
            OGG,
            "v.ogg",
            "audio/ogg",
            {"soundType": "ogg", "dataSize": 10, "duration": 2},
            url="sourceUrl",
        ),
        "document": _stored(
            openim.FILE, PDF, "plan.pdf", "application/pdf", {"fileName": "plan.pdf", "fileSize": 14}, url="sourceUrl"
        ),
        "sticker": _element(openim.FACE, {"index": 1, "data": "smile"}),
        "reply": _quotes,
        "deletion": _revoked,
        "contact": _element(openim.CARD, {"userID": "carol", "nickname": "Carol", "faceURL": "", "ex": ""}),
        "joins and leaves": _leaves,
        "location": _element(openim.LOCATION, {"description": "London", "longitude": -0.12776, "latitude": 51.50735}),
    },
    "returning_ai": {**COMMON, "reply": _answers_there, "reaction": _reacts_there},
}


# --- what is kept of it

_VOLATILE = re.compile(
    r"[0-9a-f]{16,}|(?<![\w.])(?=\w*\d)[0-9a-f]{8,}(?![\w.])|(?<=:)\d{4,5}(?=/)|\d{10,}|(?<=/files/)[\w.~-]+"
)
_IDS = frozenset(
    {"operationID", "clientMsgID", "sendTime", "groupID", "recvID", "ex", "reply_to_message_id", "message_id"}
)
_SHORT = 120


def _shown(seen: Seen) -> object:
    """A request as it is kept: with what differs from run to run left out, and long texts cut."""
    path = _steady(seen.path)
    if seen.media_type.startswith("application/json"):
        return {"path": path, "json": _walk(json.loads(seen.body))}
    parts = re.findall(rb'name="([^"]*)"(?:; filename="([^"]*)")?(?:\r\nContent-Type: ([^\r]*))?', seen.body)
    return {"path": path, "parts": [[_steady(each.decode()) for each in part] for part in parts]}


def _called(call: ApiCall) -> object:
    params = {name: value for name, value in call.params.items() if name not in ("chat_id", "link_preview_options")}
    files = [[about.get("name", ""), about.get("size")] for about in call.files.values()]
    return {"method": call.method, "params": _walk(params), **({"files": files} if files else {})}


def _walk(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        return {key: _walk(each, key) for key, each in value.items()}
    if isinstance(value, list):
        return [_walk(each, name) for each in value]
    if isinstance(value, str):
        if value[:1] in "{[" and (inner := _json_in(value)) is not None:
            return _walk(inner, name)
        value = "#" if name in _IDS and value.isdigit() else _steady(value)
        return value if len(value) <= _SHORT else f"{value[:40]} … {value[-20:]} ({len(value)} characters)"
    if isinstance(value, int) and not isinstance(value, bool) and (name in _IDS or value > 10**9):
        return "#"
    return value


def _json_in(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _steady(text: str) -> str:
    return _VOLATILE.sub("#", text)


def write(file: str, arrived: Mapping[str, Sequence[object]]) -> None:
    """Keep what arrived."""
    FOLDER.mkdir(exist_ok=True)
    text = json.dumps(arrived, ensure_ascii=False, indent=1)
    (FOLDER / f"{file}.json").write_text(text + "\n", encoding="utf-8")


def read(file: str) -> Json:
    """What is kept of what arrived."""
    found: Json = json.loads((FOLDER / f"{file}.json").read_text(encoding="utf-8"))
    return found


# --- the table

_TITLES = {"cinnox": "CINNOX", "netsapiens": "NetSapiens", "openim": "OpenIM", "returning_ai": "Returning.AI"}


def how(kind: str, arrived: Sequence[Json]) -> str:
    """In a word, how a kind is carried, by what arrived."""
    text = json.dumps(arrived, ensure_ascii=False)
    if not arrived:
        return "—"
    if "/files/" in text:
        return "link"
    if re.search(r"edited “|deleted “|reacted ", text):
        return "in words"
    if re.search(r"\[(image|video|audio|voice|file|sticker)[:\]]", text):
        return "note"
    if kind == "sticker":
        return "yes" if re.search(r'"data"|sourcePicture|"files"', text) else "in words"
    if kind in ("location", "contact", "poll", "a newer kind") and not re.search(r"send(Loc|Ven|Con)", text):
        return "in words"
    if kind == "reply" and "> " in text:
        return "quoted"
    if kind == "formatting" and "(https://" in text:
        return "as plain text"
    return "yes"


def table() -> str:
    """The README's table."""
    head = ["kind", *(f"to {title}" for title in _TITLES.values()), *(f"from {title}" for title in _TITLES.values())]
    found = {(way, name): read(f"{way}_{name}") for way in ("to", "from") for name in _TITLES}
    names = list(dict.fromkeys(kind for kinds in found.values() for kind in kinds))
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for kind in names:
        if kind == "edit that changes nothing":
            continue
        cells = [
            how(kind, found[way, name][kind]) if kind in found[way, name] else ""
            for way in ("to", "from")
            for name in _TITLES
        ]
        lines.append(f"| {' | '.join([kind, *cells])} |")
    return "\n".join(lines)


def with_table(text: str) -> str:
    """The text with the table between the marks made anew."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


if __name__ == "__main__":
    if "--write" in sys.argv:
        README.write_text(with_table(README.read_text(encoding="utf-8")), encoding="utf-8")
    else:
        sys.stdout.write(f"{table()}\n")
