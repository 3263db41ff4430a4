"""Deliveries as people ask for them: some of them, page by page, and how many there are."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot.store.outbox import _COLUMNS, Delivery, State, _within

BOTS_OWN = "the bot's own"
"""What ``Delivery.why`` says of the bot's answers: they are nobody's message."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which deliveries somebody asks for."""

    states: tuple[State, ...]
    account: str | None = None
    chat: str | None = None
    """A chat of Telegram's: only what was written there, or goes there."""
    answers: bool = True
    """Whether the bot's own answers are among them."""


class DeliveryLists:
    """Looks at the table of deliveries."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def page(self, wanted: Wanted, *, limit: int, offset: int = 0) -> Sequence[Delivery]:
        """Some of them, the newest first."""
        where, values = _where(wanted)
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM outbox WHERE {where} ORDER BY id DESC LIMIT ? OFFSET ?", (*values, limit, offset)
        )
        return [Delivery(*row) for row in rows]

    def totals(self, wanted: Wanted) -> Mapping[str, int]:
        """How many there are, by account."""
        where, values = _where(wanted)
        rows = self._db.execute(
            f"SELECT account, COUNT(*) FROM outbox WHERE {where} GROUP BY account ORDER BY account", values
        )
        return {str(account): int(number) for account, number in rows}

    def by_reason(self, wanted: Wanted) -> Mapping[str, Sequence[int]]:
        """Their ids, in order, by the reason that stands at them; the empty one is that of none."""
        where, values = _where(wanted)
        found: dict[str, list[int]] = {}
        rows = self._db.execute(f"SELECT COALESCE(error, ''), id FROM outbox WHERE {where} ORDER BY id", values)
        for reason, id in rows:
            found.setdefault(str(reason), []).append(int(id))
        return found

    def is_of_chat(self, id: int, chat: str) -> bool:
        """Whether a delivery's message was written in a chat of Telegram's, or it goes there."""
        clause, values = _of_chat(chat)
        found = self._db.execute(f"SELECT 1 FROM outbox WHERE id = ? AND {clause}", (id, *values))
        return found.fetchone() is not None


def _where(wanted: Wanted) -> tuple[str, tuple[object, ...]]:
    clauses = [f"state IN ({', '.join('?' * len(wanted.states))})"]
    values: list[object] = list(wanted.states)
    if wanted.account is not None:
        clauses.append("account = ?")
        values.append(wanted.account)
    if not wanted.answers:
        clauses.append("why != ?")
        values.append(BOTS_OWN)
    if wanted.chat is not None:
        clause, more = _of_chat(wanted.chat)
        clauses.append(clause)
        values += more
    return " AND ".join(clauses), tuple(values)


def _of_chat(chat: str) -> tuple[str, tuple[str, ...]]:
    within = "({0} = ? OR ({0} > ? AND {0} < ?))"
    bounds = _within(chat)
    return (
        f"((account = 'telegram' AND {within.format('conversation')}) OR EXISTS (SELECT 1 FROM messages"
        " WHERE messages.id = COALESCE(outbox.message, outbox.subject) AND messages.account = 'telegram'"
        f" AND {within.format('messages.conversation')}))",
        (*bounds, *bounds),
    )
