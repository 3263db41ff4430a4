"""The playground's parts, each alone: who may come in, its folder, its steps, its stream, its log, what it shows."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from bot.addresses import parse_address
from bot.placeholders import check
from bot.playground import example
from bot.playground.account import Account, webhook_client, worst
from bot.playground.accounts import Cinnox, Echo, NetSapiens, OpenIM, ReturningAi, make_accounts, route_lines, topics_of
from bot.playground.bodies import Wrong
from bot.playground.emulator import Emulator
from bot.playground.folder import FILES as FILES_FOLDER
from bot.playground.folder import LOG, MARKER, PORTS, WORLD, Folder, FolderError
from bot.playground.hosting import LoopbackServer
from bot.playground.live import WAITING_MOST, Hub
from bot.playground.main import Playground, said_of, schedules_view, seed_schedules
from bot.playground.process import LOG_BYTES_MOST, Log, environment
from bot.playground.side import Side
from bot.playground.tour import STEPS, Tour
from bot.playground.uploads import FILE_MOST, KEPT_MOST, PHOTO_MOST, Upload, Uploads, plain_name
from bot.playground.views import message_view, telegram_view
from bot.playground.web import ACTIONS, FILES, PAGE, refusal
from bot.recurrence import occurrences
from bot.routing import Incoming, Kind, Router, parse_route
from bot.schedule_line import parse_line
from bot.store.sqlite import SqliteStore
from bridges.api import Edits, Outgoing
from bridges.driver import drive
from bridges.faults import Faults, Mode
from bridges.files import Bytes
from bridges.model import Attachment, ConversationId, Message
from bridges.registry import PROVIDERS

# --- who may come in

HERE = "127.0.0.1:8080"


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("GET", {"host": HERE}),
        ("GET", {"host": "localhost:8080"}),
        ("GET", {"host": "[::1]:8080"}),
        ("GET", {"host": "desk.localhost:8080"}),
        ("GET", {"host": HERE, "origin": "https://elsewhere.example"}),
        ("POST", {"host": HERE}),
        ("POST", {"host": HERE, "origin": f"http://{HERE}", "sec-fetch-site": "same-origin"}),
    ],
)
def test_what_belongs_to_this_machine_is_let_in(method: str, headers: dict[str, str]) -> None:
    assert refusal(method, headers) == ""


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("GET", {}),
        ("GET", {"host": "rebound.example:8080"}),
        ("GET", {"host": "127.0.0.1.rebound.example"}),
        ("GET", {"host": "localhost.rebound.example"}),
        ("GET", {"host": "192.168.1.5:8080"}),
        ("GET", {"host": "[::1"}),
        ("POST", {"host": "rebound.example", "origin": "http://rebound.example"}),
        ("POST", {"host": HERE, "origin": "https://elsewhere.example"}),
        ("POST", {"host": HERE, "origin": "http://127.0.0.1:9999"}),
        ("POST", {"host": HERE, "origin": "null"}),
        ("POST", {"host": HERE, "sec-fetch-site": "cross-site"}),
        ("DELETE", {"host": HERE, "origin": "https://elsewhere.example"}),
    ],
)
def test_another_host_or_a_page_from_elsewhere_is_refused(method: str, headers: dict[str, str]) -> None:
    assert refusal(method, headers)


# --- the switch


class SwitchOnly:
    """Of a playground only a side and its switch."""

    modes = ("down", *(mode.value for mode in Mode))

    def __init__(self) -> None:
        self.sides: dict[str, Side] = {}

    async def switch(self, name: str, mode: str, **more: Any) -> Any:
        await self.sides[name].switch(mode, **more)
        return self.sides[name].to_json()


@pytest.fixture
async def switchable() -> AsyncIterator[SwitchOnly]:
    async with LoopbackServer(Response()) as server:
        made = SwitchOnly()
        made.sides["echo"] = Side("echo", server, faults=Faults(Response()))
        yield made


ODD_NUMBERS = [
    ('"mode": "429", "retry_after_s": Infinity', "retry_after_s must be a whole number of seconds from 0 to 3600"),
    ('"mode": "429", "retry_after_s": 1.5', "retry_after_s must be a whole number of seconds from 0 to 3600"),
    ('"mode": "slow", "delay_s": NaN', "delay_s must be a number of seconds from 0 to 60"),
    ('"mode": "slow", "delay_s": 1e999', "delay_s must be a number of seconds from 0 to 60"),
    ('"mode": "down", "delay_s": 1e308', "delay_s must be a number of seconds from 0 to 60"),
    ('"mode": "500", "remaining": NaN', "remaining must be a whole number of requests from 1 to 1000000"),
    ('"mode": "500", "remaining": 1000001', "remaining must be a whole number of requests from 1 to 1000000"),
    ('"mode": "500", "remaining": true', "delay_s, retry_after_s and remaining are numbers"),
]


@pytest.mark.parametrize(("fields", "words"), ODD_NUMBERS)
async def test_a_switch_takes_only_numbers_within_bounds(switchable: SwitchOnly, fields: str, words: str) -> None:
    before = switchable.sides["echo"].to_json()
    with pytest.raises(Wrong) as told:
        await ACTIONS["switch"](cast(Playground, switchable), json.loads(f'{{"name": "echo", {fields}}}'))
    assert (str(told.value), told.value.status) == (words, 400)
    assert switchable.sides["echo"].to_json() == before


async def test_a_switch_takes_what_is_within_bounds(switchable: SwitchOnly) -> None:
    body = {"name": "echo", "mode": "429", "retry_after_s": 3600, "remaining": 1_000_000, "delay_s": 60}
    done = await ACTIONS["switch"](cast(Playground, switchable), body)
    assert done == {"mode": "too_many", "delay_s": 60.0, "retry_after_s": 3600, "remaining": 1_000_000, "hits": 0}


# --- files that are picked

PNG = b"\x89PNG\r\n\x1a\n" + bytes(16)
JPEG = b"\xff\xd8\xff\xe0" + bytes(16)


@pytest.mark.parametrize(
    ("name", "data", "media_type", "kind"),
    [
        ("a.png", PNG, "image/png", "photo"),
        ("a.txt", JPEG, "image/jpeg", "photo"),
        ("large.png", PNG + bytes(PHOTO_MOST), "image/png", "document"),
        ("a.gif", b"GIF89a" + bytes(8), "image/gif", "document"),
        ("a.webp", b"RIFF\0\0\0\0WEBPVP8 ", "image/webp", "sticker"),
        ("a.mp4", b"....ftyp", "video/mp4", "video"),
        ("a.ogg", b"OggS", "audio/ogg", "voice"),
        ("a.mp3", b"ID3", "audio/mpeg", "audio"),
        ("a.pdf", b"%PDF", "application/pdf", "document"),
        ("a.png", b"<script>", "application/octet-stream", "document"),
        ("a.svg", b"<svg/>", "application/octet-stream", "document"),
        ("", b"?", "application/octet-stream", "document"),
    ],
)
def test_what_a_picked_file_is_is_told_by_its_first_bytes(name: str, data: bytes, media_type: str, kind: str) -> None:
    _, upload = Uploads().put(name, data)
    assert (upload.media_type, upload.telegram_kind) == (media_type, kind)


@pytest.mark.parametrize(("size", "status", "words"), [(0, 400, "empty"), (FILE_MOST + 1, 413, "over 20 MB")])
def test_an_empty_file_and_one_that_is_too_large_are_refused(size: int, status: int, words: str) -> None:
    with pytest.raises(Wrong, match=words) as wrong:
        Uploads().put("a.bin", bytes(size))
    assert wrong.value.status == status


def test_of_files_that_are_not_sent_the_oldest_are_forgotten() -> None:
    uploads = Uploads()
    ids = [uploads.put(f"{number}", bytes(FILE_MOST))[0] for number in range(KEPT_MOST // FILE_MOST + 1)]
    with pytest.raises(Wrong, match="upload it again"):
        uploads.get(ids[0])
    assert uploads.get(ids[-1]).name == plain_name("3")


@pytest.mark.parametrize(
    ("given", "name"),
    [("../../etc/passwd", "passwd"), ("C:\\a\\b.txt", "b.txt"), ("a\nb\u202ec", "abc"), (" / ", "file")],
)
def test_of_a_files_name_only_the_last_part_that_can_be_seen_is_kept(given: str, name: str) -> None:
    assert plain_name(given) == name


class SendOnly:
    """Of a playground only Telegram and what was picked."""

    def __init__(self) -> None:
        self.uploads, self.emulator = Uploads(), Emulator()
        example.make_world(self.emulator)

    def pick(self, *files: tuple[str, bytes]) -> list[str]:
        return [self.uploads.put(name, data)[0] for name, data in files]

    async def send(self, files: list[str], **more: object) -> list[Any]:
        body = {"user": example.ANN, "chat": example.COMMUNITY, "files": files, **more}
        done = await ACTIONS["send_files"](cast(Playground, self), body)
        return [self.emulator.chats[example.COMMUNITY].messages[id] for id in done["messages"]]


async def test_files_that_go_together_make_an_album_with_the_words_at_its_first() -> None:
    side = SendOnly()
    picked = [("a.png", PNG), ("b.mp4", b"."), ("c.pdf", b"."), ("d.pdf", b"."), ("e.ogg", b"."), ("f.ogg", b".")]
    sent = await side.send(side.pick(*picked), text="all of it")
    kinds = [message_view(message)["file"]["kind"] for message in sent]
    assert kinds == ["photo", "video", "document", "document", "voice", "voice"]
    albums = [message.media_group_id for message in sent]
    assert albums[0] == albums[1] != albums[2] == albums[3] and albums[4:] == ["", ""]
    assert [message.text for message in sent] == ["all of it", "", "", "", "", ""]


async def test_a_file_is_sent_once_and_then_forgotten() -> None:
    side = SendOnly()
    picked = side.pick(("a.png", PNG))
    await side.send(picked)
    with pytest.raises(Wrong, match="upload it again"):
        await side.send(picked)


@pytest.mark.parametrize(
    ("files", "words"), [([], "1 to 10"), (["u1"] * 11, "1 to 10"), ([1], "ids of uploaded files"), (["u9"], "'u9'")]
)
async def test_a_wrong_list_of_files_is_told(files: list[Any], words: str) -> None:
    with pytest.raises(Wrong, match=words):
        await SendOnly().send(files)


async def test_what_telegram_does_not_let_a_person_do_is_told_and_the_file_stays_picked() -> None:
    side = SendOnly()
    picked = side.pick(("a.png", PNG))
    with pytest.raises(Wrong, match="no message 99"):
        await side.send(picked, reply_to=99)
    assert side.uploads.get(picked[0])


# --- the page itself


def test_the_page_takes_nothing_from_elsewhere_and_runs_nothing_inline() -> None:
    html = (PAGE / "index.html").read_text(encoding="utf-8")
    linked = re.findall(r"""(?:src|href)="([^"#]+)""", html)
    assert set(linked) <= set(FILES)
    assert not re.search(r"<script(?![^>]*\bsrc=)|\son\w+=|style=", html)


def test_the_page_never_makes_html_of_what_it_shows() -> None:
    script = (PAGE / "app.js").read_text(encoding="utf-8")
    forbidden = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|DOMParser|srcdoc"
    assert not re.findall(forbidden, script)


def test_every_step_has_a_button_on_the_page() -> None:
    script = (PAGE / "app.js").read_text(encoding="utf-8")
    table = script[script.index("const STEPS") : script.index("async function crash")]
    assert re.findall(r"^  (\w+): \{", table, re.MULTILINE) == [step.id for step in STEPS]


def test_every_id_that_the_script_looks_for_is_on_the_page() -> None:
    html = (PAGE / "index.html").read_text(encoding="utf-8")
    script = (PAGE / "app.js").read_text(encoding="utf-8")
    wanted = set(re.findall(r'\$\("([\w-]+)"\)', script)) - set(re.findall(r'\bid: "([\w-]+)"', script))
    assert wanted and wanted <= set(re.findall(r'\bid="([\w-]+)"', html))


def test_the_page_names_no_provider_because_it_takes_them_from_the_data() -> None:
    names = {word.lower() for name, bridge in PROVIDERS.items() for word in (name, bridge.title)}
    for file in ("index.html", "app.js", "style.css"):
        text = (PAGE / file).read_text(encoding="utf-8").lower()
        assert [name for name in sorted(names) if re.search(rf"\b{re.escape(name)}\b", text)] == []


# --- the folder


def test_a_folder_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    folder = Folder.open(tmp_path / "deep" / "playground")
    folder.secret("telegram")
    assert folder.path.stat().st_mode & 0o777 == 0o700
    assert (folder / MARKER).stat().st_mode & 0o777 == 0o600
    folder.close()


def test_secrets_and_ports_stay_the_same_at_the_next_start(tmp_path: Path) -> None:
    first = Folder.open(tmp_path / "p")
    kept = (first.secret("telegram"), first.secret("echo"), first.port("bot"))
    first.close()
    second = Folder.open(tmp_path / "p")
    assert (second.secret("telegram"), second.secret("echo"), second.port("bot")) == kept
    assert kept[2] in PORTS
    second.close()


def test_a_port_that_is_in_use_is_replaced(tmp_path: Path) -> None:
    folder = Folder.open(tmp_path / "p")
    port = folder.port("bot")
    with socket.create_server(("127.0.0.1", port)):
        assert folder.port("bot") != port
    folder.close()


def test_two_playgrounds_cannot_use_one_folder(tmp_path: Path) -> None:
    folder = Folder.open(tmp_path / "p")
    with pytest.raises(FolderError, match=r"another playground.*stop it first"):
        Folder.open(tmp_path / "p", fresh=True)
    folder.close()


@pytest.mark.parametrize("fresh", [True, False])
def test_a_folder_that_others_made_is_refused_and_untouched(tmp_path: Path, fresh: bool) -> None:
    theirs = tmp_path / "patchbay.toml"
    theirs.write_text("theirs")
    with pytest.raises(FolderError, match="was not made by the playground"):
        Folder.open(tmp_path, fresh=fresh)
    assert [path.name for path in tmp_path.iterdir()] == ["patchbay.toml"]
    assert theirs.read_text() == "theirs"


def test_a_marker_of_somebody_else_makes_no_playground(tmp_path: Path) -> None:
    (tmp_path / MARKER).write_text('{"made_by": "somebody"}')
    with pytest.raises(FolderError, match="was not made by the playground"):
        Folder.open(tmp_path, fresh=True)


def test_starting_over_removes_what_it_made_and_nothing_else(tmp_path: Path) -> None:
    first = Folder.open(tmp_path / "p")
    token = first.secret("telegram")
    first.write(WORLD, "{}")
    (first / "notes.txt").write_text("mine")
    (first / FILES_FOLDER).mkdir()
    (first / FILES_FOLDER / ("0a" * 16)).write_text("left by the bot")
    first.close()
    second = Folder.open(tmp_path / "p", fresh=True)
    assert second.secret("telegram") != token
    assert not (second / WORLD).exists()
    assert not (second / FILES_FOLDER).exists()
    assert (second / "notes.txt").read_text() == "mine"
    second.close()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_told_with_the_remedy(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(FolderError, match="--folder"):
        Folder.open(tmp_path / "p")


def test_a_file_where_the_folder_should_be_is_told_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FolderError, match="--folder"):
        Folder.open(tmp_path / "file" / "p")


# --- the example


@pytest.fixture
async def accounts() -> AsyncIterator[dict[str, Account]]:
    async with webhook_client() as client:
        made = make_accounts(lambda name: f"secret-of-{name.replace(' ', '-')}", client=client, clock=lambda: 1_000.0)
        yield made
        for account in made.values():
            await account.sandbox.close()


def opened(accounts: dict[str, Account]) -> dict[str, int]:
    emulator = Emulator()
    example.make_world(emulator)
    return example.open_topics(emulator, topics_of(accounts.values()), known={})


def test_the_example_routes_can_be_read_and_known_numbers_go_to_their_topics_alone(
    accounts: dict[str, Account],
) -> None:
    topics = opened(accounts)
    lines = route_lines(accounts.values(), topics)
    rules = [
        parse_route(line, accounts=["telegram", *accounts]).saved(id=number, enabled=True)
        for number, line in enumerate(lines, start=1)
    ]
    now = datetime.fromtimestamp(0, UTC)

    def goes(source: str) -> list[str]:
        incoming = Incoming(address=parse_address(source), kind=Kind.TEXT, at=now, text="hello", sender=None)
        return [str(target.address) for target in Router(rules).resolve(incoming).targets]

    assert goes(f"support:sms/{example.KNOWN_NUMBER}") == [f"telegram:{example.DESK}/{topics['sms']}"]
    assert goes(f"support:sms/{example.OTHER_NUMBER}") == [f"telegram:{example.DESK}/{topics['new_numbers']}"]
    assert goes(f"pbx:sms/{example.CALLER}") == [f"telegram:{example.DESK}/{topics['caller']}"]
    assert goes(f"pbx:sms/{example.OTHER_CALLER}") == [f"telegram:{example.DESK}/{topics['new_numbers']}"]
    assert goes(f"telegram:{example.DESK}/{topics['echo']}") == [f"echo:{example.LOBBY}"]


def test_topics_that_a_world_has_are_not_opened_again(accounts: dict[str, Account]) -> None:
    emulator = Emulator()
    example.make_world(emulator)
    wanted = topics_of(accounts.values())
    first = example.open_topics(emulator, wanted[:2], known={})
    every = example.open_topics(emulator, wanted, known=first)
    assert set(every) == {topic.key for topic in wanted} and every.items() >= first.items()
    assert sorted(emulator.chats[example.DESK].topics) == sorted(every.values())


def test_every_account_has_a_place_where_somebody_can_speak_and_every_address_can_be_read(
    accounts: dict[str, Account],
) -> None:
    for name, account in accounts.items():
        assert any(place.people for place in account.places)
        for place in account.places:
            assert account.place(place.id) is place
            assert str(parse_address(account.address(place))) == f"{name}:{place.id}"


def test_the_providers_of_the_example_are_those_that_there_are(accounts: dict[str, Account]) -> None:
    assert {account.provider for account in accounts.values()} == set(PROVIDERS)
    assert {account.title for account in accounts.values()} == {bridge.title for bridge in PROVIDERS.values()}


def test_the_bot_takes_the_settings_of_every_account(accounts: dict[str, Account]) -> None:
    for account in accounts.values():
        table = account.settings("http://127.0.0.1:1", hook_secret="hook-secret-0123456789")
        assert PROVIDERS[account.provider].Settings.model_validate(table).provider == account.provider
        # The configuration is written in JSON's notation, which is TOML's for these alone.
        values = [item for value in table.values() for item in (value if isinstance(value, list | tuple) else [value])]
        assert all(isinstance(value, str | int | float | bool) for value in values)


# --- what is said at a provider


class Listener:
    """Where webhooks go: answers with the status that it is told, or not at all."""

    def __init__(self) -> None:
        self.status = 200
        self.heard = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.heard += 1
        await Response(status_code=self.status)(scope, receive, send)


@pytest.fixture
async def listener() -> AsyncIterator[tuple[Listener, LoopbackServer]]:
    made = Listener()
    async with LoopbackServer(made) as server:
        yield made, server


SPEAKING = ("im", "club", "echo")
"""Accounts whose events are posted to an address that somebody enters."""


@pytest.mark.parametrize("name", SPEAKING)
async def test_what_is_said_is_shown_with_the_answer_of_the_bot(
    accounts: dict[str, Account], listener: tuple[Listener, LoopbackServer], name: str
) -> None:
    (bot, server), account = listener, accounts[name]
    account.post_to(f"{server.url}/hooks")
    place = account.places[0]
    said = await account.say({"account": name, "text": "one"})
    assert (said["status"], said["delivered"], said["conversation"]) == (200, True, place.id)
    bot.status = 503
    said = await account.say({"account": name, "text": "two"})
    assert (said["status"], said["delivered"]) == (503, False)
    await server.down()
    with pytest.raises(Wrong, match=r"the bot was not reached.*send it once more") as wrong:
        await account.say({"account": name, "text": "three"})
    assert wrong.value.status == 502 and bot.heard == 2
    (shown,) = [one for one in account.view("")["places"] if one["id"] == place.id]
    assert [(entry["text"], entry["status"], entry["out"]) for entry in shown["entries"]] == [
        ("one", 200, True),
        ("two", 503, True),
        ("three", 0, True),
    ]


@pytest.mark.parametrize("name", SPEAKING[:2])
async def test_half_of_a_character_is_refused_and_not_shown(
    accounts: dict[str, Account], listener: tuple[Listener, LoopbackServer], name: str
) -> None:
    _, server = listener
    accounts[name].post_to(f"{server.url}/hooks")
    with pytest.raises(Wrong, match="half of a character") as wrong:
        await accounts[name].say({"account": name, "text": "\ud83d"})
    assert wrong.value.status == 400
    assert not any(place["entries"] for place in accounts[name].view("")["places"])


def entries_of(account: Account, number: int = 0) -> list[Any]:
    entries: list[Any] = account.view("")["places"][number]["entries"]
    return entries


@pytest.mark.parametrize(("name", "mark"), [("club", ":thumbsup:"), ("echo", "👍")])
async def test_a_reaction_is_shown_and_the_same_once_more_takes_it_away(
    accounts: dict[str, Account], listener: tuple[Listener, LoopbackServer], name: str, mark: str
) -> None:
    (bot, server), account = listener, accounts[name]
    account.post_to(f"{server.url}/hooks")
    said = await account.say({"account": name, "text": "shall we"})
    about = {"account": name, "id": said["id"], "emoji": "👍"}
    assert (await account.react(about))["delivered"]
    assert [entry["marks"] for entry in entries_of(account)] == [[mark]]
    await account.react(about)
    assert [entry["marks"] for entry in entries_of(account)] == [[]]
    assert bot.heard == 3


async def test_a_reaction_that_the_bot_put_on_is_shown_beside_those_of_people(
    accounts: dict[str, Account], listener: tuple[Listener, LoopbackServer]
) -> None:
    (_, server), account = listener, accounts["echo"]
    assert isinstance(account, Echo)
    account.post_to(f"{server.url}/hooks")
    said = await account.say({"account": "echo", "text": "shall we"})
    await account.react({"account": "echo", "id": said["id"], "emoji": "🔥", "person": "Eve"})
    account.sandbox.reactions[said["id"]] = "👍"
    assert [entry["marks"] for entry in entries_of(account)] == [["🔥", "👍"]]


async def test_what_people_reword_and_take_back_is_shown_as_it_stands_now(
    accounts: dict[str, Account], listener: tuple[Listener, LoopbackServer]
) -> None:
    (bot, server), account = listener, accounts["echo"]
    account.post_to(f"{server.url}/hooks")
    first, second = [await account.say({"account": "echo", "text": text}) for text in ("one", "two")]
    await account.change({"account": "echo", "id": first["id"], "text": "one and a half"})
    assert (await account.take_back({"account": "echo", "id": second["id"]}))["delivered"]
    assert [(entry["text"], entry.get("edited"), entry.get("gone")) for entry in entries_of(account)] == [
        ("one and a half", True, None),
        ("two", None, True),
    ]
    assert bot.heard == 4
    with pytest.raises(Wrong, match="was taken back"):
        await account.change({"account": "echo", "id": second["id"], "text": "again"})


async def test_a_change_that_the_bot_did_not_hear_of_is_told_so(
    accounts: dict[str, Account], listener: tuple[Listener, LoopbackServer]
) -> None:
    (_, server), account = listener, accounts["im"]
    account.post_to(f"{server.url}/hooks")
    said = await account.say({"account": "im", "text": "one"})
    await server.down()
    with pytest.raises(Wrong, match="does not know it") as wrong:
        await account.take_back({"account": "im", "id": said["id"]})
    assert wrong.value.status == 502


@pytest.mark.parametrize(
    ("name", "act", "more", "words"),
    [
        ("pbx", "change", {"text": "x"}, "nobody can change a message at NetSapiens"),
        ("club", "take_back", {}, "nobody can take a message back at Returning.AI"),
        ("support", "react", {"emoji": "👍"}, "nobody can react to a message at CINNOX"),
        ("echo", "change", {"text": "x"}, "nobody at Echo wrote a message 'm99'"),
        ("echo", "react", {"emoji": "👍"}, "Echo has no message 'm99'"),
        ("echo", "react", {}, "'emoji' is missing"),
        ("im", "take_back", {"why": "x"}, "there is no field 'why'"),
    ],
)
async def test_what_people_cannot_do_there_is_refused_in_words(
    accounts: dict[str, Account], name: str, act: str, more: dict[str, str], words: str
) -> None:
    with pytest.raises(Wrong, match=re.escape(words)):
        await getattr(accounts[name], act)({"account": name, "id": "m99", **more})


PICTURE = Upload("my cat?.png", "image/png", PNG)


async def test_a_picture_at_openim_is_shown_with_its_bytes(
    accounts: dict[str, Account], listener: tuple[Listener, LoopbackServer]
) -> None:
    (_, server), account = listener, accounts["im"]
    account.post_to(f"{server.url}/hooks")
    account.settings("http://127.0.0.1:1", hook_secret="hook-secret-0123456789")
    assert (await account.show({"account": "im", "file": "u1"}, PICTURE))["delivered"]
    (entry,) = entries_of(account)
    (file,) = entry["files"]
    assert (file["kind"], file["name"], file["is_picture"]) == ("picture", "my cat?.png", True)
    assert account.file(file["url"].removeprefix("/playground/file/im/")) == PNG


@pytest.mark.parametrize("place", [f"sms/{example.CALLER}", f"chat/{example.EXTENSION}"])
async def test_a_picture_at_netsapiens_is_shown_with_its_words_and_bytes(
    accounts: dict[str, Account], listener: tuple[Listener, LoopbackServer], place: str
) -> None:
    (_, server), account = listener, accounts["pbx"]
    assert isinstance(account, NetSapiens)
    account.sandbox.subscribe(f"{server.url}/hooks")
    body = {"account": "pbx", "conversation": place, "file": "u1", "text": "look"}
    assert (await account.show(body, PICTURE))["delivered"]
    (entry,) = next(one["entries"] for one in account.view("")["places"] if one["id"] == place)
    (file,) = entry["files"]
    assert entry["text"] == "look"
    assert account.file(file["url"].removeprefix("/playground/file/pbx/")) == PNG
    assert account.file("m-of-nobody") is None


@pytest.mark.parametrize(
    ("name", "upload", "more", "words"),
    [
        ("echo", PICTURE, {}, "people cannot send a picture at Echo"),
        ("im", PICTURE, {"text": "look"}, "a picture has no words at OpenIM"),
        ("im", Upload("a.pdf", "application/pdf", b"%PDF"), {}, "a.pdf is no picture"),
    ],
)
async def test_a_picture_that_cannot_be_sent_is_refused_and_not_shown(
    accounts: dict[str, Account], name: str, upload: Upload, more: dict[str, str], words: str
) -> None:
    with pytest.raises(Wrong, match=re.escape(words)):
        await accounts[name].show({"account": name, "file": "u1", **more}, upload)
    assert not any(place["entries"] for place in accounts[name].view("")["places"])


async def test_pictures_that_the_bot_uploaded_are_shown_with_the_message_that_names_them(
    accounts: dict[str, Account],
) -> None:
    account = accounts["club"]
    assert isinstance(account, ReturningAi)
    async with LoopbackServer(account.sandbox.app) as club, httpx.AsyncClient() as client:
        table = account.settings(club.url, hook_secret="hook-secret-0123456789")
        bridge = PROVIDERS["returning_ai"](PROVIDERS["returning_ai"].Settings.model_validate(table))
        picture = Attachment(kind="image", ref="x", name="a.png", media_type="image/png")
        out = Outgoing(
            key="key-1",
            conversation=ConversationId(account.places[0].id),
            message=Message(text="look", attachments=(picture,)),
            files=(Bytes(PNG),),
        )
        await drive(bridge.deliver(out), send=client.send, auth=bridge.auth)
    (entry,) = entries_of(account)
    (file,) = entry["files"]
    assert account.file(file["url"].removeprefix("/playground/file/club/")) == PNG


async def test_what_the_bot_deleted_at_echo_is_shown_as_gone(accounts: dict[str, Account]) -> None:
    account = accounts["echo"]
    async with LoopbackServer(account.sandbox.app) as echo, httpx.AsyncClient() as client:
        table = account.settings(echo.url, hook_secret="hook-secret-0123456789")
        bridge = PROVIDERS["echo"](PROVIDERS["echo"].Settings.model_validate(table))
        out = Outgoing(key="key-1", conversation=ConversationId(example.LOBBY), message=Message(text="a slip"))
        receipt = await drive(bridge.deliver(out), send=client.send, auth=bridge.auth)
        assert isinstance(bridge, Edits)
        await drive(bridge.delete(out.conversation, receipt.ids[0]), send=client.send, auth=bridge.auth)
    assert [(entry["text"], entry["gone"]) for entry in entries_of(account)] == [("a slip", True)]


async def test_a_message_that_was_taken_back_is_shown_as_gone(
    accounts: dict[str, Account], listener: tuple[Listener, LoopbackServer]
) -> None:
    (_, server), account = listener, accounts["im"]
    assert isinstance(account, OpenIM)
    async with LoopbackServer(account.sandbox.app) as im:
        account.post_to(f"{server.url}/hooks")
        table = account.settings(im.url, hook_secret="hook-secret-0123456789")
        bridge = PROVIDERS["openim"](PROVIDERS["openim"].Settings.model_validate(table))
        place = ConversationId(account.places[0].id)
        async with httpx.AsyncClient() as client:
            out = Outgoing(key="key-1", conversation=place, message=Message(text="a slip"))
            receipt = await drive(bridge.deliver(out), send=client.send, auth=bridge.auth)
            assert isinstance(bridge, Edits)
            assert [entry["gone"] for entry in account.view("")["places"][0]["entries"]] == [False]
            await drive(bridge.delete(place, receipt.ids[0]), send=client.send, auth=bridge.auth)
    assert [entry["gone"] for entry in account.view("")["places"][0]["entries"]] == [True]


@pytest.mark.parametrize("name", ["support", "pbx"])
async def test_nobody_can_speak_before_the_bot_has_subscribed(accounts: dict[str, Account], name: str) -> None:
    with pytest.raises(Wrong, match="subscribe") as wrong:
        await accounts[name].say({"account": name, "text": "too early"})
    assert wrong.value.status == 409
    assert not any(place["entries"] for place in accounts[name].view("")["places"])


async def test_an_sms_that_did_not_arrive_is_sent_again_as_the_same_event(
    accounts: dict[str, Account], listener: tuple[Listener, LoopbackServer]
) -> None:
    (bot, server), account = listener, accounts["support"]
    assert isinstance(account, Cinnox)
    account.sandbox.subscribed_url = f"{server.url}/hooks"
    bot.status = 503
    first = await account.say({"account": "support", "text": "hello"})
    bot.status = 200
    again = await account.say({"account": "support", "text": "hello", "id": first["id"]})
    assert again["id"] == first["id"]
    view = account.view("")
    (shown,) = [one for one in view["places"] if one["id"] == f"sms/{example.KNOWN_NUMBER}"]
    assert [(entry["text"], entry["status"]) for entry in shown["entries"]] == [("hello", 200)]
    assert [sms["attempts"] for sms in view["sms"]] == [2]


@pytest.mark.parametrize(
    ("answers", "status"), [([], 0), ([200], 200), ([200, 200], 200), ([200, 0], 0), ([200, 503], 503)]
)
def test_of_several_webhooks_the_one_that_failed_counts(answers: list[int], status: int) -> None:
    assert worst(answers) == status


def test_what_the_first_version_wrote_down_was_said_at_echo() -> None:
    said = [{"id": "m1", "text": "a"}, {"id": "", "text": "b"}]
    assert said_of(said, account="echo") == [{"status": 200, **said[0]}, {"status": 0, **said[1]}]
    assert said_of(said, account="club") == []
    assert said_of({"club": [{"id": "", "text": "c", "status": 200}]}, account="club")[0]["status"] == 200


# --- what is shown


def test_a_message_is_shown_with_quote_marks_and_buttons_and_hostile_names_stay_text() -> None:
    emulator = Emulator()
    emulator.add_user(1, "<img src=x onerror=alert(1)>")
    emulator.add_group(-100, "G", members=[1])
    first: Any = emulator.say(1, -100, "<b>hi</b>")
    second: Any = emulator.say(1, -100, "answer", reply_to=first["message_id"])
    emulator.react(1, -100, second["message_id"], "👌")
    message = emulator.chats[-100].messages[second["message_id"]]
    message.reply_markup = {"inline_keyboard": [[{"text": "Go", "callback_data": "go"}]]}
    shown = message_view(message)
    assert shown["from"]["name"] == "<img src=x onerror=alert(1)>"
    assert shown["reply_to"]["text"] == "<b>hi</b>"
    assert shown["reactions"] == ["👌"]
    assert shown["buttons"] == [[{"text": "Go", "data": "go", "url": None}]]


PLACE = {"latitude": 51.5, "longitude": -0.12}
POLL = {"question": "When?", "options": [{"text": "now"}]}


@pytest.mark.parametrize(
    ("content", "name", "word"),
    [
        ({"location": PLACE}, "location", "location"),
        ({"venue": {"location": PLACE, "title": "Pier", "address": "1 Quay"}, "location": PLACE}, "venue", "venue"),
        ({"contact": {"phone_number": "+1", "first_name": "Robin"}}, "contact", "contact"),
        ({"poll": POLL}, "poll", "poll"),
    ],
)
def test_places_contacts_and_polls_are_shown_as_they_are(content: Any, name: str, word: str) -> None:
    emulator = Emulator()
    example.make_world(emulator)
    sent: Any = emulator.send_content(example.ANN, example.COMMUNITY, content)
    answer: Any = emulator.say(example.BO, example.COMMUNITY, "ok", reply_to=sent["message_id"])
    messages = emulator.chats[example.COMMUNITY].messages
    assert message_view(messages[sent["message_id"]])[name] == content[name]
    assert message_view(messages[answer["message_id"]])["reply_to"]["text"] == word


@pytest.mark.parametrize(
    ("kind", "name", "is_picture"),
    [("photo", "a.png", True), ("sticker", "", True), ("document", "a.gif", True), ("video", "a.mp4", False)],
)
def test_a_file_is_shown_with_the_address_of_its_bytes(kind: str, name: str, is_picture: bool) -> None:
    emulator = Emulator()
    example.make_world(emulator)
    sent: Any = emulator.send_media(example.ANN, example.COMMUNITY, kind, PNG, file_name=name)
    shown = message_view(emulator.chats[example.COMMUNITY].messages[sent["message_id"]])["file"]
    assert (shown["kind"], shown["size"], shown["is_picture"]) == (kind, len(PNG), is_picture)
    kept = emulator.files.get(shown["url"].removeprefix("/playground/file/telegram/"))
    assert kept is not None and kept.data == PNG


def test_who_reacted_is_shown_so_that_the_same_once_more_takes_it_away() -> None:
    emulator = Emulator()
    example.make_world(emulator)
    sent: Any = emulator.say(example.ANN, example.COMMUNITY, "shall we")
    emulator.react(example.BO, example.COMMUNITY, sent["message_id"], "🔥")
    shown = message_view(emulator.chats[example.COMMUNITY].messages[sent["message_id"]])
    assert (shown["reactions"], shown["reacted"]) == (["🔥"], [[example.BO, "🔥"]])


def test_the_view_of_telegram_holds_no_token() -> None:
    emulator = Emulator("7000001:a-token-that-must-not-show")
    example.make_world(emulator)
    assert "must-not-show" not in json.dumps(telegram_view(emulator))


def test_everybody_has_the_menu_that_telegram_shows_them_in_each_chat_they_are_in() -> None:
    emulator = Emulator()
    example.make_world(emulator)
    help, desk = [{"command": "help", "description": "h"}], [{"command": "send", "description": "s"}]
    emulator.bot.commands = {("default", ""): help, (f"chat_member:{example.DESK}:{example.CLEO}", ""): desk}
    shown = telegram_view(emulator)
    menu_of = {key: shown["menus_shown"][number] for key, number in shown["menu_of"].items()}
    assert menu_of[f"{example.DESK}/{example.CLEO}"] == desk
    assert menu_of[f"{example.DESK}/{example.BO}"] == menu_of[f"{example.BO}/{example.BO}"] == help
    assert menu_of[f"{example.NEWS}/{example.ANN}"] == []


def test_people_are_shown_with_their_roles_and_whether_the_bot_can_reach_them() -> None:
    emulator = Emulator()
    example.make_world(emulator)
    emulator.block(example.BO)
    emulator.deactivate(example.DAN)
    people = {one["id"]: one for one in telegram_view(emulator, roles={example.CLEO: "operator"})["people"]}
    assert people[example.CLEO]["role"] == "operator" and people[example.BO]["role"] == ""
    assert people[example.BO]["blocked"] and not people[example.CLEO]["blocked"]
    assert (people[example.DAN]["name"], people[example.DAN]["gone"]) == ("Deleted account", True)


def test_the_keyboard_before_a_person_is_shown_with_what_its_buttons_ask_for() -> None:
    emulator = Emulator()
    example.make_world(emulator)
    chat = emulator.private[(emulator.bot.id, example.ANN)]
    key = {"text": "Pick", "request_chat": {"request_id": 1, "chat_is_channel": True}}
    markup = {"keyboard": [[key, {"text": "Cancel"}]], "one_time_keyboard": True}
    message = emulator.post(chat, {"text": "?"}, author=emulator.bot.user, keyboard=markup)
    (shown,) = (one for one in telegram_view(emulator)["chats"] if one["id"] == example.ANN)
    assert shown["keyboards"][str(example.ANN)] == {
        "rows": [
            [{"text": "Pick", "asks": "request_chat", "channel": True, "forum": None}, {"text": "Cancel", "asks": ""}]
        ],
        "one_time": True,
        "placeholder": "",
        "message": message.id,
    }
    emulator.share_chat(example.ANN, example.NEWS)
    assert message_view(list(chat.messages.values())[-1])["service"] == (
        f"The chat {example.NEWS} was shared with the bot"
    )


def test_what_an_anonymous_admin_wrote_is_known_to_be_theirs() -> None:
    emulator = Emulator()
    example.make_world(emulator)
    said: Any = emulator.say(example.ANN, example.COMMUNITY, "who is it", sender_chat=example.COMMUNITY)
    shown = message_view(emulator.chats[example.COMMUNITY].messages[said["message_id"]])
    assert (shown["author"], shown["from"]["id"]) == (example.ANN, example.COMMUNITY)


def test_a_world_of_an_earlier_version_gets_the_people_that_it_lacks_once() -> None:
    emulator, now = Emulator(), Emulator()
    emulator.add_user(example.ANN, "Ann", "ann_desk")
    emulator.add_user(example.BO, "Bo", "bo_desk")
    for chat in (example.DESK, example.COMMUNITY):
        emulator.add_group(chat, "G", members=[example.BO], admins=[example.ANN, emulator.bot.id])
    example.make_world(now)
    for _ in range(2):
        example.add_newcomers(emulator)
        for chat in (example.DESK, example.COMMUNITY, example.NEWS):
            before, after = now.chats[chat].members, emulator.chats[chat].members
            assert {id: one.status for id, one in after.items()} == {id: one.status for id, one in before.items()}


@pytest.mark.parametrize("address", [*example.EVERYONE, *example.NAMES.values()])
def test_every_address_of_the_example_can_be_read(address: str) -> None:
    account, _, conversation = address.partition(":")
    assert str(parse_address(address)) == address
    if account != "telegram":
        made = make_accounts(lambda name: "s" * 20, client=webhook_client(), clock=lambda: 0.0)[account]
        assert conversation in [place.id for place in made.places]


# --- the steps


@dataclass
class Row:
    id: int = 1
    account: str = "support"
    state: str = "queued"
    attempts: int = 1
    error: str | None = "cannot connect"


def test_each_room_ticks_its_own_step() -> None:
    tour = Tour()
    assert tour.accepted("room-42") and tour.done == ["send"]
    assert tour.accepted(example.REPLY_ROOM) and tour.done == ["send", "reply"]
    assert not tour.accepted("room-42")


def test_an_sms_counts_once_it_is_shown_in_a_chat() -> None:
    tour = Tour()
    tour.texted("my order")
    assert not tour.shown("something else")
    assert tour.shown("85255501234: my order") and tour.done == ["sms"]


def test_an_outage_counts_only_for_what_waited_and_was_sent() -> None:
    tour = Tour()
    assert not tour.deliveries([Row(error=None, state="sent")], failing={"support": True})
    assert not tour.deliveries([Row()], failing={"support": False})
    assert not tour.deliveries([Row(state="sent", error=None)], failing={"support": False})
    assert not tour.deliveries([Row(id=2)], failing={"support": True})
    assert tour.deliveries([Row(id=2, state="sent")], failing={"support": False})


@pytest.mark.parametrize(
    ("states", "balanced", "ticked"),
    [
        ({1: "sent", 2: "held"}, True, True),
        ({1: "sent", 2: "queued"}, True, False),
        ({1: "sent"}, True, False),
        ({1: "sent", 2: "sent"}, False, False),
    ],
)
def test_a_crash_counts_once_everything_is_accounted_for(states: dict[int, str], balanced: bool, ticked: bool) -> None:
    tour = Tour()
    tour.killed([1, 2])
    rows = [Row(id=id, state=state) for id, state in states.items()]
    assert tour.survived(rows, balanced=balanced) is ticked
    assert ("crash" in tour.done) is ticked


@dataclass
class Told:
    state: str
    broadcast: int | None = 1
    why: str = "announcement 1 by Ann"


def test_an_announcement_counts_once_none_of_it_waits() -> None:
    tour = Tour()
    assert not tour.announced([Told("sent", broadcast=None)])
    assert not tour.announced([Told("sent"), Told("queued")])
    assert tour.announced([Told("sent"), Told("dead")]) and tour.done == ["announce"]


def test_an_announcement_from_before_the_steps_were_begun_does_not_count() -> None:
    tour = Tour()
    assert not tour.announced([Told("sent")])
    assert not tour.announced([Told("sent"), Told("cancelled", broadcast=2)])
    tour.start_over()
    assert not tour.announced([Told("sent"), Told("sent", broadcast=2)])


def test_what_a_schedule_sends_ticks_its_own_step() -> None:
    tour, why = Tour(), "schedule 1 (standup), announcement 1 by Ann"
    assert not tour.planned([Told("sent", why=why)])
    assert not tour.planned([Told("queued", broadcast=2, why=why), Told("sent", broadcast=3)])
    assert tour.planned([Told("sent", broadcast=2, why=why)]) and tour.done == ["schedule"]
    assert not tour.announced([]) and not tour.announced([Told("sent", broadcast=4, why=why)])
    tour.start_over()
    assert not tour.planned([Told("sent", broadcast=2, why=why)])


@pytest.mark.parametrize("line", example.SCHEDULES)
def test_what_is_planned_in_the_example_leaves_a_newcomer_in_peace(line: str) -> None:
    read = parse_line(line, now=0.0, zone="UTC")
    assert read.rule is not None
    check(read.text, has_end=False)
    first, second = islice(occurrences(read.rule, made_at=0.0), 2)
    assert second.at - first.at >= 86_400
    assert all(target.startswith(("@everyone", "telegram:")) for target in read.targets.split(", "))


async def test_the_example_is_planned_once(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "a.sqlite3")
    await store.write(partial(seed_schedules, now=1_800_000_000.0))
    rows = schedules_view(await store.read(lambda tx: tx.schedules.all()), now=1_800_000_000.0)
    await store.close()
    assert [(row["name"], row["state"], row["targets"]) for row in rows] == [
        ("standup", "on", [f"telegram:{example.COMMUNITY}"]),
        ("newsletter", "on", ["@everyone"]),
    ]
    assert all(len(row["next"]) == 3 and row["next"] == sorted(row["next"]) for row in rows)


def test_a_kill_while_nothing_was_sent_is_no_proof() -> None:
    tour = Tour()
    tour.killed([])
    assert not tour.survived([Row(state="sent")], balanced=True)


# --- the stream


async def following(hub: Hub) -> Any:
    stream = hub.stream()
    first = await anext(stream)
    assert "event: state\n" in first
    return stream


def parsed(text: str) -> list[tuple[str, Any]]:
    events = [dict(line.split(": ", 1) for line in block.splitlines()) for block in text.strip().split("\n\n")]
    return [(event["event"], json.loads(event["data"])) for event in events]


async def test_a_page_gets_everything_first_and_then_what_changes() -> None:
    number = 1
    hub = Hub({"bot": lambda: {"n": number}})
    stream = await following(hub)
    hub.touch("bot")
    number = 2
    assert parsed(await anext(stream)) == [("bot", {"n": 2})]
    await stream.aclose()


async def test_of_many_changes_of_one_message_only_the_latest_is_sent() -> None:
    hub = Hub({})
    stream = await following(hub)
    for text in ("a", "b", "c"):
        hub.tell("message", {"text": text}, key=("message", 1))
    hub.tell("deleted", {"id": 2}, key=("message", 2))
    assert parsed(await anext(stream)) == [("message", {"text": "c"}), ("deleted", {"id": 2})]
    await stream.aclose()


async def test_a_page_that_lags_far_behind_is_told_everything_anew() -> None:
    hub = Hub({"bot": lambda: {"state": "ready"}})
    stream = await following(hub)
    for number in range(WAITING_MOST + 1):
        hub.tell("message", {}, key=number)
    assert parsed(await anext(stream)) == [("state", {"bot": {"state": "ready"}})]
    await stream.aclose()


async def test_a_page_that_is_closed_is_forgotten() -> None:
    hub = Hub({})
    stream = await following(hub)
    await stream.aclose()
    assert not hub._listeners


async def test_a_line_break_in_a_name_cannot_make_an_event() -> None:
    hub = Hub({})
    stream = await following(hub)
    hub.tell("message", {"text": "x\n\nevent: state\ndata: {}\n\n\u2028"}, key=1)
    assert len(parsed(await anext(stream))) == 1
    await stream.aclose()


# --- the bot's log and environment


def test_the_log_file_does_not_grow_for_ever(tmp_path: Path) -> None:
    log = Log(tmp_path / LOG)
    line = "x" * 1000
    for number in range(2 * LOG_BYTES_MOST // 1000):
        log.add(f"{number} {line}")
    log.close()
    written = (tmp_path / LOG).read_text()
    assert len(written) <= LOG_BYTES_MOST
    assert written.splitlines()[-1] == log.lines[-1]
    assert (tmp_path / LOG).stat().st_mode & 0o777 == 0o600


def test_the_bot_finds_this_code_and_takes_no_other_configuration() -> None:
    made = environment({"PATCHBAY_CONFIG": "/elsewhere.toml", "PYTHONPATH": "/mine", "HOME": ""})
    assert "PATCHBAY_CONFIG" not in made
    assert made["PYTHONPATH"].split(os.pathsep) == [str(Path(__file__).parents[2]), "/mine"]
    assert made["HOME"] == ""


def test_where_the_kernel_does_not_do_it_a_watcher_kills_the_bot_when_its_parent_is_gone() -> None:
    code = "import os, signal; from bot.playground.child import watch_pipe; watch_pipe(os.getpid()); print(1, flush=1);"
    process = subprocess.Popen(
        [sys.executable, "-c", code + "signal.pause()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment(os.environ),
    )
    assert process.stdin is not None and process.stdout is not None
    assert process.stdout.readline() == b"1\n"
    process.stdin.close()
    assert process.wait(timeout=10) == -signal.SIGKILL
    process.stdout.close()
