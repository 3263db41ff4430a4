"""What waits behind a message's delivery in its lane: changes of it, that may come to nothing or go into it.

A change is a delivery of its own. Where its message will not be, it is not made, and not said either: what was taken
back, or let go of, would be published by it. Where its message waits for a person, the newest content goes into that.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from bot.store import Tx
from bot.store.outbox import CHANGES, TAKEN_BACK, Delivery, like

NOT_THERE = ("dead", "expired", "discarded", "cancelled")
UNSENT = ("dead", "expired", "held")
"""They wait for a person, who may send them again: with the newest content."""


def is_absent(row: Delivery) -> bool:
    """Whether what a delivery brings is not over there, nor is to be told of as if it were."""
    if row.parked:
        return True
    return row.state in NOT_THERE or (row.state == "held" and (not row.starts or is_taken_back(row)))


def is_taken_back(row: Delivery) -> bool:
    """Whether its message was taken back while nobody knew whether it had arrived."""
    return bool(row.owed & TAKEN_BACK)


def may_be_there(row: Delivery) -> bool:
    """Whether it is held because it may have arrived."""
    return row.state == "held" and row.starts > 0


def never_there(tx: Tx, row: Delivery) -> bool:
    """Whether the message that a change or a note is about is not where that goes, nor the part that it changes."""
    if row.subject is None:
        return False
    sends = _sends(tx, row.subject, row.address)
    own = [each for each in sends if each.part == row.part] if row.op in CHANGES else sends
    return bool(own) and all(map(is_absent, own))


def cancel(tx: Tx, subject: int, address: str, *, now: float, ops: Collection[str] = ()) -> bool:
    """Whatever was still to be done to a message somewhere, and said of it, is not. True if there was any.

    ``ops``: only these, of edits also those that are told; what goes out now is not stopped any more.
    """
    found = [
        row
        for row in _pending(tx, subject, address)
        if not ops or row.op in ops or ("edit" in ops and row.op == "note" and row.words)
    ]
    return any([tx.outbox.settle_by_hand(row.id, state="cancelled", now=now) for row in found])


def let_go(tx: Tx, row: Delivery, *, now: float) -> None:
    """A delivery will not be made: neither is what was to be done to the part of its message that it was."""
    if row.op != "send" or row.message is None:
        return
    sends = _sends(tx, row.message, row.address)
    if all(is_absent(each) for each in sends if not _is_waiting_addition(each)):
        cancel(tx, row.message, row.address, now=now)
        return
    for other in _pending(tx, row.message, row.address):
        if other.op in CHANGES and other.part == row.part:
            tx.outbox.settle_by_hand(other.id, state="cancelled", now=now)


def newest(tx: Tx, row: Delivery) -> str | None:
    """The payload that the last edit waiting behind a delivery gives it; None: there is none. ``""``: no such part."""
    if row.op != "send" or row.message is None:
        return None
    found = None
    for other in _pending(tx, row.message, row.address):
        if other.id < row.id:
            continue
        if other.op == "edit" and other.part == row.part:
            found = other.payload
        elif other.op == "note" and other.words:
            parts = other.words.split("\n")
            found = parts[row.part - 1] if row.part <= len(parts) else ""
    return found


def fold(tx: Tx, row: Delivery, *, now: float) -> bool:
    """A delivery just became dead, held or expired: the edits behind it go into it, and no change of what is not there
    is made. True if its message was taken back meanwhile, so that it does not wait for a person either.
    """
    kept = tx.outbox.get(row.id)
    if kept is None or kept.op != "send" or kept.message is None or kept.state not in UNSENT:
        return False
    pending = [other for other in _pending(tx, kept.message, kept.address) if other.id > kept.id]
    origin = tx.messages.get(kept.message)
    mine = [other for other in pending if other.op in ("edit", "delete") and other.part == kept.part]
    if (origin is not None and origin.gone_at is not None) or any(other.op == "delete" for other in mine):
        _stop(tx, mine, now=now)
        held = may_be_there(kept)
        if held:
            tx.outbox.disown(kept.id)
        else:
            tx.outbox.settle_by_hand(kept.id, state="cancelled", now=now)
        let_go(tx, kept, now=now)
        return not held
    payload = newest(tx, kept)
    if payload:
        tx.outbox.rewrite(kept.id, payload)
    elif payload is not None:
        tx.outbox.settle_by_hand(kept.id, state="cancelled", now=now)
    _stop(tx, mine, now=now)
    sends = _sends(tx, kept.message, kept.address)
    if all(is_absent(each) or may_be_there(each) for each in sends if not _is_waiting_addition(each)):
        # Parts that the edit added do not go before their message: they wait with it, and follow it.
        if ahead := [each.id for each in added(tx, kept) if each.state == "queued"]:
            tx.outbox.bury(ahead, reason=kept.error or "", now=now, state=kept.state)
            sends = _sends(tx, kept.message, kept.address)
        # What is only told of edits lies in the rows now; of what may be there reactions are told all the same.
        told = [other for other in pending if other.op == "note" and other.words]
        if told and told[-1].words:
            refill(tx, [each for each in sends if each.state in UNSENT], told[-1].words.split("\n"), now=now)
        _stop(tx, told, now=now)
        if all(map(is_absent, sends)):
            _stop(tx, pending, now=now)
    return False


def refill(tx: Tx, rows: Sequence[Delivery], payloads: Sequence[str], *, now: float) -> None:
    """Give the parts of a message that waits as a whole for a person new content: there may be more or fewer of them.

    ``rows``: those that wait. Parts that are missing wait as the last of them does.
    """
    for row in rows:
        if row.part <= len(payloads):
            tx.outbox.rewrite(row.id, payloads[row.part - 1], parts=len(payloads))
        elif not may_be_there(row):
            tx.outbox.settle_by_hand(row.id, state="cancelled", now=now)
        else:
            tx.outbox.disown(row.id)
    if not rows:
        return
    last = rows[-1]
    assert last.message is not None
    known = {row.part for row in rows}
    let_go_of = {row.part for row in _sends(tx, last.message, last.address) if row.state == "discarded"}
    for number, payload in enumerate(payloads, start=1):
        if number not in known and number not in let_go_of:
            id = _add_like(tx, last, payload, part=number, parts=len(payloads), now=now)
            if not last.parked:
                tx.outbox.bury([id], reason=last.error or "", now=now, state=last.state)


def pin(tx: Tx, row: Delivery, *, now: float) -> bool:
    """The first part of a message was sent: if that is wished for, it is pinned by a delivery behind it. False if not:
    what is being taken back is not pinned first, and nothing is pinned twice at a time.
    """
    if row.message is None or not tx.outbox.is_to_be_pinned(row.id):
        return False
    origin = tx.messages.get(row.message)
    pending = _pending(tx, row.message, row.address)
    if origin is None or origin.gone_at is not None or any(each.op in ("delete", "pin") for each in pending):
        return False
    # It is no copy of the message, and what becomes of it is not shown on that.
    made = replace(like(row, "{}", now=now), op="pin", message=None, subject=row.message, parts=1, marked=False)
    tx.outbox.add(replace(made, broadcast=None, parked=False, insisted=False, late="", pin=False))
    return True


def put_after(tx: Tx, row: Delivery, payloads: Sequence[str], *, now: float) -> Sequence[int]:
    """Further parts of a message, behind its last one; returns their ids."""
    parts = row.part + len(payloads)
    return [_add_like(tx, row, each, part=n, parts=parts, now=now) for n, each in enumerate(payloads, row.part + 1)]


def _add_like(tx: Tx, row: Delivery, payload: str, *, part: int, parts: int, now: float) -> int:
    """Another part of the message, as an edit adds it."""
    return tx.outbox.add(replace(like(row, payload, now=now), op="send", part=part, parts=parts, subject=row.message))


def added(tx: Tx, row: Delivery) -> Sequence[Delivery]:
    """The parts that edits added to a message and that are not there either: they go where it goes."""
    if row.op != "send" or row.message is None:
        return []
    return [
        other for other in _sends(tx, row.message, row.address) if other.id > row.id and _is_waiting_addition(other)
    ]


def grown(tx: Tx, row: Delivery) -> Sequence[Delivery]:
    """Of the parts that edits added those that wait for a person, with it: they follow its decision."""
    return [other for other in added(tx, row) if other.state in UNSENT]


def further(tx: Tx, row: Delivery, *, beyond: int) -> Sequence[str]:
    """The payloads of the parts beyond so many that an edit which is to be told gives the message of a delivery."""
    if row.op != "send" or row.message is None:
        return []
    told = [each.words for each in _pending(tx, row.message, row.address) if each.op == "note" and each.words]
    return told[-1].split("\n")[beyond:] if told and told[-1] and row.parts <= beyond else []


def _is_waiting_addition(row: Delivery) -> bool:
    return row.subject is not None and row.state in ("queued", *UNSENT) and not row.starts


def _sends(tx: Tx, message: int, address: str) -> Sequence[Delivery]:
    """The deliveries that make the message's copy there, the latest of each part."""
    account, _, conversation = address.partition(":")
    return list({row.part: row for row in tx.outbox.sends_of(message, account, conversation)}.values())


def _pending(tx: Tx, subject: int, address: str) -> Sequence[Delivery]:
    """What is still to be done to a message somewhere, or would be if somebody sent it again."""
    account, _, conversation = address.partition(":")
    return tx.outbox.waiting_on(subject, account, conversation)


def _stop(tx: Tx, rows: Sequence[Delivery], *, now: float) -> None:
    for row in rows:
        if row.op != "send":
            tx.outbox.settle_by_hand(row.id, state="cancelled", now=now)
