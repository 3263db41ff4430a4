"""What an announcement's message says: how far it is, what is in its way, and at the end what became of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bot.broadcaster import PACE_PER_S, is_away
from bot.broadcasts import kept
from bot.previews import duration_words
from bot.relay import Relay
from bot.store import Tx
from bot.store.broadcasts import Broadcast, Standing
from bot.text import cut

PAUSE, RESUME, STOP, WIPE, RETRY, DELETE = "pause", "resume", "stop", "wipe", "retry", "delete"
CAUSES_MOST = 8
CAUSE_MOST = 200
PLACES_SHOWN = 5
TEXT_MOST = 3900
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
    """Places where it is still to go, by account."""
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
        return self.left.total()

    @property
    def settled(self) -> int:
        """Places where it is decided."""
        return self.total - self.to_do


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
        if states & {"queued", "sending"}:
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


def report(tx: Tx, relay: Relay, broadcast: Broadcast, found: Tally, *, per_s: float | None = None) -> Report:
    """How an announcement stands. ``per_s``: how many places are settled in a second, as far as that is known."""
    waiting = _waiting(tx, relay, broadcast, found)
    stuck = sum(number for account, number in found.left.items() if account in waiting)
    deleting = found.deleted["queued"] + found.deleted["sending"] + found.deleted["told queued"]
    over = not found.to_do and not deleting
    lines = [_head(broadcast, found, all_wait=bool(stuck) and stuck == found.to_do), _numbers(found)]
    if broadcast.state == "running" and found.to_do > stuck:
        lines[-1] += f", about {duration_words((found.to_do - stuck) / (per_s or PACE_PER_S))} to go"
    lines[-1] += "."
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
        case _ if all_wait:
            how = "done as far as it can be just now"
        case _:
            how = "sending"
    return f"📣 Announcement {broadcast.id} to {to}: {how}"


def _numbers(found: Tally) -> str:
    parts = [f"{found.sent} sent", f"{found.failed} failed"]
    parts += [f"{found.cancelled} cancelled"] if found.cancelled else []
    parts += [f"{found.discarded} discarded"] if found.discarded else []
    parts += [f"{len(found.held)} held"] if found.held else []
    parts += [f"{found.to_do} left"] if found.to_do else []
    return ", ".join(parts)


def _waiting(tx: Tx, relay: Relay, broadcast: Broadcast, found: Tally) -> Mapping[str, str]:
    """Accounts that take nothing just now, and why."""
    why = {}
    for account in found.left:
        state = tx.accounts.get(account)
        number, reason = found.troubles.get(account, (0, ""))
        if relay.account(account) is None:
            why[account] = "it is not configured any more"
        elif state.paused:
            why[account] = f"it is paused ({cut(state.reason, CAUSE_MOST)})" if state.reason else "it is paused"
        elif number >= found.left[account] or is_away(tx, broadcast, account):
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
