"""Deliveries from the chat: what waits, what failed, what may have arrived, and what to do about it."""

from __future__ import annotations

from datetime import UTC, datetime

from bot import decisions
from bot.addresses import TELEGRAM
from bot.feedback import card_buttons
from bot.store import Tx
from bot.store.messages import Origin
from bot.store.outbox import Delivery
from bot.telegram.access import Role
from bot.telegram.commands.registry import Answer, Call, Effect, Reply, UsageError, registry
from bot.telegram.outbound import message_id


@registry.add("queue", role=Role.OPERATOR, summary="Deliveries that wait or are on their way", example="/queue")
def queue(call: Call, tx: Tx) -> Answer:
    """Oldest first."""
    rows = [row for row in tx.outbox.list(states=("queued", "sending")) if row.message is not None]
    return Reply(decisions.listing(rows, empty="Nothing waits."))


@registry.add("failed", role=Role.OPERATOR, summary="Deliveries that were given up", example="/failed")
def failed(call: Call, tx: Tx) -> Answer:
    """Dead ones, newest last."""
    rows = tx.outbox.list(states=("dead",))
    text = decisions.listing(rows[-30:], empty="Nothing has failed.")
    return Reply(text + ("\n/show ID, /retry ID or all, /discard ID" if rows else ""))


@registry.add("held", role=Role.OPERATOR, summary="Deliveries that may have arrived: decide", example="/held")
def held(call: Call, tx: Tx) -> Answer:
    """Held ones; the newest with the buttons to decide."""
    rows = tx.outbox.list(states=("held",))
    if not rows:
        return Reply("Nothing is held.")
    never_sent = not rows[0].starts
    buttons = card_buttons(
        tx, rows[0].id, chat=call.here.conversation, now=call.now, never_sent=never_sent, person=call.person
    )
    text = decisions.listing(rows, empty="")
    return Reply(f"{text}\nThe buttons are for {rows[0].id}; /retry ID sends again, /discard ID drops.", buttons)


@registry.add("show", role=Role.OPERATOR, usage="ID", summary="One delivery: text, address, reason", example="/show 12")
def show(call: Call, tx: Tx) -> Answer:
    """Everything about one delivery."""
    row = _row(call, tx)
    lines = [decisions.line(row), f"because of: {row.why}" if row.why else "", *_times(row)]
    if row.parts > 1:
        lines.append(f"part {row.part} of {row.parts}")
    return Reply("\n".join([*filter(None, lines), "", decisions.text_of(row)]))


def _times(row: Delivery) -> list[str]:
    lines = [f"made {_at(row.created_at)}"]
    if row.started_at is not None:
        lines.append(f"last attempt {_at(row.started_at)}")
    if row.settled_at is not None:
        lines.append(f"settled {_at(row.settled_at)}")
    elif row.state == "queued":
        lines.append(f"next attempt {_at(row.due_at)}")
    return lines


def _at(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _row(call: Call, tx: Tx) -> Delivery:
    return decisions.find(tx, call.values["ID"])


@registry.add(
    "retry",
    role=Role.OPERATOR,
    usage="ID|all",
    effect=Effect.SENDS,
    summary="Send failed or held ones again",
    example="/retry 12",
)
def retry(call: Call, tx: Tx) -> Answer:
    """One, or all that are dead or held."""
    word = call.values["ID|all"]
    if word.lower() == "all":
        rows = tx.outbox.list(states=("dead", "held"))
        number = decisions.retry_all(tx, now=call.now)
        for row in rows:
            _show(call, tx, row)
        return Reply(f"{number} deliveries are sent again." if number else "Nothing has failed or is held.")
    row = decisions.find(tx, word)
    text = decisions.retry(tx, row, now=call.now)
    _show(call, tx, row)
    return Reply(text)


@registry.add(
    "discard",
    role=Role.OPERATOR,
    usage="ID",
    effect=Effect.SENDS,
    summary="Let a failed, held or waiting one go",
    example="/discard 12",
)
def discard(call: Call, tx: Tx) -> Answer:
    """It stays in the records as discarded."""
    row = _row(call, tx)
    text = decisions.discard(tx, row, now=call.now)
    _show(call, tx, row)
    return Reply(text)


def _show(call: Call, tx: Tx, row: Delivery) -> None:
    if row.message is not None and row.marked:
        call.services.feedback.show(tx, row.message, now=call.now)


@registry.add(
    "trace",
    role=Role.OPERATOR,
    summary="As a reply: where that message went, each state and time",
    as_reply=True,
    example="/trace (as a reply to a message)",
)
def trace(call: Call, tx: Tx) -> Answer:
    """Every delivery of the message replied to."""
    origin = answered_origin(call, tx, what="trace")
    lines = [f"Written at {origin.address} by {origin.sender_name or 'somebody'}, {_at(origin.at)}"]
    if origin.why:
        lines.append(origin.why)
    if origin.gone_at is not None:
        lines.append(f"taken back {_at(origin.gone_at)}")
    for row in tx.outbox.about(origin.id):
        lines.append(f"delivery {decisions.line(row)}")
        lines += [f"  {text}" for text in _times(row)]
        lines += [f"  there as {copy.remote_id}" for copy in tx.messages.copies(origin.id) if copy.outbox == row.id]
    return Reply("\n".join(lines))


@registry.add(
    "why",
    role=Role.OPERATOR,
    summary="As a reply: which rule sent that message, or filtered it",
    as_reply=True,
    example="/why (as a reply to a message)",
)
def why(call: Call, tx: Tx) -> Answer:
    """What the rules said when it came in, and what led to each of its deliveries."""
    origin = answered_origin(call, tx, what="ask about")
    lines = [f"Written at {origin.address} by {origin.sender_name or 'somebody'}"]
    if origin.why:
        lines.append(origin.why)
    reasons = dict.fromkeys((row.address, row.why) for row in tx.outbox.about(origin.id) if row.why)
    lines += [f"to {address}: {reason}" for address, reason in reasons]
    if len(lines) == 1:
        lines.append("No rule is about this place, and nobody sent it anywhere.")
    return Reply("\n".join(lines))


def answered_origin(call: Call, tx: Tx, *, what: str) -> Origin:
    """The message that the command replies to, or of which that is a copy; raises ``UsageError``."""
    answered = call.answered
    if answered is None:
        raise UsageError(f"reply to the message that you want to {what}")
    origin = tx.messages.find(TELEGRAM, message_id(answered.chat_id, answered.message_id))
    if origin is None:
        raise UsageError("I know nothing of that message: it came before me, or was not for me to read")
    return origin
