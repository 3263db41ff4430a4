"""Schedules over real HTTP: said in words, on time, at every target, through kills and restarts."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from tests.journeys.test_wizards import buttons
from tests.journeys.world import ANN, BO, Chat, World

pytestmark = pytest.mark.asyncio(loop_scope="package")

Json = dict[str, Any]


def number_in(text: str) -> str:
    """The number of the schedule that an echo tells of."""
    found = re.search(r"[Ss]chedule (\d+)", text)
    assert found is not None, text
    return found[1]


async def listed(world: World, number: str) -> Json:
    """One schedule as scripts see it."""
    rows = await world.read("schedules", "list")
    return next(row for row in rows if row["id"] == int(number))


async def shows(ops: Chat, card: Json, part: str) -> Json:
    """Wait until a card shows something."""
    return await ops.world.until(lambda: (now := ops.now(card)) and part in now.get("text", "") and now)


async def test_what_is_said_in_words_is_shown_and_goes_to_every_target_at_its_time(world: World) -> None:
    ops = world.group("Ops")
    ops.say("good morning")
    ops.say("/schedule in 3s | here, support:room-42, club:lobby | Doors open at {chat}, number {n}")
    await ops.hears("no name to fill in at support:room-42 and 1 more")
    for address, name in (("support:room-42", "desk"), ("club:lobby", "lobby")):
        await ops.ask(f"/name {address} {name}")
    ops.say("/schedule in 3s | here, support:room-42, club:lobby | Doors open at {chat}, number {n}")
    page = await ops.hears("to 3 targets")
    assert {"Schedule", "Cancel"} <= set(buttons(page))
    assert "Doors open at Ops, number 1" in page["text"]
    assert "1 × support: it is “Doors open at desk, number 1”" in page["text"]
    assert any(entity["type"] == "date_time" for entity in page["entities"]), "each reader sees their own zone"
    assert "Only the person" in await ops.press(page, "Schedule", by=BO)
    await ops.press(page, "Schedule")
    page = await shows(ops, page, "Schedule ")
    number = number_in(page["text"])
    assert (await listed(world, number))["text"] == "Doors open at {chat}, number {n}"
    await ops.hears("Doors open at Ops, number 1")
    await world.until(lambda: any("number 1" in text for text in world.pushed("room-42")))
    assert [text for text in world.pushed("room-42") if "number 1" in text] == ["Doors open at desk, number 1"]
    assert (await listed(world, number))["next"] == []
    shown = await ops.ask(f"/schedule show {number}")
    assert "sent to 3" in shown


async def test_one_target_is_scheduled_at_once_and_can_be_undone(world: World) -> None:
    ops = world.group("Ops")
    ops.say("/schedule every mon,thu at 9:30 Europe/London | here | Stand-up!")
    page = await ops.hears("every mon,thu at 09:30 Europe/London")
    number = number_in(page["text"])
    row = await listed(world, number)
    assert row["when"] == "every mon,thu at 09:30 Europe/London"
    assert len(row["next"]) == 3 and all(datetime.fromisoformat(at) > datetime.now(UTC) for at in row["next"])
    await ops.press(page, "Undo")
    assert all(row["id"] != int(number) for row in await world.read("schedules", "list"))


async def test_what_may_mean_two_things_is_asked_back_with_buttons(world: World) -> None:
    ops = world.group("Ops")
    ops.say("/schedule every day at 9 | here | Good morning")
    page = await ops.hears("9:00")
    morning = next(label for label in buttons(page) if "21" not in label and "9" in label)
    await ops.press(page, morning)
    page = await shows(ops, page, "every day at 09:00")
    await ops.ask(f"/schedule remove {number_in(page['text'])}")
    for wrong, words in (
        ("yesterday at 9:00", "as in tomorrow 9:00"),
        ("2020-01-01 9:00", "past"),
        ("2027-02-30 9:00", "February 2027 has 28 days"),
        ("at 9:00 Europe/Lodnon", "Europe/London"),
        ("cron 0 0 30 2 *", "never"),
    ):
        told = await ops.ask(f"/schedule {wrong} | here | x")
        assert words in told, told
    await ops.ask("/audience add nobody here")
    await ops.ask("/audience remove nobody here")
    assert "empty" in await ops.ask("/schedule at 9:00 | @nobody | x")
    assert "{chatt}" in await ops.ask("/schedule at 9:00 | here | Hello {chatt}")


async def test_a_kill_while_it_is_due_misses_and_doubles_nothing(world: World) -> None:
    ops = world.group("Ops")
    ids = {}
    for name, missed in (("late", "send:1h"), ("gone", "skip"), ("asked", "ask")):
        told = await ops.ask(f"/schedule in 4s missed={missed} name={name} | here | It is {name}")
        ids[name] = number_in(told)
    due = datetime.fromisoformat((await listed(world, ids["asked"]))["next"][0])
    await world.bot.kill()
    # The clock of the machine: it must be more than five seconds late to be missed.
    await world.until(lambda: (datetime.now(UTC) - due).total_seconds() > 5.5)
    await world.start()
    await world.until(lambda: "It is late" in ops.texts(), told=lambda: str(ops.texts()))
    told = await ops.hears("(gone): what was due")
    assert "was missed, and is not sent" in told["text"]
    card = await ops.hears("Send it now?")
    assert ops.texts().count("It is late") == 1
    assert "It is gone" not in ops.texts() and "It is asked" not in ops.texts()
    await ops.press(card, "Send")
    await world.until(lambda: "It is asked" in ops.texts(), told=lambda: str(ops.texts()))
    await world.restart()
    await world.settled()
    for text in ("It is late", "It is asked"):
        assert ops.texts().count(text) == 1
    assert "It is gone" not in ops.texts()


async def test_a_life_of_pausing_skipping_and_editing(world: World) -> None:
    ops = world.group("Ops")
    number = number_in(await ops.ask("/schedule every day at 12:00 name=lunch | here | Lunch!"))
    first = (await listed(world, number))["next"]
    await ops.ask("/schedule skip lunch")
    assert (await listed(world, number))["next"][:2] == first[1:]
    await ops.ask(f"/schedule pause {number}")
    assert (await listed(world, number))["enabled"] is False
    await ops.ask(f"/schedule resume {number}")
    assert (await listed(world, number))["next"][:2] == first[1:]
    await ops.ask(f"/schedule now {number}")
    await ops.hears("Lunch!")
    assert (await listed(world, number))["next"][:2] == first[1:]
    await ops.ask(f"/schedule edit {number} | | Lunch at the lake!")
    row = await listed(world, number)
    assert (row["text"], row["when"]) == ("Lunch at the lake!", "every day at 12:00 UTC name=lunch")
    assert row["next"][:2] == first[1:], "only the words are others"
    assert "Lunch at the lake!" in await ops.ask(f"/schedule show {number}")
    assert "lunch" in await ops.ask("/schedules")
    await ops.ask(f"/schedule remove {number}")
    assert "no schedule" in await ops.ask(f"/schedule show {number}")


async def test_an_approval_is_never_the_requesters_own(world: World) -> None:
    ops = world.group("Ops")
    await ops.ask(f"/grant {BO} admin")
    ops.say("/schedule in 2s approve=1 missed=send:1h | here | Approved words")
    card = await ops.hears("waits for an admin's approval")
    assert "Somebody else" in await ops.press(card, "Approve", by=ANN)
    # Its time comes first: it waits, and is sent with the approval.
    told = await ops.hears("waits for its approval")
    assert "It goes out when it is approved, if that is within 1h." in told["text"]
    assert "Approved words" not in ops.texts()
    await ops.press(card, "Approve", by=BO)
    await shows(ops, card, "is sent now")
    await world.until(lambda: "Approved words" in ops.texts(), told=lambda: str(ops.texts()))
    assert ops.texts().count("Approved words") == 1
    await ops.ask(f"/revoke {BO}")


async def test_the_command_line_beside_the_running_bot(world: World) -> None:
    ops = world.group("Ops")
    made = await world.quick("schedules", "add", f"in 2s | {ops.address} | From the command line")
    number = number_in(f"schedule {made.split()[0]}")
    await ops.hears("From the command line")
    assert (await listed(world, number))["next"] == []
    async with httpx.AsyncClient() as client:
        metrics = (await client.get(f"{world.url}/metrics")).text
    fired = re.search(r"^patchbay_schedule_lateness_seconds_count ([0-9.]+)$", metrics, re.M)
    assert fired is not None and float(fired[1]) >= 1
    ended = await world.patchbay("schedules", "add", "2020-01-01 9:00 | club:lobby | x")
    assert ended.code == 2 and len(ended.err.strip().splitlines()) == 1 and "past" in ended.err
    ended = await world.patchbay("schedules", "remove", "999")
    assert ended.code == 2 and len(ended.err.strip().splitlines()) == 1
    await world.quick("schedules", "remove", number)


async def test_a_calendar_behind_a_secret_and_a_picture_of_the_week(world: World) -> None:
    ops = world.group("Ops")
    number = number_in(await ops.ask("/schedule every day at 12:00 name=lunch | here | Lunch!"))
    url = (await world.quick("schedules", "calendar")).strip()
    async with httpx.AsyncClient() as client:
        got = await client.get(url)
        assert got.status_code == 200 and got.headers["content-type"].startswith("text/calendar")
        assert "SUMMARY:lunch" in got.text
        wrong = await client.get(url.replace("/calendar/", "/calendar/x"))
        nowhere = await client.get(f"{world.url}/nowhere")
        assert (wrong.status_code, wrong.text) == (nowhere.status_code, nowhere.text) == (404, nowhere.text)
    ops.say("/schedules week")
    page = await world.until(lambda: next((m for m in world.telegram.messages(ops.id, None) if "photo" in m), None))
    assert "12:00" in page["caption"] and "lunch" in page["caption"]
    await ops.ask(f"/schedule remove {number}")
