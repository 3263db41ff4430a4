"""What was set for a chat of Telegram's; its topics have the same."""

from __future__ import annotations

import sqlite3

from bot.store.topics import move_addresses


class Chats:
    """Key and value by chat."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def get(self, chat: str, key: str) -> str | None:
        """What was set; ``chat`` may be a topic's conversation."""
        row = self._db.execute(
            "SELECT value FROM chat_settings WHERE chat = ? AND key = ?", (chat.partition("/")[0], key)
        ).fetchone()
        return None if row is None else str(row[0])

    def set(self, chat: str, key: str, value: str) -> None:
        """Set it, in place of what was set before."""
        self._db.execute(
            "INSERT OR REPLACE INTO chat_settings (chat, key, value) VALUES (?, ?, ?)",
            (chat.partition("/")[0], key, value),
        )

    def move(self, old_chat: str, new_chat: str) -> None:
        """The chat has another id: what was set for it holds for the new one, unless that has its own."""
        move_addresses(self._db, "chat_settings", "chat", old=old_chat, new=new_chat, unique=True)
