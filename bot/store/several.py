"""What is asked of many deliveries at once, and making many that are alike: one statement for hundreds of them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from bot.store.meta import Counters
from bot.store.outbox import _COLUMNS, Delivery, Op, State

Copied: TypeAlias = "tuple[int, str, str]"
"""A message in a conversation: its number, the account, the conversation."""


_OWN = ("id", "account", "conversation")
"""What a delivery that was just made does not have in common with the same to another conversation."""


class Several:
    """The table of deliveries, many rows at a time."""

    def __init__(self, db: sqlite3.Connection, counters: Counters, woken: set[str]) -> None:
        self._db = db
        self._counters = counters
        self._woken = woken

    def ids(self, *, states: Sequence[State], account: str | None = None) -> Sequence[int]:
        """All that are in these states, oldest first."""
        rows = self._db.execute(
            f"SELECT id FROM outbox WHERE state IN ({', '.join('?' * len(states))}) AND (? IS NULL OR account = ?)"
            " ORDER BY id",
            (*states, account, account),
        )
        return [int(id) for (id,) in rows]

    def rows(self, ids: Iterable[int]) -> Sequence[Delivery]:
        """Those of them that there are, oldest first."""
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM outbox WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id", (_json(ids),)
        )
        return [Delivery(*row) for row in rows]

    def gone(self, messages: Iterable[int]) -> frozenset[int]:
        """Which of these messages were taken back."""
        rows = self._db.execute(
            "SELECT id FROM messages WHERE id IN (SELECT value FROM json_each(?)) AND gone_at IS NOT NULL",
            (_json(messages),),
        )
        return frozenset(int(id) for (id,) in rows)

    def waited_on(self, message: int) -> frozenset[tuple[str, str]]:
        """The conversations where something is still to be done to a message, or would be if somebody sent it again."""
        rows = self._db.execute(
            "SELECT DISTINCT account, conversation FROM outbox INDEXED BY outbox_subject"
            " WHERE subject = ? AND state IN ('queued', 'dead', 'held')",
            (message,),
        )
        return frozenset((str(account), str(conversation)) for account, conversation in rows)

    def last(self) -> int:
        """The latest of all: what is made from here on has a higher number."""
        return int(self._db.execute("SELECT COALESCE(MAX(id), 0) FROM outbox").fetchone()[0])

    def since(self, id: int) -> Sequence[Delivery]:
        """Those that were made after one."""
        rows = self._db.execute(f"SELECT {_COLUMNS} FROM outbox WHERE id > ? ORDER BY id", (id,))
        return [Delivery(*row) for row in rows]

    def repeat(self, pairs: Sequence[tuple[int, str]]) -> None:
        """Make deliveries like some that were just made, for other conversations of their accounts: pairs of the one
        that is alike and the conversation, in the order that they are to have.
        """
        if not pairs:
            return
        before = self.last()
        names = [str(row[1]) for row in self._db.execute("PRAGMA table_info(outbox)")]
        alike = ", ".join(name for name in names if name not in _OWN)
        self._db.executemany(
            f"INSERT INTO outbox (account, conversation, {alike})"
            f" SELECT account, ?2, {alike} FROM outbox WHERE id = ?1 AND state = 'queued'",
            pairs,
        )
        self._db.execute(
            "INSERT INTO lanes (account, conversation, head, priority, due_at)"
            " SELECT account, conversation, MIN(id), priority, created_at FROM outbox WHERE id > ? AND parked = 0"
            " GROUP BY account, conversation ON CONFLICT (account, conversation) DO NOTHING",
            (before,),
        )
        for account, number, parked in self._db.execute(
            "SELECT account, COUNT(*), MIN(parked) FROM outbox WHERE id > ? GROUP BY account", (before,)
        ).fetchall():
            self._counters.add(account, "created", number)
            if not parked:
                self._woken.add(account)

    def changed(self, messages: Iterable[int]) -> frozenset[Copied]:
        """Where something was to be done to, said of or added to these messages."""
        rows = self._db.execute(
            "SELECT DISTINCT subject, account, conversation FROM outbox"
            # By name: the index alone answers this.
            " INDEXED BY outbox_subject WHERE subject IN (SELECT value FROM json_each(?))",
            (_json(messages),),
        )
        return frozenset((int(message), str(account), str(conversation)) for message, account, conversation in rows)

    def standings(self, messages: Iterable[int]) -> Mapping[int, set[tuple[State, Op]]]:
        """The states that the deliveries of each of these messages have, and what they do."""
        found: dict[int, set[tuple[State, Op]]] = {}
        rows = self._db.execute(
            "SELECT message, state, op FROM outbox WHERE message IN (SELECT value FROM json_each(?))",
            (_json(messages),),
        )
        for message, state, op in rows:
            found.setdefault(int(message), set()).add((state, op))
        return found


def _json(ids: Iterable[int]) -> str:
    return json.dumps(list(ids))
