"""The bot as a child process: started, watched, started again when it dies, and stopped."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

import bot

Json = dict[str, Any]

STOP_WITHIN_S = 10.0
PAUSE_S = (1.0, 1.0, 2.0, 5.0, 10.0)
"""Between a death and the next start; longer after several deaths in a row."""
STEADY_S = 20.0
"""After this long a death is no longer one in a row."""
ASK_S = {"ready": 2.0, "not ready": 0.3}
"""How often it is asked whether it is ready: each time costs it a write. Oftener while it does not answer yet."""
ASK_SOON_S = 0.1
LOG_BYTES_MOST = 2 << 20
LOG_LINES = 200
LINE_MOST = 4000


class Log:
    """What the bot says, in a file that does not grow for ever, its last lines at hand."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8")  # noqa: SIM115
        self._size = 0
        self.lines: deque[str] = deque(maxlen=LOG_LINES)

    def add(self, line: str) -> None:
        """One line; a file that is full begins anew with the last lines."""
        self.lines.append(line)
        self._size += len(line.encode()) + 1
        if self._size > LOG_BYTES_MOST:
            self._file.seek(0)
            self._file.truncate()
            self._file.writelines(f"{kept}\n" for kept in self.lines)
            self._size = sum(len(kept.encode()) + 1 for kept in self.lines)
        else:
            self._file.write(f"{line}\n")
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def environment(given: Mapping[str, str]) -> dict[str, str]:
    """The child's environment: it finds this very code from anywhere, and takes no configuration but the one given."""
    kept = {name: value for name, value in given.items() if not name.startswith("PATCHBAY_")}
    root = str(Path(bot.__file__).parents[1])
    paths = [root, *filter(None, given.get("PYTHONPATH", "").split(os.pathsep))]
    return kept | {"PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1", "PATCHBAY_LOG": "text"}


async def spawn(*arguments: str, folder: Path) -> asyncio.subprocess.Process:
    """Start ``python -m bot ARGUMENT…`` so that it cannot outlive this process; its output is one pipe."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bot.playground.child",
        str(os.getpid()),
        *arguments,
        # A pipe that closes with this process: see child.watch_pipe.
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=folder,
        env=environment(os.environ),
        # Ctrl-C in a terminal is for the playground, which then stops the bot in order.
        start_new_session=True,
        limit=1 << 20,
    )


class BotProcess:
    """Keeps one bot running.

    ``prepare`` is called before each start and returns the address at which the bot will listen. ``changed`` is called
    whenever :meth:`to_json` would say something else, ``said`` with each line of the log.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        folder: Path,
        log: Log,
        prepare: Callable[[], str],
        changed: Callable[[], None],
        said: Callable[[], None],
    ) -> None:
        self._arguments = tuple(arguments)
        self._folder = folder
        self._log = log
        self._prepare = prepare
        self._changed = changed
        self._said = said
        self._process: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[None] | None = None
        self._stopping = False
        self._skip_pause = asyncio.Event()
        self._ask = asyncio.Event()
        self.url = ""
        self.since = 0.0
        self.state = "stopped"
        self.why = ""
        self.starts = 0
        self.kills = 0
        self.became_ready = asyncio.Event()

    # --- for everybody

    @property
    def pid(self) -> int | None:
        """The process's number while there is one."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    @property
    def ready(self) -> bool:
        """Whether the bot says that it is ready."""
        return self.state == "ready"

    def to_json(self) -> Json:
        """How it is, for a page."""
        return {
            "pid": self.pid,
            "state": self.state,
            "why": self.why,
            "since": self.since,
            "starts": self.starts,
            "url": self.url,
        }

    def start(self) -> None:
        """Begin to keep it running."""
        self.url = self._prepare()
        self._task = asyncio.get_running_loop().create_task(self._keep_running(), name="bot")

    async def stop(self) -> None:
        """Stop it for good: SIGTERM, and SIGKILL for one that takes longer than ten seconds."""
        self._stopping = True
        self._skip_pause.set()
        await self._end()
        if self._task is not None:
            await self._task

    def kill(self) -> int | None:
        """``kill -9``: no goodbye. It is started again after a moment. Returns the process's number, if it ran."""
        pid = self.pid
        if pid is not None:
            self.kills += 1
            os.kill(pid, signal.SIGKILL)
        return pid

    async def restart(self) -> None:
        """Stop it cleanly and start it again at once."""
        self._skip_pause.set()
        await self._end()

    def look(self) -> None:
        """Ask soon whether it is ready: something changed that may matter."""
        self._ask.set()

    # --- the life of the process

    async def _end(self) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        self._set("stopping")
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(STOP_WITHIN_S):
                await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _keep_running(self) -> None:
        deaths = 0
        while not self._stopping:
            self._skip_pause.clear()
            began = time.monotonic()
            code = await self._run_once()
            if self._stopping:
                break
            if self._skip_pause.is_set():
                deaths = 0
                continue
            deaths = deaths + 1 if time.monotonic() - began < STEADY_S else 1
            await self._pause(code, PAUSE_S[min(deaths, len(PAUSE_S)) - 1])
        self._set("stopped")

    async def _run_once(self) -> int:
        self.url = self._prepare()
        self.starts += 1
        self._process = process = await spawn(*self._arguments, folder=self._folder)
        self.since = time.time()
        self._set("starting")
        asking = asyncio.create_task(self._ask_ready(process))
        try:
            await asyncio.gather(self._read_log(process), process.wait())
        finally:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            if process.stdin is not None:
                process.stdin.close()
        assert process.returncode is not None
        return process.returncode

    async def _pause(self, code: int, pause_s: float) -> None:
        ended = f"ended with exit code {code}"
        if code < 0:
            ended = f"killed by {signal.Signals(-code).name}"
        elif code and self._log.lines:
            ended = f"{ended}: {self._log.lines[-1]}"
        self.since = time.time()
        self._set("down", f"{ended}; starts again in {pause_s:g} s")
        self._log.add(f"--- {ended} ---")
        self._said()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause_s):
                await self._skip_pause.wait()

    async def _read_log(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        rest = b""
        while chunk := await process.stdout.read(1 << 16):
            *lines, rest = (rest + chunk).split(b"\n")
            if len(rest) > LINE_MOST:
                lines, rest = [*lines, rest], b""
            for line in lines:
                self._hear(line)
            self._said()
        if rest:
            self._hear(rest)
            self._said()

    def _hear(self, line: bytes) -> None:
        text = line.decode("utf-8", "replace")[:LINE_MOST]
        # Nothing that could move a terminal's cursor, for people who tail the file.
        self._log.add(re.sub(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]", "·", text))

    async def _ask_ready(self, process: asyncio.subprocess.Process) -> None:
        async with httpx.AsyncClient(verify=False, timeout=5.0, trust_env=False) as http:
            while process.returncode is None:
                self._ask.clear()
                try:
                    answer = await http.get(f"{self.url}/readyz")
                    checks = answer.json()
                    wrong = [f"{name}: {value}" for name, value in checks.items() if value not in ("ok", True, False)]
                    self._set("ready" if answer.status_code == 200 else "not ready", "; ".join(wrong))
                except (httpx.HTTPError, ValueError):
                    if self.state in ("ready", "not ready"):
                        self._set("not ready", "does not answer")
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(ASK_S.get(self.state, ASK_SOON_S)):
                        await self._ask.wait()

    def _set(self, state: str, why: str = "") -> None:
        if self.state == "stopping" and state in ("ready", "not ready"):
            return
        if (state, why) == (self.state, self.why):
            return
        self.state, self.why = state, why
        if state == "ready":
            self.became_ready.set()
        else:
            self.became_ready.clear()
        self._changed()
