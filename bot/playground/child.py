"""Becomes the bot, in a process that cannot outlive the playground that started it.

``python -m bot.playground.child PARENT_PID ARGUMENT…`` ties its life to that parent and then turns, by exec, into
``python -m bot ARGUMENT…``: the same process, the same command that anybody would type.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Sequence

PR_SET_PDEATHSIG = 1
"""Kept over exec: https://man7.org/linux/man-pages/man2/PR_SET_PDEATHSIG.2const.html (2026-11)."""


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent ends; elsewhere than on Linux a watcher does it."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it ended before the kernel knew
            os._exit(1)
    else:
        watch_pipe(os.getpid())


def watch_pipe(bot: int) -> None:
    """Leave a watcher behind that kills ``bot`` once standard input, a pipe from the parent, is closed."""
    if os.fork():
        return
    # The bot's output is a pipe as well; held open here it would never seem to end.
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    while os.read(0, 1024):
        pass
    # A bot that has ended is no longer our parent, and its number may be somebody else's.
    if os.getppid() == bot:
        with contextlib.suppress(ProcessLookupError):
            os.kill(bot, signal.SIGKILL)
    os._exit(0)


def main(arguments: Sequence[str]) -> None:
    """Tie, then exec."""
    parent, *rest = arguments
    die_with_parent(int(parent))
    os.execv(sys.executable, [sys.executable, "-m", "bot", *rest])


if __name__ == "__main__":
    main(sys.argv[1:])
