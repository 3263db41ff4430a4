"""Schedules on the command line."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime, time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest
from click.testing import CliRunner, Result

from bot import planning
from bot.cli import cli, main
from bot.cli.accounts import _check_schedules
from bot.cli.common import Problem
from bot.cli.schedules import _firing
from bot.recurrence import Daily, Rule
from bot.schedule_line import Options
from bot.settings import load_settings
from bot.store import Tx
from bot.store.sqlite import SqliteStore
from bridges.model import Message
from tests.bot.test_cli import CONFIG

T = TypeVar("T")
COMMANDS = sys.modules["bot.cli.schedules"]
"""The module: in its package the name is that of the command."""
NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC).timestamp()
"""A Friday."""
OWNED = CONFIG.replace('token = "1:a"', 'token = "1:a"\nowners = [1001, 1002]\ndefault_timezone = "Europe/Paris"', 1)


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration in a folder of its own, on a Friday afternoon."""
    monkeypatch.setattr(COMMANDS, "time", SimpleNamespace(time=lambda: NOW))
    file = tmp_path / "patchbay.toml"
    file.write_text(OWNED)
    return file


def run(config: Path, *words: str, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(cli, ["--config", str(config), "schedules", *words], input=stdin)


def said(config: Path, *words: str) -> str:
    """What a command prints that ends well."""
    result = run(config, *words)
    assert (result.exception, result.exit_code) == (None, 0), result.output
    return result.stdout


def refused(config: Path, *words: str) -> str:
    """Why it is not done, in one line."""
    error = run(config, *words).exception
    assert isinstance(error, Problem), error
    assert "\n" not in str(error)
    return str(error)


def listed(config: Path) -> list[dict[str, Any]]:
    return json.loads(said(config, "list", "--json"))


def inside(config: Path, unit: Callable[[Tx], T]) -> T:
    """Do something in the database."""

    async def work() -> T:
        store = await SqliteStore.open(config.parent / "data" / "patchbay.sqlite3")
        try:
            return await store.write(unit)
        finally:
            await store.close()

    return asyncio.run(work())


def waiting(config: Path) -> list[tuple[str, str]]:
    """Address and words of what is to be delivered."""
    rows = inside(config, lambda tx: tx.outbox.list())
    return [(row.address, json.loads(row.payload)["text"]) for row in rows]


# --- list and add


def test_without_schedules_a_list_says_how_to_make_one(config: Path) -> None:
    assert listed(config) == []
    assert "patchbay schedules add 'tomorrow 9:00 |" in said(config, "list")


def test_one_that_is_made_is_echoed_and_listed(config: Path) -> None:
    shown = said(config, "add", "Every Monday, Thu at 9 am name=Standup | club:a, telegram:-5 | Stand up!")
    assert shown == (
        "1  every mon,thu at 09:00 Europe/Paris name=Standup\n"
        "Next: Mon 2026-11-23 09:00 Europe/Paris, in 2 days 17 hours\n"
        "Then: Thu 2026-11-26 09:00 Europe/Paris\n"
        "Then: Mon 2026-11-30 09:00 Europe/Paris\n"
        "To 2 targets: club:a, telegram:-5\n"
        "\n"
        "Stand up!\n"
    )
    assert listed(config) == [
        {
            "id": 1,
            "when": "every mon,thu at 09:00 Europe/Paris name=Standup",
            "next": ["2026-11-23T08:00:00Z", "2026-11-26T08:00:00Z", "2026-11-30T08:00:00Z"],
            "targets": ["club:a", "telegram:-5"],
            "text": "Stand up!",
            "enabled": True,
        }
    ]
    assert said(config, "list") == (
        "1 (Standup): every mon,thu at 09:00 Europe/Paris → club:a, telegram:-5; next Mon 2026-11-23 09:00"
        " Europe/Paris\n"
    )


@pytest.mark.parametrize(
    "when",
    [
        "in 2h30m",
        "24 dec 18:00 Europe/London",
        "every 15m",
        'every 2 weeks on fri at 17:00 until 2027-03-01 name="two words" silent=yes missed=ask',
        "cron 0 9 * * mon-fri",
        "every month on the last day at 12:00 3 times expire=2h quiet=22:00-07:00",
    ],
)
def test_a_listed_when_can_be_given_back(config: Path, when: str) -> None:
    said(config, "add", f"{when} | club:a | hi")
    (first,) = listed(config)
    said(config, "remove", "1")
    said(config, "add", f"{first['when']} | club:a | hi")
    assert listed(config) == [{**first, "id": 2}]


def test_words_may_come_apart_and_the_text_keeps_its_lines_bars_and_buttons(config: Path) -> None:
    said(config, "add", "tomorrow", "9:00", "|", "club:a", "|", "one | two\nthree\n[Tickets](https://example.org/t)")
    assert listed(config)[0]["text"] == "one | two\nthree"
    assert "button: Tickets (https://example.org/t)" in said(config, "show", "1")


WRONG = {
    "a time that is past": ("2020-01-01 9:00 | club:a | hi", "that is past"),
    "a zone that does not exist": ("tomorrow 9:00 Europe/Pariss | club:a | hi", "Europe/Paris"),
    "an impossible date": ("2027-02-30 9:00 | club:a | hi", "2027-02-30"),
    "a cron that never fires": ("cron 0 0 30 2 * | club:a | hi", "never fires"),
    "an end that is past": ("every day at 9:00 until 2020-01-01 | club:a | hi", "2020-01-01"),
    "an unknown audience": ("tomorrow 9:00 | @night | hi", "there is no audience “@night”"),
    "an account that is none": ("tomorrow 9:00 | pub:a | hi", "there is no account 'pub'; configured: club, telegram"),
    "here": ("tomorrow 9:00 | here | hi", "here means the chat a command is written in; name an address instead"),
    "no targets": ("tomorrow 9:00 | | hi", "say where it goes, with bars between"),
    "no text": ("tomorrow 9:00 | club:a |", "the text is missing"),
    "no bars": ("tomorrow 9:00", "say where it goes and what is sent, with bars between"),
    "an unknown option": ("tomorrow 9:00 silnt=yes | club:a | hi", "silent"),
    "an unknown placeholder": ("tomorrow 9:00 | club:a | on {dat}", "did you mean {date}?"),
    "a count-down to nothing": ("every day at 9:00 | club:a | {count_down}", "which has none"),
    "a button that leads nowhere": ("tomorrow 9:00 | club:a | hi\n[x](ftp://example.org)", "ftp"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_line_is_refused_in_one_line_and_changes_nothing(config: Path, name: str) -> None:
    line, why = WRONG[name]
    assert why in refused(config, "add", line)
    assert inside(config, lambda tx: tx.schedules.count()) == 0


def test_an_audience_that_is_empty_and_a_name_that_is_taken_are_refused(config: Path) -> None:
    said(config, "add", "tomorrow 9:00 name=kept | club:a | hi")

    def empty(tx: Tx) -> None:
        tx.audiences.add("nobody", ["club:a"], person="1", now=NOW)
        tx.audiences.remove("nobody", ["club:a"])

    inside(config, empty)
    assert refused(config, "add", "tomorrow 9:00 | @nobody | hi").startswith("@nobody is empty; fill it with")
    assert "the name KEPT is taken already" in refused(config, "add", "tomorrow 9:00 name=KEPT | club:a | hi")
    assert inside(config, lambda tx: tx.schedules.count()) == 1


def test_what_may_mean_several_things_is_asked_back_with_what_to_write(config: Path) -> None:
    asked = refused(config, "add", "at 9 silent=yes | club:a | hi")
    assert "“at 2026-11-21 09:00 Europe/Paris silent=yes” (9:00)" in asked
    assert "“at 2026-11-20 21:00 Europe/Paris silent=yes” (21:00)" in asked


@pytest.mark.parametrize("line", ["at 9 | club:a | hi", "tomorrow 9:00 | nowhere | hi", "tomorrow 9:00 | club:a | {x}"])
def test_a_wrong_line_ends_with_two_and_one_line_on_stderr(
    config: Path, line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["patchbay", "--config", str(config), "schedules", "add", line])
    with pytest.raises(SystemExit) as ended:
        main()
    shown = capsys.readouterr()
    assert (ended.value.code, shown.out, shown.err.count("\n")) == (2, "", 1)


def test_what_is_made_here_is_told_of_to_the_first_owner(config: Path) -> None:
    said(config, "add", "tomorrow 9:00 | club:a | hi")
    made = inside(config, lambda tx: tx.schedules.get(1))
    assert made is not None
    assert (made.chat, made.person, made.person_name, made.reach) == ("telegram:1001", "", "command line", "")


def test_without_owners_it_is_told_of_to_nobody(config: Path) -> None:
    config.write_text(CONFIG)
    said(config, "add", "tomorrow 9:00 | club:a | hi")
    made = inside(config, lambda tx: tx.schedules.get(1))
    assert made is not None
    assert made.chat == ""


def test_many_targets_need_no_approval_from_here_unless_the_line_asks_for_it(config: Path) -> None:
    config.write_text(f"{OWNED}[schedules]\napproval_over = 1\n")
    said(config, "add", "tomorrow 9:00 | club:a, club:b | hi")
    assert "waits for an admin" in said(config, "add", "tomorrow 9:00 approve=1 | club:a | hi")
    assert [each["enabled"] for each in listed(config)] == [True, False]
    asked = waiting(config)
    assert [address for address, _ in asked] == ["telegram:1001", "telegram:1002"]
    assert all("waits for an admin's approval" in text for _, text in asked)


# --- many lines


def test_lines_of_standard_input_are_kept_and_wrong_ones_told_with_their_number(config: Path) -> None:
    given = (
        "\ufeff# what is planned\n"
        "\n"
        "tomorrow 9:00 | club:a | one\\ntwo\r\n"
        "  # more\n"
        "at 9 | club:a | asked back\n"
        "every day at 9:00 name=daily | club:a | daily\n"
        "every day at 9:00 name=DAILY | club:a | again\n"
        "tomorrow 9:00 | nowhere | hi\n"
    ).encode() + b"tomorrow 9:00 | club:a | caf\xe9\nin 5m | club:a | last"
    result = run(config, "add", "-", stdin=given)
    assert result.exit_code == 2
    assert [each["text"] for each in listed(config)] == ["one\\ntwo", "daily", "last"]
    assert [line.split("; ")[0] for line in result.stdout.splitlines()] == [
        "1  at 2026-11-21 09:00 Europe/Paris",
        "2 (daily)  every day at 09:00 Europe/Paris",
        "3  at 2026-11-20 16:05 Europe/Paris",
    ]
    numbers, why = zip(*(line.split(": ", 1) for line in result.stderr.splitlines()), strict=True)
    assert numbers == ("line 5", "line 7", "line 8", "line 9")
    for words, line in zip(("21:00", "the name DAILY", "nowhere", "is not UTF-8"), why, strict=True):
        assert words in line


def test_very_many_lines_are_kept_in_batches(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(COMMANDS, "AT_ONCE", 10)
    monkeypatch.setattr(COMMANDS, "PAGE", 7)
    lines = "".join(f"every day at 9:{number % 60:02d} | club:a | {number}\n" for number in range(95))
    result = run(config, "add", "-", stdin=lines.encode())
    assert (result.exit_code, result.stderr) == (0, "")
    assert [each["text"] for each in listed(config)] == [str(number) for number in range(95)]
    assert len(said(config, "list").splitlines()) == 95


def test_nothing_on_standard_input_is_fine(config: Path) -> None:
    result = run(config, "add", "-", stdin=b"")
    assert (result.exit_code, result.output) == (0, "")


# --- one of them


@pytest.mark.parametrize("command", ["remove", "pause", "resume", "skip", "now", "show", "next", "edit"])
def test_an_unknown_one_is_told_in_one_line(config: Path, command: str) -> None:
    more = ["in 5m"] if command == "edit" else []
    assert refused(config, command, "daily", *more) == "there is no schedule daily; there are none yet"


def test_one_that_is_removed_is_gone(config: Path) -> None:
    said(config, "add", "every day at 9:00 name=daily | club:a | hi")
    assert said(config, "remove", "Daily") == "removed: 1  every day at 09:00 Europe/Paris name=daily\n"
    assert listed(config) == []
    assert "there is no schedule 1" in refused(config, "show", "1")


def test_a_pause_holds_and_what_it_held_is_left_out(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said(config, "add", "every day at 9:00 | club:a | hi")
    assert said(config, "pause", "1") == "paused: 1  every day at 09:00 Europe/Paris\n"
    assert "is paused already" in refused(config, "pause", "1")
    assert listed(config)[0]["enabled"] is False
    monkeypatch.setattr(COMMANDS, "time", SimpleNamespace(time=lambda: NOW + 3 * 86_400))
    assert said(config, "resume", "1") == (
        "resumed: 1  every day at 09:00 Europe/Paris; 3 meanwhile were left out; next Tue 2026-11-24 09:00"
        " Europe/Paris\n"
    )
    assert listed(config)[0]["next"][0] == "2026-11-24T08:00:00Z"
    assert "is not paused" in refused(config, "resume", "1")


def test_skipping_moves_on_by_one_also_behind_an_edit(config: Path) -> None:
    said(config, "add", "every day at 9:00 | club:a | hi")
    assert (
        said(config, "skip", "1")
        == "skipped: Sat 2026-11-21 09:00 Europe/Paris; next Sun 2026-11-22 09:00 Europe/Paris\n"
    )
    said(config, "edit", "1", "| | hello")
    assert [each["next"][0] for each in listed(config)] == ["2026-11-22T08:00:00Z"]


def test_the_last_one_can_be_skipped_once(config: Path) -> None:
    said(config, "add", "tomorrow 9:00 | club:a | hi")
    assert "nothing more is to come" in said(config, "skip", "1")
    assert "nothing to come" in refused(config, "skip", "1")
    assert listed(config)[0]["next"] == []


@pytest.mark.parametrize("command", ["pause", "remove"])
def test_what_was_due_and_is_not_sent_any_more_is_named(
    config: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    said(config, "add", "every day at 9:00 | club:a | hi")
    monkeypatch.setattr(COMMANDS, "time", SimpleNamespace(time=lambda: NOW + 86_400))
    assert said(config, command, "1").endswith(
        "every day at 09:00 Europe/Paris. What was due at Sat 2026-11-21 09:00 Europe/Paris is not sent.\n"
    )


def test_now_sends_once_more_and_leaves_what_is_to_come(config: Path) -> None:
    said(config, "add", "every day at 9:00 | club:a | hi")
    assert said(config, "now", "1") == "sent: 1 to 1 target\n"
    assert waiting(config) == [("club:a", "hi")]
    assert listed(config)[0]["next"][0] == "2026-11-21T08:00:00Z"
    shown = json.loads(said(config, "show", "1", "--json"))
    assert shown["fired"] == 1
    ((became,),) = [shown["history"]]
    assert (became["at"], became["state"]) == ("2026-11-20T15:00:00Z", "sent")
    assert [(each["address"], each["state"]) for each in became["receipts"]] == [("club:a", "queued")]
    assert "Fri 2026-11-20 16:00 Europe/Paris: under way to 1\n  club:a: queued\n" in said(config, "show", "1")


def test_show_tells_where_it_arrived_and_that_it_is_over(config: Path) -> None:
    config.write_text(f'{OWNED}[schedules]\nquiet_hours = "15:00-17:00"\n')
    said(config, "add", "at 16:30 | club:a, club:b, telegram:-5 | hi")
    said(config, "now", "1", "--yes")
    assert "16:00 Europe/Paris: waiting for quiet hours to end (3)\n" in said(config, "show", "1")

    def settle(tx: Tx) -> None:
        tx.db.execute("UPDATE outbox SET state = 'sent'")
        tx.db.execute("UPDATE outbox SET state = 'dead', error = 'gone' WHERE conversation = 'b'")
        tx.db.execute("UPDATE schedules SET next_at = NULL")

    inside(config, settle)
    shown = said(config, "show", "1")
    assert "16:00 Europe/Paris: sent to 2, failed at 1\n" in shown
    assert "\nstate: over\n" in shown
    assert said(config, "list").endswith("→ club:a, club:b, telegram:-5; over\n")


def test_one_whose_time_has_passed_while_it_waits_says_so(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said(config, "add", "at 18:00 approve=1 | club:a | hi")
    assert "state: waits for an approval\n" in said(config, "show", "1")
    monkeypatch.setattr(COMMANDS, "time", SimpleNamespace(time=lambda: NOW + 86_400))
    assert "state: waits for an approval, and its time has passed\n" in said(config, "show", "1")
    assert said(config, "list").endswith("; waits for approval, and its time has passed\n")


def test_a_list_leaves_nothing_out(config: Path) -> None:
    targets = ", ".join(f"club:room-{number}" for number in range(30))
    said(config, "add", f"every day at 9:00 | {targets} | hi")
    assert f"→ {targets}; next" in said(config, "list")


def test_now_asks_before_it_sends_to_several(config: Path) -> None:
    said(config, "add", "every day at 9:00 | club:a, club:b | hi")
    assert "goes to 2 targets and nobody is there to ask; add --yes" in refused(config, "now", "1")
    assert waiting(config) == []
    assert said(config, "now", "1", "--yes") == "sent: 1 to 2 targets\n"
    assert len(waiting(config)) == 2


def test_now_waits_for_the_approval(config: Path) -> None:
    said(config, "add", "every day at 9:00 approve=1 | club:a | hi")
    assert "waits for its approval" in refused(config, "now", "1")


def test_targets_that_are_gone_when_it_fires_are_told_of_and_the_others_get_it(config: Path) -> None:
    said(config, "add", "every day at 9:00 | club:a, telegram:-5 | hi")
    config.write_text(OWNED.replace("[accounts.club]", "[accounts.pub]"))
    sent = said(config, "now", "1", "--yes")
    assert sent.startswith("sent: 1 to 1 target\nLeft out: “club:a”: there is no account 'club'")
    assert waiting(config) == [("telegram:-5", "hi")]


def test_a_firing_without_any_target_left_is_kept_with_its_reason(config: Path) -> None:
    said(config, "add", "every day at 9:00 | club:a | hi")
    config.write_text(OWNED.replace("[accounts.club]", "[accounts.pub]"))
    assert refused(config, "now", "1").startswith("nothing was sent: Left out: “club:a”: there is no account 'club'")
    (became,) = json.loads(said(config, "show", "1", "--json"))["history"]
    assert (became["state"], became["receipts"]) == ("failed", [])
    assert listed(config)[0]["enabled"] is True


def test_an_edit_leaves_what_is_empty_as_it_is(config: Path) -> None:
    said(config, "add", "every 2h name=news silent=yes | club:a | hi\n[T](https://example.org)")
    before = listed(config)[0]
    said(config, "edit", "news", "| | hello {date}")
    assert listed(config) == [{**before, "text": "hello {date}"}]
    assert json.loads(said(config, "show", "1", "--json"))["buttons"] == []
    said(config, "edit", "1", "silent=no pin=yes | club:b")
    assert listed(config) == [
        {**before, "text": "hello {date}", "targets": ["club:b"], "when": "every 2h Europe/Paris name=news pin=yes"}
    ]
    assert "Next: Sat 2026-11-21 07:00" in said(config, "edit", "1", "tomorrow 7:00").replace("At:", "Next:")
    assert listed(config)[0]["text"] == "hello {date}"


def test_an_edit_shows_the_words_that_were_and_those_that_are(config: Path) -> None:
    said(config, "add", "every day at 9:00 | club:a | Good morning @all")
    assert said(config, "edit", "1", "| | It is {time}").endswith(
        "To 1 target: club:a\n\nIts words were:\nGood morning @all\n\nThey are now:\nIt is 09:00\n"
    )
    assert said(config, "edit", "1", "every day at 10:00").endswith("To 1 target: club:a\n\nIt is 10:00\n")


@pytest.mark.parametrize(
    ("line", "why"),
    [("| |", "nothing is to be changed"), ("2020-01-01 9:00", "that is past"), ("| here", "name an address instead")],
)
def test_a_wrong_edit_changes_nothing(config: Path, line: str, why: str) -> None:
    said(config, "add", "every day at 9:00 | club:a | hi")
    before = listed(config)
    assert why in refused(config, "edit", "1", line)
    assert listed(config) == before


# --- what is to come


def test_what_is_to_come_is_in_order_and_without_what_is_paused(config: Path) -> None:
    said(config, "add", "every day at 9:00 | club:a | daily")
    said(config, "add", "every 20h name=often | club:b, telegram:-5 | twice")
    said(config, "add", "every day at 9:00 | club:a | paused")
    said(config, "pause", "3")
    assert said(config, "next", "--days", "2").splitlines() == [
        "Sat 2026-11-21 09:00 Europe/Paris  1  daily → club:a",
        "Sat 2026-11-21 12:00 Europe/Paris  2  often → club:b, telegram:-5",
        "Sun 2026-11-22 08:00 Europe/Paris  2  often → club:b, telegram:-5",
        "Sun 2026-11-22 09:00 Europe/Paris  1  daily → club:a",
    ]
    assert json.loads(said(config, "next", "--days", "1", "--json", "often")) == [
        {
            "id": 2,
            "at": "2026-11-21T11:00:00Z",
            "name": "often",
            "targets": ["club:b", "telegram:-5"],
            "text": "twice",
            "state": "planned",
        }
    ]
    paused = run(config, "next", "3")
    assert (paused.stdout, "is paused" in paused.stderr) == ("", True)


def test_very_much_to_come_is_cut_with_a_note(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(COMMANDS, "COMING_MOST", 5)
    said(config, "add", "every 10s | club:a | hi")
    result = run(config, "next")
    assert len(result.stdout.splitlines()) == 5
    assert result.stderr == "These are the first 5: name fewer --days, or one ID.\n"


@pytest.mark.parametrize("days", ["0", "-1", "x", "99999999999"])
def test_days_are_bounded(config: Path, days: str) -> None:
    assert run(config, "next", "--days", days).exit_code == 2


# --- the calendar


def test_the_address_of_the_calendar_stays_until_it_is_renewed(config: Path) -> None:
    first = said(config, "calendar")
    assert first.startswith("http://127.0.0.1:8080/calendar/")
    assert first.endswith(".ics\n")
    assert said(config, "calendar") == first
    renewed = said(config, "calendar", "--renew")
    assert renewed != first
    config.write_text(f'{OWNED}[web]\npublic_url = "https://bridge.example.org"\n')
    assert said(config, "calendar") == renewed.replace("http://127.0.0.1:8080", "https://bridge.example.org")
    assert "Whoever knows this address can read" in run(config, "calendar").stderr


# --- check


def test_a_check_names_the_targets_that_nothing_can_be_sent_to(config: Path) -> None:
    firing = _firing(load_settings(config, environ={}))

    def checked() -> list[tuple[str, bool, str, str]]:
        return inside(config, lambda tx: _check_schedules(tx, firing))

    said(config, "list")
    assert checked() == []
    inside(config, lambda tx: tx.audiences.add("all", ["club:a"], person="1", now=NOW))
    said(config, "add", "every day at 9:00 | club:a, @all | hi")
    assert checked() == [("schedules", True, "", "1, all their targets can be sent to")]
    inside(config, lambda tx: tx.audiences.remove("all", ["club:a"]))
    ((what, good, _, why),) = checked()
    assert (what, good) == ("schedules", False)
    assert why.startswith("schedule 1: @all is empty")
    said(config, "pause", "1")
    assert checked()[0][1] is True


# --- somebody is forgotten


@pytest.mark.parametrize(
    ("more", "says", "left"),
    [
        ((), "Of theirs schedule 1: still to come, and goes on as nobody's; --also-waiting removes them", [("Ann", 2)]),
        (("--yes",), "Of theirs schedule 1: goes on as nobody's", [("", 2)]),
        (("--yes", "--also-waiting"), "Of theirs schedule 1: is removed", []),
    ],
)
def test_schedules_of_who_is_forgotten(
    config: Path, more: tuple[str, ...], says: str, left: list[tuple[str, int]]
) -> None:
    said(config, "add", "every day at 09:00 | club:a, club:b | Stand up!")
    inside(config, lambda tx: tx.db.execute("UPDATE schedules SET person = '5', person_name = 'Ann'"))
    result = CliRunner().invoke(cli, ["--config", str(config), "forget", "Ann", *more])
    assert (result.exception, result.exit_code) == (None, 0)
    assert says in result.stdout.splitlines()
    rows = inside(config, lambda tx: tx.schedules.all())
    assert [(each.person_name, len(each.targets)) for each in rows] == left
    if left == [("", 2)]:
        assert "by somebody" in said(config, "show", "1")


# --- what cannot be read


BROKEN = {
    "rule": "whatever this is",
    "options": '{"unheard_of": 1, "quiet": "never"}',
    "message": '["no message"]',
}


def break_it(config: Path, id: int, column: str) -> None:
    inside(config, lambda tx: tx.db.execute(f"UPDATE schedules SET {column} = ? WHERE id = ?", (BROKEN[column], id)))


@pytest.fixture(params=BROKEN)
def broken(config: Path, request: pytest.FixtureRequest) -> Path:
    """A configuration with three schedules, of which the second cannot be read."""
    for place in ("club:a", "club:b", "telegram:-5"):
        said(config, "add", f"every day at 9:00 | {place} | Good morning")
    break_it(config, 2, request.param)
    return config


def test_one_that_cannot_be_read_stands_in_the_list(broken: Path) -> None:
    lines = said(broken, "list").splitlines()
    assert [line.partition(":")[0] for line in lines] == ["1", "2", "3"]
    assert ["cannot be read" in line for line in lines] == [False, True, False]
    found = listed(broken)
    assert [each["id"] for each in found] == [1, 2, 3]
    assert ["(cannot be read)" in each["when"] for each in found] == [False, True, False]
    assert all(each["next"] for each in (found[0], found[2]))


def test_one_that_cannot_be_read_is_shown_and_the_others_go_on(broken: Path) -> None:
    assert "(cannot be read)" in said(broken, "show", "2")
    assert json.loads(said(broken, "show", "2", "--json"))["id"] == 2
    assert len([line for line in said(broken, "next", "--days", "1").splitlines() if "telegram:-5" in line]) == 1
    assert said(broken, "calendar").startswith("http")
    assert "can be removed" in refused(broken, "edit", "2", "| | Other words")
    assert "can be removed" in refused(broken, "now", "2", "--yes")


@pytest.mark.parametrize("state", ["on", "paused", "due"])
def test_one_that_cannot_be_read_is_paused_and_removed(broken: Path, state: str) -> None:
    if state == "paused":
        assert said(broken, "pause", "2").startswith("paused: 2")
    if state == "due":
        inside(broken, lambda tx: tx.db.execute("UPDATE schedules SET next_at = ? WHERE id = 2", (NOW - 60.0,)))
    assert said(broken, "remove", "2").startswith("removed: 2")
    assert [each["id"] for each in listed(broken)] == [1, 3]


def test_a_check_tells_of_one_that_cannot_be_read(broken: Path) -> None:
    rows = inside(broken, lambda tx: _check_schedules(tx, _firing(load_settings(broken, environ={}))))
    assert rows == [("schedules", False, "", "schedule 2: cannot be read")]


def test_a_line_that_is_refused_half_way_leaves_nothing(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(tx: Tx, firing: object, schedule: object, *, now: float) -> None:
        if schedule.name == "bad":  # type: ignore[attr-defined]
            raise planning.ScheduleError("it cannot be asked")

    monkeypatch.setattr(COMMANDS, "_ask", ask)
    lines = b"every day at 9:00 name=good | club:a | x\nevery day at 9:00 name=bad | club:a | x\n"
    result = run(config, "add", "-", stdin=lines)
    assert result.exit_code == 2
    assert "line 2: it cannot be asked" in result.stderr
    assert [each["when"].partition("name=")[2] for each in listed(config)] == ["good"]


def test_so_many_times_are_refused_and_as_many_as_may_be_are_not_counted_again(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "10,000 are the most" in refused(config, "add", "cron * * * * * 999999999 times | club:a | x")
    said(config, "add", "cron * * * * * 10000 times | club:a | x")

    def refuse(*args: object) -> None:
        raise AssertionError("counted again")

    monkeypatch.setattr("bot.recurrence._last_counted", refuse)
    assert len(listed(config)[0]["next"]) == 3
    for words in (("next",), ("skip", "1"), ("pause", "1"), ("resume", "1"), ("show", "1"), ("remove", "1")):
        assert said(config, *words)


def test_what_would_not_read_back_is_not_kept(config: Path) -> None:
    rule = Rule(Daily(time(9)), "Factory")

    def unit(tx: Tx) -> None:
        planning.draft(
            tx, _firing(load_settings(config, environ={})), rule=rule, options=Options(), targets="club:a",
            message=Message(text="x"), here=None, now=NOW,
        )  # fmt: skip

    with pytest.raises(planning.ScheduleError, match="would not be read as the same again"):
        inside(config, unit)


def test_a_chat_that_nobody_has_heard_of_is_pointed_out_and_kept(config: Path) -> None:
    done = run(config, "add", "tomorrow 9:00 | telegram:-100777/4, club:a | hi")
    assert (done.exit_code, done.stderr) == (0, "nothing is known of telegram:-100777/4; is the bot in it?\n")
    assert done.stdout.startswith("1  ")
