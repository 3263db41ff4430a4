"""Cards of schedules: what each is bound to, who may press, and what they show of what is sent or approved of."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Any

import pytest

from bot.calendars import Entry
from bot.schedule_notes import tell_untold, warn
from bot.schedule_words import whole
from bot.store import Tx
from bot.store.erasing import Known
from bot.store.schedules import FORGOTTEN
from bot.telegram.outbound import CAPABILITIES
from bot.weeks import WeekPictures
from bridges.model import Contact, LinkButton, Location, Message, SpanKind
from tests.bot.telegram.desk import ANN, BO, CY, NEWS, OPS, TALK, Answer, Desk
from tests.bot.telegram.scratch import a_scratch_desk
from tests.bot.telegram.test_schedule import TWO, approving, labels, made, one, read, schedule, sends

DAILY = "/schedule every day at 9:00 | club:a | hi"
VICTIM = "@\u2060victim"
"""The name as nobody is called by it."""
AGAIN = "It has changed meanwhile: look again."


@pytest.fixture
async def desk() -> Desk:
    """Ann is an owner, Bo an operator everywhere; it is Friday 2027-01-15 08:00 UTC."""
    made, _ = a_scratch_desk()
    await made.grant(BO, "operator")
    return made


async def said(desk: Desk, unit: Any) -> list[Answer]:
    """What the bot says because of a unit of work."""
    before = len(await desk.answers())
    await desk.line.store.write(unit)
    return (await desk.answers())[before:]


async def warned(desk: Desk, id: int = 1) -> Answer:
    def unit(tx: Tx) -> None:
        found = tx.schedules.get(id)
        assert found is not None and found.next_at is not None
        warn(tx, desk.services.firing, found, at=found.next_at, now=desk.line.clock())

    return (await said(desk, unit))[-1]


async def asked(desk: Desk, id: int = 1, state: str = "asked") -> list[Answer]:
    """What the bot says of an occurrence that was missed or failed; the last of it has the buttons."""

    def unit(tx: Tx) -> None:
        tx.schedules.decide(id, desk.line.clock() - 600, state, now=desk.line.clock(), told=False)  # type: ignore[arg-type]
        tell_untold(tx, desk.services.firing, limit=10, now=desk.line.clock())

    return await said(desk, unit)


async def question(desk: Desk, line: str, *, by: int = BO, **more: Any) -> Answer:
    """The card that asks for an approval of what a line makes."""
    answers = await desk.write(line, by=by, **more)
    return next(each for each in answers if "Approve" in labels(each))


def reply(answers: Sequence[Answer]) -> Answer:
    return answers[-1]


# --- who asked


async def test_who_asked_for_what_it_is_by_now_approves_of_it_with_no_card(desk: Desk) -> None:
    await desk.grant(CY, "admin")
    first = await question(desk, "/schedule tomorrow 9:00 approve=1 | club:a | harmless")
    second = await question(desk, "/schedule edit 1 | | Cy's own words", by=CY)
    pressed = await desk.press(first, "Approve", by=CY)
    assert pressed.toast == AGAIN
    assert pressed.card is not None
    for card in (pressed.card, second):
        assert "omebody else has to approve" in (await desk.press(card, "Approve", by=CY)).toast
    assert (await schedule(desk)).state == "waits"
    assert (await schedule(desk)).askers == (str(BO), str(CY))
    assert (await desk.press(second, "Approve", by=ANN)).toast == "Approved."


async def test_who_asked_first_does_not_approve_of_it_after_a_small_change_by_another(desk: Desk) -> None:
    await desk.grant(BO, "admin")
    await desk.grant(CY, "admin")
    await question(desk, "/schedule tomorrow 9:00 approve=1 | club:a | Bo's words")
    card = await question(desk, "/schedule edit 1 silent=yes | |", by=CY)
    assert "omebody else has to approve" in (await desk.press(card, "Approve", by=BO)).toast


async def test_after_an_approval_only_who_changes_it_is_kept_from_the_next(desk: Desk) -> None:
    await desk.grant(BO, "admin")
    await desk.grant(CY, "admin")
    card = await question(desk, "/schedule tomorrow 9:00 approve=1 | club:a | Bo's words")
    await desk.press(card, "Approve", by=CY)
    card = await question(desk, "/schedule edit 1 | | Cy's words", by=CY)
    assert "by Cy waits" in card.text
    assert (await desk.press(card, "Approve", by=BO)).toast == "Approved."


async def test_an_operators_words_are_not_an_admins_because_an_admin_made_the_schedule(desk: Desk) -> None:
    await desk.grant(CY, "admin")
    await desk.write("/audience add all club:a")
    await made(desk, "/schedule every day at 9:00 | @all | hi", by=CY)
    card = await one(desk, "/schedule edit 1 | | Bo's words")
    await desk.press(card, "Change", by=BO)
    await desk.write("/audience add all club:b desk:b")
    approving(desk, over=1)
    assert not await fires(desk)
    assert (await schedule(desk)).state == "waits"


# --- an admin of some places only


@pytest.mark.parametrize(
    ("everywhere", "here", "targets", "state"),
    [
        ("operator", "admin", f"telegram:{NEWS}, telegram:{TALK}", "waits"),
        ("operator", "admin", f"telegram:{OPS}, telegram:{NEWS}", "waits"),
        ("operator", "admin", f"telegram:{OPS}, club:a", "on"),
        ("admin", "viewer", f"telegram:{NEWS}, telegram:{TALK}", "on"),
    ],
)
async def test_an_admins_needs_no_approval_where_that_role_covers_all_targets(
    desk: Desk, everywhere: str, here: str, targets: str, state: str
) -> None:
    approving(desk, over=1)
    await desk.grant(CY, everywhere)
    await desk.grant(CY, here, chat=OPS)
    await made(desk, f"/schedule tomorrow 9:00 | {targets} | hi", by=CY)
    assert (await schedule(desk)).state == state


async def fires(desk: Desk, id: int = 1) -> bool:
    """Whether its next occurrence goes out."""

    def fire(tx: Tx) -> bool:
        found = tx.schedules.get(id)
        assert found is not None and found.next_at is not None
        return desk.services.firing.fire(tx, found, found.next_at, now=found.next_at)

    return await desk.line.store.write(fire)


@pytest.mark.parametrize(("further", "goes"), [(f"telegram:{TALK}", False), ("club:a", True)])
async def test_what_has_grown_needs_no_approval_where_its_admins_role_covers_all_of_it(
    desk: Desk, further: str, goes: bool
) -> None:
    await desk.grant(CY, "operator")
    await desk.write(f"/audience add all telegram:{OPS}")
    await made(desk, "/schedule every day at 9:00 | @all | hi", by=CY)
    await desk.grant(CY, "admin", chat=OPS)
    await desk.write(f"/audience add all {further}")
    approving(desk, over=1)
    assert (await fires(desk), (await schedule(desk)).state) == (goes, "on" if goes else "waits")


async def test_who_is_forgotten_is_not_kept_as_who_asked(desk: Desk) -> None:
    await desk.grant(CY, "admin")
    await question(desk, "/schedule tomorrow 9:00 approve=1 | club:a | hi")
    await question(desk, "/schedule edit 1 | | Cy's words", by=CY)
    await desk.line.store.write(lambda tx: tx.erasing.disown_schedules(Known("telegram", str(CY), ("Cy",))))
    assert (await schedule(desk)).askers == (str(BO), FORGOTTEN)


# --- where an approval is asked for


async def test_an_approval_asked_for_in_private_reaches_all_other_admins_and_counts_once(desk: Desk) -> None:
    await desk.grant(CY, "admin")
    answers = await desk.write("/schedule tomorrow 9:00 approve=1 | club:a | hi", by=BO, chat=BO)
    cards = {int(each.chat): each for each in answers if "Approve" in labels(each)}
    assert sorted(cards) == sorted([ANN, BO, CY])
    assert "needs the role admin" in (await desk.press(cards[BO], "Approve", by=BO)).toast
    pressed = await desk.press(cards[CY], "Approve", by=CY)
    assert pressed.toast == "Approved."
    assert [(int(each.chat), each.text.splitlines()[0]) for each in pressed.answers] == [
        (BO, "Schedule 1 is approved by Cy.")
    ]
    assert (await desk.press(cards[ANN], "Reject", by=ANN)).toast == "This was decided already: schedule 1 is approved."
    assert ((await schedule(desk)).state, (await schedule(desk)).approvers) == ("on", (str(CY),))


async def test_two_approvals_are_two_persons_whatever_cards_they_press(desk: Desk) -> None:
    await desk.grant(CY, "admin")
    answers = await desk.write("/schedule tomorrow 9:00 approve=2 | club:a | hi", by=BO, chat=BO)
    cards = {int(each.chat): each for each in answers if "Approve" in labels(each)}
    assert (await desk.press(cards[CY], "Approve", by=CY)).toast == "Approved: 1 of 2."
    assert (await desk.press(cards[ANN], "Approve", by=ANN)).toast == "Approved."
    assert (await schedule(desk)).state == "on"


async def test_what_is_rejected_elsewhere_is_told_where_it_was_made(desk: Desk) -> None:
    answers = await desk.write("/schedule tomorrow 9:00 approve=1 | club:a | hi", by=BO, chat=BO)
    card = next(each for each in answers if int(each.chat) == ANN)
    pressed = await desk.press(card, "Reject", by=ANN)
    (told,) = pressed.answers
    assert (int(told.chat), "was rejected by Ann" in told.text) == (BO, True)


async def test_who_could_approve_is_looked_for_and_missed_in_words(desk: Desk) -> None:
    answer = reply(await desk.write("/schedule tomorrow 9:00 approve=1 | club:a | hi", by=ANN))
    assert "There are not so many who could: an owner makes somebody one with /grant USER admin." in answer.text
    await desk.grant(CY, "admin")
    answer = reply(await desk.write("/schedule tomorrow 9:00 approve=1 | club:a | hi", by=ANN))
    assert "There are not so many" not in answer.text


async def test_one_that_waits_is_approved_where_it_is_shown(desk: Desk) -> None:
    await desk.grant(CY, "admin")
    await question(desk, "/schedule tomorrow 9:00 approve=1 | club:a | hi")
    assert "Approve" not in labels(await one(desk, "/schedule show 1"))
    shown = await one(desk, "/schedule show 1", by=CY, chat=CY)
    assert labels(shown)[:2] == ["Approve", "Reject"]
    assert "Only the person who asked" in (await desk.press(shown, "Approve", by=ANN, chat=CY)).toast
    assert (await desk.press(shown, "Approve", by=CY)).toast == "Approved."
    assert "Approve" not in labels(await one(desk, "/schedule show 1", by=CY))


async def test_an_admin_of_one_chat_is_not_offered_to_approve_of_what_goes_to_others(desk: Desk) -> None:
    await desk.grant(CY, "admin", chat=OPS)
    await desk.write(f"/schedule tomorrow 9:00 approve=1 | telegram:{NEWS} | hi", by=BO)
    await desk.write("/schedule tomorrow 9:00 approve=1 | club:a | hi", by=BO)
    assert "Approve" not in labels(await one(desk, "/schedule show 1", by=CY))
    assert "Approve" in labels(await one(desk, "/schedule show 2", by=CY))


# --- what an approval shows and is bound to


async def test_all_that_is_approved_of_is_shown(desk: Desk) -> None:
    text = "Nice. " * 80 + "THE END"
    asked_first = reply(
        await desk.write(
            "/schedule tomorrow 9:00 approve=1 pin=yes urgent=yes expire=2h | club:a, desk:b"
            f" | @victim {text}\n[Claim](https://phish.example)",
            by=BO,
        )
    )
    (shown,) = (await desk.press(asked_first, "Schedule", by=BO)).answers
    for words in ("THE END", "[Claim] https://phish.example", "pin=yes expire=2h urgent=yes approve=1", "To 2 targets"):
        assert words in shown.text
    assert (VICTIM in shown.text, "@victim" in shown.text) == (True, False)


async def test_a_text_too_long_for_an_approval_stands_whole_before_it(desk: Desk) -> None:
    answers = await desk.write("/schedule tomorrow 9:00 approve=1 | club:a | " + "word " * 800 + "END", by=BO)
    place = next(number for number, each in enumerate(answers) if "Approve" in labels(each))
    before = "".join(each.text for each in answers[:place])
    assert (before.count("word"), "END" in before) == (800, True)
    assert "Its text stands above." in answers[place].text
    await desk.write("/schedule edit 1 silent=yes | |", by=BO)
    pressed = await desk.press(answers[place], "Approve", by=ANN)
    assert pressed.toast == AGAIN
    assert labels(pressed.answers[-1]) == ["Approve", "Reject"]
    assert "".join(each.text for each in pressed.answers[:-1]).count("word") == 800
    assert (await desk.press(pressed.answers[-1], "Approve", by=ANN)).toast == "Approved."


@pytest.mark.parametrize(
    "change",
    [
        "/schedule edit 1 | | other words",
        "/schedule edit 1 | | hi\n[Go](https://example.org)",
        "/schedule edit 1 pin=yes | |",
        "/schedule edit 1 | @all, desk:c |",
        "/audience add all club:z",
    ],
)
async def test_an_approval_of_something_else_does_not_count(desk: Desk, change: str) -> None:
    await desk.write("/audience add all club:a club:b")
    asked_first = reply(await desk.write("/schedule tomorrow 9:00 approve=1 | @all | hi", by=BO))
    (card,) = (await desk.press(asked_first, "Schedule", by=BO)).answers
    answers = await desk.write(change, by=ANN)
    if answers and "Change" in labels(answers[-1]):
        await desk.press(answers[-1], "Change", by=ANN)
    await desk.grant(CY, "admin")
    assert (await desk.press(card, "Approve", by=CY)).toast == AGAIN
    assert (await schedule(desk)).state == "waits"


# --- what is sent with a button


@pytest.mark.parametrize(
    "change",
    [
        "/schedule edit 1 | | other words",
        "/schedule edit 1 | | hi\n[Go](https://example.org)",
        "/schedule edit 1 silent=yes | |",
        "/schedule edit 1 | club:c, desk:d |",
        "/schedule pause 1",
        "/audience add all club:z",
    ],
)
@pytest.mark.parametrize("card", ["now", "asked", "failed"])
async def test_what_was_shown_is_sent_or_nothing(desk: Desk, change: str, card: str) -> None:
    await desk.write("/audience add all club:a desk:b")
    await made(desk, "/schedule every day at 9:00 | @all | hi")
    before = await one(desk, "/schedule now 1") if card == "now" else (await asked(desk, state=card))[-1]
    label = {"now": "Send now", "asked": "Send", "failed": "Send again"}[card]
    answers = await desk.write(change, by=ANN)
    if answers and "Change" in labels(answers[-1]):
        await desk.press(answers[-1], "Change", by=ANN)
    pressed = await desk.press(before, label, by=BO)
    assert (pressed.toast, await sends(desk)) == (AGAIN, [])
    assert pressed.card is not None
    kept = await schedule(desk)
    assert Message.model_validate_json(kept.message).text in pressed.card.text
    await desk.press(pressed.card, label, by=BO)
    assert len(await sends(desk)) == (3 if "audience" in change else 2)


async def test_what_goes_to_several_is_shown_before_it_is_sent(desk: Desk) -> None:
    await made(desk, TWO.replace("We are open.", "@victim " + "word " * 700 + "END\n[Go](https://example.org)"))
    for answers in (await desk.write("/schedule now 1", by=BO), await asked(desk)):
        text = "".join(each.text for each in answers)
        assert (text.count("word") >= 700, "END" in text, "[Go] https://example.org" in text) == (True, True, True)
        assert ("To 2 targets: club:a, desk:b" in text) or ("\nTo: club:a, desk:b" in text)
        assert (VICTIM in text, "@victim" in text) == (True, False)
    assert await sends(desk) == []


async def test_what_cannot_be_sent_is_not_said_to_be_done(desk: Desk) -> None:
    await desk.write("/audience add all club:a")
    await made(desk, "/schedule every day at 9:00 | @all | hi")
    await desk.write("/audience remove all club:a")
    shown = await one(desk, "/schedule show 1")
    pressed = await desk.press(shown, "Send now", by=BO)
    assert "could not be sent" in pressed.toast
    assert "Done" not in pressed.toast


async def test_a_card_does_not_act_on_another_schedule_that_is_called_like_its_number(desk: Desk) -> None:
    await made(desk, TWO)
    card = await one(desk, "/schedule now 1")
    await desk.write("/schedule remove 1", by=BO)
    await made(desk, "/schedule every day at 9:00 name=1 | club:x, desk:y | the other")
    assert "schedule 1 is removed" in (await desk.press(card, "Send now", by=BO)).toast.lower()
    assert await sends(desk) == []


# --- what is removed stays so


@pytest.mark.parametrize("choice", ["Pause the schedule", "Skip this one"])
@pytest.mark.parametrize(
    ("line", "state", "words"),
    [
        ("/schedule remove 1", "removed", "Schedule 1: removed. Nothing of it is sent."),
        ("/schedule pause 1", "paused", "Schedule 1: paused. Nothing of it is sent."),
        ("/schedule edit 1 approve=1 | |", "waits", "Schedule 1: waits for approval (0 of 1). Nothing of it is sent."),
    ],
)
async def test_a_warning_changes_nothing_of_what_is_not_to_be_sent(
    desk: Desk, line: str, state: str, words: str, choice: str
) -> None:
    await made(desk, DAILY)
    card = await warned(desk)
    await desk.write(line, by=BO)
    pressed = await desk.press(card, choice, by=BO)
    assert pressed.card is not None
    assert (pressed.toast, pressed.card.text, labels(pressed.card)) == (words, words, [])
    assert (await schedule(desk)).state == state
    assert await read(desk, lambda tx: tx.schedules.history(1, limit=9)) == []


async def test_two_of_one_name_cannot_be(desk: Desk) -> None:
    await made(desk, "/schedule every day at 9:00 name=doors | club:a | hi")
    card = await warned(desk)
    removed = await one(desk, "/schedule remove 1")
    await made(desk, "/schedule every day at 9:00 name=Doors | club:a | hi")
    await desk.press(card, "Pause the schedule", by=BO)
    assert "there is another schedule with the name doors" in (await desk.press(removed, "Undo", by=BO)).toast.lower()
    assert ((await schedule(desk, 1)).state, (await schedule(desk, 2)).state) == ("removed", "on")
    with pytest.raises(sqlite3.IntegrityError):
        await desk.line.store.write(lambda tx: tx.schedules.become(1, "on", now=0.0))


async def test_what_was_due_while_it_was_removed_is_told_and_written_down(desk: Desk) -> None:
    await made(desk, "/schedule every 10m | club:a | hi")
    removed = await one(desk, "/schedule remove 1")
    desk.line.clock.at += 601
    pressed = await desk.press(removed, "Undo", by=BO)
    desk.line.clock.at -= 601
    assert pressed.card is not None
    assert "is back, on. 1 was due meanwhile and not sent.\n" in pressed.card.text
    (row,) = await read(desk, lambda tx: tx.schedules.history(1, limit=9))
    assert (row.state, row.note) == ("skipped", "The schedule was removed then.")


async def test_resume_says_what_the_pause_held_on_its_button_too(desk: Desk) -> None:
    await made(desk, "/schedule every 10m | club:a | hi")
    await desk.write("/schedule pause 1", by=BO)
    shown = await one(desk, "/schedule show 1")
    desk.line.clock.at += 1201
    pressed = await desk.press(shown, "Resume", by=BO)
    desk.line.clock.at -= 1201
    assert pressed.toast == "It goes on. 2 that fell into the pause are not sent."


# --- nobody is called


async def test_nobody_is_called_by_what_schedules_say(desk: Desk) -> None:
    desk.line.telegram.capabilities = CAPABILITIES
    await desk.write("/audience add victim club:a")
    await made(desk, '/schedule every day at 9:00 name="@victim" warn=1h | @victim | hi @victim', by=BO)
    await desk.grant(CY, "admin")
    await made(desk, "/schedule edit 1 approve=1 | |", by=CY)
    await desk.press((await desk.answers())[-1], "Change", by=CY)
    await desk.write("/schedule show 1", by=BO)
    await desk.write("/schedules", by=BO)
    await warned(desk)
    await desk.write("/audience remove victim club:a")
    await asked(desk, state="failed")
    await asked_plain(desk)
    rows = await read(
        desk, lambda tx: tx.db.execute("SELECT payload FROM outbox WHERE why = 'the bot''s own' ORDER BY id").fetchall()
    )
    live = []
    for (payload,) in rows:
        message = Message.model_validate_json(payload)
        code = [(s.start, s.start + s.length) for s in message.spans if s.kind is SpanKind.CODE]
        at = -1
        while (at := message.text.find("@victim", at + 1)) >= 0:
            if not any(start <= at < end for start, end in code) and "schedule" in message.text.lower():
                live.append(message.text)
    assert [text for text in live if not text.startswith(("@victim", "Audience"))] == []


async def asked_plain(desk: Desk) -> None:
    """One that is told of without buttons."""

    def unit(tx: Tx) -> None:
        tx.schedules.decide(1, 5.0, "missed", now=9.0, note="Left out: @victim is empty", told=False)
        tell_untold(tx, desk.services.firing, limit=10, now=desk.line.clock())

    await desk.line.store.write(unit)


# --- from an announcement


@pytest.mark.parametrize("text", ["Use {braces}", "{", "}}", "{date} {{x}}", "a }{ b"])
async def test_an_announcement_with_braces_is_scheduled_and_goes_out_as_it_was(desk: Desk, text: str) -> None:
    card = await one(desk, f"/announce club:a, desk:b | {text}")
    page = (await desk.press(card, "Schedule", by=BO)).card
    assert page is not None
    question = (await desk.press(page, "Tomorrow 9:00", by=BO)).card
    assert question is not None
    assert (await desk.press(question, "Schedule", by=BO)).toast == "Scheduled."
    await desk.press(await one(desk, "/schedule now 1"), "Send now", by=BO)
    assert await sends(desk) == [f"club:a: {text}", f"desk:b: {text}"]


# --- approvals are not edited away


async def test_an_operators_edit_makes_no_approval_needless(desk: Desk) -> None:
    await desk.grant(CY, "admin")
    await question(desk, "/schedule tomorrow 9:00 approve=1 | club:a | hi", by=CY)
    answers = await desk.write("/schedule edit 1 approve=no | | Bo's words", by=BO)
    assert "approve=1 stays: only an admin can make that less." in answers[-1].text
    kept = await schedule(desk)
    assert (kept.state, kept.needs, json.loads(kept.options)["approve"]) == ("waits", 1, 1)
    await desk.write("/schedule edit 1 approve=no | |", by=CY)
    assert (await schedule(desk)).state == "on"


# --- roles that count in one chat


async def test_a_limited_role_leaves_alone_what_may_go_further(desk: Desk) -> None:
    await desk.grant(CY, "operator", chat=OPS)
    await desk.write(f"/audience add news telegram:{NEWS}")
    await made(desk, "/schedule every day at 9:00 | @news | hi", by=ANN)
    await desk.write(f"/audience remove news telegram:{NEWS}")
    shown = await one(desk, "/schedule show 1", by=CY)
    assert ("another chat" in shown.text, "@news" in shown.text) == (True, False)
    for line in ("pause 1", "now 1", "skip 1", "remove 1", "edit 1 | | pwned"):
        assert "counts in this chat only" in (await one(desk, f"/schedule {line}", by=CY)).text, line
    for label in ("Pause", "Remove", "Edit"):
        assert "counts in this chat only" in (await desk.press(shown, label, by=CY)).toast
    assert (await schedule(desk)).state == "on"


async def test_a_limited_role_keeps_hold_of_its_own(desk: Desk) -> None:
    await desk.grant(CY, "operator", chat=OPS)
    await desk.write("/audience add team club:a")
    await made(desk, "/schedule every day at 9:00 | @team | hi", by=CY)
    await desk.write(f"/audience add team telegram:{NEWS}")
    shown = await one(desk, "/schedule show 1", by=CY)
    pressed = await desk.press(shown, "Edit", by=CY)
    assert pressed.answers[-1].text == "/schedule edit 1 every day at 09:00 UTC |  | hi"
    assert "is paused" in (await one(desk, "/schedule pause 1", by=CY)).text


@pytest.mark.parametrize(
    ("kind", "label"), [("warned", "Pause the schedule"), ("undo", "Undo"), ("now", "Send now"), ("asked", "Send")]
)
async def test_every_card_asks_how_far_a_role_reaches(desk: Desk, kind: str, label: str) -> None:
    await desk.grant(CY, "operator")
    await made(desk, f"/schedule every day at 9:00 | club:a, telegram:{NEWS} | hi", by=CY)
    if kind == "warned":
        card = await warned(desk)
    elif kind == "undo":
        card = await one(desk, "/schedule remove 1", by=CY)
    else:
        card = await one(desk, "/schedule now 1", by=CY) if kind == "now" else (await asked(desk))[-1]
    state = (await schedule(desk)).state
    await desk.line.store.write(lambda tx: tx.roles.revoke(str(CY)))
    await desk.grant(CY, "operator", chat=OPS)
    assert "counts in this chat only" in (await desk.press(card, label, by=CY)).toast
    assert ((await schedule(desk)).state, await sends(desk)) == (state, [])


async def test_a_limited_role_decides_about_nothing_that_was_made_elsewhere(desk: Desk) -> None:
    await made(desk, DAILY)
    (card,) = await asked(desk)
    await desk.line.store.write(lambda tx: tx.schedules.move(f"telegram:{OPS}", f"telegram:{NEWS}"))
    await desk.grant(CY, "operator", chat=OPS)
    for label in ("Send", "Leave it"):
        assert "your role does not reach that schedule" in (await desk.press(card, label, by=CY)).toast.lower()
    assert await sends(desk) == []


async def test_show_tells_a_limited_role_nothing_of_other_chats(desk: Desk) -> None:
    await desk.grant(CY, "operator", chat=OPS)
    await desk.write(f"/audience add board telegram:{NEWS}")
    await made(desk, f"/schedule every day at 9:00 | club:a, @board, telegram:{TALK} | hi", by=ANN)
    await desk.press(await one(desk, "/schedule now 1", by=ANN), "Send now", by=ANN)
    await desk.line.store.write(
        lambda tx: tx.db.execute("UPDATE outbox SET state = 'dead', error = 'gone' WHERE payload LIKE '%hi%'")
    )
    await desk.write(f"/audience remove board telegram:{NEWS}")
    await asked(desk, state="failed")
    await desk.line.store.write(
        lambda tx: tx.db.execute("UPDATE occurrences SET note = 'Left out: @board is empty' WHERE state = 'failed'")
    )
    mine, theirs = (await one(desk, "/schedule show 1", by=CY)).text, (await one(desk, "/schedule show 1", by=ANN)).text
    for words in ("board", str(NEWS), str(TALK)):
        assert (words in mine, words in theirs) == (False, True), words
    assert "club:a: gone" in mine


async def test_the_week_tells_a_limited_role_nothing_of_other_chats(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[list[str]] = []

    def picture(found: Sequence[Entry], **_: Any) -> bytes:
        drawn.append([each.targets for each in found])
        return b""

    monkeypatch.setattr("bot.weeks.picture", picture)
    desk.line.telegram.capabilities = CAPABILITIES
    await desk.grant(CY, "operator", chat=OPS)
    await desk.write(f"/name telegram:{NEWS} board")
    await made(desk, "/schedule tomorrow 9:00 | board | hi", by=ANN)
    await made(desk, "/schedule tomorrow 9:00 | club:a | hi", by=ANN)
    for by in (CY, ANN):
        await desk.write("/schedules week", by=by)
        payload = await read(
            desk, lambda tx: tx.db.execute("SELECT payload FROM outbox ORDER BY id DESC").fetchone()[0]
        )
        (file,) = Message.model_validate_json(payload).attachments
        await WeekPictures(desk.line.store).fetch(file)  # type: ignore[arg-type]
    assert drawn == [["another chat", "club:a"], ["board", "club:a"]]


async def test_a_name_that_is_taken_is_all_that_is_told_of_it(desk: Desk) -> None:
    await desk.grant(CY, "operator", chat=NEWS)
    await made(desk, "/schedule tomorrow 9:00 name=layoffs | club:a | hi")
    text = (await one(desk, "/schedule tomorrow 9:00 name=Layoffs | club:a | hi", by=CY, chat=NEWS)).text
    assert "the name Layoffs is taken already; choose another one" in text.replace("The", "the")
    assert "schedule with" not in text


async def test_who_looks_for_one_that_is_not_there_is_told_of_their_own_behind_many_others(desk: Desk) -> None:
    await desk.grant(CY, "operator", chat=NEWS)
    for _ in range(55):
        await desk.write("/schedule tomorrow 9:00 | club:a | hi", by=BO)
    await desk.write("/schedule tomorrow 9:00 | club:a | hi", by=CY, chat=NEWS)
    assert "there are: 56." in (await one(desk, "/schedule show 9", by=CY, chat=NEWS)).text


# --- long ones


async def test_a_command_too_long_to_be_copied_is_edited_by_parts(desk: Desk) -> None:
    many = ", ".join(f"club:room-{number}" for number in range(400))
    answers = await desk.write(f"/schedule tomorrow 9:00 | {many} | hi", by=BO)
    pressed = await desk.press(answers[-1], "Edit", by=BO)
    assert "the command is too long for one message" in pressed.toast.lower()
    assert pressed.answers == []
    await desk.press(answers[-1], "Schedule", by=BO)
    shown = (await desk.write("/schedule show 1", by=BO))[-1]
    pressed = await desk.press(shown, "Edit", by=BO)
    assert "/schedule edit 1 | | New words" in pressed.toast
    assert pressed.answers == []


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"location": Location(latitude=1.0, longitude=2.0)}, "hi\n(with a place)"),
        ({"contact": Contact(name="Pat", phone="+4930123")}, "hi\n(with a contact)"),
        ({"links": (LinkButton(label="Go", url="https://example.org"),)}, "hi\n[Go] https://example.org"),
    ],
)
def test_all_that_a_schedule_sends_is_named(more: dict[str, Any], words: str) -> None:
    assert whole(Message(text="hi", **more)).text == words
