"""Forgetting a person: what is kept of them, and how it goes, a little at a time and beside a running bot.

Ids stay everywhere, so that replies find their way and the balance stays. It may be stopped at any time and done again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from bot import decisions
from bot.addresses import TELEGRAM
from bot.store import Store, Tx
from bot.store.erasing import Known, Page, Planned
from bot.store.outbox import State

AT_ONCE = 200
TELEGRAM_ID_MOST = 19
"""Digits: https://core.telegram.org/bots/api#user (2026-11) speaks of 52 bits; a 64-bit integer has 19."""
OWNER = "owner"
EVERYWHERE = "*"
MESSAGES, DELIVERIES, MENTIONS = "messages", "deliveries of these", "other deliveries that name them, and answers"
ARRIVALS, FAILED, IMPORTS, ROLES = "raw arrivals", "failed arrivals", "past messages not sent", "roles"
NOTES = "notes of schedules that name them"
STAYS = (
    "ids of messages and conversations stay: replies find their way, and the balance stays",
    "the audit stays, with ids and without words",
    "what others wrote stays, also where they name them",
    "files that a running bot keeps on its disk go when it starts the next time",
    "schedules of theirs that are still to come go on with their words, as nobody's; --also-waiting removes them",
    "names given with /name, titles of chats and topics in Telegram, and backups are not touched",
)


class PersonError(ValueError):
    """Nobody, or not one person alone, is meant; says who could be."""


class _Looks(Protocol):
    def __call__(self, person: Known, *, after: int, limit: int) -> Page: ...


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of somebody."""

    person: Known
    found: Mapping[str, int]
    """How many of what would go."""
    waiting: Sequence[tuple[int, State]]
    """Deliveries that still wait."""
    announcing: int
    """Announcements under way."""
    notes: Sequence[str]
    """What is not simply removed."""
    schedules: Sequence[Planned] = ()
    """Those that they made and that are still to come."""
    schedules_to: Sequence[Planned] = ()
    """Those, whoever made them, that go to their private chat: people decide about them."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing."""
        return not any(self.found.values()) and not self.waiting and not self.announcing

    @property
    def waits(self) -> int:
        """How much of it somebody may still need."""
        return len(self.waiting) + self.announcing + self.found[FAILED] + self.found[IMPORTS]


def find_person(tx: Tx, word: str, *, accounts: Collection[str]) -> tuple[str, str]:
    """Who is meant: account and id. A Telegram id, ``@name``, ``account:id`` or an exact name of one person only.

    Raises ``PersonError``.
    """
    word = word.strip()
    account, colon, id = word.partition(":")
    if word.isascii() and word.isdigit():
        return TELEGRAM, _telegram_id(word)
    if word.startswith("@"):
        seen = tx.people.named(word)
        if seen is None:
            raise PersonError(f"nobody called {word} was seen in Telegram; give their numeric id")
        return TELEGRAM, seen.person
    if colon and id and account.lower() == TELEGRAM:
        return TELEGRAM, _telegram_id(id)
    if colon and id and account.lower() in accounts:
        return account.lower(), id
    found = tx.erasing.called(word)
    if not found:
        raise PersonError(f"nobody called {word!r} is known; give a Telegram id, @name or account:id")
    if len(found) > 1:
        them = ", ".join(f"{account}:{id}" for account, id in found)
        raise PersonError(f"{len(found)} people are called {word!r}: {them}; say which")
    return found[0]


def _telegram_id(id: str) -> str:
    if len(id) > TELEGRAM_ID_MOST:
        raise PersonError(f"{id[:TELEGRAM_ID_MOST]}… is no Telegram id: these have at most {TELEGRAM_ID_MOST} digits")
    return id


async def look(store: Store, account: str, id: str, *, owners: Collection[int]) -> Kept:
    """What is kept of somebody; changes nothing."""
    person = await store.read(lambda tx: tx.erasing.known(account, id))

    def unit(tx: Tx) -> Kept:
        erasing = tx.erasing
        going, notes = _roles(tx, person, owners=owners)
        found = {
            MESSAGES: len(erasing.messages(person)),
            DELIVERIES: erasing.deliveries(person),
            **erasing.rows_of(person),
            **erasing.schedules(person),
            ROLES: len(going),
        }
        return Kept(
            person, found, erasing.waiting(person), erasing.announcing(person), notes,
            erasing.schedules_of(person), erasing.schedules_to(person),
        )  # fmt: skip

    kept = await store.read(unit)
    looked = {
        what: await _count(store, person, pages)
        for what, pages in (
            (ARRIVALS, lambda tx: tx.erasing.arrivals),
            (MENTIONS, lambda tx: tx.erasing.mentions),
            (FAILED, lambda tx: tx.erasing.failed_arrivals),
            (IMPORTS, lambda tx: tx.erasing.imports),
            (NOTES, lambda tx: tx.erasing.notes),
        )
    }
    # Their own deliveries name them too, and are counted above.
    looked[MENTIONS] = max(looked[MENTIONS] - kept.found[DELIVERIES], 0)
    return replace(kept, found={**kept.found, **looked})


def steps_of(kept: Kept) -> int:
    """About how many steps it is to forget them, for who waits."""
    rows = sum(kept.found[what] for what in (ARRIVALS, MENTIONS, FAILED, IMPORTS, NOTES, MESSAGES))
    return rows // AT_ONCE + 5


def _roles(tx: Tx, person: Known, *, owners: Collection[int]) -> tuple[Mapping[str, str], Sequence[str]]:
    """What is taken away, and what is not."""
    if person.account != TELEGRAM:
        return {}, ()
    held = dict(tx.roles.held(person.id))
    notes = []
    if person.id in map(str, owners):
        notes.append(f"{person.id} is an owner by telegram.owners of the configuration: take the id out there")
    others = {*tx.roles.holders(OWNER), *map(str, owners)} - {person.id}
    if held.get(EVERYWHERE) == OWNER and not others:
        del held[EVERYWHERE]
        notes.append(f"{person.id} is the last owner and stays it: grant another person the role first")
    return held, notes


async def _count(store: Store, person: Known, looks: Callable[[Tx], _Looks]) -> int:
    number, after = 0, 0
    while True:
        ids, last = await store.read(partial(_page, person=person, looks=looks, after=after))
        number += len(ids)
        if last is None:
            return number
        after = last


def _page(tx: Tx, *, person: Known, looks: Callable[[Tx], _Looks], after: int) -> Page:
    return looks(tx)(person, after=after, limit=AT_ONCE)


class Forgetter:
    """Forgets one person."""

    def __init__(self, store: Store, kept: Kept, *, by: str, owners: Collection[int], now: float) -> None:
        self._store = store
        self._kept = kept
        self._person = kept.person
        self._by = by
        self._owners = owners
        self._now = now

    async def forget(
        self,
        *,
        also_waiting: Sequence[tuple[int, State]] = (),
        also_schedules: Sequence[int] = (),
        told: Callable[[int], None],
    ) -> int:
        """Do it; returns how many messages could not go yet because they are just being sent.

        ``told``: how many steps were done since it was told last. What names them goes first, for the names are
        needed to find it; who they are goes last.
        """
        for id in also_schedules:
            await self._store.write(partial(self._drop_schedule, id=id))
            told(1)
        for id, _ in also_waiting:
            await self._store.write(partial(self._let_go, id=id))
            told(1)
        person = self._person
        await self._through(lambda tx: tx.erasing.arrivals, lambda tx, ids: tx.erasing.empty_arrivals(ids), told)
        await self._through(
            lambda tx: tx.erasing.mentions, lambda tx, ids: tx.erasing.empty_deliveries(person, ids), told
        )
        if self._kept.waits:
            failed = self._through(
                lambda tx: tx.erasing.failed_arrivals, lambda tx, ids: tx.erasing.empty_arrivals(ids), told
            )
            await failed
            await self._through(lambda tx: tx.erasing.imports, lambda tx, ids: tx.erasing.drop_imports(ids), told)
        await self._through(lambda tx: tx.erasing.notes, lambda tx, ids: tx.erasing.rename_notes(person, ids), told)
        # Before their messages are looked for: from here on no schedule makes another one in their name.
        await self._store.write(self._disown_schedules)
        messages = await self._store.read(lambda tx: tx.erasing.messages(person))
        left = 0
        for start in range(0, len(messages), AT_ONCE):
            left += await self._store.write(partial(self._messages, ids=messages[start : start + AT_ONCE]))
            told(1)
        left += await self._store.write(partial(self._rest, left=left))
        return left

    async def _through(
        self,
        looks: Callable[[Tx], _Looks],
        change: Callable[[Tx, Sequence[int]], None],
        told: Callable[[int], None],
    ) -> None:
        after: int | None = 0
        while after is not None:
            ids, after = await self._store.read(partial(_page, person=self._person, looks=looks, after=after))
            if ids:
                await self._store.write(partial(self._thoroughly, change=change, ids=ids))
            told(1)

    def _thoroughly(self, tx: Tx, *, change: Callable[[Tx, Sequence[int]], None], ids: Sequence[int]) -> None:
        tx.erasing.be_thorough()
        change(tx, ids)

    def _drop_schedule(self, tx: Tx, *, id: int) -> None:
        tx.erasing.be_thorough()
        tx.erasing.drop_schedule(id)

    def _disown_schedules(self, tx: Tx) -> None:
        tx.erasing.be_thorough()
        tx.erasing.disown_schedules(self._person)

    def _let_go(self, tx: Tx, *, id: int) -> None:
        """What waits is discarded; what is just being sent stays."""
        row = tx.outbox.get(id)
        if row is not None and row.state in ("queued", "held", "dead"):
            try:
                decisions.discard(tx, row, now=self._now)
            except decisions.DecisionError:
                return  # it left in between

    def _messages(self, tx: Tx, *, ids: Sequence[int]) -> int:
        tx.erasing.be_thorough()
        busy = tx.erasing.busy(ids)
        tx.erasing.empty_messages(self._person, [id for id in ids if id not in busy])
        return len(busy)

    def _rest(self, tx: Tx, *, left: int) -> int:
        """Who they are, and what they may do; as long as something is left they must be found again."""
        person = self._person
        tx.erasing.be_thorough()
        announcing = tx.erasing.announcing(person)
        if not left and not announcing:
            tx.erasing.rename_places(person)
            tx.erasing.drop_rows_of(person)
        going, _ = _roles(tx, person, owners=self._owners)
        for scope in going:
            tx.roles.revoke(person.id, scope=scope)
        outcome = "done" if not left and not announcing else "not all of it could go yet"
        tx.audit.add(person=self._by, place="", command=f"forget {person.who}", outcome=outcome, now=self._now)
        return announcing
