"""A deletion that does not name its message: the provider is asked which one it was, however long that takes."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.intake import Intake
from bot.relay import Policy, Relay
from bot.store.inbox import Arrived
from bot.store.sqlite import SqliteStore
from bridges.api import Flow, Hook
from bridges.errors import BridgeError, Refused, Unavailable
from bridges.model import Conversation, ConversationId, Deleted, Event, MessageId
from tests.bot.fakes import Clock, FakeBridge, fake_account, opened


class Numbering(FakeBridge):
    """Tells the number of what is gone, and its id if it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.ids = {7: "m7"}
        self.errors: list[BridgeError] = []
        self.asked = 0

    def decode(self, hook: Hook) -> Sequence[Event]:
        """A deletion where there is a number, else what the others give."""
        body = json.loads(hook.body)
        if "number" not in body:
            return super().decode(hook)
        place = Conversation(id=ConversationId("lobby"))
        at = datetime.fromtimestamp(1000, UTC)
        return [Deleted(key=f"gone {body['number']}", at=at, conversation=place, id=MessageId(str(body["number"])))]

    def resolve(self, event: Deleted, hook: Hook) -> Flow[MessageId | None]:
        """By the number in the hook."""
        self.asked += 1
        if self.errors:
            raise self.errors.pop(0)
        id = self.ids.get(json.loads(hook.body)["number"])
        return None if id is None else MessageId(id)
        yield  # a flow is a generator


@dataclass
class Side:
    store: SqliteStore
    bridge: Numbering = field(default_factory=Numbering)

    def __post_init__(self) -> None:
        accounts = {"club": fake_account(self.bridge)}
        relay = Relay(accounts=accounts, policy=Policy(3600, "hold", "resend"))
        self.intake = Intake(store=self.store, accounts=accounts, relay=relay, clock=Clock())

    async def comes(self, **body: object) -> None:
        """A webhook, dealt with to its end."""
        arrived = Arrived(
            id=0, account="club", key=None, path="", headers=(), body=json.dumps(body).encode(), received_at=1000.0
        )
        await self.intake.accept(arrived)
        while await self.store.read(lambda tx: tx.inbox.count_pending()):
            await self.store.write(lambda tx: None)

    async def counted(self) -> dict[str, int]:
        counters = await self.store.read(lambda tx: tx.counters.all())
        return {name: n for (account, name), n in counters.items() if account == "club"}


@pytest.fixture
async def side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Side]:
    monkeypatch.setattr("bot.intake.ASK_AGAIN_S", (0.0, 0.0))
    async with opened(tmp_path) as store:
        side = Side(store)
        await side.intake.start()
        await side.comes(key="k7", id="m7", text="to be taken back")
        yield side
        await side.intake.stop()


async def test_the_provider_is_asked_which_message_is_gone(side: Side) -> None:
    await side.comes(number=7)
    assert await side.counted() == {"accepted": 2, "unrouted": 1, "filtered": 1}


async def test_a_provider_that_is_away_is_asked_again(side: Side) -> None:
    side.bridge.errors = [Unavailable("away"), Unavailable("still away")]
    await side.comes(number=7)
    assert await side.counted() == {"accepted": 2, "unrouted": 1, "filtered": 1}


@pytest.mark.parametrize("errors", [[], [Refused("no")], [Unavailable("away")] * 3])
async def test_what_the_provider_does_not_tell_is_nobodys_message(side: Side, errors: list[BridgeError]) -> None:
    side.bridge.errors = errors
    await side.comes(number=8)
    assert await side.counted() == {"accepted": 2, "unrouted": 1, "unsupported": 1}


async def test_a_question_that_a_stop_cut_off_is_asked_at_the_next_start(side: Side) -> None:
    arrived = Arrived(id=0, account="club", key=None, path="", headers=(), body=b'{"number": 7}', received_at=1000.0)
    await side.intake.stop()
    await side.intake.accept(arrived)
    assert side.bridge.asked == 0
    again = Side(side.store)
    await again.intake.start()
    while await side.store.read(lambda tx: tx.inbox.count_pending()):
        await side.store.write(lambda tx: None)
    await again.intake.stop()
    assert again.bridge.asked == 1
    assert (await side.counted())["filtered"] == 1
