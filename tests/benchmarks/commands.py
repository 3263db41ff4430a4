"""How long commands hold the store's one writer: seconds of their longest transaction, with many rows around.

``python -m tests.benchmarks.commands``. No network: a real store and the real commands (``tests/bot/telegram/desk``).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bot import broadcasts
from bot.addresses import telegram_address
from bot.feedback import incident_buttons
from bot.store import Tx
from bot.store.lists import Wanted
from bot.store.messages import Copy
from bot.telegram.outbound import message_id
from bridges.model import Button, Message
from tests.bot.telegram.desk import ANN, OPS, Answer, Desk, a_desk

DEAD, MESSAGES, TARGETS = 20_000, 100_000, 5_000
WORDS = "the quick brown fox jumps over the lazy dog number "
NO_BLANKS = "春眠不覚暁処処聞啼鳥夜来風雨声花落知多少" * 20


class Timed:
    """A desk, and how long each of its transactions took since :attr:`took` was emptied."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.took = desk, list[float]()
        write = desk.line.store.write

        async def timed(unit: Callable[[Tx], Any]) -> Any:
            def measured(tx: Tx) -> Any:
                begun = time.perf_counter()
                try:
                    return unit(tx)
                finally:
                    self.took.append(time.perf_counter() - begun)

            return await write(measured)

        desk.line.store.write = timed  # type: ignore[method-assign]

    async def of(self, work: Awaitable[object]) -> float:
        """Seconds of the longest transaction in something."""
        self.took.clear()
        await work
        return max(self.took)


# --- what stands around


def fill_messages(tx: Tx, number: int) -> None:
    """Messages here and there, one in ten without any blank."""
    tx.db.executemany(
        "INSERT INTO messages (account, conversation, sender_id, sender_name, text, at) VALUES (?, ?, ?, ?, ?, ?)",
        [
            ("club", f"c{n % 100}", "u1", "Pat", NO_BLANKS if n % 10 == 0 else f"{WORDS}{n}", 1_700_000_000.0 + n)
            for n in range(number)
        ],
    )


def fill_long(tx: Tx, number: int) -> None:
    """Long messages in a script without blanks, the newest of all."""
    tx.db.executemany(
        "INSERT INTO messages (account, conversation, sender_id, sender_name, text, at) VALUES (?, ?, ?, ?, ?, ?)",
        [("club", "long", "u1", "Pat", NO_BLANKS * 10, 1_750_000_000.0 + n) for n in range(number)],
    )


def fill_dead(tx: Tx, desk: Desk, number: int, *, causes: int = 7) -> None:
    """Deliveries of as many messages of a chat, which were given up."""
    now, relay = desk.line.clock(), desk.line.relay
    for n in range(number):
        origin = tx.messages.add(
            account="telegram", conversation=str(OPS), remote_id=None, sender_id=str(ANN), sender_name="Ann",
            text=f"text {n}", at=now,
        )  # fmt: skip
        address = relay.parse_target(tx, f"club:dead{n % 500}")
        new = relay.delivery(address, Message(text=f"text {n}"), now=now, message_id=origin, why="by hand")
        tx.outbox.add(replace(new, marked=True))
        tx.marks.want(origin, "failed", now=now)
    give_up(tx, now=now, causes=causes)


def give_up(tx: Tx, *, now: float, causes: int = 7) -> None:
    """All that waits is given up, or given up again."""
    tx.db.execute(
        "UPDATE outbox SET state = 'dead', error = 'HTTP 404: no such room ' || (id % ?), settled_at = ?"
        " WHERE state = 'queued' AND account = 'club'",
        (causes, now),
    )
    tx.db.execute("DELETE FROM lanes WHERE account = 'club'")


def incident(tx: Tx, desk: Desk) -> Sequence[Button]:
    """Buttons as below an incident."""
    (some,) = tx.deliveries.page(Wanted(("dead",), account="club"), limit=1)
    return incident_buttons(tx, some.id, chat=str(OPS), now=desk.line.clock())


def wipe(tx: Tx, desk: Desk, number: int) -> None:
    """As the button below an announcement of which nothing was let go yet."""
    found = tx.broadcasts.get(number)
    assert found is not None
    broadcasts.stop_and_delete(tx, desk.line.relay, found, now=desk.line.clock())


async def announced(desk: Desk, targets: int, *, name: str) -> dict[str, Any]:
    """An announcement that arrived everywhere; returns the message that asked for it, to be answered."""
    asked = desk.message(f"/announce {name}")

    def unit(tx: Tx) -> None:
        now = desk.line.clock()
        origin = tx.messages.add(
            account="telegram",
            conversation=str(OPS),
            remote_id=message_id(OPS, asked["message_id"]),
            sender_id=str(ANN),
            sender_name="Ann",
            text="",
            at=now,
        )
        places = [desk.line.relay.parse_target(tx, f"club:{name}{n}") for n in range(targets)]
        number = broadcasts.start(
            tx,
            desk.line.relay,
            targets=places,
            message=Message(text=f"the news of {name}"),
            person=ANN,
            person_name="Ann",
            chat=telegram_address(OPS),
            origin=origin,
            now=now,
        )
        tx.db.execute(
            "UPDATE outbox SET state = 'sent', parked = 0, starts = 1, settled_at = ? WHERE broadcast = ?",
            (now, number),
        )
        for row in tx.outbox.of_message(origin):
            tx.messages.add_copy(origin, Copy(row.account, row.conversation, f"r{row.id}", row.part, row.id))

    await desk.line.store.write(unit)
    return asked


# --- what is measured


async def measure(*, dead: int, messages: int, targets: int, folder: Path) -> dict[str, float]:
    """Seconds that each command holds the writer."""
    took: dict[str, float] = {}
    async with a_desk(folder, edits=True, deletes=True, reactions=True, replies=True, text_limit=4096) as desk:
        timed = Timed(desk)
        store = desk.line.store
        answers: list[Answer] = []

        async def write(text: str, **more: Any) -> None:
            answers[:] = await desk.write(text, **more)

        async def press(label: str) -> None:
            button = next(each for each in answers[0].buttons if each.label.startswith(label))
            await desk.press(answers[0], button.label)

        await store.write(lambda tx: fill_messages(tx, messages))
        await store.write(lambda tx: fill_dead(tx, desk, dead))

        async def again() -> None:
            await store.write(lambda tx: give_up(tx, now=desk.line.clock()))

        took["/failed"] = await timed.of(write("/failed"))
        took["Retry these"] = await timed.of(press("Retry "))
        await again()
        await write("/failed")
        took["Discard these: asks"] = await timed.of(press("Discard "))
        took["/retry all 404"] = await timed.of(write("/retry all 404"))
        await again()
        took["/retry all"] = await timed.of(write("/retry all"))
        await again()
        buttons = await store.write(lambda tx: incident(tx, desk))
        answers[:] = [Answer("", tuple(buttons), str(OPS), 0)]
        took["Retry of an incident"] = await timed.of(press("Retry"))
        await again()
        took["/discard all: asks"] = await timed.of(write("/discard all"))
        took["/discard all: Discard"] = await timed.of(press("Discard"))
        news = await announced(desk, targets, name="edit")
        took["/edit: asks"] = await timed.of(write("/edit other words", reply_to=news))
        took["/edit: Change"] = await timed.of(press("Change"))
        await write("/edit words again", reply_to=news)
        took["/edit once more: Change"] = await timed.of(press("Change"))
        news = await announced(desk, targets, name="react")
        took["/react"] = await timed.of(write("/react 👍", reply_to=news))
        news = await announced(desk, targets, name="undo")
        took["/undo: asks"] = await timed.of(write("/undo", reply_to=news))
        took["/undo: Take back"] = await timed.of(press("Take back"))
        places = [f"club:big{n}" for n in range(targets)]
        await store.write(lambda tx: tx.audiences.add("big", places, person="7", now=desk.line.clock()))
        took["/announce: asks"] = await timed.of(write("/announce @big | the news"))
        took["/announce: Send"] = await timed.of(press("Send"))
        number = await store.read(lambda tx: max(each.id for each in tx.broadcasts.open()))
        took["/announce: Stop and delete"] = await timed.of(store.write(lambda tx: wipe(tx, desk, number)))
        named = " ".join(places[: targets - targets // 50])
        took["/audience remove"] = await timed.of(write(f"/audience remove big {named}"))
        await store.write(lambda tx: fill_long(tx, messages // 5))
        took["/search without blanks"] = await timed.of(write("/search 存在しない言葉"))
    return took


async def medians(*, dead: int, messages: int, targets: int, rounds: int) -> dict[str, float]:
    """As :func:`measure`, several times."""
    took = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as name:
            took.append(await measure(dead=dead, messages=messages, targets=targets, folder=Path(name)))
    return {label: statistics.median(each[label] for each in took) for label in took[0]}


def print_section(took: dict[str, float], *, dead: int, messages: int, targets: int) -> None:
    """Seconds of each."""
    print(f"commands, the longest transaction: {dead:,} given up, {messages:,} messages, {targets:,} targets")
    for label, seconds in took.items():
        print(f"{label:<36}{seconds:>14.3f} s")


async def main() -> None:
    """Measure and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dead", type=int, default=DEAD)
    parser.add_argument("--messages", type=int, default=MESSAGES)
    parser.add_argument("--targets", type=int, default=TARGETS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    around = {"dead": options.dead, "messages": options.messages, "targets": options.targets}
    took = await medians(**around, rounds=options.rounds)
    if options.json:
        print(json.dumps(took))
    else:
        print_section(took, **around)


if __name__ == "__main__":
    asyncio.run(main())
