"""What becomes of deliveries after their announcement was stopped or paused: what may have arrived, what is retried."""

from __future__ import annotations

import pytest

from bot.addresses import TELEGRAM
from bot.store import Tx
from bot.store.balance import balance
from bridges.errors import Refused, Unavailable
from tests.bot.telegram.desk import BO, Desk
from tests.bot.telegram.test_announce import desk, goes_out, rows, running, states, told, turns

__all__ = ["desk"]

AWAY = Unavailable("503")
CUT = Unavailable("cut", maybe_sent=True)


async def sends(desk: Desk, *targets: str, text: str = "hi") -> None:
    (card,) = await desk.write(f"/announce {', '.join(targets)} | {text}", by=BO)
    await desk.press(card, "Send", by=BO)


def places(account: str, number: int) -> list[str]:
    return [f"{account}:p{n}" for n in range(number)]


async def begun(desk: Desk, account: str) -> None:
    """Attempts that a process began which was killed."""
    await desk.broadcaster.turn()  # type: ignore[attr-defined]
    now = desk.line.clock()

    def begin(tx: Tx) -> None:
        for lease in tx.outbox.claim(account, owner="killed", now=now, lease_s=1800, limit=9):
            assert tx.outbox.begin(lease, now=now)

    await desk.line.store.write(begin)


async def halted_with_a_failure(desk: Desk, button: str, error: Exception) -> int:
    """One of three failed (or may have arrived), then somebody pressed; returns its delivery."""
    desk.line.club.refuses["hi"] = error
    await sends(desk, "club:p0", *places("desk", 2))
    await desk.line.engine.start()
    desk.line.desk.refuses["hi"] = AWAY
    await turns(desk)
    await desk.line.rests()
    await desk.press(await running(desk), button, by=BO)
    return next(row.id for row in await rows(desk) if row.account == "club")


@pytest.mark.parametrize("button", ["Stop", "Pause"])
@pytest.mark.parametrize("how", ["/retry {}", "/redirect {} club:elsewhere"])
async def test_what_a_person_sends_again_after_it_was_halted_is_tried_until_it_is_sent(
    desk: Desk, button: str, how: str
) -> None:
    id = await halted_with_a_failure(desk, button, Refused("no"))
    desk.line.club.refuses["hi"] = AWAY
    await desk.ask(how.format(id), by=BO)
    await desk.line.later(1)
    await desk.line.rests()
    desk.line.club.refuses.clear()
    await desk.line.later(10)
    await desk.line.rests()
    assert desk.line.club.texts == ["hi"]


async def test_what_is_sent_again_from_a_card_after_a_stop_is_tried_until_it_is_sent(desk: Desk) -> None:
    await halted_with_a_failure(desk, "Stop", CUT)
    desk.line.club.refuses["hi"] = AWAY
    (card, *_) = await desk.write("/held", by=BO)
    await desk.press(card, "Send again", by=BO)
    await desk.line.later(1)
    await desk.line.rests()
    desk.line.club.refuses.clear()
    await desk.line.later(10)
    await desk.line.rests()
    assert desk.line.club.texts == ["hi"]


@pytest.mark.parametrize(("button", "state", "parked"), [("Stop", "cancelled", 0), ("Pause", "queued", 1)])
async def test_halting_it_after_a_retry_is_about_what_was_retried_too(
    desk: Desk, button: str, state: str, parked: int
) -> None:
    desk.line.club.refuses["hi"] = Refused("no")
    await sends(desk, "club:p0", "desk:p0")
    desk.line.desk.refuses["hi"] = AWAY
    await desk.line.engine.start()
    await turns(desk)
    await desk.line.rests()
    (row, _) = await rows(desk)
    desk.line.club.refuses["hi"] = AWAY
    await desk.ask(f"/retry {row.id}", by=BO)
    await desk.press(await running(desk), button, by=BO)
    await desk.line.rests()
    (row, _) = await rows(desk)
    assert (row.state, row.parked) == (state, parked)


async def test_what_may_have_arrived_when_it_was_stopped_and_killed_is_held(desk: Desk) -> None:
    await sends(desk, "telegram:-201", "telegram:-202", "telegram:-203")
    await begun(desk, TELEGRAM)
    assert await states(desk) == ["sending", "sending", "queued"]
    await desk.press(await running(desk), "Stop", by=BO)
    assert {row.on_ambiguous for row in await rows(desk)} == {"resend"}
    await desk.line.engine.start()
    await desk.line.rests()
    assert await states(desk) == ["held", "held", "cancelled"]
    assert "2 held" in await told(desk)
    assert "may have arrived" in ((await rows(desk))[0].error or "")
    assert (await desk.line.store.read(balance))["balanced"]


async def test_what_waits_to_be_repeated_and_may_have_arrived_is_held_when_it_is_stopped(desk: Desk) -> None:
    desk.line.telegram.refuses["hi"] = CUT
    await sends(desk, "telegram:-201", "telegram:-202", "telegram:-203")
    await desk.line.engine.start()
    await turns(desk)
    await desk.line.rests()
    desk.line.telegram.refuses["hi"] = AWAY
    await desk.line.later(1)
    await desk.line.rests()
    await desk.press(await running(desk), "Pause", by=BO)
    await desk.press(await running(desk), "Stop", by=BO)
    assert await states(desk) == ["held", "held", "cancelled"]


async def test_what_surely_did_not_arrive_is_cancelled_when_it_is_stopped(desk: Desk) -> None:
    desk.line.club.refuses["hi"] = AWAY
    await sends(desk, *places("club", 3))
    await desk.line.engine.start()
    await turns(desk)
    await desk.line.rests()
    await desk.press(await running(desk), "Stop", by=BO)
    assert await states(desk) == ["cancelled"] * 3


async def test_retry_failed_after_a_stop_is_the_announcement_going_on(desk: Desk) -> None:
    await halted_with_a_failure(desk, "Stop", Refused("no"))
    desk.line.club.refuses.clear()
    await desk.press(await running(desk), "Retry failed", by=BO)
    await goes_out(desk)
    assert desk.line.club.texts == ["hi"]
