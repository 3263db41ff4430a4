"""Retry: what becomes of a delivery whose attempt did not simply succeed (pure).

surely not sent      Again on the schedule, until the message is too old
will never work      Dead
credentials refused  PauseAccount, the delivery stays as it is
may have arrived     Confirm where the provider can be asked; else Again with the same key where the provider
                     is idempotent; else by ``on_ambiguous``: Again or Hold
our own bug          Hold
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from bridges.errors import BridgeError, Garbled, Refused, Unauthorized, Unavailable

OnAmbiguous: TypeAlias = Literal["hold", "resend"]

SCHEDULE_S = (1.0, 5.0, 30.0, 120.0, 600.0, 1800.0, 3600.0, 10800.0, 21600.0)
"""Waits of an ordered chat, whose head blocks what is behind it; the last one repeats."""
JITTER = 0.2
RETRY_AFTER_LEAST_S = 1.0
RETRY_AFTER_MOST_S = 3600.0


@dataclass(frozen=True, slots=True)
class Again:
    """Queue it again, due in ``delay_s``. ``counts``: whether the attempt moves it along the schedule. ``doubt``: it
    may have arrived.
    """

    delay_s: float
    reason: str
    counts: bool = True
    doubt: bool = False


@dataclass(frozen=True, slots=True)
class Confirm:
    """Ask the provider in ``delay_s`` whether it arrived, before anything else."""

    reason: str
    delay_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Hold:
    """A person decides."""

    reason: str


@dataclass(frozen=True, slots=True)
class Dead:
    """Given up, and kept."""

    reason: str


@dataclass(frozen=True, slots=True)
class PauseAccount:
    """Queue it again as it was and stop the whole account until its credentials are good."""

    reason: str


Decision: TypeAlias = Again | Confirm | Hold | Dead | PauseAccount


def decide(
    error: Exception,
    *,
    attempts: int,
    age_s: float,
    max_age_s: float,
    on_ambiguous: OnAmbiguous,
    idempotent: bool,
    can_confirm: bool,
    jitter: float,
    confirmed_absent: bool = False,
) -> Decision:
    """Decide after an attempt that raised ``error``.

    ``attempts`` counts this one too, without those whose ``Again.counts`` was false. ``age_s`` is the message's.
    ``confirmed_absent``: the provider was asked since and surely does not have it. ``jitter`` is in [-1, 1].
    """
    match error:
        case Unauthorized():
            return PauseAccount(str(error))
        case Refused():
            return Dead(str(error))
        case Unavailable() | Garbled() if _may_have_arrived(error) and not confirmed_absent:
            return _unknown(
                str(error),
                attempts=attempts,
                age_s=age_s,
                max_age_s=max_age_s,
                on_ambiguous=on_ambiguous,
                idempotent=idempotent,
                can_confirm=can_confirm,
                retry_after=_asked_to_wait(error),
                jitter=jitter,
            )
        case Unavailable() | Garbled():
            if age_s >= max_age_s:
                return Dead(_gave_up(max_age_s, reason=str(error)))
            return _again(
                str(error),
                attempts=attempts,
                left_s=max_age_s - age_s,
                retry_after=_asked_to_wait(error),
                jitter=jitter,
            )
        case _:
            # Untrusted too: a send has no webhook to distrust.
            return Hold(f"our bug: {type(error).__name__}")


def after_crash(
    *,
    on_ambiguous: OnAmbiguous,
    idempotent: bool,
    can_confirm: bool,
    attempts: int = 1,
    age_s: float = 0.0,
    max_age_s: float = math.inf,
    jitter: float = 0.0,
) -> Decision:
    """Decide about a delivery that was found ``sending`` when the program started: it may have arrived.

    Without ages none is too old here; the attempt that may follow judges that.
    """
    return _unknown(
        "stopped while it was being sent",
        attempts=attempts,
        age_s=age_s,
        max_age_s=max_age_s,
        on_ambiguous=on_ambiguous,
        idempotent=idempotent,
        can_confirm=can_confirm,
        retry_after=None,
        jitter=jitter,
    )


def after_failed_confirm(
    error: Exception,
    *,
    attempts: int,
    age_s: float,
    max_age_s: float,
    on_ambiguous: OnAmbiguous,
    idempotent: bool,
    jitter: float,
) -> Decision:
    """Decide when the question whether it arrived failed with ``error``: the send's outcome is still unknown.

    A provider that is away is asked again later; one that cannot answer the question leaves the other ways.
    ``attempts`` counts the questions too, so that they thin out.
    """
    match error:
        case Unauthorized():
            return PauseAccount(str(error))
        case BridgeError():
            return _unknown(
                f"it may have arrived, and that could not be confirmed: {error}",
                attempts=attempts,
                age_s=age_s,
                max_age_s=max_age_s,
                on_ambiguous=on_ambiguous,
                idempotent=idempotent,
                can_confirm=isinstance(error, Unavailable),
                retry_after=_asked_to_wait(error),
                jitter=jitter,
            )
        case _:
            return Hold(f"our bug: {type(error).__name__}")


def wait_s(attempts: int, *, jitter: float) -> float:
    """The schedule's wait after this many attempts (1 is the first), within ±20 % of it."""
    step = SCHEDULE_S[min(max(attempts, 1), len(SCHEDULE_S)) - 1]
    return step * (1 + JITTER * min(max(jitter, -1.0), 1.0))


def _unknown(
    reason: str,
    *,
    attempts: int,
    age_s: float,
    max_age_s: float,
    on_ambiguous: OnAmbiguous,
    idempotent: bool,
    can_confirm: bool,
    retry_after: float | None,
    jitter: float,
) -> Decision:
    if age_s >= max_age_s:
        # Too old to try, and still it may have arrived: where a person is to decide that, one does.
        gave_up = f"{_gave_up(max_age_s, reason=reason)}; it may have arrived"
        return Hold(gave_up) if on_ambiguous == "hold" else Dead(gave_up)
    again = _again(reason, attempts=attempts, left_s=max_age_s - age_s, retry_after=retry_after, jitter=jitter)
    if can_confirm:
        return Confirm(reason, delay_s=again.delay_s)
    if idempotent or on_ambiguous == "resend":
        return replace(again, doubt=True)
    return Hold(reason)


def _again(reason: str, *, attempts: int, left_s: float, retry_after: float | None, jitter: float) -> Again:
    if retry_after is not None:
        delay_s = min(max(retry_after, RETRY_AFTER_LEAST_S), RETRY_AFTER_MOST_S)
        return Again(delay_s, reason, counts=False)
    # The last wait ends with the message's life, so that it gets one more chance at its very end.
    return Again(max(min(wait_s(attempts, jitter=jitter), left_s), RETRY_AFTER_LEAST_S), reason)


def _may_have_arrived(error: Unavailable | Garbled) -> bool:
    return isinstance(error, Garbled) or error.maybe_sent


def _asked_to_wait(error: BridgeError) -> float | None:
    """The provider's Retry-After, unless it is nonsense."""
    if not isinstance(error, Unavailable) or error.retry_after is None or math.isnan(error.retry_after):
        return None
    return error.retry_after


def _gave_up(max_age_s: float, *, reason: str) -> str:
    return f"gave up after {_age_text(max_age_s)}: {reason}"


def _age_text(seconds: float) -> str:
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.1f}".removesuffix(".0") + f" {unit}"
    return f"{seconds:g} s"
