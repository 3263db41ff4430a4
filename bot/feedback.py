"""What people are shown of deliveries: the state on their message, the reason of a failure, cards that ask.

Everything here is written in the transaction that settles the delivery, so it is neither lost nor said twice.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from bot.addresses import TELEGRAM, Address
from bot.relay import Relay
from bot.store import Tx
from bot.store.messages import Origin
from bot.store.outbox import Delivery, Outcome
from bridges.model import AccountName, Button, ConversationId

CARD = "held"
UNSAID_MOST = 50_000
SEND_AGAIN, ARRIVED, DROP = "again", "arrived", "drop"

_URGENCY = (
    ("dead", "failed"),
    ("expired", "failed"),
    ("held", "unknown"),
    ("queued", "accepted"),
    ("sending", "accepted"),
)


def mark_for(states: Sequence[str]) -> str:
    """The one state that a message shows for all its deliveries: the one that most needs a person's eye."""
    for state, mark in _URGENCY:
        if state in states:
            return mark
    return "delivered" if "sent" in states else "dropped"


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
            if row.message is None:
                continue
            if row.marked and outcome.state != "queued":
                self.show(tx, row.message, now=now)
            if outcome.state == "dead":
                self._say_dead(tx, row, outcome.error or "", now=now)
            elif outcome.state == "held":
                self._ask(tx, row, outcome.error or "", now=now)
            elif outcome.state == "queued" and outcome.counts and row.attempts >= 1 and row.account != TELEGRAM:
                self._say_waiting(tx, row, outcome.error or "", now=now)

    def show(self, tx: Tx, message: int, *, now: float) -> None:
        """Bring the mark on a Telegram message up to date with its deliveries."""
        states = [row.state for row in tx.outbox.of_message(message)]
        tx.marks.want(message, mark_for(states), now=now)

    def _origin(self, tx: Tx, row: Delivery) -> Origin:
        assert row.message is not None
        origin = tx.messages.get(row.message)
        assert origin is not None  # a foreign key
        return origin

    def _say_dead(self, tx: Tx, row: Delivery, reason: str, *, now: float) -> None:
        origin = self._origin(tx, row)
        text = f"Not sent to {row.address} (delivery {row.id}): {reason}"
        if origin.account == TELEGRAM:
            hint = f"\n/retry {row.id} tries again, /discard {row.id} lets it go."
            self._relay.tell(tx, _place(origin), text + hint, now=now, reply_to=origin.id)
        else:
            self._relay.tell_owners(
                tx,
                f"A message from {origin.address} could not be brought to {row.address} (delivery {row.id}): {reason}\n"
                "Further ones are listed by /failed; this is said once until a message arrives there again.",
                now=now,
                once=self._say(f"dead:{row.address}"),
            )

    def _ask(self, tx: Tx, row: Delivery, reason: str, *, now: float) -> None:
        origin = self._origin(tx, row)
        text = (
            f"Delivery {row.id} to {row.address} may have arrived, or not: {reason}.\n"
            "Please look there and decide; until then it is held."
        )
        if origin.account == TELEGRAM:
            buttons = card_buttons(tx, row.id, chat=origin.conversation, now=now)
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
        """What was said once of this place or account may be said again, and an account that was lost is back."""
        self._take_back(tx, f"dead:{row.address}")
        self._take_back(tx, f"held:{row.address}")
        # Both are asked, so that what was said in two ways is taken back in one.
        gone = [self._take_back(tx, f"{what}:{row.account}") for what in ("lost", "paused")]
        if row.account != TELEGRAM and any(gone):
            self._relay.tell_owners(tx, f"{row.account} takes messages again.", now=now)

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


def card_buttons(tx: Tx, delivery: int, *, chat: str, now: float) -> tuple[Button, ...]:
    """The three ways to decide on a held delivery; the nonce behind them can be used once."""
    nonce = secrets.token_urlsafe(12)
    tx.cards.add(nonce, kind=CARD, subject=delivery, chat=chat, now=now)
    return (
        Button(label="Send again", data=f"{CARD}:{SEND_AGAIN}:{nonce}"),
        Button(label="It arrived", data=f"{CARD}:{ARRIVED}:{nonce}"),
        Button(label="Drop", data=f"{CARD}:{DROP}:{nonce}"),
    )


def _place(origin: Origin) -> Address:
    return Address(AccountName(origin.account), ConversationId(origin.conversation))
