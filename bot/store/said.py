"""What was said in a conversation: what was written there, and what was sent there from elsewhere."""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from bridges.model import Message

OLDEST = 1 << 62
"""Before everything: where looking back begins."""
_NO_COMMAND = "NOT (account = 'telegram' AND substr(text, 1, 1) = '/')"
"""What is said to this bot is said to nobody else."""


@dataclass(frozen=True, slots=True)
class Written:
    """A message that was written there."""

    id: int
    account: str
    conversation: str
    remote_id: str | None
    sender_id: str
    sender_name: str
    text: str = field(repr=False)
    at: float
    gone: int
    edited: int
    digest: str


@dataclass(frozen=True, slots=True)
class Sent:
    """A delivery to it."""

    id: int
    at: float
    state: str
    error: str
    message: int | None
    """The message (ours) that it is of, or about."""
    part: int
    parts: int
    said: Message | None = field(repr=False)
    """As it stands there; None: damaged."""
    sender_id: str = ""
    sender_name: str = ""
    home: tuple[str, str] | None = None
    """Account and conversation where the message was written."""
    words: str = field(default="", repr=False)
    """The message's own words, without what was put before them on the way."""
    edited: bool = False
    gone: bool = False
    changed_to: Message | None = field(default=None, repr=False)
    """What it got since nobody knows whether it arrived: it goes out if it is sent again."""


def came_to(chat: str, *, at: str = "m.id") -> tuple[str, Mapping[str, object]]:
    """A condition: the message ``at`` was brought to this chat of Telegram's, or to one of its topics."""
    there = "account = 'telegram' AND (conversation = :chat OR conversation BETWEEN :chat_first AND :chat_last)"
    clause = (
        f"(EXISTS (SELECT 1 FROM copies WHERE message = {at} AND {there})"
        f" OR EXISTS (SELECT 1 FROM outbox WHERE message = {at} AND op = 'send' AND {there}))"
    )
    return clause, {"chat": chat, "chat_first": f"{chat}/", "chat_last": f"{chat}/\U0010ffff"}


class Said:
    """Looks back at conversations, a page at a time."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def written(
        self,
        account: str,
        conversation: str,
        *,
        before: int = OLDEST,
        after: int = 0,
        limit: int,
        forward: bool = False,
        brought_to: str | None = None,
    ) -> Sequence[Written]:
        """Messages written there, commands to this bot left out, the newest first (``forward``: the oldest).

        ``brought_to``: only those that came to this chat of Telegram's.
        """
        came, values = came_to(brought_to, at="messages.id") if brought_to is not None else ("TRUE", {})
        here = {"account": account, "place": conversation, "before": before, "after": after, "most": limit}
        rows = self._db.execute(
            "SELECT id, account, conversation, remote_id, COALESCE(sender_id, ''), COALESCE(sender_name, ''), text, at,"
            " gone_at IS NOT NULL, edited_at IS NOT NULL, digest FROM messages"
            f" WHERE account = :account AND conversation = :place AND id < :before AND id > :after AND {_NO_COMMAND}"
            f" AND {came} ORDER BY id {'ASC' if forward else 'DESC'} LIMIT :most",
            {**here, **values},
        )
        return [Written(*row) for row in rows]

    def sent(
        self,
        account: str,
        conversation: str,
        *,
        before: int = OLDEST,
        after: int = 0,
        limit: int,
        chat: str | None = None,
        brought: bool = False,
        states: Sequence[str] = (),
        forward: bool = False,
    ) -> Sequence[Sent]:
        """Deliveries to it, the newest first (``forward``: the oldest); the bot's own words are not among them.

        ``chat``: only those of messages that were not written in other chats of Telegram than this one;
        ``brought``: and of those that were written elsewhere only what came to this one, too.
        """
        values: dict[str, object] = {"account": account, "place": conversation}
        values |= {"before": before, "after": after, "most": limit}
        where = ""
        if states:
            where += " AND o.state IN (SELECT value FROM json_each(:states))"
            values["states"] = json.dumps(list(states))
        if chat is not None:
            came, more = came_to(chat)
            where += (
                f" AND m.id IS NOT NULL AND (m.account != 'telegram' AND {came if brought else 'TRUE'} OR"
                " m.account = 'telegram' AND (m.conversation = :chat OR m.conversation BETWEEN :chat_first AND"
                " :chat_last))"
            )
            values |= more
        rows = self._db.execute(
            "SELECT o.id, o.created_at, o.state, COALESCE(o.error, ''), m.id, o.part, o.parts, o.payload, o.crc,"
            " COALESCE(m.sender_id, ''), COALESCE(m.sender_name, ''), m.account, m.conversation, COALESCE(m.text, ''),"
            " CASE WHEN o.state = 'held' AND o.owed & 1 THEN o.words END"
            " FROM outbox AS o INDEXED BY outbox_place LEFT JOIN messages AS m ON m.id = COALESCE(o.message, o.subject)"
            " WHERE o.account = :account AND o.conversation = :place AND o.id < :before AND o.id > :after"
            " AND o.op IN ('send', 'note')"
            f" AND o.why != 'the bot''s own' {where} ORDER BY o.id {'ASC' if forward else 'DESC'} LIMIT :most",
            values,
        )
        return [
            Sent(
                id, at, state, error, message, part, parts, _message(payload, crc, perhaps=perhaps), sender_id,
                sender_name, None if home is None else (home, place), words,
                changed_to=_message(payload, crc) if perhaps else None,
            )
            for id, at, state, error, message, part, parts, payload, crc, sender_id, sender_name, home, place, words,
            perhaps in rows
        ]  # fmt: skip

    def as_it_stands(self, account: str, conversation: str, sent: Sequence[Sent]) -> Sequence[Sent]:
        """These deliveries with what was done to them there since: other words, or taken back."""
        changes = self._changes(account, conversation, {each.message for each in sent if each.message is not None})
        return [_changed(each, changes.get((each.message or 0, each.part))) for each in sent]

    def _changes(
        self, account: str, conversation: str, messages: Iterable[int]
    ) -> Mapping[tuple[int, int], tuple[str, Message | None]]:
        """The last change that was made there of each part of these messages."""
        ids = list(messages)
        rows = self._db.execute(
            "SELECT subject, part, op, payload, crc FROM outbox"
            f" WHERE subject IN ({', '.join('?' * len(ids))}) AND account = ? AND conversation = ?"
            " AND op IN ('edit', 'delete') AND state = 'sent' ORDER BY id",
            (*ids, account, conversation),
        )
        return {(subject, part): (op, _message(payload, crc)) for subject, part, op, payload, crc in rows}

    def files_of(self, message: int) -> Sequence[Message]:
        """What of a message went to the first place that it went to: the files that hang on it."""
        rows = self._db.execute(
            "SELECT account, conversation, payload, crc FROM outbox WHERE message = ? AND op = 'send' ORDER BY id",
            (message,),
        ).fetchall()
        made = [_message(payload, crc) for account, place, payload, crc in rows if (account, place) == rows[0][:2]]
        return [each for each in made if each is not None]

    def in_telegram(self, message: int) -> Sequence[tuple[str, str]]:
        """Where a message stands in Telegram: conversation and id, where it was written first."""
        rows = self._db.execute(
            "SELECT conversation, remote_id FROM messages WHERE id = ? AND account = 'telegram' AND remote_id NOTNULL"
            " UNION ALL SELECT * FROM (SELECT conversation, remote_id FROM copies WHERE message = ?"
            " AND account = 'telegram' AND part > 0 ORDER BY conversation, part)",
            (message, message),
        )
        return [(str(conversation), str(id)) for conversation, id in rows]


def _message(payload: str, crc: int, *, perhaps: str | None = None) -> Message | None:
    if zlib.crc32(payload.encode()) != crc:
        return None
    return Message.model_validate_json(perhaps or payload)


def _changed(sent: Sent, change: tuple[str, Message | None] | None) -> Sent:
    if change is None:
        return sent
    op, message = change
    return replace(sent, gone=True) if op == "delete" else replace(sent, edited=True, said=message or sent.said)
