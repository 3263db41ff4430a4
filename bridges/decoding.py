"""What every bridge needs to turn a webhook into events."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from bridges.api import Hook
from bridges.model import Unsupported
from bridges.signing import fingerprint

_EPOCH = datetime.fromtimestamp(0, UTC)


def arrived_at(hook: Hook) -> datetime:
    """When a webhook came, aware; 1970 where that is not known, so that the same hook gives the same events."""
    at = hook.received_at or _EPOCH
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def unsupported(item: object, *, name: str, at: datetime) -> Unsupported:
    """Something real that is not carried, by what its JSON holds. ``name`` shows in counters and logs."""
    return Unsupported(key=fingerprint("unsupported", json.dumps(item, sort_keys=True)), at=at, name=name)
