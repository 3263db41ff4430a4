"""The engines that the store's tests run against, and processes of our own that may be killed."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest

from bot.store import Store
from bot.store.sqlite import SqliteStore

ENGINES: dict[str, Callable[..., Awaitable[Store]]] = {
    "sqlite": SqliteStore.open,
}
"""One line for each engine: how to open it on a path, again and again."""

CHILDREN = Path(__file__).with_name("children.py")


@pytest.fixture(params=list(ENGINES))
def engine(request: pytest.FixtureRequest) -> Callable[..., Awaitable[Store]]:
    """How to open a store of each engine."""
    return ENGINES[request.param]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a store may be."""
    return tmp_path / "patchbay.sqlite3"


@pytest.fixture
async def store(engine: Callable[..., Awaitable[Store]], path: Path) -> AsyncIterator[Store]:
    """An open store."""
    opened = await engine(path)
    yield opened
    await opened.close()


@pytest.fixture
async def sqlite(path: Path) -> AsyncIterator[SqliteStore]:
    """An open store on SQLite that does not wait long for others, for what only that engine has."""
    opened = await SqliteStore.open(path, busy_s=0.3)
    yield opened
    await opened.close()


class Child:
    """A process that does one thing of ``children.py`` and says how far it is."""

    def __init__(self, address: str, job: dict[str, Any]) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(30)
        self._socket.connect(address)
        self._lines = self._socket.makefile("rw")
        self.tell(job)
        self.pid = int(self.hear())

    def tell(self, what: object) -> None:
        """Say something to it."""
        self._lines.write(json.dumps(what) + "\n")
        self._lines.flush()

    def hear(self) -> Any:
        """What it says next; None once it has ended."""
        try:
            line = self._lines.readline()
        except ConnectionResetError:
            line = ""
        return json.loads(line) if line.endswith("\n") else None

    def rest(self) -> list[Any]:
        """Everything it says until it ends."""
        return list(iter(self.hear, None))

    def kill(self) -> list[Any]:
        """End it with SIGKILL; returns what it had still said."""
        os.kill(self.pid, signal.SIGKILL)
        return self.rest()

    def close(self) -> None:
        """Give the connection back."""
        self._lines.close()
        self._socket.close()


@pytest.fixture(scope="session")
def nursery() -> Iterator[str]:
    """A process that has imported everything and forks a child for each connection: a start costs milliseconds."""
    with tempfile.TemporaryDirectory(prefix="nursery") as folder:
        address = f"{folder}/s"
        command = [sys.executable, str(CHILDREN), address]
        root = CHILDREN.parents[2]
        with Popen(command, cwd=root, env=os.environ | {"PYTHONPATH": str(root)}, stdin=-1, stdout=-1) as process:
            assert process.stdin is not None and process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            yield address
            process.stdin.close()


@pytest.fixture
def child(nursery: str) -> Iterator[Callable[..., Child]]:
    """Start a child: ``child("hold", path=…)``."""
    children: list[Child] = []

    def start(do: str, **given: Any) -> Child:
        job = {name: str(value) if isinstance(value, Path) else value for name, value in given.items()}
        children.append(Child(nursery, {"do": do, **job}))
        return children[-1]

    yield start
    for one in children:
        one.close()
