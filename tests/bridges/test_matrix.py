"""The capability matrix of the documentation is the one that the bridges declare."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import pytest

from bridges.echo.bridge import EchoBridge
from bridges.matrix import END, README, START, main, put, render
from bridges.registry import PROVIDERS, BridgeClass


def test_the_document_holds_the_matrix_of_today() -> None:
    table = render(list(PROVIDERS.values()))
    document = README.read_text(encoding="utf-8")
    assert put(document, table=table) == document, "run: python -m bridges.matrix --write"


def test_the_matrix_has_a_column_for_every_provider() -> None:
    head = render(list(PROVIDERS.values())).splitlines()[0]
    assert [cell.strip() for cell in head.split("|")][2:-1] == [bridge.title for bridge in PROVIDERS.values()]


def test_another_capability_gives_another_matrix() -> None:
    class Wider(EchoBridge):
        capabilities = replace(EchoBridge.capabilities, reactions_stay=True, attachments="url", attachment_bytes=1000)

    before, after = (render([cast(BridgeClass, c)]).splitlines() for c in (EchoBridge, Wider))
    changed = [line for line, old in zip(after, before, strict=True) if line != old]
    assert changed == ["| attachments | as links, 1,000 bytes |", "| reactions | put on only |"]


def test_a_document_without_the_marks_is_refused() -> None:
    for document in ("", START, END, f"{END}{START}"):
        with pytest.raises(ValueError, match="must hold the lines"):
            put(document, table="")


def test_an_unknown_argument_is_answered_with_the_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--wrong"]) == 2
    assert "usage" in capsys.readouterr().err
