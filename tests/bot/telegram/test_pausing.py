"""/pause and /resume: what a person stopped, stays so until a person ends it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot import delivery
from bot.store import Tx
from tests.bot.telegram.desk import ANN, BO, NAMES, OPS, Desk, a_desk
from tests.journeys.world import until


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with a_desk(tmp_path) as made:
        yield made
        await made.line.engine.stop(grace_s=1)


async def waits(desk: Desk, account: str = "club") -> int:
    found = await desk.line.store.read(lambda tx: tx.outbox.depth().get(account, (0, 0.0)))
    return found[0]


async def turned(desk: Desk) -> None:
    """The engine has gone round once more: what another account was given is sent."""
    before = len(desk.line.desk.sent)
    await desk.write("/send desk:room go round")
    await until(lambda: len(desk.line.desk.sent) > before)


async def test_what_goes_to_a_paused_account_waits_in_its_order_until_it_is_resumed(desk: Desk) -> None:
    assert "club is paused: nothing is sent there until /resume club" in await desk.ask("/pause club")
    await desk.line.engine.start()
    for text in ("one", "two"):
        await desk.write(f"/send club:lobby {text}")
    await turned(desk)
    assert (desk.line.club.texts, await waits(desk)) == ([], 2)
    assert await desk.ask("/resume club") == "club sends again: 2 waiting."
    await until(lambda: desk.line.club.texts == ["one", "two"])


async def test_the_author_of_what_waits_sees_that_it_waits(desk: Desk) -> None:
    await desk.ask("/pause club")
    await desk.write("/send club:lobby one")
    wanted = await desk.line.store.read(lambda tx: tx.db.execute("SELECT want FROM marks").fetchall())
    assert [tuple(row) for row in wanted] == [("accepted",)]


async def test_neither_the_probe_nor_a_start_ends_what_a_person_paused(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    async def probe() -> str:
        asked.append("club")
        return "well"

    monkeypatch.setattr(delivery, "PROBE_EVERY_S", 0.0)
    monkeypatch.setattr(desk.line.relay.accounts["club"], "probe", probe)
    await desk.ask("/pause club")
    await desk.write("/send club:lobby one")
    await desk.line.engine.start()
    for _ in range(3):
        await desk.line.later(1)
        await turned(desk)
    await desk.line.store.write(lambda tx: tx.accounts.try_again("club"))  # as a start does
    await turned(desk)
    assert (desk.line.club.texts, await waits(desk)) == ([], 1)
    assert asked == []


async def test_refused_credentials_do_not_take_the_place_of_a_person_who_paused(desk: Desk) -> None:
    def unit(tx: Tx) -> tuple[bool, str, str]:
        first = tx.accounts.pause("club", reason="the key is refused", now=1.0)
        state = tx.accounts.get("club")
        return first, state.paused_by, state.reason

    await desk.ask("/pause club")
    assert await desk.line.store.write(unit) == (False, str(ANN), "by Ann (7)")


async def test_a_person_may_pause_what_is_paused_for_its_credentials_already(desk: Desk) -> None:
    await desk.line.store.write(lambda tx: tx.accounts.pause("club", reason="the key is refused", now=1.0))
    said = await desk.ask("/pause club")
    assert said.endswith("It did not send before either: the key is refused.")
    assert not await desk.line.store.write(lambda tx: tx.accounts.try_again("club"))


async def test_resume_ends_a_pause_for_refused_credentials_too(desk: Desk) -> None:
    await desk.line.store.write(lambda tx: tx.accounts.pause("club", reason="the key is refused", now=1.0))
    assert await desk.ask("/resume club") == "club sends again (paused: the key is refused): 0 waiting."


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("/pause telegram", "Telegram cannot be paused: this bot's own answers go there"),
        ("/pause cluub", "did you mean club?; configured: club, desk, telegram.\nExample: /pause support"),
        ("/pause", "The name of an account is needed.\nExample: /pause support"),
        ("/resume club", "club is not paused. /pause club pauses it."),
        ("/resume nobody", "There is no account 'nobody'"),
    ],
)
async def test_what_cannot_be_paused_or_resumed_is_said(desk: Desk, command: str, said: str) -> None:
    assert said.lower() in (await desk.ask(command)).lower()


async def test_one_that_is_paused_already_tells_by_whom(desk: Desk) -> None:
    await desk.ask("/pause club")
    said = await desk.ask("/pause club")
    assert said == "club is paused since 01-15 08:00 UTC by Ann (7) already. /resume club ends that."


async def test_the_owners_hear_when_another_admin_pauses_and_resumes(desk: Desk) -> None:
    await desk.grant(BO, "admin")
    for command, said in (
        ("/pause club", "Bo (1002) paused club: its messages wait until /resume club."),
        ("/resume club", "Bo (1002) resumed club: 0 waiting."),
    ):
        answers = await desk.write(command, by=BO)
        assert [each.text for each in answers if each.chat == str(ANN)] == [said]


async def test_an_owner_is_not_told_what_they_do_themselves(desk: Desk) -> None:
    assert [answer.chat for answer in await desk.write("/pause club")] == [str(OPS)]


@pytest.mark.parametrize("command", ["/pause club", "/resume club"])
async def test_a_role_for_this_chat_does_not_stop_an_account_for_everybody(desk: Desk, command: str) -> None:
    await desk.grant(BO, "admin", chat=OPS)
    assert "needs the role admin everywhere" in await desk.ask(command, by=BO)
    assert not (await desk.line.store.read(lambda tx: tx.accounts.get("club"))).paused


async def test_the_audit_names_the_account(desk: Desk) -> None:
    await desk.ask("/pause club")
    await desk.ask("/resume club")
    assert await desk.audit() == [("7", "/pause", "club paused"), ("7", "/resume", "club resumed")]


async def test_a_name_pings_nobody_where_it_is_told(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(NAMES, BO, "@everybody")
    await desk.grant(BO, "admin")
    for answer in [*await desk.write("/pause club", by=BO), *await desk.write("/status")]:
        assert "@everybody" not in answer.text


@pytest.mark.parametrize("command", ["/status", "/account"])
async def test_who_paused_it_is_shown(desk: Desk, command: str) -> None:
    await desk.ask("/pause club")
    assert "by Ann (7)" in await desk.ask(command)
