"""The bot has one reaction on a message: for the state of its deliveries, and for what people elsewhere react."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bot.addresses import Address, telegram_address
from bot.marks import EMOJI
from bot.relay import Policy, Relay
from bot.store import Tx
from bot.store.marks import Mark
from bot.store.messages import Copy
from bot.store.sqlite import SqliteStore
from bot.telegram.marker import Marker
from bridges.model import (
    AccountName,
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
from tests.bot.telegram.outbound import ANN, CHANNEL, FORUM, SMALL, Desk, desk

NOW = 1_000_000.0
AT = datetime.fromtimestamp(NOW, UTC)
HERE = telegram_address(FORUM)
LOBBY = ConversationId("lobby")


class Scene:
    """A message of Ann's in the desk's chat, mirrored in the lobby of a club."""

    def __init__(self, store: SqliteStore, at: Desk) -> None:
        self.store, self.at = store, at
        accounts = {"telegram": at.account, "club": fake_account(FakeBridge(reactions=True))}
        self.relay = Relay(accounts=accounts, policy=Policy(3600, "hold", "resend"))
        said: Any = at.telegram.say(ANN, FORUM, "hello")
        self.number = int(said["message_id"])

    async def open(self) -> None:
        def play(tx: Tx) -> int:
            tx.routes.add(
                name="r", source=str(HERE), arrow="<->", target="club:lobby", options="{}", created_by="t", now=NOW
            )
            message = Message(text="hello", sender=Person(id=PersonId(str(ANN)), name="Ann"))
            id = MessageId(f"{FORUM}/{self.number}")
            where = Conversation(id=HERE.conversation, kind="group")
            assert self.relay.received(
                tx, HERE, Received(key="k", at=AT, conversation=where, id=id, message=message), now=NOW
            )
            found = tx.messages.locate("telegram", id)
            assert found is not None
            (row,) = tx.outbox.of_message(found.origin.id)
            tx.messages.add_copy(found.origin.id, Copy("club", LOBBY, "c1", 1, row.id))
            return found.origin.id

        self.message = await self.store.write(play)
        self.marker = Marker(store=self.store, bot=self.at.account._bot, clock=lambda: NOW)
        self.marker.start()

    async def state(self, want: str) -> None:
        """The deliveries come to this state, and it is shown."""
        await self.store.write(lambda tx: tx.marks.want(self.message, want, now=NOW))
        async with asyncio.timeout(5):
            while (await self.mark()).shown != want:  # noqa: ASYNC110
                await asyncio.sleep(0)

    async def mark(self) -> Mark:
        found = await self.store.read(lambda tx: tx.marks.get(self.message))
        assert found is not None
        return found

    async def reacts(self, *emoji: str, person: str = "bo") -> list[tuple[str, str]]:
        """Somebody in the lobby has these reactions now; operations and texts that follow from it."""
        event = Reacted(
            key="k",
            at=AT,
            conversation=Conversation(id=LOBBY),
            id=MessageId("c1"),
            person=Person(id=PersonId(person), name="Bo"),
            reactions=emoji,
        )

        def play(tx: Tx) -> list[tuple[str, str]]:
            before = {row.id for row in rows(tx)}
            self.relay.changed(tx, "club", event, now=NOW)
            made = [row for row in rows(tx) if row.id not in before]
            return [(row.op, Message.model_validate_json(row.payload).text) for row in made]

        def rows(tx: Tx) -> Any:
            return [row for row in tx.outbox.about(self.message) if row.account == "telegram"]

        return await self.store.write(play)

    async def carry_out(self, op: tuple[str, str]) -> None:
        """What delivery does with a row."""
        assert op[0] == "react"
        await self.at.account.react(HERE.conversation, MessageId(f"{FORUM}/{self.number}"), op[1])

    @property
    def shown(self) -> list[str]:
        """What the bot has on the message."""
        return [each["type"]["emoji"] for each in self.at.telegram.reactions(FORUM, self.number)]

    @property
    def lines(self) -> list[str]:
        """What the bot has said below it."""
        return [m["text"] for m in self.at.telegram.messages(FORUM) if m["from"]["id"] == self.at.telegram.bot.id]


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with opened(tmp_path) as store, desk() as at:
        made = Scene(store, at)
        await made.open()
        yield made
        await made.marker.stop()


async def test_a_reaction_from_elsewhere_takes_the_place_of_all_is_well_and_gives_it_back(scene: Scene) -> None:
    await scene.state("delivered")
    assert scene.shown == ["👌"]
    (put,) = await scene.reacts("❤️")
    await scene.carry_out(put)
    assert scene.shown == ["❤"]
    (taken,) = await scene.reacts()
    assert taken == ("react", "👌")
    await scene.carry_out(taken)
    assert scene.shown == ["👌"]


@pytest.mark.parametrize("state", ["accepted", "unknown", "failed"])
async def test_what_still_needs_an_eye_is_not_hidden_by_a_reaction(scene: Scene, state: str) -> None:
    await scene.state(state)
    assert await scene.reacts("❤") == [("note", "Bo reacted ❤ to “hello”")]
    assert await scene.reacts() == [("note", "Bo took back ❤ from “hello”")]
    assert scene.shown == [EMOJI[state]]


async def test_a_reaction_comes_back_when_all_is_well_again(scene: Scene) -> None:
    await scene.state("delivered")
    (put,) = await scene.reacts("🔥")
    await scene.carry_out(put)
    await scene.state("failed")
    assert scene.shown == ["💔"]
    await scene.state("delivered")
    assert scene.shown == ["🔥"]


async def test_a_reaction_that_telegram_does_not_have_leaves_the_mark(scene: Scene) -> None:
    await scene.reacts("🫎")
    await scene.state("delivered")
    assert scene.shown == ["👌"]


@pytest.mark.parametrize("allowed", [[], ["👍"]])
async def test_where_reactions_are_restricted_one_line_tells_the_state(scene: Scene, allowed: list[str]) -> None:
    scene.at.telegram.set_available_reactions(FORUM, allowed)
    for state in ("accepted", "unknown", "delivered"):
        await scene.state(state)
    assert scene.shown == []
    assert scene.lines == ["👌 sent"]


async def test_where_a_line_tells_the_state_reactions_are_free(scene: Scene) -> None:
    scene.at.telegram.set_available_reactions(FORUM, ["👍"])
    await scene.state("failed")
    (put,) = await scene.reacts("👍")
    await scene.carry_out(put)
    assert (scene.shown, scene.lines) == (["👍"], ["💔 not sent"])
    assert await scene.reacts() == [("react", "")]


async def test_where_neither_is_allowed_nothing_is_shown_and_nothing_is_tried_again(scene: Scene) -> None:
    scene.at.telegram.set_available_reactions(FORUM, [])
    scene.at.telegram.set_member(FORUM, scene.at.telegram.bot.id, "restricted", rights={"can_send_messages": False})
    await scene.state("delivered")
    calls = len(scene.at.called)
    await scene.state("delivered")
    assert (scene.shown, scene.lines, len(scene.at.called)) == ([], [], calls)


async def test_in_a_group_that_was_upgraded_since_nothing_is_shown_and_nothing_is_tried_again(scene: Scene) -> None:
    said: Any = scene.at.telegram.say(ANN, SMALL, "hello")
    where = telegram_address(SMALL)
    id = MessageId(f"{SMALL}/{said['message_id']}")
    place = Conversation(id=where.conversation)
    event = Received(key="n", at=AT, conversation=place, id=id, message=Message(text="hello"))
    scene.message = await scene.store.write(lambda tx: scene.relay.keep(tx, where, event))
    scene.at.telegram.set_available_reactions(SMALL, [])
    scene.at.telegram.migrate(SMALL)
    await scene.state("delivered")
    calls = [call.method for call in scene.at.telegram.calls if call.params["chat_id"] == str(SMALL)]
    assert calls == ["setMessageReaction", "sendMessage"]


async def test_in_a_channel_without_reactions_a_line_tells_the_state(scene: Scene) -> None:
    telegram = scene.at.telegram
    telegram.set_member(CHANNEL, telegram.bot.id, "administrator", rights={"can_post_messages": True})
    telegram.set_available_reactions(CHANNEL, [])
    said: Any = telegram.say(ANN, CHANNEL, "news")
    where = Address(AccountName("telegram"), ConversationId(str(CHANNEL)))
    id = MessageId(f"{CHANNEL}/{said['message_id']}")
    event = Received(
        key="n", at=AT, conversation=Conversation(id=where.conversation), id=id, message=Message(text="news")
    )
    scene.message = await scene.store.write(lambda tx: scene.relay.keep(tx, where, event))
    await scene.state("delivered")
    assert telegram.messages(CHANNEL)[-1]["text"] == "👌 sent"
