"""How long work takes on an ordinary machine, whatever else this one is doing just now."""

from __future__ import annotations

import time
from collections.abc import Callable

ORDINARY_S = 0.1
"""What :func:`_known` takes there."""


def ordinary_seconds(work: Callable[[], object], *, tries: int = 3) -> float:
    """The processor time of some work, the best of a few tries, each measured beside work that is known.

    A machine that is slow just now is slow at both, so that the relation stays.
    """
    return min(_seconds(work) / _seconds(_known) for _ in range(tries)) * ORDINARY_S


def _seconds(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def _known() -> int:
    found = {}
    for number in range(250_000):
        found[str(number)] = number * 2
    return len(found)
