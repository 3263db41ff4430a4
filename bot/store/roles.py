"""Who may do what, and the names people gave to addresses."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence

from bot.store.topics import move_addresses


class Roles:
    """Roles by person; the scope is ``*`` or a Telegram chat id."""

    def __init__(self, db: sqlite3.Connection, woken: set[str]) -> None:
        self._db = db
        self._woken = woken

    def of(self, person: str, *, chat: str) -> list[str]:
        """The roles a person holds here."""
        rows = self._db.execute("SELECT role FROM roles WHERE person = ? AND scope IN ('*', ?)", (person, chat))
        return [str(row[0]) for row in rows]

    def grant(self, person: str, role: str, *, scope: str = "*") -> None:
        """Give a role, in place of the one held in that scope."""
        self._db.execute("INSERT OR REPLACE INTO roles (person, scope, role) VALUES (?, ?, ?)", (person, scope, role))
        self._woken.add("roles")

    def held(self, person: str) -> Mapping[str, str]:
        """Everything a person was given: role by scope."""
        rows = self._db.execute("SELECT scope, role FROM roles WHERE person = ? ORDER BY scope", (person,))
        return {str(scope): str(role) for scope, role in rows}

    def all(self, *, scope: str | None = None) -> Sequence[tuple[str, str, str]]:
        """Everything that was given, in one scope or in all: person, scope, role."""
        rows = self._db.execute(
            "SELECT person, scope, role FROM roles WHERE :scope IS NULL OR scope = :scope ORDER BY scope, person",
            {"scope": scope},
        )
        return [(str(person), str(place), str(role)) for person, place, role in rows]

    def revoke(self, person: str, *, scope: str | None = None) -> int:
        """Take away what a person was given, in one scope or in all; returns how much that was."""
        gone = self._db.execute(
            "DELETE FROM roles WHERE person = :person AND (:scope IS NULL OR scope = :scope)",
            {"person": person, "scope": scope},
        ).rowcount
        self._woken.add("roles")
        return gone

    def holders(self, role: str) -> list[str]:
        """Who holds a role everywhere."""
        rows = self._db.execute("SELECT person FROM roles WHERE role = ? AND scope = '*' ORDER BY person", (role,))
        return [str(row[0]) for row in rows]

    def move(self, old_chat: str, new_chat: str) -> None:
        """What was granted for one chat holds for the one that took its place."""
        move_addresses(self._db, "roles", "scope", old=old_chat, new=new_chat, unique=True)
        self._woken.add("roles")


class Names:
    """Names for addresses."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def get(self, name: str) -> str | None:
        """The address of a name, or None."""
        row = self._db.execute("SELECT address FROM names WHERE name = ?", (name,)).fetchone()
        return str(row[0]) if row else None

    def all(self) -> list[str]:
        """Every name."""
        return [str(row[0]) for row in self._db.execute("SELECT name FROM names ORDER BY name")]

    def addresses(self) -> list[str]:
        """Every address that has a name."""
        return [str(row[0]) for row in self._db.execute("SELECT DISTINCT address FROM names ORDER BY address")]

    def meant(self, text: str) -> str:
        """The address that a name stands for; anything else as it is."""
        return (self.get(text.strip().lower()) if text.isprintable() else None) or text

    def of(self, address: str) -> list[str]:
        """The names that an address has."""
        rows = self._db.execute("SELECT name FROM names WHERE address = ? ORDER BY name", (address,))
        return [str(row[0]) for row in rows]

    def set(self, name: str, address: str) -> None:
        """Name an address, replacing the one that had the name."""
        self._db.execute("INSERT OR REPLACE INTO names (name, address) VALUES (?, ?)", (name, address))

    def remove(self, name: str) -> None:
        """The name means nothing any more."""
        self._db.execute("DELETE FROM names WHERE name = ?", (name,))

    def move(self, old: str, new: str) -> None:
        """Names of an address, and of what is in it, name what took its place."""
        move_addresses(self._db, "names", "address", old=old, new=new)
