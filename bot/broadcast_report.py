"""What an announcement's message says: how far it is, what is in its way, and at the end what became of it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, cast
from zoneinfo import ZoneInfo

from bot.addresses import TELEGRAM
from bot.broadcaster import PACE_PER_S, is_away
from bot.broadcasts import home_of, kept
from bot.previews import duration_words
from bot.relay import Relay
from bot.store import Tx
from bot.store.broadcasts import Broadcast, Standing
from bot.store.outbox import State
from bot.text import cut
from bot.zones import local, zone_of

PAUSE, RESUME, STOP, WIPE, RETRY, DELETE = "pause", "resume", "stop", "wipe", "retry", "delete"
CAUSES_MOST = 8
CAUSE_MOST = 200
PLACES_SHOWN = 5
TEXT_MOST = 3900
_WORST: tuple[State, ...] = ("sending", "queued", "held", "dead", "expired", "cancelled", "discarded", "sent")
_URGENCY: Mapping[str, int] = {state: place for place, state in enumerate(_WORST)}
_HALTING = ((STOP, "Stop"), (WIPE, "Stop and delete"))


@dataclass
class Tally:
    """What became of an announcement at its places."""

    total: int = 0
    sent: int = 0
    failed: int = 0
    cancelled: int = 0
    discarded: int = 0
    held: list[str] = field(default_factory=list)
    left: Counter[str] = field(default_factory=Counter)
    """Places where it is still to go, by account, without those that wait for their time."""
    later: Counter[str] = field(default_factory=Counter)
    """Places that wait for their time: their quiet hours, or what spreads them."""
    later_at: float = math.inf
    """When the first of these comes."""
    moving: int = 0
    """Of these, those that it is on its way to."""
    halves: int = 0
    """Places that have only the beginning."""
    causes: dict[str, list[str]] = field(default_factory=dict)
    """Places where it failed, by the reason."""
    tries: Counter[str] = field(default_factory=Counter)
    """Requests that left in vain, by the reason."""
    troubles: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Of each account: how many wait for their next try, and the latest reason."""
    deleted: Counter[str] = field(default_factory=Counter)

    @property
    def to_do(self) -> int:
        """Places where it is still to go."""
        return self.left.total() + self.later.total()

    @property
    def settled(self) -> int:
        """Places where it is decided."""
        return self.total - self.to_do


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of an announcement at one of its targets."""

    address: str
    state: State | Literal["deleted"]
    """``queued`` and ``sending``: it is not over yet. ``deleted``: it was sent, and taken back since."""
    error: str
    """Why it is no better; empty: nothing is wrong."""
    at: float
    """When that became of it; for what waits: when it is due. Seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class Report:
    """What is to be shown."""

    text: str
    choices: tuple[tuple[str, str], ...]
    """The buttons: choice and label."""
    over: bool
    """Nothing is left to do."""


def tally(standings: Sequence[Standing]) -> Tally:
    """Count places: one that is given several messages is one."""
    found = Tally()
    places: dict[tuple[str, str], list[Standing]] = {}
    for each in standings:
        if each.op == "send":
            places.setdefault((each.account, each.conversation), []).append(each)
        else:
            found.deleted[each.state if each.op == "delete" else f"told {each.state}"] += each.number
    for (account, conversation), rows in places.items():
        states, address = {row.state for row in rows}, f"{account}:{conversation}"
        found.total += 1
        waits = [row.later for row in rows if row.later is not None]
        if waits and "sending" not in states:
            found.later[account] += 1
            found.later_at = min(found.later_at, *waits)
        elif states & {"queued", "sending"}:
            found.left[account] += 1
            found.moving += any(row.state == "sending" or not (row.parked or row.error) for row in rows)
        elif "held" in states:
            found.held.append(address)
        elif states & {"dead", "expired"}:
            found.failed += 1
            cause = next(row.error for row in rows if row.state in ("dead", "expired"))
            found.causes.setdefault(cause, []).append(address)
            found.tries[cause] += sum(row.tries for row in rows if row.error == cause)
        elif "cancelled" in states:
            found.cancelled += 1
            found.halves += "sent" in states
        elif "discarded" in states:
            found.discarded += 1
        else:
            found.sent += 1
        for row in rows:
            if row.state == "queued" and row.error and not row.parked:
                number, _ = found.troubles.get(account, (0, ""))
                found.troubles[account] = (number + 1, row.error)
    return found


def report(
    tx: Tx,
    relay: Relay,
    broadcast: Broadcast,
    found: Tally,
    *,
    per_s: float | None = None,
    now: float = math.inf,
    zone: str = "UTC",
) -> Report:
    """How an announcement stands. ``per_s``: how many places are settled in a second, as far as that is known. ``now``:
    what counts as sent by then. ``zone``: that of its times where its chat has none.
    """
    waiting = _waiting(tx, relay, found, now=now)
    stuck = sum(number for account, number in found.left.items() if account in waiting)
    deleting = found.deleted["queued"] + found.deleted["sending"] + found.deleted["told queued"]
    over = not found.to_do and not deleting
    moving = found.left.total() - stuck
    lines = [_head(broadcast, found, all_wait=bool(stuck) and not moving), _numbers(found)]
    if broadcast.state == "running" and moving:
        lines[-1] += f", about {duration_words(moving / (per_s or PACE_PER_S))} to go"
    lines[-1] += "."
    if found.later:
        lines.append(_later(tx, broadcast, found, zone=zone))
    if broadcast.state != "stopped":
        for account, why in waiting.items():
            lines.append(
                f"{found.left[account]} {'waits' if found.left[account] == 1 else 'wait'} for {account}: {why}."
            )
    if found.held:
        lines.append(f"{len(found.held)} held, for they may have arrived: {_places(found.held)}. /held decides.")
    if found.halves:
        lines.append(f"{found.halves} of those that were cancelled have only the beginning of it.")
    for cause, places in sorted(found.causes.items(), key=lambda item: -len(item[1]))[:CAUSES_MOST]:
        # So one sees that it was tried again, though the reason is the same.
        tried = f", tried {found.tries[cause]} times in all" if found.tries[cause] > len(places) else ""
        why = cut(cause or "no reason is known", CAUSE_MOST).rstrip(".")
        lines.append(f"{len(places)} × {why}{tried}: {_places(places)}.")
    if len(found.causes) > CAUSES_MOST:
        lines.append(f"… and {len(found.causes) - CAUSES_MOST} more reasons; /failed lists them.")
    lines += _deleted(found)
    if note := kept(broadcast).note:
        lines.append(note)
    return Report(cut("\n".join(lines), TEXT_MOST), _choices(broadcast, found, over=over), over)


def _head(broadcast: Broadcast, found: Tally, *, all_wait: bool) -> str:
    to = f"{found.total} target{'s' if found.total != 1 else ''}"
    match broadcast.state:
        case "paused":
            how = "paused"
        case "stopped":
            how = f"stopping, {found.to_do} under way" if found.to_do else "stopped"
        case _ if not found.to_do:
            how = "done"
        case _ if not found.left:
            how = "waiting"
        case _ if all_wait:
            how = "done as far as it can be just now"
        case _:
            how = "sending"
    if broadcast.label:
        return f"📣 {broadcast.label}: announcement {broadcast.id} to {to}, {how}"
    return f"📣 Announcement {broadcast.id} to {to}: {how}"


def _numbers(found: Tally) -> str:
    parts = [f"{found.sent} sent", f"{found.failed} failed"]
    parts += [f"{found.cancelled} cancelled"] if found.cancelled else []
    parts += [f"{found.discarded} discarded"] if found.discarded else []
    parts += [f"{len(found.held)} held"] if found.held else []
    parts += [f"{found.to_do} left"] if found.to_do else []
    return ", ".join(parts)


def _later(tx: Tx, broadcast: Broadcast, found: Tally, *, zone: str) -> str:
    """What waits for its time, and until when."""
    number = found.later.total()
    at = local(found.later_at, zone_of(tx, home_of(broadcast), zone) if broadcast.chat else ZoneInfo(zone))
    who = "1 waits for its" if number == 1 else f"{number} wait for their"
    return f"{who} quiet hours to end or for the time that spreads them out, the first at {at}."


def lacks_account(tx: Tx, relay: Relay, broadcast: Broadcast, *, now: float) -> bool:
    """Whether something of it waits for an account that takes nothing just now; Telegram aside, where nothing could be
    said about that.
    """
    waiting = _waiting(tx, relay, tally(tx.broadcasts.standings(broadcast.id)), now=now)
    return any(account != TELEGRAM or tx.accounts.get(account).paused for account in waiting)


def receipts(tx: Tx, broadcast: Broadcast) -> list[Receipt]:
    """What became of an announcement at each of its targets, in their order: of several messages the worst."""
    places: dict[str, list[tuple[str, str, float]]] = {}
    deleted: dict[str, list[tuple[str, str, float]]] = {}
    for account, conversation, op, state, error, at in tx.broadcasts.receipts(broadcast.id):
        of_op = places if op == "send" else deleted
        of_op.setdefault(f"{account}:{conversation}", []).append((state, error, at))
    told = kept(broadcast)
    found = []
    for address, rows in places.items():
        state, error, at = min(rows, key=lambda row: (_URGENCY[row[0]], -row[2]))
        if state == "sent" and address in deleted:
            undone = [why for deletion, why, _ in deleted[address] if deletion != "sent"]
            if undone:
                error = f"not deleted: {undone[0]}" if undone[0] else "not deleted yet"
            else:
                state, error, at = "deleted", "", max(when for _, _, when in deleted[address])
        elif state == "cancelled" and told.unsent:
            error = told.unsent
        elif state == "sent" and told.wiped:
            why = told.stays.get(address.partition(":")[0], "")
            error = f"not deleted: {why}" if why else "not deleted"
        found.append(Receipt(address, cast(State, state), error, at))
    return found


def _waiting(tx: Tx, relay: Relay, found: Tally, *, now: float) -> Mapping[str, str]:
    """Accounts that take nothing just now, and why."""
    why = {}
    for account in found.left:
        state = tx.accounts.get(account)
        number, reason = found.troubles.get(account, (0, ""))
        if relay.account(account) is None:
            why[account] = "it is not configured any more"
        elif state.paused:
            why[account] = f"it is paused ({cut(state.reason, CAUSE_MOST)})" if state.reason else "it is paused"
        elif number >= found.left[account] or is_away(tx, account, now=now):
            why[account] = f"it does not take messages just now ({cut(reason, CAUSE_MOST)})"
    return why


def _deleted(found: Tally) -> list[str]:
    done, open_ = found.deleted["sent"], found.deleted["queued"] + found.deleted["sending"]
    not_done = found.deleted["dead"] + found.deleted["expired"] + found.deleted["held"]
    told = sum(number for state, number in found.deleted.items() if state.startswith("told "))
    parts = [f"{done} deleted"] if done or open_ else []
    parts += [f"{open_} to be deleted"] if open_ else []
    parts += [f"{told} only told that it was deleted"] if told else []
    parts += [f"{not_done} could not be deleted (/failed)"] if not_done else []
    return [f"Messages: {', '.join(parts)}."] if parts else []


def _places(addresses: Sequence[str]) -> str:
    more = len(addresses) - PLACES_SHOWN
    return ", ".join(addresses[:PLACES_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _choices(broadcast: Broadcast, found: Tally, *, over: bool) -> tuple[tuple[str, str], ...]:
    match broadcast.state:
        case "running" if not over:
            return ((PAUSE, "Pause"), *_HALTING)
        case "paused":
            return ((RESUME, "Resume"), *_HALTING)
        case _ if over and not kept(broadcast).wiped:
            again = ((RETRY, "Retry failed"),) if found.failed else ()
            return (*again, *(((DELETE, "Delete"),) if found.sent else ()))
        case _:
            return ()
