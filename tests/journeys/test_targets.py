"""Where it goes: phones by /sms, back by /reply, names and audiences."""

from __future__ import annotations

import pytest

from bridges.netsapiens.sandbox import NetSapiensSandbox
from bridges.sandboxes import Sandbox
from tests.journeys.world import ANN, BO, SECRETS, SENT, Chat, World

pytestmark = pytest.mark.asyncio(loop_scope="package")

PHONE, OTHER_PHONE, NUMBER = "15550100123", "15550100124", "15550100999"


def sides() -> dict[str, Sandbox]:
    """An account that has numbers."""
    return {"pbx": NetSapiensSandbox(api_key=SECRETS["netsapiens"])}


def pbx(world: World) -> NetSapiensSandbox:
    side = world.sides["pbx"]
    assert isinstance(side, NetSapiensSandbox)
    side.subscribe(world.hook_url("pbx"))
    return side


def texted(world: World, phone: str) -> list[str]:
    """What a phone got as SMS."""
    taken = [(each.type, each.destinations, each.text) for each in pbx(world).accepted]
    return [text for type, to, text in taken if type == "sms" and [each.lstrip("+") for each in to] == [phone]]


async def test_an_sms_goes_to_a_number_as_people_write_it(world: World) -> None:
    ops = world.group()
    await ops.marked(ops.say("/sms +1 (555) 010-0123 hello\nyou"), SENT)
    await ops.marked(ops.say(f'/sms "{PHONE}" 2 more'), SENT)
    assert texted(world, PHONE) == ["hello\nyou", "2 more"]
    assert await ops.ask("/sms 12 hi") == (
        "“12” has too few digits for a phone number: with the country code it has 7 to 15.\n"
        "Example: /sms +85255501234 hello"
    )
    sent = [row["address"] for row in await world.settled() if row["account"] != "telegram"]
    assert sent == [f"pbx:sms/{PHONE}"] * 2


async def test_an_answer_by_command_goes_back_once_even_from_a_linked_chat(world: World) -> None:
    ops = world.group()
    await ops.ask(f"/link pbx:sms/{OTHER_PHONE}")
    await pbx(world).text(OTHER_PHONE, NUMBER, "are you there?")
    came = await ops.hears("are you there?")
    await ops.marked(ops.say("/reply we are", reply_to=came["message_id"]), SENT)
    await world.settled()
    assert texted(world, OTHER_PHONE) == ["we are"]


async def test_an_answer_by_command_finds_its_way_back_after_a_restart(world: World) -> None:
    ops = world.group()
    await ops.ask("/route add club:lobby -> here name=lobby")
    await world.club.say("lobby", "Maria", "who is on duty?")
    came = await ops.hears("who is on duty?")
    await world.settled()
    await world.restart()
    before = len(world.club.accepted)
    refused = await ops.ask("/reply me", by=BO, reply_to=came["message_id"])
    assert refused.startswith("/reply needs the role operator")
    await ops.marked(ops.say("/reply Ann is", reply_to=came["message_id"]), SENT)
    assert [(each.conversation, each.text) for each in world.club.accepted[before:]] == [("lobby", "Ann is")]
    await ops.ask("/route remove lobby")


async def test_names_stand_for_addresses_and_follow_a_group_that_is_upgraded(world: World) -> None:
    ops = world.group()
    assert await ops.ask("/name support:room-42 Desk") == (
        "support:room-42 is called desk now, wherever an address can stand."
    )
    await ops.marked(ops.say("/send DESK by its name"), SENT)
    assert world.pushed("room-42")[-1] == "by its name"
    assert "support:room-42" in await ops.ask("/link desk")
    assert await ops.ask("/unlink desk") == f"No longer linked: {ops.address} <-> support:room-42"
    assert await ops.ask("/send dseek hi") == (
        "“dseek” is no address: account and conversation go with a colon between, as in support:room-42; or is desk"
        " meant?\nExample: /send support:room-42 hello"
    )
    old = world.group(type="group")
    await old.ask("/name here Old")
    await old.ask("/audience add movers here")
    new = Chat(world, world.telegram.migrate(old.id, old.id - 5_000_000))
    await new.quiet()
    assert await ops.ask("/name old") == f"{new.address} is called old."
    assert new.address in await ops.ask("/audience show movers")
    await ops.ask("/audience remove movers")
    await ops.press(await ops.hears("Remove the audience @movers?"), "Remove")


async def test_an_audience_is_made_shown_and_removed_after_a_question(world: World) -> None:
    ops = world.group()
    assert await ops.ask("/audience add Partners support:room-42 club:lobby here") == (
        "@partners has 3 targets now: 3 added."
    )
    shown = await ops.ask("/audience show @partners")
    assert [line.split()[0] for line in shown.splitlines()[1:]] == ["club:lobby", "support:room-42", ops.address]
    assert (await ops.ask("/audience add partners nowhere:1")).startswith("“nowhere:1”: there is no account 'nowhere'")
    await ops.ask("/audience remove partners")
    card = await ops.hears("Remove the audience @partners?")
    assert await ops.press(card, "Remove", by=BO) == "Only the person who asked for this may press here."
    await world.restart()
    assert await ops.press(card, "Remove", by=ANN) == "The audience @partners is removed."
    assert await ops.ask("/audience list") == "There are no audiences. /audience add NAME ADDRESS makes one."
