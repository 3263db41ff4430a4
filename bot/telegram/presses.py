"""Buttons on the bot's own cards, and what is decided by them."""

from __future__ import annotations

import logging
from collections.abc import Callable

from telegram import CallbackQuery
from telegram import Message as TelegramMessage
from telegram.error import TelegramError

from bot import decisions
from bot.addresses import telegram_address
from bot.feedback import ARRIVED, CARD, INCIDENT, SEND_AGAIN, SHOW, Feedback
from bot.relay import Relay
from bot.store import Store, Tx
from bot.store.inbox import Arrived
from bot.store.outbox import Delivery
from bot.telegram.access import Role
from bot.telegram.errors import bridge_error
from bot.telegram.turns import RoleIn, audit

logger = logging.getLogger(__name__)


class Presses:
    """Does what a pressed button stands for, for those who may."""

    def __init__(
        self, *, store: Store, relay: Relay, feedback: Feedback, role: RoleIn, clock: Callable[[], float]
    ) -> None:
        self._store = store
        self._relay = relay
        self._feedback = feedback
        self._role = role
        self._clock = clock

    async def press(self, item: Arrived, query: CallbackQuery) -> None:
        """Commit what the button decides, then show it."""
        toast, card = await self._store.write(lambda tx: self._pressed(tx, item, query))
        try:
            await query.answer(toast[:200])
            if card is not None and isinstance(query.message, TelegramMessage):
                await query.message.edit_text(card)
        except TelegramError as error:
            # What was decided is committed; only the toast is lost.
            logger.info("a press was not answered", extra={"action": "press", "error": str(bridge_error(error))})

    def _pressed(self, tx: Tx, item: Arrived, query: CallbackQuery) -> tuple[str, str | None]:
        """Decide by a card's button; returns the toast, and the card's new text if it is used up."""
        now = self._clock()
        if not tx.inbox.is_pending(item.id):
            return "This was done already.", None
        tx.inbox.done(item, ["commands"])
        chat = query.message.chat.id if query.message else query.from_user.id
        role = self._role(tx, query.from_user.id, chat=chat)
        kind, _, rest = (query.data or "").partition(":")
        choice, _, nonce = rest.partition(":")
        subject = tx.cards.subject(nonce, kind=kind) if kind in (CARD, INCIDENT) else None
        person, place = query.from_user.id, f"telegram:{chat}"
        if subject is None:
            return "I do not know this button any more.", None
        if role < Role.OPERATOR:
            audit(tx, person, place=place, command=f"button {choice}", outcome="refused", now=now)
            return f"This needs the role operator; yours is {role.word}.", None
        row = tx.outbox.get(subject)
        if kind == INCIDENT and row is not None:
            text, card = self._pressed_incident(tx, row, choice, nonce, chat=chat, now=now)
            audit(tx, person, place=place, command=f"button {choice}", outcome=row.account, now=now)
            return text, card and f"{card} ({query.from_user.full_name})"
        if row is None or row.state != "held" or not tx.cards.use(nonce, now=now):
            return "This was decided already.", f"Delivery {subject} was decided already."
        if choice == SEND_AGAIN:
            text = decisions.retry(tx, row, now=now)
        elif choice == ARRIVED:
            text = decisions.arrived(tx, row, now=now)
            if row.owed:
                self._relay.changes.owed(tx, row, now=now)
        else:
            text = decisions.discard(tx, row, now=now)
        if row.message is not None and row.marked:
            self._feedback.show(tx, row.message, now=now)
        audit(tx, person, place=place, command=f"button {choice}", outcome=f"delivery {row.id}", now=now)
        return text, f"{text} ({query.from_user.full_name})"

    def _pressed_incident(
        self, tx: Tx, row: Delivery, choice: str, nonce: str, *, chat: int, now: float
    ) -> tuple[str, str | None]:
        """See what was given up at an account, as often as one likes, or send all of it again, once."""
        dead = tx.outbox.list(states=("dead",), account=row.account)
        if choice == SHOW:
            listed = decisions.listing(dead[-30:], empty=f"Nothing of {row.account} is given up any more.")
            self._relay.tell(tx, telegram_address(chat), listed, now=now)
            return f"{len(dead)} are given up.", None
        if not tx.cards.use(nonce, now=now):
            return "This was decided already.", "This was decided already."
        number = decisions.retry_all(tx, now=now, account=row.account, states=("dead",))
        for each in dead:
            if each.message is not None and each.marked:
                self._feedback.show(tx, each.message, now=now)
        text = f"{number} deliveries to {row.account} are sent again."
        return text, text
