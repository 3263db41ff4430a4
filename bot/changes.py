"""What happens to messages after they were written: edited, taken back, reacted to; and people who come and go.

Each becomes deliveries to the copies elsewhere, in the lane of their conversation: so an edit waits for the message
that it changes. What cannot be done over there is said there in words, with the old words, so that one knows which.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Protocol

from bot.accounts import Account
from bot.addresses import TELEGRAM, Address
from bot.routing import Incoming, Kind, Router
from bot.shaping import display_name, quoted
from bot.store import Tx
from bot.store.messages import Origin
from bot.store.outbox import Delivery, NewDelivery, Op
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
TAKEN_BACK = "."
"""An edit to this means: take it back, for Telegram tells no bot of deletions in groups."""


class Relays(Protocol):
    """What is needed of the relay."""

    def router(self, tx: Tx) -> Router: ...
    def account(self, name: str) -> Account | None: ...
    def parts_for(self, tx: Tx, address: Address, message: Message, *, template: str | None) -> tuple[Message, ...]: ...
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

    @property
    def why(self) -> str:
        return self.rows[0].why if self.rows else ""


def digest_of(message: Message) -> str:
    """Two messages with the same content have the same one. Its two halves are of the words and of the files.

    The place on the map is left out: a live location moves every few seconds.
    """
    words = repr((message.text, [span.model_dump() for span in message.spans], message.poll, message.contact))
    # The same file may be named anew each time: Telegram's ids change, its size and name do not.
    files = repr([(each.kind, each.name, each.size, each.width, each.height) for each in message.attachments])
    return f"{_hash(words)}.{_hash(files)}"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


class Changes:
    """Turns what happens to messages into deliveries, by the rules that took the messages."""

    def __init__(self, relay: Relays) -> None:
        self._relay = relay

    # --- what happens

    def edited(self, tx: Tx, account: str, event: Edited, *, now: float) -> str:
        """A message has new content; returns the outcome's name."""
        found = tx.messages.locate(account, event.id)
        if found is None:
            return "unsupported"
        origin = found.origin
        if not found.is_original:
            return "echoes"
        digest = digest_of(event.message)
        if digest == origin.digest or (not origin.digest and event.message.text == origin.text):
            return "filtered"
        here = Address(AccountName(account), ConversationId(found.conversation))
        if event.message.text.strip() == TAKEN_BACK:
            outcome = self._take_back(tx, origin, here, now=now)
            if outcome == "relayed":
                return outcome
        places = self._places(tx, origin, at=here, kind=Kind.EDITS, by=event.message.sender, now=now)
        tx.messages.rewrite(origin.id, text=event.message.text, digest=digest)
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

    def reacted(self, tx: Tx, account: str, event: Reacted, *, now: float) -> str:
        """A person's reactions on a message are now these; returns the outcome's name."""
        found = tx.messages.locate(account, event.id)
        if found is None:
            return "unsupported"
        origin, person = found.origin, f"{account}:{event.person.id}"
        before = tx.messages.reactions(origin.id, person)
        after = _reactions_after(before, event)
        if before == after:
            return "duplicates"
        tx.messages.react(origin.id, person, after)
        here = Address(AccountName(account), ConversationId(found.conversation))
        places = self._places(tx, origin, at=here, kind=Kind.REACTIONS, by=event.person, now=now)
        added = [emoji for emoji in after if emoji not in before]
        removed = [emoji for emoji in before if emoji not in after]
        for place in places:
            for emoji in added:
                self._react(tx, place, origin, event.person, emoji, now=now)
            if removed and not added:
                self._unreact(tx, place, origin, event.person, removed, left=after, now=now)
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
            if self._relay.account(target.address.account) is None:
                continue
            for part in self._relay.parts_for(tx, target.address, Message(text=text), template=None):
                new = self._relay.delivery(
                    target.address, part, now=now, message_id=None, why=f"{BY_ROUTE}{target.rule.name}"
                )
                self._relay.put(tx, new)
        return "relayed" if resolution.targets else "filtered"

    # --- at a person's command

    def take_back(self, tx: Tx, origin: Origin, *, now: float) -> tuple[list[Address], list[str]]:
        """Take a message back wherever it went: where that is under way, and sentences about where it cannot be."""
        under_way, cannot = [], []
        here = Address(AccountName(origin.account), ConversationId(origin.conversation))
        for place in self._all_places(tx, origin, at=here):
            if self._remove(tx, place, origin, now=now):
                under_way.append(place.address)
            else:
                account = self._relay.account(place.address.account)
                who = account.provider if account else place.address.account
                cannot.append(f"{place.address}: {who} has no way to take a message back")
        tx.messages.gone(origin.id, now=now)
        return under_way, cannot

    # --- how it is done in each place

    def _take_back(self, tx: Tx, origin: Origin, here: Address, *, now: float) -> str:
        if origin.gone_at is not None:
            return "duplicates"
        by = Person(id=PersonId(origin.sender_id), name=origin.sender_name)
        places = self._places(tx, origin, at=here, kind=Kind.DELETES, by=by, now=now)
        for place in places:
            if not self._remove(tx, place, origin, now=now):
                self._note(tx, place, origin, _deleted(origin, place), now=now)
        if places:
            tx.messages.gone(origin.id, now=now)
        return "relayed" if places else "filtered"

    def _remove(self, tx: Tx, place: _Place, origin: Origin, *, now: float) -> bool:
        """True if it can be taken back there, or did not get there yet."""
        stopped = {row.id for row in place.rows if tx.outbox.settle_by_hand(row.id, state="cancelled", now=now)}
        there = {row.part for row in place.rows if row.id not in stopped}
        if place.rows and not there:
            return True
        if not self._can(tx, place, origin, "delete"):
            return False
        words: Message | None = _deleted(origin, place)
        for part in sorted(there or range(1, place.parts + 1)):
            self._put(tx, place, origin, "delete", Message(), part=part, words=words, now=now)
            words = None
        return True

    def _edit(self, tx: Tx, place: _Place, origin: Origin, message: Message, *, other_files: bool, now: float) -> None:
        parts = self._relay.parts_for(
            tx, place.address, message.model_copy(update={"reply_to": None}), template=place.template
        )
        unsent = [row for row in place.rows if row.state in ("dead", "held")]
        for row in unsent:
            if row.part <= len(parts):
                tx.outbox.rewrite(row.id, _json(parts[row.part - 1]))
        if place.rows and len(unsent) == len(place.rows):
            return
        head = f"✏️ {_who(origin, place)}edited {quoted(origin.text)}:\n"
        moved = tuple(span.model_copy(update={"start": span.start + len(head)}) for span in message.spans)
        files = message.attachments if other_files else ()
        told = message.model_copy(update={"text": head + message.text, "spans": moved, "attachments": files})
        if other_files or not self._can(tx, place, origin, "edit"):
            self._note(tx, place, origin, told, now=now)
            return
        words: Message | None = self._relay.parts_for(tx, place.address, told, template=None)[0]
        for number, part in enumerate(parts, start=1):
            if number <= place.parts:
                self._put(tx, place, origin, "edit", part, part=number, words=words, now=now)
                words = None
            else:
                self._put(tx, place, origin, "send", part, part=number, parts=len(parts), now=now)
        for number in range(len(parts) + 1, place.parts + 1):
            if self._can(tx, place, origin, "delete"):
                self._put(tx, place, origin, "delete", Message(), part=number, now=now)
            else:
                self._put(tx, place, origin, "edit", Message(text="…"), part=number, now=now)

    def _react(self, tx: Tx, place: _Place, origin: Origin, person: Person, emoji: str, *, now: float) -> None:
        words = f"{display_name(person)} reacted {emoji} to {quoted(origin.text)}"
        if self._can(tx, place, origin, "react"):
            self._put(tx, place, origin, "react", Message(text=emoji), part=1, words=Message(text=words), now=now)
        else:
            self._note(tx, place, origin, Message(text=words), now=now, marked=False)

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
        words = f"{display_name(person)} took back {' '.join(removed)} from {quoted(origin.text)}"
        if self._can(tx, place, origin, "react"):
            shown = left[-1] if left else ""
            self._put(tx, place, origin, "react", Message(text=shown), part=1, words=Message(text=words), now=now)
        else:
            self._note(tx, place, origin, Message(text=words), now=now, marked=False)

    def _can(self, tx: Tx, place: _Place, origin: Origin, op: Op) -> bool:
        """Whether the account can do it, and knows or will know the id of what it is done to."""
        account = self._relay.account(place.address.account)
        if account is None:
            return False
        capabilities = account.capabilities
        able = {"edit": capabilities.edits, "delete": capabilities.deletes, "react": capabilities.reactions}[op]
        if not able:
            return False
        ids = tx.messages.remote_ids_of(origin.id, place.address.account, place.address.conversation, part=1)
        return bool(ids) or (capabilities.receipt_ids and any(row.state in ("queued", "sending") for row in place.rows))

    def _note(
        self, tx: Tx, place: _Place, origin: Origin, message: Message, *, now: float, marked: bool = True
    ) -> None:
        for part in self._relay.parts_for(tx, place.address, message, template=None):
            self._put(tx, place, origin, "note", part, part=0, now=now, marked=marked)

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
        words: Message | None = None,
        marked: bool = True,
    ) -> None:
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
            words=None if words is None else _json(words),
            part=part,
            parts=parts,
            reply_to=origin.id if op == "note" else None,
            marked=marked,
        )
        self._relay.put(tx, changed)

    # --- where it is done

    def _places(
        self, tx: Tx, origin: Origin, *, at: Address, kind: Kind, by: Person | None, now: float
    ) -> list[_Place]:
        """Where the message is beside here and the rules take the change to, now."""
        item = Incoming(address=at, kind=kind, text=origin.text, sender=by, at=datetime.fromtimestamp(now, UTC))
        router = self._relay.router(tx)
        targets = {target.address: target for target in router.resolve(item).targets}
        places = []
        for place in self._all_places(tx, origin, at=at):
            target = targets.get(place.address)
            if target is not None:
                places.append(_Place(place.address, place.rows, place.parts, target.template))
            elif place.parts == 0:
                if router.reply_rule(place.address, at) is not None:
                    places.append(place)
            elif place.rows and not place.why.startswith(BY_ROUTE):
                places.append(place)  # somebody sent it there by hand: no rule is asked about it
        return places

    def _all_places(self, tx: Tx, origin: Origin, *, at: Address) -> list[_Place]:
        rows: dict[Address, list[Delivery]] = {}
        for row in tx.outbox.of_message(origin.id):
            if row.op == "send":
                address = Address(AccountName(row.account), ConversationId(row.conversation))
                rows.setdefault(address, []).append(row)
        parts = {address: max(row.part for row in found) for address, found in rows.items()}
        for copy in tx.messages.copies(origin.id):
            address = Address(AccountName(copy.account), ConversationId(copy.conversation))
            if copy.part:
                parts[address] = max(parts.get(address, 0), copy.part)
        home = Address(AccountName(origin.account), ConversationId(origin.conversation))
        found = [_Place(address, tuple(rows.get(address, ())), parts[address]) for address in parts if address != home]
        return [place for place in (*found, _Place(home, (), 0)) if place.address != at]


def _reactions_after(before: tuple[str, ...], event: Reacted) -> tuple[str, ...]:
    """All that the person has on the message then."""
    match event.mode:
        case "add":
            return tuple(dict.fromkeys((*before, *event.reactions)))
        case "remove":
            return tuple(emoji for emoji in before if emoji not in event.reactions)
        case "set":
            return event.reactions


def _who(origin: Origin, place: _Place) -> str:
    """Who did it, where the place shows who writes."""
    if place.template is None and place.parts:
        return ""
    return f"{display_name(Person(id=PersonId(origin.sender_id), name=origin.sender_name))} "


def _deleted(origin: Origin, place: _Place) -> Message:
    return Message(text=f"🗑 {_who(origin, place)}deleted {quoted(origin.text)}")


def _json(message: Message) -> str:
    return message.model_dump_json(exclude_defaults=True)
