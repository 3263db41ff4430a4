"""What becomes of a delivery whose attempt failed: the whole table."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.retry import (
    SCHEDULE_S,
    Again,
    Confirm,
    Dead,
    Decision,
    Hold,
    PauseAccount,
    after_crash,
    after_failed_confirm,
    decide,
    wait_s,
)
from bridges.errors import (
    BridgeError,
    Garbled,
    Inexpressible,
    Refused,
    Unauthorized,
    Unavailable,
    Untrusted,
)

HOURS_12 = 12 * 3600.0
AWAY = Unavailable("pbx: cannot connect")
BUSY = Unavailable("pbx: HTTP 429", retry_after=7)
CUT = Unavailable("pbx: the connection broke", maybe_sent=True)
ODD = Garbled("pbx: the answer is not JSON")


def decided(error: Exception, **changed: Any) -> Decision:
    facts: dict[str, Any] = {
        "attempts": 1,
        "age_s": 0.0,
        "max_age_s": HOURS_12,
        "on_ambiguous": "hold",
        "idempotent": False,
        "can_confirm": False,
        "jitter": 0.0,
    }
    return decide(error, **facts | changed)


def crashed(**changed: Any) -> Decision:
    facts: dict[str, Any] = {
        "attempts": 1,
        "age_s": 0.0,
        "max_age_s": HOURS_12,
        "on_ambiguous": "hold",
        "idempotent": False,
        "can_confirm": False,
        "jitter": 0.0,
    }
    return after_crash(**facts | changed)


def unconfirmed(error: Exception, **changed: Any) -> Decision:
    facts: dict[str, Any] = {
        "attempts": 2,
        "age_s": 0.0,
        "max_age_s": HOURS_12,
        "on_ambiguous": "hold",
        "idempotent": False,
        "jitter": 0.0,
    }
    return after_failed_confirm(error, **facts | changed)


POLICIES = [
    {"on_ambiguous": on_ambiguous, "idempotent": idempotent, "can_confirm": can_confirm}
    for on_ambiguous in ("hold", "resend")
    for idempotent in (False, True)
    for can_confirm in (False, True)
]


def policy_name(policy: dict[str, object]) -> str:
    return "-".join([str(policy["on_ambiguous"]), *(key for key, value in policy.items() if value is True)])


@pytest.mark.parametrize("policy", POLICIES, ids=policy_name)
@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (AWAY, Again(1.0, "pbx: cannot connect")),
        (BUSY, Again(7.0, "pbx: HTTP 429", counts=False)),
        (Refused("no such room"), Dead("no such room")),
        (Inexpressible("SMS has no reactions"), Dead("SMS has no reactions")),
        (Unauthorized("the token was refused"), PauseAccount("the token was refused")),
        (Untrusted("no signature"), Hold("our bug: Untrusted")),
        (BridgeError("something"), Hold("our bug: BridgeError")),
        (KeyError("a message's text"), Hold("our bug: KeyError")),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_certain_outcome_is_decided_alike_under_every_policy(
    error: Exception, expected: Decision, policy: dict[str, Any]
) -> None:
    assert decided(error, **policy) == expected


UNKNOWN = [
    ({"on_ambiguous": "hold", "idempotent": False, "can_confirm": False}, Hold),
    ({"on_ambiguous": "resend", "idempotent": False, "can_confirm": False}, Again),
    ({"on_ambiguous": "hold", "idempotent": True, "can_confirm": False}, Again),
    ({"on_ambiguous": "resend", "idempotent": True, "can_confirm": False}, Again),
    ({"on_ambiguous": "hold", "idempotent": False, "can_confirm": True}, Confirm),
    ({"on_ambiguous": "resend", "idempotent": False, "can_confirm": True}, Confirm),
    ({"on_ambiguous": "hold", "idempotent": True, "can_confirm": True}, Confirm),
    ({"on_ambiguous": "resend", "idempotent": True, "can_confirm": True}, Confirm),
]


@pytest.mark.parametrize(("policy", "expected"), UNKNOWN, ids=lambda v: policy_name(v) if isinstance(v, dict) else "")
@pytest.mark.parametrize("error", [CUT, ODD], ids=["cut", "garbled"])
def test_an_unknown_outcome_is_confirmed_else_repeated_safely_else_left_to_the_policy(
    error: Exception, policy: dict[str, Any], expected: type[Decision]
) -> None:
    made = decided(error, **policy)
    assert type(made) is expected
    assert made.reason == str(error)


@pytest.mark.parametrize(("policy", "expected"), UNKNOWN, ids=lambda v: policy_name(v) if isinstance(v, dict) else "")
def test_a_delivery_found_sending_after_a_crash_is_an_unknown_outcome(
    policy: dict[str, Any], expected: type[Decision]
) -> None:
    made = crashed(**policy)
    assert type(made) is expected
    assert made.reason == "stopped while it was being sent"


def test_a_crash_is_decided_without_ages_as_if_the_message_were_new() -> None:
    assert after_crash(on_ambiguous="resend", idempotent=False, can_confirm=False) == crashed(on_ambiguous="resend")


@pytest.mark.parametrize("policy", POLICIES, ids=policy_name)
@pytest.mark.parametrize("error", [CUT, ODD], ids=["cut", "garbled"])
def test_what_surely_did_not_arrive_is_sent_again_under_every_policy(error: Exception, policy: dict[str, Any]) -> None:
    assert decided(error, confirmed_absent=True, **policy) == Again(1.0, str(error))


@pytest.mark.parametrize("policy", POLICIES, ids=policy_name)
@pytest.mark.parametrize("error", [AWAY, BUSY], ids=["away", "busy"])
def test_a_message_too_old_is_given_up_with_its_age_and_reason(error: Exception, policy: dict[str, Any]) -> None:
    assert decided(error, age_s=HOURS_12, **policy) == Dead(f"gave up after 12 h: {error}")


@pytest.mark.parametrize(
    ("on_ambiguous", "expected"),
    [("hold", Hold), ("resend", Dead)],
)
@pytest.mark.parametrize("can_confirm", [False, True])
def test_a_message_too_old_that_may_have_arrived_says_so(
    on_ambiguous: str, expected: type[Decision], can_confirm: bool
) -> None:
    made = decided(CUT, age_s=HOURS_12, on_ambiguous=on_ambiguous, can_confirm=can_confirm)
    assert type(made) is expected
    assert made.reason == "gave up after 12 h: pbx: the connection broke; it may have arrived"


def test_credentials_that_are_refused_never_make_a_message_too_old() -> None:
    assert isinstance(decided(Unauthorized("no"), age_s=HOURS_12), PauseAccount)


@pytest.mark.parametrize(("attempts", "delay_s"), list(enumerate(SCHEDULE_S, start=1)))
def test_each_attempt_waits_as_the_schedule_says(attempts: int, delay_s: float) -> None:
    assert decided(AWAY, attempts=attempts, max_age_s=7 * 86400.0) == Again(delay_s, str(AWAY))


def test_the_schedule_ends_with_its_longest_wait_again_and_again() -> None:
    assert decided(AWAY, attempts=50, max_age_s=7 * 86400.0) == Again(SCHEDULE_S[-1], str(AWAY))


@pytest.mark.parametrize(("jitter", "delay_s"), [(-1.0, 24.0), (0.0, 30.0), (1.0, 36.0), (9.0, 36.0)])
def test_jitter_moves_a_wait_by_a_fifth_at_most(jitter: float, delay_s: float) -> None:
    assert wait_s(3, jitter=jitter) == pytest.approx(delay_s)


@pytest.mark.parametrize(
    ("said", "delay_s"),
    [(0.0, 1.0), (-5.0, 1.0), (1.0, 1.0), (42.5, 42.5), (3600.0, 3600.0), (86400.0, 3600.0), (float("inf"), 3600.0)],
)
def test_retry_after_wins_between_a_second_and_an_hour(said: float, delay_s: float) -> None:
    made = decided(Unavailable("busy", retry_after=said), attempts=8, jitter=1.0)
    assert made == Again(delay_s, "busy", counts=False)


def test_a_retry_after_that_is_no_number_leaves_the_schedule() -> None:
    assert decided(Unavailable("busy", retry_after=float("nan")), attempts=2) == Again(5.0, "busy")


def test_the_last_wait_ends_with_the_life_of_the_message() -> None:
    assert decided(AWAY, attempts=9, age_s=11 * 3600.0) == Again(3600.0, str(AWAY))


@pytest.mark.parametrize("can_confirm", [False, True])
def test_the_last_wait_of_an_unknown_outcome_ends_with_the_message_too(can_confirm: bool) -> None:
    made = decided(CUT, attempts=9, age_s=11 * 3600.0, on_ambiguous="resend", can_confirm=can_confirm)
    assert isinstance(made, Again | Confirm)
    assert made.delay_s == 3600.0


def test_a_confirmation_is_asked_for_on_the_schedule_too() -> None:
    assert decided(CUT, can_confirm=True, attempts=2) == Confirm(str(CUT), delay_s=5.0)


@pytest.mark.parametrize(
    ("error", "on_ambiguous", "expected"),
    [
        (AWAY, "hold", Confirm),
        (AWAY, "resend", Confirm),
        (Refused("no history here"), "hold", Hold),
        (Refused("no history here"), "resend", Again),
        (ODD, "hold", Hold),
        (ODD, "resend", Again),
        (Unauthorized("no"), "resend", PauseAccount),
        (KeyError("x"), "resend", Hold),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_a_failed_confirmation_never_makes_the_send_certain(
    error: Exception, on_ambiguous: str, expected: type[Decision]
) -> None:
    assert type(unconfirmed(error, on_ambiguous=on_ambiguous)) is expected


def test_a_send_that_stays_unconfirmed_until_it_is_too_old_goes_to_a_person() -> None:
    made = unconfirmed(AWAY, age_s=HOURS_12)
    assert isinstance(made, Hold)
    assert "it may have arrived" in made.reason


@given(
    attempts=st.integers(0, 10**6),
    age_s=st.floats(0, 1e7),
    max_age_s=st.floats(1, 1e7),
    jitter=st.floats(-1, 1),
    error=st.builds(Unavailable, st.just("x"), retry_after=st.none() | st.floats(), maybe_sent=st.booleans()),
    policy=st.sampled_from(POLICIES),
)
def test_no_wait_is_ever_shorter_than_a_second_or_longer_than_the_schedule(
    attempts: int, age_s: float, max_age_s: float, jitter: float, error: Exception, policy: dict[str, Any]
) -> None:
    made = decided(error, attempts=attempts, age_s=age_s, max_age_s=max_age_s, jitter=jitter, **policy)
    if isinstance(made, Again | Confirm):
        assert age_s < max_age_s
        assert 0.8 <= made.delay_s <= SCHEDULE_S[-1] * 1.2
