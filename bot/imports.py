"""History import: past messages from a file into a provider that keeps their time.

The whole file is read and checked, then staged as rows, then sent: in the order of time, one after the other. A row is
``sending`` durably before its request leaves, and the end of a send is committed together with the beginning of the
next one: so after a kill at most one message is in doubt, and the provider is asked about that one.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal, TypeAlias

from bot.accounts import ProviderAccount
from bot.history import Entry, Heard, History, HistoryError, LeftOut, Past, Wrong, shown_short
from bot.retry import Again, Confirm, Dead, Hold, PauseAccount, after_failed_confirm, decide
from bot.shaping import DEFAULT_TEMPLATE, shape
from bot.store import Store, StoreError, Tx
from bot.store.imports import IdsOfFile, ImportState, PastOutcome, PastPart, PlacedId, Staged, StagedMessage
from bridges.api import Capabilities, Imports, Outgoing
from bridges.errors import BridgeError, Unauthorized, Unavailable
from bridges.model import ConversationId, Message, Receipt
from bridges.signing import fingerprint

logger = logging.getLogger(__name__)

CHUNK = 500
"""Messages that are staged in one commit."""
WRONG_MOST = 20
"""So many mistakes of a file are told one by one."""
PEOPLE_MOST = 10_000
TRIES_MOST = 6
"""Attempts of one message that surely did not arrive, with the waits of ``bot.retry`` between: some 13 minutes."""
QUESTIONS_MOST = 5
"""Questions what became of a send: some two and a half minutes."""
REFUSED_MOST = 25
"""So many refusals in a row are about the conversation or the account, not about the messages."""
REMEMBERED_S = 20 * 3600.0
"""How long a provider is taken to know what became of a send: OpenIM keeps it for 24 hours. After that *not there* may
as well mean *forgotten*."""


# --- from a file to rows -------------------------------------------------------------------------------------


@dataclass(slots=True)
class Survey:
    """What a file holds, as it would be sent."""

    messages: int = 0
    parts: int = 0
    split: int = 0
    """Messages that are too long for one."""
    unzoned: int = 0
    """Messages whose time has no zone in the file."""
    first: datetime | None = None
    last: datetime | None = None
    left_out: Counter[str] = field(default_factory=Counter)
    people: set[str] = field(default_factory=set, repr=False)
    """Ids of those who wrote, up to ``PEOPLE_MOST``."""


def template_of(capabilities: Capabilities) -> str | None:
    """What goes before the text: the name, unless the provider shows it by itself."""
    return None if capabilities.names_shown else DEFAULT_TEMPLATE


def survey(history: History, *, capabilities: Capabilities, heard: Heard) -> Survey:
    """Read the whole file. Raises ``HistoryError`` with a line for each mistake in it."""
    found = Survey()
    wrong: list[str] = []
    more = 0
    for entry in _entries(history, heard):
        if isinstance(entry, Wrong):
            if len(wrong) < WRONG_MOST:
                wrong.append(f"{history.path}: {entry.words}")
            else:
                more += 1
            continue
        staged = entry if isinstance(entry, LeftOut) else _staged(entry, capabilities)
        if isinstance(staged, LeftOut):
            found.left_out[staged.why] += 1
            continue
        assert isinstance(entry, Past)
        found.messages += 1
        found.parts += len(staged.payloads)
        found.split += len(staged.payloads) > 1
        found.unzoned += not entry.zoned
        found.first = entry.at if found.first is None else min(found.first, entry.at)
        found.last = entry.at if found.last is None else max(found.last, entry.at)
        if entry.message.sender is not None and len(found.people) < PEOPLE_MOST:
            found.people.add(entry.message.sender.id)
    if more:
        wrong.append(f"{history.path}: and {more} more like these")
    if wrong:
        raise HistoryError("\n".join(wrong))
    return found


def chunks(history: History, *, capabilities: Capabilities) -> Iterator[list[StagedMessage]]:
    """The messages of a file as they are to be sent, each once, some hundreds at a time. Raises ``HistoryError``."""
    chunk: list[StagedMessage] = []
    for entry in _entries(history, lambda _: None):
        if isinstance(entry, Wrong):
            raise HistoryError(f"{history.path}: changed while it was read: {entry.words}")
        staged = entry if isinstance(entry, LeftOut) else _staged(entry, capabilities)
        if isinstance(staged, LeftOut):
            continue
        chunk.append(staged)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _entries(history: History, heard: Heard) -> Iterator[Entry]:
    """What a file holds; a message that repeats another one is left out, one that only has its id is a mistake."""
    with IdsOfFile() as ids:
        for entry in history.read(heard):
            yield _compared(entry, ids) if isinstance(entry, Past) else entry


def _compared(past: Past, ids: IdsOfFile) -> Entry:
    sender = past.message.sender
    assert sender is not None
    placed = PlacedId(past.id, past.place, past.at.timestamp(), sender.id, fingerprint(past.words))
    first = ids.note(placed)
    if first is None:
        return past
    differing = {
        "another time": first.at != placed.at,
        "another person": first.person != placed.person,
        "other words": first.words != placed.words,
    }
    if not any(differing.values()):
        return LeftOut("repeated")
    other = ", ".join(name for name, differs in differing.items() if differs)
    return Wrong(
        f"{past.place}: id: {shown_short(past.id)} is that of {first.place} too, with {other};"
        " give each message an id of its own"
    )


def _staged(past: Past, capabilities: Capabilities) -> StagedMessage | LeftOut:
    message = past.message
    if not message.text.strip():
        return LeftOut("messages without text")
    assert message.sender is not None
    parts = shape(message, capabilities=capabilities, template=template_of(capabilities)).parts
    return StagedMessage(
        id=past.id,
        at=past.at.timestamp(),
        digest=fingerprint(message.sender.id, past.at.isoformat(), past.words),
        payloads=tuple(part.model_dump_json(exclude_defaults=True) for part in parts),
    )


CHANGED_SHOWN = 5


@dataclass(slots=True)
class Totals:
    """What became of the messages of a file when they were staged, or would become of them."""

    new: int = 0
    known: int = 0
    changed: int = 0
    """Known with another time, person or words; they are not sent."""
    changed_ids: list[str] = field(default_factory=list)
    """Some of those."""

    def add(self, staged: Staged) -> None:
        """Count one chunk in."""
        self.new += staged.new
        self.known += staged.known
        self.changed += len(staged.changed)
        self.changed_ids += staged.changed[: CHANGED_SHOWN - len(self.changed_ids)]


async def stage(
    store: Store,
    history: History,
    *,
    account: str,
    conversation: str,
    capabilities: Capabilities,
    write: bool,
    told: Callable[[int], None],
) -> Totals:
    """Make rows of what is not there yet; with ``write`` false only say how many that would be."""
    totals = Totals()
    for chunk in chunks(history, capabilities=capabilities):

        def unit(tx: Tx, chunk: list[StagedMessage] = chunk) -> Staged:
            return (tx.imports.stage if write else tx.imports.compare)(account, conversation, chunk)

        totals.add(await (store.write(unit) if write else store.read(unit)))
        told(len(chunk))
    return totals


# --- from rows to sends --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class End:
    """Why an import ended."""

    why: Literal["done", "stopped", "unavailable", "unauthorized", "refused"]
    words: str = ""


class _Ended(Exception):
    def __init__(self, end: End) -> None:
        super().__init__(end.words)
        self.end = end


class _Open(Exception):
    """What became of a send cannot be found out."""


@dataclass(frozen=True, slots=True)
class _Attempted:
    """One attempt: what became of the row, and in how many seconds another may follow."""

    outcome: PastOutcome
    again_s: float | None = None


Waits: TypeAlias = Callable[[float], Awaitable[bool]]
"""Waits so many seconds; True at once when told to stop."""


class Importer:
    """Sends what is staged for one conversation."""

    def __init__(
        self,
        *,
        store: Store,
        account: ProviderAccount,
        conversation: ConversationId,
        stopping: asyncio.Event,
        settled: Callable[[int], None] = lambda n: None,
        waits: Callable[[str], None] = lambda words: None,
        clock: Callable[[], float] = time.time,
        wait: Waits | None = None,
        jitter: Callable[[], float] = lambda: random.uniform(-1, 1),
    ) -> None:
        assert isinstance(account.bridge, Imports)
        self._store = store
        self._account = account
        self._bridge = account.bridge
        self._conversation = conversation
        self._stopping = stopping
        self._settled = settled
        self._waits = waits
        self._clock = clock
        self._wait = wait or self._wait_or_stop
        self._jitter = jitter
        self._instance = ""
        self.ended: Counter[ImportState] = Counter()
        """How many parts came to an end in this run, and to which."""

    async def run(self) -> End:
        """Send everything that waits. Raises ``StoreError``; what was under way is then asked about the next time."""
        self._instance = await self._store.read(lambda tx: tx.meta.instance)
        try:
            await self._resolve()
            await self._send_all()
        except _Ended as ended:
            return ended.end
        return End("done")

    async def send_again(self, state: Literal["refused", "unknown"]) -> int:
        """Let those in this state be sent again; of the unknown only what the provider still cannot tell about."""
        if state == "unknown":
            self._instance = await self._store.read(lambda tx: tx.meta.instance)
            try:
                await self._resolve()
            except _Ended:
                # Said again by the run that follows.
                return 0
        return await self._store.write(lambda tx: tx.imports.again(self._account.name, self._conversation, state))

    # --- what is in doubt

    async def _resolve(self) -> None:
        """Ask about everything whose end nobody knows: found under way, or left open before."""
        # A person's wish to send again asks too: those that stay in doubt come up here once more.
        self.ended["unknown"] = 0
        for row in await self._store.read(lambda tx: tx.imports.open(self._account.name, self._conversation)):
            outcome = await self._found_out(row, questions=QUESTIONS_MOST if row.state == "sending" else 1)
            await self._settle(outcome)
            if outcome.state != "new":
                self.ended[outcome.state] += 1

    async def _found_out(self, row: PastPart, *, questions: int) -> PastOutcome:
        if not self._account.can_confirm:
            if self._account.capabilities.idempotent:
                return PastOutcome(row.n, "new")
            title = self._bridge_title
            return PastOutcome(
                row.n, "unknown", error=row.error or f"stopped while it was sent; {title} cannot be asked"
            )
        try:
            receipt = await self._asked(row, questions=questions)
        except _Open as error:
            return PastOutcome(row.n, "unknown", error=str(error))
        if receipt is not None:
            return self._arrived(row, receipt)
        if row.tried_at is None or self._clock() - row.tried_at > REMEMBERED_S:
            title = self._bridge_title
            return PastOutcome(row.n, "unknown", error=f"{title} was asked too late to know what became of it")
        return PastOutcome(row.n, "new")

    async def _asked(self, row: PastPart, *, questions: int) -> Receipt | None:
        """The provider's answer. Raises ``_Open``, or ``_Ended``: then the row is asked about the next time."""
        reason = ""
        for question in range(1, questions + 1):
            if self._stopping.is_set():
                raise _Ended(End("stopped"))
            try:
                return await self._account.confirm(self._outgoing(row))
            except Unauthorized as error:
                raise _Ended(End("unauthorized", str(error))) from error
            except Exception as error:
                reason = str(error) if isinstance(error, BridgeError) else f"our bug: {type(error).__name__}"
                decision = after_failed_confirm(
                    error,
                    attempts=question,
                    age_s=0.0,
                    max_age_s=math.inf,
                    on_ambiguous="hold",
                    idempotent=False,
                    jitter=self._jitter(),
                )
                if not isinstance(decision, Confirm):
                    break
            if question < questions:
                self._waits(f"{reason}; asking again in {decision.delay_s:.0f} s")
                if await self._wait(decision.delay_s):
                    raise _Ended(End("stopped"))
        raise _Open(f"it may have arrived, and that could not be confirmed: {reason}")

    # --- what waits

    async def _send_all(self) -> None:
        """Send until nothing waits. Raises ``_Ended``."""
        done: PastOutcome | None = None
        tries = refusals = 0
        while True:
            row, done = await self._next(done), None
            if row is None:
                return
            attempted = await self._attempt(row, tries=tries + 1)
            done = attempted.outcome
            if attempted.again_s is not None:
                tries += 1
                reason = done.error or ""
                await self._settle(done)
                done = None
                if tries >= TRIES_MOST:
                    raise _Ended(End("unavailable", reason))
                self._waits(f"{reason}; trying again in {attempted.again_s:.0f} s")
                if await self._wait(attempted.again_s):
                    raise _Ended(End("stopped"))
                continue
            tries = 0
            self.ended[done.state] += 1
            self._settled(1)
            refusals = refusals + 1 if done.state != "sent" else 0
            if refusals >= REFUSED_MOST:
                await self._settle(done)
                raise _Ended(End("refused", f"{refusals} in a row did not go, the last one: {done.error}"))

    async def _next(self, done: PastOutcome | None) -> PastPart | None:
        """Write down the end of one send and the beginning of the next, in one commit as long as nobody has to wait."""
        pace, key = self._account.pace, self._account.pace_key(self._conversation)
        while not self._stopping.is_set() and (wait_s := pace.ready_in(key, self._clock())) > 0:
            if done is not None:
                await self._settle(done)
                done = None
            await self._wait(wait_s)
        if self._stopping.is_set():
            if done is not None:
                await self._settle(done)
            raise _Ended(End("stopped"))
        now = self._clock()

        def unit(tx: Tx) -> PastPart | None:
            if done is not None:
                tx.imports.settle(done)
            return tx.imports.begin(self._account.name, self._conversation, now=now)

        row = await self._store.write(unit)
        if row is not None:
            pace.took(key, now)
        return row

    async def _attempt(self, row: PastPart, *, tries: int) -> _Attempted:
        """Send one part once. Raises ``_Ended`` where nothing else can be sent either; that is then written down."""
        try:
            at = datetime.fromtimestamp(row.at, UTC)
            receipt = await self._account.run(self._bridge.deliver_past(self._outgoing(row), at=at))
        except Exception as error:
            if isinstance(error, Unavailable) and error.retry_after is not None:
                key = self._account.pace_key(self._conversation)
                self._account.pace.refused(key, error.retry_after, self._clock())
            return await self._failed(row, error, tries=tries)
        return _Attempted(self._arrived(row, receipt))

    async def _failed(self, row: PastPart, error: Exception, *, tries: int, absent: bool = False) -> _Attempted:
        if not isinstance(error, BridgeError):
            logger.error(
                "a past message was not sent", exc_info=error, extra={"account": self._account.name, "n": row.n}
            )
        decision = decide(
            error,
            attempts=tries,
            age_s=0.0,
            max_age_s=math.inf,
            on_ambiguous="hold",
            idempotent=self._account.capabilities.idempotent,
            can_confirm=self._account.can_confirm,
            jitter=self._jitter(),
            confirmed_absent=absent,
        )
        match decision:
            case Again(delay_s=delay_s, reason=reason):
                return _Attempted(PastOutcome(row.n, "new", error=reason), again_s=delay_s)
            case Dead(reason=reason):
                return _Attempted(PastOutcome(row.n, "refused", error=reason))
            case Hold(reason=reason):
                return _Attempted(PastOutcome(row.n, "unknown", error=reason))
            case PauseAccount(reason=reason):
                await self._settle(PastOutcome(row.n, "new", error=reason))
                raise _Ended(End("unauthorized", reason))
            case Confirm():
                try:
                    receipt = await self._asked(row, questions=QUESTIONS_MOST)
                except _Open as still_open:
                    return _Attempted(PastOutcome(row.n, "unknown", error=str(still_open)))
                if receipt is not None:
                    return _Attempted(self._arrived(row, receipt))
                return await self._failed(row, error, tries=tries, absent=True)

    # --- small things

    def _outgoing(self, row: PastPart) -> Outgoing:
        """The same for a row and an attempt, in whatever process: what is asked about is what was sent."""
        name = fingerprint(self._account.name, self._conversation, row.id, str(row.part))
        return Outgoing(
            key=f"{self._instance}-h{name}",
            conversation=self._conversation,
            message=Message.model_validate_json(row.payload),
            attempt=row.attempts,
        )

    @staticmethod
    def _arrived(row: PastPart, receipt: Receipt) -> PastOutcome:
        return PastOutcome(row.n, "sent", remote_ids=receipt.ids)

    async def _settle(self, outcome: PastOutcome) -> None:
        await self._store.write(lambda tx: tx.imports.settle(outcome))

    async def _wait_or_stop(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return False
        return True

    @property
    def _bridge_title(self) -> str:
        return self._account.bridge.title


class Recalling:
    """Lets an account recall what another process learns, such as a token that the running bot had renewed."""

    def __init__(self, store: Store, account: ProviderAccount) -> None:
        self._store = store
        self._account = account
        self._tasks: set[asyncio.Task[None]] = set()
        store.on_wake(self._woken)

    def _woken(self, topics: frozenset[str]) -> None:
        # One's own additions are in the bridge already.
        if "*" in topics and not self._tasks:
            task = asyncio.create_task(self._recall())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _recall(self) -> None:
        try:
            state = await self._store.read(lambda tx: tx.accounts.get(self._account.name))
        except StoreError as error:
            logger.warning("what another process learnt was not read", extra={"error": str(error)})
        else:
            self._account.recall(state.memory or {})
