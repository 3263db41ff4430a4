"""Every vector of the shared folder beside the checkout, which come from the server's own library."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bot.playground.emulator.entities import EntityError, parse

VECTORS = Path(__file__).resolve().parents[3] / "shared" / "telegram" / "td_entity_vectors.json"
CASES: list[Any] = json.loads(VECTORS.read_text()) if VECTORS.is_file() else []


def without_format(entities: list[dict[str, Any]]) -> list[dict[str, Any]]:
    # The vectors leave out how a time is to be shown.
    return [{key: value for key, value in entity.items() if key != "date_time_format"} for entity in entities]


@pytest.mark.skipif(not CASES, reason="no entity vectors in the shared folder beside the checkout")
@pytest.mark.parametrize("case", CASES, ids=range(len(CASES)))
def test_a_parse_mode_does_what_the_servers_library_does(case: list[Any]) -> None:
    mode, marked, text, entities, error = case
    if error is not None:
        with pytest.raises(EntityError) as raised:
            parse(marked, mode)
        assert str(raised.value) == error
        return
    plain, found = parse(marked, mode)
    assert (plain, without_format(found)) == (text, entities)
