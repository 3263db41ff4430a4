"""Looking back: what was said, found again with a link to it, taken out as a file, and forgotten on request."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from tests.journeys.world import BO, DAN, FAILED, SENT, Chat, Json, World

pytestmark = pytest.mark.asyncio(loop_scope="package")

_numbers = itertools.count(85255502001)


async def _answered(ops: Chat, line: str) -> Json:
    """The bot's own message in answer to a command."""
    number = ops.say(line)
    await ops.answer(number)
    return next(m for m in ops.heard() if m.get("reply_to_message", {}).get("message_id") == number)


async def test_history_shows_both_directions_of_a_conversation_and_what_failed(world: World) -> None:
    ops, peer = world.group(), str(next(_numbers))
    assert await world.sms("is anybody there?", sender=peer) == 200
    await ops.marked(ops.say("/send support:room-42 we are here"), SENT)
    world.servers["support"].script.next(404)
    await ops.marked(ops.say("/send support:room-42 are you"), FAILED)
    assert "← " in await ops.ask(f"/history support:sms/{peer}")
    shown = await ops.ask("/history support:room-42")
    assert shown.index("→ Ann: we are here") < shown.index("→ Ann: are you [delivery ") < shown.index(" dead: ")


async def test_a_page_that_was_shown_before_a_restart_goes_on_after_it(world: World) -> None:
    ops = world.group()
    for n in range(5):
        ops.say(f"line number {n}", by=BO)
    await ops.quiet()
    card = await _answered(ops, "/history here 3")
    assert "line number 2" in card["text"] and "line number 1" not in card["text"]
    await world.restart()
    assert await ops.press(card, "Older", by=BO) == "Only the person who asked for this may press here."
    assert await ops.press(card, "Older") == "Below."
    older = await ops.hears("line number 0")
    assert "line number 1" in older["text"] and "line number 2" not in older["text"]
    assert "reply_markup" not in ops.now(card)


async def test_a_search_finds_what_both_sides_said_and_its_link_leads_there(world: World) -> None:
    ops, peer = world.group("Archive"), str(next(_numbers))
    wrote = ops.say("the quarterly Zürich figures", by=BO)
    await ops.quiet()
    await world.sms("zurich figures please", sender=peer)
    found = await ops.ask("/search zurich figures")
    assert f"https://t.me/c/{str(ops.id)[4:]}/{wrote}" in found
    assert f"at Archive ({ops.address}): the quarterly Zürich figures" in found
    assert f"(support:sms/{peer}): zurich figures please" in found
    narrowed = await ops.ask(f"/search zurich in:support:sms/{peer}")
    assert "please" in narrowed and "quarterly" not in narrowed


async def test_an_operator_of_one_chat_finds_nothing_of_another(world: World) -> None:
    ops, other = world.group(), world.group()
    other.say("kept between us", by=BO)
    await other.quiet()
    await ops.ask(f"/grant {DAN} operator here")
    assert "Nothing was found" in await ops.ask("/search kept between", by=DAN)
    assert "everywhere" in await ops.ask(f"/history {other.address}", by=DAN)
    assert "kept between us" in await ops.ask(f"/history {other.address}")


async def test_a_conversation_goes_out_as_import_history_reads_it_beside_the_running_bot(world: World) -> None:
    ops = world.group()
    ops.say("one", by=BO)
    ops.say("two\nlines", by=DAN)
    await ops.quiet()
    ended = await world.patchbay("history", ops.address, "--json")
    assert ended.code == 0, ended.err
    lines: list[dict[str, Any]] = [json.loads(line) for line in ended.out.splitlines()]
    assert [(line["sender"]["name"], line["text"]) for line in lines] == [("Bo", "one"), ("Dan", "two\nlines")]
    assert all(set(line) == {"id", "at", "sender", "text"} for line in lines)


async def test_somebody_is_forgotten_beside_the_running_bot_and_nothing_is_left_of_their_words(world: World) -> None:
    ops = world.group()
    await ops.ask(f"/grant {DAN} operator")
    await ops.marked(ops.say("/send support:room-43 plugh by hand", by=DAN), SENT)
    group = ops.say("plugh in the group", by=DAN)
    ops.say("what is that?", by=BO, reply_to=group)
    assert "plugh by hand" in await ops.ask("/search hand")
    await world.settled()
    before = await world.read("stats")

    looked = await world.patchbay("forget", str(DAN))
    assert looked.code == 0 and "Nothing was changed" in looked.out
    assert b"plugh" in _raw(world)

    done = await world.patchbay("forget", str(DAN), "--yes", "--also-waiting", "--json")
    told = json.loads(done.out)
    assert (done.code, told["done"], told["scrubbed"]) == (0, True, True), done.err
    assert b"plugh" not in _raw(world)
    assert await world.read("stats") == before
    assert "needs the role operator" in await ops.ask("/status", by=DAN)
    assert "Nothing was found" in await ops.ask("/search hand")
    assert "what is that?" in await ops.ask("/history here")


async def test_forgetting_refuses_while_something_of_theirs_waits_and_says_what(world: World) -> None:
    ops = world.group()
    await ops.ask(f"/grant {DAN} operator")
    world.servers["support"].script.next(404)
    await ops.marked(ops.say("/send support:room-43 still needed", by=DAN), FAILED)
    row = await world.delivery("still needed")
    ended = await world.patchbay("forget", str(DAN), "--yes")
    assert ended.code == 2 and f"{row['id']} (dead)" in ended.err and len(ended.err.splitlines()) == 1
    assert (await world.delivery("still needed"))["state"] == "dead"


async def test_nobody_is_forgotten_by_a_name_that_nobody_has(world: World) -> None:
    ended = await world.patchbay("forget", "Nobody At All", "--yes")
    assert ended.code == 2 and len(ended.err.splitlines()) == 1


def _raw(world: World) -> bytes:
    """All bytes of the database, its log included."""
    folder = world.database.parent
    return b"".join(file.read_bytes() for file in sorted(folder.glob(f"{world.database.name}*")) if file.is_file())
