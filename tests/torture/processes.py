"""Running ``patchbay`` as a process of its own: forked from the nursery (short form) or started anew (long form)."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

ROOT = Path(__file__).resolve().parents[2]
KILLED = -signal.SIGKILL


class Child(Protocol):
    """A running process."""

    pid: int

    async def wait(self) -> int:
        """Its exit code; negative for the signal that ended it."""
        ...


class Starter(Protocol):
    """A way of running ``patchbay``."""

    async def start(self, argv: Sequence[str], *, env: Mapping[str, str], out: Path, log: Path) -> Child:
        """Run it with these arguments; what it prints goes to the end of these files."""
        ...


@dataclass
class _Forked:
    pid: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def wait(self) -> int:
        try:
            return int(json.loads(await self.reader.readline())["exit"])
        finally:
            self.writer.close()
            with contextlib.suppress(OSError):
                await self.writer.wait_closed()


class Nursery:
    """Forks from a process that has everything imported."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def start(self, argv: Sequence[str], *, env: Mapping[str, str], out: Path, log: Path) -> Child:
        """See :class:`Starter`."""
        reader, writer = await asyncio.open_unix_connection(self._path)
        job = {"argv": list(argv), "env": dict(env), "out": str(out), "log": str(log)}
        writer.write(json.dumps(job).encode() + b"\n")
        return _Forked(int(json.loads(await reader.readline())["pid"]), reader, writer)


@contextmanager
def nursery(folder: Path, env: Mapping[str, str] | None = None) -> Iterator[Nursery]:
    """A nursery for as long as it is needed. ``env``: what its children have beside our own environment."""
    path = folder / "nursery"
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.torture.nursery", str(path)],
        cwd=ROOT,
        env={**os.environ, **(env or {})},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin and process.stdout
    try:
        assert process.stdout.readline() == b"ready\n", "the nursery did not start"
        yield Nursery(path)
    finally:
        process.stdin.close()
        process.wait(10)
        process.stdout.close()


class Fresh:
    """``python -m bot …``, as everybody runs it."""

    async def start(self, argv: Sequence[str], *, env: Mapping[str, str], out: Path, log: Path) -> Child:
        """See :class:`Starter`."""
        with out.open("ab") as stdout, log.open("ab") as stderr:
            return await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "bot",
                *argv,
                cwd=ROOT,
                env={**os.environ, **env},
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
            )
