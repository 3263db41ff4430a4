"""One nursery for all tests: what takes long is importing."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.torture.processes import Starter, nursery


@pytest.fixture(scope="session")
def starter() -> Iterator[Starter]:
    # Not pytest's own folder: the path of a Unix socket has room for some hundred characters only.
    with tempfile.TemporaryDirectory(prefix="patchbay-") as name, nursery(Path(name)) as made:
        yield made
