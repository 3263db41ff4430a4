"""What is kept of a person, and how it goes: ids stay, so that replies find their way and the balance stays."""

from __future__ import annotations

import json
import re
import sqlite3
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeAlias

from bot.store.broadcasts import WORDLESS
from bot.store.outbox import State
from bot.store.schedules import FORGOTTEN

WAITING: tuple[State, ...] = ("queued", "sending", "held", "dead")
"""What somebody still sends or decides about: its words are needed."""
SETTLED: tuple[State, ...] = ("sent", "expired", "discarded", "cancelled")
EMPTY = "{}"
_BOTS_OWN = "the bot's own"
_SHORTEST = 2


Page: TypeAlias = tuple[Sequence[int], int | None]
"""Some rows, and after which one to go on; None: these were the last."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A schedule that is still to come."""

    id: int
    name: str
    when: str
    target: str = ""
    """What of its targets is meant."""


@dataclass(frozen=True)
class Known:
    """A person as the store knows them."""

    account: str
    id: str
    names: tuple[str, ...] = field(default=(), repr=False)

    @property
    def who(self) -> str:
        """As tables of several accounts name them."""
        return f"{self.account}:{self.id}"

    @cached_property
    def _anything(self) -> re.Pattern[bytes]:
        return _words((self.id, *self.names))

    @cached_property
    def _names(self) -> re.Pattern[bytes]:
        return _words(self.names)

    def is_in(self, text: str | bytes) -> bool:
        """Whether their id or one of their names stands there as a word."""
        return self._anything.search(text if isinstance(text, bytes) else text.encode("utf-8", "replace")) is not None

    def without(self, text: str) -> str:
        """The text with their names taken out."""
        return self._names.sub(b"somebody", text.encode("utf-8", "replace")).decode("utf-8", "replace")

    def is_named_in(self, text: str) -> bool:
        """Whether one of their names stands there as a word."""
        return self._names.search(text.encode("utf-8", "replace")) is not None

    @property
    def maker(self) -> str | None:
        """As schedules name who made them; None: somebody who can have made none."""
        return self.id if self.account == "telegram" and self.id not in ("", FORGOTTEN) else None


def _words(words: Iterable[str]) -> re.Pattern[bytes]:
    """Finds any of them standing alone, as it is written or as JSON may write it."""
    long = [word for word in words if len(word) >= _SHORTEST]
    forms = {form for word in long for form in (word.encode("utf-8", "replace"), json.dumps(word)[1:-1].encode())}
    if not forms:
        return re.compile(rb"(?!)")
    # The longest first: a name may be the beginning of another.
    either = b"|".join(map(re.escape, sorted(forms, key=len, reverse=True)))
    return re.compile(rb"(?<![0-9A-Za-z_])(?:" + either + rb")(?![0-9A-Za-z_])")


class Erasing:
    """Looks for a person everywhere, and takes out what was said and what they are called."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    # --- who

    def called(self, name: str) -> Sequence[tuple[str, str]]:
        """Everybody who was known by exactly this name: account and id."""
        rows = self._db.execute(
            "SELECT DISTINCT account, sender_id FROM messages WHERE sender_name = ? AND sender_id != ''"
            " UNION SELECT 'telegram', person FROM people WHERE name = ?"
            " UNION SELECT 'telegram', person FROM schedules WHERE person_name = ? AND person NOT IN ('', ?)"
            " ORDER BY 1, 2",
            (name, name, name, FORGOTTEN),
        )
        return [(str(account), str(id)) for account, id in rows]

    def known(self, account: str, id: str) -> Known:
        """A person with every name they were seen under."""
        rows = self._db.execute(
            "SELECT DISTINCT sender_name FROM messages WHERE account = ?1 AND sender_id = ?2 AND sender_name != ''"
            " UNION SELECT name FROM people WHERE ?1 = 'telegram' AND person = ?2"
            " UNION SELECT username FROM people WHERE ?1 = 'telegram' AND person = ?2 AND username != ''"
            " UNION SELECT person_name FROM schedules WHERE ?1 = 'telegram' AND person = ?2 AND person_name != ''"
            " ORDER BY 1",
            (account, id),
        )
        return Known(account, id, tuple(str(name) for (name,) in rows))

    # --- what there is

    def messages(self, person: Known) -> Sequence[int]:
        """The messages that they wrote."""
        rows = self._db.execute(
            "SELECT id FROM messages WHERE account = ? AND sender_id = ? ORDER BY id", (person.account, person.id)
        )
        return [int(id) for (id,) in rows]

    def busy(self, ids: Sequence[int]) -> set[int]:
        """Those of these messages with deliveries that still wait."""
        found: set[int] = set()
        for id in ids:
            for column in ("message", "subject"):
                row = self._db.execute(
                    f"SELECT 1 FROM outbox WHERE {column} = ? AND state IN ({_marks(WAITING)}) LIMIT 1", (id, *WAITING)
                ).fetchone()
                if row is not None:
                    found.add(id)
        return found

    def announcing(self, person: Known) -> int:
        """How many announcements of theirs are under way."""
        row = self._db.execute(
            "SELECT COUNT(*) FROM broadcasts WHERE ended_at IS NULL AND ? = 'telegram' AND person = ?",
            (person.account, person.id),
        ).fetchone()
        return int(row[0])

    def schedules_of(self, person: Known) -> Sequence[Planned]:
        """Schedules that they made and that are still to come, also those that are paused or wait for somebody."""
        rows = self._db.execute(
            f"SELECT id, name, rule FROM schedules WHERE person = ? AND {_COMING} ORDER BY id", (person.maker,)
        )
        return [Planned(*row) for row in rows]

    def schedules_to(self, person: Known) -> Sequence[Planned]:
        """Schedules, whoever made them, that are still to come and go to them alone: by the address, a name of it or an
        audience.
        """
        found: dict[int, Planned] = {}
        for address in self._private(person):
            rows = self._db.execute(
                "WITH meant (target) AS (VALUES (?1) UNION SELECT name FROM names WHERE address = ?1"
                " UNION SELECT '@' || name FROM audience_members WHERE address = ?1)"
                " SELECT id, name, rule, t.target FROM meant JOIN schedule_targets AS t USING (target)"
                f" JOIN schedules ON schedules.id = t.schedule WHERE {_COMING}",
                (address,),
            )
            found |= {row[0]: Planned(*row) for row in rows}
        return [found[id] for id in sorted(found)]

    def _private(self, person: Known) -> Sequence[str]:
        """The addresses of their private chats."""
        rows = self._db.execute(
            "SELECT DISTINCT conversation FROM messages AS m WHERE account = ? AND sender_id = ? AND EXISTS (SELECT 1"
            " FROM conversations WHERE account = m.account AND conversation = m.conversation AND kind = 'direct')",
            (person.account, person.id),
        )
        return [*{person.who: None} | {f"{person.account}:{conversation}": None for (conversation,) in rows}]

    def schedules(self, person: Known) -> Mapping[str, int]:
        """How many schedules say who they are."""
        if person.maker is None:
            return {}
        coming, over = self._db.execute(
            f"SELECT COALESCE(SUM({_COMING}), 0), COALESCE(SUM(NOT ({_COMING})), 0) FROM schedules WHERE person = ?",
            (person.maker,),
        ).fetchone()
        approved = self._db.execute(
            f"SELECT COUNT(*) FROM schedules WHERE {_listed('approved_by')}", (person.maker,)
        ).fetchone()[0]
        return {"schedules to come": coming, "schedules that are over": over, "approvals of schedules": approved}

    def waiting(self, person: Known) -> Sequence[tuple[int, State]]:
        """Deliveries of their messages that still wait: number and state."""
        rows = self._db.execute(
            "SELECT o.id, o.state FROM outbox AS o JOIN messages AS m ON m.id = COALESCE(o.message, o.subject)"
            f" WHERE o.state IN ({_marks(WAITING)}) AND m.account = ? AND m.sender_id = ? ORDER BY o.id",
            (*WAITING, person.account, person.id),
        )
        return [(int(id), state) for id, state in rows]

    def deliveries(self, person: Known) -> int:
        """How many settled deliveries of their messages still have their words."""
        row = self._db.execute(
            "SELECT COUNT(*) FROM outbox AS o JOIN messages AS m ON m.id = COALESCE(o.message, o.subject)"
            f" WHERE o.state IN ({_marks(SETTLED)}) AND o.payload != ? AND m.account = ? AND m.sender_id = ?",
            (*SETTLED, EMPTY, person.account, person.id),
        ).fetchone()
        return int(row[0])

    def rows_of(self, person: Known) -> Mapping[str, int]:
        """How many rows of the smaller tables are theirs."""
        return {what: int(self._db.execute(count, values).fetchone()[0]) for what, count, _, values in _small(person)}

    # --- places to look through, some rows at a time

    def arrivals(self, person: Known, *, after: int, limit: int) -> Page:
        """Arrivals that name them and are dealt with."""
        return self._arrivals("done", person, after=after, limit=limit)

    def failed_arrivals(self, person: Known, *, after: int, limit: int) -> Page:
        """Arrivals that name them and are kept to be tried again."""
        return self._arrivals("failed", person, after=after, limit=limit)

    def _arrivals(self, state: str, person: Known, *, after: int, limit: int) -> Page:
        return self._among(
            f"SELECT id, body FROM inbox WHERE id > ? AND state = '{state}' AND body != CAST('{{}}' AS BLOB)"
            " ORDER BY id LIMIT ?",
            lambda row: person.is_in(row[1]),
            after=after,
            limit=limit,
        )

    def mentions(self, person: Known, *, after: int, limit: int) -> Page:
        """Settled deliveries that name them, and what the bot itself said, whoever that was about."""
        return self._among(
            f"SELECT id, payload, COALESCE(words, ''), why, COALESCE(error, '') FROM outbox WHERE id > ?"
            f" AND state IN ('sent', 'expired', 'discarded', 'cancelled') AND (payload != '{EMPTY}' OR why != '')"
            " ORDER BY id LIMIT ?",
            lambda row: (row[3] == _BOTS_OWN and row[1] != EMPTY) or person.is_in("\n".join(map(str, row[1:]))),
            after=after,
            limit=limit,
        )

    def imports(self, person: Known, *, after: int, limit: int) -> Page:
        """Messages of the past that name them and are not sent."""
        return self._among(
            "SELECT n, payload FROM imports WHERE n > ? AND payload != '' ORDER BY n LIMIT ?",
            lambda row: person.is_in(row[1]),
            after=after,
            limit=limit,
        )

    def notes(self, person: Known, *, after: int, limit: int) -> Page:
        """What became of occurrences, where that names them."""
        return self._among(
            "SELECT id, note FROM occurrences WHERE id > ? AND note != '' ORDER BY id LIMIT ?",
            lambda row: person.is_named_in(row[1]),
            after=after,
            limit=limit,
        )

    def _among(self, query: str, is_one: Callable[[tuple[Any, ...]], bool], *, after: int, limit: int) -> Page:
        rows = self._db.execute(query, (after, limit)).fetchall()
        return [row[0] for row in rows if is_one(row)], rows[-1][0] if len(rows) == limit else None

    # --- what goes

    def be_thorough(self) -> None:
        """What is overwritten from now on leaves no trace in the pages of the file."""
        self._db.execute("PRAGMA secure_delete = ON")

    def empty_arrivals(self, ids: Iterable[int]) -> None:
        """What came in raw is nothing any more; that it came, and its key, stay."""
        self._db.executemany(
            "UPDATE inbox SET body = CAST('{}' AS BLOB), headers = '[]' WHERE id = ?", [(id,) for id in ids]
        )

    def empty_deliveries(self, person: Known, ids: Iterable[int]) -> None:
        """Settled deliveries lose their words, with the texts and files that were lent for them; they still count.

        One that expired could be sent again: it is discarded.
        """
        for id in ids:
            row = self._db.execute(
                f"SELECT created_at, why, error, state FROM outbox WHERE id = ? AND state IN ({_marks(SETTLED)})",
                (id, *SETTLED),
            ).fetchone()
            if row is None:
                continue
            created_at, why, error, state = row
            own = why == _BOTS_OWN
            keeps_why = own or why.startswith("route ")
            self._db.execute(
                "UPDATE outbox SET payload = ?, crc = ?, words = NULL, why = ?, error = ?, state = ? WHERE id = ?",
                (
                    EMPTY,
                    zlib.crc32(EMPTY.encode()),
                    why if keeps_why else person.without(why),
                    None if error is None else person.without(error),
                    "discarded" if state == "expired" else state,
                    id,
                ),
            )
            if not own:
                self._db.execute("DELETE FROM texts WHERE at = ?", (created_at,))
                self._db.execute("DELETE FROM files WHERE created_at = ?", (created_at,))

    def rename_notes(self, person: Known, ids: Iterable[int]) -> None:
        """What became of occurrences does not name them any more."""
        for id in ids:
            for (note,) in self._db.execute("SELECT note FROM occurrences WHERE id = ?", (id,)).fetchall():
                self._db.execute("UPDATE occurrences SET note = ? WHERE id = ?", (person.without(note), id))

    def drop_schedule(self, id: int) -> None:
        """A schedule loses words, name and targets and is removed; its rule and what became of it stay for a while."""
        self._db.execute(
            f"UPDATE schedules SET state = 'removed', next_at = NULL, warn_at = NULL, message = ?, {_NAMELESS}"
            " WHERE id = ?",
            (EMPTY, id),
        )
        self._db.execute("DELETE FROM schedule_targets WHERE schedule = ?", (id,))

    def disown_schedules(self, person: Known) -> None:
        """Their schedules are nobody's: those that are over lose their words, the others go on with them, and are told
        of to the owners instead of in the person's private chat. Their approvals count on, without the id.
        """
        if person.maker is None:
            return
        for (id,) in self._db.execute(
            f"SELECT id FROM schedules WHERE person = ? AND NOT ({_COMING})", (person.maker,)
        ).fetchall():
            self.drop_schedule(id)
        named = self._db.execute("SELECT id, name FROM schedules WHERE person = ? AND name != ''", (person.maker,))
        self._db.executemany(
            f"UPDATE schedules SET {_NAMELESS} WHERE id = ?",
            [(id,) for id, name in named.fetchall() if person.is_named_in(name)],
        )
        self._db.execute(
            # "0" is the character after "/".
            "UPDATE schedules SET person = ?1, person_name = '',"
            " chat = IIF(chat = ?2 OR (chat > ?2 || '/' AND chat < ?2 || '0'), '', chat) WHERE person = ?3",
            (FORGOTTEN, person.who, person.maker),
        )
        for column in ("asked_by", "approved_by"):
            self._db.execute(
                f"UPDATE schedules SET {column} = trim(replace(',' || {column} || ',', ',' || ?1 || ',',"
                f" ',{FORGOTTEN},'), ',') WHERE {_listed(column)}",
                (person.maker,),
            )

    def drop_imports(self, ids: Iterable[int]) -> None:
        """Messages of the past that were not sent are not to be sent any more."""
        self._db.executemany("DELETE FROM imports WHERE n = ?", [(id,) for id in ids])

    def empty_messages(self, person: Known, ids: Sequence[int]) -> None:
        """Their messages lose words and author, with what was made of them; the ids stay everywhere."""
        for id in ids:
            rows = self._db.execute(
                f"SELECT id FROM outbox WHERE message = ?1 AND state IN ({_marks(SETTLED, first=2)})"
                f" UNION SELECT id FROM outbox WHERE subject = ?1 AND state IN ({_marks(SETTLED, first=2)})",
                (id, *SETTLED),
            ).fetchall()
            self.empty_deliveries(person, [row[0] for row in rows])
            self._db.execute("DELETE FROM pictures WHERE message = ?", (id,))
            self._db.execute(
                "UPDATE messages SET text = '', sender_id = '', sender_name = '', why = '', digest = '' WHERE id = ?",
                (id,),
            )

    def drop_rows_of(self, person: Known) -> None:
        """The smaller tables."""
        for _, _, change, values in _small(person):
            self._db.execute(change, values)

    def rename_places(self, person: Known) -> None:
        """Conversations that are called like them, topics that were opened for them, reasons that name them."""
        self._db.executemany(
            "UPDATE conversations SET title = '' WHERE title = ?", [(name,) for name in person.names if name]
        )
        for table, column, key in (("topics", "title", "id"), ("accounts", "reason", "account")):
            rows = self._db.execute(f"SELECT {key}, {column} FROM {table} WHERE {column} != ''").fetchall()
            found = [(person.without(text), id) for id, text in rows if person.is_in(text)]
            self._db.executemany(f"UPDATE {table} SET {column} = ? WHERE {key} = ?", found)


_COMING = (
    "(state != 'removed' AND (next_at IS NOT NULL"
    " OR EXISTS (SELECT 1 FROM occurrences AS o WHERE o.schedule = schedules.id AND o.state IN ('asked', 'waits'))))"
)
"""Something of the schedule is still to come, or to be decided."""
_NAMELESS = "name = '', called = '', options = IIF(json_valid(options), json_remove(options, '$.name'), '{}')"


def _listed(column: str) -> str:
    """Whether somebody is among the persons that a column of schedules lists."""
    return f"instr(',' || {column} || ',', ',' || ?1 || ',')"


_Small: TypeAlias = tuple[str, str, str, tuple[object, ...]]


def _small(person: Known) -> Sequence[_Small]:
    """What, how it is counted, how it goes, for whom."""

    def all_of(what: str, table: str, where: str, *values: object) -> _Small:
        return what, f"SELECT COUNT(*) FROM {table} WHERE {where}", f"DELETE FROM {table} WHERE {where}", values

    found = [
        all_of("reactions", "reactions", "person = ?", person.who),
        all_of("names they are told apart by", "faces", "person = ?", person.who),
    ]
    if person.account != "telegram":
        return found
    ended = (
        "person = ? AND ended_at IS NOT NULL"
        f" AND (text != '' OR shown != {WORDLESS} OR label != '' OR person_name != '')"
    )
    return [
        *found,
        all_of("what is known of them in Telegram", "people", "person = ?", person.id),
        all_of("wizards they are in", "dialogs", "person = ?", person.id),
        all_of("cards for them", "cards", "person = ?", person.id),
        (
            "announcements that ended",
            f"SELECT COUNT(*) FROM broadcasts WHERE {ended}",
            f"UPDATE broadcasts SET text = '', shown = {WORDLESS}, label = '', person_name = '' WHERE {ended}",
            (person.id,),
        ),
    ]


def _marks(values: Sequence[object], *, first: int = 0) -> str:
    return ", ".join(f"?{first + n}" if first else "?" for n in range(len(values)))
