"""What holds for every command: how it is read, who may run it, what a card binds."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.store import Tx
from bot.telegram import cards
from bot.telegram.access import Role
from bot.telegram.cards import Press, Pressed, confirmation
from bot.telegram.commands.registry import Answer, Call, Reply, registry
from tests.bot.telegram.desk import ANN, BO, NEWS, OPS, Desk, a_desk


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with a_desk(tmp_path) as made:
        yield made


@pytest.fixture
def number(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A command /raise that asks before it raises a number; the number may change meanwhile."""
    numbers = [1]
    monkeypatch.setattr(cards.card_kinds, "kinds", dict(cards.card_kinds.kinds))
    monkeypatch.setattr(registry, "commands", dict(registry.commands))

    @confirmation(
        "raise", role=Role.OPERATOR, yes="Yes", preview=lambda tx, services, new: f"{numbers[0]} becomes {new}"
    )
    def do(press: Press, tx: Tx) -> Pressed:
        numbers[0] = press.payload
        return Pressed("Raised.", Reply(f"It is {numbers[0]} now."))

    @registry.add("raise", role=Role.OPERATOR, usage="n", summary="Raise it", example="/raise 2")
    def raise_(call: Call, tx: Tx) -> Answer:
        return do(call, tx, int(call.values["n"]))

    return numbers


async def test_a_confirmation_does_what_was_shown_once(desk: Desk, number: list[int]) -> None:
    (card,) = await desk.write("/raise 5")
    assert card.text == "1 becomes 5"
    assert number == [1]
    pressed = await desk.press(card, "Yes")
    assert (number, pressed.toast, pressed.card and pressed.card.text) == ([5], "Raised.", "It is 5 now.")
    assert pressed.card is not None
    assert pressed.card.buttons == ()
    assert (await desk.press(card, "Yes")).toast == "This was decided already."
    assert number == [5]


async def test_a_confirmation_is_the_asking_persons_alone(desk: Desk, number: list[int]) -> None:
    await desk.grant(BO, "owner")
    (card,) = await desk.write("/raise 5")
    assert (await desk.press(card, "Yes", by=BO)).toast == "Only the person who asked for this may press here."
    assert (await desk.press(card, "Yes", chat=NEWS)).toast == "This button belongs into another chat."
    assert number == [1]
    assert (await desk.press(card, "Yes")).toast == "Raised."
    assert ("1002", "button raise yes", "refused") in await desk.audit()


async def test_a_confirmation_expires(desk: Desk, number: list[int]) -> None:
    (card,) = await desk.write("/raise 5")
    desk.line.clock.at += 901
    pressed = await desk.press(card, "Yes")
    assert pressed.toast == "Too late: these buttons counted for 15 minutes. Write the command again."
    assert pressed.card is not None
    assert pressed.card.text.endswith("Expired: nothing was done.")
    assert number == [1]


async def test_what_changed_since_it_was_shown_is_shown_again(desk: Desk, number: list[int]) -> None:
    (card,) = await desk.write("/raise 5")
    number[0] = 3
    pressed = await desk.press(card, "Yes")
    assert (pressed.toast, number) == ("It has changed meanwhile: look again.", [3])
    assert pressed.card is not None
    assert pressed.card.text == "3 becomes 5"
    assert (await desk.press(pressed.card, "Yes")).toast == "Raised."


async def test_a_role_that_was_taken_away_does_not_press(desk: Desk, number: list[int]) -> None:
    await desk.grant(BO, "operator")
    (card,) = await desk.write("/raise 5", by=BO)
    await desk.grant(BO, "viewer")
    assert (await desk.press(card, "Yes", by=BO)).toast == "This needs the role operator; yours is viewer."
    assert number == [1]


async def test_a_cancelled_one_does_nothing(desk: Desk, number: list[int]) -> None:
    (card,) = await desk.write("/raise 5")
    await desk.press(card, "Cancel")
    assert (await desk.press(card, "Yes")).toast == "This was decided already."
    assert number == [1]


async def test_a_role_for_one_chat_does_not_reach_into_another(desk: Desk) -> None:
    await desk.grant(BO, "admin", chat=OPS)
    assert (await desk.ask("/mute club:lobby", by=BO)).startswith("Nothing is relayed from club:lobby any more")
    assert (await desk.ask("/mute here", by=BO)).startswith(f"Nothing is relayed from telegram:{OPS} any more")
    assert (await desk.ask(f"/mute telegram:{NEWS}", by=BO)).startswith("Your role admin counts in this chat only")
    assert (await desk.ask("/mute club:lobby", by=BO, chat=NEWS)).startswith("/mute needs the role admin; yours is v")
    assert (await desk.ask("/account", by=BO)).startswith("/account needs the role admin everywhere")


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("/mute", "An address, a name or here is needed.\nExample: /mute support:sms/85255501234"),
        ("/mute a b", "“b” is too much: after the command stands an address, a name or here."),
        ("/show twelve", "“twelve” is not the number of a delivery.\nExample: /show 12"),
        ("/route tset club:a b", "“tset” is none of add, show, edit, remove, enable, disable, test, undo;"),
        (
            "/route test",
            "An address, a name or here is needed after “test”.\nExample: /route test support:room-42 hello",
        ),
        ("/whoami again", "“again” is too much: nothing stands after /whoami"),
        ("/stauts", "There is no command /stauts. Did you mean /status? /help lists those you may use."),
        ("/dseek", "There is no command /dseek. /help lists those you may use."),
        ("/shedule in 5m | club:a | hi", "There is no command /shedule. Did you mean /schedule?"),
        ("/schedules month", "“month” is none of week, calendar"),
        ("/history club:a 999999", "“999999” is not a number from 1 to 100.\nExample: /history support:room-42 20"),
        ("/history club:a 0", "“0” is not a number from 1 to 100."),
        ("/history club:a x", "“x” is not a number."),
        ("/audit 99999", "“99999” is not a number from 1 to 200.\nExample: /audit 20"),
        ("/audit x", "“x” is not a number."),
        ("/grant 1002 operator everywhere", "“everywhere” is too much: here can stand there, or nothing."),
        ("/send vip hello", "“vip” is no address: "),
        ("/show 77", "There is no delivery '77'; /queue, /failed and /held list them.\nExample: /show 12"),
        ("/resume telegram", "telegram is not paused."),
        ("/resume club", "club is not paused. /pause club pauses it."),
    ],
)
async def test_what_is_wrong_is_said_with_an_example(desk: Desk, line: str, answer: str) -> None:
    assert (await desk.ask(line, by=ANN)).startswith(answer)


SLIPS = {
    "account": "acount accounts", "announce": "anounce announc", "audience": "audiance audence", "audit": "audti",
    "cancel": "canel cancle", "channels": "channel chanels", "discard": "dicard discrad", "doctor": "doctr docter",
    "edit": "eidt", "failed": "fialed faild", "grant": "grnat grent", "help": "hlep hel", "history": "hisotry hist",
    "link": "lnik", "mute": "mutee", "pause": "pasue", "queue": "queu que", "redirect": "redirct", "resume": "rezume",
    "retry": "retyr rety", "revoke": "revoek", "route": "rotue", "routes": "routs", "search": "serach", "send": "snd",
    "schedule": "shedule scheduel", "schedules": "shedules",
    "start": "strt", "timezone": "timezon", "trace": "trac", "undo": "undoo", "unlink": "unlik", "whoami": "whomai",
}  # fmt: skip
MEANS_NOTHING = (
    "nosuch",
    "nothing",
    "wizard",
    "forget",
    "weather",
    "settings",
    "menu",
    "test",
)


@pytest.mark.parametrize(("slip", "meant"), [(slip, name) for name, slips in SLIPS.items() for slip in slips.split()])
def test_a_slip_finds_what_was_meant(slip: str, meant: str) -> None:
    near = registry.nearest(slip)
    assert near is not None and near.name == meant


@pytest.mark.parametrize("word", MEANS_NOTHING)
def test_another_word_is_taken_for_no_command(word: str) -> None:
    assert registry.nearest(word) is None


async def test_a_decision_that_is_not_possible_is_refused_for_the_state_without_an_example(desk: Desk) -> None:
    await desk.write("/send club:lobby hello")
    (id,) = await desk.line.store.read(lambda tx: [row.id for row in tx.outbox.list(account="club")])
    assert await desk.ask(f"/retry {id}") == f"Delivery {id} is queued; only dead and held ones can be sent again."
    assert (await desk.audit())[-1] == (str(ANN), "/retry", "refused: state")


@pytest.mark.parametrize("choice", ["no=1", "yes=1", "yes=", "=yes", "YES", "maybe", "yes:no"])
async def test_what_no_button_offered_cannot_be_pressed(desk: Desk, number: list[int], choice: str) -> None:
    (card,) = await desk.write("/raise 5")
    nonce = card.buttons[0].data.rpartition(":")[2]
    pressed = await desk.press_data(card, f"raise:{choice}:{nonce}")
    assert (pressed.toast, pressed.card, number) == ("I do not know this button any more.", None, [1])
    assert (await desk.press(card, "Yes")).toast == "Raised."


async def test_a_name_that_pings_turns_and_breaks_lines_is_shown_harmless(desk: Desk) -> None:
    said = desk.message("/send club:lobby hello")
    said["from"]["first_name"] = "Eve @bob \u202e\nDelivery 9 is sent again. (Ann"
    await desk.takes(said)
    told = await desk.ask("/show 1")
    assert "/send by Eve @\u2060bob Delivery 9 is sent again. (Ann" in told
    assert "\u202e" not in told
