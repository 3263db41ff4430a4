"""The cards of deliveries that wait for a person, and of accounts at which some were given up."""

from __future__ import annotations

from bot import decisions
from bot.feedback import ARRIVED, CARD, DROP, INCIDENT, RETRY, SEND_AGAIN, SHOW, incident_buttons
from bot.store import Tx
from bot.store.lists import Wanted
from bot.telegram.access import Role
from bot.telegram.cards import Press, Pressed, card_kinds
from bot.telegram.commands.queues import so_many, so_many_again
from bot.telegram.commands.registry import Reply
from bot.telegram.commands.sight import sight_of

_OPERATOR = Role.OPERATOR
SHOWN = 30
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
    if press.choice == SHOW:
        dead = Wanted(("dead",), account=row.account)
        rows = list(reversed(tx.deliveries.page(dead, limit=SHOWN)))
        listed = decisions.listing(rows, empty=f"Nothing of {row.account} is given up any more.")
        press.relay.tell(tx, press.place, listed, now=press.now)
        number = sum(tx.deliveries.totals(dead).values())
        return Pressed(f"{so_many(number)} given up.", used=False, outcome=row.account)
    ids = tx.several.ids(states=("dead",), account=row.account)
    sent = decisions.retry_these(tx, ids[: decisions.AT_ONCE], now=press.now)
    left = len(ids[decisions.AT_ONCE :])
    text = so_many_again(len(sent), left=left, to=row.account, remedy="press once more")
    buttons = incident_buttons(tx, row.id, chat=press.place.conversation, now=press.now) if left else ()
    return Pressed(text, Reply(f"{text} ({press.person_name})", buttons), outcome=row.account)
