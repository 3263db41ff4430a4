"""Every way in which a provider can fail, and that nothing is lost, doubled or left without a word."""

from __future__ import annotations

import itertools
import time

import pytest

from tests.journeys.world import ANN, BO, DROPPED, EYES, FAILED, SENT, UNSURE, Chat, Json, World

pytestmark = pytest.mark.asyncio(loop_scope="package")

_texts = (f"text {n}" for n in itertools.count(1))


async def _card(chat: Chat, number: int) -> Json:
    """The card that asks about a message's delivery."""
    await chat.marked(number, UNSURE)
    card: Json = await chat.world.until(
        lambda: next((m for m in chat.heard() if "reply_markup" in m and _answers(m, number)), None),
        told=lambda: str(chat.texts()),
    )
    return card


def _answers(message: Json, number: int) -> bool:
    return bool(message.get("reply_to_message", {}).get("message_id") == number)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, ""),
        (503, ""),
        (200, '{"code": 6450401, "message": "rate limit"}'),
    ],
)
async def test_what_was_surely_not_sent_is_sent_again_by_itself(world: World, status: int, body: str) -> None:
    ops, text = world.group(), next(_texts)
    world.servers["support"].script.next(status, body)
    await ops.marked(ops.say(f"/send support:room-42 {text}"), SENT)
    assert world.pushed().count(text) == 1
    assert (await world.delivery(text))["state"] == "sent"


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (200, '{"code": 3000205, "message": "destination not found"}', "destination not found"),
        (400, '{"code": 6451000, "message": "parameter invalid"}', "parameter invalid"),
        (400, '{"code": 0, "message": "bad"}', "HTTP 400"),
        (404, "", "HTTP 404"),
        (302, "", "redirect"),
    ],
)
async def test_what_will_never_work_is_given_up_at_once_and_the_author_hears_why(
    world: World, status: int, body: str, told: str
) -> None:
    ops, text = world.group(), next(_texts)
    world.servers["support"].script.next(status, body, location="/elsewhere")
    number = ops.say(f"/send support:room-42 {text}")
    assert told in await ops.answer(number)
    await ops.marked(number, FAILED)
    row = await world.delivery(text)
    assert (row["state"], row["attempts"]) == ("dead", 1)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (502, ""),
        (504, "<html>gateway timeout</html>"),
        (200, "<html>It works!</html>"),
        (200, ""),
        (200, "[]"),
        (200, '{"code": "0"}'),
        (200, "{" * 2000),
    ],
)
async def test_what_may_have_arrived_is_held_and_asked_about(world: World, status: int, body: str) -> None:
    ops, text = world.group(), next(_texts)
    world.servers["support"].script.next(status, body)
    card = await _card(ops, ops.say(f"/send support:room-42 {text}"))
    row = await world.delivery(text)
    assert (row["state"], row["attempts"]) == ("held", 1)
    assert [b["text"] for r in card["reply_markup"]["inline_keyboard"] for b in r] == [
        "Send again",
        "It arrived",
        "Drop",
    ]
    assert f"{row['id']} → support:room-42" in await ops.ask("/held")


async def _held(world: World) -> tuple[Chat, int, str, Json]:
    """A message that arrived though the connection was cut: chat, its number, its text, the card that asks."""
    ops, text = world.group(), next(_texts)
    world.servers["support"].faults.configure("cut", remaining=1)
    number = ops.say(f"/send support:room-42 {text}")
    return ops, number, text, await _card(ops, number)


async def test_it_arrived_counts_it_as_sent_without_sending_again(world: World) -> None:
    ops, number, text, card = await _held(world)
    assert "counts as sent" in await ops.press(card, "It arrived")
    await ops.marked(number, SENT)
    assert (await world.delivery(text))["state"] == "sent"
    assert world.pushed().count(text) == 1


async def test_send_again_sends_once_more(world: World) -> None:
    ops, number, text, card = await _held(world)
    await ops.press(card, "Send again")
    await ops.marked(number, SENT)
    assert (await world.delivery(text))["state"] == "sent"
    assert world.pushed().count(text) == 2


async def test_drop_lets_it_go(world: World) -> None:
    ops, number, text, card = await _held(world)
    await ops.press(card, "Drop")
    await ops.marked(number, DROPPED)
    assert (await world.delivery(text))["state"] == "discarded"
    assert world.pushed().count(text) == 1


async def test_a_card_says_what_was_decided_by_whom_and_has_no_buttons_then(world: World) -> None:
    ops, _, _, card = await _held(world)
    await ops.press(card, "Drop")
    await world.until(lambda: "reply_markup" not in ops.now(card))
    assert "discarded" in ops.now(card)["text"]
    assert "Ann" in ops.now(card)["text"]


async def test_somebody_without_a_role_gets_a_toast_and_the_card_stays_usable(world: World) -> None:
    ops, number, text, card = await _held(world)
    assert "operator" in await ops.press(card, "Send again", by=BO)
    assert (await world.delivery(text))["state"] == "held"
    assert "reply_markup" in ops.now(card)
    await ops.press(card, "It arrived")
    await ops.marked(number, SENT)
    assert world.pushed().count(text) == 1


async def test_a_second_press_changes_nothing(world: World) -> None:
    ops, number, text, card = await _held(world)
    presses = [world.telegram.press(ANN, ops.id, card["message_id"], "Send again") for _ in range(3)]
    toasts = [(await press.answered())["text"] for press in presses]
    assert ["sent again" in toast for toast in toasts] == [True, False, False]
    await ops.marked(number, SENT)
    assert world.pushed().count(text) == 2


async def test_two_different_presses_decide_once(world: World) -> None:
    ops, number, text, card = await _held(world)
    presses = [world.telegram.press(ANN, ops.id, card["message_id"], label) for label in ("Drop", "Send again")]
    assert "decided already" in [(await press.answered())["text"] for press in presses][1]
    await ops.marked(number, DROPPED)
    assert world.pushed().count(text) == 1


async def test_a_card_is_honoured_after_a_restart(world: World) -> None:
    ops, number, text, card = await _held(world)
    await world.bot.kill()
    await world.start()
    await ops.press(card, "It arrived")
    await ops.marked(number, SENT)
    assert world.pushed().count(text) == 1


async def test_held_lists_it_with_buttons_that_decide_too(world: World) -> None:
    ops, number, text, _ = await _held(world)
    row = await world.delivery(text)
    for other in await world.outbox(state="held"):
        if other["id"] < row["id"]:
            await ops.ask(f"/discard {other['id']}")
    listed = ops.say("/held")
    await ops.answer(listed)
    card = next(m for m in ops.heard() if _answers(m, listed))
    await ops.press(card, "It arrived")
    await ops.marked(number, SENT)
    assert await world.outbox(state="held") == []


async def test_cut_before_the_provider_read_it_is_just_as_unknown(world: World) -> None:
    ops, text = world.group(), next(_texts)
    world.servers["support"].faults.configure("cut_before", remaining=1)
    number = ops.say(f"/send support:room-42 {text}")
    card = await _card(ops, number)
    assert world.pushed().count(text) == 0
    await ops.press(card, "Send again")
    await ops.marked(number, SENT)
    assert world.pushed().count(text) == 1


async def test_where_a_provider_can_be_asked_nobody_else_is(world: World) -> None:
    ops, text = world.group(), next(_texts)
    world.club.conversations.append("cut")
    world.servers["club"].faults.configure("cut", remaining=1)
    await ops.marked(ops.say(f"/send club:cut {text}"), SENT)
    assert [m.text for m in world.club.accepted].count(text) == 1
    assert (await world.delivery(text))["state"] == "sent"


async def test_retry_after_is_obeyed(world: World) -> None:
    ops, text = world.group(), next(_texts)
    script = world.servers["support"].script
    given = script.given
    script.next(429, '{"code": 429}', retry_after="2")
    number = ops.say(f"/send support:room-42 {text}")
    await world.until(lambda: script.given > given)
    refused_at = time.monotonic()
    await ops.marked(number, EYES)
    await world.until(lambda: text in world.pushed())
    assert time.monotonic() - refused_at >= 1.9
    await ops.marked(number, SENT)


async def test_a_dead_one_can_be_sent_again_redirected_and_discarded_by_command(world: World) -> None:
    ops, text = world.group(), next(_texts)
    world.servers["support"].script.next(404)
    number = ops.say(f"/send support:room-42 {text}")
    await ops.marked(number, FAILED)
    row = await world.delivery(text)
    await ops.ask(f"/retry {row['id']}")
    await ops.marked(number, SENT)
    assert world.pushed().count(text) == 1
    assert "only dead and held" in await ops.ask(f"/retry {row['id']}")
    assert "can no longer be discarded" in await ops.ask(f"/discard {row['id']}")


async def test_retry_all_leaves_discarded_ones_alone(world: World) -> None:
    ops, kept, dropped = world.group(), next(_texts), next(_texts)
    script = world.servers["support"].script
    script.next(404)
    await ops.marked(ops.say(f"/send support:room-42 {dropped}"), FAILED)
    await ops.ask(f"/discard {(await world.delivery(dropped))['id']}")
    for row in [*await world.outbox(state="dead"), *await world.outbox(state="held")]:
        await world.quick("outbox", "discard", str(row["id"]))
    script.next(404)
    number = ops.say(f"/send support:room-42 {kept}")
    await ops.marked(number, FAILED)
    assert "1 delivery is sent again." in await ops.ask("/retry all")
    await ops.marked(number, SENT)
    assert dropped not in world.pushed()


async def test_refused_credentials_pause_the_account_and_keep_its_queue_until_they_are_right(world: World) -> None:
    ops, ann = world.group(), world.private(ANN)
    world.support.token = "another-token-now"
    texts = [next(_texts) for _ in range(3)]
    numbers = [ops.say(f"/send support:room-42 {text}") for text in texts]
    await ann.hears("support is paused")
    assert "paused" in await ops.ask("/status")
    await ops.marked(numbers[0], EYES)
    assert [row["state"] for row in await world.outbox() if row["text"] in texts] == ["queued"] * 3
    assert sum("support is paused" in text for text in ann.texts()) == 1
    world.configure(accounts__support={"token": "another-token-now"})
    await world.restart()
    for number in numbers:
        await ops.marked(number, SENT)
    assert [text for text in world.pushed() if text in texts] == texts


async def test_what_is_too_old_is_given_up_and_its_author_hears(world: World) -> None:
    ops, text = world.group(), next(_texts)
    world.configure(accounts__support={"token": world.support.token}, delivery={"max_age": "2s"})
    await world.restart()
    world.servers["support"].faults.mode = "server_error"
    number = ops.say(f"/send support:room-42 {text}")
    assert "gave up" in (told := await ops.answer(number)) or "given up" in told
    await ops.marked(number, FAILED)
    world.servers["support"].faults.mode = "ok"
    assert (await world.delivery(text))["state"] == "dead"
    world.configure(accounts__support={"token": world.support.token})
    await world.restart()


async def test_at_the_end_nothing_waits(world: World) -> None:
    rows = await world.settled()
    assert {row["state"] for row in rows} <= {"sent", "dead", "held", "discarded"}
