"""A place that gets another address takes everything along that the store keeps of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bot.addresses import parse_address
from bot.store import Tx
from bot.store.schedules import NewSchedule
from tests.bot.fakes import opened
from tests.bot.line import Line
from tests.bot.telegram.desk import ANN, OPS, a_desk
from tests.store.test_contract import to

OLD, NEW = -5, -1005
FOLLOWS = {
    "conversations.conversation", "messages.conversation", "copies.conversation", "nameless.conversation",
    "outbox.conversation", "lanes.conversation", "routes.source", "routes.target", "routes.paused", "roles.scope",
    "names.address", "notices.key", "cards.chat", "topics.chat", "topics.source", "topics.instead_of", "topics.topic",
    "mutes.address", "faces.address", "broadcasts.chat", "broadcasts.progress", "audience_members.address",
    "menus.chat", "dialogs.chat", "dialogs.state", "chat_settings.chat", "route_changes.before", "route_changes.after",
    "schedules.chat", "schedules.reach", "schedule_targets.target",
}  # fmt: skip
STAYS = {
    "a message stays where it was written, and its number there": (
        "messages.remote_id", "copies.remote_id", "pictures.remote_id", "marks.line", "imports.remote_ids",
    ),
    "what somebody did is written down as it was": (
        "audit.place", "audit.command", "audit.outcome", "routes.created_by", "audiences.created_by",
    ),
    "what people wrote and what was shown of it": (
        "messages.text", "messages.why", "messages.digest", "messages.sender_id", "messages.sender_name",
        "outbox.payload", "outbox.words", "outbox.error", "outbox.why", "cards.shown", "conversations.title",
        "topics.title", "texts.text", "broadcasts.text", "broadcasts.shown", "broadcasts.person_name",
        "conversations.handle", "dialogs.asked", "menus.shown", "marks.want", "marks.shown", "pictures.attachments",
        "files.attachment", "people.username", "people.name", "schedules.name", "schedules.called", "schedules.message",
        "schedules.person_name", "occurrences.note", "broadcasts.label",
    ),
    "what is about to be done was shown with its old address, and is looked at anew when the button is pressed": (
        "cards.payload",
    ),
    "of a moment ago": ("relayed_words.digest", "relayed_words.goes_to", "relayed_words.source"),
    "as it came from outside": ("inbox.key", "inbox.path", "inbox.headers", "inbox.error", "seen.key", "twins.twin"),
    "only conversations of providers are imported to": (
        "imports.conversation", "imports.id", "imports.payload", "imports.digest", "imports.error",
    ),
    "accounts, people, states and names of our own": (
        "meta.key", "meta.value", "accounts.account", "accounts.reason", "accounts.memory", "accounts.paused_by",
        "counters.account", "counters.name", "inbox.account", "inbox.state", "seen.account", "conversations.account",
        "conversations.kind", "messages.account", "messages.by_hand", "copies.account", "nameless.account",
        "outbox.account", "outbox.on_ambiguous", "outbox.state", "outbox.op", "outbox.late", "lanes.account",
        "lanes.owner", "routes.name", "routes.arrow", "routes.options", "roles.person", "roles.role", "names.name",
        "cards.nonce", "cards.kind", "cards.person", "cards.offered", "audit.person", "twins.account",
        "imports.account", "imports.state", "reactions.person", "reactions.emoji", "mutes.person", "faces.looks",
        "faces.person", "broadcasts.person", "broadcasts.state", "audiences.name", "audience_members.name",
        "people.person", "menus.person", "dialogs.person", "dialogs.kind", "dialogs.step", "chat_settings.key",
        "chat_settings.value", "route_changes.person", "schedules.rule", "schedules.state", "schedules.options",
        "schedules.person", "schedules.asked_by", "schedules.approved_by", "occurrences.state",
    ),
}  # fmt: skip
"""Columns that stay as they are, by the reason."""


def columns(tx: Tx) -> set[str]:
    """Every column that could hold an address or the id of a chat."""
    tables = [name for (name,) in tx.db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    ours = [name for name in tables if not name.startswith(("sqlite_", "_sqlite", "messages_words"))]
    return {
        f"{table}.{name}"
        for table in ours
        for _, name, kind, *_ in tx.db.execute(f"PRAGMA table_info({table})").fetchall()
        if kind == "TEXT"
    }


async def test_every_column_follows_or_it_is_known_why_not(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        there = await store.read(columns)
    known = [*FOLLOWS, *(column for reason in STAYS.values() for column in reason)]
    assert sorted(there - set(known)) == [], "say whether it follows, and if not, why"
    assert sorted(set(known) - there) == []
    assert len(known) == len(set(known))


def fill(tx: Tx, *, chat: str) -> None:
    """Something about a chat in every table that keeps of it."""
    address, within = f"telegram:{chat}", f"telegram:{chat}/17"
    route = tx.routes.add(
        name="r", source=within, arrow="->", target=f"new-topic({address})", options="{}", created_by="t", now=1.0
    )
    tx.routes.pause(address, f"{address}: kicked")
    paused = tx.routes.get(route.id)
    tx.route_changes.add(person="7", before=paused, after=None, now=1.0)
    tx.route_changes.add(person="7", before=None, after=paused, now=2.0)
    tx.roles.grant("7", "admin", scope=chat)
    tx.names.set("n", within)
    tx.notices.first(f"barred:{address}", now=1.0)
    tx.cards.add("nonce", kind="k", subject=1, chat=f"{chat}/17", now=1.0)
    tx.mutes.add(within, person="7", now=1.0)
    tx.faces.claim(within, "pat", "7", now=1.0)
    topic = tx.topics.add(chat=address, source=within, title="t", now=1.0, instead_of=within)
    tx.topics.is_at(topic, within)
    tx.conversations.touch("telegram", chat, kind="group", title="t", now=1.0)
    message = tx.messages.add(
        account="telegram", conversation=chat, remote_id="1", sender_id="7", sender_name="P", text="t", at=1.0
    )
    tx.messages.nameless(1, account="telegram", conversation=chat, now=1.0)
    tx.db.execute("INSERT INTO copies VALUES (?, 'telegram', ?, '9', 1, 1)", (message, chat))
    tx.outbox.add(replace(to(chat), account="telegram"))
    tx.broadcasts.add(
        person="7", person_name="P", chat=within, message=message, text="t", progress=f"{chat}/9", now=1.0
    )
    tx.audiences.add("all", [within], person="7", now=1.0)
    tx.menus.showing(chat, "7", "digest", now=1.0)
    state = {"here": within, "chosen": [address, f"new-topic({address})"]}
    tx.dialogs.put(chat, "7", kind="k", step="s", state=state, asked="", now=1.0)
    tx.chats.set(chat, "k", "v")
    schedule = NewSchedule(
        rule="every 15m UTC", made_at=1.0, next_at=2.0, ends_at=None, warn_at=None, options="{}", message="{}",
        targets=(within, "@all"), chat=within, reach=address, person="7", person_name="P",
    )  # fmt: skip
    tx.schedules.add(schedule, now=1.0)


def holding(tx: Tx, chat: str) -> set[str]:
    """The columns in which a chat's id stands."""
    found = set()
    for column in columns(tx):
        table, _, name = column.partition(".")
        if tx.db.execute(f"SELECT 1 FROM {table} WHERE instr({name}, ?)", (chat,)).fetchone():
            found.add(column)
    return found


async def test_whatever_follows_stands_at_the_new_address_and_nowhere_at_the_old_one(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        at = Line(store)

        def moved(tx: Tx) -> tuple[set[str], set[str], set[str]]:
            fill(tx, chat="-7777")
            before = holding(tx, "-7777")
            old, new = parse_address("telegram:-7777"), parse_address("telegram:-8888")
            at.relay.places.moved(tx, old, new, now=3.0)
            return before, holding(tx, "-7777"), holding(tx, "-8888")

        before, left, after = await store.write(moved)
    assert before == FOLLOWS, "fill() has something for each"
    assert left == set()
    # Nothing is shown there yet.
    assert after == FOLLOWS - {"broadcasts.progress"}


async def test_what_stood_in_a_topic_follows_to_the_one_that_is_opened_anew(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        at = Line(store)

        def moved(tx: Tx) -> set[str]:
            fill(tx, chat="-7777")
            old, new = parse_address("telegram:-7777/17"), parse_address("telegram:-7777/99")
            at.relay.places.moved(tx, old, new, now=3.0)
            return holding(tx, "-7777/17")

        assert await store.write(moved) == set()


@pytest.mark.parametrize(("kept", "command"), [("/route undo", "/route remove r1")])
async def test_a_change_that_is_taken_back_after_an_upgrade_brings_the_new_address(
    tmp_path: Path, kept: str, command: str
) -> None:
    async with a_desk(tmp_path) as desk:
        await desk.ask(f"/route add telegram:{OLD} -> club:a", by=ANN, chat=OPS)
        desk.line.clock.at += 60
        await desk.ask(command, by=ANN)
        old, new = parse_address(f"telegram:{OLD}"), parse_address(f"telegram:{NEW}")
        await desk.line.store.write(lambda tx: desk.line.relay.places.upgraded(tx, old, new, now=1.0))
        await desk.ask(kept, by=ANN)
        (route,) = await desk.line.store.read(lambda tx: tx.routes.all())
    assert route.source == f"telegram:{NEW}"
