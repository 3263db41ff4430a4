"""Files that are lent out under ``/files/…``: which attachment it is, and until when. Never the bytes themselves."""

from __future__ import annotations

import sqlite3

from bridges.model import Attachment


class LentFiles:
    """What is lent out at present."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def lend(self, attachment: Attachment, *, now: float, expires_at: float) -> int:
        """Lend it until then; returns its number. What is lent at the same moment for another target is the same."""
        text = attachment.model_dump_json(exclude_defaults=True)
        row = self._db.execute(
            "SELECT id FROM files WHERE expires_at = ? AND attachment = ?", (expires_at, text)
        ).fetchone()
        if row is not None:
            return int(row[0])
        added = self._db.execute(
            "INSERT INTO files (attachment, created_at, expires_at) VALUES (?, ?, ?)", (text, now, expires_at)
        )
        assert added.lastrowid is not None
        return added.lastrowid

    def get(self, id: int) -> Attachment | None:
        """What is lent under a number; None if it is not, or no longer."""
        row = self._db.execute("SELECT attachment FROM files WHERE id = ?", (id,)).fetchone()
        return None if row is None else Attachment.model_validate_json(row[0])

    def prune(self, *, now: float, limit: int) -> int:
        """Forget what has expired; returns how many."""
        return self._db.execute(
            "DELETE FROM files WHERE id IN (SELECT id FROM files WHERE expires_at < ? LIMIT ?)", (now, limit)
        ).rowcount
