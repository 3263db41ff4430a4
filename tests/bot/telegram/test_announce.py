"""/announce: what is shown before, what the buttons do, who may press them, and what goes out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bot.broadcast_report import STOP, report, tally
from bot.broadcaster import Broadcaster
from bot.cards import deal
from bot.store import Tx
from bot.store.balance import balance
from bot.store.outbox import Delivery
from bot.telegram.announcing import RUNNING, Announcing
from bridges.errors import Refused, Unavailable
from bridges.model import Message
from tests.bot.telegram.desk import BO, CY, NEWS, OPS, Answer, Desk, a_desk

PHOTO = {"file_id": "f", "file_unique_id": "u", "width": 1, "height": 1, "file_size": 10}
TWO = "/announce club:a, desk:b | We are open."


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with a_desk(tmp_path) as made:
        await made.grant(BO, "operator")
        made.broadcaster = Broadcaster(  # type: ignore[attr-defined]
            store=made.line.store, accounts=made.line.relay.accounts, clock=made.line.clock, monotonic=made.line.clock
        )
        yield made
        await made.line.engine.stop(grace_s=1)


async def rows(desk: Desk) -> list[Delivery]:
    found = await desk.line.store.read(lambda tx: tx.outbox.list())
    return [row for row in found if row.broadcast is not None]


async def states(desk: Desk) -> list[str]:
    return [row.state for row in await rows(desk)]


async def turns(desk: Desk, *, seconds: float = 1.0) -> None:
    """Time passes and the broadcaster has its turns."""
    await desk.line.later(seconds)
    await desk.broadcaster.turn()  # type: ignore[attr-defined]


async def goes_out(desk: Desk, *, within: int = 400) -> None:
    """Everything that can be sent is."""
    await desk.line.engine.start()
    for _ in range(within):
        await turns(desk, seconds=0.1)
        await desk.line.rests()
        if not await desk.line.store.read(
            lambda tx: [row for row in tx.outbox.list(states=("queued", "sending")) if row.parked]
        ):
            return
    raise AssertionError("it did not come to an end")


async def told(desk: Desk, number: int = 1) -> str:
    def read(tx: Tx) -> str:
        broadcast = tx.broadcasts.get(number)
        assert broadcast is not None
        return report(tx, desk.line.relay, broadcast, tally(tx.broadcasts.standings(number))).text

    return await desk.line.store.read(read)


async def running(desk: Desk, number: int = 1, *, person: int = BO) -> Answer:
    """The message that shows the progress, with its buttons as they are now."""
    clock = desk.line.clock
    showing = Announcing(
        store=desk.line.store,
        bot=None,  # type: ignore[arg-type]
        relay=desk.line.relay,
        clock=clock,
        monotonic=clock,
    )

    def read(tx: Tx) -> Answer:
        broadcast = tx.broadcasts.get(number)
        assert broadcast is not None
        showing._watch(broadcast, now=desk.line.clock())
        (due,) = showing._due(tx, [number], now=desk.line.clock())
        return Answer(due.report.text, due.buttons, str(OPS), 0)

    return await desk.line.store.write(read)


async def test_what_is_to_be_sent_is_shown_first_with_its_words_and_the_number_of_targets(desk: Desk) -> None:
    (card,) = await desk.write(TWO, by=BO)
    assert "We are open." in card.text
    assert "2 targets" in card.text
    assert [button.label for button in card.buttons] == ["Send", "Schedule", "Edit", "Cancel"]
    assert await rows(desk) == []


async def test_send_sends_to_each_target_once(desk: Desk) -> None:
    (card,) = await desk.write(TWO, by=BO)
    pressed = await desk.press(card, "Send", by=BO)
    assert pressed.toast == "Sending to 2 targets."
    assert (await desk.press(card, "Send", by=BO)).toast == "This was decided already."
    await goes_out(desk)
    assert (desk.line.club.texts, desk.line.desk.texts) == (["We are open."], ["We are open."])
    assert await states(desk) == ["sent", "sent"]
    assert (await desk.line.store.read(balance))["balanced"]


async def test_what_goes_out_keeps_its_formatting_and_the_answered_files(desk: Desk) -> None:
    bold = {"type": "bold", "offset": 20, "length": 4}
    command = {"type": "bot_command", "offset": 0, "length": 9}
    picture = desk.message("", by=CY) | {"photo": [PHOTO], "caption": "look"}
    picture.pop("text")
    (card,) = await desk.write("/announce club:a | open now", by=BO, entities=[command, bold], reply_to=picture)
    await desk.press(card, "Send", by=BO)
    await goes_out(desk)
    message = desk.line.club.sent[0].message
    assert message.text.startswith("open now")
    assert len(await rows(desk)) == 1
    kept = Message.model_validate_json((await rows(desk))[0].payload)
    assert "look" not in kept.text


async def test_schedule_asks_when_and_the_card_cannot_be_sent_as_well(desk: Desk) -> None:
    (card,) = await desk.write(TWO, by=BO)
    pressed = await desk.press(card, "Schedule", by=BO)
    assert pressed.card is not None and "When is it sent?" in pressed.card.text
    assert (await desk.press(card, "Send", by=BO)).toast == "This was decided already."
    assert await rows(desk) == []


async def test_cancel_sends_nothing(desk: Desk) -> None:
    (card,) = await desk.write(TWO, by=BO)
    pressed = await desk.press(card, "Cancel", by=BO)
    assert pressed.card is not None and pressed.card.text == "Cancelled: nothing was sent."
    assert (await desk.press(card, "Send", by=BO)).toast == "This was decided already."
    assert await rows(desk) == []


async def test_only_who_asked_may_send_and_only_for_a_while_and_with_the_role(desk: Desk) -> None:
    await desk.grant(CY, "owner")
    (card,) = await desk.write(TWO, by=BO)
    assert (await desk.press(card, "Send", by=CY)).toast == "Only the person who asked for this may press here."
    await desk.line.store.write(lambda tx: tx.roles.revoke(str(BO)))
    assert "needs the role operator" in (await desk.press(card, "Send", by=BO)).toast
    await desk.grant(BO, "operator")
    desk.line.clock.at += 901
    assert (await desk.press(card, "Send", by=BO)).toast.startswith("Too late")
    assert await rows(desk) == []


async def test_an_audience_that_changed_since_is_shown_again_and_nothing_is_sent(desk: Desk) -> None:
    await desk.write("/audience add shops club:a desk:b")
    (card,) = await desk.write("/announce @shops | hi", by=BO)
    await desk.write("/audience add shops club:c")
    pressed = await desk.press(card, "Send", by=BO)
    assert pressed.toast == "It has changed meanwhile: look again."
    assert await rows(desk) == []
    (again,) = pressed.answers
    assert "3 targets" in again.text
    assert (await desk.press(again, "Send", by=BO)).toast == "Sending to 3 targets."


@pytest.mark.parametrize("line", [f"/announce telegram:{NEWS} | hi", f"/announce club:a, telegram:{NEWS}/4 | hi"])
async def test_a_role_for_one_chat_does_not_reach_into_others(desk: Desk, line: str) -> None:
    await desk.grant(CY, "operator", chat=OPS)
    answer = await desk.ask(line, by=CY)
    assert "counts in this chat only" in answer
    (card,) = await desk.write(f"/announce telegram:{OPS}, club:a | hi", by=CY)
    assert (await desk.press(card, "Send", by=CY)).toast == "Sending to 2 targets."


async def test_a_role_that_was_narrowed_since_does_not_reach_further_at_the_press(desk: Desk) -> None:
    (card,) = await desk.write(f"/announce telegram:{NEWS} | hi", by=BO)
    await desk.line.store.write(lambda tx: tx.roles.revoke(str(BO)))
    await desk.grant(BO, "operator", chat=OPS)
    assert "counts in this chat only" in (await desk.press(card, "Send", by=BO)).toast
    assert await rows(desk) == []


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("/announce club:a no bar", "|"),
        ("/announce club:a |", "nothing to announce"),
        ("/announce nowhere:a | hi", "no account 'nowhere'"),
        ("/announce @nobody | hi", "nobody"),
    ],
)
async def test_a_wrong_announcement_is_answered_with_what_is_wrong_and_an_example(
    desk: Desk, line: str, told: str
) -> None:
    answer = await desk.ask(line, by=BO)
    assert told in answer
    assert "/announce" in answer


async def sends(desk: Desk, *targets: str, text: str = "hi") -> None:
    (card,) = await desk.write(f"/announce {', '.join(targets)} | {text}", by=BO)
    assert (
        await desk.press(card, "Send", by=BO)
    ).toast == f"Sending to {len(targets)} target{'s' if len(targets) > 1 else ''}."


def places(account: str, number: int) -> list[str]:
    return [f"{account}:p{n}" for n in range(number)]


async def test_at_most_two_places_of_an_account_are_let_go_at_once(desk: Desk) -> None:
    await sends(desk, *places("club", 10), *places("desk", 10))
    for _ in range(20):
        await turns(desk)
    let_go = [row.account for row in await rows(desk) if not row.parked]
    assert sorted(let_go) == ["club", "club", "desk", "desk"]


async def test_no_account_has_all_the_pace(desk: Desk) -> None:
    await sends(desk, *places("club", 10), *places("desk", 10), *(f"telegram:-2{n}" for n in range(10)))
    await desk.line.engine.start()
    for _ in range(6):
        await turns(desk, seconds=0.1)
        await desk.line.rests()
    let_go = [row.account for row in await rows(desk) if not row.parked]
    assert {let_go.count(account) for account in ("club", "desk", "telegram")} <= {4, 5}


async def test_the_parts_of_one_message_are_let_go_together(desk: Desk) -> None:
    await sends(desk, *places("club", 5), text="word " * 500)
    await turns(desk)
    let_go = [(row.conversation, row.part) for row in await rows(desk) if not row.parked]
    assert let_go == [(place, part) for place in ("p0", "p1") for part in (1, 2, 3)]


async def test_stop_sends_nothing_that_has_not_begun(desk: Desk) -> None:
    await sends(desk, *places("club", 20), *places("desk", 20))
    await desk.line.engine.start()
    for _ in range(6):
        await turns(desk, seconds=0.1)
        await desk.line.rests()
    await turns(desk, seconds=0.1)
    before = len(desk.line.club.sent) + len(desk.line.desk.sent)
    pressed = await desk.press(await running(desk), "Stop", by=BO)
    assert pressed.toast.startswith("Stopped.")
    for _ in range(20):
        await turns(desk)
        await desk.line.rests()
    after = len(desk.line.club.sent) + len(desk.line.desk.sent)
    assert before > 0 and after - before <= 4
    found = await states(desk)
    assert (found.count("sent"), found.count("cancelled")) == (after, 40 - after)
    assert (await desk.line.store.read(balance))["balanced"]
    assert f"{after} sent, 0 failed, {40 - after} cancelled" in await told(desk)


async def test_pause_lets_nothing_more_go_and_resume_goes_on(desk: Desk) -> None:
    await sends(desk, *places("club", 10))
    await turns(desk)
    await desk.press(await running(desk), "Pause", by=BO)
    for _ in range(5):
        await turns(desk)
    assert all(row.parked for row in await rows(desk))
    assert "paused" in await told(desk)
    await desk.press(await running(desk), "Resume", by=BO)
    await goes_out(desk)
    assert len(desk.line.club.sent) == 10


async def test_what_was_paused_for_days_is_not_too_old_when_it_goes_on(desk: Desk) -> None:
    await sends(desk, *places("club", 3))
    await desk.press(await running(desk), "Pause", by=BO)
    desk.line.clock.at += 5 * 86400
    await desk.press(await running(desk), "Resume", by=BO)
    await goes_out(desk)
    assert await states(desk) == ["sent"] * 3


async def test_the_buttons_of_one_that_goes_on_are_the_asking_persons_alone(desk: Desk) -> None:
    await desk.grant(CY, "owner")
    await sends(desk, *places("club", 3))
    card = await running(desk)
    assert (await desk.press(card, "Stop", by=CY)).toast == "Only the person who asked for this may press here."
    assert (await desk.press(card, "Stop", by=BO)).toast.startswith("Stopped.")
    assert "was stopped and cannot be stopped" in (await desk.press(card, "Stop", by=BO)).toast


async def test_a_target_that_refuses_is_dead_alone_and_the_report_says_why(desk: Desk) -> None:
    desk.line.club.refuses["hi"] = Refused("the room is closed")
    await sends(desk, "club:a", "club:b", "desk:c")
    await goes_out(desk)
    assert sorted(await states(desk)) == ["dead", "dead", "sent"]
    text = await told(desk)
    assert "1 sent, 2 failed." in text
    assert "2 × the room is closed: club:a, club:b." in text


async def test_failures_raise_no_alarm_of_their_own(desk: Desk) -> None:
    desk.line.club.refuses["hi"] = Refused("no")
    await sends(desk, *places("club", 3))
    await goes_out(desk)
    assert desk.line.owner_hears == []
    assert [answer.text for answer in await desk.answers() if "Not sent" in answer.text] == []


async def test_what_failed_is_tried_again_once_for_each_press(desk: Desk) -> None:
    desk.line.club.refuses["hi"] = Refused("no")
    await sends(desk, "club:a", "desk:b")
    await goes_out(desk)
    card = await running(desk)
    assert [button.label for button in card.buttons] == ["Retry failed", "Delete"]
    pressed = await desk.press(card, "Retry failed", by=BO)
    assert pressed.toast == "Sending again to 1 target."
    assert (await desk.press(card, "Retry failed", by=BO)).toast == "This was decided already."
    await goes_out(desk)
    again = await running(desk)
    assert again.button("Retry failed").data != card.button("Retry failed").data
    desk.line.club.refuses.clear()
    await desk.press(again, "Retry failed", by=BO)
    await goes_out(desk)
    assert await states(desk) == ["sent", "sent"]
    assert len(desk.line.desk.sent) == 1


async def test_stop_and_delete_takes_back_what_was_sent_and_says_where_it_cannot(tmp_path: Path) -> None:
    async with a_desk(tmp_path, deletes=True) as desk:
        await desk.grant(BO, "operator")
        desk.broadcaster = Broadcaster(  # type: ignore[attr-defined]
            store=desk.line.store, accounts=desk.line.relay.accounts, clock=desk.line.clock, monotonic=desk.line.clock
        )
        await sends(desk, "club:a", "desk:b", *(f"desk:x{n}" for n in range(3)))
        await desk.line.engine.start()
        await turns(desk)
        await desk.line.rests()
        pressed = await desk.press(await running(desk), "Stop and delete", by=BO)
        assert pressed.toast.startswith("Stopped. What was sent is being deleted at 1 ")
        await desk.line.rests()
        assert desk.line.club.done == ["delete c1"]
        text = await told(desk)
        assert "1 deleted" in text
        assert "desk: " in text and "has no way to take a message back" in text
        assert (await desk.line.store.read(balance))["balanced"]
        await desk.line.engine.stop(grace_s=1)


async def test_an_account_that_is_away_holds_up_nobody_else_and_is_named(desk: Desk) -> None:
    desk.line.desk.error = Unavailable("nobody answers")
    await sends(desk, *places("club", 20), *places("desk", 20))
    await desk.line.engine.start()
    for _ in range(40):
        await turns(desk, seconds=0.2)
        await desk.line.rests()
    assert len(desk.line.club.sent) == 20
    text = await told(desk)
    assert "20 sent, 0 failed, 20 left" in text
    assert "20 wait for desk: it does not take messages just now (nobody answers)." in text
    let_go = [row for row in await rows(desk) if row.account == "desk" and not row.parked]
    assert len(let_go) <= 4


async def test_what_waits_for_an_account_goes_when_it_is_back(desk: Desk) -> None:
    desk.line.desk.error = Unavailable("nobody answers")
    await sends(desk, *places("desk", 10))
    await desk.line.engine.start()
    for _ in range(10):
        await turns(desk)
        await desk.line.rests()
    desk.line.desk.error = None
    for _ in range(60):
        await turns(desk)
        await desk.line.rests()
    assert len(desk.line.desk.sent) == 10
    assert await states(desk) == ["sent"] * 10
    assert "10 sent, 0 failed." in await told(desk)


async def test_a_paused_account_is_given_nothing(desk: Desk) -> None:
    await desk.line.store.write(lambda tx: tx.accounts.pause("club", reason="the token is refused", now=0.0))
    await sends(desk, *places("club", 3), "desk:a")
    for _ in range(5):
        await turns(desk)
    assert [row.address for row in await rows(desk) if not row.parked] == ["desk:a"]
    assert "3 wait for club: it is paused (the token is refused)." in await told(desk)


async def test_what_waited_too_long_for_an_account_is_given_up(desk: Desk) -> None:
    desk.line.desk.error = Unavailable("nobody answers")
    await sends(desk, *places("desk", 5))
    await desk.line.engine.start()
    for _ in range(60):
        await turns(desk, seconds=3600.0)
        await desk.line.rests()
    assert await states(desk) == ["dead"] * 5


async def test_what_is_taken_back_before_it_was_let_go_is_never_sent(desk: Desk) -> None:
    command = desk.message("/announce club:a, desk:b | hi", by=BO)
    (card,) = await desk.takes(command)
    await desk.press(card, "Send", by=BO)
    (asked,) = await desk.write("/undo", by=BO, reply_to=command)
    await desk.press(asked, "Take back", by=BO)
    await goes_out(desk)
    assert await states(desk) == ["cancelled", "cancelled"]
    assert (desk.line.club.texts, desk.line.desk.texts) == ([], [])


@pytest.mark.parametrize("text", ["other", "other " * 500])
async def test_what_is_edited_before_it_was_let_go_is_sent_with_its_new_words(desk: Desk, text: str) -> None:
    command = desk.message("/announce club:a | hi", by=BO)
    (card,) = await desk.takes(command)
    await desk.press(card, "Send", by=BO)
    await desk.write(f"/edit {text}", by=BO, reply_to=command)
    await goes_out(desk)
    assert " ".join(desk.line.club.texts).count("other") == text.count("other")
    assert not any("hi" in told for told in desk.line.club.texts)
    assert set(await states(desk)) == {"sent"}


async def test_a_preview_too_long_for_one_message_is_begun_in_messages_before_it(desk: Desk) -> None:
    *before, card = await desk.write("/announce club:a, desk:b | " + "word " * 780, by=BO)
    assert len(before) >= 1
    assert [button.label for button in card.buttons] == ["Send", "Schedule", "Edit", "Cancel"]
    assert (await desk.press(card, "Send", by=BO)).toast == "Sending to 2 targets."


async def test_what_was_stopped_and_deleted_is_not_deleted_twice(desk: Desk) -> None:
    await sends(desk, *places("club", 3))
    card = await running(desk)
    assert (await desk.press(card, "Stop and delete", by=BO)).toast.startswith("Stopped.")
    assert "was taken back already" in (await desk.press(card, "Stop and delete", by=BO)).toast


async def test_an_announcement_to_the_chat_where_it_was_asked_for_is_deleted_there_too(desk: Desk) -> None:
    await sends(desk, f"telegram:{OPS}", *places("club", 10))
    await desk.line.engine.start()
    for _ in range(3):
        await turns(desk)
        await desk.line.rests()
    await desk.press(await running(desk), "Stop and delete", by=BO)
    await desk.line.rests()
    number = 1 + [out.message.text for out in desk.line.telegram.sent].index("hi")
    assert f"delete t{number}" in desk.line.telegram.done


async def test_five_hundred_targets_with_failures_and_an_account_that_is_down_are_counted_exactly(desk: Desk) -> None:
    refused = {f"p{n}" for n in range(0, 200, 10)}
    deliver = desk.line.club.deliver

    def picky(out: Any) -> Any:
        if out.conversation in refused:
            raise Refused("gone")
        return deliver(out)

    desk.line.club.deliver = picky  # type: ignore[method-assign]
    desk.line.desk.error = Unavailable("down")
    rooms = [f"telegram:-2{n:03}" for n in range(150)]
    targets = [*places("club", 200), *places("desk", 150), *rooms]
    await sends(desk, *targets)
    await desk.line.engine.start()
    for _ in range(300):
        await turns(desk, seconds=0.2)
        await desk.line.rests()
    assert "330 sent, 20 failed, 150 left" in await told(desk)
    desk.line.desk.error = None
    for _ in range(300):
        await turns(desk, seconds=0.5)
        await desk.line.rests()
    assert "480 sent, 20 failed." in await told(desk)
    groups = [out for out in desk.line.telegram.sent if out.message.text == "hi"]
    arrived = [
        f"{name}:{out.conversation}"
        for name, outs in (("club", desk.line.club.sent), ("desk", desk.line.desk.sent), ("telegram", groups))
        for out in outs
    ]
    assert sorted(arrived) == sorted(set(targets) - {f"club:{place}" for place in refused})
    counted = await desk.line.store.read(balance)
    assert counted["balanced"]


async def test_a_preview_pings_nobody_and_what_is_sent_is_as_it_was_written(desk: Desk) -> None:
    (card,) = await desk.write("/announce club:a, club:b | Ask @bob_smith about it", by=BO)
    assert "@bob_smith" not in card.text
    assert "bob_smith about it" in card.text
    assert (await desk.press(card, "Send", by=BO)).toast == "Sending to 2 targets."
    assert {Message.model_validate_json(row.payload).text for row in await rows(desk)} == {"Ask @bob_smith about it"}


async def test_whose_role_was_narrowed_since_does_not_stop_what_goes_to_other_chats(desk: Desk) -> None:
    (card,) = await desk.write(f"/announce telegram:{NEWS}, club:a | hi", by=BO)
    await desk.press(card, "Send", by=BO)
    (number,) = {row.broadcast for row in await rows(desk)}

    def progress(tx: Tx) -> str:
        (button,) = deal(
            tx, RUNNING, [("Stop", STOP)], chat=str(OPS), person=BO, subject=number, now=1.0, expires_s=None
        )
        return button.data

    data = await desk.line.store.write(progress)
    await desk.line.store.write(lambda tx: tx.roles.revoke(str(BO)))
    await desk.grant(BO, "operator", chat=OPS)
    toast = (await desk.press_data(card, data, by=BO)).toast
    assert "counts in this chat only" in toast
    assert str(NEWS) not in toast
    assert "cancelled" not in await states(desk)
