"""What is planned and what was sent of late: for the calendar file, the picture of the week and ``schedules next``."""

from __future__ import annotations

import asyncio
import heapq
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice, takewhile
from typing import Final, TypeAlias
from zoneinfo import ZoneInfo

from bot import pending
from bot.addresses import Address, is_within, parse_address
from bot.calendars import ALONE_MOST, ENTRIES_MOST, Entry, State, admits, feed
from bot.placeholders import CHAT, fill, needs_chat, values
from bot.plans import message_of, rule_of
from bot.recurrence import Cron, Interval, Rule, latest
from bot.store import Store, Tx
from bot.store.schedules import OccurrenceRow, OccurrenceState, Schedule
from bot.targets import meant
from bridges.model import AccountName, Attachment, Message

DAY_S = 86_400.0
SECRET: Final = "calendar_secret"
"""Where the secret of the calendar is kept among what the program keeps for itself."""
HIDDEN: Final = "(secret)"
"""What stands in its place until it is sent."""
CALENDARS = AccountName(":calendar")
"""Whose files these marks are: no account can have this name."""
TITLE = "Patchbay"
ELSEWHERE = "another chat"
"""What is told of a target beyond somebody's reach."""
BACK_DAYS, AHEAD_DAYS = 14.0, 60.0
"""How far the calendar file reaches."""
SOMEWHERE = "…"
"""Stands for ``{chat}`` where the words of all targets are told at once."""
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


def is_made_in(schedule: Schedule, chat: Address) -> bool:
    """Whether a schedule was made in a chat, or in one of its topics."""
    return bool(schedule.chat) and is_within(parse_address(schedule.chat), chat)


def told_targets(tx: Tx, schedule: Schedule, reaches: Callable[[Address], bool]) -> tuple[str, ...]:
    """Its targets as they are told to somebody: what is beyond their reach, or may be, is not."""
    return tuple(dict.fromkeys(each if is_reached(tx, each, reaches) else ELSEWHERE for each in schedule.targets))


def is_reached(tx: Tx, target: str, reaches: Callable[[Address], bool]) -> bool:
    """Whether all that one of its targets leads to is within somebody's reach; of nothing nobody knows that."""
    found = meant(tx, target)
    return bool(found) and all(map(reaches, found))


def entries(
    tx: Tx,
    *,
    now: float,
    days: float,
    back_days: float = 0.0,
    most: int = ENTRIES_MOST,
    each_most: int | None = None,
    seen: Callable[[Schedule], bool] | None = None,
    reaches: Callable[[Address], bool] | None = None,
    chat: str = "",
    by_day: ZoneInfo | None = None,
) -> list[Entry]:
    """What was decided in the days before and what is to come in the days after, in order of time.

    Of more than ``most`` to come the earliest, of more than ``most`` decided the latest; ``each_most``: of one
    schedule. ``seen``: whether somebody may know of a schedule; ``reaches``: of what is at an address. ``chat``: only
    of those that were made there.
    """
    to_come = coming(tx, now=now, days=days, each_most=each_most, seen=seen, chat=chat, by_day=by_day)
    found = [*_decided(tx, since=now - back_days * DAY_S, most=most, seen=seen), *islice(to_come, most)]
    return found if reaches is None else _told(tx, found, reaches)


def _told(tx: Tx, found: Sequence[Entry], reaches: Callable[[Address], bool]) -> list[Entry]:
    """The same, with the targets that are told of."""
    told: dict[int, str] = {}
    for each in found:
        if each.schedule not in told:
            schedule = tx.schedules.get(each.schedule)
            told[each.schedule] = "" if schedule is None else ", ".join(told_targets(tx, schedule, reaches))
    return [replace(each, targets=told[each.schedule]) for each in found]


def coming(
    tx: Tx,
    *,
    now: float,
    days: float,
    each_most: int | None = None,
    seen: Callable[[Schedule], bool] | None = None,
    of: Schedule | None = None,
    chat: str = "",
    by_day: ZoneInfo | None = None,
) -> Iterator[Entry]:
    """What is to come in so many days, in order of time, worked out as it is asked for: it may be very much.

    ``of``: only of this one. ``by_day``: of a schedule that fires often there is one entry for each day in that zone.
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
        _begin(queue, schedule, now=now, until=until, most=each_most, by_day=by_day)
    while queue:
        yield _next(queue)


_Queue: TypeAlias = list[tuple[float, int, Entry, Iterator[Entry]]]
"""Of each schedule at hand: its next instant, its number, the entry for that, and what follows; a heap."""


def _begin(
    queue: _Queue, schedule: Schedule, *, now: float, until: float, most: int | None, by_day: ZoneInfo | None
) -> None:
    try:
        found = islice(_planned(schedule, now=now, until=until, by_day=by_day), most)
        first = next(found, None)
        if first is not None:
            heapq.heappush(queue, (first.at, schedule.id, first, found))
    except ValueError:
        return  # another version wrote it: the engine tells of it when it is due


def _next(queue: _Queue) -> Entry:
    _, id, entry, rest = queue[0]
    following = next(rest, None)
    if following is None:
        heapq.heappop(queue)
    else:
        heapq.heapreplace(queue, (following.at, id, following, rest))
    return entry


def _planned(schedule: Schedule, *, now: float, until: float, by_day: ZoneInfo | None) -> Iterator[Entry]:
    """The entries of what is to come of one, with the words that go out as far as they are known."""
    rule, message = rule_of(schedule), message_of(schedule)
    entry = _entry(schedule, 0.0, _COMING[schedule.state], message.text)
    number = schedule.fired + 1
    if by_day is not None and _is_often(rule):
        found = _days(schedule, rule, now=now, until=until, zone=by_day)
    else:
        instants = takewhile(lambda each: each.at <= until, pending.upcoming(schedule, now=now))
        found = ((each.at, 0.0, 1) for each in instants)
    for at, last, count in found:
        text = message.text
        if "{" in text:
            known = values(at=at, zone=rule.zone, end=schedule.ends_at, number=number)
            text = fill(Message(text=text), {**known, CHAT: SOMEWHERE}).text
        yield replace(entry, at=at, until=last, count=count, text=text)
        number += count


def _is_often(rule: Rule) -> bool:
    """Whether it fires more often in a day than is shown one by one."""
    match rule.pattern:
        case Interval(seconds):
            return seconds * ALONE_MOST < DAY_S
        case Cron(minutes, hours):
            return len(minutes) * len(hours) > ALONE_MOST
        case _:
            return False


def _days(
    schedule: Schedule, rule: Rule, *, now: float, until: float, zone: ZoneInfo
) -> Iterator[tuple[float, float, int]]:
    """Of each day with anything to come the first instant, the last and how many there are; counted by arithmetic."""
    first = next(pending.upcoming(schedule, now=now), None)
    while first is not None and first.at <= until:
        tomorrow = datetime.fromtimestamp(first.at, UTC).astimezone(zone).date() + timedelta(days=1)
        end = min(datetime(tomorrow.year, tomorrow.month, tomorrow.day, tzinfo=zone).timestamp() - 1.0, until)
        after = first.at - 1.0
        count, last = latest(rule, made_at=schedule.made_at, after=after, upto=end, end=schedule.ends_at)
        count -= sum(after < each <= end and each % 1 == 0 for each in schedule.decided)
        yield first.at, first.at if last is None else last.at, max(count, 1)
        first = next(pending.upcoming(schedule, now=end), None)


def _decided(tx: Tx, *, since: float, most: int, seen: Callable[[Schedule], bool] | None) -> Iterator[Entry]:
    known: dict[int, Schedule | None] = {}
    for row in tx.schedules.decided(since=since, limit=most):
        if row.schedule not in known:
            known[row.schedule] = tx.schedules.get(row.schedule)
        schedule = known[row.schedule]
        if schedule is None or (seen is not None and not seen(schedule)):
            continue
        try:
            entry = _entry(schedule, row.at, _BECAME[row.state], _words(tx, schedule, row))
        except ValueError:
            continue  # as above
        yield entry


def _words(tx: Tx, schedule: Schedule, row: OccurrenceRow) -> str:
    """What was sent, or would have been."""
    sent = None if row.broadcast is None else tx.broadcasts.get(row.broadcast)
    text = message_of(schedule).text if sent is None else sent.text
    if sent is None:
        known = values(at=row.at, zone=rule_of(schedule).zone, end=schedule.ends_at, number=row.number)
        return fill(Message(text=text), {**known, CHAT: SOMEWHERE}).text
    # What has no {chat} in it was filled in as a whole.
    return fill(Message(text=text), {CHAT: SOMEWHERE}).text if needs_chat(text) else text


def _entry(schedule: Schedule, at: float, state: State, text: str) -> Entry:
    return Entry(
        schedule=schedule.id,
        at=at,
        name=schedule.name,
        text=text,
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
