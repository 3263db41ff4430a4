"""Which state a message shows for all its deliveries."""

from __future__ import annotations

import itertools

import pytest

from bot.decisions import mark_for
from bot.marks import EMOJI, LINES
from bot.store.outbox import STATES


@pytest.mark.parametrize(
    ("states", "mark"),
    [
        (["sent"], "delivered"),
        (["sent", "sent"], "delivered"),
        (["sent", "queued"], "accepted"),
        (["sending"], "accepted"),
        (["sent", "held", "queued"], "unknown"),
        (["sent", "held", "dead"], "failed"),
        (["expired", "sent"], "failed"),
        (["discarded"], "dropped"),
        (["discarded", "sent"], "delivered"),
        (["cancelled", "discarded"], "dropped"),
    ],
)
def test_the_mark_is_the_state_that_most_needs_a_persons_eye(states: list[str], mark: str) -> None:
    assert mark_for(states) == mark


def test_every_combination_of_states_has_a_mark_that_can_be_shown() -> None:
    for states in itertools.combinations(STATES, 2):
        assert mark_for(states) in EMOJI
    assert EMOJI.keys() == LINES.keys()
