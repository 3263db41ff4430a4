"""Files that do not go along with their message: what is said of them, where, and how long it waits for them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from bot.accounts import SentInPart
from bot.files import Files
from bot.outgoings import Outgoings
from bot.store import Tx
from bot.store.outbox import Delivery, NewDelivery
from bot.store.sqlite import SqliteStore
from bridges.api import File, Flow, Outgoing
from bridges.errors import BridgeError, Refused, Unavailable
from bridges.files import Bytes
from bridges.model import AccountName, Attachment, LinkButton, Message, MessageId, Receipt
from tests.bot.fakes import Clock, FakeBridge, fake_account, opened
from tests.bot.line import ROOM, line
from tests.journeys.world import until

DEAD = "[image: dead.png: it is not to be had] https://files.example/dead.png"


class Desk:
    """An account that has every file but those it is told not to have."""

    def __init__(self) -> None:
        self.errors: dict[str, BridgeError] = {}
        self.asked: list[str] = []
        self.at_once = self.most_at_once = 0
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()

    async def fetch(self, attachment: Attachment) -> File:
        """The file, as soon as it may be given."""
        self.asked.append(attachment.ref)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await self.may_go_on.wait()
        self.at_once -= 1
        if (error := self.errors.get(attachment.ref)) is not None:
            raise error
        return Bytes(b"bytes")


class Sending:
    """What makes an account's messages, with files of another's."""

    def __init__(self, store: SqliteStore) -> None:
        self.store, self.clock, self.desk = store, Clock(), Desk()
        self.bridge = FakeBridge(text_limit=200, attachments="bytes", caption_limit=100)
        self.files = Files({"desk": self.desk}, at_once=3, clock=self.clock)
        self.outgoings = Outgoings(
            fake_account(self.bridge),
            store=store,
            files=self.files,
            lender=None,
            clock=self.clock,
            installation=lambda: "here",
        )

    async def row(self, text: str, *refs: str) -> Delivery:
        """A delivery of words with pictures."""
        message = Message(text=text, attachments=tuple(map(picture, refs)))
        new = NewDelivery(
            account="club",
            conversation="lobby",
            payload=message.model_dump_json(exclude_defaults=True),
            created_at=self.clock(),
            expires_at=self.clock() + 86400.0,
            on_ambiguous="hold",
        )

        def unit(tx: Tx) -> Delivery:
            id = tx.outbox.add(new)
            return next(row for row in tx.outbox.list() if row.id == id)

        return await self.store.write(unit)

    async def made(self, text: str, *refs: str) -> tuple[Outgoing, list[str]]:
        """What is sent for it, and what is said after it."""
        row = await self.row(text, *refs)
        out = await self.outgoings.of(row)
        notes = self.outgoings.unsaid([row], Receipt(), now=self.clock())
        return out, [Message.model_validate_json(note.payload).text for note in notes]


def picture(ref: str) -> Attachment:
    return Attachment(
        kind="image", ref=ref, name=f"{ref}.png", account=AccountName("desk"), link=f"https://files.example/{ref}.png"
    )


@pytest.fixture
async def sending(tmp_path: Path) -> AsyncIterator[Sending]:
    async with opened(tmp_path) as store:
        made = Sending(store)
        made.desk.errors["dead"] = Refused("HTTP 404")
        yield made
        await made.files.stop()


@pytest.mark.parametrize(
    ("text", "refs", "sent", "after"),
    [
        ("x" * 10, ("a", "dead"), f"{'x' * 10}\n{DEAD}", []),
        ("x" * 90, ("a", "dead"), "x" * 90, [DEAD]),
        ("x" * 90, ("dead",), f"{'x' * 90}\n{DEAD}", []),
        ("x" * 190, ("dead",), "x" * 190, [DEAD]),
        ("", ("a", "dead", "dead"), "", [f"{DEAD}\n{DEAD}"]),
        ("", ("dead",) * 5, f"{DEAD}\n{DEAD}\n[image: dead.png: it is not to be had]", ["rest"]),
    ],
    ids=["room", "caption full", "no caption left", "text full", "notes alone beside a file", "notes alone"],
)
async def test_what_is_said_of_a_file_stands_where_there_is_room(
    sending: Sending, text: str, refs: Sequence[str], sent: str, after: Sequence[str]
) -> None:
    out, notes = await sending.made(text, *refs)
    if after == ["rest"]:
        # Of many lines each message has as many as fit, and none is lost.
        assert all(len(each) <= 200 for each in (out.message.text, *notes))
        assert " ".join([out.message.text, *notes]).split() == "\n".join([DEAD] * 5).split()
    else:
        assert (out.message.text, notes) == (sent, after)
    assert len(out.message.attachments) == len(out.files) == refs.count("a")


async def test_of_one_message_two_files_are_fetched_at_a_time(sending: Sending) -> None:
    sending.desk.may_go_on.clear()
    row = await sending.row("", *"abcdef")
    first = asyncio.create_task(sending.outgoings.of(row))
    await until(lambda: sending.desk.at_once == 2)
    other = asyncio.create_task(sending.outgoings.of(await sending.row("", "g")))
    await until(lambda: sending.desk.at_once == 3)
    assert sending.desk.asked == ["a", "b", "g"]
    sending.desk.may_go_on.set()
    assert [len(out.files) for out in await asyncio.gather(first, other)] == [6, 1]
    assert sending.desk.most_at_once == 3


async def test_a_file_that_is_away_is_waited_for_five_times_and_ten_minutes(sending: Sending) -> None:
    sending.desk.errors["a"] = Unavailable("away")
    row = await sending.row("see", "a")
    for _ in range(4):
        with pytest.raises(Unavailable):
            await sending.outgoings.of(row)
    assert (await sending.outgoings.of(row)).files == ()
    row = await sending.row("see", "a")
    with pytest.raises(Unavailable):
        await sending.outgoings.of(row)
    sending.clock.at += 600.0
    assert (await sending.outgoings.of(row)).files == ()


async def test_waiting_for_a_turn_is_no_try_and_takes_none_of_the_ten_minutes(sending: Sending) -> None:
    desk, row = sending.desk, await sending.row("see", "a")
    desk.errors["a"] = Unavailable("away")
    with pytest.raises(Unavailable):
        await sending.outgoings.of(row)
    desk.may_go_on.clear()
    others = [asyncio.create_task(sending.files.fetch(picture(f"o{n}"))) for n in range(3)]
    await until(lambda: desk.at_once == 3)
    sending.files._turn_s = 0
    for _ in range(9):
        with pytest.raises(Unavailable, match="waits for others"):
            await sending.outgoings.of(row)
    sending.files._turn_s = 300
    waiting = asyncio.create_task(sending.outgoings.of(row))
    await asyncio.sleep(0)
    sending.clock.at += 700.0
    desk.may_go_on.set()
    with pytest.raises(Unavailable, match="away"):
        await waiting
    await asyncio.gather(*others)


async def test_an_attempt_ends_before_its_lease_however_long_others_take(
    sending: Sending, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.outgoings.GATHERING_S", 0)
    sending.desk.may_go_on.clear()
    row = await sending.row("see", "a")
    for _ in range(9):
        with pytest.raises(Unavailable, match="wait for others"):
            await sending.outgoings.of(row)
    monkeypatch.undo()
    sending.desk.may_go_on.set()
    assert len((await sending.outgoings.of(row)).files) == 1


class InPart(FakeBridge):
    """Takes only the beginning of the first message."""

    def deliver(self, out: Outgoing) -> Flow[Receipt]:
        """Say that the rest is to follow."""
        self.sent.append(out)
        if len(self.sent) > 1:
            return self._flow(Receipt)
        left = (Message(text="all the words"), Message(text="and notes"))
        return self._flow(lambda: SentInPart(ids=(MessageId("c1"),), left=left))


async def test_words_that_an_account_left_out_follow_the_message(tmp_path: Path) -> None:
    async with line(tmp_path) as it:
        club = InPart()
        it.engine._accounts["club"].bridge = club  # type: ignore[attr-defined]
        await it.route(f"{ROOM} -> club:lobby")
        await it.said(ROOM, "hello")
        await it.engine.start()
        await it.rests()
        assert [out.message.text for out in club.sent] == ["Pat: hello", "all the words", "and notes"]


LINKS = (LinkButton(label="Tickets", url="https://example.org/t"), LinkButton(label="Map", url="https://example.org/m"))


@pytest.mark.parametrize(
    ("text", "sent", "after"),
    [
        ("Come!", "Come!\nTickets: https://example.org/t\nMap: https://example.org/m", []),
        (
            "Map: https://example.org/m\nCome!",
            "Map: https://example.org/m\nCome!\nTickets: https://example.org/t",
            [],
        ),
        ("x" * 190, "x" * 190, ["Tickets: https://example.org/t\nMap: https://example.org/m"]),
    ],
)
async def test_buttons_that_are_not_in_the_words_yet_are_said(
    sending: Sending, text: str, sent: str, after: list[str]
) -> None:
    row = await sending.row("")
    row = replace(row, payload=Message(text=text, links=LINKS).model_dump_json())
    out = await sending.outgoings.of(row)
    notes = sending.outgoings.unsaid([row], Receipt(), now=0.0)
    assert (out.message.text, [Message.model_validate_json(note.payload).text for note in notes]) == (sent, after)


async def test_what_is_said_after_a_silent_message_is_silent(sending: Sending) -> None:
    row = await sending.row("x" * 100, "a", "dead")
    for silent in (True, False):
        told = Message.model_validate_json(row.payload).model_copy(update={"silent": silent})
        silenced = replace(row, payload=told.model_dump_json())
        await sending.outgoings.of(silenced)
        (note,) = sending.outgoings.unsaid([silenced], Receipt(), now=0.0)
        assert Message.model_validate_json(note.payload).silent is silent
