"""What happens to messages after they were written, wherever they went and whatever became of them there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from bot import decisions
from bot.changes import digest_of
from bot.store import Tx
from bot.store.messages import Copy, Origin
from bot.store.outbox import Outcome
from bridges.api import Flow
from bridges.errors import Inexpressible, Refused, Unavailable
from bridges.model import (
    Attachment,
    ConversationId,
    Deleted,
    Edited,
    Location,
    MembersChanged,
    Message,
    MessageId,
    Person,
    PersonId,
    Span,
    SpanKind,
)
from bridges.model import Conversation as Place
from tests.bot.line import ROOM, Line, line

ABLE = {"edits": True, "deletes": True, "reactions": True}
LOBBY = "club:lobby"


@pytest.fixture
async def able(tmp_path: Path) -> AsyncIterator[Line]:
    """A room joined with a club that can do everything."""
    async with line(tmp_path, **ABLE) as it:
        await it.route(f"{ROOM} <-> {LOBBY}")
        yield it


@pytest.fixture
async def plain(tmp_path: Path) -> AsyncIterator[Line]:
    """A room joined with a club that can only be written to."""
    async with line(tmp_path, receipt_ids=False) as it:
        await it.route(f"{ROOM} <-> {LOBBY}")
        yield it


async def started(it: Line, text: str = "hello") -> None:
    """A message of the room's that was delivered."""
    await it.said(ROOM, text)
    await it.engine.start()
    await it.rests()


async def edited(it: Line, text: str, *, place: str = ROOM, id: str = "m1") -> str:
    return await it.store.write(lambda tx: it.edits(tx, place, text, id=id))


async def reacted(it: Line, *emoji: str, place: str = ROOM, id: str = "m1", name: str = "Bo") -> str:
    return await it.store.write(lambda tx: it.reacts(tx, place, *emoji, id=id, name=name))


async def deleted(it: Line, *, place: str = ROOM, id: str = "m1") -> str:
    account, _, conversation = place.partition(":")
    event = Deleted(
        key=f"deleted {id}", at=it.at(), conversation=Place(id=ConversationId(conversation)), id=MessageId(id)
    )
    return await it.store.write(lambda tx: it.relay.changes.deleted(tx, account, event, now=it.clock()))


async def origin(it: Line, id: str = "m1", *, account: str = "telegram") -> Origin:
    found = await it.store.read(lambda tx: tx.messages.find(account, id))
    assert found is not None
    return found


def in_state(state: str) -> Callable[[Tx, Line], None]:
    """Bring the one delivery of the line to a state, without sending anything."""

    def unit(tx: Tx, it: Line) -> None:
        (row,) = tx.outbox.list(account="club")
        if state == "queued":
            return
        if state in ("discarded", "cancelled"):
            tx.outbox.settle_by_hand(row.id, state=state, now=it.clock())  # type: ignore[arg-type]
            return
        (lease,) = tx.outbox.claim("club", owner="o", now=it.clock(), lease_s=60, limit=1)
        if state != "expired":
            tx.outbox.begin(lease, now=it.clock())
        if state == "sending":
            return
        tx.outbox.settle(lease, [Outcome(row.id, state, "because")], now=it.clock())  # type: ignore[arg-type]
        if state == "sent":
            assert row.message is not None
            tx.messages.add_copy(row.message, Copy("club", "lobby", "c1", 1, row.id))

    return unit


async def brought_to(it: Line, state: str) -> None:
    await it.said(ROOM, "hello")
    unit = in_state(state)
    await it.store.write(lambda tx: unit(tx, it))


async def made(it: Line) -> list[str]:
    """What there is beside the message's own delivery: operation and words."""
    return [f"{row.op}: {decisions.text_of(row)}".strip() for row in (await it.rows(LOBBY))[1:]]


# --- an operation × what the place can do × what became of the message there

NOTE_EDIT, NOTE_DELETE = "note: ✏️ Pat edited “hello”:\nother", "note: 🗑 Pat deleted “hello”"
NOTE_REACT = "note: Bo reacted 👍 to “hello”"


@pytest.mark.parametrize(
    ("state", "able_does", "plain_does"),
    [
        ("queued", ["edit: Pat: other"], [NOTE_EDIT]),
        ("sending", ["edit: Pat: other"], [NOTE_EDIT]),
        ("sent", ["edit: Pat: other"], [NOTE_EDIT]),
        ("held", [], []),
        ("dead", [], []),
        ("expired", [], []),
        ("discarded", [], []),
        ("cancelled", [], []),
    ],
)
async def test_an_edit_follows_the_message_and_is_not_told_where_that_is_not(
    tmp_path: Path, state: str, able_does: list[str], plain_does: list[str]
) -> None:
    for capabilities, does in ((ABLE, able_does), ({"receipt_ids": False}, plain_does)):
        folder = tmp_path / str(len(capabilities))
        folder.mkdir()
        async with line(folder, **capabilities) as it:
            await it.route(f"{ROOM} <-> {LOBBY}")
            await brought_to(it, state)
            assert await edited(it, "other") == "relayed"
            assert await made(it) == does
            (row, *_) = await it.rows(LOBBY)
            waits_with_new_words = state in ("held", "dead", "expired")
            newest = decisions.changed_to(row) or decisions.text_of(row)
            assert newest == ("Pat: other" if waits_with_new_words else "Pat: hello")
            assert row.state == state


@pytest.mark.parametrize(
    ("state", "becomes", "able_does", "plain_does"),
    [
        ("queued", "cancelled", [], []),
        ("sending", "sending", ["delete:"], [NOTE_DELETE]),
        ("sent", "sent", ["delete:"], [NOTE_DELETE]),
        ("held", "held", [], []),
        ("dead", "cancelled", [], []),
        ("expired", "cancelled", [], []),
        ("discarded", "discarded", [], []),
        ("cancelled", "cancelled", [], []),
    ],
)
async def test_what_is_taken_back_is_stopped_where_it_waits_and_deleted_where_it_is(
    tmp_path: Path, state: str, becomes: str, able_does: list[str], plain_does: list[str]
) -> None:
    for capabilities, does in ((ABLE, able_does), ({"receipt_ids": False}, plain_does)):
        folder = tmp_path / str(len(capabilities))
        folder.mkdir()
        async with line(folder, **capabilities) as it:
            await it.route(f"{ROOM} <-> {LOBBY}")
            await brought_to(it, state)
            assert await edited(it, " . ") == "relayed"
            assert await made(it) == does
            (row, *_) = await it.rows(LOBBY)
            assert row.state == becomes
            assert (await origin(it)).text == ""


@pytest.mark.parametrize(
    ("state", "able_does", "plain_does"),
    [
        ("queued", ["react: 👍"], [NOTE_REACT]),
        ("sending", ["react: 👍"], [NOTE_REACT]),
        ("sent", ["react: 👍"], [NOTE_REACT]),
        ("held", [NOTE_REACT], [NOTE_REACT]),
        ("dead", [], []),
        ("expired", [], []),
        ("discarded", [], []),
        ("cancelled", [], []),
    ],
)
async def test_a_reaction_goes_to_where_the_message_is(
    tmp_path: Path, state: str, able_does: list[str], plain_does: list[str]
) -> None:
    for capabilities, does in ((ABLE, able_does), ({"receipt_ids": False}, plain_does)):
        folder = tmp_path / str(len(capabilities))
        folder.mkdir()
        async with line(folder, **capabilities) as it:
            await it.route(f"{ROOM} <-> {LOBBY}")
            await brought_to(it, state)
            assert await reacted(it, "👍") == ("relayed" if does else "filtered")
            assert await made(it) == does


# --- edits


async def test_an_edited_message_without_another_content_is_filtered(able: Line) -> None:
    await started(able)
    assert await edited(able, "hello") == "filtered"
    assert await made(able) == []


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (Message(text="a"), Message(text="a"), True),
        (Message(text="a"), Message(text="b"), False),
        (Message(text="a"), Message(text="a", spans=(Span(kind=SpanKind.BOLD, start=0, length=1),)), False),
        (Message(text="a"), Message(text="a", reply_to=MessageId("x")), True),
        (
            Message(attachments=(Attachment(kind="image", ref="1", size=4),)),
            Message(attachments=(Attachment(kind="image", ref="2", size=4),)),
            True,
        ),
        (
            Message(attachments=(Attachment(kind="image", ref="1", size=4),)),
            Message(attachments=(Attachment(kind="image", ref="1", size=5),)),
            False,
        ),
    ],
)
def test_the_digest_is_of_what_people_see(one: Message, other: Message, same: bool) -> None:
    assert (digest_of(one) == digest_of(other)) is same


async def test_an_edit_that_comes_before_the_delivery_waits_for_it(able: Line) -> None:
    await able.said(ROOM, "hello")
    await edited(able, "one")
    await edited(able, "two")
    await able.engine.start()
    await able.rests()
    assert able.club.texts == ["Pat: hello"]
    assert able.club.done == ["edit c1: Pat: one", "edit c1: Pat: two"]


async def test_an_edit_waits_while_the_provider_is_away_and_what_follows_waits_behind_it(able: Line) -> None:
    await started(able)
    able.club.error = Unavailable("away", retry_after=60.0)
    await edited(able, "other")
    await able.said(ROOM, "next", id="m2")
    await able.rests()
    able.club.error = None
    await able.later(60)
    rows = await able.rests()
    assert able.club.done == ["edit c1: Pat: other"]
    assert able.club.texts == ["Pat: hello", "Pat: next"]
    assert {row.state for row in rows} == {"sent"}


async def test_an_edit_finds_its_message_after_a_restart(tmp_path: Path) -> None:
    async with line(tmp_path, **ABLE) as before:
        await before.route(f"{ROOM} <-> {LOBBY}")
        await started(before)
    async with line(tmp_path, **ABLE) as after:
        await edited(after, "other")
        await after.engine.start()
        await after.rests()
        assert after.club.done == ["edit c1: Pat: other"]


async def test_an_edit_that_was_under_way_at_the_end_is_made_again(tmp_path: Path) -> None:
    async with line(tmp_path, **ABLE) as before:
        await before.route(f"{ROOM} <-> {LOBBY}")
        await started(before)
        await before.engine.stop(grace_s=1)
        await edited(before, "other")

        def begin(tx: Tx) -> None:
            (lease,) = tx.outbox.claim("club", owner="o", now=before.clock(), lease_s=60, limit=1)
            tx.outbox.begin(lease, now=before.clock())

        await before.store.write(begin)
    async with line(tmp_path, **ABLE) as after:
        await after.engine.start()
        await after.rests()
        await after.later(60)
        await after.rests()
        assert after.club.done == ["edit c1: Pat: other"]


async def test_a_text_that_grows_gets_further_parts_and_one_that_shrinks_loses_them(able: Line) -> None:
    await started(able)
    await edited(able, "word " * 450)
    await able.rests()
    assert able.club.done[0].startswith("edit c1: Pat: (1/3) word")
    assert [text[:12] for text in able.club.texts] == ["Pat: hello", "Pat: (2/3) w", "Pat: (3/3) w"]
    await edited(able, "word " * 250)
    await able.rests()
    assert [entry[:24] for entry in able.club.done[1:]] == [
        "edit c1: Pat: (1/2) word",
        "edit c2: Pat: (2/2) word",
        "delete c3",
    ]
    await edited(able, "short")
    await able.rests()
    assert able.club.done[4:] == ["edit c1: Pat: short", "delete c2"]
    await edited(able, "word " * 450)
    await able.rests()
    assert able.club.done[6].startswith("edit c1: Pat: (1/3) word")
    assert len(able.club.done) == 7
    assert [text[:12] for text in able.club.texts[3:]] == ["Pat: (2/3) w", "Pat: (3/3) w"]


async def test_where_nothing_can_be_deleted_what_is_left_over_becomes_a_mark(tmp_path: Path) -> None:
    async with line(tmp_path, edits=True) as it:
        await it.route(f"{ROOM} <-> {LOBBY}")
        await started(it, "word " * 250)
        await edited(it, "short")
        await it.rests()
        assert it.club.done == ["edit c1: Pat: short", "edit c2: …"]


async def test_what_the_other_side_cannot_change_is_told_there_with_the_old_words(plain: Line) -> None:
    await started(plain, "see you at ten")
    await edited(plain, "see you at nine")
    await plain.rests()
    assert plain.club.texts == ["Pat: see you at ten", "✏️ Pat edited “see you at ten”:\nsee you at nine"]
    await edited(plain, "see you")
    await plain.rests()
    assert plain.club.texts[-1] == "✏️ Pat edited “see you at nine”:\nsee you"


async def test_an_edit_that_is_refused_over_there_is_told_instead(able: Line) -> None:
    await started(able)
    able.club.error = Refused("too old to be edited")
    await edited(able, "other")
    await able.store.write(lambda tx: tx.woken.add("club"))

    async def refused() -> bool:
        return any(row.op == "note" for row in await able.rows(LOBBY))

    while not await refused():
        await able.rests()
    able.club.error = None
    rows = await able.rows(LOBBY)
    assert decisions.text_of(rows[-1]) == "✏️ Pat edited “hello”:\nother"


async def test_a_part_that_cannot_be_changed_is_told_once_for_all_parts(able: Line) -> None:
    await started(able, "word " * 250)
    able.club.edit = _cannot  # type: ignore[method-assign,assignment]
    await edited(able, "other " * 250)
    rows = await able.rests()
    assert [(row.op, row.state) for row in rows[2:]] == [("note", "sent"), ("edit", "cancelled"), ("note", "sent")]
    assert able.club.texts[2].startswith("(1/2) ✏️ Pat edited “word word")
    assert "".join(able.club.texts[2:]).count("other") == 250


def _cannot(*_: object) -> object:
    raise Inexpressible("no")


async def test_new_words_and_other_files_are_told_as_they_cannot_be_put_in_place(able: Line) -> None:
    picture = Message(text="look", attachments=(Attachment(kind="image", ref="1", name="a.png", size=4),))
    await able.store.write(lambda tx: able.says(tx, ROOM, "", id="m1", message=picture))
    other = picture.model_copy(update={"attachments": (Attachment(kind="image", ref="2", name="b.png", size=9),)})
    await able.engine.start()
    await able.rests()

    def unit(tx: Tx) -> str:
        sender = Person(id=PersonId("pat"), name="Pat")
        event = Edited(
            key="e",
            at=able.at(),
            conversation=Place(id=ConversationId("-5")),
            id=MessageId("m1"),
            message=other.model_copy(update={"sender": sender}),
        )
        return able.relay.changed(tx, "telegram", event, now=able.clock())

    assert await able.store.write(unit) == "relayed"
    await able.rests()
    assert able.club.texts[-1] == "✏️ Pat edited “look”:\nlook\n[image: b.png, 9 B]"


async def test_a_copy_that_changes_is_an_echo_and_an_unknown_message_none_of_ours(able: Line) -> None:
    await started(able)
    assert await edited(able, "Pat: other", place=LOBBY, id="c1") == "echoes"
    assert await deleted(able, place=LOBBY, id="c1") == "echoes"
    assert await edited(able, "what", id="m99") == "unsupported"
    assert await deleted(able, id="m99") == "unsupported"
    assert await reacted(able, "👍", id="m99") == "unsupported"


# --- held, dead, and what people decide about them


async def test_a_dead_one_goes_out_with_its_new_words(able: Line) -> None:
    await brought_to(able, "dead")
    await edited(able, "other")
    (row,) = await able.rows(LOBBY)
    await able.store.write(lambda tx: decisions.retry(tx, row, now=able.clock()))
    await able.engine.start()
    await able.rests()
    assert able.club.texts == ["Pat: other"]


async def test_a_held_one_that_did_arrive_owes_its_new_words(able: Line) -> None:
    await brought_to(able, "held")
    await edited(able, "other")
    (row,) = await able.rows(LOBBY)
    assert row.owed

    def unit(tx: Tx) -> None:
        decisions.arrived(tx, row, now=able.clock())
        able.relay.changes.owed(tx, row, now=able.clock())

    await able.store.write(unit)
    await able.engine.start()
    await able.rests()
    assert able.club.texts == ["✏️ edited “Pat: hello”:\nPat: other"]


async def test_a_held_one_that_is_sent_again_owes_nothing(able: Line) -> None:
    await brought_to(able, "held")
    await edited(able, "other")
    (row,) = await able.rows(LOBBY)
    await able.store.write(lambda tx: decisions.retry(tx, row, now=able.clock()))
    await able.engine.start()
    (row,) = await able.rests()
    assert (able.club.texts, row.owed) == (["Pat: other"], 0)


# --- taken back


async def test_what_was_taken_back_is_gone_and_stays_so(able: Line) -> None:
    await started(able, "word " * 250)
    assert await edited(able, ".") == "relayed"
    await able.rests()
    assert able.club.done == ["delete c1", "delete c2"]
    assert await edited(able, "back again") == "filtered"
    assert await deleted(able) == "duplicates"


async def test_a_full_stop_is_an_edit_where_the_route_carries_no_deletions(tmp_path: Path) -> None:
    async with line(tmp_path, **ABLE) as it:
        await it.route(f"{ROOM} <-> {LOBBY} kinds=text,edits")
        await started(it)
        await edited(it, ".")
        await it.rests()
        assert it.club.done == ["edit c1: Pat: ."]


async def test_a_deletion_at_the_provider_reaches_telegram(able: Line) -> None:
    await able.said(LOBBY, "hello", id="x1")
    await able.engine.start()
    await able.rests()
    assert await deleted(able, place=LOBBY, id="x1") == "relayed"
    await able.rests()
    assert able.telegram.done == ["delete t1"]


async def test_the_mark_of_what_was_taken_back_says_so(able: Line) -> None:
    await started(able)
    await edited(able, ".")
    await able.rests()
    (mark,) = await able.store.read(lambda tx: tx.marks.due(now=able.clock(), limit=9))
    assert mark.want == "dropped"


# --- reactions


async def test_reactions_are_put_changed_and_taken_back(able: Line) -> None:
    await started(able)
    assert await reacted(able, "👍") == "relayed"
    assert await reacted(able, "👍") == "duplicates"
    await reacted(able, "❤")
    await reacted(able)
    await able.rests()
    assert able.club.done == ["react c1: 👍", "react c1: ❤", "react c1: "]


async def test_a_reaction_to_a_copy_reaches_the_original(able: Line) -> None:
    await started(able)
    await reacted(able, "🎉", place=LOBBY, id="c1", name="Cara")
    await able.rests()
    assert able.telegram.done == ["react m1: 🎉"]


async def test_where_there_are_none_reactions_are_told_with_the_old_words(plain: Line) -> None:
    await started(plain)
    await reacted(plain, "👍")
    await reacted(plain)
    await plain.rests()
    assert plain.club.texts[1:] == ["Bo reacted 👍 to “hello”", "Bo took back 👍 from “hello”"]


async def test_a_reaction_that_is_words_pings_nobody_and_is_short(able: Line, caplog: pytest.LogCaptureFixture) -> None:
    await able.said(LOBBY, "hello", id="x1")
    await able.engine.start()
    await able.rests()
    secret = "Telegram says: SECRETWORDS"
    able.telegram.react = lambda *_: _refused(secret)  # type: ignore[method-assign]
    with caplog.at_level("INFO"):
        await reacted(able, "@bo_user look\nhere", place=LOBBY, id="x1")
        await reacted(able, "@bo_user " + "word " * 12_000, place=LOBBY, id="x1", name="Cara")
        await able.rests()
    assert able.room[1:] == [
        "Bo reacted @\u2060bo_user look here to “hello”",
        "Cara reacted @\u2060bo_user word word word word w… to “hello”",
    ]
    said = [record for record in caplog.records if record.message == "said in words"]
    assert len(said) == 2 and not any(secret in str(vars(record)) for record in said)


def _refused(words: str) -> Flow[None]:
    raise Inexpressible(words)
    yield  # a flow is a generator


# --- several places, and rules


@pytest.fixture
async def three(tmp_path: Path) -> AsyncIterator[Line]:
    """A room, a club and a desk, each joined with both others."""
    async with line(tmp_path, **ABLE) as it:
        await it.route(f"{ROOM} <-> {LOBBY}", name="a")
        await it.route(f"{ROOM} <-> desk:lobby", name="b")
        await it.route(f"{LOBBY} <-> desk:lobby", name="c")
        yield it


async def test_changes_reach_each_of_three_joined_conversations_once(three: Line) -> None:
    await three.said(LOBBY, "hello", id="x1")
    await three.engine.start()
    await three.rests()
    assert (three.room, three.desk.texts) == (["Pat: hello"], ["Pat: hello"])
    await edited(three, "other", place=LOBBY, id="x1")
    await reacted(three, "👍", place=ROOM, id="t1")
    await three.rests()
    await deleted(three, place=LOBBY, id="x1")
    await three.rests()
    assert three.telegram.done == ["edit t1: Pat: other", "delete t1"]
    assert three.club.done == ["react x1: 👍"]
    assert three.desk.texts[1:] == [
        "✏️ Pat edited “hello”:\nother",
        "Bo reacted 👍 to “other”",
        "🗑 Pat deleted “other”",
    ]


async def test_one_that_waits_in_one_place_is_changed_in_the_others(three: Line) -> None:
    three.club.error = Unavailable("away", retry_after=60.0)
    await started(three)
    await edited(three, "other")
    await three.rests()
    assert three.desk.texts[1:] == ["✏️ Pat edited “hello”:\nother"]
    three.club.error = None
    await three.later(60)
    await three.rests()
    assert (three.club.texts, three.club.done) == (["Pat: hello"], ["edit c1: Pat: other"])


@pytest.mark.parametrize(
    ("rule", "room_told", "club_done"),
    [
        (f"{LOBBY} -> {ROOM}", ["edit t1: Pat: other"], []),
        (f"{LOBBY} ->> {ROOM}", ["edit t1: Pat: other"], ["react x1: 👍"]),
        (f"{LOBBY} <-> {ROOM}", ["edit t1: Pat: other"], ["react x1: 👍"]),
        (f"{LOBBY} -> {ROOM} kinds=text", [], []),
        (f"{LOBBY} <-> {ROOM} kinds=text,edits", ["edit t1: Pat: other"], []),
        (f"{LOBBY} <-> {ROOM} kinds=text,reactions", [], ["react x1: 👍"]),
    ],
)
async def test_changes_go_as_far_as_the_rule_of_the_message_carries_them(
    tmp_path: Path, rule: str, room_told: list[str], club_done: list[str]
) -> None:
    async with line(tmp_path, **ABLE) as it:
        await it.route(rule)
        await it.said(LOBBY, "hello", id="x1")
        await it.engine.start()
        await it.rests()
        await edited(it, "other", place=LOBBY, id="x1")
        await reacted(it, "👍", place=ROOM, id="t1")
        await it.rests()
        assert it.telegram.done == room_told
        assert it.club.done == club_done


async def test_what_was_sent_by_hand_is_changed_without_any_rule(able: Line) -> None:
    def unit(tx: Tx) -> None:
        message = Message(text="bare words", sender=Person(id=PersonId("pat"), name="Pat"))
        id = tx.messages.add(
            account="telegram",
            conversation="-9",
            remote_id="h1",
            sender_id="pat",
            sender_name="Pat",
            text="bare words",
            at=able.clock(),
            digest=digest_of(message),
        )
        address = able.relay.parse_target(tx, LOBBY)
        able.relay.send(tx, address, message, now=able.clock(), message_id=id, marked=True, why="/send by Pat")

    await able.store.write(unit)
    await able.engine.start()
    await able.rests()
    await edited(able, "other words", place="telegram:-9", id="h1")
    await able.rests()
    assert able.club.texts == ["bare words"]
    assert able.club.done == ["edit c1: other words"]


async def test_who_joins_and_leaves_is_told_only_where_a_rule_asks_for_it(tmp_path: Path) -> None:
    async with line(tmp_path) as it:
        await it.route(f"{ROOM} -> {LOBBY}", name="all")
        await it.route(f"{ROOM} -> desk:lobby kinds=joins", name="joins")
        event = MembersChanged(
            key="j",
            at=it.at(),
            conversation=Place(id=ConversationId("-5")),
            joined=(Person(id=PersonId("1"), name="Ann"),),
            left=(Person(id=PersonId("2"), name="Bo"),),
        )
        assert (
            await it.store.write(lambda tx: it.relay.changes.members(tx, "telegram", event, now=it.clock()))
            == "relayed"
        )
        await it.engine.start()
        await it.rests()
        assert (it.club.texts, it.desk.texts) == ([], ["→ Ann joined\n← Bo left"])


# --- at a person's command


async def test_a_command_takes_back_wherever_it_can_and_says_where_it_cannot(three: Line) -> None:
    await three.route(f"{ROOM} -> desk:sms/1555", name="d")
    await started(three)
    message = await origin(three)
    under_way, cannot = await three.store.write(
        lambda tx: three.relay.changes.take_back(tx, message, now=three.clock())
    )
    await three.rests()
    assert [str(address) for address in under_way] == [LOBBY]
    assert cannot == [
        "desk:lobby: fake has no way to take a message back",
        "desk:sms/1555: SMS has no way to take a message back",
    ]
    assert three.club.done == ["delete c1"]
    assert (await origin(three)).gone_at is None


async def test_where_nothing_could_be_taken_back_the_message_is_not_forgotten(plain: Line) -> None:
    await started(plain)
    message = await origin(plain)
    under_way, cannot = await plain.store.write(
        lambda tx: plain.relay.changes.take_back(tx, message, now=plain.clock())
    )
    assert (under_way, len(cannot)) == ([], 1)
    assert (await origin(plain)).text == "hello"


async def test_a_command_says_where_a_message_has_no_name_of_its_own(able: Line) -> None:
    for n in range(25):
        await able.said(LOBBY, f"text {n}", id=f"x{n}", late_s=3600.0)
    await able.engine.start()
    await able.rests()
    message = await origin(able, "x3", account="club")
    under_way, cannot = await able.store.write(lambda tx: able.relay.changes.take_back(tx, message, now=able.clock()))
    assert (under_way, cannot) == ([], [f"{ROOM}: it stands there in one message with others"])


async def test_a_command_gives_other_words_whatever_the_rules_say_of_edits(tmp_path: Path) -> None:
    async with line(tmp_path, **ABLE) as it:
        await it.route(f'{ROOM} -> {LOBBY} kinds=text template="<{{sender}}> {{text}}"', name="a")
        await it.route(f"{ROOM} -> desk:lobby", name="b")
        await started(it)
        message = await origin(it)
        words = Message(text="other")
        done = await it.store.write(lambda tx: it.relay.changes.reword(tx, message, words, now=it.clock()))
        assert done is not None
        under_way, cannot = done
        await it.rests()
        assert ([str(address) for address in under_way], len(cannot)) == ([LOBBY], 1)
        assert it.club.done == ["edit c1: <Pat> other"]
        assert it.desk.texts[1:] == ["✏️ Pat edited “hello”:\nother"]
        again = await origin(it)
        assert await it.store.write(lambda tx: it.relay.changes.reword(tx, again, words, now=it.clock())) is None


async def test_a_command_leaves_room_for_the_files_that_stand_with_the_words(tmp_path: Path) -> None:
    async with line(tmp_path, attachments="bytes", caption_limit=60, locations=True, keeps="telegram", **ABLE) as it:
        await it.route(f"{ROOM} <-> {LOBBY}")
        files = [Attachment(kind="image", ref=ref, name=f"{ref}.png") for ref in ("a", "b")]
        said = Message(text="see", attachments=tuple(files), location=Location(latitude=1, longitude=2))
        await it.store.write(lambda tx: it.says(tx, ROOM, "", id="m1", message=said))
        await it.engine.start()
        await it.rests()
        message, words = await origin(it), Message(text="word " * 30)
        await it.store.write(lambda tx: it.relay.changes.reword(tx, message, words, now=it.clock()))
        await it.rests()
        (changed,) = it.club.done
        assert changed.startswith("edit c1: Pat: (1/2) word") and len(changed.removeprefix("edit c1: ")) <= 60
        assert [(out.message.text[:11], out.message.attachments) for out in it.club.sent[2:]] == [("Pat: (2/2) ", ())]


async def test_a_command_puts_a_reaction_where_it_can_and_says_where_it_cannot(three: Line) -> None:
    await started(three)
    message = await origin(three)
    person = Person(id=PersonId("bo"), name="Bo")

    def unit(tx: Tx) -> tuple[list[str], list[str]]:
        here = three.relay.parse_target(tx, ROOM)
        under_way, cannot = three.relay.changes.put_reaction(tx, message, person, "👍", at=here, now=three.clock())
        return [str(address) for address in under_way], cannot

    assert await three.store.write(unit) == ([LOBBY], ["desk:lobby: fake has no way to react to a message"])
    await three.rests()
    assert (three.club.done, three.desk.texts) == (["react c1: 👍"], ["Pat: hello"])
