"""What is planned and what was sent of late: for the calendar file, the picture of the week and ``schedules next``."""

from __future__ import annotations

import asyncio
import heapq
import secrets
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from itertools import islice, takewhile
from typing import Final, TypeAlias

from bot import pending
from bot.addresses import Address
from bot.calendars import ENTRIES_MOST, Entry, State, admits, feed
from bot.plans import message_of, rule_of
from bot.recurrence import Occurrence
from bot.store import Store, Tx
from bot.store.schedules import OccurrenceState, Schedule
from bridges.model import AccountName, Attachment, Message

DAY_S = 86_400.0
SECRET: Final = "calendar_secret"
"""Where the secret of the calendar is kept among what the program keeps for itself."""
HIDDEN: Final = "(secret)"
"""What stands in its place until it is sent."""
CALENDARS = AccountName(":calendar")
"""Whose files these marks are: no account can have this name."""
TITLE = "Patchbay"
BACK_DAYS, AHEAD_DAYS = 14.0, 60.0
"""How far the calendar file reaches."""
EACH_MOST = 300
"""So many occurrences of one schedule are in the calendar file: one that fires all the time leaves room for others."""

_BECAME: Final[dict[OccurrenceState, State]] = {
    "sent": "sent",
    "skipped": "skipped",
    "missed": "missed",
    "asked": "missed",
    "waits": "waits",
    "failed": "missed",
    "dropped": "missed",
}
_COMING: Final[dict[str, State]] = {"on": "planned", "paused": "paused", "waits": "waits"}


def entries(
    tx: Tx,
    *,
    now: float,
    days: float,
    back_days: float = 0.0,
    most: int = ENTRIES_MOST,
    each_most: int | None = None,
    seen: Callable[[Schedule], bool] | None = None,
    chat: str = "",
) -> list[Entry]:
    """What was decided in the days before and what is to come in the days after, in order of time.

    Of more than ``most`` to come the earliest, of more than ``most`` decided the latest; ``each_most``: of one
    schedule. ``seen``: whether somebody may know of a schedule. ``chat``: only of those that were made there.
    """
    to_come = coming(tx, now=now, days=days, each_most=each_most, seen=seen, chat=chat)
    return [*_decided(tx, since=now - back_days * DAY_S, most=most, seen=seen), *islice(to_come, most)]


def coming(
    tx: Tx,
    *,
    now: float,
    days: float,
    each_most: int | None = None,
    seen: Callable[[Schedule], bool] | None = None,
    of: Schedule | None = None,
    chat: str = "",
) -> Iterator[Entry]:
    """What is to come in so many days, in order of time, worked out as it is asked for: it may be very much.

    ``of``: only of this one.
    """
    until = now + days * DAY_S
    schedules: Iterable[Schedule] = tx.schedules.until(until, chat=chat) if of is None else (of,)
    queue: _Queue = []
    for schedule in schedules:
        if seen is not None and not seen(schedule):
            continue
        # This one, and all that follow, have nothing before that.
        while queue and schedule.next_at is not None and queue[0][:2] < (schedule.next_at, schedule.id):
            yield _next(queue)
        _begin(queue, schedule, now=now, until=until, most=each_most)
    while queue:
        yield _next(queue)


_Queue: TypeAlias = list[tuple[float, int, Entry, Iterator[Occurrence]]]
"""Of each schedule at hand: its next instant, its number, the entry for that, and what follows; a heap."""


def _begin(queue: _Queue, schedule: Schedule, *, now: float, until: float, most: int | None) -> None:
    try:
        found = islice(takewhile(lambda each: each.at <= until, pending.upcoming(schedule, now=now)), most)
        first = next(found, None)
        if first is not None:
            entry = _entry(schedule, first.at, _COMING[schedule.state])
            heapq.heappush(queue, (first.at, schedule.id, entry, found))
    except ValueError:
        return  # another version wrote it: the engine tells of it when it is due


def _next(queue: _Queue) -> Entry:
    _, id, entry, rest = queue[0]
    following = next(rest, None)
    if following is None:
        heapq.heappop(queue)
    else:
        heapq.heapreplace(queue, (following.at, id, replace(entry, at=following.at), rest))
    return entry


def _decided(tx: Tx, *, since: float, most: int, seen: Callable[[Schedule], bool] | None) -> Iterator[Entry]:
    known: dict[int, Schedule | None] = {}
    for row in tx.schedules.decided(since=since, limit=most):
        if row.schedule not in known:
            known[row.schedule] = tx.schedules.get(row.schedule)
        schedule = known[row.schedule]
        if schedule is None or (seen is not None and not seen(schedule)):
            continue
        try:
            entry = _entry(schedule, row.at, _BECAME[row.state])
        except ValueError:
            continue  # as above
        yield entry


def _entry(schedule: Schedule, at: float, state: State) -> Entry:
    return Entry(
        schedule=schedule.id,
        at=at,
        name=schedule.name,
        text=message_of(schedule).text,
        targets=", ".join(schedule.targets),
        zone=rule_of(schedule).zone,
        state=state,
    )


# --- the calendar file


def calendar_secret(tx: Tx, *, renew: bool = False) -> str:
    """The secret in the calendar's address, made when it is first asked for; ``renew``: the one before is of no use."""
    secret = tx.meta.get(SECRET)
    if secret is None or renew:
        secret = secrets.token_urlsafe(24)
        tx.meta.set(SECRET, secret)
    return secret


def calendar_url(base: str, secret: str) -> str:
    """The address of the calendar file; ``base``: that of the HTTP server, without a slash at its end."""
    return f"{base}/calendar/{secret}.ics"


def concealed(at: Address) -> Attachment:
    """What goes with words that have ``HIDDEN`` in the place of the calendar's secret, so that they have it when they
    are sent: there, and nowhere else. A message that somebody wrote has no such file, for files of theirs belong to an
    account.
    """
    return Attachment(kind="file", ref=str(at), name="the calendar's address", account=CALENDARS)


def revealed(tx: Tx, *, message: Message, at: str) -> Message:
    """A message as it goes out at an address, with the calendar's secret if that was :func:`concealed` there. What is
    kept of it never has the secret.
    """
    marks = [each for each in message.attachments if each.account == CALENDARS]
    if not marks:
        return message
    secret, text = tx.meta.get(SECRET), message.text
    if secret is not None and any(each.ref == at for each in marks):
        text = text.replace(calendar_url("", HIDDEN), calendar_url("", secret))
    others = tuple(each for each in message.attachments if each.account != CALENDARS)
    return message.model_copy(update={"text": text, "attachments": others})


async def calendar_of(store: Store, given: str, *, clock: Callable[[], float]) -> bytes | None:
    """The calendar file for whoever has its secret; else None. Raises ``StoreError``."""
    secret = await store.read(lambda tx: tx.meta.get(SECRET))
    if not admits(given, secret):
        return None
    now = clock()

    def planned(tx: Tx) -> tuple[list[Entry], str]:
        found = entries(tx, now=now, days=AHEAD_DAYS, back_days=BACK_DAYS, each_most=EACH_MOST)
        return found, tx.meta.instance

    found, instance = await store.read(planned)
    return await asyncio.to_thread(partial(feed, found, now=now, title=TITLE, instance=instance))
