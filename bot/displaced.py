"""Deliveries to places that are not what they were: topics to be opened, groups with another id, chats that bar us.

What a send met is settled here; what becomes of the place with it, in the same transaction, is in `bot.places`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

from bot.accounts import Account, Barred, ChatMoved, TopicGone
from bot.addresses import Address, opening_id, telegram_address
from bot.faultpoints import point
from bot.outgoings import Outgoings
from bot.places import WAIT_S, OpensTopics, Places
from bot.settling import Settling
from bot.store import Store, Tx
from bot.store.outbox import Delivery, Lease, Outcome
from bridges.model import AccountName, ConversationId, Receipt

logger = logging.getLogger(__name__)


class Displaced:
    """What one account sends to such places. ``request``: told of each, by account and outcome."""

    def __init__(
        self,
        account: Account,
        *,
        store: Store,
        places: Places | None,
        settling: Settling,
        outgoings: Outgoings,
        request: Callable[[str, str], None],
        clock: Callable[[], float],
    ) -> None:
        self._account = account
        self._store = store
        self._places = places
        self._settling = settling
        self._outgoings = outgoings
        self._request = request
        self._clock = clock

    # --- topics to be opened

    async def open(self, lease: Lease) -> tuple[int, Receipt] | None:
        """Open the forum topic that this lane waits for, and say in it what it is for: the opening, and what was sent.

        None if something else is at the head of the lane: it waits on, or it is dead. Raises ``BridgeError``,
        ``StoreError``.
        """
        row, places = lease.rows[0], self._places
        opening = await self._store.read(lambda tx: places and places.opening(tx, lease.conversation))
        if row.op != "open" or not opening or not isinstance(self._account, OpensTopics):
            await self._wait_for_topic(lease)
            return None
        topic = opening.topic
        if topic is None:
            topic = telegram_address(opening.chat, await self._account.open_topic(opening.chat, opening.title))
            point("delivery.answered")
            id, address = opening.id, str(topic)
            await self._settling.write(lambda tx: tx.topics.is_at(id, address))
        card = replace(await self._outgoings.of(row), conversation=topic.conversation)
        return opening.id, await self._account.deliver([card])

    async def opened(self, lease: Lease, id: int, receipt: Receipt) -> None:
        """Let in what waits for a topic that is open now."""
        row, places = lease.rows[0], self._places
        now = self._clock()

        def unit(tx: Tx) -> None:
            outcome = Outcome(row.id, "sent", remote_ids=tuple(receipt.ids))
            if self._settling.settle_in(tx, lease, [outcome], now=now) and places:
                places.opened(tx, id, now=now)

        await self._settling.write(unit)

    async def not_opened(self, lease: Lease, reason: str) -> None:
        """The topic cannot be opened: what waits for it is dead."""
        row, places = lease.rows[0], self._places
        now = self._clock()
        self._request(self._account.name, "refused")
        logger.info("a topic is not opened", extra={"action": "open", "account": self._account.name, "outbox": row.id})

        def unit(tx: Tx) -> None:
            id = opening_id(lease.conversation)
            settled = self._settling.settle_in(tx, lease, [Outcome(row.id, "dead", reason)], now=now)
            if settled and places and id is not None:
                places.not_opened(tx, id, reason, now=now)

        await self._settling.write(unit)

    async def _wait_for_topic(self, lease: Lease) -> None:
        """Something came to the head of a lane whose topic is not there: it waits on, or it is dead."""
        id, places, now = opening_id(lease.conversation), self._places, self._clock()

        def unit(tx: Tx) -> None:
            reason = places.waits(tx, id, now=now) if places and id is not None else "its topic is not opened"
            self._settling.settle_in(tx, lease, _waiting(lease, None if places else reason, due_at=now), now=now)
            if places and reason is not None:
                # The owners heard of the topic: of what waits for it they need not hear one by one.
                places.give_up(tx, _address(lease.rows[0]), reason=reason, now=now)

        await self._settling.write(unit)

    # --- places that are gone, or elsewhere

    async def settle(self, lease: Lease, error: ChatMoved | TopicGone | Barred) -> None:
        """The chat has another id, its topic was deleted, or it lets us write no more. Nothing was sent."""
        places, now = self._places, self._clock()
        row = lease.rows[0]
        self._request(self._account.name, type(error).__name__.lower())
        logger.info(
            "not delivered",
            extra={
                "action": "deliver",
                "account": self._account.name,
                "outbox": [each.id for each in lease.rows],
                "error": str(error),
                "decision": type(error).__name__.lower(),
            },
        )

        def unit(tx: Tx) -> None:
            match error:
                case ChatMoved(new=new):
                    reason = None if self.follow(tx, row, new) else str(error)
                    self._settling.settle_in(tx, lease, _waiting(lease, reason, due_at=now), now=now)
                case TopicGone():
                    reason = places.gone(tx, row, now=now) if places else str(error)
                    # The owners heard of a topic that cannot be opened anew, and need not hear of what waited for it.
                    said = reason is not None and tx.topics.replacing(row.address) is not None
                    outcomes = _waiting(lease, None if said else reason, due_at=now + WAIT_S)
                    self._settling.settle_in(tx, lease, outcomes, now=now)
                    if places and said and reason is not None:
                        places.give_up(tx, _address(row), reason=reason, now=now)
                case Barred():
                    # With places, what waits is given up as a whole, and the owners hear of the chat and not of each.
                    reason = None if places else str(error)
                    self._settling.settle_in(tx, lease, _waiting(lease, reason, due_at=now), now=now)
                    if places:
                        announced = row.broadcast is not None
                        places.barred(
                            tx, _address(row), str(error), row=None if announced else row, quiet=announced, now=now
                        )

        await self._settling.write(unit)

    def follow(self, tx: Tx, row: Delivery, new: ConversationId) -> bool:
        """Everything goes where the chat of a delivery is now; False if it is there already."""
        old = Address(self._account.name, ConversationId(row.conversation.partition("/")[0]))
        if self._places is None or old.conversation == new:
            return False
        self._places.upgraded(tx, old, Address(self._account.name, new), now=self._clock())
        return True


def _address(row: Delivery) -> Address:
    return Address(AccountName(row.account), ConversationId(row.conversation))


def _waiting(lease: Lease, reason: str | None, *, due_at: float) -> list[Outcome]:
    """The rows go on waiting, or are dead for a reason."""
    if reason is None:
        return [Outcome(row.id, "queued", row.error, due_at=due_at, counts=False) for row in lease.rows]
    return [Outcome(row.id, "dead", reason) for row in lease.rows]
