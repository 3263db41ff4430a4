"""``history``: all that was said in a conversation, for reading or to be imported elsewhere."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from typing import Protocol
from zoneinfo import ZoneInfo

import click

from bot.addresses import TELEGRAM, Address, AddressError, parse_address
from bot.cli.common import Problem, opened, run_async, settings_of
from bot.said import Line, told_at, was_sent, was_written
from bot.settings import Settings
from bot.store import Store, Tx

AT_ONCE = 500
EXAMPLE = "2026-11-01 or 2026-11-01T09:30:00Z"


@click.command("history")
@click.argument("address")
@click.option("--json", "as_json", is_flag=True, help="JSON Lines, as import-history reads them")
@click.option("--since", metavar="TIME", help=f"Only from then on: {EXAMPLE}")
@click.option("--until", metavar="TIME", help="Only before then; a day is meant whole")
@click.pass_context
def history_of(context: click.Context, address: str, as_json: bool, since: str | None, until: str | None) -> None:
    """Print what was written at ADDRESS and what arrived there from elsewhere, the oldest first.

    Commands to the bot, its own answers and what did not arrive are left out.
    """
    settings = settings_of(context)
    zone = ZoneInfo(settings.telegram.default_timezone)
    first, last = _instant("--since", since, zone, late=False), _instant("--until", until, zone, late=True)
    wanted = (first or 0.0, float("inf") if last is None else last)
    shown = _json if as_json else partial(_plain, zone=zone)
    number = run_async(lambda: _print(settings, address, wanted, shown))
    if not number and not as_json:
        click.echo(f"Nothing is known of what was said at {address}.", err=True)


async def _print(settings: Settings, word: str, wanted: tuple[float, float], shown: Callable[[Line], str]) -> int:
    number = 0
    async with opened(settings) as store:
        place = await store.read(lambda tx: _place(tx, word, settings))
        async for line in lines_of(store, place):
            if wanted[0] <= line.at < wanted[1]:
                sys.stdout.write(shown(line) + "\n")
                number += 1
    return number


def _place(tx: Tx, word: str, settings: Settings) -> Address:
    try:
        place = parse_address(tx.names.get(word.lower()) or word)
    except AddressError as error:
        raise Problem(str(error)) from error
    if place.account != TELEGRAM and place.account not in settings.accounts:
        known = ", ".join([TELEGRAM, *settings.accounts])
        raise Problem(f"there is no account {str(place.account)!r}; configured: {known}")
    return place


async def lines_of(store: Store, place: Address) -> AsyncIterator[Line]:
    """Everything that was said there, some rows in memory at a time, in the order of time as far as both sides kept
    it."""
    written, sent = _Ahead(store, place, was_written), _Ahead(store, place, was_sent)
    while True:
        one, other = await written.head(), await sent.head()
        if one is None and other is None:
            return
        source = written if other is None or (one is not None and one.at <= other.at) else sent
        yield source.take()


class _Reads(Protocol):
    def __call__(self, tx: Tx, /, place: Address, *, after: int, limit: int) -> tuple[Sequence[Line], int | None]: ...


class _Ahead:
    """One side of a conversation, read a page ahead."""

    def __init__(self, store: Store, place: Address, read: _Reads) -> None:
        self._store = store
        self._place = place
        self._read = read
        self._after: int | None = 0
        self._lines: list[Line] = []

    async def head(self) -> Line | None:
        """The next one; None: there is none."""
        while not self._lines and self._after is not None:
            page = partial(self._read, place=self._place, after=self._after, limit=AT_ONCE)
            lines, self._after = await self._store.read(page)
            self._lines = list(reversed(lines))
        return self._lines[-1] if self._lines else None

    def take(self) -> Line:
        """Go on behind it."""
        return self._lines.pop()


def _json(line: Line) -> str:
    return json.dumps(
        {
            "id": line.id,
            "at": told_at(line.at),
            "sender": {"id": line.sender_id, "name": line.sender_name},
            "text": line.text,
        },
        ensure_ascii=False,
    )


def _plain(line: Line, *, zone: ZoneInfo) -> str:
    at = datetime.fromtimestamp(line.at, UTC).astimezone(zone)
    words = "\n    ".join(line.text.splitlines())
    text = f"{at:%Y-%m-%d %H:%M:%S} {'→' if line.sent else '←'} {line.sender_name}: {words}"
    # A terminal is not to act on what somebody wrote.
    return "".join(char if char.isprintable() or char == "\n" else "\N{REPLACEMENT CHARACTER}" for char in text)


def _instant(option: str, text: str | None, zone: ZoneInfo, *, late: bool) -> float | None:
    if text is None:
        return None
    try:
        if len(text) == len("2026-11-01"):
            day = date.fromisoformat(text) + timedelta(days=late)
            return datetime.combine(day, time(), zone).timestamp()
        at = datetime.fromisoformat(text)
        return (at if at.tzinfo is not None else at.replace(tzinfo=zone)).timestamp()
    except (ValueError, OverflowError) as error:
        raise Problem(f"{option}: {text!r} is no time; write it as in {EXAMPLE}") from error
