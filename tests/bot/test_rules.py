"""Rules that are changed: in their place, with what was sent by them, and back again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.bot.telegram.desk import BO, NEWS, OPS, Desk, a_desk


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with a_desk(tmp_path) as made:
        yield made


async def rules(desk: Desk) -> list[str]:
    return (await desk.ask("/routes")).splitlines()


async def test_an_edit_changes_what_it_names(desk: Desk) -> None:
    await desk.ask("/route add club:a -> here match=/x/ name=alpha")
    assert await desk.ask("/route edit alpha stop=yes match=") == (
        f"It was: club:a -> telegram:{OPS} name=alpha match=/x/\n"
        f"It is: club:a -> telegram:{OPS} name=alpha stop=yes\n/route undo takes this back."
    )
    assert await rules(desk) == [f"1 club:a -> telegram:{OPS} name=alpha stop=yes"]


async def test_a_whole_new_line_keeps_number_and_name(desk: Desk) -> None:
    await desk.ask("/route add club:a -> here name=alpha stop=yes")
    await desk.ask("/route edit alpha club:b <-> desk:c")
    assert await rules(desk) == ["1 club:b <-> desk:c name=alpha"]


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("/route edit alpha", "Key=value …, or a whole new rule is needed after “alpha”."),
        ("/route edit nobody stop=yes", "There is no route 'nobody'; there are: alpha, beta."),
        ("/route edit alpha stop=maybe", "stop="),
        ("/route edit alpha name=beta", "A route named 'beta' exists already"),
        ("/route edit alpha club:a -> club:a", "club:a is both source and target"),
        ("/route edit alpha name=alpha", "rule 1 (alpha) says this already"),
        ("/route edit alpha club:a -> nobody:b", "names the account nobody"),
    ],
)
async def test_a_wrong_edit_is_answered_and_changes_nothing(desk: Desk, line: str, answer: str) -> None:
    await desk.ask("/route add club:a -> here name=alpha")
    await desk.ask("/route add club:b -> here name=beta")
    before = await rules(desk)
    said = await desk.ask(line)
    assert answer.lower() in said.lower()
    assert await rules(desk) == before


async def test_undo_takes_changes_back_one_after_the_other(desk: Desk) -> None:
    async def later(line: str) -> str:
        desk.line.clock.at += 1
        return await desk.ask(line)

    await later("/route add club:a -> here name=alpha stop=yes")
    await later("/route edit alpha name=omega")
    await later("/route disable omega")
    await later("/route remove omega")
    assert await rules(desk) == ["There are no routes. /link ADDRESS or /route add makes one."]
    assert (await later("/route undo")).endswith(
        f"by Ann (7).\nAs before (disabled): club:a -> telegram:{OPS} name=omega stop=yes"
    )
    assert await rules(desk) == [f"1 (disabled) club:a -> telegram:{OPS} name=omega stop=yes"]
    await later("/route undo")
    await later("/route undo")
    assert await rules(desk) == [f"1 club:a -> telegram:{OPS} name=alpha stop=yes"]
    assert f"Removed again: club:a -> telegram:{OPS} name=alpha" in await later("/route undo")
    assert await later("/route undo") == "There is no change of the rules to take back."


async def test_undo_brings_back_all_links_that_one_command_ended(desk: Desk) -> None:
    await desk.ask("/link club:a")
    await desk.ask("/link desk:b")
    desk.line.clock.at += 1
    await desk.ask("/unlink")
    desk.line.clock.at += 1
    await desk.ask("/route undo")
    assert len(await rules(desk)) == 2


async def test_undo_leaves_what_was_changed_since_by_something_else(desk: Desk) -> None:
    await desk.ask("/route add club:a -> here name=alpha")
    await desk.line.store.write(lambda tx: tx.routes.pause(f"telegram:{OPS}", f"telegram:{OPS}: I was kicked"))
    assert (await desk.ask("/route undo")).startswith("Route alpha was changed since by something else")
    assert len(await rules(desk)) == 1


async def test_edits_of_earlier_messages_find_a_rule_that_was_renamed_and_turned(desk: Desk) -> None:
    line = desk.line
    await line.engine.start()
    await desk.ask("/route add desk:a -> club:b name=alpha")
    await line.said("desk:a", "helo", id="m1")
    await line.rests()
    await desk.ask("/route edit alpha desk:a -> club:c name=omega")
    assert await line.store.write(lambda tx: line.edits(tx, "desk:a", "hello", id="m1")) == "relayed"
    await line.rests()
    assert [(out.conversation, out.message.text) for out in line.club.sent] == [
        ("b", "Pat: helo"),
        ("b", "✏️ Pat edited “helo”:\nhello"),
    ]


async def test_a_role_for_one_chat_changes_the_rules_of_this_chat_only(desk: Desk) -> None:
    await desk.grant(BO, "admin", chat=OPS)
    await desk.ask(f"/route add club:a -> telegram:{NEWS} name=news")
    await desk.ask("/route add club:b -> here name=ops")
    assert await desk.ask("/routes", by=BO) == f"2 club:b -> telegram:{OPS} name=ops\n(1 more are about other chats)"
    for command in (
        "/route edit news stop=yes",
        "/route remove news",
        "/route disable news",
        "/route show news",
        f"/route edit ops club:b -> telegram:{NEWS}",
        f"/route add club:c -> telegram:{NEWS}",
        "/route add telegram:* -> here",
    ):
        assert "in this chat only" in await desk.ask(command, by=BO) or "in this one only" in await desk.ask(
            command, by=BO
        ), command
    assert "It is:" in await desk.ask("/route edit ops stop=yes", by=BO)
    assert len(await rules(desk)) == 2
