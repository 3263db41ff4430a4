"""What a person may decide about a delivery, the same from the chat, from a card and from the command line."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from bot import behind, late
from bot.addresses import Address
from bot.shaping import quoting
from bot.store import Tx
from bot.store.outbox import OTHER_WORDS, Delivery, like
from bot.store.outbox import REDIRECTED as REDIRECTED
from bridges.model import Message

_URGENCY = (
    ("dead", "failed"),
    ("expired", "failed"),
    ("held", "unknown"),
    ("queued", "accepted"),
    ("sending", "accepted"),
)
AT_ONCE = 1_000
"""So many are decided on at once, the oldest first: the writer must soon be free for everything else."""


def mark_for(states: Sequence[str]) -> str:
    """The one state that a message shows for all its deliveries: the one that most needs a person's eye."""
    for state, mark in _URGENCY:
        if state in states:
            return mark
    return "delivered" if "sent" in states else "dropped"


def show(tx: Tx, message: int, *, now: float) -> None:
    """Bring the mark on a Telegram message up to date with its deliveries."""
    _show_all(tx, [message], now=now)


def _show_all(tx: Tx, messages: Collection[int], *, now: float) -> None:
    standings = tx.several.standings(messages)
    deleted = [message for message, standing in standings.items() if any(op == "delete" for _, op in standing)]
    # A part that an edit left over is deleted, too, and its message is there all the same.
    gone = tx.several.gone(deleted) if deleted else frozenset()
    for message in messages:
        mark = mark_for([state for state, _ in standings.get(message, ())])
        tx.marks.want(message, "dropped" if mark == "delivered" and message in gone else mark, now=now)


class DecisionError(ValueError):
    """The decision is not possible; says why and what is."""


class NoDelivery(DecisionError):
    """There is no delivery of that number."""


def find(tx: Tx, word: str) -> Delivery:
    """A delivery by the number people see; raises ``NoDelivery``."""
    row = tx.outbox.get(int(word)) if word.isascii() and word.isdigit() and len(word) < 19 else None
    if row is None:
        raise NoDelivery(f"there is no delivery {word!r}; /queue, /failed and /held list them")
    return row


def retry(tx: Tx, row: Delivery, *, now: float) -> str:
    """Send a dead or held one again; one that was too late with all the parts of its message that were."""
    if row.state not in behind.UNSENT:
        raise DecisionError(f"delivery {row.id} is {row.state}; only dead and held ones can be sent again")
    if _is_over(tx, row):
        tx.outbox.settle_by_hand(row.id, state="cancelled", now=now)
        _mark(tx, row, now=now)
        return f"Delivery {row.id} to {row.address} is not sent again: its message was taken back. It is cancelled."
    rows = together(tx, row)
    for each in (*rows, *behind.grown(tx, row)):
        tx.outbox.requeue(each.id, now=now, expires_at=now + each.lasts_s)
    _mark(tx, row, now=now)
    return f"{_named(row, rows)} sent again{', with the words that it got since' if row.perhaps else ''}."


def _mark(tx: Tx, row: Delivery, *, now: float) -> None:
    """Whoever wrote the message sees what was decided."""
    if row.message is not None and row.marked:
        show(tx, row.message, now=now)


def _is_over(tx: Tx, row: Delivery) -> bool:
    """Whether its message was taken back meanwhile, so that nobody wants it there any more."""
    origin = None if row.message is None or row.op != "send" else tx.messages.get(row.message)
    return behind.is_taken_back(row) or (origin is not None and origin.gone_at is not None)


def retry_these(tx: Tx, ids: Sequence[int], *, now: float) -> Sequence[Delivery]:
    """Send these again, as far as they still wait for a person; returns those that are sent."""
    wanted = []
    rows = tx.several.rows(ids)
    alone = _alone(tx, rows)
    for row in rows:
        if row.id in alone:
            tx.outbox.requeue(row.id, now=now, expires_at=now + row.lasts_s)
            wanted.append(row)
            continue
        # One decision may have been for several of them.
        kept = tx.outbox.get(row.id)
        if kept is None or kept.state not in behind.UNSENT:
            wanted += [row] if kept is not None and kept.state == "queued" else []
            continue
        wanted += [] if _is_over(tx, kept) else [kept]
        retry(tx, kept, now=now)
    _mark_all(tx, [row for row in rows if row.id in alone], now=now)
    return wanted


def discard_these(tx: Tx, ids: Sequence[int], *, now: float) -> Sequence[Delivery]:
    """Let these go, as far as they still wait for a person; returns those that are discarded."""
    rows = [row for row in tx.several.rows(ids) if row.state in behind.UNSENT]
    alone = _alone(tx, rows)
    for row in rows:
        if row.id in alone:
            tx.outbox.settle_by_hand(row.id, state="discarded", now=now)
            continue
        kept = tx.outbox.get(row.id)
        if kept is not None and kept.state == row.state:
            discard(tx, row, now=now)
    _mark_all(tx, [row for row in rows if row.id in alone], now=now)
    return rows


def _alone(tx: Tx, rows: Sequence[Delivery]) -> frozenset[int]:
    """Those that wait for a person and can be decided on without a look at others: nothing waits behind them, no part
    goes with them, and nobody took their message back.
    """
    messages = {row.message for row in rows if row.message is not None}
    changed, gone = tx.several.changed(messages), tx.several.gone(messages)
    return frozenset(
        row.id
        for row in rows
        if row.state in behind.UNSENT
        and (row.parts == 1 or not is_late(row))
        and not behind.is_taken_back(row)
        and (row.op != "send" or row.message not in gone)
        and (row.op != "send" or (row.message, row.account, row.conversation) not in changed)
    )


def _mark_all(tx: Tx, rows: Sequence[Delivery], *, now: float) -> None:
    """Whoever wrote their messages sees what was decided."""
    _show_all(tx, {row.message for row in rows if row.marked and row.message is not None}, now=now)


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
            tx.outbox.requeue(each.id, now=now, expires_at=now + each.lasts_s)
    _mark(tx, row, now=now)
    return f"Delivery {row.id} to {row.address} counts as sent."


def redirect(tx: Tx, row: Delivery, target: Address, *, now: float) -> str:
    """Discard one and send the same to another address, as its route shows and times it."""
    if row.op not in ("send", "note"):
        does = {"edit": "changes", "delete": "takes back", "react": "reacts to", "pin": "pins"}.get(row.op)
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
    """The text of a delivery; where it may have arrived before it got other words, what may have arrived."""
    return Message.model_validate_json(row.perhaps or row.payload).text if row.intact else ""


def changed_to(row: Delivery) -> str:
    """The words that a delivery of which nobody knows whether it arrived got since; empty if it did not."""
    return Message.model_validate_json(row.payload).text if row.perhaps is not None and row.intact else ""


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
