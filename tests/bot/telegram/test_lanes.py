"""Order within a chat, and albums that are waited for: with a clock that the tests move."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from telegram import Update

from bot.store.inbox import Arrived
from bot.telegram.lanes import Lanes, Turn

OPS, DESK = -5, -6


class Ticks:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 0.0
        self._moved = asyncio.Event()

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            await self._moved.wait()
            self._moved.clear()

    async def pass_by(self, seconds: float) -> None:
        """Move the clock, and let everybody notice."""
        self.now += seconds
        self._moved.set()
        await settle()


async def settle() -> None:
    """Let everything run that does not wait for the clock."""
    for _ in range(20):
        await asyncio.sleep(0)


class Scene:
    """Lanes whose turns are written down."""

    def __init__(self) -> None:
        self.ticks = Ticks()
        self.turns: list[list[int]] = []
        self.may_begin = asyncio.Event()
        self.may_begin.set()
        self._made = 0
        self.lanes = self.start()

    def start(self) -> Lanes:
        return Lanes(
            deal=self._deal, may_begin=self.may_begin, album_wait_s=1.0, clock=self.ticks, sleep=self.ticks.sleep
        )

    async def _deal(self, turn: Turn) -> None:
        self.turns.append([item.id for item in turn.items])
        assert [item.id for item in turn.items] == [update.update_id for update in turn.updates]

    def put(self, id: int, *, album: str = "", chat: int = OPS, kind: str = "message") -> None:
        message: dict[str, Any] = {"message_id": id, "date": 1, "chat": {"id": chat, "type": "group", "title": "Ops"}}
        if album:
            message["media_group_id"] = album
        update = Update.de_json({"update_id": id, kind: message}, None)
        assert update is not None
        self.lanes.put(Arrived("telegram", b"", 0.0, id=id), update)


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    made = Scene()
    made.lanes.caught_up()
    await settle()
    yield made
    await made.lanes.stop(within_s=1)


async def test_updates_of_one_chat_are_dealt_with_in_order(scene: Scene) -> None:
    for id in (1, 2, 3):
        scene.put(id)
    await settle()
    assert scene.turns == [[1], [2], [3]]


async def test_an_album_is_dealt_with_once_no_picture_has_come_for_a_while(scene: Scene) -> None:
    scene.put(1, album="a")
    await scene.ticks.pass_by(0.9)
    scene.put(2, album="a")
    await scene.ticks.pass_by(0.9)
    assert scene.turns == []
    await scene.ticks.pass_by(0.2)
    assert scene.turns == [[1, 2]]


async def test_what_else_is_said_in_the_chat_waits_behind_an_album_and_other_chats_do_not(scene: Scene) -> None:
    scene.put(1, album="a")
    scene.put(2)
    scene.put(3, album="a")
    scene.put(4, chat=DESK)
    await settle()
    assert scene.turns == [[4]]
    await scene.ticks.pass_by(1.1)
    assert scene.turns == [[4], [1, 3], [2]]


async def test_two_albums_in_a_row_stay_two(scene: Scene) -> None:
    for id, album in ((1, "a"), (2, "b"), (3, "a"), (4, "b")):
        scene.put(id, album=album)
    await scene.ticks.pass_by(1.1)
    assert scene.turns == [[1, 3], [2, 4]]


async def test_a_picture_that_comes_too_late_goes_alone(scene: Scene) -> None:
    scene.put(1, album="a")
    await scene.ticks.pass_by(1.1)
    scene.put(2, album="a")
    await scene.ticks.pass_by(1.1)
    assert scene.turns == [[1], [2]]


async def test_an_edit_of_a_picture_is_not_part_of_the_album(scene: Scene) -> None:
    scene.put(1, album="a")
    scene.put(2, album="a", kind="edited_message")
    await scene.ticks.pass_by(1.1)
    assert scene.turns == [[1], [2]]


async def test_posts_of_a_channel_make_albums_too(scene: Scene) -> None:
    scene.put(1, album="a", kind="channel_post")
    scene.put(2, album="a", kind="channel_post")
    await scene.ticks.pass_by(1.1)
    assert scene.turns == [[1, 2]]


async def test_an_update_that_is_offered_again_is_in_its_lane_once(scene: Scene) -> None:
    scene.put(1, album="a")
    scene.put(1, album="a")
    await scene.ticks.pass_by(1.1)
    assert scene.turns == [[1]]


async def test_after_a_start_an_album_waits_until_telegram_has_nothing_more() -> None:
    scene = Scene()
    scene.put(1, album="a")
    scene.put(9, chat=DESK)
    await scene.ticks.pass_by(60)
    assert scene.turns == [[9]]
    scene.lanes.caught_up()
    await settle()
    scene.put(2, album="a")
    await scene.ticks.pass_by(0.9)
    assert scene.turns == [[9]]
    await scene.ticks.pass_by(0.2)
    assert scene.turns == [[9], [1, 2]]
    await scene.lanes.stop(within_s=1)


async def test_while_telegram_is_away_an_album_waits_for_it(scene: Scene) -> None:
    scene.put(1, album="a")
    await settle()
    scene.lanes.cut_off()
    await scene.ticks.pass_by(60)
    assert scene.turns == []
    scene.put(2, album="a")
    scene.lanes.caught_up()
    await settle()
    await scene.ticks.pass_by(1.1)
    assert scene.turns == [[1, 2]]


async def test_a_stop_does_not_wait_for_an_album_and_leaves_it_for_the_next_start(scene: Scene) -> None:
    scene.put(1, album="a")
    scene.put(2)
    await settle()
    await scene.lanes.stop(within_s=1)
    assert scene.turns == []
    scene.lanes = scene.start()
    scene.lanes.caught_up()
    for id, album in ((1, "a"), (2, ""), (3, "a")):
        scene.put(id, album=album)
    await scene.ticks.pass_by(1.1)
    assert scene.turns == [[1, 3], [2]]


async def test_nothing_begins_before_the_bot_is_known() -> None:
    scene = Scene()
    scene.may_begin.clear()
    scene.put(1)
    await settle()
    assert scene.turns == []
    scene.may_begin.set()
    await settle()
    assert scene.turns == [[1]]
