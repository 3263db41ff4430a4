"""The search in everything that was said."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from bot.addresses import Address, AddressError
from bot.cards import deal
from bot.names import one_line
from bot.said import link_to, moment, shown
from bot.search_line import Query, SearchError, read_query
from bot.store import Tx
from bot.store.said import OLDEST
from bot.store.search import END, HIT, Found, Hit, Sought
from bot.telegram.access import Role
from bot.telegram.cards import Press, Pressed, card_kinds
from bot.telegram.commands.history import OPEN_S, without_buttons
from bot.telegram.commands.registry import Answer, Call, registry
from bot.telegram.horizon import Horizon, horizon_of, stretches
from bot.telegram.replies import Reply, UsageError
from bot.zones import zone_of
from bridges.model import Button

CARD = "search"
MORE = "more"
PAGE = 10
EXCERPT = 160
BEFORE_HIT = 60
NEWEST = 5_000
"""Messages that may not be in the index yet when somebody searches; they are put there first."""
_EXAMPLE = '/search invoice "next week" since:2026-11-01'


@registry.add(
    "search",
    role=Role.OPERATOR,
    usage="text",
    summary="Find what was said, with a link to it",
    example=_EXAMPLE,
    details=(
        'All words must be there, in any case and with or without accents; "words in a row" in quotes; invoi* is a'
        " beginning. in:ADDRESS (or in:here), from:NAME, since:2026-11-01 and until:2026-11-30 narrow it down. Newest"
        " first; taken back or forgotten messages are not found."
    ),
)
def search(call: Call, tx: Tx) -> Answer:
    """The newest hits, and a button for more."""
    return _page(tx, call, call.values["text"], here=call.here, before=OLDEST)


@card_kinds.add(CARD, choices={MORE: Role.OPERATOR})
def more(press: Press, tx: Tx) -> Pressed:
    """The next hits, below."""
    payload = press.payload
    reply = _page(tx, press, payload["text"], here=press.place, before=payload["before"])
    press.relay.tell(tx, press.place, reply.text, now=press.now, buttons=reply.buttons)
    return Pressed("Below.", without_buttons(press))


def _page(tx: Tx, by: Call | Press, text: str, *, here: Address, before: int) -> Reply:
    zone = zone_of(tx, here, by.services.default_timezone)
    horizon = horizon_of(tx, by)
    try:
        query = read_query(text, zone=zone)
    except SearchError as error:
        raise UsageError(str(error)) from error
    tx.search.catch_up(limit=NEWEST)
    found = tx.search.find(_sought(tx, by, query, here=here, horizon=horizon), before=before, limit=PAGE)
    lines = [_line(tx, hit, query, zone=zone, horizon=horizon) for hit in found.hits]
    if not lines:
        lines = ["Nothing more was found." if before != OLDEST else "Nothing was found."]
        if found.before is not None:
            lines = ["Nothing was found among the newest messages that I looked at: More looks further back."]
        elif before == OLDEST:
            lines[0] += " All words must be there; a beginning with a * and in:, from:, since: help: /help search"
    else:
        lines.insert(0, f"Newest first, times in {zone.key}:")
    return Reply("\n".join(lines), _more(tx, by, text, found, here=here))


def _sought(tx: Tx, by: Call | Press, query: Query, *, here: Address, horizon: Horizon) -> Sought:
    within = None
    if query.place:
        try:
            address = by.relay.parse_target(tx, query.place, here=here, seen=horizon.knows)
        except AddressError as error:
            raise UsageError(f"in: {error}") from error
        horizon.require(address, typed=query.place)
        within = tuple(stretches(address))
    return Sought(
        match=query.match,
        pieces=query.pieces,
        sender=query.sender,
        since=query.since,
        until=query.until,
        within=within,
        seen=horizon.seen,
        partly=horizon.partly,
        chat=horizon.chat or "",
    )


def _line(tx: Tx, hit: Hit, query: Query, *, zone: ZoneInfo, horizon: Horizon) -> str:
    name = one_line(hit.sender_name) or one_line(hit.sender_id) or "somebody"
    title = one_line(tx.conversations.title(hit.account, hit.conversation))
    address = f"{hit.account}:{hit.conversation}"
    place = f"{title} ({address})" if title else address
    link = link_to(tx, hit.id, chat=horizon.chat)
    return f"{moment(hit.at, zone)} {name} at {place}: {excerpt(hit, query.pieces)}" + (f" {link}" if link else "")


def excerpt(hit: Hit, pieces: tuple[str, ...]) -> str:
    """The words around what was found."""
    text = hit.excerpt or hit.text
    at = text.find(HIT)
    if at < 0:
        found = [place for place in (text.lower().find(piece.lower()) for piece in pieces) if place >= 0]
        at = min(found, default=0)
    start = max(at - BEFORE_HIT, 0)
    words = text[start : start + 2 * EXCERPT].replace(HIT, "").replace(END, "")
    return ("…" if start else "") + shown(words, most=EXCERPT)


def _more(tx: Tx, by: Call | Press, text: str, found: Found, *, here: Address) -> tuple[Button, ...]:
    if found.before is None:
        return ()
    return deal(
        tx,
        CARD,
        [("More", MORE)],
        chat=here.conversation,
        now=by.now,
        person=by.person,
        payload={"text": text, "before": found.before},
        expires_s=OPEN_S,
    )
