"""The menus of commands that were set in Telegram, and those who may need one of their own."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

MENUS_MOST = 2000
"""So many people in chats have a menu of their own; the others see the general one."""
FAILED = "!"
"""Before the digest of a menu that Telegram did not take: it is tried again when the person is seen there."""


class Menus:
    """What Telegram was told, by chat and person, as digests. An empty one: a menu is wanted and not set yet."""

    def __init__(self, db: sqlite3.Connection, woken: set[str]) -> None:
        self._db = db
        self._woken = woken

    def want(self, chat: str, person: str, *, now: float) -> None:
        """Somebody with a role was seen in a chat: they are to have a menu there."""
        self._db.execute(
            "INSERT INTO menus (chat, person, shown, at) SELECT ?1, ?2, '', ?3"
            " WHERE (SELECT COUNT(*) FROM menus) < ?4"
            " ON CONFLICT (chat, person) DO NOTHING",
            (chat, person, now, MENUS_MOST),
        )
        self._db.execute(
            "UPDATE menus SET shown = '', at = ? WHERE chat = ? AND person = ? AND substr(shown, 1, 1) = ?",
            (now, chat, person, FAILED),
        )
        self._woken.add("menus")

    def all(self) -> Mapping[tuple[str, str], str]:
        """The digest of what is shown, by chat and person."""
        rows = self._db.execute("SELECT chat, person, shown FROM menus")
        return {(str(chat), str(person)): str(shown) for chat, person, shown in rows}

    def showing(self, chat: str, person: str, shown: str, *, now: float) -> None:
        """Keep what Telegram was told."""
        self._db.execute(
            "INSERT OR REPLACE INTO menus (chat, person, shown, at) VALUES (?, ?, ?, ?)", (chat, person, shown, now)
        )

    def move(self, old: str, new: str) -> None:
        """A chat has another id from now on, for which Telegram knows no menus yet."""
        self._db.execute("UPDATE OR IGNORE menus SET chat = ?, shown = '' WHERE chat = ?", (new, old))
        self._db.execute("DELETE FROM menus WHERE chat = ?", (old,))
        self._woken.add("menus")

    def drop(self, chat: str, person: str) -> None:
        """There is no menu of their own any more."""
        self._db.execute("DELETE FROM menus WHERE chat = ? AND person = ?", (chat, person))
