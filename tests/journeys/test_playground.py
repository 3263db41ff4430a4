"""``patchbay playground`` as a person and other programs meet it: the command, its port, the bot behind it."""

from __future__ import annotations

import json
import os
import queue
import shutil
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

from bot.playground.accounts import Cinnox, Echo, NetSapiens, OpenIM, ReturningAi
from bot.playground.example import (
    ANN,
    BO,
    CALLER,
    CLEO,
    CLUB_GENERAL,
    CLUB_LOUNGE,
    COMMUNITY,
    DAN,
    DESK,
    EVERYONE,
    EXTENSION,
    IM_LOUNGE,
    IM_OPS,
    KNOWN_NUMBER,
    LOBBY,
    NEWS,
    OTHER_CALLER,
    OTHER_NUMBER,
    REPLY_ROOM,
)

T = TypeVar("T")
Json = dict[str, Any]

ROOT = Path(__file__).parents[2]
WITHIN_S = 30.0
PROVIDERS = {account.name: account.provider for account in (Cinnox, NetSapiens, OpenIM, ReturningAi, Echo)}
ROUTES = {
    *("sms", "new-numbers", "echo", "community"),
    *("caller", "new-callers", "extension", "ops", "general", "lounge", "alone"),
}
FINAL = {"sent", "held", "dead", "expired", "discarded", "cancelled"}


def eventually(look: Callable[[], T | None], *, what: str = "") -> T:
    """The first result that is true; fails at the deadline."""
    deadline = time.monotonic() + WITHIN_S
    while True:
        with suppress(httpx.TransportError):
            if found := look():
                return found
        if time.monotonic() > deadline:
            raise AssertionError(f"{what or 'it'} did not happen within {WITHIN_S:g} s")
        time.sleep(0.02)


class Running:
    """A playground in a process of its own, driven by its HTTP API."""

    def __init__(self, folder: Path | None, *arguments: str, cwd: Path = ROOT, **env: str) -> None:
        if folder is not None:
            arguments = ("--folder", str(folder), *arguments)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bot", "playground", "--port", "0", *arguments],
            cwd=cwd,
            env={**os.environ, "PYTHONPATH": str(ROOT), **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []
        self._said: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        try:
            self.url = self._find_url()
        except BaseException:
            self.end(signal.SIGKILL)
            raise
        self.http = httpx.Client(base_url=self.url, timeout=15, trust_env=False)

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                self.lines.append(line)
                self._said.put(line)
        self._said.put("")

    def _find_url(self) -> str:
        while line := self._said.get(timeout=WITHIN_S):
            word, _, rest = line.strip().partition(" ")
            if word == "Open":
                return rest.strip()
        raise AssertionError("".join(self.lines))

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        code = self.process.wait(timeout=WITHIN_S)
        self._reader.join()
        return code

    # --- what one does

    def post(self, path: str, **body: object) -> Json:
        answer = self.http.post(f"/playground/{path}", json=body)
        assert answer.status_code == 200, answer.text
        done = answer.json()
        assert isinstance(done, dict)
        return done

    def say(self, text: str, *, user: int = ANN, chat: int = ANN, **more: object) -> int:
        return int(self.post("telegram/say", user=user, chat=chat, text=text, **more)["result"]["message_id"])

    def upload(self, name: str, data: bytes) -> str:
        answer = self.http.post("/playground/upload", params={"name": name}, content=data)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["file"])

    def switch(self, name: str, mode: str, **more: object) -> Json:
        return self.post("switch", name=name, mode=mode, **more)

    # --- what one sees

    def state(self, section: str) -> Json:
        found = self.http.get(f"/playground/state/{section}").json()
        assert isinstance(found, dict)
        return found

    def messages(self, chat: int, thread: int | None = None) -> list[Json]:
        found = self.state("telegram")["messages"].get(str(chat), [])
        return [message for message in found if message["thread"] == thread]

    def written(self, text: str, chat: int, thread: int | None = None) -> Json | None:
        """The bot's message with this text."""
        found = [m for m in self.messages(chat, thread) if m["from"]["bot"] and text in m["text"]]
        return found[-1] if found else None

    def mark(self, message: int, chat: int = ANN) -> str:
        found = [m for m in self.messages(chat) if m["id"] == message]
        return "".join(found[0]["reactions"])

    def deliveries(self, text: str) -> list[Json]:
        return [row for row in self.state("deliveries")["rows"] if row["text"].endswith(text)]

    def settled(self, text: str, count: int = 1) -> list[Json] | None:
        rows = self.deliveries(text)
        return rows if len(rows) == count and all(row["state"] in FINAL for row in rows) else None

    def room(self, name: str) -> list[str]:
        return [message["text"] for message in self.state("accounts")["support"]["rooms"][name]]

    def card(self, label: str, chat: int = ANN) -> Json | None:
        """The latest message with a button that begins so."""
        labelled = [m for m in self.messages(chat) if self._button(m, label) is not None]
        return labelled[-1] if labelled else None

    @staticmethod
    def _button(message: Json, label: str) -> Json | None:
        keys = (key for row in message["buttons"] for key in row)
        return next((key for key in keys if key["text"].startswith(label)), None)

    def press(self, card: Json, label: str, *, user: int = ANN) -> Json | None:
        """Press it; what the bot answers to that."""
        button = self._button(card, label)
        assert button is not None
        answer: Json | None = self.post("press", user=user, chat=card["chat"], message=card["id"], data=button["data"])[
            "answer"
        ]
        return answer

    def topics(self) -> list[int]:
        """Those of the desk that are there now."""
        (desk,) = (chat for chat in self.state("telegram")["chats"] if chat["id"] == DESK)
        return [topic["id"] for topic in desk["topics"]]

    def topic(self, name: str) -> int:
        return int(self.state("example")["topics"][name])

    def place(self, account: str, conversation: str) -> list[Json]:
        """What was said at a provider in one place."""
        places = self.state("accounts")[account]["places"]
        return next((place["entries"] for place in places if place["id"] == conversation), [])

    def arrived(self, text: str, account: str, conversation: str) -> list[Json]:
        """What the bot brought there that ends with this text."""
        entries = self.place(account, conversation)
        return [one for one in entries if not one["out"] and one["text"].endswith(text)]

    def bot(self) -> Json:
        return self.state("bot")

    def ready(self) -> bool:
        subscribed = [account["subscribed"] for account in self.state("accounts").values()]
        return bool(self.bot()["state"] == "ready" and all(subscribed))

    def ticked(self, step: str) -> bool:
        return any(one["done"] for one in self.state("tour")["steps"] if one["id"] == step)


@contextmanager
def playground(folder: Path | None, *arguments: str, **more: Any) -> Iterator[Running]:
    running = Running(folder, *arguments, **more)
    try:
        eventually(running.ready, what="the bot being ready")
        yield running
    finally:
        running.http.close()
        if running.process.poll() is None:
            running.end()


@pytest.fixture(scope="module")
def pg(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with playground(tmp_path_factory.mktemp("playground") / "data") as running:
        yield running


@pytest.fixture(autouse=True)
def everything_answers(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "pg" in request.fixturenames:
        pg: Running = request.getfixturevalue("pg")
        for name in pg.state("switches"):
            pg.switch(name, "ok")


def exists(pid: int) -> bool:
    """Whether the process is there and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def run(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bot", "playground", *arguments]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=WITHIN_S)


# --- joining in


def test_info_names_what_another_program_needs(pg: Running) -> None:
    info = pg.http.get("/playground/info").json()
    telegram, accounts = info["telegram"], info["accounts"]
    assert telegram["owner"] == ANN
    me = httpx.get(f"{telegram['api_base_url']}/bot{telegram['token']}/getMe", trust_env=False).json()
    assert me["result"]["is_bot"]
    assert {name: account["provider"] for name, account in accounts.items()} == PROVIDERS
    for name, account in accounts.items():
        assert account["base_url"].startswith("http://127.0.0.1:")
        assert account["hook_url"].startswith(f"{info['bot']['url']}/hooks/{name}/")
        assert all(place["address"] == f"{name}:{place['id']}" for place in account["conversations"])
        assert any(place["people"] for place in account["conversations"])
    for name in ("say", "upload", "send_files", "picture", "change", "take_back", "react"):
        assert f"POST /playground/{name}" in info["actions"]


def test_the_command_line_that_info_names_works_beside_it(pg: Running) -> None:
    command = [*pg.http.get("/playground/info").json()["bot"]["command"], "routes", "list", "--json"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=WITHIN_S, check=True)
    assert {route["name"] for route in json.loads(listed.stdout)} == ROUTES


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_the_bots_own_pages_are_passed_through(pg: Running, path: str) -> None:
    answer = pg.http.get(path)
    assert answer.status_code == 200
    assert b"patchbay_" in answer.content if path == "/metrics" else answer.json()


def test_webhooks_may_be_posted_to_the_pages_port_too(pg: Running) -> None:
    hook = httpx.URL(pg.http.get("/playground/info").json()["accounts"]["support"]["hook_url"])
    answer = pg.http.post(hook.path, json={"challenge": "abc"})
    assert answer.json()["result"]["challenge"] == "abc"
    assert pg.http.post("/hooks/support/wrong", json={}).status_code == 404
    assert pg.http.post(hook.path, content=b"[" * (1 << 20)).status_code == 400
    assert pg.http.post(hook.path, content=b"[" * ((1 << 20) + 1)).status_code == 413


def test_the_page_comes_whole_and_with_a_policy_that_allows_nothing_from_elsewhere(pg: Running) -> None:
    for path, kind in (
        ("/", "text/html"),
        ("/app.js", "text/javascript"),
        ("/style.css", "text/css"),
        ("/icon.svg", ""),
    ):
        answer = pg.http.get(path)
        assert answer.status_code == 200 and answer.headers["content-type"].startswith(kind)
        assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_the_stream_tells_everything_first_and_then_what_is_said(pg: Running) -> None:
    with pg.http.stream("GET", "/playground/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        lines = stream.iter_lines()
        assert "event: state" in (next(lines), next(lines))
        assert set(json.loads(next(lines).removeprefix("data: "))) >= {"telegram", "accounts", "deliveries", "bot"}
        pg.say("seen live", user=BO, chat=COMMUNITY)
        for line in lines:
            if line.startswith("data: ") and '"seen live"' in line:
                break


# --- playing every side


def test_a_command_of_ann_arrives_at_cinnox_and_its_state_is_shown(pg: Running) -> None:
    message = pg.say("/send support:room-42 first words")
    eventually(lambda: pg.mark(message) == "👌", what="the mark")
    assert "first words" in pg.room("room-42")
    (row,) = pg.deliveries("first words")
    assert (row["address"], row["state"], row["attempts"]) == ("support:room-42", "sent", 1)
    assert pg.ticked("send")


def test_an_sms_comes_into_its_topic_and_the_reply_goes_back(pg: Running) -> None:
    assert pg.post("sms", **{"from": KNOWN_NUMBER}, text="where is my parcel") == {"status": 200, "delivered": True}
    topic = pg.topic("sms")
    sms = eventually(lambda: pg.written("where is my parcel", DESK, topic), what="the SMS in the topic")
    pg.say("it left today", chat=DESK, thread=topic, reply_to=sms["id"])
    eventually(lambda: [text for text in pg.room(REPLY_ROOM) if "it left today" in text], what="the reply")
    assert pg.ticked("sms") and pg.ticked("reply")


def test_an_sms_of_an_unknown_number_goes_to_the_topic_for_those_alone(pg: Running) -> None:
    pg.post("sms", **{"from": OTHER_NUMBER}, text="do you deliver")
    eventually(lambda: pg.written("do you deliver", DESK, pg.topic("new_numbers")), what="the SMS in the topic")
    assert pg.written("do you deliver", DESK, pg.topic("sms")) is None


def test_echo_and_its_topic_talk_both_ways_with_replies(pg: Running) -> None:
    topic = pg.topic("echo")
    pg.post("echo", person="Dana", text="anybody here?")
    asked = eventually(lambda: pg.written("anybody here?", DESK, topic), what="Dana's words")
    pg.say("yes, me", chat=DESK, thread=topic, reply_to=asked["id"])

    def answered() -> Json | None:
        lobby = pg.state("accounts")["echo"]["conversations"]["lobby"]
        by_id = {message["id"]: message["text"] for message in lobby}
        found = [m for m in lobby if m["text"].endswith("yes, me") and by_id.get(m["reply_to"]) == "anybody here?"]
        return found[0] if found else None

    number = eventually(answered, what="the reply in the lobby")["id"]
    pg.post("echo", person="Dana", text="good to know", reply_to=number)
    thanks = eventually(lambda: pg.written("good to know", DESK, topic), what="Dana's reply")
    assert thanks["reply_to"]["text"] == "yes, me"


@dataclass(frozen=True)
class Joined:
    """A place at a provider and the topic of the desk that it is joined with."""

    account: str
    place: str
    topic: str
    person: str


JOINED = (
    Joined("pbx", f"sms/{CALLER}", "caller", CALLER),
    Joined("pbx", f"chat/{EXTENSION}", "extension", EXTENSION),
    Joined("im", f"group/{IM_OPS}", "ops", "bob"),
    Joined("club", CLUB_GENERAL, "general", "Finn"),
    Joined("echo", LOBBY, "echo", "Dana"),
)


@pytest.mark.parametrize("joined", JOINED, ids=lambda joined: f"{joined.account}-{joined.topic}")
def test_what_is_said_at_a_provider_comes_into_its_topic_and_an_answer_goes_back(pg: Running, joined: Joined) -> None:
    here = {"account": joined.account, "conversation": joined.place}
    asked, answered = f"question from {joined.place}", f"answer for {joined.place}"
    said = pg.post("say", **here, person=joined.person, text=asked)
    assert said == {**here, "person": joined.person, "id": said["id"], "status": said["status"], "delivered": True}
    topic = pg.topic(joined.topic)
    shown = eventually(lambda: pg.written(asked, DESK, topic), what="the question in the topic")
    assert joined.person.casefold() in shown["text"].casefold()
    pg.say(answered, chat=DESK, thread=topic)
    eventually(lambda: pg.arrived(answered, joined.account, joined.place), what="the answer")
    entries = [(one["out"], one["text"]) for one in pg.place(joined.account, joined.place)]
    assert [out for out, text in entries if text.endswith(asked)] == [True]
    assert [out for out, text in entries if text.endswith(answered)] == [False]


@pytest.mark.parametrize(
    ("source", "person", "target"),
    [
        (f"im:group/{IM_LOUNGE}", "alice", f"club:{CLUB_LOUNGE}"),
        (f"club:{CLUB_LOUNGE}", "Cleo", f"im:group/{IM_LOUNGE}"),
    ],
)
def test_two_providers_talk_to_each_other_without_telegram_in_between(
    pg: Running, source: str, person: str, target: str
) -> None:
    text = f"good evening from {source}"
    account, _, place = source.partition(":")
    there, _, room = target.partition(":")
    pg.post("say", account=account, conversation=place, person=person, text=text)
    (brought,) = eventually(lambda: pg.arrived(text, there, room), what="the words on the other side")
    assert person.casefold() in brought["text"].casefold()
    (row,) = eventually(lambda: pg.settled(text), what="the delivery")
    assert (row["address"], row["state"]) == (target, "sent")
    assert len(pg.place(account, place)) == len({entry["text"] for entry in pg.place(account, place)})


@pytest.mark.parametrize(
    ("account", "place", "topic", "is_threaded"),
    [
        ("im", f"group/{IM_OPS}", "ops", True),
        ("echo", LOBBY, "echo", True),
        # Returning.AI does not tell the ids of what is sent to it, so nobody knows what a reply there answers.
        ("club", CLUB_GENERAL, "general", False),
    ],
)
def test_people_there_reply_to_what_the_bot_brought(
    pg: Running, account: str, place: str, topic: str, is_threaded: bool
) -> None:
    asked, answer = f"shall we meet at {account}", f"gladly, says {account}"
    number = pg.say(asked, chat=DESK, thread=pg.topic(topic))
    (brought,) = eventually(lambda: pg.arrived(asked, account, place), what="the question")
    pg.post("say", account=account, conversation=place, text=answer, reply_to=brought["id"])
    shown = eventually(lambda: pg.written(answer, DESK, pg.topic(topic)), what="the answer")
    assert ((shown.get("reply_to") or {}).get("id") == number) is is_threaded


def test_who_is_not_named_is_the_first_one_there(pg: Running) -> None:
    said = pg.post("say", account="club", text="it is me")
    assert (said["conversation"], said["person"]) == (CLUB_GENERAL, "Cleo")


def test_a_phone_that_the_example_does_not_know_may_speak_and_has_its_place(pg: Running) -> None:
    pg.post("say", account="pbx", conversation="sms/15550100188", text="is this the desk")
    eventually(lambda: pg.written("is this the desk", DESK, pg.topic("new_numbers")), what="the SMS in the topic")
    assert [one["text"] for one in pg.place("pbx", "sms/15550100188")] == ["is this the desk"]


def test_a_reply_in_the_topic_for_new_numbers_goes_to_the_phone_that_wrote(pg: Running) -> None:
    pg.post("say", account="pbx", conversation=f"sms/{OTHER_CALLER}", text="who are you")
    topic = pg.topic("new_numbers")
    asked = eventually(lambda: pg.written("who are you", DESK, topic), what="the SMS in the topic")
    pg.say("the desk", chat=DESK, thread=topic, reply_to=asked["id"])
    (brought,) = eventually(lambda: pg.arrived("the desk", "pbx", f"sms/{OTHER_CALLER}"), what="the reply")
    assert brought["text"] == "the desk"


def test_what_is_said_while_the_bot_is_away_is_told_so_and_shown_as_not_reached(pg: Running) -> None:
    eventually(pg.ready, what="the bot being ready")
    pg.post("bot", do="kill")
    answer = pg.http.post("/playground/say", json={"account": "echo", "text": "nobody hears this"})
    assert answer.status_code == 502 and "the bot was not reached" in answer.json()["error"]
    (said,) = [one for one in pg.place("echo", LOBBY) if one["text"] == "nobody hears this"]
    assert said["status"] == 0
    eventually(pg.ready, what="the bot being ready again")


# --- every kind of message, both ways

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108020000009077"
    "53de0000000c4944415408d763f8cfc000000301010018dd8db00000000049454e44ae426082"
)


def files_of(entry: Json) -> list[Json]:
    return list(entry.get("files", []))


def test_pictures_of_ann_arrive_at_a_provider_and_can_be_looked_at(pg: Running) -> None:
    picked = [pg.upload(name, PNG) for name in ("a.png", "b.png")]
    topic, place = pg.topic("ops"), f"group/{IM_OPS}"
    sent = pg.post("send_files", user=ANN, chat=DESK, thread=topic, files=picked, text="two of a kind")["messages"]
    shown = [one for one in pg.messages(DESK, topic) if one["id"] in sent]
    assert len({one["album"] for one in shown}) == 1
    assert [pg.http.get(one["file"]["url"]).content for one in shown] == [PNG, PNG]

    def arrived() -> list[str]:
        entries = [one for one in pg.place("im", place) if not one["out"]]
        return [file["url"] for one in entries for file in files_of(one)]

    eventually(lambda: len(arrived()) == len(picked), what="the pictures")
    assert [pg.http.get(url).content for url in arrived()] == [PNG, PNG]
    assert pg.arrived("two of a kind", "im", place)


@pytest.mark.parametrize(
    ("account", "place", "topic", "text"),
    [("im", f"group/{IM_OPS}", "ops", None), ("pbx", f"sms/{CALLER}", "caller", "look at this")],
)
def test_a_picture_from_a_provider_comes_into_its_topic(
    pg: Running, account: str, place: str, topic: str, text: str | None
) -> None:
    body = {"account": account, "conversation": place, "file": pg.upload("cat.png", PNG)}
    assert pg.post("picture", **body, **({"text": text} if text else {}))["delivered"]
    thread = pg.topic(topic)
    shown = eventually(
        lambda: [one for one in pg.messages(DESK, thread) if one["from"]["bot"] and one.get("file")], what="the picture"
    )[-1]
    assert shown["file"]["kind"] == "photo" and (text or "") in shown["text"]
    assert pg.http.get(shown["file"]["url"]).content == PNG
    said = [one for one in pg.place(account, place) if one["out"] and files_of(one)][-1]
    assert pg.http.get(files_of(said)[0]["url"]).content == PNG


def test_what_ann_edits_and_takes_back_is_edited_and_taken_back_over_there(pg: Running) -> None:
    here = {"chat": DESK, "thread": pg.topic("echo")}
    number = pg.say("half past", **here)
    eventually(lambda: pg.arrived("half past", "echo", LOBBY), what="the words")
    change = {"user": ANN, "chat": DESK, "message": number}
    pg.post("telegram/edit", **change, text="half past four")
    (entry,) = eventually(lambda: pg.arrived("half past four", "echo", LOBBY), what="the edit")
    assert entry["edited"]
    pg.post("telegram/edit", **change, text=".")
    eventually(
        lambda: [one for one in pg.place("echo", LOBBY) if one["id"] == entry["id"] and one["gone"]], what="gone"
    )
    assert {"send", "edit", "delete"} <= {row["op"] for row in pg.state("deliveries")["rows"]}


def test_what_people_over_there_edit_and_take_back_is_edited_and_gone_in_telegram(pg: Running) -> None:
    topic = pg.topic("echo")
    said = {"account": "echo", "id": pg.post("say", account="echo", text="at nine")["id"]}
    shown = eventually(lambda: pg.written("at nine", DESK, topic), what="the words")
    pg.post("change", **said, text="at ten")
    eventually(lambda: (pg.written("at ten", DESK, topic) or {}).get("edited"), what="the edit")
    pg.post("take_back", **said)
    eventually(lambda: shown["id"] not in {one["id"] for one in pg.messages(DESK, topic)}, what="the end of it")


def test_what_a_member_takes_back_at_openim_is_gone_in_telegram(pg: Running) -> None:
    topic = pg.topic("ops")
    said = pg.post("say", account="im", conversation=f"group/{IM_OPS}", text="a slip of the tongue")
    eventually(lambda: pg.written("a slip of the tongue", DESK, topic), what="the words")
    pg.post("take_back", account="im", id=said["id"])
    eventually(lambda: pg.written("a slip of the tongue", DESK, topic) is None, what="the end of it")


@pytest.mark.parametrize(("account", "topic"), [("echo", "echo"), ("club", "general")])
def test_a_reaction_over_there_is_put_on_the_copy_in_telegram(pg: Running, account: str, topic: str) -> None:
    thread = pg.topic(topic)
    text = f"react to me at {account}"
    said = pg.post("say", account=account, text=text)
    eventually(lambda: pg.written(text, DESK, thread), what="the words")
    pg.post("react", account=account, id=said["id"], emoji="👍")
    eventually(lambda: "👍" in (pg.written(text, DESK, thread) or {})["reactions"], what="the reaction")


@pytest.mark.parametrize(("account", "topic", "mark"), [("echo", "echo", "🔥"), ("club", "general", ":fire:")])
def test_a_reaction_in_telegram_is_put_on_the_original_over_there(
    pg: Running, account: str, topic: str, mark: str
) -> None:
    said = pg.post("say", account=account, text=f"burning at {account}")
    shown = eventually(lambda: pg.written(f"burning at {account}", DESK, pg.topic(topic)), what="the words")
    pg.post("telegram/react", user=ANN, chat=DESK, message=shown["id"], emoji="🔥")

    def marks() -> list[str]:
        return next(one["marks"] for one in pg.place(account, said["conversation"]) if one["id"] == said["id"])

    eventually(lambda: mark in marks(), what="the reaction")


def test_a_place_a_contact_and_a_poll_arrive_in_words(pg: Running) -> None:
    contents = {
        "51.50335": {"location": {"latitude": 51.50335, "longitude": -0.11966}},
        "Robin": {"contact": {"phone_number": "+15550100142", "first_name": "Robin"}},
        "When shall we meet?": {"poll": POLL},
    }
    for content in contents.values():
        pg.post("telegram/content", user=ANN, chat=DESK, thread=pg.topic("general"), content=content)

    def missing() -> list[str]:
        texts = [one["text"] for one in pg.place("club", CLUB_GENERAL)]
        return [word for word in contents if not any(word in text for text in texts)]

    eventually(lambda: not missing(), what="all three")


POLL = {
    "id": "1",
    "question": "When shall we meet?",
    "options": [{"persistent_id": "0", "text": "Today", "voter_count": 0}],
    "total_voter_count": 0,
    "is_closed": False,
    "is_anonymous": True,
    "type": "regular",
    "allows_multiple_answers": False,
    "allows_revoting": False,
    "members_only": False,
}


def test_who_writes_alone_gets_a_topic_of_their_own_and_is_answered_there(pg: Running) -> None:
    known = set(pg.topics())
    pg.post("say", account="im", conversation="user/bob", text="may I ask something")
    topic = eventually(lambda: next(iter(set(pg.topics()) - known), None), what="the topic")
    eventually(lambda: pg.written("may I ask something", DESK, topic), what="the words")
    pg.say("by all means", chat=DESK, thread=topic)
    eventually(lambda: pg.arrived("by all means", "im", "user/bob"), what="the answer")


def test_a_file_that_holds_a_page_is_given_out_to_keep_and_not_to_run(pg: Running) -> None:
    picked = pg.upload("a.html", b"<script>alert(1)</script>")
    (sent,) = pg.post("send_files", user=BO, chat=COMMUNITY, files=[picked])["messages"]
    file = next(one["file"] for one in pg.messages(COMMUNITY) if one["id"] == sent)
    answer = pg.http.get(file["url"])
    assert answer.content == b"<script>alert(1)</script>"
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"] == "attachment"
    assert "sandbox" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"


@pytest.mark.parametrize("path", ["telegram/nothing", "im/nothing", "echo/m1", "moon/1"])
def test_a_file_that_there_is_not_is_not_found(pg: Running, path: str) -> None:
    assert pg.http.get(f"/playground/file/{path}").status_code == 404


def test_a_file_of_20_mb_is_taken_and_a_larger_one_refused_in_words(pg: Running) -> None:
    most = 20 << 20
    assert pg.http.post("/playground/upload", params={"name": "a.bin"}, content=bytes(most)).json()["size"] == most
    answer = pg.http.post("/playground/upload", params={"name": "a.bin"}, content=bytes(most + 1))
    assert (answer.status_code, answer.json()["error"]) == (
        413,
        "the file is over 20 MB, the most that can be sent here",
    )


# --- the bot and its people


def test_bo_has_no_role_and_is_told_so(pg: Running) -> None:
    pg.say("/send support:room-42 let me in", user=BO, chat=COMMUNITY)
    eventually(lambda: pg.written("operator", COMMUNITY), what="the refusal")
    assert not pg.deliveries("/send support:room-42 let me in")


def test_the_menu_that_the_bot_published_is_there_for_the_write_box(pg: Running) -> None:
    menus = eventually(lambda: pg.state("telegram")["menus"], what="the menu")
    assert "help" in {command["command"] for menu in menus for command in menu["commands"]}


def test_the_menu_that_each_person_is_shown_grows_with_their_role(pg: Running) -> None:
    def menu(person: int) -> set[str]:
        shown = pg.http.get("/playground/telegram/menu", params={"user": person, "chat": person}).json()["commands"]
        return {command["command"] for command in shown}

    eventually(lambda: "grant" in menu(ANN), what="the owner's menu")
    assert "help" in menu(BO) and "send" not in menu(BO)


def test_an_operator_and_an_admin_of_the_example_may_do_what_their_roles_allow(pg: Running) -> None:
    roles = {one["id"]: one["role"] for one in pg.state("telegram")["people"]}
    assert (roles[ANN], roles[BO], roles[CLEO], roles[DAN]) == ("owner", "", "operator", "admin")
    pg.say("/send vip from the operator", user=CLEO, chat=COMMUNITY)
    eventually(lambda: pg.settled("from the operator"), what="the operator's delivery")
    pg.say("/name support:room-43 second", user=CLEO, chat=COMMUNITY)
    eventually(lambda: pg.written("admin", COMMUNITY), what="the refusal")
    pg.say("/name support:room-43 second", user=DAN, chat=COMMUNITY)
    eventually(lambda: pg.written("second", COMMUNITY), what="the answer to the admin")


def test_an_anonymous_admin_is_answered_and_nothing_is_sent(pg: Running) -> None:
    pg.say("/send vip who am I", chat=COMMUNITY, sender_chat=COMMUNITY)
    eventually(lambda: pg.written("anonymous", COMMUNITY), what="the answer")
    assert not pg.deliveries("who am I")


def test_everyone_is_told_once_after_a_look_at_it(pg: Running) -> None:
    text = "We open at ten tomorrow."
    pg.say(f"/announce @everyone | {text}")
    card = eventually(lambda: pg.card("Send"), what="the preview")
    assert text in card["text"] and str(len(EVERYONE)) in card["text"]
    assert not pg.deliveries(text)
    assert pg.press(card, "Send") is not None
    rows = eventually(lambda: pg.settled(text, count=len(EVERYONE)), what="the deliveries")
    assert {row["state"] for row in rows} == {"sent"}
    assert {row["address"] for row in rows} == set(EVERYONE)
    assert [sum(one["text"] == text for one in pg.messages(chat)) for chat in (NEWS, COMMUNITY)] == [1, 1]
    eventually(lambda: pg.ticked("announce"), what="the step")


def test_a_chat_is_shared_with_a_wizard_by_the_keyboard_that_it_shows(pg: Running) -> None:
    pg.say("/route add", user=DAN, chat=DAN)
    for label in ("Telegram", "Another chat"):
        card = eventually(lambda label=label: pg.card(label, DAN), what=f"the button {label}")  # type: ignore[misc]
        pg.press(card, label, user=DAN)

    def keyboard() -> Json | None:
        (chat,) = (one for one in pg.state("telegram")["chats"] if one["id"] == DAN)
        found = chat["keyboards"].get(str(DAN))
        assert found is None or isinstance(found, dict)
        return found

    shown = eventually(keyboard, what="the keyboard")
    assert any(key["asks"] == "request_chat" for row in shown["rows"] for key in row)
    pg.post("telegram/share_chat", user=DAN, chat=COMMUNITY)
    eventually(lambda: keyboard() is None, what="the keyboard being taken away")
    eventually(lambda: pg.card("Cancel", DAN), what="the next question")
    pg.say("/cancel", user=DAN, chat=DAN)


def test_who_has_blocked_the_bot_is_shown_so_until_it_is_started_again(pg: Running) -> None:
    def blocked() -> bool:
        return any(one["id"] == CLEO and one["blocked"] for one in pg.state("telegram")["people"])

    pg.post("telegram/start", user=CLEO)
    pg.post("telegram/block", user=CLEO)
    assert blocked()
    assert pg.http.post("/playground/telegram/say", json={"user": CLEO, "chat": CLEO, "text": "x"}).status_code == 400
    pg.post("telegram/start", user=CLEO, payload="again")
    assert not blocked()
    eventually(lambda: pg.written("Cleo", CLEO), what="the greeting")


# --- making things fail


def test_what_is_sent_while_the_provider_is_down_waits_and_goes_when_it_is_back(pg: Running) -> None:
    base = pg.http.get("/playground/info").json()["accounts"]["support"]["base_url"]
    assert pg.switch("support", "down")["mode"] == "down"
    with pytest.raises(httpx.ConnectError):
        httpx.get(base, trust_env=False)
    pg.say("/send support:room-42 during the outage")
    eventually(lambda: [r for r in pg.deliveries("during the outage") if r["error"]], what="a failed attempt")
    assert "during the outage" not in pg.room("room-42")
    pg.switch("support", "ok")
    rows = eventually(lambda: pg.settled("during the outage"), what="the delivery")
    assert rows[0]["state"] == "sent" and rows[0]["attempts"] > 1
    assert pg.room("room-42").count("during the outage") == 1
    eventually(lambda: pg.ticked("outage"), what="the step")


OTHERS = (f"pbx:sms/{CALLER}", f"pbx:chat/{EXTENSION}", f"im:group/{IM_OPS}", f"club:{CLUB_GENERAL}", f"echo:{LOBBY}")


@pytest.mark.parametrize("mode", ["down", "429", "500", "slow", "cut"])
def test_every_provider_can_be_made_to_fail_and_nothing_is_lost_or_doubled(pg: Running, mode: str) -> None:
    texts = {address: f"despite {mode} at {address}" for address in OTHERS}
    waits = dict(texts)
    more = {} if mode == "down" else {"remaining": 1, "delay_s": 0.2, "retry_after_s": 1}
    while waits:
        # One place of each account at a time: the account fails once. The accounts fail side by side.
        now = {address.partition(":")[0]: address for address in reversed(waits)}
        for account, address in now.items():
            assert pg.switch(account, mode, **more)["mode"] != "ok"
            pg.say(f"/send {address} {waits[address]}")
        if mode == "down":
            for account, address in now.items():
                text = waits[address]
                eventually(
                    lambda text=text: [row for row in pg.deliveries(text) if row["error"]], what="a failed attempt"
                )  # type: ignore[misc]
                pg.switch(account, "ok")
        for account, address in now.items():
            text = waits.pop(address)
            (row,) = eventually(lambda text=text: pg.settled(text), what=f"the delivery to {address}")  # type: ignore[misc]
            assert row["state"] == "sent" or (row["state"], mode) == ("held", "cut"), address
            assert len(pg.arrived(text, account, address.partition(":")[2])) == 1, address


@pytest.mark.parametrize("mode", ["429", "500", "slow"])
def test_what_a_provider_refuses_for_a_while_arrives_once(pg: Running, mode: str) -> None:
    pg.switch("support", mode, remaining=1, delay_s=0.2, retry_after_s=1)
    text = f"despite {mode}"
    pg.say(f"/send support:room-42 {text}")
    rows = eventually(lambda: pg.settled(text), what="the delivery")
    assert rows[0]["state"] == "sent"
    assert pg.room("room-42").count(text) == 1


def test_a_cut_after_acceptance_is_held_and_a_button_decides(pg: Running) -> None:
    pg.switch("support", "cut", remaining=1)
    pg.say("/send support:room-42 did it arrive")
    (row,) = eventually(lambda: pg.settled("did it arrive"), what="the delivery")
    assert row["state"] == "held"
    card = eventually(lambda: pg.written(f"Delivery {row['id']} ", ANN), what="the card")
    (button,) = [b for line in card["buttons"] for b in line if b["text"] == "It arrived"]
    pressed = pg.post("press", user=ANN, chat=ANN, message=card["id"], data=button["data"])
    assert "counts as sent" in pressed["answer"]["text"]
    eventually(lambda: pg.deliveries("did it arrive")[0]["state"] == "sent", what="the decision")


def test_a_bot_killed_while_it_sends_comes_back_and_loses_nothing(pg: Running) -> None:
    before = pg.bot()
    pg.switch("support", "slow", delay_s=2)
    for number in range(5):
        pg.say(f"/send support:room-42 story {number}")
    stories = [f"story {number}" for number in range(5)]
    eventually(
        lambda: (
            sum(len(pg.deliveries(story)) for story in stories) == 5
            and [row for story in stories for row in pg.deliveries(story) if row["state"] == "sending"]
        ),
        what="the sending",
    )
    assert pg.post("bot", do="kill")["killed"] == before["pid"]
    pg.switch("support", "ok")
    eventually(lambda: pg.ready() and pg.bot()["pid"] != before["pid"], what="the new bot")
    eventually(lambda: all(pg.settled(story) for story in stories), what="every delivery being settled")
    states = [pg.deliveries(story)[0]["state"] for story in stories]
    assert set(states) <= {"sent", "held"}
    arrived = [text for text in pg.room("room-42") if text in stories]
    assert arrived == sorted(set(arrived))
    assert set(arrived) >= {story for story, state in zip(stories, states, strict=True) if state == "sent"}
    eventually(lambda: pg.state("deliveries")["balance"]["balanced"], what="the balance")
    eventually(lambda: pg.ticked("crash"), what="the step")


def test_the_bot_can_be_restarted_cleanly(pg: Running) -> None:
    before = pg.bot()["pid"]
    pg.post("bot", do="restart")
    eventually(lambda: pg.ready() and pg.bot()["pid"] != before, what="the restart")


def test_what_is_written_while_the_bot_is_away_waits_in_telegram(pg: Running) -> None:
    before = pg.bot()["starts"]
    pg.post("bot", do="kill")
    message = pg.say("/send support:room-42 while it was away")
    eventually(lambda: pg.mark(message) == "👌", what="the mark")
    assert pg.bot()["starts"] == before + 1


def test_an_sms_while_the_bot_is_away_can_be_sent_again_and_comes_once(pg: Running) -> None:
    before = pg.bot()["starts"]
    pg.post("bot", do="kill")
    sent = pg.post("sms", **{"from": KNOWN_NUMBER}, text="are you there")
    eventually(lambda: pg.bot()["starts"] > before and pg.ready(), what="the bot being ready again")
    (sms,) = [one for one in pg.state("accounts")["support"]["sms"] if one["text"] == "are you there"]
    again = pg.post("sms", **{"from": KNOWN_NUMBER}, text="are you there", id=sms["id"])
    assert again["delivered"] or sent["delivered"]
    topic = pg.topic("sms")
    eventually(lambda: pg.written("are you there", DESK, topic), what="the SMS in the topic")
    assert len([m for m in pg.messages(DESK, topic) if "are you there" in m["text"]]) == 1


# --- mistakes


@pytest.mark.parametrize(
    ("path", "body", "status", "says"),
    [
        ("sms", b"{", 400, "no JSON"),
        ("sms", b"[]", 400, "must be a JSON object"),
        ("sms", b'{"from": "1"}', 400, "'text' is missing"),
        ("sms", b'{"from": 1, "text": "x"}', 400, "'from' must be a text"),
        ("echo", b'{"person": "D", "text": "x", "conversation": "nowhere"}', 400, "lobby"),
        ("echo", b'{"text": "x"}', 400, "'person' is missing"),
        ("say", b'{"text": "x"}', 400, "'account' is missing"),
        ("say", b'{"account": "moon", "text": "x"}', 400, "there are support, pbx, im, club, echo"),
        ("say", b'{"account": "club"}', 400, "'text' is missing"),
        ("say", b'{"account": "club", "text": " "}', 400, "must be a text that is not empty"),
        ("say", b'{"account": "club", "text": 5}', 400, "'text' must be a text"),
        ("say", b'{"account": "club", "text": "x", "conversation": "nowhere"}', 400, CLUB_GENERAL),
        ("say", b'{"account": "club", "text": "x", "person": "Nobody"}', 400, "there are Cleo, Finn"),
        ("say", b'{"account": "club", "text": "x", "peron": "Cleo"}', 400, "there is no field 'peron'"),
        ("say", b'{"account": "club", "text": "x", "reply_to": "66"}', 409, "there is no message 66"),
        ("say", b'{"account": "club", "text": "x", "id": "66"}', 400, "leave out 'id'"),
        ("say", b'{"account": "pbx", "text": "x", "reply_to": "66"}', 400, "leave out 'reply_to'"),
        ("say", b'{"account": "pbx", "text": "x", "conversation": "sms/Ann"}', 400, "has no conversation 'sms/Ann'"),
        ("say", b'{"account": "pbx", "text": "x", "conversation": "chat/9"}', 400, "has no conversation 'chat/9'"),
        ("say", b'{"account": "support", "text": "x", "conversation": "room-42"}', 400, "nobody can speak in room-42"),
        ("picture", b'{"account": "im", "file": "u999"}', 409, "upload it again"),
        ("picture", b'{"account": "im"}', 400, "'file' is missing"),
        ("change", b'{"account": "im", "id": "x", "text": "y"}', 400, "nobody can change a message at OpenIM"),
        ("take_back", b'{"account": "echo", "id": "m0"}', 409, "nobody at Echo wrote a message 'm0'"),
        ("react", b'{"account": "club", "id": "x", "emoji": "y"}', 409, "has no message 'x'"),
        ("send_files", b'{"user": 1001, "chat": 1001, "files": []}', 400, "a list of 1 to 10 ids"),
        ("send_files", b'{"user": 1001, "chat": 1001, "files": ["u999"]}', 409, "upload it again"),
        ("upload", b"", 400, "the file is empty"),
        ("press", b'{"user": 1001, "chat": 1001, "message": 1, "data": "x"}', 400, "has no button"),
        ("switch", b'{"name": "moon", "mode": "ok"}', 404, "telegram, support, pbx"),
        ("switch", b'{"name": "echo", "mode": "sulk"}', 400, "modes are down, ok"),
        ("switch", b'{"name": "echo", "mode": "slow", "delay_s": "x"}', 400, "are numbers"),
        ("switch", b'{"name": "echo", "mode": "slow", "delay_s": -1}', 400, "delay_s"),
        ("bot", b'{"do": "sing"}', 400, "kill or restart"),
        ("nothing", b"{}", 404, "there are say, press"),
        ("telegram/say", b'{"user": 1, "chat": 1, "text": "x"}', 400, "there is no user 1"),
        ("sms", b'{"from": "' + b"1" * 300_000 + b'"}', 413, "over"),
    ],
)
def test_a_wrong_request_is_answered_with_what_was_wrong(
    pg: Running, path: str, body: bytes, status: int, says: str
) -> None:
    answer = pg.http.post(f"/playground/{path}", content=body)
    assert answer.status_code == status
    assert says in answer.json()["error"]


@pytest.mark.parametrize(
    "headers", [{"Host": "rebound.example"}, {"Origin": "https://elsewhere.example"}, {"Origin": "null"}]
)
def test_a_page_from_elsewhere_cannot_act(pg: Running, headers: dict[str, str]) -> None:
    answer = pg.http.post("/playground/bot", json={"do": "kill"}, headers=headers)
    assert answer.status_code == 403 and "error" in answer.json()


def test_a_page_that_was_rebound_to_this_machine_cannot_read(pg: Running) -> None:
    answer = pg.http.get("/playground/info", headers={"Host": "rebound.example"})
    assert answer.status_code == 403 and "token" not in answer.text


def test_it_is_not_to_be_reached_from_outside(pg: Running) -> None:
    ports = {httpx.URL(pg.url).port, httpx.URL(pg.bot()["url"]).port}
    listening = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    hosts = {
        words[1].split(":")[0] for words in listening if words[3] == "0A" and int(words[1].split(":")[1], 16) in ports
    }
    assert hosts == {"0100007F"}


# --- starting and stopping


def test_a_port_that_is_taken_is_told_in_one_line_with_the_remedy(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        ended = run("--port", str(port), "--folder", str(tmp_path / "data"))
    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert f"port {port}" in line and "PORT=9000 make run" in line
    assert not (tmp_path / "data").exists()


def test_reset_refuses_a_folder_that_it_did_not_make(tmp_path: Path) -> None:
    (tmp_path / "patchbay.sqlite3").write_text("precious")
    ended = run("--port", "0", "--folder", str(tmp_path), "--reset")
    assert ended.returncode == 2 and "was not made by the playground" in ended.stderr
    assert (tmp_path / "patchbay.sqlite3").read_text() == "precious"


@pytest.fixture(scope="module")
def left_behind(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a playground that was stopped after an SMS, and after a word of Dana's at Echo; to be copied."""
    folder = tmp_path_factory.mktemp("left-behind") / "data"
    with playground(folder) as running:
        running.post("sms", **{"from": KNOWN_NUMBER}, text="an old sms")
        running.post("echo", person="Dana", text="from the old days")
        topic = running.topic("echo")
        eventually(lambda: running.written("from the old days", DESK, topic), what="Dana's words")
        assert running.end() == 0
    return folder


def test_a_world_that_cannot_be_read_is_told_with_the_remedy(left_behind: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(left_behind, tmp_path / "data")
    (folder / "world.json").write_text('{"clean": true, "telegram": {"version": 0}}')
    ended = run("--port", "0", "--folder", str(folder))
    assert ended.returncode == 2 and "--reset" in ended.stderr and "Traceback" not in ended.stderr


def test_what_happens_in_telegram_while_it_does_not_answer_the_bot_is_not_lost(pg: Running) -> None:
    pg.switch("telegram", "down")
    eventually(lambda: "telegram" in pg.bot()["why"], what="the bot noticing")
    pg.post("echo", person="Dana", text="while Telegram was away")
    message = pg.say("/send support:room-42 said to nobody yet")
    pg.switch("telegram", "ok")
    eventually(lambda: pg.written("while Telegram was away", DESK, pg.topic("echo")), what="Dana's words")
    eventually(lambda: pg.mark(message) == "👌", what="the mark")


def test_a_second_start_goes_on_where_the_first_stopped(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with playground(folder) as first:
        said = first.say("/send support:room-42 before the stop")
        eventually(lambda: first.mark(said) == "👌", what="the mark")
        first.post("sms", **{"from": KNOWN_NUMBER}, text="first sms")
        topic = first.topic("sms")
        sms = eventually(lambda: first.written("first sms", DESK, topic), what="the SMS")
        tell_everywhere(first, "before the stop")
        marked = first.post("say", account="echo", text="to be marked")["id"]
        first.post("react", account="echo", id=marked, emoji="🔥")
        first.post("change", account="echo", id=marked, text="marked and changed")
        told = said_in_places(first)
        info, pid = first.http.get("/playground/info").json(), first.bot()["pid"]
        assert first.end() == 0
        assert not exists(pid)
        assert "Stopped" in first.lines[-1] and str(folder) in first.lines[-1]
    with playground(folder) as second:
        again = second.http.get("/playground/info").json()
        assert (again["telegram"], again["accounts"]) == (info["telegram"], info["accounts"])
        assert second.room("room-42") == ["before the stop"] and second.ticked("send")
        assert said_in_places(second) == told
        assert second.mark(said) == "👌"
        assert second.say("/whoami") > said
        eventually(lambda: second.written("You are Ann", ANN), what="the answer")
        second.post("sms", **{"from": KNOWN_NUMBER}, text="second sms")
        eventually(lambda: second.written("second sms", DESK, topic), what="the second SMS")
        second.say("late answer", chat=DESK, thread=topic, reply_to=sms["id"])
        eventually(lambda: [t for t in second.room(REPLY_ROOM) if "late answer" in t], what="the reply")
        tell_everywhere(second, "after the stop")
        assert second.state("deliveries")["balance"]["inbound"]["duplicates"] == 0
        assert second.end() == 0
    with playground(folder, "--reset") as third:
        assert third.room("room-42") == [] and not third.ticked("send")
        assert not any(said_in_places(third).values())


def tell_everywhere(running: Running, text: str) -> dict[str, list[Json]]:
    """A word from every joined place into its topic and one back; gives what stands in the places then."""
    for joined in JOINED:
        tell(running, joined, f"{text}, {joined.place}")
    return said_in_places(running)


def tell(running: Running, joined: Joined, said: str) -> None:
    topic = running.topic(joined.topic)
    running.post("say", account=joined.account, conversation=joined.place, person=joined.person, text=said)
    eventually(lambda: running.written(said, DESK, topic), what=said)
    running.say(f"answer {said}", chat=DESK, thread=topic)
    eventually(lambda: running.arrived(f"answer {said}", joined.account, joined.place), what=f"the answer to {said}")
    eventually(lambda: running.settled(f"answer {said}"), what=f"the end of the answer to {said}")


def said_in_places(running: Running) -> dict[str, list[Json]]:
    return {f"{joined.account}:{joined.place}": running.place(joined.account, joined.place) for joined in JOINED}


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_playground_that_is_killed_takes_the_bot_with_it_and_starts_again(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with playground(folder) as first:
        pid = first.bot()["pid"]
        last = first.say("/whoami")
        tell_everywhere(first, "before the kill")
        first.end(signal.SIGKILL)
        eventually(lambda: not exists(pid), what="the end of the bot")
    with playground(folder) as second:
        new = second.say("/whoami")
        assert new > last
        eventually(
            lambda: [m for m in second.messages(ANN) if (m.get("reply_to") or {}).get("id") == new], what="an answer"
        )
        tell_everywhere(second, "after the kill")
        # What Telegram had no time to note as fetched it offers again: it is known, and nothing comes twice of it.
        for joined in JOINED:
            said = f"after the kill, {joined.place}"
            topic = second.messages(DESK, second.topic(joined.topic))
            brought = [one for one in topic if one["from"]["bot"] and said in one["text"]]
            answers = second.arrived(f"answer {said}", joined.account, joined.place)
            assert (len(brought), len(answers)) == (1, 1), said


FIRST_ROUTES = ("sms", "new-numbers", "echo", "community")


def to_first_version(folder: Path) -> None:
    """Make the folder what the version left that had CINNOX and Echo alone."""
    world = json.loads((folder / "world.json").read_text())
    cinnox = {name: world["accounts"]["support"][name] for name in ("rooms", "accepted", "received", "next")}
    world["accounts"] = {"support": {**cinnox, "subscribed_url": None}, "echo": world["accounts"]["echo"]}
    world["said"] = [{k: v for k, v in said.items() if k != "status"} for said in world["said"]["echo"]]
    (folder / "world.json").write_text(json.dumps(world))
    marker = json.loads((folder / "playground.json").read_text())
    marker["topics"] = {name: marker["topics"][name] for name in ("sms", "echo", "new_numbers")}
    (folder / "playground.json").write_text(json.dumps(marker))
    with closing(sqlite3.connect(folder / "patchbay.sqlite3")) as database, database:
        database.execute("UPDATE meta SET value = 'yes' WHERE key = 'playground routes'")
        database.execute("DELETE FROM routes WHERE name NOT IN (?, ?, ?, ?)", FIRST_ROUTES)
        database.execute("DELETE FROM routes WHERE name = 'community'")  # as if somebody had removed it


def test_a_world_of_the_first_version_gets_the_new_providers_and_keeps_what_it_had(
    left_behind: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(left_behind, tmp_path / "data")
    to_first_version(folder)
    with playground(folder) as second:
        assert [(one["text"], one["status"]) for one in second.place("echo", LOBBY)] == [("from the old days", 200)]
        assert [one["text"] for one in second.place("support", f"sms/{KNOWN_NUMBER}")] == ["an old sms"]
        tell_everywhere(second, "after the update")
        command = [*second.http.get("/playground/info").json()["bot"]["command"], "routes", "list", "--json"]
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=WITHIN_S, check=True)
        assert {route["name"] for route in json.loads(listed.stdout)} == ROUTES - {"community"}
        assert second.end() == 0


def test_it_runs_from_any_directory_with_an_empty_home_and_writes_only_there(tmp_path: Path) -> None:
    home, here = tmp_path / "home", tmp_path / "here"
    home.mkdir()
    here.mkdir()
    with playground(None, cwd=here, HOME=str(home)) as running:
        assert running.http.get("/healthz").status_code == 200
    assert [path.name for path in here.iterdir()] == ["data"] and not list(home.iterdir())
    assert stat.S_IMODE((here / "data" / "playground").stat().st_mode) == 0o700
    made = {path: stat.S_IMODE(path.stat().st_mode) for path in (here / "data" / "playground").iterdir()}
    assert {path.name: mode for path, mode in made.items() if mode != (0o700 if path.is_dir() else 0o600)} == {}
