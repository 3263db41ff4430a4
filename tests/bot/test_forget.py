"""Forgetting a person: nothing of what they said or are called is left in the file, and everything still adds up."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.cli.forget import progress_of
from bot.forgetting import (
    ARRIVALS,
    DELIVERIES,
    FAILED,
    IMPORTS,
    MENTIONS,
    MESSAGES,
    ROLES,
    Forgetter,
    Kept,
    PersonError,
    find_person,
    look,
)
from bot.store import Tx
from bot.store.balance import balance
from bot.store.imports import StagedMessage
from bot.store.inbox import Arrived
from bot.store.scrubbing import is_running, scrub
from bot.store.sqlite import SqliteStore
from bridges.errors import Refused
from tests.bot.line import OWNER
from tests.bot.telegram.desk import ANN, CY, OPS, Desk, a_desk

ZYX = 5550001
NAME = f"Person {ZYX}"
SAID = ("xyzzy in the group", "xyzzy sent by hand", "xyzzy answered", "xyzzy 北京 edited")
HERE = f"telegram:{OPS}"


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with a_desk(tmp_path) as made:
        made.username[ZYX] = "zyxname"
        yield made
        await made.line.engine.stop(grace_s=1)


async def lives(desk: Desk) -> int:
    """Somebody takes part in everything, and others answer them; returns the id of a message of theirs."""
    await desk.line.route(f"{HERE} <-> club:lobby")
    await desk.grant(ZYX, "operator")
    group = desk.message(SAID[0], by=ZYX)
    await desk.takes(group)
    await desk.write(f"/send club:hall {SAID[1]}", by=ZYX)
    await desk.write("/whoami", by=ZYX)
    await desk.write("what do you mean?", by=CY, reply_to=group)
    await desk.line.said("club:lobby", "hello from the club", id="m1")
    await desk.takes(desk.message(SAID[2], by=ZYX) | {"reply_to_message": group})
    await desk.line.engine.start()
    await desk.line.rests()
    await desk.write("/history here", by=ANN)
    await desk.line.rests()

    def more(tx: Tx) -> int:
        tx.people.saw(str(ZYX), username="zyxname", name=NAME, now=1.0)
        tx.dialogs.put(str(OPS), str(ZYX), kind="route", step="name", state={"text": SAID[3]}, asked="", now=1.0)
        tx.cards.add(
            "n", kind="x", subject=0, chat=str(OPS), now=1.0, person=str(ZYX), payload=json.dumps({"text": SAID[3]})
        )
        tx.conversations.touch("telegram", str(ZYX), kind="direct", title=NAME, now=1.0)
        tx.topics.add(chat=HERE, source="club:lobby", title=NAME, now=1.0)
        origin = tx.messages.find("telegram", f"{OPS}/{group['message_id']}")
        assert origin is not None
        tx.messages.react(origin.id, f"telegram:{ZYX}", ["👍"])
        return origin.id

    return await desk.line.store.write(more)


def people(desk: Desk) -> set[int]:
    return {OWNER}


async def kept_of(desk: Desk) -> Kept:
    return await look(desk.line.store, "telegram", str(ZYX), owners=people(desk))


async def forgotten(desk: Desk, *, by: str = "cli:ops") -> int:
    kept = await kept_of(desk)
    forgetter = Forgetter(desk.line.store, kept, by=by, owners=people(desk), now=desk.line.clock())
    return await forgetter.forget(also_waiting=kept.waiting, told=lambda steps: None)


def raw(folder: Path) -> bytes:
    """All bytes of the database, its log included."""
    return b"".join(file.read_bytes() for file in sorted(folder.glob("p.sqlite3*")))


@pytest.mark.parametrize("terminal", [True, False])
def test_a_terminal_shows_how_far_it_is(terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.StringIO()
    monkeypatch.setattr(shown, "isatty", lambda: terminal)
    monkeypatch.setattr(sys, "stderr", shown)
    with progress_of(4) as told:
        told(1)
        told(9)
    assert ("forgetting" in shown.getvalue() and "100%" in shown.getvalue()) == terminal


async def test_nothing_is_left_in_the_file_of_what_they_said_or_are_called(desk: Desk, tmp_path: Path) -> None:
    await lives(desk)
    before = raw(tmp_path)
    assert NAME.encode() in before and b"xyzzy" in before and b"zyxname" in before
    assert await forgotten(desk) == 0
    assert scrub(tmp_path / "p.sqlite3")
    after = raw(tmp_path)
    for trace in (NAME, "zyxname", "xyzzy", json.dumps(SAID[3])[1:-1], "what do you mean? xyzzy"):
        assert trace.encode() not in after, trace
    assert b"hello from the club" in after and b"what do you mean?" in after


async def test_the_search_index_holds_nothing_of_it(desk: Desk, tmp_path: Path) -> None:
    await lives(desk)
    await forgotten(desk)
    scrub(tmp_path / "p.sqlite3")
    terms = "SELECT COUNT(*) FROM messages_words WHERE messages_words MATCH 'xyzzy'"
    assert await desk.line.store.read(lambda tx: tx.db.execute(terms).fetchone()) == (0,)
    await desk.line.store.write(
        lambda tx: tx.db.execute("INSERT INTO messages_words (messages_words) VALUES ('integrity-check')")
    )


async def test_looking_changes_nothing(desk: Desk, tmp_path: Path) -> None:
    await lives(desk)
    everything = "SELECT COUNT(*), SUM(length(text)) FROM messages"
    before = await desk.line.store.read(lambda tx: tx.db.execute(everything).fetchone())
    kept = await kept_of(desk)
    # What they wrote to the bot as commands is among it.
    assert kept.found[MESSAGES] == 4 and kept.found[DELIVERIES] == 3 and kept.found[ROLES] == 1
    assert kept.found[ARRIVALS] == 5 and kept.found[MENTIONS] > 0
    assert kept.person.names == (NAME, "zyxname")
    assert await desk.line.store.read(lambda tx: tx.db.execute(everything).fetchone()) == before


async def test_the_balance_and_the_numbers_stay(desk: Desk) -> None:
    await lives(desk)
    before = await desk.line.store.read(balance)
    await forgotten(desk)
    assert await desk.line.store.read(balance) == before and before["balanced"]


async def test_a_reply_to_a_forgotten_message_still_finds_its_way(desk: Desk) -> None:
    id = await lives(desk)
    await forgotten(desk)
    (copy,) = await desk.line.store.read(lambda tx: tx.messages.copies(id))
    found = await desk.line.store.read(lambda tx: tx.messages.find(copy.account, copy.remote_id))
    assert found is not None and (found.id, found.text, found.sender_name) == (id, "", "")
    await desk.line.store.write(lambda tx: desk.line.reacts(tx, "club:lobby", "👍", id=copy.remote_id))


async def test_done_twice_it_finds_nothing_more(desk: Desk) -> None:
    await lives(desk)
    await forgotten(desk)
    assert (await kept_of(desk)).is_empty
    assert await forgotten(desk) == 0


async def test_stopped_in_the_middle_it_ends_when_it_is_run_again(desk: Desk, tmp_path: Path) -> None:
    await lives(desk)

    class Stopped(Exception):
        pass

    stops = steps = 0

    def told(n: int) -> None:
        nonlocal steps
        steps += n
        if steps > stops:
            raise Stopped

    while True:
        kept, steps = await kept_of(desk), 0
        forgetter = Forgetter(desk.line.store, kept, by="cli:ops", owners=people(desk), now=1.0)
        try:
            await forgetter.forget(also_waiting=kept.waiting, told=told)
            break
        except Stopped:
            stops += 1
    assert stops >= 3
    scrub(tmp_path / "p.sqlite3")
    assert NAME.encode() not in raw(tmp_path) and b"xyzzy" not in raw(tmp_path)


async def test_what_waits_is_listed_and_discarded_with_it(desk: Desk) -> None:
    desk.line.club.refuses["xyzzy"] = Refused("no")
    await lives(desk)
    await desk.write("/send club:hall one more xyzzy", by=ZYX)
    await desk.line.rests()
    kept = await kept_of(desk)
    assert kept.waits == 1 and [state for _, state in kept.waiting] == ["dead"]
    await forgotten(desk)
    row = await desk.line.store.read(lambda tx: tx.outbox.get(kept.waiting[0][0]))
    assert row is not None and (row.state, row.payload) == ("discarded", "{}") and row.intact
    assert (await desk.line.store.read(balance))["balanced"]


async def test_what_is_just_being_sent_stays_until_it_is_run_again(desk: Desk) -> None:
    await desk.grant(ZYX, "operator")
    await desk.write("/send club:hall xyzzy", by=ZYX)

    def begin(tx: Tx) -> None:
        (lease,) = tx.outbox.claim("club", owner="w", now=desk.line.clock(), lease_s=60, limit=1)
        assert tx.outbox.begin(lease, now=desk.line.clock())

    await desk.line.store.write(begin)
    assert await forgotten(desk) == 1
    kept = await kept_of(desk)
    assert kept.found[MESSAGES] == 1 and kept.person.names[0] == NAME


async def test_failed_arrivals_and_past_messages_wait_too(desk: Desk) -> None:
    def put(tx: Tx) -> None:
        tx.inbox.put_failed(Arrived("club", json.dumps({"name": NAME}).encode(), 1.0), "our bug")
        tx.imports.stage("club", "lobby", [StagedMessage("p1", 1.0, "d", (json.dumps({"text": f"{NAME}: hi"}),))])

    await desk.line.store.write(put)
    await desk.write(SAID[0], by=ZYX)
    kept = await kept_of(desk)
    assert (kept.found[FAILED], kept.found[IMPORTS], kept.waits) == (1, 1, 2)
    await forgotten(desk)
    kept = await kept_of(desk)
    assert (kept.found[FAILED], kept.found[IMPORTS]) == (0, 0)
    assert (await desk.line.store.read(balance))["balanced"]


async def test_roles_go_at_once_but_the_last_owner_stays(desk: Desk) -> None:
    await desk.grant(ZYX, "owner")
    await desk.grant(ZYX, "admin", chat=OPS)
    kept = await look(desk.line.store, "telegram", str(ZYX), owners=())
    assert any("last owner" in note for note in kept.notes)
    await Forgetter(desk.line.store, kept, by="cli:ops", owners=(), now=1.0).forget(told=lambda steps: None)
    assert await desk.line.store.read(lambda tx: tx.roles.held(str(ZYX))) == {"*": "owner"}
    await forgotten(desk)
    assert await desk.line.store.read(lambda tx: tx.roles.held(str(ZYX))) == {}


async def test_an_owner_by_the_configuration_is_told_where_that_stands(desk: Desk) -> None:
    kept = await look(desk.line.store, "telegram", str(OWNER), owners=(OWNER,))
    assert any("telegram.owners" in note for note in kept.notes)


async def test_it_is_audited_with_ids_and_no_words(desk: Desk) -> None:
    await lives(desk)
    await forgotten(desk, by="cli:root")
    assert (await desk.audit())[-1] == ("cli:root", f"forget telegram:{ZYX}", "done")


async def test_somebody_of_a_provider_is_forgotten_too(desk: Desk, tmp_path: Path) -> None:
    await desk.line.route(f"{HERE} <-> club:lobby")
    await desk.line.said("club:lobby", "plugh plover", id="m1", name="Quillon Varda")
    await desk.line.engine.start()
    await desk.line.rests()
    account, id = await desk.line.store.read(lambda tx: find_person(tx, "Quillon Varda", accounts=["club"]))
    assert (account, id) == ("club", "quillon varda")
    kept = await look(desk.line.store, account, id, owners=())
    await Forgetter(desk.line.store, kept, by="cli:ops", owners=(), now=1.0).forget(told=lambda steps: None)
    scrub(tmp_path / "p.sqlite3")
    assert b"plugh" not in raw(tmp_path) and b"Quillon" not in raw(tmp_path)


@pytest.mark.parametrize(
    ("word", "who"),
    [
        (str(ZYX), ("telegram", str(ZYX))),
        ("@ZyxName", ("telegram", str(ZYX))),
        (f"telegram:{ZYX}", ("telegram", str(ZYX))),
        ("club:u:7", ("club", "u:7")),
        (NAME, ("telegram", str(ZYX))),
    ],
)
async def test_a_person_is_named_by_id_name_or_account(desk: Desk, word: str, who: tuple[str, str]) -> None:
    await lives(desk)
    assert await desk.line.store.read(lambda tx: find_person(tx, word, accounts=["club"])) == who


@pytest.mark.parametrize(("word", "says"), [("@nobody", "nobody"), ("Nobody", "nobody"), ("Pat", "2 people")])
async def test_who_is_not_one_person_is_said(desk: Desk, word: str, says: str) -> None:
    await desk.line.said("club:lobby", "hi", id="m1", name="Pat")
    await desk.line.said("desk:lobby", "hi", id="m1", name="Pat")
    with pytest.raises(PersonError, match=says):
        await desk.line.store.read(lambda tx: find_person(tx, word, accounts=["club", "desk"]))


async def test_a_large_database_is_not_written_anew_beside_a_running_bot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "p.sqlite3"
    monkeypatch.setattr("bot.store.scrubbing.BESIDE_MOST", 10)
    running = await SqliteStore.open(path, exclusive=True)
    assert is_running(path) and not scrub(path)
    await running.close()
    assert not is_running(path) and scrub(path)


async def test_words_that_were_edited_away_before_are_not_left_in_free_pages(desk: Desk, tmp_path: Path) -> None:
    await desk.line.said("club:lobby", "plugh " * 3000, id="m1", name="Quillon Varda")
    await desk.line.store.write(lambda tx: desk.line.edits(tx, "club:lobby", "nothing", id="m1", name="Quillon Varda"))
    kept = await look(desk.line.store, "club", "quillon varda", owners=())
    await Forgetter(desk.line.store, kept, by="cli:ops", owners=(), now=1.0).forget(told=lambda steps: None)
    assert b"plugh plugh" in raw(tmp_path)
    scrub(tmp_path / "p.sqlite3")
    assert b"plugh" not in raw(tmp_path)
