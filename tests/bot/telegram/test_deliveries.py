"""Deliveries from the chat: lists, causes, decisions, and what a role for one chat sees of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot import decisions
from bot.store.outbox import Delivery
from bot.telegram.commands import lines
from bridges.errors import Refused, Unavailable
from tests.bot.line import Line
from tests.bot.telegram.desk import ANN, BO, CY, NEWS, OPS, Answer, Desk, a_desk

GONE = Refused("HTTP 404: no such room")
UNKNOWN = Unavailable("the connection broke", maybe_sent=True)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with a_desk(tmp_path, edits=True, deletes=True, markup="entities") as made:
        await made.line.engine.start()
        yield made
        await made.line.engine.stop(grace_s=1)


async def sends(
    desk: Desk, *texts: str, error: Exception | None = GONE, chat: int = OPS, by: int = ANN
) -> list[Delivery]:
    """Somebody sends these to the club's lobby, which refuses them so."""
    for text in texts:
        if error is not None:
            desk.line.club.refuses[text] = error
        await desk.write(f"/send club:lobby {text}", by=by, chat=chat)
    rows = await desk.line.rests()
    desk.line.club.refuses.clear()
    return [row for row in rows if decisions.text_of(row) in texts]


async def asked(desk: Desk, text: str, **more: int) -> Answer:
    (answer,) = await desk.write(text, **more)
    return answer


async def states(line: Line) -> list[str]:
    return [row.state for row in await line.rows()]


def labels(answer: Answer | None) -> list[str]:
    assert answer is not None
    return [button.label for button in answer.buttons]


# --- lists


async def test_what_failed_is_listed_by_cause_with_id_address_and_how_it_begins(desk: Desk) -> None:
    one, two = await sends(desk, "one", "two")
    (three,) = await sends(desk, "three", error=Refused("HTTP 403: not yours"))
    desk.line.clock.at += 300
    answer = await asked(desk, "/failed")
    assert answer.text.splitlines() == [
        "Given up: 3 at club.",
        "1. 2 × HTTP 404: no such room",
        "2. 1 × HTTP 403: not yours",
        f"{three.id} → club:lobby (dead, 5 min, 1 attempt): HTTP 403: not yours",
        "   “three”",
        f"{two.id} → club:lobby (dead, 5 min, 1 attempt): HTTP 404: no such room",
        "   “two”",
        f"{one.id} → club:lobby (dead, 5 min, 1 attempt): HTTP 404: no such room",
        "   “one”",
        "/show ID, /retry ID or all, /discard ID",
    ]
    assert labels(answer) == [
        "Retry these 2 (cause 1)",
        "Discard these 2 (cause 1)",
        "Retry these 1 (cause 2)",
        "Discard these 1 (cause 2)",
    ]


@pytest.mark.parametrize("command", ["/queue", "/failed", "/held"])
async def test_a_list_of_nothing_says_so(desk: Desk, command: str) -> None:
    assert await desk.ask(command) in ("Nothing waits.", "Nothing has failed.", "Nothing is held.")


async def test_a_list_is_of_one_account_that_there_is(desk: Desk) -> None:
    await sends(desk, "one")
    assert (await desk.ask("/failed desk")) == "Nothing has failed."
    assert "there is no account 'clbu'" in (await desk.ask("/failed clbu")).lower()


async def test_the_queue_shows_what_waits_and_not_the_bots_own_answers(desk: Desk) -> None:
    await desk.line.store.write(lambda tx: tx.accounts.pause("club", reason="for a test", now=desk.line.clock()))
    await desk.write("/send club:lobby one")
    answer = await asked(desk, "/queue")
    (row,) = await desk.line.rows()
    assert answer.text.splitlines() == ["Waiting: 1 at club.", f"{row.id} → club:lobby (queued, 0 s)", "   “one”"]


async def test_long_lists_are_read_page_by_page(desk: Desk) -> None:
    await sends(desk, *(f"number {n:02}" for n in range(45)))
    seen = await asked(desk, "/failed")
    texts = [seen.text]
    while "Older" in labels(seen):
        pressed = await desk.press(seen, "Older")
        assert pressed.card is not None
        seen = pressed.card
        texts.append(seen.text)
    assert [text.count("→") for text in texts] == [20, 20, 5]
    assert all(f"“number {n:02}”" in "\n".join(texts) for n in range(45))
    back = await desk.press(seen, "Newer")
    assert back.card is not None
    assert "21 to 40 of 45" in back.card.text


async def test_a_page_stays_one_message_however_long_its_texts_are(desk: Desk) -> None:
    await sends(desk, *(f"{n:02} {'👩‍👩‍👧‍👦' * 60}" for n in range(25)), error=Refused("because " * 100))
    answer = await asked(desk, "/failed")
    assert lines.utf16_length(answer.text) <= 4096
    assert "Older" in labels(answer)


# --- by cause


async def test_all_of_a_cause_are_sent_again_once_by_who_asked(desk: Desk) -> None:
    await desk.grant(BO, "operator")
    await sends(desk, "one", "two")
    await sends(desk, "three", error=Refused("HTTP 403: not yours"))
    answer = await asked(desk, "/failed")
    assert "Only the person who asked" in (await desk.press(answer, "Retry these 2 (cause 1)", by=BO)).toast
    pressed = await desk.press(answer, "Retry these 2 (cause 1)")
    assert pressed.toast == "2 deliveries are sent again."
    assert labels(pressed.card) == ["Retry these 1", "Discard these 1"]
    await desk.line.rests()
    assert sorted(desk.line.club.texts) == ["one", "two"]
    assert (await desk.press(answer, "Retry these 2 (cause 1)")).toast == "This was decided already."


async def test_a_cause_that_has_changed_since_it_was_shown_is_shown_anew(desk: Desk) -> None:
    await sends(desk, "one")
    answer = await asked(desk, "/failed")
    await sends(desk, "two")
    pressed = await desk.press(answer, "Retry these 1")
    assert pressed.toast == "The list has changed meanwhile: look again."
    assert labels(pressed.card) == ["Retry these 2", "Discard these 2"]
    assert await states(desk.line) == ["dead", "dead"]
    assert pressed.card is not None
    assert (await desk.press(pressed.card, "Retry these 2")).toast == "2 deliveries are sent again."


async def test_all_of_a_cause_are_discarded_after_a_question(desk: Desk) -> None:
    one, two = await sends(desk, "one", "two")
    pressed = await desk.press(await asked(desk, "/failed"), "Discard these 2")
    assert pressed.card is not None
    assert pressed.card.text == (
        f"Discard 2 deliveries? {one.id} to {two.id}, for club:lobby (2).\n"
        "They are not sent then, and this cannot be undone."
    )
    assert await states(desk.line) == ["dead", "dead"]
    assert (await desk.press(pressed.card, "Discard")).toast == "2 deliveries are discarded."
    assert await states(desk.line) == ["discarded", "discarded"]


async def test_all_are_sent_again_or_discarded_by_words_of_their_reason(desk: Desk) -> None:
    await sends(desk, "one", "two")
    await sends(desk, "three", error=Refused("HTTP 403: not yours"))
    assert await desk.ask("/retry all NO such room") == "2 deliveries are sent again."
    await desk.line.rests()
    assert await desk.ask("/retry all no such room") == (
        "Nothing has failed or is held for no such room; /failed lists the causes."
    )
    card = await asked(desk, "/discard all 403")
    assert await states(desk.line) == ["sent", "sent", "dead"]
    await desk.press(card, "Discard")
    assert await states(desk.line) == ["sent", "sent", "discarded"]
    assert await desk.ask("/retry all") == "Nothing has failed or is held."


async def test_what_is_to_be_discarded_is_what_was_shown(desk: Desk) -> None:
    one, _ = await sends(desk, "one", "two")
    card = await asked(desk, "/discard all")
    await desk.ask(f"/retry {one.id}")
    await sends(desk, "three")
    pressed = await desk.press(card, "Discard")
    assert pressed.toast == "It has changed meanwhile: look again."
    assert pressed.card is not None
    await desk.press(pressed.card, "Discard")
    assert await states(desk.line) == ["sent", "discarded", "dead"]


# --- held


async def test_the_newest_held_ones_have_buttons_of_their_own(desk: Desk) -> None:
    rows = await sends(desk, *(f"number {n}" for n in range(7)), error=UNKNOWN)
    first, *others = await desk.write("/held")
    assert all(f"{row.id} → club:lobby" in first.text for row in rows)
    assert [labels(answer) for answer in (first, *others)] == [["Send again", "It arrived", "Drop"]] * 5
    assert f"The buttons are for {rows[-1].id};" in first.text
    assert others[0].text.startswith(f"{rows[-2].id} → club:lobby (held")
    await desk.press(others[0], "It arrived")
    await desk.press(first, "Drop")
    await desk.press(others[1], "Send again")
    await desk.line.rests()
    assert (await states(desk.line))[-3:] == ["sent", "sent", "discarded"]


# --- one


async def test_show_tells_all_of_a_delivery_and_decides(desk: Desk) -> None:
    (row,) = await sends(desk, "hello @everybody")
    answer = await asked(desk, f"/show {row.id}")
    assert answer.text.splitlines()[:4] == [
        f"{row.id} → club:lobby (dead, attempt 1): HTTP 404: no such room",
        "because of: /send by Ann",
        f"written at telegram:{OPS} by Ann, {lines.at(desk.line.clock())}",
        "https://t.me/c/1000000001/1",
    ]
    assert "hello @\u2060everybody" in answer.text
    assert f"/redirect {row.id} ADDRESS sends it elsewhere, /retry {row.id} TEXT with other words." in answer.text
    assert labels(answer) == ["Retry", "Discard"]
    await desk.press(answer, "Retry")
    assert [each.state for each in await desk.line.rests()] == ["sent"]
    assert labels(await asked(desk, f"/show {row.id}")) == []


async def test_a_held_one_is_shown_with_its_three_buttons(desk: Desk) -> None:
    (row,) = await sends(desk, "one", error=UNKNOWN)
    assert labels(await asked(desk, f"/show {row.id}")) == ["Send again", "It arrived", "Drop"]


@pytest.mark.parametrize("command", ["/show 99", "/retry 99", "/discard 99", "/retry 99 other words"])
async def test_an_unknown_delivery_is_answered(desk: Desk, command: str) -> None:
    assert "there is no delivery '99'" in (await desk.ask(command)).lower()


async def test_one_is_redirected(desk: Desk) -> None:
    (row,) = await sends(desk, "one")
    assert "goes to desk:hall instead" in await desk.ask(f"/redirect {row.id} desk:hall")
    await desk.line.rests()
    assert desk.line.desk.texts == ["one"]
    assert "can no longer be redirected" in await desk.ask(f"/redirect {row.id} desk:hall")


async def test_redirecting_to_where_it_goes_is_refused(desk: Desk) -> None:
    (row,) = await sends(desk, "one")
    assert f"/retry {row.id} sends it again" in await desk.ask(f"/redirect {row.id} club:lobby")


# --- with other words


async def test_one_is_sent_again_with_other_words_and_their_formatting(desk: Desk) -> None:
    (row,) = await sends(desk, "first words")
    text = f"/retry {row.id} other words"
    bold = {"type": "bold", "offset": text.index("words"), "length": 5}
    command = desk.message(text)
    command["entities"].append(bold)
    (answer,) = await desk.takes(command)
    assert answer.text == f"Delivery {row.id} to club:lobby is sent again with these words."
    await desk.line.rests()
    (out,) = desk.line.club.sent
    assert (out.message.text, [(s.kind, s.start, s.length) for s in out.message.spans]) == (
        "other words",
        [("bold", 6, 5)],
    )
    assert ("7", "/retry", f"delivery {row.id} edited") in await desk.audit()


async def test_other_words_keep_the_sender_that_the_route_shows(desk: Desk) -> None:
    await desk.line.route(f'telegram:{OPS} -> club:lobby template="<{{sender}}> {{text}}"')
    desk.line.club.refuses["<Bo>"] = GONE
    await desk.write("too rude", by=BO)
    (row,) = await desk.line.rests()
    desk.line.club.refuses.clear()
    await desk.ask(f"/retry {row.id} kind words")
    await desk.line.rests()
    assert desk.line.club.texts == ["<Bo> kind words"]


@pytest.mark.parametrize(("before", "after"), [(2500, 10), (10, 2500), (2500, 1500)])
async def test_other_words_go_in_as_many_parts_as_they_need(desk: Desk, before: int, after: int) -> None:
    desk.line.club.refuses[""] = GONE
    await desk.write(f"/send club:lobby {'a ' * (before // 2)}")
    rows = await desk.line.rests()
    desk.line.club.refuses.clear()
    told = await desk.ask(f"/retry {rows[-1].id} {'b ' * (after // 2)}")
    assert {row.state for row in await desk.line.rests()} <= {"sent", "cancelled"}
    texts = desk.line.club.texts
    assert (" parts" not in told) if len(texts) == 1 else f"in {len(texts)} parts" in told
    words = "".join(texts)
    assert (words.count("b"), "a" in words) == (after // 2, False)


async def test_a_part_alone_takes_only_words_that_fit_it(desk: Desk) -> None:
    desk.line.club.refuses["(2/3)"] = GONE
    await desk.write(f"/send club:lobby {'a ' * 1250}")
    _, two, _ = await desk.line.rests()
    desk.line.club.refuses.clear()
    assert f"delivery {two.id} is part 2 of 3; shorten them" in await desk.ask(f"/retry {two.id} {'b ' * 700}")
    await desk.ask(f"/retry {two.id} shorter")
    await desk.line.rests()
    assert desk.line.club.texts[-1] == "shorter"


async def test_what_is_not_waiting_gets_no_other_words(desk: Desk) -> None:
    (row,) = await sends(desk, "one", error=None)
    assert "is sent; only dead and held ones" in await desk.ask(f"/retry {row.id} other")
    assert desk.line.club.texts == ["one"]


async def test_later_edits_and_undo_follow_the_other_words(desk: Desk) -> None:
    command = desk.message("/send club:lobby first words")
    desk.line.club.refuses["first"] = GONE
    await desk.takes(command)
    (row,) = await desk.line.rests()
    await desk.ask(f"/retry {row.id} second words")
    await desk.line.rests()
    assert await desk.ask("/edit second words", reply_to=command) == "These are its words already."
    await desk.ask("/edit third words", reply_to=command)
    await desk.line.rests()
    await desk.ask("/undo", reply_to=command)
    await desk.line.rests()
    assert desk.line.club.done == ["edit c1: third words", "delete c1"]


# --- two at once


@pytest.mark.parametrize("second", ["command", "card", "command line", "all", "edited"])
async def test_two_people_do_not_both_send_the_same_one_again(desk: Desk, second: str) -> None:
    await desk.grant(BO, "admin")
    (row,) = await sends(desk, "one", error=UNKNOWN)
    line = desk.line
    ann, bo = await asked(desk, f"/show {row.id}"), await asked(desk, f"/show {row.id}", by=BO)
    others = {
        "command": lambda: desk.write(f"/retry {row.id}", by=BO),
        "edited": lambda: desk.write(f"/retry {row.id} one", by=BO),
        "card": lambda: desk.press(bo, "Send again", by=BO),
        "all": lambda: desk.write("/retry all", by=BO),
        "command line": lambda: line.store.write(
            lambda tx: decisions.retry_these(tx, tx.several.ids(states=("dead", "held")), now=line.clock())
        ),
    }
    await asyncio.gather(desk.press(ann, "Send again"), others[second]())
    await line.rests()
    assert line.club.texts == ["one"]
    assert await states(line) == ["sent"]


# --- a role for one chat


@pytest.fixture
async def limited(desk: Desk) -> Desk:
    """Bo is an operator in the group Ops only; one delivery from there and one from News failed."""
    await desk.grant(BO, "operator", chat=OPS)
    await sends(desk, "from ops")
    await sends(desk, "from news", chat=NEWS)
    return desk


async def test_a_role_for_one_chat_sees_its_deliveries_and_counts_the_others(limited: Desk) -> None:
    answer = await asked(limited, "/failed", by=BO)
    assert "Given up: 1 at club. 1 of other chats." in answer.text
    assert "from ops" in answer.text and "from news" not in answer.text
    assert labels(answer) == ["Retry these 1", "Discard these 1"]


@pytest.mark.parametrize(
    "command", ["/show {}", "/retry {}", "/retry {} other", "/discard {}", "/redirect {} desk:hall"]
)
async def test_a_role_for_one_chat_decides_nothing_of_others(limited: Desk, command: str) -> None:
    ours, theirs = await limited.line.rows()
    told = await limited.ask(command.format(theirs.id), by=BO)
    assert "needs the role operator everywhere" in told
    assert "from news" not in told
    assert await states(limited.line) == ["dead", "dead"]
    assert ("1002", command.split()[0], "refused") in await limited.audit()
    assert "everywhere" not in await limited.ask(command.format(ours.id), by=BO)


async def test_all_is_all_of_the_chat_for_a_role_for_one_chat(limited: Desk) -> None:
    assert await limited.ask("/retry all", by=BO) == "1 delivery is sent again."
    await limited.line.rests()
    assert limited.line.club.texts == ["from ops"]
    assert await limited.ask("/discard all", by=BO) == "Nothing has failed or is held for that."


async def test_what_goes_into_the_chat_is_the_chats_too(limited: Desk) -> None:
    limited.line.telegram.refuses["into ops"] = GONE
    await limited.write(f"/send telegram:{OPS} into ops", chat=NEWS)
    await limited.line.rests()
    answer = await asked(limited, "/failed", by=BO)
    assert "into ops" in answer.text
    row = (await limited.line.rows(f"telegram:{OPS}"))[-1]
    shown = "\n".join(answer.text for answer in await limited.write(f"/show {row.id}", by=BO))
    assert "written at another chat by Ann" in shown and str(NEWS) not in shown


async def test_a_role_for_one_chat_does_not_redirect_into_another(limited: Desk) -> None:
    ours, _ = await limited.line.rows()
    assert "counts in this chat only" in await limited.ask(f"/redirect {ours.id} telegram:{NEWS}", by=BO)


async def test_a_role_that_shrank_to_one_chat_does_not_press_for_others(limited: Desk) -> None:
    await limited.grant(CY, "operator")
    _, theirs = await limited.line.rows()
    card, listed = await asked(limited, f"/show {theirs.id}", by=CY), await asked(limited, "/failed", by=CY)
    await limited.grant(CY, "viewer")
    await limited.grant(CY, "operator", chat=OPS)
    assert "everywhere" in (await limited.press(card, "Retry", by=CY)).toast
    assert "changed" in (await limited.press(listed, "Retry these 2", by=CY)).toast
    assert await states(limited.line) == ["dead", "dead"]
