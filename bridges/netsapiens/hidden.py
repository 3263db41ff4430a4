"""What must never stand in words of ours: the secrets of the settings and every token that was fetched."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

KEPT_MOST = 256
"""Fetched tokens that are remembered: at one an hour, with its refresh token, those of five days."""
_ESCAPE = re.compile("%[0-9A-F]{2}")


class Hidden:
    """Strings to hide in what a server said; a server may repeat them as they are or percent-encoded."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._always = tuple(dict.fromkeys(form for secret in secrets for form in _forms(secret)))
        self._fetched: OrderedDict[str, tuple[str, ...]] = OrderedDict()

    def add(self, token: str) -> None:
        """Hide this one too; of many the latest are kept."""
        self._fetched[token] = _forms(token)
        self._fetched.move_to_end(token)
        while len(self._fetched) > KEPT_MOST:
            self._fetched.popitem(last=False)

    def forms(self, *more: str) -> tuple[str, ...]:
        """Everything to hide, and these besides; the longest first, so that none leaves a piece of another."""
        fetched = (form for forms in self._fetched.values() for form in forms)
        given = (form for each in more for form in _forms(each))
        return tuple(sorted({*self._always, *fetched, *given}, key=len, reverse=True))


def _forms(secret: str) -> tuple[str, ...]:
    written = (quote(secret, safe="", errors="replace"), quote(secret, errors="replace"))
    encoded = (*written, quote_plus(secret, errors="replace"))
    small = (_ESCAPE.sub(lambda found: found[0].lower(), each) for each in encoded)
    return tuple(dict.fromkeys((secret, *encoded, *small)))
