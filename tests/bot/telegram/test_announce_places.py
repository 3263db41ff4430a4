"""Announcements whose group, account or clock becomes another one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from bot import broadcasts
from bot.addresses import telegram_address
from bot.broadcaster import Broadcaster
from bot.store import Tx
from bot.store.balance import balance
from bot.telegram.announcing import EDIT_EVERY_S, Announcing
from bridges.errors import Refused
from tests.bot.telegram.desk import BO, OPS, Answer, Desk
from tests.bot.telegram.test_announce import desk, goes_out, rows, running, states, told, turns
from tests.bot.telegram.test_announce_halted import places, sends

__all__ = ["desk"]

DAY = 86400.0
UPGRADED = -1009990001


async def upgrade(desk: Desk) -> None:
    old, new = telegram_address(OPS), telegram_address(UPGRADED)
    await desk.line.store.write(lambda tx: desk.line.relay.places.upgraded(tx, old, new, now=desk.line.clock()))


@pytest.mark.parametrize(
    ("button", "toast"), [("Stop", "Stopped."), ("Pause", "Paused."), ("Stop and delete", "Stopped.")]
)
async def test_its_buttons_work_in_the_group_that_took_the_place_of_its_own(
    desk: Desk, button: str, toast: str
) -> None:
    await sends(desk, *places("club", 9))
    card = replace(await running(desk), chat=str(UPGRADED))
    await upgrade(desk)
    assert (await desk.press(card, button, by=BO)).toast.startswith(toast)


async def test_the_card_before_it_can_be_pressed_in_the_group_that_took_the_place_of_its_own(desk: Desk) -> None:
    (card,) = await desk.write("/announce club:a | hi", by=BO)
    await upgrade(desk)
    pressed = await desk.press(replace(card, chat=str(UPGRADED)), "Send", by=BO)
    assert pressed.toast == "Sending to 1 target."


def without_club(desk: Desk) -> None:
    """The account is taken out of the settings."""
    rest = {name: each for name, each in desk.line.relay.accounts.items() if name != "club"}
    desk.line.relay._accounts = rest
    desk.broadcaster = Broadcaster(  # type: ignore[attr-defined]
        store=desk.line.store, accounts=rest, clock=desk.line.clock, monotonic=desk.line.clock
    )


async def failed_at(desk: Desk, *targets: str) -> Answer:
    desk.line.club.refuses["hi"] = desk.line.desk.refuses["hi"] = Refused("no")
    await sends(desk, *targets)
    await goes_out(desk)
    desk.line.desk.refuses.clear()
    return await running(desk)


async def test_what_failed_is_retried_where_it_can_be_and_the_account_that_is_gone_is_named(desk: Desk) -> None:
    card = await failed_at(desk, "club:a", "desk:b")
    without_club(desk)
    pressed = await desk.press(card, "Retry failed", by=BO)
    assert pressed.toast == "Sending again to 1 target. Not at club: not configured any more."
    await goes_out(desk)
    assert await states(desk) == ["dead", "sent"]


async def test_where_all_that_failed_is_at_an_account_that_is_gone_nothing_is_retried(desk: Desk) -> None:
    card = await failed_at(desk, "club:a")
    without_club(desk)
    pressed = await desk.press(card, "Retry failed", by=BO)
    assert pressed.toast == "It failed at club only, which is not configured any more."


@pytest.mark.parametrize("button", ["Pause", "Stop", "Stop and delete"])
async def test_its_buttons_work_although_an_account_is_gone(desk: Desk, button: str) -> None:
    await sends(desk, *places("club", 3), "desk:b")
    await goes_out(desk, within=400)
    await sends(desk, *places("club", 3), "desk:b")
    without_club(desk)
    pressed = await desk.press(await running(desk, 2), button, by=BO)
    assert pressed.toast.startswith(("Paused", "Stopped"))


async def test_what_waits_for_an_account_that_is_gone_is_given_up_when_it_is_too_old(desk: Desk) -> None:
    await sends(desk, *places("club", 3), "desk:a")
    without_club(desk)
    await goes_out_at_desk(desk)
    await turns(desk, seconds=DAY - 10)
    assert (await states(desk)).count("queued") == 3
    await turns(desk, seconds=20)
    assert sorted(f"{row.account} {row.state}" for row in await rows(desk)) == [*["club dead"] * 3, "desk sent"]
    assert "club is not configured any more" in await told(desk)
    assert (await desk.line.store.read(balance))["balanced"]


async def goes_out_at_desk(desk: Desk) -> None:
    await desk.line.engine.start()
    await turns(desk)
    await desk.line.rests()


async def test_a_retry_long_after_it_was_over_is_reported(desk: Desk) -> None:
    await failed_at(desk, "club:a", "desk:b")
    await desk.line.store.write(lambda tx: tx.broadcasts.end(1, now=desk.line.clock()))
    desk.line.clock.at += 2 * DAY
    row = next(row for row in await rows(desk) if row.account == "desk")
    await desk.ask(f"/retry {row.id}", by=BO)
    await desk.line.later(1)
    await desk.line.rests()
    assert [each.id for each in await desk.line.store.read(lambda tx: tx.broadcasts.open())] == [1]
    assert "1 sent, 1 failed" in await told(desk)


async def test_pausing_it_often_gives_it_no_more_time_than_once(desk: Desk) -> None:
    await sends(desk, *places("club", 2))
    store, clock = desk.line.store, desk.line.clock

    def halts(act: Callable[..., None]) -> Callable[[Tx], None]:
        def unit(tx: Tx) -> None:
            broadcast = tx.broadcasts.get(1)
            assert broadcast is not None
            act(tx, broadcast, now=clock())

        return unit

    for _ in range(6):
        clock.at += DAY / 2
        await store.write(halts(broadcasts.pause))
        await store.write(halts(broadcasts.resume))
    assert {row.expires_at - clock() for row in await rows(desk)} == {DAY}


async def test_retrying_one_often_gives_it_no_more_time_than_once(desk: Desk) -> None:
    await failed_at(desk, "club:a")
    for _ in range(4):
        desk.line.clock.at += DAY / 2
        (row,) = await rows(desk)
        await desk.ask(f"/retry {row.id}", by=BO)
        await desk.line.rests()
    (row,) = await rows(desk)
    assert row.expires_at - desk.line.clock() == DAY


class Shows:
    """Telegram, as far as a message that shows something needs it."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    async def edit_message_text(self, text: str, *_: Any, **__: Any) -> None:
        """Show that."""
        self.texts.append(text)


async def test_a_clock_that_is_set_back_stops_neither_what_is_sent_nor_what_is_shown(desk: Desk) -> None:
    store, wall, shows = desk.line.store, desk.line.clock, Shows()
    behind_s = 0.0

    def monotonic() -> float:
        return wall() + behind_s

    desk.broadcaster = Broadcaster(  # type: ignore[attr-defined]
        store=store, accounts=desk.line.relay.accounts, clock=wall, monotonic=monotonic
    )
    announcing = Announcing(
        store=store,
        bot=shows,  # type: ignore[arg-type]
        relay=desk.line.relay,
        clock=wall,
        monotonic=monotonic,
    )
    await sends(desk, *places("club", 8))
    await store.write(lambda tx: tx.broadcasts.shows_at(1, f"{OPS}/5"))
    await announcing.turn()
    behind_s = 3600.0
    wall.at -= behind_s
    # What is due at a time of the wall clock waits for that.
    await store.write(lambda tx: tx.db.execute("UPDATE outbox SET due_at = 0"))
    await desk.line.engine.start()
    for _ in range(8):
        await turns(desk, seconds=EDIT_EVERY_S / 2)
        await desk.line.rests()
        await announcing.turn()
    assert (await states(desk)) == ["sent"] * 8
    assert "8 sent" in shows.texts[-1]


async def test_a_turn_that_is_undone_takes_nothing_of_the_pace(desk: Desk) -> None:
    await sends(desk, *places("club", 5))
    broadcaster: Broadcaster = desk.broadcaster  # type: ignore[attr-defined]

    def undone(tx: Tx) -> None:
        broadcaster._release(tx)
        raise LookupError

    with pytest.raises(LookupError):
        await desk.line.store.write(undone)
    await broadcaster.turn()
    assert [row.parked for row in await rows(desk)] == [0, 0, 1, 1, 1]


async def test_one_that_is_paused_is_not_written_for_looking_at_it(desk: Desk) -> None:
    await sends(desk, *places("club", 3))
    await desk.press(await running(desk), "Pause", by=BO)
    store, clock = desk.line.store, desk.line.clock
    await store.write(lambda tx: tx.broadcasts.shows_at(1, f"{OPS}/5"))
    shows = Shows()
    announcing = Announcing(
        store=store,
        bot=shows,  # type: ignore[arg-type]
        relay=desk.line.relay,
        clock=clock,
        monotonic=clock,
    )
    await announcing.turn()
    clock.at += EDIT_EVERY_S
    await announcing.turn()
    before = store.commits
    clock.at += EDIT_EVERY_S
    assert (await announcing.turn() or 0.0) > EDIT_EVERY_S
    assert store.commits == before
    assert len(shows.texts) == 1
