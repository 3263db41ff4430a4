"""What people say in the chats, and change of it: who gets it, or why nobody does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from telegram import Message as TelegramMessage

from bot.addresses import TELEGRAM, Address, telegram_address
from bot.relay import Relay
from bot.store import Tx
from bot.telegram.access import Role, person_of
from bot.telegram.albums import album_edited, keep_pictures
from bot.telegram.commands.registry import Services
from bot.telegram.hands import ANONYMOUS, Hands
from bot.telegram.inbound import Change, ChatPicked, Talk, here
from bot.telegram.lanes import Turn
from bot.telegram.outbound import split_message_id
from bot.telegram.seen import Seen
from bot.telegram.turns import RoleIn, audit, done, is_open
from bot.telegram.ways_back import send_back, way_back
from bot.telegram.wizards.words import Dialogs
from bridges.model import Edited, MembersChanged, MessageId, Reacted, Received


class Talks:
    """Decides on messages and changes of them, inside the transaction that ends their turn."""

    def __init__(
        self, *, relay: Relay, services: Callable[[], Services], role: RoleIn, clock: Callable[[], float]
    ) -> None:
        self._relay = relay
        self._role = role
        self._clock = clock
        self._seen = Seen(role=role)
        self._dialogs = Dialogs(services, role)
        self._hands = Hands(relay=relay, role=role)

    def said(self, tx: Tx, turn: Turn, talk: Talk) -> None:
        """Decide on a message, or on an album."""
        if not is_open(tx, turn):
            return
        now = self._clock()
        event = talk.event
        if tx.inbox.seen(TELEGRAM, event.key, now=now):
            done(tx, turn, "duplicates")
            return
        self._seen.wrote(tx, talk.message, now=now)
        self._relay.places.heard(tx, here(talk.message), at=event.at.timestamp(), now=now)
        self._keep_answered(tx, talk)
        outcome = self._passed_over(tx, talk) or self._dialogs.said(tx, talk, now=now)
        outcome = outcome or self._talk_outcome(tx, event, talk.message, now=now)
        keep_pictures(tx, event, talk.pictures)
        done(tx, turn, outcome)

    def picked(self, tx: Tx, turn: Turn, picked: ChatPicked) -> None:
        """Decide on a chat that somebody picked: a wizard asked for it, or nobody."""
        if is_open(tx, turn):
            done(tx, turn, self._dialogs.picked(tx, picked, now=self._clock()) or "unsupported")

    def changed(self, tx: Tx, turn: Turn, change: Change) -> None:
        """Decide on an edit, a reaction, or people who came and went."""
        if not is_open(tx, turn):
            return
        now = self._clock()
        if tx.inbox.seen(TELEGRAM, change.event.key, now=now):
            done(tx, turn, "duplicates")
            return
        event: Edited | Reacted | MembersChanged | None = change.event
        if isinstance(event, Edited) and change.picture is not None:
            event = album_edited(tx, event, change.picture)
        done(tx, turn, "filtered" if event is None else self._hands.changed(tx, event, now=now))

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
        back = way_back(tx, self._relay, origin, place=place)
        if back is None or back.source in self._relay.router(tx).linked(place):
            return None
        person = person_of(message)
        role = self._role(tx, person, chat=message.chat_id)
        message_id = self._relay.keep(tx, place, event)
        by_role = back.rule is None
        if by_role and role < Role.OPERATOR:
            why = f"yours is {role.word}. An owner can help." if person is not None else ANONYMOUS
            self._relay.tell(
                tx,
                place,
                f"Not sent: replying to {back.source} needs the role operator; {why}",
                now=now,
                reply_to=message_id,
            )
            audit(tx, person, place=str(place), command="reply", outcome="refused", now=now)
            return "filtered"
        if by_role:
            audit(tx, person, place=str(place), command="reply", outcome="done", now=now)
        tx.messages.sent_by_hand(message_id, "reply")
        who = sender.name if sender else "somebody"
        send_back(tx, self._relay, back, event.message, message_id=message_id, who=who, now=now)
        resolution = self._relay.resolve(tx, place, event)
        # The answer has its way back already: a rule that leads there too must not send it once more.
        others = tuple(target for target in resolution.targets if target.address != back.source)
        rest = replace(resolution, targets=others)
        self._relay.follow(tx, rest, event=event, source=TELEGRAM, message_id=message_id, now=now)
        return "relayed"


def _is_copy(tx: Tx, id: MessageId) -> bool:
    found = tx.messages.locate(TELEGRAM, id)
    return found is not None and found.part > 0
