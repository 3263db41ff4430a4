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
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from bot.addresses import parse_address
from bot.playground import example
from bot.playground.account import Account, webhook_client, worst
from bot.playground.accounts import Cinnox, OpenIM, ReturningAi, make_accounts, route_lines, topics_of
from bot.playground.bodies import Wrong
from bot.playground.emulator import Emulator
from bot.playground.folder import LOG, MARKER, PORTS, WORLD, Folder, FolderError
from bot.playground.hosting import LoopbackServer
from bot.playground.live import WAITING_MOST, Hub
from bot.playground.main import Playground, said_of
from bot.playground.process import LOG_BYTES_MOST, Log, environment
from bot.playground.side import Side
from bot.playground.tour import STEPS, Tour
from bot.playground.views import message_view, telegram_view
from bot.playground.web import ACTIONS, FILES, PAGE, refusal
from bot.routing import Incoming, Kind, Router, parse_route
from bridges.api import Edits, Outgoing
from bridges.driver import drive
from bridges.faults import Faults, Mode
from bridges.model import ConversationId, Message
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
    first.close()
    second = Folder.open(tmp_path / "p", fresh=True)
    assert second.secret("telegram") != token
    assert not (second / WORLD).exists()
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


async def test_reactions_are_shown_on_the_message_that_they_were_put_on(
    accounts: dict[str, Account], listener: tuple[Listener, LoopbackServer]
) -> None:
    (_, server), account = listener, accounts["club"]
    assert isinstance(account, ReturningAi)
    account.post_to(f"{server.url}/hooks")
    said = await account.say({"account": "club", "text": "shall we"})
    await account.sandbox.react("Finn", said["id"], ":thumbsup:")
    assert [entry["marks"] for entry in account.view("")["places"][0]["entries"]] == [[":thumbsup:"]]


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


def test_the_view_of_telegram_holds_no_token() -> None:
    emulator = Emulator("7000001:a-token-that-must-not-show")
    example.make_world(emulator)
    assert "must-not-show" not in json.dumps(telegram_view(emulator))


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
