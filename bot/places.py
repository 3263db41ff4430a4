"""What happens to the places that messages go to: topics are opened and deleted, groups get another id, chats bar us.

Everything here runs inside the transaction of whoever learnt of it. Opening a topic takes the network, so it is a
delivery of its own (``op`` is ``open``) in a lane that no chat has, ``telegram:<chat>/new/<id>``: what is written for
the topic waits behind it there and moves on, in its order, once Telegram has told the topic's id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

from bot.accounts import Account
from bot.addresses import (
    TELEGRAM,
    Address,
    NewTopic,
    opening_address,
    opening_id,
    parse_address,
    split_telegram,
    telegram_address,
)
from bot.names import defuse, display_name
from bot.routing import Arrow, Router, Target, Topic, options_to_json
from bot.shaping import quoted
from bot.store import Tx
from bot.store.outbox import Delivery, NewDelivery
from bot.store.topics import TopicRow
from bot.unheard import answers_not_given
from bridges.model import ConversationId, Message, Person, PersonId, Received

TITLE_MOST = 128
"""https://core.telegram.org/bots/api#createforumtopic, 2026-11: 1–128 characters."""
LAST_LINES = 10
REOPEN_AFTER_S = 60.0
"""How long after opening a topic failed it is tried again, at the earliest, for something that waits for it."""
WAIT_S = 30.0
"""When something that waits for a topic to be opened anew looks again, unless the topic is there before."""
NEW_TOPIC = "new-topic"
"""Who made the rules that link topics."""
_LEFT = ("blocked", "kicked", "not a member", "deactivated")
"""Why a chat bars us, in Telegram's words, where a message from it shows that it does no longer."""
_MAY_NOT_WRITE = ("not enough rights", "no rights", "write_forbidden", "send_plain_forbidden", "administrator rights")
"""Why a chat bars us that we are in all the same: nobody is told when that ends."""
TRY_AGAIN_S = 180.0
"""How long after a chat did not let us write the next message for it finds out whether it still does not."""


@runtime_checkable
class OpensTopics(Protocol):
    """An account that can open forum topics."""

    async def open_topic(self, chat: int, title: str) -> int:
        """Open one in a group; returns its number. Raises ``BridgeError``."""
        ...


class Relays(Protocol):
    """What is needed of the relay."""

    @property
    def accounts(self) -> Mapping[str, Account]: ...
    def router(self, tx: Tx) -> Router: ...
    def forget_rules(self) -> None: ...
    def put(self, tx: Tx, new: NewDelivery) -> int: ...
    def owners(self, tx: Tx) -> Sequence[Address]: ...
    def tell(self, tx: Tx, address: Address, text: str, *, now: float, reply_to: int | None = None) -> None: ...
    def tell_owners(self, tx: Tx, text: str, *, now: float, once: str | None = None) -> None: ...
    def delivery(
        self, address: Address, message: Message, *, now: float, message_id: int | None, why: str
    ) -> NewDelivery: ...


@dataclass(frozen=True, slots=True)
class Opening:
    """A topic that is to be opened, as far as that is."""

    id: int
    chat: int
    title: str
    topic: Address | None
    """There already, but for what is said in it first."""


def topics_of(tx: Tx) -> dict[tuple[Address, Address], Topic]:
    """The topics that conversations have, for the router."""
    found = {}
    for row in tx.topics.of_sources():
        chat = parse_address(row.chat)
        opened = row.topic is not None and row.opened_at is not None
        address = parse_address(row.topic) if opened and row.topic else opening_address(chat, row.id)
        found[parse_address(row.source), chat] = Topic(address)
    return found


class Places:
    """Keeps rules, names, queues and the id map in step with what becomes of places."""

    def __init__(self, relay: Relays) -> None:
        self._relay = relay

    # --- another id

    def moved(self, tx: Tx, old: Address, new: Address, *, now: float) -> bool:
        """A place has another address from now on, with all that is in it; whatever keeps addresses follows here.

        True if a rule followed.
        """
        before, after = str(old), str(new)
        followed = tx.routes.move(before, after)
        tx.names.move(before, after)
        tx.audiences.move(before, after)
        tx.mutes.move(before, after)
        tx.topics.move(before, after)
        tx.faces.move(before, after)
        tx.route_changes.move(before, after)
        tx.broadcasts.move(before, after)
        tx.schedules.move(before, after)
        if old.account == TELEGRAM:
            tx.cards.move(old.conversation, new.conversation)
            tx.dialogs.move(old.conversation, new.conversation)
        if old.account == TELEGRAM and "/" not in old.conversation:
            tx.roles.move(old.conversation, new.conversation)
            tx.chats.move(old.conversation, new.conversation)
            tx.menus.move(old.conversation, new.conversation)
            tx.notices.move(_barred(old), _barred(new))
        tx.conversations.move(old.account, old.conversation, new.conversation)
        tx.messages.move(old.account, old.conversation, new.conversation)
        tx.outbox.move(old.account, old.conversation, new.conversation, now=now)
        self._relay.forget_rules()
        return followed > 0

    def upgraded(self, tx: Tx, old: Address, new: Address, *, now: float) -> None:
        """A group became a supergroup, by a service message of either chat or by Telegram's answer to a send."""
        if self.moved(tx, old, new, now=now):
            self._relay.tell_owners(tx, f"The group {old} became a supergroup. Its routes follow it to {new}.", now=now)

    # --- topics for new conversations

    def topic_for(self, tx: Tx, target: Target, event: Received, *, source: Address, now: float) -> Target:
        """Have a topic opened for a conversation that has none; where its messages wait meanwhile."""
        chat, place = target.address, event.conversation
        sender = event.message.sender
        title = place.title or (display_name(sender) if sender and place.kind == "direct" else "")
        title = self._title(tx, chat, title or source.conversation, source)
        id = tx.topics.add(chat=str(chat), source=str(source), title=title, now=now)
        card = [f"🆕 {title}", self._card_line(source), "What is written in this topic goes there; /unlink ends that."]
        self._put_opening(tx, id, chat, "\n".join(card), now=now)
        self._relay.forget_rules()
        return replace(target, address=opening_address(chat, id), opens=False)

    def _title(self, tx: Tx, chat: Address, title: str, source: Address) -> str:
        title = " ".join(defuse(title).split())
        if tx.topics.has_title(str(chat), title[:TITLE_MOST]) and str(source.conversation) not in title:
            title = f"{title[: TITLE_MOST // 2]} ({source.conversation})"
        return title[:TITLE_MOST]

    def _card_line(self, source: Address) -> str:
        account = self._relay.accounts.get(source.account)
        return f"{source} ({account.provider})" if account is not None else str(source)

    def _put_opening(self, tx: Tx, id: int, chat: Address, card: str, *, now: float) -> int:
        lane = opening_address(chat, id)
        new = self._relay.delivery(lane, Message(text=defuse(card)), now=now, message_id=None, why=NEW_TOPIC)
        # A second topic that stays empty is the lesser evil than a message that is not brought.
        return self._relay.put(tx, replace(new, op="open", on_ambiguous="resend"))

    def opening(self, tx: Tx, conversation: str) -> Opening | None:
        """What is to be opened for what waits in this lane."""
        id = opening_id(conversation)
        row = None if id is None else tx.topics.get(id)
        if row is None:
            return None
        chat, _ = split_telegram(parse_address(row.chat).conversation)
        return Opening(row.id, chat, row.title, None if row.topic is None else parse_address(row.topic))

    def opened(self, tx: Tx, id: int, *, now: float) -> None:
        """The topic is there and its card stands in it: what waits moves in, and it is linked."""
        row = tx.topics.get(id)
        if row is None or row.topic is None:
            return
        chat, topic = parse_address(row.chat), parse_address(row.topic)
        lane = opening_address(chat, id)
        tx.topics.opened(id, now=now)
        tx.notices.forget(_no_topics(chat))
        tx.faces.move(str(lane), str(topic))
        tx.conversations.touch(TELEGRAM, topic.conversation, kind="topic", title=row.title, now=now)
        first = tx.outbox.opening(TELEGRAM, lane.conversation)
        tx.outbox.move(TELEGRAM, lane.conversation, topic.conversation, now=now, since=first.id if first else 0)
        if row.instead_of:
            old = parse_address(row.instead_of)
            self.moved(tx, old, topic, now=now)
            # The new one stands for what its predecessor was opened for, and takes nobody's place any more.
            tx.topics.forget(id)
            self._relay.tell_owners(
                tx, f"The topic “{row.title}” ({old}) was deleted. It is opened anew as {topic}.", now=now
            )
        else:
            self._link(tx, row, topic, now=now)
        self._relay.forget_rules()

    def _link(self, tx: Tx, row: TopicRow, topic: Address, *, now: float) -> None:
        """The two-way rule between a conversation and its topic, with the options of the rule that opened it."""
        source = parse_address(row.source)
        router = self._relay.router(tx)
        if topic in router.linked(source):
            return
        parent = router.opens(source, NewTopic(parse_address(row.chat)))
        if parent is None:
            return  # taken away meanwhile: what waited is brought, and nothing more
        options = parent.options.model_copy(update={"match": None, "not_": None, "from_": (), "stop": False})
        name: str | None = str(source)[:64]
        if name and router.rule_named(name) is not None:
            name = None
        tx.routes.add(
            name=name,
            source=str(source),
            arrow=Arrow.BOTH,
            target=str(topic),
            options=options_to_json(options),
            created_by=NEW_TOPIC,
            now=now,
        )

    def not_opened(self, tx: Tx, id: int, reason: str, *, now: float) -> None:
        """Telegram opens no topic there: what waits for it is dead, and the owners hear once what to do."""
        row = tx.topics.get(id)
        if row is None:
            return
        tx.topics.is_at(id, None)
        chat = parse_address(row.chat)
        waiting = [opening_address(chat, id), *([parse_address(row.instead_of)] if row.instead_of else [])]
        for place in waiting:
            self.give_up(tx, place, reason=_not_opened(reason), now=now)
        self._relay.tell_owners(
            tx,
            f"No topic can be opened in {chat} for “{row.title}”: {reason}.\n{_remedy(reason)}\n"
            "Its messages are kept: /failed lists them, /retry all sends them then.",
            now=now,
            once=_no_topics(chat),
        )

    def waits(self, tx: Tx, id: int, *, now: float) -> str | None:
        """Something waits for a topic whose opening failed: try that again, not too often.

        None if it may go on waiting; else why it is dead.
        """
        row = tx.topics.get(id)
        if row is None:
            return "its topic is not known any more; /redirect sends it elsewhere"
        first = tx.outbox.opening(TELEGRAM, opening_address(parse_address(row.chat), id).conversation)
        if first is None or first.state == "sent":
            tx.topics.forget(id)
            self._relay.forget_rules()
            return "nothing opens its topic any more; /redirect sends it elsewhere"
        if first.state in ("queued", "sending"):
            return None
        if first.settled_at is not None and now - first.settled_at < REOPEN_AFTER_S:
            return _not_opened(first.error or "it was given up")
        tx.outbox.requeue(first.id, now=now, expires_at=now + first.lasts_s)
        return None

    # --- topics that were deleted

    def gone(self, tx: Tx, row: Delivery, *, now: float) -> str | None:
        """A delivery's topic was deleted: it is opened anew, with a card and the last lines.

        None if the delivery may wait for that; else why it is dead.
        """
        old = parse_address(row.address)
        now_there = tx.outbox.get(row.id)
        if now_there is not None and now_there.address != row.address:
            return None  # it went along to the new topic while it was under way to the old one
        replacing = tx.topics.replacing(str(old))
        if replacing is not None:
            return self.waits(tx, replacing.id, now=now)
        linked = self._sources_of(tx, old)
        if row.message is None and row.subject is None and not linked:
            return "the topic was deleted"
        chat_id, topic = split_telegram(old.conversation)
        if topic is None:
            return "Telegram takes nothing there without a topic"
        chat = telegram_address(chat_id)
        title = self._old_title(tx, old, chat, linked)
        id = tx.topics.add(chat=str(chat), source="", title=title, now=now, instead_of=str(old))
        lines = [f"♻️ {title}", "This topic takes the place of one that was deleted."]
        lines += [self._card_line(source) for source in linked]
        last = self._last_lines(tx, old, linked)
        if last:
            lines += ["", "The last lines:", *last]
        self._put_opening(tx, id, chat, "\n".join(lines), now=now)
        return None

    def _last_lines(self, tx: Tx, old: Address, linked: Sequence[Address]) -> list[str]:
        """What was said in both directions before; what waits follows by itself."""
        places = [(place.account, place.conversation) for place in (old, *linked)]
        said = [
            origin
            for origin in tx.messages.latest_of(places, limit=5 * LAST_LINES)
            if not origin.text.startswith("/") and not tx.outbox.is_waiting(origin.id, TELEGRAM, old.conversation)
        ]
        return [
            f"{display_name(Person(id=PersonId(origin.sender_id), name=origin.sender_name))}: {quoted(origin.text)}"
            for origin in said[-LAST_LINES:]
        ]

    def _sources_of(self, tx: Tx, place: Address) -> list[Address]:
        """The conversations whose rules lead to a place."""
        found = [
            rule.source
            for rule in self._relay.router(tx).rules
            if rule.target == place and isinstance(rule.source, Address)
        ]
        return list(dict.fromkeys([*found, *self._relay.router(tx).linked(place)]))

    def _old_title(self, tx: Tx, old: Address, chat: Address, linked: list[Address]) -> str:
        known = tx.topics.at(str(old))
        if known is not None:
            return known.title
        title = tx.conversations.title(TELEGRAM, old.conversation)
        if title and title != tx.conversations.title(TELEGRAM, chat.conversation):
            return title[:TITLE_MOST]
        for source in linked:
            return (tx.conversations.title(source.account, source.conversation) or source.conversation)[:TITLE_MOST]
        return "Opened anew"

    # --- chats that bar us

    def barred(
        self, tx: Tx, place: Address, reason: str, *, row: Delivery | None = None, quiet: bool = False, now: float
    ) -> None:
        """A chat does not let us write any more: its rules rest, what waits is dead, the owners hear once.

        ``row``: the delivery that met it. Its author is told beside the message. ``quiet``: the owners hear only if
        rules rest, for somebody else tells of it.
        """
        chat = _chat_of(place)
        if chat is None:
            return
        resting = tx.routes.pause(str(chat), f"{chat}: {reason}")
        self._tried(tx, chat, now=now)
        self._relay.forget_rules()
        self.give_up(tx, chat, reason=reason, now=now)
        known = resting or (not quiet and tx.conversations.title(TELEGRAM, chat.conversation))
        first = bool(known) and tx.notices.first(_barred(chat), now=now)
        owners = [owner for owner in self._relay.owners(tx) if owner != chat]
        if first:
            text = f"{self._named(tx, chat)} does not let me write any more: {reason}. "
            if _is_silenced(reason):
                text += (
                    "What is written there is relayed all the same; the routes to it rest, and what waited for it is"
                    " kept (/failed). Every few minutes a message for it tries whether that is over; /route enable NAME"
                    " tries it before."
                )
            else:
                text += (
                    "The routes to and from it rest, and what waited for it is kept (/failed). They go on when I am let"
                    " in again; /route enable NAME tries it before."
                )
            for owner in owners:
                self._relay.tell(tx, owner, text, now=now)
        origin = None if row is None or row.message is None else tx.messages.get(row.message)
        if row is not None and origin is not None and origin.account == TELEGRAM:
            author = parse_address(origin.address)
            if _chat_of(author) != chat and not (first and author in owners):
                hint = f"\n/retry {row.id} tries again, /discard {row.id} lets it go."
                text = f"Not sent to {row.address} (delivery {row.id}): {reason}{hint}"
                self._relay.tell(tx, author, text, now=now, reply_to=origin.id)

    def member(self, tx: Tx, chat: Address, *, may_write: bool, reason: str = "", now: float) -> None:
        """Telegram told what we may do in a chat."""
        if may_write:
            self._let_in(tx, chat, now=now)
        else:
            self.barred(tx, chat, reason or "I am not a member", now=now)

    def heard(self, tx: Tx, place: Address, *, at: float, now: float) -> None:
        """Something was written in a chat at that time: one that had thrown us out has let us in again."""
        chat = _chat_of(place)
        since = None if chat is None else tx.notices.at(_barred(chat))
        if chat is None or since is None or at <= since:
            return
        reasons = self._reasons(tx, chat)
        # Where no rule rests any more somebody tries it: the next send shows what is.
        if reasons and all(any(word in reason for word in _LEFT) for reason in reasons):
            self._let_in(tx, chat, now=now)

    def arrived(self, tx: Tx, place: Address, *, now: float) -> None:
        """Something was sent there: a chat that barred us does so no longer."""
        chat = _chat_of(place)
        if chat is not None and tx.notices.at(_barred(chat)) is not None:
            self._let_in(tx, chat, now=now)

    def is_tried(self, tx: Tx, place: Address, *, now: float) -> bool:
        """Whether a message goes out although its rule rests, to find out whether the chat still does not let us write.

        One in a few minutes does, and none to a chat that we are not in.
        """
        chat = _chat_of(place)
        reasons = [] if chat is None else self._reasons(tx, chat)
        if chat is None or not reasons or not all(map(_is_silenced, reasons)):
            return False
        at = tx.notices.at(_tried(chat))
        if at is not None and now - at < TRY_AGAIN_S:
            return False
        self._tried(tx, chat, now=now)
        return True

    def _tried(self, tx: Tx, chat: Address, *, now: float) -> None:
        tx.notices.forget(_tried(chat))
        tx.notices.first(_tried(chat), now=now)

    def _reasons(self, tx: Tx, chat: Address) -> list[str]:
        """Why rules rest for a chat's sake."""
        return [row.paused for row in tx.routes.all() if row.paused.startswith(f"{chat}:")]

    def _let_in(self, tx: Tx, chat: Address, *, now: float) -> None:
        resumed = tx.routes.resume(str(chat))
        if not tx.notices.forget(_barred(chat)) and not resumed:
            return
        tx.notices.forget(_tried(chat))
        self._relay.forget_rules()
        self._relay.tell_owners(
            tx,
            f"{self._named(tx, chat)} lets me write again. Its routes go on; /failed lists what was kept meanwhile,"
            " /retry ID sends it.",
            now=now,
        )

    def _named(self, tx: Tx, chat: Address) -> str:
        title = tx.conversations.title(TELEGRAM, chat.conversation)
        return f"{chat} ({title})" if title else str(chat)

    def give_up(self, tx: Tx, place: Address, *, reason: str, now: float) -> None:
        """What waits for a place, and for what is in it, is dead: whoever wrote it sees that on the message."""
        rows = tx.outbox.give_up(place.account, place.conversation, reason=reason, now=now)
        for row in rows:
            if row.marked and row.message is not None:
                tx.marks.want(row.message, "failed", now=now)
        chat = _chat_of(place)
        if chat is not None:
            answers_not_given(tx, self._relay, rows, chat=chat, reason=reason, now=now)


def _chat_of(place: Address) -> Address | None:
    """The chat of a Telegram address."""
    if place.account != TELEGRAM:
        return None
    return Address(TELEGRAM, ConversationId(place.conversation.partition("/")[0]))


def _barred(chat: Address) -> str:
    return f"barred:{chat}"


def _tried(chat: Address) -> str:
    return f"tried:{chat}"


def _is_silenced(reason: str) -> bool:
    """Whether a chat lets us hear and not write."""
    return any(words in reason.lower() for words in _MAY_NOT_WRITE)


def _no_topics(chat: Address) -> str:
    return f"no topics:{chat}"


def _not_opened(reason: str) -> str:
    return reason if reason.startswith("its topic") else f"its topic could not be opened: {reason}"


def _remedy(reason: str) -> str:
    if "forum" in reason:
        return "Switch Topics on in that group's settings."
    return "Make me an admin there with the right to manage topics."
