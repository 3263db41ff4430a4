"""Words that were relayed a moment ago under somebody's name, as digests: where they come back, they are an echo."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection

_WAY = "\t"
"""Stands before each of the places that a digest is kept with, for it is in no address."""


def _range(key: str) -> tuple[str, str]:
    # A line feed is the character after a tab.
    return f"{key}{_WAY}", f"{key}\n"


class RelayedWords:
    """When each was relayed last; never the words themselves."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def put(self, digests: Collection[str], *, now: float) -> None:
        """These were relayed now."""
        self._db.executemany(
            "INSERT INTO relayed_words (digest, at) VALUES (?, ?) ON CONFLICT (digest) DO UPDATE SET at = excluded.at",
            [(digest, now) for digest in digests],
        )

    def put_into(self, digests: Collection[str], *, source: str, into: str, now: float) -> None:
        """These were relayed now, from one place into another."""
        self.put([f"{digest}{_WAY}{into}{_WAY}{source}" for digest in digests], now=now)

    def again(self, digest: str, *, into: str, now: float) -> None:
        """If it is known to have been relayed into that place, it went out only now."""
        first, last = _range(f"{digest}{_WAY}{into}")
        self._db.execute("UPDATE relayed_words SET at = ? WHERE digest >= ? AND digest < ?", (now, first, last))

    def ways(self, digest: str, *, since: float) -> list[tuple[str, str]]:
        """From where and into which places it was relayed since then."""
        rows = self._db.execute(
            "SELECT digest FROM relayed_words WHERE digest >= ? AND digest < ? AND at >= ?", (*_range(digest), since)
        )
        ways = (key.split(_WAY) for (key,) in rows)
        return [(source, into) for _, into, source in ways]

    def known(self, digests: Collection[str], *, since: float) -> set[str]:
        """Those of them that were relayed since then."""
        if not digests:
            return set()
        rows = self._db.execute(
            f"SELECT digest FROM relayed_words WHERE digest IN ({', '.join('?' * len(digests))}) AND at >= ?",
            (*digests, since),
        )
        return {str(digest) for (digest,) in rows}

    def prune(self, *, before: float, limit: int = 500) -> int:
        """Forget those that were relayed before then; returns how many."""
        return self._db.execute(
            "DELETE FROM relayed_words WHERE digest IN (SELECT digest FROM relayed_words WHERE at < ? LIMIT ?)",
            (before, limit),
        ).rowcount
