"""What a provider shows us of our own, and reactions that several people share: by what is in the database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import pytest

from bot.addresses import Address
from bot.relay import Policy, Relay
from bot.store import Tx
from bot.store.messages import Copy
from bot.store.sqlite import SqliteStore
from bridges.model import (
    AccountName,
    Attachment,
    Conversation,
    ConversationId,
    Message,
    MessageId,
    Person,
    PersonId,
    Reacted,
    Received,
)
from tests.bot.fakes import FakeBridge, fake_account, opened

NOW = 1_000_000.0
AT = datetime.fromtimestamp(NOW, UTC)
LOBBY = Conversation(id=ConversationId("lobby"))
HERE, THERE = (Address(AccountName(name), LOBBY.id) for name in ("here", "there"))
IMAGE = Attachment(kind="image", ref="r")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    async with opened(tmp_path) as store:
        yield store


def relay(**capabilities: object) -> Relay:
    bridges = {"here": FakeBridge(), "there": FakeBridge(**capabilities)}
    accounts = {name: fake_account(bridge, name) for name, bridge in bridges.items()}
    return Relay(accounts=accounts, policy=Policy(3600, "hold", "resend"))


def received(text: str = "hello", *, id: str = "m1", **fields: object) -> Received:
    message = Message(text=text, sender=Person(id=PersonId("p1"), name="Pat"))
    return Received(key=id, at=AT, conversation=LOBBY, id=MessageId(id), message=message, **fields)


def relayed(tx: Tx, by: Relay) -> int:
    """A message of here that stands there as ``c1``; its id."""
    tx.routes.add(name="r", source=str(HERE), arrow="<->", target=str(THERE), options="{}", created_by="test", now=NOW)
    assert by.received(tx, HERE, received(), now=NOW) == "relayed"
    found = tx.messages.locate("here", "m1")
    assert found is not None
    (row,) = tx.outbox.of_message(found.origin.id)
    tx.messages.add_copy(found.origin.id, Copy("there", "lobby", "c1", 1, row.id))
    return found.origin.id


@pytest.mark.parametrize(
    ("sent", "files", "shown", "known"),
    [
        ("Pat: hello", (), "Pat:  hello\n", True),
        ("Pat: hello", (), "Pat: hello you", False),
        ("Pat: hello", (), "Pat: hello https://files.example/1.png", False),
        ("Pat: hello", (IMAGE,), "Pat: hello\nhttps://files.example/1.png", True),
        ("", (IMAGE, IMAGE), "https://files.example/1.png\nhttps://files.example/2.png", True),
        ("", (IMAGE,), "somebody's words", False),
    ],
)
async def test_what_a_provider_shows_of_our_own_tells_its_id(
    store: SqliteStore, sent: str, files: tuple[Attachment, ...], shown: str, known: bool
) -> None:
    by = relay(echoes=True)

    def play(tx: Tx) -> list[str]:
        message_id = by.keep(tx, HERE, received())
        new = by.delivery(THERE, Message(text=sent, attachments=files), now=NOW, message_id=message_id, why="")
        tx.messages.nameless(by.put(tx, new), account="there", conversation="lobby", now=NOW)
        by.echoed(tx, "there", received(shown, id="e1", ours=True))
        return [copy.remote_id for copy in tx.messages.copies(message_id)]

    assert await store.write(play) == (["e1"] if known else [])


Step = tuple[str, Literal["set", "add", "remove"], tuple[str, ...]]


@pytest.mark.parametrize(
    ("steps", "puts"),
    [
        ([("p1", "set", ("👍",)), ("p2", "set", ("👍",))], ["👍"]),
        ([("p1", "set", ("❤",)), ("p2", "add", ("❤\ufe0f",))], ["❤"]),
        ([("p1", "add", ("👍",)), ("p1", "add", ("🎉",)), ("p1", "remove", ("👍",))], ["👍", "🎉", "🎉"]),
        ([("p1", "set", ("👍",)), ("p2", "set", ("👍",)), ("p1", "set", ())], ["👍", "👍"]),
        ([("p1", "set", ("👍",)), ("p1", "set", ())], ["👍", ""]),
        ([("p1", "add", ("👍",)), ("p1", "add", ("👍",))], ["👍"]),
        ([("p1", "remove", ("👍",))], []),
    ],
)
async def test_a_reaction_of_ours_stands_for_those_of_everybody(
    store: SqliteStore, steps: list[Step], puts: list[str]
) -> None:
    assert await store.write(lambda tx: reactions(tx, relay(reactions=True, receipt_ids=True), steps)) == puts


async def test_where_reactions_stay_it_is_said_that_one_was_taken_back(store: SqliteStore) -> None:
    by = relay(reactions=True, receipt_ids=True, reactions_stay=True)
    steps: list[Step] = [("p1", "add", ("👍",)), ("p1", "remove", ("👍",))]
    assert await store.write(lambda tx: reactions(tx, by, steps)) == ["👍", "p1 took back 👍 from “hello”"]


async def test_where_there_are_no_reactions_each_is_said(store: SqliteStore) -> None:
    steps: list[Step] = [("p1", "add", ("👍",)), ("p2", "add", ("👍",))]
    told = await store.write(lambda tx: reactions(tx, relay(), steps))
    assert told == ["p1 reacted 👍 to “hello”", "p2 reacted 👍 to “hello”"]


def reactions(tx: Tx, by: Relay, steps: list[Step]) -> list[str]:
    """What is put on the copy there, or said there, after people here did this."""
    message = relayed(tx, by)
    for number, (who, mode, emoji) in enumerate(steps):
        event = Reacted(
            key=f"k{number}",
            at=AT,
            conversation=LOBBY,
            id=MessageId("m1"),
            person=Person(id=PersonId(who), name=who),
            reactions=emoji,
            mode=mode,
        )
        by.changed(tx, "here", event, now=NOW)
    rows = sorted(tx.outbox.about(message), key=lambda row: row.id)
    return [Message.model_validate_json(row.payload).text for row in rows if row.op != "send"]
