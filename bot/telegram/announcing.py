"""Keeps the message of each announcement up to date: what it shows is edited seldom, and in the end is right.

All edits of that message are made here, so that there are never two within three seconds; an edit that fails is made
again, and where the message is gone a new one takes its place.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from telegram import Bot
from telegram.error import BadRequest, ChatMigrated, Forbidden, RetryAfter, TelegramError

from bot import broadcasts
from bot.addresses import Address, split_telegram, telegram_address
from bot.broadcast_report import DELETE, RETRY, Report, Tally, lacks_account, report, tally
from bot.cards import deal
from bot.faultpoints import point
from bot.relay import Relay
from bot.store import Store, Tx
from bot.store.broadcasts import Broadcast
from bot.telegram.errors import wait_s
from bot.telegram.outbound import NO_PREVIEW, keyboard_of, message_id, split_message_id
from bot.worker import Worker
from bridges.model import Button, MessageId

logger = logging.getLogger(__name__)

EDIT_EVERY_S = 3.0
LOOK_S = 60.0
"""One that does not go on by itself is looked at so often, beside whenever something becomes of it."""
ATTEMPTS_MOST = 8
PAUSE_S = 2.0
ASKING, RUNNING, OVER = "announce", "announcing", "announced"
"""Kinds of cards: the preview; with the buttons of one that goes on, with those of one that is over."""
WRITTEN_AT_ONCE = 4
"""More would hold up the writer, where each has hundreds of targets."""
HUSHED_EVERY_S = 1.0
"""Those that no message shows are looked at no more often."""
GIVE_WAY_EVERY_S = 10.0
"""What others take the place of is taken back no more often until these are over: where thousands have it, it takes a
quarter of a second to find out where.
"""
ENDED_AT_ONCE = 500
WAITS_S = 60.0
"""After so long it is shown that one waits for an account."""
ASKED_AT_ONCE = 16
"""Of so many it is found out whether they do."""
NOWHERE = "-"
"""Instead of a message's id: none could be written."""
_GONE = ("message to edit not found", "message can't be edited", "message_id_invalid", "message not found")


@dataclass(slots=True)
class _Watch:
    """What is known of an announcement's message in this process."""

    next_at: float
    """Before then it is not edited."""
    look_at: float = 0.0
    """Before then it is not looked at, unless something becomes of an announcement."""
    attempts: int = 0
    since: float = 0.0
    settled: int = -1
    """How many places were settled when its pace began to be measured; -1: it is not."""

    latest: int = -1
    per_s: float | None = None

    @property
    def due_at(self) -> float:
        """When it is looked at next."""
        return max(self.next_at, self.look_at)

    def pace(self, settled: int, *, now: float, runs: bool) -> float | None:
        """How many places are settled in a second; None: that is not known yet. It is told anew only when another one
        is, for a guess that changes by itself is no reason for an edit.
        """
        if self.settled < 0 or not runs:
            self.since, self.settled, self.latest, self.per_s = now, settled if runs else -1, settled, None
        elif settled > self.latest and now - self.since >= EDIT_EVERY_S:
            self.latest, self.per_s = settled, (settled - self.settled) / (now - self.since)
        return self.per_s


@dataclass(frozen=True, slots=True)
class _Due:
    """A message that is to show something else."""

    broadcast: Broadcast
    report: Report
    buttons: tuple[Button, ...]


class Announcing:
    """Shows how announcements stand, also those of a former process.

    ``monotonic``: what is measured and waited for goes by it, so that a clock that is set back stops nothing.
    """

    def __init__(
        self,
        *,
        store: Store,
        bot: Bot,
        relay: Relay,
        zone: str = "UTC",
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._zone = zone
        self._bot = bot
        self._relay = relay
        self._clock = clock
        self._monotonic = monotonic
        self._watches: dict[int, _Watch] = {}
        self._started_at = clock()
        self._free_at = monotonic() + EDIT_EVERY_S
        """When those from before may be edited: nobody knows when they were edited last."""
        self._moved_on = False
        """Something became of an announcement since the last look."""
        self._hushed_at = self._hushed_free_at = -math.inf
        """Those that no message shows are looked at then; before the second not even if something becomes of one."""
        self._ways_moved, self._ways_at = True, -math.inf
        """Something became of an announcement since it was last looked where others are to give way; and before the
        second that is not looked at again.
        """
        self._waits_since: dict[int, float] = {}
        """Of these the ones of which something waits: since when that is known."""
        self._worker = Worker(self.turn, name="announcing", pause_s=PAUSE_S)
        store.on_wake(self._woken)

    def start(self) -> None:
        """Begin, with what a former process left to show."""
        self._started_at, self._free_at = self._clock(), self._monotonic() + EDIT_EVERY_S
        self._worker.start()

    def _woken(self, topics: frozenset[str]) -> None:
        if topics & {"broadcasts", "*"}:
            self._moved_on = True
            self._worker.wake()

    @property
    def turning(self) -> bool:
        """Whether it is alive."""
        return self._worker.turning

    async def stop(self) -> None:
        """Finish the edit at hand."""
        await self._worker.stop()

    async def turn(self) -> float | None:
        """Edit what may be edited now; returns seconds until the next (None: when woken)."""
        now, moved_on, self._moved_on = self._monotonic(), self._moved_on, False
        hushed_s = await self._look_at_hushed(now=now, moved_on=moved_on)
        open_ = await self._store.read(lambda tx: tx.broadcasts.shown())
        if not open_:
            self._watches.clear()
            return hushed_s
        for each in open_ if moved_on else ():
            self._watch(each, now=now).look_at = now
        ready = [each.id for each in open_ if self._watch(each, now=now).due_at <= now]
        # Most looks find nothing to show: these write nothing.
        ready = await self._store.read(lambda tx: [id for id in ready if self._differs(tx, id, now=now)])
        while ready:
            at_once, ready = ready[:WRITTEN_AT_ONCE], ready[WRITTEN_AT_ONCE:]
            for message in await self._store.write(partial(self._due, ids=at_once, now=now)):
                await self._show(message)
        now = self._monotonic()
        wait_s = max(0.01, min(self._watch(each, now=now).due_at for each in open_) - now)
        return wait_s if hushed_s is None else min(wait_s, hushed_s)

    async def _look_at_hushed(self, *, now: float, moved_on: bool) -> float | None:
        """Those that no message shows as long as they go well: some are over, and with some something is wrong. Returns
        seconds until the next look (None: when woken).
        """
        if moved_on:
            self._ways_moved = True
            self._hushed_at = min(self._hushed_at, self._hushed_free_at)
        if now >= self._hushed_at:
            await self._look_at_ways(now=now)
            found = await self._store.read(lambda tx: tx.broadcasts.hushed())
            self._waits_since = {each.id: self._waits_since.get(each.id, now) for each in found if each.waits}
            over = [each.id for each in found if not each.goes_on]
            if over:
                at_once = over[:ENDED_AT_ONCE]
                await self._store.write(partial(self._end_hushed, ids=at_once))
            await self._speak_of_waiting(now=now)
            self._hushed_free_at = now + HUSHED_EVERY_S
            next_at = now if len(over) > ENDED_AT_ONCE else min(self._waits_since.values(), default=math.inf) + WAITS_S
            self._hushed_at = max(min(next_at, self._ways_at if self._ways_moved else math.inf), self._hushed_free_at)
        return None if self._hushed_at == math.inf else self._hushed_at - now

    async def _look_at_ways(self, *, now: float) -> None:
        """Of those that take the place of others: what is still there of these where they were sent by now."""
        if self._ways_moved and now >= self._ways_at:
            self._ways_moved, self._ways_at = False, now + GIVE_WAY_EVERY_S
            if await self._store.read(self._is_to_give_way):
                await self._store.write(self._give_way)

    def _is_to_give_way(self, tx: Tx) -> bool:
        return any(broadcasts.is_to_give_way(tx, self._relay, each) for each in tx.broadcasts.replacing())

    def _give_way(self, tx: Tx) -> None:
        """What others took the place of is taken back where these were sent."""
        for each in tx.broadcasts.replacing():
            broadcasts.give_way(tx, self._relay, each, now=self._clock())

    def _end_hushed(self, tx: Tx, *, ids: Sequence[int]) -> None:
        self._give_way(tx)  # nobody looks at one that has ended
        tx.broadcasts.end_hushed(ids, now=self._clock())

    async def _speak_of_waiting(self, *, now: float) -> None:
        """What has waited for long for an account that takes nothing is shown from now on."""
        long = [id for id, since in self._waits_since.items() if now - since >= WAITS_S][:ASKED_AT_ONCE]
        if not long:
            return

        def stuck(tx: Tx) -> list[int]:
            rows = filter(None, map(tx.broadcasts.get, long))
            return [each.id for each in rows if lacks_account(tx, self._relay, each, now=self._clock())]

        if found := await self._store.read(stuck):
            await self._store.write(lambda tx: tx.broadcasts.speak(found))
        for id in long:
            self._waits_since[id] = now  # asked again after as long

    def _watch(self, broadcast: Broadcast, *, now: float) -> _Watch:
        watch = self._watches.get(broadcast.id)
        if watch is None:
            first = now if broadcast.created_at >= self._started_at else self._free_at
            watch = self._watches[broadcast.id] = _Watch(next_at=first)
        return watch

    def _differs(self, tx: Tx, id: int, *, now: float) -> bool:
        """Whether anything is to be shown, or kept, of how an announcement stands now."""
        broadcast, watch = tx.broadcasts.get(id), self._watches[id]
        if broadcast is None or broadcast.ended_at is not None:
            return True
        found = tally(tx.broadcasts.standings(id))
        told, kept = self._report(tx, broadcast, found, now=now), broadcasts.kept(broadcast)
        if told.over or told.text != kept.text or not broadcast.progress or kept.retried:
            return True
        if [label for _, label in told.choices] != [label for label, _ in kept.buttons]:
            return True
        self._rest(watch, broadcast, found, now=now)
        return False

    def _report(self, tx: Tx, broadcast: Broadcast, found: Tally, *, now: float) -> Report:
        per_s = self._watches[broadcast.id].pace(found.settled, now=now, runs=_runs(broadcast, found))
        return report(tx, self._relay, broadcast, found, per_s=per_s, now=self._clock(), zone=self._zone)

    def _rest(self, watch: _Watch, broadcast: Broadcast, found: Tally, *, now: float) -> None:
        watch.next_at = now + EDIT_EVERY_S
        watch.look_at = now + (EDIT_EVERY_S if _runs(broadcast, found) else LOOK_S)

    def _due(self, tx: Tx, ids: Sequence[int], *, now: float) -> list[_Due]:
        due = []
        for id in ids:
            broadcast = tx.broadcasts.get(id)
            watch = self._watches[id]
            if broadcast is None or broadcast.ended_at is not None:
                watch.next_at = now + EDIT_EVERY_S
                continue
            found = tally(tx.broadcasts.standings(id))
            if not found.to_do and broadcast.state in ("running", "paused"):
                tx.broadcasts.become(id, "done")
                broadcast = replace(broadcast, state="done")
            told = self._report(tx, broadcast, found, now=now)
            buttons = self._buttons(tx, broadcast, told, broadcasts.kept(broadcast), now=self._clock())
            # Other buttons are shown, too, where the words are the same.
            kept = broadcasts.kept(tx.broadcasts.get(id) or broadcast)
            if told.text != kept.text or not broadcast.progress:
                due.append(_Due(broadcast, told, buttons))
                continue
            self._rest(watch, broadcast, found, now=now)
            if told.over:
                broadcasts.give_way(tx, self._relay, broadcast, now=self._clock())
                tx.broadcasts.end(id, now=self._clock())
        return due

    def _buttons(
        self, tx: Tx, broadcast: Broadcast, told: Report, before: broadcasts.Kept, *, now: float
    ) -> tuple[Button, ...]:
        """Those that it has, or new ones where these are others."""
        labels = [label for _, label in told.choices]
        shown = list(before.buttons)
        if [label for label, _ in shown] != labels or (before.retried and labels):
            person = int(broadcast.person) if broadcast.person else None
            kind = OVER if {choice for choice, _ in told.choices} & {RETRY, DELETE} else RUNNING
            chat = broadcasts.home_of(broadcast).conversation
            choices = [(label, choice) for choice, label in told.choices]
            made = deal(tx, kind, choices, chat=chat, person=person, subject=broadcast.id, expires_s=None, now=now)
            shown = [(each.label, each.data) for each in made]
            # Until it is shown nobody knows whether it is.
            broadcasts.keep(tx, broadcast.id, buttons=shown, text="", retried=False)
        return tuple(Button(label=label, data=data, beside=place > 0) for place, (label, data) in enumerate(shown))

    async def _show(self, due: _Due) -> None:
        id, watch = due.broadcast.id, self._watches[due.broadcast.id]
        progress = due.broadcast.progress
        try:
            progress = await self._put(due)
        except RetryAfter as error:
            watch.next_at = self._monotonic() + max(wait_s(error), EDIT_EVERY_S)
            return
        except ChatMigrated as error:
            new = telegram_address(error.new_chat_id)
            await self._store.write(lambda tx: self._upgraded(tx, due.broadcast, new))
            return
        except (BadRequest, Forbidden) as error:
            if isinstance(error, BadRequest) and progress and _says(error, _GONE):
                await self._store.write(lambda tx: tx.broadcasts.shows_at(id, ""))
                return
            if not (isinstance(error, BadRequest) and _says(error, ("not modified",))):
                logger.info("an announcement's state cannot be shown", extra={"action": "announce", "broadcast": id})
        except TelegramError as error:
            watch.attempts += 1
            if watch.attempts < ATTEMPTS_MOST or not due.report.over:
                watch.next_at = self._monotonic() + max(EDIT_EVERY_S, min(PAUSE_S * 2**watch.attempts, 60.0))
                return
            logger.info("an announcement's state is not shown", extra={"action": "announce", "error": str(error)})
        watch.attempts = 0
        watch.next_at = self._monotonic() + EDIT_EVERY_S
        text = due.report.text

        def shown(tx: Tx) -> None:
            now_there = tx.broadcasts.get(id)
            if now_there is None or now_there.chat != due.broadcast.chat:
                return  # the chat moved meanwhile, and this message stayed behind
            broadcasts.keep(tx, id, text=text)
            # Empty if nothing can be shown there: what follows is tried all the same.
            tx.broadcasts.shows_at(id, progress or NOWHERE)

        # A kill before this leaves a message that nothing edits any more beside the one that is written at the next
        # start: its buttons do the same, and a request cannot be made in one step with a row.
        await self._store.write(shown)
        point("broadcast.shown")

    def _upgraded(self, tx: Tx, broadcast: Broadcast, new: Address) -> None:
        """The group is another one now: everything of it follows, and a new message shows the announcement there."""
        chat, _ = split_telegram(broadcasts.home_of(broadcast).conversation)
        self._relay.places.upgraded(tx, telegram_address(chat), new, now=self._clock())
        tx.broadcasts.shows_at(broadcast.id, "")

    async def _put(self, due: _Due) -> str:
        """Edit the message, or write it where there is none; returns its id."""
        keyboard = keyboard_of(due.buttons)
        if due.broadcast.progress and due.broadcast.progress != NOWHERE:
            chat_id, number = split_message_id(MessageId(due.broadcast.progress))
            await self._bot.edit_message_text(
                due.report.text, chat_id, number, reply_markup=keyboard, link_preview_options=NO_PREVIEW
            )
            return due.broadcast.progress
        chat_id, topic = split_telegram(broadcasts.home_of(due.broadcast).conversation)
        sent = await self._bot.send_message(
            chat_id,
            due.report.text,
            message_thread_id=topic,
            reply_markup=keyboard,
            link_preview_options=NO_PREVIEW,
        )
        return message_id(sent.chat_id, sent.message_id)


def _runs(broadcast: Broadcast, found: Tally) -> bool:
    """Whether it goes on by itself just now, and does not only wait for its time."""
    return broadcast.state == "running" and bool(found.left)


def _says(error: TelegramError, any_of: Sequence[str]) -> bool:
    return any(words in error.message.lower() for words in any_of)
