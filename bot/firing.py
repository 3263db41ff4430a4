"""One occurrence of a schedule becomes deliveries: all in the transaction that also writes down that it did.

What cannot be sent (a target that is gone, an audience that is empty) is kept with its reason, and its author hears of
it; ``UNIQUE(schedule, at)`` makes a second time impossible.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from bot import broadcasts
from bot.addresses import TELEGRAM, Address, AddressError, is_reached_from, parse_address, telegram_address
from bot.placeholders import CHAT, fill, needs_chat, values
from bot.plans import Plan, plan_of
from bot.previews import is_sms
from bot.quiet import Quiet, free_at
from bot.relay import Relay
from bot.store import Tx
from bot.store.broadcasts import Broadcast
from bot.store.schedules import OccurrenceRow, OccurrenceState, Schedule
from bot.targets import MOST, parse_targets
from bot.when import show_duration
from bot.zones import local, zone_of
from bridges.errors import Refused
from bridges.model import Message

NOT_APPROVED = "Nobody has approved it."
NAMELESS = "everybody"
"""Stands for ``{chat}`` where a place has no name that its people know: never an address."""


@dataclass(frozen=True, slots=True)
class SchedulePolicy:
    """What the settings say about schedules."""

    default_zone: str = "UTC"
    """The zone of places where nobody set another."""
    approval_over: int = 0
    """An operator's schedule to more targets than this waits for an approval; 0: never."""
    approvals: int = 1
    """How many persons that takes."""
    quiet: Quiet | None = None
    """When nothing is delivered by a schedule, in each target's zone."""


@dataclass(frozen=True, slots=True)
class Firing:
    """Makes deliveries of occurrences. ``chance``: uniform in [0, 1), for the jitter."""

    relay: Relay
    policy: SchedulePolicy
    chance: Callable[[], float] = random.random

    def fire(
        self,
        tx: Tx,
        schedule: Schedule,
        at: float,
        *,
        now: float,
        note: str = "",
        missed: int = 0,
        again: OccurrenceRow | None = None,
    ) -> bool:
        """Put one occurrence into the outbox; False: something became of it before, or nothing could be sent, which is
        written down. ``note``: what its author is to hear of it. ``missed``: how many before it were. ``again``: it is
        this one, about which a person has decided.
        """
        if again is None and tx.schedules.is_decided(schedule.id, at):
            return False
        plan = plan_of(schedule)
        addresses, troubles = self.targets(tx, schedule)
        told = "\n".join(filter(None, (note, *troubles)))
        if not addresses:
            if again is None:
                tx.schedules.decide(schedule.id, at, "failed", now=now, note=told, missed=missed, told=False)
            else:
                tx.schedules.redecide(again.id, "failed", now=now, note=told)
            return False
        # About one that a person has decided about this was asked before.
        if again is None and (needs := self.approvals(tx, schedule, addresses)):
            tx.schedules.must_wait(schedule.id, needs=max(needs, plan.options.approve), now=now)
            state, waits = waits_as(plan)
            why = f"It goes to {len(addresses)} targets by now; {self.over_words}."
            tx.schedules.decide(schedule.id, at, state, now=now, note=f"{why}\n{waits}", missed=missed, told=False)
            return False
        number = schedule.fired + 1
        later = self._later(tx, plan, addresses, now=now)
        broadcast = self._start(tx, schedule, plan, addresses, at=at, number=number, later=later, now=now)
        previous = None if schedule.previous is None else tx.broadcasts.get(schedule.previous)
        if plan.options.replace and previous is not None:
            broadcasts.supersede(tx, self.relay, previous, by=broadcast, now=now)
        # Whoever may have it last has it for as long as that, too.
        delete_at = None if plan.options.expire is None else max(later.values(), default=now) + plan.options.expire
        if again is None:
            tx.schedules.decide(
                schedule.id, at, "sent", now=now, broadcast=broadcast, number=number, note=told, missed=missed,
                told=not (told or missed), delete_at=delete_at,
            )  # fmt: skip
        else:
            tx.schedules.redecide(
                again.id, "sent", now=now, broadcast=broadcast, number=number, note=told, delete_at=delete_at
            )
        tx.schedules.sent(schedule.id, broadcast=broadcast)
        return True

    def approvals(self, tx: Tx, schedule: Schedule, addresses: Sequence[Address]) -> int:
        """How many persons have to approve of it before it goes to these targets; 0: nobody any more."""
        over = self.policy.approval_over
        if not over or len(addresses) <= over or schedule.trusted or self.is_admins(tx, schedule, addresses):
            return 0
        return self.policy.approvals

    @property
    def over_words(self) -> str:
        """What many targets need."""
        return f"more than {self.policy.approval_over} need an admin's approval"

    def is_admins(self, tx: Tx, schedule: Schedule, addresses: Sequence[Address]) -> bool:
        """Whether those who asked for what it is are admins now whose role covers these targets."""
        return bool(schedule.askers) and set(schedule.askers) <= self.admins(tx, schedule, addresses)

    def admins(self, tx: Tx, schedule: Schedule, addresses: Sequence[Address]) -> frozenset[str]:
        """Who is an admin for these targets of a schedule: everywhere; or in the chat that it was made in, if none of
        them is in another chat of Telegram's.
        """
        found = {str(owner) for owner in self.relay.policy.owners}
        scopes = ["*"]
        if schedule.chat:
            chat = parse_address(schedule.chat).conversation.partition("/")[0]
            if all(is_reached_from(telegram_address(int(chat)), each) for each in addresses):
                scopes.append(chat)
        for scope in scopes:
            found |= {person for person, _, role in tx.roles.all(scope=scope) if role in ("admin", "owner")}
        return frozenset(found)

    def targets(self, tx: Tx, schedule: Schedule) -> tuple[list[Address], list[str]]:
        """Where it goes as things are now, each place once, and sentences about targets that are none any more."""
        found: dict[Address, None] = {}
        troubles = []
        for target in schedule.targets:
            try:
                found.update(dict.fromkeys(parse_targets(tx, self.relay, target, here=None).addresses))
            except (AddressError, Refused) as error:
                troubles.append(f"Left out: {error}")
        addresses = list(found)
        if schedule.reach:
            chat = parse_address(schedule.reach)
            within = [each for each in addresses if is_reached_from(chat, each)]
            if len(within) < len(addresses):
                number = len(addresses) - len(within)
                troubles.append(
                    f"Left out: {number} of other chats, beyond the role of {schedule.person_name or 'somebody'}"
                )
            addresses = within
        if len(addresses) > MOST:
            troubles.append(f"Left out: {len(addresses) - MOST} of {len(addresses)} targets; {MOST} are the most")
        return addresses[:MOST], troubles

    def _start(
        self,
        tx: Tx,
        schedule: Schedule,
        plan: Plan,
        addresses: Sequence[Address],
        *,
        at: float,
        number: int,
        later: Mapping[Address, float],
        now: float,
    ) -> int:
        message, each = words_of(tx, plan, at=at, number=number)
        broadcast = broadcasts.start(
            tx,
            self.relay,
            targets=addresses,
            message=message,
            person=int(schedule.person) if schedule.person.isdigit() else None,
            person_name=schedule.person_name,
            chat=parse_address(schedule.chat) if schedule.chat else None,
            origin=None,
            schedule=schedule.id,
            label=f"{schedule.title}, {local(at, ZoneInfo(plan.rule.zone))}",
            each=each,
            due=later.__getitem__ if later else None,
            now=now,
        )
        made = tx.broadcasts.get(broadcast) if plan.options.pin else None
        origin = None if made is None else tx.messages.get(made.message)
        if origin is not None:
            self.relay.changes.pin(tx, origin, now=now)
        return broadcast

    def reword(self, tx: Tx, schedule: Schedule, row: OccurrenceRow, broadcast: Broadcast, *, now: float) -> None:
        """One that has left for some targets has the words that its schedule has now wherever it has not; it is called
        off where its schedule does not go any more.
        """
        message, each = words_of(tx, plan_of(schedule), at=row.at, number=row.number)
        addresses, _ = self.targets(tx, schedule)
        broadcasts.reword(tx, self.relay, broadcast, message, each=each, only=frozenset(addresses), now=now)

    def _later(self, tx: Tx, plan: Plan, addresses: Sequence[Address], *, now: float) -> Mapping[Address, float]:
        """When each target may have it: after its quiet hours, and with the jitter; empty: all of them now."""
        options = plan.options
        quiet = plan.quiet(self.policy.quiet)
        if quiet is None and not options.jitter:
            return {}

        def due(address: Address) -> float:
            later = now + (self.chance() * options.jitter if options.jitter else 0.0)
            return later if quiet is None else free_at(quiet, later, zone_of(tx, address, self.policy.default_zone))

        return {address: due(address) for address in addresses}


def waits_as(plan: Plan) -> tuple[OccurrenceState, str]:
    """What becomes of an occurrence that comes before its approval, and what its author hears of that."""
    match plan.options.missed:
        case "skip":
            return "missed", NOT_APPROVED
        case "ask":
            return "waits", "You are asked about it when it is approved."
        case within_s:
            return "waits", f"It goes out when it is approved, if that is within {show_duration(within_s)}."


def words_of(tx: Tx, plan: Plan, *, at: float, number: int) -> tuple[Message, Callable[[Address], Message] | None]:
    """What goes out for one instant, filled in; and what goes to one target, where its name stands in that."""
    known = values(at=at, zone=plan.rule.zone, end=plan.ends_at, number=number)
    message = fill(plan.message.model_copy(update={"silent": plan.options.silent}), known)

    def for_one(address: Address) -> Message:
        return fill(message, {**known, CHAT: chat_name(tx, address)})

    return message, for_one if needs_chat(plan.message) else None


def chat_name(tx: Tx, address: Address) -> str:
    """What stands for ``{chat}`` at a place: its name, or a word that suits everywhere."""
    return known_name(tx, address) or NAMELESS


def known_name(tx: Tx, address: Address) -> str:
    """What a place is called for those who read there: the number of a phone, else its title, else the name that it was
    given here; nothing if it has none. An address is no name.
    """
    if is_sms(address):
        return address.conversation.removeprefix("sms/").replace(",", ", ")
    whole, _, topic = address.conversation.partition("/")
    title = tx.conversations.title(address.account, address.conversation)
    if not title and topic and address.account == TELEGRAM:
        title = tx.conversations.title(address.account, whole)
    return title or next(iter(tx.names.of(str(address))), "")
