"""The search in what was said: by an index of the words, or through the newest messages where words have no ends."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bot.store.said import OLDEST, came_to

LOOKED_AT = 20_000
"""So many messages are looked at for a page: the writer must soon be free. Looking goes on with the next page."""
CHARACTERS = 5_000_000
"""As many characters, in which pieces of words are looked for."""
STEP = 500
"""Messages that are looked at before the characters are counted."""
HIT, END = "\x02", "\x03"
"""Around the words that were found, in an excerpt: they stand in no message."""
_AROUND = 24


@dataclass(frozen=True, slots=True)
class Stretch:
    """Conversations of an account, from one name to another in their order."""

    account: str
    first: str
    last: str


@dataclass(frozen=True, slots=True)
class Sought:
    """What somebody searches for."""

    match: str = field(default="", repr=False)
    """For the index; empty: nothing of it can be asked of the index."""
    pieces: tuple[str, ...] = field(default=(), repr=False)
    """What stands somewhere in the text, whatever is beside it."""
    sender: str = ""
    """Part of a name, or an id."""
    since: float | None = None
    until: float | None = None
    within: tuple[Stretch, ...] | None = None
    """Only there; None: anywhere."""
    seen: tuple[Stretch, ...] | None = None
    """What the person may see; None: everything."""
    partly: tuple[Stretch, ...] = ()
    """Of these they may see what was brought to their ``chat`` of Telegram's."""
    chat: str = ""


@dataclass(frozen=True, slots=True)
class Hit:
    """A message that was found."""

    id: int
    account: str
    conversation: str
    sender_id: str
    sender_name: str
    text: str = field(repr=False)
    at: float
    excerpt: str = field(default="", repr=False)
    """With the words that were found between ``HIT`` and ``END``; empty: the index did not find it."""


@dataclass(frozen=True, slots=True)
class Found:
    """A page of them, newest first."""

    hits: Sequence[Hit]
    before: int | None
    """Where the next page begins; None: this was the last."""


class Search:
    """Looks for words in messages."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def catch_up(self, *, limit: int) -> int:
        """Put the next messages into the index; returns how many were looked at, 0 where none is left out.

        It is not done with each message: one by one, in commits of their own, it costs several times as much.
        """
        (upto,) = self._db.execute("SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'words upto'").fetchone()
        number, last = self._db.execute(
            "SELECT COUNT(*), MAX(id) FROM (SELECT id FROM messages WHERE id > ? ORDER BY id LIMIT ?)", (upto, limit)
        ).fetchone()
        if number:
            self._db.execute(
                "INSERT INTO messages_words (rowid, text)"
                " SELECT id, text FROM messages WHERE id > ? AND id <= ? AND text != ''",
                (upto, last),
            )
            self._db.execute("UPDATE meta SET value = ? WHERE key = 'words upto'", (str(last),))
        return int(number)

    def find(self, sought: Sought, *, before: int = OLDEST, limit: int, look_at: int = LOOKED_AT) -> Found:
        """The newest that fit, below the message ``before``."""
        rows: list[Any] = []
        # What no index finds is looked for in the text itself: where there is much of it, fewer messages are looked at.
        step = STEP if sought.pieces else look_at
        last: int | None = before
        looked = characters = 0
        while last is not None and len(rows) <= limit:
            if looked >= look_at or characters >= CHARACTERS:
                break
            most = min(step, look_at - looked)
            rows += self._stretch(sought, before=last, most=most, limit=limit + 1 - len(rows))
            if len(rows) > limit:
                last = int(rows[limit - 1][0])
                break
            number, lowest, size = self._size(sought, before=last, most=most)
            looked, characters = looked + number, characters + size
            last = lowest if number >= most else None
        excerpts = self._excerpts(sought.match, [row[0] for row in rows[:limit]])
        return Found([replace(Hit(*row), excerpt=excerpts.get(row[0], "")) for row in rows[:limit]], last)

    def _stretch(self, sought: Sought, *, before: int, most: int, limit: int) -> list[Any]:
        """Those that fit among the next so many."""
        candidates, of = _candidates(sought)
        conditions, values = _conditions(sought)
        return self._db.execute(
            f"WITH {', '.join(map(_table, _TABLES))}"
            " SELECT m.id, m.account, m.conversation, COALESCE(m.sender_id, ''), COALESCE(m.sender_name, ''), m.text,"
            f" m.at FROM ({candidates}) AS c CROSS JOIN messages AS m ON m.id = c.id WHERE {conditions} LIMIT :limit",
            {**of, **values, "before": before, "most": most, "limit": limit},
        ).fetchall()

    def _size(self, sought: Sought, *, before: int, most: int) -> tuple[int, int | None, int]:
        """How many the next so many are, the oldest of them, and the characters in which pieces are looked for."""
        candidates, of = _candidates(sought)
        length = "(SELECT length(text) FROM messages WHERE messages.id = c.id)" if sought.pieces else "0"
        number, lowest, size = self._db.execute(
            f"SELECT COUNT(*), MIN(c.id), COALESCE(SUM({length}), 0) FROM ({candidates}) AS c",
            {**of, "before": before, "most": most},
        ).fetchone()
        return int(number), lowest, int(size)

    def _excerpts(self, match: str, ids: Sequence[int]) -> Mapping[int, str]:
        if not match or not ids:
            return {}
        rows = self._db.execute(
            f"SELECT rowid, snippet(messages_words, 0, ?, ?, '…', {_AROUND}) FROM messages_words"
            f" WHERE messages_words MATCH ? AND rowid IN ({', '.join('?' * len(ids))})",
            (HIT, END, match, *ids),
        )
        return {int(id): str(text) for id, text in rows}


_TABLES = ("inside", "inside_far", "seen", "seen_far", "partly", "partly_far")


def _table(name: str) -> str:
    """A table of stretches that is made of a value."""
    return (
        f"{name} (account, first, last) AS MATERIALIZED"
        f" (SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(:{name}))"
    )


def _rows(stretches: Sequence[Stretch]) -> str:
    return json.dumps([[each.account, each.first, each.last] for each in stretches])


def _candidates(sought: Sought) -> tuple[str, Mapping[str, object]]:
    """The messages to look at, newest first, and the values for that."""
    if sought.match:
        return (
            "SELECT rowid AS id FROM messages_words WHERE messages_words MATCH :match AND rowid < :before"
            " ORDER BY rowid DESC LIMIT :most",
            {"match": sought.match},
        )
    place = sought.within[0] if sought.within and len(sought.within) == 1 else None
    if place is not None and place.first == place.last:
        return (
            "SELECT id FROM messages WHERE account = :account AND conversation = :conversation AND id < :before"
            " ORDER BY id DESC LIMIT :most",
            {"account": place.account, "conversation": place.first},
        )
    return "SELECT id FROM messages WHERE id < :before ORDER BY id DESC LIMIT :most", {}


def _conditions(sought: Sought) -> tuple[str, Mapping[str, object]]:
    clauses = ["m.text != ''", "NOT (m.account = 'telegram' AND substr(m.text, 1, 1) = '/')"]
    values: dict[str, object] = dict.fromkeys(_TABLES, "[]")
    for number, piece in enumerate(sought.pieces):
        clauses.append(f"m.text LIKE :piece{number} ESCAPE '\\'")
        values[f"piece{number}"] = f"%{_escaped(piece)}%"
    if sought.sender:
        ways = dict.fromkeys((sought.sender, sought.sender.lower(), sought.sender.upper(), sought.sender.title()))
        likes = [f"m.sender_name LIKE :sender{number} ESCAPE '\\'" for number in range(len(ways))]
        clauses.append(f"(m.sender_id = :sender OR {' OR '.join(likes)})")
        values["sender"] = sought.sender
        values |= {f"sender{number}": f"%{_escaped(each)}%" for number, each in enumerate(ways)}
    for name, sign, at in (("since", ">=", sought.since), ("until", "<", sought.until)):
        if at is not None:
            clauses.append(f"m.at {sign} :{name}")
            values[name] = at
    for table, stretches in (("inside", sought.within), ("seen", sought.seen), ("partly", sought.partly)):
        values[table] = _rows([each for each in stretches or () if each.first == each.last])
        values[f"{table}_far"] = _rows([each for each in stretches or () if each.first != each.last])
    if sought.within is not None:
        clauses.append(_is_in("inside"))
    if sought.seen is not None:
        came, more = came_to(sought.chat)
        values |= more
        clauses.append(f"({_is_in('seen')} OR ({_is_in('partly')} AND {came}))" if sought.partly else _is_in("seen"))
    return " AND ".join(clauses), values


def _is_in(table: str) -> str:
    """Single conversations are looked up, for there may be hundreds; of longer stretches there are a few."""
    return (
        f"((m.account, m.conversation) IN (SELECT account, first FROM {table}) OR EXISTS (SELECT 1"
        f" FROM {table}_far AS p WHERE p.account = m.account AND m.conversation BETWEEN p.first AND p.last))"
    )


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
