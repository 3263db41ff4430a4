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
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import takewhile
from typing import Literal, Protocol, TypedDict, TypeVar

from bot import late, loops
from bot.accounts import Account, Barred, ChatMoved, TopicGone
from bot.addresses import TELEGRAM, Address, opening_id, telegram_address
from bot.changes import BY_ROUTE
from bot.faultpoints import point
from bot.files import Files, NotFetched, reason_of
from bot.lending import Lends
from bot.places import WAIT_S, OpensTopics, Places
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
from bot.shaping import attachment_note, quoting, size_text
from bot.store import Store, StoreError, Tx
from bot.store.messages import Copy
from bot.store.outbox import CHANGES, PRIORITY_RELAY, Delivery, Lease, NewDelivery, Outcome
from bot.text import measure
from bridges.api import Answered, File, Outgoing
from bridges.errors import BridgeError, Garbled, Inexpressible, Refused, Unavailable
from bridges.model import AccountName, Attachment, ConversationId, Message, MessageId, Person, PersonId, Receipt

logger = logging.getLogger(__name__)

LEASE_S = 1800.0
"""Longer than any send may take, an album of large files on a slow line too: nobody else claims meanwhile, a restart
frees all leases at once."""
CLAIM_MOST = 128
FILE_TRIES_MOST = 5
FILE_WAIT_S = 600.0
"""How long a message waits for a file that cannot be had just now; then it goes without."""
WAITED_MOST = 10_000
PROBE_EVERY_S = 180.0
STORE_WAIT_S = 0.5
_UNREAD = "the database could not be read"
T = TypeVar("T")


class TooLargeThere(NotFetched):
    """A file that is here, and larger than may be sent over there."""


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
        self._waited: OrderedDict[int, tuple[int, float]] = OrderedDict()
        """How often and since when deliveries have waited for a file."""
        self._unsaid: dict[int, str] = {}
        """What is to be said of a delivery's files after it."""
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
            if head.state == "queued" and self._too_late(tx, lease, now=now):
                continue
            key = account.pace_key(ConversationId(lease.conversation))
            wait_s = account.pace.ready_in(key, now)
            if wait_s > 0:
                tx.outbox.release(lease, due_at=now + wait_s)
                continue
            if head.state == "queued":
                lease = self._gathered(tx, lease, now=now) or self._stamped(tx, lease, now=now)
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

    # --- lateness

    def _too_late(self, tx: Tx, lease: Lease, *, now: float) -> bool:
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
        self._settle_in(tx, lease, outcomes, now=now)
        for row, outcome in zip(lease.rows, outcomes, strict=True):
            if outcome.state == "expired" and row.message is not None:
                _cancel_changes(tx, row, now=now)
        return True

    def _stamped(self, tx: Tx, lease: Lease, *, now: float) -> Lease:
        """The lease with its late rows saying so, where their routes want that."""
        if not any(row.late == "stamp" and row.op == "send" for row in lease.rows):
            return lease
        capabilities = self.account.capabilities
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

    # --- many that waited, said in one message

    def _gathered(self, tx: Tx, lease: Lease, *, now: float) -> Lease | None:
        """The lease with all that goes into one digest; None if the head is to go alone.

        Only towards Telegram, where people look at the whole: elsewhere each may be somebody's own message.
        """
        head = lease.rows[0]
        if self.account.name != TELEGRAM or not _joins(head, head):
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
        loops.remember(tx, Message(), [message], now=now)
        return tx.outbox.widen(lease, rows[:fitting])

    def _digest(self, waited: Sequence[late.Waited]) -> tuple[Message, int]:
        capabilities = self.account.capabilities
        return late.digest(waited, zone=self.engine._zone, limit=capabilities.text_limit, unit=capabilities.text_unit)

    def _is_digest(self, lease: Lease) -> bool:
        return len(lease.rows) > 1 and self.account.name == TELEGRAM

    async def _outgoing_digest(self, lease: Lease) -> Outgoing:
        waited = await self.engine._store.read(lambda tx: [_waited(tx, row) for row in lease.rows])
        message, fitting = self._digest(waited)
        if fitting < len(waited):
            raise Inexpressible("what they answer was edited, and now they do not fit into one message")
        out = await self._outgoing(lease.rows[0])
        return replace(out, message=message, answered=None)

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
            if self._is_digest(lease):
                outs = [await self._outgoing_digest(lease)]
            else:
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
        except (Refused, ChatMoved) as error:
            if isinstance(error, ChatMoved):
                # What was written before the move stays where it was, out of reach.
                new = error.new
                await self._write(lambda tx: self._follow(tx, row, new))
                error = Inexpressible("the group has become another one since")
            if row.words is None:
                await self._failed(lease, error)
            else:
                await self._say_instead(lease, row.words, error)
        except (Garbled, Unavailable) as error:
            in_doubt = isinstance(error, Garbled) or error.maybe_sent
            if in_doubt and row.words is not None and self._is_once(row):
                await self._say_instead(lease, row.words, error)
            else:
                await self._failed(lease, error)
        except Exception as error:
            await self._failed(lease, error)
        else:
            point("delivery.answered")
            self.engine._meters.request(self.account.name, "sent")
            await self._settle(lease, [Outcome(row.id, "sent")])

    def _is_once(self, row: Delivery) -> bool:
        """Whether doing it again may undo it: if in doubt it is said in words."""
        return row.op == "react" and self.account.capabilities.reactions_stay

    # --- places that are not what they were

    async def _open(self, lease: Lease) -> None:
        """Open the forum topic that this lane waits for, say in it what it is for, and let in what waits."""
        row, places = lease.rows[0], self.engine._places
        try:
            opening = await self.engine._store.read(lambda tx: places and places.opening(tx, lease.conversation))
            if row.op != "open" or not opening or not isinstance(self.account, OpensTopics):
                await self._wait_for_topic(lease)
                return
            topic = opening.topic
            if topic is None:
                topic = telegram_address(opening.chat, await self.account.open_topic(opening.chat, opening.title))
                point("delivery.answered")
                id, address = opening.id, str(topic)
                await self._write(lambda tx: tx.topics.is_at(id, address))
            card = replace(await self._outgoing(row), conversation=topic.conversation)
            receipt = await self.account.deliver([card])
        except asyncio.CancelledError:
            raise
        except StoreError:
            await self._failed(lease, Unavailable(_UNREAD))
        except (Refused, TopicGone) as error:
            await self._not_opened(lease, str(error))
        except Exception as error:
            await self._failed(lease, error)
        else:
            point("delivery.answered")
            self.engine._meters.request(self.account.name, "sent")
            await self._opened(lease, opening.id, receipt)

    async def _opened(self, lease: Lease, id: int, receipt: Receipt) -> None:
        row, places = lease.rows[0], self.engine._places
        now = self.engine._clock()

        def unit(tx: Tx) -> None:
            if self._settle_in(tx, lease, [Outcome(row.id, "sent", remote_ids=tuple(receipt.ids))], now=now) and places:
                places.opened(tx, id, now=now)

        await self._write(unit)

    async def _not_opened(self, lease: Lease, reason: str) -> None:
        row, places = lease.rows[0], self.engine._places
        now = self.engine._clock()
        self.engine._meters.request(self.account.name, "refused")
        logger.info("a topic is not opened", extra={"action": "open", "account": self.account.name, "outbox": row.id})

        def unit(tx: Tx) -> None:
            id = opening_id(lease.conversation)
            if self._settle_in(tx, lease, [Outcome(row.id, "dead", reason)], now=now) and places and id is not None:
                places.not_opened(tx, id, reason, now=now)

        await self._write(unit)

    async def _wait_for_topic(self, lease: Lease) -> None:
        """Something came to the head of a lane whose topic is not there: it waits on, or it is dead."""
        id, places, now = opening_id(lease.conversation), self.engine._places, self.engine._clock()

        def unit(tx: Tx) -> None:
            reason = places.waits(tx, id, now=now) if places and id is not None else "its topic is not opened"
            self._settle_in(tx, lease, _waiting(lease, None if places else reason, due_at=now), now=now)
            if places and reason is not None:
                # The owners heard of the topic: of what waits for it they need not hear one by one.
                places.give_up(tx, _address(lease.rows[0]), reason=reason, now=now)

        await self._write(unit)

    async def _displaced(self, lease: Lease, error: ChatMoved | TopicGone | Barred) -> None:
        """The chat has another id, its topic was deleted, or it lets us write no more. Nothing was sent."""
        places, now = self.engine._places, self.engine._clock()
        row = lease.rows[0]
        self.engine._meters.request(self.account.name, type(error).__name__.lower())
        logger.info(
            "not delivered",
            extra={
                "action": "deliver",
                "account": self.account.name,
                "outbox": [each.id for each in lease.rows],
                "error": str(error),
                "decision": type(error).__name__.lower(),
            },
        )

        def unit(tx: Tx) -> None:
            match error:
                case ChatMoved(new=new):
                    reason = None if self._follow(tx, row, new) else str(error)
                    self._settle_in(tx, lease, _waiting(lease, reason, due_at=now), now=now)
                case TopicGone():
                    reason = places.gone(tx, row, now=now) if places else str(error)
                    # The owners heard of a topic that cannot be opened anew, and need not hear of what waited for it.
                    said = reason is not None and tx.topics.replacing(row.address) is not None
                    outcomes = _waiting(lease, None if said else reason, due_at=now + WAIT_S)
                    self._settle_in(tx, lease, outcomes, now=now)
                    if places and said and reason is not None:
                        places.give_up(tx, _address(row), reason=reason, now=now)
                case Barred():
                    # With places, what waits is given up as a whole, and the owners hear of the chat and not of each.
                    reason = None if places else str(error)
                    self._settle_in(tx, lease, _waiting(lease, reason, due_at=now), now=now)
                    if places:
                        places.barred(tx, _address(row), str(error), row=row, now=now)

        await self._write(unit)

    def _follow(self, tx: Tx, row: Delivery, new: ConversationId) -> bool:
        """Everything goes where the chat of a delivery is now; False if it is there already."""
        old = Address(self.account.name, ConversationId(row.conversation.partition("/")[0]))
        if self.engine._places is None or old.conversation == new:
            return False
        self.engine._places.upgraded(tx, old, Address(self.account.name, new), now=self.engine._clock())
        return True

    async def _say_instead(self, lease: Lease, words: str, error: BridgeError) -> None:
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
                first, *rest = words.split("\n")
                tx.outbox.say_instead(row.id, first)
                _say_the_rest(tx, row, rest, now=now)

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
            message, files = await self._with_files(row, message)
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

    async def _with_files(self, row: Delivery, message: Message) -> tuple[Message, tuple[File, ...]]:
        """The message and its files; a note stands in the text for one that is not to be had any more.

        Raises ``Unavailable`` while it is worth waiting for one that cannot be had just now.
        """
        fetched = await asyncio.gather(*map(self._file, message.attachments), return_exceptions=True)
        kept: list[Attachment] = []
        files: list[File] = []
        lines: list[str] = []
        for attachment, file in zip(message.attachments, fetched, strict=True):
            match file:
                case Unavailable() if self._may_wait(row):
                    raise file
                case Refused() | Unavailable():
                    logger.info(
                        "a file is left out",
                        extra={"action": "deliver", "account": self.account.name, "error": str(file)},
                    )
                    lines.append(await self._instead(attachment, file))
                case BaseException():
                    raise file
                case None:
                    kept.append(attachment)
                case _:
                    kept.append(attachment)
                    files.append(file)
        self._waited.pop(row.id, None)
        text = "\n".join([*filter(None, [message.text]), *lines])
        limits = self.account.capabilities
        if lines and message.text and measure(text, unit=limits.text_unit) > limits.text_limit:
            # The words alone fill the message, so what is to be said of the files follows them.
            text, self._unsaid[row.id] = message.text, "\n".join(lines)
        return message.model_copy(update={"attachments": tuple(kept), "text": text}), tuple(files)

    async def _file(self, attachment: Attachment) -> File | None:
        """Its bytes; None: it is there already."""
        most, keeps = self.account.capabilities.attachment_bytes, self.account.capabilities.keeps
        if keeps and attachment.account == keeps:
            return None
        file = await self.engine._files.fetch(attachment)
        if not file.size:
            raise NotFetched("the file is empty", reason="it is empty")
        if most and file.size > most:
            raise TooLargeThere(
                f"the file has {file.size} bytes, {most} is the most here",
                reason=f"files here have at most {size_text(most)}",
            )
        return file

    def _may_wait(self, row: Delivery) -> bool:
        """Whether a message should wait for its file any longer; each time that this is asked is one more."""
        now = self.engine._clock()
        times, since = self._waited.get(row.id, (0, now))
        if times + 1 >= FILE_TRIES_MOST or now - since >= FILE_WAIT_S:
            return False
        self._waited[row.id] = (times + 1, since)
        while len(self._waited) > WAITED_MOST:
            self._waited.popitem(last=False)
        return True

    async def _instead(self, attachment: Attachment, error: Refused | Unavailable) -> str:
        """The line of text for a file that does not go along: with a link where the file itself may be had later."""
        note = attachment_note(attachment)
        if isinstance(error, Unavailable | TooLargeThere) and (lender := self.engine._lender) is not None:
            now = self.engine._clock()
            links = await self.engine._store.write(lambda tx: lender.links(tx, [attachment], now=now))
            if attachment.ref in links:
                return f"{note} {links[attachment.ref]}"
        reason = reason_of(error) if isinstance(error, Refused) else "it could not be fetched"
        # An address that we would not ask ourselves is not handed on either.
        link = "" if isinstance(error, NotFetched) else attachment.link
        return f"{note[:-1]}: {reason}]{link and ' '}{link}"

    async def _sent(self, lease: Lease, receipt: Receipt, *, out: Outgoing) -> None:
        shares = len(lease.rows)
        if self._is_digest(lease):
            shares = 1  # the one message is the first's: a reply to it goes to where that came from
        outcomes = [
            Outcome(row.id, "sent", remote_ids=_share(receipt.ids, index, shares) if index < shares else ())
            for index, row in enumerate(lease.rows)
        ]
        await self._settle(lease, outcomes, handle=(out.handle, receipt.handle))
        now = self.engine._clock()
        for row in lease.rows:
            await self._say_of_files(row, now=now)
            self.engine._meters.delivered(self.account.name, now - row.created_at)
        logger.debug(
            "delivered",
            extra={"action": "deliver", "account": self.account.name, "outbox": [row.id for row in lease.rows]},
        )

    async def _say_of_files(self, row: Delivery, *, now: float) -> None:
        """Say of the files that did not go along what did not fit into the message itself."""
        words = self._unsaid.pop(row.id, None)
        if words is None:
            return
        note = NewDelivery(
            account=row.account,
            conversation=row.conversation,
            payload=Message(text=words).model_dump_json(exclude_defaults=True),
            created_at=now,
            expires_at=row.expires_at,
            on_ambiguous=row.on_ambiguous,
            priority=row.priority,
            part=0,
            why=row.why,
            op="note",
            subject=row.message,
        )
        await self._write(lambda tx: tx.outbox.add(note))

    async def _failed(self, lease: Lease, error: Exception, *, outs: Sequence[Outgoing] = ()) -> None:
        engine, account, now = self.engine, self.account, self.engine._clock()
        if isinstance(error, Unavailable) and error.retry_after is not None:
            account.pace.refused(account.pace_key(ConversationId(lease.conversation)), error.retry_after, now)
        if len(lease.rows) > 1 and isinstance(error, Refused):
            # Which of them is at fault is not known; a readable refusal stored none of them: each goes alone.
            again = [Outcome(r.id, "queued", str(error), due_at=now, counts=False, solo=True) for r in lease.rows]
            await self._settle(lease, again)
            return
        if isinstance(error, ChatMoved | TopicGone | Barred):
            await self._displaced(lease, error)
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
        if head.words is not None and self._is_once(head):
            await self._say_instead(lease, head.words, error)
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
            if about is not None and outcome.state == "sent" and row.op == "delete":
                tx.messages.forget_copies(about, row.account, row.conversation, part=row.part)
            if about is None or outcome.state != "sent" or row.op in CHANGES:
                continue
            # A digest is no copy of any message in it, that could be edited or taken back for its sake.
            part = 0 if self._is_digest(lease) else row.part
            for remote_id in outcome.remote_ids:
                tx.messages.add_copy(about, Copy(row.account, row.conversation, remote_id, part, row.id))
            if now - row.created_at > loops.SETTLED_LATE_S:
                loops.arrived(tx, Message.model_validate_json(row.payload).text, now=now)
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


def _address(row: Delivery) -> Address:
    return Address(AccountName(row.account), ConversationId(row.conversation))


def _waiting(lease: Lease, reason: str | None, *, due_at: float) -> list[Outcome]:
    """The rows go on waiting, or are dead for a reason."""
    if reason is None:
        return [Outcome(row.id, "queued", row.error, due_at=due_at, counts=False) for row in lease.rows]
    return [Outcome(row.id, "dead", reason) for row in lease.rows]


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


def _late_s(tx: Tx, row: Delivery, *, now: float) -> float:
    """Seconds since it was written."""
    return now - _written_at(tx, row)


def _written_at(tx: Tx, row: Delivery) -> float:
    origin = None if row.message is None else tx.messages.get(row.message)
    # Clocks differ: nothing was written after it came in.
    return row.created_at if origin is None else min(origin.at, row.created_at)


def _has_begun(tx: Tx, row: Delivery) -> bool:
    """Whether another part of it is over there, so that the rest has to follow."""
    if row.parts == 1 or row.message is None:
        return False
    return any(
        other.address == row.address and other.state in ("sending", "sent")
        for other in tx.outbox.of_message(row.message)
    )


def _cancel_changes(tx: Tx, row: Delivery, *, now: float) -> None:
    """What was to be done to a message that will not be there is not done."""
    assert row.message is not None
    for other in tx.outbox.about(row.message):
        if other.subject == row.message and other.address == row.address and other.state == "queued":
            tx.outbox.settle_by_hand(other.id, state="cancelled", now=now)


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
        text=message.text, spans=message.spans, sender=message.sender, reply_to=message.reply_to
    )


def _waited(tx: Tx, row: Delivery) -> late.Waited:
    """A row as it stands in a digest: an answer quotes what it answers."""
    message = _unstamped(row)
    original = None if row.reply_to is None else tx.messages.get(row.reply_to)
    if original is not None and original.text:
        sender = Person(id=PersonId(original.sender_id), name=original.sender_name)
        message = quoting(message, original=Message(text=original.text, sender=sender))
    return late.Waited(_written_at(tx, row), message)


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
