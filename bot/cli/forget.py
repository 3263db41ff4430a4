"""``forget``: what a person said and is called goes, on their request."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import sys
import time
from collections.abc import Callable, Iterator, Sequence

import click

from bot.cli.common import Problem, opened, print_json, print_table, run_async, settings_of
from bot.forgetting import STAYS, Forgetter, Kept, PersonError, find_person, look, steps_of
from bot.settings import Settings
from bot.store import StoreError
from bot.store.erasing import Planned
from bot.store.scrubbing import scrub

WAITING_SHOWN = 20


@click.command()
@click.argument("person")
@click.option("--yes/--dry-run", default=False, help="Do it, or only show what would go, which is the default")
@click.option(
    "--also-waiting",
    is_flag=True,
    help="Discard what of theirs still waits to be sent or decided, schedules too",
)
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
    if as_json:
        _tell_json(kept, left, done=yes, whole=whole)
    else:
        _tell(kept, left, done=yes, removed=also_waiting, whole=whole)
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
        removing = [each.id for each in kept.schedules] if also_waiting else []
        with progress_of(len(kept.waiting) + len(removing) + steps_of(kept)) as told:
            left = await forgetter.forget(also_waiting=kept.waiting, also_schedules=removing, told=told)
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
    too = f", which removes {_listed(kept.schedules)}, too" if kept.schedules else ""
    return (
        f"{kept.person.who}: still waiting: {'; '.join(parts)}. Decide about them (outbox list), or add --also-waiting"
        f" to discard them{too}; nothing was changed"
    )


def _listed(schedules: Sequence[Planned]) -> str:
    more = f" and {len(schedules) - WAITING_SHOWN} more" if len(schedules) > WAITING_SHOWN else ""
    shown = ", ".join(str(each.id) for each in schedules[:WAITING_SHOWN])
    return f"{'schedule' if len(schedules) == 1 else 'schedules'} {shown}{more}"


def _tell_schedules(kept: Kept, *, done: bool, removed: bool) -> None:
    """Those that are still to come, before all else: somebody may need them."""
    made, sent_to = kept.schedules, kept.schedules_to
    if made:
        verb = ("goes" if len(made) == 1 else "go") + " on as nobody's"
        if removed:
            verb = "is removed" if len(made) == 1 else "are removed"
        if not done:
            verb = f"still to come, and {verb}" + ("" if removed else "; --also-waiting removes them")
        click.echo(f"Of theirs {_listed(made)}: {verb}")
        print_table([[str(each.id), each.name, each.when] for each in made], headings=["SCHEDULE", "NAME", "WHEN"])
    if sent_to:
        click.echo(f"To their private chat, also from now on: {_listed(sent_to)}")
        rows = [[str(each.id), each.name, each.when, each.target] for each in sent_to]
        print_table(rows, headings=["SCHEDULE", "NAME", "WHEN", "TARGET"])


def _tell(kept: Kept, left: int, *, done: bool, removed: bool, whole: bool) -> None:
    person = kept.person
    called = f", known as {', '.join(person.names)}" if person.names and not done else ""
    click.echo(f"{person.who}{called}")
    _tell_schedules(kept, done=done, removed=removed)
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
            "schedules": [{"id": each.id, "name": each.name, "when": each.when} for each in kept.schedules],
            "schedules_to": [
                {"id": each.id, "name": each.name, "when": each.when, "target": each.target}
                for each in kept.schedules_to
            ],
            "found": dict(kept.found),
            "waiting": [id for id, _ in kept.waiting],
            "notes": [*kept.notes, *STAYS],
            "done": done and not left,
            "left": left,
            "scrubbed": whole,
        }
    )
