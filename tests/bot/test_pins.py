"""Messages that are pinned once they are there; buttons and silence that stay with a message."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from bot import broadcasts, decisions, rewording
from bot.addresses import Address, parse_address
from bot.delivery import DeliveryEngine
from bot.store import Tx
from bot.store.balance import balance
from bot.store.messages import Origin
from bot.store.outbox import Delivery
from bridges.errors import Refused, Unavailable
from bridges.model import AccountName, Attachment, LinkButton, Message
from tests.bot.fakes import fake_account
from tests.bot.line import OWNER, ROOM, Line, line

HALL = "telegram:-6"
LOBBY = "club:lobby"
WORDS = Message(text="We are open.")
LINKS = (LinkButton(label="Tickets", url="https://example.org/t"), LinkButton(label="Map", url="https://example.org/m"))
LINES = "Tickets: https://example.org/t\nMap: https://example.org/m"


@pytest.fixture
async def it(tmp_path: Path) -> AsyncIterator[Line]:
    async with line(tmp_path, edits=True, deletes=True) as made:
        yield made


def announced(it: Line, tx: Tx, *targets: str, message: Message = WORDS, chat: str = ROOM) -> Origin:
    """A message to several places, parked; nobody's command."""
    number = broadcasts.start(
        tx,
        it.relay,
        targets=[parse_address(each) for each in targets],
        message=message,
        person=OWNER,
        person_name="Ann",
        chat=parse_address(chat),
        origin=None,
        now=it.clock(),
    )
    return origin_of(tx, number)


def origin_of(tx: Tx, number: int = 1) -> Origin:
    broadcast = tx.broadcasts.get(number)
    assert broadcast is not None
    origin = tx.messages.get(broadcast.message)
    assert origin is not None
    return origin


async def pinned(it: Line, *targets: str, message: Message = WORDS, chat: str = ROOM) -> list[Address]:
    """Announce and pin in one transaction, as a schedule does."""

    def unit(tx: Tx) -> list[Address]:
        return it.relay.changes.pin(tx, announced(it, tx, *targets, message=message, chat=chat), now=it.clock())

    return await it.store.write(unit)


async def let_go(it: Line) -> None:
    """All that is parked may go."""
    await it.store.write(
        lambda tx: tx.outbox.unpark([row.id for row in tx.outbox.list() if row.parked], now=it.clock())
    )


async def goes_out(it: Line) -> list[Delivery]:
    await let_go(it)
    await it.engine.start()
    return await it.rests()


def pins(rows: Sequence[Delivery]) -> list[str]:
    return [f"{row.address} {row.state}" for row in rows if row.op == "pin"]


def pin_calls(it: Line) -> list[str]:
    return [each for each in it.telegram.done if each.startswith("pin ")]


# --- pinned when it is there


async def test_what_is_parked_is_pinned_when_it_was_sent_and_in_telegram_only(it: Line) -> None:
    under_way = await pinned(it, ROOM, HALL, LOBBY)
    assert sorted(map(str, under_way)) == [ROOM, HALL]
    assert pins(await it.rows()) == []
    rows = await goes_out(it)
    assert sorted(pins(rows)) == [f"{ROOM} sent", f"{HALL} sent"]
    assert sorted(pin_calls(it)) == ["pin t1 in -5", "pin t2 in -6"]
    assert it.club.texts == ["We are open."] and it.club.done == []
    assert (await it.store.read(balance))["balanced"]


async def test_a_pin_is_no_part_of_its_announcement_nor_of_what_its_author_is_shown(it: Line) -> None:
    await pinned(it, ROOM)
    (send, pin) = await goes_out(it)
    assert (pin.message, pin.subject, pin.broadcast, pin.marked) == (None, send.message, None, 0)
    assert pin.why == send.why
    standings = await it.store.read(lambda tx: tx.broadcasts.standings(1))
    assert [(each.op, each.number) for each in standings] == [("send", 1)]


async def test_of_several_parts_the_first_is_pinned(it: Line) -> None:
    await pinned(it, ROOM, message=Message(text="word " * 1500))
    rows = await goes_out(it)
    assert [row.op for row in rows] == ["send", "send", "pin"]
    assert pin_calls(it) == ["pin t1 in -5"]


async def test_what_is_there_already_is_pinned_at_once_and_once(it: Line) -> None:
    await it.store.write(lambda tx: announced(it, tx, ROOM))
    await goes_out(it)

    def unit(tx: Tx) -> list[list[Address]]:
        origin = origin_of(tx)
        return [it.relay.changes.pin(tx, origin, now=it.clock()) for _ in range(2)]

    first, second = await it.store.write(unit)
    assert (list(map(str, first)), second) == ([ROOM], [])
    assert pins(await it.rests()) == [f"{ROOM} sent"]


async def test_what_is_just_being_sent_is_pinned_afterwards(it: Line) -> None:
    await it.store.write(lambda tx: announced(it, tx, ROOM))
    await let_go(it)

    def unit(tx: Tx) -> list[Address]:
        (lease,) = tx.outbox.claim("telegram", owner="o", now=it.clock(), lease_s=60, limit=1)
        tx.outbox.begin(lease, now=it.clock())
        return it.relay.changes.pin(tx, origin_of(tx), now=it.clock())

    assert list(map(str, await it.store.write(unit))) == [ROOM]
    await it.engine.start()  # it is found `sending`, and sent again
    await it.rests()
    await it.later(10)
    assert pins(await it.rests()) == [f"{ROOM} sent"]


async def test_what_failed_is_pinned_when_somebody_sends_it_again(it: Line) -> None:
    it.telegram.refuses["We are"] = Refused("not now")
    await pinned(it, ROOM)
    (row,) = await goes_out(it)
    assert row.state == "dead"
    it.telegram.refuses.clear()
    await it.store.write(lambda tx: decisions.retry(tx, tx.outbox.get(row.id), now=it.clock()))  # type: ignore[arg-type]
    assert pins(await it.rests()) == [f"{ROOM} sent"]


async def test_what_is_sent_elsewhere_by_hand_is_pinned_there(it: Line) -> None:
    it.telegram.refuses["We are"] = Refused("not now")
    await pinned(it, ROOM)
    (row,) = await goes_out(it)
    it.telegram.refuses.clear()
    hall = parse_address(HALL)
    await it.store.write(lambda tx: decisions.redirect(tx, tx.outbox.get(row.id), hall, now=it.clock()))  # type: ignore[arg-type]
    assert pins(await it.rests()) == [f"{HALL} sent"]


async def test_a_pin_whose_outcome_is_not_known_is_repeated(it: Line) -> None:
    it.telegram.refuses["pin"] = Unavailable("cut", maybe_sent=True)
    await pinned(it, ROOM)
    rows = await goes_out(it)
    assert pins(rows) == [f"{ROOM} queued"]
    it.telegram.refuses.clear()
    await it.later(10)
    assert pins(await it.rests()) == [f"{ROOM} sent"]


# --- not pinned


async def test_what_was_taken_back_before_it_left_is_not_pinned(it: Line) -> None:
    await pinned(it, ROOM, HALL)
    await it.store.write(lambda tx: it.relay.changes.take_back(tx, origin_of(tx), now=it.clock()))
    rows = await goes_out(it)
    assert pins(rows) == [] and pin_calls(it) == []


async def test_taking_a_message_back_lets_go_of_a_pin_that_waits(it: Line) -> None:
    it.telegram.refuses["pin"] = Unavailable("away")
    await pinned(it, HALL)
    await goes_out(it)
    await it.store.write(lambda tx: it.relay.changes.take_back(tx, origin_of(tx), now=it.clock()))
    await it.later(10)
    rows = await it.rests()
    assert pins(rows) == [f"{HALL} cancelled"]
    assert it.telegram.done == ["delete t1"]


async def test_what_is_taken_back_while_it_is_sent_is_not_pinned_first(it: Line) -> None:
    await pinned(it, HALL)
    await let_go(it)

    def unit(tx: Tx) -> None:
        (lease,) = tx.outbox.claim("telegram", owner="o", now=it.clock(), lease_s=60, limit=1)
        tx.outbox.begin(lease, now=it.clock())
        it.relay.changes.take_back(tx, origin_of(tx), now=it.clock())

    await it.store.write(unit)
    await it.engine.start()
    await it.rests()
    await it.later(10)
    assert pins(await it.rests()) == []
    assert it.telegram.done == ["delete t1"]


async def test_a_message_that_is_gone_is_not_pinned(it: Line) -> None:
    def unit(tx: Tx) -> list[Address]:
        origin = announced(it, tx, ROOM)
        tx.messages.gone(origin.id, now=it.clock())
        return it.relay.changes.pin(tx, origin_of(tx), now=it.clock())

    assert await it.store.write(unit) == []


async def test_what_arrived_by_somebodys_word_has_no_id_to_be_pinned_by(it: Line) -> None:
    it.telegram.refuses["We are"] = Refused("not now")
    await pinned(it, ROOM)
    (row,) = await goes_out(it)
    await it.store.write(
        lambda tx: tx.db.execute("UPDATE outbox SET state = 'held', starts = 1 WHERE id = ?", (row.id,))
    )
    await it.store.write(lambda tx: decisions.arrived(tx, tx.outbox.get(row.id), now=it.clock()))  # type: ignore[arg-type]
    again = await it.store.write(lambda tx: it.relay.changes.pin(tx, origin_of(tx), now=it.clock()))
    assert (again, pins(await it.rests())) == ([], [])


async def test_an_account_that_cannot_pin_says_so(it: Line) -> None:
    it.engine = DeliveryEngine(
        store=it.store,
        accounts={"telegram": fake_account(it.telegram, "telegram")},
        observer=it.feedback,
        clock=it.clock,
        jitter=lambda: 0.0,
        zone="UTC",
    )
    await pinned(it, ROOM)
    assert pins(await goes_out(it)) == [f"{ROOM} dead"]
    assert "nothing can be pinned there" in notes(it)[0]


# --- refused


NO_RIGHT = Refused("Telegram says: Not enough rights to manage pinned messages in the chat")


def notes(it: Line) -> list[str]:
    return [text for text in it.telegram.texts if "could not be pinned" in text]


async def test_a_pin_that_is_refused_is_said_once_for_each_chat_until_one_works(it: Line) -> None:
    it.telegram.refuses["pin"] = NO_RIGHT
    for _ in range(3):
        await pinned(it, HALL, "telegram:-8")
    rows = await goes_out(it)
    assert pins(rows).count(f"{HALL} dead") == 3
    assert len(notes(it)) == 2
    assert f"is at {HALL}, but could not be pinned there" in "".join(notes(it))
    assert "Not enough rights" in notes(it)[0] and "/retry" in notes(it)[0]
    assert it.owner_hears == []
    for refused in (False, True):
        it.telegram.refuses = {"pin": NO_RIGHT} if refused else {}
        await pinned(it, HALL)
        await let_go(it)
        await it.rests()
    assert len(notes(it)) == 3


async def test_a_refused_pin_says_so_in_the_chat_that_asked_for_it(it: Line) -> None:
    it.telegram.refuses["pin"] = NO_RIGHT
    await pinned(it, HALL)
    await goes_out(it)
    (said,) = [out for out in it.telegram.sent if "could not be pinned" in out.message.text]
    assert said.conversation == "-5"


async def test_where_nobodys_chat_asked_for_it_the_owners_hear(it: Line) -> None:
    it.telegram.refuses["pin"] = NO_RIGHT

    def unit(tx: Tx) -> None:
        id = tx.messages.add(
            account="local", conversation="", remote_id=None, sender_id="", sender_name="", text="x", at=it.clock()
        )
        it.relay.send(tx, parse_address(HALL), WORDS, now=it.clock(), message_id=id)
        origin = tx.messages.get(id)
        assert origin is not None
        it.relay.changes.pin(tx, origin, now=it.clock())

    await it.store.write(unit)
    await goes_out(it)
    assert len(it.owner_hears) == 1 and "could not be pinned" in it.owner_hears[0]


async def test_a_refused_pin_can_be_tried_again_and_goes_nowhere_else(it: Line) -> None:
    it.telegram.refuses["pin"] = NO_RIGHT
    await pinned(it, HALL)
    rows = await goes_out(it)
    (pin,) = [row for row in rows if row.op == "pin"]
    with pytest.raises(decisions.DecisionError, match="pins a message"):
        await it.store.write(lambda tx: decisions.redirect(tx, pin, parse_address(ROOM), now=it.clock()))
    it.telegram.refuses.clear()
    await it.store.write(lambda tx: decisions.retry(tx, pin, now=it.clock()))
    assert pins(await it.rests()) == [f"{HALL} sent"]


# --- buttons and silence


QUIET = Message(text="We are open.", links=LINKS, silent=True)


async def reworded(it: Line, text: str) -> tuple[list[Address], list[str]] | None:
    return await it.store.write(
        lambda tx: it.relay.changes.reword(tx, origin_of(tx), Message(text=text), now=it.clock())
    )


def payloads(rows: Sequence[Delivery], op: str, address: str) -> list[Message]:
    return [Message.model_validate_json(row.payload) for row in rows if row.op == op and row.address == address]


async def test_buttons_are_buttons_in_telegram_and_lines_elsewhere(it: Line) -> None:
    await it.store.write(lambda tx: announced(it, tx, HALL, LOBBY, message=QUIET))
    await goes_out(it)
    there = it.telegram.sent[0].message
    assert (there.text, there.links, there.silent) == ("We are open.", LINKS, True)
    assert it.club.texts == [f"We are open.\n{LINES}"]


async def test_an_edit_keeps_the_buttons_everywhere(it: Line) -> None:
    await it.store.write(lambda tx: announced(it, tx, HALL, LOBBY, message=QUIET))
    await goes_out(it)
    await reworded(it, "We are closed.")
    rows = await it.rests()
    (there,) = payloads(rows, "edit", HALL)
    assert (there.text, there.links) == ("We are closed.", LINKS)
    assert it.club.done == [f"edit c1: We are closed.\n{LINES}"]
    await reworded(it, "Or are we?")
    await it.rests()
    assert it.club.done[-1] == f"edit c1: Or are we?\n{LINES}"


async def test_an_edit_that_needs_more_parts_moves_the_buttons_to_the_last(it: Line) -> None:
    await it.store.write(lambda tx: announced(it, tx, HALL, message=QUIET))
    await goes_out(it)
    await reworded(it, "word " * 1500)
    rows = await it.rests()
    (first,) = payloads(rows, "edit", HALL)
    second = payloads(rows, "send", HALL)[-1]
    assert (first.links, second.links, second.silent) == ((), LINKS, True)


async def test_buttons_below_a_file_go_when_words_come_after_it(it: Line) -> None:
    it.telegram.capabilities = replace(
        it.telegram.capabilities, attachments="bytes", attachments_most=1, keeps="telegram", caption_limit=1024
    )
    files = tuple(Attachment(kind="file", ref=ref, account=AccountName("telegram")) for ref in ("a", "b"))
    message = QUIET.model_copy(update={"attachments": files})
    await it.store.write(lambda tx: announced(it, tx, HALL, message=message))
    await goes_out(it)
    assert [bool(out.message.links) for out in it.telegram.sent] == [False, True]
    await reworded(it, "Still open.")
    assert len(payloads(await it.rests(), "edit", HALL)) == 1  # the second file is as it was
    await reworded(it, "word " * 300)
    *_, words, file = payloads(await it.rests(), "edit", HALL)
    assert (bool(words.text), words.links, file.text, file.links) == (True, (), "", ())
    assert payloads(await it.rests(), "send", HALL)[-1].links == LINKS


async def test_words_that_are_changed_before_they_leave_keep_the_buttons(it: Line) -> None:
    await it.store.write(lambda tx: announced(it, tx, HALL, LOBBY, message=QUIET))
    await reworded(it, "We are closed.")
    await goes_out(it)
    there = it.telegram.sent[0].message
    assert (there.text, there.links, there.silent) == ("We are closed.", LINKS, True)
    assert it.club.texts == [f"We are closed.\n{LINES}"]


async def test_a_failed_one_that_gets_other_words_keeps_its_buttons(it: Line) -> None:
    it.telegram.refuses["We are"] = Refused("not now")
    await it.store.write(lambda tx: announced(it, tx, HALL, message=QUIET))
    (row,) = await goes_out(it)

    def unit(tx: Tx) -> None:
        rewording.reword(tx, it.relay, row, Message(text="Closed."), now=it.clock())
        decisions.retry(tx, tx.outbox.get(row.id), now=it.clock())  # type: ignore[arg-type]

    await it.store.write(unit)
    await it.rests()
    there = it.telegram.sent[-1].message
    assert (there.text, there.links, there.silent) == ("Closed.", LINKS, True)


async def test_what_is_sent_to_a_provider_by_hand_says_its_buttons(it: Line) -> None:
    it.telegram.refuses["We are"] = Refused("not now")
    await it.store.write(lambda tx: announced(it, tx, HALL, message=QUIET))
    (row,) = await goes_out(it)
    lobby = parse_address(LOBBY)
    await it.store.write(lambda tx: decisions.redirect(tx, row, lobby, now=it.clock()))
    await it.rests()
    assert it.club.texts == [f"We are open.\n{LINES}"]
