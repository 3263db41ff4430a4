"""What a person expects of a bot like this, moment by moment, and the story that shows each.

Where another file tells the story, :data:`ROWS` names it; what no other tells is told here.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.test_wizards import buttons, walk
from tests.journeys.world import ANN, BO, SENT, World

pytestmark = pytest.mark.asyncio(loop_scope="package")

HERE = Path(__file__).parent
Json = dict[str, Any]

ROWS: dict[str, tuple[str, ...]] = {
    "First contact": (
        "test_doctor.test_the_buttons_of_start_check_the_chat_and_survive_a_restart",
        "test_doctor.test_a_link_to_the_bot_opens_the_page_of_a_command",
        "test_first_ten_minutes.test_from_start_to_the_first_failure_that_is_mended",
    ),
    "The menu": ("test_expectations.test_the_menu_has_what_one_may_run_and_changes_with_the_role",),
    "Unknown or wrong": (
        "test_roles.test_an_unknown_command_is_answered_with_the_nearest_one",
        "test_bad_input.test_a_wrong_argument_is_answered_with_what_was_wrong_and_an_example",
    ),
    "/help x": ("test_expectations.test_help_tells_how_a_command_is_written_who_may_and_what_it_does",),
    "Add route": (
        "test_expectations.test_a_route_is_made_with_buttons_and_tried_both_ways_before_it_is_saved",
        "test_wizards.test_a_chat_is_picked_in_telegrams_own_list_and_its_buttons_go_again",
    ),
    "Send or announce": (
        "test_expectations.test_a_preview_shows_the_exact_text_each_rendering_segments_and_time",
        "test_announce.test_an_announcement_is_shown_sent_to_each_target_once_and_counted",
    ),
    "While broadcasting": (
        "test_announce.test_pause_and_resume_and_nobody_else_may_press",
        "test_announce.test_stop_lets_at_most_eight_more_go_and_the_message_is_edited_no_more_often_than_every_three_seconds",
    ),
    "Afterwards": ("test_announce.test_who_blocked_the_bot_is_a_failure_of_the_report_and_no_alarm",),
    "Schedule": (
        "test_schedules.test_what_is_said_in_words_is_shown_and_goes_to_every_target_at_its_time",
        "test_schedules.test_one_target_is_scheduled_at_once_and_can_be_undone",
        "test_schedules.test_what_may_mean_two_things_is_asked_back_with_buttons",
        "test_schedules.test_a_kill_while_it_is_due_misses_and_doubles_nothing",
        "test_schedules.test_a_calendar_behind_a_secret_and_a_picture_of_the_week",
    ),
    "Undo": ("test_deliveries.test_a_message_that_went_to_a_chat_and_by_sms_is_taken_back_where_that_is_possible",),
    "Failure at night": (
        "test_waiting.test_a_provider_that_was_down_gets_everything_once_and_in_order_and_owners_hear_of_both_once",
        "test_telegram.test_owners_hear_of_a_second_time_after_it_went_well_in_between",
    ),
    "Restart": (
        "test_announce.test_five_hundred_targets_a_provider_that_is_down_a_restart_and_a_kill",
        "test_wizards.test_a_link_is_tried_out_both_ways_and_made_after_a_restart_in_the_middle",
    ),
    "Relay": ("test_expectations.test_a_relayed_message_shows_its_state_and_keeps_its_links",),
    "Permission denied": ("test_expectations.test_a_refusal_says_who_can_help_and_is_written_down",),
    "/stats, /audit, /doctor, export": (
        "test_doctor.test_stats_in_the_chat_are_those_of_the_command_line",
        "test_doctor.test_where_all_is_well_nothing_stops_the_bot",
        "test_expectations.test_the_whole_of_the_rules_and_the_audit_go_out_as_text",
    ),
}


async def test_every_moment_has_its_story() -> None:
    there: set[str] = set()
    for file in HERE.glob("test_*.py"):
        body = ast.parse(file.read_text(encoding="utf-8")).body
        names = [node.name for node in body if isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef)]
        there |= {f"{file.stem}.{name}" for name in names if name.startswith("test_")}
    named = {story for stories in ROWS.values() for story in stories}
    assert named <= there, sorted(named - there)


async def test_the_menu_has_what_one_may_run_and_changes_with_the_role(world: World) -> None:
    ops = world.group("Ops")
    await ops.ask("/here", by=BO)

    def menu(person: int) -> set[str]:
        return {entry["command"] for entry in world.telegram.menu_for(person, ops.id)}

    assert "send" not in menu(BO)
    assert "whoami" in menu(BO)
    await ops.ask(f"/grant {BO} operator here")
    await world.until(lambda: "send" in menu(BO) and "grant" not in menu(BO), told=lambda: str(menu(BO)))
    await ops.ask(f"/revoke {BO}")
    await world.until(lambda: "send" not in menu(BO), told=lambda: str(menu(BO)))
    await ops.ask("/here")
    await world.until(lambda: "grant" in menu(ANN), told=lambda: str(menu(ANN)))


async def test_help_tells_how_a_command_is_written_who_may_and_what_it_does(world: World) -> None:
    told = await world.group().ask("/help route")
    for words in (
        "/route add",
        "/route test ADDRESS text",
        "who may: admin",
        "who may: operator",
        "changes how this bot",
    ):
        assert words in told
    assert "Example: /route" in told


async def test_a_route_is_made_with_buttons_and_tried_both_ways_before_it_is_saved(world: World) -> None:
    ops = world.group("Ops")
    ops.say("/route")
    page = await ops.hears("route")
    seen = []
    for beginning in ("support", "Visitor 2", "This chat", "Both ways", "Skip"):
        page = await walk(ops, page, beginning)
        seen.append(page["text"])
        assert "Cancel" in buttons(page), page
        assert any(label.startswith("Back") for label in buttons(page)), page
    assert "support:room-43 <-> " in page["text"], seen
    page = await walk(ops, page, "Test", "Send the test")
    await world.settled()
    page = await walk(ops, page, "Refresh")
    assert page["text"].count("✅ it arrived") == 2
    page = await walk(ops, page, "Go on", "Save")
    (rule,) = await world.read("routes", "list")
    assert (rule["source"], rule["arrow"], rule["target"]) == ("support:room-43", "<->", ops.address)
    assert buttons(page) == {}
    await ops.marked(ops.say("it is set"), SENT)
    assert "Ann: it is set" in world.pushed("room-43")
    await ops.ask("/route undo")
    assert await world.read("routes", "list") == []


async def test_a_preview_shows_the_exact_text_each_rendering_segments_and_time(world: World) -> None:
    ops = world.group("Ops")
    text = "Doors open at nine. " * 120
    ops.say(f"/announce here, support:room-42, support:sms/85255501234 | {text}")
    page = await ops.hears("to 3 targets")
    assert text.strip() in page["text"]
    assert "1 × telegram, 1 × support: as it is." in page["text"]
    assert "1 × support SMS: 16 segments" in page["text"]
    assert "This takes about 1 second" in page["text"]
    assert {"Send", "Schedule", "Cancel"} <= set(buttons(page))
    await ops.press(page, "Cancel")
    assert not await world.outbox(state="queued")


async def test_a_relayed_message_shows_its_state_and_keeps_its_links(world: World) -> None:
    ops = world.group("Ops")
    await ops.ask("/link club:lobby")
    number = ops.say("the meeting is at nine")
    await ops.marked(number, SENT)
    again = ops.say("at ten after all", reply_to=number)
    await ops.marked(again, SENT)
    trace = await ops.ask("/trace", reply_to=again)
    assert "club:lobby" in trace
    assert "sent" in trace
    await ops.ask("/unlink")


async def test_a_refusal_says_who_can_help_and_is_written_down(world: World) -> None:
    ops = world.group("Ops")
    told = await ops.ask("/send support:room-42 hello", by=BO)
    assert "needs the role operator; yours is viewer" in told
    assert "owner" in told
    audit = await ops.ask("/audit 20")
    line = next(line for line in audit.splitlines() if "/send" in line)
    assert f"({BO})" in line
    assert "refused" in line


async def test_the_whole_of_the_rules_and_the_audit_go_out_as_text(world: World) -> None:
    ops = world.group("Ops")
    await ops.ask("/route add support:* -> here name=all")
    assert "support:* -> " in await world.quick("routes", "export")
    exported = await world.read("audit")
    assert {"person", "command", "outcome"} <= set(exported[0])
    assert any(line["command"] == "/route" and line["person"] == str(ANN) for line in exported)
    await world.quick("routes", "remove", "all")
