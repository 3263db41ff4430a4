"""What the bot knows of itself beside its database: how it is set up, and how it is in touch with Telegram."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from telegram import Bot


@dataclass(frozen=True, slots=True)
class InTouch:
    """How it is in touch with Telegram just now."""

    mode: Literal["polling", "webhook"]
    webhook_url: str | None = field(default=None, repr=False)
    """Where Telegram is to post; it ends in a secret."""
    reached_at: float | None = None
    trouble: str = ""
    conflict_at: float | None = None
    """When Telegram last said that another program polls with this token, or that a webhook is set."""


@dataclass(frozen=True, slots=True)
class Installation:
    """How it is set up."""

    public_url: str | None = None
    database: Path | None = None
    takes_hooks: Sequence[str] = ()
    """Accounts that are told by webhook what happens there."""
    hook_urls: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Where their providers post, as far as they can; each ends in a secret."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """See the module."""

    bot: Bot
    contact: Callable[[], InTouch]
    allowed_updates: Sequence[str] = ()
    """The kinds of updates that are needed."""
    installation: Installation = Installation()
    started_at: float = 0.0
