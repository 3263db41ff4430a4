"""A store in memory whose changes are taken back after each try: thousands of tries begin with the same tables."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from sqlite_utils import Database

from bot.store import Tx
from bot.store.migrations import migrations
from bot.store.sqlite import connect
from tests.bot.line import Line
from tests.bot.telegram.desk import Desk

T = TypeVar("T")
RULES = {"routes", "roles"}
BESIDE = ("audit", "inbox", "counters", "sqlite_sequence", "people", "menus", "conversations", "seen", "lanes")
"""What anybody's message leaves behind, whatever it says."""


class Scratch:
    """A store as far as commands and buttons need one; no thread, no file."""

    def __init__(self) -> None:
        db = connect(Path(":memory:"))
        migrations.apply(Database(db))
        db.execute("BEGIN")
        self.tx = Tx(db)
        self.tables = [
            str(name)
            for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            if name not in BESIDE and not name.startswith(("messages_words", "_sqlite"))
        ]

    async def write(self, unit: Callable[[Tx], T]) -> T:
        """Run a unit; one that raises leaves no trace."""
        tx = self.tx
        tx.woken.clear()
        tx.db.execute("SAVEPOINT unit")
        try:
            result = unit(tx)
            tx.counters.flush()
        except BaseException:
            tx.db.execute("ROLLBACK TO unit")
            tx.counters.rewind()
            tx.epoch += 1
            raise
        finally:
            tx.db.execute("RELEASE unit")
        if tx.woken & RULES:
            tx.epoch += 1
        return result

    async def read(self, query: Callable[[Tx], T]) -> T:
        """Run a query."""
        return query(self.tx)

    def on_wake(self, listener: Callable[[frozenset[str]], None]) -> None:
        """Nobody is woken."""

    async def close(self) -> None:
        """Nothing to close."""

    @contextmanager
    def undone(self) -> Iterator[None]:
        """Take back at the end whatever is done meanwhile."""
        self.tx.db.execute("SAVEPOINT try")
        try:
            yield
        finally:
            self.tx.db.execute("ROLLBACK TO try")
            self.tx.db.execute("RELEASE try")
            self.tx.counters.rewind()
            self.tx.epoch += 1

    def dump(self, *, messages: int) -> Mapping[str, str]:
        """Digests of all tables in which something that somebody did would show, by table.

        Of messages those up to ``messages``, for a command's own is kept with its answer; of the outbox what is not
        the bot's own.
        """
        found = {}
        for table in self.tables:
            where = {"messages": f"WHERE id <= {messages}", "outbox": "WHERE why != 'the bot''s own'"}.get(table, "")
            rows = self.tx.db.execute(f"SELECT * FROM {table} {where}").fetchall()
            if rows:
                found[table] = hashlib.sha256(repr(rows).encode()).hexdigest()
        return found

    def last(self, table: str) -> int:
        """The highest id of a table."""
        return int(self.tx.db.execute(f"SELECT COALESCE(MAX(id), 0) FROM {table}").fetchone()[0])


def a_scratch_desk() -> tuple[Desk, Scratch]:
    """A desk with an empty scratch store."""
    scratch = Scratch()
    return Desk(Line(scratch)), scratch  # type: ignore[arg-type]
