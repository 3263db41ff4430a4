"""What happens to messages after they were written: edited, taken back, reacted to; and people who come and go.

Each becomes deliveries to the copies elsewhere, in the lane of their conversation: so an edit waits for the message
that it changes. What cannot be done over there is said there in words, with the old words, so that one knows which.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Literal, Protocol, TypeAlias

from bot import behind, loops
from bot.accounts import Account
from bot.addresses import TELEGRAM, Address
from bot.alike import Alike
from bot.cannot import FAILED_TO_EDIT, HELD_TO_EDIT, NEVER_THERE, TOLD
from bot.decisions import REDIRECTED, show
from bot.long import has_text_file, is_text_file
from bot.marks import EMOJI, gives_way
from bot.names import display_name, one_line
from bot.routes_line import Long
from bot.routing import Incoming, Kind, Router, Rule
from bot.shaping import DEFAULT_TEMPLATE, after_line, quoted
from bot.store import Tx
from bot.store.messages import Origin
from bot.store.outbox import Delivery, NewDelivery, Op
from bot.text import measure
from bridges.model import (
    AccountName,
    ConversationId,
    Deleted,
    Edited,
    MembersChanged,
    Message,
    Person,
    PersonId,
    Reacted,
)

BY_ROUTE = "route "
"""How ``Delivery.why`` begins where a rule led to it."""
LONGEST_EMOJI = 32
"""Code points of a reaction that are shown: some take more than ten, and no provider's word on it is taken."""
TAKEN_BACK = "."
"""An edit to this means: take it back, for Telegram tells no bot of deletions in groups."""
_Removed: TypeAlias = Literal["done", "cannot", "never", "nothing"]
"""``never``: it had failed there and is let go; ``nothing``: nothing is known to be there, and nothing waited."""


class Relays(Protocol):
    """What is needed of the relay."""

    def router(self, tx: Tx) -> Router: ...
    def account(self, name: str) -> Account | None: ...
    def parts_for(
        self,
        tx: Tx,
        address: Address,
        message: Message,
        *,
        template: str | None,
        now: float,
        room: int = 0,
        long: Long | None = None,
    ) -> tuple[Message, ...]: ...
    def named(self, tx: Tx, address: Address, person: Person, *, now: float) -> str: ...
    def put(self, tx: Tx, new: NewDelivery) -> int: ...
    def delivery(
        self, address: Address, message: Message, *, now: float, message_id: int | None, why: str
    ) -> NewDelivery: ...


@dataclass(frozen=True, slots=True)
class _Place:
    """A conversation where a copy of the message is, or will be."""

    address: Address
    rows: tuple[Delivery, ...]
    """The deliveries that made the copy, where they are still kept."""
    parts: int
    """How many parts it has there; 0: it was written there."""
    template: str | None = None
    """How the sender is shown; None: not at all."""
    long: Long | None = None
    """What becomes of a text that needs more than one message."""
    known: frozenset[int] | None = None
    """The parts of which it is known what they are called there; None: that is still to be asked."""
    is_waited_on: bool = True
    """Whether something is still to be done to it there, or may be."""

    @property
    def look(self) -> Hashable:
        """All that decides what a change of the message is made of here, where it is bare and arrived: places that have
        the same are alike. None: this one is looked at by itself.
        """
        if self.template is not None or not self.rows or any(row.state != "sent" for row in self.rows):
            return None
        rows = tuple((row.part, row.parts, row.late, row.payload) for row in self.rows)
        return self.address.account, self.why, self.long, self.known, rows

    @property
    def why(self) -> str:
        return self.rows[0].why if self.rows else ""

    @property
    def rule(self) -> str:
        """The name of the rule that took it there; empty if it was somebody's hand, or is not known any more."""
        return self.why.removeprefix(BY_ROUTE).partition(REDIRECTED)[0] if self.why.startswith(BY_ROUTE) else ""

    @property
    def is_redirected(self) -> bool:
        """Whether somebody sent it there by hand that was to go elsewhere by a rule."""
        return self.why.startswith(BY_ROUTE) and REDIRECTED in self.why

    @property
    def is_empty(self) -> bool:
        """Whether nothing of the message is there, or will be unless a person sends it again."""
        return bool(self.rows) and all(map(behind.is_absent, self.rows))

    @property
    def waits(self) -> tuple[Delivery, ...]:
        """The deliveries that a person may send again, and those that were not let go yet."""
        unsent = (row for row in self.rows if row.state in behind.UNSENT or row.parked)
        return tuple(row for row in unsent if not behind.is_taken_back(row))

    @property
    def quotation(self) -> str:
        """The line of our own that its first part begins with, where an answer had to quote."""
        first = next((row for row in self.rows if row.part == 1 and row.intact), None)
        return "" if first is None else Message.model_validate_json(first.payload).quote


def digest_of(message: Message) -> str:
    """Two messages with the same content have the same one. Its two halves are of the words and of the files.

    The place on the map is left out: a live location moves every few seconds.
    """
    words = repr((message.text, [span.model_dump() for span in message.spans], message.poll, message.contact))
    # The same file may be named anew each time: Telegram's ids change, its size and name do not.
    files = repr([(each.kind, each.name, each.size, each.width, each.height) for each in message.attachments])
    return f"{_hash(words)}.{_hash(files)}"


def is_change(origin: Origin, message: Message) -> bool:
    """Whether an edit gives a message that still stands other words or files."""
    same = digest_of(message) == origin.digest or (not origin.digest and message.text == origin.text)
    return not same and origin.gone_at is None


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


class Changes:
    """Turns what happens to messages into deliveries, by the rules that took the messages."""

    def __init__(self, relay: Relays) -> None:
        self._relay = relay

    # --- what happens

    def edited(self, tx: Tx, account: str, event: Edited, *, now: float, by_hand: bool = True) -> str:
        """A message has new content; returns the outcome's name. ``by_hand``: see :meth:`Relay.changed`."""
        found = tx.messages.locate(account, event.id)
        if found is None:
            return "unsupported"
        origin = found.origin
        if not found.is_original:
            return "echoes"
        digest = digest_of(event.message)
        if not is_change(origin, event.message):
            return "filtered"
        here = Address(AccountName(account), ConversationId(found.conversation))
        if event.message.text.strip() == TAKEN_BACK:
            outcome = self._take_back(tx, origin, here, now=now, by_hand=by_hand)
            if outcome == "relayed":
                return outcome
        kind, author = Kind.EDITS, event.message.sender
        places = self._places(tx, origin, at=here, kind=kind, by=author, now=now, by_hand=by_hand)
        tx.messages.rewrite(origin.id, text=event.message.text, digest=digest, now=now)
        other_files = origin.digest.partition(".")[2] not in ("", digest.partition(".")[2])
        for place in places:
            self._edit(tx, place, origin, event.message, other_files=other_files, now=now)
        return "relayed" if places else "filtered"

    def deleted(self, tx: Tx, account: str, event: Deleted, *, now: float) -> str:
        """A message is gone; returns the outcome's name. A copy that somebody removes is their side's business."""
        found = tx.messages.locate(account, event.id)
        if found is None:
            return "unsupported"
        if not found.is_original:
            return "echoes"
        here = Address(AccountName(account), ConversationId(found.conversation))
        return self._take_back(tx, found.origin, here, now=now)

    def reacted(self, tx: Tx, account: str, event: Reacted, *, now: float, by_hand: bool = True) -> str:
        """A person's reactions on a message are now these; returns the outcome's name.

        ``by_hand``: see :meth:`Relay.changed`.
        """
        found = tx.messages.locate(account, event.id)
        if found is None:
            return "unsupported"
        origin, person = found.origin, f"{account}:{event.person.id}"
        before = tx.messages.reactions(origin.id, person)
        # What is told as an emoji may be any words, of any length.
        told = tuple(filter(None, (one_line(each, most=LONGEST_EMOJI) for each in event.reactions)))
        after = _reactions_after(before, event.model_copy(update={"reactions": told}))
        if before == after:
            return "duplicates"
        tx.messages.react(origin.id, person, after)
        here = Address(AccountName(account), ConversationId(found.conversation))
        kind = Kind.REACTIONS
        places = self._places(tx, origin, at=here, kind=kind, by=event.person, now=now, by_hand=by_hand)
        places = [place for place in places if not place.is_empty]
        added = [emoji for emoji in after if emoji not in before]
        removed = [emoji for emoji in before if emoji not in after]
        beside = tx.messages.reactions_beside(origin.id, person)
        for place in places:
            # We are one person there: what somebody else has there is shown by the same reaction of ours.
            shown = [emoji for who, emoji in beside if not who.startswith(f"{place.address.account}:")]
            for emoji in added:
                if not self._can(tx, place, origin, "react") or _plain(emoji) not in map(_plain, shown):
                    self._react(tx, place, origin, event.person, emoji, now=now)
            if removed and not added:
                self._unreact(tx, place, origin, event.person, removed, left=(*shown, *after), now=now)
        return "relayed" if places else "filtered"

    def members(self, tx: Tx, account: str, event: MembersChanged, *, now: float) -> str:
        """People came or went; returns the outcome's name. Only a route that asks for it carries this."""
        here = Address(AccountName(account), event.conversation.id)
        lines = [f"→ {display_name(person)} joined" for person in event.joined]
        text = "\n".join([*lines, *(f"← {display_name(person)} left" for person in event.left)])
        person = next(iter((*event.joined, *event.left)), None)
        item = Incoming(address=here, kind=Kind.JOINS, text=text, sender=person, at=event.at)
        resolution = self._relay.router(tx).resolve(item)
        for target in resolution.targets:
            if target.opens or self._relay.account(target.address.account) is None:
                continue  # nobody has said anything yet that a topic would be opened for
            for part in self._relay.parts_for(tx, target.address, Message(text=text), template=None, now=now):
                loops.remember(tx, Message(), [part], source=here, into=target.address, now=now)
                new = self._relay.delivery(
                    target.address, part, now=now, message_id=None, why=f"{BY_ROUTE}{target.rule.name}"
                )
                self._relay.put(tx, new)
        return "relayed" if resolution.targets else "filtered"

    # --- at a person's command

    def take_back(
        self, tx: Tx, origin: Origin, *, now: float, at_home: bool = False, only: Collection[Address] | None = None
    ) -> tuple[list[Address], list[str]]:
        """Take a message back wherever it went: where that is under way, and sentences about where it cannot be.

        ``at_home``: also the copy of it, which is ours, where it was written. ``only``: just there, and it is not gone.
        """
        under_way, cannot, never = [], [], []
        here = Address(AccountName(origin.account), ConversationId(origin.conversation))
        alike = Alike[_Removed](tx, source=here, now=now)
        places = self._everywhere(tx, origin, at_home=True) if at_home else self._all_places(tx, origin, at=here)
        for place in places if only is None else [each for each in places if each.address in only]:
            work = partial(self._remove, tx, place, origin, failed="discarded", now=now)
            match alike.do(work, at=place.address, look=None if place.is_waited_on else place.look):
                case "done":
                    under_way.append(place.address)
                case "never":
                    never.append(f"{place.address}: {NEVER_THERE}")
                case "cannot":
                    cannot.append(f"{place.address}: {self._why_not(tx, place, 'delete', doing='take a message back')}")
            for row in filter(behind.may_be_there, place.rows):
                cannot.append(
                    f"{place.address}: it may have arrived there; please look, and decide about delivery {row.id}"
                    " (/held): once it is said to have arrived, it is taken back"
                )
        alike.finish()
        if only is None and (under_way or never) and not cannot:  # where it still stands it can still be changed
            tx.messages.gone(origin.id, now=now)
        return under_way, [*never, *cannot]

    def reword(self, tx: Tx, origin: Origin, message: Message, *, now: float) -> tuple[list[Address], list[str]] | None:
        """Give a message other words wherever it went, its files staying as they are: where that is under way, and
        sentences about where it is only told. None: these are its words already.
        """
        digest = ".".join((digest_of(message).partition(".")[0], origin.digest.partition(".")[2]))
        if digest == origin.digest:
            return None
        here = Address(AccountName(origin.account), ConversationId(origin.conversation))
        templates = self._templates(tx, origin, at=here, now=now)
        message = message.model_copy(update={"sender": origin.author})
        tx.messages.rewrite(origin.id, text=message.text, digest=digest, now=now)
        under_way, cannot = [], []
        alike = Alike[None](tx, source=here, now=now)
        for place in self._all_places(tx, origin, at=here):
            if place.is_empty and not place.waits:
                continue
            if (rule := self._relay.router(tx).rule_named(place.rule)) is not None:
                # Its words and hours are not asked about again, nor whether it works.
                place = replace(place, template=_template_of(rule), long=rule.options.long)
            elif place.why.startswith(BY_ROUTE):
                place = replace(place, template=templates.get(place.address, DEFAULT_TEMPLATE))
            work = partial(self._edit_words, tx, place, origin, message, now=now)
            alike.do(work, at=place.address, look=place.look)
            unsent = next((row for row in place.waits if not row.parked), None)
            if unsent is not None and all(behind.is_absent(row) or row in place.waits for row in place.rows):
                cannot.append(f"{place.address}: {HELD_TO_EDIT if behind.may_be_there(unsent) else FAILED_TO_EDIT}")
            elif place.is_empty or self._can(tx, place, origin, "edit"):
                under_way.append(place.address)
            else:
                why = self._why_not(tx, place, "edit", doing="change a message")
                cannot.append(f"{place.address}: {why}{TOLD}")
        alike.finish()
        return under_way, cannot

    def put_reaction(
        self, tx: Tx, origin: Origin, person: Person, emoji: str, *, at: Address, now: float
    ) -> tuple[list[Address], list[str]]:
        """Put a person's reaction on a message wherever it is beside ``at``: where that is under way, and sentences
        about where it cannot be.
        """
        tx.messages.react(origin.id, f"{at.account}:{person.id}", (emoji,))
        under_way, cannot = [], []
        home = Address(AccountName(origin.account), ConversationId(origin.conversation))
        alike = Alike[None](tx, source=home, now=now)
        for place in self._all_places(tx, origin, at=at):
            if self._can(tx, place, origin, "react"):
                work = partial(self._react, tx, place, origin, person, emoji, now=now)
                # What a person is called may differ from place to place.
                who = self._relay.named(tx, place.address, person, now=now)
                alike.do(work, at=place.address, look=None if place.look is None else (place.look, who))
                under_way.append(place.address)
            else:
                cannot.append(f"{place.address}: {self._why_not(tx, place, 'react', doing='react to a message')}")
        alike.finish()
        return under_way, cannot

    def pin(self, tx: Tx, origin: Origin, *, now: float) -> list[Address]:
        """Pin a message in the Telegram chats that it goes to; returns where that is under way.

        Where it is still to be sent (also parked), that waits for it; where it failed, for somebody to send it again.
        """
        if origin.gone_at is not None:
            return []
        tx.outbox.to_pin(origin.id, account=TELEGRAM)
        named = {(copy.account, copy.conversation) for copy in tx.messages.copies(origin.id) if copy.part == 1}
        under_way = []
        for row in _first_parts(tx.outbox.of_message(origin.id)):
            is_there = row.state == "sent" and (row.account, row.conversation) in named
            if row.state in ("queued", "sending") or (is_there and behind.pin(tx, row, now=now)):
                under_way.append(Address(AccountName(row.account), ConversationId(row.conversation)))
        return under_way

    def owed(self, tx: Tx, row: Delivery, *, now: float) -> None:
        """What got new words, or was taken back, while nobody knew whether it had arrived did arrive, as it was."""
        origin = None if row.message is None else tx.messages.get(row.message)
        if origin is None:
            return
        address = Address(AccountName(row.account), ConversationId(row.conversation))
        message = Message.model_validate_json(row.payload)
        old = Message.model_validate_json(row.words).text if row.words else ""
        if behind.is_taken_back(row):
            told = Message(text=f"🗑 deleted {quoted(old or message.text)}")
            place = _Place(address, (row,), row.parts)
            if self._can(tx, place, origin, "delete", part=row.part):
                self._put(tx, place, origin, "delete", Message(), part=row.part, words=[told], now=now)
            else:
                self._note(tx, place, origin, told, now=now)
            return
        head = f"✏️ edited {quoted(old)}:\n" if old else "✏️ edited:\n"
        moved = tuple(span.model_copy(update={"start": span.start + len(head)}) for span in message.spans)
        told = Message(text=head + message.text, spans=moved)
        place = _Place(address, (row,), row.parts)
        if self._can(tx, place, origin, "edit", part=row.part):
            self._put(tx, place, origin, "edit", message, part=row.part, words=[told], now=now)
        else:
            self._note(tx, place, origin, told, now=now)

    def _why_not(self, tx: Tx, place: _Place, op: Op, *, doing: str) -> str:
        """Why a message cannot be changed in a place, for the person who asked for it."""
        account = self._relay.account(place.address.account)
        if place.is_empty:
            return "it never arrived there"
        if account is not None and _is_able(account, op):
            if any(row.state == "held" for row in place.rows):
                return "whether it arrived there is not known; /held decides"
            if place.address.account == TELEGRAM and any(tx.outbox.has_company(row) for row in place.rows):
                return "it stands there in one message with others"
            return "what it is called there is not known"
        if place.address.conversation.startswith("sms/"):
            return f"SMS has no way to {doing}"
        return f"{account.provider if account else place.address.account} has no way to {doing}"

    def _templates(self, tx: Tx, origin: Origin, *, at: Address, now: float) -> dict[Address, str]:
        """How the rules of now show who wrote a message."""
        found: dict[Address, str] = {}
        for kind in (Kind.MEDIA, Kind.TEXT, Kind.EDITS):
            at_time = datetime.fromtimestamp(now, UTC)
            item = Incoming(address=at, kind=kind, text=origin.text, sender=origin.author, at=at_time)
            found |= {target.address: target.template for target in self._relay.router(tx).resolve(item).targets}
        return found

    # --- how it is done in each place

    def _take_back(self, tx: Tx, origin: Origin, here: Address, *, now: float, by_hand: bool = True) -> str:
        if origin.gone_at is not None:
            return "duplicates"
        by = Person(id=PersonId(origin.sender_id), name=origin.sender_name)
        places = self._places(tx, origin, at=here, kind=Kind.DELETES, by=by, now=now, by_hand=by_hand)
        for place in places:
            if self._remove(tx, place, origin, now=now) == "cannot":
                known = self._as_it_stands(tx, place, origin, now=now)
                self._note(tx, place, origin, self._deleted(tx, known, place, now=now), now=now)
        if places:
            tx.messages.gone(origin.id, now=now)
        return "relayed" if places else "filtered"

    def _remove(
        self,
        tx: Tx,
        place: _Place,
        origin: Origin,
        *,
        now: float,
        failed: Literal["cancelled", "discarded"] = "cancelled",
    ) -> _Removed:
        """Stop what waits, delete what is there; what may be there is owed should somebody say that it is.

        ``failed``: what those that were given up are from now on; a person lets them go.
        """
        perhaps = {row.id for row in place.rows if behind.may_be_there(row)}
        for id in perhaps:
            tx.outbox.disown(id)
        others = [row for row in place.rows if row.id not in perhaps]
        ends: dict[str, Literal["cancelled", "discarded"]] = dict.fromkeys(behind.UNSENT, failed)
        stopped = {
            row.id
            for row in others
            if tx.outbox.settle_by_hand(row.id, state=ends.get(row.state, "cancelled"), now=now)
        }
        there = {row.part for row in others if row.id not in stopped and not behind.is_absent(row)}
        if stopped and origin.account == TELEGRAM:
            show(tx, origin.id, now=now)
        if place.rows and not there:
            behind.cancel(tx, origin.id, str(place.address), now=now)
            if any(row.id in stopped and row.state not in behind.UNSENT for row in others):
                return "done"
            return "never" if stopped else "nothing"
        if not self._can(tx, place, origin, "delete"):
            return "cannot"
        origin = self._as_it_stands(tx, place, origin, now=now)
        behind.cancel(tx, origin.id, str(place.address), now=now, ops=("note", "react", "pin"))
        words: Sequence[Message] = [self._deleted(tx, origin, place, now=now)]
        for part in sorted(there or range(1, place.parts + 1)):
            self._put(tx, place, origin, "delete", Message(), part=part, words=words, now=now)
            words = ()
        return "done"

    def _as_it_stands(self, tx: Tx, place: _Place, origin: Origin, *, now: float) -> Origin:
        """The message with the words that are known in a place, where edits of it that wait are not made any more."""
        if not behind.cancel(tx, origin.id, str(place.address), now=now, ops=("edit",)):
            return origin
        first = next((row for row in place.rows if row.intact), None)
        return replace(origin, text=Message.model_validate_json(first.payload).text if first else "")

    def _edit_words(self, tx: Tx, place: _Place, origin: Origin, message: Message, *, now: float) -> None:
        self._edit(tx, place, origin, _with_what_stands(message, place), other_files=False, now=now)

    def _edit(self, tx: Tx, place: _Place, origin: Origin, message: Message, *, other_files: bool, now: float) -> None:
        parts = self._parts(tx, place, message, now=now)
        waits = place.waits
        if place.rows and all(behind.is_absent(row) or row in waits for row in place.rows):
            behind.refill(tx, waits, [_json(part) for part in parts], now=now)
            behind.cancel(tx, origin.id, str(place.address), now=now, ops=("edit",))  # an older one that was given up
            return
        for row in waits:
            if row.part <= len(parts):
                tx.outbox.rewrite(row.id, _json(parts[row.part - 1]))
            else:
                tx.outbox.settle_by_hand(row.id, state="cancelled", now=now)
        absent = {row.part for row in place.rows if behind.is_absent(row) or row.state == "held"}
        # An edit that made it shorter stopped these before they left.
        fresh = {row.part for row in place.rows if row.state == "cancelled"}
        head = f"✏️ {self._who(tx, origin, place, now=now)}edited {quoted(origin.text)}:\n"
        moved = tuple(span.model_copy(update={"start": span.start + len(head)}) for span in message.spans)
        files = message.attachments if other_files else ()
        told = message.model_copy(update={"text": head + message.text, "spans": moved, "attachments": files})
        template = None if place.template is None else "{text}"
        written = [Message.model_validate_json(row.payload) for row in place.rows] if place.long == "attach" else []
        if other_files or any(map(has_text_file, (*parts, *written))) or not self._can(tx, place, origin, "edit"):
            self._note(tx, place, origin, told, template=template, now=now, becomes=parts)
            return
        words: Sequence[Message] = self._relay.parts_for(tx, place.address, told, template=template, now=now)
        for number, part in enumerate(parts, start=1):
            if number > 1 and not part.text and not _has_other_links(part, place, number=number):
                continue  # files, a place or a card, which are as they were
            if number in absent - fresh:
                continue  # it has its new words already, or is not to be there
            if number <= place.parts and number not in fresh:
                self._put(tx, place, origin, "edit", part, part=number, words=words, now=now)
                words = ()
            else:
                self._put(tx, place, origin, "send", part, part=number, parts=len(parts), now=now)
        for number in range(len(parts) + 1, place.parts + 1):
            if number in absent:
                continue
            if self._can(tx, place, origin, "delete"):
                self._put(tx, place, origin, "delete", Message(), part=number, now=now)
            else:
                self._put(tx, place, origin, "edit", Message(text="…"), part=number, now=now)

    def _parts(self, tx: Tx, place: _Place, message: Message, *, now: float) -> tuple[Message, ...]:
        """The parts that a message has in a place with its new content: what quoted there still does."""
        line = place.quotation
        account = self._relay.account(place.address.account)
        room = 0 if not line or account is None else measure(line, unit=account.capabilities.text_unit)
        bare = message.model_copy(update={"reply_to": None, "quote": ""})
        first, *others = self._relay.parts_for(
            tx, place.address, bare, template=place.template, long=place.long, now=now, room=room
        )
        return (after_line(first, line), *others)

    def _react(self, tx: Tx, place: _Place, origin: Origin, person: Person, emoji: str, *, now: float) -> None:
        who = self._relay.named(tx, place.address, person, now=now)
        words = f"{who} reacted {emoji} to {quoted(origin.text)}"
        mark = _mark(tx, place, origin)
        if self._can(tx, place, origin, "react") and (mark is None or gives_way(mark)):
            said = self._relay.parts_for(tx, place.address, Message(text=words), template="{text}", now=now)
            self._put(tx, place, origin, "react", Message(text=emoji), part=1, words=said, now=now)
        else:
            self._note(tx, place, origin, Message(text=words), template="{text}", now=now, marked=False)

    def _unreact(
        self,
        tx: Tx,
        place: _Place,
        origin: Origin,
        person: Person,
        removed: Sequence[str],
        *,
        left: Sequence[str],
        now: float,
    ) -> None:
        who = self._relay.named(tx, place.address, person, now=now)
        words = f"{who} took back {' '.join(removed)} from {quoted(origin.text)}"
        account = self._relay.account(place.address.account)
        mark = _mark(tx, place, origin)
        hidden = mark is not None and not gives_way(mark)
        stays = hidden or account is None or account.capabilities.reactions_stay
        if not stays and self._can(tx, place, origin, "react"):
            # Where a mark had to give way to the reaction, it comes back.
            shown = left[-1] if left else EMOJI[mark] if mark else ""
            said = self._relay.parts_for(tx, place.address, Message(text=words), template="{text}", now=now)
            self._put(tx, place, origin, "react", Message(text=shown), part=1, words=said, now=now)
        else:
            self._note(tx, place, origin, Message(text=words), template="{text}", now=now, marked=False)

    def _can(self, tx: Tx, place: _Place, origin: Origin, op: Op, *, part: int = 1) -> bool:
        """Whether the account can do it, and knows or will know the id of what it is done to."""
        account = self._relay.account(place.address.account)
        if account is None:
            return False
        capabilities = account.capabilities
        if not _is_able(account, op):
            return False
        if place.known is not None:
            is_known = part in place.known
        else:
            address = place.address
            is_known = bool(tx.messages.remote_ids_of(origin.id, address.account, address.conversation, part=part))
        return is_known or (capabilities.receipt_ids and any(row.state in ("queued", "sending") for row in place.rows))

    def _note(
        self,
        tx: Tx,
        place: _Place,
        origin: Origin,
        message: Message,
        *,
        now: float,
        template: str | None = None,
        marked: bool = True,
        becomes: Sequence[Message] = (),
    ) -> None:
        """Say something of the message. ``becomes``: its parts with the edit that is told."""
        for part in self._relay.parts_for(tx, place.address, message, template=template, long=place.long, now=now):
            self._put(tx, place, origin, "note", part, part=0, words=becomes, now=now, marked=marked)

    def _put(
        self,
        tx: Tx,
        place: _Place,
        origin: Origin,
        op: Op,
        message: Message,
        *,
        part: int,
        now: float,
        parts: int = 1,
        words: Sequence[Message] = (),
        marked: bool = True,
    ) -> None:
        told = [message] if op == "note" else words
        # Another bridge brings that back, too.
        home = Address(AccountName(origin.account), ConversationId(origin.conversation))
        loops.remember(tx, Message(), told, source=home, into=place.address, now=now)
        # A reaction is not the author's: what becomes of it is not shown on their message.
        marked = marked and op != "react" and origin.account == TELEGRAM
        new = self._relay.delivery(
            place.address,
            message,
            now=now,
            message_id=origin.id if op in ("send", "edit", "delete") or marked else None,
            why=place.why or "a change of what was sent",
        )
        changed = replace(
            new,
            op=op,
            subject=origin.id,
            words="\n".join(map(_json, words)) or None,
            part=part,
            parts=parts,
            reply_to=origin.id if op == "note" else None,
            marked=marked,
            # What is not sent so late is not with a part more either.
            late=next((row.late for row in place.rows if op == "send" and row.late != "stamp"), ""),
        )
        self._relay.put(tx, changed)

    def _who(self, tx: Tx, origin: Origin, place: _Place, *, now: float) -> str:
        """Who did it, where the place shows who writes."""
        if origin.author is None or (place.template is None and place.parts):
            return ""
        return f"{self._relay.named(tx, place.address, origin.author, now=now)} "

    def _deleted(self, tx: Tx, origin: Origin, place: _Place, *, now: float) -> Message:
        return Message(text=f"🗑 {self._who(tx, origin, place, now=now)}deleted {quoted(origin.text)}")

    # --- where it is done

    def _places(
        self, tx: Tx, origin: Origin, *, at: Address, kind: Kind, by: Person | None, now: float, by_hand: bool
    ) -> list[_Place]:
        """Where the message is beside here and the rules take the change to.

        The rule that took the message takes what becomes of it, whatever the hour and the words are now.
        """
        item = Incoming(address=at, kind=kind, text=origin.text, sender=by, at=datetime.fromtimestamp(origin.at, UTC))
        router = self._relay.router(tx)
        targets = {target.address: target for target in router.resolve(item).targets}
        home = Address(AccountName(origin.account), ConversationId(origin.conversation))
        here = next((place for place in self._everywhere(tx, origin) if place.address == at), None)
        places = []
        for place in self._all_places(tx, origin, at=at):
            way = place if at == home else here if place.address == home else None
            rule = None if way is None else router.rule_named(way.rule)
            target = targets.get(place.address)
            if place is way and place.is_redirected:
                # Somebody sent it there: no rule leads there, and its own still says what is carried and how it looks.
                if rule is None or not rule.options.kinds or kind in rule.options.kinds:
                    long = None if rule is None else rule.options.long
                    places.append(replace(place, template=_template_of(rule), long=long))
                continue
            if rule is not None and rule.works:
                target = router.carries_on(rule, item, to=place.address)
                was_turned = target is None and at == home and not router.leads(rule, at, place.address)
                if was_turned and _carries(rule, kind):
                    # The rule was changed and leads elsewhere: what went before stays under its care.
                    places.append(replace(place, template=_template_of(rule), long=rule.options.long))
                    continue
            if target is not None:
                places.append(_Place(place.address, place.rows, place.parts, target.template, target.rule.options.long))
            elif rule is not None and not rule.works and place.is_empty and _carries(rule, kind):
                # Nothing is sent by it, but what waits for a person is not to be sent later as it was.
                places.append(replace(place, template=_template_of(rule), long=rule.options.long))
            elif place.parts == 0:
                rule = router.reply_rule(place.address, at)
                if rule is not None and (not rule.options.kinds or kind in rule.options.kinds):
                    places.append(place)
            elif by_hand and at == home and place.rows and not place.why.startswith(BY_ROUTE):
                # Somebody sent it there by hand: no rule is asked about it. What is done to one copy concerns no other.
                places.append(place)
        return places

    def _all_places(self, tx: Tx, origin: Origin, *, at: Address) -> list[_Place]:
        return [place for place in self._everywhere(tx, origin) if place.address != at]

    def _everywhere(self, tx: Tx, origin: Origin, *, at_home: bool = False) -> list[_Place]:
        """Where it is, or is on its way to, and where it was written; ``at_home``: there as a copy, if there is one."""
        made: dict[Address, dict[int, Delivery]] = {}
        for row in tx.outbox.of_message(origin.id):
            address = Address(AccountName(row.account), ConversationId(row.conversation))
            if row.op == "send":
                made.setdefault(address, {})[row.part] = row
            elif row.op == "delete" and row.state in ("queued", "sending", "sent"):
                made.get(address, {}).pop(row.part, None)
        rows = {address: [found[part] for part in sorted(found)] for address, found in made.items()}
        parts = {address: max(found) for address, found in made.items() if found}
        known: dict[Address, set[int]] = {}
        for copy in tx.messages.copies(origin.id):
            address = Address(AccountName(copy.account), ConversationId(copy.conversation))
            known.setdefault(address, set()).add(copy.part)
            if copy.part and address not in made:
                parts[address] = max(parts.get(address, 0), copy.part)
        home = Address(AccountName(origin.account), ConversationId(origin.conversation))
        waited_on = tx.several.waited_on(origin.id)
        found = [
            _Place(
                address,
                tuple(rows.get(address, ())),
                number,
                known=frozenset(known.get(address, ())),
                is_waited_on=(address.account, address.conversation) in waited_on,
            )
            for address, number in parts.items()
            if at_home or address != home
        ]
        return found if at_home else [*found, _Place(home, (), 0)]


def _first_parts(rows: Sequence[Delivery]) -> Sequence[Delivery]:
    """The latest delivery of the first part in each of Telegram's chats."""
    first = (row for row in rows if row.op == "send" and row.part == 1 and row.account == TELEGRAM)
    return list({row.conversation: row for row in first}.values())


def _carries(rule: Rule, kind: Kind) -> bool:
    return not rule.options.kinds or kind in rule.options.kinds


def _template_of(rule: Rule | None) -> str:
    return DEFAULT_TEMPLATE if rule is None or rule.options.template is None else rule.options.template


def _with_what_stands(message: Message, place: _Place) -> Message:
    """New words with the files, the place and the card that stand with the old ones there: they need their room. The
    buttons that open addresses stay, too, and it makes no more sound than before.
    """
    stands = [Message.model_validate_json(row.payload) for row in place.rows]
    files = tuple(each for part in stands for each in part.attachments if not is_text_file(each))
    location = next((part.location for part in stands if part.location is not None), None)
    contact = next((part.contact for part in stands if part.contact is not None), None)
    links = message.links or next((part.links for part in stands if part.links), ())
    more = {"links": links, "silent": message.silent or any(part.silent for part in stands)}
    return message.model_copy(update={"attachments": files, "location": location, "contact": contact, **more})


def _has_other_links(part: Message, place: _Place, *, number: int) -> bool:
    """Whether a part that stands there has other buttons now: the last one has them, whichever that is."""
    row = next((row for row in place.rows if row.part == number and row.intact), None)
    return row is not None and Message.model_validate_json(row.payload).links != part.links


def _plain(emoji: str) -> str:
    """The emoji without the mark that asks for a coloured picture: providers differ in it."""
    return emoji.replace("\ufe0f", "")


def _is_able(account: Account, op: Op) -> bool:
    capabilities = account.capabilities
    return {"edit": capabilities.edits, "delete": capabilities.deletes, "react": capabilities.reactions}[op]


def _reactions_after(before: tuple[str, ...], event: Reacted) -> tuple[str, ...]:
    """All that the person has on the message then."""
    match event.mode:
        case "add":
            return tuple(dict.fromkeys((*before, *event.reactions)))
        case "remove":
            return tuple(emoji for emoji in before if emoji not in event.reactions)
        case "set":
            return event.reactions


def _mark(tx: Tx, place: _Place, origin: Origin) -> str | None:
    """The state that our reaction shows on the message there, if it does: a bot has one reaction on a message."""
    if place.parts or place.address.account != TELEGRAM:
        return None
    mark = tx.marks.get(origin.id)
    return None if mark is None or mark.line else mark.want


def _json(message: Message) -> str:
    return message.model_dump_json(exclude_defaults=True)
