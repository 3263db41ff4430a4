"""Proofs of origin: compared in constant time, several keys for rotation."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime

from bridges.errors import Untrusted

TOLERANCE_S = 300


def same(given: str, expected: str) -> bool:
    """Compare two secrets in constant time."""
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), expected.encode("utf-8", "surrogatepass"))


def check_hmac(body: bytes, signature: str | None, *, keys: Sequence[bytes], digest: str = "sha256") -> None:
    """Raise ``Untrusted`` unless ``signature`` (hex) is the HMAC of ``body`` under one of ``keys``."""
    given = (signature or "").strip().lower()
    good = [hmac.compare_digest(hmac.new(key, body, digest).hexdigest(), given) for key in keys]
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
