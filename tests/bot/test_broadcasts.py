"""Announcements that a schedule makes: what goes at once, what waits for its time, what is taken back, who got it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from bot import broadcasts
from bot.addresses import Address, parse_address
from bot.broadcast_report import Receipt, receipts, report, tally
from bot.broadcaster import LATER_LOOK_S, STRANGERS_S, Broadcaster
from bot.store import Tx
from bot.store.balance import balance
from bot.store.broadcasts import Broadcast
from bot.store.outbox import LATER, PARKED, PRIORITY_BROADCAST, PRIORITY_RELAY, Delivery, NewDelivery
from bridges.errors import Refused, Unavailable
from bridges.model import AccountName, Button, LinkButton, Message, Person, PersonId
from tests.bot.line import Line, line

HOME = parse_address("telegram:-9")
LABEL = "Schedule 3 (Stand-up, short), Thu 2026-12-24 18:00 Europe/Paris"
HOUR, DAY = 3600.0, 86400.0


class Bench:
    """A line with a broadcaster, and what its schedules make."""

    def __init__(self, at: Line) -> None:
        self.at = at
        self.store, self.clock = at.store, at.clock
        self.ticks = 0.0
        """How far the monotonic clock went beyond the other one."""
        self.restart()

    def restart(self) -> None:
        """Another process has its turns."""
        self.broadcaster = Broadcaster(
            store=self.store,
            accounts=self.at.relay.accounts,
            clock=self.clock,
            monotonic=lambda: self.clock() + self.ticks,
        )

    async def start(self, *targets: str, **given: Any) -> int:
        """One firing of schedule 3; returns the announcement."""
        known: dict[str, Any] = {"message": Message(text="hi"), "chat": HOME, "schedule": 3, "label": LABEL} | given
        return await self.store.write(
            lambda tx: broadcasts.start(
                tx,
                self.at.relay,
                targets=[parse_address(target) for target in targets],
                person=7,
                person_name="Ann",
                origin=None,
                now=self.clock(),
                **known,
            )
        )

    async def rows(self, number: int | None = None) -> list[Delivery]:
        """The deliveries of announcements."""
        return [row for row in await self.at.rows() if row.broadcast is not None and number in (None, row.broadcast)]

    async def states(self) -> list[str]:
        return [row.state for row in await self.rows()]

    async def parked(self) -> list[int]:
        return [row.parked for row in await self.rows()]

    async def passes(self, seconds: float, *, turns: int = 1) -> float | None:
        """Time passes and the broadcaster has its turns; returns in how many seconds it wants another one."""
        wait_s = None
        for _ in range(turns):
            await self.at.later(seconds / turns)
            wait_s = await self.broadcaster.turn()
            if self.at.engine.turning:
                await self.at.rests()
        return wait_s

    async def does(self, act: Callable[..., Any], number: int = 1, *given: Any) -> Any:
        """Pause, resume, stop, …"""

        def unit(tx: Tx) -> Any:
            broadcast = tx.broadcasts.get(number)
            assert broadcast is not None
            return act(tx, *given, broadcast, now=self.clock())

        return await self.store.write(unit)

    async def read(self, ask: Callable[[Tx, Broadcast], Any], number: int = 1) -> Any:
        """What is asked of an announcement."""

        def unit(tx: Tx) -> Any:
            broadcast = tx.broadcasts.get(number)
            assert broadcast is not None
            return ask(tx, broadcast)

        return await self.store.read(unit)

    async def told(self, number: int = 1) -> str:
        """The words of its report."""
        return await self.read(
            lambda tx, each: (
                report(
                    tx,
                    self.at.relay,
                    each,
                    tally(tx.broadcasts.standings(each.id)),
                    now=self.clock(),
                    zone="Asia/Tokyo",
                ).text
            ),
            number,
        )

    def in_hours(self, hours: float) -> Callable[[Address], float]:
        """Nobody gets it before so many hours from now."""
        at = self.clock() + hours * HOUR
        return lambda address: at


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with line(tmp_path, deletes=True) as at:
        yield Bench(at)


def places(account: str, number: int) -> list[str]:
    return [f"{account}:p{n}" for n in range(number)]


# --- what is made


@pytest.mark.parametrize(
    ("label", "why"),
    [
        (LABEL, "schedule 3 (Stand-up, short), announcement 1 by Ann"),
        ("Schedule 3, Thu 2026-12-24 18:00 UTC", "schedule 3, announcement 1 by Ann"),
        ("", "schedule 3, announcement 1 by Ann"),
    ],
)
async def test_a_delivery_says_which_schedule_it_is_because_of(bench: Bench, label: str, why: str) -> None:
    await bench.start("club:a", "desk:b", label=label)
    assert {row.why for row in await bench.rows()} == {why}


async def test_what_few_get_goes_at_once_and_behind_what_people_write(bench: Bench) -> None:
    await bench.start(*places("club", 8))
    rows = await bench.rows()
    assert {(row.parked, row.priority) for row in rows} == {(0, PRIORITY_BROADCAST)}

    def claimed(tx: Tx) -> list[str]:
        now = bench.clock()
        tx.outbox.add(NewDelivery("club", "relayed", "{}", now, now + 9, "hold", priority=PRIORITY_RELAY))
        leases = tx.outbox.claim("club", owner="w", now=now, lease_s=9, limit=3)
        return [lease.conversation for lease in leases]

    assert await bench.store.write(claimed) == ["relayed", "p0", "p1"]


@pytest.mark.parametrize(
    ("targets", "given"),
    [
        (places("club", 9), {}),
        (places("club", 2), {"due": lambda address: 2e9 if address.conversation == "p1" else 0.0}),
        (places("club", 2), {"schedule": None, "label": ""}),
    ],
    ids=["many", "one later", "no schedule"],
)
async def test_else_it_waits_for_its_turn(bench: Bench, targets: list[str], given: dict[str, Any]) -> None:
    await bench.start(*targets, **given)
    assert all(await bench.parked())


async def test_what_goes_at_once_is_sent_without_the_broadcaster(bench: Bench) -> None:
    await bench.start("club:a", "desk:b", "telegram:-1")
    await bench.at.engine.start()
    await bench.at.rests()
    assert await bench.states() == ["sent"] * 3
    assert (await bench.store.read(balance))["balanced"]


async def test_each_target_may_get_other_words(bench: Bench) -> None:
    await bench.start(
        "club:a",
        "club:b",
        "desk:c",
        message=Message(text="hello {chat}"),
        each=lambda address: Message(
            text=f"hello {address.conversation} " + "word " * 300 * (address.account == "club")
        ),
    )
    rows = await bench.rows()
    words = [(row.address, row.part, row.parts, Message.model_validate_json(row.payload).text) for row in rows]
    assert [word[:3] for word in words] == [
        ("club:a", 1, 2), ("club:a", 2, 2), ("club:b", 1, 2), ("club:b", 2, 2), ("desk:c", 1, 1),
    ]  # fmt: skip
    begun = [text.removeprefix("(1/2) ")[:7] for _, part, _, text in words if part == 1]
    assert begun == ["hello a", "hello b", "hello c"]
    origin = await bench.read(lambda tx, each: tx.messages.get(each.message))
    assert origin.text == "hello {chat}"


async def test_links_and_silence_go_along_and_buttons_do_not(bench: Bench) -> None:
    links = (LinkButton(label="More", url="https://example.org"),)
    written = Message(
        text="hi",
        links=links,
        silent=True,
        buttons=(Button(label="Send", data="x"),),
        sender=Person(id=PersonId("7"), name="Ann"),
    )
    await bench.start("telegram:-1", message=written)
    await bench.start("telegram:-2", each=lambda address: written)
    for row in await bench.rows():
        assert Message.model_validate_json(row.payload) == Message(text="hi", links=links, silent=True)


# --- what goes at once is halted like anything else


async def test_stop_cancels_what_went_into_its_lanes_at_once(bench: Bench) -> None:
    await bench.start("club:a", "desk:b")
    assert await bench.does(broadcasts.stop) == 2
    await bench.at.engine.start()
    await bench.at.rests()
    assert await bench.states() == ["cancelled"] * 2
    assert bench.at.club.texts == []


async def test_what_is_paused_goes_on_when_it_is_resumed(bench: Bench) -> None:
    await bench.start("club:a", "desk:b")
    await bench.does(broadcasts.pause)
    await bench.at.engine.start()
    await bench.passes(1)
    assert await bench.parked() == [PARKED, PARKED]
    await bench.does(broadcasts.resume)
    await bench.passes(10, turns=4)
    assert await bench.states() == ["sent"] * 2


async def test_what_goes_at_once_to_an_account_that_is_away_takes_no_pace_from_others(bench: Bench) -> None:
    bench.at.desk.error = Unavailable("nobody answers")
    for number in range(3):
        await bench.start(*(f"desk:x{number}{n}" for n in range(8)))
    await bench.start(*places("club", 20))
    await bench.at.engine.start()
    await bench.passes(4, turns=20)
    assert len(bench.at.club.sent) == 20
    assert (await bench.states()).count("sent") == 20


# --- what waits for its time


async def test_what_is_not_yet_due_stands_in_no_lane_and_goes_when_it_is(bench: Bench) -> None:
    await bench.start("club:a", "club:b", due=bench.in_hours(8))
    await bench.at.engine.start()
    await bench.at.said("club:x", "no rule takes this")
    await bench.store.write(
        lambda tx: bench.at.relay.send(
            tx, parse_address("club:a"), Message(text="relayed"), now=bench.clock(), message_id=None
        )
    )
    await bench.passes(8 * HOUR - 1)
    assert bench.at.club.texts == ["relayed"]
    assert await bench.parked() == [LATER, LATER]
    await bench.passes(1.5, turns=3)
    assert bench.at.club.texts == ["relayed", "hi", "hi"]


async def test_how_long_it_is_tried_counts_from_its_time(bench: Bench) -> None:
    bench.at.club.error = Unavailable("nobody answers")
    begun = bench.clock()
    await bench.start("club:a", due=bench.in_hours(20))
    (row,) = await bench.rows()
    assert (row.created_at, row.due_at, row.expires_at) == (begun, begun + 20 * HOUR, begun + 20 * HOUR + DAY)
    assert row.lasts_s == DAY
    await bench.at.engine.start()
    await bench.passes(20 * HOUR + 1)
    await bench.passes(DAY - 10, turns=40)
    assert await bench.states() == ["queued"]
    await bench.passes(HOUR, turns=2)
    assert await bench.states() == ["dead"]


async def test_the_broadcaster_wakes_in_time_and_often_enough_for_a_clock_that_is_set(bench: Bench) -> None:
    await bench.start("club:a", due=bench.in_hours(1))
    assert await bench.passes(0) == LATER_LOOK_S
    assert await bench.passes(HOUR - 4) == 4
    bench.clock.at += 2 * HOUR
    bench.ticks -= 2 * HOUR
    await bench.passes(0)
    assert await bench.parked() == [0]


async def test_a_clock_that_is_set_back_lets_it_wait_for_its_time_again_and_go_then(bench: Bench) -> None:
    await bench.start("club:a", due=bench.in_hours(1))
    await bench.start(*places("desk", 9))
    bench.clock.at -= DAY
    bench.ticks += DAY
    await bench.passes(1)
    assert sorted(await bench.parked()) == [0, 0, *[PARKED] * 7, LATER]
    await bench.passes(DAY + HOUR, turns=4)
    assert next(row.parked for row in await bench.rows() if row.account == "club") == 0


async def test_a_time_that_came_before_the_clock_was_set_back_has_come(bench: Bench) -> None:
    await bench.store.write(lambda tx: tx.accounts.pause("club", reason="no", now=0.0))
    await bench.start("club:a", due=bench.in_hours(1))
    await bench.passes(HOUR)
    assert await bench.parked() == [PARKED]
    bench.clock.at -= DAY
    bench.ticks += DAY + 60
    await bench.store.write(lambda tx: tx.accounts.resume("club"))
    await bench.passes(0)
    assert await bench.parked() == [0]


async def test_what_waits_for_its_time_does_so_over_a_restart(bench: Bench) -> None:
    await bench.start("club:a", due=bench.in_hours(1))
    await bench.passes(1)
    bench.restart()
    await bench.passes(HOUR - 2)
    assert await bench.parked() == [LATER]
    await bench.passes(2)
    assert await bench.parked() == [0]


async def test_what_is_paused_when_its_time_comes_goes_when_it_is_resumed(bench: Bench) -> None:
    await bench.start("club:a", due=bench.in_hours(1))
    await bench.does(broadcasts.pause)
    await bench.passes(2 * DAY)
    await bench.does(broadcasts.resume)
    await bench.at.engine.start()
    await bench.passes(1)
    assert await bench.states() == ["sent"]


async def test_what_is_resumed_before_its_time_waits_for_it(bench: Bench) -> None:
    await bench.start("club:a", due=bench.in_hours(1))
    await bench.does(broadcasts.pause)
    await bench.does(broadcasts.resume)
    await bench.passes(HOUR - 1)
    assert await bench.parked() == [LATER]
    await bench.passes(1)
    assert await bench.parked() == [0]


async def test_what_waits_for_its_time_is_cancelled_by_a_stop(bench: Bench) -> None:
    await bench.start("club:a", "desk:b", due=bench.in_hours(1))
    assert await bench.does(broadcasts.stop) == 2
    await bench.passes(2 * HOUR)
    assert await bench.states() == ["cancelled"] * 2
    assert (await bench.store.read(balance))["balanced"]


async def test_what_failed_after_its_time_is_tried_again_at_once(bench: Bench) -> None:
    bench.at.club.refuses["hi"] = Refused("no")
    await bench.start("club:a", due=bench.in_hours(1))
    await bench.at.engine.start()
    await bench.passes(HOUR)
    assert await bench.states() == ["dead"]
    bench.at.club.refuses.clear()
    await bench.does(broadcasts.retry_failed, 1, bench.at.relay)
    await bench.passes(1)
    assert await bench.states() == ["sent"]


async def test_other_words_and_more_of_them_wait_for_the_same_time(bench: Bench) -> None:
    number = await bench.start("club:a", due=bench.in_hours(1))
    (before,) = await bench.rows()

    def reword(tx: Tx, broadcast: Broadcast, *, now: float) -> None:
        origin = tx.messages.get(broadcast.message)
        assert origin is not None
        bench.at.relay.changes.reword(tx, origin, Message(text="other " * 300), now=now)

    await bench.does(reword, number)
    rows = [row for row in await bench.rows() if row.op == "send"]
    assert [(row.part, row.parked, row.due_at, row.expires_at) for row in rows] == [
        (part, LATER, before.due_at, before.expires_at) for part in (1, 2)
    ]


async def test_a_group_that_becomes_another_one_gets_it_at_its_time(bench: Bench) -> None:
    await bench.start("telegram:-1", due=bench.in_hours(1))
    (before,) = await bench.rows()
    new = parse_address("telegram:-1001")
    await bench.store.write(
        lambda tx: bench.at.relay.places.upgraded(tx, parse_address("telegram:-1"), new, now=bench.clock())
    )
    (row,) = await bench.rows()
    assert (row.address, row.parked, row.due_at) == (str(new), LATER, before.due_at)


async def test_the_report_tells_how_many_wait_for_their_time_and_when_the_first_comes(bench: Bench) -> None:
    due = {f"p{n}": bench.clock() + (8 + n) * HOUR for n in range(12)}
    await bench.start(*places("club", 12), "desk:a", due=lambda address: due.get(address.conversation, 0.0))
    await bench.store.write(lambda tx: tx.chats.set("-9", "timezone", "Europe/Paris"))
    text = await bench.told()
    assert text.startswith(f"📣 {LABEL}: announcement 1 to 13 targets, sending\n0 sent, 0 failed, 13 left, about")
    assert "\n12 wait for their quiet hours to end or for the time that spreads them out, the first at" in text
    assert text.endswith("Fri 2027-01-15 17:00 Europe/Paris.")
    await bench.at.engine.start()
    await bench.passes(1)
    assert "12 targets" not in (text := await bench.told())
    assert ", waiting\n1 sent, 0 failed, 12 left.\n" in text


# --- many at once


async def statements(bench: Bench) -> int:
    """How much the next turn of the broadcaster asks the database, which is undone."""
    asked: list[str] = []

    def unit(tx: Tx) -> None:
        tx.db.set_trace_callback(asked.append)
        try:
            bench.broadcaster._look(tx)
            bench.broadcaster._release(tx)
        finally:
            tx.db.set_trace_callback(None)
        raise LookupError

    with pytest.raises(LookupError):
        await bench.store.write(unit)
    # A unit that raises is run once more, alone.
    return len(asked) // 2


async def test_a_turn_asks_as_much_however_many_announcements_are_open(bench: Bench) -> None:
    numbers = []
    for more in (3, 60):
        for _ in range(more):
            await bench.start("club:a", "desk:b", "telegram:-1", schedule=None)
        numbers.append(await statements(bench))
    assert numbers[0] == numbers[1] > 0


async def test_the_oldest_goes_first_and_what_is_paused_holds_up_nobody(bench: Bench) -> None:
    for _ in range(3):
        await bench.start(*places("club", 30))
    await bench.does(broadcasts.pause)
    await bench.passes(1)
    assert [row.broadcast for row in await bench.rows() if not row.parked] == [2, 2]
    assert {row.parked for row in await bench.rows(1)} == {PARKED}


async def test_the_many_parts_of_one_place_are_let_go_together(bench: Bench) -> None:
    await bench.start(*places("club", 9), message=Message(text="word " * 5000))
    await bench.passes(1)
    rows = await bench.rows()
    let_go = [row for row in rows if not row.parked]
    assert {row.conversation for row in let_go} == {"p0", "p1"}
    assert len(let_go) == 2 * rows[0].parts > 32


async def test_what_another_announcement_brought_there_shows_that_an_account_is_not_away(bench: Bench) -> None:
    refused = Unavailable("busy")
    for n in range(4):
        bench.at.club.refuses[f"bad {n}"] = refused
    await bench.at.engine.start()
    for n in range(4):
        await bench.start(f"club:bad{n}", message=Message(text=f"bad {n}"), schedule=None)
    await bench.passes(1)
    for n in range(9):
        await bench.start(f"club:p{n}", schedule=None)
    await bench.passes(1)
    assert (await bench.states()).count("sent") == 0
    # One finds out that it is not away, and that is enough for all.
    await bench.passes(80, turns=40)
    assert (await bench.states()).count("sent") == 9


async def test_more_come_due_at_once_than_one_turn_takes(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.broadcaster.DUE_AT_ONCE", 5)
    await bench.start(*places("club", 12), due=bench.in_hours(1))
    assert await bench.passes(HOUR) == 0
    assert (await bench.parked()).count(LATER) == 7
    await bench.passes(0, turns=2)
    assert (await bench.parked()).count(LATER) == 0


async def test_what_waits_for_an_account_that_is_gone_is_given_up_in_its_time(bench: Bench) -> None:
    await bench.start(*places("desk", 2))
    await bench.start(*places("desk", 9))
    bench.at.relay._accounts = {name: each for name, each in bench.at.relay.accounts.items() if name != "desk"}
    bench.restart()
    assert await bench.passes(DAY - 1) == STRANGERS_S
    assert set(await bench.states()) == {"queued"}
    await bench.passes(2)
    assert await bench.states() == ["dead"] * 11
    assert "the account desk is not configured any more" in ((await bench.rows())[0].error or "")


# --- taken back, and receipts


async def sent(bench: Bench, *targets: str, **given: Any) -> int:
    number = await bench.start(*targets, **given)
    await bench.at.engine.start()
    await bench.passes(4, turns=4)
    return number


async def got(bench: Bench, number: int = 1) -> list[Receipt]:
    return await bench.read(receipts, number)


async def test_what_is_taken_back_without_a_word_is_gone_and_its_receipts_say_where_it_is_not(bench: Bench) -> None:
    await sent(bench, "club:a", "desk:b")
    before = bench.clock()
    assert await bench.does(broadcasts.take_back, 1, bench.at.relay) == 1
    (there, _) = await got(bench)
    assert (there.state, there.error) == ("sent", "not deleted yet")
    await bench.passes(1)
    deleted, stays = await got(bench)
    assert bench.at.club.done == ["delete c1"]
    assert (deleted.address, deleted.state, deleted.error) == ("club:a", "deleted", "")
    assert deleted.at >= before
    assert (stays.address, stays.state) == ("desk:b", "sent")
    assert stays.error.startswith("not deleted: ") and "no way to take a message back" in stays.error
    assert bench.at.owner_hears == [] and bench.at.room == []
    assert await bench.read(lambda tx, each: each.quiet) == 2
    assert "Not deleted at 1 × desk" in await bench.told()


async def test_what_was_taken_back_is_not_taken_back_twice(bench: Bench) -> None:
    await sent(bench, "club:a")
    for _ in range(2):
        await bench.does(broadcasts.take_back, 1, bench.at.relay)
    await bench.passes(1)
    assert await bench.does(broadcasts.take_back, 1, bench.at.relay) == 0
    assert bench.at.club.done == ["delete c1"]


async def test_what_was_taken_back_stays_so_when_its_words_are_forgotten(bench: Bench) -> None:
    await sent(bench, "club:a")
    await bench.does(broadcasts.take_back, 1, bench.at.relay)
    await bench.passes(1)
    await bench.store.write(lambda tx: tx.broadcasts.end(1, now=bench.clock()))
    assert [await bench.store.write(lambda tx: tx.broadcasts.prune(before=bench.clock() + 1)) for _ in "ab"] == [1, 0]
    left = await bench.read(lambda tx, each: broadcasts.kept(each))
    assert left == broadcasts.Kept(wiped=True)
    assert await bench.does(broadcasts.take_back, 1, bench.at.relay) == 0
    await bench.passes(1)
    assert bench.at.club.done == ["delete c1"]


async def test_of_what_was_not_taken_back_nothing_is_kept_but_that_it_was(bench: Bench) -> None:
    await sent(bench, "club:a")

    def unit(tx: Tx) -> int:
        broadcasts.keep(tx, 1, text="1 of 1", note="words", buttons=[("Stop", "x")])
        tx.broadcasts.end(1, now=bench.clock())
        return tx.broadcasts.prune(before=bench.clock() + 1)

    assert await bench.store.write(unit) == 1
    assert await bench.read(lambda tx, each: (each.text, each.shown, each.label)) == ("", "", "")


async def test_what_is_taken_back_before_it_left_never_leaves(bench: Bench) -> None:
    await bench.start("club:a", "desk:b")
    await bench.start("club:c", due=bench.in_hours(1))
    for number in (1, 2):
        assert await bench.does(broadcasts.take_back, number, bench.at.relay) == 0
    await bench.at.engine.start()
    await bench.passes(2 * HOUR)
    assert await bench.states() == ["cancelled"] * 3
    assert (await bench.store.read(balance))["balanced"]


async def test_receipts_tell_of_each_target_what_became_of_it(bench: Bench) -> None:
    bench.at.club.refuses["hi"] = Refused("the room is closed")
    bench.at.desk.error = Unavailable("cut", maybe_sent=True)
    later = bench.clock() + HOUR
    await sent(
        bench,
        "telegram:-1",
        "club:a",
        "desk:b",
        "telegram:-2",
        due=lambda address: later if address.conversation == "-2" else 0.0,
    )
    told = await got(bench)
    assert [(each.address, each.state) for each in told] == [
        ("telegram:-1", "sent"), ("club:a", "dead"), ("desk:b", "held"), ("telegram:-2", "queued"),
    ]  # fmt: skip
    assert told[0].error == "" and told[1].error == "the room is closed" and "cut" in told[2].error
    assert told[3].at == later
    await bench.does(broadcasts.stop)
    assert [each.state for each in await got(bench)] == ["sent", "dead", "held", "cancelled"]


async def test_of_several_messages_to_a_target_the_receipt_tells_the_worst(bench: Bench) -> None:
    await bench.start("club:a", message=Message(text="word " * 500))
    (first, *rest) = await bench.rows()
    await bench.store.write(lambda tx: tx.outbox.bury([rest[0].id], reason="too long", now=9.0))
    (told,) = await got(bench)
    assert told.state == "queued"
    await bench.store.write(
        lambda tx: [tx.outbox.settle_by_hand(row.id, state="cancelled", now=8.0) for row in (first, *rest[1:])]
    )
    (told,) = await got(bench)
    assert told == Receipt("club:a", "dead", "too long", 9.0)


async def test_the_receipts_of_five_thousand_targets_are_one_look(bench: Bench) -> None:
    await bench.start(*places("club", 5000))

    def ask(tx: Tx) -> tuple[int, int]:
        asked: list[str] = []
        tx.db.set_trace_callback(asked.append)
        try:
            broadcast = tx.broadcasts.get(1)
            assert broadcast is not None
            return len(receipts(tx, broadcast)), len(asked)
        finally:
            tx.db.set_trace_callback(None)

    number, asked = await bench.store.write(ask)
    assert number == 5000
    assert asked <= 4


# --- nobody's chat


async def test_one_of_no_chat_ends_in_any_way_without_telling_anybody(bench: Bench) -> None:
    bench.at.desk.error = Unavailable("cut", maybe_sent=True)
    bench.at.club.refuses["hi"] = Refused("no")
    await sent(bench, "club:a", "desk:b", "telegram:-1", chat=None)
    assert await bench.states() == ["dead", "held", "sent"]
    assert [out.message.text for out in bench.at.telegram.sent] == ["hi"]
    origin = await bench.read(lambda tx, each: tx.messages.get(each.message))
    assert origin.address == "schedules:3"
    assert parse_address(origin.address).account == AccountName("schedules")
    await bench.does(broadcasts.take_back, 1, bench.at.relay)
    await bench.passes(1)
    assert [out.message.text for out in bench.at.telegram.sent] == ["hi"]
    assert (await bench.store.read(balance))["balanced"]
