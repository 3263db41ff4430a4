"""What became of a send, written down: outcomes, copies, what a conversation is called, and who else is to know."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from bot import behind, decisions, loops
from bot.accounts import Account
from bot.addresses import TELEGRAM, Address
from bot.faultpoints import point
from bot.store import Store, StoreError, Tx
from bot.store.messages import Copy
from bot.store.outbox import CHANGES, Delivery, Lease, NewDelivery, Outcome
from bridges.model import AccountName, ConversationId, Message

logger = logging.getLogger(__name__)

STORE_WAIT_S = 0.5
T = TypeVar("T")


class Observer(Protocol):
    """What else happens, inside the same transaction, when deliveries settle: marks, cards, notices."""

    def settled(self, tx: Tx, rows: Sequence[Delivery], outcomes: Sequence[Outcome], *, now: float) -> None:
        """Rows just got these outcomes."""
        ...

    def paused(self, tx: Tx, account: str, *, reason: str, now: float) -> None:
        """An account was paused because its credentials are refused."""
        ...


class Settling:
    """Ends the attempts of one account."""

    def __init__(self, account: Account, *, store: Store, observer: Observer, clock: Callable[[], float]) -> None:
        self._account = account
        self._store = store
        self._observer = observer
        self._clock = clock

    async def settle(
        self,
        lease: Lease,
        outcomes: Sequence[Outcome],
        *,
        pause: str | None = None,
        handle: tuple[str, str] = ("", ""),
        follow: Sequence[NewDelivery] = (),
    ) -> None:
        """Write it down, however long the store takes: the answer is known only here until then.

        ``handle``: what the send took the conversation to be called, and what it learnt. ``follow``: what is to be sent
        after it.
        """
        before, learnt = handle

        def unit(tx: Tx) -> bool:
            now = self._clock()
            if learnt and learnt != before:
                tx.conversations.learn_handle(lease.account, lease.conversation, learnt, before=before, now=now)
            settled = self.settle_in(tx, lease, outcomes, now=now, pause=pause)
            for new in follow if settled else ():
                tx.outbox.add(new)
            return settled

        settled = await self.write(unit)
        point("delivery.settled")
        if not settled:
            logger.warning("a lease was lost before its send was recorded", extra={"account": lease.account})

    def settle_in(
        self, tx: Tx, lease: Lease, outcomes: Sequence[Outcome], *, now: float, pause: str | None = None
    ) -> bool:
        """The same inside a transaction; False if the lease was lost, and then nothing is written."""
        if not tx.outbox.settle(lease, outcomes, now=now):
            return False
        for row, outcome in zip(lease.rows, outcomes, strict=False):
            about = row.message if row.message is not None else row.subject
            if about is not None and outcome.state == "sent" and row.op == "delete":
                tx.messages.forget_copies(about, row.account, row.conversation, part=row.part)
            if about is None or outcome.state != "sent" or row.op in CHANGES:
                continue
            # A digest is no copy of any message in it, that could be edited or taken back for its sake.
            part = 0 if is_digest(lease) else row.part
            for remote_id in outcome.remote_ids:
                tx.messages.add_copy(about, Copy(row.account, row.conversation, remote_id, part, row.id))
            if part == 1 and row.op == "send" and row.account == TELEGRAM and outcome.remote_ids:
                behind.pin(tx, row, now=now)
            if now - row.created_at > loops.SETTLED_LATE_S:
                into = Address(AccountName(row.account), ConversationId(row.conversation))
                loops.arrived(tx, Message.model_validate_json(row.payload).text, into=into, now=now)
            if not outcome.remote_ids and self._account.capabilities.echoes:
                tx.messages.nameless(row.id, account=row.account, conversation=row.conversation, now=now)
        if pause is not None and tx.accounts.pause(lease.account, reason=pause, now=now):
            self._observer.paused(tx, lease.account, reason=pause, now=now)
        waits = {outcome.id for outcome in outcomes if outcome.state in behind.UNSENT}
        # Of an announcement that was stopped what may have arrived is held, whatever was to become of it.
        waits |= {row.id for row in lease.rows if row.broadcast is not None}
        over = [row for row in lease.rows if row.id in waits and behind.fold(tx, row, now=now)]
        told = [(row, outcome) for row, outcome in zip(lease.rows, outcomes, strict=False) if row not in over]
        self._observer.settled(tx, [row for row, _ in told], [outcome for _, outcome in told], now=now)
        for row in over:
            if row.message is not None and row.marked:
                decisions.show(tx, row.message, now=now)
        return True

    async def write(self, unit: Callable[[Tx], T]) -> T:
        """Run it in a transaction, however long the store takes to take it."""
        while True:
            try:
                return await self._store.write(unit)
            except StoreError as error:
                logger.error("a send cannot be recorded yet", extra={"action": "settle", "error": str(error)})
                await asyncio.sleep(STORE_WAIT_S)


def is_digest(lease: Lease) -> bool:
    """Whether its rows go out as one message; elsewhere several rows are a batch, and a message each."""
    return len(lease.rows) > 1 and lease.account == TELEGRAM
