"""Places where a change of a message is the same: it is made at the first of them and repeated at the others.

An announcement stands at thousands of places. To work it out for each holds the writer for longer than people wait.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from bot import loops
from bot.addresses import Address
from bot.store import Tx
from bot.store.outbox import Delivery
from bridges.model import Message

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _First(Generic[T]):
    """What was done at the first of those that look the same."""

    result: T
    rows: Sequence[Delivery]
    others: list[Address] = field(default_factory=list)


class Alike(Generic[T]):
    """What is done at many places because of one message. ``source``: where that was written."""

    def __init__(self, tx: Tx, *, source: Address, now: float) -> None:
        self._tx = tx
        self._source = source
        self._now = now
        self._firsts: dict[Hashable, _First[T]] = {}

    def do(self, work: Callable[[], T], *, at: Address, look: Hashable) -> T:
        """Make the deliveries for a place, or note that it gets the same as one that looks the same (until
        :meth:`finish`). ``look`` None: it is like no other.
        """
        if look is None:
            return work()
        first = self._firsts.get(look)
        if first is None:
            before = self._tx.several.last()
            result = work()
            self._firsts[look] = _First(result, self._tx.several.since(before))
            return result
        first.others.append(at)
        return first.result

    def finish(self) -> None:
        """Make the deliveries that were only noted."""
        for first in self._firsts.values():
            pairs = [(row.id, place.conversation) for place in first.others for row in first.rows]
            self._tx.several.repeat(pairs)
            for row in first.rows if first.others else ():
                said = row.payload if row.op == "note" else row.words or ""
                told = [Message.model_validate_json(line) for line in said.split("\n") if line]
                loops.remember_everywhere(
                    self._tx, Message(), told, source=self._source, into=first.others, now=self._now
                )
