"""Telegram's side of the bot: our own poller and webhook in front, python-telegram-bot's handlers behind.

Its updater acknowledges updates before anything is done with them, so it is not used: an update is committed to the
inbox first, and the next offset (or the 200) says so to Telegram only then.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
import warnings
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from telegram import (
    BotCommand,
    BotCommandScope,
    BotCommandScopeAllGroupChats,
    BotCommandScopeAllPrivateChats,
    BotCommandScopeChat,
    CallbackQuery,
    ChatMember,
    Update,
)
from telegram import Message as TelegramMessage
from telegram.error import Conflict, InvalidToken, RetryAfter, TelegramError
from telegram.ext import Application, CallbackContext, CallbackQueryHandler, ExtBot, MessageHandler, filters
from telegram.warnings import PTBUserWarning

from bot import decisions
from bot.addresses import TELEGRAM, Address, AddressError, telegram_address
from bot.faultpoints import point
from bot.feedback import ARRIVED, CARD, INCIDENT, SEND_AGAIN, SHOW, Feedback
from bot.http import HttpClient
from bot.intake import Intake
from bot.operations import chat_lines
from bot.relay import Relay, refusal
from bot.routing import RouteError
from bot.settings import TelegramSettings
from bot.store import Store, StoreError, Tx
from bot.store.inbox import Arrived
from bot.store.outbox import PRIORITY_REPLY, Delivery
from bot.telegram.access import Role, person_of, role_of
from bot.telegram.albums import album_edited, keep_pictures
from bot.telegram.commands import registry
from bot.telegram.commands.registry import Call, Command, NotAllowed, Reply, Services, UsageError
from bot.telegram.errors import bridge_error, wait_s
from bot.telegram.gaps import (
    ABSENT_S,
    WEBHOOK_PATIENCE_S,
    Numbers,
    absence_text,
    missing,
    missing_text,
    noted,
)
from bot.telegram.inbound import (
    Change,
    CommandLine,
    Meaning,
    Membership,
    Moved,
    Passed,
    Press,
    Talk,
    here,
    meaning,
    pictures_of,
    received,
)
from bot.telegram.lanes import Lanes, Turn
from bot.telegram.outbound import split_message_id
from bot.telegram.request import Request
from bridges.errors import BridgeError, Refused, Unavailable
from bridges.model import Edited, MembersChanged, MessageId, Reacted, Received

logger = logging.getLogger(__name__)

# The raw answer is wanted, before anything is made of it: it is what goes into the inbox.
warnings.filterwarnings("ignore", message="Please use 'Bot.getUpdates'", category=PTBUserWarning)

# Explicit at every start: an omitted list keeps whatever was set before (https://core.telegram.org/bots/api#getupdates).
ALLOWED_UPDATES = (
    "message",
    "edited_message",
    "channel_post",
    "edited_channel_post",
    "message_reaction",
    "callback_query",
    "my_chat_member",
)
BODY_MOST = 16 << 20
BATCH = 100
"""Updates asked for at once: with fewer in the answer there are no more."""
CONTACT_EVERY_S = 60.0
"""How often it is written down that Telegram was reached."""
BACKOFF_S = (1.0, 2.0, 5.0, 10.0, 30.0)
PREPARE_S = 8.0
"""How long a command may ask the network before it is answered all the same; shorter than a stop waits for it."""
_WRONG = (UsageError, AddressError, RouteError, Refused, decisions.DecisionError)
"""What is told to the person who wrote a command, with an example of a right one."""

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
        self._prepared: dict[int, object] = {}
        """What commands asked the network for, by inbox item: a store that takes no writes does not ask again."""
        self._known = asyncio.Event()
        self._lanes = Lanes(
            deal=self._work_on, may_begin=self._known, album_wait_s=settings.album_wait, clock=monotonic, sleep=sleep
        )
        self._stopping = asyncio.Event()
        self._poller: asyncio.Task[None] | None = None
        self._starter: asyncio.Task[None] | None = None
        self._listener: asyncio.Task[None] | None = None
        self._unknown_kinds: set[str] = set()
        self._numbers = f"telegram_updates:{settings.token.get_secret_value().partition(':')[0]}"
        self._contact = f"telegram_contact:{settings.token.get_secret_value().partition(':')[0]}"
        """Names under which it is kept what came from Telegram, and when it was reached: of another bot, others."""
        self._contact_at: float | None = None
        self.reached_at: float | None = None
        self.trouble = "not reached yet"

    def join(self, *, relay: Relay, intake: Intake, feedback: Feedback) -> None:
        """Connect with the rest of the bot."""
        self._relay, self._intake, self._feedback = relay, intake, feedback
        intake.takes_updates(self.take)
        self._add_handlers()

    # --- life

    def start(self, *, webhook_url: str | None, webhook_secret: str) -> None:
        """Reach Telegram (again and again until it answers), then poll or set the webhook."""
        self._starter = asyncio.create_task(self._begin(webhook_url, webhook_secret), name="telegram start")

    async def stop(self) -> None:
        """Fetch nothing more, finish the updates at hand."""
        self._stopping.set()
        for task in (self._starter, self._poller, self._listener):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
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
        failures = 0
        while True:
            try:
                await self._app.initialize()
                self._known.set()
                if not self._app.running:
                    await self._app.start()
                if webhook_url is None:
                    await self.bot.delete_webhook(drop_pending_updates=False)
                else:
                    await self.bot.set_webhook(
                        webhook_url, secret_token=webhook_secret, allowed_updates=ALLOWED_UPDATES, max_connections=40
                    )
                self._reached()
                break
            except Exception as error:
                failures = await self._wait_after(error, failures)
        if webhook_url is None:
            self._poller = asyncio.create_task(self._poll(), name="poller")
        else:
            self._lanes.caught_up()
            self._listener = asyncio.create_task(self._listen(), name="contact")
        await self._publish_menus()

    async def _publish_menus(self) -> None:
        """The menu of commands: a narrower list left by somebody else would hide ours, so each scope is set anew."""
        for scope in (None, BotCommandScopeAllPrivateChats(), BotCommandScopeAllGroupChats()):
            await self._publish_menu(Role.VIEWER, scope)
        for owner in self._settings.owners:
            await self._publish_menu(Role.OWNER, BotCommandScopeChat(owner))

    async def _publish_menu(self, role: Role, scope: BotCommandScope | None) -> None:
        try:
            await self.bot.set_my_commands([_menu_entry(c) for c in registry.for_role(role)], scope=scope)
        except TelegramError as error:
            # An owner's chat does not exist before they write to the bot; /start sets their menu then.
            logger.info("a menu was not set", extra={"action": "menu", "error": str(bridge_error(error))})

    @property
    def turning(self) -> bool:
        """Whether somebody listens, or tries to reach Telegram."""
        return any(task is not None and not task.done() for task in (self._starter, self._poller)) or (
            self._settings.mode == "webhook" and self.reached_at is not None
        )

    def _reached(self) -> None:
        self.reached_at = self._clock()
        self.trouble = ""

    async def _wait_after(self, error: Exception, failures: int) -> int:
        """Say it once for each new kind of trouble, then wait; returns the number of failures so far.

        What is no error of Telegram's is one all the same: an answer that the library stumbles over must not be the
        end of listening.
        """
        if isinstance(error, TelegramError):
            said = str(bridge_error(error))
        else:
            said = f"Telegram's answer is not of the known shape ({type(error).__name__})"
        if isinstance(error, Conflict):
            said += " (another program polls with this token, or a webhook is set: stop it, then this goes on)"
        if said != self.trouble:
            level = logging.ERROR if isinstance(error, InvalidToken | Conflict) else logging.WARNING
            logger.log(level, "Telegram is not reached: %s", said, extra={"action": "telegram"})
        self.trouble = said
        asked = wait_s(error) if isinstance(error, RetryAfter) else BACKOFF_S[min(failures, len(BACKOFF_S) - 1)]
        await asyncio.sleep(asked)
        return failures + 1

    # --- receiving

    async def _poll(self) -> None:
        offset: int | None = None
        failures, first = 0, True
        while not self._stopping.is_set():
            try:
                # At first and after a failure without waiting: the sooner an answer comes, the sooner it is known
                # that Telegram is there, and that it has nothing more for us.
                waits = not first and not failures
                updates = await self._get_updates(offset, timeout_s=self._settings.poll_timeout if waits else 0)
                self._reached()
                failures, first = 0, False
                await self._note_contact()
                if updates:
                    point("telegram.fetched")
                    await self.accept(updates)
                    point("telegram.committed")
                    offset = max(int(u["update_id"]) for u in updates) + 1
                if len(updates) < BATCH:
                    self._lanes.caught_up()
            except StoreError as error:
                # Not committed, so not acknowledged: Telegram keeps them for the next time.
                logger.error("updates cannot be stored", extra={"action": "poll", "error": str(error)})
                await asyncio.sleep(1.0)
            except Exception as error:
                self._lanes.cut_off()
                failures = await self._wait_after(error, failures)

    async def _listen(self) -> None:
        """With a webhook, to be up is to be in contact; what came while it was not is seen by its number."""
        while True:
            try:
                await self._note_contact()
            except StoreError as error:
                logger.error("the store does not take writes", extra={"action": "contact", "error": str(error)})
            await asyncio.sleep(CONTACT_EVERY_S)

    async def _note_contact(self) -> None:
        """Write down now and then that Telegram is reached, and tell the owners if it was not for too long."""
        now = self._clock()
        if self._contact_at is not None and 0 <= now - self._contact_at < CONTACT_EVERY_S:
            return

        def unit(tx: Tx) -> None:
            before = tx.meta.get(self._contact)
            absent = 0.0 if before is None else now - float(before)
            if absent >= ABSENT_S:
                self._relay.tell_owners(tx, absence_text(absent), now=now)
            tx.meta.set(self._contact, str(now))
            self._give_up(tx, now=now)

        await self._store.write(unit)
        self._contact_at = now

    def _note_numbers(self, tx: Tx, arrived: Sequence[Arrived], *, now: float) -> None:
        known = Numbers.model_validate_json(tx.meta.get(self._numbers) or "{}")
        known = noted(known, [int(item.key or 0) for item in arrived], now=now)
        tx.meta.set(self._numbers, known.model_dump_json())
        if known.holes:
            self._give_up(tx, now=now)

    def _give_up(self, tx: Tx, *, now: float) -> None:
        """Tell the owners of updates that will not come any more."""
        known = Numbers.model_validate_json(tx.meta.get(self._numbers) or "{}")
        patience_s = WEBHOOK_PATIENCE_S if self._settings.mode == "webhook" else 0.0
        known, lost = missing(known, now=now, patience_s=patience_s)
        if lost:
            logger.warning("updates are missing", extra={"action": "telegram", "updates": lost})
            self._relay.tell_owners(tx, missing_text(lost), now=now)
            tx.meta.set(self._numbers, known.model_dump_json())

    async def _get_updates(self, offset: int | None, *, timeout_s: int) -> list[dict[str, Any]]:
        wanted = {
            "timeout": timeout_s,
            "limit": BATCH,
            "allowed_updates": json.dumps(ALLOWED_UPDATES),
        }
        if offset is not None:
            wanted["offset"] = offset
        answer = await self.bot.do_api_request("getUpdates", api_kwargs=wanted, read_timeout=timeout_s + 10.0)
        if not isinstance(answer, list):
            raise TelegramError("Telegram's answer is not of the known shape")
        return [u for u in answer if isinstance(u, dict) and isinstance(u.get("update_id"), int)]

    async def accept(self, updates: Sequence[dict[str, Any]]) -> None:
        """Commit updates to the inbox; returns when they are safe, then they are worked on."""
        now = self._clock()
        arrived = [
            Arrived(
                account=TELEGRAM,
                body=json.dumps(update, ensure_ascii=True, separators=(",", ":")).encode(),
                received_at=now,
                key=str(update["update_id"]),
            )
            for update in updates
        ]

        def unit(tx: Tx) -> list[int | None]:
            self._note_numbers(tx, arrived, now=now)
            return [tx.inbox.put(item) for item in arrived]

        ids = await self._store.write(unit)
        for item, id in zip(arrived, ids, strict=True):
            if id is not None:
                self._intake.offer(Arrived(item.account, item.body, item.received_at, key=item.key, id=id))

    # --- working, in order for each chat

    async def take(self, item: Arrived) -> None:
        """Put an update at the end of its chat's lane."""
        if self._stopping.is_set():
            return  # it waits in the inbox
        try:
            update = Update.de_json(json.loads(item.body), self.bot)
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
            self._prepared.pop(turn.item.id, None)

    async def _fail(self, turn: Turn, reason: str) -> None:
        def unit(tx: Tx) -> None:
            if not _is_open(tx, turn):
                return
            for item in turn.items:
                tx.inbox.failed(item, reason)
            message = turn.update.message or turn.update.channel_post
            if message is not None:
                self._relay.tell(
                    tx,
                    here(message),
                    f"That went wrong on my side; it is kept as item {turn.item.id} and logged for the administrator.",
                    now=self._clock(),
                )

        await self._store.write(unit)

    async def _dispatch(self, turn: Turn) -> None:
        meant = meaning(*turn.updates, bot=self.bot.bot)
        match meant:
            case Talk() as talk:
                await self._store.write(lambda tx: self._talk(tx, turn, talk))
                point("telegram.talked")
            case Change() as change:
                await self._store.write(lambda tx: self._changed(tx, turn, change))
                point("telegram.talked")
            case Moved(old=old, new=new):
                await self._store.write(lambda tx: self._follow(tx, turn.item, old=old, new=new))
            case Membership() as membership:
                await self._store.write(lambda tx: self._member(tx, turn, membership))
            case Passed(outcome=outcome, unknown=kind):
                self._note_unknown(kind)
                await self._store.write(lambda tx: _done(tx, turn, outcome))
            case CommandLine(message=message):
                # Of an album, the update whose message has the command.
                update = next(each for each in turn.updates if each.effective_message is message)
                await self._run_handlers(update, turn, meant)
            case Press():
                await self._run_handlers(turn.update, turn, meant)

    async def _run_handlers(self, update: Update, turn: Turn, meant: Meaning) -> None:
        at_hand = self._at_hand[update.update_id] = _AtHand(turn, meant)
        try:
            await self._app.process_update(update)
        finally:
            self._at_hand.pop(update.update_id, None)
        if at_hand.error is not None:
            raise at_hand.error

    def _note_unknown(self, kind: str) -> None:
        if kind and kind not in self._unknown_kinds:
            self._unknown_kinds.add(kind)
            logger.warning("a kind of update is not carried", extra={"action": "intake", "kind": kind})

    def _follow(self, tx: Tx, item: Arrived, *, old: int, new: int) -> None:
        """A group was upgraded: everything follows it. Both chats tell of it, and not always both come."""
        if not tx.inbox.is_pending(item.id):
            return
        tx.inbox.done(item, ["unsupported"])
        self._relay.places.upgraded(tx, telegram_address(old), telegram_address(new), now=self._clock())

    def _member(self, tx: Tx, turn: Turn, told: Membership) -> None:
        if not _is_open(tx, turn):
            return
        _done(tx, turn, "unsupported")
        chat = telegram_address(told.chat_id)
        if told.status_new == ChatMember.RESTRICTED:
            return  # what that leaves us is told by the answer to the next send
        self._relay.places.member(tx, chat, may_write=not told.why_not, reason=told.why_not, now=self._clock())

    # --- talk

    def _talk(self, tx: Tx, turn: Turn, talk: Talk) -> None:
        if not _is_open(tx, turn):
            return
        now = self._clock()
        event = talk.event
        if tx.inbox.seen(TELEGRAM, event.key, now=now):
            _done(tx, turn, "duplicates")
            return
        self._relay.places.heard(tx, here(talk.message), at=event.at.timestamp(), now=now)
        self._keep_answered(tx, talk)
        outcome = self._passed_over(tx, talk) or self._talk_outcome(tx, event, talk.message, now=now)
        keep_pictures(tx, event, talk.pictures)
        _done(tx, turn, outcome)

    def _passed_over(self, tx: Tx, talk: Talk) -> str | None:
        """The outcome of a message that is not relayed whatever the rules say; None for the others."""
        if talk.event.id is not None and _is_copy(tx, talk.event.id):
            return "echoes"
        if talk.posted is None:
            return None
        if _is_copy(tx, talk.posted):
            return "echoes"
        # Whoever takes the channel's posts has this one already.
        channel = telegram_address(split_message_id(talk.posted)[0])
        return "filtered" if self._relay.resolve(tx, channel, talk.event).targets else None

    def _keep_answered(self, tx: Tx, talk: Talk) -> None:
        """Learn what is answered where it was never seen (before this bot was here): so that it can be quoted."""
        parent = talk.answered
        if parent is not None and parent.id is not None and tx.messages.find(TELEGRAM, parent.id) is None:
            place = Address(TELEGRAM, parent.conversation.id)
            self._relay.keep(tx, place, parent, why="it was seen only when somebody answered it")

    def _changed(self, tx: Tx, turn: Turn, change: Change) -> None:
        if not _is_open(tx, turn):
            return
        now = self._clock()
        if tx.inbox.seen(TELEGRAM, change.event.key, now=now):
            _done(tx, turn, "duplicates")
            return
        event: Edited | Reacted | MembersChanged | None = change.event
        if isinstance(event, Edited) and change.picture is not None:
            event = album_edited(tx, event, change.picture)
        outcome = "filtered" if event is None else self._relay.changed(tx, TELEGRAM, event, now=now)
        _done(tx, turn, outcome)

    def _talk_outcome(self, tx: Tx, event: Received, message: TelegramMessage, *, now: float) -> str:
        place = here(message)
        outcome = self._reply_to_mirrored(tx, event, message, now=now)
        if outcome is not None:
            return outcome
        outcome = self._relay.received(tx, place, event, now=now)
        by_person = message.from_user is not None and not message.from_user.is_bot
        if outcome == "unrouted" and message.chat.type == "private" and by_person:
            self._relay.tell(tx, place, "I take commands here; /help lists those you may use.", now=now)
        return outcome

    def _reply_to_mirrored(self, tx: Tx, event: Received, message: TelegramMessage, *, now: float) -> str | None:
        """A reply to what came from elsewhere goes back there, unless the chat is linked and relays it anyway."""
        sender = event.message.sender
        if event.message.reply_to is None or (sender is not None and sender.kind == "bot"):
            return None
        place = here(message)
        origin = tx.messages.find(TELEGRAM, event.message.reply_to)
        if origin is None or origin.account == TELEGRAM:
            return None
        source = self._relay.parse_known(origin.account, origin.conversation)
        if source is None or source in self._relay.router(tx).linked(place):
            return None
        person = person_of(message)
        role = role_of(tx, person, chat=message.chat_id, owners=self._settings.owners)
        rule = self._relay.router(tx).reply_rule(source, place)
        message_id = self._relay.keep(tx, place, event)
        if rule is None and role < Role.OPERATOR:
            self._relay.tell(
                tx,
                place,
                f"Not sent: replying to {source} needs the role operator; yours is {role.word}. An owner can help.",
                now=now,
                reply_to=message_id,
            )
            _audit(tx, person, place=str(place), command="reply", outcome="refused", now=now)
            return "filtered"
        self._relay.send(
            tx,
            source,
            event.message,
            now=now,
            message_id=message_id,
            marked=True,
            reply_to=origin.id,
            priority=PRIORITY_REPLY,
            on_ambiguous=rule.options.on_ambiguous if rule else None,
            why=f"reply by {event.message.sender.name if event.message.sender else 'somebody'}",
        )
        resolution = self._relay.resolve(tx, place, event)
        # The answer has its way back already: a rule that leads there too must not send it once more.
        others = tuple(target for target in resolution.targets if target.address != source)
        rest = replace(resolution, targets=others)
        self._relay.follow(tx, rest, event=event, source=TELEGRAM, message_id=message_id, now=now)
        return "relayed"

    # --- commands and buttons

    def _add_handlers(self) -> None:
        self._app.add_handler(MessageHandler(filters.ALL, self._on_command))
        self._app.add_handler(CallbackQueryHandler(self._on_press))
        self._app.add_error_handler(self._on_error)

    async def _on_error(self, update: object, context: Context) -> None:
        """Keep what a handler raised for whoever handed the update over: the library itself only logs it."""
        if isinstance(update, Update) and isinstance(context.error, Exception):
            self._at_hand[update.update_id].error = context.error

    async def _on_command(self, update: Update, context: Context) -> None:
        at_hand = self._at_hand[update.update_id]
        turn, meant = at_hand.turn, at_hand.meant
        assert isinstance(meant, CommandLine)
        if turn.item.id not in self._prepared:
            self._prepared[turn.item.id] = await self._prepare(turn.item, update, meant)
        prepared = self._prepared[turn.item.id]
        await self._store.write(lambda tx: self._run(tx, turn, update, meant, prepared=prepared))
        point("telegram.commanded")
        if meant.name == "start" and meant.message.chat.type == "private":
            role = Role.OWNER if person_of(meant.message) in self._settings.owners else Role.VIEWER
            await self._publish_menu(role, BotCommandScopeChat(meant.message.chat_id))

    async def _prepare(self, item: Arrived, update: Update, line: CommandLine) -> object:
        """What a command has to know from the network; None if it needs nothing or may not be run.

        No transaction is open meanwhile, and only this chat waits. What goes wrong is returned, to be the answer.
        """
        command = registry.commands.get(line.name)
        if command is None or command.prepare is None:
            return None
        message = line.message

        def may(tx: Tx) -> Role | None:
            return self._role(tx, message) if tx.inbox.is_pending(item.id) else None

        role = await self._store.read(may)
        if role is None or role < command.role_for(line.arguments):
            return None
        try:
            async with asyncio.timeout(PREPARE_S):
                return await command.prepare(self._call(update, line, role=role))
        except TimeoutError:
            return Unavailable(f"nothing came back within {PREPARE_S:g} s; try again in a moment")
        except (*_WRONG, BridgeError) as error:
            return error

    def _run(self, tx: Tx, turn: Turn, update: Update, line: CommandLine, *, prepared: object) -> None:
        if not _is_open(tx, turn):
            return
        call = replace(self._call(update, line, role=self._role(tx, line.message)), prepared=prepared)
        reply, outcome = self._answer(tx, call)
        if reply is not None:
            self._relay.tell(tx, call.here, reply.text, now=call.now, reply_to=call.keep(tx), buttons=reply.buttons)
        _audit(tx, call.person, place=str(call.here), command=f"/{line.name}", outcome=outcome, now=call.now)
        _done(tx, turn, "commands")

    def _role(self, tx: Tx, message: TelegramMessage) -> Role:
        return role_of(tx, person_of(message), chat=message.chat_id, owners=self._settings.owners)

    def _call(self, update: Update, line: CommandLine, *, role: Role) -> Call:
        place = here(line.message)
        event = received(update, line.album or (line.message,))
        assert event is not None

        def keep(tx: Tx) -> int:
            id = self._relay.keep(tx, place, event)
            keep_pictures(tx, event, pictures_of(line.album))
            return id

        return Call(
            name=line.name,
            arguments=line.arguments,
            here=place,
            person=person_of(line.message),
            person_name=event.message.sender.name if event.message.sender else "",
            role=role,
            message=line.message,
            services=Services(self._relay, self._feedback, self._zone, self.bot.username),
            now=self._clock(),
            keep=keep,
            attachments=event.message.attachments,
        )

    def _answer(self, tx: Tx, call: Call) -> tuple[Reply | None, str]:
        command = registry.commands.get(call.name)
        if command is None:
            near = registry.nearest(call.name)
            hint = f" Did you mean /{near.name}?" if near else ""
            return Reply(f"There is no command /{call.name}.{hint} /help lists those you may use."), "unknown"
        needed = command.role_for(call.arguments)
        if call.role < needed:
            return Reply(_refused(call, needed)), "refused"
        if command.prepare is not None and call.prepared is None:
            # The role came between the question and the answer, so nothing was asked for.
            return Reply(f"Your role has just become {call.role.word}: write /{call.name} once more."), "refused"
        tx.db.execute("SAVEPOINT command")
        try:
            if isinstance(call.prepared, Exception):
                raise call.prepared
            reply = command.run(call, tx)
        except NotAllowed as error:
            tx.db.execute("ROLLBACK TO command")
            return Reply(str(error)), "refused"
        except _WRONG as error:
            tx.db.execute("ROLLBACK TO command")
            return Reply(f"{refusal(error).removesuffix('.')}.\nExample: {command.example}"), "wrong argument"
        except BridgeError as error:
            tx.db.execute("ROLLBACK TO command")
            return Reply(chat_lines(f"/{call.name}: {error}")), "failed"
        finally:
            tx.db.execute("RELEASE command")
        return reply, "done"

    async def _on_press(self, update: Update, context: Context) -> None:
        item = self._at_hand[update.update_id].turn.item
        query = update.callback_query
        assert query is not None
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
        role = role_of(tx, query.from_user.id, chat=chat, owners=self._settings.owners)
        kind, _, rest = (query.data or "").partition(":")
        choice, _, nonce = rest.partition(":")
        subject = tx.cards.subject(nonce, kind=kind) if kind in (CARD, INCIDENT) else None
        person, place = query.from_user.id, f"telegram:{chat}"
        if subject is None:
            return "I do not know this button any more.", None
        if role < Role.OPERATOR:
            _audit(tx, person, place=place, command=f"button {choice}", outcome="refused", now=now)
            return f"This needs the role operator; yours is {role.word}.", None
        row = tx.outbox.get(subject)
        if kind == INCIDENT and row is not None:
            text, card = self._pressed_incident(tx, row, choice, nonce, chat=chat, now=now)
            _audit(tx, person, place=place, command=f"button {choice}", outcome=row.account, now=now)
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
        _audit(tx, person, place=place, command=f"button {choice}", outcome=f"delivery {row.id}", now=now)
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


def _is_open(tx: Tx, turn: Turn) -> bool:
    return all(tx.inbox.is_pending(item.id) for item in turn.items)


def _done(tx: Tx, turn: Turn, outcome: str) -> None:
    """Each update of an album becomes what the album became."""
    for item in turn.items:
        if tx.inbox.is_pending(item.id):
            tx.inbox.done(item, [outcome])


def _is_copy(tx: Tx, id: MessageId) -> bool:
    found = tx.messages.locate(TELEGRAM, id)
    return found is not None and found.part > 0


def _audit(tx: Tx, person: int | None, *, place: str, command: str, outcome: str, now: float) -> None:
    tx.audit.add(person=str(person or ""), place=place, command=command[:64], outcome=outcome, now=now)


def _refused(call: Call, needed: Role) -> str:
    if call.person is None:
        return (
            f"/{call.name} needs the role {needed.word}. You write as an anonymous admin or a channel, so I cannot"
            " tell who you are: write as yourself."
        )
    return (
        f"/{call.name} needs the role {needed.word}; yours is {call.role.word}."
        " An owner of this bot can give it to you; /help lists what you may do."
    )


def _menu_entry(command: Command) -> BotCommand:
    return BotCommand(command.name, command.summary[:256])
