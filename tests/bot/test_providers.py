"""What the bot keeps and hands over for providers: names of conversations, numbers of requests, files, reports."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from bot.accounts import ProviderAccount
from bot.delivery import DeliveryEngine
from bot.feedback import Feedback
from bot.files import NotFetched
from bot.intake import Intake
from bot.relay import Policy, Relay
from bot.routing import Arrow, RouteOptions, options_to_json
from bot.store import Tx
from bot.store.inbox import Arrived
from bot.store.outbox import Delivery, NewDelivery
from bot.store.sqlite import SqliteStore
from bridges.errors import BridgeError, Garbled, Refused, Unauthorized, Unavailable
from bridges.files import Bytes
from bridges.model import AccountName, Attachment, Message, MessageId, Receipt
from tests.bot.fakes import Clock, FakeBridge, fake_account, opened
from tests.journeys.world import until


class Side:
    """Everything between two accounts, without Telegram."""

    def __init__(self, store: SqliteStore, bridge: FakeBridge) -> None:
        self.store, self.bridge, self.clock = store, bridge, Clock()
        self.source = FakeBridge()
        self.accounts = {"club": fake_account(bridge), "desk": fake_account(self.source, "desk")}
        self.relay = Relay(accounts=self.accounts, policy=Policy(3600, "hold", "resend"))  # type: ignore[arg-type]
        self.intake = Intake(store=store, accounts=self.accounts, relay=self.relay, clock=self.clock)  # type: ignore[arg-type]
        self.engine = DeliveryEngine(
            store=store,
            accounts=self.accounts,  # type: ignore[arg-type]
            observer=Feedback(self.relay),
            clock=self.clock,
            jitter=lambda: 0.0,
        )

    async def comes(self, account: str, **event: Any) -> None:
        """An event comes in at an account."""
        body = json.dumps({"key": f"k{event}", **event}).encode()
        await self.intake.accept(Arrived(account=account, body=body, received_at=self.clock()))

    async def sends(self, message: Message, **more: Any) -> Delivery:
        """Put a message into the outbox for the club's lobby, and wait until it is settled or waits again."""

        def unit(tx: Tx) -> int:
            payload = message.model_dump_json(exclude_defaults=True)
            return tx.outbox.add(
                NewDelivery("club", "lobby", payload, self.clock(), self.clock() + 3600, "hold", **more)
            )

        return await self.settled(await self.store.write(unit))

    async def settled(self, id: int, *, starts: int = 0) -> Delivery:
        async def found() -> Delivery | None:
            row = await self.store.read(lambda tx: tx.outbox.get(id))
            assert row is not None
            if row.state == "sending" or row.starts < starts:
                return None
            return row if row.state != "queued" or row.error else None

        row: Delivery = await until(found)
        return row

    async def counted(self) -> dict[str, int]:
        counters = await self.store.read(lambda tx: tx.counters.all())
        return {name: n for (account, name), n in counters.items() if account == "club"}


@pytest.fixture
async def side(tmp_path: Path) -> AsyncIterator[Side]:
    async with opened(tmp_path) as store:
        side = Side(store, FakeBridge(handles=True, attachments="bytes", attachment_bytes=10, replies=True))
        await side.engine.start()
        yield side
        await side.engine.stop(grace_s=1)


async def test_a_send_is_told_what_the_provider_calls_the_conversation(side: Side) -> None:
    await side.comes("club", id="m1", text="hi", handle="s-1")
    await side.sends(Message(text="one"))
    side.bridge.receipt = Receipt(handle="s-2")
    await side.sends(Message(text="two"))
    await side.sends(Message(text="three"))
    assert [out.handle for out in side.bridge.sent] == ["s-1", "s-1", "s-2"]


async def test_an_echo_of_our_own_tells_it_too(side: Side) -> None:
    await side.comes("club", id="m1", text="hi", handle="s-9", ours=True)
    await side.sends(Message(text="one"))
    assert side.bridge.sent[0].handle == "s-9"
    assert (await side.counted())["echoes"] == 1


async def test_two_reports_of_one_message_are_one(side: Side) -> None:
    await side.comes("club", id="m1", text="hi", twin="t", at=1000)
    await side.comes("club", text="hi", twin="t", firm=False, at=1001)
    await side.comes("club", id="m2", text="hi", twin="t", at=1002)
    counted = await side.counted()
    assert (counted["unrouted"], counted["duplicates"]) == (2, 1)


async def test_keys_are_of_this_installation_and_requests_are_numbered_on(side: Side) -> None:
    side.bridge.error = Unavailable("away")
    row = await side.sends(Message(text="one"))
    assert row.state == "queued"
    side.bridge.error = None
    side.clock.at += 3
    await side.store.write(lambda tx: tx.woken.add("club"))
    await until(lambda: bool(side.bridge.sent))
    keys = [(out.key, out.attempt) for out in side.bridge.sent]
    instance = await side.store.read(lambda tx: tx.meta.instance)
    assert keys == [(f"{instance}-{row.id}", 2)]


def picture(name: str = "cat.png", account: str = "desk") -> Attachment:
    return Attachment(kind="image", ref="r1", name=name, size=4, account=AccountName(account))


def files(side: Side, answer: bytes | BridgeError, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fetch(attachment: Attachment) -> Bytes:
        if isinstance(answer, BridgeError):
            raise answer
        return Bytes(answer)

    monkeypatch.setattr(side.accounts["desk"], "fetch", fetch)


async def test_a_file_goes_along_with_its_bytes(side: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    files(side, b"\x89PNG", monkeypatch)
    await side.sends(Message(text="look", attachments=(picture(),)))
    assert side.bridge.sent[0].files == (Bytes(b"\x89PNG"),)
    assert side.bridge.sent[0].message.attachments == (picture(),)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (Refused("HTTP 404 at http://10.0.0.1/x"), "it is not to be had"),
        (NotFetched("leads to 10.0.0.1", reason="not fetched, its address is private"), "its address is private"),
        (b"more than ten bytes", "files here have at most 10 B"),
        (b"", "it is empty"),
    ],
    ids=["gone", "private", "too large", "empty"],
)
async def test_a_file_that_is_not_to_be_had_is_named_in_the_text_with_the_reason_and_the_words_go(
    side: Side, answer: bytes | BridgeError, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    files(side, answer, monkeypatch)
    await side.sends(Message(text="look", attachments=(picture(),)))
    (out,) = side.bridge.sent
    assert (out.files, out.message.attachments) == ((), ())
    assert out.message.text.startswith("look\n[image: cat.png, 4 B: ") and out.message.text.endswith(f"{why}]")
    assert "10.0.0.1" not in out.message.text


async def test_a_file_that_its_provider_does_not_give_to_us_is_told_with_the_address_for_people(
    side: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    files(side, Refused("HTTP 403"), monkeypatch)
    shown = picture().model_copy(update={"link": "https://files.example/cat.png"})
    await side.sends(Message(text="look", attachments=(shown,)))
    said = "look\n[image: cat.png, 4 B: it is not to be had] https://files.example/cat.png"
    assert side.bridge.sent[0].message.text == said


async def test_what_is_to_be_said_of_a_file_follows_where_the_words_fill_the_message(
    side: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    files(side, Refused("gone"), monkeypatch)
    await side.sends(Message(text="x" * 1000, attachments=(picture(),)))
    await until(lambda: len(side.bridge.sent) == 2)
    words, note = side.bridge.sent
    assert words.message.text == "x" * 1000
    assert note.message.text == "[image: cat.png, 4 B: it is not to be had]"


async def test_a_message_waits_five_times_for_its_file_and_then_goes_without(
    side: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    files(side, Unavailable("Telegram is away", retry_after=900), monkeypatch)
    row = await side.sends(Message(text="look", attachments=(picture(),)))
    for starts in range(2, 6):
        assert (row.state, side.bridge.sent) == ("queued", [])
        side.clock.at += 150
        await side.store.write(lambda tx: tx.woken.add("club"))
        row = await side.settled(row.id, starts=starts)
    (out,) = side.bridge.sent
    assert out.message.text == "look\n[image: cat.png, 4 B: it could not be fetched]"
    assert row.state == "sent"


@pytest.mark.parametrize(
    "error", [Unauthorized("no such token"), Garbled("not JSON"), Unavailable("x", maybe_sent=True)]
)
async def test_what_goes_wrong_with_a_file_at_its_source_is_not_taken_for_trouble_at_the_target(
    side: Side, error: BridgeError, monkeypatch: pytest.MonkeyPatch
) -> None:
    files(side, error, monkeypatch)
    row = await side.sends(Message(text="look", attachments=(picture(),)))
    assert row.state == "queued"
    assert not (await side.store.read(lambda tx: tx.accounts.get("club"))).paused


async def test_a_file_that_cannot_be_fetched_just_now_waits_with_its_message(
    side: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    files(side, Unavailable("Telegram is away"), monkeypatch)
    row = await side.sends(Message(text="look", attachments=(picture(),)))
    assert (row.state, row.error) == ("queued", "the file cannot be fetched just now: Telegram is away")
    assert side.bridge.sent == []


async def test_a_reply_knows_what_it_answers(side: Side) -> None:
    await side.comes("club", id="m1", text="what is new?")
    origin = await side.store.read(lambda tx: tx.messages.find("club", "m1"))
    assert origin is not None
    await side.sends(Message(text="this"), reply_to=origin.id)
    (out,) = side.bridge.sent
    assert out.message.reply_to == "m1"
    assert out.answered is not None
    assert (out.answered.id, out.answered.text) == ("m1", "what is new?")
    assert out.answered.sender is not None and out.answered.sender.name == "Pat"


async def routed(side: Side) -> None:
    def unit(tx: Tx) -> None:
        options = options_to_json(RouteOptions())
        tx.routes.add(
            name=None,
            source="desk:lobby",
            arrow=Arrow.TO,
            target="club:lobby",
            options=options,
            created_by="t",
            now=0.0,
        )

    await side.store.write(unit)


async def texts(side: Side, number: int) -> Sequence[Mapping[str, Any]]:
    await until(lambda: len(side.bridge.sent) >= number)
    return [{"text": out.message.text, "sender": out.message.sender} for out in side.bridge.sent]


async def test_no_name_goes_before_the_text_where_the_provider_shows_who_wrote(side: Side) -> None:
    await routed(side)
    await side.comes("desk", id="m1", text="hello")
    assert (await texts(side, 1))[0]["text"] == "Pat: hello"
    side.bridge.capabilities = FakeBridge(names_shown=True).capabilities
    await side.comes("desk", id="m2", text="again")
    said = (await texts(side, 2))[1]
    assert said["text"] == "again"
    assert said["sender"] is not None and said["sender"].name == "Pat"


async def test_a_report_that_something_failed_is_told_and_one_about_nothing_of_ours_is_unsupported(side: Side) -> None:
    await routed(side)
    side.bridge.receipt = Receipt(ids=(MessageId("x1"),))
    await side.comes("desk", id="m1", text="hello")
    await texts(side, 1)
    await side.settled(1)
    await side.comes("club", id="x1", state="delivered")
    await side.comes("club", id="nobody's", state="failed")
    counted = await side.counted()
    assert (counted["echoes"], counted["unsupported"]) == (1, 1)


async def test_what_a_bridge_learns_is_there_after_a_restart(side: Side) -> None:
    await side.accounts["club"].remember_in(side.store)
    side.bridge.memory = {"token": "t-1"}
    await side.accounts["club"].probe()
    other = FakeBridge()
    account: ProviderAccount = fake_account(other)
    await account.remember_in(side.store)
    assert other.memory == {"token": "t-1"}


async def test_a_pace_that_is_learnt_is_kept_to_from_then_on(side: Side) -> None:
    account = side.accounts["club"]
    taken: Callable[[], float] = lambda: account.pace.ready_in("", 0.0)  # noqa: E731
    for _ in range(100):
        account.pace.took("", 0.0)
    assert taken() == 0.0
    side.bridge.capabilities = FakeBridge(requests_per_minute=60).capabilities
    await account.probe()
    for _ in range(6):
        account.pace.took("", 0.0)
    assert taken() > 0.0


async def test_what_came_in_while_a_send_was_under_way_stays_the_conversations_name(
    side: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    await side.comes("club", id="m1", text="hi", handle="s-1")

    async def slow(outs: Sequence[Any]) -> Receipt:
        await side.comes("club", id="m2", text="here I am", handle="s-2")
        return Receipt(handle="s-1b")

    monkeypatch.setattr(side.accounts["club"], "deliver", slow)
    row = await side.sends(Message(text="one"))
    assert row.state == "sent"
    assert await side.store.read(lambda tx: tx.conversations.handle("club", "lobby")) == "s-2"


async def test_a_question_about_a_send_tells_when_its_request_began_also_after_a_restart(
    side: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, asked = side.clock.at, []

    async def lost(outs: Sequence[Any]) -> Receipt:
        side.clock.at += 40
        raise Unavailable("no answer", maybe_sent=True)

    async def confirm(out: Any) -> Receipt | None:
        asked.append(out)
        raise Unavailable("ask again later", retry_after=1000.0)

    monkeypatch.setattr(side.accounts["club"], "deliver", lost)
    monkeypatch.setattr(side.accounts["club"], "confirm", confirm)
    side.accounts["club"].can_confirm = True
    side.engine._dispatchers["club"].account.can_confirm = True

    def unit(tx: Tx) -> int:
        return tx.outbox.add(NewDelivery("club", "lobby", '{"text":"one"}', began, began + 3600, "hold"))

    await side.store.write(unit)
    await until(lambda: bool(asked))
    await side.engine.stop(grace_s=0)
    again = DeliveryEngine(
        store=side.store,
        accounts=side.accounts,  # type: ignore[arg-type]
        observer=Feedback(side.relay),
        clock=side.clock,
    )
    await again.start()
    await until(lambda: len(asked) > 1)
    await again.stop(grace_s=0)
    assert [out.began_at.timestamp() for out in asked] == [began, began]
    assert [out.attempt for out in asked] == [1, 1]


async def test_a_question_about_a_message_names_its_files_also_when_they_are_gone(
    side: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    files(side, Refused("gone"), monkeypatch)
    asked: list[Any] = []

    async def confirm(out: Any) -> Receipt | None:
        asked.append(out)
        return Receipt()

    monkeypatch.setattr(side.accounts["club"], "confirm", confirm)
    side.accounts["club"].can_confirm = True
    await side.engine.stop(grace_s=1)

    def begun(tx: Tx) -> int:
        payload = Message(text="look", attachments=(picture(),)).model_dump_json(exclude_defaults=True)
        now = side.clock()
        id = tx.outbox.add(NewDelivery("club", "lobby", payload, now, now + 3600, "hold"))
        (lease,) = tx.outbox.claim("club", owner="killed", now=now, lease_s=60, limit=1)
        assert tx.outbox.begin(lease, now=now)
        return id

    id = await side.store.write(begun)
    again = DeliveryEngine(
        store=side.store,
        accounts=side.accounts,  # type: ignore[arg-type]
        observer=Feedback(side.relay),
        clock=side.clock,
    )
    await again.start()
    assert (await side.settled(id)).state == "sent"
    await again.stop(grace_s=1)
    assert [(out.message.text, out.message.attachments, out.files) for out in asked] == [("look", (picture(),), ())]
