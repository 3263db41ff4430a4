"""Pacing with explicit times: no clock, no waiting."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.limits import AccountPace, Pace, TelegramPace, TokenBucket

PRIVATE, GROUP = "4200", "-100200"


def sent_times(pace: Pace, key: str, *, begin: float, count: int) -> list[float]:
    """When messages leave that are all waiting from ``begin`` on."""
    now, times = begin, []
    for _ in range(count):
        now += pace.ready_in(key, now)
        pace.took(key, now)
        times.append(now)
    return times


def quiet() -> TelegramPace:
    """A pace whose overall rate is never reached."""
    return TelegramPace(rate_per_s=1e6)


def test_a_bucket_gives_its_burst_at_once_and_then_its_rate() -> None:
    bucket = TokenBucket(2.0, 3)
    for _ in range(3):
        assert bucket.ready_in(10.0) == 0
        bucket.take(10.0)
    assert bucket.ready_in(10.0) == pytest.approx(0.5)
    assert bucket.ready_in(10.5) == 0


def test_a_bucket_fills_no_higher_than_its_burst() -> None:
    bucket = TokenBucket(10.0, 2)
    bucket.take(0.0)
    for _ in range(2):
        bucket.take(1000.0)
    assert bucket.ready_in(1000.0) == pytest.approx(0.1)


def test_what_is_taken_too_early_is_owed() -> None:
    bucket = TokenBucket(1.0, 1)
    for _ in range(3):
        bucket.take(0.0)
    assert bucket.ready_in(0.0) == pytest.approx(3.0)


def test_a_time_that_goes_back_gives_nothing_away() -> None:
    bucket = TokenBucket(1.0, 1)
    bucket.take(100.0)
    assert bucket.ready_in(50.0) == pytest.approx(1.0)


@pytest.mark.parametrize(("rate", "burst"), [(0.0, 1), (-1.0, 1), (1.0, 0), (float("nan"), 1)])
def test_a_bucket_that_lets_nothing_through_is_refused(rate: float, burst: float) -> None:
    with pytest.raises(ValueError, match="lets nothing through"):
        TokenBucket(rate, burst)


@given(
    rate=st.floats(0.05, 100),
    burst=st.integers(1, 50),
    gaps=st.lists(st.floats(0, 5), min_size=2, max_size=60),
)
def test_no_stretch_of_time_gets_more_than_burst_and_rate(rate: float, burst: int, gaps: list[float]) -> None:
    bucket, now, times = TokenBucket(rate, burst), 0.0, []
    for gap in gaps:
        now += gap
        now += bucket.ready_in(now)
        bucket.take(now)
        times.append(now)
    for first, begin in enumerate(times):
        for last in range(first, len(times)):
            assert last - first + 1 <= burst + rate * (times[last] - begin) + 1e-6


def test_telegram_gets_thirty_at_once_and_thirty_a_second() -> None:
    pace = TelegramPace()
    times = [sent_times(pace, str(chat), begin=0.0, count=1)[0] for chat in range(1, 31)]
    assert set(times) == {0.0}
    assert sent_times(pace, PRIVATE, begin=0.0, count=30)[-1] == pytest.approx(1.0)


@pytest.mark.parametrize("chat", [PRIVATE, GROUP])
def test_a_chat_is_not_slowed_down_before_telegram_complains(chat: str) -> None:
    assert sent_times(quiet(), chat, begin=0.0, count=25)[-1] == pytest.approx(0.0, abs=0.001)


def test_a_refused_chat_is_closed_for_as_long_as_telegram_said() -> None:
    pace = quiet()
    pace.refused(GROUP, 5.0, 100.0)
    assert pace.ready_in(GROUP, 100.0) == pytest.approx(5.0)
    assert pace.ready_in(GROUP, 104.0) == pytest.approx(1.0)
    assert pace.ready_in(GROUP, 105.0) == 0


def test_other_chats_go_on_while_one_is_closed() -> None:
    pace = quiet()
    pace.refused(GROUP, 5.0, 100.0)
    assert pace.ready_in(PRIVATE, 100.0) == 0


def test_topics_of_a_chat_share_its_penalty() -> None:
    pace = quiet()
    pace.refused(f"{GROUP}/17", 5.0, 100.0)
    assert pace.ready_in(f"{GROUP}/18", 100.0) == pytest.approx(5.0)


def test_a_message_that_gets_through_meanwhile_does_not_reopen_the_chat() -> None:
    pace = quiet()
    pace.refused(GROUP, 5.0, 100.0)
    pace.took(GROUP, 101.0)
    assert pace.ready_in(GROUP, 101.0) == pytest.approx(4.0)


def test_a_shorter_complaint_does_not_shorten_a_longer_one() -> None:
    pace = quiet()
    pace.refused(GROUP, 30.0, 100.0)
    pace.refused(GROUP, 2.0, 101.0)
    assert pace.ready_in(GROUP, 101.0) == pytest.approx(29.0)


@pytest.mark.parametrize(("chat", "spacing_s"), [(PRIVATE, 1.0), (GROUP, 3.0)])
def test_after_a_complaint_a_chat_keeps_its_spacing_for_a_minute(chat: str, spacing_s: float) -> None:
    pace = quiet()
    pace.refused(chat, 5.0, 0.0)
    times = sent_times(pace, chat, begin=5.0, count=15)
    assert times == pytest.approx([5.0 + spacing_s * number for number in range(15)])


@pytest.mark.parametrize(("chat", "spacing_s"), [(PRIVATE, 1.0), (GROUP, 3.0)])
def test_the_spacing_dwindles_in_the_second_minute(chat: str, spacing_s: float) -> None:
    pace = quiet()
    pace.refused(chat, 5.0, 0.0)
    pace.took(chat, 95.0)
    assert pace.ready_in(chat, 95.0) == pytest.approx(spacing_s / 2)


def test_after_two_minutes_a_chat_is_free_again() -> None:
    pace = quiet()
    pace.refused(GROUP, 5.0, 0.0)
    assert sent_times(pace, GROUP, begin=125.0, count=25)[-1] == pytest.approx(125.0, abs=0.001)


def test_a_chat_whose_penalty_is_over_is_forgotten_and_starts_anew() -> None:
    pace = quiet()
    pace.refused(GROUP, 5.0, 0.0)
    pace.refused(PRIVATE, 1.0, 1000.0)
    pace.refused(GROUP, 1.0, 2000.0)
    assert sent_times(pace, GROUP, begin=2001.0, count=2) == pytest.approx([2001.0, 2004.0])


def test_refusals_of_three_chats_at_once_close_everything_until_the_first_may_go() -> None:
    pace = quiet()
    for chat, retry_after, now in (("1", 9.0, 100.0), ("2", 20.0, 103.0), ("3", 30.0, 106.0)):
        assert pace.ready_in(PRIVATE, now) == 0
        pace.refused(chat, retry_after, now)
    assert pace.ready_in(PRIVATE, 106.0) == pytest.approx(3.0)
    assert pace.ready_in(PRIVATE, 109.0) == 0


@pytest.mark.parametrize(
    "refusals",
    [
        [("1", 100.0), ("1", 101.0), ("1", 102.0)],
        [("1", 100.0), ("2", 101.0)],
        [("1", 100.0), ("2", 105.0), ("3", 110.5)],
        [(f"{GROUP}/1", 100.0), (f"{GROUP}/2", 101.0), (f"{GROUP}/3", 102.0)],
    ],
    ids=["one chat", "two chats", "three chats too far apart", "three topics of one chat"],
)
def test_fewer_chats_or_slower_refusals_close_only_themselves(refusals: list[tuple[str, float]]) -> None:
    pace = quiet()
    for chat, now in refusals:
        pace.refused(chat, 60.0, now)
    assert pace.ready_in(PRIVATE, refusals[-1][1]) == 0


@pytest.mark.parametrize(
    ("said", "wait_s"), [(0.0, 1.0), (-3.0, 1.0), (float("nan"), 1.0), (float("inf"), 3600.0), (1e9, 3600.0)]
)
@pytest.mark.parametrize("make", [quiet, lambda: AccountPace(None)], ids=["telegram", "account"])
def test_a_senseless_wait_is_brought_between_a_second_and_an_hour(
    make: Callable[[], Pace], said: float, wait_s: float
) -> None:
    pace = make()
    pace.refused(GROUP, said, 50.0)
    assert pace.ready_in(GROUP, 50.0) == pytest.approx(wait_s)


def test_an_account_without_a_rate_never_waits() -> None:
    assert sent_times(AccountPace(None), "any", begin=0.0, count=1000)[-1] == 0


@pytest.mark.parametrize("per_minute", [1, 5, 60, 100, 600])
def test_an_account_sends_no_more_in_any_minute_than_it_may(per_minute: int) -> None:
    times = sent_times(AccountPace(per_minute), "any", begin=0.0, count=3 * per_minute)
    for first, begin in enumerate(times):
        in_minute = sum(begin <= at < begin + 60 - 1e-6 for at in times[first:])
        assert in_minute <= per_minute


@pytest.mark.parametrize("per_minute", [1, 5, 60, 100, 600])
def test_an_account_uses_most_of_its_rate(per_minute: int) -> None:
    times = sent_times(AccountPace(per_minute), "any", begin=0.0, count=10 * per_minute)
    assert times[-1] <= 60 * 10 / 0.9


def test_conversations_of_an_account_share_its_rate() -> None:
    pace = AccountPace(6)
    pace.took("room-1", 0.0)
    assert pace.ready_in("room-2", 0.0) == pytest.approx(10.0)


def test_a_complaint_closes_the_whole_account_until_it_is_over() -> None:
    pace = AccountPace(600)
    pace.refused("room-1", 20.0, 0.0)
    pace.took("room-1", 1.0)
    assert pace.ready_in("room-2", 1.0) == pytest.approx(19.0)
    assert pace.ready_in("room-2", 20.0) == 0


def test_only_the_pace_of_an_account_answers_for_every_conversation() -> None:
    assert (AccountPace(6).whole, TelegramPace().whole) == (True, False)


def test_an_account_that_may_send_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="a rate of 0 requests a minute"):
        AccountPace(0)
