"""Conversations, messages and the id map: every remote id ↔ every copy, with part numbers."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from bridges.model import AccountName, Person, PersonId

ByHand: TypeAlias = Literal["command", "reply"]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a message was written."""

    id: int
    account: str
    conversation: str
    remote_id: str | None
    sender_id: str
    sender_name: str
    text: str = field(repr=False)
    at: float
    why: str
    digest: str = ""
    """Of the content; empty: not known."""
    gone_at: float | None = None
    """When it was taken back."""
    by_hand: str = ""
    """``command`` or ``reply``: somebody's role sent it on, and no rule."""

    @property
    def address(self) -> str:
        """The conversation as people write it."""
        return f"{self.account}:{self.conversation}"

    @property
    def author(self) -> Person | None:
        """Who wrote it; None: the bot itself, or it is not known."""
        if not self.sender_id:
            return None
        return Person(id=PersonId(self.sender_id), name=self.sender_name, account=AccountName(self.account))


@dataclass(frozen=True, slots=True)
class Copy:
    """One appearance of a message on another side."""

    account: str
    conversation: str
    remote_id: str
    part: int
    outbox: int


@dataclass(frozen=True, slots=True)
class Found:
    """A message, found by an id that it has somewhere."""

    origin: Origin
    conversation: str
    """Where it has that id."""
    part: int
    """Which part of the copy there it is; 0: the original, or a note about it."""

    @property
    def is_original(self) -> bool:
        """Whether that is where it was written (the pictures of an album are one message with several ids)."""
        return self.conversation == self.origin.conversation


@dataclass(frozen=True, slots=True)
class Picture:
    """One of the messages that an album is made of."""

    number: int
    remote_id: str
    captioned: bool
    """Whether the album's words stand at this one."""
    attachments: str = field(repr=False)
    """As JSON."""


_ORIGIN = "id, account, conversation, remote_id, sender_id, sender_name, text, at, why, digest, gone_at, by_hand"


class Conversations:
    """Every place a message came from or went to."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def touch(self, account: str, conversation: str, *, kind: str, title: str, now: float, handle: str = "") -> None:
        """Note that something happened there; a known title or handle is kept if no other one is given."""
        self._db.execute(
            "INSERT INTO conversations (account, conversation, kind, title, first_at, last_at, handle)"
            " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (account, conversation) DO UPDATE SET"
            " last_at = excluded.last_at,"
            " title = CASE WHEN excluded.title = '' THEN title ELSE excluded.title END,"
            " handle = CASE WHEN excluded.handle = '' THEN handle ELSE excluded.handle END",
            (account, conversation, kind, title, now, now, handle),
        )

    def handle(self, account: str, conversation: str) -> str:
        """What the provider itself calls it, or nothing."""
        row = self._db.execute(
            "SELECT handle FROM conversations WHERE account = ? AND conversation = ?", (account, conversation)
        ).fetchone()
        return str(row[0]) if row else ""

    def learn_handle(self, account: str, conversation: str, handle: str, *, before: str, now: float) -> None:
        """Keep what a send learnt, unless something newer than ``before``, which it began with, came in meanwhile."""
        if self.handle(account, conversation) in ("", before):
            self.touch(account, conversation, kind="direct", title="", now=now, handle=handle)

    def latest(self, account: str, *, limit: int = 1000) -> Sequence[tuple[str, str]]:
        """The conversations of an account with their titles, the latest first."""
        rows = self._db.execute(
            "SELECT conversation, title FROM conversations WHERE account = ? ORDER BY last_at DESC LIMIT ?",
            (account, limit),
        )
        return [(str(conversation), str(title)) for conversation, title in rows]

    def is_known(self, account: str, conversation: str) -> bool:
        """Whether anything happened there yet."""
        found = self._db.execute(
            "SELECT 1 FROM conversations WHERE account = ? AND conversation = ?", (account, conversation)
        )
        return found.fetchone() is not None

    def title(self, account: str, conversation: str) -> str:
        """The title, or nothing."""
        row = self._db.execute(
            "SELECT title FROM conversations WHERE account = ? AND conversation = ?", (account, conversation)
        ).fetchone()
        return str(row[0]) if row else ""

    def move(self, account: str, old: str, new: str) -> None:
        """It is called otherwise from now on, with all that is in it; what is known of the new one stays."""
        _move(self._db, "conversations", account, old, new, unique=True)


class Messages:
    """Messages as they were written, and their copies elsewhere."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def add(
        self,
        *,
        account: str,
        conversation: str,
        remote_id: str | None,
        sender_id: str,
        sender_name: str,
        text: str,
        at: float,
        why: str = "",
        digest: str = "",
    ) -> int:
        """Keep a message; returns its id. The same remote id again returns the row that is there."""
        cursor = self._db.execute(
            "INSERT INTO messages (account, conversation, remote_id, sender_id, sender_name, text, at, why, digest)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (account, remote_id) WHERE remote_id IS NOT NULL DO NOTHING",
            (account, conversation, remote_id, sender_id, sender_name, text, at, why, digest),
        )
        if cursor.rowcount:
            assert cursor.lastrowid is not None
            return cursor.lastrowid
        row = self._db.execute(
            "SELECT id FROM messages WHERE account = ? AND remote_id = ?", (account, remote_id)
        ).fetchone()
        return int(row[0])

    def get(self, id: int) -> Origin | None:
        """A message by our own id."""
        row = self._db.execute(f"SELECT {_ORIGIN} FROM messages WHERE id = ?", (id,)).fetchone()
        return Origin(*row) if row else None

    def find(self, account: str, remote_id: str) -> Origin | None:
        """The message that has this id there, as the original or as a copy."""
        row = self._db.execute(
            f"SELECT {_ORIGIN} FROM messages WHERE account = ? AND remote_id = ?", (account, remote_id)
        ).fetchone()
        if row is None:
            row = self._db.execute(
                f"SELECT {_ORIGIN} FROM messages WHERE id ="
                " (SELECT message FROM copies WHERE account = ? AND remote_id = ?)",
                (account, remote_id),
            ).fetchone()
        return Origin(*row) if row else None

    def locate(self, account: str, remote_id: str) -> Found | None:
        """The message that has this id there, and where that is; of several conversations of one account too."""
        row = self._db.execute(
            f"SELECT {_ORIGIN} FROM messages WHERE account = ? AND remote_id = ?", (account, remote_id)
        ).fetchone()
        if row is not None:
            origin = Origin(*row)
            return Found(origin, origin.conversation, 0)
        copy = self._db.execute(
            "SELECT message, conversation, part FROM copies WHERE account = ? AND remote_id = ?", (account, remote_id)
        ).fetchone()
        if copy is None:
            return None
        found = self.get(int(copy[0]))
        return None if found is None else Found(found, str(copy[1]), int(copy[2]))

    def rewrite(self, id: int, *, text: str, digest: str, now: float | None = None) -> None:
        """It has these words; ``now``: because it was edited."""
        self._db.execute(
            "UPDATE messages SET text = ?, digest = ?, edited_at = COALESCE(?, edited_at) WHERE id = ?",
            (text, digest, now, id),
        )

    def sent_by_hand(self, id: int, how: ByHand) -> None:
        """A person's role sends it on, and no rule. What is a command stays one."""
        self._db.execute("UPDATE messages SET by_hand = ? WHERE id = ? AND by_hand != 'command'", (how, id))

    def gone(self, id: int, *, now: float) -> None:
        """It was taken back: its words are forgotten."""
        self._db.execute("UPDATE messages SET text = '', gone_at = ? WHERE id = ?", (now, id))

    def add_alias(self, message: int, *, account: str, conversation: str, remote_id: str) -> None:
        """Another id that the original has where it was written (a further picture of an album)."""
        self._db.execute(
            "INSERT OR IGNORE INTO copies (message, account, conversation, remote_id, part, outbox)"
            " VALUES (?, ?, ?, ?, 0, 0)",
            (message, account, conversation, remote_id),
        )

    # --- albums

    def put_picture(self, message: int, picture: Picture) -> None:
        """Keep one of the messages that an album is made of, as it is now."""
        self._db.execute(
            "INSERT OR REPLACE INTO pictures (message, number, remote_id, captioned, attachments)"
            " VALUES (?, ?, ?, ?, ?)",
            (message, picture.number, picture.remote_id, picture.captioned, picture.attachments),
        )

    def pictures(self, message: int) -> Sequence[Picture]:
        """The messages that an album is made of, in order; none for what is no album."""
        rows = self._db.execute(
            "SELECT number, remote_id, captioned, attachments FROM pictures WHERE message = ? ORDER BY number",
            (message,),
        )
        return [Picture(int(n), str(id), bool(captioned), str(files)) for n, id, captioned, files in rows]

    def prune_pictures(self, *, before: float, limit: int = 500) -> int:
        """Forget what hung on albums written before ``before``, with the names of the files; the ids stay.

        Only the first albums are looked at: they are the oldest.
        """
        return self._db.execute(
            "DELETE FROM pictures WHERE message IN (SELECT messages.id FROM (SELECT DISTINCT message FROM pictures"
            " ORDER BY message LIMIT ?) JOIN messages ON messages.id = message WHERE messages.at < ?)",
            (limit, before),
        ).rowcount

    # --- sent without being told an id

    def nameless(self, outbox: int, *, account: str, conversation: str, now: float) -> None:
        """Something was sent whose id is not known: an echo may tell it."""
        if not self._db.execute(
            "SELECT 1 FROM copies WHERE account = ? AND conversation = ? AND outbox = ?",
            (account, conversation, outbox),
        ).fetchone():
            self._db.execute(
                "INSERT OR REPLACE INTO nameless (outbox, account, conversation, at) VALUES (?, ?, ?, ?)",
                (outbox, account, conversation, now),
            )

    def nameless_in(self, account: str, conversation: str, *, since: float) -> Sequence[int]:
        """Deliveries to a place, sent since then or on their way, whose ids are not known: the oldest first."""
        rows = self._db.execute(
            "SELECT outbox FROM nameless WHERE account = ? AND conversation = ? AND at >= ?"
            " UNION SELECT id FROM outbox WHERE account = ? AND conversation = ? AND state = 'sending' ORDER BY 1",
            (account, conversation, since, account, conversation),
        )
        return [int(id) for (id,) in rows]

    def named(self, outbox: int) -> None:
        """Its id is known now."""
        self._db.execute("DELETE FROM nameless WHERE outbox = ?", (outbox,))

    def prune_nameless(self, *, before: float, limit: int = 500) -> int:
        """No echo comes that late."""
        return self._db.execute(
            "DELETE FROM nameless WHERE outbox IN (SELECT outbox FROM nameless WHERE at < ? LIMIT ?)", (before, limit)
        ).rowcount

    # --- reactions

    def reactions(self, message: int, person: str) -> tuple[str, ...]:
        """What a person has on a message."""
        row = self._db.execute(
            "SELECT emoji FROM reactions WHERE message = ? AND person = ?", (message, person)
        ).fetchone()
        return tuple(json.loads(row[0])) if row else ()

    def reactions_beside(self, message: int, person: str) -> Sequence[tuple[str, str]]:
        """What others than this person have on a message: who, and what."""
        rows = self._db.execute(
            "SELECT person, emoji FROM reactions WHERE message = ? AND person != ? ORDER BY person", (message, person)
        )
        return [(str(who), str(emoji)) for who, held in rows for emoji in json.loads(held)]

    def react(self, message: int, person: str, emoji: Sequence[str]) -> None:
        """These are a person's reactions on a message now."""
        if emoji:
            self._db.execute(
                "INSERT OR REPLACE INTO reactions (message, person, emoji) VALUES (?, ?, ?)",
                (message, person, json.dumps(list(emoji), ensure_ascii=False)),
            )
        else:
            self._db.execute("DELETE FROM reactions WHERE message = ? AND person = ?", (message, person))

    # --- a conversation that is called otherwise

    def move(self, account: str, old: str, new: str) -> None:
        """The id map follows a conversation to its new name; the ids themselves stay what they are."""
        for table in ("messages", "copies", "nameless"):
            _move(self._db, table, account, old, new)

    def latest_of(self, places: Sequence[tuple[str, str]], *, limit: int) -> Sequence[Origin]:
        """The last messages that were written in these conversations and have words, the oldest first."""
        found: list[Origin] = []
        for account, conversation in places:
            rows = self._db.execute(
                f"SELECT {_ORIGIN} FROM messages WHERE account = ? AND conversation = ? AND text != ''"
                " ORDER BY id DESC LIMIT ?",
                (account, conversation, limit),
            )
            found += [Origin(*row) for row in rows]
        return sorted(found, key=lambda origin: origin.id)[-limit:]

    # --- what has had its time

    def prune(self, *, before: float, limit: int = 500) -> int:
        """Blank texts written before ``before``; ids, senders and copies stay, so that replies still find their way.

        At most ``limit`` rows, so that the writer is soon free; returns how many: call again until it is 0.
        """
        return self._db.execute(
            "UPDATE messages SET text = '' WHERE id IN"
            " (SELECT id FROM messages WHERE text != '' AND at < ? ORDER BY at LIMIT ?)",
            (before, limit),
        ).rowcount

    def add_copy(self, message: int, copy: Copy) -> None:
        """Keep where a message went."""
        self._db.execute(
            "INSERT OR REPLACE INTO copies (message, account, conversation, remote_id, part, outbox)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (message, copy.account, copy.conversation, copy.remote_id, copy.part, copy.outbox),
        )

    def forget_copies(self, message: int, account: str, conversation: str, *, part: int) -> None:
        """A part of a message is not there any more."""
        self._db.execute(
            "DELETE FROM copies WHERE message = ? AND account = ? AND conversation = ? AND part = ?",
            (message, account, conversation, part),
        )

    def copies(self, message: int) -> Sequence[Copy]:
        """Every appearance of a message on other sides."""
        rows = self._db.execute(
            "SELECT account, conversation, remote_id, part, outbox FROM copies WHERE message = ?"
            " ORDER BY account, conversation, part",
            (message,),
        )
        return [Copy(*row) for row in rows]

    def remote_id_in(self, message: int, account: str, conversation: str) -> str | None:
        """The id a message has in a conversation, so that a reply there can point at it."""
        row = self._db.execute(
            "SELECT remote_id FROM copies WHERE message = ? AND account = ? AND conversation = ? AND part > 0"
            " ORDER BY part LIMIT 1",
            (message, account, conversation),
        ).fetchone()
        if row is None:
            row = self._db.execute(
                "SELECT remote_id FROM messages WHERE id = ? AND account = ? AND conversation = ?",
                (message, account, conversation),
            ).fetchone()
        return str(row[0]) if row and row[0] is not None else None

    def remote_ids_of(self, message: int, account: str, conversation: str, *, part: int) -> Sequence[str]:
        """The ids of one part of a message in a conversation (an album's pictures are one part), as they were sent.

        Where it was written, the original's own id is that of every part.
        """
        rows = self._db.execute(
            "SELECT remote_id FROM copies WHERE message = ? AND account = ? AND conversation = ? AND part = ?",
            (message, account, conversation, part),
        ).fetchall()
        if not rows:
            rows = self._db.execute(
                "SELECT remote_id FROM messages WHERE id = ? AND account = ? AND conversation = ?"
                " AND remote_id IS NOT NULL",
                (message, account, conversation),
            ).fetchall()
        return [str(row[0]) for row in rows]


def _move(db: sqlite3.Connection, table: str, account: str, old: str, new: str, *, unique: bool = False) -> None:
    """Write ``new`` for ``old`` in a table's conversations, also at the beginning of those that are in it."""
    within = "account = ? AND (conversation = ? OR (conversation > ? AND conversation < ?))"
    bounds = (account, old, f"{old}/", f"{old}0")
    conflict = "OR IGNORE " if unique else ""
    db.execute(
        f"UPDATE {conflict}{table} SET conversation = ? || substr(conversation, ?) WHERE {within}",
        (new, len(old) + 1, *bounds),
    )
    if unique:
        db.execute(f"DELETE FROM {table} WHERE {within}", bounds)
