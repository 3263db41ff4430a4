"""Who was seen in Telegram, so that a person can be named by ``@name``."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

SEEN_AGAIN_S = 86400.0
"""How exactly it is kept when somebody was last seen: a write for each message would be too much for it."""
GROUPS_MOST, LATELY = 100, 300
"""So many places are looked at for somebody, and the last messages of each."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A person of Telegram's, as they were last seen."""

    person: str
    username: str
    """Without the ``@``, in lower case; empty: they have none, or somebody else has it now."""
    name: str

    def __str__(self) -> str:
        handle = f"@{self.username}, " if self.username else ""
        return f"{self.name} ({handle}{self.person})" if self.name else f"{handle}{self.person}"


class People:
    """The table of people."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def saw(self, person: str, *, username: str, name: str, now: float) -> None:
        """Note how somebody is called now; a username that another person had is theirs from here on."""
        username = username.lower()
        known = self.get(person)
        if known is not None and (known.username, known.name) == (username, name):
            self._db.execute(
                "UPDATE people SET at = ? WHERE person = ? AND at < ?", (now, person, now - SEEN_AGAIN_S / 2)
            )
            return
        if username:
            self._db.execute("UPDATE people SET username = '' WHERE username = ? AND person != ?", (username, person))
        self._db.execute(
            "INSERT OR REPLACE INTO people (person, username, name, at) VALUES (?, ?, ?, ?)",
            (person, username, name, now),
        )

    def get(self, person: str) -> Seen | None:
        """Somebody by id; None: never seen."""
        row = self._db.execute("SELECT person, username, name FROM people WHERE person = ?", (person,)).fetchone()
        return None if row is None else Seen(*row)

    def named(self, username: str) -> Seen | None:
        """Whoever has this username, with or without ``@``, in whatever case; None: nobody who was seen."""
        wanted = username.removeprefix("@").lower()
        if not wanted:
            return None
        row = self._db.execute("SELECT person, username, name FROM people WHERE username = ?", (wanted,)).fetchone()
        return None if row is None else Seen(*row)

    def shown(self, person: str) -> str:
        """How somebody is called in an answer: name, username and id, as far as these are known."""
        known = self.get(person)
        return str(known) if known is not None else person

    def groups_of(self, person: str) -> list[str]:
        """The groups of Telegram in which somebody wrote lately, as far as that is kept."""
        rows = self._db.execute(
            "SELECT DISTINCT CASE instr(place.conversation, '/') WHEN 0 THEN place.conversation"
            " ELSE substr(place.conversation, 1, instr(place.conversation, '/') - 1) END"
            " FROM (SELECT conversation FROM conversations WHERE account = 'telegram' AND conversation LIKE '-%'"
            " ORDER BY last_at DESC LIMIT ?) AS place WHERE EXISTS (SELECT 1 FROM (SELECT sender_id FROM messages"
            " WHERE account = 'telegram' AND conversation = place.conversation ORDER BY id DESC LIMIT ?)"
            " WHERE sender_id = ?)",
            (GROUPS_MOST, LATELY, person),
        )
        return [str(row[0]) for row in rows]

    def prune(self, *, before: float, limit: int) -> int:
        """Forget who was not seen since then and was given no role; returns how many."""
        return self._db.execute(
            "DELETE FROM people WHERE person IN (SELECT person FROM people WHERE at < ?"
            " AND NOT EXISTS (SELECT 1 FROM roles WHERE roles.person = people.person) LIMIT ?)",
            (before, limit),
        ).rowcount
