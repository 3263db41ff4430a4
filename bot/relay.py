"""From an event to deliveries, inside the transaction that decides on it.

Routing and shaping are pure and live elsewhere; this is where their results become rows.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from bot import loops
from bot.accounts import Account
from bot.addresses import TELEGRAM, Address, AddressError, parse_address, parse_source, parse_target, telegram_address
from bot.changes import BY_ROUTE, Changes, digest_of
from bot.late import STAMP_ROOM
from bot.lending import Lends, shown_link
from bot.long import as_file
from bot.names import defuse_text, looks, names_for, without_mentions
from bot.places import Places, topics_of
from bot.routes_line import Long
from bot.routing import Arrow, Incoming, Kind, Resolution, Router, Rule, options_from_json
from bot.shaping import DEFAULT_TEMPLATE, goes_along, shape
from bot.store import Tx
from bot.store.messages import Copy
from bot.store.outbox import PRIORITY_RELAY, PRIORITY_REPLY, NewDelivery
from bot.store.routes import RouteRow
from bridges.api import Capabilities
from bridges.model import (
    AccountName,
    Button,
    Conversation,
    ConversationId,
    Deleted,
    Edited,
    MembersChanged,
    Message,
    Person,
    Reacted,
    Received,
    StatusChanged,
)
from bridges.spans import plain

ECHO_WITHIN_S = 900.0
"""How long after a send its echo is looked for by its words."""


@dataclass(frozen=True)
class Policy:
    """What the settings say about deliveries."""

    max_age_s: float
    on_ambiguous: Literal["hold", "resend"]
    telegram_on_ambiguous: Literal["hold", "resend"]
    owners: tuple[int, ...] = ()


def names_known(tx: Tx, *, seen: Callable[[Address], bool] | None) -> list[str]:
    """The names of what somebody may know of; None: of everything."""
    return [name for name in tx.names.all() if seen is None or seen(parse_address(tx.names.get(name) or name))]


def rule_of(row: RouteRow) -> Rule:
    """A stored rule as routing knows it."""
    return Rule(
        id=row.id,
        name=row.name,
        source=parse_source(row.source),
        arrow=Arrow(row.arrow),
        target=parse_target(row.target),
        enabled=row.enabled,
        options=options_from_json(row.options),
        paused=row.paused,
    )


def router_of(tx: Tx) -> Router:
    """The rules as they are now, compiled, with what is muted and the topics that conversations have."""
    return Router(
        [rule_of(row) for row in tx.routes.all()],
        muted=[parse_address(address) for address in tx.mutes.all()],
        topics=topics_of(tx),
    )


class Relay:
    """Turns messages into deliveries, by the rules."""

    def __init__(self, *, accounts: Mapping[str, Account], policy: Policy, lender: Lends | None = None) -> None:
        self._accounts = accounts
        self.policy = policy
        self._lender = lender
        self._router: Router | None = None
        self._router_epoch = -1
        self.changes = Changes(self)
        self.places = Places(self)
        self._budget = loops.Budget()

    # --- rules

    def router(self, tx: Tx) -> Router:
        """The rules as they are in this transaction; compiled anew only when they may have changed."""
        if self._router is None or self._router_epoch != tx.epoch:
            self._router = router_of(tx)
            self._router_epoch = tx.epoch
        return self._router

    def forget_rules(self) -> None:
        """They changed within this transaction: the next look is a new one."""
        self._router = None

    def parse_target(
        self, tx: Tx, text: str, *, here: Address | None = None, seen: Callable[[Address], bool] | None = None
    ) -> Address:
        """An address, a name or ``here``; raises ``AddressError`` or ``Refused`` with what is wrong and an example.

        ``seen``: whether somebody may know what is at an address; only then its name is told them as one that may be
        meant.
        """
        if text.lower() == "here":
            if here is None:
                raise AddressError("here means the chat a command is written in; name an address instead")
            return here
        named = tx.names.get(text.lower())
        try:
            address = parse_address(named or text)
        except AddressError as error:
            near = [] if ":" in text else difflib.get_close_matches(text[:64].lower(), names_known(tx, seen=seen), n=1)
            if near:
                raise AddressError(f"{error}; or is {near[0]} meant?") from error
            raise
        account = self._accounts.get(address.account)
        if account is None:
            raise AddressError(self.unknown_account(address.account))
        account.check(address.conversation)
        return address

    def parse_known(self, account: str, conversation: str) -> Address | None:
        """The address of a conversation that a message came from; None if the account is no longer configured."""
        if account not in self._accounts:
            return None
        return Address(AccountName(account), ConversationId(conversation))

    def unknown_account(self, name: str) -> str:
        """The line for an account that is not configured."""
        return f"there is no account {name!r}; configured: {', '.join(sorted(self._accounts))}"

    @property
    def accounts(self) -> Mapping[str, Account]:
        """Every account by name, Telegram among them."""
        return self._accounts

    # --- messages

    def received(self, tx: Tx, address: Address, event: Received, *, now: float) -> str:
        """A message that is to be relayed by the rules; returns the outcome's name."""
        if loop := loops.comes_back(tx, address, event.message, joined=lambda at: self.router(tx).joined(at), now=now):
            self.keep(tx, address, event, why=loop)
            return "echoes"
        resolution = self.resolve(tx, address, event)
        kept = self._within_budget(tx, address, event, resolution, now=now)
        spent = resolution.targets and not kept.targets
        message_id = self.keep(tx, address, event, why=loops.SPENT if spent else explain(resolution))
        resolution = kept
        if not resolution.targets and not resolution.resting:
            if resolution.is_filtered or spent:
                return "filtered"
            self._tell_unrouted(tx, address, now=now)
            return "unrouted"
        self.follow(tx, resolution, event=event, source=address.account, message_id=message_id, now=now)
        return "relayed"

    def _within_budget(
        self, tx: Tx, address: Address, event: Received, resolution: Resolution, *, now: float
    ) -> Resolution:
        """Without the targets that programs have talked to enough for now; people are never counted."""
        if not resolution.targets or not loops.is_suspicious(tx, address, event.message, now=now):
            return resolution
        kept = []
        for target in resolution.targets:
            if self._budget.takes(str(address), str(target.address), now=now):
                kept.append(target)
            else:
                self.tell_owners(
                    tx,
                    f"Programs talk too much from {address} to {target.address}: over {loops.BUDGET} messages in"
                    f" {loops.BUDGET_S:.0f} s look like a loop. For a minute they are not relayed. This is said once"
                    " a day.",
                    now=now,
                    once=f"budget:{address}>{target.address}:{now // 86400:.0f}",
                )
        return replace(resolution, targets=tuple(kept))

    def keep(self, tx: Tx, address: Address, event: Received, *, why: str = "") -> int:
        """Write down conversation and message, with what the rules said; returns the message's id."""
        at = event.at.timestamp()
        place, message = event.conversation, event.message
        self.noticed(tx, address.account, place, at=at)
        return tx.messages.add(
            account=address.account,
            conversation=address.conversation,
            remote_id=event.id,
            sender_id=message.sender.id if message.sender else "",
            sender_name=message.sender.name if message.sender else "",
            text=message.text,
            at=at,
            why=why,
            digest=digest_of(message),
        )

    def changed(
        self,
        tx: Tx,
        account: str,
        event: Edited | Deleted | Reacted | MembersChanged,
        *,
        now: float,
        by_hand: bool = True,
    ) -> str:
        """Something happened to a message, or in a conversation; returns the outcome's name.

        ``by_hand``: whether it goes where somebody sent the message by hand, too; rules are asked in any case.
        """
        match event:
            case Edited():
                owned = event.model_copy(update={"message": _owned(event.message, account)})
                return self.changes.edited(tx, account, owned, now=now, by_hand=by_hand)
            case Deleted():
                return self.changes.deleted(tx, account, event, now=now)
            case Reacted():
                person = event.person.model_copy(update={"account": AccountName(account)})
                owned_reaction = event.model_copy(update={"person": person})
                return self.changes.reacted(tx, account, owned_reaction, now=now, by_hand=by_hand)
            case MembersChanged():
                return self.changes.members(tx, account, event, now=now)

    def echoed(self, tx: Tx, account: str, event: Received) -> None:
        """A provider shows us our own send: where the answer told no id, this does."""
        place = event.conversation.id
        if event.id is None or tx.messages.locate(account, event.id) is not None:
            return
        since = event.at.timestamp() - ECHO_WITHIN_S
        for id in tx.messages.nameless_in(account, place, since=since):
            row = tx.outbox.get(id)
            about = None if row is None else row.message or row.subject
            if row is None or about is None or not row.intact:
                continue
            if _is_shown_as(Message.model_validate_json(row.payload), event.message):
                tx.messages.add_copy(about, Copy(account, place, event.id, row.part, row.id))
                tx.messages.named(id)
                return

    def noticed(self, tx: Tx, account: str, place: Conversation, *, at: float) -> None:
        """Something happened in a conversation: keep what is known of it."""
        tx.conversations.touch(account, place.id, kind=place.kind, title=place.title, now=at, handle=place.handle)

    def reported(self, tx: Tx, account: str, event: StatusChanged, *, now: float) -> str:
        """A provider says what became of something we sent; returns the outcome's name.

        A failure is told to whoever wrote it: as far as we knew it had arrived.
        """
        origin = tx.messages.find(account, event.id)
        if origin is None:
            return "unsupported"
        if event.state == "failed":
            detail = f": {event.detail}" if event.detail else ""
            text = f"{account} says that this was not delivered{detail}"
            if origin.account == TELEGRAM:
                here = Address(AccountName(TELEGRAM), ConversationId(origin.conversation))
                self.tell(tx, here, text, now=now, reply_to=origin.id)
            else:
                self.tell_owners(tx, f"{text} (from {origin.address})", now=now)
        return "echoes"

    def resolve(self, tx: Tx, address: Address, event: Received) -> Resolution:
        """Which rules take the message and where it goes."""
        message = event.message
        kind = Kind.MEDIA if message.attachments else Kind.TEXT
        return self.router(tx).resolve(
            Incoming(address=address, kind=kind, text=message.text, sender=message.sender, at=event.at)
        )

    def follow(
        self, tx: Tx, resolution: Resolution, *, event: Received, source: str, message_id: int, now: float
    ) -> None:
        """Put a delivery into the outbox for each target that the rules gave."""
        answered = self.answered(tx, event.message, account=source)
        message = _owned(event.message, source)
        here = Address(AccountName(source), event.conversation.id)
        for target in (*resolution.targets, *resolution.resting):
            rests = target in resolution.resting and not self.places.is_tried(tx, target.address, now=now)
            account = self._accounts.get(target.address.account)
            if account is None:
                continue
            if target.opens:
                target = self.places.topic_for(tx, target, event, source=here, now=now)
            ids = self.send(
                tx,
                target.address,
                message,
                now=now,
                message_id=message_id,
                source=here,
                marked=source == TELEGRAM,
                template=target.template,
                reply_to=answered,
                on_ambiguous=target.on_ambiguous,
                why=f"{BY_ROUTE}{target.rule.name}",
                late=str(target.late) if target.late.policy != "deliver" else "",
                long=target.rule.options.long,
            )
            if rests:
                tx.outbox.bury(ids, reason=f"the route rests: {target.rule.paused}", now=now)
                if source == TELEGRAM:
                    tx.marks.want(message_id, "failed", now=now)

    def answered(self, tx: Tx, message: Message, *, account: str) -> int | None:
        """The message (ours) that this one answers, wherever it was written first."""
        if message.reply_to is None:
            return None
        origin = tx.messages.find(account, message.reply_to)
        return None if origin is None else origin.id

    def send(
        self,
        tx: Tx,
        address: Address,
        message: Message,
        *,
        now: float,
        message_id: int | None,
        source: Address | None = None,
        marked: bool = False,
        template: str | None = None,
        reply_to: int | None = None,
        on_ambiguous: Literal["hold", "resend"] | None = None,
        priority: int = PRIORITY_RELAY,
        why: str = "",
        late: str = "",
        long: Long | None = None,
    ) -> list[int]:
        """Shape a message for its target and put its parts into the outbox; returns their ids.

        ``marked``: the message stands in a Telegram chat and shows there what becomes of it. ``source``: where it was
        written, if it is relayed.
        """
        # Bare text stays bare: only what is relayed under its author's name quotes what it answers.
        quote = None if reply_to is None or template is None else self._to_quote(tx, address, reply_to, now=now)
        if quote is not None and message.quote:
            quote = quote.model_copy(update={"text": message.quote})
        answering = message.reply_to is not None or message.quote
        bare = message.model_copy(update={"reply_to": None, "quote": ""}) if answering else message
        room = STAMP_ROOM if late == "stamp" else 0
        parts = self.parts_for(tx, address, bare, template=template, answers=quote, room=room, long=long, now=now)
        if self._names(address, message, template=template):
            loops.remember(tx, bare, parts, source=source, into=address, now=now)
        if quote is not None:
            reply_to = None
        ids = []
        for number, part in enumerate(parts, start=1):
            new = self.delivery(address, part, now=now, message_id=message_id, why=why, on_ambiguous=on_ambiguous)
            answers = reply_to if number == 1 else None  # the other parts follow the one that answers
            changed = replace(
                new, priority=priority, marked=marked, reply_to=answers, part=number, parts=len(parts), late=late
            )
            ids.append(self.put(tx, changed))
        if message_id is not None and marked:
            tx.marks.want(message_id, "accepted", now=now)
        return ids

    def _to_quote(self, tx: Tx, address: Address, reply_to: int, *, now: float) -> Message | None:
        """The message that is answered, where the answer cannot be threaded to it and has to quote it."""
        account = self._accounts[address.account]
        if account.capabilities.replies:
            if tx.messages.remote_id_in(reply_to, address.account, address.conversation) is not None:
                return None
            if account.capabilities.receipt_ids and tx.outbox.is_waiting(
                reply_to, address.account, address.conversation
            ):
                return None  # its id is known when the answer's turn comes
        origin = tx.messages.get(reply_to)
        if origin is None or not origin.text:
            return None
        author = origin.author
        if author is not None:
            author = author.model_copy(update={"name": self.named(tx, address, author, now=now)})
        return Message(text=origin.text, sender=author)

    def account(self, name: str) -> Account | None:
        """An account by name; None if it is not configured."""
        return self._accounts.get(name)

    def _names(self, address: Address, message: Message, *, template: str | None) -> bool:
        """Whether a sender line goes with the text: not where the provider shows by itself who wrote."""
        shown = template == DEFAULT_TEMPLATE and self._accounts[address.account].capabilities.names_shown
        return template is not None and message.sender is not None and not shown

    def parts_for(
        self,
        tx: Tx,
        address: Address,
        message: Message,
        *,
        template: str | None,
        now: float,
        answers: Message | None = None,
        room: int = 0,
        long: Long | None = None,
    ) -> tuple[Message, ...]:
        """The parts that a message makes at its target, with its sender named as the template says.

        ``room``: units that are to stay free in each. ``long``: what to do where it needs more than one.
        """
        account = self._accounts[address.account]
        written = plain(message) if long == "attach" else ""
        if template is not None:
            message = defuse_text(message) if address.account == TELEGRAM else without_mentions(message)
        if message.sender is not None and not self._names(address, message, template=template):
            template = None
        capabilities = account.capabilities
        if room:
            capabilities = replace(
                capabilities,
                text_limit=capabilities.text_limit - room,
                caption_limit=max(capabilities.caption_limit - room, 0),
            )
        name = None
        if template is not None and "{sender}" in template and message.sender is not None:
            name = self.named(tx, address, message.sender, now=now)
        links = self._links(tx, message, capabilities=capabilities, now=now) if message.attachments else {}
        shaped = partial(
            shape, message, capabilities=capabilities, template=template, answers=answers, name=name, links=links
        )
        parts = shaped().parts
        if long == "attach" and sum(bool(part.text) for part in parts) > 1 and capabilities.attachments == "bytes":
            parts = shaped(whole=as_file(tx, written, now=now)).parts
        return parts

    def _links(self, tx: Tx, message: Message, *, capabilities: Capabilities, now: float) -> Mapping[str, str]:
        """Links to the files that cannot be sent there themselves and that nobody else offers."""
        if self._lender is None:
            return {}
        others = [each for each in message.attachments if not each.link and goes_along(each, capabilities) is not None]
        return self._lender.links(tx, others, now=now)

    def named(self, tx: Tx, address: Address, person: Person, *, now: float) -> str:
        """What a person is called in a conversation: of two who look alike there, the later one has a bit of the id."""
        who = f"{person.account or ''}:{person.id}"
        place = str(address)
        return next(name for name in names_for(person) if tx.faces.claim(place, looks(name), who, now=now))

    def delivery(
        self,
        address: Address,
        message: Message,
        *,
        now: float,
        message_id: int | None,
        why: str,
        on_ambiguous: Literal["hold", "resend"] | None = None,
    ) -> NewDelivery:
        """A delivery by the settings' policy."""
        if on_ambiguous is None:
            is_telegram = address.account == TELEGRAM
            on_ambiguous = self.policy.telegram_on_ambiguous if is_telegram else self.policy.on_ambiguous
        return NewDelivery(
            account=address.account,
            conversation=address.conversation,
            payload=message.model_dump_json(exclude_defaults=True),
            created_at=now,
            expires_at=now + self.policy.max_age_s,
            on_ambiguous=on_ambiguous,
            message=message_id,
            why=why,
        )

    def put(self, tx: Tx, new: NewDelivery) -> int:
        """Put a delivery into the outbox; returns its id."""
        id = tx.outbox.add(new)
        if new.marked and new.message is not None and new.op != "send":
            tx.marks.want(new.message, "accepted", now=new.created_at)
        return id

    # --- the bot's own words

    def tell(
        self,
        tx: Tx,
        address: Address,
        text: str,
        *,
        now: float,
        reply_to: int | None = None,
        buttons: Sequence[Button] = (),
    ) -> None:
        """Say something in a Telegram chat, as the bot itself."""
        self.say(tx, address, Message(text=text, buttons=tuple(buttons)), now=now, reply_to=reply_to)

    def say(self, tx: Tx, address: Address, message: Message, *, now: float, reply_to: int | None = None) -> None:
        """The same, with formatting or files."""
        self.send(
            tx,
            address,
            message,
            now=now,
            message_id=None,
            reply_to=reply_to,
            priority=PRIORITY_REPLY,
            why="the bot's own",
        )

    def tell_owners(self, tx: Tx, text: str, *, now: float, once: str | None = None) -> None:
        """Tell every owner privately; with ``once``, only the first time."""
        if once is not None and not tx.notices.first(once, now=now):
            return
        for owner in self.owners(tx):
            self.tell(tx, owner, text, now=now)

    def owners(self, tx: Tx) -> list[Address]:
        """The private chats of all owners."""
        owners = {str(owner) for owner in self.policy.owners} | set(tx.roles.holders("owner"))
        return [telegram_address(int(owner)) for owner in sorted(owners)]

    def _tell_unrouted(self, tx: Tx, address: Address, *, now: float) -> None:
        if address.account == TELEGRAM:
            return  # ordinary talk in a group that nobody linked is no news
        self.tell_owners(
            tx,
            f"A message came in at {address} and no route takes it. It is kept.\n"
            f"To see it in a chat, write there:\n/link {address}\n"
            f"or, for everything from this account:\n/route add {address.account}:* -> here\n"
            "This is said once for each account.",
            now=now,
            once=f"unrouted:{address.account}",
        )


def _owned(message: Message, account: str) -> Message:
    """The message with an author and files that know whose they are."""
    owner = AccountName(account)
    changed: dict[str, object] = {}
    if message.sender is not None:
        changed["sender"] = message.sender.model_copy(update={"account": owner})
    if message.attachments:
        changed["attachments"] = tuple(
            each.model_copy(update={"account": owner, "link": shown_link(each.link)}) for each in message.attachments
        )
    return message.model_copy(update=changed) if changed else message


def _is_shown_as(sent: Message, shown: Message) -> bool:
    """Whether a provider may show what was sent like this: spaces aside the same words, below them the addresses of
    files where files cannot go along."""
    ours, theirs = " ".join(sent.text.split()), " ".join(shown.text.split())
    if ours == theirs:
        return True
    more = theirs.removeprefix(ours).split() if theirs.startswith(ours) else []
    return 0 < len(more) == len(sent.attachments) and all(each.startswith(("https://", "http://")) for each in more)


def explain(resolution: Resolution) -> str:
    """In words, what the rules did with a message."""
    silence = "muted" if resolution.muted else "no rule is about this place"
    return "\n".join(map(str, resolution.steps)) or silence


def refusal(error: Exception) -> str:
    """An error a person caused, as a sentence. An address it may begin with stays as it is: its case matters."""
    text = str(error)
    return text[:1].upper() + text[1:] if text.partition(" ")[0].isalpha() else text


def sentence(error: Exception) -> str:
    """As :func:`refusal`, with the full stop unless it ends in a question."""
    text = refusal(error)
    return text if text.endswith("?") else f"{text.removesuffix('.')}."
