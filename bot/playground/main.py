"""The playground: the real bot against a Telegram and providers on this machine, and a page to play every side.

The parent process serves the page and every sandbox; the bot is a child process, started by the command that anybody
would type, and talks to both sides over real HTTP. Nothing listens on anything but loopback.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import logging
import math
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from starlette.requests import ClientDisconnect

from bot import decisions, planning
from bot.plans import Plan, options_to_json
from bot.playground import example
from bot.playground.account import Account, Speak, webhook_client
from bot.playground.accounts import make_accounts, route_lines, topics_of
from bot.playground.emulator import Emulator
from bot.playground.emulator.world import WorldError
from bot.playground.folder import CONFIG, DATABASE, LOG, WORLD, Folder, FolderError, listen_once
from bot.playground.hosting import LoopbackServer
from bot.playground.live import Hub
from bot.playground.process import BotProcess, Log, spawn
from bot.playground.side import DOWN, Side
from bot.playground.tour import WAITING, Tour
from bot.playground.uploads import Uploads
from bot.playground.views import chats_of, message_view, telegram_view
from bot.playground.web import actions_of, make_app
from bot.routing import parse_route
from bot.rules import save_route
from bot.schedule_line import parse_line
from bot.store import StoreError, Tx
from bot.store.balance import balance
from bot.store.outbox import Delivery
from bot.store.schedules import NewSchedule, Schedule
from bot.store.sqlite import SqliteStore
from bot.when import show_rule
from bridges.faults import Faults, Mode
from bridges.model import Message
from bridges.sandboxes import Change

logger = logging.getLogger(__name__)

Json = dict[str, Any]

TELEGRAM = "telegram"
HOST = "127.0.0.1"
ROWS_MOST = 200
SCHEDULES_MOST = 50
PASS_TIMEOUT_S = 30.0
SAVE_S, READ_S, TRY_AGAIN_S = 0.5, 0.05, 3.0
READY_WITHIN_S = 20.0
SPARE = 20
AHEAD = 1000
"""How far ids jump after an end without goodbye: some may have been given out that nobody wrote down."""
SEEDED = "playground routes"
"""The names of the routes that were made, so that those that somebody removes stay removed."""
SEEDED_PEOPLE = "playground people"
"""Whether roles, names and the audience were made: what somebody takes away stays away."""
SEEDED_SCHEDULES = "playground schedules"
"""The same of the schedules."""
SEEDED_FIRST = "sms new-numbers echo community"
"""What ``yes`` stands for there: the routes of the version that did not write names down."""


class _Gone(logging.Filter):
    """Leaves out that a client left in the middle of its request: killing the bot is what one comes here for."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not (record.exc_info and isinstance(record.exc_info[1], ClientDisconnect))


class PortTaken(Exception):
    """The page's port is in use; says which and what to do."""


class Playground:
    """Everything together. Use it with :meth:`running`."""

    def __init__(self, folder: Folder, *, clock: Callable[[], float] = time.time) -> None:
        self.folder = folder
        self.clock = clock
        self.emulator = Emulator(folder.secret(TELEGRAM), username=example.BOT_USERNAME, clock=clock)
        self.webhooks = webhook_client()
        self.accounts = make_accounts(folder.secret, client=self.webhooks, clock=clock)
        self.sides: dict[str, Side] = {}
        self.uploads = Uploads()
        self.tour = Tour()
        self.rows: list[Delivery] = []
        self.schedules: list[Json] = []
        self.roles: dict[int, str] = {}
        self.balance: Json = {}
        self.hub = Hub(
            {
                "telegram": lambda: telegram_view(self.emulator, roles=self.roles),
                "accounts": self.accounts_view,
                "deliveries": self.deliveries_view,
                "schedules": lambda: {"rows": self.schedules},
                "bot": lambda: self.bot.to_json(),
                "switches": lambda: {name: side.to_json() for name, side in self.sides.items()},
                "tour": self.tour.to_json,
                "log": lambda: {"lines": list(self.log.lines)},
                "example": self.example_view,
            }
        )
        # In plain HTTP to this machine: there are no certificates to load.
        self.http = httpx.AsyncClient(verify=False, timeout=PASS_TIMEOUT_S, trust_env=False)
        self._changed = asyncio.Event()
        self._written = asyncio.Event()
        self._look_at_subscription = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.log = Log(folder / LOG)
        self.bot = BotProcess(
            ["--config", str(folder / CONFIG), "run"],
            folder=folder.path,
            log=self.log,
            prepare=self._prepare,
            changed=self._bot_changed,
            said=lambda: self.hub.touch("log"),
        )

    # --- life

    @asynccontextmanager
    async def running(self, port: int) -> AsyncIterator[str]:
        """Everything is up, the bot is being started; gives the page's address. ``PortTaken``, ``StoreError``."""
        async with AsyncExitStack() as stack:
            stack.callback(self.log.close)
            stack.push_async_callback(self.http.aclose)
            stack.push_async_callback(self.webhooks.aclose)
            gone, server_log = _Gone(), logging.getLogger("uvicorn.error")
            server_log.addFilter(gone)
            stack.callback(server_log.removeFilter, gone)
            self._go_on()
            await self._serve_sides(stack)
            self.store = await SqliteStore.open(self.folder / DATABASE)
            stack.push_async_callback(self.store.close)
            await self._seed()
            self.store.on_wake(lambda topics: self._written.set())
            self._listen(stack)
            self._tasks += [
                asyncio.create_task(work(), name=work.__name__)
                for work in (self._save_changes, self._read_deliveries, self._keep_subscribed)
            ]
            for task in self._tasks:
                task.add_done_callback(_tell_failure)
            stack.push_async_callback(self._end_tasks)
            self._written.set()
            self.bot.start()
            stack.push_async_callback(self.bot.stop)
            page = LoopbackServer(make_app(self), port=port, host=HOST)
            with _told_of_port(port):
                await page.start()
            stack.push_async_callback(page.stop)
            yield page.url
        self.save(clean=True)

    async def _end_tasks(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve_sides(self, stack: AsyncExitStack) -> None:
        apps = {TELEGRAM: self.emulator.faults}
        apps |= {name: Faults(account.sandbox.app) for name, account in self.accounts.items()}
        for name, faults in apps.items():
            server = LoopbackServer(faults, port=self._port(name))
            await server.start()
            stack.push_async_callback(server.stop)
            self.sides[name] = Side(name, server, faults=faults)
        for account in self.accounts.values():
            stack.push_async_callback(account.sandbox.close)
        stack.push_async_callback(self.emulator.aclose)

    def _port(self, name: str) -> int:
        taken = {side.server.port for side in self.sides.values()}
        return self.folder.port(name, taken=taken)

    # --- what stays

    def _go_on(self) -> None:
        """Put the world back as it was, or make the example's. Raises ``FolderError``."""
        kept = self.folder.world()
        if kept is None:
            if (self.folder / DATABASE).exists():
                raise FolderError(f"{self.folder / WORLD}: cannot be read; start over: {_command()} playground --reset")
            example.make_world(self.emulator)
        try:
            if kept is not None:
                self._restore(kept)
            example.add_newcomers(self.emulator)
            self._open_topics()
        except (WorldError, AttributeError, KeyError, TypeError, ValueError) as error:
            raise FolderError(
                f"{self.folder / WORLD}: is of another version; start over: {_command()} playground --reset"
            ) from error
        self.save(clean=False)

    def _restore(self, kept: Json) -> None:
        """Put the world back. An account that it does not know yet begins empty."""
        ahead = 0 if kept.get("clean") else AHEAD
        for chat in kept["telegram"]["chats"]:
            chat["next_id"] += ahead
        for bot in kept["telegram"]["bots"]:
            bot["next_update"] += ahead
        self.emulator.restore(kept["telegram"])
        for name, snapshot in kept["accounts"].items():
            self.accounts[name].restore(snapshot, ahead=ahead)
            self.accounts[name].said = said_of(kept["said"], account=name)
            self.accounts[name].marks = kept.get("marks", {}).get(name, {})
        self.tour.done = list(kept["tour"])

    def _open_topics(self) -> None:
        """The topics that the example has and this world does not: all of them in a new one."""
        known = self.folder.kept.get("topics", {})
        self.topics = example.open_topics(self.emulator, topics_of(self.accounts.values()), known=known)
        if self.topics != known:
            self.folder.keep(topics=self.topics)

    def save(self, *, clean: bool) -> None:
        """Write the world down. ``clean``: nothing will happen in it after this."""
        kept = {
            "clean": clean,
            "telegram": self.emulator.snapshot(),
            "accounts": {name: account.sandbox.snapshot() for name, account in self.accounts.items()},
            "said": {name: account.said for name, account in self.accounts.items()},
            "marks": {name: account.marks for name, account in self.accounts.items()},
            "tour": self.tour.done,
        }
        # In ASCII: a lone surrogate that somebody wrote could not be encoded otherwise.
        self.folder.write(WORLD, json.dumps(kept))

    async def _save_changes(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            began = time.monotonic()
            try:
                self.save(clean=False)
            except OSError as error:
                logger.error("the world cannot be written down: %s", error.strerror)
            # The larger the world, the longer it takes: never more than a small part of the time.
            await asyncio.sleep(max(SAVE_S, SPARE * (time.monotonic() - began)))

    async def _seed(self) -> None:
        """The example's routes, once: those that somebody removes stay removed."""
        lines = route_lines(self.accounts.values(), self.topics)
        drafts = [parse_route(line, accounts=[TELEGRAM, *self.accounts]) for line in lines]
        now = self.clock()

        def unit(tx: Any) -> None:
            made = tx.meta.get(SEEDED) or ""
            names = (SEEDED_FIRST if made == "yes" else made).split()
            new = [draft for draft in drafts if draft.name not in names]
            for draft in new:
                save_route(tx, draft, created_by="playground", now=now)
            if new:
                tx.meta.set(SEEDED, " ".join([*names, *(draft.name for draft in new)]))
            if tx.meta.get(SEEDED_PEOPLE) is None:
                seed_people(tx, now=now)
                tx.meta.set(SEEDED_PEOPLE, "yes")
            if tx.meta.get(SEEDED_SCHEDULES) is None:
                seed_schedules(tx, now=now)
                tx.meta.set(SEEDED_SCHEDULES, "yes")

        await self.store.write(unit)

    # --- the bot

    def _prepare(self) -> str:
        """Write the configuration for a start of the bot; returns where it will listen."""
        port = self._port("bot")
        self.folder.write(CONFIG, self._config(port))
        for name, account in self.accounts.items():
            account.post_to(self.hook_url(name, port=port))
        return f"http://{HOST}:{port}"

    def hook_url(self, account: str, *, port: int | None = None) -> str:
        """Where an account's provider posts its events."""
        base = self.bot.url if port is None else f"http://{HOST}:{port}"
        return f"{base}/hooks/{account}/{self.folder.secret(f'{account} hook')}"

    def _config(self, port: int) -> str:
        tables: dict[str, Json] = {
            "telegram": {
                "token": self.folder.secret(TELEGRAM),
                "api_base_url": self.sides[TELEGRAM].server.url,
                "owners": [example.OWNER],
            },
            "store": {"path": DATABASE},
            "web": {"host": HOST, "port": port, "public_url": f"http://{HOST}:{port}"},
        }
        for name, account in self.accounts.items():
            url, secret = self.sides[name].server.url, self.folder.secret(f"{name} hook")
            tables[f"accounts.{name}"] = account.settings(url, hook_secret=secret)
        lines = ["# Written by the playground at each start of the bot: what is changed here is lost."]
        for table, values in tables.items():
            lines += ["", f"[{table}]", *(f"{key} = {json.dumps(value)}" for key, value in values.items())]
        return "\n".join([*lines, ""])

    def _bot_changed(self) -> None:
        self.hub.touch("bot")
        self._look_at_subscription.set()
        self._written.set()

    async def kill_bot(self) -> int | None:
        """``kill -9``, and note what was not settled then."""
        pid = self.bot.kill()
        if pid is not None:
            rows = await self.store.read(lambda tx: tx.outbox.list(states=WAITING))
            self.tour.killed([row.id for row in rows])
        return pid

    async def _keep_subscribed(self) -> None:
        """Whenever the bot is ready, run ``patchbay subscribe`` for each account whose events do not come to it yet."""
        while True:
            await self._look_at_subscription.wait()
            self._look_at_subscription.clear()
            await asyncio.gather(
                *(self._subscribe(account) for account in self.accounts.values() if self._can_subscribe(account))
            )
            if any(self._can_subscribe(account) for account in self.accounts.values()):
                await asyncio.sleep(TRY_AGAIN_S)
                self._look_at_subscription.set()

    def _can_subscribe(self, account: Account) -> bool:
        lacks = account.subscribes and not account.is_subscribed(self.hook_url(account.name))
        return lacks and self.bot.ready and not self.sides[account.name].failing

    async def _subscribe(self, account: Account) -> None:
        output = await self._run_command("subscribe", account.name)
        self.log.add(f"--- patchbay subscribe {account.name} ---")
        for line in output.splitlines():
            self.log.add(line)
        self.hub.touch("log", "accounts")
        self._changed.set()

    async def _run_command(self, *arguments: str) -> str:
        process = await spawn("--config", str(self.folder / CONFIG), *arguments, folder=self.folder.path)
        try:
            assert process.stdout is not None
            output = await process.stdout.read()
            await process.wait()
        except asyncio.CancelledError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            raise
        return output.decode("utf-8", "replace")

    async def switch(self, name: str, mode: str, **more: Any) -> Json:
        """Make a side fail, or work again. ``LookupError`` for an unknown side, ``ValueError`` for a wrong mode."""
        side = self.sides[name]
        await side.switch(mode, **more)
        self.hub.touch("switches")
        self.bot.look()
        self._look_at_subscription.set()
        return side.to_json()

    modes = (DOWN, *(mode.value for mode in Mode))

    async def speak(self, work: Speak, body: Json) -> Json:
        """Somebody speaks at a provider. Raises ``Wrong``."""
        try:
            return await work(body)
        finally:
            self._account_changed()

    def file(self, side: str, id: str) -> bytes | None:
        """The bytes of a file that is shown in Telegram or at an account."""
        if side == TELEGRAM:
            kept = self.emulator.files.get(id)
            return None if kept is None else kept.data
        account = self.accounts.get(side)
        return None if account is None else account.file(id)

    def start_tour_over(self) -> None:
        """Take the ticks away."""
        self.tour.start_over()
        self._ticked()

    # --- what happens, told to the page

    def _listen(self, stack: AsyncExitStack) -> None:
        subscription = stack.enter_context(self.emulator.subscribe())
        self._tasks.append(asyncio.create_task(self._hear_telegram(subscription), name="telegram"))
        for account in self.accounts.values():
            stack.callback(account.sandbox.subscribe_listener(partial(self._hear_account, account)))

    async def _hear_telegram(self, events: AsyncIterator[Json]) -> None:
        async for event in events:
            self._changed.set()
            self._tell_page(event)
            message = event.get("message") or {}
            by_bot = event["type"] == "message" and message.get("from", {}).get("is_bot")
            if by_bot and self.tour.shown(str(message.get("text", ""))):
                self._ticked()

    def _tell_page(self, event: Json) -> None:
        kind, chat_id, message_id = event["type"], event.get("chat_id"), event.get("message_id")
        if kind in ("action", "pressed"):
            return
        if kind in ("message", "edited", "reaction", "deleted") and chat_id is not None:
            chat = next((chat for chat in chats_of(self.emulator) if chat.id == chat_id), None)
            message = None if chat is None else chat.messages.get(message_id or 0)
            key = ("message", chat_id, message_id)
            if message is not None:
                self.hub.tell("message", message_view(message), key=key)
            else:
                self.hub.tell("deleted", {"chat": chat_id, "id": message_id}, key=key)
            return
        self.hub.touch("telegram")

    def _hear_account(self, account: Account, change: Change) -> None:
        if account.heard(change, tour=self.tour):
            self._ticked()
        self._account_changed()

    def _account_changed(self) -> None:
        self._changed.set()
        self.hub.touch("accounts")

    def _ticked(self) -> None:
        self._changed.set()
        self.hub.touch("tour")

    async def _read_deliveries(self) -> None:
        while True:
            await self._written.wait()
            self._written.clear()
            try:
                await self.refresh()
            except StoreError as error:
                logger.error("deliveries cannot be read: %s", error)
                await asyncio.sleep(TRY_AGAIN_S)
                self._written.set()
            await asyncio.sleep(READ_S)

    async def refresh(self) -> None:
        """Read how deliveries stand now. ``StoreError`` if that cannot be read."""
        now = self.clock()
        rows, numbers, held, schedules = await self.store.read(
            lambda tx: (
                tx.outbox.list(limit=ROWS_MOST),
                balance(tx),
                tx.roles.all(scope="*"),
                schedules_view(tx.schedules.all(limit=SCHEDULES_MOST), now=now),
            )
        )
        if schedules != self.schedules:
            self.schedules = schedules
            self.hub.touch("schedules")
        roles = {example.OWNER: "owner"} | {int(person): role for person, _, role in held if person.isdecimal()}
        if roles != self.roles:
            self.roles = roles
            self.hub.touch("telegram")
        if (list(rows), dict(numbers)) != (self.rows, self.balance):
            self.rows, self.balance = list(rows), dict(numbers)
            self.hub.touch("deliveries")
        failing = {name: side.failing for name, side in self.sides.items()}
        ticked = self.tour.deliveries(self.rows, failing=failing)
        ticked = self.tour.announced(self.rows) or ticked
        ticked = self.tour.planned(self.rows) or ticked
        if self.bot.ready:
            ticked = self.tour.survived(self.rows, balanced=bool(numbers["balanced"])) or ticked
        if ticked:
            self._ticked()

    # --- views

    def deliveries_view(self) -> Json:
        """The latest deliveries, newest first, and the balance."""
        rows = [
            {
                "id": row.id,
                "account": row.account,
                "address": row.address,
                "state": row.state,
                "op": row.op,
                "attempts": row.attempts,
                "error": row.error,
                "created_at": row.created_at,
                "due_at": row.due_at,
                "part": row.part,
                "parts": row.parts,
                "text": decisions.text_of(row),
            }
            for row in reversed(self.rows)
        ]
        return {"rows": rows, "balance": self.balance}

    def accounts_view(self) -> Json:
        """What every provider holds."""
        return {name: account.view(self.hook_url(name)) for name, account in self.accounts.items()}

    def example_view(self) -> Json:
        """Who and what the example is made of, for the steps to try."""
        return {
            "owner": example.OWNER,
            "desk": example.DESK,
            "topics": self.topics,
            "rooms": list(example.ROOMS),
            "reply_room": example.REPLY_ROOM,
            "known_number": example.KNOWN_NUMBER,
            "other_number": example.OTHER_NUMBER,
            "tour": example.TOUR,
        }

    def info(self) -> Json:
        """What another client needs to join in (``GET /playground/info``)."""
        telegram = self.sides[TELEGRAM].server
        return {
            "telegram": {
                "api_base_url": telegram.url,
                "token": self.emulator.bot.token,
                "owner": example.OWNER,
                "bot": self.emulator.bot.user.username,
                "control": "/playground/telegram",
            },
            "accounts": {
                name: {
                    "provider": account.provider,
                    "title": account.title,
                    "base_url": self.sides[name].server.url,
                    "hook_url": self.hook_url(name),
                    "can": list(account.can),
                    **account.keys(),
                    "conversations": [account.place_view(place) for place in account.places],
                }
                for name, account in self.accounts.items()
            },
            "bot": {
                **self.bot.to_json(),
                "config": str(self.folder / CONFIG),
                "command": [sys.executable, "-m", "bot", "--config", str(self.folder / CONFIG)],
            },
            "actions": [f"POST /playground/{name}" for name in ("upload", *actions_of(self))],
            "folder": str(self.folder.path),
        }


def _tell_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        logger.error("the playground's %s failed", task.get_name(), exc_info=task.exception())


def seed_people(tx: Any, *, now: float) -> None:
    """Who may do what, a named address and an audience, so that one can try them at once."""
    for person, role in example.ROLES.items():
        tx.roles.grant(str(person), role)
    for name, address in example.NAMES.items():
        tx.names.set(name, address)
    tx.audiences.add("everyone", example.EVERYONE, person=str(example.OWNER), now=now)


def seed_schedules(tx: Tx, *, now: float) -> None:
    """What is planned from the start, as if the owner had done it in their private chat."""
    for line in example.SCHEDULES:
        read = parse_line(line, now=now, zone="UTC")
        assert read.rule is not None
        plan = Plan(read.rule, now, read.options, Message(text=read.text))
        following = plan.next_after(now)
        new = NewSchedule(
            name=read.options.name,
            rule=show_rule(read.rule),
            made_at=now,
            next_at=None if following is None else following.at,
            ends_at=plan.ends_at,
            warn_at=None,
            options=options_to_json(read.options),
            message=plan.message.model_dump_json(exclude_defaults=True),
            targets=(read.targets,),
            chat=f"{TELEGRAM}:{example.OWNER}",
            reach="",
            person=str(example.OWNER),
            person_name="Ann",
        )
        tx.schedules.add(new, now=now)


def schedules_view(schedules: Iterable[Schedule], *, now: float) -> list[Json]:
    """What is planned, what comes first before the others; times are seconds since the epoch."""
    rows = [
        {**planning.data(each, now=now, instant=str), "name": each.name, "state": each.state, "rule": each.rule}
        | {"next": [occurrence.at for occurrence in planning.coming(each, now=now)]}
        for each in schedules
    ]
    return sorted(rows, key=lambda row: (not row["enabled"], (row["next"] or [math.inf])[0], row["id"]))


def said_of(kept: Any, *, account: str) -> list[Json]:
    """What people said at an account. The first version wrote down what was said at ``echo`` alone, with no status."""
    said = kept.get(account, []) if isinstance(kept, dict) else kept if account == "echo" else []
    return [{"status": 200 if one["id"] else 0, **one} for one in said]


@contextmanager
def _told_of_port(port: int) -> Iterator[None]:
    """Turn "address in use" into ``PortTaken``."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        why = "is in use by another program" if error.errno == errno.EADDRINUSE else "may not be used by this user"
        other = 9000 if port != 9000 else 9001
        raise PortTaken(
            f"port {port}: {why}; choose another: PORT={other} make run (or {_command()} playground --port {other})"
        ) from error


def _open(path: Path, *, fresh: bool, say: Callable[[str], None]) -> Folder:
    """The folder, or one in the home where the working directory cannot be written."""
    try:
        return Folder.open(path, fresh=fresh)
    except FolderError as error:
        cause = error.__cause__
        if path.is_absolute() or not isinstance(cause, OSError) or cause.errno not in (errno.EACCES, errno.EROFS):
            raise
        home = Path.home() / ".patchbay" / "playground"
        say(f"{path} cannot be written here; using {home}")
        return Folder.open(home, fresh=fresh)


def _command() -> str:
    """How to call the command line from here."""
    with contextlib.suppress(ValueError):
        return f"{Path(sys.executable).relative_to(Path.cwd())} -m bot"
    return "patchbay"


def _print(line: str) -> None:
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


async def run_playground(*, port: int, folder: Path, reset: bool = False, say: Callable[[str], None] = _print) -> None:
    """Run the playground until SIGTERM or SIGINT. Raises ``PortTaken`` or ``OSError``."""
    # Before anything is made or changed: the likeliest thing to be wrong.
    with _told_of_port(port):
        listen_once(port)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        # Under nohup the end of the terminal is to be ignored.
        if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            loop.add_signal_handler(number, stop.set)
    place = _open(folder, fresh=reset, say=say)
    try:
        playground = Playground(place)
        *titles, last = (account.title for account in playground.accounts.values())
        sides = f"{', '.join(['Telegram', *titles])} and {last}"
        say(f"Starting Patchbay's playground: {sides} on this machine, and the bot …")
        try:
            async with playground.running(port) as url:
                await _greet(playground, url, stop=stop, say=say)
                await stop.wait()
                say("Stopping …")
        except StoreError as error:
            raise FolderError(f"{error}; or start over: {_command()} playground --reset") from error
        say(f"Stopped. Everything is kept in {place.path}; the next start goes on from here.")
    finally:
        place.close()


async def _greet(playground: Playground, url: str, *, stop: asyncio.Event, say: Callable[[str], None]) -> None:
    """Say where it is once the bot can be talked to."""
    waits = [asyncio.ensure_future(playground.bot.became_ready.wait()), asyncio.ensure_future(stop.wait())]
    await asyncio.wait(waits, timeout=READY_WITHIN_S, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
    if stop.is_set():
        return
    say("")
    say(f"  Open     {url}")
    first = f"/send {example.TOUR['account']}:{example.TOUR['room']} hello"
    say(f"  Try      the steps under “Try this”; first: as Ann, write {first}")
    say(f"  Data     {playground.folder.path} (to forget it all: {_command()} playground --reset)")
    say("  Stop     Ctrl-C")
    say("")
    if not playground.bot.ready:
        say(f"The bot is not ready yet ({playground.bot.state}); its log: {playground.folder / LOG}")


__all__ = ["Playground", "PortTaken", "run_playground"]
