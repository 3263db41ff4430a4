"""The playground's folder: what it made there, ports and secrets that stay, one playground at a time."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import random
import re
import secrets
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bot.playground.example import BOT_TOKEN_ID

Json = dict[str, Any]

MARKER = "playground.json"
MADE_BY = "the playground of Patchbay"
CONFIG, DATABASE, WORLD, LOG, LOCK = "patchbay.toml", "patchbay.sqlite3", "world.json", "bot.log", "playground.lock"
OURS = (
    CONFIG,
    *(DATABASE + suffix for suffix in ("", "-wal", "-shm", "-journal", ".lock", ".migrate")),
    *(name + suffix for name in (MARKER, WORLD) for suffix in ("", ".new")),
    LOG,
    LOCK,
)
"""Every file that a playground may make, by name: nothing else is ever removed."""
FILES = f"{DATABASE}.files"
"""The folder in which the bot keeps files while it sends them."""
_FILE_NAME = re.compile(r"[0-9a-f]{32}")
PORTS = range(18000, 28000)
"""Below the ports that systems give to outgoing connections, so that one that goes down can come back."""


class FolderError(OSError):
    """The folder cannot be used; says why and what to do."""


class Folder:
    """One playground's files. Make it with :meth:`open`, end with :meth:`close`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: int | None = None
        self.kept: Json = {}

    @classmethod
    def open(cls, path: Path, *, fresh: bool = False) -> Folder:
        """Make or enter the folder; ``fresh`` removes first what an earlier playground made in it.

        Raises ``FolderError`` for a folder that holds other things, or one that another playground uses.
        """
        folder = cls(path.absolute())
        try:
            folder._enter(fresh=fresh)
        except FolderError:
            folder.close()
            raise
        except OSError as error:
            folder.close()
            raise FolderError(
                f"{path}: the playground cannot write there ({error.strerror}); give it another with --folder"
            ) from error
        return folder

    def _enter(self, *, fresh: bool) -> None:
        path = self.path
        if path.exists() and not self.is_ours() and any(path.iterdir()):
            what = "nothing was removed" if fresh else "nothing was changed"
            raise FolderError(
                f"{path}: was not made by the playground and holds other files, so {what};"
                " name a new or empty folder with --folder"
            )
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = os.open(path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise FolderError(
                f"{path}: another playground uses this folder; stop it first, or name another with --folder"
            ) from error
        if fresh:
            self._clear()
        marker = path / MARKER
        self.kept = json.loads(marker.read_text(encoding="utf-8")) if marker.exists() else {"made_by": MADE_BY}
        self.keep()

    def is_ours(self) -> bool:
        """Whether a playground made this folder: its marker says so."""
        try:
            marker = json.loads((self.path / MARKER).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        return isinstance(marker, dict) and marker.get("made_by") == MADE_BY

    def _clear(self) -> None:
        for name in OURS:
            if name != LOCK:
                (self.path / name).unlink(missing_ok=True)
        files = self.path / FILES
        if files.is_dir() and not files.is_symlink():
            for file in files.iterdir():
                if _FILE_NAME.fullmatch(file.name):
                    file.unlink()
            with contextlib.suppress(OSError):
                files.rmdir()

    def close(self) -> None:
        """Let another playground use it."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    # --- what is kept

    def write(self, name: str, text: str) -> None:
        """Replace a file at once: whoever reads it sees the old or the new one. Nobody else may read it."""
        new = self.path / f"{name}.new"
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(new, self.path / name)

    def keep(self, **values: object) -> None:
        """Remember values for the next start."""
        self.kept |= values
        self.write(MARKER, json.dumps(self.kept, indent=1))

    def secret(self, name: str) -> str:
        """A secret of that name, made once."""
        known = self.kept.setdefault("secrets", {})
        if name not in known:
            random_part = secrets.token_urlsafe(26)
            known[name] = f"{BOT_TOKEN_ID}:{random_part}" if name == "telegram" else random_part
            self.keep()
        return str(known[name])

    def port(self, name: str, *, taken: Iterable[int] = ()) -> int:
        """The port that was used before if it is free, else a free one."""
        known = self.kept.setdefault("ports", {})
        port = known.get(name)
        if not isinstance(port, int) or port in taken or not is_free(port):
            port = next(port for port in random.sample(PORTS, len(PORTS)) if port not in taken and is_free(port))
            known[name] = port
            self.keep()
        return port

    def world(self) -> Json | None:
        """What was written down of the world; None if there is nothing, or nothing that can be read."""
        with contextlib.suppress(OSError, ValueError):
            found = json.loads((self.path / WORLD).read_text(encoding="utf-8"))
            if isinstance(found, dict):
                return found
        return None


def listen_once(port: int) -> None:
    """Take a port of this machine's loopback and let it go; ``OSError`` if that cannot be."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))


def is_free(port: int) -> bool:
    """Whether one can listen on a port of this machine's loopback."""
    try:
        listen_once(port)
    except OSError:
        return False
    return True
