"""Buttons on the bot's own cards: who may press, whether it still counts, and then the card's own decision."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace

from telegram import CallbackQuery, MaybeInaccessibleMessage
from telegram import Message as TelegramMessage
from telegram.error import TelegramError

from bot.addresses import Address, AddressError, telegram_address
from bot.decisions import DecisionError
from bot.faultpoints import point
from bot.names import one_line
from bot.relay import sentence
from bot.routing import RouteError
from bot.store import Store, Tx
from bot.store.inbox import Arrived
from bot.telegram.cards import Press, Pressed, card_kinds
from bot.telegram.commands.registry import NotAllowed, Reply, Services, UsageError
from bot.telegram.errors import bridge_error
from bot.telegram.inbound import here
from bot.telegram.outbound import NO_PREVIEW, entities_of, keyboard_of
from bot.telegram.seen import Seen
from bot.telegram.turns import RoleIn, audit
from bridges.errors import BridgeError, Refused, Unavailable

logger = logging.getLogger(__name__)

_WRONG = (UsageError, AddressError, RouteError, Refused, DecisionError, NotAllowed)
"""What a card's decision may raise: nothing is done then, and the card can be pressed again."""
TOAST_MOST = 200
"""https://core.telegram.org/bots/api#answercallbackquery, 2026-11."""
_TOO_LATE = ("query is too old", "query id is invalid")
PREPARE_S = 8.0
"""How long a button may ask the network before it is acted on all the same."""


class Presses:
    """Does what a pressed button stands for, for those who may."""

    def __init__(
        self, *, store: Store, services: Callable[[], Services], role: RoleIn, clock: Callable[[], float]
    ) -> None:
        self._store = store
        self._services = services
        self._role = role
        self._clock = clock
        self._seen = Seen(role=role)

    async def press(self, item: Arrived, query: CallbackQuery) -> None:
        """Commit what the button decides, then show it."""
        prepared = await self._prepare(item, query)
        pressed = await self._store.write(lambda tx: self._pressed(tx, item, query, prepared=prepared))
        point("telegram.pressed")
        # What was decided is committed; only its display can be lost, and neither for the other's sake.
        is_too_late = not await self._answer(query, pressed.toast)
        if pressed.card is not None and isinstance(query.message, TelegramMessage):
            await self._edit(query.message, pressed.card)
        elif is_too_late and pressed.toast:
            place, now = _place(query.message, person=query.from_user.id), self._clock()
            await self._store.write(lambda tx: self._services().relay.tell(tx, place, pressed.toast, now=now))

    async def _answer(self, query: CallbackQuery, toast: str) -> bool:
        """Show a toast; False if Telegram shows none any more, for the press is too long ago."""
        try:
            await query.answer(toast[:TOAST_MOST], show_alert=len(toast) > TOAST_MOST // 2)
        except TelegramError as error:
            logger.info("a press was not answered", extra={"action": "press", "error": str(bridge_error(error))})
            return not any(words in error.message.lower() for words in _TOO_LATE)
        return True

    async def _edit(self, message: TelegramMessage, card: Reply) -> None:
        """Show on a card what became of it."""
        try:
            await message.edit_text(
                card.text,
                entities=entities_of(card.text, card.spans),
                reply_markup=keyboard_of(card.buttons),
                link_preview_options=NO_PREVIEW,
            )
        except TelegramError as error:
            logger.info("a card was not changed", extra={"action": "press", "error": str(bridge_error(error))})

    async def _prepare(self, item: Arrived, query: CallbackQuery) -> object:
        """What a card has to know from the network, for a button that counts. What goes wrong is returned."""
        kind = card_kinds.kinds.get((query.data or "").partition(":")[0])
        prepare = kind.prepare if kind is not None else None
        if prepare is None:
            return None

        def question(tx: Tx) -> Callable[[], Awaitable[object]] | None:
            looked = self._look(tx, query) if tx.inbox.is_pending(item.id) else None
            return prepare(looked, tx) if isinstance(looked, Press) else None

        asked = await self._store.read(question)
        if asked is None:
            return None
        try:
            async with asyncio.timeout(PREPARE_S):
                return await asked()
        except TimeoutError:
            return Unavailable(f"nothing came back within {PREPARE_S:g} s; try again in a moment")
        except (*_WRONG, BridgeError) as error:
            return error

    def _pressed(self, tx: Tx, item: Arrived, query: CallbackQuery, *, prepared: object) -> Pressed:
        """Decide by a card's button, if it counts."""
        if not tx.inbox.is_pending(item.id):
            return Pressed("This was done already.")
        tx.inbox.done(item, ["commands"])
        chat = query.message.chat if query.message is not None else None
        self._seen.was_here(tx, query.from_user, chat=chat, now=self._clock())
        press = self._look(tx, query)
        if not isinstance(press, Press):
            self._told(tx, query, press)
            return press
        press = replace(press, prepared=prepared)
        try:
            with tx.savepoint("press"):
                pressed = card_kinds.kinds[press.card.kind].decide(press, tx)
        except _WRONG as error:
            pressed = Pressed(sentence(error), used=False, outcome="refused")
        if pressed.used:
            tx.cards.use(press.card.nonce, now=press.now)
        self._told(tx, query, pressed)
        return pressed

    def _told(self, tx: Tx, query: CallbackQuery, pressed: Pressed) -> None:
        name, _, rest = (query.data or "").partition(":")
        word = rest.partition(":")[0].partition("=")[0]
        command = "button" if pressed.outcome == "unknown" else f"button {name} {word}"
        person, place = query.from_user.id, _place(query.message, person=query.from_user.id)
        audit(tx, person, place=str(place), command=command, outcome=pressed.outcome, now=self._clock())

    def _look(self, tx: Tx, query: CallbackQuery) -> Press | Pressed:
        """The button as its card's decision gets it, or why it does not count. Changes nothing."""
        name, _, rest = (query.data or "").partition(":")
        choice, _, nonce = rest.partition(":")
        kind = card_kinds.kinds.get(name)
        card = tx.cards.get(nonce, kind=name) if kind is not None else None
        word, _, _ = choice.partition("=")
        now, person, place = self._clock(), query.from_user.id, _place(query.message, person=query.from_user.id)
        if kind is None or card is None or word not in kind.choices or not card.offers(choice):
            return Pressed("I do not know this button any more.", outcome="unknown")
        chat = int(place.conversation.partition("/")[0])
        role = self._role(tx, person, chat=chat)
        everywhere = self._role(tx, person, chat=None)

        def refused(why: str, card: Reply | None = None) -> Pressed:
            return Pressed(why, card, outcome="refused")

        if card.person and card.person != str(person):
            return refused("Only the person who asked for this may press here.")
        if card.chat.partition("/")[0] != str(chat):
            return refused("This button belongs into another chat.")
        if card.used_at is not None:
            return Pressed("This was decided already.", outcome="decided already")
        if card.expires_at is not None and card.expires_at <= now:
            minutes = (card.expires_at - card.created_at) / 60
            return refused(
                f"Too late: these buttons counted for {minutes:.0f} minutes. Write the command again.",
                Reply(f"{_text(query.message)}\n\nExpired: nothing was done.".strip()),
            )
        needed = kind.choices[word]
        if role < needed:
            return refused(f"This needs the role {needed.word}; yours is {role.word}.")
        if word in kind.scopes and everywhere < needed:
            return refused(f"This needs the role {needed.word} everywhere; yours counts in this chat only.")
        return Press(
            card=card,
            choice=choice,
            person=person,
            person_name=one_line(query.from_user.full_name),
            role=role,
            everywhere=everywhere,
            place=place,
            message=query.message if isinstance(query.message, TelegramMessage) else None,
            services=self._services(),
            now=now,
        )


def _place(message: MaybeInaccessibleMessage | None, *, person: int) -> Address:
    if isinstance(message, TelegramMessage):
        return here(message)
    return telegram_address(message.chat.id if message is not None else person)


def _text(message: MaybeInaccessibleMessage | None) -> str:
    return (message.text or "") if isinstance(message, TelegramMessage) else ""
