"""The balance: everything that came in and everything that was to go out ends in a countable way.

What came is counted when it comes, what became of it is counted anew from the rows that are there (and from the
counters of those that have had their time). Rows that were lost, doubled or smuggled in therefore show.
"""

from __future__ import annotations

from typing import TypedDict

from bot.store.inbox import OUTCOMES
from bot.store.outbox import STATES
from bot.store.tx import Tx

_INBOUND = ("accepted", *OUTCOMES, "pending")
_DELIVERIES = ("created", "sent", "held", "dead", "expired", "discarded", "cancelled", "queued", "sending")


class Balance(TypedDict):
    """What ``stats --json`` prints."""

    inbound: dict[str, int]
    deliveries: dict[str, int]
    balanced: bool


def balance(tx: Tx) -> Balance:
    """The balance of all accounts together. It is balanced only if that of each account is."""
    accounts = balances(tx).values()
    return {
        "inbound": {name: sum(of["inbound"][name] for of in accounts) for name in _INBOUND},
        "deliveries": {name: sum(of["deliveries"][name] for of in accounts) for name in _DELIVERIES},
        "balanced": all(of["balanced"] for of in accounts),
    }


def balances(tx: Tx) -> dict[str, Balance]:
    """The balance of each account that anything came from or went to, by name; for metrics."""
    counters, rows = tx.counters.all(), tx.outbox.counts()
    pending, failed = tx.inbox.count_pending(), tx.inbox.count_failed()
    names = {account for account, _ in counters} | {account for account, _ in rows} | pending.keys() | failed.keys()
    return {
        account: _balance(
            {name: counters.get((account, name), 0) for name in ("accepted", *OUTCOMES)}
            | {"pending": pending.get(account, 0)},
            {"created": counters.get((account, "created"), 0)}
            | {
                state: rows.get((account, state), 0) + counters.get((account, f"archived:{state}"), 0)
                for state in STATES
            },
            kept=failed.get(account, 0),
        )
        for account in sorted(names)
    }


def _balance(inbound: dict[str, int], deliveries: dict[str, int], *, kept: int) -> Balance:
    came, went = inbound["accepted"], deliveries["created"]
    balanced = (
        came == sum(inbound.values()) - came
        and went == sum(deliveries.values()) - went
        # Some events of an arrival may have failed where the others were done: never fewer than those kept for it.
        and inbound["failed"] >= kept
    )
    return {
        "inbound": {name: inbound[name] for name in _INBOUND},
        "deliveries": {name: deliveries[name] for name in _DELIVERIES},
        "balanced": balanced,
    }
