"""A reaction that might be undone by the same call again is made once: if in doubt it is said in words."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.store import Tx
from bridges.api import Flow
from bridges.errors import Garbled, Unavailable
from bridges.model import ConversationId, MessageId
from tests.bot.line import ROOM, Line, line

LOBBY = "club:lobby"
SAID = "Bo reacted 👍 to “hello”"


@pytest.fixture
async def club(tmp_path: Path) -> AsyncIterator[Line]:
    """A room joined with a club that takes no reaction back."""
    async with line(tmp_path, reactions=True, reactions_stay=True) as it:
        await it.route(f"{ROOM} <-> {LOBBY}")
        await it.said(ROOM, "hello")
        await it.engine.start()
        await it.rests()
        yield it


async def react(it: Line, *emoji: str) -> None:
    await it.store.write(lambda tx: it.reacts(tx, ROOM, *emoji, id="m1"))
    await it.rests()


def failing(it: Line, monkeypatch: pytest.MonkeyPatch, *errors: Exception) -> list[str]:
    """The club's reactions fail like this, one after the other; returns what was tried."""
    tried: list[str] = []
    waiting = list(errors)

    def answer(conversation: ConversationId, id: MessageId, emoji: str) -> Flow[None]:
        tried.append(emoji)
        if waiting:
            raise waiting.pop(0)
        return None
        yield  # a flow is a generator

    monkeypatch.setattr(it.club, "react", answer)
    return tried


@pytest.mark.parametrize("error", [Unavailable("cut", maybe_sent=True), Garbled("what?")], ids=["cut", "garbled"])
async def test_one_of_which_nobody_knows_whether_it_arrived_is_said(
    club: Line, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = failing(club, monkeypatch, error)
    await react(club, "👍")
    assert (tried, club.club.texts[-1]) == (["👍"], SAID)


async def test_one_that_surely_did_not_arrive_is_made_again(club: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = failing(club, monkeypatch, Unavailable("busy"))
    await react(club, "👍")
    await club.later(60)
    await club.rests()
    assert tried == ["👍", "👍"] and SAID not in club.club.texts


async def test_one_that_was_cut_off_by_a_crash_is_said(tmp_path: Path) -> None:
    async with line(tmp_path, reactions=True, reactions_stay=True) as it:
        await it.route(f"{ROOM} <-> {LOBBY}")
        await it.said(ROOM, "hello")
        await it.engine.start()
        await it.rests()
        await it.engine.stop(grace_s=1)
        await it.store.write(lambda tx: it.reacts(tx, ROOM, "👍", id="m1"))

        def begun(tx: Tx) -> None:
            (lease,) = tx.outbox.claim("club", owner="dead", now=it.clock(), lease_s=1, limit=1)
            assert tx.outbox.begin(lease, now=it.clock())

        await it.store.write(begun)
        it.clock.at += 3600
        again = Line(it.store, reactions=True, reactions_stay=True)
        again.clock.at = it.clock.at
        await again.engine.start()
        await again.rests()
        await again.engine.stop(grace_s=1)
        assert (again.club.done, again.club.texts) == ([], [SAID])
