"""Accounts beside sending: what one can send to, and what else they offer, with real providers and a real bot."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio
from click.testing import CliRunner, Result

from bot.cli.account import account
from bot.playground.hosting import LoopbackServer
from bridges.faults import Faults
from bridges.returning_ai.sandbox import ReturningAiSandbox
from tests.journeys.world import BO, SENT, World, assert_clean
from tests.ports import free_port

pytestmark = pytest.mark.asyncio(loop_scope="package")

PORT = free_port()
RAI_TOKEN, RAI_HOOK_SECRET = "canary-rai-token-0123456789", "canary-rai-hook-secret-0123"
CHANGES = {
    "accounts.rai": {
        "provider": "returning_ai",
        "base_url": f"http://127.0.0.1:{PORT}",
        "token": RAI_TOKEN,
        "sender": "bridge@example.com",
        "hook_secret": RAI_HOOK_SECRET,
    }
}
"""An account that lists its channels and can be asked for more."""


@dataclass(frozen=True, slots=True)
class Rai:
    """Returning.AI, and the switch that makes it fail."""

    sandbox: ReturningAiSandbox
    faults: Faults


@pytest_asyncio.fixture(loop_scope="package")
async def rai() -> AsyncIterator[Rai]:
    sandbox = ReturningAiSandbox(token=RAI_TOKEN)
    faults = Faults(sandbox.app)
    async with LoopbackServer(faults, port=PORT):
        yield Rai(sandbox, faults)
    await sandbox.close()


async def patchbay_account(world: World, *words: str) -> Result:
    """Run ``patchbay account …`` beside the bot; its output holds no secret."""
    done = await asyncio.to_thread(CliRunner().invoke, account, list(words), obj=str(world.config))
    assert_clean(done.output, what="account")
    assert RAI_TOKEN not in done.output
    assert RAI_HOOK_SECRET not in done.output
    return done


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


async def test_channels_lists_what_the_provider_has(world: World, rai: Rai) -> None:
    ops = world.group()
    lines = (await ops.ask("/channels rai")).splitlines()
    assert lines[0] == "rai (Returning.AI):"
    assert lines[1].startswith("rai:66f0c1d2e3a4b5c6d7e8f901  general")
    await ops.marked(ops.say(f"/send {lines[1].split()[0]} to the channel"), SENT)
    assert rai.sandbox.accepted[-1].text == "to the channel"


async def test_nothing_is_asked_for_somebody_without_the_role(world: World, rai: Rai) -> None:
    ops = world.group()
    for line in ("/channels rai", "/account rai whoami"):
        await ops.ask(line, by=BO)
    assert not rai.sandbox.calls


async def test_an_operation_is_run_from_the_chat(world: World, rai: Rai) -> None:
    ops = world.group()
    assert "rai whoami: " in await ops.ask("/account rai")
    assert "bridge@example.com" in (await ops.ask("/account rai whoami")).replace("\u2060", "")


async def test_channels_with_every_provider_down_is_answered_all_the_same(world: World) -> None:
    ops = world.group()
    for name in ("support", "plain", "club"):
        await world.servers[name].down()
    told = await ops.ask("/channels")
    for name in ("support", "plain", "club"):
        await world.servers[name].up()
    for name in ("support", "plain", "club", "telegram"):
        assert _paragraph(told, name)
    assert _paragraph(told, "rai")[0].startswith("rai (Returning.AI) could not be asked: GET 127.0.0.1: cannot connect")


async def test_credentials_that_are_refused_are_told_in_words_and_not_shown(world: World, rai: Rai) -> None:
    rai.sandbox.token = "something-else-entirely"
    ops = world.group()
    for told in (await ops.ask("/channels rai"), await ops.ask("/account rai channels")):
        assert "401" in told
        assert RAI_TOKEN not in told
    done = await patchbay_account(world, "rai", "channels")
    assert done.exit_code == 1
    assert "401" in done.stderr


async def test_a_bot_killed_while_it_asked_answers_after_its_next_start_and_kept_no_other_chat_waiting(
    world: World, rai: Rai
) -> None:
    ops, other = world.group(), world.group()
    rai.faults.configure("nothing", remaining=1)
    number = ops.say("/channels rai")
    await world.until(lambda: rai.faults.hits == 1)
    assert await other.ask("/here") == f"This is {other.address}"
    assert ops.texts() == []
    await world.bot.kill()
    await world.start()
    assert "rai:66f0c1d2e3a4b5c6d7e8f901" in await ops.answer(number)
    await ops.quiet()
    assert len(ops.texts()) == 2


async def test_the_account_command_works_beside_the_running_bot(world: World, rai: Rai) -> None:
    rows = [line.split()[:3] for line in (await patchbay_account(world)).output.splitlines()[1:]]
    assert rows[0] == ["telegram", "Telegram", "sending"]
    assert rows[-1] == ["rai", "Returning.AI", "sending"]
    done = await patchbay_account(world, "rai", "channels")
    assert (done.exit_code, done.stderr) == (0, "")
    assert "66f0c1d2e3a4b5c6d7e8f901" in done.output


async def test_what_to_enter_by_hand_is_printed_without_the_secret(world: World, rai: Rai) -> None:
    said = await world.quick("subscribe", "rai")
    assert f"{world.url}/hooks/rai/<the value of accounts.rai.hook_secret>" in said
    assert RAI_HOOK_SECRET not in said
    assert RAI_HOOK_SECRET in await world.quick("subscribe", "rai", "--show-secret")
    assert "manual" in await world.quick("subscriptions")


async def test_check_has_a_row_for_each_account_and_for_each_subscription(world: World, rai: Rai) -> None:
    rows = [line.split() for line in (await world.quick("check")).splitlines()[1:]]
    assert [row[1:4] for row in rows if row[0] == "account"] == [
        ["telegram", "ok", "Telegram"],
        ["support", "ok", "CINNOX"],
        ["plain", "ok", "CINNOX"],
        ["club", "ok", "Echo"],
        ["rai", "ok", "Returning.AI"],
    ]
    assert [row[1:4] for row in rows if row[0] == "subscription"] == [
        ["support", "ok", "CINNOX"],
        ["plain", "ok", "CINNOX"],
    ]
