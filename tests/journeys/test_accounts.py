"""Accounts beside sending: what one can send to, and what else they offer, with real providers and a real bot."""

from __future__ import annotations

import asyncio

import pytest
from click.testing import CliRunner

from bot.cli.account import account
from tests.journeys.world import BO, SENT, World, assert_clean

pytestmark = pytest.mark.asyncio(loop_scope="package")


def _paragraph(told: str, name: str) -> list[str]:
    """The lines about one account."""
    (found,) = [part for part in told.split("\n\n") if part.split()[0].rstrip(":") == name]
    return found.splitlines()


async def test_channels_shows_the_conversations_that_were_heard_from_and_their_links(world: World) -> None:
    ops = world.group()
    await ops.ask("/link support:sms/85255508001")
    await world.sms("hello", sender="85255508001")
    await ops.hears("hello")
    (line,) = [line for line in _paragraph(await ops.ask("/channels"), "support") if "85255508001" in line]
    assert line.split()[0] == "support:sms/85255508001"
    assert line.endswith(f"linked with {ops.address}")


async def test_what_channels_shows_can_be_given_to_send_as_it_stands(world: World) -> None:
    ops = world.group()
    await world.club.say("lobby", "Finn", "hello from the lobby")
    shown = await world.until(lambda: _shown(world, "club"))
    await ops.marked(ops.say(f"/send {shown} back to you"), SENT)
    assert world.club.accepted[-1].text == "back to you"


async def _shown(world: World, name: str) -> str | None:
    """The first address that /channels shows of an account."""
    lines = _paragraph(await world.group().ask(f"/channels {name}"), name)[1:]
    return lines[0].split()[0] if lines else None


async def test_channels_shows_the_chats_that_the_bot_knows(world: World) -> None:
    ops = world.group(title="Night shift")
    await ops.ask("/link support:room-42")
    ops.say("said before")
    await ops.quiet()
    told = await ops.ask("/channels telegram night")
    assert told.splitlines()[0] == "telegram:"
    assert f"{ops.address}  Night shift" in told


async def test_a_title_with_a_name_in_it_pings_nobody(world: World) -> None:
    ops = world.group(title="@cara come here")
    await ops.quiet()
    told = await ops.ask("/channels telegram cara")
    assert told.splitlines()[1:] == [f"{ops.address}  @\u2060cara come here"]


@pytest.mark.parametrize("line", ["/channels", "/channels support", "/account", "/account support"])
async def test_who_lacks_the_role_is_told_which_one_it_needs(world: World, line: str) -> None:
    needed = "operator" if line.startswith("/channels") else "admin"
    told = await world.group().ask(line, by=BO)
    assert told.startswith(f"{line.split()[0]} needs the role {needed}; yours is viewer")
    assert "support" not in told


async def test_account_lists_every_account_with_its_state(world: World) -> None:
    told = await world.group().ask("/account")
    for name, title in (("support", "CINNOX"), ("plain", "CINNOX"), ("club", "Echo"), ("telegram", "Telegram")):
        assert f"{name} ({title}): sending; offers" in told


async def test_an_unknown_account_is_answered_with_the_nearest_and_an_example(world: World) -> None:
    ops = world.group()
    for line in ("/channels suport", "/account suport", "/account suport members"):
        told = await ops.ask(line)
        assert "there is no account 'suport', did you mean support?" in told.lower()
        assert "Example: /" in told


async def test_channels_with_every_provider_down_is_answered_all_the_same(world: World) -> None:
    ops = world.group()
    for name in ("support", "plain", "club"):
        await world.servers[name].down()
    told = await ops.ask("/channels")
    for name in ("support", "plain", "club"):
        await world.servers[name].up()
    for name in ("support", "plain", "club", "telegram"):
        assert _paragraph(told, name)


async def test_the_account_command_works_beside_the_running_bot(world: World) -> None:
    done = await asyncio.to_thread(CliRunner().invoke, account, [], obj=str(world.config))
    assert done.exit_code == 0
    assert_clean(done.output, what="account")
    assert [line.split()[:3] for line in done.output.splitlines()[1:]] == [
        ["telegram", "Telegram", "sending"],
        ["support", "CINNOX", "sending"],
        ["plain", "CINNOX", "sending"],
        ["club", "Echo", "sending"],
    ]


async def test_check_has_a_row_for_each_account_and_for_each_subscription(world: World) -> None:
    rows = [line.split() for line in (await world.quick("check")).splitlines()[1:]]
    assert [row[1:4] for row in rows if row[0] == "account"] == [
        ["telegram", "ok", "Telegram"],
        ["support", "ok", "CINNOX"],
        ["plain", "ok", "CINNOX"],
        ["club", "ok", "Echo"],
    ]
    assert [row[1:4] for row in rows if row[0] == "subscription"] == [
        ["support", "ok", "CINNOX"],
        ["plain", "ok", "CINNOX"],
    ]
