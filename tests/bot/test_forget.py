"""Forgetting a person: nothing of what they said or are called is left in the file, and everything still adds up."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot import planning
from bot.cli.forget import _tell, _tell_json, _waits, progress_of
from bot.firing import Firing, SchedulePolicy
from bot.forgetting import (
    ARRIVALS,
    DELIVERIES,
    FAILED,
    IMPORTS,
    MENTIONS,
    MESSAGES,
    NOTES,
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
from bot.store.schedules import FORGOTTEN, OccurrenceRow, Schedule
from bot.store.scrubbing import is_running, scrub
from bot.store.sqlite import SqliteStore
from bridges.errors import Refused
from bridges.model import Message
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


async def forgotten(desk: Desk, *, by: str = "cli:ops", also_schedules: bool = False) -> int:
    kept = await kept_of(desk)
    forgetter = Forgetter(desk.line.store, kept, by=by, owners=people(desk), now=desk.line.clock())
    removing = [each.id for each in kept.schedules] if also_schedules else []
    return await forgetter.forget(also_waiting=kept.waiting, also_schedules=removing, told=lambda steps: None)


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


@pytest.mark.parametrize("has_schedules", [False, True])
async def test_stopped_in_the_middle_it_ends_when_it_is_run_again(
    desk: Desk, tmp_path: Path, has_schedules: bool
) -> None:
    await (schedules if has_schedules else lives)(desk)

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


# --- schedules

DAY = 86_400.0
PRIVATE = f"telegram:{ZYX}"


async def schedules(desk: Desk) -> None:
    """Somebody made schedules: 1 goes on, 2 was sent and is over, 3 was removed, 4 is called like them and is told of
    in their private chat; 5 is another's, approved by them, and goes to their chat; 6 is another's that is over.
    """
    await desk.grant(ZYX, "admin")
    await desk.grant(ANN, "admin")
    await desk.write("/schedule every day at 18:00 UTC name=news | here | plover of the group", by=ZYX)
    await desk.write("/schedule in 1h | here | xyzzy that is over", by=ZYX)
    await desk.write("/schedule at 19:00 UTC name=vanished | here | xyzzy that was removed", by=ZYX)
    await desk.write("/schedule remove 3", by=ZYX)
    await desk.write(f"/schedule every day at 20:00 UTC name=zyxname | {HERE} | plover in private", by=ZYX, chat=ZYX)
    await desk.write(f"/schedule every day at 21:00 UTC name=hers | {PRIVATE} | plover of another", by=ANN)
    await desk.write(f"/schedule in 1h | {PRIVATE} | plover that is over", by=ANN)
    desk.line.clock.at += 3600.0

    def more(tx: Tx) -> None:
        for id in (2, 6):
            over = tx.schedules.get(id)
            assert over is not None and over.next_at is not None
            assert desk.services.firing.fire(tx, over, over.next_at, now=desk.line.clock())
            tx.schedules.aim_at(id, next_at=None, warn_at=None)
        note = f"Left out: 2 of other chats, beyond the role of {NAME}"
        tx.schedules.decide(1, 5.0, "sent", now=5.0, note=note)
        tx.schedules.decide(5, 5.0, "sent", now=5.0, note=f"Left out: {NAME} is no name")
        tx.db.execute("UPDATE schedules SET approved_by = ? WHERE id = 5", (f"7,{ZYX},{ZYX}0",))

    await desk.line.store.write(more)
    await desk.line.engine.start()
    for _ in range(3):
        await desk.line.rests()
    await desk.line.store.write(lambda tx: [tx.broadcasts.end(id, now=desk.line.clock()) for id in (1, 2)])


async def schedule(desk: Desk, id: int) -> Schedule:
    found = await desk.line.store.read(lambda tx: tx.schedules.get(id))
    assert found is not None
    return found


async def notes(desk: Desk, id: int) -> list[OccurrenceRow]:
    return list(await desk.line.store.read(lambda tx: tx.schedules.history(id, limit=9)))


async def test_their_schedules_that_are_to_come_are_listed_first(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    await schedules(desk)
    kept = await kept_of(desk)
    assert [(each.id, each.name, each.when) for each in kept.schedules] == [
        (1, "news", "every day at 18:00 UTC"),
        (4, "zyxname", "every day at 20:00 UTC"),
    ]
    assert [(each.id, each.target) for each in kept.schedules_to] == [(5, PRIVATE)]
    assert kept.found["schedules to come"] == 2 and kept.found["schedules that are over"] == 2
    assert kept.found["approvals of schedules"] == 1 and kept.found[NOTES] == 2
    _tell(kept, 0, done=False, removed=False, whole=True)
    shown = capsys.readouterr().out.splitlines()
    assert shown[1] == ("Of theirs schedules 1, 4: still to come, and go on as nobody's; --also-waiting removes them")
    assert shown[3].split() == ["1", "news", "every", "day", "at", "18:00", "UTC"]
    assert shown[5] == "To their private chat, also from now on: schedule 5"
    _tell_json(kept, 0, done=False, whole=True)
    told = json.loads(capsys.readouterr().out)
    assert [each["id"] for each in told["schedules"]] == [1, 4]
    assert told["schedules_to"] == [{"id": 5, "name": "hers", "when": "every day at 21:00 UTC", "target": PRIVATE}]


@pytest.mark.parametrize(
    ("done", "removed", "says"),
    [
        (False, True, "still to come, and are removed"),
        (True, False, "go on as nobody's"),
        (True, True, "are removed"),
    ],
)
async def test_what_becomes_of_them_is_told(
    desk: Desk, capsys: pytest.CaptureFixture[str], done: bool, removed: bool, says: str
) -> None:
    await schedules(desk)
    _tell(await kept_of(desk), 0, done=done, removed=removed, whole=True)
    assert capsys.readouterr().out.splitlines()[1] == f"Of theirs schedules 1, 4: {says}"


async def test_who_is_told_to_discard_what_waits_hears_that_schedules_go_too(desk: Desk) -> None:
    desk.line.club.refuses["xyzzy"] = Refused("no")
    await schedules(desk)
    await desk.write("/send club:hall xyzzy", by=ZYX)
    await desk.line.rests()
    assert "to discard them, which removes schedules 1, 4, too; nothing was changed" in _waits(await kept_of(desk))


@pytest.mark.parametrize("way", ["name", "audience", "conversation"])
async def test_a_schedule_that_goes_to_them_in_other_words_is_listed(desk: Desk, way: str) -> None:
    await desk.grant(ANN, "admin")
    await desk.line.store.write(
        lambda tx: (
            tx.names.set("anna", PRIVATE),
            tx.audiences.add("all", [PRIVATE, "club:a"], person="7", now=1.0),
            tx.conversations.touch("club", "d7", kind="direct", title="", now=1.0),
        )
    )
    await desk.line.said("club:d7", "hello", id="m1", name="Quillon Varda")
    target = {"name": "anna", "audience": "@all", "conversation": "club:d7"}[way]
    account, id = ("club", "quillon varda") if way == "conversation" else ("telegram", str(ZYX))
    await desk.write("/schedule every day at 18:00 UTC | here | hello", by=ANN)
    await desk.line.store.write(lambda tx: tx.db.execute("UPDATE schedule_targets SET target = ?", (target,)))
    kept = await look(desk.line.store, account, id, owners=())
    assert [(each.id, each.target) for each in kept.schedules_to] == [(1, target)]
    assert not kept.schedules


async def test_nothing_is_left_in_the_file_of_their_schedules(desk: Desk, tmp_path: Path) -> None:
    await schedules(desk)
    assert NAME.encode() in raw(tmp_path) and b"xyzzy that is over" in raw(tmp_path)
    assert await forgotten(desk) == 0
    scrub(tmp_path / "p.sqlite3")
    for trace in (NAME, "zyxname", "xyzzy", "vanished"):
        assert trace.encode() not in raw(tmp_path), trace
    assert b"plover of the group" in raw(tmp_path) and b"plover that is over" in raw(tmp_path)
    kept = await kept_of(desk)
    assert kept.is_empty and not kept.schedules
    assert (await desk.line.store.read(balance))["balanced"]


async def test_what_is_to_come_goes_on_without_them(desk: Desk) -> None:
    await schedules(desk)
    before = await schedule(desk, 1)
    await forgotten(desk)
    after = await schedule(desk, 1)
    assert (after.person, after.person_name) == (FORGOTTEN, "")
    same = ("name", "rule", "state", "next_at", "message", "options", "targets", "chat")
    assert [getattr(after, name) for name in same] == [getattr(before, name) for name in same]
    # What was called like them has no name, and is told of to the owners, not to them.
    private = await schedule(desk, 4)
    assert (private.state, private.name, private.options, private.chat) == ("on", "", "{}", "")
    # Whoever else approved still has.
    assert (await schedule(desk, 5)).approved_by == f"7,{FORGOTTEN},{ZYX}0"
    assert [row.note for row in await notes(desk, 1)] == ["Left out: 2 of other chats, beyond the role of somebody"]
    assert [row.note for row in await notes(desk, 5)] == ["Left out: somebody is no name"]

    def fires(tx: Tx) -> bool:
        return desk.services.firing.fire(tx, after, desk.line.clock(), now=desk.line.clock())

    assert await desk.line.store.write(fires)
    await desk.line.rests()
    rows = await desk.line.store.read(lambda tx: tx.outbox.list())
    assert [row.why for row in rows if "news" in row.why] == ["schedule 1 (news), announcement 3 by somebody"]
    # It is no matter of theirs any more.
    assert (await kept_of(desk)).is_empty


async def test_what_is_over_or_removed_is_blank_and_stays_removed(desk: Desk) -> None:
    await schedules(desk)
    await forgotten(desk)
    for id in (2, 3):
        over = await schedule(desk, id)
        assert (over.state, over.next_at, over.message, over.name, over.targets) == ("removed", None, "{}", "", ())
    other = await schedule(desk, 6)
    assert (other.state, Message.model_validate_json(other.message).text) == ("on", "plover that is over")
    assert [row.state for row in await notes(desk, 2)] == ["sent"]
    assert [each.id for each in await desk.line.store.read(lambda tx: tx.schedules.all())] == [1, 4, 5, 6]


async def test_a_removal_of_what_is_blank_may_be_undone_and_sends_nothing(desk: Desk) -> None:
    await schedules(desk)
    await forgotten(desk)
    removed = await schedule(desk, 3)
    await desk.line.store.write(lambda tx: planning.restore(tx, removed, now=desk.line.clock(), goes_on=True))
    back = await schedule(desk, 3)
    assert back.next_at is None
    fires = desk.services.firing.fire
    assert not await desk.line.store.write(lambda tx: fires(tx, back, desk.line.clock(), now=desk.line.clock()))


async def test_what_is_to_come_is_removed_on_request(desk: Desk, tmp_path: Path) -> None:
    await schedules(desk)
    assert await forgotten(desk, also_schedules=True) == 0
    scrub(tmp_path / "p.sqlite3")
    for trace in (NAME, "zyxname", "xyzzy", "plover of the group", "plover in private"):
        assert trace.encode() not in raw(tmp_path), trace
    assert [each.id for each in await desk.line.store.read(lambda tx: tx.schedules.all())] == [5, 6]
    assert await desk.line.store.read(lambda tx: tx.schedules.due(desk.line.clock() + 2 * DAY, limit=9)) == [
        await schedule(desk, 5)
    ]


async def test_what_cannot_be_read_does_not_stand_in_the_way(desk: Desk, tmp_path: Path) -> None:
    await schedules(desk)
    broken = (
        "UPDATE schedules SET options = 'zyxname {', message = message || 'x', rule = 'whatever' WHERE id IN (2, 4)"
    )
    await desk.line.store.write(lambda tx: tx.db.execute(broken))
    await forgotten(desk)
    scrub(tmp_path / "p.sqlite3")
    assert b"zyxname" not in raw(tmp_path) and b"xyzzy" not in raw(tmp_path)
    assert [(await schedule(desk, id)).state for id in (2, 4)] == ["removed", "on"]


async def test_what_somebody_has_to_decide_about_is_to_come(desk: Desk) -> None:
    await desk.grant(ZYX, "admin")
    await desk.write("/schedule in 1h missed=ask | here | plover", by=ZYX)

    def unit(tx: Tx) -> None:
        tx.schedules.decide(1, 5.0, "asked", now=5.0)
        tx.schedules.aim_at(1, next_at=None, warn_at=None)

    await desk.line.store.write(unit)
    assert [each.id for each in (await kept_of(desk)).schedules] == [1]
    await forgotten(desk)
    left = await schedule(desk, 1)
    assert (left.state, left.person, Message.model_validate_json(left.message).text) == ("on", FORGOTTEN, "plover")


@pytest.mark.parametrize(("role", "is_sent"), [("operator", False), ("admin", True)])
async def test_to_be_forgotten_makes_nobody_trusted(desk: Desk, role: str, is_sent: bool) -> None:
    await desk.grant(ZYX, role)
    await desk.write("/schedule every day at 18:00 UTC | here | hello", by=ZYX)
    await forgotten(desk)
    grown = Firing(desk.line.relay, SchedulePolicy("UTC", approval_over=1))

    def fires(tx: Tx) -> bool:
        tx.db.execute("INSERT INTO schedule_targets VALUES (1, 1, 'club:a')")
        left = tx.schedules.get(1)
        assert left is not None
        return grown.fire(tx, left, desk.line.clock(), now=desk.line.clock())

    assert await desk.line.store.write(fires) == is_sent
    assert (await schedule(desk, 1)).state == ("on" if is_sent else "waits")


async def test_somebody_known_by_their_schedules_alone_is_found_by_name(desk: Desk) -> None:
    await desk.grant(ZYX, "admin")
    await desk.write("/schedule every day at 18:00 UTC | here | hello", by=ZYX)
    await desk.line.store.write(lambda tx: tx.db.execute("UPDATE schedules SET person_name = 'Quillon Varda'"))
    who = await desk.line.store.read(lambda tx: find_person(tx, "Quillon Varda", accounts=["club"]))
    assert who == ("telegram", str(ZYX))
    assert "Quillon Varda" in (await kept_of(desk)).person.names
    await forgotten(desk)
    with pytest.raises(PersonError, match="nobody"):
        await desk.line.store.read(lambda tx: find_person(tx, "Quillon Varda", accounts=["club"]))
    # What stands for the forgotten is nobody who could be forgotten.
    kept = await look(desk.line.store, "telegram", FORGOTTEN, owners=())
    assert kept.is_empty and not kept.schedules


async def test_what_was_taken_back_stays_so_when_its_author_is_forgotten(desk: Desk) -> None:
    await schedules(desk)

    def unit(tx: Tx) -> None:
        tx.broadcasts.show(1, json.dumps({"text": "xyzzy", "wiped": True}))
        tx.broadcasts.end(1, now=desk.line.clock())

    await desk.line.store.write(unit)
    await forgotten(desk)
    shown = await desk.line.store.read(lambda tx: tx.db.execute("SELECT shown FROM broadcasts ORDER BY id").fetchall())
    assert json.loads(shown[0][0]) == {"wiped": True}
    assert (await kept_of(desk)).is_empty
