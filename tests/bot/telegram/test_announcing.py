"""The message that shows how far an announcement is: when it is edited, and what happens where it cannot be."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from telegram.error import BadRequest, Forbidden, NetworkError, RetryAfter, TelegramError

from bot import broadcasts
from bot.addresses import parse_address
from bot.store import Tx
from bot.telegram.announcing import EDIT_EVERY_S, Announcing
from bridges.model import Message
from tests.bot.line import Line, line

CHAT, NUMBER = -5, 17


@dataclass
class Sent:
    """What the library gives back of a message that was written."""

    chat_id: int
    message_id: int


class Chat:
    """Telegram as far as this needs it: what it shows, when it was told so, and what it answers instead."""

    def __init__(self, at: Line) -> None:
        self.at = at
        self.shown: dict[int, str] = {}
        self.labels: list[str] = []
        self.when: list[float] = []
        self.raises: list[TelegramError] = []

    def _answer(self) -> None:
        self.when.append(self.at.clock())
        if self.raises:
            raise self.raises.pop(0)

    async def edit_message_text(self, text: str, chat_id: int, number: int, *, reply_markup: Any, **_: Any) -> None:
        """Show this in that message."""
        self._answer()
        self.shown[number] = text
        rows = reply_markup.inline_keyboard if reply_markup is not None else ()
        self.labels = [button.text for row in rows for button in row]

    async def send_message(self, chat_id: int, text: str, **_: Any) -> Sent:
        """A message of its own."""
        self._answer()
        self.shown[100 + len(self.shown)] = text
        return Sent(chat_id, max(self.shown))


@dataclass
class Scene:
    """An announcement to three places, and what shows it."""

    at: Line
    chat: Chat
    announcing: Announcing

    async def begin(self, *, progress: str = f"{CHAT}/{NUMBER}") -> None:
        """Somebody pressed Send."""
        await self.at.store.write(
            lambda tx: broadcasts.start(
                tx,
                self.at.relay,
                targets=[parse_address(f"club:p{n}") for n in range(3)],
                message=Message(text="hi"),
                person=7,
                person_name="Ann",
                chat=parse_address(f"telegram:{CHAT}"),
                origin=None,
                progress=progress,
                now=self.at.clock(),
            )
        )

    async def settle(self, number: int) -> None:
        """One of its deliveries is cancelled, which the report tells."""
        await self.at.store.write(
            lambda tx: tx.outbox.settle_by_hand(tx.broadcasts.ids(1, "queued")[0], state="cancelled", now=0.0)
        )

    async def passes(self, seconds: float, *, each: float = 0.5) -> None:
        """Time passes, with turns in it."""
        for _ in range(int(seconds / each)):
            await self.announcing.turn()
            self.at.clock.at += each

    async def is_open(self) -> bool:
        """Whether anything is left to show."""
        return bool(await self.at.store.read(lambda tx: tx.broadcasts.open()))


def watching(at: Line, chat: Chat) -> Announcing:
    return Announcing(
        store=at.store,
        bot=chat,  # type: ignore[arg-type]
        relay=at.relay,
        clock=at.clock,
        monotonic=at.clock,
    )


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with line(tmp_path) as at:
        chat = Chat(at)
        yield Scene(at, chat, watching(at, chat))


async def test_the_card_shows_at_once_how_far_it_is_and_can_be_stopped(scene: Scene) -> None:
    await scene.begin()
    await scene.announcing.turn()
    assert "0 sent, 0 failed, 3 left" in scene.chat.shown[NUMBER]
    assert scene.chat.labels == ["Pause", "Stop", "Stop and delete"]


async def test_it_is_edited_no_more_often_than_every_three_seconds_and_only_if_it_says_something_else(
    scene: Scene,
) -> None:
    await scene.begin()
    for number in range(2):
        await scene.passes(2.0)
        await scene.settle(number)
    await scene.passes(20.0)
    assert len(scene.chat.when) == 3
    assert all(late - early >= EDIT_EVERY_S for early, late in zip(scene.chat.when, scene.chat.when[1:], strict=False))
    assert "2 cancelled, 1 left" in scene.chat.shown[NUMBER]


async def test_the_end_is_shown_and_then_nothing_more(scene: Scene) -> None:
    await scene.begin()
    for number in range(3):
        await scene.settle(number)
    await scene.passes(10.0)
    assert scene.chat.shown[NUMBER].startswith("📣 Announcement 1 to 3 targets: done\n0 sent, 0 failed, 3 cancelled.")
    assert scene.chat.labels == []
    assert not await scene.is_open()


async def test_what_telegram_asks_to_wait_for_is_shown_later(scene: Scene) -> None:
    scene.chat.raises = [RetryAfter(10)]
    await scene.begin()
    await scene.passes(9.5)
    assert scene.chat.shown == {}
    await scene.passes(2.0)
    assert "3 left" in scene.chat.shown[NUMBER]


async def test_an_edit_that_may_be_lost_is_made_again(scene: Scene) -> None:
    scene.chat.raises = [NetworkError("cut"), NetworkError("cut")]
    await scene.begin()
    await scene.passes(20.0)
    assert "3 left" in scene.chat.shown[NUMBER]


@pytest.mark.parametrize("words", ["Message to edit not found", "Message can't be edited"])
async def test_where_the_message_is_gone_a_new_one_takes_its_place(scene: Scene, words: str) -> None:
    scene.chat.raises = [BadRequest(words)]
    await scene.begin()
    await scene.passes(5.0)
    assert list(scene.chat.shown) == [100]
    await scene.settle(0)
    await scene.passes(5.0)
    assert list(scene.chat.shown) == [100]
    assert "1 cancelled" in scene.chat.shown[100]


async def test_one_without_a_card_gets_a_message_of_its_own(scene: Scene) -> None:
    await scene.begin(progress="")
    await scene.passes(5.0)
    assert list(scene.chat.shown) == [100]


async def test_a_chat_that_lets_us_write_no_more_does_not_hold_up_the_end(scene: Scene) -> None:
    scene.chat.raises = [Forbidden("bot was kicked")] * 50
    await scene.begin()
    for number in range(3):
        await scene.settle(number)
    await scene.passes(60.0)
    assert not await scene.is_open()
    assert len(scene.chat.when) < 5


async def test_what_shows_already_what_it_should_is_taken_as_shown(scene: Scene) -> None:
    scene.chat.raises = [BadRequest("Message is not modified")]
    await scene.begin()
    await scene.passes(10.0)
    assert len(scene.chat.when) == 1


async def test_after_a_restart_it_goes_on_in_the_same_message_with_the_same_buttons(scene: Scene) -> None:
    await scene.begin()
    await scene.passes(1.0)
    before = await scene.at.store.read(lambda tx: broadcasts.kept(tx.broadcasts.open()[0]).buttons)
    scene.announcing = watching(scene.at, scene.chat)
    await scene.settle(0)
    await scene.passes(10.0)
    assert list(scene.chat.shown) == [NUMBER]
    assert "1 cancelled" in scene.chat.shown[NUMBER]
    assert scene.chat.when[1] - scene.chat.when[0] >= EDIT_EVERY_S
    assert await scene.at.store.read(lambda tx: broadcasts.kept(tx.broadcasts.open()[0]).buttons) == before


async def test_new_buttons_are_shown_where_the_words_are_the_same(scene: Scene) -> None:
    await scene.begin()
    await scene.at.store.write(
        lambda tx: tx.outbox.bury(tx.broadcasts.ids(1, "queued"), reason="no", now=0.0, state="dead")
    )
    await scene.passes(8)
    edits, shown = len(scene.chat.when), dict(scene.chat.shown)
    assert scene.chat.labels == ["Retry failed"]

    def tried(tx: Tx) -> None:
        broadcasts.keep(tx, 1, retried=True)
        tx.broadcasts.become(1, "done")

    await scene.at.store.write(tried)
    await scene.passes(8)
    assert (len(scene.chat.when), scene.chat.shown) == (edits + 1, shown)
