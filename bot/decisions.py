"""What a person may decide about a delivery, the same from the chat, from a card and from the command line."""

from __future__ import annotations

from collections.abc import Sequence

from bot.addresses import Address
from bot.store import Tx
from bot.store.outbox import Delivery, NewDelivery, State
from bridges.model import Message

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


def show(tx: Tx, message: int, *, now: float) -> None:
    """Bring the mark on a Telegram message up to date with its deliveries."""
    rows = tx.outbox.of_message(message)
    mark = mark_for([row.state for row in rows])
    if mark == "delivered" and any(row.op == "delete" for row in rows):
        mark = "dropped"
    tx.marks.want(message, mark, now=now)


class DecisionError(ValueError):
    """The decision is not possible; says why and what is."""


def find(tx: Tx, word: str) -> Delivery:
    """A delivery by the number people see; raises ``DecisionError``."""
    row = tx.outbox.get(int(word)) if word.isascii() and word.isdigit() and len(word) < 19 else None
    if row is None:
        raise DecisionError(f"there is no delivery {word!r}; /queue, /failed and /held list them")
    return row


def retry(tx: Tx, row: Delivery, *, now: float) -> str:
    """Send a dead or held one again."""
    if row.state not in ("dead", "held", "expired"):
        raise DecisionError(f"delivery {row.id} is {row.state}; only dead and held ones can be sent again")
    tx.outbox.requeue(row.id, now=now, expires_at=now + (row.expires_at - row.created_at))
    return f"Delivery {row.id} to {row.address} is sent again."


def retry_all(tx: Tx, *, now: float, account: str | None = None, states: Sequence[State] = ("dead", "held")) -> int:
    """Send every dead and held one again; discarded ones stay. Returns how many."""
    rows = tx.outbox.list(states=states, account=account)
    for row in rows:
        retry(tx, row, now=now)
    return len(rows)


def discard(tx: Tx, row: Delivery, *, now: float) -> str:
    """Let a waiting, dead or held one go."""
    if not tx.outbox.settle_by_hand(row.id, state="discarded", now=now):
        raise DecisionError(f"delivery {row.id} is {row.state} and can no longer be discarded")
    return f"Delivery {row.id} to {row.address} is discarded."


def arrived(tx: Tx, row: Delivery, *, now: float) -> str:
    """A person saw that a held one arrived."""
    if not tx.outbox.settle_by_hand(row.id, state="sent", now=now):
        raise DecisionError(f"delivery {row.id} is {row.state}, not held")
    return f"Delivery {row.id} to {row.address} counts as sent."


def redirect(tx: Tx, row: Delivery, target: Address, *, now: float) -> str:
    """Discard one and send the same text to another address."""
    if row.state not in ("queued", "dead", "held", "expired"):
        raise DecisionError(f"delivery {row.id} is {row.state} and can no longer be redirected")
    discard(tx, row, now=now)
    new = tx.outbox.add(
        NewDelivery(
            account=target.account,
            conversation=target.conversation,
            payload=row.payload,
            created_at=now,
            expires_at=now + (row.expires_at - row.created_at),
            on_ambiguous=row.on_ambiguous,
            priority=row.priority,
            message=row.message,
            marked=bool(row.marked),
            part=row.part,
            parts=row.parts,
            why=f"redirected from delivery {row.id}",
        )
    )
    return f"Delivery {row.id} is discarded; {new} goes to {target} instead."


def text_of(row: Delivery) -> str:
    """The text of a delivery."""
    return Message.model_validate_json(row.payload).text if row.intact else ""


def line(row: Delivery) -> str:
    """A delivery on one line: id, address, state, why."""
    why = f": {row.error}" if row.error else ""
    op = "" if row.op == "send" else f"{row.op}, "
    return f"{row.id} → {row.address} ({op}{row.state}, attempt {row.attempts}){why}"


def listing(rows: Sequence[Delivery], *, empty: str, most: int = 30) -> str:
    """Deliveries, one on each line."""
    if not rows:
        return empty
    lines = [line(row) for row in rows[:most]]
    if len(rows) > most:
        lines.append(f"… and {len(rows) - most} more")
    return "\n".join(lines)
