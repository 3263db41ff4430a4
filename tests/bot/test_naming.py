"""What a message looks like at its target: people told apart there, and edits that flow over its parts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.addresses import Address
from bot.files import Folder, OnDisk
from bot.long import TextFiles, as_file
from bot.relay import Policy, Relay
from bot.rules import explain_route
from bot.store import Tx
from bot.store.messages import Copy
from bot.store.outbox import Outcome
from bot.store.sqlite import SqliteStore
from bridges.errors import Refused
from bridges.model import (
    AccountName,
    Attachment,
    Contact,
    Conversation,
    ConversationId,
    Edited,
    Location,
    Message,
    MessageId,
    Person,
    PersonId,
    Reacted,
    Received,
)
from tests.bot.fakes import FakeBridge, fake_account, opened

NOW = 1_000_000.0
DAY = 86_400.0
AT = datetime.fromtimestamp(NOW, UTC)
LOBBY = Conversation(id=ConversationId("lobby"))
HERE, THERE, ELSEWHERE, OTHER = (
    Address(AccountName(account), ConversationId(place))
    for account, place in (("here", "lobby"), ("there", "lobby"), ("there", "yard"), ("other", "lobby"))
)
PICTURES = tuple(Attachment(kind="image", ref=f"r{number}", name=f"{number}.png") for number in range(3))


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    async with opened(tmp_path) as store:
        yield store


def relay(**capabilities: object) -> Relay:
    """Routes lead from here and from the other one to there."""
    bridges = {"here": FakeBridge(), "other": FakeBridge(), "there": FakeBridge(**capabilities)}
    accounts = {name: fake_account(bridge, name) for name, bridge in bridges.items()}
    return Relay(accounts=accounts, policy=Policy(3600, "hold", "resend"))


def link(tx: Tx, source: Address, target: Address = THERE, *, options: str = "{}") -> None:
    tx.routes.add(
        name=f"{source} {target}",
        source=str(source),
        arrow="->",
        target=str(target),
        options=options,
        created_by="test",
        now=NOW,
    )


def says(
    tx: Tx,
    by: Relay,
    person: Person,
    text: str = "hello",
    *,
    at: Address = HERE,
    id: str = "",
    now: float = NOW,
    **fields: object,
) -> None:
    id = id or f"{at}{len(tx.outbox.list(limit=999))}"
    message = Message.model_validate({"text": text, "sender": person, **fields})
    event = Received(key=id, at=AT, conversation=LOBBY, id=MessageId(id), message=message)
    assert by.received(tx, at, event, now=now) == "relayed"


def edits(tx: Tx, by: Relay, person: Person, text: str, *, id: str, **fields: object) -> None:
    message = Message.model_validate({"text": text, "sender": person, **fields})
    event = Edited(key=f"e{id}", at=AT, conversation=LOBBY, id=MessageId(id), message=message)
    assert by.changed(tx, "here", event, now=NOW) == "relayed"


def queued(tx: Tx) -> list[tuple[str, int, Message]]:
    """What is to be done, with the part and the content, in order."""
    rows = sorted(tx.outbox.list(limit=999), key=lambda row: row.id)
    return [(row.op, row.part, Message.model_validate_json(row.payload)) for row in rows]


def texts(tx: Tx) -> list[str]:
    return [message.text for _, _, message in queued(tx)]


def ann(id: str = "1001", name: str = "Ann") -> Person:
    return Person(id=PersonId(id), name=name)


# --- names -----------------------------------------------------------------------------------------------


async def test_the_first_keeps_the_name_and_the_one_who_looks_alike_has_a_bit_of_the_id(store: SqliteStore) -> None:
    def unit(tx: Tx) -> None:
        by = relay()
        link(tx, HERE)
        for person in (ann(), ann("551002", "\u0410nn"), ann(), ann("551002", "\u0410nn"), ann("7", "Ben")):
            says(tx, by, person)
        assert texts(tx) == [
            "Ann: hello",
            "\u0410nn #1002: hello",
            "Ann: hello",
            "\u0410nn #1002: hello",
            "Ben: hello",
        ]

    await store.write(unit)


async def test_who_has_which_name_is_known_after_a_restart(store: SqliteStore) -> None:
    def before(tx: Tx) -> None:
        link(tx, HERE)
        says(tx, relay(), ann())

    def after(tx: Tx) -> None:
        by = relay()
        says(tx, by, ann("1002"))
        says(tx, by, ann())
        assert texts(tx)[1:] == ["Ann #1002: hello", "Ann: hello"]

    await store.write(before)
    await store.write(after)


async def test_the_same_id_on_another_network_is_somebody_else(store: SqliteStore) -> None:
    def unit(tx: Tx) -> None:
        by = relay()
        link(tx, HERE)
        link(tx, OTHER)
        says(tx, by, ann())
        says(tx, by, ann(), at=OTHER)
        assert texts(tx) == ["Ann: hello", "Ann #1001: hello"]

    await store.write(unit)


async def test_the_name_with_the_id_can_be_taken_by_nobody_else(store: SqliteStore) -> None:
    def unit(tx: Tx) -> None:
        by = relay()
        link(tx, HERE)
        for person in (ann(), ann("91002", "Ann #1003"), ann("881003"), ann("91004", "ann 81003")):
            says(tx, by, person)
        assert texts(tx) == ["Ann: hello", "Ann #1003: hello", "Ann #81003: hello", "ann 81003 #1004: hello"]

    await store.write(unit)


async def test_in_another_conversation_the_name_is_free(store: SqliteStore) -> None:
    def unit(tx: Tx) -> None:
        by = relay()
        link(tx, HERE)
        link(tx, OTHER, ELSEWHERE)
        says(tx, by, ann())
        says(tx, by, ann("1002"), at=OTHER)
        assert texts(tx) == ["Ann: hello", "Ann: hello"]

    await store.write(unit)


async def test_where_the_sender_is_not_named_nobody_takes_a_name(store: SqliteStore) -> None:
    def unit(tx: Tx) -> None:
        by = relay()
        link(tx, HERE, options='{"template": "{text}"}')
        link(tx, OTHER)
        says(tx, by, ann())
        says(tx, by, ann("1002"), at=OTHER)
        assert texts(tx) == ["hello", "Ann: hello"]

    await store.write(unit)


async def test_a_change_said_in_words_names_its_author_as_the_message_did(store: SqliteStore) -> None:
    def unit(tx: Tx) -> None:
        by = relay()
        link(tx, HERE)
        says(tx, by, ann())
        says(tx, by, ann("1002"), id="m2")
        edits(tx, by, ann("1002"), "hello @all", id="m2")
        reacted = Reacted(key="r", at=AT, conversation=LOBBY, id=MessageId("m2"), person=ann("1003"), reactions=("👍",))
        assert by.changed(tx, "here", reacted, now=NOW) == "relayed"
        assert texts(tx)[2:] == [
            "✏️ Ann #1002 edited “hello”:\nhello @all",
            "Ann #1003 reacted 👍 to “hello @\u2060all”",
        ]

    await store.write(unit)


async def test_a_group_that_moves_takes_the_names_with_it(store: SqliteStore) -> None:
    def unit(tx: Tx) -> None:
        assert tx.faces.claim("telegram:-1/17", "ann", "a:1", now=NOW)
        tx.faces.move("telegram:-1", "telegram:-1001")
        assert not tx.faces.claim("telegram:-1001/17", "ann", "a:2", now=NOW)
        assert tx.faces.claim("telegram:-1/17", "ann", "a:2", now=NOW)

    await store.write(unit)


async def test_a_name_is_free_again_when_nobody_was_seen_under_it_for_long(store: SqliteStore) -> None:
    def unit(tx: Tx) -> None:
        for person, looks, at in (("a:1", "ann", 0.0), ("a:1", "ann", 90 * DAY), ("a:2", "ben", 0.0)):
            assert tx.faces.claim("here:x", looks, person, now=at)
        assert tx.faces.prune(before=30 * DAY, limit=500) == 1
        assert not tx.faces.claim("here:x", "ann", "a:3", now=90 * DAY)
        assert tx.faces.claim("here:x", "ben", "a:3", now=90 * DAY)

    await store.write(unit)


async def test_only_the_first_part_of_an_answer_answers(store: SqliteStore) -> None:
    def unit(tx: Tx) -> None:
        by = able(replies=True)
        link(tx, HERE)
        says(tx, by, ann(), "why?", id="m")
        assert arrive(tx) == 1
        says(tx, by, ann(), LONG, reply_to="m")
        question = tx.outbox.list()[0].message
        assert [row.reply_to for row in sorted(tx.outbox.list(), key=lambda row: row.id)] == [None, question, None]

    await store.write(unit)


async def test_nobody_is_called_through_what_is_relayed(store: SqliteStore) -> None:
    def unit(tx: Tx) -> None:
        link(tx, HERE)
        for by in (relay(markup="markdown"), relay(markup="markdown", names_shown=True)):
            spans = ({"kind": "mention", "start": 0, "length": 4, "value": "1001"},)
            says(tx, by, ann(), "@bob", spans=spans)
        assert [(message.text, message.spans) for _, _, message in queued(tx)] == [("Ann: @bob", ()), ("@bob", ())]

    await store.write(unit)


# --- edits over parts ------------------------------------------------------------------------------------


def able(**more: object) -> Relay:
    """There, everything can be changed, and little fits into a message."""
    return relay(
        text_limit=60,
        attachments="bytes",
        caption_limit=40,
        attachments_most=2,
        edits=True,
        deletes=True,
        receipt_ids=True,
        **more,
    )


def arrive(tx: Tx) -> int:
    """All that is queued arrives, each under an id of its own; how many rows that were."""
    count = 0
    while leases := tx.outbox.claim("there", owner="w", now=NOW, lease_s=1.0, limit=99):
        for lease in leases:
            (row,) = lease.rows
            assert tx.outbox.begin(lease, now=NOW)
            assert tx.outbox.settle(lease, [Outcome(row.id, "sent")], now=NOW)
            assert row.message is not None
            if row.op == "send":
                tx.messages.add_copy(row.message, Copy("there", "lobby", f"c{row.part}", row.part, row.id))
            count += 1
    return count


def changes(tx: Tx, *, after: int) -> list[tuple[str, int, str, int]]:
    """Of what came later: what is done to which part, with which text and how many files."""
    return [(op, part, message.text, len(message.attachments)) for op, part, message in queued(tx)[after:]]


LONG = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen"
LONGER = LONG + " fifteen sixteen seventeen eighteen nineteen twenty"


async def test_an_edit_that_needs_another_part_changes_the_marks_of_all(store: SqliteStore) -> None:
    def unit(tx: Tx) -> None:
        by = able()
        link(tx, HERE)
        says(tx, by, ann(), LONG, id="m")
        assert arrive(tx) == 2
        edits(tx, by, ann(), LONGER, id="m")
        assert changes(tx, after=2) == [
            ("edit", 1, "Ann: (1/3) one two three four five six seven eight nine ten ", 0),
            ("edit", 2, "Ann: (2/3) eleven twelve thirteen fourteen fifteen sixteen ", 0),
            ("send", 3, "Ann: (3/3) seventeen eighteen nineteen twenty", 0),
        ]

    await store.write(unit)


async def test_an_edit_that_needs_fewer_parts_takes_the_last_ones_back(store: SqliteStore) -> None:
    def unit(tx: Tx) -> None:
        by = able()
        link(tx, HERE)
        says(tx, by, ann(), LONGER, id="m")
        assert arrive(tx) == 3
        edits(tx, by, ann(), "never mind", id="m")
        assert changes(tx, after=3) == [
            ("edit", 1, "Ann: never mind", 0),
            ("delete", 2, "", 0),
            ("delete", 3, "", 0),
        ]

    await store.write(unit)


async def test_a_caption_flows_over_the_parts_and_the_files_stay_where_they_are(store: SqliteStore) -> None:
    def unit(tx: Tx) -> None:
        by = able()
        link(tx, HERE)
        says(tx, by, ann(), LONG, id="m", attachments=PICTURES)
        assert changes(tx, after=0) == [
            ("send", 1, "Ann: (1/3) one two three four five six ", 2),
            ("send", 2, "", 1),
            ("send", 3, "Ann: (2/3) seven eight nine ten eleven twelve thirteen ", 0),
            ("send", 4, "Ann: (3/3) fourteen", 0),
        ]
        assert arrive(tx) == 4
        edits(tx, by, ann(), "three pictures", id="m", attachments=PICTURES)
        assert changes(tx, after=4) == [
            ("edit", 1, "Ann: three pictures", 2),
            ("delete", 3, "", 0),
            ("delete", 4, "", 0),
        ]
        assert arrive(tx) == 3

    await store.write(unit)


async def test_a_caption_that_grows_gets_parts_behind_the_files(store: SqliteStore) -> None:
    def unit(tx: Tx) -> None:
        by = able()
        link(tx, HERE)
        says(tx, by, ann(), "", id="m", attachments=PICTURES)
        assert changes(tx, after=0) == [("send", 1, "Ann:", 2), ("send", 2, "", 1)]
        assert arrive(tx) == 2
        edits(tx, by, ann(), "one two three four five six seven eight nine ten", id="m", attachments=PICTURES)
        assert changes(tx, after=2) == [
            ("edit", 1, "Ann: (1/2) one two three four five six ", 2),
            ("send", 3, "Ann: (2/2) seven eight nine ten", 0),
        ]

    await store.write(unit)


async def test_a_place_and_a_card_follow_a_line_that_says_whose_they_are(store: SqliteStore) -> None:
    def unit(tx: Tx) -> None:
        by = able(locations=True, contacts=True)
        link(tx, HERE)
        place, card = Location(latitude=51.5, longitude=-0.1), Contact(name="Ben", phone="+44 1")
        says(tx, by, ann(), "", location=place)
        says(tx, by, ann(), "", contact=card)
        assert [(each.text, each.location, each.contact) for _, _, each in queued(tx)] == [
            ("Ann: 📍 shares a place", None, None),
            ("", place, None),
            ("Ann: 👤 shares a contact", None, None),
            ("", None, card),
        ]

    await store.write(unit)


# --- long texts as files ---------------------------------------------------------------------------------

ATTACH = '{"long": "attach"}'


def attaching() -> Relay:
    return relay(text_limit=70, attachments="bytes", edits=True, receipt_ids=True)


async def test_where_a_route_wants_it_a_long_text_goes_as_a_file_too(store: SqliteStore) -> None:
    def unit(tx: Tx) -> Attachment:
        by = attaching()
        link(tx, HERE, options=ATTACH)
        says(tx, by, ann(), LONG)
        says(tx, by, ann(), "short")
        assert changes(tx, after=0) == [
            ("send", 1, "Ann: one two three four five six seven eight… (continued in the file)", 0),
            ("send", 2, "", 1),
            ("send", 1, "Ann: short", 0),
        ]
        (file,) = queued(tx)[1][2].attachments
        assert (file.name, file.size) == ("message.txt", len(LONG))
        return file

    file = await store.write(unit)
    fetched = await TextFiles(store).fetch(file)
    with fetched.open() as opened_file:
        assert opened_file.read().decode() == LONG


async def test_the_file_has_the_addresses_of_links_and_no_text_is_kept_twice(store: SqliteStore) -> None:
    def unit(tx: Tx) -> None:
        by = attaching()
        link(tx, HERE, options=ATTACH)
        link(tx, HERE, ELSEWHERE, options=ATTACH)
        says(tx, by, ann(), LONG, spans=({"kind": "link", "start": 76, "length": 4, "value": "https://example.org"},))
        refs = {each.ref for _, _, message in queued(tx) for each in message.attachments}
        (ref,) = refs
        assert tx.texts.get(int(ref)) == LONG + " (https://example.org)"

    await store.write(unit)


async def test_an_edit_of_what_went_as_a_file_comes_with_a_new_one(store: SqliteStore) -> None:
    def unit(tx: Tx) -> None:
        by = attaching()
        link(tx, HERE, options=ATTACH)
        says(tx, by, ann(), LONG, id="m")
        assert arrive(tx) == 2
        edits(tx, by, ann(), "never mind", id="m")
        (words, file) = changes(tx, after=2)
        assert words == ("note", 0, "✏️ Ann edited “one two three four five six… (continued in the file)", 0)
        assert file == ("note", 0, "", 1)

    await store.write(unit)


async def test_where_files_do_not_go_a_long_text_comes_in_parts_all_the_same(store: SqliteStore) -> None:
    def unit(tx: Tx) -> None:
        by = relay(text_limit=60)
        link(tx, HERE, options=ATTACH)
        says(tx, by, ann(), LONG)
        assert [(op, files) for op, _, _, files in changes(tx, after=0)] == [("send", 0), ("send", 0)]

    await store.write(unit)


async def test_a_test_of_the_route_tells_of_the_file(store: SqliteStore) -> None:
    def unit(tx: Tx) -> None:
        by = attaching()
        link(tx, HERE, options=ATTACH)
        told = explain_route(by.router(tx), by.accounts, HERE, LONG, at=AT)
        assert told.endswith("in 2 parts: Ann: one two three four five six seven eight… (continued in the file)")

    await store.write(unit)


async def test_a_text_that_is_no_longer_kept_is_no_file_any_more(store: SqliteStore) -> None:
    def unit(tx: Tx) -> Attachment:
        file = as_file(tx, "long", now=NOW)
        assert tx.texts.prune(before=NOW + 1, limit=500) == 1
        return file

    file = await store.write(unit)
    with pytest.raises(Refused, match="no longer kept"):
        await TextFiles(store).fetch(file)


async def test_the_file_lies_on_disk_as_other_files_do(store: SqliteStore, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "files")
    folder.prepare()
    file = await store.write(lambda tx: as_file(tx, "lang 𝔘", now=NOW))
    fetched = await TextFiles(store, folder=folder).fetch(file)
    assert isinstance(fetched, OnDisk)
    assert (fetched.path.parent, fetched.path.read_text()) == (folder.path, "lang 𝔘")
