"""A world to play whole stories in: Telegram, providers and the real bot, joined by HTTP on loopback.

The bot is a child process, started as people start it; Telegram and the providers are servers in the test's own loop.
Nothing is patched but the paces that a story names (see ``hurried.py``). Every secret is a canary:
:meth:`World.check` looks for them, for tracebacks and for a balance that does not add up, after each story.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import httpx
from click.testing import CliRunner
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bot.cli import cli
from bot.playground.emulator import Emulator, retry_delay
from bot.playground.hosting import LoopbackServer
from bridges.cinnox.sandbox import CinnoxSandbox
from bridges.echo.sandbox import EchoSandbox
from bridges.faults import Faults
from bridges.sandboxes import Sandbox
from tests.playground.bot_api_schema import API, check_calls
from tests.ports import free_port

Json = dict[str, Any]
Settings = dict[str, dict[str, object]]

ROOT = Path(__file__).resolve().parents[2]
ANN, BO, CARA, DAN = 1001, 1002, 1003, 1004
"""Ann is the owner; nobody else has a role."""
NAMES = {ANN: "Ann", BO: "Bo", CARA: "Cara", DAN: "Dan"}
TOKEN = "100001:canaryTelegramToken-0123456789abcde"
SECRETS = {
    "cinnox": "canary-cinnox-token",
    "echo": "canary-echo-token",
    "signing": "canary-echo-signing-key",
    "hook": "canary-hook-secret",
    "webhook": "canary_webhook_secret_0123456789",
    "metrics": "canary-metrics-token-0123456789",
    "netsapiens": "nss_canary-netsapiens-key",
    "openim": "canary-openim-secret",
    "returning_ai": "canary-returning-ai-token",
}
SUPPORT, PLAIN, CLUB = "support", "plain", "club"
"""Accounts: CINNOX with a room for replies, CINNOX without one, Echo."""
EYES, SENT, UNSURE, FAILED, DROPPED = "👀", "👌", "🤔", "💔", "🤷"
DEADLINE_S = 15.0
LOOK_S = 0.01
_TROUBLE = re.compile(r"Traceback|never retrieved|never awaited|was destroyed|Warning:")
_IGNORED_ON_SETTLE = ("queued", "sending")


async def until(
    condition: Callable[[], Any], *, within_s: float = DEADLINE_S, told: Callable[[], str] = lambda: ""
) -> Any:
    """Wait for a condition to give something true, and return that; says what it saw last when time is up."""
    end = time.monotonic() + within_s
    while True:
        found = condition()
        if inspect.isawaitable(found):
            found = await found
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"not within {within_s:g} s; it gave {found!r}\n{told()}")
        await asyncio.sleep(LOOK_S)


def to_toml(settings: Mapping[str, Mapping[str, object]]) -> str:
    """Tables of plain values: what JSON writes for them is TOML too."""
    lines = []
    for name, table in settings.items():
        lines.append(f"[{name}]")
        lines += [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in table.items()]
    return "\n".join(lines) + "\n"


@dataclass(frozen=True, slots=True)
class Ended:
    """A command line that ran to its end."""

    code: int
    out: str
    err: str


class Script:
    """An app that gives the answers it was told to give, one for each send, and otherwise lets its app answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.answers: deque[tuple[str, Response]] = deque()
        self.given = 0

    def next(self, status: int, body: str = "", *, on: str = "", **headers: str) -> None:
        """The next POST (to a path that ends with ``on``) is answered so; the app never sees it."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answers.append((on, Response(body, status, {"content-type": "application/json", **sent})))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        posted = scope["type"] == "http" and scope["method"] == "POST"
        if posted and self.answers and scope["path"].endswith(self.answers[0][0]):
            self.given += 1
            _, answer = self.answers.popleft()
            await Request(scope, receive).body()
            await answer(scope, receive, send)
        else:
            await self._app(scope, receive, send)


@dataclass(frozen=True, slots=True)
class Seen:
    """A request as it came in."""

    path: str
    media_type: str
    body: bytes


class Recorder:
    """An app that keeps the latest POSTs that its app was given, while somebody wants them."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.seen: list[Seen] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.seen is None or scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        body = await request.body()
        self.seen.append(Seen(scope["path"], request.headers.get("content-type", ""), body))
        given = False

        async def again() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, again, send)


class Server:
    """A provider or Telegram on loopback, with switches for what may go wrong."""

    def __init__(self, app: ASGIApp, *, faults: Faults | None = None) -> None:
        self.recorder = app = Recorder(app)
        self.script = Script(faults or app)
        self.faults = faults or Faults(self.script)
        self._http = LoopbackServer(self.script if faults else self.faults)
        self.start, self.stop, self.down, self.up = self._http.start, self._http.stop, self._http.down, self._http.up

    @property
    def url(self) -> str:
        return self._http.url


class Chat:
    """A group, a topic of one, or a person's private chat with the bot."""

    def __init__(self, world: World, id: int, *, topic: int | None = None) -> None:
        self.world = world
        self.id = id
        self.topic = topic

    @property
    def address(self) -> str:
        return f"telegram:{self.id}" + (f"/{self.topic}" if self.topic else "")

    def say(self, text: str, *, by: int = ANN, **more: Any) -> int:
        """Somebody writes (Ann, where it does not matter who); returns the message's number."""
        said = self.world.telegram.say(by, self.id, text, thread_id=self.topic, **more)
        return int(said["message_id"])

    def heard(self) -> list[Json]:
        """What the bot wrote here, oldest first."""
        try:
            messages = self.world.telegram.messages(self.id, self.topic)
        except Exception:
            return []  # a private chat begins with its first message
        return [m for m in messages if m.get("from", {}).get("id") == self.world.telegram.bot.id and "text" in m]

    def texts(self) -> list[str]:
        return [m["text"] for m in self.heard()]

    async def hears(self, part: str, *, within_s: float = DEADLINE_S) -> Json:
        """Wait for the bot to write something with ``part`` in it; returns the latest such message."""

        def found() -> Json | None:
            return next((m for m in reversed(self.heard()) if part in m["text"]), None)

        message: Json = await self.world.until(found, within_s=within_s, told=lambda: f"{part!r} in {self.texts()}")
        return message

    async def answer(self, number: int, *, within_s: float = DEADLINE_S) -> str:
        """Wait for the bot's reply to a message; returns its text."""

        def found() -> str | None:
            replies = (m for m in self.heard() if m.get("reply_to_message", {}).get("message_id") == number)
            return next((m["text"] for m in replies), None)

        text: str = await self.world.until(found, within_s=within_s, told=lambda: str(self.texts()))
        return text

    async def ask(self, text: str, *, by: int = ANN, **more: Any) -> str:
        """Say something that the bot answers in words; returns these."""
        return await self.answer(self.say(text, by=by, **more))

    def marks(self, number: int) -> list[str]:
        """The reactions that stand on a message."""
        return [r["type"]["emoji"] for r in self.world.telegram.reactions(self.id, number)]

    async def press(self, card: Json, label: str, *, by: int = ANN) -> str:
        """Press a button; returns the toast."""
        answer = await self.world.telegram.press(by, self.id, card["message_id"], label).answered()
        return str(answer.get("text", ""))

    def now(self, card: Json) -> Json:
        """A message as it stands now."""
        return self.world.telegram.message(self.id, card["message_id"])

    async def marked(self, number: int, mark: str, *, within_s: float = DEADLINE_S) -> None:
        """Wait for this reaction, and no other, to stand on a message."""
        await self.world.until(
            lambda: self.marks(number) == [mark], within_s=within_s, told=lambda: f"{self.marks(number)} {self.texts()}"
        )

    async def quiet(self, *, by: int = ANN) -> None:
        """Wait until the bot has dealt with everything said here so far."""
        await self.ask("/here", by=by)


class Bot:
    """The bot as a child process."""

    def __init__(
        self, config: Path, log: Path, *, environ: Mapping[str, str], paces: Mapping[str, object] | None = None
    ) -> None:
        self.config = config
        self.log = log
        self._environ = environ
        self._program = ["tests.journeys.hurried", json.dumps(dict(paces))] if paces else ["bot"]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *self._program, "--config", str(self.config), "run"],
                cwd=ROOT,
                env=dict(self._environ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    async def ended(self, *, within_s: float = 12.0) -> int:
        """Wait for the end of the process; returns its exit code."""
        await until(lambda: not self.running, within_s=within_s, told=lambda: self.log.read_text()[-3000:])
        return self.process.wait()

    async def stop(self) -> int:
        """Ask it to stop (SIGTERM); returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return await self.ended()

    async def kill(self) -> None:
        """Kill -9."""
        self.process.kill()
        await self.ended()


class World:
    """Everything at once; see the module."""

    def __init__(
        self,
        folder: Path,
        *,
        changes: Mapping[str, Mapping[str, object]] | None = None,
        sides: Mapping[str, Sandbox] | None = None,
        paces: Mapping[str, object] | None = None,
    ) -> None:
        self.folder = folder
        self.sides = dict(sides or {})
        """Further providers, by the names of their accounts."""
        self.telegram = Emulator(TOKEN, webhook_delay=lambda failures, after: min(retry_delay(failures, 0), 0.2))
        self.support = CinnoxSandbox(token=SECRETS["cinnox"])
        self.plain = CinnoxSandbox(token=SECRETS["cinnox"])
        self.club = EchoSandbox(token=SECRETS["echo"], signing_secret=SECRETS["signing"])
        self.servers = {
            "telegram": Server(self.telegram.app, faults=self.telegram.faults),
            SUPPORT: Server(self.support.app),
            PLAIN: Server(self.plain.app),
            CLUB: Server(self.club.app),
            **{name: Server(side.app) for name, side in self.sides.items()},
        }
        self.port = free_port()
        self.config = folder / "patchbay.toml"
        self.log = folder / "bot.log"
        self.database = folder / "data" / "patchbay.sqlite3"
        self.bot = Bot(self.config, self.log, environ=self.environ(), paces=paces)
        self._changes = changes or {}
        self._groups = 0
        self._read = 0
        self._calls_checked = 0
        self._in_process = asyncio.Lock()
        self._open = AsyncExitStack()

    async def __aenter__(self) -> Self:
        for id, name in NAMES.items():
            self.telegram.add_user(id, name)
        for id in NAMES:
            self.telegram.private_chat(self.telegram.person(id), self.telegram.bot.id).started = True
        for server in self.servers.values():
            await server.start()
            self._open.push_async_callback(server.stop)
        self._open.push_async_callback(self.telegram.aclose)
        for sandbox in (self.support, self.plain, self.club, *self.sides.values()):
            self._open.push_async_callback(sandbox.close)
        self.http = await self._open.enter_async_context(
            httpx.AsyncClient(base_url=self.url, timeout=30, trust_env=False)
        )
        self.support.subscribed_url = self.hook_url(SUPPORT)
        self.plain.subscribed_url = self.hook_url(PLAIN)
        self.club.hook_url = self.hook_url(CLUB)
        for name, side in self.sides.items():
            if hasattr(side, "hook_url"):
                side.hook_url = self.hook_url(name)
        self.configure()
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self.bot.running:
            await self.bot.kill()
        await self._open.aclose()

    # --- settings

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def hook_secret(self, account: str) -> str:
        return f"{SECRETS['hook']}-{account}"

    def hook_url(self, account: str) -> str:
        return f"{self.url}/hooks/{account}/{self.hook_secret(account)}"

    def environ(self) -> dict[str, str]:
        """The child's environment: nothing of ours that could matter to it."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PATCHBAY", "COV_"))}
        return {**kept, "PYTHONUNBUFFERED": "1", "PYTHONWARNINGS": "default,ignore::DeprecationWarning"}

    def settings(self) -> Settings:
        """The configuration as it is written, table by table."""

        def cinnox(account: str, **more: object) -> dict[str, object]:
            return {
                "provider": "cinnox",
                "base_url": self.servers[account].url,
                "app_id": "app-1",
                "token": SECRETS["cinnox"],
                "hook_secret": self.hook_secret(account),
                **more,
            }

        tables: Settings = {
            "telegram": {"token": TOKEN, "api_base_url": self.servers["telegram"].url, "owners": [ANN]},
            "store": {"path": str(self.database)},
            "web": {"port": self.port, "public_url": self.url},
            "accounts.support": cinnox(SUPPORT, reply_room="room-43"),
            "accounts.plain": cinnox(PLAIN),
            "accounts.club": {
                "provider": "echo",
                "base_url": self.servers[CLUB].url,
                "token": SECRETS["echo"],
                "hook_secret": self.hook_secret(CLUB),
                "signing_secret": SECRETS["signing"],
            },
            **{
                f"accounts.{name}": side.settings(self.servers[name].url, hook_secret=self.hook_secret(name))
                for name, side in self.sides.items()
            },
        }
        for name, table in self._changes.items():
            tables[name] = tables.get(name, {}) | dict(table)
        return tables

    def configure(self, **changes: Mapping[str, object]) -> None:
        """Write the configuration; ``accounts__support={"token": …}`` changes a key of a table."""
        tables = self.settings()
        for name, table in changes.items():
            key = name.replace("__", ".")
            tables[key] = tables.get(key, {}) | dict(table)
        self.config.write_text(to_toml(tables))

    # --- the bot

    async def start(self, *, wait: bool = True) -> None:
        """Start the bot; returns when it says that it is ready, or with ``wait=False`` when it answers at all."""
        self.bot.start()
        await self.until(lambda: self._answers("/readyz" if wait else "/healthz"))

    async def _answers(self, path: str) -> bool:
        if not self.bot.running:
            raise AssertionError(f"the bot ended:\n{self.tail()}")
        try:
            return (await self.http.get(path)).status_code == 200
        except httpx.TransportError:
            return False

    async def restart(self) -> None:
        """Stop it politely and start it again."""
        assert await self.bot.stop() == 0, self.tail()
        await self.start()

    async def until(
        self, condition: Callable[[], Any], *, within_s: float = DEADLINE_S, told: Callable[[], str] = lambda: ""
    ) -> Any:
        """As :func:`until`; shows the bot's log when time is up."""
        return await until(condition, within_s=within_s, told=lambda: f"{told()}\n{self.tail()}")

    def tail(self) -> str:
        return "the log ends with:\n" + self.log.read_text()[-4000:]

    # --- the command line

    async def patchbay(self, *arguments: str, config: Path | None = None) -> Ended:
        """Run a command as people do; its output must hold no secret and no traceback."""
        command = [sys.executable, "-m", "bot", "--config", str(config or self.config), *arguments]
        done = await asyncio.to_thread(
            subprocess.run,
            command,
            cwd=ROOT,
            env=self.environ(),
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=60,
        )
        ended = Ended(done.returncode, done.stdout.decode(), done.stderr.decode())
        assert_clean(ended.out + ended.err, what=" ".join(arguments))
        return ended

    async def quick(self, *arguments: str) -> str:
        """What a command that succeeds prints; run inside this process, because stories ask often."""
        async with self._in_process:
            result = await asyncio.to_thread(CliRunner().invoke, cli, ["--config", str(self.config), *arguments])
        assert result.exit_code == 0, f"{arguments}: {result.output} {result.exception!r}"
        assert_clean(result.output, what=" ".join(arguments))
        return result.stdout

    async def read(self, *arguments: str) -> Any:
        """What a command prints with ``--json``."""
        return json.loads(await self.quick(*arguments, "--json"))

    async def outbox(self, **match: object) -> list[Json]:
        """Deliveries whose fields are these, oldest first."""
        rows = await self.read("outbox", "list")
        return [row for row in rows if all(row[key] == value for key, value in match.items())]

    async def delivery(self, text: str, **match: object) -> Json:
        """The one delivery with this text."""
        rows = [row for row in await self.outbox(**match) if row["text"] == text]
        assert len(rows) == 1, rows
        return rows[0]

    async def settled(self, *, within_s: float = DEADLINE_S) -> list[Json]:
        """Wait until nothing is on its way any more; returns all deliveries."""

        async def rest() -> list[Json] | None:
            rows = await self.outbox()
            return None if any(row["state"] in _IGNORED_ON_SETTLE for row in rows) else rows

        rows: list[Json] = await self.until(rest, within_s=within_s)
        return rows

    # --- people

    def group(self, title: str = "Ops", **more: Any) -> Chat:
        """A new group with everybody in it, in which the bot is an admin and hears all."""
        self._groups += 1
        id = -1001000000000 - self._groups
        self.telegram.add_group(id, title, members=[BO, CARA, DAN], admins=[ANN, self.telegram.bot.id], **more)
        return Chat(self, id)

    def private(self, person: int) -> Chat:
        """A person's private chat with the bot."""
        return Chat(self, person)

    async def sms(self, text: str, *, sender: str = "85255501234", account: str = SUPPORT) -> int:
        """Somebody sends an SMS to an account; returns the status that the webhook was answered with."""
        sandbox = self.support if account == SUPPORT else self.plain
        return await sandbox.receive_sms(sender, "85255509999", text)

    def pushed(self, room: str | None = None, *, account: str = SUPPORT) -> list[str]:
        """The texts that CINNOX took, in order."""
        sandbox = self.support if account == SUPPORT else self.plain
        return [m.text for m in sandbox.accepted if room is None or m.room == room]

    # --- after each story

    async def check(self) -> None:
        """The log holds no traceback and no secret, calls were as documented, and the balance adds up."""
        log = self.log.read_bytes()[self._read :]
        self._read += len(log)
        assert_clean(log.decode(), what="the bot's log")
        if API.is_file():
            calls = list(self.telegram.calls)
            check_calls(calls[self._calls_checked :])
            self._calls_checked = len(calls)
        stats = await self.read("stats")
        assert stats["balanced"], stats


def assert_clean(text: str, *, what: str) -> None:
    """No traceback, no warning of the interpreter, and none of the canaries."""
    trouble = _TROUBLE.search(text)
    assert trouble is None, f"{what}: {text[max(0, trouble.start() - 500) : trouble.end() + 3000]}"
    for name, secret in {"telegram": TOKEN, "half": TOKEN.partition(":")[2], **SECRETS}.items():
        assert secret not in text, f"{what} shows the {name} secret"
