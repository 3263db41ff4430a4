"""What /metrics shows, in Prometheus' text format: counts from the store, durations as they happen."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from bot.store import Store, Tx
from bot.store.balance import balances

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200)


class _Families(Collector):
    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = tuple(families)

    def collect(self) -> Iterable[Metric]:
        return self._families


class Metrics:
    """The bot's numbers."""

    def __init__(self, *, store: Store, accounts: Iterable[str]) -> None:
        self._store = store
        self._accounts = tuple(accounts)
        self._live = CollectorRegistry()
        self._requests = Counter(
            "patchbay_provider_requests",
            "Sends by outcome of the attempt",
            ("account", "outcome"),
            registry=self._live,
        )
        self._seconds = Histogram(
            "patchbay_delivery_seconds",
            "From accepted to sent",
            ("account",),
            buckets=SECONDS,
            registry=self._live,
        )
        self._lateness = Histogram(
            "patchbay_schedule_lateness_seconds",
            "How late schedules fired",
            buckets=SECONDS,
            registry=self._live,
        )
        self._requests_of: dict[tuple[str, str], Any] = {}
        self._seconds_of: dict[str, Any] = {}

    def request(self, account: str, outcome: str) -> None:
        """An attempt ended like this."""
        child = self._requests_of.get((account, outcome))
        if child is None:
            child = self._requests_of[account, outcome] = self._requests.labels(account, outcome)
        child.inc()

    def delivered(self, account: str, seconds: float) -> None:
        """A delivery was sent, so long after it was accepted."""
        child = self._seconds_of.get(account)
        if child is None:
            child = self._seconds_of[account] = self._seconds.labels(account)
        child.observe(max(0.0, seconds))

    def schedule_fired(self, late_s: float) -> None:
        """A schedule fired, so long after its time."""
        self._lateness.observe(max(0.0, late_s))

    async def page(self, *, now: float) -> bytes:
        """The whole page."""
        families = await self._store.read(lambda tx: self._from_store(tx, now=now))
        registry = CollectorRegistry()
        registry.register(_Families(families))
        return generate_latest(registry) + generate_latest(self._live)

    def _from_store(self, tx: Tx, *, now: float) -> list[Metric]:
        inbound = CounterMetricFamily("patchbay_inbound", "Inbound items by outcome", labels=("account", "outcome"))
        states = GaugeMetricFamily("patchbay_deliveries_total", "Deliveries by state", labels=("account", "state"))
        depth = GaugeMetricFamily("patchbay_outbox_depth", "Deliveries that wait", labels=("account",))
        oldest = GaugeMetricFamily(
            "patchbay_outbox_oldest_seconds", "Age of the oldest that waits", labels=("account",)
        )
        up = GaugeMetricFamily("patchbay_account_up", "1 unless the account is paused", labels=("account",))
        for account, balance in balances(tx).items():
            for name, number in balance["inbound"].items():
                inbound.add_metric((account, name), number)
            for name, number in balance["deliveries"].items():
                states.add_metric((account, name), number)
        waiting = tx.outbox.depth()
        for account in self._accounts:
            number, since = waiting.get(account, (0, now))
            depth.add_metric((account,), number)
            oldest.add_metric((account,), max(0.0, now - since))
            up.add_metric((account,), 0 if tx.accounts.get(account).paused else 1)
        return [inbound, states, depth, oldest, up]
