"""What a person may decide about a delivery, the same from the chat, from a card and from the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bot import behind, late
from bot.addresses import Address
from bot.shaping import quoting
from bot.store import Tx
from bot.store.outbox import OTHER_WORDS, Delivery, State, like
from bot.store.outbox import REDIRECTED as REDIRECTED
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
    standing = tx.outbox.standing(message)
    mark = mark_for([state for state, _ in standing])
    if mark == "delivered" and any(op == "delete" for _, op in standing):
        # A part that an edit left over is deleted, too, and its message is there all the same.
        origin = tx.messages.get(message)
        if origin is not None and origin.gone_at is not None:
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
    """Send a dead or held one again; one that was too late with all the parts of its message that were."""
    if row.state not in ("dead", "held", "expired"):
        raise DecisionError(f"delivery {row.id} is {row.state}; only dead and held ones can be sent again")
    if _is_over(tx, row):
        tx.outbox.settle_by_hand(row.id, state="cancelled", now=now)
        _mark(tx, row, now=now)
        return f"Delivery {row.id} to {row.address} is not sent again: its message was taken back. It is cancelled."
    rows = together(tx, row)
    for each in (*rows, *behind.grown(tx, row)):
        tx.outbox.requeue(each.id, now=now, expires_at=now + (each.expires_at - each.created_at))
    _mark(tx, row, now=now)
    return f"{_named(row, rows)} sent again."


def _mark(tx: Tx, row: Delivery, *, now: float) -> None:
    """Whoever wrote the message sees what was decided."""
    if row.message is not None and row.marked:
        show(tx, row.message, now=now)


def _is_over(tx: Tx, row: Delivery) -> bool:
    """Whether its message was taken back meanwhile, so that nobody wants it there any more."""
    origin = None if row.message is None or row.op != "send" else tx.messages.get(row.message)
    return behind.is_taken_back(row) or (origin is not None and origin.gone_at is not None)


def retry_all(tx: Tx, *, now: float, account: str | None = None, states: Sequence[State] = ("dead", "held")) -> int:
    """Send every dead and held one again; discarded ones stay. Returns how many."""
    return len(retry_these(tx, [row.id for row in tx.outbox.list(states=states, account=account)], now=now))


def retry_these(tx: Tx, ids: Sequence[int], *, now: float) -> Sequence[Delivery]:
    """Send these again, as far as they still wait for a person; returns those that are sent."""
    wanted = []
    for row in filter(None, map(tx.outbox.get, ids)):
        # One decision may have been for several of them.
        if row.state not in ("dead", "held", "expired"):
            wanted += [row] if row.state == "queued" else []
            continue
        wanted += [] if _is_over(tx, row) else [row]
        retry(tx, row, now=now)
    return wanted


def discard_these(tx: Tx, ids: Sequence[int], *, now: float) -> Sequence[Delivery]:
    """Let these go, as far as they still wait for a person; returns those that are discarded."""
    rows = [row for row in map(tx.outbox.get, ids) if row is not None and row.state in ("dead", "held", "expired")]
    for row in rows:
        kept = tx.outbox.get(row.id)
        if kept is not None and kept.state == row.state:
            discard(tx, row, now=now)
    return rows


def discard(tx: Tx, row: Delivery, *, now: float) -> str:
    """Let a waiting, dead or held one go; one that was too late with all the parts of its message that were."""
    rows = together(tx, row)
    if not all([tx.outbox.settle_by_hand(each.id, state="discarded", now=now) for each in rows]):
        raise DecisionError(f"delivery {row.id} is {row.state} and can no longer be discarded")
    for each in rows:
        behind.let_go(tx, each, now=now)
    _mark(tx, row, now=now)
    return f"{_named(row, rows)} discarded."


def together(tx: Tx, row: Delivery) -> Sequence[Delivery]:
    """A delivery, and the other parts of its message that are held there for being late: one decision is for all."""
    if row.parts == 1 or row.message is None or not is_late(row):
        return [row]
    return [each for each in tx.outbox.of_message(row.message) if each.address == row.address and is_late(each)]


def is_late(row: Delivery) -> bool:
    """Whether it is held because it was late, and was not sent."""
    return row.op == "send" and row.state == "held" and not row.starts and (row.error or "").startswith(late.LATE_BY)


def _named(row: Delivery, rows: Sequence[Delivery]) -> str:
    parts = f" with its {len(rows)} parts" if len(rows) > 1 else ""
    return f"Delivery {row.id} to {row.address}{parts} is"


def arrived(tx: Tx, row: Delivery, *, now: float) -> str:
    """A person saw that a held one arrived."""
    if not tx.outbox.settle_by_hand(row.id, state="sent", now=now):
        raise DecisionError(f"delivery {row.id} is {row.state}, not held")
    if not behind.is_taken_back(row):
        for each in behind.grown(tx, row):
            tx.outbox.requeue(each.id, now=now, expires_at=now + (each.expires_at - each.created_at))
    _mark(tx, row, now=now)
    return f"Delivery {row.id} to {row.address} counts as sent."


def redirect(tx: Tx, row: Delivery, target: Address, *, now: float) -> str:
    """Discard one and send the same to another address, as its route shows and times it."""
    if row.op not in ("send", "note"):
        does = {"edit": "changes", "delete": "takes back", "react": "reacts to"}.get(row.op)
        what = f"{does} a message at {row.address}" if does else f"opens the topic for {row.address}"
        raise DecisionError(f"delivery {row.id} {what}, which can be done nowhere else; /retry or /discard it")
    if row.state not in ("queued", "dead", "held", "expired"):
        raise DecisionError(f"delivery {row.id} is {row.state} and can no longer be redirected")
    if _is_over(tx, row):
        raise DecisionError(f"the message of delivery {row.id} was taken back; /discard {row.id} lets it go")
    rows = together(tx, row)
    whole = [*rows, *(each for each in behind.added(tx, row) if each not in rows)]
    newest = [behind.newest(tx, each) for each in whole]
    more = behind.further(tx, row, beyond=len(whole))
    new = [_elsewhere(tx, each, target, edited=payload, now=now) for each, payload in zip(whole, newest, strict=True)]
    if more and (last := tx.outbox.get(new[-1])) is not None:
        new += behind.put_after(tx, last, more, now=now)
    for each in whole:
        behind.let_go(tx, each, now=now)
    _mark(tx, row, now=now)
    return f"{_named(row, rows)} discarded; {', '.join(map(str, new))} goes to {target} instead."


def _elsewhere(tx: Tx, row: Delivery, target: Address, *, edited: str | None, now: float) -> int:
    """Discard it and put the same into the outbox for another address; returns its id there.

    ``edited``: what the edits that wait behind it make of it.
    """
    if not tx.outbox.settle_by_hand(row.id, state="discarded", now=now):
        raise DecisionError(f"delivery {row.id} is on its way and can no longer be redirected")
    # Whoever redirects what waits for a decision knows that it is late; a stamp is put on anew.
    stays = row.late == "stamp" or row.state == "queued"
    payload = edited or (row.words or row.payload if row.op == "send" and not row.owed & OTHER_WORDS else row.payload)
    # Parts of a long message have no room for a quotation.
    answers = row.reply_to if row.op == "send" and row.parts == 1 else None
    answered = None if answers is None else tx.messages.get(answers)
    if answered is not None and answered.text and not _is_at(tx, answered.id, target):
        told = quoting(
            Message.model_validate_json(payload), original=Message(text=answered.text, sender=answered.author)
        )
        payload = told.model_dump_json(exclude_defaults=True)
    return tx.outbox.add(
        replace(
            like(row, payload, now=now),
            account=target.account,
            conversation=target.conversation,
            reply_to=row.reply_to,
            why=f"{row.why}{REDIRECTED}{row.id}",
            late=row.late if stays else "",
            # What its announcement's stop or pause let go of by a person's decision is sent all the same.
            insisted=row.broadcast is not None and not row.parked,
        )
    )


def _is_at(tx: Tx, message: int, place: Address) -> bool:
    """Whether an answer can stand below it there."""
    if tx.messages.remote_id_in(message, place.account, place.conversation) is not None:
        return True
    return tx.outbox.is_waiting(message, place.account, place.conversation)


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
