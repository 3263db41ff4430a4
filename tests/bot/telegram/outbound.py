"""Telegram as an account, in front of the emulator over real HTTP."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from telegram.ext import ExtBot

from bot.http import HttpClient
from bot.playground.emulator import Emulator
from bot.playground.hosting import LoopbackServer
from bot.telegram.outbound import TelegramAccount
from bot.telegram.request import Request
from bridges.api import File, Outgoing
from bridges.files import Bytes
from bridges.model import Attachment, ConversationId, Message, MessageId, Receipt
from tests.playground.bot_api_schema import API, check_answer, check_calls

ANN, BEN = 1001, 1002
GROUP, FORUM, SMALL, CHANNEL = -1001000000001, -1001000000002, -501, -1001000000003


def png(width: int = 8, height: int = 8, *, size: int = 64) -> bytes:
    """Bytes that begin as a picture of this size."""
    return (b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + struct.pack(">II", width, height)).ljust(size, b"p")


class Desk:
    """The account, and the emulator to look at what it did."""

    def __init__(self, telegram: Emulator, account: TelegramAccount) -> None:
        self.telegram, self.account = telegram, account

    async def send(
        self, conversation: int | str, message: Message, *, files: Sequence[bytes | File] = ()
    ) -> tuple[MessageId, ...]:
        """Send a message; its ids."""
        receipt = await self.deliver(conversation, message, files=files)
        return receipt.ids

    async def deliver(
        self, conversation: int | str, message: Message, *, files: Sequence[bytes | File] = ()
    ) -> Receipt:
        given = tuple(Bytes(file) if isinstance(file, bytes) else file for file in files)
        return await self.account.deliver(
            [Outgoing(key="k-1", conversation=ConversationId(str(conversation)), message=message, files=given)]
        )

    def shown(self, id: MessageId) -> Any:
        """A message as Telegram has it."""
        chat, _, number = id.partition("/")
        return self.telegram.message(int(chat), int(number))

    def bytes_of(self, media: Any) -> bytes:
        """What lies behind a media object of a message."""
        found = self.telegram.files.get(media["file_id"])
        assert found is not None
        return found.data

    @property
    def called(self) -> list[str]:
        """The methods that were called, with their outcomes."""
        return [f"{call.method} {call.status}" for call in self.telegram.calls]


@asynccontextmanager
async def desk() -> AsyncIterator[Desk]:
    """An account whose well-formed requests are checked against the description at the end."""
    telegram = Emulator()
    telegram.add_user(ANN, "Ann")
    telegram.add_user(BEN, "Ben")
    bot_id = telegram.bot.id
    telegram.add_group(GROUP, "Team", [BEN], [ANN])
    telegram.add_group(FORUM, "Desk", [BEN], [ANN, bot_id], is_forum=True)
    telegram.add_group(SMALL, "Few", [BEN], [ANN], type="group")
    telegram.add_channel(CHANNEL, "News", [ANN])
    telegram.start(ANN)
    async with LoopbackServer(telegram.app) as server:
        account = account_at(server.url, telegram.bot.token)
        try:
            yield Desk(telegram, account)
        finally:
            await account.close()
            await telegram.aclose()
    if API.is_file():
        check_calls(call for call in telegram.calls if call.status == 200)
        for call in telegram.calls:
            check_answer(call)


def account_at(url: str, token: str) -> TelegramAccount:
    """Telegram's account with its server at an address."""
    return TelegramAccount(ExtBot(token, base_url=f"{url}/bot", request=Request(HttpClient())))


def file(kind: str, name: str = "", media_type: str = "", **more: Any) -> Attachment:
    """An attachment from somewhere else than Telegram."""
    return Attachment.model_validate(
        {"kind": kind, "ref": "r1", "name": name, "media_type": media_type, "account": "club", **more}
    )
