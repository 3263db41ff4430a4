"""Reasons of failures, gathered by what they have in common."""

from __future__ import annotations

import pytest

from bot.causes import LONGEST, NO_REASON, cause_of, causes, has_words


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("HTTP 500: request 8f14e45fceea167a", "HTTP 500: request c9f0f895fb98ab91"),
        ("no answer within 30 s", "no answer within 12.5 s"),
        ("gave up after 12 h: cannot connect", "gave up after 6.5 h: cannot connect"),
        ("http://127.0.0.1:8081/x: refused", "http://127.0.0.1:54321/x: refused"),
        ("sms/15550100123 takes no text", "sms/15550100999 takes no text"),
        ("pbx:sms/15550100123 is blocked", "pbx:sms/49301234567 is blocked"),
        ("telegram:-1001234567890/17 is closed", "telegram:-1009876543210 is closed"),
        ("id 3f2504e0-4f89-41d3-9a0c-0305e82c3301 is gone", "id 7d444840-9dc0-11d1-b245-5ffdce74fad2 is gone"),
        ("the  same\nwords", "the same words"),
    ],
)
def test_what_belongs_to_one_delivery_makes_no_other_cause(one: str, other: str) -> None:
    assert cause_of(one) == cause_of(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("HTTP 404: no", "HTTP 403: no"), ("code 6451010", "code 6451011"), ("a facade", "a decade"), ("no", "")],
)
def test_what_says_what_happened_does(one: str, other: str) -> None:
    assert cause_of(one) != cause_of(other)


def test_a_cause_is_short_and_never_empty() -> None:
    assert (cause_of(None), cause_of("  \n"), len(cause_of("x" * 9999))) == (NO_REASON, NO_REASON, LONGEST)


def test_causes_come_by_how_often_they_are_with_their_deliveries_in_order() -> None:
    found = causes({"no room 1234567": [3], "blocked": [5], "no room 7654321": [9, 1]})
    assert [(cause.text, cause.ids) for cause in found] == [("no room …", (1, 3, 9)), ("blocked", (5,))]


def test_words_are_found_in_a_reason_whatever_their_case_and_order() -> None:
    assert has_words("HTTP 404: No such room", ["room", "no", "404"])
    assert not has_words("HTTP 404: No such room", ["room", "403"])
    assert has_words(None, ["no", "reason"])
