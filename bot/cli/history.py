"""``import-history``: past messages into a provider that keeps their time."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import sqlite3
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Self, cast
from zoneinfo import ZoneInfo

import click

from bot.accounts import ProviderAccount
from bot.addresses import TELEGRAM, Address, AddressError, parse_address
from bot.cli.common import Problem, opened, remembering, run_async, settings_of
from bot.history import History, HistoryError, open_history, shown_short
from bot.imports import CHANGED_SHOWN, PEOPLE_MOST, End, Importer, Recalling, Survey, Totals, stage, survey
from bot.relay import rule_of
from bot.routing import Arrow
from bot.settings import Settings, secrets
from bot.store import Tx
from bot.store.imports import ImportState
from bot.store.sqlite import SqliteStore
from bridges.api import Imports
from bridges.errors import Refused
from bridges.registry import PROVIDERS

if TYPE_CHECKING:
    from click._termui_impl import ProgressBar

TELL_EVERY_S = 5.0
TELL_EVERY_SHARE = 20
"""Without a terminal, progress is told every few seconds or every twentieth of the way."""
REASONS_SHOWN = 10


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What the command line asks for."""

    account: str
    to: str | None
    dry_run: bool
    resend_unknown: bool
    resend_refused: bool


@click.command("import-history")
@click.argument("account")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--to", metavar="ADDRESS", help="Where to; else the conversation that an exported Telegram chat is linked to"
)
@click.option("--chat", metavar="ID|NAME", help="Which chat, if FILE is an export of several")
@click.option("--dry-run", is_flag=True, help="Read and check everything; send and store nothing")
@click.option("--resend-unknown", is_flag=True, help="Send again what may or may not have arrived")
@click.option("--resend-refused", is_flag=True, help="Send again what was refused")
@click.pass_context
def import_history(
    context: click.Context,
    account: str,
    file: Path,
    to: str | None,
    chat: str | None,
    dry_run: bool,
    resend_unknown: bool,
    resend_refused: bool,
) -> None:
    """Bring the past messages of FILE into a provider that keeps their time.

    FILE is JSON Lines or the result.json of Telegram Desktop. It may be stopped and run again at any time: what was
    sent is not sent again, and what came to FILE since is added.
    """
    settings = settings_of(context)
    _configure_logs(settings)
    provider = _provider(settings, account)
    try:
        zone = ZoneInfo(settings.telegram.default_timezone)
        history = open_history(file, chat=chat, zone=zone, now=datetime.now(UTC))
        with _Progress("reading", length=file.stat().st_size, unit="bytes") as progress:
            found = survey(history, capabilities=provider.capabilities, heard=progress.add)
    except HistoryError as error:
        raise Problem(str(error)) from error
    except sqlite3.Error as error:
        raise Problem(_no_room(file, error)) from error
    except OSError as error:
        raise Problem(f"{file}: cannot be read ({error.strerror})") from error
    if not found.messages:
        raise Problem(f"{file}: holds no message to send{_left_out(found, before='; left out: ')}")
    wanted = _Wanted(account, to, dry_run, resend_unknown, resend_refused)
    context.exit(run_async(lambda: _import(settings, provider, history, found, wanted)))


def _configure_logs(settings: Settings) -> None:
    from bot.logs import configure

    configure(level="error", secrets=secrets(settings), stream=sys.stderr)


def _provider(settings: Settings, name: str) -> ProviderAccount:
    from bot.app import provider_accounts

    if name not in settings.accounts:
        known = ", ".join(settings.accounts) or "none"
        raise Problem(f"there is no account {name!r} in the configuration; there are: {known}")
    account = provider_accounts(settings)[name]
    if not isinstance(account.bridge, Imports):
        able = (
            ", ".join(bridge.title for bridge in PROVIDERS.values() if issubclass(cast(type, bridge), Imports))
            or "none"
        )
        raise Problem(
            f"account {name}: {account.bridge.title} does not keep the time of past messages; that can: {able}"
        )
    return account


async def _import(
    settings: Settings, provider: ProviderAccount, history: History, found: Survey, wanted: _Wanted
) -> int:
    async with opened(settings) as store, remembering(provider, store) as account:
        target = await store.read(lambda tx: _target(tx, account, history, wanted.to))
        _describe(history, found, target, settings=settings)
        if wanted.dry_run:
            totals = await _stage(store, account, history, found, target, write=False)
            _tell_totals(totals)
            click.echo("Nothing was sent or stored.")
            return 1 if totals.changed else 0
        with _only_one(settings.store.path):
            totals = await _stage(store, account, history, found, target, write=True)
            _tell_totals(totals)
            if late := await store.read(lambda tx: tx.imports.count_late(account.name, target.conversation)):
                click.echo(f"{late} are older than what was sent before and come behind it", err=True)
            Recalling(store, account)
            with _Signals() as signals:
                ended, run = await _send(store, account, target, wanted, signals)
            counts = await store.read(lambda tx: tx.imports.count(account.name, target.conversation))
            refused, unknown = await store.read(lambda tx: _reasons(tx, target))
        left = counts["new"] + counts["sending"]
        click.echo(f"{_numbers(run, to=f' to {target}')}, {left} left.")
        click.echo(f"Together with earlier runs: {_numbers(counts)}.")
        _tell("refused", refused, remedy="mend the reason, then add --resend-refused")
        _tell("in doubt, for it may have arrived", unknown, remedy="look there, then add --resend-unknown")
        failed = bool(refused or unknown or totals.changed)
        return _tell_end(ended, left=left, account=account.name, signals=signals, failed=failed)


def _numbers(counts: Mapping[ImportState, int], *, to: str = "") -> str:
    return f"{counts['sent']} sent{to}, {counts['refused']} refused, {counts['unknown']} in doubt"


async def _stage(
    store: SqliteStore, account: ProviderAccount, history: History, found: Survey, target: Address, *, write: bool
) -> Totals:
    with _Progress("preparing" if write else "comparing", length=found.messages) as progress:
        try:
            return await stage(
                store,
                history,
                account=account.name,
                conversation=target.conversation,
                capabilities=account.capabilities,
                write=write,
                told=progress.add,
            )
        except HistoryError as error:
            raise Problem(str(error)) from error
        except sqlite3.Error as error:
            raise Problem(_no_room(history.path, error)) from error


def _no_room(file: Path, error: sqlite3.Error) -> str:
    return (
        f"{file}: its ids cannot be compared ({error}); make room in the folder for temporary files,"
        " or name another one in $SQLITE_TMPDIR"
    )


async def _send(
    store: SqliteStore, account: ProviderAccount, target: Address, wanted: _Wanted, signals: _Signals
) -> tuple[End, Mapping[ImportState, int]]:
    """Send what waits; why that ended, and how many came to which end."""
    progress = _Progress("sending", length=0)
    importer = Importer(
        store=store,
        account=account,
        conversation=target.conversation,
        stopping=signals.stopping,
        settled=progress.add,
        waits=progress.say,
    )
    if wanted.resend_unknown:
        await importer.send_again("unknown")
    if wanted.resend_refused:
        await importer.send_again("refused")
    counts = await store.read(lambda tx: tx.imports.count(account.name, target.conversation))
    progress.length = counts["new"] + counts["sending"]
    with progress:
        return await importer.run(), importer.ended


# --- where to ------------------------------------------------------------------------------------------------


def _target(tx: Tx, account: ProviderAccount, history: History, to: str | None) -> Address:
    """The one address of the conversation: what was sent is known under it, so the bridge has a look at every one."""
    name = account.name
    try:
        target = _linked(tx, account, history) if to is None else parse_address(tx.names.get(to.lower()) or to)
        if target.account != name:
            raise Problem(f"--to: {target} is a conversation of account {target.account}, not of {name}")
        account.check(target.conversation)
    except (AddressError, Refused) as error:
        raise Problem(f"--to: {error}") from error
    return target


def _linked(tx: Tx, account: ProviderAccount, history: History) -> Address:
    """The conversation that the exported chat is linked to, if it is one."""
    name, chat = account.name, history.chat
    if chat is None:
        raise Problem(f"--to: is missing; say where the messages go, as in --to {name}:CONVERSATION")
    here = str(chat.telegram_id)
    found: set[Address] = set()
    for row in tx.routes.all():
        rule = rule_of(row)
        if rule.arrow is not Arrow.BOTH or not rule.enabled:
            continue
        if not isinstance(rule.source, Address) or not isinstance(rule.target, Address):
            continue
        for one, other in ((rule.source, rule.target), (rule.target, rule.source)):
            if one.account == TELEGRAM and one.conversation.partition("/")[0] == here and other.account == name:
                found.add(other)
    if len(found) == 1:
        return found.pop()
    linked = ", ".join(sorted(map(str, found)))
    why = f"is linked to several conversations of {name}: {linked}" if found else f"is not linked to one of {name}"
    raise Problem(f"--to: is missing, and the chat {chat} {why}; say where to, as in --to {name}:CONVERSATION")


# --- words ---------------------------------------------------------------------------------------------------


def _describe(history: History, found: Survey, target: Address, *, settings: Settings) -> None:
    chat = f", chat {history.chat}" if history.chat is not None else ""
    click.echo(f"{history.path}: {history.kind}{chat}")
    assert found.first is not None and found.last is not None
    people = f"more than {PEOPLE_MOST}" if len(found.people) >= PEOPLE_MOST else str(len(found.people))
    click.echo(
        f"{found.messages} messages of {people} {'person' if people == '1' else 'people'}"
        f" from {found.first:%Y-%m-%d %H:%M} to {found.last:%Y-%m-%d %H:%M} UTC, for {target}"
    )
    if found.split:
        click.echo(f"{found.split} are too long for one message there: {found.parts} messages will be sent in all")
    if found.left_out:
        click.echo(_left_out(found, before="left out: "))
    if found.unzoned:
        zone = settings.telegram.default_timezone
        click.echo(f"{found.unzoned} have a time without a zone: it is taken as {zone} (telegram.default_timezone)")


def _left_out(found: Survey, *, before: str) -> str:
    parts = [f"{count} {why}" for why, count in found.left_out.most_common()]
    return before + ", ".join(parts) if parts else ""


def _tell_totals(totals: Totals) -> None:
    click.echo(f"{totals.new} are new, {totals.known} known from before")
    if totals.changed:
        shown = ", ".join(shown_short(id) for id in totals.changed_ids)
        more = f" and {totals.changed - CHANGED_SHOWN} more" if totals.changed > CHANGED_SHOWN else ""
        click.echo(
            f"{totals.changed} have an id that is known with another time, person or words, and are not sent:"
            f" {shown}{more}; give new messages ids of their own",
            err=True,
        )


def _reasons(tx: Tx, target: Address) -> tuple[Sequence[tuple[str, int]], Sequence[tuple[str, int]]]:
    account, conversation = target.account, target.conversation
    return (
        tx.imports.reasons(account, conversation, "refused", limit=REASONS_SHOWN),
        tx.imports.reasons(account, conversation, "unknown", limit=REASONS_SHOWN),
    )


def _tell(what: str, reasons: Sequence[tuple[str, int]], *, remedy: str) -> None:
    for reason, count in reasons:
        click.echo(f"{count} {what}: {reason}; {remedy}", err=True)


def _tell_end(ended: End, *, left: int, account: str, signals: _Signals, failed: bool) -> int:
    again = f"{left} are left: run the same command again to go on"
    match ended.why:
        case "done":
            return 1 if failed else 0
        case "stopped":
            click.echo(f"stopped; {again}", err=True)
            return 128 + signals.number
        case "unavailable":
            click.echo(f"given up for now: {ended.words}; {again}", err=True)
        case "unauthorized":
            click.echo(
                f"the credentials are refused: {ended.words}; mend accounts.{account}, then {again.partition(': ')[2]}"
                f" ({left} are left)",
                err=True,
            )
        case "refused":
            click.echo(f"stopped: {ended.words}; {again}, with --resend-refused once the reason is mended", err=True)
    return 1


class _Progress:
    """A bar on a terminal, else a line every few seconds."""

    def __init__(self, label: str, *, length: int, unit: str = "messages") -> None:
        self.length = length
        self._label = label
        self._unit = unit
        self._done = 0
        self._told = 0
        self._told_at = time.monotonic()
        self._bar: ProgressBar[int] | None = None

    def __enter__(self) -> Self:
        if self.length and sys.stdout.isatty():
            self._bar = click.progressbar(length=self.length, label=self._label, show_pos=self._unit == "messages")
            self._bar.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.__exit__(None, None, None)

    def add(self, number: int) -> None:
        """So many more are done."""
        self._done += number
        if self._bar is not None:
            self._bar.update(number)
            return
        now = time.monotonic()
        share = (self._done - self._told) * TELL_EVERY_SHARE >= self.length
        if now - self._told_at >= TELL_EVERY_S or (share and now - self._told_at >= 1):
            self._told, self._told_at = self._done, now
            percent = min(100 * self._done // max(self.length, 1), 100)
            click.echo(f"{self._label}: {self._done} of {self.length} {self._unit} ({percent} %)")

    def say(self, words: str) -> None:
        """A line about why it does not go on just now."""
        if self._bar is not None:
            click.echo()
        click.echo(words, err=True)


# --- one at a time, and how it ends --------------------------------------------------------------------------


@contextmanager
def _only_one(path: Path) -> Iterator[None]:
    """Two imports at once would send in no order; the lock goes with the process, however that ends."""
    real = path.resolve()
    try:
        lock = os.open(real.with_name(f"{real.name}.import"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Problem(f"store.path: {error.filename}: {error.strerror}") from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Problem(f"{path}: another import-history runs on this database; wait for it or stop it") from error
        yield
    finally:
        os.close(lock)


class _Signals:
    """SIGINT and SIGTERM let the message under way finish; a second one acts as it always does."""

    def __init__(self) -> None:
        self.stopping = asyncio.Event()
        self.number = 0

    def __enter__(self) -> Self:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop, number)
        return self

    def __exit__(self, *_: object) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)

    def _stop(self, number: int) -> None:
        self.number = number
        self.stopping.set()
        self.__exit__()
