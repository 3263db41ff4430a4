"""What is there already is edited, taken back or reacted to; what cannot be done over there is said there."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

from bot import behind
from bot.accounts import Account
from bot.settling import Settling
from bot.store import Store, Tx
from bot.store.outbox import Delivery, Lease, NewDelivery, Outcome
from bridges.errors import BridgeError, Inexpressible
from bridges.model import ConversationId, Message, MessageId

logger = logging.getLogger(__name__)


@runtime_checkable
class Pins(Protocol):
    """An account that can put a message on top of its conversation."""

    async def pin(self, conversation: ConversationId, ids: Sequence[MessageId]) -> None:
        """Pin one part of a message (of several ids the first), making no sound; pinned already is success.

        Raises ``Refused``, any ``BridgeError``.
        """
        ...


class Changing:
    """Makes the changes of one account. ``request``: told of those that are said, by account and outcome."""

    def __init__(
        self,
        account: Account,
        *,
        store: Store,
        settling: Settling,
        request: Callable[[str, str], None],
        clock: Callable[[], float],
    ) -> None:
        self._account = account
        self._store = store
        self._settling = settling
        self._request = request
        self._clock = clock

    async def change(self, row: Delivery) -> None:
        """Edit, take back, react or pin. Raises ``BridgeError``, ``StoreError``."""
        place = ConversationId(row.conversation)
        ids = await self._store.read(lambda tx: _ids_of(tx, row))
        if not ids:
            raise Inexpressible("its id over there is not known")
        message = Message.model_validate_json(row.payload)
        match row.op:
            case "edit":
                await self._account.edit(place, ids, message)
            case "delete":
                await self._account.delete(place, ids)
            case "pin":
                if not isinstance(self._account, Pins):
                    raise Inexpressible("nothing can be pinned there")
                await self._account.pin(place, ids)
            case _:
                await self._account.react(place, ids[0], message.text)

    def is_once(self, row: Delivery) -> bool:
        """Whether doing it again may undo it: if in doubt it is said in words."""
        return row.op == "react" and self._account.capabilities.reactions_stay

    async def say_instead(self, lease: Lease, words: str, error: BridgeError) -> None:
        """What cannot be done over there is said there, unless what it is done to never got there."""
        (row,) = lease.rows
        now = self._clock()
        self._request(self._account.name, "refused")
        logger.info(
            "said in words",
            # What the provider says of it may hold words of people.
            extra={"action": row.op, "account": self._account.name, "outbox": row.id, "error": type(error).__name__},
        )

        def unit(tx: Tx) -> None:
            if self._settling.settle_in(tx, lease, [Outcome(row.id, "queued", due_at=now, counts=False)], now=now):
                first, *rest = words.split("\n")
                if behind.never_there(tx, row):
                    tx.outbox.settle_by_hand(row.id, state="cancelled", now=now)
                    rest = []
                else:
                    tx.outbox.say_instead(row.id, first)
                _say_the_rest(tx, row, rest, now=now)

        await self._settling.write(unit)


def _ids_of(tx: Tx, row: Delivery) -> Sequence[MessageId]:
    """What the part that is to be changed is called over there."""
    if row.subject is None:
        return ()
    found = tx.messages.remote_ids_of(row.subject, row.account, row.conversation, part=row.part)
    return [MessageId(id) for id in found]


def _say_the_rest(tx: Tx, row: Delivery, rest: Sequence[str], *, now: float) -> None:
    """A change that is said instead is said whole: what was to be done to further parts is not, and more may follow."""
    assert row.subject is not None
    for other in tx.outbox.about(row.subject):
        with_it = other.id > row.id and other.created_at == row.created_at and other.op in ("edit", "delete", "send")
        if with_it and other.address == row.address and other.state == "queued":
            tx.outbox.settle_by_hand(other.id, state="cancelled", now=now)
    for payload in rest:
        tx.outbox.add(
            NewDelivery(
                account=row.account,
                conversation=row.conversation,
                payload=payload,
                created_at=now,
                expires_at=row.expires_at,
                on_ambiguous=row.on_ambiguous,
                priority=row.priority,
                message=row.message,
                marked=bool(row.marked),
                reply_to=row.subject,
                part=0,
                why=row.why,
                op="note",
                subject=row.subject,
            )
        )
