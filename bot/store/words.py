"""Words that were relayed a moment ago under somebody's name, as digests: where they come back, they are an echo."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable


class RelayedWords:
    """When each was relayed last; never the words themselves."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def put(self, digests: Collection[str], *, source: str = "", into: str = "", now: float) -> None:
        """These were relayed now, from one place into another; without places: wherever that was."""
        self.put_all(digests, source=source, into=[into], now=now)

    def put_all(self, digests: Collection[str], *, source: str, into: Iterable[str], now: float) -> None:
        """As :meth:`put`, into several places."""
        self._db.executemany(
            "INSERT INTO relayed_words (digest, goes_to, source, at) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (digest, goes_to, source) DO UPDATE SET at = excluded.at",
            [(digest, place, source, now) for place in into for digest in digests],
        )

    def again(self, digest: str, *, into: str, now: float) -> None:
        """If it is known to have been relayed into that place, it went out only now."""
        self._db.execute("UPDATE relayed_words SET at = ? WHERE digest = ? AND goes_to = ?", (now, digest, into))

    def ways(self, digest: str, *, since: float) -> list[tuple[str, str]]:
        """From where and into which places it was relayed since then."""
        rows = self._db.execute(
            "SELECT source, goes_to FROM relayed_words WHERE digest = ? AND at >= ?", (digest, since)
        )
        return [(str(source), str(into)) for source, into in rows]

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
            "DELETE FROM relayed_words WHERE (digest, goes_to, source) IN"
            " (SELECT digest, goes_to, source FROM relayed_words WHERE at < ? LIMIT ?)",
            (before, limit),
        ).rowcount
