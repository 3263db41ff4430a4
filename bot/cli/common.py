"""What the commands share: settings, the store, accounts without a running bot."""

from __future__ import annotations

import asyncio
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


class Problem(Exception):
    """Something a person has to change; its text is one line for each problem."""


def settings_of(context: click.Context) -> Settings:
    """The configuration that the command was given."""
    root = context.find_root()
    try:
        return load_settings(find_config(root.obj, os.environ), environ=os.environ)
    except SettingsError as error:
        raise Problem(str(error)) from error


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[SqliteStore]:
    """The database, beside a running bot or without one; made if it is missing."""
    try:
        store = await SqliteStore.open(settings.store.path)
    except (StoreError, OSError) as error:
        raise Problem(f"store.path: {error}") from error
    try:
        yield store
    except StoreError as error:
        raise Problem(f"store.path: {error}") from error
    finally:
        await store.close()


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
