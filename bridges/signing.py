"""Proofs of origin, ours and theirs: compared in constant time, several keys for rotation."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import httpx

from bridges.errors import Untrusted

TOLERANCE_S = 300


class Bearer(httpx.Auth):
    """Puts ``Authorization: Bearer …`` on each request; its ``repr`` does not show the token."""

    def __init__(self, token: str) -> None:
        self._value = f"Bearer {token}"

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """See ``httpx.Auth``."""
        request.headers["Authorization"] = self._value
        yield request


@dataclass(frozen=True, slots=True)
class KeptToken:
    """A token that was fetched, and how it is kept across restarts (``Remembers``)."""

    value: str = field(repr=False)
    expires_at: datetime | None = None
    """None: not known."""

    @property
    def mark(self) -> str:
        """Tells this token from others and nothing about it: ``Credentials.mark``."""
        return fingerprint("token", self.value)[:12]

    def stale(self, now: datetime, *, margin: timedelta) -> bool:
        """Whether it ends within ``margin``."""
        return self.expires_at is not None and now >= self.expires_at - margin

    def to_memory(self, name: str = "token", *, bound_to: str = "") -> dict[str, str]:
        """As it is remembered, under this name; ``bound_to`` is a :func:`binding` to what it was got with."""
        kept = {name: self.value}
        if bound_to:
            kept[f"{name}_bound_to"] = bound_to
        return kept if self.expires_at is None else {**kept, f"{name}_expires_at": self.expires_at.isoformat()}

    @classmethod
    def from_memory(cls, memory: Mapping[str, str], name: str = "token", *, bound_to: str = "") -> KeptToken | None:
        """The token remembered under this name, if it can be sent in a header and was got with the same settings."""
        value = memory.get(name, "")
        if not value or not all("!" <= c <= "~" for c in value):
            return None
        if bound_to and not same(memory.get(f"{name}_bound_to", ""), bound_to):
            return None
        try:
            at = datetime.fromisoformat(memory[f"{name}_expires_at"])
        except (KeyError, ValueError):
            return cls(value)
        return cls(value, at if at.tzinfo else at.replace(tzinfo=UTC))


@lru_cache(maxsize=64)
def binding(*settings: str) -> str:
    """What ties a kept token to the settings it was got with: with another password it is not used any more.

    Slow on purpose (about 50 ms): it stands in the database beside the token, and a password could be guessed by it.
    """
    data = b"".join(len(each.encode()).to_bytes(8, "big") + each.encode() for each in settings)
    return hashlib.scrypt(data, salt=b"patchbay kept token", n=2**14, r=8, p=1, dklen=16).hex()


def same(given: str, expected: str) -> bool:
    """Compare two secrets in constant time."""
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), expected.encode("utf-8", "surrogatepass"))


def check_hmac(body: bytes, signature: str | None, *, keys: Sequence[bytes], digest: str = "sha256") -> None:
    """Raise ``Untrusted`` unless ``signature`` (hex) is the HMAC of ``body`` under one of ``keys``."""
    given = (signature or "").strip().lower()
    good = [same(given, hmac.new(key, body, digest).hexdigest()) for key in keys]
    if not any(good):
        raise Untrusted("the signature is missing or wrong")


def check_timestamp(at: datetime, *, now: datetime, tolerance_s: int = TOLERANCE_S) -> None:
    """Raise ``Untrusted`` if ``at`` is further from ``now`` than the tolerance, before or after."""
    if abs((now - at).total_seconds()) > tolerance_s:
        raise Untrusted("the timestamp is outside the tolerance; check the clocks")


def fingerprint(*parts: str) -> str:
    """A stable short key made of parts, for events whose provider gives no id: 32 hex digits."""
    hashed = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        hashed.update(len(data).to_bytes(8, "big"))
        hashed.update(data)
    return hashed.hexdigest()[:32]
