"""What a turn leaves behind: what became of its updates in the inbox, and a line of the audit."""

from __future__ import annotations

from typing import Protocol

from bot.store import Tx
from bot.telegram.access import Role
from bot.telegram.lanes import Turn


class RoleIn(Protocol):
    """Says which role a person holds in a chat."""

    def __call__(self, tx: Tx, person: int | None, *, chat: int | None) -> Role: ...


def is_open(tx: Tx, turn: Turn) -> bool:
    """Whether nothing has been decided on any of its updates."""
    return all(tx.inbox.is_pending(item.id) for item in turn.items)


def done(tx: Tx, turn: Turn, outcome: str) -> None:
    """Each update of an album becomes what the album became."""
    for item in turn.items:
        if tx.inbox.is_pending(item.id):
            tx.inbox.done(item, [outcome])


def audit(tx: Tx, person: int | None, *, place: str, command: str, outcome: str, now: float) -> None:
    """Write down who did what, and what came of it."""
    tx.audit.add(person=str(person or ""), place=place, command=command[:64], outcome=outcome, now=now)
