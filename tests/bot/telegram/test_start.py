"""/start and /help: what somebody who just met the bot sees, and what is shown of each command."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.addresses import telegram_address
from bot.telegram.access import Role
from bot.telegram.commands import guide, registry
from bot.telegram.commands.registry import Command, Scope
from bot.telegram.commands.start import greeting
from bot.telegram.commands.usage import VOCABULARY
from tests.bot.telegram.desk import ANN, ANONYMOUS, BO, CY, OPS, Desk, a_desk

COMMANDS = sorted(registry.commands.values(), key=lambda command: command.name)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with a_desk(tmp_path) as made:
        yield made


async def test_start_says_in_five_lines_what_it_does_here_and_who_one_is(desk: Desk) -> None:
    await desk.ask("/link club:lobby")
    (answer,) = await desk.write("/start", by=BO)
    lines = answer.text.splitlines()
    assert len(lines) == 5
    assert lines[1] == f"This chat is telegram:{OPS}: what is written here goes to club:lobby, and back."
    assert lines[2] == "You are Bo, and your role here is viewer."


@pytest.mark.parametrize(
    ("role", "labels"),
    [
        ("viewer", ["Help", "Who am I?", "Get a role"]),
        ("operator", ["Check this chat", "How to send", "Help"]),
        ("admin", ["Check this chat", "Link a conversation", "Help"]),
        ("owner", ["Check this chat", "Link a conversation", "Help"]),
    ],
)
async def test_start_offers_three_next_steps_for_the_role(desk: Desk, role: str, labels: list[str]) -> None:
    await desk.grant(BO, role)
    (answer,) = await desk.write("/start", by=BO)
    assert [button.label for button in answer.buttons] == labels
    for label in labels:
        pressed = await desk.press(answer, label, by=BO)
        assert len(pressed.answers) == 1
        assert pressed.answers[0].text
        assert pressed.card is None


async def test_the_link_button_opens_the_wizard(desk: Desk) -> None:
    (answer,) = await desk.write("/start")
    (page,) = (await desk.press(answer, "Link a conversation")).answers
    assert "Which conversation is this chat to be joined with?" in page.text
    assert "Cancel" in [button.label for button in page.buttons]


async def test_the_button_that_checks_the_chat_says_what_doctor_says(desk: Desk) -> None:
    (answer,) = await desk.write("/start")
    (said,) = (await desk.press(answer, "Check this chat")).answers
    took_away = [line for line in said.text.splitlines() if " answers in " not in line]
    assert took_away == [line for line in (await desk.ask("/doctor")).splitlines() if " answers in " not in line]


async def test_a_button_of_start_is_its_persons_alone_and_asks_the_role_anew(desk: Desk) -> None:
    await desk.grant(BO, "operator")
    (answer,) = await desk.write("/start", by=BO)
    assert "Only the person" in (await desk.press(answer, "Help", by=CY)).toast
    await desk.grant(BO, "viewer")
    assert "needs the role operator" in (await desk.press(answer, "Check this chat", by=BO)).toast


async def test_how_to_get_a_role_names_the_command_that_an_owner_writes(desk: Desk) -> None:
    (answer,) = await desk.write("/start", by=BO)
    (said,) = (await desk.press(answer, "Get a role", by=BO)).answers
    assert f"/grant {BO} operator here" in said.text


async def test_a_link_leads_to_the_page_of_a_command(desk: Desk) -> None:
    assert await desk.ask("/start help_send") == await desk.ask("/help send")


@pytest.mark.parametrize("payload", ["help_nothing", "invite-7", "x" * 64, "two words"])
async def test_a_link_that_means_nothing_leads_to_the_start_with_a_word(desk: Desk, payload: str) -> None:
    said = await desk.ask(f"/start {payload}")
    assert said.startswith("This is Patchbay.")
    assert "which means nothing to me any more." in said


async def test_an_anonymous_admin_gets_no_buttons(desk: Desk) -> None:
    (answer,) = await desk.write("/start", by=ANONYMOUS)
    assert answer.buttons == ()
    assert "write as yourself" in answer.text


async def test_help_lists_by_what_commands_are_about_what_the_role_here_may_run(desk: Desk) -> None:
    await desk.grant(BO, "admin", chat=OPS)
    said = await desk.ask("/help", by=BO)
    names = [line.split(":")[0].removeprefix("/") for line in said.splitlines() if line.startswith("/")]
    assert set(names) == {c.name for c in registry.for_role(Role.ADMIN, everywhere=Role.VIEWER)} | {
        "help COMMAND tells more about one."
    }
    assert "pause" not in names
    assert said.splitlines()[0] == "Here"
    assert guide.OTHERS not in said.splitlines()


def test_every_command_stands_in_a_group() -> None:
    grouped = [name for names in guide.GROUPS.values() for name in names]
    assert len(grouped) == len(set(grouped))
    assert set(registry.commands) <= set(grouped)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
async def test_help_of_a_command_tells_usage_arguments_who_may_effect_and_examples(
    desk: Desk, command: Command
) -> None:
    said = await desk.ask(f"/help {command.name}")
    for way in command.ways:
        assert f"/{command.name} {way.usage.line}".rstrip() in said
        assert f"{way.effect}" in said
        assert f"Example: {way.example}" in said
        for part in way.usage.parts:
            for word in set(part.choices) & set(VOCABULARY):
                assert f"\n{word}: {VOCABULARY[word].what}" in said
        if way.scope is Scope.ALL:
            assert "everywhere" in said
    assert command.details in said


@pytest.mark.parametrize("written", ["send", "/send", "SEND", "/Send"])
async def test_help_knows_a_command_however_it_is_written(desk: Desk, written: str) -> None:
    assert "\n/send ADDRESS" in await desk.ask(f"/help {written}")


async def test_help_of_a_slip_names_the_nearest(desk: Desk) -> None:
    assert "There is no command /sned; did you mean /send?" in await desk.ask("/help sned")


async def test_help_of_what_one_may_not_run_names_the_role_and_who_gives_it(desk: Desk) -> None:
    said = await desk.ask("/help pause", by=BO)
    assert "who may: admin or higher, everywhere" in said
    assert f"Your role is viewer. An owner can give you the one needed: /grant {BO} admin" in said
    await desk.grant(BO, "admin", chat=OPS)
    said = await desk.ask("/help pause", by=BO)
    assert f"Your role admin counts in this chat only. An owner can change that: /grant {BO} admin" in said
    assert "/grant" not in await desk.ask("/help pause", by=ANN)


async def test_help_for_an_anonymous_admin_says_to_write_as_oneself(desk: Desk) -> None:
    assert "write as yourself" in await desk.ask("/help pause", by=ANONYMOUS)


def test_a_group_is_told_what_the_bot_needs_there_only_as_far_as_it_is_missing() -> None:
    place = telegram_address(OPS)
    assert "make me an admin" in greeting(place, is_admin=False, reads_all=False)
    assert "make me an admin" not in greeting(place, is_admin=True, reads_all=False)
    assert "make me an admin" not in greeting(place, is_admin=False, reads_all=True)
