"""/history: both directions of a conversation, for those who may see it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.store import Tx
from bridges.errors import Refused
from bridges.model import Attachment, Message
from tests.bot.telegram.desk import ANN, BO, CY, NEWS, OPS, Desk, a_desk

HERE = f"telegram:{OPS}"


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with a_desk(tmp_path) as made:
        yield made
        await made.line.engine.stop(grace_s=1)


def lines(text: str) -> list[str]:
    """What was said, without times and links."""
    return [re.sub(r"^\S+ \S+ | https://\S+$", "", line) for line in text.splitlines()[1:]]


async def delivered(desk: Desk) -> None:
    await desk.line.engine.start()
    await desk.line.rests()


async def test_history_shows_what_was_written_there_and_what_was_sent_there_oldest_first(desk: Desk) -> None:
    await desk.line.said("club:lobby", "hello", id="m1", name="Pat", late_s=20)
    desk.line.clock.at += 1
    await desk.write("/send club:lobby welcome")
    desk.line.clock.at += 1
    await desk.line.said("club:lobby", "thanks", id="m2", name="Pat")
    await delivered(desk)
    assert lines(await desk.ask("/history club:lobby")) == ["← Pat: hello", "→ Ann: welcome", "← Pat: thanks"]


async def test_history_says_of_what_did_not_arrive_why(desk: Desk) -> None:
    desk.line.club.refuses["no"] = Refused("the room is closed")
    await desk.write("/send club:lobby no way")
    await delivered(desk)
    (row,) = await desk.line.rows("club:lobby")
    assert f"→ Ann: no way [delivery {row.id} dead: the room is closed]" in await desk.ask("/history club:lobby")


async def test_history_takes_the_number_that_was_asked_for(desk: Desk) -> None:
    for n in range(30):
        await desk.line.said("club:lobby", f"number {n}", id=f"m{n}")
    assert len(lines(await desk.ask("/history club:lobby"))) == 20
    assert lines(await desk.ask("/history club:lobby 2")) == ["← Pat: number 28", "← Pat: number 29"]


@pytest.mark.parametrize("n", ["0", "-3", "many", "1.5"])
async def test_history_refuses_a_number_that_is_none(desk: Desk, n: str) -> None:
    assert "Example: /history support:room-42 20" in await desk.ask(f"/history club:lobby {n}")


async def test_older_goes_back_page_by_page_to_the_beginning_and_misses_nothing(desk: Desk) -> None:
    for n in range(7):
        await desk.line.said("club:lobby", f"number {n}", id=f"m{n}")
        await desk.write(f"/send club:lobby answer {n}")
        desk.line.clock.at += 1
    (answer,) = await desk.write("/history club:lobby 5")
    seen = [lines(answer.text)]
    while answer.buttons:
        pressed = await desk.press(answer, "Older")
        assert pressed.card is not None and not pressed.card.buttons
        (answer,) = pressed.answers
        seen.insert(0, lines(answer.text))
    said = [re.sub(r" \[.*", "", line).split(" ", 2)[2] for page in seen for line in page]
    assert said == [words for n in range(7) for words in (f"number {n}", f"answer {n}")]


async def test_what_fits_into_two_messages_is_shown_and_the_rest_is_older(desk: Desk) -> None:
    for n in range(100):
        await desk.line.said("club:lobby", f"number {n} " + "many words " * 60, id=f"m{n}")
    answers = await desk.write("/history club:lobby 100")
    assert len(answers) <= 2
    assert "number 99" in answers[-1].text and answers[-1].buttons
    assert "number 0 " not in answers[0].text


async def test_edited_and_taken_back_messages_are_marked(desk: Desk) -> None:
    await desk.line.said("club:lobby", "frist", id="m1")
    await desk.line.said("club:lobby", "secret", id="m2")
    await desk.line.store.write(lambda tx: desk.line.edits(tx, "club:lobby", "first", id="m1"))

    def gone(tx: Tx) -> None:
        origin = tx.messages.find("club", "m2")
        assert origin is not None
        tx.messages.gone(origin.id, now=1.0)

    await desk.line.store.write(gone)
    assert lines(await desk.ask("/history club:lobby")) == ["← Pat: first (edited)", "← Pat: (taken back)"]


async def test_an_edit_that_was_made_there_shows_its_words(desk: Desk) -> None:
    desk.line.club.capabilities = replace(desk.line.club.capabilities, edits=True)
    said = desk.message("/send club:lobby wellcome")
    await desk.takes(said)
    await delivered(desk)
    await desk.write("/edit welcome", reply_to=said)
    await desk.line.rests()
    assert lines(await desk.ask("/history club:lobby")) == ["→ Ann: welcome (edited)"]


async def test_files_are_named(desk: Desk) -> None:
    desk.line.telegram.capabilities = replace(
        desk.line.telegram.capabilities, attachments="bytes", attachments_most=10, caption_limit=1024
    )
    await desk.line.route(f"club:lobby -> {HERE}")
    picture = Attachment(kind="image", ref="f", name="cat.png", size=1200)

    def says(tx: Tx) -> None:
        desk.line.says(tx, "club:lobby", "", id="m1", message=Message(text="look", attachments=(picture,)))

    await desk.line.store.write(says)
    assert lines(await desk.ask("/history club:lobby")) == ["← Pat: look [image: cat.png, 1.2 kB]"]


async def test_a_message_in_a_supergroup_has_a_link_that_opens_it(desk: Desk) -> None:
    said = desk.message("good morning", topic=17)
    await desk.takes(said)
    answer = await desk.ask("/history here", topic=17)
    assert f"https://t.me/c/{str(OPS)[4:]}/17/{said['message_id']}" in answer


async def test_here_is_this_chat_and_commands_are_left_out(desk: Desk) -> None:
    await desk.write("good morning", by=BO)
    await desk.write("/whoami", by=BO)
    assert lines(await desk.ask("/history here")) == ["← Bo: good morning"]


async def test_words_of_others_ping_nobody(desk: Desk) -> None:
    await desk.line.said("club:lobby", "ask @admin", id="m1")
    assert "@admin" not in await desk.ask("/history club:lobby")


async def test_a_conversation_of_which_nothing_is_known_is_said_to_be_so(desk: Desk) -> None:
    assert "nothing" in await desk.ask("/history club:nowhere")


async def test_a_damaged_delivery_does_not_keep_the_others_from_being_shown(desk: Desk) -> None:
    await desk.write("/send club:lobby one")
    await desk.write("/send club:lobby two")
    await desk.line.store.write(
        lambda tx: tx.db.execute("UPDATE outbox SET payload = '{' WHERE id = (SELECT MIN(id) FROM outbox)")
    )
    text = await desk.ask("/history club:lobby")
    assert "(damaged)" in text and "two" in text


# --- a role that is limited to one chat


@pytest.fixture
async def limited(desk: Desk) -> Desk:
    """Bo is an operator in Ops alone; there is something to be seen everywhere."""
    await desk.grant(BO, "operator", chat=OPS)
    await desk.line.said("club:lobby", "from the club", id="m1")
    await desk.write("written in news", chat=NEWS, by=CY)
    await desk.write("/send club:lobby sent from news", chat=NEWS)
    await desk.write("/send club:lobby sent from ops", chat=OPS)
    return desk


async def test_a_limited_role_sees_its_own_chat(limited: Desk) -> None:
    await limited.write("written in ops", by=CY)
    assert "written in ops" in await limited.ask("/history here", by=BO)


@pytest.mark.parametrize("rule", ["", f"club:lobby -> telegram:{NEWS}", f"club:other <-> {HERE}"])
async def test_a_limited_role_does_not_see_a_conversation_that_its_chat_has_nothing_to_do_with(
    limited: Desk, rule: str
) -> None:
    if rule:
        await limited.line.route(rule)
    answer = await limited.ask("/history club:lobby", by=BO)
    assert "from the club" not in answer and "role operator everywhere" in answer
    assert (str(BO), "/history", "refused") in await limited.audit()


@pytest.mark.parametrize(
    "rule",
    [f"club:lobby <-> {HERE}", f"club:lobby -> {HERE}", f"{HERE}/4 -> club:lobby", f"club:* -> new-topic({HERE})"],
)
async def test_a_limited_role_sees_what_its_chat_is_joined_with_but_not_what_others_sent_there(
    limited: Desk, rule: str
) -> None:
    await limited.line.route(rule)
    answer = await limited.ask("/history club:lobby", by=BO)
    assert "from the club" in answer and "sent from ops" in answer
    assert "sent from news" not in answer and f"/c/{str(NEWS)[4:]}/" not in answer


async def test_a_limited_role_does_not_see_another_chat(limited: Desk) -> None:
    answer = await limited.ask(f"/history telegram:{NEWS}", by=BO)
    assert "written in news" not in answer and "everywhere" in answer


async def test_older_is_refused_when_the_link_was_cut_meanwhile(limited: Desk) -> None:
    await limited.line.route(f"club:lobby <-> {HERE}", name="link")
    for n in range(4):
        await limited.line.said("club:lobby", f"number {n}", id=f"n{n}")
    (answer,) = await limited.write("/history club:lobby 2", by=BO)

    def cut(tx: Tx) -> None:
        row = tx.routes.find("link")
        assert row is not None
        tx.routes.remove(row.id)

    await limited.line.store.write(cut)
    pressed = await limited.press(answer, "Older", by=BO)
    assert "neither part of it" in pressed.toast and not pressed.answers


async def test_somebody_else_cannot_press_older(desk: Desk) -> None:
    for n in range(4):
        await desk.line.said("club:lobby", f"number {n}", id=f"n{n}")
    (answer,) = await desk.write("/history club:lobby 2", by=ANN)
    pressed = await desk.press(answer, "Older", by=CY)
    assert "Only the person" in pressed.toast and not pressed.answers


@pytest.mark.parametrize("option", ["match=/urgent/", "not=/calm/", "from=pat"])
async def test_of_a_rule_that_takes_some_messages_a_limited_role_sees_what_came_to_its_chat(
    limited: Desk, option: str
) -> None:
    await limited.line.route(f"club:lobby -> {HERE} {option}")
    await limited.line.said("club:lobby", "urgent: come", id="a")
    await limited.line.said("club:lobby", "calm talk among themselves", id="b", name="Sam")
    answer = await limited.ask("/history club:lobby", by=BO)
    assert "urgent: come" in answer
    assert "calm talk" not in answer
    assert "calm talk" not in await limited.ask("/search calm", by=BO)
    assert "urgent: come" in await limited.ask("/search urgent in:club:lobby", by=BO)
    assert "calm talk" in await limited.ask("/history club:lobby")


async def test_with_a_rule_that_takes_everything_beside_it_all_is_seen(limited: Desk) -> None:
    await limited.line.route(f"club:lobby -> {HERE} match=/urgent/")
    await limited.line.route(f"club:lobby -> {HERE}", name="all")
    await limited.line.said("club:lobby", "calm talk", id="b")
    assert "calm talk" in await limited.ask("/history club:lobby", by=BO)


async def test_what_was_written_in_the_chat_itself_is_seen_over_there(limited: Desk) -> None:
    await limited.line.route(f"club:lobby -> {HERE} match=/urgent/")
    await limited.write("/send club:lobby our own words", by=BO)
    assert "our own words" in await limited.ask("/history club:lobby", by=BO)


async def test_in_a_search_another_chat_is_not_told_behind_its_name(limited: Desk) -> None:
    await limited.write(f"/name telegram:{NEWS} hq")
    assert str(NEWS) not in await limited.ask("/search words in:hq", by=BO)
