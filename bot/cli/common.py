"""What the commands share: settings, the store, accounts without a running bot."""

from __future__ import annotations

import asyncio
import getpass
import json
import os
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import click

from bot.accounts import ProviderAccount
from bot.settings import Settings, SettingsError, find_config, load_settings
from bot.store import StoreError
from bot.store.sqlite import SqliteStore

T = TypeVar("T")
HERE = "command line"
"""The place of what is done here, in the audit."""
NOT_WRITTEN_DOWN = ("", "account", "check", "subscriptions")
"""Commands that keep only what a bridge learnt on the way; ``account`` writes down by itself what it is about to do."""


class Problem(Exception):
    """Something a person has to change; its text is one line for each problem."""


def settings_of(context: click.Context) -> Settings:
    """The configuration that the command was given."""
    root = context.find_root()
    try:
        return load_settings(find_config(root.obj, os.environ), environ=os.environ)
    except SettingsError as error:
        raise Problem(str(error)) from error


def is_text(word: str) -> bool:
    """Whether it can be written as UTF-8; bytes of the command line that are not come as halves of characters."""
    try:
        word.encode()
    except UnicodeEncodeError:
        return False
    return True


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[SqliteStore]:
    """The database, beside a running bot or without one; made if it is missing. What was changed is written down."""
    try:
        store = await SqliteStore.open(settings.store.path)
    except (StoreError, OSError) as error:
        raise Problem(f"store.path: {error}") from error
    before = store.changes
    try:
        try:
            yield store
        except BaseException:
            await _write_down(store, "failed", since=before)
            raise
        await _write_down(store, "done", since=before)
    except StoreError as error:
        raise Problem(f"store.path: {error}") from error
    finally:
        await store.close()


async def _write_down(store: SqliteStore, outcome: str, *, since: int) -> None:
    """A line of the audit, if the command at hand has changed anything; the arguments may be somebody's words."""
    context = click.get_current_context(silent=True)
    if context is None or store.changes == since:
        return
    command = context.command_path.removeprefix(context.find_root().command_path).strip()
    if command not in NOT_WRITTEN_DOWN:
        await store.write(
            lambda tx: tx.audit.add(person=operator(), place=HERE, command=command, outcome=outcome, now=time.time())
        )


def operator() -> str:
    """Who sits at the command line, for the audit."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):
        return f"cli:{os.getuid()}"


@asynccontextmanager
async def remembering(account: ProviderAccount, store: SqliteStore) -> AsyncIterator[ProviderAccount]:
    """The account with what it learnt before; what it learns here is kept, and its connections are closed."""
    try:
        await account.remember_in(store)
        yield account
    finally:
        await account.close()


def run_async(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine to its end."""
    return asyncio.run(work())


def print_json(data: object) -> None:
    """Print for scripts."""
    click.echo(json.dumps(data, ensure_ascii=False, indent=2))


def print_table(rows: Sequence[Sequence[str]], *, headings: Sequence[str]) -> None:
    """Print for people, columns aligned."""
    widths = [max(len(str(row[i])) for row in [headings, *rows]) for i in range(len(headings))]
    for row in [headings, *rows]:
        click.echo("  ".join(str(cell).ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def when(seconds: float) -> str:
    """A time as UTC, ISO 8601."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
