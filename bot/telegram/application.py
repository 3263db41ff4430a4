"""Telegram's side of the bot: what arrives, its order, and who deals with it, joined.

``receiving.py`` brings updates, ``lanes.py`` keeps their order, ``inbound.py`` says what each means; ``talks.py``,
``running.py`` and ``presses.py`` deal with messages, commands and buttons, behind python-telegram-bot's handlers.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from telegram import ChatMember, Message, Update
from telegram.ext import Application, CallbackContext, CallbackQueryHandler, ExtBot, MessageHandler, filters

from bot.addresses import Address, telegram_address
from bot.faultpoints import point
from bot.feedback import Feedback
from bot.firing import Firing, SchedulePolicy
from bot.http import HttpClient
from bot.intake import Intake
from bot.relay import Relay
from bot.settings import TelegramSettings
from bot.store import Store, StoreError, Tx
from bot.store.inbox import Arrived
from bot.telegram.access import Role, person_of, role_of
from bot.telegram.checkup import note_topic
from bot.telegram.commands.registry import Services
from bot.telegram.commands.start import greeting
from bot.telegram.contact import Contact
from bot.telegram.gaps import WEBHOOK_PATIENCE_S
from bot.telegram.inbound import (
    Change,
    ChatPicked,
    CommandLine,
    Meaning,
    Membership,
    Moved,
    Passed,
    Press,
    Talk,
    here,
    meaning,
)
from bot.telegram.lanes import Lanes, Turn
from bot.telegram.menus import Menus
from bot.telegram.presses import Presses
from bot.telegram.reading import read_update
from bot.telegram.receiving import ALLOWED_UPDATES, Receiver
from bot.telegram.request import Request
from bot.telegram.running import Runner
from bot.telegram.seen import Seen
from bot.telegram.surroundings import Installation, InTouch, Surroundings
from bot.telegram.talks import Talks
from bot.telegram.turns import audit, done, is_open

logger = logging.getLogger(__name__)

BODY_MOST = 16 << 20
BACKOFF_S = (1.0, 2.0, 5.0, 10.0, 30.0)
PREPARE_S = 8.0
"""How long a command may ask the network before it is answered all the same; shorter than a stop waits for it."""

App = Application[Any, Any, Any, Any, Any, Any]
Context = CallbackContext[Any, Any, Any, Any]


def make_bot(settings: TelegramSettings) -> ExtBot[None]:
    """The Bot API at the configured address. Makes no connection until it is used."""
    base = settings.api_base_url.rstrip("/")
    return ExtBot(
        settings.token.get_secret_value(),
        base_url=f"{base}/bot",
        base_file_url=f"{base}/file/bot",
        request=Request(HttpClient(body_most=BODY_MOST)),
        get_updates_request=Request(HttpClient(connections=2, body_most=BODY_MOST)),
    )


@dataclass(slots=True)
class _AtHand:
    """An update while its handler runs, and what the handler raised."""

    turn: Turn
    meant: Meaning
    error: Exception | None = None


class TelegramSide:
    """Receives updates, keeps their order for each chat, and runs commands."""

    def __init__(
        self,
        *,
        settings: TelegramSettings,
        store: Store,
        default_timezone: str,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._settings = settings
        self._store = store
        self._clock = clock
        self._zone = default_timezone
        self.bot = make_bot(settings)
        self._app: App = Application.builder().bot(self.bot).updater(None).build()
        self._at_hand: dict[int, _AtHand] = {}
        self._known = asyncio.Event()
        self._lanes = Lanes(
            deal=self._work_on, may_begin=self._known, album_wait_s=settings.album_wait, clock=monotonic, sleep=sleep
        )
        self._stopping = asyncio.Event()
        self._starter: asyncio.Task[None] | None = None
        self._unknown_kinds: set[str] = set()

    def join(
        self,
        *,
        relay: Relay,
        intake: Intake,
        feedback: Feedback,
        firing: Firing | None = None,
        installation: Installation | None = None,
    ) -> None:
        """Connect with the rest of the bot."""
        self._relay = relay
        self._firing = firing or Firing(relay=relay, policy=SchedulePolicy(self._zone))
        self._surroundings = Surroundings(
            self.bot, self._in_touch, ALLOWED_UPDATES, installation or Installation(), self._clock()
        )
        self._contact = Contact(
            store=self._store,
            relay=relay,
            bot=self._settings.token.get_secret_value().partition(":")[0],
            patience_s=self._patience_s,
            clock=self._clock,
        )
        self._receiver = Receiver(
            settings=self._settings,
            store=self._store,
            bot=self.bot,
            intake=intake,
            lanes=self._lanes,
            contact=self._contact,
            stopping=self._stopping,
            backoff_s=BACKOFF_S,
            clock=self._clock,
        )
        self._talks = Talks(relay=relay, services=self._services, role=self._role, clock=self._clock)
        self._feedback = feedback
        self._seen = Seen(role=self._role)
        self._runner = Runner(
            store=self._store, relay=relay, services=self._services, role=self._role, clock=self._clock
        )
        self._menus = Menus(store=self._store, bot=self.bot, role=self._role, owners=self._settings.owners)
        self._presses = Presses(store=self._store, services=self._services, role=self._role, clock=self._clock)
        intake.takes_updates(self.take)
        self._add_handlers()

    # --- life

    def start(self, *, webhook_url: str | None, webhook_secret: str) -> None:
        """Reach Telegram (again and again until it answers), then poll or set the webhook."""
        self._starter = asyncio.create_task(self._begin(webhook_url, webhook_secret), name="telegram start")

    async def stop(self) -> None:
        """Fetch nothing more, finish the updates at hand."""
        self._stopping.set()
        if self._starter is not None:
            self._starter.cancel()
            await asyncio.gather(self._starter, return_exceptions=True)
        await self._menus.stop()
        await self._receiver.stop()
        await self._lanes.stop(within_s=10)

    async def close(self) -> None:
        """Close connections; call after the last send."""
        if self._app.running:
            await self._app.stop()
        if self._known.is_set():
            await self._app.shutdown()
        else:
            for request in self.bot._request:
                await request.shutdown()

    async def _begin(self, webhook_url: str | None, webhook_secret: str) -> None:
        await self._receiver.begin(self._greet, webhook_url=webhook_url, secret=webhook_secret)
        self._menus.start()

    async def _greet(self) -> None:
        """Learn from Telegram who we are; from then on updates can be worked on."""
        await self._app.initialize()
        self._known.set()
        if not self._app.running:
            await self._app.start()

    @property
    def turning(self) -> bool:
        """Whether somebody listens, or tries to reach Telegram."""
        return (self._starter is not None and not self._starter.done()) or self._receiver.turning

    @property
    def reached_at(self) -> float | None:
        """When Telegram last answered; None if it never did."""
        return self._receiver.reached_at

    @property
    def trouble(self) -> str:
        """Why Telegram is not reached; empty if it is."""
        return self._receiver.trouble

    @property
    def _contact_at(self) -> float | None:
        """When it was last written down that Telegram is reached."""
        return self._contact.at

    def _patience_s(self) -> float:
        """How long a missing number is waited for."""
        return WEBHOOK_PATIENCE_S if self._settings.mode == "webhook" else 0.0

    def _services(self) -> Services:
        """What commands and cards may use; asked for when Telegram has said who we are."""
        return Services(self._relay, self._feedback, self._zone, self.bot.username, self._firing, self._surroundings)

    def _in_touch(self) -> InTouch:
        receiver = self._receiver
        return InTouch(
            self._settings.mode, receiver.webhook_url, receiver.reached_at, receiver.trouble, receiver.conflict_at
        )

    def _role(self, tx: Tx, person: int | None, *, chat: int | None) -> Role:
        return role_of(tx, person, chat=chat, owners=self._settings.owners)

    # --- working, in order for each chat

    async def accept(self, updates: Sequence[dict[str, Any]]) -> None:
        """Commit updates to the inbox; returns when they are safe, then they are worked on."""
        await self._receiver.accept(updates)

    async def take(self, item: Arrived) -> None:
        """Put an update at the end of its chat's lane."""
        if self._stopping.is_set():
            return  # it waits in the inbox
        try:
            update = read_update(json.loads(item.body), self.bot)
            self._lanes.put(item, update)
        except Exception as error:
            reason = f"our bug: {type(error).__name__}"
            logger.exception("an update was not understood", extra={"action": "intake", "inbox": item.id})
            await self._store.write(lambda tx: tx.inbox.failed(item, reason))

    async def _work_on(self, turn: Turn) -> None:
        reason = ""
        try:
            while True:
                try:
                    if reason:
                        await self._fail(turn, reason)
                    else:
                        await self._dispatch(turn)
                    return
                except StoreError as error:
                    logger.error("the store does not take writes", extra={"action": "intake", "error": str(error)})
                    await asyncio.sleep(0.5)
                except Exception as error:
                    logger.exception(
                        "an update could not be dealt with", extra={"action": "intake", "inbox": turn.item.id}
                    )
                    if reason:
                        return  # not even that could be written down: it stays pending, and the lane goes on
                    reason = f"our bug: {type(error).__name__}"
        finally:
            self._runner.forget(turn)

    async def _fail(self, turn: Turn, reason: str) -> None:
        def unit(tx: Tx) -> None:
            if not is_open(tx, turn):
                return
            for item in turn.items:
                tx.inbox.failed(item, reason)
            message = turn.update.message or turn.update.channel_post
            query = turn.update.callback_query
            if query is not None and isinstance(query.message, Message):
                message = query.message
            if message is not None:
                self._relay.tell(
                    tx,
                    here(message),
                    f"That went wrong on my side; it is kept as item {turn.item.id} and logged for the administrator.",
                    now=self._clock(),
                )
            self._write_down_failed(tx, turn)

        await self._store.write(unit)

    def _write_down_failed(self, tx: Tx, turn: Turn) -> None:
        """A command or a press that came to nothing by our fault stands in the audit too."""
        meant: Meaning | None = None
        with contextlib.suppress(Exception):  # what an update means may be what went wrong
            meant = meaning(*turn.updates, bot=self.bot.bot)
        query = turn.update.callback_query
        if isinstance(meant, CommandLine):
            person, place, command = person_of(meant.message), str(here(meant.message)), f"/{meant.name}"
        elif query is not None:
            person, place, command = (
                query.from_user.id,
                str(telegram_address(query.message.chat.id if query.message else query.from_user.id)),
                "button",
            )
        else:
            return
        audit(tx, person, place=place, command=command, outcome="failed: our bug", now=self._clock())

    async def _dispatch(self, turn: Turn) -> None:
        meant = meaning(*turn.updates, bot=self.bot.bot)
        match meant:
            case Talk() as talk:
                await self._store.write(lambda tx: self._talks.said(tx, turn, talk))
                point("telegram.talked")
            case Change() as change:
                await self._store.write(lambda tx: self._talks.changed(tx, turn, change))
                point("telegram.talked")
            case ChatPicked() as picked:
                await self._store.write(lambda tx: self._talks.picked(tx, turn, picked))
            case Moved(old=old, new=new):
                await self._store.write(lambda tx: self._follow(tx, turn.item, old=old, new=new))
            case Membership() as membership:
                await self._store.write(lambda tx: self._member(tx, turn, membership))
            case Passed(outcome=outcome, unknown=kind):
                self._note_unknown(kind)
                await self._store.write(lambda tx: self._passed(tx, turn, outcome))
            case CommandLine(message=message):
                # Of an album, the update whose message has the command.
                update = next(each for each in turn.updates if each.effective_message is message)
                await self._run_handlers(update, turn, meant)
            case Press():
                await self._run_handlers(turn.update, turn, meant)

    def _note_unknown(self, kind: str) -> None:
        if kind and kind not in self._unknown_kinds:
            self._unknown_kinds.add(kind)
            logger.warning("a kind of update is not carried", extra={"action": "intake", "kind": kind})

    def _passed(self, tx: Tx, turn: Turn, outcome: str) -> None:
        message = turn.update.message
        if message is not None and (message.forum_topic_closed or message.forum_topic_reopened):
            note_topic(tx, here(message), closed=message.forum_topic_closed is not None, now=self._clock())
        done(tx, turn, outcome)

    def _follow(self, tx: Tx, item: Arrived, *, old: int, new: int) -> None:
        """A group was upgraded: everything follows it. Both chats tell of it, and not always both come."""
        if not tx.inbox.is_pending(item.id):
            return
        tx.inbox.done(item, ["unsupported"])
        self._relay.places.upgraded(tx, telegram_address(old), telegram_address(new), now=self._clock())

    def _member(self, tx: Tx, turn: Turn, told: Membership) -> None:
        if not is_open(tx, turn):
            return
        done(tx, turn, "unsupported")
        chat = telegram_address(told.chat_id)
        update = turn.update.my_chat_member
        if update is not None and not update.from_user.is_bot and told.chat_id < 0 and not told.why_not:
            # Whoever added the bot is to find its commands there before they write.
            self._seen.was_here(tx, update.from_user, chat=update.chat, now=self._clock())
        if told.status_new == ChatMember.RESTRICTED:
            return  # what that leaves us is told by the answer to the next send
        self._relay.places.member(tx, chat, may_write=not told.why_not, reason=told.why_not, now=self._clock())
        self._greet_group(tx, turn, told, chat)

    def _greet_group(self, tx: Tx, turn: Turn, told: Membership, chat: Address) -> None:
        """Say once what is needed in a group that the bot was added to; a channel's readers are nobody to tell."""
        update = turn.update.my_chat_member
        added = told.status_old in (ChatMember.LEFT, ChatMember.BANNED) and not told.why_not
        if update is None or update.chat.type not in ("group", "supergroup") or not added:
            return
        if any(str(chat) in f"{row.source} {row.target}" for row in tx.routes.all()):
            return  # whoever let it in again knows it
        if tx.notices.first(f"greeted:{chat}", now=self._clock()):
            is_admin = told.status_new == ChatMember.ADMINISTRATOR
            text = greeting(chat, is_admin=is_admin, reads_all=self.bot.can_read_all_group_messages)
            self._relay.tell(tx, chat, text, now=self._clock())

    # --- commands and buttons

    def _add_handlers(self) -> None:
        self._app.add_handler(MessageHandler(filters.ALL, self._on_command))
        self._app.add_handler(CallbackQueryHandler(self._on_press))
        self._app.add_error_handler(self._on_error)

    async def _run_handlers(self, update: Update, turn: Turn, meant: Meaning) -> None:
        at_hand = self._at_hand[update.update_id] = _AtHand(turn, meant)
        try:
            await self._app.process_update(update)
        finally:
            self._at_hand.pop(update.update_id, None)
        if at_hand.error is not None:
            raise at_hand.error

    async def _on_error(self, update: object, context: Context) -> None:
        """Keep what a handler raised for whoever handed the update over: the library itself only logs it."""
        if isinstance(update, Update) and isinstance(context.error, Exception):
            self._at_hand[update.update_id].error = context.error

    async def _on_command(self, update: Update, context: Context) -> None:
        at_hand = self._at_hand[update.update_id]
        line = at_hand.meant
        assert isinstance(line, CommandLine)
        await self._runner.run(at_hand.turn, update, line, prepare_s=PREPARE_S)
        point("telegram.commanded")

    async def _on_press(self, update: Update, context: Context) -> None:
        query = update.callback_query
        assert query is not None
        await self._presses.press(self._at_hand[update.update_id].turn.item, query)
