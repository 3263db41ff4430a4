"""What the children of the store's tests do: real processes on a real file, some of which kill themselves.

Run with the path of a socket: forks a child for every connection. The first line a child hears is its job as JSON;
what it says are lines of JSON too, written at once, so that a killed one has said all it had to.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import select
import signal
import socket
import sqlite3
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NoReturn

from bot.store import StoreError, Tx
from bot.store.inbox import Arrived
from bot.store.outbox import Lease, NewDelivery, Outcome
from bot.store.sqlite import SqliteStore

ACCOUNT = "pbx"


class Line:
    """The connection to the test."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._heard = connection.makefile("r")

    def say(self, what: object) -> None:
        """One line, out of the process when this returns."""
        self._connection.sendall(json.dumps(what).encode() + b"\n")

    def hear(self) -> Any:
        """The next line, or None if the test is gone."""
        line = self._heard.readline()
        return json.loads(line) if line else None


def die() -> NoReturn:
    """SIGKILL: nothing is tidied up."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("SIGKILL came back")


def arrive(tx: Tx, n: int) -> None:
    """Everything a message is, in one unit: arrival, dedupe, message and two parts in a conversation."""
    id = tx.inbox.put(Arrived(ACCOUNT, b"{}", 100.0 + n, key=f"in{n}"))
    assert id is not None
    assert not tx.inbox.seen(ACCOUNT, f"event{n}", now=100.0)
    message = tx.messages.add(
        account=ACCOUNT,
        conversation="from",
        remote_id=f"m{n}",
        sender_id="u",
        sender_name="U",
        text=f"text {n}",
        at=1.0,
    )
    for part in (1, 2):
        tx.outbox.add(
            NewDelivery(
                account=ACCOUNT, conversation=f"to{n}", payload=f'"{n}/{part}"', created_at=100.0, expires_at=1e9,
                on_ambiguous="hold", message=message, part=part, parts=2,
            )
        )  # fmt: skip
    tx.inbox.done(Arrived(ACCOUNT, b"{}", 100.0, id=id), ["relayed"])


class Fragile(SqliteStore):
    """The real store, which dies at one point of one unit of work."""

    point = ""

    def _tell(self, jobs: Any, woken: Any) -> None:
        if jobs and self.point == "committed":
            die()
        super()._tell(jobs, woken)

    def arm(self, point: str) -> None:
        """Die there, in the next unit."""
        self.point = point
        self._db.set_trace_callback(self._before)

    def _before(self, statement: str) -> None:
        if statement == "COMMIT" and self.point == "commit":
            die()


async def steps(line: Line, *, path: str, point: str, at: int) -> None:
    """Arrivals, claims, attempts and ends, one unit each; dies at ``point`` of unit ``at``."""
    store = await Fragile.open(Path(path), exclusive=True)
    assert isinstance(store, Fragile)
    leases: dict[str, Lease] = {}

    def claim(tx: Tx) -> None:
        for lease in tx.outbox.claim(ACCOUNT, owner="w", now=200.0, lease_s=60.0, limit=10, batch=2):
            leases[lease.conversation] = lease

    def begin(tx: Tx, n: int) -> None:
        assert tx.outbox.begin(leases[f"to{n}"], now=201.0)

    def settle(tx: Tx, n: int) -> None:
        lease = leases[f"to{n}"]
        assert tx.outbox.settle(lease, [Outcome(row.id, "sent") for row in lease.rows], now=202.0)

    units: list[tuple[str, int, Callable[..., None]]] = [
        ("arrive", 0, arrive), ("arrive", 1, arrive), ("arrive", 2, arrive), ("claim", 0, lambda tx, n: claim(tx)),
        ("begin", 0, begin), ("begin", 1, begin), ("settle", 0, settle), ("arrive", 3, arrive), ("begin", 2, begin),
        ("settle", 2, settle),
    ]  # fmt: skip
    for number, (name, n, do) in enumerate(units):
        hit = number == at
        if hit and point == "handed over":
            store._loop.call_soon(die)

        def unit(tx: Tx, do: Callable[..., None] = do, n: int = n, hit: bool = hit) -> None:
            if hit and point == "started":
                die()
            do(tx, n)
            if hit and point == "written":
                die()

        if hit:
            store.arm(point)
        line.say(["try", name, n])
        await store.write(unit)
        line.say(["ok", name, n])
        if hit and point == "told":
            die()
    await store.close()
    line.say("end")


async def storm(line: Line, *, path: str) -> None:
    """Arrivals without end, eight at a time, each acknowledged as soon as it is committed."""
    store = await SqliteStore.open(Path(path), exclusive=True)
    numbers = iter(range(1_000_000))

    async def one() -> None:
        for n in numbers:
            line.say(["try", "arrive", n])
            await store.write(lambda tx, n=n: arrive(tx, n))  # type: ignore[misc]
            line.say(["ok", "arrive", n])

    await asyncio.gather(*(one() for _ in range(8)))


async def make(line: Line, *, path: str, at: int) -> None:
    """Open for the first time; dies before the statement numbered ``at``."""
    real = sqlite3.connect
    left = iter(range(at))

    def connect(*given: Any, **options: Any) -> sqlite3.Connection:
        db: sqlite3.Connection = real(*given, **options)
        db.set_trace_callback(lambda statement: None if next(left, None) is not None else die())
        return db

    sqlite3.connect = connect  # type: ignore[assignment]
    await SqliteStore.open(Path(path))
    line.say("made")


async def hold(line: Line, *, path: str) -> None:
    """Open for ``run``, until told to end."""
    try:
        store = await SqliteStore.open(Path(path), exclusive=True)
    except StoreError as error:
        line.say([type(error).__name__, str(error)])
        return
    line.say(["open", ""])
    line.hear()
    await store.close()


async def open_together(line: Line, *, path: str) -> None:
    """Open as soon as told, and write one row."""
    line.say("waiting")
    line.hear()
    store = await SqliteStore.open(Path(path))
    await store.write(lambda tx: tx.counters.add(ACCOUNT, "opened"))
    await store.close()
    line.say("written")


async def write(line: Line, *, path: str, conversation: str, count: int) -> None:
    """Some deliveries, a unit each, and a route."""
    store = await SqliteStore.open(Path(path))
    for n in range(count):
        new = NewDelivery(ACCOUNT, conversation, str(n), 100.0, 1e9, "hold")
        await store.write(lambda tx, new=new: tx.outbox.add(new))  # type: ignore[misc]
    await store.write(
        lambda tx: tx.routes.add(
            name=None, source="a:b", arrow="->", target="c:d", options="{}", created_by="test", now=1.0
        )
    )
    await store.close()
    line.say("written")


async def lock(line: Line, *, path: str) -> None:
    """Hold the write lock until told."""
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("BEGIN IMMEDIATE")
    line.say("locked")
    line.hear()
    db.execute("ROLLBACK")
    db.close()
    line.say("free")


def _size(path: str) -> int:
    return os.stat(path).st_size


async def full(line: Line, *, path: str, rooms: Iterable[int]) -> None:
    """Let no file grow beyond so many bytes from here, unit after unit; says what became of a batch each time."""
    store = await SqliteStore.open(Path(path))
    for number, room in enumerate(rooms):
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (_size(path + "-wal") + room, hard))
        batch = [
            store.write(lambda tx, n=n: arrive(tx, n))  # type: ignore[misc]
            for n in range(10 * number, 10 * number + 5)
        ]
        ended = await asyncio.gather(*batch, return_exceptions=True)
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        line.say([number, ["ok" if end is None else type(end).__name__ for end in ended]])
    await store.write(lambda tx: tx.counters.add(ACCOUNT, "after"))
    await store.close()
    line.say("end")


DOINGS: tuple[Callable[..., Any], ...] = (steps, storm, make, hold, open_together, write, lock, full)
DO = {do.__name__: do for do in DOINGS}


def nursery(address: str) -> None:
    """Fork a child for each connection, until standard input ends: no test that is killed leaves one behind."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    server = socket.socket(socket.AF_UNIX)
    server.bind(address)
    server.listen()
    print("ready", flush=True)
    while sys.stdin not in select.select([server, sys.stdin], [], [])[0]:
        connection, _ = server.accept()
        if os.fork():
            connection.close()
            continue
        server.close()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        line = Line(connection)
        job = line.hear()
        line.say(os.getpid())
        asyncio.run(DO[job.pop("do")](line, **job))
        os._exit(0)


if __name__ == "__main__":
    nursery(sys.argv[1])
