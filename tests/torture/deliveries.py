"""What tests of deliveries share: an observer that says nothing, a slow server, a row."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Literal

from starlette.types import ASGIApp, Receive, Scope, Send

from bot.store import Tx
from bot.store.outbox import Delivery, NewDelivery, Outcome
from bridges.model import Message

SLOW_S = 0.2


class Silent:
    """Nobody watches."""

    def settled(self, tx: Tx, rows: Sequence[Delivery], outcomes: Sequence[Outcome], *, now: float) -> None:
        """Nothing."""

    def paused(self, tx: Tx, account: str, *, reason: str, now: float) -> None:
        """Nothing."""

    def resumed(self, tx: Tx, account: str, *, now: float) -> None:
        """Nothing."""


class Slow:
    """An app that takes its time before it looks at a request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(SLOW_S)
        await self._app(scope, receive, send)


def new_delivery(
    conversation: str, text: str, *, on_ambiguous: Literal["hold", "resend"] = "hold", max_age_s: float = 3600.0
) -> NewDelivery:
    """A delivery to the account ``support``, made now."""
    now = time.time()
    return NewDelivery(
        account="support",
        conversation=conversation,
        payload=Message(text=text).model_dump_json(exclude_defaults=True),
        created_at=now,
        expires_at=now + max_age_s,
        on_ambiguous=on_ambiguous,
    )
