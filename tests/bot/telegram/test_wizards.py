"""Wizards: every page, back and cancel everywhere, words in groups and alone, and the way again after a restart."""

from __future__ import annotations

import itertools
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.addresses import telegram_address
from bot.store import Tx
from bot.telegram.commands import audiences
from bot.telegram.wizards.engine import wizards
from bridges.errors import Refused
from tests.bot.fakes import opened
from tests.bot.line import Line
from tests.bot.telegram.desk import ANN, BO, CY, NEWS, OPS, TALK, Answer, Desk, Pressing, a_desk
from tests.bot.telegram.scratch import a_scratch_desk

COMMANDS = {
    "wroute": "/route add",
    "wlink": "/link",
    "waudience": "/audience",
    "wannounce": "/announce",
    "wschedule": "/schedule",
}
ALONE = ANN
"""Ann's private chat with the bot."""


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with a_desk(tmp_path) as made:
        yield made


@pytest.fixture(autouse=True)
async def places(desk: Desk) -> None:
    """Two chats and two conversations that are known."""

    def touch(tx: Tx) -> None:
        now = desk.line.clock()
        for account, id, title in (
            ("telegram", str(NEWS), "News"),
            ("telegram", str(TALK), "Talk"),
            ("telegram", f"{TALK}/17", "Talk"),
            ("club", "lobby", "The lobby"),
            ("desk", "room-1", ""),
        ):
            tx.conversations.touch(account, id, kind="group", title=title, now=now)

    await desk.line.store.write(touch)


async def begin(desk: Desk, command: str, *, by: int = ANN, chat: int = OPS) -> Answer:
    """The first page."""
    (page,) = await desk.write(command, by=by, chat=chat)
    return page


async def walk(desk: Desk, page: Answer, *labels: str, by: int = ANN) -> Answer:
    """Press one after the other, each named by how it begins; returns the page that is there then."""
    for beginning in labels:
        found = [button.data for button in page.buttons if button.label.startswith(beginning)]
        assert found, (beginning, page)
        pressed = await desk.press_data(page, found[0], by=by)
        assert pressed.card is not None, (beginning, pressed.toast)
        page = pressed.card
    return page


async def answer(desk: Desk, page: Answer, text: str, *, by: int = ANN, **more: object) -> Answer:
    """Reply to a page with words; returns the next one."""
    (made,) = await desk.write(text, by=by, chat=int(page.chat), reply_to=desk.copy_of(page, number=900), **more)
    return made


def labels(page: Answer) -> list[str]:
    """What is on the buttons."""
    return [button.label for button in page.buttons]


async def rules(desk: Desk) -> list[str]:
    """The rules there are."""
    return await desk.line.store.read(
        lambda tx: [f"{row.source} {row.arrow} {row.target} {row.options}" for row in tx.routes.all()]
    )


# --- from the first page to the last


async def test_a_route_is_made_with_buttons_alone(desk: Desk) -> None:
    page = await begin(desk, "/route add")
    page = await walk(desk, page, "club (Fake)", "The lobby (lobby)", "This chat", "Both ways (<->)", "Skip")
    assert f"The rule:\nclub:lobby <-> telegram:{OPS}" in page.text
    page = await walk(desk, page, "Save")
    assert page.text == f"Route r1 is set: club:lobby <-> telegram:{OPS} name=r1"
    assert page.buttons == ()
    assert await rules(desk) == [f"club:lobby <-> telegram:{OPS} {{}}"]


async def test_a_route_without_a_rule_begins_the_same_wizard(desk: Desk) -> None:
    assert (await begin(desk, "/route")).text.startswith("🔀 A new route")


async def test_a_route_has_the_filters_that_were_chosen(desk: Desk) -> None:
    page = await begin(desk, "/route add")
    page = await walk(desk, page, "club (Fake)", "Everything of club", "This chat", "One way (->)")
    page = await walk(desk, page, "Only with some words…")
    page = await answer(desk, page, "urgent, a.b/c")
    page = await walk(desk, page, "Only some kinds…", "✅ Reactions", "Go on", "Only at some hours…")
    page = await walk(desk, page, "mon-fri 09:00-18:00 UTC", "Go on")
    rule = page.text.split("The rule:\n")[1]
    assert rule == (
        f"club:* -> telegram:{OPS} match=/(?i)(?:urgent|a\\.b\\/c)/ kinds=text,media,edits,deletes"
        " hours=mon-fri 09:00-18:00 UTC"
    )
    assert f"is set: {rule}"[:40] in (await walk(desk, page, "Save")).text


async def test_a_route_may_open_a_topic_for_each_conversation(desk: Desk) -> None:
    page = await begin(desk, "/route add")
    page = await walk(desk, page, "club (Fake)", "Everything of club", "Telegram: a chat or topic", "News")
    page = await walk(desk, page, "A new topic for each conversation", "Skip", "Save")
    assert await rules(desk) == [f"club:* -> new-topic(telegram:{NEWS}) {{}}"]


async def test_a_topic_of_a_chat_can_be_picked(desk: Desk) -> None:
    page = await begin(desk, "/route add")
    page = await walk(desk, page, "Telegram: a chat or topic", "Talk", "Topic 17 Talk")
    assert f"telegram:{TALK}/17" in page.text


async def test_a_chat_is_linked_and_the_link_is_not_offered_again(desk: Desk) -> None:
    page = await begin(desk, "/link")
    assert "This chat" not in labels(page)
    page = await walk(desk, page, "club (Fake)", "The lobby (lobby)", "Link")
    assert page.text == f"Linked: telegram:{OPS} <-> club:lobby (route r1). /unlink ends it."
    page = await walk(desk, await begin(desk, "/link"), "club (Fake)")
    assert "The lobby (lobby)" not in labels(page)
    assert "is there already" in (await answer(desk, page, "club:lobby")).text


async def test_the_test_message_goes_both_ways_and_its_outcome_is_shown(desk: Desk) -> None:
    page = await walk(desk, await begin(desk, "/link"), "club (Fake)", "The lobby (lobby)", "Test")
    assert f"Ops (telegram:{OPS}): everybody in that chat reads it." in page.text
    assert "The lobby (club:lobby): whoever is there reads it, and that may be a customer." in page.text
    desk.line.club.refuses["🔧"] = Refused("the room is closed")
    page = await walk(desk, page, "Send the test")
    assert page.text.count("⏳ under way") == 2
    await desk.line.engine.start()
    try:
        await desk.line.rests()
        page = await walk(desk, page, "Refresh")
    finally:
        await desk.line.engine.stop()
    assert f"telegram:{OPS}: ✅ it arrived" in page.text
    assert "club:lobby: 💔 it did not arrive: the room is closed" in page.text
    assert desk.line.telegram.texts[-1].startswith("🔧 A test of Patchbay by Ann")
    assert "Linked" in (await walk(desk, page, "Go on", "Link")).text


async def test_an_audience_is_filled_and_saved_only_in_the_end(desk: Desk) -> None:
    page = await answer(desk, await begin(desk, "/audience"), "Partners")
    page = await answer(desk, page, "club:lobby here")
    page = await walk(desk, page, "Add…", "desk (Fake)", "room-1", "✖ The lobby")
    assert await _members(desk, "partners") == []
    page = await walk(desk, page, "Save")
    assert "@partners has 2 targets now: 2 added." in page.text
    assert await _members(desk, "partners") == ["desk:room-1", f"telegram:{OPS}"]
    page = await walk(desk, await begin(desk, "/audience"), "@partners (2 targets)", "✖ desk:room-1")
    assert "1 target taken out of @partners" in (await walk(desk, page, "Save")).text


async def _members(desk: Desk, name: str) -> list[str]:
    return await desk.line.store.read(lambda tx: tx.audiences.members(name))


async def test_an_announcement_ends_in_the_preview_of_the_command(desk: Desk) -> None:
    await desk.line.store.write(lambda tx: tx.audiences.add("all", ["club:lobby"], person="7", now=1.0))
    page = await walk(desk, await begin(desk, "/announce"), "➕ @all (1)", "➕ A chat or conversation…", "desk (Fake)")
    page = await walk(desk, page, "room-1", "Go on")
    assert "2 targets" in page.text
    bold = [{"type": "bold", "offset": 0, "length": 2}]
    card = await answer(desk, page, "We are open again.", entities=bold)
    assert "We are open again." in card.text
    assert labels(card) == ["Send", "Schedule", "Edit", "Cancel"]
    assert (await desk.press(card, "Send")).toast == "Sending to 2 targets."


async def test_a_text_that_is_written_before_its_turn_is_taken_when_that_is_said(desk: Desk) -> None:
    await desk.line.store.write(lambda tx: tx.audiences.add("all", ["club:lobby"], person="7", now=1.0))
    page = await walk(desk, await begin(desk, "/announce"), "➕ @all (1)")
    assert "That was the text" not in labels(page)
    bold = [{"type": "bold", "offset": 0, "length": 2}]
    page = await answer(desk, page, "We are open again.", entities=bold)
    assert "If that was the text, press That was the text; Go on asks for it." in page.text
    card = await walk(desk, page, "That was the text")
    assert "We are open again." in card.text
    assert labels(card) == ["Send", "Schedule", "Edit", "Cancel"]


async def test_a_text_without_targets_is_asked_for_later(desk: Desk) -> None:
    page = await answer(desk, await begin(desk, "/announce"), "We are open again.")
    assert "The text is asked for after the targets." in page.text
    assert "That was the text" not in labels(page)


# --- words


@pytest.mark.parametrize(
    ("command", "before", "wrong", "told"),
    [
        ("/route add", (), "nonsense here", "is no address"),
        ("/route add", (), "club", "is no address"),
        ("/route add", (), "nobody:x", "there is no account"),
        ("/route add", ("club (Fake)", "The lobby (lobby)"), "club:*", "one is needed here"),
        ("/route add", ("club (Fake)", "The lobby (lobby)"), "club:lobby", "is there already"),
        ("/link", (), "here", "that is this very chat"),
        ("/link", ("club (Fake)",), "two words", "a blank"),
        ("/audience", (), "!!", "cannot be an audience's name"),
        ("/announce", (), "club:lobby, @nobody", "there is no audience"),
    ],
)
async def test_what_is_wrong_is_said_and_the_same_page_stands_there_again(
    desk: Desk, command: str, before: tuple[str, ...], wrong: str, told: str
) -> None:
    page = await walk(desk, await begin(desk, command), *before)
    again = await answer(desk, page, wrong)
    assert "⚠ " in again.text
    assert told.lower() in again.text.lower()
    assert labels(again) == labels(page)


async def test_filters_without_a_word_are_refused(desk: Desk) -> None:
    page = await begin(desk, "/route add")
    page = await walk(desk, page, "club (Fake)", "The lobby (lobby)", "This chat", "One way (->)")
    page = await walk(desk, page, "Only with some words…")
    assert "⚠ There is no word in it" in (await answer(desk, page, ", ,")).text


async def test_hours_that_are_none_are_refused_with_an_example(desk: Desk) -> None:
    page = await begin(desk, "/route add")
    page = await walk(desk, page, "club (Fake)", "The lobby (lobby)", "This chat", "One way (->)")
    page = await walk(desk, page, "Only at some hours…")
    page = await answer(desk, page, "whenever")
    assert "⚠ " in page.text
    page = await answer(desk, page, "sat 10:00-12:00 Europe/Paris")
    assert "hours: sat 10:00-12:00 Europe/Paris" in page.text


async def test_a_name_is_understood_where_an_address_is(desk: Desk) -> None:
    await desk.ask("/name club:lobby ops")
    assert "club:lobby" in (await answer(desk, await begin(desk, "/link"), "ops")).text


async def test_in_a_group_only_a_reply_to_the_page_is_an_answer(desk: Desk) -> None:
    page = await begin(desk, "/link")
    assert "Or reply to this message with" in page.text
    assert await desk.write("club:lobby") == []
    assert await desk.write("club:lobby", reply_to=desk.message("something", by=BO)) == []
    assert "club:lobby" in (await answer(desk, page, "club:lobby")).text


async def test_in_a_private_chat_the_next_message_is_an_answer_and_is_not_relayed(desk: Desk) -> None:
    await desk.line.route(f"telegram:{ALONE} <-> desk:room-1")
    page = await begin(desk, "/link", chat=ALONE)
    assert "Or write" in page.text
    (page,) = await desk.write("club:lobby", chat=ALONE)
    assert "are joined" in page.text
    assert await desk.line.rows() == []
    # This page takes no words, so they are for the other side.
    await desk.write("hello", chat=ALONE)
    assert [row.address for row in await desk.line.rows()] == ["desk:room-1"]


async def test_a_reply_to_something_else_in_a_private_chat_is_no_answer(desk: Desk) -> None:
    await begin(desk, "/link", chat=ALONE)
    (told,) = await desk.write("club:lobby", chat=ALONE, reply_to=desk.message("before", chat=ALONE))
    assert told.text.startswith("I take commands here")


async def test_other_commands_are_run_and_the_wizard_stays(desk: Desk) -> None:
    await begin(desk, "/link", chat=ALONE)
    assert "telegram" in await desk.ask("/here", chat=ALONE)
    (page,) = await desk.write("club:lobby", chat=ALONE)
    assert "are joined" in page.text


async def test_a_picture_where_words_are_asked_for_is_said_so(desk: Desk) -> None:
    await begin(desk, "/link", chat=ALONE)
    photo = desk.message("", chat=ALONE) | {"photo": [{"file_id": "f", "file_unique_id": "u", "width": 1, "height": 1}]}
    del photo["text"]
    (page,) = await desk.takes(photo)
    assert "⚠ Only words are taken here: write an address or a name, as in support:room-42." in page.text


async def test_a_page_without_words_says_so_to_a_reply(desk: Desk) -> None:
    page = await walk(desk, await begin(desk, "/link"), "club (Fake)", "The lobby (lobby)")
    assert "⚠ This page is answered with its buttons." in (await answer(desk, page, "yes")).text


# --- ways out


@pytest.mark.parametrize("command", COMMANDS.values())
async def test_cancel_leaves_from_the_first_page(desk: Desk, command: str) -> None:
    page = await begin(desk, command)
    assert labels(page)[-2:] == ["Cancel", "?"]
    assert (await walk(desk, page, "Cancel")).text == "Cancelled: nothing was changed."
    assert await desk.ask("/cancel") == "There is nothing to leave."
    assert (await desk.press(page, "?")).toast == f"This wizard is over. {command} begins it anew."


async def test_the_command_cancel_leaves_and_says_so(desk: Desk) -> None:
    page = await begin(desk, "/route add")
    assert await desk.ask("/cancel") == "Cancelled: the wizard of /route add is left, nothing was changed."
    assert (await desk.press(page, "This chat")).toast.startswith("This wizard is over.")
    assert await desk.write("club:lobby", reply_to=desk.copy_of(page, number=900)) == []


async def test_cancel_elsewhere_tells_where_the_wizard_is(desk: Desk) -> None:
    await begin(desk, "/route add")
    told = await desk.ask("/cancel", chat=ALONE)
    assert told.startswith("There is nothing to leave here. You are in the middle of /route add in")


ROUTE = ("club (Fake)", "The lobby (lobby)", "This chat", "Both ways (<->)", "Skip", "Test", "Send the test")
LINK = ("club (Fake)", "The lobby (lobby)", "Test")


@pytest.mark.parametrize(("command", "path"), [("/route add", ROUTE), ("/link", LINK)])
async def test_back_leads_from_every_page_to_the_one_before(desk: Desk, command: str, path: tuple[str, ...]) -> None:
    page = await begin(desk, command)
    seen = [page]
    for label in path[:-1]:
        assert "Cancel" in labels(page)
        page = await walk(desk, page, label)
        seen.append(page)
    for before in reversed(seen[:-1]):
        page = await walk(desk, page, "Back")
        assert labels(page) == labels(before)
    assert "Back" not in labels(page)


async def test_back_does_not_lead_into_a_side_way_that_was_left(desk: Desk) -> None:
    page = await begin(desk, "/route add")
    page = await walk(desk, page, "club (Fake)", "The lobby", "This chat", "One way (->)")
    page = await walk(desk, page, "Only at some hours…", "mon-fri", "Only some kinds…", "Go on", "Back")
    assert "Which way do messages go" in page.text


async def test_another_rule_is_another_test(desk: Desk) -> None:
    page = await begin(desk, "/route add")
    page = await walk(desk, page, "club (Fake)", "The lobby", "This chat", "Both ways", "Skip", "Test", "Send the test")
    assert "Refresh" in labels(page)
    page = await walk(desk, page, "Back", "Back", "Back", "One way (->)", "Skip", "Test")
    assert "One test message goes to" in page.text
    assert "club:lobby:" not in page.text


async def test_help_is_inside(desk: Desk) -> None:
    page = await walk(desk, await begin(desk, "/link"), "?")
    assert "❔ Press what is meant" in page.text
    assert "club (Fake)" in labels(page)


# --- again


async def test_a_wizard_goes_on_after_a_restart_and_days_later(tmp_path: Path) -> None:
    async with opened(tmp_path / "kept") as store:
        desk = Desk(Line(store))
        page = await walk(desk, await begin(desk, "/route add"), "This chat", "club (Fake)")
    async with opened(tmp_path / "kept") as store:
        desk = Desk(Line(store))
        desk._numbers = itertools.count(5000)  # Telegram does not begin anew
        desk.line.clock.at += 5 * 86400
        page = await answer(desk, await walk(desk, page, "?"), "lobby")
        page = await walk(desk, page, "One way (->)", "Skip", "Save")
        assert await rules(desk) == [f"telegram:{OPS} -> club:lobby {{}}"]


async def test_the_command_again_offers_to_go_on(desk: Desk) -> None:
    await walk(desk, await begin(desk, "/route add"), "club (Fake)")
    again = await begin(desk, "/route add")
    assert labels(again) == ["Continue", "Start anew", "Cancel"]
    page = await walk(desk, again, "Continue")
    assert "Which conversation of club?" in page.text
    page = await walk(desk, await begin(desk, "/route add"), "Start anew")
    assert "Where do the messages come from?\n" in page.text
    assert "Back" not in labels(page)


async def test_start_anew_on_an_old_card_does_not_throw_away_what_was_answered_since(desk: Desk) -> None:
    await walk(desk, await begin(desk, "/route add"), "club (Fake)")
    again = await begin(desk, "/route add")
    await walk(desk, await walk(desk, again, "Continue"), "The lobby (lobby)")
    assert "Where do they go?" in (await walk(desk, again, "Start anew")).text


async def test_a_button_of_an_earlier_page_brings_the_page_that_counts(desk: Desk) -> None:
    first = await begin(desk, "/route add")
    await walk(desk, first, "club (Fake)")
    pressed = await desk.press(first, "desk (Fake)")
    assert pressed.toast == "This is where you are."
    assert pressed.card is not None
    assert "Which conversation of club?" in pressed.card.text
    await walk(desk, pressed.card, "The lobby (lobby)")


async def test_another_wizard_ends_the_first_with_a_word(desk: Desk) -> None:
    first = await walk(desk, await begin(desk, "/route add"), "club (Fake)")
    page = await begin(desk, "/link")
    assert "The wizard of /route add was left for this one." in page.text
    assert (await desk.press(first, "Back")).toast.startswith("This wizard is over.")
    await walk(desk, page, "club (Fake)")


async def test_a_wizard_follows_its_group_when_that_becomes_a_supergroup(desk: Desk) -> None:
    old = -5
    page = await walk(desk, await begin(desk, "/route add", chat=old), "This chat", "club (Fake)")
    new = -1005
    desk.chats[new] = {"id": new, "type": "supergroup", "title": "Ops"}
    await desk.line.store.write(
        lambda tx: desk.line.relay.places.upgraded(tx, telegram_address(old), telegram_address(new), now=1.0)
    )
    page = await walk(desk, await begin(desk, "/route add", chat=new), "Continue", "The lobby", "One way (->)", "Skip")
    assert f"The rule:\ntelegram:{new} -> club:lobby" in page.text


async def test_a_page_that_cannot_be_asked_any_more_gives_way_to_the_one_before(desk: Desk) -> None:
    await desk.line.store.write(lambda tx: tx.audiences.add("all", ["club:lobby"], person="7", now=1.0))
    page = await walk(desk, await begin(desk, "/announce"), "➕ @all", "Go on")
    await desk.line.store.write(lambda tx: tx.audiences.drop("all"))
    page = await walk(desk, page, "?")
    assert "⚠ There is no audience" in page.text
    assert "✖ @all" in labels(page)
    await walk(desk, page, "✖ @all")


async def test_a_wizard_of_another_version_begins_anew(desk: Desk) -> None:
    page = await walk(desk, await begin(desk, "/link"), "club (Fake)")
    await desk.line.store.write(
        lambda tx: tx.db.execute("UPDATE dialogs SET state = replace(state, 'other.where', 'elsewhere')")
    )
    assert "Which conversation is this chat to be joined with?\n" in (await walk(desk, page, "?")).text


# --- others


async def test_two_people_in_one_chat_do_not_disturb_each_other(desk: Desk) -> None:
    await desk.grant(BO, "admin")
    anns, bos = await begin(desk, "/route add"), await begin(desk, "/link", by=BO)
    assert (await desk.press(anns, "This chat", by=BO)).toast == "Only the person who asked for this may press here."
    assert await desk.write("club:lobby", by=BO, reply_to=desk.copy_of(anns, number=900)) == []
    anns = await walk(desk, anns, "desk (Fake)")
    bos = await walk(desk, bos, "club (Fake)", "The lobby (lobby)", "Link", by=BO)
    assert "Linked" in bos.text
    assert "Which conversation of desk?" in anns.text
    await walk(desk, anns, "room-1")


async def test_a_reply_to_another_persons_page_is_no_answer(desk: Desk) -> None:
    await desk.grant(BO, "admin")
    anns = await begin(desk, "/link")
    await begin(desk, "/link", by=BO)
    keys = [[{"text": button.label, "callback_data": button.data}] for button in anns.buttons]
    page = desk.copy_of(anns, number=900) | {"reply_markup": {"inline_keyboard": keys}}
    assert await desk.write("club:lobby", by=BO, reply_to=page) == []
    (made,) = await desk.write("club:lobby", reply_to=page)
    assert "are joined" in made.text


async def test_an_answer_that_is_refused_has_changed_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    await desk.line.store.write(lambda tx: tx.audiences.add("all", ["club:lobby"], person="7", now=1.0))
    page = await walk(desk, await begin(desk, "/audience"), "@all", "✖ The lobby")
    page = await answer(desk, page, "desk:room-1, here")
    monkeypatch.setattr(audiences, "MOST", 1)
    page = await walk(desk, page, "Save")
    assert "⚠ @all would have 2 targets" in page.text
    assert await _members(desk, "all") == ["club:lobby"]


async def test_who_has_no_role_begins_no_wizard(desk: Desk) -> None:
    for command in COMMANDS.values():
        assert "needs the role" in await desk.ask(command, by=CY)
    assert await desk.ask("/cancel", by=CY) == "There is nothing to leave."


async def test_a_role_taken_away_in_the_middle_ends_it(desk: Desk) -> None:
    await desk.grant(BO, "admin")
    page = await walk(desk, await begin(desk, "/route add", by=BO), "club (Fake)", by=BO)
    await desk.grant(BO, "viewer")
    assert (await desk.press(page, "The lobby (lobby)", by=BO)).toast == "This needs the role admin; yours is viewer."
    told = await answer(desk, page, "lobby", by=BO)
    assert told.text.startswith("The wizard of /route add is left: it needs the role admin, and yours is viewer.")
    assert (str(BO), "wizard wroute", "refused") in await desk.audit()


async def test_a_role_for_one_chat_is_offered_what_it_reaches(desk: Desk) -> None:
    await desk.grant(BO, "admin", chat=OPS)
    page = await begin(desk, "/route add", by=BO)
    assert labels(page)[:3] == ["This chat", "club (Fake)", "desk (Fake)"]
    page = await walk(desk, page, "club (Fake)", "Everything of club", by=BO)
    refused = await answer(desk, page, f"telegram:{NEWS}", by=BO)
    assert "⚠ Your role admin counts in this chat only" in refused.text
    assert "Where do they go?" in (await answer(desk, refused, f"telegram:{NEWS}", by=BO)).text
    assert "needs the role admin everywhere" in await desk.ask("/audience", by=BO)


async def test_what_belongs_to_other_chats_is_not_offered_to_a_role_for_one_chat(desk: Desk) -> None:
    await desk.ask(f"/name telegram:{NEWS} headlines")
    await desk.ask("/name club:lobby counter")
    await desk.ask(f"/audience add far telegram:{NEWS} club:lobby")
    await desk.ask("/audience add near club:lobby")
    await desk.grant(BO, "operator", chat=OPS)
    page = await begin(desk, "/announce", by=BO)
    assert [label for label in labels(page) if label.startswith("➕")] == [
        "➕ @near (1)",
        "➕ counter",
        "➕ A chat or conversation…",
    ]
    page = await answer(desk, page, "@far", by=BO)
    assert "⚠ Your role counts in this chat only" in page.text
    page = await walk(desk, page, "➕ A chat", by=BO)
    assert labels(page)[:2] == ["This chat", "club (Fake)"]


async def test_two_hundred_chats_are_shown_a_few_at_a_time(desk: Desk) -> None:
    def touch(tx: Tx) -> None:
        for number in range(200):
            id = str(-1002000000000 - number)
            tx.conversations.touch("telegram", id, kind="group", title=f"Chat {number:03}", now=2e9 - number)

    await desk.line.store.write(touch)
    page = await walk(desk, await begin(desk, "/link"), "Telegram: a chat or topic")
    shown: list[str] = []
    while True:
        shown += [label for label in labels(page) if label.startswith("Chat ")]
        assert len(page.buttons) <= 16
        onward = [label for label in labels(page) if "▶" in label]
        if not onward:
            break
        page = await walk(desk, page, onward[0])
    assert len(shown) == len(set(shown)) == 200
    back = next(label for label in labels(page) if "◀" in label)
    assert back == "◀ 25 of 26"
    assert "▶" in "".join(labels(await walk(desk, page, back)))


# --- Telegram's own list of chats


async def test_a_chat_from_telegrams_own_list_is_taken_and_the_buttons_go(desk: Desk) -> None:
    page = await walk(desk, await begin(desk, "/route add", chat=ALONE), "Telegram: a chat or topic")
    pressed = await desk.press(page, "Another chat…")
    assert pressed.answers[0].text == "Choose the chat with a button below the field for text."
    shared = desk.message("", chat=ALONE) | {"chat_shared": {"request_id": 1, "chat_id": -100777, "title": "New one"}}
    del shared["text"]
    away, page = await desk.takes(shared)
    assert away.text == "The buttons below are put away."
    assert "telegram:-100777 … ?" in page.text
    assert "Where do they go?" in page.text
    assert await desk.takes(shared | {"message_id": 99999}) == []


async def test_the_list_of_chats_is_put_away_with_the_wizard(desk: Desk) -> None:
    page = await walk(desk, await begin(desk, "/route add", chat=ALONE), "Telegram: a chat or topic", "Another chat…")
    (away,) = (await desk.press(page, "Cancel")).answers
    assert away.text == "The buttons below are put away."


async def test_another_chat_is_not_offered_in_a_group(desk: Desk) -> None:
    page = await walk(desk, await begin(desk, "/route add"), "Telegram: a chat or topic")
    assert "Another chat…" not in labels(page)


# --- whatever is pressed


WORDS = (
    "every day at 9",
    "tomorrow 9:00",
    "club:lobby",
    "here",
    "club:*",
    "x" * 5000,
    "‮@all, ,",
    "partners",
    "mon-fri 9-17",
    "😀",
    '"',
    "0",
)


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("chat", [OPS, ALONE])
async def test_whatever_is_pressed_and_written_there_is_a_way_out(name: str, chat: int) -> None:
    """150 walks in a group and as many in a private chat."""
    desk, _ = a_scratch_desk()
    chance = random.Random(f"{name} {chat}")
    await desk.line.store.write(lambda tx: tx.audiences.add("all", ["club:lobby"], person="7", now=1.0))
    for _ in range(150):
        (page,) = await desk.write(COMMANDS[name], chat=chat)
        for _ in range(chance.randrange(1, 9)):
            if not page.buttons or not page.buttons[0].data.startswith("w"):
                break
            assert "Cancel" in labels(page)
            assert len(page.text) <= 4096
            assert all(len(button.data.encode()) <= 64 for button in page.buttons)
            page = await _step(desk, page, chance, chat=chat)
        await desk.write("/cancel", chat=chat)
    assert wizards[name].steps


async def _step(desk: Desk, page: Answer, chance: random.Random, *, chat: int) -> Answer:
    if chance.random() < 0.25:
        told = await desk.write(chance.choice(WORDS), chat=chat, reply_to=desk.copy_of(page, number=900))
        return told[-1] if told else page
    onward = [button for button in page.buttons if button.label not in ("Cancel", "?")]
    button = chance.choice(onward if onward and chance.random() < 0.9 else list(page.buttons))
    pressed: Pressing = await desk.press_data(page, button.data)
    assert pressed.card is not None, pressed.toast
    return pressed.card


async def test_a_forwarded_message_is_no_answer(desk: Desk) -> None:
    await desk.write("/announce", by=ANN, chat=ANN)
    forwarded = {"type": "hidden_user", "sender_user_name": "Eve", "date": 1}
    (made,) = await desk.write("club:lobby", by=ANN, chat=ANN, forward_origin=forwarded)
    assert "⚠ A forwarded message is no answer: write it yourself." in made.text
    assert "To whom does it go?" in made.text
