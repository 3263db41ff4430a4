"""Numbers for people: what was settled lately, when something last came, why something was last not sent."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

SETTLED_MOST = 50_000
"""Deliveries that are counted at most: the writer waits meanwhile."""
ARRIVALS_MOST = 20_000
"""Arrivals among which that of one account is looked for."""


@dataclass(frozen=True, slots=True)
class Settled:
    """Deliveries that were settled, counted together."""

    account: str
    state: str
    why: str
    today: int
    """In the last part of the time that was asked for."""
    all: int


@dataclass(frozen=True, slots=True)
class Trouble:
    """A delivery that waits or was given up, and why."""

    at: float
    address: str
    error: str


class Numbers:
    """Looks; changes nothing."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def settled(self, *, since: float, today: float) -> tuple[Sequence[Settled], bool]:
        """What was settled since then; True if there were too many, so that only the latest are counted.

        ``today``: from when on it counts as today.
        """
        # By name and from the end: left to itself SQLite reads all that was ever sent.
        rows = self._db.execute(
            "SELECT account, state, why, SUM(settled_at >= ?), COUNT(*) FROM ("
            " SELECT account, state, why, settled_at FROM outbox INDEXED BY outbox_settled"
            " WHERE state IN ('sent', 'expired', 'discarded', 'cancelled') AND settled_at >= ?"
            " ORDER BY settled_at DESC LIMIT ?) GROUP BY account, state, why",
            (today, since, SETTLED_MOST),
        ).fetchall()
        rows += self._db.execute(
            "SELECT account, state, why, SUM(settled_at >= ?), COUNT(*) FROM ("
            " SELECT account, state, why, settled_at FROM outbox"
            " WHERE state IN ('dead', 'held') AND settled_at >= ? LIMIT ?) GROUP BY account, state, why",
            (today, since, SETTLED_MOST),
        ).fetchall()
        found = [Settled(*row) for row in rows]
        return found, sum(each.all for each in found) >= SETTLED_MOST

    def last_arrival(self, account: str) -> float | None:
        """When something last came from an account; None if it was not lately."""
        row = self._db.execute(
            "SELECT received_at FROM inbox WHERE account = ? AND id > (SELECT COALESCE(MAX(id), 0) FROM inbox) - ?"
            " ORDER BY id DESC LIMIT 1",
            (account, ARRIVALS_MOST),
        ).fetchone()
        return None if row is None else float(row[0])

    def troubles(self, account: str, *, limit: int) -> Sequence[Trouble]:
        """The latest deliveries of an account that were not sent, of those that wait and those that were given up."""
        rows = [
            row
            for state in ("queued", "dead")
            for row in self._db.execute(
                "SELECT COALESCE(settled_at, started_at, created_at), conversation, error FROM outbox"
                " WHERE state = ? AND account = ? AND error IS NOT NULL ORDER BY id DESC LIMIT ?",
                (state, account, limit),
            )
        ]
        return [
            Trouble(at, f"{account}:{conversation}", error) for at, conversation, error in sorted(rows, reverse=True)
        ]

    def announcements(self) -> dict[str, int]:
        """How many announcements are under way, by state."""
        rows = self._db.execute(
            "SELECT state, COUNT(*) FROM broadcasts WHERE state IN ('running', 'paused') GROUP BY state"
        )
        return {str(state): int(number) for state, number in rows}

    def size(self) -> int:
        """Bytes that the database takes, without its journal."""
        pages, size = (int(self._db.execute(f"PRAGMA {name}").fetchone()[0]) for name in ("page_count", "page_size"))
        return pages * size
