"""The calendar's address: who is told it, and that its secret is in nothing that is kept of the answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.addresses import parse_address
from bot.agenda import HIDDEN, calendar_secret, calendar_url, concealed, revealed
from bot.telegram.outbound import CAPABILITIES
from bot.telegram.surroundings import Installation, Surroundings
from bridges.model import Message
from tests.bot.telegram.desk import ANN, BO, NEWS, Answer, Desk, a_desk


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """Ann is an owner, Bo an operator everywhere."""
    async with a_desk(tmp_path) as made:
        made.line.telegram.capabilities = CAPABILITIES
        await made.grant(BO, "operator")
        yield made
        if made.line.engine.turning:
            await made.line.engine.stop(grace_s=1)


def reachable(desk: Desk) -> None:
    """The settings say where the HTTP server is."""
    installation = Installation(public_url="https://bridge.example.org")
    surroundings = Surroundings(None, lambda: None, (), installation)  # type: ignore[arg-type,return-value]
    desk.services = replace(desk.services, surroundings=surroundings)


async def one(desk: Desk, line: str, **more: Any) -> Answer:
    (answer,) = await desk.write(line, **more)
    return answer


async def test_the_calendars_address_is_told_to_admins_in_private_and_can_be_renewed(desk: Desk) -> None:
    assert "web.public_url" in (await one(desk, "/schedules calendar", by=ANN, chat=ANN)).text
    reachable(desk)
    assert "needs the role admin" in (await one(desk, "/schedules calendar", by=BO, chat=BO)).text
    in_group = (await one(desk, "/schedules calendar", by=ANN)).text
    assert ("private chat" in in_group, "https://" in in_group) == (True, False)
    await desk.line.engine.start()
    first = await told(desk, "/schedules calendar")
    assert "\nhttps://bridge.example.org/calendar/" in first
    assert await told(desk, "/schedules calendar") == first
    renewed = await told(desk, "/schedules calendar renew")
    assert renewed.splitlines()[1] != first.splitlines()[1]


async def told(desk: Desk, command: str) -> str:
    """What Ann gets for it in private."""
    await desk.write(command, by=ANN, chat=ANN)
    await desk.line.rests()
    assert desk.line.telegram.sent[-1].files == ()
    return desk.line.telegram.texts[-1]


async def test_the_calendars_secret_is_nowhere_but_in_what_is_sent(desk: Desk) -> None:
    reachable(desk)
    answer = await one(desk, "/schedules calendar", by=ANN, chat=ANN)
    secret = await desk.line.store.read(lambda tx: tx.meta.get("calendar_secret"))
    assert "https://bridge.example.org/calendar/(secret).ics" in answer.text
    assert secret not in (await one(desk, f"/show {answer.outbox}", by=BO)).text
    await desk.line.engine.start()
    await desk.line.rests()
    assert f"/calendar/{secret}.ics" in next(text for text in desk.line.telegram.texts if text.startswith("Subscribe"))
    kept = await desk.line.store.read(lambda tx: list(tx.db.iterdump()))
    assert [line for line in kept if secret in line and not line.startswith('INSERT INTO "meta"')] == []


@pytest.mark.parametrize("line", ["/announce {to} | {words}", "/send {to} {words}"])
async def test_nobody_gets_the_calendars_secret_by_writing_what_stands_for_it(desk: Desk, line: str) -> None:
    secret = await desk.line.store.write(calendar_secret)
    await desk.line.engine.start()
    words = f"https://bridge.example.org/calendar/{HIDDEN}.ics"
    await desk.write(line.format(to=f"telegram:{NEWS}", words=words), by=BO)
    await desk.line.rests()
    assert secret not in "\n".join(desk.line.telegram.texts)
    assert HIDDEN in "\n".join(desk.line.telegram.texts)


async def test_what_tells_the_calendars_secret_tells_it_in_its_own_chat_only(desk: Desk) -> None:
    secret = await desk.line.store.write(calendar_secret)
    mark = concealed(parse_address(f"telegram:{ANN}"))
    said = Message(text=calendar_url("https://bridge.example.org", HIDDEN), attachments=(mark,))
    (there, elsewhere) = await desk.line.store.read(
        lambda tx: [revealed(tx, message=said, at=f"telegram:{chat}") for chat in (ANN, BO)]
    )
    assert there == Message(text=f"https://bridge.example.org/calendar/{secret}.ics")
    assert elsewhere == Message(text="https://bridge.example.org/calendar/(secret).ics")
