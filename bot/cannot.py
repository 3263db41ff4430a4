"""Where something could not be done to a message, in words: sentences for each place, then one for each fact (pure)."""

from __future__ import annotations

from collections.abc import Sequence

TOLD = "; it is told"
"""How a sentence ends about a place where a change is said in words instead."""
NEVER_THERE = "it was never there, and is not sent any more"
HELD_TO_EDIT = (
    "it may have arrived there, or not; decide first (/held): it goes out with these words if it is sent again"
)
FAILED_TO_EDIT = "it never arrived there; it goes out with these words if it is sent again (/retry)"


def grouped(sentences: Sequence[str], *, by: str = "") -> list[tuple[str, str, list[str]]]:
    """What is said of places, the reason, and the places that have it; ``by="account"``: of each account by itself.

    ``sentences``: each "address: reason".
    """
    found: dict[tuple[str, str, str], list[str]] = {}
    for sentence in sentences:
        place, _, why = sentence.partition(": ")
        said = "Told in words at" if why.endswith(TOLD) else "Not at"
        account = place.partition(":")[0] if by == "account" else ""
        found.setdefault((said, why.removesuffix(TOLD), account), []).append(place)
    return [(said, why, places) for (said, why, _), places in found.items()]
