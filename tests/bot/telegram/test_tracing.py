"""Where a message went, and why, for every kind of message that somebody may ask about."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from bridges.errors import Refused
from tests.bot.telegram.desk import BO, NEWS, OPS, TALK, Desk, a_desk
from tests.bot.telegram.test_undo import ABLE, Json, announced, copy, says


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with a_desk(tmp_path, **ABLE) as made:
        made.line.telegram.prefix = f"{OPS}/90"
        await made.line.engine.start()
        yield made
        await made.line.engine.stop(grace_s=1)


async def _relayed(desk: Desk) -> Json:
    await desk.line.route(f"telegram:{OPS} -> club:lobby", name="news")
    return await says(desk, "hello")


async def _filtered(desk: Desk) -> Json:
    await desk.line.route(f"telegram:{OPS} -> club:lobby match=/urgent/", name="urgent")
    return await says(desk, "hello")


async def _muted(desk: Desk) -> Json:
    await desk.ask(f"/mute telegram:{OPS}")
    return await _relayed(desk)


async def _unrouted(desk: Desk) -> Json:
    return await says(desk, "hello")


async def _sent(desk: Desk) -> Json:
    return await says(desk, "/send club:lobby hello")


async def _mirrored(desk: Desk) -> Json:
    await desk.line.route(f"club:lobby <-> telegram:{OPS}", name="both")
    await desk.line.said("club:lobby", "hello", name="Zoe")
    await desk.line.rests()
    return copy(desk, 901, chat=OPS)


async def _replied(desk: Desk) -> Json:
    await desk.line.route(f"club:lobby ->> telegram:{OPS}", name="back")
    await desk.line.said("club:lobby", "hello", name="Zoe")
    await desk.line.rests()
    return await says(desk, "an answer", reply_to_message=copy(desk, 901, chat=OPS))


async def _edited(desk: Desk) -> Json:
    message = await _sent(desk)
    await desk.ask("/edit other words", reply_to=message)
    await desk.line.rests()
    return message


async def _deleted(desk: Desk) -> Json:
    message = await _sent(desk)
    await desk.ask("/undo", reply_to=message)
    await desk.line.rests()
    return message


async def _expired(desk: Desk) -> Json:
    await desk.line.route(f"telegram:{OPS} -> club:lobby late=expire:1h", name="fresh")
    message = desk.message("hello")
    message["date"] -= 7200
    await desk.takes(message)
    await desk.line.rests()
    return message


async def _redirected(desk: Desk) -> Json:
    desk.line.club.refuses["hello"] = Refused("no")
    message = await _sent(desk)
    (row,) = await desk.line.rows()
    await desk.ask(f"/redirect {row.id} desk:hall")
    await desk.line.rests()
    return message


@pytest.mark.parametrize(
    ("made", "traced", "reason"),
    [
        (_relayed, ["→ club:lobby (sent", "there as c1"], ["to club:lobby: route news"]),
        (_filtered, ["Nothing was sent anywhere because of it"], ["urgent"]),
        (_muted, ["muted"], ["muted"]),
        (_unrouted, ["no rule is about this place", "Nothing was sent"], ["no rule is about this place"]),
        (_sent, ["→ club:lobby (sent", "because of: /send by Ann"], ["to club:lobby: /send by Ann"]),
        (_mirrored, ["Written at club:lobby by Zoe", f"→ telegram:{OPS} (sent"], [f"to telegram:{OPS}: route both"]),
        (_replied, ["→ club:lobby (sent"], ["to club:lobby: reply by Ann"]),
        (_edited, ["→ club:lobby (edit, sent"], ["to club:lobby: /send by Ann"]),
        (_deleted, ["taken back 2027-01-15", "→ club:lobby (delete, sent"], ["taken back", "/send by Ann"]),
        (_expired, ["→ club:lobby (expired", "because of: route fresh"], ["to club:lobby: route fresh"]),
        (
            _redirected,
            ["→ club:lobby (discarded", "→ desk:hall (sent", "redirected from delivery 1"],
            ["to desk:hall: /send by Ann, redirected from delivery 1"],
        ),
    ],
)
async def test_every_kind_of_message_is_traced_and_explained(
    desk: Desk, made: Callable[[Desk], Awaitable[Json]], traced: list[str], reason: list[str]
) -> None:
    message = await made(desk)
    told = "\n".join(answer.text for answer in await desk.write("/trace", reply_to=message))
    assert [part for part in traced if part not in told] == [], told
    assert "2027-01-15 0" in told
    why = await desk.ask("/why", reply_to=message)
    assert [part for part in reason if part not in why] == [], why


async def test_of_many_deliveries_the_numbers_are_told_and_those_that_need_somebody(desk: Desk) -> None:
    message = await announced(desk, [f"club:room{n}" for n in range(300)])
    rows = await desk.line.rows()
    await desk.line.store.write(lambda tx: tx.outbox.bury([row.id for row in rows[290:]], reason="no", now=1.0))
    told = await desk.ask("/trace", reply_to=message)
    assert "300 deliveries: 10 dead, 290 queued" in told
    assert f"delivery {rows[-1].id} → club:room299 (dead" in told
    assert len(told) < 4096
    assert "left out" in told or "… and 280 more deliveries." in told
    assert "… and to 280 more places." in await desk.ask("/why", reply_to=message)


async def test_copies_whose_deliveries_are_not_kept_any_more_are_named(desk: Desk) -> None:
    message = await _sent(desk)
    await desk.line.store.write(lambda tx: tx.outbox.prune(before=desk.line.clock() + 1))
    assert "a copy is at club:lobby; its delivery was so long ago" in await desk.ask("/trace", reply_to=message)


async def test_a_role_for_one_chat_is_not_told_of_other_chats(desk: Desk) -> None:
    await desk.grant(BO, "operator", chat=OPS)
    for chat in (OPS, TALK):
        await desk.line.route(f"telegram:{NEWS} -> telegram:{chat}", name=f"to{-chat}")
    await says(desk, "to both", chat=NEWS)
    answered: Any = copy(desk, 901, chat=OPS)
    for command in ("/trace", "/why"):
        told = await desk.ask(command, reply_to=answered, by=BO)
        assert str(NEWS) not in told and str(TALK) not in told
        assert f"telegram:{OPS}" in told
    assert "1 delivery of other chats" in await desk.ask("/trace", reply_to=answered, by=BO)
