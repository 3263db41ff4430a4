"""Outbox → Account.deliver → settle: one dispatcher for each account, one lane for each conversation.

A send takes two commits: *begin* before the request leaves, *settle* after the answer. Whatever is found begun and
not settled has an unknown outcome and goes the way of `bot.retry`. No transaction is open while the network is used.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypedDict

from bot.accounts import Account, Barred, ChatMoved, TopicGone
from bot.addresses import TELEGRAM, opening_id
from bot.changing import Changing
from bot.displaced import Displaced
from bot.faultpoints import point
from bot.files import Files
from bot.lending import Lends
from bot.outgoings import Outgoings
from bot.overdue import Overdue
from bot.places import Places
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
from bot.settling import STORE_WAIT_S, Observer, Settling, is_digest
from bot.store import Store, StoreError, Tx
from bot.store.outbox import CHANGES, Delivery, Lease, Outcome
from bridges.api import Outgoing
from bridges.errors import BridgeError, Garbled, Inexpressible, Refused, Unavailable
from bridges.model import ConversationId, MessageId, Receipt

logger = logging.getLogger(__name__)

BACK_S = 1.0
"""A clock that is set back by more is noticed."""
LEASE_S = 1800.0
"""Longer than any send may take, an album of large files on a slow line too: nobody else claims meanwhile, a restart
frees all leases at once."""
CLAIM_MOST = 128
PROBE_EVERY_S = 180.0
_UNREAD = "the database could not be read"


class Circumstances(TypedDict):
    """What `bot.retry` wants to know about a row."""

    attempts: int
    age_s: float
    max_age_s: float
    on_ambiguous: Literal["hold", "resend"]
    idempotent: bool
    jitter: float


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
        files: Files | None = None,
        lender: Lends | None = None,
        meters: Meters | None = None,
        clock: Callable[[], float] = time.time,
        jitter: Callable[[], float] = lambda: random.uniform(-1, 1),
        zone: str = "UTC",
        places: Places | None = None,
    ) -> None:
        self._store = store
        self._places = places
        self._zone = zone
        self._accounts = accounts
        self._observer = observer
        self._files = files or Files(accounts)
        self._lender = lender
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
        newest_at = await self._store.read(lambda tx: tx.outbox.newest_at())
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
            dispatcher.start(seen_at=newest_at)

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
        self._seen_at = -math.inf
        """What the clock showed in the turn before."""
        self._back_s = 0.0
        """By how much it was set back since the start: the pace goes by a time that never is."""
        store, clock, request = engine._store, engine._clock, engine._meters.request
        self._settling = Settling(account, store=store, observer=engine._observer, clock=clock)
        self._overdue = Overdue(account, store=store, settling=self._settling, zone=engine._zone)
        self._outgoings = Outgoings(
            account,
            store=store,
            files=engine._files,
            lender=engine._lender,
            clock=clock,
            installation=lambda: engine._instance,
        )
        self._changing = Changing(account, store=store, settling=self._settling, request=request, clock=clock)
        self._displaced = Displaced(
            account,
            store=store,
            places=engine._places,
            settling=self._settling,
            outgoings=self._outgoings,
            request=request,
            clock=clock,
        )

    def wake(self) -> None:
        self._wake.set()

    def start(self, *, seen_at: float) -> None:
        """``seen_at``: the latest that a former process is known to have seen on the clock."""
        self._seen_at = seen_at
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
        await self._look_at_the_clock(now)
        if account.pace.whole and (closed_s := account.pace.ready_in("", now + self._back_s)) > 0:
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

    async def _look_at_the_clock(self, now: float) -> None:
        """If it was set back, nothing waits for the old time: neither what is to be tried again, nor the pace."""
        back_s = self._seen_at - now
        if back_s > BACK_S:
            await self.engine._store.write(lambda tx: tx.outbox.set_back(self.account.name, by_s=back_s, now=now))
            self._back_s += back_s
        self._seen_at = now

    def _done(self, task: asyncio.Task[None]) -> None:
        self.under_way.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("a send task ended badly", exc_info=error, extra={"account": self.account.name})
        self._wake.set()

    def _claim(self, tx: Tx, *, now: float, limit: int) -> tuple[list[Lease], float | None, bool]:
        account, engine = self.account, self.engine
        state = tx.accounts.get(account.name)
        if state.paused:
            # A person's pause is not probed: only that person, or another, ends it.
            return [], None, not state.paused_by
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
            if head.state == "queued" and self._overdue.settled(tx, lease, now=now):
                continue
            key = account.pace_key(ConversationId(lease.conversation))
            wait_s = account.pace.ready_in(key, now + self._back_s)
            if wait_s > 0:
                tx.outbox.release(lease, due_at=now + wait_s)
                continue
            if head.state == "queued":
                lease = self._overdue.said(tx, lease, now=now)
                if not tx.outbox.begin(lease, now=now):
                    continue
                account.pace.took(key, now + self._back_s)
            begun.append(lease)
        if len(claimed) >= limit:
            return begun, 0.0, False
        due_at = tx.outbox.next_due(account.name)
        return begun, None if due_at is None else max(0.0, due_at - now), False

    def _give_up(self, tx: Tx, lease: Lease, *, now: float) -> None:
        head = lease.rows[0]
        hours = (now - head.created_at) / 3600
        last = f"; the last reason: {head.error}" if head.error else ""
        self._settling.settle_in(tx, lease, [Outcome(head.id, "dead", f"given up after {hours:.1f} h{last}")], now=now)

    def _hold_damaged(self, tx: Tx, lease: Lease, *, now: float) -> None:
        outcomes = [
            Outcome(row.id, "held", "the stored text is damaged (its checksum does not fit); nothing was sent")
            if not row.intact
            else Outcome(row.id, "queued", row.error, due_at=now, counts=False)
            for row in lease.rows
        ]
        self._settling.settle_in(tx, lease, outcomes, now=now)

    # --- one attempt

    async def _attempt(self, lease: Lease) -> None:
        if lease.rows[0].state == "sending":
            await self.resolve_crashed(lease)
            return
        point("delivery.begun")
        if self.account.name == TELEGRAM and opening_id(lease.conversation) is not None:
            await self._open(lease)
            return
        if lease.rows[0].op in CHANGES:
            await self._change(lease)
            return
        outs: list[Outgoing] = []
        try:
            if is_digest(lease):
                message = await self._overdue.digest(lease)
                outs = [replace(await self._outgoings.of(lease.rows[0]), message=message, answered=None)]
            else:
                outs = [await self._outgoings.of(row) for row in lease.rows]
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

    async def _open(self, lease: Lease) -> None:
        """Open the forum topic that this lane waits for, and let in what waits."""
        try:
            opened = await self._displaced.open(lease)
        except asyncio.CancelledError:
            raise
        except StoreError:
            await self._failed(lease, Unavailable(_UNREAD))
        except (Refused, TopicGone) as error:
            await self._displaced.not_opened(lease, str(error))
        except Exception as error:
            await self._failed(lease, error)
        else:
            if opened is None:
                return
            point("delivery.answered")
            self.engine._meters.request(self.account.name, "sent")
            id, receipt = opened
            await self._displaced.opened(lease, id, receipt)

    async def _change(self, lease: Lease) -> None:
        """Edit, take back or react to what is there already."""
        (row,) = lease.rows
        try:
            await self._changing.change(row)
        except asyncio.CancelledError:
            raise
        except StoreError:
            await self._failed(lease, Unavailable(_UNREAD))
        except (Refused, ChatMoved) as error:
            if isinstance(error, ChatMoved):
                # What was written before the move stays where it was, out of reach.
                new = error.new
                await self._settling.write(lambda tx: self._displaced.follow(tx, row, new))
                error = Inexpressible("the group has become another one since")
            if row.words is None:
                await self._failed(lease, error)
            else:
                await self._changing.say_instead(lease, row.words, error)
        except (Garbled, Unavailable) as error:
            in_doubt = isinstance(error, Garbled) or error.maybe_sent
            if in_doubt and row.words is not None and self._changing.is_once(row):
                await self._changing.say_instead(lease, row.words, error)
            else:
                await self._failed(lease, error)
        except Exception as error:
            await self._failed(lease, error)
        else:
            point("delivery.answered")
            self.engine._meters.request(self.account.name, "sent")
            await self._settling.settle(lease, [Outcome(row.id, "sent")])

    async def _sent(self, lease: Lease, receipt: Receipt, *, out: Outgoing) -> None:
        shares = len(lease.rows)
        if is_digest(lease):
            shares = 1  # the one message is the first's: a reply to it goes to where that came from
        outcomes = [
            Outcome(row.id, "sent", remote_ids=_share(receipt.ids, index, shares) if index < shares else ())
            for index, row in enumerate(lease.rows)
        ]
        now = self.engine._clock()
        notes = self._outgoings.unsaid(lease.rows, receipt, now=now)
        await self._settling.settle(lease, outcomes, handle=(out.handle, receipt.handle), follow=notes)
        for row in lease.rows:
            self.engine._meters.delivered(self.account.name, now - row.created_at)
        logger.debug(
            "delivered",
            extra={"action": "deliver", "account": self.account.name, "outbox": [row.id for row in lease.rows]},
        )

    async def _failed(self, lease: Lease, error: Exception, *, outs: Sequence[Outgoing] = ()) -> None:
        engine, account, now = self.engine, self.account, self.engine._clock()
        if isinstance(error, Unavailable) and error.retry_after is not None:
            key = account.pace_key(ConversationId(lease.conversation))
            account.pace.refused(key, error.retry_after, now + self._back_s)
        if len(lease.rows) > 1 and isinstance(error, Refused):
            # Which of them is at fault is not known; a readable refusal stored none of them: each goes alone.
            again = [Outcome(r.id, "queued", str(error), due_at=now, counts=False, solo=True) for r in lease.rows]
            await self._settling.settle(lease, again)
            return
        if isinstance(error, ChatMoved | TopicGone | Barred):
            await self._displaced.settle(lease, error)
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
            out = out or await self._outgoings.of(head, asked=True)
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
                await self._settling.write(lambda tx: tx.outbox.release(lease, due_at=due_at))
            elif isinstance(decision, PauseAccount):
                # Without an outcome the row stays `sending`: queued, it would be sent again without being asked about.
                await self._settling.settle(lease, [], pause=decision.reason)
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
        if head.words is not None and self._changing.is_once(head):
            await self._changing.say_instead(lease, head.words, error)
        elif isinstance(decision, Confirm):
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
            case Again(delay_s=delay_s, reason=reason, counts=counts, doubt=doubt):
                outcomes = [
                    Outcome(row.id, "queued", reason, due_at=now + delay_s, counts=counts, doubt=doubt)
                    for row in lease.rows
                ]
            case Hold(reason=reason):
                outcomes = [Outcome(row.id, "held", reason) for row in lease.rows]
            case Dead(reason=reason):
                outcomes = [Outcome(row.id, "dead", reason) for row in lease.rows]
            case PauseAccount(reason=reason):
                outcomes = [Outcome(row.id, "queued", reason, due_at=now, counts=False) for row in lease.rows]
                await self._settling.settle(lease, outcomes, pause=reason)
                return
            case Confirm():
                raise AssertionError("a confirmation is done before") from error
        await self._settling.settle(lease, outcomes)

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
                await self.engine._store.write(lambda tx: tx.accounts.try_again(self.account.name))
                return 0.0
        return max(0.0, self._paused_at + PROBE_EVERY_S - now)


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
