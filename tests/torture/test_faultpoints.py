"""The points themselves: each is somewhere in the code, and none can go off where it might hurt."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot import faultpoints
from tests.torture.processes import ROOT, Starter

HERE = "http://127.0.0.1:8081"


@pytest.fixture(autouse=True)
def disarmed() -> Iterator[None]:
    yield
    faultpoints._left.clear()


def _points_in(source: str) -> list[str]:
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    return [
        str(call.args[0].value)
        for call in calls
        if isinstance(call.func, ast.Name) and call.func.id == "point" and isinstance(call.args[0], ast.Constant)
    ]


def test_every_point_that_is_described_is_in_the_code_and_the_other_way_round() -> None:
    found = [name for path in (ROOT / "bot").rglob("*.py") for name in _points_in(path.read_text())]
    assert sorted(set(found)) == sorted(faultpoints.POINTS)


@pytest.mark.parametrize("name", faultpoints.POINTS)
def test_a_point_does_nothing_unless_it_is_armed(name: str) -> None:
    faultpoints.point(name)


def test_a_point_counts_its_hits_down(monkeypatch: pytest.MonkeyPatch) -> None:
    died: list[str] = []
    monkeypatch.setattr(faultpoints, "_die", lambda: died.append("dead"))
    faultpoints.arm("hook.arrived:3", urls=[HERE])
    for name in ("hook.arrived", "hook.committed", "hook.arrived"):
        faultpoints.point(name)
    assert not died
    faultpoints.point("hook.arrived")
    assert died == ["dead"]


@pytest.mark.parametrize(
    "spec", ["", "hook.arrived", "hook.arrived:0", "hook.arrived:-1", "hook.arrived:x", "no.point:1"]
)
def test_a_wrong_variable_is_refused_with_the_points_there_are(spec: str) -> None:
    with pytest.raises(faultpoints.CannotArm, match=r"PATCHBAY_KILL_AT.*delivery\.begun"):
        faultpoints.arm(spec, urls=[HERE])


@pytest.mark.parametrize(
    "url", ["https://api.telegram.org", "http://192.168.1.5:8081", "http://localhost.evil.example", ""]
)
def test_a_bot_that_talks_to_other_machines_is_not_armed(url: str) -> None:
    with pytest.raises(faultpoints.CannotArm, match="tests on this machine"):
        faultpoints.arm("hook.arrived:1", urls=[HERE, url])


async def test_run_refuses_to_be_armed_against_the_real_telegram(starter: Starter, tmp_path: Path) -> None:
    config, log = tmp_path / "patchbay.toml", tmp_path / "log"
    config.write_text('[telegram]\ntoken = "1234567:never-used"\n')
    env = {faultpoints.VARIABLE: "hook.arrived:1"}
    child = await starter.start(["--config", str(config), "run"], env=env, out=log, log=log)
    assert await child.wait() == 2
    assert log.read_text() == (
        "PATCHBAY_KILL_AT: is for tests on this machine, and this bot talks to api.telegram.org; unset it\n"
    )
