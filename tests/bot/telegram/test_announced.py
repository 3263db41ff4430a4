"""What becomes of an announcement afterwards: told truthfully, and in the hands of those who may."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bot.broadcaster import Broadcaster
from bridges.errors import Garbled, Refused
from bridges.model import Message
from tests.bot.telegram.desk import BO, CY, OPS, Desk, a_desk
from tests.bot.telegram.test_announce import goes_out, places, rows, running, sends, states, told

Json = dict[str, Any]


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """The club can change messages, the desk cannot."""
    async with a_desk(tmp_path, edits=True, deletes=True, reactions=True) as made:
        await made.grant(BO, "operator")
        made.broadcaster = Broadcaster(  # type: ignore[attr-defined]
            store=made.line.store, accounts=made.line.relay.accounts, clock=made.line.clock, monotonic=made.line.clock
        )
        yield made
        await made.line.engine.stop(grace_s=1)


async def latest(desk: Desk) -> list[str]:
    """What the bot itself said of late, the newest last."""
    return [answer.text for answer in await desk.answers()]


# --- tried again


@pytest.mark.parametrize("line", ["/retry 1", "/retry 1 other words"])
async def test_one_delivery_that_is_tried_again_and_fails_again_is_told_to_who_asked(desk: Desk, line: str) -> None:
    desk.line.club.refuses = {"hi": Refused("no"), "other": Refused("no")}
    await sends(desk, "club:a", "desk:b")
    await goes_out(desk)
    row = next(row for row in await rows(desk) if row.state == "dead")
    await desk.ask(line.replace("1", str(row.id)), by=BO)
    await desk.line.rests()
    said = await latest(desk)
    assert f"Not sent to club:a (delivery {row.id} of announcement 1): no" in said[-1]
    assert sum("Not sent" in each for each in said) == 1


async def test_what_is_tried_again_in_vain_changes_the_report(desk: Desk) -> None:
    desk.line.club.refuses["hi"] = Refused("no")
    await sends(desk, "club:a", "desk:b")
    await goes_out(desk)
    before = await told(desk)
    await desk.press(await running(desk), "Retry failed", by=BO)
    await goes_out(desk)
    assert "1 × no: club:a." in before
    assert "1 × no, tried 2 times in all: club:a." in await told(desk)


# --- redirected


async def test_what_was_sent_elsewhere_instead_counts_once(desk: Desk) -> None:
    desk.line.club.refuses["hi"] = Refused("no")
    await sends(desk, "club:a", "desk:b")
    await goes_out(desk)
    row = next(row for row in await rows(desk) if row.state == "dead")
    await desk.ask(f"/redirect {row.id} club:c", by=BO)
    await desk.line.rests()
    again = next(row for row in await rows(desk) if row.state == "dead")
    await desk.ask(f"/redirect {again.id} desk:c", by=BO)
    await desk.line.rests()
    text = await told(desk)
    assert "to 2 targets" in text and "2 sent, 0 failed." in text


# --- held


async def test_the_first_held_ones_are_asked_about_in_the_chat_of_the_announcement(desk: Desk) -> None:
    desk.line.club.refuses["hi"] = Garbled("the answer was lost")
    await sends(desk, *places("club", 5))
    await goes_out(desk)
    assert await states(desk) == ["held"] * 5
    cards = [answer for answer in await desk.answers() if "may have arrived" in answer.text]
    assert [card.chat for card in cards] == [str(OPS)] * 3
    assert [button.label for button in cards[0].buttons] == ["Send again", "It arrived", "Drop"]
    assert "5 held" in await told(desk) and "/held decides" in await told(desk)
    await desk.press(cards[0], "It arrived", by=CY)
    await desk.press(cards[0], "It arrived", by=BO)
    assert sorted(await states(desk)) == ["held"] * 4 + ["sent"]


# --- its own message stands for it


async def shown_by(desk: Desk) -> Json:
    """The message that shows the progress, to be answered."""
    broadcast = await desk.line.store.read(lambda tx: tx.broadcasts.get(1))
    assert broadcast is not None
    return desk.message("📣", by=99) | {"message_id": int(broadcast.progress.partition("/")[2])}


async def choosing(desk: Desk, text: str, label: str, *, by: int = BO) -> str:
    """A command as a reply to the announcement, confirmed; returns what the card says then."""
    (card,) = await desk.write(text, by=by, reply_to=await shown_by(desk))
    done = (await desk.press(card, label, by=by)).card
    assert done is not None
    return done.text


async def test_trace_and_why_at_its_message_tell_of_its_deliveries(desk: Desk) -> None:
    await sends(desk, "club:a", "desk:b")
    for line in ("/trace", "/why"):
        told_ = await desk.ask(line, by=BO, reply_to=await shown_by(desk))
        assert "club:a" in told_ and "desk:b" in told_ and "announcement 1 by Bo" in told_


async def test_undo_at_its_message_asks_with_numbers_and_takes_it_back(desk: Desk) -> None:
    await sends(desk, "club:a", "club:b", "desk:c")
    await goes_out(desk)
    await running(desk)
    (card,) = await desk.write("/undo", by=BO, reply_to=await shown_by(desk))
    assert (
        "back at its 3 targets?\n\nhi\n\nAt 2 it can be deleted.\nAt 1 × desk it cannot: there it stays." in card.text
    )
    assert desk.line.club.done == []
    assert (await desk.press(card, "Take back", by=CY)).toast == "Only the person who asked for this may press here."
    await desk.press(card, "Take back", by=BO)
    await desk.line.rests()
    assert sorted(desk.line.club.done) == ["delete c1", "delete c2"]
    assert (await desk.press(card, "Take back", by=BO)).toast == "This was decided already."


async def test_edit_at_its_message_shows_the_words_and_where_they_are_only_told(desk: Desk) -> None:
    desk.line.desk.refuses["hi"] = Refused("no")
    await sends(desk, "club:a", "club:b", "desk:c")
    await goes_out(desk)
    desk.line.desk.refuses.clear()
    await running(desk)
    (card,) = await desk.write("/edit We are closed.", by=BO, reply_to=await shown_by(desk))
    assert "\n\nWe are closed.\n\nAt 2 it can be changed.\nAt 1 it never arrived." in card.text
    done = (await desk.press(card, "Change", by=BO)).card
    assert done is not None and "changed at 2 places" in done.text
    assert "Not at 1 × desk: it never arrived there; it goes out with these words" in done.text
    await desk.line.rests()
    assert sorted(desk.line.club.done) == ["edit c1: We are closed.", "edit c2: We are closed."]


async def test_what_was_told_of_an_edit_is_no_deletion(desk: Desk) -> None:
    await sends(desk, "club:a", "desk:b", "desk:c")
    await goes_out(desk)
    await running(desk)
    assert "Told in words at 2 × desk: fake has no way to change a message." in await choosing(
        desk, "/edit other", "Change"
    )
    await desk.line.rests()
    await choosing(desk, "/undo", "Take back")
    await desk.line.rests()
    text = await told(desk)
    assert "only told that it was deleted" not in text
    assert "Not deleted at 2 × desk: fake has no way to take a message back." in text
    assert "Messages: 1 deleted." in text


async def test_a_confirmation_counts_no_more_when_what_it_showed_has_changed(desk: Desk) -> None:
    await sends(desk, "club:a", "desk:b")
    (card,) = await desk.write("/undo", by=BO, reply_to=await shown_by(desk))
    await goes_out(desk)
    await running(desk)
    assert (await desk.press(card, "Take back", by=BO)).toast == "It has changed meanwhile: look again."
    assert await states(desk) == ["sent", "sent"]


@pytest.mark.parametrize("line", ["/undo", "/edit other", "/trace", "/why"])
async def test_a_preview_is_said_not_to_be_sent_yet(desk: Desk, line: str) -> None:
    (card,) = await desk.write("/announce club:a, desk:b | hi", by=BO)
    keyboard = [[{"text": each.label, "callback_data": each.data} for each in card.buttons]]
    preview = desk.message(card.text, by=99) | {"reply_markup": {"inline_keyboard": keyboard}}
    assert "was not sent" in await desk.ask(line, by=BO, reply_to=preview)
    assert await rows(desk) == []


async def test_edit_below_a_preview_gives_the_command_back_and_ends_it(desk: Desk) -> None:
    (card,) = await desk.write("/announce club:a, desk:b | We are\nopen.", by=BO)
    pressed = await desk.press(card, "Edit", by=BO)
    assert pressed.card is not None and pressed.card.text.startswith("Nothing was sent.") and not pressed.card.buttons
    assert [each.text for each in pressed.answers] == ["/announce club:a, desk:b | We are\nopen."]
    assert (await desk.press(card, "Send", by=BO)).toast == "This was decided already."
    assert await rows(desk) == []
    (again,) = await desk.write(pressed.answers[0].text, by=BO)
    assert again.text == card.text


async def test_what_was_sent_can_be_deleted_when_it_is_over_after_one_more_question(desk: Desk) -> None:
    await sends(desk, "club:a", "club:b")
    await goes_out(desk)
    report = await running(desk)
    assert [button.label for button in report.buttons] == ["Delete"]
    (asked,) = (await desk.press(report, "Delete", by=BO)).answers
    assert "back at its 2 targets?" in asked.text
    assert desk.line.club.done == []
    await desk.press(asked, "Take back", by=BO)
    await desk.line.rests()
    assert sorted(desk.line.club.done) == ["delete c1", "delete c2"]
    assert (await running(desk)).buttons == ()
    assert "taken back already" in (await desk.press(report, "Delete", by=BO)).toast


# --- stopped by others


async def test_an_announcement_is_stopped_by_a_reply_of_its_author_or_an_admin_who_reaches_it(desk: Desk) -> None:
    await desk.grant(CY, "operator")
    await sends(desk, *places("club", 3))
    (refused,) = await desk.write("/cancel", by=CY, reply_to=await shown_by(desk))
    assert "Only Bo, who announced it, or an admin may stop announcement 1" in refused.text
    assert await states(desk) == ["queued"] * 3
    await desk.grant(CY, "admin")
    stopped = await desk.ask("/cancel", by=CY, reply_to=await shown_by(desk))
    assert stopped == "Announcement 1 is stopped: 3 deliveries not sent."
    assert await states(desk) == ["cancelled"] * 3
    assert "cannot be stopped" in await desk.ask("/cancel", by=BO, reply_to=await shown_by(desk))


async def test_an_author_without_a_role_stops_nothing_any_more(desk: Desk) -> None:
    await sends(desk, "club:a", "desk:b")
    await desk.line.store.write(lambda tx: tx.roles.revoke(str(BO)))
    await desk.write("/cancel", by=BO, reply_to=await shown_by(desk))
    assert await states(desk) == ["queued", "queued"]


# --- held, and other words since


async def in_doubt(desk: Desk) -> int:
    """Bo sent something by hand of which nobody knows whether it arrived, and edited it; returns its number."""
    desk.line.club.refuses["old"] = Garbled("the answer was lost")
    await desk.line.engine.start()
    message = desk.message("/send club:a old words", by=BO)
    await desk.takes(message)
    await desk.line.rests()
    said = await desk.ask("/edit new words", by=BO, reply_to=message)
    assert said == (
        "Not at club:a: it may have arrived there, or not; decide first (/held): it goes out with these words if it is"
        " sent again."
    )
    desk.line.club.refuses.clear()
    (row,) = await desk.line.rows("club:a")
    return row.id


@pytest.mark.parametrize("line", ["/show {}", "/held", "/history club:a"])
async def test_what_may_have_arrived_is_shown_with_what_it_was_changed_to(desk: Desk, line: str) -> None:
    id = await in_doubt(desk)
    shown = await desk.ask(line.format(id), by=BO)
    assert "old words" in shown.partition("eanwhile changed to")[0]
    assert "new words" in shown.partition("eanwhile changed to")[2]


@pytest.mark.parametrize(
    ("label", "stands", "goes"),
    [
        ("Send again", "new words", ["new words"]),
        ("It arrived", "old words", ["✏️ edited “old words”:\nnew words"]),
        ("Drop", "old words", []),
    ],
)
async def test_a_decision_about_what_was_changed_meanwhile(
    desk: Desk, label: str, stands: str, goes: list[str]
) -> None:
    id = await in_doubt(desk)
    (card,) = [each for each in await desk.answers() if "may have arrived, or not:" in each.text]
    await desk.press(card, label, by=BO)
    await desk.line.rests()
    row = next(row for row in await desk.line.rows("club:a") if row.id == id)
    assert Message.model_validate_json(row.payload).text == stands and row.intact
    assert desk.line.club.texts == goes


async def test_what_never_arrived_is_not_said_to_be_taken_back(desk: Desk) -> None:
    desk.line.club.refuses["old"] = Refused("no")
    await desk.line.engine.start()
    message = desk.message("/send club:a old words", by=BO)
    await desk.takes(message)
    await desk.line.rests()
    edited = await desk.ask("/edit older words", by=BO, reply_to=message)
    assert edited == "Not at club:a: it never arrived there; it goes out with these words if it is sent again (/retry)."
    assert (
        await desk.ask("/undo", by=BO, reply_to=message)
        == "Not at club:a: it was never there, and is not sent any more."
    )
    assert [row.state for row in await desk.line.rows("club:a")] == ["discarded"]
    assert await desk.ask("/undo", by=BO, reply_to=message) == "It was taken back already."
