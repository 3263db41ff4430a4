"""What people are shown of deliveries: the state on their message, the reason of a failure, cards that ask.

Everything here is written in the transaction that settles the delivery, so it is neither lost nor said twice.
"""

from __future__ import annotations

from collections.abc import Sequence

from bot import broadcasts, decisions, late
from bot.addresses import TELEGRAM, Address, parse_address
from bot.cards import deal
from bot.relay import Relay
from bot.store import Tx
from bot.store.messages import Origin
from bot.store.outbox import CHANGES, Delivery, Outcome
from bridges.model import AccountName, Button, ConversationId

CARD, INCIDENT = "held", "incident"
"""Kinds of cards: about a delivery that waits for a decision; about an account where one was given up."""
UNSAID_MOST = 50_000
HELD_CARDS_MOST = 3
"""Deliveries of one announcement that are asked about one by one; of all its report tells."""
SEND_AGAIN, ARRIVED, DROP = "again", "arrived", "drop"
RETRY, SHOW = "retry", "show"
INCIDENT_S = 86400.0
"""An incident that nobody ended by then is taken for another one."""
UNPINNED = "unpinned"
"""How the notice begins that says once of a chat that nothing can be pinned there."""
_NOT_DONE = {"edit": "Not changed at", "delete": "Not taken back at"}


class Feedback:
    """The observer that delivery calls while it settles."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self._unsaid: set[str] = set()
        """Notices that are known not to have been given: the store need not be asked at each send."""

    def settled(self, tx: Tx, rows: Sequence[Delivery], outcomes: Sequence[Outcome], *, now: float) -> None:
        """Show the new state on the message; say why it failed; ask about what may have arrived."""
        for row, outcome in zip(rows, outcomes, strict=False):
            if outcome.state == "sent":
                self._arrived(tx, row, now=now)
            if row.op == "pin":
                self._say_unpinned(tx, row, outcome, now=now)
            if row.message is None:
                continue
            if row.marked and outcome.state != "queued":
                self.show(tx, row.message, now=now)
            if row.broadcast is not None and outcome.state != "queued":
                self._say_announced(tx, row, outcome, now=now)
                continue
            if outcome.state == "dead":
                self._say_dead(tx, row, outcome.error or "", now=now)
            elif outcome.state == "held":
                self._ask(tx, row, outcome.error or "", now=now)
            elif outcome.state == "expired":
                self._say_expired(tx, row, outcome.error or "", now=now)
            elif outcome.state == "queued" and outcome.counts and row.attempts >= 1 and row.account != TELEGRAM:
                self._say_waiting(tx, row, outcome.error or "", now=now)

    def show(self, tx: Tx, message: int, *, now: float) -> None:
        """Bring the mark on a Telegram message up to date with its deliveries."""
        decisions.show(tx, message, now=now)

    def _origin(self, tx: Tx, row: Delivery) -> Origin:
        assert row.message is not None
        origin = tx.messages.get(row.message)
        assert origin is not None  # a foreign key
        return origin

    def _say_dead(self, tx: Tx, row: Delivery, reason: str, *, now: float) -> None:
        origin = self._origin(tx, row)
        if origin.account == TELEGRAM:
            text = f"{_NOT_DONE.get(row.op, 'Not sent to')} {row.address} (delivery {row.id}): {reason}"
            hint = f"\n/retry {row.id} tries again, /discard {row.id} lets it go."
            self._relay.tell(tx, _place(origin), text + hint, now=now, reply_to=origin.id)
        self._alert(tx, row, origin, reason, now=now)

    def _alert(self, tx: Tx, row: Delivery, origin: Origin, reason: str, *, now: float) -> None:
        """The first that is given up in an incident: the owners hear of it, and not of those that follow.

        What is refused ends when a message arrives at that place again, an outage when one does at the account.
        Each chat of Telegram's is its own: what one refuses says nothing of the others.
        """
        incident = f"dead:{row.account}:{_reason_class(reason)}:"
        notice = incident if incident.endswith(":outage:") else f"{incident}{row.conversation}"
        if tx.notices.any(notice if row.account == TELEGRAM else incident, since=now - INCIDENT_S):
            return
        tx.notices.forget(notice)
        tx.notices.first(self._say(notice), now=now)
        text = (
            f"A message from {origin.address} could not be brought to {row.address} (delivery {row.id}): {reason}\n"
            "Further ones are listed by /failed; this is said once until a message arrives there again."
        )
        for owner in self._relay.owners(tx):
            if owner == _place(origin):
                continue  # who wrote it was told beside it
            buttons = incident_buttons(tx, row.id, chat=owner.conversation, now=now)
            self._relay.tell(tx, owner, text, now=now, buttons=buttons)

    def _say_unpinned(self, tx: Tx, row: Delivery, outcome: Outcome, *, now: float) -> None:
        """A message that is there could not be pinned: said once of each chat, until a pin works there."""
        notice = f"{UNPINNED}:{row.address}"
        if outcome.state == "sent":
            self._take_back(tx, notice)
        if outcome.state != "dead" or row.subject is None:
            return
        origin = tx.messages.get(row.subject)
        text = (
            f"The message is at {row.address}, but could not be pinned there (delivery {row.id}): {outcome.error}."
            f" This is said once until a pin works there; /retry {row.id} tries this one again."
        )
        if origin is None or origin.account != TELEGRAM or not origin.conversation:
            self._relay.tell_owners(tx, text, now=now, once=self._say(notice))
        elif tx.notices.first(self._say(notice), now=now):
            self._relay.tell(tx, _place(origin), text, now=now, reply_to=origin.id)

    def _say_announced(self, tx: Tx, row: Delivery, outcome: Outcome, *, now: float) -> None:
        """What became of a delivery of an announcement its report tells. Whoever tried this one again hears more, and
        where it may have arrived somebody is asked, for the first few of them.
        """
        assert row.broadcast is not None
        broadcast = tx.broadcasts.get(row.broadcast)
        if broadcast is None or outcome.state not in ("dead", "expired", "held"):
            return
        if outcome.state == "held":
            slots = (f"announced:{row.broadcast}:held:{slot}" for slot in range(HELD_CARDS_MOST))
            if broadcast.chat and any(tx.notices.first(slot, now=now) for slot in slots):
                home = broadcasts.home_of(broadcast)
                buttons = card_buttons(tx, row.id, chat=home.conversation, now=now)
                text = (
                    f"Delivery {row.id} of announcement {row.broadcast} to {row.address} may have arrived, or not:"
                    f" {outcome.error or ''}.\nPlease look there and decide; until then it is held. /held lists all."
                )
                self._relay.tell(tx, home, text, now=now, buttons=buttons)
        elif place := broadcasts.kept(broadcast).tried.get(str(row.id)):
            text = f"Not sent to {row.address} (delivery {row.id} of announcement {row.broadcast}): {outcome.error}"
            hint = f"\n/retry {row.id} tries again, /discard {row.id} lets it go."
            self._relay.tell(tx, parse_address(place), text + hint, now=now)

    def _say_expired(self, tx: Tx, row: Delivery, reason: str, *, now: float) -> None:
        """Said once for each place until a message arrives there again: an outage lets many expire."""
        origin = self._origin(tx, row)
        text = (
            f"Not sent to {row.address} (delivery {row.id}): it would come {reason}, and messages of its route expire"
            f" after {late.life(row.late)}. This is said once until a message arrives there."
        )
        notice = self._say(f"expired:{row.address}")
        if origin.account != TELEGRAM:
            self._relay.tell_owners(tx, text, now=now, once=notice)
        elif tx.notices.first(notice, now=now):
            self._relay.tell(tx, _place(origin), text, now=now, reply_to=origin.id)

    def _ask(self, tx: Tx, row: Delivery, reason: str, *, now: float) -> None:
        origin = self._origin(tx, row)
        never_sent = reason.startswith(late.LATE_BY) and not row.starts
        if never_sent:
            now_there = tx.outbox.get(row.id)
            if now_there is not None and decisions.together(tx, now_there)[0].id != row.id:
                return  # the card of its message's first part is for all of them
            parts = f" in {row.parts} parts" if row.parts > 1 else ""
            text = f"Delivery {row.id} to {row.address}{parts} is held and was not sent: it is {reason}. Please decide."
        else:
            text = (
                f"Delivery {row.id} to {row.address} may have arrived, or not: {reason}.\n"
                "Please look there and decide; until then it is held."
            )
        if origin.account == TELEGRAM:
            buttons = card_buttons(tx, row.id, chat=origin.conversation, now=now, never_sent=never_sent)
            self._relay.tell(tx, _place(origin), text, now=now, reply_to=origin.id, buttons=buttons)
        else:
            self._relay.tell_owners(
                tx,
                f"{text}\n/held lists what waits for a decision; this is said once until a message arrives there.",
                now=now,
                once=self._say(f"held:{row.address}"),
            )

    def _say_waiting(self, tx: Tx, row: Delivery, reason: str, *, now: float) -> None:
        """An account is lost: said once, and once more when it is back."""
        if row.attempts >= 2:
            self._relay.tell_owners(
                tx,
                f"{row.account} does not take messages just now: {reason}. They wait in order and are sent when it"
                " is back; /queue shows them.",
                now=now,
                once=self._say(f"lost:{row.account}"),
            )

    def _arrived(self, tx: Tx, row: Delivery, *, now: float) -> None:
        """What was said once of this place or account may be said again; an account or a chat that was lost is back."""
        if row.account == TELEGRAM and row.op not in CHANGES:
            self._relay.places.arrived(tx, Address(AccountName(row.account), ConversationId(row.conversation)), now=now)
        self._take_back(tx, f"held:{row.address}")
        self._take_back(tx, f"expired:{row.address}")
        # All are asked, so that what was said in several ways is taken back in one.
        refused = self._take_back(tx, f"dead:{row.account}:refused:{row.conversation}")
        outage = f"dead:{row.account}:outage:"
        gone = [self._take_back(tx, notice) for notice in (f"lost:{row.account}", f"paused:{row.account}", outage)]
        if row.account != TELEGRAM and any(gone):
            self._relay.tell_owners(tx, f"{row.account} takes messages again.", now=now)
        elif refused:
            self._relay.tell_owners(tx, f"{row.address} takes messages again.", now=now)

    def _say(self, notice: str) -> str:
        self._unsaid.discard(notice)
        return notice

    def _take_back(self, tx: Tx, notice: str) -> bool:
        """True if the notice had been given."""
        if notice in self._unsaid:
            return False
        said = tx.notices.forget(notice)
        if not said:  # where it was, this unit may yet be undone: then it is asked again
            if len(self._unsaid) >= UNSAID_MOST:
                self._unsaid.clear()
            self._unsaid.add(notice)
        return said

    def paused(self, tx: Tx, account: str, *, reason: str, now: float) -> None:
        """Owners hear once that credentials are refused, however often they are tried again, until a send works."""
        self._relay.tell_owners(
            tx,
            f"{account} is paused: {reason}. Its messages wait in order. Correct the credentials in the"
            " configuration and restart; it is also tried again every few minutes.",
            now=now,
            once=self._say(f"paused:{account}"),
        )


def card_buttons(
    tx: Tx, delivery: int, *, chat: str, now: float, never_sent: bool = False, person: int | None = None
) -> tuple[Button, ...]:
    """The ways to decide on a held delivery, once; ``person`` is the only one who may, if it was asked for."""
    again = (("Send", SEND_AGAIN),) if never_sent else (("Send again", SEND_AGAIN), ("It arrived", ARRIVED))
    choices = (*again, ("Drop", DROP))
    return deal(tx, CARD, choices, chat=chat, now=now, subject=delivery, person=person, expires_s=None, beside=False)


def incident_buttons(tx: Tx, delivery: int, *, chat: str, now: float) -> tuple[Button, ...]:
    """What to do about the account of a delivery that was given up."""
    choices = (("Retry", RETRY), ("Show", SHOW))
    return deal(tx, INCIDENT, choices, chat=chat, now=now, subject=delivery, expires_s=None, beside=False)


def _reason_class(reason: str) -> str:
    """``outage``: it was tried until it was too old; else it was refused."""
    return "outage" if reason.startswith(("gave up after", "given up after")) else "refused"


def _place(origin: Origin) -> Address:
    return Address(AccountName(origin.account), ConversationId(origin.conversation))
