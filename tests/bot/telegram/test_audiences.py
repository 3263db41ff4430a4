"""/audience: named sets of addresses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.bot.telegram.desk import BO, CY, OPS, Desk, a_desk

HERE = f"telegram:{OPS}"


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with a_desk(tmp_path) as made:
        await made.grant(BO, "admin")
        yield made


async def members(desk: Desk, name: str) -> list[str]:
    return await desk.line.store.read(lambda tx: tx.audiences.members(name))


async def test_addresses_are_put_in_and_taken_out(desk: Desk) -> None:
    story = {
        "/audience list": "There are no audiences. /audience add NAME ADDRESS makes one.",
        "/audience add @Team club:a here": "@team has 2 targets now: 2 added.",
        "/audience add team club:a, club:b": "@team has 3 targets now: 1 added, 1 of those you named was in it"
        " already.",
        "/audience add team club:b": "@team has 3 targets; nothing was added, for all that you named is in it already.",
        "/audience add TEAM pbx:x": "“pbx:x”: there is no account 'pbx'; configured: club, desk, telegram.\n"
        "Example: /audience add partners support:room-42 here",
        "/audience show team": f"@team: 3 targets\nclub:a\nclub:b\n{HERE}  Ops",
        "/audience list ": "@team: 3 targets",
        "/audience remove team club:a, here": "@team has 1 target now: 2 taken out.",
        "/audience remove team club:c": "club:c is not in @team; did you mean club:b?\n"
        "Example: /audience remove partners support:room-42",
        "/audience remove team club:b": "@team has 0 targets now: 1 taken out. /audience remove team removes it.",
        "/audience show  team": "@team is empty. /audience add team ADDRESS puts something into it.",
    }
    assert {line: await desk.ask(line, by=BO) for line in story} == story


async def test_an_audience_is_removed_after_a_question(desk: Desk) -> None:
    await desk.ask("/audience add team club:a club:b", by=BO)
    (card,) = await desk.write("/audience remove team", by=BO)
    assert card.text == (
        "Remove the audience @team? What is in it stays; only the set is forgotten.\n\n@team: 2 targets\nclub:a\nclub:b"
    )
    assert await members(desk, "team") == ["club:a", "club:b"]
    pressed = await desk.press(card, "Remove", by=BO)
    assert pressed.toast == "The audience @team is removed."
    assert await desk.ask("/audience show team", by=BO) == (
        "There is no audience @team.\nExample: /audience show partners"
    )


async def test_one_that_was_removed_meanwhile_is_not_removed_again(desk: Desk) -> None:
    await desk.ask("/audience add team club:a", by=BO)
    (first,) = await desk.write("/audience remove team", by=BO)
    (second,) = await desk.write("/audience remove team", by=BO)
    await desk.press(first, "Remove", by=BO)
    assert (await desk.press(second, "Remove", by=BO)).toast == "There is no audience @team."


async def test_one_that_changed_since_it_was_shown_is_shown_again(desk: Desk) -> None:
    await desk.ask("/audience add team club:a", by=BO)
    (card,) = await desk.write("/audience remove team", by=BO)
    await desk.ask("/audience add team club:b", by=BO)
    assert (await desk.press(card, "Remove", by=BO)).toast == "It has changed meanwhile: look again."
    assert await members(desk, "team") == ["club:a", "club:b"]


async def test_an_audience_holds_no_audience(desk: Desk) -> None:
    await desk.ask("/audience add team club:a", by=BO)
    assert (await desk.ask("/audience add all club:b @team", by=BO)).startswith(
        "“@team” is an audience, and an audience holds addresses only: name these."
    )
    assert await members(desk, "all") == []


async def test_the_nearest_audience_is_named(desk: Desk) -> None:
    await desk.ask("/audience add partners club:a", by=BO)
    answer = await desk.ask("/audience show partner", by=BO)
    assert answer.startswith("There is no audience @partner; did you mean @partners?")


async def test_what_has_no_account_any_more_can_be_taken_out(desk: Desk) -> None:
    await desk.line.store.write(lambda tx: tx.audiences.add("team", ["gone:x", "club:a"], person="1", now=1.0))
    assert await desk.ask("/audience remove team gone:x", by=BO) == "@team has 1 target now: 1 taken out."


async def test_more_than_can_be_sent_to_are_not_put_in(desk: Desk) -> None:
    many = [f"club:{number}" for number in range(5_000)]
    await desk.line.store.write(lambda tx: tx.audiences.add("all", many, person="1", now=1.0))
    answer = await desk.ask("/audience add all club:x", by=BO)
    assert answer.startswith("@all would have 5001 targets, at most 5000 are possible.")
    shown = await desk.ask("/audience show all", by=BO)
    assert shown.endswith("… and 4950 more")


async def test_a_role_of_one_chat_does_not_change_audiences(desk: Desk) -> None:
    await desk.grant(CY, "admin", chat=OPS)
    for line in ("add x here", "remove x", "show x", "list"):
        answer = await desk.ask(f"/audience {line}", by=CY)
        assert answer.startswith("/audience needs the role admin everywhere")


async def test_a_title_in_a_list_pings_nobody_and_stays_in_its_line(desk: Desk) -> None:
    title = "@all_hands \u202eevil\nclub:z"
    await desk.line.store.write(
        lambda tx: tx.conversations.touch("club", "loud", kind="group", title=title, now=desk.line.clock())
    )
    await desk.write("/audience add loud club:loud", by=BO)
    shown = await desk.ask("/audience show loud", by=BO)
    assert len(shown.splitlines()) == 2
    assert "@all_hands" not in shown
    assert "\u202e" not in shown
