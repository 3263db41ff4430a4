"""What was sent by a command or by an answer changes over there by a role, not by whoever edits or reacts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bot.store.messages import Copy
from bot.telegram.outbound import message_id
from tests.bot.telegram.desk import BO, CY, OPS, Desk, a_desk

TOLD = "Editing a command changes nothing; /edit as a reply gives it other words, /undo takes it back."


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with a_desk(tmp_path, edits=True, deletes=True, reactions=True) as made:
        await made.grant(BO, "operator")
        yield made


async def sent(desk: Desk) -> list[tuple[str, str]]:
    """What went to the providers and is done there: the operation, and the conversation."""
    return await desk.line.store.read(
        lambda tx: [
            (str(op), str(conversation))
            for op, conversation in tx.db.execute(
                "SELECT op, conversation FROM outbox WHERE account != 'telegram' AND state != 'cancelled' ORDER BY id"
            )
        ]
    )


async def arrived(desk: Desk) -> None:
    """Whatever waits was sent, and its ids are known."""

    def note(tx: Any) -> None:
        rows = tx.db.execute("SELECT id, message, account, conversation FROM outbox WHERE state = 'queued'").fetchall()
        for id, message, account, conversation in rows:
            if message is not None:
                tx.messages.add_copy(message, Copy(account, conversation, f"there/{id}", 1, id))
        tx.db.execute("UPDATE outbox SET state = 'sent', starts = 1, parked = 0 WHERE state = 'queued'")

    await desk.line.store.write(note)


async def a_command(desk: Desk, line: str = "/send club:vip Dear customer") -> dict[str, Any]:
    """A message that Bo sent by hand, and that arrived."""
    message = desk.message(line, by=BO)
    await desk.takes(message)
    await arrived(desk)
    return message


async def an_answer(desk: Desk) -> dict[str, Any]:
    """Bo's answer to what came from a customer, sent by simply replying in a chat that is not linked."""

    def came(tx: Any) -> None:
        id = tx.messages.add(
            account="club", conversation="vip", remote_id="q", sender_id="pat", sender_name="Pat", text="hm?", at=1.0
        )
        tx.messages.add_copy(id, Copy("telegram", str(OPS), message_id(OPS, mirrored["message_id"]), 1, 0))

    mirrored = desk.message("hm?", by=99)
    await desk.line.store.write(came)
    message = desk.message("yes", by=BO) | {"reply_to_message": mirrored}
    await desk.takes(message)
    await arrived(desk)
    return message


@pytest.mark.parametrize("text", ["other words", "."])
async def test_an_edit_of_a_command_changes_nothing_and_is_told_once(desk: Desk, text: str) -> None:
    message = await a_command(desk)
    assert [answer.text for answer in await desk.edit(message, text)] == [TOLD]
    assert await desk.edit(message, f"{text}!") == []
    assert await sent(desk) == [("send", "vip")]


async def test_an_edit_of_an_announcement_changes_nothing_anywhere(desk: Desk) -> None:
    message = desk.message("/announce club:vip, desk:room | We are open", by=BO)
    (card,) = await desk.takes(message)
    await desk.press(card, "Send", by=BO)
    await arrived(desk)
    assert [answer.text for answer in await desk.edit(message, "We are closed")] == [TOLD]
    assert [op for op, _ in await sent(desk)] == ["send", "send"]


async def test_an_edited_command_that_is_a_command_still_is_passed_over_silently(desk: Desk) -> None:
    message = await a_command(desk)
    entities = message["entities"]
    assert await desk.edit(message, "/send club:vip Other words", entities=entities) == []
    assert await sent(desk) == [("send", "vip")]


async def test_an_edit_of_a_command_that_sent_nothing_is_not_talked_about(desk: Desk) -> None:
    message = desk.message("/whoami", by=BO)
    await desk.takes(message)
    assert await desk.edit(message, "who am I") == []


@pytest.mark.parametrize(("text", "op"), [("no", "edit"), (".", "delete")])
async def test_an_operator_s_edit_of_an_answer_goes_there_and_is_audited(desk: Desk, text: str, op: str) -> None:
    message = await an_answer(desk)
    await desk.edit(message, text)
    assert await sent(desk) == [("send", "vip"), (op, "vip")]
    assert (await desk.audit())[-1] == (str(BO), "edit by hand", "done")


@pytest.mark.parametrize("text", ["no", "."])
async def test_who_is_no_operator_any_more_changes_no_answer(desk: Desk, text: str) -> None:
    message = await an_answer(desk)
    await desk.write(f"/revoke {BO}")
    (told,) = await desk.edit(message, text)
    assert "needs the role operator; yours is viewer" in told.text
    assert await sent(desk) == [("send", "vip")]
    assert (await desk.audit())[-1] == (str(BO), "edit by hand", "refused")


async def test_an_answer_that_a_rule_takes_back_is_edited_by_anybody(desk: Desk) -> None:
    await desk.line.store.write(lambda tx: desk.line.rule(tx, f"club:* ->> telegram:{OPS}"))
    await desk.write(f"/revoke {BO}")
    message = await an_answer(desk)
    await desk.edit(message, "no")
    assert await sent(desk) == [("send", "vip"), ("edit", "vip")]


@pytest.mark.parametrize("made", [a_command, an_answer])
async def test_only_an_operator_s_reaction_reaches_what_was_sent_by_hand(desk: Desk, made: Any) -> None:
    message = await made(desk)
    assert await desk.react(message, "👍", by=CY) == []
    assert await sent(desk) == [("send", "vip")]
    await desk.react(message, "👍", by=BO)
    assert await sent(desk) == [("send", "vip"), ("react", "vip")]
    assert (await desk.audit())[-1] == (str(BO), "reaction by hand", "done")


async def test_no_reaction_on_an_announcement_goes_to_its_targets(desk: Desk) -> None:
    message = desk.message("/announce club:vip, desk:room | We are open", by=BO)
    (card,) = await desk.takes(message)
    await desk.press(card, "Send", by=BO)
    await arrived(desk)
    await desk.react(message, "👍", by=BO)
    assert [op for op, _ in await sent(desk)] == ["send", "send"]


async def test_a_reaction_on_one_copy_of_an_announcement_concerns_no_other_target(desk: Desk) -> None:
    message = desk.message(f"/announce telegram:{OPS}, club:vip | We are open", by=BO)
    (card,) = await desk.takes(message)
    await desk.press(card, "Send", by=BO)
    copy = desk.message("We are open", by=99)

    def there(tx: Any) -> None:
        (id,) = tx.db.execute("SELECT id FROM messages WHERE text = 'We are open'").fetchone()
        tx.messages.add_copy(id, Copy("telegram", str(OPS), message_id(OPS, copy["message_id"]), 1, 0))

    await arrived(desk)
    await desk.line.store.write(there)
    await desk.react(copy, "👍", by=CY)
    assert await sent(desk) == [("send", "vip")]


async def test_a_relayed_message_is_reacted_on_and_edited_by_whoever_writes_in_a_linked_chat(desk: Desk) -> None:
    await desk.line.store.write(lambda tx: desk.line.rule(tx, f"telegram:{OPS} <-> club:vip"))
    message = desk.message("hello", by=CY)
    await desk.takes(message)
    await arrived(desk)
    await desk.react(message, "👍", by=CY)
    await desk.edit(message, "hello!")
    assert await sent(desk) == [("send", "vip"), ("react", "vip"), ("edit", "vip")]
