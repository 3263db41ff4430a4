"""What was said in a conversation, in both directions, a page at a time."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from bot.addresses import Address, parse_address
from bot.cards import deal
from bot.said import Cursor, Page, look_back
from bot.store import Tx
from bot.telegram.access import Role
from bot.telegram.cards import Press, Pressed, card_kinds
from bot.telegram.commands.registry import Answer, Call, count, registry
from bot.telegram.horizon import horizon_of
from bot.telegram.replies import Reply
from bot.zones import zone_of
from bridges.model import Button

CARD = "history"
OLDER = "older"
USUAL, MOST = 20, 100
OPEN_S = 3600.0


@registry.add(
    "history",
    role=Role.OPERATOR,
    usage="ADDRESS [n]",
    summary="What was written and sent in a conversation",
    example="/history support:room-42 20",
    details=(
        "← was written there, → was sent there; what did not arrive says why. Oldest first; the button Older goes"
        f" further back. At most {MOST} at once. Commands and the bot's own answers are left out."
    ),
)
def history(call: Call, tx: Tx) -> Answer:
    """The last of it, and a button for what was before."""
    address = call.target(tx, call.values["ADDRESS"])
    horizon = horizon_of(tx, call)
    horizon.require(address)
    n = count(call, usual=USUAL, most=MOST)
    zone = zone_of(tx, call.here, call.services.default_timezone)
    page = look_back(tx, address, n=n, zone=zone, chat=horizon.chat, brought=horizon.is_partial(address))
    if not page.lines:
        return Reply(f"I know of nothing that was said at {address}.")
    buttons = _older(tx, address, page, n=n, chat=call.here, person=call.person, now=call.now)
    return Reply("\n".join([_heading(address, zone), *page.lines]), buttons)


def _heading(address: Address, zone: ZoneInfo) -> str:
    return f"{address} (← written there, → sent there; times in {zone.key})"


def _older(
    tx: Tx, address: Address, page: Page, *, n: int, chat: Address, person: int | None, now: float
) -> tuple[Button, ...]:
    if page.older is None:
        return ()
    payload = {"address": str(address), "n": n, "written": page.older.written, "sent": page.older.sent}
    return deal(
        tx,
        CARD,
        [("Older", OLDER)],
        chat=chat.conversation,
        now=now,
        person=person,
        payload=payload,
        expires_s=OPEN_S,
    )


@card_kinds.add(CARD, choices={OLDER: Role.OPERATOR})
def older(press: Press, tx: Tx) -> Pressed:
    """What was before, below."""
    payload = press.payload
    address = parse_address(payload["address"])
    horizon = horizon_of(tx, press)
    horizon.require(address)
    zone = zone_of(tx, press.place, press.services.default_timezone)
    cursor = Cursor(payload["written"], payload["sent"])
    brought = horizon.is_partial(address)
    page = look_back(tx, address, n=payload["n"], zone=zone, chat=horizon.chat, brought=brought, cursor=cursor)
    buttons = _older(tx, address, page, n=payload["n"], chat=press.place, person=press.person, now=press.now)
    text = "\n".join([_heading(address, zone), *page.lines]) if page.lines else f"Nothing is older at {address}."
    press.relay.tell(tx, press.place, text, now=press.now, buttons=buttons)
    return Pressed("Below.", without_buttons(press), outcome=str(address))


def without_buttons(press: Press) -> Reply | None:
    """The card as it is, but for its buttons: these are used up."""
    text = press.message.text if press.message is not None else None
    return Reply(text) if text else None
