"""The store on SQLite: one writer thread, group commit, reads on connections of their own.

WAL with ``synchronous=FULL``: an acknowledged unit survives a power cut. The only place that knows about
connections, pragmas and threads.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from sqlite_utils import Database

from bot.store import AlreadyRunning, Damaged, StoreUnavailable
from bot.store.migrations import migrations
from bot.store.tx import Tx

T = TypeVar("T")
logger = logging.getLogger(__name__)

BUSY_S = 20.0
LOOK_S = 0.25
"""How often the writer looks whether another process changed the database."""
GROUP_MOST = 512
_STOP = object()


def connect(path: Path) -> sqlite3.Connection:
    """A connection with our pragmas. Raises ``Damaged`` or ``StoreUnavailable``."""
    try:
        db = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False, cached_statements=256)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA foreign_keys = ON")
        db.execute("PRAGMA temp_store = MEMORY")
        return db
    except sqlite3.OperationalError as error:
        raise StoreUnavailable(f"{path}: {error}; check that the folder exists and can be written") from error
    except sqlite3.DatabaseError as error:
        raise Damaged(f"{path}: {error}; restore a backup or move the file away") from error


class _Job:
    __slots__ = ("done", "error", "future", "result", "unit")

    def __init__(self, unit: Callable[[Tx], Any], future: asyncio.Future[Any]) -> None:
        self.unit = unit
        self.future = future
        self.result: Any = None
        self.error: BaseException | None = None


class SqliteStore:
    """See :class:`bot.store.Store`. Make it with :meth:`open` inside a running event loop."""

    _db: sqlite3.Connection
    _tx: Tx

    def __init__(self, path: Path, *, loop: asyncio.AbstractEventLoop) -> None:
        self.path = path
        self._loop = loop
        self._jobs: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._listeners: list[Callable[[frozenset[str]], None]] = []
        self._readers = ThreadPoolExecutor(2, thread_name_prefix="store-read", initializer=self._open_reader)
        self._local = threading.local()
        self._reader_connections: list[sqlite3.Connection] = []
        self._closed = False
        self._lock: int | None = None
        self._thread = threading.Thread(target=self._work, name="store-write", daemon=True)
        self.commits = 0
        self.units = 0

    @classmethod
    async def open(cls, path: Path, *, exclusive: bool = False) -> SqliteStore:
        """Open, making and migrating the database as needed.

        ``exclusive`` is for ``run``: raises ``AlreadyRunning`` if another process has it so.
        """
        store = cls(path, loop=asyncio.get_running_loop())
        path.parent.mkdir(parents=True, exist_ok=True)
        if exclusive:
            store._lock = _take_lock(path)
        try:
            store._db = connect(path)
            store._migrate()
        except BaseException:
            store._unlock()
            raise
        store._tx = Tx(store._db)
        store._thread.start()
        return store

    def _migrate(self) -> None:
        try:
            # Two processes may start on a new file at once: the migrations then run one after the other.
            with _Guard(self.path):
                migrations.apply(Database(self._db))
            self._version = self._data_version()
        except sqlite3.DatabaseError as error:
            raise Damaged(f"{self.path}: {error}; restore a backup or move the file away") from error

    def _data_version(self) -> int:
        return int(self._db.execute("PRAGMA data_version").fetchone()[0])

    # --- the event loop's side

    async def write(self, unit: Callable[[Tx], T]) -> T:
        """See :meth:`bot.store.Store.write`."""
        if self._closed:
            raise StoreUnavailable("the store is closed")
        future: asyncio.Future[T] = self._loop.create_future()
        self._jobs.put(_Job(unit, future))
        return await future

    async def read(self, query: Callable[[Tx], T]) -> T:
        """See :meth:`bot.store.Store.read`."""
        if self._closed:
            raise StoreUnavailable("the store is closed")
        return await self._loop.run_in_executor(self._readers, self._read, query)

    def on_wake(self, listener: Callable[[frozenset[str]], None]) -> None:
        """See :meth:`bot.store.Store.on_wake`."""
        self._listeners.append(listener)

    async def close(self) -> None:
        """See :meth:`bot.store.Store.close`."""
        if self._closed:
            return
        self._closed = True
        self._jobs.put(_STOP)
        await self._loop.run_in_executor(None, self._thread.join)
        await self._loop.run_in_executor(None, self._readers.shutdown)
        for connection in self._reader_connections:
            connection.close()
        with contextlib.suppress(sqlite3.Error):
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._db.close()
        self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    # --- the reader threads' side

    def _open_reader(self) -> None:
        connection = connect(self.path)
        connection.execute("PRAGMA query_only = ON")
        self._reader_connections.append(connection)
        self._local.tx = Tx(connection)

    def _read(self, query: Callable[[Tx], T]) -> T:
        tx: Tx = self._local.tx
        try:
            tx.db.execute("BEGIN")
            try:
                return query(tx)
            finally:
                tx.db.execute("COMMIT")
        except sqlite3.OperationalError as error:
            raise StoreUnavailable(f"{self.path}: {error}") from error

    # --- the writer thread's side

    def _work(self) -> None:
        while True:
            try:
                first = self._jobs.get(timeout=LOOK_S)
            except queue.Empty:
                self._look()
                continue
            jobs: list[_Job] = []
            stop = first is _STOP
            if not stop:
                jobs.append(first)
            while len(jobs) < GROUP_MOST:
                try:
                    job = self._jobs.get_nowait()
                except queue.Empty:
                    break
                if job is _STOP:
                    stop = True
                else:
                    jobs.append(job)
            if jobs:
                self._commit(jobs)
            if stop and self._jobs.empty():
                return
            if stop:
                self._jobs.put(_STOP)

    def _look(self) -> None:
        try:
            version = self._data_version()
        except sqlite3.Error:
            logger.warning("the database cannot be read", extra={"action": "look"})
            return
        if version != self._version:
            self._version = version
            self._tx.epoch += 1
            self._tell([], frozenset("*"))

    def _commit(self, jobs: list[_Job]) -> None:
        tx = self._tx
        tx.woken.clear()
        outside = False
        try:
            self._db.execute("BEGIN IMMEDIATE")
            version = self._data_version()
            if version != self._version:
                self._version, outside = version, True
                tx.epoch += 1
            if len(jobs) == 1:
                self._run_alone(jobs[0])
            else:
                for job in jobs:
                    self._run_among(job)
            if tx.woken & {"routes", "roles"}:
                tx.epoch += 1
            self._db.execute("COMMIT")
        except BaseException as error:
            if self._db.in_transaction:
                with contextlib.suppress(sqlite3.Error):
                    self._db.execute("ROLLBACK")
            tx.woken.clear()
            tx.epoch += 1
            for job in jobs:
                if job.error is None:
                    job.error = _translated(error, self.path)
        self.commits += 1
        self.units += len(jobs)
        self._tell(jobs, frozenset(tx.woken | {"*"} if outside else tx.woken))

    def _run_alone(self, job: _Job) -> None:
        try:
            job.result = job.unit(self._tx)
        except BaseException as error:
            job.error = _translated(error, self.path)
            raise

    def _run_among(self, job: _Job) -> None:
        db = self._db
        woken = set(self._tx.woken)
        db.execute("SAVEPOINT unit")
        try:
            job.result = job.unit(self._tx)
        except BaseException as error:
            job.error = _translated(error, self.path)
            if not db.in_transaction:
                # A full disk can end the whole transaction: then nobody's work is in it any more.
                raise
            db.execute("ROLLBACK TO unit")
            self._tx.woken.clear()
            self._tx.woken.update(woken)
        db.execute("RELEASE unit")

    def _tell(self, jobs: list[_Job], woken: frozenset[str]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is gone: nobody waits any more
            self._loop.call_soon_threadsafe(self._deliver, jobs, woken)

    def _deliver(self, jobs: list[_Job], woken: frozenset[str]) -> None:
        for job in jobs:
            if job.future.done():
                continue
            if job.error is not None:
                job.future.set_exception(job.error)
            else:
                job.future.set_result(job.result)
        if woken:
            for listener in self._listeners:
                listener(woken)


def _translated(error: BaseException, path: Path) -> BaseException:
    if isinstance(error, sqlite3.OperationalError):
        unavailable = StoreUnavailable(f"{path}: {error}")
        unavailable.__cause__ = error
        return unavailable
    return error


def _take_lock(path: Path) -> int:
    lock = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise AlreadyRunning(
            f"{path}: another patchbay already runs on this database; stop it first, or give this one its own store.path"
        ) from error
    return lock


class _Guard:
    """One process at a time migrates."""

    def __init__(self, path: Path) -> None:
        self._path = path.with_name(path.name + ".migrate")

    def __enter__(self) -> None:
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._fd, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)
