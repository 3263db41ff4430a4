"""/schedule and /schedules: what is understood and echoed, asked about and done, and who may see and press what."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import pytest

from bot.addresses import parse_address
from bot.firing import Firing, SchedulePolicy
from bot.schedule_notes import tell_untold, warn
from bot.store import Tx
from bot.store.schedules import Schedule
from bot.telegram.albums import keep_pictures
from bot.telegram.inbound import pictures_of, received
from bot.telegram.outbound import CAPABILITIES
from bot.week import WIDTH
from bot.weeks import OWNER, WeekPictures
from bridges.model import Attachment, Message, SpanKind
from tests.bot.telegram.desk import ANN, BO, CY, NEWS, OPS, TALK, Answer, Desk
from tests.bot.telegram.scratch import a_scratch_desk

T = TypeVar("T")
PHOTO = {"file_id": "f", "file_unique_id": "u", "width": 1, "height": 1, "file_size": 10}
ONE = "/schedule every mon,thu at 9:30 | club:a | We are open."
NINE = 1_800_003_600.0
"""When what is at 9:00 is due."""
TWO = "/schedule every day at 9:00 | club:a, desk:b | We are open."


@pytest.fixture
async def desk() -> Desk:
    """Ann is an owner, Bo an operator everywhere; it is Friday 2027-01-15 08:00 UTC."""
    made, _ = a_scratch_desk()
    await made.grant(BO, "operator")
    return made


async def read(desk: Desk, question: Callable[[Tx], T]) -> T:
    return await desk.line.store.read(question)


async def schedule(desk: Desk, id: int = 1) -> Schedule:
    found = await read(desk, lambda tx: tx.schedules.get(id))
    assert found is not None
    return found


async def sends(desk: Desk) -> list[str]:
    """What was put into the outbox by schedules: address and words."""
    rows = await desk.line.rows()
    return [f"{row.address}: {Message.model_validate_json(row.payload).text}" for row in rows]


async def one(desk: Desk, line: str, *, by: int = BO, **more: Any) -> Answer:
    (answer,) = await desk.write(line, by=by, **more)
    return answer


async def made(desk: Desk, line: str, *, by: int = BO, **more: Any) -> int:
    """Its number, once it is scheduled."""
    answers = await desk.write(line, by=by, **more)
    asked = next((each for each in answers if any(b.label == "Schedule" for b in each.buttons)), None)
    if asked is not None:
        await desk.press(asked, "Schedule", by=by)
    return int(await read(desk, lambda tx: tx.db.execute("SELECT MAX(id) FROM schedules").fetchone()[0]))


def labels(answer: Answer) -> list[str]:
    return [button.label for button in answer.buttons]


def approving(desk: Desk, *, over: int = 0, approvals: int = 1) -> None:
    """From now on schedules to more targets than that need approvals."""
    firing = Firing(desk.line.relay, SchedulePolicy("UTC", approval_over=over, approvals=approvals))
    desk.services = replace(desk.services, firing=firing)


# --- one target: at once


async def test_one_target_is_scheduled_at_once_and_echoed_with_its_number_and_undo(desk: Desk) -> None:
    answer = await one(desk, ONE)
    assert answer.text == (
        "Schedule 1 is set.\n"
        "every mon,thu at 09:30 UTC\n"
        "Next: Mon 2027-01-18 09:30 UTC, in 3 days 2 hours\n"
        "Then: Thu 2027-01-21 09:30 UTC\n"
        "Then: Mon 2027-01-25 09:30 UTC\n"
        "To 1 target: club:a\n"
        "\n"
        "We are open."
    )
    assert labels(answer) == ["Undo"]
    kept = await schedule(desk)
    assert (kept.state, kept.rule, kept.chat, kept.person) == (
        "on", "every mon,thu at 09:30 UTC", f"telegram:{OPS}", str(BO)
    )  # fmt: skip
    assert await sends(desk) == []


async def test_instants_are_shown_so_that_each_reader_sees_their_own_zone(desk: Desk) -> None:
    desk.line.telegram.capabilities = CAPABILITIES
    await one(desk, ONE)
    payload = await read(desk, lambda tx: tx.db.execute("SELECT payload FROM outbox ORDER BY id DESC").fetchone()[0])
    message = Message.model_validate_json(payload)
    times = [(message.text[s.start : s.start + s.length], s.value) for s in message.spans if s.kind is SpanKind.TIME]
    assert times[0] == ("Mon 2027-01-18 09:30 UTC", "1800264600")
    assert len(times) == 3


async def test_times_are_those_of_the_chat_unless_a_zone_follows(desk: Desk) -> None:
    await desk.write("/timezone Europe/Paris")
    assert "Sat 2027-01-16 09:00 Europe/Paris" in (await one(desk, "/schedule tomorrow 9:00 | club:a | hi")).text
    assert (
        "Sat 2027-01-16 09:00 Asia/Kathmandu"
        in (await one(desk, "/schedule tomorrow 9:00 Asia/Kathmandu | club:a | hi")).text
    )


async def test_undo_removes_it_while_nothing_was_sent(desk: Desk) -> None:
    answer = await one(desk, ONE)
    pressed = await desk.press(answer, "Undo", by=CY)
    assert "Only the person who asked" in pressed.toast
    pressed = await desk.press(answer, "Undo", by=BO)
    assert pressed.card is not None
    assert pressed.card.text == "Undone: schedule 1 is removed. Nothing of it was sent."
    assert (await schedule(desk)).state == "removed"


async def test_undo_says_so_when_something_was_sent(desk: Desk) -> None:
    answer = await one(desk, ONE)
    await desk.write("/schedule now 1", by=BO)
    await desk.line.store.write(lambda tx: tx.db.execute("UPDATE outbox SET state = 'sent' WHERE account = 'club'"))
    assert "was sent already; /schedule remove 1 ends it" in (await desk.press(answer, "Undo", by=BO)).toast
    assert (await schedule(desk)).state == "on"


async def test_undo_and_removal_call_off_what_waits_and_say_how_much(desk: Desk) -> None:
    answer = await one(desk, ONE)
    await desk.write("/schedule now 1", by=BO)
    card = (await desk.press(answer, "Undo", by=BO)).card
    assert card is not None and card.text == (
        "Undone: schedule 1 is removed. What waited to be sent to 1 target is called off. Nothing of it was sent."
    )
    await one(desk, ONE)
    await desk.write("/schedule now 2", by=BO)
    gone = await one(desk, "/schedule remove 2")
    assert gone.text.endswith("nothing of it is sent any more. What waited to be sent to 1 target is called off.")
    back = (await desk.press(gone, "Undo", by=BO)).card
    assert back is not None and "What was called off is not sent." in back.text
    states = [row.state for row in await desk.line.rows() if row.account == "club"]
    assert states == ["cancelled", "cancelled"]


async def test_the_button_that_pauses_says_what_it_calls_off(desk: Desk) -> None:
    await one(desk, ONE)
    await desk.write("/schedule now 1", by=BO)
    pressed = await desk.press(await one(desk, "/schedule show 1"), "Pause", by=BO)
    assert pressed.toast == "It is paused. What waited to be sent to 1 target is called off."


async def test_formatting_and_lines_of_buttons_go_along(desk: Desk) -> None:
    line = "/schedule tomorrow 9:00 | club:a | Doors open\n[Tickets](https://example.org) [Map](https://example.net)"
    message = desk.message(line, by=BO)
    message["entities"].append({"type": "bold", "offset": line.index("Doors"), "length": 5})
    await desk.takes(message)
    kept = Message.model_validate_json((await schedule(desk)).message)
    assert kept.text == "Doors open"
    assert [(span.kind, span.start, span.length) for span in kept.spans] == [(SpanKind.BOLD, 0, 5)]
    assert [(link.label, link.url, link.beside) for link in kept.links] == [
        ("Tickets", "https://example.org", False), ("Map", "https://example.net", True)
    ]  # fmt: skip


@pytest.mark.parametrize(("words", "text"), [("", "the caption"), (" |", "the caption"), (" | my own", "my own")])
async def test_as_a_reply_its_files_go_along_with_its_words_or_ones_own(desk: Desk, words: str, text: str) -> None:
    photo = desk.message("", chat=OPS, photo=[PHOTO], caption="the caption")
    del photo["text"]
    await desk.write(f"/schedule tomorrow 9:00 | club:a{words}", by=BO, reply_to=photo)
    kept = Message.model_validate_json((await schedule(desk)).message)
    assert (kept.text, [file.kind for file in kept.attachments]) == (text, ["image"])


@pytest.mark.parametrize(("words", "text"), [("", "a day out"), (" |", "a day out"), (" | my own", "my own")])
async def test_as_a_reply_to_a_picture_of_an_album_all_of_it_goes_along_to_several(
    desk: Desk, words: str, text: str
) -> None:
    pictures = [
        desk.message("", chat=OPS, media_group_id="g", caption=caption, photo=[PHOTO | {"file_id": caption}])
        for caption in ("a day out", "")
    ]
    for picture in pictures:
        del picture["text"]
    first, second = (desk._update({"message": picture}) for picture in pictures)
    album = [update.message for update in (first, second) if update.message is not None]
    event = received(first, album)
    assert event is not None

    def keep(tx: Tx) -> None:
        desk.line.relay.keep(tx, parse_address(f"telegram:{OPS}"), event)
        keep_pictures(tx, event, pictures_of(album))

    await desk.line.store.write(keep)
    card = (await desk.write(f"/schedule in 8s | here, club:a{words}", by=BO, reply_to=pictures[1]))[-1]
    assert labels(card) == ["Schedule", "Edit", "Cancel"]
    await desk.press(card, "Schedule", by=BO)
    kept = Message.model_validate_json((await schedule(desk)).message)
    assert (kept.text, [file.kind for file in kept.attachments]) == (text, ["image", "image"])


# --- what is wrong


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("2020-01-01 9:00 | club:a | hi", "past"),
        ("at 9:00 Mars/Phobos | club:a | hi", "Mars/Phobos"),
        ("2027-02-30 9:00 | club:a | hi", "30"),
        ("cron 0 0 30 2 * | club:a | hi", "cron"),
        ("whenever | club:a | hi", "whenever"),
        ("tomorrow 9:00 | nobody:x | hi", "nobody"),
        ("tomorrow 9:00 | @nobody | hi", "there is no audience “@nobody”"),
        ("tomorrow 9:00 | club:a | {nonsense}", "There is no placeholder “{nonsense}”"),
        ("tomorrow 9:00 | club:a |", "The text is missing: write it after a second |, or reply to"),
        ("tomorrow 9:00 | | hi", "needed"),
        ("tomorrow 9:00 | club:a", "The text is missing: write it after a second |, or reply to"),
        ("tomorrow 9:00", "Say where it goes and what is sent: tomorrow 9:00 | targets | text"),
        ("tomorrow 9:00 colour=red | club:a | hi", "there is no option “colour”"),
        ("tomorrow 9:00 | club:a | hi\n[Tickets](nonsense)", "opens nothing"),
    ],
)
async def test_what_is_wrong_is_answered_with_the_reason_and_an_example(desk: Desk, line: str, words: str) -> None:
    text = (await one(desk, f"/schedule {line}")).text
    assert words.lower() in text.lower()
    # What is wrong with the time has its example in the sentence, and needs no other.
    example = "\nExample: /schedule tomorrow 9:00 | here | We are open again."
    assert text.endswith(example) != (" as in " in text.splitlines()[-1])
    assert await read(desk, lambda tx: tx.schedules.count()) == 0


async def test_a_name_is_there_once(desk: Desk) -> None:
    await made(desk, "/schedule tomorrow 9:00 name=doors | club:a | hi")
    text = (await one(desk, "/schedule tomorrow 9:00 name=Doors | club:a | hi")).text
    assert "the name Doors is taken already" in text.replace("The", "the")


async def test_what_may_mean_several_things_is_asked_back_and_the_rest_is_kept(desk: Desk) -> None:
    photo = desk.message("", chat=OPS, photo=[PHOTO])
    del photo["text"]
    asked = await one(desk, "/schedule every day at 9 silent=yes | club:a | hi", reply_to=photo)
    assert labels(asked) == ["9:00", "21:00", "Cancel"]
    assert "Only the person who asked" in (await desk.press(asked, "21:00", by=CY)).toast
    pressed = await desk.press(asked, "21:00", by=BO)
    assert pressed.card is not None
    assert "Schedule 1 is set.\nevery day at 21:00 UTC silent=yes\n" in pressed.card.text
    assert labels(pressed.card) == ["Undo"]
    kept = Message.model_validate_json((await schedule(desk)).message)
    assert (kept.text, len(kept.attachments)) == ("hi", 1)


async def test_what_was_asked_back_can_be_left(desk: Desk) -> None:
    asked = await one(desk, "/schedule next friday 9:00 | club:a | hi")
    pressed = await desk.press(asked, "Cancel", by=BO)
    assert pressed.card is not None
    assert pressed.card.text == "Cancelled: nothing was changed."
    assert await read(desk, lambda tx: tx.schedules.count()) == 0


# --- several targets: asked


async def test_several_targets_are_asked_about_with_exactly_what_would_be_sent(desk: Desk) -> None:
    card = await one(desk, TWO.replace("We are open.", "It is {date}."))
    assert labels(card) == ["Schedule", "Edit", "Cancel"]
    assert "To be sent to 2 targets:\n\nIt is Fri 2027-01-15.\n" in card.text
    assert "every day at 09:00 UTC\nNext: Fri 2027-01-15 09:00 UTC, in 1 hour" in card.text
    assert await read(desk, lambda tx: tx.schedules.count()) == 0
    pressed = await desk.press(card, "Schedule", by=BO)
    assert pressed.card is not None
    assert pressed.card.text.startswith("Schedule 1 is set.\nevery day at 09:00 UTC\n")
    assert labels(pressed.card) == ["Undo"]
    assert (await desk.press(card, "Schedule", by=BO)).toast == "This was decided already."


async def test_an_audience_is_asked_about_even_with_one_member(desk: Desk) -> None:
    await desk.write("/audience add all club:a")
    assert labels(await one(desk, "/schedule tomorrow 9:00 | @all | hi")) == ["Schedule", "Edit", "Cancel"]


async def test_a_question_too_long_for_one_message_is_begun_in_messages_before_it(desk: Desk) -> None:
    *before, card = await desk.write(TWO + " word" * 780, by=BO)
    assert len(before) >= 1
    assert (await desk.press(card, "Schedule", by=BO)).toast == "Scheduled."


async def test_what_changed_since_it_was_shown_is_shown_instead_of_done(desk: Desk) -> None:
    await desk.write("/audience add all club:a desk:b")
    card = await one(desk, "/schedule tomorrow 9:00 | @all | hi")
    await desk.write("/audience add all club:c")
    pressed = await desk.press(card, "Schedule", by=BO)
    assert pressed.toast == "It has changed meanwhile: look again."
    assert await read(desk, lambda tx: tx.schedules.count()) == 0
    (again,) = pressed.answers
    assert "3 targets" in again.text
    assert (await desk.press(again, "Schedule", by=BO)).toast == "Scheduled."


async def test_an_interval_counts_from_the_command_and_not_from_the_press(desk: Desk) -> None:
    card = await one(desk, "/schedule every 15m | club:a, desk:b | hi")
    desk.line.clock.at += 60
    await desk.press(card, "Schedule", by=BO)
    desk.line.clock.at -= 60
    assert (await schedule(desk)).next_at == desk.line.clock() + 900


async def test_what_is_past_by_the_time_of_the_press_is_not_scheduled(desk: Desk) -> None:
    card = await one(desk, "/schedule in 5m | club:a, desk:b | hi")
    desk.line.clock.at += 600
    assert "never to come" in (await desk.press(card, "Schedule", by=BO)).toast
    desk.line.clock.at -= 600


async def test_edit_gives_the_command_back_to_be_changed(desk: Desk) -> None:
    card = await one(desk, "/schedule every day at 9:00 name=x | club:a, desk:b | hi\n[Go](https://example.org)")
    pressed = await desk.press(card, "Edit", by=BO)
    (line,) = pressed.answers
    assert line.text == ("/schedule every day at 09:00 UTC name=x | club:a, desk:b | hi\n[Go](https://example.org)")
    again = await one(desk, line.text)
    assert labels(again) == ["Schedule", "Edit", "Cancel"]


# --- reach


async def test_a_limited_role_schedules_within_its_chat_and_never_reaches_further(desk: Desk) -> None:
    await desk.grant(CY, "operator", chat=OPS)
    refused = await one(desk, f"/schedule tomorrow 9:00 | telegram:{NEWS} | hi", by=CY)
    assert "counts in this chat only" in refused.text
    await made(desk, "/schedule tomorrow 9:00 | here | hi", by=CY)
    assert (await schedule(desk)).reach == f"telegram:{OPS}"


async def test_what_was_made_elsewhere_is_not_known_to_a_limited_role(desk: Desk) -> None:
    await desk.grant(CY, "operator", chat=OPS)
    await made(desk, f"/schedule tomorrow 9:00 name=secret | telegram:{TALK} | hi", chat=NEWS)
    await made(desk, ONE)
    for line in ("show 1", "show secret", "pause 1", "now 1", "remove 1", "edit 1 | | x", "skip 1", "resume 1"):
        text = (await one(desk, f"/schedule {line}", by=CY)).text
        assert text.startswith(f"There is no schedule {line.split()[1]}; there are: 2."), text
    listed = (await one(desk, "/schedules", by=CY)).text
    assert "Schedules: 1." in listed
    assert str(TALK) not in listed
    assert "Schedules: 2." in (await one(desk, "/schedules")).text


async def test_targets_beyond_a_limited_role_are_not_told_and_not_decided_about(desk: Desk) -> None:
    await desk.grant(CY, "operator", chat=OPS)
    await made(desk, f"/schedule every day at 9:00 | club:a, telegram:{NEWS} | hi")
    shown = await one(desk, "/schedule show 1", by=CY)
    assert "To 2 targets: club:a, another chat" in shown.text
    for line in ("pause 1", "now 1", "skip 1", "remove 1", "edit 1 | club:a |"):
        text = (await one(desk, f"/schedule {line}", by=CY)).text
        assert "counts in this chat only" in text, line
        assert str(NEWS) not in text
    assert "counts in this chat only" in (await desk.press(shown, "Pause", by=CY)).toast
    assert (await schedule(desk)).state == "on"


async def test_who_edits_with_a_limited_role_limits_it_and_who_names_its_targets_lifts_that(desk: Desk) -> None:
    await desk.grant(CY, "operator", chat=OPS)
    await made(desk, "/schedule every day at 9:00 | here | hi")
    await desk.write("/schedule edit 1 | | ho", by=CY)
    assert (await schedule(desk)).reach == f"telegram:{OPS}"
    await desk.write("/schedule edit 1 | | hey", by=BO)
    assert (await schedule(desk)).reach == f"telegram:{OPS}"
    await desk.write("/schedule edit 1 | club:a |", by=BO)
    assert (await schedule(desk)).reach == ""


# --- approval


async def test_a_large_one_waits_for_an_admin_who_is_somebody_else(desk: Desk) -> None:
    approving(desk, over=1)
    await desk.grant(CY, "admin")
    card = await one(desk, TWO)
    assert "It waits for the approval of an admin other than you" in card.text
    pressed = await desk.press(card, "Schedule", by=BO)
    (question,) = pressed.answers
    assert labels(question) == ["Approve", "Reject"]
    assert (await schedule(desk)).state == "waits"
    assert "needs the role admin" in (await desk.press(question, "Approve", by=BO)).toast
    await desk.grant(BO, "admin")
    assert "somebody else has to approve" in (await desk.press(question, "Approve", by=BO)).toast.lower()
    assert "/schedule remove 1" in (await desk.press(question, "Reject", by=BO)).toast
    pressed = await desk.press(question, "Approve", by=CY)
    assert pressed.toast == "Approved."
    assert pressed.card is not None
    assert "Schedule 1 is approved by Cy.\nevery day at 09:00 UTC\nNext: Fri 2027-01-15 09:00 UTC" in pressed.card.text
    assert (await schedule(desk)).state == "on"
    assert (await desk.press(question, "Approve", by=CY)).toast == "This was decided already."


async def test_an_admins_own_needs_none_unless_it_says_so(desk: Desk) -> None:
    approving(desk, over=1)
    await made(desk, TWO, by=ANN)
    assert (await schedule(desk, 1)).state == "on"
    (question, echo) = await desk.write("/schedule tomorrow 9:00 approve=1 | club:a | hi", by=ANN)
    assert "waits for an admin's approval" in question.text
    assert "It waits for the approval of an admin other than you" in echo.text
    assert (await schedule(desk, 2)).state == "waits"
    assert "omebody else has to approve" in (await desk.press(question, "Approve", by=ANN)).toast


async def test_two_persons_are_needed_where_two_are(desk: Desk) -> None:
    await desk.grant(CY, "admin")
    (question, _) = await desk.write("/schedule tomorrow 9:00 approve=2 | club:a | hi", by=BO)
    pressed = await desk.press(question, "Approve", by=CY)
    assert pressed.toast == "Approved: 1 of 2."
    assert pressed.card is not None
    assert (await schedule(desk)).state == "waits"
    assert "you have approved of it already" in (await desk.press(pressed.card, "Approve", by=CY)).toast.lower()
    assert (await desk.press(pressed.card, "Approve", by=ANN)).toast == "Approved."
    assert (await schedule(desk)).state == "on"


async def test_a_rejected_one_is_removed_and_said_so(desk: Desk) -> None:
    await desk.grant(CY, "admin")
    (question, _) = await desk.write("/schedule tomorrow 9:00 approve=1 | club:a | hi", by=BO)
    pressed = await desk.press(question, "Reject", by=CY)
    assert pressed.card is not None
    assert "was rejected by Cy" in pressed.card.text
    assert (await schedule(desk)).state == "removed"


async def test_what_was_changed_since_is_not_approved_but_shown(desk: Desk) -> None:
    await desk.grant(CY, "admin")
    (question, _) = await desk.write("/schedule tomorrow 9:00 approve=1 | club:a | hi", by=BO)
    await desk.write("/schedule edit 1 | | something else", by=BO)
    pressed = await desk.press(question, "Approve", by=CY)
    assert pressed.toast == "It has changed meanwhile: look again."
    assert pressed.card is not None
    assert "something else" in pressed.card.text
    assert (await schedule(desk)).state == "waits"
    assert (await desk.press(pressed.card, "Approve", by=CY)).toast == "Approved."


async def test_who_changed_it_does_not_approve_of_that_either(desk: Desk) -> None:
    await desk.grant(CY, "admin")
    await made(desk, ONE)
    (question, _) = await desk.write("/schedule edit 1 approve=1 | |", by=CY)
    assert "omebody else has to approve" in (await desk.press(question, "Approve", by=CY)).toast
    assert (await desk.press(question, "Approve", by=ANN)).toast == "Approved."


async def test_an_admin_of_one_chat_does_not_approve_of_what_goes_to_others(desk: Desk) -> None:
    await desk.grant(CY, "admin", chat=OPS)
    (question, _) = await desk.write(f"/schedule tomorrow 9:00 approve=1 | telegram:{NEWS} | hi", by=BO)
    assert "counts in this chat only" in (await desk.press(question, "Approve", by=CY)).toast
    assert (await schedule(desk)).state == "waits"


# --- lists


async def test_the_list_has_number_name_rule_targets_state_and_what_is_next(desk: Desk) -> None:
    assert "There are no schedules yet" in (await one(desk, "/schedules")).text
    await made(desk, "/schedule every mon at 9:30 name=doors | club:a | hi")
    await made(desk, "/schedule every day at 9:00 approve=1 | club:b | hi")
    await made(desk, "/schedule every day at 9:00 | club:c | hi")
    await desk.write("/schedule pause 3", by=BO)
    await made(desk, "/schedule at 8:30 | club:d, desk:e | Two\nlines")
    lines = (await one(desk, "/schedules")).text.splitlines()
    assert lines[0] == "Schedules: 4."
    assert lines[2:10] == [
        "4 · next Fri 2027-01-15 08:30 UTC",
        "→ club:d, desk:e · “Two”",
        "1 (doors) · next Mon 2027-01-18 09:30 UTC · every mon at 09:30",
        "→ club:a · “hi”",
        "2 · waits for approval, next Fri 2027-01-15 09:00 UTC · every day at 09:00",
        "→ club:b · “hi”",
        "3 · paused, next Fri 2027-01-15 09:00 UTC · every day at 09:00",
        "→ club:c · “hi”",
    ]


async def test_the_list_has_ten_on_a_page(desk: Desk) -> None:
    for number in range(25):
        await desk.write(f"/schedule tomorrow 9:{number:02} | club:{number} | hi", by=BO)
    page = await one(desk, "/schedules")
    assert labels(page) == ["Next"]
    assert "\n10 · next" in page.text
    assert "\n11 · next" not in page.text
    second = (await desk.press(page, "Next", by=BO)).card
    assert second is not None
    assert labels(second) == ["Back", "Next"]
    assert "\n11 · next" in second.text
    third = (await desk.press(second, "Next", by=BO)).card
    assert third is not None
    assert (labels(third), "\n25 · next" in third.text) == (["Back"], True)
    back = (await desk.press(third, "Back", by=BO)).card
    assert back is not None
    assert back.text == second.text


async def test_the_week_is_a_picture_that_is_drawn_when_it_is_fetched(desk: Desk) -> None:
    await made(desk, "/schedule tomorrow 9:00 name=doors | club:a | hi")
    desk.line.telegram.capabilities = CAPABILITIES
    answer = await one(desk, "/schedules week")
    assert "Sat 16 Jan: 09:00 #1 doors" in answer.text
    payload = await read(desk, lambda tx: tx.db.execute("SELECT payload FROM outbox ORDER BY id DESC").fetchone()[0])
    (picture,) = [Attachment.model_validate(each) for each in json.loads(payload)["attachments"]]
    assert (picture.kind, picture.account, picture.media_type) == ("image", OWNER, "image/png")
    file = await WeekPictures(desk.line.store).fetch(picture)  # type: ignore[arg-type]
    with file.open() as opened:
        data = opened.read()
    assert data.startswith(b"\x89PNG")
    assert int.from_bytes(data[16:20], "big") == WIDTH


async def test_the_week_of_a_limited_role_has_what_was_made_in_its_chat(desk: Desk) -> None:
    await desk.grant(CY, "operator", chat=OPS)
    await made(desk, "/schedule tomorrow 9:00 name=theirs | club:a | hi", chat=NEWS)
    await made(desk, "/schedule tomorrow 9:00 name=ours | club:a | hi")
    text = (await one(desk, "/schedules week", by=CY)).text
    assert ("ours" in text, "theirs" in text) == (True, False)


# --- one


async def test_show_has_all_of_it_and_what_became_of_it_where(desk: Desk) -> None:
    await made(desk, "/schedule every day at 9:00 pin=yes | club:a, desk:b | We are open.")
    await desk.write("/schedule skip 1", by=BO)
    asked = await one(desk, "/schedule now 1")
    await desk.press(asked, "Send now", by=BO)

    def ended(tx: Tx) -> None:
        tx.db.execute("UPDATE outbox SET state = 'sent' WHERE account = 'club'")
        tx.db.execute("UPDATE outbox SET state = 'dead', error = 'gone' WHERE account = 'desk'")

    await desk.line.store.write(ended)
    shown = await one(desk, "/schedule show 1")
    assert shown.text.startswith("Schedule 1: on\nevery day at 09:00 UTC pin=yes\nNext: Sat 2027-01-16 09:00 UTC")
    assert "To 2 targets: club:a, desk:b\nMade by Bo on Fri 2027-01-15 08:00 UTC\nIt has fired 1 time." in shown.text
    assert "· Fri 2027-01-15 09:00 UTC: skipped" in shown.text
    assert "sent to 1, failed at 1 (desk:b: gone)" in shown.text
    assert shown.text.endswith("\n\nWe are open.")
    assert labels(shown) == ["Pause", "Skip next", "Send now", "Edit", "Remove"]


async def test_a_text_too_long_beside_the_rest_stands_before_it(desk: Desk) -> None:
    await made(desk, "/schedule every day at 9:00 | club:a | " + "word " * 800)
    *before, shown = await desk.write("/schedule show 1", by=BO)
    assert "".join(each.text for each in before).count("word") == 800
    assert shown.text.endswith("Its text stands above.")


async def test_the_buttons_of_one_do_what_the_commands_do(desk: Desk) -> None:
    await made(desk, "/schedule every day at 9:00 | club:a | hi")
    shown = await one(desk, "/schedule show 1")
    assert "Only the person who asked" in (await desk.press(shown, "Pause", by=CY)).toast
    paused = (await desk.press(shown, "Pause", by=BO)).card
    assert paused is not None
    assert (await schedule(desk)).state == "paused"
    running = (await desk.press(paused, "Resume", by=BO)).card
    assert running is not None
    skipped = (await desk.press(running, "Skip next", by=BO)).card
    assert skipped is not None
    assert "Next: Sat 2027-01-16 09:00 UTC" in skipped.text
    pressed = await desk.press(skipped, "Edit", by=BO)
    assert pressed.answers[-1].text == "/schedule edit 1 every day at 09:00 UTC | club:a | hi"
    pressed = await desk.press(skipped, "Send now", by=BO)
    assert await sends(desk) == ["club:a: hi"]
    assert pressed.card is not None
    removed = await desk.press(pressed.card, "Remove", by=BO)
    assert removed.card is not None
    assert labels(removed.card) == ["Undo"]
    assert (await schedule(desk)).state == "removed"


async def test_now_asks_before_it_goes_to_more_than_one_and_leaves_what_is_planned(desk: Desk) -> None:
    await made(desk, TWO)
    asked = await one(desk, "/schedule now 1")
    assert asked.text.startswith("Send schedule 1 to 2 targets now")
    assert await sends(desk) == []
    await desk.press(asked, "Send now", by=BO)
    assert await sends(desk) == ["club:a: We are open.", "desk:b: We are open."]
    assert (await schedule(desk)).next_at == 1_800_003_600.0


async def test_now_to_one_target_sends_at_once(desk: Desk) -> None:
    await made(desk, ONE)
    assert "is sent to 1 target now" in (await one(desk, "/schedule now 1")).text
    assert await sends(desk) == ["club:a: We are open."]


async def test_now_says_why_nothing_could_be_sent(desk: Desk) -> None:
    await desk.write("/audience add all club:a")
    await made(desk, "/schedule every day at 9:00 | @all | hi")
    await desk.write("/audience remove all club:a")
    await desk.write("/schedule skip 1", by=BO)
    assert "could not be sent. Left out: @\u2060all is empty" in (await one(desk, "/schedule now 1")).text


async def test_one_that_has_grown_is_sent_only_with_an_approval(desk: Desk) -> None:
    await desk.write("/audience add all club:a desk:b")
    await made(desk, "/schedule every day at 9:00 | @all | hi")
    approving(desk, over=1)
    pressed = await desk.press(await one(desk, "/schedule now 1"), "Send now", by=BO)
    assert "goes to 2 targets by now, and more than 1 need an admin's approval" in pressed.toast
    assert (await schedule(desk)).state == "on"
    # What the answer names asks for it.
    asked = await one(desk, "/schedule edit 1 approve=1 | |")
    (question,) = (await desk.press(asked, "Change", by=BO)).answers
    assert labels(question) == ["Approve", "Reject"]
    assert (await schedule(desk)).state == "waits"
    await desk.grant(CY, "admin")
    await desk.press(question, "Approve", by=CY)
    await desk.press(await one(desk, "/schedule now 1"), "Send now", by=BO)
    assert await sends(desk) == ["club:a: hi", "desk:b: hi"]


async def test_what_was_asked_about_is_sent_by_nobody_without_the_approval_that_it_needs(desk: Desk) -> None:
    await desk.write("/audience add all club:a desk:b")
    await made(desk, "/schedule every day at 9:00 missed=ask | @all | hi")

    card = await untold(desk, "asked")
    approving(desk, over=1)
    assert "more than 1 need an admin's approval" in (await desk.press(card, "Send", by=BO)).toast
    assert (await schedule(desk)).state == "on"
    assert await sends(desk) == []


@pytest.mark.parametrize(
    ("when", "late_s", "words"),
    [
        ("at 9:00", 600, "What was due at Fri 2027-01-15 09:00 UTC is sent now.\n"),
        ("at 9:00", 4000, "What was due at Fri 2027-01-15 09:00 UTC is not sent any more"),
        ("at 9:00 missed=ask", 600, "What was due at Fri 2027-01-15 09:00 UTC is asked about"),
    ],
)
async def test_an_approval_says_what_becomes_of_what_waited_for_it(
    desk: Desk, when: str, late_s: float, words: str
) -> None:
    await desk.grant(CY, "admin")
    (question, _) = await desk.write(f"/schedule {when} approve=1 | club:a | hi", by=BO)
    desk.line.clock.at = NINE + late_s
    pressed = await desk.press(question, "Approve", by=CY)
    assert pressed.card is not None
    assert f"Schedule 1 is approved by Cy.\n{words}" in pressed.card.text
    assert await sends(desk) == (["club:a: hi"] if "is sent" in words else [])


async def test_what_was_due_at_a_pause_or_a_removal_is_named(desk: Desk) -> None:
    for number in (1, 2):
        await made(desk, f"/schedule at 9:00 | club:{number} | hi")
    desk.line.clock.at = NINE + 0.2
    left = " What was due at Fri 2027-01-15 09:00 UTC is not sent."
    assert (await one(desk, "/schedule pause 1")).text.endswith(f"is not sent afterwards either.{left}")
    assert (await one(desk, "/schedule remove 2")).text == (
        f"Schedule 2 is removed: nothing of it is sent any more.{left}"
    )


async def test_words_of_what_is_due_can_be_changed(desk: Desk) -> None:
    await made(desk, "/schedule at 9:00 | club:a | hi")
    desk.line.clock.at = NINE + 0.2
    text = (await one(desk, "/schedule edit 1 | | hello")).text
    assert "What was due at Fri 2027-01-15 09:00 UTC was not sent yet: it is changed, too." in text
    shown = (await one(desk, "/schedule show 1")).text
    assert "Due since Fri 2027-01-15 09:00 UTC, and not sent yet." in shown
    assert "due now" in (await one(desk, "/schedules")).text


async def test_skip_says_what_was_skipped_and_what_is_next(desk: Desk) -> None:
    await made(desk, ONE)
    assert (await one(desk, "/schedule skip 1")).text == (
        "Schedule 1: what was due at Mon 2027-01-18 09:30 UTC is skipped. Next: Thu 2027-01-21 09:30 UTC."
    )
    await made(desk, "/schedule tomorrow 9:00 | club:a | hi")
    assert (await one(desk, "/schedule skip 2")).text.endswith("Nothing is to come.")
    assert "nothing to come that could be skipped" in (await one(desk, "/schedule skip 2")).text


async def test_pause_and_resume_say_what_they_mean(desk: Desk) -> None:
    await made(desk, "/schedule every day at 9:00 | club:a | hi")
    assert "what falls into the pause is not sent afterwards either" in (await one(desk, "/schedule pause 1")).text
    assert "paused already" in (await one(desk, "/schedule pause 1")).text
    desk.line.clock.at += 2 * 86400
    resumed = (await one(desk, "/schedule resume 1")).text
    desk.line.clock.at -= 2 * 86400
    assert resumed == ("Schedule 1 goes on. Next: Sun 2027-01-17 09:00 UTC. 2 that fell into the pause are not sent.")
    assert "is not paused" in (await one(desk, "/schedule resume 1")).text


@pytest.mark.parametrize("state", ["on", "paused", "waits"])
async def test_remove_is_taken_back_to_the_state_it_had(desk: Desk, state: str) -> None:
    await made(desk, f"/schedule every day at 9:00 approve={int(state == 'waits')} | club:a | hi")
    if state == "paused":
        await desk.write("/schedule pause 1", by=BO)
    answer = await one(desk, "/schedule remove 1")
    assert answer.text == "Schedule 1 is removed: nothing of it is sent any more."
    pressed = await desk.press(answer, "Undo", by=BO)
    assert pressed.card is not None
    assert "Undone: schedule 1 is back, " + {"waits": "waits for"}.get(state, state) in pressed.card.text
    assert (await schedule(desk)).state == state


async def test_a_schedule_is_named_by_its_name_too(desk: Desk) -> None:
    await made(desk, '/schedule every day at 9:00 name="opening hours" | club:a | hi')
    assert (await one(desk, '/schedule show "Opening hours"')).text.startswith("Schedule 1 (opening hours): on")


# --- edit


async def test_other_words_leave_the_times_as_they_are(desk: Desk) -> None:
    await made(desk, "/schedule every 15m | club:a | hi")
    before = await schedule(desk)
    desk.line.clock.at += 100
    answer = await one(desk, "/schedule edit 1 | | New words | with a bar")
    assert answer.text.startswith(
        "Schedule 1 was: every 15m UTC → club:a\nIts words were:\nhi\nIt is changed to:\nevery 15m UTC\n"
    )
    assert answer.text.endswith("\n\nNew words | with a bar")
    after = await schedule(desk)
    assert (after.made_at, after.next_at) == (before.made_at, before.next_at)
    assert Message.model_validate_json(after.message).text == "New words | with a bar"
    assert after.targets == ("club:a",)


async def test_another_when_counts_from_now(desk: Desk) -> None:
    await made(desk, "/schedule every 15m | club:a | hi")
    desk.line.clock.at += 100
    await desk.write("/schedule edit 1 every 15m | |", by=BO)
    assert (await schedule(desk)).next_at == desk.line.clock() + 900
    assert Message.model_validate_json((await schedule(desk)).message).text == "hi"


async def test_another_time_is_one_of_the_schedules_own_zone(desk: Desk) -> None:
    await made(desk, "/schedule every day at 9:00 Asia/Kathmandu | club:a | hi")
    await desk.write("/schedule edit 1 every day at 10:00", by=BO)
    assert (await schedule(desk)).rule == "every day at 10:00 Asia/Kathmandu"


async def test_options_that_are_given_replace_those_only(desk: Desk) -> None:
    await made(desk, "/schedule every day at 9:00 name=doors silent=yes expire=2h | club:a | hi")
    await desk.write("/schedule edit doors silent=no pin=yes | |", by=BO)
    options = json.loads((await schedule(desk)).options)
    assert options == {"name": "doors", "pin": True, "expire": 7200}


async def test_an_edit_as_a_reply_to_files_replaces_the_files(desk: Desk) -> None:
    await made(desk, ONE)
    photo = desk.message("", chat=OPS, photo=[PHOTO])
    del photo["text"]
    await desk.write("/schedule edit 1 | |", by=BO, reply_to=photo)
    kept = Message.model_validate_json((await schedule(desk)).message)
    assert (kept.text, [file.kind for file in kept.attachments]) == ("We are open.", ["image"])
    await desk.write("/schedule edit 1 | | Other words", by=BO)
    kept = Message.model_validate_json((await schedule(desk)).message)
    assert (kept.text, [file.kind for file in kept.attachments]) == ("Other words", ["image"])


async def test_words_that_are_answered_are_not_taken_for_the_text(desk: Desk) -> None:
    answer = await one(desk, ONE)
    copy = desk.copy_of(answer, number=900)
    await desk.write("/schedule edit 1 every day at 9:00 | |", by=BO, reply_to=copy)
    assert Message.model_validate_json((await schedule(desk)).message).text == "We are open."


async def test_an_edit_that_changes_nothing_is_answered(desk: Desk) -> None:
    await made(desk, ONE)
    assert "nothing is to be changed" in (await one(desk, "/schedule edit 1 | |")).text.lower()
    assert "nothing is to be changed" in (await one(desk, "/schedule edit 1")).text.lower()


async def test_an_edit_of_what_goes_to_several_asks_and_shows_what_it_was(desk: Desk) -> None:
    await made(desk, ONE)
    card = await one(desk, "/schedule edit 1 | club:a, desk:b |")
    assert labels(card) == ["Change", "Edit", "Cancel"]
    assert "To be sent to 2 targets:\n\nWe are open." in card.text
    assert "Schedule 1 was: every mon,thu at 09:30 UTC → club:a" in card.text
    assert (await schedule(desk)).targets == ("club:a",)
    pressed = await desk.press(card, "Change", by=BO)
    assert pressed.card is not None
    assert "It is changed to:\nevery mon,thu at 09:30 UTC\n" in pressed.card.text
    assert (await schedule(desk)).targets == ("club:a", "desk:b")


async def test_an_edit_is_not_made_if_the_schedule_changed_meanwhile(desk: Desk) -> None:
    await made(desk, TWO)
    card = await one(desk, "/schedule edit 1 | | mine")
    await desk.write("/schedule edit 1 | club:a | theirs", by=ANN)
    pressed = await desk.press(card, "Change", by=BO)
    assert pressed.toast == "It has changed meanwhile: look again."
    assert Message.model_validate_json((await schedule(desk)).message).text == "theirs"


async def test_an_ambiguous_edit_is_asked_back(desk: Desk) -> None:
    await made(desk, ONE)
    asked = await one(desk, "/schedule edit 1 every day at 9 | | new")
    pressed = await desk.press(asked, "9:00", by=BO)
    assert pressed.card is not None
    assert (await schedule(desk)).rule == "every day at 09:00 UTC"
    assert Message.model_validate_json((await schedule(desk)).message).text == "new"


async def test_a_paused_one_stays_so_when_it_is_changed(desk: Desk) -> None:
    await made(desk, ONE)
    await desk.write("/schedule pause 1", by=BO)
    assert "It is paused: /schedule resume 1" in (await one(desk, "/schedule edit 1 | | new")).text
    assert (await schedule(desk)).state == "paused"


# --- what schedules say of themselves


async def untold(desk: Desk, state: str) -> Answer:
    """The card of an occurrence that was missed or failed."""
    before = await desk.answers()

    def unit(tx: Tx) -> None:
        tx.schedules.decide(1, desk.line.clock() - 600, state, now=desk.line.clock(), told=False)  # type: ignore[arg-type]
        tell_untold(tx, desk.services.firing, limit=10, now=desk.line.clock())

    await desk.line.store.write(unit)
    return (await desk.answers())[len(before)]


@pytest.mark.parametrize(("state", "label"), [("asked", "Send"), ("failed", "Send again")])
async def test_what_was_missed_or_failed_is_sent_with_a_button_once(desk: Desk, state: str, label: str) -> None:
    await made(desk, "/schedule every day at 9:00 | club:a | It is {time}.")
    card = await untold(desk, state)
    assert "needs the role operator" in (await desk.press(card, label, by=CY)).toast
    pressed = await desk.press(card, label, by=BO)
    assert pressed.card is not None
    assert pressed.card.text == "Schedule 1: what was due at Fri 2027-01-15 07:50 UTC is sent now. (Bo)"
    assert await sends(desk) == ["club:a: It is 07:50."]
    assert (await desk.press(card, label, by=BO)).toast == "This was decided already."


async def test_what_was_missed_can_be_left(desk: Desk) -> None:
    await made(desk, "/schedule every day at 9:00 | club:a | hi")
    card = await untold(desk, "asked")
    pressed = await desk.press(card, "Leave it", by=BO)
    assert pressed.card is not None
    assert pressed.card.text.endswith("is not sent. (Bo)")
    rows = await read(desk, lambda tx: tx.schedules.history(1, limit=1))
    assert rows[0].state == "dropped"
    assert await sends(desk) == []


async def test_what_still_cannot_be_sent_keeps_its_buttons(desk: Desk) -> None:
    await desk.write("/audience add all club:a")
    await made(desk, "/schedule every day at 9:00 | @all | hi")
    await desk.write("/audience remove all club:a")
    card = await untold(desk, "failed")
    pressed = await desk.press(card, "Send again", by=BO)
    assert pressed.card is not None
    assert "could not be sent.\nLeft out: @\u2060all is empty" in pressed.card.text
    await desk.write("/audience add all club:a")
    # It goes to another place than was shown.
    pressed = await desk.press(pressed.card, "Send again", by=BO)
    assert (pressed.toast, await sends(desk)) == ("It has changed meanwhile: look again.", [])
    assert pressed.card is not None
    assert (await desk.press(pressed.card, "Send again", by=BO)).toast == "It is sent."


async def test_nothing_of_a_removed_one_is_sent_any_more(desk: Desk) -> None:
    await made(desk, ONE)
    card = await untold(desk, "asked")
    await desk.write("/schedule remove 1", by=BO)
    assert "is removed: nothing of it is sent" in (await desk.press(card, "Send", by=BO)).toast
    assert await sends(desk) == []


async def test_a_limited_role_decides_within_its_reach_only(desk: Desk) -> None:
    await desk.grant(CY, "operator", chat=OPS)
    await made(desk, f"/schedule every day at 9:00 | telegram:{NEWS} | hi")
    card = await untold(desk, "asked")
    assert "counts in this chat only" in (await desk.press(card, "Send", by=CY)).toast
    assert await sends(desk) == []


async def warned(desk: Desk) -> Answer:
    """The note that an occurrence is near."""
    before = await desk.answers()
    at = (await schedule(desk)).next_at
    assert at is not None

    def unit(tx: Tx) -> None:
        found = tx.schedules.get(1)
        assert found is not None
        warn(tx, desk.services.firing, found, at=at, now=desk.line.clock())

    await desk.line.store.write(unit)
    return (await desk.answers())[len(before)]


async def test_who_is_warned_skips_the_one_that_was_meant_and_no_other(desk: Desk) -> None:
    await made(desk, ONE)
    first, second = await warned(desk), await warned(desk)
    pressed = await desk.press(first, "Skip this one", by=BO)
    assert pressed.card is not None
    assert "Mon 2027-01-18 09:30 UTC is skipped. Next: Thu 2027-01-21 09:30 UTC. (Bo)" in pressed.card.text
    assert "nothing to come that could be skipped" in (await desk.press(second, "Skip this one", by=BO)).toast


async def test_who_is_warned_can_pause(desk: Desk) -> None:
    await made(desk, ONE)
    assert (await desk.press(await warned(desk), "Pause the schedule", by=BO)).toast == "It is paused."
    assert (await schedule(desk)).state == "paused"


# --- from an announcement, and the wizard


async def test_an_announcement_is_scheduled_with_its_button(desk: Desk) -> None:
    card = await one(desk, "/announce club:a, desk:b | We are open.")
    page = (await desk.press(card, "Schedule", by=BO)).card
    assert page is not None
    assert page.text.startswith("🗓 A schedule\n\nWhen is it sent?")
    asked = (await desk.press(page, "Every weekday 9:00", by=BO)).card
    assert asked is not None
    assert "To be sent to 2 targets:\n\nWe are open." in asked.text
    await desk.press(asked, "Schedule", by=BO)
    kept = await schedule(desk)
    assert (kept.rule, kept.targets) == ("every mon-fri at 09:00 UTC", ("club:a", "desk:b"))
    assert (await desk.press(card, "Send", by=BO)).toast == "This was decided already."


async def answer(desk: Desk, page: Answer, text: str, **more: Any) -> Answer:
    return await one(desk, text, reply_to=desk.copy_of(page, number=900), **more)


async def test_schedule_alone_asks_when_to_whom_and_what(desk: Desk) -> None:
    page = await one(desk, "/schedule")
    page = await answer(desk, page, "every day at 9")
    assert labels(page)[:3] == ["9:00", "21:00", "Something else…"]
    usual = (await desk.press(page, "Something else…", by=BO)).card or page
    assert "Tomorrow 9:00" in labels(usual)
    page = await answer(desk, usual, "every day at 9")
    page = (await desk.press(page, "21:00", by=BO)).card or page
    assert "every day at 21:00 UTC" in page.text
    assert "To whom does it go?" in page.text
    page = await answer(desk, page, "club:a")
    page = (await desk.press(page, "Go on", by=BO)).card or page
    done = await answer(desk, page, "Good evening\n[Go](https://example.org)")
    assert done.text.startswith("Schedule 1 is set.\nevery day at 21:00 UTC\n")
    assert labels(done) == ["Undo"]
    kept = Message.model_validate_json((await schedule(desk)).message)
    assert (kept.text, len(kept.links)) == ("Good evening", 1)


async def test_the_wizard_says_what_is_wrong_and_is_left_with_cancel(desk: Desk) -> None:
    page = await one(desk, "/schedule")
    page = await answer(desk, page, "2020-01-01 9:00")
    assert "⚠" in page.text
    assert "past" in page.text
    page = await answer(desk, page, "tomorrow 9:00 | club:a | hi")
    assert "only WHEN is asked for here" in page.text.replace("Only", "only")
    assert "the wizard of /schedule is left" in (await one(desk, "/cancel")).text


async def test_what_was_done_stands_in_the_audit(desk: Desk) -> None:
    await made(desk, TWO)
    await desk.write("/schedule pause 1", by=BO)
    deeds = [(command, outcome) for _, command, outcome in await desk.audit()]
    assert deeds[-3:] == [
        ("/schedule", "asked"), ("button schedule yes", "schedule 1"), ("/schedule", "schedule 1 paused")
    ]  # fmt: skip


# --- what cannot be read


@pytest.mark.parametrize(("column", "value"), [("rule", "whatever"), ("options", "[]"), ("message", "[]")])
async def test_one_that_cannot_be_read_is_listed_shown_and_removed(desk: Desk, column: str, value: str) -> None:
    await made(desk, ONE)
    await made(desk, ONE)
    await desk.line.store.write(lambda tx: tx.db.execute(f"UPDATE schedules SET {column} = ? WHERE id = 1", (value,)))
    listed = (await one(desk, "/schedules")).text.splitlines()
    assert [("cannot be read" in line) for line in listed if line[:3] in ("1 ·", "2 ·")] == [True, False]
    shown = await one(desk, "/schedule show 1")
    assert "(cannot be read)" in shown.text
    assert "can be removed" in (await one(desk, "/schedule edit 1 | | Other words")).text
    assert "can be removed" in (await one(desk, "/schedule now 1")).text
    assert "is paused" in (await one(desk, "/schedule pause 1")).text
    assert "is removed" in (await one(desk, "/schedule remove 1")).text
    assert [each.id for each in await read(desk, lambda tx: tx.schedules.all())] == [2]
