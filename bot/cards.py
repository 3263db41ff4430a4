"""Cards: buttons below a message of the bot, kept as a row; each can be used once (:mod:`bot.telegram.cards`)."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Sequence

from bot.store import Tx
from bridges.model import Button

EXPIRES_S = 900.0
"""How long a confirmation can be pressed."""


def deal(
    tx: Tx,
    kind: str,
    choices: Sequence[tuple[str, str]],
    *,
    chat: str,
    now: float,
    person: int | None = None,
    subject: int = 0,
    payload: object = None,
    shown: str = "",
    expires_s: float | None = EXPIRES_S,
    beside: bool = True,
) -> tuple[Button, ...]:
    """Make a card and return its buttons; ``choices`` are pairs of label and choice; ``=word`` after a choice says
    what it is about. A button holds 64 bytes (https://core.telegram.org/bots/api#inlinekeyboardbutton, 2026-11).

    ``person``: the only one who may press. ``shown``: what it is bound to, of which the digest is kept. ``beside``:
    the buttons stand in one row.
    """
    nonce = secrets.token_urlsafe(12)
    tx.cards.add(
        nonce,
        kind=kind,
        subject=subject,
        chat=chat,
        now=now,
        person="" if person is None else str(person),
        expires_at=None if expires_s is None else now + expires_s,
        shown=digest(shown) if shown else "",
        payload=json.dumps(payload if payload is not None else {}, ensure_ascii=False),
        offered=[choice for _, choice in choices],
    )
    return tuple(
        Button(label=label, data=f"{kind}:{choice}:{nonce}", beside=beside and number > 0)
        for number, (label, choice) in enumerate(choices)
    )


def digest(shown: str) -> str:
    """What a confirmation is bound to."""
    return hashlib.sha256(shown.encode("utf-8", "surrogatepass")).hexdigest()
