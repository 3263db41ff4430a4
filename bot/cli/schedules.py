"""``schedules``: the same announcements in time that the chat commands plan."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import BinaryIO, TypeAlias, TypeVar
from zoneinfo import ZoneInfo

import click

from bot import planning
from bot.addresses import TELEGRAM, Address, AddressError, parse_address
from bot.agenda import calendar_secret, calendar_url, coming
from bot.broadcast_report import Receipt, receipts
from bot.calendars import STATE_WORDS, Entry, is_datable, label
from bot.cli.common import Problem, opened, print_json, run_async, settings_of, when
from bot.decisions import DecisionError
from bot.files import Files
from bot.firing import Firing, SchedulePolicy
from bot.link_buttons import take_buttons
from bot.placeholders import PlaceholderError
from bot.plans import is_readable, line_of, message_of, plan_of, zone_of
from bot.relay import Relay
from bot.schedule_line import Line, parse_edit, parse_line
from bot.schedule_notes import ask_approval
from bot.schedule_words import next_words, old_words, outcome
from bot.settings import Settings
from bot.store import Store, Tx
from bot.store.schedules import OccurrenceRow, Schedule
from bot.targets import counted_targets
from bot.when import Ambiguous, WhenError, show_rule
from bot.zones import local
from bridges.model import Message

T = TypeVar("T")
CLI = "command line"
"""Who makes a schedule from here, as far as its chat hears of it."""
AT_ONCE = 100
"""So many lines share a transaction: a bot that runs beside it needs the writer too."""
PAGE = 500
COMING_MOST = 1_000
DAYS_MOST = 3_660
HISTORY_MOST = 20
RECEIPTS_SHOWN = 10
EXAMPLE = "patchbay schedules add 'tomorrow 9:00 | telegram:-1001234567890 | Good morning'"
WRONG = (WhenError, PlaceholderError, AddressError, DecisionError)
"""What a line can have that a person has to change."""


@click.group()
def schedules() -> None:
    """Announcements in time: once, or again and again."""


# --- what the commands share


def _firing(settings: Settings, store: Store | None = None) -> Firing:
    """What knows accounts and rules; nothing is connected. ``store``: where something is sent from here, whose files
    may have to be lent.
    """
    from bot.app import all_accounts, lender_of, policy_of, schedule_policy

    accounts = all_accounts(settings)
    lender = None
    if store is not None:
        lender = lender_of(settings, store=store, files=Files(accounts, most=settings.delivery.file_bytes))
    return Firing(Relay(accounts=accounts, policy=policy_of(settings), lender=lender), schedule_policy(settings))


def _write(settings: Settings, unit: Callable[[Tx], T]) -> T:
    async def work() -> T:
        async with opened(settings) as store:
            return await store.write(unit)

    return _told(lambda: run_async(work))


def _told(work: Callable[[], T]) -> T:
    """Run it; what a person has to change is one line."""
    try:
        return work()
    except WRONG as error:
        raise Problem(_one_line(error)) from error


def _one_line(error: Exception) -> str:
    """What is wrong; of a question its choices too, for there are no buttons here."""
    said = " ".join(str(error).split())
    if isinstance(error, Ambiguous):
        choices = " or ".join(f"“{written}” ({label})" for label, written in error.choices)
        return f"{said}; write {choices}"
    return said


def _message(text: str, old: Message | None = None) -> Message:
    """What is sent: the text, its last lines as buttons. ``old``: what else it has stays."""
    bare = (old or Message()).model_copy(update={"text": text, "spans": (), "links": ()})
    try:
        return take_buttons(bare)
    except ValueError as error:
        raise planning.ScheduleError(str(error)) from error


def _home(settings: Settings) -> Address | None:
    """Where one made here is told of: the first owner's private chat."""
    owners = settings.telegram.owners
    return parse_address(f"{TELEGRAM}:{owners[0]}") if owners else None


def _printable(text: str) -> str:
    """A terminal is not to act on what somebody wrote."""
    return "".join(char if char.isprintable() or char == "\n" else "\N{REPLACEMENT CHARACTER}" for char in text)


def _say(text: str) -> None:
    click.echo(_printable(text))


# --- list


@schedules.command("list")
@click.option("--json", "as_json", is_flag=True, help="For scripts")
@click.pass_context
def list_(context: click.Context, as_json: bool) -> None:
    """List all schedules, by number."""
    settings = settings_of(context)
    now = time.time()
    if as_json:
        run_async(lambda: _print_array(settings, partial(planning.data, now=now, instant=when)))
    elif not run_async(lambda: _print_lines(settings, lambda each: planning.summary(each, now=now).text)):
        click.echo(f"No schedules. Make one with: {EXAMPLE}")


async def _print_array(settings: Settings, shown: Callable[[Schedule], object]) -> None:
    number = 0
    async with opened(settings) as store:
        sys.stdout.write("[")
        after: int | None = 0
        while after is not None:
            page, after = await _page(store, after, lambda each: json.dumps(shown(each), ensure_ascii=False))
            for line in page:
                sys.stdout.write(f"{',' if number else ''}\n  {line}")
                number += 1
    sys.stdout.write("\n]\n" if number else "]\n")


async def _print_lines(settings: Settings, shown: Callable[[Schedule], str]) -> int:
    number = 0
    async with opened(settings) as store:
        after: int | None = 0
        while after is not None:
            page, after = await _page(store, after, shown)
            for line in page:
                _say(line)
            number += len(page)
    return number


async def _page(store: Store, after: int, shown: Callable[[Schedule], str]) -> tuple[list[str], int | None]:
    """Some of them as lines, and behind which the next ones are; there may be very many."""
    rows = await store.read(lambda tx: tx.schedules.all(after=after, limit=PAGE))
    return [shown(row) for row in rows], rows[-1].id if rows else None


# --- add


@schedules.command()
@click.argument("line", nargs=-1, required=True, metavar="'WHEN | TARGETS | text'")
@click.pass_context
def add(context: click.Context, line: tuple[str, ...]) -> None:
    """Make a schedule: 'WHEN [ZONE] [key=value …] | TARGETS | text'.

    With - as the line: one from each line of standard input, blank ones and those that begin with # left out. Each good
    line is kept; each wrong one is told with its number, and the exit code is 2 then. A text is one line there, taken
    as it is written.
    """
    settings = settings_of(context)
    adding = _Adding(settings, _firing(settings))
    if line == ("-",):
        is_whole = run_async(partial(_add_all, adding, sys.stdin.buffer))
        context.exit(0 if is_whole else 2)
    now = time.time()
    read = _told(lambda: adding.read(" ".join(line), now=now))

    def unit(tx: Tx) -> str:
        made, schedule = adding.add(tx, read, now=now)
        sent = next_words(tx, made, fired=0, now=now).text
        _note_unknown(tx, made)
        return f"{schedule.id}  {planning.echo(made, now=now).text}{_waits(schedule)}\n\n{sent}"

    _say(_write(settings, unit))


def _note_unknown(tx: Tx, made: planning.Draft) -> None:
    """Say which chats of Telegram's this bot has never heard of: it may not be there."""
    for each in made.targets.addresses:
        if each.account == TELEGRAM and not tx.conversations.is_known(TELEGRAM, each.conversation.partition("/")[0]):
            click.echo(_printable(f"nothing is known of {each}; is the bot in it?"), err=True)


def _waits(schedule: Schedule) -> str:
    return "\nIt waits for an admin’s approval in Telegram." if schedule.state == "waits" else ""


@dataclass(frozen=True, slots=True)
class _Adding:
    """Makes schedules of lines. Whoever may use the command line is as good as an admin."""

    settings: Settings
    firing: Firing

    def read(self, line: str, *, now: float) -> Line:
        """What a line says; raises ``WhenError``."""
        return parse_line(line, now=now, zone=self.settings.telegram.default_timezone)

    def add(self, tx: Tx, line: Line, *, now: float) -> tuple[planning.Draft, Schedule]:
        """Keep it; raises one of ``WRONG``, and has changed nothing then."""
        assert line.rule is not None  # only an edit leaves it out
        made = planning.draft(
            tx,
            self.firing,
            rule=line.rule,
            options=line.options,
            targets=line.targets,
            message=_message(line.text),
            here=None,
            now=now,
        )
        schedule = planning.add(
            tx,
            self.firing,
            made,
            person="",
            person_name=CLI,
            chat=_home(self.settings),
            reach=None,
            is_admin=True,
            now=now,
        )
        _ask(tx, self.firing, schedule, now=now)
        return made, schedule


def _ask(tx: Tx, firing: Firing, schedule: Schedule, *, now: float) -> None:
    if schedule.state == "waits":
        ask_approval(tx, firing, schedule, needed=schedule.needs, now=now)


async def _add_all(adding: _Adding, source: BinaryIO) -> bool:
    """Make one of each line; False: some were wrong."""
    is_whole = True
    async with opened(adding.settings) as store:
        lines = _lines(source)
        while batch := list(islice(lines, AT_ONCE)):
            now = time.time()
            # Read before the transaction, which is to be short.
            read = [(number, _attempt(partial(_read, adding, raw, now=now))) for number, raw in batch]
            results = await store.write(partial(_add_some, adding, read, now=now))
            for number, result in results:
                if isinstance(result, Exception):
                    is_whole = False
                    click.echo(_printable(f"line {number}: {_one_line(result)}"), err=True)
                else:
                    _say(result)
    return is_whole


def _lines(source: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """The lines that say something, with their numbers."""
    for number, raw in enumerate(source, start=1):
        said = raw.removeprefix(b"\xef\xbb\xbf").strip() if number == 1 else raw.strip()
        if said and not said.startswith(b"#"):
            yield number, said


def _read(adding: _Adding, raw: bytes, *, now: float) -> Line:
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise WhenError("is not UTF-8: write it as text in UTF-8") from None
    return adding.read(text, now=now)


def _attempt(work: Callable[[], T]) -> T | Exception:
    try:
        return work()
    except WRONG as error:
        return error


def _add_some(
    adding: _Adding, lines: Sequence[tuple[int, Line | Exception]], tx: Tx, *, now: float
) -> list[tuple[int, str | Exception]]:
    def one(line: Line) -> str:
        # One that is refused half-way leaves nothing behind.
        with tx.savepoint("line"):
            made, schedule = adding.add(tx, line, now=now)
        _note_unknown(tx, made)
        first = made.coming[0].at
        named = f" ({schedule.name})" if schedule.name else ""
        next_ = local(first, ZoneInfo(made.plan.rule.zone))
        waits = "; waits for approval" if schedule.state == "waits" else ""
        return f"{schedule.id}{named}  {show_rule(made.plan.rule)}; next {next_}{waits}"

    return [(number, line if isinstance(line, Exception) else _attempt(partial(one, line))) for number, line in lines]


# --- one of them


def _one(settings: Settings, word: str, do: Callable[[Tx, Schedule], T]) -> T:
    return _write(settings, lambda tx: do(tx, planning.find(tx, word)))


@schedules.command()
@click.argument("id", metavar="ID|NAME")
@click.pass_context
def remove(context: click.Context, id: str) -> None:
    """Let a schedule never fire again."""

    def do(tx: Tx, schedule: Schedule) -> str:
        left = planning.remove(tx, schedule, now=time.time())
        return f"removed: {schedule.id}  {line_of(schedule)}{_left_out(schedule, left)}"

    _say(_one(settings_of(context), id, do))


def _left_out(schedule: Schedule, left: planning.Left) -> str:
    """What was due, or waited, and is not sent any more, if anything."""
    words = planning.left_words(schedule, left).text
    return f".{words}" if words else ""


@schedules.command()
@click.argument("id", metavar="ID|NAME")
@click.pass_context
def pause(context: click.Context, id: str) -> None:
    """Let nothing of a schedule fire until it is resumed."""

    def do(tx: Tx, schedule: Schedule) -> str:
        left = planning.pause(tx, schedule, now=time.time())
        return f"paused: {schedule.id}  {line_of(schedule)}{_left_out(schedule, left)}"

    _say(_one(settings_of(context), id, do))


@schedules.command()
@click.argument("id", metavar="ID|NAME")
@click.pass_context
def resume(context: click.Context, id: str) -> None:
    """Let a paused schedule fire again; what the pause held is not sent."""
    now = time.time()

    def do(tx: Tx, schedule: Schedule) -> str:
        held = planning.resume(tx, schedule, now=now)
        resumed = _again(tx, schedule)
        left_out = f"; {held} meanwhile {'was' if held == 1 else 'were'} left out" if held else ""
        return f"resumed: {schedule.id}  {line_of(schedule)}{left_out}{_next(resumed, now=now)}"

    _say(_one(settings_of(context), id, do))


@schedules.command()
@click.argument("id", metavar="ID|NAME")
@click.pass_context
def skip(context: click.Context, id: str) -> None:
    """Leave the next occurrence of a schedule out."""
    now = time.time()

    def do(tx: Tx, schedule: Schedule) -> str:
        at = planning.skip(tx, schedule, now=now)
        return f"skipped: {local(at, zone_of(schedule))}{_next(_again(tx, schedule), now=now)}"

    _say(_one(settings_of(context), id, do))


def _again(tx: Tx, schedule: Schedule) -> Schedule:
    """As it is by now."""
    found = tx.schedules.get(schedule.id)
    assert found is not None
    return found


def _next(schedule: Schedule, *, now: float) -> str:
    found = planning.coming(schedule, now=now, most=1)
    return f"; next {local(found[0].at, zone_of(schedule))}" if found else "; nothing more is to come"


@schedules.command("now")
@click.argument("id", metavar="ID|NAME")
@click.option("--yes", is_flag=True, help="Do not ask before it goes to more than one target")
@click.pass_context
def now_(context: click.Context, id: str, yes: bool) -> None:
    """Send a schedule once more, now; what is to come stays. A running bot delivers it."""
    settings = settings_of(context)

    async def work() -> str | None:
        async with opened(settings) as store:
            return await _send(store, _firing(settings, store), id, yes=yes)

    _say(_told(lambda: run_async(work)) or "Nothing was sent.")


async def _send(store: Store, firing: Firing, word: str, *, yes: bool) -> str | None:
    """Send it; None: the person said no."""

    def look(tx: Tx) -> tuple[Schedule, list[Address]]:
        schedule = planning.find(tx, word)
        return schedule, firing.targets(tx, schedule)[0]

    found, shown = await store.read(look)
    if len(shown) > 1 and not yes and not _confirmed(found, len(shown)):
        return None
    now = time.time()

    def unit(tx: Tx) -> tuple[bool, OccurrenceRow | None]:
        schedule, addresses = look(tx)
        if not yes and (addresses, schedule.updated_at) != (shown, found.updated_at):
            raise planning.ScheduleError(f"schedule {schedule.id} was changed meanwhile: nothing was sent; look again")
        done = planning.send_now(tx, firing, schedule, now=now)
        latest = max(tx.schedules.history(schedule.id, limit=HISTORY_MOST), key=lambda row: row.id, default=None)
        return done, latest

    done, row = await store.write(unit)
    note = "" if row is None else row.note
    if not done:
        raise planning.ScheduleError(f"nothing was sent: {note or 'it has no targets'}")
    return f"sent: {found.id} to {counted_targets(len(shown))}" + (f"\n{note}" if note else "")


def _confirmed(schedule: Schedule, count: int) -> bool:
    if not sys.stdin.isatty():
        raise Problem(
            f"nothing was sent: schedule {schedule.id} goes to {count} targets and nobody is there to ask; add --yes to"
            " send it"
        )
    text = plan_of(schedule).message.text
    question = _printable(f"{text}\nTo {count} targets: {', '.join(schedule.targets)}. Send it now?")
    return click.confirm(question, default=False, err=not sys.stdout.isatty())


@schedules.command()
@click.argument("id", metavar="ID|NAME")
@click.argument("line", nargs=-1, required=True, metavar="'WHEN | TARGETS | text'")
@click.pass_context
def edit(context: click.Context, id: str, line: tuple[str, ...]) -> None:
    """Change a schedule: an empty part stays as it is, and so does every option that is not given."""
    settings = settings_of(context)
    firing = _firing(settings)
    now = time.time()

    def do(tx: Tx, schedule: Schedule) -> str:
        # Another WHEN without a zone is meant in the one that it has.
        read = parse_edit(" ".join(line), now=now, zone=zone_of(schedule).key)
        message = _message(read.text, plan_of(schedule).message) if read.text else None
        made = planning.redraft(tx, firing, schedule, read, message=message, here=None, now=now)
        changed = planning.change(tx, firing, schedule, made, is_admin=True, now=now)
        _ask(tx, firing, changed, now=now)
        paused = "\nIt is paused." if changed.state == "paused" else ""
        before = old_words(schedule, made.plan.message).text
        was = f"\n\n{before}\n\nThey are now:\n" if before else "\n\n"
        sent = next_words(tx, made, fired=changed.fired, now=now).text
        return f"{changed.id}  {planning.echo(made, now=now).text}{paused}{_waits(changed)}{was}{sent}"

    _say(_one(settings, id, do))


# --- show


@schedules.command()
@click.argument("id", metavar="ID|NAME")
@click.option("--json", "as_json", is_flag=True, help="For scripts")
@click.pass_context
def show(context: click.Context, id: str, as_json: bool) -> None:
    """Show one schedule with its text, what became of it lately, and where it arrived."""
    settings = settings_of(context)
    now = time.time()

    def look(tx: Tx) -> tuple[Schedule, list[Became]]:
        schedule = planning.find(tx, id)
        return schedule, [_became(tx, row) for row in tx.schedules.history(schedule.id, limit=HISTORY_MOST)]

    async def work() -> tuple[Schedule, list[Became]]:
        async with opened(settings) as store:
            return await store.read(look)

    schedule, history = _told(lambda: run_async(work))
    if as_json:
        print_json(_whole(schedule, history, now=now))
    else:
        _print_one(schedule, history, policy=_firing(settings).policy, now=now)


Became: TypeAlias = tuple[OccurrenceRow, Sequence[Receipt]]
"""An occurrence, and what became of it at each of its targets."""


def _became(tx: Tx, row: OccurrenceRow) -> Became:
    broadcast = None if row.broadcast is None else tx.broadcasts.get(row.broadcast)
    return row, [] if broadcast is None else receipts(tx, broadcast)


def _whole(schedule: Schedule, history: Sequence[Became], *, now: float) -> dict[str, object]:
    return {
        **planning.data(schedule, now=now, instant=when),
        "name": schedule.name,
        "state": schedule.state,
        "buttons": [{"label": each.label, "url": each.url} for each in message_of(schedule).links],
        "made_at": when(schedule.created_at),
        "made_by": schedule.person_name,
        "chat": schedule.chat,
        "approvals": {"needed": schedule.needs, "by": list(schedule.approvers)},
        "fired": schedule.fired,
        "history": [
            {
                "at": when(row.at),
                "state": row.state,
                "note": row.note,
                "missed": row.missed,
                "announcement": row.broadcast,
                "receipts": [
                    {"address": each.address, "state": each.state, "error": each.error, "at": when(each.at)}
                    for each in found
                ],
            }
            for row, found in history
        ],
    }


def _state_words(schedule: Schedule, *, now: float) -> str:
    is_to_come = bool(planning.coming(schedule, now=now, most=1))
    match schedule.state:
        case "waits":
            return "waits for an approval" if is_to_come else "waits for an approval, and its time has passed"
        case "on" if not is_to_come and is_readable(schedule):
            return "over" if schedule.next_at is None else "due now"
    return schedule.state


def _print_one(schedule: Schedule, history: Sequence[Became], *, policy: SchedulePolicy, now: float) -> None:
    zone, message = zone_of(schedule), message_of(schedule)
    _say(f"{schedule.title}: {line_of(schedule)}")
    _say(f"state: {_state_words(schedule, now=now)}")
    for place, each in enumerate(planning.coming(schedule, now=now)):
        _say(f"{'then' if place else 'next'}: {local(each.at, zone)}")
    _say(f"targets: {', '.join(schedule.targets)}")
    _say(f"made: {local(math.floor(schedule.created_at), zone)} by {schedule.person_name or 'somebody'}")
    _say(f"text: {message.text}")
    for button in message.links:
        _say(f"button: {button.label} ({button.url})")
    for row, found in history:
        before = f", {row.missed} before it missed" if row.missed else ""
        note = f": {' '.join(row.note.split())}" if row.note else ""
        became = outcome(found, schedule, policy, now=now) or row.state
        _say(f"{local(math.floor(row.at), zone)}: {became}{before}{note}")
        for receipt in found[:RECEIPTS_SHOWN]:
            error = f": {' '.join(receipt.error.split())}" if receipt.error else ""
            _say(f"  {receipt.address}: {receipt.state}{error}")
        if len(found) > RECEIPTS_SHOWN:
            _say(f"  and {len(found) - RECEIPTS_SHOWN:,} more targets: --json has all of them")


# --- what is to come


@schedules.command("next")
@click.argument("id", metavar="[ID|NAME]", required=False)
@click.option("--days", default=30, show_default=True, type=click.IntRange(1, DAYS_MOST), help="How far to look")
@click.option("--json", "as_json", is_flag=True, help="For scripts")
@click.pass_context
def next_(context: click.Context, id: str | None, days: int, as_json: bool) -> None:
    """List what is to come, in order of time; what is paused is left out."""
    settings = settings_of(context)
    now = time.time()

    def look(tx: Tx) -> tuple[list[Entry], str]:
        schedule = None if id is None else planning.find(tx, id)
        if schedule is not None and schedule.state == "paused":
            return [], f"Schedule {schedule.id} is paused; to go on: patchbay schedules resume {schedule.id}"
        found = coming(tx, now=now, days=days, seen=lambda each: each.state != "paused", of=schedule)
        entries = list(islice((each for each in found if is_datable(each.at)), COMING_MOST + 1))
        if len(entries) > COMING_MOST:
            return entries[:COMING_MOST], f"These are the first {COMING_MOST:,}: name fewer --days, or one ID."
        return entries, "" if entries else f"Nothing is to come in {days} day{'s' if days != 1 else ''}."

    async def work() -> tuple[list[Entry], str]:
        async with opened(settings) as store:
            return await store.read(look)

    entries, note = _told(lambda: run_async(work))
    if as_json:
        print_json([_entry_data(each) for each in entries])
    else:
        for each in entries:
            _say(_entry_line(each))
    if note:
        click.echo(note, err=True)


def _entry_data(entry: Entry) -> dict[str, object]:
    return {
        "id": entry.schedule,
        "at": when(entry.at),
        "name": entry.name,
        "targets": entry.targets.split(", "),
        "text": entry.text,
        "state": entry.state,
    }


def _entry_line(entry: Entry) -> str:
    state = "" if entry.state == "planned" else f" ({STATE_WORDS[entry.state]})"
    return f"{local(entry.at, ZoneInfo(entry.zone))}  {entry.schedule}  {label(entry)}{state} → {entry.targets}"


# --- the calendar


@schedules.command()
@click.option("--renew", is_flag=True, help="Make another address; the one before is of no use then")
@click.pass_context
def calendar(context: click.Context, renew: bool) -> None:
    """Print the address under which calendar programs find what is planned; the running bot serves it."""
    settings = settings_of(context)
    secret = _write(settings, lambda tx: calendar_secret(tx, renew=renew))
    click.echo("Whoever knows this address can read what is planned. Another one: --renew", err=True)
    click.echo(calendar_url(_base(settings), secret))


def _base(settings: Settings) -> str:
    web = settings.web
    host = f"[{web.host}]" if ":" in web.host else web.host
    return web.public_url or f"http://{host}:{web.port}"
