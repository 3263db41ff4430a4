"""The updates that wait for a bot: confirmed by offset when it polls, by a 2xx when it has a webhook.

The behaviour follows the open-source server (https://github.com/tdlib/telegram-bot-api, Client.cpp and
WebhookActor.cpp, read 2026-11) and https://core.telegram.org/bots/api#getting-updates: updates are kept 24 hours; one
long poll at a time; a webhook gets one update per chat at a time and the next only after a 2xx.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

Json = dict[str, Any]

KEPT_S = 24 * 3600
LONG_POLL_LIMIT_S = 50
#: Every kind of update (https://core.telegram.org/bots/api#update, Bot API 10.1).
KINDS = (
    "message",
    "edited_message",
    "channel_post",
    "edited_channel_post",
    "business_connection",
    "business_message",
    "edited_business_message",
    "deleted_business_messages",
    "guest_message",
    "message_reaction",
    "message_reaction_count",
    "inline_query",
    "chosen_inline_result",
    "callback_query",
    "shipping_query",
    "pre_checkout_query",
    "purchased_paid_media",
    "poll",
    "poll_answer",
    "my_chat_member",
    "chat_member",
    "chat_join_request",
    "chat_boost",
    "removed_chat_boost",
    "managed_bot",
)
_OTHER_POLL = "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"
DEFAULT_KINDS = frozenset(KINDS) - {"chat_member", "message_reaction", "message_reaction_count"}


class Conflict(Exception):
    """Two ways of getting updates at once; the text is the server's."""


@dataclass(slots=True)
class Update:
    """One update and until when it is kept; ``queue`` is the chat whose order it belongs to."""

    id: int
    payload: Json
    expires_at: float
    queue: int

    def to_json(self) -> Json:
        return {"update_id": self.id, **self.payload}


def retry_delay(failures: int, retry_after: int) -> float:
    """How long a webhook waits after its nth failure in a row: 1 s, doubling to a random 60 to 120 s.

    A Retry-After of the answer wins, up to an hour.
    """
    if retry_after > 0:
        return float(min(retry_after, 3600))
    return min(2.0 ** (failures - 1), random.uniform(60, 120))


@dataclass(slots=True)
class Webhook:
    """Where a bot wants its updates."""

    url: str
    secret_token: str = field(default="", repr=False)
    max_connections: int = 40
    ip_address: str = ""
    has_certificate: bool = False


class Updates:
    """One bot's queue."""

    def __init__(
        self, clock: Callable[[], float], *, first_id: int, delay: Callable[[int, int], float] = retry_delay
    ) -> None:
        self._clock = clock
        self.next_id = self._first_id = first_id
        self._waiting: deque[Update] = deque()
        self._wake = asyncio.Event()
        self._poll = 0
        self._polling = False
        self._ended_by = ""
        self.allowed: frozenset[str] = DEFAULT_KINDS
        self.allowed_given: list[str] = []
        self.webhook: Webhook | None = None
        self.last_error_at = 0
        self.last_error = ""
        self._delay = delay
        self.on_reply: Callable[[Json], Awaitable[None]] | None = None
        self._pusher: asyncio.Task[None] | None = None
        self._drained = asyncio.Event()
        self._drained.set()

    def add(self, kind: str, payload: Json, *, queue: int) -> None:
        """A new update, unless the bot did not ask for its kind."""
        if kind not in self.allowed:
            return
        # The payload is what it is now: later edits of the message must not show in it.
        frozen = json.loads(json.dumps(payload))
        self._waiting.append(Update(self.next_id, {kind: frozen}, self._clock() + KEPT_S, queue))
        self.next_id += 1
        self._drained.clear()
        self._wake.set()

    def _expire(self) -> None:
        now = self._clock()
        while self._waiting and self._waiting[0].expires_at <= now:
            self._waiting.popleft()
        self._note_drained()

    def _note_drained(self) -> None:
        if not self._waiting:
            self._drained.set()

    @property
    def pending(self) -> int:
        """How many updates nobody confirmed."""
        self._expire()
        return len(self._waiting)

    async def drained(self, timeout: float = 10.0) -> None:
        """Wait until every update is confirmed; TimeoutError otherwise."""
        async with asyncio.timeout(timeout):
            await self._drained.wait()

    def clear(self) -> None:
        self._waiting.clear()
        self._note_drained()

    def waiting(self) -> list[Update]:
        """What nobody confirmed, oldest first."""
        self._expire()
        return list(self._waiting)

    def put_back(self, updates: Sequence[Update], next_id: int, allowed: Sequence[str]) -> None:
        """Go on with what was written down; ids never go back, and where none was given out yet, none is left out."""
        self._waiting = deque(updates)
        self.next_id = next_id if self.next_id == self._first_id else max(self.next_id, next_id)
        self.allow(allowed)
        if self._waiting:
            self._drained.clear()
        self._wake.set()

    def allow(self, names: Sequence[str] | None) -> None:
        """Remember which kinds the bot wants; None keeps what was, an empty list or only unknown names the default."""
        if names is None:
            return
        known = [name.lower() for name in names if name.lower() in KINDS]
        self.allowed = frozenset(known) or DEFAULT_KINDS
        self.allowed_given = known if self.allowed != DEFAULT_KINDS else []

    # ------------------------------------------------------------------------------------------------------ polling

    def _confirm(self, offset: int) -> None:
        if offset < 0:
            # A negative offset keeps that many from the end and forgets the others.
            while len(self._waiting) > -offset:
                self._waiting.popleft()
        # An offset from beyond the end is not of this queue: nothing is confirmed then.
        elif offset <= self.next_id:
            while self._waiting and self._waiting[0].id < offset:
                self._waiting.popleft()
        self._note_drained()

    async def poll(self, *, offset: int, limit: int, timeout: float) -> list[Json]:
        """What getUpdates answers; waits up to ``timeout`` seconds for a first update.

        Raises Conflict where a webhook is set, and in the earlier call where another one comes to wait.
        """
        if self.webhook:
            raise Conflict(
                "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook"
                " first"
            )
        self._expire()
        self._confirm(offset)
        found = self._first(offset, limit)
        if found or timeout <= 0:
            return found
        if self._polling:
            self._end_poll(_OTHER_POLL)
        mine = self._poll
        self._polling = True
        try:
            async with asyncio.timeout(timeout):
                while not found:
                    self._wake.clear()
                    await self._wake.wait()
                    if mine != self._poll:
                        self._wake.set()
                        raise Conflict(self._ended_by)
                    self._expire()
                    found = self._first(offset, limit)
        except TimeoutError:
            return []
        finally:
            if mine == self._poll:
                self._polling = False
        return found

    def _end_poll(self, why: str) -> None:
        """Make the long poll that waits find that it is no longer the latest one."""
        self._ended_by = why
        self._poll += 1
        self._wake.set()

    def _first(self, offset: int, limit: int) -> list[Json]:
        found = list[Json]()
        for update in self._waiting:
            if len(found) == limit:
                break
            if offset <= 0 or offset > self.next_id or update.id >= offset:
                found.append(update.to_json())
        return found

    # ------------------------------------------------------------------------------------------------------ webhook

    def set_webhook(self, webhook: Webhook | None) -> None:
        """Deliver to an address from now on, or no longer. A long poll that waits is ended."""
        self._stop_pusher()
        self.webhook = webhook
        self.last_error, self.last_error_at = "", 0
        if webhook is None:
            return
        if self._polling:
            self._end_poll("Conflict: terminated by setWebhook request")
        self._pusher = asyncio.get_running_loop().create_task(self._push(webhook))

    def _stop_pusher(self) -> None:
        if self._pusher:
            self._pusher.cancel()
            self._pusher = None

    async def close(self) -> None:
        """Stop delivering to the webhook."""
        pusher = self._pusher
        self._stop_pusher()
        if pusher:
            with contextlib.suppress(asyncio.CancelledError):
                await pusher

    async def _push(self, webhook: Webhook) -> None:
        """Deliver every update to the webhook: one lane per chat, all lanes at once up to the limit."""
        slots = asyncio.Semaphore(webhook.max_connections)
        lanes: dict[int, asyncio.Task[None]] = {}
        # No proxy, no redirects: the answer counts that the address itself gives.
        async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
            try:
                while True:
                    self._expire()
                    for update in list(self._waiting):
                        lane = lanes.get(update.queue)
                        if lane is None or lane.done():
                            lanes[update.queue] = asyncio.create_task(
                                self._push_lane(client, webhook, slots, update.queue)
                            )
                    self._wake.clear()
                    await self._wake.wait()
            finally:
                for lane in lanes.values():
                    lane.cancel()
                await asyncio.gather(*lanes.values(), return_exceptions=True)

    async def _push_lane(
        self, client: httpx.AsyncClient, webhook: Webhook, slots: asyncio.Semaphore, queue: int
    ) -> None:
        failures = 0
        while True:
            self._expire()
            update = next((update for update in self._waiting if update.queue == queue), None)
            if update is None:
                return
            async with slots:
                error, retry_after, answer = await self._push_one(client, webhook, update)
            if not error:
                failures = 0
                with contextlib.suppress(ValueError):
                    self._waiting.remove(update)
                self._note_drained()
                if answer and self.on_reply:
                    await self.on_reply(answer)
                continue
            failures += 1
            self.last_error, self.last_error_at = error, int(self._clock())
            wait = self._delay(failures, retry_after)
            if self._clock() + wait > update.expires_at:
                with contextlib.suppress(ValueError):
                    self._waiting.remove(update)
                self._note_drained()
                failures = 0
                continue
            await asyncio.sleep(wait)

    async def _push_one(
        self, client: httpx.AsyncClient, webhook: Webhook, update: Update
    ) -> tuple[str, int, Json | None]:
        """One attempt: the error or nothing, the Retry-After, and a method to run if the answer holds one."""
        headers = {"Content-Type": "application/json"}
        if webhook.secret_token:
            headers["X-Telegram-Bot-Api-Secret-Token"] = webhook.secret_token
        try:
            answer = await client.post(webhook.url, content=json.dumps(update.to_json()), headers=headers)
        except httpx.ConnectError:
            return "Connection refused", 0, None
        except httpx.TimeoutException:
            return "Read timeout expired", 0, None
        except httpx.HTTPError:
            return "Webhook connection closed", 0, None
        if answer.is_success:
            with contextlib.suppress(ValueError):
                body = answer.json()
                if isinstance(body, dict) and isinstance(body.get("method"), str):
                    return "", 0, body
            return "", 0, None
        after = answer.headers.get("Retry-After", "")
        phrase = answer.reason_phrase
        return (
            f"Wrong response from the webhook: {answer.status_code} {phrase}".strip(),
            int(after) if after.isdecimal() else 0,
            None,
        )
