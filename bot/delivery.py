"""Outbox → Account.deliver → settle: one dispatcher for each account, one lane for each conversation.

A send takes two commits: *begin* before the request leaves, *settle* after the answer. Whatever is found begun and
not settled has an unknown outcome and goes the way of `bot.retry`. No transaction is open while the network is used.
"""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, Protocol, TypedDict, TypeVar

from bot.accounts import Account
from bot.faultpoints import point
from bot.retry import (
    SCHEDULE_S,
    Again,
    Confirm,
    Dead,
    Decision,
    Hold,
    PauseAccount,
    after_crash,
    after_failed_confirm,
    decide,
)
from bot.shaping import attachment_note
from bot.store import Store, StoreError, Tx
from bot.store.messages import Copy
from bot.store.outbox import CHANGES, Delivery, Lease, Outcome
from bridges.api import Answered, File, Outgoing
from bridges.errors import BridgeError, Inexpressible, Refused, Unavailable
from bridges.model import Attachment, ConversationId, Message, MessageId, Person, PersonId, Receipt

logger = logging.getLogger(__name__)

LEASE_S = 600.0
"""Longer than any send may take: nobody else claims meanwhile, a restart frees all leases at once."""
CLAIM_MOST = 128
PROBE_EVERY_S = 180.0
STORE_WAIT_S = 0.5
_UNREAD = "the database could not be read"
T = TypeVar("T")


class Circumstances(TypedDict):
    """What `bot.retry` wants to know about a row."""

    attempts: int
    age_s: float
    max_age_s: float
    on_ambiguous: Literal["hold", "resend"]
    idempotent: bool
    jitter: float


class Observer(Protocol):
    """What else happens, inside the same transaction, when deliveries settle: marks, cards, notices."""

    def settled(self, tx: Tx, rows: Sequence[Delivery], outcomes: Sequence[Outcome], *, now: float) -> None:
        """Rows just got these outcomes."""
        ...

    def paused(self, tx: Tx, account: str, *, reason: str, now: float) -> None:
        """An account was paused because its credentials are refused."""
        ...


@dataclass
class Meters:
    """What the metrics page is told as it happens."""

    request: Callable[[str, str], None] = lambda account, outcome: None
    delivered: Callable[[str, float], None] = lambda account, seconds: None


class DeliveryEngine:
    """Sends what the outbox holds, for every account."""

    def __init__(
        self,
        *,
        store: Store,
        accounts: Mapping[str, Account],
        observer: Observer,
        meters: Meters | None = None,
        clock: Callable[[], float] = time.time,
        jitter: Callable[[], float] = lambda: random.uniform(-1, 1),
    ) -> None:
        self._store = store
        self._accounts = accounts
        self._observer = observer
        self._meters = meters or Meters()
        self._clock = clock
        self._jitter = jitter
        self._owner = secrets.token_hex(8)
        self._instance = ""
        self._dispatchers = {name: _Dispatcher(self, account) for name, account in accounts.items()}
        self._recovered: list[asyncio.Task[None]] = []
        store.on_wake(self._woken)

    def _woken(self, topics: frozenset[str]) -> None:
        for name, dispatcher in self._dispatchers.items():
            if name in topics or "*" in topics:
                dispatcher.wake()

    async def start(self) -> None:
        """Take up what a former process left behind, then send."""
        now = self._clock()
        self._instance = await self._store.read(lambda tx: tx.meta.instance)
        leases = await self._store.write(lambda tx: tx.outbox.recover(owner=self._owner, now=now, lease_s=LEASE_S))
        if leases:
            point("start.recovered")
        for lease in leases:
            dispatcher = self._dispatchers.get(lease.account)
            if dispatcher is not None:
                self._recovered.append(asyncio.create_task(dispatcher.resolve_crashed(lease)))
        if leases:
            logger.warning(
                "deliveries were under way when the process stopped",
                extra={"action": "recover", "deliveries": sum(len(lease.rows) for lease in leases)},
            )
        for dispatcher in self._dispatchers.values():
            dispatcher.start()

    async def stop(self, *, grace_s: float = 10.0) -> None:
        """Claim nothing more; let what is under way finish for ``grace_s``."""
        for dispatcher in self._dispatchers.values():
            dispatcher.stop_claiming()
        ends_at = asyncio.get_running_loop().time() + grace_s
        # The loops first: one that is just claiming begins sends, which then are under way too.
        late = await _wait([d.loop for d in self._dispatchers.values() if d.loop is not None], until=ends_at)
        under_way = [task for d in self._dispatchers.values() for task in d.under_way] + self._recovered
        late |= await _wait(under_way, until=ends_at)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    @property
    def turning(self) -> bool:
        """Whether every dispatcher's loop is alive."""
        return all(d.alive for d in self._dispatchers.values())


class _Dispatcher:
    """One account's loop: claim due lanes, begin, send, settle."""

    def __init__(self, engine: DeliveryEngine, account: Account) -> None:
        self.engine = engine
        self.account = account
        self.under_way: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._stopping = False
        self.loop: asyncio.Task[None] | None = None
        self._paused_at: float | None = None
        """Since when it is known to be paused, or when it was last looked at."""

    def wake(self) -> None:
        self._wake.set()

    def start(self) -> None:
        self.loop = asyncio.create_task(self._run(), name=f"dispatch {self.account.name}")
        self.wake()

    def stop_claiming(self) -> None:
        self._stopping = True
        self.wake()

    @property
    def alive(self) -> bool:
        return self.loop is not None and not self.loop.done()

    # --- claiming

    async def _run(self) -> None:
        while not self._stopping:
            self._wake.clear()
            try:
                wait_s = await self._turn()
            except StoreError as error:
                logger.error("the store does not take writes", extra={"action": "claim", "error": str(error)})
                wait_s = STORE_WAIT_S
            except Exception:
                logger.exception("dispatching failed", extra={"action": "claim", "account": self.account.name})
                wait_s = 1.0
            try:
                async with asyncio.timeout(wait_s):
                    await self._wake.wait()
            except TimeoutError:
                pass

    async def _turn(self) -> float | None:
        """Claim and start what can be sent now; returns seconds until there may be more (None: when woken)."""
        engine, account = self.engine, self.account
        free = min(account.slots - len(self.under_way), CLAIM_MOST)
        if free <= 0:
            return None  # a finished send wakes us
        now = engine._clock()
        if account.pace.whole and (closed_s := account.pace.ready_in("", now)) > 0:
            return closed_s
        leases, wait_s, paused = await engine._store.write(lambda tx: self._claim(tx, now=now, limit=free))
        if paused:
            return await self._probe_when_due(now)
        self._paused_at = None
        for lease in leases:
            task = asyncio.create_task(self._attempt(lease))
            self.under_way.add(task)
            task.add_done_callback(self._done)
        return wait_s

    def _done(self, task: asyncio.Task[None]) -> None:
        self.under_way.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("a send task ended badly", exc_info=error, extra={"account": self.account.name})
        self._wake.set()

    def _claim(self, tx: Tx, *, now: float, limit: int) -> tuple[list[Lease], float | None, bool]:
        account, engine = self.account, self.engine
        if tx.accounts.get(account.name).paused:
            return [], None, True
        claimed = tx.outbox.claim(
            account.name,
            owner=engine._owner,
            now=now,
            lease_s=LEASE_S,
            limit=limit,
            batch=account.capabilities.batch,
        )
        begun: list[Lease] = []
        for lease in claimed:
            head = lease.rows[0]
            if head.expires_at <= now and head.state == "queued":
                self._give_up(tx, lease, now=now)
                continue
            if not all(row.intact for row in lease.rows):
                self._hold_damaged(tx, lease, now=now)
                continue
            key = account.pace_key(ConversationId(lease.conversation))
            wait_s = account.pace.ready_in(key, now)
            if wait_s > 0:
                tx.outbox.release(lease, due_at=now + wait_s)
                continue
            if head.state == "queued":
                if not tx.outbox.begin(lease, now=now):
                    continue
                account.pace.took(key, now)
            begun.append(lease)
        if len(claimed) >= limit:
            return begun, 0.0, False
        due_at = tx.outbox.next_due(account.name)
        return begun, None if due_at is None else max(0.0, due_at - now), False

    def _give_up(self, tx: Tx, lease: Lease, *, now: float) -> None:
        head = lease.rows[0]
        hours = (now - head.created_at) / 3600
        last = f"; the last reason: {head.error}" if head.error else ""
        self._settle_in(tx, lease, [Outcome(head.id, "dead", f"given up after {hours:.1f} h{last}")], now=now)

    def _hold_damaged(self, tx: Tx, lease: Lease, *, now: float) -> None:
        outcomes = [
            Outcome(row.id, "held", "the stored text is damaged (its checksum does not fit); nothing was sent")
            if not row.intact
            else Outcome(row.id, "queued", row.error, due_at=now, counts=False)
            for row in lease.rows
        ]
        self._settle_in(tx, lease, outcomes, now=now)

    # --- one attempt

    async def _attempt(self, lease: Lease) -> None:
        if lease.rows[0].state == "sending":
            await self.resolve_crashed(lease)
            return
        point("delivery.begun")
        if lease.rows[0].op in CHANGES:
            await self._change(lease)
            return
        outs: list[Outgoing] = []
        try:
            outs = [await self._outgoing(row) for row in lease.rows]
            receipt = await self.account.deliver(outs)
        except asyncio.CancelledError:
            raise  # the row stays `sending`: unknown, resolved at the next start
        except StoreError:
            # What the message answers could not be looked up, so nothing has left.
            await self._failed(lease, Unavailable(_UNREAD))
        except Exception as error:
            await self._failed(lease, error, outs=outs)
        else:
            point("delivery.answered")
            self.engine._meters.request(self.account.name, "sent")
            await self._sent(lease, receipt, out=outs[0])

    async def _change(self, lease: Lease) -> None:
        """Edit, take back or react to what is there already."""
        (row,) = lease.rows
        place = ConversationId(row.conversation)
        try:
            ids = await self.engine._store.read(lambda tx: _ids_of(tx, row))
            if not ids:
                raise Inexpressible("its id over there is not known")
            message = Message.model_validate_json(row.payload)
            match row.op:
                case "edit":
                    await self.account.edit(place, ids, message)
                case "delete":
                    await self.account.delete(place, ids)
                case _:
                    await self.account.react(place, ids[0], message.text)
        except asyncio.CancelledError:
            raise
        except StoreError:
            await self._failed(lease, Unavailable(_UNREAD))
        except Refused as error:
            if row.words is None:
                await self._failed(lease, error)
            else:
                await self._say_instead(lease, row.words, error)
        except Exception as error:
            await self._failed(lease, error)
        else:
            point("delivery.answered")
            self.engine._meters.request(self.account.name, "sent")
            await self._settle(lease, [Outcome(row.id, "sent")])

    async def _say_instead(self, lease: Lease, words: str, error: Refused) -> None:
        """What cannot be done over there is said there."""
        (row,) = lease.rows
        now = self.engine._clock()
        self.engine._meters.request(self.account.name, "refused")
        logger.info(
            "said in words",
            extra={"action": row.op, "account": self.account.name, "outbox": row.id, "error": str(error)},
        )

        def unit(tx: Tx) -> None:
            if self._settle_in(tx, lease, [Outcome(row.id, "queued", due_at=now, counts=False)], now=now):
                tx.outbox.say_instead(row.id, words)

        await self._write(unit)

    async def _outgoing(self, row: Delivery, *, asked: bool = False) -> Outgoing:
        """A row as it is given to the account. ``asked``: only to ask what became of it, so that its files are named
        as they were and their bytes left out where they are not to be had any more."""
        message = Message.model_validate_json(row.payload)
        about = _About()
        files: tuple[File, ...] = ()
        # A look into the database for each message would cost more than all the rest here.
        if row.reply_to is not None or self.account.capabilities.handles:
            about = await self.engine._store.read(lambda tx: _about(tx, row))
        if row.reply_to is not None:
            message = message.model_copy(update={"reply_to": about.answered.id if about.answered else None})
        if message.attachments and self.account.capabilities.attachments == "bytes":
            whole = message
            message, files = await self._with_files(message)
            if asked and message.attachments != whole.attachments:
                message, files = whole, ()
        return Outgoing(
            key=f"{self.engine._instance}-{row.id}",
            conversation=ConversationId(row.conversation),
            message=message,
            # One found `sending` has had its request counted when it began.
            attempt=row.starts + (row.state == "queued"),
            began_at=_utc(row.started_at if row.state == "sending" else self.engine._clock()),
            handle=about.handle,
            answered=about.answered,
            files=files,
        )

    async def _with_files(self, message: Message) -> tuple[Message, tuple[File, ...]]:
        """The message and its files' bytes; a note stands in the text for one that is not to be had any more."""
        most = self.account.capabilities.attachment_bytes
        kept: list[Attachment] = []
        files: list[File] = []
        lines: list[str] = []
        for attachment in message.attachments:
            source = self.engine._accounts.get(attachment.account or "")
            try:
                if source is None:
                    raise Refused("nobody knows where this file is")
                data = await source.fetch(attachment)
                if most and data.size > most:
                    raise Refused("the file is larger than was said")
            except Refused as error:
                logger.info(
                    "a file is left out",
                    extra={"action": "deliver", "account": self.account.name, "error": str(error)},
                )
                lines.append(attachment_note(attachment))
            else:
                kept.append(attachment)
                files.append(data)
        text = "\n".join([*filter(None, [message.text]), *lines])
        return message.model_copy(update={"attachments": tuple(kept), "text": text}), tuple(files)

    async def _sent(self, lease: Lease, receipt: Receipt, *, out: Outgoing) -> None:
        outcomes = [
            Outcome(row.id, "sent", remote_ids=_share(receipt.ids, index, len(lease.rows)))
            for index, row in enumerate(lease.rows)
        ]
        await self._settle(lease, outcomes, handle=(out.handle, receipt.handle))
        now = self.engine._clock()
        for row in lease.rows:
            self.engine._meters.delivered(self.account.name, now - row.created_at)
        logger.debug(
            "delivered",
            extra={"action": "deliver", "account": self.account.name, "outbox": [row.id for row in lease.rows]},
        )

    async def _failed(self, lease: Lease, error: Exception, *, outs: Sequence[Outgoing] = ()) -> None:
        engine, account, now = self.engine, self.account, self.engine._clock()
        if isinstance(error, Unavailable) and error.retry_after is not None:
            account.pace.refused(account.pace_key(ConversationId(lease.conversation)), error.retry_after, now)
        if len(lease.rows) > 1 and isinstance(error, Refused):
            # Which of them is at fault is not known; a readable refusal stored none of them: each goes alone.
            again = [Outcome(r.id, "queued", str(error), due_at=now, counts=False, solo=True) for r in lease.rows]
            await self._settle(lease, again)
            return
        decision = self._decide(lease, error, now=now)
        outcome = type(error).__name__ if isinstance(error, BridgeError) else "bug"
        engine._meters.request(account.name, outcome.lower())
        logger.log(
            logging.INFO if isinstance(error, BridgeError) else logging.ERROR,
            "not delivered",
            exc_info=None if isinstance(error, BridgeError) else error,
            extra={
                "action": "deliver",
                "account": account.name,
                "outbox": [row.id for row in lease.rows],
                "error": str(error) if isinstance(error, BridgeError) else type(error).__name__,
                "decision": type(decision).__name__.lower(),
            },
        )
        if isinstance(decision, Confirm):
            await self._confirm(lease, error, out=outs[0] if outs else None)
        else:
            await self._apply(lease, decision, error)

    def _decide(self, lease: Lease, error: Exception, *, now: float, confirmed_absent: bool = False) -> Decision:
        head = lease.rows[0]
        return decide(
            error,
            can_confirm=self._can_confirm(lease),
            confirmed_absent=confirmed_absent,
            # One found `sending` has had its attempt counted when it began.
            **self._circumstances(head, now=now, attempts=head.attempts + (head.state == "queued")),
        )

    async def _confirm(self, lease: Lease, error: Exception, *, out: Outgoing | None = None) -> None:
        """Ask the provider what became of it; a provider that is away is asked again later."""
        head = lease.rows[0]
        try:
            out = out or await self._outgoing(head, asked=True)
            receipt = await self.account.confirm(out)
        except Exception as raised:
            failure = Unavailable(_UNREAD) if isinstance(raised, StoreError) else raised
            now = self.engine._clock()
            decision = after_failed_confirm(
                failure, **self._circumstances(head, now=now, attempts=_questions(head, now))
            )
            if isinstance(decision, Confirm):
                # The row stays `sending` and the lane hidden: when it is due, the question is asked again.
                due_at = now + decision.delay_s
                await self._write(lambda tx: tx.outbox.release(lease, due_at=due_at))
            elif isinstance(decision, PauseAccount):
                # Without an outcome the row stays `sending`: queued, it would be sent again without being asked about.
                await self._settle(lease, [], pause=decision.reason)
            else:
                await self._apply(lease, decision, failure)
            return
        point("delivery.confirmed")
        if receipt is not None:
            await self._sent(lease, receipt, out=out)
        else:
            absent = self._decide(lease, error, now=self.engine._clock(), confirmed_absent=True)
            await self._apply(lease, absent, error)

    async def resolve_crashed(self, lease: Lease) -> None:
        """Decide on rows that were begun and not settled: by a crash, or while the provider could not be asked."""
        head, now = lease.rows[0], self.engine._clock()
        decision = after_crash(
            can_confirm=self._can_confirm(lease), **self._circumstances(head, now=now, attempts=head.attempts)
        )
        error = Unavailable("the process stopped while this was being sent", maybe_sent=True)
        if isinstance(decision, Confirm):
            await self._confirm(lease, error)
        else:
            await self._apply(lease, decision, error)

    def _can_confirm(self, lease: Lease) -> bool:
        return self.account.can_confirm and len(lease.rows) == 1 and lease.rows[0].op not in CHANGES

    def _circumstances(self, head: Delivery, *, now: float, attempts: int) -> Circumstances:
        return {
            "attempts": attempts,
            "age_s": now - head.created_at,
            "max_age_s": head.expires_at - head.created_at,
            "on_ambiguous": head.on_ambiguous,
            "idempotent": self.account.capabilities.idempotent or head.op in CHANGES,
            "jitter": self.engine._jitter(),
        }

    async def _apply(self, lease: Lease, decision: Decision, error: Exception) -> None:
        now = self.engine._clock()
        match decision:
            case Again(delay_s=delay_s, reason=reason, counts=counts):
                outcomes = [
                    Outcome(row.id, "queued", reason, due_at=now + delay_s, counts=counts) for row in lease.rows
                ]
            case Hold(reason=reason):
                outcomes = [Outcome(row.id, "held", reason) for row in lease.rows]
            case Dead(reason=reason):
                outcomes = [Outcome(row.id, "dead", reason) for row in lease.rows]
            case PauseAccount(reason=reason):
                outcomes = [Outcome(row.id, "queued", reason, due_at=now, counts=False) for row in lease.rows]
                await self._settle(lease, outcomes, pause=reason)
                return
            case Confirm():
                raise AssertionError("a confirmation is done before") from error
        await self._settle(lease, outcomes)

    # --- settling

    async def _settle(
        self,
        lease: Lease,
        outcomes: Sequence[Outcome],
        *,
        pause: str | None = None,
        handle: tuple[str, str] = ("", ""),
    ) -> None:
        """Write it down, however long the store takes: the answer is known only here until then.

        ``handle``: what the send took the conversation to be called, and what it learnt.
        """
        before, learnt = handle

        def unit(tx: Tx) -> bool:
            now = self.engine._clock()
            if learnt and learnt != before:
                tx.conversations.learn_handle(lease.account, lease.conversation, learnt, before=before, now=now)
            return self._settle_in(tx, lease, outcomes, now=now, pause=pause)

        settled = await self._write(unit)
        point("delivery.settled")
        if not settled:
            logger.warning("a lease was lost before its send was recorded", extra={"account": lease.account})

    async def _write(self, unit: Callable[[Tx], T]) -> T:
        while True:
            try:
                return await self.engine._store.write(unit)
            except StoreError as error:
                logger.error("a send cannot be recorded yet", extra={"action": "settle", "error": str(error)})
                await asyncio.sleep(STORE_WAIT_S)

    def _settle_in(
        self, tx: Tx, lease: Lease, outcomes: Sequence[Outcome], *, now: float, pause: str | None = None
    ) -> bool:
        if not tx.outbox.settle(lease, outcomes, now=now):
            return False
        for row, outcome in zip(lease.rows, outcomes, strict=False):
            about = row.message if row.message is not None else row.subject
            if about is None or outcome.state != "sent" or row.op in CHANGES:
                continue
            for remote_id in outcome.remote_ids:
                tx.messages.add_copy(about, Copy(row.account, row.conversation, remote_id, row.part, row.id))
            if not outcome.remote_ids and self.account.capabilities.echoes:
                tx.messages.nameless(row.id, account=row.account, conversation=row.conversation, now=now)
        if pause is not None and tx.accounts.pause(lease.account, reason=pause, now=now):
            self.engine._observer.paused(tx, lease.account, reason=pause, now=now)
        self.engine._observer.settled(tx, lease.rows, outcomes, now=now)
        return True

    # --- a paused account

    async def _probe_when_due(self, now: float) -> float:
        """Every few minutes: do the credentials work again? Returns seconds until the next.

        Not at once: what the probe may do may still be refused to a send, and the two would chase each other.
        """
        waited = self._paused_at is not None and now - self._paused_at >= PROBE_EVERY_S
        if self._paused_at is None or waited:
            self._paused_at = now
        if waited:
            try:
                await self.account.probe()
            except BridgeError as error:
                logger.info("still paused", extra={"account": self.account.name, "error": str(error)})
            else:
                await self.engine._store.write(lambda tx: tx.accounts.resume(self.account.name))
                return 0.0
        return max(0.0, self._paused_at + PROBE_EVERY_S - now)


@dataclass(frozen=True, slots=True)
class _About:
    """What a send wants to know beside its row."""

    handle: str = ""
    answered: Answered | None = None


def _ids_of(tx: Tx, row: Delivery) -> Sequence[MessageId]:
    """What the part that is to be changed is called over there."""
    if row.subject is None:
        return ()
    found = tx.messages.remote_ids_of(row.subject, row.account, row.conversation, part=row.part)
    return [MessageId(id) for id in found]


def _utc(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _about(tx: Tx, row: Delivery) -> _About:
    answered = None
    if row.reply_to is not None:
        remote_id = tx.messages.remote_id_in(row.reply_to, row.account, row.conversation)
        origin = tx.messages.get(row.reply_to)
        if remote_id is not None and origin is not None:
            answered = Answered(
                id=MessageId(remote_id),
                text=origin.text,
                sender=Person(id=PersonId(origin.sender_id), name=origin.sender_name),
                at=_utc(origin.at),
            )
    return _About(tx.conversations.handle(row.account, row.conversation), answered)


async def _wait(tasks: Sequence[asyncio.Task[None]], *, until: float) -> set[asyncio.Task[None]]:
    """Wait for them until a time of the loop's clock; those that are not done by then."""
    if not tasks:
        return set()
    _, late = await asyncio.wait(tasks, timeout=max(0.0, until - asyncio.get_running_loop().time()))
    return late


def _questions(head: Delivery, now: float) -> int:
    """How often the provider was asked by now, so that the questions thin out as attempts do."""
    since, asked = now - (head.started_at or now), 1
    for wait_s in SCHEDULE_S:
        if since < wait_s:
            break
        since, asked = since - wait_s, asked + 1
    return asked


def _share(ids: Sequence[MessageId], index: int, rows: int) -> tuple[str, ...]:
    """Which of a receipt's ids belong to one of several rows sent together."""
    if rows == 1:
        return tuple(ids)
    return (ids[index],) if len(ids) == rows else ()
