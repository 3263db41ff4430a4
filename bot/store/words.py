"""Words that were relayed a moment ago under somebody's name, as digests: where they come back, they are an echo."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection


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

    def again(self, digests: Collection[str], *, now: float) -> None:
        """Those of them that are known went out only now."""
        self._db.executemany("UPDATE relayed_words SET at = ? WHERE digest = ?", [(now, digest) for digest in digests])

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
