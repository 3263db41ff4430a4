"""The picture of the coming week on its way to a chat: drawn when it is fetched, so that nothing has to be kept."""

from __future__ import annotations

import asyncio
from functools import partial
from itertools import repeat
from zoneinfo import ZoneInfo

from bot.addresses import is_reached_from, parse_address
from bot.agenda import entries, is_made_in
from bot.calendars import Entry
from bot.files import Folder
from bot.store import Store, StoreError, Tx
from bot.text import split, utf16_length
from bot.week import CAPTION_MOST, caption, picture
from bridges.api import File
from bridges.errors import Refused, Unavailable
from bridges.files import Bytes
from bridges.model import AccountName, Attachment

OWNER = AccountName(":weeks")
"""Whose files these are: no account can have this name."""
DAYS, BACK_DAYS = 8.0, 1.0
"""A little more than what is shown, which begins and ends at midnight."""
MOST = 5_000
"""So many entries are counted, to come and decided."""
TOO_MANY = f"\nThere is more to come than that: only the first {MOST:,} are counted."


def week_picture(tx: Tx, *, chat: str, now: float, zone: str) -> tuple[str, Attachment]:
    """The week in words, and the picture to go with them. ``chat``: only what was scheduled there; empty: everything.
    ``zone``: that of the days and times.
    """
    found = _entries(tx, chat=chat, now=now, zone=ZoneInfo(zone))
    words = caption(found, now=now, zone=ZoneInfo(zone))
    if sum(each.state in ("planned", "paused", "waits") for each in found) >= MOST:
        room = CAPTION_MOST - utf16_length(TOO_MANY)
        _, end = next(iter(split(words, rooms=repeat(room), unit="utf16")))
        words = words[:end] + TOO_MANY
    ref = f"{now:.0f} {zone} {chat}".strip()
    return words, Attachment(kind="image", ref=ref, name="week.png", media_type="image/png", account=OWNER)


def _entries(tx: Tx, *, chat: str, now: float, zone: ZoneInfo) -> list[Entry]:
    look = partial(entries, tx, now=now, days=DAYS, back_days=BACK_DAYS, most=MOST, by_day=zone)
    if not chat:
        return look()
    home = parse_address(chat)
    return look(
        seen=lambda schedule: is_made_in(schedule, home),
        reaches=partial(is_reached_from, home),
        chat=chat,
    )


class WeekPictures:
    """Where these pictures are had: what an account is to the files of others."""

    def __init__(self, store: Store, *, folder: Folder | None = None) -> None:
        self._store = store
        self._folder = folder

    async def fetch(self, attachment: Attachment) -> File:
        """See :meth:`bot.accounts.Account.fetch`. What is planned is as it is now; the week is the one asked for."""
        at, _, rest = attachment.ref.partition(" ")
        zone, _, chat = rest.partition(" ")
        try:
            now = float(at)
            found = await self._store.read(lambda tx: _entries(tx, chat=chat, now=now, zone=ZoneInfo(zone)))
        except StoreError as error:
            raise Unavailable("the database could not be read") from error
        except ValueError as error:
            raise Refused("there is no such picture") from error
        data = await asyncio.to_thread(partial(picture, found, now=now, zone=ZoneInfo(zone)))
        if self._folder is None:
            return Bytes(data)
        with self._folder.begin() as file:
            file.write(data)
            return file.finish()
