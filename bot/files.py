"""Files on their way through: fetched to disk in pieces, kept as long as somebody holds them, and no longer.

A file is fetched once for all the targets of a message: whoever wants it meanwhile gets the same one.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol, runtime_checkable
from uuid import uuid4

from bridges.api import File
from bridges.errors import BridgeError, Refused, Unavailable
from bridges.files import NotFetched as NotFetched
from bridges.model import Attachment

logger = logging.getLogger(__name__)

FILE_MOST = 20 << 20
"""Bytes of the largest file that is fetched, unless the settings say more: what Telegram lets a bot download."""
AT_ONCE = 4
"""Files that one account's own server is asked for at a time."""
STRANGERS_AT_ONCE, HOST_AT_ONCE = 8, 2
"""Files that an account's messages have us ask strangers for at a time: all of them together, and one host."""
FETCH_S = 180.0
"""How long a file may take at most, from its turn on."""
BEGIN_S = 20.0
SLOW_BYTES_S = 50_000
"""Where a file's size is told, it has so long to begin, and has to come as fast as this."""
STRANGER_S = 30.0
"""How long a stranger's file may take, whose link anybody may have written."""
TURN_S = 300.0
"""How long somebody waits for a file's turn; whoever comes again later finds it where it was in the queue."""


def too_large(most: int) -> NotFetched:
    """A file of more bytes than are fetched."""
    return NotFetched(f"the file has more than {most} bytes", reason=f"not fetched, it is over {most / 1e6:.0f} MB")


class NotNow(Unavailable):
    """A file that cannot be had just now. ``waited_s``: how long it had waited for its turn before it was tried."""

    def __init__(self, message: str, *, waited_s: float) -> None:
        super().__init__(message)
        self.waited_s = waited_s


class Queued(Unavailable):
    """A file whose turn has not come: nothing is known against it."""


def reason_of(error: Refused) -> str:
    """Why a file is not there, for the people in the chat; what a server said is not repeated to them."""
    return error.reason if isinstance(error, NotFetched) else "it is not to be had"


class OnDisk:
    """A file in a folder of ours; gone when nobody holds it any more."""

    def __init__(self, path: Path, *, size: int) -> None:
        self.path = path
        self.size = size
        weakref.finalize(self, _remove, path)

    def open(self) -> BinaryIO:
        """See :class:`bridges.api.File`."""
        return self.path.open("rb")

    @property
    def is_there(self) -> bool:
        """Whether nobody else has removed it."""
        return self.path.is_file()


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file that is somebody else's, on this machine: read, and left there."""

    path: Path
    size: int

    @classmethod
    def at(cls, path: Path) -> LocalFile:
        """Raises ``OSError``."""
        return cls(path, path.stat().st_size)

    def open(self) -> BinaryIO:
        """See :class:`bridges.api.File`."""
        return self.path.open("rb")


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()


class Folder:
    """Where files lie; nobody but us may look into it."""

    def __init__(self, path: Path, *, most: int = FILE_MOST) -> None:
        self.path = path
        self.most = most

    def prepare(self) -> None:
        """Make it, and remove what a former process left there. Raises ``OSError``."""
        self.path.mkdir(mode=0o700, exist_ok=True)
        self.path.chmod(0o700)
        for left in self.path.iterdir():
            if left.is_file() or left.is_symlink():
                left.unlink()

    def begin(self) -> Incoming:
        """A new file, empty so far. Raises ``OSError``."""
        return Incoming(self.path / uuid4().hex, most=self.most)


class Incoming:
    """A file that is being written; to be used in a ``with``, which removes it unless it was finished."""

    def __init__(self, path: Path, *, most: int) -> None:
        self._path = path
        self._most = most
        self._size = 0
        self._finished = False
        self._handle = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")

    def __enter__(self) -> Incoming:
        return self

    def __exit__(self, *_: object) -> None:
        self._handle.close()
        if not self._finished:
            _remove(self._path)

    def expect(self, size: int) -> None:
        """Raise ``NotFetched`` if a file of this size is not taken."""
        if size > self._most:
            raise too_large(self._most)

    def write(self, chunk: bytes) -> None:
        """Raises ``NotFetched`` once it is too large, ``OSError``."""
        self._size += len(chunk)
        self.expect(self._size)
        self._handle.write(chunk)

    def finish(self) -> OnDisk:
        """All of it is there. Raises ``OSError``."""
        self._handle.close()
        self._finished = True
        return OnDisk(self._path, size=self._size)


class Source(Protocol):
    """What an account is to a file."""

    async def fetch(self, attachment: Attachment) -> File:
        """See :meth:`bot.accounts.Account.fetch`."""
        ...


@runtime_checkable
class LeadsAway(Protocol):
    """An account whose files may lie with strangers."""

    def stranger(self, attachment: Attachment) -> str | None:
        """The host that has the file; None: the account's own server."""
        ...


@dataclass(frozen=True, slots=True)
class _Fetch:
    """A file that is fetched, or waits for that."""

    task: asyncio.Task[File]
    begun: asyncio.Event
    """Its turn has come, or it has ended."""


class Files:
    """Fetches what messages refer to, a few at a time.

    Each account has turns of its own, and each host of strangers has its own among these: one that is slow keeps
    nobody else's files waiting. ``turn_s``: how long somebody waits for a turn. ``clock`` tells seconds.
    """

    def __init__(
        self,
        accounts: Mapping[str, Source],
        *,
        most: int = FILE_MOST,
        at_once: int = AT_ONCE,
        turn_s: float = TURN_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._accounts = accounts
        self.most = most
        self._at_once = at_once
        self._turn_s = turn_s
        self._clock = clock
        self._turns: weakref.WeakValueDictionary[tuple[str, str], asyncio.Semaphore] = weakref.WeakValueDictionary()
        """By account and host; those that nobody uses are forgotten."""
        self._here: weakref.WeakValueDictionary[tuple[str, str], OnDisk] = weakref.WeakValueDictionary()
        self._under_way: dict[tuple[str, str], _Fetch] = {}

    async def fetch(self, attachment: Attachment) -> File:
        """The file. ``Refused`` if it is not to be had, ``NotNow`` if not just now, ``Queued`` if its turn did not
        come: nothing else is raised.
        """
        name = attachment.account or ""
        key = (name, attachment.ref)
        if (here := self._here.get(key)) is not None and here.is_there:
            return here
        source = self._accounts.get(name)
        if source is None:
            raise Refused("nobody knows where this file is")
        if attachment.size is not None and attachment.size > self.most:
            raise too_large(self.most)
        under_way = self._under_way.get(key)
        if under_way is None or under_way.task.done():
            under_way = self._begin(source, attachment, key=key)
        try:
            async with asyncio.timeout(self._turn_s):
                await under_way.begun.wait()
        except TimeoutError as error:
            raise Queued("the file waits for others that are fetched before it") from error
        # Whoever gives up waiting must not take the file away from the others.
        return await asyncio.shield(under_way.task)

    def _begin(self, source: Source, attachment: Attachment, *, key: tuple[str, str]) -> _Fetch:
        begun = asyncio.Event()
        made = _Fetch(asyncio.create_task(self._fetch(source, attachment, key=key, begun=begun)), begun)
        self._under_way[key] = made
        made.task.add_done_callback(lambda _: self._ended(key, made))
        return made

    async def _fetch(
        self, source: Source, attachment: Attachment, *, key: tuple[str, str], begun: asyncio.Event
    ) -> File:
        since, (name, _) = self._clock(), key
        host = source.stranger(attachment) if isinstance(source, LeadsAway) else None
        if host is None:
            turns = [self._turns_for(name, "", most=self._at_once)]
            limit_s = FETCH_S if attachment.size is None else BEGIN_S + attachment.size / SLOW_BYTES_S
        else:
            turns = [self._turns_for(name, host, most=HOST_AT_ONCE), self._turns_for(name, "*", most=STRANGERS_AT_ONCE)]
            limit_s = STRANGER_S
        async with contextlib.AsyncExitStack() as taken:
            for turn in turns:
                await taken.enter_async_context(turn)
            begun.set()
            waited_s = self._clock() - since
            return await self._asked(source, attachment, key=key, limit_s=min(limit_s, FETCH_S), waited_s=waited_s)

    def _turns_for(self, name: str, host: str, *, most: int) -> asyncio.Semaphore:
        return self._turns.setdefault((name, host), asyncio.Semaphore(most))

    async def _asked(
        self, source: Source, attachment: Attachment, *, key: tuple[str, str], limit_s: float, waited_s: float
    ) -> File:
        try:
            async with asyncio.timeout(limit_s):
                file = await source.fetch(attachment)
        except Refused:
            raise
        except BridgeError as error:
            # Whatever it means to the account that the file is from, the message to be sent has not left.
            raise NotNow(f"the file cannot be fetched just now: {error}", waited_s=waited_s) from error
        except TimeoutError as error:
            raise NotNow(f"the file did not come within {limit_s:.0f} s", waited_s=waited_s) from error
        except OSError as error:
            raise NotNow(f"the file cannot be kept on disk ({error.strerror})", waited_s=waited_s) from error
        if file.size > self.most:
            raise too_large(self.most)
        if isinstance(file, OnDisk):
            self._here[key] = file
        return file

    def _ended(self, key: tuple[str, str], ended: _Fetch) -> None:
        ended.begun.set()
        if self._under_way.get(key) is ended:
            del self._under_way[key]
        if not ended.task.cancelled():
            ended.task.exception()  # whoever waited has it; nobody may be left who did

    async def stop(self) -> None:
        """End what is under way."""
        tasks = [each.task for each in self._under_way.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
