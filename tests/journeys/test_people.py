"""Roles given from the chat: they count at once, menus follow them, and who did what is written down."""

from __future__ import annotations

import json

import pytest

from tests.journeys.world import ANN, BO, SENT, Chat, World

pytestmark = pytest.mark.asyncio(loop_scope="package")


def menu(world: World, chat: Chat, *, by: int = BO) -> set[str]:
    """What somebody finds beside the input field."""
    return {each["command"] for each in world.telegram.menu_for(by, chat.id)}


async def test_a_role_given_from_the_chat_counts_at_once_in_menus_too_and_goes_as_fast(world: World) -> None:
    ops, private = world.group(), world.private(BO)
    assert "needs the role operator" in await ops.ask("/send support:room-42 too early", by=BO)
    assert "is operator everywhere now" in await ops.ask(f"/grant {BO} operator")
    await ops.marked(ops.say("/send support:room-42 from bo", by=BO), SENT)
    await world.until(lambda: "send" in menu(world, ops) and "send" in menu(world, private))
    assert "link" not in menu(world, private)
    assert "grant" in menu(world, world.private(ANN), by=ANN)
    assert "What remains here: viewer" in await ops.ask(f"/revoke {BO}")
    assert "needs the role operator" in await ops.ask("/send support:room-42 too late", by=BO)
    await world.until(lambda: "send" not in menu(world, ops) | menu(world, private))
    assert "whoami" in menu(world, ops)
    assert not [text for text in world.pushed() if text.startswith("too")]


async def test_a_role_for_one_chat_counts_and_shows_in_that_chat_only(world: World) -> None:
    ops, other = world.group(), world.group()
    await ops.ask(f"/grant {BO} admin here")
    await other.ask("/here", by=BO)
    await world.until(lambda: "link" in menu(world, ops))
    assert "needs the role admin" in await other.ask("/link support:room-42", by=BO)
    assert "counts in this chat only" in await ops.ask(f"/mute {other.address}", by=BO)
    assert "link" not in menu(world, other) | menu(world, world.private(BO))
    await ops.ask(f"/revoke {BO} here")
    await world.until(lambda: "link" not in menu(world, ops))


async def test_menus_and_roles_outlast_a_restart(world: World) -> None:
    ops = world.group()
    await ops.ask(f"/grant {BO} operator here")
    await world.until(lambda: "send" in menu(world, ops))
    await world.restart()
    assert "send" in menu(world, ops)
    assert "role operator" in await ops.ask("/whoami", by=BO)
    await ops.ask(f"/revoke {BO}")
    await world.until(lambda: "send" not in menu(world, ops))


async def test_who_did_what_is_told_in_the_chat_and_on_the_command_line(world: World) -> None:
    ops = world.group()
    await ops.ask("/routes", by=BO)
    await ops.ask("/route rmeove r1")
    await ops.ask(f"/grant {BO} viewer here")
    told = (await ops.ask("/audit 3")).splitlines()
    assert [str(BO) in told[2], "/routes: refused" in told[2], ops.address in told[2]] == [True] * 3
    assert "/route: wrong argument" in told[1]
    assert f"/grant: {BO} is viewer in {ops.address}" in told[0]
    await world.patchbay("routes", "add", f"plain:a -> {ops.address}", "name=audited")
    deeds = json.loads((await world.patchbay("audit", "--json", "--since", "2020-01-01")).out)
    assert [deed["command"] for deed in deeds[-5:]] == ["/routes", "/route", "/grant", "/audit", "routes add"]
    assert deeds[-1]["person"].startswith("cli:")
    assert (await world.patchbay("audit", "--since", "soon")).code == 2
    await world.patchbay("routes", "remove", "audited")
