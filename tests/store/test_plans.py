"""What is done all the time reads what it needs and no more, however much waits: 100,000 in 50,000 conversations."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bot.store import Tx
from bot.store.inbox import Arrived
from bot.store.migrations import migrations
from bot.store.outbox import Lease, NewDelivery, Outcome
from bot.store.sqlite import SqliteStore

CONVERSATIONS = 50_000
DAY = 86_400.0


@pytest.fixture(scope="module")
def tx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tx]:
    """Tables with much in them, on a connection of the test's own inside a transaction that is given up at the end."""
    path = tmp_path_factory.mktemp("plans") / "big.sqlite3"

    async def make() -> None:
        await (await SqliteStore.open(path)).close()

    asyncio.run(make())
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA temp_store = MEMORY")
    db.execute("BEGIN IMMEDIATE")
    fill(db)
    yield Tx(db)
    db.execute("ROLLBACK")
    db.close()


def fill(db: sqlite3.Connection) -> None:
    """Written straight into the tables: as :class:`Outbox` would, in a tenth of the time."""
    numbers = "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
    template = Tx(db).outbox.add(NewDelivery("big", "c0", "{}", 0.0, 1e9, "hold"))

    def deliveries(count: int, **differ: str) -> None:
        """Copies of one delivery, which differ in these columns."""
        columns = [row[1] for row in db.execute("PRAGMA table_info(outbox)")]
        values = ", ".join(differ.get(column, f"outbox.{column}") for column in columns)
        db.execute(
            f"{numbers} INSERT INTO outbox SELECT {values} FROM n JOIN outbox ON outbox.id = ?", (count - 1, template)
        )

    each = f"i % {CONVERSATIONS}"
    deliveries(2 * CONVERSATIONS, id="i + 10", conversation=f"'c' || ({each})", priority=f"{each} % 3", due_at="i")
    db.execute("DELETE FROM lanes")
    db.execute(
        "INSERT INTO lanes (account, conversation, head, priority, due_at) SELECT account, conversation, id, priority,"
        " due_at FROM outbox WHERE id BETWEEN 10 AND ?",
        (CONVERSATIONS + 9,),
    )
    deliveries(20_000, id="i + 500000", account="'old'", conversation="'c' || i", state="'sent'", settled_at="i")
    db.execute(
        f"{numbers} INSERT INTO inbox (account, body, received_at, state) SELECT 'big', x'7b7d', i, CASE"
        " WHEN i % 10 THEN 'done' ELSE 'failed' END FROM n",
        (20_000,),
    )
    number = Tx(db).broadcasts.add(
        person="1", person_name="Ann", chat="telegram:1", message=None, text="t", progress="", now=0.0
    )
    # Small ones of schedules, which show nothing, and of which nothing is left.
    db.execute(
        f"{numbers} INSERT INTO broadcasts (person, person_name, chat, text, state, created_at, quiet)"
        " SELECT '1', 'Ann', 'telegram:1', 't', 'running', 0.0, 1 FROM n",
        (1_000,),
    )
    # They were never in a lane.
    deliveries(10_000, id="i + 900000", conversation="'a' || i", broadcast=str(number), parked="1", account="'many'")
    deliveries(10_000, id="i + 950000", broadcast=str(number), parked="2", account="'late'", due_at="1e9 + i")
    db.execute(f"{numbers} INSERT INTO seen (account, key, at) SELECT 'big', 'e' || i, i FROM n", (20_000,))
    db.execute(
        f"{numbers} INSERT INTO messages (id, account, conversation, remote_id, text, at)"
        " SELECT i + 1, 'big', 'c' || (i % 100), 'm' || i, 't', i FROM n",
        (20_000,),
    )
    db.execute(
        "INSERT INTO copies (message, account, conversation, remote_id, part, outbox)"
        " SELECT id, account, conversation, 'copy' || id, 1, id FROM messages"
    )
    db.execute(f"{numbers} INSERT INTO faces SELECT 'big:c' || (i % 100), 'n' || i, 'p' || i, 1e6 FROM n", (20_000,))
    db.execute(f"{numbers} INSERT INTO texts (text, at) SELECT 't' || i, i FROM n", (20_000,))
    db.execute("INSERT INTO marks (message, want, shown, due_at) SELECT id, 'sent', 'sent', id FROM messages")
    db.execute("UPDATE marks SET shown = '' WHERE message % 1000 = 0")


def lease_of(tx: Tx) -> Lease:
    (lease,) = tx.outbox.claim("big", owner="w", now=1e6, lease_s=60.0, limit=1, batch=2)
    return lease


def settle(tx: Tx) -> None:
    lease = lease_of(tx)
    assert tx.outbox.begin(lease, now=1e6)
    assert tx.outbox.settle(lease, [Outcome(row.id, "queued", due_at=1e6) for row in lease.rows], now=1e6)


def look_up(tx: Tx) -> None:
    found = tx.messages.find("big", "m17")
    assert found is not None
    tx.messages.find("big", "unknown")
    assert tx.messages.find("big", "copy17") is not None
    assert tx.messages.remote_id_in(found.id, "big", found.conversation) == f"copy{found.id}"
    assert len(tx.messages.copies(found.id)) == 1
    tx.outbox.of_message(found.id)


def arrive(tx: Tx) -> None:
    id = tx.inbox.put(Arrived("big", b"{}", 1.0, key="new"))
    assert id is not None and tx.inbox.is_pending(id)
    tx.inbox.seen("big", "new", now=1.0)
    tx.inbox.done(Arrived("big", b"{}", 1.0, id=id), ["relayed"])
    tx.db.execute("DELETE FROM seen WHERE account = 'big' AND key = 'new'")
    tx.db.execute("DELETE FROM inbox WHERE id = ?", (id,))


def enqueue(tx: Tx) -> None:
    id = tx.outbox.add(NewDelivery("big", "c5", "{}", 1.0, 1e9, "hold"))
    assert tx.outbox.settle_by_hand(id, state="discarded", now=1.0)
    assert tx.outbox.requeue(id, now=1.0, expires_at=1e9)
    assert tx.outbox.settle_by_hand(id, state="cancelled", now=1.0)


# Each with the most virtual machine instructions it may take: reading all lanes would take half a million at least.
OFTEN: dict[str, tuple[int, Callable[[Tx], object]]] = {
    "claim of 100": (100_000, lambda tx: tx.outbox.claim("big", owner="w", now=2e5, lease_s=1.0, limit=100)),
    "claim of batches": (
        200_000,
        lambda tx: tx.outbox.claim("big", owner="w", now=2e5, lease_s=1.0, limit=100, batch=10),
    ),
    "claim where none is due": (1_000, lambda tx: tx.outbox.claim("big", owner="w", now=-1.0, lease_s=1.0, limit=100)),
    "claim where none waits": (1_000, lambda tx: tx.outbox.claim("none", owner="w", now=2e5, lease_s=1.0, limit=100)),
    "begin and settle": (20_000, settle),
    "release": (10_000, lambda tx: tx.outbox.release(lease_of(tx), due_at=1e6)),
    "next_due": (1_000, lambda tx: tx.outbox.next_due("big")),
    "announcements that are shown": (1_000, lambda tx: tx.broadcasts.shown()),
    "announcements of which nothing is shown": (100_000, lambda tx: tx.broadcasts.hushed()),
    "announcements that run": (1_000, lambda tx: tx.broadcasts.any_running()),
    "what is let go of announcements": (1_000, lambda tx: tx.broadcasts.released("big")),
    "what is to be let go": (20_000, lambda tx: tx.broadcasts.in_turn("many", limit=256)),
    "what is to be let go next": (1_000, lambda tx: tx.broadcasts.in_turn("many", limit=1)),
    "what waits for its time": (1_000, lambda tx: tx.broadcasts.next_later()),
    "what has come due where none has": (1_000, lambda tx: tx.broadcasts.come_due(now=1e8, limit=500)),
    "accounts that something waits for": (5_000, lambda tx: tx.broadcasts.strangers(["many"])),
    "what an account was sent last": (10_000, lambda tx: tx.broadcasts.last_sent("many", now=1e9)),
    "pending": (2_000, lambda tx: tx.inbox.pending()),
    "pending after": (2_000, lambda tx: tx.inbox.pending(after=5)),
    "count_pending": (2_000, lambda tx: tx.inbox.count_pending()),
    "marks due": (5_000, lambda tx: tx.marks.due(now=1e9, limit=100)),
    "marks next_due": (1_000, lambda tx: tx.marks.next_due()),
    "look up": (5_000, look_up),
    "arrive": (10_000, arrive),
    "enqueue": (10_000, enqueue),
    "who has a name": (1_000, lambda tx: tx.faces.claim("big:c17", "n17", "p17", now=1e6)),
    "prune names of nobody": (1_000, lambda tx: tx.faces.prune(before=-1.0, limit=100)),
    "a text again": (1_000, lambda tx: tx.texts.keep("t17", now=17.0)),
    "prune long texts of nothing": (1_000, lambda tx: tx.texts.prune(before=-1.0, limit=100)),
    "prune outbox": (50_000, lambda tx: tx.outbox.prune(before=1e6, limit=100)),
    "prune outbox of nothing": (1_000, lambda tx: tx.outbox.prune(before=-1.0, limit=100)),
    "prune inbox": (50_000, lambda tx: tx.inbox.prune(before=1e6, now=1e6 + 30 * DAY, limit=100)),
    "prune inbox of nothing": (1_000, lambda tx: tx.inbox.prune(before=-1.0, now=0.0, limit=100)),
    "prune seen": (50_000, lambda tx: tx.inbox.prune(before=0.0, now=1e6 + 30 * DAY, limit=100)),
    "prune texts": (50_000, lambda tx: tx.messages.prune(before=1e6, limit=100)),
    "prune texts of nothing": (1_000, lambda tx: tx.messages.prune(before=-1.0, limit=100)),
}
TABLES = re.compile(r"SCAN (outbox|lanes|inbox|seen|messages|copies|marks)\b(?! USING (COVERING )?INDEX)")


@pytest.mark.parametrize("name", OFTEN)
def work(db: sqlite3.Connection, do: Callable[[], object]) -> int:
    """How many instructions of the virtual machine it takes, to the hundred."""
    done = 0

    def count() -> int:
        nonlocal done
        done += 100
        return 0

    db.set_progress_handler(count, 100)
    try:
        do()
    finally:
        db.set_progress_handler(None, 0)
    return done


def plan(db: sqlite3.Connection, statement: str) -> list[str]:
    return [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {statement}")]


@pytest.mark.parametrize("name", OFTEN)
def test_what_is_done_all_the_time_takes_the_work_of_its_result_not_of_all_that_waits(tx: Tx, name: str) -> None:
    most, do = OFTEN[name]
    assert work(tx.db, lambda: do(tx)) <= most


@pytest.mark.parametrize("name", OFTEN)
def test_what_is_done_all_the_time_reads_no_whole_table_and_sorts_nothing(tx: Tx, name: str) -> None:
    ran: list[str] = []
    tx.db.set_trace_callback(ran.append)
    try:
        OFTEN[name][1](tx)
    finally:
        tx.db.set_trace_callback(None)
    statements = {statement for statement in ran if not statement.startswith("--")}
    assert statements
    for statement in statements:
        for step in plan(tx.db, statement):
            assert not TABLES.match(step), statement
            assert "TEMP B-TREE FOR ORDER BY" not in step, statement


def test_what_reads_everything_or_sorts_would_be_noticed(tx: Tx) -> None:
    every = "SELECT account, MIN(due_at) FROM lanes WHERE account = 'big'"
    assert work(tx.db, lambda: tx.db.execute(every).fetchone()) > CONVERSATIONS
    assert TABLES.match(plan(tx.db, "SELECT body FROM inbox")[0])
    assert "TEMP B-TREE FOR ORDER BY" in plan(tx.db, "SELECT account FROM lanes ORDER BY head")[1]


def test_every_step_of_the_schema_is_known_by_name(tmp_path: Path) -> None:
    from sqlite_utils import Database

    from bot.store.migrations import NAMES

    database = Database(tmp_path / "new.sqlite3")
    assert {step.name for step in migrations.pending(database)} == NAMES
    database.close()
