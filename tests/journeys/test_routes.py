"""Rules: made, changed and tried in the chat and by the command line, beside the running bot, without a restart."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from tests.journeys.world import ANN, BO, Chat, World

pytestmark = pytest.mark.asyncio(loop_scope="package")

_numbers = (f"852555{n:05}" for n in itertools.count(1))


async def _arrives(world: World, chat: Chat, text: str, *, sender: str) -> bool:
    """Whether an SMS is brought to the chat; a later one that certainly is tells when to look."""
    lamp = world.group("Lamp")
    signal = next(_numbers)
    await lamp.ask(f"/link support:sms/{signal}")
    await world.sms(text, sender=sender)
    await world.sms("signal", sender=signal)
    await lamp.hears("signal")
    await world.settled()
    return any(text in said for said in chat.texts())


async def test_a_rule_made_with_here_carries_from_then_on(world: World) -> None:
    ops, number = world.group(), next(_numbers)
    assert not await _arrives(world, ops, "before the rule", sender=number)
    assert "is set" in await ops.ask(f"/route add support:sms/{number} -> here name=fresh")
    assert await _arrives(world, ops, "after the rule", sender=number)


async def test_a_rule_is_shown_disabled_enabled_and_removed(world: World) -> None:
    ops, number = world.group(), next(_numbers)
    await ops.ask(f"/route add support:sms/{number} -> here name=switch")
    assert f"support:sms/{number} -> {ops.address}" in await ops.ask("/route show switch")
    await ops.ask("/route disable switch")
    assert not await _arrives(world, ops, "while it is off", sender=number)
    await ops.ask("/route enable switch")
    assert await _arrives(world, ops, "while it is on", sender=number)
    await ops.ask("/route remove switch")
    assert not await _arrives(world, ops, "when it is gone", sender=number)
    assert "there is no route 'switch'" in (await ops.ask("/route show switch")).lower()


async def test_a_pattern_takes_every_conversation_of_its_account_and_no_other(world: World) -> None:
    ops = world.group()
    await ops.ask("/route add plain:* -> here name=all-plain")
    for number in (next(_numbers), next(_numbers)):
        await world.sms(f"from {number}", sender=number, account="plain")
        await ops.hears(f"from {number}")
    assert not await _arrives(world, ops, "of another account", sender=next(_numbers))
    await ops.ask("/route remove all-plain")


@pytest.mark.parametrize(
    ("options", "taken", "left"),
    [
        ("match=/^urgent/", "urgent: fire", "not urgent"),
        ("match=/(?i)HELP/", "please help", "all is well"),
        ("not=/spam/", "a question", "buy spam now"),
        (r"match=/\d{4}-\d{4}/", "order 1234-5678", "order 12-34"),
    ],
)
async def test_a_filter_takes_what_fits_and_leaves_the_rest(world: World, options: str, taken: str, left: str) -> None:
    ops, number = world.group(), next(_numbers)
    await ops.ask(f"/route add support:sms/{number} -> here {options} name=filter")
    before = (await world.read("stats"))["inbound"]["filtered"]
    assert await _arrives(world, ops, taken, sender=number)
    assert not await _arrives(world, ops, left, sender=number)
    assert (await world.read("stats"))["inbound"]["filtered"] == before + 1
    await ops.ask("/route remove filter")


async def test_a_template_shapes_what_arrives(world: World) -> None:
    ops, number = world.group(), next(_numbers)
    await ops.ask(f'/route add support:sms/{number} -> here template="[{{sender}}] {{text}}" name=shaped')
    await world.sms("shaped", sender=number)
    await ops.hears(f"[{number}] shaped")
    await ops.ask("/route remove shaped")


async def test_one_message_may_go_to_several_places(world: World) -> None:
    first, second, number = world.group(), world.group(), next(_numbers)
    await first.ask(f"/route add support:sms/{number} -> here name=one")
    await second.ask(f"/route add support:sms/{number} -> here name=two")
    await world.sms("to both", sender=number)
    await first.hears("to both")
    await second.hears("to both")
    await first.ask("/route remove one")
    await first.ask("/route remove two")


async def test_a_two_way_rule_carries_in_both_directions(world: World) -> None:
    ops = world.group()
    await ops.ask("/route add here <-> club:lobby name=both")
    await world.club.say("lobby", "Maria", "inwards")
    await ops.hears("inwards")
    ops.say("outwards", by=BO)
    await world.until(lambda: any("outwards" in m.text for m in world.club.accepted))
    assert world.club.accepted[-1].text == "Bo: outwards"
    await ops.ask("/route remove both")


async def test_what_the_bot_itself_wrote_is_not_carried_on(world: World) -> None:
    ops, number = world.group(), next(_numbers)
    await ops.ask("/link club:lobby")
    await ops.ask(f"/route add support:sms/{number} -> here name=chain")
    before = len(world.club.accepted)
    assert await _arrives(world, ops, "mirrored here only", sender=number)
    assert len(world.club.accepted) == before
    await ops.ask("/unlink")
    await ops.ask("/route remove chain")


async def test_route_test_explains_and_sends_nothing(world: World) -> None:
    ops, number = world.group(), next(_numbers)
    await ops.ask(f"/route add support:sms/{number} -> here match=/^yes/ name=tried")
    before = await world.settled()
    said = await ops.ask(f"/route test support:sms/{number} yes please")
    assert "tried" in said
    assert f"→ {ops.address} in 1 part: " in said
    refused = await ops.ask(f"/route test support:sms/{number} no thanks")
    assert "tried" in refused
    assert "It would be filtered." in refused
    by_command = await world.quick("routes", "test", f"support:sms/{number}", "yes please")
    assert f"→ {ops.address} in 1 part" in by_command
    after = await world.settled()
    assert {row["address"] for row in after[len(before) :]} == {ops.address}, "only the answers went out"
    await ops.ask("/route remove tried")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("support:room-42 here", "->"),
        ("nowhere:1 -> here", "nowhere, which is not configured"),
        ("support:* -> here match=/(/", "match"),
        ("support:* -> here match=/(?=x)/", "match"),
        ("support:* -> here wrong=1", "wrong"),
        ("here -> here", "is both source and target"),
        ("support:room-42 -> telegram:abc", "telegram"),
        ("support:* -> plain:*", "plain:* is a pattern"),
    ],
)
async def test_a_wrong_rule_is_refused_with_what_is_wrong_and_an_example(world: World, line: str, told: str) -> None:
    ops = world.group()
    before = await world.read("routes", "list")
    said = await ops.ask(f"/route add {line}")
    assert told in said
    assert "Example: /route add" in said
    assert await world.read("routes", "list") == before


async def test_a_name_that_is_taken_is_refused(world: World) -> None:
    ops = world.group()
    await ops.ask("/route add support:room-1 -> here name=taken")
    assert "taken" in await ops.ask("/route add support:room-2 -> here name=taken")
    await ops.ask("/route remove taken")


async def test_a_rule_made_by_the_command_line_acts_beside_the_running_bot_within_a_second(world: World) -> None:
    ops, number = world.group(), next(_numbers)
    added = await world.patchbay("routes", "add", f"support:sms/{number} -> {ops.address} name=cli")
    assert added.code == 0
    await world.until(lambda: _carries(world, ops, number), within_s=1.0)
    await world.quick("routes", "disable", "cli")

    async def stopped() -> bool:
        return not await _carries(world, ops, number)

    await world.until(stopped, within_s=1.5)
    await world.quick("routes", "enable", "cli")
    rows = [row for row in await world.read("routes", "list") if row["name"] == "cli"]
    assert rows == [
        {
            "id": rows[0]["id"],
            "name": "cli",
            "source": f"support:sms/{number}",
            "arrow": "->",
            "target": ops.address,
            "enabled": True,
            "options": rows[0]["options"],
        }
    ]
    await world.quick("routes", "remove", "cli")
    assert all(row["name"] != "cli" for row in await world.read("routes", "list"))


_probes = itertools.count()


async def _carries(world: World, chat: Chat, number: str) -> bool:
    """Whether the bot explains, in the chat, that a text from that number would go there: what it knows just now."""
    said = await chat.ask(f"/route test support:sms/{number} probe {next(_probes)}")
    return f"→ {chat.address}" in said


async def test_what_is_exported_is_imported_to_the_same_rules(world: World, tmp_path: Path) -> None:
    ops = world.group()
    await ops.ask(r'/route add support:* -> here match=/"\d+" ünï/ template="{sender}» {text}" name=odd')
    await ops.ask("/route add club:lobby <-> here name=plain-one")
    await ops.ask("/route disable odd")
    file = tmp_path / "routes.toml"
    await world.quick("routes", "export", str(file))
    before = await world.read("routes", "list")
    assert "Nothing changes." in await world.quick("routes", "import", str(file))
    await world.quick("routes", "remove", "odd")
    await world.quick("routes", "remove", "plain-one")
    said = await world.quick("routes", "import", str(file), "--yes")
    assert "0 removed, 2 added." in said
    after = await world.read("routes", "list")
    assert [row | {"id": 0} for row in after] == [row | {"id": 0} for row in before]
    await world.quick("routes", "remove", "odd")
    await world.quick("routes", "remove", "plain-one")


async def test_import_asks_first_and_does_nothing_without_a_yes(world: World, tmp_path: Path) -> None:
    file = tmp_path / "routes.toml"
    file.write_text('[[route]]\nrule = "support:room-9 -> club:lobby name=imported"\n')
    ended = await world.patchbay("routes", "import", str(file))
    assert "+ " in ended.out
    assert "imported" in ended.out
    assert all(row["name"] != "imported" for row in await world.read("routes", "list"))


async def test_linking_twice_leaves_one_and_unlinking_ends_it(world: World) -> None:
    ops, number = world.group(), next(_numbers)
    await ops.ask(f"/link support:sms/{number}")
    assert "linked already" in await ops.ask(f"/link support:sms/{number}")
    assert f"support:sms/{number}" in await ops.ask("/here")
    await ops.ask("/unlink")
    assert "not linked" in await ops.ask("/unlink", by=ANN)
    assert not await _arrives(world, ops, "after unlinking", sender=number)


async def test_a_group_that_becomes_a_supergroup_keeps_its_link(world: World) -> None:
    old, number = world.group(type="group"), next(_numbers)
    await old.ask(f"/link support:sms/{number}")
    new = Chat(world, world.telegram.migrate(old.id, old.id - 5_000_000))
    await world.private(ANN).hears(f"follow it to {new.address}")
    assert await _arrives(world, new, "after the upgrade", sender=number)
    rules = await world.read("routes", "list", "--json")
    assert new.address in str(rules) and old.address not in str(rules)
