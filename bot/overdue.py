"""What had to wait, when its turn comes: held or expired, stamped with its lateness, or gathered into a digest.

What counts as late and what a digest looks like is in `bot.late`; this finds the rows and writes to them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import takewhile

from bot import late, loops
from bot.accounts import Account
from bot.addresses import TELEGRAM, Address
from bot.changes import BY_ROUTE
from bot.settling import Settling
from bot.shaping import quoting
from bot.store import Store, Tx
from bot.store.outbox import PRIORITY_RELAY, Delivery, Lease, Outcome
from bridges.errors import Inexpressible
from bridges.model import ConversationId, Message, Person, PersonId


class Overdue:
    """What one account sends later than it was written."""

    def __init__(self, account: Account, *, store: Store, settling: Settling, zone: str) -> None:
        self._account = account
        self._store = store
        self._settling = settling
        self._zone = zone

    def settled(self, tx: Tx, lease: Lease, *, now: float) -> bool:
        """Settle what its route does not want sent so late. True if there was any: the others wait for their turn."""
        outcomes = []
        for row in lease.rows:
            late_s = _late_s(tx, row, now=now) if row.late and row.op == "send" else 0.0
            match late.judge(row.late, late_s=late_s):
                case "hold" if not _has_begun(tx, row):
                    outcomes.append(Outcome(row.id, "held", late.words(late_s)))
                case "expire" if not _has_begun(tx, row):
                    outcomes.append(Outcome(row.id, "expired", late.words(late_s)))
                case _:
                    outcomes.append(Outcome(row.id, "queued", row.error, due_at=now, counts=False))
        if all(outcome.state == "queued" for outcome in outcomes):
            return False
        self._settling.settle_in(tx, lease, outcomes, now=now)
        return True

    def said(self, tx: Tx, lease: Lease, *, now: float) -> Lease:
        """The lease as it is to go out: with all that goes into one digest, or with its late rows saying so."""
        return self._gathered(tx, lease, now=now) or self._stamped(tx, lease, now=now)

    def _stamped(self, tx: Tx, lease: Lease, *, now: float) -> Lease:
        """The lease with its late rows saying so, where their routes want that."""
        if not any(row.late == "stamp" and row.op == "send" for row in lease.rows):
            return lease
        capabilities = self._account.capabilities
        rows = []
        for row in lease.rows:
            late_s = _late_s(tx, row, now=now)
            if row.op == "send" and late.judge(row.late, late_s=late_s) == "stamp":
                message = _unstamped(row)
                limit = capabilities.text_limit
                if message.attachments and capabilities.caption_limit:
                    limit = capabilities.caption_limit
                told = late.stamped(message, late_s=late_s, limit=limit, unit=capabilities.text_unit)
                row = tx.outbox.stamp(row, told.model_dump_json(exclude_defaults=True))
            rows.append(row)
        return replace(lease, rows=tuple(rows))

    def _gathered(self, tx: Tx, lease: Lease, *, now: float) -> Lease | None:
        """The lease with all that goes into one digest; None if the head is to go alone.

        Only towards Telegram, where people look at the whole: elsewhere each may be somebody's own message.
        """
        head = lease.rows[0]
        if self._account.name != TELEGRAM or not _joins(head, head):
            return None
        if _late_s(tx, head, now=now) <= late.DIGEST_AFTER_S:
            return None
        behind = tx.outbox.behind(lease, limit=late.DIGEST_MOST)
        rows = list(takewhile(lambda row: _joins(row, head) and _is_plain(row), behind))
        if len(rows) <= late.SCREENFUL:
            return None
        message, fitting = self._digest([_waited(tx, row) for row in rows])
        if not fitting:
            return None
        into = Address(self._account.name, ConversationId(lease.conversation))
        loops.remember(tx, Message(), [message], source=None, into=into, now=now)
        return tx.outbox.widen(lease, rows[:fitting])

    async def digest(self, lease: Lease) -> Message:
        """What a lease that was gathered says. Raises ``Inexpressible`` if that fits no longer; ``StoreError``."""
        waited = await self._store.read(lambda tx: [_waited(tx, row) for row in lease.rows])
        message, fitting = self._digest(waited)
        if fitting < len(waited):
            raise Inexpressible("what they answer was edited, and now they do not fit into one message")
        return message

    def _digest(self, waited: Sequence[late.Waited]) -> tuple[Message, int]:
        capabilities = self._account.capabilities
        return late.digest(waited, zone=self._zone, limit=capabilities.text_limit, unit=capabilities.text_unit)


def _late_s(tx: Tx, row: Delivery, *, now: float) -> float:
    """Seconds since it was written."""
    return now - _written_at(tx, row)


def _written_at(tx: Tx, row: Delivery) -> float:
    origin = None if row.message is None else tx.messages.get(row.message)
    # Clocks differ: nothing was written after it came in.
    return row.created_at if origin is None else min(origin.at, row.created_at)


def _has_begun(tx: Tx, row: Delivery) -> bool:
    """Whether another part of it is over there, or somebody sends it however late, so that the rest has to follow."""
    if row.parts == 1 or row.message is None:
        return False
    return any(
        other.address == row.address
        and other.op == "send"
        and (other.state in ("sending", "sent") or (other.state == "queued" and other.late != row.late))
        for other in tx.outbox.of_message(row.message)
    )


def _unstamped(row: Delivery) -> Message:
    return Message.model_validate_json(row.words or row.payload)


def _joins(row: Delivery, head: Delivery) -> bool:
    """Whether a row is of the kind that goes into a digest which begins with ``head``."""
    return (
        row.op == "send"
        and row.state == "queued"
        and not row.solo
        and row.parts == 1
        and row.message is not None
        and row.priority == PRIORITY_RELAY
        and row.late in ("", "stamp")
        and row.why.startswith(BY_ROUTE)
        and row.on_ambiguous == head.on_ambiguous
    )


def _is_plain(row: Delivery) -> bool:
    """Whether it is nothing but text."""
    if not row.intact:
        return False
    message = _unstamped(row)
    return bool(message.text) and message == Message(
        text=message.text, spans=message.spans, sender=message.sender, reply_to=message.reply_to, quote=message.quote
    )


def _waited(tx: Tx, row: Delivery) -> late.Waited:
    """A row as it stands in a digest: an answer quotes what it answers."""
    message = _unstamped(row)
    original = None if row.reply_to is None else tx.messages.get(row.reply_to)
    if original is not None and original.text:
        sender = Person(id=PersonId(original.sender_id), name=original.sender_name)
        message = quoting(message, original=Message(text=original.text, sender=sender))
    return late.Waited(_written_at(tx, row), message)
