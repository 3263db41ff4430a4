"""Asking providers for what is new, where they post nothing or to close gaps: as if it had been posted."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping

from bot.accounts import ProviderAccount
from bot.intake import Intake
from bot.relay import Relay
from bot.store import Store, StoreError, Tx
from bot.store.inbox import Arrived
from bridges.api import Hook, Polls
from bridges.errors import BridgeError, Refused, Unauthorized, Unavailable

logger = logging.getLogger(__name__)

TROUBLE_LEAST_S = 5.0
TROUBLE_MOST_S = 300.0
"""The first wait after a look that failed; each further one is twice as long, up to this."""
TOLD_AFTER = 5
"""So many looks in a row have to fail before the owners are told, unless it is one that only they can mend."""


class Polling:
    """Looks for one account. What a look brought is committed before its cursor moves on: nothing is lost, and what
    is seen again is known by its key."""

    def __init__(
        self,
        *,
        account: ProviderAccount,
        store: Store,
        intake: Intake,
        relay: Relay,
        clock: Callable[[], float] = time.time,
    ) -> None:
        bridge = account.bridge
        assert isinstance(bridge, Polls)
        self._bridge = bridge
        self._account = account
        self._store = store
        self._intake = intake
        self._relay = relay
        self._clock = clock
        self._key = f"poll cursor:{account.name}"
        self._trouble_s = 0.0
        self._failures = 0
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Look from now on."""
        self._task = asyncio.create_task(self._run(), name=f"poll {self._account.name}")

    async def stop(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        wait_s = 0.0
        while True:
            await asyncio.sleep(wait_s)
            wait_s = await self.turn()

    async def turn(self) -> float:
        """Look once; returns the seconds until the next look."""
        name = self._account.name
        try:
            await self._look()
        except (BridgeError, StoreError) as error:
            wait_s = error.retry_after if isinstance(error, Unavailable) else None
            if not self._trouble_s:
                logger.warning("polling does not work", extra={"action": "poll", "account": name, "error": str(error)})
            self._trouble_s = min(max(2 * self._trouble_s, TROUBLE_LEAST_S), TROUBLE_MOST_S)
            await self._failed(error)
            return max(self._trouble_s, wait_s or 0.0, self._bridge.poll_every_s)
        except Exception as error:
            logger.error("polling met a bug of ours", exc_info=error, extra={"action": "poll", "account": name})
            return TROUBLE_MOST_S
        if self._trouble_s:
            logger.info("polling works again", extra={"action": "poll", "account": name})
            await self._works_again()
        self._trouble_s, self._failures = 0.0, 0
        return self._bridge.poll_every_s

    async def _failed(self, error: BridgeError | StoreError) -> None:
        """Keep the reason for ``/status``; tell the owners, once, what only they can mend or what lasts."""
        self._failures += 1
        name, now = self._account.name, self._clock()
        theirs = isinstance(error, Unauthorized | Refused)
        if isinstance(error, StoreError) or not (theirs or self._failures == TOLD_AFTER):
            return
        reason = str(error)

        def unit(tx: Tx) -> None:
            tx.meta.set(trouble_key(name), reason)
            text = (
                f"Nothing is fetched from {name} at present: {reason}\nIt is tried again; /status shows how it stands."
            )
            self._relay.tell_owners(tx, text, now=now, once=trouble_key(name))

        with contextlib.suppress(StoreError):
            await self._store.write(unit)

    async def _works_again(self) -> None:
        name, now = self._account.name, self._clock()

        def unit(tx: Tx) -> None:
            tx.meta.set(trouble_key(name), "")
            if tx.notices.forget(trouble_key(name)):
                self._relay.tell_owners(tx, f"Messages are fetched from {name} again.", now=now)

        with contextlib.suppress(StoreError):
            await self._store.write(unit)

    async def _look(self) -> None:
        before = await self._store.read(lambda tx: tx.meta.get(self._key)) or ""
        brought = await self._account.run(self._bridge.poll(before))
        for hook in brought.hooks:
            await self._intake.accept(self._arrived(hook))
        if brought.cursor != before:
            await self._store.write(lambda tx: tx.meta.set(self._key, brought.cursor))

    def _arrived(self, hook: Hook) -> Arrived:
        return Arrived(
            account=self._account.name,
            body=hook.body,
            received_at=self._clock(),
            path=hook.path,
            headers=hook.headers,
        )


def trouble_key(account: str) -> str:
    """Where the store keeps why polling does not work; empty or missing: it works."""
    return f"polling:{account}"


def pollings(
    *,
    accounts: Mapping[str, ProviderAccount],
    store: Store,
    intake: Intake,
    relay: Relay,
    clock: Callable[[], float] = time.time,
) -> list[Polling]:
    """One for each account that is to be polled."""
    return [
        Polling(account=account, store=store, intake=intake, relay=relay, clock=clock)
        for account in accounts.values()
        if isinstance(account.bridge, Polls) and account.bridge.poll_every_s > 0
    ]
