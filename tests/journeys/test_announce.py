"""Announcements: shown first, sent to many with one message that tells how far it is, stopped, and over a restart."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from pathlib import Path

import pytest

from bot.telegram.announcing import EDIT_EVERY_S
from tests.journeys.world import ANN, BO, DAN, Chat, Json, World

pytestmark = pytest.mark.asyncio(loop_scope="package")

FEW, MANY = 40, 500
PACES = {
    "bot.broadcaster.PACE_PER_S": 80.0,
    "bot.broadcaster.PACE_IN_ALL_PER_S": 100.0,
    "bot.broadcaster.PROBE_S": 3.0,
    "bot.retry.SCHEDULE_S": (1.0, 2.0, 4.0),
}
"""Four and five times as fast as announcements and tries go: the pace itself is shown by stories with fewer targets."""


def open_rooms(world: World, number: int, *, prefix: str) -> dict[str, list[str]]:
    """So many conversations at each of the three providers."""
    names = [f"{prefix}-{n}" for n in range(number)]
    world.support.rooms.extend(names)
    world.plain.rooms.extend(names)
    world.club.conversations.extend(names)
    return {account: [f"{account}:{name}" for name in names] for account in ("support", "plain", "club")}


def arrived(world: World, text: str) -> Counter[str]:
    """How often a text arrived in each conversation."""
    found = Counter(f"support:{message.room}" for message in world.support.accepted if message.text == text)
    found.update(f"plain:{message.room}" for message in world.plain.accepted if message.text == text)
    found.update(f"club:{message.conversation}" for message in world.club.accepted if message.text == text)
    return found


async def audience(chat: Chat, name: str, targets: list[str]) -> None:
    """Give an audience its members, as many at once as a message of Telegram's holds."""
    for start in range(0, len(targets), 150):
        await chat.ask(f"/audience add {name} {' '.join(targets[start : start + 150])}")


async def ask(world: World, chat: Chat, targets: str, text: str) -> Json:
    """Announce; returns the card."""
    number = chat.say(f"/announce {targets} | {text}")

    def answered() -> Json | None:
        return next((m for m in chat.heard() if m.get("reply_to_message", {}).get("message_id") == number), None)

    card: Json = await world.until(answered)
    return card


async def shows(world: World, chat: Chat, card: Json, part: str, *, within_s: float = 20.0) -> str:
    """Wait until the card's message shows this; returns all it shows."""

    def found() -> str | None:
        text = str(chat.now(card).get("text", ""))
        return text if part in text else None

    text: str = await world.until(found, within_s=within_s, told=lambda: str(chat.now(card).get("text")))
    return text


def edits(world: World, chat: Chat, card: Json) -> list[float]:
    """When the card's message was edited."""
    edited = [call for call in world.telegram.calls if call.method.lower() == "editmessagetext"]
    which = (str(chat.id), str(card["message_id"]))
    return [call.at for call in edited if (str(call.params["chat_id"]), str(call.params["message_id"])) == which]


def numbers(text: str) -> dict[str, int]:
    return {word: int(number) for number, word in re.findall(r"(\d+) (sent|failed|cancelled|held|left)", text)}


async def test_an_announcement_is_shown_sent_to_each_target_once_and_counted(world: World) -> None:
    ops, groups = world.group(), [world.group(f"G{n}") for n in range(3)]
    targets = ["support:room-42", "club:lobby", *(group.address for group in groups), "support:no-such-room"]
    card = await ask(world, ops, ", ".join(targets), "We are open again.")
    assert "We are open again." in card["text"]
    assert "6 targets" in card["text"]
    assert arrived(world, "We are open again.").total() == 0
    assert await ops.press(card, "Send") == "Sending to 6 targets."
    text = await shows(world, ops, card, ": done\n")
    assert numbers(text) == {"sent": 5, "failed": 1}
    assert "support:no-such-room" in text
    assert arrived(world, "We are open again.") == {"support:room-42": 1, "club:lobby": 1}
    assert [group.texts() for group in groups] == [["We are open again."]] * 3
    assert await ops.press(card, "Retry failed") == "Sending again to 1 target."
    await world.settled()


async def test_who_blocked_the_bot_is_a_failure_of_the_report_and_no_alarm(world: World) -> None:
    ops = world.group()
    world.telegram.block(DAN)
    card = await ask(world, ops, f"telegram:{DAN}, support:room-42", "To Dan, too.")
    await ops.press(card, "Send")
    text = await shows(world, ops, card, ": done\n")
    assert numbers(text) == {"sent": 1, "failed": 1}
    assert "blocked" in text
    (row,) = await world.outbox(address=f"telegram:{DAN}", text="To Dan, too.")
    assert row["state"] == "dead"
    await world.settled()
    assert not [told for told in (*ops.texts(), *world.private(ANN).texts()) if "does not let me" in told]
    assert not [told for told in ops.texts() if told.startswith("Not sent")]
    world.telegram.unblock(DAN)


async def test_pause_and_resume_and_nobody_else_may_press(world: World) -> None:
    ops = world.group()
    await ops.ask(f"/grant {BO} operator")
    rooms = open_rooms(world, 25, prefix="pause")
    await audience(ops, "pausable", [each for account in rooms.values() for each in account])
    card = await ask(world, ops, "@pausable", "Will pause.")
    assert await ops.press(card, "Send", by=BO) == "Only the person who asked for this may press here."
    await ops.press(card, "Send")
    await shows(world, ops, card, "left")
    assert await ops.press(card, "Stop", by=BO) == "Only the person who asked for this may press here."
    assert (await ops.press(card, "Pause")).startswith("Paused.")
    await shows(world, ops, card, "paused")
    there = arrived(world, "Will pause.").total()
    assert there < 75
    await world.restart()
    assert arrived(world, "Will pause.").total() == there
    assert await ops.press(card, "Resume") == "It goes on."
    text = await shows(world, ops, card, ": done\n")
    assert numbers(text) == {"sent": 75, "failed": 0}
    assert set(arrived(world, "Will pause.").values()) == {1}
    await ops.ask(f"/revoke {BO}")


async def test_stop_and_delete_takes_back_what_was_sent_and_says_where_it_cannot(world: World) -> None:
    ops, news = world.group(), world.group("News")
    rooms = open_rooms(world, 30, prefix="wipe")
    targets = [news.address, *rooms["club"], *rooms["support"]]
    await audience(ops, "wipable", targets)
    card = await ask(world, ops, "@wipable", "Will be taken back.")
    await ops.press(card, "Send")
    await shows(world, ops, card, "left")
    await world.until(lambda: arrived(world, "Will be taken back.").keys() & set(rooms["support"]))
    await world.until(lambda: "Will be taken back." in news.texts())
    assert (await ops.press(card, "Stop and delete")).startswith("Stopped. What was sent is being deleted at ")
    await world.until(lambda: "Will be taken back." not in news.texts())
    text = await shows(world, ops, card, " deleted")
    await world.settled()
    assert "support: cinnox has no way to take a message back" in text
    assert numbers(text)["sent"] + numbers(text)["cancelled"] == len(targets)


async def test_stop_lets_at_most_eight_more_go_and_the_message_is_edited_no_more_often_than_every_three_seconds(
    world: World,
) -> None:
    ops = world.group()
    rooms = open_rooms(world, FEW, prefix="stop")
    await audience(ops, "stoppable", [each for account in rooms.values() for each in account])
    card = await ask(world, ops, "@stoppable", "Will be stopped.")
    await ops.press(card, "Send")
    await shows(world, ops, card, "left")
    await world.until(lambda: arrived(world, "Will be stopped.").total() >= 30)
    before = arrived(world, "Will be stopped.").total()
    assert (await ops.press(card, "Stop")).startswith("Stopped.")
    rows = [row for row in await world.settled() if row["text"] == "Will be stopped."]
    after = arrived(world, "Will be stopped.")
    assert after.total() - before <= 8
    assert set(after.values()) == {1}
    text = await shows(world, ops, card, "stopped")
    assert numbers(text)["sent"] == after.total()
    assert numbers(text)["cancelled"] == 3 * FEW - after.total()
    assert Counter(row["state"] for row in rows) == {"sent": after.total(), "cancelled": 3 * FEW - after.total()}
    when = edits(world, ops, card)
    assert len(when) >= 2
    assert min(late - early for early, late in itertools.pairwise(when)) >= EDIT_EVERY_S


async def test_five_hundred_targets_a_provider_that_is_down_a_restart_and_a_kill(tmp_path: Path) -> None:
    async with World(tmp_path, paces=PACES) as world:
        ops, text = world.group(), "To five hundred."
        rooms = open_rooms(world, 150, prefix="many")
        missing = [f"support:missing-{n}" for n in range(25)]
        more = [f"club:more-{n}" for n in range(25)]
        world.club.conversations.extend(each.partition(":")[2] for each in more)
        targets = [each for account in rooms.values() for each in account] + missing + more
        assert len(targets) == MANY
        await audience(ops, "everybody", targets)
        await world.servers["plain"].down()
        card = await ask(world, ops, "@everybody", text)
        assert "500 targets" in card["text"]
        await ops.press(card, "Send")
        await world.until(lambda: arrived(world, text).total() >= 60, within_s=60)
        await world.restart()
        await world.until(lambda: arrived(world, text).total() >= 140, within_s=60)
        await world.bot.kill()
        await world.start()
        told = await shows(world, ops, card, "as far as it can be just now", within_s=60)
        assert "wait for plain: it does not take messages just now" in told
        assert numbers(told)["left"] == 150
        await world.servers["plain"].up()
        told = await shows(world, ops, card, ": done\n", within_s=90)
        counted, there = numbers(told), arrived(world, text)
        assert counted["failed"] == 25
        assert counted["sent"] + counted.get("held", 0) == MANY - 25
        assert counted.get("held", 0) <= 4, "only what was under way when it was killed"
        assert set(there.values()) == {1}, "nothing twice"
        assert counted["sent"] <= there.total() <= MANY - 25
        await world.settled()
        await world.check()


async def test_the_message_of_an_announcement_stands_for_it_from_the_preview_to_its_end(world: World) -> None:
    ops, group = world.group(), world.group()
    card = await ask(world, ops, f"club:lobby, {group.address}, support:no-such-room", "Stands for it.")
    assert "was not sent" in await ops.ask("/undo", reply_to=card["message_id"])
    await ops.press(card, "Send")
    await shows(world, ops, card, ": done\n")
    trace = await ops.ask("/trace", reply_to=card["message_id"])
    assert "club:lobby" in trace and "no-such-room" in trace
    (failed,) = await world.outbox(address="support:no-such-room", text="Stands for it.")
    await ops.ask(f"/retry {failed['id']}")
    await ops.hears(f"Not sent to support:no-such-room (delivery {failed['id']} of announcement")
    await shows(world, ops, card, "tried 2 times in all")
    ops.say("/undo", reply_to=card["message_id"])
    asked = await ops.hears("back at its 3 targets?")
    assert "At 1 it never arrived." in asked["text"]
    await ops.press(asked, "Take back")
    await world.until(lambda: "Stands for it." not in group.texts())
    assert "cannot be stopped" in await ops.ask("/cancel", reply_to=card["message_id"])
    await world.settled()
