"""Wizards that people are in: where each stands, one for a person in a chat."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Dialog:
    """Where one person in one chat is."""

    chat: str
    """The chat without a topic: a wizard that was begun in a topic can be left from the whole chat."""
    person: str
    kind: str
    step: str
    state: dict[str, Any] = field(repr=False)
    """What was answered so far. Holds what people wrote."""
    asked: str
    """The card of the page that counts."""
    created_at: float
    updated_at: float


class Dialogs:
    """The table of dialogs."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def get(self, chat: str, person: str) -> Dialog | None:
        """Where the person is in this chat; None: in no wizard."""
        return next(iter(self._read("chat = ? AND person = ?", chat, person)), None)

    def of(self, person: str) -> list[Dialog]:
        """Every wizard the person is in, the latest first."""
        return self._read("person = ?", person)

    def _read(self, where: str, *values: str) -> list[Dialog]:
        rows = self._db.execute(
            "SELECT chat, person, kind, step, state, asked, created_at, updated_at FROM dialogs"
            f" WHERE {where} ORDER BY updated_at DESC, chat",
            values,
        )
        return [Dialog(c, p, kind, step, json.loads(state), *rest) for c, p, kind, step, state, *rest in rows]

    def put(
        self, chat: str, person: str, *, kind: str, step: str, state: dict[str, Any], asked: str, now: float
    ) -> None:
        """The person is there now; whatever wizard they were in here before is over."""
        self._db.execute(
            "INSERT INTO dialogs (chat, person, kind, step, state, asked, created_at, updated_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (chat, person) DO UPDATE SET kind = excluded.kind,"
            " step = excluded.step, state = excluded.state, asked = excluded.asked, updated_at = excluded.updated_at",
            (chat, person, kind, step, json.dumps(state, ensure_ascii=False), asked, now, now),
        )

    def end(self, chat: str, person: str) -> bool:
        """The person is in no wizard there any more; False if they were in none."""
        return self._db.execute("DELETE FROM dialogs WHERE chat = ? AND person = ?", (chat, person)).rowcount > 0

    def move(self, old: str, new: str) -> None:
        """A chat has another id from now on: who is in a wizard there, and what was chosen of that chat, follows."""
        state = "state"
        for end in ('"', "/", ")"):
            state = f"replace({state}, 'telegram:' || :old || '{end}', 'telegram:' || :new || '{end}')"
        self._db.execute(
            f"UPDATE OR REPLACE dialogs SET state = {state}, chat = CASE chat WHEN :old THEN :new ELSE chat END"
            " WHERE chat = :old OR instr(state, 'telegram:' || :old)",
            {"old": old, "new": new},
        )

    def prune(self, *, before: float, limit: int) -> int:
        """Forget those that nobody went on with since then; returns how many."""
        return self._db.execute(
            "DELETE FROM dialogs WHERE (chat, person) IN"
            " (SELECT chat, person FROM dialogs WHERE updated_at < ? LIMIT ?)",
            (before, limit),
        ).rowcount
