"""A row of the outbox as it is given to its account: with its files, what it answers and what its place is called."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import repeat

from bot.accounts import Account, SentInPart
from bot.agenda import CALENDARS, revealed
from bot.files import Files, NotFetched, Queued, reason_of
from bot.lending import Lends
from bot.shaping import attachment_note, link_lines, size_text
from bot.store import Store, Tx
from bot.store.outbox import Delivery, NewDelivery
from bot.text import measure, split
from bridges.api import Answered, File, Outgoing
from bridges.errors import Refused, Unavailable
from bridges.model import Attachment, ConversationId, Message, MessageId, Person, PersonId, Receipt

logger = logging.getLogger(__name__)

FILE_TRIES_MOST = 5
FILE_WAIT_S = 600.0
"""How long a message waits for a file that cannot be had just now; then it goes without."""
FILES_AT_ONCE = 2
"""Files of one message that are fetched at a time, however many turns there are."""
GATHERING_S = 1200.0
"""How long one attempt may take to have all the files of its message: its lease lasts longer, with the upload too."""
WAITED_MOST = 10_000


class TooLargeThere(NotFetched):
    """A file that is here, and larger than may be sent over there."""


class Outgoings:
    """Makes what one account sends. ``installation``: tells which one this is, once that was read."""

    def __init__(
        self,
        account: Account,
        *,
        store: Store,
        files: Files,
        lender: Lends | None,
        clock: Callable[[], float],
        installation: Callable[[], str],
    ) -> None:
        self._account = account
        self._store = store
        self._files = files
        self._lender = lender
        self._clock = clock
        self._installation = installation
        self._waited: OrderedDict[int, tuple[int, float]] = OrderedDict()
        """How often and since when deliveries have waited for a file."""
        self._unsaid: dict[int, list[str]] = {}
        """What is to be said of a delivery's files after it."""

    async def of(self, row: Delivery, *, asked: bool = False) -> Outgoing:
        """A row as it is given to the account. ``asked``: only to ask what became of it, so that its files are named
        as they were and their bytes left out where they are not to be had any more."""
        message = Message.model_validate_json(row.payload)
        if any(each.account == CALENDARS for each in message.attachments):
            message = await self._store.read(partial(revealed, message=message, at=row.address))
        about = _About()
        files: tuple[File, ...] = ()
        # A look into the database for each message would cost more than all the rest here.
        if row.reply_to is not None or self._account.capabilities.handles:
            about = await self._store.read(lambda tx: _about(tx, row))
        if row.reply_to is not None:
            message = message.model_copy(update={"reply_to": about.answered.id if about.answered else None})
        if message.attachments and self._account.capabilities.attachments == "bytes":
            whole = message
            message, files = await self._with_files(row, message)
            if asked and message.attachments != whole.attachments:
                message, files = whole, ()
        if message.links and not self._account.capabilities.link_buttons:
            message = self._with_link_lines(row, message)
        return Outgoing(
            key=f"{self._installation()}-{row.id}",
            conversation=ConversationId(row.conversation),
            message=message,
            # One found `sending` has had its request counted when it began.
            attempt=row.starts + (row.state == "queued"),
            began_at=_utc(row.started_at if row.state == "sending" else self._clock()),
            handle=about.handle,
            answered=about.answered,
            files=files,
        )

    async def _with_files(self, row: Delivery, message: Message) -> tuple[Message, tuple[File, ...]]:
        """The message and its files; a note stands in the text for one that is not to be had any more.

        Raises ``Unavailable`` while it is worth waiting for one that cannot be had just now.
        """
        fetched = await self._gathered(message.attachments)
        kept: list[Attachment] = []
        files: list[File] = []
        lines: list[str] = []
        for attachment, file in zip(message.attachments, fetched, strict=True):
            match file:
                case Queued():
                    raise Unavailable(str(file)) from file
                case Unavailable() if self._may_wait(row, queued_s=getattr(file, "waited_s", 0.0)):
                    raise Unavailable(str(file)) from file
                case Refused() | Unavailable():
                    logger.info(
                        "a file is left out",
                        extra={"action": "deliver", "account": self._account.name, "error": str(file)},
                    )
                    lines.append(await self._instead(attachment, file))
                case BaseException():
                    raise file
                case None:
                    kept.append(attachment)
                case _:
                    kept.append(attachment)
                    files.append(file)
        self._waited.pop(row.id, None)
        text, more = self._fitted(message.text, lines, beside_files=bool(kept))
        if more:
            self._unsaid[row.id] = more
        return message.model_copy(update={"attachments": tuple(kept), "text": text}), tuple(files)

    def _with_link_lines(self, row: Delivery, message: Message) -> Message:
        """The message with its buttons in its words: they are there already but where somebody sent it elsewhere."""
        lines = [line for line in link_lines(message.links) if line not in message.text]
        if not lines:
            return message
        text, more = self._fitted(message.text, lines, beside_files=bool(message.attachments))
        if more:
            self._unsaid[row.id] = [*self._unsaid.get(row.id, ()), *more]
        return message.model_copy(update={"text": text})

    def _fitted(self, text: str, lines: Sequence[str], *, beside_files: bool) -> tuple[str, list[str]]:
        """A message's words with lines about its files below them; what has no room there, for messages of its own."""
        limits = self._account.capabilities
        unit, most = limits.text_unit, limits.text_limit
        whole = "\n".join([*filter(None, [text]), *lines])
        if not lines or measure(whole, unit=unit) <= ((limits.caption_limit if beside_files else 0) or most):
            return whole, []
        more = "\n".join(lines)
        pieces = [more[start:end].strip() for start, end in split(more, rooms=repeat(most), unit=unit)]
        return (text, pieces) if text or beside_files else (pieces[0], pieces[1:])

    async def _gathered(self, attachments: Sequence[Attachment]) -> Sequence[File | BaseException | None]:
        """The files in their order, or why one is not there."""
        turns = asyncio.Semaphore(FILES_AT_ONCE)

        async def one(attachment: Attachment) -> File | None:
            async with turns:
                return await self._file(attachment)

        try:
            async with asyncio.timeout(GATHERING_S):
                return await asyncio.gather(*map(one, attachments), return_exceptions=True)
        except TimeoutError as error:
            # Each by itself ends long before: it is turns that they had to wait for.
            raise Unavailable("the files wait for others that are fetched before them") from error

    async def _file(self, attachment: Attachment) -> File | None:
        """Its bytes; None: it is there already."""
        most, keeps = self._account.capabilities.attachment_bytes, self._account.capabilities.keeps
        if keeps and attachment.account == keeps:
            return None
        file = await self._files.fetch(attachment)
        if not file.size:
            raise NotFetched("the file is empty", reason="it is empty")
        if most and file.size > most:
            raise TooLargeThere(
                f"the file has {file.size} bytes, {most} is the most here",
                reason=f"files here have at most {size_text(most)}",
            )
        return file

    def _may_wait(self, row: Delivery, *, queued_s: float) -> bool:
        """Whether a message should wait for its file any longer; each time that this is asked is one more.

        ``queued_s``: what it waited for the file's turn this time, which is not held against it.
        """
        now = self._clock()
        times, since = self._waited.get(row.id, (0, now))
        since = min(since + queued_s, now)
        if times + 1 >= FILE_TRIES_MOST or now - since >= FILE_WAIT_S:
            return False
        self._waited[row.id] = (times + 1, since)
        while len(self._waited) > WAITED_MOST:
            self._waited.popitem(last=False)
        return True

    async def _instead(self, attachment: Attachment, error: Refused | Unavailable) -> str:
        """The line of text for a file that does not go along: with a link where the file itself may be had later."""
        note = attachment_note(attachment)
        if isinstance(error, Unavailable | TooLargeThere) and (lender := self._lender) is not None:
            now = self._clock()
            links = await self._store.write(lambda tx: lender.links(tx, [attachment], now=now))
            if attachment.ref in links:
                return f"{note} {links[attachment.ref]}"
        reason = reason_of(error) if isinstance(error, Refused) else "it could not be fetched"
        # An address that we would not ask ourselves is not handed on either.
        link = "" if isinstance(error, NotFetched) else attachment.link
        return f"{note[:-1]}: {reason}]{link and ' '}{link}"

    def unsaid(self, rows: Sequence[Delivery], receipt: Receipt, *, now: float) -> list[NewDelivery]:
        """What is to follow messages that were sent at once: what there is to say of their files, or what of their own
        words did not go with them.

        It is forgotten with that.
        """
        left = [(rows[0], words) for words in receipt.left] if isinstance(receipt, SentInPart) else []
        for row in rows:
            for text in self._unsaid.pop(row.id, ()):
                left.append((row, Message(text=text, silent=Message.model_validate_json(row.payload).silent)))
        return [
            NewDelivery(
                account=row.account,
                conversation=row.conversation,
                payload=words.model_dump_json(exclude_defaults=True),
                created_at=now,
                expires_at=row.expires_at,
                on_ambiguous=row.on_ambiguous,
                priority=row.priority,
                part=0,
                why=row.why,
                op="note",
                subject=row.message,
            )
            for row, words in left
        ]


@dataclass(frozen=True, slots=True)
class _About:
    """What a send wants to know beside its row."""

    handle: str = ""
    answered: Answered | None = None


def _about(tx: Tx, row: Delivery) -> _About:
    answered = None
    if row.reply_to is not None:
        remote_id = tx.messages.remote_id_in(row.reply_to, row.account, row.conversation)
        origin = tx.messages.get(row.reply_to)
        if remote_id is not None and origin is not None:
            answered = Answered(
                id=MessageId(remote_id),
                text=origin.text,
                sender=Person(id=PersonId(origin.sender_id), name=origin.sender_name),
                at=_utc(origin.at),
            )
    return _About(tx.conversations.handle(row.account, row.conversation), answered)


def _utc(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
