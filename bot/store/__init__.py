"""The store: the only SQL in the project, behind one seam.

A *unit* is a function handed to :meth:`Store.write`. It runs alone, inside one transaction, and its result is
returned only after the commit. Units that arrive together share one commit (group commit); one that raises
leaves no trace and does not disturb the others. A unit must not touch the network, and what it does outside the
store must bear to be done twice: when one of a group raises, the others run again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from bot.store.tx import Tx

T = TypeVar("T")

__all__ = ["AlreadyRunning", "Damaged", "Store", "StoreError", "StoreUnavailable", "Tx"]


class StoreError(Exception):
    """Base of what the store raises on purpose."""


class StoreUnavailable(StoreError):
    """The database cannot be written just now (disk full, locked, closed). Nothing was changed; try again."""


class AlreadyRunning(StoreError):
    """Another ``run`` holds this database."""


class Damaged(StoreError):
    """The file is not a database that Patchbay can use."""


class Store(Protocol):
    """What the rest of the bot may ask of a store, whatever engine is behind it."""

    async def write(self, unit: Callable[[Tx], T]) -> T:
        """Run a unit in a transaction; returns after the commit. Raises ``StoreUnavailable`` or the unit's error."""
        ...

    async def read(self, query: Callable[[Tx], T]) -> T:
        """Run a query on a connection of its own: a consistent snapshot that blocks no writer."""
        ...

    def on_wake(self, listener: Callable[[frozenset[str]], None]) -> None:
        """Call ``listener`` in the event loop with topics changed by committed units or other processes (``*``)."""
        ...

    async def close(self) -> None:
        """Finish what was handed over, then close."""
        ...
