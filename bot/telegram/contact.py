"""What is written down of the contact with Telegram: when it was reached, and the numbers of what came.

``gaps.py`` says what follows from that; here it is kept, and the owners are told.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from bot.relay import Relay
from bot.store import Store, Tx
from bot.store.inbox import Arrived
from bot.telegram.gaps import ABSENT_S, Numbers, absence_text, missing, missing_text, noted

logger = logging.getLogger(__name__)

CONTACT_EVERY_S = 60.0
"""How often it is written down that Telegram was reached."""


class Contact:
    """Keeps when a bot last reached Telegram and which updates it got; tells the owners what will not come."""

    def __init__(
        self, *, store: Store, relay: Relay, bot: str, patience_s: Callable[[], float], clock: Callable[[], float]
    ) -> None:
        """``bot``: its id, under which things are kept: of another bot, others. ``patience_s``: ``missing``'s."""
        self._store = store
        self._relay = relay
        self._patience_s = patience_s
        self._clock = clock
        self._numbers = f"telegram_updates:{bot}"
        self._contact = f"telegram_contact:{bot}"
        self.at: float | None = None
        """When it was last written down."""

    async def note(self) -> None:
        """Write down now and then that Telegram is reached, and tell the owners if it was not for too long."""
        now = self._clock()
        if self.at is not None and 0 <= now - self.at < CONTACT_EVERY_S:
            return

        def unit(tx: Tx) -> None:
            before = tx.meta.get(self._contact)
            absent = 0.0 if before is None else now - float(before)
            if absent >= ABSENT_S:
                self._relay.tell_owners(tx, absence_text(absent), now=now)
            tx.meta.set(self._contact, str(now))
            self._give_up(tx, now=now)

        await self._store.write(unit)
        self.at = now

    def note_numbers(self, tx: Tx, arrived: Sequence[Arrived], *, now: float) -> None:
        """Write down which updates came; belongs into the transaction that takes them."""
        known = Numbers.model_validate_json(tx.meta.get(self._numbers) or "{}")
        known = noted(known, [int(item.key or 0) for item in arrived], now=now)
        tx.meta.set(self._numbers, known.model_dump_json())
        if known.holes:
            self._give_up(tx, now=now)

    def _give_up(self, tx: Tx, *, now: float) -> None:
        """Tell the owners of updates that will not come any more."""
        known = Numbers.model_validate_json(tx.meta.get(self._numbers) or "{}")
        known, lost = missing(known, now=now, patience_s=self._patience_s())
        if lost:
            logger.warning("updates are missing", extra={"action": "telegram", "updates": lost})
            self._relay.tell_owners(tx, missing_text(lost), now=now)
            tx.meta.set(self._numbers, known.model_dump_json())
