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

from bot.store import AlreadyRunning, Damaged, StoreError, StoreUnavailable
from bot.store.migrations import NAMES, migrations
from bot.store.tx import Tx

T = TypeVar("T")
logger = logging.getLogger(__name__)

BUSY_S = 20.0
LOOK_S = 0.25
"""How often the writer looks whether another process changed the database."""
GROUP_MOST = 512
_STOP = object()
_RULES = frozenset({"routes", "roles"})
_TROUBLES = frozenset({
    sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_READONLY,
})  # fmt: skip
"""Primary codes that say something about the file, its disk or other processes, not about the statement."""


def connect(path: Path, *, busy_s: float = BUSY_S) -> sqlite3.Connection:
    """A connection with our pragmas; waits ``busy_s`` for other writers. Raises ``Damaged`` or ``StoreUnavailable``."""
    try:
        db = sqlite3.connect(path, timeout=busy_s, isolation_level=None, check_same_thread=False, cached_statements=256)
    except sqlite3.Error as error:
        raise _of_the_file(error, path) from error
    try:
        # A damaged text must be readable, or its row can never be claimed and set aside: its CRC tells of it.
        db.text_factory = _text
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA foreign_keys = ON")
        db.execute("PRAGMA temp_store = MEMORY")
    except sqlite3.Error as error:
        db.close()
        raise _of_the_file(error, path) from error
    return db


def _text(raw: bytes) -> str:
    return raw.decode(errors="replace")


def _of_the_file(error: sqlite3.Error, path: Path) -> StoreError:
    """What an error means that no unit can be to blame for. Codes: https://sqlite.org/rescode.html (2026-01)."""
    # The primary code is the low byte of an extended one.
    match getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF:
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return Damaged(f"{path}: {error}; restore a backup or move the file away")
        case sqlite3.SQLITE_FULL:
            return StoreUnavailable(f"{path}: {error}; free some space on its disk")
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return StoreUnavailable(f"{path}: {error}; another program holds it, end that or wait")
        case _:
            return StoreUnavailable(f"{path}: {error}; check that its folder and disk can be written")


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
    _version: int

    def __init__(self, path: Path, *, loop: asyncio.AbstractEventLoop, busy_s: float = BUSY_S) -> None:
        self.path = path
        self._loop = loop
        self._busy_s = busy_s
        self._jobs: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._listeners: list[Callable[[frozenset[str]], None]] = []
        self._readers = ThreadPoolExecutor(2, thread_name_prefix="store-read")
        self._local = threading.local()
        self._reader_connections: list[sqlite3.Connection] = []
        self._closed = False
        self._looked = True
        self._epoch = 0
        """The writer's epoch as of its last commit: what a snapshot taken from now on can rely on."""
        self._lock: int | None = None
        self._thread = threading.Thread(target=self._work, name="store-write", daemon=True)
        self.commits = 0
        """How many transactions were committed, and how many units were in them."""
        self.units = 0

    @classmethod
    async def open(cls, path: Path, *, exclusive: bool = False, busy_s: float = BUSY_S) -> SqliteStore:
        """Open, making and migrating the database as needed. Blocks the loop while another process migrates it.

        ``exclusive`` is for ``run``: raises ``AlreadyRunning`` if another process has it so. ``busy_s``: how long
        to wait for another process that is writing. Raises ``Damaged`` or ``StoreUnavailable`` too.
        """
        store = cls(path, loop=asyncio.get_running_loop(), busy_s=busy_s)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if exclusive:
                store._lock = _take_lock(path)
            # Two processes may start on a new file at once: one after the other switches it to WAL and migrates.
            with _Guard(path):
                # It holds texts of people and what bridges remember: nobody else's to read.
                os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
                store._db = connect(path, busy_s=busy_s)
                store._migrate()
        except BaseException as error:
            store._give_back()
            if isinstance(error, OSError):
                said = f"{error.filename or path}: {error.strerror}"
                raise StoreUnavailable(f"{said}; check store.path and that its folder can be written") from error
            raise
        # A full disk can end a transaction under a unit that hides the error: what the unit does then must begin
        # another one, which is never committed, and not be committed statement by statement.
        store._db.isolation_level = "IMMEDIATE"
        store._tx = Tx(store._db)
        store._thread.start()
        return store

    def _migrate(self) -> None:
        database = Database(self._db)
        try:
            newer = {row.name for row in migrations.applied(database)} - NAMES
            if newer:
                raise Damaged(f"{self.path}: made by a newer Patchbay ({min(newer)}); run that one or restore a backup")
            migrations.apply(database)
            self._version = self._data_version()
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR:
                # Its tables are not ours.
                raise Damaged(f"{self.path}: {error}; restore a backup or move the file away") from error
            raise _of_the_file(error, self.path) from error

    def _data_version(self) -> int:
        return int(self._db.execute("PRAGMA data_version").fetchone()[0])

    @property
    def changes(self) -> int:
        """How many rows this process has changed so far."""
        return self._db.total_changes

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
        # The last one to close moves the WAL into the file; asking for that here could wait for other processes.
        self._give_back()

    def _give_back(self) -> None:
        if hasattr(self, "_db"):
            self._db.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    # --- the reader threads' side

    def _reader(self) -> Tx:
        # Opened at first use and tried again after a failure: a pool's initializer that fails breaks the pool for good.
        tx: Tx | None = getattr(self._local, "tx", None)
        if tx is None:
            connection = connect(self.path, busy_s=self._busy_s)
            self._reader_connections.append(connection)
            connection.execute("PRAGMA query_only = ON")
            self._local.tx = tx = Tx(connection)
        return tx

    def _read(self, query: Callable[[Tx], T]) -> T:
        tx = self._reader()
        # Taken before the snapshot: rules newer than the epoch they are kept under do no harm, older ones would.
        tx.epoch = self._epoch
        try:
            tx.db.execute("BEGIN")
            return query(tx)
        except (sqlite3.Error, StopIteration) as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_READONLY:
                # The connection is read-only: the query wrote, which is its mistake and no trouble of the file.
                raise
            told = _translated(error, self.path)
            if told is error:
                raise
            raise told from error
        finally:
            if tx.db.in_transaction:
                with contextlib.suppress(sqlite3.Error):
                    tx.db.execute("ROLLBACK")
            tx.counters.rewind()

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
        except sqlite3.Error as error:
            if self._looked:
                logger.warning("the database cannot be read: %s", error, extra={"action": "look"})
            self._looked = False
            return
        self._looked = True
        if version != self._version:
            self._version = version
            self._tx.epoch += 1
            self._epoch = self._tx.epoch
            self._tell([], frozenset("*"))

    def _commit(self, jobs: list[_Job]) -> None:
        tx = self._tx
        outside = False
        try:
            outside = self._begin()
            if not self._run_together(jobs):
                # One of them raised: all is undone, and each runs again behind a savepoint of its own.
                self._db.execute("ROLLBACK")
                outside |= self._begin()
                for job in jobs:
                    self._run(job)
            tx.counters.flush()
            self._release("batch")
            self._db.execute("COMMIT")
            self.commits += 1
            self.units += len(jobs)
        except BaseException as error:
            if self._db.in_transaction:
                with contextlib.suppress(sqlite3.Error):
                    self._db.execute("ROLLBACK")
            tx.woken.clear()
            tx.counters.rewind()
            tx.epoch += 1
            for job in jobs:
                if job.error is None:
                    job.error = _of_the_file(error, self.path) if isinstance(error, sqlite3.Error) else error
        self._epoch = tx.epoch
        self._tell(jobs, frozenset(tx.woken | {"*"} if outside else tx.woken))

    def _begin(self) -> bool:
        """Begin a transaction; True if another process changed the database since the last one."""
        tx = self._tx
        tx.woken.clear()
        tx.counters.rewind()
        self._db.execute("BEGIN IMMEDIATE")
        self._db.execute("SAVEPOINT batch")
        version = self._data_version()
        if version == self._version:
            return False
        self._version = version
        tx.epoch += 1
        return True

    def _run_together(self, jobs: list[_Job]) -> bool:
        """Run units one after the other; False as soon as one raises. Nearly always none does."""
        tx = self._tx
        try:
            for job in jobs:
                job.result = job.unit(tx)
                if tx.woken & _RULES:
                    # At once: the unit that follows already works by the new ones.
                    tx.epoch += 1
        except BaseException as error:
            # A cache may have been filled with rules that now never were.
            tx.epoch += 1
            if not self._db.in_transaction:
                raise self._transaction_lost() from error
            return False
        return True

    def _run(self, job: _Job) -> None:
        """Run one unit. Its own error undoes its own work; an error of the file is raised and ends the whole batch."""
        db, tx = self._db, self._tx
        woken = set(tx.woken)
        tx.woken.clear()
        # Before the savepoint: if this unit asks for the counters and then raises, what others added must not go too.
        tx.counters.flush()
        db.execute("SAVEPOINT unit")
        try:
            job.result = job.unit(tx)
        except BaseException as error:
            job.error = _translated(error, self.path)
            # A cache may have been filled with rules that now never were.
            tx.epoch += 1
            if isinstance(job.error, StoreError) and isinstance(error, sqlite3.Error):
                # What a full or failing disk has taken, the transaction included, is not worth guessing.
                raise
            db.execute("ROLLBACK TO unit")
            tx.woken.clear()
            tx.counters.rewind()
        else:
            if tx.woken & _RULES:
                tx.epoch += 1
        self._release("unit")
        tx.woken.update(woken)

    def _release(self, savepoint: str) -> None:
        try:
            self._db.execute(f"RELEASE {savepoint}")
        except sqlite3.OperationalError as error:
            # The transaction in which it was made has ended under a unit, and with it the work of all before.
            raise self._transaction_lost() from error

    def _transaction_lost(self) -> StoreUnavailable:
        return StoreUnavailable(f"{self.path}: its disk is full or failing; free some space")

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
                # Each in a call of its own: one that raises keeps nothing from the others.
                self._loop.call_soon(listener, woken)


def _translated(error: BaseException, path: Path) -> BaseException:
    """What the caller of a unit gets: the file's troubles as ours, its own errors as they are."""
    if isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", 0) & 0xFF in _TROUBLES:
        told: BaseException = _of_the_file(error, path)
    elif isinstance(error, StopIteration):
        # A future refuses it, and whoever awaits that would wait for ever.
        told = RuntimeError("a unit of work raised StopIteration")
    else:
        return error
    told.__cause__ = error
    return told


def _take_lock(path: Path) -> int:
    lock = os.open(_beside(path, ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock)
        raise AlreadyRunning(
            f"{path}: another patchbay already runs on this database;"
            " stop it first, or give this one its own store.path"
        ) from error
    except OSError:
        os.close(lock)
        raise
    return lock


def _beside(path: Path, suffix: str) -> Path:
    # Resolved: two links to one file must meet at one lock.
    real = path.resolve()
    return real.with_name(real.name + suffix)


class _Guard:
    """One process at a time migrates."""

    def __init__(self, path: Path) -> None:
        self._path = _beside(path, ".migrate")

    def __enter__(self) -> None:
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._fd, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)
