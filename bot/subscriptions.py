"""Event subscriptions at providers: made, ended, and renewed before they end by themselves."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from bot.accounts import ProviderAccount
from bot.relay import Relay
from bot.store import Store, StoreError, Tx
from bridges.api import Inspects, Remembers, Subscribes, Subscription
from bridges.errors import BridgeError, Refused

logger = logging.getLogger(__name__)

NOTICED_S = 1.0
"""After this long a running bot has noticed what another process wrote."""
LOOK_S = 300.0
"""Seconds between two looks at what may have to be renewed; also before a renewal that failed is tried again."""
AHEAD_MOST_S = 86_400.0
"""A subscription is renewed when a quarter of its time is left, and a day before its end at the latest."""


INSPECT_S = 900.0
"""Seconds between two questions to a provider whether it still has a subscription."""


class NotSubscribed(Exception):
    """The provider did not take a subscription; the text is the line for a person."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How an account's subscription stood when it was last made or ended from here."""

    event: str
    active: bool
    at: float
    expires_at: float | None = None

    @property
    def renew_at(self) -> float | None:
        """When to renew it; None: never."""
        if not self.active or self.expires_at is None:
            return None
        return self.expires_at - min((self.expires_at - self.at) / 4, AHEAD_MOST_S)


def standing(tx: Tx, account: str) -> Standing | None:
    """What is known of an account's subscription; None if none was ever made from here."""
    text = tx.meta.get(f"subscription:{account}")
    if text is None:
        return None
    kept = json.loads(text)
    return Standing(str(kept["event"]), bool(kept["active"]), float(kept["at"]), kept.get("expires_at"))


async def make(
    store: Store, account: ProviderAccount, url: str, *, now: Callable[[], float] = time.time, elsewhere: bool
) -> Subscription:
    """Make or renew an account's subscription, by all attempts its bridge knows. Raises ``NotSubscribed``.

    Each attempt is made known before it is tried, for the provider may call the listener while it answers us.
    ``elsewhere``: the listener is another process, which needs a moment to notice.
    """
    bridge, name = account.bridge, account.name
    assert isinstance(bridge, Subscribes)
    attempts = bridge.attempts()
    before = dict(attempts[0])
    refusals: list[str] = []
    for number, memory in enumerate(attempts):
        known = dict(memory)
        if known:
            await _remember(store, name, known)
        if number and elsewhere:
            await asyncio.sleep(NOTICED_S)
        try:
            made = await account.run(bridge.attempt(url, memory=memory, now=datetime.fromtimestamp(now(), UTC)))
        except Refused as error:
            refusals.append(str(error))
            continue
        except BridgeError as error:
            await _as_before(store, account, before)
            raise NotSubscribed(str(error)) from error
        await _keep(store, name, made, memory=dict(made.memory) or known, now=now())
        return made
    await _as_before(store, account, before)
    if elsewhere:
        await asyncio.sleep(NOTICED_S)  # else a command right behind this one would meet what was tried last
    tried = f" ({len(refusals)} ways of answering the challenge were tried)" if len(refusals) > 1 else ""
    raise NotSubscribed(f"{refusals[-1]}; check that `patchbay run` is up and that web.public_url leads to it{tried}")


async def end(
    store: Store, account: ProviderAccount, url: str, *, now: Callable[[], float] = time.time
) -> Subscription:
    """End an account's subscription; already ended is success. Raises ``BridgeError``."""
    assert isinstance(account.bridge, Subscribes)
    ended = await account.run(account.bridge.unsubscribe(url))
    await _keep(store, account.name, ended, memory={}, now=now())
    return ended


async def missing(account: ProviderAccount, url: str) -> str | None:
    """What is wrong with the subscription at the provider, in words; None if it is there, or cannot be asked about.

    Raises ``BridgeError``.
    """
    if not isinstance(account.bridge, Inspects):
        return None
    found = await account.run(account.bridge.subscribed(url))
    if found is None:
        return f"{account.bridge.title} does not have it"
    return None if found.active else found.detail or "it is not active"


async def _remember(store: Store, name: str, memory: Mapping[str, str]) -> None:
    await store.write(lambda tx: tx.accounts.remember(name, memory))


async def _as_before(store: Store, account: ProviderAccount, before: Mapping[str, str]) -> None:
    """Nothing worked: the listener is to answer as it did."""
    if before:
        if isinstance(account.bridge, Remembers):
            account.bridge.recall(before)
        await _remember(store, account.name, before)


async def _keep(store: Store, name: str, made: Subscription, *, memory: Mapping[str, str], now: float) -> None:
    """Write down what was learnt and how the subscription stands now. Its URL is not: it ends in a secret."""
    ends_at = made.expires_at.timestamp() if made.expires_at is not None else None
    record = json.dumps({"event": made.event, "active": made.active, "at": now, "expires_at": ends_at})

    def unit(tx: Tx) -> None:
        if memory:
            tx.accounts.remember(name, memory)
        tx.meta.set(f"subscription:{name}", record)

    await store.write(unit)


class Renewals:
    """Renews what would end, while the bot runs."""

    def __init__(
        self,
        *,
        store: Store,
        accounts: Mapping[str, ProviderAccount],
        urls: Mapping[str, str],
        relay: Relay,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._accounts = {name: a for name, a in accounts.items() if isinstance(a.bridge, Subscribes) and name in urls}
        self._urls = urls
        self._relay = relay
        self._clock = clock
        self._inspected_at: dict[str, float] = {}
        self._task: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        store.on_wake(self._woken)

    def _woken(self, topics: frozenset[str]) -> None:
        if "*" in topics:
            self._wake.set()  # another process may have subscribed

    def start(self) -> None:
        """Look now and then, from now on."""
        if self._accounts:
            self._task = asyncio.create_task(self._run(), name="renewals")

    async def stop(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            wait_s = LOOK_S
            try:
                wait_s = await self.turn()
            except StoreError as error:
                logger.error("subscriptions cannot be looked at", extra={"action": "renew", "error": str(error)})
            except Exception as error:
                logger.error("subscriptions cannot be looked at", exc_info=error, extra={"action": "renew"})
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._wake.wait()

    async def turn(self) -> float:
        """Renew what is due; returns the seconds until the next look."""
        names = list(self._accounts)
        known = await self._store.read(lambda tx: {name: standing(tx, name) for name in names})
        wait_s = LOOK_S
        for name, stands in known.items():
            if stands is None or not stands.active:
                continue
            await self._inspect(name, stands)
            if stands.renew_at is None:
                continue
            left_s = stands.renew_at - self._clock()
            if left_s > 0:
                wait_s = min(wait_s, left_s)
            else:
                await self._renew(name, stands)
        return wait_s

    async def _inspect(self, name: str, stands: Standing) -> None:
        """Ask now and then whether the provider still has it; make it again if not, and say so."""
        now, account = self._clock(), self._accounts[name]
        if now - self._inspected_at.get(name, float("-inf")) < INSPECT_S:
            return
        self._inspected_at[name] = now
        try:
            gone = await missing(account, self._urls[name])
        except BridgeError as error:
            logger.info("a subscription could not be looked at", extra={"account": name, "error": str(error)})
            return
        if gone is None:
            return
        logger.warning("a subscription is gone", extra={"action": "renew", "account": name, "reason": gone})
        try:
            await make(self._store, account, self._urls[name], now=self._clock, elsewhere=False)
        except NotSubscribed as error:
            done = f"and could not be made again: {error}\nIt is tried again; at once: patchbay subscribe {name}"
        else:
            done = "and was made again. What was said there meanwhile may be missing here."
        text = f"The subscription of {name} ({stands.event}) did not work any more ({gone}), {done}"
        await self._store.write(lambda tx: self._relay.tell_owners(tx, text, now=now, once=f"{now // 86_400}:{text}"))

    async def _renew(self, name: str, stands: Standing) -> None:
        notice = f"subscription:{name}"
        try:
            await make(self._store, self._accounts[name], self._urls[name], now=self._clock, elsewhere=False)
        except NotSubscribed as error:
            logger.warning("not renewed", extra={"action": "renew", "account": name, "error": str(error)})
            assert stands.expires_at is not None
            now = self._clock()
            ended = now >= stands.expires_at
            text = (
                f"The subscription of {name} ({stands.event}) {'has ended' if ended else 'ends soon'} and could not be"
                f" renewed: {error}\nWithout it nothing comes in from there. It is tried again every"
                f" {LOOK_S / 60:g} minutes; at once: patchbay subscribe {name}"
            )
            await self._store.write(lambda tx: self._relay.tell_owners(tx, text, now=now, once=notice))
        else:
            logger.info("renewed", extra={"action": "renew", "account": name})
            await self._store.write(lambda tx: tx.notices.forget(notice))
