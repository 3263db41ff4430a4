"""Small things: settings the program keeps for itself, what accounts remember, counters, once-only notices."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field


class Meta:
    """Key and value, for what the program keeps for itself."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def get(self, key: str) -> str | None:
        """The value, or None."""
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def set(self, key: str, value: str) -> None:
        """Keep a value, replacing the one before."""
        self._db.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (key, value))

    @property
    def instance(self) -> str:
        """The name of this installation: made with the database, part of every message's key. Letters and digits."""
        value = self.get("instance")
        assert value is not None
        return value


@dataclass(frozen=True, slots=True)
class AccountState:
    """Whether an account is paused and why, and what its bridge remembers."""

    paused: bool = False
    reason: str = ""
    memory: Mapping[str, str] | None = field(default=None, repr=False)
    since: float | None = None
    """When it was paused."""
    paused_by: str = ""
    """The person who paused it; empty: its credentials were refused, and it is tried again by itself."""


class Accounts:
    """What is kept about an account beside its settings."""

    def __init__(self, db: sqlite3.Connection, woken: set[str]) -> None:
        self._db = db
        self._woken = woken

    def get(self, account: str) -> AccountState:
        """The state; an account never seen is not paused and remembers nothing."""
        row = self._db.execute(
            "SELECT paused, reason, memory, since, paused_by FROM accounts WHERE account = ?", (account,)
        ).fetchone()
        if row is None:
            return AccountState(memory={})
        return AccountState(bool(row[0]), row[1] or "", json.loads(row[2]), row[3], row[4])

    def pause(self, account: str, *, reason: str, now: float, by: str = "") -> bool:
        """Stop sending; the queue stays. ``by``: the person who wants it so, which outlasts refused credentials.

        True if it was not paused before.
        """
        before = self.get(account).paused
        self._db.execute(
            "INSERT INTO accounts (account, paused, reason, since, paused_by) VALUES (?, 1, ?, ?, ?)"
            " ON CONFLICT (account) DO UPDATE SET"
            " paused = 1, reason = excluded.reason, since = excluded.since, paused_by = excluded.paused_by"
            " WHERE excluded.paused_by != '' OR accounts.paused_by = ''",
            (account, reason, now, by),
        )
        self._woken.add(account)
        return not before

    def try_again(self, account: str) -> bool:
        """As :meth:`resume`, but what a person paused stays so."""
        return not self.get(account).paused_by and self.resume(account)

    def resume(self, account: str) -> bool:
        """Send again. True if it was paused."""
        changed = self._db.execute(
            "UPDATE accounts SET paused = 0, reason = NULL, since = NULL, paused_by = ''"
            " WHERE account = ? AND paused = 1",
            (account,),
        ).rowcount
        self._woken.add(account)
        return changed > 0

    def remember(self, account: str, memory: Mapping[str, str]) -> None:
        """Keep what the bridge learnt, for every process and the next start; what else is known stays."""
        known = self.get(account).memory or {}
        if all(known.get(name) == value for name, value in memory.items()):
            return
        self._db.execute(
            "INSERT INTO accounts (account, memory) VALUES (?, ?)"
            " ON CONFLICT (account) DO UPDATE SET memory = excluded.memory",
            (account, json.dumps({**known, **memory})),
        )
        self._woken.add("memory")


class Counters:
    """Numbers that outlive the rows they count. Additions are gathered and written once for each commit."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._added: list[tuple[str, str, int]] = []

    def add(self, account: str, name: str, n: int = 1) -> None:
        """Add to a counter, making it."""
        if n:
            self._added.append((account, name, n))

    def rewind(self) -> None:
        """Forget the additions not yet written: the work they counted is undone."""
        self._added.clear()

    def flush(self) -> None:
        """Write what was added; the store does it before it commits."""
        if not self._added:
            return
        sums: dict[tuple[str, str], int] = {}
        for account, name, n in self._added:
            sums[account, name] = sums.get((account, name), 0) + n
        self._db.executemany(
            "INSERT INTO counters (account, name, n) VALUES (?, ?, ?)"
            " ON CONFLICT (account, name) DO UPDATE SET n = n + excluded.n",
            [(account, name, n) for (account, name), n in sums.items()],
        )
        self._added.clear()

    def all(self) -> dict[tuple[str, str], int]:
        """Every counter, by account and name."""
        self.flush()
        return {(a, n): int(v) for a, n, v in self._db.execute("SELECT account, name, n FROM counters")}


class Notices:
    """Things that are said once."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def first(self, key: str, *, now: float) -> bool:
        """True the first time it is asked, or after :meth:`forget`."""
        return self._db.execute("INSERT OR IGNORE INTO notices (key, at) VALUES (?, ?)", (key, now)).rowcount > 0

    def at(self, key: str) -> float | None:
        """When it was said; None: it was not."""
        row = self._db.execute("SELECT at FROM notices WHERE key = ?", (key,)).fetchone()
        return None if row is None else float(row[0])

    def any(self, beginning: str, *, since: float) -> bool:
        """Whether one that begins so was said since then."""
        row = self._db.execute(
            "SELECT 1 FROM notices WHERE key >= ? AND key < ? AND at >= ?",
            (beginning, beginning + "\U0010ffff", since),
        ).fetchone()
        return row is not None

    def move(self, old: str, new: str) -> None:
        """What was said under one key counts as said under another one."""
        self._db.execute("UPDATE OR REPLACE notices SET key = ? WHERE key = ?", (new, old))

    def forget(self, key: str) -> bool:
        """Let it be said again; True if it had been said."""
        return self._db.execute("DELETE FROM notices WHERE key = ?", (key,)).rowcount > 0
