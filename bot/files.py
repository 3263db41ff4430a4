"""Files on their way through: fetched to disk in pieces, kept as long as somebody holds them, and no longer.

A file is fetched once for all the targets of a message: whoever wants it meanwhile gets the same one.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol
from uuid import uuid4

from bridges.api import File
from bridges.errors import BridgeError, Refused, Unavailable
from bridges.files import NotFetched as NotFetched
from bridges.model import Attachment

logger = logging.getLogger(__name__)

FILE_MOST = 20 << 20
"""Bytes of the largest file that is fetched, unless the settings say more: what Telegram lets a bot download."""
AT_ONCE = 4
FETCH_S = 180.0
"""How long a file may take, waiting for its turn included. A send holds its lease for longer."""


def too_large(most: int) -> NotFetched:
    """A file of more bytes than are fetched."""
    return NotFetched(f"the file has more than {most} bytes", reason=f"not fetched, it is over {most / 1e6:.0f} MB")


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


class Files:
    """Fetches what messages refer to, a few at a time."""

    def __init__(self, accounts: Mapping[str, Source], *, most: int = FILE_MOST, at_once: int = AT_ONCE) -> None:
        self._accounts = accounts
        self.most = most
        self._turns = asyncio.Semaphore(at_once)
        self._here: weakref.WeakValueDictionary[tuple[str, str], OnDisk] = weakref.WeakValueDictionary()
        self._under_way: dict[tuple[str, str], asyncio.Task[File]] = {}

    async def fetch(self, attachment: Attachment) -> File:
        """The file. ``Refused`` if it is not to be had, ``Unavailable`` if not just now: nothing else is raised."""
        name = attachment.account or ""
        key = (name, attachment.ref)
        if (here := self._here.get(key)) is not None:
            return here
        source = self._accounts.get(name)
        if source is None:
            raise Refused("nobody knows where this file is")
        if attachment.size is not None and attachment.size > self.most:
            raise too_large(self.most)
        task = self._under_way.get(key)
        if task is None:
            task = asyncio.create_task(self._fetch(source, attachment, key=key))
            self._under_way[key] = task
            task.add_done_callback(lambda done: self._ended(key, done))
        try:
            async with asyncio.timeout(FETCH_S):
                # Whoever gives up waiting must not take the file away from the others.
                return await asyncio.shield(task)
        except TimeoutError as error:
            raise Unavailable(f"the file did not come within {FETCH_S:g} s") from error

    async def _fetch(self, source: Source, attachment: Attachment, *, key: tuple[str, str]) -> File:
        try:
            async with self._turns, asyncio.timeout(FETCH_S):
                file = await source.fetch(attachment)
        except Refused:
            raise
        except BridgeError as error:
            # Whatever it means to the account that the file is from, the message to be sent has not left.
            raise Unavailable(f"the file cannot be fetched just now: {error}") from error
        except TimeoutError as error:
            raise Unavailable(f"the file did not come within {FETCH_S:g} s") from error
        except OSError as error:
            raise Unavailable(f"the file cannot be kept on disk ({error.strerror})") from error
        if file.size > self.most:
            raise too_large(self.most)
        if isinstance(file, OnDisk):
            self._here[key] = file
        return file

    def _ended(self, key: tuple[str, str], task: asyncio.Task[File]) -> None:
        if self._under_way.get(key) is task:
            del self._under_way[key]
        if not task.cancelled():
            task.exception()  # whoever waited has it; nobody may be left who did

    async def stop(self) -> None:
        """End what is under way."""
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
