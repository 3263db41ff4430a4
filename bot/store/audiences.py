"""Audiences: named sets of addresses. A name is given in lower case and without the ``@``."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from bot.store.topics import move_addresses


class Audiences:
    """Who is meant by ``@name``."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def all(self) -> list[tuple[str, int]]:
        """Their names with the number of members."""
        rows = self._db.execute(
            """SELECT name, (SELECT COUNT(*) FROM audience_members WHERE audience_members.name = audiences.name)
            FROM audiences ORDER BY name"""
        )
        return [(str(row[0]), int(row[1])) for row in rows]

    def exists(self, name: str) -> bool:
        """Whether there is one with this name, with or without members."""
        return self._db.execute("SELECT 1 FROM audiences WHERE name = ?", (name,)).fetchone() is not None

    def members(self, name: str) -> list[str]:
        """The addresses of one; none if it is empty or does not exist."""
        rows = self._db.execute("SELECT address FROM audience_members WHERE name = ? ORDER BY address", (name,))
        return [str(row[0]) for row in rows]

    def addresses(self) -> list[str]:
        """Every address that is in one."""
        rows = self._db.execute("SELECT DISTINCT address FROM audience_members ORDER BY address")
        return [str(row[0]) for row in rows]

    def of(self, address: str) -> list[str]:
        """Those that an address is in."""
        rows = self._db.execute("SELECT name FROM audience_members WHERE address = ? ORDER BY name", (address,))
        return [str(row[0]) for row in rows]

    def add(self, name: str, addresses: Iterable[str], *, person: str, now: float) -> int:
        """Put addresses into one, made if need be; returns how many were not in it yet."""
        self._db.execute(
            "INSERT OR IGNORE INTO audiences (name, created_by, created_at) VALUES (?, ?, ?)", (name, person, now)
        )
        rows = [(name, address) for address in addresses]
        return self._db.executemany(
            "INSERT OR IGNORE INTO audience_members (name, address) VALUES (?, ?)", rows
        ).rowcount

    def remove(self, name: str, addresses: Iterable[str]) -> int:
        """Take addresses out of one; returns how many were in it."""
        rows = [(name, address) for address in addresses]
        return self._db.executemany("DELETE FROM audience_members WHERE name = ? AND address = ?", rows).rowcount

    def drop(self, name: str) -> bool:
        """Forget one with its members; False if there is none."""
        self._db.execute("DELETE FROM audience_members WHERE name = ?", (name,))
        return self._db.execute("DELETE FROM audiences WHERE name = ?", (name,)).rowcount > 0

    def move(self, old: str, new: str) -> None:
        """Members follow to what took their place, with all that is in it."""
        move_addresses(self._db, "audience_members", "address", old=old, new=new, unique=True)
