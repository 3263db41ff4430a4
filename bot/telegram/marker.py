"""Shows the state of deliveries on the message that caused them: a reaction, or a status line where none is possible.

A mark is the wanted state of a message, so showing it again does no harm and only the latest counts; it is kept in
the store until it is shown, also over a restart.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from telegram import Bot, ReactionTypeEmoji, ReplyParameters
from telegram.error import BadRequest, ChatMigrated, Forbidden, RetryAfter, TelegramError

from bot.addresses import TELEGRAM, split_telegram
from bot.faultpoints import point
from bot.marks import EMOJI, LINES, gives_way
from bot.store import Store, Tx
from bot.store.marks import Mark
from bot.store.messages import Origin
from bot.telegram.errors import wait_s
from bot.telegram.outbound import message_id, reaction_of, split_message_id
from bot.worker import Worker
from bridges.model import ConversationId

logger = logging.getLogger(__name__)

AT_ONCE = 16
ATTEMPTS_MOST = 8
PAUSE_S = 2.0


class Marker:
    """Brings what is shown in line with what is wanted."""

    def __init__(self, *, store: Store, bot: Bot, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._bot = bot
        self._clock = clock
        self._worker = Worker(self._turn, name="marker", pause_s=PAUSE_S)
        store.on_wake(lambda topics: self._worker.wake() if topics & {"marks", "*"} else None)

    def start(self) -> None:
        """Begin, with what a former process left to show."""
        self._worker.start()

    async def stop(self) -> None:
        """Finish the marks at hand."""
        await self._worker.stop()

    async def _turn(self) -> float | None:
        now = self._clock()
        due = await self._store.read(
            lambda tx: [
                (mark, tx.messages.get(mark.message), _reaction(tx, mark))
                for mark in tx.marks.due(now=now, limit=AT_ONCE)
            ]
        )
        if not due:
            next_at = await self._store.read(lambda tx: tx.marks.next_due())
            return None if next_at is None else max(0.01, next_at - now)
        await asyncio.gather(*(self._show(mark, origin, emoji) for mark, origin, emoji in due))
        return 0.0

    async def _show(self, mark: Mark, origin: Origin | None, emoji: str) -> None:
        if origin is None or origin.remote_id is None:
            await self._store.write(lambda tx: tx.marks.drop(mark.message))
            return
        chat_id, number = split_message_id(origin.remote_id)
        try:
            line = await self._put(mark, origin, chat_id, number, emoji)
        except RetryAfter as error:
            await self._later(mark, wait_s(error))
        except (Forbidden, BadRequest, ChatMigrated) as error:
            logger.info("a state cannot be shown", extra={"action": "mark", "error": error.message})
            await self._store.write(lambda tx: tx.marks.drop(mark.message))
        except TelegramError:
            if mark.attempts >= ATTEMPTS_MOST:
                await self._store.write(lambda tx: tx.marks.drop(mark.message))
            else:
                await self._later(mark, PAUSE_S * 2**mark.attempts)
        else:
            point("mark.shown")
            await self._store.write(lambda tx: tx.marks.showing(mark.message, mark.want, line=line))

    async def _later(self, mark: Mark, wait_s: float) -> None:
        due_at = self._clock() + wait_s
        await self._store.write(lambda tx: tx.marks.later(mark.message, due_at=due_at))

    async def _put(self, mark: Mark, origin: Origin, chat_id: int, number: int, emoji: str) -> str:
        """Show one; returns the id of the status line if one stands in for the reaction."""
        if not mark.line:
            try:
                await self._bot.set_message_reaction(chat_id, number, [ReactionTypeEmoji(emoji)])
                return ""
            except BadRequest as error:
                if "message" in error.message.lower() and "not found" in error.message.lower():
                    raise
        else:
            _, line_number = split_message_id(mark.line)
            await self._bot.edit_message_text(LINES[mark.want], chat_id, line_number)
            return mark.line
        _, topic = split_telegram(ConversationId(origin.conversation))
        sent = await self._bot.send_message(
            chat_id,
            LINES[mark.want],
            message_thread_id=topic,
            reply_parameters=ReplyParameters(number, allow_sending_without_reply=True),
            disable_notification=True,
        )
        return message_id(sent.chat_id, sent.message_id)


def _reaction(tx: Tx, mark: Mark) -> str:
    """The mark, or what somebody elsewhere has on the message: it stood there before, and is not to be lost."""
    if gives_way(mark.want):
        for person, emoji in tx.messages.reactions_beside(mark.message, ""):
            known = reaction_of(emoji)
            if known is not None and not person.startswith(f"{TELEGRAM}:"):
                return known
    return EMOJI[mark.want]
