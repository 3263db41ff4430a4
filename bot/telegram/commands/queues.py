"""Lists of deliveries: what waits, what was given up and why, what may have arrived; page by page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from bot import decisions
from bot.cards import deal, digest
from bot.causes import Cause, cause_of, causes, has_words
from bot.feedback import card_buttons
from bot.names import one_line
from bot.store import Tx
from bot.store.lists import Wanted
from bot.store.outbox import Delivery
from bot.telegram.access import Role
from bot.telegram.cards import Press, Pressed, card_kinds, confirmation
from bot.telegram.commands.lines import ANSWER_MOST, counted, item, totals
from bot.telegram.commands.registry import Answer, Call, Reply, Services, UsageError, registry
from bot.telegram.commands.sight import Sight, sight_of
from bot.text import utf16_length
from bridges.model import Button

PAGE = 20
CARDS_MOST = 5
"""Held deliveries that get buttons of their own, and causes that do."""
PAGE_S = 86_400.0
"""How long one can turn pages."""
CAUSE_MOST, REASON_MOST = 120, 80
PAGES, CAUSE, DISCARD_ALL = "pages", "cause", "discardall"
"""Kinds of cards."""
_OPERATOR = Role.OPERATOR
_LISTS = {
    "queue": (Wanted(("queued", "sending"), answers=False), "Waiting", "Nothing waits."),
    "failed": (Wanted(("dead",)), "Given up", "Nothing has failed."),
    "held": (Wanted(("held",)), "Held", "Nothing is held."),
}


@registry.add(
    "queue",
    role=_OPERATOR,
    usage="[ACCOUNT]",
    summary="Deliveries that wait or are on their way",
    example="/queue support",
)
def queue(call: Call, tx: Tx) -> Answer:
    """The newest, with buttons to the others."""
    return _list("queue", call, tx)


@registry.add(
    "failed",
    role=_OPERATOR,
    usage="[ACCOUNT]",
    summary="Deliveries that were given up, by cause",
    example="/failed support",
    details="Buttons send all of one cause again, or let them go.",
)
def failed(call: Call, tx: Tx) -> Answer:
    """By cause, then the newest."""
    return _list("failed", call, tx)


@registry.add(
    "held",
    role=_OPERATOR,
    usage="[ACCOUNT]",
    summary="Deliveries that may have arrived: decide",
    example="/held",
    details="The newest have buttons: Send again, It arrived, Drop. /retry ID and /discard ID decide on any of them.",
)
def held(call: Call, tx: Tx) -> Answer:
    """All of them; the newest few with buttons, in a message each."""
    payload = {"what": "held", "account": _account(call), "offset": 0}
    rows = _asked(tx, _wanted(payload, sight_of(call)))
    listed = _page(tx, payload, sight=sight_of(call), person=call.person, chat=call.here.conversation, now=call.now)
    if not rows:
        return listed
    hint = f"The buttons are for {rows[0].id}; /retry ID sends again, /discard ID drops."
    told = [Reply(f"{listed.text}\n{hint}", (*_held_buttons(call, tx, rows[0]), *listed.buttons))]
    told += [Reply(item(row, now=call.now), _held_buttons(call, tx, row)) for row in rows[1:]]
    for each in told[:-1]:
        call.relay.tell(tx, call.here, each.text, now=call.now, reply_to=call.keep(tx), buttons=each.buttons)
    return told[-1]


def _asked(tx: Tx, wanted: Wanted) -> Sequence[Delivery]:
    """The newest held ones that are asked about: of parts that are decided on together the first."""
    rows = tx.deliveries.page(wanted, limit=PAGE)
    return [row for row in rows if decisions.together(tx, row)[0].id == row.id][:CARDS_MOST]


def _held_buttons(call: Call, tx: Tx, row: Delivery) -> tuple[Button, ...]:
    never_sent = not row.starts
    return card_buttons(
        tx, row.id, chat=call.here.conversation, now=call.now, never_sent=never_sent, person=call.person
    )


# --- pages


def _list(what: str, call: Call, tx: Tx) -> Reply:
    payload = {"what": what, "account": _account(call), "offset": 0}
    return _page(tx, payload, sight=sight_of(call), person=call.person, chat=call.here.conversation, now=call.now)


def _account(call: Call) -> str | None:
    name = call.values.get("ACCOUNT")
    if name is not None and name not in call.relay.accounts:
        raise UsageError(call.relay.unknown_account(name))
    return name


def _wanted(payload: Any, sight: Sight) -> Wanted:
    return replace(_LISTS[payload["what"]][0], account=payload["account"], chat=sight.chat)


def _page(tx: Tx, payload: Any, *, sight: Sight, person: int | None, chat: str, now: float, news: str = "") -> Reply:
    """A page of a list, with buttons that turn it. ``news``: what to say before."""
    _, title, nothing = _LISTS[payload["what"]]
    wanted = _wanted(payload, sight)
    number = sum((there := tx.deliveries.totals(wanted)).values())
    elsewhere = 0 if sight.chat is None else sum(tx.deliveries.totals(replace(wanted, chat=None)).values()) - number
    others = f" {elsewhere} of other chats." if elsewhere else ""
    head = [news] if news else []
    if not number:
        return Reply("\n".join([*head, nothing + others]))
    head.append(f"{title}: {totals(there)}.{others}")
    buttons: tuple[Button, ...] = ()
    if payload["what"] == "failed":
        found = causes(tx.deliveries.by_reason(wanted))
        buttons = _cause_buttons(tx, found, payload, person=person, chat=chat, now=now)
        head += _causes(found)
    # A page that came to be beyond the end is the last one.
    offset = min(payload["offset"], max(number - 1, 0) // PAGE * PAGE)
    rows = tx.deliveries.page(wanted, limit=PAGE, offset=offset)
    lines = _fitting([item(row, now=now, reason_most=REASON_MOST) for row in rows], beside=head)
    end = offset + len(lines)
    foot = [f"{offset + 1} to {end} of {number}, the newest first."] if len(lines) < number else []
    if payload["what"] == "failed":
        foot.append("/show ID, /retry ID or all, /discard ID")
    turns = [("Newer", max(0, offset - PAGE))] if offset else []
    turns += [("Older", end)] if end < number else []
    if turns:
        choices = [(label, f"{label.lower()}={to}") for label, to in turns]
        buttons += deal(tx, PAGES, choices, chat=chat, now=now, person=person, payload=payload, expires_s=PAGE_S)
    return Reply("\n".join([*head, *lines, *foot]), buttons)


def _fitting(lines: Sequence[str], *, beside: Sequence[str]) -> Sequence[str]:
    """As many as one message holds, at least one."""
    room = ANSWER_MOST - sum(utf16_length(line) + 1 for line in beside)
    for count, line in enumerate(lines):
        room -= utf16_length(line) + 1
        if room < 0 and count:
            return lines[:count]
    return lines


@card_kinds.add(PAGES, choices={"older": _OPERATOR, "newer": _OPERATOR})
def turn(press: Press, tx: Tx) -> Pressed:
    """Another page of the same list, as it is now."""
    payload = {**press.payload, "offset": int(press.choice.partition("=")[2])}
    return Pressed("", _page_of(press, tx, payload), outcome=payload["what"])


def _page_of(press: Press, tx: Tx, payload: Any, *, news: str = "") -> Reply:
    return _page(
        tx,
        payload,
        sight=sight_of(press),
        person=press.person,
        chat=press.place.conversation,
        now=press.now,
        news=news,
    )


# --- all of one cause


def selected(tx: Tx, wanted: Wanted, *, cause: str | None = None, words: Sequence[str] = ()) -> Sequence[int]:
    """The ids of those with a cause, or with words in their reason."""
    found = [
        id
        for reason, ids in tx.deliveries.by_reason(wanted).items()
        if (cause is None or cause_of(reason) == cause) and has_words(reason, words)
        for id in ids
    ]
    return sorted(found)


def _causes(found: Sequence[Cause]) -> list[str]:
    shown = [f"{number}. {each.number} × {_short(each)}" for number, each in enumerate(found[:CARDS_MOST], start=1)]
    if len(found) > CARDS_MOST:
        rest = sum(each.number for each in found[CARDS_MOST:])
        shown.append(
            f"… and {rest} for {counted(len(found) - CARDS_MOST, 'other cause')}; /retry all WORDS finds them."
        )
    return shown


def _short(cause: Cause) -> str:
    return one_line(cause.text, most=CAUSE_MOST)


def _cause_buttons(
    tx: Tx, found: Sequence[Cause], payload: Any, *, person: int | None, chat: str, now: float
) -> tuple[Button, ...]:
    buttons: tuple[Button, ...] = ()
    for number, each in enumerate(found[:CARDS_MOST], start=1):
        which = f" (cause {number})" if len(found) > 1 else ""
        some = f"{decisions.AT_ONCE:,} of " if each.number > decisions.AT_ONCE else ""
        these = f"{some}these {each.number:,}{which}"
        buttons += deal(
            tx,
            CAUSE,
            [(f"Retry {these}", "retry"), (f"Discard {these}", "discard")],
            chat=chat,
            now=now,
            person=person,
            payload={**payload, "cause": each.text},
            shown=_bound(each.ids),
        )
    return buttons


def _bound(ids: Sequence[int]) -> str:
    """What a decision about several deliveries is bound to."""
    return ",".join(map(str, ids))


@card_kinds.add(CAUSE, choices={"retry": _OPERATOR, "discard": _OPERATOR})
def by_cause(press: Press, tx: Tx) -> Pressed:
    """Send all of a cause again, or ask whether to let them go: exactly those that were shown."""
    payload = press.payload
    ids = selected(tx, _wanted(payload, sight_of(press)), cause=payload["cause"])
    if digest(_bound(ids)) != press.card.shown:
        return Pressed("The list has changed meanwhile: look again.", _page_of(press, tx, payload), outcome="changed")
    if press.choice == "discard":
        return Pressed("", ask_to_discard(press, tx, ids), outcome="asked")
    sent = decisions.retry_these(tx, ids[: decisions.AT_ONCE], now=press.now)
    text = so_many_again(len(sent), left=len(ids[decisions.AT_ONCE :]), remedy="press once more")
    card = _page_of(press, tx, {**payload, "offset": 0}, news=f"{text} ({press.person_name})")
    return Pressed(text, card, outcome=f"{len(sent)} sent again")


def so_many(number: int, *, to: str = "") -> str:
    """So many deliveries, and the verb."""
    return f"{counted(number, 'delivery')}{f' to {to}' if to else ''} {'is' if number == 1 else 'are'}"


def so_many_again(number: int, *, left: int, to: str = "", remedy: str) -> str:
    """So many deliveries are sent again; what is left, being too many for one transaction, and how it goes on."""
    sent = f"{so_many(number, to=to)} sent again"
    waits = "waits" if left == 1 else "wait"
    return f"{sent}; {left:,} more {waits}: {remedy}." if left else f"{sent}."


def _discard_preview(tx: Tx, services: Services, payload: Any) -> str:
    rows = [row for row in tx.several.rows(payload["ids"]) if row.state in ("dead", "held")]
    if not rows:
        return "None of them waits for a decision any more."
    addresses: dict[str, int] = {}
    for row in rows:
        addresses[row.address] = addresses.get(row.address, 0) + 1
    targets = [f"{address} ({number})" for address, number in list(addresses.items())[:10]]
    others = f" and {len(addresses) - 10} more places" if len(addresses) > 10 else ""
    return (
        f"Discard {counted(len(rows), 'delivery')}?"
        f" {rows[0].id} to {rows[-1].id}, for {', '.join(targets)}{others}.\n"
        "They are not sent then, and this cannot be undone."
        + (f"\n{more:,} more wait and stay: ask once more for these." if (more := payload.get("more", 0)) else "")
    )


@confirmation(DISCARD_ALL, role=_OPERATOR, preview=_discard_preview, yes="Discard")
def _discard(press: Press, tx: Tx) -> Pressed:
    """Let go exactly of those that were shown."""
    ids: list[int] = press.payload["ids"]
    sight = sight_of(press)
    for row in tx.several.rows(ids):
        sight.require(tx, row)
    gone = decisions.discard_these(tx, ids, now=press.now)
    text = f"{so_many(len(gone))} discarded."
    return Pressed(text, Reply(f"{text} ({press.person_name})"), outcome=f"{len(gone)} discarded")


def ask_to_discard(by: Call | Press, tx: Tx, ids: Sequence[int]) -> Reply:
    """Ask before they are let go of: of very many about the oldest."""
    return _discard(by, tx, {"ids": list(ids[: decisions.AT_ONCE]), "more": len(ids[decisions.AT_ONCE :])})
