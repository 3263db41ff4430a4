"""The composition root: builds everything from the settings, starts and stops it in order."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import signal
import socket
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import uvicorn
from pydantic import SecretStr

from bot.accounts import Account, ProviderAccount
from bot.addresses import TELEGRAM
from bot.agenda import calendar_of
from bot.broadcaster import Broadcaster
from bot.delivery import DeliveryEngine, Meters
from bot.faultpoints import point
from bot.feedback import Feedback
from bot.files import Files, Folder
from bot.firing import Firing, SchedulePolicy
from bot.indexing import Indexing
from bot.intake import Intake
from bot.lending import Lender
from bot.long import OWNER as TEXTS
from bot.long import TextFiles
from bot.metrics import Metrics
from bot.polling import pollings
from bot.quiet import parse_quiet
from bot.relay import Policy, Relay
from bot.retention import Retention
from bot.schedules import Schedules
from bot.settings import Settings, hook_url
from bot.store import Store, StoreError, StoreUnavailable, Tx
from bot.store.sqlite import SqliteStore
from bot.subscriptions import Renewals
from bot.telegram.announcing import Announcing
from bot.telegram.application import TelegramSide, make_bot
from bot.telegram.marker import Marker
from bot.telegram.outbound import TelegramAccount
from bot.telegram.surroundings import Installation
from bot.web import Web
from bot.weeks import OWNER as WEEKS
from bot.weeks import WeekPictures
from bridges.registry import PROVIDERS

logger = logging.getLogger(__name__)

REACHED_WITHIN_S = 120.0
READY_S = 5.0
BUSY_S = 3.0
"""How long a locked database is waited for. Providers give a webhook five to ten seconds, and should still hear the
503 that brings them back; whoever else meets the lock here tries again by itself."""
STOP_GRACE_S = 8.0


class CannotListen(Exception):
    """The web port is not to be had."""


def provider_accounts(settings: Settings, *, folder: Folder | None = None) -> dict[str, ProviderAccount]:
    """An account for each that is configured; files that come in there are kept in ``folder``."""
    return {
        name: ProviderAccount(name, PROVIDERS[account.provider](account), folder=folder)
        for name, account in settings.accounts.items()
    }


def all_accounts(settings: Settings) -> dict[str, Account]:
    """Every account, Telegram among them; nothing is connected until it is used."""
    return {TELEGRAM: TelegramAccount(make_bot(settings.telegram)), **provider_accounts(settings)}


def hook_secrets(settings: Settings) -> dict[str, str]:
    """The last path segment of each account's webhook."""
    found = {}
    for name, account in settings.accounts.items():
        secret = getattr(account, "hook_secret", None)
        if isinstance(secret, SecretStr):
            found[name] = secret.get_secret_value()
    return found


def hook_urls(settings: Settings) -> dict[str, str]:
    """Where each account's provider posts, as far as it can."""
    urls = {name: hook_url(settings, name) for name in settings.accounts}
    return {name: url for name, url in urls.items() if url is not None}


def installation_of(settings: Settings) -> Installation:
    """What the settings say about how this bot stands in the world."""
    return Installation(
        public_url=settings.web.public_url,
        database=settings.store.path,
        takes_hooks=tuple(hook_secrets(settings)),
        hook_urls=hook_urls(settings),
    )


def addresses_of(settings: Settings) -> tuple[str, ...]:
    """Every server that this configuration talks to."""
    return (
        settings.telegram.api_base_url,
        *(str(getattr(account, "base_url", "")) for account in settings.accounts.values()),
    )


def policy_of(settings: Settings) -> Policy:
    """What the settings say about deliveries."""
    return Policy(
        max_age_s=float(settings.delivery.max_age),
        on_ambiguous=settings.delivery.on_ambiguous,
        telegram_on_ambiguous=settings.telegram.on_ambiguous,
        owners=tuple(settings.telegram.owners),
    )


def schedule_policy(settings: Settings) -> SchedulePolicy:
    """What the settings say about schedules."""
    rules = settings.schedules
    return SchedulePolicy(
        default_zone=settings.telegram.default_timezone,
        approval_over=rules.approval_over,
        approvals=rules.approvals,
        quiet=parse_quiet(rules.quiet_hours) if rules.quiet_hours else None,
    )


def lender_of(settings: Settings, *, store: Store, files: Files) -> Lender:
    """What makes links to files, as the settings say."""
    web = settings.web
    return Lender(store=store, files=files, public_url=web.public_url, keep_s=float(web.files_keep))


class App:
    """The running bot."""

    def __init__(self, settings: Settings, *, clock: Callable[[], float] = time.time) -> None:
        self.settings = settings
        self._clock = clock
        self._socket: socket.socket | None = None
        self._server: uvicorn.Server | None = None
        self._serving: asyncio.Task[None] | None = None
        self._memories: dict[str, Mapping[str, str]] = {}
        self._background: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Start everything. Raises ``StoreError`` or ``CannotListen``; whatever was started is stopped then."""
        self.store = await SqliteStore.open(self.settings.store.path, exclusive=True, busy_s=BUSY_S)
        try:
            self.folder = self._prepared()
            self._socket = self._listen()
        except (CannotListen, StoreError):
            await self.store.close()
            raise
        point("start.opened")
        self._build()
        for account in self.providers.values():
            await account.remember_in(self.store)
        await self.store.write(self._try_paused_again)
        await self.engine.start()
        self.broadcaster.start()
        self.schedules.start()
        await self.intake.start()
        self.marker.start()
        self.announcing.start()
        self.retention.start()
        self.indexing.start()
        self.renewals.start()
        for polling in self.pollings:
            polling.start()
        webhook_url, webhook_secret = await self._webhook()
        self._serving = asyncio.create_task(self._serve(), name="web")
        while not (self._server and self._server.started):
            if self._serving.done():
                self._serving.result()
            await asyncio.sleep(0.005)
        self.telegram.start(webhook_url=webhook_url, webhook_secret=webhook_secret)
        logger.info(
            "started",
            extra={"action": "start", "port": self.port, "accounts": sorted(self.accounts), "mode": self._mode},
        )

    @property
    def _mode(self) -> str:
        return self.settings.telegram.mode

    @property
    def port(self) -> int:
        """The port that the web server listens on."""
        assert self._socket is not None
        return int(self._socket.getsockname()[1])

    def _prepared(self) -> Folder:
        """The folder for files on their way, beside the database."""
        folder = Folder(Path(f"{self.settings.store.path}.files"), most=self.settings.delivery.file_bytes)
        try:
            folder.prepare()
        except OSError as error:
            raise StoreUnavailable(
                f"store.path: files on their way are kept in {folder.path}, which cannot be used ({error.strerror})"
            ) from error
        return folder

    def _listen(self) -> socket.socket:
        web = self.settings.web
        family = socket.AF_INET6 if ":" in web.host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((web.host, web.port))
        except OSError as error:
            listener.close()
            raise CannotListen(
                f"web.port: cannot listen on {web.host}:{web.port} ({error.strerror}); "
                "stop what uses it or choose another web.port"
            ) from error
        return listener

    def _build(self) -> None:
        settings, clock, store = self.settings, self._clock, self.store
        self.providers = provider_accounts(settings, folder=self.folder)
        self.telegram = TelegramSide(
            settings=settings.telegram, store=store, default_timezone=settings.telegram.default_timezone, clock=clock
        )
        self.accounts: dict[str, Account] = {
            TELEGRAM: TelegramAccount(self.telegram.bot, folder=self.folder),
            **self.providers,
        }
        self.files = Files(
            {
                **self.accounts,
                TEXTS: TextFiles(store, folder=self.folder),
                WEEKS: WeekPictures(store, folder=self.folder),
            },
            most=settings.delivery.file_bytes,
        )
        lender = lender_of(settings, store=store, files=self.files)
        self.relay = Relay(accounts=self.accounts, policy=policy_of(settings), lender=lender)
        self.firing = Firing(relay=self.relay, policy=schedule_policy(settings))
        feedback = Feedback(self.relay)
        self.metrics = Metrics(store=store, accounts=self.accounts)
        self.engine = DeliveryEngine(
            store=store,
            accounts=self.accounts,
            observer=feedback,
            files=self.files,
            lender=lender,
            places=self.relay.places,
            meters=Meters(self.metrics.request, self.metrics.delivered),
            clock=clock,
            zone=settings.telegram.default_timezone,
        )
        self.intake = Intake(store=store, accounts=self.accounts, relay=self.relay, clock=clock)
        self.telegram.join(
            relay=self.relay,
            intake=self.intake,
            feedback=feedback,
            firing=self.firing,
            installation=installation_of(settings),
        )
        self.marker = Marker(store=store, bot=self.telegram.bot, clock=clock)
        self.broadcaster = Broadcaster(store=store, accounts=self.accounts, clock=clock)
        self.schedules = Schedules(store=store, firing=self.firing, clock=clock, fired=self.metrics.schedule_fired)
        self.announcing = Announcing(
            store=store, bot=self.telegram.bot, relay=self.relay, zone=settings.telegram.default_timezone, clock=clock
        )
        self.indexing = Indexing(store=store)
        self.retention = Retention(store=store, keep_s=float(settings.store.keep), clock=clock)
        self.renewals = Renewals(
            store=store, accounts=self.providers, urls=hook_urls(settings), relay=self.relay, clock=clock
        )
        self.pollings = pollings(
            accounts=self.providers, store=store, intake=self.intake, relay=self.relay, clock=clock
        )
        token = settings.web.metrics_token
        self.web = Web(
            intake=self.intake,
            accounts=self.providers,
            hook_secrets=hook_secrets(settings),
            metrics=self.metrics,
            lender=lender,
            readiness=self.readiness,
            metrics_token=None if token is None else token.get_secret_value(),
            clock=clock,
            calendar=partial(calendar_of, store, clock=clock),
        )
        store.on_wake(self._woken)

    # --- what bridges remember, also when another process learnt it

    def _woken(self, topics: frozenset[str]) -> None:
        if topics & {"memory", "*"}:
            task = asyncio.create_task(self._recall())
            self._background.add(task)
            task.add_done_callback(self._background.discard)

    async def _recall(self) -> None:
        names = list(self.providers)
        with contextlib.suppress(StoreError):
            memories = await self.store.read(lambda tx: {name: tx.accounts.get(name).memory or {} for name in names})
            for name, memory in memories.items():
                if memory != self._memories.get(name):
                    self.providers[name].recall(memory)
                    self._memories[name] = memory

    def _try_paused_again(self, tx: Tx) -> None:
        """A start is a new chance for credentials: the first send tells. What a person paused stays so."""
        for name in self.accounts:
            tx.accounts.try_again(name)

    # --- web

    async def _webhook(self) -> tuple[str | None, str]:
        """The URL and secret of Telegram's webhook, made once and kept; (None, "") when polling."""
        if self._mode != "webhook":
            return None, ""
        configured = self.settings.telegram.webhook_secret

        def unit(tx: Tx) -> tuple[str, str]:
            for key in ("webhook_random", "webhook_secret"):
                if tx.meta.get(key) is None:
                    tx.meta.set(key, secrets.token_urlsafe(32))
            return tx.meta.get("webhook_random") or "", tx.meta.get("webhook_secret") or ""

        random, secret = await self.store.write(unit)
        if configured is not None:
            secret = configured.get_secret_value()
        self.web.takes_updates(random=random, secret=secret, accept=self.telegram.accept)
        return f"{self.settings.web.public_url}/telegram/{random}", secret

    async def _serve(self) -> None:
        assert self._socket is not None
        config = uvicorn.Config(
            self.web.app,
            log_config=None,
            log_level="warning",
            access_log=False,
            proxy_headers=False,  # nothing here depends on who is in front, and a header is easily forged
            server_header=False,
            date_header=False,
            lifespan="off",
            timeout_keep_alive=30,
            timeout_graceful_shutdown=5,
            h11_max_incomplete_event_size=65536,
        )
        self._server = _Server(config)
        await self._server.serve(sockets=[self._socket])

    async def readiness(self) -> dict[str, str]:
        """Each check with ``ok`` or what is wrong."""
        checks = {"store": "ok", "telegram": "ok", "workers": "ok"}
        try:
            async with asyncio.timeout(READY_S):
                await self.store.write(lambda tx: tx.meta.set("ready_checked", "yes"))
        except StoreError as error:
            checks["store"] = f"does not take writes: {error}"
        except TimeoutError:
            checks["store"] = f"does not take writes: none was finished within {READY_S:g} s"
        reached = self.telegram.reached_at
        if self.telegram.trouble:
            checks["telegram"] = self.telegram.trouble
        elif reached is None or (self._mode == "polling" and self._clock() - reached > REACHED_WITHIN_S):
            checks["telegram"] = "not reached lately"
        if not (
            self.engine.turning
            and self.broadcaster.turning
            and self.announcing.turning
            and self.schedules.turning
            and self.intake.turning
            and self.telegram.turning
        ):
            checks["workers"] = "a worker stopped"
        return checks

    # --- the end

    async def stop(self) -> None:
        """Accept nothing more, finish what is under way, close."""
        logger.info("stopping", extra={"action": "stop"})
        point("stop.begun")
        await self.telegram.stop()
        if self._server is not None:
            self._server.should_exit = True
        if self._serving is not None:
            with contextlib.suppress(Exception):
                await self._serving
        for polling in self.pollings:
            await polling.stop()
        await self.renewals.stop()
        await self.intake.stop()
        await self.schedules.stop()
        await self.broadcaster.stop()
        await self.engine.stop(grace_s=STOP_GRACE_S)
        await self.announcing.stop()
        await self.marker.stop()
        await self.retention.stop()
        await self.indexing.stop()
        await self.files.stop()
        point("stop.drained")
        for account in self.accounts.values():
            await account.close()
        await self.telegram.close()
        await self.store.close()
        logger.info("stopped", extra={"action": "stop"})

    async def run(self) -> None:
        """Start, then run until SIGTERM or SIGINT."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        await self.start()
        try:
            await stop.wait()
        finally:
            await self.stop()


class _Server(uvicorn.Server):
    """uvicorn without its own signal handling: signals are the application's."""

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        yield
