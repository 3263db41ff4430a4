"""Messages of the past: staged from a file, sent one after the other in the order of time, never forgotten.

A row is one part of one message. Its id is the file's own, so reading a file again adds only what is not there yet.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Self, TypeAlias

ImportState: TypeAlias = Literal["new", "sending", "sent", "refused", "unknown"]
IMPORT_STATES: tuple[ImportState, ...] = ("new", "sending", "sent", "refused", "unknown")


@dataclass(frozen=True, slots=True)
class StagedMessage:
    """A message as it is to be sent."""

    id: str
    at: float
    digest: str
    """A fingerprint of what was written, by whom and when: another one under the same id is another message."""
    payloads: tuple[str, ...] = field(repr=False)
    """Its parts, each a Message as JSON."""


@dataclass(frozen=True, slots=True)
class Staged:
    """What became of messages that were to be staged."""

    new: int = 0
    known: int = 0
    """Staged or sent before."""
    changed: tuple[str, ...] = ()
    """Ids that are known with another time, person or words: what is there stays as it is."""


@dataclass(frozen=True, slots=True)
class PastPart:
    """A row: one part of a message."""

    n: int
    id: str
    part: int
    parts: int
    at: float
    payload: str = field(repr=False)
    state: ImportState
    attempts: int
    """Requests that left or were about to."""
    tried_at: float | None
    error: str | None


@dataclass(frozen=True, slots=True)
class PastOutcome:
    """What became of one attempt."""

    n: int
    state: ImportState
    remote_ids: tuple[str, ...] = ()
    error: str | None = None


@dataclass(frozen=True, slots=True)
class PlacedId:
    """An id in a file: where it stands, and what tells its message from another one."""

    id: str
    place: str
    at: float
    person: str
    words: str
    """A fingerprint of them."""


class IdsOfFile:
    """The ids that a file has shown while it is read, in memory that does not grow with them.

    SQLite keeps them in a temporary file that is gone with the connection (https://sqlite.org/inmemorydb.html#temp_db,
    2026-11). Any ``sqlite3.Error`` is about the room there.
    """

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None)
        for statement in (
            # Nothing here is to outlive the process, so nothing is written for the sake of that.
            "PRAGMA journal_mode = OFF",
            "PRAGMA synchronous = OFF",
            "CREATE TABLE ids (id TEXT PRIMARY KEY, place TEXT NOT NULL, at REAL NOT NULL, person TEXT NOT NULL,"
            " words TEXT NOT NULL) STRICT, WITHOUT ROWID",
            "BEGIN",
        ):
            self._db.execute(statement)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def note(self, placed: PlacedId) -> PlacedId | None:
        """Take an id in; returns the one that stood there first, or None if this is it."""
        values = (placed.id, placed.place, placed.at, placed.person, placed.words)
        if self._db.execute("INSERT OR IGNORE INTO ids VALUES (?, ?, ?, ?, ?)", values).rowcount:
            return None
        row = self._db.execute("SELECT id, place, at, person, words FROM ids WHERE id = ?", (placed.id,)).fetchone()
        return PlacedId(*row)


_OPEN = "state != 'sent'"
"""As the index ``imports_open`` has it: SQLite takes a partial index only where its own words stand in the query
(https://sqlite.org/partialindex.html, 2026-11)."""
_COLUMNS = "n, id, part, parts, at, payload, state, attempts, tried_at, error"


class Imports:
    """The table of past messages. One conversation of one account is one import."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    # --- filling

    def stage(self, account: str, conversation: str, messages: Sequence[StagedMessage]) -> Staged:
        """Add what is not there yet, at the end."""
        new = known = 0
        changed: list[str] = []
        for message, digest in self._looked_up(account, conversation, messages):
            if digest is None:
                new += 1
                self._add(account, conversation, message)
            elif digest == message.digest:
                known += 1
            else:
                changed.append(message.id)
        return Staged(new, known, tuple(changed))

    def compare(self, account: str, conversation: str, messages: Sequence[StagedMessage]) -> Staged:
        """What :meth:`stage` would do; adds nothing."""
        found = list(self._looked_up(account, conversation, messages))
        return Staged(
            new=sum(digest is None for _, digest in found),
            known=sum(digest == message.digest for message, digest in found),
            changed=tuple(message.id for message, digest in found if digest not in (None, message.digest)),
        )

    def _looked_up(
        self, account: str, conversation: str, messages: Sequence[StagedMessage]
    ) -> Iterator[tuple[StagedMessage, str | None]]:
        for message in messages:
            row = self._db.execute(
                "SELECT digest FROM imports WHERE account = ? AND conversation = ? AND id = ? AND part = 1",
                (account, conversation, message.id),
            ).fetchone()
            yield message, None if row is None else str(row[0])

    def _add(self, account: str, conversation: str, message: StagedMessage) -> None:
        parts = len(message.payloads)
        self._db.executemany(
            "INSERT INTO imports (account, conversation, id, part, parts, at, payload, digest, state)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'new')",
            [
                (account, conversation, message.id, part, parts, message.at, payload, message.digest)
                for part, payload in enumerate(message.payloads, start=1)
            ],
        )

    # --- sending

    def open(self, account: str, conversation: str) -> Sequence[PastPart]:
        """Those of which nobody knows whether they arrived, the oldest first."""
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM imports WHERE account = ? AND conversation = ? AND state IN ('sending', 'unknown')"
            f" AND {_OPEN} ORDER BY at, n",
            (account, conversation),
        )
        return [PastPart(*row) for row in rows]

    def begin(self, account: str, conversation: str, *, now: float) -> PastPart | None:
        """Note that a request is about to leave for the oldest that waits, by time, then by its place in the file.

        Returns it as it is then, or None if nothing waits.
        """
        rows = self._db.execute(
            "UPDATE imports SET state = 'sending', attempts = attempts + 1, tried_at = ? WHERE n ="
            " (SELECT n FROM imports WHERE account = ? AND conversation = ? AND state = 'new' ORDER BY at, n LIMIT 1)"
            f" RETURNING {_COLUMNS}",
            (now, account, conversation),
        ).fetchall()
        return PastPart(*rows[0]) if rows else None

    def settle(self, outcome: PastOutcome) -> None:
        """Write down what became of it. The text of one that is sent goes; its id and its digest stay."""
        self._db.execute(
            "UPDATE imports SET state = ?, remote_ids = ?, error = ?,"
            " payload = CASE WHEN ? = 'sent' THEN '' ELSE payload END WHERE n = ? AND state IN ('sending', 'unknown')",
            (outcome.state, json.dumps(outcome.remote_ids), outcome.error, outcome.state, outcome.n),
        )

    def again(self, account: str, conversation: str, state: Literal["refused", "unknown"]) -> int:
        """Let those in this state be sent again, in their place in time; returns how many."""
        return self._db.execute(
            "UPDATE imports SET state = 'new', error = NULL WHERE account = ? AND conversation = ? AND state = ?"
            f" AND {_OPEN}",
            (account, conversation, state),
        ).rowcount

    # --- looking

    def count(self, account: str, conversation: str) -> Mapping[ImportState, int]:
        """How many parts are in each state."""
        rows = self._db.execute(
            "SELECT state, COUNT(*) FROM imports WHERE account = ? AND conversation = ? GROUP BY state",
            (account, conversation),
        )
        found: dict[ImportState, int] = dict(rows.fetchall())
        return {state: found.get(state, 0) for state in IMPORT_STATES}

    def count_late(self, account: str, conversation: str) -> int:
        """How many wait that are older than one that was sent: they come behind it, whatever their time."""
        row = self._db.execute(
            "SELECT COUNT(*) FROM imports WHERE account = ? AND conversation = ? AND state = 'new' AND at <"
            " (SELECT MAX(at) FROM imports WHERE account = ? AND conversation = ? AND state = 'sent')",
            (account, conversation, account, conversation),
        ).fetchone()
        return int(row[0])

    def reasons(
        self, account: str, conversation: str, state: Literal["refused", "unknown"], *, limit: int
    ) -> Sequence[tuple[str, int]]:
        """The most frequent reasons of those in this state, and how often each."""
        rows = self._db.execute(
            "SELECT COALESCE(error, ''), COUNT(*) FROM imports WHERE account = ? AND conversation = ? AND state = ?"
            f" AND {_OPEN} GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT ?",
            (account, conversation, state, limit),
        )
        return [(str(error), int(count)) for error, count in rows]
