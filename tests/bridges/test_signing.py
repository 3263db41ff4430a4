"""Proofs of origin."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridges.errors import Untrusted
from bridges.signing import Bearer, check_hmac, check_timestamp, fingerprint, same

BODY = b'{"a":1}'
# RFC 4231, test case 2: key "Jefe", data "what do ya want for nothing?"
RFC = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_the_published_vector_is_accepted() -> None:
    check_hmac(b"what do ya want for nothing?", RFC, keys=[b"Jefe"])


@pytest.mark.parametrize("given_", [RFC.upper(), f"  {RFC}\n"])
def test_case_and_spaces_of_the_signature_do_not_matter(given_: str) -> None:
    check_hmac(b"what do ya want for nothing?", given_, keys=[b"Jefe"])


@pytest.mark.parametrize(
    "signature", [None, "", RFC[:-1], RFC + "0", RFC.replace("5", "6"), "é" * 64, f"sha256={RFC}", "\x00"]
)
def test_a_missing_or_wrong_signature_is_untrusted(signature: str | None) -> None:
    with pytest.raises(Untrusted, match="missing or wrong"):
        check_hmac(b"what do ya want for nothing?", signature, keys=[b"Jefe"])


@pytest.mark.parametrize("at", [0, 1, 2])
def test_any_of_several_keys_is_accepted_for_rotation(at: int) -> None:
    keys = [b"old", b"present", b"next"]
    check_hmac(BODY, hmac.new(keys[at], BODY, hashlib.sha256).hexdigest(), keys=keys)


def test_without_keys_nothing_is_trusted() -> None:
    with pytest.raises(Untrusted):
        check_hmac(BODY, hmac.new(b"", BODY, hashlib.sha256).hexdigest(), keys=[])


def test_another_digest_can_be_asked_for() -> None:
    check_hmac(BODY, hmac.new(b"k", BODY, hashlib.sha1).hexdigest(), keys=[b"k"], digest="sha1")


@given(st.binary(min_size=1), st.data())
def test_a_flipped_bit_is_untrusted(body: bytes, data: st.DataObject) -> None:
    signature = hmac.new(b"key", body, hashlib.sha256).hexdigest()
    check_hmac(body, signature, keys=[b"key"])
    flipped = bytearray(body)
    flipped[data.draw(st.integers(0, len(body) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(Untrusted):
        check_hmac(bytes(flipped), signature, keys=[b"key"])


@pytest.mark.parametrize(("away_s", "good"), [(0, True), (300, True), (-300, True), (301, False), (-301, False)])
def test_a_timestamp_counts_within_the_tolerance_before_and_after(away_s: int, good: bool) -> None:
    at = NOW + timedelta(seconds=away_s)
    if good:
        check_timestamp(at, now=NOW)
    else:
        with pytest.raises(Untrusted, match="check the clocks"):
            check_timestamp(at, now=NOW)


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [("abc", "abc", True), ("abc", "abd", False), ("abc", "", False), ("é", "é", True), ("\ud83d", "\ud83d", True)],
)
def test_secrets_are_compared_whatever_they_hold(one: str, other: str, equal: bool) -> None:
    assert same(one, other) is equal


def test_a_fingerprint_is_the_same_for_ever() -> None:
    assert fingerprint("a", "b") == "3c9d591045bc8876f9d0399bbfb05c6a"


@given(st.lists(st.text(st.characters()), max_size=4), st.lists(st.text(st.characters()), max_size=4))
def test_different_parts_have_different_fingerprints(one: list[str], other: list[str]) -> None:
    assert (fingerprint(*one) == fingerprint(*other)) == (one == other)


def test_parts_cannot_flow_into_each_other() -> None:
    assert len({fingerprint("ab", "c"), fingerprint("a", "bc"), fingerprint("abc"), fingerprint("abc", "")}) == 4


def test_bearer_puts_the_token_on_a_request_and_not_into_its_repr() -> None:
    auth = Bearer("canary-token")
    request = next(auth.auth_flow(httpx.Request("GET", "https://provider.example")))
    assert request.headers["authorization"] == "Bearer canary-token"
    assert "canary" not in repr(auth)
