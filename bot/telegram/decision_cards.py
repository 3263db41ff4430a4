"""The cards of deliveries that wait for a person, and of accounts at which some were given up."""

from __future__ import annotations

from bot import decisions
from bot.feedback import ARRIVED, CARD, DROP, INCIDENT, RETRY, SEND_AGAIN, SHOW
from bot.store import Tx
from bot.telegram.access import Role
from bot.telegram.cards import Press, Pressed, card_kinds
from bot.telegram.commands.registry import Reply
from bot.telegram.commands.sight import sight_of

_OPERATOR = Role.OPERATOR
_ALREADY = "This was decided already."


@card_kinds.add(CARD, choices={SEND_AGAIN: _OPERATOR, ARRIVED: _OPERATOR, DROP: _OPERATOR})
def held(press: Press, tx: Tx) -> Pressed:
    """Send it again, count it as sent, or let it go."""
    id, now = press.card.subject, press.now
    row = tx.outbox.get(id)
    if row is not None:
        sight_of(press).require(tx, row)
    if row is None or row.state != "held":
        return Pressed(_ALREADY, Reply(f"Delivery {id} was decided already."), outcome="decided already")
    if press.choice == SEND_AGAIN:
        text = decisions.retry(tx, row, now=now)
    elif press.choice == ARRIVED:
        text = decisions.arrived(tx, row, now=now)
        if row.owed:
            press.relay.changes.owed(tx, row, now=now)
    else:
        text = decisions.discard(tx, row, now=now)
    if row.message is not None and row.marked:
        press.services.feedback.show(tx, row.message, now=now)
    return Pressed(text, Reply(f"{text} ({press.person_name})"), outcome=f"delivery {row.id}")


@card_kinds.add(INCIDENT, choices={RETRY: _OPERATOR, SHOW: _OPERATOR}, everywhere=(RETRY, SHOW))
def incident(press: Press, tx: Tx) -> Pressed:
    """See what was given up at an account, as often as one likes, or send all of it again, once."""
    row = tx.outbox.get(press.card.subject)
    if row is None:
        return Pressed(_ALREADY, Reply(_ALREADY), outcome="decided already")
    dead = tx.outbox.list(states=("dead",), account=row.account)
    if press.choice == SHOW:
        listed = decisions.listing(dead[-30:], empty=f"Nothing of {row.account} is given up any more.")
        press.relay.tell(tx, press.place, listed, now=press.now)
        return Pressed(f"{len(dead)} are given up.", used=False, outcome=row.account)
    number = decisions.retry_all(tx, now=press.now, account=row.account, states=("dead",))
    text = f"{number} deliveries to {row.account} are sent again."
    return Pressed(text, Reply(f"{text} ({press.person_name})"), outcome=row.account)
