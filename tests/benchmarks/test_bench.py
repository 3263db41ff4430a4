"""The benchmark in its shortest form: it runs, measures both relays and nothing gets lost. No figure is judged."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.benchmarks.__main__ import ROWS


def test_the_benchmark_measures_everything_it_prints() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks", "--messages", "64", "--rounds", "1", "--seconds", "0.3", "--json"],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr
    *lost, figures = done.stdout.splitlines()
    assert lost == [], "messages did not come through"
    results = json.loads(figures)
    assert list(results) == ["patchbay", "in memory"]
    for relay, measured in results.items():
        wanted = {key for key, _ in ROWS} - ({"start_to_ready_s"} if relay == "in memory" else set())
        assert measured.keys() == wanted
        assert all(value > 0 for key, value in measured.items() if key != "cpu_us_per_message")


def test_the_benchmark_of_commands_measures_how_long_each_holds_the_writer() -> None:
    small = ["--dead", "30", "--messages", "50", "--targets", "60", "--rounds", "1", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.commands", *small],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr
    took = json.loads(done.stdout)
    assert {"/retry all", "/edit: Change", "/react", "/undo: Take back", "/announce: Send"} < took.keys()
    assert all(seconds > 0 for seconds in took.values())
