"""One delivery: all that is known of it, and what a person decides: again, with other words, elsewhere, let go."""

from __future__ import annotations

from bot import broadcasts, decisions
from bot.behind import UNSENT
from bot.cards import deal
from bot.feedback import card_buttons
from bot.names import defuse_text, one_line
from bot.rewording import reword
from bot.store import Tx
from bot.store.lists import Wanted
from bot.store.outbox import Delivery
from bot.telegram.access import Role
from bot.telegram.cards import Press, Pressed, card_kinds
from bot.telegram.commands.answered import answered_origin as answered_origin
from bot.telegram.commands.lines import at, link_to, span, times
from bot.telegram.commands.queues import ask_to_discard, selected, so_many_again
from bot.telegram.commands.registry import Answer, Call, Effect, Reply, UsageError, registry, way
from bot.telegram.commands.send import written
from bot.telegram.commands.sight import Sight, sight_of
from bot.telegram.turns import audit
from bridges.model import Button, Message

ONE = "delivery"
"""The kind of card below one delivery."""
TEXT_MOST = 3_000
"""Code points of a text that are shown."""
CARD_S = 86_400.0
_OPERATOR = Role.OPERATOR


@registry.add("show", role=_OPERATOR, usage="ID", summary="One delivery: text, address, reason", example="/show 12")
def show(call: Call, tx: Tx) -> Answer:
    """Everything about one delivery, with buttons to decide."""
    sight = sight_of(call)
    row = sight.find(tx, call.values["ID"])
    text = "\n".join([*_about(tx, row, sight=sight, now=call.now), "", *_content(row)]).rstrip()
    buttons = _buttons(call, tx, row)
    if buttons and row.op in ("send", "note"):
        text += f"\n\n/redirect {row.id} ADDRESS sends it elsewhere"
        text += f", /retry {row.id} TEXT with other words." if row.state in UNSENT else "."
    return Reply(text, buttons)


def _about(tx: Tx, row: Delivery, *, sight: Sight, now: float) -> list[str]:
    lines = [decisions.line(row)]
    if row.why:
        lines.append(f"because of: {row.why}")
    origin = None
    if (about := row.message if row.message is not None else row.subject) is not None:
        origin = tx.messages.get(about)
    if origin is not None:
        by = one_line(origin.sender_name) or "somebody"
        place = origin.address if sight.names(origin) else "another chat"
        lines.append(f"written at {place} by {by}, {at(origin.at)}")
        if sight.names(origin) and (link := link_to(origin)):
            lines.append(link)
        if origin.gone_at is not None:
            lines.append(f"taken back {at(origin.gone_at)}")
    lines += times(row)
    if row.state == "queued" and row.due_at > now:
        lines[-1] += f", in {span(row.due_at - now)}"
    if row.starts > row.attempts:
        lines.append(f"requests that left: {row.starts}")
    if row.parts > 1:
        lines.append(f"part {row.part} of {row.parts}")
    return lines


def _content(row: Delivery) -> list[str]:
    if not row.intact:
        return ["Its content is damaged and cannot be shown."]
    message = Message.model_validate_json(row.perhaps or row.payload)
    text = defuse_text(Message(text=message.text)).text
    if changed := decisions.changed_to(row):
        changed = defuse_text(Message(text=changed)).text[:TEXT_MOST]
        return [*_shown(message, text), "", f"Meanwhile changed to: {changed}"]
    return _shown(message, text)


def _shown(message: Message, text: str) -> list[str]:
    cut = [f"… {len(text) - TEXT_MOST} more characters"] if len(text) > TEXT_MOST else []
    return [text[:TEXT_MOST], *cut, *(f"[{each.kind}: {one_line(each.name)}]" for each in message.attachments)]


def _buttons(call: Call, tx: Tx, row: Delivery) -> tuple[Button, ...]:
    chat, now, person = call.here.conversation, call.now, call.person
    if row.state == "held":
        return card_buttons(tx, row.id, chat=chat, now=now, never_sent=not row.starts, person=person)
    choices = [("Retry", "retry")] if row.state in ("dead", "expired") else []
    choices += [("Discard", "discard")] if row.state in ("dead", "expired", "queued") else []
    if not choices:
        return ()
    return deal(tx, ONE, choices, chat=chat, now=now, person=person, subject=row.id, expires_s=CARD_S)


@card_kinds.add(ONE, choices={"retry": _OPERATOR, "discard": _OPERATOR})
def decide(press: Press, tx: Tx) -> Pressed:
    """Send it again, or let it go."""
    row = sight_of(press).find(tx, str(press.card.subject))
    if press.choice == "retry":
        broadcasts.tried_again(tx, row, asked_at=press.place)
    decision = decisions.retry if press.choice == "retry" else decisions.discard
    text = decision(tx, row, now=press.now)
    return Pressed(text, Reply(f"{text} ({press.person_name})"), outcome=f"delivery {row.id}")


@registry.add(
    "retry",
    role=_OPERATOR,
    ways=(
        way("ID [text]", example="/retry 12", summary="that one; with a text, with these words instead of its own"),
        way("all [cause]", example="/retry all timed out", summary="all; with words, those whose reason has them"),
    ),
    effect=Effect.SENDS,
    summary="Send failed or held ones again",
    example="/retry 12",
    details=(
        "It is for what was given up and what is held; what was discarded stays so. /retry all acts at once, without"
        " asking, and sends the held ones too, of which some may have arrived: /held shows them before."
    ),
)
def retry(call: Call, tx: Tx) -> Answer:
    """One, as it is or with other words, or all that are dead or held."""
    if call.way is not None and call.way.keyword == "all":
        return _retry_all(call, tx)
    row = sight_of(call).find(tx, call.values["ID"])
    edited = call.values.get("text", "")
    if row.broadcast is not None:
        broadcasts.tried_again(tx, row, asked_at=call.here)
    if edited:
        return _retry_with(call, tx, row, edited)
    return Reply(decisions.retry(tx, row, now=call.now))


def _retry_with(call: Call, tx: Tx, row: Delivery, text: str) -> Reply:
    """With other words, formatted as they are in the command."""
    words = written(call, text)
    if not words.text.strip():
        raise UsageError("the new text is needed")
    ids = reword(tx, call.relay, row, words, now=call.now)
    decisions.retry_these(tx, ids, now=call.now)
    audit(tx, call.person, place=str(call.here), command="/retry", outcome=f"delivery {row.id} edited", now=call.now)
    parts = f" in {len(ids)} parts" if len(ids) > 1 else ""
    return Reply(f"Delivery {row.id} to {row.address} is sent again with these words{parts}.")


def _retry_all(call: Call, tx: Tx) -> Reply:
    words = call.values.get("cause", "").split()
    ids = selected(tx, Wanted(("dead", "held"), chat=sight_of(call).chat), words=words)
    sent = decisions.retry_these(tx, ids[: decisions.AT_ONCE], now=call.now)
    if not ids and words:
        return Reply(f"Nothing has failed or is held for {one_line(' '.join(words))}; /failed lists the causes.")
    if not ids:
        return Reply("Nothing has failed or is held.")
    return Reply(so_many_again(len(sent), left=len(ids[decisions.AT_ONCE :]), remedy="write it once more"))


@registry.add(
    "discard",
    role=_OPERATOR,
    ways=(
        way("ID", example="/discard 12", summary="that one"),
        way("all [cause]", example="/discard all no such room", summary="all that failed or are held; it asks first"),
    ),
    effect=Effect.SENDS,
    summary="Let a failed, held or waiting one go",
    example="/discard 12",
    details="It stays in the records as discarded and is not sent any more.",
)
def discard(call: Call, tx: Tx) -> Answer:
    """One at once; several are asked about."""
    if call.way is not None and call.way.keyword == "all":
        words = call.values.get("cause", "").split()
        ids = selected(tx, Wanted(("dead", "held"), chat=sight_of(call).chat), words=words)
        return ask_to_discard(call, tx, ids) if ids else Reply("Nothing has failed or is held for that.")
    row = sight_of(call).find(tx, call.values["ID"])
    return Reply(decisions.discard(tx, row, now=call.now))


@registry.add(
    "redirect",
    role=_OPERATOR,
    usage="ID ADDRESS",
    effect=Effect.SENDS,
    summary="Send a failed, held or waiting one to another address",
    example="/redirect 12 support:room-43",
    details="The first one is discarded; the same goes to the new address, shown and timed as its route says.",
)
def redirect(call: Call, tx: Tx) -> Answer:
    """Where it was to go it is discarded."""
    row = sight_of(call).find(tx, call.values["ID"])
    target = call.target(tx, call.values["ADDRESS"])
    if str(target) == row.address:
        raise decisions.DecisionError(f"delivery {row.id} goes to {target} already; /retry {row.id} sends it again")
    return Reply(decisions.redirect(tx, row, target, now=call.now))
