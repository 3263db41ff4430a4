"""Routing rules as rows. What they mean is `bot.routing`'s business."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from bot.store.topics import move_addresses


@dataclass(frozen=True, slots=True)
class RouteRow:
    """One rule, its options as JSON."""

    id: int
    name: str
    source: str
    arrow: str
    target: str
    enabled: bool
    options: str
    paused: str = ""
    """Why it rests although it is enabled."""


class Routes:
    """The table of routing rules."""

    def __init__(self, db: sqlite3.Connection, woken: set[str]) -> None:
        self._db = db
        self._woken = woken

    def add(
        self,
        *,
        name: str | None,
        source: str,
        arrow: str,
        target: str,
        options: str,
        created_by: str,
        now: float,
        enabled: bool = True,
    ) -> RouteRow:
        """Keep a rule; without a name it gets ``r<id>``. Raises ``ValueError`` if the name is taken."""
        try:
            cursor = self._db.execute(
                "INSERT INTO routes (name, source, arrow, target, enabled, options, created_at, created_by)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (name or f"new {now}", source, arrow, target, int(enabled), options, now, created_by),
            )
        except sqlite3.IntegrityError as error:
            raise ValueError(f"a route named {name!r} exists already; choose another name=") from error
        assert cursor.lastrowid is not None
        if name is None:
            self._db.execute(
                "UPDATE routes SET name = ? WHERE id = ?",
                (self._free_name(cursor.lastrowid), cursor.lastrowid),
            )
        self._woken.add("routes")
        row = self.get(cursor.lastrowid)
        assert row is not None
        return row

    def _free_name(self, id: int) -> str:
        name, n = f"r{id}", 1
        while self._db.execute("SELECT 1 FROM routes WHERE name = ?", (name,)).fetchone():
            name, n = f"r{id}-{n}", n + 1
        return name

    def all(self) -> Sequence[RouteRow]:
        """Every rule, in the order they were made."""
        return self._read("1")

    def _read(self, where: str, *values: object) -> list[RouteRow]:
        rows = self._db.execute(
            f"SELECT id, name, source, arrow, target, enabled, options, paused FROM routes WHERE {where} ORDER BY id",
            values,
        )
        return [RouteRow(id, n, s, a, t, bool(e), o, p) for id, n, s, a, t, e, o, p in rows]

    def between(self, one: str, other: str) -> Sequence[RouteRow]:
        """The rules that join two places, whichever stands first."""
        return self._read("(source = ? AND target = ?) OR (source = ? AND target = ?)", one, other, other, one)

    def get(self, id: int) -> RouteRow | None:
        """One rule by id."""
        return next(iter(self._read("id = ?", id)), None)

    def find(self, word: str) -> RouteRow | None:
        """One rule by name or id."""
        rows = self.all()
        by_name = next((row for row in rows if row.name == word), None)
        return by_name or next((row for row in rows if str(row.id) == word), None)

    def enable(self, id: int, *, enabled: bool) -> None:
        """Switch a rule on or off; one that rests works again when somebody switches it on."""
        self._db.execute(
            "UPDATE routes SET enabled = ?, paused = CASE WHEN ? THEN '' ELSE paused END WHERE id = ?",
            (int(enabled), int(enabled), id),
        )
        self._woken.add("routes")

    def put(self, row: RouteRow, *, created_by: str, now: float) -> None:
        """Write a rule as it is given, in the place of the one with its id, or anew. Raises ``ValueError`` if another
        rule has its name."""
        try:
            self._db.execute(
                "INSERT INTO routes (id, name, source, arrow, target, enabled, options, paused, created_at, created_by)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET name = excluded.name,"
                " source = excluded.source, arrow = excluded.arrow, target = excluded.target,"
                " enabled = excluded.enabled, options = excluded.options, paused = excluded.paused",
                (
                    row.id, row.name, row.source, row.arrow, row.target, int(row.enabled), row.options, row.paused,
                    now, created_by,
                ),
            )  # fmt: skip
        except sqlite3.IntegrityError as error:
            raise ValueError(f"a route named {row.name!r} exists already; choose another name=") from error
        self._woken.add("routes")

    def remove(self, id: int) -> None:
        """Forget a rule."""
        self._db.execute("DELETE FROM routes WHERE id = ?", (id,))
        self._woken.add("routes")

    def pause(self, chat: str, reason: str) -> int:
        """Let the rules that lead to a chat, or away from it, or to or from its topics, rest; returns how many.

        ``reason`` begins with the chat's address. Those that rest for its sake already rest for this reason now.
        """
        changed = 0
        for end in ("source", "target"):
            changed += self._db.execute(
                "UPDATE routes SET paused = ? WHERE (paused = '' OR substr(paused, 1, ?) = ?)"
                f" AND ({end} = ? OR ({end} > ? AND {end} < ?)"
                f" OR {end} = ?)",
                (reason, len(chat) + 1, f"{chat}:", chat, f"{chat}/", f"{chat}0", f"new-topic({chat})"),
            ).rowcount
        self._woken.add("routes")
        return changed

    def resume(self, chat: str) -> int:
        """Let those that rest for its sake (``reason`` began with its address) work again; returns how many."""
        changed = self._db.execute(
            "UPDATE routes SET paused = '' WHERE substr(paused, 1, ?) = ?", (len(chat) + 1, f"{chat}:")
        ).rowcount
        self._woken.add("routes")
        return changed

    def move(self, old: str, new: str) -> int:
        """Put another address in an address's place, in all rules, with all that is in it; returns how many ends were
        changed. A rule that would lead from the new one to itself goes."""
        self._db.execute(
            "UPDATE routes SET paused = ? || substr(paused, ?) WHERE substr(paused, 1, ?) = ?",
            (new, len(old) + 1, len(old) + 1, f"{old}:"),
        )
        changed = 0
        for end in ("source", "target"):
            changed += move_addresses(self._db, "routes", end, old=old, new=new)
        changed += self._db.execute(
            "UPDATE routes SET target = ? WHERE target = ?", (f"new-topic({new})", f"new-topic({old})")
        ).rowcount
        if changed:
            self._db.execute("DELETE FROM routes WHERE source = target")
            self._woken.add("routes")
        return changed
