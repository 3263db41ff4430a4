"""What people changed in the rules, so that the last change can be taken back."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import asdict, dataclass

from bot.store.routes import RouteRow


@dataclass(frozen=True, slots=True)
class RouteChange:
    """One rule before and after somebody changed it; None: it was not there."""

    id: int
    at: float
    person: str
    before: RouteRow | None
    after: RouteRow | None


class RouteChanges:
    """The table of changes. Several with the same moment and person are one deed."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def add(self, *, person: str, before: RouteRow | None, after: RouteRow | None, now: float) -> None:
        """Keep a change."""
        self._db.execute(
            "INSERT INTO route_changes (at, person, before, after) VALUES (?, ?, ?, ?)",
            (now, person, _to_json(before), _to_json(after)),
        )

    def last(self) -> list[RouteChange]:
        """The last deed that was not taken back: its changes, the newest first; empty if there is none."""
        rows = self._db.execute(
            "SELECT id, at, person, before, after FROM route_changes WHERE undone_at IS NULL ORDER BY id DESC LIMIT 500"
        ).fetchall()
        changes = [
            RouteChange(id, at, who, _from_json(before), _from_json(after)) for id, at, who, before, after in rows
        ]
        return [each for each in changes if (each.at, each.person) == (changes[0].at, changes[0].person)]

    def undone(self, change: RouteChange, *, now: float) -> None:
        """It was taken back."""
        self._db.execute("UPDATE route_changes SET undone_at = ? WHERE id = ?", (now, change.id))

    def move(self, old: str, new: str) -> None:
        """An address is another one from now on, also where a change is taken back; both as people write them."""
        for column in ("before", "after"):
            changed = column
            for end in ('"', "/", ")", ":"):
                changed = f"replace({changed}, :old || '{end}', :new || '{end}')"
            self._db.execute(
                f"UPDATE route_changes SET {column} = {changed} WHERE instr({column}, :old)", {"old": old, "new": new}
            )

    def prune(self, *, before: float, limit: int) -> int:
        """Forget changes of before then; returns how many."""
        return self._db.execute(
            "DELETE FROM route_changes WHERE id IN (SELECT id FROM route_changes WHERE at < ? LIMIT ?)", (before, limit)
        ).rowcount


def _to_json(row: RouteRow | None) -> str | None:
    return None if row is None else json.dumps(asdict(row), ensure_ascii=False)


def _from_json(text: str | None) -> RouteRow | None:
    return None if text is None else RouteRow(**json.loads(text))
