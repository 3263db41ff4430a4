"""Inbox → events → one transaction: seen, conversation, message, routing, shaping, outbox.

Arrivals are committed raw before anybody is told that they arrived. A webhook's raw bytes and what its events lead to
share one commit; Telegram's updates, which may be commands, are committed first and dealt with afterwards. What cannot
be decoded, or meets a bug of ours, stays in the inbox as ``failed`` and can be replayed.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from bot.accounts import Account, ProviderAccount
from bot.addresses import TELEGRAM, Address
from bot.faultpoints import point
from bot.relay import Relay
from bot.store import Store, StoreError, Tx
from bot.store.inbox import Arrived
from bridges.api import Hook, Resolves
from bridges.errors import BridgeError, Garbled, Unavailable
from bridges.model import (
    AccountName,
    Deleted,
    Edited,
    Event,
    MembersChanged,
    Reacted,
    Received,
    StatusChanged,
)

logger = logging.getLogger(__name__)

IN_MEMORY_MOST = 5000
CHUNK = 200
STORE_WAIT_S = 0.5
ASK_AGAIN_S = (1.0, 10.0, 60.0, 600.0)
"""Waits before a provider that is away is asked again which message a deletion was about."""

TakeUpdate = Callable[[Arrived], Awaitable[None]]


class Intake:
    """Works through the inbox: providers' webhooks in order of arrival, Telegram's updates in order for each chat."""

    def __init__(
        self,
        *,
        store: Store,
        accounts: Mapping[str, Account],
        relay: Relay,
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._accounts = accounts
        self._relay = relay
        self._clock = clock
        self._take_update: TakeUpdate | None = None
        self._waiting: deque[Arrived] = deque()
        self._behind = False
        """True while arrivals are left in the database only, because too many wait in memory."""
        self._last_offered = 0
        self._last_taken = 0
        self._wake = asyncio.Event()
        self._stopping = False
        self._task: asyncio.Task[None] | None = None
        self._asking: dict[int, asyncio.Task[None]] = {}
        """Arrivals about which their provider is being asked; they are pending until it has answered."""
        store.on_wake(self._woken)

    def _woken(self, topics: frozenset[str]) -> None:
        if "*" in topics and self._task is not None:
            # Another process may have put something into the inbox; what is at hand is not done twice.
            self._behind, self._last_taken = True, 0
            self._wake.set()

    def takes_updates(self, take: TakeUpdate) -> None:
        """Say who deals with Telegram's updates (it keeps their order for each chat)."""
        self._take_update = take

    async def start(self) -> None:
        """Take up what a former process committed and did not finish, then what is offered."""
        self._behind = True
        self._last_offered = await self._store.read(lambda tx: tx.inbox.last_id())
        self._task = asyncio.create_task(self._run(), name="intake")
        self._wake.set()

    async def stop(self) -> None:
        """Finish the item at hand; the rest waits in the inbox."""
        self._stopping = True
        self._wake.set()
        if self._task is not None:
            await self._task
        asking = tuple(self._asking.values())
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)

    @property
    def turning(self) -> bool:
        """Whether the loop is alive."""
        return self._task is not None and not self._task.done()

    def offer(self, item: Arrived) -> None:
        """An arrival is committed: work on it soon. Call in the order of the commits."""
        self._last_offered = max(self._last_offered, item.id)
        if not self._behind:
            if len(self._waiting) < IN_MEMORY_MOST:
                self._waiting.append(item)
            else:
                self._behind = True
        self._wake.set()

    async def _run(self) -> None:
        while not self._stopping:
            self._wake.clear()
            try:
                await self._turn()
            except StoreError as error:
                logger.error("the store does not take writes", extra={"action": "intake", "error": str(error)})
                # What was taken from memory and not committed is still pending in the database.
                self._behind, self._last_taken = True, 0
                self._waiting.clear()
                await asyncio.sleep(STORE_WAIT_S)
                continue
            if not self._waiting and not self._behind:
                await self._wake.wait()

    async def _turn(self) -> None:
        items: Sequence[Arrived]
        if self._waiting:
            items = [self._waiting.popleft() for _ in range(min(CHUNK, len(self._waiting)))]
        elif self._behind:
            after, offered = self._last_taken, self._last_offered
            items = await self._store.read(lambda tx: tx.inbox.pending(after=after, limit=CHUNK))
            if not items:
                # What was offered while this was read is in the database only: then there is more to read.
                self._last_taken = max(after, offered)
                self._behind = self._last_offered > offered
                return
        else:
            return
        # Units are handed over in order and the writer runs them in order: their commits may be shared.
        await _all([self._take(item) for item in items])
        self._last_taken = max(self._last_taken, items[-1].id)

    async def _take(self, item: Arrived) -> None:
        if item.account == TELEGRAM:
            if self._take_update is not None:
                await self._take_update(item)
            return
        account = self._accounts.get(item.account)
        if not isinstance(account, ProviderAccount):
            await self._store.write(lambda tx: tx.inbox.failed(item, "there is no such account any more"))
            return
        events, wrong = self._decoded(account, item)
        if wrong is not None:
            reason = wrong
            await self._store.write(lambda tx: tx.inbox.failed(item, reason))
            return
        if _is_to_be_asked_about(account, events):
            if item.id not in self._asking:
                # By itself: a provider that is away must not keep the others waiting.
                task = asyncio.create_task(self._ask(account, item, events), name="resolve")
                self._asking[item.id] = task
                task.add_done_callback(lambda _: self._asking.pop(item.id, None))
            return
        await self._settle(item, events)

    async def _settle(self, item: Arrived, events: Sequence[Event]) -> None:
        try:
            await self._store.write(lambda tx: self._decide(tx, item, events))
        except StoreError:
            raise
        except Exception as error:
            reason = _bug(item, error)
            await self._store.write(lambda tx: tx.inbox.failed(item, reason))

    async def _ask(self, account: ProviderAccount, item: Arrived, events: Sequence[Event]) -> None:
        """Ask the provider which messages the events are about, then decide on them."""
        resolved = events
        for wait_s in (*ASK_AGAIN_S, None):
            try:
                resolved = [await _resolved(account, event, hook_of(item)) for event in events]
                break
            except BridgeError as error:
                logger.info("which message is gone is not known", extra=_ids(item, error=str(error)))
                if wait_s is None or not isinstance(error, Unavailable):
                    break
                await asyncio.sleep(wait_s)
            except Exception as error:
                _bug(item, error)
                break
        try:
            await self._settle(item, resolved)
        except StoreError as error:
            logger.error("the store does not take writes", extra={"action": "intake", "error": str(error)})
            self._behind, self._last_taken = True, 0  # it is pending in the database
            self._wake.set()

    async def accept(self, item: Arrived) -> None:
        """Commit a webhook together with what its events lead to; raises ``StoreError``.

        Whatever goes wrong in between is our fault and not the provider's: the raw webhook is committed all the same,
        as failed, for a replay.
        """
        account = self._accounts[item.account]
        assert isinstance(account, ProviderAccount)
        events, wrong = self._decoded(account, item)
        point("intake.decoded")
        if wrong is None and _is_to_be_asked_about(account, events):
            # Committed first: the answer may take longer than the provider waits for ours.
            id = await self._store.write(lambda tx: tx.inbox.put(item))
            if id is not None:
                self.offer(replace(item, id=id))
            return
        if wrong is None:
            try:
                await self._store.write(lambda tx: self._accept(tx, item, events))
                return
            except StoreError:
                raise
            except Exception as error:
                wrong = _bug(item, error)
        reason = wrong
        await self._store.write(lambda tx: tx.inbox.put_failed(item, reason))

    def _accept(self, tx: Tx, item: Arrived, events: Sequence[Event]) -> None:
        tx.inbox.put_decided(item, [self.take_event(tx, item.account, event) for event in events])

    def _decoded(self, account: ProviderAccount, item: Arrived) -> tuple[Sequence[Event], str | None]:
        """The events of a webhook, and what is wrong if it cannot be decoded."""
        try:
            return account.decode(hook_of(item)), None
        except Garbled as error:
            logger.warning("a webhook was not understood", extra=_ids(item, error=str(error)))
            return (), str(error)
        except Exception as error:
            return (), _bug(item, error)

    def _decide(self, tx: Tx, item: Arrived, events: Sequence[Event]) -> None:
        if not tx.inbox.is_pending(item.id):
            return
        outcomes = [self.take_event(tx, item.account, event) for event in events]
        tx.inbox.done(item, outcomes)

    def take_event(self, tx: Tx, account: str, event: Event) -> str:
        """What one event leads to, inside the caller's transaction; returns its outcome's name."""
        now = self._clock()
        if tx.inbox.seen(account, event.key, now=now):
            return "duplicates"
        if isinstance(event, StatusChanged):
            return self._relay.reported(tx, account, event, now=now)
        if isinstance(event, Edited | Deleted | Reacted | MembersChanged):
            return self._relay.changed(tx, account, event, now=now)
        if not isinstance(event, Received):
            return "unsupported"
        at = event.at.timestamp()
        if event.twin and tx.inbox.is_twin(account, event.twin, firm=event.firm, at=at):
            self._relay.noticed(tx, account, event.conversation, at=at)
            return "duplicates"
        if event.ours:
            self._relay.noticed(tx, account, event.conversation, at=at)
            self._relay.echoed(tx, account, event)
            return "echoes"
        if event.id is not None and tx.messages.locate(account, event.id) is not None:
            # Ours by its id, or polled and posted with different keys.
            return "echoes"
        return self._relay.received(tx, Address(AccountName(account), event.conversation.id), event, now=now)


def _is_to_be_asked_about(account: ProviderAccount, events: Sequence[Event]) -> bool:
    return any(isinstance(event, Deleted) for event in events) and isinstance(account.bridge, Resolves)


async def _resolved(account: ProviderAccount, event: Event, hook: Hook) -> Event:
    """The event with the id that its message has elsewhere."""
    if not isinstance(event, Deleted) or not isinstance(account.bridge, Resolves):
        return event
    id = await account.run(account.bridge.resolve(event, hook))
    return event if id is None else event.model_copy(update={"id": id})


def hook_of(item: Arrived) -> Hook:
    """An arrival as the hook that the bridge verified."""
    return Hook(
        body=item.body,
        headers=item.headers,
        path=item.path,
        received_at=datetime.fromtimestamp(item.received_at, UTC),
    )


def _bug(item: Arrived, error: Exception) -> str:
    """Log a bug of ours and put it into words for the record."""
    logger.error("an arrival could not be dealt with", exc_info=error, extra=_ids(item))
    return f"our bug: {type(error).__name__}"


def _ids(item: Arrived, **more: str) -> dict[str, object]:
    return {"action": "intake", "account": item.account, "inbox": item.id, **more}


async def _all(work: Sequence[Awaitable[None]]) -> None:
    """Run them side by side, each started in order; the first error is raised once all have ended."""
    results = await asyncio.gather(*work, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
