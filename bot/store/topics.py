"""Forum topics that the bot opens: for a new conversation, or anew for one that was deleted."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TopicRow:
    """A topic that was opened or is being opened; all places are addresses as people write them."""

    id: int
    chat: str
    source: str
    """The conversation that it was opened for; empty for one that only takes another one's place."""
    title: str
    instead_of: str
    """The deleted topic whose place it takes."""
    topic: str | None
    """Its address, once Telegram has told it."""
    opened_at: float | None
    """When what waited for it was let in."""
    created_at: float


_COLUMNS = "id, chat, source, title, instead_of, topic, opened_at, created_at"


class Topics:
    """The table of topics."""

    def __init__(self, db: sqlite3.Connection, woken: set[str]) -> None:
        self._db = db
        self._woken = woken

    def add(self, *, chat: str, source: str, title: str, now: float, instead_of: str = "") -> int:
        """Note that one is to be opened; returns its id."""
        cursor = self._db.execute(
            "INSERT INTO topics (chat, source, title, instead_of, created_at) VALUES (?, ?, ?, ?, ?)",
            (chat, source, title, instead_of, now),
        )
        assert cursor.lastrowid is not None
        self._woken.add("routes")
        return cursor.lastrowid

    def get(self, id: int) -> TopicRow | None:
        """One by id."""
        row = self._db.execute(f"SELECT {_COLUMNS} FROM topics WHERE id = ?", (id,)).fetchone()
        return TopicRow(*row) if row else None

    def of_sources(self) -> Sequence[TopicRow]:
        """Those that were opened, or are being opened, for a conversation."""
        rows = self._db.execute(f"SELECT {_COLUMNS} FROM topics WHERE source != '' AND instead_of = '' ORDER BY id")
        return [TopicRow(*row) for row in rows]

    def at(self, topic: str) -> TopicRow | None:
        """The one with this address."""
        row = self._db.execute(
            f"SELECT {_COLUMNS} FROM topics WHERE topic = ? ORDER BY instead_of LIMIT 1", (topic,)
        ).fetchone()
        return TopicRow(*row) if row else None

    def replacing(self, topic: str) -> TopicRow | None:
        """The one that is being opened in the place of a deleted one."""
        row = self._db.execute(
            f"SELECT {_COLUMNS} FROM topics WHERE instead_of = ? AND opened_at IS NULL ORDER BY id DESC LIMIT 1",
            (topic,),
        ).fetchone()
        return TopicRow(*row) if row else None

    def has_title(self, chat: str, title: str) -> bool:
        """Whether a topic of this title was opened there."""
        row = self._db.execute("SELECT 1 FROM topics WHERE chat = ? AND title = ?", (chat, title)).fetchone()
        return row is not None

    def is_at(self, id: int, topic: str | None) -> None:
        """Telegram told its address; None: that one is gone again."""
        self._db.execute("UPDATE topics SET topic = ? WHERE id = ?", (topic, id))
        self._woken.add("routes")

    def opened(self, id: int, *, now: float) -> None:
        """What waited for it was let in."""
        self._db.execute("UPDATE topics SET opened_at = ? WHERE id = ?", (now, id))
        self._woken.add("routes")

    def forget(self, id: int) -> None:
        """Nothing opens it any more: the conversation is a new one again."""
        self._db.execute("DELETE FROM topics WHERE id = ?", (id,))
        self._woken.add("routes")

    def move(self, old: str, new: str) -> None:
        """Put another address in an address's place, also where it is the beginning of one: a chat with its topics."""
        for column in ("chat", "source", "instead_of", "topic"):
            move_addresses(self._db, "topics", column, old=old, new=new)
        self._woken.add("routes")


class Mutes:
    """Conversations from which nothing is relayed."""

    def __init__(self, db: sqlite3.Connection, woken: set[str]) -> None:
        self._db = db
        self._woken = woken

    def all(self) -> Sequence[str]:
        """Their addresses."""
        return [str(row[0]) for row in self._db.execute("SELECT address FROM mutes ORDER BY address")]

    def add(self, address: str, *, person: str, now: float) -> bool:
        """Mute one; False if it was muted already."""
        changed = self._db.execute(
            "INSERT OR IGNORE INTO mutes (address, person, at) VALUES (?, ?, ?)", (address, person, now)
        ).rowcount
        self._woken.add("routes")
        return changed > 0

    def remove(self, address: str) -> bool:
        """Let it through again; False if it was not muted."""
        self._woken.add("routes")
        return self._db.execute("DELETE FROM mutes WHERE address = ?", (address,)).rowcount > 0

    def move(self, old: str, new: str) -> None:
        """Put another address in an address's place, with all that is in it."""
        move_addresses(self._db, "mutes", "address", old=old, new=new, unique=True)
        self._woken.add("routes")


def move_addresses(db: sqlite3.Connection, table: str, column: str, *, old: str, new: str, unique: bool = False) -> int:
    """Write ``new`` for ``old`` at the beginning of a column's addresses, where the whole address or what is in it
    is meant; returns how many rows were changed. ``unique``: where the new one is there already, the old one goes."""
    within = f"({column} = ? OR ({column} > ? AND {column} < ?))"
    # "0" is the character after "/".
    bounds = (old, f"{old}/", f"{old}0")
    changed = db.execute(
        f"UPDATE {'OR IGNORE ' if unique else ''}{table} SET {column} = ? || substr({column}, ?) WHERE {within}",
        (new, len(old) + 1, *bounds),
    ).rowcount
    if unique:
        db.execute(f"DELETE FROM {table} WHERE {within}", bounds)
    return changed
