"""What people read of schedules: what is sent, what changed, what is next and what is over, what was meant."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.firing import Firing, SchedulePolicy
from bot.quiet import parse_quiet
from bot.schedule_words import OLD_LINES, TEXT_MOST
from bot.store import Tx
from bot.telegram.outbound import CAPABILITIES
from bridges.model import Message, SpanKind
from tests.bot.telegram.desk import ANN, BO, CY, OPS, Answer, Desk
from tests.bot.telegram.scratch import a_scratch_desk

DAILY = "/schedule every day at 9:00 | club:a |"
DAY = 86_400.0


@pytest.fixture
async def desk() -> Desk:
    """Ann is an owner, Bo an operator everywhere; it is Friday 2027-01-15 08:00 UTC."""
    made, _ = a_scratch_desk()
    await made.grant(BO, "operator")
    return made


async def one(desk: Desk, line: str, *, by: int = BO, **more: Any) -> Answer:
    (answer,) = await desk.write(line, by=by, **more)
    return answer


async def text(desk: Desk, line: str, *, by: int = BO) -> str:
    return (await one(desk, line, by=by)).text


def labels(answer: Answer) -> list[str]:
    return [button.label for button in answer.buttons]


# --- what is sent


async def test_what_goes_to_one_target_is_echoed_as_it_will_be_sent(desk: Desk) -> None:
    line = f"{DAILY} Good morning {{chat}}, it is {{date}}, number {{n}}, in {{{{braces}}}}\n[Go](https://example.org)"
    await desk.write("/name club:a lounge", by=ANN)
    assert (await text(desk, line)).endswith(
        "To 1 target: club:a\n\nGood morning lounge, it is Fri 2027-01-15, number 1, in {braces}\n"
        "[Go] https://example.org"
    )


async def test_a_long_text_is_echoed_in_its_beginning_with_its_formatting(desk: Desk) -> None:
    desk.line.telegram.capabilities = CAPABILITIES
    words = "word " * 500
    message = desk.message(f"{DAILY} {words}", by=BO)
    message["entities"].append({"type": "bold", "offset": len(DAILY) + 1, "length": 2400})
    await desk.takes(message)
    payload = await desk.line.store.read(
        lambda tx: tx.db.execute("SELECT payload FROM outbox ORDER BY id DESC").fetchone()[0]
    )
    echo = Message.model_validate_json(payload)
    shown = echo.text.rpartition("\n\n")[2]
    assert shown.endswith("word…") and len(shown) <= TEXT_MOST
    (bold,) = [span for span in echo.spans if span.kind is SpanKind.BOLD]
    assert echo.text[bold.start : bold.start + bold.length] == shown


async def test_of_many_buttons_the_first_are_echoed(desk: Desk) -> None:
    buttons = "\n".join(f"[Go {number}](https://example.org/{'x' * 200})" for number in range(6))
    lines = (await text(desk, f"{DAILY} hi\n{buttons}")).rpartition("\n\n")[2].splitlines()
    assert [line.partition("]")[0] for line in lines] == ["hi", "[Go 0", "[Go 1", "[Go 2", "[Go 3"]
    assert all(len(line) < 150 for line in lines)


async def test_an_edit_shows_the_words_that_were_and_those_that_are(desk: Desk) -> None:
    await desk.write(f"{DAILY} one\ntwo\nthree\nfour\nfive\nsix", by=BO)
    said = await text(desk, "/schedule edit 1 | | New words on {weekday}")
    assert "\nIts words were:\none\ntwo\nthree\nfour…\nIt is changed to:\n" in said
    assert "five" not in said, f"no more than {OLD_LINES} lines"
    assert said.endswith("To 1 target: club:a\n\nNew words on Friday")
    assert "Its words were" not in await text(desk, "/schedule edit 1 every day at 10:00 | |")


async def test_an_edit_that_is_asked_about_shows_the_words_that_were_too(desk: Desk) -> None:
    await desk.press(await one(desk, "/schedule every day at 9:00 | club:a, desk:b | Old words"), "Schedule", by=BO)
    card = await one(desk, "/schedule edit 1 | | New words")
    assert "To be sent to 2 targets:\n\nNew words" in card.text
    assert "\nIts words were:\nOld words\n" in card.text
    done = (await desk.press(card, "Change", by=BO)).card
    assert done is not None and done.text.endswith("\n\nNew words")


# --- the list


async def test_what_is_over_stands_in_a_list_of_its_own(desk: Desk) -> None:
    for minute in (10, 20, 30):
        await desk.write(f"/schedule at 8:{minute} | club:a | number {minute}", by=BO)
    await desk.write(f"{DAILY} hi", by=BO)
    await desk.line.store.write(lambda tx: tx.db.execute("UPDATE schedules SET next_at = NULL WHERE id <= 2"))
    listed = await text(desk, "/schedules")
    assert listed.startswith("Schedules: 2.\n\n3 · next Fri 2027-01-15 08:30 UTC\n→ club:a · “number 30”\n4 · next")
    assert listed.endswith("\n2 are over: /schedules over lists them.")
    over = await text(desk, "/schedules over")
    assert over.startswith(
        "Schedules that are over: 2.\n\n"
        "2 · over · at 2027-01-15 08:20 UTC\n→ club:a · “number 20”\n1 · over · at 2027-01-15 08:10 UTC\n"
    )
    assert "are over:" not in over.splitlines()[-1]


async def test_targets_are_told_by_what_people_call_them_and_call_nobody(desk: Desk) -> None:
    await desk.write("/name club:a lounge", by=ANN)
    await desk.write("/audience add all club:a")
    targets = f"club:a, telegram:{OPS}, @all, desk:b, desk:c"
    await desk.press(await one(desk, f"/schedule every day at 9:00 | {targets} | Hello @ann"), "Schedule", by=BO)
    line = (await text(desk, "/schedules")).splitlines()[3]
    title = await desk.line.store.read(lambda tx: tx.conversations.title("telegram", str(OPS)))
    assert title and line.startswith(f"→ lounge, {title}, @all and 2 more · “Hello @")
    assert "@ann" not in line


async def test_what_waits_and_comes_too_late_says_so(desk: Desk) -> None:
    await desk.write("/schedule at 9:00 approve=1 missed=skip | club:a | hi", by=BO)
    assert "1 · waits for approval, next Fri 2027-01-15 09:00 UTC\n" in await text(desk, "/schedules")
    desk.line.clock.at += 2 * 3600
    assert "1 · waits for approval, and its time has passed · at 2027-01-15" in await text(desk, "/schedules")
    assert "not sent yet" in await text(desk, "/schedule show 1")
    await desk.line.store.write(lambda tx: tx.db.execute("UPDATE schedules SET next_at = NULL"))
    assert "\nIts time has passed.\n" in await text(desk, "/schedule show 1")


# --- one


async def test_one_that_is_over_has_neither_pause_nor_skip(desk: Desk) -> None:
    await desk.write("/schedule at 9:00 | club:a | hi", by=BO)
    assert labels(await one(desk, "/schedule show 1")) == ["Pause", "Skip next", "Send now", "Edit", "Remove"]
    await desk.line.store.write(lambda tx: tx.db.execute("UPDATE schedules SET next_at = NULL"))
    shown = await one(desk, "/schedule show 1")
    assert shown.text.startswith("Schedule 1: over\n")
    assert labels(shown) == ["Send now", "Edit", "Remove"]


async def test_what_waits_for_quiet_hours_to_end_is_not_called_sent(desk: Desk) -> None:
    firing = Firing(desk.line.relay, SchedulePolicy("UTC", quiet=parse_quiet("7:00-9:30")))
    await desk.press(await one(desk, "/schedule every day at 9:00 | club:a, desk:b | hi"), "Schedule", by=BO)

    def fire(tx: Tx) -> None:
        schedule = tx.schedules.get(1)
        assert schedule is not None
        firing.fire(tx, schedule, desk.line.clock(), now=desk.line.clock())

    await desk.line.store.write(fire)
    desk.services = replace(desk.services, firing=firing)
    assert "08:00 UTC: waiting for quiet hours to end (2)" in await text(desk, "/schedule show 1")
    desk.line.clock.at += 2 * 3600
    assert "08:00 UTC: under way to 2" in await text(desk, "/schedule show 1")


async def test_who_changed_it_last_is_told_if_that_was_somebody_else(desk: Desk) -> None:
    await desk.grant(CY, "operator")
    await desk.write(f"{DAILY} hi", by=BO)
    await desk.write("/schedule edit 1 | | ho", by=BO)
    assert "Changed last" not in await text(desk, "/schedule show 1")
    await desk.write("/schedule edit 1 | | hey", by=CY)
    shown = await text(desk, "/schedule show 1")
    assert "\nMade by Bo on" in shown and "\nChanged last by Cy" in shown


# --- what was meant


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("delete 6", "/schedule remove 6"),
        ("remvoe 6", "/schedule remove 6"),
        ("list", "/schedules"),
        ("week", "/schedules week"),
        ("5", "/schedule show 5"),
        ("#5", "/schedule show 5"),
        ("cancel", "/schedule remove and its number"),
        ("change 3 every day at 9:00", "/schedule edit 3 every day at 9:00"),
    ],
)
async def test_what_is_no_schedule_is_answered_with_what_was_meant(desk: Desk, line: str, meant: str) -> None:
    assert (await text(desk, f"/schedule {line}")).startswith(f"Did you mean {meant}?")


@pytest.mark.parametrize("line", ["tomorrow 9:00", "every day at 9:00", "noon", "start of the week"])
async def test_a_when_without_the_rest_is_no_slip(desk: Desk, line: str) -> None:
    assert "did you mean" not in (await text(desk, f"/schedule {line}")).lower()


async def test_one_that_there_is_not_is_answered_with_the_nearest_and_no_long_list(desk: Desk) -> None:
    assert await text(desk, "/schedule show 3") == "There is no schedule 3; there are none yet."
    for _ in range(3):
        await desk.write(f"{DAILY} hi", by=BO)
    assert await text(desk, "/schedule show lunch") == "There is no schedule lunch; there are: 1, 2, 3."
    for _ in range(9):
        await desk.write(f"{DAILY} hi", by=BO)
    await desk.write("/schedule remove 6", by=BO)
    assert await text(desk, "/schedule show 99") == "There is no schedule 99; there are 11, the latest is 12."
    assert await text(desk, "/schedule pause 6") == "There is no schedule 6; there are 11, the nearest are 4, 5, 7, 8."


async def test_help_says_once_who_may(desk: Desk) -> None:
    said = await text(desk, "/help schedule")
    assert said.count("who may: operator or higher") == 1
    lines = said.splitlines()
    assert "every month on the last day at 12:00" in lines
    assert "name=lunch: it can be called that" in lines
    assert "Your role is viewer. An owner can give you the one needed" in await text(desk, "/help schedule", by=CY)
