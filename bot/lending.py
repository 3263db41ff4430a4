"""Links to files for those who cannot be sent the files themselves: signed, for a while, and served by this bot.

A link says only which of the lent files it is and until when. Whose file that is and where it lies stays here: what
is served is fetched from the account that it came in through, whose token is in no link.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import struct
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Protocol
from urllib.parse import urlsplit

from bot.files import Files, LocalFile, OnDisk
from bot.store import Store, Tx
from bridges.errors import Refused
from bridges.model import Attachment

CACHE_MOST = 500_000_000
"""Bytes of lent files that stay on disk because they may be asked for again."""
SECRET = "files_secret"
_PAYLOAD = struct.Struct(">QQ")
_SIGNATURE = 24


class Gone(Exception):
    """A link that was good, and is no longer; or its file is no longer to be had."""


class Lends(Protocol):
    """Makes links."""

    def links(self, tx: Tx, attachments: Sequence[Attachment], *, now: float) -> Mapping[str, str]:
        """A link for each, by its ``ref``."""
        ...


class Lender:
    """Makes links, reads them again, and has the files they stand for."""

    def __init__(
        self, *, store: Store, files: Files, public_url: str | None, keep_s: float, cache_most: int = CACHE_MOST
    ) -> None:
        self._store = store
        self._files = files
        self._public_url = public_url
        self._keep_s = keep_s
        self._cache_most = cache_most
        self._cache: OrderedDict[int, OnDisk] = OrderedDict()

    def links(self, tx: Tx, attachments: Sequence[Attachment], *, now: float) -> Mapping[str, str]:
        """See :class:`Lends`; none where nobody could reach us, for an empty file or one that we cannot have."""
        if self._public_url is None:
            return {}
        expires_at = int(now + self._keep_s)
        key = _key(tx)
        return {
            each.ref: f"{self._public_url}/files/"
            + _token(key, id=tx.files.lend(each, now=now, expires_at=expires_at), expires_at=expires_at)
            for each in attachments
            if each.account is not None and each.ref and (each.size is None or 0 < each.size <= self._files.most)
        }

    async def look_up(self, token: str, *, now: float) -> tuple[int, Attachment] | None:
        """What a link stands for; None if it is none of ours. Raises ``Gone`` and ``StoreError``."""
        read = _read(token)
        if read is None:
            return None
        id, expires_at, signature = read

        def unit(tx: Tx) -> tuple[bool, Attachment | None]:
            key = tx.meta.get(SECRET)
            good = key is not None and hmac.compare_digest(signature, _sign(key.encode(), id, expires_at))
            return good, tx.files.get(id) if good else None

        good, attachment = await self._store.read(unit)
        if not good:
            return None
        if attachment is None or expires_at <= now:
            raise Gone("this link has expired")
        return id, attachment

    async def file(self, id: int, attachment: Attachment) -> OnDisk | LocalFile:
        """The file itself. Raises ``Gone``, or ``Unavailable`` if it cannot be had just now."""
        kept = self._cache.get(id)
        if kept is not None and kept.is_there:
            self._cache.move_to_end(id)
            return kept
        try:
            file = await self._files.fetch(attachment)
        except Refused as error:
            raise Gone("the file is no longer to be had") from error
        if isinstance(file, OnDisk):
            self._cache[id] = file
            while len(self._cache) > 1 and sum(each.size for each in self._cache.values()) > self._cache_most:
                self._cache.popitem(last=False)
        elif not isinstance(file, LocalFile):
            raise Gone("the file is no longer to be had")  # no account keeps its files in memory while the bot runs
        return file


def shown_link(link: str) -> str:
    """An address that a provider gave, if people may be told it: a plain web address without a login in it."""
    try:
        parts = urlsplit(link)
        good = parts.scheme in ("https", "http") and bool(parts.hostname) and "@" not in parts.netloc
    except ValueError:
        return ""
    return link if good and link.isprintable() and " " not in link else ""


def _key(tx: Tx) -> str:
    """What links are signed with: made once, and kept."""
    key = tx.meta.get(SECRET)
    if key is None:
        key = secrets.token_urlsafe(32)
        tx.meta.set(SECRET, key)
    return key


def _token(key: str, *, id: int, expires_at: int) -> str:
    signed = _PAYLOAD.pack(id, expires_at) + _sign(key.encode(), id, expires_at)
    return base64.urlsafe_b64encode(signed).decode()


def _sign(key: bytes, id: int, expires_at: int) -> bytes:
    return hmac.new(key, b"file" + _PAYLOAD.pack(id, expires_at), hashlib.sha256).digest()[:_SIGNATURE]


def _read(token: str) -> tuple[int, int, bytes] | None:
    size = _PAYLOAD.size + _SIGNATURE
    if len(token) != -(-size // 3) * 4 or not token.isascii():
        return None
    try:
        read = base64.b64decode(token, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    if len(read) != size or base64.urlsafe_b64encode(read).decode() != token:
        return None
    id, expires_at = _PAYLOAD.unpack_from(read)
    return (id, expires_at, read[_PAYLOAD.size :]) if id < 1 << 63 else None
