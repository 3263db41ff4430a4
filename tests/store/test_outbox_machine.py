"""The outbox against a model of it: any order of everything that can be done, looked at after every step."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from bot.store import Store, Tx
from bot.store.balance import balances
from bot.store.outbox import Lease, NewDelivery, Outcome, State

T = TypeVar("T")
LIVE = ("queued", "sending")
LEASE_S = 10.0
ENDS: tuple[Literal["sent", "held", "dead", "expired", "queued"], ...] = ("sent", "held", "dead", "expired", "queued")


@dataclass
class Row:
    """What the model knows of a delivery."""

    conversation: str
    priority: int
    due: float
    state: State = "queued"
    attempts: int = 0
    solo: bool = False
    announced: bool = False
    """One of the announcement's."""
    parked: bool = False
    insisted: bool = False
    doubt: bool = False

    def call_off(self) -> None:
        """It is not sent any more; if it may have arrived, a person decides."""
        self.state, self.parked = "held" if self.doubt else "cancelled", False


@dataclass
class Lane:
    """What the model knows of a conversation with something in it."""

    due: float
    holder: Lease | None = None


@dataclass
class Model:
    """The outbox as promised, in the simplest words."""

    rows: dict[int, Row] = field(default_factory=dict)
    lanes: dict[str, Lane] = field(default_factory=dict)
    announcement: Literal["running", "paused", "stopped"] = "running"

    def live(self, conversation: str) -> list[int]:
        return [
            id
            for id, row in self.rows.items()
            if row.conversation == conversation and row.state in LIVE and not row.parked
        ]

    def free(self, conversation: str, at: float) -> None:
        live = self.live(conversation)
        self.lanes.pop(conversation, None)
        if live:
            self.lanes[conversation] = Lane(due=max(at, self.rows[live[0]].due))

    def frees(self, id: int, now: float) -> bool | None:
        """Whether taking one that waits out of its lane gives that another head; None: it cannot be taken out."""
        row = self.rows[id]
        if row.parked:
            return False
        lane, live = self.lanes[row.conversation], self.live(row.conversation)
        if lane.holder is None:
            return live[0] == id
        if not lane.holder.rows[0].id <= id <= lane.holder.rows[-1].id:
            return False
        begun = any(self.rows[other].state == "sending" for other in live)
        return None if begun or now < lane.holder.until else True

    def stands(self, id: int, now: float) -> None:
        """One comes into its lane."""
        row = self.rows[id]
        lane = self.lanes.setdefault(row.conversation, Lane(due=now))
        if lane.holder is None and self.live(row.conversation)[0] == id:
            lane.due = now

    def holds(self, lease: Lease) -> bool:
        lane = self.lanes.get(lease.conversation)
        return lane is not None and lane.holder is lease

    def together(self, conversation: str, batch: int) -> list[int]:
        """What a lease on a conversation covers."""
        live = self.live(conversation)[:batch]
        head = self.rows[live[0]]
        if head.state == "sending" or head.solo:
            return live[:1]
        stop = next((n for n, id in enumerate(live) if self.rows[id].state == "sending" or self.rows[id].solo), batch)
        return live[:stop]


class Machine(RuleBasedStateMachine):
    """Each run has an account of its own in one store, which stays open."""

    store: Store
    runner: asyncio.Runner
    runs = 0

    leases = Bundle("leases")

    def __init__(self) -> None:
        super().__init__()
        type(self).runs += 1
        self.account = f"a{self.runs}"
        self.now = 0.0
        self.model = Model()

    def do(self, unit: Callable[[Tx], T]) -> T:
        return self.runner.run(self.store.write(unit))

    def teardown(self) -> None:
        """Leave nothing unknown to the runs that follow."""

        def end(tx: Tx) -> None:
            for lease in tx.outbox.recover(owner="teardown", now=self.now, lease_s=1.0):
                tx.outbox.settle(lease, [Outcome(row.id, "dead") for row in lease.rows], now=self.now)

        self.do(end)

    @initialize()
    def fill(self) -> None:
        told: dict[str, Any] = {"person": "7", "person_name": "", "chat": "telegram:7", "text": "", "progress": ""}
        self.announcement = self.do(lambda tx: tx.broadcasts.add(**told, message=None, now=0.0))  # type: ignore[arg-type]
        for conversation in "xy":
            self.announce(conversation=conversation)
        for conversation in ("x", "x", "y"):
            self.add(conversation=conversation, priority=1)

    @rule(conversation=st.sampled_from("xxxyz"), priority=st.sampled_from([0, 1, 2]))
    def add(self, conversation: str, priority: int) -> None:
        new = NewDelivery(self.account, conversation, "{}", self.now, 1e9, "hold", priority=priority)
        id = self.do(lambda tx: tx.outbox.add(new))
        assert id > max(self.model.rows, default=0), "S11"
        self.model.rows[id] = Row(conversation, priority, self.now)
        self.model.lanes.setdefault(conversation, Lane(due=self.now))

    @rule(by=st.sampled_from([0.0, 0.5, 1.0, 5.0, LEASE_S]))
    def time_passes(self, by: float) -> None:
        self.now += by

    @rule(target=leases, batch=st.sampled_from([1, 1, 3]), limit=st.sampled_from([1, 9]), owner=st.sampled_from("vw"))
    def claim(self, batch: int, limit: int, owner: str) -> Any:
        due = {name for name, lane in self.model.lanes.items() if lane.due <= self.now}
        got = self.do(
            lambda tx: tx.outbox.claim(
                self.account, owner=owner, now=self.now, lease_s=LEASE_S, limit=limit, batch=batch
            )
        )
        names = [lease.conversation for lease in got]
        assert len(set(names)) == len(names) and set(names) <= due, "S1, S2: nobody else's and none before its time"
        assert len(names) == min(limit, len(due)), "S2: a conversation that waits holds up no other"
        for lease in got:
            assert [row.id for row in lease.rows] == self.model.together(lease.conversation, batch), "S1: the head"
            assert all(row.state == self.model.rows[row.id].state for row in lease.rows)
            self.model.lanes[lease.conversation] = Lane(due=lease.until, holder=lease)
        return multiple(*got)

    @rule(lease=leases)
    def begin(self, lease: Lease) -> None:
        may = self.model.holds(lease) and self.now < lease.until
        assert self.do(lambda tx: tx.outbox.begin(lease, now=self.now)) is may, "S7"
        if may:
            for row in lease.rows:
                self.model.rows[row.id].state = "sending"
                self.model.rows[row.id].attempts += 1

    @rule(lease=leases, data=st.data())
    def settle(self, lease: Lease, data: st.DataObject) -> None:
        state = st.sampled_from(ENDS)
        outcomes = [
            Outcome(
                row.id,
                data.draw(state),
                due_at=self.now + data.draw(st.sampled_from([0.0, 3.0, 30.0])),
                counts=data.draw(st.booleans()),
                solo=data.draw(st.booleans()),
                doubt=data.draw(st.booleans()),
            )
            for row in lease.rows
            if data.draw(st.integers(0, 9))
        ]
        self._settle(lease, outcomes)

    @rule(target=leases, doubt=st.booleans(), first=st.booleans(), halt=st.sampled_from(["stop", "pause"]))
    def halted_under_way(self, doubt: bool, first: bool, halt: str) -> Any:
        """What is leased or under way when the announcement is halted fails for now."""
        for id in [id for id, row in self.model.rows.items() if row.parked]:
            self._let_go(id)
        got = self.claim(batch=1, limit=9, owner="v")
        halting = self.stop if halt == "stop" else self.pause
        if first:
            halting()
        for lease in got.values:
            self.begin(lease)
        if not first:
            halting()
        for lease in got.values:
            self._settle(lease, [Outcome(row.id, "queued", due_at=self.now, doubt=doubt) for row in lease.rows])
        return got

    def _settle(self, lease: Lease, outcomes: list[Outcome]) -> None:
        may = self.model.holds(lease)
        assert self.do(lambda tx: tx.outbox.settle(lease, outcomes, now=self.now)) is may, "S7"
        if not may:
            return
        for outcome in outcomes:
            row = self.model.rows[outcome.id]
            halted = row.announced and not row.insisted and self.model.announcement != "running"
            row.doubt |= outcome.state == "queued" and outcome.doubt
            if outcome.state == "queued" and halted and self.model.announcement == "stopped":
                row.call_off()
                continue
            if outcome.state == "queued":
                row.parked = halted
                row.attempts -= row.state == "sending" and not outcome.counts
                row.due, row.solo = outcome.due_at, outcome.solo
            row.state = outcome.state
        self.model.free(lease.conversation, self.now)

    @rule(lease=leases, wait=st.sampled_from([0.0, 2.0]))
    def release(self, lease: Lease, wait: float) -> None:
        self.do(lambda tx: tx.outbox.release(lease, due_at=self.now + wait))
        if self.model.holds(lease):
            self.model.free(lease.conversation, self.now + wait)

    @rule(target=leases)
    def restart(self) -> Any:
        found = self.do(lambda tx: tx.outbox.recover(owner="w", now=self.now, lease_s=LEASE_S))
        begun: dict[str, list[int]] = {}
        for id, row in self.model.rows.items():
            if row.state == "sending":
                begun.setdefault(row.conversation, []).append(id)
        assert {lease.conversation: [row.id for row in lease.rows] for lease in found} == begun, "S6"
        for name, lane in list(self.model.lanes.items()):
            if lane.holder is not None:
                self.model.free(name, self.now)
        for lease in found:
            self.model.lanes[lease.conversation] = Lane(due=lease.until, holder=lease)
        return multiple(*found)

    @precondition(lambda self: any(row.announced and row.state in ("dead", "held") for row in self.model.rows.values()))
    @rule(data=st.data(), doubt=st.booleans())
    def one_that_a_person_wants_fails_again(self, data: st.DataObject, doubt: bool) -> None:
        """However the announcement was halted before: it is not its own any more."""
        there = self.model.rows.items()
        self._requeue(
            data.draw(st.sampled_from([id for id, row in there if row.announced and row.state in ("dead", "held")]))
        )
        for lease in self.claim(batch=1, limit=9, owner="v").values:
            self.begin(lease)
            self._settle(lease, [Outcome(row.id, "queued", due_at=self.now, doubt=doubt) for row in lease.rows])

    @rule(data=st.data())
    def requeue(self, data: st.DataObject) -> None:
        self._requeue(data.draw(st.sampled_from(sorted(self.model.rows))))

    def _requeue(self, id: int) -> None:
        row = self.model.rows[id]
        may = row.state in ("dead", "held", "expired", "discarded")
        assert self.do(lambda tx: tx.outbox.requeue(id, now=self.now, expires_at=1e9)) is may
        if may:
            row.state, row.attempts, row.due = "queued", 0, self.now
            row.parked, row.insisted = False, row.announced
            self.model.stands(id, self.now)

    @rule(data=st.data(), state=st.sampled_from(["sent", "discarded", "cancelled"]))
    def a_person_decides(self, data: st.DataObject, state: Any) -> None:
        id = data.draw(st.sampled_from(sorted(self.model.rows)))
        row = self.model.rows[id]
        may = row.state == "held" if state == "sent" else row.state in ("queued", "dead", "held", "expired")
        frees = self.model.frees(id, self.now) if may and row.state == "queued" else False
        may = may and frees is not None
        assert self.do(lambda tx: tx.outbox.settle_by_hand(id, state=state, now=self.now)) is may
        if may:
            row.state, row.parked = state, False
            if frees:
                self.model.free(row.conversation, self.now)

    # --- an announcement

    @rule(conversation=st.sampled_from("xxyz"))
    def announce(self, conversation: str) -> None:
        new = NewDelivery(
            self.account, conversation, "{}", self.now, 1e9, "hold", broadcast=self.announcement, parked=True
        )
        id = self.do(lambda tx: tx.outbox.add(new))
        self.model.rows[id] = Row(conversation, new.priority, self.now, announced=True, parked=True)

    @precondition(lambda self: any(row.parked for row in self.model.rows.values()))
    @rule(data=st.data())
    def let_go(self, data: st.DataObject) -> None:
        self._let_go(data.draw(st.sampled_from([id for id, row in self.model.rows.items() if row.parked])))

    def _let_go(self, id: int) -> None:
        self.do(lambda tx: tx.outbox.unpark([id], now=self.now))
        row = self.model.rows[id]
        row.parked, row.due = False, self.now
        self.model.stands(id, self.now)

    def _waiting(self) -> list[int]:
        """Those of the announcement that wait. To halt it is about those, too, that somebody sent again before."""
        for row in self.model.rows.values():
            row.insisted = False
        return [id for id, row in self.model.rows.items() if row.announced and row.state == "queued"]

    def _take_out(self, id: int, how: Callable[[Row], None]) -> None:
        frees = self.model.frees(id, self.now)
        if frees is not None:
            how(self.model.rows[id])
        if frees:
            self.model.free(self.model.rows[id].conversation, self.now)

    @rule()
    def pause(self) -> None:
        def unit(tx: Tx) -> None:
            tx.broadcasts.become(self.announcement, "paused")
            tx.broadcasts.hold_back(self.announcement, now=self.now)

        self.do(unit)
        self.model.announcement = "paused"
        for id in self._waiting():
            self._take_out(id, lambda row: setattr(row, "parked", True))

    @rule()
    def stop(self) -> None:
        def unit(tx: Tx) -> None:
            tx.broadcasts.become(self.announcement, "stopped")
            tx.broadcasts.cancel(self.announcement, now=self.now)

        self.do(unit)
        self.model.announcement = "stopped"
        for id in self._waiting():
            self._take_out(id, Row.call_off)

    @rule()
    def resume(self) -> None:
        self.do(lambda tx: tx.broadcasts.become(self.announcement, "running"))
        self.model.announcement = "running"

    @rule(conversation=st.sampled_from("xyz"))
    def give_up(self, conversation: str) -> None:
        lane = self.model.lanes.get(conversation)
        if lane is not None and lane.holder is not None:
            return  # what is leased but not begun is dead at once, and its lane goes with the lease
        waiting = [id for id, row in self.model.rows.items() if row.state == "queued"]
        dead = [id for id in waiting if self.model.rows[id].conversation == conversation]
        given = self.do(lambda tx: tx.outbox.give_up(self.account, conversation, reason="barred", now=self.now))
        assert [row.id for row in given] == dead
        for id in dead:
            self.model.rows[id].state, self.model.rows[id].parked = "dead", False
        if lane is not None and dead:
            self.model.free(conversation, self.now)

    @invariant()
    def the_store_is_what_the_model_says(self) -> None:
        def look(tx: Tx) -> Any:
            balance = balances(tx).get(self.account)
            return tx.outbox.list(account=self.account), tx.outbox.next_due(self.account), balance

        rows, due, balance = self.do(look)
        assert {row.id: (row.conversation, row.state, row.attempts, bool(row.parked)) for row in rows} == {
            id: (row.conversation, row.state, row.attempts, row.parked) for id, row in self.model.rows.items()
        }, "S3: none goes away; nothing happens to one by itself"
        assert due == min((lane.due for lane in self.model.lanes.values()), default=None)
        standing = {row.conversation for row in rows if row.state in LIVE and not row.parked}
        assert standing == self.model.lanes.keys(), "S2, S3"
        if balance is not None:
            count = Counter(row.state for row in rows)
            assert balance["deliveries"].pop("created") == len(self.model.rows), "S10"
            assert Counter(balance["deliveries"]) + Counter() == count and balance["balanced"], "S10"


def test_the_outbox_keeps_s1_s2_s3_s6_s7_s10_s11_in_any_order_of_steps(
    engine: Callable[..., Awaitable[Store]], path: Path
) -> None:
    with asyncio.Runner() as runner:
        store = runner.run(_open(engine, path))
        machine = type("Machine", (Machine,), {"store": store, "runner": runner})
        try:
            run_state_machine_as_test(
                machine,
                settings=settings(
                    max_examples=100,
                    stateful_step_count=40,
                    deadline=None,
                    database=None,
                    suppress_health_check=list(HealthCheck),
                ),
            )
        finally:
            runner.run(store.close())


async def _open(engine: Callable[..., Awaitable[Store]], path: Path) -> Store:
    return await engine(path)
