"""Long texts as files, where a route wants one message and not several: ``long=attach``."""

from __future__ import annotations

from bot.files import Folder
from bot.store import Store, StoreError, Tx
from bridges.api import File
from bridges.errors import Refused, Unavailable
from bridges.files import Bytes
from bridges.model import AccountName, Attachment, Message

OWNER = AccountName(":texts")
"""Whose files these are: no account can have this name."""
TEXT_FILE = Attachment(kind="file", ref="", name="message.txt", media_type="text/plain; charset=utf-8", account=OWNER)
"""What is the same of all of them."""


def as_file(tx: Tx, text: str, *, now: float) -> Attachment:
    """A text as a file to be sent along."""
    return TEXT_FILE.model_copy(update={"ref": str(tx.texts.keep(text, now=now)), "size": len(_encoded(text))})


def has_text_file(message: Message) -> bool:
    """Whether a text of ours hangs on it."""
    return any(map(is_text_file, message.attachments))


def is_text_file(attachment: Attachment) -> bool:
    """Whether it is a text of ours, for one who was to have it in one message."""
    return attachment.account == OWNER


class TextFiles:
    """Where these files are had: what an account is to the files of others."""

    def __init__(self, store: Store, *, folder: Folder | None = None) -> None:
        self._store = store
        self._folder = folder

    async def fetch(self, attachment: Attachment) -> File:
        """See :meth:`bot.accounts.Account.fetch`."""
        try:
            text = await self._store.read(lambda tx: tx.texts.get(int(attachment.ref)))
        except StoreError as error:
            raise Unavailable("the database could not be read") from error
        if text is None:
            raise Refused("the text is no longer kept")
        return self._file(_encoded(text))

    def _file(self, data: bytes) -> File:
        if self._folder is None:
            return Bytes(data)
        with self._folder.begin() as file:
            file.write(data)
            return file.finish()


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "replace")
