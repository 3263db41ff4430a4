"""What is asked of many deliveries at once: one statement for hundreds of them instead of one for each."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from bot.store.outbox import _COLUMNS, Delivery, Op, State

Copied: TypeAlias = "tuple[int, str, str]"
"""A message in a conversation: its number, the account, the conversation."""


class Several:
    """Looks at deliveries and their messages; changes nothing."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

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
