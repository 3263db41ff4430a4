"""``forget``: what a person said and is called goes, on their request."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import sys
import time
from collections.abc import Callable, Iterator

import click

from bot.cli.common import Problem, opened, print_json, print_table, run_async, settings_of
from bot.forgetting import STAYS, Forgetter, Kept, PersonError, find_person, look, steps_of
from bot.settings import Settings
from bot.store import StoreError
from bot.store.scrubbing import scrub

WAITING_SHOWN = 20


@click.command()
@click.argument("person")
@click.option("--yes/--dry-run", default=False, help="Do it, or only show what would go, which is the default")
@click.option("--also-waiting", is_flag=True, help="Discard what of theirs still waits to be sent or decided")
@click.option("--json", "as_json", is_flag=True, help="For scripts")
@click.pass_context
def forget(context: click.Context, person: str, yes: bool, also_waiting: bool, as_json: bool) -> None:
    """Forget PERSON: a Telegram id, @name, ACCOUNT:ID of a provider's person, or the exact name of one person.

    Shows what would go; --yes does it, also beside a running bot. It may be stopped and run again at any time.
    """
    settings = settings_of(context)
    try:
        kept, left, whole = run_async(lambda: _forget(settings, person, yes=yes, also_waiting=also_waiting))
    except PersonError as error:
        raise Problem(str(error)) from error
    (_tell_json if as_json else _tell)(kept, left, done=yes, whole=whole)
    context.exit(1 if left else 0)


async def _forget(settings: Settings, word: str, *, yes: bool, also_waiting: bool) -> tuple[Kept, int, bool]:
    owners = settings.telegram.owners
    async with opened(settings) as store:
        account, id = await store.read(lambda tx: find_person(tx, word, accounts=list(settings.accounts)))
        kept = await look(store, account, id, owners=owners)
        if not yes:
            return kept, 0, False
        if kept.waits and not also_waiting:
            raise Problem(_waits(kept))
        forgetter = Forgetter(store, kept, by=f"cli:{_user()}", owners=owners, now=time.time())
        with progress_of(len(kept.waiting) + steps_of(kept)) as told:
            left = await forgetter.forget(also_waiting=kept.waiting, told=told)
        try:
            whole = await asyncio.to_thread(scrub, settings.store.path)
        except StoreError as error:
            raise Problem(f"store.path: {error}; run the same again") from error
    return kept, left, whole


@contextlib.contextmanager
def progress_of(steps: int) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal, beside what is printed for scripts; nothing elsewhere. How many steps is a guess."""
    if not sys.stderr.isatty():
        yield lambda number: None
        return
    with click.progressbar(length=steps, label="forgetting", file=sys.stderr) as bar:
        yield bar.update


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def _waits(kept: Kept) -> str:
    parts = []
    if kept.waiting:
        shown = ", ".join(f"{id} ({state})" for id, state in kept.waiting[:WAITING_SHOWN])
        more = f" and {len(kept.waiting) - WAITING_SHOWN} more" if len(kept.waiting) > WAITING_SHOWN else ""
        parts.append(f"deliveries {shown}{more}")
    if kept.announcing:
        parts.append(f"{kept.announcing} {'announcement' if kept.announcing == 1 else 'announcements'} under way")
    for what in ("failed arrivals", "past messages not sent"):
        if kept.found[what]:
            parts.append(f"{kept.found[what]} {what}")
    return (
        f"{kept.person.who}: still waiting: {'; '.join(parts)}. Decide about them (outbox list), or add --also-waiting"
        " to discard them; nothing was changed"
    )


def _tell(kept: Kept, left: int, *, done: bool, whole: bool) -> None:
    person = kept.person
    called = f", known as {', '.join(person.names)}" if person.names and not done else ""
    click.echo(f"{person.who}{called}")
    print_table([[what, str(number)] for what, number in kept.found.items() if number], headings=["WHAT", "NUMBER"])
    if kept.waiting and not done:
        wait = "1 delivery waits" if len(kept.waiting) == 1 else f"{len(kept.waiting)} deliveries wait"
        click.echo(f"{wait}: {', '.join(str(id) for id, _ in kept.waiting[:WAITING_SHOWN])}")
    for note in (*kept.notes, *STAYS):
        click.echo(f"- {note}")
    if not done:
        click.echo("Nothing was changed. --yes forgets this.")
        return
    click.echo("This is forgotten." if not left else f"{left} are just under way and stay: run the same again soon.")
    if not whole:
        click.echo(
            "The database is too large to be written anew beside the running bot: traces may be left in its free pages."
            " Run the same again while the bot is stopped."
        )


def _tell_json(kept: Kept, left: int, *, done: bool, whole: bool) -> None:
    print_json(
        {
            "person": kept.person.who,
            "names": [] if done else list(kept.person.names),
            "found": dict(kept.found),
            "waiting": [id for id, _ in kept.waiting],
            "notes": [*kept.notes, *STAYS],
            "done": done and not left,
            "left": left,
            "scrubbed": whole,
        }
    )
