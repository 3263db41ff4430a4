"""What holds for all tests."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator

import pytest

from bot.logs import QUIET, Output


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
