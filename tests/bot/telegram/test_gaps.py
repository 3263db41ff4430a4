"""What Telegram had for us and did not give us: by numbers that are left out, and by the time that went by."""

from __future__ import annotations

import pytest

from bot.telegram.gaps import Hole, Numbers, absence_text, missing, missing_text, noted

DAY = 86_400.0


def after(*batches: tuple[float, list[int]]) -> Numbers:
    """What is known after these came, each at its time."""
    known = Numbers()
    for now, ids in batches:
        known = noted(known, ids, now=now)
    return known


@pytest.mark.parametrize(
    ("batches", "lost"),
    [
        ([(0, [500])], 0),
        ([(0, [5, 6]), (1, [7])], 0),
        ([(0, [5]), (1, [7])], 1),
        ([(0, [5]), (1, [16, 17])], 10),
        ([(0, [5, 8])], 2),
        ([(0, [5, 6]), (1, [5, 6, 7])], 0),
        ([(0, [5]), (1, [8]), (2, [6, 7])], 0),
        ([(0, [5]), (1, [9]), (2, [7])], 2),
        ([(0, [5]), (6 * DAY, [7])], 1),
        ([(0, [5]), (8 * DAY, [900])], 0),
        ([(0, [900]), (8 * DAY, [5]), (8 * DAY + 1, [6])], 0),
        ([(0, [900]), (8 * DAY, [5]), (8 * DAY + 1, [7])], 1),
    ],
)
def test_numbers_that_were_left_out_are_counted(batches: list[tuple[float, list[int]]], lost: int) -> None:
    assert missing(after(*batches), now=20 * DAY, patience_s=0)[1] == lost


def test_what_may_still_come_is_waited_for() -> None:
    known = after((0, [5]), (100, [8]))
    assert missing(known, now=200, patience_s=600) == (known, 0)
    settled, lost = missing(known, now=700, patience_s=600)
    assert (lost, settled.holes, settled.newest) == (2, (), 8)


def test_it_is_said_once() -> None:
    known, lost = missing(after((0, [5]), (1, [8])), now=2, patience_s=0)
    assert (lost, missing(known, now=3, patience_s=0)[1]) == (2, 0)


def test_what_is_known_survives_being_written_down() -> None:
    known = after((0, [5]), (1, [9]), (2, [7]))
    assert known.holes == (Hole(first=6, last=6, at=1), Hole(first=8, last=8, at=1))
    assert Numbers.model_validate_json(known.model_dump_json()) == known


def test_owners_are_told_in_words() -> None:
    assert missing_text(1).startswith("An update from Telegram never reached me")
    assert missing_text(12).startswith("12 updates from Telegram never reached me")
    assert absence_text(26 * 3600).startswith("I had no contact with Telegram for 26 hours")
