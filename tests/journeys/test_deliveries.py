"""Deliveries that failed or may have arrived, dealt with from the chat, while somebody else does the same."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from bridges.netsapiens.sandbox import NetSapiensSandbox
from bridges.sandboxes import Sandbox
from tests.journeys.world import ANN, BO, CARA, DROPPED, FAILED, SECRETS, SENT, UNSURE, Chat, Json, World

pytestmark = pytest.mark.asyncio(loop_scope="package")


def sides() -> dict[str, Sandbox]:
    """The accounts beside those that every world has."""
    return {"pbx": NetSapiensSandbox(api_key=SECRETS["netsapiens"])}


_texts = (f"dealt with {n}" for n in itertools.count(1))


async def _fails(world: World, ops: Chat, *, status: int = 404, by: int = ANN) -> tuple[int, str, int]:
    """A message that is refused: its number in the chat, its text, its delivery."""
    text = next(_texts)
    world.servers["support"].script.next(status)
    number = ops.say(f"/send support:room-42 {text}", by=by)
    await ops.marked(number, FAILED)
    return number, text, int((await world.delivery(text))["id"])


async def _listed(ops: Chat, line: str, *, by: int = ANN) -> Json:
    """The bot's own message in answer to a command."""
    number = ops.say(line, by=by)
    await ops.answer(number)
    return next(m for m in ops.heard() if m.get("reply_to_message", {}).get("message_id") == number)


def _labels(card: Json) -> list[str]:
    return [b["text"] for row in card.get("reply_markup", {}).get("inline_keyboard", []) for b in row]


async def test_what_failed_for_one_cause_is_sent_again_with_one_button(world: World) -> None:
    ops = world.group()
    failed = [await _fails(world, ops) for _ in range(3)]
    other = await _fails(world, ops, status=413)
    card = await _listed(ops, "/failed")
    assert all(f"{id} → support:room-42" in card["text"] for _, _, id in [*failed, other])
    assert "3 × " in card["text"] and "404" in card["text"]
    assert "Only the person who asked" in await ops.press(card, "Retry these 3 (cause 1)", by=BO)
    assert await ops.press(card, "Retry these 3 (cause 1)") == "3 deliveries are sent again."
    for number, text, _ in failed:
        await ops.marked(number, SENT)
        assert world.pushed().count(text) == 1
    await world.until(lambda: _labels(ops.now(card)) == ["Retry these 1", "Discard these 1"])
    await ops.press(card, "Discard these 1")
    await world.until(lambda: _labels(ops.now(card)) == ["Discard", "Cancel"])
    await ops.press(card, "Discard")
    await ops.marked(other[0], DROPPED)
    await world.until(lambda: ops.now(card)["text"] == "1 delivery is discarded. (Ann)")


async def test_one_is_sent_again_with_other_words(world: World) -> None:
    ops = world.group()
    number, text, id = await _fails(world, ops)
    assert "is sent again with these words" in await ops.ask(f"/retry {id} mended words {id}")
    await ops.marked(number, SENT)
    assert f"mended words {id}" in world.pushed("room-42")
    assert text not in world.pushed()


async def test_one_goes_elsewhere_after_it_was_looked_at(world: World) -> None:
    ops = world.group()
    number, text, id = await _fails(world, ops)
    shown = await _listed(ops, f"/show {id}")
    assert text in shown["text"] and f"https://t.me/c/{str(ops.id)[4:]}/{number}" in shown["text"]
    assert _labels(shown) == ["Retry", "Discard"]
    assert "goes to support:room-43 instead" in await ops.ask(f"/redirect {id} support:room-43")
    await ops.marked(number, SENT)
    assert world.pushed("room-43").count(text) == 1


async def test_what_may_have_arrived_is_decided_under_held_also_after_a_restart(world: World) -> None:
    ops = world.group()
    texts, numbers = [next(_texts), next(_texts)], []
    for text in texts:
        world.servers["support"].faults.configure("cut", remaining=1)
        numbers.append(ops.say(f"/send support:room-42 {text}"))
        await ops.marked(numbers[-1], UNSURE)
    asked = ops.say("/held")

    def cards() -> list[Json]:
        return [m for m in ops.heard() if m.get("reply_to_message", {}).get("message_id") == asked]

    newest, older = await world.until(lambda: len(cards()) == 2 and cards())
    await world.restart()
    assert "counts as sent" in await ops.press(newest, "It arrived")
    assert "discarded" in await ops.press(older, "Drop")
    await ops.marked(numbers[1], SENT)
    await ops.marked(numbers[0], DROPPED)
    assert [world.pushed().count(text) for text in texts] == [1, 1]
    assert await ops.ask("/held") == "Nothing is held."


async def test_two_admins_and_the_command_line_at_once_send_one_message_once(world: World) -> None:
    ops = world.group()
    assert "is admin" in await ops.ask(f"/grant {BO} admin")
    text = next(_texts)
    world.servers["support"].faults.configure("cut_before", remaining=1)
    number = ops.say(f"/send support:room-42 {text}")
    await ops.marked(number, UNSURE)
    card = await ops.hears("may have arrived")
    id = int((await world.delivery(text))["id"])
    presses = [world.telegram.press(by, ops.id, card["message_id"], "Send again") for by in (ANN, BO)]
    commands = [ops.say(f"/retry {id}", by=by) for by in (BO, ANN)]
    await asyncio.gather(
        *(press.answered() for press in presses),
        *(ops.answer(command) for command in commands),
        world.patchbay("outbox", "retry", str(id)),
    )
    await ops.marked(number, SENT)
    await world.settled()
    assert world.pushed().count(text) == 1
    await ops.ask(f"/revoke {BO}")


async def test_a_role_for_one_group_deals_with_that_groups_deliveries(world: World) -> None:
    ops, news = world.group(), world.group()
    await ops.ask(f"/grant {CARA} operator here")
    number, _, ours = await _fails(world, ops)
    _, secret, theirs = await _fails(world, news)
    listed = await ops.ask("/failed", by=CARA)
    assert f"{ours} → " in listed and "1 of other chats" in listed and secret not in listed
    assert "everywhere" in await ops.ask(f"/retry {theirs}", by=CARA)
    await ops.ask("/retry all", by=CARA)
    await ops.marked(number, SENT)
    assert [row["id"] for row in await world.outbox(state="dead")] == [theirs]
    await ops.ask(f"/discard {theirs}")
    await ops.ask(f"/revoke {CARA}")


async def test_a_message_that_went_to_a_chat_and_by_sms_is_taken_back_where_that_is_possible(world: World) -> None:
    ops, other = world.group(), world.group()
    await ops.ask(f"/route add here -> {other.address} name=copy")
    await ops.ask("/route add here -> pbx:sms/15550100123 name=text")
    number = ops.say("a slip to both")
    await ops.marked(number, SENT)
    told = await ops.ask("/undo", reply_to=number)
    assert told == (
        f"Taken back at {other.address}.\nNot at pbx:sms/15550100123: SMS has no way to take a message back."
    )
    await world.until(lambda: not any("a slip" in text for text in other.texts()))
    for name in ("copy", "text"):
        await ops.ask(f"/route remove {name}")
