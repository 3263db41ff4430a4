"""Bots and command lines started by fork from a process that has imported everything: a restart takes no second.

Run with the path of a socket. Each connection says in one line of JSON what to run; it hears the child's process id at
once and its exit status at the end. The nursery ends, and its children with it, when its standard input does.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import selectors
import signal
import socket
import sys
from typing import Any, NoReturn


def _preload() -> None:
    import uvicorn.lifespan.off
    import uvicorn.protocols.http.auto
    import uvicorn.protocols.websockets.auto
    import uvloop

    import bot.app
    import bot.cli
    import bot.logs
    from bridges.registry import PROVIDERS

    assert uvicorn and uvloop and bot.app and bot.cli and bot.logs
    assert all(PROVIDERS.values()), "each is imported when it is looked at"
    gc.freeze()


def _child(job: dict[str, Any]) -> NoReturn:
    """What ``python -m bot …`` does, with its own environment and files."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.environ.update(job["env"])
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for number, name in ((1, job["out"]), (2, job["log"])):
            os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), number)
        sys.argv = ["patchbay", *job["argv"]]
        from bot.cli import main

        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def _start(connection: socket.socket, others: list[socket.socket]) -> int:
    job = json.loads(connection.makefile("r").readline())
    pid = os.fork()
    if pid == 0:
        for other in (connection, *others):
            other.close()
        _child(job)
    connection.sendall(json.dumps({"pid": pid}).encode() + b"\n")
    return pid


def _reap(children: dict[int, socket.socket]) -> None:
    while children:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        connection = children.pop(pid)
        with contextlib.suppress(OSError):
            connection.sendall(json.dumps({"exit": os.waitstatus_to_exitcode(status)}).encode() + b"\n")
        connection.close()


def main(path: str) -> None:
    """Serve until standard input ends."""
    _preload()
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(writing)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(64)
    children: dict[int, socket.socket] = {}
    selector = selectors.DefaultSelector()
    for thing in (listener, reading, 0):
        selector.register(thing, selectors.EVENT_READ)
    print("ready", flush=True)
    while True:
        for key, _ in selector.select():
            if key.fileobj is listener:
                connection, _ = listener.accept()
                pid = _start(connection, [listener, *children.values()])
                children[pid] = connection
            elif key.fileobj == reading:
                os.read(reading, 4096)
            else:
                for pid in children:
                    os.kill(pid, signal.SIGKILL)
                return
        _reap(children)


if __name__ == "__main__":
    main(sys.argv[1])
