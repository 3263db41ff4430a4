"""What holds for all tests."""

from __future__ import annotations

import gc
import logging
import os
import sys
from collections.abc import Generator, Iterator

import pytest

from bot.logs import QUIET, Output

# Journeys start hundreds of processes: where bytecode is not to be kept, each would compile the whole bot for itself.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# Collecting makes half a million objects that stay: the collector of garbage need not look at them, then or later.
gc.disable()


LONG = ("journeys", "torture")
"""Folders whose files take long: they come first, so that no worker has one left when the other has nothing to do."""


def pytest_configure(config: pytest.Config) -> None:
    """Workers take files as they were collected: journeys next to one another share what is begun once for all."""
    config.option.loadscopereorder = False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long ones first, else in the order of collection."""
    items.sort(key=lambda item: LONG.index(folder) if (folder := item.path.parent.name) in LONG else len(LONG))


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """From here on the collector looks at what the tests themselves make."""
    gc.freeze()
    gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What a test logs travels between processes as UTF-8, which has no lone surrogates; some tests log them."""
    report = yield
    report.sections = [(name, text.encode("utf-8", "backslashreplace").decode()) for name, text in report.sections]
    return report


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """A command that runs in this process sets up logging for all of it; the next test has it as it was."""
    levels = {name: logging.getLogger(name).level for name in (None, *QUIET)}
    yield
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if isinstance(handler, Output)]:
        root.removeHandler(handler)
    for name, number in levels.items():
        logging.getLogger(name).setLevel(number)
