"""Who is known by which name in a conversation, so that two who look alike are told apart."""

from __future__ import annotations

import sqlite3

from bot.store.topics import move_addresses

SEEN_AGAIN_S = 86400.0
"""How exactly it is kept when somebody was last seen: a write for each message would be too much for it."""


class Faces:
    """One row for what a name looks like in a conversation: it belongs to whoever had it there first."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def claim(self, address: str, looks: str, person: str, *, now: float) -> bool:
        """Take a name for a person; False if somebody else there has it."""
        row = self._db.execute(
            "SELECT person, at FROM faces WHERE address = ? AND looks = ?", (address, looks)
        ).fetchone()
        if row is None:
            self._db.execute("INSERT INTO faces VALUES (?, ?, ?, ?)", (address, looks, person, now))
            return True
        owner, at = row
        if owner != person:
            return False
        if now - at > SEEN_AGAIN_S:
            self._db.execute("UPDATE faces SET at = ? WHERE address = ? AND looks = ?", (now, address, looks))
        return True

    def move(self, old: str, new: str) -> None:
        """Who was known in a conversation is known in the one that took its place, and in what is in it."""
        move_addresses(self._db, "faces", "address", old=old, new=new, unique=True)

    def prune(self, *, before: float, limit: int) -> int:
        """Forget names that nobody was seen under since then; returns how many."""
        return self._db.execute(
            "DELETE FROM faces WHERE (address, looks) IN (SELECT address, looks FROM faces WHERE at < ? LIMIT ?)",
            (before, limit),
        ).rowcount
