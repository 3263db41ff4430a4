"""Updates from Telegram into the inbox: our own poller, and what is posted to the webhook.

The library's updater acknowledges updates before anything is done with them, so it is not used: an update is committed
to the inbox first, and the next offset (or the 200) says so to Telegram only then.
"""

from __future__ import annotations

import asyncio
import json
import logging
import warnings
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from telegram.error import Conflict, InvalidToken, RetryAfter, TelegramError
from telegram.ext import ExtBot
from telegram.warnings import PTBUserWarning

from bot.addresses import TELEGRAM
from bot.faultpoints import point
from bot.intake import Intake
from bot.settings import TelegramSettings
from bot.store import Store, StoreError, Tx
from bot.store.inbox import Arrived
from bot.telegram.contact import CONTACT_EVERY_S, Contact
from bot.telegram.errors import bridge_error, wait_s
from bot.telegram.lanes import Lanes

logger = logging.getLogger(__name__)

# The raw answer is wanted, before anything is made of it: it is what goes into the inbox.
warnings.filterwarnings("ignore", message="Please use 'Bot.getUpdates'", category=PTBUserWarning)

# Explicit at every start: an omitted list keeps whatever was set before (https://core.telegram.org/bots/api#getupdates).
ALLOWED_UPDATES = (
    "message",
    "edited_message",
    "channel_post",
    "edited_channel_post",
    "message_reaction",
    "callback_query",
    "my_chat_member",
)
BATCH = 100
"""Updates asked for at once: with fewer in the answer there are no more."""


class Receiver:
    """Fetches updates, or takes those that are posted, and commits them before Telegram hears of it."""

    def __init__(
        self,
        *,
        settings: TelegramSettings,
        store: Store,
        bot: ExtBot[None],
        intake: Intake,
        lanes: Lanes,
        contact: Contact,
        stopping: asyncio.Event,
        backoff_s: Sequence[float],
        clock: Callable[[], float],
    ) -> None:
        """``backoff_s``: how long to wait after the first failure in a row, the second …, and all after them."""
        self._settings = settings
        self._store = store
        self._bot = bot
        self._intake = intake
        self._lanes = lanes
        self._contact = contact
        self._backoff_s = backoff_s
        self._clock = clock
        self._stopping = stopping
        self._poller: asyncio.Task[None] | None = None
        self._listener: asyncio.Task[None] | None = None
        self.reached_at: float | None = None
        self.trouble = "not reached yet"
        self.webhook_url: str | None = None
        """Where Telegram is to post; None when polling."""
        self.conflict_at: float | None = None
        """When Telegram last said that somebody else receives with this token."""

    async def begin(self, greet: Callable[[], Awaitable[None]], *, webhook_url: str | None, secret: str) -> None:
        """Reach Telegram, again and again until it answers, then poll or have updates posted.

        ``greet`` makes the bot known to Telegram; what it raises is trouble like any other.
        """
        failures = 0
        self.webhook_url = webhook_url
        while True:
            try:
                await greet()
                if webhook_url is None:
                    await self._bot.delete_webhook(drop_pending_updates=False)
                else:
                    await self._bot.set_webhook(
                        webhook_url, secret_token=secret, allowed_updates=ALLOWED_UPDATES, max_connections=40
                    )
                self._reached()
                break
            except Exception as error:
                failures = await self._wait_after(error, failures)
        if webhook_url is None:
            self._poller = asyncio.create_task(self._poll(), name="poller")
        else:
            self._lanes.caught_up()
            self._listener = asyncio.create_task(self._listen(), name="contact")

    async def stop(self) -> None:
        """End what fetches, which begins nothing more once ``stopping`` is set."""
        for task in (self._poller, self._listener):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    @property
    def turning(self) -> bool:
        """Whether somebody listens."""
        return (self._poller is not None and not self._poller.done()) or (
            self._settings.mode == "webhook" and self.reached_at is not None
        )

    async def accept(self, updates: Sequence[dict[str, Any]]) -> None:
        """Commit updates to the inbox; returns when they are safe, then they are worked on."""
        now = self._clock()
        arrived = [
            Arrived(
                account=TELEGRAM,
                body=json.dumps(update, ensure_ascii=True, separators=(",", ":")).encode(),
                received_at=now,
                key=str(update["update_id"]),
            )
            for update in updates
        ]

        def unit(tx: Tx) -> list[int | None]:
            self._contact.note_numbers(tx, arrived, now=now)
            return [tx.inbox.put(item) for item in arrived]

        ids = await self._store.write(unit)
        for item, id in zip(arrived, ids, strict=True):
            if id is not None:
                self._intake.offer(Arrived(item.account, item.body, item.received_at, key=item.key, id=id))

    def _reached(self) -> None:
        self.reached_at = self._clock()
        self.trouble = ""

    async def _wait_after(self, error: Exception, failures: int) -> int:
        """Say it once for each new kind of trouble, then wait; returns the number of failures so far.

        What is no error of Telegram's is one all the same: an answer that the library stumbles over must not be the
        end of listening.
        """
        if isinstance(error, TelegramError):
            said = str(bridge_error(error))
        else:
            said = f"Telegram's answer is not of the known shape ({type(error).__name__})"
        if isinstance(error, Conflict):
            self.conflict_at = self._clock()
            said += " (another program polls with this token, or a webhook is set: stop it, then this goes on)"
        if said != self.trouble:
            level = logging.ERROR if isinstance(error, InvalidToken | Conflict) else logging.WARNING
            logger.log(level, "Telegram is not reached: %s", said, extra={"action": "telegram"})
        self.trouble = said
        backoff_s = self._backoff_s[min(failures, len(self._backoff_s) - 1)]
        await asyncio.sleep(wait_s(error) if isinstance(error, RetryAfter) else backoff_s)
        return failures + 1

    async def _poll(self) -> None:
        offset: int | None = None
        failures, first = 0, True
        while not self._stopping.is_set():
            try:
                # At first and after a failure without waiting: the sooner an answer comes, the sooner it is known
                # that Telegram is there, and that it has nothing more for us.
                waits = not first and not failures
                updates = await self._get_updates(offset, timeout_s=self._settings.poll_timeout if waits else 0)
                self._reached()
                failures, first = 0, False
                await self._contact.note()
                if updates:
                    point("telegram.fetched")
                    await self.accept(updates)
                    point("telegram.committed")
                    offset = max(int(u["update_id"]) for u in updates) + 1
                if len(updates) < BATCH:
                    self._lanes.caught_up()
            except StoreError as error:
                # Not committed, so not acknowledged: Telegram keeps them for the next time.
                logger.error("updates cannot be stored", extra={"action": "poll", "error": str(error)})
                await asyncio.sleep(1.0)
            except Exception as error:
                self._lanes.cut_off()
                failures = await self._wait_after(error, failures)

    async def _listen(self) -> None:
        """With a webhook, to be up is to be in contact; what came while it was not is seen by its number."""
        while True:
            try:
                await self._contact.note()
            except StoreError as error:
                logger.error("the store does not take writes", extra={"action": "contact", "error": str(error)})
            await asyncio.sleep(CONTACT_EVERY_S)

    async def _get_updates(self, offset: int | None, *, timeout_s: int) -> list[dict[str, Any]]:
        wanted = {
            "timeout": timeout_s,
            "limit": BATCH,
            "allowed_updates": json.dumps(ALLOWED_UPDATES),
        }
        if offset is not None:
            wanted["offset"] = offset
        answer = await self._bot.do_api_request("getUpdates", api_kwargs=wanted, read_timeout=timeout_s + 10.0)
        if not isinstance(answer, list):
            raise TelegramError("Telegram's answer is not of the known shape")
        return [u for u in answer if isinstance(u, dict) and isinstance(u.get("update_id"), int)]
